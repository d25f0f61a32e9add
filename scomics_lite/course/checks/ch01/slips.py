"""The usual slips in the exercises of chapter 1: the wrong numbers each leads to, beside the sentence that names it.

Every function takes what the check gave the student and returns a dict: sentence → list of wrong results. `ch01` looks
an answer up in it.
"""

import numpy as np

from scomics_lite import normalization


def expected_counts(raw, s):
    """Of the thought experiment, as tables of two rows: raw, divided by s."""
    return {
        "has its rows in the other order: raw first, then divided by s.": [[raw / s, raw]],
        "multiplies by s where it should divide: the deeper tube must come down, not go up.": [[raw, raw * s]],
        "has two equal rows: nothing has been divided by s yet.": [[raw, raw]],
        "divides by the number of reads, which gives the share p back. Dividing by s keeps the unit of a count.": [
            [raw, raw / (1e6 * s)]
        ],
        "has the size factors in the wrong order: which tube was read deeper?": [[raw, raw / s[::-1]]],
        "is equal in both tubes, as it should be, yet in another unit: here s is relative to the first tube.": [
            [raw, raw / np.sqrt([0.5, 2])],
            [raw, raw / (s / s.mean())],
        ],
    }


def size_factors(counts, right):
    """Of the median of ratios, (n,) each."""
    totals = counts.sum(axis=1)
    kept = counts[:, (counts > 0).all(axis=0)]
    geometric = np.exp(np.log(kept).mean(axis=0))
    return {
        "comes from an arithmetic mean over the samples: one deep sample then dominates the reference. "
        "Which mean suits ratios?": [np.median(table / table.mean(axis=0), axis=1) for table in (counts, kept)],
        "uses each gene's median over the samples as the reference; a geometric mean was asked for.": [
            np.median(kept / np.median(kept, axis=0), axis=1)
        ],
        "takes a mean of the ratios over the genes: a few genes that really changed can drag it anywhere.": [
            (kept / geometric).mean(axis=1),
            np.exp(np.log(kept / geometric).mean(axis=1)),
        ],
        "is made of totals. They follow the loudest genes; the typical gene was asked for.": [
            totals / scale for scale in (1, totals.mean(), totals[0], np.median(totals), np.exp(np.log(totals).mean()))
        ],
        "is a normalization factor: the library size has been divided out of it, and a size factor still holds it.": [
            right / totals,
            normalization.to_norm_factors(right, totals),
        ],
        "is the median count of each sample: there is no ratio in it yet.": [
            np.median(table, axis=1) for table in (counts, kept)
        ],
        "compares with a single sample, so its luck is in every factor. Compare with the mean of all of them.": [
            np.median(kept / row, axis=1) for row in kept
        ],
        "has the right ratios between samples, but was scaled once more at the end. The formula does not do that.": [
            right / scale for scale in (np.exp(np.log(right).mean()), right.mean(), right[0], right.sum())
        ],
        "takes one base of the logarithm and undoes another: log goes with exp, log2 with 2**x.": [
            right**power for power in (np.log(2), np.log2(np.e), np.log(10), np.log10(np.e))
        ],
        "comes from counts plus a pseudo-count. It makes zeros vote, with a number that you chose.": [
            np.exp(f(np.log(counts + one) - np.log(counts + one).mean(axis=0)))
            for one in (0.5, 1)
            for f in (_median, lambda log: np.log(_median(np.exp(log))))
        ],
        "lets genes with a zero vote where they have a count. That is the idea of poscounts; here they leave.": [
            normalization.size_factors(counts, "poscounts"),
            _vote_where_counted(counts, np.log(np.maximum(counts, 1)).mean(axis=0)),
            _vote_where_counted(counts, np.nanmean(np.log(np.where(counts > 0, counts, np.nan)), axis=0)),
        ],
    }


def _median(table):
    return np.median(table, axis=1)


def _vote_where_counted(counts, log_reference):
    log = np.log(np.where(counts > 0, counts, np.nan))
    return np.exp(np.nanmedian(log - log_reference, axis=1))


