"""From counts to a table: what is found where the truth is known, what must not matter, and what is refused."""

import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from scomics_lite import datasets, differential, dispersion, glm, normalization, simulate
from scomics_lite.design import design_matrix
from scomics_lite.validation import CountsError, InputError

AB = ("condition", "B", "A")
NUMBERS = ["log2FoldChange", "lfcSE", "stat", "pvalue"]


def experiment(n=5, genes=400, *, rng=3, **settings):
    return simulate.bulk_counts(["A"] * n + ["B"] * n, genes, library_sizes=1e3 * genes, rng=rng, **settings)


def run(adata, contrast=AB, design="~ condition", **settings):
    return differential.test(adata, design, contrast, progress=False, **settings)


@pytest.fixture(scope="module")
def small():
    return experiment()


@pytest.fixture(scope="module")
def small_table(small):
    return run(small)


# --- truth ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "formula", "contrast"),
    [
        ("pasilla_simulated", "~ type + condition", ("condition", "treated", "untreated")),
        ("airway_simulated", "~ celltype + dex", ("dex", "treated", "control")),
        ("pickrell_simulated", "~ gender", ("gender", "male", "female")),
    ],
)
def test_bundled_sets_give_few_false_discoveries(name, formula, contrast):
    adata = datasets.load(name)
    table = run(adata, contrast, formula)
    effects = adata.var[f"log2_fold_change[{contrast[0]}={contrast[1]}]"]
    called = table["padj"] < 0.1
    assert called.sum() > 5  # few of pickrell's 80 changed genes are expressed
    assert (effects[called] == 0).sum() <= stats.binom.ppf(0.999, called.sum(), 0.1)
    right = np.sign(table["log2FoldChange"]) == np.sign(effects)
    assert right[called & (effects != 0)].mean() > 0.97


@pytest.mark.parametrize("method", ["wald", "lrt"])
def test_pvalues_are_uniform_without_differences(method):
    adata = experiment(30, 3_000, changed_fraction=0, dispersion=0.1, rng=11)  # both tests are for large samples
    table = run(adata, method=method, reduced="~ 1" if method == "lrt" else None)
    pvalues = table.loc[table["baseMean"] > 20, "pvalue"].dropna()
    assert len(pvalues) > 2_000
    for level in (0.01, 0.05, 0.2, 0.5):
        error = np.sqrt(level * (1 - level) / len(pvalues))
        assert abs((pvalues < level).mean() - level) < 3.5 * error
    assert (table["padj"] < 0.1).sum() <= 2


def test_large_effects_are_found_and_their_size_is_right():
    adata = experiment(6, 600, log2_fold_change=3, rng=5)
    table = run(adata)
    effects = adata.var["log2_fold_change[condition=B]"]
    strong = (effects != 0) & (table["baseMean"] > 50)
    assert (table.loc[strong, "padj"] < 0.1).mean() > 0.95
    assert (table["log2FoldChange"] - effects)[strong].abs().median() < 0.4


# --- the steps --------------------------------------------------------------------------------------------------------


def test_is_what_its_steps_give_with_plain_arrays(small, small_table):
    design = design_matrix(small.obs, "~ condition").to_numpy()
    s = normalization.size_factors(small.X)
    fit = glm.fit(small.X, design, s, dispersion.estimate(small.X, design, s).final)
    expected = glm.wald_test(fit, [0, 1])
    kept = ~glm.flag_outliers(fit)
    np.testing.assert_allclose(small_table["log2FoldChange"], expected["log2FoldChange"], rtol=1e-12)
    np.testing.assert_allclose(small_table["pvalue"][kept], expected["pvalue"][kept], rtol=1e-12)
    assert small_table["pvalue"][~kept].isna().all()


def test_likelihood_ratio_by_formula_and_by_columns(small, small_table):
    by_formula = run(small, method="lrt", reduced="~ 1")
    by_columns = run(small, method="lrt", reduced=["Intercept"])
    pd.testing.assert_frame_equal(by_formula, by_columns)
    np.testing.assert_allclose(by_formula["log2FoldChange"], small_table["log2FoldChange"])
    both = small_table["pvalue"].notna() & (small_table["baseMean"] > 10)
    assert stats.spearmanr(by_formula["pvalue"][both], small_table["pvalue"][both])[0] > 0.99


