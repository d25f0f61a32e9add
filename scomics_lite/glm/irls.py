"""The iterations behind `scomics_lite.glm.fit`, on plain arrays and for a block of genes at a time.

Coefficients stand in columns here, shape (p, b) for b genes, so that ``x @ beta`` gives all linear predictors, (n, b).
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from scomics_lite import negative_binomial
from scomics_lite.equations import least_squares, solve_each
from scomics_lite.iteration import step_until_done

LARGEST_COEFFICIENT = 30.0  # e^30 is 10^13: a coefficient on its way there has no finite optimum in sight
DAMPING = 1e-12  # lets a step go up where rounding would turn it down, and slows down no other
LONGEST_STEP = 5.0  # of ln mu: beyond e^5-fold changes the parabola that Newton's method climbs says little
LARGEST_LOG_MEAN = 300.0  # keeps exp within range while a fit goes astray


@dataclass(frozen=True, eq=False)
class Model:
    """What the genes of a block share: the design, the ridge, and, all of them or each for itself, the size factors.

    Attributes
    ----------
    x : ndarray, shape (n, p)
    s : ndarray, shape (n, 1) or (n, b)
    ridge : ndarray, shape (p, p)
    floor : ndarray, shape (n, 1) or (n, b)
        The smallest ln(mu / s) inside the iterations.
    products : ndarray, shape (p * p, n)
        x_ia x_ic for all pairs of columns, so that X'WX of all genes is one product.
    """

    x: np.ndarray
    s: np.ndarray
    ridge: np.ndarray
    floor: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, design, size_factors, ridge, min_mean):
        """Build it from a design (n, p), size factors (n,), (n, 1) or (n, b), and two numbers."""
        x, s = np.asarray(design, dtype=float), size_factors if size_factors.ndim == 2 else size_factors[:, None]
        floor = np.log(min_mean / s) if min_mean > 0 else np.full_like(s, -LARGEST_LOG_MEAN)
        products = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1).T.copy()
        return cls(x, s, ridge * np.eye(x.shape[1]), floor, products)

    def take(self, genes):
        """Give the model of some genes of the block."""
        return self if self.s.shape[1] == 1 else replace(self, s=self.s[:, genes], floor=self.floor[:, genes])

    def mean(self, beta):
        """Compute the means mu, shape (n, b)."""
        return self.s * np.exp(np.minimum(self.x @ beta, LARGEST_LOG_MEAN))

    def floored(self, beta):
        """Compute ln(mu / s) and mu, not below their floor, both of shape (n, b)."""
        eta = np.clip(self.x @ beta, self.floor, LARGEST_LOG_MEAN)
        return eta, self.s * np.exp(eta)

    def information(self, weights):
        """Compute X'WX of every gene, shape (b, p, p)."""
        p = len(self.ridge)
        return (self.products @ weights).T.reshape(-1, p, p)

    def step(self, weights, right, damping=0.0):
        """Solve (X'WX + R) step = right for every gene and its column of `right`, shape (p, b).

        Damping adds so much of the sum of its diagonal to every place of it.
        """
        matrix = self.information(weights) + self.ridge
        if damping:
            matrix += damping * np.trace(matrix, axis1=1, axis2=2)[:, None, None] * np.eye(len(self.ridge))
        return solve_each(matrix, right.T[:, :, None])[:, :, 0].T

    def start(self, y):
        """Begin at the least squares of ln(y / s + 0.1), shape (p, b)."""
        return least_squares(self.x, np.log(y / self.s + 0.1))


def solve(model, y, phi, tolerance, max_iterations):
    """Fit a block by reweighting, and what does not converge by Newton's method.

    Gives the coefficients (p, b), the numbers of reweightings (b,) and what became of each gene (b,).
    """
    beta, iterations, done = reweight(model, y, phi, tolerance, max_iterations)
    status = np.where(done, "converged", "not converged")
    if not done.all():
        again = np.flatnonzero(~done)
        beta[:, again], found = newton(model.take(again), y[:, again], phi[again], max_iterations)
        status[again[found]] = "refitted"
    return beta, iterations, status


