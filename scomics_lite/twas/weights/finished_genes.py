"""A file of genes that are done: each is appended as it ends, so that a run that was killed goes on where it was.

The first line is a fingerprint of input and settings, each later line the result of a gene, all JSON. A line that was
cut off while it was written counts as not written.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd

from scomics_lite.validation import InputError


def digest(*parts):
    """Give a short text that changes when any of these changes.

    Parameters
    ----------
    *parts : ndarray, Index, Series, DataFrame or JSON values

    Returns
    -------
    str

    Examples
    --------
    >>> digest(np.arange(3)) == digest(np.arange(3)), digest(np.arange(3)) == digest(np.arange(4))
    (True, False)
    """
    whole = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, pd.DataFrame | pd.Series | pd.Index):
            hashed = pd.util.hash_pandas_object(part) if not isinstance(part, pd.Index) else _hashed(part)
            names = list(part.columns) if isinstance(part, pd.DataFrame) else []
            whole.update(repr(names).encode())
            whole.update(np.asarray(hashed).tobytes())
        elif isinstance(part, np.ndarray):
            whole.update(f"{part.shape} {part.dtype}".encode())
            for row in part:
                whole.update(np.ascontiguousarray(row))
        else:
            whole.update(json.dumps(part).encode())
    return whole.hexdigest()


def _hashed(index):
    return pd.util.hash_array(index.to_numpy(dtype=object))


def check_fingerprint(path, before, now):
    """Refuse to go on with a file that another run has begun.

    Parameters
    ----------
    path : path
    before, now : dict of str to JSON values
        What the results depend on: of the file, and of this run.

    Raises
    ------
    InputError
        If something differs: it is named, and shown where it is more than a digest.

    Examples
    --------
    >>> check_fingerprint("run.jsonl", {"folds": 10, "seed": 0}, {"folds": 5, "seed": 0})
    Traceback (most recent call last):
    scomics_lite.validation.InputError: run.jsonl was begun with other folds (10, now 5). Take them again to go on, or \
another file to begin anew
    """
    other = [name for name in now if before.get(name) != now[name]]
    if other:
        shown = [name if _is_digest(now[name]) else f"{name} ({before.get(name)}, now {now[name]})" for name in other]
        raise InputError(
            f"{path} was begun with other {', '.join(shown)}. Take them again to go on, or another file to begin anew"
        )


def _is_digest(value):
    return isinstance(value, str) and len(value) == 32  # which tells a reader nothing


class FinishedGenes:
    """Results of genes in a file, or nowhere.

    Parameters
    ----------
    path : path or None
        A file to go on with, or a new one. None keeps nothing.
    fingerprint : dict of str to JSON values
        What the results depend on, by name. A file with another one is refused.

    Raises
    ------
    InputError
        If the file is of other input or settings (named), or none of ours.

    Examples
    --------
    >>> finished = FinishedGenes("run.jsonl", {"folds": 10})
    >>> finished.add({"gene": "FTO", "rho": 0.1})
    >>> FinishedGenes("run.jsonl", {"folds": 10}).results
    {'FTO': {'gene': 'FTO', 'rho': 0.1}}
    >>> FinishedGenes("run.jsonl", {"folds": 5})
    Traceback (most recent call last):
    scomics_lite.validation.InputError: run.jsonl was begun with other folds (10, now 5). Take them again to go on, or \
another file to begin anew
    """

    def __init__(self, path, fingerprint):
        self.path, self.results = None if path is None else Path(path), {}
        if self.path is None:
            return
        if self.path.is_dir() or not self.path.absolute().parent.is_dir():
            raise InputError(f"resume={str(path)!r} is a file, new or of an earlier run, in a folder that exists")
        if not self.path.exists() or not self._read(fingerprint):
            self.path.write_text(json.dumps({"fingerprint": fingerprint}) + "\n", encoding="utf-8")

    def _read(self, fingerprint):
        """Take results from the file, and cut off a line that was begun; False where not even the first is whole."""
        text = self.path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        if not whole and (not text or b'{"fingerprint"'.startswith(text[:14])):
            return False
        lines = [self._parse(line, number) for number, line in enumerate(whole.splitlines() or [text], 1)]
        if "fingerprint" not in lines[0]:
            raise InputError(f"{self.path} is no file of an earlier run; give resume another name")
        check_fingerprint(self.path, lines[0]["fingerprint"], fingerprint)
        self.results = {one["gene"]: one for one in lines[1:]}
        if len(whole) < len(text):
            with open(self.path, "r+b") as file:
                file.truncate(len(whole))
        return True

    def _parse(self, line, number):
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict) or not {"gene", "fingerprint"} & set(found):
            way_out = "give resume another name" if number == 1 else "take the lines before it, or another file"
            raise InputError(f"{self.path}, line {number}: no result of an earlier run; {way_out}")
        return found

    def add(self, result):
        """Keep the result of a gene, at once.

        Parameters
        ----------
        result : dict
            With ``gene``.
        """
        self.results[result["gene"]] = result
        if self.path is not None:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
