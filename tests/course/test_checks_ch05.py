"""The bank of chapter 5: right answers written differently pass, typical wrong ones get the diagnosis that fits."""

from itertools import combinations
from math import exp, gamma, log, sqrt
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from fixtures.check_bank import BankTests, answer_cells
from scipy import optimize, special, stats

from scomics_lite import differential, negative_binomial
from scomics_lite.course.checks import review
from scomics_lite.course.checks.ch05 import cases, slips, study_slips
from scomics_lite.course.checks.ch05.study_questions import CHANGED

SOLUTIONS = Path(__file__).parents[2] / "solutions" / "05_zero_inflation_zinb_solutions.ipynb"

# --- 1: the distribution ----------------------------------------------------------------------------------------------


def nb_pmf(y, mu, phi):
    return stats.nbinom.pmf(y, 1 / phi, 1 / (1 + phi * mu))


def pmf(y, mu, phi, pi):
    return np.where(y == 0, pi + (1 - pi) * nb_pmf(0, mu, phi), (1 - pi) * nb_pmf(y, mu, phi))


def pmf_by_gamma_functions(y, mu, phi, pi):
    """Write the negative binomial out, from logarithms, one count after the other."""
    k, result = 1 / phi, []
    for count in y:
        log_nb = special.gammaln(count + k) - special.gammaln(k) - special.gammaln(count + 1)
        log_nb += k * log(k / (k + mu)) + count * log(mu / (k + mu))
        result.append((pi if count == 0 else 0) + (1 - pi) * exp(log_nb))
    return result


def pmf_by_the_package(y, mu, phi, pi):
    return pd.Series(pi * (y == 0) + (1 - pi) * np.exp(negative_binomial.log_likelihood(y, mu, phi)))


def moments(mu, phi, pi):
    mean = (1 - pi) * mu
    return mean, mean * (1 + pi * mu) + (1 - pi) * phi * mu**2


def moments_by_total_variance(mu, phi, pi):
    return {"variance": (1 - pi) * (mu + phi * mu**2) + pi * (1 - pi) * mu**2, "mean": mu - pi * mu}


def moments_by_sums(mu, phi, pi):
    y = np.arange(2_000)
    p = pmf(y, mu, phi, pi)
    return [np.sum(y * p), np.sum(y**2 * p) - np.sum(y * p) ** 2]


def distribution(pmf=pmf, moments=moments):
    return {"pmf": pmf, "moments": moments}


def variance_as(function):
    return distribution(moments=lambda mu, phi, pi: ((1 - pi) * mu, function(mu, phi, pi)))


def mean_as(function):
    return distribution(moments=lambda mu, phi, pi: (function(mu, pi), moments(mu, phi, pi)[1]))


ZINB_RIGHT = {
    "scipy": distribution(),
    "gamma functions, a dict": distribution(pmf_by_gamma_functions, moments_by_total_variance),
    "the package, sums": distribution(pmf_by_the_package, moments_by_sums),
}


def overflows(y, mu, phi, pi):
    k = 1 / phi
    nb = [gamma(n + k) / gamma(k) / gamma(n + 1) * (1 + phi * mu) ** -k * (phi * mu / (1 + phi * mu)) ** n for n in y]
    return np.where(y == 0, pi, 0) + (1 - pi) * np.array(nb)


ZINB_WRONG = {
    "structural zeros only": (
        distribution(lambda y, mu, phi, pi: np.where(y == 0, pi, (1 - pi) * nb_pmf(y, mu, phi))),
        "`pmf` counts structural zeros only",
    ),
    "more than 1": (
        distribution(lambda y, mu, phi, pi: np.where(y == 0, pi, 0) + nb_pmf(y, mu, phi)),
        "more than 1 over all counts",
    ),
    "positive counts in full": (
        distribution(lambda y, mu, phi, pi: np.where(y == 0, pmf(y, mu, phi, pi), nb_pmf(y, mu, phi))),
        "more than 1 over all counts",
    ),
    "less than 1": (distribution(lambda y, mu, phi, pi: (1 - pi) * nb_pmf(y, mu, phi)), "less than 1 over all counts"),
    "swapped": (distribution(lambda y, mu, phi, pi: pmf(y, mu, phi, 1 - pi)), "in each other's place"),
    "pi everywhere": (
        distribution(lambda y, mu, phi, pi: pi + (1 - pi) * nb_pmf(y, mu, phi)),
        "A structural zero is a zero",
    ),
    "hurdle": (
        distribution(
            lambda y, mu, phi, pi: np.where(y == 0, pi, (1 - pi) * nb_pmf(y, mu, phi) / (1 - nb_pmf(0, mu, phi)))
        ),
        "is a hurdle model's",
    ),
    "NB": (distribution(lambda y, mu, phi, pi: nb_pmf(y, mu, phi)), "pi is not in it"),
    "Poisson": (
        distribution(lambda y, mu, phi, pi: pi * (y == 0) + (1 - pi) * stats.poisson.pmf(y, mu)),
        "where is phi?",
    ),
    "size for dispersion": (distribution(lambda y, mu, phi, pi: pmf(y, mu, 1 / phi, pi)), "takes phi for scipy's n"),
    "scipy's p": (
        distribution(
            lambda y, mu, phi, pi: pi * (y == 0) + (1 - pi) * stats.nbinom.pmf(y, 1 / phi, phi * mu / (1 + phi * mu))
        ),
        "scipy's p for the other outcome",
    ),
    "overall mean": (distribution(lambda y, mu, phi, pi: pmf(y, mu / (1 - pi), phi, pi)), "mu for the mean of all"),
    "cdf": (
        distribution(lambda y, mu, phi, pi: pi + (1 - pi) * stats.nbinom.cdf(y, 1 / phi, 1 / (1 + phi * mu))),
        "of a count up to y",
    ),
    "logarithms": (distribution(lambda *case: np.log(pmf(*case))), "on the log scale"),
    "overflow": (distribution(overflows), "your code raised OverflowError"),
    "factorials in floats": (
        distribution(
            lambda y, mu, phi, pi: (
                pi * (y == 0)
                + (1 - pi)
                * special.gamma(y + 1 / phi)
                / special.gamma(1 / phi)
                / special.gamma(y + 1)
                * (1 + phi * mu) ** (-1 / phi)
                * (phi * mu / (1 + phi * mu)) ** y
            )
        ),
        "for counts in the hundreds, `pmf` is NaN",
    ),
    "mean of the others": (mean_as(lambda mu, pi: mu), "the cells that are no structural zeros"),
    "mean of pi": (mean_as(lambda mu, pi: pi * mu), "where the share of the other cells belongs"),
    "mean divided": (mean_as(lambda mu, pi: mu / (1 - pi)), "zeros make a mean smaller"),
    "average variance": (variance_as(lambda mu, phi, pi: (1 - pi) * (mu + phi * mu**2)), "by having different means"),
    "variance of means": (variance_as(lambda mu, phi, pi: pi * (1 - pi) * mu**2), "vary among themselves"),
    "NB of the mean": (
        variance_as(lambda mu, phi, pi: (1 - pi) * mu + phi * ((1 - pi) * mu) ** 2),
        "the extra zeros add more than that",
    ),
    "of the others": (variance_as(lambda mu, phi, pi: mu + phi * mu**2), "that of the cells that are no structural"),
    "mean of squares": (
        variance_as(lambda mu, phi, pi: (1 - pi) * (mu + phi * mu**2 + mu**2)),
        "is the mean of the squares",
    ),
    "mu squared subtracted": (
        variance_as(lambda mu, phi, pi: (1 - pi) * (mu + phi * mu**2 + mu**2) - mu**2),
        "subtracts the square of mu",
    ),
    "scaled": (variance_as(lambda mu, phi, pi: (1 - pi) ** 2 * (mu + phi * mu**2)), "as if all counts were multiplied"),
    "no dispersion": (variance_as(lambda mu, phi, pi: (1 - pi) * mu * (1 + pi * mu)), "no dispersion in it"),
    "the seed's k": (
        variance_as(lambda mu, phi, pi: (1 - pi) * mu * (1 + pi * mu) + (1 - pi) * mu**2 / phi),
        "the formula of the size k",
    ),
    "pi swapped in the variance": (
        variance_as(lambda mu, phi, pi: moments(mu, phi, 1 - pi)[1]),
        "in each other's place",
    ),
    "standard deviation": (variance_as(lambda *case: sqrt(moments(*case)[1])), "is a standard deviation"),
    "a factor lost": (
        variance_as(lambda mu, phi, pi: (1 - pi) * mu * (1 + pi * mu) + phi * mu**2),
        "lacks a factor 1 - pi",
    ),
    "variance alone": (distribution(moments=lambda *case: moments(*case)[1]), "should hand back mean and variance"),
    "another order": (distribution(moments=lambda *case: moments(*case)[::-1]), "in another order"),
}


