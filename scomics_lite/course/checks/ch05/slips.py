"""The usual slips in exercises 1 to 4 of chapter 5, about one gene: wrong numbers beside the sentence that names them.

As in `ch01_slips`: sentence → list of wrong results. In all of them y are counts, mu the mean of the cells that are no
structural zeros, phi the dispersion, pi the share of structural zeros, and s size factors.
"""

import numpy as np
from scipy import stats
from scipy.special import gammaln

from scomics_lite.negative_binomial import log_likelihood as nb_log_likelihood

TO_SIZE = "takes phi for scipy's n, which is the size k: one over phi."

# --- 1: the distribution ----------------------------------------------------------------------------------------------


def probabilities(y, mu, phi, pi):
    """Of the probability of each count, (n,)."""
    zero, nb = y == 0, _probability(y, mu, phi)
    at_zero = _probability(0, mu, phi)

    def mixed(share, probability):
        return np.where(zero, share, 0) + (1 - share) * probability

    return {
        "counts structural zeros only: the negative binomial makes zeros as well.": [np.where(zero, pi, (1 - pi) * nb)],
        "adds up to more than 1 over all counts. What is left for the negative binomial is a share 1 - pi of the "
        "cells, its zeros included.": [
            np.where(zero, pi, 0) + nb,
            np.where(zero, pi + nb, (1 - pi) * nb),
            np.where(zero, pi + (1 - pi) * nb, nb),
        ],
        "adds up to less than 1 over all counts: where are the structural zeros?": [(1 - pi) * nb],
        "has pi and 1 - pi in each other's place.": [mixed(1 - pi, nb)],
        "adds pi to the probability of every count. A structural zero is a zero.": [pi + (1 - pi) * nb],
        "is a hurdle model's. There all zeros come from one part, and positive counts from the other; here zeros come "
        "from both.": [np.where(zero, pi, (1 - pi) * nb / (1 - at_zero))],
        "is the negative binomial's: pi is not in it.": [nb],
        "has Poisson counts in place of negative binomial ones: where is phi?": [mixed(pi, stats.poisson.pmf(y, mu))],
        TO_SIZE: [mixed(pi, _probability(y, mu, 1 / phi))],
        "has scipy's p for the other outcome: scipy waits for successes and counts failures.": [
            mixed(pi, stats.nbinom.pmf(y, 1 / phi, phi * mu / (1 + phi * mu)))
        ],
        "takes mu for the mean of all cells. It is the mean of those that are no structural zeros.": [
            mixed(pi, _probability(y, mu / (1 - pi), phi)),
            mixed(pi, _probability(y, mu * (1 - pi), phi)),
        ],
        "is the probability of a count up to y, and not of y itself.": [
            pi + (1 - pi) * stats.nbinom.cdf(y, 1 / phi, 1 / (1 + phi * mu))
        ],
    }


def means(mu, pi):
    """Of the mean over all cells."""
    return {
        "is the mean of the cells that are no structural zeros. All cells are meant.": [mu],
        "has pi where the share of the other cells belongs.": [pi * mu],
        "divides by the share where it should multiply: zeros make a mean smaller.": [mu / (1 - pi)],
    }


