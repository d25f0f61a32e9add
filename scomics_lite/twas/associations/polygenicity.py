"""phi: how much a polygenic trait inflates the statistic of a gene, for a model of one's own (Liang et al. 2026).

A trait of many small effects is associated with every gene a little, because predicted expression is correlated with
SNPs that carry effects. The larger the GWAS, the larger z², and a normal p-value counts that as evidence. With h²
spread evenly over the M SNPs of the panel, each standardised effect has variance h² / M, and for gene g

    z_g = sqrt(N) sum_j r(T_g, X_j) b_j + noise of variance 1
    E[z_g²] = 1 + N (h² / M) sum_j r²(T_g, X_j) = 1 + N h² phi_g,    phi_g = mean over j of r²(T_g, X_j)

So phi is the LD score of the predicted expression, divided by the number of SNPs. It is a property of the model and of
LD, not of the trait.
"""

import numpy as np
import pandas as pd

from scomics_lite.twas.associations.prediction import predict_expression
from scomics_lite.twas.genotypes.dosages import read_dosages
from scomics_lite.validation import InputError, is_number, quoted, with_names

BLOCK = 4_000_000  # numbers held for a block of SNPs: of people x SNPs, and of SNPs x genes


def phi(dosages, model):
    """Compute phi, the inflation of a gene's z² per person and unit of heritability, for every gene of a model.

    phi_g is the mean, over all SNPs j of the panel, of r² - (1 - r²) / (n - 2), where r is the correlation of the
    predicted expression of gene g with the dosage of SNP j in n people. Without the second term, which has the mean of
    r² under no correlation, chance correlations would add 1 / (n - 1), as much as LD does where the panel is a genome.

    Parameters
    ----------
    dosages : AnnData or DataFrame, people x SNPs
        The panel: all SNPs over which the heritability is thought to be spread, the whole genome, and not just the
        SNPs of the model. Missing dosages count as the average of the SNP; SNPs without variation are left out.
    model : PredictionModel

    Returns
    -------
    Series
        phi by gene, in the order of the model's genes. It can come out below 0 by chance; NaN for a gene whose
        predicted expression is the same in everybody.

    Raises
    ------
    InputError
        When the panel has fewer than 3 people, or no SNP that varies.

    See Also
    --------
    correct_zscores : what phi is for.

    Notes
    -----
    Assumed: effects independent of LD and with the same variance for every standardised SNP, a panel with the LD of the
    people in the GWAS, and among its SNPs the causal ones or close proxies of them.

    The same gene has a phi of about l / M, where l is its LD score: a panel of one region of M_r SNPs gives M / M_r
    times the phi of the genome, and belongs to the heritability of that region, h² M_r / M.

    The standard error from a panel of n people is sqrt(2 / M_e) / n for a gene of small phi, where 1 / M_e is the mean
    of r² over all pairs of SNPs and M_e so to speak the number of independent ones. For n = 500 and M_e = 60,000 it is
    1e-5: times N h² = 100,000, that is 1. Use thousands of people for a genome. With a hundred, phi also comes out
    some percent too low where rare SNPs lie in LD, because their chance correlations are smaller than others'.

    References
    ----------
    Liang et al. 2026, American Journal of Human Genetics, 10.1016/j.ajhg.2025.12.014.

    Examples
    --------
    Two SNPs, one of them the gene's and the other independent of it: the mean of 1 and, in expectation, 0.

    >>> from scomics_lite.twas.exchange.models import PredictionModel
    >>> dosages = pd.DataFrame({"rs1": [0, 1, 2, 0, 1, 2, 0, 1, 2], "rs2": [0, 0, 0, 1, 1, 1, 2, 2, 2]})
    >>> weights = pd.DataFrame([["rs1", "g1", 0.3, "A", "G"]], columns=["rsid", "gene", "weight", "ref_allele",
    ...                                                                "eff_allele"])
    >>> extra = pd.DataFrame({"gene": ["g1"], "genename": ["G1"], "n.snps.in.model": [1], "pred.perf.R2": [0.1],
    ...                       "pred.perf.pval": [0.01], "pred.perf.qval": [0.01]})
    >>> phi(dosages, PredictionModel(weights, extra)).round(3)
    gene
    g1    0.429
    Name: phi, dtype: float64
    """
    values, *_ = read_dosages(dosages)
    predicted = predict_expression(dosages, model)
    n = len(predicted)
    if n < 3:
        raise InputError(f"phi needs the dosages of 3 people at least, and of hundreds to be of use; got {n}")
    r2 = mean_squared_correlation(predicted.to_numpy(dtype=float), _blocks(values, predicted.shape[1]))
    genes = pd.Index(predicted.columns, name="gene")
    return pd.Series(r2 - (1 - r2) / (n - 2), index=genes, name="phi")


