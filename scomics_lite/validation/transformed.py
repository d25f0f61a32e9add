"""Recognise tables that were counts once: the logarithms, z-scores and CPM most often passed as counts by mistake."""

import numpy as np
from scipy import sparse

LOG_CEILING = 30.0  # log2 of a billion reads: no logarithm of a count is larger, few count tables stay below
LOGARITHMS = {
    "log1p": np.expm1,
    "log2(x + 1)": lambda x: np.exp2(x) - 1,
    "log10(x + 1)": lambda x: 10.0**x - 1,
}  # what is used, with the way back


def describe(matrix, values, totals):
    """Say what has been done to counts, where that can be told.

    Parameters
    ----------
    matrix : ndarray or scipy.sparse.csr_array, shape (n, g)
    values : ndarray
        Its entries, or those stored.
    totals : ndarray, shape (n,)
        Their sum in every sample.

    Returns
    -------
    what, lost : str
        What the values look, and what cannot be had back; empty for counts, and for a few fractions among them.

    Examples
    --------
    >>> table = np.log1p(np.array([[5.0, 0], [3, 4]]))
    >>> describe(table, table.ravel(), table.sum(axis=1))[0]
    'log-transformed: they are log1p of whole numbers'
    """
    fractional = np.mean(values[values != 0] != np.rint(values[values != 0]))
    lost = "Library sizes and sampling noise are gone from such a table and cannot be guessed back"
    logarithm = _logarithm_of_counts(values) if fractional else ""
    if logarithm:
        return (
            f"log-transformed: they are {logarithm} of whole numbers",
            "Every method here needs the counts themselves",
        )
    if fractional < 0.5:  # a few fractions are a slip in a table of counts, many are a transformation
        return "", ""
    if values.min() >= -LOG_CEILING and values.max() <= LOG_CEILING:
        values_are = f"{fractional:.0%} fractions, all between {values.min():.3g} and {values.max():.3g}"
        return f"log-transformed or scaled ({values_are}){_total_behind_log(matrix)}", lost
    if values.min() >= 0 and _spread(totals) < 1e-3:
        return f"scaled to one total (every sample sums to {totals.mean():,.0f}), as CPM or TPM are", lost
    return "", ""


def _logarithm_of_counts(values):
    """Name the logarithm that gives whole numbers when undone, where there is one."""
    values = values[values != np.rint(values)]
    if values.min() < 0 or values.max() > LOG_CEILING:
        return ""
    for name, undo in LOGARITHMS.items():
        counts = undo(values.astype(float))
        rounding = 40 * np.finfo(values.dtype).eps * (counts + 1)  # a logarithm below 30 is off by eps times 30 at most
        sure = rounding < 0.1
        if sure.any() and np.all(np.abs(counts - np.rint(counts))[sure] <= rounding[sure]):
            return name
    return ""


def _total_behind_log(matrix):
    """Name log1p(counts per total): undone, it gives every sample the same total."""
    for name, undo in LOGARITHMS.items():
        if sparse.issparse(matrix):
            undone = sparse.csr_array((undo(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape)
        else:
            undone = undo(matrix)
        totals = np.asarray(undone.sum(axis=1)).ravel()
        if _spread(totals) < 1e-3:
            return f"; they are {name} of counts scaled to a total of {totals.mean():,.0f}"
    return ""


def _spread(totals):
    """Relative range of the totals; infinite when they make no sense as totals."""
    return np.ptp(totals) / totals.mean() if totals.mean() > 0 else np.inf
