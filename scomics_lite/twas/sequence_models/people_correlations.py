"""How well a model tells people apart: correlation across people, for each gene, and the share of right signs."""

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from scomics_lite.twas.genotypes.people import columns_of, same_people
from scomics_lite.twas.sequence_models.feature_matrices import examples
from scomics_lite.validation import InputError, did_you_mean, is_anndata, is_number, warn

FEWEST = 3  # people
COLUMNS = ["n", "correlation", "se", "pvalue", "right_sign", "sd_predicted", "sd_observed", "status"]


def across_people(predicted, observed):
    """Correlate predicted with observed expression across people, gene by gene.

    A model that was trained across genes has never seen two people; whether it gets the sign of their difference right
    is a question of its own (Huang et al. 2023; Sasse et al. 2023).

    Parameters
    ----------
    predicted, observed : AnnData, people × genes with a layer for each cell type, or DataFrame, people × genes
        Matched by person, gene and cell type. A table without layers is compared with every layer of the other. A
        missing value leaves that person out for that gene.

    Returns
    -------
    DataFrame
        A row for each gene of both, and each cell type: ``gene, cell_type`` (None where neither side has layers), ``n``
        people, ``correlation`` (Pearson's r), ``se`` = √((1 − r²)/(n − 2)), ``pvalue`` (two-sided, of
        t = r/se with n − 2 degrees of freedom), ``right_sign`` (r > 0; missing where there is no r), ``sd_predicted``,
        ``sd_observed``, and ``status``: "ok", "constant prediction", "constant expression" or "too few people".

    Raises
    ------
    InputError
        If no person, gene or cell type is in both.

    References
    ----------
    Huang et al. (2023), Nature Genetics, doi 10.1038/s41588-023-01574-w; Sasse et al. (2023), Nature Genetics, doi
    10.1038/s41588-023-01524-6.

    Examples
    --------
    >>> predicted = pd.DataFrame({"FTO": [1.0, 2.0, 3.0, 4.0], "IRX3": [5.0, 5.0, 5.0, 5.0]})
    >>> observed = pd.DataFrame({"FTO": [0.9, 2.2, 2.9, 4.1], "IRX3": [1.0, 2.0, 3.0, 4.0]})
    >>> across_people(predicted, observed)[["gene", "n", "correlation", "right_sign", "status"]].round(2)
       gene  n  correlation  right_sign               status
    0   FTO  4         0.99        True                   ok
    1  IRX3  4          NaN        <NA>  constant prediction
    """
    (left, *of_left), (right, *of_right) = _layers(predicted, "predicted"), _layers(observed, "observed")
    rows, other_rows = same_people(of_left[0], of_right[0], "predicted", "observed")
    genes = of_left[1][of_left[1].isin(of_right[1])]
    if not len(genes):
        raise InputError(
            f"no gene is in both: predicted has {examples(of_left[1])}, observed {examples(of_right[1])}. Both must "
            "use the same names of genes"
        )
    columns, other_columns = of_left[1].get_indexer(genes), of_right[1].get_indexer(genes)
    tables = []
    for cell_type, x, y in _pairs(left, right):
        table = _correlations(_dense(x[np.ix_(rows, columns)]), _dense(y[np.ix_(other_rows, other_columns)]))
        table.insert(0, "gene", genes)
        table.insert(1, "cell_type", cell_type)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _layers(table, what):
    """Give {cell type or None: matrix}, people and genes."""
    if is_anndata(table) and len(table.layers):
        parts = [columns_of(table.to_df(layer=name), f"{what}, layer {name!r}") for name in table.layers]
        matrices = {name: part[0] for name, part in zip(table.layers, parts, strict=True)}
        return matrices, table.obs_names, table.var_names
    matrix, people, genes = columns_of(table, what)
    return {None: matrix}, people, genes


def _pairs(left, right):
    """Give cell type and the two matrices, for each comparison."""
    if None in left or None in right:
        names = right if None in left else left
        return [(name, left.get(name, left.get(None)), right.get(name, right.get(None))) for name in names]
    both = [name for name in left if name in right]
    if not both:
        raise InputError(
            f"no cell type is in both: predicted has layers {examples(pd.Index(left))}, observed "
            f"{examples(pd.Index(right))}"
        )
    lost = sorted(set(left) ^ set(right), key=str)
    if lost:
        warn(
            f"{len(lost)} cell types are in one of predicted and observed only and left out: {examples(pd.Index(lost))}"
        )
    return [(name, left[name], right[name]) for name in both]


def _dense(matrix):
    return np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix, dtype=float)


