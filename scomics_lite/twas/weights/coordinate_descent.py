"""The elastic net at one penalty, by coordinate descent on inner products.

With standardised columns X and expression y of n people, G = XᵀX / n and c = Xᵀy / n hold all that the data say, and
the weights w are where

    f(w) = ½ wᵀ G w − cᵀ w + l1 Σ |w_j| + ½ l2 Σ w_j²

is lowest. Seen along one w_j alone, f is a parabola with a kink at 0, whose lowest point is known: `descend` goes
there, SNP after SNP, until nothing moves (Friedman, Hastie and Tibshirani 2010). That is the whole method. SNPs in LD
make it slow, because each passes its share on to its neighbours in small steps; `minimise` therefore lets it find out
which weights are not zero, and then solves for these together.
"""

import numpy as np
from numba import njit
from scipy.linalg import lapack

from scomics_lite.validation import warn

SWEEPS = 3  # of coordinate descent between two leaps: the fastest of 1, 2, 3, 5, 10 on 450 people × 2,000 SNPs in LD
ROUNDS = 2_000  # a hundred times what any of our cases took
TOLERANCE = 1e-8  # violation of the conditions of a minimum, in units of the penalty
# Without l2 and with SNPs in perfect LD f is flat in some directions: leaps go far along them, until a sign changes.
LEAST_CURVATURE = 1e-8
ROUNDING = 1e-13  # the same in standard deviations: what sums of some hundred float64 products leave open


@njit(cache=True)
def soft_threshold(value, limit):
    """Move a number towards 0 by `limit`, and no further than 0.

    Parameters
    ----------
    value, limit : float

    Returns
    -------
    float

    Examples
    --------
    >>> [round(soft_threshold(value, 0.5), 1) for value in (-2.0, 0.3, 0.7)]
    [-1.5, 0.0, 0.2]
    """
    if value > limit:
        return value - limit
    if value < -limit:
        return value + limit
    return 0.0


@njit(cache=True)
def descend(gram, gradient, weights, l1, l2, sweeps):
    """Coordinate descent: w_j = S(c_j − Σ_{k≠j} G_jk w_k, l1) / (G_jj + l2), with S the soft threshold.

    The gradient c − Gw, the covariance of each SNP with what is not yet explained, is kept up to date, so that a weight
    which stays where it is costs nothing (covariance updates). The first sweep goes over all SNPs, those that follow
    over the weights that are not zero (the active set).

    Parameters
    ----------
    gram : ndarray, shape (m, m)
        G, in row order.
    gradient, weights : ndarray, shape (m,)
        c − Gw and w; both are changed in place.
    l1, l2 : float
        Penalties of |w| and of w²/2.
    sweeps : int

    Examples
    --------
    >>> gram, c = np.array([[1.0, 0.5], [0.5, 1.0]]), np.array([0.9, 0.2])
    >>> weights = np.zeros(2)
    >>> descend(gram, c, weights, 0.1, 0.0, 1)
    >>> weights.round(3).tolist(), c.round(3).tolist()  # the second SNP only echoed the first
    ([0.8, -0.1], [0.15, -0.1])
    """
    for sweep in range(sweeps):
        for j in range(len(weights)):
            old = weights[j]
            if sweep > 0 and old == 0:
                continue
            new = soft_threshold(gradient[j] + gram[j, j] * old, l1) / (gram[j, j] + l2)
            if new != old:
                weights[j] = new
                for k in range(len(weights)):
                    gradient[k] -= gram[j, k] * (new - old)


@njit(cache=True)
def largest_violation(gradient, weights, l1, l2):
    """Say how far weights are from the conditions that hold at the minimum (Karush, Kuhn and Tucker).

    Where w_j ≠ 0 the slope of f is 0: gradient_j = l1 sign(w_j) + l2 w_j. Where w_j = 0 the gradient is not strong
    enough to move it: |gradient_j| ≤ l1.

    Parameters
    ----------
    gradient, weights : ndarray, shape (m,)
    l1, l2 : float

    Returns
    -------
    float

    Examples
    --------
    >>> round(largest_violation(np.array([0.1, 0.3]), np.array([0.5, 0.0]), 0.1, 0.0), 3)
    0.2
    """
    worst = 0.0
    for j in range(len(weights)):
        if weights[j] == 0:
            off = abs(gradient[j]) - l1
        else:
            off = abs(gradient[j] - l1 * np.sign(weights[j]) - l2 * weights[j])
        worst = max(worst, off)
    return worst


