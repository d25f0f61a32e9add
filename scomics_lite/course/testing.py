"""The whole test run: lint, tests with coverage, notebooks. Each step is a child process of this interpreter."""

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

CELL_SECONDS = 600  # bounds a cell that hangs; cells of chapters take seconds
EXAMPLES_AND_TESTS = ["--doctest-modules", "scomics_lite", "tests"]  # the examples in docstrings run too
BOTH_CORES = ["-n", "2", "--dist", "loadscope"]  # files and notebooks side by side, what is inside them in order
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
OUTCOMES = ("failed", "passed", "skipped", "error")


@dataclass(frozen=True)
class Step:
    """One step of the run: its name, the outcomes of its tests, and how many seconds it took."""

    name: str
    outcomes: Counter
    seconds: float


def run_all(root, pytest_arguments=()):
    """Run every step, whatever becomes of the ones before; print a line for each and return the exit status.

    The last line printed has the form of pytest's own summary, summed over all steps; a lint step counts as one test.

    Parameters
    ----------
    root : path
        The checkout.
    pytest_arguments : sequence of str
        For the pytest of ``tests/`` and of the examples in docstrings. With any, coverage is not measured, and they
        run in one process.
    """
    root, start = Path(root), time.perf_counter()
    steps = [_lint(root, "ruff check", "check"), _lint(root, "ruff format", "format", "--check")]
    steps.append(_pytest(root, "tests", _test_arguments(root, pytest_arguments)))
    notebook_folders = [name for name in ("notebooks", "solutions", "exercises") if any((root / name).glob("*.ipynb"))]
    steps += [_pytest(root, name, _nbval_arguments(name)) for name in notebook_folders]
    total = sum((step.outcomes for step in steps), Counter())
    print()
    for step in steps:
        print(f"{step.name:12} {_summary(step.outcomes)} in {step.seconds:.1f}s")
    print(f"== {_summary(total)} in {time.perf_counter() - start:.2f}s ==", flush=True)
    return int(bool(total["failed"] or total["error"]))


def _test_arguments(root, given):
    coverage = [] if given else [*BOTH_CORES, "--cov=scomics_lite", "--cov-report=term-missing:skip-covered"]
    named = any((root / word.split("::")[0]).exists() for word in given if not word.startswith("-"))
    return [*([] if named else EXAMPLES_AND_TESTS), *coverage, *given]


def _nbval_arguments(folder):
    options = ["--nbval", "--nbval-current-env", f"--nbval-cell-timeout={CELL_SECONDS}", "-p", "no:cacheprovider"]
    return [*options, *BOTH_CORES, folder]


def _lint(root, name, *arguments):
    start = time.perf_counter()
    code = _child(root, name, "ruff", *arguments, ".")
    return Step(name, Counter({"failed" if code else "passed": 1}), time.perf_counter() - start)


def _pytest(root, name, arguments):
    """Run one pytest; what it found is read from its report, so that nothing depends on how it prints."""
    report = root / "build" / "test" / f"{name}.xml"
    report.unlink(missing_ok=True)
    start = time.perf_counter()
    code = _child(root, name, "pytest", f"--junitxml={report}", *arguments)
    outcomes = _read_report(report)
    if code and not outcomes["failed"] + outcomes["error"]:
        outcomes["error"] = 1  # too little coverage, no tests, or pytest could not start: its own output says which
    return Step(name, outcomes, time.perf_counter() - start)


def _child(root, name, *command):
    print(f"\n== {name}: {' '.join(command[:1])} ==", flush=True)
    return subprocess.run([sys.executable, "-m", *command], cwd=root, env=os.environ | ONE_THREAD).returncode


def _read_report(report):
    if not report.exists():
        return Counter()
    suites = ElementTree.parse(report).getroot().iter("testsuite")
    counts = Counter()
    for suite in suites:
        tests, failed, error, skipped = (int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped"))
        counts.update(passed=tests - failed - error - skipped, failed=failed, error=error, skipped=skipped)
    return counts


def _summary(outcomes):
    """Say the outcomes as pytest says them."""
    many = {"error": "error" if outcomes["error"] == 1 else "errors"}
    said = [f"{outcomes[outcome]} {many.get(outcome, outcome)}" for outcome in OUTCOMES if outcomes[outcome]]
    return ", ".join(said) or "nothing to do"
