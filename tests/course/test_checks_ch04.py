"""The bank of chapter 4: right answers written differently pass, typical wrong ones get the diagnosis that fits."""

from itertools import combinations, permutations
from math import comb, erf, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from fixtures.check_bank import BankTests
from scipy import integrate, stats
from statsmodels.stats.multitest import multipletests

from scomics_lite import glm, negative_binomial
from scomics_lite.course.checks.ch04 import cases as ch04_cases

SOLUTIONS = Path(__file__).parents[2] / "solutions" / "04_lrt_and_empirical_bayes_solutions.ipynb"

# --- 1: the likelihood ratio test -------------------------------------------------------------------------------------


def mean_of(y, x, s, phi):
    counts = np.column_stack([y, np.ones(len(y))])
    return glm.fit(counts, x, s, phi, ridge=0, min_mean=0, tolerance=0).mean[:, 0]


def refuse_unless_nested(full, reduced):
    joint = np.linalg.matrix_rank(np.column_stack([full, reduced]))
    if joint > np.linalg.matrix_rank(full) or reduced.shape[1] >= full.shape[1]:
        raise ValueError("the reduced design is no part of the full one")


def lrt(y, full, reduced, s, phi, *, likelihood=negative_binomial.log_likelihood, df=None, tail=stats.chi2.sf):
    """Compare two designs, with one part or another changed."""
    refuse_unless_nested(full, reduced)
    big, small = (likelihood(y, mean_of(y, x, s, phi), phi).sum() for x in (full, reduced))
    stat = 2 * (big - small)
    count = df(full, reduced) if df else full.shape[1] - reduced.shape[1]
    return stat, count, tail(stat, count)


def lrt_by_scipy(y, full, reduced, s, phi):
    if not np.allclose(full @ np.linalg.lstsq(full, reduced, rcond=None)[0], reduced):
        raise ValueError("not nested")
    total = []
    for x in (reduced, full):
        mu = mean_of(y, x, s, phi)
        total.append(sum(stats.nbinom.logpmf(y[i], 1 / phi, 1 / (1 + phi * mu[i])) for i in range(len(y))))
    df = np.linalg.matrix_rank(full) - np.linalg.matrix_rank(reduced)
    return [2 * (total[1] - total[0]), df, stats.chi2(df).sf(2 * (total[1] - total[0]))]


def lrt_by_statsmodels(y, full, reduced, s, phi):
    refuse_unless_nested(full, reduced)
    family = sm.families.NegativeBinomial(alpha=phi)
    fits = [sm.GLM(y, x, family=family, offset=np.log(s)).fit(tol=1e-12) for x in (full, reduced)]
    stat, df = fits[1].deviance - fits[0].deviance, fits[1].df_resid - fits[0].df_resid
    return pd.DataFrame({"stat": [stat], "df": df, "pvalue": stats.gamma.sf(stat, df / 2, scale=2)}).iloc[0].to_dict()


def lrt_by_the_package(y, full, reduced, s, phi):
    counts = np.column_stack([y, np.ones(len(y))])
    fits = [glm.fit(counts, x, s, phi, ridge=0, min_mean=0) for x in (full, reduced)]
    table = glm.likelihood_ratio_test(*fits)
    return tuple(table.loc[table.index[0], ["stat", "df", "pvalue"]])


def lrt_with_the_packages_defaults(y, full, reduced, s, phi):
    refuse_unless_nested(full, reduced)
    fits = [glm.fit(np.column_stack([y, y + 1]), x, s, phi) for x in (full, reduced)]
    table = glm.likelihood_ratio_test(*fits)
    return table["stat"].iloc[0], table["df"].iloc[0], table["pvalue"].iloc[0]


LRT_RIGHT = {
    "likelihoods": lrt,
    "scipy, sample by sample": lrt_by_scipy,
    "statsmodels' deviances, a dict": lrt_by_statsmodels,
    "the package": lrt_by_the_package,
    "the package's defaults": lrt_with_the_packages_defaults,
    "a Series": lambda *case: pd.Series(lrt(*case)),
}


def changed_lrt(**changes):
    return lambda *case: lrt(*case, **changes)


def lrt_with(change):
    """Change the statistic, and take the p-value of what comes out."""

    def function(y, full, reduced, s, phi):
        stat, df, _ = lrt(y, full, reduced, s, phi)
        stat = change(stat, y, full, reduced, s, phi)
        return stat, df, stats.chi2.sf(stat, df)

    return function


def against_a_constant(stat, y, full, reduced, s, phi):
    return lrt(y, full, np.ones((len(y), 1)), s, phi)[0]


def squares(stat, y, full, reduced, s, phi):
    small, big = (np.sum((y - mean_of(y, x, s, phi)) ** 2) for x in (full, reduced))
    return len(y) * np.log(big / small)


def size_for_dispersion(y, mu, phi):
    return stats.nbinom.logpmf(y, phi, phi / (phi + mu))


def new_columns(full, reduced):
    return sum(not any(np.array_equal(one, other) for other in reduced.T) for one in full.T)


def no_refusal(y, full, reduced, s, phi):
    big, small = (negative_binomial.log_likelihood(y, mean_of(y, x, s, phi), phi).sum() for x in (full, reduced))
    df = full.shape[1] - reduced.shape[1]
    return 2 * (big - small), df, stats.chi2.sf(2 * (big - small), df)


def refuses_by_count(y, full, reduced, s, phi):
    if full.shape[1] <= reduced.shape[1]:
        raise ValueError("swapped")
    return no_refusal(y, full, reduced, s, phi)


def refuses_by_columns(y, full, reduced, s, phi):
    if new_columns(reduced, full):
        raise ValueError("not nested")
    return no_refusal(y, full, reduced, s, phi)


def refuses_by_statistic(*case):
    result = no_refusal(*case)
    if result[0] < 0:
        raise ValueError("the reduced design fits better")
    return result


def p_cut_off(*case):
    stat, df, pvalue = lrt(*case)
    return stat, df, max(pvalue, 1e-60)


def size_factors_forgotten(y, full, reduced, s, phi):
    return lrt(y, full, reduced, np.ones(len(y)), phi)


