"""The F distribution where scipy's own stops."""

import numpy as np
import pytest
from scipy import stats

from scomics_lite.empirical_bayes import f_distribution


@pytest.mark.parametrize("df2", [3.5, 1000.0])
def test_tails_and_quantiles(df2):
    f = np.array([0.1, 1.0, 8.0, 60.0])
    upper, lower = f_distribution.tails(f, 4, df2)
    np.testing.assert_allclose(upper, stats.f.sf(f, 4, df2), rtol=1e-10)
    np.testing.assert_allclose(lower, stats.f.cdf(f, 4, df2), rtol=1e-10)
    np.testing.assert_allclose(f_distribution.upper_quantile(upper, 4, df2), f, rtol=1e-9)
    np.testing.assert_allclose(f_distribution.quantile(lower[:2], 4, df2), f[:2], rtol=1e-9)
    np.testing.assert_allclose(f_distribution.log_upper_tail(f, 4, df2), stats.f.logsf(f, 4, df2))


@pytest.mark.parametrize("df", [1, 4, 60])
@pytest.mark.parametrize("df2", [0.2, 3.5, 1000.0, np.inf])
def test_logarithms_of_quantiles(df, df2):
    lower = np.array([0.05, 0.3, 0.6, 0.9])
    law = stats.chi2(df, scale=1 / df) if np.isinf(df2) else stats.f(df, df2)
    np.testing.assert_allclose(f_distribution.log_quantile(lower, df, df2), np.log(law.ppf(lower)), atol=1e-11)


@pytest.mark.parametrize("df2", [1e-4, 0.003, 0.05, 0.4, 7.0])
def test_logarithms_of_quantiles_that_are_no_floats(df2):
    # On two degrees of freedom P(F > f) = (1 + 2 f / df2)^(-df2 / 2).
    lower = np.array([0.05, 0.3, 0.6, 0.9])
    rise = -2 / df2 * np.log1p(-lower)
    expected = np.log(df2 / 2) + rise + np.log(-np.expm1(-rise))
    np.testing.assert_allclose(f_distribution.log_quantile(lower, 2, df2), expected, rtol=1e-12, atol=1e-12)


def test_logarithms_of_tails_that_are_no_floats():
    # log I_x(a, 1) = a log x; for b = 2: I_x(a, 2) = x^a (1 + a (1 - x)).
    f, df2 = np.array([50.0, 5e4]), 1000.0
    for df, polynomial in ((2, lambda x: 1), (4, lambda x: 1 + 500 * (1 - x))):
        x = df2 / (df2 + df * f)
        expected = 500 * np.log(x) + np.log(polynomial(x))
        np.testing.assert_allclose(f_distribution.log_upper_tail(f, df, df2), expected, rtol=1e-10)


def test_infinite_degrees_of_freedom_are_the_limit():
    f = np.array([0.05, 0.7, 3.0, 9.0])
    chi2 = stats.chi2(5, scale=1 / 5)
    upper, lower = f_distribution.tails(f, 5, np.inf)
    np.testing.assert_allclose(upper, chi2.sf(f), rtol=1e-12)
    np.testing.assert_allclose(f_distribution.upper_quantile(upper, 5, np.inf), f, rtol=1e-12)
    np.testing.assert_allclose(f_distribution.quantile(lower, 5, np.inf), f, rtol=1e-9)
    np.testing.assert_allclose(f_distribution.log_upper_tail(f, 5, np.inf), chi2.logsf(f))


def test_both_ends():
    assert f_distribution.quantile(np.array([0.0, 1.0]), 4, 8.0).tolist() == [0, np.inf]
    assert np.isfinite(f_distribution.upper_quantile(np.array([0.0]), 4, 80.0)).all()
