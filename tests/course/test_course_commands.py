"""The commands: running chapters, making figures and gallery, the test run, exercises, data."""

import signal
import subprocess
import sys

import nbformat
import pytest
from fixtures.notebooks import GOOD_SOLUTION, code, save, text
from jupyterlab.labapp import LabApp

from scomics_lite import datasets
from scomics_lite.course import cli, gallery, notebooks, runner, testing
from scomics_lite.validation import InputError

FIGURE = """\
import matplotlib.pyplot as plt
from types import SimpleNamespace
from scomics_lite.plots.figures import show_figure
data = SimpleNamespace(uns={{"dataset": {{"name": "{name}", "kind": "{kind}", "sha256": "{sha}", "seed": None}}}})
figure, ax = plt.subplots(figsize=(2, 1))
show_figure(figure, "{id}", caption="Less < more, `see`.", alt="A \\"box\\".", data=data)"""
MEMORY = "block = bytearray(200_000_000)\nprint(len(block))\nimport time\ntime.sleep(0.2)\ndel block"
STATIC = "import os\nassert os.environ['SCOMICS_LITE_STATIC'] == '1'\nprint(os.path.basename(os.getcwd()))"


def figure(id, name="pasilla", kind="real", sha="ab12"):
    return code(FIGURE.format(id=id, name=name, kind=kind, sha=sha), "old output\n")


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """A checkout of three small chapters, the second of which fails, on which `run` was called; with what it said."""
    root = tmp_path_factory.mktemp("checkout")
    save(root / "notebooks" / "00_start_here.ipynb", text("# Start"), code(STATIC, "old\n"))
    save(root / "notebooks" / "01_depth.ipynb", text("# Depth"), figure("fig-1-1"), code("1 / 0"), figure("fig-1-2"))
    save(root / "notebooks" / "02_more.ipynb", text("# More"), figure("fig-2-1", "toy", "simulated", "c"), code(MEMORY))
    before = {path: path.read_bytes() for path in (root / "notebooks").iterdir()}
    command = "import sys, pathlib; from scomics_lite.course import cli; sys.exit(cli.main(['run'], pathlib.Path()))"
    done = subprocess.run([sys.executable, "-c", command], cwd=root, capture_output=True, text=True, check=False)
    assert {path: path.read_bytes() for path in (root / "notebooks").iterdir()} == before
    return root, done


@pytest.fixture
def quick(executed, monkeypatch):
    """The same checkout for commands that only have to pick and report: executing is replaced by looking it up."""
    root, _ = executed
    asked = []

    def execute(path, target):
        asked.append(path.stem)
        return runner.Run(path.stem, target, 1.0, 100.0, "01_depth.ipynb, cell 3: no" if path.stem[1] == "1" else None)

    monkeypatch.setattr(runner, "execute", execute)
    return root, asked


def test_a_failing_cell_is_named_and_the_next_chapter_runs(executed):
    root, done = executed
    assert done.returncode == 1
    assert "FAILED 01_depth.ipynb, cell 3: ZeroDivisionError: division by zero" in done.stdout
    assert nbformat.read(root / "build/notebooks/02_more.ipynb", as_version=4).cells[2].execution_count == 2


def test_run_reports_time_memory_and_data(executed):
    _, done = executed
    table = [line.split() for line in done.stdout.splitlines() if line.startswith("0")]
    assert [row[0] for row in table] == ["00_start_here", "01_depth", "02_more"]
    assert table[1][-1] == "FAILED"
    assert float(table[2][2]) > float(table[0][2]) + 100  # the block of 200 MB was seen
    assert "Real data in the figures: pasilla" in done.stdout
    assert "Simulated data in the figures: toy" in done.stdout
    assert "build/gallery/index.html" in done.stdout
    assert done.stderr == ""  # no bar over the cells where nobody watches


def test_a_bar_over_the_cells_is_drawn_on_a_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    runner.execute(save(tmp_path / "01_two.ipynb", code("1"), text("…"), code("2")), tmp_path / "out.ipynb")
    assert "01_two: 100%" in capsys.readouterr().err