LRT_WRONG = {
    "refusal by the statistic": (refuses_by_statistic, "does not refuse"),
    "p-values cut off": (p_cut_off, "do not cut it off"),
    "another order": (lambda *case: [lrt(*case)[i] for i in (0, 2, 1)], "in another order"),
    "no factor 2": (lrt_with(lambda stat, *_: stat / 2), "your statistic lacks the 2"),
    "reduced minus full": (lrt_with(lambda stat, *_: -stat), "your statistic has the right size and the opposite sign"),
    "ratio": (lrt_with(lambda stat, *_: np.exp(-stat / 2)), "is the ratio of the likelihoods itself"),
    "ratio of logarithms": (
        lrt_with(
            lambda stat, y, full, reduced, s, phi: (
                negative_binomial.log_likelihood(y, mean_of(y, full, s, phi), phi).sum()
                / negative_binomial.log_likelihood(y, mean_of(y, reduced, s, phi), phi).sum()
            )
        ),
        "is the ratio of two log likelihoods",
    ),
    "log10": (lrt_with(lambda stat, *_: stat / np.log(10)), "not in natural logarithms"),
    "against a constant": (lrt_with(against_a_constant), "an intercept only"),
    "deviance of the full design": (
        lrt_with(
            lambda stat, y, full, reduced, s, phi: negative_binomial.deviance(y, mean_of(y, full, s, phi), phi).sum()
        ),
        "it is a deviance",
    ),
    "one likelihood": (
        lrt_with(
            lambda stat, y, full, reduced, s, phi: (
                -2 * negative_binomial.log_likelihood(y, mean_of(y, full, s, phi), phi).sum()
            )
        ),
        "of one design alone",
    ),
    "a mean": (lrt_with(lambda stat, y, *_: stat / len(y)), "is a mean over samples"),
    "Poisson": (changed_lrt(likelihood=lambda y, mu, phi: stats.poisson.logpmf(y, mu)), "Poisson counts: where is phi"),
    "scipy's n": (changed_lrt(likelihood=size_for_dispersion), "takes phi for scipy's n"),
    "squares": (lrt_with(squares), "compares sums of squares"),
    "size factors forgotten": (size_factors_forgotten, "your statistic is"),
    "parameters of the full design": (
        changed_lrt(df=lambda full, reduced: full.shape[1]),
        "all parameters of the full",
    ),
    "parameters of the reduced design": (
        changed_lrt(df=lambda full, reduced: reduced.shape[1] + 0 * full.sum()),
        "degrees of freedom",
    ),
    "residual degrees of freedom": (changed_lrt(df=lambda full, reduced: 12 - full.shape[1]), "count samples"),
    "samples": (changed_lrt(df=lambda full, reduced: 11), "count samples"),
    "dispersion counted": (
        changed_lrt(df=lambda full, reduced: full.shape[1] - reduced.shape[1] + 1),
        "such as the dispersion",
    ),
    "always 1": (changed_lrt(df=lambda full, reduced: 1), "are 1, whatever the designs"),
    "new columns": (changed_lrt(df=new_columns), "where the two designs have no column in common, your degrees"),
    "lower tail": (changed_lrt(tail=stats.chi2.cdf), "is the lower tail"),
    "halved": (changed_lrt(tail=lambda stat, df: stats.chi2.sf(stat, df) / 2), "is halved"),
    "doubled": (changed_lrt(tail=lambda stat, df: 2 * stats.chi2.sf(stat, df)), "is doubled"),
    "other df in the p-value": (
        changed_lrt(tail=lambda stat, df: stats.chi2.sf(stat, df + 1)),
        "other degrees of freed",
    ),
    "normal": (
        changed_lrt(tail=lambda stat, df: 2 * stats.norm.sf(np.sqrt(stat))),
        "other degrees of freedom than you hand back",
    ),
    "F": (changed_lrt(tail=lambda stat, df: stats.f.sf(stat / df, df, 8)), "an F distribution"),
    "density": (changed_lrt(tail=stats.chi2.pdf), "is a density"),
    "1 - cdf": (changed_lrt(tail=lambda stat, df: 1 - stats.chi2.cdf(stat, df)), "changes fivefold"),
    "p alone": (lambda *case: lrt(*case)[2], "should hand back stat and df and pvalue"),
    "no refusal": (no_refusal, "where the reduced design is no part of the full one your function does not refuse"),
    "swapped only": (refuses_by_count, "is no part of the full one your function does not refuse"),
    "by names of columns": (
        refuses_by_columns,
        "where the two designs have no column in common, one design is part of the other, but your code",
    ),
    "normal, as it is": (changed_lrt(tail=lambda stat, df: stats.norm.sf(stat)), "in the normal distribution"),
    "NaN": (
        lambda y, full, reduced, s, phi: lrt(y, full, reduced, s, phi) if len(full.T) > 2 else (np.nan, 1, np.nan),
        "changes fivefold",
    ),
}

# --- 2: calibration ---------------------------------------------------------------------------------------------------


def rate(pvalues, level):
    p = np.asarray(pvalues)[~np.isnan(pvalues)]
    r = np.mean(p < level)
    return r, np.sqrt(r * (1 - r) / len(p))


def rate_by_pandas(pvalues, level):
    below = pd.Series(pvalues).dropna().lt(level)
    return below.mean(), below.astype(float).sem()


def rate_by_loops(pvalues, level):
    tested = below = 0
    for p in pvalues:
        if p == p:
            tested += 1
            below += p <= level
    return {"rate": below / tested, "standard_error": sqrt(below * (tested - below) / tested**3)}


def permutation(values, treated, statistic):
    n, ours = len(values), statistic(values, treated)
    found = []
    for group in combinations(range(n), int(sum(treated))):
        labels = np.zeros(n, dtype=bool)
        labels[list(group)] = True
        found.append(statistic(values, labels))
    return np.mean(np.array(found) >= ours)


def permutation_of_all_orders(values, treated, statistic):
    if len(values) > 7:  # 40,320 orders are many
        return permutation(values, treated, statistic)
    orders, ours = list(permutations(range(len(values)))), statistic(values, treated)
    return sum(statistic(values, treated[list(order)]) >= ours for order in orders) / len(orders)


def permutation_of_values(values, treated, statistic):
    """Leave the labels and move the values; 0 and 1 for labels."""
    n, count = len(values), 0
    labels = np.array([1] * int(treated.sum()) + [0] * int((~treated).sum()))
    for group in combinations(range(n), int(treated.sum())):
        rest = [i for i in range(n) if i not in group]
        count += statistic(values[[*group, *rest]], labels) >= statistic(values, treated)
    return count / comb(n, int(treated.sum()))


def calibrated(rate=rate, permutation_pvalue=permutation):
    return {"rate": rate, "permutation_pvalue": permutation_pvalue}


CALIBRATE_RIGHT = {
    "numpy, combinations": calibrated(),
    "pandas, orders": calibrated(rate_by_pandas, permutation_of_all_orders),
    "loops, values moved": calibrated(rate_by_loops, permutation_of_values),
}


def all_statistics(values, treated, statistic):
    groups = combinations(range(len(values)), int(treated.sum()))
    found = np.array([statistic(values, np.isin(np.arange(len(values)), group)) for group in groups])
    return found, statistic(values, treated)


def permuted(change):
    return calibrated(permutation_pvalue=lambda *case: change(*all_statistics(*case)))


def at_random(values, treated, statistic):
    rng = np.random.default_rng(1)
    found = [statistic(values, rng.permutation(treated)) for _ in range(4999)]
    return (1 + np.sum(np.array(found) >= statistic(values, treated))) / 5000