def variances(mu, phi, pi):
    """Of the variance over all cells."""
    nb, mean, rest = mu + phi * mu**2, (1 - pi) * mu, 1 - pi
    return {
        "lacks what the two kinds of cells add by having different means. A mixture's variance is the average variance "
        "plus the variance of the means.": [rest * nb],
        "is the variance of the means of the two kinds of cells. Cells of the second kind vary among themselves as "
        "well.": [pi * rest * mu**2],
        "is that of a negative binomial with the mean of all cells: the extra zeros add more than that.": [
            mean + phi * mean**2
        ],
        "is that of the cells that are no structural zeros.": [nb],
        "is the mean of the squares. The square of the mean has to be subtracted.": [rest * (nb + mu**2)],
        "subtracts the square of mu. The mean of all cells is (1 - pi) mu.": [rest * (nb + mu**2) - mu**2],
        "scales a variance as if all counts were multiplied by 1 - pi. Some become 0, the others stay.": [rest**2 * nb],
        "has no dispersion in it: it is that of Poisson counts with extra zeros.": [mean * (1 + pi * mu)],
        "divides by phi. That is the formula of the size k, which is one over phi.": [
            mean * (1 + pi * mu) + rest * mu**2 / phi,
            rest * (mu + mu**2 / phi),
            mu + mu**2 / phi,
        ],
        "has pi and 1 - pi in each other's place.": [pi * nb + pi * rest * mu**2],
        "is a standard deviation; the variance was asked for.": [np.sqrt(rest * nb + pi * rest * mu**2)],
        "lacks a factor 1 - pi in its last term, phi mu squared.": [mean * (1 + pi * mu) + phi * mu**2],
    }


# --- 2: responsibilities ----------------------------------------------------------------------------------------------


def responsibilities(y, mu, phi, pi, s):
    """Of the probability that a count is a structural zero, (n,)."""
    zero, here, at_zero = y == 0, _probability(y, s * mu, phi), _probability(0, s * mu, phi)
    right = responsibility(y, mu, phi, pi, s)

    def share(structural, sampled):
        return np.where(zero, structural / (structural + sampled), 0)

    return {
        "is pi for every zero, what one knew before looking at the cell. A zero in a cell that should have had many "
        "counts says more.": [np.where(zero, pi, 0), np.full(len(y), pi)],
        "is above 0 where there are counts. A positive count is no zero, so it is no structural one.": [
            pi / (pi + (1 - pi) * here),
            pi / (pi + (1 - pi) * at_zero),
        ],
        "is the probability of the other kind: that a zero came by sampling.": [
            np.where(zero, 1 - right, 0),
            1 - right,
        ],
        "forgets how frequent the two kinds of cells are: the two terms are not multiplied by pi and 1 - pi.": [
            share(1, at_zero)
        ],
        "forgets the factor 1 - pi: only that share of the cells draws a count.": [share(pi, at_zero)],
        "has pi and 1 - pi in each other's place.": [share(1 - pi, pi * at_zero)],
        "is 0 everywhere. Was it put into an array made by np.zeros_like(y)? That holds integers, as the counts are, "
        "and cuts off what comes after the point.": [np.zeros(len(y))],
        "divides by the negative binomial's zeros alone. The zeros to be divided by are those of both kinds.": [
            np.where(zero, pi / at_zero, 0),
            np.where(zero, pi / ((1 - pi) * at_zero), 0),
        ],
        "leaves out the size factors: a cell's mean is s mu, so deep cells have fewer zeros by chance.": [
            responsibility(y, mu, phi, pi, 1)
        ],
        "divides mu by the size factor: a deep cell has the larger mean.": [responsibility(y, mu, phi, pi, 1 / s)],
        TO_SIZE: [responsibility(y, mu, 1 / phi, pi, s)],
        "has the zeros of Poisson counts, exp(-s mu). A dispersed gene has more.": [
            share(pi, (1 - pi) * np.exp(-s * mu))
        ],
        "takes mu for the mean of all cells. It is the mean of those that are no structural zeros.": [
            responsibility(y, mu * (1 - pi), phi, pi, s),
            responsibility(y, mu / (1 - pi), phi, pi, s),
        ],
        "decides cell by cell. A zero of which one is 60% sure counts 0.6.": [np.where(right > 0.5, 1.0, 0)],
        "compares with the share of zeros that was observed, and not with the probability of a zero in this cell.": [
            np.where(zero, pi / np.mean(zero), 0),
            np.where(zero, 1 - at_zero / np.mean(zero), 0),
            np.where(zero, 1 - (1 - pi) * at_zero / np.mean(zero), 0),
        ],
    }


