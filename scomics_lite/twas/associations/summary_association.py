"""S-PrediXcan: is the expression that DNA predicts associated with a trait, asked of a GWAS's published results.

The predicted expression of gene g is T = Σ_l w_l X_l. Its association with the trait follows from those of the SNPs and
from their covariances Σ in a panel of people like those of the GWAS (Barbeira et al. 2018, eq. 5):

    σ_l² = Σ_ll        σ_g² = wᵀ Σ w
    z_g  = Σ_l w_l (σ_l / σ_g) z_l        effect_g = Σ_l w_l β_l σ_l² / σ_g²

All sums go over the SNPs that model, GWAS and covariances share. Genes are independent of each other: those with
equally many SNPs are computed together, as stacks of vectors (b, n) and matrices (b, n, n).
"""

import os
from itertools import tee

import numpy as np
import pandas as pd
from scipy import stats
from tqdm import tqdm

from scomics_lite.blocks import client_map
from scomics_lite.progress import no_bar
from scomics_lite.twas.associations.detectors import (
    check_covariance,
    check_names,
    sign_conflicts,
    warn_of_correlations,
    warn_of_other_alleles,
    warn_of_swapped_columns,
)
from scomics_lite.twas.associations.gene_stacks import Panel, stacks
from scomics_lite.twas.associations.harmonisation import NOT_IN_COVARIANCE, OTHER_ALLELES, REASONS, USED, harmonise
from scomics_lite.twas.associations.polygenicity import correct_zscores
from scomics_lite.twas.exchange.covariance_files import Covariances, read_covariance
from scomics_lite.twas.exchange.gwas_files import read_gwas
from scomics_lite.twas.exchange.models import PredictionModel, read_model
from scomics_lite.validation import InputError, warn

CANCELLED = 1e-12  # of (Σ |w_l| σ_l)²: a variance below this is what rounding leaves of zero
NEARLY_CANCELLED = 1e-4  # below this the errors of a panel of thousands decide on σ_g
CANCEL = "weights of SNPs in strong LD cancel: z rests on little"
EXTRA = {
    "genename": "gene_name",
    "pred.perf.R2": "pred_perf_r2",
    "pred.perf.pval": "pred_perf_pval",
    "pred.perf.qval": "pred_perf_qval",
    "n.snps.in.model": "n_snps_in_model",
}
METAXCAN = [
    *("gene", "gene_name", "zscore", "effect_size", "pvalue", "var_g"),
    *("pred_perf_r2", "pred_perf_pval", "pred_perf_qval"),
    *("n_snps_used", "n_snps_in_cov", "n_snps_in_model"),
]
FOUND = ["zscore", "effect_size", "var_g", "condition_number", "left", "gap", "conflict"]  # by `associate`
COUNTS = ("n_flipped", "n_strand", "n_palindromic", "n_other_alleles")


