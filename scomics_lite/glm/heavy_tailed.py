"""Shrinkage of one coefficient in every gene by a prior with heavy tails: noise goes to zero, large differences stay.

Reached as `scomics_lite.glm.cauchy_shrinkage`. The method is that of Zhu, Ibrahim and Love (2019), which users of
DESeq2 know as apeglm. It needs the counts, through a fit of `scomics_lite.glm.fit`; `scomics_lite.empirical_bayes.ash`
needs only estimates and their standard errors, learns the shape of the prior too, and gives whole posteriors.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy import optimize, stats

from scomics_lite import negative_binomial
from scomics_lite.blocks import Columns, map_blocks
from scomics_lite.design import column_rank
from scomics_lite.design import contrast as contrast_vector
from scomics_lite.equations import least_squares, solve_each
from scomics_lite.glm.irls import Model, uphill
from scomics_lite.iteration import step_until_done
from scomics_lite.multiple_testing import average_rate
from scomics_lite.validation import InputError, check_threshold, is_number, quoted, warn

WIDE = 15.0  # standard deviation of the other coefficients' normal prior, in natural logarithms, as in apeglm
SCALES = (0.001, 1.0)  # between which a scale is learned, in natural logarithms, as in apeglm
FEWEST_GENES = 10  # to learn a scale from
LEVEL = 0.95  # of the intervals
MAX_ITERATIONS = 200
LEAST_SHARE = 0.01  # of the tangent's curvature that has to be left for a step of Newton's


def cauchy_shrinkage(fit, coefficient, *, prior_scale=None, lfc_threshold=0.0, map=map):
    """Shrink one coefficient of every gene towards zero, large ones hardly at all.

    With the log likelihood l of a gene's counts at the fit's size factors and dispersions, natural logarithms, and the
    coefficient asked for called beta_c (Zhu, Ibrahim and Love 2019), the estimate maximises the posterior

        l(beta) - ln(1 + (beta_c / S)^2) - sum of beta_j^2 / (2 15^2) over the others

    that is, beta_c has a Cauchy prior with scale S, and the others one so wide that it says almost nothing. The pull
    of the prior on beta_c is 2 beta_c / (S^2 + beta_c^2): strongest at S, and fading for what is far larger. Where
    counts and prior disagree, the posterior can have two peaks; both are climbed, and the higher one counts.

    The posterior's standard deviation is that of the normal distribution with the same curvature at the peak,
    1 / sqrt(1 / v + 2 (S^2 - beta_c^2) / (S^2 + beta_c^2)^2), with v the variance that the counts alone leave. The
    false sign rate and the interval are those of this normal distribution, as in apeglm. It lacks the posterior's skew
    and its second peak, and is careful for genes that counts say little of: where the lfsr is between 0.05 and 0.3, the
    posterior, integrated, leaves the other sign 0.87 of it on average in pasilla, 0.82 in airway and 0.56 in pickrell.

    A sign is all that lfsr and s-value are about. The prior knows no genes without any change, and where such genes
    exist, they are among those with small values: with 80 % of genes unchanged (simulated, 3 to 10 samples a group), a
    third to a half of the genes with an s-value below 0.05 were unchanged, while the sign of changed ones was wrong
    less often than claimed. Rank and draw by these estimates; to say which genes change, use ``padj`` of a test, or
    `scomics_lite.empirical_bayes.ash`, whose prior has a point mass at zero.

    A gene that is nearly absent from one group can have a larger estimate here than in the fit, whose iterations take
    no mean for smaller than 0.5, as DESeq2's do; this likelihood has no such floor.

    DESeq2's ``lfcShrink(type="apeglm")`` differs in three ways: apeglm climbs from near zero only and stops earlier;
    it takes the curvature from differences between beta - 0.001 and beta + 0.001, too coarse where S is not
    far larger; and DESeq2 hands it the counts as they were before outliers were replaced, where these are the fit's.

    Parameters
    ----------
    fit : GlmFit
        From `scomics_lite.glm.fit`.
    coefficient : str, tuple or array_like, shape (p,)
        The name of a column of the design, or a contrast that is one coefficient, as
        ``("condition", "treated", "control")`` is where control is the reference level.
    prior_scale : float, optional
        S, in log2: the prior takes half of all changes to be smaller. Learned by `cauchy_scale` when not given.
    lfc_threshold : float
        In log2. Above zero, `lfsr` and `svalue` are about changes that are not at least so large in the direction of
        the estimate ("false sign or small").
    map : callable
        What applies the work to blocks of genes; see `scomics_lite.blocks`.

    Returns
    -------
    DataFrame
        Indexed by gene, in log2: ``baseMean``; ``log2FoldChange``, the peak of the posterior; ``lfcSE``, its standard
        deviation; ``lfsr``, the probability that the change has the other sign; ``svalue``, the mean lfsr of all genes
        with one as small (Stephens 2017); ``lower`` and ``upper`` end of the interval that holds 95 % of the posterior.
        NaN where there is no fit.

    Examples
    --------
    >>> from scomics_lite import glm
    >>> design = pd.DataFrame({"Intercept": 1.0, "treated": [0, 0, 1, 1]})
    >>> fit = glm.fit([[100, 9], [120, 5], [400, 5], [480, 1]], design, np.ones(4), 0.05)
    >>> (fit.coefficients[:, 1] / np.log(2)).round(2)
    array([ 2.  , -1.22])
    >>> cauchy_shrinkage(fit, "treated", prior_scale=0.3)[["log2FoldChange", "lfcSE", "lfsr"]].round(2)
       log2FoldChange  lfcSE  lfsr
    0            1.88   0.35  0.00
    1           -0.10   0.24  0.33
    """
    column, sign = one_coefficient(fit.design, coefficient)
    _check_sizes(prior_scale, lfc_threshold)
    if prior_scale is None:
        prior_scale = cauchy_scale(fit, coefficient)
    prior = Prior.of(fit.design, column, prior_scale * np.log(2))
    peak, spread = np.full((2, len(fit.genes)), np.nan)
    x, genes = fit.design.to_numpy(float), np.flatnonzero(fit.converged)
    work, given = partial(_posterior, prior, x), (fit.dispersions, fit.coefficients, Columns(fit.size_factors))
    for block, found in map_blocks(work, fit.counts.matrix, genes, *given, p=x.shape[1], map=map):
        peak[block], spread[block] = found
    _warn_of_no_peak(fit.genes[genes[np.isnan(peak[genes])]])
    return _table(fit, sign * peak / np.log(2), spread / np.log(2), lfc_threshold)


def cauchy_scale(fit, coefficient):
    """Learn the scale of the Cauchy prior from the estimates b of a coefficient in all genes, and their errors s.

    The estimates are taken for normal, b ~ N(beta, s^2) with beta ~ N(0, A), so that b ~ N(0, A + s^2); the scale is
    the square root of the most likely A (Efron and Morris 1975), where

        sum of (b^2 - s^2 - A) / (A + s^2)^2 = 0

    As in apeglm it is kept between 0.001 and 1, natural logarithms. apeglm's search for A stops within 1.2e-4, so that
    its scale may differ in the fourth digit.

    DESeq2 gives genes that lost their only counts to outlier replacement a fold change of 0 with standard error 0. One
    such gene outweighs all others in the sum, and apeglm's scale is then 0.001: nothing seems to differ. Here only
    genes that were fitted count.

    Parameters
    ----------
    fit : GlmFit
        From `scomics_lite.glm.fit`.
    coefficient : str, tuple or array_like, shape (p,)
        As for `cauchy_shrinkage`.

    Returns
    -------
    float
        In log2.

    Examples
    --------
    >>> from scomics_lite import glm, simulate
    >>> adata = simulate.bulk_counts(["A"] * 4 + ["B"] * 4, 500, log2_fold_change=2, library_sizes=1e6, rng=1)
    >>> design = pd.DataFrame({"Intercept": 1.0, "B": [0] * 4 + [1] * 4}, index=adata.obs_names)
    >>> fit = glm.fit(adata, design, np.ones(8), adata.var["dispersion"])
    >>> round(cauchy_scale(fit, "B"), 2)
    0.64
    """
    column, _ = one_coefficient(fit.design, coefficient)
    genes = fit.converged
    if genes.sum() < FEWEST_GENES:
        raise InputError(
            f"the scale of the prior is learned from many genes, and {genes.sum()} with a fit is too few "
            f"(at least {FEWEST_GENES}): give it, prior_scale=0.5 say, in log2"
        )
    squares = fit.coefficients[genes, column] ** 2
    variances = fit.contrast_variance(np.eye(fit.design.shape[1])[column])[genes]

    def slope(a):
        return ((squares - variances - a) / (a + variances) ** 2).sum()

    least, most = np.square(SCALES)
    if slope(least) <= 0:
        a = least
    elif slope(most) >= 0:
        a = most
    else:
        a = optimize.brentq(slope, least, most, xtol=1e-14)
    return float(np.sqrt(a) / np.log(2))


def one_coefficient(design, coefficient):
    """Find the coefficient that is to be shrunk, and refuse what is not one difference.

    Parameters
    ----------
    design : DataFrame, shape (n, p)
    coefficient : str, tuple or array_like, shape (p,)
        As for `cauchy_shrinkage`.

    Returns
    -------
    column : int
        Its place in the design.
    sign : float
        1, or -1 where the contrast asks the other way round.

    Examples
    --------
    >>> design = pd.DataFrame({"Intercept": 1.0, "low": [0, 0, 1, 0, 0], "high": [0, 0, 0, 1, 1]})
    >>> one_coefficient(design, "-high")
    (2, -1.0)
    >>> one_coefficient(design, "high - low")
    Traceback (most recent call last):
    scomics_lite.validation.InputError: the prior is for one coefficient, and the contrast is -1 low +1 high. Make the \
