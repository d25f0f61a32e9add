"""The weights of a mixture whose components are known: one concave function, and two ways to its maximum.

Effect i has the likelihood L_ij under component j. The weights pi are those of the highest penalized log likelihood,

    f(pi) = sum_i ln(sum_j L_ij pi_j) + sum_j (alpha_j - 1) ln pi_j,   pi >= 0,   sum_j pi_j = 1

with the parameters alpha of a Dirichlet prior: alpha = 1 is no penalty, alpha_j = 10 counts nine effects more that come
from component j (Stephens 2017, section 2.1.1). `em_weights` climbs in small, plain steps; `fit_weights` solves a
quadratic problem in each of a few large ones, as Kim, Carbonetto, Stephens and Anitescu 2020 (mixsqp) do.
"""

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls

from scomics_lite.validation import InputError, warn

GAP = 1e-9  # f this near to its maximum is there
STEPS = 200
GROWTH = 10.0  # of the gap in one step; there must be some, for f comes first
EM_STEPS = 10  # away from the start, before the first quadratic problem
RIDGE = 1e-11  # of the curvature, for components that the data cannot tell apart


def em_weights(likelihoods, prior=None, *, iterations):
    """Climb towards the best weights by expectation and maximization (Dempster, Laird and Rubin 1977).

    From equal weights, again and again:

        E:  P(j | i) = L_ij pi_j / sum_k L_ik pi_k
        M:  pi_j = (sum_i P(j | i) + alpha_j - 1) / (n + sum_k (alpha_k - 1))

    No step goes down, but the steps become small long before the top is reached.

    Parameters
    ----------
    likelihoods : array_like, shape (n, k)
        L; a factor common to a row does not matter.
    prior : array_like, shape (k,), optional
        alpha >= 1; 1 when not given.
    iterations : int

    Returns
    -------
    weights : ndarray, shape (k,)
    path : ndarray, shape (iterations + 1,)
        f(pi) at the start and after every iteration.

    Examples
    --------
    >>> likelihoods = np.array([[0.5, 0.1], [0.4, 0.2], [0.1, 0.6]])
    >>> weights, path = em_weights(likelihoods, iterations=100)
    >>> weights.round(4), path[[0, 1, 100]].round(4)
    (array([0.629, 0.371]), array([-3.4578, -3.4354, -3.4202]))
    """
    likelihoods, prior = _checked(likelihoods, prior)
    if not isinstance(iterations, int | np.integer) or iterations < 0:
        raise InputError(f"iterations must be a whole number, not negative; got {iterations!r}")
    pi = np.full(len(prior), 1 / len(prior))
    path = [objective(likelihoods, prior, pi)]
    for _ in range(iterations):
        joint = likelihoods * pi
        responsibilities = joint / joint.sum(axis=1, keepdims=True)
        pi = responsibilities.sum(axis=0) + prior - 1
        pi /= pi.sum()
        path.append(objective(likelihoods, prior, pi))
    return pi, np.array(path)


def fit_weights(likelihoods, prior=None):
    """Find the best weights: f(pi) is within 1e-8 of its maximum.

    Parameters
    ----------
    likelihoods, prior
        As for `em_weights`.

    Returns
    -------
    weights : ndarray, shape (k,)
        Most are exactly zero. Where components are alike and many weights are best, these are some of them.

    Examples
    --------
    >>> fit_weights([[0.5, 0.1], [0.4, 0.2], [0.1, 0.6]]).round(4)
    array([0.629, 0.371])
    >>> fit_weights([[0.5, 0.1], [0.4, 0.2], [0.1, 0.6]], prior=[1, 10]).round(4)
    array([0., 1.])
    """
    likelihoods, prior = _checked(likelihoods, prior)
    scaled = likelihoods / likelihoods.max(axis=1, keepdims=True)
    return maximize(lambda: [scaled], prior)


def objective(likelihoods, prior, weights):
    """Take f(pi), the penalized log likelihood of `likelihoods` (n, k); -inf where a weight with a penalty is zero.

    Parameters
    ----------
    likelihoods : ndarray, shape (n, k)
    prior, weights : ndarray, shape (k,)

    Returns
    -------
    float

    Examples
    --------
    >>> print(f"{objective(np.array([[0.5, 0.1]]), np.array([2, 1]), np.array([0.75, 0.25])):.4f}")
    -1.2040
    """
    with np.errstate(divide="ignore"):
        penalized = prior > 1
        return float(np.log(likelihoods @ weights).sum() + (prior - 1)[penalized] @ np.log(weights[penalized]))


