"""Percentiles of expression: ranks, ties, genes that were not detected, pseudobulk."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scomics_lite.twas.sequence_models.percentiles import expression_percentiles
from scomics_lite.validation import InputError

GENES = pd.Index([f"g{i}" for i in range(50)])


def means(seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(rng.poisson(2.0, (50, 3)).astype(float), GENES, ["T", "B", "NK"])


def pseudobulk(seed=0):
    rng = np.random.default_rng(seed)
    depths = np.array([1, 30, 3, 10, 2, 1])
    counts = rng.poisson(depths[:, None] * rng.gamma(0.3, 3.0, 50)).astype(float)
    obs = pd.DataFrame({"cell_type": ["T", "B"] * 3}, index=[f"s{i}" for i in range(6)])
    return anndata.AnnData(counts, obs, pd.DataFrame(index=GENES))


def test_percentiles_are_average_ranks_over_the_number_of_genes():
    table = means()
    percentiles = expression_percentiles(table)
    for name in table:
        np.testing.assert_allclose(percentiles[name], stats.rankdata(table[name], "average") / 50, rtol=1e-15)
    assert percentiles.index.equals(GENES)
    assert (percentiles > 0).all(axis=None)
    assert (percentiles <= 1).all(axis=None)
    np.testing.assert_allclose(percentiles.mean(), 51 / 100)


def test_genes_that_were_not_detected_stay_in_and_share_the_lowest_rank():
    table = pd.DataFrame({"T": [np.nan, 0.0, 2.0, np.nan]}, index=list("ABCD"))
    assert expression_percentiles(table)["T"].tolist() == [0.5, 0.5, 1.0, 0.5]  # (k + 1) / (2n), k = 3


def test_pseudobulk_is_averaged_in_counts_per_million_over_the_samples_of_a_cell_type():
    adata = pseudobulk()
    percentiles = expression_percentiles(adata)
    shares = adata.X / adata.X.sum(axis=1, keepdims=True)
    wanted = stats.rankdata(shares[::2].mean(axis=0)) / 50
    np.testing.assert_allclose(percentiles["T"], wanted)
    assert percentiles.columns.tolist() == ["B", "T"]


def test_depth_and_increasing_transformations_change_nothing():
    table = means()
    pd.testing.assert_frame_equal(expression_percentiles(np.log1p(table) * 7), expression_percentiles(table))
    adata = pseudobulk()
    deeper = adata.copy()
    deeper.X = deeper.X * np.array([3, 1, 2, 5, 4, 1])[:, None]
    pd.testing.assert_frame_equal(expression_percentiles(deeper), expression_percentiles(adata))


def test_sparse_counts_and_another_column_are_taken():
    from scipy import sparse

    adata = pseudobulk()
    wanted = expression_percentiles(adata)
    adata.X = sparse.csr_matrix(adata.X)
    adata.obs["kind"] = adata.obs.pop("cell_type").astype("category")
    pd.testing.assert_frame_equal(expression_percentiles(adata, cell_type="kind"), wanted)
    with pytest.raises(InputError, match="cell_type='cell_type' is no column of obs"):
        expression_percentiles(adata)


def test_a_series_is_one_cell_type():
    table = means()["B"]
    assert expression_percentiles(table)["B"].equals(expression_percentiles(means())["B"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(B=1.0), r"expression of cell type 'B' is the same for all 50 genes.*drop\(columns"),
        (lambda t: t.assign(B=np.nan), "expression of cell type 'B' is the same for all 50 genes"),
        (lambda t: t - 1, "expression of cell type 'T': gene 'g.*' has -1; means of counts"),
        (lambda t: t.assign(symbol="x"), r"column 'symbol' holds no numbers.*set_index\('symbol'\)"),
        (lambda t: pd.concat([t, t[:1]]), "expression: gene 'g0' comes 2 times"),
        (lambda t: t.to_numpy(), "expression is a table of genes × cell types, as a DataFrame"),
        (lambda t: t[:0], "expression is a table of genes × cell types, as a DataFrame"),
    ],
)
def test_tables_that_cannot_be_ranked_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        expression_percentiles(change(means()))


def test_a_sample_without_counts_is_named():
    adata = pseudobulk()
    adata.X[2] = 0
    with pytest.raises(InputError, match="1 sample has no count at all: 's2'"):
        expression_percentiles(adata)
    assert expression_percentiles(adata[adata.X.sum(axis=1) > 0]).shape == (50, 2)
