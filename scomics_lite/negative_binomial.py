"""The negative binomial distribution of counts, alone: no design, no fitting.

A count Y with mean mu and dispersion phi comes about in two steps (Greenwood and Yule 1920),

    Y ~ Poisson(lambda),  lambda ~ Gamma(mean mu, variance phi mu^2)
    E[Y] = mu,  Var[Y] = mu + phi mu^2

so that sqrt(phi) is the coefficient of variation of what is counted, and phi = 0 leaves the Poisson distribution. All
functions take arrays that broadcast against each other: counts and means of shape (n, g), dispersions of shape (g,).
They may be tables with names, whose order is checked, or an AnnData (its ``X``); results are arrays.
"""

import numpy as np
import pandas as pd
from scipy import sparse, special

from scomics_lite.validation import Counts, InputError, check_order, is_annotated, read_counts

STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188)  # Abramowitz and Stegun 6.1.41
STIRLING_FROM = 16.0  # from here on the next term of the series is below 1e-16


def log_likelihood(counts, mean, dispersion):
    """Take the logarithm of the probability of every count.

    With k = 1 / phi, the textbook form is

        ln P(y) = ln Gamma(y + k) - ln Gamma(k) - ln y! - k ln(1 + phi mu) + y ln(phi mu / (1 + phi mu))

    whose terms grow without bound, and cancel, as phi goes to zero. The same with Stirling's formula put in, and what
    depends on mu set apart (as Loader 2000, *Fast and accurate computation of binomial probabilities*, does):

        ln P(y) = -ln(2 pi y (1 + phi y)) / 2 + d(y + k) - d(k) - d(y) - deviance / 2
        d(z) = ln Gamma(z) - (z - 1/2) ln z + z - ln(2 pi) / 2,  which vanishes for large z

    so that phi = 0 is the Poisson distribution, exactly; a count of zero has ``-deviance / 2`` alone.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame or AnnData
        y, not negative. Numbers between the whole ones are interpolated by the gamma function.
    mean : array_like
        mu, not negative.
    dispersion : array_like
        phi, not negative.

    Returns
    -------
    ndarray
        One value for each count; NaN where an input is NaN.

    Examples
    --------
    >>> log_likelihood([0, 1, 10], 2.0, 0.5).round(4)
    array([-1.3863, -1.3863, -5.9199])
    >>> log_likelihood(3, 2.0, 0.0).round(4)  # Poisson: ln(exp(-2) 2^3 / 3!)
    np.float64(-1.7123)
    """
    y, mu, phi = _check(counts=counts, mean=mean, dispersion=dispersion)
    with np.errstate(divide="ignore", over="ignore"):
        k = 1 / phi
        saturated = _stirling_error(y + k) - _stirling_error(k) - np.log(2 * np.pi * y * (1 + phi * y)) / 2
        saturated -= _stirling_error(np.where(y > 0, y, 1.0))
    return np.where(y == 0, 0.0, saturated) - _half_deviance(y, mu, phi)


def deviance(counts, mean, dispersion):
    """Measure how far every count is from its mean: twice what the log likelihood lacks of its value at mean = count.

        d(y) = 2 (y ln(y / mu) - (y + 1 / phi) ln((1 + phi y) / (1 + phi mu)))

    and 2 (y ln(y / mu) - (y - mu)) for phi = 0 (McCullagh and Nelder 1989, section 2.3).

    Parameters
    ----------
    counts, mean, dispersion : array_like
        As in `log_likelihood`.

    Returns
    -------
    ndarray
        Not negative; zero where the mean is the count.

    Examples
    --------
    >>> deviance([0, 2, 10], 2.0, 0.5).round(4)
    array([2.7726, 0.    , 5.8221])
    """
    return 2 * _half_deviance(*_check(counts=counts, mean=mean, dispersion=dispersion))


