"""Which gene of a locus? Posterior probabilities given all z-scores of the locus at once (FOCUS, Mancuso et al. 2019).

A causal gene lends its association to its neighbours, because predicted expressions of genes that share SNPs, or have
SNPs in LD, are correlated. With V the correlations of the k predicted expressions and lambda the effects, 0 for genes
that do nothing,

    z | lambda ~ Normal(V lambda, V)
    lambda_c ~ Normal(0, (s / |c|) I) for the genes of a configuration c, each of them causal with one prior probability

Configurations of up to three genes are compared, and the empty one: none of these genes is causal.
"""

from itertools import combinations, islice

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from scomics_lite.twas.associations.harmonisation import USED, harmonise
from scomics_lite.twas.associations.prediction import predict_expression
from scomics_lite.twas.exchange.models import PredictionModel
from scomics_lite.validation import InputError, check_order, is_number, quoted

NONE = "none of these"  # the row of the empty configuration
BATCH = 50_000  # configurations worked on together


def locus_posterior(zscores, correlation, *, prior=1e-3, prior_variance=40.0, max_causal=3, level=0.9):
    """Compute for each gene of a locus the posterior probability that it is causal.

    Parameters
    ----------
    zscores : Series by gene or array_like, shape (k,)
        z-scores of all genes of the locus, as `s_predixcan` gives them.
    correlation : DataFrame or array_like, shape (k, k)
        V, correlations of the genes' predicted expressions, in the same order: `expression_correlation`.
    prior : float
        Prior probability that a gene is causal. The default is FOCUS's; 1 / k expects one causal gene in the locus.
    prior_variance : float
        s, the variance of the effects times the people in the GWAS, shared among the genes of a configuration. A single
        causal gene has E[z²] = 1 + s. The default is FOCUS's.
    max_causal : int
        Genes in a configuration at most.
    level : float
        Of the credible set: rows are taken in by falling probability, until they hold this share of the sum of all
        probabilities, those of genes and that of "none of these".

    Returns
    -------
    DataFrame
        ``gene``, ``zscore``, ``pip`` (posterior inclusion probability) and ``in_credible_set``, by falling pip. The row
        "none of these" holds the probability that no gene of the list is causal: that the signal is chance. A causal
        gene that is not in the list is another matter: its neighbours in the list take its place, because they share
        its LD. (Of 60 simulated loci whose causal gene was left out and whose neighbours had a z beyond 4, a neighbour
        got a probability above 0.5 in 90 %.) FOCUS has an intercept for such signals, which is left out here: it
        assumes that they add the same to the statistic of every SNP of the locus. With one causal gene, the largest pip
        is that of the z farthest from 0, as a rule; what is gained is how sure one may be, and genes that are causal
        beside another one.

    Raises
    ------
    InputError
        When z-scores and correlations are not of the same genes, a number is missing, or a setting is out of range.

    References
    ----------
    Mancuso et al. 2019, Nature Genetics 51: 675, 10.1038/s41588-019-0367-1.

    Examples
    --------
    >>> z = pd.Series({"A": 6.0, "B": 5.4, "C": 0.3})
    >>> V = [[1.0, 0.9, 0.1], [0.9, 1.0, 0.1], [0.1, 0.1, 1.0]]
    >>> locus_posterior(z, V).round(3)
                gene  zscore    pip  in_credible_set
    0              A     6.0  0.966             True
    1              B     5.4  0.035            False
    2              C     0.3  0.000            False
    3  none of these     NaN  0.000            False
    """
    genes = zscores.index if isinstance(zscores, pd.Series) else pd.RangeIndex(len(zscores))
    z, v = _checked(zscores, correlation, genes, prior, prior_variance, max_causal, level)
    none = len(z) * np.log1p(-prior)
    weighed = list(_weigh(z, v, prior, prior_variance, max_causal))
    total = logsumexp(np.concatenate([[none], *(evidence for _, evidence in weighed)]))
    pip = np.zeros(len(z) + 1)
    pip[-1] = np.exp(none - total)
    for configurations, evidence in weighed:
        np.add.at(pip, configurations, np.exp(evidence - total)[:, None])
    table = pd.DataFrame({"gene": [*genes, NONE], "zscore": [*z, np.nan], "pip": pip})
    table = table.sort_values("pip", ascending=False, kind="stable", ignore_index=True)
    before = table["pip"].cumsum().shift(fill_value=0.0)
    table["in_credible_set"] = before < level * table["pip"].sum()
    return table


