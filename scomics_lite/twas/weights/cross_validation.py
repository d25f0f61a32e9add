"""Cross-validation: which penalty, and how well weights predict people that they have not seen.

`cross_validate` finds weights without each fold of people, on which λ is chosen by its error; it goes no further down
the path than it must, as `fit_elastic_net` explains ("where the path ends"). The R² of these
predictions is a little too good, because λ was chosen on the same people; `nested_cross_validation` leaves people out
of the choice as well, as PredictDB does.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from scomics_lite.twas.weights.elastic_net import check_settings, lambda_path, read_data
from scomics_lite.twas.weights.folds import fold_ids
from scomics_lite.twas.weights.gram_matrices import Columns, Part
from scomics_lite.twas.weights.penalty_paths import Walk, advance, explains_no_more
from scomics_lite.validation import InputError, is_number

FEW = 3  # people a fold: with fewer glmnet takes the spread of errors over people, not over folds
LEAST_TEST = 4  # people of an outer fold: Fisher's z of a correlation has the standard error 1/√(n − 3)
LEAST_RHO, LEVEL = 0.1, 0.05  # PredictDB's filter
RISEN_FOR = 5  # penalties in a row whose error is above the smallest by more than a standard error: the path ends
CERTAIN = 1 - 1e-12  # a correlation of 1 would have an infinite z


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Weights along a path, and predictions of people left out."""

    whole: Part  # everybody who takes part
    lambdas: np.ndarray  # (l,), as far as the path went
    weights: np.ndarray  # (l, p), standardised
    explained: np.ndarray  # (l,)
    expression: np.ndarray  # (n,), of everybody who takes part
    predictions: np.ndarray  # (l, repeats, n)
    used: np.ndarray  # (l, repeats), whether any fold has a weight
    error: np.ndarray  # (l,), mean squared error, averaged over repeats
    error_sd: np.ndarray  # (l,), its standard error as glmnet has it, from the spread of folds

    def chosen(self, choice="min"):
        """Say which λ is chosen; of several with the same error the largest."""
        best = int(np.argmin(self.error))
        return best if choice == "min" else int(np.argmax(self.error <= self.error[best] + self.error_sd[best]))

    def performance(self, k):
        """Give R², correlation and its p-value of the cross-validated predictions, averaged over repeats."""
        y = self.expression
        both = zip(self.predictions[k], self.used[k], strict=True)
        r = np.mean([correlation(one, y) if used else 0.0 for one, used in both])
        return float(1 - self.error[k] / np.var(y)), float(r), _pvalue(r, len(y))


def cross_validate(columns, expression, ids, *, inside=None, standardize=True, mixing=0.5, **path):
    """Find weights along a path for everybody inside, and for everybody but each fold.

    The numbers behind `fit_elastic_net`, for callers who have many genes or folds within folds. All fits go from one
    penalty to the next together, so that the error is known at once and the path can end behind its minimum.

    Parameters
    ----------
    columns : Columns
    expression : ndarray, shape (n,)
    ids : ndarray of int, shape (repeats, people inside)
        Their folds.
    inside : ndarray of bool, shape (n,), optional
        The people who take part.
    standardize, mixing, path
        As in `fit_elastic_net`; `path` is lambdas, n_lambdas, lambda_ratio.

    Returns
    -------
    CrossValidation

    Examples
    --------
    >>> from scomics_lite.twas.weights.gram_matrices import Columns
    >>> dosages, expression = np.array([[0], [1], [2], [1], [0], [2]]), np.array([0.1, 1.2, 1.9, 0.8, -0.1, 2.2])
    >>> found = cross_validate(Columns(dosages), expression, np.array([[0, 1, 0, 1, 0, 1]]), lambdas=[1.0, 0.1])
    >>> found.error.round(3), found.chosen()
    (array([0.882, 0.056]), 1)
    """
    inside = np.ones(len(expression), dtype=bool) if inside is None else inside
    whole = Walk(Part(columns, expression, inside, standardize), mixing)
    folds = _Folds(whole.part, expression, ids, standardize, mixing)
    lambdas, steps, error, error_sd = lambda_path(whole.part, mixing, **path), [], [], []
    for lambda_ in lambdas:
        advance([whole, *folds.walks], lambda_)
        predictions = folds.predictions()
        steps.append((whole.weights, whole.explained, predictions, folds.used()))
        squares = (predictions - expression[inside]) ** 2
        error.append(squares.mean())
        error_sd.append(np.mean([_spread(one, of) for one, of in zip(squares, ids, strict=True)]))
        if path.get("lambdas") is None and (explains_no_more([step[1] for step in steps]) or _risen(error, error_sd)):
            break
    weights, explained, predictions, used = map(np.array, zip(*steps, strict=True))
    return CrossValidation(
        whole.part, lambdas[: len(steps)], weights, explained, expression[inside], predictions, used,
        np.array(error), np.array(error_sd),
    )  # fmt: skip


