"""Does a method keep its promises? Simulated studies in which the truth is known, and what was claimed beside it.

A p-value, an adjusted p-value and a local false sign rate are claims about how often something is wrong:

    p-value     of the genes that do not differ, a share t has p < t                            `pvalues`, `uniformity`
    padj        of the genes with padj < q, at most a share q does not differ                    `false_discoveries`
    lfsr        of the genes with an lfsr near l, a share l has the wrong sign, or no effect     `sign_errors`
    s-value     of the genes with svalue < q, at most a share q has                              `false_signs`

No real data set can show whether they hold. `study` simulates one set after the other, lets methods analyse it and
keeps the claims next to the truth, one row for every method, set and gene; the functions above count. All of it is a
DataFrame, so that a question of one's own is a line of pandas: ``results[results["baseMean"] > 10]`` has the genes with
enough counts.

For counts like one's own, simulate with ``parameters=simulate.estimate_parameters(adata)`` and as many samples as there
are.

Sets, not genes, are what is repeated: the genes of one set share their dispersion trend, their prior and their bad
luck. So every standard error here is one over sets.
"""

import anndata
import numpy as np
import pandas as pd
from scipy import stats
from tqdm import tqdm

from scomics_lite.progress import no_bar
from scomics_lite.validation import InputError, did_you_mean

ESTIMATES = ("shrunken", "posterior_mean", "log2FoldChange")  # the first that a table has is the method's estimate
CLAIMS = ("baseMean", "pvalue", "padj", "estimate", "lfsr", "svalue")
PREFIX = "log2_fold_change["  # of the columns in which simulate.bulk_counts keeps the truth
LEVELS = (0.01, 0.05, 0.1, 0.2)
BINS = (0, 0.01, 0.05, *(step / 10 for step in range(1, 11)))


def study(simulate, analyse, *, sets=20, rng, truth=None, progress=True):
    """Simulate sets, analyse each, and keep what was claimed beside the truth.

    Parameters
    ----------
    simulate : callable
        Takes a numpy.random.Generator. Gives an AnnData as `scomics_lite.simulate.bulk_counts` does, or two things:
        data of any kind, and the true effects, a Series or an array of shape (g,), 0 where there is none.
    analyse : callable
        Takes the data. Gives a table indexed by gene, as `scomics_lite.differential.test` does; the result of
        `scomics_lite.empirical_bayes.ash`; or only the p-values, shape (g,), in the order of the truth. Or a dict with
        one of these for every method.
    sets : int
        How many sets.
    rng : numpy.random.Generator or int
        Source of randomness. Set i gets ``np.random.default_rng(rng).spawn(sets)[i]``, whatever the others do, so any
        one of them can be made again alone.
    truth : str, optional
        Column of ``adata.var`` with the true effects; needed where several are called ``log2_fold_change[...]``.
    progress : bool
        Whether to show how many sets are done.

    Returns
    -------
    DataFrame
        One row for every method, set and gene: ``method``, ``set``, ``gene``, ``truth``, and of the following those
        that any method has, NaN where one makes no claim: ``baseMean``, ``pvalue``, ``padj``, ``estimate`` (the table's
        ``shrunken`` or ``posterior_mean``, else its ``log2FoldChange``), ``lfsr``, ``svalue``.

    Raises
    ------
    InputError
        If what `simulate` or `analyse` gives cannot be used. An error of their own carries a note of the set.

    Examples
    --------
    >>> from scomics_lite import differential
    >>> from scomics_lite.simulate import bulk_counts
    >>> def simulate(rng):
    ...     return bulk_counts(["A"] * 3 + ["B"] * 3, 200, rng=rng)
    >>> def analyse(adata):
    ...     return differential.test(adata, "~ condition", ("condition", "B", "A"), progress=False)
    >>> results = study(simulate, analyse, sets=2, rng=1, progress=False)
    >>> results.shape, results.columns.tolist()
    ((400, 8), ['method', 'set', 'gene', 'truth', 'baseMean', 'pvalue', 'padj', 'estimate'])

    Effects without counts, and a test of z:

    >>> def simulate(rng):
    ...     truth = np.repeat([0.0, 3.0], 500)
    ...     return rng.normal(truth), truth
    >>> results = study(simulate, lambda z: 2 * stats.norm.sf(np.abs(z)), rng=1, progress=False)
    >>> pvalues(results, levels=[0.05]).round(3)
         method  level  share  share_se
    0  analysis   0.05  0.048     0.002
    """
    _check_settings(sets, rng)
    parts = []
    for number, generator in enumerate(tqdm(np.random.default_rng(rng).spawn(sets), "sets", disable=no_bar(progress))):
        try:
            data, true = _with_truth(simulate(generator), truth)
            for method, found in _by_method(analyse(data)).items():
                claims = _claims(found, true)
                parts.append(pd.DataFrame({"method": method, "set": number, "gene": true.index, "truth": true.array}))
                parts[-1] = parts[-1].join(claims.reset_index(drop=True))
        except Exception as error:
            error.add_note(f"in set {number}, whose rng is np.random.default_rng(rng).spawn({sets})[{number}]")
            raise
    results = pd.concat(parts, ignore_index=True)
    columns = [name for name in CLAIMS if name in results]
    return _ordered(results[["method", "set", "gene", "truth", *columns]].astype({"gene": "category"}))


