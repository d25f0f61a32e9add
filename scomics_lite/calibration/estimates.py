"""Count wrong signs of estimates, and intervals that miss the truth."""

import numpy as np
import pandas as pd

from scomics_lite.calibration.counting import LEVELS, check_levels, checked, grouping, over_sets, ratio_error
from scomics_lite.validation import InputError

BINS = (0, 0.01, 0.05, *(step / 10 for step in range(1, 11)))


def coverage(results, *, by=None):
    """Count how often intervals hold the truth, and on which side they miss it.

    Parameters
    ----------
    results : DataFrame
        From `study`, whose methods gave tables with the ends ``lower`` and ``upper`` of an interval; an end that is
        open is infinite. Genes that lack an end have no interval.
    by : str or list of str, optional
        Columns of the results by which to count apart: ``"truth"``, a setting that was varied, or bins that
        ``pandas.cut`` gave.

    Returns
    -------
    DataFrame
        ``method``, the columns of `by`, ``genes`` with an interval, ``covered``, the share of these whose interval
        holds the truth, ``covered_se``, its standard error over sets (as in `sign_errors`), the shares ``truth_below``
        and ``truth_above`` of those whose truth lies below or above their interval, and ``missing``, the number of
        genes without an interval. An honest interval at 95 % misses on each side 2.5 %, but where the truth is at the
        edge of what is possible.

    Examples
    --------
    >>> ends = {"truth": [1.0, 1, 1, 1], "lower": [0.5, -np.inf, 1.2, np.nan], "upper": [2.0, 1.5, 3, 2]}
    >>> coverage(pd.DataFrame({"method": "profile", "set": 0, **ends})).round(2)
        method  genes  covered  covered_se  truth_below  truth_above  missing
    0  profile      3     0.67         NaN         0.33          0.0        1
    """
    results, keys = grouping(checked(results, "lower", "upper"), by)
    has_interval = results[["lower", "upper"]].notna().all(axis=1)
    below, above = results["truth"] < results["lower"], results["truth"] > results["upper"]
    is_there = {"genes": has_interval, "missing": ~has_interval}
    misses = {"truth_below": has_interval & below, "truth_above": has_interval & above}
    counted = pd.DataFrame({**is_there, "covered": has_interval & ~below & ~above, **misses}).astype(int)
    by_set = counted.groupby([results[key] for key in (*keys, "set")], observed=True).sum()
    total = by_set.groupby(level=keys, observed=True).sum()
    rates = ["covered", "truth_below", "truth_above"]
    total[rates] = total[rates].div(total["genes"].replace(0, np.nan), axis=0)
    total["covered_se"] = ratio_error(by_set[by_set["genes"] > 0], "covered", total["covered"])
    return total[["genes", "covered", "covered_se", "truth_below", "truth_above", "missing"]].reset_index()


def sign_errors(results, bins=BINS):
    """Compare local false sign rates with the share of genes that have the wrong sign.

    A gene's sign is that of its estimate. It is wrong if the true effect has the other one, and if there is no effect:
    so the local false sign rate counts (Stephens 2017).

    Parameters
    ----------
    results : DataFrame
        From `study`. Genes without an ``lfsr`` are not counted.
    bins : sequence of float
        Edges of the bins; a gene lies in the one whose lower edge is below its lfsr, and the upper one not.

    Returns
    -------
    DataFrame
        ``method``, the edges ``lower`` and ``upper``, ``genes``, ``claimed``, their mean lfsr, ``observed``, the share
        of wrong signs, and its standard error ``observed_se``. With e_s errors among n_s genes of set s, S sets and
        R = sum e / sum n,

            observed_se^2 = S / (S - 1) sum over s of (e_s - R n_s)^2 / (sum n)^2

        Bins without a gene are left out.

    Examples
    --------
    >>> columns = {"truth": [2.0, 1, 0, -1], "estimate": [1.5, 1, 0.1, 0.2], "lfsr": [0.01, 0.02, 0.6, 0.4]}
    >>> table = pd.DataFrame({"method": "ash", "set": 0, **columns})
    >>> sign_errors(table, bins=[0, 0.1, 1])[["genes", "claimed", "observed"]]
       genes  claimed  observed
    0      2    0.015       0.0
    1      2    0.500       1.0
    """
    counted = _sign_claims(results, "lfsr").assign(genes=1)
    edges = _check_bins(bins)
    counted["bin"] = pd.cut(counted["lfsr"], edges, labels=False, include_lowest=True)
    keys = ["method", "bin", "set"]
    by_set = counted.dropna(subset="bin").groupby(keys, observed=True)[["genes", "lfsr", "wrong"]].sum()
    total = by_set.groupby(keys[:2], observed=True).sum()
    total["observed"] = total["wrong"] / total["genes"]
    total["observed_se"] = ratio_error(by_set, "wrong", total["observed"])
    table = total.assign(claimed=total["lfsr"] / total["genes"]).reset_index()
    place = table["bin"].astype(int)
    table = table.assign(lower=edges[place], upper=edges[place + 1])
    return table[["method", "lower", "upper", "genes", "claimed", "observed", "observed_se"]]


def false_signs(results, levels=LEVELS):
    """Compare s-values with the share of wrong signs among all genes that lie below: the false sign rate.

    Parameters
    ----------
    results : DataFrame
        From `study`. Genes without an ``svalue`` are not counted; signs as in `sign_errors`.
    levels : sequence of float
        A gene is counted where its s-value is below.

    Returns
    -------
    DataFrame
        ``method``, ``level``, ``fsr``, the mean over the sets of the share of wrong signs (0 in a set without a gene),
        its standard error ``fsr_se``, and ``calls``, the mean number of genes.

    Examples
    --------
    >>> columns = {"truth": [2.0, 1, 0, -1], "estimate": [1.5, 1, 0.1, 0.2], "svalue": [0.01, 0.02, 0.03, 0.4]}
    >>> table = pd.DataFrame({"method": "ash", "set": 0, **columns})
    >>> false_signs(table, levels=[0.05])[["fsr", "calls"]].round(2)
        fsr  calls
    0  0.33    3.0
    """
    counted = _sign_claims(results, "svalue")
    by_set = [counted["method"], counted["set"]]
    below = pd.DataFrame({level: counted["svalue"] < level for level in check_levels(levels)})
    calls = below.groupby(by_set, observed=True).sum()
    wrong = below.mul(counted["wrong"], axis=0).groupby(by_set, observed=True).sum()
    return over_sets(fsr=wrong / calls.clip(lower=1), calls=calls).drop(columns="calls_se")


def _sign_claims(results, column):
    """Genes with the claim, and whether the sign of their estimate is wrong."""
    results = checked(results, column, "estimate")
    claimed = results[results[column].notna()]
    wrong = (np.sign(claimed["estimate"]) != np.sign(claimed["truth"])) | (claimed["truth"] == 0)
    return claimed[["method", "set", column]].assign(wrong=wrong)


def _check_bins(bins):
    edges = np.asarray(bins, dtype=float)
    if not (edges.ndim == 1 and edges.size > 1 and (np.diff(edges) > 0).all()):
        raise InputError(f"bins are edges that rise, at least two; got {bins!r}")
    return edges
