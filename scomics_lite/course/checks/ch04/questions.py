"""The checks of chapter 4: likelihood ratios, calibration, posteriors, false signs, thresholds, and a repair.

As in chapter 1, an answer is compared with the right numbers, then with those of the usual slips (`slips`, and
`posterior_slips` for exercises 3 to 5). The right numbers come from `scomics_lite.glm`, which is tested against
DESeq2, from the enumeration of all arrangements, or from a closed form.
"""

import numpy as np
import pandas as pd
from scipy import stats

from scomics_lite import glm
from scomics_lite.course.checks import differs, exercise
from scomics_lite.course.checks.answers import StudentError
from scomics_lite.course.checks.ch04 import cases, posterior_slips
from scomics_lite.course.checks.ch04 import slips as usual
from scomics_lite.course.checks.judging import functions_of, judge, other_order, parts_of, refusal

# --- 1: the likelihood ratio test -------------------------------------------------------------------------------------

EXACT = {"ridge": 0, "min_mean": 0, "tolerance": 0}
TINY = 1e-40  # above the p-value of `strong_gene`, and far below what 1 - cdf can tell from 0


@exercise(
    "ch04-lrt",
    hints=(
        "How much better does the full design explain the counts, and how many parameters more did it use for that?",
        "Add up the log probability of all counts at the fitted means, once for each design. Twice the difference is "
        "the statistic; the degrees of freedom are a difference as well, and neither samples nor dispersion are in it.",
        "mu = fitted_mean(y, x, s, phi) and negative_binomial.log_likelihood(y, mu, phi).sum() for both designs; "
        "2 (full - reduced); columns of full minus columns of reduced; chi2.sf. Nested means: np.column_stack of both "
        "has the rank of the full design. Where it has not, raise ValueError.",
    ),
)
def lrt(answer):
    """Compare on nested designs of three kinds, then ask about a strong gene and for refusals."""
    rng = np.random.default_rng()
    for where, *case in cases.comparisons(rng):
        try:
            problem = _judge_lrt(answer(*case), *case)
        except StudentError as error:
            if not isinstance(error.__context__, ValueError):
                raise
            problem = f"one design is part of the other, but {error}"
        if problem:
            return where + problem
    problem = _judge_strong(answer(*cases.strong_gene(rng)))
    if problem:
        return problem
    refused = (refusal(answer, *case, where=where) for where, *case in cases.not_nested(rng))
    return next(filter(None, refused), None)


def _judge_strong(result):
    values, problem = parts_of(result, ["stat", "df", "pvalue"], what="your function")
    if problem:
        return problem
    stat, _, pvalue = values
    if not 0 < pvalue < TINY:
        return (
            "for a gene that changes fivefold the p-value is beyond what 1 - cdf can tell from 0, and such genes could "
            "not be ranked. scipy has the upper tail as a function of its own."
        )
    if abs(np.log(pvalue) - stats.chi2.logsf(stat, 1)) > 1:
        return "for a gene that changes fivefold the p-value is not that of your statistic: do not cut it off."
    return None


def _judge_lrt(result, y, full, reduced, s, phi):
    values, problem = parts_of(result, ["stat", "df", "pvalue"], what="your function")
    if problem:
        return problem
    counts = np.column_stack([y, np.ones(len(y))])  # with a second gene no sample is without counts
    fits = [glm.fit(counts, x, s, phi, **EXACT) for x in (full, reduced, np.ones((len(y), 1)))]
    (n, p), q = full.shape, reduced.shape[1]
    stat = 2 * (fits[0].log_likelihood[0] - fits[1].log_likelihood[0])
    right = [stat, p - q, stats.chi2.sf(stat, p - q)]
    return (
        other_order(values, right, "statistic, degrees of freedom and p-value", rtol=1e-4)
        or _judge_statistic(values[0], stat, usual.statistics(y, phi, *fits))
        or judge(values[1], p - q, usual.degrees(full, reduced), what="your degrees of freedom")
        or judge(
            values[2],
            right[2],
            usual.chi_squared(stat, n, p, q),
            what="your p-value",
            rtol=1e-3,
            atol=1e-13,
        )
    )


