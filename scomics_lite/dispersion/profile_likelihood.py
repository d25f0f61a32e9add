"""The Cox-Reid adjusted profile likelihood of the dispersion, for many genes at once, and ways to climb it.

With the means mu held at their estimates the log likelihood of phi, for one gene with size k = 1 / phi, is

    l(phi) = sum over samples of ln G(y + k) - ln G(k) - y ln(mu + k) - k ln(1 + mu / k)           G: gamma function

and terms without phi. Its maximum is biased downwards, because the means are fitted to the same counts. Cox and Reid
(1987) subtract half the logarithm of the information on the coefficients:

    l(phi) - 1/2 ln det X'WX,   W = diag(mu / (1 + phi mu))

All of this is a function of ln phi here, so that phi stays positive. Inside this module genes stand in rows: a search
drops those that are done.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from scomics_lite.equations import solve_each
from scomics_lite.iteration import step_until_done

HIGHEST, LOWEST = 10.0, -30.0  # no search leaves this range of ln phi
MAX_EVALUATIONS = 100  # of one climb
LEAST_DETERMINANT = np.log(1e-10)  # of X'WX, over the product of its diagonal: with less, few of its digits are left
LEAST_RISE = 1e-6  # in log likelihood: DESeq2's climb ends with a step that gains less
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)  # B_2m / (2m (2m - 1))
_SHIFT = 7  # six terms of Stirling's series are good to 1e-12 from here on


@dataclass(frozen=True, eq=False)
class Profile:
    """The function to maximise, for b genes: the adjusted profile log likelihood, and a log-normal prior if any.

    Attributes
    ----------
    y, mu : ndarray, shape (b, n)
        Counts and their means.
    products : ndarray, shape (n, p * p), or None
        x_ij x_ik for all pairs of columns of the design; None leaves the adjustment out.
    center : ndarray, shape (b,), or None
        Mean of ln phi under the prior; None for no prior.
    variance : float
        Of ln phi under the prior.
    """

    y: np.ndarray
    mu: np.ndarray
    products: np.ndarray | None
    center: np.ndarray | None = None
    variance: float = 1.0

    @staticmethod
    def products_of(x):
        """Pairwise products of the columns of a design x (n, p), shape (n, p * p)."""
        return (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)

    def take(self, rows):
        """Give the profile of some of the genes."""
        center = None if self.center is None else self.center[rows]
        return Profile(self.y[rows], self.mu[rows], self.products, center, self.variance)

    def value(self, log_phi):
        """Height at ln phi, shape (b,)."""
        return self.derivatives(log_phi, order=0)[0]

    def derivatives(self, log_phi, order=1):
        """Height and its first derivatives with respect to ln phi, up to the second; a list of arrays (b,)."""
        phi = np.exp(log_phi)
        terms = _likelihood(self.y, self.mu, phi, order)
        if self.products is not None:
            terms = [a + b for a, b in zip(terms, _adjustment(self.mu, phi, self.products, order), strict=True)]
        if self.center is not None:
            away = log_phi - self.center
            prior = [-(away**2) / (2 * self.variance), -away / self.variance, np.full_like(away, -1 / self.variance)]
            terms = [a + b for a, b in zip(terms, prior[: order + 1], strict=True)]
        return terms


# --- searches ---------------------------------------------------------------------------------------------------------


def climb(profile, start, lowest):
    """Climb by gradient steps with Armijo's rule, until a step gains less than 1e-6, as DESeq2 does.

    A step of length kappa times the slope is taken if it gains at least 1e-4 of what the slope promises; otherwise
    kappa is halved. After a step taken kappa grows by a tenth, up to 1, and after every fifth it is halved.

    Parameters
    ----------
    profile : Profile
    start : ndarray, shape (b,)
        ln phi.
    lowest : float
        Where a gene that has stepped below this ln phi is left.

    Returns
    -------
    log_phi, height : ndarray, shape (b,)
    first_height : ndarray, shape (b,)
        At the start.
    evaluations : ndarray of int, shape (b,)
        100 for a gene that did not arrive.

    Examples
    --------
    >>> profile = Profile(np.array([[4.0, 16, 10, 30]]), np.full((1, 4), 15.0), Profile.products_of(np.ones((4, 1))))
    >>> log_phi, height, first_height, evaluations = climb(profile, np.log([0.1]), lowest=np.log(1e-9))
    >>> np.exp(log_phi).round(3)
    array([0.508])
    """
    height, slope = profile.derivatives(start)
    state = {"log_phi": start, "height": height, "slope": slope, "kappa": np.ones(len(start))}
    state["taken"] = np.zeros(len(start), dtype=int)
    found, evaluations, _ = step_until_done(partial(_gradient_step, lowest), state, (profile,), MAX_EVALUATIONS)
    return found["log_phi"], found["height"], height, evaluations


def _gradient_step(lowest, at, profile):
    """Try a step; a gene is done when one gains less than `LEAST_RISE`, or leads below the lowest ln phi."""
    step = _within_range(at["log_phi"], at["kappa"], at["slope"])
    goal = at["log_phi"] + step * at["slope"]
    height, slope = profile.derivatives(goal)
    accepted = height >= at["height"] + 1e-4 * step * at["slope"] ** 2
    arrived = accepted & (height - at["height"] < LEAST_RISE)
    lost = accepted & ~arrived & (goal < lowest)  # heading for zero: its old height stands
    climbed, taken = accepted & ~lost, at["taken"] + accepted
    grown = np.where(taken % 5 == 0, 0.5, 1.0) * np.minimum(1.1 * step, 1)
    state = {
        "log_phi": np.where(accepted, goal, at["log_phi"]),
        "height": np.where(climbed, height, at["height"]),
        "slope": np.where(climbed, slope, at["slope"]),
        "kappa": np.where(accepted, grown, step / 2),
        "taken": taken,
    }
    return state, arrived | lost


def _within_range(at, kappa, slope):
    """Shorten steps that would leave the range of ln phi."""
    goal = np.clip(at + kappa * slope, LOWEST, HIGHEST)
    outside = goal != at + kappa * slope
    return np.where(outside, (goal - at) / np.where(outside, slope, 1), kappa)


def best_on_grid(profile, low, high):
    """Find the best of 20 values of ln phi, then of 20 around it, one coarse step to either side, as DESeq2 does.

    Parameters
    ----------
    profile : Profile
    low, high : float
        ln phi at the ends of the first grid.

    Returns
    -------
    ndarray, shape (b,)

    Examples
    --------
    >>> profile = Profile(np.array([[4.0, 16, 10, 30]]), np.full((1, 4), 15.0), Profile.products_of(np.ones((4, 1))))
    >>> np.exp(best_on_grid(profile, np.log(1e-8), np.log(10))).round(3)
    array([0.505])
    """
    coarse = np.linspace(low, high, 20)
    best = _best(profile, np.broadcast_to(coarse[:, None], (20, len(profile.y))))
    width = coarse[1] - coarse[0]
    return _best(profile, best + np.linspace(-width, width, 20)[:, None])


def _best(profile, candidates):
    """Choose the highest of the candidates, shape (k, b), for each gene."""
    heights = np.array([profile.value(row) for row in candidates])
    return np.take_along_axis(candidates, heights.argmax(axis=0)[None], axis=0)[0]


def maximise(profile, low, high):
    """Find the highest point between two values of ln phi: Newton's method from the best of 13 points.

    Where the height curves upwards, or a step is longer than 2, it is 2 in the direction of the slope; a step that
    loses height is cut to a third.

    Parameters
    ----------
    profile : Profile
    low, high : float
        ln phi.

    Returns
    -------
    ndarray, shape (b,)
        `low` or `high` where the height still rises there.

    Examples
    --------
    >>> profile = Profile(np.array([[4.0, 16, 10, 30]]), np.full((1, 4), 15.0), Profile.products_of(np.ones((4, 1))))
    >>> np.exp(maximise(profile, np.log(1e-8), np.log(10))).round(3)
    array([0.508])
    """
    b = len(profile.y)
    log_phi = _best(profile, np.broadcast_to(np.linspace(low, high, 13)[:, None], (13, b)))
    height, slope, curvature = profile.derivatives(log_phi, order=2)
    state = {"log_phi": log_phi, "height": height, "slope": slope, "curvature": curvature, "shorter": np.ones(b)}
    found, _, _ = step_until_done(partial(_newton_step, low, high), state, (profile,), MAX_EVALUATIONS)
    return found["log_phi"]


def _newton_step(low, high, at, profile):
    """Try a step; a gene is done when it hardly moves."""
    old, concave = at["height"], at["curvature"] < 0
    step = np.sign(at["slope"]) * 2
    step[concave] = np.clip(-at["slope"][concave] / at["curvature"][concave], -2, 2)
    new = np.clip(at["log_phi"] + at["shorter"] * step, low, high)
    height, slope, curvature = profile.derivatives(new, order=2)
    better = height >= old - 1e-13 * (1 + np.abs(old))  # what rounding takes is no loss
    moved = np.abs(new - at["log_phi"])
    state = {
        "log_phi": np.where(better, new, at["log_phi"]),
        "height": np.where(better, height, old),
        "slope": np.where(better, slope, at["slope"]),
        "curvature": np.where(better, curvature, at["curvature"]),
        "shorter": np.where(better, 1.0, at["shorter"] / 3),
    }
    return state, moved <= np.where(better, 1e-7, 1e-10)  # Newton's steps square their error: after 1e-7 it is 1e-14


# --- the terms --------------------------------------------------------------------------------------------------------


def _likelihood(y, mu, phi, order):
    """l(phi) and its derivatives with respect to ln phi, a list of arrays (b,); exact down to the Poisson limit.

    y ln k cancels between the gamma functions and y ln(mu + k), and is left out of both.
    """
    k, phi = 1 / phi[:, None], phi[:, None]
    log_mu, away = np.log1p(phi * mu), (mu - y) / (k + mu)
    gamma = _gamma_ratio(y, k, order)
    terms = [(gamma[0] - (y + k) * log_mu).sum(axis=1)]
    if order >= 1:
        d1 = (gamma[1] - log_mu + away).sum(axis=1)  # d l / d k
        terms.append(-k[:, 0] * d1)
    if order >= 2:
        d2 = (gamma[2] + (phi * mu - away) / (k + mu)).sum(axis=1)
        terms.append(k[:, 0] ** 2 * d2 + k[:, 0] * d1)
    return terms


def _gamma_ratio(y, k, order):
    """Compute ln G(y + k) - ln G(k) - y ln k and its first derivatives with respect to k, without those of y ln k.

    G(z) = G(z + 7) / (z (z + 1) ... (z + 6)), and Stirling's series for G(z + 7). Differences are formed before they
    cancel: at k = 1e9 the two logarithms alone have lost all digits.
    """
    z = y + k
    rising_z, rising_k = _rising(z, order), _rising(k, order)
    z7, k7 = z + _SHIFT, k + _SHIFT
    series_z, series_k = _stirling(z7, order), _stirling(k7, order)
    log_ratio = np.log1p(y / k7)
    value = np.log(rising_k[0] / rising_z[0]) + (z7 - 0.5) * log_ratio - y + y * np.log1p(_SHIFT / k)
    terms = [value + series_z[0] - series_k[0]]
    if order >= 1:
        d1 = log_ratio - 0.5 / z7 + 0.5 / k7 + series_z[1] - series_k[1]
        terms.append(d1 + rising_k[1] - rising_z[1])
    if order >= 2:
        d2 = 1 / z7 - 1 / k7 + 0.5 / z7**2 - 0.5 / k7**2 + series_z[2] - series_k[2]
        terms.append(d2 + rising_k[2] - rising_z[2])
    return terms


def _rising(z, order):
    """P = z (z + 1) ... (z + 6), then the derivatives of ln P."""
    p, d1, d2 = z.copy(), np.ones_like(z), np.zeros_like(z)
    for i in range(1, _SHIFT):
        factor = z + i
        if order >= 2:
            d2 = d2 * factor + 2 * d1
        if order >= 1:
            d1 *= factor
            d1 += p
        p *= factor
    return [p, d1 / p, d2 / p - (d1 / p) ** 2][: order + 1]


def _stirling(z, order):
    """Sum the series 1/(12 z) - 1/(360 z^3) + ... of ln G, and its derivatives."""
    v = 1 / z
    square, series = v * v, []
    for derivative in range(order + 1):
        total = np.zeros_like(z)
        for m in reversed(range(len(_STIRLING))):
            power = 2 * m + 1
            factor = (1, -power, power * (power + 1))[derivative]
            total *= square
            total += factor * _STIRLING[m]
        series.append(total * v ** (1 + derivative))
    return series


def _adjustment(mu, phi, products, order):
    """-1/2 ln det X'WX and its derivatives with respect to ln phi, a list of arrays (b,)."""
    w = mu / (1 + phi[:, None] * mu)  # dw/dphi = -w^2

    def cross(weights):
        p = round(products.shape[1] ** 0.5)
        return (weights @ products).reshape(-1, p, p)

    information = cross(w)
    log_determinant = np.linalg.slogdet(information)[1]
    terms = [-0.5 * log_determinant]
    if order >= 1:
        change = solve_each(information, cross(w**2))
        d1 = 0.5 * np.trace(change, axis1=1, axis2=2)
        terms.append(phi * d1)
    if order >= 2:
        second = solve_each(information, cross(w**3))
        d2 = 0.5 * np.einsum("bij,bji->b", change, change) - np.trace(second, axis1=1, axis2=2)
        terms.append(phi**2 * d2 + phi * d1)
    unequal = log_determinant < np.log(np.einsum("bii->bi", information)).sum(axis=1) + LEAST_DETERMINANT
    if unequal.any():
        exact = _adjustment_by_rows(w[unequal], phi[unequal], products, order)
        for term, values in zip(terms, exact, strict=True):
            term[unequal] = values
    return terms


def _adjustment_by_rows(w, phi, products, order):
    """Compute the same from QR = W^1/2 X, where X'WX has rounded small weights away beside large ones."""
    q, r = np.linalg.qr(np.sqrt(w)[:, :, None] * _rows_of(products))
    terms = [-np.log(np.abs(np.einsum("bii->bi", r))).sum(axis=1)]
    leverages = (q**2).sum(axis=2)
    if order >= 1:
        d1 = 0.5 * (w * leverages).sum(axis=1)
        terms.append(phi * d1)
    if order >= 2:
        change = q.transpose(0, 2, 1) @ (w[:, :, None] * q)
        d2 = 0.5 * (change**2).sum(axis=(1, 2)) - (w**2 * leverages).sum(axis=1)
        terms.append(phi**2 * d2 + phi * d1)
    return terms


def _rows_of(products):
    """Rows of the design (n, p) from their products, up to a sign for each, which changes no information."""
    n, p = len(products), round(products.shape[1] ** 0.5)
    squares = products.reshape(n, p, p)
    largest = np.einsum("nii->ni", squares).argmax(axis=1)
    rows = squares[np.arange(n), largest]
    return rows / np.sqrt(np.maximum(rows[np.arange(n), largest], np.finfo(float).tiny))[:, None]
