"""The trimmed means of log ratios behind TMM and TMMwsp, for one sample and its reference.

Called by `scomics_lite.normalization.norm_factors`. The counts of a sample are ``genes``, where it has any, and their
``values``; those of the reference are dense, ``y_reference`` of shape (g,). ``n_sample`` and ``n_reference`` are the
library sizes, ``trim`` the fractions cut off at each end of M and of A.
"""

import numpy as np


def tmm_factor(genes, values, y_reference, n_sample, n_reference, trim, weighted):
    """Weighted mean of the M values left by both trims, as 2**M; NaN where no gene is left."""
    both = y_reference[genes] > 0
    if not both.any():
        return np.nan
    m, a, variance = m_a_variance(values[both], y_reference[genes[both]], n_sample, n_reference)
    if np.abs(m).max() < 1e-6:  # the same library: no rounding noise into the weights
        return 1.0
    kept = untrimmed(m, trim[0]) & untrimmed(a, trim[1])
    if not kept.any():
        return np.nan
    return 2 ** np.average(m[kept], weights=1 / variance[kept] if weighted else None)


def tmmwsp_factor(genes, values, y_reference, n_sample, n_reference, trim, weighted, *, reference_genes):
    """TMM with singleton pairing: genes seen in one of the two libraries only are paired by rank and kept in play."""
    y, y_reference = _pair_singletons(genes, values, y_reference, reference_genes)
    share, share_reference = y / n_sample, y_reference / n_reference
    m, a = np.log2(share / share_reference), np.log2(share * share_reference) / 2
    if np.abs(m).max() < 1e-6:
        return 1.0
    # Ties of M are broken by this; its logarithm too must round equal ratios of counts to equal numbers.
    shrunk = np.log2(((y + 0.5) / (n_sample + 0.5)) / ((y_reference + 0.5) / (n_reference + 0.5)))
    kept = _middle(np.lexsort((shrunk, m)), trim[0]) & _middle(np.argsort(a, kind="stable"), trim[1])
    if not kept.any():
        return np.nan
    share, share_reference = share[kept], share_reference[kept]
    variance = (1 - share) / share / n_sample + (1 - share_reference) / share_reference / n_reference
    weights = (1 + 1e-6) / (variance + 1e-6) if weighted else None  # bounded, as edgeR has it
    return 2 ** np.average(m[kept], weights=weights)


def m_a_variance(y, y_reference, n_sample, n_reference):
    """M, A and the variance of M for counts that are all positive; formulas in `m_and_a`."""
    share, share_reference = y / n_sample, y_reference / n_reference
    m = np.log2(share / share_reference)
    a = (np.log2(share) + np.log2(share_reference)) / 2
    variance = (n_sample - y) / n_sample / y + (n_reference - y_reference) / n_reference / y_reference
    return m, a, variance


def untrimmed(values, trim):
    """Mask of the values whose average rank lies within [floor(trim n) + 1, n - floor(trim n)].

    Only the values tied at the two cut points need a rank: all others are on a known side.
    """
    cut = int(len(values) * trim)
    last = len(values) - 1 - cut
    lowest, highest = np.partition(values, (cut, last))[[cut, last]]
    kept = (values >= lowest) & (values <= highest)
    if _average_rank(values, lowest) < cut + 1:
        kept &= values != lowest
    if _average_rank(values, highest) > last + 1:
        kept &= values != highest
    return kept


def _average_rank(values, value):
    """Rank of a value among the values, counted from 1, ties sharing their mean rank."""
    below, equal = np.count_nonzero(values < value), np.count_nonzero(values == value)
    return below + (equal + 1) / 2


def _pair_singletons(genes, values, y_reference, reference_genes):
    """Keep genes counted in both; pair the largest counts of those seen here only with those seen there only."""
    both = y_reference[genes] > 0
    here = values[~both]
    there = y_reference[np.setdiff1d(reference_genes, genes, assume_unique=True)]
    pairs = min(len(here), len(there))
    largest_here, largest_there = np.sort(here)[::-1][:pairs], np.sort(there)[::-1][:pairs]
    return np.concatenate([values[both], largest_here]), np.concatenate([y_reference[genes[both]], largest_there])


def _middle(order, trim):
    """Mask of the entries left when a fraction is cut off at both ends of an order."""
    cut = int(len(order) * trim)
    kept = np.zeros(len(order), dtype=bool)
    kept[order[cut : len(order) - cut]] = True
    return kept
