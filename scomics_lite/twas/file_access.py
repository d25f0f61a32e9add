"""Text files read in blocks whose lines are counted, and files written whole or not at all.

Tables of a GWAS and of covariances have millions of lines, plain or compressed. They are read some megabytes at a time,
so that memory does not grow with the file, and the fields of every line are counted, so that a line that was cut off is
named by its number instead of being filled up in silence.
"""

import bz2
import gzip
import io
import lzma
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit

from scomics_lite.validation import InputError

BLOCK = 1 << 24  # bytes of text at a time
OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
WHITESPACE = r"\s+"
NEWLINE, RETURN, SPACE, TAB, QUOTE = (ord(letter) for letter in '\n\r \t"')


class Block(NamedTuple):
    """Lines of a file: their text without the broken ones, and where they stood."""

    text: bytes
    lines: np.ndarray  # number in the file of every line that is in `text`
    broken: list  # (line, what it says, number of fields) of lines with too few or too many fields


def open_by_content(path):
    """Open a file for reading as bytes, through gzip, bzip2 or xz where its first bytes say so.

    Parameters
    ----------
    path : path

    Returns
    -------
    file object

    Raises
    ------
    InputError
        For a file that is not there or may not be read.

    Examples
    --------
    >>> with new_file("lines.txt.gz") as file:
    ...     _ = file.write(b"one line")
    >>> with open_by_content("lines.txt.gz") as file:
    ...     file.read()
    b'one line'
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder, where a file is needed")
    try:
        with path.open("rb") as file:
            start = file.read(6)
    except FileNotFoundError:
        raise InputError(f"{path} is not there{_nearby(path)}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    opener = next((opener for magic, opener in OPENERS.items() if start.startswith(magic)), open)
    return opener(path, "rb")


def _nearby(path):
    """Say what a folder has under a name that begins alike: the same name with another ending, most often."""
    if not path.parent.is_dir():
        return f": there is no folder {path.parent}"
    stem = path.name.split(".")[0]
    others = sorted(other.name for other in path.parent.iterdir() if other.name.startswith(stem))
    return f"; in the same folder: {', '.join(others[:3])}" if others else ""


class TextTable:
    """A table in a text file: its header, and its lines in blocks.

    Parameters
    ----------
    path : path
        Plain, or compressed by gzip, bzip2 or xz.
    separator : str, optional
        What stands between two fields; by default a comma, a semicolon or a tab where the header has one, else any
        whitespace.
    """

    def __init__(self, path, separator=None):
        self.path = Path(path)
        with self._reading() as file:
            self.skipped, header = _header(file)
        if not header.strip():
            raise InputError(f"{self.path} is empty")
        self.separator = separator or separator_of(header)
        self.columns = split_line(header, self.separator)

    @contextmanager
    def _reading(self):
        """Open the file, and turn what compression can complain of into an error with the file's name."""
        try:
            with open_by_content(self.path) as file:
                yield file
        except (EOFError, gzip.BadGzipFile, lzma.LZMAError, OSError) as error:
            raise InputError(f"{self.path} breaks off or is damaged: {error}; copy or download it again") from None

    def blocks(self):
        """Give the lines below the header, in blocks.

        Yields
        ------
        Block
        """
        code = SPACE if self.separator == WHITESPACE else ord(self.separator)
        line, rest = self.skipped + 2, b""
        with self._reading() as file:
            for _ in range(self.skipped + 1):
                file.readline()
            while chunk := file.read(BLOCK):
                cut = chunk.rfind(b"\n") + 1
                if not cut:
                    rest += chunk
                    continue
                text, rest = rest + chunk[:cut], chunk[cut:]
                yield self._block(text, line, code)
                line += text.count(b"\n")
        if rest.strip():
            yield self._block(rest + b"\n", line, code)

    def _block(self, text, line, code):
        """Count the fields of every line, and take out those that have another number than the header."""
        data = np.frombuffer(text, dtype=np.uint8)
        ends, fields = _count_fields(data, code, text.count(b"\n"))
        expected = len(self.columns)
        lines = np.arange(line, line + len(ends))
        wrong = fields != expected
        if not wrong.any():
            return Block(text, lines, [])
        starts = np.concatenate([[0], ends[:-1] + 1])
        broken = [
            (int(lines[i]), text[starts[i] : ends[i]].decode("utf-8", "replace").strip(), int(fields[i]))
            for i in np.flatnonzero(wrong & (fields > 0))
        ]
        kept = np.repeat(~wrong, ends - starts + 1)
        return Block(data[kept].tobytes(), lines[~wrong], broken)


