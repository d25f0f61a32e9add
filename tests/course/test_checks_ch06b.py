"""The bank of chapter 6b: right answers written differently pass, typical wrong ones get the diagnosis that fits."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.check_bank import BankTests
from scipy import stats
from scipy.special import expit

from scomics_lite import dna, twas
from scomics_lite.course.checks import review
from scomics_lite.course.checks.ch06b import cases, questions, slips, study_questions, study_slips

SOLUTIONS = Path(__file__).parents[2] / "solutions" / "06b_scpredixcan_solutions.ipynb"

# --- 1: percentiles and the split -------------------------------------------------------------------------------------


def percentiles(means):
    return means.fillna(0).rank() / len(means)


def percentiles_by_counting(means):
    """Count the genes below, and half of those that are equal."""
    x = np.nan_to_num(means.to_numpy())
    below, equal = (x[None] < x[:, None]).sum(axis=1), (x[None] == x[:, None]).sum(axis=1)
    return (below + (equal + 1) / 2) / len(x)


def split(chromosomes):
    names = chromosomes.str.replace("chr", "")
    parts = pd.Series("train", chromosomes.index)
    parts[names.isin(["7", "11", "14"])] = "validation"
    parts[names.isin(["5", "12", "20"])] = "test"
    return parts


def split_by_loops(chromosomes):
    parts = []
    for name in chromosomes:
        number = name[3:] if name.startswith("chr") else name
        parts.append(
            "validation" if number in {"7", "11", "14"} else "test" if number in {"5", "12", "20"} else "train"
        )
    return parts


def targets(percentiles=percentiles, split=split):
    return {"percentiles": percentiles, "split": split}


PERCENTILES_RIGHT = {
    "pandas": targets(),
    "counting, loops": targets(percentiles_by_counting, split_by_loops),
    "scipy, another order": targets(
        lambda means: pd.DataFrame(
            stats.rankdata(means.fillna(0), axis=0) / len(means), means.index, means.columns
        ).sort_index(),
        lambda chromosomes: split(chromosomes).sort_index(),
    ),
    "the package": targets(twas.expression_percentiles, twas.chromosome_split),
}


def ranked(**how):
    return targets(lambda means: means.fillna(0).rank(**how) / len(means))


def part(function):
    """Split by another rule for one name."""
    return targets(split=lambda chromosomes: chromosomes.map(function))


def plain(name):
    return name.removeprefix("chr")


def by_containing(name):
    if any(one in plain(name) for one in ("7", "11", "14")):
        return "validation"
    return "test" if any(one in plain(name) for one in ("5", "12", "20")) else "train"


PERCENTILES_WRONG = {
    "ranks": (targets(lambda means: means.fillna(0).rank()), "is the rank itself"),
    "lowest": (ranked(method="min"), "the lowest of their ranks"),
    "highest": (ranked(method="max"), "the highest of their ranks"),
    "in order": (ranked(method="first"), "by their order in the table"),
    "argsort": (
        targets(
            lambda means: (means.fillna(0).to_numpy().argsort(axis=0, kind="stable").argsort(axis=0) + 1) / len(means)
        ),
        "by their order in the table",
    ),
    "argsort, equal genes upside down": (
        targets(
            lambda means: (
                (means.fillna(0).to_numpy()[::-1].argsort(axis=0, kind="stable").argsort(axis=0)[::-1] + 1) / len(means)
            )
        ),
        "by their order in the table",
    ),
    "half": (targets(lambda means: (means.fillna(0).rank() - 0.5) / len(means)), "takes one, or half of one, off"),
    "dense": (ranked(method="dense"), "dense ranks"),
    "downwards": (ranked(ascending=False), "goes downwards"),
    "across": (ranked(axis=1), "ranks the cell types of a gene among each other"),
    "across, of three": (
        targets(lambda means: means.fillna(0).rank(axis=1, pct=True)),
        "ranks the cell types of a gene",
    ),
    "all together": (
        targets(lambda means: stats.rankdata(means.fillna(0)).reshape(means.shape) / means.size),
        "ranks all numbers of the table together",
    ),
    "detected alone": (targets(lambda means: means.rank(pct=True).fillna(0)), "ranks the detected genes alone"),
    "NaN left": (targets(lambda means: means.rank(pct=True)), "is NaN where a gene was not detected"),
    "on top": (targets(lambda means: means.rank(pct=True, na_option="bottom")), "not detected on top"),
    "below zero": (targets(lambda means: means.rank(pct=True, na_option="top")), "below those with a mean of 0"),
    "from 0": (
        targets(lambda means: (means.fillna(0).rank() - 1) / (len(means) - 1)),
        "takes one, or half of one, off the rank",
    ),
    "n + 1": (targets(lambda means: means.fillna(0).rank() / (len(means) + 1)), "one more than the number"),
    "percent": (targets(lambda means: 100 * percentiles(means)), "a percentage where a fraction"),
    "share of the largest": (targets(lambda means: means.fillna(0) / means.max()), "a share of the largest mean"),
    "exchanged": (
        part(
            lambda name: {"validation": "test", "test": "validation"}.get(questions.PUBLISHED.get(plain(name)), "train")
        ),
        "validation and test have changed places",
    ),
    "chr ignored": (part(lambda name: questions.PUBLISHED.get(name, "train")), "written chr5, your part is wrong"),
    "containing": (part(by_containing), "names have to be compared whole"),
    "another list": (
        part(lambda name: "validation" if plain(name) == "8" else questions.PUBLISHED.get(plain(name), "train")),
        "chromosome 8 is in the wrong part",
    ),
    "other names": (part(lambda name: "training"), "a part is called 'training'"),
    "masks": (targets(split=lambda chromosomes: chromosomes.isin(["5"])), "a part is called"),
    "three lists": (targets(split=lambda chromosomes: [[], [], []]), "one part for each gene"),
    "one function": (percentiles, "one function is there where a dict was expected"),
}

# --- 2: two sequences -------------------------------------------------------------------------------------------------


def sequences(letters, start, strand, variants):
    found = []
    for column in ("haplotype1", "haplotype2"):
        new = list(letters)
        for row in variants.itertuples():
            i = row.position - start
            if not 0 <= i < len(letters):
                continue
            if letters[i] not in (row.ref_allele, row.eff_allele):
                raise ValueError("neither allele")
            new[i] = row.eff_allele if getattr(row, column) == 1 else row.ref_allele
        text = "".join(new)
        found.append(text.translate(str.maketrans("ACGT", "TGCA"))[::-1] if strand == "-" else text)
    return found[0], found[1]


def sequences_by_arrays(letters, start, strand, variants):
    """Keep those inside, write all at once, and turn by a table of partners."""
    window = np.array(list(letters))
    inside = variants[variants["position"].between(start, start + len(letters) - 1)]
    places = inside["position"].to_numpy() - start
    if not ((window[places] == inside["ref_allele"]) | (window[places] == inside["eff_allele"])).all():
        raise ValueError(f"{window[places]}")
    result = {}
    for side in ("haplotype2", "haplotype1"):
        copy = window.copy()
        copy[places] = np.where(inside[side] == 1, inside["eff_allele"], inside["ref_allele"])
        result[side] = [*map(dict(zip("ACGT", "TGCA", strict=True)).get, copy[::-1])] if strand == "-" else [*copy]
    return {side: "".join(one) for side, one in result.items()}


def sequences_by_the_package(letters, start, strand, variants):
    """Let the package write them, with the window as a genome of its own."""
    import anndata

    inside = variants[variants["position"].between(start, start + len(letters) - 1)].reset_index(drop=True)
    var = inside[["ref_allele", "eff_allele"]].assign(chromosome="1", position=inside["position"] - start + 1)
    var.index = [f"rs{number}" for number in range(len(var))]
    layers = {side: inside[[side]].to_numpy(np.int8).T for side in ("haplotype1", "haplotype2")}
    people = anndata.AnnData(sum(layers.values()).astype(np.float32), var=var, layers=layers)
    middle = len(letters) // 2
    tss = middle + 1 if strand == "+" else len(letters) - middle
    gene = pd.Series({"chromosome": "1", "strand": strand, "tss": tss}, name="gene")
    found = dna.haplotype_sequences(dna.Genome({"1": letters}), gene, people, len(letters))
    return [found.sequences[number] for number in found.index[0]]


SEQUENCES_RIGHT = {
    "a loop": sequences,
    "arrays, a dict": sequences_by_arrays,
    "the package": sequences_by_the_package,
}


def written(**how):
    """Write them in another way, and refuse what should be refused."""

    def answer(*case):
        sequences(*case)
        return slips.two_sequences(*case, **how)

    return answer


def turned(letters, start, strand, variants):
    sequences(letters, start, strand, variants)
    if strand == "+":
        return sequences(letters, start, strand, variants)
    return slips.turned_first(letters, start, strand, variants, mirrored=True, complemented=False)


def without_refusal(letters, start, strand, variants):
    return slips.two_sequences(letters, start, strand, variants)


def other_error(*case):
    try:
        return sequences(*case)
    except ValueError:
        raise KeyError("a letter") from None


def refused_outside(letters, start, strand, variants):
    if not variants["position"].between(start, start + len(letters) - 1).all():
        raise ValueError("a SNP lies outside")
    return sequences(letters, start, strand, variants)


def refused_effect_alleles(letters, start, strand, variants):
    """Believe that the reference has ref_allele."""
    for row in variants.itertuples():
        if 0 <= row.position - start < len(letters) and letters[row.position - start] != row.ref_allele:
            raise ValueError("not ref_allele")
    return sequences(letters, start, strand, variants)


def looked_at_where_carried(letters, start, strand, variants):
    """Ask whether alleles fit of those SNPs alone that a copy has."""
    carried = variants[["haplotype1", "haplotype2"]].any(axis=1)
    sequences(letters, start, strand, variants[carried])
    return slips.two_sequences(letters, start, strand, variants)


def one_too_many(letters, start, strand, variants):
    """Take the first place behind the window for its last."""
    inside = variants["position"].between(start, start + len(letters))
    for place in variants["position"][inside] - start:
        letters[place]
    return sequences(letters, start, strand, variants)


def without_an_end(place):
    def answer(letters, start, strand, variants):
        sequences(letters, start, strand, variants)
        position = start + (place if place >= 0 else len(letters) + place)
        return slips.two_sequences(letters, start, strand, variants[variants["position"] != position])

    return answer


def changed_by(function):
    def answer(*case):
        sequences(*case)
        return function(*case)

    return answer


def one_list_for_both(letters, start, strand, variants):
    """Write into the second copy what the first one has, and change letters only where a haplotype is 1."""
    sequences(letters, start, strand, variants)
    new, found = list(letters), []
    for side in ("haplotype1", "haplotype2"):
        for row in variants[variants[side] == 1].itertuples():
            if 0 <= row.position - start < len(new):
                new[row.position - start] = row.eff_allele
        found.append(slips.other_strand("".join(new)) if strand == "-" else "".join(new))
    return found


def always_turned(letters, start, strand, variants):
    return sequences(letters, start, "-", variants)


def turned_before_looking(letters, start, strand, variants):
    return sequences(letters if strand == "+" else slips.other_strand(letters), start, "+", variants)


def merged(*case):
    one, other = sequences(*case)
    return "".join(a if a == b else "N" for a, b in zip(one, other, strict=True)), other


SEQUENCES_WRONG = {
    "reference": (lambda letters, *rest: (letters, letters), "are the reference: no variant was written in"),
    "other order": (lambda *case: sequences(*case)[::-1], "have changed places: haplotype1 comes first"),
    "one aside": (written(shift=1), "are written one letter aside"),
    "one aside, to the left": (written(shift=-1), "are written one letter aside"),
    "either copy": (
        written(carried=lambda row: row["haplotype1"] or row["haplotype2"]),
        "hold the variants of both copies",
    ),
    "both copies": (
        written(carried=lambda row: row["haplotype1"] and row["haplotype2"]),
        "hold only the variants that both copies have",
    ),
    "all": (written(carried=lambda row: True), "hold every variant of the table"),
    "wraps": (written(wraps=True), "A negative index counts from the end"),
    "left as it is": (written(leave=True), "keep the reference's letter where the haplotype is 0"),
    "plus strand": (
        written(end=lambda text: text),
        "where the gene is on the minus strand, your sequences are those of the plus strand",
    ),
    "complement": (
        written(end=lambda text: text.translate(slips.PARTNERS)),
        "are complemented and not reversed",
    ),
    "reverse": (written(end=lambda text: text[::-1]), "are reversed and not complemented"),
    "turned first": (turned, "were turned to the other strand before"),
    "never refuses": (without_refusal, "your function does not refuse: raise ValueError"),
    "another error": (other_error, "your function ends in KeyError"),
    "refuses": (refused_outside, "refuses a person whose letters fit the reference (a SNP lies outside)"),
    "refuses effect alleles": (refused_effect_alleles, "The reference may have the effect allele, too"),
    "refuses what it turned": (turned_before_looking, "are the letters turned only when all are written"),
    "looked at where carried": (looked_at_where_carried, "and no copy has the effect allele your function does not"),
    "behind the window": (one_too_many, "your code raised IndexError"),
    "first letter": (without_an_end(0), "leave the first or the last letter of the window as it is"),
    "last letter": (without_an_end(-1), "leave the first or the last letter of the window as it is"),
    "exchanged": (changed_by(slips.exchanged), "have the other letter than the reference"),
    "replace": (changed_by(slips.searched), "text.replace looks for a letter, not for a place"),
    "one list": (one_list_for_both, "hold the variants of both copies"),
    "always turned": (always_turned, "are those of the minus strand; this gene is read from the plus strand"),
    "N": (merged, "your sequence of haplotype1 has wrong letters"),
    "shorter": (lambda *case: [one[:-1] for one in sequences(*case)], "letters, and the window has"),
    "one text": (lambda *case: sequences(*case)[0], "hand back haplotype1 and haplotype2"),
    "numbers": (lambda *case: (1, 2), "your sequences should be texts"),
}

# --- 3: a motif -------------------------------------------------------------------------------------------------------


def scores(X, matrix):
    B, w = np.log2(matrix / 0.25), len(matrix)
    places = range(len(X) - w + 1)
    return np.array([[(X[i : i + w] * one).sum() for i in places] for one in (B, B[::-1, ::-1])])


def scores_of_the_other_strand(X, matrix):
    """Turn the sequence, and its row around."""
    B, w = np.log2(4 * matrix), len(matrix)
    rows = [np.lib.stride_tricks.sliding_window_view(one, (w, 4))[:, 0] for one in (X, X[::-1, ::-1])]
    forward, reverse = (np.tensordot(row, B, 2) for row in rows)
    return [forward.tolist(), reverse[::-1].tolist()]


def occupancy(X, matrix, threshold):
    return (1 / (1 + 2 ** (threshold - scores(X, matrix)))).sum()


def gradient(X, matrix, threshold):
    B, w, D = np.log2(matrix / 0.25), len(matrix), np.zeros(X.shape)
    p = 1 / (1 + 2 ** (threshold - scores(X, matrix)))
    for i in range(len(X) - w + 1):
        for row, letters in zip(p, (B, B[::-1, ::-1]), strict=True):
            D[i : i + w] += np.log(2) * row[i] * (1 - row[i]) * letters
    return D


def gradient_by_differences(X, matrix, threshold, step=1e-5):
    D = np.zeros(X.shape)
    for place in np.ndindex(X.shape):
        moved = X.copy()
        moved[place] += step
        D[place] = (occupancy(moved, matrix, threshold) - occupancy(X, matrix, threshold)) / step
    return D


def gradient_by_torch(X, matrix, threshold):
    x = torch.tensor(X, requires_grad=True)
    B = torch.tensor(np.log2(matrix / 0.25))
    stretches = x.unfold(0, len(matrix), 1)  # (places, 4, w)
    s = torch.stack([(stretches * one.T).sum(dim=(1, 2)) for one in (B, B.flip(0, 1))])
    torch.sigmoid(np.log(2) * (s - threshold)).sum().backward()
    return x.grad


def motif(scores=scores, occupancy=occupancy, gradient=gradient):
    return {"scores": scores, "occupancy": occupancy, "gradient": gradient}


MOTIF_RIGHT = {
    "loops": motif(),
    "windows, differences": motif(scores_of_the_other_strand, gradient=gradient_by_differences),
    "torch": motif(gradient=gradient_by_torch),
}


def scored(function):
    """Score with other letters for both strands, made of the matrix."""
    return motif(lambda X, matrix: slips.both_strands(X, *function(matrix)))


def filled(function):
    """Make another number of occupancies (2, places)."""
    return motif(occupancy=lambda *case: function(slips.occupied(*case)))


def sloped(function):
    """Make other derivatives of occupancies (2, places)."""
    return motif(gradient=lambda X, M, theta: slips.spread(function(slips.occupied(X, M, theta)), X, M))


def overwriting(X, matrix, threshold):
    B, w, D = np.log2(matrix / 0.25), len(matrix), np.zeros(X.shape)
    p = slips.occupied(X, matrix, threshold)
    slope = np.log(2) * p * (1 - p)
    for i in range(len(X) - w + 1):
        D[i : i + w] = slope[0, i] * B + slope[1, i] * B[::-1, ::-1]
    return D


def mutated(X, matrix, threshold):
    """Change every letter for every other."""
    D = np.zeros(X.shape)
    for place, letter in np.ndindex(X.shape):
        changed = X.copy()
        changed[place] = np.eye(4)[letter]
        D[place, letter] = occupancy(changed, matrix, threshold) - occupancy(X, matrix, threshold)
    return D


def half_turned(X, matrix, threshold):
    B, w, D = np.log2(matrix / 0.25), len(matrix), np.zeros(X.shape)
    p = slips.occupied(X, matrix, threshold)
    for i, (forward, reverse) in enumerate((np.log(2) * p * (1 - p)).T):
        D[i : i + w] += forward * B + reverse * B[::-1]
    return D


ONE = np.array([[1.0], [0.0]])

MOTIF_WRONG = {
    "natural": (scored(lambda M: [np.log(4 * M)]), "bits are logarithms to the base 2"),
    "base 10": (scored(lambda M: [np.log10(4 * M)]), "bits are logarithms to the base 2"),
    "no background": (scored(lambda M: [np.log2(M)]), "lacks the background"),
    "ratios": (motif(lambda *case: 2.0 ** scores(*case)), "logarithms of them were asked for"),
    "probabilities": (scored(lambda M: [M]), "holds sums of probabilities"),
    "convolved": (
        motif(
            lambda X, M: [
                sum(np.convolve(X[:, a], B[:, a], "valid") for a in range(4))
                for B in (np.log2(4 * M), np.log2(4 * M)[::-1, ::-1])
            ]
        ),
        "as np.convolve lets it",
    ),
    "reverse first": (motif(lambda *case: scores(*case)[::-1]), "has the reverse strand first"),
    "twice": (motif(lambda *case: scores(*case)[[0, 0]]), "has the same numbers for both strands"),
    "reversed": (scored(lambda M: [np.log2(4 * M), np.log2(4 * M)[::-1]]), "in reverse order, and not complemented"),
    "complemented": (scored(lambda M: [np.log2(4 * M), np.log2(4 * M)[:, ::-1]]), "that is not in reverse order"),
    "other end": (
        motif(lambda X, M: np.array([scores(X, M)[0], scores(X[::-1, ::-1], M)[0]])),
        "tells the places of the other strand from its own end",
    ),
    "last place": (motif(lambda *case: scores(*case)[:, :-1]), "has lost the last place"),
    "swapped axes": (motif(lambda *case: scores(*case).T), "(strands × places)"),
    "forward alone": (filled(lambda p: p[0].sum()), "is of the forward strand alone"),
    "no ln 2": (
        motif(occupancy=lambda X, M, theta: expit(scores(X, M) - theta).sum()),
        "lacks ln 2. A score in bits",
    ),
    "best": (filled(np.max), "is the occupancy of the best place"),
    "better strand": (filled(lambda p: p.max(axis=0).sum()), "takes one strand at each place"),
    "mean": (filled(np.mean), "is a mean over places"),
    "count": (filled(lambda p: (p > 0.5).sum()), "counts places above the threshold"),
    "falls": (filled(lambda p: (1 - p).sum()), "falls where the score rises"),
    "no threshold": (motif(occupancy=lambda X, M, theta: occupancy(X, M, 0)), "lacks the threshold"),
    "added": (motif(occupancy=lambda X, M, theta: occupancy(X, M, -theta)), "adds the threshold"),
    "at least one": (filled(lambda p: 1 - np.prod(1 - p)), "that one place at least is occupied"),
    "power": (filled(lambda p: (p / (1 - p)).sum()), "has no upper limit"),
    "each place": (filled(lambda p: p), "one number was expected"),
    "slope without ln 2": (sloped(lambda p: p * (1 - p)), "lacks ln 2: the derivative"),
    "slope of one strand": (sloped(lambda p: np.log(2) * p * (1 - p) * ONE), "is of the forward strand alone"),
    "slope of an exponential": (sloped(lambda p: np.log(2) * p), "lacks the factor 1 - occupancy"),
    "no slope": (sloped(np.ones_like), "lacks the slope of the S-shaped curve"),
    "overwritten": (motif(gradient=overwriting), "keeps one place's share in each letter"),
    "letters there": (motif(gradient=lambda X, *rest: X * gradient(X, *rest)), "that stand in the sequence alone"),
    "whole letters": (motif(gradient=mutated), "holds the changes that a whole letter makes"),
    "a step of 1": (
        motif(gradient=lambda *case: gradient_by_differences(*case, step=1.0)),
        "holds the changes that a whole letter makes",
    ),
    "relative": (
        motif(gradient=lambda X, *rest: gradient(X, *rest) - (X * gradient(X, *rest)).sum(axis=1, keepdims=True)),
        "is relative to the letter that stands there",
    ),
    "half turned": (motif(gradient=half_turned), "has the motif unturned, or half turned"),
    "slopes, swapped axes": (motif(gradient=lambda *case: gradient(*case).T), "(letters of the sequence × A, C, G, T)"),
    "sign": (motif(gradient=lambda *case: -gradient(*case)), "has the wrong sign"),
    "one function": (scores, "one function is there where a dict was expected"),
}

# --- 4: fidelity ------------------------------------------------------------------------------------------------------


def fidelity(X, y, folds, fit):
    if np.ptp(y) == 0:
        raise ValueError("everybody is predicted alike")
    predicted = np.zeros(len(y))
    for fold in np.unique(folds):
        a, w = fit(X[folds != fold], y[folds != fold])
        predicted[folds == fold] = a + X[folds == fold] @ w
    return 1 - np.sum((y - predicted) ** 2) / np.sum((y - y.mean()) ** 2)


def fidelity_by_person(X, y, folds, fit):
    """Fit anew for every person."""
    if len(set(y)) == 1:
        raise ValueError("no variation")
    errors = []
    for person, fold in enumerate(folds):
        a, w = fit(X[folds != fold], y[folds != fold])
        errors.append(y[person] - a - X[person] @ w)
    return 1 - np.mean(np.square(errors)) / np.var(y)


def fidelity_by_scikit_learn(X, y, folds, fit):
    from sklearn.metrics import r2_score

    predicted = np.empty_like(y)
    for fold in set(folds.tolist()):
        out = folds == fold
        a, w = fit(X[~out], y[~out])
        predicted[out] = X[out] @ w + a
    if y.std() == 0:
        raise ValueError("constant")
    return r2_score(y, predicted)


FIDELITY_RIGHT = {"folds": fidelity, "people": fidelity_by_person, "scikit-learn": fidelity_by_scikit_learn}


def judged(function):
    """Make another number of y, the predictions out of the folds, and the folds."""

    def answer(X, y, folds, fit):
        fidelity(X, y, folds, fit)
        return function(y, study_slips.out_of_fold(X, y, folds, fit), folds)

    return answer


def by_fold(measure):
    return judged(lambda y, p, folds: np.mean([measure(y[folds == one], p[folds == one]) for one in np.unique(folds)]))


def inside(X, y, folds, fit):
    a, w = fit(X, y)
    return study_slips.r2(y, a + X @ w)


def without_intercept(X, y, folds, fit):
    fidelity(X, y, folds, fit)
    return study_slips.r2(y, study_slips.out_of_fold(X, y, folds, lambda *part: (0.0, fit(*part)[1])))


def fitted_inside_a_fold(X, y, folds, fit):
    predicted = np.zeros(len(y))
    for fold in np.unique(folds):
        a, w = fit(X[folds == fold], y[folds == fold])
        predicted[folds != fold] = a + X[folds != fold] @ w
    return study_slips.r2(y, predicted)


def with_last_weights(X, y, folds, fit):
    fidelity(X, y, folds, fit)
    for fold in np.unique(folds):
        a, w = fit(X[folds != fold], y[folds != fold])
    return study_slips.r2(y, a + X @ w)


def without_last_fold(X, y, folds, fit):
    fidelity(X, y, folds, fit)
    predicted = np.zeros(len(y))
    for fold in range(folds.max()):
        a, w = fit(X[folds != fold], y[folds != fold])
        predicted[folds == fold] = a + X[folds == fold] @ w
    return study_slips.r2(y, predicted)


def means_of_others(y, p, folds):
    means = np.array([y[folds != fold].mean() for fold in folds])
    return 1 - np.sum((y - p) ** 2) / np.sum((y - means) ** 2)


FIDELITY_WRONG = {
    "variance of errors": (judged(lambda y, p, folds: 1 - np.var(y - p) / np.var(y)), "takes the mean of the errors"),
    "spread": (judged(lambda y, p, folds: np.var(p) / np.var(y)), "compares the spread of the predictions"),
    "exchanged": (judged(lambda y, p, folds: study_slips.r2(p, y)), "in each other's place"),
    "n and n - 1": (
        judged(lambda y, p, folds: 1 - np.mean((y - p) ** 2) / np.var(y, ddof=1)),
        "has n - 1 in one place",
    ),
    "last weights": (with_last_weights, "uses one set of weights for everybody"),
    "means of others": (judged(means_of_others), "measures the distances below from means of parts"),
    "one fold": (judged(lambda y, p, folds: study_slips.r2(y[folds == 1], p[folds == 1])), "is that of one fold"),
    "last fold lost": (without_last_fold, "has left a fold without predictions"),
    "own weights": (
        lambda X, y, folds, fit: fidelity(X, y, folds, cases.least_squares),
        "for a model worse than the mean, your R² is of weights of your own",
    ),
    "the same people": (inside, "by the people whom they were fitted to"),
    "squared correlation": (judged(lambda y, p, folds: np.corrcoef(y, p)[0, 1] ** 2), "is a squared correlation"),
    "correlation": (judged(lambda y, p, folds: np.corrcoef(y, p)[0, 1]), "is a correlation"),
    "mean of folds": (by_fold(study_slips.r2), "is a mean of the folds' numbers"),
    "mean of squared correlations": (
        by_fold(lambda y, p: np.corrcoef(y, p)[0, 1] ** 2),
        "is a mean of the folds' numbers",
    ),
    "fitted to a fold": (fitted_inside_a_fold, "has the folds the wrong way round"),
    "no intercept": (without_intercept, "has lost the intercept"),
    "what is left": (judged(lambda y, p, folds: 1 - study_slips.r2(y, p)), "take it from 1"),
    "against 0": (
        judged(lambda y, p, folds: 1 - np.sum((y - p) ** 2) / np.sum(y**2)),
        "compares with 0, and not with the mean",
    ),
    "error": (judged(lambda y, p, folds: np.mean((y - p) ** 2)), "is the mean squared error"),
    "cut off": (
        judged(lambda y, p, folds: max(study_slips.r2(y, p), 0.0)),
        "for a model worse than the mean, your R² is cut off at 0",
    ),
    "never refuses": (
        lambda X, y, folds, fit: fidelity(X, y, folds, fit) if np.ptp(y) else np.nan,
        "where everybody is predicted alike your function does not refuse",
    ),
    "each person": (judged(lambda y, p, folds: y - p), "has shape"),
}

# --- 5: across genes and across people --------------------------------------------------------------------------------


def across_genes(predicted, observed):
    return np.corrcoef(predicted.mean(axis=0), observed.mean(axis=0))[0, 1]


def across_people(predicted, observed):
    pairs = zip(predicted.T, observed.T, strict=True)
    return np.array([np.nan if p.max() == p.min() else np.corrcoef(p, o)[0, 1] for p, o in pairs])


def right_sign(r):
    return np.mean(r[~np.isnan(r)] > 0)


def across(genes=across_genes, people=across_people, share=right_sign):
    return {"across_genes": genes, "across_people": people, "right_sign": share}


ACROSS_RIGHT = {
    "numpy": across(),
    "pandas": across(
        lambda p, o: pd.Series(p.mean(axis=0)).corr(pd.Series(o.mean(axis=0))),
        lambda p, o: pd.DataFrame(p).corrwith(pd.DataFrame(o)).where(np.ptp(p, axis=0) > 0),
        lambda r: pd.Series(r).dropna().gt(0).mean(),
    ),
    "a loop, lists": across(
        lambda p, o: stats.pearsonr(p.sum(axis=0), o.sum(axis=0)).statistic,
        lambda p, o: [
            stats.pearsonr(p[:, j], o[:, j])[0] if len(set(p[:, j])) > 1 else float("nan") for j in range(p.shape[1])
        ],
        lambda r: sum(x > 0 for x in r) / sum(x == x for x in r),
    ),
}


def varying(function):
    """Correlate columns in another way, NaN where everybody is predicted alike."""
    return across(people=lambda p, o: np.where(np.ptp(p, axis=0) > 0, function(p, o), np.nan))


def covariances(p, o):
    return ((p - p.mean(axis=0)) * (o - o.mean(axis=0))).mean(axis=0)


def shared(function):
    return across(share=function)


ACROSS_WRONG = {
    "pooled": (across(lambda p, o: np.corrcoef(p.ravel(), o.ravel())[0, 1]), "takes all numbers together"),
    "mean of people": (
        across(lambda p, o: np.mean([np.corrcoef(*pair)[0, 1] for pair in zip(p, o, strict=True)])),
        "is a mean over people of their own correlations",
    ),
    "first person": (across(lambda p, o: np.corrcoef(p[0], o[0])[0, 1]), "is that of one person"),
    "people": (across(lambda p, o: np.corrcoef(p.mean(axis=1), o.mean(axis=1))[0, 1]), "correlates people: genes are"),
    "ranks of genes": (
        across(lambda p, o: stats.spearmanr(p.mean(axis=0), o.mean(axis=0)).statistic),
        "is of ranks; Pearson's",
    ),
    "squared": (across(lambda *case: across_genes(*case) ** 2), "is a square, so it has lost its sign"),
    "medians": (across(lambda p, o: np.corrcoef(np.median(p, axis=0), np.median(o, axis=0))[0, 1]), "takes medians"),
    "covariance": (across(lambda p, o: np.cov(p.mean(axis=0), o.mean(axis=0))[0, 1]), "is a covariance"),
    "genes lost": (
        across(lambda p, o: across_genes(p[:, np.ptp(p, axis=0) > 0], o[:, np.ptp(p, axis=0) > 0])),
        "leaves out the genes that are predicted alike",
    ),
    "matrix": (across(lambda p, o: np.corrcoef(p.mean(axis=0), o.mean(axis=0))), "one number was expected"),
    "squares": (across(people=lambda *case: across_people(*case) ** 2), "holds squares"),
    "absolute": (across(people=lambda *case: np.abs(across_people(*case))), "holds absolute values"),
    "covariances": (varying(covariances), "holds covariances"),
    "slopes": (varying(lambda p, o: covariances(p, o) / o.var(axis=0)), "holds slopes of a regression"),
    "n and n - 1": (varying(lambda p, o: across_people(p, o) * len(p) / (len(p) - 1)), "has n - 1 in one place"),
    "not centred": (
        varying(lambda p, o: (p * o).sum(axis=0) / np.sqrt((p**2).sum(axis=0) * (o**2).sum(axis=0))),
        "does not take the means of the genes away",
    ),
    "per person": (across(people=lambda p, o: across_people(p.T, o.T)), "has a number for each person"),
    "zeros": (across(people=lambda *case: np.nan_to_num(across_people(*case))), "where everybody is predicted alike"),
    "NaN dropped": (
        across(people=lambda *case: pd.Series(across_people(*case)).dropna()),
        "`across_people`: your result has shape",
    ),
    "NaN wrong": (shared(lambda r: np.mean(r > 0)), "among those with the wrong sign"),
    "NaN right": (shared(lambda r: np.mean(~(r < 0))), "among those with the right sign"),
    "0 is right": (shared(lambda r: np.mean(r[~np.isnan(r)] >= 0)), "counts a correlation of 0 among the right ones"),
    "0 left out": (shared(lambda r: (r > 0).sum() / ((r > 0) | (r < 0)).sum()), "leaves out a correlation of 0"),
    "wrong ones": (shared(lambda r: np.mean(r[~np.isnan(r)] < 0)), "is the share of wrong signs"),
    "how many": (shared(lambda r: (r > 0).sum()), "is how many there are"),
    "mean r": (shared(np.nanmean), "is the mean correlation"),
    "mean sign": (shared(lambda r: np.nanmean(np.sign(r))), "is the mean of signs"),
    "large ones": (shared(lambda r: np.mean(r[~np.isnan(r)] > 0.5)), "counts large correlations alone"),
    "NaN": (shared(lambda r: np.mean(r) + np.mean(r > 0)), "is NaN here"),
    "one function": (across_genes, "one function is there where a dict was expected"),
}

# --- 6: repair --------------------------------------------------------------------------------------------------------


def best_tracks(features, target, how_many):
    """Choose tracks as the notebook does."""
    return features.corrwith(target).abs().sort_values(ascending=False, kind="stable").index[:how_many]


def ridge(features, target, penalty):
    """Fit as the notebook does."""
    center, level = features.mean(), target.mean()
    X = (features - center).to_numpy()
    weights = np.linalg.solve(X.T @ X + penalty * np.eye(X.shape[1]), X.T @ (target - level))
    return lambda others: level + (others - center) @ weights


def published(chromosomes):
    test, validation = chromosomes.isin(["5", "12", "20"]), chromosomes.isin(["7", "11", "14"])
    return ~(test | validation), validation, test


def report(
    features, target, chromosomes, penalties, how_many, *, parts=published, known=None, choose=1, judge=2, refit=()
):
    """Report a correlation; which genes are known to the choice of tracks, which choose the penalty, which judge."""
    masks = parts(chromosomes)
    train = masks[0]
    seen = known(masks) if known else train
    tracks = best_tracks(features[seen], target[seen], how_many)
    fitted, best = None, -2
    for penalty in penalties:
        model = ridge(features.loc[train, tracks], target[train], penalty)
        r = np.corrcoef(model(features.loc[masks[choose], tracks]), target[masks[choose]])[0, 1]
        if r > best:
            best, fitted, chosen = r, model, penalty
    if refit:
        genes = masks[0] | masks[1]
        tracks = best_tracks(features[genes], target[genes], how_many) if refit == "tracks too" else tracks
        fitted = ridge(features.loc[genes, tracks], target[genes], chosen)
    return np.corrcoef(fitted(features.loc[masks[judge], tracks]), target[masks[judge]])[0, 1]


def report_by_scikit_learn(features, target, chromosomes, penalties, how_many):
    from sklearn.linear_model import Ridge

    split = twas.chromosome_split(chromosomes)
    part = {name: split.index[split == name] for name in ("train", "validation", "test")}
    r = features.loc[part["train"]].corrwith(target[part["train"]])
    X, genes = features[r.abs().nlargest(how_many).index], part["train"]
    models = [Ridge(alpha=penalty).fit(X.loc[genes], target[genes]) for penalty in penalties]

    def judge(model, name):
        return stats.pearsonr(model.predict(X.loc[part[name]]), target[part[name]]).statistic

    return judge(max(models, key=lambda model: judge(model, "validation")), "test")


def reported(**how):
    return lambda *study: report(*study, **how)


REPAIR_RIGHT = {
    "pandas": report,
    "scikit-learn": report_by_scikit_learn,
    "fitted once more": reported(refit="weights"),
    "tracks chosen once more, too": reported(refit="tracks too"),
}


def chance(chromosomes, seed=0):
    order = np.random.default_rng(seed).permutation(len(chromosomes))
    test = pd.Series(False, chromosomes.index)
    test.iloc[order[: int(0.3 * len(order))]] = True
    return ~test, test, test


def everybody(masks):
    return pd.Series(True, masks[0].index)


def no_validation(chromosomes):
    """Leave out the test chromosomes, and let them choose."""
    test = published(chromosomes)[2]
    return ~test, test, test


def report_by_errors(features, target, chromosomes, penalties, how_many):
    train, validation, test = published(chromosomes)
    kept = features[best_tracks(features[train], target[train], how_many)]
    models = [ridge(kept[train], target[train], penalty) for penalty in penalties]
    best = min(models, key=lambda model: np.mean((model(kept[validation]) - target[validation]) ** 2))
    return np.corrcoef(best(kept[test]), target[test])[0, 1]


REPAIR_WRONG = {
    "split alone": (
        reported(parts=no_validation, known=everybody),
        "your report chooses the tracks with the percentiles of genes that judge later; it chooses the penalty by",
    ),
    "split and tracks": (reported(parts=no_validation), "your report chooses the penalty by the genes that judge"),
    "by errors": (report_by_errors, "chooses the penalty by another measure than the correlation"),
    "all tracks": (lambda *study: report(*study[:-1], study[0].shape[1]), "keeps all tracks"),
    "as it was": (
        reported(parts=chance, known=everybody, choose=2),
        "splits the genes by chance, so that most test genes have a neighbour in the training; it chooses the tracks "
        "with the percentiles of genes that judge later; it chooses the penalty by the genes that judge",
    ),
    "by chance": (reported(parts=chance, choose=2), "neighbour in the training; it chooses the penalty"),
    "tracks and penalty": (reported(known=everybody, choose=2), "that judge later; it chooses the penalty by"),
    "tracks": (reported(known=everybody), "your report chooses the tracks with the percentiles"),
    "tracks of validation": (reported(known=lambda masks: masks[0] | masks[1]), "chooses the tracks with"),
    "penalty": (reported(choose=2), "your report chooses the penalty by the genes that judge the model."),
    "penalty by training": (reported(choose=0), "by the genes that the model was fitted to. The weakest always"),
    "validation": (reported(judge=1), "is the correlation on the validation chromosomes"),
    "training": (reported(judge=0), "is the correlation in the genes that the model was fitted to"),
    "exchanged": (reported(choose=2, judge=1), "validation and test chromosomes in each other's place"),
    "squared": (lambda *study: report(*study) ** 2, "is a square"),
    "all correlations": (lambda *study: [report(*study)] * 2, "has shape"),
    "another chance": (
        lambda *study: report(*study, parts=lambda one: chance(one, 7), choose=2),
        "Ask of each step",
    ),
}

# --- the tests --------------------------------------------------------------------------------------------------------

BANK = {
    "ch06b-percentiles": (PERCENTILES_RIGHT, PERCENTILES_WRONG),
    "ch06b-sequences": (SEQUENCES_RIGHT, SEQUENCES_WRONG),
    "ch06b-motif": (MOTIF_RIGHT, MOTIF_WRONG),
    "ch06b-fidelity": (FIDELITY_RIGHT, FIDELITY_WRONG),
    "ch06b-across": (ACROSS_RIGHT, ACROSS_WRONG),
    "ch06b-repair": (REPAIR_RIGHT, REPAIR_WRONG),
}

# The third hint of each ladder, coded word for word.
HINTED = {
    "ch06b-percentiles": targets(),
    "ch06b-sequences": sequences,
    "ch06b-motif": motif(),
    "ch06b-fidelity": fidelity,
    "ch06b-across": across(),
    "ch06b-repair": report,
}


class TestBank(BankTests):
    chapter, solutions, bank = "ch06b", SOLUTIONS, BANK


@pytest.mark.parametrize("key", [key for key in HINTED if key != "ch06b-repair"])
def test_the_last_hint_taken_word_for_word_always_passes(key):
    assert {review(key, HINTED[key]).message for _ in range(50)} == {"right."}


def test_the_last_hint_of_the_repair_always_passes():
    assert {review("ch06b-repair", HINTED["ch06b-repair"]).message for _ in range(5)} == {"right."}


# --- no two slips give the same result --------------------------------------------------------------------------------


def all_slips(rng):
    """Yield (name, right numbers, slips by sentence) of every judgement of numbers that names slips."""
    means = cases.expression(rng)
    yield "percentiles", slips.percentiles(means), slips.wrong_percentiles(means)
    for unknown in (False, True):
        X, matrix, threshold = cases.site(rng, unknown)
        case = X, matrix, threshold
        yield "scores", slips.scores(X, matrix), slips.wrong_scores(X, matrix)
        yield "occupancy", slips.occupancy(*case), slips.wrong_occupancies(*case)
        yield "gradient", slips.gradient(*case), slips.wrong_gradients(*case)
    for fit in (cases.least_squares, cases.contrary):
        case = *cases.nonlinear(rng), fit
        yield "fidelity", study_slips.fidelity(*case), study_slips.fidelities(*case)
    case = cases.people(rng)
    yield "across genes", study_slips.across_genes(*case), study_slips.correlations_across_genes(*case)
    yield "across people", study_slips.across_people(*case), study_slips.correlations_across_people(*case)
    r = cases.correlations(rng)
    yield "right sign", study_slips.right_sign(r), study_slips.shares(r)


@pytest.mark.parametrize("seed", range(10))
def test_no_two_slips_give_the_same_numbers(seed):
    with np.errstate(all="ignore"):
        judgements = list(all_slips(np.random.default_rng(seed)))
    for name, right, sentences in judgements:
        ends = [(sentence, np.asarray(end, float)) for sentence, several in sentences.items() for end in several]
        ends = [(sentence, end) for sentence, end in ends if not np.isnan(end).all()]
        wrong = [(sentence, end) for sentence, end in ends if not same(end, np.asarray(right, float))]
        assert [
            (name, one, other) for (one, a), (other, b) in combinations(wrong, 2) if one != other and same(a, b)
        ] == []


def same(a, b):
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-6, atol=1e-12, equal_nan=True)


def test_slips_of_the_repair_are_told_apart():
    study = cases.told_apart(np.random.default_rng(1), study_questions.PENALTIES, study_questions.TRACKS)
    ends = [(sentence, end) for sentence, several in study_slips.reports(*study).items() for end in several]
    assert [(one, other) for (one, a), (other, b) in combinations(ends, 2) if one != other and np.isclose(a, b)] == []


# --- what is called right is right ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_percentiles_and_the_split_are_those_of_the_package(seed):
    rng = np.random.default_rng(seed)
    means, chromosomes = cases.expression(rng), cases.chromosomes(rng)
    assert np.allclose(slips.percentiles(means), twas.expression_percentiles(means))
    ours = chromosomes.str.removeprefix("chr").map(questions.PUBLISHED).fillna("train")
    assert twas.chromosome_split(chromosomes).to_dict() == ours.to_dict()


@pytest.mark.parametrize("seed", range(3))
def test_scores_and_occupancies_are_those_of_the_package(seed):
    X, matrix, _ = cases.site(np.random.default_rng(seed))
    motifs = dna.Motifs(["M1"], ["own"], [matrix / matrix.sum(axis=1, keepdims=True)])
    length = len(X) - len(X) % 2
    features = dna.MotifFeatures(motifs, length=length, bin_width=length // 2, bins=2)
    found = features.scores(X[None, :length])[0, 0]
    places = length - len(matrix) + 1
    assert np.allclose(found[:, :places], slips.scores(X[:length], matrix), atol=1e-4)
    theta = float(features.thresholds[0])
    total = features.features(X[None, :length])[0, 0] * 2  # two bins, which hold all sites
    assert np.isclose(total, slips.occupancy(X[:length], matrix, theta), atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_derivatives_are_those_of_differences(seed):
    X, matrix, threshold = cases.site(np.random.default_rng(seed), unknown=True)
    step, right = 1e-6, slips.gradient(X, matrix, threshold)
    for place in np.ndindex(X.shape):
        up, down = X.copy(), X.copy()
        up[place] += step
        down[place] -= step
        slope = (slips.occupancy(up, matrix, threshold) - slips.occupancy(down, matrix, threshold)) / (2 * step)
        assert np.isclose(slope, right[place], atol=1e-7)


def test_in_the_study_of_the_repair_the_honest_number_is_that_of_a_new_genome():
    """Mean over studies of what is reported, and of what the model does on a genome that nobody has seen."""
    gaps, honest = [], []
    for seed in range(4):
        features, target, chromosomes, (new, truth) = cases.study(np.random.default_rng(seed), 300, 300, new=300)
        study = features, target, chromosomes, (1.0, 10.0, 100.0, 1_000.0), 100
        X, y, (train, _, _) = features.to_numpy(), target.to_numpy(), study_slips.parts_of(chromosomes)
        tracks = study_slips.best_tracks(X[train], y[train], 100)
        intercept, weights = study_slips.ridge(X[train][:, tracks], y[train], 100.0)
        unseen = np.corrcoef(intercept + new.to_numpy()[:, tracks] @ weights, truth)[0, 1]
        honest.append(study_slips.report(*study) - unseen)
        gaps.append(study_slips.report(*study, split=study_slips.by_chance, select=(0, 1, 2), choose=2) - unseen)
    assert abs(np.mean(honest)) < 0.1
    assert np.mean(gaps) > 0.25
