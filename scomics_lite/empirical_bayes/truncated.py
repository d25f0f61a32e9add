"""Normal and t distributions cut off at two bounds: what is left of their mass, and its mean and variance.

The posterior of an effect under a uniform or half-normal prior is such a distribution, and effects lie many standard
errors away from most of the components of a mixture: 1 - 1 is no mass then. So every interval is reflected to the
right of its distribution, so that its mass is the difference of two small tails, given as a logarithm; what is too
narrow or too far away even for that is integrated numerically. All functions take arrays that broadcast; ``df=None`` is
the normal distribution, a number or an array the t distribution.
"""

import numpy as np
from scipy import special

SQRT2 = np.sqrt(2)
NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(20)  # integrate exp(-40 x) over (0, 1) to 1e-14
REACH = 40.0  # so many times its scale beyond a bound, e^-40 of a tail is left
SMALLEST = 1e-250  # a mass this small is about to underflow
NARROW_MASS = 1e-4  # an interval this narrow would cost its mass 4 of 16 digits …
NARROW_MOMENTS = 0.1  # … and its variance more
STEEP = 200.0  # a tail with a spread below 1 / STEEP of its bound would lose 5 digits of its variance


def log_density(z, df=None):
    """Take the logarithm of the standard normal or t density.

    Parameters
    ----------
    z : array_like
    df : float or array_like, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> log_density([0.0, 2.0]).round(4), log_density([0.0, 2.0], df=4).round(4)
    (array([-0.9189, -2.9189]), array([-0.9808, -2.7137]))
    """
    z = np.asarray(z, dtype=float)
    if df is None:
        return -0.5 * z**2 - 0.5 * np.log(2 * np.pi)
    return -special.betaln(df / 2, 0.5) - 0.5 * np.log(df) - (df + 1) / 2 * np.log1p(z**2 / df)


def log_mass(lower, upper, df=None):
    """Take the logarithm of the probability between two bounds, ln(F(upper) - F(lower)).

    Parameters
    ----------
    lower, upper : array_like
        Standardized, infinite ones included, lower <= upper.
    df : float or array_like, optional

    Returns
    -------
    ndarray

    Examples
    --------
    >>> [f"{mass:.6f}" for mass in log_mass([-np.inf, 40.0, -1e-9], [0.0, 41.0, 1e-9])]
    ['-0.693147', '-804.608442', '-20.949057']
    """
    a, b, _ = _reflect(lower, upper)
    mass = special.ndtr(-a) - special.ndtr(-b) if df is None else special.stdtr(df, -a) - special.stdtr(df, -b)
    with np.errstate(divide="ignore", invalid="ignore"):
        hard = (((b - a) * (1 + np.abs(a)) < NARROW_MASS) | (mass < SMALLEST)) & (a < b)
        logs = np.log(mass)
    if hard.any():
        logs[hard] = _quadrature(a[hard], b[hard], _at(df, hard))[0]
    return logs


def mean_variance(lower, upper, df=None):
    """Give mean and variance of the distribution cut off at two bounds.

    With the mass Z, the density f and A(z) = 1 (normal) or (df + z^2) / (df - 1) (t), whose mean needs Z alone:

        mean     = (A(lower) f(lower) - A(upper) f(upper)) / Z
        normal:  E z^2 = 1 + (lower f(lower) - upper f(upper)) / Z
        t:       E z^2 = df / (df - 2) (1 + (lower g(lower) - upper g(upper)) / Z),  g(z) = (1 + z^2 / df) f(z)

    (partial integration). Narrow intervals and far tails, where these differences lose their digits, are integrated
    numerically instead.

    Parameters
    ----------
    lower, upper : array_like
        Standardized, lower < upper; finite for a t distribution, whose tails may have no mean.
    df : float or array_like, optional

    Returns
    -------
    mean, variance : ndarray

    Examples
    --------
    >>> mean, variance = mean_variance([-1.0, 0.0, 40.0], [1.0, np.inf, np.inf])
    >>> mean.round(4), variance.round(4)
    (array([ 0.    ,  0.7979, 40.025 ]), array([0.2911, 0.3634, 0.0006]))
    """
    a, b, sign = _reflect(lower, upper)
    with np.errstate(all="ignore"):
        mean, variance = _moments_normal(a, b) if df is None else _moments_t(a, b, df)
        hard = ((b - a) * (1 + np.abs(a)) < NARROW_MOMENTS) | ((a > 0) & (a * _slope(a, df) > STEEP))
    if hard.any():
        _, mean[hard], variance[hard] = _quadrature(a[hard], b[hard], _at(df, hard))
    return sign * mean, variance


