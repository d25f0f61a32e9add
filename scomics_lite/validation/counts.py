"""Turn whatever holds counts into one checked form, or say what is wrong and what to do about it.

Every public function that takes counts sends them through `check_counts` first, so that a bad table is caught where it
enters, with the sample and the gene named, and never halfway through a formula.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite.validation import misread, transformed
from scomics_lite.validation.containers import is_anndata, read
from scomics_lite.validation.errors import CountsError, InputError, did_you_mean, quoted
from scomics_lite.validation.named import with_names
from scomics_lite.validation.notices import warn

BLOCK = 4_000_000  # entries looked at together: bounds the memory of a check to some 32 MB


@dataclass(frozen=True, eq=False)
class Counts:
    """Checked counts with the names of their samples and genes.

    Attributes
    ----------
    matrix : ndarray or scipy.sparse.csr_array, shape (n, g)
        Non-negative whole numbers, samples (or cells) in rows; sparse stays sparse, without stored zeros. Of the type
        they came in, to fill no more memory: before they are added up, multiplied or subtracted they have to become
        float64, as in `library_sizes`, `gene_totals` and blocks of genes. (uint8 ends at 255, float32 at 16,777,216.)
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

    @property
    def gene_totals(self):
        """Total count of every gene, shape (g,)."""
        if sparse.issparse(self.matrix):
            return np.ones(len(self.samples)) @ self.matrix  # adds up in float64, as scipy's sum of float32 does not
        return self.matrix.sum(axis=0, dtype=float)

    def of_samples(self, values):
        """Give one number for each sample its name: a Series, where the samples have names."""
        return with_names(values, self.samples)

    def of_genes(self, values):
        """Give one number for each gene its name: a Series, where the genes have names."""
        return with_names(values, self.genes)

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