def hinted_moments(mu, phi, pi):
    m = (1 - pi) * mu
    return m, (1 - pi) * (mu + phi * mu**2 + mu**2) - m**2


def hinted_pmf(y, mu, phi, pi):
    nb = stats.nbinom.pmf(y, 1 / phi, 1 / (1 + phi * mu))
    result = (1 - pi) * nb
    result[y == 0] += pi
    return result


# --- 2: responsibilities ----------------------------------------------------------------------------------------------


def structural(y, mu, phi, pi, s):
    zero = (1 + phi * s * mu) ** (-1 / phi)
    return np.where(y == 0, pi / (pi + (1 - pi) * zero), 0)


def structural_by_loops(y, mu, phi, pi, s):
    result = []
    for count, size in zip(y, s, strict=True):
        other = nb_pmf(0, size * mu, phi)
        result.append(pi / (pi + other - pi * other) if count == 0 else 0)
    return result


def structural_by_odds(y, mu, phi, pi, s):
    """From log odds, so that pi = 0 is minus infinity."""
    with np.errstate(divide="ignore"):
        odds = np.log(pi) - np.log1p(-pi) + np.log1p(phi * s * mu) / phi
    return pd.Series(special.expit(odds)).where(y == 0, 0.0)


def structural_by_pmf(y, mu, phi, pi, s):
    return (
        pi * (y == 0) / [float(pmf(np.array([count]), size * mu, phi, pi)[0]) for count, size in zip(y, s, strict=True)]
    )


STRUCTURAL_RIGHT = {
    "arrays": structural,
    "loops": structural_by_loops,
    "log odds, a Series": structural_by_odds,
    "from the pmf": structural_by_pmf,
}


def with_zeros_of(zero, join=lambda pi, zero: pi / (pi + (1 - pi) * zero)):
    """Change the probability of a sampling zero, or how the two kinds are compared."""
    return lambda y, mu, phi, pi, s: np.where(y == 0, join(pi, zero(mu, phi, s)), 0)


def zeros_of_nb(mu, phi, s):
    return (1 + phi * s * mu) ** (-1 / phi)


STRUCTURAL_WRONG = {
    "pi": (lambda y, mu, phi, pi, s: np.where(y == 0, pi, 0), "what one knew before looking at the cell"),
    "positive counts too": (
        lambda y, mu, phi, pi, s: pi / (pi + (1 - pi) * nb_pmf(y, s * mu, phi)),
        "A positive count is no zero",
    ),
    "P(0) for all": (
        lambda y, mu, phi, pi, s: pi / (pi + (1 - pi) * zeros_of_nb(mu, phi, s)),
        "A positive count is no zero",
    ),
    "sampling zeros": (lambda y, *rest: np.where(y == 0, 1 - structural(y, *rest), 0), "that a zero came by sampling"),
    "one minus": (lambda *case: 1 - structural(*case), "the probability of the other kind"),
    "no weights": (with_zeros_of(zeros_of_nb, lambda pi, zero: 1 / (1 + zero)), "how frequent the two kinds"),
    "one weight": (with_zeros_of(zeros_of_nb, lambda pi, zero: pi / (pi + zero)), "forgets the factor 1 - pi"),
    "swapped": (with_zeros_of(zeros_of_nb, lambda pi, zero: (1 - pi) / (1 - pi + pi * zero)), "in each other's place"),
    "odds": (with_zeros_of(zeros_of_nb, lambda pi, zero: pi / ((1 - pi) * zero)), "are those of both kinds"),
    "no depths": (with_zeros_of(lambda mu, phi, s: zeros_of_nb(mu, phi, 1)), "leaves out the size factors"),
    "divided by depths": (with_zeros_of(lambda mu, phi, s: zeros_of_nb(mu, phi, 1 / s)), "divides mu by the size"),
    "size for dispersion": (with_zeros_of(lambda mu, phi, s: zeros_of_nb(mu, 1 / phi, s)), "takes phi for scipy's n"),
    "Poisson": (with_zeros_of(lambda mu, phi, s: np.exp(-s * mu)), "the zeros of Poisson counts"),
    "overall mean": (
        lambda y, mu, phi, pi, s: structural(y, (1 - pi) * mu, phi, pi, s),
        "takes mu for the mean of all cells",
    ),
    "decided": (lambda *case: structural(*case) > 0.5, "decides cell by cell"),
    "observed zeros": (
        lambda y, mu, phi, pi, s: np.where(y == 0, pi / np.mean(y == 0), 0),
        "the share of zeros that was observed",
    ),
    "NaN at pi = 0": (
        lambda y, mu, phi, pi, s: (
            np.where(y == 0, 1 / (1 + (1 - pi) / (pi / zeros_of_nb(mu, phi, s))), 0) if pi else y / 0.0 * 0
        ),
        "where pi is 0, your result is NaN",
    ),
    "zeros only": (lambda y, *rest: structural(y, *rest)[y == 0], "your result has shape"),
    "integers": (lambda *case: structural(*case).astype(int), "np.zeros_like(y)"),
}

# --- 3: one step of EM ------------------------------------------------------------------------------------------------


def em_step(y, mu, phi, pi, s, *, r=None, mean=None):
    """One step, with the responsibilities or the mean changed."""
    r = structural(y, mu, phi, pi, s) if r is None else r(y, mu, phi, pi, s)
    return (mean or settled)(y, mu, phi, s, 1 - r), r.mean()


def settled(y, mu, phi, s, weights, rounds=100):
    for _ in range(rounds):
        w = weights * s / (1 + phi * s * mu)
        mu = np.sum(w * y / s) / np.sum(w)
    return mu