def _judge_statistic(value, right, slips):
    """Be content with what an optimiser finds; be stricter with slips, of which so many numbers could be one."""
    if differs(value, right, rtol=1e-4, atol=1e-5) is None:
        return None
    return judge(value, right, slips, what="your statistic", rtol=1e-5, atol=1e-7)


# --- 2: calibration ---------------------------------------------------------------------------------------------------


@exercise(
    "ch04-calibrate",
    hints=(
        "What has to be true of the p-values if nothing changes in any gene? And which labels could the samples have "
        "had as well?",
        "rate: only genes that have a p-value are tests; the share of yes among m independent yes-or-no answers has "
        "the standard error of a binomial share. permutation_pvalue: every way to choose as many treated samples, the "
        "observed one among them, each with its own statistic.",
        "rate: r = np.mean(p[~np.isnan(p)] < level) and sqrt(r (1 - r) / m). permutation_pvalue: itertools.combinations"
        "(range(n), number of treated) gives the positions; make an array of False, set these to True, take "
        "statistic(values, that), and return the share of these at least as large as statistic(values, treated).",
    ),
)
def calibrate(answer):
    """Compare the rate with p-values missing and not, and the permutation p-value with the enumeration."""
    functions, problem = functions_of(answer, ["rate", "permutation_pvalue"])
    if problem:
        return problem
    rate, permutation_pvalue = functions
    rng = np.random.default_rng()
    for where, missing, level in (("", 0, 0.05), ("where genes have no p-value, ", 60, 0.05), ("", 30, 0.2)):
        p = cases.pvalues(rng, missing)
        problem = _judge_rate(rate(p, level), p, level)
        if problem:
            return where + problem
    for where, *case in cases.experiments(rng):
        problem = _judge_permutation(permutation_pvalue(*case), *case)
        if problem:
            return where + problem
    same = permutation_pvalue(np.full(6, 4), np.arange(6) < 3, cases.difference)
    return differs(same, 1.0, what="where all values are the same, your permutation p-value")


def _judge_rate(result, p, level):
    values, problem = parts_of(result, ["rate", "standard_error"], what="`rate`")
    if problem:
        return problem
    m = np.sum(~np.isnan(p))
    r = np.nanmean(np.where(np.isnan(p), np.nan, p < level))
    error = np.sqrt(r * (1 - r) / m)
    return judge(values[0], r, usual.rates(p, level), what="`rate`: the share") or judge(
        # m - 1 in place of m is as good
        values[1],
        error,
        usual.rate_errors(r, level, m, len(p)),
        what="`rate`: the standard error",
        rtol=3e-3,
    )


def _judge_permutation(result, values, treated, statistic):
    (right, slips), what = cases.permutation_pvalue(values, treated, statistic), "your permutation p-value"
    problem = judge(result, right, slips, what=what)
    if problem and problem == differs(result, right, what=what) and differs(result, right, atol=0.1) is None:
        return f"{what} is near, and not exact: take every arrangement once."
    return problem


# --- 3: normal prior, normal estimate ---------------------------------------------------------------------------------


