"""Plots of counts and size factors. Each takes and returns a matplotlib Axes."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite.normalization import METHODS, m_and_a, normalize
from scomics_lite.plots.style import MARKERS, OKABE_ITO
from scomics_lite.validation import (
    CountsError,
    InputError,
    check_counts,
    check_order,
    check_size_factors,
    did_you_mean,
    is_anndata,
)

PSEUDO_COUNT = 1  # added before a logarithm in `rle`, where zeros would otherwise drop out of some samples only


def ma(counts, sample, reference, *, size_factors=None, layer=None, ax=None):
    """Plot the log ratio of two samples against their mean log count (Dudoit 2002), for genes counted in both.

    Unchanged genes should lie around zero at every height; the dashed line is their median log ratio.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame or AnnData, shape (n, g)
        Raw counts.
    sample, reference : str or int
        Names or positions; the ratio is sample / reference.
    size_factors : array_like, shape (n,), optional
        Divide by these first; raw counts are compared when not given.
    layer : str, optional
        Layer of an AnnData that holds the counts.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> ma([[10, 20, 30], [20, 40, 60]], 1, 0).get_ylabel()
    'M = log2 ratio'
    """
    ax = plt.gca() if ax is None else ax
    checked = check_counts(counts, layer=layer)
    rows = _normalized(checked, size_factors)[[checked.row_of(sample), checked.row_of(reference)]]
    y, y_reference = rows.toarray() if sparse.issparse(rows) else rows
    both = (y > 0) & (y_reference > 0)
    if not both.any():
        raise CountsError(f"samples {sample!r} and {reference!r} share no gene with a count, so no ratio can be formed")
    m = np.log2(y[both] / y_reference[both])
    ax.scatter(np.log2(y[both] * y_reference[both]) / 2, m, s=4, alpha=0.3, color=OKABE_ITO["blue"], rasterized=True)
    ax.axhline(0, color=OKABE_ITO["black"], linestyle="-", linewidth=0.8)
    ax.axhline(np.median(m), color=OKABE_ITO["vermillion"], linestyle="--", label=f"median M = {np.median(m):.2f}")
    counted = "count" if size_factors is None else "normalized count"
    ax.set(xlabel=f"A = mean log2 {counted}", ylabel="M = log2 ratio")
    ax.legend(loc="upper right", title=f"{sample} / {reference}")
    return ax


def tmm_trims(counts, sample, reference, *, layer=None, ax=None):
    """Plot what TMM sees of two samples: M against A, with the genes that both trims leave and the factor they give.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame or AnnData, shape (n, g)
        Raw counts.
    sample, reference : str or int
        Names or positions of the two samples.
    layer : str, optional
        Layer of an AnnData that holds the counts.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> tmm_trims([[10, 20, 30], [20, 40, 61]], 1, 0).get_xlabel()
    'A = mean log2 share of the library'
    """
    ax = plt.gca() if ax is None else ax
    genes = m_and_a(counts, sample, reference, layer=layer)
    kept = genes[genes["kept"]]
    if kept.empty:
        raise CountsError(f"the two trims leave none of the {len(genes)} genes that the two samples share")
    trimmed = genes[~genes["kept"]]
    ax.scatter(trimmed["A"], trimmed["M"], s=5, marker="x", linewidths=0.5, color=OKABE_ITO["grey"], label="trimmed")
    ax.scatter(kept["A"], kept["M"], s=5, alpha=0.4, color=OKABE_ITO["blue"], label="kept")
    for name in ("M", "A"):
        draw = ax.axhline if name == "M" else ax.axvline
        for edge in (kept[name].min(), kept[name].max()):
            draw(edge, color=OKABE_ITO["vermillion"], linestyle=":", linewidth=1)
    log_factor = np.average(kept["M"], weights=kept["weight"])
    ax.axhline(log_factor, color=OKABE_ITO["black"], linestyle="-", linewidth=1, label=f"log2 f = {log_factor:.3f}")
    ax.set(xlabel="A = mean log2 share of the library", ylabel=f"M = log2 share ratio, {sample} / {reference}")
    ax.legend(loc="upper right", markerscale=2)
    return ax


def rle(counts, *, size_factors=None, groups=None, layer=None, ax=None):
    """Draw box plots of relative log expression: log counts minus the gene's median (Gandolfo and Speed 2018).

    When most genes are unchanged, the boxes of well-normalized samples sit on zero. Genes without a count in more than
    half of the samples are left out, as their median says nothing; 1 is added to each count before the logarithm.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame or AnnData, shape (n, g)
        Raw counts.
    size_factors : array_like, shape (n,), optional
        Divide by these first; raw counts are shown when not given.
    groups : array_like, shape (n,), or str, optional
        Labels of the samples, or the column of an AnnData's ``obs`` that holds them; boxes are filled by label.
    layer : str, optional
        Layer of an AnnData that holds the counts.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> rle([[10, 20, 30], [20, 40, 60], [10, 20, 30]]).get_ylabel()
    'log2 count − median of the gene'
    """
    ax = plt.gca() if ax is None else ax
    checked = check_counts(counts, layer=layer)
    labels = None if groups is None else _read_groups(groups, counts, checked.samples)
    shown = checked.positive_samples() > len(checked.samples) / 2
    if not shown.any():
        raise InputError("no gene is counted in more than half of the samples, so no gene has a median to compare with")
    values = _normalized(checked, size_factors)[:, shown]
    logs = np.log2((values.toarray() if sparse.issparse(values) else values) + PSEUDO_COUNT)
    relative = logs - np.median(logs, axis=0)
    boxes = ax.boxplot(list(relative), showfliers=False, patch_artist=True, widths=0.7, medianprops={"color": "black"})
    if groups is not None:
        _fill_boxes(ax, boxes["boxes"], labels)
    ax.axhline(0, color=OKABE_ITO["black"], linestyle="-", linewidth=0.8)
    ax.set_ylabel("log2 count − median of the gene")
    if len(relative) <= 12:
        ax.set_xticks(range(1, len(relative) + 1), checked.samples, rotation=45, ha="right")
    else:
        ax.set_xticks([])
        ax.set_xlabel(f"{len(relative)} samples")
    return ax


def size_factors(factors, *, against="median_of_ratios", ax=None):
    """Plot how far the size factors of several methods lie from those of one, all scaled to geometric mean 1.

    Size factors of one data set differ mostly by depth, on which the methods agree; drawn as ratios to one of the
    methods, what is left to see is the disagreement.

    Parameters
    ----------
    factors : DataFrame, shape (n, methods)
        One column a method, one row a sample.
    against : str
        The column that the others are divided by.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> size_factors(pd.DataFrame({"total": [1, 2.0], "tmm": [1, 1.5]}), against="total").get_xlabel()
    'log2 size factor by total'
    """
    if not isinstance(factors, pd.DataFrame):
        raise InputError(
            f"factors is a DataFrame, one column a method, one row a sample; got {type(factors).__name__}. "
            "pd.DataFrame({'total': ..., 'tmm': ...}) makes one"
        )
    if against not in factors:
        raise InputError(f"factors has no column {against!r}; {did_you_mean(against, factors.columns)}")
    for method in factors:
        check_size_factors(factors[method], factors.index)
    ax = plt.gca() if ax is None else ax
    known = list(dict.fromkeys([*METHODS, *factors.columns]))  # a method looks the same in every figure
    logs = np.log2(factors) - np.log2(factors).mean()
    ax.axhline(0, color=OKABE_ITO["grey"], linestyle="-", linewidth=0.8)
    colors = list(OKABE_ITO.values())
    for method in factors.columns.drop(against):
        look = known.index(method)
        marker, color = MARKERS[look % len(MARKERS)], colors[look % len(colors)]
        difference = logs[method] - logs[against]
        ax.scatter(logs[against], difference, marker=marker, color=color, s=22, alpha=0.8, label=method)
    ax.set(xlabel=f"log2 size factor by {against}", ylabel=f"log2(other method / {against})")
    ax.legend()
    return ax


def _normalized(checked, size_factors):
    """Give counts over size factors, whose order is that of the samples; over 1 where there are none."""
    factors = np.ones(len(checked.samples)) if size_factors is None else size_factors
    return normalize(checked.matrix, check_size_factors(factors, checked.samples))


def _read_groups(groups, counts, samples):
    """Give the label of every sample, from a column of obs or from as many labels."""
    if isinstance(groups, str):
        if not is_anndata(counts):
            raise InputError(
                f"groups has one label for each sample; got the text {groups!r}. Where counts are an AnnData, a column "
                "of its obs goes by its name; elsewhere hand over the labels themselves"
            )
        if groups not in counts.obs:
            raise InputError(f"obs has no column {groups!r}; {did_you_mean(groups, counts.obs)}")
        groups = counts.obs[groups]
    check_order(groups, samples, "groups")
    labels = list(groups)
    if len(labels) != len(samples):
        raise InputError(f"groups has {len(labels)} labels for {len(samples)} samples; give one for each")
    missing = np.flatnonzero(pd.isna(np.array(labels, dtype=object)))
    if missing.size:
        raise InputError(
            f"{missing.size:,} of {len(samples):,} samples have no group, the first is {samples[missing[0]]!r}. "
            "Give them a label of their own, or leave them out of the counts too"
        )
    return labels


def _fill_boxes(ax, boxes, labels):
    """Fill the boxes of one group with one colour, and name the groups."""
    groups = list(dict.fromkeys(labels))
    if len(groups) > len(OKABE_ITO):
        raise InputError(f"{len(groups)} groups are more than the {len(OKABE_ITO)} colours that can be told apart")
    colors = dict(zip(groups, OKABE_ITO.values(), strict=False))
    for box, label in zip(boxes, labels, strict=True):
        box.set(facecolor=colors[label], alpha=0.6, linewidth=0.6)
    ax.legend([boxes[labels.index(label)] for label in groups], groups)
