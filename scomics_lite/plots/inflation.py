"""Plots of zeros: how many there are, how many a model expects, and which of them are its own. On matplotlib Axes."""

from collections.abc import Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from scomics_lite import negative_binomial
from scomics_lite.plots.labels import check_label, choose, name_points
from scomics_lite.plots.results import read_columns
from scomics_lite.plots.style import OKABE_ITO
from scomics_lite.validation import InputError, is_number

SOURCE = "scomics_lite.zero_inflation.excess_zeros"
COLUMNS = ["mean", "observed", "poisson", "negative_binomial"]
COLORS = [OKABE_ITO[name] for name in ("sky", "orange", "green", "purple")]
EXPECTED = {"negative_binomial": "negative binomial", "poisson": "Poisson"}
OUTLINE = [withStroke(linewidth=2.6, foreground="black")]  # of a line that crosses points of its colour
LEGEND = (0.5, 0.25)  # of the axes: its width and height
BINS = 40  # of genes, as many in each, whose medians the curves run through
SHOWN_MASS = 0.995  # of the negative binomial: the counts that are drawn
REACH = 15  # standard deviations above the mean, beyond which lies less than that (Cantelli's inequality)
MOST_BARS = 60  # that stand apart; with more, the bar of zeros is widened so that it is seen


def zeros(tables, *, alpha=0.1, label=0, ax=None):
    """Plot the share of zeros of every gene against its mean, with what Poisson and negative binomial counts have.

    The curves run through the medians of genes of similar means, because the negative binomial's share depends on a
    gene's dispersion too: a gene far above the curve may have no more than a large dispersion. Genes that have a
    ``padj`` below `alpha`, of a test of zero inflation, are triangles; genes without a count are left out.

    Parameters
    ----------
    tables : DataFrame or dict of DataFrame
        With columns ``mean``, ``observed``, ``poisson`` and ``negative_binomial``, from
        `scomics_lite.zero_inflation.excess_zeros`; or several of these by name, of data sets to be compared. With a
        column ``padj``, such as that of `scomics_lite.zero_inflation.inflation_test`, inflated genes stand out.
    alpha : float
        False discovery rate.
    label : int or list of str
        How many genes to name, those with the most zeros beyond the negative binomial's; or the names of the genes.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> mean = np.array([0.5, 1.0, 2.0])
    >>> expected = {"poisson": np.exp(-mean), "negative_binomial": 1 / (1 + mean)}
    >>> genes = pd.DataFrame({"mean": mean, "observed": [0.62, 0.4, 0.5], **expected}, index=["a", "b", "c"])
    >>> ax = zeros(genes, label=1, ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.texts], ax.get_ylabel()
    (['c'], 'share of zeros')
    """
    if not 0 < alpha < 1:
        raise InputError(f"alpha is a false discovery rate between 0 and 1; got {alpha}")
    tables = {name: _read(table, alpha) for name, table in _by_name(tables).items()}
    label = check_label(label, pd.concat(tables.values()).index)
    tables = {name: table[table["mean"] > 0] for name, table in tables.items()}
    genes = pd.concat(tables.values())
    ax = plt.gca() if ax is None else ax
    for (name, table), color, marker in zip(tables.items(), cycle(COLORS), cycle("osDv"), strict=False):
        _draw_genes(ax, table, name, color, marker, alpha)
    for (name, table), color, style in zip(tables.items(), cycle(COLORS), cycle(("-", "--", "-.")), strict=False):
        look = {"color": color, "path_effects": OUTLINE} if len(tables) > 1 else {"color": OKABE_ITO["black"]}
        _draw_expected(ax, table, "negative_binomial", name, linestyle=style, **look)
        _draw_expected(ax, table, "poisson", name, linestyle=":", **look)
    ax.set(xscale="log", ylim=(-0.03, 1.03), xlabel="mean normalized count", ylabel="share of zeros")
    _place_legend(ax, genes, is_outside=len(tables) > 1)
    excess = genes["observed"] - genes["negative_binomial"]
    named = choose(label, genes.index, np.argsort(-excess, kind="stable"))
    name_points(ax, genes["mean"].to_numpy()[named], genes["observed"].to_numpy()[named], genes.index[named])
    return ax


