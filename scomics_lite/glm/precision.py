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

MOST_INFLATION = 1e10  # of a variance, by what the other columns explain: six digits of it are left
LEAST_LEFT = 1e-14  # of a column's length: with less, its coefficient is held by nothing


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
        inflation = np.einsum("baa,baa->ba", self._inverse, self._information + self.model.ridge)
        fitted = np.isfinite(self.weights).all(axis=0)
        genes = np.flatnonzero(fitted & ~(inflation < MOST_INFLATION).all(axis=1))
        rows = np.sqrt(self.weights[:, genes]).T[:, :, None] * self.model.x
        held = np.broadcast_to(np.sqrt(self.model.ridge), (len(genes), *self.model.ridge.shape))
        q, r = np.linalg.qr(np.concatenate([rows, held], axis=1))
        left = np.abs(np.einsum("baa->ba", r)) / np.linalg.norm(r, axis=1)  # of each column by those before it
        q[(left < LEAST_LEFT).any(axis=1)] = np.nan  # noise
        return genes, q[:, : rows.shape[1]], invert_each(r)