def s_predixcan(
    gwas,
    model,
    covariance,
    *,
    palindromic="keep",
    ledger=False,
    gwas_n=None,
    heritability=None,
    client=None,
    progress=True,
):
    """Test the predicted expression of every gene for association with a trait, from summary statistics.

    Parameters
    ----------
    gwas : DataFrame or path
        What `read_gwas` gives or reads.
    model : PredictionModel or path
        What `read_model` gives or reads.
    covariance : Covariances or path
        What `read_covariance` gives or reads: covariances of the dosages of each gene's SNPs.
    palindromic : {"keep", "drop"}
        What to do with A/T and C/G SNPs, whose strand the letters do not tell. Where GWAS and weights both have a
        column ``frequency`` of the effect allele (``PredictionModel(model.weights.assign(frequency=...))``), and it is
        further than 0.1 from one half in both, it tells, whatever the policy. Otherwise their letters are taken as they
        are written, as MetaXcan does, or they are left out.
    ledger : bool
        Whether to give a second table, of what became of each SNP of each gene.
    gwas_n, heritability : float, optional
        Number of people in the GWAS and heritability of the trait; both or none. Then ``zscore`` and ``pvalue`` are
        corrected for polygenicity by the model's ``phi``: see `correct_zscores`.
    client : dask.distributed.Client, optional
        Its workers compute blocks of genes; the numbers are the same. Ten thousand genes take a second or two without.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    table : DataFrame
        A row for each gene of the model, the smallest p-value first; genes that cannot be tested are last, with NaN.
        First MetaXcan's columns: ``gene``, ``gene_name``, ``zscore``, ``effect_size`` (of one unit of predicted
        expression on the trait, NaN where the GWAS has no effects), ``pvalue`` (two-sided; 0 beyond a z-score of 38),
        ``var_g`` (σ_g²), ``pred_perf_r2``, ``pred_perf_pval``, ``pred_perf_qval``, ``n_snps_used``, ``n_snps_in_cov``,
        ``n_snps_in_model``. With `gwas_n`, as MetaXcan names them: ``phi``, ``uncalibrated_pvalue``,
        ``uncalibrated_zscore``. Then ``status`` ("ok", or what is wrong, in words), ``condition_number`` of Σ, and of
        the SNPs used: ``n_flipped`` (sign turned), ``n_strand`` (read on the other strand), ``n_palindromic``; and
        ``n_other_alleles``, SNPs left out because their alleles do not fit. ``attrs["snp_key"]`` says by what SNPs
        were found: rsid, varID or position.
    ledger : DataFrame
        Only with ``ledger=True``. A row for each SNP of each gene, in the order of the model: its alleles, weight and
        variance, the alleles and z-score of the GWAS (turned to the model's effect allele), whether it was ``used``,
        the ``reason`` if not, and its ``contribution`` to the gene's z-score (before the correction for polygenicity).

    Raises
    ------
    InputError
        If no SNP or gene is found in the other files, with names of both sides; if only one of `gwas_n` and
        `heritability` is given, or the model has no phi for them.

    Warns
    -----
    UserWarning
        If less than a tenth of the model's SNPs are in the GWAS, more than a tenth of those found have other alleles or
        no covariance, the covariances look like correlations, frequencies say that the GWAS's columns of alleles were
        exchanged, or z-scores have the wrong sign for the LD of the panel (the rows of these genes name the SNPs).

    Notes
    -----
    A gene is not tested if it has no usable SNP, if the covariance of two of its SNPs is missing, or if σ_g² is zero.
    A near singular Σ does no harm by itself, since it is not inverted. It does where the weights of SNPs in strong LD
    cancel, so that little is left of σ_g²; ``status`` says so when it is less than 1e-4 of (Σ |w_l| σ_l)².

    References
    ----------
    Barbeira et al. 2018, Nature Communications 9:1825, 10.1038/s41467-018-03621-1.

    Examples
    --------
    >>> from scomics_lite.twas.exchange.covariance_files import Covariances
    >>> from scomics_lite.twas.exchange.models import PredictionModel
    >>> snps, weights = ["rs1", "rs2"], pd.DataFrame({"rsid": ["rs1", "rs2"], "gene": "FTO", "weight": [0.3, 0.1]})
    >>> model = PredictionModel(weights.assign(ref_allele="A", eff_allele="G"))
    >>> covariance = Covariances.from_matrices({"FTO": pd.DataFrame([[0.4, 0.1], [0.1, 0.3]], snps, snps)})
    >>> gwas = pd.DataFrame({"snp": snps, "effect_allele": ["G", "A"], "non_effect_allele": ["A", "G"]})
    >>> gwas = gwas.assign(beta=[0.1, 0.02], se=0.02)
    >>> table, ledger = s_predixcan(gwas, model, covariance, ledger=True, progress=False)
    >>> table[["gene", "zscore", "pvalue", "n_snps_used", "status"]].round(6)
      gene    zscore    pvalue  n_snps_used status
    0  FTO  4.213937  0.000025            2     ok
    >>> ledger[["snp", "weight", "flipped", "gwas_zscore", "contribution"]].round(2)
       snp  weight  flipped  gwas_zscore  contribution
    0  rs1     0.3    False          5.0          4.47
    1  rs2     0.1     True         -1.0         -0.26
    """
    gwas, model, covariance = _read(gwas, model, covariance)
    _check_correction(gwas_n, heritability, model)
    snps, match = harmonise(model.weights, gwas, palindromic)
    check_names(match, model.weights, gwas["snp"])
    warn_of_other_alleles(snps, model.weights, gwas)
    warn_of_swapped_columns(snps, model.weights, gwas)
    panel = Panel(model, covariance)
    snps["variance"] = panel.variances
    snps.loc[(snps["reason"] == USED) & snps["variance"].isna(), "reason"] = NOT_IN_COVARIANCE
    check_covariance(snps, model.weights, covariance)
    _check_variances(snps, model)

    found = _test_genes(snps, panel, model.weights, client, progress)
    table = _table(found, snps, panel, model)
    if gwas_n is not None:
        table = _corrected(table, model.extra.set_index("gene")["phi"], gwas_n, heritability)
    table = table.sort_values("zscore", key=lambda z: -z.abs(), kind="stable", ignore_index=True)
    table.attrs["snp_key"] = match.key
    return (table, _ledger(snps, found, panel, model.weights, gwas)) if ledger else table


