"""Weighted least squares of all genes at once, on plain arrays, by QR decompositions of a block of genes at a time."""

import numpy as np

from scomics_lite.blocks import map_blocks
from scomics_lite.design import independent_columns

LEAST_WEIGHT = 1e-24  # of a gene's largest: beside it a smaller one is lost in rounding, like a value that is missing


def fit_blocks(values, weights, design):
    """Fit all genes, a block after the other.

    Parameters
    ----------
    values : ndarray, shape (n, g)
        NaN is missing.
    weights : ndarray, shape (n, g), or None
        A value with weight 0 or NaN counts as missing, and so does one with less than 1e-24 of the gene's largest.
    design : ndarray, shape (n, p)
        Of full rank.

    Yields
    ------
    genes : ndarray of int, shape (b,)
    fitted : tuple
        Coefficients (b, p), NaN for those that missing values leave open; roots (b, p, p), whose products with their
        transposes are (X'WX)^-1, with rows of NaN for open coefficients; sums of squares of the residuals (b,); and
        residual degrees of freedom (b,).

    Examples
    --------
    >>> for genes, (coefficients, _, squares, df) in fit_blocks(np.array([[1.0], [2], [6]]), None, np.ones((3, 1))):
    ...     print(genes, coefficients, squares.round(6), df)
    [0] [[3.]] [14.] [2.]
    """
    x = np.asarray(design, dtype=float)
    every = np.arange(values.shape[1])
    if weights is None:
        yield from map_blocks(lambda y: _fit_block(x, y, None), values, every, p=x.shape[1])
    else:
        yield from map_blocks(lambda y, w: _fit_block(x, y, w.T), values, every, weights.T, p=x.shape[1])


def _fit_block(x, y, w):
    """Fit a block of genes, those that lack values in the same samples together."""
    (_, b), p = y.shape, x.shape[1]
    beta, root, squares, df = np.full((b, p), np.nan), np.full((b, p, p), np.nan), np.zeros(b), np.zeros(b)
    present = np.isfinite(y) if w is None else np.isfinite(y) & (w > LEAST_WEIGHT * np.fmax.reduce(w, axis=0))
    patterns, which = np.unique(present, axis=1, return_inverse=True)
    for number, kept in enumerate(patterns.T):
        members = np.flatnonzero(which.ravel() == number)
        columns = independent_columns(x[kept])
        part = np.ix_(kept, members)
        found = _least_squares(x[np.ix_(kept, columns)], y[part], None if w is None else w[part])
        beta[np.ix_(members, columns)], squares[members] = found[0], found[2]
        root[np.ix_(members, columns)] = 0
        root[np.ix_(members, columns, columns)] = found[1]
        df[members] = kept.sum() - len(columns)
    return beta, root, squares, df


def _least_squares(x, y, w):
    """Solve y = x beta by QR; give beta (b, p), R^-1 (b or 1, p, p) and the sums of squares (b,)."""
    if w is None:
        q, r = np.linalg.qr(x)
        inverse = np.linalg.inv(r)
        beta = inverse @ (q.T @ y)
        return beta.T, inverse[None], ((y - x @ beta) ** 2).sum(axis=0)
    root = np.sqrt(w).T[:, :, None]  # (b, n, 1)
    weighted, right = root * x, root * y.T[:, :, None]
    q, r = np.linalg.qr(weighted)
    inverse = np.linalg.inv(r)
    beta = inverse @ (q.transpose(0, 2, 1) @ right)
    return beta[:, :, 0], inverse, ((right - weighted @ beta) ** 2).sum(axis=(1, 2))
