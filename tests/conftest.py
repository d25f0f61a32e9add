"""What several test modules share."""

import matplotlib
import matplotlib.pyplot as plt
import pytest

from scomics_lite.course import checks

matplotlib.use("Agg")  # no window, on any system; set here and not in the environment, which notebook kernels inherit


@pytest.fixture
def registry(monkeypatch):
    """Let a test register exercises of its own (ch99, as docstrings do), and forget them and all hints given."""
    chapters = {key: task for key, task in checks._registry.items() if not key.startswith("ch99-")}
    monkeypatch.setattr(checks, "_registry", chapters)
    monkeypatch.setattr(checks, "_wrong_tries", {})


@pytest.fixture
def two_exercises(registry):
    """The checks of the exercises in fixtures/notebooks.py."""
    hints = ("look at 1", "halve", "divide by two")
    checks.exercise("ch99-half", hints=hints)(lambda half: checks.differs(half(3.0), 1.5))
    checks.exercise("ch99-share", hints=hints)(lambda share: checks.differs(share, 3 / 7))


@pytest.fixture
def closed_figures():
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # an earlier test may have set the style of the course
        yield
    plt.close("all")


@pytest.fixture
def ax(closed_figures):
    return plt.figure().add_subplot()
