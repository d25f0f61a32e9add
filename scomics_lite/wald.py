"""Tests of fitted regressions: Wald, likelihood ratio, and the adjustment for many genes.

Reached as `scomics_lite.glm.wald_test` and so on; here because a page should hold one thought. The functions take fits
of `scomics_lite.glm.fit`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.nonparametric.smoothers_lowess import lowess

from scomics_lite.design import contrast as contrast_vector
from scomics_lite.validation import InputError, check_threshold, did_you_mean

ALTERNATIVES = ("greater_abs", "less_abs", "greater", "less")


def wald_test(fit, contrast, *, lfc_threshold=0.0, alternative="greater_abs"):
    """Test a sum of coefficients in every gene by its size over its standard error.

    With the estimate b = c'beta / ln 2, its standard error s = sqrt(c' covariance c) / ln 2 and the threshold T >= 0,
    Phi the normal distribution (Love, Huber and Anders 2014, "Wald test" and "Composite null hypotheses"):

        greater_abs    |b| > T    stat = sign(b) max((|b| - T) / s, 0)     p = min(1, 2 (1 - Phi((|b| - T) / s)))
        less_abs       |b| < T    stat = max(min(T - b, T + b) / s, 0)     p = the larger of both one-sided ones
        greater        b > T      stat = max((b - T) / s, 0)               p = 1 - Phi((b - T) / s)
        less           b < -T     stat = min((b + T) / s, 0)               p = Phi((b + T) / s)

    A gene without a count in the samples that the contrast compares says nothing about it: 0, with p = 1, as in DESeq2.

    Parameters
    ----------
    fit : GlmFit
        From `scomics_lite.glm.fit`.
    contrast : array_like, shape (p,), or tuple, str or dict
        A number for each coefficient, or a question as `scomics_lite.design.contrast` takes it, such as
        ``("condition", "treated", "control")``.
    lfc_threshold : float
        T, in log2.
    alternative : str
        What is claimed where the null hypothesis is rejected; see above.

    Returns
    -------
    DataFrame
        Indexed by gene: ``baseMean`` (mean of counts over size factors), ``log2FoldChange``, ``lfcSE``, ``stat``,
        ``pvalue``, ``padj`` (Benjamini and Hochberg 1995). NaN where there is no fit.

    Examples
    --------
    >>> from scomics_lite import glm
    >>> design = pd.DataFrame({"Intercept": 1.0, "treated": [0, 0, 1, 1]})
    >>> fit = glm.fit([[10, 5], [12, 7], [40, 8], [48, 7]], design, np.ones(4), 0.01)
    >>> wald_test(fit, [0, 1])[["log2FoldChange", "lfcSE", "pvalue"]].round(3)
       log2FoldChange  lfcSE  pvalue
    0           2.000  0.373   0.000
    1           0.322  0.577   0.577
    """
    c = contrast_vector(fit.design, contrast)
    _check_claim(lfc_threshold, alternative)
    estimate = fit.coefficients @ c / np.log(2)
    error = np.sqrt(fit.contrast_variance(c)) / np.log(2)
    estimate[_without_counts(fit, c)] = 0.0
    stat, pvalue = _claim(estimate, error, lfc_threshold, alternative)
    table = {"log2FoldChange": estimate, "lfcSE": error, "stat": stat, "pvalue": pvalue, "padj": adjust(pvalue)}
    return pd.DataFrame({"baseMean": fit.base_mean, **table}, index=fit.genes)


def likelihood_ratio_test(full, reduced):
    """Test whether the columns that only the full design has are needed, by twice the difference of log likelihoods.

    stat = 2 (l_full - l_reduced) is compared with the chi-squared distribution, with as many degrees of freedom as the
    full design has dimensions more. Both fits need the same counts, size factors and dispersions.

    Fits in which means below `min_mean` were held up during the iterations stop short of their maximum, so that for
    genes with few counts `stat` can fall below zero (p is 1 then), as DESeq2's does; ``min_mean=0`` in both fits avoids
    it. With only an intercept left, DESeq2 puts the mean of the normalized counts in place of the reduced fit; here it
    is a fit like any other.

    Parameters
    ----------
    full, reduced : GlmFit
        From `scomics_lite.glm.fit`.

    Returns
    -------
    DataFrame
        Indexed by gene: ``baseMean``, ``stat``, ``df``, ``pvalue``, ``padj`` (Benjamini and Hochberg 1995).

    Examples
    --------
    >>> from scomics_lite import glm
    >>> design = pd.DataFrame({"Intercept": 1.0, "treated": [0, 0, 1, 1]})
    >>> counts = np.array([[10, 5], [12, 7], [40, 8], [48, 7]])
    >>> full, reduced = (glm.fit(counts, x, np.ones(4), 0.01) for x in (design, design[["Intercept"]]))
    >>> likelihood_ratio_test(full, reduced)[["stat", "df", "pvalue"]].round(3)
         stat  df  pvalue
    0  33.839   1   0.000
    1   0.313   1   0.576
    """
    df = _extra_dimensions(full, reduced)
    stat = 2 * (full.log_likelihood - reduced.log_likelihood)
    pvalue = stats.chi2.sf(stat, df)
    table = {"baseMean": full.base_mean, "stat": stat, "df": df, "pvalue": pvalue, "padj": adjust(pvalue)}
    return pd.DataFrame(table, index=full.genes)


def adjust(pvalues):
    """Adjust p-values for how many there are, by Benjamini and Hochberg (1995), leaving NaN out.

    Parameters
    ----------
    pvalues : array_like, shape (g,)

    Returns
    -------
    ndarray, shape (g,)
        The false discovery rate at which each gene would be called, NaN where the p-value is.

    Examples
    --------
    >>> adjust([0.01, np.nan, 0.04, 0.03])
    array([0.03,  nan, 0.04, 0.04])
    """
    pvalues = np.asarray(pvalues, dtype=float)
    known = np.isfinite(pvalues)
    adjusted = np.full_like(pvalues, np.nan)
    if known.any():
        adjusted[known] = stats.false_discovery_control(pvalues[known])
    return adjusted


@dataclass(frozen=True, repr=False)
class FilteredPvalues:
    """What independent filtering chose.

    Attributes
    ----------
    padj : ndarray, shape (g,)
        Adjusted p-values, NaN below the threshold.
    threshold : float
        The value of the filter statistic below which genes are left out.
    theta : float
        The quantile of the filter statistic that this is.
    rejections : DataFrame
        For every quantile tried: ``theta``, ``rejections`` at level alpha, and the smooth curve through them.
    """

    padj: np.ndarray
    threshold: float
    theta: float
    rejections: pd.DataFrame

    def __repr__(self):
        return f"FilteredPvalues: quantile {self.theta:.3f}, threshold {self.threshold:.4g}"


def independent_filtering(pvalues, statistic, *, alpha=0.1):
    """Leave out the genes with the least chance before adjusting, so that the others pay for fewer tests.

    Genes with few counts cannot become significant, whatever happens in them; as long as the statistic that sorts them
    out (the mean over all samples) does not depend on the groups under the null hypothesis, the others' false
    discovery rate is still controlled (Bourgon, Gentleman and Huber 2010). This follows DESeq2's rule: leave out the
    lowest share theta of genes, for 50 values from the share of zeros to 0.95, and adjust the rest; count rejections at
    `alpha`; smooth the counts (lowess, span 1/5); take the first theta whose count reaches the top of the smooth curve
    less the root mean square of the residuals. With ten rejections at most only the zeros are left out.

    Parameters
    ----------
    pvalues : array_like, shape (g,)
        NaN for genes that are not tested.
    statistic : array_like, shape (g,)
        What sorts, usually ``baseMean``.
    alpha : float
        The level at which rejections are counted.

    Returns
    -------
    FilteredPvalues

    Examples
    --------
    >>> result = independent_filtering([0.001, 0.002, 0.8, 0.9], [100, 80, 0, 0])
    >>> result.padj
    array([0.002, 0.002,   nan,   nan])
    """
    pvalues, statistic = np.asarray(pvalues, dtype=float), np.asarray(statistic, dtype=float)
    zeros = (statistic == 0).mean()
    theta = np.linspace(zeros, 0.95 if zeros < 0.95 else 1.0, 50)
    thresholds = np.quantile(statistic, theta)
    rejections = np.array([_count(pvalues[statistic >= threshold], alpha) for threshold in thresholds])
    with np.errstate(divide="ignore", invalid="ignore"):  # counts that are all the same leave no residuals to weigh by
        smooth = lowess(rejections, theta, frac=1 / 5, return_sorted=False)
    chosen = _first_near_the_top(rejections, smooth)
    padj = adjust(np.where(statistic >= thresholds[chosen], pvalues, np.nan))
    table = pd.DataFrame({"theta": theta, "threshold": thresholds, "rejections": rejections, "smooth": smooth})
    return FilteredPvalues(padj, float(thresholds[chosen]), float(theta[chosen]), table)


def _count(pvalues, alpha):
    """Count the rejections at level alpha."""
    return int((adjust(pvalues) < alpha).sum())


def _first_near_the_top(rejections, smooth):
    """Find the first count above the top of the smooth curve less the residuals' root mean square."""
    if rejections.max() <= 10:
        return 0
    some = rejections > 0
    residuals = (rejections - smooth)[some]
    enough = rejections > smooth.max() - np.sqrt(np.mean(residuals**2))
    return int(np.argmax(enough))  # 0 where none is


