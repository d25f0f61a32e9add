"""Ridge regression at any number of penalties, from one eigendecomposition."""

import numpy as np


class Ridge:
    """Weights without a penalty on Σ|w|: w = (ZᵀZ/n + λ)⁻¹ Zᵀy/n, the same as Zᵀ(ZZᵀ/n + λ)⁻¹ y/n.

    The smaller of the two matrices, SNPs × SNPs or people × people, is U diag(s) Uᵀ and its inverse at any λ
    U diag(1 / (s + λ)) Uᵀ: a product with U.

    Parameters
    ----------
    part : Part
    """

    def __init__(self, part):
        self._part = part
        z = part.columns.z[np.ix_(part.inside, part.usable)] - part.mean[part.usable]
        z /= part.scale[part.usable]
        self._few = z.shape[1] < part.n
        s, self._vectors = np.linalg.eigh((z.T @ z if self._few else z @ z.T) / part.n)
        self._values = np.maximum(s, 0.0)  # rounding may give −1e-16
        self._along = self._vectors.T @ (part.covariances[part.usable] if self._few else part.y[part.inside])

    def weights(self, penalty):
        """Give the weights, (p,), at a penalty of w²/2."""
        part, solution = self._part, self._vectors @ (self._along / (self._values + penalty))
        if self._few:
            weights = np.zeros(len(part.usable))
            weights[part.usable] = solution
            return weights
        people = np.zeros(len(part.inside))
        people[part.inside] = solution
        return (people @ part.columns.z) * part.factor
