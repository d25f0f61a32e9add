"""check(): what it says about right, missing, wrong and misbehaving answers."""

import re

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from scomics_lite.course import check, checks
from scomics_lite.course.checks import answers, compare
from scomics_lite.validation import InputError

HINTS = ("What does half mean?", "Which operator halves?", "Divide by two.")


@pytest.fixture(autouse=True)
def _half(registry):
    @checks.exercise("ch99-half", hints=HINTS)
    def diagnose(half):
        x = np.array([1.0, 2.0, 8.0])
        return checks.differs(half(x), x / 2, what="half")


@pytest.fixture
def said(capsys):
    """Check an answer and return the lines printed."""

    def ask(answer, key="ch99-half"):
        assert check(key, answer) is None
        return capsys.readouterr().out.splitlines()

    return ask


@pytest.mark.parametrize("right", [lambda x: x / 2, lambda x: 0.5 * x, np.frompyfunc(lambda x: x / 2, 1, 1)])
def test_right_answers_however_written(said, right):
    assert said(right) == ["[ok] ch99-half: right."]


def test_hints_come_one_at_a_time_and_the_last_one_stays(said):
    hints = [said(lambda x: x)[1] for _ in range(4)]
    assert hints == [f"    hint {n} of 3: {HINTS[n - 1]}" for n in (1, 2, 3, 3)]


def test_hints_of_one_exercise_do_not_use_up_those_of_another(said):
    checks.exercise("ch99-other", hints=("a", "b", "c"))(lambda answer: "no.")
    said(lambda x: x)
    assert said(1, "ch99-other")[1] == "    hint 1 of 3: a"


def unsolved(x):
    raise NotImplementedError("ch99-half")


@pytest.mark.parametrize("answer", [..., None, (1, ...), {"a": [None]}, unsolved, lambda x: unsolved(x) + 1])
def test_no_answer_so_far_costs_no_hint(said, answer):
    (line,) = said(answer)
    assert line.startswith("[not yet] ch99-half: ")


def raises(x):
    y = x[:2]
    return y + x  # shapes differ


def changes(x):
    x /= 2
    return x


def leaves(x):
    raise SystemExit


@pytest.mark.parametrize(
    ("answer", "diagnosis"),
    [
        (
            raises,
            r"your code raised ValueError: operands could not .* \(line \d+ of its cell: `return y \+ x  # shapes",
        ),
        (leaves, r"your code raised SystemExit \(line \d+ of its cell: `raise SystemExit`\)\."),
        (lambda: 1, r"your code raised TypeError: .*<lambda>\(\) takes 0 positional arguments but 1 was given\."),
        (changes, r"your function changes its argument number 1 in place"),
        (lambda x: None, r"half is None: is a `return` missing\?"),
        (3.0, r"this answer has a form the check cannot read \(TypeError\)"),
    ],
)
def test_misbehaving_answers_get_one_line_and_a_hint(said, answer, diagnosis):
    first, hint = said(answer)
    assert first.startswith("[try again] ch99-half: ")
    assert re.search(diagnosis, first), first
    assert hint.startswith("    hint 1 of 3")


def test_warnings_in_an_answer_are_not_errors(said):
    assert said(lambda x: (np.log(np.zeros(1)), x / 2)[1]) == ["[ok] ch99-half: right."]


