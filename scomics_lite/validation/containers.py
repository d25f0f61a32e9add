"""Take the matrix and the names out of whatever holds counts.

Containers are told by their type, never by their attributes: a column of a DataFrame may be called ``mod`` or
``layers``. AnnData and MuData are told by the names of their classes, without importing their packages.
"""

import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite.validation import misread
from scomics_lite.validation.errors import CountsError, did_you_mean

CLASSES = {("anndata", "AnnData"), ("anndata", "Raw"), ("mudata", "MuData")}


def is_anndata(value):
    """Tell whether something is an AnnData, without importing anndata.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool

    Examples
    --------
    >>> import anndata
    >>> is_anndata(anndata.AnnData(np.ones((2, 3)))), is_anndata(pd.DataFrame({"obs_names": [1, 2]}))
    (True, False)
    """
    return _class_of(value) == "AnnData"


def is_annotated(value):
    """Tell whether something is an AnnData, its raw part, or a MuData: what `read` takes or refuses in words.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool

    Examples
    --------
    >>> is_annotated(pd.DataFrame({"mod": [1, 2]}))
    False
    """
    return _class_of(value) is not None


def read(counts, layer=None):
    """Give the matrix, plain numbers, and the names of its rows and columns; whether they are counts is not looked at.

    Parameters
    ----------
    counts : array_like, scipy.sparse matrix or array, DataFrame or AnnData, shape (n, g)
    layer : str, optional
        The layer of an AnnData; its ``X`` when not given.

    Returns
    -------
    matrix : ndarray or scipy.sparse.csr_array, shape (n, g)
        Sparse stays sparse, without stored zeros. Copied only where the form has to change: small integers and float32
        stay what they are (float64 would fill eight and two times the memory), and whoever adds them up does so in
        float64.
    samples, genes : pandas.Index
        0, 1, 2 … where there are no names.

    Examples
    --------
    >>> read([[5, 0], [3, 4]])[0]
    array([[5, 0],
           [3, 4]])
    """
    matrix, samples, genes = _take(counts, layer)
    if matrix.ndim != 2:
        got = f"an array of shape {matrix.shape}" if matrix.ndim else type(counts).__name__
        hint = "; one gene is counts[:, None], one sample counts[None, :]" if matrix.ndim == 1 else ""
        raise CountsError(f"counts must be a table of samples x genes, got {got}{hint}")
    if 0 in matrix.shape:
        hint = misread.separator_in(samples, genes)
        raise CountsError(f"counts are empty: {matrix.shape[0]} samples x {matrix.shape[1]} genes{hint}")
    return _plain_matrix(matrix), samples, genes


def _class_of(value):
    """Name the class that a container of another package is of, or inherits from."""
    for kind in type(value).__mro__:
        if (kind.__module__.split(".")[0], kind.__name__) in CLASSES:
            return kind.__name__
    return None


def _take(counts, layer):
    """Take the matrix and the names out of a container."""
    kind = _class_of(counts)
    if kind == "AnnData":
        return _take_anndata(counts, layer)
    if kind == "MuData":
        raise CountsError(f"a MuData holds several tables; choose one, for example mdata[{next(iter(counts.mod))!r}]")
    if kind == "Raw":
        raise CountsError("adata.raw is a part of an AnnData; make it one: adata.raw.to_adata()")
    if layer is not None:
        raise CountsError(f"layer={layer!r} was given, but only an AnnData has layers; got {type(counts).__name__}")
    if isinstance(counts, pd.DataFrame):
        return _take_frame(counts)
    if isinstance(counts, pd.Series):
        raise CountsError(
            "counts must be a table of samples x genes, got a Series: one row or column of it. "
            "One sample is series.to_frame().T, one gene series.to_frame()"
        )
    if isinstance(counts, np.ma.MaskedArray):
        raise CountsError("a masked array hides values that the statistics would use; fill or drop them first")
    matrix = counts if sparse.issparse(counts) else _as_array(counts)
    n, g = matrix.shape if matrix.ndim == 2 else (0, 0)
    return matrix, pd.RangeIndex(n), pd.RangeIndex(g)


def _as_array(counts):
    try:
        return np.asarray(counts)
    except ValueError:
        raise CountsError(
            "counts must be a table, with a count of every gene in every sample; these rows differ in length"
        ) from None


def _take_anndata(adata, layer):
    if layer is not None and layer not in adata.layers:
        raise CountsError(f"the AnnData has no layer {layer!r}; {did_you_mean(layer, adata.layers.keys())}")
    if adata.isbacked:
        raise CountsError("the AnnData is on disk (backed); read it with adata.to_memory() first")
    matrix = adata.X if layer is None else adata.layers[layer]
    if matrix is None:
        raise CountsError(f"the AnnData has no X; name a layer with layer=…: {', '.join(adata.layers) or 'none there'}")
    return matrix, adata.obs_names, adata.var_names


def _take_frame(frame):
    kinds = list(frame.dtypes)
    if not all(pd.api.types.is_numeric_dtype(kind) for kind in kinds):
        raise CountsError(misread.explain_text(frame))
    if kinds and all(isinstance(kind, pd.SparseDtype) and kind.fill_value == 0 for kind in kinds):
        return frame.sparse.to_coo(), frame.index, frame.columns  # others leave out missing values, say, not zeros
    if any(pd.api.types.is_extension_array_dtype(kind) for kind in kinds):
        return frame.to_numpy(dtype=float, na_value=np.nan), frame.index, frame.columns
    values = frame.to_numpy()
    return values if values.dtype != object else frame.to_numpy(float), frame.index, frame.columns


def _plain_matrix(matrix):
    """Give an ndarray or a csr_array of numbers, copying only where the form has to change."""
    if not (np.issubdtype(matrix.dtype, np.number) or matrix.dtype == bool) or np.iscomplexobj(matrix):
        raise CountsError(f"counts must be numbers, got {matrix.dtype} values; convert them: counts.astype(float)")
    if not sparse.issparse(matrix):
        matrix = np.asarray(matrix)  # a view of an AnnData warns of everything that is done to it
        return matrix.view(np.uint8) if matrix.dtype == bool else matrix
    # Some formats hold one count in several parts, whose sum need not fit into a small integer type.
    plain = sparse.csr_array(matrix if matrix.format in ("csr", "csc") else matrix.astype(float))
    if not plain.has_canonical_format or (plain.data == 0).any():
        plain = plain.astype(float)  # a copy: the caller's matrix is not ours to tidy up
        plain.sum_duplicates()
        plain.eliminate_zeros()
    return plain
