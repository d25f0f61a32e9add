"""The exercise generator: what it leaves, what it takes out, and what it refuses."""

import nbformat
import pytest
from fixtures.notebooks import BAD_SOLUTIONS, GOOD_SOLUTION, HALF, HALF_CHECK, answer, code, notebook, save, text

from scomics_lite.course import exercises, notebooks
from scomics_lite.validation import InputError


@pytest.fixture
def root(tmp_path, two_exercises):
    (tmp_path / "exercises").mkdir()
    save(tmp_path / "solutions" / "99_good_solutions.ipynb", *GOOD_SOLUTION)
    return tmp_path


@pytest.fixture
def made(root):
    (path,) = exercises.generate(root)
    return nbformat.read(path, as_version=4)


def source_of(made, key):
    return next(cell.source for cell in made.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == key)


def test_the_first_words_are_for_the_student_and_where_it_comes_from_stands_in_the_metadata(made):
    assert made.cells[0].source == "# 99 · Halves: exercises"
    assert made.metadata.scomics_lite.generated_from == "solutions/99_good_solutions.ipynb"
    assert made.metadata.scomics_lite.note == "edit there, then run: python3 -m scomics_lite exercises"
    assert not [cell.source for cell in made.cells if "solutions/" in cell.source]


def test_only_a_title_is_retitled(two_exercises):
    (made,) = exercises.make_exercise(notebook(text("# Salts: solutions\n\nTwo kinds of mixture: solutions"))).cells
    assert made.source == "# Salts: exercises\n\nTwo kinds of mixture: solutions"


def test_function_body_becomes_not_implemented(made):
    expected = 'def half(x):\n    """Return half of x."""\n    raise NotImplementedError("ch99-half")'
    assert source_of(made, "ch99-half") == expected


def test_value_becomes_ellipsis_and_the_way_to_it_is_gone(made):
    assert source_of(made, "ch99-share") == "share = ...\nprint(share)"


def test_every_name_used_later_is_left(two_exercises):
    cell = answer("ch99-share", "### BEGIN SOLUTION\nb, a = 1, 2\nfor c in [a]:\n    share = b / c\n### END SOLUTION")
    made = exercises.make_exercise(notebook(cell, code('check("ch99-share", share)'), code("a + c")))
    assert source_of(made, "ch99-share") == "a = ...\nc = ...\nshare = ..."


def test_marks_deep_inside_a_function_keep_their_indentation(two_exercises):
    source = (
        "class Half:\n    def call(self, x):\n        if x:\n            ### BEGIN SOLUTION\n            y = x / 2\n"
    )
    source += "            ### END SOLUTION\n        return y"
    made = exercises.make_exercise(notebook(answer("ch99-half", source), code('check("ch99-half", Half().call)')))
    assert source_of(made, "ch99-half").splitlines()[3] == '            raise NotImplementedError("ch99-half")'
    assert source_of(made, "ch99-half").endswith("        return y")


def test_two_regions_in_one_cell(two_exercises):
    source = HALF + "\n\n\ndef third(x):\n    ### BEGIN SOLUTION\n    return x / 3\n    ### END SOLUTION"
    made = exercises.make_exercise(notebook(answer("ch99-half", source), HALF_CHECK))
    assert source_of(made, "ch99-half").count('raise NotImplementedError("ch99-half")') == 2
    assert "SOLUTION" not in source_of(made, "ch99-half")


def test_hidden_tests_are_left_out(two_exercises):
    hidden = "### BEGIN HIDDEN TESTS\nassert half(2) == 1\n### END HIDDEN TESTS"
    made = exercises.make_exercise(notebook(answer("ch99-half", HALF), code(f"{HALF_CHECK.source}\n{hidden}")))
    assert made.cells[-1].source == HALF_CHECK.source


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        ("### BEGIN HIDDEN TESTS\nassert True", "line 2: BEGIN without END"),
        ("### END HIDDEN TESTS", "line 2: END without BEGIN"),
        (
            "# begin hidden test\nassert True",
            "'# begin hidden test' is not quite a mark; write ### BEGIN HIDDEN TESTS or",
        ),
    ],
)
def test_untidy_hidden_tests_are_refused(hidden, message, two_exercises):
    cells = answer("ch99-half", HALF), code(f"{HALF_CHECK.source}\n{hidden}")
    with pytest.raises(exercises.ExerciseError) as caught:
        exercises.make_exercise(notebook(*cells), "bad_solutions.ipynb")
    assert message in str(caught.value)


