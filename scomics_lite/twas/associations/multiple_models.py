"""MultiXcan: predictions of the same gene by several models (tissues, cell types) tested for a trait together.

The predictions are correlated, because models share SNPs. Their principal components are not, and those with little
variance, on which models hardly differ, are left out (Barbeira et al. 2019):

    E = standardised predictions (n, k)    EᵀE / (n − 1) = V diag(λ) Vᵀ    P = E V, with λ ≥ λ_1 / condition number
    y = a + P δ + C γ + e, and the F test of δ = 0
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from scomics_lite.twas.associations.column_regressions import CONSTANT, NO_VARIANCE, basis_of
from scomics_lite.twas.genotypes.people import columns_of, complete_people, same_people
from scomics_lite.validation import InputError, is_number, quoted

COLUMNS = ["gene", "pvalue", "n_models", "n_samples", "p_i_best", "m_i_best", "p_i_worst", "m_i_worst", "status"]
COLUMNS += ["n_used", "max_eigen", "min_eigen", "min_eigen_kept"]


class Components(NamedTuple):
    """Principal components of a gene's predictions, and their regression."""

    eigenvalues: np.ndarray  # (k,) falling; of the correlation of the models
    vectors: np.ndarray  # (k, q) of those kept
    effects: np.ndarray  # (q,)
    pvalues: np.ndarray  # (q,) of each component, t test
    pvalue: float  # of all together, F test


def multixcan(expressions, phenotype, covariates=None, condition_number=30, *, details=False):
    """Test the predictions of several models for association with a trait, together for each gene.

    MetaXcan's MulTiXcan takes covariates out of the phenotype alone; here they are taken out of the predictions too,
    and cost degrees of freedom, as in `predixcan`.

    Parameters
    ----------
    expressions : dict of str to DataFrame or AnnData
        For each model, people × genes as `predict_expression` gives it. Models may have other genes; people are those
        of the first who are in all.
    phenotype : Series or array_like, shape (n,)
        NaN or -999 where missing.
    covariates : DataFrame or array_like, shape (n, k), optional
    condition_number : float
        Components are kept whose eigenvalue is at least the largest by this number. 30 is the authors' choice.
    details : bool
        Whether to give coefficients and loadings too.

    Returns
    -------
    table : DataFrame
        MulTiXcan's columns, by p-value: ``gene``, ``pvalue`` (of the F test), ``n_models`` (whose prediction of the
        gene varies), ``n_samples``, the smallest and largest p-value of single components and which they are
        (``p_i_best, m_i_best, p_i_worst, m_i_worst``; of a gene with one model, that model), ``status`` ("ok",
        "constant", "too few people", "no prediction"), ``n_used`` (components kept), and the eigenvalues
        ``max_eigen, min_eigen, min_eigen_kept``.
    coefficients : DataFrame
        Only with ``details=True``: ``gene, variable`` (model), ``param``: effect of a standard deviation of the model's
        prediction, V δ.
    loadings : DataFrame
        Only with ``details=True``: ``gene, pc, tissue, weight``: correlation of component and prediction, V √λ. Signs
        of components have no meaning; here most weights are positive.

    Raises
    ------
    InputError
        If tables do not fit together.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> liver = pd.DataFrame(rng.normal(size=(50, 1)), columns=["FTO"])
    >>> lung = liver + 0.1 * rng.normal(size=(50, 1))
    >>> table = multixcan({"liver": liver, "lung": lung}, liver["FTO"] + rng.normal(size=50))
    >>> table[["gene", "n_models", "n_used", "m_i_best"]]
      gene  n_models  n_used m_i_best
    0  FTO         2       1      pc0
    """
    if not (is_number(condition_number) and condition_number >= 1):
        raise InputError(f"condition_number is a ratio of eigenvalues, 1 or more; got {condition_number!r}")
    tables, people = _shared_people(expressions)
    rows, y, z = complete_people(people, phenotype, covariates)
    rows_of = {name: table.rows[rows] for name, table in tables.items()}
    genes = pd.Index(dict.fromkeys(gene for table in tables.values() for gene in table.genes))
    places = {name: table.genes.get_indexer(genes) for name, table in tables.items()}
    results, coefficients, loadings = [], [], []
    for i, gene in enumerate(genes):
        predictions = {
            name: _column(tables[name].matrix, rows_of[name], places[name][i])
            for name in tables
            if places[name][i] >= 0
        }
        row, models, fit = _test_gene(gene, predictions, y, z, condition_number)
        results.append(row)
        if fit is not None and details:
            coefficients.append(_coefficients(gene, models, fit))
            loadings.append(_loadings(gene, models, fit))
    table = pd.DataFrame(results, columns=COLUMNS).sort_values("pvalue", kind="stable", ignore_index=True)
    if not details:
        return table
    return table, _stacked(coefficients, "gene variable param"), _stacked(loadings, "gene pc tissue weight")


class _Table(NamedTuple):
    matrix: np.ndarray  # as it came
    rows: np.ndarray  # of the shared people
    genes: pd.Index


