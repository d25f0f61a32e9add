"""Plots of the table that `scomics_lite.differential.test` gives, and of single genes; on matplotlib Axes."""

import anndata
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite.plots.labels import check_label, choose, name_points, unknown_gene
from scomics_lite.plots.models import name_places
from scomics_lite.plots.style import MARKERS, OKABE_ITO
from scomics_lite.validation import InputError, check_counts, check_size_factors, did_you_mean

PSEUDO_COUNT = 0.5  # DESeq2's in plotCounts: a zero stays on a logarithmic axis, next to a one
GOLDEN = (np.sqrt(5) - 1) / 2  # its multiples modulo 1 fill an interval evenly, however many there are
ROOM = 1.3  # of the height of the points: the axes', which have the legend above the points
TEST = "scomics_lite.differential.test"
SHOWN_QUANTILE = 0.99  # of fold changes: the few larger ones would flatten the rest


def volcano(table, *, alpha=0.1, label=0, ax=None):
    """Plot -log10 p-values against log2 fold changes; genes with padj < alpha stand out.

    Genes without a p-value are left out. P-values of 0, too small for a floating-point number, are triangles at the
    upper edge.

    Parameters
    ----------
    table : DataFrame
        With columns ``log2FoldChange``, ``pvalue`` and ``padj``, from `scomics_lite.differential.test`.
    alpha : float
        False discovery rate.
    label : int or list of str
        How many genes to name, those of the smallest p-values; or the names of the genes.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> genes = {"log2FoldChange": [0.1, 3.0], "pvalue": [0.5, 1e-6], "padj": [0.5, 2e-6]}
    >>> ax = volcano(pd.DataFrame(genes, index=["a", "b"]), label=1, ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.texts]
    ['b']
    """
    table = _read_table(table, ["log2FoldChange", "pvalue", "padj"], alpha)
    check_pvalues(table["pvalue"])
    label = check_label(label, table.index)
    table = _genes_where(table, np.isfinite(table["log2FoldChange"]) & table["pvalue"].notna())
    ax = plt.gca() if ax is None else ax
    with np.errstate(divide="ignore"):
        height = -np.log10(table["pvalue"].to_numpy())
    top = max(height[np.isfinite(height)].max(initial=0), 1)
    x = table["log2FoldChange"].to_numpy()
    _draw_genes(ax, x, height, (table["padj"] < alpha).to_numpy(), alpha, (0, top), "with p = 0")
    ax.set(ylim=(-0.03 * top, ROOM * top), xlabel="log2 fold change", ylabel="−log10 p-value")
    ax.legend(loc="upper right", markerscale=2)  # in the room above the edge
    named = choose(label, table.index, np.argsort(table["pvalue"], kind="stable"))
    name_points(ax, x[named], np.minimum(height, top)[named], table.index[named])
    return ax


def mean_difference(table, *, column="log2FoldChange", alpha=0.1, ax=None):
    """Plot log2 fold changes against means (an MA plot); genes with padj < alpha stand out.

    The axis ends a tenth beyond the size that 99 % of ``log2FoldChange`` keep below, whichever column is drawn, so that
    shrunken fold changes compare with estimates at a glance; those beyond are triangles at its edges. Genes without a
    mean (a count, where it is of counts) or a fold change are left out.

    Parameters
    ----------
    table : DataFrame
        With columns ``baseMean``, ``log2FoldChange`` and ``padj``, from `scomics_lite.differential.test` or
        `scomics_lite.quasi_likelihood.test`; or with ``mean``, of logarithms, in place of ``baseMean``, from
        `scomics_lite.linear_models.moderated_t_test`.
    column : str
        Which fold changes to draw: ``"shrunken"`` are those of a test with ``shrink=``.
    alpha : float
        False discovery rate.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> genes = pd.DataFrame({"baseMean": [9.0, 80], "log2FoldChange": [0.1, 3.0], "padj": [0.5, 2e-6]})
    >>> mean_difference(genes, ax=plt.figure().add_subplot()).get_xscale()
    'log'
    """
    source = TEST + "(..., shrink='ash')" * (column == "shrunken")
    drawn = read_columns(table, [column], source)[column]
    of_logs = "mean" in table and "baseMean" not in table
    mean = "mean" if of_logs else "baseMean"
    table = _read_table(table, [mean, "log2FoldChange", "padj"], alpha).assign(drawn=drawn)
    is_finite = np.isfinite(table[[mean, "log2FoldChange", "drawn"]]).all(axis=1)
    table = _genes_where(table, is_finite & (of_logs | (table[mean] > 0)))
    ax = plt.gca() if ax is None else ax
    change = table["drawn"].to_numpy()
    edge = 1.1 * table["log2FoldChange"].abs().quantile(SHOWN_QUANTILE) or 1.0
    called = (table["padj"] < alpha).to_numpy()
    _draw_genes(ax, table[mean].to_numpy(), change, called, alpha, (-edge, edge), f"beyond ±{edge:.2g}")
    ax.axhline(0, color=OKABE_ITO["black"], linestyle="-", linewidth=0.8)
    ax.set(
        xscale="linear" if of_logs else "log",
        ylim=(-1.1 * edge, (2 * ROOM - 1) * edge),
        xlabel="mean log2 value" if of_logs else "mean normalized count",
        ylabel="log2 fold change" if column == "log2FoldChange" else f"{column} log2 fold change",
    )
    ax.legend(loc="upper right", markerscale=2)  # in the room above the edge
    return ax


