"""Plots of what a model says of counts: variances, dispersions and designs. Each takes and returns matplotlib Axes."""

from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from scomics_lite.design import check_design, diagnose, match_design
from scomics_lite.dispersion import Dispersions
from scomics_lite.linear_models import VoomResult
from scomics_lite.normalization import normalize
from scomics_lite.plots.style import OKABE_ITO
from scomics_lite.validation import InputError, check_counts, check_size_factors

NO_VARIANCE = 1e-12  # of the sum of squares: what the rounding of sums leaves of a gene that is the same everywhere
LOWEST_QUANTILE = 0.001  # of the final dispersions: the lower edge of their plot
MOST_NUMBERS = 120  # of a design, to be written out
LINE_HEIGHT, LETTER_WIDTH = 10, 4.6  # points, of small print
DIVERGING = LinearSegmentedColormap.from_list(
    "vermillion-white-blue",
    [OKABE_ITO["vermillion"], "white", OKABE_ITO["blue"]],
    N=257,  # an odd number has a middle, which is white
)


def mean_variance(counts, *, size_factors=None, design=None, dispersion=None, layer=None, ax=None):
    """Plot the variance of every gene between samples against its mean, with what Poisson counts would have.

    With q = y / s, the residuals r of q on the design's n x p columns, and a dispersion phi:

        variance = sum of r^2 / (n - p)
        Poisson  = mean * mean of 1 / s,  negative binomial = Poisson + phi * mean^2

    Genes without a count or without variance have no place on logarithmic axes; the legend says how many they are.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame or AnnData, shape (n, g)
        Raw counts. Sparse counts are never made dense.
    size_factors : array_like, shape (n,), optional
        Divide by these first; raw counts are shown when not given.
    design : DataFrame or array_like, shape (n, p), optional
        Differences that it explains, such as those between groups, are no part of the variance.
    dispersion : float or Dispersions, optional
        Draws the curve of the negative binomial; `Dispersions` give their trend.
    layer : str, optional
        Layer of an AnnData that holds the counts.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> mean_variance([[10, 20, 30], [20, 40, 60]], dispersion=0.1, ax=plt.figure().add_subplot()).get_xlabel()
    'mean count'
    """
    checked = check_counts(counts, layer=layer)
    n = len(checked.samples)
    s = np.ones(n) if size_factors is None else check_size_factors(size_factors, checked.samples)
    x = np.ones((n, 1)) if design is None else check_design(match_design(design, checked.samples)).to_numpy(float)
    mean, variance = _residual_moments(normalize(checked.matrix, s), x)
    shown = variance > 0
    if not shown.any():
        raise InputError("no gene varies between the samples, so there is no variance to plot")
    phi, phi_is = _read_dispersion(dispersion)
    ax = plt.gca() if ax is None else ax
    label = f"{shown.sum():,} genes" + _left_out(mean, shown)
    ax.scatter(mean[shown], variance[shown], s=4, alpha=0.3, color=OKABE_ITO["blue"], label=label, rasterized=True)
    _variance_curves(ax, _between(mean[shown]), np.mean(1 / s), phi, phi_is)
    counted = "count" if size_factors is None else "normalized count"
    ax.set(xscale="log", yscale="log", xlabel=f"mean {counted}")
    ax.set_ylabel("variance" if design is None else "variance left by the design")
    _make_room(ax)
    ax.legend(loc="upper left", markerscale=3)
    return ax


