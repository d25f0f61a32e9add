"""Features as models take them: a matrix of genes × tracks, whose tracks are matched by name."""

import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite.twas.genotypes.people import check_once
from scomics_lite.validation import InputError, is_anndata, quoted, warn

BLOCK = 1024  # genes looked at together
FEW = 3


def matrix_of_features(features):
    """Take matrix, genes and tracks out of a table of features.

    Parameters
    ----------
    features : AnnData, DataFrame or ndarray, shape (genes, tracks)

    Returns
    -------
    matrix : ndarray of float32, shape (n, p)
        A float32 matrix is not copied.
    genes, tracks : pandas.Index
        0, 1, 2 … where there are no names.

    Raises
    ------
    InputError
        If it is no table of numbers, a name comes twice, or a value is missing or infinite.

    Examples
    --------
    >>> matrix, genes, tracks = matrix_of_features(pd.DataFrame({"CTCF": [0.5, 2.0]}, index=["A", "B"]))
    >>> matrix.dtype, list(genes), list(tracks)
    (dtype('float32'), ['A', 'B'], ['CTCF'])
    """
    if is_anndata(features):
        if features.isbacked:
            raise InputError("the features are on disk (backed); read them with features.to_memory() first")
        matrix, genes, tracks = features.X, features.obs_names, features.var_names
    elif isinstance(features, pd.DataFrame):
        matrix, genes, tracks = _numbers(features), features.index, features.columns
    else:
        matrix = np.asarray(features)
        genes, tracks = (pd.RangeIndex(size) for size in (*matrix.shape, 0, 0)[:2])
    matrix = matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)
    if matrix.ndim != 2 or 0 in matrix.shape or matrix.dtype.kind not in "fiub":
        raise InputError(
            f"features are a table of genes × tracks, AnnData, DataFrame or array; got {type(features).__name__} of "
            f"shape {getattr(features, 'shape', '?')}"
        )
    check_once(genes, "features: gene")
    check_once(tracks, "features: track")
    _check_finite(matrix, genes, tracks)
    return np.ascontiguousarray(matrix, dtype=np.float32), genes, tracks


def _numbers(frame):
    text = [name for name, kind in frame.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    if text:
        raise InputError(
            f"features: track {quoted(text[0])} holds no numbers. If the column describes the genes, take it out: "
            f"table.drop(columns={text[0]!r}); if it names them, table.set_index({text[0]!r})"
        )
    return frame.to_numpy(np.float32)


def _check_finite(matrix, genes, tracks):
    """Name the first missing or infinite value, gene by gene."""
    if matrix.dtype.kind != "f":
        return
    for start in range(0, len(matrix), BLOCK):
        bad = np.argwhere(~np.isfinite(matrix[start : start + BLOCK]))
        if len(bad):
            gene, track = bad[0] + [start, 0]
            raise InputError(
                f"features: gene {quoted(genes[gene])} has {matrix[gene, track]} in track {quoted(tracks[track])}; "
                "leave out such genes, or tracks: a model needs every number"
            )


def matched_features(features, tracks):
    """Take features in the order of the tracks that a model has learned.

    Parameters
    ----------
    features : AnnData, DataFrame or ndarray
        Tracks are matched by name; an array has to have as many.
    tracks : pandas.Index
        Of the model.

    Returns
    -------
    matrix : ndarray of float32, shape (n, p)
    genes : pandas.Index

    Raises
    ------
    InputError
        If a track of the model is not there: some are named. Tracks that the model does not know are left out, with a
        notice.

    Examples
    --------
    >>> table = pd.DataFrame({"GATA1": [0.1], "CTCF": [0.5]}, index=["A"])
    >>> matched_features(table, pd.Index(["CTCF", "GATA1"]))[0].tolist()
    [[0.5, 0.10000000149011612]]
    """
    matrix, genes, names = matrix_of_features(features)
    if is_nameless(names) or is_nameless(tracks):
        if len(names) != len(tracks):
            raise InputError(
                f"the features have {len(names):,} tracks, the model has learned {len(tracks):,}; they must come from "
                "the same featuriser"
            )
        return matrix, genes
    places = names.get_indexer(tracks)
    missing = tracks[places < 0]
    if len(missing):
        raise InputError(
            f"{len(missing):,} of the {len(tracks):,} tracks that the model has learned are not among the features: "
            f"{examples(missing)}. The features have {examples(names)}; make them with the featuriser of the training"
        )
    if len(names) > len(tracks):
        extra = names.difference(tracks, sort=False)
        warn(f"{len(extra):,} tracks of the features are none of the model's and are not used: {examples(extra)}")
    in_order = np.array_equal(places, np.arange(len(names)))
    return matrix if in_order else np.ascontiguousarray(matrix[:, places]), genes


def is_nameless(index):
    """Tell whether an index is 0, 1, 2 …, which names nothing.

    Parameters
    ----------
    index : pandas.Index

    Returns
    -------
    bool

    Examples
    --------
    >>> is_nameless(pd.RangeIndex(3)), is_nameless(pd.Index(["A"]))
    (True, False)
    """
    return isinstance(index, pd.RangeIndex) and (index.start, index.step) == (0, 1)


def examples(names):
    """Write the first names of many, for a message.

    Parameters
    ----------
    names : pandas.Index

    Returns
    -------
    str

    Examples
    --------
    >>> examples(pd.Index(["A", "B", "C", "D"]))
    "'A', 'B', 'C' …"
    """
    return ", ".join(quoted(name) for name in names[:FEW]) + (" …" if len(names) > FEW else "")


def standardisation(matrix, rows, tracks):
    """Compute mean and 1 / sd of each track over some genes, without copying the matrix.

    Parameters
    ----------
    matrix : ndarray of float32, shape (n, p)
    rows : ndarray of int
        The training genes.
    tracks : pandas.Index

    Returns
    -------
    mean, inverse_sd : ndarray of float32, shape (p,)
        The sd has n − 1 in its denominator. Of a track that is constant over these genes nothing can be learned: its
        inverse_sd is 0, which leaves it out, also where it varies among other genes or people; a notice names it.

    Raises
    ------
    InputError
        If all tracks are constant.

    Examples
    --------
    >>> matrix = np.array([[1.0, 0.0], [3.0, 5.0], [9.0, 9.0]], dtype=np.float32)
    >>> mean, inverse_sd = standardisation(matrix, np.array([0, 1]), pd.Index(["CTCF", "GATA1"]))
    >>> print(mean, (1 / inverse_sd).round(3))
    [2.  2.5] [1.414 3.536]
    """
    blocks = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
    mean = sum(matrix[block].sum(axis=0, dtype=float) for block in blocks) / len(rows)
    centred = mean.astype(np.float32)  # what the models subtract
    squares = sum(np.square(matrix[block] - centred).sum(axis=0, dtype=float) for block in blocks)
    sd = np.sqrt(squares / (len(rows) - 1))
    constant = sd <= 1e-6 * np.abs(mean)  # float32 rounds to 1 part in 10⁷
    if constant.all():
        raise InputError("every track of the features is the same for all training genes: nothing can be learned")
    if constant.any():
        verb = "track is" if constant.sum() == 1 else "tracks are"
        warn(
            f"{constant.sum():,} {verb} the same for all training genes and left out by the model: "
            f"{examples(tracks[constant])}"
        )
    return centred, np.where(constant, 0.0, 1 / np.where(constant, 1.0, sd)).astype(np.float32)