@exercise(
    "ch04-normal-normal",
    hints=(
        "Two sources say something about one number. Which of them do you trust more, and by what measure?",
        "Precision is one over the variance. The posterior mean is the mean of estimate and prior mean, weighted by "
        "their precisions; the precisions add up. An estimate scatters about the prior's mean by both, so there the "
        "variances add up.",
        "weight = prior_sd**2 / (prior_sd**2 + s**2); mean = prior_mean + weight (b - prior_mean); variance = "
        "weight s**2, and its root. log_marginal: the sum of stats.norm.logpdf at b, with mean prior_mean and standard "
        "deviation sqrt(s**2 + prior_sd**2).",
    ),
)
def normal_normal(answer):
    """Compare with the closed form on fresh genes, with a prior that is not centred at zero."""
    functions, problem = functions_of(answer, ["posterior", "log_marginal"])
    if problem:
        return problem
    posterior, log_marginal = functions
    rng = np.random.default_rng()
    b, s = cases.effects(rng, 40, 1.0)
    m, tau = rng.uniform(0.3, 0.8), rng.uniform(0.6, 1.4)
    values, problem = parts_of(posterior(b, s, m, tau), ["mean", "sd"], what="`posterior`")
    if problem:
        return problem
    weight = tau**2 / (tau**2 + s**2)
    right = m + weight * (b - m)
    return (
        other_order(values, [right, np.sqrt(weight) * s], "means and standard deviations")
        or judge(values[0], right, posterior_slips.posterior_means(b, s, m, tau), what="your posterior mean")
        or judge(values[1], np.sqrt(weight) * s, posterior_slips.posterior_sds(s, tau), what="your posterior sd")
        or _judge_marginal(log_marginal(b, s, m, tau), b, s, m, tau)
    )


def _judge_marginal(result, b, s, m, tau):
    if np.shape(result) == b.shape:
        return "`log_marginal` has a number for each gene. One was asked for, of all of them together."
    right = stats.norm.logpdf(b, m, np.sqrt(s**2 + tau**2)).sum()
    return judge(result, right, posterior_slips.log_marginals(b, s, m, tau), what="`log_marginal`")


# --- 4: EM ------------------------------------------------------------------------------------------------------------


@exercise(
    "ch04-em",
    hints=(
        "If you knew which genes change, how would you estimate pi0 and tau? You do not know; what do you know?",
        "E: the probability that a gene changes is its share of two terms, each a weight times a density of the "
        "estimate. M: pi0 is a mean of probabilities; tau squared is a weighted mean of the expected squares of the "
        "effects, and these come from exercise 3.",
        "none = pi0 norm.pdf(b, 0, s) and some = (1 - pi0) norm.pdf(b, 0, sqrt(s**2 + tau**2)); r = some / (none + "
        "some). Expected square: posterior mean squared plus posterior variance, prior N(0, tau squared). Then pi0 = 1 "
        "- r.mean() and tau = sqrt of the sum of r times expected square over the sum of r. Repeat with the new ones.",
    ),
)
def em(answer):
    """Compare after one round, which names the slips, after two, and after many."""
    rng = np.random.default_rng()
    b, s = cases.effects(rng, 300, rng.uniform(1.2, 1.8))
    start = rng.uniform(0.55, 0.75), rng.uniform(0.7, 1.0)
    for rounds in (1, 2, 100):
        problem = _judge_em(answer(b, s, *start, rounds), b, s, *start, rounds)
        if problem:
            return f"after {rounds} round{'s' * (rounds > 1)}, {problem}"
    return None


def _em(b, s, pi0, tau, rounds):
    """Run the rounds by precisions and log odds."""
    for _ in range(rounds):
        total = s**2 + tau**2
        odds = np.log(pi0 / (1 - pi0)) + 0.5 * np.log(total / s**2) - b**2 / 2 * (1 / s**2 - 1 / total)
        r = 1 / (1 + np.exp(odds))
        square = (b * tau**2 / total) ** 2 + 1 / (1 / s**2 + 1 / tau**2)
        pi0, tau = 1 - r.mean(), np.sqrt(np.average(square, weights=r))
    return pi0, tau