def any_size(values, treated, statistic):
    n, ours = len(values), statistic(values, treated)
    groups = [[bool(code >> i & 1) for i in range(n)] for code in range(1, 2**n - 1)]
    return np.mean([statistic(values, group) >= ours for group in groups])


def positions(values, treated, statistic):
    groups = combinations(range(len(values)), int(treated.sum()))
    return np.mean([statistic(values, list(group)) >= statistic(values, treated) for group in groups])


def first_are_treated(values, treated, statistic):
    labels = np.arange(len(values)) < treated.sum()
    return permutation(values, labels, statistic)


def labels_shuffled_in_place(values, treated, statistic):
    found = [statistic(values, treated)]
    rng = np.random.default_rng(2)
    for _ in range(9):
        rng.shuffle(treated)
        found.append(statistic(values, treated))
    return np.mean(np.array(found) >= found[0])


CALIBRATE_WRONG = {
    "missing counted": (calibrated(lambda p, a: (np.mean(p < a), rate(p, a)[1])), "have no p-value among the tests"),
    "above": (calibrated(lambda p, a: (np.nanmean(p > a), 0)), "is the share above"),
    "number": (calibrated(lambda p, a: (np.sum(p < a), 0)), "is a number of genes"),
    "always 5%": (calibrated(lambda p, a: rate(p, 0.05)), "looks at one level only"),
    "over the level": (calibrated(lambda p, a: (rate(p, a)[0] / a, 0)), "is the share divided by the level"),
    "NaN": (calibrated(lambda p, a: (np.mean(np.where(np.isnan(p), p, p < a)), rate(p, a)[1])), "the share is NaN"),
    "per cent": (calibrated(lambda p, a: (100 * rate(p, a)[0], 0)), "a percentage where a fraction"),
    "variance": (calibrated(lambda p, a: (rate(p, a)[0], rate(p, a)[1] ** 2)), "the standard error is a variance"),
    "standard deviation": (calibrated(lambda p, a: (rate(p, a)[0], np.nanstd(p < a))), "of a single yes or no"),
    "of the p-values": (
        calibrated(lambda p, a: (rate(p, a)[0], np.nanstd(p) / np.sqrt(len(p)))),
        "`rate`: the standard error",
    ),
    "level in the error": (
        calibrated(lambda p, a: (rate(p, a)[0], np.sqrt(a * (1 - a) / np.sum(~np.isnan(p))))),
        "has the level in it",
    ),
    "missing in the error": (
        calibrated(lambda p, a: (rate(p, a)[0], np.sqrt(rate(p, a)[0] * (1 - rate(p, a)[0]) / len(p)))),
        "where genes have no p-value, `rate`: the standard error counts genes that have no p-value",
    ),
    "Poisson error": (calibrated(lambda p, a: (rate(p, a)[0], np.sqrt(rate(p, a)[0] / 307))), "lacks a factor under"),
    "rate alone": (calibrated(lambda p, a: rate(p, a)[0]), "should hand back rate and standard_error"),
    "observed left out": (permuted(lambda found, ours: (np.sum(found >= ours) - 1) / len(found)), "leaves out the arr"),
    "counted twice": (permuted(lambda found, ours: (np.sum(found >= ours) + 1) / (len(found) + 1)), "observed twice"),
    "strictly larger": (permuted(lambda found, ours: np.mean(found > ours)), "as extreme as the observed one"),
    "strictly larger, and one": (
        permuted(lambda found, ours: (np.sum(found > ours) + 1) / len(found)),
        "as extreme as",
    ),
    "other tail": (permuted(lambda found, ours: np.mean(found <= ours)), "is the other tail"),
    "doubled": (permuted(lambda found, ours: 2 * np.mean(found >= ours)), "is doubled, or halved"),
    "a count": (permuted(lambda found, ours: np.sum(found >= ours)), "is a number of arrangements"),
    "any size": (calibrated(permutation_pvalue=any_size), "counts groups of any size"),
    "at random": (calibrated(permutation_pvalue=at_random), "take every arrangement once"),
    "positions for labels": (calibrated(permutation_pvalue=positions), "should hold True or False"),
    "own statistic": (
        calibrated(permutation_pvalue=lambda v, t, _: permutation(v, t, ch04_cases.difference)),
        "not of the statistic that was handed in",
    ),
    "first are treated": (calibrated(permutation_pvalue=first_are_treated), "the first samples for the treated"),
    "in place": (calibrated(permutation_pvalue=labels_shuffled_in_place), "changes its argument number 2"),
    "one missing": ({"rate": rate}, "says nothing about 'permutation_pvalue'"),
}

# --- 3: normal prior, normal estimate ---------------------------------------------------------------------------------


def posterior(b, s, m, tau):
    weight = tau**2 / (tau**2 + s**2)
    return m + weight * (b - m), np.sqrt(weight) * s


def posterior_by_precisions(b, s, m, tau):
    data, prior = 1 / s**2, 1 / tau**2
    return {"mean": ((b * data + m * prior) / (data + prior)).tolist(), "sd": (data + prior) ** -0.5}


def posterior_by_quadrature(b, s, m, tau):
    """Multiply densities on a fine grid, gene by gene."""
    x = np.linspace(-12, 12, 48_001)
    means, sds = [], []
    for estimate, error in zip(b, s, strict=True):
        density = stats.norm.pdf(estimate, x, error) * stats.norm.pdf(x, m, tau)
        density /= density.sum()
        means.append((x * density).sum())
        sds.append(np.sqrt(((x - means[-1]) ** 2 * density).sum()))
    return means, sds


def log_marginal(b, s, m, tau):
    return stats.norm.logpdf(b, m, np.sqrt(s**2 + tau**2)).sum()


def log_marginal_by_hand(b, s, m, tau):
    variance = s**2 + tau**2
    return [-0.5 * sum(np.log(2 * np.pi * variance) + (b - m) ** 2 / variance)][0]


def log_marginal_by_quadrature(b, s, m, tau):
    def one(estimate, error):
        f = lambda x: stats.norm.pdf(estimate, x, error) * stats.norm.pdf(x, m, tau)  # noqa: E731
        return integrate.quad(f, -12, 12, points=[estimate, m], epsabs=1e-12)[0]

    return np.log([one(*pair) for pair in zip(b, s, strict=True)]).sum()


def normal(posterior=posterior, log_marginal=log_marginal):
    return {"posterior": posterior, "log_marginal": log_marginal}


NORMAL_RIGHT = {
    "weights": normal(),
    "precisions, a dict": normal(posterior_by_precisions, log_marginal_by_hand),
    "quadrature": normal(posterior_by_quadrature, log_marginal_by_quadrature),
    "multivariate": normal(
        lambda b, s, m, tau: np.array(posterior(b, s, m, tau)),
        lambda b, s, m, tau: stats.multivariate_normal.logpdf(b, np.full(len(b), m), np.diag(s**2 + tau**2)),
    ),
}


