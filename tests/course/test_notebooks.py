"""What every committed notebook has to be: executed, compared, tidy, in step with its exercises, and solvable.

How much is compared: of the cells that put out text, at least 70% have to be compared by nbval when it runs, that is,
carry no tag that exempts them. Cells tagged `real-data` are compared only where the real data sets of their notebook
are at hand; where they are not, these cells are left out of the count on both sides, so that the same notebook passes
with and without the data, and no notebook gets by on exemptions.
"""

import csv
import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

from scomics_lite import datasets
from scomics_lite.course import checks, exercises, nbval_rules, notebooks, runner

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))
EXERCISES = sorted((ROOT / "exercises").glob("*.ipynb"))
# How many figures the plan of each chapter names; more are welcome.
FIGURES = {"01": 7, "02": 7, "03": 7, "04": 8, "05": 8, "06a": 9, "06b": 8}
COMPARED = 0.7
LINES = 15  # of code in a cell of a chapter; more do not stay in a reader's head
MACHINE = re.compile(
    "|".join(
        [
            r"/(?:home|Users|root|tmp)/\w",
            r"[A-Z]:\\+Users",
            r"ipykernel_\d",
            *map(re.escape, {str(ROOT), str(Path.home())}),
        ]
    )
)


def name(path):
    return path.stem


def each(*groups):
    return pytest.mark.parametrize("path", [path for group in groups for path in group], ids=name)


def said(cell):
    return nbval_rules.texts(cell.outputs)


def pictures(notebook):
    """Return (data, metadata) of every picture in a notebook."""
    outputs = [output for cell in notebooks.code_cells(notebook) for output in cell.outputs]
    return [(output.data, output.metadata) for output in outputs if "image/png" in output.get("data", {})]


def figure_ids(path):
    return [metadata.scomics_lite.figure for _, metadata in pictures(notebooks.read(path))]


# --- committed as executed ------------------------------------------------------------------------------------------


@each(CHAPTERS, SOLUTIONS)
def test_committed_executed_in_order(path):
    cells = notebooks.code_cells(notebooks.read(path))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@each(CHAPTERS, SOLUTIONS)
def test_committed_without_errors_and_warnings(path):
    for cell in notebooks.code_cells(notebooks.read(path)):
        kinds = [output.get("name", output.output_type) for output in cell.outputs]
        assert "stderr" not in kinds, f"warnings or progress bars were committed:\n{cell.source}"
        assert "error" not in kinds or "raises-exception" in notebooks.tags(cell), cell.source


@each(CHAPTERS, SOLUTIONS)
def test_most_text_is_compared(path):
    notebook = notebooks.read(path)
    cells = [cell for cell in notebooks.code_cells(notebook) if said(cell)]
    if not nbval_rules.real_data_at_hand(notebook):
        cells = [cell for cell in cells if "real-data" not in notebooks.tags(cell)]
    exempt = [cell for cell in cells if {"nbval-ignore-output", "nbval-skip"} & set(notebooks.tags(cell))]
    assert len(exempt) <= (1 - COMPARED) * len(cells)
    assert not any("NBVAL" in cell.source for cell in cells), (
        "exempt a cell by its tags, where tests and readers see it"
    )


@each(CHAPTERS, SOLUTIONS)
def test_real_data_cells_name_real_data(path):
    notebook = notebooks.read(path)
    if any("real-data" in notebooks.tags(cell) for cell in notebook.cells):
        assert nbval_rules.real_data_named(notebook)


# --- exercises ------------------------------------------------------------------------------------------------------


def test_exercises_are_what_solutions_give():
    assert exercises.check_generated(ROOT) == [], "run: python3 -m scomics_lite exercises"


@each(EXERCISES)
def test_unsolved_exercises_raise_not_implemented_and_nothing_else(path, tmp_path):
    """NameError is allowed only for a name that a stopped cell would have set."""
    done = runner.execute(path, tmp_path / path.name, progress=False)
    assert done.error is None
    missing = set()
    for cell in notebooks.code_cells(notebooks.read(done.path)):
        for error in (output for output in cell.outputs if output.output_type == "error"):
            lost = error.ename == "NameError" and set(re.findall(r"'(\w+)'", error.evalue)) & missing
            assert error.ename == "NotImplementedError" or lost, f"{error.ename}: {error.evalue}\n{cell.source}"
            missing |= notebooks.bound_names(notebooks.parse(cell.source))


@each(EXERCISES)
def test_every_check_says_not_yet_before_and_ok_after(path, tmp_path):
    exercise = notebooks.read(path)
    solution = notebooks.read(ROOT / "solutions" / path.name.replace("_exercises", "_solutions"))
    solved = {cell.id: cell.source for cell in solution.cells}
    keys = []
    for cell in exercise.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            keys.append(cell.metadata.nbgrader.grade_id)
            cell.source = solved[cell.id]
    filled = tmp_path / path.name
    nbformat.write(exercise, filled)
    done = runner.execute(filled, tmp_path / "done.ipynb", progress=False)
    assert done.error is None
    lines = [
        line
        for cell in notebooks.code_cells(notebooks.read(done.path))
        for _, text in said(cell)
        for line in text.splitlines()
    ]
    assert [key for key in keys if f"[ok] {key}: right." not in lines] == []
    assert not [line for line in lines if line.startswith(("[try again]", "[not yet]"))]


