"""The usual slips in exercises 3 to 5 of chapter 4: wrong numbers beside the sentence that names the slip.

As in `ch01_slips`: sentence → list of wrong results.
"""

import numpy as np
from scipy import stats

from scomics_lite.glm import adjust

# --- 3: normal prior, normal estimate ---------------------------------------------------------------------------------


def posterior_means(b, s, m, tau):
    """Of the posterior mean, (g,)."""
    weight = tau**2 / (tau**2 + s**2)
    return {
        "has the weights swapped: now it trusts an estimate the more, the noisier it is.": [m + (1 - weight) * (b - m)],
        "weighs by standard deviations. Precision is one over the variance.": [
            m + tau / (tau + s) * (b - m),
            m + np.sqrt(weight) * (b - m),
        ],
        "mixes a standard deviation with a variance.": [
            m + tau / (tau + s**2) * (b - m),
            m + tau**2 / (tau**2 + s) * (b - m),
        ],
        "is pulled to zero, and not to the prior's mean.": [weight * b],
        "adds the prior's mean in full to the shrunken estimate. It has a weight as well.": [
            weight * b + m,
            weight * b + m * weight,
            m + weight * b - m * (1 - weight),
        ],
        "is the estimate as it was.": [b],
        "is the prior's mean, whatever was observed.": [np.full_like(b, m)],
        "gives prior and estimate the same weight in every gene.": [(b + m) / 2],
        "pulls all genes by the same factor. Each has its own standard error.": [
            m + tau**2 / (tau**2 + one) * (b - m) for one in (np.mean(s**2), np.mean(s) ** 2, np.median(s) ** 2)
        ],
        "is not divided by the sum of the weights.": [b / s**2 + m / tau**2],
    }


def posterior_sds(s, tau):
    """Of the posterior standard deviation, (g,)."""
    precision = 1 / s**2 + 1 / tau**2
    return {
        "is a variance: its root was asked for.": [1 / precision],
        "is a precision: one over it is the variance.": [precision, np.sqrt(precision)],
        "adds up the variances of prior and estimate. That is how far estimates scatter; what you know after combining "
        "two sources is more precise than either.": [np.sqrt(s**2 + tau**2)],
        "adds up variances of prior and estimate, and forgets the root.": [s**2 + tau**2],
        "is the standard error as it was: combining two sources leaves less doubt.": [s],
        "is the prior's, as if nothing had been observed.": [np.full_like(s, tau)],
        "shrinks the standard error by the weight. Its square shrinks by that.": [s * tau**2 / (tau**2 + s**2)],
        "adds up one over the standard deviations. Precisions add up, one over the variances.": [
            1 / (1 / s + 1 / tau),
            1 / np.sqrt(1 / s + 1 / tau),
        ],
    }


def log_marginals(b, s, m, tau):
    """Of the log likelihood of all estimates under a prior, one number."""
    spread = np.sqrt(s**2 + tau**2)
    each = stats.norm.logpdf(b, m, spread)
    shrunken = m + tau**2 / spread**2 * (b - m)

    def total(center, scale):
        return stats.norm.logpdf(b, center, scale).sum()

    return {
        "takes a variance for a standard deviation.": [total(m, spread**2), total(m, np.sqrt(spread))],
        "adds up standard deviations. Variances of independent things add up.": [total(m, s + tau)],
        "knows of the noise only. The true effects scatter as well.": [total(m, s)],
        "knows of the prior only. The estimates have noise on top of it.": [total(m, tau)],
        "is a mean; log likelihoods of independent genes add up.": [each.mean()],
        "adds up densities, and not their logarithms.": [np.exp(each).sum()],
        "is a product of densities; its logarithm was asked for.": [np.exp(each.sum())],
        "is centred at zero, and not at the prior's mean.": [total(0, spread)],
        "is the likelihood at the shrunken estimates. It has to be averaged over what the effects may be.": [
            total(shrunken, s),
            total(shrunken, spread),
        ],
        "lacks the logarithm of the scale. Without it the widest prior always wins.": [
            (-((b - m) ** 2) / spread**2 / 2).sum(),
            (-((b - m) ** 2) / spread**2 / 2 - np.log(2 * np.pi) / 2).sum(),
        ],
        "lacks the constant with 2 pi. That does not move the maximum, but it is not the log density.": [
            (each + np.log(2 * np.pi) / 2).sum()
        ],
        "is not in natural logarithms.": [each.sum() / np.log(2), each.sum() / np.log(10)],
    }


# --- 4: EM ------------------------------------------------------------------------------------------------------------


