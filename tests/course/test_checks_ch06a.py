"""The bank of chapter 6a: right answers written differently pass, typical wrong ones get the diagnosis that fits."""

from fractions import Fraction
from itertools import combinations
from math import comb, factorial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.check_bank import BankTests
from scipy import optimize, special, stats

from scomics_lite import twas
from scomics_lite.course.checks import review
from scomics_lite.course.checks.ch06a import cases, slips, study_slips

SOLUTIONS = Path(__file__).parents[2] / "solutions" / "06a_predixcan_and_twas_solutions.ipynb"

# --- 1: Hardy-Weinberg ------------------------------------------------------------------------------------------------


def possible(n_aa, n_ab, n_bb, factor=2, step=2):
    """Give the possible numbers of heterozygotes and their probabilities."""
    a, b = 2 * n_aa + n_ab, 2 * n_bb + n_ab
    h = np.arange(a % 2 if step == 2 else 0, min(a, b) + 1, step)
    log = h * np.log(factor) - special.gammaln((a - h) / 2 + 1)
    log -= special.gammaln(h + 1) + special.gammaln((b - h) / 2 + 1)
    p = np.exp(log - log.max())
    return h, p / p.sum()


def hwe(n_aa, n_ab, n_bb, **how):
    h, p = possible(n_aa, n_ab, n_bb, **how)
    return p[p <= p[h == n_ab][0] * 1.000000001].sum()


