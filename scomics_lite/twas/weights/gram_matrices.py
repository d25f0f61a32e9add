"""SNPs standardised among all people or among some, and their inner products, from one matrix for everybody.

Numbers alone: `Columns` are the SNPs of all people, standardised once; a `Part` is a choice of people (all, or all but
a fold's) who standardise anew. Inner products of SNPs over all people are computed once, when they are first needed;
those of a part are these less the products of the people left out, who are few.
"""

import numpy as np

LEAST_VARIANCE = 1e-10  # of a SNP among the people of a part, where it is 1 among all: rounding alone
LEAST_MIXING = 1e-3  # glmnet's: ridge regression has no largest penalty, its path begins where this mixing's does


class _Products:
    """A symmetric matrix, SNPs × SNPs, that grows as SNPs are needed."""

    def __init__(self, p):
        self.members, self.matrix = np.zeros(0, dtype=int), np.zeros((0, 0))  # the matrix has room for more members
        self.place = np.full(p, -1)  # of a SNP in the matrix

    def append(self, new, rows):
        """Add SNPs; `rows` are their products with the members and with each other, (new, members + new)."""
        m, self.members = len(self.members), np.concatenate([self.members, new])
        size = len(self.members)
        self.place[new] = np.arange(m, size)
        if size > len(self.matrix):
            room = np.empty((min(size + size // 3, len(self.place)),) * 2)
            room[:m, :m] = self.matrix[:m, :m]
            self.matrix = room
        self.matrix[m:size, :size] = rows
        self.matrix[:m, m:size] = rows[:, :m].T


class Columns:
    """SNPs of all people with mean 0 and standard deviation 1.

    Parameters
    ----------
    dosages : ndarray, shape (n, p)
        NaN, missing, becomes the SNP's mean. A SNP that does not vary becomes 0.
    """

    def __init__(self, dosages):
        z = np.array(dosages, dtype=float, order="F")
        self.missing = np.isnan(z).sum(axis=0)
        if self.missing.any():
            _impute(z, self.missing)
        self.varying = z.max(axis=0) > z.min(axis=0)
        self.mean = z.mean(axis=0)
        z -= self.mean
        self.sd = np.where(self.varying, np.sqrt(np.einsum("ij,ij->j", z, z) / len(z)), 1.0)
        z /= self.sd
        z[:, ~self.varying] = 0
        self.z = z
        self._products = _Products(z.shape[1])

    def prepare(self, wanted):
        """Multiply the wanted SNPs, bool (p,), over all people, where that has not been done before."""
        known = self._products
        new = np.flatnonzero(wanted & (known.place < 0))
        if len(new):
            rows = self.z[:, new].T @ self.z  # with all SNPs: faster than to pick those that are needed
            known.append(new, rows[:, np.concatenate([known.members, new])])

    def products(self, some, others):
        """Give the inner products of SNPs that were prepared, (some, others)."""
        place = self._products.place
        return self._products.matrix[np.ix_(place[some], place[others])]


def _impute(z, missing):
    """Put the mean of a SNP, over the people who have it, in place of NaN."""
    means = np.nansum(z, axis=0) / np.maximum(len(z) - missing, 1)
    rows, columns = np.nonzero(np.isnan(z))
    z[rows, columns] = means[columns]


class Part:
    """The people of a fit, with SNPs and expression standardised among them, and the Gram matrix of some SNPs.

    Parameters
    ----------
    columns : Columns
    expression : ndarray, shape (n,)
        Of all people.
    inside : ndarray of bool, shape (n,)
        The people of this fit.
    standardize : bool
        Whether SNPs are divided by their standard deviations in this part.
    """

    def __init__(self, columns, expression, inside, standardize=True):
        self.columns, self.inside, self.n = columns, inside, int(inside.sum())
        self._outside = columns.z.T[:, ~inside].T  # SNP by SNP in memory, as they are picked
        self.mean = -self._outside.sum(axis=0) / self.n
        squares = len(inside) * columns.varying - np.einsum("ij,ij->j", self._outside, self._outside)
        variance = squares / self.n - self.mean**2
        self.usable = columns.varying & (variance > LEAST_VARIANCE)
        self.scale = np.where(self.usable, np.sqrt(np.abs(variance)), 1.0) if standardize else 1 / columns.sd
        self.centre = expression[inside].mean()
        self.y = np.where(inside, expression - self.centre, 0.0)
        self.sd = np.sqrt(self.y @ self.y / self.n) if np.ptp(expression[inside]) > 0 else 0.0
        self.y = self.y / self.sd if self.sd > 0 else np.zeros(len(inside))
        self.factor = self.usable / (
            self.n * self.scale
        )  # Σ z r times this: covariance with residuals that add up to 0
        self.covariances = (self.y @ columns.z) * self.factor
        self.forget()

    def forget(self):
        """Begin with an empty Gram matrix."""
        self._gram = _Products(len(self.usable))

    @property
    def members(self):
        """The SNPs whose Gram matrix is known, (m,)."""
        return self._gram.members

    @property
    def gram(self):
        """The Gram matrix of the members, in its first m rows and columns; what follows is room."""
        return self._gram.matrix

    def lacking(self, wanted):
        """Say which of the wanted SNPs, (p,), are not members."""
        return wanted & (self._gram.place < 0)

    def grow(self, wanted):
        """Let the Gram matrix grow by the wanted SNPs, (p,), that it has not."""
        new = np.flatnonzero(self.lacking(wanted))
        if len(new):
            both = np.concatenate([self.members, new])
            rows = self.columns.products(new, both) - self._outside[:, new].T @ self._outside[:, both]
            rows /= self.n
            rows -= np.outer(self.mean[new], self.mean[both])
            rows /= np.outer(self.scale[new], self.scale[both])
            self._gram.append(new, rows)

    def largest_lambda(self, mixing):
        """Give the smallest penalty at which all weights are 0, in units of expression."""
        return np.abs(self.covariances).max() / max(mixing, LEAST_MIXING) * self.sd

    def coefficients(self, weights):
        """Give weights, (lambdas, p), for dosages as they came, and the intercepts, (lambdas,)."""
        slopes = weights * (self.sd / (self.scale * self.columns.sd))
        return slopes, self.centre - slopes @ (self.columns.mean + self.mean * self.columns.sd)

    def predictions(self, weights, people):
        """Give the expression of people by weights, (lambdas, p), as (lambdas, people)."""
        on = np.flatnonzero(weights.any(axis=0))
        slopes = weights[:, on] * (self.sd / self.scale[on])
        return self.centre + slopes @ (self.columns.z[np.ix_(people, on)] - self.mean[on]).T


def look(parts, weights):
    """Say what the weights of some parts, who have the same columns, predict and leave unexplained.

    Parameters
    ----------
    parts : list of Part
    weights : list of ndarray, shape (p,)
        Of standardised SNPs on standardised expression.

    Returns
    -------
    gradients : ndarray, shape (parts, p)
        The covariance of every SNP with what is left, among the people of the part.
    explained : ndarray, shape (parts,)
        Share of the variance.
    fitted : ndarray, shape (parts, n)
        Of everybody, also of people left out, standardised as the expression of the part.

    Examples
    --------
    >>> part = Part(Columns(np.array([[0], [2]])), np.array([0.0, 1.0]), np.ones(2, dtype=bool))
    >>> look([part], [np.array([0.5])])
    (array([[0.5]]), array([0.75]), array([[-0.5,  0.5]]))
    """
    z, weights = parts[0].columns.z, np.stack(weights)
    on = np.flatnonzero(weights.any(axis=0))
    slopes = weights[:, on] / np.stack([part.scale[on] for part in parts])
    centres = [slope @ part.mean[on] for slope, part in zip(slopes, parts, strict=True)]
    fitted = slopes @ z[:, on].T - np.array(centres)[:, None]
    inside = np.stack([part.inside for part in parts])
    residuals = np.where(inside, np.stack([part.y for part in parts]) - fitted, 0.0)
    gradients = (residuals @ z) * np.stack([part.factor for part in parts])  # one pass over all SNPs for all parts
    n = np.array([part.n for part in parts])
    return gradients, 1 - np.einsum("ij,ij->i", residuals, residuals) / n, fitted
