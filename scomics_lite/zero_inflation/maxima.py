"""From a block of counts to the maxima of its genes' likelihoods, and what kind of maximum each is."""

from dataclasses import dataclass

import numpy as np

from scomics_lite.zero_inflation import starts
from scomics_lite.zero_inflation.firth import Penalised
from scomics_lite.zero_inflation.likelihood import Likelihood, Parts, constant
from scomics_lite.zero_inflation.search import climb

LITTLE_GAIN = 1e-6  # in log likelihood: structural zeros that win no more are none
LEAST_ZERO = 1e-100  # probability, to divide by
NEVER = -40.0  # logit of a probability that is 0 to the last digit
LOW, HIGH = -8.0, 10.0  # logits of probabilities that are on their way to 0 and to 1
FLAT = 1e-5  # information of a coefficient, columns scaled to 1: its standard error is 300, as good as infinite
TOUCHED = 1e-3  # share of a flat direction that leaves a coefficient without an estimate


@dataclass(frozen=True, eq=False)
class Maxima:
    """What was found for b genes.

    Attributes
    ----------
    theta : ndarray, shape (b, P)
        Coefficients of mean, zeros and dispersion, side by side. Without inflation the zero part's are -inf where the
        columns that make up an intercept are, and NaN elsewhere.
    log_likelihood : ndarray, shape (b,)
        The highest, without a penalty.
    covariance : ndarray, shape (b, P, P)
        Inverse of the observed information; NaN where there is no estimate.
    iterations : ndarray of int, shape (b,)
    status : ndarray of str, shape (b,)
    """

    theta: np.ndarray
    log_likelihood: np.ndarray
    covariance: np.ndarray
    iterations: np.ndarray
    status: np.ndarray


def fit_block(model, x, z, d, size_factors, firth, y):
    """Fit b genes.

    Parameters
    ----------
    model : str
        ``"nb"``, ``"zinb"`` or ``"hurdle"``.
    x, z, d : ndarray, shape (n, p), (n, q) and (n, r)
        Designs.
    size_factors : ndarray, shape (n,)
    firth : bool
        Whether all genes are penalised, or only those without a maximum at finite coefficients.
    y : ndarray, shape (n, b)

    Returns
    -------
    Maxima
    """
    likelihood = Likelihood.of(model, Parts.of(x, z, d, size_factors), y)
    theta, height, iterations, arrived = _SEARCHES[model](likelihood)
    return describe(likelihood, theta, height, iterations, arrived, firth)


def describe(likelihood, theta, height, iterations, arrived, firth):
    """Say what kind of maximum each gene has, and put penalised estimates where there is none at finite coefficients.

    Parameters
    ----------
    likelihood : Likelihood
    theta, height, iterations, arrived : ndarray
        As `climb` gives them.
    firth : bool

    Returns
    -------
    Maxima
    """
    parts = likelihood.parts
    without = (parts.gate_rows @ parts.split(theta)[1] <= NEVER + 1).all(axis=0) & (likelihood.model == "zinb")
    theta, iterations = theta.copy(), iterations.copy()
    information = _observed(likelihood, theta, without)
    kinds = _Directions(parts, information)
    zeta = parts.gate_rows @ parts.split(theta)[1]
    low = LOW if len(zeta) > 1 else 0.0
    nearly = ~without & kinds.flat_in("z") & (zeta.max(axis=0) < low) & (likelihood.model == "zinb")
    if nearly.any():  # so near pi = 0 that nothing is won by it
        beta, _, delta = parts.split(theta[:, nearly])
        theta[:, nearly] = parts.with_zeros(np.concatenate([beta, delta]), NEVER)
        without = without | nearly
        information = _observed(likelihood, theta, without)
        kinds = _Directions(parts, information)
    separated = kinds.flat_in("x") | (kinds.flat_in("z") & ~without)
    somewhere = separated & ~kinds.flat_in("x") & (likelihood.model == "zinb") & (zeta.max(axis=0) < HIGH)
    unsaid = without & (not firth)  # their zero part stays at pi = 0
    arrived = arrived | separated
    for simple in (False, True):
        again = np.flatnonzero((separated | firth) & (unsaid == simple))
        if again.size:
            theta[:, again], information[again], more, came = _penalised(
                likelihood.take(again), theta[:, again], simple
            )
            iterations[again] += more
            arrived[again] &= came
    kinds = _Directions(parts, information)
    is_small = (parts.rows @ parts.split(theta)[2]).min(axis=0) < 0
    words = {
        "separated": separated & ~somewhere,
        "inflation in some cells": somewhere,
        "no inflation": without,
        "no overdispersion": kinds.flat_in("d") & is_small,
        "dispersion at bound": kinds.flat_in("d") & ~is_small,
    }
    covariance = kinds.covariance(unsaid)
    return Maxima(_reported(parts, theta, unsaid), height, covariance, iterations, _joined(words, arrived))


