"""Sums of cells: of which cells, by which columns, what is left out, and that it is said."""

import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scomics_lite import datasets, differential
from scomics_lite.validation import CountsError, InputError


def cells(kind=np.asarray):
    obs = pd.DataFrame(
        {
            "donor": pd.Categorical(["d2", "d1", "d1", "d2", "d1"], ["d2", "d1", "d3"]),
            "type": ["B", "T", "B", "B", "T"],
            "drug": pd.Categorical(["yes", "no", "no", "yes", "no"], ["no", "yes", "maybe"]),
            "reads": [1, 2, 3, 4, 5],
        },
        index=list("vwxyz"),
    )
    matrix = kind(np.array([[200, 0, 1], [1, 0, 0], [0, 2, 0], [100, 5, 0], [7, 0, 0]], dtype=np.uint8))
    return anndata.AnnData(matrix, obs=obs, var=pd.DataFrame({"symbol": list("abc")}, index=["g1", "g2", "g3"]))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_sums_by_sample(kind):
    with pytest.warns(UserWarning, match="cells with different 'type'"):
        sums = differential.pseudobulk(cells(kind), "donor")
    assert sums.obs_names.tolist() == ["d2", "d1"]  # the order of the categories
    assert sums.X.tolist() == [[300, 5, 1], [8, 2, 0]]  # more than an 8-bit integer holds
    assert sums.X.dtype == np.int64
    assert sums.obs.columns.tolist() == ["donor", "drug", "n_cells"]
    assert sums.obs["n_cells"].tolist() == [2, 3]
    assert sums.obs["drug"].tolist() == ["yes", "no"]
    assert sums.obs["drug"].cat.categories.tolist() == ["no", "yes"]  # as a design wants it
    assert sums.var["symbol"].tolist() == ["a", "b", "c"]


def test_sums_by_sample_and_group():
    sums = differential.pseudobulk(cells(), "donor", "type")
    assert sums.obs_names.tolist() == ["d2_B", "d1_B", "d1_T"]
    assert sums.obs["n_cells"].tolist() == [2, 1, 2]
    assert sums.X.tolist() == [[300, 5, 1], [0, 2, 0], [8, 0, 0]]


def test_sums_of_a_layer():
    adata = cells()
    adata.layers["counts"] = adata.X.copy()
    adata.X = adata.X / 3
    assert differential.pseudobulk(adata, "donor", "type", layer="counts").X.sum() == 316


def untyped():
    """Cells without the labels that differ within a donor."""
    adata = cells()
    del adata.obs["type"]
    return adata


def test_gaps_that_all_cells_of_a_sample_share_stay():
    adata = untyped()
    adata.obs["age"] = [30.0, np.nan, np.nan, 30.0, np.nan]
    adata.obs["part"] = [30.0, np.nan, 1.0, 30.0, np.nan]
    obs = differential.pseudobulk(adata, "donor").obs
    assert "age" in obs
    assert "part" not in obs


def test_columns_of_lists_are_no_labels_and_do_not_stay():
    adata = untyped()
    adata.obs["tags"] = [["a"], ["b"], ["b"], ["a"], ["b"]]
    assert "tags" not in differential.pseudobulk(adata, "donor").obs
    with pytest.raises(InputError, match=r"column 'tags' holds a list, \['a'\]; every row needs one label"):
        differential.pseudobulk(adata, "tags")


def test_pseudobulk_of_a_bundled_set_can_be_tested():
    adata = datasets.load("kang_muscat_simulated")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sums = differential.pseudobulk(adata, "sample_id", "cluster_id")
    assert sums.X.sum() == adata.X.sum()
    assert sums.obs["n_cells"].sum() == adata.n_obs
    assert {"group_id", "donor"} <= set(sums.obs)
    with pytest.warns(UserWarning, match="cells with different 'cluster_id' are summed"):
        sums = differential.pseudobulk(adata, "sample_id")
    table = differential.test(sums, "~ donor + group_id", ("group_id", "stim", "ctrl"), progress=False)
    assert (table["status"] == "tested").sum() > 100


# --- several columns --------------------------------------------------------------------------------------------------


def crossed(n=3):
    """Two donors, each with and without a drug, two types of cells."""
    obs = pd.DataFrame(
        [(d, t, c) for d in ("d1", "d2") for t in ("ctrl", "stim") for c in ("B", "T") for _ in range(n)],
        columns=["donor", "drug", "type"],
    ).astype("category")
    counts = np.random.default_rng(1).poisson(3, (len(obs), 5))
    return anndata.AnnData(counts.astype(float), obs=obs.set_index(obs.index.map("c{}".format)))


@pytest.mark.parametrize("kind", [list, tuple, pd.Index])
def test_a_sample_may_be_several_columns(kind):
    adata = crossed()
    sums = differential.pseudobulk(adata, kind(["donor", "drug"]), "type")
    by_hand = pd.DataFrame(adata.X).groupby([adata.obs[c].to_numpy() for c in ("donor", "drug", "type")]).sum()
    assert sums.obs_names.tolist() == ["_".join(names) for names in by_hand.index]
    np.testing.assert_array_equal(sums.X, by_hand)
    assert sums.obs.columns.tolist() == ["donor", "drug", "type", "n_cells"]
    assert sums.uns["pseudobulk"] == {"summed_by": ["donor", "drug", "type"], "left_out": [], "pooled": []}
    other = differential.pseudobulk(adata, "donor", ["drug", "type"])
    pd.testing.assert_frame_equal(sums.obs, other.obs)


