"""Plots of log likelihoods: where they are highest, how fast they fall, and how a search climbs. On matplotlib Axes."""

from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import sparse, stats

from scomics_lite import negative_binomial, zero_inflation
from scomics_lite.plots.labels import unknown_gene
from scomics_lite.plots.results import check_column, read_columns
from scomics_lite.plots.style import MARKERS, OKABE_ITO, plain_ticks
from scomics_lite.validation import InputError, check_counts, check_size_factors, is_number

COLORS = [OKABE_ITO[name] for name in ("blue", "vermillion", "green", "purple", "orange", "sky")]
STYLES = ("-", "--", "-.", ":")
MOST_GENES = len(COLORS)  # profiles that can be told apart
MOST_STARTS = 6  # that are named; more are lines of one look
ROUNDING = 4 * np.finfo(float).eps  # of a log likelihood, relative
DEPTH = 2.5  # how many times as far below the maximum as the cut-off a profile is drawn
LEGEND = 0.42  # of the height of the contours: the room above them
STEPS = 50  # of the grid of mean and zero probability, to each side
COARSE_STEPS = 16  # of the grid that finds out where the likelihood is high
DEEPEST = 8.0  # below the maximum: the lowest contour
CONTOURS = (0.1, 0.5, 1.0, 4.0, DEEPEST)  # below the maximum, beside the cut-off
TINY = np.finfo(float).tiny  # has a logarithm, which zero has not
PHI_STEPS, PHI_RANGE = 61, 100.0  # of the dispersions that are tried, and how far from the estimate they reach


def profile(log_likelihood, interval=None, *, level=0.95, ax=None):
    """Plot a profile log likelihood, less its maximum, with the cut-off whose crossings are the ends of the interval.

    With l the log likelihood, maximised over all other parameters, and q the quantile of the chi-squared distribution
    with one degree of freedom, the interval holds the values whose l lies less than q / 2 below its maximum (Wilks
    1938). An end that is open, because l never falls so far, has no cap; it is an arrow where it lies beyond the axis.

    Parameters
    ----------
    log_likelihood : Series or DataFrame
        l by the values of the parameter, its index, whose name stands on the axis; a column for each gene, as
        `scomics_lite.zero_inflation.profile_log_likelihood` gives. The maximum is that of the values given.
    interval : DataFrame, optional
        With columns ``estimate``, ``lower`` and ``upper``, a row for each gene, as
        `scomics_lite.zero_inflation.profile_interval` gives; an open end is infinite or missing.
    level : float
        Of the interval.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> pi = pd.Index(np.linspace(0, 0.6, 61), name="zero probability π")
    >>> curve = pd.Series(-40 * (pi - 0.2) ** 2, index=pi, name="Actb")
    >>> ends = pd.DataFrame({"estimate": 0.2, "lower": -np.inf, "upper": 0.419}, index=["Actb"])
    >>> ax = profile(curve, ends, ax=plt.figure().add_subplot())
    >>> ax.get_xlabel(), [text.get_text() for text in ax.get_legend().get_texts()]
    ('zero probability π', ['Actb', '1.92 below: the ends at 95 %'])
    """
    curves = _read_curves(log_likelihood)
    ends = None if interval is None else _read_ends(interval, curves.columns)
    cutoff = _cutoff(level)
    ax = plt.gca() if ax is None else ax
    for gene, color, style in zip(curves, COLORS, cycle(STYLES), strict=False):
        ax.plot(curves.index, curves[gene], color=color, linestyle=style, label=str(gene))
    name = f"{cutoff:.2f} below: the ends at {100 * level:g} %"
    ax.axhline(-cutoff, color=OKABE_ITO["black"], linestyle="--", linewidth=0.8, label=name)
    x = curves.index.to_numpy(float)
    lines = 1 + curves.shape[1] // 2  # of the legend, in the room above
    ax.set(xlim=(x.min(), x.max()), ylim=(-DEPTH * cutoff, (0.15 + 0.25 * lines) * cutoff))
    if ends is not None:
        for number, (gene, color, marker) in enumerate(zip(curves, COLORS, MARKERS, strict=False)):
            _draw_interval(ax, *ends.loc[gene], -cutoff * (1 + 0.12 * number), color, marker)
    ax.set(xlabel=curves.index.name or "value of the parameter", ylabel="log likelihood − maximum")
    ax.legend(loc="upper center", ncols=2)
    return ax


