"""Many tests at once: adjustment, filtering beforehand, and rates of lists.

Chapters 3 and 4. `adjust` and `independent_filtering` turn p-values into false discovery rates, `average_rate` turns
local rates, such as the local false sign rate, into those of lists. Nothing here knows where its numbers come from.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scomics_lite.smoothing import robust_curve
from scomics_lite.validation import InputError, check_order, quoted

SHARES = 50  # of genes left out, that are tried
FEW = 10  # rejections: so few are no curve
SAME = 1e-10  # rates that differ by less are tied: sums of many terms have no more digits


def adjust(pvalues):
    """Adjust p-values for how many there are, by Benjamini and Hochberg (1995), leaving NaN out.

    Parameters
    ----------
    pvalues : array_like or Series, shape (g,)

    Returns
    -------
    ndarray or Series, shape (g,)
        The false discovery rate at which each gene would be called, NaN where the p-value is; a Series for a Series.

    Examples
    --------
    >>> adjust([0.01, np.nan, 0.04, 0.03])
    array([0.03,  nan, 0.04, 0.04])
    """
    values, names = _check_pvalues(pvalues), _names(pvalues)
    return _with_names(_adjust(values), names, "padj")


@dataclass(frozen=True, repr=False, eq=False)
class FilteredPvalues:
    """What independent filtering chose.

    Attributes
    ----------
    padj : ndarray or Series, shape (g,)
        Adjusted p-values, NaN below the threshold; a Series where names are known.
    threshold : float
        The value of the filter statistic below which genes are left out.
    theta : float
        The quantile of the filter statistic that this is.
    rejections : DataFrame
        For every quantile tried: ``theta``, ``rejections`` at level alpha, and the smooth curve through them.
    """

    padj: np.ndarray | pd.Series
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
    pvalues : array_like or Series, shape (g,)
        NaN for genes that are not tested.
    statistic : array_like or Series, shape (g,)
        What sorts, usually ``baseMean``; in the same order.
    alpha : float
        The level at which rejections are counted.

    Returns
    -------
    FilteredPvalues

    Raises
    ------
    InputError
        If the two have other lengths or names, or a gene has no statistic.

    Examples
    --------
    >>> result = independent_filtering([0.001, 0.002, 0.8, 0.9], [100, 80, 0, 0])
    >>> result.padj
    array([0.002, 0.002,   nan,   nan])
    """
    names = _names(pvalues, statistic)
    values, sorter = _check_pvalues(pvalues), _check_statistic(statistic, pvalues)
    zeros = (sorter == 0).mean()
    theta = np.linspace(zeros, 0.95 if zeros < 0.95 else 1.0, SHARES)
    thresholds = _quantiles(sorter, theta)
    rejections = _count_rejections(values, sorter, thresholds, alpha)
    smooth = robust_curve(theta, rejections.astype(float), 1 / 5)
    chosen = _first_near_the_top(rejections, smooth)
    padj = _adjust(np.where(sorter >= thresholds[chosen], values, np.nan))
    table = pd.DataFrame({"theta": theta, "threshold": thresholds, "rejections": rejections, "smooth": smooth})
    padj = _with_names(padj, names, "padj")
    return FilteredPvalues(padj, float(thresholds[chosen]), float(theta[chosen]), table)


def _adjust(pvalues):
    """Adjust the p-values that are known: the least of p (m / rank) over all that are not smaller."""
    known = np.flatnonzero(~np.isnan(pvalues))
    falling = known[np.argsort(-pvalues[known], kind="stable")]
    adjusted = np.full_like(pvalues, np.nan)
    m = len(known)
    adjusted[falling] = np.minimum.accumulate(np.minimum(m / np.arange(m, 0, -1) * pvalues[falling], 1))
    return adjusted


def _quantiles(values, shares):
    """Read quantiles off as R's ``quantile`` does, whose rounding tells which of tied genes a threshold keeps."""
    values, place = np.sort(values), 1 + (len(values) - 1) * shares
    low = np.floor(place).astype(int)
    below, above, part = values[low - 1], values[np.ceil(place).astype(int) - 1], place - low
    return np.where(below == above, below, (1 - part) * below + part * above)


def _count_rejections(pvalues, statistic, thresholds, alpha):
    """Count, for every threshold, the genes above it that are called at level alpha: the last p (m / rank) < alpha."""
    tested = np.sort(statistic[~np.isnan(pvalues)])
    m = len(tested) - np.searchsorted(tested, thresholds)
    small = np.flatnonzero(pvalues < alpha)
    small = small[np.argsort(pvalues[small])]
    kept = statistic[small, None] >= thresholds  # (small, thresholds)
    rank = kept.cumsum(axis=0)
    called = kept & (m / np.maximum(rank, 1) * pvalues[small, None] < alpha)
    return np.where(called, rank, 0).max(axis=0, initial=0)


def _first_near_the_top(rejections, smooth):
    """Find the first count above the top of the smooth curve less the residuals' root mean square."""
    if rejections.max() <= FEW:
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
    rates : array_like or Series, shape (g,)
        Local rates; NaN stays NaN.

    Returns
    -------
    ndarray or Series, shape (g,)
        A Series for a Series.

    Examples
    --------
    >>> average_rate([0.5, 0.01, np.nan, 0.03])
    array([0.18, 0.01,  nan, 0.02])
    """
    names, rates = _names(rates), np.asarray(rates, dtype=float)
    averages = np.full(rates.shape, np.nan)
    order = np.argsort(rates)[: np.count_nonzero(~np.isnan(rates))]  # NaN come last
    ordered = rates[order]
    means = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    averages[order] = means[np.searchsorted(ordered, ordered * (1 + SAME), side="right") - 1]
    return _with_names(averages, names)


# --- names and checks -------------------------------------------------------------------------------------------------


def _names(*values):
    """Give the index of the first that has one, or None."""
    return next((one.index for one in values if isinstance(one, pd.Series)), None)


def _with_names(values, names, name=None):
    return values if names is None else pd.Series(values, names, name=name)


def _check_pvalues(pvalues):
    """Give p-values as an array, NaN among them; refuse what is none."""
    values = np.asarray(pvalues, dtype=float)
    if values.ndim != 1:
        raise InputError(f"one p-value for each gene is needed, got shape {values.shape}; of a table take one column")
    wrong = np.flatnonzero(~np.isnan(values) & ~((values >= 0) & (values <= 1)))
    if wrong.size:
        raise InputError(f"p-values are between 0 and 1; {_gene(pvalues, wrong[0])} has {values[wrong[0]]:.6g}")
    return values


def _check_statistic(statistic, pvalues):
    """Give the statistic as an array, one for each p-value and in their order."""
    values, g = np.asarray(statistic, dtype=float), len(pvalues)
    if isinstance(pvalues, pd.Series):
        check_order(statistic, pvalues.index, "statistic", of="p-values")
    if values.shape != (g,) or not g:
        raise InputError(f"every p-value needs a statistic: got {g:,} p-values and a statistic of shape {values.shape}")
    missing = np.flatnonzero(np.isnan(values))
    if missing.size:
        raise InputError(
            f"genes are sorted by their statistic, and {_gene(statistic, missing[0])} has none; leave out the genes "
            "without one, or give them 0"
        )
    return values


def _gene(values, place):
    """Name a gene for a message."""
    return f"gene {quoted(values.index[place])}" if isinstance(values, pd.Series) else f"gene {place}"
