"""The one check of notebook 00, with which it shows how exercises talk to their reader."""

import numpy as np

from scomics_lite.course.checks import differs, exercise, random_counts


@exercise(
    "ch00-first-check",
    hints=(
        "Samples are rows, genes are columns. Over which of the two do you have to add?",
        "A library size belongs to a sample: add all counts of its row. The result has one number for each row.",
        "numpy's sum takes axis=0 (rows) or axis=1 (columns). The axis you name is the one that is gone afterwards.",
    ),
)
def library_sizes(answer):
    """Compare with the total of every sample, on fresh random counts of 8 samples and 30 genes."""
    counts = random_counts(np.random.default_rng(), 8, 30)
    totals = answer(counts)
    if differs(totals, counts.sum(axis=0)) is None:
        return "these are the totals of the 30 genes (columns); wanted are those of the 8 samples (rows)."
    if differs(totals, counts.sum()) is None:
        return "this is the total of the whole table: one number, where each sample has its own."
    return differs(totals, counts.sum(axis=1))
