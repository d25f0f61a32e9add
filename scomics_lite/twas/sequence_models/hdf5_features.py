"""Tables of features in HDF5 files: one matrix with names beside it, or a data set for each gene."""

import anndata
import h5py
import numpy as np
import pandas as pd

from scomics_lite.validation import InputError, quoted

GENES = ("genes", "gene", "gene_id", "gene_ids", "gene_name", "gene_names", "names", "obs_names", "index")
TRACKS = ("tracks", "track", "track_names", "targets", "columns", "var_names")
SUFFIX = "_predictions"  # of names of genes in scPrediXcan's files
FEW = 8


def read_hdf5(path, wanted, key):
    """Read features from an HDF5 file that is not AnnData's.

    Parameters
    ----------
    path : Path
    wanted : pandas.Index or None
        Genes to read: no other ones are read from the disk.
    key : str or None
        The matrix, or the group with a data set for each gene.

    Returns
    -------
    AnnData, genes × tracks
        In the order of the file; tracks without names are 0, 1, 2 …

    Raises
    ------
    InputError
        If neither layout is found, or more than one matrix.

    Examples
    --------
    >>> from pathlib import Path
    >>> with h5py.File("predictions.h5", "w") as file:
    ...     file["FTO_predictions"] = [[1.0, 2.0], [3.0, 4.0]]  # bins × tracks
    >>> read_hdf5(Path("predictions.h5"), None, None).to_df()
           0    1
    FTO  2.0  3.0
    """
    with h5py.File(path, "r") as file:
        if "PYTABLES_FORMAT_VERSION" in file.attrs:
            raise InputError(
                f"{path} was written by pandas (HDFStore), which keeps Python objects in it. Where pandas and tables "
                "are installed, turn it into text and read that: pandas.read_hdf(path).to_csv('features.csv.gz')"
            )
        _check_done(path, file)
        place = file if key is None else _at(path, file, key)
        matrix = place if isinstance(place, h5py.Dataset) else _the_matrix(path, place)
        if matrix is None:
            return _by_gene(path, place, wanted)
        return _by_matrix(path, matrix, wanted)


def _check_done(path, file):
    """Refuse what `reference_features` has begun and not ended."""
    if str(file.attrs.get("kind", "")).startswith("scomics_lite"):
        done = file["done"][:]
        if not done.all():
            raise InputError(
                f"{path}: the features of {(~done).sum():,} of {len(done):,} genes are not computed yet; call "
                "reference_features again with this file as resume"
            )


def _at(path, file, key):
    if key not in file:
        raise InputError(f"{path} has no {key!r}. It has {_listed(file)}")
    return file[key]


def _datasets(place):
    found = {}
    place.visititems(lambda name, one: found.update({name: one}) if isinstance(one, h5py.Dataset) else None)
    return found


def _listed(place):
    found = [f"{name} {one.shape}" for name, one in _datasets(place).items()]
    return (", ".join(found[:FEW]) or "nothing") + (" …" if len(found) > FEW else "")


def _is_text(dataset):
    return dataset.ndim == 1 and (dataset.dtype.kind == "S" or h5py.check_string_dtype(dataset.dtype) is not None)


def _is_matrix(dataset):
    return dataset.ndim == 2 and dataset.dtype.kind in "fiu"


def _the_matrix(path, place):
    """Find the one matrix that has a text beside it with as many names as it has rows, or None."""
    lengths = {len(one) for one in _datasets(place).values() if _is_text(one)}
    found = {name: one for name, one in _datasets(place).items() if _is_matrix(one) and len(one) in lengths}
    if len(found) > 1:
        raise InputError(f"{path} has several matrices; say which with key: {', '.join(map(repr, found))}")
    return next(iter(found.values()), None)


def _by_matrix(path, matrix, wanted):
    if not _is_matrix(matrix):
        raise InputError(f"{path}: {matrix.name} has shape {matrix.shape}, where a matrix of genes × tracks is needed")
    texts = {name: one for name, one in _datasets(matrix.parent).items() if _is_text(one)}
    genes = _text(path, texts, len(matrix), GENES, [])
    if genes is None:
        raise InputError(
            f"{path}: beside {matrix.name}, {matrix.shape}, no text has a name for each row. There is "
            f"{_listed(matrix.parent)}"
        )
    tracks = _text(path, texts, matrix.shape[1], TRACKS, [genes])
    names = pd.Index(texts[genes].asstr()[:], dtype=object)
    rows = np.arange(len(names)) if wanted is None else np.flatnonzero(names.isin(wanted))
    values = (matrix[:] if len(rows) == len(names) else matrix[rows]).astype(np.float32, copy=False)
    columns = np.arange(matrix.shape[1]).astype(str) if tracks is None else texts[tracks].asstr()[:]
    return _annotated(values, names[rows], columns)


def _text(path, texts, length, known, but):
    """Name the text of this length; of several, the one with a known name."""
    found = [name for name, one in texts.items() if len(one) == length and name not in but]
    if len(found) > 1:
        found = [name for name in known if name in found] or found
        if found[0] not in known:
            raise InputError(f"{path}: {', '.join(found)} could all be names; call the right one {known[0]!r}")
    return found[0] if found else None


def _by_gene(path, group, wanted):
    """Read a data set for each gene: (bins, tracks) or (tracks,)."""
    odd = [name for name, one in group.items() if not isinstance(one, h5py.Dataset) or not _fits(one)]
    if odd or not len(group):
        raise InputError(
            f"{path} has neither a matrix with a name for each row, nor a data set of numbers for each gene. It has "
            f"{_listed(group)}; key says which matrix or group to read"
        )
    names = [(name.removesuffix(SUFFIX), name) for name in group]
    kept = [(gene, name) for gene, name in names if wanted is None or gene in wanted]
    values = np.empty((len(kept), next(iter(group.values())).shape[-1]), dtype=np.float32)
    for row, (gene, name) in enumerate(kept):
        one = group[name]
        if one.shape[-1] != values.shape[1]:
            raise InputError(
                f"{path}: gene {quoted(gene)} has {one.shape[-1]:,} tracks, the first one {values.shape[1]:,}"
            )
        values[row] = one[:] if one.ndim == 1 else one[:].mean(axis=0, dtype=float)
    return _annotated(values, [gene for gene, _ in kept], np.arange(values.shape[1]).astype(str))


def _fits(dataset):
    return dataset.ndim in (1, 2) and 0 not in dataset.shape and dataset.dtype.kind in "fiu"


def _annotated(values, genes, tracks):
    return anndata.AnnData(values, pd.DataFrame(index=pd.Index(genes)), pd.DataFrame(index=pd.Index(tracks)))
