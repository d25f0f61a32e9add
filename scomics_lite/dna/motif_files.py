"""JASPAR's and MEME's files of motifs, line by line, and the one that comes with the package."""

import gzip
import re
from functools import cache
from pathlib import Path

import numpy as np

from scomics_lite.bundled import data_folder
from scomics_lite.dna.letters import BASES
from scomics_lite.dna.motifs import Motifs, probabilities_of
from scomics_lite.validation import InputError

BUNDLED = "JASPAR2024_CORE_vertebrates_nr.txt.gz"
GZIP = b"\x1f\x8b"
MEME_SITES = 20  # what MEME's own tools assume where a file gives no nsites
ROUNDED = 0.02  # four probabilities, each rounded to two digits
NUMBER = re.compile(r"[^\s\[\]]+")


def read_motifs(path):
    r"""Read motifs from a file in JASPAR's or MEME's text format.

    Parameters
    ----------
    path : path
        JASPAR: a line ``>id name``, then four rows of counts, with or without letters and brackets. MEME (minimal
        format): ``MOTIF id name``, then ``letter-probability matrix:`` and a row of four probabilities for each place.
        Plain text, or compressed by gzip.

    Returns
    -------
    Motifs
        Counts become probabilities as in `probabilities_of`. MEME's files hold probabilities: these times ``nsites``
        stand for the counts, or times 20, MEME's own default, where the file does not tell.

    Raises
    ------
    InputError
        For a file that is not there, or not as above; the message names line and motif.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("own.jaspar").write_text(">M1 own\nA [8 0]\nC [0 8]\nG [0 0]\nT [0 0]\n")
    >>> read_motifs("own.jaspar").matrices[0].round(3)
    array([[0.804, 0.065, 0.065, 0.065],
           [0.065, 0.804, 0.065, 0.065]])
    """
    ids, names, counts, known = parse_motifs(path)
    matrices = [probabilities_of(matrix) for matrix in counts]
    kept = [matrix if is_known else None for matrix, is_known in zip(counts, known, strict=True)]
    return Motifs(ids, names, matrices, kept)


@cache
def jaspar_motifs():
    """Give the motifs of JASPAR 2024: CORE, vertebrates, the latest version of each (Rauluseviciute et al. 2024).

    Returns
    -------
    Motifs
        879, with 828 names of factors and of pairs of them, in the order of their ids. Their card is
        ``data/jaspar/README.md``.

    Examples
    --------
    >>> len(jaspar_motifs())
    879
    """
    return read_motifs(data_folder() / "jaspar" / BUNDLED)


def parse_motifs(path):
    r"""Read a file of motifs as counts.

    Parameters
    ----------
    path : path
        See `scomics_lite.dna.read_motifs`.

    Returns
    -------
    ids, names : list of str
    counts : list of ndarray, shape (width, 4)
    known : list of bool
        Whether these are counts, or probabilities times a number of sites that the file did not give.

    Raises
    ------
    InputError

    Examples
    --------
    >>> _ = Path("raw.pfm").write_text(">M1 own\n8 0 1\n0 8 1\n0 0 1\n0 0 1\n")
    >>> parse_motifs("raw.pfm")[0]
    ['M1']
    """
    lines = [(number, line.strip()) for number, line in enumerate(_text(path).splitlines(), 1)]
    lines = [(number, line) for number, line in lines if line]
    if not lines:
        raise InputError(f"{path} is empty: there are no motifs in it")
    number, first = lines[0]
    if first.startswith(">"):
        found = [_jaspar_motif(path, *block) for block in _blocks(lines, ">")]
    elif first.upper().startswith("MEME VERSION"):
        found = [_meme_motif(path, *block) for block in _meme_blocks(path, lines)]
    else:
        raise InputError(
            f"{path}, line {number}: {first[:40]!r} begins no file of motifs; JASPAR's begin with '>id name', MEME's "
            "with 'MEME version'"
        )
    _check_ids(path, found)
    _, ids, names, counts, known = map(list, zip(*found, strict=True))
    return ids, names, counts, known