@njit(cache=True)
def _count_fields(data, code, n_lines):
    """Find where lines end and how many fields they have, 0 for empty lines; what is quoted counts as one field."""
    ends = np.empty(n_lines, np.int64)
    fields = np.empty(n_lines, np.int64)
    line, separators, letters, between, quoted = 0, 0, False, True, False
    for i in range(len(data)):
        byte = data[i]
        if byte == NEWLINE:
            ends[line] = i
            fields[line] = separators + 1 if letters and code != SPACE else separators
            line, separators, letters, between, quoted = line + 1, 0, False, True, False
        elif byte == QUOTE:
            quoted = not quoted
            letters = True
            if code == SPACE and between:
                separators, between = separators + 1, False
        elif code == SPACE:
            if byte in (SPACE, TAB, RETURN):
                between = between or not quoted
            elif between:  # a field begins
                separators, between, letters = separators + 1, False, True
        elif byte == code and not quoted:
            separators += 1
            letters = True
        elif byte > SPACE:
            letters = True
    return ends, fields


def _header(file):
    """Find the first line that is no comment: lines that begin with ## are skipped, as are empty ones."""
    for skipped, line in enumerate(file):
        if line.strip() and not line.startswith(b"##"):
            return skipped, line.decode("utf-8-sig", "replace").rstrip("\r\n")
    return 0, ""


def separator_of(header):
    r"""Tell from a header what stands between its fields.

    Parameters
    ----------
    header : str

    Returns
    -------
    str
        Whitespace as a regular expression.

    Examples
    --------
    >>> separator_of("SNP,A1,A2"), separator_of("SNP A1  A2")
    (',', '\\s+')
    """
    counts = {separator: header.count(separator) for separator in "\t,;"}
    best = max(counts, key=counts.get)
    return best if counts[best] else WHITESPACE


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


@contextmanager
def new_file(path, *, overwrite=False):
    """Write a file that is either complete or not there: under another name first, then renamed.

    Parameters
    ----------
    path : path
        Compressed by gzip where it ends in ``.gz``, with no time of day inside: the same content gives the same bytes.
    overwrite : bool
        Whether a file of this name may be replaced.

    Yields
    ------
    file object
        Takes bytes.

    Raises
    ------
    InputError
        Where the file is there already, or its folder is not.

    Examples
    --------
    >>> with new_file("numbers.txt") as file:
    ...     _ = file.write(b"1 2")
    >>> Path("numbers.txt").read_text()
    '1 2'
    """
    with new_path(path, overwrite=overwrite) as temporary, open(temporary, "wb") as plain:
        if not str(path).endswith(".gz"):
            yield plain
            return
        packed = gzip.GzipFile(filename="", mode="wb", fileobj=plain, compresslevel=6, mtime=0)
        with packed, io.BufferedWriter(packed, 1 << 20) as file:
            yield file


@contextmanager
def new_path(path, *, overwrite=False):
    """Give the name of a temporary file that takes the place of `path` when all went well.

    Parameters
    ----------
    path : path
    overwrite : bool
        Whether a file of this name may be replaced.

    Yields
    ------
    Path

    Raises
    ------
    InputError
        Where the file is there already, or its folder is not.

    Examples
    --------
    >>> with new_path("word.txt") as temporary:
    ...     _ = temporary.write_text("word")
    >>> Path("word.txt").read_text()
    'word'
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise InputError(f"{path} is there already: choose another name, or overwrite=True replaces it")
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be written: there is no folder {path.parent}")
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        yield Path(temporary)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp's files are closed to everybody else
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
