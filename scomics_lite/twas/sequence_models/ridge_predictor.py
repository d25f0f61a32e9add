"""Ridge regression on the features that ctPred learns from: the baseline that a network has to beat."""

import numpy as np
import pandas as pd
from scipy.linalg import eigh

from scomics_lite.twas.sequence_models.feature_matrices import BLOCK, matched_features, standardisation
from scomics_lite.twas.sequence_models.training_genes import read_training_genes
from scomics_lite.validation import InputError

PENALTIES = np.logspace(-4, 3, 29)  # times the number of training genes: from next to none to next to the mean


class RidgePredictor:
    """Predict expression percentiles by a weighted sum of standardised features, ŷ = b + Σ_t w_t z_t.

    The weights of a cell type minimise Σ_g (y_g − ŷ_g)² + λ Σ_t w_t² over the training genes, so that
    w = (ZᵀZ + λ)⁻¹ Zᵀ(y − ȳ): scikit-learn's ``Ridge`` with alpha = λ. λ is chosen for each cell type by the validation
    genes, among 29 values from n/10,000 to 1,000 n. One eigendecomposition, of ZᵀZ or ZZᵀ, whichever is smaller, serves
    all penalties and all cell types that were measured in the same genes.

    With n training genes and p tracks, that takes about min(n, p)² · (max(n, p) + 10 min(n, p)) multiplications, and
    min(n, p)² numbers of 8 bytes three times. Predictions may lie outside 0 to 1.

    Attributes
    ----------
    penalty : Series
        λ of each cell type.
    weights : DataFrame, tracks × cell types
        Of standardised features.
    validation_losses : DataFrame, penalties divided by n × cell types
        Mean squared error over the validation genes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> features = rng.normal(size=(200, 5))
    >>> percentiles = pd.Series(features[:, 0] + rng.normal(size=200)).rank(pct=True)
    >>> split = np.repeat(["train", "validation"], [150, 50])
    >>> RidgePredictor().fit(features, percentiles, split).predict(features).shape
    (200, 1)
    """

    def __init__(self):
        self.tracks = self.cell_types = self.penalty = self.weights = self.validation_losses = None

    def fit(self, features, percentiles, split):
        """Learn the weights of each cell type; all arguments are those of `CtPred.fit`.

        Parameters
        ----------
        features : AnnData, DataFrame or ndarray, shape (genes, tracks)
        percentiles : DataFrame, Series or ndarray, genes × cell types
        split : Series or sequence, by gene

        Returns
        -------
        RidgePredictor
            Itself.
        """
        data = read_training_genes(features, percentiles, split)
        self._mean, self._inverse_sd = standardisation(data.matrix, data.train, data.tracks)
        self.tracks, self.cell_types = data.tracks, data.cell_types
        weights = np.empty((len(data.tracks), len(data.cell_types)))
        centres, penalties = np.empty_like(weights), np.empty(len(data.cell_types))
        losses = np.empty((len(PENALTIES), len(data.cell_types)))
        for same in _measured_alike(data.targets[data.train]):
            known = data.train[~np.isnan(data.targets[data.train, same[0]])]
            path = _RidgePath(data.matrix, known, self._mean, self._inverse_sd)
            for cell_type in same:
                y = data.targets[:, cell_type]
                weights[:, cell_type], penalties[cell_type], losses[:, cell_type] = path.chosen(y, data.validation)
                centres[:, cell_type] = path.centre
        means = np.nanmean(data.targets[data.train], axis=0)
        self._intercepts = means - np.einsum("tc,tc->c", centres, weights)
        weights[self._inverse_sd == 0] = 0  # where rounding left 1e-16 on features that are 0
        self.weights = pd.DataFrame(weights, self.tracks, self.cell_types)
        self.penalty = pd.Series(penalties, self.cell_types, name="penalty")
        self.validation_losses = pd.DataFrame(losses, pd.Index(PENALTIES, name="penalty / n"), self.cell_types)
        return self

    def predict(self, features):
        """Predict genes that have features, as `CtPred.predict` does.

        Parameters
        ----------
        features : AnnData, DataFrame or ndarray, shape (genes, tracks)

        Returns
        -------
        DataFrame of float64, genes × cell types
        """
        self._check_fitted()
        matrix, genes = matched_features(features, self.tracks)
        return pd.DataFrame(self.predict_array(matrix), genes, self.cell_types)

    def predict_array(self, matrix):
        """Predict from a matrix whose tracks are those of the training, as `CtPred.predict_array` does.

        Parameters
        ----------
        matrix : ndarray, shape (n, p)

        Returns
        -------
        ndarray of float64, shape (n, C)
        """
        self._check_fitted()
        weights = self.weights.to_numpy()
        blocks = (matrix[start : start + BLOCK] for start in range(0, len(matrix), BLOCK))
        sums = [_standardised(block, self._mean, self._inverse_sd) @ weights for block in blocks]
        return np.concatenate([np.empty((0, weights.shape[1])), *sums]) + self._intercepts

    def _check_fitted(self):
        if self.weights is None:
            raise InputError("the model has learned nothing yet: fit(features, percentiles, split) first")


