"""The way in: everything that happens before, and instead of, an environment. Nothing here installs a package."""

import ast
import contextlib
import doctest
import errno
import importlib.util
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

import scomics_lite
from scomics_lite import __main__ as entry
from scomics_lite import _environment as env

PACKAGE = Path(scomics_lite.__file__).parent
BEFORE_INSTALLATION = ["__init__.py", "__main__.py", "_environment.py"]
posix_only = pytest.mark.skipif(os.name == "nt", reason="uses a shell script or a signal of POSIX")

PYPROJECT = """
[build-system]
requires = ["builder==1"]
[project]
dependencies = ["numpy", "torch==2.13.0"]
[project.optional-dependencies]
book = ["nbformat"]
dev = ["pytest>=8"]
[tool.ruff]
line-length = 120
"""


@pytest.fixture
def root(tmp_path):
    """A checkout with the two files that decide what is installed."""
    (tmp_path / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (tmp_path / "requirements.lock").write_text("numpy==2.4.6\ntorch==2.13.0\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def venv(root):
    """A finished environment in that checkout, as far as its files tell."""
    folder = root / ".venv"
    env.venv_python(folder).parent.mkdir(parents=True)
    env.venv_python(folder).touch()
    (folder / "pyvenv.cfg").touch()
    env.write_stamp(folder, env.wanted_stamp(root))
    return folder


def run_python(code, **kwargs):
    """Run code in a fresh interpreter and return what it printed."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **kwargs)
    assert done.returncode == 0, done.stderr
    return done.stdout


def one_line(capsys):
    """Return the only line on stderr."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


# --- importing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BEFORE_INSTALLATION)
def test_old_pythons_can_read_it(name):
    ast.parse((PACKAGE / name).read_text(encoding="utf-8"), feature_version=(3, 7))


@pytest.mark.parametrize("module", ["scomics_lite", "scomics_lite.__main__"])
def test_import_takes_the_standard_library_alone(module):
    code = f"""
import sys
before = set(sys.modules)
import {module}
print(sorted({{name.split(".")[0] for name in set(sys.modules) - before}} - sys.stdlib_module_names))
"""
    assert ast.literal_eval(run_python(code)) == ["scomics_lite"]


def test_normalization_needs_no_torch_and_no_matplotlib():
    code = """
import sys
import scomics_lite as sl
sl.normalization.size_factors
print({"torch", "matplotlib", "seaborn"} & set(sys.modules))
"""
    assert run_python(code) == "set()\n"


def test_neither_chapter_6a_nor_a_process_that_fits_genes_waits_for_torch():
    code = """
import sys
import numpy as np
import scomics_lite.simulate, scomics_lite.twas
from scomics_lite.twas.linearised.linear_fits import fit_cell_types
from scomics_lite.twas.weights.training import fit_gene
rng = np.random.default_rng(1)
dosages = rng.binomial(2, 0.4, (50, 3)).astype(float)
y = dosages[:, 1] + rng.normal(size=50)
print(fit_gene("FTO", dosages, y, [0])["status"], fit_cell_types("FTO", dosages, y[:, None], [0])["fits"][0]["status"])
print("torch" in sys.modules)
"""
    assert run_python(code) == "fitted fitted\nFalse\n"


def test_submodules_load_on_first_use():
    assert scomics_lite.validation.CountsError.__module__ == "scomics_lite.validation"
    assert scomics_lite.multiple_testing.adjust is scomics_lite.glm.adjust


def test_public_names_and_nothing_else_are_listed():
    assert dir(scomics_lite) == sorted(scomics_lite.__all__)
    assert {"datasets", "multiple_testing", "normalization", "plots", "__version__"} <= set(dir(scomics_lite))
    assert not {"TYPE_CHECKING", "importlib", "annotations"} & set(dir(scomics_lite))


def test_unknown_attribute_names_the_known_ones():
    with pytest.raises(AttributeError, match=r"no attribute 'normalisation'; it has: .*normalization"):
        scomics_lite.normalisation  # noqa: B018


def test_type_checkers_see_every_submodule():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    named = [alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert set(scomics_lite._SUBMODULES) <= set(named)


def test_example_of_the_package_runs():
    assert doctest.testmod(scomics_lite).failed == 0


# --- commands that build nothing ------------------------------------------------------------------------------------


@pytest.fixture
def nothing_is_built(monkeypatch):
    """Fail where a command starts an environment or a process."""

    def refuse(*args, **kwargs):
        pytest.fail("something was started")

    monkeypatch.setattr(entry, "ensure_environment", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)


@pytest.mark.usefixtures("nothing_is_built")
class TestWithoutEnvironment:
    @pytest.mark.parametrize("args", [["--help"], ["-h"], ["help"]])
    def test_help_names_every_command(self, args, capsys):
        assert entry.main(args) == 0
        out = capsys.readouterr().out
        assert all(f"\n  {command} " in out for command in entry.COMMANDS)
        assert max(len(line) for line in out.splitlines()) <= 120

    def test_no_command_shows_the_help_and_fails(self, capsys):
        assert entry.main([]) == 2
        assert "usage: python3 -m scomics_lite" in capsys.readouterr().out

    def test_version(self, capsys):
        assert entry.main(["--version"]) == 0
        assert capsys.readouterr().out == f"scomics_lite {scomics_lite.__version__}\n"

    def test_help_of_a_command_builds_nothing(self, root, monkeypatch, capsys):
        monkeypatch.setattr(entry, "ROOT", root)
        monkeypatch.delenv("SCOMICS_LITE_PYTHON", raising=False)
        assert entry.main(["figures", "--help"]) == 0
        assert entry.COMMANDS["figures"] in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("args", "said"),
        [
            (["tset"], "unknown command 'tset': did you mean test?"),
            (["--run"], "unknown command '--run': did you mean run?"),
            (["xyzzy"], "unknown command 'xyzzy': there are run, test,"),
            (["data"], "`data list` shows the data sets"),
            (["data", "fecth", "pasilla"], "`data fetch NAME` downloads one"),
        ],
    )
    def test_wrong_words(self, args, said, capsys):
        assert entry.main(args) == 2
        assert said in one_line(capsys)


def test_wrong_word_in_a_real_process():
    done = subprocess.run([sys.executable, "-m", "scomics_lite", "rnu"], cwd=PACKAGE.parent, capture_output=True)
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "scomics_lite: unknown command 'rnu': did you mean run? (--help tells more)"
    ]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("python3.12", "Here is one: python3.12 -m scomics_lite run 01"),
        (None, "Install Python 3.11 and use it."),
    ],
)
def test_python_too_old(found, said, monkeypatch, capsys):
    monkeypatch.setattr(entry, "find_newer_python", lambda: found)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "version_info", (3, 9, 18, "final", 0))
        patch.setattr(sys, "version", "3.9.18 (main)")
        assert entry.main(["run", "01"]) == 1
    assert one_line(capsys) == f"scomics_lite: this is Python 3.9.18; the course needs 3.11 or newer. {said}"