def _reported(parts, theta, without):
    """Turn the logits of a probability of 0 into what they stand for."""
    theta = theta.T.copy()
    p, q, _ = parts.sizes
    never = constant(parts.z, np.array([NEVER])).ravel().round(9)
    theta[np.ix_(without, range(p, p + q))] = np.where(never == 0, np.nan, np.copysign(np.inf, never))
    return theta


def _joined(words, arrived):
    """Give every gene the words that are true of it, ``converged`` where none is."""
    status = np.full(len(arrived), "", dtype=object)
    for word, true in words.items():
        status[true] += ", " + word
    status = np.array([text.removeprefix(", ") or "converged" for text in status], dtype=object)
    status[~arrived] = "not converged"
    return status


# --- searches ---------------------------------------------------------------------------------------------------------


def inflation_statistic(parts, y):
    """Give twice what structural zeros win in log likelihood, for genes with some counts.

    Parameters
    ----------
    parts : Parts
    y : ndarray, shape (n, b)

    Returns
    -------
    ndarray, shape (b,)
    """
    simple = _search_negative_binomial(Likelihood.of("nb", parts.without_zeros(), y))
    return 2 * (_search_zero_inflated(Likelihood.of("zinb", parts, y), simple)[1] - simple[1])


def _search_negative_binomial(likelihood):
    return climb(likelihood, starts.negative_binomial_start(likelihood.parts, likelihood.y))


def _search_zero_inflated(likelihood, simple=None):
    """Take the best: without structural zeros (found already or not), from there with a few, from counts above zero."""
    parts, y = likelihood.parts, likelihood.y
    if simple is None:
        simple = _search_negative_binomial(Likelihood.of("nb", parts.without_zeros(), y))
    theta, height, steps, arrived = simple
    zero = np.exp(Likelihood.of("nb", parts.without_zeros(), y).fitted(theta)["f"])
    surplus = np.where(likelihood.is_zero, 1 / np.maximum(zero, LEAST_ZERO), 0.0) - 1
    every = np.arange(y.shape[1])
    beginnings = [(every, starts.inflated_start(parts, y)), (every, starts.slightly_inflated(parts, theta))]
    beginnings += starts.inflated_at_an_end(parts, theta, surplus)
    found = parts.with_zeros(theta, NEVER), height + LITTLE_GAIN, steps, arrived
    return best_of(likelihood, found, beginnings)


def _search_hurdle(likelihood):
    """Start from the counts above zero, and from the negative binomial fit of all."""
    parts, y = likelihood.parts, likelihood.y
    theta, height, steps, arrived = _search_negative_binomial(Likelihood.of("nb", parts.without_zeros(), y))
    nothing = parts.with_zeros(theta, 0.0), np.full(len(height), -np.inf), steps, arrived
    every = np.arange(y.shape[1])
    beginnings = [(every, parts.with_zeros(theta, 0.0)), (every, starts.inflated_start(parts, y))]
    return best_of(likelihood, nothing, beginnings)


