"""Plots of empirical Bayes: how far estimates are pulled in, and the prior that pulls them. On matplotlib Axes."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from scipy import stats

from scomics_lite.empirical_bayes import AshResult, Mixture
from scomics_lite.plots.labels import check_label, choose, name_points
from scomics_lite.plots.results import ROOM
from scomics_lite.plots.style import OKABE_ITO, plain_ticks
from scomics_lite.validation import InputError

MOST_ARROWS = 60  # genes, more of them would cover each other
SHOWN_ERRORS = (0.01, 0.99)  # quantiles of the standard errors between which the colours run
SHOWN_MASS = (0.002, 0.998)  # quantiles of a prior between which it is drawn
SHOWN_WEIGHT = 1e-3  # of a component that is drawn by itself
REACH = 4  # standard errors to both sides of an estimate
CURVE = 1_001  # places at which a curve is computed


def shrinkage(effects, shrunken, standard_errors, *, label=0, ax=None):
    """Plot how far shrinkage moves estimates, and that noise and size decide it.

    Up to 60 genes are arrows from the estimate to the shrunken one, at the height of the standard error. More are
    points, shrunken against estimate, whose colour is the standard error: on the diagonal nothing has moved.

    Parameters
    ----------
    effects, shrunken, standard_errors : array_like or Series, shape (g,)
        Estimates, their shrunken values and their standard errors: columns ``effects``, ``posterior_mean`` and
        ``standard_errors`` of an `AshResult`'s ``to_frame()``, say. Genes that lack one, or have an infinite one, are
        left out.
    label : int or list of str
        How many genes to name, those that move most; or the names of the genes.
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
    genes = _read_effects(effects, shrunken, standard_errors)
    label = check_label(label, genes.index)
    genes = _with_all_three(genes)
    ax = plt.gca() if ax is None else ax
    moved = (genes["effect"] - genes["shrunken"]).abs().to_numpy()
    named = genes.iloc[choose(label, genes.index, np.argsort(-moved, kind="stable"))]
    effect, pulled, error = genes.to_numpy().T
    if len(genes) <= MOST_ARROWS:
        _draw_arrows(ax, effect, pulled, error, margin=0.3 if len(named) else 0.05)  # names stand beyond the arrows
        arrows = np.stack([np.minimum(effect, pulled), error, np.maximum(effect, pulled), error], axis=1)
        name_points(ax, named["effect"], named["error"], named.index, avoid=arrows.reshape(-1, 2, 2))
    else:
        _draw_cloud(ax, effect, pulled, error)
        name_points(ax, named["effect"], named["shrunken"], named.index)
    return ax


def mixture_prior(result, *, ax=None):
    """Plot the prior of effects that `ash` has learned: its density, its components and the weight of its point mass.

    The curve is the density of the effects that are not exactly at the mode, the sum of the thin lines: components of
    weight 0.001 or more, each times its weight. The bar is the point mass, a probability, which has no density and so
    the scale on the right. The axis covers all but the outermost 0.2 % on either side.

    Parameters
    ----------
    result : AshResult or Mixture
        From `scomics_lite.empirical_bayes.ash`.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes
        That of the density; the bar stands on a twin of it.

    Examples
    --------
    >>> from scomics_lite.empirical_bayes import make_components
    >>> prior = Mixture("half_uniform", 0.0, [0.7, 0.1, 0.2], make_components("half_uniform", [0, 2.0]))
    >>> ax = mixture_prior(prior, ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['prior density', 'its components', 'exactly 0: 0.700']
    """
    mixture = result.mixture if isinstance(result, AshResult) else result
    if not isinstance(mixture, Mixture):
        raise InputError(
            f"mixture_prior shows what scomics_lite.empirical_bayes.ash gives, or its mixture; got {_kind(result)}"
        )
    ax = plt.gca() if ax is None else ax
    x = _where_prior_is(mixture)
    blue = OKABE_ITO["blue"]
    ax.fill_between(x, mixture.density(x), color=blue, alpha=0.2, linewidth=0)
    ax.plot(x, mixture.density(x), color=blue, linestyle="-", label="prior density")
    _draw_components(ax, mixture, x)
    z_scores = isinstance(result, AshResult) and result.exchangeable == "z_scores"
    ax.set(xlabel="effect / standard error" if z_scores else "effect", ylabel="density")
    masses = {f"exactly {mixture.mode:.3g}": (_point_mass(mixture), OKABE_ITO["vermillion"])}
    _finish(ax, mixture.mode, masses, columns=3)
    return ax