def _correlations(x, y):
    """Correlate the columns of two matrices, (people, genes), each over the people who have both numbers."""
    known = ~(np.isnan(x) | np.isnan(y))
    n = known.sum(axis=0)
    (x, sd_x), (y, sd_y) = (_centred(values, known, n) for values in (x, y))
    status = np.select(
        [n < FEWEST, sd_x == 0, sd_y == 0], ["too few people", "constant prediction", "constant expression"], "ok"
    )
    ok = status == "ok"
    r = np.full(len(n), np.nan)
    r[ok] = np.clip((x * y).sum(axis=0)[ok] / (sd_x * sd_y * (n - 1))[ok], -1, 1)
    freedom = np.maximum(n - 2, 1)
    se = np.sqrt((1 - r**2) / freedom)
    with np.errstate(divide="ignore"):
        pvalue = 2 * stats.t.sf(np.abs(r / se), freedom)
    sign = pd.array(np.where(ok, r > 0, False), dtype="boolean")
    sign[~ok] = pd.NA
    return pd.DataFrame(dict(zip(COLUMNS, (n, r, se, pvalue, sign, sd_x, sd_y, status), strict=True)))


def _centred(values, known, n):
    """Subtract the mean of each column, 0 where missing; give the sd (n − 1) too, 0 for what rounding alone moves."""
    values = np.where(known, values, 0.0)
    means = values.sum(axis=0) / np.maximum(n, 1)
    centred = np.where(known, values - means, 0.0)
    sd = np.sqrt((centred**2).sum(axis=0) / np.maximum(n - 1, 1))
    return centred, np.where(sd <= 1e-7 * np.abs(means), 0.0, sd)


def sign_share(table, *, pvalue=1.0, heritability=None, least=0.05):
    """Count for how many genes a model gets the sign of the differences between people right.

    Half is what tossing a coin gives. Genes whose expression DNA near them hardly moves have a sign by chance: their
    sign cannot be judged, and they pull the share to a half whatever the model does. `heritability` leaves them out by
    what is known of the gene without the model, which is the better way; `pvalue` by the correlation itself, of either
    sign.

    Parameters
    ----------
    table : DataFrame
        From `across_people`.
    pvalue : float
        Genes with a larger p-value of the correlation are not judged. 1 judges all.
    heritability : Series, by gene, or DataFrame, genes × cell types, optional
        Share of each gene's variance that DNA near it explains.
    least : float
        Genes with a smaller heritability are not judged.

    Returns
    -------
    DataFrame
        Indexed by cell type: ``genes`` (with a correlation), ``judged``, ``right``, ``share`` = right / judged, its
        interval of 95% ``low`` and ``high`` (Wilson 1927), and ``pvalue``, the two-sided binomial test of a share of
        1/2. Genes count as independent.

    Raises
    ------
    InputError
        If the table is none of `across_people`, or no gene of it has a heritability.

    Examples
    --------
    >>> table = pd.DataFrame({"gene": list("ABCD"), "cell_type": "T", "pvalue": [0.001, 0.2, 0.03, 0.9]})
    >>> table["right_sign"] = pd.array([True, False, True, True], dtype="boolean")
    >>> sign_share(table, pvalue=0.05).loc["T", ["genes", "judged", "right", "share"]].tolist()
    [4.0, 2.0, 2.0, 1.0]
    """
    needed = ["gene", "cell_type", "pvalue", "right_sign"]
    missing = [name for name in needed if not isinstance(table, pd.DataFrame) or name not in table]
    if missing:
        raise InputError(f"the table has no column {missing[0]!r}; across_people(predicted, observed) makes it")
    if not (is_number(pvalue) and 0 < pvalue <= 1):
        raise InputError(f"pvalue is above 0 and at most 1; got {pvalue!r}")
    known = table["right_sign"].notna()
    judged = known & (table["pvalue"] <= pvalue)
    if heritability is not None:
        judged &= _heritable(table, heritability) >= least
    groups = table.assign(known=known, judged=judged, right=judged & table["right_sign"].fillna(False).astype(bool))
    counts = groups.groupby("cell_type", dropna=False, sort=False)[["known", "judged", "right"]].sum()
    counts = counts.rename(columns={"known": "genes"}).astype(int)
    return counts.join(pd.DataFrame([_share(*row) for row in counts[["right", "judged"]].to_numpy()], counts.index))


def _heritable(table, heritability):
    """Give the heritability of each row of the table, NaN where it is not known."""
    if isinstance(heritability, pd.DataFrame):
        unknown = [name for name in table["cell_type"].unique() if name not in heritability]
        if unknown:
            raise InputError(f"heritability has no column {unknown[0]!r}: {did_you_mean(unknown[0], heritability)}")
        rows, columns = (
            heritability.index.get_indexer(table["gene"]),
            heritability.columns.get_indexer(table["cell_type"]),
        )
        found = np.where(rows < 0, np.nan, heritability.to_numpy(float)[rows, columns])
    else:
        found = pd.Series(heritability).reindex(table["gene"]).to_numpy(float)
    if np.isnan(found).all():
        raise InputError("no gene of the table has a heritability; both must use the same names of genes")
    return found


def _share(right, judged):
    if not judged:
        return {"share": np.nan, "low": np.nan, "high": np.nan, "pvalue": np.nan}
    low, high = proportion_confint(right, judged, method="wilson")
    return {
        "share": right / judged,
        "low": low,
        "high": high,
        "pvalue": stats.binomtest(int(right), int(judged)).pvalue,
    }
