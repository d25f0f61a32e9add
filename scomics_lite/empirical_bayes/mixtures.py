"""Unimodal mixtures as priors of effects: their components, their densities, and what an estimate makes of them.

With the mode m, every component is a distribution that falls off on both sides of m, or on one:

    normal        N(m, scale^2)
    uniform       U(m - scale, m + scale)
    half_normal   N(m, scale^2) cut off at m, one component below and one above it
    half_uniform  U(m - scale, m) and U(m, m + scale)

and scale = 0 is a point mass at m. An estimate b of the effect beta with standard error s, b ~ N(beta, s^2), turns each
component into a posterior that is a normal distribution too, cut off where the component ends:

    uniform   centre b,             spread s
    normal    centre m + r (b - m), spread s sqrt(r),  with r = scale^2 / (scale^2 + s^2)

so that the formulas of `scomics_lite.empirical_bayes.truncated` serve them all (Stephens 2017, section 2.1). Where
errors follow a t distribution, b = beta + s t, the same holds for the uniform components alone.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from scomics_lite.empirical_bayes.truncated import log_density, log_mass, mean_variance
from scomics_lite.validation import InputError, did_you_mean, is_number

FAMILIES = ("normal", "uniform", "half_uniform", "half_normal")
REACH = 40.0  # so many spreads away a normal distribution has less than 1e-300 left


@dataclass(frozen=True, eq=False)
class Mixture:
    """A prior: components of one family around one mode, and their weights.

    Attributes
    ----------
    family : str
        ``"normal"``, ``"uniform"``, ``"half_uniform"`` or ``"half_normal"``.
    mode : float
    weights : ndarray, shape (k,)
        Not negative, with the sum 1.
    components : DataFrame, k rows
        ``scale`` (standard deviation of a normal, reach of a uniform; 0, in the first row, is the point mass),
        ``lower`` and ``upper``, where the component ends: as `make_components` gives them.

    Examples
    --------
    >>> prior = Mixture("normal", 0.0, [0.9, 0.1], make_components("normal", [0, 2.0]))
    >>> prior.density([-1.0, 1.0]).round(4), prior.cdf([-1.0, 0.0]).round(4)
    (array([0.0176, 0.0176]), array([0.0309, 0.95  ]))
    """

    family: str
    mode: float
    weights: np.ndarray
    components: pd.DataFrame

    def __post_init__(self):
        check_family(self.family)
        if not is_number(self.mode):
            raise InputError(f"the mode of a Mixture must be a finite number, got {self.mode!r}")
        weights = np.asarray(self.weights, dtype=float)
        if weights.shape != (len(self.components),) or not (weights >= 0).all() or abs(weights.sum() - 1) > 1e-6:
            raise InputError(
                f"a Mixture of {len(self.components)} components needs as many weights, none negative, with the sum 1; "
                f"got shape {weights.shape}, sum {weights.sum():.6g}"
            )
        if not (self.components["scale"].to_numpy()[1:] > 0).all():
            raise InputError("the point mass (scale 0) must be the first component; make_components puts it there")
        object.__setattr__(self, "weights", weights)  # how a frozen dataclass keeps what it has brought into form

    def density(self, x):
        """Take the density at x, without the point mass, which has none.

        Parameters
        ----------
        x : array_like

        Returns
        -------
        ndarray
            Of the shape of `x`; its integral is 1 less the weight of the point mass.
        """
        z, scale, lower, upper = self._standardized(x)
        with np.errstate(divide="ignore"):
            height = np.exp(log_density(z) - log_mass(lower, upper)) if self.is_normal else 1 / (upper - lower)
        return np.where((lower <= z) & (z < upper), height / scale, 0.0) @ self.weights[self.spikes :]

    def cdf(self, x):
        """Take the probability of effects up to x; the point mass counts from the mode on.

        Parameters
        ----------
        x : array_like

        Returns
        -------
        ndarray
            Of the shape of `x`.
        """
        z, _, lower, upper = self._standardized(x)
        z = np.clip(z, lower, upper)
        normal = self.is_normal
        below = np.exp(log_mass(lower, z) - log_mass(lower, upper)) if normal else (z - lower) / (upper - lower)
        spike = self.weights[: self.spikes].sum() * (np.asarray(x, dtype=float) >= self.mode)
        return spike + below @ self.weights[self.spikes :]

    @property
    def is_normal(self):
        """Whether the components are normal distributions, whole or halved."""
        return self.family.endswith("normal")

    @cached_property
    def spikes(self):
        """How many point masses there are: 0 or 1."""
        return int(self.components["scale"].iloc[0] == 0)

    @cached_property
    def spread_out(self):
        """Scale, lower and upper ends of the components other than the point mass, shape (3, k - spikes)."""
        return self.components[["scale", "lower", "upper"]].to_numpy(float)[self.spikes :].T

    def mirrored(self):
        """Exchange the two signs of effects.

        Returns
        -------
        Mixture
        """
        components = self.components.assign(lower=-self.components["upper"], upper=-self.components["lower"])
        return Mixture(self.family, -self.mode, self.weights, components)

    def used(self):
        """Leave out components without weight.

        Returns
        -------
        Mixture
        """
        keep = self.weights > 0
        return Mixture(self.family, self.mode, self.weights[keep], self.components[keep])

    def _standardized(self, x):
        """Give x (…, k) and both ends (k,) in units of the scale (k,) around the mode, without the point mass."""
        scale, lower, upper = self.spread_out
        distance = np.asarray(x, dtype=float)[..., None] - self.mode
        return distance / scale, scale, (lower - self.mode) / scale, (upper - self.mode) / scale


def make_components(family, scales, mode=0.0):
    """Lay out the components of a family: the point mass first, one-sided ones below the mode before those above it.

    Parameters
    ----------
    family : str
        As in `Mixture`.
    scales : array_like
        Not negative; at most one is 0 and stands for the point mass.
    mode : float

    Returns
    -------
    DataFrame
        Columns ``scale``, ``lower``, ``upper``.

    Examples
    --------
    >>> make_components("half_uniform", [0, 0.5])
       scale  lower  upper
    0    0.0    0.0    0.0
    1    0.5   -0.5    0.0
    2    0.5    0.0    0.5
    """
    check_family(family)
    scales = np.asarray(scales, dtype=float)
    spike = scales == 0
    if scales.ndim != 1 or not (np.isfinite(scales) & (scales >= 0)).all() or np.count_nonzero(spike) > 1:
        raise InputError(
            f"scales must be finite, not negative, and at most one of them 0 (the point mass); got {scales}"
        )
    scale = scales[~spike]
    reach, none = np.where(family.endswith("uniform"), scale, np.inf), np.zeros_like(scale)
    sides = [(-reach, reach)] if family in ("normal", "uniform") else [(-reach, none), (none, reach)]
    parts = [np.zeros((np.count_nonzero(spike), 3)), *(np.column_stack([scale, *side]) for side in sides)]
    return pd.DataFrame(np.vstack(parts) + np.array([0, mode, mode]), columns=["scale", "lower", "upper"])


def check_family(family):
    """Refuse a family of mixtures that there is not.

    Parameters
    ----------
    family : str

    Examples
    --------
    >>> check_family("halfuniform")
    Traceback (most recent call last):
    scomics_lite.validation.InputError: mixture='halfuniform' is no family of mixtures; did you mean 'half_uniform'? \
