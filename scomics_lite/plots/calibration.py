"""Plots of whether inference keeps its promises: p-values, false discovery rates, false sign rates; on Axes."""

from collections.abc import Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator
from scipy import stats

from scomics_lite.plots.models import name_places
from scomics_lite.plots.results import check_column, check_pvalues, read_columns
from scomics_lite.plots.style import MARKERS, OKABE_ITO, plain_number, plain_ticks
from scomics_lite.validation import InputError

COLORS = [OKABE_ITO[name] for name in ("blue", "vermillion", "green", "purple", "orange", "sky")]
FEWEST_BELOW = 10  # p-values expected below the lowest level drawn: of fewer, the share is mostly chance
HIGHEST_START = 0.1  # the lowest level drawn, at most, however few p-values there are
BAND = (0.025, 0.975)
RATIO_FLOOR = 0.1  # of the axis: a test that finds nothing would stretch it for ever
DARK = 0.9  # share above which letters are white
WHITE_TO_BLUE = LinearSegmentedColormap.from_list("white-blue", ["white", OKABE_ITO["blue"]])
RATES = (0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1)  # ticks


def pvalue_calibration(pvalues, *, ax=None):
    """Plot how many null p-values lie below each level, as a multiple of what the level promises.

    With m p-values of genes that do not differ, at every level alpha:

        drawn = (number of p <= alpha) / (m * alpha)

    An honest test stays at 1, within the band that 95 % of uniform p-values keep to, level by level: the quantiles of
    their order statistics, which are Beta(k, m + 1 - k). Above 1 are too many small p-values: 3 at the level 0.001
    means three times as many false positives as claimed. The lowest level drawn is the one that 10 of the p-values
    should keep below. The band takes p-values as independent, and with methods that test different numbers of genes it
    is that of the fewest.

    Parameters
    ----------
    pvalues : DataFrame, dict or array_like, shape (g,)
        What `scomics_lite.calibration.study` gives, of which the genes with truth 0 are drawn, method by method; or
        null p-values; or a dict of them by name. Missing ones are left out.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> p = np.arange(1, 1_001) / 1_000
    >>> ax = pvalue_calibration({"honest": p, "twice too many": p / 2}, ax=plt.figure().add_subplot())
    >>> [float(line.get_ydata()[0].round(3)) for line in ax.lines[1:]]
    [1.0, 2.0]
    """
    methods = {name: _tested(p, name) for name, p in _null_pvalues(pvalues).items()}
    if not methods:
        raise InputError("there are no p-values to plot: the dict is empty")
    ax = plt.gca() if ax is None else ax
    ax.axhline(1, color=OKABE_ITO["black"], linestyle="-", linewidth=0.8)
    _draw_band(ax, min(map(len, methods.values())))
    highest, lowest = 2, 0.5
    for (name, p), color, style in zip(methods.items(), cycle(COLORS), cycle(("-", "--", "-.", ":")), strict=False):
        levels = _levels(p.size)
        ratio = np.searchsorted(p, levels, side="right") / (p.size * levels)
        ratio[ratio == 0] = np.nan  # no place on a logarithmic axis
        ax.plot(levels, ratio, color=color, linestyle=style, label=name)
        highest, lowest = np.nanmax(np.r_[highest, ratio]), np.nanmin(np.r_[lowest, ratio])
    ax.set(xscale="log", yscale="log", xlabel="level α", ylabel="null p-values below α / expected")
    ax.set_xlim(right=1)
    ax.set_ylim(max(lowest / 1.1, RATIO_FLOOR), highest * 1.1)
    plain_ticks(ax.xaxis, steps=(1,))
    plain_ticks(ax.yaxis)
    _say_what_sides_mean(ax)
    ax.legend(loc="upper right")
    return ax


