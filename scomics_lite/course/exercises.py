"""Make ``exercises/NN_…_exercises.ipynb`` from ``solutions/NN_…_solutions.ipynb``, the one source of every pair.

In a solution notebook nbgrader's own marks stand around each answer, and its metadata on the cell hold the key:

- marks inside a function: what they enclose becomes ``raise NotImplementedError("ch02-variance")``;
- marks at top level: every name set between them that the rest of the notebook uses becomes ``name = ...``;
- a cell tagged ``solution`` is left out;
- the title's "solutions" becomes "exercises";
- hidden tests (nbgrader's marks again, after a ``check``) are left out: nbgrader puts them back when it grades.

Outputs are dropped, cell ids and nbgrader's metadata kept. Cells that cannot run before the exercises are solved get
the tag ``raises-exception``, found by following the names. Where a notebook was made from, and how, is said in its
metadata. The same source always gives the same bytes.
"""

import ast
import re
from pathlib import Path

from nbformat.v4 import new_notebook

from scomics_lite.course import checks, notebooks
from scomics_lite.validation import InputError

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
HIDDEN_BEGIN, HIDDEN_END = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"
GENERATED = "generated_from"  # in the metadata of an exercise notebook: what is no business of its student's
NBGRADER_FLAGS = {"solution", "grade", "locked", "task"}
_TITLE = re.compile(r"^(# .*: )solutions$", re.MULTILINE)
_NEARLY_A_MARK = re.compile(r"#+\s*(begin|end)\s*solution", re.IGNORECASE)
_NEARLY_HIDDEN = re.compile(r"#+\s*(begin|end)\s*hidden", re.IGNORECASE)


class ExerciseError(InputError):
    """A solution notebook that no exercise can be made from; the message names notebook and cell."""


def generate(root):
    """Write every exercise notebook that is missing or out of date; return the paths written.

    Parameters
    ----------
    root : path
        The checkout, with ``solutions/`` and ``exercises/``.
    """
    stale = {path: text for path, text in _expected(Path(root)).items() if not _holds(path, text)}
    for path, text in stale.items():
        notebooks.write_text(path, text)
    return list(stale)


def check_generated(root):
    """Return the paths of exercise notebooks that are missing or differ from what their solutions give."""
    return [path for path, text in _expected(Path(root)).items() if not _holds(path, text)]


def make_exercise(solution, name="solutions"):
    r"""Return the exercise notebook of a solution notebook.

    Parameters
    ----------
    solution : NotebookNode
        The hand-written notebook; it is left as it is.
    name : str
        Its file name, for the exercise's metadata and for messages.

    Examples
    --------
    >>> from nbformat.v4 import new_code_cell, new_notebook
    >>> from scomics_lite.course.checks import exercise
    >>> _ = exercise("ch99-half", hints=("?", "??", "???"))(lambda answer: None)
    >>> mark = dict(schema_version=3, grade_id="ch99-half", solution=True, grade=False, locked=False, task=False)
    >>> source = "def half(x):\n    ### BEGIN SOLUTION\n    return x / 2\n    ### END SOLUTION"
    >>> cells = [new_code_cell(source, metadata={"nbgrader": mark}), new_code_cell('check("ch99-half", half)')]
    >>> print(make_exercise(new_notebook(cells=cells)).cells[0].source)
    def half(x):
        raise NotImplementedError("ch99-half")
    """
    places = {cell.get("id"): f"{name}, cell {n}" for n, cell in enumerate(solution.cells, start=1)}
    _check_keys(solution, places, name)
    cells = [
        _exercise_cell(cell, solution, places[cell.id])
        for cell in solution.cells
        if "solution" not in notebooks.tags(cell)
    ]
    _tag_unsolved(cells)
    made = {GENERATED: f"solutions/{name}", "note": "edit there, then run: python3 -m scomics_lite exercises"}
    return new_notebook(cells=cells, metadata={**notebooks.METADATA, "scomics_lite": made})


def is_generated(notebook):
    """Tell an exercise notebook made from its solutions by its metadata."""
    return GENERATED in notebook.metadata.get("scomics_lite", {})


def unsolved(tree):
    r"""Return the names a cell leaves to the student: functions raising NotImplementedError, values set to ``...``.

    Examples
    --------
    >>> from scomics_lite.course.exercises import unsolved
    >>> from scomics_lite.course.notebooks import parse
    >>> sorted(unsolved(parse("factors = ...\ndef f(x):\n    raise NotImplementedError('ch01-f')")))
    ['f', 'factors']
    """
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and any(map(_raises_not_implemented, ast.walk(node))):
            found.add(node.name)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is Ellipsis:
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


