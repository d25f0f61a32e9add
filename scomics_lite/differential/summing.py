"""Sums of cells: one row of counts for each sample, which is what was randomised or drawn.

Reached as `scomics_lite.differential.pseudobulk`.
"""

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite.design import check_column
from scomics_lite.validation import InputError, check_counts, did_you_mean, no_labels


def pseudobulk(adata, sample, group=None, layer=None):
    """Sum the counts of the cells of each sample, or of each sample and group, such as a cell type.

    Parameters
    ----------
    adata : AnnData, cells x genes
        Raw counts, dense or sparse.
    sample : str
        Column of ``adata.obs`` that says which sample a cell is from.
    group : str, optional
        Column of ``adata.obs``; samples without a cell in a group have no row for it.
    layer : str, optional
        Layer that holds the counts.

    Returns
    -------
    AnnData, shape (sums, g)
        Sums in ``X``, dense whole numbers; rows are named ``sample`` or ``sample_group``. ``obs`` keeps the columns
        that are the same in all cells of every sum, and has ``n_cells``; ``var`` stays.

    Raises
    ------
    InputError
        If a column is missing or a cell has no value in it, and for tables that do not hold counts.

    Examples
    --------
    >>> obs = pd.DataFrame({"donor": ["d1", "d1", "d2"], "age": [40, 40, 35]}, index=["c1", "c2", "c3"])
    >>> cells = anndata.AnnData(np.array([[1, 0], [2, 5], [3, 1]]), obs=obs)
    >>> sums = pseudobulk(cells, "donor")
    >>> sums.obs
       donor  age  n_cells
    d1    d1   40        2
    d2    d2   35        1
    >>> sums.X
    array([[3, 5],
           [3, 1]])
    """
    if not isinstance(adata, anndata.AnnData):
        raise InputError(f"pseudobulk needs an AnnData, whose obs says which cell is whose; got {type(adata).__name__}")
    columns = [sample] if group is None else [sample, group]
    for column in columns:
        _check_labels(adata.obs, column)
    for column in adata.obs.columns[adata.obs.columns.duplicated()]:
        check_column(adata.obs, column)  # which stands twice
    counts = check_counts(adata, layer=layer, min_samples=1)
    row = adata.obs.groupby(columns, observed=True, sort=True).ngroup().to_numpy()
    members = sparse.csr_array((np.ones(len(row), dtype=np.int64), (row, np.arange(len(row)))))
    sums = members @ counts.matrix
    sums = (sums.toarray() if sparse.issparse(sums) else sums).astype(np.int64)
    return anndata.AnnData(sums, obs=_summed_obs(adata.obs, row, columns), var=adata.var.copy())


def _summed_obs(obs, row, columns):
    """Describe the sums: their names, the columns that are constant in each, and how many cells they are of."""
    by_row = obs.groupby(row)
    constant = [name for name in obs if not no_labels(obs[name]) and by_row[name].nunique(dropna=False).max() == 1]
    first = np.unique(row, return_index=True)[1]
    summed = obs.iloc[first][constant]
    for name, column in summed.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            summed = summed.assign(**{name: column.cat.remove_unused_categories()})
    names = summed[columns].astype(str).agg("_".join, axis=1)
    if names.duplicated().any():
        name = names[names.duplicated()].iloc[0]
        raise InputError(f"two sums would be named {name!r} ({' and '.join(columns)} joined by '_'); rename a level")
    return summed.set_axis(pd.Index(names.to_numpy()), axis=0).assign(n_cells=np.bincount(row))


def _check_labels(obs, column):
    if not pd.api.types.is_hashable(column):
        raise InputError(f"sample and group name one column of obs each; got {column!r}")
    if column not in obs:
        raise InputError(f"obs has no column {column!r}; {did_you_mean(column, obs)}")
    check_column(obs, column)
    missing = obs.index[obs[column].isna()]
    if len(missing):
        raise InputError(
            f"{len(missing):,} of {len(obs):,} cells have no value in column {column!r}, the first is {missing[0]}: "
            "they belong to no sum. Leave these cells out: adata[adata.obs[...].notna()]"
        )