def pvalue_histogram(pvalues, *, bins=40, ax=None):
    """Draw the histogram of p-values, with the height that it would have if no gene differed.

    P-values of true nulls are uniform; genes that differ pile up near 0. Missing p-values are left out.

    Parameters
    ----------
    pvalues : DataFrame or array_like, shape (g,)
        A table with column ``pvalue``, or the p-values.
    bins : int
        Number of bins between 0 and 1.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> pvalue_histogram([0.1, 0.2, 0.6, 0.9], bins=2, ax=plt.figure().add_subplot()).get_ylabel()
    'genes'
    """
    if isinstance(pvalues, pd.DataFrame):
        pvalues = read_columns(pvalues, ["pvalue"])["pvalue"]
    if not (isinstance(bins, int | np.integer) and bins >= 1):
        raise InputError(f"bins is how many bins to draw between 0 and 1, 1 or more; got {bins!r}")
    p = np.asarray(pvalues, dtype=float).ravel()
    p = p[~np.isnan(p)]
    if not p.size:
        raise InputError("there is no p-value to plot: all are missing")
    check_pvalues(p)
    ax = plt.gca() if ax is None else ax
    heights, _, _ = ax.hist(
        p, bins=np.linspace(0, 1, bins + 1), color=OKABE_ITO["sky"], edgecolor="white", linewidth=0.5
    )
    height = p.size / bins
    label = f"uniform: {p.size:,} / {bins} = {height:,.4g} genes"
    ax.axhline(height, color=OKABE_ITO["vermillion"], linestyle="--", label=label)
    ax.set(xlabel="p-value", ylabel="genes", xlim=(0, 1), ylim=(0, 1.12 * heights.max()))
    ax.legend(loc="upper right")  # in the room above the bars
    return ax


def gene_counts(adata, gene, by, *, size_factors=None, layer=None, ax=None):
    """Plot the counts of one gene in every sample, by the levels of a column of ``obs``.

    One half is added, so that zeros have a place on the logarithmic axis. Samples of a level are spread sideways, the
    same way every time.

    Parameters
    ----------
    adata : AnnData, shape (n, g)
        Raw counts.
    gene : str
        Name of the gene.
    by : str or tuple of str
        Column of ``adata.obs``; with two, the second gives colours and markers.
    size_factors : array_like, shape (n,), optional
        Divide by these first; raw counts are shown when not given.
    layer : str, optional
        Layer that holds the counts.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from scomics_lite import simulate
    >>> adata = simulate.bulk_counts(["A"] * 3 + ["B"] * 3, 100, rng=1)
    >>> gene_counts(adata, "gene00001", "condition", ax=plt.figure().add_subplot()).get_ylabel()
    'count + 0.5'
    """
    if not isinstance(adata, anndata.AnnData):
        raise InputError(f"gene_counts needs an AnnData, whose obs describes the samples; got {type(adata).__name__}")
    checked = check_counts(adata, layer=layer)
    if gene not in checked.genes:
        raise InputError(unknown_gene(gene, checked.genes))
    names = [by] if isinstance(by, str) else by
    if not (isinstance(names, list | tuple) and len(names) in (1, 2)):
        raise InputError(f"by is a column of obs, or two: (levels, colours); got {by!r}")
    levels, *colors = [_levels(adata.obs, name) for name in names]
    column = checked.matrix[:, [checked.genes.get_loc(gene)]]
    y = (column.toarray() if sparse.issparse(column) else column).ravel().astype(float)
    if size_factors is not None:
        y /= check_size_factors(size_factors, checked.samples)
    y += PSEUDO_COUNT
    ax = plt.gca() if ax is None else ax
    x = levels.codes + _spread_sideways(levels.codes)
    _draw_by_level(ax, x, y, *colors, *names[1:])
    counted = "count" if size_factors is None else "normalized count"
    ax.set(yscale="log", xlabel=names[0], ylabel=f"{counted} + {PSEUDO_COUNT}", title=gene)
    name_places(ax, levels.categories)
    ax.set_xlim(-0.5, len(levels.categories) - 0.5)
    return ax