def test_interrupting_a_check_is_possible():
    def stop(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("ch99-half", stop)


def test_a_check_cannot_change_the_answer(said):
    checks.exercise("ch99-list", hints=HINTS)(lambda answer: answer.clear())
    mine = [1, 2]
    assert said(mine, "ch99-list") == ["[ok] ch99-list: right."]
    assert mine == [1, 2]


def test_unknown_keys_name_the_nearest():
    with pytest.raises(InputError, match="there is no exercise 'ch99-hafl'; did you mean 'ch99-half'"):
        check("ch99-hafl", 1)
    with pytest.raises(InputError, match="there is no exercise 42"):
        check(42, 1)


@pytest.mark.parametrize(
    ("key", "hints", "message"),
    [
        ("Half", HINTS, "not of the form ch01-some-name"),
        ("ch99-new", HINTS[:2], "a ladder has 3 hints"),
        ("ch99-half", HINTS, "registered twice"),
    ],
)
def test_registering_nonsense_is_refused(key, hints, message):
    with pytest.raises(InputError, match=message):
        checks.exercise(key, hints=hints)(lambda answer: None)


def test_reloading_a_module_of_checks_is_fine():
    def diagnose(answer):
        return None

    for _ in range(2):
        checks.exercise("ch99-again", hints=HINTS)(diagnose)
    assert checks.keys("ch99") == ["ch99-half", "ch99-again"]


ARGUMENTS = {
    "array": np.ones((2, 3)),
    "frame": pd.DataFrame({"a": [1.0, 2.0]}),
    "sparse": sparse.csr_array(np.eye(3)),
    "list": [1, [2, np.ones(2)]],
    "dict": {"a": np.array([1, 2])},
    "anndata": AnnData(np.ones((2, 3))),
}


def spoil(argument):
    """Change an argument of any kind in place."""
    if isinstance(argument, AnnData):
        argument.X[0, 0] = 7
    elif isinstance(argument, pd.DataFrame):
        argument.loc[0, "a"] = 7
    elif isinstance(argument, list):
        argument[1][1][0] = 7
    elif isinstance(argument, dict):
        argument["a"][0] = 7
    else:
        argument[0, 0] = 7


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_arguments_of_any_kind_are_watched(kind):
    given = ARGUMENTS[kind]
    answers.Answer(lambda argument: argument)(given)
    with pytest.raises(answers.ArgumentChanged):
        answers.Answer(spoil)(given)
    answers.Answer(lambda argument: argument)(given)  # the given object itself was not touched


def test_drawing_from_a_generator_changes_nothing_that_counts():
    draw = answers.Answer(lambda rng, *, n: rng.normal(size=n))
    assert draw(np.random.default_rng(1), n=3).shape == (3,)


EXPECTED = np.array([[1.5, 2.0, 4.0], [8.0, 3.0, 5.5]])
SQUARE = np.array([[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        (EXPECTED * (1 + 1e-9), EXPECTED, None),
        (sparse.csr_array(EXPECTED), EXPECTED, None),
        (pd.DataFrame(EXPECTED), EXPECTED, None),
        ([1, 2], [1.0, 2.0], None),
        (None, EXPECTED, "is None"),
        ("text", EXPECTED, "is a text where numbers were expected"),
        ({"a": 1}, EXPECTED, "is a dict where"),
        (np.mean, EXPECTED, "is a function (call it) where"),
        ([[1, 2], [3]], EXPECTED, "is a list that cannot be read"),
        (pd.Series(["a"]), EXPECTED, "is a Series that cannot be read"),
        (object(), EXPECTED, "is of type object that"),
        (EXPECTED.T, EXPECTED, "axes swapped: shape (3, 2)"),
        (EXPECTED.ravel(), EXPECTED, "the right number of values in shape (6,)"),
        (EXPECTED[:1], EXPECTED, "has shape (1, 3) where (2, 3)"),
        (EXPECTED, 1.0, "where one number was expected"),
        (SQUARE.T, SQUARE, "axes swapped (samples"),
        (np.where(EXPECTED > 5, np.nan, EXPECTED), EXPECTED, "is NaN in 2 of 6 places"),
        (np.inf, 1.0, "is infinite here"),
        (-EXPECTED, EXPECTED, "the opposite sign"),
        (1 / EXPECTED, EXPECTED, "the reciprocal"),
        (np.log(EXPECTED), EXPECTED, "on the log scale where"),
        (np.log2(EXPECTED), EXPECTED, "on the log scale where"),
        (np.exp2(EXPECTED), EXPECTED, "on the plain scale where"),
        (np.sort(EXPECTED, axis=None).reshape(2, 3), EXPECTED, "another order"),
        (EXPECTED * np.log(2), EXPECTED, "a log2 where a natural logarithm"),
        (EXPECTED / np.log(10), EXPECTED, "a log10 where a natural logarithm"),
        (EXPECTED * np.log2(10), EXPECTED, "a log10 where a log2"),
        (20.0, 0.2, "a percentage"),
        (EXPECTED * 1e6, EXPECTED, "counts per million"),
        (EXPECTED * 3, EXPECTED, "constant factor, the same for every entry"),
        (EXPECTED + 1, EXPECTED, "off by one constant, the same"),
        (EXPECTED + np.array([[0, 0, 1], [0, 0, 2]]), EXPECTED, "is wrong in 2 of 6 places, too large in all of them"),
        (EXPECTED + np.array([[0, 0, 1], [0, 0, -2]]), EXPECTED, "is wrong in 2 of 6 places."),
        (0.5, 0.75, "is too small."),
    ],
)
def test_differences_are_named(answer, expected, words):
    found = compare.differs(answer, expected, what="it")
    if words is None:
        assert found is None
    else:
        assert found.startswith("it ")
        assert words in found


def test_a_difference_never_shows_the_right_number():
    for wrong in (0.1, 0.9, -0.4375, 43.75, 1 / 0.4375, np.nan):
        assert "4375" not in compare.differs(wrong, 0.4375)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"A": 1, "B": 2}, None),
        ({"A": 1}, "says nothing about 'B'"),
        ({"A": 1, "B": 2, "C": 3}, "has an entry 'C' nobody asked for"),
        (3, "is a number where a dict was expected, with one entry for each of: A, B"),
    ],
)
def test_missing_parts(answer, words):
    found = compare.missing_parts(answer, ["A", "B"])
    assert found is None if words is None else words in found


def test_random_counts_have_what_forgetful_answers_trip_over():
    rng = np.random.default_rng(5)
    plain, holey = compare.random_counts(rng, 6, 200), compare.random_counts(rng, 6, 200, zeros=True)
    assert plain.min() > 0
    assert np.ptp(plain.sum(axis=1)) > 0.2 * plain.sum(axis=1).mean()
    assert (holey[:, 0] == 0).all()
    assert (holey == 0).any(axis=0).mean() < 1


def test_every_registered_ladder_differs_rung_by_rung():
    for key in checks.keys("ch01"):
        assert len(set(checks._registry[key].hints)) == checks.RUNGS
