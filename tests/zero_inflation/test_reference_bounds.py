"""Log likelihoods against bounds that follow from the counts alone, where one or two cells have a count.

No negative binomial gives a count y more than Poisson's distribution of mean y does (it mixes Poisson's), and a zero
has a probability of 1 at most. Searches that go to infinity on the way to such a bound must not win by rounding.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scomics_lite import zero_inflation

EVERY = [("zinb", True), ("zinb", False), ("nb", False)]  # model, and whether the covariate acts on the zeros too


def line(x):
    return pd.DataFrame({"Intercept": 1.0, "x": x})


def fitted(counts, x, model, both):
    zero = line(x) if both else None
    return zero_inflation.fit(counts, line(x), zero_design=zero, model=model, progress=False)


def bounds(counts):
    return np.where(counts > 0, stats.poisson.logpmf(counts, np.maximum(counts, 1)), 0.0).sum(axis=0)


@pytest.mark.parametrize("count", [1, 3, 200, 20_000])
def test_one_cell_with_a_count_is_fitted_as_well_as_can_be(count):
    """Zeros on one side of it by a mean that goes to 0, those on the other as structural ones."""
    counts = count * np.eye(20, dtype=int)
    fit = fitted(counts, np.linspace(-1, 1, 20), "zinb", True)
    np.testing.assert_allclose(fit.log_likelihood, stats.poisson.logpmf(count, count), atol=1e-4)


@pytest.mark.parametrize("count", [1, 3, 200, 20_000])
@pytest.mark.parametrize("model", ["zinb", "nb"])
def test_a_first_and_a_last_cell_mirror_each_other(model, count):
    """The covariate turned around turns the genes around."""
    counts = count * np.eye(20, dtype=int)
    fit = fitted(counts, np.linspace(-1, 1, 20), model, False)
    np.testing.assert_allclose(fit.log_likelihood, fit.log_likelihood[::-1], atol=1e-5)
    assert (np.diff(fit.log_likelihood[:10]) < 1e-5).all()  # the nearer to the middle, the worse


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("model", "both"), EVERY)
def test_no_log_likelihood_is_above_what_the_counts_allow(model, both, seed):
    rng = np.random.default_rng(seed)
    n = (12, 20, 40, 40)[seed]
    mean = 10 ** rng.uniform(-1.5, 4, 150)
    seen = rng.random((n, 150)) >= rng.choice([0, 0.5, 0.9, 0.97], 150)
    counts = rng.poisson(rng.gamma(2, mean / 2, (n, 150))) * seen
    counts = counts[:, counts.any(axis=0)]
    fit = fitted(counts, rng.normal(size=n) * 10 ** rng.uniform(-1, 1.5), model, both)
    assert (fit.log_likelihood <= bounds(counts) + 1e-6).all()