def test_a_threshold_asks_for_more(small, small_table):
    table = run(small, lfc_threshold=0.5)
    known = table["pvalue"].notna()
    assert (table["pvalue"] >= small_table["pvalue"])[known].all()
    assert (table["padj"] < 0.1).sum() < (small_table["padj"] < 0.1).sum()


def test_progress_names_the_steps_and_can_be_off(small, capsys, monkeypatch):
    differential.test(small, "~ condition", AB)
    assert capsys.readouterr().err == ""  # a log file is no place for bars
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    run(small)
    assert capsys.readouterr().err == ""
    differential.test(small, "~ condition", AB)
    shown = capsys.readouterr().err
    assert all(step in shown for step in ("size factors", "dispersions", "regression", "outliers", "test (6 of 6)"))


# --- what must not matter ---------------------------------------------------------------------------------------------


def test_order_of_samples_and_genes_and_kind_of_table(small, small_table):
    order = np.random.default_rng(1).permutation(small.n_obs), np.random.default_rng(2).permutation(small.n_vars)
    shuffled = run(small[order[0], order[1]].copy()).loc[small_table.index]
    np.testing.assert_allclose(shuffled[NUMBERS], small_table[NUMBERS], rtol=1e-4, atol=1e-6)
    as_sparse = small.copy()
    as_sparse.X = sparse.csr_matrix(small.X.astype(np.float32))
    pd.testing.assert_frame_equal(run(as_sparse), small_table, rtol=1e-6)
    layered = anndata.AnnData(np.log1p(small.X), obs=small.obs, var=small.var, layers={"counts": small.X})
    pd.testing.assert_frame_equal(run(layered, layer="counts"), small_table)
    frame = pd.DataFrame(small.X, index=small.obs_names, columns=small.var_names)
    pd.testing.assert_frame_equal(run(frame, design=design_matrix(small.obs, "~ condition")), small_table)


def test_size_factors_of_one_s_own(small, small_table):
    theirs = pd.Series(normalization.size_factors(small), index=small.obs_names)
    pd.testing.assert_frame_equal(run(small, size_factors=theirs), small_table)
    large = run(small, size_factors=3 * theirs)
    np.testing.assert_allclose(large["baseMean"], small_table["baseMean"] / 3)
    np.testing.assert_allclose(large["log2FoldChange"], small_table["log2FoldChange"], rtol=0.01, atol=0.01)
    for scale in (1e7, 1e-2):
        with pytest.raises(InputError, match=r"geometric mean .* divide the size factors by it"):
            run(small, size_factors=scale * theirs)
    other = run(small, size_factors=small.obs["size_factor"].to_numpy() * np.where(small.obs["condition"] == "B", 2, 1))
    shift = (other["log2FoldChange"] - small_table["log2FoldChange"]).dropna()
    assert abs(shift.median() + 1) < 0.1  # B counted twice as deep: half the fold change
    with pytest.raises(InputError, match=r"sample '.*' has 0.0"):
        run(small, size_factors=np.where(np.arange(small.n_obs) == 3, 0.0, 1.0))
    with pytest.raises(InputError, match="order"):
        run(small, size_factors=theirs[::-1])
    with pytest.raises(InputError, match="10 samples need as many size factors"):
        run(small, size_factors=[1.0, 2.0])
    with pytest.raises(InputError, match=r"size_factors\(adata, 'poscounts'\)"):
        run(small, size_factors="poscounts")


def test_sparse_counts_by_other_size_factors():
    """No gene is counted in all samples: the median of ratios does not exist, and the message has the way out."""
    adata = simulate.bulk_counts(["A"] * 20 + ["B"] * 20, 2_000, library_sizes=2_000, dispersion=2.0, rng=3)
    with pytest.raises(CountsError, match=r"normalization.size_factors\(adata, 'poscounts'\)"):
        run(adata)
    table = run(adata, size_factors=normalization.size_factors(adata, "poscounts"))
    assert set(table["status"]) <= {"tested", "filtered", "all zero"}


