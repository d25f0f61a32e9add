"""Reading, writing and understanding notebooks: what the generator, the runner and the tests share."""

import ast
import os
import symtable
import tempfile
from pathlib import Path

import nbformat

# Scopes that run, or may run, where they stand; the body of a function waits for its call.
_RUN_AT_ONCE = {"lambda", "genexpr", "listcomp", "setcomp", "dictcomp"}

# What every notebook of the course says about its kernel: nothing that depends on the machine it was written on.
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def read(path):
    """Read a notebook in the current format."""
    return nbformat.read(path, as_version=4)


def to_text(notebook):
    """Return a notebook as the text of its file; the same notebook always gives the same text."""
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT) + "\n"


def write_text(path, text):
    """Write a file as a whole or not at all: an interrupted run leaves the old one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def tags(cell):
    """Return the tags of a cell."""
    return cell.metadata.get("tags", [])


def code_cells(notebook):
    """Return the code cells that hold code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def parse(source):
    """Parse a cell as Python; magics (``%timeit``) become the calls they stand for."""
    from IPython.core.inputtransformer2 import TransformerManager

    return ast.parse(TransformerManager().transform_cell(source))


def strings(notebook):
    """Return every text constant in a notebook's code."""
    trees = [parse(cell.source) for cell in code_cells(notebook)]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def bound_names(tree):
    r"""Return the names a cell binds at its top level: assigned, defined, imported.

    Examples
    --------
    >>> from scomics_lite.course.notebooks import bound_names, parse
    >>> sorted(bound_names(parse("import numpy as np\nx, y = 1, 2\ndef f(z): return z")))
    ['f', 'np', 'x', 'y']
    """
    top = symtable.symtable(ast.unparse(tree), "cell", "exec")
    return {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}


def used_names(tree):
    r"""Return the global names a cell reads while it runs, and those that only the functions it defines will read.

    Examples
    --------
    >>> from scomics_lite.course.notebooks import parse, used_names
    >>> used_names(parse("def f(counts): return scale(counts)\ny = f(x)")) == ({"f", "x"}, {"f": {"scale"}})
    True
    """
    top = symtable.symtable(ast.unparse(tree), "cell", "exec")
    now = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_referenced()}
    later = {}
    for scope in top.get_children():
        if scope.get_type() == "function" and scope.get_name() not in (
            "lambda",
            "genexpr",
            "listcomp",
            "setcomp",
            "dictcomp",
        ):
            later[scope.get_name()] = later.get(scope.get_name(), set()) | _globals_of(scope)
        else:
            now |= _globals_of(scope)
    return now, later


def _globals_of(scope):
    found = {symbol.get_name() for symbol in scope.get_symbols() if symbol.is_global()}
    return found.union(*(_globals_of(child) for child in scope.get_children()))
