"""The usual slips in exercises 1, 2, 6 and 7 of chapter 4: wrong numbers beside the sentence that names the slip.

As in `ch01_slips`: sentence → list of wrong results.
"""

import numpy as np
from scipy import stats

from scomics_lite import negative_binomial
from scomics_lite.glm import adjust

# --- 1: the likelihood ratio test -------------------------------------------------------------------------------------


def statistics(y, phi, full, reduced, constant):
    """Of twice the difference of log likelihoods, from the fits of the full, the reduced and a constant design."""
    means = full.mean[:, 0], reduced.mean[:, 0]
    big, small = full.log_likelihood[0], reduced.log_likelihood[0]
    right, n = 2 * (big - small), len(y)
    squares = [np.sum((y - mean) ** 2) for mean in means]

    def twice(likelihood):
        return 2 * (likelihood(means[0]).sum() - likelihood(means[1]).sum())

    return {
        "lacks the 2.": [right / 2],
        "is the ratio of the likelihoods itself. What has a known distribution is twice its logarithm.": [
            np.exp(right / 2),
            np.exp(-right / 2),
        ],
        "is the ratio of two log likelihoods. A ratio of likelihoods is a difference of logarithms.": [
            small / big,
            big / small,
            2 * small / big,
            2 * big / small,
        ],
        "is not in natural logarithms.": [right / np.log(2), right / np.log(10)],
        "compares with a design that has an intercept only, and not with the reduced one.": [
            2 * (big - constant.log_likelihood[0])
        ],
        "compares one of the designs with a perfect fit: it is a deviance. The difference of two deviances was asked "
        "for.": [full.deviance[0], reduced.deviance[0], full.deviance[0] / 2, reduced.deviance[0] / 2],
        "is the log likelihood of one design alone.": [big, small, 2 * big, 2 * small, -2 * big, -2 * small],
        "is a mean over samples; log likelihoods of independent samples add up.": [right / n, right / n / 2],
        "has the likelihood of Poisson counts: where is phi?": [
            twice(lambda mean: stats.poisson.logpmf(y, mean)),
        ],
        "takes phi for scipy's n. That is the size, one over phi.": [
            twice(lambda mean: stats.nbinom.logpmf(y, phi, phi / (phi + mean))),
            twice(lambda mean: negative_binomial.log_likelihood(y, mean, 1 / phi)),
        ],
        "takes the counts for normal numbers: it compares sums of squares.": [
            squares[1] - squares[0],
            n * np.log(squares[1] / squares[0]),
        ],
    }


def degrees(full, reduced):
    """Of the degrees of freedom."""
    (n, p), q = full.shape, reduced.shape[1]
    shared = sum(any(np.array_equal(column, other) for other in reduced.T) for column in full.T)
    return {
        "are all parameters of the full design. Those that the reduced one has too are free in both.": [p],
        "are the parameters of the reduced design.": [q],
        "count samples. What is counted here is how many parameters the full design has more.": [
            n,
            n - 1,
            n - p,
            n - q,
            n - p - 1,
        ],
        "count a parameter that both models share, such as the dispersion: it is no difference between them.": [
            p - q + 1
        ],
        "count the columns of the full design that the reduced one does not have. The same model can have other "
        "columns.": [p - shared],
        "are 1, whatever the designs.": [1],
        "are one too few.": [p - q - 1],
    }


def chi_squared(stat, n, p, q):
    """Of the p-value."""
    df = p - q
    return {
        "is the lower tail: near 1 where the evidence is strong.": [stats.chi2.cdf(stat, df)],
        "is halved. A larger statistic speaks against the reduced design whichever way the effect goes: one tail of "
        "chi-squared holds both directions.": [stats.chi2.sf(stat, df) / 2],
        "is doubled. One tail of chi-squared holds both directions.": [2 * stats.chi2.sf(stat, df)],
        "has other degrees of freedom than you hand back.": [
            stats.chi2.sf(stat, other) for other in {1, p, q, n - p, n - q, n - 1, df + 1} - {df} if other > 0
        ],
        "looks up the statistic in the normal distribution.": [
            stats.norm.sf(stat),
            2 * stats.norm.sf(stat),
            stats.norm.sf(np.sqrt(stat)),
            2 * stats.norm.sf(np.sqrt(stat)),
        ],
        "looks up the root of the statistic.": [stats.chi2.sf(np.sqrt(stat), df)],
        "is a density, not a tail.": [stats.chi2.pdf(stat, df)],
        "is from an F distribution, which belongs to the quasi-likelihood test.": [
            stats.f.sf(stat / df, df, n - p),
            stats.f.sf(stat, df, n - p),
        ],
    }


# --- 2: calibration ---------------------------------------------------------------------------------------------------