def _reflect(lower, upper):
    """Give the bounds of each interval, or of its mirror image, so that its middle is not negative, and the sign."""
    lower, upper = np.broadcast_arrays(np.asarray(lower, dtype=float), np.asarray(upper, dtype=float))
    with np.errstate(invalid="ignore"):
        mirrored = lower + upper < 0
    a, b = np.where(mirrored, -upper, lower), np.where(mirrored, -lower, upper)
    return a, b, np.where(mirrored, -1.0, 1.0)


def _moments_normal(a, b):
    """Mean and variance by the formulas of `mean_variance`, everything over the density at a."""
    drop = np.where(b < np.inf, np.exp(-_fall(a, b - a, None)), 0.0)  # f(b) / f(a)
    edge = np.where(b < np.inf, b, 0.0)
    start = np.where(a > -np.inf, a, 0.0)
    mass = np.exp(log_mass(a, b) - log_density(a))
    mean = (1 - drop) / mass
    return mean, 1 + (start - edge * drop) / mass - mean**2


def _moments_t(a, b, df):
    mass = np.exp(log_mass(a, b, df) - log_density(a, df))  # over the density at a
    level, x = 1 + a**2 / df, (df - 1) / 2
    growth = np.log1p((b - a) * (b + a) / (df + a**2))  # ln of (1 + b^2 / df) / (1 + a^2 / df)
    mean = df * level * growth / 2 * special.exprel(-x * growth) / mass
    is_2 = np.abs(df - 2) < 1e-6
    second = df / np.where(is_2, 1, df - 2) * (1 + level * (a - b * np.exp(-x * growth)) / mass)
    at_2 = 2 * level**1.5 * (_second_at_2(b) - _second_at_2(a)) / mass
    return mean, np.where(is_2, at_2, second) - mean**2


def _second_at_2(z):
    """Antiderivative of z^2 (1 + z^2 / 2)^(-3/2) / 2, the limit of the formula above where df = 2."""
    return SQRT2 * np.arcsinh(z / SQRT2) - z / np.sqrt(1 + z**2 / 2)


def _at(df, where):
    return None if df is None else np.broadcast_to(df, where.shape)[where]


def _slope(z, df):
    """How fast the logarithm of the density falls at z."""
    return z if df is None else (df + 1) * z / (df + z**2)


def _fall(z, ahead, df):
    """By how much the logarithm of the density falls on the way from z to z + ahead, with all its digits."""
    rise = ahead * (2 * z + ahead)  # of the square
    return rise / 2 if df is None else (df + 1) / 2 * np.log1p(rise / (df + z**2))


def _quadrature(a, b, df):
    """Give ln mass, mean and variance by Gauss and Legendre's rule, from a as far as there is mass."""
    with np.errstate(divide="ignore"):
        half = np.minimum(b - a, np.where(a > 0, REACH / _slope(a, df), np.inf)) / 2
    ahead = half[:, None] * (1 + NODES)  # (m, 20), from a
    density = NODE_WEIGHTS * np.exp(-_fall(a[:, None], ahead, None if df is None else df[:, None]))
    mass = density.sum(axis=1)
    mean = (density * ahead).sum(axis=1) / mass
    variance = (density * (ahead - mean[:, None]) ** 2).sum(axis=1) / mass
    with np.errstate(divide="ignore"):
        return np.log(mass * half) + log_density(a, df), a + mean, variance
