"""Quasi-likelihood F-tests: negative binomial regression with a variance of its own for every gene.

The dispersion phi comes from the trend over all genes, and what a gene scatters more or less than that is its
quasi-dispersion sigma2 (Lund, Nettleton, McCarthy and Smyth 2012):

    Var(Y_ig) = sigma2_g (mu_ig + phi_g mu_ig^2)

It is estimated by deviance over residual degrees of freedom and drawn towards its own trend
(`scomics_lite.empirical_bayes.squeeze_variances`). Since sigma2 is estimated, a likelihood ratio has an F distribution
and not a chi-squared one: the test knows how little a few samples say about variation. `fit` and `test` follow edgeR
3.40's ``glmQLFit``, ``glmQLFTest`` and ``glmTreat`` (Lun, Chen and Smyth 2016).
"""

# ruff: noqa: PT028 (`test` tests genes; pytest never sees it)

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from scipy import special
from scipy.linalg import null_space

from scomics_lite import glm, negative_binomial
from scomics_lite.blocks import map_blocks
from scomics_lite.design import contrast as contrast_vector
from scomics_lite.design import match_design
from scomics_lite.dispersion import EdgerDispersions, average_log_cpm, residual_df
from scomics_lite.empirical_bayes import SqueezedVariances, squeeze_variances
from scomics_lite.equations import least_squares
from scomics_lite.normalization import effective_library_sizes
from scomics_lite.validation import Counts, InputError, check_counts, check_size_factors, check_threshold, quoted

PRIOR_COUNT = 0.125  # added to a typical library where fold changes are shown; keeps those of empty groups finite
FARTHEST = 38.0  # standard deviations: beyond, the normal distribution's tail is too small for a float
FARTHEST_CHANGE = 100.0  # of ln mu between samples: no counts are e^100-fold apart
SWITCH = 1.470402  # edgeR's: over a stretch of z-scores so long that ends at 0, Phi is 1/4 on average
PLAIN = {"ridge": 0.0, "min_mean": 0.0, "tolerance": 1e-12}  # the maximum of the likelihood itself


@dataclass(frozen=True, eq=False, repr=False)
class QlFit:
    """Quasi-likelihood regressions of all genes.

    Attributes
    ----------
    regression : GlmFit
        The negative binomial fit at the trended dispersions.
    coefficients : ndarray, shape (g, p)
        Natural logarithms, with 0.125 counts added to a typical library: finite for groups without counts.
    average_log_cpm : ndarray, shape (g,)
    deviance : ndarray, shape (g,)
    df_residual : ndarray, shape (g,)
        Residual degrees of freedom; samples whose count and fitted mean are zero give none.
    variances : SqueezedVariances
        The quasi-dispersions sigma2: ``posterior``, ``prior`` and ``prior_df``.
    below_poisson : ndarray of bool, shape (g,)
        Genes that by sigma2 would vary less than Poisson counts in some sample.
    """

    regression: glm.GlmFit
    coefficients: np.ndarray
    average_log_cpm: np.ndarray
    deviance: np.ndarray
    df_residual: np.ndarray
    variances: SqueezedVariances
    below_poisson: np.ndarray

    def __repr__(self):
        names = ", ".join(self.design.columns[:6]) + " …" * (self.design.shape[1] > 6)
        return (
            f"QlFit of {len(self.genes):,} genes in {len(self.design):,} samples: quasi-dispersions with "
            f"{np.median(self.variances.prior_df):.3g} prior degrees of freedom; coefficients: {names}"
        )

    @property
    def genes(self):
        """Names of the genes, shape (g,)."""
        return self.regression.genes

    @property
    def design(self):
        """The design, shape (n, p)."""
        return self.regression.design

    @property
    def df_total(self):
        """Degrees of freedom of sigma2, prior and residual, and never more than all genes have, shape (g,)."""
        n, p = self.design.shape
        return np.minimum(self.variances.prior_df + self.df_residual, len(self.genes) * (n - p))

    def standard_errors(self, contrast):
        """Give sqrt(sigma2 c' (X'WX)^-1 c) of c'`coefficients`, natural logarithms, shape (g,)."""
        shown = replace(self.regression, coefficients=self.coefficients)  # variances follow from the means alone
        return np.sqrt(self.variances.posterior * shown.contrast_variance(contrast))


