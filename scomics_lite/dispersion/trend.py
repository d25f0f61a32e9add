"""How dispersions depend on the mean, and how far genes stray from that: what genes can borrow from each other.

A trend is a function of the mean of normalized counts. `parametric_trend`, `local_trend` and `mean_trend` fit one to
the gene-wise dispersions, and `prior_variance` measures the spread of the true dispersions around it, freed of the
noise of their estimates.
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicHermiteSpline
from scipy.special import polygamma
from scipy.stats import chi2, trim_mean

from scomics_lite.dispersion.local_regression import fit_where_needed, loess, neighbourhood, parabola
from scomics_lite.validation import InputError

RESIDUAL_RANGE = (1e-4, 15)  # dispersion over trend: genes outside are no part of the crowd the trend describes
SMALLEST_PRIOR_VARIANCE = 0.25  # DESeq2's floor: no gene is pulled to the trend without reserve
FARTHEST = (-50, 50)  # ln phi: where a trend goes beyond, dispersions are at the end of their range for long
MOST_ROUNDS, MOST_STEPS = 11, 25  # of regressions without strays, and of steps in one, and of halvings of a step
MOST_POINTS = 19  # that locfit has room for when a fit takes 70% of the data and two may be 0.8 of its reach apart
SAME_COLUMN = 1e-11  # share of a column that the one before does not explain: less, and R's glm drops it
MAD_TO_SD = 1.4826  # of a normal distribution; R's four digits, so that its numbers come out


class NoTrendError(InputError):
    """Dispersions that a kind of trend does not describe."""


@dataclass(frozen=True)
class ParametricTrend:
    """phi(mean) = asymptotic + extra_poisson / mean (Love, Huber and Anders 2014, eq. 6).

    Attributes
    ----------
    asymptotic : float
        Dispersion of genes with many counts: the squared coefficient of variation between replicates.
    extra_poisson : float
        What noise beyond Poisson adds where counts are few.
    """

    asymptotic: float
    extra_poisson: float

    def __call__(self, means):
        """Dispersions at these means, of any shape."""
        return self.asymptotic + self.extra_poisson / np.asarray(means, dtype=float)


@dataclass(frozen=True)
class MeanTrend:
    """One dispersion for all means.

    Attributes
    ----------
    value : float
    """

    value: float

    def __call__(self, means):
        """Dispersions at these means, of any shape."""
        return np.where(np.isnan(means), np.nan, self.value)


@dataclass(frozen=True, repr=False, eq=False)
class LocalTrend:
    """ln phi as a smooth curve over ln mean: cubic pieces between points, a parabola beyond the first and the last.

    Attributes
    ----------
    log_means, log_dispersions, slopes : ndarray, shape (k,)
        The points and the curve there.
    bend : float
        Coefficient of the square in the parabolas, which continue value and slope.
    """

    log_means: np.ndarray
    log_dispersions: np.ndarray
    slopes: np.ndarray
    bend: float

    def __repr__(self):
        low, high = np.exp(self.log_means[[0, -1]])
        return f"LocalTrend(means {low:.3g} to {high:.3g}, {len(self.log_means)} points)"

    def __call__(self, means):
        """Dispersions at these means, of any shape."""
        x = np.log(np.asarray(means, dtype=float))
        inside = np.clip(x, self.log_means[0], self.log_means[-1])
        curve = CubicHermiteSpline(self.log_means, self.log_dispersions, self.slopes)
        beyond = x - inside
        log_phi = curve(inside) + curve(inside, 1) * beyond + self.bend * beyond**2
        return np.exp(np.clip(log_phi, *FARTHEST))  # a parabola through few genes leaves all numbers soon


def parametric_trend(means, dispersions):
    """Fit phi(mean) = a0 + a1 / mean to gene-wise dispersions.

    A regression with gamma errors and identity link, fitted again without the genes whose ratio to the trend leaves
    (1e-4, 15), until it converges and the squared change of ln a0 and ln a1 falls below 1e-6, 11 times at most: the
    conventions of DESeq2 1.38. The regression itself goes as R's ``glm``: a step that would make a mean negative is
    halved, and after 25 steps the coefficients are taken as they are, for the next round.

    Parameters
    ----------
    means, dispersions : array_like, shape (g,)
        Of the genes to fit; `scomics_lite.dispersion.estimate` leaves out those near the smallest dispersion.

    Returns
    -------
    ParametricTrend

    Raises
    ------
    NoTrendError
        If no curve with a0 > 0 and a1 > 0 fits, or the rounds do not settle.

    Examples
    --------
    >>> means = np.geomspace(1, 1000, 50)
    >>> fitted = parametric_trend(means, 0.1 + 2 / means)
    >>> round(fitted.asymptotic, 6), round(fitted.extra_poisson, 6)
    (0.1, 2.0)
    """
    means, dispersions = np.asarray(means, dtype=float), np.asarray(dispersions, dtype=float)
    x = np.column_stack([np.ones_like(means), 1 / means])  # (g, 2)
    a = np.array([0.1, 1.0])
    for _ in range(MOST_ROUNDS):
        ratio = dispersions / (x @ a)
        crowd = (ratio > RESIDUAL_RANGE[0]) & (ratio < RESIDUAL_RANGE[1])
        old, (a, converged) = a, _gamma_regression(x[crowd], dispersions[crowd], a)
        if a is None or not (a > 0).all():
            break
        if converged and (np.log(a / old) ** 2).sum() < 1e-6:
            return ParametricTrend(*(float(value) for value in a))
    raise NoTrendError(
        f"no curve a0 + a1 / mean with positive a0 and a1 fits the dispersions of these {len(means):,} genes"
    )


def mean_trend(dispersions):
    """Take the mean of gene-wise dispersions as the trend, without the thousandth at each end.

    Parameters
    ----------
    dispersions : array_like, shape (g,)
        Of the genes to average; `scomics_lite.dispersion.estimate` leaves out those near the smallest dispersion.

    Returns
    -------
    MeanTrend

    Examples
    --------
    >>> mean_trend([0.25, 0.5, 0.75])
    MeanTrend(value=0.5)
    """
    return MeanTrend(float(trim_mean(dispersions, 0.001)))


def local_trend(means, dispersions):
    """Fit a smooth curve to gene-wise dispersions, for data that a0 + a1 / mean does not describe.

    Local parabolas of ln phi on ln mean, each through the nearest 70% of the genes, with tricube weights times the
    mean: Loader's (1999) local regression with the settings of her locfit, which DESeq2's ``fitType="local"`` calls.
    Like locfit it fits at few points, at the ends and halfway wherever two are further apart than 0.8 of the smaller
    reach, and joins them by cubic pieces. Beyond the ends it bends as the one parabola through all genes does.

    The curve of very few genes goes through most of them, so that little is shared: ``trend="mean"`` shares more.

    Parameters
    ----------
    means, dispersions : array_like, shape (g,)
        Of the genes to fit; `scomics_lite.dispersion.estimate` leaves out those near the smallest dispersion.

    Returns
    -------
    LocalTrend
        Or `MeanTrend`, where all means are the same.

    Raises
    ------
    NoTrendError
        Where locfit stops, "out of vertex space": with two genes, or when 70% of the genes have the same mean and the
        others have not, so that no curve leads away from it.

    Examples
    --------
    >>> means = np.geomspace(1, 1000, 50)
    >>> fitted = local_trend(means, 0.2 * means**-0.5)
    >>> fitted
    LocalTrend(means 1 to 1e+03, 5 points)
    >>> fitted([0.01, 100]).round(6)
    array([2.  , 0.02])
    """
    x, y = np.log(np.asarray(means, dtype=float)), np.log(np.asarray(dispersions, dtype=float))
    weights, neighbours = np.exp(x), int(0.7 * len(x) + 1e-9)

    def fit(point):
        near, reach = neighbourhood(x - point, neighbours)
        value, slope, _ = parabola(x - point, y, weights * near)
        return value, slope, reach

    points, fits = fit_where_needed(fit, x.min(), x.max())
    if len(points) == 1:
        return MeanTrend(float(np.exp(fits[0][0])))
    if len(points) > MOST_POINTS:
        raise NoTrendError(
            f"no smooth curve fits the dispersions of these {len(x):,} genes: they are two, or too many share a mean; "
            "trend='mean' is one value for all"
        )
    values, slopes, _ = np.array(fits).T
    whole = parabola(x - np.average(x, weights=weights), y, weights)
    return LocalTrend(points, values, slopes, float(whole[2]))


def residual_variance(log_residuals):
    """Squared median absolute deviation of ln(gene-wise / trend), scaled to the variance of a normal distribution.

    Parameters
    ----------
    log_residuals : array_like, shape (g,)

    Returns
    -------
    float

    Examples
    --------
    >>> round(residual_variance([-1, -0.5, 0, 0.5, 1]), 4)
    0.5495
    """
    deviations = np.abs(log_residuals - np.median(log_residuals))
    return float((MAD_TO_SD * np.median(deviations)) ** 2)


def prior_variance(log_residuals, residual_df):
    """Estimate the variance of the true ln dispersions around their trend.

    The logarithm of a dispersion estimated with d residual degrees of freedom has a sampling variance near
    trigamma(d / 2), that of ln chi2_d. Taken from the observed variance it leaves the prior's, at least 0.25.

    With d <= 3 ln chi2_d is too skewed for that. The histogram of the residuals, in bins of 0.5 from -10 to 10, is then
    compared with that of ln(chi2_d / d) + N(0, v) for 200 values of v from 0 to 8. Their Kullback-Leibler divergences
    are smoothed by loess, and the v at the minimum is taken. DESeq2 finds the second histogram by drawing
    10,000 random numbers; here the probabilities of the bins are integrated. What remains between the two is DESeq2's
    noise: about a hundredth for many genes (airway: 0.537 here, 0.529 there), several tenths for ten genes.

    Parameters
    ----------
    log_residuals : array_like, shape (g,)
        ln(gene-wise / trend) of the genes above the smallest dispersions.
    residual_df : int
        d, samples less coefficients.

    Returns
    -------
    float

    Examples
    --------
    >>> noise = np.log(np.random.default_rng(1).chisquare(10, 20_000) / 10)
    >>> truth = np.random.default_rng(2).normal(0, 1, 20_000)
    >>> round(prior_variance(noise + truth, 10), 1)
    1.0
    """
    log_residuals = np.asarray(log_residuals, dtype=float)
    if residual_df > 3:
        variance = residual_variance(log_residuals) - polygamma(1, residual_df / 2)
    else:
        variance = _best_matching_variance(log_residuals, residual_df)
    return max(float(variance), SMALLEST_PRIOR_VARIANCE)


def _gamma_regression(x, y, start):
    """Reweighted least squares, identity link, variance mu^2; give the coefficients and whether they converged.

    As R's glm: converged when the deviance moves by less than 1e-8 of itself; no coefficients where the columns of x
    are not independent, or halving a step 25 times leaves a mean that is not positive.
    """
    a, mu = start, x @ start
    deviance = _gamma_deviance(y, mu)
    for _ in range(MOST_STEPS):
        old, before = a, deviance
        q, r = np.linalg.qr(x / mu[:, None])  # weights 1 / mu^2
        if len(y) < 2 or abs(r[1, 1]) < SAME_COLUMN * np.hypot(*r[:, 1]):
            return None, False
        a = np.linalg.solve(r, q.T @ (y / mu))
        for _ in range(MOST_STEPS):
            if (x @ a > 0).all():
                break
            a = (a + old) / 2
        mu = x @ a
        if not (mu > 0).all():
            return None, False
        deviance = _gamma_deviance(y, mu)
        if abs(deviance - before) < 1e-8 * (abs(deviance) + 0.1):
            return a, True
    return a, False


def _gamma_deviance(y, mu):
    return 2 * ((y - mu) / mu - np.log(y / mu)).sum()


def _best_matching_variance(log_residuals, residual_df):
    """Find the variance v whose ln(chi2_d / d) + N(0, v) comes nearest to the histogram of the residuals."""
    edges = np.linspace(-10, 10, 41)
    observed = _histogram(log_residuals, edges)
    variances = np.linspace(0, 8, 200)
    expected = np.diff(_noisy_prior(edges, variances, residual_df)) / np.diff(edges)  # (200, 40)
    one_draw = 1 / (10_000 * 0.5)  # the least that DESeq2 can see of a bin; keeps an empty one from infinity
    smallest = min(observed[observed > 0].min(), one_draw)
    divergence = (observed * (np.log(observed + smallest) - np.log(expected + smallest))).sum(axis=1)
    fine = np.linspace(0, 8, 1000)
    return fine[loess(variances, divergence, fine, span=0.2).argmin()]


def _histogram(values, edges):
    """Densities of the values inside the edges in bins that hold their upper edge, and 1e-7 of a bin more, as R's."""
    width = edges[1] - edges[0]
    values = values[(values > edges[0]) & (values < edges[-1])]
    uppers = edges[1:] + 1e-7 * width
    counts = np.bincount(np.searchsorted(uppers, values), minlength=len(uppers))
    return counts / (counts.sum() * width)


def _noisy_prior(values, variances, residual_df):
    """P(ln(chi2_d / d) + N(0, v) < value), shape (variances, values), by Gauss-Hermite quadrature over the normal."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    shifted = values[:, None] - np.sqrt(variances)[:, None, None] * nodes  # (variances, values, 64)
    return chi2.cdf(residual_df * np.exp(shifted), residual_df) @ (weights / weights.sum())
