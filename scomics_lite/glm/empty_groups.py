"""Genes whose counts say nothing about a contrast: those without a count in the groups that it compares.

Where all counts of two groups are zero, the likelihood is highest with both means at zero, and their ratio can be
anything. Which samples a contrast compares is no matter of signs or names of coefficients, so the question is put to
the likelihood itself. Let the coefficients move in a direction d: the likelihood does not fall along it, however far,
if and only if

    x_i'd = 0 in samples with a count,   x_i'd <= 0 in samples without

(the directions of recession; Albert and Anderson 1984 for logistic regression). If c'd can be above zero and below zero
among them, counts leave the sign of the contrast open. If it can only be one of both, the sign is known and the size is
not, as for a gene that one of two groups lacks.

Contrasts that set the effect of one factor against that of another are the exception: there DESeq2's rule is kept,
which looks at the samples with a part in any of the coefficients. It depends on which levels are the references.
"""

import numpy as np
from scipy.linalg import null_space
from scipy.optimize import linprog

SURELY_FULL = 1e-9  # of the smallest eigenvalue, columns having length 1: fewer genes than this rules out are looked at
ROUNDING = 1e-9


def leaves_sign_open(x, c, counted):
    """Tell in which genes the counts leave the sign of a contrast open.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        The design, of full rank.
    c : ndarray, shape (p,)
    counted : ndarray of bool, shape (n, b)
        Where a gene has a count above zero.

    Returns
    -------
    ndarray of bool, shape (b,)

    Examples
    --------
    >>> x = np.repeat(np.array([[1.0, 0, 0], [1, 1, 0], [1, 0, 1]]), 2, axis=0)  # groups A, B, C of two samples
    >>> in_c, in_a = np.arange(6) >= 4, np.arange(6) < 2
    >>> leaves_sign_open(x, np.array([0, 1, 0]), np.column_stack([in_c, in_a]))  # B against A
    array([ True, False])
    >>> leaves_sign_open(x, np.array([0, -1, 1]), np.column_stack([in_c, in_a]))  # C against B
    array([False,  True])
    """
    lengths = np.linalg.norm(x, axis=0)
    x, c = x / lengths, c / lengths
    p = x.shape[1]
    products = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    gram = (counted.T.astype(float) @ products).reshape(-1, p, p)
    result = np.zeros(counted.shape[1], dtype=bool)
    doubtful = np.flatnonzero(np.linalg.eigvalsh(gram)[:, 0] < SURELY_FULL)
    if doubtful.size:
        patterns, which = np.unique(counted[:, doubtful], axis=1, return_inverse=True)
        result[doubtful] = np.array([_is_open(x, c, pattern) for pattern in patterns.T])[which.ravel()]
    return result


def mixes_factors(x, c):
    """Tell whether a contrast sets coefficients against each other that samples have in common.

    Levels of one factor share no sample, and where every group has a mean of its own all contrasts compare groups.

    Parameters
    ----------
    x : ndarray, shape (n, p)
    c : ndarray, shape (p,)

    Returns
    -------
    bool

    Examples
    --------
    >>> x = np.array([[1, 0, 0], [1, 0, 1], [1, 1, 0], [1, 1, 1.0]])  # two factors
    >>> mixes_factors(x, np.array([0, -1, 1])), mixes_factors(x, np.array([0, 0, 1]))
    (True, False)
    """
    shared = np.count_nonzero(x[:, c != 0], axis=1).max() > 1
    return bool(c.min() < 0 < c.max() and shared and len(np.unique(x, axis=0)) > x.shape[1])


def in_mixed_contrast(x, c, counted):
    """Tell which genes have no count in the samples with a part in any coefficient of a contrast, as DESeq2 does.

    Parameters
    ----------
    x, c, counted
        As for `leaves_sign_open`.

    Returns
    -------
    ndarray of bool, shape (b,)

    Examples
    --------
    >>> x = np.array([[1, 0, 0], [1, 0, 1], [1, 1, 0], [1, 1, 1.0]])
    >>> in_mixed_contrast(x, np.array([0, -1, 1]), np.array([[True, True], [False, False], [False, True], [False] * 2]))
    array([ True, False])
    """
    return ~counted[x @ (c != 0) != 0].any(axis=0)


def _is_open(x, c, counted):
    """Look for directions of recession along which the contrast rises, and others along which it falls."""
    free = null_space(x[counted], rcond=1e-7) if counted.any() else np.eye(x.shape[1])  # (p, r)
    slope = c @ free
    if free.shape[1] < 2 or np.abs(slope).max() < ROUNDING * np.abs(c).max():
        return False  # along a single line one way leads up in some sample: x has full rank
    limits = np.unique(np.round(x[~counted] @ free, 12), axis=0)
    return all(
        -linprog(-sign * slope, A_ub=limits, b_ub=np.zeros(len(limits)), bounds=(-1, 1)).fun
        > ROUNDING * np.abs(slope).max()
        for sign in (1, -1)
    )
