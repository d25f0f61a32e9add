"""Linear equations of many genes at once, where a gene without an answer stops no other, and units are no matter."""

import numpy as np


def solve_each(matrices, right):
    """Solve A x = b for symmetric A of many genes; the shortest of the best x where A is singular.

    Parameters
    ----------
    matrices : ndarray, shape (b, p, p)
    right : ndarray, shape (b, p, k)

    Returns
    -------
    ndarray, shape (b, p, k)

    Examples
    --------
    >>> matrices = np.array([[[2.0, 0], [0, 4]], [[1, 1], [1, 1]]])
    >>> solve_each(matrices, np.ones((2, 2, 1)))[:, :, 0]
    array([[0.5 , 0.25],
           [0.5 , 0.5 ]])
    """
    try:
        return np.linalg.solve(matrices, right)
    except np.linalg.LinAlgError:
        singular = _singular(matrices)
        solved = np.empty(right.shape)
        solved[~singular] = np.linalg.solve(matrices[~singular], right[~singular])
        solved[singular] = np.linalg.pinv(matrices[singular], hermitian=True) @ right[singular]
        return solved


def solve_definite(matrices, right):
    """Solve A x = b for symmetric A of many genes at once, and tell which A are positive definite.

    Cholesky's factors, column by column for all genes together: with a few coefficients and many genes much faster
    than to factor one matrix after the other.

    Parameters
    ----------
    matrices : ndarray, shape (b, p, p)
    right : ndarray, shape (b, p)

    Returns
    -------
    x : ndarray, shape (b, p)
        NaN where A is not positive definite.
    definite : ndarray of bool, shape (b,)

    Examples
    --------
    >>> matrices = np.array([[[2.0, 1], [1, 4]], [[1, 2], [2, 1]]])
    >>> x, definite = solve_definite(matrices, np.ones((2, 2)))
    >>> x.round(3), definite
    (array([[0.429, 0.143],
           [  nan,   nan]]), array([ True, False]))
    """
    p = right.shape[1]
    factor, x = matrices.transpose(1, 2, 0).copy(), right.T.copy()  # genes last: every line below is for all of them
    with np.errstate(invalid="ignore", divide="ignore"):
        for j in range(p):
            factor[j, j] = np.sqrt(factor[j, j] - (factor[j, :j] ** 2).sum(axis=0))
            for i in range(j + 1, p):
                factor[i, j] = (factor[i, j] - (factor[i, :j] * factor[j, :j]).sum(axis=0)) / factor[j, j]
            x[j] = (x[j] - (factor[j, :j] * x[:j]).sum(axis=0)) / factor[j, j]
        for j in reversed(range(p)):
            x[j] = (x[j] - (factor[j + 1 :, j] * x[j + 1 :]).sum(axis=0)) / factor[j, j]
    definite = np.isfinite(x).all(axis=0)
    x[:, ~definite] = np.nan
    return x.T, definite


def invert_each(matrices):
    """Invert the matrices of many genes; NaN where one is singular.

    Parameters
    ----------
    matrices : ndarray, shape (b, p, p)

    Returns
    -------
    ndarray, shape (b, p, p)

    Examples
    --------
    >>> invert_each(np.array([[[2.0, 0], [0, 4]], [[1, 1], [1, 1]]]))
    array([[[0.5 , 0.  ],
            [0.  , 0.25]],
    <BLANKLINE>
           [[ nan,  nan],
            [ nan,  nan]]])
    """
    try:
        return np.linalg.inv(matrices)
    except np.linalg.LinAlgError:
        inverse = np.full(matrices.shape, np.nan)
        regular = ~_singular(matrices)
        inverse[regular] = np.linalg.inv(matrices[regular])
        return inverse


def least_squares(x, y):
    """Solve y = x beta by least squares, whatever units the columns of x are in.

    numpy's own takes a column for nothing that is 1e-15 of another: an intercept beside a date in nanoseconds.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        Of full rank, without columns of zeros.
    y : ndarray, shape (n, b)

    Returns
    -------
    ndarray, shape (p, b)

    Examples
    --------
    >>> x = np.array([[1, 0], [1, 1e18], [1, 2e18]])
    >>> least_squares(x, np.array([[1.0], [2], [3]])).ravel().round(20)
    array([1.e+00, 1.e-18])
    """
    sizes = np.abs(x).max(axis=0)
    return np.linalg.lstsq(x / sizes, y, rcond=None)[0] / sizes[:, None]


def _singular(matrices):
    """Tell which matrices cannot be inverted, as LAPACK judges it: by a pivot that is exactly zero."""
    with np.errstate(invalid="ignore"):  # NaN is no zero
        return np.linalg.slogdet(matrices)[0] == 0
