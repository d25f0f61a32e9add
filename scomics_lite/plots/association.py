"""Plots of genes and traits: whether the numbers are right, and what a hit means; on matplotlib Axes."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from scomics_lite.plots.genomes import check_truth, counted
from scomics_lite.plots.results import check_column, read_columns
from scomics_lite.plots.style import OKABE_ITO
from scomics_lite.validation import InputError, quoted

MOST_BARS = 20  # genes of a locus that get a bar of their own
BOXES_AT = 0.4  # of the width: right of it is room for what the arrows do
NULL = "none of these"  # the row of a locus without a causal gene


def zscores(x, y, *, truth=None, labels=None, ax=None):
    """Plot the z-scores of one method against those of another, with the line on which both agree.

    Their correlation and the largest difference are written in. Genes that one of both lacks are left out, and counted
    in the legend.

    Parameters
    ----------
    x, y : Series, or array_like of shape (g,)
        z-scores; Series are matched by the names of the genes.
    truth : set of str, optional
        Names of the causal genes, which are triangles of another colour.
    labels : tuple of str, optional
        What `x` and `y` are.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Where no gene has both z-scores, or a name comes twice.

    Examples
    --------
    >>> x = pd.Series({"a": 1.0, "b": -2.0, "c": 4.0})
    >>> ax = zscores(x, x + [0.1, 0, -0.3], labels=("PrediXcan", "S-PrediXcan"), ax=plt.figure().add_subplot())
    >>> ax.texts[0].get_text().splitlines()
    ['r = 0.9987', 'largest difference 0.30 (c)']
    >>> plt.close("all")
    """
    pairs, left_out = pair_by_gene(x, y)
    is_true = pairs.index.isin(check_truth(truth, pairs.index, "gene"))
    ax = plt.gca() if ax is None else ax
    low, high = min(pairs.min().min(), -1), max(pairs.max().max(), 1)
    ax.plot([low, high], [low, high], color=OKABE_ITO["black"], linestyle="-", linewidth=0.8, label="equal")
    dropped = f" ({left_out:,} without both)" if left_out else ""
    for here, look, what in (
        (~is_true, {"color": OKABE_ITO["blue"], "s": 10, "alpha": 0.6}, "gene"),
        (is_true, {"color": OKABE_ITO["vermillion"], "s": 26, "marker": "^"}, "causal gene"),
    ):
        if here.any():
            label = counted(here.sum(), what) + dropped * (what == "gene")
            ax.scatter(*pairs[here].to_numpy().T, label=label, rasterized=True, **look)
    names = ("z-score x", "z-score y") if labels is None else [f"z-score, {name}" for name in labels]
    ax.set(xlabel=names[0], ylabel=names[1])
    ax.text(0.98, 0.04, _agreement(pairs), transform=ax.transAxes, ha="right", va="bottom", fontsize="small")
    ax.legend(loc="upper left")
    return ax


def locus_posterior(table, *, truth=None, ax=None):
    """Plot which gene of a locus is the causal one, as far as the data tell: posterior inclusion probabilities.

    A bar is a gene's posterior inclusion probability (PIP), and beside it stands its |z|: the largest z is not always
    that of the gene with the largest probability. Genes of the credible set are filled. Of more than 20 genes, those
    of the smallest probabilities share a bar, or two: one in the credible set, one outside; it shows their sum, at
    most 1.

    Parameters
    ----------
    table : DataFrame
        From `scomics_lite.twas.locus_posterior`: ids in the column ``gene`` or in the index, columns ``zscore``,
        ``pip`` and ``in_credible_set``; the row "none of these" is that no gene of the table is causal.
    truth : set of str, optional
        Ids of the causal genes, whose names have a triangle.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Where a column is missing, or a probability lies outside 0 to 1.

    Examples
    --------
    >>> locus = {"zscore": [7.1, 6.8, np.nan], "pip": [0.9, 0.08, 0.02], "in_credible_set": [True, False, False]}
    >>> table = pd.DataFrame(locus, index=["a", "b", "none of these"])
    >>> ax = locus_posterior(table, truth={"a"}, ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.get_yticklabels()], [text.get_text() for text in ax.texts]
    (['▲ a', 'b', 'none of these'], ['|z| = 7.1', '|z| = 6.8', ''])
    >>> plt.close("all")
    """
    bars = _read_locus(table)
    truth = check_truth(truth, bars.index, "gene")
    bars = _shorten(bars, truth)
    ax = plt.gca() if ax is None else ax
    place = np.arange(len(bars))
    size = "small" if len(bars) <= MOST_BARS // 2 else "x-small"
    inside = bars["in_credible_set"].to_numpy()
    looks = ((inside, {"color": OKABE_ITO["blue"]}, "in the credible set"), (~inside, {"hatch": "///"}, "outside"))
    for here, look, name in looks:
        if here.any():
            look = {"color": "white", "edgecolor": OKABE_ITO["blue"], "linewidth": 0.8} | look
            ax.barh(place[here], bars["pip"].to_numpy()[here], height=0.7, label=name, **look)
    for at, (pip, z) in enumerate(zip(bars["pip"], bars["zscore"].abs(), strict=True)):
        text = f"|z| = {z:.1f}" if np.isfinite(z) else ""
        ax.annotate(text, (pip, at), (4, 0), textcoords="offset points", va="center", fontsize=size)
    ax.set_yticks(place, [_locus_name(gene, truth) for gene in bars.index])
    ax.tick_params(axis="y", length=0, labelsize=size)
    ax.grid(visible=False, axis="y")
    ax.set(xlim=(0, 1.2), ylim=(len(bars) - 0.4, -0.6), xticks=np.arange(0, 1.1, 0.2))
    ax.set_xlabel("posterior inclusion probability" + (" (▲ causal)" if truth else ""))
    ax.legend(loc="lower right")
    return ax


def expected_zsquared(expected, observed, error=None, *, ax=None):
    """Plot the mean z² of genes without an effect against what polygenicity lets one expect, 1 + N h² φ.

    On the line the expectation is right; the dotted line is the 1 of genes that no polygenic background reaches.

    Parameters
    ----------
    expected : Series, or array_like of shape (g,)
        1 + N h² φ, with φ from `scomics_lite.twas.phi`.
    observed : Series, or array_like of shape (g,)
        Mean z² over simulated traits. Series are matched by the names of the genes.
    error : Series, or array_like of shape (g,), optional
        Standard error of `observed`; bars reach one to both sides.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Where no gene has both numbers.

    Examples
    --------
    >>> ax = expected_zsquared([2.0, 7.6], [2.1, 7.4], [0.1, 0.3], ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['as expected', 'z² = 1', '2 genes ± standard error']
    >>> plt.close("all")
    """
    pairs, _ = pair_by_gene(expected, observed)
    ax = plt.gca() if ax is None else ax
    top = 1.08 * max(pairs.max().max(), 1)
    ax.plot([0, top], [0, top], color=OKABE_ITO["black"], linestyle="-", linewidth=0.8, label="as expected")
    ax.axhline(1, color=OKABE_ITO["grey"], linestyle=":", label="z² = 1")
    bars = None if error is None else _match(error, expected, observed).reindex(pairs.index).to_numpy()
    look = {"color": OKABE_ITO["blue"], "linestyle": "", "marker": "o", "elinewidth": 1, "capsize": 2}
    name = counted(len(pairs), "gene") + ("" if error is None else " ± standard error")
    size = 5 if len(pairs) <= 100 else 2
    ax.errorbar(pairs["x"], pairs["y"], yerr=bars, label=name, markersize=size, rasterized=True, **look)
    ax.set(xlim=(0, top), xlabel="expected z²: 1 + N h² φ", ylabel="mean z² of simulated traits")
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper left")
    return ax


def failures(table, *, quantity="correlation of z with the true z", ideal=None, ax=None):
    """Plot a number before and after a repair, case by case: two markers joined by a line.

    Parameters
    ----------
    table : DataFrame
        A row for each case, whose name is the index, with columns ``broken`` and ``repaired``.
    quantity : str
        What the numbers are: the label of the axis.
    ideal : float, optional
        What the number should be; a dotted line.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Where a column is missing or the table is empty.

    Examples
    --------
    >>> cases = pd.DataFrame({"broken": [0.2, 0.7], "repaired": [0.99, 0.98]}, ["flipped alleles", "wrong LD panel"])
    >>> ax = failures(cases, ideal=1, ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['as it should be: 1', 'broken', 'repaired']
    >>> plt.close("all")
    """
    numbers = read_columns(table, ["broken", "repaired"], "a study of failures and repairs")
    if numbers.empty:
        raise InputError("the table has no row, so there is no case to plot")
    ax = plt.gca() if ax is None else ax
    place = np.arange(len(numbers))
    ax.hlines(place, numbers.min(axis=1), numbers.max(axis=1), color=OKABE_ITO["grey"], linewidth=1.5, zorder=1)
    if ideal is not None:
        ax.axvline(ideal, color=OKABE_ITO["black"], linestyle=":", linewidth=1, label=f"as it should be: {ideal:g}")
    for column, color, marker in (("broken", "vermillion", "X"), ("repaired", "blue", "o")):
        ax.scatter(numbers[column], place, s=48, color=OKABE_ITO[color], marker=marker, label=column, zorder=2)
    ax.set_yticks(place, [str(case) for case in numbers.index])
    ax.set(xlabel=quantity, ylim=(len(numbers) - 0.5, -0.5))
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))  # outside: its markers look like cases
    return ax


def pipeline(steps, *, ax=None):
    """Draw steps of an analysis from top to bottom: what there is, of which shape, and what is done with it.

    Parameters
    ----------
    steps : list of tuple of str
        A box each: its title, its shape ("450 × 2,000 dosages"), and what leads on to the next; the last has two parts.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given. About one inch of height for each box.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Where a step has not the parts that it should have.

    Examples
    --------
    >>> steps = [("genotypes", "450 × 2,000 dosages", "elastic net"), ("weights", "2,000 per gene")]
    >>> ax = pipeline(steps, ax=plt.figure().add_subplot())
    >>> [text.get_text().splitlines() for text in ax.texts if text.get_text()]
    [['genotypes', '450 × 2,000 dosages'], ['weights', '2,000 per gene'], ['elastic net']]
    >>> plt.close("all")
    """
    _check_steps(steps)
    ax = plt.gca() if ax is None else ax
    ax.set(xlim=(0, 1), ylim=(len(steps) - 0.4, -0.6))
    ax.set_axis_off()
    box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": OKABE_ITO["blue"], "linewidth": 1.2}
    middle = {"ha": "center", "va": "center", "linespacing": 1.4}
    boxes = [
        ax.text(BOXES_AT, place, f"{step[0]}\n{step[1]}", bbox=box, **middle).get_bbox_patch()
        for place, step in enumerate(steps)
    ]
    arrow = {"arrowstyle": "-|>", "color": OKABE_ITO["black"], "shrinkA": 2, "shrinkB": 2, "mutation_scale": 12}
    for place, step in enumerate(steps[:-1]):
        ends = {"patchA": boxes[place], "patchB": boxes[place + 1]}
        ax.annotate("", (BOXES_AT, place + 1), (BOXES_AT, place), arrowprops=arrow | ends)
        ax.text(BOXES_AT + 0.03, place + 0.5, step[2], ha="left", va="center", fontsize="small", style="italic")
    return ax


# --- checking ---------------------------------------------------------------------------------------------------------


def _match(values, *others):
    """Give numbers as a Series; arrays take the names of the first Series among the others."""
    if isinstance(values, pd.Series):
        if values.index.has_duplicates:
            raise InputError(f"gene {quoted(values.index[values.index.duplicated()][0])} comes more than once")
        return values.astype(float)
    values = np.asarray(values, dtype=float)
    index = next((other.index for other in others if isinstance(other, pd.Series)), pd.RangeIndex(values.size))
    if values.shape != (len(index),):
        raise InputError(f"{len(index):,} genes need as many numbers; got shape {values.shape}")
    return pd.Series(values, index=index)


def pair_by_gene(x, y):
    """Match two sets of numbers by gene; give the pairs, and how many genes lack one of both.

    Parameters
    ----------
    x, y : Series, or array_like of shape (g,)
        Arrays take the names of the other one.

    Returns
    -------
    pairs : DataFrame
        Columns ``x`` and ``y``, of the genes that have both.
    left_out : int

    Raises
    ------
    InputError
        Where no gene has both, or a name comes twice.

    Examples
    --------
    >>> pairs, left_out = pair_by_gene(pd.Series({"a": 1.0, "b": 2.0}), pd.Series({"b": 3.0}))
    >>> pairs.to_dict("index"), left_out
    ({'b': {'x': 2.0, 'y': 3.0}}, 1)
    """
    x, y = _match(x, y), _match(y, x)
    both = pd.DataFrame({"x": x, "y": y})
    is_there = np.isfinite(both).all(axis=1)
    if not is_there.any():
        raise InputError(f"no gene has both numbers: the first has {_examples(x)}, the second {_examples(y)}")
    return both[is_there], int((~is_there).sum())


def _examples(values):
    names = values.index[np.isfinite(values.to_numpy())]
    return f"{len(names):,} genes with a number" + (f", such as {quoted(names[0])}" if len(names) else "")


def _agreement(pairs):
    """Say how well two sets of z-scores agree."""
    difference = (pairs["x"] - pairs["y"]).abs()
    lines = [f"largest difference {difference.max():.2f} ({difference.idxmax()})"]
    if len(pairs) > 2 and pairs.std().min() > 0:
        lines.insert(0, f"r = {pairs['x'].corr(pairs['y']):.4f}")
    return "\n".join(lines)


# --- a locus ----------------------------------------------------------------------------------------------------------


def _read_locus(table):
    """Give z-score, probability and membership of each gene, the most probable first, the null row last."""
    source = "scomics_lite.twas.locus_posterior"
    bars = read_columns(table, ["zscore", "pip"], source)
    check_column(table, "in_credible_set", source)
    bars["in_credible_set"] = table["in_credible_set"].to_numpy(bool)
    if "gene" in table:
        bars.index = pd.Index(table["gene"])
    if not bars["pip"].between(0, 1).all():
        raise InputError("column 'pip' of the table holds probabilities between 0 and 1; some are missing or are none")
    order = np.lexsort([-bars["pip"].to_numpy(), bars.index == NULL])
    return bars.iloc[order]


def _shorten(bars, truth):
    """Make a bar, or two, of the genes of the smallest probabilities, where there are too many."""
    is_null = bars.index == NULL
    rest = bars[(np.arange(len(bars)) >= MOST_BARS) & ~bars.index.isin(list(truth)) & ~is_null]
    if len(rest) < 2:
        return bars
    others = []
    for is_inside, genes in rest.groupby("in_credible_set", sort=False):
        together = {"zscore": np.nan, "pip": min(genes["pip"].sum(), 1.0), "in_credible_set": is_inside}
        others.append(pd.DataFrame(together, index=[f"{counted(len(genes), 'other gene')}"]))
    return pd.concat([bars[~is_null & ~bars.index.isin(rest.index)], *others, bars[is_null]])


def _locus_name(gene, truth):
    return f"▲ {gene}" if gene in truth else str(gene)


# --- a pipeline -------------------------------------------------------------------------------------------------------


def _check_steps(steps):
    if not steps:
        raise InputError("there is no step to draw: the list is empty")
    for number, step in enumerate(steps, 1):
        parts = 2 if number == len(steps) else 3
        if isinstance(step, str) or len(step) != parts:
            what = "title and shape" if parts == 2 else "title, shape and what leads to the next step"
            raise InputError(f"step {number} of {len(steps)} needs {parts} texts, {what}; got {step!r}")
