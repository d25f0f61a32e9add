"""What a count adds to the log likelihood through the dispersion alone: the same for all cells with the same count.

Of the negative binomial probability of a count y, one factor depends on the dispersion phi and on nothing of the cell,

    A(y, phi) = ln Gamma(y + 1/phi) - ln Gamma(1/phi) + y ln phi = sum over j < y of ln(1 + phi j)

and it is the costly one. A gene has thousands of cells and a few dozen different counts. So the sum is taken the other
way round for small counts, ln(1 + phi j) times the number of cells with more than j, and larger ones are computed once
each and weighed with the number of cells that have them.
"""

import numpy as np
from scipy import special

FEW = 32  # counts so small are summed step by step
SMALL = 0.01  # of phi y: below, the series in phi y is as exact as the machine, and the gamma function is not
LARGE = 1_000.0  # of 1 / phi: above, Stirling's formula is, and differences of ln Gamma are not
TERMS = 6  # of the series: the next is below 1e-13 of the first
BERNOULLI = (1, -1 / 2, 1 / 6, 0, -1 / 30, 0, 1 / 42)
FAULHABER = [  # coefficients of the polynomials that sum j^m over 0 <= j < y, divided by y
    [special.comb(m + 1, i) * BERNOULLI[i] / (m + 1) for i in range(m + 1)] for m in range(TERMS + 1)
]


class RepeatedCounts:
    """The different counts of b genes in m groups of cells, and how often each occurs.

    Parameters
    ----------
    y : ndarray, shape (n, b)
        Counts.
    groups : ndarray of int, shape (n,)
        Which of m groups each cell is in; the cells of a group share a dispersion.
    """

    def __init__(self, y, groups):
        self.shape = groups.max(initial=0) + 1, y.shape[1]
        cell, gene = np.nonzero(y > 1)  # counts of 0 and 1 add nothing
        place, values = groups[cell] * y.shape[1] + gene, y[cell, gene]
        self.above = self._cells_above(place, values)
        place, values = place[values > FEW], values[values > FEW]
        order = np.lexsort((values, place))
        place, values = place[order], values[order]
        first = np.flatnonzero(np.diff(place, prepend=-1) | np.diff(values, prepend=-1).astype(bool))
        self.place, self.values = place[first], values[first]
        self.times = np.diff(first, append=len(place))

    def _cells_above(self, place, values):
        """Count the cells with few counts, but more than 1, 2, 3 …, shape (steps, m, b): ln(1 + phi j) is for them."""
        size, values = self.shape[0] * self.shape[1], values.astype(int)
        steps = values[values <= FEW].max(initial=1)
        which = values <= FEW
        cells = np.bincount(values[which] * size + place[which], minlength=(steps + 1) * size)
        return cells.reshape(steps + 1, *self.shape)[::-1].cumsum(axis=0)[::-1][2:]

    def take(self, genes):
        """Give the counts of some genes, by a mask or by positions."""
        m, b = self.shape
        genes = np.flatnonzero(genes) if np.asarray(genes).dtype == bool else np.asarray(genes)
        position = np.full(b, -1)
        position[genes] = np.arange(len(genes))
        group, gene = np.divmod(self.place, b)
        kept = position[gene] >= 0
        part = object.__new__(RepeatedCounts)
        part.shape, part.above = (m, len(genes)), self.above[:, :, genes]
        part.place = group[kept] * len(genes) + position[gene[kept]]
        part.values, part.times = self.values[kept], self.times[kept]
        return part

    def sums(self, log_phi):
        """Sum A over the cells of every group and gene, and its derivatives with respect to ln phi.

        Parameters
        ----------
        log_phi : ndarray, shape (m, b)

        Returns
        -------
        list of ndarray, shape (m, b)
            A, and its first and second derivatives.
        """
        x = np.exp(log_phi) * np.arange(1, len(self.above) + 1)[:, None, None]
        share = x / (1 + x)
        few = [np.einsum("jmb,jmb->mb", self.above, term) for term in (np.log1p(x), share, share / (1 + x))]
        many = growth(self.values, np.exp(log_phi.ravel()), self.place)
        size = self.shape[0] * self.shape[1]
        return [
            total + np.bincount(self.place, term * self.times, size).reshape(self.shape)
            for total, term in zip(few, many, strict=True)
        ]


def growth(y, phi, place=None):
    """Compute A(y, phi) and its derivatives with respect to ln phi.

    With k = 1 / phi and psi the digamma function, dA = y - k (psi(y + k) - psi(k)) and
    d2A = k (psi(y + k) - psi(k)) + k^2 (psi'(y + k) - psi'(k)). Where phi y is small these are differences of nearly
    equal numbers; the series ln(1 + phi j) = phi j - (phi j)^2 / 2 + … is summed over j instead.

    Parameters
    ----------
    y : ndarray, shape (u,)
        Counts above 1.
    phi : ndarray, shape (u,) or (b,)
        Positive dispersions.
    place : ndarray of int, shape (u,), optional
        Which of b dispersions each count has, whose gamma functions are then computed once.

    Returns
    -------
    list of ndarray, shape (u,)

    Examples
    --------
    >>> value, slope, curvature = growth(np.array([3.0]), np.array([0.5]))
    >>> value.round(6), np.log([1 * 1.5 * 2]).round(6)  # ln(1 + 0) + ln(1 + 0.5) + ln(1 + 1)
    (array([1.098612]), array([1.098612]))
    """
    place = np.arange(len(y)) if place is None else place
    terms = [np.empty_like(y) for _ in range(3)]
    small = phi[place] * y < SMALL
    for formula, which in ((_by_series, small), (_by_gamma_functions, ~small)):
        for term, values in zip(terms, formula(y[which], phi, place[which]), strict=True):
            term[which] = values
    return terms


def _by_series(y, phi, place):
    phi = phi[place]
    terms = [np.zeros_like(y) for _ in range(3)]
    for m in range(1, TERMS + 1):
        first = (-1) ** (m + 1) / m * phi**m * _power_sum(y, m)
        for derivative, term in enumerate(terms):
            term += m**derivative * first
    return terms


def _power_sum(y, m):
    """Sum j^m over 0 <= j < y."""
    return y * np.polyval(FAULHABER[m], y)


def _by_gamma_functions(y, phi, place):
    k, phi = (1 / phi)[place], phi[place]
    difference = k * (special.psi(y + k) - _once(special.psi, k, place))
    trigamma = special.zeta(2.0, y + k) - _once(lambda z: special.zeta(2.0, z), k, place)
    return [_log_gamma_ratio(y, phi, k, place), y - difference, difference + k**2 * trigamma]


def _once(function, values, place):
    """Compute a function of values that are the same wherever the place is."""
    first = np.flatnonzero(np.diff(place, prepend=-1))
    return np.repeat(function(values[first]), np.diff(first, append=len(place)))


def _log_gamma_ratio(y, phi, k, place):
    x = phi * y
    value = k * ((1 + x) * np.log1p(x) - x) - np.log1p(x) / 2 + (1 / (y + k) - 1 / k) / 12
    near = k < LARGE
    y, k, phi = y[near], k[near], phi[near]
    value[near] = special.gammaln(y + k) - _once(special.gammaln, k, place[near]) + y * np.log(phi)
    return value