def rates(p, level):
    """Of the share of p-values below a level."""
    known = p[~np.isnan(p)]
    below = np.sum(known < level)
    return {
        "counts genes that have no p-value among the tests.": [below / len(p)],
        "is the share above the level.": [1 - below / len(known), np.sum(~(p < level)) / len(p)],
        "is a number of genes; a share was asked for.": [below],
        "looks at one level only, and not at the one that was given.": [
            np.mean(known < other) for other in (0.05, 0.01, 0.1) if other != level
        ],
        "is the share divided by the level.": [below / len(known) / level],
    }


def rate_errors(rate, level, m, everybody):
    """Of the standard error of that share, with m tests."""
    return {
        "is a variance: its root was asked for.": [rate * (1 - rate) / m],
        "is the standard deviation of a single yes or no. A share of many is more precise.": [
            np.sqrt(rate * (1 - rate))
        ],
        "divides by m where it should divide by its root.": [np.sqrt(rate * (1 - rate)) / m],
        "counts genes that have no p-value among the tests.": [np.sqrt(rate * (1 - rate) / everybody)],
        "has the level in it. The share that you observed is asked for its precision.": [
            np.sqrt(level * (1 - level) / m)
        ],
        "lacks a factor under the root: yes or no with probability r has variance r (1 - r).": [
            np.sqrt(rate / m),
            np.sqrt((1 - rate) / m),
            rate / np.sqrt(m),
        ],
    }


OWN_STATISTIC = "is that of a difference of means, and not of the statistic that was handed in."


def permutations(ours, all_values, by_subsets, of_the_first):
    """Of a permutation p-value; for the observed labels, all arrangements, groups of any size, the first n."""
    total, at_least, above = len(all_values), np.sum(all_values >= ours), np.sum(all_values > ours)
    return {
        "leaves out the arrangement that was observed. It is one of those that chance could have brought, so p is "
        "never 0.": [(at_least - 1) / total, (at_least - 1) / (total - 1)],
        "counts the arrangement that was observed twice: among all arrangements it is there already.": [
            (at_least + 1) / (total + 1)
        ],
        "leaves out arrangements that are as extreme as the observed one: at least as large was asked for.": [
            above / total,
            (above + 1) / total,
            (above + 1) / (total + 1),
            above / (total - 1),
        ],
        "is the other tail: a large statistic should give a small p-value.": [
            np.mean(all_values <= ours),
            np.mean(all_values < ours),
            1 - at_least / total,
        ],
        "is doubled, or halved. Whether the statistic has a sign is the statistic's business.": [
            min(1, 2 * at_least / total),
            2 * at_least / total,
            at_least / total / 2,
        ],
        "is a number of arrangements; a share was asked for.": [at_least],
        "counts groups of any size. The experiment had as many treated samples as it had.": [
            np.mean(by_subsets >= ours)
        ],
        "takes the first samples for the treated ones. `treated` says which they are.": [
            np.mean(all_values >= of_the_first)
        ],
    }


# --- 6: thresholds ----------------------------------------------------------------------------------------------------


def larger(b, s, threshold):
    """Of the p-value for an effect beyond the threshold, (g,)."""
    excess, size = (np.abs(b) - threshold) / s, np.abs(b)
    plain = 2 * stats.norm.sf(size / s)
    one = stats.norm.sf(excess)
    slips = {
        "knows nothing of the threshold.": [plain, stats.norm.sf(size / s)],
        "is the test against zero with a filter by size behind it. An estimate beyond the threshold is no proof that "
        "the effect is.": [np.where(size > threshold, plain, 1.0)],
        "has one tail. An estimate can land as far out on the other side as well; at threshold 0 the p-value would be "
        "half of the usual one.": [one],
        "doubles one tail. DESeq2 1.38 does so, and errs on the safe side: with the effect at the threshold the two "
        "tails are not the same. Add them up.": [np.minimum(2 * one, 1)],
        "doubles one tail, and that is more than 1 in places.": [2 * one],
        "takes the absolute value of the excess: an estimate near zero gets a small p-value.": [
            2 * stats.norm.sf(np.abs(excess))
        ],
        "sees one direction only: lowered genes are effects too.": [
            stats.norm.sf((b - threshold) / s),
            2 * stats.norm.sf((b - threshold) / s),
        ],
        "asks whether the effect differs from the threshold, in any direction.": [
            2 * stats.norm.sf(np.abs(b - threshold) / s)
        ],
        "takes the threshold for a number of standard errors. It is an effect, in log2.": [
            stats.norm.sf(size / s - threshold) + stats.norm.sf(size / s + threshold),
            2 * stats.norm.sf(size / s - threshold),
        ],
        "divides by a variance.": [
            stats.norm.sf((size - threshold) / s**2) + stats.norm.sf((size + threshold) / s**2),
        ],
        "does not divide by the standard error.": [stats.norm.sf(size - threshold) + stats.norm.sf(size + threshold)],
        "is one minus the p-value.": [1 - one - stats.norm.sf((size + threshold) / s)],
        "multiplies the two tails; one or the other happens, so they add up.": [
            one * stats.norm.sf((size + threshold) / s)
        ],
        "subtracts the second tail.": [one - stats.norm.sf((size + threshold) / s)],
        "is the average of the two tails.": [(one + stats.norm.sf((size + threshold) / s)) / 2],
    }
    # at threshold 0 there is nothing to confuse: what is wrong there is told for what it is
    return slips if threshold else {sentence: slips[sentence] for sentence in list(slips)[2:3]}


