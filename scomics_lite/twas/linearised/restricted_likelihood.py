"""The restricted likelihood of heritability, after one decomposition of the people's relatedness (REML).

    y = Cβ + g + e,   g ~ N(0, σ² h K),   e ~ N(0, σ² (1 - h) I),   K = Z Zᵀ / m

Z are m standardised SNPs of n people, so that K has a mean of 1 along its diagonal and h is the share of the variance
that these SNPs explain together (Yang et al. 2011). Among contrasts that covariates C have no part in, K has
eigenvalues k_i, and y has a coordinate u_i along each; the rest, where k is 0, counts as one sum of squares. Then
coordinates are independent, with variance σ² d_i, d_i = 1 + h (k_i - 1), and with the best σ² at each h the restricted
log-likelihood is, but for a constant,

    l(h) = -½ ( N ln Σ u_i²/d_i + Σ ln d_i ),   N = n - rank(C).

Every trait of the same people has the same k, and so all are done side by side.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

HIGHEST = 1 - 1e-6  # of h: at 1 nothing would be left for people who differ and whose SNPs do not
LEAST = 1e-10  # of the largest eigenvalue: below is rounding
HALVINGS = 60
HALF_WIDTH = stats.chi2.ppf(0.95, 1) / 2  # of l, where the interval of 95% ends
_STEPS = 10.0 ** np.arange(-5, -1, 0.25)
GRID = np.unique(np.concatenate([[0.0], _STEPS, np.linspace(0.02, 0.98, 49), 1 - _STEPS, [HIGHEST]]))


@dataclass(frozen=True, eq=False)
class RestrictedLikelihood:
    """l(h) and its slope, for all traits of the same people.

    Attributes
    ----------
    eigenvalues : ndarray, shape (r,)
        k_i above 0.
    squares : ndarray, shape (r, traits)
        u_i².
    rest : ndarray, shape (traits,)
        Sum of squares where k is 0.
    n : int
        N, r and the dimensions of the rest.
    """

    eigenvalues: np.ndarray
    squares: np.ndarray
    rest: np.ndarray
    n: int

    def value(self, h):
        """Give l at h, (points, traits)."""
        d, rest = self._variances(h)
        sums = (self.squares / d).sum(axis=1) + self.rest / rest
        logs = np.log(d).sum(axis=1) + (self.n - len(self.eigenvalues)) * np.log(rest)
        return -0.5 * (self.n * np.log(sums) + logs)

    def slope(self, h):
        """Give the derivative of l at h, (points, traits)."""
        d, rest = self._variances(h)
        steps = (self.eigenvalues - 1)[:, None]
        sums = (self.squares / d).sum(axis=1) + self.rest / rest
        falls = (self.squares * steps / d**2).sum(axis=1) - self.rest / rest**2
        logs = (steps / d).sum(axis=1) - (self.n - len(self.eigenvalues)) / rest
        return 0.5 * (self.n * falls / sums - logs)

    def _variances(self, h):
        return 1 + h[:, None, :] * (self.eigenvalues - 1)[:, None], 1 - h  # (points, r, traits), (points, traits)


def restricted_likelihood(snps, traits, covariates):
    """Decompose the relatedness of people, and turn their traits.

    Parameters
    ----------
    snps : ndarray, shape (n, m)
        Z: every SNP with mean 0 and standard deviation 1.
    traits : ndarray, shape (n, traits)
    covariates : ndarray, shape (n, c)
        With a column of ones.

    Returns
    -------
    RestrictedLikelihood

    Examples
    --------
    >>> z = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    >>> found = restricted_likelihood(z, np.array([[1.0], [-1.0], [1.0], [0.0]]), np.ones((4, 1)))
    >>> found.eigenvalues.round(2), found.squares.round(2), found.rest.round(2), found.n
    (array([4.]), array([[2.25]]), array([0.5]), 3)
    """
    basis, triangle = np.linalg.qr(covariates)
    diagonal = np.abs(np.diag(triangle))
    basis = basis[:, diagonal > LEAST * diagonal.max()]
    z, y = (part - basis @ (basis.T @ part) for part in (snps, traits))
    n, m = z.shape
    if m < n:  # the same eigenvalues, from the smaller matrix
        values, vectors = np.linalg.eigh(z.T @ z / m)
        kept = values > LEAST * values[-1]
        values, turned = values[kept], (vectors[:, kept].T @ (z.T @ y)) / np.sqrt(m * values[kept])[:, None]
    else:
        values, vectors = np.linalg.eigh(z @ z.T / m)
        kept = values > LEAST * values[-1]
        values, turned = values[kept], vectors[:, kept].T @ y
    free = n - basis.shape[1]
    rest = np.maximum((y**2).sum(axis=0) - (turned**2).sum(axis=0), 0) if free > len(values) else np.zeros(y.shape[1])
    return RestrictedLikelihood(values, turned**2, rest, free)


@dataclass(frozen=True, eq=False)
class Heritability:
    """Estimates of all traits, each an array of shape (traits,)."""

    h2: np.ndarray
    se: np.ndarray  # NaN at 0 and at the highest value, where l has a slope
    lower: np.ndarray
    upper: np.ndarray
    pvalue: np.ndarray


def estimate(likelihood):
    """Find the h where the restricted likelihood is largest, from 0 on, and how far it could be from there.

    Parameters
    ----------
    likelihood : RestrictedLikelihood

    Returns
    -------
    Heritability
        The interval of 95% is where l is no more than 1.92 below its maximum (profile likelihood). The p-value of h = 0
        is that of an equal mixture of χ² with 0 and with 1 degrees of freedom (Self and Liang 1987).

    Examples
    --------
    >>> rng = np.random.default_rng(2)
    >>> z = rng.normal(size=(400, 50))
    >>> z = (z - z.mean(axis=0)) / z.std(axis=0)
    >>> y = z @ rng.normal(0, (0.5 / 50) ** 0.5, (50, 1)) + rng.normal(0, 0.5**0.5, (400, 1))  # h = 0.5
    >>> found = estimate(restricted_likelihood(z, y, np.ones((400, 1))))
    >>> [float(number[0].round(2)) for number in (found.h2, found.se, found.lower, found.upper)]
    [0.57, 0.06, 0.46, 0.68]
    """
    values = likelihood.value(np.repeat(GRID[:, None], len(likelihood.rest), axis=1))
    best = values.argmax(axis=0)
    start, end = GRID[np.maximum(best - 1, 0)], GRID[np.minimum(best + 1, len(GRID) - 1)]
    h = _crossing(lambda at: likelihood.slope(at[None])[0], start, end)
    h = np.where(h < GRID[1] * LEAST, 0.0, np.where(h > HIGHEST - LEAST, HIGHEST, h))
    top = likelihood.value(h[None])[0]
    excess = top - values[0]

    def short(at):
        return likelihood.value(at[None])[0] - top + HALF_WIDTH

    lower = np.where(excess <= HALF_WIDTH, 0.0, _crossing(lambda at: -short(at), np.zeros_like(h), h))
    upper = np.where(top - values[-1] <= HALF_WIDTH, HIGHEST, _crossing(short, h, np.full_like(h, HIGHEST)))
    pvalue = np.where(h > 0, 0.5 * stats.chi2.sf(2 * np.maximum(excess, 0), 1), 1.0)
    return Heritability(h, _standard_error(likelihood, h), lower, upper, pvalue)


def _crossing(function, start, end):
    """Halve intervals in which a function goes from above 0 to below."""
    for _ in range(HALVINGS):
        middle = (start + end) / 2
        above = function(middle) > 0
        start, end = np.where(above, middle, start), np.where(above, end, middle)
    return (start + end) / 2


def _standard_error(likelihood, h):
    """Give 1/√-l'' inside; the second derivative from slopes on both sides."""
    inside = (h > 0) & (h < HIGHEST)
    step = np.where(inside, 1e-4 * np.minimum(h, 1 - h), 0.0)
    slopes = likelihood.slope(np.stack([h - step, h + step]))
    with np.errstate(divide="ignore", invalid="ignore"):
        information = (slopes[0] - slopes[1]) / (2 * step)
        return np.where(inside & (information > 0), 1 / np.sqrt(information), np.nan)
