"""Warnings stand at the user's line: the first outside the package, wherever the user's files lie."""

import runpy
import warnings
from pathlib import Path

import pandas as pd
import pytest

import scomics_lite
from scomics_lite.validation import notices

PACKAGE = Path(scomics_lite.__file__).parent
# A simulated table in which the size factors warn: two samples share no gene with the third.
WARNS = """
import numpy as np
from scomics_lite import normalization
counts = np.zeros((3, 8), int)
counts[[0, 1], :4] = 5
counts[2, 4:] = 5
normalization.size_factors(counts, "tmm")  # here
"""


def place_of_warning(path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        runpy.run_path(str(path))
    (one,) = caught
    return one.filename, Path(one.filename).read_text(encoding="utf-8").splitlines()[one.lineno - 1]


@pytest.mark.parametrize("folder", ["analysis", PACKAGE.name + "_analysis", PACKAGE.name])
def test_a_warning_stands_at_the_line_of_the_user(folder, tmp_path):
    script = tmp_path / folder / "script.py"
    script.parent.mkdir()
    script.write_text(WARNS, encoding="utf-8")
    filename, line = place_of_warning(script)
    assert filename == str(script)
    assert line.endswith("# here")


def test_a_folder_beside_the_package_whose_name_begins_like_it(tmp_path, monkeypatch):
    monkeypatch.setattr(notices, "PACKAGE", str(tmp_path / "scomics_lite") + notices.os.sep)
    inside, beside = tmp_path / "scomics_lite" / "inner.py", tmp_path / "scomics_lite_more" / "script.py"
    for path in (inside, beside):
        path.parent.mkdir()
    inside.write_text("from scomics_lite.validation import warn\ndef step():\n    warn('odd')\n", encoding="utf-8")
    take = f"import runpy\nstep = runpy.run_path({str(inside)!r})['step']\n"
    beside.write_text(take + "def analyse():\n    step()  # here\nanalyse()\n", encoding="utf-8")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        runpy.run_path(str(beside))
    assert caught[-1].filename == str(beside)
    assert beside.read_text().splitlines()[caught[-1].lineno - 1].endswith("# here")


def test_samples_are_named_in_warnings():
    counts = pd.DataFrame([[5, 5, 0, 0], [5, 6, 0, 0], [0, 0, 5, 5]], index=["s1", "s2", "s3"])
    with pytest.warns(UserWarning, match=r"1 of 3 samples \(first s3\)"):
        scomics_lite.normalization.size_factors(counts, "tmm")
