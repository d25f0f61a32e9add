"""Files opened by what they hold, and files written whole or not at all."""

import bz2
import gzip
import io
import lzma
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from scomics_lite.validation import InputError

OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}


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
