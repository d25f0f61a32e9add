"""Features from motifs: against a plain loop over all places, enumeration, an independent scanner, and differences."""

import itertools

import numpy as np
import pytest
import torch

from scomics_lite.dna import MotifFeatures, Motifs, jaspar_motifs, one_hot, reverse_complement, score_thresholds
from scomics_lite.validation import InputError

WIDTHS = (1, 2, 5, 6, 9, 10)


def random_motifs(rng, widths=WIDTHS):
    matrices = [rng.dirichlet(np.full(4, 0.4), width) * 0.96 + 0.01 for width in widths]
    ids = [f"M{number}" for number in range(len(widths))]
    return Motifs(ids, [f"f{number}" for number in range(len(widths))], matrices)


def random_sequence(rng, length, letters="ACGT"):
    return "".join(rng.choice(list(letters), length))


def expected_sites(matrix, theta, sequence, first, last):
    """Sum the occupancy of all sites whose middle base, counted along their strand, is one of [first, last)."""
    width, total = len(matrix), 0.0
    for strand in (0, 1):
        text = reverse_complement(sequence) if strand else sequence
        for start in range(len(text) - width + 1):
            middle = start + width // 2
            place = len(text) - 1 - middle if strand else middle
            if first <= place < last:
                letters = text[start : start + width]
                s = sum(np.log2(4 * matrix[j, "ACGT".index(x)]) for j, x in enumerate(letters) if x in "ACGT")
                total += 1 / (1 + 2.0 ** (theta - s))
    return total


@pytest.mark.parametrize(
    ("length", "bin_width", "bins"), [(60, 8, 4), (60, 10, 6), (61, 5, 5), (12, 4, 3), (12, 2, 1), (11, 1, 1)]
)
def test_features_are_what_a_loop_over_all_places_and_both_strands_gives(length, bin_width, bins):
    rng = np.random.default_rng(length * bins)
    motifs = random_motifs(rng)
    module = MotifFeatures(motifs, length=length, bin_width=bin_width, bins=bins, pvalue=0.01).double()
    sequences = [random_sequence(rng, length, "ACGTN") for _ in range(3)]
    theta = score_thresholds(motifs, 0.01)
    first = (length - bins * bin_width) // 2
    expected = [
        [
            expected_sites(matrix, cut, sequence, first, first + bins * bin_width) / bins
            for matrix, cut in zip(motifs.matrices, theta, strict=True)
        ]
        for sequence in sequences
    ]
    found = module(torch.from_numpy(one_hot(sequences)).double()).numpy()
    np.testing.assert_allclose(found, expected, rtol=3e-6)  # kernels and thresholds were held in float32