def best_of(objective, found, beginnings):
    """Climb from several beginnings, and keep the highest of what was found.

    Parameters
    ----------
    objective : Likelihood
    found : tuple
        What there is already: theta, value, steps and arrived.
    beginnings : iterable of tuple
        Genes, by position, and where they begin, (P, c).

    Returns
    -------
    tuple
    """
    given = found[1]
    theta, height, steps, arrived = (values.copy() for values in found)
    for genes, beginning in beginnings:
        other, value, more, came = climb(objective.take(genes), beginning)
        better = value > height[genes]
        theta[:, genes[better]], height[genes[better]] = other[:, better], value[better]
        steps[genes] += more
        arrived[genes[better]] = came[better]
    return theta, np.where(height > given, height, given - LITTLE_GAIN), steps, arrived


def _penalised(likelihood, theta, simple):
    """Climb to the maximum of the penalised likelihood; give the coefficients, information, steps, and who arrived.

    Where `simple`, of the negative binomial likelihood, and there is no zero part.
    """
    parts = likelihood.parts
    phi = np.exp(np.clip(parts.rows @ parts.split(theta)[2], *np.log([starts.LEAST_PHI, starts.MOST_PHI])))
    if simple:
        likelihood = Likelihood.of("nb", parts.without_zeros(), likelihood.y)
    objective = Penalised.of(likelihood, phi)
    found, _, steps, arrived = climb(objective, starts.inflated_start(likelihood.parts, likelihood.y))
    information = objective.derivatives(found)[2]
    if simple:
        return parts.with_zeros(found, NEVER), _with_zeros(parts, information), steps, arrived
    return found, information, steps, arrived


_SEARCHES = {"nb": _search_negative_binomial, "zinb": _search_zero_inflated, "hurdle": _search_hurdle}


# --- what the information says ----------------------------------------------------------------------------------------


class _Directions:
    """The principal directions of every gene's information, with all columns of the designs scaled to 1."""

    def __init__(self, parts, information):
        sizes = [np.abs(columns).max(axis=0) for columns in (parts.x, parts.z, parts.d)]
        self.scale = np.concatenate(sizes)
        self.sizes = parts.sizes
        scaled = information / np.outer(self.scale, self.scale)
        self.curvature, self.axes = np.linalg.eigh(np.where(np.isfinite(scaled), scaled, 0.0))
        self.flat = self.curvature < FLAT

    def flat_in(self, name):
        """Tell which genes have a flat direction that is mostly one part's, (b,)."""
        parts = np.split(self.axes**2, np.cumsum(self.sizes)[:2], axis=1)
        shares = [part.sum(axis=1) for part in parts]
        most = np.argmax(shares, axis=0) == "xzd".index(name)
        return (self.flat & most).any(axis=1)

    def covariance(self, without):
        """Invert the information where it is not flat; NaN for coefficients that lie in a flat direction."""
        inverse = np.where(self.flat, 0.0, 1 / np.where(self.flat, 1.0, self.curvature))
        covariance = np.einsum("bjk,bk,blk->bjl", self.axes, inverse, self.axes) / np.outer(self.scale, self.scale)
        lost = np.einsum("bjk,bk->bj", self.axes**2, self.flat) > TOUCHED
        lost[np.ix_(without, np.arange(self.sizes[0], sum(self.sizes[:2])))] = True
        covariance[lost[:, :, None] | lost[:, None, :]] = np.nan
        return covariance


def _observed(likelihood, theta, without):
    """Give the information at a maximum, (b, P, P); without structural zeros, that of the negative binomial fit."""
    information = likelihood.derivatives(theta)[2]
    if without.any():
        parts, part = likelihood.parts, likelihood.take(without)
        simple = Likelihood.of("nb", parts.without_zeros(), part.y)
        beta, _, delta = parts.split(theta[:, without])
        information[without] = _with_zeros(parts, simple.derivatives(np.concatenate([beta, delta]))[2])
    return information


def _with_zeros(parts, information):
    """Put a zero part of which nothing is asked into the information on means and dispersion."""
    p, q, _ = parts.sizes
    return np.insert(np.insert(information, [p] * q, 0.0, axis=1), [p] * q, 0.0, axis=2) + np.diag(
        np.repeat([0.0, 1.0, 0.0], parts.sizes)
    )
