"""The way in: ``python3 -m scomics_lite COMMAND`` from a fresh clone, with nothing installed yet.

Standard library only, like ``_environment``, which makes ``.venv``; the command itself is then the business of
``scomics_lite.course.cli`` inside that environment. The syntax of both stays within Python 3.7's, so that an older
Python gets the one line of ``check_python`` instead of a SyntaxError.
"""

import difflib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from scomics_lite import __version__
from scomics_lite._environment import KNOWN_GOOD, StopError, check_packages, ensure_environment, is_ready

ROOT = Path(__file__).resolve().parent.parent
NEEDS = (3, 11)

COMMANDS = {
    "run": "execute the chapters and write the figure gallery",
    "test": "run every test: lint, package, chapters, solutions, exercises",
    "lab": "open the course in JupyterLab",
    "figures": "make the figures alone: all, or the ids that you name",
    "exercises": "write exercises/ anew from solutions/",
    "data": "list the data sets, or fetch one by name",
    "s-predixcan": "associate genes with a trait, from a GWAS and a model of expression",
    "s-multixcan": "the same for several tissues together",
    "predict": "predict expression from genotypes",
    "predixcan": "associate predicted expression with a trait of the same people",
    "multixcan": "the same for several models together",
    "train": "learn a model of expression from genotypes",
    "scpredixcan": "from DNA, cells and a GWAS to genes: scPrediXcan's four steps",
}
COURSE = (
    "run",
    "test",
    "lab",
    "figures",
    "exercises",
)  # need notebooks and tests; the others work from an installation

HELP = """\
usage: python3 -m scomics_lite COMMAND [...]

{commands}

examples
  python3 -m scomics_lite run            everything: chapters, figures, gallery
  python3 -m scomics_lite lab            read and change the notebooks in the browser
  python3 -m scomics_lite figures fig-1-4
  python3 -m scomics_lite data fetch pasilla
  python3 -m scomics_lite s-predixcan --model liver.db --covariance liver.txt.gz --gwas gwas.txt.gz --out liver.csv

The first command makes an environment in .venv: minutes, 2 GB (6 GB where torch brings CUDA: CONTRIBUTING.md tells
how to avoid that), and a network. Later commands start at once; when a pin changes, .venv is updated.
`COMMAND --help` tells a command's own options.

environment variables
  SCOMICS_LITE_DATA     folder of downloaded data sets; without it and without a network the course uses the
                        simulated stand-ins that come with it
  SCOMICS_LITE_PYTHON   "current": use the Python that runs this command (conda, Binder) and make no .venv
"""


def main(args=None):
    """Run one command and return its exit status."""
    args = sys.argv[1:] if args is None else list(args)
    try:
        return dispatch(args)
    except StopError as stop:
        print(f"scomics_lite: {stop}", file=sys.stderr)
        return stop.code
    except KeyboardInterrupt:
        print("\nscomics_lite: interrupted; an unfinished .venv is made anew next time", file=sys.stderr)
        return 130


def dispatch(args):
    """Answer what needs no environment; hand over the rest."""
    if not args or args[0] in ("-h", "--help", "help"):
        print(HELP.format(commands="\n".join(f"  {name:11} {what}" for name, what in COMMANDS.items())))
        return 0 if args else 2
    if args[0] in ("-V", "--version"):
        print(f"scomics_lite {__version__}")
        return 0
    check_command(args)
    check_python(args)
    if {"-h", "--help"} & set(args) and not can_start():
        print(f"python3 -m scomics_lite {args[0]}: {COMMANDS[args[0]]}\nIts options are shown once .venv is there.")
        return 0
    return hand_over(choose_python(args[0]), args)


def check_command(args):
    """Refuse a command that cannot work before anything is built for it."""
    command = args[0]
    if command not in COMMANDS:
        near = difflib.get_close_matches(command.lstrip("-"), COMMANDS, n=2, cutoff=0.55)
        meant = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(COMMANDS)}"
        raise StopError(f"unknown command {command!r}: {meant} (--help tells more)", 2)
    if command == "data" and not {"list", "fetch", "-h", "--help"} & set(args[1:2]):
        raise StopError("data what? `data list` shows the data sets, `data fetch NAME` downloads one", 2)


def check_python(args):
    """Refuse a Python that is too old and name one that would do."""
    if sys.version_info[:2] >= NEEDS:
        return
    name = find_newer_python()
    way_out = f"Here is one: {name} -m scomics_lite {' '.join(args)}" if name else "Install Python 3.11 and use it."
    raise StopError(f"this is Python {sys.version.split()[0]}; the course needs 3.11 or newer. {way_out}")


def find_newer_python():
    """Return the command of a Python on the PATH that is new enough and starts, or None."""
    tried = [["py", f"-{version}"] for version in KNOWN_GOOD] if os.name == "nt" else []
    tried += [[f"python{version}"] for version in KNOWN_GOOD]
    for command in tried:
        if shutil.which(command[0]) and subprocess.call([*command, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return " ".join(command)
    return None


def choose_python(command):
    """Return the interpreter that runs the command: the present one where asked, else that of .venv."""
    choice = os.environ.get("SCOMICS_LITE_PYTHON", "")
    if choice not in ("", "current"):
        raise StopError(f'SCOMICS_LITE_PYTHON is {choice!r}; it may only be "current" (or unset, for .venv)')
    if not is_checkout():
        if command not in COURSE:
            return sys.executable
        raise StopError(
            f"`{command}` needs the course's repository (notebooks, tests), and {ROOT} holds the installed package "
            "alone. The package itself works: import scomics_lite. For the course, clone the repository and run there."
        )
    if choice == "current":
        check_packages(ROOT)
        return sys.executable
    return ensure_environment(ROOT)


def is_checkout():
    """Tell a clone of the repository from an installed package."""
    return (ROOT / "requirements.lock").is_file() and (ROOT / "pyproject.toml").is_file()


def can_start():
    """Whether a command could start without anything being built."""
    return os.environ.get("SCOMICS_LITE_PYTHON") == "current" or not is_checkout() or is_ready(ROOT)


def hand_over(python, args):
    """Run the command in the environment, in this terminal; return its exit status, where this process lives on."""
    environ = dict(os.environ)
    if str(python) == sys.executable and is_checkout():  # here the package may not be installed: kernels need the path
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environ.get("PYTHONPATH")]))
    command = [str(python), "-m", "scomics_lite.course.cli", *args]
    if os.name == "posix":
        sys.stdout.flush()
        os.execve(command[0], command, environ)  # becomes the command: whoever ends this process ends that
    return wait_for(subprocess.Popen(command, env=environ))


def wait_for(child):
    """Return the exit status of a command that runs beside this process, as it has to on Windows."""
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    while True:
        try:
            code = child.wait()
            return code if code >= 0 else 128 - code
        except KeyboardInterrupt:  # the terminal sends Ctrl-C to the child as well; how to end is its business
            continue


if __name__ == "__main__":
    sys.exit(main())
