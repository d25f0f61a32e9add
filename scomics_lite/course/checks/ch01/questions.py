"""The checks of chapter 1: size factors, composition, and a table that holds no counts.

All checks work alike: compare with the right numbers on fresh random input; if the answer has others, look whether one
of the usual slips (`slips`) gives exactly these; else let `differs` say how they differ. The right numbers come
from `scomics_lite.normalization`, which is tested against DESeq2 and edgeR.
"""

import numpy as np
import pandas as pd

from scomics_lite import normalization
from scomics_lite.course.checks import differs, exercise, random_counts
from scomics_lite.course.checks.ch01 import slips as usual
from scomics_lite.course.checks.compare import missing_parts
from scomics_lite.course.checks.judging import functions_of, judge, parts_of, refusal
from scomics_lite.validation import did_you_mean

# --- 1: expected counts -----------------------------------------------------------------------------------------------


@exercise(
    "ch01-expected-counts",
    hints=(
        "One line of the model gives the first row. Which two of the numbers N, p and s does it need?",
        "An expected count is the number of reads times the chance that a read belongs to the gene; s then takes out "
        "how much deeper a tube was read than the first one.",
        "Row one is N times p. Row two is row one divided by s, tube by tube. np.array([one, two]) stacks rows.",
    ),
)
def expected_counts(answer):
    """Compare four numbers with those of the thought experiment."""
    raw, s = np.array([100.0, 200.0]), np.array([1.0, 2.0])
    right = np.array([raw, raw / s])
    problem = judge(answer, right, usual.expected_counts(raw, s), what="your table")
    if problem and differs(answer, right, rtol=0.4) is None:
        drawn = np.asarray(answer, dtype=float)[0]
        if np.array_equal(drawn, np.rint(drawn)) and not np.array_equal(drawn, raw):
            return "these look like drawn counts. An expectation is the mean over all draws: no chance is left in it."
    return problem


# --- 2: median of ratios ----------------------------------------------------------------------------------------------


@exercise(
    "ch01-median-of-ratios",
    hints=(
        "Which sample do you compare every sample with, and what does a single zero do to it?",
        "The reference is a sample of geometric means, taken gene by gene over the samples. Genes with a zero anywhere "
        "have none, so they leave before anything else happens. Each sample's factor is its typical ratio to it.",
        "Keep the columns without a zero and raise ValueError if none is left. Take logarithms, subtract each gene's "
        "mean over the samples, take each sample's median over the genes, and undo the logarithm.",
    ),
)
def median_of_ratios(answer):
    """Compare on a table without zeros, on one with zeros, and on one with a zero in every gene."""
    rng = np.random.default_rng()
    # The genes that vote are odd in number: then the median ratio is exp of the median log ratio, and both forms pass.
    problem = _judge_factors(answer, random_counts(rng, 5, 61))
    if problem:
        return problem
    counts = random_counts(rng, 4, 83, zeros=True)
    voters = np.flatnonzero((counts > 0).all(axis=0))
    problem = _judge_factors(answer, np.delete(counts, voters[: 1 - len(voters) % 2], axis=1))
    if problem:
        return f"all is well without zeros, but in a table with some {problem}"
    zero_in_every_gene = np.where(np.arange(12) % 4 == np.arange(4)[:, None], 0, 9)
    return refusal(answer, zero_in_every_gene)


def _judge_factors(answer, counts):
    result = answer(counts)
    if np.shape(result) == counts.shape:
        return "you hand back a whole table. The size factors alone were asked for: one number for each sample."
    if np.shape(result) == counts.shape[1:]:
        return "you hand back one number for each gene. Samples are the rows; a size factor belongs to a sample."
    right = normalization.size_factors(counts, "median_of_ratios")
    with np.errstate(all="ignore"):
        return judge(result, right, usual.size_factors(counts, right), what="your vector of size factors")


# --- 3: composition ---------------------------------------------------------------------------------------------------


