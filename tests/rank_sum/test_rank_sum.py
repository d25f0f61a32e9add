"""Rank sums of all genes at once: against scipy, and what is read, refused, said and reported."""

import re
import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

import scomics_lite
from scomics_lite import differential, normalization, rank_sum
from scomics_lite.validation import CountsError, InputError


def cells(n=80, letters="abc", rng=1):
    """Counts of 40 genes with few and many zeros, in groups of which "b" has more of every fourth gene."""
    rng = np.random.default_rng(rng)
    group = rng.permutation(np.resize(list(letters), n))
    mean = rng.lognormal(0, 1.5, 40) * np.where((np.arange(40) % 4 == 0) & (group[:, None] == "b"), 4, 1)
    obs = pd.DataFrame({"group": pd.Categorical(group)}, index=[f"c{i}" for i in range(n)])
    var = pd.DataFrame(index=[f"g{i}" for i in range(40)])
    counts = rng.negative_binomial(0.7, 0.7 / (0.7 + mean)).astype(float)
    counts[:, 0] += 1  # no cell is without a count, and one gene without zeros
    return anndata.AnnData(counts, obs=obs, var=var)


def logged(adata):
    """Give the logarithms that scanpy.pp.normalize_total and log1p make."""
    adata = adata.copy()
    adata.X = np.log1p(adata.X / adata.X.sum(axis=1, keepdims=True) * 1e4)
    adata.uns["log1p"] = {"base": None}
    return adata