def em_by_an_optimiser(y, mu, phi, pi, s):
    r = structural(y, mu, phi, pi, s)

    def lost(log_mu):
        return -np.sum((1 - r) * stats.nbinom.logpmf(y, 1 / phi, 1 / (1 + phi * s * np.exp(log_mu))))

    return {"mu": np.exp(optimize.minimize_scalar(lost, bounds=(-5, 5), method="bounded").x), "pi": np.mean(r)}


def em_by_the_derivative(y, mu, phi, pi, s):
    w = 1 - structural(y, mu, phi, pi, s)
    root = optimize.brentq(lambda m: np.sum(w * (y - s * m) / (1 + phi * s * m)), 1e-6, 1e3)
    return [root, 1 - w.mean()]


def log_likelihood(y, mu, phi, pi, s):
    return sum(np.log(pmf(y[[i]], s[i] * mu, phi, pi)[0]) for i in range(len(y)))


def log_likelihood_by_logs(y, mu, phi, pi, s):
    nb = negative_binomial.log_likelihood(y, s * mu, phi) + np.log1p(-pi)
    return np.where(y == 0, np.logaddexp(np.log(pi), nb), nb).sum()


def climb(em_step=em_step, log_likelihood=log_likelihood):
    return {"em_step": em_step, "log_likelihood": log_likelihood}


EM_RIGHT = {
    "weighted means": climb(),
    "an optimiser, a dict": climb(em_by_an_optimiser, log_likelihood_by_logs),
    "the derivative, a list": climb(em_by_the_derivative),
}


def step(**changes):
    return climb(lambda *case: em_step(*case, **changes))


def mu_as(function):
    """Give another mu from y, mu, phi, s and the weights."""
    return step(mean=function)


def pi_as(function):
    """Give another pi from the responsibilities and the case."""
    return climb(lambda *case: (em_step(*case)[0], function(structural(*case), *case)))


def one_after_the_other(y, mu, phi, pi, s):
    new = structural(y, mu, phi, pi, s).mean()
    return em_step(y, mu, phi, new, s)[0], new


def mu_first(y, mu, phi, pi, s):
    new = em_step(y, mu, phi, pi, s)[0]
    return new, structural(y, new, phi, pi, s).mean()


def many_steps(y, mu, phi, pi, s):
    for _ in range(80):
        mu, pi = em_step(y, mu, phi, pi, s)
    return mu, pi


def r_in_the_loop(y, mu, phi, pi, s):
    new = structural(y, mu, phi, pi, s).mean()
    for _ in range(150):
        mu = settled(y, mu, phi, s, 1 - structural(y, mu, phi, pi, s), rounds=1)
    return mu, new


def likelihood_as(function):
    return climb(log_likelihood=function)


def zinb_total(y, mean, phi, pi):
    nb = negative_binomial.log_likelihood(y, mean, phi)
    return np.log(pi * (y == 0) + (1 - pi) * np.exp(nb)).sum()


EM_WRONG = {
    "mean over the zeros": (pi_as(lambda r, y, *_: r[y == 0].mean()), "among the zeros"),
    "share of zeros": (pi_as(lambda r, y, *_: np.mean(y == 0)), "Some of them came by sampling"),
    "one minus": (pi_as(lambda r, *_: 1 - r.mean()), "that are no structural zeros"),
    "pi as it was": (pi_as(lambda r, y, mu, phi, pi, s: pi), "your pi is what it was"),
    "a sum": (pi_as(lambda r, *_: r.sum()), "is a sum over cells"),
    "decided": (step(r=lambda *case: (structural(*case) > 0.5) * 1.0), "decides cell by cell"),
    "excess": (
        pi_as(lambda r, y, mu, phi, pi, s: np.mean(y == 0) - zeros_of_nb(mu, phi, s).mean()),
        "a rough estimate of its own",
    ),
    "r without depths": (step(r=lambda y, mu, phi, pi, s: structural(y, mu, phi, pi, 1)), "without size factors"),
    "r of Poisson": (
        step(r=lambda y, mu, phi, pi, s: np.where(y == 0, pi / (pi + (1 - pi) * np.exp(-s * mu)), 0)),
        "the zeros of Poisson counts",
    ),
    "size for dispersion": (
        climb(lambda y, mu, phi, pi, s: em_step(y, mu, 1 / phi, pi, s)),
        "your pi takes phi for scipy's n",
    ),
    "mu first": (climb(mu_first), "anew after mu was replaced"),
    "pi first": (climb(one_after_the_other), "anew after pi was replaced"),
    "many steps": (climb(many_steps), "where EM ends after many steps"),
    "r in the loop": (climb(r_in_the_loop), "computed anew with each new mu"),
    "weights of the zeros": (
        mu_as(lambda y, mu, phi, s, w: settled(y, mu, phi, s, 1 - w)),
        "by the probability of a structural zero",
    ),
    "all in full": (mu_as(lambda y, mu, phi, s, w: settled(y, mu, phi, s, 1 + 0 * w)), "counts all cells in full"),
    "plain mean": (mu_as(lambda y, mu, phi, s, w: y.mean()), "counts all cells in full"),
    "positive cells": (mu_as(lambda y, mu, phi, s, w: settled(y, mu, phi, s, y > 0)), "leaves out all zeros"),
    "mean of positive cells": (mu_as(lambda y, mu, phi, s, w: y[y > 0].mean()), "leaves out all zeros"),
    "no depths": (mu_as(lambda y, mu, phi, s, w: np.average(y, weights=w)), "leaves out the size factors"),
    "divided by cells": (mu_as(lambda y, mu, phi, s, w: np.mean(w * y / s)), "counts all cells in full"),
    "Poisson weights": (
        mu_as(lambda y, mu, phi, s, w: np.sum(w * y) / np.sum(w * s)),
        "has the weights of Poisson counts",
    ),
    "equal weights": (mu_as(lambda y, mu, phi, s, w: np.average(y / s, weights=w)), "the weight of a deep one"),
    "no s on top": (
        mu_as(lambda y, mu, phi, s, w: settled(y, mu, phi, s, w / s)),
        "lack the size factor on top",
    ),
    "one round": (mu_as(lambda *case: settled(*case, rounds=1)), "is one round of the weighted mean"),
    "mu as it was": (mu_as(lambda y, mu, phi, s, w: mu), "your mu is what it was"),
    "mean of all": (mu_as(lambda y, mu, phi, s, w: w.mean() * settled(y, mu, phi, s, w)), "is the mean of all cells"),
    "size in the weights": (mu_as(lambda y, mu, phi, s, w: settled(y, mu, 1 / phi, s, w)), "takes phi for scipy's n"),
    "far off": (mu_as(lambda y, mu, phi, s, w: 30.0), "less likely after your step than before"),
    "another order": (climb(lambda *case: em_step(*case)[::-1]), "in another order"),
    "mu alone": (climb(lambda *case: em_step(*case)[0]), "should hand back mu and pi"),
    "a number for each cell": (
        likelihood_as(lambda y, mu, phi, pi, s: np.zeros(len(y))),
        "has a number for each cell",
    ),
    "a product": (
        likelihood_as(
            lambda y, mu, phi, pi, s: np.log(
                np.exp([zinb_total(*c, phi, pi) for c in zip(y[:, None], s[:, None] * mu, strict=True)]).prod()
            )
        ),
        "`log_likelihood` is infinite",
    ),
    "a mean": (likelihood_as(lambda y, mu, phi, pi, s: zinb_total(y, s * mu, phi, pi) / len(y)), "is a mean"),
    "minus": (likelihood_as(lambda *case: -log_likelihood_by_logs(*case)), "the opposite sign"),
    "logs at zeros": (
        likelihood_as(
            lambda y, mu, phi, pi, s: (
                np.log(pi) * np.sum(y == 0) + np.sum(negative_binomial.log_likelihood(y, s * mu, phi) + np.log(1 - pi))
            )
        ),
        "adds logarithms at the zeros",
    ),
    "no 1 - pi": (
        likelihood_as(lambda y, mu, phi, pi, s: zinb_total(y, s * mu, phi, pi) - np.log(1 - pi) * np.sum(y > 0)),
        "leaves out the factor 1 - pi",
    ),
    "all structural": (
        likelihood_as(
            lambda y, mu, phi, pi, s: (
                np.log(pi) * np.sum(y == 0)
                + np.sum((negative_binomial.log_likelihood(y, s * mu, phi) + np.log(1 - pi))[y > 0])
            )
        ),
        "takes all zeros for structural ones",
    ),
    "NB": (
        likelihood_as(lambda y, mu, phi, pi, s: negative_binomial.log_likelihood(y, s * mu, phi).sum()),
        "pi is not in it",
    ),
    "positive cells only": (
        likelihood_as(lambda y, mu, phi, pi, s: zinb_total(y[y > 0], s[y > 0] * mu, phi, pi)),
        "leaves out the zeros",
    ),
    "expected": (
        likelihood_as(
            lambda y, mu, phi, pi, s: np.sum(
                (1 - structural(y, mu, phi, pi, s)) * negative_binomial.log_likelihood(y, s * mu, phi)
            )
        ),
        "once the kinds of cells are guessed",
    ),
    "likelihood without depths": (
        likelihood_as(lambda y, mu, phi, pi, s: zinb_total(y, mu, phi, pi)),
        "leaves out the size factors",
    ),
    "likelihood of Poisson": (
        likelihood_as(lambda y, mu, phi, pi, s: zinb_total(y, s * mu, 0, pi)),
        "the likelihood of Poisson counts",
    ),
    "likelihood with the size": (
        likelihood_as(lambda y, mu, phi, pi, s: zinb_total(y, s * mu, 1 / phi, pi)),
        "takes phi for scipy's n",
    ),
    "log2": (
        likelihood_as(lambda y, mu, phi, pi, s: zinb_total(y, s * mu, phi, pi) / np.log(2)),
        "not in natural logarithms",
    ),
    "no factorials": (
        likelihood_as(lambda y, mu, phi, pi, s: zinb_total(y, s * mu, phi, pi) + special.gammaln(y + 1).sum()),
        "lacks ln y!",
    ),
}


