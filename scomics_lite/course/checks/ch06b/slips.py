"""The usual slips in exercises 1 to 3 of chapter 6b: wrong results beside the sentence that names them.

As in `ch01_slips`: sentence → list of wrong results.
"""

import numpy as np
from scipy import stats
from scipy.special import expit

# --- 1: percentiles and the split -------------------------------------------------------------------------------------


def percentiles(means):
    """Compute the right percentiles."""
    return means.fillna(0).rank(pct=True).to_numpy()


TIES_BROKEN = (
    "tells genes with the same expression apart by their order in the table; they share the mean of their ranks."
)


def breaks_ties(result, means):
    """Say whether every gene has a rank of its own, in any order among those with the same mean."""
    zeros = means.fillna(0).to_numpy()
    ranks = np.asarray(result) * len(zeros)
    order = np.argsort(ranks, axis=0)
    own = np.allclose(np.sort(ranks, axis=0), np.arange(1, len(zeros) + 1)[:, None])
    return bool(own and (np.diff(np.take_along_axis(zeros, order, axis=0), axis=0) >= 0).all())


def wrong_percentiles(means):
    """Of the percentiles."""
    zeros, n = means.fillna(0), len(means)
    ranks = zeros.rank()
    sentences = {
        "is the rank itself: divide by the number of genes.": [ranks],
        "gives genes with the same expression the lowest of their ranks; they share the mean of them.": [
            zeros.rank(method="min") / n
        ],
        "gives genes with the same expression the highest of their ranks; they share the mean of them.": [
            zeros.rank(method="max") / n
        ],
        TIES_BROKEN: [zeros.rank(method="first") / n],
        "counts genes with the same expression as one (dense ranks); all of them count.": [
            zeros.rank(method="dense") / n,
            zeros.rank(method="dense", pct=True),
        ],
        "goes downwards: the gene with the highest expression has 1.": [
            zeros.rank(ascending=False, pct=True),
            (n - ranks) / n,
        ],
        "ranks the cell types of a gene among each other. The genes of a cell type are ranked.": [
            zeros.rank(axis=1),
            zeros.rank(axis=1) / n,
            zeros.rank(axis=1, pct=True),
        ],
        "ranks all numbers of the table together. Each cell type has a ranking of its own.": [
            stats.rankdata(zeros).reshape(zeros.shape) / zeros.size
        ],
        "ranks the detected genes alone and puts 0 in afterwards. Genes that were not detected are 0 first, and take "
        "part in the ranking.": [means.rank(pct=True).fillna(0), means.rank().fillna(0) / n],
        "puts genes that were not detected on top. They are 0, the lowest.": [
            means.rank(pct=True, na_option="bottom"),
            means.rank(pct=True).fillna(1),
        ],
        "puts genes that were not detected below those with a mean of 0. Both are 0, so they share a rank.": [
            means.rank(pct=True, na_option="top")
        ],
        "takes one, or half of one, off the rank. Here the lowest gene has 1 / n and the highest 1.": [
            (ranks - 1) / (n - 1),
            (ranks - 1) / n,
            (ranks - 0.5) / n,
        ],
        "divides by one more than the number of genes. Here the highest gene has 1.": [ranks / (n + 1)],
        "is a share of the largest mean, not of the genes. Use ranks.": [
            zeros / zeros.max(),
            (zeros - zeros.min()) / (zeros.max() - zeros.min()),
        ],
    }
    return {sentence: [np.asarray(one) for one in wrong] for sentence, wrong in sentences.items()}


# --- 2: two sequences -------------------------------------------------------------------------------------------------

PARTNERS = str.maketrans("ACGT", "TGCA")


def other_strand(letters):
    """Give the reverse complement."""
    return letters.translate(PARTNERS)[::-1]


def two_sequences(letters, start, strand, variants, **how):
    """Write a person's two sequences, rightly unless told otherwise."""
    return tuple(_written(letters, start, strand, variants, side, **how) for side in ("haplotype1", "haplotype2"))


def _written(
    letters, start, strand, variants, side, *, carried=None, shift=0, wraps=False, leave=False, end=other_strand
):
    carried = carried or (lambda row: row[side])
    new = list(letters)
    for row in variants.to_dict("records"):
        place = row["position"] - start + shift
        inside = -len(new) <= place < len(new) if wraps else 0 <= place < len(new)
        if inside and not (leave and not carried(row)):
            new[place] = row["eff_allele"] if carried(row) else row["ref_allele"]
    return end("".join(new)) if strand == "-" else "".join(new)


