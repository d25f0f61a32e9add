"""What ctPred learns to predict: where a gene's expression stands among all genes of a cell type."""

import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite.twas.genotypes.people import check_once
from scomics_lite.validation import InputError, check_counts, did_you_mean, is_anndata, quoted

PER_MILLION = 1e6


def expression_percentiles(expression, *, cell_type="cell_type"):
    """Rank the genes of each cell type by their mean expression, as shares of the number of genes.

    With n genes, y = rank / n, where the least expressed gene has rank 1 and genes with the same expression share the
    mean of their ranks: what pandas calls ``rank(pct=True)``. Values lie in (0, 1]: the highest gene has 1, the lowest
    1 / n, and the mean over genes is (n + 1) / (2n). Genes that were not detected stay in, as 0: they share the lowest
    rank, (k + 1) / (2n) if there are k of them.

    Ranks do not depend on the scale: sequencing depth and any increasing transformation of the means cancel.

    Parameters
    ----------
    expression : DataFrame, genes × cell types, or AnnData, samples × genes
        A table holds means, 0 or more; missing values are genes that were not detected, and become 0. An AnnData holds
        pseudobulk counts: the counts of each sample are divided by their sum, in millions, and the mean is taken over
        the samples of a cell type, so that each sample counts the same, however deep it was sequenced.
    cell_type : str
        The column of ``obs`` that names the cell type of each sample, of an AnnData.

    Returns
    -------
    DataFrame, genes × cell types

    Raises
    ------
    InputError
        If values are negative or no numbers, a gene comes twice, or a cell type has the same expression for all genes.

    References
    ----------
    Zhou et al. (2025), scPrediXcan. Their code fills genes that were not detected with 0 and takes the ranks among all
    genes of the table of features.

    Examples
    --------
    >>> means = pd.DataFrame({"T cell": [0.0, 0.0, 3.5, 9.0]}, index=["A", "B", "C", "D"])
    >>> expression_percentiles(means)["T cell"].tolist()
    [0.375, 0.375, 0.75, 1.0]
    """
    means = _pseudobulk_means(expression, cell_type) if is_anndata(expression) else _table(expression)
    check_once(means.index, "expression: gene")
    check_once(means.columns, "expression: cell type")
    for name in means:
        _check_means(means[name])
    return means.fillna(0.0).rank(method="average", pct=True)


def _table(expression):
    if isinstance(expression, pd.Series):
        expression = expression.to_frame(expression.name if expression.name is not None else "expression")
    if not isinstance(expression, pd.DataFrame) or expression.empty:
        raise InputError(
            "expression is a table of genes × cell types, as a DataFrame whose index names the genes, or an AnnData of "
            f"pseudobulk samples × genes; got {type(expression).__name__}"
        )
    text = [name for name, kind in expression.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    if text:
        raise InputError(
            f"expression: column {quoted(text[0])} holds no numbers. If it names the genes, make it the index: "
            f"table.set_index({text[0]!r})"
        )
    return expression.astype(float)


def _pseudobulk_means(adata, column):
    """Average counts per million over the samples of each cell type: genes × cell types."""
    if column not in adata.obs:
        raise InputError(f"cell_type={column!r} is no column of obs: {did_you_mean(column, adata.obs.columns)}")
    counts = check_counts(adata, min_samples=1)
    matrix = counts.matrix.toarray() if sparse.issparse(counts.matrix) else np.asarray(counts.matrix)
    shares = matrix / matrix.sum(axis=1, keepdims=True, dtype=float)
    per_million = pd.DataFrame(shares * PER_MILLION, columns=adata.var_names)
    labels = adata.obs[column].astype(str).to_numpy()
    return per_million.groupby(labels, sort=True).mean().T


def _check_means(means):
    values, name = means.to_numpy(), quoted(means.name)
    bad = np.flatnonzero(np.isinf(values) | (values < 0))
    if bad.size:
        raise InputError(
            f"expression of cell type {name}: gene {quoted(means.index[bad[0]])} has {values[bad[0]]:g}; means of "
            "counts or of counts per million are needed, 0 or more, so that 0 is the lowest"
        )
    if len(values) < 2 or np.ptp(np.nan_to_num(values)) == 0:
        raise InputError(
            f"expression of cell type {name} is the same for all {len(values):,} genes: there is nothing to rank. Was "
            "the cell type measured? Leave it out: table.drop(columns=...)"
        )