def shares(b, s, pi0, tau):
    """Of the share of zeros after one round."""
    none, some = stats.norm.pdf(b, 0, s), stats.norm.pdf(b, 0, np.sqrt(s**2 + tau**2))

    def share(none, some, pi0=pi0):
        return np.mean(pi0 * none / (pi0 * none + (1 - pi0) * some))

    return {
        "is the share of the genes that change.": [1 - share(none, some)],
        "forgets in the E-step how frequent each component is: the densities are not multiplied by pi0 and 1 - pi0.": [
            share(none, some, 0.5)
        ],
        "has pi0 and 1 - pi0 swapped in the E-step.": [share(none, some, 1 - pi0)],
        "does not divide in the E-step: the probabilities of the two components have to add up to 1 in every gene.": [
            np.mean(pi0 * none),
            np.mean(none),
            np.mean(pi0 * none / (none + some)),
        ],
        "gives genes that change a density without their noise: an estimate scatters by the effect and by s.": [
            share(none, stats.norm.pdf(b, 0, tau))
        ],
        "adds up standard deviations in a density. Variances add up.": [share(none, stats.norm.pdf(b, 0, s + tau))],
        "takes a variance for a standard deviation in a density.": [
            share(stats.norm.pdf(b, 0, s**2), stats.norm.pdf(b, 0, s**2 + tau**2)),
            share(none, stats.norm.pdf(b, 0, s**2 + tau**2)),
            share(none, stats.norm.pdf(b, 0, np.sqrt(s**2 + tau))),
        ],
        "has densities of b / s without dividing them by their width: a wide normal is a low one.": [
            share(stats.norm.pdf(b / s), stats.norm.pdf(b / np.sqrt(s**2 + tau**2))),
            share(none * s, some),
        ],
        "has the same noise in all genes.": [share(stats.norm.pdf(b), stats.norm.pdf(b, 0, np.sqrt(1 + tau**2)))],
        "is a sum over genes; a share was asked for.": [len(b) * share(none, some)],
        "decides gene by gene. A gene that is 60% of one kind and 40% of the other counts 0.6 and 0.4.": [
            np.mean(pi0 * none > (1 - pi0) * some)
        ],
        "is what it was at the start.": [pi0],
    }


def widths(b, s, pi0, tau):
    """Of the standard deviation of the effects after one round, the share of zeros being right."""
    none, some = stats.norm.pdf(b, 0, s), stats.norm.pdf(b, 0, np.sqrt(s**2 + tau**2))
    zero = pi0 * none / (pi0 * none + (1 - pi0) * some)
    r, g = 1 - zero, len(b)
    m, v = b * tau**2 / (s**2 + tau**2), s**2 * tau**2 / (s**2 + tau**2)
    new = zero.mean()
    later = 1 - new * none / (new * none + (1 - new) * some)

    def root(weights, squares, total=None):
        return np.sqrt(max((weights * squares).sum() / (weights.sum() if total is None else total), 0))

    return {
        "is a variance: its root was asked for.": [root(r, m**2 + v) ** 2],
        "is the spread of the estimates. The noise s is in it, and tau is the spread of the effects.": [root(r, b**2)],
        "takes s squared off the squares of the estimates. That is a fair estimate, but another one: the M-step takes "
        "the expected square of each effect, given its estimate and the old tau.": [root(r, b**2 - s**2)],
        "takes the squares of the posterior means only. An effect scatters about its posterior mean, so the expected "
        "square is larger.": [root(r, m**2)],
        "takes the posterior variances only. The expected square has the square of the posterior mean in it.": [
            root(r, v)
        ],
        "adds the posterior standard deviation where the variance belongs.": [root(r, m**2 + np.sqrt(v))],
        "has the weights of the genes that do not change.": [root(zero, m**2 + v)],
        "divides by the number of genes, and not by the sum of the weights.": [root(r, m**2 + v, g)],
        "does not divide by the sum of the weights.": [root(r, m**2 + v, 1)],
        "counts all genes in full. Each counts by its probability to be one that changes.": [root(1 + 0 * r, m**2 + v)],
        "uses probabilities computed anew after pi0 was replaced. Both updates of a round go by the same E-step.": [
            root(later, m**2 + v)
        ],
        "has the weights of estimate and prior swapped in the posterior mean.": [
            root(r, (b * s**2 / (s**2 + tau**2)) ** 2 + v)
        ],
        "is what it was at the start.": [tau],
    }


# --- 5: the false sign rate -------------------------------------------------------------------------------------------


