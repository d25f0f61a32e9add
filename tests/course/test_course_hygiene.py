"""The tests of notebooks, tried on notebooks that each of them has to refuse, and on one that all accept."""

import pytest
import test_notebooks as rules
from fixtures.notebooks import GOOD_SOLUTION, answer, code, save, text
from nbformat.v4 import new_output

from scomics_lite import datasets
from scomics_lite.course import checks, exercises

RECORD = {"figure": "fig-9-1", "caption": "What to see.", "alt": "What is drawn."}
METADATA = {"image/png": {"alt": "What is drawn."}, "scomics_lite": RECORD}


def showing(kind="image/png", count=1, **metadata):
    cell = code("draw()", count=count)
    cell.outputs = [new_output("display_data", {kind: "iVBO", "text/plain": "[fig-9-1]"}, metadata=metadata)]
    return cell


def ignored(count):
    return code("print(1)", "1\n", count=count, tags=["nbval-ignore-output"])


GOOD = (
    text("# A chapter\n\n**Reading** 5 min"),
    text("A **size factor** and two **library sizes**.\n\n**Where readers go wrong.** They do not."),
    text("[here](09_good.ipynb#top), [below](#top), [DOI](https://doi.org/10.1000/1), `[not](a link)`"),
    code("# a comment\n" * 20 + "print(1)", "1\n", count=1),
    showing(count=2, **METADATA),
    code("print(2)", "2\n", count=3),
    ignored(4),
)
STDERR = code("warn()")
STDERR.outputs = [new_output("stream", name="stderr", text="careful")]
ERROR = code("1 / 0")
ERROR.outputs = [new_output("error", ename="ZeroDivisionError", evalue="division by zero")]
TIMED = code("1", execution={"iopub.execute_input": "2026-01-01"})

# (the test, cells it must refuse)
BAD = [
    (rules.test_committed_executed_in_order, [code("1", count=None)]),
    (rules.test_committed_executed_in_order, [code("1", count=1), code("2", count=3)]),
    (rules.test_committed_without_errors_and_warnings, [STDERR]),
    (rules.test_committed_without_errors_and_warnings, [ERROR]),
    (rules.test_most_text_is_compared, [code("print(1)", "1\n"), code("print(1)", "1\n"), ignored(3)]),
    (rules.test_most_text_is_compared, [code("# NBVAL_IGNORE_OUTPUT\nprint(1)", "1\n")]),
    (rules.test_real_data_cells_name_real_data, [code("print(1)", "1\n", tags=["real-data"])]),
    (rules.test_every_picture_is_a_numbered_figure, [showing()]),
    (rules.test_every_picture_is_a_numbered_figure, [showing(**{**METADATA, "scomics_lite": {**RECORD, "alt": " "}})]),
    (rules.test_no_picture_is_stored_as_svg_or_pdf, [showing("image/svg+xml")]),
    (rules.test_no_path_of_a_machine, [code(f"open('{rules.ROOT}/x')")]),
    (rules.test_no_path_of_a_machine, [code("1", "/home/" + "me/x\n")]),
    (rules.test_no_path_of_a_machine, [text("C:\\" + "Users\\me")]),
    (rules.test_notebooks_say_nothing_about_who_ran_them, [TIMED]),
    (rules.test_links_lead_to_files_of_the_course, [text("[next](10_missing.ipynb#top)")]),
    (rules.test_links_lead_to_files_of_the_course, [text('<a href="../exercises/09_x.ipynb">exercises</a>')]),
    (rules.test_links_lead_to_files_of_the_course, [text("[out](..)")]),
    (rules.test_cells_are_short, [code("x = 1\n" * 16)]),
    (rules.test_bold_terms_are_in_the_glossary, [text("# Top"), text("a **flux capacitor**")]),
]
CHAPTER_RULES = list(dict.fromkeys(rule for rule, _ in BAD))


@pytest.mark.parametrize(("rule", "cells"), BAD)
def test_each_rule_refuses_what_it_is_for(rule, cells, tmp_path, monkeypatch):
    monkeypatch.setattr(rules, "ROOT", tmp_path)
    with pytest.raises(AssertionError):
        rule(save(tmp_path / "09_bad.ipynb", *cells))


@pytest.mark.parametrize("rule", CHAPTER_RULES)
def test_a_good_chapter_passes(rule, tmp_path, monkeypatch):
    monkeypatch.setattr(rules, "ROOT", tmp_path)
    rule(save(tmp_path / "09_good.ipynb", *GOOD))


