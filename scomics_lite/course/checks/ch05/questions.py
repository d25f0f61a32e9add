"""The checks of exercises 1 to 4 of chapter 5: the ZINB, responsibilities, EM, and the boundary.

As in chapter 1, an answer is compared with the right numbers, then with those of the usual `slips`. The right numbers
come from `scomics_lite.zero_inflation` and from closed forms. Exercises 5 to 7 are in `study_questions`.
"""

import numpy as np
from scipy import stats

from scomics_lite import zero_inflation
from scomics_lite.course.checks import differs, exercise
from scomics_lite.course.checks.ch05 import cases
from scomics_lite.course.checks.ch05 import slips as usual
from scomics_lite.course.checks.judging import functions_of, judge, other_order, parts_of

# --- 1: the distribution ----------------------------------------------------------------------------------------------


@exercise(
    "ch05-zinb",
    hints=(
        "In how many ways can a cell show a zero, and in how many ways can it show a 3?",
        "pmf: a share pi of the cells is zero whatever happens; all the others, zeros among them, draw from the "
        "negative binomial. moments: the mean of a square is variance plus squared mean; take it for the negative "
        "binomial, then for the mixture, and subtract the square of the mixture's mean.",
        "pmf: nb = stats.nbinom.pmf(y, 1 / phi, 1 / (1 + phi * mu)); the result is (1 - pi) nb everywhere, plus pi "
        "where y is 0. moments: mean m = (1 - pi) mu; variance (1 - pi)(mu + phi mu**2 + mu**2) minus m**2.",
    ),
)
def zinb(answer):
    """Compare for two genes, and for counts in the hundreds."""
    functions, problem = functions_of(answer, ["pmf", "moments"])
    if problem:
        return problem
    pmf, moments = functions
    rng = np.random.default_rng()
    for where, mu, phi, pi in cases.genes(rng):
        problem = _judge_pmf(pmf(np.arange(12), mu, phi, pi), np.arange(12), mu, phi, pi)
        if problem:
            return where + problem
    large = np.array([0, 150, 300])
    problem = _judge_pmf(pmf(large, 200.0, 0.4, 0.3), large, 200.0, 0.4, 0.3)
    if problem:
        return f"for counts in the hundreds, {problem}"
    for where, mu, phi, pi in cases.genes(rng):
        problem = _judge_moments(moments(mu, phi, pi), mu, phi, pi)
        if problem:
            return where + problem
    return None


def _judge_pmf(result, y, mu, phi, pi):
    right = np.exp(zero_inflation.log_likelihood(y, mu, phi, pi))
    return judge(result, right, usual.probabilities(y, mu, phi, pi), what="`pmf`")


def _judge_moments(result, mu, phi, pi):
    values, problem = parts_of(result, ["mean", "variance"], what="`moments`")
    if problem:
        return problem
    right = zero_inflation.moments(mu, phi, pi)
    return (
        other_order(values, right, "mean and variance")
        or judge(values[0], right[0], usual.means(mu, pi), what="your mean")
        or judge(values[1], right[1], usual.variances(mu, phi, pi), what="your variance")
    )


# --- 2: responsibilities ----------------------------------------------------------------------------------------------


@exercise(
    "ch05-structural",
    hints=(
        "Of all the cells that show a zero, which part would have shown one whatever happened?",
        "Two kinds of cells show zeros: a share pi, and those of the others that happen to draw none. The probability "
        "asked for is the first divided by both together. In a cell with size factor s the negative binomial has the "
        "mean s mu.",
        "zero = (1 + phi s mu) ** (-1 / phi) is the negative binomial's P(0) in each cell; where y is 0 the result is "
        "pi / (pi + (1 - pi) zero), elsewhere it is 0.",
    ),
)
def structural(answer):
    """Compare in shallow and deep cells of two genes, and without structural zeros."""
    for where, y, mu, phi, pi, s in cases.cells(np.random.default_rng(), 80):
        right = usual.responsibility(y, mu, phi, pi, s)
        problem = judge(answer(y, mu, phi, pi, s), right, usual.responsibilities(y, mu, phi, pi, s), what="your result")
        if problem:
            return where + problem
        nothing = differs(answer(y, mu, phi, 0.0, s), np.zeros(len(y)), what="where pi is 0, your result")
        if nothing:
            return nothing
    return None


# --- 3: one step of EM ------------------------------------------------------------------------------------------------


