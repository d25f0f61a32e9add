"""Profile likelihoods: how well every value of one coefficient can be defended, whatever the others are.

Reached as `scomics_lite.zero_inflation.profile_interval` and `profile_log_likelihood`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special, stats

from scomics_lite.validation import InputError, did_you_mean, is_number
from scomics_lite.zero_inflation.likelihood import Likelihood, constant
from scomics_lite.zero_inflation.maxima import NEVER
from scomics_lite.zero_inflation.search import climb

ROOM = {"mean": 30.0, "zero": 20.0, "dispersion": 20.0}  # of a linear predictor, to look for an end in
FIRST_STEP = 2.0  # of a linear predictor, away from an estimate without a standard error
ROUNDS = 60
CLOSE = 1e-4  # of the root of twice the log likelihood's fall, to the quantile it should be
LEAST_LOGIT, LEAST_LOG_PHI = -4.0, np.log(0.01)  # to start a climb from
SLACK = 1e-5  # beyond where the secant says, so that the next place is more likely on the far side
SHORTHANDS = {"pi": ("zero", special.expit), "dispersion": ("dispersion", np.exp)}


def profile_interval(fit, parameter, level=0.95):
    """Find the values of a coefficient that a likelihood ratio test would not reject.

    The profile log likelihood of a coefficient is the highest log likelihood with the coefficient held there. The
    interval has all values where it is less than chi2 / 2 below its maximum, chi2 the quantile of chi-squared with one
    degree of freedom: 1.92 for 95 % (Venzon and Moolgavkar 1988). It needs no standard error, and need not be
    symmetric. Where the likelihood falls nowhere so far, the interval is open on that side: pi can then be as small as
    0, or a coefficient as large as one likes.

    Parameters
    ----------
    fit : ZinbFit
    parameter : str or tuple
        ``"pi"``, the probability of a structural zero, where all cells share it; ``"dispersion"``, phi, likewise; or a
        pair of part and column, as in ``fit.parameters``: ``("mean", "condition[stim]")``, on the scale of the
        coefficient, natural logarithms and logits.
    level : float
        Between 0 and 1.

    Returns
    -------
    DataFrame
        Indexed by gene: ``estimate``, ``lower``, ``upper``, and ``status`` of the fit. Open ends are 0, 1 or infinite.
        NaN where there is no fit.

    Examples
    --------
    >>> from scomics_lite import zero_inflation
    >>> counts = zero_inflation.sample([20.0, 1.0], 0.3, 0.3, rng=1, size=(200, 2))
    >>> fitted = zero_inflation.fit(counts, np.ones((200, 1)), progress=False)
    >>> profile_interval(fitted, "pi").round(2)  # with a mean of 1, most zeros could be ordinary ones
       estimate  lower  upper             status
    0      0.29   0.23   0.36          converged
    1      0.44   0.03   0.57  no overdispersion
    """
    part, position, transform = _locate(fit, parameter)
    if not (is_number(level) and 0 < level < 1):
        raise InputError(f"level lies between 0 and 1; got {level!r}")
    target = np.sqrt(stats.chi2.ppf(level, 1))
    ends = np.full((2, len(fit.genes)), np.nan)
    for genes, likelihood, theta in fit.blocks():
        known = np.isfinite(fit.log_likelihood[genes]) & (fit.status[genes] != "not converged")
        if not known.any():
            continue
        errors = fit.standard_errors.to_numpy()[genes, position]
        hill = _Hill(likelihood.take(known), theta[:, known], fit.log_likelihood[genes][known], position, errors[known])
        for row, side in enumerate((-1, 1)):
            ends[row, genes[known]] = hill.end(side, ROOM[part], target)
    estimate = fit.theta[:, position]
    table = {"estimate": transform(estimate), "lower": transform(ends[0]), "upper": transform(ends[1])}
    return pd.DataFrame(table | {"status": fit.status}, index=fit.genes)


def profile_log_likelihood(fit, parameter, values):
    """Compute the profile log likelihood of a coefficient at given values.

    Parameters
    ----------
    fit : ZinbFit
    parameter : str or tuple
        As for `profile_interval`.
    values : array_like, shape (k,)
        On the scale of the interval: probabilities for ``"pi"``, phi for ``"dispersion"``.

    Returns
    -------
    DataFrame, shape (k, g)
        Highest log likelihoods of every gene (columns) with the coefficient held at each value (rows).

    Examples
    --------
    >>> from scomics_lite import zero_inflation
    >>> counts = zero_inflation.sample(20.0, 0.3, 0.3, rng=1, size=(200, 1))
    >>> fitted = zero_inflation.fit(counts, np.ones((200, 1)), progress=False)
    >>> (profile_log_likelihood(fitted, "pi", [0.2, 0.3, 0.4]) - fitted.log_likelihood).round(2)
            0
    0.2 -2.38
    0.3 -0.63
    0.4 -8.09
    """
    _, position, transform = _locate(fit, parameter)
    values = np.atleast_1d(np.asarray(values, dtype=float))
    inverse = {special.expit: special.logit, np.exp: np.log, _identity: _identity}[transform]
    with np.errstate(divide="ignore"):
        places = np.clip(inverse(values), NEVER, -NEVER) if transform is not _identity else values
    heights = np.full((len(values), len(fit.genes)), np.nan)
    for genes, likelihood, theta in fit.blocks():
        known = np.isfinite(fit.log_likelihood[genes])
        hill = _Hill(likelihood.take(known), theta[:, known], fit.log_likelihood[genes][known], position, None)
        for row, place in enumerate(places):
            heights[row, genes[known]] = hill.at(np.full(known.sum(), place), np.arange(known.sum()))
    return pd.DataFrame(heights, index=values, columns=fit.genes)


def _identity(values):
    return values


def _locate(fit, parameter):
    """Give the part that a parameter is of, its position among the coefficients, and the scale it is reported on."""
    if isinstance(parameter, str) and parameter in SHORTHANDS:
        part, transform = SHORTHANDS[parameter]
        positions = np.flatnonzero(fit.parameters.get_level_values("part") == part)
        design = {"zero": fit.zero_design, "dispersion": fit.dispersion_design}[part].to_numpy(float)
        if len(positions) != 1 or not (design == 1).all():
            pairs = ", ".join(map(str, fit.parameters[positions]))
            raise InputError(f"cells do not share one {parameter}; name a coefficient: {pairs or 'there is none'}")
        return part, positions[0], transform
    names = list(fit.parameters)
    if isinstance(parameter, tuple | list) and tuple(parameter) in names:
        return parameter[0], names.index(tuple(parameter)), _identity
    known = [*SHORTHANDS, *map(str, names)]
    raise InputError(f"the fit has no parameter {parameter!r}; {did_you_mean(str(parameter), known)}")


@dataclass(eq=False)
class _Hill:
    """The profile log likelihood of one coefficient of b genes, climbed anew from the place before."""

    likelihood: Likelihood
    theta: np.ndarray  # (P, b), at the maximum
    height: np.ndarray  # (b,)
    position: int
    errors: np.ndarray | None  # (b,)

    def __post_init__(self):
        self.last = self.theta.copy()
        self.free = np.arange(len(self.theta)) != self.position

    def at(self, places, genes):
        """Give the heights of some genes with the coefficient held at places, and remember where the others went."""
        start = self._off_the_bounds(self.last[:, genes])
        start[self.position] = places
        found, value, _, _ = climb(self.likelihood.take(genes), start, free=self.free, em_steps=0)
        self.last[:, genes] = found
        return value

    def _off_the_bounds(self, theta):
        """Move coefficients from where the likelihood is flat, as at phi = 0 or pi = 0: no slope leads out of it."""
        parts = self.likelihood.parts
        beta, gamma, delta = parts.split(theta)
        lift_gamma = np.maximum(LEAST_LOGIT - (parts.gate_rows @ gamma).max(axis=0), 0.0)
        lift_delta = np.maximum(LEAST_LOG_PHI - (parts.rows @ delta).max(axis=0), 0.0)
        return np.concatenate([beta, gamma + constant(parts.z, lift_gamma), delta + constant(parts.rows, lift_delta)])

    def fall(self, places, genes):
        """Give the root of twice how far the profile is below the maximum: grows evenly where it is a parabola."""
        return np.sqrt(2 * np.maximum(self.height[genes] - self.at(places, genes), 0.0))

    def end(self, side, room, target):
        """Find where the fall is the target, going down (side -1) or up (1), (b,); infinite where it is nowhere.

        How far to look, and by which steps where there is no standard error, is a matter of linear predictors: in
        coefficients it depends on the units of the column.
        """
        parts = self.likelihood.parts
        size = np.concatenate([np.abs(columns).max(axis=0) for columns in (parts.x, parts.z, parts.d)])[self.position]
        self.last = self.theta.copy()
        inner = self.theta[self.position].copy()
        limit = side * np.maximum(side * inner, 0.0) + side * room / size
        outer, low, high = inner.copy(), np.zeros_like(inner), np.zeros_like(inner)
        first = FIRST_STEP / size
        step = np.where(self.errors * target < first, self.errors * target, first)  # NaN takes the second
        going = np.arange(len(inner))
        while going.size:
            inner[going], low[going] = outer[going], high[going]
            outer[going] = side * np.minimum(side * (inner[going] + side * step[going]), side * limit[going])
            high[going] = self.fall(outer[going], going)
            step[going] *= 2
            going = going[(high[going] < target) & (outer[going] != limit[going])]
        closed = np.flatnonzero(high >= target)
        outer[high < target] = side * np.inf
        self._close_in(closed, inner, outer, low, high, target)
        return outer

    def _close_in(self, genes, inner, outer, low, high, target):
        """Narrow down where the fall is the target, by the secant and, each third time, by halving; ends in `outer`."""
        for round_ in range(ROUNDS):
            genes = genes[(high[genes] - target > CLOSE) & (np.abs(outer[genes] - inner[genes]) > 1e-10)]
            if not genes.size:
                return
            share = (target - low[genes]) / (high[genes] - low[genes]) if round_ % 3 < 2 else np.full(len(genes), 0.5)
            middle = inner[genes] + np.clip(share + SLACK, 0.01, 0.99) * (outer[genes] - inner[genes])
            fall = self.fall(middle, genes)
            beyond = fall >= target
            outer[genes[beyond]], high[genes[beyond]] = middle[beyond], fall[beyond]
            inner[genes[~beyond]], low[genes[~beyond]] = middle[~beyond], fall[~beyond]
