"""Plots of empirical Bayes: how far estimates are pulled in, and the prior that pulls them. On matplotlib Axes."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm

from scomics_lite.plots.results import check_label, name_points
from scomics_lite.plots.style import OKABE_ITO, plain_ticks
from scomics_lite.validation import InputError

MOST_ARROWS = 60  # genes, more of them would cover each other
SHOWN_ERRORS = (0.01, 0.99)  # quantiles of the standard errors between which the colours run


def shrinkage(effects, shrunken, standard_errors, *, label=0, ax=None):
    """Plot how far shrinkage moves estimates, and that noise and size decide it.

    Up to 60 genes are arrows from the estimate to the shrunken one, at the height of the standard error. More are
    points, shrunken against estimate, whose colour is the standard error: on the diagonal nothing has moved.

    Parameters
    ----------
    effects, shrunken, standard_errors : array_like or Series, shape (g,)
        Estimates, their shrunken values and their standard errors, such as those of an `AshResult`: ``effects``,
        ``posterior_mean`` and ``standard_errors``. Genes that lack one, or have an infinite one, are left out.
    label : int
        How many genes to name, those that move most.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> genes = pd.DataFrame({"estimate": [2.0, -3.0], "shrunken": [1.8, -0.4], "error": [0.2, 1.5]}, ["a", "b"])
    >>> ax = shrinkage(genes["estimate"], genes["shrunken"], genes["error"], label=1, ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.texts], ax.get_ylabel()
    (['b'], 'standard error')
    """
    check_label(label)
    genes = _read_effects(effects, shrunken, standard_errors)
    ax = plt.gca() if ax is None else ax
    moved = genes["effect"] - genes["shrunken"]
    named = genes.loc[moved.abs().sort_values(ascending=False, kind="stable").index[:label]]
    effect, pulled, error = genes.to_numpy().T
    if len(genes) <= MOST_ARROWS:
        _draw_arrows(ax, effect, pulled, error, margin=0.3 if label else 0.05)  # names stand beyond the arrows
        arrows = np.stack([np.minimum(effect, pulled), error, np.maximum(effect, pulled), error], axis=1)
        name_points(ax, named["effect"], named["error"], named.index, avoid=arrows.reshape(-1, 2, 2))
    else:
        _draw_cloud(ax, effect, pulled, error)
        name_points(ax, named["effect"], named["shrunken"], named.index)
    return ax


# --- estimates --------------------------------------------------------------------------------------------------------


def _read_effects(effects, shrunken, standard_errors):
    """Give the genes that have all three numbers, as a table with columns effect, shrunken and error."""
    columns = {"effect": effects, "shrunken": shrunken, "error": standard_errors}
    series = [values for values in columns.values() if isinstance(values, pd.Series)]
    index = series[0].index if series else None
    if any(not values.index.equals(index) for values in series):
        raise InputError("effects, shrunken and standard_errors name different genes, or in another order; take all")
    try:
        columns = {name: np.asarray(values, dtype=float).ravel() for name, values in columns.items()}
    except (TypeError, ValueError):
        raise InputError("effects, shrunken and standard_errors are numbers, one of each for every gene") from None
    sizes = {values.size for values in columns.values()}
    if len(sizes) > 1:
        raise InputError(f"effects, shrunken and standard_errors have one number a gene; got {sizes}")
    genes = pd.DataFrame(columns, index=index)
    bad = genes.index[genes["error"] <= 0]
    if len(bad):
        raise InputError(f"standard errors are positive; gene {bad[0]!r} has {genes.loc[bad[0], 'error']:g}")
    shown = genes[np.isfinite(genes).all(axis=1)]
    if shown.empty:
        raise InputError(f"none of the {len(genes):,} genes has an estimate, a shrunken one and a standard error")
    return shown


def _draw_arrows(ax, effect, shrunken, error, margin):
    """Draw an arrow for each gene, at the height of its standard error."""
    blue, black = OKABE_ITO["blue"], OKABE_ITO["black"]
    ax.axvline(0, color=black, linestyle="-", linewidth=0.8)
    ax.hlines(error, effect, shrunken, color=blue, linewidth=1)
    ax.scatter(effect, error, s=16, facecolors="white", edgecolors=blue, linewidths=1, zorder=3, label="estimate")
    heads = {"color": blue, "s": 16, "zorder": 4}
    name = "shrunken"
    for marker, here in (("<", shrunken < effect), (">", shrunken >= effect)):
        if here.any():
            ax.scatter(shrunken[here], error[here], marker=marker, label=name, **heads)
            name = None  # one entry for both
    ax.margins(x=margin)
    ax.set(yscale="log", xlabel="log2 fold change", ylabel="standard error")
    plain_ticks(ax.yaxis)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)  # outside: its markers look like genes


def _draw_cloud(ax, effect, shrunken, error):
    """Draw a point for each gene, precise ones last, which is on top."""
    ax.axhline(0, color=OKABE_ITO["black"], linestyle="-", linewidth=0.8)
    ends = [effect.min(), effect.max()]
    ax.plot(ends, ends, color=OKABE_ITO["vermillion"], linestyle="--", linewidth=1, label="nothing moved")
    low, high = np.quantile(error, SHOWN_ERRORS)
    order = np.argsort(-error, kind="stable")
    dots = ax.scatter(
        effect[order],
        shrunken[order],
        s=6,
        c=error[order],
        cmap="cividis",
        norm=LogNorm(low / 1.05, high * 1.05),  # apart, even where all genes have the same
        rasterized=True,
    )
    bar = ax.figure.colorbar(dots, ax=ax, label="standard error", extend="both")
    plain_ticks(bar.ax.yaxis)
    ax.set(xlabel="estimated log2 fold change", ylabel="shrunken log2 fold change")
    ax.legend(loc="upper left")
