"""The zero-inflated negative binomial distribution of counts, alone: no design, no fitting.

With probability pi a count is a *structural* zero; otherwise it is negative binomial, and may be zero too (Greene
1994):

    P(0) = pi + (1 - pi) P_NB(0),   P(y) = (1 - pi) P_NB(y) for y > 0
    E[Y] = (1 - pi) mu,   Var[Y] = (1 - pi) (mu + (phi + pi) mu^2)

The variance is often written with the size k = 1 / phi: (1 - pi) mu (1 + pi mu) + (1 - pi) mu^2 / k, which is the same.
All functions take arrays that broadcast against each other, as those of `scomics_lite.negative_binomial` do.
"""

import numpy as np

from scomics_lite import negative_binomial
from scomics_lite.validation import InputError


def log_likelihood(counts, mean, dispersion, zero_probability):
    """Take the logarithm of the probability of every count.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame or AnnData
        y, not negative.
    mean : array_like
        mu of the counts that are no structural zeros, not negative.
    dispersion : array_like
        phi, not negative; 0 is the zero-inflated Poisson distribution.
    zero_probability : array_like
        pi, from 0 to 1.

    Returns
    -------
    ndarray
        One value for each count.

    Examples
    --------
    >>> np.exp(log_likelihood([0, 1, 2], 2.0, 0.5, 0.3)).round(3)  # 0.3 + 0.7 / 4, and 0.7 of the rest
    array([0.475, 0.175, 0.131])
    """
    pi = _check_probability(zero_probability)
    ordinary = negative_binomial.log_likelihood(counts, mean, dispersion)
    is_zero = negative_binomial.log_likelihood(counts, 0.0, 0.0) == 0  # with mean 0 there is no other count
    with np.errstate(divide="ignore"):
        log_pi, log_rest = np.log(pi), np.log1p(-pi)
    return np.where(is_zero, np.logaddexp(log_pi, log_rest + ordinary), log_rest + ordinary)


def probability_of_zero(mean, dispersion, zero_probability=0.0):
    """Give the probability of a zero: pi + (1 - pi) (1 + phi mu)^(-1 / phi).

    Parameters
    ----------
    mean, dispersion, zero_probability : array_like
        As in `log_likelihood`. Without structural zeros it is the negative binomial's, and with ``dispersion=0`` the
        Poisson distribution's e^-mu.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> probability_of_zero(2.0, [0.0, 0.5], [[0.0], [0.3]]).round(3)
    array([[0.135, 0.25 ],
           [0.395, 0.475]])
    """
    return np.exp(log_likelihood(0, mean, dispersion, zero_probability))


def moments(mean, dispersion, zero_probability):
    """Give expected value and variance: (1 - pi) mu, and (1 - pi) (mu + (phi + pi) mu^2).

    Parameters
    ----------
    mean, dispersion, zero_probability : array_like
        As in `log_likelihood`.

    Returns
    -------
    expected, variance : ndarray

    Examples
    --------
    >>> expected, variance = moments(10.0, 0.4, 0.3)
    >>> expected.round(3), variance.round(3)
    (np.float64(7.0), np.float64(56.0))
    """
    pi = _check_probability(zero_probability)
    mu = np.asarray(mean, dtype=float)
    return (1 - pi) * mu, (1 - pi) * (negative_binomial.variance(mean, dispersion) + pi * mu**2)


def sample(mean, dispersion, zero_probability, rng, size=None):
    """Draw counts: negative binomial ones, of which each becomes a zero with probability pi.

    Parameters
    ----------
    mean, dispersion, zero_probability : array_like
        As in `log_likelihood`.
    rng : numpy.random.Generator or int
        Source of randomness.
    size : int or tuple of int, optional
        Shape of the result; that of the parameters together when not given.

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> counts = sample(10.0, 0.4, 0.3, rng=1, size=1_000_000)
    >>> print(f"mean {counts.mean():.1f}, variance {counts.var():.0f}, zeros {(counts == 0).mean():.3f}")
    mean 7.0, variance 56, zeros 0.312
    """
    pi = _check_probability(zero_probability)
    shape = np.broadcast_shapes(np.shape(mean), np.shape(dispersion), pi.shape) if size is None else size
    generator = np.random.default_rng(rng) if isinstance(rng, int | np.integer) else rng
    counts = negative_binomial.sample(mean, dispersion, generator, shape)
    return np.where(generator.random(shape) < pi, 0, counts)


def _check_probability(zero_probability):
    pi = np.asarray(zero_probability, dtype=float)
    bad = ~((pi >= 0) & (pi <= 1))
    if bad.any():
        raise InputError(f"zero_probability lies between 0 and 1; got {pi[bad].flat[0]:.6g}")
    return pi
