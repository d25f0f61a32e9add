"""Local regression: what Loader's locfit and R's loess make of a cloud of points, for trends of dispersions.

Both fit at few points, each to the nearest share of the data with tricube weights, and join what they found there.
`fit_where_needed` chooses locfit's points, `neighbourhood` weighs the data around one and `parabola` fits there;
`loess` is R's ``loess`` with a rule of its own for the points.
"""

import numpy as np
from scipy.interpolate import CubicHermiteSpline

CUT = 0.8  # of the smaller reach: how far apart two points may be
FINEST = 2.0**-18  # of the range; locfit's working space ends before it has halved so often
NO_DIRECTION = 1e-8  # of the largest eigenvalue: directions in which points do not differ, as locfit judges


def fit_where_needed(fit, low, high):
    """Fit at both ends and, as locfit does, halfway wherever two points lie too far apart for what they reach.

    Where many data share one place, a fit there reaches 0, and one beside it no further than that place: points then
    crowd towards it. R's locfit stops with "out of vertex space" when they are some 20; here they stop crowding at
    4e-6 of the range.

    Parameters
    ----------
    fit : callable
        Takes a point and gives a sequence, whose last item is the distance that the fit reaches: points may be 0.8 of
        the smaller reach of two apart, a reach of 0 aside.
    low, high : float
        The ends.

    Returns
    -------
    points : ndarray, shape (k,)
        In rising order; one point where both ends are the same.
    fits : list of sequences, length k

    Examples
    --------
    >>> points, fits = fit_where_needed(lambda point: [point**2, 2.0], 0, 4)
    >>> points
    array([0., 1., 2., 3., 4.])
    """
    fits, gaps = {float(end): fit(float(end)) for end in (low, high)}, [(float(low), float(high))]
    whole = high - low
    while gaps:
        low, high = gaps.pop()
        reaches = [reach for reach in (fits[low][-1], fits[high][-1]) if reach > 0]
        if high - low > max(CUT * min(reaches, default=whole / 2), FINEST * whole):
            middle = (low + high) / 2
            fits[middle] = fit(middle)
            gaps += [(low, middle), (middle, high)]
    points = sorted(fits)
    return np.array(points), [fits[point] for point in points]


def neighbourhood(away, neighbours):
    """Weigh data by their distance: (1 - (distance / reach)^3)^3, the reach that of the last of the nearest.

    Where the nearest are all equally far (many data in one place), they weigh the same.

    Parameters
    ----------
    away : ndarray, shape (g,)
        Distances, of either sign.
    neighbours : int
        How many are the nearest; with 0, none but those at distance 0.

    Returns
    -------
    weights : ndarray, shape (g,)
    reach : float

    Examples
    --------
    >>> weights, reach = neighbourhood(np.array([-1.0, 0, 2, 3]), 3)
    >>> weights.round(3), float(reach)
    (array([0.67, 1.  , 0.  , 0.  ]), 2.0)
    """
    away = np.abs(away)
    reach = np.partition(away, neighbours - 1)[neighbours - 1] if neighbours else 0.0
    if reach > 0:
        weights = np.clip(1 - (away / reach) ** 3, 0, None) ** 3
        if weights.any():
            return weights, reach
    return (away <= reach).astype(float), reach


def parabola(away, y, weights):
    """Fit y = c0 + c1 t + c2 t^2 by weighted least squares, where t is the distance from a point.

    Too few points for a parabola get what locfit gives them: from their weighted mean, the shortest step to the best
    fit, with 1, t and t^2 scaled to one size.

    Parameters
    ----------
    away, y, weights : ndarray, shape (g,)
        t, the heights, and weights that are not all 0.

    Returns
    -------
    ndarray, shape (3,)
        c0, c1, c2.

    Examples
    --------
    >>> parabola(np.array([-1.0, 0, 1, 2]), np.array([3.0, 1, 1, 3]), np.ones(4)).round(6)
    array([ 1., -1.,  1.])
    >>> parabola(np.zeros(2), np.array([2.0, 4.0]), np.ones(2))
    array([3., 0., 0.])
    """
    used = weights > 0
    away, y, weights = away[used], y[used], weights[used]
    powers = away[:, None] ** np.arange(3)
    start = weights @ y / weights.sum()
    information = (weights[:, None] * powers).T @ powers
    size = np.sqrt(np.diag(information))
    scale = np.divide(1, size, out=np.zeros(3), where=size > 0)
    values, directions = np.linalg.eigh(information * np.outer(scale, scale))
    told = values > NO_DIRECTION * values[-1]
    step = (scale * (powers.T @ (weights * (y - start)))) @ directions[:, told] / values[told]
    return scale * (directions[:, told] @ step) + [start, 0, 0]


def loess(x, y, at, span):
    """Smooth y as R's loess does: local parabolas at a few points, and cubic curves of their values and slopes between.

    The points are where a tree halves the data until a leaf holds at most a fifth of the span's share of them.

    Parameters
    ----------
    x, y : ndarray, shape (g,)
        With x in rising order.
    at : array_like
        Where to read the curve.
    span : float
        Share of the data that a parabola is fitted to.

    Returns
    -------
    ndarray, the shape of `at`

    Examples
    --------
    >>> x = np.linspace(0, 1, 50)
    >>> loess(x, 1 + x**2, [0.25, 0.5], span=0.3).round(6)
    array([1.0625, 1.25  ])
    """
    margin, neighbours = 0.005 * np.ptp(x), int(len(x) * span)
    points = np.concatenate([[x[0] - margin], _cuts(x, int(len(x) * span * 0.2)), [x[-1] + margin]])
    fits = [parabola(x - point, y, neighbourhood(x - point, neighbours)[0]) for point in points]
    value, slope, _ = np.array(fits).T
    return CubicHermiteSpline(points, value, slope)(at)


def _cuts(x, leaf):
    """Halve sorted values until no part is longer than `leaf`; give the places between the parts."""
    if len(x) <= leaf:
        return np.empty(0)
    half = (len(x) + 1) // 2
    return np.concatenate([_cuts(x[:half], leaf), [(x[half - 1] + x[half]) / 2], _cuts(x[half:], leaf)])
