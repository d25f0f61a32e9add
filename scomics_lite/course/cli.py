"""The commands behind ``python3 -m scomics_lite``; they run inside the environment that the bootstrap made."""

import argparse
import os
import signal
import sys
from pathlib import Path

from scomics_lite.course import association_commands, testing
from scomics_lite.validation import InputError

ROOT = Path(__file__).resolve().parents[2]
FIRST = "notebooks/00_start_here.ipynb"


def main(argv=None, root=ROOT):
    """Run one command of the course and return its exit status: 0 done, 1 something failed, 2 not understood.

    Parameters
    ----------
    argv : list of str, optional
        Command and arguments, by default those of this process.
    root : path
        The checkout.
    """
    parser = _parser()
    arguments, extra = parser.parse_known_args(argv)
    if extra and not arguments.takes_more:
        parser.error(f"{arguments.command} does not know {' '.join(extra)}; see: {arguments.command} --help")
    try:
        if arguments.needs_checkout and not (Path(root) / "notebooks").is_dir():
            raise InputError(f"{root} holds no notebooks; this command needs a clone of the repository")
        return arguments.function(Path(root), arguments, extra)
    except BrokenPipeError:
        return _output_closed()
    except (InputError, OSError) as error:
        print(f"scomics_lite {arguments.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        how_to_go_on = f"; {stop}" if str(stop) else ""
        print(f"\nscomics_lite {arguments.command}: interrupted{how_to_go_on}", file=sys.stderr)
        return 130


def _output_closed():
    """End plainly where whoever read the output has gone: `... | head`; nothing is left to be written at the exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + 13  # as a shell tells of SIGPIPE


def run(root, arguments, extra):
    """Execute chapters, each in a fresh kernel; then write the gallery and say where everything is."""
    from scomics_lite.course import runner

    runs = _execute(root, runner.chapters(root, arguments.chapter))
    _report(runs)
    figures, page = _gallery(root)
    _report_data(figures)
    print(f"\nFigures:  {page} (open it in a browser)")
    print(f"Chapters: {runs[0].path.parent} (executed copies); `python3 -m scomics_lite lab` opens them in JupyterLab")
    return int(any(one.error for one in runs))


def figures(root, arguments, extra):
    """Execute the chapters that show the figures named, or all chapters, and print where each PNG is."""
    from scomics_lite.course import runner

    runs = _execute(root, runner.chapters_with(root, arguments.id))
    made, page = _gallery(root)
    for figure in made:
        if figure.id in (arguments.id or [figure.id]):
            print(page.parent / f"{figure.id}.png")
    print(f"All of them, with how they were made: {page}")
    _report_failures(runs)
    return int(any(one.error for one in runs))


def test(root, arguments, extra):
    """Run lint, the tests, and nbval over chapters, solutions and exercises."""
    return testing.run_all(root, extra)


def lab(root, arguments, extra):
    """Run JupyterLab over the whole checkout, first notebook open; further arguments go to JupyterLab.

    It runs in this process: a signal that ends the command is then JupyterLab's own, and it takes its kernels with it.
    At a terminal it takes Ctrl-C too, and asks; where there is none, it would leave its kernels behind.
    """
    from jupyterlab.labapp import LabApp

    if not (root / FIRST).exists():
        raise InputError(f"{root / FIRST} is missing; restore it with git")
    signal.signal(signal.SIGINT, lambda *_: signal.raise_signal(signal.SIGTERM))
    LabApp.launch_instance([f"--ServerApp.root_dir={root}", f"--LabApp.default_url=/lab/tree/{FIRST}", *extra])
    return 0


def exercises(root, arguments, extra):
    """Write exercises/ anew from solutions/, or only say whether that would change anything."""
    from scomics_lite.course.exercises import check_generated, generate

    paths = check_generated(root) if arguments.check else generate(root)
    for path in paths:
        print(f"{'out of date' if arguments.check else 'written'}: exercises/{path.name}")
    if not paths:
        print("exercises/ is what solutions/ gives")
    return int(bool(arguments.check and paths))


def data(root, arguments, extra):
    """List the data sets, or fetch some of them into the cache."""
    from scomics_lite import datasets

    if arguments.action == "list":
        table = datasets.available().drop(columns="source")
        table["licence"] = table["licence"].str.slice(0, 40)
        print(table.to_string())
    for name in arguments.name:
        datasets.fetch(name)
        print(f"{name}: there")
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="python3 -m scomics_lite",
        description="The course: statistics for transcriptome and single-cell counts, as notebooks that run; and the "
        "path from genotypes to associations, as commands.",
        epilog="Start with `run`, then `lab`. Each command has its own --help.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(function, help, description, takes_more=False):
        command = commands.add_parser(function.__name__, help=help, description=description)
        command.set_defaults(function=function, takes_more=takes_more, needs_checkout=function is not data)
        return command

    add(run, "execute chapters and write the gallery of figures", _RUN).add_argument(
        "chapter", nargs="*", help="number or name of a chapter, as in: run 1 7b (default: all)"
    )
    add(test, "check everything: lint, tests, notebooks", _TEST, takes_more=True)
    add(lab, "open the course in JupyterLab", _LAB, takes_more=True)
    add(figures, "make the PNG of figures", _FIGURES).add_argument(
        "id", nargs="*", help="as in: figures fig-1-4 (default: all)"
    )
    add(exercises, "make exercises/ from solutions/", _EXERCISES).add_argument(
        "--check", action="store_true", help="write nothing; fail if an exercise is out of date"
    )
    actions = add(data, "list or fetch data sets", _DATA).add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="every data set, its size and licence, and whether it is here").set_defaults(
        name=[]
    )
    actions.add_parser("fetch", help="download data sets, checked").add_argument("name", nargs="+", metavar="NAME")
    association_commands.add_commands(commands)
    return parser


_RUN = """Executes the chapters, each in a fresh kernel, with a progress bar. The notebooks stay as they are; executed
copies go to build/notebooks, the gallery of figures to build/gallery/index.html. A chapter that fails is named, and the
next one runs. Real data sets are used where they are in the cache or can be downloaded, their simulated stand-ins
otherwise."""
_TEST = """Runs ruff, then the tests with coverage, then nbval over notebooks, solutions and exercises. Whatever else is
given goes to the tests' pytest (as in: test -x -k tmm); coverage is then not measured, a selection covers less."""
_LAB = f"""Opens JupyterLab on the whole course, {FIRST} first; Ctrl-C ends it and all kernels. Whatever else is given
goes to JupyterLab (as in: lab --no-browser --ServerApp.port=9999)."""
_FIGURES = "Executes the chapters that show the figures, and writes build/gallery/ID.png and the gallery."
_EXERCISES = "Solutions are written by hand; every exercise notebook is made from its solutions and never edited."
_DATA = "Data sets are kept in the folder SCOMICS_LITE_DATA names, else in the user's cache."


def _execute(root, paths):
    from scomics_lite.course import runner

    return [runner.execute(path, root / "build" / "notebooks" / path.name) for path in paths]


def _gallery(root):
    """Write the gallery of all chapters executed as they are now; return its figures and its page."""
    from scomics_lite.course import gallery, runner

    paths = runner.chapters(root)
    copies = gallery.up_to_date(paths, root / "build" / "notebooks")
    made = gallery.collect(copies)
    missing = sorted({path.stem for path in paths} - {copy.stem for copy in copies})
    if missing:
        print(f"Not in the gallery, because not executed since they were last changed: {', '.join(missing)}")
    return made, gallery.write(made, root / "build" / "gallery")


def _report(runs):
    width = max(len(one.chapter) for one in runs)
    print(f"\n{'chapter':{width}}  seconds  peak MB")
    for one in runs:
        print(f"{one.chapter:{width}}  {one.seconds:7.1f}  {one.peak_mb:7.0f}{'  FAILED' if one.error else ''}")
    if len(runs) > 1:
        print(f"{'together':{width}}  {sum(one.seconds for one in runs):7.1f}")
    _report_failures(runs)


def _report_failures(runs):
    for one in runs:
        if one.error:
            print(f"FAILED {one.error}")


def _report_data(figures):
    from scomics_lite.course.gallery import datasets_used

    used = datasets_used(figures)
    real = sorted(name for name, kind in used.items() if kind == "real")
    simulated = sorted(set(used) - set(real))
    if real:
        print(f"\nReal data in the figures: {', '.join(real)}")
    if simulated:
        print(f"\nSimulated data in the figures: {', '.join(simulated)} (`data list` says which real sets are here)")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # on the way out, children are ended too
    sys.exit(main())