def _shared_people(expressions):
    """Find everyone who is in all tables, in the order of the first; give the rows of each."""
    if not (isinstance(expressions, dict) and expressions):
        raise InputError(
            "expressions is a dict of models and their predictions: {'liver': predict_expression(dosages, liver), …}; "
            f"got {type(expressions).__name__}"
        )
    taken = {name: columns_of(table, _called(name)) for name, table in expressions.items()}
    first = next(iter(taken))
    people = taken[first][1]
    pairs = {name: same_people(people, others, _called(first), _called(name)) for name, (_, others, _) in taken.items()}
    shared = np.arange(len(people))
    for rows, _ in pairs.values():
        shared = np.intersect1d(shared, rows)
    tables = {
        name: _Table(matrix, pairs[name][1][np.isin(pairs[name][0], shared)], genes)
        for name, (matrix, _, genes) in taken.items()
    }
    return tables, people if len(shared) == len(people) else people[shared]


def _called(name):
    return f"expression of {quoted(name)}"


def _column(matrix, rows, place):
    """Take one gene of some people; a sparse matrix gives it up as a matrix of one column."""
    column = matrix[:, [place]]
    return np.asarray(column.toarray() if hasattr(column, "toarray") else column, dtype=float)[rows, 0]


def _test_gene(gene, predictions, y, covariates, condition_number):
    """Give the row of a gene, the models that vary, and its components."""
    row = {"gene": gene, "n_models": 0, "n_samples": 0, "status": "no prediction", "n_used": 0}
    predictions = {name: one for name, one in predictions.items() if not np.isnan(one).all()}
    if not predictions:
        return row, [], None
    known = ~np.any([np.isnan(one) for one in predictions.values()], axis=0)
    row |= {"n_samples": int(known.sum()), "status": "too few people"}
    if not known.any():
        return row, [], None
    basis = basis_of(None if covariates is None else covariates[known], len(y[known]))
    varying = {name: _standardised(one[known], basis) for name, one in predictions.items()}
    varying = {name: one for name, one in varying.items() if one is not None}
    row["n_models"] = len(varying)
    if not varying and len(basis) > basis.shape[1]:
        return row | {"status": "constant"}, [], None
    left = y[known] - basis @ (basis.T @ y[known])
    fit = _regress(np.column_stack(list(varying.values())), left, basis.shape[1], condition_number) if varying else None
    return row if fit is None else row | _described(fit, list(varying)), list(varying), fit


def _described(fit, models):
    """Give the columns of the table that come from the regression."""
    q = len(fit.pvalues)
    labels = models if len(models) == 1 else [f"pc{i}" for i in range(q)]
    best, worst = int(np.argmin(fit.pvalues)), int(np.argmax(fit.pvalues))
    single = {"p_i_best": fit.pvalues[best], "m_i_best": labels[best]}
    single |= {"p_i_worst": fit.pvalues[worst], "m_i_worst": labels[worst]}
    largest, smallest, kept = fit.eigenvalues[[0, -1, q - 1]]
    eigenvalues = {"max_eigen": largest, "min_eigen": smallest, "min_eigen_kept": kept}
    return {"pvalue": fit.pvalue, "status": "ok", "n_used": q} | single | eigenvalues


def _standardised(prediction, basis):
    """Take covariates out and scale to variance 1; None where nothing varies."""
    left = prediction - basis @ (basis.T @ prediction)
    left = left - basis @ (basis.T @ left)  # once more, for what rounding left
    spread = np.sqrt(left @ left / (len(left) - 1))
    centred = prediction - prediction.mean()
    whole = np.sqrt(centred @ centred / (len(left) - 1))
    varies = whole > CONSTANT * abs(prediction.mean()) and spread > NO_VARIANCE**0.5 * whole
    return left / spread if varies else None


def _regress(predictions, y, used, condition_number):
    """Regress y on principal components; `used` counts intercept and covariates. None without degrees of freedom."""
    n = len(y)
    eigenvalues, vectors = np.linalg.eigh(predictions.T @ predictions / (n - 1))
    eigenvalues, vectors = np.maximum(eigenvalues[::-1], 0), vectors[:, ::-1]
    vectors = vectors * np.where(vectors.sum(axis=0) < 0, -1, 1)
    kept = eigenvalues >= eigenvalues[0] / condition_number
    vectors, q = vectors[:, kept], int(kept.sum())
    df = n - used - q
    if df < 1:
        return None
    squares = (n - 1) * eigenvalues[kept]  # of each component: they are orthogonal
    effects = (predictions @ vectors).T @ y / squares
    explained = effects**2 * squares
    residual = max(y @ y - explained.sum(), 0) / df
    with np.errstate(divide="ignore"):
        t, f = np.sqrt(explained / residual), explained.mean() / residual
    return Components(eigenvalues, vectors, effects, 2 * stats.t.sf(t, df), float(stats.f.sf(f, q, df)))


def _coefficients(gene, models, fit):
    return pd.DataFrame({"gene": gene, "variable": models, "param": fit.vectors @ fit.effects})


def _loadings(gene, models, fit):
    q = fit.vectors.shape[1]
    weights = fit.vectors * np.sqrt(fit.eigenvalues[:q])
    names = np.repeat([f"pc{i}" for i in range(q)], len(models))
    return pd.DataFrame({"gene": gene, "pc": names, "tissue": models * q, "weight": weights.T.ravel()})


def _stacked(tables, columns):
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns.split())
