"""Count calls: those of genes that do not differ, and those of genes that do."""

import numpy as np
import pandas as pd
from scipy import stats

from scomics_lite.calibration.counting import LEVELS, check_levels, checked, over_sets, shares
from scomics_lite.validation import InputError


def pvalues(results, levels=(0.001, 0.01, 0.05), *, by=None):
    """Count how often the p-values of genes that do not differ lie below a level: as often as it says, if they hold.

    Parameters
    ----------
    results : DataFrame
        From `study`. Genes without a p-value are not counted.
    levels : sequence of float
    by : str or list of str, optional
        Columns of the results by which to count apart, such as a setting that was varied.

    Returns
    -------
    DataFrame
        ``method``, the columns of `by`, ``level``, ``share``, the mean over the sets, and ``share_se``, its standard
        error.

    Examples
    --------
    >>> truth, p = [0, 0, 0, 0, 2], [0.03, 0.3, 0.5, 0.8, 1e-4]
    >>> pvalues(pd.DataFrame({"method": "t", "set": 0, "truth": truth, "pvalue": p}), levels=[0.05])
      method  level  share  share_se
    0      t   0.05   0.25       NaN
    """
    nulls = _nulls(results)
    return shares(nulls, _below(nulls, "pvalue", levels), by)


def power(results, levels=(0.001, 0.01, 0.05), *, by=None):
    """Count how often the p-values of genes that differ lie below a level.

    It compares two methods only where both keep their level: see `pvalues`.

    Parameters
    ----------
    results : DataFrame
        From `study`. Genes without a p-value are counted as missed.
    levels : sequence of float
    by : str or list of str, optional
        Columns of the results by which to count apart: ``"truth"`` does so by the size of the effect.

    Returns
    -------
    DataFrame
        As that of `pvalues`.

    Examples
    --------
    >>> truth, p = [0, 1, 1, 2, 2], [0.03, 0.3, 0.01, 0.02, 1e-4]
    >>> power(pd.DataFrame({"method": "t", "set": 0, "truth": truth, "pvalue": p}), levels=[0.05], by="truth")
      method  truth  level  share  share_se
    0      t      1   0.05    0.5       NaN
    1      t      2   0.05    1.0       NaN
    """
    results = checked(results, "pvalue")
    differing = results[results["truth"] != 0]
    if differing.empty:
        raise InputError("no gene has an effect, so there is nothing to be found: simulate some that have")
    return shares(differing, _below(differing, "pvalue", levels), by)


def confusion(results, changed, level=0.05):
    """Count how often each test calls genes, by what was changed in them.

    A test of the mean, say, should call genes whose mean changed, and of those in which only something else did no more
    than the level. So this is power where a test asks for what was changed, and the rate of false positives elsewhere.

    Parameters
    ----------
    results : DataFrame
        From `study`, with what was changed in a gene kept: ``keep="changed"``. Genes without a p-value are counted as
        not called.
    changed : str
        Column that says what was changed, by name.
    level : float
        A gene is called where its p-value is below.

    Returns
    -------
    DataFrame
        ``method``, the column `changed`, ``level``, ``share``, the mean over the sets of the share of genes called, and
        ``share_se``, its standard error; both in the order in which they come in the results.

    Examples
    --------
    >>> table = pd.DataFrame({"gene": list("abcd"), "changed": ["mean", "mean", "zero", "zero"]})
    >>> tests = {"of the mean": [0.01, 0.02, 0.3, 0.9], "of zeros": [0.2, 0.03, 0.001, 0.6]}
    >>> results = pd.concat([table.assign(method=name, set=0, truth=0, pvalue=p) for name, p in tests.items()])
    >>> table = confusion(results, "changed")
    >>> table.pivot(index="changed", columns="method", values="share").to_dict()
    {'of the mean': {'mean': 1.0, 'zero': 0.0}, 'of zeros': {'mean': 0.5, 'zero': 0.5}}
    """
    results = checked(results, "pvalue")
    return shares(results, _below(results, "pvalue", [level]), changed)


def uniformity(results):
    """Test whether the p-values of genes that do not differ are uniform, by Kolmogorov and Smirnov's test.

    Parameters
    ----------
    results : DataFrame
        From `study`. Genes without a p-value are not counted.

    Returns
    -------
    DataFrame
        One row a method and set: ``method``, ``set``, ``genes``, the largest ``distance`` between the distribution of
        their p-values and the uniform one, and the ``pvalue`` of that distance. It takes genes for independent, which
        those of one set are not quite, so one small value among many sets says little.

    Examples
    --------
    >>> p = (np.arange(100) + 0.5) / 100
    >>> uniformity(pd.DataFrame({"method": "exact", "set": 0, "truth": 0, "pvalue": p})).round(3)
      method  set  genes  distance  pvalue
    0  exact    0    100     0.005     1.0
    """
    nulls = _nulls(results)
    rows = []
    for (method, number), p in nulls.groupby(["method", "set"], observed=True)["pvalue"]:
        test = stats.kstest(p, "uniform")
        rows.append([method, number, len(p), test.statistic, test.pvalue])
    table = pd.DataFrame(rows, columns=["method", "set", "genes", "distance", "pvalue"])
    return table.astype({"method": nulls["method"].dtype})


def false_discoveries(results, levels=LEVELS):
    """Compare the false discovery rate that was promised with that of the calls, and say how much was found.

    Parameters
    ----------
    results : DataFrame
        From `study`. Genes without an adjusted p-value are not called, but count as missed where they differ.
    levels : sequence of float
        A gene is called where padj is below.

    Returns
    -------
    DataFrame
        ``method``, ``level``, ``fdr``, the mean over the sets of the share of calls that do not differ (0 in a set
        without calls), ``power``, that of the differing genes that are called, the standard errors ``fdr_se`` and
        ``power_se`` of both, and ``calls``, the mean number.

    Examples
    --------
    >>> truth, padj = [1, 1, 0, 0], [0.01, 0.2, 0.03, 0.5]
    >>> table = pd.DataFrame({"method": "t", "set": 0, "truth": truth, "padj": padj})
    >>> false_discoveries(table, levels=[0.05])[["fdr", "power", "calls"]]
       fdr  power  calls
    0  0.5    0.5    2.0
    """
    results = checked(results, "padj")
    differs = results["truth"] != 0
    by_set = [results["method"], results["set"]]
    n_differ = differs.groupby(by_set, observed=True).sum().replace(0, np.nan)  # no power where there is nothing
    called = _below(results, "padj", levels)
    calls = called.groupby(by_set, observed=True).sum()
    true = called.mul(differs, axis=0).groupby(by_set, observed=True).sum()
    found = over_sets(fdr=(calls - true) / calls.clip(lower=1), power=true.div(n_differ, axis=0), calls=calls)
    return found.drop(columns="calls_se")


def _below(results, column, levels):
    return pd.DataFrame({level: results[column] < level for level in check_levels(levels)})


def _nulls(results):
    """Genes that do not differ and have a p-value."""
    results = checked(results, "pvalue")
    nulls = results[(results["truth"] == 0) & results["pvalue"].notna()]
    if nulls.empty:
        raise InputError("no gene without an effect has a p-value: simulate some, changed_fraction below 1")
    return nulls