def zero_inflated_pmf(mean, dispersion, zero_probability, *, ax=None):
    """Draw the zero-inflated negative binomial taken apart: structural zeros on top of the zeros of the counting part.

        P(0) = pi + (1 - pi) P_NB(0),   P(y) = (1 - pi) P_NB(y) for y > 0

    Dots are the negative binomial alone, pi = 0. All but the largest half percent of its counts are drawn; where these
    are more than 60, dots become a line, and the bar of zeros is widened so that it is seen.

    Parameters
    ----------
    mean : float
        mu, of the negative binomial; that of the counts is (1 - pi) mu.
    dispersion : float
        phi, 0 for a Poisson distribution.
    zero_probability : float
        pi, of a structural zero.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> ax = zero_inflated_pmf(3.0, 0.5, 0.25, ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.get_legend().get_texts()][1:3]
    ['structural zeros: π = 0.25', 'zeros among the counts: (1 − π) P(0) = 0.12']
    """
    mu, phi, pi = _check_parameters(mean, dispersion, zero_probability)
    y, p = _probabilities(mu, phi)
    ax = plt.gca() if ax is None else ax
    own = (1 - pi) * p
    is_crowded = len(y) > MOST_BARS
    edge = {"edgecolor": OKABE_ITO["black"], "linewidth": 0.6}
    left, width = (0.5 - len(y) / MOST_BARS, len(y) / MOST_BARS) if is_crowded else (-0.4, 0.8)
    zero = {"x": left, "width": width, "align": "edge", **edge}
    name = f"structural zeros: π = {pi:.2f}"
    ax.bar(height=pi, bottom=own[0], color=OKABE_ITO["orange"], hatch="///", label=name, **zero)
    ax.bar(height=own[0], color=OKABE_ITO["blue"], label=f"zeros among the counts: (1 − π) P(0) = {own[0]:.2f}", **zero)
    bars = {"width": 1.0, "linewidth": 0} if is_crowded else {"width": 0.8, **edge}
    ax.bar(y[1:], own[1:], color=OKABE_ITO["sky"], label="counts above 0: (1 − π) P(y)", **bars)
    line = "-" if is_crowded else "o"
    ax.plot(y, p, line, color=OKABE_ITO["black"], markersize=3, linewidth=1, label="negative binomial alone: P(y)")
    ax.set(xlabel="count y", ylabel="probability", title=f"μ = {mu:g}, φ = {phi:g}, π = {pi:g}")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(loc="upper right")
    return ax


# --- tables -----------------------------------------------------------------------------------------------------------


def _by_name(tables):
    """Give the tables by name; one alone has none."""
    if isinstance(tables, Mapping):
        if not tables:
            raise InputError("there is no table to plot: the dict is empty")
        return tables
    return {"": tables}


def _read(table, alpha):
    """Give the numbers of a table, and which of its genes are inflated."""
    numbers = read_columns(table, [*COLUMNS, *(["padj"] if "padj" in table else [])], SOURCE)
    shown = numbers["mean"] > 0
    if not shown.any():
        raise InputError(f"none of the table's {len(table):,} genes has a count")
    for column in COLUMNS[1:]:
        bad = numbers.index[shown & ~numbers[column].between(0, 1)]
        if len(bad):
            raise InputError(
                f"column {column!r} of the table holds shares between 0 and 1; gene {bad[0]!r} has "
                f"{numbers.loc[bad[0], column]:g}"
            )
    return numbers.assign(inflated=numbers["padj"] < alpha if "padj" in table else False)


# --- drawing ----------------------------------------------------------------------------------------------------------


def _joined(name, what):
    return f"{name}: {what}" if name else what


def _draw_genes(ax, table, name, color, marker, alpha):
    """Draw a point for each gene, and a triangle for each that is inflated."""
    inflated = table["inflated"].to_numpy()
    others = "other genes" if inflated.any() else "genes"
    for here, size, look, what in (
        (~inflated, 5, {"marker": marker, "color": color, "alpha": 0.5}, others),
        (inflated, 14, {"marker": "^", "color": OKABE_ITO["vermillion"]}, f"inflated genes (padj < {alpha:g})"),
    ):
        if here.any():
            label = _joined(name, f"{here.sum():,} {what}")
            ax.scatter(table["mean"][here], table["observed"][here], s=size, label=label, rasterized=True, **look)


def _draw_expected(ax, table, column, name, **line):
    """Draw what a distribution expects: medians of genes that are neighbours by their means."""
    label = _joined(name, f"{EXPECTED[column]} expects")
    ordered = table.sort_values("mean")
    parts = np.array_split(np.arange(len(ordered)), min(len(ordered), BINS))
    medians = pd.DataFrame([ordered[["mean", column]].iloc[part].median() for part in parts])
    ax.plot(medians["mean"], medians[column], label=label, **line)


def _place_legend(ax, genes, *, is_outside):
    """Put a short legend into the corner, below the curves or above them, where it covers fewer genes."""
    if is_outside:
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1), markerscale=2)
        return
    width, height = LEGEND
    x, y = ax.transAxes.inverted().transform(ax.transData.transform(genes[["mean", "observed"]])).T
    below = ((x < width) & (y < height)).sum()
    above = ((x > 1 - width) & (y > 1 - height)).sum()
    ax.legend(loc="lower left" if below <= above else "upper right", markerscale=2)


def _check_parameters(mean, dispersion, zero_probability):
    for value, is_right, what in (
        (mean, is_number(mean) and mean > 0, "mean is a number above 0"),
        (dispersion, is_number(dispersion) and dispersion >= 0, "dispersion is a number, 0 or more"),
        (
            zero_probability,
            is_number(zero_probability) and 0 <= zero_probability <= 1,
            "zero_probability lies in 0 to 1",
        ),
    ):
        if not is_right:
            raise InputError(f"{what}; got {value!r}")
    return mean, dispersion, zero_probability


def _probabilities(mu, phi):
    """Give counts from 0 to where all but the largest half percent are, and their probabilities."""
    beyond = mu + REACH * np.sqrt(negative_binomial.variance(mu, phi))
    y = np.arange(int(beyond) + 2)
    p = np.exp(negative_binomial.log_likelihood(y, mu, phi))
    last = max(int(np.searchsorted(np.cumsum(p), SHOWN_MASS)), 1)
    return y[: last + 1], p[: last + 1]
