"""Which genes have counts enough to be worth a test.

Methods that treat logarithms or deviances as if counts were plentiful (`scomics_lite.quasi_likelihood`,
`scomics_lite.linear_models`) leave out the others beforehand. The rule looks at the design, never at which sample is
in which group, so that it favours no answer.
"""

import numpy as np
from scipy import sparse

from scomics_lite.design import independent_columns, match_design
from scomics_lite.validation import InputError, check_counts, is_number

LARGE_GROUP = 10  # samples; of those beyond, a gene needs its count in seven of ten
SHARE_BEYOND = 0.7


def filter_by_expression(counts, design=None, *, min_count=10, min_total_count=15, layer=None):
    """Keep the genes that reach a count of some 10 in as many samples as the smallest group has.

    This is the rule of edgeR's ``filterByExpr`` (Chen, Lun and Smyth 2016). With the library sizes N_i and the
    leverages h_i of the design and an intercept, gene g is kept if it has `min_total_count` counts in all and

        y_ig / N_i >= min_count / median(N)    in at least m samples,   m = 1 / max h_i

    In a comparison of groups m is the size of the smallest. Of a group larger than 10, 10 samples and 70 % of the rest
    are enough.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame, AnnData or Counts, shape (n, g)
        Raw counts, samples in rows.
    design : DataFrame or array_like, shape (n, p), optional
        All samples are one group when not given.
    min_count : float
        Count wanted in a sample with the median library size.
    min_total_count : float
        Count wanted over all samples.
    layer : str, optional
        Layer of an AnnData that holds the counts.

    Returns
    -------
    ndarray or Series of bool, shape (g,)
        A Series where genes have names, as in an AnnData or a DataFrame.

    Examples
    --------
    >>> counts = [[20, 4, 30, 0], [25, 5, 0, 9], [22, 3, 0, 0], [30, 6, 50, 8]]
    >>> filter_by_expression(counts)
    array([ True, False, False, False])
    >>> filter_by_expression(counts, [[1, 0], [1, 1], [1, 1], [1, 0]])  # two groups of two samples
    array([ True, False,  True, False])
    """
    for name, value in {"min_count": min_count, "min_total_count": min_total_count}.items():
        if not (is_number(value) and value > 0):
            raise InputError(f"{name} is a number of counts above 0; got {value!r}")
    counts = check_counts(counts, layer=layer)
    x = np.ones((len(counts.samples), 1)) if design is None else match_design(design, counts.samples).to_numpy(float)
    sizes = counts.library_sizes
    reached = _samples_reaching(counts.matrix, min_count * sizes / np.median(sizes))
    return counts.of_genes((reached >= _samples_wanted(x)) & (counts.gene_totals >= min_total_count))


def _samples_reaching(matrix, thresholds):
    """Count for every gene the samples in which it has the sample's threshold, above 0, or more, shape (g,)."""
    if not sparse.issparse(matrix):
        return (matrix >= thresholds[:, None]).sum(axis=0)
    reaching = matrix.data >= np.repeat(thresholds, np.diff(matrix.indptr))
    return np.bincount(matrix.indices[reaching], minlength=matrix.shape[1])


def _samples_wanted(x):
    """Give m, less of a large group, and a little less for the rounding of leverages."""
    x = np.column_stack([np.ones(len(x)), x])
    x = x[:, independent_columns(x)]
    leverages = (np.linalg.qr(x / np.linalg.norm(x, axis=0))[0] ** 2).sum(axis=1)
    m = 1 / leverages.max()
    return min(m, LARGE_GROUP + (m - LARGE_GROUP) * SHARE_BEYOND) - 1e-9