def turned_first(letters, start, strand, variants, *, mirrored, complemented):
    """Write into the other strand: at the place from its own start, or at the mirrored one with plain letters."""
    found = []
    for side in ("haplotype1", "haplotype2"):
        new = list(other_strand(letters))
        for row in variants.to_dict("records"):
            place = row["position"] - start
            if 0 <= place < len(new):
                letter = row["eff_allele"] if row[side] else row["ref_allele"]
                place = len(new) - 1 - place if mirrored else place
                new[place] = letter.translate(PARTNERS) if complemented else letter
        found.append("".join(new))
    return tuple(found)


def exchanged(letters, start, strand, variants):
    """Take the allele that the reference has not where the haplotype is 1, and leave the letter where it is 0."""
    place = variants["position"] - start
    here = [letters[i] if 0 <= i < len(letters) else "" for i in place]
    swapped = variants["eff_allele"] == here
    pair = variants[["ref_allele", "eff_allele"]].to_numpy()
    pair[swapped] = pair[swapped, ::-1]
    new = variants.assign(ref_allele=pair[:, 0], eff_allele=pair[:, 1])
    return two_sequences(letters, start, strand, new)


def searched(letters, start, strand, variants):
    """Change the first letter that is like the one meant, as `text.replace` does."""
    found = []
    for side in ("haplotype1", "haplotype2"):
        new = letters
        for row in variants.to_dict("records"):
            place = row["position"] - start
            if 0 <= place < len(new):
                new = new.replace(new[place], row["eff_allele"] if row[side] else row["ref_allele"], 1)
        found.append(other_strand(new) if strand == "-" else new)
    return tuple(found)


def _without(letters, start, strand, variants, place):
    """Take the variant at one place for one that lies outside."""
    return letters, start, strand, variants[variants["position"] != start + place]


def wrong_sequences(*person):
    """Of the two sequences."""
    right = two_sequences(*person)
    letters, _, strand, _ = person
    kept = letters if strand == "+" else other_strand(letters)

    def either(row):
        return row["haplotype1"] + row["haplotype2"] > 0

    slips = {
        "are the reference: no variant was written in.": [(kept, kept)],
        "have changed places: haplotype1 comes first.": [right[::-1]],
        "are written one letter aside: the first letter has position start, so the letter of a position is number "
        "position - start, counted from 0.": [two_sequences(*person, shift=shift) for shift in (-1, 1)],
        "hold the variants of both copies. What one chromosome carries, the other need not.": [
            two_sequences(*person, carried=either),
            (two_sequences(*person, leave=True)[0], two_sequences(*person, leave=True, carried=either)[1]),
        ],
        "hold only the variants that both copies have. A variant on one copy stands in that copy.": [
            two_sequences(*person, carried=lambda row: row["haplotype1"] * row["haplotype2"])
        ],
        "keep the reference's letter where the haplotype is 0. The reference is one person's DNA, and may have the "
        "effect allele: write ref_allele where the haplotype is 0.": [two_sequences(*person, leave=True)],
        "have the other letter than the reference where the haplotype is 1. What a copy has does not depend on the "
        "reference: eff_allele for 1, ref_allele for 0.": [exchanged(*person)],
        "leave the first or the last letter of the window as it is. The first has position start and the last "
        "start + len(letters) - 1, and both are inside.": [
            two_sequences(*_without(*person, place)) for place in (0, len(letters) - 1)
        ],
        "are changed at the first letter that is like the one meant: text.replace looks for a letter, not for a "
        "place.": [searched(*person)],
        "hold every variant of the table, carried or not: write the effect allele where the haplotype is 1.": [
            two_sequences(*person, carried=lambda row: True)
        ],
        "hold the effect allele where the haplotype is 0.": [
            tuple(
                _written(*person, side, carried=lambda row, side=side: 1 - row[side])
                for side in ("haplotype1", "haplotype2")
            )
        ],
        "hold a variant that lies before the window. A negative index counts from the end: look whether a position is "
        "inside first.": [two_sequences(*person, wraps=True)],
    }
    return slips | _wrong_strands(person, right)


