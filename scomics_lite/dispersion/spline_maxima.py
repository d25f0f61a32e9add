"""The highest point of a curve that is known on a grid: cubic splines as edgeR draws them."""

import numpy as np
from scipy.linalg import solve_banded


def spline_maxima(grid, heights):
    """Find where cubic splines through heights on a grid are highest, as edgeR's ``maximizeInterpolant`` does.

    The splines have the ends of Forsythe, Malcolm and Moler (1977): the third derivative there is that of the cubic
    through the last four points. Looked at are the highest point of the grid and the two pieces beside it; what the
    spline does elsewhere, between points that are lower, is none of the data's doing.

    Parameters
    ----------
    grid : ndarray, shape (k,)
        At least four points, evenly spaced.
    heights : ndarray, shape (b, k)
        A curve a row.

    Returns
    -------
    ndarray, shape (b,)

    Examples
    --------
    >>> grid = np.linspace(-2, 2, 5)
    >>> spline_maxima(grid, -((grid - np.array([[0.3], [1.75], [5.0]])) ** 2)).round(6)
    array([0.3 , 1.75, 2.  ])
    """
    sigma, rows, top = _sixth_of_curvature(heights), np.arange(len(heights)), heights.argmax(axis=1)
    best, at = heights[rows, top], top.astype(float)
    for beside in (top - 1, top):
        piece = np.clip(beside, 0, len(grid) - 2)
        y0, y1, left, right = heights[rows, piece], heights[rows, piece + 1], sigma[rows, piece], sigma[rows, piece + 1]
        c1, c2, c3 = y1 - y0 - right - 2 * left, 3 * left, right - left  # of the powers of t, the place in the piece
        with np.errstate(divide="ignore", invalid="ignore"):
            t = c1 / (np.sqrt(c2**2 - 3 * c3 * c1) - c2)  # where the slope falls through zero
            height = ((c3 * t + c2) * t + c1) * t + y0
        better = (beside == piece) & (t > 0) & (t < 1) & (height > best)
        best, at = np.where(better, height, best), np.where(better, piece + t, at)
    return grid[0] + (grid[1] - grid[0]) * at


def _sixth_of_curvature(heights):
    """Second derivatives of the splines over 6 at the points of the grid, a unit apart, shape (b, k)."""
    k = heights.shape[1]
    bands = np.ones((3, k))
    bands[1] = 4
    bands[1, [0, -1]] = -1
    right = np.zeros_like(heights)
    right[:, 1:-1] = np.diff(heights, 2, axis=1)
    right[:, 0] = np.diff(heights[:, :4], 3, axis=1)[:, 0] / 6
    right[:, -1] = -np.diff(heights[:, -4:], 3, axis=1)[:, 0] / 6
    return solve_banded((1, 1), bands, right.T).T
