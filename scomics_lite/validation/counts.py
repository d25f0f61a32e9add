"""Turn whatever holds counts into one checked form, or say what is wrong and what to do about it.

Every public function that takes counts sends them through `check_counts` first, so that a bad table is caught where it
enters, with the sample and the gene named, and never halfway through a formula.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Real

import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite.validation import transformed

BLOCK = 4_000_000  # entries looked at together: bounds the memory of a check to some 32 MB


class InputError(ValueError):
    """Input that cannot be used as it is; the message names the offender and the way out."""

    __module__ = "scomics_lite.validation"  # the name that tracebacks show and users catch


class CountsError(InputError):
    """A table that does not hold raw counts, or counts that a method cannot work on."""

    __module__ = "scomics_lite.validation"


@dataclass(frozen=True)
class Counts:
    """Checked counts with the names of their samples and genes.

    Attributes
    ----------
    matrix : ndarray or scipy.sparse.csr_array, shape (n, g)
        Non-negative whole numbers, samples (or cells) in rows; sparse stays sparse, without stored zeros.
    samples, genes : pandas.Index, shape (n,) and (g,)
        Unique names; 0, 1, 2 … where the input had none.
    """

    matrix: np.ndarray | sparse.csr_array
    samples: pd.Index
    genes: pd.Index

    @property
    def library_sizes(self):
        """Total count of every sample, shape (n,)."""
        if not sparse.issparse(self.matrix):
            return self.matrix.sum(axis=1, dtype=float)
        sizes = np.zeros(len(self.samples))  # scipy's own sum adds float32 up in float32, which ends at 16,777,216
        filled = np.diff(self.matrix.indptr) > 0
        sizes[filled] = np.add.reduceat(self.matrix.data, self.matrix.indptr[:-1][filled], dtype=float)
        return sizes

    def rows(self):
        """Yield every sample as ``(genes, values)``: where it has counts above zero, and how many.

        Values are float64 whatever the matrix holds: logarithms of float32 or uint8 counts would be too coarse.
        """
        if not sparse.issparse(self.matrix):
            yield from ((np.flatnonzero(row), row[row != 0].astype(float, copy=False)) for row in self.matrix)
            return
        for start, stop in zip(self.matrix.indptr[:-1], self.matrix.indptr[1:], strict=True):
            yield self.matrix.indices[start:stop], self.matrix.data[start:stop].astype(float, copy=False)

    def row_of(self, sample):
        """Find a sample by its name, or by its position where a whole number is no name."""
        if np.isscalar(sample) and sample in self.samples:
            return int(self.samples.get_loc(sample))
        if isinstance(sample, int | np.integer) and 0 <= sample < len(self.samples):
            return int(sample)
        raise InputError(f"there is no sample {sample!r}; {did_you_mean(sample, self.samples[:20])}")

    def positive_samples(self):
        """In how many samples each gene has a count above zero, shape (g,)."""
        if sparse.issparse(self.matrix):
            return np.bincount(self.matrix.indices, minlength=len(self.genes))
        return np.count_nonzero(self.matrix, axis=0)


def check_counts(counts, *, layer=None, min_samples=2):
    """Check raw counts and return them with their names.

    Parameters
    ----------
    counts : array_like, scipy.sparse matrix or array, DataFrame or AnnData, shape (n, g)
        Samples (cells) in rows, genes in columns, as AnnData has them. Whole numbers stored as floats are fine.
    layer : str, optional
        The layer of an AnnData that holds the counts; its ``X`` when not given.
    min_samples : int
        Fewest samples the caller can work with.

    Returns
    -------
    Counts

    Raises
    ------
    CountsError
        For missing, infinite, negative, non-integer or log-transformed values, samples without a single count, repeated
        names, too few samples, or a container that holds something else.

    Examples
    --------
    >>> check_counts([[5.0, 0], [3, 4]]).library_sizes
    array([5., 7.])
    >>> check_counts([[5.0, 0.5], [3, 4]])
    Traceback (most recent call last):
    scomics_lite.validation.CountsError: counts must be whole numbers: 1 of 4 values is not, the first 0.5 (sample 0, \
gene 1). Expected counts of RSEM, salmon or kallisto may be rounded first, counts.round(); normalized values may not, \
they lost the library sizes: go back to the raw counts
    """
    matrix, samples, genes = _read(counts, layer)
    if matrix.ndim != 2:
        got = f"an array of shape {matrix.shape}" if matrix.ndim else type(counts).__name__
        raise CountsError(f"counts must be a table of samples x genes, got {got}")
    if 0 in matrix.shape:
        raise CountsError(f"counts are empty: {matrix.shape[0]} samples x {matrix.shape[1]} genes")
    checked = Counts(_plain_matrix(matrix), samples, genes)
    _check_names(samples, "sample", "adata.obs_names_make_unique(), or sum technical replicates of one sample")
    _check_names(genes, "gene", "adata.var_names_make_unique(), or sum the repeats: df.T.groupby(level=0).sum().T")
    _check_values(checked, counts, layer)
    if len(samples) < min_samples:
        raise CountsError(
            f"got {len(samples)} sample, at least {min_samples} are needed: a size factor compares samples. "
            "Rows are samples, columns genes; transpose a table that has it the other way round: counts.T"
        )
    _check_totals(checked)
    return checked


def did_you_mean(name, choices):
    """Say which of the known names, `choices`, comes closest to `name`: the end of many an error message.

    Examples
    --------
    >>> did_you_mean("tmn", ["tmm", "rle"])
    "did you mean 'tmm'? Known: rle, tmm"
    """
    known = {str(choice).lower(): str(choice) for choice in choices}
    near = get_close_matches(str(name).lower(), known, n=1, cutoff=0.5)
    guess = f"did you mean {known[near[0]]!r}? " if near else ""
    return f"{guess}Known: {', '.join(sorted(known.values())) or 'none'}"


def is_number(value):
    """Tell whether a setting is one finite number, and not text, say.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool

    Examples
    --------
    >>> is_number(0.1), is_number("0.1"), is_number(float("nan"))
    (True, False, False)
    """
    return isinstance(value, Real) and bool(np.isfinite(value))


def check_threshold(lfc_threshold):
    """Check the size that fold changes are tested against.

    Parameters
    ----------
    lfc_threshold : float
        In log2, not negative.

    Examples
    --------
    >>> check_threshold(-1)
    Traceback (most recent call last):
    scomics_lite.validation.InputError: lfc_threshold is a size in log2, 0 or more; got -1
    """
    if not (is_number(lfc_threshold) and lfc_threshold >= 0):
        raise InputError(f"lfc_threshold is a size in log2, 0 or more; got {lfc_threshold!r}")


def no_labels(column):
    """List the values of a column that are neither labels nor numbers, such as lists.

    Parameters
    ----------
    column : Series

    Returns
    -------
    list

    Examples
    --------
    >>> no_labels(pd.Series(["a", 1, ["b", "c"]]))
    [['b', 'c']]
    """
    return [] if column.dtype != object else [value for value in column if not pd.api.types.is_hashable(value)]


def check_order(table, names, what):
    """Refuse a DataFrame or Series whose index names the samples or genes in another order, or other ones.

    Parameters
    ----------
    table : DataFrame, Series or array_like
        What has no names passes.
    names : pandas.Index
        The names as the counts have them.
    what : str
        What the table is called, for the message.

    Examples
    --------
    >>> check_order(pd.Series([1.0, 2.0], index=["s2", "s1"]), pd.Index(["s1", "s2"]), "size factors")
    Traceback (most recent call last):
    scomics_lite.validation.InputError: the names of the size factors are not those of the counts: row 0 is 's2' \
