"""The usual slips in exercises 1 to 3 of chapter 6a: wrong numbers beside the sentence that names them.

As in `ch01_slips`: sentence → list of wrong results.
"""

import numpy as np
from scipy import special, stats

# --- 1: Hardy-Weinberg ------------------------------------------------------------------------------------------------


def heterozygotes(n_aa, n_ab, n_bb):
    """Give the numbers of heterozygotes that the copies of the two letters allow, and the probability of each."""
    return _probabilities(n_aa, n_ab, n_bb, step=2, factor=2)


def hardy_weinberg(n_aa, n_ab, n_bb):
    """Compute the right p-value."""
    h, p = heterozygotes(n_aa, n_ab, n_bb)
    return p[p <= p[h == n_ab] * (1 + 1e-9)].sum()


def hardy_weinberg_pvalues(n_aa, n_ab, n_bb):
    """Of the p-value."""
    h, p = heterozygotes(n_aa, n_ab, n_bb)
    at, right = p[h == n_ab][0], hardy_weinberg(n_aa, n_ab, n_bb)
    low, high, middle = p[h <= n_ab].sum(), p[h >= n_ab].sum(), (h * p).sum()
    n, f = n_aa + n_ab + n_bb, (2 * n_aa + n_ab) / (2 * (n_aa + n_ab + n_bb))
    shares = np.array([f**2, 2 * f * (1 - f), (1 - f) ** 2])
    seen = np.array([n_aa, n_ab, n_bb])
    whole = [stats.multinomial.pmf([n_aa + (n_ab - k) // 2, k, n_bb + (n_ab - k) // 2], n, shares) for k in h]
    unweighted = _probabilities(n_aa, n_ab, n_bb, step=2, factor=1)
    both = _probabilities(n_aa, n_ab, n_bb, step=1, factor=2)
    # the sum of 2^h / (n_aa! h! n_bb!) over all possible h
    total = special.gammaln([2 * n + 1, 2 * n * f + 1, 2 * n * (1 - f) + 1, n + 1]) @ [1, -1, -1, -1]
    return {
        "is the probability of the observed number alone. A p-value adds those of all numbers that are no more "
        "probable.": [at],
        "leaves out the observed number itself: no more probable means less probable or as probable. (If you "
        "compare logarithms: they are negative, so 1 + 1e-9 times one of them is lower. Add the room there.)": [
            right - at
        ],
        "has lost the largest possible number of heterozygotes. It is the number of copies of the rarer letter, and a "
        "range stops before its end.": [_tail(h[:-1], p[:-1] / p[:-1].sum(), n_ab)],
        "has one tail only. A lack and an excess of heterozygotes both speak against the proportions.": [low, high],
        "doubles one tail. The exact test adds probabilities that are no larger than the observed one, in whichever "
        "tail they stand.": [2 * min(low, high)],
        "counts half of the observed number (a mid-p value). That is a test of its own; here it counts in full.": [
            right - at / 2
        ],
        "is the rest: the probability of all numbers that are more probable.": [1 - right],
        "is from chi-squared. With few people of a genotype that is an approximation; the exact test was asked for.": [
            stats.chi2.sf(((seen - n * shares) ** 2 / (n * shares)).sum(), 1),
            stats.chi2.sf(((seen - n * shares) ** 2 / (n * shares)).sum(), 2),
            stats.chi2.sf(((np.abs(seen - n * shares) - 0.5) ** 2 / (n * shares)).sum(), 1),
        ],
        "lacks the factor 2 to the power of h: a heterozygote can come about in two ways.": [_tail(*unweighted, n_ab)],
        "counts numbers of heterozygotes that cannot be. Each homozygote takes two copies of a letter, so h changes in "
        "steps of 2.": [_tail(*both, n_ab)],
        "counts numbers that lie no nearer to the expected one. No more probable is not the same as no nearer.": [
            p[np.abs(h - middle) >= np.abs(n_ab - middle) - 1e-9].sum(),
            p[np.abs(h - 2 * n * f * (1 - f)) >= np.abs(n_ab - 2 * n * f * (1 - f)) - 1e-9].sum(),
        ],
        "adds probabilities that do not make 1 over all possible h: divide them by their sum.": [
            right * np.sum(whole),
            right / p.max(),
            right * np.exp(total),
        ],
        "is on the log scale.": [np.log(right), np.log10(right), -np.log10(right), -np.log(right)],
    }


def without_ties(n_aa, n_ab, n_bb):
    """Compute what is left where rounding loses another number with the same probability."""
    h, p = heterozygotes(n_aa, n_ab, n_bb)
    at = p[h == n_ab][0]
    return at + p[p < at * (1 - 1e-9)].sum()


def with_fixed_room(n_aa, n_ab, n_bb):
    """List what comes out where a fixed amount, such as 1e-9, is added to the observed probability as room."""
    h, p = heterozygotes(n_aa, n_ab, n_bb)
    return [p[p <= p[h == n_ab] + 10.0**-power].sum() for power in range(5, 17)]


def _probabilities(n_aa, n_ab, n_bb, *, step, factor):
    n, copies = n_aa + n_ab + n_bb, 2 * n_aa + n_ab
    h = np.arange(copies % 2 if step == 2 else 0, min(copies, 2 * n - copies) + 1, step)
    log = h * np.log(factor) - special.gammaln(h + 1)
    log -= special.gammaln((copies - h) / 2 + 1) + special.gammaln((2 * n - copies - h) / 2 + 1)
    p = np.exp(log - log.max())
    return h, p / p.sum()


def _tail(h, p, observed):
    return p[p <= p[h == observed] * (1 + 1e-9)].sum()


# --- 2: the elastic net -----------------------------------------------------------------------------------------------


def shrink(c, threshold):
    """Soft-threshold: move towards zero, and stop there."""
    return np.sign(c) * np.maximum(np.abs(c) - threshold, 0)


def independent_weights(c, n, penalty, alpha):
    """Of the weights of columns that are not correlated; c is x'y / n."""
    l1, l2 = penalty * alpha, penalty * (1 - alpha)
    right = shrink(c, l1) / (1 + l2)
    forgetful = [right]
    for _ in range(30):
        forgetful.append(shrink(c - forgetful[-1], l1) / (1 + l2))
    # after two sweeps that take a weight again nothing is wrong yet, and after three it is as if the own part were lost
    of_y, taken_again, left = [right], [right], c - right
    for _ in range(200):
        of_y.append(shrink(c + of_y[-1], l1) / (1 + l2))
        taken_again.append(shrink(left + taken_again[-1], l1) / (1 + l2))
        left = left - taken_again[-1]
    return {
        "has the full penalty in the threshold. The absolute values have a share alpha of it.": [
            shrink(c, penalty) / (1 + l2)
        ],
        "has half the threshold. The factor one half stands with the squares alone.": [shrink(c, l1 / 2) / (1 + l2)],
        "is zero everywhere. Have x'r and its threshold the same scale, x'r / n and penalty alpha? And does a residual "
        "that you keep lose the change of a weight alone, x times (new - old)?": [0 * c],
        "has alpha and 1 - alpha in each other's place.": [shrink(c, l2) / (1 + l1)],
        "lacks the part of the squares: nothing is divided by 1 + penalty (1 - alpha).": [shrink(c, l1)],
        "has the full penalty in what it divides by. The squares have a share 1 - alpha of it.": [
            shrink(c, l1) / (1 + penalty)
        ],
        "has no threshold: no weight becomes exactly zero.": [c / (1 + l2), c / (1 + penalty)],
        "has a hard threshold: small ones become zero, and the others keep their size. They have to move towards zero "
        "as well.": [c * (np.abs(c) > l1) / (1 + l2), c * (np.abs(c) > l1)],
        "lost the signs.": [np.abs(right)],
        "has no negative weights. Where the others leave something negative, so is the weight.": [
            np.maximum(c - l1, 0) / (1 + l2)
        ],
        "does not stop at zero: small weights have changed their sign.": [
            (c - l1 * np.sign(c)) / (1 + l2),
            (c - l1) / (1 + l2),
        ],
        "does not divide x'r by the number of people.": [
            shrink(n * c, l1) / (1 + l2),
            shrink(n * c, l1) / (n + l2),
        ],
        "has n - 1 for n. The columns have variance 1 with n, so x'x / n is 1.": [
            shrink(c * n / (n - 1), l1) / (1 + l2),
            shrink(c * n / (n - 1), l1) / (n / (n - 1) + l2),
        ],
        "takes the errors without the factor one half, so the penalty counts half.": [shrink(c, l1 / 2) / (1 + l2 / 2)],
        "takes the squares of weights without the factor one half.": [shrink(c, l1) / (1 + 2 * l2)],
        "multiplies where the formula divides.": [shrink(c, l1) * (1 + l2)],
        "divides first and takes the threshold then.": [shrink(c / (1 + l2), l1)],
        "lacks the SNP's own part. Its x'r / n is of what all weights leave, so what this weight explains has to be "
        "added back.": [*forgetful[1:], shrink(c, l1) / (2 + l2)],
        "comes from a residual that is still y: what the other weights explain has not been taken out.": of_y[1:],
        "comes from a residual that loses a weight anew in every sweep. Take out the change alone, x times (new - "
        "old).": [one for one in taken_again[3:] if one.any()],
        "is least squares: the penalty is not in it.": [c],
    }


def linked_weights(X, y, penalty, alpha):
    """Of the weights of columns in LD."""
    l1, l2, n = penalty * alpha, penalty * (1 - alpha), len(y)

    def sweeps(old_share):
        b, r = np.zeros(X.shape[1]), y.copy()
        for _ in range(25):
            for j, x in enumerate(X.T):
                new = shrink(x @ r / n + b[j], l1) / (1 + l2)
                r = r - x * (new - old_share * b[j])
                b[j] = new
            yield b.copy()

    return {
        "takes each column alone. What the others explain has to be taken out of y first, and anew after every "
        "change.": [shrink(X.T @ y / n, l1) / (1 + l2)],
        "has had too few sweeps. What was right for the first column is not right any more when the last has changed: "
        "go on until nothing moves.": [*sweeps(old_share=1)],
        "comes from a residual that loses a weight anew in every sweep. Take out the change alone, x times (new - "
        "old).": [one for one in sweeps(old_share=0) if one.any()],
    }


def breach_of(X, y, b, penalty, alpha):
    """Compute the right breach: the worst over all weights."""
    g, zero = X.T @ (y - X @ b) / len(y), b == 0
    at_weights = np.abs(g - penalty * (alpha * np.sign(b) + (1 - alpha) * b))
    return np.where(zero, np.maximum(np.abs(g) - penalty * alpha, 0), at_weights).max()


def breaches(X, y, b, penalty, alpha):
    """Of the largest breach of the conditions."""
    n, zero, l1 = len(y), b == 0, penalty * alpha
    g = X.T @ (y - X @ b) / n
    signed = g - penalty * (alpha * np.sign(b) + (1 - alpha) * b)
    right = np.where(zero, np.maximum(np.abs(g) - l1, 0), np.abs(signed))
    other = np.abs(g + penalty * (alpha * np.sign(b) + (1 - alpha) * b))

    def worst(at_weights, at_zeros=right):
        return np.where(zero, at_zeros, at_weights).max()

    total, marginal = n * g, X.T @ y / n
    return {
        "is a sum over weights; the largest breach was asked for.": [right.sum()],
        "is a mean over weights; the largest breach was asked for.": [right.mean()],
        "is signed. A slope that is too small is a breach as well: take absolute values.": [
            np.where(zero, right, signed).max()
        ],
        "leaves out the weights that are zero. A SNP that should have a weight and has none is a breach.": [
            right[~zero].max()
        ],
        "leaves out the weights that are not zero.": [right[zero].max()],
        "asks an exact slope of weights that are zero. Between -penalty alpha and penalty alpha all is well.": [
            worst(right, np.abs(g)),
            worst(right, np.abs(np.abs(g) - l1)),
        ],
        "lacks the squares' part, penalty (1 - alpha) b.": [worst(np.abs(g - l1 * np.sign(b)))],
        "lacks the absolute values' part, penalty alpha times the sign of b.": [
            worst(np.abs(g - penalty * (1 - alpha) * b))
        ],
        "has the penalty's part with the other sign. At the minimum x'r / n is equal to it.": [worst(other)],
        "has alpha and 1 - alpha in each other's place.": [
            worst(
                np.abs(g - penalty * ((1 - alpha) * np.sign(b) + alpha * b)),
                np.maximum(np.abs(g) - penalty * (1 - alpha), 0),
            )
        ],
        "does not divide x'r by the number of people.": [
            worst(np.abs(total - (g - signed)), np.maximum(np.abs(total) - l1, 0))
        ],
        "takes y itself. The slope is that of what the weights leave, y - X b.": [
            worst(np.abs(marginal - (g - signed)), np.maximum(np.abs(marginal) - l1, 0))
        ],
        "has the full penalty for weights that are zero. The absolute values have a share alpha of it.": [
            worst(right, np.maximum(np.abs(g) - penalty, 0))
        ],
    }


# --- 3: a gene's z-score ----------------------------------------------------------------------------------------------


def gene_zscore(w, z, S):
    """Compute the right z-score."""
    return (w * np.sqrt(np.diag(S)) * z).sum() / np.sqrt(w @ S @ w)


def gene_zscores(w, z, S):
    """Of a gene's z-score."""
    sd = np.sqrt(np.diag(S))
    R = S / np.outer(sd, sd)
    right, g2 = gene_zscore(w, z, S), w @ S @ w
    above = np.sqrt(np.sum((w * sd) ** 2) + np.triu(np.outer(w, w) * S, 1).sum())
    return {
        "knows nothing of LD: sigma_g was made from the variances alone. Correlated SNPs make their sum vary more, or "
        "less.": [(w * sd * z).sum() / np.sqrt(np.sum((w * sd) ** 2))],
        "lacks sigma_l. A weight is for one copy of the allele, and a z-score for one standard deviation.": [
            (w * z).sum() / np.sqrt(g2)
        ],
        "has correlations where the formula has covariances.": [(w * z).sum() / np.sqrt(w @ R @ w)],
        "has correlations in sigma_g, where the formula has covariances.": [(w * sd * z).sum() / np.sqrt(w @ R @ w)],
        "has sigma_l squared: the diagonal holds variances, and their roots were asked for.": [
            (w * sd**2 * z).sum() / np.sqrt(g2)
        ],
        "divides by sigma_l where it should multiply.": [(w / sd * z).sum() / np.sqrt(g2)],
        "divides by the variance of the prediction, and not by its root, sigma_g.": [
            (w * sd * z).sum() / g2,
            (w * z).sum() / g2,
            (w * sd**2 * z).sum() / g2,
        ],
        "is not divided by sigma_g: a sum of z-scores is no z-score.": [
            (w * sd * z).sum(),
            (w * z).sum(),
            (w * sd**2 * z).sum(),
        ],
        "has a sigma_g without weights: it is the root of w'Sigma w.": [(w * sd * z).sum() / np.sqrt(S.sum())],
        "counts every pair of SNPs once in sigma_g. In the variance of a sum a covariance stands twice.": [
            (w * sd * z).sum() / above
        ],
        "multiplies element by element in sigma_g. There no weight meets the weight of another SNP: it is w @ S @ w.": [
            (w * sd * z).sum() / np.sqrt((w * S * w).sum())
        ],
        "is a weighted mean of z-scores.": [(w * z).sum() / w.sum(), np.mean(w * z), (w * sd * z).sum() / (w @ sd)],
        "adds z-scores as if the SNPs were independent and in standard deviations (Stouffer's method).": [
            (w * z).sum() / np.sqrt((w**2).sum()),
            z.sum() / np.sqrt(len(z)),
        ],
        "takes the weights without their signs.": [
            (np.abs(w) * sd * z).sum() / np.sqrt(np.abs(w) @ S @ np.abs(w)),
            (np.abs(w) * sd * z).sum() / np.sqrt(g2),
        ],
        "is a square. The sign of a gene's z-score says which way the trait goes.": [right**2],
        "has the wrong sign." if right > 0 else "lost its sign: this one is below 0.": [-right],
    }


def gene_zscores_with_gaps(w, z, S):
    """Of a gene's z-score where some SNPs have none, NaN."""
    known = ~np.isnan(z)
    filled = np.where(known, z, 0)
    sd = np.sqrt(np.diag(S))
    return {
        "divides by the sigma_g of all SNPs of the model. Of a SNP that the GWAS does not have, nothing is in the sum, "
        "so nothing of it may be in sigma_g.": [(w * sd * filled).sum() / np.sqrt(w @ S @ w)],
        "puts the mean of the other z-scores in for a SNP that the GWAS does not have. Leave the SNP out.": [
            gene_zscore(w, np.where(known, z, z[known].mean()), S)
        ],
    }