@pytest.mark.parametrize("here", [True, False])
def test_real_data_cells_count_only_where_the_data_are(tmp_path, monkeypatch, here):
    sets = datasets.available().assign(cached=here)
    monkeypatch.setattr(datasets, "available", lambda: sets)
    compared = [code("print('pasilla')", "1\n", tags=["real-data"]) for _ in range(3)]
    path = save(tmp_path / "09_real.ipynb", *compared, ignored(4))
    if here:
        rules.test_most_text_is_compared(path)
    else:
        with pytest.raises(AssertionError):
            rules.test_most_text_is_compared(path)


@pytest.mark.parametrize("ids", [("fig-9-1", "fig-9-1"), ("fig-8-1", "fig-9-1")])
def test_figure_ids_are_refused_twice_or_in_another_chapter(tmp_path, monkeypatch, ids):
    shown = [showing(**{**METADATA, "scomics_lite": {**RECORD, "figure": id}}) for id in ids]
    monkeypatch.setattr(rules, "CHAPTERS", [save(tmp_path / "09_bad.ipynb", *shown)])
    with pytest.raises(AssertionError):
        rules.test_figure_ids_are_unique_and_belong_to_their_chapter()


def test_a_planned_figure_that_is_missing_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(rules, "ROOT", tmp_path)
    monkeypatch.setattr(rules, "FIGURES", {"09": 2})
    save(tmp_path / "notebooks" / "09_bad.ipynb", showing(**METADATA))
    with pytest.raises(AssertionError):
        rules.test_planned_figures_are_there("09")


# --- exercises: kernels cannot see checks registered here, so these notebooks bring their own ----------------------

CHECK = "half_ok = '[ok] ch99-half: right.'\ndef check(key, answer):\n    print({line} if key else answer)"


@pytest.fixture
def pair(tmp_path, monkeypatch, two_exercises):
    """Write a solution notebook and its exercise; return the exercise's path."""
    monkeypatch.setattr(rules, "ROOT", tmp_path)

    def write(*cells):
        save(tmp_path / "solutions" / "99_x_solutions.ipynb", *cells)
        (path,) = exercises.generate(tmp_path)
        return path

    return write


HALF = answer("ch99-half", "def half(x):\n    ### BEGIN SOLUTION\n    return x / 2\n    ### END SOLUTION")


def own_check(line):
    return code(CHECK.format(line=line), id="own-check")


def test_unsolved_exercises_may_raise_not_implemented(pair, tmp_path):
    path = pair(own_check("half_ok"), HALF, code('check("ch99-half", half)'), code("x = half(1)"), code("print(x)"))
    rules.test_unsolved_exercises_raise_not_implemented_and_nothing_else(path, tmp_path)
    rules.test_every_check_says_not_yet_before_and_ok_after(path, tmp_path)


@pytest.mark.parametrize("source", ["half(1 / 0)", "half(nobody)", "half(int('x'))"])
def test_unsolved_exercises_may_raise_nothing_else(pair, tmp_path, source):
    path = pair(own_check("half_ok"), HALF, code('check("ch99-half", half)'), code(source))
    with pytest.raises(AssertionError):
        rules.test_unsolved_exercises_raise_not_implemented_and_nothing_else(path, tmp_path)


def test_a_solution_its_check_refuses_is_noticed(pair, tmp_path):
    path = pair(own_check("'[try again] ch99-half: no.'"), HALF, code('check("ch99-half", half)'))
    with pytest.raises(AssertionError):
        rules.test_every_check_says_not_yet_before_and_ok_after(path, tmp_path)


def test_exercises_out_of_step_are_noticed(pair):
    path = pair(*GOOD_SOLUTION)
    rules.test_exercises_are_what_solutions_give()
    path.write_text(path.read_text().replace("share = ...", "share = 3 / 7"))
    with pytest.raises(AssertionError):
        rules.test_exercises_are_what_solutions_give()


def test_a_check_nobody_asks_for_is_noticed(pair):
    path = pair(HALF, code('check("ch99-half", half)'))
    solution = rules.ROOT / "solutions" / path.name.replace("_exercises", "_solutions")
    assert checks.keys("ch99") == ["ch99-half", "ch99-share"]
    with pytest.raises(AssertionError):
        rules.test_every_check_of_a_chapter_has_its_exercise(solution)