def fit(counts, design, size_factors, dispersions, *, robust=False, layer=None, map=map):
    """Fit the regression of every gene and its quasi-dispersion, as edgeR's ``glmQLFit`` of version 3.40.

    With the fitted means mu at the given dispersions, the quasi-dispersion's estimate is the deviance over the residual
    degrees of freedom, sum_i d(y_i; mu_i, phi) / df. A sample without counts, in a group without counts, fits itself:
    df is the number of other samples less the rank of their design. The estimates are squeezed towards a spline over
    the average log2 counts per million.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame, AnnData or Counts, shape (n, g)
        Raw counts, samples in rows, of the genes that have some; see `scomics_lite.filtering.filter_by_expression`.
    design : DataFrame or array_like, shape (n, p)
        As for `scomics_lite.glm.fit`; with fewer columns than samples.
    size_factors : array_like, shape (n,)
        Positive, on any scale. For edgeR's numbers those of ``normalization.size_factors(counts, "tmm")``.
    dispersions : EdgerDispersions or array_like, shape (g,) or ()
        From `scomics_lite.dispersion.edger_dispersions`, whose trend is taken; or a trend's own numbers. Not those of
        single genes: sigma2 would count the same variation once more.
    robust : bool
        Keep genes with outlying quasi-dispersions from dragging the prior with them, and draw these less towards it.
    layer : str, optional
        Layer of an AnnData that holds the counts.
    map : callable
        What applies the regressions to blocks of genes; see `scomics_lite.blocks`.

    Returns
    -------
    QlFit

    Examples
    --------
    >>> from scomics_lite import dispersion, simulate
    >>> adata = simulate.bulk_counts(["A"] * 3 + ["B"] * 3, 500, library_sizes=5e5, rng=1)
    >>> design = pd.DataFrame({"Intercept": 1.0, "B": [0] * 3 + [1] * 3}, index=adata.obs_names)
    >>> s = adata.obs["size_factor"]
    >>> fit(adata, design, s, dispersion.edger_dispersions(adata, design, s))
    QlFit of 500 genes in 6 samples: quasi-dispersions with 11 prior degrees of freedom; coefficients: Intercept, B
    """
    counts = check_counts(counts, layer=layer)
    design = match_design(design, counts.samples)
    if design.shape[1] >= len(design):
        raise InputError(
            f"{len(design)} samples and {design.shape[1]} coefficients leave no residual degree of freedom, so nothing "
            "says how much a gene varies: more samples, or a smaller design"
        )
    s = check_size_factors(size_factors, counts.samples)
    sizes = effective_library_sizes(s, counts.library_sizes)
    phi, abundance = _trend_of(dispersions, counts.genes)
    regression = glm.fit(counts, design, s, phi, **PLAIN, map=map)
    _check_all_known(regression)
    abundance = average_log_cpm(counts, sizes, regression.dispersions, map=map) if abundance is None else abundance
    coefficients = _with_prior_count(regression, sizes, map)
    deviance, df, least_mean = _deviances(regression)
    df = np.where(regression.converged, df, 0)  # a deviance from anywhere teaches nothing
    raw = np.divide(deviance, df, out=np.zeros_like(deviance), where=df > 0)
    variances = squeeze_variances(raw, df, covariate=abundance, robust=robust)
    below = regression.converged & (variances.posterior * (1 + regression.dispersions * least_mean) < 1)
    return QlFit(regression, coefficients, abundance, deviance, df, variances, below)


