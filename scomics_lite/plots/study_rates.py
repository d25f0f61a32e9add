"""Plots of studies of models: right and wrong signs across people, a dial, power and false discoveries; on Axes."""

from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from scomics_lite.plots.genomes import counted
from scomics_lite.plots.results import check_column, read_columns
from scomics_lite.plots.style import MARKERS, OKABE_ITO
from scomics_lite.validation import InputError, quoted

COLORS = [OKABE_ITO[name] for name in ("blue", "vermillion", "green", "purple", "orange", "sky")]
DIAL = {  # column of a table → what it is, colour, marker, line
    "across_genes": ("correlation across genes", "blue", "o", "-"),
    "across_people": ("correlation across people", "green", "^", "-."),
    "right_sign": ("share of genes with the right sign", "vermillion", "s", "--"),
}
DODGE = 0.5  # of the distance between two groups: what their methods share


def dial(table, *, ax=None):
    """Plot how well a model does across genes and across people while something is turned up, such as cis effects.

    Correlations and shares are on one axis; the dotted line at 1/2 is the share of right signs that guessing gives.

    Parameters
    ----------
    table : DataFrame
        A row for each setting of the dial, which is the index; its name is written at the axis. Of the columns
        ``across_genes``, ``across_people`` (mean correlations) and ``right_sign`` (share of genes whose correlation
        across people is above 0) those that are there are drawn. Bars reach from ``…_low`` to ``…_high``, where
        these are there.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Where none of these columns is there, or the index holds no numbers.

    Examples
    --------
    >>> table = pd.DataFrame({"across_genes": [0.8, 0.7], "right_sign": [0.5, 0.9]}, index=[0.1, 1.0])
    >>> table["right_sign_low"], table["right_sign_high"] = [0.4, 0.8], [0.6, 0.95]
    >>> ax = dial(table.rename_axis("strength of cis effects"), ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['correlation across genes', 'share of genes with the right sign', 'guessing the sign']
    >>> plt.close("all")
    """
    known = [column for column in DIAL if isinstance(table, pd.DataFrame) and column in table]
    if not known:
        raise InputError(f"the table of a dial has at least one of the columns {', '.join(DIAL)}")
    if not pd.api.types.is_numeric_dtype(table.index):
        raise InputError(
            f"the index of the table holds the settings of the dial, numbers; this one holds {quoted(table.index[0])}"
        )
    table = table.sort_index()
    ax = plt.gca() if ax is None else ax
    for column in known:
        what, color, marker, style = DIAL[column]
        values = read_columns(table, [column], "a study of the dial")[column]
        look = {"color": OKABE_ITO[color], "marker": marker, "linestyle": style, "capsize": 3, "label": what}
        ax.errorbar(table.index, values, _bars(table, column, values), **look)
    if "right_sign" in known:
        ax.axhline(0.5, color=OKABE_ITO["black"], linestyle=":", linewidth=1, label="guessing the sign")
    ax.set(xlabel=table.index.name or "dial", ylabel="correlation, or share of genes")
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, 0), max(1, high if high > 1.05 else 1))
    ax.legend(*_in_order(ax, len(known)), loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    return ax


def sign_across_people(table, *, ax=None):
    """Plot the correlation across people of every gene, sorted: how many genes get the sign of differences wrong.

    Dotted lines, where the table tells of how many people it is, are those between which 95 % of genes lie whose
    prediction is noise: 1.96 / sqrt(n - 1) from 0, for the median n of the genes.

    Parameters
    ----------
    table : DataFrame
        Of `scomics_lite.twas.across_people`, for one cell type: a row for each gene, column ``correlation`` and perhaps
        ``n``, how many people. Genes without a correlation, of which everybody is predicted alike, are left out, and
        counted below the axis.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Where no gene has a correlation, one lies outside -1 to 1, or the table is of several cell types.

    Examples
    --------
    >>> table = pd.DataFrame({"correlation": [0.5, -0.2, 0.1, np.nan], "n": 101})
    >>> ax = sign_across_people(table, ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['right sign: 2 of 3 genes (67%)', 'wrong sign: 1 of 3 genes (33%)', '95% of what noise gives']
    >>> plt.close("all")
    """
    r = _read_correlations(table)
    left_out = len(table) - len(r)
    ax = plt.gca() if ax is None else ax
    edges = np.arange(len(r) + 1)
    for values, here, color, hatch, what in (
        (np.maximum(r, 0), r > 0, "blue", None, "right sign"),
        (np.minimum(r, 0), r < 0, "vermillion", "//", "wrong sign"),
    ):
        label = f"{what}: {here.sum():,} of {counted(len(r), 'gene')} ({here.mean():.0%})"
        ax.stairs(values, edges, fill=True, facecolor=OKABE_ITO[color], edgecolor="white", hatch=hatch, label=label)
    ax.axhline(0, color=OKABE_ITO["black"], linewidth=0.8)
    if "n" in table:
        limit = 1.96 / np.sqrt(table["n"].median() - 1)
        for height, label in ((limit, "95% of what noise gives"), (-limit, None)):
            ax.axhline(height, color=OKABE_ITO["black"], linestyle=":", linewidth=1, label=label)
    dropped = f" ({left_out:,} without a correlation)" if left_out else ""
    ax.set(xlabel=f"genes, sorted{dropped}", ylabel="correlation across people", xlim=(0, len(r)))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return ax


def power_by_method(table, *, value="power", by="cell_type", promise=None, ax=None):
    """Plot a rate of several methods, such as power or false discovery rate, in every group: dots with intervals.

    Parameters
    ----------
    table : DataFrame
        A row for each group and method: columns ``method``, that of `by`, that of `value`, and perhaps the ends of its
        interval, ``{value}_low`` and ``{value}_high``.
    value : str
        Column of the rate.
    by : str
        Column of the groups, which are rows of the plot, the first on top.
    promise : float, optional
        A dotted line: the false discovery rate that was asked for, say.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Where a column is missing, or a method comes twice in a group.

    Examples
    --------
    >>> table = pd.DataFrame({"cell_type": ["B", "B", "T"], "method": ["old", "new", "new"], "power": [0.2, 0.5, 0.4]})
    >>> ax = power_by_method(table, ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.get_yticklabels()], [text.get_text() for text in ax.get_legend().get_texts()]
    (['B', 'T'], ['old', 'new'])
    >>> plt.close("all")
    """
    rates = _read_rates(table, value, by)
    groups, methods = list(dict.fromkeys(rates["group"])), list(dict.fromkeys(rates["method"]))
    ax = plt.gca() if ax is None else ax
    if promise is not None:
        ax.axvline(promise, color=OKABE_ITO["black"], linestyle=":", linewidth=1, label=f"as promised: {promise:g}")
    for number, (method, color, marker) in enumerate(zip(methods, cycle(COLORS), cycle(MARKERS), strict=False)):
        part = rates[rates["method"] == method]
        aside = (number - (len(methods) - 1) / 2) * DODGE / len(methods)
        place = np.array([groups.index(group) for group in part["group"]]) + aside
        look = {"color": color, "marker": marker, "linestyle": "", "capsize": 2, "label": str(method)}
        ax.errorbar(part["value"], place, xerr=part[["below", "above"]].to_numpy().T, **look)
    ax.set_yticks(range(len(groups)), [str(group) for group in groups])
    ax.set(xlabel=value.replace("_", " "), ylim=(len(groups) - 0.5, -0.5))
    ax.set_xlim(left=0)
    ax.grid(visible=False, axis="y")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
    return ax


# --- intervals --------------------------------------------------------------------------------------------------------


def _bars(table, column, values):
    """Give the lengths of error bars, (2, rows), or None where there are none."""
    ends = [f"{column}_low", f"{column}_high"]
    if not set(ends) & set(table):
        return None
    low, high = read_columns(table, ends, "a study of the dial").to_numpy().T
    _check_ends(table, column, low, values.to_numpy(), high)
    return np.stack([values - low, high - values])


def _check_ends(table, column, low, values, high):
    wrong = ~((low <= values) & (values <= high)) & np.isfinite(values)
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{column!r} does not lie within its interval in row {table.index[row]}: {values[row]:.3g} in "
            f"{low[row]:.3g} to {high[row]:.3g}"
        )


