"""Plots of models that read DNA: how well they know genes, and what is kept of them by weights; on matplotlib Axes."""

from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap

from scomics_lite.plots.association import pair_by_gene
from scomics_lite.plots.genomes import counted
from scomics_lite.plots.results import check_column, read_columns
from scomics_lite.plots.style import MARKERS, OKABE_ITO
from scomics_lite.validation import InputError, quoted

COLORS = [OKABE_ITO[name] for name in ("blue", "vermillion", "green", "purple", "orange", "sky")]
FEW_POINTS = 300  # of one group: more are small
MOST_POINTS = 3_000  # more are drawn as a density
TINT = "0.95"  # of the emptiest part of a density
BINS = 25  # of a density, along each axis


def predicted_percentiles(predicted, observed, *, split=None, ax=None):
    """Plot predicted against observed percentiles of expression, a point for each gene, with Pearson's correlation.

    A group of more than 3,000 genes is drawn as a density.

    Parameters
    ----------
    predicted, observed : Series, or array_like of shape (g,)
        Percentiles from 0 to 1; Series are matched by the names of the genes.
    split : Series or array_like of str, shape (g,), optional
        The group of each gene, such as "train" and "test": each has its own colour, marker and correlation. The groups
        of a Series are matched by the names of the genes.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Where no gene has both numbers, or a gene has no group.

    Examples
    --------
    >>> observed = pd.Series([0.1, 0.4, 0.6, 0.9], index=list("abcd"))
    >>> split = pd.Series(["train", "train", "test", "test"], index=observed.index)
    >>> ax = predicted_percentiles(observed**2, observed, split=split, ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['2 genes, train', '2 genes, test', 'equal']
    >>> plt.close("all")
    """
    pairs, left_out = pair_by_gene(observed, predicted)
    groups = _read_split(split, pairs.index, observed, predicted)
    ax = plt.gca() if ax is None else ax
    names = pd.Series(groups).value_counts(sort=True).index  # the fewest last, on top of the others
    for name, color, marker in zip(names, cycle(COLORS), cycle(MARKERS), strict=False):
        part = pairs[groups == name]
        label = f"{counted(len(part), 'gene')}{f', {name}' if name else ''}{_correlation(part)}"
        _draw_group(ax, part, label, color, marker)
    ax.plot([0, 1], [0, 1], color=OKABE_ITO["black"], linestyle="-", linewidth=0.8, label="equal")
    dropped = f" ({left_out:,} genes without both)" if left_out else ""
    low, high = min(0, pairs["y"].min()), max(1, pairs["y"].max())
    ax.set(xlabel=f"observed percentile{dropped}", ylabel="predicted percentile", xlim=(-0.02, 1.02))
    ax.set_ylim(low - 0.02, high + 0.02)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, markerscale=1.5)
    return ax


