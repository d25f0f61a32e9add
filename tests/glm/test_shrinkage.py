"""Shrinkage by a Cauchy prior: the peak and its width against a second writing of the posterior, on grids.

What DESeq2 and apeglm give for the same counts is in test_reference_apeglm.py.
"""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from fixtures.posterior import profile, profiles
from scipy import optimize, sparse, stats

from scomics_lite import blocks, glm, simulate
from scomics_lite.design import design_matrix
from scomics_lite.glm import heavy_tailed as shrinkage
from scomics_lite.validation import InputError

LN2 = np.log(2)
EXACT = partial(glm.fit, ridge=0, min_mean=0, tolerance=0)


def two_groups(n, genes, rng, *, changes, mean=200.0, phi=0.1):
    """Simulate counts (n, g) of two groups whose expectations differ by `changes` (g,), in natural logarithms."""
    design = pd.DataFrame({"Intercept": 1.0, "treated": np.repeat([0.0, 1.0], n // 2)})
    s = np.exp(rng.normal(0, 0.3, n))
    mu = mean * s[:, None] * np.exp(np.outer(design["treated"], changes))
    counts = rng.negative_binomial(1 / phi, 1 / (1 + phi * mu), (n, genes))
    return glm.fit(counts, design, s, np.full(genes, phi))


def arrays(fit, genes=slice(None)):
    """Give what the second writing of the posterior takes."""
    y = fit.counts.matrix[:, genes].astype(float)
    return y, fit.design.to_numpy(float), fit.size_factors, fit.dispersions[genes]


def grid_peak(fit, column, scale, points):
    """Find the highest point (g,) of a grid of values of a coefficient and its height (g,), natural logarithms."""
    heights = profiles(*arrays(fit), column, points, scale)
    best = heights.argmax(axis=0)
    return points[best], heights.max(axis=0)


def cauchy_fit(seed, *, genes=400, n=6, scale=0.3, mean=200.0):
    """Simulate changes from the prior itself; give the fit and the changes in natural logarithms."""
    rng = np.random.default_rng(seed)
    changes = np.clip(scale * rng.standard_cauchy(genes), -6, 6)
    return two_groups(n, genes, rng, changes=changes, mean=mean), changes


# --- the peak ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.02, 0.2, 1.0])
@pytest.mark.parametrize("mean", [2.0, 300.0])
def test_the_peak_is_the_highest_point_of_a_grid(mean, scale):
    fit, _ = cauchy_fit(1, genes=150, mean=mean)
    points = np.linspace(-8, 8, 641)
    at, height = grid_peak(fit, 1, scale, np.sort(np.append(points, np.linspace(-0.1, 0.1, 81))))
    ours = glm.cauchy_shrinkage(fit, "treated", prior_scale=scale / LN2)["log2FoldChange"].to_numpy() * LN2
    assert (profile(*arrays(fit), 1, ours, scale) >= height - 1e-9).all()
    assert np.abs(ours - at).max() <= 0.025


def test_designs_with_more_coefficients_and_numbers():
    rng = np.random.default_rng(2)
    design = pd.DataFrame({"Intercept": 1.0, "batch": [0, 0, 1, 1, 0, 1, 0, 1.0], "dose": rng.normal(0, 1, 8)})
    mu = 50 * np.exp(np.outer(design["dose"], rng.normal(0, 0.8, 120)) + 0.5 * design["batch"].to_numpy()[:, None])
    counts = rng.negative_binomial(5, 5 / (5 + mu))
    fit = glm.fit(counts, design, np.ones(8), np.full(120, 0.2))
    at, height = grid_peak(fit, 2, 0.25, np.linspace(-4, 4, 401))
    ours = glm.cauchy_shrinkage(fit, "dose", prior_scale=0.25 / LN2)["log2FoldChange"].to_numpy() * LN2
    assert (profile(*arrays(fit), 2, ours, 0.25) >= height - 1e-9).all()
    assert np.abs(ours - at).max() <= 0.0201


def test_of_two_peaks_the_higher_is_taken():
    fit = glm.fit([[50], [70], [350], [900]], pd.DataFrame({"1": 1.0, "b": [0.0, 0, 1, 1]}), np.ones(4), [0.5])
    points = np.linspace(-1, 5, 3001)
    found = {}
    for scale in (0.02, 0.2, 0.3, 0.5):
        heights = profiles(*arrays(fit), 1, points, scale)[:, 0]
        peaks = points[1:-1][(heights[1:-1] > heights[:-2]) & (heights[1:-1] > heights[2:])]
        ours = glm.cauchy_shrinkage(fit, "b", prior_scale=scale / LN2)["log2FoldChange"].iloc[0] * LN2
        assert ours == pytest.approx(points[heights.argmax()], abs=0.002)
        found[scale] = len(peaks), ours
    assert [number for number, _ in found.values()] == [2, 2, 2, 1]
    assert found[0.2][1] < 0.1  # the prior's peak
    assert found[0.3][1] > 1.7  # that of the counts, where 2.3 fits best


def test_genes_without_counts_in_a_group_get_a_finite_answer():
    design = pd.DataFrame({"1": 1.0, "b": [0.0, 0, 0, 1, 1, 1]})
    counts = np.array([[0, 0, 0, 90, 70, 80], [90, 70, 80, 0, 0, 0], [0, 0, 0, 0, 0, 1], [1, 0, 0, 0, 0, 0]]).T
    fit = glm.fit(counts, design, np.ones(6), np.full(4, 0.1))
    table = glm.cauchy_shrinkage(fit, "b", prior_scale=0.5)
    at, height = grid_peak(fit, 1, 0.5 * LN2, np.linspace(-25, 25, 2001))
    ours = table["log2FoldChange"].to_numpy() * LN2
    assert (profile(*arrays(fit), 1, ours, 0.5 * LN2) >= height - 1e-9).all()
    assert np.abs(ours - at).max() <= 0.025
    assert np.isfinite(table.to_numpy()).all()
    assert (np.abs(table["log2FoldChange"]) > 5).tolist() == [True, True, False, False]


def test_large_scales_lead_to_the_likelihood_and_small_ones_to_zero():
    fit, _ = cauchy_fit(3)
    likely = EXACT(fit.counts, fit.design, fit.size_factors, fit.dispersions)
    free = glm.cauchy_shrinkage(likely, "treated", prior_scale=1e7)
    finite = (likely.counts.matrix[:3].sum(axis=0) > 0) & (likely.counts.matrix[3:].sum(axis=0) > 0)
    assert finite.sum() == 398
    gap = np.abs(free["log2FoldChange"] - likely.coefficients[:, 1] / LN2)[finite]
    assert gap.max() < 2e-3  # what the wide prior of the intercept does
    np.testing.assert_allclose(free["lfcSE"][finite], _observed_errors(likely)[finite] / LN2, rtol=2e-3)
    tied = glm.cauchy_shrinkage(fit, "treated", prior_scale=1e-60)  # the tails fall slowly: at 1e-9 one gene is not 0
    assert np.abs(tied["log2FoldChange"]).max() < 1e-60
    np.testing.assert_allclose(tied["lfcSE"], 1e-60 / np.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(tied["lfsr"], 0.5, atol=1e-6)


def _observed_errors(fit):
    """Give standard errors of the second coefficient (g,) by the observed information, natural logarithms."""
    (y, x, _, phi), mu = arrays(fit), fit.mean
    weights = mu * (1 + phi * y) / (1 + phi * mu) ** 2
    return np.sqrt(np.linalg.inv(np.einsum("nj,ng,nk->gjk", x, weights, x))[:, 1, 1])


@pytest.mark.parametrize("scale", [0.1, 0.3])
def test_strong_signals_stay_and_noise_goes(scale):
    changes = np.r_[np.zeros(450), np.full(50, 4.0)]
    fit = two_groups(6, 500, np.random.default_rng(4), changes=changes, phi=0.2)
    table = glm.cauchy_shrinkage(fit, "treated", prior_scale=scale / LN2)
    before, after = fit.coefficients[:, 1] / LN2, table["log2FoldChange"].to_numpy()
    normal = before / (1 + fit.contrast_variance([0, 1]) / scale**2)  # what a normal prior of this width would do
    strong = changes > 0
    assert np.std(after[~strong]) < 0.4 * np.std(before[~strong])
    assert (after[strong] / before[strong]).min() > 0.97
    assert (normal[strong] / before[strong]).max() < 0.41
    assert ((after * before) >= 0).all()
    assert (np.abs(after) <= np.abs(before) + 0.002).all()  # what the wide prior of the intercept does


def test_the_floor_of_the_iterations_is_not_in_the_posterior():
    design = pd.DataFrame({"1": 1.0, "b": np.repeat([0.0, 1], 10)})
    counts = np.column_stack([np.r_[np.zeros(9), 1, np.arange(31, 41)], np.full(20, 50)]).astype(int)
    floored = glm.fit(counts, design, np.ones(20), 0.1)
    exact = EXACT(counts, design, np.ones(20), 0.1)
    free = glm.cauchy_shrinkage(floored, "b", prior_scale=0.5)["log2FoldChange"].iloc[0]
    assert floored.coefficients[0, 1] / LN2 + 0.5 < free < exact.coefficients[0, 1] / LN2


# --- its width --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.05, 0.5])
def test_the_standard_deviation_is_the_curvature_at_the_peak(scale):
    fit, _ = cauchy_fit(5, genes=200, mean=40.0)
    table = glm.cauchy_shrinkage(fit, "treated", prior_scale=scale / LN2)
    peak, h = table["log2FoldChange"].to_numpy() * LN2, scale * 2e-3
    below, at, above = (profile(*arrays(fit), 1, peak + move, scale) for move in (-h, 0.0, h))
    np.testing.assert_allclose(table["lfcSE"] * LN2, h / np.sqrt(2 * at - below - above), rtol=2e-3)


def test_peak_and_width_are_near_the_integrals_where_counts_are_many():
    fit, _ = cauchy_fit(6, genes=40, n=40, mean=1000.0)
    scale = 1.0
    table = glm.cauchy_shrinkage(fit, "treated", prior_scale=scale / LN2)
    peak, spread = table["log2FoldChange"].to_numpy() * LN2, table["lfcSE"].to_numpy() * LN2
    steps = np.linspace(-7, 7, 141)
    heights = profiles(*arrays(fit), 1, peak + np.outer(steps, spread), scale)
    density = np.exp(heights - heights.max(axis=0))
    density /= density.sum(axis=0)
    mean = steps @ density  # in spreads, from the peak
    assert np.abs(mean).max() < 0.05
    np.testing.assert_allclose(np.sqrt(steps**2 @ density - mean**2), 1, atol=0.02)


def test_false_sign_rates_svalues_and_intervals():
    fit, _ = cauchy_fit(7)
    table = glm.cauchy_shrinkage(fit, "treated", prior_scale=0.4)
    ratio = table["log2FoldChange"].abs() / table["lfcSE"]
    np.testing.assert_allclose(table["lfsr"], stats.norm.sf(ratio), rtol=1e-12)
    for gene in (0, 17, 399):
        as_small = table["lfsr"] <= table["lfsr"].iloc[gene]
        assert table["svalue"].iloc[gene] == pytest.approx(table["lfsr"][as_small].mean(), rel=1e-12)
    np.testing.assert_allclose(table["upper"] - table["log2FoldChange"], 1.959964 * table["lfcSE"], rtol=1e-6)
    np.testing.assert_allclose(table["log2FoldChange"] - table["lower"], 1.959964 * table["lfcSE"], rtol=1e-6)


def test_false_sign_or_small():
    fit, _ = cauchy_fit(7)
    plain = glm.cauchy_shrinkage(fit, "treated", prior_scale=0.4)
    table = glm.cauchy_shrinkage(fit, "treated", prior_scale=0.4, lfc_threshold=1)
    change, spread = plain["log2FoldChange"], plain["lfcSE"]
    reached = np.where(change > 0, stats.norm.sf(1, change, spread), stats.norm.cdf(-1, change, spread))
    np.testing.assert_allclose(table["lfsr"], 1 - reached, rtol=1e-9, atol=1e-12)
    pd.testing.assert_frame_equal(table.drop(columns=["lfsr", "svalue"]), plain.drop(columns=["lfsr", "svalue"]))


def test_intervals_hold_the_truth_and_shrinking_brings_estimates_nearer():
    fit, changes = cauchy_fit(8, genes=4000)
    table = glm.cauchy_shrinkage(fit, "treated", prior_scale=0.3 / LN2)
    truth = changes / LN2
    held = (table["lower"] <= truth) & (truth <= table["upper"])
    assert 0.92 < held.mean() < 0.97  # 0.93: the posterior's tails are heavier than a normal distribution's
    before = fit.coefficients[:, 1] / LN2
    assert np.abs(table["log2FoldChange"] - truth).median() < 0.9 * np.median(np.abs(before - truth))
    wrong = np.sign(table["log2FoldChange"]) != np.sign(truth)
    claimed = table["lfsr"]
    for low, high in ((0, 0.05), (0.05, 0.2), (0.2, 0.4), (0.4, 0.5)):  # never more wrong signs than claimed
        some = (claimed >= low) & (claimed < high)
        assert some.sum() > 50
        assert wrong[some].mean() < claimed[some].mean() + 3 * np.sqrt(0.25 / some.sum())


@pytest.mark.parametrize(("n", "share"), [(6, 0.31), (20, 0.48)])
def test_unchanged_genes_are_not_what_svalues_are_about(n, share):
    """The prior has no point mass: see the docstring of `cauchy_shrinkage`."""
    rng = np.random.default_rng(18)
    changes = np.where(rng.random(3000) < 0.2, rng.normal(0, LN2, 3000), 0)
    table = glm.cauchy_shrinkage(two_groups(n, 3000, rng, changes=changes), "treated")
    listed = table["svalue"] < 0.05
    assert (changes[listed] == 0).mean() == pytest.approx(share, abs=0.05)
    wrong = changes * table["log2FoldChange"] < 0
    some = table["lfsr"].between(0.01, 0.4) & (changes != 0)
    assert wrong[some].mean() < table["lfsr"][some].mean()


# --- the scale --------------------------------------------------------------------------------------------------------


def test_the_scale_is_the_most_likely_normal_width():
    fit, _ = cauchy_fit(9)
    b2, v = fit.coefficients[:, 1] ** 2, fit.contrast_variance([0, 1])
    lack = optimize.minimize_scalar(
        lambda log: (np.log(np.exp(log) + v) + b2 / (np.exp(log) + v)).sum(),
        bounds=(-10, 0),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert glm.cauchy_scale(fit, "treated") * LN2 == pytest.approx(np.exp(lack.x / 2), rel=1e-6)


@pytest.mark.parametrize("width", [0.2, 0.6])
def test_the_scale_of_normal_changes_is_found(width):
    rng = np.random.default_rng(10)
    fit = two_groups(8, 4000, rng, changes=rng.normal(0, width, 4000), phi=0.05)
    assert glm.cauchy_scale(fit, "treated") * LN2 == pytest.approx(width, rel=0.05)


def test_the_scale_is_kept_between_bounds():
    rng = np.random.default_rng(11)
    same = np.tile(rng.negative_binomial(10, 10 / 110, (3, 50)), (2, 1))  # both groups alike: less than chance would do
    fit = glm.fit(same, pd.DataFrame({"1": 1.0, "b": np.repeat([0.0, 1], 3)}), np.ones(6), 0.1)
    assert glm.cauchy_scale(fit, "b") == pytest.approx(0.001 / LN2, rel=1e-12)
    wide = two_groups(6, 50, rng, changes=rng.normal(0, 3, 50))
    assert glm.cauchy_scale(wide, "treated") == pytest.approx(1 / LN2, rel=1e-12)


def test_the_learned_scale_is_the_default():
    fit, _ = cauchy_fit(12)
    given = glm.cauchy_shrinkage(fit, "treated", prior_scale=glm.cauchy_scale(fit, "treated"))
    pd.testing.assert_frame_equal(glm.cauchy_shrinkage(fit, "treated"), given)


# --- invariances ------------------------------------------------------------------------------------------------------


def test_blocks_maps_and_sparse_counts_change_nothing(monkeypatch):
    fit, _ = cauchy_fit(13)
    whole = glm.cauchy_shrinkage(fit, "treated")
    monkeypatch.setattr(blocks, "BLOCK", 6 * 37)
    used = []

    def spread(function, *iterables):
        used.append(True)
        return map(function, *iterables)

    pd.testing.assert_frame_equal(glm.cauchy_shrinkage(fit, "treated", map=spread), whole, rtol=1e-9)
    assert used
    thin = glm.fit(sparse.csr_matrix(fit.counts.matrix), fit.design, fit.size_factors, fit.dispersions)
    pd.testing.assert_frame_equal(glm.cauchy_shrinkage(thin, "treated"), whole, rtol=1e-9)


def test_orders_of_genes_and_samples_change_nothing():
    fit, _ = cauchy_fit(14)
    whole = glm.cauchy_shrinkage(fit, "treated")
    rng = np.random.default_rng(0)
    genes, samples = rng.permutation(len(fit.genes)), rng.permutation(6)
    counts = fit.counts.matrix[np.ix_(samples, genes)]
    design = fit.design.iloc[samples].reset_index(drop=True)
    other = glm.fit(counts, design, fit.size_factors[samples], fit.dispersions[genes])
    shuffled = glm.cauchy_shrinkage(other, "treated").set_index(genes).sort_index()
    np.testing.assert_allclose(shuffled, whole, rtol=1e-6, atol=1e-8)


def test_the_other_reference_level_turns_the_sign():
    adata = simulate.bulk_counts(["A"] * 4 + ["B"] * 4, 300, log2_fold_change=2, library_sizes=1e6, rng=15)
    tables = []
    for levels in (["A", "B"], ["B", "A"]):
        obs = adata.obs.assign(condition=adata.obs["condition"].astype(pd.CategoricalDtype(levels)))
        design = design_matrix(obs, "~ condition")
        fit = glm.fit(adata, design, np.ones(8), adata.var["dispersion"])
        tables.append(glm.cauchy_shrinkage(fit, ("condition", "B", "A"), prior_scale=0.5))
    turned = glm.cauchy_shrinkage(fit, ("condition", "A", "B"), prior_scale=0.5)
    np.testing.assert_allclose(tables[0], tables[1], atol=2e-3)  # the wide prior is on another level
    assert np.array_equal(turned["log2FoldChange"], -tables[1]["log2FoldChange"], equal_nan=True)
    assert np.array_equal(turned["lower"], -tables[1]["upper"], equal_nan=True)
    assert np.array_equal(turned["lfsr"], tables[1]["lfsr"], equal_nan=True)


def test_poisson_counts():
    fit = glm.fit([[10, 30], [12, 30], [40, 32], [48, 31]], pd.DataFrame({"1": 1.0, "b": [0, 0, 1, 1]}), np.ones(4), 0)
    near = glm.fit(fit.counts, fit.design, fit.size_factors, 1e-9)
    exact, limit = (glm.cauchy_shrinkage(f, "b", prior_scale=0.3) for f in (fit, near))
    np.testing.assert_allclose(exact, limit, rtol=1e-6)


# --- what cannot be shrunk --------------------------------------------------------------------------------------------


def test_genes_without_a_fit_are_nan_and_do_not_count():
    fit, _ = cauchy_fit(16, genes=30)
    counts = np.column_stack([fit.counts.matrix, np.zeros(6, dtype=int), fit.counts.matrix[:, 0]])
    dispersions = np.r_[fit.dispersions, 0.1, np.nan]
    more = glm.fit(counts, fit.design, fit.size_factors, dispersions)
    table = glm.cauchy_shrinkage(more, "treated")
    pd.testing.assert_frame_equal(table.iloc[:30], glm.cauchy_shrinkage(fit, "treated"), check_index_type=False)
    assert table.iloc[30:].drop(columns="baseMean").isna().all(axis=None)


def test_a_gene_whose_climb_does_not_end_is_nan_and_named(monkeypatch):
    fit, _ = cauchy_fit(17, genes=30)
    monkeypatch.setattr(shrinkage, "MAX_ITERATIONS", 1)
    with pytest.warns(UserWarning, match=r"no peak of the posterior was found for \d+ genes \(NaN\), the first is \d+"):
        table = glm.cauchy_shrinkage(fit, "treated")
    assert table["lfcSE"].isna().any()


def small(columns, counts=((10, 12, 40, 48), (5, 7, 8, 7))):
    return glm.fit(np.transpose(counts), pd.DataFrame(columns), np.ones(4), 0.1)


@pytest.mark.parametrize(
    ("coefficient", "message"),
    [
        ("treatd", "did you mean 'treated'"),
        ("treated - batch", r"is \+1 treated -1 batch. Make the level compared with the reference level"),
        ({"treated": 2}, r"is \+2 treated"),
        ("Intercept", "'Intercept' is a level of expression"),
        ([0, 0, 0], "compares nothing"),
        (2, "one number for each of the 3 columns"),
    ],
)
def test_coefficients_that_cannot_be_shrunk(coefficient, message):
    fit = small({"Intercept": 1.0, "treated": [0.0, 0, 1, 1], "batch": [0.0, 1, 0, 1]})
    with pytest.raises(InputError, match=message):
        glm.cauchy_shrinkage(fit, coefficient, prior_scale=1)


def test_levels_without_an_intercept_are_sent_to_a_design_with_one():
    obs = pd.DataFrame({"condition": list("AABB")})
    design = design_matrix(obs, "~ 0 + condition")
    with pytest.raises(InputError, match="the reference level of its factor in a design with an intercept and fit"):
        shrinkage.one_coefficient(design, ("condition", "B", "A"))
    assert shrinkage.one_coefficient(design_matrix(obs, "~ condition"), ("condition", "B", "A")) == (1, 1.0)


def test_means_of_groups_are_no_differences():
    fit = small({"group[A]": [1.0, 1, 0, 0], "group[B]": [0.0, 0, 1, 1]})
    with pytest.raises(InputError, match="has no intercept: only differences"):
        glm.cauchy_shrinkage(fit, "group[B]", prior_scale=1)


@pytest.mark.parametrize("scale", [0, -1, np.nan, np.inf, "0.5", [0.5]])
def test_scales_that_are_none(scale):
    with pytest.raises(InputError, match="prior_scale is a size in log2, above 0"):
        glm.cauchy_shrinkage(small({"1": 1.0, "b": [0, 0, 1, 1]}), "b", prior_scale=scale)


@pytest.mark.parametrize("threshold", [-1, np.nan, "1"])
def test_thresholds_that_are_none(threshold):
    with pytest.raises(InputError, match="lfc_threshold is a size in log2"):
        glm.cauchy_shrinkage(small({"1": 1.0, "b": [0, 0, 1, 1]}), "b", lfc_threshold=threshold)


def test_few_genes_teach_no_scale():
    with pytest.raises(InputError, match="2 with a fit is too few"):
        glm.cauchy_shrinkage(small({"1": 1.0, "b": [0, 0, 1, 1]}), "b")
    some = small({"1": 1.0, "b": [0, 0, 1, 1]})
    nothing = glm.fit(some.counts, some.design, some.size_factors, np.full(2, np.nan))
    with pytest.raises(InputError, match="0 with a fit is too few"):
        glm.cauchy_shrinkage(nothing, "b")
    assert glm.cauchy_shrinkage(nothing, "b", prior_scale=1)["lfcSE"].isna().all()
