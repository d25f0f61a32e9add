"""The zero-inflated negative binomial distribution: against scipy's, its own sums, and draws."""

import anndata
import numpy as np
import pytest
from scipy import sparse, stats

from scomics_lite import zero_inflation as zi
from scomics_lite.validation import InputError

SETTINGS = [(mu, phi, pi) for mu in (0.2, 3.0, 200.0) for phi in (0.0, 0.05, 2.0) for pi in (0.0, 0.3, 0.95)]
every_setting = pytest.mark.parametrize(("mu", "phi", "pi"), SETTINGS)


def ordinary(mu, phi):
    return stats.poisson(mu) if phi == 0 else stats.nbinom(1 / phi, 1 / (1 + phi * mu))


@every_setting
def test_probabilities_are_scipys_mixed_with_zeros(mu, phi, pi):
    y = np.arange(60)
    expected = (1 - pi) * ordinary(mu, phi).pmf(y) + pi * (y == 0)
    np.testing.assert_allclose(np.exp(zi.log_likelihood(y, mu, phi, pi)), expected, rtol=1e-9, atol=1e-300)


@every_setting
def test_moments_and_zeros_are_sums_over_all_counts(mu, phi, pi):
    y = np.arange(20_000)
    p = np.exp(zi.log_likelihood(y, mu, phi, pi))
    mean, variance = zi.moments(mu, phi, pi)
    assert mean == pytest.approx((p * y).sum(), rel=1e-8)
    assert variance == pytest.approx((p * y**2).sum() - (p * y).sum() ** 2, rel=1e-8)
    assert zi.probability_of_zero(mu, phi, pi) == pytest.approx(p[0], rel=1e-12)


@pytest.mark.parametrize("phi", [0.1, 1.5])
def test_the_variance_is_the_one_written_with_the_size(phi):
    mu, pi, k = 7.0, 0.4, 1 / phi
    assert zi.moments(mu, phi, pi)[1] == pytest.approx((1 - pi) * mu * (1 + pi * mu) + (1 - pi) * mu**2 / k)


def test_draws_have_the_moments_and_zeros():
    mu, phi, pi = np.array([0.5, 8.0, 300.0]), np.array([1.0, 0.3, 0.1]), np.array([0.2, 0.5, 0.0])
    y = zi.sample(mu, phi, pi, rng=3, size=(200_000, 3))
    mean, variance = zi.moments(mu, phi, pi)
    np.testing.assert_allclose(y.mean(axis=0), mean, atol=5 * np.sqrt(variance / len(y)).max(), rtol=0.01)
    np.testing.assert_allclose(y.var(axis=0), variance, rtol=0.05)
    np.testing.assert_allclose((y == 0).mean(axis=0), zi.probability_of_zero(mu, phi, pi), atol=0.005)


def test_the_same_seed_draws_the_same_counts():
    draws = [zi.sample(5.0, 0.5, 0.3, rng, size=50) for rng in (7, 7, np.random.default_rng(7))]
    assert np.array_equal(draws[0], draws[1])
    assert np.array_equal(draws[0], draws[2])


def test_all_containers_of_counts_have_the_same_probabilities():
    y = np.array([[0, 3], [1, 0]])
    expected = zi.log_likelihood(y, 2.0, 0.5, 0.3)
    for other in (sparse.csr_array(y), anndata.AnnData(y.astype(float)), y.tolist()):
        np.testing.assert_array_equal(zi.log_likelihood(other, 2.0, 0.5, 0.3), expected)


@pytest.mark.parametrize("pi", [-0.1, 1.2, np.nan])
def test_what_is_no_probability_is_refused(pi):
    with pytest.raises(InputError, match="zero_probability lies between 0 and 1"):
        zi.log_likelihood(0, 1.0, 1.0, [0.5, pi])


def test_a_structural_zero_for_certain_leaves_no_other_count():
    assert zi.log_likelihood([0, 1], 2.0, 0.5, 1.0).tolist() == [0.0, -np.inf]
