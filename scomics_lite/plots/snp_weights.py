"""Plots of the weights by which SNPs predict expression: how a penalty decides on them, and where they lie. On Axes."""

from collections.abc import Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection

from scomics_lite.plots.genomes import counted
from scomics_lite.plots.labels import check_label, choose, name_points
from scomics_lite.plots.style import MARKERS, OKABE_ITO
from scomics_lite.validation import InputError, is_number, quoted

COLORS = [OKABE_ITO[name] for name in ("sky", "vermillion", "green", "purple", "orange", "blue")]
MEGA = 1e6
NAME_ROOM = 0.25  # of the axis: behind the weakest penalty, for names


def coefficient_path(path_coefficients, lambdas, *, chosen=None, label=5, ax=None):
    """Plot how the weights of SNPs grow as the penalty of an elastic net becomes weaker, from left to right.

    Parameters
    ----------
    path_coefficients : DataFrame or array_like, shape (k, m)
        Penalties × SNPs; ``coefficients`` of `scomics_lite.twas.elastic_net_path`.
    lambdas : array_like, shape (k,)
        The penalties, above 0.
    chosen : float, optional
        The penalty that was chosen, by cross-validation, say; a vertical line.
    label : int or list of str
        How many SNPs to draw in colour and name, those of the largest weights at `chosen` (at the weakest penalty when
        that is not given); or their names. The others are grey.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Where there is not one penalty for every row, a penalty is not above 0, or a SNP to be named is unknown.

    Examples
    --------
    >>> path = pd.DataFrame({"rs1": [0, 0.2, 0.4], "rs2": [0, 0, -0.1], "rs3": 0.0})
    >>> ax = coefficient_path(path, [1, 0.1, 0.01], chosen=0.1, label=1, ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.texts], [text.get_text() for text in ax.get_legend().get_texts()]
    (['rs1'], ['1 other SNP (1 more stays at 0)', 'chosen: λ = 0.1'])
    >>> plt.close("all")
    """
    path = _read_path(path_coefficients, lambdas)
    label = check_label(label, path.columns)
    at = path.index[-1] if chosen is None else _nearest(path.index, chosen)
    moves = (path != 0).any()
    order = np.argsort(-path.loc[at].abs()[moves].to_numpy(), kind="stable")
    named = choose(label, path.columns[moves], order)
    moving = path.loc[:, moves]
    ax = plt.gca() if ax is None else ax
    weakest, strongest = path.index[-1], path.index[0]
    room = (strongest / weakest) ** NAME_ROOM
    ax.set(xscale="log", xlim=(strongest, weakest / room), xlabel="penalty λ, weaker to the right", ylabel="weight")
    ax.axhline(0, color=OKABE_ITO["black"], linewidth=0.8)
    _draw_others(ax, moving.drop(columns=moving.columns[named]), stay=int((~moves).sum()))
    for snp, color, style in zip(moving.columns[named], cycle(COLORS[1:]), cycle(("-", "--", "-.", ":")), strict=False):
        ax.plot(moving.index, moving[snp], color=color, linestyle=style)
    if chosen is not None:
        ax.axvline(chosen, color=OKABE_ITO["black"], linestyle=":", label=f"chosen: λ = {chosen:.3g}")
    ax.autoscale(axis="y")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    low, high = ax.get_ylim()
    paths = [[(strongest, low), (weakest, high)]]  # names stand behind them
    name_points(ax, np.full(len(named), weakest), moving.iloc[-1].to_numpy()[named], moving.columns[named], avoid=paths)
    return ax


