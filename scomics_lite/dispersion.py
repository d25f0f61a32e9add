"""Dispersions: how much more than Poisson the counts of a gene vary between replicates.

The model is that of `scomics_lite.glm`: Y_ig ~ NB(mu_ig, phi_g), with Var Y = mu + phi mu^2. Three replicates are too
few for a gene to tell its phi alone, so genes share (Love, Huber and Anders 2014):

    gene-wise   the phi of the highest Cox-Reid adjusted profile likelihood, from the gene's own counts
    trended     a function of the mean count, fitted through the gene-wise ones
    map         the maximum a posteriori: the same likelihood, with ln phi ~ N(ln trended, prior variance)
    final       map, but gene-wise where that lies so far above the trend that the prior would hide it

`estimate` does all four by the conventions of DESeq2 1.38; `maximum_likelihood` goes to the exact maximum, and
`edger_dispersions` is edgeR's way to share.
"""

from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import gammaln

from scomics_lite import glm
from scomics_lite import trend as trends
from scomics_lite.blocks import gene_blocks, map_blocks
from scomics_lite.design import match_design
from scomics_lite.edger import EdgerDispersions, edger_common, edger_dispersions, edger_tagwise, edger_trended
from scomics_lite.notices import warn
from scomics_lite.profile_likelihood import MAX_EVALUATIONS, Profile, best_on_grid, climb, maximise
from scomics_lite.validation import Counts, InputError, check_counts, check_size_factors, did_you_mean, is_number

__all__ = [
    "Dispersions",
    "EdgerDispersions",
    "cox_reid_profile",
    "edger_common",
    "edger_dispersions",
    "edger_tagwise",
    "edger_trended",
    "estimate",
    "maximum_likelihood",
    "moments",
]

TRENDS = ("parametric", "local", "mean")
MINIMUM = 1e-8  # the smallest dispersion, DESeq2's; its search goes on to a tenth of it
LARGEST_SCALE = 10.0  # of the size factors together, or its inverse
LEAST_MEAN = 0.5  # DESeq2's: smaller means count as this, as they do inside glm.fit
OUTLIER_SD = 2  # standard deviations above the trend


@dataclass(frozen=True, repr=False)
class Dispersions:
    """Dispersions of all genes, NaN (and no outlier) for those without a count.

    Attributes
    ----------
    genes : Index, shape (g,)
    base_mean : ndarray, shape (g,)
        Mean of the normalized counts, which the trend is a function of.
    genewise, trended, map, final : ndarray, shape (g,)
        See `scomics_lite.dispersion`.
    outlier : ndarray of bool, shape (g,)
        Genes that keep their gene-wise estimate.
    trend : ParametricTrend, LocalTrend or MeanTrend
        The fitted function; call it with means to get dispersions.
    residual_variance : float
        Of ln(gene-wise / trended), by the median absolute deviation.
    prior_variance : float
        Of the true ln dispersions around the trend.
    """

    genes: pd.Index
    base_mean: np.ndarray
    genewise: np.ndarray
    trended: np.ndarray
    map: np.ndarray
    final: np.ndarray
    outlier: np.ndarray
    trend: trends.ParametricTrend | trends.LocalTrend | trends.MeanTrend
    residual_variance: float
    prior_variance: float

    def __repr__(self):
        estimated = self.final[np.isfinite(self.final)]
        return (
            f"Dispersions of {len(estimated):,} of {len(self.genes):,} genes: median {np.median(estimated):.3g}, "
            f"{self.outlier.sum():,} outliers; {self.trend}; prior variance {self.prior_variance:.3g}"
        )

    def to_frame(self):
        """Give the columns base_mean, genewise, trended, map, final and outlier, indexed by gene."""
        names = ("base_mean", "genewise", "trended", "map", "final", "outlier")
        return pd.DataFrame({name: getattr(self, name) for name in names}, index=self.genes)


