"""Sums of cells: one row of counts for each sample, which is what was randomised or drawn.

Reached as `scomics_lite.differential.pseudobulk`.
"""

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite.design import check_column
from scomics_lite.validation import InputError, check_counts, did_you_mean, is_number, no_labels, warn

SHOWN = 5  # names that a warning spells out


def pseudobulk(adata, sample, group=None, layer=None, *, min_cells=1, min_counts=1):
    """Sum the counts of the cells of each sample, or of each sample and group, such as a cell type.

    `test` takes the sums of samples, `test_groups` those of samples and groups, all groups in one call.

    Parameters
    ----------
    adata : AnnData, cells x genes
        Raw counts, dense or sparse. Cells without a count are welcome.
    sample : str or sequence of str
        Columns of ``adata.obs`` that say which sample a cell is from, such as the donor and the treatment.
    group : str or sequence of str, optional
        Columns of ``adata.obs``; samples without a cell in a group have no row for it.
    layer : str, optional
        Layer that holds the counts.
    min_cells : int
        Fewest cells of a sum; sums of fewer are left out, with a warning.
    min_counts : int
        Fewest counts of a sum.

    Returns
    -------
    AnnData, shape (sums, g)
        Sums in ``X``, dense whole numbers; rows are named by their levels, joined by ``_``. ``obs`` keeps the columns
        that are the same in all cells of every sum, and has ``n_cells``; ``var`` stays. ``uns["pseudobulk"]`` says what
        was summed by, and which sums and labels were left out.

    Raises
    ------
    InputError
        If a column is missing or a cell has no value in it, for tables that do not hold counts, and if no sum is left.

    Warns
    -----
    UserWarning
        If sums are left out, and if cells with different labels (a treatment, say) are summed into one row, which then
        has no label of that kind.

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
    columns = _keys(adata.obs, sample, group)
    _check_fewest(min_cells=min_cells, min_counts=min_counts)
    counts = check_counts(adata, layer=layer, min_samples=1, allow_empty=True)
    row = adata.obs.groupby(columns, observed=True, sort=True).ngroup().to_numpy()
    members = sparse.csr_array((np.ones(len(row), dtype=np.int64), (row, np.arange(len(row)))))
    sums = members @ counts.matrix
    sums = (sums.toarray() if sparse.issparse(sums) else sums).astype(np.int64)
    obs, pooled = _summed_obs(adata.obs, row, columns)
    kept = (obs["n_cells"].to_numpy() >= min_cells) & (sums.sum(axis=1) >= min_counts)
    said = {"summed_by": columns, "left_out": obs.index[~kept].tolist(), "pooled": list(pooled)}
    _check_any(kept, obs, sums, min_cells, min_counts)
    _warn_of_loss(obs.index[~kept], pooled, min_cells, min_counts)
    obs = _without_unused_levels(obs[kept])
    return anndata.AnnData(sums[kept], obs=obs, var=adata.var.copy(), uns={"pseudobulk": said})


def _keys(obs, sample, group):
    """List the columns that sums are made by, each with a value for every cell."""
    columns = []
    for name in (sample, group):
        if name is not None:
            columns += [name] if isinstance(name, str) or not isinstance(name, list | tuple | pd.Index) else list(name)
    if not columns:
        raise InputError("sample names no column of obs: name one that says which sample a cell is from")
    for number, column in enumerate(columns):
        if column in columns[:number]:
            raise InputError(f"column {column!r} is named twice: by sample and group together, each once")
        _check_labels(obs, column)
    for column in obs.columns[obs.columns.duplicated()]:
        check_column(obs, column)  # which stands twice
    return columns


def _summed_obs(obs, row, columns):
    """Describe the sums: their names, the columns that are constant in each, and how many cells they are of.

    Gives a dict too: label columns that differ within a sum, with the first such sum and its labels.
    """
    first = np.unique(row, return_index=True)[1]
    constant, mixed = [], []
    for name in obs:
        if not no_labels(obs[name]):
            codes = pd.factorize(obs[name], use_na_sentinel=False)[0]
            (constant if np.array_equal(codes, codes[first][row]) else mixed).append(name)
    summed = obs.iloc[first][constant]
    names = summed[columns].astype(str).agg("_".join, axis=1)
    if names.duplicated().any():
        name = names[names.duplicated()].iloc[0]
        raise InputError(f"two sums would be named {name!r} ({' and '.join(columns)} joined by '_'); rename a level")
    summed = summed.set_axis(pd.Index(names.to_numpy()), axis=0).assign(n_cells=np.bincount(row))
    return summed, {name: _first_mixture(obs[name], row, summed.index) for name in mixed if _is_label(obs[name])}


def _is_label(column):
    """Tell labels that cells share, such as treatments, from numbers of each cell and from names of cells."""
    is_text = not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)
    return is_text and column.nunique() <= len(column) / 2


def _first_mixture(column, row, names):
    """Name the first sum with different labels, and these labels."""
    table = pd.DataFrame({"row": row, "label": column.astype(str).to_numpy()}).drop_duplicates()
    counts = table.groupby("row")["label"].count()
    at = counts.index[counts > 1][0]
    return names[at], sorted(table.loc[table["row"] == at, "label"])


def _without_unused_levels(obs):
    categories = [name for name, column in obs.items() if isinstance(column.dtype, pd.CategoricalDtype)]
    return obs.assign(**{name: obs[name].cat.remove_unused_categories() for name in categories})


# --- checks and warnings ----------------------------------------------------------------------------------------------


def _check_labels(obs, column):
    if not pd.api.types.is_hashable(column):
        raise InputError(f"sample and group name columns of obs, one or a list of them; got {column!r} among them")
    if column not in obs:
        raise InputError(f"obs has no column {column!r}; {did_you_mean(column, obs)}")
    check_column(obs, column)
    missing = obs.index[obs[column].isna()]
    if len(missing):
        raise InputError(
            f"{len(missing):,} of {len(obs):,} cells have no value in column {column!r}, the first is {missing[0]}: "
            f"they belong to no sum. Leave these cells out: adata[adata.obs[{column!r}].notna()]"
        )


def _check_fewest(**settings):
    for name, value in settings.items():
        if not (is_number(value) and value >= 0):
            raise InputError(f"{name} is a number, 0 or more; got {value!r}")


def _check_any(kept, obs, sums, min_cells, min_counts):
    if not kept.any():
        raise InputError(
            f"none of the {len(kept):,} sums has {min_cells} cells and {min_counts} counts: the largest has "
            f"{obs['n_cells'].max()} cells, the fullest {sums.sum(axis=1).max():,} counts. Ask for fewer"
        )


def _warn_of_loss(left_out, pooled, min_cells, min_counts):
    if len(left_out):
        few = f"fewer than {min_cells} cells or {min_counts} counts"
        warn(f"{len(left_out):,} sums of {few} are left out: {_some(left_out)}")
    if pooled:
        name, (where, labels) = next(iter(pooled.items()))
        others = f" ({', '.join(map(repr, list(pooled)[1:]))} likewise)" if len(pooled) > 1 else ""
        warn(
            f"cells with different {name!r} are summed into one row, {where!r} for example of {_some(labels)}, so obs "
            f"has no column {name!r} any more{others}. To keep them apart, name the column among the samples': "
            f"pseudobulk(adata, [..., {name!r}])"
        )


def _some(names):
    return ", ".join(map(str, names[:SHOWN])) + (f" … ({len(names):,} in all)" if len(names) > SHOWN else "")
