"""Quasi-likelihood F-tests: formulas by other means, known truth, what must not matter, and what is refused.

Against edgeR's numbers: test_reference_edger_simulated.py (bundled) and test_reference_edger_ql.py (real data).
"""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import integrate, optimize, sparse, stats

from scomics_lite import glm, quasi_likelihood, simulate
from scomics_lite.dispersion import edger_dispersions
from scomics_lite.dispersion.edger import EdgerDispersions
from scomics_lite.empirical_bayes import squeeze_variances
from scomics_lite.filtering import filter_by_expression
from scomics_lite.validation import InputError

TREND = 0.08
NUMBERS = ["log2FoldChange", "lfcSE", "stat", "df", "pvalue"]


def experiment(n=4, genes=300, *, rng=1, spread=4, changed=0.1, depth=1e3, **settings):
    """Counts whose dispersions scatter around a trend, (adata, design)."""
    generator = np.random.default_rng(rng)
    dispersion = TREND * spread / generator.chisquare(spread, genes) if spread else TREND
    adata = simulate.bulk_counts(
        ["A"] * n + ["B"] * n,
        genes,
        dispersion=dispersion,
        changed_fraction=changed,
        library_sizes=depth * genes,
        rng=generator,
        **settings,
    )
    design = pd.DataFrame({"Intercept": 1.0, "B": [0] * n + [1] * n}, index=adata.obs_names)
    kept = filter_by_expression(adata, design)
    return adata[:, kept].copy(), design


def fitted(adata, design, dispersions=TREND, **settings):
    return quasi_likelihood.fit(adata, design, adata.obs["size_factor"], dispersions, **settings)


@pytest.fixture(scope="module")
def small():
    return experiment()


@pytest.fixture(scope="module")
def small_fit(small):
    return fitted(*small)


# --- the formulas -----------------------------------------------------------------------------------------------------


def test_deviances_and_ratios_are_those_of_statsmodels(small, small_fit):
    adata, design = small
    offset = np.log(adata.obs["size_factor"].to_numpy())
    table = quasi_likelihood.test(small_fit, "B")
    for gene in range(0, adata.n_vars, 60):
        family = sm.families.NegativeBinomial(alpha=TREND)
        deviances = [
            sm.GLM(adata.X[:, gene], x, family=family, offset=offset).fit(tol=1e-12).deviance
            for x in (design, design[["Intercept"]])
        ]
        assert small_fit.deviance[gene] == pytest.approx(deviances[0], rel=1e-8)
        ratio = (deviances[1] - deviances[0]) / small_fit.variances.posterior[gene]
        assert table["stat"].iloc[gene] == pytest.approx(ratio, rel=1e-6, abs=1e-6)
        if not small_fit.below_poisson[gene]:
            expected = stats.f.sf(ratio, 1, small_fit.df_total[gene])
            assert table["pvalue"].iloc[gene] == pytest.approx(expected, rel=1e-5)


def test_quasi_dispersions_are_squeezed_towards_a_trend_over_abundance(small_fit):
    raw = small_fit.deviance / small_fit.df_residual
    expected = squeeze_variances(raw, small_fit.df_residual, covariate=small_fit.average_log_cpm)
    np.testing.assert_array_equal(small_fit.variances.posterior, expected.posterior)
    np.testing.assert_allclose(small_fit.df_total, small_fit.df_residual + expected.prior_df)
    smaller = np.minimum(raw, expected.prior) - 1e-12
    assert ((expected.posterior >= smaller) & (expected.posterior <= np.maximum(raw, expected.prior) + 1e-12)).all()


def test_without_scatter_the_degrees_of_freedom_are_those_of_all_genes():
    adata, design = experiment(3, 60, spread=None)
    fit = fitted(adata, design, np.full(adata.n_vars, TREND))
    if np.isinf(fit.variances.prior_df):
        assert (fit.df_total == adata.n_vars * 4).all()
    else:
        assert (fit.df_total <= adata.n_vars * 4).all()