@each(SOLUTIONS)
def test_every_check_of_a_chapter_has_its_exercise(path):
    chapter = f"ch{path.stem.split('_')[0]}"
    asked = notebooks.strings(notebooks.read(path))
    assert [key for key in checks.keys(chapter) if key not in asked] == []


@each(SOLUTIONS)
def test_nbgrader_can_grade_every_answer(path):
    """A check prints and never raises; what fails a wrong answer are the hidden tests behind it."""
    cells = {
        cell.metadata.nbgrader.grade_id: cell for cell in notebooks.read(path).cells if "nbgrader" in cell.metadata
    }
    for key in (key for key, cell in cells.items() if cell.metadata.nbgrader.solution):
        graded = cells[f"{key}-check"]
        assert graded.metadata.nbgrader.grade
        assert graded.metadata.nbgrader.points > 0
        before, hidden = graded.source.split("### BEGIN HIDDEN TESTS")
        assert before.startswith(f'check("{key}", ')
        assert f'assert review("{key}", ' in hidden


# --- figures and prose ----------------------------------------------------------------------------------------------


@each(CHAPTERS)
def test_every_picture_is_a_numbered_figure(path):
    for data, metadata in pictures(notebooks.read(path)):
        record = metadata.get("scomics_lite", {})
        assert record, f"not shown by show_figure: {data.get('text/plain')}"
        assert all(record[part].strip() for part in ("figure", "caption", "alt"))
        assert record["alt"] == metadata["image/png"]["alt"]


@each(CHAPTERS)
def test_no_picture_is_stored_as_svg_or_pdf(path):
    outputs = [output for cell in notebooks.code_cells(notebooks.read(path)) for output in cell.outputs]
    assert not {"image/svg+xml", "application/pdf"} & {kind for output in outputs for kind in output.get("data", {})}


def test_figure_ids_are_unique_and_belong_to_their_chapter():
    ids = [(id, path.stem) for path in CHAPTERS for id in figure_ids(path)]
    assert len({id for id, _ in ids}) == len(ids)
    for id, chapter in ids:
        assert chapter.split("_")[0].lstrip("0") == id.split("-")[1].lstrip("0")


def number(path):
    """Return a chapter's number as its file has it, such as 05 or 06a."""
    return path.stem.split("_")[0]


@pytest.mark.parametrize("number", [number(path) for path in CHAPTERS if number(path) in FIGURES])
def test_planned_figures_are_there(number):
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    planned = {f"fig-{number.lstrip('0')}-{n}" for n in range(1, FIGURES[number] + 1)}
    assert planned - set(figure_ids(path)) == set()


@each(CHAPTERS, SOLUTIONS, EXERCISES)
def test_no_path_of_a_machine(path):
    notebook = notebooks.read(path)
    texts = [cell.source for cell in notebook.cells]
    texts += [text for cell in notebooks.code_cells(notebook) for _, text in said(cell)]
    assert [text for text in texts if MACHINE.search(text)] == []


@each(CHAPTERS, SOLUTIONS)
def test_notebooks_say_nothing_about_who_ran_them(path):
    """Time stamps and widget states would change with every execution."""
    notebook = notebooks.read(path)
    assert "widgets" not in notebook.metadata
    assert not any("execution" in cell.metadata for cell in notebook.cells)


def links(text):
    """Return the targets of links to files: without addresses on the web, and without the place on the page."""
    without_code = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
    targets = re.findall(r"\]\(<?([^)>\s]+)", without_code) + re.findall(r"(?:href|src)=\"([^\"]+)", without_code)
    return [target.split("#")[0] for target in targets if not re.match(r"#|\w+:", target)]


@each(CHAPTERS, SOLUTIONS, EXERCISES)
def test_links_lead_to_files_of_the_course(path):
    """JupyterLab, GitHub and the web book all follow a link from the folder of the notebook that it stands in."""
    notebook = notebooks.read(path)
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    texts += [text for cell in notebooks.code_cells(notebook) for kind, text in said(cell) if kind == "text/markdown"]
    targets = [path.parent / unquote(target) for text in texts for target in links(text)]
    assert [target for target in targets if not target.exists() or ROOT not in target.resolve().parents] == []


@each(CHAPTERS)
def test_cells_are_short(path):
    for cell in notebooks.code_cells(notebooks.read(path)):
        lines = [line for line in cell.source.splitlines() if line.strip() and not line.strip().startswith("#")]
        assert len(lines) <= LINES, f"{len(lines)} lines of code:\n{cell.source}"


def bold_terms(notebook):
    """Return the terms set in bold: not the card on top, and not the run-in headings, which end like sentences."""
    texts = [cell.source for cell in notebook.cells[1:] if cell.cell_type == "markdown"]
    bold = [words for text in texts for words in re.findall(r"\*\*([^*]+)\*\*", text)]
    return [" ".join(words.split()) for words in bold if words[-1] not in ".:?!"]


def singular(term):
    return re.sub(r"s$", "", term.casefold().strip("`"))


@each(CHAPTERS)
def test_bold_terms_are_in_the_glossary(path):
    with (datasets.data_folder() / "glossary.csv").open(encoding="utf-8") as file:
        known = {singular(row["term"]) for row in csv.DictReader(file)}
    assert [term for term in bold_terms(notebooks.read(path)) if singular(term) not in known] == []