@posix_only
def test_newer_python_must_start(tmp_path, monkeypatch):
    for name, status in [("python3.11", 127), ("python3.12", 0)]:  # a version manager's empty shim, and a real one
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert entry.find_newer_python() == "python3.12"
    (tmp_path / "python3.12").unlink()
    assert entry.find_newer_python() is None


# --- which Python ---------------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(root, monkeypatch):
    """Make the entry point take the small checkout for its own, with SCOMICS_LITE_PYTHON unset."""
    monkeypatch.setattr(entry, "ROOT", root)
    monkeypatch.delenv("SCOMICS_LITE_PYTHON", raising=False)
    return root


def test_finished_environment_is_used(checkout, venv):
    assert entry.choose_python("run") == env.venv_python(venv)
    assert entry.can_start()


def test_current_python(checkout, monkeypatch):
    monkeypatch.setenv("SCOMICS_LITE_PYTHON", "current")
    monkeypatch.setattr(metadata, "distribution", lambda name: name)
    assert entry.choose_python("run") == sys.executable


def test_current_python_lacks_packages(checkout, monkeypatch, capsys):
    def distribution(name):
        if name in ("torch", "pytest"):
            raise metadata.PackageNotFoundError(name)

    monkeypatch.setenv("SCOMICS_LITE_PYTHON", "current")
    monkeypatch.setattr(metadata, "distribution", distribution)
    assert entry.main(["run"]) == 1
    assert "lacks torch, pytest: update that environment from environment.yml" in one_line(capsys)


def test_other_values_are_refused(checkout, monkeypatch, capsys):
    monkeypatch.setenv("SCOMICS_LITE_PYTHON", "/usr/bin/python3")
    assert entry.main(["run"]) == 1
    assert 'it may only be "current"' in one_line(capsys)