# --- drawing ----------------------------------------------------------------------------------------------------------


def _draw_genes(ax, x, y, called, alpha, edges, beyond):
    """Draw a point for each gene, or a triangle at the edge it lies beyond; say how many of each."""
    low, high = edges
    outside = (y < low) | (y > high)
    blue, grey = OKABE_ITO["blue"], OKABE_ITO["grey"]
    for genes, size, color, name in (
        (~called, 4, grey, "other genes"),
        (called, 8, blue, f"genes with padj < {alpha:g}"),
    ):
        here = genes & ~outside
        label = f"{genes.sum():,} {name}"
        ax.scatter(x[here], y[here], s=size, alpha=0.6, c=color, label=label, rasterized=True)
    label = f"{outside.sum():,} of all {beyond}"
    for marker, edge, here in (("^", high, y > high), ("v", low, y < low)):
        if here.any():
            look = {"s": 16, "marker": marker, "c": np.where(called, blue, grey)[here], "rasterized": True}
            ax.scatter(x[here], np.full(here.sum(), edge), label=label, **look)
            label = None  # one entry for both


def _draw_by_level(ax, x, y, colors=None, name=None):
    """Draw the samples, the levels of a second column by colour and marker."""
    if colors is None:
        ax.scatter(x, y, s=22, color=OKABE_ITO["blue"])
        return
    shades = list(OKABE_ITO.values())
    for number, level in enumerate(colors.categories):
        here = colors.codes == number
        look = {"marker": MARKERS[number % len(MARKERS)], "color": shades[number % len(shades)]}
        ax.scatter(x[here], y[here], s=22, label=level, **look)
    ax.legend(title=name, loc="upper left", bbox_to_anchor=(1, 1))  # outside: its markers look like samples


def _spread_sideways(codes):
    """Give every sample of a level another place within 0.2 of its middle, by its number in the level."""
    number = pd.Series(codes).groupby(codes).cumcount().to_numpy()
    return 0.4 * ((number * GOLDEN) % 1 - 0.5)


# --- checking ---------------------------------------------------------------------------------------------------------


def _read_table(table, columns, alpha):
    """Give the numbers of a test's table, once these and alpha are in order."""
    numbers = read_columns(table, columns)
    if not 0 < alpha < 1:
        raise InputError(f"alpha is a false discovery rate between 0 and 1; got {alpha}")
    return numbers


def read_columns(table, columns, source=TEST):
    """Give these columns of a table as floating-point numbers, or say which function gives a table that has them."""
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"this plots the table of {source}; got {type(table).__name__}")
    return pd.DataFrame({column: _read_column(table, column, source) for column in columns}, index=table.index)


def _read_column(table, column, source):
    check_column(table, column, source)
    numbers = pd.to_numeric(table[column], errors="coerce")
    text = np.flatnonzero(numbers.isna() & table[column].notna())
    if text.size:
        raise InputError(
            f"column {column!r} of the table holds {table[column].iloc[text[0]]!r} in row {table.index[text[0]]!r}, "
            "which is no number"
        )
    return numbers.to_numpy(float, na_value=np.nan)


def check_column(table, column, source):
    """Refuse what is no one column of a table."""
    if not isinstance(column, str):
        raise InputError(f"a column is called by its name; got {column!r}")
    if column not in table:
        raise InputError(
            f"the table has no column {column!r}; {source} gives one that has. {did_you_mean(column, table)}"
        )
    if isinstance(table[column], pd.DataFrame):
        raise InputError(f"the table has more than one column {column!r}; drop the others")


def check_pvalues(p):
    """Refuse numbers outside 0 to 1."""
    if (p < 0).any() or (p > 1).any():
        raise InputError(f"p-values lie between 0 and 1; these reach from {np.nanmin(p):.3g} to {np.nanmax(p):.3g}")


def _genes_where(table, shown):
    if not shown.any():
        raise InputError(f"none of the table's {len(table):,} genes has the numbers to be plotted")
    return table[shown]


def _levels(obs, name):
    """Give a column of obs as a Categorical: its own order of levels, or the sorted one."""
    if name not in obs:
        raise InputError(f"obs has no column {name!r}; {did_you_mean(name, obs)}")
    missing = obs.index[obs[name].isna()]
    if len(missing):
        raise InputError(
            f"{len(missing):,} of {len(obs):,} samples have no value in column {name!r}, the first is {missing[0]}. "
            "Leave them out: adata[adata.obs[...].notna()]"
        )
    return obs[name].astype("category").cat.remove_unused_categories().array