def sign_errors(weights, means, sds):
    """Of the local false sign rate, (g,)."""
    below, at = _sides(means, sds)
    above = 1 - below - at
    down, zero, up = ((weights * part).sum(axis=1) for part in (below, at, above))
    mean = (weights * means).sum(axis=1)
    sd = np.sqrt((weights * (sds**2 + means**2)).sum(axis=1) - mean**2)
    right = np.minimum(down + zero, up + zero)
    at_least, at_most = above + at, below + at
    variances, _ = _sides(means, sds**2)
    return {
        "does not count the mass at zero. An effect of zero has neither sign, so either claim is wrong there.": [
            np.minimum(down, up)
        ],
        "is the probability that the effect is exactly zero: the lfdr.": [zero],
        "is the larger of the two probabilities. The sign that is claimed is the more probable one.": [
            np.maximum(down + zero, up + zero),
            np.maximum(down, up),
            1 - right,
        ],
        "claims the same direction for every gene. Each gene is claimed for the side where it has more mass.": [
            down,
            up,
            down + zero,
            up + zero,
        ],
        "is doubled, as for a p-value with two sides. The direction is claimed, and one side is the error.": [
            2 * right,
            2 * np.minimum(down, up),
        ],
        "goes by the sign of the posterior mean. A long tail can pull the mean to the side with less mass.": [
            np.where(mean > 0, down + zero, up + zero),
            np.where(mean > 0, down, up),
        ],
        "counts half of the mass at zero. An effect of zero is a wrong sign whichever you claim.": [
            np.minimum(down, up) + zero / 2
        ],
        "gives every component the same weight.": [
            np.minimum(at_most.mean(axis=1), at_least.mean(axis=1)),
        ],
        "takes the posterior for one normal distribution. It is a mixture; add up the components.": [
            stats.norm.sf(np.abs(mean) / sd),
            2 * stats.norm.sf(np.abs(mean) / sd),
        ],
        "takes the smaller side of every component. A gene has one sign, so add up the sides first.": [
            (weights * np.minimum(at_most, at_least)).sum(axis=1),
            (weights * np.minimum(below, above)).sum(axis=1),
        ],
        "looks at the component with the largest weight only.": [
            np.take_along_axis(np.minimum(at_most, at_least), weights.argmax(axis=1)[:, None], 1)[:, 0]
        ],
        "takes a standard deviation for a variance, or the reverse.": [
            np.minimum((weights * variances).sum(axis=1), (weights * (1 - variances)).sum(axis=1))
        ],
    }


def missed_mass(weights, means, sds):
    """Of the local false sign rate where a point mass lies elsewhere: it is on one side, like everything else."""
    below, at = _sides(means, sds)
    spread = sds > 0
    down, up = ((weights * np.where(spread, side, 0)).sum(axis=1) for side in (below, 1 - below))
    return {
        "counts every component without a width as zero. One that sits at 0.4 is a positive effect.": [
            np.minimum(down, up) + (weights * ~spread).sum(axis=1)
        ],
        "loses the mass of a component that has no width and does not sit at zero.": [
            np.minimum(down, up) + (weights * at).sum(axis=1),
            np.minimum(down, up),
        ],
    }


def _sides(means, sds):
    """Compute the probabilities below zero and at zero of every component."""
    with np.errstate(divide="ignore", invalid="ignore"):
        below = np.where(sds > 0, stats.norm.cdf(-means / sds), means < 0)
    return below, (sds == 0) & (means == 0)


def running_means(lfsr):
    """Of the s-values, (g,)."""
    order, count = np.argsort(lfsr), np.arange(1, len(lfsr) + 1)
    up = np.cumsum(lfsr[order]) / count
    down = np.cumsum(lfsr[order][::-1]) / count
    back = np.argsort(order)
    return {
        "is in the order of the sorted rates. Each value has to go back to its own gene.": [up],
        "goes back to the genes by the order itself, and not by its inverse: put the sorted values into the places "
        "that they came from.": [up[order]],
        "is a sum; a mean over the genes so far was asked for.": [np.cumsum(lfsr[order])[back]],
        "divides by the number of all genes, and not of those so far.": [np.cumsum(lfsr[order])[back] / len(lfsr)],
        "begins at the least certain gene.": [down[np.argsort(order[::-1])], down],
        "is Benjamini and Hochberg's adjustment, which is for p-values. These are probabilities: average them.": [
            adjust(lfsr)
        ],
        "is the rate itself: a list of genes has the mean of theirs.": [lfsr],
        "does not count the gene itself.": [
            np.concatenate([[0], np.cumsum(lfsr[order])[:-1] / count[:-1]])[back],
        ],
        "is the same for all genes: a gene's list ends with the gene.": [np.full_like(lfsr, lfsr.mean())],
        "averages in the order of the table, not from the surest gene on.": [np.cumsum(lfsr) / count],
    }