def _judge_em(result, b, s, pi0, tau, rounds):
    values, problem = parts_of(result, ["pi0", "tau"], what="your function")
    if problem:
        return problem
    right, further = _em(b, s, pi0, tau, rounds), _em(b, s, pi0, tau, rounds + 1)
    if differs(values, further) is None and differs(values, right) is not None:
        return "your numbers are those of one round more."
    if rounds == 1 and differs(values, _em(b, s, pi0, tau, 1_000), rtol=1e-3) is None:
        return "your numbers are those that the rounds lead to in the end: do as many rounds as were asked for."
    swapped = other_order(values, right, "pi0 and tau")
    if swapped:
        return swapped
    if rounds > 1 and differs(values, _em(b, s, pi0, tau, 1)) is None:
        return "your numbers are those of one round: each round has to begin with what the last one found."
    slips = posterior_slips.shares(b, s, pi0, tau), posterior_slips.widths(b, s, pi0, tau)
    for name, value, one, wrong in zip(("pi0", "tau"), values, right, slips, strict=True):
        problem = judge(value, one, wrong if rounds == 1 else {}, what=f"your {name}")
        if problem:
            return problem
    return None


# --- 5: the false sign rate -------------------------------------------------------------------------------------------


@exercise(
    "ch04-lfsr",
    hints=(
        "You announce a direction for the gene. In which cases are you wrong, and is an effect of exactly zero one?",
        "Add up, over the components, the probability of an effect at or below zero, and that of one at or above it. "
        "You claim the other side of the smaller one, and that one is the error. For a list of genes the error is the "
        "mean of theirs.",
        "A component with a width: norm.cdf(0, mean, sd). Without one it is below, at or above zero as a whole, and at "
        "zero it belongs to both. lfsr = minimum of the two sums. s-value: sort, np.cumsum over 1, 2, 3, …, and put "
        "the results back with s = np.empty(g); s[order] = running.",
    ),
)
def lfsr(answer):
    """Compare with exact probabilities of random mixtures, then the running means."""
    functions, problem = functions_of(answer, ["lfsr", "s_values"])
    if problem:
        return problem
    rng = np.random.default_rng()
    for where, weights, means, sds in cases.posteriors(rng):
        problem = _judge_lfsr(functions[0](weights, means, sds), weights, means, sds, "second" in where)
        if problem:
            return where + problem
    rates = rng.uniform(0, 0.5, 50)
    order = np.argsort(rates)
    right = np.empty(50)
    right[order] = np.cumsum(rates[order]) / np.arange(1, 51)
    return judge(functions[1](rates), right, posterior_slips.running_means(rates), what="`s_values`")


def _judge_lfsr(result, weights, means, sds, elsewhere):
    slips = posterior_slips.missed_mass(weights, means, sds) if elsewhere else {}
    width = np.where(sds > 0, sds, 1e-300)  # so narrow that all of it is on the side of its mean
    at_most = np.where((sds == 0) & (means == 0), 1, stats.norm.cdf(-means / width))
    at_least = np.where((sds == 0) & (means == 0), 1, stats.norm.sf(-means / width))
    right = np.minimum((weights * at_most).sum(axis=1), (weights * at_least).sum(axis=1))
    slips |= posterior_slips.sign_errors(weights, means, sds)
    problem = judge(result, right, slips, what="`lfsr`")
    if problem and problem == differs(result, right, what="`lfsr`") and differs(result, right, atol=0.03) is None:
        return "`lfsr` is near, and not exact: norm.cdf has the probabilities, no draws are needed."
    return problem


# --- 6: thresholds ----------------------------------------------------------------------------------------------------


