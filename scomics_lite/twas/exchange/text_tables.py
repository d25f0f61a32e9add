"""Tables in text files, read by pandas in blocks of some megabytes, with the number of every line.

Memory does not grow with the file, and a line that was cut off is named by its number instead of being filled up in
silence, which is why lines are counted and their fields too before pandas takes them apart.
"""

import gzip
import io
import lzma
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from scomics_lite.twas.exchange.file_access import open_by_content
from scomics_lite.validation import InputError

BLOCK = 1 << 23  # bytes of text at a time
WHITESPACE = "whitespace"
SPACE, NEWLINE, QUOTE = b" "[0], b"\n"[0], b'"'[0]
MISSING = ("", "NA", "NaN", "nan", "NAN", "N/A", "n/a", "#N/A", "<NA>", ".", "NULL", "null", "None", "none")


class Broken(NamedTuple):
    """A line that has another number of fields than the header."""

    line: int
    text: str
    fields: int


class Block(NamedTuple):
    """Some lines of a table: columns by name, and where they stand in the file."""

    table: pd.DataFrame
    lines: np.ndarray  # the number in the file of every line that has all its fields
    broken: list  # the others

    def words(self, name, rows=slice(None)):
        """Give the text of a column.

        Parameters
        ----------
        name : str
        rows : slice or ndarray of int
            Some rows alone.

        Returns
        -------
        list of str
        """
        return self.table[name].iloc[rows].tolist()

    def codes(self, name, known):
        """Give the words of a column as numbers.

        Parameters
        ----------
        name : str
            A column that was read as categories.
        known : dict
            ``{word: number}``; words that are new get the next numbers.

        Returns
        -------
        ndarray of int32
        """
        column = self.table[name].cat
        words, codes = column.categories.tolist(), column.codes.to_numpy()
        numbers = np.empty(len(words), dtype=np.int32)
        for code in pd.unique(codes).tolist():  # in the order in which words occur; pandas has them by the alphabet
            numbers[code] = known.setdefault(words[code], len(known))
        return numbers[codes]

    def numbers(self, name):
        """Give a column as numbers, NaN where it has none.

        Parameters
        ----------
        name : str

        Returns
        -------
        values : ndarray
        unread : dict
            ``{row: text}`` of what is neither a number nor one of the usual words for a missing one.
        """
        column, unread = self.table[name], {}
        if column.dtype == float:
            return column.to_numpy(), unread
        values = np.full(len(column), np.nan)
        for row, word in enumerate(column):
            if word not in MISSING:
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
    >>> (block,) = table.blocks({"Z": float})
    >>> block.numbers("Z")
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
        wanted : dict of str to dtype
            The columns to be read, each as float, ``"category"`` or str.

        Yields
        ------
        Block
        """
        line = self.header_line + 1
        for text in self._chunks():
            block, n_lines = self._block(text, wanted, line)
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

    def _block(self, text, wanted, line):
        """Set lines apart that have another number of fields than the header, and parse the others."""
        data = np.frombuffer(text, dtype=np.uint8)
        ends = np.flatnonzero(data == NEWLINE) + 1
        begins = np.append(0, ends[:-1])
        fields = _count_fields(data, begins, self.separator)
        lines = np.arange(line, line + len(ends), dtype=np.int32)
        wrong, broken = fields != len(self.columns), []
        if wrong.any():
            found = [(i, text[begins[i] : ends[i]].decode("utf-8", "replace").strip()) for i in np.flatnonzero(wrong)]
            broken = [Broken(int(lines[i]), words, int(fields[i])) for i, words in found if words]
            text = data[np.repeat(~wrong, ends - begins)].tobytes()
        return Block(self._parse(text, wanted), lines[~wrong], broken), len(ends)

    def _parse(self, text, wanted):
        """Let pandas take fields apart. A column with something that is no number is left as text, for `numbers`."""
        if not text:
            return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in wanted.items()})
        settings = {
            "sep": r"\s+" if self.separator == WHITESPACE else self.separator,
            "header": None,
            "names": range(len(self.columns)),
            "usecols": [self.columns.index(name) for name in wanted],
            "keep_default_na": False,
            "float_precision": "round_trip",
            "encoding_errors": "replace",
            "skipinitialspace": True,
        }
        places = {self.columns.index(name): dtype for name, dtype in wanted.items()}
        numbers = [place for place, dtype in places.items() if dtype is float]
        missing = dict.fromkeys(numbers, MISSING)
        try:
            table = pd.read_csv(io.BytesIO(text), dtype=places, na_values=missing, **settings)
        except ValueError:  # some word where a number should be
            table = pd.read_csv(io.BytesIO(text), dtype=places | dict.fromkeys(numbers, str), **settings)
        table = table.rename(columns=dict(enumerate(self.columns)))
        return table.apply(_without_blanks) if b" " in text and self.separator != WHITESPACE else table


def _count_fields(data, begins, separator):
    """Count the fields of the lines that begin at these bytes."""
    if separator == WHITESPACE:
        is_word = data > SPACE
        is_word[1:] &= data[:-1] <= SPACE  # its first letter alone
        return np.add.reduceat(is_word, begins, dtype=np.int32)
    between = data == ord(separator)
    if QUOTE in data:  # a separator between two quotation marks of a line is none
        marks = np.cumsum(data == QUOTE)
        before = np.where(begins > 0, marks[begins - 1], 0)
        between &= (marks - np.repeat(before, np.diff(begins, append=len(data)))) % 2 == 0
    return 1 + np.add.reduceat(between, begins, dtype=np.int32)


def _without_blanks(column):
    """Take blanks behind words away; those before them pandas leaves out."""
    if column.dtype == float:
        return column
    if column.dtype != "category":
        return column.str.strip()
    if not column.cat.categories.str.endswith(" ").any():
        return column
    return column.astype(str).str.strip().astype("category")


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
