"""Which letters mean the same SNP: alleles compared as written, swapped, and on the other strand.

A dosage or an effect is told for one allele, the effect allele, of two. Another file may count the other allele, which
turns the sign, or name the letters of the other strand of the DNA: A and C there are T and G here. Where the two
letters are complements of each other (A and T, C and G: palindromic, or ambiguous), swapping and changing the strand
look the same, and letters alone cannot tell which happened.

What is longer than a letter (an indel), and codes such as D and I, are compared as written or swapped, and never by
their complement: the other strand places an indel by its other neighbour, so its letters there are not these
letters' complements.

Everything works on whole columns: a million SNPs take less than a second, and columns of categories are faster still.
"""

import numpy as np
import pandas as pd

from scomics_lite.validation import InputError

LETTERS = ("A", "C", "G", "T")  # their codes are 0, 1, 2, 3, so that the complement of a code is 3 - code
MISSING = frozenset({"", "N", "NA", "NAN", "NONE", ".", "0"})  # what files write where an allele is not known


def complement(alleles):
    """Give the letters of the other strand: A and T, C and G change places.

    Parameters
    ----------
    alleles : array_like of str, shape (k,)
        In any case.

    Returns
    -------
    ndarray of str, shape (k,)
        In capitals. None where there is no single letter A, C, G or T: see the top of `alleles`.

    Examples
    --------
    >>> complement(["A", "c", "AT"]).tolist()
    ['T', 'G', None]
    """
    (codes,) = _codes(alleles)
    other = np.array([*reversed(LETTERS), None], dtype=object)
    return other[np.where(_is_letter(codes), codes, len(LETTERS))]


def is_palindromic(ref_alleles, eff_alleles):
    """Tell for which SNPs the two strands cannot be told apart: A with T, C with G.

    Parameters
    ----------
    ref_alleles, eff_alleles : array_like of str, shape (k,)
        The two alleles of each SNP, in any case. Which comes first does not matter.

    Returns
    -------
    ndarray of bool, shape (k,)
        False for indels and where an allele is missing.

    Examples
    --------
    >>> is_palindromic(["A", "A", "g", "AT"], ["T", "C", "C", "A"]).tolist()
    [True, False, True, False]
    """
    ref, eff = _codes(ref_alleles, eff_alleles)
    return _is_letter(ref) & (eff == len(LETTERS) - 1 - ref)


def alignment(ref_a, eff_a, ref_b, eff_b):
    """Compare the alleles of the same SNPs in two sources, row by row.

    Parameters
    ----------
    ref_a, eff_a : array_like of str, shape (k,)
        Reference (other) allele and effect allele in the one source, in any case.
    ref_b, eff_b : array_like of str, shape (k,)
        The same in the other source. Rows are matched by place; an index is not looked at.

    Returns
    -------
    ndarray of int8, shape (k,)
        1 where both count the same allele; -1 where they count opposite ones, so that an effect changes its sign and a
        dosage d becomes 2 - d; 0 where they cannot be aligned: other alleles, one missing ("", "N", "NA", ".", "0"),
        or twice the same allele in one source. Single letters are compared on both strands (`is_strand_flip` says where
        that was needed); a palindromic SNP (`is_palindromic`) as it is written, which may be wrong.

    Examples
    --------
    As written, swapped, on the other strand, both, and another SNP altogether:

    >>> alignment(["A"] * 5, ["C"] * 5, ["A", "C", "T", "g", "A"], ["C", "A", "G", "t", "G"]).tolist()
    [1, -1, 1, -1, 0]
    """
    ref_a, eff_a, ref_b, eff_b = _codes(ref_a, eff_a, ref_b, eff_b)
    here = _sign(ref_a, eff_a, ref_b, eff_b)
    return np.where(here != 0, here, _sign(*_other_strand(ref_a, eff_a), ref_b, eff_b))


def is_strand_flip(ref_a, eff_a, ref_b, eff_b):
    """Tell which SNPs agree only if one source is read on the other strand.

    Parameters
    ----------
    ref_a, eff_a, ref_b, eff_b : array_like of str, shape (k,)
        As for `alignment`.

    Returns
    -------
    ndarray of bool, shape (k,)
        Never True for a palindromic SNP, which agrees as it is written.

    Examples
    --------
    >>> is_strand_flip(["A", "A", "A"], ["C", "C", "T"], ["A", "T", "T"], ["C", "G", "A"]).tolist()
    [False, True, False]
    """
    ref_a, eff_a, ref_b, eff_b = _codes(ref_a, eff_a, ref_b, eff_b)
    return (_sign(ref_a, eff_a, ref_b, eff_b) == 0) & (_sign(*_other_strand(ref_a, eff_a), ref_b, eff_b) != 0)


def is_unknown(alleles):
    """Tell where an allele is missing, in any of the ways in which files write that.

    Parameters
    ----------
    alleles : array_like of str, shape (k,)

    Returns
    -------
    ndarray of bool, shape (k,)

    Examples
    --------
    >>> is_unknown(["A", "n", ".", None, "AT", "0"]).tolist()
    [False, True, True, True, False, True]
    """
    return _codes(alleles)[0] < 0


def _sign(ref_a, eff_a, ref_b, eff_b):
    """1, -1 or 0 for codes compared as they are."""
    is_known = (np.minimum(ref_a, eff_a) >= 0) & (ref_a != eff_a)
    same, swapped = (ref_a == ref_b) & (eff_a == eff_b), (ref_a == eff_b) & (eff_a == ref_b)
    return (is_known & same).astype(np.int8) - (is_known & swapped).astype(np.int8)


def _other_strand(*columns):
    """Give the codes of complements; missing where there is none."""
    return [np.where(_is_letter(codes), len(LETTERS) - 1 - codes, -1) for codes in columns]


def _is_letter(codes):
    return (codes >= 0) & (codes < len(LETTERS))


def _codes(*columns):
    """Give all columns' alleles the same numbers: `LETTERS` first, then whatever else occurs; -1 where missing."""
    columns = [_categories(column) for column in columns]
    if len({len(column) for column in columns}) > 1:
        lengths = ", ".join(f"{len(column):,}" for column in columns)
        raise InputError(f"columns of alleles are compared row by row and need one length; got {lengths}")
    spelled = [[str(one).strip().upper() for one in column.categories] for column in columns]
    known = dict.fromkeys(LETTERS) | dict.fromkeys(one for words in spelled for one in words if one not in MISSING)
    number = {word: code for code, word in enumerate(known)}
    tables = [np.array([*(number.get(one, -1) for one in words), -1], dtype=np.int32) for words in spelled]
    return [table[column.codes] for table, column in zip(tables, columns, strict=True)]  # code -1 takes the last


def _categories(column):
    """Make a column of alleles categorical: one text for each spelling, and a number for each row."""
    if isinstance(column, str):
        column = [column]
    column = getattr(column, "array", column)  # of a Series: its values without its index
    if isinstance(column, pd.Categorical):
        return column
    codes, spellings = pd.factorize(np.asarray(column, dtype=object))
    return pd.Categorical.from_codes(codes, spellings)
