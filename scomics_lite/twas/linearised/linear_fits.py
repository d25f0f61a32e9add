"""The elastic net of one gene on what was predicted of people, in all cell types: the same SNPs, the same folds."""

import numpy as np
from scipy import stats

from scomics_lite.twas.weights.cross_validation import CERTAIN, LEAST_RHO, LEVEL, cross_validate
from scomics_lite.twas.weights.folds import fold_ids
from scomics_lite.twas.weights.gram_matrices import Columns

FEWEST = 20  # people: of fewer, the correlation of people left out says nothing
FLAT = 1e-6  # of a percentile: predictions are float32, which leave 6e-8 of it open


def fit_cell_types(gene, dosages, predicted, seed, mixing=0.5, folds=10):
    """Fit the elastic net of one gene in every cell type.

    λ is chosen by cross-validation, and the same predictions of people left out measure the fidelity. `train_models`
    measures it in folds within folds, because noise can make a λ look good by luck. Predicted expression has no noise,
    and folds within folds take three times as long and more: in simulated worlds of 450 people the two correlations
    differ by 0.002 at most. Of 150 people they are less alike, one gene of twelve having 0.2 less in folds within folds
    (``benchmarks/personal_expression.py``).

    Parameters
    ----------
    gene : str
    dosages : ndarray, shape (n, p)
        SNPs of its window, NaN where missing.
    predicted : ndarray, shape (n, cell types)
        NaN where nothing was predicted.
    seed : list of int
        Of the folds.
    mixing, folds
        As for `linearise`.

    Returns
    -------
    dict
        ``gene`` and ``fits``, a list of dict, one a cell type: ``gene, n_window, status``; where a fit was possible
        also ``rho_avg, rho_zscore, pvalue, keep, columns, weights``, as `as_model` wants them, and ``fidelity`` and
        ``fidelity_in_sample``. Plain numbers and texts, which a line of JSON holds.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> dosages = rng.binomial(2, 0.4, (50, 3))
    >>> predicted = np.column_stack([0.5 + 0.1 * dosages[:, 1], np.full(50, 0.5)])
    >>> fits = fit_cell_types("FTO", dosages, predicted, [0])["fits"]
    >>> fits[0]["columns"], round(fits[0]["fidelity"], 3), fits[1]["status"]
    ([1], 0.999, 'constant prediction')
    """
    columns = Columns(dosages) if dosages.shape[1] else None
    ids = fold_ids(folds, len(dosages), 1, np.random.default_rng(seed))
    fits = []
    for y in np.asarray(predicted, dtype=float).T:
        known = {"gene": gene, "n_window": dosages.shape[1]}
        status = _why_not(columns, y)
        fits.append(known | ({"status": status} if status else _fit(columns, y, ids, mixing)))
    return {"gene": gene, "fits": fits}


def _why_not(columns, y):
    """Say why nothing can be fitted, or nothing."""
    if np.isnan(y).any():
        return "no prediction"
    if np.ptp(y) <= FLAT:
        return "constant prediction"
    return "" if columns is not None else "no SNP in window"


def _fit(columns, y, ids, mixing):
    found = cross_validate(columns, y, ids, mixing=mixing)
    k = found.chosen()
    fidelity, r, _ = found.performance(k)
    weights = found.whole.coefficients(found.weights[k : k + 1])[0][0]
    chosen = np.flatnonzero(weights)
    zscore = float(np.arctanh(np.clip(r, -CERTAIN, CERTAIN)) * np.sqrt(len(y) - 3))
    pvalue = float(2 * stats.norm.sf(abs(zscore)))
    return {
        "status": "fitted",
        "rho_avg": r,
        "rho_zscore": zscore,
        "pvalue": pvalue,
        "keep": bool(r > LEAST_RHO and pvalue < LEVEL),
        "fidelity": fidelity,
        "fidelity_in_sample": float(found.explained[k]),
        "columns": chosen.tolist(),
        "weights": weights[chosen].tolist(),
    }
