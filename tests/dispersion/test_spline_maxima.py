"""Maxima of splines on a grid: exact for cubics, and edgeR's for curves of every kind and nearly Poisson counts.

The tables are described in tests/reference/README.md. Largest differences from edgeR: 2e-10 in log2(dispersion) for 240
curves, common dispersions 3e-9, trended 8e-7, tagwise 7e-6.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scomics_lite.dispersion import edger_dispersions
from scomics_lite.dispersion.spline_maxima import spline_maxima
from scomics_lite.normalization import size_factors

FOLDER = Path(__file__).parents[1] / "reference"
GRID = np.linspace(-10, 10, 21)
DESIGN = np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1]])


def read(name):
    return pd.read_csv(FOLDER / name, sep="\t", float_precision="round_trip")


COUNTS = dict(list(read("poisson_counts.tsv.gz").groupby("case")))


def test_edger_finds_the_same_maxima():
    table = read("spline_curves.tsv.gz")
    heights = np.array([row.split(",") for row in table["heights"]], dtype=float)
    assert len(heights) == 240
    np.testing.assert_allclose(spline_maxima(GRID, heights), table["maximum"], rtol=0, atol=1e-8)


def test_a_cubic_is_its_own_spline():
    """The ends take the third derivative from the data, so nothing is lost there; scale and origin do not matter."""
    peaks = np.array([-9.7, -9.01, 0.0, 3.3, 8.999, 9.6])[:, None]
    heights = -((GRID - peaks) ** 2) * (1 + 0.02 * (GRID - peaks))
    np.testing.assert_allclose(spline_maxima(GRID, heights), peaks[:, 0], atol=1e-9)
    np.testing.assert_allclose(spline_maxima(5 + 0.1 * GRID, heights), 5 + 0.1 * peaks[:, 0], atol=1e-9)


def test_a_curve_that_falls_or_rises_all_the_way_has_its_maximum_at_the_end():
    heights = np.stack([-np.logaddexp(0, GRID), GRID + GRID**3, np.zeros(21)])
    assert spline_maxima(GRID, heights).tolist() == [-10, 10, -10]


@pytest.mark.parametrize("case", COUNTS)
def test_nearly_poisson_counts_as_edger(case):
    """edgeR's deviances for dispersions below 1e-4 are a series: what rests on them, tagwise values too, is ours."""
    y = np.array([row.split(",") for row in COUNTS[case]["counts"]], dtype=int).T
    theirs = read("poisson_results.tsv.gz").query("case == @case")
    ours = edger_dispersions(y, DESIGN, size_factors(y, "tmm"))
    assert ours.common == pytest.approx(theirs["common"].iloc[0], rel=1e-8)
    np.testing.assert_allclose(ours.trended, theirs["trended"], rtol=2e-6)
    if theirs["trended"].min() > 1e-4:
        np.testing.assert_allclose(ours.tagwise, theirs["tagwise"], rtol=2e-5)
        assert ours.prior_df == pytest.approx(theirs["prior_df"].iloc[0], rel=1e-5)


def test_genes_of_one_abundance_come_to_an_end():
    """Two genes in three have the same counts: edgeR stops ("out of vertex space")."""
    rng = np.random.default_rng(3)
    y = rng.negative_binomial(5, 0.05, (6, 300))
    y[:, :200] = [[7], [3], [9], [5], [6], [2]]
    found = edger_dispersions(y, DESIGN, np.ones(6))
    assert np.isfinite(found.trended).all()
    assert np.ptp(found.trended[:200]) == 0
