"""Size factors: the scale that makes the genes of one sample comparable with those of another.

The model behind all of them is ``E[Y_ig] = s_i q_ig``: the expected count of gene g in sample i is a size factor times
an abundance. The methods differ in what they hold still: the total (`total`), the typical gene (`median_of_ratios`,
`poscounts`, `rle`), the upper quartile (`upper_quartile`), or the genes left when extreme ones are trimmed (`tmm`,
`tmmwsp`).

edgeR writes the same thing in other letters. Its *normalization factor* f_i corrects the library size N_i (the total
count), and the product N_i f_i, the effective library size, is proportional to the size factor:

    s_i = N_i f_i / geometric mean of the N_j f_j

`size_factors` speaks the first language, `norm_factors` the second, `to_size_factors` and `to_norm_factors` translate.
"""

from functools import partial

import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite.normalization.library_sizes import (
    effective_library_sizes,
    geometric_mean_one,
    to_norm_factors,
    to_size_factors,
)
from scomics_lite.normalization.trimmed_means import m_a_variance, tmm_factor, tmmwsp_factor, untrimmed
from scomics_lite.validation import (
    CountsError,
    InputError,
    check_counts,
    check_size_factors,
    did_you_mean,
    is_number,
    warn,
)

METHODS = ("total", "median_of_ratios", "poscounts", "upper_quartile", "rle", "tmm", "tmmwsp")


def size_factors(counts, method="median_of_ratios", *, layer=None):
    """Estimate the size factor of every sample.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame, AnnData or Counts, shape (n, g)
        Raw counts, samples or cells in rows. Sparse input is never made dense.
    method : str
        ``"total"``: the total count. ``"median_of_ratios"``: DESeq2's default (Anders and Huber 2010, eq. 5), on the
        genes counted in every sample. ``"poscounts"``: the same with zeros left out of the means, for sparse data
        (DESeq2's ``type="poscounts"``). ``"upper_quartile"`` (Bullard 2010), ``"rle"`` (edgeR's form of the median of
        ratios), ``"tmm"`` (Robinson and Oshlack 2010) and ``"tmmwsp"`` (TMM with singleton pairing) as in edgeR.
    layer : str, optional
        Layer of an AnnData that holds the counts.

    Returns
    -------
    ndarray or Series, shape (n,)
        A Series where samples have names, as in an AnnData or a DataFrame. Scaled to geometric mean 1, except for
        ``"median_of_ratios"``, whose scale is DESeq2's: relative to a sample made of the genes' geometric means.

    Raises
    ------
    CountsError
        If the counts are not raw counts (see `scomics_lite.validation.check_counts`), if no gene is counted in every
        sample under ``"median_of_ratios"`` and ``"rle"``, or if an upper quartile is zero.

    Examples
    --------
    >>> size_factors([[10, 20, 30, 0], [20, 40, 60, 5]])
    array([0.70710678, 1.41421356])
    """
    _check_method(method)
    counts = check_counts(counts, layer=layer)
    return counts.of_samples(_size_factors(counts, method))


def _size_factors(counts, method):
    """Give the size factors of checked counts as an array."""
    if method == "total":
        return geometric_mean_one(counts.library_sizes)
    if method == "median_of_ratios":
        return _median_of_ratios(counts)
    if method == "poscounts":
        return _poscounts(counts)
    return to_size_factors(_edger_factors(counts, method), counts.library_sizes)