def test_solution_cells_outputs_and_nothing_else_are_dropped(made):
    kept = [cell for cell in GOOD_SOLUTION if "solution" not in notebooks.tags(cell)]
    assert [cell.id for cell in made.cells] == [cell.id for cell in kept]
    assert all(not cell.outputs and cell.execution_count is None for cell in notebooks.code_cells(made))
    assert [cell.metadata.get("nbgrader") for cell in made.cells] == [c.metadata.get("nbgrader") for c in kept]


def test_cells_that_need_an_answer_may_raise(made):
    tagged = [cell.id for cell in notebooks.code_cells(made) if "raises-exception" in notebooks.tags(cell)]
    share = next(cell.id for cell in GOOD_SOLUTION if cell.metadata.get("nbgrader", {}).get("grade_id") == "ch99-share")
    assert tagged == ["uses-half", "uses-quarter", "uses-eighth", share]


@pytest.mark.parametrize(
    ("cells", "stopped"),
    [
        (["x = ...", "check('k', x)", "check('k', x + 1)"], [False, False, True]),
        (["x = ...", "check('k', {'x': x})", "check('k', {'x': x + 1})"], [False, False, True]),
        (["x = ...", "y = x", "y = 3", "y"], [False, True, False, False]),
        (["x = ...", "y = x", "y", "check('k', y)"], [False, True, True, True]),
        (["def f(): raise NotImplementedError('k')\nf()", "check('k', f)", "f"], [True, False, True]),
        (["def f(): raise NotImplementedError('k')", "g = lambda: f()", "g()"], [False, True, True]),
        (["def f(): raise NotImplementedError", "def f(): return 1", "f()"], [False, False, False]),
        (["def f():\n    raise NotImplementedError('k')", "def g(f):\n    return f", "g(1)"], [False, False, False]),
        (["%matplotlib inline", "x = 1"], [False, False]),
    ],
)
def test_unsolved_names_are_followed(cells, stopped):
    state = exercises.Unsolved()
    assert [state.stops(cell) for cell in cells] == stopped


def test_same_source_same_bytes(root):
    (path,) = exercises.generate(root)
    first = path.read_bytes()
    path.unlink()
    exercises.generate(root)
    assert path.read_bytes() == first
    assert first.endswith(b"}\n")


def test_out_of_date_exercises_are_noticed_and_renewed(root):
    (path,) = exercises.check_generated(root)
    assert exercises.generate(root) == [path]
    assert exercises.check_generated(root) == exercises.generate(root) == []
    path.write_text(path.read_text().replace("Halves", "Edited by hand"))
    assert exercises.check_generated(root) == [path]


@pytest.mark.parametrize("name", BAD_SOLUTIONS)
def test_bad_solutions_are_refused_by_notebook_and_cell(name, two_exercises):
    cells, message = BAD_SOLUTIONS[name]
    with pytest.raises(exercises.ExerciseError) as caught:
        exercises.make_exercise(notebook(*cells), "bad_solutions.ipynb")
    assert message in str(caught.value)
    assert str(caught.value).startswith("bad_solutions.ipynb, cell ")


def test_cells_without_ids_are_refused(two_exercises):
    old = notebook(text("# Old"))
    del old.cells[0]["id"]
    with pytest.raises(exercises.ExerciseError, match=r"old\.ipynb: cells have no ids"):
        exercises.make_exercise(old, "old.ipynb")


def test_orphan_exercises_are_refused(root):
    save(root / "exercises" / "98_lost_exercises.ipynb", text("alone"))
    with pytest.raises(InputError, match=r"98_lost_exercises\.ipynb has no solution notebook"):
        exercises.generate(root)


def test_one_key_in_two_notebooks_is_refused(root):
    save(root / "solutions" / "98_again_solutions.ipynb", answer("ch99-half", HALF), HALF_CHECK)
    with pytest.raises(InputError, match=r"'ch99-half' is used in both 98_again_solutions.ipynb and 99_good"):
        exercises.check_generated(root)


def test_a_solution_notebook_is_called_one(root):
    save(root / "solutions" / "98_wrong_name.ipynb", text("# Solutions"))
    with pytest.raises(InputError, match=r"ends in _solutions\.ipynb"):
        exercises.generate(root)
