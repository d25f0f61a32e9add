"""The elastic net along a path of penalties, for all people or without some, from one Gram matrix.

Numbers alone: `Columns` are the SNPs, standardised once; a `Part` is a choice of people (all, or all but a fold's), who
standardise anew; `walk` goes down the penalties. Three things make it fast. Each penalty starts where the line through
the last two ends (warm start). The strong rule (Tibshirani et al. 2012) says which SNPs are likely to get a weight, and
only these are worked on; all others are checked afterwards, and brought in where the guess was wrong. And inner
products of SNPs are computed once for everybody: those of a part are the whole minus the people left out, who are few.
"""

import numpy as np

from scomics_lite.twas.coordinate_descent import ROUNDING, TOLERANCE, minimise, selected

LEAST_VARIANCE = 1e-10  # of a SNP among the people of a part, where it is 1 among all: rounding alone
LEAST_MIXING = 1e-3  # glmnet's: ridge regression has no largest penalty, its path begins where this mixing's does
LEAST_LAMBDAS, LEAST_GAIN, ENOUGH = 5, 1e-5, 0.999  # glmnet's mnlam, fdev and devmax: when its path ends early


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
        outside = columns.z[~inside]
        self.mean = -outside.sum(axis=0) / self.n
        squares = len(inside) * columns.varying - np.einsum("ij,ij->j", outside, outside)
        variance = squares / self.n - self.mean**2
        self.usable = columns.varying & (variance > LEAST_VARIANCE)
        self.scale = np.where(self.usable, np.sqrt(np.abs(variance)), 1.0) if standardize else 1 / columns.sd
        self.centre = expression[inside].mean()
        self.y = np.where(inside, expression - self.centre, 0.0)
        self.sd = np.sqrt(self.y @ self.y / self.n) if np.ptp(expression[inside]) > 0 else 0.0
        self.y = self.y / self.sd if self.sd > 0 else np.zeros(len(inside))
        self._factor = self.usable / (self.n * self.scale)
        self.covariances = self._covariances(self.y)
        self.members, self.gram = np.zeros(0, dtype=int), np.zeros((0, 0))
        self._place = np.full(len(self.usable), -1)  # of a SNP in the Gram matrix

    def _covariances(self, residuals):
        """Give the covariance of every SNP with residuals that add up to 0."""
        return (residuals @ self.columns.z) * self._factor

    def largest_lambda(self, mixing):
        """Give the smallest penalty at which all weights are 0, in units of expression."""
        return np.abs(self.covariances).max() / max(mixing, LEAST_MIXING) * self.sd

    def gradient(self, weights):
        """Give the covariance of every SNP with what the weights leave unexplained, and how much is explained."""
        on = np.flatnonzero(weights)
        scaled = weights[on] / self.scale[on]
        fitted = self.columns.z[:, on] @ scaled - self.mean[on] @ scaled
        residuals = np.where(self.inside, self.y - fitted, 0.0)
        return self._covariances(residuals), 1 - residuals @ residuals / self.n

    def inherit(self, whole):
        """Begin with the SNPs of a part with more people: their inner products less those of the people left out."""
        on = whole.members[self.usable[whole.members]]
        place = np.flatnonzero(self.usable[whole.members])
        squares = whole.gram[np.ix_(place, place)] * np.outer(whole.scale[on], whole.scale[on])
        squares = whole.n * (squares + np.outer(whole.mean[on], whole.mean[on]))
        fewer = self.columns.z[np.ix_(whole.inside & ~self.inside, on)]
        self._append(on, squares - fewer.T @ fewer)

    def places(self, wanted):
        """Say where the Gram matrix has SNPs, after letting it grow by those that it has not."""
        new = np.flatnonzero(wanted & (self._place < 0))
        if len(new):
            inside = np.where(self.inside[:, None], self.columns.z[:, new], 0.0)
            products = inside.T @ self.columns.z  # with all SNPs: faster than to pick those that are needed
            self._append(new, products[:, np.concatenate([self.members, new])])
        return self._place[wanted]

    def _append(self, new, products):
        """Add rows and columns to the Gram matrix, which keeps room for more."""
        m, self.members = len(self.members), np.concatenate([self.members, new])
        size = len(self.members)
        self._place[new] = np.arange(m, size)
        if size > len(self.gram):
            room = np.empty((size + size // 2,) * 2)
            room[:m, :m] = self.gram[:m, :m]
            self.gram = room
        rows = products / self.n - np.outer(self.mean[new], self.mean[self.members])
        rows /= np.outer(self.scale[new], self.scale[self.members])
        self.gram[m:size, :size] = rows
        self.gram[:m, m:size] = rows[:, :m].T

    def coefficients(self, weights):
        """Give weights, (lambdas, p), for dosages as they came, and the intercepts, (lambdas,)."""
        slopes = weights * (self.sd / (self.scale * self.columns.sd))
        return slopes, self.centre - slopes @ (self.columns.mean + self.mean * self.columns.sd)

    def predictions(self, weights, people):
        """Give the expression of people by weights, (lambdas, p), as (lambdas, people)."""
        on = np.flatnonzero(weights.any(axis=0))
        slopes = weights[:, on] * (self.sd / self.scale[on])
        return self.centre + slopes @ (self.columns.z[np.ix_(people, on)] - self.mean[on]).T


def walk(part, lambdas, mixing, *, may_stop=False):
    """Find the weights at every penalty.

    Parameters
    ----------
    part : Part
    lambdas : ndarray, shape (l,)
        Positive, from large to small, in units of expression.
    mixing : float
        Share of the penalty on Σ|w|.
    may_stop : bool
        End the path where glmnet does: from the fifth penalty on, where the share of variance explained is above 0.999
        or grows by less than 1e-5 of itself.

    Returns
    -------
    weights : ndarray, shape (l or less, p)
        Of standardised SNPs on standardised expression.
    explained : ndarray, shape (l or less,)
        Share of the variance.

    Examples
    --------
    >>> part = Part(Columns(np.array([[0], [2]])), np.array([0.0, 1.0]), np.ones(2, dtype=bool))
    >>> weights, explained = walk(part, np.array([0.5, 0.25]), mixing=1.0)
    >>> weights, explained
    (array([[0. ],
           [0.5]]), array([0.  , 0.75]))
    """
    weights, explained = np.zeros((len(lambdas), len(part.scale))), np.zeros(len(lambdas))
    if not part.y.any():
        return weights, explained
    gradient, last = part.covariances, part.largest_lambda(mixing)
    nothing = lambdas >= (last if mixing >= LEAST_MIXING else np.inf)  # and no weight of 1e-17 from rounding
    for k, lambda_ in enumerate(lambdas):
        if nothing[k]:
            continue
        weights[k] = _start(weights, lambdas, k)
        likely = _strong(part, gradient, mixing, lambda_, last)
        gradient, explained[k] = _solve(part, weights[k], likely, lambda_ / part.sd, mixing)
        last = lambda_
        gain = explained[k] - explained[max(k - 1, 0)]
        if may_stop and k + 1 >= LEAST_LAMBDAS and (gain < LEAST_GAIN * explained[k] or explained[k] > ENOUGH):
            return weights[: k + 1], explained[: k + 1]
    return weights, explained


def _start(weights, lambdas, k):
    """Guess the weights at penalty k from those at the last two, on the line through them; no sign changes."""
    if k < 2:
        return weights[k - 1] if k else weights[0]
    before, last = weights[k - 2], weights[k - 1]
    guess = last + (last - before) * ((lambdas[k] - lambdas[k - 1]) / (lambdas[k - 1] - lambdas[k - 2]))
    return np.where(guess * last > 0, guess, 0.0)


def _strong(part, gradient, mixing, lambda_, last):
    """Guess which SNPs get a weight at λ, from the gradient at the last, if none changes faster than λ."""
    return part.usable & (np.abs(gradient) >= mixing * max(2 * lambda_ - last, lambda_ / 2) / part.sd)


def _solve(part, weights, likely, lambda_, mixing):
    """Find the weights at one penalty, in place; give the gradient of all SNPs there and the variance explained."""
    l1, l2 = lambda_ * mixing, lambda_ * (1 - mixing)
    wanted = likely | (weights != 0)
    while True:
        on = part.places(wanted)
        snps = part.members[on]
        weights[snps] = minimise(selected(part.gram, on), part.covariances[snps], weights[snps], l1, l2)
        gradient, explained = part.gradient(weights)
        missed = part.usable & ~wanted & (np.abs(gradient) > l1 + TOLERANCE * lambda_ + ROUNDING)
        if not missed.any():
            return gradient, explained
        wanted |= missed