class _Folds:
    """The fits without each fold, in as many repeats as there are rows of ids, and what they predict."""

    def __init__(self, whole, expression, ids, standardize, mixing):
        self._shape, people = ids.shape, np.flatnonzero(whole.inside)
        self._places = [(repeat, folds == one) for repeat, folds in enumerate(ids) for one in np.unique(folds)]
        self.walks, self._left_out = [], []
        for _, out in self._places:
            kept = whole.inside.copy()
            kept[people[out]] = False
            self.walks.append(Walk(Part(whole.columns, expression, kept, standardize), mixing))
            self._left_out.append(people[out])

    def predictions(self):
        """Predict everybody by the fit without them, (repeats, people)."""
        predictions = np.empty(self._shape)
        for (repeat, out), walk, people in zip(self._places, self.walks, self._left_out, strict=True):
            predictions[repeat, out] = walk.predictions(people)
        return predictions

    def used(self):
        """Say whether any fold of a repeat has a weight, (repeats,)."""
        used = np.zeros(self._shape[0], dtype=bool)
        for (repeat, _), walk in zip(self._places, self.walks, strict=True):
            used[repeat] |= walk.weights.any()
        return used


def _risen(error, error_sd):
    """Say whether the error has left its minimum behind: the last five are above it by more than a standard error."""
    best = int(np.argmin(error))
    return len(error) >= RISEN_FOR and min(error[-RISEN_FOR:]) > error[best] + error_sd[best]


@dataclass(frozen=True, eq=False)
class NestedPerformance:
    """How well elastic nets predict people who took no part in fitting them, nor in choosing λ."""

    folds: pd.DataFrame  # a row an outer fold: n, correlation, r2, zscore, lambda, n_snps
    rho_avg: float  # mean of the correlations
    zscore: float  # Stouffer's
    zscore_pval: float
    pred_perf_R2: float  # rho_avg²; PredictDB's name
    r2_avg: float  # mean of 1 − squares left / squares; below 0 where predictions are worse than the mean
    keep: bool  # PredictDB's filter: zscore_pval < 0.05 and rho_avg > 0.1


def nested_cross_validation(dosages, expression, *, mixing=0.5, outer=5, inner=10, rng=0):
    """Measure how well elastic nets predict people who took no part in fitting them, nor in choosing λ.

    As PredictDB: people are divided into `outer` folds; without each of them an elastic net is fitted, its λ chosen by
    `inner` folds among the people left as in `fit_elastic_net`, and the fold predicted. r is the correlation of
    prediction and expression in a fold, 0 where the prediction is the same for everybody. `rho_avg` is the mean of r;
    with z = atanh(r) √(n − 3) of each fold (Fisher), Stouffer's Σz/√folds has a two-sided normal p-value;
    `pred_perf_R2` is rho_avg². PredictDB keeps genes with p < 0.05 and rho_avg > 0.1.

    Parameters
    ----------
    dosages, expression, mixing
        As in `elastic_net_path`.
    outer, inner : int
        Folds; an outer fold needs four people.
    rng : int or Generator

    Returns
    -------
    NestedPerformance
        `folds` (DataFrame: n, correlation, r2, zscore, lambda, n_snps), `rho_avg`, `zscore`, `zscore_pval`,
        `pred_perf_R2`, `r2_avg`, `keep`.

    Raises
    ------
    InputError
        If dosages or expression cannot be used, or there are too few people.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> dosages = pd.DataFrame(rng.integers(0, 3, (60, 4)), columns=["rs1", "rs2", "rs3", "rs4"])
    >>> expression = dosages["rs2"] - 0.5 * dosages["rs3"] + rng.normal(0, 0.5, 60)
    >>> nested = nested_cross_validation(dosages, expression)
    >>> round(nested.rho_avg, 2), nested.zscore_pval < 1e-6, nested.keep
    (0.85, True, True)
    """
    data = read_data(dosages, expression)
    check_settings(mixing)
    return nested(Columns(data.dosages), data.expression, mixing=mixing, outer=outer, inner=inner, rng=rng)


