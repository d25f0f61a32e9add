"""Alleles of two sources are compared as written, swapped, and on the other strand; what cannot be told is 0."""

from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest

from scomics_lite.twas import alignment, complement, is_palindromic, is_strand_flip
from scomics_lite.twas.genotypes.alleles import is_unknown
from scomics_lite.validation import InputError

OTHER = {"A": "T", "C": "G", "G": "C", "T": "A"}
PAIRS = list(permutations("ACGT", 2))


def expected(a, b):
    """One SNP at a time, in the words of the docstring."""
    other = tuple(OTHER[letter] for letter in a)
    for letters in (a, other):
        if letters == b:
            return 1
        if letters == b[::-1]:
            return -1
    return 0


def test_every_pair_of_snps_is_aligned_as_the_definition_says():
    both = list(product(PAIRS, PAIRS))
    (ref_a, eff_a), (ref_b, eff_b) = (zip(*column, strict=True) for column in zip(*both, strict=True))
    signs = alignment(ref_a, eff_a, ref_b, eff_b)
    assert signs.dtype == np.int8
    assert signs.tolist() == [expected(a, b) for a, b in both]
    assert set(signs.tolist()) == {-1, 0, 1}
    flips = is_strand_flip(ref_a, eff_a, ref_b, eff_b)
    assert flips.tolist() == [a not in (b, b[::-1]) and expected(a, b) != 0 for a, b in both]
    assert not flips[is_palindromic(ref_a, eff_a)].any()
    assert is_palindromic(*zip(*PAIRS, strict=True)).tolist() == [OTHER[ref] == eff for ref, eff in PAIRS]


def test_small_letters_and_spaces_around_them_mean_the_same():
    assert alignment(["a", " A"], ["c", "C "], ["A", "g"], ["C", "t"]).tolist() == [1, -1]
    assert complement(["a", "C", "g", " t"]).tolist() == ["T", "G", "C", "A"]


def test_indels_are_matched_as_written_or_swapped_and_on_no_other_strand():
    written = ["A", "AT", "ACG"]
    longer = ["AT", "A", "A"]
    assert alignment(written, longer, written, longer).tolist() == [1, 1, 1]
    assert alignment(written, longer, longer, written).tolist() == [-1, -1, -1]
    # base by base the complement of A/AT is T/TA, turned round T/AT: neither is the same place on the genome
    assert alignment(["A", "A"], ["AT", "AT"], ["T", "T"], ["TA", "AT"]).tolist() == [0, 0]
    assert alignment(["D", "I"], ["I", "D"], ["D", "D"], ["I", "I"]).tolist() == [1, -1]
    assert alignment(["D"], ["I"], ["A"], ["AT"]).tolist() == [0]
    assert not is_palindromic(["AT", "D"], ["TA", "I"]).any()
    assert complement(["AT", "D", "-"]).tolist() == [None, None, None]


@pytest.mark.parametrize("missing", ["", "N", "n", ".", "0", "NA", None, np.nan])
def test_a_missing_allele_cannot_be_aligned_not_even_with_itself(missing):
    for places in range(4):
        columns = [["A"], ["C"], ["A"], ["C"]]
        columns[places] = [missing]
        assert alignment(*columns).tolist() == [0]
        assert not is_strand_flip(*columns)[0]
    assert alignment([missing], ["C"], [missing], ["C"]).tolist() == [0]
    assert is_unknown(["A", missing]).tolist() == [False, True]


def test_the_same_letter_twice_is_no_snp():
    assert alignment(["A", "A"], ["A", "C"], ["A", "C"], ["A", "C"]).tolist() == [0, 0]


def test_turning_one_source_round_turns_the_sign_and_its_strand_changes_nothing():
    letters = np.random.default_rng(3).choice([*"ACGT", "AT", "D", ""], size=(4, 2_000)).astype(object)
    signs = alignment(*letters)
    ref_a, eff_a, ref_b, eff_b = letters
    np.testing.assert_array_equal(alignment(eff_a, ref_a, ref_b, eff_b), -signs)
    np.testing.assert_array_equal(alignment(ref_b, eff_b, ref_a, eff_a), signs)
    single = np.isin(letters, list(OTHER)).all(axis=0) & ~is_palindromic(ref_a, eff_a)
    other = complement(ref_a[single]), complement(eff_a[single])
    np.testing.assert_array_equal(alignment(*other, ref_b[single], eff_b[single]), signs[single])


def test_columns_of_tables_are_matched_by_place_and_may_be_categories():
    table = pd.DataFrame({"ref": ["A", "G", None], "eff": ["C", "T", "A"]}, index=["rs1", "rs2", "rs3"])
    turned = table.iloc[::-1]
    assert alignment(table["ref"], table["eff"], turned["eff"], turned["ref"]).tolist() == [0, -1, 0]
    packed = table.astype("category")
    assert alignment(packed["ref"], packed["eff"], table["ref"], table["eff"]).tolist() == [1, 1, 0]
    for kind in ("string", "str"):
        column = table["ref"].astype(kind)
        assert alignment(column, table["eff"], table["ref"], table["eff"]).tolist()[:2] == [1, 1]


def test_numbers_for_letters_are_compared_as_they_are_written():
    assert alignment([1, 2], [2, 1], ["1", "1"], ["2", "2"]).tolist() == [1, -1]
    assert alignment([0], [2], [0], [2]).tolist() == [0]  # PLINK's code for a missing allele


def test_columns_of_other_lengths_are_refused():
    with pytest.raises(InputError, match=r"row by row and need one length; got 2, 2, 2, 1"):
        alignment(["A", "A"], ["C", "C"], ["A", "A"], ["C"])


def test_one_snp_and_none():
    assert alignment("A", "C", "T", "G").tolist() == [1]
    assert alignment([], [], [], []).tolist() == []
