"""Sequences as matrices, and the other strand."""

import numpy as np
import pandas as pd
import pytest

from scomics_lite.dna import one_hot, reverse_complement
from scomics_lite.validation import InputError


def test_every_base_is_a_one_in_its_column_in_upper_and_lower_case():
    expected = np.eye(4, dtype=np.float32)
    for text in ("ACGT", "acgt", "AcGt"):
        np.testing.assert_array_equal(one_hot([text])[0], expected)
    assert one_hot(["ACGT"]).dtype == np.float32


def test_letters_that_stand_for_several_bases_are_rows_of_zeros():
    many = "NRYSWKMBDHV"
    assert one_hot([many, many.lower()]).sum() == 0
    assert one_hot(["ANA"]).sum(axis=2).tolist() == [[1, 0, 1]]


def test_texts_may_come_in_any_sequence_and_none_gives_none():
    by_gene = pd.Series(["AC", "GT"], index=["g1", "g2"])
    np.testing.assert_array_equal(one_hot(by_gene), one_hot(("AC", "GT")))
    assert one_hot([]).shape == (0, 0, 4)
    assert one_hot([""]).shape == (1, 0, 4)


def test_the_reverse_complement_is_the_matrix_turned_in_both_directions():
    rng = np.random.default_rng(1)
    sequence = "".join(rng.choice(list("ACGTN"), 300))
    turned = one_hot([reverse_complement(sequence)])
    np.testing.assert_array_equal(turned, one_hot([sequence])[:, ::-1, ::-1])
    assert reverse_complement(reverse_complement(sequence)) == sequence


def test_the_reverse_complement_knows_all_letters_of_iupac_and_keeps_their_case():
    assert reverse_complement("ACGTRYSWKMBDHVN") == "NBDHVKMWSRYACGT"
    assert reverse_complement("aCgN") == "NcGt"
    assert reverse_complement("") == ""


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ("ACGT", r"single text; put it into a list"),
        (["ACGT", "ACG"], r"sequence 2 has 3 letters, sequence 1 has 4"),
        (["ACGT", "ACXT"], r"sequence 2 has 'X' at letter 3, which is no base: known are A, C, G, T and"),
        (["ACGU"], r"'U' at letter 4.*replace\('U', 'T'\)"),
        (["AC-T"], r"sequence 1 has '-' at letter 3"),
        (["AC\u03b3T"], r"sequence 1 has '\u03b3' at letter 3"),
        (["ACGT", None], r"sequence 2 is of type NoneType"),
        ([b"ACGT"], r"sequence 1 is of type bytes"),
    ],
)
def test_what_is_no_sequence_is_refused_with_its_place(sequences, message):
    with pytest.raises(InputError, match=message):
        one_hot(sequences)


def test_the_advice_for_rna_works():
    assert one_hot(["ACGU".replace("U", "T")]).shape == (1, 4, 4)
    with pytest.raises(InputError, match="letter 2"):
        reverse_complement("A?")