def mean_squared_correlation(predicted, dosage_blocks):
    """Average the squared correlations of each gene's predicted expression with the SNPs.

    Parameters
    ----------
    predicted : ndarray, shape (n, g)
        Predicted expression.
    dosage_blocks : iterable of ndarray, shape (n, m)
        The SNPs, some at a time, so that genes x SNPs are never held whole. NaN where missing.

    Returns
    -------
    ndarray, shape (g,)
        NaN for genes without variation. SNPs without variation do not count.

    Examples
    --------
    >>> mean_squared_correlation(np.array([[0.0], [1], [2]]), [np.array([[0.0, 1, 1], [1, 0, 1], [2, 1, 1]])])
    array([0.5])
    """
    expression = _unit_columns(predicted)
    total, m = np.zeros(expression.shape[1]), 0
    for dosages in dosage_blocks:
        snps = _unit_columns(dosages)
        varies = ~np.isnan(snps[0])
        total += np.sum((snps[:, varies].T @ expression) ** 2, axis=0)
        m += int(varies.sum())
    if m == 0:
        raise InputError("no SNP of the panel varies between its people; give the dosages of more people or other SNPs")
    return total / m


def correct_zscores(zscores, phi, n, heritability):
    """Divide z-scores by the inflation that a polygenic trait gives them: z / sqrt(1 + max(phi, 0) N h²).

    Parameters
    ----------
    zscores : array_like or Series, shape (g,)
        As `s_predixcan` gives them.
    phi : array_like or Series, shape (g,)
        Of the same genes, as `scomics_lite.twas.phi` gives it. Where both are Series, genes are matched by name.
    n : float
        People in the GWAS; with cases and controls the effective number, 4 / (1 / cases + 1 / controls).
    heritability : float
        SNP heritability of the trait, between 0 and 1.

    Returns
    -------
    ndarray or Series, shape (g,)
        NaN where phi is.

    Raises
    ------
    InputError
        When phi lacks a gene, lengths differ, or n or heritability cannot be what they are called.

    Examples
    --------
    >>> correct_zscores([4.0, -4.0], [2e-5, -1e-6], n=300_000, heritability=0.5)
    array([ 2., -4.])
    """
    if not (is_number(n) and n > 0):
        raise InputError(f"n is the number of people in the GWAS, more than 0; got {n!r}")
    if not (is_number(heritability) and 0 <= heritability <= 1):
        raise InputError(f"heritability is a share of the variance, between 0 and 1; got {heritability!r}")
    genes = _names(zscores)
    values = np.asarray(zscores, dtype=float)
    inflation = 1 + np.maximum(_phi_of(phi, genes, len(values)), 0) * n * heritability
    corrected = values / np.sqrt(inflation)
    return corrected if genes is None else with_names(corrected, genes)


def _blocks(dosages, n_genes):
    """Yield some SNPs after the other, people x SNPs."""
    n, m = dosages.shape
    size = max(1, BLOCK // max(n, n_genes))
    return (dosages[:, first : first + size].astype(float) for first in range(0, m, size))


def _unit_columns(matrix):
    """Centre columns and bring them to length 1, missing values to 0; columns without variation become NaN."""
    missing = np.isnan(matrix)
    known = np.maximum((~missing).sum(axis=0), 1)
    centred = np.where(missing, 0.0, matrix - np.nansum(matrix, axis=0) / known)
    length = np.sqrt(np.sum(centred**2, axis=0))
    scale = np.abs(np.nan_to_num(matrix)).max(axis=0, initial=0) * np.sqrt(len(matrix))
    length[length <= 1e-9 * scale] = np.nan  # what rounding leaves of a constant column
    return centred / np.where(length == 0, np.nan, length)


def _names(values):
    """Give the names of a Series, or None: 0, 1, 2 … are none."""
    return values.index if isinstance(values, pd.Series) and not isinstance(values.index, pd.RangeIndex) else None


def _phi_of(phi, genes, count):
    """Give phi of the genes wanted, in their order."""
    named = _names(phi)
    if named is not None and genes is not None:
        if not named.is_unique:
            raise InputError(
                f"phi names gene {quoted(named[named.duplicated()][0])} twice; keep one value of each gene"
            )
        lacking = genes.difference(named, sort=False)
        if len(lacking):
            raise InputError(
                f"phi has no value for gene {quoted(lacking[0])} and {len(lacking) - 1:,} more of {count:,}; "
                "keep the genes that it has: zscores.loc[zscores.index.isin(phi.index)]"
            )
        return phi.loc[genes].to_numpy(dtype=float)
    if named is not None:
        raise InputError(
            "phi is named by gene and the z-scores are not, so that their orders may differ; "
            'name them too: results.set_index("gene")["zscore"]'
        )
    values = np.asarray(phi, dtype=float)
    if values.ndim and values.shape != (count,):
        raise InputError(f"{count:,} z-scores need as many values of phi; got shape {values.shape}")
    return values
