"""From which score on a site is rare: the distribution of a motif's score over random sequences, exactly."""

import numpy as np

from scomics_lite.dna.motifs import EVEN, check_background
from scomics_lite.validation import InputError

ERROR = 0.01  # bits: a threshold this much lower would be reached too often


def score_thresholds(motifs, pvalue=1e-4, background=EVEN):
    """Find the score that a random sequence reaches with no more than a given probability, for each motif.

    The score of a site is S = Σ_j log2(p_j(x_j) / q(x_j)), with p the motif's probabilities and q the background, from
    which the letters of a random sequence are drawn independently. The distribution of S is that of a sum of
    independent terms, and is built up place by place (Staden 1989): P_j(s) = Σ_x q(x) P_{j-1}(s - L_j(x)). Scores are
    held on a grid with width + 1 steps in 0.01 bits, and each term is rounded up, so that a score on the grid is never
    below the true one, and less than 0.01 bits above it: P(S ≥ θ) ≤ pvalue < P(S ≥ θ - 0.01), exactly.

    Parameters
    ----------
    motifs : Motifs
    pvalue : float
        Between 0 and 1. 1e-4 is the default of FIMO (Grant et al. 2011).
    background : sequence of four numbers
        Frequencies of A, C, G, T.

    Returns
    -------
    ndarray of float64, shape (number of motifs,)
        In bits. Where even the best of all sites is more frequent than `pvalue`, as with motifs of six places
        (4^-6 = 2.4e-4), the threshold lies above it, by log2 of how many times more frequent: no site reaches it.

    Raises
    ------
    InputError
        For a probability or frequencies that are none.

    Examples
    --------
    >>> from scomics_lite.dna import jaspar_motifs
    >>> score_thresholds(jaspar_motifs().select(["MA0139.2"])).round(1)
    array([9.4])
    """
    if not 0 < pvalue < 1:
        raise InputError(f"pvalue must lie between 0 and 1, not {pvalue}")
    q = check_background(background)
    return np.array([_threshold(scores, q, pvalue) for scores in motifs.log_odds(q)])


def _threshold(scores, q, pvalue):
    """Give the threshold of one motif's scores (width, 4)."""
    step = ERROR / (len(scores) + 1)
    steps = np.ceil(scores / step - 1e-9).astype(int)  # (width, 4); a term that lies on the grid stays there
    lowest = steps.min(axis=1)
    tail = np.cumsum(_distribution(steps - lowest[:, None], q)[::-1])[::-1]  # P(S >= score) along the grid
    rare = np.flatnonzero(tail <= pvalue)
    if len(rare):
        return (rare[0] + lowest.sum()) * step
    return scores.max(axis=1).sum() + np.log2(tail[-1] / pvalue)


def _distribution(steps, q):
    """Give the probabilities of the sums 0, 1, 2 … of one step (width, 4) from each place, the letters drawn from q."""
    P = np.ones(1)
    for row in steps:
        longer = np.zeros(len(P) + row.max())
        for step, frequency in zip(row, q, strict=True):
            longer[step : step + len(P)] += frequency * P
        P = longer
    return P