def minimise(gram, covariances, start, l1, l2):
    """Find the minimum of f: coordinate descent, with leaps to the minimum of the signs that it has found.

    Parameters
    ----------
    gram : ndarray, shape (m, m) or larger
        G = XᵀX / n, in row order. Rows and columns beyond the first m are not looked at.
    covariances, start : ndarray, shape (m,)
        c = Xᵀy / n, and weights to begin with.
    l1, l2 : float
        Penalties of |w| and of w²/2; not both 0.

    Returns
    -------
    ndarray, shape (m,)
        Violates no condition of a minimum by more than 1e-8 (l1 + l2); a warning says so if it does.

    Examples
    --------
    >>> gram, c = np.array([[1.0, 0.5], [0.5, 1.0]]), np.array([0.9, 0.2])
    >>> minimise(gram, c, np.zeros(2), 0.1, 0.0).round(3).tolist()
    [0.867, -0.133]
    """
    weights = start.copy()
    on = np.flatnonzero(weights)
    gradient = covariances - _along(gram, on, weights[on], len(weights))
    allowed = TOLERANCE * (l1 + l2) + ROUNDING
    for _ in range(ROUNDS):
        descend(gram, gradient, weights, l1, l2, SWEEPS)
        if largest_violation(gradient, weights, l1, l2) <= allowed:
            return weights
        while _leap(gram, gradient, weights, l1, l2):  # until no sign is in the way: sweeps would undo what it gained
            pass
    off = largest_violation(gradient, weights, l1, l2) / (l1 + l2)
    warn(f"the elastic net has not converged: weights violate the conditions of a minimum by {off:.2g} of the penalty")
    return weights


def _leap(gram, gradient, weights, l1, l2):
    """Go where f would be lowest if all signs stayed; weights whose sign changes become 0, if f falls by that.

    Otherwise go as far as the first of them and say so: without its weight, the next leap can go further.
    """
    on = np.flatnonzero(weights)
    w, sign = weights[on], np.sign(weights[on])
    slope = gradient[on] - l1 * sign - l2 * w
    penalised = _lower_half(gram, on, max(l2, LEAST_CURVATURE))
    _, step, failed = lapack.dposv(penalised.T, slope, lower=False, overwrite_a=True)  # .T: the order LAPACK works in
    if failed:
        return False
    crossing = np.flatnonzero((w + step) * sign <= 0)
    change = step.copy()
    change[crossing] = -w[crossing]
    fall = _along(gram, on, change, len(weights))
    short = len(crossing) > 0 and _rise(change, fall[on], slope, l2) >= 0
    if short:
        parts = -w[crossing] / step[crossing]  # f falls along the whole way to the first that crosses
        change = parts.min() * step
        change[crossing[parts.argmin()]] = -w[crossing[parts.argmin()]]
        fall = _along(gram, on, change, len(weights))
    weights[on] += change
    gradient -= fall
    return short


def _rise(change, fall, slope, l2):
    """Give f(w + change) − f(w), for a change that takes no weight past 0."""
    return -slope @ change + 0.5 * change @ (fall + l2 * change)


@njit(cache=True)
def _along(gram, on, change, m):
    """Give G times a change of some weights, (m,)."""
    product = np.zeros(m)
    for i in range(len(on)):
        row = gram[on[i]]
        for k in range(m):
            product[k] += row[k] * change[i]
    return product


@njit(cache=True)
def _lower_half(gram, on, penalty):
    """Take the rows and columns of some SNPs out of G, add the penalty to the diagonal; the upper half is not set."""
    part = np.empty((len(on), len(on)))
    for row in range(len(on)):
        for column in range(row + 1):
            part[row, column] = gram[on[row], on[column]]
        part[row, row] += penalty
    return part
