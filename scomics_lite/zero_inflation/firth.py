"""Firth's penalty, which keeps coefficients finite where the likelihood has no maximum at finite ones.

Where a group of cells has only zeros, its mean can be as small as one likes; where all zeros of a group are explained
by the negative binomial, its logit can. Firth (1993) adds half the logarithm of the determinant of the information
(Jeffreys' prior): of the means, X' diag((1 - pi) mu / (1 + phi mu)) X with phi held where it was, and of the structural
zeros, Z' diag(pi (1 - pi)) Z, each as it is on average over which zeros are structural. It is of order 1 beside a log
likelihood of order n: as if each group had about half a count more. That is not enough where a group has only zeros,
all of which may be structural: nothing is then known of its mean and its dispersion. So both get a wide normal
distribution too, with a standard deviation of 3: ln phi around 0, and ln mu, averaged over cells, around the counts
above zero.
"""

from dataclasses import dataclass, replace

import numpy as np

from scomics_lite.equations import solve_each
from scomics_lite.zero_inflation.likelihood import Likelihood

SPREAD = 3.0  # standard deviation of a logarithm: from 1/20 to 20
LEAST_WEIGHT = 1e-12  # of a cell: a mean of 1e-12 has the leverage of one, not of none


@dataclass(frozen=True, eq=False)
class Penalised:
    """A log likelihood with Firth's penalty on the coefficients of means and structural zeros."""

    likelihood: Likelihood
    phi: np.ndarray  # (m, b), at which the information of the means is taken
    center: np.ndarray  # (b,), of ln(mu / s)

    @property
    def parts(self):
        """The designs."""
        return self.likelihood.parts

    @classmethod
    def of(cls, likelihood, phi):
        """Penalise a likelihood."""
        y, positive = likelihood.y, ~likelihood.is_zero
        logs = np.log(np.maximum(y, 1)) - likelihood.parts.log_s
        return cls(likelihood, phi, (logs * positive).sum(axis=0) / positive.sum(axis=0))

    def take(self, genes):
        """Give the objective of some genes of the block."""
        cut = {"phi": self.phi[:, genes], "center": self.center[genes]}
        return replace(self, likelihood=self.likelihood.take(genes), **cut)

    def derivatives(self, theta, *, complete=False):
        """Add the penalty's part to value, gradient and information, as `Likelihood.derivatives` gives them.

        With h the leverages, the penalty's slope is half the sum of h d ln(w) over cells; its information is taken
        with the leverages held, which makes it positive.
        """
        value, gradient, information = self.likelihood.derivatives(theta, complete=complete)
        p, q, _ = self.parts.sizes
        eta, zeta, tau = self.parts.predictors(theta)
        u = self.parts.by_cell(self.phi, self.parts.groups) * np.exp(eta)
        pi = 1 / (1 + np.exp(-self.parts.by_cell(zeta, self.parts.gates))) if q else 0.0
        spread = pi * (1 - pi) + np.zeros_like(eta)
        height, leverage = _determinant_and_leverages(self.parts, "x", (1 - pi) * np.exp(eta) / (1 + u))
        pulls = [("x", slice(p), leverage / (1 + u), leverage * u / (1 + u) ** 2)]
        if q:
            other, gate_leverage = _determinant_and_leverages(self.parts, "z", spread)
            slope = gate_leverage * (1 - 2 * pi) - leverage * pi
            pulls.append(("z", slice(p, p + q), slope, (2 * gate_leverage + leverage) * spread))
            height = height + other
        for name, place, slope, bend in pulls:
            gradient[place] += getattr(self.parts, name).T @ slope / 2
            information[:, place, place] += self.parts.weighted(name, name, bend) / 2
        x, rows = self.parts.x / np.sqrt(len(eta)), self.parts.rows
        away = x @ theta[:p] - self.center / np.sqrt(len(eta))
        for place, columns, distance in ((slice(p), x, away), (slice(p + q, None), rows, tau)):
            height = height - (distance**2).sum(axis=0) / SPREAD**2
            gradient[place] -= columns.T @ distance / SPREAD**2
            information[:, place, place] += columns.T @ columns / SPREAD**2
        return [value + height / 2, gradient, information]


def _determinant_and_leverages(parts, name, weights):
    """Give ln det(X'WX), (b,), and the leverages w x'(X'WX)^-1 x of all cells, (n, b)."""
    weights = np.maximum(weights, LEAST_WEIGHT)
    columns, matrix = getattr(parts, name), parts.weighted(name, name, weights)
    inverse = solve_each(matrix, np.broadcast_to(np.eye(columns.shape[1]), matrix.shape))
    leverage = weights * (parts.products[name + name].T @ inverse.reshape(len(matrix), -1).T)
    return np.linalg.slogdet(matrix)[1], leverage
