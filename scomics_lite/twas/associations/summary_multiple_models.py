"""S-MultiXcan: one test of a gene from its S-PrediXcan z-scores of several tissues (Barbeira et al. 2019).

Predicted expressions of a gene in two tissues are correlated, by the weights w and the covariances Sigma of the SNPs:

    C_ab = w_a' Sigma w_b / sqrt(v_a v_b),   v_a = w_a' Sigma w_a

so that under no association z ~ Normal(0, C), and z' C^-1 z is chi-squared. C is nearly singular where tissues share
their eQTLs; directions in which predicted expression hardly varies tell nothing and are left out: with the eigenvalues
d_1 >= d_2 … of C and its eigenvectors u,

    statistic = sum of (u_i' z)² / d_i over d_i >= d_1 / condition_number,   as many degrees of freedom as summands.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from scomics_lite.twas.associations.harmonisation import USED, harmonise, match_snps
from scomics_lite.twas.genotypes.alleles import alignment
from scomics_lite.validation import InputError, did_you_mean, is_number, quoted, warn

COLUMNS = [  # MetaXcan's
    *("gene", "gene_name", "pvalue", "n", "n_indep", "p_i_best", "t_i_best", "p_i_worst", "t_i_worst"),
    *("eigen_max", "eigen_min", "eigen_min_kept", "z_min", "z_max", "z_mean", "z_sd", "tmi", "status"),
]
KEY, ALLELES = ["gene", "rsid"], ["ref_allele", "eff_allele"]
CANCELLED = 1e-12  # of the largest variance that such weights can give: less is what rounding leaves of zero


class Joint(NamedTuple):
    """Test of all tissues together."""

    statistic: float
    n_indep: int
    eigenvalues: np.ndarray  # falling


def s_multixcan(results, models, covariances, *, gwas=None, palindromic="keep", condition_number=30):
    """Test genes across tissues from their S-PrediXcan results.

    Parameters
    ----------
    results : dict of DataFrame
        S-PrediXcan's table of each tissue: columns ``gene``, ``zscore`` and, for a check, ``n_snps_used``. Its genes
        without a z-score do not count.
    models : dict of PredictionModel
        Of the same tissues.
    covariances : Covariances
        Of the dosages of all SNPs that any model uses for a gene: ``covariances(dosages, models)``, or a file made for
        MetaXcan's ``--snp_covariance``. A SNP that models code oppositely is taken as the first model codes it.
    gwas : DataFrame, optional
        As `read_gwas` gives it: the one behind `results`. A correlation of predicted expressions has to use the SNPs
        that S-PrediXcan used; without, those are taken to be all SNPs of a model that have covariances.
    palindromic : {"keep", "drop"}
        As it was for `s_predixcan`.
    condition_number : float
        Largest ratio of the largest eigenvalue of C to one that is kept; 30 is MetaXcan's usual choice.

    Returns
    -------
    DataFrame
        By rising p-value, with MetaXcan's columns: ``gene``, ``gene_name``, ``pvalue``, ``n`` (tissues with a z-score),
        ``n_indep`` (degrees of freedom), ``p_i_best``, ``t_i_best``, ``p_i_worst``, ``t_i_worst`` (smallest and largest
        p-value of a tissue, and which), ``eigen_max``, ``eigen_min``, ``eigen_min_kept``, ``z_min``, ``z_max``,
        ``z_mean``, ``z_sd``, ``tmi`` (trace of C times its truncated inverse, which is n_indep), and ``status``: "ok",
        or which tissues were left out, or why there is no p-value.

    Warns
    -----
    UserWarning
        Where a table of the results used another number of a gene's SNPs than are used here.

    Raises
    ------
    InputError
        When a tissue has no model, or a table lacks a column or names a gene twice.

    References
    ----------
    Barbeira et al. 2019, PLoS Genetics 15: e1007889.

    Examples
    --------
    Two tissues whose predicted expressions are uncorrelated: chi-squared of 2 degrees of freedom, 3² + 2² = 13.

    >>> from scomics_lite.twas.exchange.covariance_files import Covariances
    >>> from scomics_lite.twas.exchange.models import PredictionModel
    >>> weights = pd.DataFrame({"rsid": ["rs1"], "gene": "g", "weight": 0.5, "ref_allele": "A", "eff_allele": "G"})
    >>> models = {"liver": PredictionModel(weights), "lung": PredictionModel(weights.assign(rsid="rs2"))}
    >>> results = {
    ...     "liver": pd.DataFrame({"gene": ["g"], "zscore": [3.0]}),
    ...     "lung": pd.DataFrame({"gene": ["g"], "zscore": [-2.0]}),
    ... }
    >>> covariances = Covariances.from_matrices({"g": pd.DataFrame(np.eye(2), ["rs1", "rs2"], ["rs1", "rs2"])})
    >>> s_multixcan(results, models, covariances)[["gene", "pvalue", "n_indep", "t_i_best"]].round(5)
      gene  pvalue  n_indep t_i_best
    0    g  0.0015        2    liver
    """
    if not (is_number(condition_number) and condition_number >= 1):
        raise InputError(f"condition_number is a ratio of eigenvalues, 1 or more; got {condition_number!r}")
    _check_tissues(results, models)
    zscores, counts = (_by_tissue(results, column) for column in ("zscore", "n_snps_used"))
    weights = _aligned_weights(models, list(results), gwas, palindromic)
    weights["rsid"] = names_in(covariances, weights)
    places = weights.groupby("gene", sort=False).indices
    rows, other_snps = [], []
    for gene, z, n_used in zip(zscores.index, zscores.to_numpy(), counts.to_numpy(), strict=True):
        own = weights.take(places.get(gene, []))
        w, sigma = _weights_and_covariance(gene, own, covariances, len(results))
        rows.append({"gene": gene, **_row(z, zscores.columns, np.nan_to_num(w), sigma, condition_number)})
        differs = np.isfinite(z) & np.isfinite(n_used) & (n_used != np.sum(~np.isnan(w), axis=0))
        other_snps.extend((gene, tissue) for tissue in zscores.columns[differs])
    _warn_of_other_snps(other_snps, given=gwas is not None)
    table = pd.DataFrame(rows).reindex(columns=COLUMNS).astype({"n_indep": "Int64"})
    table["gene_name"] = table["gene"].map(_gene_names(models))
    return table.sort_values(["pvalue", "gene"], ignore_index=True)


def joint_test(zscores, correlation, condition_number=30):
    """Test correlated z-scores together, by the truncated inverse of their correlations.

    Parameters
    ----------
    zscores : ndarray, shape (t,)
    correlation : ndarray, shape (t, t)
        C.
    condition_number : float
        As for `s_multixcan`.

    Returns
    -------
    Joint
        ``statistic``, ``n_indep`` and ``eigenvalues`` (falling).

    Examples
    --------
    The same z-score twice is one z-score:

    >>> joint = joint_test(np.array([3.0, 3.0]), np.ones((2, 2)))
    >>> round(joint.statistic, 6), joint.n_indep
    (9.0, 1)
    """
    eigenvalues, vectors = np.linalg.eigh(correlation)
    eigenvalues, vectors = eigenvalues[::-1], vectors[:, ::-1]
    kept = eigenvalues >= eigenvalues[0] / condition_number
    statistic = np.sum((zscores @ vectors[:, kept]) ** 2 / eigenvalues[kept])
    return Joint(float(statistic), int(kept.sum()), eigenvalues)


def _check_tissues(results, models):
    """Refuse tissues without a model, and tables that cannot be read gene by gene."""
    if not results:
        raise InputError("results holds no tissue; give {tissue: table of s_predixcan}")
    for tissue, table in results.items():
        if tissue not in models:
            raise InputError(f"tissue {quoted(tissue)} of the results has no model; {did_you_mean(tissue, models)}")
        for column in ("gene", "zscore"):
            if column not in table:
                raise InputError(
                    f"the results of {quoted(tissue)} have no column {column!r}; {did_you_mean(column, table)}"
                )
        twice = table["gene"][table["gene"].duplicated()]
        if len(twice):
            raise InputError(
                f"gene {quoted(twice.iloc[0])} comes twice in the results of {quoted(tissue)}; keep one row: "
                'table.drop_duplicates("gene")'
            )


def _by_tissue(results, column):
    """Arrange a column of all results as genes x tissues, NaN where a tissue has none."""
    columns = {
        tissue: table.set_index("gene")[column] if column in table else pd.Series(index=table["gene"], dtype=float)
        for tissue, table in results.items()
    }
    return pd.concat(columns, axis=1).astype(float)


def _aligned_weights(models, tissues, gwas, palindromic):
    """Put the weights of the tissues into one table, as the first model that has a SNP for a gene codes it.

    Gives ``gene``, ``rsid``, ``varID`` (where there is any), ``weight`` and ``tissue`` (its place among the tissues),
    of the SNPs that S-PrediXcan can use.
    """
    tables = []
    for tissue, model in models.items():
        columns = model.weights.columns.intersection([*KEY, "varID", "weight", *ALLELES])
        table = model.weights[columns].assign(tissue=0, usable=tissue in tissues)
        if tissue in tissues:
            table["tissue"] = tissues.index(tissue)
        if tissue in tissues and gwas is not None:
            table["usable"] = (harmonise(model.weights, gwas, palindromic)[0]["reason"] == USED).to_numpy()
        tables.append(table)
    weights = pd.concat(tables, ignore_index=True)
    first = weights.groupby(KEY, sort=False)[ALLELES].transform("first")
    sign = alignment(*(first[name] for name in ALLELES), *(weights[name] for name in ALLELES))
    weights["weight"] *= sign
    return weights[weights["usable"] & (sign != 0)].drop(columns=[*ALLELES, "usable"])


def names_in(covariances, weights):
    """Give the names that covariances have for the SNPs of a model.

    Parameters
    ----------
    covariances : Covariances
    weights : DataFrame, shape (k, .)
        Of a `PredictionModel`: rsid and, where known, varID.

    Returns
    -------
    Series of str, shape (k,)
        What `match_snps` finds; the rsid of a SNP that is not there.

    Examples
    --------
    >>> from scomics_lite.twas.exchange.covariance_files import Covariances
    >>> known = Covariances.from_matrices({"g": pd.DataFrame([[1.0]], ["chr1_10_A_G_b38"], ["chr1_10_A_G_b38"])})
    >>> names_in(known, pd.DataFrame({"rsid": ["rs1"], "varID": ["chr1_10_A_G_b38"]})).tolist()
    ['chr1_10_A_G_b38']
    """
    snps = weights.drop_duplicates("rsid")
    match = match_snps(snps, covariances.snp_names)
    names = pd.Series(covariances.snp_names[match.rows], index=snps["rsid"].iloc[match.snps])
    return weights["rsid"].map(names[~names.index.duplicated()]).fillna(weights["rsid"])


def _weights_and_covariance(gene, weights, covariances, n_tissues):
    """Give w (SNPs x tissues, NaN where a tissue does not use a SNP) and Sigma of a gene's SNPs with covariances."""
    codes, snps = pd.factorize(weights["rsid"])
    w = np.full((len(snps), n_tissues), np.nan)
    w[codes, weights["tissue"]] = weights["weight"]
    sigma = covariances.matrix(gene, snps)
    known = np.isfinite(np.diag(sigma))
    return w[known], sigma[np.ix_(known, known)]


