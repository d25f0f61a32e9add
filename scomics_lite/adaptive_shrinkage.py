"""Adaptive shrinkage: effects and their standard errors in, posteriors under a prior learned from all of them out.

The model (Stephens 2017, *False discovery rates: a new deal*, Biostatistics 18:275), for the effect beta_i of gene i,
its estimate b_i and standard error s_i:

    b_i ~ N(beta_i, s_i^2),   beta_i ~ sum_j pi_j g_j,   all g_j unimodal at the same mode

The g_j are the components of `scomics_lite.mixtures` with scales from a grid that is fine and wide enough for the data;
their weights pi are estimated (`scomics_lite.unimodal_prior`). Defaults are those of R's ashr 2.2, except for the
mixture: half-uniform components let effects of both signs have distributions of their own.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import elementwise
from tqdm import tqdm

from scomics_lite.mixtures import Mixture, Posteriors, check_family
from scomics_lite.unimodal_prior import cut, fit_prior, part_of
from scomics_lite.validation import InputError, did_you_mean, is_number

NO_INFORMATION = 1e100  # a standard error, as a multiple of the largest scale
SAME = 1e-10  # rates that differ by less are tied: sums of many terms have no more digits
LARGEST_DF = 1e12  # a t distribution that is normal to ten digits
EXCHANGEABLE = ("effects", "z_scores")


@dataclass(frozen=True, repr=False)
class AshResult:
    """Posteriors of all effects, and their prior.

    Attributes
    ----------
    effects, standard_errors : ndarray, shape (g,)
        As given; where one of them is NaN, so is all that follows.
    posterior_mean, posterior_sd : ndarray, shape (g,)
    negative_prob, positive_prob : ndarray, shape (g,)
        P(beta < 0) and P(beta > 0), given the estimates.
    lfsr : ndarray, shape (g,)
        Local false sign rate, the probability that the likelier sign is wrong: min(P(beta <= 0), P(beta >= 0)).
    lfdr : ndarray, shape (g,)
        Local false discovery rate, P(beta = 0); 0 without a point mass at 0.
    svalue, qvalue : ndarray, shape (g,)
        The false sign (discovery) rate of the list of all genes whose lfsr (lfdr) is not larger; see `average_rate`.
    mixture : Mixture
        The prior of effects, or of z-scores if these are exchangeable.
    log_likelihood : float
        Of the estimates with finite standard errors, without the penalty on the weights.
    df, exchangeable
        As given to `ash`.
    names : pandas.Index, shape (g,)
    """

    effects: np.ndarray
    standard_errors: np.ndarray
    posterior_mean: np.ndarray
    posterior_sd: np.ndarray
    negative_prob: np.ndarray
    positive_prob: np.ndarray
    lfsr: np.ndarray
    lfdr: np.ndarray
    svalue: np.ndarray
    qvalue: np.ndarray
    mixture: Mixture
    log_likelihood: float
    df: float | np.ndarray | None
    exchangeable: str
    names: pd.Index

    def __repr__(self):
        prior = f"{np.count_nonzero(self.weights)} of {len(self.weights)} {self.mixture.family} components"
        return (
            f"AshResult of {len(self.effects):,} effects: {prior} around {self.mixture.mode:.4g}, pi0 {self.pi0:.3f}; "
            f"{np.count_nonzero(self.svalue < 0.05):,} svalues below 0.05"
        )

    @property
    def weights(self):
        """Weights of the prior's components, shape (k,)."""
        return self.mixture.weights

    @property
    def components(self):
        """The prior's components, one row each: scale, lower and upper end, weight."""
        return self.mixture.components.assign(weight=self.weights)

    @property
    def pi0(self):
        """Weight of the point mass at the mode; 0 if there is none."""
        return float(self.weights[: self.mixture.spikes].sum())

    def to_frame(self):
        """Give everything that each gene has, as a table.

        Returns
        -------
        DataFrame
            Indexed by name.
        """
        columns = ("effects", "standard_errors", "posterior_mean", "posterior_sd", "lfsr", "lfdr", "svalue", "qvalue")
        columns += ("negative_prob", "positive_prob")
        return pd.DataFrame({column: getattr(self, column) for column in columns}, index=self.names)

    def credible_interval(self, level=0.95):
        """Find the interval that holds each effect with a given probability, and misses it equally on both sides.

        An end is the mode itself where the point mass there holds the last bit that is needed.

        Parameters
        ----------
        level : float

        Returns
        -------
        DataFrame
            ``lower`` and ``upper``, indexed by name.
        """
        if not (is_number(level) and 0 < level < 1):
            raise InputError(f"level is the probability inside the interval, between 0 and 1; got {level!r}")
        rows, x, errors, df, unit = self._problem()
        prior, missed = self.mixture.used(), (1 - level) / 2
        ends = np.full((2, len(self.effects)), np.nan)
        for part in cut(len(rows), len(prior.weights)):
            here = rows[part]
            problem = errors[part], part_of(df, part), missed
            ends[0, here] = _quantile(prior, x[part], *problem) * unit[part]
            ends[1, here] = -_quantile(prior.mirrored(), -x[part], *problem) * unit[part]
        return pd.DataFrame({"lower": ends[0], "upper": ends[1]}, index=self.names)

    def posterior_density(self, gene, at):
        """Take the posterior density of one effect.

        Parameters
        ----------
        gene : str or int
            Name or, where that is no name, position.
        at : array_like, shape (m,)

        Returns
        -------
        density : ndarray, shape (m,)
            Its integral is 1 less `mass`.
        mass : float
            Probability of the point mass at the mode.
        """
        at, row = np.asarray(at, dtype=float), self.row_of(gene)
        rows, x, errors, df, unit = self._problem()
        if row not in rows:
            return np.full(at.shape, np.nan), np.nan
        here = np.searchsorted(rows, row)
        posterior = Posteriors(self.mixture.used(), x[[here]], errors[[here]], part_of(df, [here]))
        return posterior.density(at / unit[here]) / unit[here], float(posterior.at(self.mixture.mode)[0])

    def row_of(self, gene):
        """Find an effect by its name, or by its position where a whole number is no name."""
        if np.isscalar(gene) and gene in self.names:
            rows = np.flatnonzero(self.names == gene)
            if len(rows) > 1:
                raise InputError(f"{len(rows)} effects are called {gene!r}; names must be unique to choose one")
            return int(rows[0])
        if isinstance(gene, int | np.integer) and 0 <= gene < len(self.names):
            return int(gene)
        raise InputError(f"there is no effect {gene!r}; {did_you_mean(gene, self.names[:20])}")

    def _problem(self):
        return _standardized(self.effects, self.standard_errors, self.df, self.mixture, self.exchangeable)


