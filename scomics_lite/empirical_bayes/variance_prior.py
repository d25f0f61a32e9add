"""Variances that borrow strength: a prior for all genes, estimated from all genes.

A gene's residual variance s2, on d degrees of freedom, is a noisy estimate of its true variance sigma2. The model of
Smyth (2004) says how the two are spread over genes,

    s2_g | sigma2_g ~ sigma2_g chi2_d / d           sampling
    1 / sigma2_g    ~ chi2_d0 / (d0 s02)            prior: like a sample of d0 degrees of freedom with variance s02

so that over all genes s2 / s02 follows an F distribution with d and d0 degrees of freedom. Its logarithm has mean and
variance in closed form, which gives d0 and s02, and the posterior of a gene's variance is a weighted mean:

    posterior = (d s2 + d0 s02) / (d + d0)

Reached as `scomics_lite.empirical_bayes.squeeze_variances`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import digamma, polygamma
from scipy.stats import rankdata, trim_mean

from scomics_lite.empirical_bayes import f_distribution
from scomics_lite.smoothing import robust_curve
from scomics_lite.validation import InputError, check_order, quoted, warn

SMALLEST_VARIANCE = 1e-5  # of the median; a variance of zero has no logarithm
SMALLEST_ROBUST = 1e-12  # the same where tails are cut off anyway
TAILS = (0.05, 0.1)  # shares of log variances cut off below and above (Phipson et al. 2016)
ROUNDING = 1e-24  # of the median: zero but for the rounding of the values
SPAN = 0.4  # share of the genes that the robust trend looks at around each
NODES, WEIGHTS = np.polynomial.legendre.leggauss(128)


@dataclass(frozen=True, eq=False, repr=False)
class SqueezedVariances:
    """Variances drawn towards a prior.

    Attributes
    ----------
    posterior : ndarray, shape (g,)
        (d s2 + d0 s02) / (d + d0).
    prior : float, or ndarray of shape (g,) with a covariate
        s02.
    prior_df : float, or ndarray of shape (g,) if robust
        d0; infinite where genes scatter no more than chance would have it.
    df : ndarray, shape (g,)
        d, as given.
    """

    posterior: np.ndarray
    prior: float | np.ndarray
    prior_df: float | np.ndarray
    df: np.ndarray

    def __repr__(self):
        prior, prior_df = (_range(values) for values in (self.prior, self.prior_df))
        return f"SqueezedVariances of {len(self.posterior):,} genes: prior {prior} with {prior_df} degrees of freedom"

    @property
    def total_df(self):
        """Degrees of freedom of the posterior variances, d + d0, and never more than all genes have, shape (g,)."""
        return np.minimum(self.df + self.prior_df, self.df.sum())


def squeeze_variances(variances, df, *, covariate=None, robust=False):
    """Estimate the prior of the genes' variances and draw each variance towards it, as limma's ``squeezeVar``.

    With e_g = ln s2_g - digamma(d_g / 2) + ln(d_g / 2), the model of this module's first page has (Smyth 2004, sect. 6)

        E(e_g)   = ln s02 - digamma(d0 / 2) + ln(d0 / 2)
        var(e_g) = trigamma(d_g / 2) + trigamma(d0 / 2)

    The variance of the e_g less the mean of the known trigamma(d_g / 2) gives d0, their mean then s02. If nothing is
    left, d0 is infinite: all genes have the variance of the prior, here the mean of the s2.

    With a `covariate`, usually the average log expression, the mean of e_g is a natural cubic spline of it (up to four
    coefficients, knots at the thirds; Sartor et al. 2006; Law et al. 2014), and s02 has a value for every gene.

    If `robust`, a few genes with outlying variances neither drag the prior with them nor are drawn to it as the others
    are (Phipson et al. 2016). Of the log variances, less their trend, 5% are cut off below and 10% above, and d0 is
    where an F distribution cut off alike has their variance; it is never below the d0 of the plain moments. Then every
    gene gets its own d0: with p_g its upper tail probability in that F distribution and q_g the share of genes at least
    as extreme, it is no outlier with probability min(p_g / q_g, 1), and its d0 lies accordingly between the common one
    and one so low that the most extreme gene is the median of its distribution.

    Parameters
    ----------
    variances : array_like, shape (g,)
        s2, on any scale. Zeros are moved to 1e-5 of the median (1e-12 if robust) for the prior's sake. They draw d0
        down: one gene in a thousand takes it from 10 to 7, one in a hundred to 2 (9 if robust, which stands 2%).
    df : array_like, shape (g,) or ()
        d, residual degrees of freedom. A gene with none tells nothing, whatever its variance: it gets the prior's.
    covariate : array_like, shape (g,), optional
        What the prior variance depends on.
    robust : bool
        Guard against outlying variances.

    Returns
    -------
    SqueezedVariances
        For one gene there is no prior: its variance as it is, with d0 = 0.

    Raises
    ------
    InputError
        For variances that are negative or not finite, negative `df`, or no gene with a residual degree of freedom.

    Warns
    -----
    UserWarning
        If more than one variance in twenty is zero.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> truth = 2.0 * 8 / rng.chisquare(8, 5000)  # s02 = 2, d0 = 8
    >>> squeezed = squeeze_variances(truth * rng.chisquare(3, 5000) / 3, 3)
    >>> squeezed
    SqueezedVariances of 5,000 genes: prior 2.05 with 8.62 degrees of freedom
    >>> squeezed.total_df[:2].round(2)
    array([11.62, 11.62])
    """
    variances, df, covariate = _check(variances, df, covariate)
    flat = covariate is not None and not np.ptp(covariate)
    if flat:
        covariate = None
    used = df > 0
    count = np.count_nonzero(used)
    if count == 0:
        raise InputError("no gene has a residual degree of freedom, so there is no variance to learn from: add samples")
    if count == 1:
        scale, prior_df = variances[used][0], 0.0
    elif robust:
        scale, prior_df = _robust_prior(variances, df, covariate)
    else:
        scale, prior_df = _plain_prior(variances, df, covariate)
    posterior = _posterior(np.where(used, variances, 0.0), df, scale, prior_df)
    return SqueezedVariances(posterior, np.full(len(df), scale) if flat else scale, prior_df, df)


def _posterior(variances, df, scale, prior_df):
    """(d s2 + d0 s02) / (d + d0), which is s02 for infinite d0."""
    weight = np.where(np.isinf(prior_df), 1.0, prior_df)  # 0 for d where d0 is infinite
    own = np.where(np.isinf(prior_df), 0.0, df)
    with np.errstate(invalid="ignore"):  # neither own nor borrowed degrees of freedom: NaN
        return (own * variances + weight * scale) / (own + weight)


# --- moments of log variances -----------------------------------------------------------------------------------------


def _plain_prior(variances, df, covariate):
    """Estimate s02, a float or (g,), and d0 by the mean and variance of e."""
    used = df > 0
    basis = np.ones((len(df), 1)) if covariate is None else _natural_spline(covariate[used], covariate)
    s2, d = _away_from_zero(variances[used]), df[used]
    e = np.log(s2) - digamma(d / 2) + np.log(d / 2)
    coefficients, _, rank, _ = np.linalg.lstsq(basis[used], e, rcond=None)
    spread = ((e - basis[used] @ coefficients) ** 2).sum() / (len(e) - rank)
    prior_df = 2 * _inverse_trigamma(spread - polygamma(1, d / 2).mean())
    if np.isinf(prior_df) and basis.shape[1] == 1:
        scale = np.full(len(df), s2.mean())
    else:
        scale = np.exp(basis @ coefficients + _log_bias(prior_df))
    return (float(scale[0]) if covariate is None else scale), float(prior_df)


def _away_from_zero(variances):
    """Move zeros up."""
    middle = np.median(variances)
    if middle == 0:
        warn(
            "more than half of the variances are exactly zero: the prior, and what is drawn to it, is not to be trusted"
        )
    _warn_of_zeros(variances, middle)
    return np.maximum(variances, SMALLEST_VARIANCE * (middle or 1.0))


def _warn_of_zeros(variances, middle):
    """Warn of variances that are zero, or would be but for rounding, where they are more than any tail cut off."""
    zeros = np.count_nonzero(variances < ROUNDING * middle)
    if zeros > TAILS[0] * len(variances):
        warn(
            f"{zeros:,} of {len(variances):,} variances are zero, as where replicates do not differ. Zeros count as "
            "very small and draw the prior down: leave out genes with hardly any counts before"
        )


def _log_bias(df):
    """Give digamma(d / 2) - ln(d / 2): how far the mean of ln(chi2_d / d) lies below zero; negated for a divisor."""
    return 0.0 if np.isinf(df) else digamma(df / 2) - np.log(df / 2)


def _inverse_trigamma(value):
    """Solve trigamma(y) = value by Newton's method on 1 / trigamma, almost a straight line (Smyth 2004, appendix)."""
    if value <= 0:
        return np.inf
    y = 0.5 + 1 / value
    for _ in range(50):
        trigamma = polygamma(1, y)
        step = trigamma * (1 - trigamma / value) / polygamma(2, y)
        y += step
        if -step < 1e-12 * y:
            break
    return float(y)


