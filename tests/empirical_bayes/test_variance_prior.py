"""Variances that borrow strength: closed forms, quadrature and simulations with known truth."""

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from scomics_lite.empirical_bayes import squeeze_variances, variance_prior
from scomics_lite.validation import InputError


def simulated(genes, df, prior=2.0, prior_df=8.0, seed=1):
    """Draw the true variances from the prior and a sample variance around each."""
    rng = np.random.default_rng(seed)
    true = prior * prior_df / rng.chisquare(prior_df, genes)
    return true, true * rng.chisquare(df, genes) / df


# --- the plain prior --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("df", range(1, 9))  # two groups of 3 to 10 samples less two coefficients have 4 to 18
def test_the_prior_is_recovered(df):
    estimates = [squeeze_variances(simulated(5000, df, seed=seed)[1], df) for seed in range(20)]
    scale = np.array([squeezed.prior for squeezed in estimates])
    prior_df = 1 / np.array([squeezed.prior_df for squeezed in estimates])  # its inverse is nearly normal
    for values, truth in ((scale, 2.0), (prior_df, 1 / 8)):
        assert abs(values.mean() - truth) < 4 * values.std(ddof=1) / np.sqrt(20) + 0.01 * truth


@pytest.mark.parametrize("robust", [False, True])
def test_the_posterior_is_nearer_the_truth_than_the_variance_itself_and_the_prior(robust):
    true, s2 = simulated(5000, 4)
    squeezed = squeeze_variances(s2, 4, robust=robust)

    def miss(estimate):
        return np.mean((np.log(estimate) - np.log(true)) ** 2)

    assert miss(squeezed.posterior) < 0.75 * min(miss(s2), miss(np.full(5000, squeezed.prior)))


def test_the_posterior_is_a_weighted_mean():
    _, s2 = simulated(1000, 3)
    squeezed = squeeze_variances(s2, 3)
    expected = (3 * s2 + squeezed.prior_df * squeezed.prior) / (3 + squeezed.prior_df)
    np.testing.assert_allclose(squeezed.posterior, expected, rtol=1e-14)
    np.testing.assert_allclose(squeezed.total_df, 3 + squeezed.prior_df)
    assert "1,000 genes" in repr(squeezed)


def test_the_moments_are_those_of_the_fisher_z_distribution():
    _, s2 = simulated(200, 5)
    squeezed = squeeze_variances(s2, 5)
    mean, variance = (
        integrate.quad(
            lambda z, moment=moment: moment(z) * np.exp(z) * stats.f.pdf(np.exp(z), 5, squeezed.prior_df), -30, 30
        )[0]
        for moment in (lambda z: z, lambda z: z**2)
    )
    z = np.log(s2 / squeezed.prior)
    assert z.mean() == pytest.approx(mean, abs=1e-8)
    assert z.var(ddof=1) == pytest.approx(variance - mean**2, rel=1e-7)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
@pytest.mark.parametrize("robust", [False, True])
def test_the_unit_does_not_matter(scale, robust):
    _, s2 = simulated(300, 4)
    here, there = squeeze_variances(s2, 4, robust=robust), squeeze_variances(scale * s2, 4, robust=robust)
    np.testing.assert_allclose(there.posterior, scale * here.posterior, rtol=1e-9)
    np.testing.assert_allclose(there.prior_df, here.prior_df, rtol=1e-9)


def test_equal_variances_have_an_infinite_prior():
    s2 = 3.0 * np.random.default_rng(1).chisquare(10, 400) / 10
    s2 = s2 ** (1 / 3)  # less scatter than chance would have it
    squeezed = squeeze_variances(s2, 10)
    assert squeezed.prior_df == np.inf
    np.testing.assert_allclose(squeezed.posterior, s2.mean())
    np.testing.assert_allclose(squeezed.total_df, 4000)  # as many as all genes have, and no more
    assert np.isinf(squeeze_variances(s2, 10, robust=True).prior_df).all()
    assert squeeze_variances(np.full(5, 2.0), 3).posterior == pytest.approx(2)


def test_an_infinite_prior_along_a_covariate():
    abundance = np.linspace(0, 10, 400)
    s2 = np.exp(abundance / 5) * (np.random.default_rng(1).chisquare(10, 400) / 10) ** (1 / 3)
    squeezed = squeeze_variances(s2, 10, covariate=abundance)
    assert squeezed.prior_df == np.inf
    assert squeezed.posterior == pytest.approx(squeezed.prior)
    assert np.corrcoef(np.log(squeezed.prior), abundance)[0, 1] > 0.98


