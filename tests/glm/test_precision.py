"""Errors and leverages of genes whose samples have weights far apart, against arithmetic with 60 digits.

Without a ridge and a floor of the means, a group without counts has next to no weight, and X'WX has lost it.
"""

import mpmath
import numpy as np
import pytest

from scomics_lite import dispersion, glm, linear_models
from scomics_lite.glm.precision import Precision

GROUPS = np.repeat([[1.0, 0.0], [1.0, 1.0]], 3, axis=0)
CONTRASTS = [0, 1], [1, 1], [1, 0.5]
FREE = {"ridge": 0, "min_mean": 0}


def exactly(weights, x, ridge, contrasts=()):
    """Covariance, leverages and variances of contrasts of one gene, with 60 digits."""
    with mpmath.workdps(60):
        x, w = mpmath.matrix(x.tolist()), mpmath.diag([mpmath.mpf(value) for value in weights])
        inverse = mpmath.inverse(x.T * w * x + mpmath.mpf(ridge) * mpmath.eye(x.cols))
        covariance, hat = inverse * (x.T * w * x) * inverse, w * x * inverse * x.T
        variances = [float((mpmath.matrix([c]) * covariance * mpmath.matrix(c))[0]) for c in contrasts]
        return (
            np.array(covariance.tolist(), dtype=float),
            np.array([float(hat[i, i]) for i in range(x.rows)]),
            variances,
        )


def weights_of(fit):
    mean = np.maximum(fit.mean, fit.min_mean * fit.size_factors[:, None])
    return mean / (1 + fit.dispersions * mean)