def quantile_residuals(counts, mean, dispersion, rng):
    """Turn counts into values that are standard normal if mean and dispersion are right.

        r = Phi^-1(u),  u uniform between P(Y < y) and P(Y <= y)

    (Dunn and Smyth 1996): the chance in u fills the steps that a discrete distribution has. Without it, residuals of
    small counts could not look normal even under the true model.

    Parameters
    ----------
    counts, mean, dispersion : array_like
        As in `log_likelihood`, with whole counts.
    rng : numpy.random.Generator or int
        Source of randomness.

    Returns
    -------
    ndarray
        One value for each count, at most 38 in size, where probabilities are too small for the machine.

    Examples
    --------
    >>> counts = sample(2.0, 0.5, rng=1, size=10_000)
    >>> right, wrong = (quantile_residuals(counts, 2.0, phi, rng=2) for phi in (0.5, 0.0))
    >>> print(f"standard deviation {right.std():.2f}; taken for Poisson {wrong.std():.2f}")
    standard deviation 1.00; taken for Poisson 1.31
    """
    y, mu, phi = np.broadcast_arrays(*_check(counts=counts, mean=mean, dispersion=dispersion))
    position = _generator(rng).random(y.shape)
    from_below, from_above = _tails(y, mu, phi)
    before_below, before_above = _tails(y - 1, mu, phi)
    u = before_below + position * (from_below - before_below)
    v = from_above + (1 - position) * (before_above - from_above)  # 1 - u, with all its digits
    return np.clip(np.where(u < 0.5, special.ndtri(u), -special.ndtri(v)), -38.0, 38.0)


def variance(mean, dispersion):
    """Give the variance of a count: mu + phi mu^2.

    Parameters
    ----------
    mean, dispersion : array_like
        mu and phi, not negative.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> variance([1.0, 10.0, 100.0], 0.1)
    array([   1.1,   20. , 1100. ])
    """
    mu, phi = _check(mean=mean, dispersion=dispersion)
    return mu + phi * mu**2


def sample(mean, dispersion, rng, size=None):
    """Draw counts in the two steps of the model: a gamma-distributed rate, then a Poisson count.

    Parameters
    ----------
    mean, dispersion : array_like
        mu and phi, not negative.
    rng : numpy.random.Generator or int
        Source of randomness.
    size : int or tuple of int, optional
        Shape of the result; that of `mean` and `dispersion` together when not given.

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> counts = sample(10.0, 0.4, rng=1, size=1_000_000)
    >>> print(f"mean {counts.mean():.1f}, variance {counts.var():.0f}")  # 10 + 0.4 * 10^2 = 50
    mean 10.0, variance 50
    """
    mu, phi = _check(mean=mean, dispersion=dispersion)
    generator = _generator(rng)
    shape = np.broadcast_shapes(mu.shape, phi.shape) if size is None else size
    k = 1 / np.maximum(phi, 1e-12)  # at 1e-12 the rate's spread is a millionth of it: the mean itself, Poisson
    rates = np.where(phi > 1e-12, generator.gamma(k, 1 / k, shape), 1.0) * mu
    return generator.poisson(rates)


def to_size(dispersion):
    """Turn dispersions into sizes, R's parameter: k = 1 / phi, infinite for Poisson.

    Parameters
    ----------
    dispersion : array_like
        phi, not negative.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> to_size([0.25, 0.0])
    array([ 4., inf])
    """
    (phi,) = _check(dispersion=dispersion)
    with np.errstate(divide="ignore", over="ignore"):
        return 1 / phi


def from_size(size):
    """Turn sizes, R's parameter, into dispersions: phi = 1 / k.

    Parameters
    ----------
    size : array_like
        k, positive; infinite for Poisson.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> from_size([4.0, np.inf])
    array([0.25, 0.  ])
    """
    (k,) = _check(size=size)
    if (k == 0).any():
        raise InputError("size must be positive: size 0 would be an infinite dispersion")
    return 1 / k


def to_scipy(mean, dispersion):
    """Turn mean and dispersion into the n and p of ``scipy.stats.nbinom`` and ``numpy.random``.

    n = 1 / phi successes are waited for, each with probability p = 1 / (1 + phi mu), and failures are counted.

    Parameters
    ----------
    mean : array_like
        mu, not negative.
    dispersion : array_like
        phi, positive: scipy has no n for the Poisson distribution.

    Returns
    -------
    n, p : ndarray

    Examples
    --------
    >>> from scipy import stats
    >>> n, p = to_scipy(10.0, 0.4)
    >>> stats.nbinom(n, p).mean().round(6), stats.nbinom(n, p).var().round(6)
    (np.float64(10.0), np.float64(50.0))
    """
    mu, phi = _check(mean=mean, dispersion=dispersion)
    if (phi == 0).any():
        raise InputError("dispersion 0 has no n and p: it is the Poisson distribution, scipy.stats.poisson(mean)")
    mu, phi = np.broadcast_arrays(mu, phi)
    return 1 / phi, 1 / (1 + phi * mu)