def test_a_sample_without_counts_in_a_group_without_counts_fits_itself():
    counts = np.array(
        [
            [0, 5, 0, 7, 9, 3],
            [0, 6, 4, 9, 9, 4],
            [0, 4, 0, 5, 8, 9],
            [6, 0, 0, 8, 8, 5],
            [7, 0, 0, 3, 9, 9],
            [9, 0, 9, 5, 7, 3],
        ]
    )
    design = np.column_stack([np.ones(6), np.repeat([0, 1], 3)])
    fit = quasi_likelihood.fit(counts, design, np.ones(6), 0.1)
    assert fit.df_residual.tolist() == [2, 2, 4, 4, 4, 4]
    paired = np.column_stack([design, [0, 1, 0, 0, 1, 0], [0, 0, 1, 0, 0, 1]])
    fit = quasi_likelihood.fit(counts, paired, np.ones(6), 0.1)
    assert fit.df_residual[:2].tolist() == [0, 0]  # three samples and three pairs
    assert fit.df_residual[3:].tolist() == [2, 2, 2]
    table = quasi_likelihood.test(fit, "x1")
    assert np.isfinite(table[NUMBERS].to_numpy()).all()


def test_fold_changes_have_prior_counts_and_errors_that_agree_with_the_test(small, small_fit):
    table = quasi_likelihood.test(small_fit, "B")
    plain = small_fit.regression.coefficients[:, 1] / np.log(2)
    well = small_fit.average_log_cpm > 10
    assert (np.abs(table["log2FoldChange"] - plain)[well] < 0.01).all()
    assert (np.abs(table["log2FoldChange"]) <= np.abs(plain) + 1e-3).mean() > 0.95  # drawn to zero
    wald = (table["log2FoldChange"] / table["lfcSE"]) ** 2
    clear = table["stat"] > 1
    assert (wald / table["stat"])[clear].median() == pytest.approx(1, abs=0.03)


def test_a_group_without_counts_has_a_fold_change():
    adata, design = experiment()
    adata.X[:4, 5], adata.X[4:, 5] = 0, [40, 50, 45, 60]
    row = quasi_likelihood.test(fitted(adata, design), "B").iloc[5]
    assert 6 < row["log2FoldChange"] < 12
    assert 0 < row["lfcSE"] < 4
    assert row["pvalue"] < 1e-4


def test_genes_without_counts_and_without_a_difference():
    adata, design = experiment()
    adata.X[:, 3] = 0
    adata.X[:, 4] = 30
    table = quasi_likelihood.test(fitted(adata, design), "B")
    assert table["baseMean"].iloc[3] == 0
    assert table[NUMBERS].iloc[3].isna().all()
    assert table[NUMBERS].drop(index=table.index[3]).notna().all(axis=None)
    assert (table["pvalue"].dropna() <= 1).all()


def test_counts_that_vary_less_than_poisson_counts_are_not_trusted():
    rng = np.random.default_rng(1)
    counts = rng.poisson(rng.uniform(50, 200, 100), (8, 100))
    counts[:, 7] = [100, 100, 101, 100, 120, 121, 120, 120]
    full, reduced = np.column_stack([np.ones(8), np.repeat([0, 1], 4)]), np.ones((8, 1))
    fit = quasi_likelihood.fit(counts, full, np.ones(8), 0.001)
    assert fit.below_poisson[7]
    assert fit.variances.posterior[7] < 1 / (1 + 0.001 * 120)
    fits = (glm.fit(counts, x, np.ones(8), 0.0, ridge=0) for x in (full, reduced))
    poisson = glm.likelihood_ratio_test(*fits)["pvalue"]
    table = quasi_likelihood.test(fit, "x1")
    assert table["pvalue"][7] == pytest.approx(poisson[7], rel=1e-5)
    assert table["pvalue"][7] > 10 * stats.f.sf(table["stat"][7], 1, fit.df_total[7])
    assert (table["pvalue"] >= poisson * (1 - 1e-6))[fit.below_poisson].all()