def mean_as(function):
    return normal(lambda b, s, m, tau: (function(b, s, m, tau), posterior(b, s, m, tau)[1]))


def sd_as(function):
    return normal(lambda b, s, m, tau: (posterior(b, s, m, tau)[0], function(b, s, tau)))


def marginal_as(function):
    return normal(log_marginal=function)


NORMAL_WRONG = {
    "weights swapped": (mean_as(lambda b, s, m, tau: (s**2 * b + tau**2 * m) / (s**2 + tau**2)), "trusts an estimate"),
    "standard deviations": (
        mean_as(lambda b, s, m, tau: (tau * b + s * m) / (s + tau)),
        "weighs by standard deviations",
    ),
    "mixed": (mean_as(lambda b, s, m, tau: m + tau / (tau + s**2) * (b - m)), "mixes a standard deviation"),
    "to zero": (mean_as(lambda b, s, m, tau: b * tau**2 / (s**2 + tau**2)), "is pulled to zero"),
    "prior added": (mean_as(lambda b, s, m, tau: m + b * tau**2 / (s**2 + tau**2)), "adds the prior's mean in full"),
    "not shrunken": (mean_as(lambda b, s, m, tau: b), "is the estimate as it was"),
    "prior alone": (mean_as(lambda b, s, m, tau: np.full(len(b), m)), "whatever was observed"),
    "half": (mean_as(lambda b, s, m, tau: (b + m) / 2), "the same weight in every gene"),
    "one factor": (mean_as(lambda b, s, m, tau: m + (b - m) * tau**2 / (tau**2 + np.mean(s**2))), "by the same factor"),
    "not normalised": (mean_as(lambda b, s, m, tau: b / s**2 + m / tau**2), "not divided by the sum of the weights"),
    "variance": (sd_as(lambda b, s, tau: s**2 * tau**2 / (s**2 + tau**2)), "your posterior sd is a variance"),
    "precision": (sd_as(lambda b, s, tau: 1 / s**2 + 1 / tau**2), "is a precision"),
    "marginal sd": (sd_as(lambda b, s, tau: np.sqrt(s**2 + tau**2)), "more precise than either"),
    "marginal variance": (sd_as(lambda b, s, tau: s**2 + tau**2), "forgets the root"),
    "standard error": (sd_as(lambda b, s, tau: s), "leaves less doubt"),
    "prior sd": (sd_as(lambda b, s, tau: np.full(len(s), tau)), "as if nothing had been observed"),
    "shrunken by the weight": (sd_as(lambda b, s, tau: s * tau**2 / (s**2 + tau**2)), "Its square shrinks by that"),
    "one over sd": (sd_as(lambda b, s, tau: s * tau / (s + tau)), "Precisions add up, one over the variances"),
    "mean alone": (normal(lambda b, s, m, tau: posterior(b, s, m, tau)[0]), "should hand back mean and sd"),
    "one number": (sd_as(lambda b, s, tau: tau), "your posterior sd has shape ()"),
    "a number for each gene": (
        marginal_as(lambda b, s, m, tau: stats.norm.logpdf(b, m, np.sqrt(s**2 + tau**2))),
        "has a number for each gene",
    ),
    "variance as scale": (
        marginal_as(lambda b, s, m, tau: stats.norm.logpdf(b, m, s**2 + tau**2).sum()),
        "takes a variance for a standard deviation",
    ),
    "sds added": (marginal_as(lambda b, s, m, tau: stats.norm.logpdf(b, m, s + tau).sum()), "Variances of independent"),
    "noise only": (marginal_as(lambda b, s, m, tau: stats.norm.logpdf(b, m, s).sum()), "knows of the noise only"),
    "prior only": (marginal_as(lambda b, s, m, tau: stats.norm.logpdf(b, m, tau).sum()), "knows of the prior only"),
    "a mean": (marginal_as(lambda *case: log_marginal(*case) / 40), "is a mean; log likelihoods"),
    "minus": (marginal_as(lambda *case: -log_marginal(*case)), "the opposite sign"),
    "densities": (
        marginal_as(lambda b, s, m, tau: stats.norm.pdf(b, m, np.sqrt(s**2 + tau**2)).sum()),
        "adds up densities",
    ),
    "product": (
        marginal_as(lambda b, s, m, tau: stats.norm.pdf(b, m, np.sqrt(s**2 + tau**2)).prod()),
        "`log_marginal` is",
    ),
    "prior's mean forgotten": (
        marginal_as(lambda b, s, m, tau: stats.norm.logpdf(b, 0, np.sqrt(s**2 + tau**2)).sum()),
        "is centred at zero",
    ),
    "at the posterior mean": (
        marginal_as(lambda b, s, m, tau: stats.norm.logpdf(b, posterior(b, s, m, tau)[0], s).sum()),
        "at the shrunken estimates",
    ),
    "no logarithm of the scale": (
        marginal_as(lambda b, s, m, tau: -0.5 * np.sum((b - m) ** 2 / (s**2 + tau**2))),
        "the widest prior always wins",
    ),
    "no constant": (marginal_as(lambda *case: log_marginal(*case) + 20 * np.log(2 * np.pi)), "lacks the constant"),
    "one missing": ({"posterior": posterior}, "says nothing about 'log_marginal'"),
}

# --- 4: EM ------------------------------------------------------------------------------------------------------------


def em(b, s, pi0, tau, rounds, *, densities=None, expect=None, square=None, share=np.mean, width=None):
    """Go up the likelihood, with one line or another changed."""
    for _ in range(rounds):
        none, some = (densities or normals)(b, s, tau)
        r = (expect or probabilities)(pi0, none, some)
        expected = (square or expected_square)(b, s, tau)
        new = 1 - share(r) if share is np.mean else share(1 - r)
        tau = width(r, expected) if width else np.sqrt(np.sum(r * expected) / np.sum(r))
        pi0 = new
    return pi0, tau


def normals(b, s, tau):
    return stats.norm.pdf(b, 0, s), stats.norm.pdf(b, 0, np.sqrt(s**2 + tau**2))


def probabilities(pi0, none, some):
    return (1 - pi0) * some / (pi0 * none + (1 - pi0) * some)


def expected_square(b, s, tau):
    weight = tau**2 / (tau**2 + s**2)
    return (weight * b) ** 2 + weight * s**2


def em_by_loops(b, s, pi0, tau, rounds):
    def density(x, sd):
        return np.exp(-(x**2) / sd**2 / 2) / sd

    for _ in range(rounds):
        rs, sum_of_squares = [], 0.0
        for estimate, error in zip(b, s, strict=True):
            some = (1 - pi0) * density(estimate, sqrt(error**2 + tau**2))
            r = some / (some + pi0 * density(estimate, error))
            mean, sd = (float(value[0]) for value in posterior(np.array([estimate]), np.array([error]), 0, tau))
            rs.append(r)
            sum_of_squares += r * (mean**2 + sd**2)
        pi0, tau = 1 - sum(rs) / len(rs), sqrt(sum_of_squares / sum(rs))
    return [pi0, tau]


