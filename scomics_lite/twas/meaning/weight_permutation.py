"""Do the weights matter, or only the place? Permutation of a gene's weights among its SNPs (Gusev et al. 2016).

Where a GWAS has a strong signal, a gene is associated with the trait whenever its SNPs are in LD with the signal,
whatever expression does. The permutation keeps the GWAS as it is and deals the gene's weights out to its SNPs anew:

    z_pi = u_pi' z / sqrt(u_pi' R u_pi),    u_l = w_l sigma_l,

with R the LD of the SNPs, and compares |z| of the true weights with |z_pi|.
"""

import numpy as np
import pandas as pd

from scomics_lite.twas.associations.harmonisation import USED, harmonise
from scomics_lite.twas.associations.summary_multiple_models import names_in
from scomics_lite.validation import InputError, did_you_mean, quoted

BATCH = 1_000  # permutations held at a time
ROUNDING = 1e-9  # a permutation that gives back the same z counts as one


def permute_weights(gwas, model, covariances, *, genes=None, palindromic="keep", permutations=1_000, rng=0):
    """Test whether the alignment of a gene's weights with the GWAS matters beyond the signal of the locus.

    The null hypothesis: given the z-scores of the gene's SNPs, it does not matter which SNP has which weight. A small p
    says that expression and trait agree on the SNPs; a large one that the z-score of the gene may come from any weights
    in this place. It does not say that expression causes the trait: a second signal in LD with the gene's main eQTL
    passes. Nor is it a better p-value of the association itself, whose null is that the trait has no association with
    the weighted sum of the SNPs (de Leeuw et al. 2023 discuss what TWAS tests); it is asked of genes which have passed
    that. It takes SNPs as exchangeable; where some are in LD with more of the others than the rest, it is approximate.

    Parameters
    ----------
    gwas : DataFrame
        As `read_gwas` gives it.
    model : PredictionModel
    covariances : Covariances
        Of the dosages of each gene's SNPs, as for `s_predixcan`.
    genes : sequence of str, optional
        Those that are significant, as a rule. All genes of the model when not given.
    palindromic : {"keep", "drop"}
        As for `s_predixcan`.
    permutations : int
        B. The smallest p-value is 1 / (B + 1); with k SNPs of different weights it is also near 1 / k! at least.
    rng : numpy.random.Generator or int
        Source of randomness.

    Returns
    -------
    DataFrame
        In the order of `genes`: ``gene``, ``zscore`` (as `s_predixcan` gives it), ``n_snps_used``, ``n_as_extreme``
        (permutations with a z as far from 0, or farther), ``permutations``, ``pvalue`` = (1 + n_as_extreme) / (1 + B),
        and ``status``, which says why there is no result.

    Raises
    ------
    InputError
        When the model has no such gene, or `permutations` is not a number of permutations.

    References
    ----------
    Gusev et al. 2016, Nature Genetics 48: 245. De Leeuw et al. 2023, PLoS Genetics 19: e1010921.

    Examples
    --------
    Two SNPs, and the heavier weight lies on the one with the signal: one of two orders is as extreme.

    >>> from scomics_lite.twas.exchange.covariance_files import Covariances
    >>> from scomics_lite.twas.exchange.models import PredictionModel
    >>> snps = ["rs1", "rs2"]
    >>> weights = pd.DataFrame({"rsid": snps, "gene": "g", "weight": [1, 0.1], "ref_allele": "A", "eff_allele": "G"})
    >>> gwas = pd.DataFrame({"snp": snps, "effect_allele": "G", "non_effect_allele": "A", "zscore": [6.0, 0.5]})
    >>> covariances = Covariances.from_matrices({"g": pd.DataFrame(np.eye(2), snps, snps)})
    >>> found = permute_weights(gwas, PredictionModel(weights), covariances, permutations=999)
    >>> found[["gene", "zscore", "n_snps_used", "pvalue", "status"]].round(1)
      gene  zscore  n_snps_used  pvalue status
    0    g     6.0            2     0.5     ok
    """
    if not (isinstance(permutations, int) and permutations >= 1):
        raise InputError(f"permutations is a number of permutations, 1 or more; got {permutations!r}")
    genes = model.genes if genes is None else pd.Index([genes] if isinstance(genes, str) else genes)
    places = model.genes.get_indexer(genes)
    if (places < 0).any():
        unknown = genes[places < 0][0]
        raise InputError(f"the model has no gene {quoted(unknown)}; {did_you_mean(unknown, model.genes)}")
    rng = np.random.default_rng(rng)
    chosen = model.select(genes)
    harmonised, _ = harmonise(chosen.weights, gwas, palindromic)
    harmonised["name"] = names_in(covariances, chosen.weights)
    rows = [_test(gene, chosen, harmonised, covariances, permutations, rng) for gene in genes]
    columns = ["gene", "zscore", "n_snps_used", "n_as_extreme", "permutations", "pvalue", "status"]
    return pd.DataFrame(rows, columns=columns)