def norm_factors(counts, method="tmm", *, reference=None, logratio_trim=0.3, sum_trim=0.05, weighted=True, layer=None):
    """Estimate edgeR's normalization factors: what corrects the library sizes.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame, AnnData or Counts, shape (n, g)
        Raw counts, samples or cells in rows.
    method : str
        Any method of `size_factors`; edgeR's own are ``"tmm"``, ``"tmmwsp"``, ``"rle"`` and ``"upper_quartile"``
        (``"total"`` gives ones, edgeR's ``method="none"``).
    reference : str or int, optional
        Name or position of the sample that TMM and TMMwsp compare with. When not given: for TMM the sample whose upper
        quartile is nearest the mean of all, for TMMwsp (and for TMM where most upper quartiles are zero) the sample
        with the largest sum of square roots, as in edgeR.
    logratio_trim, sum_trim : float
        Fraction of genes cut off at each end of M (default 0.3) and of A (0.05), edgeR's defaults.
    weighted : bool
        Weight each gene's M by its precision; the plain mean of the kept genes otherwise.
    layer : str, optional
        Layer of an AnnData that holds the counts.

    Returns
    -------
    ndarray or Series, shape (n,)
        A Series where samples have names. Scaled to geometric mean 1.

    Examples
    --------
    >>> counts = np.array([[100, 50, 60, 0], [100, 50, 60, 700]])
    >>> norm_factors(counts, "rle").round(3)
    array([2.082, 0.48 ])
    """
    _check_method(method)
    counts = check_counts(counts, layer=layer)
    if method in ("tmm", "tmmwsp"):
        trim = _check_trim(logratio_trim, sum_trim)
        reference = None if reference is None else counts.row_of(reference)
        return counts.of_samples(_edger_factors(counts, method, reference=reference, trim=trim, weighted=weighted))
    if (reference, logratio_trim, sum_trim, weighted) != (None, 0.3, 0.05, True):
        raise InputError(
            f"method {method!r} has no reference sample, trims or weights; "
            "reference, logratio_trim, sum_trim and weighted are for 'tmm' and 'tmmwsp'"
        )
    if method in ("rle", "upper_quartile"):
        return counts.of_samples(_edger_factors(counts, method))
    return counts.of_samples(to_norm_factors(_size_factors(counts, method), counts.library_sizes))


def normalize(counts, size_factors, *, layer=None):
    """Divide every sample by its size factor: Y_ig / s_i, an unbiased estimate of the abundance q_ig.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame, AnnData or Counts, shape (n, g)
        Raw counts.
    size_factors : array_like, shape (n,)
        Positive; one for each sample, in the order of the rows.
    layer : str, optional
        Layer of an AnnData that holds the counts.

    Returns
    -------
    ndarray, scipy.sparse.csr_array or DataFrame, shape (n, g)
        Sparse for sparse counts, also those of an AnnData, whose names a csr_array cannot carry; otherwise a DataFrame
        where samples or genes have names, an array where they have none.

    Examples
    --------
    >>> normalize([[100, 50], [200, 100]], [1.0, 2.0])
    array([[100.,  50.],
           [100.,  50.]])
    """
    checked = check_counts(counts, layer=layer, min_samples=1)
    size_factors = check_size_factors(size_factors, checked.samples)
    if sparse.issparse(checked.matrix):
        return sparse.csr_array(sparse.diags_array(1 / size_factors) @ checked.matrix)
    normalized = checked.matrix / size_factors[:, None]
    return _with_names(normalized, checked, counts)


def log_cpm(counts, size_factors=None, *, prior_count=2, layer=None):
    """Compute log2 counts per million, a few counts added, as edgeR's ``cpm(y, log=TRUE)``.

        log2(10^6 (Y_ig + a_i) / (L_i + 2 a_i)),   a_i = prior_count L_i / mean of the L_j

    with effective library sizes L (`effective_library_sizes`). What is added keeps zeros finite, and is proportional to
    L so that a gene without counts has the same value in all samples.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame, AnnData or Counts, shape (n, g)
        Raw counts. The result is dense whatever they are: 8 n g bytes.
    size_factors : array_like, shape (n,), optional
        Positive, on any scale; the library sizes when not given. For edgeR's numbers
        ``normalization.size_factors(counts, "tmm")``.
    prior_count : float
        Counts added to a typical library; edgeR's 2. More of them draw the fold changes of small counts together.
    layer : str, optional
        Layer of an AnnData that holds the counts.

    Returns
    -------
    ndarray or DataFrame, shape (n, g)
        A DataFrame where samples or genes have names, an array where they have none.

    Examples
    --------
    >>> log_cpm([[10, 90], [0, 100]]).round(2)
    array([[16.82, 19.75],
           [14.23, 19.9 ]])
    """
    checked = check_counts(counts, layer=layer, min_samples=1)
    if not (is_number(prior_count) and prior_count > 0):
        raise InputError(f"prior_count must be above 0, for zeros have no logarithm; got {prior_count!r}")
    sizes = checked.library_sizes
    if size_factors is not None:
        sizes = effective_library_sizes(check_size_factors(size_factors, checked.samples), sizes)
    added = prior_count * sizes / sizes.mean()
    matrix = checked.matrix
    values = matrix.toarray().astype(float, copy=False) if sparse.issparse(matrix) else matrix.astype(float)
    values += added[:, None]
    values *= (1e6 / (sizes + 2 * added))[:, None]
    np.log2(values, out=values)
    return _with_names(values, checked, counts)