level compared with the reference level of its factor and fit again, so that the comparison is one coefficient; or \
shrink the estimates of the contrast by scomics_lite.empirical_bayes.ash
    """
    c = contrast_vector(design, coefficient)
    columns = np.flatnonzero(c)
    if len(columns) > 1 or abs(c[columns[0]]) != 1:
        terms = " ".join(f"{c[j]:+g} {design.columns[j]}" for j in columns)
        has_intercept = (np.ptp(design.to_numpy(float), axis=0) == 0).any()
        where = "" if has_intercept else " in a design with an intercept"
        raise InputError(
            f"the prior is for one coefficient, and the contrast is {terms}. Make the level compared with the "
            f"reference level of its factor{where} and fit again, so that the comparison is one coefficient; or shrink "
            "the estimates of the contrast by scomics_lite.empirical_bayes.ash"
        )
    column = int(columns[0])
    x = np.delete(design.to_numpy(float), column, axis=1)
    if column_rank(np.column_stack([x, np.ones(len(x))])) > x.shape[1]:
        raise InputError(
            f"coefficient {design.columns[column]!r} is a level of expression, or its design has no intercept: only "
            "differences can be expected near zero. Fit a design with an intercept and choose another coefficient"
        )
    return column, float(c[column])


# --- the posterior of a block of genes --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Prior:
    """The logarithm of the prior and its derivatives; coefficients (p, b) in natural logarithms."""

    column: int  # c
    scale: float  # S
    precision: np.ndarray  # (p, 1): 1 / 15^2, and zero for the coefficient with the Cauchy prior

    @classmethod
    def of(cls, design, column, scale):
        """Build it for a design."""
        precision = np.full((design.shape[1], 1), WIDE**-2)
        precision[column] = 0
        return cls(column, scale, precision)

    def height(self, beta):
        """Give the logarithm of the density, but for a constant, shape (b,)."""
        return -(self.precision * beta**2).sum(axis=0) / 2 - np.log1p((beta[self.column] / self.scale) ** 2)

    def pull(self, beta):
        """Give how strongly the Cauchy prior pulls down, 2 beta_c / (S^2 + beta_c^2), shape (b,)."""
        return beta[self.column] * self.tangent(beta)

    def tangent(self, beta):
        """Give the curvature of the parabola that touches the logarithm of the Cauchy density from below, shape (b,).

        The density's own is less by the square of the pull: 2 (S^2 - beta_c^2) / (S^2 + beta_c^2)^2.
        """
        return 2 / (self.scale**2 + beta[self.column] ** 2)


def _posterior(prior, x, y, phi, coefficients, s):
    """Give the peak and the standard deviation of the coefficient's posterior, both of shape (b,).

    A coefficient whose likelihood peaks within S has one peak only: there the pull grows with beta_c while the slope of
    the likelihood falls. For the others both ends are tried.
    """
    model = Model.of(x, s, 0.0, 0.0)
    beta, found = _climb(prior, model, y, phi, coefficients.T)
    far = np.flatnonzero(np.abs(coefficients[:, prior.column]) > prior.scale)
    rest = model.take(far), y[:, far], phi[far]
    other, reached = _climb(prior, *rest, _without(rest[0], prior.column, y[:, far]))
    gain = _height(prior, *rest, other) - _height(prior, *rest, beta[:, far])
    better = reached & (~found[far] | (gain > 0))
    beta[:, far[better]], found[far[better]] = other[:, better], True
    _, _, unit = _parabola(prior, model, y, phi, beta)
    left = 1 - prior.pull(beta) ** 2 * unit[prior.column]
    variance = np.divide(unit[prior.column], left, out=np.full(len(phi), np.inf), where=left > 0)  # inf: a flat top
    return np.where(found, beta[prior.column], np.nan), np.where(found, np.sqrt(variance), np.nan)


def _without(model, column, y):
    """Begin at the least squares of ln(y / s + 0.1) with a coefficient of zero, shape (p, b)."""
    kept = np.arange(model.x.shape[1]) != column
    beta = np.zeros((len(kept), y.shape[1]))
    beta[kept] = least_squares(model.x[:, kept], np.log(y / model.s + 0.1))
    return beta


def _climb(prior, model, y, phi, beta):
    """Go up from coefficients (p, b) to a peak of the posterior; tell which genes reached it, (b,)."""
    state, _, found = step_until_done(partial(_step_up, prior), {"beta": beta}, (model, y, phi), MAX_ITERATIONS)
    return state["beta"], found


def _step_up(prior, at, model, y, phi):
    """Take one step, halved until no gene loses by it; a gene is done when a full step promises it less than 1e-12."""
    step, promise = _step(prior, model, y, phi, at["beta"])
    beta = uphill(model, partial(_height, prior, model, y, phi), at["beta"], step, promise)
    return {"beta": beta}, np.abs(promise) < 1e-12


def _step(prior, model, y, phi, beta):
    """Find the next step (p, b) and what the slope promises for it (b,): Newton's where the posterior is a hilltop.

    Its matrix is that of `_parabola` less pull^2 in one place; the inverse follows by the formula of Sherman and
    Morrison. Elsewhere that would lead down, and the step goes to the top of the parabola, which is always uphill.
    """
    gradient, step, unit = _parabola(prior, model, y, phi, beta)
    pull = prior.pull(beta)
    left = 1 - pull**2 * unit[prior.column]
    more = np.divide(pull**2 * step[prior.column], left, out=np.zeros_like(left), where=left > LEAST_SHARE)
    step = step + more * unit
    return step, (gradient * step).sum(axis=0)


def _parabola(prior, model, y, phi, beta):
    """Put a parabola to the posterior: for its likelihood Newton's, for the Cauchy prior the one from below.

    Gives the gradient, the step to the parabola's top, and the column of its inverse matrix that belongs to the
    coefficient, all of shape (p, b).
    """
    c, mu = prior.column, model.mean(beta)
    gradient = model.x.T @ ((y - mu) / (1 + phi * mu)) - prior.precision * beta
    gradient[c] -= prior.pull(beta)
    matrix = model.information(mu * (1 + phi * y) / (1 + phi * mu) ** 2) + np.diag(prior.precision[:, 0])
    matrix[:, c, c] += prior.tangent(beta)
    right = np.stack([gradient.T, np.zeros_like(gradient.T)], axis=-1)  # (b, p, 2)
    right[:, c, 1] = 1
    solved = solve_each(matrix, right)
    return gradient, solved[:, :, 0].T, solved[:, :, 1].T


def _height(prior, model, y, phi, beta):
    """Compute the logarithm of the posterior, less that of a model with a mean for every count, shape (b,)."""
    return prior.height(beta) - negative_binomial.deviance(y, model.mean(beta), phi).sum(axis=0) / 2


# --- table and checks -------------------------------------------------------------------------------------------------


def _table(fit, peak, spread, threshold):
    """Put the columns together; peak and spread in log2."""
    lfsr = stats.norm.cdf((threshold - np.abs(peak)) / spread)
    reach = stats.norm.isf((1 - LEVEL) / 2) * spread
    columns = {"log2FoldChange": peak, "lfcSE": spread, "lfsr": lfsr, "svalue": average_rate(lfsr)}
    columns |= {"lower": peak - reach, "upper": peak + reach}
    return pd.DataFrame({"baseMean": fit.base_mean, **columns}, index=fit.genes)


def _check_sizes(prior_scale, lfc_threshold):
    if prior_scale is not None and not (is_number(prior_scale) and prior_scale > 0):
        raise InputError(f"prior_scale is a size in log2, above 0, or None to learn it; got {prior_scale!r}")
    check_threshold(lfc_threshold)


def _warn_of_no_peak(genes):
    if len(genes):
        which = f"{len(genes):,} genes (NaN), the first is {quoted(genes[0])}"
        warn(f"no peak of the posterior was found for {which}")