def nested(columns, expression, *, mixing=0.5, outer=5, inner=10, rng=0):
    """Do the work of `nested_cross_validation` on arrays, for callers who have many genes.

    Parameters
    ----------
    columns : Columns
    expression : ndarray, shape (n,)
    mixing, outer, inner, rng
        As in `nested_cross_validation`.

    Returns
    -------
    NestedPerformance

    Examples
    --------
    >>> from scomics_lite.twas.weights.gram_matrices import Columns
    >>> rng = np.random.default_rng(1)
    >>> nested(Columns(rng.integers(0, 3, (40, 2))), rng.normal(size=40), inner=4).keep
    False
    """
    rng, n = np.random.default_rng(rng), len(expression)
    if is_number(outer) and outer > 1 and n < LEAST_TEST * outer:
        advice = f"outer={n // LEAST_TEST}" if n >= 2 * LEAST_TEST else "more people are needed"
        raise InputError(
            f"{outer} outer folds of {LEAST_TEST} people or more need {LEAST_TEST * outer}; there are {n}: {advice}. "
            "(Fisher's z of a correlation has the standard error 1/√(n − 3))"
        )
    (ids,) = fold_ids(outer, n, 1, rng, "outer")
    rows = [_outer_fold(columns, expression, ids == one, mixing, inner, rng) for one in np.unique(ids)]
    folds = pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="fold"))
    rho, zscore = folds["correlation"].mean(), folds["zscore"].sum() / np.sqrt(len(folds))
    pvalue = float(2 * stats.norm.sf(abs(zscore)))
    return NestedPerformance(
        folds=folds,
        rho_avg=float(rho),
        zscore=float(zscore),
        zscore_pval=pvalue,
        pred_perf_R2=float(rho**2),
        r2_avg=float(folds["r2"].mean()),
        keep=bool(pvalue < LEVEL and rho > LEAST_RHO),
    )


def _outer_fold(columns, expression, test, mixing, inner, rng):
    """Fit without the people of the test fold, λ chosen among the others, and predict them."""
    y, whole = expression[test], expression.mean()
    ids = fold_ids(inner, int((~test).sum()), 1, rng, "inner")
    found = cross_validate(columns, expression, ids, inside=~test, mixing=mixing)
    k = found.chosen()
    predicted = found.whole.predictions(found.weights[k : k + 1], np.flatnonzero(test))[0]
    r = correlation(predicted, y) if found.weights[k].any() else 0.0
    squares = ((y - whole) ** 2).sum()
    return {
        "n": len(y),
        "correlation": r,
        "r2": 1 - ((y - predicted) ** 2).sum() / squares if squares > 0 else 0.0,
        "zscore": np.arctanh(np.clip(r, -CERTAIN, CERTAIN)) * np.sqrt(len(y) - 3),
        "lambda": found.lambdas[k],
        "n_snps": np.count_nonzero(found.weights[k]),
    }


def correlation(a, b):
    """Correlate two arrays.

    Parameters
    ----------
    a, b : ndarray, shape (n,)

    Returns
    -------
    float
        0 where one of them is constant.

    Examples
    --------
    >>> correlation(np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0]))
    0.0
    """
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _pvalue(r, n):
    """Two-sided p-value of a correlation, by the t distribution."""
    if n < 3:
        return 1.0
    r = np.clip(r, -CERTAIN, CERTAIN)
    return float(2 * stats.t.sf(abs(r) * np.sqrt((n - 2) / (1 - r**2)), n - 2))


def _spread(squares, ids):
    """Give glmnet's standard error of a mean squared error, from squared errors (n,)."""
    sizes = np.bincount(ids)
    means = np.bincount(ids, squares)[sizes > 0] / sizes[sizes > 0]
    sizes = sizes[sizes > 0]
    if len(ids) / len(sizes) < FEW:
        means, sizes = squares, np.ones(len(ids))
    centre = np.average(means, weights=sizes)
    return np.sqrt(np.average((means - centre) ** 2, weights=sizes) / (len(means) - 1))