class _RidgePath:
    """Weights at any penalty, w = M (a / (s + λ)), from one eigendecomposition over the genes of some rows."""

    def __init__(self, matrix, rows, mean, inverse_sd):
        self._matrix, self._rows, self._scale = matrix, rows, (mean, inverse_sd)
        self.centre = sum(block.sum(axis=0) for block in self._blocks(rows)) / len(rows)
        self._few = matrix.shape[1] <= len(rows)  # tracks
        if self._few:
            s, self._basis = eigh(self._gram(), overwrite_a=True, check_finite=False, driver="evd")
        else:
            z = np.concatenate([block - self.centre for block in self._blocks(rows)])
            s, u = eigh(z @ z.T, overwrite_a=True, check_finite=False, driver="evd")
            self._basis, self._u = z.T @ u, u
        self._s = np.maximum(s, 0.0)  # rounding may give −1e-16
        self._validation = (None, None)

    def _blocks(self, rows):
        for start in range(0, len(rows), BLOCK):
            yield _standardised(self._matrix[rows[start : start + BLOCK]], *self._scale)

    def _gram(self):
        """Give ZᵀZ of the centred features, block by block."""
        p = self._matrix.shape[1]
        total = np.zeros((p, p))
        for block in self._blocks(self._rows):
            block -= self.centre
            total += block.T @ block
        return total

    def chosen(self, y, validation):
        """Give the weights at the best penalty for the validation genes, this penalty, and the loss at each penalty."""
        mean = y[self._rows].mean()
        along = self._along(y[self._rows] - mean)
        penalties = PENALTIES * len(self._rows)
        shrunk = along[:, None] / (self._s[:, None] + penalties)  # (k, penalties)
        known = validation[~np.isnan(y[validation])]
        predicted = mean + self._projected(known) @ shrunk
        losses = np.mean((predicted - y[known, None]) ** 2, axis=0)
        best = int(np.argmin(losses))
        return self._basis @ shrunk[:, best], penalties[best], losses

    def _along(self, y):
        if not self._few:
            return self._u.T @ y
        starts = range(0, len(y), BLOCK)
        pairs = zip(self._blocks(self._rows), starts, strict=True)
        return self._basis.T @ sum((block - self.centre).T @ y[start : start + BLOCK] for block, start in pairs)

    def _projected(self, rows):
        """Give the validation genes on the basis, computed once for the cell types that share them."""
        if not np.array_equal(rows, self._validation[0]):
            projected = np.concatenate([(block - self.centre) @ self._basis for block in self._blocks(rows)])
            self._validation = (rows, projected)
        return self._validation[1]


def _standardised(matrix, mean, inverse_sd):
    return (matrix.astype(float) - mean) * inverse_sd


def _measured_alike(targets):
    """Group the cell types that have percentiles of the same genes."""
    known = ~np.isnan(targets)
    _, group = np.unique(known, axis=1, return_inverse=True)
    return [np.flatnonzero(group == one) for one in range(group.max() + 1)]