def dispersions(estimates, *, ax=None):
    """Plot dispersions against mean counts: gene-wise, trend and final, as DESeq2 shows them.

    Gene-wise estimates far below the trend, of genes that vary no more than Poisson counts, are drawn as triangles at
    the lower edge; outliers, which keep the gene-wise estimate, have a ring.

    Parameters
    ----------
    estimates : Dispersions
        From `scomics_lite.dispersion.estimate`.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from scomics_lite import dispersion, simulate
    >>> adata = simulate.bulk_counts(["A"] * 6, 300, library_sizes=1e5, rng=1)
    >>> estimates = dispersion.estimate(adata, np.ones((6, 1)), adata.obs["size_factor"])
    >>> dispersions(estimates, ax=plt.figure().add_subplot()).get_ylabel()
    'dispersion'
    """
    if not isinstance(estimates, Dispersions):
        raise InputError(
            f"plots.dispersions shows what scomics_lite.dispersion.estimate gives; got {type(estimates).__name__}"
        )
    ax = plt.gca() if ax is None else ax
    mean, final, outlier = estimates.base_mean, estimates.final, estimates.outlier
    fitted = np.isfinite(final)
    lowest = np.quantile(final[fitted], LOWEST_QUANTILE)
    bottom = 10.0 ** np.floor(np.log10(min(lowest, estimates.trended[fitted].min() / 10)))
    _draw_dispersions(ax, mean, estimates.genewise, bottom, "gene-wise", OKABE_ITO["black"])
    _draw_dispersions(ax, mean[~outlier], final[~outlier], bottom, "final", OKABE_ITO["sky"])
    if outlier.any():
        label = f"{outlier.sum():,} outliers, final = gene-wise"
        ring = {"facecolors": "none", "edgecolors": OKABE_ITO["purple"], "linewidths": 0.8}
        ax.scatter(mean[outlier], final[outlier], s=22, label=label, rasterized=True, **ring)
    grid = _between(mean[fitted])
    ax.plot(grid, estimates.trend(grid), color=OKABE_ITO["vermillion"], linestyle="-", label="trend")
    ax.set(xscale="log", yscale="log", xlabel="mean normalized count", ylabel="dispersion")
    _make_room(ax)
    ax.legend(loc="upper right", markerscale=2)
    return ax


def voom_trend(weighed, *, ax=None):
    """Plot the residual standard deviation of every gene over its average count, and voom's trend through them.

    The square root of the standard deviation, because that is what the trend is fitted to: weights are the trend to
    the power of -4.

    Parameters
    ----------
    weighed : VoomResult
        From `scomics_lite.linear_models.voom`.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from scomics_lite import linear_models, simulate
    >>> adata = simulate.bulk_counts(["A"] * 6, 300, library_sizes=1e5, rng=1)
    >>> voom_trend(linear_models.voom(adata, np.ones((6, 1))), ax=plt.figure().add_subplot()).get_ylabel()
    'square root of standard deviation'
    """
    if not isinstance(weighed, VoomResult):
        raise InputError(
            f"plots.voom_trend shows what scomics_lite.linear_models.voom gives; got {type(weighed).__name__}"
        )
    ax = plt.gca() if ax is None else ax
    seen = np.isfinite(weighed.root_sd)
    dots = {"s": 4, "alpha": 0.3, "color": OKABE_ITO["blue"], "rasterized": True}
    ax.scatter(weighed.mean_log_count[seen], weighed.root_sd[seen], label=f"{seen.sum():,} genes", **dots)
    ax.plot(weighed.trend["log_count"], weighed.trend["root_sd"], color=OKABE_ITO["vermillion"], label="trend")
    ax.set(xlabel="mean of log2(count + 0.5)", ylabel="square root of standard deviation")
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper right", markerscale=3)
    return ax


