"""Robust local lines (lowess); test_reference_limma.py compares them with R's."""

import numpy as np
import pytest
from statsmodels.nonparametric.smoothers_lowess import lowess

from scomics_lite.smoothing import robust_curve


@pytest.fixture
def cloud():
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 10, 2000)
    return x, np.sin(x / 2) + rng.normal(0, 0.2, 2000)


def test_a_line_stays_a_line():
    x = np.random.default_rng(1).permutation(np.linspace(-3, 5, 200))
    np.testing.assert_allclose(robust_curve(x, 2 - 3 * x, 0.3), 2 - 3 * x, atol=1e-12)


def test_a_curve_is_found_and_outliers_do_not_bend_it(cloud):
    x, y = cloud
    inside = (x > 1) & (x < 9)
    found = robust_curve(x, y, 0.2)
    assert np.abs(found - np.sin(x / 2))[inside].max() < 0.06
    spoilt = np.where(np.random.default_rng(2).random(2000) < 0.1, y + 30, y)
    assert np.abs(robust_curve(x, spoilt, 0.2) - found)[inside].max() < 0.1


def test_where_points_are_many_statsmodels_says_the_same(cloud):
    x, y = cloud
    theirs = lowess(y, x, frac=0.4, it=3, delta=0.01 * np.ptp(x), return_sorted=False)
    np.testing.assert_allclose(robust_curve(x, y, 0.4), theirs, atol=1e-5)


def test_a_point_far_from_all_others_is_left_where_it_is(cloud):
    x, y = (np.append(values, extra) for values, extra in zip(cloud, (500.0, 7.0), strict=True))
    found = robust_curve(x, y, 0.4)
    assert np.abs(found[:-1]).max() < 1.2
    assert np.isfinite(found[-1])


@pytest.mark.parametrize("span", [0.1, 0.5, 1.0])
def test_ties(span):
    x = np.repeat([0.0, 1.0, 5.0], [40, 50, 10])
    y = x + np.tile([-1.0, 1.0], 50)
    found = robust_curve(x, y, span)
    assert all(np.ptp(found[x == value]) == 0 for value in (0, 1, 5))
    assert np.abs(found - x).max() < 0.5


def test_few_points_and_no_width():
    np.testing.assert_allclose(robust_curve(np.array([1.0, 2.0]), np.array([3.0, 5.0]), 0.5), [3, 5])
    np.testing.assert_allclose(robust_curve(np.ones(5), np.array([1.0, 2, 3, 4, 5]), 0.5), 3)


def test_units_do_not_matter(cloud):
    x, y = cloud
    np.testing.assert_allclose(
        robust_curve(1e6 + 1e-3 * x, 1e5 * y, 0.4), 1e5 * robust_curve(x, y, 0.4), rtol=0, atol=1
    )


def test_a_curve_that_is_flat_for_the_most_part():
    """R's ``lowess(y ~ x, f = 1/5)``; statsmodels' function loses the end of such a curve."""
    runs = [(14, 28), (13, 5), (14, 1), (15, 4), (14, 2), (13, 1), (12, 2), (11, 2), (10, 1), (9, 1), (6, 1), (5, 2)]
    y = np.concatenate([np.full(times, height, dtype=float) for height, times in runs])
    found = robust_curve(np.linspace(0.005, 0.95, 50), y, 1 / 5)
    theirs = [14, 13.9799237481, 13.2650611691, 14.5483675182, 14.4428997311, 10.2764046703, 4.47760414404]
    np.testing.assert_allclose(found[[0, 24, 29, 35, 37, 44, 49]], theirs, rtol=1e-11)
