"""Tables in text files, read in blocks of some megabytes: columns as numbers or as categories, every line counted.

Memory does not grow with the file, and a line that was cut off is named by its number instead of being filled up in
silence. The work on single bytes is in `text_fields`.
"""

import gzip
import lzma
import zlib
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from scomics_lite.twas.exchange.file_access import open_by_content
from scomics_lite.twas.exchange.text_fields import SPACE, find_fields, number_words, parse_numbers
from scomics_lite.validation import InputError

BLOCK = 1 << 23  # bytes of text at a time
WHITESPACE = "whitespace"
MISSING = ("", "NA", "NaN", "nan", "NAN", "N/A", "n/a", "#N/A", "<NA>", ".", "NULL", "null", "None", "none")


class Broken(NamedTuple):
    """A line that has another number of fields than the header."""

    line: int
    text: str
    fields: int


class Block:
    """Some lines of a table, and where the wanted fields are in them."""

    def __init__(self, text, starts, ends, lines, broken):
        self.text, self.starts, self.ends = text, starts, ends
        self.lines = lines  # the number in the file of every line that has all its fields
        self.broken = broken  # the others

    def __len__(self):
        return len(self.lines)

    @cached_property
    def _data(self):
        return np.frombuffer(self.text, dtype=np.uint8)

    @cached_property
    def _letters(self):
        """The text as it can be cut by the byte; None where letters are longer than a byte."""
        return self.text.decode("ascii") if self.text.isascii() else None

    def words(self, slot, rows=None):
        """Give the text of a column.

        Parameters
        ----------
        slot : int
            Which of the wanted columns.
        rows : ndarray of int, optional
            Some rows alone.

        Returns
        -------
        list of str
        """
        starts, ends = self.starts[:, slot], self.ends[:, slot]
        if rows is not None:
            starts, ends = starts[rows], ends[rows]
        places = zip(starts.tolist(), ends.tolist(), strict=True)
        if self._letters is not None:
            letters = self._letters
            return [letters[start:end] for start, end in places]
        return [self.text[start:end].decode("utf-8", "replace") for start, end in places]

    def codes(self, slot, known):
        """Give the words of a column as numbers.

        Parameters
        ----------
        slot : int
        known : dict
            ``{word: number}``; words that are new get the next numbers.

        Returns
        -------
        ndarray of int32
        """
        codes, firsts = number_words(self._data, self.starts[:, slot], self.ends[:, slot])
        words = self.words(slot, firsts)
        return np.array([known.setdefault(word, len(known)) for word in words], dtype=np.int32)[codes]

    def numbers(self, slot):
        """Give a column as numbers, NaN where it has none.

        Parameters
        ----------
        slot : int

        Returns
        -------
        values : ndarray
        unread : dict
            ``{row: text}`` of what is neither a number nor one of the usual words for a missing one.
        """
        values, unsure = parse_numbers(self._data, self.starts[:, slot], self.ends[:, slot])
        words, unread = self.words(slot, unsure), {}
        for row, word in zip(unsure.tolist(), words, strict=True):
            if word in MISSING:
                continue
            try:
                values[row] = float(word.replace("_", "?"))  # which Python reads, and nobody else
            except ValueError:
                unread[row] = word
        return values, unread


