"""Sequences of letters as matrices of zeros and ones, and the other strand of a sequence."""

import numpy as np

from scomics_lite.validation import InputError

BASES = "ACGT"  # the columns of a one-hot matrix; reversed, they are their complements
UNCERTAIN = "NRYSWKMBDHV"  # IUPAC: one of several bases
COMPLEMENTS = str.maketrans("ACGTRYSWKMBDHVNacgtryswkmbdhvn", "TGCAYRSWMKVHDBNtgcayrswmkvhdbn")
NO_LETTER = 255


def _codes():
    """Give the code of each of 256 bytes: 0 to 3 for A, C, G, T, 4 for what is uncertain, 255 for no letter of DNA."""
    table = np.full(256, NO_LETTER, np.uint8)
    for letters, codes in ((BASES, range(4)), (UNCERTAIN, [4] * len(UNCERTAIN))):
        for letter, code in zip(letters, codes, strict=True):
            table[[ord(letter), ord(letter.lower())]] = code
    return table


CODES = _codes()
ROWS = np.eye(5, 4, dtype=np.float32)  # the last row is zero


def one_hot(sequences):
    """Turn sequences into matrices with a row for each base and a one in its column.

    Parameters
    ----------
    sequences : sequence of str
        n sequences of the same length, in upper or lower case.

    Returns
    -------
    ndarray of float32, shape (n, length, 4)
        Columns A, C, G, T. The row of an N, and of every other letter that stands for several bases, is zero: it
        speaks for no base.

    Raises
    ------
    InputError
        Where the lengths differ, or a letter is none of DNA's.

    Examples
    --------
    >>> one_hot(["ACN", "ttg"])[:, :, 3]
    array([[0., 0., 0.],
           [1., 1., 0.]], dtype=float32)
    """
    return numbered_one_hot(sequences, 1)


def numbered_one_hot(sequences, first):
    """Do as `one_hot` does for a part of many sequences, so that a message tells the number among all.

    Parameters
    ----------
    sequences : sequence of str
    first : int
        The number of the first of them.

    Returns
    -------
    ndarray of float32, shape (n, length, 4)

    Raises
    ------
    InputError

    Examples
    --------
    >>> numbered_one_hot(["A"], 65)
    array([[[1., 0., 0., 0.]]], dtype=float32)
    """
    sequences = check_sequences(sequences)
    for number, sequence in enumerate(sequences, first):
        if not isinstance(sequence, str):
            raise InputError(f"sequence {number} is of type {type(sequence).__name__}, where a text is needed")
        if len(sequence) != len(sequences[0]):
            raise InputError(
                f"sequence {number} has {len(sequence):,} letters, sequence {first} has {len(sequences[0]):,}: a "
                "matrix takes sequences of the same length; cut them to it, or turn them into matrices one by one"
            )
    letters = "".join(sequences).encode("latin-1", "replace")
    codes = CODES[np.frombuffer(letters, np.uint8)].reshape(len(sequences), len(sequences[0]) if sequences else 0)
    _check_letters(codes, sequences, first)
    return ROWS[codes]


def check_sequences(sequences):
    """Refuse one text where several are needed: Python would take each of its letters for a sequence.

    Parameters
    ----------
    sequences : sequence of str, or array

    Returns
    -------
    list of str, or array

    Raises
    ------
    InputError

    Examples
    --------
    >>> check_sequences(("AC", "GT"))
    ['AC', 'GT']
    """
    if isinstance(sequences, str):
        raise InputError("sequences is a single text; put it into a list: [sequence]")
    return sequences if getattr(sequences, "ndim", 0) == 3 else list(sequences)


def reverse_complement(sequence):
    """Give the other strand of a sequence, read in its own direction.

    Parameters
    ----------
    sequence : str
        Upper or lower case, which is kept; with letters for several bases too.

    Returns
    -------
    str

    Raises
    ------
    InputError
        For a letter that is none of DNA's.

    Examples
    --------
    >>> reverse_complement("AACRn")
    'nYGTT'
    """
    numbered_one_hot([sequence], 1)  # refuses what is no DNA
    return sequence.translate(COMPLEMENTS)[::-1]


def _check_letters(codes, sequences, first):
    """Name the first letter that is no DNA; codes (n, length) of n sequences."""
    wrong = np.argwhere(codes == NO_LETTER)
    if len(wrong) == 0:
        return
    row, place = wrong[0]
    letter = sequences[row][place]
    known = f"known are A, C, G, T and, for several bases, {', '.join(UNCERTAIN)}"
    advice = "; RNA has U where DNA has T: sequence.replace('U', 'T')" if letter in "Uu" else ""
    raise InputError(f"sequence {first + row} has {letter!r} at letter {place + 1}, which is no base: {known}{advice}")