def from_scipy(n, p):
    """Turn the n and p of ``scipy.stats.nbinom`` into mean and dispersion: mu = n (1 - p) / p, phi = 1 / n.

    Parameters
    ----------
    n : array_like
        Number of successes, positive.
    p : array_like
        Probability of a success, in (0, 1].

    Returns
    -------
    mean, dispersion : ndarray

    Examples
    --------
    >>> mean, dispersion = from_scipy(2.5, 0.2)
    >>> mean, dispersion
    (np.float64(10.0), np.float64(0.4))
    """
    n, p = np.broadcast_arrays(*_check(n=n, p=p))
    if (n == 0).any() or (p == 0).any() or (p > 1).any():
        raise InputError("n must be positive and p a probability in (0, 1]")
    return n * (1 - p) / p, 1 / n


# --- parts ------------------------------------------------------------------------------------------------------------


def _half_deviance(y, mu, phi):
    """Half the unit deviance, with every logarithm of a ratio near 1 taken by the difference.

    y ln(y b / (mu a)) - ln(a / b) / phi  with a = 1 + phi y, b = 1 + phi mu
    """
    difference, a, b = y - mu, 1 + phi * y, 1 + phi * mu
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        first = y * _log_ratio(difference / (mu * a), y / mu * (b / a))
        x = phi * difference / b
        second = difference / b * np.where(x == 0, 1.0, _log_ratio(x, a / b) / x)  # ln(a / b) / phi, also for phi = 0
    first = np.where(y > 0, first, 0.0)
    return np.where(np.isinf(first), np.inf, np.maximum(first - second, 0.0))


def _log_ratio(excess, ratio):
    """Take ln(ratio), where excess = ratio - 1 is known without cancellation."""
    return np.where(np.abs(excess) < 0.5, np.log1p(np.maximum(excess, -0.5)), np.log(ratio))


def _stirling_error(z):
    """Take ln Gamma(z) minus Stirling's formula for it: d(z) in `log_likelihood`."""
    inverse_square = 1 / z / z
    error = np.zeros_like(z)
    with np.errstate(invalid="ignore", over="ignore"):
        for coefficient in STIRLING[::-1]:
            error = error * inverse_square + coefficient
        error = np.asarray(error / z)
    small = z < STIRLING_FROM
    z = z[small]
    error[small] = special.gammaln(z) - (z - 0.5) * np.log(z) + z - np.log(2 * np.pi) / 2
    return error


def _tails(y, mu, phi):
    """Give P(Y <= y) and P(Y > y)."""
    is_poisson, k, failure = phi < 1e-300, 1 / np.maximum(phi, 1e-300), phi * mu / (1 + phi * mu)
    whole = np.maximum(y, 0)  # y = -1 is put right below
    below = np.where(is_poisson, special.pdtr(whole, mu), special.betaincc(whole + 1, k, failure))
    above = np.where(is_poisson, special.pdtrc(whole, mu), special.betainc(whole + 1, k, failure))
    return np.where(y < 0, 0.0, below), np.where(y < 0, 1.0, above)


def _generator(rng):
    if not isinstance(rng, np.random.Generator | int | np.integer):
        raise InputError(f"rng must be a number (the seed) or a numpy.random.Generator; got {rng!r}")
    return np.random.default_rng(rng)


def _check(**values):
    """Give every argument as an array of floats, or name the first that is negative and where."""
    _check_names({name: shell for name, value in values.items() if (shell := _shell(value)) is not None})
    arrays = {name: _as_floats(value, name) for name, value in values.items()}
    for name, array in arrays.items():
        bad = array < 0
        if bad.any():
            place = tuple(int(i) for i in np.argwhere(bad)[0])
            where = f" at {list(place)}" if place else ""
            raise InputError(
                f"{name} must not be negative; {np.count_nonzero(bad):,} of {array.size:,} are, "
                f"the first{where} is {array[place]:.6g}"
            )
    return tuple(arrays.values())


def _as_floats(value, name):
    """Give what has numbers as an array of floats."""
    if isinstance(value, Counts) or is_annotated(value):
        value = read_counts(value).matrix
    try:
        return np.asarray(value.toarray() if sparse.issparse(value) else value, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{name} must hold numbers; got {type(value).__name__}") from None


def _shell(value):
    """Give the names that a table or Series has, without its numbers; None where it has none."""
    if isinstance(value, Counts) or is_annotated(value):
        value = read_counts(value)
        return pd.DataFrame(index=value.samples, columns=value.genes)
    return value if isinstance(value, pd.DataFrame | pd.Series) else None


def _check_names(shells):
    """Refuse tables (n, g) and Series (g,) whose names do not go together."""
    tables = [shell for shell in shells.values() if isinstance(shell, pd.DataFrame)]
    for name, shell in shells.items():
        if isinstance(shell, pd.DataFrame):
            check_order(shell, tables[0].index, name, tables[0].columns)
        else:
            check_order(shell, tables[0].columns if tables else next(iter(shells.values())).index, name)
