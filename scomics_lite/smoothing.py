"""A smooth curve through a cloud of points that outliers do not bend: Cleveland's (1979) lowess.

Written out because the differences matter here: statsmodels' function of that name fits a slope even where a point has
hardly any neighbours, and then goes astray by factors where R's ``lowess``, whose numbers limma and DESeq2's filter
build on, does not; and of a curve that is flat for the most part it loses the rest.
"""

import numpy as np

ROUNDS = 4  # one plain, three with outliers held down
APART = 0.01  # of the range: lines are fitted at points so far apart, the curve is straight in between
EDGE = 1e-3  # weights within such a share of their ends are taken for 0 or 1, as in Cleveland's program
ROUNDING = 1e-13  # of the range of y: residuals that are nothing but rounding
FLAT = 1e-3  # of the range: with neighbours spread less than that, no slope is fitted


def robust_curve(x, y, span):
    """Smooth y over x by local lines.

    At a point v, with h the distance that holds the share `span` of the points, a line is fitted with weights

        (1 - (|x - v| / h)^3)^3 * trust,    trust = (1 - (r / 6m)^2)^2,   m = median |r|

    (each 0 where its inner bracket is negative). The r are residuals from the curve of the round before, none in the
    first of four rounds. Between such points, about a hundredth of the range apart, the curve is straight.

    Parameters
    ----------
    x, y : ndarray, shape (g,)
    span : float
        Share of the points that a line is fitted to, at least two points.

    Returns
    -------
    ndarray, shape (g,)
        The curve at every x, in the order given; the numbers of R's ``lowess(x, y, f=span)``, unless a curve
        goes through most points, where R goes on to find outliers by rounding errors.

    Examples
    --------
    >>> x = np.linspace(0, 1, 50)
    >>> robust_curve(x, 3 * x + (x == x[20]), 0.5)[[0, 20, 49]].round(3)
    array([0.   , 1.224, 3.   ])
    """
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    fitted = _spread(x, APART * np.ptp(x))
    size = min(max(int(span * len(x) + 1e-7), 2), len(x))
    trust = np.ones(len(x))
    for _ in range(ROUNDS):
        curve = np.interp(x, x[fitted], [_height(x, y, trust, i, size) for i in fitted])
        away = np.abs(y - curve)
        reach = 6 * np.median(away)
        if reach <= max(1e-7 * away.mean(), ROUNDING * np.ptp(y)):
            break  # most points lie on the curve: what is left of them says nothing of outliers
        trust = _fall(away / reach, 2, 2)
    result = np.empty(len(x))
    result[order] = curve
    return result


def _spread(x, apart):
    """Choose among rising values: the first, and from each the farthest not beyond `apart`, or the next."""
    chosen = [0]
    while x[chosen[-1]] < x[-1]:
        at = x[chosen[-1]]
        same, near = np.searchsorted(x, [at, at + apart], side="right")
        chosen.append(near - 1 if near > same else same)
    return chosen


def _height(x, y, trust, i, size):
    """Height over point i of the line through its `size` nearest points."""
    at = x[i]
    first = np.searchsorted(x[:-size] + x[size:], 2 * at)  # the point behind the window is no nearer than its first
    window = slice(first, max(first + size, np.searchsorted(x, at, side="right")))
    away = x[window] - at
    reach = max(-away[0], away[size - 1])
    weights = _fall(np.abs(away) / (reach or 1.0), 3, 3) * trust[window]
    total = weights.sum()
    if total <= 0:
        return y[i]  # nobody to be trusted near
    weights = weights / total
    middle = weights @ away
    spread = weights @ (away - middle) ** 2
    height = weights @ y[window]
    if np.sqrt(spread) > FLAT * (x[-1] - x[0]):
        height -= middle * (weights @ ((away - middle) * y[window])) / spread
    return height


def _fall(share, inner, outer):
    """Weights falling from 1 at 0 to 0 at 1: (1 - share^inner)^outer."""
    share = np.where(share <= EDGE, 0.0, np.where(share <= 1 - EDGE, share, 1.0))
    return (1 - share**inner) ** outer