def responsibility(y, mu, phi, pi, s):
    """Compute the right probability: structural zeros among all zeros of a cell like this."""
    sampled = (1 - pi) * _probability(0, s * mu, phi)
    return np.where(y == 0, pi / (pi + sampled), 0.0)


# --- 3: one step of EM ------------------------------------------------------------------------------------------------


def shares(y, mu, phi, pi, s, new_mu):
    """Of the new pi."""
    r, zero = responsibility(y, mu, phi, pi, s), y == 0
    at_zero = _probability(0, s * mu, phi)
    return {
        "is the share of structural zeros among the zeros. pi is their share of all cells.": [r[zero].mean()],
        "is the share of zeros. Some of them came by sampling.": [zero.mean()],
        "is the share of the cells that are no structural zeros.": [1 - r.mean()],
        "is what it was.": [pi],
        "is a sum over cells; a share was asked for.": [r.sum()],
        "decides cell by cell. A zero of which one is 60% sure counts 0.6.": [np.mean(r > 0.5)],
        "is what zeros there are beyond those expected by chance. That is a rough estimate of its own; EM takes the "
        "mean of the responsibilities.": [
            zero.mean() - at_zero.mean(),
            (zero.mean() - at_zero.mean()) / (1 - at_zero.mean()),
            zero.mean() - (1 - pi) * at_zero.mean(),
        ],
        "comes from responsibilities without size factors.": [responsibility(y, mu, phi, pi, 1).mean()],
        "comes from responsibilities with the zeros of Poisson counts.": [
            np.mean(zero * pi / (pi + (1 - pi) * np.exp(-s * mu)))
        ],
        TO_SIZE: [responsibility(y, mu, 1 / phi, pi, s).mean()],
        "comes from responsibilities that were computed anew after mu was replaced. Both are replaced at once.": [
            responsibility(y, new_mu, phi, pi, s).mean()
        ],
        "is where EM ends after many steps. One step was asked for.": [_top(y, mu, phi, pi, s)],
    }


def step_means(y, mu, phi, pi, s, new_pi):
    """Of the new mu."""
    w, q = 1 - responsibility(y, mu, phi, pi, s), y / s
    flat = 1 - responsibility(y, mu, phi, pi, 1)
    once = w * s / (1 + phi * s * mu)
    return {
        "is weighed by the probability of a structural zero. What tells of mu are the other cells.": [0.0],
        "counts all cells in full. A cell counts by the probability that it is no structural zero, in the sum and in "
        "what the sum is divided by.": [
            best_mean(y, phi, s, np.ones(len(y))),
            y.mean(),
            q.mean(),
            y.sum() / s.sum(),
            np.sum(once * q) / len(y),
        ],
        "leaves out all zeros. Some of them came by sampling, and without them mu is too large.": [
            best_mean(y, phi, s, y > 0),
            y[y > 0].mean(),
            q[y > 0].mean(),
            y.sum() / s[y > 0].sum(),
        ],
        "leaves out the size factors.": [np.average(y, weights=w), np.average(y, weights=flat)],
        "has the weights of Poisson counts: sums of counts over sums of size factors. With a dispersion a deep cell "
        "counts for less than its depth, by 1 + phi s mu.": [np.sum(w * y) / np.sum(w * s)],
        "gives a shallow cell the weight of a deep one. The weights lack s / (1 + phi s mu).": [
            np.average(q, weights=w)
        ],
        "has weights that lack the size factor on top: s / (1 + phi s mu).": [_settled(y, phi, s, w, 0)],
        "is one round of the weighted mean. The weights hold mu: compute them anew from the new mu, until it stands "
        "still.": [np.average(q, weights=once)],
        "is what it was.": [mu],
        "is the mean of all cells. mu is the mean of those that are no structural zeros.": [
            (1 - share) * best_mean(y, phi, s, w) for share in (pi, new_pi)
        ],
        "decides cell by cell. A zero of which one is 60% sure counts 0.6.": [best_mean(y, phi, s, w > 0.5)],
        "comes from responsibilities without size factors.": [best_mean(y, phi, s, flat)],
        TO_SIZE: [best_mean(y, 1 / phi, s, 1 - responsibility(y, mu, 1 / phi, pi, s)), best_mean(y, 1 / phi, s, w)],
        "comes from responsibilities that were computed anew after pi was replaced. Both are replaced at once.": [
            best_mean(y, phi, s, 1 - responsibility(y, mu, phi, new_pi, s))
        ],
        "comes from responsibilities that were computed anew with each new mu. Within a step they stay as they are.": [
            _top(y, mu, phi, pi, s, pi_too=False)
        ],
    }