def prior_and_posterior(result, gene, *, ax=None):
    """Plot for one gene what was believed before, what its data say, and what is believed after.

    The curves are densities: the prior and the posterior are those of effects not exactly at the mode, the likelihood
    of the estimate is drawn as a density of the effect. The bars are the probabilities of an effect exactly at the
    mode, before and after, on the scale on the right. The axis covers four standard errors to both sides of the
    estimate, and the mode.

    Parameters
    ----------
    result : AshResult
        From `scomics_lite.empirical_bayes.ash`.
    gene : str or int
        Name or position of the gene.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes
        That of the densities; the bars stand on a twin of it.

    Examples
    --------
    >>> from scomics_lite.empirical_bayes import ash
    >>> result = ash(pd.Series([0.1, -0.3, 2.0, -0.2], index=list("abcd")), [0.2, 0.3, 0.4, 0.1])
    >>> prior_and_posterior(result, "c", ax=plt.figure().add_subplot()).get_xlabel()
    'effect'
    """
    if not isinstance(result, AshResult):
        raise InputError(f"prior_and_posterior shows what scomics_lite.empirical_bayes.ash gives; got {_kind(result)}")
    row = result.row_of(gene)
    estimate, error, df = result.effects[row], result.standard_errors[row], _df(result, row)
    if not np.isfinite([estimate, error, 1 / df]).all():
        of_df = "" if result.df is None else f" of {df:g} degrees of freedom"
        raise InputError(
            f"gene {gene!r} has estimate {estimate:g} and standard error {error:g}{of_df}: no likelihood to plot"
        )
    ax = plt.gca() if ax is None else ax
    mode = result.mixture.mode * _unit(result, row)
    ends = estimate + REACH * error * np.array([-1, 1])
    x = _around(mode, min(mode, *ends), max(mode, *ends))
    posterior, mass = result.posterior_density(gene, x)
    orange, blue = OKABE_ITO["orange"], OKABE_ITO["blue"]
    ax.plot(x, _prior_density(result, row, x), color=orange, linestyle="--", label="prior")
    ax.plot(x, _likelihood(result, row, x), color=OKABE_ITO["black"], linestyle=":", label="likelihood")
    ax.plot(x, posterior, color=blue, linestyle="-", label="posterior")
    ax.fill_between(x, posterior, color=blue, alpha=0.2, linewidth=0)
    numbers = f"{estimate:.2f} ± {error:.2f}, lfsr {result.lfsr[row]:.2g}".replace("-", "−")
    ax.set(xlabel="effect", ylabel="density", title=f"{result.names[row]}: {numbers}")
    exactly = f"exactly {mode:.3g}"
    masses = {f"{exactly}, prior": (_point_mass(result.mixture), orange), f"{exactly}, posterior": (mass, blue)}
    _finish(ax, mode, masses, columns=2)
    return ax


# --- estimates --------------------------------------------------------------------------------------------------------


def _read_effects(effects, shrunken, standard_errors):
    """Give a table of the genes with columns effect, shrunken and error."""
    columns = {"effect": effects, "shrunken": shrunken, "error": standard_errors}
    series = [values for values in columns.values() if isinstance(values, pd.Series)]
    index = series[0].index if series else None
    if any(not values.index.equals(index) for values in series):
        raise InputError(
            "effects, shrunken and standard_errors are not of the same genes in one order. Bring them into it: "
            "shrunken.loc[effects.index], standard_errors.loc[effects.index]"
        )
    try:
        columns = {name: np.asarray(values, dtype=float) for name, values in columns.items()}
    except (TypeError, ValueError):
        raise InputError("effects, shrunken and standard_errors are numbers, one of each for every gene") from None
    shapes = [values.shape for values in columns.values()]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        raise InputError(
            "effects, shrunken and standard_errors have one number for each gene; got shapes {}, {} and {}".format(
                *shapes
            )
        )
    genes = pd.DataFrame(columns, index=index)
    bad = np.flatnonzero(genes["error"] <= 0)
    if bad.size:
        raise InputError(
            f"standard errors must be positive; gene {genes.index[bad[0]]!r} has {genes['error'].iloc[bad[0]]:g}"
        )
    return genes


