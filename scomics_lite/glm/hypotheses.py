"""Tests of fitted regressions: Wald and likelihood ratio.

Reached as `scomics_lite.glm.wald_test` and so on; here because a page should hold one thought. The functions take fits
of `scomics_lite.glm.fit`.
"""

import numpy as np
import pandas as pd
from scipy import stats

from scomics_lite.design import column_rank
from scomics_lite.design import contrast as contrast_vector
from scomics_lite.glm.empty_groups import compared_samples
from scomics_lite.multiple_testing import adjust
from scomics_lite.validation import Counts, InputError, check_threshold, did_you_mean

ALTERNATIVES = ("greater_abs", "less_abs", "greater", "less")


def wald_test(fit, contrast, *, lfc_threshold=0.0, alternative="greater_abs"):
    """Test a sum of coefficients in every gene by its size over its standard error.

    With the estimate b = c'beta / ln 2, its standard error s = sqrt(c' covariance c) / ln 2 and the threshold T >= 0,
    Phi the normal distribution (Love, Huber and Anders 2014, "Wald test" and "Composite null hypotheses"):

        greater_abs    |b| > T    stat = sign(b) max((|b| - T) / s, 0)     p = min(1, 2 (1 - Phi((|b| - T) / s)))
        less_abs       |b| < T    stat = max(min(T - b, T + b) / s, 0)     p = the larger of both one-sided ones
        greater        b > T      stat = max((b - T) / s, 0)               p = 1 - Phi((b - T) / s)
        less           b < -T     stat = min((b + T) / s, 0)               p = Phi((b + T) / s)

    A gene without a count in the samples that the contrast compares says nothing about it: 0, with p = 1, as in DESeq2,
    whichever level is the reference; see `scomics_lite.glm.empty_groups`.

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
        ``pvalue``, ``padj`` (Benjamini and Hochberg 1995). NaN where there is no fit, or one that did not converge.

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
    estimate, error = (
        np.where(fit.converged, values, np.nan) / np.log(2)
        for values in (fit.coefficients @ c, np.sqrt(fit.contrast_variance(c)))
    )
    empty = _without_counts(fit, c)
    estimate[empty] = 0.0
    stat, pvalue = _claim(estimate, error, lfc_threshold, alternative)
    stat[empty], pvalue[empty] = 0.0, 1.0
    table = {"log2FoldChange": estimate, "lfcSE": error, "stat": stat, "pvalue": pvalue, "padj": adjust(pvalue)}
    return pd.DataFrame({"baseMean": fit.base_mean, **table}, index=fit.genes)


def likelihood_ratio_test(full, reduced, *, map=map):
    """Test whether the columns that only the full design has are needed, by twice the difference of log likelihoods.

    stat = 2 (l_full - l_reduced) is compared with the chi-squared distribution, with as many degrees of freedom as the
    full design has dimensions more. Both fits need the same counts, size factors and dispersions.

    Both l are the highest there are. Fits in which means below `min_mean` were held up during the iterations, as
    DESeq2's are, stop short of them: these genes climb on (`GlmFit.highest_log_likelihood`). DESeq2 compares where its
    fits stopped, so that its `stat` can be far too low for genes with a mean of some counts and less, even below zero.
    With only an intercept left, it puts the mean of the normalized counts in place of the reduced fit; here it is a fit
    like any other.

    Parameters
    ----------
    full, reduced : GlmFit
        From `scomics_lite.glm.fit`.
    map : callable
        What applies the work to blocks of genes; see `scomics_lite.blocks`.

    Returns
    -------
    DataFrame
        Indexed by gene: ``baseMean``, ``stat``, ``df``, ``pvalue``, ``padj`` (Benjamini and Hochberg 1995). NaN where
        one of the fits is missing or did not converge.

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
    stat = 2 * (full.highest_log_likelihood(map=map) - reduced.highest_log_likelihood(map=map))
    pvalue = stats.chi2.sf(stat, df)
    table = {"baseMean": full.base_mean, "stat": stat, "df": df, "pvalue": pvalue, "padj": adjust(pvalue)}
    return pd.DataFrame(table, index=full.genes)


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
    """Which fitted genes have no count in any sample that the contrast compares, shape (g,)."""
    compared = compared_samples(fit.design, c)
    counted = Counts(fit.counts.matrix[compared], fit.counts.samples[compared], fit.genes).positive_samples()
    return (counted == 0) & np.isfinite(fit.log_likelihood)


def _extra_dimensions(full, reduced):
    """Dimensions that the full design has more, once it is sure that the fits can be compared."""
    for name in ("size_factors", "dispersions"):
        if not np.array_equal(getattr(full, name), getattr(reduced, name), equal_nan=True):
            raise InputError(f"the two fits have different {name.replace('_', ' ')}; fit both designs with the same")
    y, y_reduced = full.counts.matrix, reduced.counts.matrix
    if y is not y_reduced and (y.shape != y_reduced.shape or (y != y_reduced).sum()):
        raise InputError("the two fits have different counts; fit both designs to the same")
    x, x_reduced = full.design.to_numpy(float), reduced.design.to_numpy(float)
    if column_rank(np.hstack([x, x_reduced])) > x.shape[1]:
        raise InputError(
            f"the reduced design ({', '.join(map(str, reduced.design.columns))}) is not part of the full one "
            f"({', '.join(map(str, full.design.columns))}): a likelihood ratio compares nested designs"
        )
    if x.shape[1] == x_reduced.shape[1] == 1:
        raise InputError(
            "without its only column the design is empty, and there is nothing to compare with: add to the formula "
            "what is to be compared, '~ condition'"
        )
    if x.shape[1] == x_reduced.shape[1]:
        raise InputError("both designs describe the same models: the reduced one must lack what is to be tested")
    return x.shape[1] - x_reduced.shape[1]
