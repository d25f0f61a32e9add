"""Simulate one set after the other, analyse each, and keep the claims beside the truth."""

import anndata
import numpy as np
import pandas as pd
from tqdm import tqdm

from scomics_lite.calibration.counting import ordered
from scomics_lite.progress import no_bar
from scomics_lite.validation import InputError, did_you_mean

ESTIMATES = ("shrunken", "posterior_mean", "log2FoldChange")  # the first that a table has is the method's estimate
CLAIMS = ("baseMean", "pvalue", "padj", "estimate", "lfsr", "svalue", "lower", "upper")
ROW = ("method", "set", "gene", "truth")  # whose claim it is, and about what
PREFIX = "log2_fold_change["  # of the columns in which simulate.bulk_counts keeps the truth


def study(simulate, analyse, *, sets=20, rng, truth=None, keep=(), progress=True):
    """Simulate sets, analyse each, and keep what was claimed beside the truth.

    Parameters
    ----------
    simulate : callable
        Takes a numpy.random.Generator. Gives an AnnData as `scomics_lite.simulate.bulk_counts` does, or two things:
        data of any kind, and the true effects, a Series or an array of shape (g,), 0 where there is none. Or, where
        there is more than one truth, a DataFrame of these, one row for every gene, like the ``var`` of an AnnData.
    analyse : callable
        Takes the data. Gives a table indexed by gene, as `scomics_lite.differential.test` does; the result of
        `scomics_lite.empirical_bayes.ash`; or only the p-values, shape (g,), in the order of the truth. Or a dict with
        one of these for every method.
    sets : int
        How many sets.
    rng : numpy.random.Generator or int
        Source of randomness. Set i gets ``np.random.default_rng(rng).spawn(sets)[i]``, whatever the others do, so any
        one of them can be made again alone.
    truth : str or dict of str, optional
        Column of ``adata.var``, or of the DataFrame, with the true effects; needed where several are called
        ``log2_fold_change[...]``. A dict says which column is the truth of which method, where methods ask for
        different things.
    keep : str or list of str
        Further columns of ``adata.var``, or of the DataFrame, that are kept beside every claim: what was changed in a
        gene, say.
    progress : bool
        Whether to show how many sets are done.

    Returns
    -------
    DataFrame
        One row for every method, set and gene: ``method``, ``set``, ``gene``, ``truth``, the columns to keep, and of
        the following those that any method has, NaN where one makes no claim: ``baseMean``, ``pvalue``, ``padj``,
        ``estimate`` (the table's ``shrunken`` or ``posterior_mean``, else its ``log2FoldChange``), ``lfsr``,
        ``svalue``, and the ends ``lower`` and ``upper`` of an interval.

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

    >>> from scipy import stats
    >>> from scomics_lite.calibration import pvalues
    >>> def simulate(rng):
    ...     truth = np.repeat([0.0, 3.0], 500)
    ...     return rng.normal(truth), truth
    >>> results = study(simulate, lambda z: 2 * stats.norm.sf(np.abs(z)), rng=1, progress=False)
    >>> pvalues(results, levels=[0.05]).round(3)
         method  level  share  share_se
    0  analysis   0.05  0.048     0.002

    Two parameters, each with an interval of its own:

    >>> def simulate(rng):
    ...     truth = pd.DataFrame({"mean": np.zeros(300), "sd": 1.0})
    ...     return rng.normal(size=(300, 9)), truth
    >>> def analyse(y):
    ...     reach = stats.t(8).isf(0.025) * y.std(axis=1, ddof=1) / 3
    ...     squares = 8 * y.var(axis=1, ddof=1)
    ...     ends = {"lower": np.sqrt(squares / 17.53), "upper": np.sqrt(squares / 2.18)}
    ...     means = pd.DataFrame({"lower": y.mean(axis=1) - reach, "upper": y.mean(axis=1) + reach})
    ...     return {"of the mean": means, "of the sd": pd.DataFrame(ends)}
    >>> results = study(simulate, analyse, truth={"of the mean": "mean", "of the sd": "sd"}, rng=1, progress=False)
    >>> results.groupby("method", observed=True)["truth"].first().tolist()
    [0.0, 1.0]
    """
    _check_settings(sets, rng)
    keep = [keep] if isinstance(keep, str) else list(keep)
    parts = []
    for number, generator in enumerate(tqdm(np.random.default_rng(rng).spawn(sets), "sets", disable=no_bar(progress))):
        try:
            data, genes = _with_truth(simulate(generator), truth)
            trues, kept = _truths(genes, truth), _kept(genes, keep)
            for method, found in _by_method(analyse(data)).items():
                true = _truth_of(method, trues)
                rows = pd.DataFrame({"method": method, "set": number, "gene": true.index, "truth": true.array})
                claims = _claims(found, true).reset_index(drop=True)
                parts.append(pd.concat([rows, kept.reset_index(drop=True), claims], axis=1))
        except Exception as error:
            error.add_note(f"in set {number}, whose rng is np.random.default_rng(rng).spawn({sets})[{number}]")
            raise
    results = pd.concat(parts, ignore_index=True)
    columns = [name for name in CLAIMS if name in results]
    return ordered(results[[*ROW, *keep, *columns]].astype({"gene": "category"}))


