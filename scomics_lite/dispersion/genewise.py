"""Dispersions of genes one at a time: from the moments, from the likelihood, with a prior or without.

Nothing here looks at more than one gene; `scomics_lite.dispersion` is where genes share, and its namesakes are these.
"""

from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from scipy import sparse
from scipy.special import gammaln

from scomics_lite import glm
from scomics_lite.blocks import Columns, gene_blocks, map_blocks
from scomics_lite.design import match_design
from scomics_lite.dispersion.profile_likelihood import MAX_EVALUATIONS, Profile, best_on_grid, climb, maximise
from scomics_lite.equations import least_squares
from scomics_lite.validation import Counts, InputError, check_order, check_size_factors, quoted, read_counts, warn

MINIMUM = 1e-8  # the smallest dispersion, DESeq2's; its search goes on to a tenth of it
LARGEST_SCALE = 10.0  # of the size factors together, or its inverse
LEAST_MEAN = 0.5  # DESeq2's: smaller means count as this, as they do inside glm.fit


def moments(counts, design=None, size_factors=None, *, layer=None):
    """Estimate dispersions from variances: what is left of them beyond Poisson, over the squared mean.

    Without a design, with q = y / s, its mean m and variance v over all samples (Anders and Huber 2010, eq. 8):

        phi = (v - m mean(1 / s)) / m^2

    With a design, around the least-squares means mu of q, at least 1, with n - p degrees of freedom:

        phi = sum over samples of ((q - mu)^2 - mu) / mu^2 / (n - p), at least 0

    DESeq2 starts from the smaller of the two.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame, AnnData or Counts, shape (n, g)
        Raw counts, of one gene or more.
    design : DataFrame or array_like, shape (n, p), optional
        With fewer columns than samples. (Until version 0.1 size factors came before the design; two arguments in that
        order are understood, with a warning.)
    size_factors : array_like, shape (n,) or (n, g)
        Positive. Of a table, with factors of every gene, DESeq2 and this average s over the genes with counts for the
        mean of 1 / s.
    layer : str, optional
        Layer of an AnnData that holds the counts.

    Returns
    -------
    ndarray or Series, shape (g,)
        A Series where genes have names. Without a design below zero where a gene varies less than Poisson counts would;
        NaN for genes without a count.

    Examples
    --------
    >>> moments([[4, 5], [16, 5]], size_factors=[1.0, 1.0])
    array([ 0.62, -0.2 ])
    """
    counts = _some_genes(counts, layer)
    design, size_factors = _in_order(design, size_factors)
    s = check_size_factors(size_factors, counts.samples, counts.genes)
    x = None if design is None else _check_design(design, counts.samples)
    dispersions, counted = np.full(len(counts.genes), np.nan), np.flatnonzero(counts.positive_samples())
    factors, mean_inverse = Columns(s), _mean_inverse(s, counted)
    for genes, y in gene_blocks(counts.matrix, counted):
        q = y / factors[genes]
        dispersions[genes] = _overall_moments(q, mean_inverse) if x is None else _residual_moments(q, x)[0]
    return counts.of_genes(dispersions)


def maximum_likelihood(counts, mean, design, *, cox_reid=True, layer=None):
    """Find the dispersion of every gene at the exact maximum of its (adjusted) profile likelihood.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame, AnnData or Counts, shape (n, g)
        Raw counts, of one gene or more.
    mean : DataFrame or array_like, shape (n, g)
        Fitted means, positive, as in ``glm.fit(...).mean``. They are held fixed.
    design : DataFrame or array_like, shape (n, p)
        What the means were fitted with.
    cox_reid : bool
        Whether to adjust for the fitting of the means (Cox and Reid 1987); the plain maximum is biased downwards.
    layer : str, optional
        Layer of an AnnData that holds the counts.

    Returns
    -------
    ndarray or Series, shape (g,)
        A Series where genes have names. Between 1e-8 and the larger of 10 and n, as in `estimate`; NaN for genes
        without a count.

    Examples
    --------
    >>> counts = [[4], [16], [10], [30]]
    >>> design, mean = np.ones((4, 1)), np.full((4, 1), 15.0)
    >>> maximum_likelihood(counts, mean, design, cox_reid=False).round(3)
    array([0.375])
    >>> maximum_likelihood(counts, mean, design).round(3)
    array([0.508])
    """
    counts, mean, x = _check_means(counts, mean, design, layer)
    dispersions = np.full(len(counts.genes), np.nan)
    products = Profile.products_of(x) if cox_reid else None
    low, high = np.log(MINIMUM), np.log(_maximum(len(x)))
    for genes, y in gene_blocks(counts.matrix, np.flatnonzero(counts.positive_samples())):
        profile = Profile(y.T, mean[:, genes].T, products)
        dispersions[genes] = np.exp(maximise(profile, low, high))
    return counts.of_genes(dispersions)