@pytest.mark.parametrize("settings", [{}, {"min_mean": 0}, FREE], ids=str)
@pytest.mark.parametrize("dispersion", [0.0, 1e-6, 0.1])
@pytest.mark.parametrize("count", [10, 10_000, 10_000_000, 1_000_000_000])
def test_separated_genes_have_their_numbers(count, dispersion, settings):
    counts = np.array([[0, 9], [0, 8], [0, 7], [count, 9], [3 * count // 2, 4], [2 * count // 3, 8]])
    fit = glm.fit(counts, GROUPS, np.ones(6), dispersion, **settings)
    for gene, weights in enumerate(weights_of(fit).T):
        covariance, hat, variances = exactly(weights, GROUPS, fit.ridge, CONTRASTS)
        np.testing.assert_allclose(fit.covariance[gene], covariance, rtol=2e-5)
        np.testing.assert_allclose(fit.hat[:, gene], hat, rtol=2e-5)
        np.testing.assert_allclose([fit.contrast_variance(c)[gene] for c in CONTRASTS], variances, rtol=2e-5)


def test_slopes_and_batches_too():
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(8), np.repeat([0, 1], 4), np.tile([0, 1], 4), rng.normal(size=8)])
    weights = 10.0 ** rng.uniform(-13, 9, (8, 40))
    found = Precision(glm.Model.of(x, np.ones(8), 0.0, 0.0), weights)
    for gene in range(40):
        covariance, hat, _ = exactly(weights[:, gene], x, 0.0)
        np.testing.assert_allclose(found.covariance[gene], covariance, rtol=1e-3)
        np.testing.assert_allclose(found.leverages[:, gene], hat, rtol=1e-3)


@pytest.mark.parametrize("coding", [[[1, 0], [1, 0], [1, 1], [1, 1]], [[1, 0], [1, 0], [0, 1], [0, 1]]])
def test_a_gene_that_nothing_holds_has_no_errors_and_stops_no_other(coding):
    weights = np.array([[0.0, 3, np.nan], [0, 4, np.nan], [5, 6, np.nan], [7, 2, np.nan]])
    model = glm.Model.of(np.array(coding), np.ones(4), 0.0, 0.0)
    found, alone = Precision(model, weights), Precision(model, weights[:, [1]])
    for ours, one in ((found.covariance, alone.covariance), (found.leverages.T, alone.leverages.T)):
        assert np.isnan(ours[[0, 2]]).all()
        np.testing.assert_array_equal(ours[1], one[0])
    assert np.isnan(found.of_contrast(np.array([0, 1.0]))).tolist() == [True, False, True]


@pytest.mark.parametrize("seed", range(12))
def test_random_separated_genes_against_many_digits(seed):
    """Where the small weights are lost, the inverse of X'WX is noise of any size and sign: it must not pass for one."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 12))
    group = np.r_[0, 1, 2, rng.integers(0, 3, n - 3)]
    x = np.column_stack([np.ones(n), group == 1, group == 2, rng.normal(size=n)])[:, : int(rng.integers(3, 5))]
    counts = rng.poisson(10 ** rng.uniform(0, 6, (1, 30)) * rng.gamma(3, 1 / 3, (n, 30)))
    counts[(group[:, None] == rng.integers(0, 3, 30)) & (rng.random(30) < 0.8)] = 0
    counts[:, 0] = 5
    phi = np.where(rng.random(30) < 0.5, 0, 10 ** rng.uniform(-6, 0, 30))
    fit = glm.fit(counts, x, np.ones(n), phi, **FREE | {"tolerance": 0})
    weights = weights_of(fit)
    last = np.eye(x.shape[1])[-1]
    for gene in np.flatnonzero(fit.converged):
        covariance, hat, variances = exactly(weights[:, gene], x, 0.0, [last.tolist()])
        np.testing.assert_allclose(np.diag(fit.covariance[gene]), np.diag(covariance), rtol=1e-3)
        np.testing.assert_allclose(fit.hat[:, gene], hat, rtol=1e-3, atol=1e-6)
        assert fit.contrast_variance(last)[gene] == pytest.approx(variances[0], rel=1e-3)


@pytest.mark.parametrize("coding", [[[1, 0], [1, 0], [1, 1], [1, 1]], [[1, 0], [1, 0], [0, 1], [0, 1]]])
def test_the_table_with_a_gene_of_zeros_and_millions_has_all_its_numbers(coding):
    counts = np.array([[0, 5], [0, 6], [1_000_000, 5], [1_000_001, 6]])
    for settings in ({"ridge": 0}, FREE, FREE | {"tolerance": 0}):
        fit = glm.fit(counts, coding, np.ones(4), 0.0, **settings)
        assert fit.converged.all()
        assert np.isfinite(fit.covariance).all()
        np.testing.assert_allclose(fit.hat, 0.5, rtol=1e-6)
        assert np.isfinite(glm.cooks_distance(fit)).all()
        table = glm.wald_test(fit, [1, 1] if coding[2] == [1, 1] else [0, 1])
        np.testing.assert_allclose(table["log2FoldChange"], np.log2([1_000_000.5, 5.5]), rtol=1e-6)
        np.testing.assert_allclose(table["lfcSE"], 1 / np.sqrt([2_000_001, 11]) / np.log(2), rtol=1e-6)


@pytest.mark.parametrize("count", [100, 10_000, 1_000_000, 100_000_000])
@pytest.mark.parametrize("phi", [0.0, 0.1])
def test_dispersions_of_separated_genes_are_those_of_the_group_with_counts(count, phi):
    """The group without counts says nothing about phi, whatever its tiny mean is taken for."""
    counts = np.array([[0, 9], [0, 8], [0, 7], [count, 9], [3 * count // 2, 4], [2 * count // 3, 8]])
    mean = glm.fit(counts, GROUPS, np.ones(6), phi, **FREE | {"tolerance": 0}).mean
    ours = dispersion.maximum_likelihood(counts, mean, GROUPS)
    some = counts[3:, :1]
    alone = dispersion.maximum_likelihood(some, np.full((3, 1), some.mean()), np.ones((3, 1)))
    assert ours[0] == pytest.approx(alone[0], rel=1e-5)
    heights = dispersion.cox_reid_profile(counts, mean, GROUPS, np.tile([0.05, 0.2, 3.0], (2, 1)))
    own = dispersion.cox_reid_profile(some, np.full((3, 1), some.mean()), np.ones((3, 1)), [[0.05, 0.2, 3.0]])
    np.testing.assert_allclose(np.diff(heights[0]), np.diff(own[0]), rtol=1e-5)


def test_weights_too_small_to_count_are_missing_values():
    """Such a weight beside others once made R of the QR decomposition singular, and stopped the table."""
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(5), [0, 1, 1, 1, 1]])
    values, weights = rng.normal(size=(5, 3)), np.ones((5, 3))
    weights[0, 0] = 1e-300
    fit = linear_models.fit(values, x, weights)
    missing = linear_models.fit(values, x, np.where(weights < 1, np.nan, weights))
    np.testing.assert_array_equal(fit.coefficients, missing.coefficients)
    assert np.isnan(fit.coefficients[0]).any()
    assert np.isfinite(fit.coefficients[1:]).all()