def check_counts(counts, *, layer=None, min_samples=2, allow_empty=False):
    """Check raw counts and return them with their names.

    Parameters
    ----------
    counts : array_like, scipy.sparse matrix or array, DataFrame, AnnData or Counts, shape (n, g)
        Samples (cells) in rows, genes in columns, as AnnData has them. Whole numbers stored as floats are fine. Counts
        are passed on as they are.
    layer : str, optional
        The layer of an AnnData that holds the counts; its ``X`` when not given.
    min_samples : int
        Fewest samples the caller can work with.
    allow_empty : bool
        Whether samples (cells) without a single count may pass, as where they are summed.

    Returns
    -------
    Counts

    Raises
    ------
    CountsError
        For missing, infinite, negative, non-integer, log-transformed or scaled values, samples without a single count,
        repeated names, too few samples, rows that are no samples and columns that are no genes (lengths, sums), or a
        container that holds something else.

    Warns
    -----
    UserWarning
        For names of genes that a spreadsheet turned into dates, and for whole numbers whose sums are so alike that they
        may be rounded CPM.

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
    if isinstance(counts, Counts):
        if layer is not None:
            raise CountsError(f"layer={layer!r} was given, but only an AnnData has layers; got Counts")
        _check_number(counts, min_samples)
        return counts
    checked = read_counts(counts, layer=layer)
    _check_names(checked, counts)
    _check_values(checked, counts, layer)
    _check_number(checked, min_samples)
    if not allow_empty:
        _check_totals(checked)
    _check_scale(checked)
    _check_intruders(checked, counts)
    return checked


def read_counts(counts, *, layer=None):
    """Take the matrix and the names out of whatever holds counts, and look no further.

    For functions that can do with a part of a table, in which samples may well be empty, and with fractions.

    Parameters
    ----------
    counts : array_like, scipy.sparse matrix or array, DataFrame, AnnData or Counts, shape (n, g)
    layer : str, optional
        As for `check_counts`.

    Returns
    -------
    Counts

    Raises
    ------
    CountsError
        For what is no table of numbers.

    Examples
    --------
    >>> read_counts(pd.DataFrame({"a": [0.5, 0.0]}, index=["s1", "s2"])).genes.tolist()
    ['a']
    """
    return counts if isinstance(counts, Counts) and layer is None else Counts(*read(counts, layer))


# --- checking ------------------------------------------------------------------------------------------------------


def _check_number(checked, min_samples):
    if len(checked.samples) < min_samples:
        raise CountsError(
            f"got {len(checked.samples)} sample, at least {min_samples} are needed: a size factor compares samples. "
            "Rows are samples, columns genes; transpose a table that has it the other way round: counts.T"
        )


def _check_names(checked, source):
    for names, what in ((checked.samples, "sample"), (checked.genes, "gene")):
        repeated = names[names.duplicated()].unique()
        if len(repeated):
            raise CountsError(
                f"{what} names must be unique: {quoted(repeated[0])} stands {(names == repeated[0]).sum()} times "
                f"({len(repeated)} name{'s' * (len(repeated) > 1)} repeated). {_unrepeated(repeated, what)}"
            )
    nameless = misread.nameless(checked.samples, checked.genes)
    if nameless:
        raise CountsError(
            f"{nameless[0]!r} is pandas' name for a column that had none in the file, names or row numbers as a rule: "
            "pd.read_csv(..., index_col=0)"
        )
    if misread.are_gene_ids(checked.samples):
        raise CountsError(
            f"the rows are named like genes, the first {checked.samples[0]!r}, and should be samples: transpose, "
            f"{'adata.T' if is_anndata(source) else 'counts.T'}"
        )
    dates = misread.dates(checked.genes)
    if dates:
        warn(f"{len(dates)} gene name{'s are dates' if len(dates) > 1 else ' is a date'}, {_made_of_genes(dates[0])}")


def _unrepeated(repeated, what):
    """Say what to do about repeated names."""
    dates = misread.dates(repeated)
    if dates:
        return f"It is a date, {_made_of_genes(dates[0])}"
    if what == "sample":
        return "adata.obs_names_make_unique(), or sum technical replicates of one sample: df.groupby(level=0).sum()"
    return "adata.var_names_make_unique(), or sum the repeats: df.T.groupby(level=0).sum().T"


def _made_of_genes(date):
    return (
        f"{date!r}, which a spreadsheet made of a gene's (of MARCHF2 or MARC2 it makes 2-Mar): take the names from the "
        "file as it was before, or the identifiers of a catalogue"
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
    with np.errstate(invalid="ignore"):  # some NaN, of other programs, are loud
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
        f"the first {values[first]:.6g} (sample {quoted(checked.samples[row])}, gene {quoted(checked.genes[column])}). "
        f"{way_out}"
    )


def _refuse_transformed(checked, source, layer):
    what, lost = transformed.describe(checked.matrix, _entries(checked.matrix), checked.library_sizes)
    if not what:
        return
    layers = [name for name in source.layers if name != layer] if is_anndata(source) else []
    where = f"; layers of this AnnData: {', '.join(layers)}" if layers else ""
    raise CountsError(f"the values look {what}. {lost}: go back to the raw counts{where}")


def _check_totals(checked):
    empty = np.flatnonzero(checked.library_sizes == 0)
    if empty.size:
        names = ", ".join(quoted(name) for name in checked.samples[empty[:5]])
        n, g = len(checked.samples), len(checked.genes)
        way_out = "Nothing can be estimated from an empty sample: drop it"
        if n > g:
            way_out = (
                f"If the {n:,} rows are genes and the {g:,} columns samples, transpose: counts.T. Otherwise drop it"
            )
        raise CountsError(
            f"{empty.size:,} sample{'s have' if empty.size > 1 else ' has'} no count at all: {names}"
            f"{' …' * (empty.size > 5)}. {way_out}"
        )


def _check_scale(checked):
    """Stop whole numbers that are rounded CPM, and warn of those that may be."""
    sizes = checked.library_sizes
    what, sure = transformed.scaled_and_rounded(sizes[sizes > 0])
    if sure:
        raise CountsError(f"the values look {what}. {transformed.LOST}: go back to the raw counts")
    if what:
        warn(
            f"the values look {what}. If so, go back to the raw counts: {transformed.LOST.lower()}. If they were drawn "
            "at random down to one depth, and genes were left out since, they are counts, and all is well"
        )


def _check_intruders(checked, source):
    what, samples, genes = misread.intruders(checked)
    if not what:
        return
    way_out = ""
    if isinstance(source, pd.DataFrame):
        way_out = f": counts.drop(index={samples!r})" if samples else f": counts.drop(columns={genes!r})"
    elif is_anndata(source):
        way_out = f": adata[~adata.obs_names.isin({samples!r})]" if samples else ""
        way_out = way_out or f": adata[:, ~adata.var_names.isin({genes!r})]"
    raise CountsError(f"{what}. Leave {'it' if len(samples + genes) == 1 else 'them'} out{way_out}")