def cox_reid_profile(counts, mean, design, dispersions, *, layer=None):
    """Compute the Cox-Reid adjusted profile log likelihood (see `scomics_lite.dispersion.profile_likelihood`).

    Parameters
    ----------
    counts : array_like, sparse, DataFrame, AnnData or Counts, shape (n, g)
        Raw counts, of one gene or more.
    mean : DataFrame or array_like, shape (n, g)
        Fitted means, positive, as in ``glm.fit(...).mean``. They are held fixed.
    design : DataFrame or array_like, shape (n, p)
        What the means were fitted with.
    dispersions : float or array_like, shape (g,) or (g, k)
        phi, positive; one or k for each gene.
    layer : str, optional
        Layer of an AnnData that holds the counts.

    Returns
    -------
    ndarray, shape (g,) or (g, k)
        Natural logarithms; all terms of the negative binomial likelihood included.

    Examples
    --------
    >>> counts = [[4], [16], [10], [30]]
    >>> cox_reid_profile(counts, np.full((4, 1), 15.0), np.ones((4, 1)), [[0.1, 0.4, 1.6]]).round(3)
    array([[-17.183, -15.372, -16.128]])
    """
    counts, mean, x = _check_means(counts, mean, design, layer)
    g = len(counts.genes)
    check_order(dispersions, counts.genes, "dispersions")
    phi = np.asarray(dispersions, dtype=float)
    phi = np.broadcast_to(phi, (g,)) if phi.ndim == 0 else phi
    if phi.ndim > 2 or len(phi) != g:
        raise InputError(f"{g} genes need dispersions of shape ({g},) or ({g}, k), got {phi.shape}")
    if not (np.isfinite(phi) & (phi > 0)).all():
        raise InputError("dispersions must be positive and finite; 1e-8 is as good as Poisson")
    values = np.empty((g, phi[0].size))
    for genes, y in gene_blocks(counts.matrix, np.arange(g)):
        profile = Profile(y.T, mean[:, genes].T, Profile.products_of(x))
        constant = (profile.y * np.log(profile.mu) - gammaln(profile.y + 1)).sum(axis=1)
        for column in range(values.shape[1]):
            values[genes, column] = constant + profile.value(np.log(phi.reshape(g, -1)[genes, column]))
    return values.reshape(phi.shape)


# --- means and moments ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class MeanModel:
    """What the means of all genes share; without counts, so that it travels light."""

    x: np.ndarray  # (n, p)
    log_link: bool

    @cached_property
    def products(self):
        """Products of the columns of x, as `Profile` wants them."""
        return Profile.products_of(self.x)

    def profile(self, y, s, coefficients):
        """Give the profile likelihood of b genes: counts (n, b), size factors (n, 1) or (n, b), coefficients (b, p)."""
        relative = self.x @ coefficients.T
        mu = s * (np.exp(relative) if self.log_link else relative)
        return Profile(y.T.copy(), np.maximum(mu, LEAST_MEAN).T.copy(), self.products)


