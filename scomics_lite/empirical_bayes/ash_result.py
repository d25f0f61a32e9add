"""What adaptive shrinkage gives: posteriors, the prior they come from, and what else both can be asked.

Made by `scomics_lite.empirical_bayes.ash`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import elementwise

from scomics_lite.empirical_bayes.mixtures import Mixture, Posteriors
from scomics_lite.empirical_bayes.unimodal_prior import cut, part_of
from scomics_lite.validation import InputError, check_threshold, did_you_mean, is_number

NO_INFORMATION = 1e100  # a standard error, as a multiple of the largest scale


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

    def false_sign_or_small(self, threshold):
        """Give the probability that an effect is not beyond a threshold in the likelier direction.

        With T the threshold, min(P(beta <= T), P(beta >= -T)): the local false sign rate where T is 0.

        Parameters
        ----------
        threshold : float
            T, on the scale of the effects, 0 or more.

        Returns
        -------
        ndarray, shape (g,)
        """
        check_threshold(threshold)
        rows, x, errors, df, unit = self._problem()
        prior, rates = self.mixture.used(), np.full(len(self.effects), np.nan)
        for part in cut(len(rows), len(prior.weights)):
            posterior, limit = Posteriors(prior, x[part], errors[part], part_of(df, part)), threshold / unit[part]
            beyond = np.maximum(posterior.above(limit), posterior.below(-limit))
            rates[rows[part]] = np.clip(1 - beyond, 0, 1)
        return rates

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
        return standardized(self.effects, self.standard_errors, self.df, self.mixture, self.exchangeable)


def standardized(b, s, df, mixture, exchangeable):
    """Give what `Posteriors` needs of the effects that are not NaN.

    An infinite standard error becomes one that is many times larger than anything in the prior.

    Parameters
    ----------
    b, s : ndarray, shape (g,)
        Effects and standard errors.
    df, mixture, exchangeable
        As in `AshResult`.

    Returns
    -------
    rows : ndarray of int, shape (m,)
        Which effects these are.
    x, errors : ndarray, shape (m,)
        In units of the prior.
    df : ndarray, shape (m,), float or None
    unit : ndarray, shape (m,)
        That of the prior: 1, or the standard errors.

    Examples
    --------
    >>> prior = Mixture("normal", 0.0, [1.0], pd.DataFrame({"scale": [1.0], "lower": [-np.inf], "upper": [np.inf]}))
    >>> standardized(np.array([3.0, np.nan]), np.array([2.0, 1.0]), None, prior, "z_scores")
    (array([0]), array([1.5]), array([1.]), None, array([2.]))
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
