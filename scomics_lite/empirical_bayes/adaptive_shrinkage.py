"""Adaptive shrinkage: effects and their standard errors in, posteriors under a prior learned from all of them out.

The model (Stephens 2017, *False discovery rates: a new deal*, Biostatistics 18:275), for the effect beta_i of gene i,
its estimate b_i and standard error s_i:

    b_i ~ N(beta_i, s_i^2),   beta_i ~ sum_j pi_j g_j,   all g_j unimodal at the same mode

The g_j are the components of `scomics_lite.empirical_bayes.mixtures` with scales from a grid that is fine and wide
enough for the data; their weights pi are estimated (`scomics_lite.empirical_bayes.unimodal_prior`). Defaults are those
of R's ashr 2.2, except for the mixture: half-uniform components let effects of both signs have distributions of their
own.
"""

import numpy as np
import pandas as pd
from tqdm import tqdm

from scomics_lite.empirical_bayes.ash_result import AshResult, standardized
from scomics_lite.empirical_bayes.mixtures import Mixture, Posteriors, check_family
from scomics_lite.empirical_bayes.unimodal_prior import cut, fit_prior, part_of
from scomics_lite.multiple_testing import average_rate
from scomics_lite.progress import no_bar
from scomics_lite.validation import InputError, did_you_mean, is_number, quoted

LARGEST_DF = 1e12  # a t distribution that is normal to ten digits
EXCHANGEABLE = ("effects", "z_scores")


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
    df = _check_df(df, mixture, effects, len(b))
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


def _posteriors(b, s, mixture, df, exchangeable, progress):
    """Give the columns of the result that are computed gene by gene, and the log likelihood."""
    rows, x, errors, df, unit = standardized(b, s, df, mixture, exchangeable)
    names = ("posterior_mean", "posterior_sd", "negative_prob", "positive_prob", "lfsr", "lfdr")
    columns = {name: np.full(len(b), np.nan) for name in names}
    used, log_likelihood = mixture.used(), 0.0
    for part in tqdm(list(cut(len(rows), len(used.weights))), "posteriors", leave=False, disable=no_bar(progress)):
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


# --- checks -----------------------------------------------------------------------------------------------------------


def _check_data(effects, standard_errors):
    """Give names, effects and standard errors, (g,) each, or say which of them cannot be used."""
    names = next((table.index for table in (effects, standard_errors) if isinstance(table, pd.Series)), None)
    b, s = _numbers(effects, "effects"), _numbers(standard_errors, "standard errors")
    if b.shape != s.shape:
        raise InputError(f"{len(b):,} effects need as many standard errors, got {len(s):,}")
    if not len(b):
        raise InputError("there are no effects: the arrays are empty")
    _check_names(effects, standard_errors, "standard errors")
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


def _check_names(effects, others, what):
    if not (isinstance(effects, pd.Series) and isinstance(others, pd.Series)):
        return
    differ = np.flatnonzero(np.asarray(effects.index != others.index))
    if differ.size:
        row = differ[0]
        raise InputError(
            f"effects and {what} are of different genes: in row {row}, {quoted(effects.index[row])} and "
            f"{quoted(others.index[row])}. Bring them into one order: {what.replace(' ', '_')}.loc[effects.index]"
        )


def _refuse(bad, rule, values, names, way_out):
    if bad.any():
        first = int(np.argmax(bad))
        number = f"{np.count_nonzero(bad):,} of {bad.size:,} {'is' if bad.sum() == 1 else 'are'} not"
        raise InputError(f"{rule}: {number}, the first {values[first]:.6g} (gene {quoted(names[first])}). {way_out}")


def _check_df(df, mixture, effects, g):
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
    _check_names(effects, df, "df")
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