@exercise(
    "ch01-composition",
    hints=(
        "What happens to the whole pie when one slice grows, and how many reads are dealt out before and after?",
        "Set the total of A to one. The loud gene brings `share` to it in A and `share` times `fold` in B, everybody "
        "else the same as before. An unchanged gene's slice is its abundance over the total.",
        "predicted: the total of A over the total of B. simulated: abundances in A, a copy with gene 0 times fold, "
        "each divided by its sum, times DEPTH, through rng.poisson; then the typical ratio B / A of genes 1, 2, 3 …",
    ),
)
def composition(answer):
    """Compare the formula at several shares and folds, and the simulation with the truth within its own noise."""
    functions, problem = functions_of(answer, ["predicted", "simulated"])
    if problem:
        return problem
    predicted, simulated = functions
    rng = np.random.default_rng()
    return (
        _judge_prediction(predicted, [(rng.uniform(0.1, 0.4), rng.uniform(2, 4)), (0.3, 0.5), (0.0, 3.0), (1.0, 4.0)])
        or _judge_simulation(simulated, rng.uniform(0.2, 0.28), rng.uniform(3, 4))
        or _judge_simulation(simulated, 0.4, 0.25)
    )


def _shift(share, fold):
    return 1 / (1 + share * (fold - 1))


def _judge_prediction(predicted, cases):
    results = [predicted(share, fold) for share, fold in cases]
    if len({str(result) for result in results}) == 1 and results[0] is not None:
        return "`predicted` gives the same number whatever share and fold are: compute it from them."
    for (share, fold), result in zip(cases, results, strict=True):
        right = _shift(share, fold)
        with np.errstate(all="ignore"):
            slips = usual.predicted_shift(np.float64(share), fold, right)
        problem = judge(result, right, slips, what="`predicted`")
        if problem:
            return problem
    return None


def _judge_simulation(simulated, share, fold):
    """Allow 4%: sensible estimates from 1,000 genes and a million reads scatter by about 0.3%."""
    seed = np.random.default_rng().integers(2**32)
    first, again, *others = (simulated(share, fold, np.random.default_rng(seed + step)) for step in (0, 0, 1, 2, 3))
    if np.shape(first):
        return f"`simulated` hands back {np.size(first)} numbers: sum them up in one, the typical ratio."
    right = _shift(share, fold)
    problem = judge(first, right, usual.simulated_shift(fold, right), what="`simulated`", rtol=0.04)
    if problem:
        return problem
    if first != again:
        return "`simulated` gives another number for the same rng: draw from the rng it is given and from nothing else."
    if all(first == other for other in others):  # one may agree by chance: a median of ratios is a fraction
        return "`simulated` does not depend on rng: draw counts, do not compute with expectations."
    return None


# --- 4: M, A and an untrimmed TMM -------------------------------------------------------------------------------------


@exercise(
    "ch01-untrimmed-tmm",
    hints=(
        "Three things are easy to lose here: the library sizes, the genes with a zero, the base of the logarithm. "
        "Do you have all three?",
        "The library size is the total of the whole sample, so take it before any gene leaves. A precise M has a small "
        "variance and deserves a large weight.",
        "m_and_a: divide each sample by its total, keep genes counted in both, then the difference and the mean of the "
        "two log2 shares. untrimmed_tmm: np.average of M with one over the variance as weights, then 2 to that power.",
    ),
)
def untrimmed_tmm(answer):
    """Compare M, A and the factor on a random pair with zeros, and one gene so loud that it shows in the weights."""
    functions, problem = functions_of(answer, ["m_and_a", "untrimmed_tmm"])
    if problem:
        return problem
    y, y_reference = random_counts(np.random.default_rng(), 2, 60, zeros=True)
    y[1], y_reference[1] = y.sum(), y_reference.sum() // 2
    table = normalization.m_and_a([y, y_reference], 0, 1)
    problem = _judge_m_and_a(functions[0](y, y_reference), table, y, y_reference)
    if problem:
        return problem
    right = 2 ** np.average(table["M"], weights=table["weight"])
    slips = usual.tmm_factor(table, y, y_reference, right)
    return judge(functions[1](y, y_reference), right, slips, what="your factor")


def _judge_m_and_a(pair, table, y, y_reference):
    pair, problem = parts_of(pair, ["M", "A"], what="`m_and_a`")
    if problem:
        return problem
    for values in pair:
        if np.shape(values) == y.shape:
            return "`m_and_a` gives a value for every gene. What is the log ratio of a gene with a zero? Leave it out."
    with np.errstate(all="ignore"):
        return judge(pair[0], table["M"], usual.m_values(table, y, y_reference), what="M") or judge(
            pair[1], table["A"], usual.a_values(table, y, y_reference), what="A"
        )


