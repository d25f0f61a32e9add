"""Shares by method, and how much they vary from set to set: what the counts of calls and of estimates stand on."""

import numpy as np
import pandas as pd

from scomics_lite.validation import InputError, did_you_mean

LEVELS = (0.01, 0.05, 0.1, 0.2)  # of rates, where none are given


def checked(results, *columns):
    """Give the results with their methods in order, or say what they lack.

    Parameters
    ----------
    results : DataFrame
        From `study`.
    columns : str
        What is needed beside method, set and truth.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> table = pd.DataFrame({"method": "t", "set": 0, "truth": 0, "pvalue": [0.2, 0.4]})
    >>> checked(table, "pvalue")["method"].cat.categories.tolist()
    ['t']
    """
    if not isinstance(results, pd.DataFrame):
        raise InputError(f"results are the table that study gives; got {type(results).__name__}")
    for column in ("method", "set", "truth", *columns):
        if column not in results:
            raise InputError(
                f"the results have no column {column!r}: no table of analyse had it; {did_you_mean(column, results)}"
            )
    return ordered(results)


def ordered(results, column="method"):
    """Keep the methods in the order in which they come, also where studies were joined by pandas.concat.

    Parameters
    ----------
    results : DataFrame
    column : str
        Which column holds the methods, or other names.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> ordered(pd.DataFrame({"method": ["z", "a", "z"]}))["method"].cat.categories.tolist()
    ['z', 'a']
    """
    return results.astype({column: pd.CategoricalDtype(results[column].unique())})


def grouping(results, by):
    """Give the columns by which methods are counted apart, and the results with names in them in their order.

    Parameters
    ----------
    results : DataFrame
        From `checked`.
    by : str, list of str or None

    Returns
    -------
    DataFrame
    list of str
        ``method`` and the columns.

    Examples
    --------
    >>> table = pd.DataFrame({"method": "t", "changed": ["zero", "mean"]})
    >>> table, keys = grouping(table, "changed")
    >>> keys, table["changed"].cat.categories.tolist()
    (['method', 'changed'], ['zero', 'mean'])
    """
    columns = [] if by is None else [by] if isinstance(by, str) else list(by)
    for column in columns:
        if column in ("method", "set"):
            raise InputError(f"methods and sets are always counted apart; leave {column!r} out of by")
        if column not in results:
            raise InputError(f"the results have no column {column!r} to count by; {did_you_mean(column, results)}")
        if results[column].dtype.kind == "O" and not isinstance(results[column].dtype, pd.CategoricalDtype):
            results = ordered(results, column)
    return results, ["method", *columns]


def shares(results, below, by=None):
    """Give the share of genes below each level, by method.

    Parameters
    ----------
    results : DataFrame
        Of `checked`.
    below : DataFrame of bool
        Its columns are levels.
    by : str or list of str, optional
        Columns by which to count apart; rows without a value there are not counted.

    Returns
    -------
    DataFrame
        ``method``, the columns of `by`, ``level``, ``share`` and ``share_se``.

    Examples
    --------
    >>> table = pd.DataFrame({"method": "t", "set": [0, 0, 1, 1]})
    >>> shares(table, pd.DataFrame({0.05: [True, True, False, True]}))
      method  level  share  share_se
    0      t   0.05   0.75      0.25
    """
    results, keys = grouping(results, by)
    groups = [results[key] for key in (*keys, "set")]
    return over_sets(share=below.groupby(groups, observed=True).mean())


def over_sets(**by_set):
    """Give mean and standard error over the sets of numbers that are there by method and set (rows) and level.

    Parameters
    ----------
    by_set : DataFrame
        Rows by method, any other columns to count by, and set; a column for each level.

    Returns
    -------
    DataFrame
        A column, and one with ``_se`` behind its name, for each argument.

    Examples
    --------
    >>> index = pd.MultiIndex.from_product([["t"], [0, 1]], names=["method", "set"])
    >>> over_sets(calls=pd.DataFrame({0.1: [3.0, 5.0]}, index))
      method  level  calls  calls_se
    0      t    0.1    4.0       1.0
    """
    columns = {}
    for name, numbers in by_set.items():
        keys = [key for key in numbers.index.names if key != "set"]
        by_keys = numbers.rename_axis(columns="level").groupby(level=keys, observed=True)
        columns[name] = by_keys.mean().melt(ignore_index=False).set_index("level", append=True)["value"]
        columns[f"{name}_se"] = by_keys.sem().melt(ignore_index=False).set_index("level", append=True)["value"]
    return pd.DataFrame(columns).sort_index(level=keys, sort_remaining=False, kind="stable").reset_index()


def ratio_error(by_set, events, share):
    """Give the standard error of a share of all genes of all sets, where sets hold different numbers of them.

    With e_s events among n_s genes of set s, S sets and R = sum e / sum n,

        SE^2 = S / (S - 1) sum over s of (e_s - R n_s)^2 / (sum n)^2

    Parameters
    ----------
    by_set : DataFrame
        Numbers of ``genes`` and of events, by anything and, last, set.
    events : str
        Column of the events.
    share : Series
        R, by anything.

    Returns
    -------
    Series
        NaN where there is one set: of one nobody knows how much sets vary.

    Examples
    --------
    >>> index = pd.MultiIndex.from_product([["t"], [0, 1]], names=["method", "set"])
    >>> by_set = pd.DataFrame({"genes": [2, 4], "wrong": [1, 0]}, index)
    >>> ratio_error(by_set, "wrong", pd.Series({"t": 1 / 6})).round(4).tolist()
    [0.2222]
    """
    expected = by_set["genes"] * share.reindex(by_set.index.droplevel("set")).array
    keys = [key for key in by_set.index.names if key != "set"]
    square = ((by_set[events] - expected) ** 2).groupby(level=keys, observed=True).agg(["sum", "size"])
    variance = square["sum"] * square["size"] / (square["size"] - 1).replace(0, np.nan)
    return np.sqrt(variance) / by_set["genes"].groupby(level=keys, observed=True).sum()


def check_levels(levels):
    """Give levels as a list of numbers between 0 and 1.

    Parameters
    ----------
    levels : float or sequence of float

    Returns
    -------
    list of float

    Examples
    --------
    >>> check_levels(0.05)
    [0.05]
    """
    levels = np.atleast_1d(np.asarray(levels, dtype=float))
    if not (levels.ndim == 1 and levels.size and ((levels > 0) & (levels < 1)).all()):
        raise InputError(f"levels lie between 0 and 1; got {levels}")
    return levels.tolist()