def test_robust_fits_leave_outlying_variances_alone():
    adata, design = experiment(4, 400, spread=60)
    for gene in range(5):
        adata.X[0, gene] = 40 * adata.X[:, gene].max() + 500
    plain, robust = (fitted(adata, design, robust=robust) for robust in (False, True))
    assert np.ndim(plain.variances.prior_df) == 0
    assert (robust.df_total[:5] < 10).all()
    assert np.median(robust.df_total) > 1.5 * np.median(plain.df_total)
    assert (robust.variances.posterior[:5] > plain.variances.posterior[:5]).all()


# --- thresholds -------------------------------------------------------------------------------------------------------


def test_a_threshold_of_nearly_nothing_is_no_threshold(small_fit):
    table, almost = (quasi_likelihood.test(small_fit, "B", lfc_threshold=t) for t in (0, 1e-7))
    np.testing.assert_allclose(almost["pvalue"], table["pvalue"], rtol=1e-4)
    np.testing.assert_array_equal(almost["log2FoldChange"], table["log2FoldChange"])


def test_a_larger_threshold_asks_for_more(small_fit):
    tables = [quasi_likelihood.test(small_fit, "B", lfc_threshold=t) for t in (0.1, 0.5, 1, 2)]
    for table, stricter in pairwise(tables):
        assert (stricter["pvalue"] >= table["pvalue"] * (1 - 1e-9)).all()
    within = np.abs(tables[-1]["log2FoldChange"]) < 1.9
    assert (tables[-1].loc[within, "stat"] == 0).all()
    assert (tables[-1].loc[within, "pvalue"] > 0.2).all()
    beyond = tables[1]["pvalue"] < 1e-3
    assert beyond.any()
    assert (np.sign(tables[1]["stat"]) == np.sign(tables[1]["log2FoldChange"]))[beyond].all()


def test_changes_inside_the_threshold_are_rarely_called():
    adata, design = experiment(5, 2_000, log2_fold_change=0.3, changed=0.5, rng=4)
    fit = fitted(adata, design, edger_dispersions(adata, design, adata.obs["size_factor"]))
    inside = np.abs(adata.var["log2_fold_change[condition=B]"]) <= 0.3 + 1e-9
    assert inside.all()
    beyond, different = (quasi_likelihood.test(fit, "B", lfc_threshold=t)["pvalue"] < 0.05 for t in (0.3, 0))
    assert beyond.mean() < 0.05
    assert different.mean() > 1.5 * beyond.mean()


def test_averages_of_the_normal_distribution_function():
    for a, b in ((-3.0, -1.0), (-1.2, 2.5), (0.3, 0.3), (-6.0, -5.999999), (-20.0, -18.5)):
        found = quasi_likelihood._mean_phi(np.array([a]), np.array([b]))[0]
        expected = integrate.quad(stats.norm.cdf, a, b, epsabs=0)[0] / (b - a) if b > a else stats.norm.cdf(a)
        assert found == pytest.approx(expected, rel=1e-8)


def test_z_scores_have_the_same_tail():
    t, df = np.array([0.0, 0.5, 3.0, 12.0, 3.0, 1e6]), np.array([4, 4.5, 7, 60, np.inf, 90])
    z = quasi_likelihood._z_score(t, df)
    np.testing.assert_allclose(stats.norm.sf(z[:4]), stats.t.sf(t[:4], df[:4]), rtol=1e-9)
    assert z[4:].tolist() == [3.0, 38.0]


