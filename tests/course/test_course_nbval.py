"""The rules for comparing notebooks, tried on notebooks that are wrong in every way we know."""

import contextlib
import gc
import io
import warnings
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat
import pytest
from fixtures.notebooks import code, notebook, save, text
from nbformat.v4 import new_output

from scomics_lite import datasets
from scomics_lite.course import nbval_rules

ROOT = Path(__file__).resolve().parents[2]


def showing(*outputs, source):
    cell = code(source)
    cell.outputs = list(outputs)
    return cell


PICTURE = 'from IPython.display import display\ndisplay({"image/png": "iVBO", "text/plain": "<fig>"}, raw=True)'
MARKDOWN = 'from IPython.display import Markdown\nMarkdown("**fig-1-1.** Depth 2.0")'
TABLE = "import pandas as pd\npd.DataFrame({'factor': [0.70710678]})"
TABLE_TEXT = "     factor\n0  0.707107"
WIDGET = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "0%| | 0/7"}

# name: (cell, does it pass?)
CELLS = {
    "right": (code("print('mean', 0.5, 'of', 7)", "mean 0.5 of 7\n"), True),
    "wrong_number": (code("print('mean', 0.51)", "mean 0.5\n"), False),
    "wrong_sign": (code("print('mean', -0.5)", "mean 0.5\n"), False),
    "wrong_exponent": (code("print(1e-07)", "1e-08\n"), False),
    "last_digit_noise": (code("print(0.7071067811865475)", "0.7071067811865531\n"), True),
    "noise_around_zero": (code("print(3.1e-17)", "-2.2e-16\n"), True),
    "noise_changes_the_width": (code("print(f'{0.5:8.3f}')", " 0.5\n"), True),
    "wrong_count": (code("print(14600, 'genes')", "14599 genes\n"), False),
    "wrong_word": (code("print('median 0.5')", "mean 0.5\n"), False),
    "wrong_name": (code("print('treated2')", "treated1\n"), False),
    "line_missing": (code("print('a')", "a\nb\n"), False),
    "no_output_any_more": (code("pass", "a\n"), False),
    "output_from_nowhere": (code("print('a')"), False),
    "raises": (code("1 / 0"), False),
    "allowed_to_raise": (
        showing(new_output("error", ename="ZeroDivisionError", evalue="division by zero"), source="1 / 0"),
        True,
    ),
    "raises_something_else": (
        showing(new_output("error", ename="ZeroDivisionError", evalue="division by zero"), source="int('x')"),
        False,
    ),
    "stripped": (code("print('a')", count=None), False),
    "empty": (code("", count=None), True),
    "ignored_with_a_reason": (
        code("print(__import__('time').time())", "1\n", tags=["nbval-ignore-output"], scomics_lite={"why": "a clock"}),
        True,
    ),
    "ignored_without_a_reason": (code("print(1)", "2\n", tags=["nbval-ignore-output"]), False),
    "another_picture": (
        showing(new_output("display_data", {"image/png": "AAAA", "text/plain": "<fig>"}), source=PICTURE),
        True,
    ),
    "another_caption": (
        showing(
            new_output("execute_result", {"text/markdown": "**fig-1-1.** Depth 3.0", "text/plain": "<M>"}),
            source=MARKDOWN,
        ),
        False,
    ),
    "a_table": (
        showing(new_output("execute_result", {"text/html": "<b>other</b>", "text/plain": TABLE_TEXT}), source=TABLE),
        True,
    ),
    "a_wrong_table": (
        showing(
            new_output("execute_result", {"text/html": "<b>other</b>", "text/plain": TABLE_TEXT.replace("707", "717")}),
            source=TABLE,
        ),
        False,
    ),
    "stderr_and_widgets": (
        showing(
            new_output("stream", name="stderr", text="bar"), new_output("display_data", WIDGET), source="print(end='')"
        ),
        True,
    ),
    "static": (code("import os\nprint(os.environ['SCOMICS_LITE_STATIC'])", "1\n"), True),
    "real_data_not_here": (code("name = 'pasilla'\nprint(1)", "2\n", tags=["real-data"]), True),
}
for _name in ("allowed_to_raise", "raises_something_else"):
    CELLS[_name][0].metadata["tags"] = ["raises-exception"]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Run nbval once over a notebook of all these cells, and over an exercise; return {(notebook, cell): report}."""
    folder = tmp_path_factory.mktemp("notebooks")
    save(folder / "bad.ipynb", text("# Bad"), *(cell for cell, _ in CELLS.values()))
    exercise = notebook(text("# Exercises"), code("x = ...\nx", count=None))
    exercise.metadata["scomics_lite"] = {"generated_from": "solutions/x_solutions.ipynb"}
    nbformat.write(exercise, folder / "exercise.ipynb")
    arguments = ["-q", "-c", ROOT / "pyproject.toml", "--rootdir", folder, "--nbval", "--nbval-current-env"]
    arguments += ["-p", "no:cacheprovider", "-p", nbval_rules.__name__, "--junitxml", folder / "report.xml", folder]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setenv("SCOMICS_LITE_DATA", str(folder))  # no real data here
        patch.setenv("SCOMICS_LITE_STATIC", "")  # the rules set it; put back afterwards
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # nbval leaves the file for its kernels' stderr open
            pytest.main([str(argument) for argument in arguments])
            gc.collect()  # closes it here, and not in the middle of some other test
    cases = ElementTree.parse(folder / "report.xml").getroot().iter("testcase")
    return {(case.get("classname"), case.get("name")): "".join(case.itertext()) for case in cases}


@pytest.mark.parametrize("name", CELLS)
def test_each_cell_passes_or_fails_as_it_should(outcomes, name):
    report = outcomes["bad.ipynb", f"Cell {list(CELLS).index(name)}"]
    assert (not report) == CELLS[name][1], report


def test_the_report_says_what_differs(outcomes):
    report = outcomes["bad.ipynb", f"Cell {list(CELLS).index('wrong_number')}"]
    assert "stdout: number 1: 0.5 committed, 0.51 now" in report


def test_the_report_says_what_to_do(outcomes):
    assert "run the notebook and save it" in outcomes["bad.ipynb", f"Cell {list(CELLS).index('stripped')}"]
    assert "add {" in outcomes["bad.ipynb", f"Cell {list(CELLS).index('ignored_without_a_reason')}"]


def test_exercises_may_be_committed_unexecuted(outcomes):
    assert outcomes["exercise.ipynb", "Cell 0"] == ""


@pytest.mark.parametrize(
    ("committed", "now", "same"),
    [
        ("1.000", "1.0009", True),
        ("1.000", "1.0011", False),
        ("20,123 reads", "20,124 reads", False),
        ("0.5-0.7", "0.5-0.7", True),
        ("0.5-0.7", "0.5--0.7", False),
        ("[1.5 2.5]", "[1.5\n 2.5]", True),
        ("12.5%", "12.501%", True),
        ("-0.0", "0.0", True),
        ("nan", "0.1", False),
        ("is 1000.", "is 1001.", False),
        ("1e+03", "1000.0", True),
    ],
)
def test_what_counts_as_the_same(committed, now, same):
    assert (nbval_rules.difference(committed, now) is None) == same


def test_real_data_are_those_the_code_names(monkeypatch):
    sets = datasets.available()
    sets["cached"] = sets.index == "airway"
    monkeypatch.setattr(datasets, "available", lambda: sets)
    chapter = notebook(text("islam_esmef"), code("for name in ('airway', 'pasilla_simulated'):\n    load(name)"))
    assert nbval_rules.real_data_named(chapter) == ["airway"]
    assert nbval_rules.real_data_at_hand(chapter)
    chapter.cells.append(code("load('pasilla', standin=True)"))
    assert not nbval_rules.real_data_at_hand(chapter)


class Item:
    """What the rules use of nbval's cell."""

    def __init__(self, cell):
        self.cell = cell
        self.parent = nbformat.from_dict({"nb": notebook(cell)})


@pytest.mark.parametrize("here", [True, False])
def test_real_data_cells_are_compared_where_the_data_are(monkeypatch, here):
    monkeypatch.setattr(nbval_rules, "real_data_at_hand", lambda notebook: here)
    item = Item(code("print(2)", "2\n", tags=["real-data"]))
    now = [new_output("stream", text="3\n")]
    assert nbval_rules._compare_cell(item, now, item.cell.outputs) != here