# --- 5: the breaking point --------------------------------------------------------------------------------------------


@exercise(
    "ch01-breaking-point",
    hints=(
        "What fold change should an unchanged gene show after a good normalization, and on which scale is 0.5 a limit?",
        "bias: normalize, average each condition over its samples, log2 of B over A, and then the typical value of the "
        "unchanged genes alone. A bias can be negative; it is its size that counts.",
        "breaking_point: for each of FRACTIONS in rising order simulate an experiment, estimate size factors by the "
        "method given, and return the first fraction whose abs(bias) exceeds LIMIT; np.nan after the loop.",
    ),
)
def breaking_point(answer):
    """Test the bias on data with a known distortion, and the scan on settings whose outcome theory bounds."""
    functions, problem = functions_of(answer, ["bias", "breaking_point"])
    if problem:
        return problem
    bias, scan = functions
    rng = np.random.default_rng()
    return (
        _judge_bias(bias, rng.uniform(0.7, 0.9), rng)
        or _judge_bias(bias, -rng.uniform(0.7, 0.9), rng)
        or _judge_scan(scan)
    )


def _judge_bias(bias, distortion, rng):
    """Multiply B's size factors by 2**distortion: by any definition the unchanged genes then come out at its negative.

    0.04 is some eight standard errors of the roughest sensible estimate, the median over 300 genes.
    """
    in_b, unchanged = np.arange(6) >= 2, np.arange(400) >= 100
    # Depths and effects are far apart, and not of each other's size: no slip gives nearly the numbers of another.
    depth = np.where(in_b, rng.uniform(2.0, 2.3, size=6), rng.uniform(0.3, 0.35, size=6))
    abundance = rng.uniform(600, 4_000, size=400) * np.where(in_b[:, None] & ~unchanged, 6.0, 1.0)
    counts = rng.poisson(depth[:, None] * abundance)
    factors = depth * 2 ** (distortion * in_b)
    result = bias(counts, factors, in_b, unchanged)
    if np.size(result) > 1:
        return f"`bias` hands back {np.size(result)} numbers: sum them up in one, the typical unchanged gene's."
    result = result if result is None else np.squeeze(result)
    slips = usual.bias(counts, factors, in_b, unchanged, -distortion)
    return judge(result, -distortion, slips, what="`bias`", rtol=0, atol=0.04)


# (method, log2_fold_change): the median moves over to the changed genes near one half when the effect is twice the
# limit, earlier when it is stronger, never when it is weaker than the limit; totals are off by
# log2(1 + c (2^effect - 1)) when a fraction c of the reads changed.
SCANS = [
    ("median_of_ratios", 1.0),
    ("median_of_ratios", 0.25),
    ("total", 3.0),
    ("median_of_ratios", 3.0),
]


def _judge_scan(scan):
    try:
        results = [scan(*setting, np.random.default_rng()) for setting in SCANS]
        found = [np.nan if result is None else float(np.asarray(result, dtype=float).item()) for result in results]
    except (TypeError, ValueError):
        return "`breaking_point` should hand back one number: the first changed fraction beyond the limit, or np.nan."
    up, weak, total, strong = found
    if np.isnan(up):
        return (
            "`breaking_point` finds none though all changes go up: mind the sign of the bias, and a balanced setting."
        )
    if any(not 0 <= point <= 1 for point in found if np.isfinite(point)):
        return "`breaking_point` should be a fraction between 0 and 1: not an index, a percentage or the bias itself."
    if np.isfinite(weak):
        return (
            "`breaking_point` reports a break for an effect of 0.25, although no gene is then off by 0.5. "
            "Does it use log2_fold_change, and end in np.nan where the limit is never passed?"
        )
    if not 0.4 <= up <= 0.62:
        when = "early" if up < 0.4 else "late"
        return f"`breaking_point` comes too {when} for an effect of 1: look at the order of the scan and at the limit."
    if not total <= 0.25:
        return "`breaking_point` does not follow `method`: totals must give way much earlier."
    return (
        None if strong < 0.45 else "`breaking_point` does not follow `log2_fold_change`: a strong effect breaks sooner."
    )


# --- 6: choose a method -----------------------------------------------------------------------------------------------