def _row(zscores, tissues, w, sigma, condition_number):
    """Give the columns of one gene but its name."""
    product = w.T @ sigma @ w
    variance = np.diag(product)
    largest = (np.abs(w).T @ np.sqrt(np.diag(sigma))) ** 2
    used = np.isfinite(zscores) & (variance > CANCELLED * largest)
    if not used.any():
        return {"pvalue": np.nan, "n": 0, "status": _why_not(zscores, sigma)}
    z, names, deviation = zscores[used], tissues[used], np.sqrt(variance[used])
    joint = joint_test(z, product[np.ix_(used, used)] / np.outer(deviation, deviation), condition_number)
    best, worst = np.argmax(np.abs(z)), np.argmin(np.abs(z))
    left_out = tissues[np.isfinite(zscores) & ~used]
    return {
        "pvalue": stats.chi2.sf(joint.statistic, joint.n_indep),
        "n": len(z),
        "n_indep": joint.n_indep,
        "p_i_best": 2 * stats.norm.sf(abs(z[best])),
        "t_i_best": names[best],
        "p_i_worst": 2 * stats.norm.sf(abs(z[worst])),
        "t_i_worst": names[worst],
        "eigen_max": joint.eigenvalues[0],
        "eigen_min": joint.eigenvalues[-1],
        "eigen_min_kept": joint.eigenvalues[joint.n_indep - 1],
        "z_min": z.min(),
        "z_max": z.max(),
        "z_mean": z.mean(),
        "z_sd": z.std(ddof=1) if len(z) > 1 else np.nan,
        "tmi": float(joint.n_indep),
        "status": f"without {', '.join(left_out)}: no variance of predicted expression" if len(left_out) else "ok",
    }


def _why_not(zscores, sigma):
    """Say why a gene has no p-value."""
    if not np.isfinite(zscores).any():
        return "no z-score in any tissue"
    if not sigma.size:
        return "none of its SNPs has covariances"
    if not np.isfinite(sigma).all():
        return "the covariance of two of its SNPs is missing"
    return "its predicted expression does not vary in any tissue"


def _gene_names(models):
    names = pd.concat([model.extra.set_index("gene")["genename"] for model in models.values()])
    return names[~names.index.duplicated()]


def _warn_of_other_snps(genes, given):
    """Warn of genes whose z-scores come from another number of SNPs than their correlations."""
    if genes:
        way_out = "the GWAS behind the results, and palindromic= as it was then" if given else "gwas="
        warn(
            f"{len(genes):,} z-scores of the results come from another number of SNPs than is used here, the first is "
            f"gene {quoted(genes[0][0])} in {quoted(genes[0][1])}: their correlations are approximate. Give {way_out}"
        )