# --- truth ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [3, 6])
def test_pvalues_are_uniform_without_differences(n):
    """The dispersions scatter around the trend; a test that took the trend for theirs would be wrong too often."""
    found, known = [], []
    for rng in range(3):
        adata, design = experiment(n, 2_000, changed=0, rng=10 + rng, spread=4, depth=1e4)
        s = adata.obs["size_factor"]
        fit = fitted(adata, design, edger_dispersions(adata, design, s))
        found.append(quasi_likelihood.test(fit, "B")["pvalue"])
        reduced = glm.fit(adata, design[["Intercept"]], s, fit.regression.dispersions, **quasi_likelihood.PLAIN)
        known.append(glm.likelihood_ratio_test(fit.regression, reduced)["pvalue"])
    found, known = np.concatenate(found), np.concatenate(known)
    for level in (0.01, 0.05, 0.2):
        error = np.sqrt(level * (1 - level) / len(found))
        assert abs((found < level).mean() - level) < 4 * error
    assert (known < 0.01).mean() > 2 * (found < 0.01).mean()


def test_changed_genes_are_found_and_unchanged_ones_are_not():
    adata, design = experiment(5, 2_000, log2_fold_change=1.5, rng=3, spread=10)
    fit = fitted(adata, design, edger_dispersions(adata, design, adata.obs["size_factor"]))
    called = quasi_likelihood.test(fit, "B")["padj"] < 0.1
    changed = adata.var["changed"]
    assert (changed & called).sum() > 0.6 * changed.sum()
    assert (called & ~changed).sum() <= stats.binom.ppf(0.999, called.sum(), 0.1)


# --- what must not matter ---------------------------------------------------------------------------------------------


def test_the_scale_of_size_factors_and_the_coding_of_the_design(small, small_fit):
    adata, design = small
    table = quasi_likelihood.test(small_fit, "B")
    large = quasi_likelihood.fit(adata, design, 1e6 * adata.obs["size_factor"], TREND)
    pd.testing.assert_frame_equal(quasi_likelihood.test(large, "B")[NUMBERS], table[NUMBERS], rtol=1e-6)
    groups = pd.DataFrame({"A": 1 - design["B"], "B": design["B"]})
    other = quasi_likelihood.fit(adata, groups, adata.obs["size_factor"], TREND)
    for threshold in (0, 0.7):
        ours = quasi_likelihood.test(other, "B - A", lfc_threshold=threshold)
        expected = quasi_likelihood.test(small_fit, "B", lfc_threshold=threshold)
        np.testing.assert_allclose(ours[NUMBERS], expected[NUMBERS], rtol=1e-4, atol=1e-6)
        turned = quasi_likelihood.test(small_fit, "-B", lfc_threshold=threshold)
        np.testing.assert_allclose(turned["log2FoldChange"], -expected["log2FoldChange"])
        np.testing.assert_allclose(turned["pvalue"], expected["pvalue"], rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-9, 1e9, 1e15])