def test_executed_copies_are_static_and_fresh(executed):
    root, _ = executed
    start = nbformat.read(root / "build/notebooks/00_start_here.ipynb", as_version=4)
    assert start.cells[1].outputs[0].text == "notebooks\n"
    failed = nbformat.read(root / "build/notebooks/01_depth.ipynb", as_version=4)
    assert failed.cells[3].outputs == []  # never reached; its old output is gone
    assert start.metadata.scomics_lite.versions.numpy


def test_the_gallery_tells_how_each_figure_was_made(executed):
    root, _ = executed
    page = (root / "build/gallery/index.html").read_text()
    assert 'alt="A &quot;box&quot;."' in page
    assert "Less &lt; more, <code>see</code>." in page
    for fact in ("pasilla (real)", "toy (simulated)", "ab12", "01_depth", "numpy", "<h2>Depth</h2>"):
        assert fact in page
    assert "<script" not in page
    assert (root / "build/gallery/fig-2-1.png").read_bytes().startswith(b"\x89PNG")
    assert not (root / "build/gallery/fig-1-2.png").exists()


def test_figures_have_their_times_and_versions(executed):
    root, _ = executed
    first, second = gallery.collect(sorted((root / "build/notebooks").glob("*.ipynb")))
    assert (first.id, first.title, first.dataset, first.kind, first.sha256) == (
        "fig-1-1",
        "Depth",
        "pasilla",
        "real",
        "ab12",
    )
    assert 0 < first.seconds < 60
    assert set(runner.PACKAGES) < set(second.versions)


def test_figures_named_are_made_and_their_paths_printed(quick, capsys):
    root, asked = quick
    assert cli.main(["figures", "fig-2-1"], root) == 0
    assert asked == ["02_more"]
    assert capsys.readouterr().out.splitlines()[0] == str(root / "build/gallery/fig-2-1.png")


def test_all_figures_are_made_by_default(quick, capsys):
    root, asked = quick
    assert cli.main(["figures"], root) == 1  # 01 fails
    assert len(asked) == 3
    assert "FAILED 01_depth.ipynb" in capsys.readouterr().out


def test_unknown_figures_and_chapters_name_the_nearest(quick, capsys):
    root, _ = quick
    assert cli.main(["figures", "fig-2-2"], root) == 1
    assert "no chapter shows figure 'fig-2-2'; did you mean 'fig-" in capsys.readouterr().err
    assert cli.main(["run", "02_mroe"], root) == 1
    assert "there is no chapter '02_mroe'; did you mean '02_more'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["2", "02", "02_more", "02_more.ipynb", "notebooks/02_more.ipynb"])
def test_chapters_are_found_by_number_and_name(quick, name):
    root, _ = quick
    assert [path.stem for path in runner.chapters(root, [name])] == ["02_more"]


def test_one_chapter_is_run_and_the_others_stay_in_the_gallery(quick, capsys):
    root, asked = quick
    assert cli.main(["run", "2"], root) == 0
    assert asked == ["02_more"]
    assert "together" not in capsys.readouterr().out
    assert 'id="fig-1-1"' in (root / "build/gallery/index.html").read_text()


def test_chapters_changed_since_are_not_in_the_gallery(quick, capsys):
    root, _ = quick
    start = root / "notebooks" / "00_start_here.ipynb"
    before = start.read_bytes()
    save(start, code("print('changed')"))
    cli.main(["run", "2"], root)
    start.write_bytes(before)
    assert "Not in the gallery, because not executed since they were last changed: 00_start" in capsys.readouterr().out


def test_a_figure_shown_twice_is_an_error_naming_both(executed, tmp_path):
    root, _ = executed
    again = tmp_path / "03_again.ipynb"
    again.write_bytes((root / "build/notebooks/02_more.ipynb").read_bytes())
    with pytest.raises(InputError, match="fig-2-1 is shown by 02_more and by 03_again"):
        gallery.collect([root / "build/notebooks/02_more.ipynb", again])