@dataclass(frozen=True, eq=False)
class Means:
    """Means of all genes, kept as coefficients: those of many cells would fill the memory."""

    counts: Counts
    size_factors: np.ndarray  # (n,) or (n, g)
    model: MeanModel
    base_mean: np.ndarray  # (g,), NaN for genes without a count
    start: np.ndarray  # (g,): the moments' dispersions
    coefficients: np.ndarray  # (g, p)

    @classmethod
    def fit(cls, counts, design, size_factors, map=map):
        """Estimate moments and means: least squares where the design only tells groups apart, else a regression."""
        s = check_size_factors(size_factors, counts.samples, counts.genes)
        x = _check_design(design, counts.samples)
        base_mean, start = np.full((2, len(counts.genes)), np.nan)
        coefficients = np.full((len(counts.genes), x.shape[1]), np.nan)
        counted = np.flatnonzero(counts.positive_samples())
        _check_scale(s, counts.genes, counted)
        factors, mean_inverse = Columns(s), _mean_inverse(s, counted)
        for genes, y in gene_blocks(counts.matrix, counted):
            q = y / factors[genes]
            base_mean[genes] = q.mean(axis=0)
            residual, coefficients[genes] = _residual_moments(q, x)
            start[genes] = np.minimum(_overall_moments(q, mean_inverse), residual)
        start = np.clip(start, MINIMUM, _maximum(len(s)))
        log_link = len(np.unique(x, axis=0)) != x.shape[1]
        if log_link:
            coefficients = glm.fit(counts, design, s, start, map=map).coefficients
        return cls(counts, s, MeanModel(x, log_link), base_mean, start, coefficients)

    @property
    def residual_df(self):
        """Samples less coefficients."""
        return self.model.x.shape[0] - self.model.x.shape[1]

    def genewise(self, *, map=map):
        """Search each gene's maximum, shape (g,); NaN without a count."""
        return self._search(_climb_likelihood, self.start, map=map)

    def posterior(self, genewise, trended, prior_variance, *, map=map):
        """Search each gene's maximum under the prior ln phi ~ N(ln trended, prior variance), shape (g,)."""
        return self._search(partial(_climb_posterior, prior_variance), genewise, trended, map=map)

    def _search(self, function, *arrays, map):
        """Give what `function` finds in counts, size factors, coefficients and the arrays of each gene with means."""
        found = np.full(len(self.counts.genes), np.nan)
        fitted = np.flatnonzero(np.isfinite(self.coefficients).all(axis=1))
        function, given = partial(function, self.model), (Columns(self.size_factors), self.coefficients, *arrays)
        for genes, values in map_blocks(function, self.counts.matrix, fitted, *given, map=map):
            found[genes] = values
        return found


def _mean_inverse(s, counted):
    """Average 1 / s over the samples; DESeq2 averages factors of every gene over the genes with counts before that."""
    if s.ndim == 2 and counted.size:
        s = sum(block.sum(axis=1) for _, block in gene_blocks(s, counted)) / len(counted)
    return (1 / s).mean()


def _overall_moments(q, mean_inverse):
    mean = q.mean(axis=0)
    return (q.var(axis=0, ddof=1) - mean * mean_inverse) / mean**2


def _residual_moments(q, x):
    """Give the dispersions (b,), and the least-squares coefficients (b, p)."""
    coefficients = least_squares(x, q)
    mu = np.maximum(x @ coefficients, 1)
    return np.maximum((((q - mu) ** 2 - mu) / mu**2).sum(axis=0) / (len(q) - x.shape[1]), 0), coefficients.T


# --- searches -----------------------------------------------------------------------------------------------


def _climb_likelihood(model, y, s, coefficients, start):
    """Climb from the moments; keep the start where that gains next to nothing, use the grid where it never arrives."""
    profile, high = model.profile(y, s, coefficients), _maximum(len(y))
    log_phi, height, first_height, evaluations = climb(profile, np.log(start), np.log(MINIMUM / 10))
    phi = np.minimum(np.exp(log_phi), high)
    phi = np.where(height < first_height + np.abs(first_height) / 1e6, start, phi)
    again = ((evaluations == MAX_EVALUATIONS) | (evaluations == 1)) & (phi > 10 * MINIMUM)
    return np.clip(_grid_where(again, profile, phi, high), MINIMUM, high)