def test(fit, contrast, *, reduced=None, lfc_threshold=0.0, map=map):
    """Test a sum of coefficients, or several coefficients at once, in every gene by its quasi-likelihood F-test.

    With the log likelihoods l of the full and the reduced fit, which has k dimensions less, at the same dispersions:

        F = 2 (l_full - l_reduced) / k / sigma2,   p from the F distribution with k and df degrees of freedom

    where sigma2 is the squeezed quasi-dispersion and df its degrees of freedom. Where sigma2 is so small that counts
    would vary less than Poisson counts in some sample, p is at least that of the likelihood ratio test of Poisson
    counts (edgeR's ``poisson.bound``).

    With a threshold T the null hypothesis is |b| <= T (TREAT; McCarthy and Smyth 2009). The likelihood ratios against
    b = T and b = -T over sigma2 are turned into z-scores, z1 the smaller and z2 the larger, z1 negative if |b| > T; and
    with Phi averaged over stretches of z, which stands for all fold changes of the interval (edgeR's ``glmTreat``),

        p = 2 mean of Phi over [-z2, z1]                                  if that is shorter than w = 1.47,
        p = mean of Phi over [-z2, -z2 + w] + mean of Phi over [z1 - w, z1]  otherwise

    w solves "mean of Phi over [-w, 0] = 1/4": at one end of a wide interval p is 1/4, half of what it would be if the
    null hypothesis were that end alone. (Found so by solving; edgeR has the number without a reason.)

    The fold change shown is edgeR's: that of a fit with 0.125 counts added to a typical library (and to the others in
    proportion), because the likelihood alone has none for a group without counts. Its standard error is that fit's,
    times the square root of sigma2; edgeR gives none. The test itself uses the counts as they are.

    Parameters
    ----------
    fit : QlFit
        From `fit`.
    contrast : array_like, shape (p,), or tuple, str or dict
        As `scomics_lite.design.contrast` takes it.
    reduced : DataFrame or array_like, shape (n, p - k), optional
        A smaller design, to test all that it lacks at once; `contrast` then only says which fold change is shown.
    lfc_threshold : float
        T, in log2.
    map : callable
        As for `fit`.

    Returns
    -------
    DataFrame
        Indexed by gene: ``baseMean`` (mean of counts over size factors), ``log2FoldChange``, ``lfcSE``, ``stat`` (F;
        with a threshold the z-score beyond it, sign(b) max(-z1, 0)), ``df`` (of sigma2), ``pvalue``, ``padj``
        (Benjamini and Hochberg 1995). NaN where there is no fit, or none under the null hypothesis.

    Examples
    --------
    >>> from scomics_lite import dispersion, simulate
    >>> adata = simulate.bulk_counts(["A"] * 3 + ["B"] * 3, 500, library_sizes=5e5, rng=1)
    >>> design = pd.DataFrame({"Intercept": 1.0, "B": [0] * 3 + [1] * 3}, index=adata.obs_names)
    >>> s = adata.obs["size_factor"]
    >>> fitted = fit(adata, design, s, dispersion.edger_dispersions(adata, design, s))
    >>> test(fitted, "B")[["log2FoldChange", "lfcSE", "stat", "pvalue"]].head(2).round(3)
               log2FoldChange  lfcSE   stat  pvalue
    gene00001           0.148  0.421  0.124   0.730
    gene00002           0.014  0.287  0.002   0.961
    """
    c = contrast_vector(fit.design, contrast)
    smaller = _smaller_design(fit.design, c, reduced, lfc_threshold)
    ask = partial(_f_test, smaller) if lfc_threshold == 0 else partial(_threshold_test, smaller, c, lfc_threshold)
    stat, pvalue = ask(fit.regression, fit.variances.posterior, fit.df_total, map)
    below = np.flatnonzero(fit.below_poisson)
    if below.size:
        poisson = _poisson_regression(fit.regression, below, map)
        bound = ask(poisson, np.ones(below.size), np.full(below.size, np.inf), map)[1]
        pvalue[below] = np.maximum(pvalue[below], bound)
    columns = {
        "baseMean": fit.regression.base_mean,
        "log2FoldChange": fit.coefficients @ c / np.log(2),
        "lfcSE": fit.standard_errors(c) / np.log(2),
        "stat": stat,
        "df": np.where(np.isnan(stat), np.nan, fit.df_total),
        "pvalue": pvalue,
        "padj": glm.adjust(pvalue),
    }
    return pd.DataFrame(columns, index=fit.genes)