def _natural_spline(x, at):
    """Evaluate natural cubic splines, knots at the ends and quantiles of x, at other points; shape (len(at), k).

    Straight lines beyond the ends; four columns from 30 values on, less for fewer.
    """
    size = min(1 + (len(x) >= 3) + (len(x) >= 6) + (len(x) >= 30), len(np.unique(x)))
    if size == 1:
        return np.ones((len(at), 1))
    low, width = x.min(), np.ptp(x)  # to 0 ... 1, so that cubes stay near 1
    knots = (np.quantile(x, np.linspace(0, 1, size)) - low) / width
    at = (at - low) / width
    cubes = np.clip(at[:, None] - knots, 0, None) ** 3
    bends = (cubes[:, :-1] - cubes[:, -1:]) / np.maximum(knots[-1] - knots[:-1], 1e-300)
    return np.column_stack([np.ones_like(at), at, bends[:, :-1] - bends[:, -1:]])[:, :size]


# --- robust to outliers -----------------------------------------------------------------------------------------------


def _robust_prior(variances, df, covariate):
    """Estimate s02, a float or (g,), and d0, (g,), with the tails cut off."""
    used = df > 0
    part = None if covariate is None else covariate[used]
    scale, common, own = _robust_fit(variances[used], df[used], part)
    prior_df = np.full(len(df), common)
    prior_df[used] = own
    if covariate is None or used.all():
        return scale, prior_df
    points = pd.Series(np.log(scale)).groupby(part).mean()
    scales = np.exp(np.interp(covariate, points.index, points))
    scales[used] = scale
    return scales, prior_df