def design_matrix(design, *, ax=None):
    """Draw a design as a picture, samples in rows, coefficients in columns; small ones with their numbers.

    White is 0, blue 1 and vermillion -1. A column of other numbers is white at its mean and blue or vermillion at the
    value farthest from that. Columns that cannot be told apart (see `scomics_lite.design.diagnose`) share a bracket,
    and the line below names them.

    Parameters
    ----------
    design : DataFrame or array_like, shape (n, p)
        From `scomics_lite.design.design_matrix`, or any numbers.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import pandas as pd
    >>> design = pd.DataFrame({"Intercept": [1, 1, 1], "treated": [0, 1, 1]})
    >>> ax = design_matrix(design, ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.texts]
    ['1', '0', '1', '1', '1', '1']
    """
    report = diagnose(design)
    ax = plt.gca() if ax is None else ax
    values = report.design.to_numpy(float)
    shades = np.apply_along_axis(_shades, 0, values)
    ax.imshow(shades, cmap=DIVERGING, vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    is_written = values.size <= MOST_NUMBERS
    if is_written:
        _write_numbers(ax, values, shades)
    _draw_borders(ax, *values.shape, between_samples=is_written)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    name_places(ax, report.design.columns)
    _name_samples(ax, report.design.index)
    _bracket_aliases(ax, [report.design.columns.get_indexer(group) for group in report.alias_groups], len(values))
    _explain(ax, _explanation(values, report, is_written))
    return ax


def name_places(ax, names):
    """Name the places 0, 1, 2 … of the horizontal axis, slanting where there is no width to stand side by side."""
    names = [str(name) for name in names]
    fits = max(len(name) for name in names) * LETTER_WIDTH * len(names) < _size_in_points(ax)[0]
    slant = {} if fits else {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(range(len(names)), names, fontsize="small", **slant)


# --- variances --------------------------------------------------------------------------------------------------------


def _residual_moments(q, x):
    """Mean of every gene, and what the columns of x leave of its variance, (g,) each; sparse stays sparse.

    With an orthonormal basis Q of the columns, the residual sum of squares is sum of q^2 - sum of (Q'q)^2.
    """
    n, p = x.shape
    mean = np.asarray(q.mean(axis=0)).ravel()
    squares = np.asarray((q * q).sum(axis=0)).ravel()
    explained = ((q.T @ np.linalg.qr(x)[0]) ** 2).sum(axis=1)
    left = squares - explained
    return mean, np.where(left > NO_VARIANCE * squares, left, 0) / (n - p)


def _read_dispersion(dispersion):
    """Give phi as a function of the mean, and how the legend calls it; None without a dispersion."""
    if dispersion is None:
        return None, ""
    if isinstance(dispersion, Dispersions):
        return dispersion.trend, "from the trend"
    if not (isinstance(dispersion, int | float | np.number) and 0 <= dispersion < np.inf):
        raise InputError(
            f"dispersion is one number, 0 or more, or what scomics_lite.dispersion.estimate gives; got {dispersion!r}"
        )
    return lambda mean: dispersion, f"= {dispersion:.3g}"


def _variance_curves(ax, mean, inverse_factor, phi, phi_is):
    """Draw the variances of Poisson and, with a dispersion, negative binomial counts."""
    poisson = mean * inverse_factor
    label = "Poisson: variance = mean" + (f" × {inverse_factor:.3g}" if abs(inverse_factor - 1) > 5e-4 else "")
    ax.plot(mean, poisson, color=OKABE_ITO["black"], linestyle="--", label=label)
    if phi is not None:
        label = f"negative binomial: + phi × mean², phi {phi_is}"
        ax.plot(mean, poisson + phi(mean) * mean**2, color=OKABE_ITO["vermillion"], linestyle="-", label=label)


def _between(means):
    """Give means from the smallest to the largest, close enough for a smooth curve."""
    return np.geomspace(means.min(), means.max(), 200)


def _left_out(mean, shown):
    """Say how many genes are not drawn, and why, in a second line of a label."""
    reasons = {"without a count": mean == 0, "without variance": (mean > 0) & ~shown}
    parts = [f"{genes.sum():,} {reason}" for reason, genes in reasons.items() if genes.any()]
    return f"\n(not shown: {', '.join(parts)})" if parts else ""


def _draw_dispersions(ax, mean, phi, bottom, name, color):
    """Draw a point for each gene, or a triangle at the lower edge."""
    inside, below = phi >= bottom, phi < bottom
    ax.scatter(mean[inside], phi[inside], s=4, color=color, label=name, rasterized=True)
    if below.any():
        label = f"{name} below {bottom:.0e} ({below.sum():,} genes)"
        edge = np.full(below.sum(), bottom)
        ax.scatter(mean[below], edge, s=12, marker="v", color=color, label=label, rasterized=True)


def _make_room(ax):
    """Raise the upper end of a logarithmic axis for the legend."""
    low, high = ax.get_ylim()
    ax.set_ylim(top=high * (high / low) ** 0.2)


# --- designs ----------------------------------------------------------------------------------------------------------


def _shades(column):
    """Give a column's places on the colour scale, -1 to 1: its values, or how far they lie from their mean."""
    if _is_indicator(column):
        return column
    if not np.ptp(column):
        return np.zeros_like(column)
    centred = column - column.mean()
    return centred / np.abs(centred).max()


def _is_indicator(column):
    return np.isin(column, [-1, 0, 1]).all()


def _write_numbers(ax, values, shades):
    for (row, column), value in np.ndenumerate(values):
        ink = "white" if abs(shades[row, column]) > 0.6 else "black"
        ax.text(column, row, f"{value:.3g}", ha="center", va="center", color=ink)


def _draw_borders(ax, n, p, *, between_samples):
    ax.vlines(np.arange(1, p) - 0.5, -0.5, n - 0.5, color="0.8", linewidth=0.6)
    if between_samples:
        ax.hlines(np.arange(1, n) - 0.5, -0.5, p - 0.5, color="0.8", linewidth=0.6)


def _name_samples(ax, samples):
    """Name the samples, or every k-th where the height is too little for all."""
    step = int(np.ceil(len(samples) * LINE_HEIGHT / _size_in_points(ax)[1]))
    rows = range(0, len(samples), step)
    ax.set_yticks(rows, [str(samples[row]) for row in rows], fontsize="small")
    if step > 1:
        ax.set_ylabel(f"{len(samples)} samples, one name in {step}")


def _bracket_aliases(ax, groups, n):
    """Make room above the first sample and draw a bracket for each group of columns, the first one nearest."""
    rise = 0.06 * n  # in rows
    ax.set_ylim(n - 0.5, -0.5 - rise * (len(groups) + 0.5) * bool(groups))
    for level, columns in enumerate(groups, start=1):
        y = -0.5 - rise * level
        ax.plot([columns[0] - 0.3, columns[-1] + 0.3], [y, y], color=OKABE_ITO["black"], linestyle="-", linewidth=1.2)
        ax.vlines(columns, y, y + rise / 2, color=OKABE_ITO["black"], linewidth=1.2)
        if len(groups) > 1:
            ax.text(columns[0] - 0.35, y, str(level), ha="right", va="center", fontsize="small")


def _explanation(values, report, is_written):
    """Say what brackets mean, and colours where no numbers tell."""
    groups = report.alias_groups
    for number, group in enumerate(groups, start=1):
        bracket = f"bracket {number}" if len(groups) > 1 else "bracket"
        why = "cannot be told apart" if len(group) > 1 else "is zero everywhere"
        yield f"{bracket}: {', '.join(group)} {why}"
    if not is_written:
        names = {-1: "vermillion −1", 0: "white 0", 1: "blue 1"}
        indicators = [_is_indicator(column) for column in values.T]
        yield ", ".join(name for value, name in names.items() if (values[:, indicators] == value).any())
        others = ", ".join(report.design.columns[~np.array(indicators)])
        if others:
            yield f"{others}: white at the mean, blue above, vermillion below"


def _explain(ax, sentences):
    """Write sentences below the axes, in lines as wide as these."""
    letters = int(_size_in_points(ax)[0] / LETTER_WIDTH)
    ax.set_xlabel("\n".join(fill(sentence, letters) for sentence in sentences if sentence), fontsize="small")


def _size_in_points(ax):
    box = ax.get_window_extent()
    return np.array([box.width, box.height]) * 72 / ax.figure.dpi