# --- input ------------------------------------------------------------------------------------------------------------


def _read(gwas, model, covariance):
    """Read what was given as a path."""
    if not (isinstance(gwas, pd.DataFrame) and "columns" in gwas.attrs):
        gwas = read_gwas(gwas, keep_non_rsid=True)
    model = read_model(model) if isinstance(model, str | os.PathLike) else model
    if not isinstance(model, PredictionModel):
        raise InputError(
            f"model must be a path or a PredictionModel, got {type(model).__name__}; a table of weights becomes one by "
            "PredictionModel(weights)"
        )
    covariance = read_covariance(covariance) if isinstance(covariance, str | os.PathLike) else covariance
    if not isinstance(covariance, Covariances):
        raise InputError(
            f"covariance must be a path or Covariances, got {type(covariance).__name__}; matrices by gene become them "
            "by Covariances.from_matrices({gene: DataFrame of SNPs x SNPs})"
        )
    return gwas, model, covariance


def _check_correction(gwas_n, heritability, model):
    """Whether the correction for polygenicity can be made."""
    if (gwas_n is None) != (heritability is None):
        raise InputError("the correction for polygenicity needs both gwas_n and heritability; give both or none")
    if gwas_n is not None and "phi" not in model.extra:
        raise InputError(
            "the model has no phi, which the correction for polygenicity needs. Compute it from the dosages of a "
            "panel: phi = scomics_lite.twas.phi(dosages, model), then "
            "PredictionModel(model.weights, model.extra.assign(phi=model.extra['gene'].map(phi))). "
            "Or leave gwas_n and heritability out"
        )


def _check_variances(snps, model):
    """Correlations in place of covariances, looked for where they matter: in genes of several SNPs."""
    several = np.repeat(np.diff(model.starts) > 1, np.diff(model.starts))
    warn_of_correlations(snps["variance"].to_numpy()[several])


# --- the test ---------------------------------------------------------------------------------------------------------