def smaller(b, s, threshold):
    """Of the p-value for an effect within the threshold, (g,)."""
    size = np.abs(b)
    above, below = stats.norm.cdf((b - threshold) / s), stats.norm.sf((b + threshold) / s)
    beyond = stats.norm.sf((size - threshold) / s) + stats.norm.sf((size + threshold) / s)
    plain = 2 * stats.norm.sf(size / s)
    return {
        "is one minus the other p-value. No evidence for a large effect is no evidence for a small one.": [
            1 - beyond,
            np.maximum(1 - 2 * stats.norm.sf((size - threshold) / s), 0),
        ],
        "comes from the test against zero: a large p-value there can be mere noise.": [1 - plain, plain],
        "is the smaller of the two one-sided p-values. Both limits have to be ruled out.": [np.minimum(above, below)],
        "is doubled. Both one-sided tests have to reject, so the larger p-value is the p-value.": [
            2 * np.maximum(above, below),
            np.minimum(2 * np.maximum(above, below), 1),
        ],
        "adds up the two one-sided p-values. Both tests have to reject, and that is as hard as the harder one.": [
            above + below,
            np.minimum(above + below, 1),
        ],
        "multiplies the two one-sided p-values: they come from the same estimate.": [above * below],
        "is the other tail: an estimate near zero with a small error should get a small p-value.": [
            np.maximum(1 - above, 1 - below),
            np.minimum(1 - above, 1 - below),
        ],
        "rules out one of the two limits only.": [above, below],
        "takes the threshold for a number of standard errors. It is an effect, in log2.": [
            stats.norm.cdf(size / s - threshold)
        ],
        "is the p-value for a large effect.": [beyond],
    }


# --- 7: repair --------------------------------------------------------------------------------------------------------


ONE_TAIL = "come from one tail alone: an estimate can land as far out on the other side as well."


def claims(table, alpha, lfc):
    """Of the genes that are claimed: {sentence: one or more arrays of True and False (g,)}."""
    b, s, plain = table["log2FoldChange"].to_numpy(), table["lfcSE"].to_numpy(), table["pvalue"].to_numpy()
    large, known = np.abs(b) > lfc, np.isfinite(plain)
    everywhere = threshold_tests(b, s, lfc)
    tests = [np.where(known, p, np.nan) for p in everywhere]
    others = {(level, size) for level in (0.05, alpha) for size in (1.0, lfc, lfc * np.log(2))} - {(alpha, lfc)}

    def chosen(p, genes):
        return adjust(np.where(genes, p, np.nan)) < alpha

    return {
        "are the letter's: p below alpha and a large estimate. Nothing there knows how many genes were looked at.": [
            (plain < alpha) & large,
            (plain < 0.05) & (np.abs(b) > 1),
        ],
        "have p-values below alpha that were not adjusted for the number of genes.": [p < alpha for p in tests],
        "are adjusted among themselves only. The genes that were looked at and not chosen are tests too.": [
            chosen(plain, large & known),
            *[chosen(p, genes & known) for p in tests for genes in (large, plain < alpha, (plain < alpha) & large)],
        ],
        "are adjusted for the question whether there is any change, and then filtered by the estimate. That promises "
        "nothing about genes beyond the size.": [(adjust(plain) < alpha) & large],
        "change, but it was not tested by how much.": [adjust(plain) < alpha],
        ONE_TAIL: [adjust(np.where(known, stats.norm.sf((np.abs(b) - lfc) / s), np.nan)) < alpha],
        "are adjusted for a single mistake anywhere (Bonferroni). A rate of false discoveries was asked for.": [
            p * m < alpha for p in tests for m in (known.sum(), len(b))
        ],
        "include genes that were not tested: they have an estimate, and no p-value.": [
            adjust(p) < alpha for p in everywhere
        ],
        "go one way only: a lowered gene can be beyond the size as well.": [
            *[(adjust(p) < alpha) & (b > 0) for p in tests],
            chosen(stats.norm.sf((b - lfc) / s), known),
        ],
        "are adjusted for genes without a p-value as well. They were not tested.": [
            adjust(np.where(known, p, 1.0)) < alpha for p in tests
        ],
        "are those that were not claimed.": [~(adjust(p) < alpha) for p in tests],
        "are for another level or size than was given.": [
            adjust(np.where(known, p, np.nan)) < level for level, size in others for p in threshold_tests(b, s, size)
        ],
    }


def threshold_tests(b, s, size):
    """Compute the p-values of exercise 6 and those of DESeq2."""
    near, far = stats.norm.sf((np.abs(b) - size) / s), stats.norm.sf((np.abs(b) + size) / s)
    return np.minimum(near + far, 1), np.minimum(2 * near, 1)