def test_a_warning_comes_once_and_points_at_the_user_s_line(small):
    adata = small.copy()
    adata.obs["year"] = [2019, 2020, 2021, 2022, 2023] * 2
    for call in (
        lambda: run(adata, design="~ year + condition", method="lrt", reduced="~ year"),
        lambda: glm.fit(adata, design_matrix(adata.obs, "~ year"), np.ones(10), 0.1),
        lambda: dispersion.estimate(adata, design_matrix(adata.obs, "~ year + condition"), np.ones(10)),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
        assert [str(warning.message).split(" ")[:2] for warning in caught] == [["column", "'year'"]] * 2
        assert {warning.filename for warning in caught} == {__file__}
        assert "C(year)" in str(caught[0].message)
        assert "centre it" in str(caught[1].message)


def test_the_input_stays_as_it_is(small):
    before = small.copy()
    run(small)
    assert np.array_equal(small.X, before.X)
    pd.testing.assert_frame_equal(small.obs, before.obs)


def test_the_other_direction_turns_the_signs(small, small_table):
    turned = run(small, ("condition", "A", "B"))
    np.testing.assert_allclose(turned["log2FoldChange"], -small_table["log2FoldChange"])
    np.testing.assert_allclose(turned["pvalue"], small_table["pvalue"])
    no_intercept = run(small, design="~ 0 + condition")
    np.testing.assert_allclose(no_intercept["log2FoldChange"], small_table["log2FoldChange"], atol=2e-3)


# --- genes out of the ordinary ----------------------------------------------------------------------------------------


def test_every_gene_has_a_row_that_says_what_became_of_it():
    adata = experiment(5)
    adata.X[:, 7] = 0
    table = run(adata)
    assert table.index.equals(adata.var_names)
    assert table["status"].iloc[7] == "all zero"
    assert table[NUMBERS].iloc[7].isna().all()
    assert table["baseMean"].iloc[7] == 0
    assert set(table["status"]) <= {"tested", "filtered", "outlier", "all zero"}
    assert (table["padj"].notna() == (table["status"] == "tested")).all()
    assert (table["pvalue"].notna() == table["status"].isin(["tested", "filtered"])).all()


def test_one_huge_count_is_flagged_among_few_replicates():
    adata = experiment(4)
    gene = int(np.argsort(adata.X.sum(axis=0))[-40])
    adata.X[-1, gene] = 100 * adata.X[:, gene].max()
    row = run(adata).iloc[gene]
    assert row["status"] == "outlier"
    assert np.isnan(row["pvalue"])
    assert np.isfinite(row["log2FoldChange"])


@pytest.mark.parametrize("as_sparse", [False, True])
def test_one_huge_count_is_replaced_among_many_replicates(as_sparse):
    clean = experiment(8, changed_fraction=0)
    gene = int(np.argsort(clean.X.sum(axis=0))[-40])
    adata = clean.copy()
    adata.X[-1, gene] = 100 * adata.X[:, gene].max()
    if as_sparse:
        adata.X = sparse.csr_matrix(adata.X)
    row, before = run(adata).iloc[gene], run(clean).iloc[gene]
    assert row["status"] == "tested"
    assert abs(row["log2FoldChange"] - before["log2FoldChange"]) < 0.5
    assert row["baseMean"] < 1.5 * before["baseMean"]
    assert row["pvalue"] > 0.01


@pytest.mark.parametrize("kind", [np.float32, np.int8, np.uint16, np.uint64])
def test_no_number_of_counts_is_lost_to_a_small_type(kind):
    adata = experiment(8)
    adata.X = np.minimum(adata.X, 100)
    adata.X[:, 7], adata.X[0, 7] = 2, 127  # an outlier, which is replaced
    narrow = adata.copy()
    narrow.X = adata.X.astype(kind)
    pd.testing.assert_frame_equal(run(narrow), run(adata), rtol=1e-9)


def test_counts_of_a_billion_and_size_factors_far_apart():
    adata = experiment(5)
    rates, sizes = adata.X * 1e4, 10 ** np.random.default_rng(1).uniform(-1.5, 1.5, 10)
    adata.X = np.random.default_rng(2).poisson(rates * sizes[:, None])
    assert adata.X.max() > 1e9
    table = run(adata)
    assert (table["status"] == "tested").mean() > 0.98
    factors = normalization.size_factors(adata)
    assert np.ptp(np.log(factors)) > np.log(300)
    effects = adata.var["log2_fold_change[condition=B]"]
    assert (table["log2FoldChange"] - effects).abs().median() < 0.3


@pytest.mark.parametrize("n", [2, 3, 7])
@pytest.mark.parametrize("count", [1, 1_000, 10**9])
def test_a_gene_of_one_group_alone_has_a_fold_change_and_an_error(n, count):
    adata = experiment(n, 300)
    adata.X[:, 7], adata.X[:n, 7] = 0, count + np.arange(n)
    row = run(adata).iloc[7]
    assert row["status"] in ("tested", "filtered")
    assert row["log2FoldChange"] < -1
    assert 0 < row["lfcSE"] < 10
    assert (row["pvalue"] < 1e-6) == (count > 1)


def test_a_gene_with_one_count_only_is_emptied_and_not_different():
    adata = experiment(8)
    adata.X[:, 3] = 0
    adata.X[0, 3] = 5_000
    row = run(adata).iloc[3]
    assert row[["baseMean", *NUMBERS]].tolist() == [0, 0, 0, 0, 1]


def test_groups_of_different_size_are_flagged_where_nothing_is_replaced():
    adata = simulate.bulk_counts(["A"] * 8 + ["B"] * 4, 400, library_sizes=4e5, rng=3)
    ranked = np.argsort(adata.X.sum(axis=0))
    large, few = int(ranked[-40]), int(ranked[-41])
    adata.X[0, large] = 100 * adata.X[:, large].max()  # of eight: replaced
    adata.X[-1, few] = 100 * adata.X[:, few].max()  # of four: flagged
    table = run(adata)
    assert table["status"].iloc[large] == "tested"
    assert table["status"].iloc[few] == "outlier"


def test_fits_that_did_not_converge_say_so(small, monkeypatch):
    honest = glm.fit

    def failing(*args, **settings):
        fit = honest(*args, **settings)
        fit.status[5] = "not converged"
        return fit

    monkeypatch.setattr(glm, "fit", failing)
    table = run(small)
    assert table["status"].iloc[5] == "not converged"
    assert table[NUMBERS].iloc[5].isna().all()


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "walt"}, "did you mean 'wald'"),
        ({"method": "edger"}, "Known: lrt, ql"),
        ({"method": "lrt"}, "reduced="),
        ({"reduced": "~ 1"}, "method='wald' takes no smaller model"),
        ({"lfc_threshold": -1}, "lfc_threshold"),
        ({"method": "lrt", "reduced": "~ 1", "lfc_threshold": 1}, "lfc_threshold goes with"),
        ({"alpha": 5}, "between 0 and 1"),
        ({"alpha": "0.1"}, "between 0 and 1; got '0.1'"),
        ({"lfc_threshold": "1"}, "lfc_threshold is a size in log2, 0 or more; got '1'"),
        ({"method": "lrt", "reduced": 1}, "reduced is a formula, or the names of the columns it keeps; got 1"),
        ({"design": ["condition"]}, r"a design is a formula, .* got \['condition'\]"),
        ({"design": {"a": 1}}, "a design is a formula"),
        ({"design": "~ condition + (1 | library_size)"}, "no random effects"),
        ({"method": "lrt", "reduced": ["Intercep"]}, "did you mean 'Intercept'"),
        ({"method": "lrt", "reduced": []}, "~ 1"),
        ({"method": "lrt", "reduced": "~ condition"}, "the same models"),
        ({"design": "~ conditoin"}, "did you mean 'condition'"),
        ({"design": "~ condition + library_size + size_factor + np.log(library_size) + I(2 * library_size)"}, "rank"),
        ({"contrast": ("condition", "C", "A")}, "no level 'C'"),
        ({"layer": "counts"}, "no layer 'counts'"),
        (
            {"design": "~ size_factor", "contrast": ("size_factor", 1, 0)},
            r"is its slope; C\(size_factor\) in the formula",
        ),
    ],
)
def test_bad_settings(small, settings, message):
    with pytest.raises(InputError, match=message):
        run(small, **settings)


