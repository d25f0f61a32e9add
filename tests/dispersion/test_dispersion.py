"""Dispersions: closed forms, independent oracles, known truth, symmetries, storage forms, and messages.

DESeq2's numbers are in test_reference_dispersion.py.
"""

from functools import partial

import anndata
import mpmath
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, sparse, stats
from statsmodels.discrete.discrete_model import NegativeBinomial

from scomics_lite import blocks, dispersion, simulate
from scomics_lite.dispersion import (
    cox_reid_profile,
    estimate,
    genewise,
    maximum_likelihood,
    moments,
    profile_likelihood,
    trend,
)
from scomics_lite.dispersion.profile_likelihood import Profile, best_on_grid, climb, maximise
from scomics_lite.validation import Counts, CountsError, InputError, check_counts

GROUPS = np.repeat([0, 1], 4)
DESIGN = np.column_stack([np.ones(8), GROUPS])
BATCHED = np.column_stack([DESIGN, np.tile([0, 1], 4)])  # more kinds of samples than columns: means by regression
LOW, HIGH = np.log(1e-8), np.log(10)


@pytest.fixture(scope="module")
def simulated():
    """Some 800 genes with a known dispersion each, two groups of four."""
    adata = simulate.bulk_counts(["A"] * 4 + ["B"] * 4, 800, library_sizes=400_000, rng=1)
    return adata[:, adata.X.sum(axis=0) > 0].copy()


@pytest.fixture(scope="module")
def counts(simulated):
    return np.asarray(simulated.X)


@pytest.fixture(scope="module")
def factors(simulated):
    return simulated.obs["size_factor"].to_numpy()


@pytest.fixture(scope="module")
def found(counts, factors):
    return estimate(counts, DESIGN, factors)


@pytest.fixture(scope="module")
def profile():
    """Counts of 200 genes around a mean of 30 for the tests of the search."""
    y = np.random.default_rng(2).negative_binomial(4, 4 / 34, (200, 8)).astype(float)
    mu = np.where(GROUPS, y[:, 4:].mean(axis=1, keepdims=True), y[:, :4].mean(axis=1, keepdims=True))
    return Profile(y, np.maximum(mu, 0.5), Profile.products_of(DESIGN))


def direct_profile(y, mu, x, phi):
    """The same by scipy's distribution and determinant, for one gene."""
    likelihood = stats.nbinom.logpmf(y, 1 / phi, 1 / (1 + phi * mu)).sum()
    return likelihood - np.linalg.slogdet(x.T @ np.diag(mu / (1 + phi * mu)) @ x)[1] / 2


def columns(found):
    return found.to_frame().drop(columns="outlier").to_numpy()


# --- the likelihood ---------------------------------------------------------------------------------------------------


def test_profile_against_scipy(profile):
    phi = np.geomspace(1e-4, 50, 7)
    ours = cox_reid_profile(profile.y[:5].T, profile.mu[:5].T, DESIGN, np.tile(phi, (5, 1)))
    theirs = [
        [direct_profile(y, mu, DESIGN, one) for one in phi] for y, mu in zip(profile.y[:5], profile.mu[:5], strict=True)
    ]
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)


def test_profile_takes_one_dispersion_or_one_or_many_a_gene(profile):
    y, mu = profile.y[:3].T, profile.mu[:3].T
    one = cox_reid_profile(y, mu, DESIGN, 0.2)
    assert one.shape == (3,)
    assert (one == cox_reid_profile(y, mu, DESIGN, [0.2] * 3)).all()
    assert (one == cox_reid_profile(sparse.csr_array(y), mu, DESIGN, [[0.2, 0.3]] * 3)[:, 0]).all()


