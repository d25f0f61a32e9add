"""How well a model tells genes apart: correlation across genes, for each cell type."""

import numpy as np
import pandas as pd
from scipy import stats

from scomics_lite.twas.genotypes.people import check_once
from scomics_lite.twas.sequence_models.feature_matrices import examples
from scomics_lite.twas.sequence_models.gene_splits import PARTS
from scomics_lite.validation import InputError, did_you_mean, quoted

FEWEST = 4  # genes; the interval's width is 1 / √(n − 3)
NORMAL = stats.norm.ppf(0.975)


def across_genes(predicted, observed, split=None, *, part="test"):
    """Correlate predicted with observed expression across genes, in each cell type.

    The intervals of 95% are Fisher's, tanh(artanh r ± 1.96 se), with se = 1/√(n − 3) for Pearson's correlation and
    √((1 + r²/2)/(n − 3)) for Spearman's (Bonett and Wright 2000). They take genes as independent; genes of one family
    or neighbourhood are not, and the truth is then less certain than the interval says. A handful of test chromosomes
    is too few to be resampled instead.

    Parameters
    ----------
    predicted, observed : DataFrame, genes × cell types
        Matched by gene and by cell type; a gene without one of the numbers is left out for that cell type.
    split : Series of str, optional
        "train", "validation" and "test" by gene. Without it all genes are compared.
    part : {"test", "validation", "train"}
        The genes compared, where there is a split. Only test genes say how well the model works.

    Returns
    -------
    DataFrame
        Indexed by cell type: ``n``, ``pearson, pearson_low, pearson_high, spearman, spearman_low, spearman_high``, NaN
        where predictions or observations are constant or there are fewer than 4 genes.

    Raises
    ------
    InputError
        If no gene or no cell type is in both tables, or none of the part.

    Examples
    --------
    >>> observed = pd.DataFrame({"T cell": [0.1, 0.2, 0.5, 0.6, 1.0]}, index=list("ABCDE"))
    >>> across_genes(observed**2, observed).loc["T cell", ["n", "pearson", "spearman"]].round(3).tolist()
    [5.0, 0.968, 1.0]
    """
    predicted, observed = _matched(predicted, observed)
    if split is not None:
        genes = _part_of(split, part, predicted.index)
        predicted, observed = predicted.loc[genes], observed.loc[genes]
    rows = [_correlations(predicted[name].to_numpy(float), observed[name].to_numpy(float)) for name in predicted]
    return pd.DataFrame(rows, predicted.columns.rename("cell_type"))


def _matched(predicted, observed):
    """Take the genes and cell types that are in both tables, in the order of the predicted one."""
    for table, what in ((predicted, "predicted"), (observed, "observed")):
        if not isinstance(table, pd.DataFrame):
            raise InputError(f"{what} is a DataFrame of genes × cell types; got {type(table).__name__}")
        check_once(table.index, f"{what}: gene")
        check_once(table.columns, f"{what}: cell type")
    genes = predicted.index[predicted.index.isin(observed.index)]
    cell_types = predicted.columns[predicted.columns.isin(observed.columns)]
    for names, kind, a, b in (
        (genes, "gene", predicted.index, observed.index),
        (cell_types, "cell type", predicted.columns, observed.columns),
    ):
        if not len(names):
            raise InputError(f"no {kind} is in both tables: predicted has {examples(a)}, observed {examples(b)}")
    return predicted.loc[genes, cell_types], observed.loc[genes, cell_types]


def _part_of(split, part, genes):
    if part not in PARTS:
        raise InputError(f"part={part!r}: {did_you_mean(part, PARTS)}")
    if not isinstance(split, pd.Series):
        raise InputError(
            f"split is a Series of labels by gene, as chromosome_split gives it; got {type(split).__name__}"
        )
    check_once(split.index, "split: gene")
    chosen = genes[(split.reindex(genes) == part).to_numpy()]
    if not len(chosen):
        raise InputError(
            f"none of the {len(genes):,} genes compared has the label {quoted(part)} in the split; it has "
            f"{', '.join(quoted(name) for name in split.unique()[:5])} for genes such as {examples(split.index)}"
        )
    return chosen


def _correlations(x, y):
    known = ~(np.isnan(x) | np.isnan(y))
    x, y = x[known], y[known]
    result = {"n": len(x)}
    varies = len(x) >= FEWEST and np.ptp(x) > 0 and np.ptp(y) > 0
    pearson = float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1)) if varies else np.nan
    spearman = float(stats.spearmanr(x, y).statistic) if varies else np.nan
    for name, r, spread in (("pearson", pearson, 1.0), ("spearman", spearman, np.sqrt(1 + spearman**2 / 2))):
        low, high = _interval(r, spread, len(x))
        result |= {name: r, f"{name}_low": low, f"{name}_high": high}
    return result


def _interval(r, spread, n):
    if np.isnan(r) or abs(r) == 1:
        return r, r
    half = NORMAL * spread / np.sqrt(n - 3)
    return tuple(np.tanh(np.arctanh(r) + np.array([-half, half])))
