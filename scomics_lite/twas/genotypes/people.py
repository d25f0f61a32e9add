"""Tables of people: numbers and names out of AnnData and DataFrames, and the same people in the same order.

Dosages, expression, phenotypes and covariates come from different files, in different orders. Wherever both sides have
names, people are matched by name; an array, or a table whose rows are numbered 0, 1, 2 …, is taken row by row.
"""

import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite.validation import InputError, is_anndata, quoted, warn

MISSING = -999.0  # what PLINK, UK Biobank's tables and MetaXcan write for a missing phenotype
FEW = 3  # examples in a message


def columns_of(table, what):
    """Take matrix, people and the names of the columns out of a table, without copying it.

    Parameters
    ----------
    table : AnnData, DataFrame or array_like, shape (n, m)
    what : str
        What the table is called, for the message.

    Returns
    -------
    matrix : ndarray or scipy.sparse.csr_array, shape (n, m)
    people, names : pandas.Index
        0, 1, 2 … where there are no names.

    Raises
    ------
    InputError
        If it is no table of numbers, is empty, has an infinite value, or names a person or a column twice.

    Examples
    --------
    >>> matrix, people, genes = columns_of(pd.DataFrame({"g1": [0.5, 1.0]}, index=["ann", "bo"]), "expression")
    >>> matrix.tolist(), list(people), list(genes)
    ([[0.5], [1.0]], ['ann', 'bo'], ['g1'])
    """
    if is_anndata(table):
        matrix, people, names = table.X, table.obs_names, table.var_names
    elif isinstance(table, pd.DataFrame):
        matrix, people, names = _numbers(table, what), table.index, table.columns
    else:
        matrix = table if sparse.issparse(table) else _array(table, what)
        people, names = (pd.RangeIndex(size) for size in (*matrix.shape, 0, 0)[:2])
    matrix = sparse.csr_array(matrix) if sparse.issparse(matrix) else np.asarray(matrix)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(f"{what}: a table with people in rows is needed; got shape {matrix.shape}")
    check_once(people, f"{what}: person")
    check_once(names, f"{what}: column")
    _check_finite(matrix, names, what)
    return matrix, people, names


def _check_finite(matrix, names, what):
    """Refuse a column with an infinite value: a logarithm of zero, say."""
    if matrix.dtype.kind == "f" and np.isinf(matrix.data if sparse.issparse(matrix) else matrix).any():
        column = next(i for i in range(matrix.shape[1]) if np.isinf(_dense(matrix[:, [i]])).any())
        raise InputError(
            f"{what}: column {quoted(names[column])} has an infinite value; make it NaN, for missing: "
            "table.replace([np.inf, -np.inf], np.nan)"
        )


def _dense(matrix):
    return matrix.toarray() if sparse.issparse(matrix) else matrix


def _array(values, what):
    try:
        return np.asarray(values, dtype=float) if not isinstance(values, np.ndarray) else values
    except (TypeError, ValueError):
        raise InputError(f"{what}: a table of numbers is needed, got {type(values).__name__}") from None


def _numbers(frame, what):
    """Give a DataFrame's numbers; name the column that holds none."""
    for name, kind in frame.dtypes.items():
        if not pd.api.types.is_numeric_dtype(kind):
            raise InputError(
                f"{what}: column {quoted(name)} holds {kind} values, not numbers. Groups become columns of 0 and 1 by "
                "pd.get_dummies(table, drop_first=True); names of people belong into the index: table.set_index(...)"
            )
    plain = not any(pd.api.types.is_extension_array_dtype(kind) for kind in frame.dtypes)
    same = plain and len(set(frame.dtypes)) == 1 and frame.dtypes.iloc[0].kind in "iuf"
    return frame.to_numpy() if same else frame.to_numpy(float, na_value=np.nan)