METHODS = ("total", "median_of_ratios", "tmm", "poscounts", "spike_ins", "pooling")
REASONS = ("stable genes", "known input", "equal totals", "never fails", "sums have few zeros", "common practice")
DEFENDED = {
    "A": {("spike_ins", "known input")},
    "B": {("median_of_ratios", "stable genes"), ("tmm", "stable genes")},
    "C": {("pooling", "sums have few zeros")},
}


@exercise(
    "ch01-choose-a-method",
    hints=(
        "For each study ask first: is the typical gene of one sample a gene that did not change?",
        "Then ask what the method needs to be computed at all: genes counted in all samples, counts well above one, "
        "RNA of known amount. Strike out what the study does not have.",
        "Say the assumption of each method aloud, as sections 1.3, 1.4 and 1.6 state it, and put the study's numbers "
        "in. One or two survive in each study, and the surviving sentence is your reason.",
    ),
)
def choose_a_method(answer):
    """Judge each method first, then whether the reason given is the one that carries it."""
    problem = missing_parts(answer, list(DEFENDED))
    if problem:
        return problem
    for study, choice in answer.items():
        if not isinstance(choice, tuple | list) or len(choice) != 2:
            return f"study {study}: give a pair, (method, reason)."
        problem = _judge_choice(study, *(str(word).lower().strip() for word in choice))
        if problem:
            return f"study {study}: {problem}"
    return None


def _judge_choice(study, method, reason):
    method = method.replace(" ", "_").replace("-", "_")
    for kind, word, known in (("method", method, METHODS), ("reason", reason, REASONS)):
        if word not in known:
            return f"there is no {kind} {word!r} on the list; {did_you_mean(word, known)}."
    if (study, method) in usual.LOST:
        return f"against {method}: {usual.LOST[study, method]}."
    if (method, reason) in DEFENDED[study]:
        return None
    return f"the method can be defended, but not like this: {usual.WEAK[reason]}?"


# --- 7: repair --------------------------------------------------------------------------------------------------------


@exercise(
    "ch01-repair",
    hints=(
        "Something is equal for all samples of a CPM table. Would a wrong guess of the log's base leave it equal?",
        "Undo the logarithm with each base in turn, take the one off, and look at the row totals: only the base that "
        "was used makes them all the same. That total is the scale; the library size is what it stood for.",
        "For each base of (np.e, 2, 10): base**table - 1, and its row totals. If they agree to one in a thousand, each "
        "row divided by its total and times its library size, rounded, is the counts. After the loop: ValueError.",
    ),
)
def repair(answer):
    """Hide random counts behind log(1 + CPM) of different bases and scales; ask for the counts back, exactly."""
    rng = np.random.default_rng()
    for base, scale in ((2, 1e6), (np.e, 1e6), (10, 1e6), (np.e, 1e4)):
        problem = _judge_recovery(answer, _some_counts(rng), base, scale)
        if problem:
            return problem
    counts = _some_counts(rng)
    cut = _log_scaled(counts, 2, 1e6).iloc[:, 20:]  # genes were dropped afterwards: no total is left to go by
    problem = refusal(answer, cut, counts.sum(axis=1).to_numpy())
    return problem and f"a table from which genes were dropped gives no total away; {problem}"


def _some_counts(rng):
    """Draw counts of some five million reads a sample: a forgotten 1 must not vanish in the rounding."""
    return pd.DataFrame(rng.poisson(1_000 * random_counts(rng, 6, 70, zeros=True))).add_prefix("gene")


def _log_scaled(counts, base, scale):
    return np.log1p(counts.div(counts.sum(axis=1), axis=0) * scale) / np.log(base)


def _judge_recovery(answer, counts, base, scale):
    table = _log_scaled(counts, base, scale)
    result = answer(table, counts.sum(axis=1).to_numpy())
    what = f"what you recover from {'ln' if base == np.e else f'log{base}'}(1 + counts per {scale:,.0f})"
    if differs(result, counts, rtol=0, atol=1.5) is None:
        lost = counts.to_numpy() - np.asarray(result, dtype=float)
        if lost.any() and np.isin(lost, (0, 1)).all():
            return f"{what} lost a read here and there: astype(int) cuts 4.9999999 down to 4. Round instead."
    slips = usual.recovered_counts(table, counts, base, scale)
    problem = judge(result, counts, slips, what=what, slack=0.6)
    if problem is None and not np.array_equal(result, counts):
        return f"{what} is right up to the noise of rounding, but counts are whole numbers: round at the end."
    return problem
