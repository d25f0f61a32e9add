"""The log likelihood of b genes in n cells and its derivatives: of all models of the wing, by one set of formulas.

A cell has three linear predictors, eta = ln mu, zeta = logit pi and tau = ln phi. Write
f = ln P_NB(0) = -ln(1 + phi mu) / phi. The negative binomial probability of a count splits into f and what only counts
above zero have,

    ln P_NB(y) = f + A(y, phi) - ln y! + y (eta - ln(1 + phi mu))

so that the models differ in what they make of f and zeta alone:

    nb       f
    zinb     ln(pi + (1 - pi) e^f) for a zero, ln(1 - pi) + f otherwise
    hurdle   ln(pi) for a zero, ln(1 - pi) + f - ln(1 - e^f) otherwise

In the zinb, r = pi / (pi + (1 - pi) e^f), the *responsibility*, is the probability that a zero is a structural one.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from scomics_lite.equations import least_squares
from scomics_lite.zero_inflation.repeated_counts import RepeatedCounts

LARGEST = 300.0  # of a linear predictor: keeps exp within range while a search goes astray
SMALLEST_LOG_PHI, LARGEST_LOG_PHI = -60.0, 60.0
SLICE = 16_384  # numbers in each of the forty arrays of an evaluation: they stay in the cache
NEARLY_POISSON = 1e-4  # of phi mu: below, a series is more exact than the difference it stands for


@dataclass(frozen=True, eq=False)
class Parts:
    """The three designs, which the genes of a block share.

    Attributes
    ----------
    x : ndarray, shape (n, p)
        Of ln mu.
    z : ndarray, shape (n, q)
        Of logit pi; q = 0 for a model without.
    d : ndarray, shape (n, r)
        Of ln phi.
    groups, gates : ndarray of int, shape (n,)
        Which of the m different rows of d each cell has, and which of those of z.
    rows, gate_rows : ndarray, shape (m, r) and (l, q)
        These rows: what cells share is computed once.
    log_s : ndarray, shape (n, 1)
        Logarithms of the size factors.
    products : dict
        For pairs of parts, products of their columns, shape (columns * columns, n).
    """

    x: np.ndarray
    z: np.ndarray
    d: np.ndarray
    groups: np.ndarray
    rows: np.ndarray
    gates: np.ndarray
    gate_rows: np.ndarray
    log_s: np.ndarray
    products: dict

    @classmethod
    def of(cls, x, z, d, size_factors):
        """Build them from designs and size factors (n,)."""
        rows, groups = np.unique(d, axis=0, return_inverse=True)
        gate_rows, gates = np.unique(z, axis=0, return_inverse=True) if z.shape[1] else (z[:1], np.zeros(len(z), int))
        if 2 * len(gate_rows) > len(z):  # nothing to share
            gate_rows, gates = z, np.arange(len(z))
        parts = {"x": x, "z": z, "d": d}
        products = {
            a + b: np.einsum("ij,ik->jki", parts[a], parts[b]).reshape(-1, len(x))
            for a, b in ("xx", "xz", "xd", "zz", "zd", "dd")
        }
        return cls(x, z, d, groups.ravel(), rows, gates.ravel(), gate_rows, np.log(size_factors)[:, None], products)

    def without_zeros(self):
        """Give the same parts with no column for structural zeros."""
        return replace(self, z=self.z[:, :0], gate_rows=self.gate_rows[:, :0])

    def with_zeros(self, theta, logit):
        """Put coefficients between those of means and dispersion (p + r, b) that give all cells this logit of pi."""
        p, q, _ = self.sizes
        gamma = constant(self.z, np.full(theta.shape[1], logit)) if q else theta[:0]
        return np.concatenate([theta[:p], gamma, theta[p:]])

    @property
    def sizes(self):
        """Numbers of coefficients p, q and r."""
        return self.x.shape[1], self.z.shape[1], self.d.shape[1]

    def split(self, theta):
        """Cut coefficients (P, b) into those of the mean, of the zeros and of the dispersion."""
        return np.split(theta, np.cumsum(self.sizes)[:2])

    def predictors(self, theta):
        """Give eta (n, b), and of different rows zeta (l, b) and tau (m, b)."""
        beta, gamma, delta = self.split(theta)
        eta = np.clip((beta.T @ self.x.T).T + self.log_s, -LARGEST, LARGEST)
        zeta = np.clip((gamma.T @ self.gate_rows.T).T, -LARGEST, LARGEST)
        return eta, zeta, np.clip(self.rows @ delta, SMALLEST_LOG_PHI, LARGEST_LOG_PHI)

    def by_cell(self, values, groups):
        """Give every cell (n, b) what its group has (m, b); one group's is left to numpy to repeat."""
        return values if len(values) in (1, len(groups)) else values[groups]

    def weighted(self, a, b, weights):
        """Give A'WB for two of the designs, shape (b, columns, columns)."""
        first, second = (getattr(self, name).shape[1] for name in (a, b))
        products = self.products[a + b]
        if len(weights) == 1:  # of all cells
            products = products.sum(axis=1, keepdims=True)
        return (products @ weights).T.reshape(-1, first, second)