def reweight(model, y, phi, tolerance, max_iterations):
    """Fit a block; give its coefficients (p, b), iterations (b,), and whether each gene converged (b,)."""
    phi = np.maximum(phi, 1e-300)  # 0 / 0 would be NaN; this small, ln(1 + phi mu) / phi is mu to the last digit
    beta = model.start(y)
    eta, mu = model.floored(beta)
    constant = negative_binomial.log_likelihood(y, mu, phi).sum(axis=0) - _kernel(y, eta, mu, phi)
    state = {"beta": beta, "eta": eta, "mu": mu, "deviance": np.full(len(phi), np.inf)}
    state["converged"] = np.zeros(len(phi), dtype=bool)
    given = model, y, phi, constant
    state, iterations, _ = step_until_done(partial(_reweighting, tolerance), state, given, max_iterations)
    return state["beta"], iterations, state["converged"]


def _reweighting(tolerance, at, model, y, phi, constant):
    """Take one step; a gene is done when its deviance stands still, or when a coefficient has gone astray."""
    eta, mu = at["eta"], at["mu"]
    weights = mu / (1 + phi * mu)
    beta = model.step(weights, model.x.T @ (weights * eta + (y - mu) / (1 + phi * mu)))
    eta, mu = model.floored(beta)
    deviance = -2 * (constant + _kernel(y, eta, mu, phi))
    diverged = (np.abs(beta) > LARGEST_COEFFICIENT).any(axis=0)
    converged = (np.abs(deviance - at["deviance"]) < tolerance * (np.abs(deviance) + 0.1)) & ~diverged
    state = {"beta": beta, "eta": eta, "mu": mu, "deviance": deviance, "converged": converged}
    return state, diverged | converged


def _kernel(y, eta, mu, phi):
    """Sum what depends on the means in the log likelihood, y ln(mu / s) - (y + 1/phi) ln(1 + phi mu), shape (b,)."""
    return np.einsum("ib,ib->b", y, eta) - np.einsum("ib,ib->b", y + 1 / phi, np.log1p(phi * mu))


def newton(model, y, phi, max_iterations):
    """Maximise log likelihood minus beta'R beta / 2, without a floor; give coefficients (p, b) and success (b,)."""
    phi = np.maximum(phi, 1e-300)
    state, _, found = step_until_done(_newton_step, {"beta": model.start(y)}, (model, y, phi), max_iterations)
    return state["beta"], found


def _newton_step(at, model, y, phi):
    """Take one step, halved until no gene loses by it; a gene is done when a full step promises it less than 1e-12."""
    beta = at["beta"]
    mu = model.mean(beta)
    gradient = model.x.T @ ((y - mu) / (1 + phi * mu)) - model.ridge @ beta
    weights = mu * (1 + phi * y) / (1 + phi * mu) ** 2
    step = model.step(weights, gradient)
    promise = (gradient * step).sum(axis=0)
    down = promise < 0  # by rounding alone, where a coefficient has almost no weight: the likelihood is concave
    if down.any():
        step[:, down] = model.step(weights[:, down], gradient[:, down], DAMPING)
        promise = (gradient * step).sum(axis=0)
    beta = uphill(model, partial(_penalised, model, y, phi), beta, step, promise)
    return {"beta": beta}, np.abs(promise) < 1e-12


def uphill(model, height, beta, step, promise):
    """Take a step, shortened where it is long and halved until no gene loses by it.

    Parameters
    ----------
    model : Model
    height : callable
        Gives what is maximised, shape (b,), for coefficients (p, b).
    beta, step : ndarray, shape (p, b)
    promise : ndarray, shape (b,)
        What the slope at `beta` promises for the whole step.

    Returns
    -------
    ndarray, shape (p, b)
    """
    here = height(beta)
    length = np.minimum(1, LONGEST_STEP / np.maximum(np.abs(model.x @ step).max(axis=0), LONGEST_STEP))
    for _ in range(50):
        lost = ~(height(beta + length * step) >= here + 1e-4 * length * promise)
        lost &= promise > 1e-10 * (np.abs(here) + 1)  # below, rounding decides, and Newton's steps are safe
        if not lost.any():
            break
        length[lost] /= 2
    return beta + length * step


def _penalised(model, y, phi, beta):
    """Compute what is maximised, as -(deviance + beta'R beta) / 2: free of the likelihood's large constant."""
    fit = negative_binomial.deviance(y, model.mean(beta), phi).sum(axis=0)
    return -(fit + (beta * (model.ridge @ beta)).sum(axis=0)) / 2
