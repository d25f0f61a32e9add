"""Plots along the genome: associations with a trait, and linkage disequilibrium; on matplotlib Axes."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import FuncFormatter, MaxNLocator

from scomics_lite.plots.labels import check_label, choose, name_points
from scomics_lite.plots.results import ROOM, check_column, check_pvalues, read_columns
from scomics_lite.plots.style import OKABE_ITO
from scomics_lite.validation import InputError, is_number, quoted, warn

SHADES = [OKABE_ITO["blue"], OKABE_ITO["sky"]]  # of one chromosome and the next
GAP = 0.01  # of all chromosomes' length: what is left free between two
SHORTEST = 0.1  # of the longest chromosome: the width of one with a single gene
TICKS_APART = 0.036  # of the axis: numbers of short chromosomes would cover each other
MEGA = 1e6
DIVERGING = LinearSegmentedColormap.from_list("r", [OKABE_ITO["vermillion"], "white", OKABE_ITO["blue"]])
WHITE_TO_BLUE = LinearSegmentedColormap.from_list("r2", ["white", OKABE_ITO["blue"]])
MOST_NAMES = 20  # of SNPs at the sides of a heat map
ROUNDING = 1e-6  # beyond 1 that a correlation may lie


def manhattan(table, *, truth=None, threshold=None, label=0, genes=None, ax=None):
    """Plot −log10 p-values of genes or SNPs along the chromosomes.

    Neighbouring chromosomes have different shades; of one alone, the axis shows the position in Mb. Rows without a
    p-value are left out. P-values of 0, too small for a floating-point number, are triangles at the upper edge.

    Parameters
    ----------
    table : DataFrame
        With a column ``pvalue``, and ids in the column ``gene`` or ``snp``, or in the index: of
        `scomics_lite.twas.s_predixcan`, say. Where there is a column ``gene_name``, the labels are taken from it.
    truth : set of str, optional
        Ids of the causal ones, which are diamonds of another colour.
    threshold : float, optional
        p-value at which a line is drawn: 0.05 divided by the number of tests, say.
    label : int or list of str
        How many to name, those of the smallest p-values; or their ids.
    genes : DataFrame, optional
        Where genes are: index gene id, columns ``chromosome``, ``start``, ``end``; a gene is drawn at its middle.
        Without it the table needs columns ``chromosome`` and ``position``. Genes that it lacks are warned of.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Where positions are missing, p-values are none, or a gene that is to be named is unknown.

    Examples
    --------
    >>> table = pd.DataFrame({"gene": ["g1", "g2", "g3"], "pvalue": [0.5, 1e-8, 0.01]})
    >>> genes = pd.DataFrame({"chromosome": ["1", "1", "2"], "start": [10, 90, 5], "end": [20, 99, 8]}, table["gene"])
    >>> ax = manhattan(table, genes=genes, truth={"g2"}, threshold=0.05 / 3, label=1, ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.texts], [text.get_text() for text in ax.get_xticklabels()]
    (['g2'], ['1', '2'])
    >>> plt.close("all")
    """
    points, what = _read_points(table, genes)
    label = check_label(label, points.index)
    is_true = points.index.isin(check_truth(truth, points.index, what))
    points, is_true = _with_height(points, what, is_true)
    ax = plt.gca() if ax is None else ax
    x = _draw_chromosomes(ax, points)
    finite = points["height"][np.isfinite(points["height"])]
    line = 0.0 if threshold is None else -np.log10(_check_threshold(threshold))
    top = max(finite.max() if len(finite) else 1.0, line, 1.0)
    _draw_points(ax, x, points, is_true, top, what)
    if threshold is not None:
        ax.axhline(line, color=OKABE_ITO["black"], linestyle="--", linewidth=1, label=f"p = {threshold:.2g}")
    ax.set(ylim=(-0.03 * top, ROOM * top), ylabel="−log10 p-value")
    ax.legend(loc="upper right", ncols=2, markerscale=2)  # in the room above the points
    named = choose(label, points.index, np.argsort(points["pvalue"], kind="stable"))
    name_points(ax, x[named], np.minimum(points["height"], top).to_numpy()[named], points["name"].iloc[named])
    return ax


def ld(correlations, *, squared=False, positions=None, names=None, ax=None):
    """Draw linkage disequilibrium, the correlations between the dosages of SNPs, as a heat map.

    Each SNP is a row and a column of the same width, however far its neighbours are.

    Parameters
    ----------
    correlations : DataFrame or array_like, shape (m, m)
        r, of ``numpy.corrcoef(dosages, rowvar=False)``, say.
    squared : bool
        Draw r² and not r.
    positions : array_like of int, shape (m,), optional
        Of the SNPs on their chromosome; written at the sides, in Mb.
    names : array_like of str, shape (m,), optional
        Written at the sides when there are no positions; those of a DataFrame when not given. Of more than 20, none is.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Where these are no correlations, but covariances, say.

    Examples
    --------
    >>> ax = ld([[1, -0.8], [-0.8, 1]], names=["rs1", "rs2"], ax=plt.figure().add_subplot())
    >>> ax.figure.axes[1].get_ylabel(), [text.get_text() for text in ax.get_yticklabels()]
    ('correlation r', ['rs1', 'rs2'])
    >>> plt.close("all")
    """
    r, names = _read_correlations(correlations, names)
    ax = plt.gca() if ax is None else ax
    look = {"cmap": WHITE_TO_BLUE, "vmin": 0} if squared else {"cmap": DIVERGING, "vmin": -1}
    image = ax.imshow(r**2 if squared else r, vmax=1, **look)
    ax.figure.colorbar(image, ax=ax, label="r²" if squared else "correlation r")
    ax.grid(visible=False)
    if positions is not None:
        _write_positions(ax, _check_length(positions, len(r), "positions"))
    elif names is not None and len(r) <= MOST_NAMES:
        ax.set_xticks(range(len(r)), names, rotation=90, fontsize="small")
        ax.set_yticks(range(len(r)), names, fontsize="small")
    else:
        ax.set(xlabel="SNP", ylabel="SNP")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    return ax


# --- positions --------------------------------------------------------------------------------------------------------


def _read_points(table, genes):
    """Give name, chromosome, position and p-value of each row, by id, and what the rows are: genes or SNPs."""
    numbers = read_columns(table, ["pvalue"], "scomics_lite.twas.s_predixcan")
    check_pvalues(numbers["pvalue"])
    what = next((what for what in ("gene", "snp") if what in table), None)
    ids = pd.Index(table[what] if what else table.index)
    if ids.has_duplicates:
        raise InputError(f"each row is one gene or SNP; {quoted(ids[ids.duplicated()][0])} has more than one")
    names = table["gene_name"].fillna(pd.Series(ids, table.index)) if "gene_name" in table else ids
    places = _places_in_table(table) if genes is None else _places_of_genes(genes, ids)
    points = pd.DataFrame({"name": np.asarray(names), "pvalue": numbers["pvalue"].to_numpy()}, index=ids)
    points[["chromosome", "position"]] = places
    return points, {"snp": "SNP"}.get(what, "gene")


def _places_in_table(table):
    source = "a table of SNPs, or of genes with genes=,"
    check_column(table, "chromosome", source)
    position = read_columns(table, ["position"], source)["position"]
    return np.column_stack([table["chromosome"].astype(str), position.to_numpy(object)])


def _places_of_genes(genes, ids):
    """Give chromosome and middle of each gene; None and NaN where `genes` lacks it."""
    ends = read_columns(genes, ["start", "end"], "genes=, with chromosome, start and end,")
    check_column(genes, "chromosome", "genes=, with chromosome, start and end,")
    if genes.index.has_duplicates:
        raise InputError(f"genes= has more than one row of {quoted(genes.index[genes.index.duplicated()][0])}")
    known = ids.isin(genes.index)
    if not known.any():
        raise InputError(
            f"genes= has none of the table's {len(ids):,} genes: there the first is {quoted(genes.index[0])}, in the "
            f"table {quoted(ids[0])}. Is the gene id the index of genes=?"
        )
    if not known.all():
        first = quoted(ids[~known][0])
        warn(f"{(~known).sum():,} of {len(ids):,} genes are not drawn, because genes= lacks them; the first is {first}")
    middle = ends.mean(axis=1).reindex(ids)
    chromosome = genes["chromosome"].astype(str).reindex(ids)
    return np.column_stack([chromosome.to_numpy(object), middle.to_numpy(object)])


def _with_height(points, what, is_true):
    """Keep the rows that have a place and a p-value."""
    shown = points["pvalue"].notna() & points["position"].notna() & points["chromosome"].notna()
    if not shown.any():
        raise InputError(f"none of the table's {len(points):,} {what}s has a position and a p-value")
    points = points[shown].astype({"position": float})
    with np.errstate(divide="ignore"):
        return points.assign(height=-np.log10(points["pvalue"])), is_true[shown.to_numpy()]


def _chromosome_order(name):
    """Sort 1, 2 … 10 by number, then X, Y and others by name."""
    return (0, int(name), "") if name.isdecimal() else (1, 0, name)


def _draw_chromosomes(ax, points):
    """Give each row its place on the axis, chromosome after chromosome, and label the axis."""
    chromosome = points["chromosome"].str.removeprefix("chr")
    names = sorted(chromosome.unique(), key=_chromosome_order)
    points["shade"] = chromosome.map({name: number % 2 for number, name in enumerate(names)})
    if len(names) == 1:
        ax.set_xlabel(f"position on chromosome {names[0]} (Mb)")
        return points["position"].to_numpy() / MEGA
    ends = points["position"].groupby(chromosome).agg(["min", "max"]).loc[names]
    length = (ends["max"] - ends["min"]).to_numpy()
    length = np.maximum(length, SHORTEST * length.max() or 1.0)
    gap = GAP * length.sum()
    start = np.r_[0, np.cumsum(length + gap)[:-1]]
    offset = pd.Series(start - ends["min"].to_numpy(), index=names)
    middle = start + length / 2
    kept = _apart(middle, TICKS_APART * (start[-1] + length[-1]))
    ax.set_xticks(middle[kept], np.array(names)[kept], fontsize="small")
    ax.tick_params(axis="x", length=0)
    ax.grid(visible=False, axis="x")
    ax.set_xlabel("chromosome")
    return (points["position"] + chromosome.map(offset)).to_numpy()


def _apart(places, distance):
    """Choose places, from the left, that are at least so far apart."""
    kept = [0]
    for number, place in enumerate(places):
        if place - places[kept[-1]] >= distance:
            kept.append(number)
    return kept


def _draw_points(ax, x, points, is_true, top, what):
    """Draw the rows in the shades of their chromosomes, the causal ones as diamonds, and triangles at the edge."""
    height = points["height"].to_numpy()
    beyond = np.isinf(height)
    shade = np.array(SHADES)[points["shade"].to_numpy()]
    causal = {"s": 26, "color": OKABE_ITO["vermillion"], "zorder": 3}
    here = ~is_true & ~beyond
    size = 5 if len(points) > 200 else 14
    ax.scatter(x[here], height[here], s=size, c=shade[here], label=counted((~is_true).sum(), what), rasterized=True)
    if is_true.any():
        here = is_true & ~beyond
        ax.scatter(x[here], height[here], marker="D", label=counted(is_true.sum(), f"causal {what}"), **causal)
    if beyond.any():
        colors = np.where(is_true, OKABE_ITO["vermillion"], shade)[beyond]
        look = {"s": 30, "marker": "^", "c": colors, "zorder": 3}
        ax.scatter(x[beyond], np.full(beyond.sum(), top), label=f"{beyond.sum():,} of all with p = 0", **look)


# --- linkage disequilibrium -------------------------------------------------------------------------------------------


def _read_correlations(correlations, names):
    """Give the matrix, once it is one of correlations, and the names of its SNPs."""
    r = np.asarray(correlations, dtype=float)
    if r.ndim != 2 or r.shape[0] != r.shape[1] or not r.size:
        raise InputError(f"correlations are a square matrix, SNPs × SNPs; got shape {r.shape}")
    furthest = np.nanmax(np.abs(r), initial=0)
    if furthest > 1 + ROUNDING:
        raise InputError(
            f"correlations lie between -1 and 1; these reach {furthest:.3g}. Covariances become correlations by "
            "numpy: s = np.sqrt(np.diag(covariance)); covariance / np.outer(s, s)"
        )
    if names is None and isinstance(correlations, pd.DataFrame):
        names = correlations.columns
    return r, None if names is None else _check_length(names, len(r), "names")


def _check_length(values, m, what):
    values = np.asarray(values)
    if values.shape != (m,):
        raise InputError(f"{m:,} SNPs need as many {what}; got shape {values.shape}")
    return values


def _write_positions(ax, positions):
    """Write at some SNPs where they are, in Mb."""
    mega = np.asarray(positions, dtype=float) / MEGA
    digits = int(np.clip(np.ceil(-np.log10(np.ptp(mega) or 1)) + 1, 1, 4))

    def write(place, _):
        inside = 0 <= place < len(mega)
        return f"{mega[int(place)]:.{digits}f}" if inside else ""

    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axis.set_major_formatter(FuncFormatter(write))
    ax.set(xlabel="SNPs in their order, position in Mb", ylabel="SNPs in their order, position in Mb")


# --- checking ---------------------------------------------------------------------------------------------------------


def check_truth(truth, ids, what):
    """Give the ids of what is causal as a set; where none of them is known, they are called otherwise.

    Parameters
    ----------
    truth : set of str or None
    ids : pandas.Index
        All that are plotted.
    what : str
        What they are: ``"gene"`` or ``"SNP"``.

    Returns
    -------
    set

    Raises
    ------
    InputError
        Where `truth` is no set of ids, or none of its ids is plotted.

    Examples
    --------
    >>> check_truth(["a"], pd.Index(["a", "b"]), "gene")
    {'a'}
    """
    if truth is None:
        return set()
    if isinstance(truth, str) or not pd.api.types.is_list_like(truth):
        raise InputError(f"truth is a set of the ids of causal {what}s; got {truth!r}")
    truth = set(truth)
    if truth and not truth & set(ids):
        raise InputError(
            f"none of the {len(truth):,} causal {what}s is plotted: {quoted(sorted(truth, key=str)[0])}, say, where "
            f"the plot has {quoted(ids[0])}. Are they called by other names?"
        )
    return truth


def _check_threshold(threshold):
    if not (is_number(threshold) and 0 < threshold <= 1):
        raise InputError(f"threshold is a p-value, above 0 and at most 1; got {threshold!r}")
    return threshold


def counted(number, what):
    """Write how many of something there are.

    Parameters
    ----------
    number : int
    what : str
        One of them.

    Returns
    -------
    str

    Examples
    --------
    >>> counted(1, "gene"), counted(2_000, "SNP")
    ('1 gene', '2,000 SNPs')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"