def test_a_condition_that_is_summed_over_is_named_with_the_way_to_keep_it():
    adata = crossed()
    with pytest.warns(UserWarning, match="different 'drug' are summed into one row, 'd1_B' for example of ctrl, stim"):
        sums = differential.pseudobulk(adata, "donor", "type")
    assert "drug" not in sums.obs
    assert sums.uns["pseudobulk"]["pooled"] == ["drug"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = differential.pseudobulk(adata, ["donor", "drug"], "type")  # as the message says
    assert "drug" in kept.obs


def test_numbers_and_names_of_cells_are_no_loss_to_speak_of():
    adata = crossed()
    adata.obs["reads"] = np.arange(24)
    adata.obs["barcode"] = [f"AAC{i}" for i in range(24)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sums = differential.pseudobulk(adata, ["donor", "drug"], "type")
    assert {"reads", "barcode"}.isdisjoint(sums.obs)


# --- what is too small ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_cells_without_counts_are_no_obstacle(kind):
    counts = kind(np.array([[3, 1], [0, 0], [2, 2], [4, 0]]))
    obs = pd.DataFrame({"donor": list("aabb")}, index=list("wxyz"))
    sums = differential.pseudobulk(anndata.AnnData(counts, obs=obs), "donor")
    assert sums.X.tolist() == [[3, 1], [6, 2]]
    assert sums.obs["n_cells"].tolist() == [2, 2]


def test_sums_without_counts_or_of_few_cells_are_left_out_and_named():
    counts = np.array([[3, 1], [2, 2], [4, 0], [0, 0], [500, 2]])
    obs = pd.DataFrame({"donor": pd.Categorical(list("aaabc"))}, index=list("vwxyz"))
    adata = anndata.AnnData(counts, obs=obs)
    with pytest.warns(UserWarning, match="1 sums of fewer than 1 cells or 1 counts are left out: b"):
        assert differential.pseudobulk(adata, "donor").obs_names.tolist() == ["a", "c"]
    with pytest.warns(UserWarning, match="2 sums of fewer than 2 cells .* left out: b, c"):
        sums = differential.pseudobulk(adata, "donor", min_cells=2)
    assert sums.obs["donor"].cat.categories.tolist() == ["a"]
    assert sums.uns["pseudobulk"]["left_out"] == ["b", "c"]
    with pytest.warns(UserWarning, match="left out: a, b"):
        assert differential.pseudobulk(adata, "donor", min_counts=100).obs_names.tolist() == ["c"]
    assert differential.pseudobulk(adata, "donor", min_counts=0).n_obs == 3
    with pytest.raises(InputError, match="none of the 3 sums has 9 cells and 1 counts: the largest has 3 cells"):
        differential.pseudobulk(adata, "donor", min_cells=9)
    with pytest.raises(InputError, match="min_cells is a number, 0 or more; got 'all'"):
        differential.pseudobulk(adata, "donor", min_cells="all")


def test_pseudobulk_refuses():
    with pytest.raises(InputError, match="did you mean 'donor'"):
        differential.pseudobulk(cells(), "doner")
    with pytest.raises(InputError, match="needs an AnnData"):
        differential.pseudobulk(cells().X, "donor")
    double = cells()
    double.obs = pd.concat([double.obs, double.obs[["reads"]]], axis=1)
    with pytest.raises(InputError, match="obs has two columns 'reads'"):
        differential.pseudobulk(double, "donor")
    with pytest.raises(InputError, match=r"one or a list of them; got \['donor'\] among them"):
        differential.pseudobulk(cells(), [["donor"], "type"])
    with pytest.raises(InputError, match="column 'donor' is named twice"):
        differential.pseudobulk(cells(), ["donor", "type"], "donor")
    with pytest.raises(InputError, match="sample names no column"):
        differential.pseudobulk(cells(), [])
    with pytest.raises(CountsError, match="0 samples x 3 genes"):
        differential.pseudobulk(cells()[:0].copy(), "donor")
    logged = cells()
    logged.X = np.log1p(logged.X.astype(float))
    with pytest.raises(CountsError, match="log-transformed"):
        differential.pseudobulk(logged, "donor")
    gaps = cells()
    gaps.obs.loc["w", "donor"] = np.nan
    with pytest.raises(InputError, match=r"1 of 5 cells have no value in column 'donor', the first is w"):
        differential.pseudobulk(gaps, "donor")
    twice = cells()
    twice.obs["donor"], twice.obs["type"] = ["a", "a_b", "a", "a", "a"], ["b_c", "c", "c", "c", "c"]
    with pytest.raises(InputError, match="'a_b_c'"):
        differential.pseudobulk(twice, "donor", "type")