def test_tables_that_are_no_design(small):
    with pytest.raises(InputError, match="'~ condition'"):
        run(small, design=small.obs)
    design = design_matrix(small.obs, "~ condition")
    with pytest.raises(InputError, match="order"):
        run(small, design=design[::-1])
    with pytest.raises(InputError, match="as many rows"):
        run(small, design=design.iloc[:-1])
    with pytest.raises(InputError, match="no obs"):
        run(small.X)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([2.0, 3] * 4 + [4, np.nan], "1 of 10 samples have no value in column 'x'"),
        (["u", "v"] * 4 + ["u", None], "1 of 10 samples have no value in column 'x'"),
        (pd.array([1, 2] * 4 + [5, None], dtype="Int64"), "1 of 10 samples have no value in column 'x'"),
        ([2.0, 3] * 4 + [4, np.inf], "'x' of the design is inf for sample"),
        (pd.Categorical(["u", "v"] * 5, ["u", "v", "w"]), "no sample has level 'w' of 'x'"),
        (["u"] * 10, "one level only, 'u'"),
        (list("abcdefghij"), "x has a level for every sample"),
        (pd.date_range("2026-01-01", periods=10), "x has a level for every sample"),
        ([["u"], ["v"]] * 5, r"column 'x' holds a list, \['u'\]"),
        ([1j, 2] * 5, "column 'x' holds a complex, 1j"),
    ],
)
def test_covariates_that_cannot_be_used(small, column, message):
    adata = small.copy()
    adata.obs["x"] = column
    with pytest.raises(InputError, match=message):
        run(adata, design="~ x + condition")


