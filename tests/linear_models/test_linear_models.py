"""Linear models of log expression: against statsmodels, exact identities, and simulations with known truth."""

import anndata
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import sparse, stats

from scomics_lite import linear_models, simulate
from scomics_lite.design import design_matrix
from scomics_lite.empirical_bayes import squeeze_variances
from scomics_lite.linear_models import fit, moderated_t_test, voom
from scomics_lite.linear_models.least_squares import fit_blocks
from scomics_lite.normalization import log_cpm
from scomics_lite.validation import CountsError, InputError

OBS = pd.DataFrame({"batch": list("xyxyxyxy"), "condition": ["a"] * 4 + ["b"] * 4}, index=[f"s{i}" for i in range(8)])
DESIGN = design_matrix(OBS, "~ batch + condition")


@pytest.fixture(scope="module")
def adata():
    return simulate.bulk_counts(OBS["condition"], 400, dispersion=0.1, library_sizes=2e5, rng=1)


@pytest.fixture(scope="module")
def weighed(adata):
    return voom(adata.X, DESIGN, adata.obs["size_factor"].to_numpy())


@pytest.fixture
def values():
    return pd.DataFrame(np.random.default_rng(1).normal(5, 1, (8, 30)), index=OBS.index).add_prefix("gene")


# --- least squares ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("spread", "rtol"), [(0.0, 1e-10), (2.0, 1e-10), (6.0, 1e-7)])  # of ln weights
def test_each_gene_is_fitted_as_statsmodels_does(values, spread, rtol):
    weights = np.exp(np.random.default_rng(2).normal(0, spread, values.shape))
    fitted = fit(values, DESIGN, weights)
    c = np.array([0.0, 1.0, -2.0])
    variance = fitted.contrast_variance(c)
    for g in range(values.shape[1]):
        theirs = sm.WLS(values.iloc[:, g], DESIGN, weights[:, g]).fit(method="qr")
        np.testing.assert_allclose(fitted.coefficients[g], theirs.params, rtol=rtol)
        np.testing.assert_allclose(fitted.sigma[g] ** 2, theirs.scale, rtol=rtol)
        np.testing.assert_allclose(fitted.sigma[g] * fitted.stdev_unscaled[g], theirs.bse, rtol=rtol)
        np.testing.assert_allclose(variance[g], c @ theirs.normalized_cov_params @ c, rtol=rtol)
    assert (fitted.df_residual == 5).all()
    root = fit_blocks(values.to_numpy(), weights, DESIGN)
    alone = np.concatenate([(found[1][:, 2] ** 2).sum(axis=1) for _, found in root])
    np.testing.assert_allclose(fitted.contrast_variance([0, 0, -2.0]), 4 * alone, rtol=1e-12)
    if spread == 0:
        plain = fit(values, DESIGN)
        np.testing.assert_allclose(fitted.coefficients, plain.coefficients, rtol=1e-12)
        np.testing.assert_allclose(fitted.contrast_variance(c), plain.contrast_variance(c), rtol=1e-12)


def test_an_ill_conditioned_design(values):
    design = DESIGN.assign(age=1e6 + np.arange(8.0) ** 2)  # columns almost proportional to the intercept
    fitted = fit(values, design, np.ones(values.shape))
    centred = fit(values, DESIGN.assign(age=np.arange(8.0) ** 2))
    np.testing.assert_allclose(fitted.coefficients[:, 1:], centred.coefficients[:, 1:], rtol=1e-8)
    np.testing.assert_allclose(fitted.sigma, centred.sigma, rtol=1e-9)


def test_missing_values_and_zero_weights_are_left_out(values):
    weights = np.random.default_rng(2).uniform(0.5, 2, values.shape)
    gaps = values.copy()
    gaps.iloc[3, 5] = gaps.iloc[0, 7] = np.nan
    weights[6, 5], weights[2, 9], weights[4, 11] = 0, np.nan, 0
    fitted = fit(gaps, DESIGN, weights)
    lost = {5: [3, 6], 7: [0], 9: [2], 11: [4]}
    for g in range(values.shape[1]):
        kept = np.setdiff1d(np.arange(8), lost.get(g, []))
        alone = fit(values.iloc[kept, [g]], DESIGN.iloc[kept], weights[kept][:, [g]])
        np.testing.assert_allclose(fitted.coefficients[g], alone.coefficients[0], rtol=1e-12)
        np.testing.assert_allclose(fitted.stdev_unscaled[g], alone.stdev_unscaled[0], rtol=1e-12)
        np.testing.assert_allclose(fitted.sigma[g], alone.sigma[0], rtol=1e-12)
        assert fitted.df_residual[g] == len(kept) - 3
    np.testing.assert_allclose(fitted.mean, gaps.mean())
    assert "weighted" in repr(fitted)


