"""From single cells to what ctPred learns: the sums of each donor's cells of a type, and the ranks of their means."""

from pathlib import Path

import anndata
import pandas as pd

from scomics_lite.differential import pseudobulk
from scomics_lite.twas.exchange.file_access import open_by_content
from scomics_lite.twas.sequence_models.percentiles import expression_percentiles
from scomics_lite.validation import InputError, did_you_mean, is_anndata

FEWEST_CELLS, FEWEST_DONORS = 20, 3  # of fewer, the mean tells of single cells or of one person


def cell_percentiles(cells, *, donor="donor", cell_type="cell_type", cell_types=None):
    """Rank genes by their mean expression in each type of cells.

    The counts of a donor's cells of a type are summed; `expression_percentiles` averages the sums, in counts per
    million, over donors, and ranks the genes.

    Parameters
    ----------
    cells : AnnData, DataFrame or path
        Single cells × genes with raw counts, or a ``.h5ad`` file of them; or means, genes × cell types, or a text file
        of them whose first column names genes.
    donor, cell_type : str
        Columns of the cells' ``obs``.
    cell_types : sequence of str, optional
        Which to use; all when not given.

    Returns
    -------
    DataFrame, genes × cell types

    Raises
    ------
    InputError
        For columns, types and files that are not there, for a type of fewer than 20 cells or 3 donors, and for what
        `expression_percentiles` refuses.

    Examples
    --------
    >>> means = pd.DataFrame({"B": [0.0, 4.5], "T": [1.0, 0.5]}, index=["FTO", "TP53"])
    >>> cell_percentiles(means, cell_types=["T"])
            T
    FTO   1.0
    TP53  0.5
    """
    if isinstance(cells, str | Path):
        cells = _read(Path(cells))
    if is_anndata(cells):
        return expression_percentiles(_sums(cells, donor, cell_type, cell_types), cell_type=cell_type)
    if not isinstance(cells, pd.DataFrame):
        raise InputError(
            "cells are an AnnData of single cells, a table of means (genes × cell types), or a file of either; got "
            f"{type(cells).__name__}"
        )
    return expression_percentiles(cells if cell_types is None else cells[_known(cell_types, cells.columns)])


def _read(path):
    """Read cells from a file .h5ad, means from any other."""
    with open_by_content(path) as file:
        if path.suffix == ".h5ad":
            return anndata.read_h5ad(path)
        try:
            return pd.read_csv(file, sep=None, engine="python", index_col=0)
        except (ValueError, pd.errors.ParserError) as error:
            raise InputError(
                f"{path} is no table of means, genes × cell types ({error}); single cells are a file .h5ad"
            ) from None


def _sums(cells, donor, cell_type, cell_types):
    """Sum the cells of each donor and type, of the types that are wanted."""
    for name in (donor, cell_type):
        if name not in cells.obs:
            raise InputError(f"the cells' obs has no column {name!r}; {did_you_mean(name, cells.obs.columns)}")
    if cell_types is not None:
        labels = cells.obs[cell_type].astype(str)
        cells = cells[labels.isin(_known(cell_types, labels.unique())).to_numpy()]
    bare = anndata.AnnData(cells.X, obs=cells.obs[[donor, cell_type]], var=pd.DataFrame(index=cells.var_names))
    sums = pseudobulk(bare, donor, cell_type)
    _check_enough(sums.obs, donor, cell_type)
    return sums


def _known(cell_types, there):
    for name in cell_types:
        if name not in set(there):
            raise InputError(f"there is no cell type {name!r}; {did_you_mean(name, there)}")
    return list(cell_types)


def _check_enough(obs, donor, cell_type):
    """Stop at types of too few cells or donors; the others are the way out."""
    found = obs.groupby(cell_type, observed=True).agg(cells=("n_cells", "sum"), donors=(donor, "nunique"))
    few = (found["cells"] < FEWEST_CELLS) | (found["donors"] < FEWEST_DONORS)
    if few.any():
        listed = ", ".join(f"{name} ({row['cells']:,} of {row['donors']:,})" for name, row in found[few].iterrows())
        others = [str(name) for name in found.index[~few]]
        way_out = f"cell_types={others} leaves them out" if others else "give means of your own, genes × cell types"
        raise InputError(
            f"the mean of a cell type takes {FEWEST_CELLS} cells of {FEWEST_DONORS} donors at least; there are fewer "
            f"cells or donors of {listed}: {way_out}"
        )