@exercise(
    "ch05-em",
    hints=(
        "If you knew which zeros are structural, how would you estimate pi and mu? You do not know; what do you know?",
        "Both come from the responsibilities at the old mu and pi: pi is their mean over all cells, and in mu a cell "
        "counts by what is left of it, 1 - r. The mean of y / s has weights that hold mu, so compute it repeatedly. In "
        "the log likelihood a zero has the sum of two probabilities.",
        "r from exercise 2, kept as it is for both. pi: r.mean(). mu: w = (1 - r) s / (1 + phi s mu), then mu = sum of "
        "w y / s over sum of w, and both again 100 times. log_likelihood: p = the pmf of exercise 1 with s mu for mu; "
        "the sum of log(p).",
    ),
)
def em(answer):
    """Compare one step and the log likelihood, for two genes, and ask that a step never loses."""
    functions, problem = functions_of(answer, ["em_step", "log_likelihood"])
    if problem:
        return problem
    em_step, log_likelihood = functions
    for where, y, mu, phi, pi, s in cases.cells(np.random.default_rng(), 600):
        start = 0.6 * mu, 0.8 * pi
        problem = _judge_step(em_step(y, start[0], phi, start[1], s), y, *start, phi, s)
        problem = problem or _judge_likelihood(log_likelihood(y, mu, phi, pi, s), y, mu, phi, pi, s)
        if problem:
            return where + problem
    return None


def _judge_step(result, y, mu, pi, phi, s):
    values, problem = parts_of(result, ["mu", "pi"], what="`em_step`")
    if problem:
        return problem
    r = usual.responsibility(y, mu, phi, pi, s)
    right = [usual.best_mean(y, phi, s, 1 - r), r.mean()]
    problem = (
        other_order(values, right, "mu and pi", rtol=1e-4)
        or judge(values[1], right[1], usual.shares(y, mu, phi, pi, s, right[0]), what="`em_step`: your pi")
        or _judge_mean(values[0], right[0], usual.step_means(y, mu, phi, pi, s, right[1]))
    )
    known = problem and differs(values[0], right[0], what="`em_step`: your mu") != problem
    if problem and not known and _zinb(y, *values, phi, s) < _zinb(y, mu, pi, phi, s):
        return f"{problem} The counts are less likely after your step than before; a step of EM never loses."
    return problem


def _judge_mean(value, right, slips):
    """Be content with what an optimiser finds; be stricter with slips, of which so many numbers could be one."""
    if differs(value, right, rtol=1e-4) is None:
        return None
    return judge(value, right, slips, what="`em_step`: your mu")


def _judge_likelihood(result, y, mu, phi, pi, s):
    if np.shape(result) == y.shape:
        return "`log_likelihood` has a number for each cell. One was asked for, of all of them together."
    right, slips = _zinb(y, mu, pi, phi, s), usual.log_likelihoods(y, mu, phi, pi, s)
    return judge(result, right, slips, what="`log_likelihood`")


def _zinb(y, mu, pi, phi, s):
    return zero_inflation.log_likelihood(y, s * mu, phi, pi).sum()


# --- 4: the boundary --------------------------------------------------------------------------------------------------


@exercise(
    "ch05-boundary",
    hints=(
        "Without structural zeros, the estimate of pi comes out too large in half of the genes. And in the others?",
        "In half of the genes pi is estimated as 0, and the statistic is 0. In the others it behaves as chi-squared "
        "with 1 degree of freedom. So of all genes half are at 0, and a tail holds half of what chi-squared has there. "
        "What is the probability of a statistic of at least 0?",
        "stat = np.maximum(2 * (zinb - nb), 0); the p-value is chi2.sf(stat, 1) / 2 where stat is above 0, and 1 where "
        "it is 0. critical: the value at which half a tail is the level, chi2.isf(2 * level, 1).",
    ),
)
def boundary(answer):
    """Compare statistics and p-values, those of strong genes, and the limit at three levels."""
    functions, problem = functions_of(answer, ["boundary_test", "critical"])
    if problem:
        return problem
    boundary_test, critical = functions
    rng = np.random.default_rng()
    zinb_ll, nb_ll = cases.likelihood_pairs(rng)
    problem = _judge_boundary(boundary_test(zinb_ll, nb_ll), zinb_ll, nb_ll)
    if problem:
        return problem
    strong = np.array([-500.0, -400.0])
    values, problem = parts_of(boundary_test(strong + 150, strong), ["stat", "pvalue"], what="`boundary_test`")
    if problem:
        return problem
    if differs(np.log(values[1]), np.log(stats.chi2.sf(300, 1) / 2) * np.ones(2), rtol=1e-3):
        return (
            "for a gene with a statistic of 300 your p-value is not what chi-squared has there: 1 - cdf cannot tell it "
            "from 0, and such genes could not be ranked. scipy has the upper tail as a function of its own."
        )
    for level in rng.uniform([0.01, 0.04, 0.1], [0.02, 0.06, 0.2]):
        problem = judge(critical(level), stats.norm.isf(level) ** 2, usual.limits(level), what="`critical`")
        if problem:
            return problem
    return None


def _judge_boundary(result, zinb_ll, nb_ll):
    values, problem = parts_of(result, ["stat", "pvalue"], what="`boundary_test`")
    if problem:
        return problem
    stat = 2 * np.maximum(zinb_ll - nb_ll, 0)
    right = [stat, np.where(stat > 0, stats.norm.sf(np.sqrt(stat)), 1.0)]
    return (
        other_order(values, right, "statistic and p-value")
        or judge(values[0], stat, usual.statistics(zinb_ll, nb_ll), what="your statistic", rtol=1e-7, atol=1e-9)
        or judge(values[1], right[1], usual.boundary(stat), what="your p-value")
    )