def _wrong_strands(person, right):
    """Of the strand on which the two sequences are read."""
    if person[2] == "+":
        return {
            "are those of the minus strand; this gene is read from the plus strand.": [
                tuple(other_strand(one) for one in right)
            ]
        }
    return {
        "are those of the plus strand; the gene is read from the other one.": [
            two_sequences(*person, end=lambda letters: letters)
        ],
        "are complemented and not reversed. The other strand is read from its other end.": [
            two_sequences(*person, end=lambda letters: letters.translate(PARTNERS))
        ],
        "are reversed and not complemented: A stands opposite T, and C opposite G.": [
            two_sequences(*person, end=lambda letters: letters[::-1])
        ],
        "were turned to the other strand before the variants were written in. Positions count along the plus "
        "strand, and so do the alleles: write first, turn then.": [
            turned_first(*person, mirrored=mirrored, complemented=complemented)
            for mirrored, complemented in ((False, False), (False, True), (True, False))
        ],
    }


# --- 3: a motif -------------------------------------------------------------------------------------------------------


def log_odds(matrix):
    """Give the scores of the letters, bits, (w, 4)."""
    return np.log2(matrix / 0.25)


def windows(X, width):
    """Give all stretches of a width, (places, width, 4)."""
    return np.stack([X[place : place + width] for place in range(len(X) - width + 1)])


def scores(X, matrix):
    """Compute the right scores, (2, places)."""
    return both_strands(X, log_odds(matrix))


def both_strands(X, letters, turned=None):
    """Score with these letters' scores (w, 4) forward, and with the turned ones in reverse."""
    turned = letters[::-1, ::-1] if turned is None else turned
    return np.stack([np.einsum("pwl,wl->p", windows(X, len(one)), one) for one in (letters, turned)])


def occupied(X, matrix, threshold):
    """Give the right occupancy of every place on both strands, (2, places)."""
    return expit(np.log(2) * (scores(X, matrix) - threshold))


def wrong_scores(X, matrix):
    """Of the scores."""
    right, L = scores(X, matrix), log_odds(matrix)
    return {
        "is in natural logarithms, or in those to the base 10; bits are logarithms to the base 2.": [
            both_strands(X, np.log(matrix / 0.25)),
            both_strands(X, np.log10(matrix / 0.25)),
        ],
        "lacks the background: each probability is divided by 1/4 before the logarithm.": [
            both_strands(X, np.log2(matrix)),
            both_strands(X, np.log(matrix)),
        ],
        "holds products of probabilities, or their ratios: logarithms of them were asked for.": [
            2.0**right,
            2.0 ** both_strands(X, np.log2(matrix)),
        ],
        "holds sums of probabilities. What adds up over places is their logarithm: log2 of each divided by 1/4.": [
            both_strands(X, matrix),
            both_strands(X, matrix / 0.25),
        ],
        "has a motif that runs from its last place to its first, as np.convolve lets it.": [
            both_strands(X, L[::-1], L[:, ::-1]),
            both_strands(X, L[::-1], L[::-1]),
        ],
        "has the reverse strand first; the forward one comes first.": [right[::-1]],
        "has the same numbers for both strands. For the other one the motif is turned: its last place comes first, and "
        "each letter is its partner.": [np.stack([right[0], right[0]])],
        "has a motif in reverse order, and not complemented, for the other strand.": [both_strands(X, L, L[::-1])],
        "has a complemented motif that is not in reverse order, for the other strand.": [
            both_strands(X, L, L[:, ::-1])
        ],
        "tells the places of the other strand from its own end. The answer goes from left to right for both strands: "
        "turn that row around.": [np.stack([right[0], right[1, ::-1]])],
        "has lost the last place: a sequence of L letters has L - w + 1 places for a site of w.": [right[:, :-1]],
    }


def occupancy(X, matrix, threshold):
    """Compute the right occupancy: the expected number of sites."""
    return occupied(X, matrix, threshold).sum()