def _climb_posterior(prior_variance, model, y, s, coefficients, genewise, trended):
    """Climb the posterior from the gene-wise estimate, or from the trend where that lies ten times as high."""
    profile, high = model.profile(y, s, coefficients), _maximum(len(y))
    profile = replace(profile, center=np.log(trended), variance=prior_variance)
    start = np.where(genewise > 0.1 * trended, genewise, trended)
    log_phi, _, _, evaluations = climb(profile, np.log(start), np.log(MINIMUM / 10))
    phi = _grid_where(evaluations == MAX_EVALUATIONS, profile, np.exp(log_phi), high)
    return np.clip(phi, MINIMUM, high)


def _grid_where(again, profile, phi, high):
    """Replace some dispersions by the best on a grid."""
    if not again.any():
        return phi
    phi = phi.copy()
    phi[again] = np.exp(best_on_grid(profile.take(again), np.log(MINIMUM), np.log(high)))
    return phi


def _maximum(n):
    """Give the largest dispersion for n samples, DESeq2's."""
    return max(10.0, n)


# --- checking ---------------------------------------------------------------------------------------------------------


def _check_design(design, samples):
    """Give the design as an array (n, p) with n > p."""
    x = match_design(design, samples).to_numpy(float)
    n, p = x.shape
    if p >= n:
        raise InputError(
            f"{n} samples and {p} coefficients leave no residual degree of freedom, and nothing to measure variation "
            "by: replicates are needed, or a design with fewer columns"
        )
    return x


def _check_scale(s, genes, counted):
    """Stop library sizes: the moments take normalized counts to be counts, and means below 1 to be 1, as in DESeq2."""
    if s.ndim == 1:
        _refuse_scale(np.exp(np.log(s).mean()), "the size factors", "divide the size factors by it")
        return
    way_out = "divide those of each gene by theirs: size_factors / np.exp(np.log(size_factors).mean(axis=0))"
    for block, factors in gene_blocks(s, counted):
        log_scales = np.log(factors).mean(axis=0)
        farthest = np.abs(log_scales).argmax()
        what = f"the size factors of gene {quoted(genes[block[farthest]])}"
        _refuse_scale(np.exp(log_scales[farthest]), what, way_out)


def _refuse_scale(scale, what, way_out):
    if not 1 / LARGEST_SCALE < scale < LARGEST_SCALE:
        raise InputError(
            f"{what} have a geometric mean of {scale:.3g}; it must be near 1 for counts over size factors to be like "
            f"counts: {way_out}"
        )


def _some_genes(counts, layer):
    """Read counts of a few genes, where a sample may well have none: check_counts would call it empty."""
    counts = read_counts(counts, layer=layer)
    values = counts.matrix.data if sparse.issparse(counts.matrix) else counts.matrix
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        first = counts.matrix.indices[bad.argmax()] if sparse.issparse(counts.matrix) else bad.any(axis=0).argmax()
        raise InputError(f"counts must be finite and not negative; gene {quoted(counts.genes[first])} has others")
    return counts


def _in_order(design, size_factors):
    """Give design and size factors, also to those who call with the size factors first."""
    if design is not None and np.ndim(design) == 1:
        warn("moments takes counts, design and size factors in this order now: moments(counts, design, size_factors)")
        return size_factors, design
    if size_factors is None:
        raise InputError("moments needs a size factor for each sample: moments(counts, design, size_factors)")
    return design, size_factors


def _check_means(counts, mean, design, layer):
    counts = _some_genes(counts, layer)
    x = _check_design(design, counts.samples)
    check_order(mean, counts.samples, "means", counts.genes)
    mean = np.asarray(mean, dtype=float)
    shape = (len(counts.samples), len(counts.genes))
    if mean.shape != shape:
        raise InputError(f"the means must have the shape of the counts, {shape}; got {mean.shape}")
    bad = ~(np.isfinite(mean) & (mean > 0)) & (counts.positive_samples() > 0)
    if bad.any():
        gene = quoted(counts.genes[np.argmax(bad.any(axis=0))])
        raise InputError(f"means must be positive and finite; gene {gene} has others. Is it all zero, or not fitted?")
    return counts, mean, x