test.__test__ = False  # tests genes: pytest would collect it wherever it is imported


# --- fitting ----------------------------------------------------------------------------------------------------------


def _trend_of(dispersions, genes):
    """Give the trend's dispersions, and the genes' abundances where they are known."""
    if isinstance(dispersions, EdgerDispersions):
        if not dispersions.genes.equals(genes):
            raise InputError(
                f"the dispersions are of other genes ({len(dispersions.genes):,}) than the counts ({len(genes):,}): "
                "estimate them from the counts that are fitted"
            )
        return dispersions.trended, dispersions.average_log_cpm
    return dispersions, None


def _check_all_known(regression):
    genes, missing = regression.genes, np.flatnonzero(np.isnan(regression.dispersions))
    if missing.size:
        raise InputError(
            f"{missing.size:,} of {len(genes):,} genes have no dispersion, the first is {quoted(genes[missing[0]])}: "
            "leave them out (scomics_lite.filtering.filter_by_expression finds genes without counts), or give them a "
            "trend's"
        )


def _with_prior_count(regression, sizes, map):
    """Fit anew with counts added in proportion to library size; give coefficients (g, p), on the regression's scale."""
    counts, s = regression.counts, regression.size_factors
    added = PRIOR_COUNT * sizes / sizes.mean()
    fit_block = partial(_fit_added, added[:, None], regression.design, s * (1 + 2 * PRIOR_COUNT / sizes.mean()))
    coefficients = np.full_like(regression.coefficients, np.nan)
    genes = np.flatnonzero(regression.converged)
    p = coefficients.shape[1]
    for block, found in map_blocks(fit_block, counts.matrix, genes, regression.dispersions, p=p, map=map):
        coefficients[block] = found
    return coefficients


def _fit_added(added, design, s, y, phi):
    """Fit a block of counts with others added; give coefficients (b, p)."""
    table = Counts(y + added, design.index, pd.RangeIndex(y.shape[1]))
    return glm.fit(table, design, s, phi, **PLAIN).coefficients


def _deviances(regression):
    """Give deviances, residual degrees of freedom and the smallest fitted mean, all (g,), a block at a time."""
    x, parts = regression.design.to_numpy(float), []
    for block in regression.blocks():
        mean = block.mean
        deviance = negative_binomial.deviance(block.counts, mean, block.dispersions).sum(axis=0)
        df = residual_df(x, block.counts, mean)
        parts.append([deviance, np.where(np.isnan(deviance), 0, df), mean.min(axis=0)])
    deviance, df, least_mean = np.concatenate(parts, axis=1)
    return np.nan_to_num(deviance), df, least_mean


# --- testing ----------------------------------------------------------------------------------------------------------


def _smaller_design(design, c, reduced, lfc_threshold):
    """Give the design under the null hypothesis: `reduced`, or the models with c'beta = 0."""
    check_threshold(lfc_threshold)
    if reduced is not None and lfc_threshold > 0:
        raise InputError("a threshold is for one fold change: lfc_threshold goes with a contrast, without reduced")
    if reduced is not None:
        return match_design(reduced, design.index)
    if design.shape[1] == 1:
        raise InputError(
            "without its only column the design is empty, and there is nothing to compare with: add to the formula "
            "what is to be compared, '~ condition'"
        )
    x, sizes = _of_one_size(design)
    return pd.DataFrame(x @ null_space((c / sizes)[None]), index=design.index)