def fdr_calibration(table, *, ax=None):
    """Plot the false discoveries that methods make against those that they admit to.

    The diagonal is the promise; above it are more false discoveries than claimed. Bars reach one standard error to both
    sides. Points of one level stand a little apart, so that none hides another. The axes are those of the square
    roots, which gives the low levels room.

    Parameters
    ----------
    table : DataFrame
        With columns ``method``, ``level``, ``fdr`` and ``fdr_se``, from `scomics_lite.calibration.false_discoveries`.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> table = pd.DataFrame({"method": "wald", "level": [0.05, 0.1], "fdr": [0.06, 0.13], "fdr_se": 0.01})
    >>> fdr_calibration(table, ax=plt.figure().add_subplot()).get_xlabel()
    'false discovery rate claimed'
    """
    table = _read_rates(table, "false_discoveries", "level", "fdr", "fdr_se")
    ax = plt.gca() if ax is None else ax
    _draw_rates(ax, table, "level", "fdr", "fdr_se", apart=0.02)
    ax.set(xlabel="false discovery rate claimed", ylabel="false discoveries among the calls")
    ax.set_xticks(sorted(table["level"].unique()))
    return ax


def lfsr_calibration(table, *, ax=None):
    """Plot how often the sign is wrong against the local false sign rate (lfsr) that was claimed, bin by bin.

    The diagonal is the promise; above it are more wrong signs than claimed. Bars reach one standard error to both
    sides. The axes are those of the square roots, which gives the small rates room: these are what decisions use.

    Parameters
    ----------
    table : DataFrame
        With columns ``method``, ``claimed``, ``observed`` and ``observed_se``, from
        `scomics_lite.calibration.sign_errors`.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> table = pd.DataFrame({"method": "ash", "claimed": [0.02, 0.4], "observed": [0.03, 0.41], "observed_se": 0.01})
    >>> lfsr_calibration(table, ax=plt.figure().add_subplot()).get_xlabel()
    'local false sign rate claimed (mean of the bin)'
    """
    table = _read_rates(table, "sign_errors", "claimed", "observed", "observed_se")
    ax = plt.gca() if ax is None else ax
    _draw_rates(ax, table, "claimed", "observed", "observed_se")
    ax.set(xlabel="local false sign rate claimed (mean of the bin)", ylabel="share of wrong signs")
    return ax


def confusion(table, changed, *, ax=None):
    """Write and colour how often each test calls genes, by what was changed in them.

    Rows are what was changed, columns the tests. A cell holds the share of genes called and, where it is there, its
    standard error. A frame marks a test and a change of the same name: there the share is power. Where a test asks for
    something else it should be the level.

    Parameters
    ----------
    table : DataFrame
        With columns ``method``, ``level``, ``share`` and ``share_se``, from `scomics_lite.calibration.confusion`; of
        one level.
    changed : str
        Its column that says what was changed.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> table = pd.DataFrame({"method": ["mean", "zero"] * 2, "changed": ["mean"] * 2 + ["zero"] * 2, "level": 0.05})
    >>> table = table.assign(share=[0.9, 0.06, 0.04, 0.8], share_se=0.01)
    >>> ax = confusion(table, "changed", ax=plt.figure().add_subplot())
    >>> [text.get_text().split() for text in ax.texts]
    [['0.90', '±', '0.01'], ['0.06', '±', '0.01'], ['0.04', '±', '0.01'], ['0.80', '±', '0.01']]
    """
    numbers, level = _read_shares(table, "confusion", changed)
    shares, errors = (
        numbers.pivot_table(name, index=changed, columns="method", observed=True) for name in ("share", "share_se")
    )
    errors = errors.reindex_like(shares)  # of one set there are none
    ax = plt.gca() if ax is None else ax
    ax.imshow(shares, cmap=WHITE_TO_BLUE, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    for (row, column), share in np.ndenumerate(shares.to_numpy()):
        _write_share(ax, row, column, share, errors.iloc[row, column])
        if str(shares.index[row]) == str(shares.columns[column]):
            ax.add_patch(Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, fill=False, linewidth=1.5))
    ax.hlines(np.arange(1, len(shares)) - 0.5, -0.5, shares.shape[1] - 0.5, color="white", linewidth=2)
    ax.vlines(np.arange(1, shares.shape[1]) - 0.5, -0.5, len(shares) - 0.5, color="white", linewidth=2)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    name_places(ax, shares.columns)
    ax.set_yticks(range(len(shares)), [str(name) for name in shares.index])
    ax.set(xlabel="test", ylabel=changed, title=f"share of genes with p < {level:g}")
    return ax