def wrong_occupancies(X, matrix, threshold):
    """Of the expected number of sites."""
    s, p = scores(X, matrix) - threshold, occupied(X, matrix, threshold)
    return {
        "is of the forward strand alone. Proteins bind on either.": [p[0].sum()],
        "is of the reverse strand alone. Proteins bind on either.": [p[1].sum()],
        "lacks ln 2. A score in bits is a power of 2, and the exponential function has powers of e.": [expit(s).sum()],
        "is the occupancy of the best place. All places add up.": [p.max(), p[0].max() + p[1].max()],
        "takes one strand at each place, the better one. Both count in full.": [p.max(axis=0).sum()],
        "is a mean over places; the expected number is their sum.": [p.mean(), p.sum(axis=0).mean()],
        "counts places above the threshold. Occupancy rises smoothly, and is one half there.": [(s > 0).sum()],
        "falls where the score rises: the sign of the exponent is wrong.": [(1 - p).sum()],
        "lacks the threshold.": [expit(np.log(2) * (s + threshold)).sum()],
        "adds the threshold to the score; it is taken away.": [expit(np.log(2) * (s + 2 * threshold)).sum()],
        "is the probability that one place at least is occupied. The expected number is the sum.": [1 - np.prod(1 - p)],
        "is half of what was asked for: both strands count in full.": [p.sum() / 2],
        "is the sum of 2 to the power of s - theta. That has no upper limit: a place is occupied once at most.": [
            (2.0**s).sum()
        ],
    }


def gradient(X, matrix, threshold):
    """Compute the right derivatives, (L, 4)."""
    p = occupied(X, matrix, threshold)
    return spread(np.log(2) * p * (1 - p), X, matrix)


def spread(slopes, X, matrix, letters=None):
    """Hand the slope of each place and strand (2, places) to the letters of the place, (L, 4)."""
    L = log_odds(matrix) if letters is None else letters
    found = np.zeros(X.shape)
    for place, (forward, reverse) in enumerate(slopes.T):
        found[place : place + len(L)] += forward * L + reverse * L[::-1, ::-1]
    return found


def _differences(X, matrix, threshold, keep):
    """Change of the occupancy when each entry of X becomes 1 (its row else 0), or when 1 is added to it."""
    found = np.zeros(X.shape)
    for place, letter in np.ndindex(X.shape):
        changed = X.copy()
        changed[place] *= keep
        changed[place, letter] += 1
        found[place, letter] = occupancy(changed, matrix, threshold)
    return found - occupancy(X, matrix, threshold)


def wrong_gradients(X, matrix, threshold):
    """Of the derivatives."""
    p, width = occupied(X, matrix, threshold), len(matrix)
    right, slopes = gradient(X, matrix, threshold), np.log(2) * p * (1 - p)
    overwritten, L = np.zeros(X.shape), log_odds(matrix)
    for place, (forward, reverse) in enumerate(slopes.T):
        overwritten[place : place + width] = forward * L + reverse * L[::-1, ::-1]
    only = np.array([[1.0], [0.0]])
    whole = [_differences(X, matrix, threshold, keep) for keep in (0.0, 1.0)]
    there = (right * X).sum(axis=1, keepdims=True)
    return {
        "holds the changes that a whole letter makes. A derivative is the slope at the sequence as it stands: take the "
        "chain rule, or a tiny step.": whole,
        "is relative to the letter that stands there. Hand back the derivatives themselves; their difference comes "
        "below.": [right - there],
        "lacks ln 2: the derivative of the exponent in the score.": [right / np.log(2)],
        "is of the forward strand alone.": [spread(slopes * only, X, matrix)],
        "is of the reverse strand alone.": [spread(slopes * only[::-1], X, matrix)],
        "lacks the factor 1 - occupancy: the slope of the S-shaped curve p is p (1 - p), and it is flat at both "
        "ends.": [spread(np.log(2) * p, X, matrix), spread(p, X, matrix)],
        "lacks the slope of the S-shaped curve. It multiplies the scores of the letters.": [
            spread(np.ones_like(p), X, matrix),
            spread(np.full_like(p, np.log(2)), X, matrix),
        ],
        "keeps one place's share in each letter. A letter belongs to as many places as the motif is wide, on each "
        "strand, and their shares add up.": [overwritten],
        "is there for the letters that stand in the sequence alone. What the other letters would do is the more "
        "interesting part.": [right * X],
        "has the motif unturned, or half turned, on the other strand.": [
            spread(slopes * only, X, matrix) + spread(slopes[::-1] * only, X, matrix, letters)
            for letters in (L, L[::-1], L[:, ::-1])
        ],
        "has the wrong sign.": [-right],
    }
