"""The rules under which nbval compares notebooks, as a pytest plugin (the conftest.py at the root loads it).

- Text only: streams on stdout, plain text, Markdown and LaTeX. Pictures, HTML and widgets are never compared, stderr
  neither (progress bars live there; a test refuses notebooks committed with it).
- Words strictly, up to the width of white space. Whole numbers exactly. Numbers with a point or an exponent to a
  relative tolerance of 1e-3: enough for the last digits of another machine, too little for another result.
- A cell tagged ``real-data`` is compared where every real data set its notebook names is at hand, else only executed.
- A cell tagged ``nbval-ignore-output`` says why in its metadata (``{"scomics_lite": {"why": "…"}}``).
- A notebook committed without having been executed fails, since nothing in it could be compared; exercises alone are
  committed that way, and a generated notebook is known by its metadata.
"""

import functools
import math
import os
import re

import pytest
from nbval.plugin import IPyNbCell

from scomics_lite.course import exercises, notebooks

RELATIVE_TOLERANCE = 1e-3
ABSOLUTE_TOLERANCE = 1e-12  # below this a printed number is rounding noise around zero
TEXT_TYPES = ("text/plain", "text/markdown", "text/latex")
WIDGET = "application/vnd.jupyter.widget-view+json"

# The lookbehind keeps the digits of names (treated1, chr19) out: they are words.
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?!\w)")


def pytest_configure(config):
    """Ask the kernels, which inherit the environment, for static notebooks: no widget, nothing that waits."""
    if config.getoption("nbval", False) or config.getoption("nbval_lax", False):
        os.environ["SCOMICS_LITE_STATIC"] = "1"


def pytest_itemcollected(item):
    """Give every notebook cell our comparison in place of nbval's."""
    if isinstance(item, IPyNbCell):
        item.compare_outputs = functools.partial(_compare_cell, item)


def pytest_runtest_setup(item):
    """Fail a cell whose tags or missing execution would hide a difference."""
    if not isinstance(item, IPyNbCell):
        return
    if "nbval-ignore-output" in notebooks.tags(item.cell) and not item.cell.metadata.get("scomics_lite", {}).get("why"):
        pytest.fail('tagged nbval-ignore-output without a reason: add {"scomics_lite": {"why": "…"}} to its metadata')
    if item.cell.execution_count is None and item.cell.source.strip() and not exercises.is_generated(item.parent.nb):
        pytest.fail("committed without being executed, so nothing could be compared: run the notebook and save it")


def texts(outputs):
    r"""Return what is compared of a cell's outputs: a list of (kind, text), in order.

    Examples
    --------
    >>> from nbformat.v4 import new_output
    >>> from scomics_lite.course.nbval_rules import texts
    >>> texts([new_output("stream", text="0.5\n"), new_output("display_data", {"image/png": "iVBO"})])
    [('stdout', '0.5\n')]
    """
    found = []
    for output in outputs:
        data = output.get("data", {})
        if output.output_type == "stream" and output.name == "stdout":
            found.append(("stdout", output.text))
        elif output.output_type == "error":
            found.append(("error", f"{output.ename}: {output.evalue}"))
        elif WIDGET not in data:
            found.extend((kind, data[kind]) for kind in TEXT_TYPES if kind in data)
    return found


def difference(committed, now):
    """Return None where two texts say the same, else what differs.

    Examples
    --------
    >>> from scomics_lite.course.nbval_rules import difference
    >>> difference("mean 0.70710678, 7 samples", "mean 0.70710679, 7 samples")
    >>> difference("mean 0.707, 7 samples", "mean 0.709, 7 samples")
    'number 1: 0.707 committed, 0.709 now'
    >>> difference("mean 0.707, 7 samples", "mean 0.707, 8 samples")
    'number 2: 7 committed, 8 now'
    >>> difference("median 0.707", "mean 0.707")
    "words: 'median #' committed, 'mean #' now"
    """
    ours, theirs = (" ".join(_NUMBER.sub("#", text).split()) for text in (committed, now))
    if ours != theirs:
        return f"words: {ours!r} committed, {theirs!r} now"
    pairs = zip(_NUMBER.findall(committed), _NUMBER.findall(now), strict=True)
    for place, (old, new) in enumerate(pairs, start=1):
        if not _same_number(old, new):
            return f"number {place}: {old} committed, {new} now"
    return None


def real_data_named(notebook):
    """Return the real data sets a notebook names anywhere in its code."""
    from scomics_lite import datasets

    sets = datasets.available()
    real = set(sets.index[~sets["bundled"]])
    return sorted(real & notebooks.strings(notebook))


def real_data_at_hand(notebook):
    """Tell whether every real data set a notebook names is in a cache, so that its kernel uses the real ones."""
    from scomics_lite import datasets

    return bool(datasets.available().loc[real_data_named(notebook), "cached"].all())


def _compare_cell(item, now, committed, skip_compare=None):
    """Stand in for nbval's method of the same name: True where outputs agree, else a report in comparison_traceback."""
    item.comparison_traceback = []
    if "real-data" in notebooks.tags(item.cell) and not _kernel_has_real_data(item.parent):
        return True
    old, new = texts(committed), texts(now)
    if [kind for kind, _ in old] != [kind for kind, _ in new]:
        item.comparison_traceback.append(f"outputs: {[k for k, _ in old]} committed, {[k for k, _ in new]} now")
    else:
        pairs = zip(old, new, strict=True)
        found = [(kind, difference(before, after), after) for (kind, before), (_, after) in pairs]
        item.comparison_traceback += [f"{kind}: {what}\n{after}" for kind, what, after in found if what]
    return not item.comparison_traceback


def _kernel_has_real_data(notebook_file):
    """Look once a notebook, after its first such cell has run: loading the set may have downloaded it."""
    if not hasattr(notebook_file, "real_data"):
        notebook_file.real_data = real_data_at_hand(notebook_file.nb)
    return notebook_file.real_data


def _same_number(old, new):
    if all(text.lstrip("+-").isdigit() for text in (old, new)):
        return int(old) == int(new)
    return math.isclose(float(old), float(new), rel_tol=RELATIVE_TOLERANCE, abs_tol=ABSOLUTE_TOLERANCE)