def em_by_frames(b, s, pi0, tau, rounds):
    """Keep the probabilities of both components as the columns of a table, from logarithms."""
    for _ in range(rounds):
        logs = pd.DataFrame(
            {
                "none": np.log(pi0) + stats.norm.logpdf(b / s) - np.log(s),
                "some": np.log1p(-pi0) + stats.norm.logpdf(b, scale=np.hypot(s, tau)),
            }
        )
        shares = np.exp(logs.sub(logs.max(axis=1), axis=0))
        shares = shares.div(shares.sum(axis=1), axis=0)
        pi0, tau = shares["none"].mean(), np.sqrt(np.average(expected_square(b, s, tau), weights=shares["some"]))
    return {"pi0": pi0, "tau": tau}


EM_RIGHT = {"arrays": em, "loops": em_by_loops, "logarithms in a table": em_by_frames}


def changed_em(**changes):
    return lambda *case: em(*case, **changes)


def one_after_the_other(b, s, pi0, tau, rounds):
    for _ in range(rounds):
        pi0 = 1 - probabilities(pi0, *normals(b, s, tau)).mean()
        r = probabilities(pi0, *normals(b, s, tau))
        tau = np.sqrt(np.sum(r * expected_square(b, s, tau)) / r.sum())
    return pi0, tau


def from_the_start(b, s, pi0, tau, rounds):
    for _ in range(rounds):
        found = em(b, s, pi0, tau, 1)
    return found


def crashes_later(b, s, pi0, tau, rounds):
    return em(b, s, pi0, tau, rounds) if rounds == 1 else 1 / 0


def only_pi0(b, s, pi0, tau, rounds):
    return em(b, s, pi0, tau, rounds)[0], tau


EM_WRONG = {
    "changed ones": (lambda *case: (1 - em(*case)[0], em(*case)[1]), "share of the genes that change"),
    "no prior weights": (changed_em(expect=lambda pi0, f0, f1: f1 / (f0 + f1)), "how frequent each component is"),
    "weights swapped": (changed_em(expect=lambda pi0, f0, f1: probabilities(1 - pi0, f0, f1)), "swapped in the E-step"),
    "not normalised": (changed_em(expect=lambda pi0, f0, f1: 1 - pi0 * f0), "does not divide in the E-step"),
    "half normalised": (changed_em(expect=lambda pi0, f0, f1: 1 - pi0 * f0 / (f0 + f1)), "does not divide in the E-s"),
    "noise forgotten": (
        changed_em(densities=lambda b, s, tau: (normals(b, s, tau)[0], stats.norm.pdf(b, 0, tau))),
        "a density without their noise",
    ),
    "sds added": (
        changed_em(densities=lambda b, s, tau: (normals(b, s, tau)[0], stats.norm.pdf(b, 0, s + tau))),
        "adds up standard deviations",
    ),
    "variances as scales": (
        changed_em(densities=lambda b, s, tau: (stats.norm.pdf(b, 0, s**2), stats.norm.pdf(b, 0, s**2 + tau**2))),
        "takes a variance for a standard deviation",
    ),
    "no widths": (
        changed_em(densities=lambda b, s, tau: (stats.norm.pdf(b / s), stats.norm.pdf(b / np.hypot(s, tau)))),
        "a wide normal is a low one",
    ),
    "noise of one": (
        changed_em(densities=lambda b, s, tau: (stats.norm.pdf(b), stats.norm.pdf(b, 0, np.sqrt(1 + tau**2)))),
        "the same noise in all genes",
    ),
    "a sum": (changed_em(share=np.sum), "is a sum over genes"),
    "decided": (changed_em(expect=lambda pi0, f0, f1: (pi0 * f0 <= (1 - pi0) * f1) * 1.0), "decides gene by gene"),
    "pi0 as it was": (lambda b, s, pi0, tau, rounds: (pi0, em(b, s, pi0, tau, rounds)[1]), "your pi0 is what it was"),
    "tau as it was": (only_pi0, "your tau is what it was"),
    "variance": (changed_em(width=lambda r, square: np.sum(r * square) / r.sum()), "your tau is a variance"),
    "observed squares": (changed_em(square=lambda b, s, tau: b**2), "is the spread of the estimates"),
    "moments": (
        changed_em(square=lambda b, s, tau: b**2 - s**2),
        "takes s squared off",
    ),
    "posterior means only": (
        changed_em(square=lambda b, s, tau: posterior(b, s, 0, tau)[0] ** 2),
        "the squares of the posterior means only",
    ),
    "posterior variances only": (
        changed_em(square=lambda b, s, tau: posterior(b, s, 0, tau)[1] ** 2),
        "the posterior variances only",
    ),
    "sd for variance": (
        changed_em(square=lambda b, s, tau: posterior(b, s, 0, tau)[0] ** 2 + posterior(b, s, 0, tau)[1]),
        "adds the posterior standard deviation",
    ),
    "weights of zeros": (
        changed_em(width=lambda r, square: np.sqrt(np.average(square, weights=1 - r))),
        "the genes that do not change",
    ),
    "divided by genes": (changed_em(width=lambda r, square: np.sqrt(np.mean(r * square))), "by the number of genes"),
    "not divided": (changed_em(width=lambda r, square: np.sqrt(np.sum(r * square))), "does not divide by the sum"),
    "all in full": (changed_em(width=lambda r, square: np.sqrt(np.mean(square))), "counts all genes in full"),
    "one after the other": (one_after_the_other, "computed anew after pi0 was replaced"),
    "prior weighed by s": (
        changed_em(square=lambda b, s, tau: (b * s**2 / (s**2 + tau**2)) ** 2 + posterior(b, s, 0, tau)[1] ** 2),
        "swapped in the posterior mean",
    ),
    "one round more": (lambda *case: em(*case[:4], case[4] + 1), "of one round more"),
    "from the start": (from_the_start, "after 2 rounds, your numbers are those of one round"),
    "one round": (lambda b, s, pi0, tau, rounds: em(b, s, pi0, tau, 1), "after 2 rounds, your numbers"),
    "until settled": (lambda *case: em(*case[:4], 2000), "as many rounds as were asked for"),
    "crashes later": (crashes_later, "your code raised ZeroDivisionError"),
    "pi0 alone": (lambda *case: em(*case)[0], "should hand back pi0 and tau"),
    "probabilities": (lambda b, s, *_: (np.ones(len(b)), 1), "your pi0 has shape (300,)"),
}

# --- 5: the false sign rate -------------------------------------------------------------------------------------------


def sides(means, sds):
    with np.errstate(all="ignore"):
        below = np.where(sds > 0, stats.norm.cdf(0, means, sds), means < 0)
    return below, (sds == 0) & (means == 0)