def test_installed_package_has_no_chapters(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(entry, "ROOT", tmp_path)
    monkeypatch.delenv("SCOMICS_LITE_PYTHON", raising=False)
    assert entry.main(["run"]) == 1
    said = one_line(capsys)
    assert "`run` needs the course's repository" in said
    assert "The package itself works: import scomics_lite" in said
    assert entry.choose_python("data") == sys.executable


# --- what an environment is made from -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "new", "changes"),
    [
        ("requirements.lock", "numpy==2.4.6", "numpy==2.4.7", True),
        ("requirements.lock", "\n", "\r\n", False),
        ("pyproject.toml", '"numpy"', '"numpy", "scipy"', True),
        ("pyproject.toml", '"pytest>=8"', '"pytest>=9"', True),
        ("pyproject.toml", '"builder==1"', '"builder==2"', True),
        ("pyproject.toml", "line-length = 120", "line-length = 100", False),
    ],
)
def test_stamp_follows_the_pins_alone(root, name, old, new, changes):
    before = env.wanted_stamp(root)
    text = (root / name).read_text(encoding="utf-8")
    (root / name).write_bytes(text.replace(old, new).encode())
    assert (env.wanted_stamp(root) != before) is changes


def test_stamp_follows_the_python_and_the_place(root, tmp_path_factory, monkeypatch):
    before = env.wanted_stamp(root)
    elsewhere = tmp_path_factory.mktemp("moved") / "clone"
    shutil.copytree(root, elsewhere)
    assert env.wanted_stamp(elsewhere) != before
    with monkeypatch.context() as patch:
        patch.setattr(sys, "version_info", (3, 99, 0, "final", 0))
        assert env.wanted_stamp(root)["python"].endswith("3.99")


def test_ready_or_not(root, venv):
    assert env.is_ready(root)
    env.write_stamp(venv, {})
    assert not env.is_ready(root)
    (venv / env.STAMP).write_text('{"pins": "ab', encoding="utf-8")  # the machine went down while it was written
    assert env.read_stamp(venv) == {}
    (venv / env.STAMP).unlink()
    assert env.read_stamp(venv) is None
    assert not env.is_ready(root)


def test_environment_whose_python_is_gone(root, venv):
    env.venv_python(venv).unlink()
    assert not env.is_ready(root)
    assert env.prepare_folder(venv, env.wanted_stamp(root))


def test_changed_pins_update_in_place(root, venv):
    assert not env.prepare_folder(venv, {**env.wanted_stamp(root), "pins": "new"})
    assert env.venv_python(venv).exists()


@pytest.mark.parametrize("change", [{"python": "cpython 3.99"}, {"place": "elsewhere"}])
def test_other_python_or_place_starts_anew(root, venv, change):
    assert env.prepare_folder(venv, {**env.wanted_stamp(root), **change})
    assert list(venv.iterdir()) == []


def test_half_built_starts_anew(root, venv):
    env.write_stamp(venv, {})
    assert env.prepare_folder(venv, env.wanted_stamp(root))
    assert list(venv.iterdir()) == []


def test_somebody_elses_environment_is_left_alone(root, venv):
    (venv / env.STAMP).unlink()
    with pytest.raises(env.StopError, match="did not make it: rename or delete it"):
        env.prepare_folder(venv, env.wanted_stamp(root))
    assert env.venv_python(venv).exists()


def test_clearing_away_cut_short_can_go_on(root, venv, monkeypatch):
    env.write_stamp(venv, {})
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda path: (venv / env.STAMP).unlink() or 1 / 0)
        with pytest.raises(ZeroDivisionError):
            env.prepare_folder(venv, env.wanted_stamp(root))
    assert env.prepare_folder(venv, env.wanted_stamp(root))


# --- building -------------------------------------------------------------------------------------------------------


def python_step(code):
    """Return a stand-in for a pip command."""
    return [sys.executable, "-c", code]


@pytest.fixture
def steps(monkeypatch):
    """Replace venv and pip by harmless steps; the test fills the list."""
    commands = []
    monkeypatch.setattr(env, "pip_steps", lambda root: list(commands))
    monkeypatch.setattr(env, "check_can_build", lambda root: None)
    make_venv = "import pathlib, sys; p = pathlib.Path(sys.argv[-1]); (p / 'bin').mkdir(); (p / 'pyvenv.cfg').touch()"
    touch = f"{make_venv}; (p / '{env.venv_python(Path()).as_posix()}').touch()"
    if os.name == "nt":
        touch = touch.replace("'bin'", "'Scripts'")
    real = env.run_step

    def run_step(command, *rest):
        real(python_step(touch) + command[-1:] if command[1:3] == ["-m", "venv"] else command, *rest)

    monkeypatch.setattr(env, "run_step", run_step)
    return commands


