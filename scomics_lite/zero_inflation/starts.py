"""Where the search for a maximum starts: rough estimates in closed form, good enough to be on the right hill."""

import numpy as np

from scomics_lite.equations import least_squares, solve_each
from scomics_lite.zero_inflation.likelihood import constant

LEAST_PHI, MOST_PHI = 0.01, 20.0
LEAST_SHARE, MOST_SHARE = 0.02, 0.95  # of structural zeros
PULL = 0.02  # weight of a zero, beside 1 of another count
SLIGHT = 0.05  # share of them given to a negative binomial fit
EVEN, EDGE = -3.0, -20.0  # logit at the mean of what tells groups apart, and of a covariate
WEIGHTS = np.array([3.0, 5.0, 10.0, 20.0])  # logits more for a standard deviation more, by which a surplus is sought


def negative_binomial_start(parts, y):
    """Begin at the least squares of ln(y / s + 0.1), scaled to the right total, and the dispersion of the moments.

    Parameters
    ----------
    parts : Parts
        Of a model without a zero part.
    y : ndarray, shape (n, b)

    Returns
    -------
    ndarray, shape (p + r, b)
    """
    beta = least_squares(parts.x, np.log(y / np.exp(parts.log_s) + 0.1))
    mu = np.exp(parts.x @ beta + parts.log_s)
    beta += constant(parts.x, np.log(y.sum(axis=0) / mu.sum(axis=0)))
    mu = np.exp(parts.x @ beta + parts.log_s)
    return np.concatenate([beta, _dispersion(parts, y, mu, 1.0)])


def inflated_start(parts, y):
    """Begin as if all that zeros say of the mean were wrong: least squares of ln(y / s) over counts above zero.

    Other cells pull to the mean of these with a weight of 2 %, so that groups of only zeros have a mean too.

    Parameters
    ----------
    parts : Parts
    y : ndarray, shape (n, b)

    Returns
    -------
    ndarray, shape (P, b)
    """
    positive = (y > 0).astype(float)
    logs = np.log(np.maximum(y, 1)) - parts.log_s
    center = (positive * logs).sum(axis=0) / positive.sum(axis=0)
    right = parts.x.T @ (positive * (logs - center))
    beta = solve_each(parts.weighted("x", "x", np.maximum(positive, PULL)), right.T[:, :, None])[:, :, 0].T
    beta += constant(parts.x, center)
    mu = np.exp(np.clip(parts.x @ beta + parts.log_s, -30, 30))
    phi = _dispersion(parts, y, mu, positive)
    log_phi = (parts.rows @ phi)[parts.groups]
    expected = np.exp(-np.log1p(np.exp(log_phi) * mu) / np.exp(log_phi)).mean(axis=0)
    observed = 1 - positive.mean(axis=0)
    share = np.clip((observed - expected) / (1 - expected), LEAST_SHARE, MOST_SHARE)
    return np.concatenate([beta, constant(parts.z, np.log(share / (1 - share))), phi])


def slightly_inflated(parts, theta):
    """Give a negative binomial fit a few structural zeros, the same share in all cells.

    Parameters
    ----------
    parts : Parts
    theta : ndarray, shape (p + r, b)
        Of the negative binomial fit.

    Returns
    -------
    ndarray, shape (P, b)
    """
    return parts.with_zeros(theta, np.log(SLIGHT / (1 - SLIGHT)))


def inflated_at_an_end(parts, theta, surplus):
    """Give a negative binomial fit structural zeros where a covariate of the zero part is high, or where it is low.

    A covariate that differs from cell to cell can make the zeros of a few cells at either end structural, and each is a
    hill of its own. `inflated_start` and `slightly_inflated` find the highest hill of 78 genes of 100, these of 99.
    Where there is no surplus of zeros at an end, by weights from gentle to steep, no hill rises from there. With groups
    alone there is one hill; beside a covariate they are ends too.

    Parameters
    ----------
    parts : Parts
    theta : ndarray, shape (p + r, b)
        Of the negative binomial fit.
    surplus : ndarray, shape (n, b)
        1 / P_NB(0) - 1 for a zero and -1 for another count: the slope of the log likelihood by a small pi.

    Yields
    ------
    genes : ndarray of int, shape (c,)
        Those with a surplus at the end.
    start : ndarray, shape (P, c)
    """
    values = [len(np.unique(column)) for column in parts.z.T]
    p, q, _ = parts.sizes
    for column in np.flatnonzero(np.greater(values, 1)) if max(values, default=0) > 2 else ():
        covariate = parts.z[:, column]
        tilt = -constant(parts.z, np.array([covariate.mean()])).ravel()
        tilt[column] += 1
        is_group = values[column] == 2
        logit, steep = (EVEN, 4.0) if is_group else (EDGE, 10.0)
        for sign in (1, -1):
            z = sign * (covariate - covariate.mean()) / covariate.std()
            at_the_end = np.exp(np.multiply.outer(WEIGHTS, z - z.max())) @ surplus
            genes = np.flatnonzero((at_the_end > 0).any(axis=0) | is_group)
            start = parts.with_zeros(theta[:, genes], logit)
            start[p : p + q] += sign * steep * tilt[:, None] / covariate.std()
            yield genes, start


def _dispersion(parts, y, mu, weights):
    """Match the squares of what is left over: sum of (y - mu)^2 - mu against the sum of mu^2."""
    surplus, square = (weights * ((y - mu) ** 2 - mu)).sum(axis=0), (weights * mu**2).sum(axis=0)
    return constant(parts.rows, np.log(np.clip(surplus / square, LEAST_PHI, MOST_PHI)))