def test_a_gallery_that_cannot_be_written_leaves_the_old_one(executed, tmp_path, monkeypatch):
    root, _ = executed
    figures = gallery.collect([root / "build/notebooks/02_more.ipynb"])
    page = gallery.write(figures, tmp_path / "gallery")
    before = page.read_text()
    monkeypatch.setattr(gallery, "page", lambda figures: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        gallery.write(figures, tmp_path / "gallery")
    assert page.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["gallery"]


def test_a_figure_without_data_or_seed_is_described_too():
    figure = gallery.Figure("fig-1-1", "c", "a", "01", "One", None, None, None, 5, 0.1, {}, b"")
    assert "numbers made in the chapter" in gallery.page([figure])
    assert "1 figure," in gallery.page([figure])


def test_each_data_set_keeps_its_own_origin():
    names, kinds = "sketch, pasilla, toy", "–, real, simulated"
    figure = gallery.Figure("fig-1-1", "c", "a", "01", "One", names, kinds, "–, ab, cd", None, 0.1, {}, b"")
    assert "<dd>sketch, pasilla (real), toy (simulated)</dd>" in gallery.page([figure])
    assert gallery.datasets_used([figure]) == {"pasilla": "real", "toy": "simulated"}


def test_a_notebook_without_heading_goes_by_its_name(tmp_path):
    path = save(tmp_path / "05_quiet.ipynb", text("no heading"))
    assert gallery._title(notebooks.read(path), path) == "05_quiet"


@pytest.mark.parametrize(
    ("source", "message"),
    [("import time\ntime.sleep(60)", "not done after 1 s"), ("import os\nos._exit(1)", "the kernel died")],
)
def test_hanging_and_dying_kernels_end_their_notebook(tmp_path, monkeypatch, source, message):
    monkeypatch.setattr(runner, "CELL_SECONDS", 1)
    path = save(tmp_path / "01_bad.ipynb", text("# Bad"), code(source))
    done = runner.execute(path, tmp_path / "out.ipynb", progress=False)
    assert f"01_bad.ipynb, cell 2: {message}" in done.error
    assert done.path.exists()


def test_interrupting_ends_the_whole_run(executed, monkeypatch, capsys):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "execute", interrupt)
    assert cli.main(["run"], executed[0]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_commands_need_a_checkout(tmp_path, capsys):
    assert cli.main(["run"], tmp_path) == 1
    assert "needs a clone of the repository" in capsys.readouterr().err
    (tmp_path / "notebooks").mkdir()
    assert cli.main(["run"], tmp_path) == 1
    assert "there are no notebooks" in capsys.readouterr().err


def test_a_half_written_file_is_never_left(tmp_path):
    target = tmp_path / "exercise.ipynb"
    notebooks.write_text(target, "whole\n")
    with pytest.raises(TypeError):
        notebooks.write_text(target, b"not text")
    assert [path.name for path in tmp_path.iterdir()] == ["exercise.ipynb"]
    assert target.read_text() == "whole\n"


@pytest.mark.parametrize(
    ("words", "code"), [(["--help"], 0), (["run", "--help"], 0), ([], 2), (["rnu"], 2), (["run", "--fast"], 2)]
)
def test_usage(words, code, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(words)
    assert stopped.value.code == code
    said = capsys.readouterr()
    assert "usage: python3 -m scomics_lite" in said.out + said.err


def test_exercises_are_written_and_checked(tmp_path, capsys, two_exercises):
    (tmp_path / "notebooks").mkdir()
    save(tmp_path / "solutions" / "99_good_solutions.ipynb", *GOOD_SOLUTION)
    said = []
    for words in (["--check"], [], ["--check"]):
        said.append((cli.main(["exercises", *words], tmp_path), capsys.readouterr().out.strip()))
    name = "exercises/99_good_exercises.ipynb"
    assert said == [(1, f"out of date: {name}"), (0, f"written: {name}"), (0, "exercises/ is what solutions/ gives")]


def test_lab_serves_the_whole_checkout_and_opens_the_first_notebook(executed, tmp_path, monkeypatch, capsys):
    root, _ = executed
    calls = []
    monkeypatch.setattr(LabApp, "launch_instance", calls.append)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    assert cli.main(["lab", "--no-browser"], root) == 0
    first = "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb"
    assert calls == [[f"--ServerApp.root_dir={root}", first, "--no-browser"]]
    (tmp_path / "notebooks").mkdir()
    assert cli.main(["lab"], tmp_path) == 1
    assert "is missing; restore it with git" in capsys.readouterr().err


def test_data_are_listed_and_fetched(monkeypatch, capsys, tmp_path):
    assert cli.main(["data", "list"], tmp_path) == 0
    assert "pasilla_simulated" in capsys.readouterr().out
    fetched = []
    monkeypatch.setattr(datasets, "fetch", fetched.append)
    assert cli.main(["data", "fetch", "pasilla", "airway"], tmp_path) == 0
    assert fetched == ["pasilla", "airway"]
    assert capsys.readouterr().out == "pasilla: there\nairway: there\n"


def test_unknown_data_are_one_line(capsys, tmp_path):
    assert cli.main(["data", "fetch", "passilla"], tmp_path) == 1
    assert "pasilla" in capsys.readouterr().err


# --- the test run ---------------------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path):
    """A checkout with one good test and one good chapter."""
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 120\n")
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["scomics_lite.course.nbval_rules"]\n')
    (tmp_path / "tests").mkdir()
    (tmp_path / "scomics_lite").mkdir()
    (tmp_path / "tests" / "test_one.py").write_text("def test_one():\n    assert True\n")
    save(tmp_path / "notebooks" / "01_one.ipynb", code("print(1)", "1\n"))
    return tmp_path


def last_line(capfd):
    return capfd.readouterr().out.splitlines()[-1]


def test_everything_passes(small, capfd):
    assert cli.main(["test", "-q"], small) == 0
    said = capfd.readouterr().out
    assert "tests        1 passed in" in said
    assert "notebooks    1 passed in" in said
    assert said.splitlines()[-1].startswith("== 4 passed in ")


def test_every_failure_is_counted_and_nothing_stops_the_rest(small, capfd):
    (small / "tests" / "test_one.py").write_text("import os\ndef test_one():\n    assert False\n")
    save(small / "notebooks" / "01_one.ipynb", code("print(2)", "1\n"), code("print(1)", "1\n"))
    assert cli.main(["test", "-q"], small) == 1
    assert last_line(capfd).startswith("== 4 failed, 1 passed in ")  # both lints, the test, one cell of two


EVERYTHING = testing.EXAMPLES_AND_TESTS
EMPTY = '<testsuites><testsuite tests="0" failures="0" errors="0" skipped="0"/></testsuites>'


@pytest.mark.parametrize("report", [EMPTY, None], ids=["finds nothing", "cannot start"])
def test_a_pytest_that_tests_nothing_is_an_error(small, capfd, monkeypatch, report):
    def child(root, name, *command):
        if report and name == "tests":
            (root / "build" / "test" / "tests.xml").write_text(report)
        return 0 if command[0] == "ruff" else 5

    (small / "build" / "test").mkdir(parents=True)
    monkeypatch.setattr(testing, "_child", child)
    assert testing.run_all(small) == 1
    assert last_line(capfd).startswith("== 2 passed, 2 errors in ")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], [*EVERYTHING, *testing.BOTH_CORES, "--cov=scomics_lite", "--cov-report=term-missing:skip-covered"]),
        (["-k", "one"], [*EVERYTHING, "-k", "one"]),
        (["tests/test_one.py::test_one"], ["tests/test_one.py::test_one"]),
    ],
)
def test_what_pytest_is_given(small, given, expected):
    assert testing._test_arguments(small, given) == expected
