"""Single counts that pull a fit towards themselves: Cook's distance, flags, and replacement.

Reached as `scomics_lite.glm.cooks_distance` and so on. One enormous count can make a gene significant by itself. Cook's
distance (Cook 1977) says how far the coefficients would move without a sample; what DESeq2 does about it (Love, Huber
and Anders 2014, "Cook's distance for outlier detection") depends on how many replicates there are: with fewer than
three nothing can be said, with three or more the gene is flagged, with seven or more the count is replaced. Replicates
are samples with the same row in the design.

The distances are from the means of the regression, whichever test follows. DESeq2 1.38 does so for Wald tests; for
likelihood ratios it takes the means that the dispersions were estimated with, and replaces a few other counts.
"""

import numpy as np
from scipy import sparse, stats

from scomics_lite.blocks import Columns
from scomics_lite.validation import Counts

# Up to how many replicates, which share of the squared errors is trimmed at each end, and what turns the mean of the
# rest into the variance of normal errors.
TRIMS = ((3, 1 / 3, 2.04), (23, 1 / 4, 1.86), (np.inf, 1 / 8, 1.51))
LEAST_DISPERSION = 0.04  # of the robust estimate: with smaller ones, every count of a quiet gene would be an outlier
REPLACEMENT_TRIM = 0.2  # of the mean that stands in for an outlier
FEWEST_TO_FLAG = 3  # replicates; with two, nobody knows which of them is the outlier


def cooks_distance(fit):
    """Compute Cook's distance of every count in the fit of its gene.

    With mu the fitted means, h the leverages and p coefficients

        D = (y - mu)^2 / (mu + phi mu^2) / p * h / (1 - h)^2

    where phi is a robust estimate that the outlier itself cannot inflate: by the method of moments from the largest
    trimmed variance of the groups of three and more replicates (of all samples where there is none), at least 0.04.

    Parameters
    ----------
    fit : GlmFit
        From `scomics_lite.glm.fit`.

    Returns
    -------
    ndarray, shape (n, g)
        NaN for genes without a fit, infinite or NaN for samples without which the design has no full rank.

    Examples
    --------
    >>> from scomics_lite import glm
    >>> design = [[1, 0], [1, 0], [1, 0], [1, 1], [1, 1], [1, 1]]
    >>> fit = glm.fit([[9], [10], [11], [9], [10], [99]], design, np.ones(6), 0.1)
    >>> cooks_distance(fit).ravel().round(1)
    array([ 0. ,  0. ,  0. ,  3.4,  3.2, 13.2])
    """
    return np.hstack(list(_distances(fit)))


def cooks_cutoff(fit):
    """Give the distance from which a count is an outlier: the 0.99 quantile of F(p, n - p), DESeq2's choice.

    Parameters
    ----------
    fit : GlmFit

    Returns
    -------
    float
        Infinite where there are no residual degrees of freedom.

    Examples
    --------
    >>> from scomics_lite import glm
    >>> print(f"{cooks_cutoff(glm.fit([[9], [10], [11]], np.ones((3, 1)), np.ones(3), 0.1)):.1f}")
    98.5
    """
    n, p = fit.design.shape
    return float(stats.f.ppf(0.99, p, n - p)) if n > p else np.inf


def flag_outliers(fit, *, max_replicates=np.inf):
    """Find the genes with a count beyond the cut-off among three or more replicates: their p-values mean nothing.

    In a comparison of two groups a gene stays where three or more other counts are larger than the outlying one, since
    then it is no single high count.

    Parameters
    ----------
    fit : GlmFit
    max_replicates : int
        Samples with more replicates are passed over, because `replace_outliers` deals with them.

    Returns
    -------
    ndarray of bool, shape (g,)

    Examples
    --------
    >>> from scomics_lite import glm
    >>> design = [[1, 0], [1, 0], [1, 0], [1, 1], [1, 1], [1, 1]]
    >>> counts = [[9, 9], [10, 10], [11, 11], [9, 9], [10, 10], [11, 999]]
    >>> flag_outliers(glm.fit(counts, design, np.ones(6), 0.1))
    array([False,  True])
    """
    groups, sizes = _replicates(fit.design)
    judged = (sizes >= FEWEST_TO_FLAG) & (sizes <= max_replicates)
    if not judged.any():
        return np.zeros(len(fit.genes), dtype=bool)
    outlying = _outlying(fit)
    flagged = outlying[judged].count_nonzero(axis=0) > 0
    if groups.max() == 1:
        genes = np.flatnonzero(flagged)
        y = _dense(fit.counts.matrix[:, genes])
        largest = np.take_along_axis(y, outlying[:, genes].toarray().argmax(axis=0)[None], axis=0)
        flagged[genes] = (y > largest).sum(axis=0) < 3
    return flagged


