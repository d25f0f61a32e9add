"""Size factors of every sample and gene, for transcripts whose lengths differ between samples.

Reached as `scomics_lite.normalization.length_factors`. A gene that switches to an isoform twice as long has twice as
many reads of the same number of molecules. Programs that count reads by transcripts (salmon, kallisto, RSEM) give the
average length of a gene's transcripts in every sample, weighted by their abundance; with the lengths in the size
factors, what is left of a difference is one of molecules (Soneson, Love and Robinson 2015).
"""

import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite.normalization.library_sizes import geometric_mean_one
from scomics_lite.validation import CountsError, check_counts, check_positive_table, check_size_factors


def length_factors(counts, lengths, *, size_factors=None, layer=None):
    """Turn average lengths of transcripts into size factors of every sample and gene, as DESeq2 does.

    With the lengths L, divided by each gene's geometric mean, and the median of ratios s of the counts over them:

        s_ig = s_i L_ig / geometric mean over the samples of s_i L_ig

    These are DESeq2's normalization factors for counts of tximport (``avgTxLength``). Only the differences of a gene
    between samples matter, not which genes are long.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame or AnnData, shape (n, g)
        Raw counts, rounded where they are estimated.
    lengths : array_like or DataFrame, shape (n, g)
        L, positive: average effective lengths, ``adata.layers["length"]`` of
        `scomics_lite.datasets.read_quantifications`.
    size_factors : array_like, shape (n,), optional
        s, on any scale, instead of the median of ratios.
    layer : str, optional
        Layer of an AnnData that holds the counts.

    Returns
    -------
    DataFrame, shape (n, g)
        Positive, with a geometric mean of 1 for every gene. In place of size factors, to
        `scomics_lite.dispersion.estimate` and `scomics_lite.glm.fit`.

    Raises
    ------
    CountsError
        If no gene is counted in every sample, and `size_factors` are not given.

    Examples
    --------
    >>> counts = [[100, 50, 60], [100, 100, 60]]  # the second gene's transcripts are twice as long in the second sample
    >>> length_factors(counts, [[900, 500, 700], [900, 1000, 700]]).round(3)
         0      1    2
    0  1.0  0.707  1.0
    1  1.0  1.414  1.0
    """
    checked = check_counts(counts, layer=layer)
    lengths = check_positive_table(lengths, checked.samples, checked.genes, "lengths")
    log_lengths = np.log(lengths)
    log_lengths -= log_lengths.mean(axis=0)
    s = _median_of_ratios(checked, log_lengths) if size_factors is None else size_factors
    s = check_size_factors(s, checked.samples)
    factors = np.exp(log_lengths, out=log_lengths)
    factors *= geometric_mean_one(s)[:, None]
    return pd.DataFrame(factors, index=checked.samples, columns=checked.genes)


def _median_of_ratios(counts, log_lengths):
    """Take the median over genes of the ratios to their geometric means, of counts over relative lengths."""
    genes = np.flatnonzero(counts.positive_samples() == len(counts.samples))
    if not genes.size:
        raise CountsError(
            "no gene is counted in all samples, so the median of ratios has nothing to go by; bring size factors that "
            "zeros do not stop: size_factors=scomics_lite.normalization.size_factors(counts, 'poscounts')"
        )
    y = counts.matrix[:, genes]
    logs = np.log(y.toarray() if sparse.issparse(y) else y, dtype=float) - log_lengths[:, genes]
    return np.exp(np.median(logs - logs.mean(axis=0), axis=1))
