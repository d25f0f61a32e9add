"""Checks of what comes beside the counts: tables in the same order, one number for each sample, thresholds."""

from numbers import Real

import numpy as np
import pandas as pd

from scomics_lite.validation.containers import is_anndata
from scomics_lite.validation.errors import InputError, did_you_mean, quoted


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


def check_order(table, names, what, columns=None, *, of="counts"):
    """Refuse a DataFrame or Series that names the samples or genes in another order, or other ones.

    Parameters
    ----------
    table : DataFrame, Series or array_like
        What has no names passes.
    names : pandas.Index
        The names that its rows should have: those of the counts.
    what : str
        What the table is called, for the message.
    columns : pandas.Index, optional
        The names that the columns of a DataFrame should have.
    of : str
        What the names are of, for the message.

    Examples
    --------
    >>> check_order(pd.Series([1.0, 2.0], index=["s2", "s1"]), pd.Index(["s1", "s2"]), "size factors")
    Traceback (most recent call last):
    scomics_lite.validation.InputError: the names of the size factors are not those of the counts: row 0 is 's2' \
instead of 's1'. Bring them into one order: size_factors.loc[...]
    """
    variable = what.replace(" ", "_")
    _compare(getattr(table, "index", None), names, what, of, "row", f"{variable}.loc[...]")
    if columns is not None and isinstance(table, pd.DataFrame):
        _compare(table.columns, columns, what, of, "column", f"{variable}.loc[:, ...]")


def _compare(index, names, what, of, line, selection):
    """Compare the names of the rows or columns of a table with those that they should have."""
    if not isinstance(index, pd.Index) or index.equals(names) or not _are_names(index, names):
        return
    difference = f"{len(index):,} {line}s instead of {len(names):,}"
    if len(index) == len(names):
        place = int(np.argmax(np.asarray(index != names)))
        difference = f"{line} {place} is {quoted(index[place])} instead of {quoted(names[place])}"
    lacking = names.difference(index, sort=False)
    way_out = f"{quoted(lacking[0])} is not among them" if len(lacking) else f"Bring them into one order: {selection}"
    raise InputError(f"the names of the {what} are not those of the {of}: {difference}. {way_out}")


def _are_names(index, names):
    """Tell whether both are names: numbers from 0 on are none, but the same numbers in another order are."""
    if isinstance(names, pd.RangeIndex):
        return pd.api.types.is_integer_dtype(index.dtype) and index.sort_values().equals(names)
    return not isinstance(index, pd.RangeIndex)


def check_size_factors(size_factors, samples, genes=None):
    """Check that there is one positive size factor for every sample, or for every sample and gene, in their order.

    Parameters
    ----------
    size_factors : array_like, Series or DataFrame, shape (n,) or (n, g)
        The size factors.
    samples : pandas.Index, shape (n,)
        Names of the samples.
    genes : pandas.Index, shape (g,), optional
        Names of the genes, for a caller that can work with size factors of every gene. Without, they are refused.

    Returns
    -------
    ndarray, shape (n,) or (n, g)

    Examples
    --------
    >>> check_size_factors([0.5, 0.0], pd.Index(["s1", "s2"]))
    Traceback (most recent call last):
    scomics_lite.validation.InputError: size factors must be positive and finite; sample 's2' has 0.0
    >>> check_size_factors([[0.5, 1.0], [2.0, -1.0]], pd.Index(["s1", "s2"]), pd.Index(["g1", "g2"]))
    Traceback (most recent call last):
    scomics_lite.validation.InputError: size factors must be positive and finite; sample 's2' has -1.0 for gene 'g2'
    """
    if isinstance(size_factors, str):
        raise InputError(
            f"size factors are numbers, one for each sample; got {size_factors!r}. "
            "Methods are names for scomics_lite.normalization.size_factors(adata, 'poscounts'), which gives numbers"
        )
    if np.ndim(size_factors) != 2:
        return check_positive(size_factors, samples, "size factors")
    if genes is None:
        raise InputError(
            f"{len(samples)} samples need as many size factors, got shape {np.shape(size_factors)}. Size factors of "
            "every gene are for scomics_lite.dispersion.estimate and scomics_lite.glm.fit: method='wald' or 'lrt'"
        )
    return check_positive_table(size_factors, samples, genes, "size factors")