@pytest.mark.parametrize("contrast", [[0, 1, 0], [0, 0, 1], [0, 1, -2]])
@pytest.mark.parametrize("threshold", [0, 0.3])
def test_the_unit_of_a_covariate_and_where_it_begins(small, unit, contrast, threshold):
    """In years or nanoseconds, from the year 0 or from the study's start: the same question has the same answer."""
    adata, design = small
    years = np.random.default_rng(2).normal(0, 2, len(design))

    def p_values(dates, contrast, threshold):
        fit = fitted(adata, design.assign(date=dates))
        return quasi_likelihood.test(fit, contrast, lfc_threshold=threshold)["pvalue"]

    expected = p_values(years, contrast, threshold)
    assert (expected < 0.01).any()
    # a slope of 1 a year is one of 1 / unit; weights of the same questions change alike
    weights, size = np.array(contrast) * [1, 1, unit], threshold
    if not contrast[1]:
        weights, size = np.array(contrast), threshold / unit
    np.testing.assert_allclose(p_values(years * unit, weights, size), expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(p_values((years + 2000) * unit, weights, size), expected, rtol=1e-5, atol=1e-9)


def test_thresholds_that_no_counts_can_reach_are_not_exceeded(small):
    adata, design = small
    date = np.arange(len(design)) * 1e15
    found = quasi_likelihood.test(fitted(adata, design.assign(date=date)), "date", lfc_threshold=1)
    np.testing.assert_allclose(found["pvalue"], 1)
    assert (found["stat"] == 0).all()


def test_a_smaller_design_is_the_contrast_that_it_lacks(small_fit):
    table = quasi_likelihood.test(small_fit, "B")
    reduced = quasi_likelihood.test(small_fit, "B", reduced=small_fit.design[["Intercept"]])
    np.testing.assert_allclose(reduced[NUMBERS], table[NUMBERS], rtol=1e-6, atol=1e-8)


def test_three_groups_at_once_whatever_the_reference_level():
    rng = np.random.default_rng(1)
    adata = simulate.bulk_counts(["A"] * 3 + ["B"] * 3 + ["C"] * 3, 200, library_sizes=2e5, dispersion=0.1, rng=rng)
    labels = adata.obs["condition"].astype(str)
    tables = []
    for reference in "AC":
        others = [level for level in "ABC" if level != reference]
        design = pd.DataFrame({"Intercept": 1.0} | {level: (labels == level).astype(float) for level in others})
        fit = quasi_likelihood.fit(adata, design, adata.obs["size_factor"], 0.1)
        tables.append(quasi_likelihood.test(fit, others[0], reduced=design[["Intercept"]]))
    np.testing.assert_allclose(tables[0]["stat"], tables[1]["stat"], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(tables[0]["pvalue"], tables[1]["pvalue"], rtol=1e-6)
    unbounded = ~fit.below_poisson
    expected = stats.f.sf(tables[0]["stat"], 2, fit.df_total)
    np.testing.assert_allclose(tables[0]["pvalue"][unbounded], expected[unbounded], rtol=1e-9)


def test_sparse_counts_and_a_map_of_one_s_own(small, small_fit):
    adata, design = small
    calls = []

    def counting(function, *iterables):
        calls.append(function)
        return map(function, *iterables)

    again = quasi_likelihood.fit(
        sparse.csr_array(adata.X), design.to_numpy(), adata.obs["size_factor"].to_numpy(), TREND, map=counting
    )
    assert len(calls) == 3  # the regression, the one with prior counts, and the abundances
    ours, expected = (quasi_likelihood.test(fit, [0, 1], map=counting) for fit in (again, small_fit))
    assert len(calls) > 3
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


def test_dispersions_of_a_trend_as_an_array_or_as_edger_gives_them(small):
    adata, design = small
    s = adata.obs["size_factor"]
    dispersions = edger_dispersions(adata, design, s)
    whole, bare = (fitted(adata, design, given) for given in (dispersions, dispersions.trended))
    np.testing.assert_array_equal(whole.average_log_cpm, dispersions.average_log_cpm)
    np.testing.assert_allclose(bare.average_log_cpm, whole.average_log_cpm, atol=0.05)  # other dispersions in between
    np.testing.assert_allclose(bare.variances.posterior, whole.variances.posterior, rtol=0.02)
    assert repr(whole).startswith(f"QlFit of {adata.n_vars} genes in 8 samples: quasi-dispersions with ")


def test_the_stretch_at_which_an_interval_counts_by_its_ends():
    # edgeR's 1.470402 has no reason beside it; this is the equation that it solves.
    def excess(width):
        return integrate.quad(stats.norm.cdf, -width, 0)[0] / width - 1 / 4

    assert optimize.brentq(excess, 1, 2, xtol=1e-12) == pytest.approx(quasi_likelihood.SWITCH, abs=5e-7)


@pytest.mark.parametrize("question", ["one column", "several columns", "threshold"])
def test_a_gene_without_a_fit_has_no_p_value(question, monkeypatch):
    adata, design = experiment(genes=120)
    settings = {
        "one column": {},
        "several columns": {"reduced": design[["Intercept"]]},
        "threshold": {"lfc_threshold": 1},
    }
    monkeypatch.setitem(quasi_likelihood.PLAIN, "max_iterations", 4)
    fit = fitted(adata, design)
    lost = ~fit.regression.converged
    assert 0 < lost.sum() < len(lost)
    table = quasi_likelihood.test(fit, "B", **settings[question])
    assert table.loc[lost, NUMBERS].isna().all(axis=None)
    assert table["padj"].notna().equals(table["pvalue"].notna())
    assert (fit.df_residual[lost] == 0).all()
    assert table["pvalue"].notna().any()


def test_a_gene_without_a_fit_of_the_smaller_design_has_no_p_value(small, monkeypatch):
    fit = fitted(*small)
    monkeypatch.setitem(quasi_likelihood.PLAIN, "max_iterations", 3)
    for question in ({}, {"lfc_threshold": 0.5}):
        table = quasi_likelihood.test(fit, "B", **question)
        lost = table["pvalue"].isna()
        assert lost.any()
        assert table.loc[lost, ["stat", "df", "padj"]].isna().all(axis=None)
        assert table["log2FoldChange"].notna().all()


def test_results_are_equal_to_themselves_only(small, small_fit):
    assert small_fit == small_fit
    assert small_fit != fitted(*small)
    assert quasi_likelihood.test.__test__ is False


# --- what is refused --------------------------------------------------------------------------------------------------


def test_refuses_what_cannot_be_fitted(small):
    adata, design = small
    s = adata.obs["size_factor"]
    with pytest.raises(InputError, match="2 samples and 2 coefficients leave no residual degree of freedom"):
        quasi_likelihood.fit(adata[[0, 4]].copy(), design.iloc[[0, 4]], s.iloc[[0, 4]], TREND)
    missing = np.full(adata.n_vars, TREND)
    missing[2] = np.nan
    with pytest.raises(InputError, match=rf"1 of {adata.n_vars} genes have no dispersion, the first is '.*': leave"):
        fitted(adata, design, missing)
    with pytest.raises(InputError, match=f"{adata.n_vars} genes need as many dispersions, or one, got shape"):
        fitted(adata, design, missing[:5])
    with pytest.raises(InputError, match="must be finite and not negative"):
        fitted(adata, design, -missing[0])
    others = EdgerDispersions(adata.var_names[:5], np.zeros(5), 0.1, np.full(5, 0.1), np.full(5, 0.1), 3.0)
    with pytest.raises(InputError, match=r"dispersions are of other genes \(5\)"):
        fitted(adata, design, others)
    with pytest.raises(InputError, match="names of the design"):
        fitted(adata, design[::-1])
    with pytest.raises(InputError, match="size factors must be positive"):
        quasi_likelihood.fit(adata, design, 0 * s, TREND)


def test_refuses_what_cannot_be_tested(small, small_fit):
    adata, design = small
    with pytest.raises(InputError, match="lfc_threshold is a size in log2"):
        quasi_likelihood.test(small_fit, "B", lfc_threshold=-1)
    with pytest.raises(InputError, match="without reduced"):
        quasi_likelihood.test(small_fit, "B", lfc_threshold=1, reduced=design[["Intercept"]])
    with pytest.raises(InputError, match="nested"):
        quasi_likelihood.test(small_fit, "B", reduced=pd.DataFrame({"dose": np.arange(8.0)}, index=design.index))
    with pytest.raises(InputError, match="no column"):
        quasi_likelihood.test(small_fit, ("condition", "C", "A"))
    alone = fitted(adata, design[["Intercept"]])
    with pytest.raises(InputError, match="nothing to compare with"):
        quasi_likelihood.test(alone, "Intercept")