def false_positives(table, by, *, ax=None):
    """Plot the share of false positives of methods against a setting, such as how much donors differ.

    The line is the level, which an honest test keeps. Bars reach one standard error to both sides.

    Parameters
    ----------
    table : DataFrame
        With columns ``method``, ``level``, ``share`` and ``share_se``, from `scomics_lite.calibration.pvalues`
        (``by=...``); of one level.
    by : str
        Its column with the numbers of the setting.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> table = pd.DataFrame({"method": "cells", "donor_sd": [0.0, 0.5], "level": 0.05, "share": [0.05, 0.6]})
    >>> ax = false_positives(table.assign(share_se=0.01), "donor_sd", ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['level 0.05', 'cells']
    """
    numbers, level = _read_shares(table, "pvalues", by)
    numbers[by] = read_columns(table, [by], "scomics_lite.calibration.pvalues")[by]
    ax = plt.gca() if ax is None else ax
    ax.axhline(level, color=OKABE_ITO["black"], linestyle="-", linewidth=0.8, label=f"level {level:g}")
    _draw_methods(ax, numbers.sort_values(by, kind="stable"), by, "share", "share_se")
    ax.set(xlabel=by, ylabel=f"false positives: share of p < {level:g}")
    ax.set_ylim(bottom=0)
    ax.legend(loc="best")
    return ax


# --- tables -----------------------------------------------------------------------------------------------------------


def _read_by_method(table, columns, function):
    """Give columns of numbers of a table of `scomics_lite.calibration`, and the method of each row."""
    source = f"scomics_lite.calibration.{function}"
    numbers = read_columns(table, columns, source)
    check_column(table, "method", source)
    if table["method"].isna().any():
        raise InputError(f"{table['method'].isna().sum():,} of the table's {len(table):,} rows name no method")
    return numbers.assign(method=table["method"])


def _read_shares(table, function, by):
    """Give the shares of one level of a table of `scomics_lite.calibration`, by method and another column, and it."""
    numbers = _read_by_method(table, ["level", "share", "share_se"], function)
    check_column(table, by, f"scomics_lite.calibration.{function}")
    numbers = numbers.assign(**{by: table[by]})
    levels = numbers["level"].unique()
    if len(levels) != 1:
        one = f"table[table['level'] == {levels[0]:g}]" if len(levels) else "the table is empty"
        raise InputError(f"this plots shares of one level, and the table has {len(levels)}: {one}")
    if not numbers["share"].between(0, 1).all():
        raise InputError("column 'share' of the table holds shares between 0 and 1; some are missing or no shares")
    repeated = numbers.duplicated(["method", by])
    if repeated.any():
        method, value = numbers.loc[repeated, ["method", by]].iloc[0]
        raise InputError(f"the table has more than one row for method {method!r} and {by} {value!r}")
    return _in_order(_in_order(numbers, "method"), by), float(levels[0])


def _in_order(table, column):
    """Keep names in the order in which they come; categories have one, and numbers."""
    if isinstance(table[column].dtype, pd.CategoricalDtype) or pd.api.types.is_numeric_dtype(table[column]):
        return table
    return table.astype({column: pd.CategoricalDtype(table[column].unique())})


# --- p-values ---------------------------------------------------------------------------------------------------------


def _null_pvalues(pvalues):
    """Give the p-values of genes that do not differ, by method."""
    if isinstance(pvalues, pd.DataFrame):
        table = _read_by_method(pvalues, ["truth", "pvalue"], "study")
        null = table[table["truth"] == 0]
        if null.empty:
            raise InputError("no gene of the table has truth 0, so there is no null p-value to plot")
        return dict(iter(null.groupby("method", observed=True, sort=False)["pvalue"]))
    return pvalues if isinstance(pvalues, Mapping) else {"": pvalues}


def _tested(p, name):
    """Sort the p-values that are there."""
    whose = f" of {name}" if name else ""
    try:
        p = np.asarray(p, dtype=float).ravel()
    except (TypeError, ValueError):
        raise InputError(f"the p-values{whose} are not numbers") from None
    p = np.sort(p[~np.isnan(p)])
    if not p.size:
        raise InputError(f"there is no p-value{whose} to plot: all are missing")
    check_pvalues(p)
    return p