def ash(
    effects,
    standard_errors,
    *,
    mixture="half_uniform",
    df=None,
    prior="null_biased",
    mode=0.0,
    point_mass=True,
    exchangeable="effects",
    progress=False,
):
    """Shrink effects, each as much as its standard error and the effects of all genes call for.

    Parameters
    ----------
    effects : array_like or Series, shape (g,)
        Estimates b, such as log2 fold changes. NaN, a gene without an estimate, stays NaN and tells nothing.
    standard_errors : array_like or Series, shape (g,)
        s, positive. Infinite is no information: the effect's posterior is the prior.
    mixture : str or Mixture
        Components of the prior: ``"half_uniform"`` (any unimodal prior), ``"uniform"`` (any symmetric one),
        ``"normal"`` (symmetric and smooth), ``"half_normal"``. Or a prior that is known already, such as
        ``result.mixture`` of another experiment: nothing is estimated then, and `prior`, `mode` and `point_mass` are
        not looked at.
    df : float or array_like, shape (g,), optional
        Degrees of freedom of the t distribution that (b - beta) / s follows, of all genes or of each; a normal one when
        not given, or infinite. Uniform and half-uniform components only.
    prior : str or array_like, shape (k,)
        Penalty on the weights: ``"null_biased"`` counts nine null effects more than there are, so that their share is
        overestimated rather than underestimated; ``"uniform"`` is none; or Dirichlet parameters, one for each
        component.
    mode : float or "estimate"
        Where the prior has its peak. Estimated, it is the one with the highest log likelihood.
    point_mass : bool
        Whether effects may be exactly at the mode. ``point_mass=False, prior="uniform"`` is ashr's ``method="shrink"``.
    exchangeable : str
        What the prior is about: ``"effects"``, or ``"z_scores"`` beta / s, if precise genes have small effects (ashr's
        ``alpha=1``). Mode and components are then in units of s.
    progress : bool
        Show progress bars.

    Returns
    -------
    AshResult

    Notes
    -----
    False sign rates are as good as the model. Where effects of exactly zero exist, as they do for most genes of most
    experiments, shrunken effects are good under all settings, but not the claims: of simulated effects with lfsr < 0.05
    (80% of all are zero), 0.9 times as many signs as claimed are wrong by default, twice as many with
    ``point_mass=False``, and some 30 times as many with half-uniform components and ``prior="uniform"`` or
    ``mode="estimate"``: components on one side of zero, or a peak beside it, then stand for the zeros, and give all of
    them the same sign.

    Standard errors that are estimated from few samples leave t errors: pass `df`. Several maxima of the log likelihood
    are possible with ``mode="estimate"``: the best of eleven quantiles of the effects says which one is climbed.

    A million effects take seconds and less than 1 GB (``benchmarks/ash.py``). There was no package for Python that does
    this when it was written.

    Examples
    --------
    >>> effects = pd.Series([0.1, -0.3, 0.2, 3.0, 3.0], index=["a", "b", "c", "d", "e"])
    >>> result = ash(effects, [0.3, 0.3, 0.3, 0.3, 2.0], mixture="normal")
    >>> result.to_frame()[["posterior_mean", "posterior_sd", "lfsr"]].round(3)
       posterior_mean  posterior_sd   lfsr
    a           0.001         0.030  0.994
    b          -0.004         0.050  0.988
    c           0.002         0.037  0.992
    d           2.970         0.298  0.000
    e           0.199         0.798  0.914
    """
    names, b, s = _check_data(effects, standard_errors)
    df = _check_df(df, mixture, len(b))
    _check_settings(mixture, mode, point_mass, exchangeable, b, s, names)
    if not isinstance(mixture, Mixture):
        usable = np.isfinite(b) & np.isfinite(s) & (df is None or ~np.isnan(df))
        if not usable.any():
            raise InputError("no effect with a finite standard error: there is nothing to learn a prior from")
        unit = s[usable] if exchangeable == "z_scores" else 1.0
        settings = {"df": part_of(df, usable), "point_mass": point_mass, "prior": prior, "progress": progress}
        mixture = fit_prior(b[usable] / unit, s[usable] / unit, mixture, mode, **settings)
    columns, log_likelihood = _posteriors(b, s, mixture, df, exchangeable, progress)
    rates = {"svalue": average_rate(columns["lfsr"]), "qvalue": average_rate(columns["lfdr"])}
    return AshResult(
        b,
        s,
        **columns,
        **rates,
        mixture=mixture,
        log_likelihood=log_likelihood,
        df=df,
        exchangeable=exchangeable,
        names=names,
    )


