"""The checks of exercises 1 to 3 of chapter 6a: Hardy-Weinberg, the elastic net, and a gene's z-score.

As in chapter 1, an answer is compared with the right numbers, then with those of the usual `slips`. Weights of the
elastic net are judged by the conditions of the minimum, so that any way there will do. Exercises 4 to 6 are in
`study_questions`.
"""

import numpy as np
import pandas as pd

from scomics_lite.course.checks import differs, exercise
from scomics_lite.course.checks.ch06a import cases, slips
from scomics_lite.course.checks.judging import functions_of, judge

# --- 1: Hardy-Weinberg ------------------------------------------------------------------------------------------------


@exercise(
    "ch06a-hardy-weinberg",
    hints=(
        "The people carry so many copies of A and so many of B. Which numbers of heterozygotes could there have been?",
        "If h people are heterozygotes, the copies left over sit in pairs, so AA and BB follow from h. Compute the "
        "probability of every possible h, up to a factor that they share; divide by the sum; add up those that are no "
        "larger than that of the observed h. Logarithms keep factorials small enough.",
        "a = 2 n_aa + n_ab and b = 2 n_bb + n_ab copies. For h = a % 2, then in steps of 2 up to min(a, b): "
        "log = h ln 2 - gammaln((a - h)/2 + 1) - gammaln(h + 1) - gammaln((b - h)/2 + 1). p = exp(log - log.max()), "
        "divided by its sum. The answer: the sum of p where p <= 1.000000001 times the p of n_ab.",
    ),
)
def hardy_weinberg(answer):
    """Compare for few and many people, at every tie of small numbers, and far from the proportions."""
    rng = np.random.default_rng()
    for where, *counts in cases.genotype_counts(rng):
        problem = judge(
            answer(*counts),
            slips.hardy_weinberg(*counts),
            slips.hardy_weinberg_pvalues(*counts),
            what="your p-value",
            atol=0,
        )
        if problem:
            return where + problem
    return _judge_ties(answer) or _judge_many_people(answer, rng)


def _judge_ties(answer):
    for counts in cases.ties():
        result = answer(*counts)
        problem = differs(result, slips.hardy_weinberg(*counts), what="your p-value", atol=0)
        if problem and differs(result, slips.without_ties(*counts), atol=0) is None:
            return (
                "where two numbers of heterozygotes are equally probable, your p-value may lose one of them to "
                "rounding: compare with a little room."
            )
        if problem:
            return f"where only a few people were genotyped, {problem}"
    return None


def _judge_many_people(answer, rng):
    n = int(rng.integers(300, 400))
    many, one_letter = (n, 2 * n - 40, n + 60), (n, 0, 0)
    for where, counts in (
        ("for more than a thousand people, ", many),
        ("where only one letter was seen, ", one_letter),
    ):
        result = answer(*counts)
        problem = differs(result, slips.hardy_weinberg(*counts), what="your p-value", atol=0)
        if problem and counts == many and np.ndim(result) == 0 and not result > 0:
            return f"{where}your p-value is lost: their factorials are too large to be numbers. Add up logarithms."
        if problem:
            return where + problem
    far = n, n // 2, n
    result = answer(*far)
    if differs(result, slips.hardy_weinberg(*far), atol=0, rtol=1e-4):
        if any(differs(result, one, atol=0, rtol=1e-4) is None for one in slips.with_fixed_room(*far)):
            return (
                "far from the proportions your room is a fixed amount, larger than the p-value itself: make it a "
                "share, p_obs * (1 + 1e-9)."
            )
        return (
            "far from the proportions your p-value is lost to rounding: 1 minus something near 1 holds no small "
            "number. Add up the small probabilities themselves."
        )
    return None


# --- 2: the elastic net -----------------------------------------------------------------------------------------------