def masses(weights, means, sds):
    below, at = sides(means, sds)
    return tuple((weights * part).sum(axis=1) for part in (below, at, 1 - below - at))


def lfsr(weights, means, sds):
    down, zero, up = masses(weights, means, sds)
    return np.minimum(down + zero, up + zero)


def lfsr_from_the_larger(weights, means, sds):
    """One minus the probability of the sign that is claimed."""
    down, _, up = masses(weights, means, sds)
    return (1 - np.maximum(down, up)).tolist()


def lfsr_by_loops(weights, means, sds):
    result = []
    for gene in range(len(weights)):
        at_most = at_least = 0.0
        for w, m, sd in zip(weights[gene], means[gene], sds[gene], strict=True):
            below = (1 + erf(-m / sd / sqrt(2))) / 2 if sd else float(m < 0)
            above = 1 - below if sd else float(m > 0)
            zero = sd == 0 and m == 0
            at_most, at_least = at_most + w * (below + zero), at_least + w * (above + zero)
        result.append(min(at_most, at_least))
    return result


def lfsr_by_a_narrow_width(weights, means, sds):
    """Give a point mass no width to speak of; count one at zero on both sides."""
    narrow = np.maximum(sds, 1e-12)
    at = (sds == 0) & (means == 0)
    both = [(weights * np.where(at, 1, tail(0, means, narrow))).sum(axis=1) for tail in (stats.norm.cdf, stats.norm.sf)]
    return pd.DataFrame(both).min()


def s_values(rates):
    order = np.argsort(rates)
    result = np.empty(len(rates))
    result[order] = np.cumsum(rates[order]) / np.arange(1, len(rates) + 1)
    return result


def s_values_by_definition(rates):
    return [rates[rates <= one].mean() for one in rates]


def s_values_by_pandas(rates):
    return pd.Series(rates).sort_values().expanding().mean().sort_index()


def signs(lfsr=lfsr, s_values=s_values):
    return {"lfsr": lfsr, "s_values": s_values}


LFSR_RIGHT = {
    "two sums": signs(),
    "one minus the larger, by definition": signs(lfsr_from_the_larger, s_values_by_definition),
    "loops, pandas": signs(lfsr_by_loops, s_values_by_pandas),
    "a narrow width": signs(lfsr_by_a_narrow_width),
}


def of_masses(function):
    return signs(lambda *case: function(*masses(*case)))


def by_the_mean(weights, means, sds):
    down, zero, up = masses(weights, means, sds)
    return np.where((weights * means).sum(axis=1) > 0, down + zero, up + zero)


def one_normal(weights, means, sds):
    mean = (weights * means).sum(axis=1)
    sd = np.sqrt((weights * (sds**2 + means**2)).sum(axis=1) - mean**2)
    return stats.norm.sf(np.abs(mean) / sd)


def first_is_zero(weights, means, sds):
    """Take the first component for the zeros wherever it is one, and plain tails for the others."""
    if (sds[:, 0] > 0).all():
        return lfsr(weights, means, sds)
    down = (weights[:, 1:] * stats.norm.cdf(0, means[:, 1:], np.maximum(sds[:, 1:], 1e-12))).sum(axis=1)
    return weights[:, 0] + np.minimum(down, 1 - weights[:, 0] - down)


def widthless_is_zero(weights, means, sds):
    return lfsr(weights, np.where(sds > 0, means, 0), sds)


def widthless_elsewhere_lost(weights, means, sds):
    down, zero, up = masses(np.where((sds == 0) & (means != 0), 0, weights), means, sds)
    return np.minimum(down, up) + zero


def by_draws(weights, means, sds):
    rng, g = np.random.default_rng(4), len(weights)
    part = [rng.choice(weights.shape[1], 20_000, p=gene) for gene in weights]
    draws = np.array([rng.normal(means[i][part[i]], sds[i][part[i]]) for i in range(g)])
    return np.minimum((draws <= 0).mean(axis=1), (draws >= 0).mean(axis=1))


def sorted_only(rates):
    return np.cumsum(np.sort(rates)) / np.arange(1, len(rates) + 1)


LFSR_WRONG = {
    "zero left out": (
        of_masses(lambda down, zero, up: np.minimum(down, up)),
        "with a point mass at zero, `lfsr` does not",
    ),
    "lfdr": (of_masses(lambda down, zero, up: zero), "`lfsr` is"),
    "lfdr where there is one": (
        of_masses(lambda down, zero, up: np.where(zero > 0, zero, np.minimum(down, up))),
        "exactly zero: the lfdr",
    ),
    "the larger": (of_masses(lambda down, zero, up: np.maximum(down, up)), "is the larger of the two"),
    "always up": (of_masses(lambda down, zero, up: down + zero), "the same direction for every gene"),
    "doubled": (of_masses(lambda down, zero, up: 2 * np.minimum(down, up)), "is doubled"),
    "by the mean": (signs(by_the_mean), "goes by the sign of the posterior mean"),
    "half of zero": (of_masses(lambda down, zero, up: np.minimum(down, up) + zero / 2), "counts half of the mass"),
    "weights forgotten": (
        signs(lambda w, m, sd: lfsr(np.full(w.shape, 0.25), m, sd)),
        "every component the same weight",
    ),
    "one normal": (signs(one_normal), "for one normal distribution"),
    "smaller side of each": (
        signs(lambda w, m, sd: (w * np.minimum(sides(m, sd)[0], 1 - sides(m, sd)[0])).sum(axis=1)),
        "the smaller side of every component",
    ),
    "largest component": (
        signs(lambda w, m, sd: lfsr((w == w.max(axis=1)[:, None]) * 1.0, m, sd)),
        "with the largest weight only",
    ),
    "variances": (signs(lambda w, m, sd: lfsr(w, m, sd**2)), "a standard deviation for a variance"),
    "NaN at zero": (
        signs(lambda w, m, sd: np.minimum((w * stats.norm.cdf(0, m, sd)).sum(axis=1), 1)),
        "`lfsr`",
    ),
    "NaN only at zero": (
        signs(
            lambda w, m, sd: np.minimum(
                (w * stats.norm.cdf(0, m, sd)).sum(axis=1), (w * stats.norm.sf(0, m, sd)).sum(axis=1)
            )
        ),
        "with a point mass at zero, `lfsr` is NaN",
    ),
    "by draws": (signs(by_draws), "is near, and not exact"),
    "no width is zero": (signs(widthless_is_zero), "One that sits at 0.4 is a positive effect"),
    "no width is lost": (signs(widthless_elsewhere_lost), "loses the mass"),
    "sum over genes": (signs(lambda w, m, sd: lfsr(w, m, sd).sum()), "`lfsr` has shape ()"),
    "each component": (signs(lambda w, m, sd: w * sides(m, sd)[0]), "`lfsr` has shape (60, 4)"),
    "sorted": (signs(s_values=sorted_only), "in the order of the sorted rates"),
    "order for its inverse": (
        signs(s_values=lambda rates: sorted_only(rates)[np.argsort(rates)]),
        "by the order itself",
    ),
    "a sum": (signs(s_values=lambda rates: [rates[rates <= one].sum() for one in rates]), "is a sum; a mean"),
    "all genes": (
        signs(s_values=lambda rates: [rates[rates <= one].sum() / len(rates) for one in rates]),
        "by the number of all genes",
    ),
    "from the other end": (
        signs(s_values=lambda rates: [rates[rates >= one].mean() for one in rates]),
        "begins at the least certain",
    ),
    "Benjamini and Hochberg": (signs(s_values=stats.false_discovery_control), "Benjamini and Hochberg's adjustment"),
    "as they are": (signs(s_values=lambda rates: rates), "is the rate itself"),
    "without itself": (
        signs(s_values=lambda rates: [rates[rates < one].mean() if (rates < one).any() else 0 for one in rates]),
        "does not count the gene itself",
    ),
    "overall mean": (signs(s_values=lambda rates: np.full(len(rates), rates.mean())), "is the same for all genes"),
    "order of the table": (
        signs(s_values=lambda rates: np.cumsum(rates) / np.arange(1, len(rates) + 1)),
        "in the order of the table",
    ),
    "one missing": ({"lfsr": lfsr}, "says nothing about 's_values'"),
}

