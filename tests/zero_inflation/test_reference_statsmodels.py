"""statsmodels' ZINB on the counts of its issue 9156: sets of 100, negative binomial, half of them put to zero.

statsmodels 0.15 gives numbers for about 25 of 40 such sets, and NaN for the others.
"""

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from statsmodels.discrete.count_model import ZeroInflatedNegativeBinomialP

from scomics_lite import zero_inflation

ONES = np.ones((100, 1))


@cache
def counts():
    """Forty sets, (100, 40)."""
    rng = np.random.default_rng(9156)
    drawn = rng.negative_binomial(10, 0.5, (100, 40))
    return np.where(rng.permuted(np.arange(100)[:, None].repeat(40, axis=1), axis=0) < 50, 0, drawn)


@cache
def fitted():
    return zero_inflation.fit(counts(), pd.DataFrame({"Intercept": ONES[:, 0]}), progress=False)


@cache
def theirs():
    """What statsmodels finds: logit pi, ln mu, phi, their standard errors and the log likelihood, (40, 7)."""
    found = []
    for y in counts().T:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the sets that it cannot fit
            fit = ZeroInflatedNegativeBinomialP(y, ONES, p=2).fit(disp=False)
            found.append([*fit.params, *fit.bse, fit.llf])
    return np.array(found)


def test_all_forty_sets_converge():
    assert (fitted().status == "converged").all()
    assert np.isfinite(fitted().standard_errors).all(axis=None)


@pytest.mark.parametrize("parameter", ["pi", "dispersion", ("mean", "Intercept"), ("zero", "Intercept")])
def test_all_forty_sets_have_an_interval_around_the_estimate(parameter):
    limits = zero_inflation.profile_interval(fitted(), parameter)
    assert np.isfinite(limits[["estimate", "lower", "upper"]]).all(axis=None)
    assert (limits["lower"] < limits["estimate"]).all()
    assert (limits["estimate"] < limits["upper"]).all()


def test_intervals_hold_the_values_that_the_counts_were_drawn_with():
    """At 95%, one of forty may be expected to miss two; half of the zeros and phi = 1 / 10 are the truth."""
    for parameter, truth in {"pi": 0.5, "dispersion": 0.1, ("mean", "Intercept"): np.log(10)}.items():
        limits = zero_inflation.profile_interval(fitted(), parameter)
        assert limits["lower"].lt(truth).mul(limits["upper"].gt(truth)).sum() >= 35


def test_no_log_likelihood_is_lower_than_that_of_statsmodels():
    height = theirs()[:, -1]
    given = np.isfinite(height)
    assert 20 <= given.sum() < 30
    assert (fitted().log_likelihood[given] >= height[given] - 1e-6).all()


def test_where_statsmodels_finds_the_maximum_the_numbers_are_the_same():
    same = np.abs(fitted().log_likelihood - theirs()[:, -1]) < 1e-6
    assert same.sum() >= 20
    logit, log_mean, phi, *errors, _ = theirs()[same].T
    expected = np.column_stack([log_mean, logit, np.log(phi)])
    np.testing.assert_allclose(fitted().estimates.to_numpy()[same], expected, atol=1e-2)
    expected = np.column_stack([errors[1], errors[0], errors[2] / phi])
    np.testing.assert_allclose(fitted().standard_errors.to_numpy()[same], expected, rtol=0.01)