def pvalues(results, levels=(0.001, 0.01, 0.05)):
    """Count how often the p-values of genes that do not differ lie below a level: as often as it says, if they hold.

    Parameters
    ----------
    results : DataFrame
        From `study`. Genes without a p-value are not counted.
    levels : sequence of float

    Returns
    -------
    DataFrame
        ``method``, ``level``, ``share``, the mean over the sets, and ``share_se``, its standard error.

    Examples
    --------
    >>> truth, p = [0, 0, 0, 0, 2], [0.03, 0.3, 0.5, 0.8, 1e-4]
    >>> pvalues(pd.DataFrame({"method": "t", "set": 0, "truth": truth, "pvalue": p}), levels=[0.05])
      method  level  share  share_se
    0      t   0.05   0.25       NaN
    """
    nulls = _nulls(results)
    below = pd.DataFrame({level: nulls["pvalue"] < level for level in _check_levels(levels)})
    return _over_sets(share=below.groupby([nulls["method"], nulls["set"]], observed=True).mean())


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
    results = _checked(results, "padj")
    differs = results["truth"] != 0
    by_set = [results["method"], results["set"]]
    n_differ = differs.groupby(by_set, observed=True).sum().replace(0, np.nan)  # no power where there is nothing
    called = pd.DataFrame({level: results["padj"] < level for level in _check_levels(levels)})
    calls = called.groupby(by_set, observed=True).sum()
    true = called.mul(differs, axis=0).groupby(by_set, observed=True).sum()
    found = _over_sets(fdr=(calls - true) / calls.clip(lower=1), power=true.div(n_differ, axis=0), calls=calls)
    return found.drop(columns="calls_se")


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
    total["observed_se"] = _ratio_error(by_set, total["observed"]) / total["genes"]
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
    below = pd.DataFrame({level: counted["svalue"] < level for level in _check_levels(levels)})
    calls = below.groupby(by_set, observed=True).sum()
    wrong = below.mul(counted["wrong"], axis=0).groupby(by_set, observed=True).sum()
    return _over_sets(fsr=wrong / calls.clip(lower=1), calls=calls).drop(columns="calls_se")


# --- collecting -------------------------------------------------------------------------------------------------------


def _with_truth(simulated, column):
    """Give the data and the true effects, a Series."""
    if isinstance(simulated, anndata.AnnData):
        return simulated, simulated.var[_truth_column(simulated.var, column)]
    if not (isinstance(simulated, tuple) and len(simulated) == 2):
        raise InputError(f"simulate gives an AnnData, or data and true effects; got {type(simulated).__name__}")
    if column is not None:
        raise InputError(f"truth={column!r} names a column of an AnnData; simulate gave the true effects itself")
    data, true = simulated
    true = true if isinstance(true, pd.Series) else pd.Series(np.asarray(true))
    if not (pd.api.types.is_numeric_dtype(true) and np.isfinite(true).all()):
        raise InputError("the true effects are finite numbers, 0 for a gene that does not differ")
    return data, true.astype(float)


def _truth_column(var, column):
    if column is not None:
        if column not in var:
            raise InputError(f"var has no column {column!r}; {did_you_mean(column, var)}")
        return column
    found = [name for name in var if str(name).startswith(PREFIX)]
    if len(found) != 1:
        none = "var has no column log2_fold_change[...]; say which one holds the true effects: truth=…"
        raise InputError(f"several true effects are there; choose one: truth={found[0]!r}" if found else none)
    return found[0]


def _by_method(found):
    if isinstance(found, dict) and found:
        return found
    return {"analysis": found}


