"""Many tests at once: adjustment, filtering beforehand, and rates of lists.

Chapters 3 and 4. `adjust` and `independent_filtering` turn p-values into false discovery rates, `average_rate` turns
local rates, such as the local false sign rate, into those of lists. Nothing here knows where its numbers come from.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.nonparametric.smoothers_lowess import lowess

SAME = 1e-10  # rates that differ by less are tied: sums of many terms have no more digits


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