def count_as_extreme(zscores, weights, correlation, permutations, rng):
    """Count permutations of the weights that give a z-score of the gene as far from 0 as the true weights do.

    Parameters
    ----------
    zscores : ndarray, shape (k,)
        Of the SNPs.
    weights : ndarray, shape (k,)
        u, per standard deviation of the dosage; 0 for SNPs of the locus that the gene does not use.
    correlation : ndarray, shape (k, k)
        R, LD of the SNPs.
    permutations : int
    rng : numpy.random.Generator

    Returns
    -------
    zscore : float
        Of the gene.
    count : int

    Examples
    --------
    >>> z, u = np.array([4.0, 0.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0, 0.0])
    >>> zscore, count = count_as_extreme(z, u, np.eye(4), 1_000, np.random.default_rng(0))
    >>> float(zscore), abs(count - 250) < 60
    (4.0, True)
    """
    zscore = _gene_zscores(weights[None, :], zscores, correlation)[0]
    count = 0
    for first in range(0, permutations, BATCH):
        dealt = rng.permuted(np.tile(weights, (min(BATCH, permutations - first), 1)), axis=1)
        permuted = _gene_zscores(dealt, zscores, correlation)
        count += int(np.sum(np.abs(permuted) >= abs(zscore) * (1 - ROUNDING)))
    return zscore, count


def _gene_zscores(weights, zscores, correlation):
    """Give the gene's z for rows of weights; 0 for weights that cancel out, whose sum is the same in everybody."""
    variance = np.sum((weights @ correlation) * weights, axis=1)
    null = variance <= 1e-12 * np.sum(weights**2, axis=1)
    return np.where(null, 0.0, weights @ zscores / np.sqrt(np.where(null, 1.0, variance)))


def _test(gene, model, harmonised, covariances, permutations, rng):
    """Give the row of one gene."""
    place = model.genes.get_loc(gene)
    rows = slice(model.starts[place], model.starts[place + 1])
    weights, found = model.weights.iloc[rows], harmonised.iloc[rows]
    covariance = covariances.matrix(gene, found["name"])
    used = ((found["reason"] == USED) & np.isfinite(np.diag(covariance)) & (np.diag(covariance) > 0)).to_numpy()
    covariance = covariance[np.ix_(used, used)]
    status = _why_not(weights["weight"][used], covariance, harmonised=(found["reason"] == USED).any())
    if status != "ok":
        return gene, np.nan, int(used.sum()), pd.NA, permutations, np.nan, status
    deviation = np.sqrt(np.diag(covariance))
    u = weights["weight"].to_numpy()[used] * deviation
    correlation = covariance / np.outer(deviation, deviation)
    zscore, count = count_as_extreme(found["zscore"].to_numpy()[used], u, correlation, permutations, rng)
    return gene, zscore, len(u), count, permutations, (1 + count) / (1 + permutations), status


def _why_not(weights, covariance, harmonised):
    """Say why a gene cannot be tested, or "ok"."""
    if not harmonised:
        return "none of its SNPs is in the GWAS"
    if not len(weights):
        return "none of its SNPs is in the GWAS and varies in the covariance"
    if not np.isfinite(covariance).all():
        return "the covariance of two of its SNPs is missing"
    if not np.any(weights):
        return "all weights are 0"
    return "ok" if len(weights) > 1 else "one SNP: nothing to permute"
