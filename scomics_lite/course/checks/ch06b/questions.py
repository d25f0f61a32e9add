"""The checks of exercises 1 to 3 of chapter 6b: percentiles and the split, a person's two sequences, a motif.

As in chapter 1, an answer is compared with the right result, then with those of the usual `slips`. Exercises 4 to 6 are
in `study_questions`.
"""

import numpy as np
import pandas as pd

from scomics_lite.course.checks import exercise
from scomics_lite.course.checks.answers import StudentError
from scomics_lite.course.checks.ch06b import cases, slips
from scomics_lite.course.checks.judging import functions_of, judge, parts_of, refusal

# --- 1: percentiles and the split -------------------------------------------------------------------------------------


@exercise(
    "ch06b-percentiles",
    hints=(
        "The lowest of n genes has rank 1 and the highest n. Which rank do two genes have that are the same, and where "
        "do genes stand that nobody saw?",
        "percentiles: put 0 where nothing was measured, rank the genes inside each column, let genes with the same "
        "value share the mean of their ranks, and divide by the number of genes. split: take 'chr' off, then ask for "
        "each chromosome whether it is in one of the two lists, as a whole text.",
        "percentiles: means.fillna(0), then .rank() of the columns, divided by len(means). split: names = "
        "chromosomes.str.replace('chr', ''); 'validation' where names.isin(['7', '11', '14']), 'test' where "
        "names.isin(['5', '12', '20']), 'train' everywhere else.",
    ),
)
def percentiles(answer):
    """Compare tables with ties and gaps, then the part of every chromosome."""
    functions, problem = functions_of(answer, ["percentiles", "split"])
    if problem:
        return problem
    of, split = functions
    rng = np.random.default_rng()
    for _ in range(2):
        means = cases.expression(rng)
        problem = _judge_percentiles(of(means), means)
        if problem:
            return problem
    chromosomes = cases.chromosomes(rng)
    return _judge_split(split(chromosomes), chromosomes)


def _judge_percentiles(result, means):
    what = "`percentiles`: your table"
    if isinstance(result, pd.DataFrame) and set(result.index) == set(means.index) and set(result) == set(means):
        result = result.loc[means.index, means.columns]
    gaps = means.isna().to_numpy()
    if np.shape(result) == gaps.shape:
        numbers = pd.DataFrame(np.asarray(result)).apply(pd.to_numeric, errors="coerce")
        if numbers.isna().to_numpy()[gaps].all():
            return f"{what} is NaN where a gene was not detected. Its mean is 0 then, and it takes part in the ranking."
    problem = judge(result, slips.percentiles(means), slips.wrong_percentiles(means), what=what)
    if problem and slips.breaks_ties(result, means):
        return f"{what} {slips.TIES_BROKEN}"
    return problem


PARTS = ("train", "validation", "test")
PUBLISHED = {"7": "validation", "11": "validation", "14": "validation", "5": "test", "12": "test", "20": "test"}


def _judge_split(result, chromosomes):
    if isinstance(result, pd.Series) and set(result.index) == set(chromosomes.index):
        result = result.loc[chromosomes.index]
    if np.shape(result) != (len(chromosomes),):
        return "`split`: hand back one part for each gene, in the order of the chromosomes: a Series of texts."
    got = np.array([str(part) for part in result], dtype=object)
    other = next((part for part in got if part not in PARTS), None)
    if other is not None:
        return f"`split`: a part is called {other!r}; the three are called train, validation and test."
    names = chromosomes.str.removeprefix("chr").to_numpy()
    right = np.array([PUBLISHED.get(name, "train") for name in names], dtype=object)
    prefixed = chromosomes.str.startswith("chr").to_numpy()
    return _split_problem(got, right, names, prefixed)


def _split_problem(got, right, names, prefixed):
    """Say what is wrong with the parts, the plain names first."""
    wrong = got != right
    if not wrong.any():
        return None
    exchanged = {"train": "train", "validation": "test", "test": "validation"}
    if all(exchanged[part] == one for part, one in zip(right, got, strict=True)):
        return "`split`: validation and test have changed places."
    if not wrong[~prefixed].any():
        return "`split`: where a chromosome is written chr5, your part is wrong, and it is right where it is written 5."
    name = names[wrong & ~prefixed][0] if (wrong & ~prefixed).any() else names[wrong][0]
    if name not in PUBLISHED and any(known in name for known in PUBLISHED):
        return (
            f"`split`: chromosome {name} is not in training. A part of its name is in a list, and names have to be "
            "compared whole."
        )
    return f"`split`: chromosome {name} is in the wrong part."


# --- 2: two sequences -------------------------------------------------------------------------------------------------