def predicted_shift(share, fold, right):
    """Of the fold change that unchanged genes seem to have when one gene changes."""
    return {
        "adds all of the tripled gene to a total that already holds it once.": [1 / (1 + share * fold)],
        "subtracts what the loud gene gained. That is a first step of a series, good for small shares only.": [
            1 - share * (fold - 1)
        ],
        "lets the loud gene's slice grow by its full fold. Its slice of the *new* pie is smaller than that.": [
            (1 - share * fold) / (1 - share)
        ],
        "is the observed fold change of the loud gene. The others were asked for.": [right * fold],
        "says that the unchanged genes stay where they are. Their molecules do; their reads do not.": [1.0],
        "forgets that the loud gene is only part of the pie.": [1 / fold, fold],
        "forgets the rest of the pie: it has only the loud gene's own reads in it.": [
            share * fold,
            1 / (share * fold) if share else np.inf,
        ],
        "takes share for a percentage; it is a fraction, 0.2 for a fifth.": [1 / (1 + share / 100 * (fold - 1))],
    }


def simulated_shift(fold, right):
    """Of its simulation."""
    return {
        "finds the unchanged genes unchanged: does your sequencer deal out the same number of reads in B as in A? "
        "And is the loud gene left out?": [1.0],
        "is the fold change of the loud gene. Look at all the others.": [right * fold],
        "has the ratio upside down: B over A was asked for.": [1 / right],
        "is a logarithm; the ratio itself was asked for.": [np.log2(right), np.log(right)],
    }


LATE = "comes from library sizes summed after genes had been dropped. Reads of dropped genes are reads too."


def m_values(table, y, y_reference):
    """Of M, for the genes in `table` (from `normalization.m_and_a`)."""
    return {
        "compares raw counts: without the library sizes it measures depth.": [np.log2(y / y_reference)[table.index]],
        "is A: the two have changed places.": [table["A"]],
        "has the ratio upside down: sample over reference.": [-table["M"]],
        LATE: [_m_and_variance(table, y, y_reference, late=True)[0]],
        "is the difference of the shares, not the logarithm of their ratio.": [
            (y / y.sum() - y_reference / y_reference.sum())[table.index]
        ],
    }


def a_values(table, y, y_reference):
    """Of A, for the same genes."""
    share, share_reference = y / y.sum(), y_reference / y_reference.sum()
    late = np.log2(y / y[table.index].sum()) + np.log2(y_reference / y_reference[table.index].sum())
    return {
        "is a sum of two logs; the mean of them was asked for.": [2 * table["A"]],
        "is the log of a mean; the mean of the logs was asked for.": [
            np.log2((share + share_reference) / 2)[table.index]
        ],
        "is made of raw counts: the library sizes are missing.": [(np.log2(y * y_reference) / 2)[table.index]],
        LATE: [(late / 2)[table.index]],
    }


def _m_and_variance(table, y, y_reference, late=False):
    """M and its variance, with library sizes of all genes or, too late, of those counted in both."""
    kept, kept_reference = y[table.index], y_reference[table.index]
    n, n_reference = (kept.sum(), kept_reference.sum()) if late else (y.sum(), y_reference.sum())
    variance = (n - kept) / n / kept + (n_reference - kept_reference) / n_reference / kept_reference
    return np.log2((kept / n) / (kept_reference / n_reference)), variance


def tmm_factor(table, y, y_reference, right):
    """Of an untrimmed, precision-weighted TMM."""
    (m, variance), (late_m, late_variance) = (_m_and_variance(table, y, y_reference, late) for late in (False, True))
    y, y_reference, depth = y[table.index], y_reference[table.index], y.sum() / y_reference.sum()
    kept = table["kept"].to_numpy()

    def mean(weights, m=m):
        return 2 ** np.average(m, weights=weights)

    return {
        "gives every gene the same say: a gene with 5 reads counts as much as one with 5,000.": [mean(np.ones(len(m)))],
        "has its weights upside down: the noisiest genes have the largest say.": [mean(variance)],
        "weighs by one over the standard deviation; the variance belongs there.": [mean(variance**-0.5)],
        "weighs as if a count were Poisson: the part (N - y) / N is missing, and here a loud gene shows it.": [
            mean(1 / (1 / y + 1 / y_reference))
        ],
        "weighs by the counts themselves, not by the precision of M.": [
            mean(weight) for weight in (y, y_reference, y + y_reference)
        ],
        "is a median of M. The precision-weighted mean was asked for.": [2 ** np.median(m)],
        "takes one base of the logarithm and undoes another: M is a log2, so undo it with 2**x.": [
            right ** np.log2(np.e),
            right ** np.log(2),
        ],
        "was trimmed. This exercise leaves the trims out, so that you see what they are for.": [
            mean(1 / variance[kept], m[kept]),
            2 ** m[kept].mean(),
        ],
        "is a ratio of size factors: the library sizes are in it. A normalization factor is what they leave over.": [
            right * depth,
            depth,
        ],
        LATE: [mean(1 / late_variance, late_m)],
    }