def test_the_trend_is_followed_with_unequal_degrees_of_freedom():
    rng = np.random.default_rng(1)
    abundance, df = rng.uniform(0, 10, 20_000), rng.integers(2, 8, 20_000)
    curve = np.exp(np.sin(abundance / 4))
    s2 = curve * 6 / rng.chisquare(6, 20_000) * rng.chisquare(df) / df
    for robust in (False, True):
        squeezed = squeeze_variances(s2, df, covariate=abundance, robust=robust)
        assert np.abs(np.log(squeezed.prior / curve)).mean() < 0.05
        assert np.median(squeezed.prior_df) == pytest.approx(6, rel=0.1)


@pytest.mark.parametrize(("genes", "size"), [(2, 1), (4, 2), (10, 3), (50, 4)])
def test_natural_splines_end_in_straight_lines(genes, size):
    x = np.linspace(1e6, 1e6 + 5, genes)
    basis = variance_prior._natural_spline(x, np.linspace(1e6 - 5, 1e6 + 10, 301))
    assert basis.shape == (301, size)
    assert np.linalg.matrix_rank(basis) == size
    bend = np.abs(np.diff(basis, 2, axis=0))
    assert max(bend[:98].max(), bend[203:].max()) < 1e-10
    assert size < 3 or bend[98:203].max() > 1e-5


@pytest.mark.parametrize("value", [1e-14, 1e-6, 0.1, 1.0, 40.0, 1e5, 1e9])
def test_inverse_trigamma(value):
    assert variance_prior.polygamma(1, variance_prior._inverse_trigamma(value)) == pytest.approx(value, rel=1e-10)


# --- what genes may lack ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("robust", [False, True])
@pytest.mark.parametrize("with_trend", [False, True])
def test_genes_without_degrees_of_freedom_get_the_prior_and_change_nothing(robust, with_trend):
    _, s2 = simulated(300, 4)
    abundance = np.linspace(2, 8, 300)
    df = np.full(300, 4.0)
    df[[3, 200]] = 0
    s2[3], s2[200], s2[50] = np.nan, 7.0, 90.0
    covariate = abundance if with_trend else None
    squeezed = squeeze_variances(s2, df, covariate=covariate, robust=robust)
    rest = np.delete(np.arange(300), [3, 200])
    others = squeeze_variances(s2[rest], 4, covariate=abundance[rest] if with_trend else None, robust=robust)
    np.testing.assert_allclose(squeezed.posterior[rest], others.posterior, rtol=1e-12)
    np.testing.assert_allclose(squeezed.posterior[[3, 200]], np.broadcast_to(squeezed.prior, 300)[[3, 200]])
    assert np.isfinite(squeezed.posterior).all()
    if robust:  # outliers have less, genes that say nothing do not
        assert squeezed.prior_df[50] < squeezed.prior_df[3] == squeezed.prior_df.max()


def test_one_gene_has_no_prior():
    for robust in (False, True):
        squeezed = squeeze_variances([3.0], 5, robust=robust)
        assert (squeezed.posterior[0], squeezed.prior, squeezed.prior_df) == (3.0, 3.0, 0.0)
    squeezed = squeeze_variances([3.0, 1.0], [5, 0])
    assert squeezed.posterior[0] == 3.0
    assert np.isnan(squeezed.posterior[1])


@pytest.mark.parametrize("robust", [False, True])
@pytest.mark.parametrize("with_trend", [False, True])
def test_posteriors_lie_between_the_two_and_the_order_of_genes_does_not_matter(robust, with_trend):
    _, s2 = simulated(400, 3)
    covariate = np.random.default_rng(3).uniform(0, 10, 400) if with_trend else None
    squeezed = squeeze_variances(s2, 3, covariate=covariate, robust=robust)
    low, high = np.minimum(s2, squeezed.prior), np.maximum(s2, squeezed.prior)
    assert ((squeezed.posterior >= low) & (squeezed.posterior <= high)).all()
    order = np.random.default_rng(4).permutation(400)
    again = squeeze_variances(s2[order], 3, covariate=covariate[order] if with_trend else None, robust=robust)
    np.testing.assert_allclose(again.posterior, squeezed.posterior[order], rtol=1e-8)


