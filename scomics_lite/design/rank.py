"""Which columns of a design add nothing: the one judgement of rank, the same in every unit.

A dose in mol/L and the same dose in mmol/L are the same question, so columns are divided by their length before they
are compared. What counts is the leftmost set: a column is kept if those to its left do not add up to it.
"""

import numpy as np

TOLERANCE = 1e-7  # of a column's length: less left over by the other columns is rounding (R's lm has the same)


def independent_columns(x):
    """Find the columns that no columns to their left add up to.

    Column j is kept if the part of it at right angles to the kept columns before it is longer than 1e-7 of the column
    itself. Multiplying a column by a number changes nothing.

    Parameters
    ----------
    x : array_like, shape (n, p)

    Returns
    -------
    ndarray of int
        Positions, rising; their number is the rank.

    Examples
    --------
    >>> x = np.array([[1, 0, 1, 2e-9], [1, 0, 1, 5e-9], [1, 1, 2, 3e-9]])
    >>> independent_columns(x)
    array([0, 1, 3])
    """
    x = np.asarray(x, dtype=float)
    unit = x / _lengths(x)
    if len(x) >= x.shape[1] and _is_full(unit):
        return np.arange(x.shape[1])
    basis, kept = np.zeros((len(x), 0)), []
    for j, column in enumerate(unit.T):
        rest = _left_over(column, basis)
        size = np.linalg.norm(rest)
        if size > TOLERANCE:
            basis = np.column_stack([basis, rest / size])
            kept.append(j)
    return np.array(kept, dtype=int)


def column_rank(x):
    """Count the columns that add something.

    Parameters
    ----------
    x : array_like, shape (n, p)

    Returns
    -------
    int

    Examples
    --------
    >>> column_rank([[1, 1e-9], [1, 2e-9], [1, 3e-9]])
    2
    """
    return len(independent_columns(x))


def _lengths(x):
    """Give the length of every column, and 1 for one of zeros."""
    largest = np.abs(x).max(axis=0, initial=0.0)
    largest = np.where(largest > 0, largest, 1.0)  # first, or the squares of 1e-200 would vanish
    lengths = largest * np.linalg.norm(x / largest, axis=0)
    return np.where(lengths > 0, lengths, 1.0)


def _is_full(unit):
    """Tell the usual case at one stroke: no column of a QR decomposition is nothing but rounding."""
    return unit.shape[1] > 0 and np.abs(np.diag(np.linalg.qr(unit, mode="r"))).min() > TOLERANCE


def _left_over(column, basis):
    """Take away what the basis adds up to, twice: once more for what rounding left in."""
    for _ in range(2):
        column = column - basis @ (basis.T @ column)
    return column