@exercise(
    "ch06b-sequences",
    hints=(
        "A person has two copies of each chromosome, and a variant stands on one of them, on both or on none. In which "
        "direction do positions count, and in which is the gene read?",
        "For each copy begin with the reference letters. A SNP at position p is letter number p - start, counted from "
        "0; leave out those that are not inside. The letter there must be one of the two alleles; write eff_allele "
        "where the copy has a 1 and ref_allele where it has a 0. When all are written, turn to the other strand if the "
        "gene is on the minus strand.",
        "For column in ('haplotype1', 'haplotype2'): new = list(letters). For every row: i = position - start; go on "
        "to the next row unless 0 <= i < len(letters); raise ValueError if letters[i] is neither allele; new[i] = "
        "eff_allele if row[column] is 1, else ref_allele. Join. If strand is '-', exchange A with T and C with G, then "
        "reverse the text.",
    ),
)
def two_sequences(answer):
    """Compare on both strands, then ask for a refusal where a reference letter does not fit."""
    rng = np.random.default_rng()
    for strand in "+-":
        case = cases.person(rng, strand)
        problem = _judge_sequences(answer, case)
        if problem:
            where = "where the gene is on the minus strand, " if strand == "-" else ""
            return where + problem
    where = "where the letter of the reference is neither of the SNP's alleles (positions of another build, say)"
    for strand, carried in (("+", 1), ("-", 1), ("+", 0)):
        problem = refusal(answer, *cases.other_build(rng, strand, carried), where=where)
        if problem:
            return problem
        where += " and no copy has the effect allele" if strand == "-" else ""
    return None


def _judge_sequences(answer, case):
    try:
        result = answer(*case)
    except StudentError as error:
        if not isinstance(error.__context__, ValueError) or "already" in str(error):
            raise
        return f"your function refuses a person whose letters fit the reference ({error.__context__}). " + _asked(
            answer, case
        )
    found, problem = parts_of(result, ["haplotype1", "haplotype2"], what="your function")
    if problem:
        return problem
    right, letters = slips.two_sequences(*case), case[0]
    found = tuple("".join(one) if isinstance(one, list) and all(map(_is_text, one)) else one for one in found)
    if not all(map(_is_text, found)):
        return f"your sequences should be texts of {len(letters)} letters, the first of them is none."
    if found == right:
        return None
    lengths = [len(one) for one in found]
    if lengths != [len(letters)] * 2:
        return f"your sequences have {lengths[0]} and {lengths[1]} letters, and the window has {len(letters)}."
    for sentence, wrong in slips.wrong_sequences(*case).items():
        if found in wrong:
            return f"your sequences {sentence}"
    numbers = [sum(a != b for a, b in zip(*pair, strict=True)) for pair in zip(found, right, strict=True)]
    side = "haplotype1" if numbers[0] else "haplotype2"
    return f"your sequence of {side} has wrong letters, {max(numbers)} of {len(letters)} in one of the two."


def _asked(answer, case):
    """Ask what may have made an answer refuse a person whom it should not."""
    try:
        answer(*cases.fitting_reference(*case))
    except StudentError:
        turned = "are the letters turned only when all are written, " if case[2] == "-" else ""
        return (
            f"Is the letter of a position number position - start, {turned}and are SNPs outside the window left alone?"
        )
    return "The reference may have the effect allele, too: refuse where it has neither of the two."


def _is_text(thing):
    return isinstance(thing, str)


# --- 3: a motif -------------------------------------------------------------------------------------------------------


@exercise(
    "ch06b-motif",
    hints=(
        "How much likelier is this letter at a place of the motif than in random DNA, and what does the protein see "
        "that comes from the other side?",
        "scores: at each place multiply the stretch of X with log2 of 4 times the matrix, element by element, and add "
        "up; for the other strand with the matrix turned in both directions. occupancy: 1 / (1 + 2 to the power of "
        "theta - s), added up. gradient: the chain rule; the slope of one place's occupancy in its score is "
        "ln 2 p (1 - p), and the slope of the score in a letter is the letter's log odds.",
        "B = log2(matrix / 0.25), R = B[::-1, ::-1]. scores: (X[i : i + w] * B).sum() for every i in the first row, "
        "with R in the second. occupancy: the sum of p = 1 / (1 + 2 ** (threshold - scores)). gradient: D = zeros like "
        "X; at every i add ln(2) p (1 - p) B to D[i : i + w] with p of the first row, and the same with R and the "
        "second.",
    ),
)
def motif(answer):
    """Compare scores, occupancy and derivatives for two motifs, the second beside an N."""
    functions, problem = functions_of(answer, ["scores", "occupancy", "gradient"])
    if problem:
        return problem
    rng = np.random.default_rng()
    for where, unknown in (("", False), ("where a letter is unknown (a row of zeros), ", True)):
        X, matrix, threshold = cases.site(rng, unknown)
        problem = _judge_motif(functions, X, matrix, threshold)
        if problem:
            return where + problem
    return None


SAMPLES = " (samples × genes)"  # what the machinery calls the axes of every table


def _judge_motif(functions, X, matrix, threshold):
    scores, occupancy, gradient = functions
    problem = judge(scores(X, matrix), slips.scores(X, matrix), slips.wrong_scores(X, matrix), what="`scores`: yours")
    if problem:
        return problem.replace(SAMPLES, " (strands × places)")
    case = X, matrix, threshold
    problem = judge(
        occupancy(*case), slips.occupancy(*case), slips.wrong_occupancies(*case), what="`occupancy`: your number"
    ) or judge(  # differences of the occupancy, with a small step, are derivatives too
        gradient(*case),
        slips.gradient(*case),
        slips.wrong_gradients(*case),
        what="`gradient`: yours",
        rtol=1e-3,
        atol=1e-5,
    )
    return problem and problem.replace(SAMPLES, " (letters of the sequence × A, C, G, T)")