# --- 6: thresholds ----------------------------------------------------------------------------------------------------


def larger(b, s, threshold):
    return stats.norm.sf((np.abs(b) - threshold) / s) + stats.norm.sf((np.abs(b) + threshold) / s)


def larger_by_cdf(b, s, threshold):
    """The probability of an estimate outside (-|b|, |b|) if the effect is at the threshold."""
    effect = stats.norm(threshold, s)
    return 1 - (effect.cdf(np.abs(b)) - effect.cdf(-np.abs(b)))


def larger_by_chi_squared(b, s, threshold):
    return [float(stats.ncx2.sf((x / e) ** 2, 1, max((threshold / e) ** 2, 1e-300))) for x, e in zip(b, s, strict=True)]


def smaller(b, s, threshold):
    return np.maximum(stats.norm.cdf((b - threshold) / s), stats.norm.sf((b + threshold) / s))


def smaller_by_loops(b, s, threshold):
    return pd.Series([1 - stats.norm.cdf((threshold - abs(x)) / e) for x, e in zip(b, s, strict=True)])


def both(larger=larger, smaller=smaller):
    return {"larger": larger, "smaller": smaller}


THRESHOLD_RIGHT = {
    "two tails": both(),
    "cdf, loops": both(larger_by_cdf, smaller_by_loops),
    "non-central chi-squared": both(larger_by_chi_squared),
    "nearer limit": both(smaller=lambda b, s, t: stats.norm.sf(np.minimum(t - b, t + b) / s)),
}

tail = stats.norm.sf
THRESHOLD_WRONG = {
    "no threshold": (both(lambda b, s, t: 2 * tail(np.abs(b) / s)), "knows nothing of the threshold"),
    "filter": (
        both(lambda b, s, t: np.where(np.abs(b) > t, 2 * tail(np.abs(b) / s), 1)),
        "with a filter by size behind it",
    ),
    "one tail": (both(lambda b, s, t: tail((np.abs(b) - t) / s)), "has one tail"),
    "DESeq2": (both(lambda b, s, t: np.minimum(2 * tail((np.abs(b) - t) / s), 1)), "DESeq2 1.38 does so"),
    "doubled": (both(lambda b, s, t: 2 * tail((np.abs(b) - t) / s)), "more than 1 in places"),
    "absolute excess": (
        both(lambda b, s, t: 2 * tail(np.abs(np.abs(b) - t) / s)),
        "an estimate near zero gets a small",
    ),
    "up only": (both(lambda b, s, t: tail((b - t) / s)), "lowered genes are effects too"),
    "differs from it": (both(lambda b, s, t: 2 * tail(np.abs(b - t) / s)), "differs from the threshold"),
    "in standard errors": (both(lambda b, s, t: 2 * tail(np.abs(b) / s - t)), "a number of standard errors"),
    "variance": (
        both(lambda b, s, t: larger(b, s**2, t)),
        "`larger` divides by a variance",
    ),
    "not divided": (both(lambda b, s, t: larger(b, 1, t)), "does not divide by the standard error"),
    "one minus": (both(lambda b, s, t: 1 - larger(b, s, t)), "is one minus the p-value"),
    "tails multiplied": (
        both(lambda b, s, t: tail((np.abs(b) - t) / s) * tail((np.abs(b) + t) / s)),
        "multiplies the two tails",
    ),
    "tails averaged": (both(lambda b, s, t: larger(b, s, t) / 2), "the average of the two tails"),
    "one tail at zero": (
        both(lambda b, s, t: larger(b, s, t) if t else tail(np.abs(b) / s)),
        "for threshold 0, `larger` has one tail",
    ),
    "one number": (both(lambda b, s, t: larger(b, s, t).mean()), "`larger` has shape ()"),
    "yes or no": (both(lambda b, s, t: larger(b, s, t) < 0.05), "`larger` is"),
    "one minus the other": (both(smaller=lambda b, s, t: 1 - larger(b, s, t)), "no evidence for a small one"),
    "no difference": (both(smaller=lambda b, s, t: 1 - 2 * tail(np.abs(b) / s)), "from the test against zero"),
    "the smaller of both": (
        both(smaller=lambda b, s, t: np.minimum(tail((t - b) / s), tail((t + b) / s))),
        "Both limits have to be ruled out",
    ),
    "smaller doubled": (both(smaller=lambda b, s, t: 2 * smaller(b, s, t)), "is doubled. Both one-sided"),
    "added": (both(smaller=lambda b, s, t: tail((t - b) / s) + tail((t + b) / s)), "adds up the two one-sided"),
    "multiplied": (both(smaller=lambda b, s, t: tail((t - b) / s) * tail((t + b) / s)), "from the same estimate"),
    "other tail": (both(smaller=lambda b, s, t: tail((np.abs(b) - t) / s)), "`smaller` is the other tail"),
    "one limit": (both(smaller=lambda b, s, t: tail((t - b) / s)), "one of the two limits only"),
    "smaller in standard errors": (
        both(smaller=lambda b, s, t: tail(t - np.abs(b) / s)),
        "a number of standard errors",
    ),
    "the same twice": (both(smaller=larger), "is the p-value for a large effect"),
    "one missing": ({"larger": larger}, "says nothing about 'smaller'"),
}

# --- 7: repair --------------------------------------------------------------------------------------------------------