def hinted_step(y, mu, phi, pi, s):
    r = structural(y, mu, phi, pi, s)
    for _ in range(100):
        w = (1 - r) * s / (1 + phi * s * mu)
        mu = np.sum(w * y / s) / np.sum(w)
    return mu, r.mean()


def hinted_likelihood(y, mu, phi, pi, s):
    return np.sum(np.log(hinted_pmf(y, s * mu, phi, pi)))


# --- 4: the boundary --------------------------------------------------------------------------------------------------


def boundary_test(zinb, nb, *, tail=lambda stat: np.where(stat > 0, stats.chi2.sf(stat, 1) / 2, 1)):
    stat = np.maximum(2 * (zinb - nb), 0)
    return stat, tail(stat)


def boundary_by_normal(zinb, nb):
    """The root of the statistic is a normal number that is cut off at zero."""
    z = np.sqrt(2 * np.clip(zinb - nb, 0, None))
    return {"stat": z**2, "pvalue": np.where(z == 0, 1.0, stats.norm.sf(z))}


def boundary_by_loops(zinb, nb):
    table = []
    for gain in np.asarray(zinb) - np.asarray(nb):
        table.append((2 * gain, stats.gamma.sf(2 * gain, 0.5, scale=2) / 2) if gain > 0 else (0.0, 1.0))
    return pd.DataFrame(table, columns=["stat", "pvalue"])


def critical(level):
    return stats.chi2.isf(2 * level, 1)


def at_the_end(boundary_test=boundary_test, critical=critical):
    return {"boundary_test": boundary_test, "critical": critical}


BOUNDARY_RIGHT = {
    "half a tail": at_the_end(),
    "normal, a dict": at_the_end(boundary_by_normal, lambda level: stats.norm.isf(level) ** 2),
    "loops, a table": at_the_end(
        boundary_by_loops,
        lambda level: optimize.brentq(lambda x: stats.chi2.sf(x, 1) / 2 - level, 1e-3, 30),
    ),
}


def stat_as(function):
    """Give another statistic, and the p-value of what comes out."""
    return at_the_end(lambda zinb, nb: (function(zinb, nb), boundary_test(zinb, nb)[1]))


def tail_as(function):
    return at_the_end(lambda zinb, nb: boundary_test(zinb, nb, tail=function))


BOUNDARY_WRONG = {
    "negative": (stat_as(lambda zinb, nb: 2 * (zinb - nb)), "is negative in places"),
    "no 2": (stat_as(lambda zinb, nb: np.maximum(zinb - nb, 0)), "lacks the 2"),
    "absolute": (stat_as(lambda zinb, nb: 2 * np.abs(zinb - nb)), "takes negative differences without their sign"),
    "ratio": (stat_as(lambda zinb, nb: 2 * zinb / nb), "is the ratio of two log likelihoods"),
    "ratio of likelihoods": (stat_as(lambda zinb, nb: np.exp(zinb - nb)), "is the ratio of the likelihoods itself"),
    "swapped": (stat_as(lambda zinb, nb: np.maximum(2 * (nb - zinb), 0)), "the larger model from the smaller one"),
    "chi-squared": (tail_as(lambda stat: stats.chi2.sf(stat, 1)), "the end of its range"),
    "half at zero": (tail_as(lambda stat: stats.chi2.sf(stat, 1) / 2), "is one half where the statistic is 0"),
    "two degrees": (tail_as(lambda stat: stats.chi2.sf(stat, 2)), "has 2 degrees of freedom"),
    "one and two degrees": (
        tail_as(lambda stat: (stats.chi2.sf(stat, 1) + stats.chi2.sf(stat, 2)) / 2),
        "and one inside",
    ),
    "zero at zero": (tail_as(lambda stat: np.where(stat > 0, stats.chi2.sf(stat, 1) / 2, 0)), "is 0 where"),
    "NaN at zero": (
        tail_as(lambda stat: np.where(stat > 0, stats.chi2.sf(stat, 1) / 2, np.nan)),
        "your p-value is NaN",
    ),
    "doubled": (tail_as(lambda stat: np.minimum(2 * stats.chi2.sf(stat, 1), 1)), "is doubled"),
    "lower tail": (tail_as(lambda stat: stats.chi2.cdf(stat, 1)), "is the lower tail"),
    "half the lower tail": (
        tail_as(lambda stat: np.where(stat > 0, stats.chi2.cdf(stat, 1) / 2, 1)),
        "is the lower tail",
    ),
    "normal": (tail_as(stats.norm.sf), "Its root belongs there"),
    "a quarter": (tail_as(lambda stat: np.where(stat > 0, stats.chi2.sf(stat, 1) / 4, 1)), "is halved twice"),
    "1 - cdf": (
        tail_as(lambda stat: np.where(stat > 0, (1 - stats.chi2.cdf(stat, 1)) / 2, 1)),
        "1 - cdf cannot tell it",
    ),
    "another order": (at_the_end(lambda *case: boundary_test(*case)[::-1]), "in another order"),
    "p alone": (at_the_end(lambda *case: boundary_test(*case)[1]), "should hand back stat and pvalue"),
    "usual limit": (at_the_end(critical=lambda level: stats.chi2.isf(level, 1)), "would reject too rarely"),
    "level halved": (at_the_end(critical=lambda level: stats.chi2.isf(level / 2, 1)), "halves the level"),
    "limit halved": (at_the_end(critical=lambda level: stats.chi2.isf(level, 1) / 2), "halves the limit"),
    "root": (at_the_end(critical=stats.norm.isf), "is the root of the limit"),
    "limit of two": (at_the_end(critical=lambda level: stats.chi2.isf(2 * level, 2)), "has 2 degrees of freedom"),
    "lower limit": (at_the_end(critical=lambda level: stats.chi2.ppf(2 * level, 1)), "is from the lower tail"),
    "a p-value": (at_the_end(critical=lambda level: stats.chi2.sf(level, 1) / 2), "is a p-value"),
    "always 5%": (at_the_end(critical=lambda level: 2.705543), "`critical` is"),
}