def test_few_genes_are_not_cut_off():
    """With one or two genes in a tail there is nothing to cut; limma 3.54 gives no result at all for two."""
    _, s2 = simulated(9, 4)
    for part in (s2[:2], s2):
        plain, robust = squeeze_variances(part, 4), squeeze_variances(part, 4, robust=True)
        np.testing.assert_array_equal(robust.posterior, plain.posterior)
        assert robust.prior_df.shape == part.shape


def test_zeros_are_moved_up_for_the_prior_only():
    _, s2 = simulated(300, 4)
    s2[:3] = 0
    squeezed = squeeze_variances(s2, 4)
    moved = squeeze_variances(np.maximum(s2, 1e-5 * np.median(s2)), 4)
    assert squeezed.prior_df == pytest.approx(moved.prior_df)
    np.testing.assert_allclose(
        squeezed.posterior[:3], squeezed.prior_df * squeezed.prior / (4 + squeezed.prior_df), rtol=1e-12
    )
    assert np.isfinite(squeeze_variances(s2, 4, robust=True).posterior).all()


@pytest.mark.parametrize("zero", [0.0, 1e-29])  # what rounding leaves of a variance of zero
def test_zeros_that_move_the_prior_are_warned_of(zero):
    # limma warns of any exact zero ("Zero sample variances detected"), and robustly of any below 1e-12 of the median.
    _, s2 = simulated(20_000, 4)
    plain = squeeze_variances(s2, 4).prior_df
    some, many = s2.copy(), s2.copy()
    some[:20], many[:6000] = zero, zero
    assert squeeze_variances(some, 4).prior_df == pytest.approx(plain, rel=0.35)  # as the docstring says
    some[:200] = zero
    assert squeeze_variances(some, 4).prior_df == pytest.approx(2, rel=0.1)
    assert np.median(squeeze_variances(some, 4, robust=True).prior_df) == pytest.approx(plain, rel=0.2)
    with pytest.warns(UserWarning, match="6,000 of 20,000 variances are zero"):
        drawn_down = squeeze_variances(many, 4).prior_df
    assert drawn_down < plain / 5
    with pytest.warns(UserWarning, match="6,000 of 20,000 variances are zero"):
        squeeze_variances(many, 4, robust=True)
    kept = many[many > 1e-20]
    assert squeeze_variances(kept, 4).prior_df == pytest.approx(plain, rel=0.2)  # the way out that is named


@pytest.mark.filterwarnings("ignore:.* variances are zero")  # half of them may be below 1e-24 of the median here
@pytest.mark.parametrize("sd", [5, 15, 40, 200])
@pytest.mark.parametrize("with_trend", [False, True])
def test_variances_may_scatter_over_any_number_of_powers(sd, with_trend):
    rng = np.random.default_rng(0)
    s2, covariate = np.exp(rng.normal(0, sd, 500)), np.linspace(0, 1, 500) if with_trend else None
    plain = squeeze_variances(s2, 4, covariate=covariate)
    robust = squeeze_variances(s2, 4, covariate=covariate, robust=True)
    for squeezed in (plain, robust):
        assert np.isfinite(squeezed.posterior).all()
        assert (np.asarray(squeezed.prior_df) > 0).all()
    assert robust.prior_df.max() == pytest.approx(plain.prior_df, rel=1e-9)  # nothing is left to borrow
    assert plain.prior_df < 0.5


def test_results_are_equal_to_themselves_only():
    squeezed = squeeze_variances([1.0, 2.0, 3.0], 4)
    assert squeezed == squeezed
    assert squeezed != squeeze_variances([1.0, 2.0, 3.0], 4)
    assert len({squeezed, squeezed}) == 1


def test_mostly_zeros():
    s2 = np.r_[np.zeros(20), np.ones(10)]
    with pytest.warns(UserWarning, match="more than half of the variances are exactly zero"):
        assert np.isfinite(squeeze_variances(s2, 4).posterior).all()
    with pytest.raises(InputError, match="too many to tell outliers by"):
        squeeze_variances(s2, 4, robust=True)


def test_a_covariate_without_differences_is_none():
    _, s2 = simulated(50, 4)
    plain, flat = squeeze_variances(s2, 4), squeeze_variances(s2, 4, covariate=np.ones(50))
    np.testing.assert_allclose(flat.posterior, plain.posterior)
    np.testing.assert_allclose(flat.prior, np.full(50, plain.prior))


