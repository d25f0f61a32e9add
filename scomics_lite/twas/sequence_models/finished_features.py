"""Features in an HDF5 file, gene by gene as they are computed: a run that was killed goes on where it was.

The file has its full size from the start, and from then on only numbers inside it change. So it can be read at any
time, whenever its writer was killed, and has the same bytes as if it had not been. `read_features` reads it, once it is
complete.
"""

import json
from pathlib import Path

import h5py
import numpy as np

from scomics_lite.twas.exchange.file_access import new_path
from scomics_lite.validation import InputError

KIND = "scomics_lite features"  # in the attribute "kind"


class FinishedFeatures:
    """Features of genes in a file, or in memory.

    Parameters
    ----------
    path : path or None
        A file to go on with, or a new one. None keeps them in memory.
    genes, tracks : pandas.Index
    inputs : dict of str to str
        What the features depend on, by name. A file of other inputs is refused.

    Raises
    ------
    InputError
        If the file is of other inputs (named), or none of ours.

    Examples
    --------
    >>> import pandas as pd
    >>> genes, tracks = pd.Index(["FTO", "TP53"]), pd.Index(["CTCF"])
    >>> with FinishedFeatures("run.h5", genes, tracks, {"genome": "abc"}) as finished:
    ...     finished.add(slice(0, 1), [[0.5]])
    >>> with FinishedFeatures("run.h5", genes, tracks, {"genome": "abc"}) as finished:
    ...     print(finished.has(slice(0, 1)), finished.has(slice(0, 2)))
    True False
    >>> FinishedFeatures("run.h5", genes, tracks, {"genome": "xyz"})
    Traceback (most recent call last):
    scomics_lite.validation.InputError: run.h5 was begun with another genome. Take the same again to go on, or another \
file to begin anew
    """

    def __init__(self, path, genes, tracks, inputs):
        self.file = None
        if path is None:
            self.matrix = np.empty((len(genes), len(tracks)), dtype=np.float32)
            self.done = np.zeros(len(genes), dtype=bool)
            return
        path = Path(path)
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise InputError(f"resume={str(path)!r} is a file, new or of an earlier run, in a folder that exists")
        if path.exists():
            _check_same(path, inputs)
        else:
            _begin(path, genes, tracks, inputs)
        self.file = h5py.File(path, "r+")
        self.matrix, self.done = self.file["features"], self.file["done"]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.file is not None:
            self.file.close()

    def has(self, rows):
        """Tell whether all of these genes are done.

        Parameters
        ----------
        rows : slice

        Returns
        -------
        bool
        """
        return bool(self.done[rows].all())

    def add(self, rows, features):
        """Keep the features of these genes, at once.

        Parameters
        ----------
        rows : slice
        features : ndarray, shape (genes, tracks)
        """
        self.matrix[rows] = features
        self._flush()  # before they count as done, whenever the process ends
        self.done[rows] = True
        self._flush()

    def _flush(self):
        if self.file is not None:
            self.file.flush()

    def features(self):
        """Give all features.

        Returns
        -------
        ndarray of float32, shape (genes, tracks)
        """
        return self.matrix[:]


def _begin(path, genes, tracks, inputs):
    """Write a file whole, with nothing done: it is there under its name only when its structure is."""
    with new_path(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["kind"], file.attrs["inputs"] = KIND, json.dumps(inputs, sort_keys=True)
        for name, names in (("genes", genes), ("tracks", tracks)):
            file[name] = np.char.encode(names.to_numpy(dtype=str), "utf-8")
        file["done"] = np.zeros(len(genes), dtype=bool)
        matrix = file.create_dataset("features", (len(genes), len(tracks)), np.float32)
        matrix[-1:] = 0  # takes the place for all rows


def _check_same(path, inputs):
    try:
        with h5py.File(path, "r") as file:
            is_ours = file.attrs.get("kind") == KIND
            before = json.loads(file.attrs["inputs"]) if is_ours else {}
    except BlockingIOError:
        raise InputError(f"{path} is in use by another run: let that end first, or give resume another name") from None
    except OSError:
        is_ours = False
    if not is_ours:
        raise InputError(f"{path} is no file of an earlier run, or damaged; give resume another name")
    other = [name for name in inputs if before.get(name) != inputs[name]]
    if other:
        raise InputError(
            f"{path} was begun with another {', another '.join(other)}. Take the same again to go on, or another file "
            "to begin anew"
        )
