"""What the answers of chapter 6b are tried on: tables of expression, pieces of DNA, people, and whole studies."""

from itertools import combinations

import numpy as np
import pandas as pd

from scomics_lite.course.checks.ch06b import slips, study_slips

# --- 1: percentiles and the split -------------------------------------------------------------------------------------


def expression(rng):
    """Draw means of genes × cell types: some not detected (NaN), some 0, and two pairs that are equal."""
    n = int(rng.integers(15, 21))
    values = rng.lognormal(2, 1.5, (n, 3)).round(2)
    for column in range(3):
        order = rng.permutation(n)
        values[order[:3], column], values[order[3:5], column] = np.nan, 0.0
        values[order[5], column] = values[order[6], column]
        values[order[7:9], column] = values[order[9], column]
    genes = [f"gene{number}" for number in rng.permutation(90)[:n]]
    return pd.DataFrame(values, genes, ["B cell", "monocyte", "T cell"])


def chromosomes(rng):
    """Give chromosomes by gene: every name once plain and once with "chr", in any order."""
    names = [str(number) for number in range(1, 23)] + ["X", "Y", "MT"]
    names = rng.permutation(names + [f"chr{name}" for name in names])
    return pd.Series(names.astype(object), [f"gene{number}" for number in rng.permutation(len(names))])


# --- 2: two sequences -------------------------------------------------------------------------------------------------


def person(rng, strand):
    """Draw (letters, start, strand, variants): a window, and one person's SNPs in it, before it and behind it.

    The first and the last letter have a variant, and so have the first place behind the window and one before it,
    which a negative index would reach. Of two SNPs the reference has the effect allele. No slip gives the right
    sequences, and no two the same.
    """
    while True:
        size, start = int(rng.integers(36, 48)), int(rng.integers(2_000, 9_000))
        letters = "".join(rng.choice(list("ACGT"), size))
        places = np.sort(np.r_[0, size - 1, 3 + rng.permutation(size - 8)[:6], -3, size])
        swapped = rng.permutation(len(places)) < 2
        variants = pd.DataFrame([_variant(rng, letters, *one) for one in zip(places, swapped, strict=True)])
        variants.insert(0, "position", start + places)
        inner = rng.permutation([(1, 0), (0, 1), (1, 1), (0, 0), (1, 1), (0, 0)])
        copies = np.vstack([[1, 0], [0, 1], inner, [1, 0], [0, 1]])  # at both ends one copy is not the reference's
        variants["haplotype1"], variants["haplotype2"] = copies.T
        case = letters, start, strand, variants
        ends = [
            slips.two_sequences(*case),
            *(one for several in slips.wrong_sequences(*case).values() for one in several),
        ]
        if len(set(ends)) == len(ends):
            return case


def _variant(rng, letters, place, swapped):
    one = letters[place] if 0 <= place < len(letters) else str(rng.choice(list("ACGT")))
    other = str(rng.choice([letter for letter in "ACGT" if letter != one]))
    ref, eff = (other, one) if swapped else (one, other)
    return {"ref_allele": ref, "eff_allele": eff}


def fitting_reference(letters, start, strand, variants):
    """Give the same person where the reference has `ref_allele` at every SNP of the window."""
    new = list(letters)
    for place, allele in zip(variants["position"] - start, variants["ref_allele"], strict=True):
        if 0 <= place < len(new):
            new[place] = allele
    return "".join(new), start, strand, variants


def other_build(rng, strand, carried):
    """Draw a person whose positions are those of another build: one letter of the reference is neither allele.

    Both copies have the effect allele there if it is carried, and none has it if not.
    """
    letters, start, strand, variants = person(rng, strand)
    row = int(rng.integers(3, 6))
    here = letters[variants.loc[row, "position"] - start]
    variants.loc[row, ["ref_allele", "eff_allele"]] = rng.permutation([one for one in "ACGT" if one != here])[:2]
    variants.loc[row, ["haplotype1", "haplotype2"]] = carried
    return letters, start, strand, variants


# --- 3: a motif -------------------------------------------------------------------------------------------------------


def site(rng, unknown=False):
    """Draw (X (L, 4), matrix (w, 4), threshold): a sequence that a protein sits on more or less; with an N on request.

    Some places have an occupancy far from 0 and from 1, so that no part of a formula can hide.
    """
    while True:
        length, width = int(rng.integers(26, 36)), int(rng.integers(5, 8))
        matrix = 0.92 * rng.dirichlet(np.full(4, 0.7), width) + 0.02
        X = np.eye(4)[rng.integers(0, 4, length)]
        if unknown:
            X[rng.integers(8, length - 8)] = 0
        threshold = rng.uniform(0.5, 1.5)
        p = slips.occupied(X, matrix, threshold)
        if ((p > 0.2) & (p < 0.8)).sum(axis=1).min() >= 2 and np.ptp(p.sum(axis=1)) > 0.2:
            return X, matrix, threshold


# --- 4: fidelity ------------------------------------------------------------------------------------------------------