# --- robust -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_trend", [False, True])
def test_outliers_leave_the_others_alone_and_keep_their_own_variance(with_trend):
    _, s2 = simulated(3000, 5)
    s2[:30] *= 400
    covariate = np.random.default_rng(2).uniform(0, 10, 3000) if with_trend else None
    plain = squeeze_variances(s2, 5, covariate=covariate)
    robust = squeeze_variances(s2, 5, covariate=covariate, robust=True)
    assert plain.prior_df < 5
    assert np.median(robust.prior_df) == pytest.approx(8, rel=0.15)
    assert robust.prior_df[:30].max() < 1
    assert np.mean(robust.prior_df[30:] > 0.9 * robust.prior_df.max()) > 0.95
    assert np.median(robust.posterior[:30] / s2[:30]) > 0.9


def test_genes_with_larger_variances_borrow_no_more():
    _, s2 = simulated(3000, 5)
    s2[:30] *= 400
    robust = squeeze_variances(s2, 5, robust=True)
    assert (np.diff(robust.prior_df[np.argsort(s2)]) <= 0).all()


@pytest.mark.parametrize("with_trend", [False, True])
def test_outliers_among_equal_variances(with_trend):
    rng = np.random.default_rng(3)
    s2 = rng.chisquare(6, 2000) / 6
    s2[:5] *= 100
    covariate = np.linspace(0, 1, 2000) if with_trend else None
    robust = squeeze_variances(s2, 6, covariate=covariate, robust=True)
    assert np.median(robust.prior_df) > 100
    assert robust.prior_df[:5].max() < 10


@pytest.mark.parametrize(("df", "prior_df"), [(3, 5.0), (20, 2.5), (4, 0.3), (6, 4e4), (3, np.inf)])
def test_moments_of_a_cut_off_fisher_z_distribution(df, prior_df):
    law = stats.chi2(df, scale=1 / df) if np.isinf(prior_df) else stats.f(df, prior_df)
    p = np.linspace(0, 1, 400_001)[1:-1:2]
    z = np.log(law.ppf(np.clip(p, 0.05, 0.9)))
    mean, variance = variance_prior._cut_moments(df, prior_df)
    assert mean == pytest.approx(z.mean(), abs=1e-7)
    assert variance == pytest.approx(z.var(), rel=1e-6)


def test_unequal_degrees_of_freedom_under_an_infinite_prior():
    rng = np.random.default_rng(4)
    df = rng.integers(3, 9, 1000)
    s2 = 5 * (rng.chisquare(df) / df) ** 0.7
    robust = squeeze_variances(s2, df, robust=True)
    assert np.isinf(robust.prior_df).all()
    assert robust.prior == pytest.approx(5, rel=0.15)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, -2.0], 3), "not negative where there are degrees of freedom; gene 1 has -2.0"),
        (([1.0, np.nan], 3), "gene 1 has nan"),
        (([1.0, np.inf], 3), "gene 1 has inf"),
        (([1.0, 2.0], [3, -1]), "degrees of freedom must be finite and not negative; gene 1 has -1.0"),
        (([1.0, 2.0], np.nan), "degrees of freedom must be finite .* gene 0 has nan"),
        (([1.0, 2.0], 0), "no gene has a residual degree of freedom"),
        (([1.0, 2.0], [3, 3, 3]), "degrees of freedom: one number for each of the 2 genes"),
        (([], 3), "variances: one number"),
        ((np.ones((2, 2)), 3), "variances: one number"),
        ((["a", "b"], 3), "variances must be numbers"),
    ],
)
def test_bad_variances(arguments, message):
    with pytest.raises(InputError, match=message):
        squeeze_variances(*arguments)


def test_bad_covariates_and_names():
    s2 = pd.Series([1.0, 2.0, 3.0], index=["a", "b", "c"])
    with pytest.raises(InputError, match="covariate must be finite; gene 'b' has nan"):
        squeeze_variances(s2, 3, covariate=[1, np.nan, 2])
    with pytest.raises(InputError, match="covariate: one number for each of the 3 genes"):
        squeeze_variances(s2, 3, covariate=[1, 2])
    with pytest.raises(InputError, match="names of the covariate"):
        squeeze_variances(s2, 3, covariate=s2[::-1])