def maximize(blocks, prior, start=None):
    """Find the best weights for likelihoods that come in blocks, so that they need not lie in memory together.

    With P = diag(1 / L pi), gradient G = L'P1 and curvature H = L'P^2 L (the penalty's terms added to both), f is about
    quadratic, and y >= 0 maximizes  (G + H pi - N)'y - y'Hy / 2  with N = n + sum_j (alpha_j - 1): the constraint that
    weights sum to 1 is in the N, since f - N sum_j y_j has its maximum where they do. The line from pi to y is halved
    until f rises.

    No weights are better than pi by more than N ln(max_j G_j / N) (from ln's concavity): that is when to stop.

    Parameters
    ----------
    blocks : callable
        Without arguments; gives an iterable of likelihoods (b, k), the same ones every time, whose rows have a maximum
        of about 1.
    prior : ndarray, shape (k,)
    start : ndarray, shape (k,), optional
        Weights near the best ones, under which every effect has a likelihood.

    Returns
    -------
    weights : ndarray, shape (k,)

    Examples
    --------
    >>> halves = [np.array([[0.5, 0.1], [0.4, 0.2]]), np.array([[0.1, 0.6]])]
    >>> maximize(lambda: halves, np.ones(2)).round(4)
    array([0.629, 0.371])
    """
    here = _Point(blocks, prior, np.full(len(prior), 1 / len(prior)) if start is None else start / start.sum())
    for _ in range(EM_STEPS if start is None else 0):
        here = _Point(blocks, prior, here.weights * here.gradient / here.total)
    for _ in range(STEPS):
        there = _climb(here, blocks, prior)
        here = here if there is None else there
        if there is None or here.gap < GAP:
            break
    if here.gap > 1e-6 * max(1.0, abs(here.value)):
        warn(f"the weights of the mixture may be short of the best ones: the log likelihood by up to {here.gap:.2g}")
    return here.weights


class _Point:
    """Weights, with the value of f there, its gradient (k,) and its negative second derivatives (k, k)."""

    def __init__(self, blocks, prior, weights):
        penalty, k = prior - 1, len(prior)
        self.weights, self.value, self.gradient, self.curvature = weights, 0.0, np.zeros(k), np.zeros((k, k))
        self.total = penalty.sum()
        for likelihoods in blocks():
            self._add(likelihoods)
        counts = np.flatnonzero(penalty)
        with np.errstate(divide="ignore"):
            self.value += penalty[counts] @ np.log(weights[counts])
            self.gradient[counts] += penalty[counts] / weights[counts]
            self.curvature[counts, counts] += penalty[counts] / weights[counts] ** 2
            self.gap = self.total * np.log(self.gradient.max() / self.total)

    def _add(self, likelihoods):
        with np.errstate(divide="ignore", invalid="ignore"):
            mixed = likelihoods @ self.weights
            ratios = likelihoods / mixed[:, None]
            self.value += np.log(mixed).sum()
        self.gradient += ratios.sum(axis=0)
        self.curvature += ratios.T @ ratios
        self.total += len(likelihoods)


def _climb(here, blocks, prior):
    """Give a better point, or None where rounding hides what is better.

    A step that takes away the component some effect cannot do without rises less than it should, and leaves a gradient
    that later steps can only work off bit by bit: it is too long. Near the top, f is flat within its rounding errors
    while the gradient still tells points apart.
    """
    target = _quadratic_maximum(here)
    rounding = 1e-13 * (1 + abs(here.value))
    promised = (here.gradient - here.total) @ (target - here.weights)
    length = 1.0
    while length == 1 or length * promised > rounding:
        weights = here.weights + length * (target - here.weights)
        there = _Point(blocks, prior, weights / weights.sum())
        rises = there.value > here.value + rounding and there.gap < GROWTH * max(here.gap, 1.0)
        if rises or (there.value > here.value - rounding and there.gap < here.gap):
            return there
        length /= 2
    return None


def _quadratic_maximum(here):
    """Maximize (G + H pi - N)'y - y'Hy / 2 over y >= 0, as the least squares |R y - r|^2 with R'R = H."""
    ridge = RIDGE * np.trace(here.curvature) / len(here.weights)
    curvature = here.curvature + ridge * np.eye(len(here.weights))
    root = cholesky(curvature)
    slope = here.gradient + curvature @ here.weights - here.total
    return nnls(root, solve_triangular(root, slope, trans="T"))[0]


def _checked(likelihoods, prior):
    likelihoods = np.asarray(likelihoods, dtype=float)
    if likelihoods.ndim != 2 or 0 in likelihoods.shape:
        raise InputError(f"likelihoods are a table of effects x components, got shape {likelihoods.shape}")
    bad = np.flatnonzero(~(np.isfinite(likelihoods) & (likelihoods >= 0)).all(axis=1) | (likelihoods.max(axis=1) <= 0))
    if bad.size:
        raise InputError(
            "likelihoods must be finite, not negative, and above zero for at least one component; "
            f"row {bad[0]} has {likelihoods[bad[0]]}. Very small ones: exp(log_likelihood - its maximum of the row)"
        )
    return likelihoods, check_prior(np.ones(likelihoods.shape[1]) if prior is None else prior, likelihoods.shape[1])


def check_prior(prior, k):
    """Check the parameters of a Dirichlet prior on the weights of k components.

    Parameters
    ----------
    prior : array_like, shape (k,)
    k : int

    Returns
    -------
    ndarray, shape (k,)

    Examples
    --------
    >>> check_prior([10, 0.5], 2)
    Traceback (most recent call last):
    scomics_lite.validation.InputError: prior: Dirichlet parameters below 1, here 0.5 of component 1, reward weights \
of zero without bound; 1 is no penalty
    """
    try:
        prior = np.asarray(prior, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"prior: one number for each of the {k} components, got {prior!r}") from None
    if prior.shape != (k,):
        raise InputError(f"prior: one number for each of the {k} components, got shape {prior.shape}")
    bad = np.flatnonzero(~(np.isfinite(prior) & (prior >= 1)))
    if bad.size:
        raise InputError(
            f"prior: Dirichlet parameters below 1, here {prior[bad[0]]} of component {bad[0]}, reward weights of zero "
            "without bound; 1 is no penalty"
        )
    return prior