def hinted_boundary(zinb, nb):
    stat = np.maximum(2 * (zinb - nb), 0)
    return stat, np.where(stat > 0, stats.chi2.sf(stat, 1) / 2, 1)


# --- 5: what changed? -------------------------------------------------------------------------------------------------


def overall(ln_mu, logit_pi, covariance):
    pi = 1 / (1 + np.exp(-logit_pi))
    variance = covariance[0, 0] - 2 * pi * covariance[0, 1] + pi**2 * covariance[1, 1]
    return ln_mu + np.log(1 - pi), np.sqrt(variance)


def overall_by_differences(ln_mu, logit_pi, covariance):
    """With slopes from numbers."""

    def value(x):
        return x[0] - np.logaddexp(0, x[1])

    slopes = optimize.approx_fprime([ln_mu, logit_pi], value, 1e-7)
    return {"ln_mean": value([ln_mu, logit_pi]), "standard_error": np.sqrt(slopes @ covariance @ slopes)}


def overall_by_arrays(ln_mu, logit_pi, covariance):
    slopes = np.array([1, -special.expit(logit_pi)])
    return np.array([ln_mu + special.log_expit(-logit_pi), np.linalg.norm(np.linalg.cholesky(covariance).T @ slopes)])


def told(overall=overall, **others):
    return {"overall": overall, "changed": {**CHANGED, **others}}


WHICH_RIGHT = {
    "slopes": told(),
    "differences, a set": told(overall_by_differences, gene3={"zero", "mean"}),
    "arrays, the other order": told(overall_by_arrays, gene3="zero and mean"),
    "lists": told(gene3=["mean", "zero"], gene6=["mean"]),
}


def value_as(function):
    return told(lambda *case: (function(*case[:2]), overall(*case)[1]))


def error_as(function):
    """Give another standard error from pi and the covariance."""
    return told(lambda *case: (overall(*case)[0], function(special.expit(case[1]), case[2])))


def root_of(slopes):
    return error_as(lambda pi, c: np.sqrt(np.array(slopes(pi)) @ c @ slopes(pi)))


WHICH_WRONG = {
    "mu alone": (value_as(lambda b, c: b), "the structural zeros lower the mean"),
    "pi": (value_as(lambda b, c: b + special.log_expit(c)), "the share of the structural zeros"),
    "the logit added": (value_as(lambda b, c: b - c), "adds or subtracts the logit as it is"),
    "divided": (value_as(lambda b, c: b - special.log_expit(-c)), "the zeros make a mean smaller"),
    "log2": (value_as(lambda b, c: (b + special.log_expit(-c)) / np.log(2)), "is in log2"),
    "plain": (value_as(lambda b, c: np.exp(b) * special.expit(-c)), "on the plain scale"),
    "error of ln mu": (root_of(lambda pi: [1, 0]), "pi is an estimate as well"),
    "no covariance": (error_as(lambda pi, c: np.sqrt(c[0, 0] + pi**2 * c[1, 1])), "leaves out the covariance"),
    "sign": (root_of(lambda pi: [1, pi]), "with the other sign"),
    "as they are": (root_of(lambda pi: [1, 1]), "adds up the two as they are"),
    "slope of pi": (root_of(lambda pi: [1, -pi * (1 - pi)]), "has the slope of pi"),
    "slope in pi": (root_of(lambda pi: [1, -1 / (1 - pi)]), "The covariance is that of the logit"),
    "slope of ln pi": (root_of(lambda pi: [1, 1 - pi]), "has 1 - pi for a slope"),
    "variance": (error_as(lambda pi, c: c[0, 0] - 2 * pi * c[0, 1] + pi**2 * c[1, 1]), "is a variance"),
    "errors added": (
        error_as(lambda pi, c: np.sqrt(c[0, 0]) + pi * np.sqrt(c[1, 1])),
        "adds up standard errors",
    ),
    "covariance once": (
        error_as(lambda pi, c: np.sqrt(c[0, 0] - pi * c[0, 1] + pi**2 * c[1, 1])),
        "counts the covariance once",
    ),
    "slope not squared": (
        error_as(lambda pi, c: np.sqrt(c[0, 0] - 2 * pi * c[0, 1] + pi * c[1, 1])),
        "does not square the slope",
    ),
    "plain error": (
        told(lambda *case: (overall(*case)[0], overall(*case)[1] * np.exp(overall(*case)[0]))),
        "on the plain scale: the standard error of the mean",
    ),
    "another order": (told(lambda *case: overall(*case)[::-1]), "in another order"),
    "one alone": (told(lambda *case: overall(*case)[0]), "should hand back ln_mean and standard_error"),
    "no dict": ({"overall": overall, "changed": "mean"}, "`changed` is a text where a dict was expected"),
    "a gene missing": (
        {"overall": overall, "changed": {"gene1": "zero"}},
        "`changed` says nothing about 'gene2'",
    ),
    "another word": (told(gene1="pi"), "for gene1 you say something else than one of these"),
    "a number": (told(gene1=3), "for gene1 you say something else"),
    "two of the plain": (told(gene1="mean and zero"), "in gene1 a part that you name has a p-value like many others"),
    "the wrong part": (told(gene6="zero"), "in gene6 a part that you name"),
    "overall only": (told(gene3="nothing"), "An overall mean can stay where its two factors do not"),
    "half of two": (told(gene3="zero"), "in gene3 the part that you name did change"),
    "guessed": (told(gene2="zero"), "that something changed in gene2 is certain"),
    "missed": (told(gene2="nothing"), "the joint test of gene2 is small"),
    "too careful": (told(gene5="cannot be told"), "at least one part of gene5"),
    "chance": (told(gene4="zero"), "nothing in the row of gene4"),
}