class Unsolved:
    """Follow, cell by cell, which names are not to be had before the exercises are solved.

    A name handed bare to ``check`` is fine: check says [not yet]. A function that calls an unsolved one is unsolved
    itself. Any other use stops the cell, and what that cell would have bound is missing from then on.
    """

    def __init__(self):
        self.placeholders = set()
        self.missing = set()

    def stops(self, source):
        """Tell whether a cell cannot run through, and take note of what it leaves behind."""
        tree = notebooks.parse(source)
        bound = notebooks.bound_names(tree)
        self.placeholders |= unsolved(tree)
        now, later = notebooks.used_names(_without_check_arguments(tree))
        stopped = bool(now & self.placeholders or notebooks.used_names(tree)[0] & self.missing)
        waiting = {name for name, names in later.items() if names & (self.placeholders | self.missing)}
        if stopped:
            self.missing |= bound - unsolved(tree)
        else:
            self.missing -= bound
            self.placeholders = (self.placeholders - bound) | unsolved(tree) | waiting
        return stopped


def _expected(root):
    """Return the text of every exercise notebook there should be, by path; complain about any other."""
    wanted, owners = {}, {}
    for path in sorted((root / "solutions").glob("*.ipynb")):
        if not path.stem.endswith("_solutions"):
            raise ExerciseError(f"solutions/{path.name}: the name of a solution notebook ends in _solutions.ipynb")
        solution = notebooks.read(path)
        for key in _marked(solution):
            if owners.setdefault(key, path.name) != path.name:
                raise ExerciseError(
                    f"key {key!r} is used in both {owners[key]} and {path.name}; give one a key of its own"
                )
        target = root / "exercises" / path.name.replace("_solutions.ipynb", "_exercises.ipynb")
        wanted[target] = notebooks.to_text(make_exercise(solution, path.name))
    orphans = sorted(set((root / "exercises").glob("*.ipynb")) - set(wanted))
    if orphans:
        raise ExerciseError(f"exercises/{orphans[0].name} has no solution notebook: write one, or delete the exercise")
    return wanted


def _holds(path, text):
    return path.exists() and path.read_text(encoding="utf-8") == text


def _marked(solution):
    """Return {key: cell} of the cells nbgrader knows."""
    found = [cell for cell in solution.cells if "nbgrader" in cell.metadata]
    return {cell.metadata.nbgrader.get("grade_id"): cell for cell in found}


def _check_keys(solution, places, name):
    """Refuse a notebook in which a key is missing, used twice, or has no check."""
    called = {text for text in notebooks.strings(solution) if checks.KEY.fullmatch(text)}
    seen = {}
    for cell in solution.cells:
        if not cell.get("id"):
            raise ExerciseError(f"{name}: cells have no ids; save it in the present notebook format (nbformat 4.5)")
        key, place = cell.metadata.get("nbgrader", {}).get("grade_id"), places[cell.id]
        if key in seen:
            raise ExerciseError(f"{place}: key {key!r} stands on {seen[key]} too; give one of them a key of its own")
        if key:
            seen[key] = place
        if _is_answer(cell, place):
            _check_one(cell, key, place, called)


def _is_answer(cell, place):
    marks = any(_NEARLY_A_MARK.match(line.strip()) for line in cell.source.splitlines())
    declared = cell.metadata.get("nbgrader", {}).get("solution", False)
    if marks and cell.cell_type != "code":
        raise ExerciseError(f"{place}: solution marks in a text cell; tag the cell `solution` to leave it out instead")
    if declared and not marks and cell.cell_type == "code":
        raise ExerciseError(f"{place}: nbgrader calls it a solution, but it has no {BEGIN} … {END}")
    return marks


def _check_one(cell, key, place, called):
    nbgrader = cell.metadata.get("nbgrader", {})
    if not key:
        raise ExerciseError(
            f'{place}: solution marks without a key; add {{"nbgrader": {{"grade_id": "ch01-…"}}}} to it'
        )
    if nbgrader.get("schema_version") != 3 or not nbgrader.get("solution") or NBGRADER_FLAGS - set(nbgrader):
        form = '{"schema_version": 3, "grade_id": …, "solution": true, "grade": false, "locked": false, "task": false}'
        raise ExerciseError(f"{place}: the nbgrader metadata of an answer cell have the form {form}")
    match = checks.KEY.fullmatch(key)
    if not match or key not in checks.keys(match[1]):
        raise ExerciseError(f"{place}: no check is registered for key {key!r} in scomics_lite/course/checks/")
    if key not in called:
        raise ExerciseError(f"{place}: nothing in the notebook calls check({key!r}, …)")