@exercise(
    "ch06a-elastic-net",
    hints=(
        "Hold all weights but one. What do the others leave of y, and how much of that does this SNP get?",
        "elastic_net: for one SNP after the other, c = x'r / n + b, where r = y - X b is what all weights leave; the "
        "new weight is c moved towards zero by penalty alpha (and stopped there), divided by 1 + penalty (1 - alpha). "
        "Go round until no weight moves by more than 1e-8. breach: two conditions, one for weights that are zero and "
        "one for the others.",
        "elastic_net: start from b = 0; repeat 200 times, for every column j: r = y - X @ b; c = x_j'r / n + b_j; "
        "b_j = sign(c) max(|c| - penalty alpha, 0) / (1 + penalty (1 - alpha)). breach: g = X'(y - X b) / n; where b "
        "is 0, max(|g| - penalty alpha, 0); elsewhere |g - penalty (alpha sign(b) + (1 - alpha) b)|; the largest.",
    ),
)
def elastic_net(answer):
    """Compare where columns are independent, ask the conditions of the minimum where they are in LD, and the breach."""
    functions, problem = functions_of(answer, ["elastic_net", "breach"])
    if problem:
        return problem
    solve, breach = functions
    rng = np.random.default_rng()
    return (
        _judge_independent(solve, rng)
        or _judge_linked(solve, rng)
        or _judge_nothing_left(solve, rng)
        or _judge_breach(breach, rng)
    )


def _judge_independent(solve, rng):
    X, y, c = cases.independent_columns(rng)
    penalty, alpha = rng.uniform(0.35, 0.45), rng.uniform(0.3, 0.42)
    right = slips.shrink(c, penalty * alpha) / (1 + penalty * (1 - alpha))
    wrong = slips.independent_weights(c, len(y), penalty, alpha)
    b = solve(X, y, penalty, alpha)
    if np.shape(b) == right.shape and _runs_away(b):
        return RUNS_AWAY
    problem = judge(b, right, wrong, what="`elastic_net`: your b", rtol=1e-5, atol=1e-7)
    if problem and np.shape(b) == right.shape and np.asarray(b).dtype.kind in "iu":
        return (
            "`elastic_net`: your b holds whole numbers. An array of integers cuts off what stands behind the point: "
            "start from zeros that are floats."
        )
    return problem


RUNS_AWAY = (
    "`elastic_net`: your b grows from sweep to sweep. Is x'r divided by the number of people, is r computed anew after "
    "every change (or does it lose the change alone, x times (new - old)), and is the SNP's own part kept in c?"
)


def _runs_away(b):
    b = pd.to_numeric(pd.Series(list(b)), errors="coerce")
    return not b.abs().max() < 1e3


def _judge_linked(solve, rng):
    for where, alpha, twins in (
        ("where SNPs are in LD, ", rng.uniform(0.4, 0.6), True),
        ("where alpha is 1, ", 1.0, False),
        ("where alpha is 0, ", 0.0, False),
    ):
        X, y = cases.linked_columns(rng, twins)
        penalty = rng.uniform(0.15, 0.25)
        b = solve(X, y, penalty, alpha)
        if np.shape(b) != (X.shape[1],):
            return differs(b, np.zeros(X.shape[1]), what="`elastic_net`: your b")
        problem = RUNS_AWAY if _runs_away(b) else _judge_minimum(X, y, np.asarray(b, dtype=float), penalty, alpha)
        if problem:
            return where + problem
    return None


def _judge_minimum(X, y, b, penalty, alpha):
    """Ask the conditions of the minimum; where they are broken, say which ones, and by what slip if one is known."""
    worst = slips.breach_of(X, y, b, penalty, alpha)
    if worst < 1e-4 * penalty:
        return None
    known = [
        sentence
        for sentence, wrong in slips.linked_weights(X, y, penalty, alpha).items()
        if any(differs(b, one, rtol=1e-5, atol=1e-7) is None for one in wrong)
    ]
    if known:
        return f"`elastic_net`: your b {known[0]}"
    if slips.breach_of(X, y, np.where(np.abs(b) < 1e-3, 0, b), penalty, alpha) < 1e-2 * penalty:
        return (
            "`elastic_net`: your b has weights that are nearly zero, where they should be exactly zero. If your step "
            "does set zeros, it stopped too early: go on."
        )
    if worst < 0.05 * penalty:
        return "`elastic_net`: your b is near the minimum and not at it: go on until nothing moves."
    g, zero = X.T @ (y - X @ b) / len(y), b == 0
    if zero.any() and (np.abs(g[zero]) > penalty * (alpha + 0.05)).any():
        return (
            "`elastic_net`: your b breaks the conditions of the minimum: weights are zero of SNPs that explain more of "
            "what is left than their price. (If you keep a residual, it has to lose the change alone, x times "
            "(new - old).)"
        )
    return (
        "`elastic_net`: your b breaks the conditions of the minimum: at weights that are not zero the slope is not 0. "
        "Is what the others leave computed anew after every change (or does a residual lose the change alone, "
        "x times (new - old)), and the SNP's own part kept in it?"
    )