def m_and_a(counts, sample, reference, *, logratio_trim=0.3, sum_trim=0.05, layer=None):
    """Tabulate what TMM sees of one pair of samples: M, A, the weights, and which genes survive both trims.

    For the genes counted in both, with y the counts and N the library sizes (Robinson and Oshlack 2010):

        M_g = log2((y_gi / N_i) / (y_gr / N_r))                        log ratio
        A_g = (log2(y_gi / N_i) + log2(y_gr / N_r)) / 2                mean log proportion
        1 / w_g = (N_i - y_gi) / (N_i y_gi) + (N_r - y_gr) / (N_r y_gr)    variance of ln(ratio), binomial counts

    and log2 f_i = sum of w M / sum of w over the kept genes.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame, AnnData or Counts, shape (n, g)
        Raw counts.
    sample, reference : str or int
        Names or positions of the two samples.
    logratio_trim, sum_trim : float
        Fraction of genes cut off at each end of M and of A.
    layer : str, optional
        Layer of an AnnData that holds the counts.

    Returns
    -------
    DataFrame
        Indexed by gene; columns ``M``, ``A``, ``weight``, ``kept``. Genes with a zero in either sample are left out.

    Examples
    --------
    >>> m_and_a([[10, 20, 30, 0], [20, 40, 60, 5]], 1, 0)["M"].round(3).tolist()
    [-0.059, -0.059, -0.059]
    """
    trim = _check_trim(logratio_trim, sum_trim)
    counts = check_counts(counts, layer=layer)
    rows = [counts.row_of(sample), counts.row_of(reference)]
    y, y_reference = (_dense_row(counts.matrix, row) for row in rows)
    both = (y > 0) & (y_reference > 0)
    if not both.any():
        raise CountsError(f"samples {sample!r} and {reference!r} share no gene with a count, so no ratio can be formed")
    m, a, variance = m_a_variance(y[both], y_reference[both], *counts.library_sizes[rows])
    kept = untrimmed(m, trim[0]) & untrimmed(a, trim[1])
    return pd.DataFrame({"M": m, "A": a, "weight": 1 / variance, "kept": kept}, index=counts.genes[both])


# --- medians of ratios ------------------------------------------------------------------------------------------------


def _median_of_ratios(counts):
    """Median over genes without zeros of ln Y_ig - mean_j ln Y_jg, as exp (Anders and Huber 2010, eq. 5)."""
    rows = _rows_without_zeros(counts)
    log_mean = sum(np.log(row, dtype=float) for row in rows) / len(rows)  # (genes without zeros,)
    return np.exp([np.median(np.log(row, dtype=float) - log_mean) for row in rows])


def _poscounts(counts):
    """Median of ratios with zeros left out of the log means' sums, yet counted in their length n."""
    log_mean = np.zeros(len(counts.genes))
    for genes, values in counts.rows():
        log_mean[genes] += np.log(values)
    log_mean /= len(counts.samples)
    return geometric_mean_one(np.exp([np.median(np.log(values) - log_mean[genes]) for genes, values in counts.rows()]))


def _rle(counts):
    """Take edgeR's form: the median of the ratios themselves, not of their logarithms (they differ for even n)."""
    rows = _rows_without_zeros(counts)
    geometric_mean = np.exp(sum(np.log(row, dtype=float) for row in rows) / len(rows))
    return np.array([np.median(row / geometric_mean) for row in rows])


def _rows_without_zeros(counts):
    """Select the counts of the genes that no sample lacks, shape (n, genes without zeros)."""
    everywhere = np.flatnonzero(counts.positive_samples() == len(counts.samples))
    if everywhere.size == 0:
        raise CountsError(
            f"no gene is counted in all {len(counts.samples):,} samples, so every geometric mean is zero and no "
            "ratio is left. Use method='poscounts', which leaves zeros out (or 'tmmwsp')"
        )
    dense = counts.matrix[:, everywhere]
    return dense.toarray() if sparse.issparse(dense) else dense  # no zeros are left in it: dense is its true size


# --- edgeR's factors --------------------------------------------------------------------------------------------------