def _robust_fit(s2, df, covariate):
    """Fit genes that have degrees of freedom; give s02, the common d0, and each gene's d0 (u,)."""
    middle, genes = np.median(s2), len(s2)
    if middle == 0:
        raise InputError("more than half of the variances are zero: too many to tell outliers by. Use robust=False")
    _warn_of_zeros(s2, middle)
    s2 = np.maximum(s2, SMALLEST_ROBUST * middle)
    plain_scale, plain_df = _plain_prior(s2, df, covariate)
    if max(TAILS) * genes < 1 or genes == 2:  # tails without a gene in them
        return plain_scale, plain_df, np.full(genes, plain_df)
    s2, d = _with_equal_df(s2, df, plain_scale, plain_df)
    z = np.log(s2)
    trend = _robust_trend(z, covariate)
    low, high = np.quantile(z - trend, [TAILS[0], 1 - TAILS[1]])
    cut = np.clip(z - trend, low, high)
    prior_df = _matching_df(cut.var(ddof=1), d, plain_df)
    if prior_df is None:
        return plain_scale, plain_df, np.full(genes, plain_df)
    log_scale = trend + (cut.mean() - _cut_moments(d, prior_df)[0])
    scale = np.exp(log_scale)
    own = _gene_df(np.exp(z - log_scale), d, prior_df)
    return (float(scale) if covariate is None else scale), prior_df, own


def _robust_trend(z, covariate):
    """Trimmed mean of z, or its curve over the covariate, at every gene."""
    return trim_mean(z, TAILS[1]) if covariate is None else robust_curve(covariate, z, SPAN)


def _with_equal_df(s2, df, scale, prior_df):
    """Replace variances on fewer degrees of freedom by those on the most that are as extreme under the plain prior."""
    most = df.max()
    fewer = df < most - 1e-14
    if not fewer.any():
        return s2, most
    scale = np.broadcast_to(scale, s2.shape)[fewer]
    upper, lower = f_distribution.tails(s2[fewer] / scale, df[fewer], prior_df)
    equal = f_distribution.quantile(lower, most, prior_df)
    right = upper < lower
    equal[right] = f_distribution.upper_quantile(upper[right], most, prior_df)
    s2 = s2.copy()
    s2[fewer] = scale * equal
    return s2, most


