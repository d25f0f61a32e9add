"""The usual slips in exercises 5 to 7 of chapter 5, about studies: wrong numbers beside the sentence that names them.

As in `ch01_slips`: sentence → list of wrong results.
"""

import numpy as np
from scipy import stats

# --- 5: the overall mean ----------------------------------------------------------------------------------------------


def overall_means(ln_mu, logit_pi):
    """Of the logarithm of the overall mean."""
    pi = _expit(logit_pi)
    return {
        "is that of mu: the structural zeros lower the mean of all cells.": [ln_mu],
        "has the share of the structural zeros, pi, in place of that of the other cells.": [ln_mu + np.log(pi)],
        "takes the logit for pi itself.": [ln_mu + np.log1p(-logit_pi)] if logit_pi < 1 else [],
        "adds or subtracts the logit as it is. It is ln(pi / (1 - pi)); what multiplies mu is 1 - pi.": [
            ln_mu + logit_pi,
            ln_mu - logit_pi,
        ],
        "takes the logit for a plain logarithm of pi.": [ln_mu + np.log1p(-np.exp(logit_pi))] if logit_pi < 0 else [],
        "divides by 1 - pi: the zeros make a mean smaller.": [ln_mu - np.log1p(-pi)],
        "is in log2; a natural logarithm was asked for.": [(ln_mu + np.log1p(-pi)) / np.log(2)],
    }


def overall_errors(ln_mu, logit_pi, covariance):
    """Of its standard error."""
    pi = _expit(logit_pi)
    right = _error([1, -pi], covariance)
    variances = np.diag(np.diag(covariance))
    return {
        "is that of ln mu: pi is an estimate as well.": [_error([1, 0], covariance)],
        "leaves out the covariance. Estimates of mu and pi depend on each other, since both explain the zeros.": [
            _error([1, -pi], variances)
        ],
        "has the covariance with the other sign: ln(1 - pi) falls where the logit grows.": [
            _error([1, pi], covariance)
        ],
        "adds up the two as they are. A small step of the logit changes ln(1 - pi) by pi times as much.": [
            _error([1, 1], covariance),
            _error([1, -1], covariance),
            _error([1, 1], variances),
        ],
        "has the slope of pi, pi (1 - pi), in place of that of ln(1 - pi).": [
            _error([1, -pi * (1 - pi)], covariance),
            _error([1, pi * (1 - pi)], covariance),
        ],
        "has the slope of ln(1 - pi) in pi. The covariance is that of the logit.": [
            _error([1, -1 / (1 - pi)], covariance)
        ],
        "has 1 - pi for a slope. That is the slope of ln pi; what multiplies mu is 1 - pi.": [
            _error([1, 1 - pi], covariance),
            _error([1, -(1 - pi)], covariance),
        ],
        "is a variance: its root was asked for.": [right**2],
        "adds up standard errors. Variances add up, and twice a covariance.": [
            np.sqrt(covariance[0, 0]) + pi * np.sqrt(covariance[1, 1]),
            np.sqrt(covariance[0, 0]) + np.sqrt(covariance[1, 1]),
        ],
        "counts the covariance once. In the variance of a sum it stands twice.": [
            np.sqrt(covariance[0, 0] - pi * covariance[0, 1] + pi**2 * covariance[1, 1])
        ],
        "does not square the slope in front of the variance of the logit.": [
            np.sqrt(covariance[0, 0] - 2 * pi * covariance[0, 1] + pi * covariance[1, 1])
        ],
        "is on the plain scale: the standard error of the mean itself. That of its logarithm was asked for.": [
            right * np.exp(ln_mu) * (1 - pi)
        ],
        "is in log2; natural logarithms were asked for.": [right / np.log(2)],
    }


def _error(slopes, covariance):
    return np.sqrt(np.asarray(slopes) @ covariance @ slopes)


def _expit(x):
    return 1 / (1 + np.exp(-x))


# --- 6: donors --------------------------------------------------------------------------------------------------------