def associate(weights, zscores, betas, covariances):
    """Compute the association of some genes with equally many SNPs: the formulas at the top of this file.

    Parameters
    ----------
    weights, zscores, betas : ndarray, shape (b, n)
        Of the n SNPs of b genes; z-scores and betas for the model's effect allele.
    covariances : ndarray, shape (b, n, n)
        NaN where a pair is not known.

    Returns
    -------
    dict of ndarray, shape (b,)
        ``zscore``, ``effect_size``, ``var_g``, ``condition_number``; ``left``, what cancelling leaves of the variance,
        σ_g² / (Σ |w_l| σ_l)²; and the pairs of SNPs, i n + j, of a missing covariance (``gap``) and of z-scores against
        their LD (``conflict``), -1 where there is none.

    Examples
    --------
    >>> weights, zscores, betas = np.array([[[0.3, 0.1]], [[5.0, -1.0]], [[0.1, -0.02]]])
    >>> found = associate(weights, zscores, betas, np.array([[[0.4, 0.1], [0.1, 0.3]]]))
    >>> found["var_g"].round(3), found["zscore"].round(2)
    (array([0.045]), array([4.21]))
    """
    variances = np.diagonal(covariances, axis1=1, axis2=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = np.sqrt(variances)
        var_g = np.einsum("bi,bij,bj->b", weights, covariances, weights, optimize=True)
        left = var_g / np.sum(np.abs(weights) * sigma, axis=1) ** 2
        usable = np.where(left > CANCELLED, var_g, np.nan)
        correlations = covariances / (sigma[:, :, None] * sigma[:, None, :])
        return {
            "zscore": np.sum(weights * sigma * zscores, axis=1) / np.sqrt(usable),
            "effect_size": np.sum(weights * betas * variances, axis=1) / usable,
            "var_g": var_g,
            "condition_number": _condition_numbers(covariances),
            "left": left,
            "gap": _first(np.isnan(covariances)),
            "conflict": sign_conflicts(zscores, correlations),
        }


def _condition_numbers(covariances):
    """Ratio of the largest to the smallest eigenvalue; infinite for a singular matrix, NaN where a pair is missing."""
    known = ~np.isnan(covariances).any(axis=(1, 2))
    eigenvalues = np.linalg.eigvalsh(np.where(known[:, None, None], covariances, 0.0))
    smallest, largest = eigenvalues[:, 0], eigenvalues[:, -1]
    singular = smallest <= largest * covariances.shape[1] * np.finfo(float).eps
    ratio = np.where(singular, np.inf, largest / np.where(singular, 1.0, smallest))
    return np.where(known & (largest > 0), ratio, np.nan)


def _first(marked):
    """Place of the first mark of each matrix, row by row; -1 for none."""
    flat = marked.reshape(len(marked), -1)
    return np.where(flat.any(axis=1), flat.argmax(axis=1), -1)


def _associate(stack):
    return associate(*stack.columns, stack.covariances)


def _test_genes(snps, panel, weights, client, progress):
    """Test all genes that have usable SNPs: a row for each, with the columns of `associate`; pairs of SNPs by name."""
    columns = [weights["weight"].to_numpy(), snps["zscore"].to_numpy(), snps["beta"].to_numpy()]
    used, names = (snps["reason"] == USED).to_numpy(), weights["rsid"].to_numpy(dtype=object)
    now, later = tee(stacks(panel, used, columns))
    results = (map if client is None else client_map(client))(_associate, now)
    parts = [pd.DataFrame(columns=FOUND)]  # of no gene
    with tqdm(total=len(np.unique(panel.genes[used])), unit="gene", disable=no_bar(progress)) as bar:
        for stack, found in zip(later, results, strict=True):
            pairs = {mark: _named_pairs(found[mark], names[stack.rows]) for mark in ("gap", "conflict")}
            parts.append(pd.DataFrame(found | pairs, index=stack.genes))
            bar.update(len(stack.genes))
    return pd.concat(parts[1:] or parts)


def _named_pairs(pairs, names):
    """Turn pairs i n + j into the names of SNPs i and j; "" where there is no pair. Names are of (b, n)."""
    i, j = np.divmod(pairs, names.shape[1])
    gene = np.arange(len(pairs))
    return np.where(pairs >= 0, names[gene, i] + " and " + names[gene, j], "")


# --- output -----------------------------------------------------------------------------------------------------------


def _table(found, snps, panel, model):
    """Make a row for each gene of the model, in the order of the model."""
    genes = model.genes.append(model.genes_without_weights)
    table = found.drop(columns=["left", "gap", "conflict"]).astype(float).reindex(np.arange(len(genes)))
    table["pvalue"] = 2 * stats.norm.sf(table["zscore"].abs())
    known = model.extra.set_index("gene")[list(EXTRA)].rename(columns=EXTRA).reindex(genes)
    table = table.assign(gene=genes.to_numpy(), **{name: known[name].to_numpy() for name in known})
    used, other = snps["reason"] == USED, snps["reason"] == OTHER_ALLELES
    marked = {"n_snps_used": used, **{f"n_{name}": used & snps[name] for name in ("flipped", "strand", "palindromic")}}
    for name, mark in (marked | {"n_other_alleles": other}).items():
        table[name] = np.bincount(panel.genes[mark], minlength=len(genes))
    counted = np.bincount(panel.genes, minlength=len(genes))
    table["n_snps_in_model"] = table["n_snps_in_model"].fillna(pd.Series(counted)).astype(int)
    table["n_snps_in_cov"] = np.pad(panel.sizes, (0, len(genes) - len(panel.sizes)))
    table["status"] = _statuses(found, snps, panel, model, table)
    return table[[*METAXCAN, "status", "condition_number", *COUNTS]]


def _statuses(found, snps, panel, model, table):
    """Say of each gene what is wrong with it, or "ok"."""
    status = pd.Series("ok", index=table.index)
    tested = found["left"] > CANCELLED
    status[found.index[tested & (found["left"] < NEARLY_CANCELLED)]] = CANCEL
    conflict = found.loc[tested & (found["conflict"] != ""), "conflict"]
    status[conflict.index] = "z-scores of " + conflict + " have the wrong signs for their LD"
    if len(conflict):
        warn(
            f"in {len(conflict):,} gene(s), z-scores of SNPs have the wrong signs for their LD, such as "
            f"{conflict.iloc[0]} in {model.genes[conflict.index[0]]}. Are alleles mixed up in the GWAS, or the "
            "covariances from people unlike those of the GWAS? The column `status` names a pair for each gene"
        )
    for gene in found.index[~tested]:
        weights = model.weights["weight"].iloc[model.starts[gene] : model.starts[gene + 1]]
        status[gene] = _why_not(found.loc[gene], weights, panel.covariance.problems.get(model.genes[gene]))
    reasons = np.split(snps["reason"].to_numpy(), model.starts[1:])
    for gene in np.flatnonzero(table["n_snps_used"] == 0):
        has_weights = gene < len(model.genes)
        status[gene] = _why_no_snp(reasons[gene], panel.has_gene[gene]) if has_weights else "no weights in the model"
    return status


def _why_not(row, weights, problem):
    """Why a gene with usable SNPs cannot be tested."""
    if row["gap"]:
        return problem or f"the covariance of {row['gap']} is missing"
    if not weights.any():
        return "all weights are zero"
    if row["var_g"] != 0 and not abs(row["left"]) <= CANCELLED:  # NaN where a variance is negative
        return "negative variance: these are not covariances of dosages"
    return "the predicted expression has no variance"


def _why_no_snp(reasons, has_covariances):
    """Why a gene has no usable SNP, from the reasons of its SNPs."""
    if not has_covariances:
        return "no covariances of this gene"
    counts = np.bincount(reasons)
    return "no usable SNP: " + ", ".join(f"{n} {REASONS[i]}" for i, n in enumerate(counts) if n)


def _corrected(table, phi, n, heritability):
    """Correct for polygenicity, and keep what was: columns as MetaXcan names them."""
    phi = table["gene"].map(phi).to_numpy(float)
    z = correct_zscores(table["zscore"].to_numpy(), phi, n, heritability)
    before = {"phi": phi, "uncalibrated_pvalue": table["pvalue"], "uncalibrated_zscore": table["zscore"]}
    status = table["status"].where(~np.isnan(phi) | (table["status"] != "ok"), "no phi in the model")
    table = table.assign(zscore=z, pvalue=2 * stats.norm.sf(np.abs(z)), status=status, **before)
    return table[[*METAXCAN, *before, "status", "condition_number", *COUNTS]]


def _ledger(snps, found, panel, weights, gwas):
    """Make a row for each SNP of each gene, with what it adds to the gene's z-score."""
    there = gwas.take(snps["gwas_row"]).set_axis(weights.index)  # row -1 is the last one: it is masked
    names = {"snp": "gwas_snp", "effect_allele": "gwas_effect_allele", "non_effect_allele": "gwas_non_effect_allele"}
    theirs = {new: there[old].astype(object).where(snps["gwas_row"] >= 0, None) for old, new in names.items()}
    used = snps["reason"] == USED
    sigma_g = np.sqrt(found["var_g"].where(found["left"] > CANCELLED)).reindex(panel.genes).to_numpy(float)
    contribution = (weights["weight"] * np.sqrt(snps["variance"]) * snps["zscore"] / sigma_g).where(used)
    ours = weights.rename(columns={"rsid": "snp"})[["gene", "snp", "ref_allele", "eff_allele", "weight"]]
    return ours.assign(
        variance=snps["variance"],
        **theirs,
        gwas_zscore=snps["zscore"],
        **{name: snps[name] for name in ("flipped", "strand", "palindromic")},
        used=used,
        reason=np.where(used, "", np.array(REASONS)[snps["reason"]]),
        contribution=contribution,
    )