def claim(table, alpha, lfc):
    tested = table["pvalue"].notna()
    p = pd.Series(larger(table["log2FoldChange"], table["lfcSE"], lfc), table.index)
    padj = pd.Series(stats.false_discovery_control(p[tested]), p.index[tested])
    return (padj < alpha).reindex(table.index, fill_value=False)


def claim_by_statsmodels(table, alpha, lfc):
    """DESeq2's form of the test, names of genes."""
    tested = table.dropna()
    p = np.minimum(2 * stats.norm.sf((tested["log2FoldChange"].abs() - lfc) / tested["lfcSE"]), 1)
    return tested.index[multipletests(p, alpha, method="fdr_bh")[0]]


def claim_by_hand(table, alpha, lfc):
    """The largest p-value below its share of alpha, and all below it."""
    p = pd.Series(larger(table["log2FoldChange"], table["lfcSE"], lfc)).where(table["pvalue"].notna().to_numpy())
    ordered = np.sort(p.dropna())
    passed = np.flatnonzero(ordered <= alpha * np.arange(1, len(ordered) + 1) / len(ordered))
    return (p <= ordered[passed[-1]]).to_numpy() if len(passed) else np.zeros(len(p))


def claim_by_rows(table, alpha, lfc):
    return table[claim(table, alpha, lfc)]


REPAIR_RIGHT = {
    "scipy": claim,
    "statsmodels, names, DESeq2's form": claim_by_statsmodels,
    "by hand, an array": claim_by_hand,
    "rows of the table": claim_by_rows,
    "a set": lambda *case: set(claim_by_statsmodels(*case)),
    "objects": lambda *case: claim(*case).astype(object),
    "a column": lambda *case: claim(*case).to_frame("claimed"),
    "a Series in another order": lambda *case: claim(*case)[::-1],
}


def adjusted(p):
    known = np.isfinite(p)
    result = np.full(len(p), np.nan)
    result[known] = stats.false_discovery_control(np.asarray(p)[known])
    return result


def beyond(table, lfc):
    p = larger(table["log2FoldChange"], table["lfcSE"], lfc)
    return np.where(table["pvalue"].notna(), p, np.nan)


def large(table, lfc):
    return table["log2FoldChange"].abs() > lfc


def within(choose, p=lambda table, lfc: table["pvalue"]):
    """Choose first, and adjust among the chosen."""
    return lambda t, alpha, lfc: adjusted(np.where(choose(t, lfc), p(t, lfc), np.nan)) < alpha


REPAIR_WRONG = {
    "one tail": (
        lambda t, alpha, lfc: (
            adjusted(np.where(t.pvalue.notna(), tail((t.log2FoldChange.abs() - lfc) / t.lfcSE), np.nan)) < alpha
        ),
        "come from one tail alone",
    ),
    "the letter": (lambda t, alpha, lfc: (t.pvalue < alpha) & large(t, lfc), "are the letter's"),
    "the letter, adjusted": (
        lambda t, alpha, lfc: adjusted(np.where((t.pvalue < alpha) & large(t, lfc), t.pvalue, np.nan)) < alpha,
        "are the letter's",
    ),
    "large ones adjusted": (within(large), "are adjusted among themselves only"),
    "large and tested against the size": (within(large, beyond), "are adjusted among themselves only"),
    "filter after adjusting": (
        lambda t, alpha, lfc: (adjusted(t.pvalue) < alpha) & large(t, lfc),
        "and then filtered by the estimate",
    ),
    "any change": (lambda t, alpha, lfc: adjusted(t.pvalue) < alpha, "not tested by how much"),
    "not adjusted": (lambda t, alpha, lfc: beyond(t, lfc) < alpha, "were not adjusted for the number of genes"),
    "Bonferroni": (lambda t, alpha, lfc: beyond(t, lfc) * t.pvalue.notna().sum() < alpha, "Bonferroni"),
    "outliers tested": (
        lambda t, alpha, lfc: adjusted(larger(t.log2FoldChange, t.lfcSE, lfc)) < alpha,
        "include genes that were not tested",
    ),
    "up only": (
        lambda t, alpha, lfc: (
            adjusted(np.where(t.pvalue.notna(), tail((t.log2FoldChange - lfc) / t.lfcSE), np.nan)) < alpha
        ),
        "go one way only",
    ),
    "missing ones as 1": (
        lambda t, alpha, lfc: stats.false_discovery_control(np.nan_to_num(beyond(t, lfc), nan=1)) < alpha,
        "genes",
    ),
    "the others": (lambda t, alpha, lfc: ~(adjusted(beyond(t, lfc)) < alpha), "are those that were not claimed"),
    "always 5% and 1": (
        lambda t, alpha, lfc: claim(t, 0.05, 1),
        "for another level and another size, your genes are for another level or size",
    ),
    "size in natural logarithms": (lambda t, alpha, lfc: claim(t, alpha, lfc * np.log(2)), "another level or size"),
    "NaN in the adjustment": (
        lambda t, alpha, lfc: stats.false_discovery_control(larger(t.log2FoldChange, t.lfcSE, lfc)) < alpha,
        "",
    ),
    "NaN where not tested": (
        lambda t, alpha, lfc: claim(t, alpha, lfc)[t.pvalue.notna()].reindex(t.index),
        "hands back NaN for some genes",
    ),
    "p-values": (lambda t, alpha, lfc: adjusted(beyond(t, lfc)), "hands back numbers, p-values perhaps"),
    "a number": (lambda *case: claim(*case).sum(), "hands back something else"),
    "tested ones only": (lambda t, alpha, lfc: claim(t.dropna(), alpha, lfc).to_numpy(), "hands back something else"),
    "other names": (lambda *case: claim(*case).rename(str.upper), "has other names than the table"),
    "everything": (lambda t, alpha, lfc: t.index == t.index, "not tested"),
    "some more": (
        lambda t, alpha, lfc: claim(t, alpha, lfc) | (t.index == claim(t, alpha, lfc)[t.pvalue.notna()].idxmin()),
        "Of these 1 should not be, and 0 others should",
    ),
    "in place": (
        lambda t, alpha, lfc: t.pop("pvalue") < alpha,
        "changes its argument number 1 in place",
    ),
}

# --- the tests --------------------------------------------------------------------------------------------------------

BANK = {
    "ch04-lrt": (LRT_RIGHT, LRT_WRONG),
    "ch04-calibrate": (CALIBRATE_RIGHT, CALIBRATE_WRONG),
    "ch04-normal-normal": (NORMAL_RIGHT, NORMAL_WRONG),
    "ch04-em": (EM_RIGHT, EM_WRONG),
    "ch04-lfsr": (LFSR_RIGHT, LFSR_WRONG),
    "ch04-threshold": (THRESHOLD_RIGHT, THRESHOLD_WRONG),
    "ch04-repair": (REPAIR_RIGHT, REPAIR_WRONG),
}


class TestBank(BankTests):
    chapter, solutions, bank = "ch04", SOLUTIONS, BANK
