"""The F distribution on df and df2 degrees of freedom, also for infinite df2 and far out in its tails.

With infinite df2 it is that of chi2_df / df, which scipy's F does not know. Arrays broadcast; df2 is one number.
"""

import numpy as np
from scipy.special import betainc, betaincinv, betaln, gammainc, gammaincc, gammainccinv, gammaincinv, hyp2f1

TINY = 1e-290  # probabilities below are too small for a float, or nearly
TINY_SHARE = 1e-16  # against 1


def tails(f, df, df2):
    """Compute the probabilities of larger and of smaller values.

    Parameters
    ----------
    f : array_like
    df, df2 : array_like and float

    Returns
    -------
    upper, lower : ndarray

    Examples
    --------
    >>> upper, lower = tails(np.array([1.0, 3.0]), 4, 8.0)
    >>> upper.round(4), lower.round(4)
    (array([0.4609, 0.087 ]), array([0.5391, 0.913 ]))
    """
    half, half2 = df / 2, df2 / 2
    if np.isinf(df2):
        return gammaincc(half, half * f), gammainc(half, half * f)
    share = df2 / (df2 + df * f)
    return betainc(half2, half, share), betainc(half, half2, 1 - share)


def quantile(lower, df, df2):
    """Find the value below which a probability lies.

    Parameters
    ----------
    lower : array_like
    df, df2 : array_like and float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> quantile(np.array([0.05, 0.5]), 4, 8.0).round(4)
    array([0.1655, 0.9146])
    """
    half, half2 = df / 2, df2 / 2
    if np.isinf(df2):
        return gammaincinv(half, lower) / half
    share = betaincinv(half, half2, lower)
    with np.errstate(divide="ignore"):  # a probability of 1
        return share / (1 - share) * df2 / df


def upper_quantile(upper, df, df2):
    """Find the value above which a probability lies, precisely for small ones; those below 1e-290 count as that.

    Parameters
    ----------
    upper : array_like
    df, df2 : array_like and float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> upper_quantile(np.array([0.05, 1e-6]), 4, 8.0).round(2)
    array([ 3.84, 92.17])
    """
    half, half2 = df / 2, df2 / 2
    upper = np.maximum(upper, TINY)
    if np.isinf(df2):
        return gammainccinv(half, upper) / half
    share = betaincinv(half2, half, upper)
    return (1 - share) / share * df2 / df


def log_quantile(lower, df, df2):
    """Find the logarithm of the value below which a probability, neither small nor near 1, lies, for any `df2`.

    With few degrees of freedom df2 the value itself may be too large for a float: F lies where a beta variable y =
    df2 / (df2 + df F) is so small that its distribution function is the power y^(df2/2) times a constant.

    Parameters
    ----------
    lower : ndarray
    df, df2 : float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> log_quantile(np.array([0.05, 0.9]), 4, 8.0).round(3)
    array([-1.799,  1.032])
    >>> log_quantile(np.array([0.05, 0.9]), 4, 0.001).round(1)
    array([  95.3, 4597.9])
    """
    half, half2 = df / 2, df2 / 2
    if np.isinf(df2):
        return np.log(gammaincinv(half, lower) / half)
    share = betaincinv(half, half2, lower)  # of df F in df2 + df F; the smaller of share and rest has its digits
    rest = betaincinv(half2, half, 1 - lower)
    log_power = (np.log1p(-lower) + np.log(half2) + betaln(half2, half)) / half2
    with np.errstate(divide="ignore"):
        log_odds = np.where(share < 0.5, np.log(share) - np.log1p(-share), np.log1p(-rest) - np.log(rest))
    return np.where(rest < TINY_SHARE, -log_power, log_odds) + np.log(df2 / df)


def log_upper_tail(f, df, df2):
    """Compute logarithms of upper tail probabilities, for finite df2 also of those too small for a float.

    Those as the power in front of the incomplete beta function times its series (DLMF 8.17.8).

    Parameters
    ----------
    f : ndarray
    df, df2 : float

    Returns
    -------
    ndarray

    Examples
    --------
    >>> log_upper_tail(np.array([1.0, 1e3]), 4, 1000.0).round(2)
    array([  -0.9 , -798.72])
    """
    upper = tails(f, df, df2)[0]
    with np.errstate(divide="ignore"):
        log_tail = np.log(upper)
    if np.isinf(df2):
        return log_tail
    half, half2 = df / 2, df2 / 2
    far = upper < TINY
    x = df2 / (df2 + df * f[far])
    series = hyp2f1(half + half2, 1, half2 + 1, x)
    log_tail[far] = half2 * np.log(x) + half * np.log1p(-x) - np.log(half2) - betaln(half2, half) + np.log(series)
    return log_tail
