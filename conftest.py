"""Load the rules under which notebooks are compared, whichever folder pytest is pointed at; close doctests' figures."""

import sys

import pytest

pytest_plugins = ["scomics_lite.course.nbval_rules"]


@pytest.fixture(autouse=True)
def _examples_leave_no_figure_open(request):
    """Close what the examples of plots have drawn: matplotlib warns of more than twenty."""
    yield
    if isinstance(request.node, pytest.DoctestItem) and "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