def estimate(counts, design, size_factors, *, trend="parametric", prior_variance=None, layer=None, map=map):
    """Estimate the dispersion of every gene, alone and with the help of the others, as DESeq2 1.38 does.

    Means come first: where the design only tells groups apart they are the groups' (`design` has as many different rows
    as columns), otherwise those of a regression (`scomics_lite.glm.fit`) at the `moments` dispersions. Means below 0.5
    count as 0.5. From there ln phi climbs the adjusted profile likelihood by gradient steps with Armijo's rule and
    stops, as DESeq2 does, where a step gains less than 1e-6: close to the maximum, not on it. A gene that has not
    arrived after 100 evaluations takes the best point of a grid; one whose start is already as good as one part in a
    million stays there. So the numbers are DESeq2's; `maximum_likelihood` has the exact maxima.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame, AnnData or Counts, shape (n, g)
        Raw counts, samples or cells in rows. Sparse counts are made dense a block of genes at a time.
    design : DataFrame or array_like, shape (n, p)
        As for `scomics_lite.glm.fit`; with fewer columns than samples.
    size_factors : array_like, shape (n,)
        Positive, with a geometric mean near 1.
    trend : str or Dispersions
        ``"parametric"``, DESeq2's default: a0 + a1 / mean, fitted to the genes with at least 1e-6, a hundred times the
        minimum; where that does not fit, ``"local"`` takes its place, with a warning. ``"local"``: a smooth curve of
        ln phi over ln mean. ``"mean"``: one dispersion for all genes. `Dispersions` of an earlier call: their trend,
        residual variance and prior variance, for genes whose counts have changed since (as
        `scomics_lite.glm.replace_outliers` changes them).
    prior_variance : float, optional
        Variance of the true ln dispersions around the trend. When not given, `scomics_lite.trend.prior_variance`
        estimates it; with 3 residual degrees of freedom or fewer DESeq2's own value comes from random numbers, and the
        same results need that value here.
    layer : str, optional
        Layer of an AnnData that holds the counts.
    map : callable
        What applies the searches to blocks of genes; see `scomics_lite.blocks`.

    Returns
    -------
    Dispersions

    Raises
    ------
    InputError
        If samples and coefficients are as many (nothing is left to measure variation by), if no gene varies more than
        Poisson counts do, or if the genes are too few for a trend.

    Examples
    --------
    >>> from scomics_lite import simulate
    >>> adata = simulate.bulk_counts(["A"] * 6 + ["B"] * 6, 300, dispersion=0.1, library_sizes=1e5, rng=1)
    >>> design = pd.DataFrame({"Intercept": 1.0, "B": [0] * 6 + [1] * 6}, index=adata.obs_names)
    >>> found = estimate(adata, design, adata.obs["size_factor"])
    >>> found.genewise.round(2)[:4]
    array([0.18, 0.21, 0.  , 0.11])
    >>> found.final.round(2)[:4]
    array([0.14, 0.16, 0.15, 0.11])
    """
    earlier = trend if isinstance(trend, Dispersions) else None
    if earlier is None and trend not in TRENDS:
        raise InputError(f"there is no trend {trend!r}; {did_you_mean(trend, TRENDS)}")
    if prior_variance is not None and not (is_number(prior_variance) and prior_variance > 0):
        raise InputError(f"prior_variance must be positive, got {prior_variance!r}")
    counts = counts if isinstance(counts, Counts) else check_counts(counts, layer=layer)
    means = _Means.fit(counts, design, size_factors, map)
    genewise = means.search(_genewise, means.start, map=map)
    curve = earlier.trend if earlier else _fit_trend(trend, means.base_mean, genewise)
    trended = curve(means.base_mean)
    log_residuals = np.log(genewise / trended)
    informative = log_residuals[genewise >= 100 * MINIMUM]
    residual_variance = earlier.residual_variance if earlier else trends.residual_variance(informative)
    if prior_variance is None:
        prior_variance = earlier.prior_variance if earlier else trends.prior_variance(informative, means.residual_df)
    shrunken = means.search(partial(_maximum_a_posteriori, prior_variance), genewise, trended, map=map)
    outlier = log_residuals > OUTLIER_SD * np.sqrt(residual_variance)
    return Dispersions(
        genes=means.counts.genes,
        base_mean=np.nan_to_num(means.base_mean),
        genewise=genewise,
        trended=trended,
        map=shrunken,
        final=np.where(outlier, genewise, shrunken),
        outlier=outlier,
        trend=curve,
        residual_variance=residual_variance,
        prior_variance=float(prior_variance),
    )


def moments(counts, size_factors, design=None):
    """Estimate dispersions from variances: what is left of them beyond Poisson, over the squared mean.

    Without a design, with q = y / s, its mean m and variance v over all samples (Anders and Huber 2010, eq. 8):

        phi = (v - m mean(1 / s)) / m^2

    With a design, around the least-squares means mu of q, at least 1, with n - p degrees of freedom:

        phi = sum over samples of ((q - mu)^2 - mu) / mu^2 / (n - p), at least 0

    DESeq2 starts from the smaller of the two.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame or Counts, shape (n, g)
        Raw counts, of one gene or more.
    size_factors : array_like, shape (n,)
        Positive.
    design : DataFrame or array_like, shape (n, p), optional
        With fewer columns than samples.

    Returns
    -------
    ndarray, shape (g,)
        Without a design below zero where a gene varies less than Poisson counts would; NaN for genes without a count.

    Examples
    --------
    >>> moments([[4, 5], [16, 5]], [1.0, 1.0])
    array([ 0.62, -0.2 ])
    """
    counts = _some_genes(counts)
    s = check_size_factors(size_factors, counts.samples)
    x = None if design is None else _check_design(design, counts.samples)
    dispersions, counted = np.full(len(counts.genes), np.nan), np.flatnonzero(counts.positive_samples())
    for genes, y in gene_blocks(counts.matrix, counted):
        q = y / s[:, None]
        dispersions[genes] = _overall_moments(q, s) if x is None else _residual_moments(q, x)[0]
    return dispersions