def best_mean(y, phi, s, weights):
    """Find the mu at which the weighted log likelihood of negative binomial counts with means s mu is highest."""
    return _settled(y, phi, s, np.asarray(weights, dtype=float), 1)


def _settled(y, phi, s, weights, power):
    """Repeat the mean of y / s with weights of s^power / (1 + phi s mu), which hold mu, until it stands still."""
    mu = np.average(y / s)
    for _ in range(200):
        mu = np.average(y / s, weights=weights * s**power / (1 + phi * s * mu))
    return mu


def _top(y, mu, phi, pi, s, *, pi_too=True):
    """Go on until nothing moves: give the pi where EM ends, or the mu if pi stays and the responsibilities do not."""
    for _ in range(200):
        r = responsibility(y, mu, phi, pi, s)
        mu = np.average(y / s, weights=(1 - r) * s / (1 + phi * s * mu))
        pi = r.mean() if pi_too else pi
    return pi if pi_too else mu


def log_likelihoods(y, mu, phi, pi, s):
    """Of the log likelihood of all cells, one number."""
    zero, nb = y == 0, nb_log_likelihood(y, s * mu, phi)
    r = responsibility(y, mu, phi, pi, s)
    each = np.where(zero, np.log(pi + (1 - pi) * np.exp(nb)), np.log(1 - pi) + nb)

    def total(mean, dispersion):
        other = nb_log_likelihood(y, mean, dispersion)
        return np.where(zero, np.log(pi + (1 - pi) * np.exp(other)), np.log(1 - pi) + other).sum()

    return {
        "is a mean; log likelihoods of independent cells add up.": [each.mean()],
        "adds up probabilities, and not their logarithms.": [np.exp(each).sum()],
        "leaves out the factor 1 - pi of positive counts.": [
            np.where(zero, each, nb).sum(),
        ],
        "adds logarithms at the zeros. There two probabilities add up: take the logarithm of their sum.": [
            np.where(zero, np.log(pi) + np.log(1 - pi) + nb, each).sum(),
            np.where(zero, np.log(pi) + nb, each).sum(),
        ],
        "takes all zeros for structural ones.": [np.where(zero, np.log(pi), each).sum()],
        "is the negative binomial's: pi is not in it.": [nb.sum()],
        "leaves out the zeros. They are counts like others.": [each[~zero].sum(), nb[~zero].sum()],
        "leaves out the structural zeros.": [(np.log(1 - pi) + nb).sum()],
        "is what EM expects of it once the kinds of cells are guessed. The likelihood of the counts needs no "
        "responsibilities.": [
            np.sum(r * np.log(pi) + (1 - r) * (np.log(1 - pi) + nb)),
            np.sum((1 - r) * nb),
        ],
        "leaves out the size factors: a cell's mean is s mu.": [total(np.full(len(y), mu), phi)],
        "has the likelihood of Poisson counts: where is phi?": [total(s * mu, 0.0)],
        TO_SIZE: [total(s * mu, 1 / phi)],
        "is not in natural logarithms.": [each.sum() / np.log(2), each.sum() / np.log(10)],
        "lacks ln y! of each count.": [each.sum() + gammaln(y + 1).sum()],
    }