def hinted_words():
    """Judge the table of the notebook by the rule of the hint."""
    space = {}
    for cell in answer_cells(SOLUTIONS):
        if cell.id in ("imports", "given-5"):
            exec(cell.source, space)
    p = pd.DataFrame({part: table["pvalue"] for part, table in space["tests"].items()})
    words = {}
    for gene, row in p.iterrows():
        small = [part for part in ("mean", "zero", "dispersion") if row[part] < 0.001]
        words[gene] = (" and ".join(small) or "cannot be told") if row["all"] < 0.001 else "nothing"
    return words


# --- 6: donors --------------------------------------------------------------------------------------------------------


def sum_by_donor(counts, donor, treated):
    labels = treated.groupby(donor, observed=True)
    if (labels.min() != labels.max()).any():
        raise ValueError("cells of both groups in one donor")
    return counts.groupby(donor, observed=True).sum(), labels.first()


def sums_by_matrix(counts, donor, treated):
    names = pd.unique(np.asarray(donor))
    member = (np.asarray(donor)[:, None] == names).astype(int)
    share = member.T @ treated.to_numpy() / member.sum(axis=0)
    if not np.isin(share, [0, 1]).all():
        raise ValueError("a donor is in both groups")
    return pd.DataFrame(member.T @ counts.to_numpy(), names, counts.columns), share == 1


def sums_by_the_package(counts, donor, treated):
    obs = pd.DataFrame({"donor": donor.astype(str), "treated": treated})
    labels = obs.groupby("donor")["treated"]
    if (labels.min() != labels.max()).any():
        raise ValueError("a donor is in both groups")
    sums = differential.pseudobulk(anndata.AnnData(counts, obs=obs), "donor")
    return {"sums": sums.to_df(), "treated": sums.obs["treated"]}


def sums_by_loops(counts, donor, treated):
    rows, labels = {}, {}
    for name in set(donor):
        rows[name] = counts[donor == name].sum()
        (labels[name],) = set(treated[donor == name])
    return pd.DataFrame(rows).T, labels


def variance_of_mean(mu, phi, tau2, cells, donors):
    return (tau2 * mu**2 + (mu + phi * (1 + tau2) * mu**2) / cells) / donors


def variance_by_correlation(mu, phi, tau2, cells, donors):
    """From the variance of one cell and the correlation between two of the same donor."""
    total = mu + (phi * (1 + tau2) + tau2) * mu**2
    rho = tau2 * mu**2 / total
    return total / (cells * donors) * (1 + (cells - 1) * rho)


def study(sum_by_donor=sum_by_donor, variance_of_mean=variance_of_mean):
    return {"sum_by_donor": sum_by_donor, "variance_of_mean": variance_of_mean}


PSEUDOBULK_RIGHT = {
    "groupby": study(),
    "a matrix, a correlation": study(sums_by_matrix, variance_by_correlation),
    "the package, a dict": study(sums_by_the_package),
    "loops": study(sums_by_loops),
}


def sums_as(function):
    def changed(counts, donor, treated):
        sums, labels = sum_by_donor(counts, donor, treated)
        return function(sums, counts.groupby(donor, observed=True), counts, donor), labels

    return study(changed)


def labels_as(function):
    def changed(counts, donor, treated):
        sums, labels = sum_by_donor(counts, donor, treated)
        return sums, function(labels, treated)

    return study(changed)


def variance_as_if(function):
    return study(variance_of_mean=function)


def no_refusal(counts, donor, treated):
    return counts.groupby(donor, observed=True).sum(), treated.groupby(donor, observed=True).first()


def unused_levels(counts, donor, treated):
    sum_by_donor(counts, donor, treated)
    return counts.groupby(donor, observed=False).sum(), treated.groupby(donor, observed=False).first()


def assertion(counts, donor, treated):
    labels = treated.groupby(donor, observed=True)
    assert (labels.min() == labels.max()).all()
    return counts.groupby(donor, observed=True).sum(), labels.first()


def in_place(counts, donor, treated):
    counts["donor"] = donor
    return counts.groupby("donor").sum(), treated.groupby(donor).first()


PSEUDOBULK_WRONG = {
    "means": (sums_as(lambda sums, groups, *_: groups.mean()), "is a mean over the cells of a donor"),
    "cells that express": (
        sums_as(lambda sums, groups, counts, donor: (counts > 0).groupby(donor, observed=True).sum()),
        "counts the cells in which a gene was found",
    ),
    "mean of those": (
        sums_as(lambda sums, groups, counts, donor: counts.where(counts > 0).groupby(donor, observed=True).mean()),
        "zeros are counts too",
    ),
    "normalised": (sums_as(lambda sums, *_: sums.div(sums.sum(axis=1), axis=0) * 1e6), "divided by each donor's total"),
    "logarithms": (sums_as(lambda sums, *_: np.log1p(sums)), "is on the log scale"),
    "sums of logarithms": (
        sums_as(lambda sums, groups, counts, donor: np.log1p(counts).groupby(donor, observed=True).sum()),
        "adds up logarithms",
    ),
    "sums of shares": (
        sums_as(
            lambda sums, groups, counts, donor: (
                counts.div(counts.sum(axis=1), axis=0).groupby(donor, observed=True).sum()
            )
        ),
        "after dividing each by its total",
    ),
    "an array": (sums_as(lambda sums, *_: sums.to_numpy()), "hand back the sums as a DataFrame"),
    "transposed": (sums_as(lambda sums, *_: sums.T), "has its axes swapped"),
    "numbered rows": (sums_as(lambda sums, *_: sums.reset_index(drop=True)), "one row for each donor"),
    "a column more": (sums_as(lambda sums, *_: sums.assign(total=sums.sum(axis=1))), "one column for each gene"),
    "a donor lost": (sums_as(lambda sums, *_: sums.iloc[1:]), "one row for each donor"),
    "unused level": (study(unused_levels), "`sum_by_donor` has a row for donor"),
    "labels of cells": (labels_as(lambda labels, treated: treated), "for each donor, once"),
    "labels in another order": (
        labels_as(lambda labels, treated: labels.sort_values(ascending=labels.iloc[0]).to_numpy()),
        "your labels are not those of your rows",
    ),
    "labels swapped": (labels_as(lambda labels, treated: ~labels), "your labels are not those of your rows"),
    "sums alone": (study(lambda *case: sum_by_donor(*case)[0]), "should hand back sums and treated"),
    "no refusal": (study(no_refusal), "where a donor has cells of both groups your function does not refuse"),
    "another error": (study(assertion), "ends in AssertionError"),
    "in place": (study(in_place), "changes its argument number 1"),
    "no donors": (
        variance_as_if(lambda mu, phi, tau2, cells, donors: (mu + phi * mu**2) / cells / donors),
        "knows nothing of the donors",
    ),
    "cells as donors": (
        variance_as_if(
            lambda mu, phi, tau2, cells, donors: (tau2 * mu**2 + mu + phi * (1 + tau2) * mu**2) / cells / donors
        ),
        "as if every cell had a donor of its own",
    ),
    "no cells": (variance_as_if(lambda mu, phi, tau2, cells, donors: tau2 * mu**2 / donors), "leaves out the cells"),
    "not over cells": (
        variance_as_if(lambda mu, phi, tau2, cells, donors: (tau2 * mu**2 + mu + phi * (1 + tau2) * mu**2) / donors),
        "the mean of a donor is a mean over cells",
    ),
    "cells of one donor": (
        variance_as_if(
            lambda mu, phi, tau2, cells, donors: tau2 * mu**2 / donors + (mu + phi * (1 + tau2) * mu**2) / cells
        ),
        "a group has cells of all its donors",
    ),
    "one donor": (
        variance_as_if(lambda mu, phi, tau2, cells, donors: variance_of_mean(mu, phi, tau2, cells, 1)),
        "A group has several donors",
    ),
    "relative": (
        variance_as_if(lambda mu, phi, tau2, cells, donors: (tau2 + (mu + phi * (1 + tau2) * mu**2) / cells) / donors),
        "does not multiply it by mu squared",
    ),
    "tau to the fourth": (
        variance_as_if(
            lambda mu, phi, tau2, cells, donors: (tau2**2 * mu**2 + (mu + phi * (1 + tau2) * mu**2) / cells) / donors
        ),
        "It is a variance already",
    ),
    "average donor": (
        variance_as_if(lambda mu, phi, tau2, cells, donors: (tau2 * mu**2 + (mu + phi * mu**2) / cells) / donors),
        "takes the cells of an average donor",
    ),
    "Poisson": (
        variance_as_if(lambda mu, phi, tau2, cells, donors: (tau2 * mu**2 + mu / cells) / donors),
        "where is phi?",
    ),
    "size for dispersion": (
        variance_as_if(lambda mu, phi, tau2, cells, donors: variance_of_mean(mu, 1 / phi, tau2, cells, donors)),
        "the formula of the size k",
    ),
    "donors over cells too": (
        variance_as_if(
            lambda mu, phi, tau2, cells, donors: tau2 * mu**2 + (mu + phi * (1 + tau2) * mu**2) / cells / donors
        ),
        "do not bring new donors",
    ),
    "standard deviation": (
        variance_as_if(lambda *case: np.sqrt(variance_of_mean(*case))),
        "is a standard deviation",
    ),
}