def maximum_likelihood(counts, mean, design, *, cox_reid=True):
    """Find the dispersion of every gene at the exact maximum of its (adjusted) profile likelihood.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame or Counts, shape (n, g)
        Raw counts, of one gene or more.
    mean : array_like, shape (n, g)
        Fitted means, positive, as in ``glm.fit(...).mean``. They are held fixed.
    design : DataFrame or array_like, shape (n, p)
        What the means were fitted with.
    cox_reid : bool
        Whether to adjust for the fitting of the means (Cox and Reid 1987); the plain maximum is biased downwards.

    Returns
    -------
    ndarray, shape (g,)
        Between 1e-8 and the larger of 10 and n, as in `estimate`; NaN for genes without a count.

    Examples
    --------
    >>> counts = [[4], [16], [10], [30]]
    >>> design, mean = np.ones((4, 1)), np.full((4, 1), 15.0)
    >>> maximum_likelihood(counts, mean, design, cox_reid=False).round(3)
    array([0.375])
    >>> maximum_likelihood(counts, mean, design).round(3)
    array([0.508])
    """
    counts, mean, x = _check_means(counts, mean, design)
    dispersions = np.full(len(counts.genes), np.nan)
    products = Profile.products_of(x) if cox_reid else None
    low, high = np.log(MINIMUM), np.log(_maximum(len(x)))
    for genes, y in gene_blocks(counts.matrix, np.flatnonzero(counts.positive_samples())):
        profile = Profile(y.T, mean[:, genes].T, products)
        dispersions[genes] = np.exp(maximise(profile, low, high))
    return dispersions