def test_build_writes_log_and_stamp(root, steps, capsys):
    steps.append(python_step("print('Collecting numpy>=2 (from x)')"))
    assert env.ensure_environment(root) == env.venv_python(root / ".venv")
    assert env.is_ready(root)
    assert "Collecting numpy" in (root / "build" / "bootstrap.log").read_text(encoding="utf-8")
    assert "environment ready after" in capsys.readouterr().err
    assert env.ensure_environment(root).exists()  # the second call starts nothing
    assert capsys.readouterr().err == ""


def test_failing_step_leaves_nothing_that_looks_finished(root, steps):
    steps.append(python_step("import sys; print('something odd'); sys.exit(1)"))
    with pytest.raises(env.StopError, match=r"could not be made; the end of .*bootstrap\.log:\n(?s:.*)something odd"):
        env.ensure_environment(root)
    assert env.read_stamp(root / ".venv") == {}
    (root / ".venv" / "leftover").touch()
    steps[:] = [python_step("pass")]
    env.ensure_environment(root)
    assert env.is_ready(root)
    assert not (root / ".venv" / "leftover").exists()


def test_interrupt_ends_the_step_and_leaves_it_unfinished(root, steps, monkeypatch):
    def interrupt(self):
        raise KeyboardInterrupt

    steps.append(python_step("import time; time.sleep(60)"))
    monkeypatch.setattr(env.Progress, "show", interrupt)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        env.ensure_environment(root)
    assert time.monotonic() - began < 30
    assert env.read_stamp(root / ".venv") == {}


def test_interrupt_is_reported_in_one_line(monkeypatch, capsys):
    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "dispatch", interrupt)
    assert entry.main(["run"]) == 130
    assert "interrupted; an unfinished .venv is made anew next time" in capsys.readouterr().err


def test_pip_follows_the_lock(root):
    builder, package = env.pip_steps(root)
    assert builder[-3:] == ["-c", "requirements.lock", "builder==1"]
    assert package[-5:] == ["-c", "requirements.lock", "--no-build-isolation", "-e", ".[book,dev]"]
    assert builder[0] == package[0] == str(env.venv_python(root / ".venv"))


def test_real_venv_is_made_by_the_base_python(root, monkeypatch):
    seen = []
    monkeypatch.setattr(env, "run_step", lambda command, *rest: seen.append(command))
    (root / "build").mkdir()
    env.build(root, lock=0)
    base = getattr(sys, "_base_executable", sys.executable)
    assert seen[0] == [base, "-m", "venv", str(root / ".venv")]


TWO_AT_ONCE = """
import os, pathlib, sys
from scomics_lite import _environment as env
root = pathlib.Path(sys.argv[1])
code = "import os, time; open('built', 'a').write('x'); time.sleep(%s)" % sys.argv[2]
env.pip_steps = lambda root: [[sys.executable, "-c", code]]
env.check_can_build = lambda root: None
real = env.run_step
def run_step(command, *rest):
    if "venv" in command:
        python = env.venv_python(root / ".venv")
        python.parent.mkdir(parents=True)
        python.touch()
    else:
        real(command, *rest)
env.run_step = run_step
env.ensure_environment(root)
"""