def likelihood_ridge(counts, gene, *, size_factors=None, level=0.95, layer=None, ax=None):
    """Plot the log likelihood of one gene over zero probability and mean: a ridge, where one makes up for the other.

    All cells share mu, pi and phi of a zero-inflated negative binomial; at each point phi is the one that makes the
    likelihood highest. Contours are labelled by how far they lie below the maximum. The thick one is the cut-off of
    `profile`, so that the interval of pi, the bar below, ends where the ridge, the best mu for every pi, crosses it.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame or AnnData, shape (n, g)
        Raw counts.
    gene : str or int
        Name of the gene; its position, where the counts have no names.
    size_factors : array_like, shape (n,), optional
        Depths of the cells; 1 for all when not given.
    level : float
        Of the interval.
    layer : str, optional
        Layer of an AnnData that holds the counts.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> counts = zero_inflation.sample(3.0, 0.5, 0.3, rng=1, size=(300, 1))
    >>> ax = likelihood_ridge(counts, 0, ax=plt.figure().add_subplot())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('zero probability π', 'mean of the counting part μ')
    """
    cutoff = _cutoff(level)
    y, s = _read_gene(counts, gene, size_factors, layer)
    fit = zero_inflation.fit(y[:, None], np.ones((y.size, 1)), size_factors=s, progress=False)
    interval = zero_inflation.profile_interval(fit, "pi", level).iloc[0]
    mu, pi, phi = np.exp(fit.coefficients[0, 0]), fit.zero_probability[0, 0], fit.dispersion[0]
    surface = _Surface(y, s, phi)
    means, shares = surface.region(fit.log_likelihood[0])
    height = surface.height(means, shares) - fit.log_likelihood[0]
    ax = plt.gca() if ax is None else ax
    _draw_contours(ax, shares, means, height, cutoff)
    ax.plot(shares, _ridge(means, height), color=OKABE_ITO["vermillion"], linestyle="--", label="best μ for each π")
    ax.plot(pi, mu, "o", color=OKABE_ITO["black"], label=f"maximum: π = {pi:.2f}, μ = {mu:.3g}", clip_on=False)
    top = means[-1] * (means[-1] / means[0]) ** LEGEND
    ax.set(yscale="log", xlim=shares[[0, -1]], ylim=(means[0], top))
    _draw_interval(ax, np.nan, interval["lower"], interval["upper"], means[0], OKABE_ITO["blue"], "|")
    name = f"interval of π at {100 * level:g} %: {interval['lower']:.2f} to {interval['upper']:.2f}"
    ax.plot([], [], color=OKABE_ITO["blue"], linewidth=4, linestyle="-", label=name)
    ax.set(xlabel="zero probability π", ylabel="mean of the counting part μ", title=str(gene))
    plain_ticks(ax.yaxis)
    ax.legend(loc="upper left")
    return ax


def trace(table, *, column="log_likelihood", maximum=None, ax=None):
    """Plot how an iteration goes on, from one start or several: the log likelihood, or a parameter.

    The log likelihood is drawn by how far it lies below the maximum, on a logarithmic axis, while that is more than
    rounding: a straight line means that each step leaves the same share of the way, as EM does. Each line ends in a
    point.

    Parameters
    ----------
    table : DataFrame
        With columns ``iteration`` and ``log_likelihood``, or that of a parameter; and ``start``, a number or a name,
        where there are several.
    column : str
        What to draw.
    maximum : float, optional
        Of the log likelihood, from a search that has reached it; the highest of the table when not given.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> climb = {"iteration": range(4), "log_likelihood": [-9.0, -5, -3, -2], "pi": [0.5, 0.4, 0.35, 0.33]}
    >>> steps = pd.DataFrame(climb)
    >>> trace(steps, maximum=-1, ax=plt.figure().add_subplot()).lines[0].get_ydata()
    array([8., 4., 2., 1.])
    >>> trace(steps, column="pi", ax=plt.figure().add_subplot()).get_ylabel()
    'pi'
    """
    numbers = _read_trace(table, column)
    is_likelihood = column == "log_likelihood"
    if is_likelihood:
        numbers[column] = _below(numbers[column], maximum)
    ax = plt.gca() if ax is None else ax
    starts = list(numbers.groupby("start", sort=False))
    few = len(starts) <= MOST_STARTS
    looks = zip(COLORS, cycle(STYLES), MARKERS, strict=False) if few else cycle([(OKABE_ITO["blue"], "-", "o")])
    for number, ((start, steps), (color, style, marker)) in enumerate(zip(starts, looks, strict=False)):
        name = str(start) if few else f"{len(starts)} starts" if number == 0 else None
        _draw_steps(ax, steps["iteration"], steps[column], name, color, style, marker, faint=not few)
    ax.set(xlabel="iteration", ylabel="log likelihood below its maximum" if is_likelihood else column)
    ax.set_yscale("log" if is_likelihood else "linear")
    if len(starts) > 1:
        ax.legend(loc="best", title="start" if few else None)
    return ax