def nonlinear(rng):
    """Draw (X (n, p), y (n,), folds (n,)): dosages, predictions that are not linear in them, and uneven folds.

    Least squares are better than the mean.
    """
    while True:
        n, p = int(rng.integers(58, 70)), 6
        X = rng.binomial(2, rng.uniform(0.2, 0.5, p), (n, p)).astype(float)
        y = 0.4 + 0.5 * X[:, 0] * X[:, 1] - 0.3 * X[:, 2] + rng.normal(0, 0.3, n)
        folds = rng.permutation(np.repeat([0, 1, 2, 3], [n - 40, 18, 12, 10]))
        if study_slips.fidelity(X, y, folds, least_squares) > 0.1:
            return X, y, folds


def least_squares(X, y):
    """Fit an intercept and weights, and give both."""
    found = np.linalg.lstsq(np.column_stack([np.ones(len(X)), X]), y, rcond=None)[0]
    return found[0], found[1:]


def contrary(X, y):
    """Fit by least squares and turn every weight around: worse than the mean."""
    _, weights = least_squares(X, y)
    return y.mean() + X.mean(axis=0) @ weights, -weights


# --- 5: across genes and across people --------------------------------------------------------------------------------


def people(rng):
    """Draw (predicted, observed), people × genes: three genes are predicted alike for everybody, others with no sign.

    Genes differ far more than people; in a third of the genes the prediction goes against the observation.
    """
    n, g = 48, int(rng.integers(20, 27))
    level = rng.normal(0, 2, g)
    sign = rng.permutation(np.r_[np.full(g - g // 3, 1.0), np.full(g // 3, -1.0)])
    differences = rng.normal(size=(n, g))
    observed = level + 0.5 * differences + rng.normal(0, 0.2, (n, g)) + rng.normal(0, 0.2, (n, 1))
    predicted = 0.7 * level + rng.normal(0, 0.8, g) + 0.3 * sign * differences + rng.normal(0, 0.2, (n, g))
    predicted[:, rng.permutation(g)[:3]] = [0.25, 0.5, -1.0]
    return predicted, observed


def correlations(rng):
    """Draw correlations across people of some genes, some NaN: of every size, one of 0, more above 0 than below."""
    sizes = np.repeat([0.05, 0.15, 0.25, 0.4, 0.6], [2, 2, 2, 4, 3]) + rng.uniform(-0.04, 0.04, 13)
    return rng.permutation(np.r_[sizes, 0.0, -sizes[:5], np.full(4, np.nan)])


# --- 6: repair --------------------------------------------------------------------------------------------------------

CHROMOSOMES = [str(number) for number in range(1, 23)]


def study(rng, n_clusters=120, n_tracks=300, new=0):
    """Simulate what exercise 6 works on: features and percentiles of genes that lie in clusters of neighbours.

    A little of the expression comes from ten tracks, in the same way everywhere; more of it belongs to a cluster.
    Neighbours read much of the same DNA, so their features are alike, and in some tracks they are a mark of the
    cluster.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_clusters, n_tracks : int
    new : int
        Clusters of a genome that nobody has seen, in which the ten tracks do the same.

    Returns
    -------
    features : DataFrame, genes × tracks
    target, chromosomes : Series by gene
    unseen : tuple
        Features and target of the new genome.
    """
    effects = rng.choice([-1, 1], 10) / np.sqrt(10)
    first = _clusters(rng, n_clusters, n_tracks, effects)
    chromosomes = _in_order(rng, n_clusters)[first[2]]
    names = [f"gene{number}" for number in range(len(chromosomes))]
    features, target = _named(*first[:2], names)
    unseen = _clusters(rng, new, n_tracks, effects) if new else None
    unseen = unseen and _named(*unseen[:2], [f"new{number}" for number in range(len(unseen[1]))])
    return features, target, pd.Series(chromosomes, names), unseen


def told_apart(rng, penalties, how_many):
    """Draw (features, target, chromosomes, penalties, how many): no two faults give the same correlation."""
    while True:
        features, target, chromosomes, _ = study(rng, 80, 90)
        case = features, target, chromosomes, penalties, how_many
        choices = {study_slips.report(*case, choose=part) for part in range(3)}
        if len(choices | {study_slips.report(*case, by=study_slips.by_error)}) < 4:  # most studies end here
            continue
        groups = [study_slips.honest_reports(*case), *study_slips.reports(*case).values()]
        pairs = [(one, other) for a, b in combinations(groups, 2) for one in a for other in b]
        if min(abs(one - other) for one, other in pairs) > 1e-5:
            return case


def _in_order(rng, n_clusters):
    """Give the chromosome of each cluster: at least two on every one."""
    extra = rng.choice(CHROMOSOMES, n_clusters - 2 * len(CHROMOSOMES))
    return np.array(sorted([*CHROMOSOMES * 2, *extra], key=int), dtype=object)


def _clusters(rng, n_clusters, n_tracks, effects):
    """Draw features, expression and cluster of the genes of some clusters."""
    cluster = np.repeat(np.arange(n_clusters), rng.integers(3, 7, n_clusters))
    shared = rng.normal(size=(n_clusters, n_tracks))[cluster]
    features = np.sqrt(0.8) * shared + np.sqrt(0.2) * rng.normal(size=shared.shape)
    own = rng.normal(size=n_clusters)[cluster]
    value = 0.6 * features[:, :10] @ effects + 0.7 * own + 0.4 * rng.normal(size=len(cluster))
    return features, value, cluster


def _named(features, value, names):
    tracks = [f"track{number}" for number in range(features.shape[1])]
    return pd.DataFrame(features, names, tracks), pd.Series(value, names).rank(pct=True)
