"""One regression for every column of a table, SNP or gene, beside the same covariates: linear or logistic.

y = a + x_j β_j + C γ_j + e for each column x_j alone. A column's missing values (NaN) leave out those people for that
column only. Both work on a block of columns at a time, with sums that matrix products give for all of them at once.
"""

import numpy as np
from scipy.special import expit

from scomics_lite.validation import InputError

NO_VARIANCE = 1e-12  # of a column's squares, left over when covariates are projected out: rounding alone
CONSTANT = 1e-13  # standard deviation of a constant column beside its mean: rounding alone
ITERATIONS = 25  # of Newton's method; separated columns move by about 1 in the logit at each, and never stop
CERTAIN = 15.0  # a logit so large after `ITERATIONS` says that the column separates the groups
CONVERGED = 1e-9  # change of a coefficient, in standard deviations of its column


def basis_of(covariates, n):
    """Give orthonormal columns that span the intercept and the covariates.

    Parameters
    ----------
    covariates : ndarray, shape (n, k), or None
        Without missing values. Columns that others explain add nothing and cost no degree of freedom.
    n : int
        Number of people.

    Returns
    -------
    ndarray, shape (n, c)
        c = 1 + rank of the centred covariates; the first column is constant.

    Examples
    --------
    >>> basis_of(np.array([[1.0, 2.0], [2.0, 4.0], [4.0, 8.0]]), 3).round(3) + 0.0
    array([[ 0.577, -0.617],
           [ 0.577, -0.154],
           [ 0.577,  0.772]])
    """
    constant = np.full((n, 1), n**-0.5)
    if covariates is None or not covariates.shape[1]:
        return constant
    centred = covariates - covariates.mean(axis=0)
    size = np.abs(centred).max(axis=0, initial=0)
    centred = centred[:, size > 0] / size[size > 0]
    left, values, right = np.linalg.svd(centred, full_matrices=False)
    kept = values > values.max(initial=0) * max(centred.shape) * np.finfo(float).eps
    left = left[:, kept] * np.where(right[kept].sum(axis=1) < 0, -1, 1)
    return np.hstack([constant, left])