def _exercise_cell(cell, solution, place):
    metadata = {name: value for name, value in cell.metadata.items() if name != "execution"}
    source = _TITLE.sub(r"\1exercises", cell.source) if cell.cell_type == "markdown" else cell.source
    made = type(cell)({"cell_type": cell.cell_type, "id": cell.id, "metadata": metadata, "source": source})
    if cell.cell_type == "code":
        made.update(outputs=[], execution_count=None, source=_strip_answers(cell, solution, place))
    return made


def _strip_answers(cell, solution, place):
    lines = cell.source.splitlines()
    for begin, end in reversed(_regions(lines, place, _NEARLY_HIDDEN, (HIDDEN_BEGIN, HIDDEN_END))):
        del lines[begin : end + 1]
    for begin, end in reversed(_regions(lines, place, _NEARLY_A_MARK, (BEGIN, END))):
        lines[begin : end + 1] = _placeholder(lines, begin, end, cell, solution, place)
    return "\n".join(lines)


def _regions(lines, place, nearly, marks):
    """Return (begin, end) line numbers of the marks; anything but tidy pairs is refused."""
    found, begin = [], None
    for number, line in enumerate(lines):
        text = line.strip()
        if not nearly.match(text):
            continue
        if text not in marks:
            raise ExerciseError(f"{place}, line {number + 1}: {text!r} is not quite a mark; write {' or '.join(marks)}")
        opens = text == marks[0]
        if opens == (begin is not None):
            problem = "a second BEGIN before the END (marks do not nest)" if opens else "END without BEGIN"
            raise ExerciseError(f"{place}, line {number + 1}: {problem}")
        if not opens:
            found.append((begin, number))
        begin = number if opens else None
    if begin is not None:
        raise ExerciseError(f"{place}, line {begin + 1}: BEGIN without END")
    return found


def _placeholder(lines, begin, end, cell, solution, place):
    """Return the lines an exercise holds in place of an answer."""
    tree = _parse_answer("\n".join(lines), place)
    inside = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and begin < node.lineno - 1 < end]
    if not inside:
        raise ExerciseError(f"{place}, line {begin + 1}: nothing but comments between the marks")
    first = min(inside, key=lambda node: node.lineno)
    indent = " " * first.col_offset
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    if any(node.lineno - 1 < begin and first.lineno <= node.end_lineno for node in functions):
        return [f'{indent}raise NotImplementedError("{cell.metadata.nbgrader.grade_id}")']
    others = [other.source for other in notebooks.code_cells(solution) if other.id != cell.id]
    others.append("\n".join([*lines[:begin], f"{indent}...", *lines[end + 1 :]]))
    names = _set_and_used(inside, others)
    if not names:
        raise ExerciseError(
            f"{place}, line {begin + 1}: nothing else uses a name set between the marks; hand it to check"
        )
    return [f"{indent}{name} = ..." for name in names]


def _parse_answer(source, place):
    try:
        return ast.parse(source)
    except SyntaxError as error:
        message = f"{place}, line {error.lineno}: an answer cell holds plain Python, no magics ({error.msg})"
        raise ExerciseError(message) from None


def _set_and_used(statements, sources):
    """Return the names the statements set, in order, that other code reads."""
    used = set()
    for source in sources:
        now, later = notebooks.used_names(notebooks.parse(source))
        used |= now.union(*later.values())
    nodes = [node for statement in statements for node in ast.walk(statement) if isinstance(node, ast.Name)]
    stored = sorted((node.lineno, node.col_offset, node.id) for node in nodes if isinstance(node.ctx, ast.Store))
    return list(dict.fromkeys(name for _, _, name in stored if name in used))


def _tag_unsolved(cells):
    state = Unsolved()
    for cell in cells:
        if cell.cell_type == "code" and state.stops(cell.source):
            kept = [tag for tag in notebooks.tags(cell) if tag != "raises-exception"]
            cell.metadata["tags"] = [*kept, "raises-exception"]


def _without_check_arguments(tree):
    """Return a copy of the tree in which names handed bare to check(...), or in a dict, are gone."""

    class Blank(ast.NodeTransformer):
        def visit_Call(self, node):
            self.generic_visit(node)
            if isinstance(node.func, ast.Name) and node.func.id == "check":
                node.args = [without_names(arg) for arg in node.args]
            return node

    def without_names(arg):
        if isinstance(arg, ast.Dict):
            return ast.Dict(arg.keys, [without_names(value) for value in arg.values])
        return ast.Constant(None) if isinstance(arg, ast.Name) else arg

    return ast.fix_missing_locations(Blank().visit(ast.parse(ast.unparse(tree))))


def _raises_not_implemented(node):
    if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
        return False
    return isinstance(node.exc.func, ast.Name) and node.exc.func.id == "NotImplementedError"
