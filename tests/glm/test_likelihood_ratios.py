"""Likelihood ratios at every depth: against closed forms, and what the floor of the iterations may not do to them."""

import numpy as np
import pytest
from scipy import optimize, stats

from scomics_lite import glm, negative_binomial

GROUPS = np.column_stack([np.ones(8), np.repeat([0, 1], 4)])
PLAIN = {"ridge": 0, "min_mean": 0, "tolerance": 0}


def ratio(counts, design=GROUPS, size_factors=None, dispersions=0.1, **settings):
    size_factors = np.ones(len(counts)) if size_factors is None else size_factors
    designs = design, design[:, :1]
    return glm.likelihood_ratio_test(*(glm.fit(counts, x, size_factors, dispersions, **settings) for x in designs))


def closed_form(counts, dispersions):
    """2 (l - l0) of two groups of equal depth, whose fitted means are the groups' averages."""
    groups = np.repeat([counts[:4].mean(axis=0), counts[4:].mean(axis=0)], 4, axis=0)
    one = np.broadcast_to(counts.mean(axis=0), counts.shape)
    likelihoods = [negative_binomial.log_likelihood(counts, mean, dispersions).sum(axis=0) for mean in (groups, one)]
    return 2 * (likelihoods[0] - likelihoods[1])


def filled(counts):
    """The same with a gene that all samples have: none may be empty."""
    return np.column_stack([counts, np.full(len(counts), 9)])


@pytest.mark.parametrize("dispersion", [0.0, 1e-6, 0.1, 1.0, 10.0])
def test_one_single_count(dispersion):
    counts = filled([[0], [0], [0], [0], [0], [0], [1], [0]])
    found = ratio(counts, dispersions=dispersion)
    assert found["stat"][0] == pytest.approx(closed_form(counts, dispersion)[0], abs=1e-8)
    assert found["pvalue"][0] == pytest.approx(stats.chi2.sf(closed_form(counts, dispersion)[0], 1), abs=1e-8)


@pytest.mark.parametrize("mean", [0.05, 0.2, 0.5, 1, 3, 20, 1000])
@pytest.mark.parametrize("dispersion", [0.0, 0.3, 3.0])
def test_groups_of_equal_depth_at_every_depth(mean, dispersion):
    rng = np.random.default_rng(round(100 * mean))
    rate = mean * rng.gamma(1 / dispersion, dispersion, (8, 300)) if dispersion else np.full((8, 300), mean)
    counts = filled(rng.poisson(rate))
    found, exact = ratio(counts, dispersions=dispersion), closed_form(counts, dispersion)
    counted = counts.any(axis=0)
    np.testing.assert_allclose(found["stat"][counted], exact[counted], rtol=1e-6, atol=1e-6)
    assert found["stat"].min() > -1e-7


def test_unequal_depths_against_a_search():
    rng = np.random.default_rng(4)
    s, phi = rng.lognormal(0, 0.8, 8), 0.4
    counts = filled(rng.poisson(0.4 * s[:, None] * rng.gamma(1 / phi, phi, (8, 25))))
    found = ratio(counts, size_factors=s, dispersions=phi)

    def highest(y, s):
        def lost(log_rate):
            return -negative_binomial.log_likelihood(y, s * np.exp(log_rate), phi).sum()

        return -optimize.minimize_scalar(lost, bounds=(-40, 10), options={"xatol": 1e-10}).fun

    for gene in np.flatnonzero(counts.any(axis=0)):
        y = counts[:, gene]
        exact = 2 * (highest(y[:4], s[:4]) + highest(y[4:], s[4:]) - highest(y, s))
        assert found["stat"][gene] == pytest.approx(exact, abs=2e-6)


def test_what_the_fits_were_held_by_does_not_matter():
    """Neither the floor of the means nor a ridge; the fits themselves stay what they are."""
    counts = filled(np.random.default_rng(5).poisson(0.6, (8, 100)))
    exact = ratio(counts, **PLAIN)["stat"]
    for settings in ({}, {"min_mean": 5}, {"ridge": 0.5}, {"ridge": 0.5, "min_mean": 0}):
        np.testing.assert_allclose(ratio(counts, **settings)["stat"], exact, rtol=0, atol=1e-6)
    fit = glm.fit(counts, GROUPS, np.ones(8), 0.1)
    before = fit.coefficients.copy(), fit.log_likelihood.copy()
    assert (fit.highest_log_likelihood() >= fit.log_likelihood - 1e-9)[fit.converged].all()
    np.testing.assert_array_equal(fit.coefficients, before[0])
    np.testing.assert_array_equal(fit.log_likelihood, before[1])


@pytest.mark.filterwarnings("ignore:column 'x1' of the design:UserWarning")
def test_covariates_far_from_zero_have_the_likelihoods_of_centred_ones():
    """From the year 0 on the intercept is large, and the ridge, which is warned of, holds it."""
    rng = np.random.default_rng(7)
    years, counts = rng.permutation(8) / 2, rng.poisson(50 * rng.gamma(2, 0.5, (8, 40)))
    stats_of = {}
    for start in (0, 2000, 20_000):
        full = np.column_stack([np.ones(8), years + start, GROUPS[:, 1]])
        fits = [glm.fit(counts, x, np.ones(8), 0.3) for x in (full, full[:, :2])]
        stats_of[start] = glm.likelihood_ratio_test(*fits)["stat"]
        assert stats_of[start].min() > -1e-6
    for start in (2000, 20_000):
        np.testing.assert_allclose(stats_of[start], stats_of[0], rtol=1e-4, atol=1e-5)


def test_few_counts_are_not_taken_for_evidence():
    """At low depth the test stays within its level; with the floor it hardly ever rejected, or counted below zero."""
    rng = np.random.default_rng(6)
    counts = filled(rng.poisson(rng.gamma(2, 0.5, (20, 4_000))))
    design = np.column_stack([np.ones(20), np.repeat([0, 1], 10)])
    found = ratio(counts, design, dispersions=0.5)["pvalue"][:-1]
    for level in (0.01, 0.05, 0.2):
        assert abs((found < level).mean() - level) < 0.25 * level + 0.003


def test_a_fit_that_did_not_converge_has_no_test():
    counts = filled(np.random.default_rng(7).poisson(30, (8, 5)))
    full, small = (glm.fit(counts, x, np.ones(8), 0.1, max_iterations=1) for x in (GROUPS, GROUPS[:, :1]))
    assert not full.converged.any()
    done = glm.fit(counts, GROUPS[:, :1], np.ones(8), 0.1)
    for fits in ((full, small), (full, done), (glm.fit(counts, GROUPS, np.ones(8), 0.1), small)):
        assert glm.likelihood_ratio_test(*fits)[["stat", "pvalue", "padj"]].isna().all(axis=None)
    table = glm.wald_test(full, [0, 1])
    assert table.drop(columns="baseMean").isna().all(axis=None)
    assert table["baseMean"].notna().all()