@pytest.mark.parametrize(
    "column",
    [
        [False, True] * 5,
        pd.array([False, True] * 5, dtype="boolean"),
        pd.array(["u", "v"] * 5, dtype="string"),
        pd.to_datetime(["2026-01-01", "2026-01-02"] * 5),
        ["u", 1] * 5,
        pd.Categorical([1.5, 2.5] * 5),
    ],
    ids=lambda column: str(getattr(column, "dtype", type(column[0]).__name__)),
)
def test_every_kind_of_factor_gives_the_same(small, column):
    adata, plain = small.copy(), small.copy()
    adata.obs["x"], plain.obs["x"] = column, ["p", "q"] * 5
    table, expected = run(adata, design="~ x + condition"), run(plain, design="~ x + condition")
    np.testing.assert_allclose(table["pvalue"], expected["pvalue"], rtol=1e-3)  # "1" comes before "u", but after "p"


def test_counts_that_are_none(small):
    logged = small.copy()
    logged.X = np.log1p(small.X)
    with pytest.raises(CountsError, match="log-transformed"):
        run(logged)


@pytest.mark.parametrize("groups", [["A", "B"], ["A", "B", "C"]])
def test_one_sample_a_group(groups):
    adata = simulate.bulk_counts(groups, 50, library_sizes=1e5, rng=1)
    with pytest.raises(InputError, match="no residual degree of freedom"):
        run(adata)


def test_two_samples_can_still_be_asked_for_their_mean():
    adata = simulate.bulk_counts(["A", "A"], 400, library_sizes=4e5, rng=1)
    table = run(adata, [1], "~ 1")
    seen = table["baseMean"] > 1
    np.testing.assert_allclose(table["log2FoldChange"][seen], np.log2(table["baseMean"][seen]), atol=0.3)


def test_no_gene_in_all_samples():
    adata = anndata.AnnData(np.eye(6, dtype=int) + np.eye(6, k=1, dtype=int))
    adata.obs["condition"] = list("AAABBB")
    with pytest.raises(CountsError, match="pseudobulk"):
        run(adata)


def test_designs_of_other_samples_are_told_of_their_rows_first():
    adata = experiment(2)
    design = pd.DataFrame({"Intercept": 1.0, "B": [0, 0, 1], "x": [1, 2, 5]}, adata.obs_names[:3])
    for short in (design, design.to_numpy()):
        with pytest.raises(InputError, match="a design for 4 samples has as many rows; got 3"):
            run(adata, [0, 1, 0], short)
