"""Dispersions shared by genes as in DESeq2; reached as `scomics_lite.dispersion.estimate`.

In four steps (Love, Huber and Anders 2014):

    gene-wise   the phi of the highest Cox-Reid adjusted profile likelihood, from the gene's own counts
    trended     a function of the mean count, fitted through the gene-wise ones
    map         the maximum a posteriori: the same likelihood, with ln phi ~ N(ln trended, prior variance)
    final       map, but gene-wise where that lies so far above the trend that the prior would hide it

`estimate` does all four by the conventions of DESeq2 1.38; `maximum_likelihood` goes to the exact maximum.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scomics_lite.dispersion import trend as trends
from scomics_lite.dispersion.genewise import MINIMUM, Means
from scomics_lite.validation import Counts, InputError, check_counts, did_you_mean, is_number, warn

TRENDS = ("parametric", "local", "mean")
OUTLIER_SD = 2  # standard deviations above the trend


@dataclass(frozen=True, repr=False, eq=False)
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
    size_factors : array_like, shape (n,) or (n, g)
        Positive, with a geometric mean near 1; in a table, with factors of every gene, that of each gene. See
        `scomics_lite.glm.fit`.
    trend : str or Dispersions
        ``"parametric"``, DESeq2's default: a0 + a1 / mean, fitted to the genes with at least 1e-6, a hundred times the
        minimum; where that does not fit, ``"local"`` takes its place, and where that does not (two genes, most genes at
        one mean) ``"mean"``, with a warning. ``"local"``: a smooth curve of ln phi over ln mean. ``"mean"``: one
        dispersion for all genes. `Dispersions` of an earlier call: their trend,
        residual variance and prior variance, for genes whose counts have changed since (as
        `scomics_lite.glm.replace_outliers` changes them).
    prior_variance : float, optional
        Variance of the true ln dispersions around the trend. When not given,
        `scomics_lite.dispersion.trend.prior_variance` estimates it; with 3 residual degrees of freedom or fewer
        DESeq2's own value comes from random numbers, and the same results need that value here.
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
        Poisson counts do, or if they have no local trend when one is asked for.

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
    means = Means.fit(counts, design, size_factors, map)
    genewise = means.genewise(map=map)
    curve = earlier.trend if earlier else _fit_trend(trend, means.base_mean, genewise)
    trended = curve(means.base_mean)
    log_residuals = np.log(genewise / trended)
    informative = log_residuals[genewise >= 100 * MINIMUM]
    residual_variance = earlier.residual_variance if earlier else trends.residual_variance(informative)
    if prior_variance is None:
        prior_variance = earlier.prior_variance if earlier else trends.prior_variance(informative, means.residual_df)
    shrunken = means.posterior(genewise, trended, prior_variance, map=map)
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


def _fit_trend(kind, base_mean, genewise):
    """Fit the trend to the genes that clearly vary more than Poisson counts.

    Where "parametric" does not fit, "local" takes its place, as in DESeq2, and where that does not, "mean".
    """
    clear = genewise > 100 * MINIMUM
    if not clear.any():
        raise InputError(
            f"no gene (of {np.isfinite(genewise).sum():,}) varies more than Poisson counts would, so there is no "
            "dispersion to estimate: are these technical replicates? differential.test(…, method='ql') takes them, and "
            "glm.fit with dispersions=0 for Poisson"
        )
    if kind == "local":
        return trends.local_trend(base_mean[clear], genewise[clear])
    if kind == "parametric":
        for fit, other in ((trends.parametric_trend, "local"), (trends.local_trend, "mean")):
            try:
                return fit(base_mean[clear], genewise[clear])
            except trends.NoTrendError as error:
                warn(f"{error}. Taking trend={other!r} instead")
    return trends.mean_trend(genewise[genewise > 10 * MINIMUM])