def _edger_factors(counts, method, *, reference=None, trim=(0.3, 0.05), weighted=True):
    """Compute normalization factors by edgeR's rules and on its scale (geometric mean 1)."""
    library_sizes = counts.library_sizes
    if method == "rle":
        return geometric_mean_one(_rle(counts) / library_sizes)
    if method == "upper_quartile":
        return geometric_mean_one(_positive_upper_quartiles(counts) / library_sizes)
    if reference is None:
        reference = _reference_sample(counts, method)
    y_reference = _dense_row(counts.matrix, reference)
    factor = tmm_factor
    if method == "tmmwsp":
        factor = partial(tmmwsp_factor, reference_genes=np.flatnonzero(y_reference))
    factors = [
        factor(genes, values, y_reference, n_sample, library_sizes[reference], trim, weighted)
        for (genes, values), n_sample in zip(counts.rows(), library_sizes, strict=True)
    ]
    return geometric_mean_one(_warn_without_genes(np.array(factors), counts.samples))


def _reference_sample(counts, method):
    """Choose the sample to compare with, by edgeR's rules."""
    if method == "tmm":
        quartiles = _upper_quartiles(counts) / counts.library_sizes
        if np.median(quartiles) >= 1e-20:
            return int(np.argmin(np.abs(quartiles - quartiles.mean())))
    return int(np.argmax([np.sqrt(values).sum() for _, values in counts.rows()]))


def _warn_without_genes(factors, samples):
    """Give samples that share no gene with the reference the factor 1, as edgeR does, but say so."""
    lost = np.flatnonzero(np.isnan(factors))
    if lost.size:
        warn(
            f"{lost.size:,} of {len(samples):,} samples (first {samples[lost[0]]}) keep no gene in common "
            "with the reference after trimming; their factor is 1, the library size alone. "
            "Consider 'tmmwsp' or 'poscounts', or drop them"
        )
    return np.where(np.isnan(factors), 1.0, factors)


# --- small parts ------------------------------------------------------------------------------------------------------


def _upper_quartiles(counts):
    """75% quantile (type 7, linear) of every sample over the genes seen anywhere, zeros included, shape (n,)."""
    seen = np.count_nonzero(counts.positive_samples())
    position = 0.75 * (seen - 1)
    below = int(position)
    quartiles = np.empty(len(counts.samples))
    for i, (_, values) in enumerate(counts.rows()):
        zeros = seen - len(values)  # the `zeros` smallest entries of this sample are never written out
        ranks = np.array([below, min(below + 1, seen - 1)]) - zeros
        at = np.where(ranks < 0, 0, np.partition(values, np.maximum(ranks, 0))[np.maximum(ranks, 0)])
        quartiles[i] = at[0] + (position - below) * (float(at[1]) - at[0])
    return quartiles


def _positive_upper_quartiles(counts):
    quartiles = _upper_quartiles(counts)
    zero = np.flatnonzero(quartiles == 0)
    if zero.size:
        raise CountsError(
            f"the upper quartile is zero in {zero.size:,} of {len(quartiles):,} samples "
            f"(first {counts.samples[zero[0]]}): three quarters of the genes have no count there. "
            "Use 'poscounts' or 'tmmwsp', or keep the expressed genes only"
        )
    return quartiles


def _dense_row(matrix, row):
    """One sample as a plain array of floats, shape (g,)."""
    one = matrix[[row], :]
    return np.asarray(one.toarray() if sparse.issparse(one) else one, dtype=float).ravel()


def _with_names(values, checked, source):
    """Give values (n, g) as a DataFrame where samples or genes have names, or the counts came in one."""
    nameless = isinstance(checked.samples, pd.RangeIndex) and isinstance(checked.genes, pd.RangeIndex)
    if nameless and not isinstance(source, pd.DataFrame):
        return values
    return pd.DataFrame(values, index=checked.samples, columns=checked.genes)


def _check_method(method):
    if method not in METHODS:
        raise InputError(f"unknown method {method!r}; {did_you_mean(method, METHODS)}")


def _check_trim(logratio_trim, sum_trim):
    for name, value in (("logratio_trim", logratio_trim), ("sum_trim", sum_trim)):
        if not 0 <= value < 0.5:
            raise InputError(f"{name} is cut off at both ends and must lie in [0, 0.5); got {value}")
    return logratio_trim, sum_trim