def cox_reid_profile(counts, mean, design, dispersions):
    """Compute the Cox-Reid adjusted profile log likelihood (see `scomics_lite.profile_likelihood`).

    Parameters
    ----------
    counts : array_like, sparse, DataFrame or Counts, shape (n, g)
        Raw counts, of one gene or more.
    mean : array_like, shape (n, g)
        Fitted means, positive, as in ``glm.fit(...).mean``. They are held fixed.
    design : DataFrame or array_like, shape (n, p)
        What the means were fitted with.
    dispersions : float or array_like, shape (g,) or (g, k)
        phi, positive; one or k for each gene.

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
    counts, mean, x = _check_means(counts, mean, design)
    g = len(counts.genes)
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


@dataclass(frozen=True)
class _MeanModel:
    """What the means of all genes share; without counts, so that it travels light."""

    x: np.ndarray  # (n, p)
    s: np.ndarray  # (n, 1)
    log_link: bool

    @cached_property
    def products(self):
        return Profile.products_of(self.x)

    def profile(self, y, coefficients):
        """Give the profile likelihood of b genes with counts (n, b) and coefficients (b, p)."""
        relative = self.x @ coefficients.T
        mu = self.s * (np.exp(relative) if self.log_link else relative)
        return Profile(y.T.copy(), np.maximum(mu, LEAST_MEAN).T.copy(), self.products)


@dataclass(frozen=True)
class _Means:
    """Means of all genes, kept as coefficients: those of many cells would fill the memory."""

    counts: Counts
    model: _MeanModel
    base_mean: np.ndarray  # (g,), NaN for genes without a count
    start: np.ndarray  # (g,): the moments' dispersions
    coefficients: np.ndarray  # (g, p)

    @classmethod
    def fit(cls, counts, design, size_factors, map=map):
        s = _check_scale(check_size_factors(size_factors, counts.samples))
        x = _check_design(design, counts.samples)
        base_mean, start = np.full((2, len(counts.genes)), np.nan)
        coefficients = np.full((len(counts.genes), x.shape[1]), np.nan)
        for genes, y in gene_blocks(counts.matrix, np.flatnonzero(counts.positive_samples())):
            q = y / s[:, None]
            base_mean[genes] = q.mean(axis=0)
            residual, coefficients[genes] = _residual_moments(q, x)
            start[genes] = np.minimum(_overall_moments(q, s), residual)
        start = np.clip(start, MINIMUM, _maximum(len(s)))
        log_link = len(np.unique(x, axis=0)) != x.shape[1]
        if log_link:
            coefficients = glm.fit(counts, design, s, start, map=map).coefficients
        return cls(counts, _MeanModel(x, s[:, None], log_link), base_mean, start, coefficients)

    @property
    def residual_df(self):
        return self.model.x.shape[0] - self.model.x.shape[1]

    def search(self, function, *arrays, map):
        """Give what `function` finds in the counts, the coefficients and the arrays of each gene with means."""
        found = np.full(len(self.counts.genes), np.nan)
        fitted = np.flatnonzero(np.isfinite(self.coefficients).all(axis=1))
        function = partial(function, self.model)
        for genes, values in map_blocks(function, self.counts.matrix, fitted, self.coefficients, *arrays, map=map):
            found[genes] = values
        return found


def _overall_moments(q, s):
    mean = q.mean(axis=0)
    return (q.var(axis=0, ddof=1) - mean * (1 / s).mean()) / mean**2


def _residual_moments(q, x):
    """Give the dispersions (b,), and the least-squares coefficients (b, p)."""
    coefficients = np.linalg.lstsq(x, q, rcond=None)[0]
    mu = np.maximum(x @ coefficients, 1)
    return np.maximum((((q - mu) ** 2 - mu) / mu**2).sum(axis=0) / (len(q) - x.shape[1]), 0), coefficients.T


# --- the four estimates -----------------------------------------------------------------------------------------------


def _genewise(model, y, coefficients, start):
    """Climb from the moments; keep the start where that gains next to nothing, use the grid where it never arrives."""
    profile, high = model.profile(y, coefficients), _maximum(len(y))
    log_phi, height, first_height, evaluations = climb(profile, np.log(start), np.log(MINIMUM / 10))
    phi = np.minimum(np.exp(log_phi), high)
    phi = np.where(height < first_height + np.abs(first_height) / 1e6, start, phi)
    again = ((evaluations == MAX_EVALUATIONS) | (evaluations == 1)) & (phi > 10 * MINIMUM)
    return np.clip(_grid_where(again, profile, phi, high), MINIMUM, high)


def _maximum_a_posteriori(prior_variance, model, y, coefficients, genewise, trended):
    """Climb the posterior from the gene-wise estimate, or from the trend where that lies ten times as high."""
    profile, high = model.profile(y, coefficients), _maximum(len(y))
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


def _fit_trend(kind, base_mean, genewise):
    """Fit the trend to the genes that clearly vary more than Poisson counts."""
    if not (genewise >= 100 * MINIMUM).any():
        raise InputError(
            f"no gene (of {np.isfinite(genewise).sum():,}) varies more than Poisson counts would, so there is no "
            "dispersion to estimate: are these technical replicates? glm.fit takes dispersions=0 for Poisson"
        )
    if kind == "mean":
        return trends.mean(genewise[genewise > 10 * MINIMUM])
    clear = genewise > 100 * MINIMUM
    if kind == "parametric":
        try:
            return trends.parametric(base_mean[clear], genewise[clear])
        except trends.NoTrendError as error:
            warn(f"{error}. Taking trend='local' instead")
    return trends.local(base_mean[clear], genewise[clear])


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


def _check_scale(s):
    """Stop library sizes: the moments take normalized counts to be counts, and means below 1 to be 1, as in DESeq2."""
    scale = np.exp(np.log(s).mean())
    if not 1 / LARGEST_SCALE < scale < LARGEST_SCALE:
        raise InputError(
            f"the size factors have a geometric mean of {scale:.3g}; it must be near 1 for counts over size factors "
            "to be like counts: divide the size factors by it"
        )
    return s


def _some_genes(counts):
    """Read counts of a few genes, where a sample may well have none: check_counts would call it empty."""
    if isinstance(counts, Counts):
        return counts
    matrix = sparse.csr_array(counts) if sparse.issparse(counts) else np.asarray(counts, dtype=float)
    if matrix.ndim != 2:
        raise InputError(f"counts must be samples x genes, got shape {matrix.shape}; one gene is counts[:, [0]]")
    values = matrix.data if sparse.issparse(matrix) else matrix
    if not (np.isfinite(values) & (values >= 0)).all():
        raise InputError("counts must be finite and not negative")
    frame = counts if isinstance(counts, pd.DataFrame) else pd.DataFrame(index=range(matrix.shape[0]))
    genes = counts.columns if isinstance(counts, pd.DataFrame) else pd.RangeIndex(matrix.shape[1])
    return Counts(matrix, frame.index, genes)


def _check_means(counts, mean, design):
    counts = _some_genes(counts)
    x = _check_design(design, counts.samples)
    mean = np.asarray(mean, dtype=float)
    shape = (len(counts.samples), len(counts.genes))
    if mean.shape != shape:
        raise InputError(f"the means must have the shape of the counts, {shape}; got {mean.shape}")
    bad = ~(np.isfinite(mean) & (mean > 0)) & (counts.positive_samples() > 0)
    if bad.any():
        gene = counts.genes[np.argmax(bad.any(axis=0))]
        raise InputError(f"means must be positive and finite; gene {gene!r} has others. Is it all zero, or not fitted?")
    return counts, mean, x