def _with_all_three(genes):
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


# --- priors -----------------------------------------------------------------------------------------------------------


def _kind(thing):
    return type(thing).__name__


def _point_mass(mixture):
    return float(mixture.weights[mixture.components["scale"].to_numpy() == 0].sum())


def _unit(result, row):
    """Give in units of what a gene's prior is: its standard error, where z-scores are exchangeable."""
    return result.standard_errors[row] if result.exchangeable == "z_scores" else 1.0


def _prior_density(result, row, x):
    unit = _unit(result, row)
    return result.mixture.density(x / unit) / unit


def _likelihood(result, row, x):
    error = result.standard_errors[row]
    return stats.t(_df(result, row)).pdf((result.effects[row] - x) / error) / error


def _df(result, row):
    """Give the degrees of freedom of a gene's standard error, infinite for a normal one."""
    return np.inf if result.df is None else float(np.broadcast_to(result.df, result.effects.shape)[row])


def _around(mode, low, high):
    """Give places from low to high, close together next to the mode, where priors are steep.

    The mode itself is none of them: there the density of a mixture of one-sided components has no value of its own.
    """
    steps = np.geomspace(1e-4, 1, CURVE // 4) * (high - low)
    x = np.concatenate([np.linspace(low, high, CURVE), mode - steps, mode + steps])
    return np.unique(x[(x >= low) & (x <= high) & (np.abs(x - mode) >= steps[0])])


def _where_prior_is(mixture):
    """Give places between the outermost quantiles of the effects that are not exactly at the mode."""
    width = mixture.components["scale"].max() or 1.0
    mode, pi0 = mixture.mode, _point_mass(mixture)
    if pi0 < 1:
        x = _around(mode, mode - 4 * width, mode + 4 * width)
        below = (mixture.cdf(x) - pi0 * (x > mode)) / (1 - pi0)
        low, high = x[np.add(np.searchsorted(below, SHOWN_MASS), (-1, 0))]
        width = max(mode - low, high - mode)
    return _around(mode, mode - width, mode + width)


def _draw_components(ax, mixture, x):
    """Draw the components that have weight, times it."""
    look = {"color": OKABE_ITO["grey"], "linestyle": "-", "linewidth": 0.8}
    name = "its components"
    for row in np.flatnonzero((mixture.weights >= SHOWN_WEIGHT) & (mixture.components["scale"] > 0)):
        part = Mixture(mixture.family, mixture.mode, [1.0], mixture.components.iloc[[row]])
        ax.plot(x, mixture.weights[row] * part.density(x), label=name, **look)
        name = None  # one entry for all


def _finish(ax, mode, masses, columns):
    """Draw the bars, if there is a point mass, and the legend of all in the room above."""
    bars, names = _draw_masses(ax, mode, masses) if any(mass for mass, _ in masses.values()) else ([], [])
    ax.set_ylim(0, ROOM * ax.dataLim.ymax or None)
    lines, curves = ax.get_legend_handles_labels()
    ax.legend([*lines, *bars], [*curves, *names], loc="upper center", ncols=columns)


def _draw_masses(ax, mode, masses):
    """Draw probabilities of the mode itself as bars side by side, on a scale of their own; give what a legend needs."""
    twin = ax.twinx()
    low, high = ax.get_xlim()
    width = 0.015 * (high - low)
    for number, (name, (mass, color)) in enumerate(masses.items()):
        place = mode + width * (number - (len(masses) - 1) / 2)
        twin.bar(place, mass, width=0.9 * width, color=color, edgecolor=OKABE_ITO["black"], label=f"{name}: {mass:.3f}")
    twin.set(ylim=(0, ROOM), yticks=np.linspace(0, 1, 6), ylabel=f"probability of exactly {mode:.3g} (bars)")
    twin.spines["right"].set_visible(True)
    for axes in (ax, twin):
        axes.grid(visible=False)  # the lines would cross the bars
    ax.set_zorder(twin.get_zorder() + 1)  # curves in front of bars
    ax.patch.set_visible(False)
    ax.figure.sca(ax)  # twinx has made its own the current axes
    return twin.get_legend_handles_labels()