def hinted_variance(mu, phi, tau2, cells, donors):
    return ((mu + phi * (1 + tau2) * mu**2) / cells + tau2 * mu**2) / donors


# --- 7: repair --------------------------------------------------------------------------------------------------------


def broken(counts, group):
    """The letter's analysis."""
    expressed = counts.where(counts > 0)
    q = expressed.div(expressed.mean(axis=1), axis=0)
    a, b = q[group == "A"], q[group == "B"]
    table = pd.DataFrame({"log2FoldChange": np.log2(b.mean() / a.mean())})
    table["pvalue"] = stats.ttest_ind(b, a, equal_var=False, nan_policy="omit").pvalue
    return table.dropna()


def compare(counts, group, *, change=None, test=None, keep=lambda table: table):
    """Compare all cells, with one part or another changed."""
    q = counts.div(counts.sum(axis=1) / counts.sum(axis=1).mean(), axis=0)
    a, b = q[group == "A"], q[group == "B"]
    with np.errstate(all="ignore"):
        lfc = change(counts, group, q) if change else np.log2(b.mean() / a.mean())
    pvalue = test(counts, group, q) if test else stats.ttest_ind(b, a, equal_var=False).pvalue
    table = pd.DataFrame({"log2FoldChange": lfc, "pvalue": pvalue}, counts.columns)
    table.loc[counts.sum() == 0] = np.nan
    return keep(table)


def compare_by_loops(counts, group):
    """Ratios of sums, gene by gene, Welch's test by hand; another order of genes."""
    depth, rows = counts.sum(axis=1), {}
    for gene in sorted(counts):
        y, in_b = counts[gene], group == "B"
        if not y.any():
            rows[gene] = (np.nan, np.nan)
            continue
        share = [y[rows_].sum() / depth[rows_].sum() for rows_ in (in_b, ~in_b)]
        lfc = log(share[0] / share[1], 2) if min(share) else np.inf if share[0] else -np.inf
        a, b = (1e4 * y[cells] / depth[cells] for cells in (~in_b, in_b))
        va, vb = a.var() / len(a), b.var() / len(b)
        df = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
        rows[gene] = (lfc, 2 * stats.t.sf(abs(b.mean() - a.mean()) / sqrt(va + vb), df))
    return pd.DataFrame(rows, ["log2FoldChange", "pvalue"]).T


REPAIR_RIGHT = {
    "all cells": compare,
    "loops, ratio of sums": compare_by_loops,
    "rows by number": lambda *case: compare(*case).reset_index(drop=True),
}


def depths(counts):
    return counts.sum(axis=1) / counts.sum(axis=1).mean()


def detected(counts):
    return counts.where(counts > 0)


def ratio(values, group, average="mean"):
    return np.log2(getattr(values[group == "B"], average)() / getattr(values[group == "A"], average)())


def welch(values, group, **how):
    how = {"equal_var": False, "nan_policy": "omit", **how}
    return stats.ttest_ind(values[group == "B"], values[group == "A"], **how).pvalue


def changed(**changes):
    return lambda counts, group: compare(counts, group, **changes)