# --- reading ----------------------------------------------------------------------------------------------------------


def _cutoff(level):
    if not (is_number(level) and 0 < level < 1):
        raise InputError(f"level is that of an interval, between 0 and 1; got {level!r}")
    return stats.chi2(1).ppf(level) / 2


def _read_curves(log_likelihood):
    """Give profiles, less their maxima, a column for each gene, in the order of the values."""
    if not isinstance(log_likelihood, pd.Series | pd.DataFrame):
        raise InputError(
            "this plots a Series or DataFrame by the values of a parameter, such as that of "
            f"scomics_lite.zero_inflation.profile_log_likelihood; got {type(log_likelihood).__name__}"
        )
    curves = log_likelihood.to_frame() if isinstance(log_likelihood, pd.Series) else log_likelihood
    if curves.shape[1] > MOST_GENES:
        raise InputError(
            f"{curves.shape[1]} profiles cannot be told apart, {MOST_GENES} can; choose genes: "
            f"log_likelihood[{curves.columns[:2].tolist()!r}]"
        )
    if not (pd.api.types.is_numeric_dtype(curves.index) and len(curves) > 1):
        raise InputError("the index holds the values of the parameter, two or more numbers")
    curves = curves.astype(float).sort_index()
    lacking = curves.columns[~np.isfinite(curves).any()]
    if len(lacking):
        raise InputError(f"the profile of {lacking[0]!r} has no finite value")
    return curves - curves.max()


def _read_ends(interval, genes):
    """Give estimate, lower and upper end of these genes."""
    numbers = read_columns(interval, ["estimate", "lower", "upper"], "scomics_lite.zero_inflation.profile_interval")
    for gene in genes:
        if gene not in numbers.index:
            raise InputError(unknown_gene(gene, numbers.index))
    return numbers.loc[genes]


def _read_gene(counts, gene, size_factors, layer):
    """Give the counts of one gene and the size factors of the cells."""
    checked = check_counts(counts, layer=layer, allow_empty=True)
    if gene not in checked.genes:
        raise InputError(unknown_gene(gene, checked.genes))
    column = checked.matrix[:, [checked.genes.get_loc(gene)]]
    y = (column.toarray() if sparse.issparse(column) else np.asarray(column)).ravel()
    if not y.any():
        raise InputError(f"gene {gene!r} has no count, so it says nothing about mu and pi")
    s = np.ones(y.size) if size_factors is None else check_size_factors(size_factors, checked.samples)
    return y, s


def _read_trace(table, column):
    """Give iteration, column and start of a trace."""
    numbers = read_columns(table, list(dict.fromkeys(["iteration", column])), "an iteration of your own")
    if "start" in table:
        check_column(table, "start", "an iteration of your own")
    numbers["start"] = table["start"].astype(object) if "start" in table else "the start"
    if numbers.empty or not np.isfinite(numbers[column]).any():
        raise InputError(f"there is no finite number in column {column!r} of the table")
    return numbers


def _below(log_likelihood, maximum):
    """Give how far log likelihoods lie below the maximum, missing where that is no more than rounding."""
    highest = log_likelihood.max()
    if maximum is None:
        maximum = highest
    elif not (is_number(maximum) and maximum >= highest - 1e-9 * abs(highest)):
        raise InputError(
            f"maximum is the highest log likelihood; got {maximum!r}, and the table reaches {highest:.10g}"
        )
    distance = maximum - log_likelihood
    return distance.where(distance > ROUNDING * abs(maximum))


# --- drawing ----------------------------------------------------------------------------------------------------------


def _draw_interval(ax, estimate, lower, upper, height, color, marker):
    """Draw an interval at a height: an end inside the axes has a cap, one at their edge none, one beyond an arrow."""
    left, right = ax.get_xlim()
    caps = ["<" if not lower >= left else "" if lower == left else "|"]
    caps += [">" if not upper <= right else "" if upper == right else "|"]
    ends = [lower if lower >= left else left, upper if upper <= right else right]
    look = {"color": color, "clip_on": False, "zorder": 3, "linestyle": "-"}
    ax.plot(ends, [height, height], linewidth=4, solid_capstyle="butt", alpha=0.7, **look)
    for end, cap in zip(ends, caps, strict=True):
        ax.plot(end, height, marker=cap, markersize=9, markeredgewidth=1.5, **look)
    if np.isfinite(estimate):
        ax.plot(estimate, height, marker=marker, markersize=6, markeredgecolor="white", **look)