def weights(tables, *, truth=None, ax=None):
    """Plot the weights of SNPs along a locus, of two or more methods beside each other.

    Each SNP with a weight is a stem with a marker; the legend tells how many have none.

    Parameters
    ----------
    tables : dict of Series
        By name of the method ("marginal", "joint"): weights, whose index is the position of the SNP on its chromosome.
    truth : Series or array_like of int, optional
        Positions of the causal SNPs, which are dotted lines; a Series of their true effects, by position, adds crosses.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Where there are no weights, or their index holds no positions.

    Examples
    --------
    >>> marginal = pd.Series([0.30, 0.28, 0.01], index=[1_000_000, 1_000_500, 1_400_000])
    >>> joint = pd.Series([0.29, 0.0, 0.0], index=marginal.index)
    >>> ax = weights({"marginal": marginal, "joint": joint}, truth=[1_000_000], ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['marginal: 3 of 3 SNPs', 'joint: 1 of 3 SNPs', '1 causal SNP']
    >>> plt.close("all")
    """
    tables = _read_weights(tables)
    ax = plt.gca() if ax is None else ax
    ax.axhline(0, color=OKABE_ITO["black"], linewidth=0.8)
    for (name, table), color, marker in zip(tables.items(), cycle(COLORS), cycle(MARKERS), strict=False):
        used = table[table != 0]
        x = used.index.to_numpy(float) / MEGA
        ax.vlines(x, 0, used, color=color, linewidth=1, alpha=0.7)
        text = f"{name}: {len(used):,} of {len(table):,} SNPs"
        ax.plot(x, used, marker, color=color, markersize=4 if len(used) <= 100 else 2, label=text, rasterized=True)
    if truth is not None:
        _draw_truth(ax, truth)
    ax.set(xlabel="position (Mb)", ylabel="weight per effect allele")
    ax.margins(y=0.1)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    return ax


# --- reading and drawing --------------------------------------------------------------------------------------------


def _read_path(coefficients, lambdas):
    """Give the coefficients by penalty, the strongest first."""
    lambdas = np.asarray(lambdas, dtype=float).ravel()
    path = pd.DataFrame(coefficients)
    if len(path) != lambdas.size or not lambdas.size:
        raise InputError(f"there is one row of coefficients for every penalty; got {len(path)} and {lambdas.size}")
    if not (np.isfinite(lambdas) & (lambdas > 0)).all():
        raise InputError("penalties are numbers above 0; on a logarithmic axis there is no place for others")
    return path.set_axis(lambdas, axis=0).sort_index(ascending=False).astype(float)


def _nearest(lambdas, chosen):
    if not (is_number(chosen) and chosen > 0):
        raise InputError(f"chosen is a penalty, a number above 0; got {chosen!r}")
    return lambdas[np.argmin(np.abs(np.log(lambdas) - np.log(chosen)))]


def _draw_others(ax, others, stay):
    """Draw the paths of SNPs that are not named, as thin grey lines, and say how many more stay at 0."""
    rest = f" ({stay:,} more stay{'s' * (stay == 1)} at 0)" if stay else ""
    label = f"{counted(others.shape[1], 'other SNP')}{rest}"
    lines = [np.column_stack([others.index, values]) for values in others.to_numpy().T]
    look = {"colors": OKABE_ITO["grey"], "linewidths": 0.7, "alpha": 0.7}
    ax.add_collection(LineCollection(lines, label=label, **look))


def _read_weights(tables):
    """Give the weights of each method as numbers by position."""
    if not isinstance(tables, Mapping) or not tables:
        raise InputError("weights are a dict of Series by the name of their method: {'joint': weights}")
    read = {}
    for name, table in tables.items():
        if not isinstance(table, pd.Series) or not pd.api.types.is_numeric_dtype(table.index):
            index = (
                f", whose index holds {quoted(table.index[0])}" if isinstance(table, pd.Series) and len(table) else ""
            )
            raise InputError(
                f"the weights {name!r} are a Series whose index is the SNPs' positions; got a "
                f"{type(table).__name__}{index}. Positions of dosages: weights.set_axis(dosages.var['position'])"
            )
        read[name] = table.astype(float).dropna()
    return read


def _draw_truth(ax, truth):
    """Draw where the causal SNPs are and, where known, how large their effects."""
    effects = truth if isinstance(truth, pd.Series) else pd.Series(np.nan, index=np.asarray(sorted(truth), dtype=float))
    x = effects.index.to_numpy(float) / MEGA
    label = counted(len(effects), "causal SNP")
    look = {"color": OKABE_ITO["black"], "linestyle": ":", "linewidth": 0.8}
    for number, place in enumerate(x):
        ax.axvline(place, label=label if number == 0 and effects.isna().all() else None, zorder=0, **look)
    if effects.notna().any():
        ax.plot(x, effects, "x", color=OKABE_ITO["black"], markersize=7, label=f"{label}: true effect")