class TextTable:
    """A table in a text file: its header, and its lines in blocks.

    Parameters
    ----------
    path : path
        Plain, or compressed by gzip, bzip2 or xz.
    separator : str, optional
        What stands between two fields; by default a tab, comma or semicolon where the header has one, else any
        whitespace.

    Examples
    --------
    >>> with open("table.txt", "w") as file:
    ...     print("rsid Z", "rs1 1.5", "rs2", "rs3 NA", sep=chr(10), file=file)
    >>> table = TextTable("table.txt")
    >>> (block,) = table.blocks(["Z"])
    >>> block.numbers(0)
    (array([1.5, nan]), {})
    >>> block.broken
    [Broken(line=3, text='rs2', fields=1)]
    """

    def __init__(self, path, separator=None):
        self.path = Path(path)
        with self._reading() as file:
            self.header_line, header = _header(file)
        if not header.strip():
            raise InputError(f"{self.path} is empty")
        self.separator = _checked_separator(separator) if separator else separator_of(header)
        self.columns = split_line(header, self.separator)

    @contextmanager
    def _reading(self):
        """Open the file, and turn what compression can complain of into an error with the file's name."""
        try:
            with open_by_content(self.path) as file:
                yield file
        except (EOFError, OSError, lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(f"{self.path} breaks off or is damaged ({error}): copy or download it again") from None

    def blocks(self, wanted):
        """Give the lines below the header, in blocks.

        Parameters
        ----------
        wanted : sequence of str
            The columns to be read; a column's place here is its ``slot``.

        Yields
        ------
        Block
        """
        slots = np.full(len(self.columns), -1)
        slots[[self.columns.index(name) for name in wanted]] = np.arange(len(wanted))
        line = self.header_line + 1
        for text in self._chunks():
            block, n_lines = self._block(text, slots, line)
            yield block
            line += n_lines

    def _chunks(self):
        """Give the text below the header in pieces that end with a line."""
        rest = b""
        with self._reading() as file:
            for _ in range(self.header_line):
                file.readline()
            while chunk := file.read(BLOCK):
                cut = chunk.rfind(b"\n") + 1
                if cut:
                    yield rest + chunk[:cut]
                rest = chunk[cut:] if cut else rest + chunk
        if rest.strip():
            yield rest + b"\n"

    def _block(self, text, slots, line):
        """Find the fields of every line, and set those lines apart that have another number than the header."""
        data = np.frombuffer(text, dtype=np.uint8)
        n_lines = text.count(b"\n")
        separator = SPACE if self.separator == WHITESPACE else ord(self.separator)
        starts, ends, fields, line_ends = find_fields(data, separator, slots, n_lines)
        lines = np.arange(line, line + n_lines, dtype=np.int32)
        wrong = fields != len(self.columns)
        if not wrong.any():
            return Block(text, starts, ends, lines, []), n_lines
        begins = np.append(0, line_ends[:-1] + 1)
        broken = [
            Broken(int(lines[i]), text[begins[i] : line_ends[i]].decode("utf-8", "replace").strip(), int(fields[i]))
            for i in np.flatnonzero(wrong & (fields > 0))
        ]
        return Block(text, starts[~wrong], ends[~wrong], lines[~wrong], broken), n_lines


def _header(file):
    """Find the first line that is neither empty nor a comment (##), and its number."""
    for number, line in enumerate(file, start=1):
        if line.strip() and not line.startswith(b"##"):
            return number, line.decode("utf-8-sig", "replace").rstrip("\r\n")
    return 0, ""


def separator_of(header):
    """Tell from a header what stands between its fields.

    Parameters
    ----------
    header : str

    Returns
    -------
    str

    Examples
    --------
    >>> separator_of("SNP,A1,A2"), separator_of("SNP A1  A2")
    (',', 'whitespace')
    """
    counts = {separator: header.count(separator) for separator in "\t,;"}
    best = max(counts, key=counts.get)
    return best if counts[best] else WHITESPACE


def _checked_separator(separator):
    """Take a single character, or any way to say whitespace."""
    if separator in (WHITESPACE, r"\s+", " ", "ANY_WHITESPACE"):
        return WHITESPACE
    if len(separator) == 1 and separator.isascii():
        return separator
    raise InputError(f"separator is a single character, or 'whitespace' for any run of it; got {separator!r}")


def split_line(line, separator):
    """Split a line into its fields, without quotation marks around them.

    Parameters
    ----------
    line, separator : str

    Returns
    -------
    list of str

    Examples
    --------
    >>> split_line('"SNP",A1', ",")
    ['SNP', 'A1']
    """
    fields = line.split() if separator == WHITESPACE else line.split(separator)
    return [field.strip().strip('"') for field in fields]


def categorical(codes, known):
    """Make a column of categories from numbers and what they stand for.

    Parameters
    ----------
    codes : ndarray of int
    known : dict
        ``{word: number}``, as from `Block.codes`. Words for what is missing become missing.

    Returns
    -------
    pandas.Categorical

    Examples
    --------
    >>> list(categorical(np.array([0, 1, 0]), {"A": 0, "NA": 1}))
    ['A', nan, 'A']
    """
    kept = [word for word in known if word not in MISSING]
    places = {word: place for place, word in enumerate(kept)}
    table = np.array([places.get(word, -1) for word in known], dtype=np.int32)
    return pd.Categorical.from_codes(table[codes], kept)