def _judge_nothing_left(solve, rng):
    X, y = cases.linked_columns(rng)
    b = solve(X, y, 1.01 * np.abs(X.T @ y / len(y)).max() / 0.5, 0.5)
    if np.any(np.asarray(b) != 0):
        return "`elastic_net`: at a penalty where no SNP is worth its price, your b is not zero everywhere."
    return None


def _judge_breach(breach, rng):
    for where, *case in cases.weights_off_the_minimum(rng):
        right, wrong = slips.breach_of(*case), slips.breaches(*case)
        problem = judge(breach(*case), right, wrong, what="`breach`: your number")
        if problem:
            return where + problem
    case = cases.tiny_weight(rng)
    result = breach(*case)
    if differs(result, 0.0, atol=1e-6) is None:
        return (
            "`breach`: where a weight is 0.0000001, your number takes it for zero. It is small and not zero, so the "
            "first condition is asked of it."
        )
    problem = differs(result, slips.breach_of(*case), what="`breach`: your number")
    if problem:
        return f"where a weight is 0.0000001, {problem}"
    X, y, c = cases.independent_columns(rng)
    at_minimum = slips.shrink(c, 0.16) / (1 + 0.24)
    problem = differs(breach(X, y, at_minimum, 0.4, 0.4), 0.0, atol=1e-8, what="`breach`: your number")
    return problem and f"at the minimum, {problem}"


# --- 3: a gene's z-score ----------------------------------------------------------------------------------------------


@exercise(
    "ch06a-zscore",
    hints=(
        "z-scores of correlated SNPs are added up. What is the standard deviation of the sum?",
        "A weight is for one copy of an allele and a z-score for one standard deviation of the dosage, so sigma_l, the "
        "root of the SNP's variance, comes between them. sigma_g is the root of w'Sigma w. A SNP without a z-score "
        "leaves both.",
        "keep = ~np.isnan(zscores); take weights, zscores, and rows and columns of the covariance where keep. "
        "sigma_l = the root of the diagonal, sigma_g = the root of w @ S @ w; the answer is the sum of "
        "w sigma_l z, divided by sigma_g.",
    ),
)
def zscore(answer):
    """Compare for genes of three and of more SNPs, above and below 0, with and without SNPs that the GWAS lacks."""
    rng = np.random.default_rng()
    for where, k, sign in (("", 3, 1), ("for a gene of nine SNPs whose z-score is below 0, ", 9, -1)):
        w, z, S = cases.gene(rng, k, sign)
        right, wrong = slips.gene_zscore(w, z, S), slips.gene_zscores(w, z, S)
        problem = judge(answer(w, z, S), right, wrong, what="your z-score")
        if problem:
            return where + problem
    w, z, S = cases.gene(rng, 7)
    z[rng.permutation(7)[:2]] = np.nan
    known = ~np.isnan(z)
    right = slips.gene_zscore(w[known], z[known], S[np.ix_(known, known)])
    result = answer(w, z, S)
    problem = judge(result, right, slips.gene_zscores_with_gaps(w, z, S), what="your z-score")
    if problem and np.ndim(result) == 0 and pd.isna(result):
        problem = "your z-score is NaN: these SNPs have to be left out, of the sum and of sigma_g."
    return problem and f"where the GWAS does not have two of seven SNPs, {problem}"