def test_what_missing_values_leave_open(values):
    values.loc[OBS["condition"] == "b", "gene4"] = np.nan
    values["gene6"] = np.nan
    fitted = fit(values, DESIGN)
    assert np.isnan(fitted.coefficients[4]).tolist() == [False, False, True]
    assert fitted.df_residual[[4, 6]].tolist() == [2, 0]
    assert np.isnan(fitted.coefficients[6]).all()
    batch, condition = (moderated_t_test(fitted, f"{name}") for name in ("batch[y]", "condition[b]"))
    assert batch["pvalue"].isna().sum() == 1
    assert condition.index[condition["pvalue"].isna()].tolist() == ["gene4", "gene6"]
    assert condition.drop(["gene4", "gene6"]).notna().all().all()
    known = fitted.df_residual > 0
    others = moderated_t_test(fit(values.loc[:, known], DESIGN), "condition[b]")
    np.testing.assert_allclose(condition["stat"][known], others["stat"])


def test_blocks_change_nothing(values, monkeypatch):
    weights = np.random.default_rng(2).uniform(0.5, 2, values.shape)
    whole = fit(values, DESIGN, weights)
    monkeypatch.setattr("scomics_lite.blocks.BLOCK", 40)
    parts = fit(values, DESIGN, weights)
    np.testing.assert_allclose(parts.coefficients, whole.coefficients, rtol=1e-14)
    np.testing.assert_allclose(parts.contrast_variance([0, 1, 1]), whole.contrast_variance([0, 1, 1]), rtol=1e-14)


# --- moderated t ------------------------------------------------------------------------------------------------------


def test_the_formulas(values):
    fitted = fit(values, DESIGN)
    table = moderated_t_test(fitted, ("condition", "b", "a"))
    squeezed = squeeze_variances(fitted.sigma**2, 5)
    error = np.sqrt(squeezed.posterior) * fitted.stdev_unscaled[:, 2]
    np.testing.assert_allclose(table["lfcSE"], error)
    np.testing.assert_allclose(table["stat"], fitted.coefficients[:, 2] / error)
    np.testing.assert_allclose(table["pvalue"], 2 * stats.t.sf(np.abs(table["stat"]), squeezed.total_df))
    np.testing.assert_allclose(table["padj"], stats.false_discovery_control(table["pvalue"]))
    np.testing.assert_allclose(table["mean"], values.mean())


def test_a_contrast_is_what_it_is_with_other_columns(values):
    """With weights per gene, limma's contrasts.fit takes correlations from the unweighted design; a column does not."""
    obs = pd.DataFrame({"group": list("aaabbbcc")}, index=OBS.index)
    weights = np.random.default_rng(2).uniform(0.1, 5, values.shape)
    means = fit(values, design_matrix(obs, "~ 0 + group"), weights)
    direct = fit(values, design_matrix(obs, "~ group"), weights)
    pd.testing.assert_frame_equal(
        moderated_t_test(means, ("group", "c", "a")), moderated_t_test(direct, "group[c]"), rtol=1e-9
    )


def test_a_threshold_asks_for_more(values):
    fitted = fit(values + np.outer(DESIGN["condition[b]"], np.linspace(-4, 4, 30)), DESIGN)
    tables = [moderated_t_test(fitted, "condition[b]", lfc_threshold=threshold) for threshold in (0, 0.5, 1)]
    assert (tables[0]["pvalue"] < tables[1]["pvalue"]).all()
    assert (tables[1]["pvalue"] < tables[2]["pvalue"]).all()
    inside = tables[2]["log2FoldChange"].abs() < 1
    assert inside.any()
    assert (tables[2]["stat"][inside] == 0).all()
    assert (np.sign(tables[2]["stat"][~inside]) == np.sign(tables[2]["log2FoldChange"][~inside])).all()