def expression_correlation(dosages, model, genes=None, *, gwas=None):
    """Compute the correlations of the predicted expressions of genes of a locus, in a panel of people.

    PredictDB's files of covariances hold pairs of SNPs of the same gene only; between genes a panel is needed.

    Parameters
    ----------
    dosages : AnnData or DataFrame, people x SNPs
        The panel, of the ancestry of the GWAS.
    model : PredictionModel
    genes : sequence of str, optional
        The genes of the locus, in the order wanted; all of the model when not given.
    gwas : DataFrame, optional
        As `read_gwas` gives it. Then only SNPs count that `s_predixcan` could use.

    Returns
    -------
    DataFrame, shape (k, k)

    Raises
    ------
    InputError
        When the predicted expression of a gene does not vary in the panel, or the model has no such gene.

    Examples
    --------
    >>> from scomics_lite.twas.exchange.models import PredictionModel
    >>> weights = pd.DataFrame({"rsid": ["rs1", "rs1", "rs2"], "gene": ["A", "B", "B"], "weight": [0.5, 0.3, 0.4]})
    >>> model = PredictionModel(weights.assign(ref_allele="A", eff_allele="G"))
    >>> dosages = pd.DataFrame({"rs1": [0, 1, 2, 0, 1, 2], "rs2": [0, 0, 0, 1, 1, 1]})
    >>> expression_correlation(dosages, model).round(3)
           A      B
    A  1.000  0.775
    B  0.775  1.000
    """
    chosen = model if genes is None else model.select(genes)
    genes = pd.Index(chosen.genes if genes is None else genes).rename(None)
    if gwas is not None:
        used = (harmonise(chosen.weights, gwas)[0]["reason"] == USED).to_numpy()
        chosen = PredictionModel(chosen.weights[used], chosen.extra)
    predicted = predict_expression(dosages, chosen).reindex(columns=genes).to_numpy()
    largest = chosen.weights["weight"].abs().groupby(chosen.weights["gene"]).sum().reindex(genes, fill_value=0)
    constant = ~(predicted.std(axis=0) > 1e-9 * largest.to_numpy())
    if constant.any():
        gene = genes[constant][0]
        raise InputError(
            f"the predicted expression of gene {quoted(gene)} does not vary in the panel, or none of its SNPs is used; "
            f"leave it out: genes=[gene for gene in genes if gene != {gene!r}]"
        )
    return pd.DataFrame(np.corrcoef(predicted.T), index=genes, columns=genes)


def log_bayes_factors(z, v, configurations, variance):
    """Compare configurations of equally many causal genes with none: log p(z | c) / p(z | no causal gene).

    Given z_c, the other genes' z-scores tell nothing more of lambda_c, so that only the genes of c are needed. With
    v_c their part of V, integrating lambda_c ~ Normal(0, s I) out of Normal(v_c lambda_c, v_c) gives

        -1/2 log det(I + s v_c) + s/2 z_c' (I + s v_c)^-1 z_c,

    without an inverse of v_c: genes with the same predicted expression do no harm.

    Parameters
    ----------
    z : ndarray, shape (k,)
    v : ndarray, shape (k, k)
    configurations : ndarray of int, shape (b, c)
    variance : float
        s, of each effect.

    Returns
    -------
    ndarray, shape (b,)

    Examples
    --------
    >>> log_bayes_factors(np.array([3.0]), np.eye(1), np.array([[0]]), 8.0).round(3)
    array([2.901])
    """
    z_c = z[configurations]
    spread = np.eye(configurations.shape[1]) + variance * v[configurations[:, :, None], configurations[:, None, :]]
    fitted = np.linalg.solve(spread, z_c[..., None])[..., 0]
    return 0.5 * (variance * np.sum(z_c * fitted, axis=1) - np.linalg.slogdet(spread).logabsdet)


def _weigh(z, v, prior, prior_variance, max_causal):
    """Yield configurations of 1, 2 … genes, and the logarithm of prior times Bayes factor of each."""
    k = len(z)
    for size in range(1, min(max_causal, k) + 1):
        log_prior = size * np.log(prior) + (k - size) * np.log1p(-prior)
        remaining = combinations(range(k), size)
        while some := list(islice(remaining, BATCH)):
            configurations = np.array(some)
            yield configurations, log_prior + log_bayes_factors(z, v, configurations, prior_variance / size)


def _checked(zscores, correlation, genes, prior, prior_variance, max_causal, level):
    """Give z and V as arrays, or say what is wrong with them or with a setting."""
    for name, value, most in (("prior", prior, 1), ("prior_variance", prior_variance, np.inf), ("level", level, 1)):
        if not (is_number(value) and 0 < value < most):
            raise InputError(f"{name} is more than 0 and less than {most}; got {value!r}")
    if not (isinstance(max_causal, int) and max_causal >= 1):
        raise InputError(f"max_causal is a number of genes, 1 or more; got {max_causal!r}")
    check_order(correlation, genes, "correlation", genes, of="z-scores")
    z, v = np.asarray(zscores, dtype=float), np.asarray(correlation, dtype=float)
    if v.shape != (len(z), len(z)):
        raise InputError(f"{len(z)} z-scores need correlations of shape ({len(z)}, {len(z)}); got {v.shape}")
    lost = np.flatnonzero(~np.isfinite(z) | ~np.isfinite(v).all(axis=1))
    if lost.size:
        raise InputError(
            f"gene {quoted(genes[lost[0]])} has no z-score or no correlations; leave it out of both: "
            "zscores.dropna() and correlation.loc[genes, genes]"
        )
    off = np.flatnonzero(np.abs(np.diag(v) - 1) > 1e-6)
    if off.size:
        raise InputError(
            f"correlation is {v[off[0], off[0]]:.4g} for gene {quoted(genes[off[0]])} with itself, not 1: "
            "covariances become correlations by scomics_lite.twas.expression_correlation"
        )
    return z, v