def _of_one_size(design):
    """Divide the columns by their largest values, so that none is lost beside another; give these (p,) too."""
    x = design.to_numpy(float)
    sizes = np.abs(x).max(axis=0)
    return x / sizes, sizes


def _f_test(smaller, regression, variance, df, map):
    """Give F and its p-values, (g,); NaN where either fit did not converge."""
    reduced = glm.fit(regression.counts, smaller, regression.size_factors, regression.dispersions, **PLAIN, map=map)
    ratio = glm.likelihood_ratio_test(regression, reduced)
    k = int(ratio["df"].iloc[0])
    stat = np.maximum(ratio["stat"].to_numpy(), 0) / k / variance
    stat[~(regression.converged & reduced.converged)] = np.nan
    known = np.isfinite(df)
    return stat, np.where(known, special.fdtrc(k, np.where(known, df, 1), stat), special.chdtrc(k, k * stat))


def _threshold_test(smaller, c, threshold, regression, variance, df, map):
    """Give z-scores beyond the threshold and their p-values, (g,); NaN where a fit did not converge."""
    distances, converged = [], regression.converged
    step = np.exp(_change(regression.design, smaller.to_numpy(float), c, threshold * np.log(2)))
    for factors in (regression.size_factors * step, regression.size_factors / step):
        at_end = glm.fit(regression.counts, smaller, factors, regression.dispersions, **PLAIN, map=map)
        ratio = np.maximum(2 * (regression.log_likelihood - at_end.log_likelihood), 0)
        distances.append(_z_score(np.sqrt(ratio / variance), df))
        converged = converged & at_end.converged
    b = regression.coefficients @ c / np.log(2)
    near, far = np.minimum(*distances), np.maximum(*distances)
    near = np.where(converged, np.where(np.abs(b) <= threshold, near, -near), np.nan)
    ends = _mean_phi(-far, -far + SWITCH) + _mean_phi(near - SWITCH, near)
    pvalue = np.where(far + near > SWITCH, ends, 2 * _mean_phi(-far, near))
    return np.sign(b) * np.maximum(-near, 0), np.minimum(pvalue, 1)


def _change(design, smaller, c, size):
    """Give what moves c'beta by a size, as logarithms of size factors (n,), and no farther than counts can be apart.

    What the smaller design can do is left to it: 1 a year is e^2000 in the year 2000, and all samples share most of it.
    """
    x, sizes = _of_one_size(design)
    change = x @ (c / sizes)[:, None] / np.sum((c / sizes) ** 2)
    change -= smaller @ least_squares(smaller, change)
    return change[:, 0] * min(size, FARTHEST_CHANGE / np.abs(change).max())


def _z_score(t, df):
    """Turn t statistics, not negative, into normal ones with the same tail, 38 at most."""
    known = np.isfinite(df)
    with np.errstate(divide="ignore"):  # a tail of 0 is farther than any normal one
        z = -special.ndtri_exp(np.log(special.stdtr(np.where(known, df, 1), -t)))
    return np.minimum(np.where(known, z, t), FARTHEST)


def _mean_phi(a, b):
    """Average the normal distribution function over [a, b]: its antiderivative is x Phi(x) + phi(x)."""
    width = b - a
    middle = special.ndtr((a + b) / 2)  # of a short stretch, whose ends' difference would be rounding
    ends = [x * special.ndtr(x) + np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) for x in (a, b)]
    return np.where(width < 1e-5, middle, (ends[1] - ends[0]) / np.where(width < 1e-5, 1, width))


def _poisson_regression(regression, genes, map):
    """Fit some of the genes without dispersion."""
    counts = regression.counts
    some = Counts(counts.matrix[:, genes], counts.samples, counts.genes[genes])
    return glm.fit(some, regression.design, regression.size_factors, 0.0, **PLAIN, map=map)