def average_rate(rates):
    """Turn local rates into rates of lists: for each gene, the mean of all rates that are not larger than its own.

    The q-value, if rates are local false discovery rates, and the s-value, if they are local false sign rates
    (Stephens 2017, section 2.3). R's ashr gives tied rates different values, by their order; here they are equal.

    Parameters
    ----------
    rates : array_like, shape (g,)
        Local rates; NaN stays NaN.

    Returns
    -------
    ndarray, shape (g,)

    Examples
    --------
    >>> average_rate([0.5, 0.01, np.nan, 0.03])
    array([0.18, 0.01,  nan, 0.02])
    """
    rates = np.asarray(rates, dtype=float)
    averages = np.full(rates.shape, np.nan)
    order = np.argsort(rates)[: np.count_nonzero(~np.isnan(rates))]  # NaN come last
    ordered = rates[order]
    means = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    averages[order] = means[np.searchsorted(ordered, ordered * (1 + SAME), side="right") - 1]
    return averages


def _posteriors(b, s, mixture, df, exchangeable, progress):
    """Give the columns of the result that are computed gene by gene, and the log likelihood."""
    rows, x, errors, df, unit = _standardized(b, s, df, mixture, exchangeable)
    names = ("posterior_mean", "posterior_sd", "negative_prob", "positive_prob", "lfsr", "lfdr")
    columns = {name: np.full(len(b), np.nan) for name in names}
    used, log_likelihood = mixture.used(), 0.0
    for part in tqdm(list(cut(len(rows), len(used.weights))), "posteriors", leave=False, disable=not progress):
        here, posterior = rows[part], Posteriors(used, x[part], errors[part], part_of(df, part))
        mean, sd = posterior.mean_sd()
        negative, zero, positive = posterior.below(0.0), posterior.at(0.0), posterior.above(0.0)
        lfsr = np.minimum(negative + zero, zero + positive)
        for name, values in zip(
            names, (mean * unit[part], sd * unit[part], negative, positive, lfsr, zero), strict=True
        ):
            columns[name][here] = values
        density = posterior.log_evidence - np.log(unit[part])  # of b, not of b / s
        log_likelihood += density[np.isfinite(s[here])].sum()
    return columns, float(log_likelihood)


def _standardized(b, s, df, mixture, exchangeable):
    """Give what is needed for posteriors: the positions of effects that are not NaN, their x, errors, df and unit.

    An infinite standard error becomes one that is many times larger than anything in the prior.
    """
    rows = np.flatnonzero(~(np.isnan(b) | np.isnan(s) | (df is not None and np.isnan(df))))
    b, s, df = b[rows], s[rows], part_of(df, rows)
    if exchangeable == "z_scores":
        return rows, b / s, np.ones(len(rows)), df, s
    unknown = np.isinf(s)
    errors = np.where(unknown, NO_INFORMATION * max(mixture.components["scale"].max(), 1.0), s)
    return rows, np.where(unknown, mixture.mode, b), errors, df, np.ones(len(rows))