def _levels(m):
    return np.geomspace(min(FEWEST_BELOW / m, HIGHEST_START), 1, 300)


def _draw_band(ax, m):
    """Draw between which multiples 95 % of m uniform p-values keep, by the quantiles of the k-th smallest of them."""
    levels = _levels(m)
    k = np.geomspace(1, m, 400)
    low, high = (stats.beta.ppf(q, k, m + 1 - k) for q in BAND)
    most, least = np.interp(levels, low, k, right=m), np.interp(levels, high, k, left=0)
    look = {"color": OKABE_ITO["grey"], "alpha": 0.35, "linewidth": 0}
    ax.fill_between(levels, least / (m * levels), most / (m * levels), label=f"95 % of {m:,} uniform p-values", **look)


def _say_what_sides_mean(ax):
    for text, rise in (("too many ↑", 6), ("too few ↓", -6)):
        beside = {"xytext": (4, rise), "textcoords": "offset points", "va": "center"}
        ax.annotate(text, (1, 1), xycoords=("axes fraction", "data"), fontsize="small", **beside)


# --- rates ------------------------------------------------------------------------------------------------------------


def _read_rates(table, function, claimed, observed, error):
    """Give the rows of a table of `scomics_lite.calibration` that have both rates, or say what is wrong with them."""
    numbers = _read_by_method(table, [claimed, observed, error], function)
    shown = numbers[numbers[claimed].notna() & numbers[observed].notna()]
    if shown.empty:
        raise InputError(f"none of the table's {len(table):,} rows has a number in {claimed!r} and {observed!r}")
    for column in (claimed, observed, error):
        rates = shown[column].dropna()
        if not rates.between(0, 1).all():
            raise InputError(
                f"{column!r} holds rates between 0 and 1; these reach from {rates.min():.3g} to {rates.max():.3g}"
            )
    return shown


def _draw_rates(ax, table, claimed, observed, error, apart=0.0):
    """Draw observed against claimed rates with their errors, by method, and the diagonal; on square-root axes."""
    top = 1.08 * max(table[claimed].max(), (table[observed] + table[error].fillna(0)).max(), RATES[1])
    ax.plot([0, top], [0, top], color=OKABE_ITO["black"], linestyle="-", linewidth=0.8, label="as claimed")
    _draw_methods(ax, table, claimed, observed, error, apart)
    for scale, limit, axis in ((ax.set_xscale, ax.set_xlim, ax.xaxis), (ax.set_yscale, ax.set_ylim, ax.yaxis)):
        scale("function", functions=(_root, np.square))
        limit(0, top)
        axis.set_major_locator(FixedLocator(RATES))
        axis.set_major_formatter(plain_number)
    ax.legend(loc="best")  # the upper left is empty only if the rates hold


def _draw_methods(ax, table, x, y, error, apart=0.0):
    """Draw a line with bars for each method, their points a little apart, and each with a look of its own."""
    groups = list(table.groupby("method", observed=True, sort=False))
    looks = zip(cycle(COLORS), cycle(MARKERS), cycle(("-", "--", "-.", ":")), strict=False)
    for number, ((method, rows), (color, marker, style)) in enumerate(zip(groups, looks, strict=False)):
        place = rows[x].to_numpy(float) * (1 + apart * (number - (len(groups) - 1) / 2))
        height, se = rows[y].to_numpy(float), rows[error].to_numpy(float)
        look = {"color": color, "marker": marker, "linestyle": style, "linewidth": 1.2, "capsize": 2}
        bars = [np.minimum(se, height), se]  # not below 0, which has no square root
        ax.errorbar(place, height, yerr=bars, label=method or "observed", **look)


def _write_share(ax, row, column, share, error):
    """Write a share into its cell, and its error below; a dash where the table has none."""
    text = "–" if np.isnan(share) else f"{share:.2f}" + (f"\n± {error:.2f}" if np.isfinite(error) else "")
    ink = "white" if share > DARK else "black"
    ax.text(column, row, text, ha="center", va="center", color=ink, linespacing=1.3)


def _root(values):
    return np.sqrt(np.maximum(values, 0))