def _draw_steps(ax, iteration, values, name, color, style, marker, *, faint):
    """Draw a line through the iterations of one start, and a point at its last."""
    alpha = 0.4 if faint else 1.0
    ax.plot(iteration, values, color=color, linestyle=style, alpha=alpha, label=name)
    drawn = np.flatnonzero(np.isfinite(values))
    if drawn.size:
        ax.plot(iteration.iloc[drawn[-1]], values.iloc[drawn[-1]], marker, color=color, alpha=alpha)


def _draw_contours(ax, shares, means, height, cutoff):
    """Draw contours, the one of the interval thick, and name how far they lie below the maximum."""
    thin = [-drop for drop in sorted(CONTOURS, reverse=True)]
    ax.contourf(shares, means, height, levels=[*thin, 0], cmap="Blues", alpha=0.5, extend="neither")
    lines = ax.contour(shares, means, height, levels=thin, colors=OKABE_ITO["black"], linewidths=0.6, linestyles="-")
    ax.clabel(lines, fmt=lambda value: f"−{-value:g}", fontsize="small")
    ax.contour(shares, means, height, levels=[-cutoff], colors=OKABE_ITO["black"], linewidths=2, linestyles="-")
    ax.plot([], [], color=OKABE_ITO["black"], linewidth=2, linestyle="-", label=f"{cutoff:.2f} below the maximum")


# --- the surface ------------------------------------------------------------------------------------------------------


class _Surface:
    """The log likelihood of one gene over mu and pi, at the best phi for each."""

    def __init__(self, y, s, phi):
        pairs, self.weights = np.unique(np.column_stack([y, s]), axis=0, return_counts=True)
        self.y, self.s = pairs.T
        middle = np.clip(phi, 1 / PHI_RANGE, PHI_RANGE)
        self.phi = np.geomspace(middle / PHI_RANGE, middle * PHI_RANGE, PHI_STEPS)

    def region(self, highest):
        """Give means and zero probabilities, from where to where the log likelihood is near its highest."""
        q, zero = self.y / self.s, self.y == 0
        mean, above = np.average(q, weights=self.weights), np.average(q[~zero], weights=self.weights[~zero])
        share = np.average(zero, weights=self.weights)
        spread = np.sqrt(max(share * (1 - share), 0.1) / self.weights.sum())
        means = np.geomspace(mean / 3, above * 3, 2 * COARSE_STEPS)
        shares = np.linspace(0, min(share + 5 * spread, 0.999), COARSE_STEPS)
        near = self.height(means, shares) > highest - DEEPEST
        rows, columns = (np.flatnonzero(near.any(axis=axis)) for axis in (1, 0))
        low, high = means[max(rows[0] - 1, 0)], means[min(rows[-1] + 1, len(means) - 1)]
        left, right = shares[max(columns[0] - 1, 0)], shares[min(columns[-1] + 1, len(shares) - 1)]
        return np.geomspace(low, high, STEPS), np.linspace(left, right, STEPS)

    def height(self, means, shares):
        """Give the log likelihood, (means, shares)."""
        by_phi = np.stack([self._at(means, shares, phi) for phi in self.phi])
        return np.maximum(_peak(by_phi)[1], self._at(means, shares, 0.0))

    def _at(self, means, shares, phi):
        """Give it for one phi: ln(pi + (1 - pi) P(0)) for a zero, ln(1 - pi) + ln P(y) for other counts."""
        log_p = negative_binomial.log_likelihood(self.y, means[:, None] * self.s, phi)  # (means, pairs)
        zero = self.y == 0
        above = (log_p[:, ~zero] @ self.weights[~zero])[:, None] + self.weights[~zero].sum() * np.log1p(-shares)
        p = np.maximum(np.exp(log_p[:, zero]), TINY)
        zeros = [np.log(shares[:, None] + (1 - shares[:, None]) * row) @ self.weights[zero] for row in p]
        return above + np.array(zeros)


def _peak(values):
    """Give the place along the first axis, in steps, and the height of the parabola through the highest three."""
    middle = np.clip(values.argmax(axis=0), 1, len(values) - 2)
    before, at, after = (np.take_along_axis(values, middle[None] + step, axis=0)[0] for step in (-1, 0, 1))
    bend = before - 2 * at + after
    shift = np.clip(np.divide(before - after, 2 * bend, out=np.zeros_like(bend), where=bend < 0), -1, 1)
    return middle + shift, at - (before - after) * shift / 4


def _ridge(means, height):
    """Give the best mean for every zero probability."""
    place, _ = _peak(height)
    return np.exp(np.interp(place, np.arange(len(means)), np.log(means)))