def fidelity(table, *, ax=None):
    """Plot how much of a sequence model's predictions SNPs with weights keep: the fidelity of each gene, by cell type.

    With heritabilities it is fidelity against heritability, a point for each gene; without them the share of genes
    below each fidelity, a line for each cell type. Fidelity is R² in people left out: 1 where weights
    say what the model says, 0 or less where they say nothing of it.

    Parameters
    ----------
    table : DataFrame
        The ``fidelity`` of `scomics_lite.twas.linearise`: columns ``cell_type`` and ``fidelity``, a row for each gene
        and cell type; and perhaps ``heritability``. Rows without a number are left out, and counted in the legend.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Where a column is missing, or no gene has a fidelity.

    Examples
    --------
    >>> table = pd.DataFrame({"cell_type": ["B", "B", "T"], "fidelity": [0.9, 0.7, np.nan]})
    >>> ax = fidelity(table, ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['B: median 0.80 of 2 genes', 'T: no gene (1 without a number)']
    >>> plt.close("all")
    """
    table = _read_fidelity(table)
    has_heritability = "heritability" in table
    ax = plt.gca() if ax is None else ax
    looks = zip(cycle(COLORS), cycle(MARKERS), cycle(("-", "--", "-.", ":")))
    for (name, part), (color, marker, style) in zip(table.groupby("cell_type", sort=False), looks, strict=False):
        there, label = part.dropna(), _fidelity_label(name, part)
        if has_heritability:
            look = {"s": 14, "color": color, "marker": marker, "alpha": 0.6, "label": label}
            ax.scatter(there["heritability"], there["fidelity"], **look)
        elif len(there):
            ax.ecdf(there["fidelity"], color=color, linestyle=style, label=label)
        else:
            ax.plot([], color=color, linestyle=style, label=label)
    if has_heritability:
        ax.set(xlabel="heritability in the window", ylabel="fidelity of the weights (R²)", xlim=(-0.02, 1.02))
        ax.set_ylim(top=1.02)
    else:
        ax.set(xlabel="fidelity of the weights (R²)", ylabel="share of genes at most there", ylim=(0, 1.02))
        ax.set_xlim(right=1.02)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return ax


# --- percentiles ------------------------------------------------------------------------------------------------------


def _read_split(split, genes, *numbers):
    """Give the group of each gene that is plotted, "" where there are no groups."""
    if split is None:
        return np.full(len(genes), "", dtype=object)
    if not isinstance(split, pd.Series):
        names = next((one.index for one in numbers if isinstance(one, pd.Series)), pd.RangeIndex(len(numbers[0])))
        if np.shape(split) != (len(names),):
            raise InputError(
                f"split is a group for each of {len(names):,} genes, or a Series of them by gene; got shape "
                f"{np.shape(split)}"
            )
        split = pd.Series(np.asarray(split), index=names)
    if split.index.has_duplicates:
        raise InputError(f"split has gene {quoted(split.index[split.index.duplicated()][0])} more than once")
    groups = split.reindex(genes)
    if groups.isna().any():
        lacking = genes[groups.isna().to_numpy()]
        raise InputError(f"split has no group for {counted(len(lacking), 'gene')}, such as {quoted(lacking[0])}")
    return groups.astype(str).to_numpy()


def _correlation(pairs):
    return f": r = {pairs['x'].corr(pairs['y']):.2f}" if len(pairs) > 2 and pairs.std().min() > 0 else ""


def _draw_group(ax, pairs, label, color, marker):
    if len(pairs) <= MOST_POINTS:
        size, alpha = (12, 0.7) if len(pairs) <= FEW_POINTS else (4, 0.4)
        ax.scatter(*pairs.to_numpy().T, s=size, color=color, marker=marker, alpha=alpha, label=label, rasterized=True)
        return
    shades = LinearSegmentedColormap.from_list("shades", [TINT, color])
    ax.hexbin(*pairs.to_numpy().T, gridsize=BINS, cmap=shades, mincnt=1, linewidths=0.2)
    ax.scatter([], [], marker="h", color=color, label=f"{label} (darker: more genes)")


# --- fidelity ---------------------------------------------------------------------------------------------------------


def _read_fidelity(table):
    source = "scomics_lite.twas.linearise"
    columns = ["fidelity", "heritability"] if "heritability" in table else ["fidelity"]
    numbers = read_columns(table, columns, source)
    check_column(table, "cell_type", source)
    if numbers.dropna().empty:
        raise InputError(
            "no gene has the numbers to be plotted: a fidelity, and a heritability where there is the column"
        )
    return numbers.assign(cell_type=table["cell_type"].to_numpy())


def _fidelity_label(name, part):
    known = part.dropna()["fidelity"]
    dropped = f" ({len(part) - len(known):,} without a number)" if len(known) < len(part) else ""
    some = f"median {known.median():.2f} of {counted(len(known), 'gene')}" if len(known) else "no gene"
    return f"{name}: {some}{dropped}"
