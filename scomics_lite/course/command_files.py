"""What the commands of chapter 6 read and write: tables of people in one order, results that are whole."""

import contextlib
import os
import re
import sys
from pathlib import Path

from scomics_lite.validation import InputError, did_you_mean, quoted

PEOPLE = ("IID", "FID")  # columns that name people, the better one first
STDOUT = "-"


# --- reading ----------------------------------------------------------------------------------------------------------


def files_in(folder, pattern=None):
    """List the files of a folder whose names fit a regular expression from their beginning, sorted.

    Parameters
    ----------
    folder : str
    pattern : str, optional

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        If there is no such folder or no such file in it, or the pattern is no regular expression.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}")
    try:
        fits = re.compile(pattern or "")
    except re.error as error:
        raise InputError(f"{pattern!r} is no regular expression: {error}") from None
    files = sorted(path for path in folder.iterdir() if path.is_file() and fits.match(path.name))
    if not files:
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:3]) or "nothing"
        raise InputError(f"no file in {folder} fits {pattern!r}; there is {there}")
    return files


def read_table(path):
    """Read a table with a header, whose columns are separated by tabs, commas or blanks; gz by suffix.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    DataFrame

    Raises
    ------
    InputError
        If it is empty or lines differ in length, with the line.
    """
    import pandas as pd

    opened = _open_gzip if str(path).endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        header = file.readline()
    separator = next((sign for sign in "\t," if sign in header), r"\s+")
    try:
        return pd.read_csv(path, sep=separator)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path} is no table: {str(error).strip()}") from None


def _open_gzip(path, mode, encoding):
    import gzip

    return gzip.open(path, mode, encoding=encoding)


def read_people(**paths):
    """Read tables of people, and index them by a column that names people in all of them: IID, or else FID.

    Parameters
    ----------
    **paths : str, Path or None
        By what is in them.

    Returns
    -------
    list of DataFrame or None
        Without the columns FID and IID; None where there was no path.

    Raises
    ------
    InputError
        If they do not name people by the same column, or name one twice.
    """
    tables = {what: read_table(path) for what, path in paths.items() if path is not None}
    key = next((name for name in PEOPLE if all(name in table for table in tables.values())), None)
    if key is None:
        without = next(what for what, table in tables.items() if PEOPLE[0] not in table)
        raise InputError(
            f"people are matched by a column IID, or FID, that all tables have. {paths[without]} has the columns "
            f"{', '.join(map(str, tables[without].columns[:3]))} …"
        )
    return [_indexed(tables[what], key, path) if what in tables else None for what, path in paths.items()]


def _indexed(table, key, path):
    names = table[key].astype(str)
    if not names.is_unique:
        raise InputError(f"{path}: {key} {quoted(names[names.duplicated()].iloc[0])} comes more than once")
    return table.drop(columns=[name for name in PEOPLE if name in table]).set_axis(names, axis=0)


def choose_columns(table, names, path):
    """Select columns of a table by name, or say which there are.

    Parameters
    ----------
    table : DataFrame
    names : list of str
    path : str
        Where it is from.

    Returns
    -------
    DataFrame
    """
    for name in names:
        if name not in table:
            raise InputError(f"{path} has no column {name!r}; {did_you_mean(name, table.columns)}")
    return table[names]


def named_files(paths, pattern):
    """Name files by the last group of a pattern that has one, else by what stands before the first dot.

    Parameters
    ----------
    paths : list of Path
    pattern : str or None
        Regular expression that fits each file's name from its beginning.

    Returns
    -------
    dict of str to Path

    Raises
    ------
    InputError
        If it does not fit, or two files get the same name.

    Examples
    --------
    >>> list(named_files([Path("en_liver.db"), Path("en_lung.db")], "en_(.*).db"))
    ['liver', 'lung']
    """
    groups = re.compile(pattern).groups if pattern else 0
    named = {}
    for path in paths:
        name = re.match(pattern, path.name).group(groups) if groups else path.name.split(".")[0]
        if name in named:
            raise InputError(
                f"{named[name]} and {path} are both called {name!r}; a pattern with a group (…) tells apart"
            )
        named[name] = path
    return named


# --- writing ----------------------------------------------------------------------------------------------------------


def check_output(*paths, overwrite):
    """Refuse to overwrite, before anything is computed; make the folders.

    Parameters
    ----------
    *paths : str or None
    overwrite : bool

    Raises
    ------
    InputError
        If a file is there already.
    """
    for path in paths:
        if path in (None, STDOUT):
            continue
        if os.path.exists(path) and not overwrite:
            raise InputError(f"{path} is there already and is left as it is; --overwrite replaces it")
        Path(path).parent.mkdir(parents=True, exist_ok=True)


def separator_of(path):
    r"""Choose what separates columns by the name of a file: commas in .csv and .csv.gz, tabs in others.

    Parameters
    ----------
    path : str

    Returns
    -------
    str

    Examples
    --------
    >>> separator_of("snps.csv.gz"), separator_of("snps.txt")
    (',', '\t')
    """
    return "," if ".csv" in Path(path).suffixes else "\t"


def write_table(table, path, separator):
    """Write a table with NA for what is missing; the file appears when it is whole.

    Parameters
    ----------
    table : DataFrame
    path : str
        With the suffix .gz it is compressed; ``"-"`` is the standard output.
    separator : str
    """
    settings = {"sep": separator, "index": False, "na_rep": "NA"}
    if path == STDOUT:
        table.to_csv(sys.stdout, **settings)
        sys.stdout.flush()
        return
    packed = {"method": "gzip", "mtime": 0} if str(path).endswith(".gz") else None
    with whole_file(path) as part:
        table.to_csv(part, compression=packed, **settings)


@contextlib.contextmanager
def whole_file(path):
    """Give a name to write to, which becomes `path` when the block ends, and is gone when it fails.

    Parameters
    ----------
    path : str or Path

    Yields
    ------
    Path
        In the same folder, with the same suffixes.

    Examples
    --------
    >>> with whole_file("table.txt") as part:
    ...     _ = part.write_text("all of it")
    >>> Path("table.txt").read_text(), part.exists()
    ('all of it', False)
    """
    path = Path(path)
    part = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
