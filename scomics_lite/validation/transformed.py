"""Recognise tables that were counts once: the logarithms, z-scores and CPM most often passed as counts by mistake."""

import numpy as np
from scipy import sparse, stats

LOG_CEILING = 30.0  # log2 of a billion reads: no logarithm of a count is larger, few count tables stay below
LOGARITHMS = {
    "log1p": np.expm1,
    "log2(x + 1)": lambda x: np.exp2(x) - 1,
    "log10(x + 1)": lambda x: 10.0**x - 1,
}  # what is used, with the way back
LOST = "Library sizes and sampling noise are gone from such a table and cannot be guessed back"
ROUND_TOTALS = (1e4, 1e6)  # scanpy's, and CPM's and TPM's
LEAST_TOTAL, LEAST_SAMPLES = 5_000, 3  # smaller totals, and two of them, agree by chance
BY_CHANCE = 1e-3


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
        return f"log-transformed or scaled ({values_are}){_total_behind_log(matrix)}", LOST
    if values.min() >= 0 and _spread(totals) < 1e-3:
        return f"scaled to one total (every sample sums to {totals.mean():,.0f}), as CPM or TPM are", LOST
    return "", ""


def scaled_and_rounded(totals):
    """Say whether whole numbers look like CPM, TPM or the like that were rounded.

    Rounding moves the sum of a sample by some tens, more or less at random. So the totals are not equal, as those of
    counts are that were drawn at random down to one depth; but they agree better than those of counts could: even
    without any difference between the samples, totals around N would scatter by sqrt(N). Asked is how likely so little
    scatter would be, by the chi-squared distribution of sum (N_i - mean)^2 / mean. It is certain where the totals lie
    on both sides of 10,000 or 1,000,000: counts drawn down to that and left without some genes lie below.

    Parameters
    ----------
    totals : ndarray, shape (n,)
        Of whole numbers.

    Returns
    -------
    what : str
        What the values look; empty for counts.
    sure : bool

    Examples
    --------
    >>> scaled_and_rounded(np.array([999_914.0, 1_000_117, 999_987, 1_000_052]))
    ('scaled to one total and rounded, as CPM or TPM are (samples sum to 999,914 to 1,000,117)', True)
    >>> scaled_and_rounded(np.array([912_004.0, 1_340_117, 870_022, 1_102_052]))
    ('', False)
    """
    if len(totals) < LEAST_SAMPLES:
        return "", False
    low, high, mean = totals.min(), totals.max(), totals.mean()
    if low == high or mean < LEAST_TOTAL:
        return "", False
    scatter = ((totals - mean) ** 2).sum() / mean
    if stats.chi2.cdf(scatter, len(totals) - 1) >= BY_CHANCE:
        return "", False
    what = f"scaled to one total and rounded, as CPM or TPM are (samples sum to {low:,.0f} to {high:,.0f})"
    return what, any(low < total < high for total in ROUND_TOTALS)


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