def _table(found, genes):
    """Read what analyse gave: a table, a result that has one, or p-values."""
    if isinstance(found, pd.DataFrame):
        return found
    if hasattr(found, "to_frame"):  # a Series has it too
        return found.to_frame("pvalue") if isinstance(found, pd.Series) else found.to_frame()
    pvalues = np.asarray(found)
    if pvalues.shape != genes.shape:
        raise InputError(f"analyse gives a table or {len(genes)} p-values; got {type(found).__name__} {pvalues.shape}")
    return pd.DataFrame({"pvalue": pvalues}, index=genes)


def _claims(found, true):
    """Give what one method claims of every gene, (g, claims), genes that it left out as NaN."""
    table = _table(found, true.index)
    unknown = table.index.difference(true.index)
    if len(unknown) or table.index.has_duplicates:
        what = f"gene {unknown[0]!r}, which the truth has not" if len(unknown) else "a gene twice"
        raise InputError(f"the table of analyse has {what}; its index is that of the truth")
    estimate = next((table[name] for name in ESTIMATES if name in table), None)
    table = table if estimate is None else table.assign(estimate=estimate)
    claims = [name for name in CLAIMS if name in table]
    if not claims:
        raise InputError(f"the table of analyse has none of the columns {', '.join(CLAIMS + ESTIMATES)}")
    return table[claims].astype(float).reindex(true.index)


def _ordered(results):
    """Keep the methods in the order in which they come, also where studies were joined by pandas.concat."""
    return results.astype({"method": pd.CategoricalDtype(results["method"].unique())})


# --- counting ---------------------------------------------------------------------------------------------------------


def _nulls(results):
    """Genes that do not differ and have a p-value."""
    results = _checked(results, "pvalue")
    nulls = results[(results["truth"] == 0) & results["pvalue"].notna()]
    if nulls.empty:
        raise InputError("no gene without an effect has a p-value: simulate some, changed_fraction below 1")
    return nulls


def _sign_claims(results, column):
    """Genes with the claim, and whether the sign of their estimate is wrong."""
    results = _checked(results, column, "estimate")
    claimed = results[results[column].notna()]
    wrong = (np.sign(claimed["estimate"]) != np.sign(claimed["truth"])) | (claimed["truth"] == 0)
    return claimed[["method", "set", column]].assign(wrong=wrong)


def _over_sets(**by_set):
    """Give mean and standard error over the sets of numbers that are there by method and set (rows) and level."""
    columns = {}
    for name, numbers in by_set.items():
        by_method = numbers.rename_axis(columns="level").groupby("method", observed=True)
        columns[name] = by_method.mean().melt(ignore_index=False).set_index("level", append=True)["value"]
        columns[f"{name}_se"] = by_method.sem().melt(ignore_index=False).set_index("level", append=True)["value"]
    return pd.DataFrame(columns).sort_index(level="method", sort_remaining=False, kind="stable").reset_index()


def _ratio_error(by_set, ratio):
    """Give the standard error of the errors of a method and bin, given their share: sets are what varies."""
    expected = by_set["genes"] * ratio.reindex(by_set.index.droplevel("set")).array
    square = ((by_set["wrong"] - expected) ** 2).groupby(["method", "bin"], observed=True).agg(["sum", "size"])
    return np.sqrt(square["sum"] * square["size"] / (square["size"] - 1).replace(0, np.nan))


# --- checking ---------------------------------------------------------------------------------------------------------


def _check_settings(sets, rng):
    if not (isinstance(sets, int | np.integer) and sets >= 1):
        raise InputError(f"sets is how many to simulate, at least 1; got {sets!r}")
    if not isinstance(rng, np.random.Generator | int | np.integer):
        raise InputError(f"rng must be a number (the seed) or a numpy.random.Generator; got {rng!r}")


def _checked(results, *columns):
    """Give the results, or say what they lack."""
    if not isinstance(results, pd.DataFrame):
        raise InputError(f"results are the table that study gives; got {type(results).__name__}")
    for column in ("method", "set", "truth", *columns):
        if column not in results:
            raise InputError(
                f"the results have no column {column!r}: no table of analyse had it; {did_you_mean(column, results)}"
            )
    return _ordered(results)


def _check_levels(levels):
    levels = np.atleast_1d(np.asarray(levels, dtype=float))
    if not (levels.ndim == 1 and levels.size and ((levels > 0) & (levels < 1)).all()):
        raise InputError(f"levels lie between 0 and 1; got {levels}")
    return levels.tolist()


def _check_bins(bins):
    edges = np.asarray(bins, dtype=float)
    if not (edges.ndim == 1 and edges.size > 1 and (np.diff(edges) > 0).all()):
        raise InputError(f"bins are edges that rise, at least two; got {bins!r}")
    return edges