Known: half_normal, half_uniform, normal, uniform
    """
    if family not in FAMILIES:
        raise InputError(f"mixture={family!r} is no family of mixtures; {did_you_mean(family, FAMILIES)}")


class Posteriors:
    """What some estimates make of a prior.

    Parameters
    ----------
    mixture : Mixture
    effects, errors : ndarray, shape (b,)
        The estimates and their standard errors, finite and the latter positive.
    df : float or ndarray, shape (b,), optional
        Of the t distributions that the errors follow; normal when not given.

    Examples
    --------
    >>> prior = Mixture("normal", 0.0, [0.5, 0.5], make_components("normal", [0, 1.0]))
    >>> posteriors = Posteriors(prior, np.array([1.0, 4.0]), np.array([1.0, 1.0]))
    >>> mean, sd = posteriors.mean_sd()
    >>> mean.round(3), posteriors.above(0.0).round(3)
    (array([0.238, 1.95 ]), array([0.362, 0.972]))
    """

    def __init__(self, mixture, effects, errors, df=None):
        self.mixture, self.df = mixture, df if np.ndim(df) == 0 else df[:, None]
        self.effects, self.errors = effects[:, None], errors[:, None]
        scale, lower, upper = mixture.spread_out
        if mixture.is_normal:
            root = scale / np.hypot(scale, self.errors)  # of r
            self.centre, self.spread = mixture.mode + root**2 * (self.effects - mixture.mode), self.errors * root
        else:
            self.centre, self.spread = self.effects, self.errors
        self.lower, self.upper = (lower - self.centre) / self.spread, (upper - self.centre) / self.spread

    @cached_property
    def log_masses(self):
        """How much of each posterior distribution the component's ends leave, in logarithms, shape (b, k - spikes)."""
        if self.mixture.family == "normal":
            return np.zeros_like(self.centre)
        return log_mass(self.lower, self.upper, self.df)

    @cached_property
    def log_likelihoods(self):
        """Logarithms of the densities of the estimates under every component, shape (b, k)."""
        distance = self.effects - self.mixture.mode
        scale, lower, upper = self.mixture.spread_out
        if self.mixture.is_normal:
            total = np.hypot(scale, self.errors)
            halves = np.log(2) * (self.mixture.family == "half_normal")
            logs = log_density(distance / total) - np.log(total) + halves + self.log_masses
        else:
            logs = self.log_masses - np.log(upper - lower)
        spike = log_density(distance / self.errors, self.df) - np.log(self.errors)
        return np.hstack([spike, logs]) if self.mixture.spikes else logs

    @cached_property
    def _joint(self):
        """Give weights times likelihoods, shape (b, k), over the largest likelihood of each row, and its logarithm."""
        largest = self.log_likelihoods.max(axis=1)
        return np.exp(self.log_likelihoods - largest[:, None]) * self.mixture.weights, largest

    @cached_property
    def log_evidence(self):
        """Logarithms of the densities of the estimates under the whole prior, shape (b,)."""
        joint, largest = self._joint
        return np.log(joint.sum(axis=1)) + largest

    @cached_property
    def responsibilities(self):
        """Probabilities that the effects come from every component, shape (b, k)."""
        joint, _ = self._joint
        return joint / joint.sum(axis=1, keepdims=True)

    def mean_sd(self):
        """Give posterior means and standard deviations of the effects.

        Returns
        -------
        mean, sd : ndarray, shape (b,)
        """
        if self.mixture.family == "normal":
            means, variances = self.centre, self.spread**2
        else:
            means, variances = mean_variance(self.lower, self.upper, self.df)
            means, variances = self.centre + self.spread * means, self.spread**2 * variances
        if self.mixture.spikes:
            means = np.insert(means, 0, self.mixture.mode, axis=1)
            variances = np.insert(variances, 0, 0.0, axis=1)
        mean = (self.responsibilities * means).sum(axis=1)
        variance = (self.responsibilities * (variances + (means - mean[:, None]) ** 2)).sum(axis=1)
        return mean, np.sqrt(variance)

    def at(self, x):
        """Take the probability of an effect of exactly x: that of the point mass, if x is the mode.

        Parameters
        ----------
        x : float or ndarray, shape (b,)

        Returns
        -------
        ndarray, shape (b,)
        """
        return self._spike() * (x == self.mixture.mode)

    def below(self, x):
        """Take the probabilities of effects below x, which itself is left out.

        Parameters
        ----------
        x : float or ndarray, shape (b,)

        Returns
        -------
        ndarray, shape (b,)
        """
        return self._spike() * (self.mixture.mode < x) + self._between(-np.inf, x)

    def above(self, x):
        """Take the probabilities of effects above x, which itself is left out.

        Parameters
        ----------
        x : float or ndarray, shape (b,)

        Returns
        -------
        ndarray, shape (b,)
        """
        return self._spike() * (self.mixture.mode > x) + self._between(x, np.inf)

    def ends(self):
        """Say between what there is an effect, but for probabilities that are no number any more.

        Returns
        -------
        low, high : ndarray, shape (b,)
        """
        _, low, high = self.mixture.spread_out
        if self.mixture.is_normal:
            low = np.maximum(low, np.minimum(self.centre, self.mixture.mode) - REACH * self.spread)
            high = np.minimum(high, np.maximum(self.centre, self.mixture.mode) + REACH * self.spread)
        b = len(self.effects)
        low, high = (np.broadcast_to(end, (b, end.shape[-1])) for end in (low, high))
        return low.min(axis=1, initial=self.mixture.mode), high.max(axis=1, initial=self.mixture.mode)

    def density(self, x):
        """Take the posterior density at x, without the point mass.

        Parameters
        ----------
        x : float or ndarray, shape (b,)

        Returns
        -------
        ndarray, shape (b,)
        """
        z = (np.reshape(x, (-1, 1)) - self.centre) / self.spread
        height = np.exp(log_density(z, self.df) - self.log_masses) / self.spread
        inside = (self.lower <= z) & (z < self.upper)  # at the mode of two halves, one counts
        return (self.responsibilities[:, self.mixture.spikes :] * np.where(inside, height, 0.0)).sum(axis=1)

    def _spike(self):
        return self.responsibilities[:, 0] if self.mixture.spikes else np.zeros(len(self.effects))

    def _between(self, low, high):
        """Take the probabilities between two bounds, of the components other than the point mass."""
        low, high = (np.reshape(bound, (-1, 1)) for bound in (low, high))
        start = np.clip((low - self.centre) / self.spread, self.lower, self.upper)
        end = np.clip((high - self.centre) / self.spread, self.lower, self.upper)
        share = (start < end).astype(float)
        partly = (start < end) & ((start > self.lower) | (end < self.upper))  # most often none: zero is the mode
        df = self.df if np.ndim(self.df) == 0 else np.broadcast_to(self.df, partly.shape)[partly]
        share[partly] = np.exp(log_mass(start[partly], end[partly], df) - self.log_masses[partly])
        return (self.responsibilities[:, self.mixture.spikes :] * share).sum(axis=1)