# --- 4: the boundary --------------------------------------------------------------------------------------------------


def statistics(zinb, nb):
    """Of the statistic, (g,)."""
    gain = zinb - nb
    return {
        "is negative in places. The larger model cannot fit worse: what is below 0 was left by an optimiser, and "
        "counts as 0.": [2 * gain, gain],
        "lacks the 2.": [np.maximum(gain, 0)],
        "takes negative differences without their sign. They are nothing but an optimiser's rounding: 0.": [
            2 * np.abs(gain),
            np.abs(gain),
        ],
        "is the ratio of two log likelihoods. A ratio of likelihoods is a difference of logarithms.": [
            zinb / nb,
            nb / zinb,
            2 * zinb / nb,
            2 * nb / zinb,
        ],
        "is the ratio of the likelihoods itself. What has a known distribution is twice its logarithm.": [
            np.exp(gain),
            np.exp(-gain),
        ],
        "subtracts the larger model from the smaller one.": [np.maximum(-2 * gain, 0), -2 * gain, -gain],
    }


def boundary(stat):
    """Of the p-value, (g,)."""
    one, two = stats.chi2.sf(stat, 1), stats.chi2.sf(stat, 2)
    right = np.where(stat > 0, one / 2, 1.0)
    return {
        "is that of chi-squared with 1 degree of freedom. It holds for a parameter that can be too large or too small; "
        "pi = 0 is the end of its range, and half of the genes cannot get beyond it.": [one],
        "is one half where the statistic is 0. Every statistic is at least 0, so the probability of that is another "
        "number.": [one / 2],
        "has 2 degrees of freedom. One parameter is tested.": [two, two / 2, np.where(stat > 0, two / 2, 1.0)],
        "is the mixture for one parameter at the end of its range and one inside: half 1, half 2 degrees of freedom.": [
            (one + two) / 2
        ],
        "is 0 where the statistic is 0: nothing speaks for structural zeros there.": [np.where(stat > 0, one / 2, 0.0)],
        "is doubled. Half of the mixture is one point at 0, so the tail is smaller and not larger.": [
            2 * one,
            np.minimum(2 * one, 1),
        ],
        "is the lower tail: near 1 where the evidence is strong.": [
            1 - one,
            1 - one / 2,
            (1 - one) / 2,
            1 - right,
            *(np.where(stat > 0, lower, 1.0) for lower in (1 - one, 1 - one / 2, (1 - one) / 2)),
        ],
        "looks up the statistic in the normal distribution. Its root belongs there.": [
            stats.norm.sf(stat),
            2 * stats.norm.sf(stat),
        ],
        "is halved twice.": [np.where(stat > 0, one / 4, 1.0), one / 4],
    }


def limits(level):
    """Of the statistic from which on the test rejects."""
    return {
        "is the limit of chi-squared with 1 degree of freedom: the test would reject too rarely.": [
            stats.chi2.isf(level, 1)
        ],
        "halves the level. Your p-value is half a tail, so the tail itself may be larger than the level.": [
            stats.chi2.isf(level / 2, 1)
        ],
        "halves the limit of chi-squared. It is the tail that was halved.": [stats.chi2.isf(level, 1) / 2],
        "is the root of the limit.": [stats.norm.isf(level), stats.norm.isf(level / 2)],
        "has 2 degrees of freedom. One parameter is tested.": [stats.chi2.isf(level, 2), stats.chi2.isf(2 * level, 2)],
        "is from the lower tail: large statistics are those that reject.": [
            stats.chi2.ppf(2 * level, 1),
            stats.chi2.ppf(level, 1),
        ],
        "is a p-value; a statistic was asked for.": [stats.chi2.sf(level, 1) / 2, 2 * level],
    }


def _probability(y, mu, phi):
    return np.exp(nb_log_likelihood(y, mu, phi))