def sums(counts, member):
    """Of the sums of each donor, (donors, g); member (donors, cells) says who is whose."""
    y, cells = counts.to_numpy(), member.sum(axis=1, keepdims=True)
    right, expressing = member @ y, member @ (y > 0)
    scaled = right / right.sum(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        among = right / expressing
    return {
        "is a mean over the cells of a donor. A regression of counts wants counts: a sum of 5,000 says how sure it is, "
        "a mean of 5 does not.": [right / cells],
        "counts the cells in which a gene was found.": [expressing, expressing / cells],
        "is a mean over the cells in which a gene was found: zeros are counts too.": [among],
        "is divided by each donor's total. Leave that to the size factors of the test.": [
            scaled,
            1e4 * scaled,
            1e6 * scaled,
        ],
        "is on the log scale. Counts were asked for.": [np.log1p(right), np.log2(right + 1), np.log1p(1e4 * scaled)],
        "adds up logarithms. Counts were asked for.": [member @ np.log1p(y)],
        "adds up cells after dividing each by its total: counts are what was asked for.": [
            member @ (y / y.sum(axis=1, keepdims=True)),
            1e4 * (member @ (y / y.sum(axis=1, keepdims=True))),
        ],
    }


def mean_variances(mu, phi, tau2, cells, donors):
    """Of the variance of the mean of a group."""
    within = mu + phi * (1 + tau2) * mu**2
    between, n = tau2 * mu**2, cells * donors
    return {
        "knows nothing of the donors: it is what cells of one donor would have.": [
            within / n,
            (mu + phi * mu**2) / n,
        ],
        "divides all of it by the number of cells, as if every cell had a donor of its own.": [
            (between + within) / n,
            (between + mu + phi * mu**2) / n,
        ],
        "leaves out the cells: with few of them in each donor they matter as well.": [between / donors],
        "does not divide the cells' part by the number of cells: the mean of a donor is a mean over cells.": [
            (between + within) / donors,
            (between + mu + phi * mu**2) / donors,
        ],
        "does not divide the cells' part by the number of donors: a group has cells of all its donors.": [
            between / donors + within / cells,
            between / donors + (mu + phi * mu**2) / cells,
        ],
        "is that of one donor's mean. A group has several donors.": [
            between + within / cells,
            between + (mu + phi * mu**2) / cells,
        ],
        "takes the scatter between donors for one relative to the mean, and does not multiply it by mu squared.": [
            (tau2 + within / cells) / donors
        ],
        "squares tau2 once more. It is a variance already.": [
            ((tau2 * mu) ** 2 + within / cells) / donors,
            ((tau2 * mu) ** 2 + (mu + phi * (1 + tau2**2) * mu**2) / cells) / donors,
        ],
        "takes the cells of an average donor. A cell's variance grows with the square of its donor's rate, and the "
        "mean of these squares is above 1.": [(between + (mu + phi * mu**2) / cells) / donors],
        "has only the noise of Poisson counts in each cell: where is phi?": [(between + mu / cells) / donors],
        "divides by phi: that is the formula of the size k.": [
            (between + (mu + (1 + tau2) * mu**2 / phi) / cells) / donors,
            (between + (mu + mu**2 / phi) / cells) / donors,
        ],
        "has the number of cells under the donors' part as well, or the number of donors missing there. More cells of "
        "the same donors do not bring new donors.": [
            between / cells + within / n,
            between + within / n,
        ],
        "is a standard deviation; the variance was asked for.": [np.sqrt((between + within / cells) / donors)],
    }


# --- 7: repair --------------------------------------------------------------------------------------------------------

LETTER = "is the letter's, as it was."


def fold_changes(y, in_b):
    """Of the log2 fold change of each gene, (g,); y counts (n, g)."""
    found, s, of_found = _readings(y)
    q = y / s

    def change(values, average=np.nanmean):
        return np.log2(average(values[in_b], axis=0) / average(values[~in_b], axis=0))

    def step(values):
        return values[in_b].mean(axis=0) - values[~in_b].mean(axis=0)

    with np.errstate(all="ignore"):
        return {
            LETTER: [change(found / of_found)],
            "is a mean over the cells in which the gene was found. A zero is a count, and it lowers the mean.": [
                change(found / s),
                change(found),
            ],
            "has depths from the genes that were found in a cell. A deeper cell finds more genes, so the mean of those "
            "that it found hardly grows with its depth.": [change(y / of_found)],
            "leaves out the depths of the cells.": [change(y)],
            "multiplies by the depths where it should divide.": [change(y * s)],
            "compares the shares of cells in which a gene was found, and not its mean.": [change(1.0 * (y > 0))],
            "takes logarithms before the mean. With many zeros the mean of logarithms follows the share of zeros more "
            "than the mean.": [
                step(np.log2(q + 1)),
                step(np.log1p(q)),
                step(np.log2(y + 1)),
                step(np.log1p(y)),
                step(np.log1p(1e4 * y / y.sum(axis=1, keepdims=True))),
                step(np.log2(1e4 * y / y.sum(axis=1, keepdims=True) + 1)),
            ],
            "has a pseudo-count in it, which pulls it to zero.": [
                np.log2((q[in_b].mean(axis=0) + extra) / (q[~in_b].mean(axis=0) + extra)) for extra in (1, 0.5, 0.1)
            ],
            "compares medians, and the median of most genes is zero.": [change(q, np.nanmedian)],
            "is a ratio, without its logarithm.": [2 ** change(q)],
            "is a difference of means.": [step(q)],
        }


def welch_tests(y, in_b):
    """Of the p-value of each gene, (g,)."""
    found, s, of_found = _readings(y)
    q, per_10_000 = y / s, 1e4 * y / y.sum(axis=1, keepdims=True)

    def test(values, equal_var=False, **how):
        return stats.ttest_ind(values[in_b], values[~in_b], equal_var=equal_var, nan_policy="omit", **how).pvalue

    with np.errstate(all="ignore"):
        return {
            LETTER: [test(found / of_found)],
            "compares only the cells in which the gene was found. Whether it is found is most of what differs.": [
                test(found / s),
                test(found),
            ],
            "has depths from the genes that were found in a cell.": [test(y / of_found)],
            "leaves out the depths of the cells.": [test(y)],
            "has one tail.": [test(q, alternative=side) for side in ("less", "greater")],
            "has one variance for both groups (Student's test). Divided counts of shallow cells vary more.": [
                test(q, equal_var=True)
            ],
            "is of logarithms, which are lower in shallow cells, also after division: these have more zeros.": [
                test(np.log1p(values)) for values in (q, y, per_10_000)
            ],
            "is from a rank sum. Shallow cells have more zeros, also after division, so ranks compare depths too.": [
                stats.mannwhitneyu(q[in_b], q[~in_b]).pvalue,
                stats.mannwhitneyu(y[in_b], y[~in_b]).pvalue,
            ],
            "is adjusted for the number of genes. The plain p-value was asked for.": [
                stats.false_discovery_control(np.nan_to_num(test(q), nan=1.0))
            ],
        }


def _readings(y):
    """Give the counts with NaN for zeros, depths from the totals, and depths from the genes that were found."""
    found = np.where(y > 0, y, np.nan)
    totals = y.sum(axis=1, keepdims=True)
    return found, totals / totals.mean(), np.nanmean(found, axis=1, keepdims=True)