def check_positive_table(table, samples, genes, what):
    """Check that there is one positive number for every sample and gene, in their order.

    Parameters
    ----------
    table : array_like or DataFrame, shape (n, g)
    samples, genes : pandas.Index, shape (n,) and (g,)
        Their names.
    what : str
        What the numbers are called, for the message.

    Returns
    -------
    ndarray, shape (n, g)

    Examples
    --------
    >>> check_positive_table([[500.0, 0.0]], pd.Index(["s1"]), pd.Index(["g1", "g2"]), "lengths")
    Traceback (most recent call last):
    scomics_lite.validation.InputError: lengths must be positive and finite; sample 's1' has 0.0 for gene 'g2'
    """
    check_order(table, samples, what, genes)
    try:
        values = np.asarray(table, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{what} are numbers, one for each sample and gene; got {table!r}") from None
    if values.shape != (len(samples), len(genes)):
        way_out = f": {what.replace(' ', '_')}.T" if values.shape == (len(genes), len(samples)) else ""
        raise InputError(
            f"{what} are a table of {len(samples):,} samples x {len(genes):,} genes; got shape {values.shape}{way_out}"
        )
    if not (values.min(initial=1) > 0 and np.isfinite(values.max(initial=1))):
        row, column = np.argwhere(~(np.isfinite(values) & (values > 0)))[0]
        where = f"sample {quoted(samples[row])} has {values[row, column]} for gene {quoted(genes[column])}"
        raise InputError(f"{what} must be positive and finite; {where}")
    return values


def check_positive(values, samples, what):
    """Check that there is one positive number for every sample, in the samples' order.

    Parameters
    ----------
    values : array_like or Series, shape (n,)
    samples : pandas.Index, shape (n,)
        Names of the samples.
    what : str
        What the numbers are called, for the message.

    Returns
    -------
    ndarray, shape (n,)

    Examples
    --------
    >>> check_positive([2e6], pd.Index(["s1", "s2"]), "library sizes")
    Traceback (most recent call last):
    scomics_lite.validation.InputError: 2 samples need as many library sizes, got shape (1,)
    """
    check_order(values, samples, what)
    try:
        values = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{what} are numbers, one for each sample; got {values!r}") from None
    if values.shape != (len(samples),):
        raise InputError(f"{len(samples)} samples need as many {what}, got shape {values.shape}")
    bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
    if bad.size:
        raise InputError(f"{what} must be positive and finite; sample {quoted(samples[bad[0]])} has {values[bad[0]]}")
    return values


def check_labels(labels, source, samples, what):
    """Give the label of every sample (cell), in the samples' order: a column of ``obs``, or as many labels.

    Parameters
    ----------
    labels : str or array_like, shape (n,)
        The name of a column of the AnnData's ``obs``, or the labels.
    source : AnnData or what else holds the counts
    samples : pandas.Index, shape (n,)
        Names of the samples.
    what : str
        What the labels are called, for the message, in the plural.

    Returns
    -------
    Series of categories, shape (n,)
        Without levels that no sample has.

    Examples
    --------
    >>> check_labels(["B", "T", "B"], np.ones((3, 2)), pd.RangeIndex(3), "groups").cat.categories.tolist()
    ['B', 'T']
    >>> check_labels(["B", None, "B"], np.ones((3, 2)), pd.RangeIndex(3), "groups")
    Traceback (most recent call last):
    scomics_lite.validation.InputError: 1 of 3 rows has no value among the groups, the first is 1. \
Leave it out: counts[groups.notna()]
    """
    found = f"counts[{what}.notna()]"
    if isinstance(labels, str):
        if not is_anndata(source):
            raise InputError(
                f"{what}={labels!r} names a column of an AnnData's obs; for a {type(source).__name__} give a label for "
                "every row"
            )
        if labels not in source.obs:
            raise InputError(f"obs has no column {labels!r}; {did_you_mean(labels, source.obs)}")
        found, labels = f"adata[adata.obs[{labels!r}].notna()]", source.obs[labels]
    check_order(labels, samples, what)
    labels = pd.Series(labels)
    if len(labels) != len(samples):
        raise InputError(f"{len(samples):,} rows need as many {what}; got {len(labels):,}")
    lost = np.flatnonzero(labels.isna())
    if lost.size:
        one, many = ("has", "it") if lost.size == 1 else ("have", "them")
        raise InputError(
            f"{lost.size:,} of {len(samples):,} rows {one} no value among the {what}, the first is "
            f"{quoted(samples[lost[0]])}. Leave {many} out: {found}"
        )
    return labels.astype("category").cat.remove_unused_categories()