def _in_order(ax, lines):
    """Give handles and labels of a legend, with error bars before the line of chance."""
    handles, labels = ax.get_legend_handles_labels()
    return handles[-lines:] + handles[:-lines], labels[-lines:] + labels[:-lines]


# --- tables -----------------------------------------------------------------------------------------------------------


def _read_correlations(table):
    """Give the correlations of one cell type, the largest first."""
    r = read_columns(table, ["correlation"], "scomics_lite.twas.across_people")["correlation"]
    names = table["cell_type"].dropna().unique() if "cell_type" in table else []
    if len(names) > 1:
        raise InputError(
            f"the table is of {len(names)} cell types, and a curve is of one: table[table['cell_type'] == {names[0]!r}]"
        )
    r = np.sort(r.dropna().to_numpy())[::-1]
    if not r.size:
        raise InputError("no gene has a correlation across people: is everybody predicted alike?")
    if np.abs(r).max() > 1:
        raise InputError(f"correlations lie between −1 and 1; these reach from {r.min():.3g} to {r.max():.3g}")
    return r


def _read_rates(table, value, by):
    """Give group, method, rate and the lengths of its interval to both sides, NaN where there is none."""
    source = "a study of methods"
    rates = read_columns(table, [value], source).set_axis(["value"], axis=1)
    for column in (by, "method"):
        check_column(table, column, source)
    rates = rates.assign(group=table[by].to_numpy(), method=table["method"].to_numpy(), below=0.0, above=0.0)
    twice = rates.duplicated(["group", "method"])
    if twice.any():
        one = rates[twice].iloc[0]
        raise InputError(f"method {one['method']!r} comes more than once in {by} {one['group']!r}")
    bars = _bars(table, value, rates["value"])
    if bars is not None:
        rates["below"], rates["above"] = bars
    return rates
