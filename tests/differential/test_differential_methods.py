"""`differential.test` by quasi-likelihood and by voom, and its shrinkage: the steps, the genes left out, the refusals.

What all methods share, and DESeq2's ways, are in test_differential.py.
"""

import numpy as np
import pandas as pd
import pytest
from fixtures.published import FORMULAS, needs_tables, question
from fixtures.published import adata as published
from fixtures.published import table as their_table
from scipy import sparse, stats

from scomics_lite import (
    datasets,
    differential,
    dispersion,
    glm,
    linear_models,
    normalization,
    quasi_likelihood,
    simulate,
)
from scomics_lite.design import design_matrix
from scomics_lite.dispersion import edger_dispersions
from scomics_lite.empirical_bayes import ash
from scomics_lite.filtering import filter_by_expression
from scomics_lite.validation import CountsError, InputError

AB = ("condition", "B", "A")
COLUMNS = ["log2FoldChange", "lfcSE", "stat", "df", "pvalue", "padj"]
SHRUNKEN = ["shrunken", "shrunkenSE", "lfsr", "svalue"]
both = pytest.mark.parametrize("method", ["ql", "voom"])


def experiment(n=4, genes=500, *, rng=3, **settings):
    return simulate.bulk_counts(["A"] * n + ["B"] * n, genes, library_sizes=300 * genes, rng=rng, **settings)


def run(adata, contrast=AB, design="~ condition", **settings):
    return differential.test(adata, design, contrast, progress=False, **settings)


@pytest.fixture(scope="module")
def small():
    adata = experiment()
    adata.X[:, 7] = 0
    return adata


@pytest.fixture(scope="module")
def tables(small):
    return {method: run(small, method=method) for method in ("wald", "ql", "voom")}


# --- the steps --------------------------------------------------------------------------------------------------------


def kept_counts(adata):
    """The counts that are looked at, their design, which genes they are, and TMM's size factors of them."""
    design = design_matrix(adata.obs, "~ condition")
    kept = filter_by_expression(adata, design)
    some = adata[:, kept].copy()
    return some, design, kept, normalization.size_factors(some, "tmm")


def test_ql_is_what_its_steps_give(small, tables):
    some, design, kept, s = kept_counts(small)
    for robust, reduced, threshold in ((False, None, 0), (True, None, 0), (False, None, 0.5), (True, ["Intercept"], 0)):
        fit = quasi_likelihood.fit(some, design, s, edger_dispersions(some, design, s), robust=robust)
        smaller = None if reduced is None else design[reduced]
        expected = quasi_likelihood.test(fit, [0, 1], reduced=smaller, lfc_threshold=threshold)
        table = run(small, method="ql", robust=robust, reduced=reduced, lfc_threshold=threshold)
        np.testing.assert_allclose(table.loc[kept, COLUMNS], expected[COLUMNS], rtol=1e-10)
    pd.testing.assert_frame_equal(run(small, method="ql"), tables["ql"])


def test_voom_is_what_its_steps_give(small, tables):
    some, design, kept, s = kept_counts(small)
    weighed = linear_models.voom(some, design, s)
    fit = linear_models.fit(weighed.values, design, weighed.weights)
    for robust, threshold in ((False, 0), (True, 0), (False, 0.5)):
        expected = linear_models.moderated_t_test(fit, "condition[B]", robust=robust, lfc_threshold=threshold)
        table = run(small, method="voom", robust=robust, lfc_threshold=threshold)
        np.testing.assert_allclose(table.loc[kept, COLUMNS], expected[COLUMNS], rtol=1e-10)
    pd.testing.assert_frame_equal(run(small, method="voom"), tables["voom"])


@both
def test_every_gene_has_a_row_that_says_what_became_of_it(small, tables, method):
    table = tables[method]
    _, _, kept, s = kept_counts(small)
    assert table.columns.tolist() == ["baseMean", *COLUMNS, "status"]
    assert table.index.equals(small.var_names)
    assert table["status"].iloc[7] == "all zero"
    assert (table["status"][kept] == "tested").all()
    assert (table["status"][~kept] == np.where(table["baseMean"][~kept] > 0, "filtered", "all zero")).all()
    assert table.loc[~kept, COLUMNS].isna().all(axis=None)
    assert table.loc[kept, COLUMNS].notna().all(axis=None)
    np.testing.assert_allclose(table["baseMean"], (small.X / s[:, None]).mean(axis=0))
    np.testing.assert_allclose(table.loc[kept, "padj"], glm.adjust(table.loc[kept, "pvalue"]))


@both
def test_the_methods_agree_where_counts_are_many(tables, method):
    wald, other = tables["wald"], tables[method]
    well = (wald["baseMean"] > 200) & (wald["status"] == "tested")
    assert well.sum() > 50
    off = (wald["log2FoldChange"] - other["log2FoldChange"])[well]
    assert off.abs().median() < 0.1
    assert stats.spearmanr(wald["pvalue"][well], other["pvalue"][well])[0] > 0.9


