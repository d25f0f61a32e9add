"""Arrays with a description in one safetensors file: the same bytes for the same content, and never half a file.

safetensors holds numbers and text and runs no code when it is read, which torch's own files can.
"""

import json
import os
from pathlib import Path

import numpy as np
import safetensors
from safetensors.numpy import load_file, save

from scomics_lite.validation import InputError

HEADER = "scomics_lite"  # one key: safetensors promises no order of several


def write_arrays(path, arrays, header):
    """Write a file beside the one that is there, and put it in its place when it is whole.

    Parameters
    ----------
    path : path
    arrays : dict of str to ndarray
    header : dict of JSON values
        With ``kind``, what the file is.

    Raises
    ------
    InputError
        If the folder does not exist.

    Examples
    --------
    >>> write_arrays("two.safetensors", {"x": np.ones(2)}, {"kind": "example"})
    >>> arrays, header = read_arrays("two.safetensors", "example")
    >>> arrays["x"].tolist(), header
    ([1.0, 1.0], {'kind': 'example'})
    """
    path = Path(path)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InputError(f"{str(path)!r} is to be a file in a folder that exists")
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    text = json.dumps(header, sort_keys=True, ensure_ascii=False)
    try:
        # save, not save_file, whose files only their owner can read
        whole = save({name: np.asarray(array, order="C") for name, array in arrays.items()}, {HEADER: text})
        unfinished.write_bytes(whole)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_arrays(path, kind):
    """Read a file that `write_arrays` wrote.

    Parameters
    ----------
    path : path
    kind : str
        What the file has to be.

    Returns
    -------
    arrays : dict of str to ndarray
    header : dict

    Raises
    ------
    InputError
        If there is no such file, or it is another kind of file.

    Examples
    --------
    >>> read_arrays("nowhere.safetensors", "ctPred model")
    Traceback (most recent call last):
    scomics_lite.validation.InputError: there is no file 'nowhere.safetensors'
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {str(path)!r}")
    try:
        with safetensors.safe_open(path, "numpy") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
        arrays = load_file(path)
    except safetensors.SafetensorError as error:
        raise InputError(f"{path} is no whole safetensors file: {error}") from None
    if header.get("kind") != kind:
        raise InputError(f"{path} is no {kind}, but {header.get('kind', 'a file of another program')}")
    return arrays, header