def hwe_by_fractions(n_aa, n_ab, n_bb):
    """Use whole numbers only, so that ties need no room."""
    a, b = 2 * n_aa + n_ab, 2 * n_bb + n_ab
    n, ways = n_aa + n_ab + n_bb, {}
    for h in range(a % 2, min(a, b) + 1, 2):
        ways[h] = 2**h * comb(n, h) * comb(n - h, (a - h) // 2)
    return float(Fraction(sum(w for w in ways.values() if w <= ways[n_ab]), sum(ways.values())))


def hwe_by_recursion(n_aa, n_ab, n_bb):
    """Go from the most probable number to both sides by the ratio of neighbours, logarithms of it added up."""
    a, b = 2 * n_aa + n_ab, 2 * n_bb + n_ab
    h = list(range(a % 2, min(a, b) + 1, 2))
    log = [0.0]
    for one in h[:-1]:
        log.append(log[-1] + np.log((a - one) * (b - one)) - np.log((one + 1) * (one + 2)))
    log = np.array(log) - max(log)
    p = np.exp(log) / np.exp(log).sum()
    return {"p": sum(x for x in p if x <= p[h.index(n_ab)] * (1 + 1e-7))}["p"]


HWE_RIGHT = {
    "gammaln": hwe,
    "fractions": hwe_by_fractions,
    "recursion": hwe_by_recursion,
    "the package": lambda *counts: twas.hardy_weinberg(*counts),
}


def from_p(function):
    """Make another number from the possible h, their probabilities and the observed h."""
    return lambda n_aa, n_ab, n_bb: function(*possible(n_aa, n_ab, n_bb), n_ab)


def chi_squared(n_aa, n_ab, n_bb, df=1):
    n = n_aa + n_ab + n_bb
    f = (2 * n_aa + n_ab) / (2 * n)
    expected = n * np.array([f**2, 2 * f * (1 - f), (1 - f) ** 2])
    return stats.chi2.sf(((np.array([n_aa, n_ab, n_bb]) - expected) ** 2 / expected).sum(), df)


def multinomial(n_aa, n_ab, n_bb):
    n = n_aa + n_ab + n_bb
    f = (2 * n_aa + n_ab) / (2 * n)
    h, _ = possible(n_aa, n_ab, n_bb)
    shares = [f**2, 2 * f * (1 - f), (1 - f) ** 2]
    whole = [stats.multinomial.pmf([n_aa + (n_ab - k) // 2, k, n_bb + (n_ab - k) // 2], n, shares) for k in h]
    return sum(w for w in whole if w <= whole[list(h).index(n_ab)] * (1 + 1e-9))


def overflowing(n_aa, n_ab, n_bb):
    a, b = 2 * n_aa + n_ab, 2 * n_bb + n_ab
    h = np.arange(a % 2, min(a, b) + 1, 2)
    p = 2.0**h / special.factorial((a - h) / 2) / special.factorial(h) / special.factorial((b - h) / 2)
    p = p / p.sum()
    return p[p <= p[h == n_ab][0] * 1.000000001].sum()


def last_one_lost(h, p, seen):
    h, p = h[:-1], p[:-1] / p[:-1].sum()
    return p[p <= p[h == seen] * 1.000000001].sum()


def not_divided(n_aa, n_ab, n_bb):
    a, b = 2 * n_aa + n_ab, 2 * n_bb + n_ab
    h = np.arange(a % 2, min(a, b) + 1, 2)
    p = np.exp(h * np.log(2) - special.gammaln([(a - h) / 2 + 1, h + 1, (b - h) / 2 + 1]).sum(axis=0))
    return p[p <= p[h == n_ab] * 1.000000001].sum()


HWE_WRONG = {
    "the observed alone": (from_p(lambda h, p, seen: p[h == seen][0]), "of the observed number alone"),
    "without it": (from_p(lambda h, p, seen: p[p < p[h == seen] * 0.999999].sum()), "leaves out the observed number"),
    "few": (from_p(lambda h, p, seen: p[h <= seen].sum()), "has one tail only"),
    "many": (from_p(lambda h, p, seen: p[h >= seen].sum()), "has one tail only"),
    "doubled": (
        from_p(lambda h, p, seen: min(1, 2 * min(p[h <= seen].sum(), p[h >= seen].sum()))),
        "doubles one tail",
    ),
    "mid-p": (lambda *n: hwe(*n) - from_p(lambda h, p, seen: p[h == seen][0])(*n) / 2, "a mid-p value"),
    "the rest": (lambda *n: 1 - hwe(*n), "is the rest"),
    "chi-squared": (chi_squared, "is from chi-squared"),
    "two degrees of freedom": (lambda *n: chi_squared(*n, df=2), "is from chi-squared"),
    "no factor": (lambda *n: hwe(*n, factor=1), "lacks the factor 2"),
    "all numbers": (lambda *n: hwe(*n, step=1), "h changes in steps of 2"),
    "distance": (
        from_p(lambda h, p, seen: p[np.abs(h - (h * p).sum()) >= np.abs(seen - (h * p).sum()) - 1e-9].sum()),
        "No more probable is not the same as no nearer",
    ),
    "multinomial": (multinomial, "do not make 1 over all possible h"),
    "a logarithm": (lambda *n: -np.log10(hwe(*n)), "is on the log scale"),
    "ties lost": (slips.without_ties, "may lose one of them to rounding"),
    "overflow": (overflowing, "their factorials are too large to be numbers"),
    "OverflowError": (
        lambda *n: hwe(*n) + 0.0 * float(factorial(sum(n))),
        "your code raised OverflowError",
    ),
    "fixed room": (
        from_p(lambda h, p, seen: p[p <= p[h == seen] + 1e-9].sum()),
        "your room is a fixed amount, larger than the p-value itself: make it a share, p_obs * (1 + 1e-9)",
    ),
    "isclose": (
        from_p(lambda h, p, seen: p[(p < p[h == seen]) | np.isclose(p, p[h == seen])].sum()),
        "your room is a fixed amount",
    ),
    "last one lost": (
        from_p(lambda h, p, seen: last_one_lost(h, p, seen)),
        "has lost the largest possible number of heterozygotes",
    ),
    "no sum": (from_p(lambda h, p, seen: p[p <= p[h == seen] * 1.000000001].sum() / p.max()), "divide them by their"),
    "no sum, no maximum": (not_divided, "divide them by their sum"),
    "logarithms": (
        from_p(lambda h, p, seen: p[np.log(p) <= np.log(p[h == seen]) * (1 + 1e-9)].sum()),
        "If you compare logarithms: they are negative",
    ),
    "one minus": (
        from_p(lambda h, p, seen: 1 - p[p > p[h == seen] * 1.000000001].sum()),
        "far from the proportions your p-value is lost to rounding",
    ),
    "nothing for one letter": (
        lambda *n: hwe(*n) if n[1] else np.nan,
        "where only one letter was seen, your p-value is NaN",
    ),
    "a list": (lambda *n: [hwe(*n)] * 2, "where one number was expected"),
}


# --- 2: the elastic net -----------------------------------------------------------------------------------------------


def soft(c, t):
    return np.sign(c) * max(abs(c) - t, 0)


def descend(X, y, penalty, alpha, *, sweeps=200, update=None, keep=True, fresh=True):
    """Coordinate descent, with another update, or with one of its parts left out."""
    update = update or (lambda c, n: soft(c, penalty * alpha) / (1 + penalty * (1 - alpha)))
    b = np.zeros(X.shape[1])
    for _ in range(sweeps):
        r = y - X @ b
        for j, x in enumerate(X.T):
            r = y - X @ b if fresh else r
            b[j] = update(x @ r / len(y) + (b[j] if keep else 0), len(y))
    return b


def descend_with_residuals(X, y, penalty, alpha):
    """Keep the residuals, go through the columns from the last to the first, and stop when nothing moves."""
    b, r, moved = [0.0] * X.shape[1], y - 0, 1.0
    while moved > 1e-10:
        moved = 0.0
        for j in reversed(range(len(b))):
            new = soft(X[:, j] @ r / len(y) + b[j], penalty * alpha) / (1 + penalty * (1 - alpha))
            r = r - X[:, j] * (new - b[j])
            moved, b[j] = max(moved, abs(new - b[j])), new
    return b


def descend_wrongly(X, y, penalty, alpha, *, sweeps=200, taken=None, start=0.0):
    """Take something else than the change of a weight out of the residuals, or start from other zeros."""
    b, r = np.full(X.shape[1], start), y.copy()
    for _ in range(sweeps):
        for j, x in enumerate(X.T):
            new = soft(x @ r / len(y) + b[j], penalty * alpha) / (1 + penalty * (1 - alpha))
            r = r - x * (new - b[j] if taken is None else taken(new, b[j]))
            b[j] = new
    return b


def until_still(*case, tolerance=1e-8):
    """Take weights out of the residuals again and again, until little moves: with independent columns all is well."""
    before, after = None, descend_wrongly(*case, taken=lambda new, old: new, sweeps=1)
    for sweeps in range(2, 25):
        before, after = after, descend_wrongly(*case, taken=lambda new, old: new, sweeps=sweeps)
        if np.abs(after - before).max() < tolerance:
            break
    return after


def proximal(X, y, penalty, alpha):
    """Move all weights at once, by small steps."""
    step = 1 / (np.linalg.norm(X, 2) ** 2 / len(y) + penalty * (1 - alpha))
    b = np.zeros(X.shape[1])
    for _ in range(4_000):
        slope = -X.T @ (y - X @ b) / len(y) + penalty * (1 - alpha) * b
        b = slips.shrink(b - step * slope, step * penalty * alpha)
    return pd.Series(b)


def by_least_squares_with_bounds(X, y, penalty, alpha):
    """Write each weight as a difference of two that are not negative."""
    n, p = X.shape
    l1, l2 = penalty * alpha, penalty * (1 - alpha)
    G, c = X.T @ X / n + l2 * np.eye(p), X.T @ y / n

    def value(both):
        b = both[:p] - both[p:]
        slope = G @ b - c
        return b @ G @ b / 2 - c @ b + l1 * both.sum(), np.concatenate([slope, -slope]) + l1

    found = optimize.minimize(
        value, np.zeros(2 * p), jac=True, bounds=[(0, None)] * 2 * p, options={"ftol": 1e-15, "gtol": 1e-9}
    )
    b = found.x[:p] - found.x[p:]
    return np.where(np.abs(b) < 1e-9, 0, b)


def breach(X, y, b, penalty, alpha):
    g = X.T @ (y - X @ b) / len(y)
    at_zeros = np.maximum(np.abs(g) - penalty * alpha, 0)
    return np.where(b == 0, at_zeros, np.abs(g - penalty * (alpha * np.sign(b) + (1 - alpha) * b))).max()


def breach_by_loops(X, y, b, penalty, alpha):
    worst = 0.0
    for x, one in zip(X.T, b, strict=True):
        slope = x @ (y - X @ b) / len(y) - penalty * (1 - alpha) * one
        low, high = (-penalty * alpha, penalty * alpha) if one == 0 else (np.sign(one) * penalty * alpha,) * 2
        worst = max(worst, slope - high, low - slope)
    return worst


def net(elastic_net=descend, breach=breach):
    return {"elastic_net": elastic_net, "breach": breach}


NET_RIGHT = {
    "descent": net(),
    "residuals, last column first, a list": net(descend_with_residuals, breach_by_loops),
    "all at once, a Series": net(proximal),
    "an optimiser": net(by_least_squares_with_bounds),
}


def updated(function):
    """Another update of one weight, from c, penalty, alpha and n."""
    return net(
        lambda X, y, penalty, alpha: descend(X, y, penalty, alpha, update=lambda c, n: function(c, penalty, alpha, n))
    )


def breached(function):
    """Another breach, from slopes g, weights, penalty and alpha."""
    return net(breach=lambda X, y, b, penalty, alpha: function(X.T @ (y - X @ b) / len(y), b, penalty, alpha))


def at_weights(g, b, penalty, alpha):
    return np.abs(g - penalty * (alpha * np.sign(b) + (1 - alpha) * b))


def at_zeros(g, penalty, alpha):
    return np.maximum(np.abs(g) - penalty * alpha, 0)


def all_breaches(g, b, penalty, alpha):
    return np.where(b == 0, at_zeros(g, penalty, alpha), at_weights(g, b, penalty, alpha))


NET_WRONG = {
    "full threshold": (
        updated(lambda c, lam, al, n: soft(c, lam) / (1 + lam * (1 - al))),
        "full penalty in the threshold",
    ),
    "swapped": (updated(lambda c, lam, al, n: soft(c, lam * (1 - al)) / (1 + lam * al)), "in each other's place"),
    "lasso": (updated(lambda c, lam, al, n: soft(c, lam * al)), "lacks the part of the squares"),
    "full division": (
        updated(lambda c, lam, al, n: soft(c, lam * al) / (1 + lam)),
        "full penalty in what it divides by",
    ),
    "ridge": (updated(lambda c, lam, al, n: c / (1 + lam * (1 - al))), "has no threshold"),
    "hard": (updated(lambda c, lam, al, n: c * (abs(c) > lam * al) / (1 + lam * (1 - al))), "has a hard threshold"),
    "no signs": (updated(lambda c, lam, al, n: abs(soft(c, lam * al)) / (1 + lam * (1 - al))), "lost the signs"),
    "positive only": (
        updated(lambda c, lam, al, n: max(c - lam * al, 0) / (1 + lam * (1 - al))),
        "no negative weights",
    ),
    "through zero": (
        updated(lambda c, lam, al, n: np.sign(c) * (abs(c) - lam * al) / (1 + lam * (1 - al))),
        "does not stop at zero",
    ),
    "n - 1": (
        updated(lambda c, lam, al, n: soft(c * n / (n - 1), lam * al) / (n / (n - 1) + lam * (1 - al))),
        "The columns have variance 1 with n",
    ),
    "no half": (
        updated(lambda c, lam, al, n: soft(c, lam * al / 2) / (1 + lam * (1 - al) / 2)),
        "takes the errors without the factor one half",
    ),
    "no half of squares": (
        updated(lambda c, lam, al, n: soft(c, lam * al) / (1 + 2 * lam * (1 - al))),
        "the squares of weights without the factor",
    ),
    "multiplied": (updated(lambda c, lam, al, n: soft(c, lam * al) * (1 + lam * (1 - al))), "multiplies where"),
    "half a threshold": (
        updated(lambda c, lam, al, n: soft(c, lam * al / 2) / (1 + lam * (1 - al))),
        "has half the threshold",
    ),
    "threshold of a sum": (
        updated(lambda c, lam, al, n: soft(c, 2 * n * lam * al) / (1 + lam * (1 - al))),
        "is zero everywhere",
    ),
    "residual never updated": (
        net(lambda *case: descend_wrongly(*case, taken=lambda new, old: 0)),
        "a residual that is still y: what the other weights explain has not been taken out",
    ),
    "residual never updated, few sweeps": (
        net(lambda *case: descend_wrongly(*case, taken=lambda new, old: 0, sweeps=7)),
        "a residual that is still y",
    ),
    "the weight taken anew": (
        net(lambda *case: descend_wrongly(*case, taken=lambda new, old: new)),
        "lose the change of a weight alone",
    ),
    "the weight taken anew, few sweeps": (
        net(lambda *case: descend_wrongly(*case, taken=lambda new, old: new, sweeps=4)),
        "Take out the change alone",
    ),
    "the weight taken anew, until nothing moves": (net(until_still), "change alone, x times (new - old)"),
    "the weight taken anew, until little moves": (
        net(lambda *case: until_still(*case, tolerance=0.01)),
        "change alone, x times (new - old)",
    ),
    "integers": (net(lambda *case: descend_wrongly(*case, start=0)), "your b holds whole numbers"),
    "divided first": (updated(lambda c, lam, al, n: soft(c / (1 + lam * (1 - al)), lam * al)), "divides first"),
    "least squares": (updated(lambda c, lam, al, n: c), "is least squares"),
    "one at a time": (
        net(lambda X, y, lam, al: slips.shrink(X.T @ y / len(y), lam * al) / (1 + lam * (1 - al))),
        "takes each column alone",
    ),
    "one sweep": (net(lambda *case: descend(*case, sweeps=1)), "has had too few sweeps"),
    "four sweeps": (net(lambda *case: descend(*case, sweeps=4)), "has had too few sweeps"),
    "old residuals": (net(lambda *case: descend(*case, fresh=False)), "is r computed anew after every change"),
    "own part lost": (net(lambda *case: descend(*case, keep=False)), "lacks the SNP's own part"),
    "not divided by n": (net(lambda X, y, *rest: descend(X * len(y), y, *rest)), "grows from sweep to sweep"),
    "tiny weights": (
        net(lambda *case: np.where(descend(*case) == 0, 1e-9, descend(*case))),
        "where they should be exactly zero. If your step does set zeros, it stopped too early",
    ),
    "weights of zero": (
        net(lambda X, *case: descend(X, *case) if X.shape[1] == 8 else np.zeros(X.shape[1])),
        "explain more of what is left than their price",
    ),
    "with an intercept": (net(lambda *case: np.append(descend(*case), 0)), "has shape"),
    "small weights as zeros": (
        breached(
            lambda g, b, lam, al: np.where(np.abs(b) < 1e-3, at_zeros(g, lam, al), at_weights(g, b, lam, al)).max()
        ),
        "where a weight is 0.0000001, your number takes it for zero",
    ),
    "sum": (breached(lambda *case: all_breaches(*case).sum()), "is a sum over weights"),
    "mean": (breached(lambda *case: all_breaches(*case).mean()), "is a mean over weights"),
    "all of them": (breached(all_breaches), "where one number was expected"),
    "no zeros": (
        breached(lambda *case: all_breaches(*case)[case[1] != 0].max()),
        "leaves out the weights that are zero",
    ),
    "zeros alone": (
        breached(lambda *case: all_breaches(*case)[case[1] == 0].max()),
        "leaves out the weights that are not",
    ),
    "exact at zero": (
        breached(lambda g, b, lam, al: max(at_weights(g, b, lam, al)[b != 0].max(), np.abs(g)[b == 0].max())),
        "asks an exact slope of weights that are zero",
    ),
    "no squares": (
        breached(lambda g, b, lam, al: np.where(b == 0, at_zeros(g, lam, al), np.abs(g - lam * al * np.sign(b))).max()),
        "lacks the squares' part",
    ),
    "no absolute values": (
        breached(lambda g, b, lam, al: np.where(b == 0, at_zeros(g, lam, al), np.abs(g - lam * (1 - al) * b)).max()),
        "lacks the absolute values' part",
    ),
    "other sign": (breached(lambda g, b, lam, al: all_breaches(-g, b, lam, al).max()), "with the other sign"),
    "alpha swapped": (breached(lambda g, b, lam, al: all_breaches(g, b, lam, 1 - al).max()), "in each other's place"),
    "no n": (
        net(breach=lambda X, y, b, lam, al: all_breaches(X.T @ (y - X @ b), b, lam, al).max()),
        "does not divide x'r by the number of people",
    ),
    "of y": (
        net(breach=lambda X, y, b, lam, al: all_breaches(X.T @ y / len(y), b, lam, al).max()),
        "takes y itself",
    ),
    "no share at zero": (
        breached(lambda g, b, lam, al: np.where(b == 0, at_zeros(g, lam, 1), at_weights(g, b, lam, al)).max()),
        "has the full penalty for weights that are zero",
    ),
    "one function": (descend, "one function is there where a dict was expected"),
}


def hinted_descent(X, y, penalty, alpha):
    b = np.zeros(X.shape[1])
    for _ in range(200):
        for j in range(X.shape[1]):
            r = y - X @ b
            c = X[:, j] @ r / len(y) + b[j]
            b[j] = np.sign(c) * max(abs(c) - penalty * alpha, 0) / (1 + penalty * (1 - alpha))
    return b


# --- 3: a gene's z-score ----------------------------------------------------------------------------------------------


def gene_z(w, z, S):
    keep = ~np.isnan(z)
    w, z, S = w[keep], z[keep], S[np.ix_(keep, keep)]
    return np.sum(w * np.sqrt(np.diag(S)) * z) / np.sqrt(w @ S @ w)


def gene_z_by_loops(w, z, S):
    total, variance = 0.0, 0.0
    for i in range(len(w)):
        for j in range(len(w)):
            if not (np.isnan(z[i]) or np.isnan(z[j])):
                variance += w[i] * w[j] * S[i, j]
        total += 0 if np.isnan(z[i]) else w[i] * S[i, i] ** 0.5 * z[i]
    return total / variance**0.5


def gene_z_in_standard_deviations(w, z, S):
    """Weights of standardised dosages, and correlations: the same number."""
    known = pd.Series(z).notna().to_numpy()
    sd = np.diag(S) ** 0.5
    v, R = (w * sd)[known], (S / np.outer(sd, sd))[known][:, known]
    return v @ z[known] / (v @ R @ v) ** 0.5


Z_RIGHT = {"arrays": gene_z, "loops": gene_z_by_loops, "correlations, rightly": gene_z_in_standard_deviations}


def z_as(function):
    """Another z-score, of the SNPs that the GWAS has."""

    def answer(w, z, S):
        keep = ~np.isnan(z)
        S = S[np.ix_(keep, keep)]
        return function(w[keep], z[keep], S, np.sqrt(np.diag(S)))

    return answer


def correlation(S):
    sd = np.sqrt(np.diag(S))
    return S / np.outer(sd, sd)


Z_WRONG = {
    "no LD": (z_as(lambda w, z, S, sd: w * sd @ z / np.sqrt((w * sd) @ (w * sd))), "knows nothing of LD"),
    "no sigma": (z_as(lambda w, z, S, sd: w @ z / np.sqrt(w @ S @ w)), "lacks sigma_l"),
    "correlations": (z_as(lambda w, z, S, sd: w @ z / np.sqrt(w @ correlation(S) @ w)), "has correlations where"),
    "correlations in sigma_g": (
        z_as(lambda w, z, S, sd: w * sd @ z / np.sqrt(w @ correlation(S) @ w)),
        "has correlations in sigma_g",
    ),
    "variances": (z_as(lambda w, z, S, sd: w * sd**2 @ z / np.sqrt(w @ S @ w)), "has sigma_l squared"),
    "divided": (z_as(lambda w, z, S, sd: w / sd @ z / np.sqrt(w @ S @ w)), "divides by sigma_l"),
    "no root": (z_as(lambda w, z, S, sd: w * sd @ z / (w @ S @ w)), "and not by its root"),
    "a sum": (z_as(lambda w, z, S, sd: w * sd @ z), "a sum of z-scores is no z-score"),
    "sigma_g without weights": (z_as(lambda w, z, S, sd: w * sd @ z / np.sqrt(S.sum())), "a sigma_g without weights"),
    "pairs once": (
        z_as(lambda w, z, S, sd: w * sd @ z / np.sqrt((np.triu(S) * np.outer(w, w)).sum())),
        "counts every pair of SNPs once",
    ),
    "mean": (z_as(lambda w, z, S, sd: np.average(z, weights=w)), "is a weighted mean"),
    "Stouffer": (z_as(lambda w, z, S, sd: w @ z / np.sqrt(w @ w)), "Stouffer's method"),
    "no signs of weights": (z_as(lambda w, z, S, sd: gene_z(np.abs(w), z, S)), "the weights without their signs"),
    "absolute": (
        z_as(lambda w, z, S, sd: abs(gene_z(w, z, S))),
        "whose z-score is below 0, your z-score lost its sign",
    ),
    "wrong sign": (z_as(lambda w, z, S, sd: -gene_z(w, z, S)), "your z-score has the wrong sign"),
    "elementwise": (
        z_as(lambda w, z, S, sd: w * sd @ z / np.sqrt((w * S * w).sum())),
        "multiplies element by element in sigma_g",
    ),
    "squared": (z_as(lambda w, z, S, sd: gene_z(w, z, S) ** 2), "is a square"),
    "zeros put in": (
        lambda w, z, S: np.sum(w * np.sqrt(np.diag(S)) * np.nan_to_num(z)) / np.sqrt(w @ S @ w),
        "divides by the sigma_g of all SNPs",
    ),
    "means put in": (
        lambda w, z, S: slips.gene_zscore(w, np.where(np.isnan(z), np.nanmean(z), z), S),
        "puts the mean of the other z-scores in",
    ),
    "NaN": (slips.gene_zscore, "these SNPs have to be left out, of the sum and of sigma_g"),
    "the effect": (z_as(lambda w, z, S, sd: (w * z).tolist()), "has shape"),
}


# --- 4: alleles -------------------------------------------------------------------------------------------------------

PARTNER = {"A": "T", "T": "A", "C": "G", "G": "C"}


def align(gwas, model):
    g = gwas.set_index("snp").reindex(model["rsid"])
    g = g.apply(lambda column: column.str.upper() if column.name != "zscore" else column)
    result = []
    for row, (ref, eff) in zip(g.itertuples(), model[["ref_allele", "eff_allele"]].to_numpy(), strict=True):
        result.append(sign_of(row.effect_allele, row.non_effect_allele, ref.upper(), eff.upper()) * row.zscore)
    return np.array(result)


def sign_of(effect, other, ref, eff, *, strands=True, palindromic=np.nan, turned=-1.0):
    """1, -1 or NaN for the letters of a SNP."""
    if eff == PARTNER[ref]:
        return palindromic if isinstance(palindromic, float) else palindromic(effect, other, ref, eff)
    pairs = [(effect, other)]
    if strands:
        pairs.append((PARTNER.get(effect), PARTNER.get(other)))
    for pair in pairs:
        if pair == (eff, ref):
            return 1.0
        if pair == (ref, eff):
            return turned
    return np.nan


def align_by_the_package(gwas, model):
    g = gwas.set_index("snp").reindex(model["rsid"])
    ref, eff = model["ref_allele"].to_numpy(), model["eff_allele"].to_numpy()
    sign = twas.alignment(ref, eff, g["non_effect_allele"].fillna("N"), g["effect_allele"].fillna("N")).astype(float)
    sign[(sign == 0) | twas.is_palindromic(ref, eff)] = np.nan
    return g["zscore"] * sign


def align_by_merging(gwas, model):
    """Join the tables, and put letters into texts; SNPs by name, in another order."""
    both = model.merge(gwas, left_on="rsid", right_on="snp")
    model_pair = both["ref_allele"].str.upper() + both["eff_allele"].str.upper()
    pair = both["non_effect_allele"].str.upper() + both["effect_allele"].str.upper()
    strand = pair.str.translate(str.maketrans("ACGT", "TGCA"))
    same, turned = (
        (pair == model_pair) | (strand == model_pair),
        (pair.str[::-1] == model_pair) | (strand.str[::-1] == model_pair),
    )
    z = both["zscore"].where(same, -both["zscore"].where(turned)).where(~(same & turned))
    return pd.Series(z.to_numpy(), both["rsid"]).reindex(sorted(model["rsid"]))


ALIGN_RIGHT = {"rows": align, "the package": align_by_the_package, "merging, another order": align_by_merging}


def aligned(sign=sign_of, upper=(True, True), **how):
    """Align by another rule for the letters; which of the two files are brought to capitals."""

    def answer(gwas, model):
        g = gwas.set_index("snp").reindex(model["rsid"])
        letters = np.column_stack([g[["effect_allele", "non_effect_allele"]], model[["ref_allele", "eff_allele"]]])
        result = []
        for z, row in zip(g["zscore"], letters, strict=True):
            row = [one if one != one else one.upper() if upper[i > 1] else one for i, one in enumerate(row)]
            result.append(_sign(sign, row, how) * z)
        return result

    return answer


def with_partners(partner, palindromic=None):
    """Align with other partners, and palindromic pairs by them or by a list."""

    def sign(effect, other, ref, eff):
        if ref + eff in palindromic if palindromic else eff == partner[ref]:
            return np.nan
        pairs = [(effect, other), (partner.get(effect), partner.get(other))]
        return 1.0 if (eff, ref) in pairs else -1.0 if (ref, eff) in pairs else np.nan

    return aligned(sign)


def _sign(sign, row, how):
    try:
        return sign(*row, **how)
    except KeyError:  # small letters
        return np.nan


def as_written(effect, other, ref, eff):
    return {(eff, ref): 1.0, (ref, eff): -1.0}.get((effect, other), np.nan)


def by_the_effect_allele(effect, other, ref, eff):
    if eff == PARTNER[ref]:
        return np.nan
    return 1.0 if effect in (eff, PARTNER[eff]) else -1.0 if effect in (ref, PARTNER[ref]) else np.nan


def letter_by_letter(effect, other, ref, eff):
    """Let each letter be on the strand that suits it."""
    if eff == PARTNER[ref]:
        return np.nan

    def like(a, b):
        return a in (b, PARTNER[b])

    return 1.0 if like(effect, eff) and like(other, ref) else -1.0 if like(effect, ref) and like(other, eff) else np.nan


def strand_as_swap(effect, other, ref, eff):
    known = as_written(effect, other, ref, eff) if eff != PARTNER[ref] else np.nan
    return known if known == known or eff == PARTNER[ref] else -sign_of(effect, other, ref, eff)


def filled(answer, value):
    return lambda gwas, model: np.nan_to_num(answer(gwas, model), nan=value)


def by_place(gwas, model):
    """Leave the GWAS in its own order."""
    return align(gwas.assign(snp=model["rsid"].to_numpy()), model)


ALIGN_WRONG = {
    "as they are": (
        lambda gwas, model: gwas.set_index("snp")["zscore"].reindex(model["rsid"]),
        "changed places, your z-score has the wrong",
    ),
    "never turned": (aligned(turned=1.0), "where the two letters have changed places, your z-score has the wrong sign"),
    "always turned": (lambda *files: -align(*files), "every z-score has the wrong sign"),
    "swapped ones lost": (aligned(turned=np.nan), "where the two letters have changed places, your z-score is NaN"),
    "one strand": (
        aligned(strands=False),
        "names the letters of the other strand (model A/C, GWAS T/G), your z-score is NaN",
    ),
    "strand taken for a swap": (
        aligned(strand_as_swap),
        "of the other strand (model A/C, GWAS T/G), your z-score has the wrong",
    ),
    "A with G": (with_partners({"A": "G", "G": "A", "C": "T", "T": "C"}), "A pairs with T, and C with G"),
    "A with C": (with_partners({"A": "C", "C": "A", "G": "T", "T": "G"}), "A pairs with T, and C with G"),
    "A with G, a list of palindromic pairs": (
        with_partners({"A": "G", "G": "A", "C": "T", "T": "C"}, ("AT", "TA", "CG", "GC")),
        "A pairs with T, and C with G",
    ),
    "palindromic as written": (
        aligned(palindromic=as_written),
        "(A/T or C/G), your z-score is a number",
    ),
    "palindromic as same": (aligned(palindromic=1.0), "(A/T or C/G), your z-score is a number"),
    "effect allele alone": (
        aligned(by_the_effect_allele),
        "the other alleles are different letters, your z-score is a number",
    ),
    "letter by letter": (
        aligned(letter_by_letter),
        "the other alleles are different letters, your z-score is a number",
    ),
    "zeros": (filled(align, 0.0), "is 0. That says that the SNP has no effect"),
    "zeros for absent ones": (
        lambda gwas, model: np.where(model["rsid"].isin(gwas["snp"]), align(gwas, model), 0),
        "where the GWAS does not have the SNP, your z-score is 0",
    ),
    "GWAS in small letters": (aligned(upper=(False, True)), "where the GWAS has small letters, your z-score is NaN"),
    "model in small letters": (aligned(upper=(True, False)), "where the model has small letters, your z-score is NaN"),
    "no capitals": (aligned(upper=(False, False)), "has small letters, your z-score is NaN"),
    "NaN dropped": (lambda *files: align(*files)[~np.isnan(align(*files))], "one z-score for each row of the model"),
    "as many as the GWAS": (
        lambda gwas, model: gwas["zscore"],
        "your z-scores belong to other SNPs",
    ),
    "signs alone": (lambda *files: np.sign(align(*files)), "is not that of the GWAS, turned or not"),
    "by place": (by_place, "your z-score"),
    "a table": (lambda gwas, model: gwas, "one z-score for each row of the model"),
}


# --- 5: phi -----------------------------------------------------------------------------------------------------------


def phi(T, X):
    X = X[:, X.std(axis=0) > 0]
    r2 = np.array([np.corrcoef(T, x)[0, 1] ** 2 for x in X.T])
    return np.mean(r2 - (1 - r2) / (len(T) - 2))


def phi_by_regression(T, X):
    """The adjusted R squared of a regression on one SNP is 1 - (1 - r2)(n - 1)/(n - 2): the same."""
    kept = [stats.linregress(x, T).rvalue ** 2 for x in X.T if len(set(x)) > 1]
    return 1 - (1 - np.mean(kept)) * (len(T) - 1) / (len(T) - 2)


def phi_by_the_package(T, X):
    snps = [f"rs{j}" for j in range(X.shape[1])]
    dosages = pd.DataFrame(np.column_stack([X, 2 * (T - T.min()) / np.ptp(T)]), columns=[*snps, "T"])
    weights = pd.DataFrame({"rsid": ["T"], "gene": ["g"], "weight": 1.0, "ref_allele": "A", "eff_allele": "G"})
    m = (X.std(axis=0) > 0).sum()
    whole = twas.phi(dosages, twas.PredictionModel(weights)).iloc[0]  # T among the SNPs, with r2 = 1
    return (whole * (m + 1) - 1) / m


def inflation(phi, n, h2):
    return 1 + np.maximum(phi, 0) * n * h2


def inflation_by_loops(phi, n, h2):
    return [1 + n * h2 * one if one > 0 else 1 for one in phi]


def inflation_of_z(phi, n, h2):
    return twas.correct_zscores(np.ones(len(phi)), phi, n, h2) ** -2.0


def polygenic(phi=phi, inflation=inflation):
    return {"phi": phi, "inflation": inflation}


PHI_RIGHT = {
    "numpy": polygenic(),
    "regressions, a list": polygenic(phi_by_regression, inflation_by_loops),
    "the package": polygenic(phi_by_the_package, inflation_of_z),
}


def phi_as(function):
    """Another number from the correlations with SNPs that vary and the number of people."""
    return polygenic(lambda T, X: function(study_slips.correlations(T, X), len(T)))


def inflation_as(function):
    return polygenic(inflation=lambda phi, n, h2: function(np.maximum(phi, 0), n, h2))


def phi_of_all(T, X):
    with np.errstate(all="ignore"):
        r2 = np.corrcoef(T, X.T)[0, 1:] ** 2
    return np.mean(r2 - (1 - r2) / (len(T) - 2))


def phi_of_zeros(T, X):
    return phi(T, X) * np.mean(X.std(axis=0) > 0)


def phi_of_frequent(limit):
    def answer(T, X):
        f = X.mean(axis=0) / 2
        return phi(T, X[:, np.minimum(f, 1 - f) >= limit])

    return answer


PHI_WRONG = {
    "no adjustment": (phi_as(lambda r, n: np.mean(r**2)), "is the plain mean of r squared"),
    "1 / (n - 1)": (phi_as(lambda r, n: np.mean(r**2) - 1 / (n - 1)), "takes the same from every SNP"),
    "n - 1": (phi_as(lambda r, n: np.mean(r**2 - (1 - r**2) / (n - 1))), "has another number than n - 2"),
    "added": (phi_as(lambda r, n: np.mean(r**2 + (1 - r**2) / (n - 2))), "adds what chance gives"),
    "sum": (phi_as(lambda r, n: np.sum(r**2 - (1 - r**2) / (n - 2))), "is a sum over SNPs"),
    "mean first": (phi_as(lambda r, n: np.mean(r) ** 2), "averages correlations before it squares them"),
    "not squared": (phi_as(lambda r, n: np.mean(r)), "that are not squared"),
    "r in the formula": (phi_as(lambda r, n: np.mean(r - (1 - r) / (n - 2))), "that are not squared"),
    "|r| in the formula": (phi_as(lambda r, n: np.mean(abs(r) - (1 - abs(r)) / (n - 2))), "that are not squared"),
    "rare SNPs dropped": (polygenic(phi_of_frequent(0.05)), "leaves out SNPs with a rare allele"),
    "the rarest SNPs dropped": (polygenic(phi_of_frequent(0.01)), "leaves out SNPs with a rare allele"),
    "covariances": (
        polygenic(lambda T, X: np.mean([np.cov(T, x)[0, 1] ** 2 for x in X.T])),
        "has covariances in place of correlations",
    ),
    "cut off": (phi_as(lambda r, n: np.mean(np.maximum(r**2 - (1 - r**2) / (n - 2), 0))), "cuts off each SNP at 0"),
    "root": (phi_as(lambda r, n: np.sqrt(np.mean(r**2))), "is a root"),
    "constant SNPs": (polygenic(phi_of_all), "where some SNPs do not vary, `phi`: your number is NaN"),
    "constant SNPs as zeros": (polygenic(phi_of_zeros), "counts SNPs that do not vary"),
    "one for each SNP": (phi_as(lambda r, n: r**2), "where one number was expected"),
    "no 1": (inflation_as(lambda phi, n, h2: phi * n * h2), "lacks the 1"),
    "no heritability": (inflation_as(lambda phi, n, h2: 1 + phi * n), "lacks the heritability"),
    "no people": (inflation_as(lambda phi, n, h2: 1 + phi * h2), "lacks the number of people"),
    "rooted": (inflation_as(lambda phi, n, h2: np.sqrt(1 + phi * n * h2)), "is what a z-score is divided by"),
    "reciprocal": (inflation_as(lambda phi, n, h2: 1 / (1 + phi * n * h2)), "is the reciprocal"),
    "divided": (inflation_as(lambda phi, n, h2: 1 + phi * n / h2), "divides by the heritability"),
    "root of n": (inflation_as(lambda phi, n, h2: 1 + phi * np.sqrt(n) * h2), "has the root of the number of people"),
    "negative phi": (polygenic(inflation=lambda phi, n, h2: 1 + phi * n * h2), "where phi came out below 0"),
    "absolute phi": (polygenic(inflation=lambda phi, n, h2: 1 + np.abs(phi) * n * h2), "where phi came out below 0"),
    "phi alone": (phi, "one function is there where a dict was expected"),
}


# --- 6: repair --------------------------------------------------------------------------------------------------------


def scan(gwas, weights, panel, population, *, letters=True, people=None, matrix=np.cov, roots=np.sqrt):
    """The pipeline, with each of its parts right or changed."""
    g = gwas.set_index("snp")
    chosen = panel.obs["population"] == population if people is None else people(panel.obs["population"])
    X = panel[chosen.to_numpy()].to_df()
    result = {}
    for gene, rows in weights.groupby("gene", sort=False):
        w, snps = rows["weight"].to_numpy(), rows["rsid"].to_numpy()
        z = g.loc[snps, "zscore"].to_numpy()
        if letters:
            z = np.where(g.loc[snps, "effect_allele"].to_numpy() == rows["eff_allele"].to_numpy(), z, -z)
        S = np.atleast_2d(matrix(X[snps].T))
        result[gene] = (w * roots(np.diag(S)) * z).sum() / np.sqrt(w @ S @ w)
    return pd.Series(result)


def scan_by_the_package(gwas, weights, panel, population):
    model = twas.PredictionModel(weights)
    S = twas.covariances(panel[panel.obs["population"] == population], model)
    return twas.s_predixcan(gwas, model, S, progress=False)


def scan_with_other_parts(gwas, weights, panel, population):
    """The functions of exercises 3 and 4; covariances with 1/n, which cancels; genes in another order."""
    X = panel[panel.obs["population"] == population].to_df()
    result = {}
    for gene in sorted(set(weights["gene"]), reverse=True):
        rows = weights[weights["gene"] == gene]
        result[gene] = gene_z(rows["weight"].to_numpy(), align(gwas, rows), np.cov(X[rows["rsid"]].T, ddof=0))
    return result


REPAIR_RIGHT = {
    "the parts": scan,
    "the package, a table": scan_by_the_package,
    "exercises 3 and 4, a dict": scan_with_other_parts,
}


def changed(**how):
    return lambda *study: scan(*study, **how)


def largest(populations):
    return populations == populations.value_counts().idxmax()


def everybody(populations):
    return populations.notna()


def without_swapped(gwas, weights, *rest):
    g = gwas.set_index("snp")["effect_allele"].loc[weights["rsid"]].to_numpy()
    return scan(gwas, weights[g == weights["eff_allele"].to_numpy()], *rest)


def weights_turned(gwas, weights, *rest):
    g = gwas.set_index("snp")["effect_allele"].loc[weights["rsid"]].to_numpy()
    sign = np.where(g == weights["eff_allele"].to_numpy(), 1, -1)
    return scan(gwas, weights.assign(weight=weights["weight"] * sign), *rest, letters=False)


LETTERS = "takes z-scores as they are written"
CORRELATIONS = "gives correlations where the formula needs covariances"
PANEL = "has the LD of another population"

REPAIR_WRONG = {
    "as it was": (
        changed(letters=False, matrix=np.corrcoef, people=largest),
        f"{LETTERS}, whichever letter they are for; it {CORRELATIONS}; it {PANEL}",
    ),
    "letters": (changed(letters=False), LETTERS),
    "correlations": (changed(matrix=np.corrcoef), CORRELATIONS),
    "panel": (changed(people=largest), PANEL),
    "letters and panel": (
        changed(letters=False, people=largest),
        f"{LETTERS}, whichever letter they are for; it {PANEL}",
    ),
    "letters and correlations": (changed(letters=False, matrix=np.corrcoef), f"for; it {CORRELATIONS}."),
    "correlations and panel": (changed(matrix=np.corrcoef, people=largest), f"{CORRELATIONS}; it {PANEL}"),
    "everybody": (changed(people=everybody), "takes the people of all populations together"),
    "weights turned": (weights_turned, "turns the weights, but the panel still counts the model's allele: turn z"),
    "the wrong ones turned": (lambda *study: -scan(*study), "turns the signs of the SNPs that should be left"),
    "swapped ones lost": (without_swapped, "has lost the SNPs that the GWAS reports for the other letter"),
    "variances": (changed(roots=lambda v: v), "has variances where sigma_l stands"),
    "no sigma_l": (changed(roots=np.ones_like), "takes covariances in sigma_g, and no sigma_l in the sum"),
    "the smallest": (
        changed(people=lambda who: who == who.value_counts().index[-1]),
        "with three populations in the panel, your repair has the LD of another population",
    ),
    "an array": (lambda *study: scan(*study).to_numpy(), "hands back something else than z-scores by gene"),
    "a gene missing": (lambda *study: scan(*study).iloc[1:], "hands back something else than z-scores by gene"),
    "a gene missing in a dict": (lambda *study: dict(scan(*study).iloc[1:]), "says nothing about 'gene0'"),
}


# --- the tests --------------------------------------------------------------------------------------------------------

BANK = {
    "ch06a-hardy-weinberg": (HWE_RIGHT, HWE_WRONG),
    "ch06a-elastic-net": (NET_RIGHT, NET_WRONG),
    "ch06a-zscore": (Z_RIGHT, Z_WRONG),
    "ch06a-align": (ALIGN_RIGHT, ALIGN_WRONG),
    "ch06a-phi": (PHI_RIGHT, PHI_WRONG),
    "ch06a-repair": (REPAIR_RIGHT, REPAIR_WRONG),
}

# The third hint of each ladder, coded word for word.
HINTED = {
    "ch06a-hardy-weinberg": hwe,
    "ch06a-elastic-net": net(hinted_descent),
    "ch06a-zscore": gene_z,
    "ch06a-align": align,
    "ch06a-phi": polygenic(),
    "ch06a-repair": scan,
}


class TestBank(BankTests):
    chapter, solutions, bank = "ch06a", SOLUTIONS, BANK


@pytest.mark.parametrize("key", HINTED)
def test_the_last_hint_taken_word_for_word_always_passes(key):
    assert {review(key, HINTED[key]).message for _ in range(50)} == {"right."}


# --- no two slips give the same number --------------------------------------------------------------------------------


def all_slips(rng):
    """Yield (name, right numbers, slips by sentence) of every judgement that names slips."""
    for _, *counts in cases.genotype_counts(rng):
        yield "p-value", slips.hardy_weinberg(*counts), slips.hardy_weinberg_pvalues(*counts)
    X, y, c = cases.independent_columns(rng)
    penalty, alpha = rng.uniform(0.35, 0.45), rng.uniform(0.3, 0.42)
    right = slips.shrink(c, penalty * alpha) / (1 + penalty * (1 - alpha))
    yield "weights", right, slips.independent_weights(c, len(y), penalty, alpha)
    for _, *case in cases.weights_off_the_minimum(rng):
        yield "breach", slips.breach_of(*case), slips.breaches(*case)
    for k, sign in ((3, 1), (9, -1)):
        one = cases.gene(rng, k, sign)
        yield "z-score", slips.gene_zscore(*one), slips.gene_zscores(*one)
    for constant in (False, True):
        T, X = cases.predicted_and_panel(rng, constant)
        yield "phi", study_slips.phi(T, X), study_slips.phis(T, X)
    some, n, h2 = rng.uniform(1e-4, 2e-3, 5), 5_000, rng.uniform(0.2, 0.8)
    yield "inflation", 1 + some * n * h2, study_slips.inflations(some, n, h2)
    gwas, weights, panel, _ = cases.study(rng, 300, {"east": 110, "west": 150, "islands": 60})
    study = gwas, weights, panel, "east"
    yield "repair", study_slips.genes_zscores(*study), study_slips.repairs(*study)


@pytest.mark.parametrize("seed", range(10))
def test_no_two_slips_give_the_same_numbers(seed):
    for name, right, sentences in all_slips(np.random.default_rng(seed)):
        ends = [(sentence, np.asarray(end, float)) for sentence, several in sentences.items() for end in several]
        assert all(np.isfinite(end).all() for _, end in ends)
        wrong = [(sentence, end) for sentence, end in ends if not np.allclose(end, right, rtol=1e-6, atol=1e-12)]
        assert [
            (name, one, other)
            for (one, a), (other, b) in combinations(wrong, 2)
            if one != other and a.shape == b.shape and np.allclose(a, b, rtol=1e-6, atol=1e-12)
        ] == []


# --- what is called right is right ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_exact_tests_are_those_of_the_package(seed):
    counts = [c for _, *c in cases.genotype_counts(np.random.default_rng(seed))] + cases.ties()
    ours = [slips.hardy_weinberg(*one) for one in counts]
    assert np.allclose(ours, twas.hardy_weinberg(*np.array(counts).T), rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_z_scores_of_a_repaired_study_are_those_of_its_people(seed):
    """Where LD comes from the people of the GWAS themselves, what is left is the effect on the variance."""
    rng = np.random.default_rng(seed)
    gwas, weights, _, (people, trait) = cases.study(rng, 900, {"north": 90, "south": 160})
    predicted = twas.predict_expression(people, twas.PredictionModel(weights))
    z = study_slips.genes_zscores(gwas, weights, people, "north")
    by_people = twas.predixcan(predicted, trait).set_index("gene")["zscore"].loc[predicted.columns]
    assert np.abs(z - by_people).max() < 0.1
    assert np.corrcoef(z, by_people)[0, 1] > 0.999