@both
@pytest.mark.parametrize(
    ("name", "formula", "contrast"),
    [
        ("pasilla_simulated", "~ type + condition", ("condition", "treated", "untreated")),
        ("airway_simulated", "~ celltype + dex", ("dex", "treated", "control")),
    ],
)
def test_bundled_sets_give_few_false_discoveries(method, name, formula, contrast):
    adata = datasets.load(name)
    table = run(adata, contrast, formula, method=method)
    effects = adata.var[f"log2_fold_change[{contrast[0]}={contrast[1]}]"]
    called = table["padj"] < 0.1
    assert called.sum() > 5
    assert (effects[called] == 0).sum() <= stats.binom.ppf(0.999, called.sum(), 0.1)


@both
def test_progress_names_the_steps(small, method, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    differential.test(small, "~ condition", AB, method=method, shrink="ash")
    shown = capsys.readouterr().err
    variation = {"ql": "dispersions", "voom": "weights"}[method]
    assert all(step in shown for step in ("genes", "size factors", variation, "regression", "shrinkage (7 of 7)"))


# --- what must not matter ---------------------------------------------------------------------------------------------


@both
def test_order_of_samples_and_genes_and_kind_of_table(small, tables, method):
    table = tables[method]
    order = np.random.default_rng(1).permutation(small.n_obs), np.random.default_rng(2).permutation(small.n_vars)
    shuffled = run(small[order[0], order[1]].copy(), method=method).loc[table.index]
    np.testing.assert_allclose(shuffled[COLUMNS], table[COLUMNS], rtol=1e-3, atol=1e-5)
    as_sparse = small.copy()
    as_sparse.X = sparse.csr_matrix(small.X.astype(np.float32))
    pd.testing.assert_frame_equal(run(as_sparse, method=method), table, rtol=1e-6)
    frame = pd.DataFrame(small.X, index=small.obs_names, columns=small.var_names)
    design = design_matrix(small.obs, "~ condition")
    pd.testing.assert_frame_equal(run(frame, design=design, method=method), table)


@both
def test_size_factors_of_one_s_own(small, tables, method):
    _, _, kept, tmm = kept_counts(small)
    pd.testing.assert_frame_equal(run(small, method=method, size_factors=tmm), tables[method])
    large = run(small, method=method, size_factors=7 * tmm)
    np.testing.assert_allclose(large["baseMean"], tables[method]["baseMean"] / 7)
    np.testing.assert_allclose(large.loc[kept, COLUMNS], tables[method].loc[kept, COLUMNS], rtol=1e-5, atol=1e-8)
    deeper = tmm * np.where(small.obs["condition"] == "B", 2, 1)
    shift = (
        run(small, method=method, size_factors=deeper)["log2FoldChange"] - tables[method]["log2FoldChange"]
    ).dropna()
    assert abs(shift.median() + 1) < 0.1
    with pytest.raises(InputError, match=r"sample '.*' has 0.0"):
        run(small, method=method, size_factors=np.where(np.arange(8) == 3, 0.0, 1.0))


def test_several_coefficients_at_once():
    adata = simulate.bulk_counts(["A"] * 3 + ["B"] * 3 + ["C"] * 3, 300, library_sizes=3e5, rng=1)
    table = run(adata, method="ql", reduced="~ 1")
    pd.testing.assert_frame_equal(run(adata, method="ql", reduced=["Intercept"]), table)
    other = run(adata, ("condition", "C", "A"), method="ql", reduced="~ 1")
    np.testing.assert_allclose(other["pvalue"], table["pvalue"], rtol=1e-8)  # the contrast only chooses the fold change
    assert not np.allclose(other["log2FoldChange"].dropna(), table["log2FoldChange"].dropna())
    ratio = run(adata, method="lrt", reduced="~ 1")
    known = table["pvalue"].notna() & ratio["pvalue"].notna()
    assert stats.spearmanr(table["pvalue"][known], ratio["pvalue"][known])[0] > 0.9


@both
def test_a_threshold_asks_for_more_and_robust_for_something_else(small, tables, method):
    table = tables[method]
    known = table["pvalue"].notna()
    stricter = run(small, method=method, lfc_threshold=0.5)
    assert (stricter["pvalue"] >= table["pvalue"])[known].all()
    assert (stricter["pvalue"] > 2 * table["pvalue"])[known].mean() > 0.2
    adata = small.copy()
    gene = int(np.argsort(small.X.sum(axis=0))[-40])
    adata.X[-1, gene] = 100 * small.X[:, gene].max()
    plain, robust = (run(adata, method=method, robust=robust) for robust in (False, True))
    assert robust["df"].iloc[gene] < plain["df"].iloc[gene]


# --- shrinkage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["wald", "ql", "voom"])
def test_ash_of_the_table(small, tables, method):
    table = run(small, method=method, shrink="ash")
    plain = tables[method]
    pd.testing.assert_frame_equal(table[plain.columns], plain)
    known = plain["lfcSE"].notna()
    df = None if method == "wald" else plain.loc[known, "df"].to_numpy()
    expected = ash(plain.loc[known, "log2FoldChange"], plain.loc[known, "lfcSE"], df=df)
    columns = [expected.posterior_mean, expected.posterior_sd, expected.lfsr, expected.svalue]
    np.testing.assert_allclose(table.loc[known, SHRUNKEN], np.column_stack(columns), rtol=1e-9, atol=1e-12)
    assert table.loc[~known, SHRUNKEN].isna().all(axis=None)
    assert (table["shrunken"].abs() <= plain["log2FoldChange"].abs())[known].mean() > 0.95


def test_ash_beside_a_likelihood_ratio(small, tables):
    table = run(small, method="lrt", reduced="~ 1", shrink="ash")
    expected = run(small, shrink="ash")
    pd.testing.assert_frame_equal(table[SHRUNKEN], expected[SHRUNKEN])


@pytest.mark.parametrize("settings", [{}, {"method": "lrt", "reduced": "~ 1"}])
def test_cauchy_of_the_fit(small, settings):
    adata = small.copy()
    adata.obs["condition"] = pd.Categorical(["A", "A", "B", "B"] * 2)
    table = run(adata, shrink="cauchy", **settings)
    design = design_matrix(adata.obs, "~ condition")
    s = normalization.size_factors(adata)
    fit = glm.fit(adata, design, s, dispersion.estimate(adata, design, s).final)
    expected = glm.cauchy_shrinkage(fit, "condition[B]")
    np.testing.assert_allclose(table["shrunken"], expected["log2FoldChange"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(table["shrunkenSE"], expected["lfcSE"], rtol=1e-6)
    np.testing.assert_allclose(table[["lfsr", "svalue"]], expected[["lfsr", "svalue"]], rtol=1e-6, atol=1e-12)
    turned = run(adata, ("condition", "A", "B"), shrink="cauchy", **settings)
    np.testing.assert_allclose(turned["shrunken"], -table["shrunken"], rtol=1e-6)


@pytest.mark.parametrize("shrink", ["ash", "cauchy"])
def test_a_gene_that_loses_its_counts_to_replacement_is_not_shrunken(shrink):
    adata = experiment(8)
    adata.X[:, 3] = 0
    adata.X[0, 3] = 5_000
    row = run(adata, shrink=shrink).iloc[3]
    assert row[["log2FoldChange", "lfcSE", "pvalue"]].tolist() == [0, 0, 1]
    assert row[SHRUNKEN].isna().all()


@needs_tables
@pytest.mark.parametrize("name", FORMULAS)
def test_the_settings_of_deseq2_give_its_numbers(name):
    """``lfcShrink(type="ashr")``; to genes without counts R gives the prior's mean and spread, and we nothing.

    Measured: 7e-5 on pasilla, 1.3e-4 on pickrell; 6e-3 on airway, whose prior variance DESeq2 finds by random numbers.
    """
    table = run(published(name), question(name, "default"), FORMULAS[name])
    known = table["lfcSE"] > 0
    effects, errors = table.loc[known, "log2FoldChange"], table.loc[known, "lfcSE"]
    result = ash(effects, errors, mixture="normal", point_mass=False, prior="uniform")
    theirs = their_table(name, "deseq2_lfcShrink_ashr").loc[effects.index]
    tolerance = 1e-2 if name == "airway" else 2e-4
    np.testing.assert_allclose(result.posterior_mean, theirs["log2FoldChange"], rtol=0, atol=tolerance)
    np.testing.assert_allclose(result.posterior_sd, theirs["lfcSE"], rtol=0, atol=tolerance)


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "vroom"}, "did you mean 'voom'"),
        ({"shrink": "ashr"}, "did you mean 'ash'"),
        ({"shrink": True}, "there is no shrinkage True; Known: ash, cauchy"),
        ({"method": "ql", "shrink": "cauchy"}, "shrink='ash', or method='wald'"),
        ({"method": "voom", "reduced": "~ 1"}, "goes with method='lrt' or 'ql'"),
        ({"method": "ql", "reduced": "~ 1", "lfc_threshold": 1}, "without reduced"),
        ({"robust": True}, "robust=True goes with method='ql' or 'voom'"),
        ({"design": "~ 0 + condition", "shrink": "cauchy"}, "one coefficient"),
    ],
)
def test_bad_settings(small, settings, message):
    with pytest.raises(InputError, match=message):
        run(small, **settings)


@both
def test_too_few_counts(method):
    adata = experiment()
    adata.X = np.random.default_rng(1).poisson(0.5, adata.shape)
    with pytest.raises(CountsError, match=r"0 of 500 genes have some 10 counts .* method='wald' looks at all genes"):
        run(adata, method=method)
    adata.X[:, :300] = 40
    adata.X[2, :300] = 0
    with pytest.raises(CountsError, match=r"sample 'sample3' has no count in the 300 genes that enough samples have"):
        run(adata, method=method)


@both
def test_one_sample_a_group(method):
    adata = simulate.bulk_counts(["A", "B"], 50, library_sizes=1e5, rng=1)
    with pytest.raises(InputError, match="no residual degree of freedom"):
        run(adata, method=method)
