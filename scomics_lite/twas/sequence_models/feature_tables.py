"""Features that were computed elsewhere: tables of genes × tracks out of AnnData, HDF5 and text files."""

import warnings
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite.twas.exchange.file_access import open_by_content
from scomics_lite.twas.sequence_models.feature_matrices import examples
from scomics_lite.twas.sequence_models.hdf5_features import read_hdf5
from scomics_lite.twas.sequence_models.text_features import read_text
from scomics_lite.validation import InputError, quoted

HDF5 = b"\x89HDF\r\n\x1a\n"  # the first bytes of such a file
BLOCK = 1024  # genes looked at together
ENFORMER = 5_313  # tracks of its human output
FEW = 3


def read_features(path, *, genes=None, key=None):
    """Read features of genes from a file.

    What a file is, is told by its content:

    - AnnData (``.h5ad``), genes × tracks, such as `reference_features` gives and ``write_h5ad`` writes;
    - HDF5 with a matrix of genes × tracks and, beside it, the names of genes (and of tracks, if any) as text; the file
      that `reference_features` keeps with ``resume`` is one;
    - HDF5 with a data set for each gene, bins × tracks, as scPrediXcan's ``predict_h5.py`` reads it: the mean over the
      bins is taken, and ``_predictions`` at the end of names left out;
    - text (CSV, TSV; also ``.gz``) with a line for each gene and a column that names it, such as ``gene_name`` in
      scPrediXcan's tables. Columns that are known to describe genes (``chromo``, ``tss``, ``mean_expression`` …) go to
      ``obs``; every other one is a track. A first column without a name, beside one with names of genes, is the number
      of the line, and left out.

    Parameters
    ----------
    path : path
    genes : sequence of str, optional
        Which genes to read, in this order; by default all. Lines of other genes are not looked at.
    key : str, optional
        Where a file has more than one possibility: in HDF5 the name of the matrix, or of the group with a data set for
        each gene; in text the column with the names of genes.

    Returns
    -------
    AnnData, genes × tracks
        ``X`` is float32. Tracks without a name, or numbered 0, 1, 2 …, are called ``enformer_0``, ``enformer_1`` … as
        `EnformerFeatures` does, if there are 5,313, else ``track_0``, ``track_1`` …

    Raises
    ------
    InputError
        If it is none of these; a gene comes twice or has no name; a gene of `genes` is not there; a column is not
        numeric; a value is missing or infinite. Genes, tracks and lines are named.

    Examples
    --------
    >>> with open("features.csv", "w") as file:
    ...     print("gene_name,chromo,CTCF,GATA1", "FTO,chr16,0.5,0", "TP53,chr17,0.25,2", sep=chr(10), file=file)
    >>> features = read_features("features.csv")
    >>> list(features.obs_names), features.obs["chromosome"].tolist(), features.X.tolist()
    (['FTO', 'TP53'], ['16', '17'], [[0.5, 0.0], [0.25, 2.0]])
    >>> read_features("features.csv", genes=["TP53"]).X.tolist()
    [[0.25, 2.0]]
    """
    path, wanted = Path(path), _names(genes)
    with open_by_content(path) as file:  # which says what is wrong with a path
        is_hdf5 = file.read(len(HDF5)) == HDF5
    read = read_text if not is_hdf5 else _read_anndata if _is_anndata(path) else read_hdf5
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*names are not unique", UserWarning)  # which is refused below
        found = read(path, wanted, key)
    _check_genes(path, found.obs_names)
    found = found if wanted is None else _in_order(path, found, wanted)
    found.var_names = _track_names(path, found.var_names)
    _check_finite(path, found)
    return found


def _names(genes):
    if genes is None:
        return None
    if isinstance(genes, str):
        raise InputError(f"genes is a list of names; put {genes!r} into one: [{genes!r}]")
    wanted = pd.Index(genes, dtype=object)
    if not wanted.is_unique:
        raise InputError(f"genes: {quoted(wanted[wanted.duplicated()][0])} comes twice")
    return wanted


def _is_anndata(path):
    try:
        with h5py.File(path, "r") as file:
            return path.suffix == ".h5ad" or file.attrs.get("encoding-type") == "anndata"
    except OSError as error:
        raise InputError(f"{path} is damaged or not complete ({error}): copy or download it again") from None


def _read_anndata(path, wanted, key):
    if key is not None:
        raise InputError(f"{path} is AnnData, whose matrix is X: leave out key={key!r}")
    found = anndata.read_h5ad(path)
    matrix = found.X.toarray() if sparse.issparse(found.X) else np.asarray(found.X)
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiub":
        raise InputError(f"{path} has no numbers in X: it is no table of features")
    found.X = matrix.astype(np.float32, copy=False)
    return found if wanted is None else found[found.obs_names.isin(wanted)].copy()


def _check_genes(path, names):
    if len(names) == 0:
        raise InputError(f"{path} has no gene, or none of those asked for")
    if not names.is_unique:
        name = names[names.duplicated()][0]
        places = ", ".join(str(place + 1) for place in np.flatnonzero(names == name)[:FEW])
        raise InputError(
            f"{path}: gene {quoted(name)} comes {(names == name).sum()} times (genes number {places}); keep one, or "
            "leave this gene out with `genes`"
        )


def _in_order(path, found, wanted):
    places = found.obs_names.get_indexer(wanted)
    lacking = wanted[places < 0]
    if len(lacking):
        raise InputError(
            f"{path} lacks {len(lacking):,} of the {len(wanted):,} genes asked for: {examples(lacking)}. Names are to "
            "be those of the file, with versions (ENSG00000000003.15) where it has them"
        )
    return found if np.array_equal(places, np.arange(found.n_obs)) else found[places].copy()


def _track_names(path, names):
    if not names.is_unique:
        raise InputError(f"{path}: track {quoted(names[names.duplicated()][0])} comes twice; give each its own name")
    if list(names) != [str(number) for number in range(len(names))]:
        return names
    kind = "enformer" if len(names) == ENFORMER else "track"
    return pd.Index([f"{kind}_{number}" for number in range(len(names))], name="track")


def _check_finite(path, found):
    """Name the first missing or infinite value."""
    for start in range(0, found.n_obs, BLOCK):
        bad = np.argwhere(~np.isfinite(found.X[start : start + BLOCK]))
        if len(bad):
            gene, track = bad[0] + [start, 0]
            raise InputError(
                f"{path}: gene {quoted(found.obs_names[gene])} has {found.X[gene, track]} in track "
                f"{quoted(found.var_names[track])}: a model needs every number (a line of text that was cut off lacks "
                "the last ones). Leave such genes out with `genes`, or compute them again"
            )