def bias(counts, factors, in_b, unchanged, right):
    """Of the bias of the unchanged genes' log2 fold change."""

    def ratio(table, genes=unchanged, summarise=np.mean):
        return np.log2(summarise(table[in_b][:, genes], axis=0) / summarise(table[~in_b][:, genes], axis=0)).mean()

    normalized = counts / factors[:, None]
    return {
        "has the wrong sign: B over A was asked for, and the size of the bias is taken later, in the scan.": [-right],
        "forgets to divide by the size factors.": [ratio(counts)],
        "multiplies by the size factors: dividing takes the depth out.": [ratio(counts * factors[:, None])],
        "is a natural logarithm; the limit of 0.5 is meant in log2.": [right * np.log(2)],
        "is a plain ratio; on the log2 scale no change is 0.": [2.0**right],
        "looks at all genes. Those that changed are supposed to differ: the unchanged ones are the judges.": [
            ratio(normalized, np.ones_like(unchanged)),
            np.log2(normalized[in_b].mean() / normalized[~in_b].mean()),
        ],
        "looks at the changed genes. The unchanged ones are the judges.": [ratio(normalized, ~unchanged)],
        "adds up samples; with 2 against 4 of them, only means can be compared.": [ratio(normalized, summarise=np.sum)],
    }


LOST = {  # study, method: what fails
    ("A", "total"): "the cells hold more RNA in one group, and dividing by totals makes them equal by decree",
    ("A", "median_of_ratios"): "it takes the typical gene for unchanged, and here the typical gene went up",
    ("A", "tmm"): "its trims cut off a minority of extreme genes, and here the majority moved, all the same way",
    ("A", "poscounts"): "zeros are not the trouble here, and the typical gene it holds still went up",
    ("A", "pooling"): "there are no cells to pool, and a pool's typical gene went up like any other",
    ("B", "total"): "a gene with a twelfth of all reads nearly doubles, and the totals pass that on to all the others",
    (
        "B",
        "poscounts",
    ): "it lets in the genes with zeros, the noisiest there are, and thousands without any are at hand",
    ("B", "spike_ins"): "none were added, and nobody can add them afterwards",
    ("B", "pooling"): "it pays with assumptions for getting rid of zeros, and these samples are deep already",
    ("C", "total"): "plasma cells spend half of their molecules on a handful of genes, and totals take that for depth",
    ("C", "median_of_ratios"): "look how many genes are counted in every cell: next to nobody votes",
    ("C", "tmm"): "a pair of cells shares few genes, and after the trims hardly any is left to average",
    ("C", "poscounts"): "at this depth most counts that are not zero are one, so its ratios scarcely follow the depth",
    ("C", "spike_ins"): "the protocol has none, as droplet protocols commonly have not",
}

WEAK = {  # why a reason does not carry
    "stable genes": "are most genes stable in this study? And if they are, does that single out this method",
    "known input": "was anything added in a known amount in this study",
    "equal totals": "read again what the study says about the RNA of its cells, or about its loudest genes: are they",
    "never fails": "a wrong size factor is a number too. What makes it the right number",
    "sums have few zeros": "are zeros what makes this study hard",
    "common practice": "others may have had other data. What has to be true of these",
}


def recovered_counts(table, counts, base, scale):
    """Of undoing log(1 + counts per `scale`)."""
    totals = counts.sum(axis=1).to_numpy()[:, None]
    logs = table.to_numpy()
    scaled = np.expm1(logs * np.log(base))
    others = [other**logs - 1 for other in (2, np.e, 10) if other != base]
    return {
        "keeps the 1 that was added before the logarithm.": [
            (scaled + 1) / (scaled + kept).sum(axis=1, keepdims=True) * totals for kept in (0, 1)
        ],
        "is still scaled: the logarithm is undone, the division by the totals is not.": [scaled, scaled + 1],
        "still holds logarithms: undo them before you scale.": [logs / scale * totals, logs * totals],
        "was undone with another base than it was made with. The row totals tell which base is right.": [
            other / divisor * totals for other in others for divisor in (scale, other.sum(axis=1, keepdims=True))
        ],
        "takes a total for granted that this table does not have: read it off the rows.": [
            scaled / other * totals for other in (1e4, 1e6) if other != scale
        ],
        "was divided by the library sizes where it should be multiplied.": [scaled / totals, scaled * scale / totals],
    }