@pytest.mark.parametrize("phi", [1e-13, 1e-9, 1e-5, 0.03, 1.0, 20.0, 2e4])
@pytest.mark.parametrize("mean", [0.5, 20.0, 3e6])
def test_likelihood_keeps_its_digits_at_every_dispersion(phi, mean):
    y = np.array([0, 1, 2, 7, mean // 2, mean, 3 * mean // 1])
    ours = Profile(y[None], np.full((1, 7), mean), None).value(np.log([phi]))[0]
    with mpmath.workdps(60):
        k, mu = 1 / mpmath.mpf(np.exp(np.log(phi))), mpmath.mpf(mean)
        terms = [
            mpmath.loggamma(v + k) - mpmath.loggamma(k) - v * mpmath.log(k) - (v + k) * mpmath.log1p(mu / k)
            for v in map(mpmath.mpf, y.tolist())
        ]
        scale, expected = float(sum(abs(term) for term in terms)), float(sum(terms))
    assert ours == pytest.approx(expected, abs=1e-11 * (1 + scale) + 1e-15 * mean)


@given(st.floats(-16, 8), st.integers(0, 1_000))
@settings(max_examples=40, deadline=None)
def test_derivatives(log_phi, seed):
    rng = np.random.default_rng(seed)
    mu = rng.gamma(2, 20, (3, 8)) + 0.5
    profile = Profile(rng.poisson(mu).astype(float), mu, Profile.products_of(BATCHED), np.full(3, -2.0), 0.7)
    at, h = np.full(3, log_phi), 1e-4
    value, slope, curvature = profile.derivatives(at, order=2)
    up, down = profile.derivatives(at + h), profile.derivatives(at - h)
    assert (value == profile.value(at)).all()
    np.testing.assert_allclose(slope, (up[0] - down[0]) / (2 * h), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(curvature, (up[1] - down[1]) / (2 * h), rtol=1e-5, atol=1e-6)


# --- the searches -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("adjusted", [True, False])
def test_maximise_against_scipy(profile, adjusted):
    some = Profile(profile.y, profile.mu, profile.products if adjusted else None)
    ours = maximise(some, LOW, HIGH)
    assert ((ours >= LOW) & (ours <= HIGH)).all()
    for gene in range(0, 200, 20):
        one = some.take([gene])
        theirs = optimize.minimize_scalar(
            lambda at, one=one: -one.value(np.array([at]))[0],
            bounds=(ours[gene] - 1, ours[gene] + 1),
            options={"xatol": 1e-10},
        )
        assert ours[gene] == pytest.approx(theirs.x, abs=1e-6)
    slope = some.derivatives(ours)[1]
    assert np.abs(slope[(ours > LOW) & (ours < HIGH)]).max() < 1e-8


def test_maximise_ends_at_the_bounds():
    y = np.array([[20.0, 20, 20, 20], [0, 0, 0, 1e6]])
    profile = Profile(y, np.repeat(y.mean(axis=1, keepdims=True), 4, axis=1), None)
    np.testing.assert_array_equal(maximise(profile, LOW, np.log(3)), [LOW, np.log(3)])


def test_no_point_of_a_fine_grid_is_higher_than_the_maximum(profile):
    heights = [profile.value(np.full(200, at)) for at in np.linspace(LOW, HIGH, 400)]
    assert (profile.value(maximise(profile, LOW, HIGH)) >= np.max(heights, axis=0) - 1e-9).all()


def test_the_climb_ends_near_the_maximum_and_never_below_its_start(profile):
    start = np.full(200, np.log(0.1))
    log_phi, height, first_height, evaluations = climb(profile, start, np.log(1e-9))
    np.testing.assert_array_equal(first_height, profile.value(start))
    np.testing.assert_allclose(height, profile.value(log_phi), rtol=1e-12)
    assert (height >= first_height).all()
    best = maximise(profile, LOW, HIGH)
    inside = (best > LOW) & (evaluations < profile_likelihood.MAX_EVALUATIONS)
    assert np.abs(log_phi - best)[inside].max() < 0.1
    assert np.median(np.abs(log_phi - best)[inside]) < 1e-3


def test_the_climb_stays_in_range_and_stops_below_the_lowest():
    y = np.array([[0.0, 0, 0, 1e9], [1e12, 1e12, 1e12, 1e12], [50, 50, 51, 49]])
    profile = Profile(y, np.repeat(y.mean(axis=1, keepdims=True), 4, axis=1), None)
    log_phi = climb(profile, np.array([9.9, -5.0, -19.0]), np.log(1e-9))[0]
    assert (log_phi <= profile_likelihood.HIGHEST).all()
    assert profile_likelihood.LOWEST <= log_phi[1] < np.log(1e-9)


def test_the_grid_comes_within_a_fine_step(profile):
    best, near = maximise(profile, LOW, HIGH), best_on_grid(profile, LOW, HIGH)
    step = (HIGH - LOW) / 19
    clear = best > LOW + step
    assert np.abs(best - near)[clear].max() <= 2 * step / 19


# --- single estimates -------------------------------------------------------------------------------------------------


def test_maximum_likelihood_against_statsmodels():
    """With equal size factors the means of groups are their averages whatever phi is, so one fit gives both."""
    y = np.random.default_rng(3).negative_binomial(2, 2 / 27, (60, 6)).astype(float)
    x = np.column_stack([np.ones(60), np.repeat([0, 1], 30)])
    mean = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    ours = maximum_likelihood(y, mean, x, cox_reid=False)
    theirs = [NegativeBinomial(one, x).fit(disp=0, method="newton", maxiter=200).params[-1] for one in y.T]
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_cox_and_reid_take_the_bias_away():
    truth, n = 0.2, 6
    x = np.column_stack([np.ones(n), np.repeat([0, 1], n // 2)])
    y = np.random.default_rng(4).negative_binomial(1 / truth, 1 / (1 + truth * 200), (n, 4_000)).astype(float)
    mean = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    plain, adjusted = (maximum_likelihood(y, mean, x, cox_reid=flag).mean() for flag in (False, True))
    assert plain == pytest.approx(truth * 2 / 3, rel=0.1)  # 4 of 6 degrees of freedom are left
    assert adjusted == pytest.approx(truth, rel=0.1)


def test_moments_by_hand():
    counts = np.array([[4, 5, 0, 10], [16, 5, 0, 30], [10, 8, 0, 20], [10, 2, 0, 20]])
    s = np.array([1.0, 1.0, 2.0, 0.5])
    q = counts[:, [0, 1, 3]] / s[:, None]
    mean = q.mean(axis=0)
    by_hand = (q.var(axis=0, ddof=1) - mean * (1 / s).mean()) / mean**2
    ours = moments(counts, size_factors=s)
    np.testing.assert_allclose(ours[[0, 1, 3]], by_hand, rtol=1e-12)
    assert np.isnan(ours[2])
    rough = np.maximum((((q - mean) ** 2 - mean) / mean**2).sum(axis=0) / 3, 0)
    for form in (counts, pd.DataFrame(counts), sparse.csr_array(counts)):
        np.testing.assert_allclose(moments(form, np.ones((4, 1)), s)[[0, 1, 3]], rough, rtol=1e-12)


# --- the whole --------------------------------------------------------------------------------------------------------


def test_estimates_come_closer_to_the_truth_step_by_step(simulated, found):
    truth = np.log(simulated.var["dispersion"].to_numpy())
    clear = found.genewise > 1e-6
    alone, shared = (np.abs(np.log(values[clear]) - truth[clear]) for values in (found.genewise, found.map))
    assert np.median(shared) < 0.7 * np.median(alone)
    assert np.abs(np.mean(np.log(found.map) - truth)) < 0.2
    assert found.prior_variance == pytest.approx(0.25, abs=0.25)  # the truth scatters by a variance of 0.25


def test_the_prior_s_extremes(counts, factors, found):
    tight = estimate(counts, DESIGN, factors, prior_variance=1e-8)
    np.testing.assert_allclose(tight.map, np.minimum(found.trended, 10), rtol=1e-3)
    loose = estimate(counts, DESIGN, factors, prior_variance=1e8)
    clear = (found.genewise > 1e-3) & (found.genewise < 9)
    assert np.median(np.abs(np.log(loose.map / found.genewise))[clear]) < 1e-3
    assert (tight.genewise == found.genewise).all()


def test_an_outlier_keeps_its_own_dispersion(counts, factors):
    wild = counts.copy()
    wild[:, 0] = [5_000, 3, 2_000, 1, 9_000, 2, 4_000, 1]
    found = estimate(wild, DESIGN, factors)
    assert found.outlier[0]
    assert found.final[0] == found.genewise[0] > found.map[0]
    assert (found.final[~found.outlier] == found.map[~found.outlier]).all()


def test_the_reported_parts_belong_together(found):
    np.testing.assert_allclose(found.trended, found.trend(found.base_mean), rtol=1e-12)
    residuals = np.log(found.genewise / found.trended)
    assert found.residual_variance == trend.residual_variance(residuals[found.genewise >= 1e-6])
    assert (found.outlier == (residuals > 2 * np.sqrt(found.residual_variance))).all()
    assert repr(found).startswith(f"Dispersions of {len(found.genes)} of {len(found.genes)} genes: median ")
    assert list(found.to_frame().columns) == ["base_mean", "genewise", "trended", "map", "final", "outlier"]


@pytest.mark.parametrize("design", [DESIGN, BATCHED])
def test_genewise_estimates_are_maxima(counts, factors, design):
    found = estimate(counts, design, factors)
    means = genewise.Means.fit(check_counts(counts), design, factors)
    assert means.model.log_link == (design is BATCHED)
    mean = means.model.profile(counts, factors[:, None], means.coefficients).mu.T
    exact = maximum_likelihood(counts, mean, design)
    clear = (found.genewise > 1e-3) & (found.genewise < 9)
    both = np.column_stack([exact, found.genewise])[clear]
    heights = cox_reid_profile(counts[:, clear], mean[:, clear], design, both)
    assert (heights[:, 0] >= heights[:, 1] - 1e-9).all()
    assert np.median(heights[:, 0] - heights[:, 1]) < 1e-5


def test_group_means_are_those_of_the_regression(counts, factors):
    """Where the design tells groups apart, least squares gives what the regression would nearly give."""
    means = genewise.Means.fit(check_counts(counts), DESIGN, np.ones(8))
    fitted = DESIGN @ means.coefficients.T
    np.testing.assert_allclose(fitted[0], counts[:4].mean(axis=0), rtol=1e-9, atol=1e-9)
    assert not means.model.log_link


def test_one_dispersion_for_all(counts, factors):
    found = estimate(counts, DESIGN, factors, trend="mean")
    assert len(set(found.trended)) == 1
    assert found.trend.value == pytest.approx(found.genewise[found.genewise > 1e-7].mean(), rel=0.05)


def test_some_genes_by_what_all_genes_taught(counts, factors, found):
    some = np.arange(50)
    table = check_counts(counts)
    part = Counts(table.matrix[:, some], table.samples, table.genes[some])
    again = estimate(part, DESIGN, factors, trend=found)
    np.testing.assert_allclose(columns(again), columns(found)[some], rtol=1e-6)
    assert (again.outlier == found.outlier[some]).all()
    assert (again.trend, again.prior_variance) == (found.trend, found.prior_variance)
    assert estimate(part, DESIGN, factors, trend=found, prior_variance=2).prior_variance == 2
    np.testing.assert_array_equal(moments(part, None, factors), moments(counts, None, factors)[some])


def test_genes_that_do_not_arrive_take_the_grid(monkeypatch, counts, factors, found):
    monkeypatch.setattr(profile_likelihood, "MAX_EVALUATIONS", 3)
    monkeypatch.setattr(genewise, "MAX_EVALUATIONS", 3)
    coarse = estimate(counts, DESIGN, factors)
    clear = (found.genewise > 1e-3) & (found.genewise < 9)
    assert (coarse.genewise != found.genewise).any()
    assert np.abs(np.log(coarse.genewise / found.genewise))[clear].max() < 0.25


# --- symmetries and forms ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("design", [DESIGN, BATCHED])
@given(seed=st.integers(0, 100))
@settings(max_examples=3, deadline=None)
def test_order_of_genes_and_samples_does_not_matter(counts, factors, design, seed):
    rng = np.random.default_rng(seed)
    genes, samples = rng.permutation(counts.shape[1]), rng.permutation(8)
    found = columns(estimate(counts, design, factors))
    moved = columns(estimate(counts[samples][:, genes], design[samples], factors[samples]))
    assert (np.abs(moved / found[genes] - 1) < 1e-4).mean() > 0.99  # a climb's last step may turn on a last digit


def test_recoding_the_groups_does_not_matter(counts, factors, found):
    cells = np.column_stack([1 - GROUPS, GROUPS])
    again = estimate(counts, cells, factors)
    assert (np.abs(columns(again) / columns(found) - 1) < 1e-4).mean() > 0.99


@pytest.mark.parametrize("design", [DESIGN, BATCHED])
def test_every_form_and_every_block_size(monkeypatch, simulated, counts, factors, design):
    names = [f"sample {i}" for i in range(8)]
    frame = pd.DataFrame(counts, index=names, columns=simulated.var_names)
    table = pd.DataFrame(design, index=names)
    expected = columns(estimate(frame, table, factors))
    adata = anndata.AnnData(np.zeros(counts.shape), frame[[]].copy(), simulated.var[[]], layers={"counts": counts})
    for one in (partial(estimate, adata, layer="counts"), partial(estimate, sparse.csr_array(counts))):
        np.testing.assert_allclose(columns(one(table, factors)), expected, rtol=1e-10)
    monkeypatch.setattr(blocks, "BLOCK", 8 * 37)
    np.testing.assert_allclose(columns(estimate(frame, table, factors)), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", dispersion.deseq2.TRENDS)
@pytest.mark.parametrize("design", [DESIGN, BATCHED])
def test_genes_without_counts_are_nan(counts, factors, design, kind):
    some = counts.copy()
    some[:, [0, 5]] = 0
    found = estimate(some, design, factors, trend=kind)
    empty = np.isin(np.arange(counts.shape[1]), [0, 5])
    for name in ("genewise", "trended", "map", "final"):
        assert (np.isnan(getattr(found, name)) == empty).all()
    assert not found.outlier[empty].any()
    assert (found.base_mean[empty] == 0).all()


# --- messages ---------------------------------------------------------------------------------------------------------


def refused(message, function, *args, error=InputError, **kwargs):
    with pytest.raises(error, match=message):
        function(*args, **kwargs)


def test_settings_that_make_no_sense(counts, factors):
    refused("did you mean 'parametric'", estimate, counts, DESIGN, factors, trend="parametrc")
    for value in (0, -1, np.nan, np.inf):
        refused("prior_variance must be positive", estimate, counts, DESIGN, factors, prior_variance=value)
    refused("whole numbers", estimate, counts + 0.5, DESIGN, factors, error=CountsError)


def test_without_replicates_or_variation(counts, factors):
    refused("2 samples and 2 coefficients", estimate, counts[:2], np.eye(2), factors[:2])
    refused("2 samples and 2 coefficients", moments, counts[:2], np.eye(2), factors[:2])
    same = np.tile(np.arange(1, 31), (8, 1))
    refused(r"no gene \(of 30\) varies more than Poisson", estimate, same, DESIGN, np.ones(8))


def test_counts_means_and_dispersions_that_do_not_fit(counts):
    mean = np.full(counts.shape, 5.0)
    refused("shape of the counts", cox_reid_profile, counts, mean[:, :3], DESIGN, 0.1)
    refused("need dispersions of shape", cox_reid_profile, counts, mean, DESIGN, [0.1, 0.2])
    refused("positive and finite", cox_reid_profile, counts, mean, DESIGN, 0.0)
    mean[3, 7] = 0
    refused("gene 7 has others", maximum_likelihood, counts, mean, DESIGN)
    refused("one gene is counts", moments, counts[:, 0], np.ones(8))
    refused("finite and not negative", moments, -counts, np.ones(8))