def start_build(root, seconds):
    """Start a process that builds with a step of so many seconds."""
    return subprocess.Popen(
        [sys.executable, "-c", TWO_AT_ONCE, str(root), str(seconds)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def wait_until(condition, seconds=30):
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def test_two_at_once_build_once(root):
    first, second = start_build(root, 1), start_build(root, 1)
    for process in (first, second):
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert (root / "built").read_text() == "x"


@posix_only
def test_next_build_waits_for_the_orphan_of_a_killed_one(root):
    killed = start_build(root, 3)
    wait_until((root / "built").exists)
    killed.kill()
    killed.communicate()
    killed_at = time.monotonic()
    after = start_build(root, 0)
    _, err = after.communicate(timeout=60)
    assert after.returncode == 0, err
    assert time.monotonic() - killed_at > 1.5  # the orphaned step of 3 s held the lock
    assert (root / "built").read_text() == "xx"
    assert env.is_ready(root)


def test_waiting_is_said_on_a_terminal(root, monkeypatch):
    answers = iter([False, True])
    monkeypatch.setattr(env, "try_lock", lambda handle: next(answers))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with terminal() as screen, env.build_lock(root):
        pass
    assert "another process is preparing .venv; waiting (0 s)" in screen.getvalue()


@posix_only
def test_lock_is_busy_free_or_unknown_to_the_file_system(tmp_path, monkeypatch):
    import fcntl

    def refuse(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")

    with open(tmp_path / "lock", "a+") as one, open(tmp_path / "lock", "a+") as other:
        assert env.try_lock(one)
        assert not env.try_lock(other)
        monkeypatch.setattr(fcntl, "flock", refuse)
        assert env.try_lock(other)


# --- what goes wrong, in one line -----------------------------------------------------------------------------------


def test_venv_missing(root, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ensurepip" else True)
    with pytest.raises(env.StopError, match=r"sudo apt install python3\.\d+-venv"):
        env.ensure_environment(root)


def test_disk_too_full_to_start(root, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10 * env.GB, 9 * env.GB, env.GB))
    with pytest.raises(env.StopError, match=r"too full: 1\.0 GB free at .*, the environment needs 3 GB"):
        env.ensure_environment(root)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EROFS, "clone the repository into a folder of your own"),
        (errno.EACCES, "no permission to write"),
        (errno.ENOSPC, "the disk is full"),
        (errno.EIO, "delete .venv and run the same command again"),
    ],
)
def test_file_system_refuses(root, number, said, monkeypatch, capsys):
    @contextlib.contextmanager
    def refuse(folder):
        raise OSError(number, os.strerror(number), str(folder / "build"))
        yield

    monkeypatch.setattr(entry, "ROOT", root)
    monkeypatch.delenv("SCOMICS_LITE_PYTHON", raising=False)
    monkeypatch.setattr(env, "check_can_build", lambda root: None)
    monkeypatch.setattr(env, "build_lock", refuse)
    assert entry.main(["run"]) == 1
    assert said in one_line(capsys)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "the disk is full"),
        ("WARNING: Retrying ... NewConnectionError(...)\nERROR: No matching distribution found for x", "no network"),
        ("socket.gaierror: [Errno 11001] getaddrinfo failed", "no network"),
        ("ERROR: No matching distribution found for torch==2.13.0", "no build of torch==2.13.0 for this Python"),
        ("    The user requested (constraint) numpy==2.4.6\n", "no build of numpy==2.4.6 for this Python"),
        ("The virtual environment was not created because ensurepip is not available.", "install python3-venv"),
        ("PermissionError: [Errno 13] Permission denied: 'x'", "no permission to write .venv"),
    ],
)
def test_known_failures_take_one_line(tmp_path, log, said):
    path = tmp_path / "bootstrap.log"
    path.write_text(log, encoding="utf-8")
    message = env.explain_failure(path)
    assert said in message
    assert "\n" not in message
    assert str(path) in message


def test_unknown_failure_shows_the_end_of_the_log(tmp_path):
    path = tmp_path / "bootstrap.log"
    path.write_text("\n".join(f"line {i}" for i in range(100)), encoding="utf-8")
    lines = env.explain_failure(path).splitlines()
    assert lines[1:] == [f"    line {i}" for i in range(88, 100)]


@pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="no pip in this environment")
def test_what_pip_says_without_a_network_is_recognised(tmp_path):
    environ = {k: v for k, v in os.environ.items() if not k.upper().startswith("PIP_") and "proxy" not in k.lower()}
    environ |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    command = [sys.executable, "-m", "pip", "install", "--target", str(tmp_path / "x"), "a-package-of-no-name"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert done.returncode != 0
    (tmp_path / "log").write_text(done.stdout + done.stderr, encoding="utf-8")
    assert "no network" in env.explain_failure(tmp_path / "log")


# --- progress -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def terminal():
    """Make stderr a terminal whose text the test can read."""
    stream = io.StringIO()
    stream.isatty = lambda: True
    with contextlib.redirect_stderr(stream):
        yield stream


def test_progress_names_package_and_seconds():
    progress = env.Progress(time.monotonic() - 7, total=160)
    progress.read("Collecting numpy>=1.26 (from scomics_lite==0.1.0)\n")
    progress.read("  Downloading numpy-2.4.6.whl (16 MB)\n")
    with terminal() as screen:
        progress.show()
    assert screen.getvalue() == f"{'   7 s  fetching numpy (1 of about 160)':78}\r"
    progress.read("Installing collected packages: pytz, numpy, pandas\n")
    assert progress.stage == "installing 3 packages"


def test_full_disk_does_not_stop_the_reading():
    def refuse(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    progress = env.Progress(time.monotonic(), total=160)
    env.copy_lines(["Collecting numpy\n", "Collecting scipy\n"], SimpleNamespace(write=refuse), progress)
    assert progress.seen == {"numpy", "scipy"}


def test_cuda_is_announced_once(capsys):
    progress = env.Progress(time.monotonic(), total=160)
    progress.read("Collecting nvidia-cublas==13.0 (from torch)\n")
    progress.read("Collecting nvidia-cudnn==9.1 (from torch)\n")
    assert "CONTRIBUTING.md tells how to get the CPU build" in one_line(capsys)


def test_off_a_terminal_only_last_lines_are_printed(capsys):
    env.show("going on")
    env.show("done", last=True)
    assert one_line(capsys) == "scomics_lite: done"


# --- handing over ---------------------------------------------------------------------------------------------------


class Child:
    """A process that answers Ctrl-C in its own time."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.terminated = False

    def wait(self):
        outcome = self.outcomes.pop(0)
        if outcome is KeyboardInterrupt:
            raise outcome
        return outcome

    def terminate(self):
        self.terminated = True


@pytest.fixture
def beside(monkeypatch):
    """Return a function that hands over to a child of our making, as on Windows, and tells how it was started."""

    def start(child, python, args):
        seen = SimpleNamespace()

        def popen(command, env):
            seen.command, seen.environ = command, env
            return child

        monkeypatch.setattr(entry, "os", SimpleNamespace(name="nt", environ=os.environ, pathsep=os.pathsep))
        monkeypatch.setattr(subprocess, "Popen", popen)
        monkeypatch.setattr(signal, "signal", lambda number, handler: setattr(seen, "on_terminate", handler))
        seen.code = entry.hand_over(python, args)
        return seen

    return start


@pytest.mark.parametrize(("status", "code"), [(0, 0), (7, 7), (-2, 130)])
def test_exit_status_is_passed_on(beside, status, code):
    seen = beside(Child(status), Path("python"), ["run", "01"])
    assert seen.code == code
    assert seen.command == ["python", "-m", "scomics_lite.course.cli", "run", "01"]


def test_ctrl_c_is_the_childs_business(beside):
    assert beside(Child(KeyboardInterrupt, KeyboardInterrupt, 3), Path("python"), ["lab"]).code == 3


def test_termination_is_passed_on(beside):
    child = Child(0)
    beside(child, Path("python"), ["run"]).on_terminate(signal.SIGTERM, None)
    assert child.terminated


def test_current_python_finds_the_package(beside, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "mine")
    seen = beside(Child(0), sys.executable, ["run"])
    assert seen.environ["PYTHONPATH"] == f"{entry.ROOT}{os.pathsep}mine"
    assert beside(Child(0), Path("python"), ["run"]).environ["PYTHONPATH"] == "mine"


@posix_only
def test_the_process_becomes_its_command(monkeypatch):
    seen = []
    monkeypatch.setattr(os, "execve", lambda *call: seen.append(call))
    monkeypatch.setattr(entry, "wait_for", lambda child: seen.append(child))
    monkeypatch.setattr(subprocess, "Popen", lambda *call, **options: None)
    entry.hand_over(Path("/python"), ["run", "01"])
    path, command, environ = seen[0]
    assert path == "/python"
    assert command == ["/python", "-m", "scomics_lite.course.cli", "run", "01"]
    assert environ == dict(os.environ)


def test_main_hands_over(checkout, venv, monkeypatch):
    monkeypatch.setattr(entry, "hand_over", lambda python, args: (python, args))
    monkeypatch.setattr(sys, "argv", ["scomics_lite", "run", "--help"])
    assert entry.main() == (env.venv_python(venv), ["run", "--help"])


def test_stamp_is_json_that_says_what_it_was_made_from(venv):
    assert set(json.loads((venv / env.STAMP).read_text(encoding="utf-8"))) == {"pins", "python", "place"}