def null_pvalues(n, genes, df, prior_df, seed, **options):
    rng = np.random.default_rng(seed)
    variance = 0.3 * prior_df / rng.chisquare(prior_df, genes) if np.isfinite(prior_df) else np.full(genes, 0.3)
    design = pd.DataFrame({"Intercept": 1.0, "group": [0] * (n // 2) + [1] * (n - n // 2)})
    assert n - 2 == df
    values = rng.normal(5, 1, genes) + rng.normal(0, np.sqrt(variance), (n, genes))
    return moderated_t_test(fit(values, design), "group", **options)["pvalue"]


@pytest.mark.parametrize("n", [4, 6, 10, 20])
@pytest.mark.parametrize("options", [{}, {"trend": True}, {"robust": True}], ids=str)
def test_null_pvalues_are_uniform(n, options):
    tests = [stats.kstest(null_pvalues(n, 3000, n - 2, 5, seed, **options), "uniform").pvalue for seed in range(10)]
    assert min(tests) > 0.001
    assert stats.combine_pvalues(tests).pvalue > 0.001


def test_a_threshold_is_never_too_easy():
    rng = np.random.default_rng(5)
    design = pd.DataFrame({"Intercept": 1.0, "group": [0] * 4 + [1] * 4})
    values = rng.normal(0, 0.5, (8, 20_000)) + np.outer(design["group"], np.ones(20_000))
    pvalue = moderated_t_test(fit(values, design), "group", lfc_threshold=1)["pvalue"]  # at the edge of the hypothesis
    for level in (0.001, 0.01, 0.05):
        assert np.mean(pvalue < level) == pytest.approx(level, abs=4 * np.sqrt(level / 20_000))


def test_sharing_variances_finds_more():
    rng = np.random.default_rng(6)
    design = pd.DataFrame({"Intercept": 1.0, "group": [0] * 3 + [1] * 3})
    changed = np.arange(4000) < 400
    sd = np.sqrt(0.3 * 8 / rng.chisquare(8, 4000))
    values = rng.normal(0, sd, (6, 4000)) + np.outer(design["group"], 2.0 * changed)
    moderated = moderated_t_test(fit(values, design), "group")["padj"]
    alone = stats.false_discovery_control(stats.ttest_ind(values[:3], values[3:]).pvalue)
    assert (moderated[changed] < 0.1).sum() > 1.5 * (alone[changed] < 0.1).sum()
    found = moderated < 0.1
    assert (found & ~changed).sum() / found.sum() < 0.13


def test_one_gene(values):
    table = moderated_t_test(fit(values[["gene3"]], DESIGN), "condition[b]")
    theirs = sm.OLS(values["gene3"], DESIGN).fit()
    assert table["pvalue"].iloc[0] == pytest.approx(theirs.pvalues["condition[b]"])


def test_a_gene_without_scatter_alone():
    fitted = fit(pd.DataFrame({"gene": [1.0, 1, 3, 3]}), [[1, 0], [1, 0], [1, 1], [1, 1]])
    fitted.sigma[:] = 0  # rounding may leave a little
    assert moderated_t_test(fitted, [0, 1])["pvalue"].iloc[0] == 0


# --- voom -------------------------------------------------------------------------------------------------------------


def test_voom_sees_the_noise_of_counting():
    """Poisson counts of mean m have log2 counts of variance 1 / (m ln(2)^2), nearly."""
    rng = np.random.default_rng(3)
    means = np.exp(rng.uniform(2, 8, 3000))
    counts = rng.poisson(means * np.ones((10, 1)))
    found = voom(counts, pd.DataFrame({"Intercept": np.ones(10)}))
    middle = (means > 20) & (means < 1000)
    expected = np.sqrt(1 / (means[middle] * np.log(2) ** 2))
    at = np.interp(np.log2(means[middle]), found.trend["log_count"], found.trend["root_sd"])
    assert np.abs(np.log(at**2 / expected)).max() < 0.15
    weights = found.weights.to_numpy()[:, middle]
    assert np.corrcoef(np.log(weights.mean(axis=0)), np.log(means[middle]))[0, 1] > 0.999
    assert "3,000 genes in 10 samples" in repr(found)


def test_voom_of_sparse_counts_and_of_other_scales(adata, weighed):
    again = voom(sparse.csr_array(adata.X), DESIGN, 50 * adata.obs["size_factor"].to_numpy())
    np.testing.assert_allclose(again.weights, weighed.weights, rtol=1e-9)
    named = voom(adata, DESIGN.set_axis(adata.obs_names), adata.obs["size_factor"])
    assert named.weights.columns.equals(adata.var_names)
    np.testing.assert_allclose(named.weights, weighed.weights, rtol=1e-12)
    assert not np.allclose(voom(adata.X, DESIGN).weights, weighed.weights)


def test_genes_without_counts(adata, weighed):
    counts = np.hstack([np.zeros((8, 2), int), adata.X])
    found = voom(counts, DESIGN, adata.obs["size_factor"].to_numpy())
    assert np.isnan(found.mean_log_count).tolist() == [True, True] + [False] * 400
    np.testing.assert_allclose(found.weights.iloc[:, 2:], weighed.weights, rtol=1e-12)
    assert np.isfinite(found.weights.to_numpy()).all()


def test_null_pvalues_of_counts(adata):
    rows = []
    for seed in range(10):
        null = simulate.bulk_counts(
            OBS["condition"], 1000, dispersion=0.1, changed_fraction=0, library_sizes=2e6, rng=seed
        )
        counts = pd.DataFrame(null.X, index=OBS.index)
        counts = counts.loc[:, counts.sum() > 80]
        found = voom(counts, DESIGN, null.obs["size_factor"].to_numpy())
        table = moderated_t_test(fit(found.values, DESIGN, found.weights), "condition[b]")
        rows.append([stats.kstest(table["pvalue"], "uniform").pvalue, np.mean(table["pvalue"] < 0.05)])
    assert np.min(rows, axis=0)[0] > 0.001
    assert np.mean(rows, axis=0)[1] == pytest.approx(0.05, abs=0.01)


# --- log counts per million -------------------------------------------------------------------------------------------


def test_log_cpm(adata):
    factors = adata.obs["size_factor"].to_numpy()
    dense, thin = log_cpm(adata.X, factors), log_cpm(sparse.csr_array(adata.X), 7 * factors)
    np.testing.assert_allclose(thin, dense, rtol=1e-12)
    empty = log_cpm(np.hstack([np.zeros((8, 1), int), adata.X]), factors)[:, 0]
    np.testing.assert_allclose(empty, empty[0])
    frame = pd.DataFrame(adata.X, index=OBS.index).add_prefix("gene")
    assert log_cpm(frame).columns.equals(frame.columns)
    assert log_cpm(frame.iloc[:1]).shape == (1, 400)
    counted = adata.X[:, adata.X.min(axis=0) > 0]
    plain = np.log2(counted / counted.sum(axis=1, keepdims=True) * 1e6)
    np.testing.assert_allclose(log_cpm(counted, prior_count=1e-9), plain, rtol=1e-6)


@pytest.mark.parametrize("prior_count", [0, -1, np.nan, "2"])
def test_log_cpm_needs_a_positive_prior_count(prior_count):
    with pytest.raises(InputError, match="prior_count must be above 0"):
        log_cpm([[1, 2], [3, 4]], prior_count=prior_count)


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_bad_values(values):
    values.iloc[2, 4] = -np.inf
    with pytest.raises(InputError, match="sample 's2', gene 'gene4' has -inf"):
        fit(values, DESIGN)
    with pytest.raises(InputError, match="dense values"):
        fit(sparse.csr_array(np.ones((8, 3))), DESIGN)
    for odd in (pd.DataFrame({"gene": list("abcdefgh")}), np.ones((2, 2, 2))):
        with pytest.raises(InputError, match="values must be a table of numbers"):
            fit(odd, DESIGN)
    with pytest.raises(InputError, match="a design for 8 samples"):
        fit(values.iloc[:, :3], DESIGN.iloc[:5])


@pytest.mark.parametrize("bad", [-1.0, np.inf])
def test_bad_weights(values, bad):
    weights = np.ones(values.shape)
    weights[1, 3] = bad
    with pytest.raises(InputError, match=f"sample 's1', gene 'gene3' has {bad}"):
        fit(values, DESIGN, weights)
    with pytest.raises(InputError, match="shape of the values"):
        fit(values, DESIGN, weights[:, 1:])
    with pytest.raises(InputError, match="names of the weights"):
        fit(values, DESIGN, pd.DataFrame(weights, index=OBS.index[::-1]))


def test_weights_of_genes_in_another_order_are_refused(values):
    weights = pd.DataFrame(np.arange(1.0, values.size + 1).reshape(values.shape), values.index, values.columns)
    shuffled = weights.iloc[:, ::-1]
    with pytest.raises(InputError, match=r"the names of the weights .* column 0 is .* weights.loc\[:, ...\]"):
        fit(values, DESIGN, shuffled)
    with pytest.raises(
        InputError, match=f"column 0 is 'other' instead of {values.columns[0]!r}. '{values.columns[0]}' is not"
    ):
        fit(values, DESIGN, weights.rename(columns={values.columns[0]: "other"}))
    with pytest.raises(InputError, match=f"{values.shape[1] + 1} columns instead of {values.shape[1]}. Bring them"):
        fit(values, DESIGN, weights.assign(more=1.0))
    expected = fit(values, DESIGN, weights.to_numpy()).coefficients
    for way_out in (shuffled.loc[:, values.columns], weights.assign(more=1.0).loc[:, values.columns]):
        np.testing.assert_array_equal(fit(values, DESIGN, way_out).coefficients, expected)


def test_what_voom_gives_is_taken_as_it_is(adata, weighed):
    taken, apart = fit(weighed, weighed.design), fit(weighed.values, weighed.design, weighed.weights)
    np.testing.assert_array_equal(taken.coefficients, apart.coefficients)
    np.testing.assert_array_equal(taken.sigma, apart.sigma)
    assert taken.weights is not None
    equal = fit(weighed, weighed.design, np.ones((8, 400)))
    np.testing.assert_allclose(equal.coefficients, fit(weighed.values, weighed.design).coefficients)


def test_an_anndata_is_no_table_of_logarithms(adata):
    design = pd.DataFrame({"Intercept": 1.0}, index=adata.obs_names)
    with pytest.raises(InputError, match=r"not AnnData: normalization.log_cpm\(adata\), or adata.to_df\(\)"):
        fit(adata, design)
    by_gene = fit(log_cpm(adata), design)
    assert by_gene.genes.equals(adata.var_names)
    logarithms = anndata.AnnData(np.log2(adata.X + 1.0), obs=adata.obs, var=adata.var)
    assert fit(logarithms.to_df(), design).genes.equals(adata.var_names)
    one = fit(logarithms.to_df().iloc[:, 3], design)
    assert one.genes.tolist() == [adata.var_names[3]]


def test_results_are_equal_to_themselves_only(values, weighed):
    for result in (fit(values, DESIGN), weighed):
        assert result == result
    assert fit(values, DESIGN) != fit(values, DESIGN)


def test_bad_designs(values):
    with pytest.raises(InputError, match="of rank 3"):
        fit(values, DESIGN.assign(again=DESIGN["batch[y]"]))
    full = np.eye(8)
    with pytest.raises(InputError, match="no residual degree of freedom"):
        voom(np.ones((8, 5), int), full)
    with pytest.raises(InputError, match="no residual degree of freedom"):
        moderated_t_test(fit(values, full), np.eye(8)[0])


def test_genes_that_all_lack_too_much(values):
    values.iloc[2:] = np.nan
    with pytest.raises(InputError, match="no gene has a residual degree of freedom"):
        moderated_t_test(fit(values, DESIGN), "batch[y]")


@pytest.mark.parametrize("threshold", [-0.5, np.nan, "1"])
def test_bad_thresholds(values, threshold):
    with pytest.raises(InputError, match="lfc_threshold is a size"):
        moderated_t_test(fit(values, DESIGN), "batch[y]", lfc_threshold=threshold)


def test_counts_that_voom_cannot_use(adata):
    with pytest.raises(CountsError, match="the values look"):
        voom(np.log1p(adata.X), DESIGN)
    with pytest.raises(InputError, match="1 genes with counts are too few"):
        voom(adata.X[:, [int(adata.X.sum(axis=0).argmax())]], DESIGN)
    with pytest.raises(InputError, match="replicates hardly differ"):
        voom(np.outer(np.ones(8, int), np.arange(5, 105)), DESIGN)
    assert linear_models.moderated.SPAN == 0.5