def _claim(b, s, threshold, alternative):
    """Statistic and p-value of estimates `b` with standard errors `s`; formulas in `wald_test`."""
    if alternative == "greater_abs":
        excess = (np.abs(b) - threshold) / s
        return np.sign(b) * np.maximum(excess, 0), np.minimum(2 * stats.norm.sf(excess), 1)
    if alternative == "less_abs":
        room = np.minimum(threshold - b, threshold + b) / s
        return np.maximum(room, 0), stats.norm.sf(room)
    if alternative == "greater":
        excess = (b - threshold) / s
        return np.maximum(excess, 0), stats.norm.sf(excess)
    excess = (b + threshold) / s
    return np.minimum(excess, 0), stats.norm.cdf(excess)


def _check_claim(threshold, alternative):
    if alternative not in ALTERNATIVES:
        raise InputError(f"there is no alternative {alternative!r}; {did_you_mean(alternative, ALTERNATIVES)}")
    check_threshold(threshold)
    if alternative == "less_abs" and threshold == 0:
        raise InputError("alternative 'less_abs' claims |log2 fold change| < lfc_threshold: give one above 0")


def _without_counts(fit, c):
    """Which fitted genes have no count in any sample with a part in a contrast of coefficients, shape (g,)."""
    if (c >= 0).all() or (c <= 0).all():
        return np.zeros(len(fit.genes), dtype=bool)
    part = fit.design.to_numpy(float) @ (c != 0)
    return (fit.counts.matrix.T @ (part != 0) == 0) & np.isfinite(fit.log_likelihood)


def _extra_dimensions(full, reduced):
    """Dimensions that the full design has more, once it is sure that the fits can be compared."""
    for name in ("size_factors", "dispersions"):
        if not np.array_equal(getattr(full, name), getattr(reduced, name), equal_nan=True):
            raise InputError(f"the two fits have different {name.replace('_', ' ')}; fit both designs with the same")
    y, y_reduced = full.counts.matrix, reduced.counts.matrix
    if y is not y_reduced and (y.shape != y_reduced.shape or (y != y_reduced).sum()):
        raise InputError("the two fits have different counts; fit both designs to the same")
    x, x_reduced = full.design.to_numpy(float), reduced.design.to_numpy(float)
    if np.linalg.matrix_rank(np.hstack([x, x_reduced])) > x.shape[1]:
        raise InputError(
            f"the reduced design ({', '.join(map(str, reduced.design.columns))}) is not part of the full one "
            f"({', '.join(map(str, full.design.columns))}): a likelihood ratio compares nested designs"
        )
    if x.shape[1] == x_reduced.shape[1]:
        raise InputError("both designs describe the same models: the reduced one must lack what is to be tested")
    return x.shape[1] - x_reduced.shape[1]