def replace_outliers(fit, *, min_replicates=7):
    """Replace the outlying counts of samples with many replicates by what the other samples suggest.

    The new count is the mean over all samples of counts over size factors, without a fifth of them at either end, times
    the sample's size factor, cut off to a whole number. Fit again with new dispersions for the genes concerned.

    Parameters
    ----------
    fit : GlmFit
    min_replicates : int
        Fewest replicates of a sample for which that is done; with fewer, one count matters too much to be made up.

    Returns
    -------
    Counts
        All genes; compare with ``fit.counts`` to see what changed.

    Examples
    --------
    >>> from scomics_lite import glm
    >>> counts = np.array([[9, 9], [10, 10], [11, 11], [9, 9], [10, 10], [11, 11], [10, 999]])
    >>> replace_outliers(glm.fit(counts, np.ones((7, 1)), np.ones(7), 0.1)).matrix[-1]
    array([10., 10.])
    """
    replaceable = _replicates(fit.design)[1] >= min_replicates
    if not replaceable.any():
        return fit.counts
    rows, columns = _outlying(fit).nonzero()
    rows, columns = rows[replaceable[rows]], columns[replaceable[rows]]
    genes, places = np.unique(columns, return_inverse=True)
    y = _dense(fit.counts.matrix[:, genes])
    s = Columns(fit.size_factors)[genes]
    typical = np.trunc(_trimmed_mean(y / s, REPLACEMENT_TRIM) * s)
    matrix = _with_values(fit.counts.matrix.astype(float), rows, columns, typical[rows, places])
    return Counts(matrix, fit.counts.samples, fit.counts.genes)


def _with_values(matrix, rows, columns, values):
    """Put values into a matrix of one's own, dense or sparse."""
    if not sparse.issparse(matrix):
        matrix[rows, columns] = values
        return matrix
    change = values - matrix[rows, columns]
    matrix = sparse.csr_array(matrix + sparse.csr_array((change, (rows, columns)), shape=matrix.shape))
    matrix.eliminate_zeros()
    return matrix


def _outlying(fit):
    """Give the distances beyond the cut-off and zeros for all others, sparse, shape (n, g)."""
    cutoff = cooks_cutoff(fit)
    return sparse.hstack([sparse.csc_array(np.where(d > cutoff, d, 0.0)) for d in _distances(fit)], format="csc")


def _distances(fit):
    """Yield Cook's distances of block after block of genes, shape (n, b)."""
    groups, p = _replicates(fit.design)[0], fit.design.shape[1]
    for part in fit.blocks():
        with np.errstate(divide="ignore", invalid="ignore"):  # a gene without fit, a sample alone in its group
            phi = _robust_dispersion(part.counts / part.model.s, groups)
            mu, hat = part.mean, part.hat
            distance = (part.counts - mu) ** 2 / (mu + phi * mu**2) / p * hat / (1 - hat) ** 2
        yield distance


def _replicates(design):
    """Give each sample the number of its group, those with the same row in the design, and the size of that group."""
    _, groups, sizes = np.unique(design.to_numpy(float), axis=0, return_inverse=True, return_counts=True)
    groups = groups.ravel()
    return groups, sizes[groups]


def _robust_dispersion(normalized, groups):
    """Estimate dispersions by the method of moments with trimmed variances, shape (b,)."""
    large = np.flatnonzero(np.bincount(groups) >= FEWEST_TO_FLAG)
    if large.size:
        variance = np.max([_trimmed_variance(normalized[groups == group]) for group in large], axis=0)
    else:
        variance = _trimmed_variance(normalized, *TRIMS[-1][1:])
    mean = normalized.mean(axis=0)
    return np.maximum((variance - mean) / mean**2, LEAST_DISPERSION)


def _trimmed_variance(values, share=None, scale=None):
    """Trimmed mean of the squared distances from the trimmed mean, scaled to be a variance; shape (b,)."""
    if share is None:
        share, scale = next((share, scale) for most, share, scale in TRIMS if len(values) <= most)
    return scale * _trimmed_mean((values - _trimmed_mean(values, share)) ** 2, share)


def _trimmed_mean(values, share):
    """Mean over samples without the lowest and the highest `share` of them, shape (b,)."""
    cut = int(len(values) * share)
    return np.sort(values, axis=0)[cut : len(values) - cut].mean(axis=0)


def _dense(block):
    """Make the counts of a few genes dense floats."""
    return (block.toarray() if sparse.issparse(block) else block).astype(float)