@exercise(
    "ch04-threshold",
    hints=(
        "Of all effects that the null hypothesis allows, which one brings the largest estimates?",
        "larger: put the true effect at the threshold, and ask how often an estimate is at least as far from zero as "
        "this one, on either side. smaller: the effect has to be above minus the threshold and below plus the "
        "threshold; each is a one-sided test.",
        "larger: norm.sf((|b| - threshold) / s) + norm.sf((|b| + threshold) / s). smaller: the larger one of "
        "norm.cdf((b - threshold) / s) and norm.sf((b + threshold) / s).",
    ),
)
def threshold(answer):
    """Compare both p-values with their closed forms; at threshold 0 the first is the usual one."""
    functions, problem = functions_of(answer, ["larger", "smaller"])
    if problem:
        return problem
    larger, smaller = functions
    for where, b, s, t in cases.thresholds(np.random.default_rng()):
        right = stats.norm.sf((np.abs(b) - t) / s) + stats.norm.sf((np.abs(b) + t) / s)
        problem = judge(larger(b, s, t), right, usual.larger(b, s, t), what=f"{where}`larger`")
        if problem:
            return problem
        if t:
            right = stats.norm.cdf((np.abs(b) - t) / s)  # of the two limits the nearer one is the harder to rule out
            problem = judge(smaller(b, s, t), right, usual.smaller(b, s, t), what="`smaller`")
        if problem:
            return problem
    return None


# --- 7: repair --------------------------------------------------------------------------------------------------------


@exercise(
    "ch04-repair",
    hints=(
        "Which question does the p-value of each gene have to answer, and how many times was it asked?",
        "The claim is about the size, so the test has to be one against the size (exercise 6); and it was tried on all "
        "genes that have a p-value, so all of them are adjusted together, before any is chosen.",
        "p = larger(table.log2FoldChange, table.lfcSE, lfc); take only genes whose pvalue is not NaN; adjust p of all "
        "these by Benjamini and Hochberg (stats.false_discovery_control); claimed where below alpha, False elsewhere.",
    ),
)
def repair(answer):
    """Compare the genes that are claimed, whether the threshold test has DESeq2's form or that of exercise 6."""
    for where, table, alpha, lfc in cases.tables(np.random.default_rng()):
        problem = _judge_claim(answer(table, alpha, lfc), table, alpha, lfc)
        if problem:
            return where + problem
    return None


def _judge_claim(result, table, alpha, lfc):
    called, problem = _called(result, table)
    if problem:
        return problem
    right, deseq2 = cases.claimed(table, alpha, lfc)
    if np.array_equal(called, right) or np.array_equal(called, deseq2):
        return None
    for sentence, sets in usual.claims(table, alpha, lfc).items():
        if any(np.array_equal(called, one) for one in sets):
            return f"your genes {sentence}"
    if called[table["pvalue"].isna()].any():
        return "you claim genes that were not tested: they have no p-value."
    missing, extra = (right & ~called).sum(), (called & ~right).sum()
    return f"{called.sum()} genes are claimed. Of these {extra} should not be, and {missing} others should."


def _called(result, table):
    """Read True and False for each gene, or the names of the genes that are claimed."""
    ask = "hand back True or False for each gene of the table, in its order."
    if isinstance(result, pd.DataFrame):
        result = result.iloc[:, 0] if result.shape[1] == 1 and len(result) == len(table) else result.index
    if isinstance(result, pd.Series):
        if not result.index.isin(table.index).all():
            return None, f"your Series has other names than the table: {ask}"
        result = result.reindex(table.index) if len(result) == len(table) else result
    values = np.asarray(list(result) if isinstance(result, set | frozenset) else result)
    if values.dtype.kind in "UO" and values.ndim == 1 and set(values) <= set(table.index):
        return table.index.isin(values), None
    if values.dtype.kind == "O" and all(isinstance(value, bool | np.bool_) for value in values):
        values = values.astype(bool)
    if values.shape == (len(table),) and values.dtype.kind in "biuf" and np.isin(values, [0, 1]).all():
        return values.astype(bool), None
    if values.shape == (len(table),) and values.dtype.kind == "O" and pd.isna(values).any():
        return None, "your function hands back NaN for some genes: what was not tested is not claimed, so it is False."
    if values.shape == (len(table),) and values.dtype.kind == "f":
        return None, f"your function hands back numbers, p-values perhaps: {ask}"
    return None, f"your function hands back something else: {ask}"
