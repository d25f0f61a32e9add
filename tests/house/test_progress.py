"""Progress bars are for those who watch: on a terminal and in a notebook, and in no log file."""

import ast
from pathlib import Path

import numpy as np
import pytest
from fixtures.notebooks import code, save

import scomics_lite
from scomics_lite import calibration, empirical_bayes
from scomics_lite.course import notebooks, runner

PACKAGE = Path(scomics_lite.__file__).parent


def bars(path):
    """The calls of a module that make a bar."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in ("tqdm", "trange")]


MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if bars(path)]


def draw_p_values(rng):
    return rng.random(50), np.zeros(50)


DRAWS = {
    "sets": lambda progress: calibration.study(draw_p_values, lambda p: p, sets=3, rng=1, progress=progress),
    "posteriors": lambda progress: empirical_bayes.ash([1.0, 2, -3, 0], [1.0, 1, 1, 1], progress=progress),
}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_bar_asks_whether_anybody_watches(path):
    for call in bars(path):
        (disable,) = (keyword.value for keyword in call.keywords if keyword.arg == "disable")
        assert ast.unparse(disable).startswith("no_bar("), f"line {call.lineno}: {ast.unparse(call)}"


@pytest.mark.parametrize("name", DRAWS)
def test_bars_are_drawn_on_a_terminal_and_nowhere_else(name, capsys, monkeypatch):
    DRAWS[name](progress=True)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    DRAWS[name](progress=False)
    assert capsys.readouterr() == ("", "")
    DRAWS[name](progress=True)
    assert name in capsys.readouterr().err


def test_bars_are_drawn_in_a_notebook(tmp_path):
    source = "from scomics_lite.empirical_bayes import ash\n_ = ash([1.0, 2], [1.0, 1], progress=True)"
    path = save(tmp_path / "01_bar.ipynb", code(source))
    done = runner.execute(path, tmp_path / "done.ipynb", progress=False)
    (cell,) = notebooks.code_cells(notebooks.read(done.path))
    assert "posteriors" in "".join(output.text for output in cell.outputs if output.get("name") == "stderr")