REPAIR_WRONG = {
    "the letter": (broken, "have no row in your table"),
    "the letter, all rows": (
        lambda counts, group: broken(counts, group).reindex(counts.columns),
        "your fold change is the letter's",
    ),
    "means of positive cells": (
        changed(change=lambda c, g, q: ratio(detected(c).div(depths(c), axis=0), g)),
        "it lowers the mean",
    ),
    "depths of the letter": (
        changed(change=lambda c, g, q: ratio(c.div(detected(c).mean(axis=1), axis=0), g)),
        "has depths from the genes that were found",
    ),
    "no depths": (changed(change=lambda c, g, q: ratio(c, g)), "leaves out the depths of the cells"),
    "multiplied": (changed(change=lambda c, g, q: ratio(c.mul(depths(c), axis=0), g)), "where it should divide"),
    "shares": (changed(change=lambda c, g, q: ratio(c > 0, g)), "compares the shares of cells"),
    "mean of logarithms": (
        changed(change=lambda c, g, q: np.log2(q + 1)[g == "B"].mean() - np.log2(q + 1)[g == "A"].mean()),
        "takes logarithms before the mean",
    ),
    "pseudo-count": (
        changed(change=lambda c, g, q: np.log2((q[g == "B"].mean() + 1) / (q[g == "A"].mean() + 1))),
        "has a pseudo-count in it",
    ),
    "a tiny pseudo-count": (
        changed(change=lambda c, g, q: np.log2((q[g == "B"].mean() + 1e-9) / (q[g == "A"].mean() + 1e-9))),
        "your fold change is not infinite",
    ),
    "A against B": (changed(change=lambda c, g, q: -ratio(q, g)), "the opposite sign"),
    "natural logarithm": (changed(change=lambda c, g, q: ratio(q, g) * np.log(2)), "a natural logarithm"),
    "no logarithm": (changed(change=lambda c, g, q: 2 ** ratio(q, g)), "without its logarithm"),
    "a difference": (changed(change=lambda c, g, q: q[g == "B"].mean() - q[g == "A"].mean()), "difference of means"),
    "silent genes dropped": (
        changed(keep=lambda table: table[np.isfinite(table["log2FoldChange"])]),
        "have no row in your table",
    ),
    "NaN for infinite": (
        changed(keep=lambda table: table.replace([np.inf, -np.inf], np.nan)),
        "where only B has counts of a gene, your fold change is not infinite",
    ),
    "0 where there is nothing": (changed(keep=lambda table: table.fillna(0)), "nothing can be said of that gene"),
    "p = 1 where there is nothing": (
        changed(keep=lambda table: table.fillna({"pvalue": 1})),
        "where no cell has a count of a gene, your p-value is a number",
    ),
    "tests of positive cells": (
        changed(test=lambda c, g, q: welch(detected(c).div(depths(c), axis=0), g)),
        "compares only the cells in which the gene was found",
    ),
    "tests of the letter": (
        changed(test=lambda c, g, q: welch(detected(c).div(detected(c).mean(axis=1), axis=0), g)),
        "your p-value is the letter's",
    ),
    "tests without depths": (changed(test=lambda c, g, q: welch(c, g)), "your p-value leaves out the depths"),
    "one tail": (changed(test=lambda c, g, q: welch(q, g, alternative="greater")), "has one tail"),
    "Student": (changed(test=lambda c, g, q: welch(q, g, equal_var=True)), "has one variance for both groups"),
    "logarithms": (changed(test=lambda c, g, q: welch(np.log1p(q), g)), "is of logarithms"),
    "rank sum": (
        changed(test=lambda c, g, q: stats.mannwhitneyu(q[g == "B"], q[g == "A"]).pvalue),
        "is from a rank sum",
    ),
    "adjusted": (
        changed(test=lambda c, g, q: stats.false_discovery_control(np.nan_to_num(welch(q, g), nan=1))),
        "is adjusted for the number of genes",
    ),
    "an array": (lambda *case: compare(*case).to_numpy(), "hands back something else"),
    "other columns": (lambda *case: compare(*case).rename(columns=str.upper), "hands back something else"),
}


def hinted_compare(counts, group):
    totals = counts.sum(axis=1)
    q = counts.div(totals / totals.mean(), axis=0)
    means = {name: q[group == name].mean() for name in "AB"}
    with np.errstate(all="ignore"):
        lfc = np.log2(means["B"] / means["A"])
    table = pd.DataFrame({"log2FoldChange": lfc, "pvalue": welch(q, group)})
    table.loc[counts.sum() == 0] = np.nan
    return table


# --- the tests --------------------------------------------------------------------------------------------------------

BANK = {
    "ch05-zinb": (ZINB_RIGHT, ZINB_WRONG),
    "ch05-structural": (STRUCTURAL_RIGHT, STRUCTURAL_WRONG),
    "ch05-em": (EM_RIGHT, EM_WRONG),
    "ch05-boundary": (BOUNDARY_RIGHT, BOUNDARY_WRONG),
    "ch05-which": (WHICH_RIGHT, WHICH_WRONG),
    "ch05-pseudobulk": (PSEUDOBULK_RIGHT, PSEUDOBULK_WRONG),
    "ch05-repair": (REPAIR_RIGHT, REPAIR_WRONG),
}

# The third hint of each ladder, coded word for word.
HINTED = {
    "ch05-zinb": distribution(hinted_pmf, hinted_moments),
    "ch05-structural": structural,
    "ch05-em": climb(hinted_step, hinted_likelihood),
    "ch05-boundary": at_the_end(hinted_boundary, lambda level: stats.chi2.isf(2 * level, 1)),
    "ch05-pseudobulk": study(sum_by_donor, hinted_variance),
    "ch05-repair": hinted_compare,
}


class TestBank(BankTests):
    chapter, solutions, bank = "ch05", SOLUTIONS, BANK


@pytest.mark.parametrize("key", HINTED)
def test_the_last_hint_taken_word_for_word_always_passes(key):
    assert {review(key, HINTED[key]).message for _ in range(50)} == {"right."}


def test_the_last_hint_taken_word_for_word_tells_the_six_genes():
    assert review("ch05-which", told(**hinted_words())).message == "right."
    assert list(CHANGED) == list(cases.SIX_GENES)


# --- no two slips give the same number --------------------------------------------------------------------------------


def slips_of_a_gene(rng):
    """Yield (name, slips by sentence) of exercises 1 to 4, on the first case of each, which names them."""
    _, mu, phi, pi = next(cases.genes(rng))
    yield "pmf", slips.probabilities(np.arange(12), mu, phi, pi)
    yield "mean", slips.means(mu, pi)
    yield "variance", slips.variances(mu, phi, pi)
    _, *cells = next(cases.cells(rng, 80))
    yield "responsibilities", slips.responsibilities(*cells)
    _, y, mu, phi, pi, s = next(cases.cells(rng, 600))
    yield "log likelihood", slips.log_likelihoods(y, mu, phi, pi, s)
    start = y, 0.6 * mu, phi, 0.8 * pi, s
    yield "pi", slips.shares(*start, em_step(*start)[0])
    yield "mu", slips.step_means(*start, em_step(*start)[1])
    zinb, nb = cases.likelihood_pairs(rng)
    yield "statistic", slips.statistics(zinb, nb)
    yield "p-value", slips.boundary(np.maximum(2 * (zinb - nb), 0))
    yield "limit", slips.limits(rng.uniform(0.01, 0.2))


def slips_of_a_study(rng):
    """Yield the same of exercises 5 to 7."""
    _, *estimate = next(cases.estimates(rng))
    yield "overall mean", study_slips.overall_means(*estimate[:2])
    yield "standard error", study_slips.overall_errors(*estimate)
    _, counts, donor, _ = next(cases.donors(rng))
    yield "sums", study_slips.sums(counts, np.array([donor == name for name in sorted(set(donor))]).astype(int))
    _, *budget = next(cases.budgets(rng))
    yield "variance of a mean", study_slips.mean_variances(*budget)
    counts, group = cases.experiment(rng)
    either = [(counts[group == name] > 0).any() for name in "AB"]
    y = counts.loc[:, either[0] & either[1]].to_numpy()
    yield "fold change", study_slips.fold_changes(y, group == "B")
    yield "test", study_slips.welch_tests(y, group == "B")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of slips that leave a gene two cells, or none
@pytest.mark.parametrize("seed", range(10))
def test_no_two_slips_give_the_same_numbers(seed):
    rng = np.random.default_rng(seed)
    for name, sentences in (*slips_of_a_gene(rng), *slips_of_a_study(rng)):
        ends = [(sentence, np.asarray(end, float)) for sentence, several in sentences.items() for end in several]
        known = [(sentence, end) for sentence, end in ends if np.isfinite(end).all()]
        assert [
            (name, one, other)
            for (one, a), (other, b) in combinations(known, 2)
            if one != other and a.shape == b.shape and np.allclose(a, b, rtol=1e-6, atol=1e-12)
        ] == []
