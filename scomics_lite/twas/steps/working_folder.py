"""A folder that one run at a time works in, and what is said where it cannot be written."""

import errno
import os
import sqlite3
from contextlib import contextmanager
from pathlib import Path

from scomics_lite.validation import InputError

LOCK = ".lock"
HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
FULL_WORDS = (
    "no space left",
    "disk is full",
    "file too large",
    "disk quota",
)  # of HDF5 and SQLite, which have no errno


@contextmanager
def working_folder(folder):
    """Make a folder, and keep every other run out of it until the block ends.

    The lock lies on an open file and ends with its process, however that dies: no lock is ever left behind.

    Parameters
    ----------
    folder : path

    Yields
    ------
    Path

    Raises
    ------
    InputError
        If it is a file, cannot be made or written to, or another run works in it.

    Examples
    --------
    >>> with working_folder("work") as folder:
    ...     with working_folder("work"):
    ...         pass
    Traceback (most recent call last):
    scomics_lite.validation.InputError: another run works in work: wait until it has ended, or give another folder
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file, where a folder to work in is needed: give another name")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = open(folder / LOCK, "a+b")  # noqa: SIM115  closed below; with it goes the lock
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}. Give another folder") from None
    with handle:
        if not _locked(handle):
            raise InputError(f"another run works in {folder}: wait until it has ended, or give another folder")
        yield folder


def _locked(handle):
    """Try to lock an open file; True also where the file system knows no locks, as some network drives."""
    try:
        if os.name == "nt":
            import msvcrt

            handle.seek(0)
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in HELD
    return True


@contextmanager
def told_of_disk(place):
    """Turn what a full or closed disk raises into an error that says which folder, and that nothing done is lost.

    Parameters
    ----------
    place : Path
        The step's folder.

    Raises
    ------
    InputError

    Examples
    --------
    >>> with told_of_disk(Path("work/2_people")):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
    scomics_lite.validation.InputError: work/2_people cannot be written: the disk is full. What is done is kept: \
make room, and make the same call again
    """
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        number, text = getattr(error, "errno", None), str(error).lower()
        if number in FULL or any(words in text for words in FULL_WORDS):
            why, way_out = "the disk is full", "make room"
        elif number in FORBIDDEN or "permission denied" in text:
            why, way_out = "permission denied", "make it writable"
        elif isinstance(error, sqlite3.OperationalError):
            why, way_out = f"SQLite says {str(error)!r}", "make room"
        else:
            raise
        raise InputError(
            f"{place} cannot be written: {why}. What is done is kept: {way_out}, and make the same call again"
        ) from error