def _text(path):
    path = Path(path)
    try:
        content = path.read_bytes()
        return (gzip.decompress(content) if content.startswith(GZIP) else content).decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{path} is not there: no motifs can be read from it") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text: files of motifs are text, plain or compressed by gzip") from None
    except (OSError, EOFError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None


def _blocks(lines, mark):
    """Cut lines (number, text) where one begins with the mark; give the number, heading and lines of each block."""
    starts = [place for place, (_, line) in enumerate(lines) if line.startswith(mark)]
    for start, end in zip(starts, [*starts, len(lines)][1:], strict=True):
        number, heading = lines[start]
        yield number, heading.removeprefix(mark).split(maxsplit=1), lines[start + 1 : end]


def _check_ids(path, found):
    first = {}
    for number, key, *_ in found:
        if key in first:
            raise InputError(f"{path}, line {number}: motif {key!r} stands in line {first[key]} too; remove one")
        first[key] = number


def _heading(path, number, words):
    if not words:
        raise InputError(f"{path}, line {number}: a motif without an id")
    return words[0], words[-1]  # the id stands for the name where there is none


def _jaspar_motif(path, number, words, lines):
    """Give line, id, name and counts of four rows, in the order of their letters where they have some."""
    key, name = _heading(path, number, words)
    if len(lines) != 4:
        raise InputError(
            f"{path}, line {number}: motif {key!r} has {len(lines)} rows of counts; needed are four, of A, C, G and T"
        )
    rows = [_jaspar_row(path, key, place, line) for place, line in enumerate(lines)]
    if sorted(letter for letter, _ in rows) != list(BASES):
        letters = ", ".join(letter for letter, _ in rows)
        raise InputError(f"{path}, line {number}: the rows of motif {key!r} are {letters}, not A, C, G, T")
    widths = [len(values) for _, values in rows]
    if len(set(widths)) != 1:
        raise InputError(f"{path}, line {number}: the rows of motif {key!r} have {widths} counts; they must be as many")
    counts = np.array([values for _, values in sorted(rows)]).T  # (width, 4)
    _check_counts(path, number, key, counts)
    return number, key, name, counts, True


def _jaspar_row(path, key, place, numbered):
    number, line = numbered
    words = NUMBER.findall(line)
    letter = BASES[place]
    if words and words[0].isalpha() and len(words[0]) == 1:
        letter = words.pop(0).upper()
    return letter, _numbers(path, number, key, words)


def _numbers(path, number, key, words):
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise InputError(
            f"{path}, line {number}: {' '.join(words)[:60]!r} in motif {key!r} is no row of numbers"
        ) from None
    wrong = [word for word, value in zip(words, values, strict=True) if not 0 <= value < np.inf]
    if wrong:
        raise InputError(f"{path}, line {number}: {wrong[0]} in motif {key!r} is neither a count nor a probability")
    return values


def _check_counts(path, number, key, counts):
    if len(counts) == 0:
        raise InputError(f"{path}, line {number}: motif {key!r} has no places")
    empty = np.flatnonzero(counts.sum(axis=1) == 0)
    if len(empty):
        raise InputError(f"{path}, line {number}: place {empty[0] + 1} of motif {key!r} has no counts at all")


def _meme_blocks(path, lines):
    alphabet = next(((number, line) for number, line in lines if line.upper().startswith("ALPHABET")), None)
    if alphabet and re.sub(r"ALPHABET\s*=?|\s", "", alphabet[1].upper()) not in (BASES, "DNA"):
        raise InputError(f"{path}, line {alphabet[0]}: {alphabet[1]!r}, where ALPHABET= ACGT is needed: DNA's motifs")
    blocks = list(_blocks(lines, "MOTIF"))
    if not blocks:
        raise InputError(f"{path} has no line 'MOTIF id name': there are no motifs in it")
    return blocks


def _meme_motif(path, number, words, lines):
    """Give line, id, name and counts: probabilities of the places, times the number of sites."""
    key, name = _heading(path, number, words)
    start = next((i for i, (_, line) in enumerate(lines) if line.lower().startswith("letter-probability")), None)
    if start is None:
        raise InputError(f"{path}, line {number}: motif {key!r} has no 'letter-probability matrix:'")
    at, heading = lines[start]
    given = dict(re.findall(r"(\w+)\s*=\s*(\S+)", heading))
    rows = []
    for place, line in lines[start + 1 :]:
        if line[0].isalpha() or line[0] in "-*":  # URL, another matrix, a rule between motifs
            break
        rows.append(_meme_row(path, place, key, line))
    width = given.get("w", str(len(rows)))
    if width != str(len(rows)) or not rows:
        raise InputError(f"{path}, line {at}: motif {key!r} has {len(rows)} rows of probabilities, and says w= {width}")
    sites = _numbers(path, at, key, [given["nsites"]])[0] if "nsites" in given else 0
    return number, key, name, np.array(rows) * (sites or MEME_SITES), sites > 0


def _meme_row(path, number, key, line):
    values = _numbers(path, number, key, line.split())
    if len(values) != 4 or abs(sum(values) - 1) > ROUNDED:
        raise InputError(
            f"{path}, line {number}: {line!r} in motif {key!r}; needed are four probabilities of A, C, G, T that "
            f"add up to 1, these {len(values)} give {sum(values):.6g}"
        )
    return np.array(values) / sum(values)