def _quantile(prior, x, errors, df, probability):
    """Find the smallest effects (b,) up to which there is this much of the posterior."""
    posterior = Posteriors(prior, x, errors, df)
    before, there = posterior.below(prior.mode), posterior.at(prior.mode)
    low, high = posterior.ends()
    is_left, is_right = before >= probability, before + there < probability
    low, high = np.where(is_right, prior.mode, low), np.where(is_left, prior.mode, high)
    found, search = np.full(len(x), float(prior.mode)), np.flatnonzero(is_left | is_right)
    if search.size:
        root = elementwise.find_root(
            lambda at, row: Posteriors(prior, x[row], errors[row], part_of(df, row)).below(at) - probability,
            (low[search], high[search]),
            args=(search,),
        )
        found[search] = root.x
    return found


# --- checks -----------------------------------------------------------------------------------------------------------


def _check_data(effects, standard_errors):
    """Give names, effects and standard errors, (g,) each, or say which of them cannot be used."""
    names = next((table.index for table in (effects, standard_errors) if isinstance(table, pd.Series)), None)
    b, s = _numbers(effects, "effects"), _numbers(standard_errors, "standard errors")
    if b.shape != s.shape:
        raise InputError(f"{len(b):,} effects need as many standard errors, got {len(s):,}")
    if not len(b):
        raise InputError("there are no effects: the arrays are empty")
    _check_names(effects, standard_errors)
    names = pd.RangeIndex(len(b)) if names is None else names
    _refuse(np.isinf(b), "effects must be finite", b, names, "Set it to NaN to leave the gene out")
    way_out = "Set both to NaN to leave the gene out; an error of zero would claim that the effect is known exactly"
    _refuse(s <= 0, "standard errors must be positive", s, names, way_out)
    return names, b, s


def _numbers(values, what):
    try:
        array = np.array(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{what} must be numbers, one for each gene; got {values!r:.80}") from None
    if array.ndim != 1:
        raise InputError(f"{what} must be one number for each gene; got an array of shape {array.shape}")
    return array


def _check_names(effects, standard_errors):
    if not (isinstance(effects, pd.Series) and isinstance(standard_errors, pd.Series)):
        return
    differ = np.flatnonzero(np.asarray(effects.index != standard_errors.index))
    if differ.size:
        row = differ[0]
        raise InputError(
            f"effects and standard errors are of different genes: in row {row}, {effects.index[row]!r} and "
            f"{standard_errors.index[row]!r}. Bring them into one order: standard_errors.loc[effects.index]"
        )


def _refuse(bad, rule, values, names, way_out):
    if bad.any():
        first = int(np.argmax(bad))
        number = f"{np.count_nonzero(bad):,} of {bad.size:,} {'is' if bad.sum() == 1 else 'are'} not"
        raise InputError(f"{rule}: {number}, the first {values[first]:.6g} (gene {names[first]!r}). {way_out}")


def _check_df(df, mixture, g):
    """Give the degrees of freedom as None, a number or an array (g,)."""
    family = mixture.family if isinstance(mixture, Mixture) else mixture
    check_family(family)
    if df is None:
        return None
    try:
        numbers = np.array(df, dtype=float)
    except (TypeError, ValueError):
        numbers = np.zeros(())
    if isinstance(df, str) or numbers.shape not in ((), (g,)) or (numbers <= 0).any() or np.isnan(numbers).all():
        raise InputError(
            f"df must be a positive number, or one for each gene, or None for normal errors; got {df!r:.80}"
        )
    if family.endswith("normal"):
        raise InputError(
            "errors that follow a t distribution (df) have no formula under normal components: "
            "mixture='uniform' or 'half_uniform'"
        )
    return np.minimum(numbers, LARGEST_DF)


def _check_settings(mixture, mode, point_mass, exchangeable, b, s, names):
    if mode != "estimate" and not is_number(mode):
        raise InputError(f"mode must be a finite number or 'estimate', got {mode!r}")
    if not isinstance(point_mass, bool | np.bool_):
        raise InputError(f"point_mass must be True or False, got {point_mass!r}")
    if exchangeable not in EXCHANGEABLE:
        raise InputError(f"exchangeable={exchangeable!r} is unknown; {did_you_mean(exchangeable, EXCHANGEABLE)}")
    if exchangeable == "z_scores":
        way_out = "Without an error there is no z-score: set it to NaN to leave the gene out"
        _refuse(np.isinf(s), "standard errors must be finite where z_scores are exchangeable", s, names, way_out)