instead of 's1'. Bring them into one order: size_factors.loc[...]
    """
    index = getattr(table, "index", names)
    if isinstance(names, pd.RangeIndex) or not isinstance(index, pd.Index) or isinstance(index, pd.RangeIndex):
        return  # one of them has no names
    if not index.equals(names):
        row = int(np.argmax(np.asarray(index != names))) if len(index) == len(names) else 0
        raise InputError(
            f"the names of the {what} are not those of the counts: row {row} is {_label(index[row])} instead of "
            f"{_label(names[row])}. Bring them into one order: {what.replace(' ', '_')}.loc[...]"
        )


def check_size_factors(size_factors, samples):
    """Check that there is one positive size factor for every sample, in the samples' order.

    Parameters
    ----------
    size_factors : array_like or Series, shape (n,)
        The size factors.
    samples : pandas.Index, shape (n,)
        Names of the samples.

    Returns
    -------
    ndarray, shape (n,)

    Examples
    --------
    >>> check_size_factors([0.5, 0.0], pd.Index(["s1", "s2"]))
    Traceback (most recent call last):
    scomics_lite.validation.InputError: size factors must be positive and finite; sample 's2' has 0.0
    """
    check_order(size_factors, samples, "size factors")
    try:
        size_factors = np.asarray(size_factors, dtype=float)
    except (TypeError, ValueError):
        raise InputError(
            f"size factors are numbers, one for each sample; got {size_factors!r}. "
            "Methods are names for scomics_lite.normalization.size_factors(adata, 'poscounts'), which gives numbers"
        ) from None
    if size_factors.shape != (len(samples),):
        raise InputError(f"{len(samples)} samples need as many size factors, got shape {size_factors.shape}")
    bad = np.flatnonzero(~(np.isfinite(size_factors) & (size_factors > 0)))
    if bad.size:
        raise InputError(
            f"size factors must be positive and finite; sample {_label(samples[bad[0]])} has {size_factors[bad[0]]}"
        )
    return size_factors


# --- reading -------------------------------------------------------------------------------------------------------


def _read(counts, layer):
    """Take the matrix and the names out of a container."""
    is_frame = isinstance(counts, pd.DataFrame)  # whose columns are attributes too
    if hasattr(counts, "mod") and not is_frame:
        raise CountsError(f"a MuData holds several tables; choose one, for example mdata[{next(iter(counts.mod))!r}]")
    if hasattr(counts, "obs_names") and not is_frame:  # an AnnData, known without importing anndata
        return _read_anndata(counts, layer)
    if layer is not None:
        raise CountsError(f"layer={layer!r} was given, but only an AnnData has layers; got {type(counts).__name__}")
    if is_frame:
        return _read_frame(counts)
    if isinstance(counts, np.ma.MaskedArray):
        raise CountsError("a masked array hides values that the statistics would use; fill or drop them first")
    matrix = counts if sparse.issparse(counts) else np.asarray(counts)
    n, g = matrix.shape if matrix.ndim == 2 else (0, 0)
    return matrix, pd.RangeIndex(n), pd.RangeIndex(g)


def _read_anndata(adata, layer):
    if layer is not None and layer not in adata.layers:
        raise CountsError(f"the AnnData has no layer {layer!r}; {did_you_mean(layer, adata.layers.keys())}")
    matrix = adata.X if layer is None else adata.layers[layer]
    if matrix is None:
        raise CountsError(f"the AnnData has no X; name a layer with layer=…: {', '.join(adata.layers) or 'none there'}")
    if adata.isbacked:
        raise CountsError("the AnnData is on disk (backed); read it with adata.to_memory() first")
    return matrix, adata.obs_names, adata.var_names


def _read_frame(frame):
    texts = [name for name, kind in frame.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    if texts:
        raise CountsError(
            f"{len(texts)} of {frame.shape[1]} columns hold no numbers, the first is {_label(texts[0])}. "
            "Make names the index (df.set_index(...)) and keep annotations in a table of their own"
        )
    if len(frame.columns) and all(isinstance(kind, pd.SparseDtype) for kind in frame.dtypes):
        return frame.sparse.to_coo(), frame.index, frame.columns
    nullable = any(pd.api.types.is_extension_array_dtype(kind) for kind in frame.dtypes)
    values = frame.to_numpy(dtype=float, na_value=np.nan) if nullable else frame.to_numpy()
    return values, frame.index, frame.columns


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


# --- checking ------------------------------------------------------------------------------------------------------


def _check_names(names, what, way_out):
    repeated = names[names.duplicated()].unique()
    if len(repeated):
        raise CountsError(
            f"{what} names must be unique: {_label(repeated[0])} stands {(names == repeated[0]).sum()} times "
            f"({len(repeated)} name{'s' * (len(repeated) > 1)} repeated). {way_out}"
        )


def _check_values(checked, source, layer):
    """Look for values that are no counts, the most telling kind first."""
    if not _any(checked.matrix, _is_no_count):
        return
    _refuse(checked, np.isnan, "counts must not be missing", "NaN", "Drop those genes or samples; a gap is not a zero")
    way_out = "A logarithm of zero gives -inf, a division by zero inf: go back to the raw counts"
    _refuse(checked, np.isinf, "counts must be finite", "infinite", way_out)
    _refuse_transformed(checked, source, layer)
    _refuse(
        checked, lambda v: v < 0, "counts must not be negative", "negative", "Use the raw counts, before any scaling"
    )
    way_out = (
        "Expected counts of RSEM, salmon or kallisto may be rounded first, counts.round(); normalized values may not, "
        "they lost the library sizes: go back to the raw counts"
    )
    _refuse(checked, lambda v: v != np.rint(v), "counts must be whole numbers", "not", way_out)


def _is_no_count(values):
    if np.issubdtype(values.dtype, np.integer):
        return values < 0
    return ~np.isfinite(values) | (values < 0) | (values != np.rint(values))


def _entries(matrix):
    """All values of the matrix row by row, or the stored ones of a sparse matrix."""
    return matrix.data if sparse.issparse(matrix) else matrix.reshape(-1)


def _any(matrix, is_bad):
    values = matrix.data if sparse.issparse(matrix) else matrix.ravel(order="K")  # any order will do
    return any(is_bad(values[start : start + BLOCK]).any() for start in range(0, values.size, BLOCK))


def _refuse(checked, is_bad, rule, name, way_out):
    """Raise if any value is bad, saying how many are and where the first one stands."""
    values = _entries(checked.matrix)
    bad = np.flatnonzero(is_bad(values))
    if bad.size == 0:
        return
    first = bad[0]
    if sparse.issparse(checked.matrix):
        row, column = np.searchsorted(checked.matrix.indptr, first, side="right") - 1, checked.matrix.indices[first]
    else:
        row, column = divmod(first, checked.matrix.shape[1])
    raise CountsError(
        f"{rule}: {bad.size:,} of {np.prod(checked.matrix.shape):,} values {'are' if bad.size > 1 else 'is'} {name}, "
        f"the first {values[first]:.6g} (sample {_label(checked.samples[row])}, gene {_label(checked.genes[column])}). "
        f"{way_out}"
    )


def _refuse_transformed(checked, source, layer):
    what, lost = transformed.describe(checked.matrix, _entries(checked.matrix), checked.library_sizes)
    if not what:
        return
    layers = [name for name in getattr(source, "layers", ()) if name != layer]
    where = f"; layers of this AnnData: {', '.join(layers)}" if layers else ""
    raise CountsError(f"the values look {what}. {lost}: go back to the raw counts{where}")


def _check_totals(checked):
    empty = np.flatnonzero(checked.library_sizes == 0)
    if empty.size == 0:
        return
    names = ", ".join(_label(name) for name in checked.samples[empty[:5]])
    n, g = len(checked.samples), len(checked.genes)
    way_out = "Nothing can be estimated from an empty sample: drop it"
    if n > g:
        way_out = f"If the {n:,} rows are genes and the {g:,} columns samples, transpose: counts.T. Otherwise drop it"
    raise CountsError(
        f"{empty.size:,} sample{'s have' if empty.size > 1 else ' has'} no count at all: {names}"
        f"{' …' * (empty.size > 5)}. {way_out}"
    )


def _label(name):
    """Name a sample or gene as the user wrote it."""
    return f"'{name}'" if isinstance(name, str) else str(name)