def linear(columns, y, basis):
    """Regress y on every column by least squares, covariates projected out of both (Frisch and Waugh 1933).

    β = x̃ᵀỹ / x̃ᵀx̃ and se² = (ỹᵀỹ − β x̃ᵀỹ) / (df x̃ᵀx̃) with x̃, ỹ what the basis leaves of x and y: the numbers of the
    whole regression on [1, x, C], with its degrees of freedom df = n − 1 − c.

    Parameters
    ----------
    columns : ndarray, shape (n, m)
        NaN where missing.
    y : ndarray, shape (n,)
    basis : ndarray, shape (n, c)
        From `basis_of`.

    Returns
    -------
    beta, se, df, n : ndarray, shape (m,)
        NaN where a column is constant beside the covariates, or has too few people.

    Examples
    --------
    >>> x, y = np.array([[0.0], [1.0], [2.0], [1.0]]), np.array([1.0, 2.0, 3.5, 2.5])
    >>> [part.round(4).tolist() for part in linear(x, y, basis_of(None, 4))]
    [[1.25], [0.1768], [2], [4]]
    """
    known = ~np.isnan(columns)
    centre = np.where(known, columns, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    x = np.where(known, columns - centre, 0)  # sums of squares lose no digits to the mean
    y = y - basis @ (basis.T @ y)
    n = known.sum(axis=0)
    whole = n == len(y)
    xx, xy, yy = (x**2).sum(axis=0), y @ x, np.full(len(n), y @ y)
    total = xx.copy()
    xx -= ((basis.T @ x) ** 2).sum(axis=0)
    if not whole.all():
        some = ~whole
        xx[some], xy[some], yy[some] = _where_known(x[:, some], y, basis, known[:, some].astype(float))
    df = n - 1 - basis.shape[1]
    usable = (xx > NO_VARIANCE * total) & (total > n * (CONSTANT * centre) ** 2) & (df > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        beta = np.where(usable, xy / xx, np.nan)
        se = np.sqrt(np.maximum(yy - beta * xy, 0) / (df * xx))
    return beta, se, df, n


def _where_known(x, y, basis, known):
    """Give x̃ᵀx̃, x̃ᵀỹ, ỹᵀỹ of columns with missing people: among those left the basis is not orthonormal."""
    inner = _inner_products(known, basis)
    of_x, of_y = (basis.T @ x).T, (basis * y[:, None]).T @ known
    halves = np.stack([of_x, of_y.T], axis=2)
    solved = np.linalg.pinv(inner, hermitian=True) @ halves
    lost = np.einsum("mca,mcb->mab", halves, solved)
    return (x**2).sum(axis=0) - lost[:, 0, 0], y @ x - lost[:, 0, 1], y**2 @ known - lost[:, 1, 1]


def _inner_products(weights, basis):
    """Give Zᵀ diag(w_j) Z for every column j of the weights, shape (m, c, c)."""
    c = basis.shape[1]
    pairs = (basis[:, :, None] * basis[:, None, :]).reshape(len(basis), c * c)
    return (weights.T @ pairs).reshape(-1, c, c)


def logistic(columns, y, basis):
    """Regress a yes-or-no y on every column by maximum likelihood: log(p / (1 − p)) = a + x_j β_j + C γ_j.

    Newton's method for a block of columns together, from the fit without x; a step that lowers the likelihood is
    halved. The standard error is that of the information matrix at the maximum. A column that separates the groups has
    no maximum (Albert and Anderson 1984).

    Parameters
    ----------
    columns : ndarray, shape (n, m)
        NaN where missing.
    y : ndarray of 0 and 1, shape (n,)
    basis : ndarray, shape (n, c)
        From `basis_of`.

    Returns
    -------
    beta, se : ndarray, shape (m,)
        NaN where there is none.
    n : ndarray of int, shape (m,)
    status : ndarray of str, shape (m,)
        "ok", "constant", "separated" or "not converged".

    Raises
    ------
    InputError
        If the covariates alone separate the groups.

    Examples
    --------
    >>> x = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 2.0], [3.0, 2.0]])
    >>> beta, se, n, status = logistic(x, np.array([0, 1, 0, 1]), basis_of(None, 4))
    >>> beta.round(4).tolist(), se.round(4).tolist(), status.tolist()
    ([0.9082, 0.0], [1.0852, 2.0], ['ok', 'ok'])
    """
    known = ~np.isnan(columns)
    n = known.sum(axis=0)
    centre = np.where(known, columns, 0).sum(axis=0) / np.maximum(n, 1)
    x = np.where(known, columns - centre, 0)
    scale = np.sqrt((x**2).sum(axis=0) / np.maximum(n, 1))
    fitted = _varies_beside(x, basis, known) & (scale > CONSTANT * np.abs(centre)) & (n > basis.shape[1] + 1)
    x[:, fitted] /= scale[fitted]
    start = _without_column(y, basis)
    status = np.full(len(n), "constant", dtype="<U13")
    beta, se = np.full(len(n), np.nan), np.full(len(n), np.nan)
    if fitted.any():
        b, s, status[fitted] = _newton(x[:, fitted], y, basis, known[:, fitted].astype(float), start)
        beta[fitted], se[fitted] = b / scale[fitted], s / scale[fitted]
    return beta, se, n, status


def _varies_beside(x, basis, known):
    """Tell which columns are more than a combination of the basis."""
    halves = (basis.T @ x).T
    lost = np.einsum("mc,mcd,md->m", halves, np.linalg.pinv(_inner_products(known.astype(float), basis)), halves)
    total = (x**2).sum(axis=0)
    return total - lost > NO_VARIANCE * total


def _without_column(y, basis):
    """Fit the covariates alone: where Newton's method begins."""
    nothing = np.zeros((len(y), 1))
    coefficients, done = _iterate(nothing, y, basis, np.ones_like(nothing), np.zeros(basis.shape[1]))
    if not done[0]:
        raise InputError(
            "the covariates alone tell cases from controls, so that nothing is left for expression to explain; leave "
            "out the covariate that does: pd.crosstab(phenotype, covariates[name]) shows it"
        )
    return coefficients[0, 1:]


def _newton(x, y, basis, known, start):
    """Fit all columns; give coefficients, standard errors, and what became of each."""
    coefficients, done = _iterate(x, y, basis, known, start)
    largest = np.abs(_logits(x, basis, coefficients) * known).max(axis=0)
    status = np.where(done, "ok", np.where(largest > CERTAIN, "separated", "not converged"))
    inverse = np.linalg.inv(_derivatives(x[:, done], y, basis, known[:, done], coefficients[done])[1])
    beta, se = np.full(len(done), np.nan), np.full(len(done), np.nan)
    beta[done], se[done] = coefficients[done, 0], np.sqrt(inverse[:, 0, 0])
    return beta, se, status


def _iterate(x, y, basis, known, start):
    """Newton's method on all columns that still move: coefficients, shape (m, 1 + c), and who has arrived."""
    m = x.shape[1]
    coefficients = np.hstack([np.zeros((m, 1)), np.tile(start, (m, 1))])
    done = np.zeros(m, dtype=bool)
    for _ in range(ITERATIONS):
        at = np.flatnonzero(~done)
        if not at.size:
            break
        part = x[:, at], y, basis, known[:, at]
        score, information = _derivatives(*part, coefficients[at])
        step = np.linalg.solve(_regular(information), score[:, :, None])[:, :, 0]
        coefficients[at], moved = _uphill(*part, coefficients[at], step)
        done[at] = np.abs(moved).max(axis=1) <= CONVERGED * len(y) ** 0.5
    return coefficients, done


def _regular(matrices):
    """Raise the diagonals by rounding alone: steps towards infinity are solved for, not refused."""
    size = np.trace(matrices, axis1=1, axis2=2)
    return matrices + 1e-13 * size[:, None, None] * np.eye(matrices.shape[1])


def _logits(x, basis, coefficients):
    return x * coefficients[:, 0] + basis @ coefficients[:, 1:].T


def _derivatives(x, y, basis, known, coefficients):
    """Give the score, shape (m, 1 + c), and the information, shape (m, 1 + c, 1 + c), of every column."""
    p = expit(_logits(x, basis, coefficients))
    left = (y[:, None] - p) * known
    weights = p * (1 - p) * known
    score = np.hstack([(x * left).sum(axis=0)[:, None], (basis.T @ left).T])
    information = np.empty((x.shape[1], 1 + basis.shape[1], 1 + basis.shape[1]))
    information[:, 0, 0] = (weights * x**2).sum(axis=0)
    information[:, 0, 1:] = information[:, 1:, 0] = (basis.T @ (weights * x)).T
    information[:, 1:, 1:] = _inner_products(weights, basis)
    return score, information


def _uphill(x, y, basis, known, coefficients, step):
    """Take the step, halved for columns whose likelihood it would lower."""
    before = _log_likelihood(x, y, basis, known, coefficients)
    for _ in range(10):
        after = _log_likelihood(x, y, basis, known, coefficients + step)
        worse = after < before - 1e-9 * np.abs(before)
        if not worse.any():
            break
        step = np.where(worse[:, None], step / 2, step)
    return coefficients + step, step


def _log_likelihood(x, y, basis, known, coefficients):
    logits = _logits(x, basis, coefficients)
    return ((y[:, None] * logits - np.logaddexp(0, logits)) * known).sum(axis=0)