# --- against scipy ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("continuity", [True, False])
@pytest.mark.parametrize("reference", ["rest", "a"])
def test_all_genes_at_once_are_what_scipy_gives_one_by_one(continuity, reference):
    adata = logged(cells())
    table = rank_sum.test(adata, "group", reference=reference, continuity=continuity)
    assert table.index.get_level_values("group").unique().tolist() == ["a", "b", "c"][reference == "a" :]
    for group in table.index.levels[0]:
        inside = (adata.obs["group"] == group).to_numpy()
        outside = ~inside if reference == "rest" else (adata.obs["group"] == reference).to_numpy()
        values = adata.X.round(12)  # what differs by rounding alone is equal
        settings = {"use_continuity": continuity, "method": "asymptotic", "axis": 0}
        found = stats.mannwhitneyu(values[inside], values[outside], **settings)
        ours = table.loc[group]
        np.testing.assert_allclose(ours["auc"], found.statistic / inside.sum() / outside.sum(), rtol=1e-12)
        np.testing.assert_allclose(ours["pvalue"], found.pvalue, rtol=1e-12)
        assert (np.sign(ours["stat"]) == np.sign(ours["auc"] - 0.5))[ours["stat"] != 0].all()


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_array, lambda x: x.astype(np.float32)])
def test_sparse_and_single_precision_give_the_same(form, monkeypatch):
    adata = logged(cells())
    expected = rank_sum.test(adata, "group")
    adata.X = form(adata.X)
    pd.testing.assert_frame_equal(rank_sum.test(adata, "group"), expected, rtol=1e-6, atol=1e-6)
    monkeypatch.setattr(rank_sum, "ENTRIES", 7 * adata.n_obs)  # genes in blocks of seven
    pd.testing.assert_frame_equal(rank_sum.test(adata, "group"), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_counts_with_size_factors_give_what_their_logarithms_give(form):
    adata = cells()
    expected = rank_sum.test(logged(adata), "group")
    adata.X = form(adata.X)
    s = np.asarray(adata.X.sum(axis=1)).ravel() / 1e4
    pd.testing.assert_frame_equal(rank_sum.test(adata, "group", size_factors=s), expected, rtol=1e-9)


def test_arrays_with_labels_and_more_than_127_groups():
    rng = np.random.default_rng(3)
    values, labels = np.log1p(rng.poisson(1, (600, 5)) / 3), np.arange(600) % 200
    table = rank_sum.test(values, labels, groups=[150])
    found = stats.mannwhitneyu(values[labels == 150], values[labels != 150], method="asymptotic")
    np.testing.assert_allclose(table.loc[150, "pvalue"], found.pvalue, rtol=1e-12)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_equal_shares_are_equal_whatever_the_rounding(kind):
    near = kind(1 / 3)
    values = np.resize([near, np.nextafter(near, kind(1))], (120, 1))
    assert len(np.unique(values)) == 2
    assert rank_sum.test(values, np.resize(list("ab"), 120))["status"].eq("constant").all()


def test_equal_groups_have_even_p_values_for_sparse_genes_too():
    rng = np.random.default_rng(11)
    values = np.log1p(rng.poisson(0.1, (400, 3000)) / rng.lognormal(0, 0.3, 400)[:, None])
    table = rank_sum.test(values, np.resize(list("ab"), 400), groups=["a"], continuity=False)
    for level in (0.01, 0.05, 0.2):
        assert stats.binomtest(int((table["pvalue"] < level).sum()), 3000, level).pvalue > 0.01


# --- what the table holds ---------------------------------------------------------------------------------------------


def test_fold_changes_are_of_means_and_auc_is_the_share_of_pairs():
    adata = logged(cells())
    inside = (adata.obs["group"] == "b").to_numpy()
    abundances = np.expm1(adata.X)
    table = rank_sum.test(adata, "group").loc["b"]
    ratio = abundances[inside].mean(axis=0) / abundances[~inside].mean(axis=0)
    np.testing.assert_allclose(table["log2FoldChange"], np.log2(ratio), rtol=1e-12)
    np.testing.assert_allclose(table["baseMean"], abundances.mean(axis=0), rtol=1e-12)
    pairs = adata.X[inside][:, None] - adata.X[~inside][None]
    np.testing.assert_allclose(table["auc"], ((pairs > 0) + (pairs == 0) / 2).mean(axis=(0, 1)), rtol=1e-12)
    pd.testing.assert_series_equal(table["padj"], rank_sum.adjust(table["pvalue"]), check_names=False)


def test_the_base_of_the_logarithms_is_asked_for_or_read_and_changes_nothing_else():
    adata = logged(cells())
    expected = rank_sum.test(adata, "group")
    adata.X = adata.X / np.log(2)
    pd.testing.assert_frame_equal(rank_sum.test(adata, "group", log_base=2), expected, rtol=1e-9)
    adata.uns["log1p"] = {"base": 2}
    pd.testing.assert_frame_equal(rank_sum.test(adata, "group"), expected, rtol=1e-9)


def test_genes_without_an_answer_say_why_and_the_others_do_not_pay_for_them():
    values = np.log1p(np.array([[0, 1, 3, 0], [0, 1, 1, 0], [0, 1, 2, 0], [0, 1, 0, 5]]) / 2)
    table = rank_sum.test(values, list("aabb"), groups=["b"]).loc["b"]
    assert table["status"].tolist() == ["all zero", "constant", "tested", "tested"]
    assert table["pvalue"].isna().tolist() == [True, True, False, False]
    assert table["auc"].tolist()[:2] == [0.5, 0.5]
    assert np.isnan(table["log2FoldChange"][0])
    assert table["log2FoldChange"][1] == 0
    assert table["log2FoldChange"][3] == np.inf
    np.testing.assert_allclose(table["padj"][2:], rank_sum.adjust(table["pvalue"][2:]))


def test_the_table_says_how_it_was_made():
    said = rank_sum.test(logged(cells()), "group", reference="a", continuity=False).attrs
    assert (said["method"], said["reference"], said["continuity"]) == ("rank sum", "a", False)


# --- what is read and refused -----------------------------------------------------------------------------------------


def test_raw_counts_are_sent_to_size_factors_and_that_works():
    adata = cells()
    with pytest.raises(InputError, match="X holds whole numbers, raw counts") as caught:
        rank_sum.test(adata, "group")
    advised = re.search(r"size_factors=(scomics_lite\S+ 'total'\))", str(caught.value))[1]
    s = eval(advised, {"scomics_lite": scomics_lite, "adata": adata})
    assert (rank_sum.test(adata, "group", size_factors=s)["status"] == "tested").all()
    adata.layers["raw"], adata.X = adata.X, logged(adata).X
    with pytest.raises(InputError, match="layer 'raw' holds whole numbers"):
        rank_sum.test(adata, "group", layer="raw")


def test_values_that_are_no_logarithms_are_refused():
    adata = logged(cells())
    scaled, large, lost = adata.copy(), adata.copy(), adata.copy()
    scaled.X = scaled.X - scaled.X.mean(axis=0)
    with pytest.raises(InputError, match=r"logarithms of 1 [+] y / s are 0 or more; cell 'c.*take them from before"):
        rank_sum.test(scaled, "group")
    scaled.raw = adata
    with pytest.raises(InputError, match=r"take them from before, adata\.raw\.to_adata\(\) perhaps"):
        rank_sum.test(scaled, "group")
    large.X = np.expm1(large.X)
    with pytest.raises(InputError, match=r"which is no logarithm: .* np.log1p"):
        rank_sum.test(large, "group")
    large.X = np.log1p(large.X)  # as the message says
    pd.testing.assert_frame_equal(rank_sum.test(large, "group"), rank_sum.test(adata, "group"), rtol=1e-9)
    lost.X[2, 3] = np.nan
    with pytest.raises(InputError, match="cell 'c2' has nan for gene 'g3'"):
        rank_sum.test(lost, "group")
    lost.X = sparse.csr_matrix(lost.X)
    with pytest.raises(InputError, match="cell 'c2' has nan for gene 'g3'"):
        rank_sum.test(lost, "group")
    with pytest.raises(CountsError, match="log-transformed"):
        rank_sum.test(adata, "group", size_factors=np.ones(80))
    with pytest.raises(InputError, match="give one of the two"):
        rank_sum.test(adata, "group", size_factors=np.ones(80), log_base=2)
    with pytest.raises(InputError, match="log_base is a number above 1"):
        rank_sum.test(adata, "group", log_base="e")


def test_groups_that_are_not_there_are_refused():
    adata = logged(cells())
    for wrong, match in [
        ({"groups": ["d"]}, "there is no group 'd'; "),
        ({"reference": "A"}, "did you mean 'a'"),
        ({"groups": ["a"], "reference": "a"}, "'a' is the reference"),
        ({"groups": ["a", "a"]}, "names one twice"),
        ({"groupby": "groop"}, "did you mean 'group'"),
        ({"groupby": ["a"]}, "80 rows need as many groups; got 1"),
        ({"groupby": ["a"] * 80}, "all cells are of the group 'a'"),
        ({"groupby": ["a", "rest"] * 40}, "a group is called 'rest'"),
        ({"groupby": adata.obs["group"][::-1]}, "the names of the groups are not those of the counts"),
    ]:
        with pytest.raises(InputError, match=match):
            rank_sum.test(**{"adata": adata, "groupby": "group"} | wrong)
    with pytest.raises(InputError, match="give a label for every row"):
        rank_sum.test(adata.X, "group")


def test_cells_without_a_group_are_named_and_can_be_left_out():
    adata = logged(cells())
    adata.obs.loc["c7", "group"] = np.nan
    with pytest.raises(InputError, match="1 of 80 rows has no value among the groups, the first is 'c7'") as caught:
        rank_sum.test(adata, "group")
    rest = eval(re.search(r"out: (.*)$", str(caught.value))[1])
    assert len(rank_sum.test(rest, "group")) == 3 * 40


# --- donors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["counts", "logarithms", "both"])
def test_cells_of_donors_are_warned_of_and_the_way_out_works(kind):
    adata = cells()
    adata.obs["donor"] = np.resize(list("xyzw"), 80)
    settings = {}
    if kind == "counts":
        settings = {"size_factors": normalization.size_factors(adata, "total")}
    raw = adata.copy()
    if kind != "counts":
        adata = logged(adata)
    if kind == "both":
        adata.layers["counts"] = raw.X
    with pytest.warns(UserWarning, match="cells of one donor are no replicates, .* these 80 cells are of 4") as caught:
        rank_sum.test(adata, "group", **settings)
    call = re.search(r"sums = (.*)$", str(caught[0].message))[1]
    known = {"scomics_lite": scomics_lite, "adata": raw if kind == "logarithms" else adata}
    sums = eval(call, known)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = differential.test(sums, "~ group", ("group", "b", "a"), method="voom", progress=False)
    assert sums.n_obs == 12
    assert (table["padj"] < 0.1).any()