def constant(columns, values):
    """Give the coefficients (columns, b) with which the columns add up to (nearly) the same value in all cells."""
    if not columns.shape[1]:
        return np.empty((0, len(values)))
    return np.outer(least_squares(columns, np.ones((len(columns), 1)))[:, 0], values)


@dataclass(frozen=True, eq=False)
class Likelihood:
    """The log likelihood of a block of genes, as a function of their coefficients (P, b)."""

    model: str
    parts: Parts
    y: np.ndarray  # (n, b)
    is_zero: np.ndarray  # (n, b)
    repeated: RepeatedCounts
    constant: np.ndarray  # (b,), minus the sum of ln y!

    @classmethod
    def of(cls, model, parts, y):
        """Build it for counts (n, b); a gene's counts come to lie side by side, because genes are taken out and cut."""
        y = np.asfortranarray(y, dtype=float)
        constant = -special.gammaln(y + 1).sum(axis=0)
        return cls(model, parts, y, y == 0, RepeatedCounts(y, parts.groups), constant)

    def take(self, genes):
        """Give the likelihood of some genes of the block."""
        cut = {"y": self.y.T[genes].T, "is_zero": self.is_zero.T[genes].T, "constant": self.constant[genes]}
        return replace(self, repeated=self.repeated.take(genes), **cut)

    def derivatives(self, theta, *, complete=False):
        """Compute log likelihoods, their gradients and their information (minus the second derivatives).

        Parameters
        ----------
        theta : ndarray, shape (P, b)
        complete : bool
            Give the information of the EM algorithm's complete data instead, in which it is known of every zero
            whether it is structural: mean, zeros and dispersion then have nothing to do with each other.

        Returns
        -------
        list
            Values (b,), gradients (P, b) and information (b, P, P).
        """
        n, b = self.y.shape
        rows, place = self.parts.rows, slice(sum(self.parts.sizes[:2]), None)
        size = max(1, SLICE // n)
        pieces = [self._of_cells(slice(at, at + size), theta, complete) for at in range(0, b, size)]
        value, gradient, information = (
            np.concatenate(piece, axis=axis) for piece, axis in zip(zip(*pieces, strict=True), (0, 1, 0), strict=True)
        )
        growth = self.repeated.sums(self.parts.predictors(theta)[2])
        gradient[place] += rows.T @ growth[1]
        information[:, place, place] -= np.einsum("mj,mb,mk->bjk", rows, growth[2], rows)
        return [value + growth[0].sum(axis=0) + self.constant, gradient, information]

    def _of_cells(self, genes, theta, complete):
        """Give what `derivatives` does for a few genes, without A: all that has a value in every cell."""
        parts, y, is_zero = self.parts, self.y[:, genes], self.is_zero[:, genes]
        eta, zeta, tau = parts.predictors(theta[:, genes])
        at = _zero_probability(eta, parts.by_cell(tau, parts.groups))
        gate = {name: parts.by_cell(values, parts.gates) for name, values in _gate(zeta).items()}
        mixture = _MIXTURES[self.model](at["f"], gate, is_zero)
        value = mixture["value"].sum(axis=0) + np.einsum("ib,ib->b", y, eta - at["log_a"])
        if complete:
            mixture |= {"ff": 0.0, "zetazeta": -gate["spread"]}
        ratio = y / at["a"]
        own = ratio * at["u"]
        slopes = {"x": mixture["f"] * at["f_eta"] + ratio, "z": mixture["zeta"], "d": mixture["f"] * at["f_tau"] - own}
        gradient = [getattr(parts, name).T @ slope for name, slope in slopes.items() if getattr(parts, name).shape[1]]
        return value, np.concatenate(gradient), self._information(_weights(at, mixture, own / at["a"]), complete)

    def _information(self, weights, complete):
        """Put the blocks of the three parts together, (b, P, P)."""
        (p, q, r), b = self.parts.sizes, weights["xx"].shape[1]
        place = {"x": slice(p), "z": slice(p, p + q), "d": slice(p + q, p + q + r)}
        information = np.zeros((b, p + q + r, p + q + r))
        for (one, other), weight in weights.items():
            if (q or "z" not in one + other) and (one == other or not complete):
                matrix = self.parts.weighted(one, other, weight)
                information[:, place[one], place[other]] = matrix
                information[:, place[other], place[one]] = matrix.transpose(0, 2, 1)
        return information

    def fitted(self, theta):
        """Give mu, pi, f, E[Y] and r of every cell, (n, b); r is the probability that a count is a structural zero."""
        eta, zeta, tau = self.parts.predictors(theta)
        at = _zero_probability(eta, self.parts.by_cell(tau, self.parts.groups))
        gate = {name: self.parts.by_cell(values, self.parts.gates) for name, values in _gate(zeta).items()}
        pi, is_zero = np.broadcast_to(gate["pi"], eta.shape), self.is_zero.astype(float)
        if self.model == "nb":
            pi, r = np.zeros_like(eta), np.zeros_like(eta)
        else:
            r = is_zero * special.expit(gate["zeta"] - at["f"]) if self.model == "zinb" else is_zero
        expected = (1 - pi) * np.exp(eta)
        if self.model == "hurdle":
            expected /= -np.expm1(np.minimum(at["f"], -1e-300))
        return {"mu": np.exp(eta), "pi": pi, "f": at["f"], "r": r, "expected": expected}


def _weights(at, mixture, own):
    """Give minus the second derivatives with respect to pairs of eta (x), zeta (z) and tau (d), in all cells."""
    f, bend_eta, bend_tau = mixture["f"], mixture["ff"] * at["f_eta"], mixture["ff"] * at["f_tau"]
    return {
        "xx": own - f * at["f_etaeta"] - bend_eta * at["f_eta"],
        "xz": -mixture["cross"] * at["f_eta"],
        "xd": own - f * at["f_etatau"] - bend_eta * at["f_tau"],
        "zz": -mixture["zetazeta"],
        "zd": -mixture["cross"] * at["f_tau"],
        "dd": own - f * at["f_tautau"] - bend_tau * at["f_tau"],
    }


def _zero_probability(eta, tau):
    """Compute f = ln P_NB(0) and its derivatives with respect to eta and tau, in all cells.

    With u = phi mu and a = 1 + u: f = -ln(a) / phi, and the derivatives follow; for small u those with respect to tau
    are differences of nearly equal numbers, and their series in u takes over.
    """
    mu, phi = np.exp(eta), np.exp(tau)
    u = phi * mu
    a = 1 + u
    log_a, w = np.log(a), mu / a
    small = u < NEARLY_POISSON
    some = small.any()
    if some:
        log_a[small] = np.log1p(u[small])
    f, bent = -log_a / phi, w / a
    f_tau, f_tautau = -f - w, f + 2 * w - bent
    if some:
        mu, v = mu[small], u[small]
        f_tau[small] = mu * v * (1 / 2 - 2 * v / 3 + 3 * v**2 / 4)
        f_tautau[small] = mu * v * (1 / 2 - 4 * v / 3 + 9 * v**2 / 4)
    names = ("u", "a", "log_a", "f", "f_eta", "f_etaeta", "f_tau", "f_tautau", "f_etatau")
    return dict(zip(names, (u, a, log_a, f, -w, -bent, f_tau, f_tautau, u * bent), strict=True))


# --- what the models make of f and zeta: value, first and second derivatives ------------------------------------------


def _gate(zeta):
    """Give pi, the variance of whether a zero is structural, and ln(1 + e^zeta)."""
    pi, rest = _sigmoid(zeta)
    return {"zeta": zeta, "pi": pi, "spread": pi * (1 - pi), "softplus": zeta + rest}


def _negative_binomial(f, gate, is_zero):
    return {"value": f, "f": 1.0, "ff": 0.0, "zeta": 0.0, "zetazeta": 0.0, "cross": 0.0}


def _zero_inflated(f, gate, is_zero):
    """d/df = 1 - r, d/dzeta = r - pi, and r' = r (1 - r) with respect to zeta - f; r = 0 for counts above zero."""
    r, rest = _sigmoid(gate["zeta"] - f)
    r *= is_zero
    doubt = r * (1 - r)
    return {
        "value": np.where(is_zero, gate["zeta"] + rest, f) - gate["softplus"],
        "f": 1 - r,
        "ff": doubt,
        "zeta": r - gate["pi"],
        "zetazeta": doubt - gate["spread"],
        "cross": -doubt,
    }


def _hurdle(f, gate, is_zero):
    """Zeros say nothing of mu; q = e^f / (1 - e^f) is the odds of the zeros that were cut off."""
    above = np.minimum(f, -1e-300)
    q = np.exp(above) / -np.expm1(above)
    return {
        "value": np.where(is_zero, gate["zeta"], f - np.log(-np.expm1(above))) - gate["softplus"],
        "f": np.where(is_zero, 0.0, 1 + q),
        "ff": np.where(is_zero, 0.0, q * (1 + q)),
        "zeta": is_zero - gate["pi"],
        "zetazeta": -gate["spread"],
        "cross": np.zeros_like(f),
    }


def _sigmoid(x):
    """Give 1 / (1 + e^-x) and ln(1 + e^-x)."""
    one_more = 1 + np.exp(-np.clip(x, -2 * LARGEST, 2 * LARGEST))
    return 1 / one_more, np.log(one_more)


_MIXTURES = {"nb": _negative_binomial, "zinb": _zero_inflated, "hurdle": _hurdle}
