"""How well the counts determine the coefficients: covariances, variances of contrasts, and leverages.

All follow from the weights W at the fitted means: with the information X'WX and the ridge R,

    covariance = (X'WX + R)^-1 X'WX (X'WX + R)^-1
    leverages  = diagonal of W^1/2 X (X'WX + R)^-1 X' W^1/2

Where a group of samples has almost no weight beside another, as a group without counts has, X'WX rounds the small
weights away, and its inverse is noise or does not exist. These genes, few, go by the QR decomposition of W^1/2 X, whose
rows are no sums and lose nothing.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scomics_lite.equations import invert_each
from scomics_lite.glm.irls import Model

LEAST_EIGENVALUE = 1e-8  # of X'WX + R with ones on its diagonal: eight digits of the inverse are left
TINY = np.finfo(float).tiny
LEAST_LEFT = 1e-14  # of a column's length by the columns before it: with less, nothing holds its coefficient


@dataclass(frozen=True, eq=False)
class Precision:
    """What the weights of b genes say of their coefficients; NaN for genes without weights."""

    model: Model
    weights: np.ndarray  # (n, b)

    @property
    def covariance(self):
        """Covariances of the coefficients, shape (b, p, p)."""
        covariance = self._inverse @ self._information @ self._inverse
        genes, q, root = self._unequal
        covariance[genes] = root @ (q.transpose(0, 2, 1) @ q) @ root.transpose(0, 2, 1)
        return covariance

    @property
    def leverages(self):
        """Leverages of the samples, shape (n, b)."""
        inverse = self._inverse
        leverages = self.weights * (self.model.products.T @ inverse.reshape(len(inverse), -1).T)
        genes, q, _ = self._unequal
        leverages[:, genes] = (q**2).sum(axis=2).T
        return leverages

    def of_contrast(self, contrast):
        """Variances of c'beta, shape (b,)."""
        a = self._inverse @ contrast  # (b, p)
        variances = (self.weights * (self.model.x @ a.T) ** 2).sum(axis=0)  # a'X'WXa, and never below zero
        genes, q, root = self._unequal
        variances[genes] = ((q @ (contrast @ root)[:, :, None]) ** 2).sum(axis=(1, 2))
        return variances

    @cached_property
    def _information(self):
        return self.model.information(self.weights)

    @cached_property
    def _inverse(self):
        return invert_each(self._information + self.model.ridge)

    @cached_property
    def _unequal(self):
        """Genes whose inverse cannot be trusted, and from QR = W^1/2 X over R^1/2 the upper Q (k, n, p) and R^-1."""
        genes = self._doubtful()
        genes = genes[_least_eigenvalues(self._information[genes] + self.model.ridge) < LEAST_EIGENVALUE]
        rows = np.sqrt(self.weights[:, genes]).T[:, :, None] * self.model.x
        held = np.broadcast_to(np.sqrt(self.model.ridge), (len(genes), *self.model.ridge.shape))
        q, r = np.linalg.qr(np.concatenate([rows, held], axis=1))
        left = np.abs(np.einsum("baa->ba", r)) / np.maximum(np.linalg.norm(r, axis=1), TINY)
        q[(left < LEAST_LEFT).any(axis=1)] = np.nan  # noise
        return genes, q[:, : rows.shape[1]], invert_each(r)

    def _doubtful(self):
        """Genes whose inverse might have few digits: weights can make it worse by their ratio and no more than that."""
        smallest, largest = self.weights.min(axis=0), self.weights.max(axis=0)
        of_design = _least_eigenvalues((self.model.x.T @ self.model.x)[None])[0]
        return np.flatnonzero(np.isfinite(largest) & (smallest * of_design < LEAST_EIGENVALUE * largest))


def _least_eigenvalues(matrices):
    """Compute the smallest eigenvalue of matrices (b, p, p) whose diagonals are scaled to ones, shape (b,)."""
    scales = np.sqrt(np.maximum(np.einsum("baa->ba", matrices), TINY))
    return np.linalg.eigvalsh(matrices / scales[:, :, None] / scales[:, None, :])[:, 0]