# --- the truth --------------------------------------------------------------------------------------------------------


def _with_truth(simulated, column):
    """Give the data and what is true of the genes: a table, or a Series of effects."""
    if isinstance(simulated, anndata.AnnData):
        return simulated, simulated.var
    if not (isinstance(simulated, tuple) and len(simulated) == 2):
        raise InputError(f"simulate gives an AnnData, or data and true effects; got {type(simulated).__name__}")
    data, true = simulated
    if isinstance(true, pd.DataFrame):
        return data, true
    if column is not None:
        raise InputError(f"truth={column!r} names a column of an AnnData; simulate gave the true effects itself")
    return data, true if isinstance(true, pd.Series) else pd.Series(np.asarray(true))


def _truths(genes, truth):
    """Give the true effects by method; under None, where they are those of all."""
    if isinstance(genes, pd.Series):
        return {None: _effects(genes)}
    columns = truth if isinstance(truth, dict) else {None: truth}
    return {method: _effects(genes[_truth_column(genes, column)]) for method, column in columns.items()}


def _effects(true):
    if not (pd.api.types.is_numeric_dtype(true) and np.isfinite(true).all()):
        raise InputError("the true effects are finite numbers, 0 for a gene that does not differ")
    return true.astype(float)


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


def _truth_of(method, trues):
    if None in trues:
        return trues[None]
    if method not in trues:
        raise InputError(f"truth says nothing of the method {method!r} of analyse; {did_you_mean(method, trues)}")
    return trues[method]


def _kept(genes, keep):
    """Give the columns that are kept beside the claims."""
    if not keep:
        return pd.DataFrame(index=genes.index)
    if isinstance(genes, pd.Series):
        raise InputError(f"keep={keep!r} names columns of a table; simulate gave true effects alone")
    for column in keep:
        if column not in genes:
            raise InputError(f"var has no column {column!r} to keep; {did_you_mean(column, genes)}")
        if column in (*ROW, *CLAIMS):
            raise InputError(f"the results have a column {column!r} of their own; keep yours under another name")
    return genes[keep]


# --- the claims -------------------------------------------------------------------------------------------------------


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


def _check_settings(sets, rng):
    if not (isinstance(sets, int | np.integer) and sets >= 1):
        raise InputError(f"sets is how many to simulate, at least 1; got {sets!r}")
    if not isinstance(rng, np.random.Generator | int | np.integer):
        raise InputError(f"rng must be a number (the seed) or a numpy.random.Generator; got {rng!r}")