def check_once(names, what):
    """Refuse names that come twice.

    Parameters
    ----------
    names : pandas.Index
    what : str
        What one of them is called, for the message.

    Examples
    --------
    >>> check_once(pd.Index(["ann", "bo", "ann"]), "expression: person")
    Traceback (most recent call last):
    scomics_lite.validation.InputError: expression: person 'ann' comes 2 times; keep one: \
table.loc[~table.index.duplicated()], for columns table.loc[:, ~table.columns.duplicated()]
    """
    if not names.is_unique:
        name = names[names.duplicated()][0]
        raise InputError(
            f"{what} {quoted(name)} comes {(names == name).sum()} times; keep one: "
            "table.loc[~table.index.duplicated()], for columns table.loc[:, ~table.columns.duplicated()]"
        )


def one_column(values, what):
    """Take one number for each person, and the people's names.

    Parameters
    ----------
    values : Series, DataFrame of one column or array_like, shape (n,)
        -999, the code of PLINK and MetaXcan for a missing value, becomes NaN, with a warning.
    what : str
        What the numbers are called, for the message.

    Returns
    -------
    values : ndarray, shape (n,)
    people : pandas.Index

    Raises
    ------
    InputError
        If these are not numbers, or more than one column.

    Examples
    --------
    >>> one_column(pd.Series([1.5, None], index=["ann", "bo"]), "phenotype")
    (array([1.5, nan]), Index(['ann', 'bo'], dtype='object'))
    """
    if isinstance(values, pd.DataFrame) and values.shape[1] != 1:
        some = ", ".join(quoted(name) for name in values.columns[:FEW])
        raise InputError(f"{what}: one column is needed, got {values.shape[1]:,} ({some} …); take one: table[name]")
    column = values.iloc[:, 0] if isinstance(values, pd.DataFrame) else values
    try:
        named = isinstance(column, pd.Series)
        numbers = np.array(column.to_numpy(float, na_value=np.nan) if named else column, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{what}: numbers are needed, one for each person; got {_first_text(column)}") from None
    if numbers.ndim != 1:
        raise InputError(f"{what}: one number for each person is needed, got shape {numbers.shape}")
    people = column.index if isinstance(column, pd.Series) else pd.RangeIndex(len(numbers))
    check_once(people, f"{what}: person")
    return without_codes(numbers, what), people


def _first_text(column):
    kept = [value for value in np.ravel(column) if isinstance(value, str)]
    return f"{kept[0]!r}; give each group its number, or take pd.to_numeric(...)" if kept else type(column).__name__


def without_codes(numbers, what):
    """Turn -999 into NaN, with a warning; refuse infinite numbers.

    Parameters
    ----------
    numbers : ndarray of float
    what : str
        What they are called, for the message.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> without_codes(np.array([1.0, np.inf]), "phenotype")
    Traceback (most recent call last):
    scomics_lite.validation.InputError: phenotype: 1 of 2 values is infinite; make it NaN: \
phenotype.replace([np.inf, -np.inf], np.nan)
    """
    infinite = np.count_nonzero(np.isinf(numbers))
    if infinite:
        are = "is" if infinite == 1 else "are"
        raise InputError(
            f"{what}: {infinite} of {numbers.size} values {are} infinite; make it NaN: "
            f"{what}.replace([np.inf, -np.inf], np.nan)"
        )
    coded = np.isclose(numbers, MISSING, rtol=0, atol=1e-3)
    if coded.any():
        warn(f"{what}: -999 stands for a missing value in {coded.sum()} of {numbers.size} places; they are left out")
        numbers = np.where(coded, np.nan, numbers)
    return numbers


def same_people(people, others, what, other):
    """Find the rows of the people that two tables share, in the order of the first.

    Parameters
    ----------
    people, others : pandas.Index
        Names; 0, 1, 2 … are none, and then rows belong together by their place.
    what, other : str
        What the two tables are called, for messages.

    Returns
    -------
    rows, other_rows : ndarray of int
        Row by row the same person. People of whom one table knows nothing are left out, with a warning.

    Raises
    ------
    InputError
        If nobody is in both, or tables without names differ in length.

    Examples
    --------
    >>> same_people(pd.Index(["ann", "bo"]), pd.Index(["bo", "ann"]), "expression", "phenotype")
    (array([0, 1]), array([1, 0]))
    """
    if _is_nameless(people) or _is_nameless(others):
        if len(people) != len(others):
            raise InputError(
                f"{what} has {len(people):,} people and {other} {len(others):,}; without names they cannot be matched. "
                "Give both an index of people's names, or bring them to the same rows"
            )
        return np.arange(len(people)), np.arange(len(people))
    found = others.get_indexer(people)
    rows = np.flatnonzero(found >= 0)
    if not rows.size:
        raise InputError(
            f"nobody is in both: {what} has {_examples(people)}, {other} has {_examples(others)}. The index of both "
            f"must hold the same names, as the same type: index.astype(str) makes texts of numbers"
        )
    left, right = people[found < 0], others[~others.isin(people)]
    if len(left) or len(right):
        parts = [f"{len(some):,} only in {name} ({_examples(some)})" for some, name in ((left, what), (right, other))]
        kept = [part for part, some in zip(parts, (left, right), strict=True) if len(some)]
        warn(f"{rows.size:,} people are in {what} and {other}; left out: {' and '.join(kept)}")
    return rows, found[rows]


def _is_nameless(index):
    return isinstance(index, pd.RangeIndex) and (index.start, index.step) == (0, 1)


def _examples(names):
    more = " …" if len(names) > FEW else ""
    return ", ".join(quoted(name) for name in names[:FEW]) + more


def complete_people(people, phenotype, covariates, called=("expression", "phenotype")):
    """Find the people with a phenotype and all covariates, among those of another table.

    Parameters
    ----------
    people : pandas.Index
        Those of the table.
    phenotype : Series or array_like
    covariates : DataFrame, array_like or None
    called : tuple of str
        What the table and the phenotype are, for messages.

    Returns
    -------
    rows : ndarray of int
        Of the table.
    phenotype : ndarray, shape (n,)
    covariates : ndarray, shape (n, k), or None

    Raises
    ------
    InputError
        If tables do not fit together, or too few people are complete.

    Examples
    --------
    >>> complete_people(pd.RangeIndex(4), [1.0, 2.0, np.nan, 4.0], None)
    (array([0, 1, 3]), array([1., 2., 4.]), None)
    """
    y, others = one_column(phenotype, called[1])
    rows, places = same_people(people, others, *called)
    y, z = y[places], None
    if covariates is not None:
        z, others, names = columns_of(covariates, "covariates")
        known, places = same_people(people, others, called[0], "covariates")
        z = without_codes(np.asarray(z, dtype=float)[places], "covariates")
        _check_known(z, names)
        rows, of_y, of_z = np.intersect1d(rows, known, assume_unique=True, return_indices=True)
        y, z = y[of_y], z[of_z]
    complete = ~np.isnan(y) if z is None else ~np.isnan(y) & ~np.isnan(z).any(axis=1)
    k = 0 if z is None else z.shape[1]
    if complete.sum() < k + 3:
        raise InputError(
            f"{complete.sum()} of {len(people):,} people in {called[0]} have {called[1]} and all of {k} covariates; a "
            f"regression needs {k + 3} at least. Leave out covariates, or those with many missing values"
        )
    return rows[complete], y[complete], None if z is None else z[complete]


def _check_known(covariates, names):
    """Refuse a covariate that nobody has."""
    unknown = np.flatnonzero(np.isnan(covariates).all(axis=0))
    if unknown.size:
        name = quoted(names[unknown[0]])
        raise InputError(f"covariate {name} is missing for everybody; leave it out: covariates.drop(columns={name})")