def _matching_df(variance, df, least):
    """Find the d0 at which the cut-off log F has this variance, not below `least`.

    None where it would be finite but `least` is not.
    """
    if variance <= _cut_moments(df, np.inf)[1]:
        return np.inf
    if np.isinf(least):
        return None

    def excess(share):  # of d0 = share / (1 - share)
        return np.log(variance / _cut_moments(df, np.inf if share == 1 else share / (1 - share))[1])

    start = least / (1 + least)
    if excess(start) >= 0:
        return least
    share = brentq(excess, start, 1.0, xtol=1e-14)
    return share / (1 - share)


def _cut_moments(df, prior_df):
    """Mean and variance of ln F, F on (d, d0) degrees of freedom, with `TAILS` moved to the quantiles.

    By Gauss-Legendre quadrature over the probability below, along which ln F is smooth for any d0; limma's, over
    F / (1 + F), loses the upper tail for d0 below 0.5.
    """
    middle = 1 - sum(TAILS)
    lower = TAILS[0] + middle * (NODES + 1) / 2
    log_f = f_distribution.log_quantile(np.concatenate([[TAILS[0], 1 - TAILS[1]], lower]), df, prior_df)
    mass = np.concatenate([TAILS, middle * WEIGHTS / 2])
    mean = mass @ log_f
    return mean, mass @ (log_f - mean) ** 2


def _gene_df(f, df, prior_df):
    """Lower d0 for genes whose F is larger than the largest of so many should be, shape (u,)."""
    genes = len(f)
    log_tail = f_distribution.log_upper_tail(f, df, prior_df)
    log_regular = np.minimum(log_tail - np.log((genes - rankdata(f) + 0.5) / genes), 0)
    if not (log_regular < 0).any():
        return np.full(genes, prior_df)
    regular = np.exp(log_regular)
    order = np.argsort(log_tail, kind="stable")  # the most extreme first
    if np.isinf(prior_df):
        own = np.where(log_regular < 0, regular * genes * df, np.inf)
        own[order] = np.maximum.accumulate(own[order])
        return own
    least = np.log(0.5) / log_tail.min() * prior_df  # where the most extreme gene is about the median ...
    least *= np.log(0.5) / f_distribution.log_upper_tail(f.max(keepdims=True), df, least)[0]  # ... and closer
    own = (regular * prior_df - np.expm1(log_regular) * least)[order]
    means = np.cumsum(own) / np.arange(1, genes + 1)
    own[: means.argmin() + 1] = means.min()
    result = np.empty(genes)
    result[order] = np.maximum.accumulate(own)  # a more extreme gene borrows no more than a less extreme one
    return result


# --- checking ---------------------------------------------------------------------------------------------------------


def _check(variances, df, covariate):
    """Give arrays (g,) of floats; the covariate may be None."""
    names = variances.index if isinstance(variances, pd.Series) else pd.RangeIndex(np.size(variances))
    variances = _vector(variances, names, "variances")
    df = _vector(np.full(len(names), df) if np.ndim(df) == 0 else df, names, "degrees of freedom")
    _refuse(~(df >= 0) | np.isinf(df), df, names, "degrees of freedom must be finite and not negative")
    known = df > 0
    rule = "variances must be finite and not negative where there are degrees of freedom"
    _refuse(known & ~(np.isfinite(variances) & (variances >= 0)), variances, names, rule)
    if covariate is not None:
        covariate = _vector(covariate, names, "covariate")
        _refuse(~np.isfinite(covariate), covariate, names, "the covariate must be finite")
    return variances, df, covariate


def _vector(values, names, what):
    check_order(values, names, what)
    try:
        values = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{what} must be numbers, one for each gene; got {values!r}") from None
    if values.shape != (len(names),) or not values.size:
        raise InputError(f"{what}: one number for each of the {len(names)} genes is needed, got shape {values.shape}")
    return values


def _refuse(bad, values, names, rule):
    first = np.flatnonzero(bad)[:1]
    if first.size:
        raise InputError(f"{rule}; gene {quoted(names[first[0]])} has {values[first[0]]}")


def _range(values):
    low, high = np.min(values), np.max(values)
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
