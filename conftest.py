"""Load the rules under which notebooks are compared, whichever folder pytest is pointed at; keep doctests tidy."""

import sys

import pytest

pytest_plugins = ["scomics_lite.course.nbval_rules"]


@pytest.fixture(autouse=True)
def _examples_leave_nothing_behind(request):
    """Let examples write into a folder of their own, and close what they drew: matplotlib warns of many figures."""
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    request.getfixturevalue("monkeypatch").chdir(request.getfixturevalue("tmp_path"))
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
