"""Do two traits share a causal variant? Approximate Bayes factors and five hypotheses (Giambartolomei et al. 2014).

A gene's eQTLs and a GWAS signal in the same place may come from one variant, or from two in LD. For each SNP, Wakefield
(2009) compares an effect drawn from Normal(0, W) with none, from the estimate and its standard error alone: with
z = beta / se and r = W / (W + se²),

    log ABF = 1/2 (log(1 - r) + r z²)

If at most one SNP of the locus is causal for each trait, sums of these factors over SNPs and pairs of SNPs are the
evidence for H0 (no SNP), H1 and H2 (one trait only), H3 (two SNPs) and H4 (one SNP for both).
"""

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from scomics_lite.validation import InputError, check_order, is_number, quoted

HYPOTHESES = ("H0", "H1", "H2", "H3", "H4")


def colocalisation(
    beta_1, se_1, beta_2, se_2, *, prior_sd_1=0.15, prior_sd_2=0.15, prior_1=1e-4, prior_2=1e-4, prior_both=1e-5
):
    """Compute the posterior probabilities that two traits share a causal variant in a locus, or do not.

    Parameters
    ----------
    beta_1, se_1 : Series by SNP or array_like, shape (m,)
        Effects of all SNPs of the locus on the first trait, per allele, and their standard errors. Where only z is
        published, beta = z se with se = 1 / sqrt(2 f (1 - f) n), for allele frequency f in n people, in units of the
        trait's standard deviation.
    beta_2, se_2 : Series by SNP or array_like, shape (m,)
        The same SNPs, in the same order, on the second trait.
    prior_sd_1, prior_sd_2 : float
        sqrt(W), standard deviation of true effects: 0.15 standard deviations of a quantitative trait, and for the log
        odds ratios of cases and controls 0.2, are usual. A trait in other units needs 0.15 of its standard deviation.
    prior_1, prior_2, prior_both : float
        Prior probabilities that a SNP is causal for the first trait alone, the second alone, and both. The defaults are
        coloc's.

    Returns
    -------
    Series
        Probabilities of H0 to H4, which add up to 1. H4: one variant for both traits. Little of H3 and H4 together
        means too little data, not that the traits have different variants.

    Raises
    ------
    InputError
        When SNPs differ, a number is missing, a standard error is not positive or a prior is out of range.

    References
    ----------
    Giambartolomei et al. 2014, PLoS Genetics 10: e1004383. Wakefield 2009, Genetic Epidemiology 33: 79.

    Examples
    --------
    >>> se = np.full(3, 0.02)
    >>> expression, trait = np.array([0.01, 0.16, 0.03]), np.array([0.00, 0.12, 0.01])
    >>> colocalisation(expression, se, trait, se).round(3).to_dict()
    {'H0': 0.0, 'H1': 0.0, 'H2': 0.0, 'H3': 0.0, 'H4': 1.0}
    >>> colocalisation(expression, se, trait[[1, 0, 2]], se).round(3).to_dict()
    {'H0': 0.0, 'H1': 0.002, 'H2': 0.0, 'H3': 0.998, 'H4': 0.0}
    """
    for name, value in (("prior_1", prior_1), ("prior_2", prior_2), ("prior_both", prior_both)):
        if not (is_number(value) and 0 < value < 1):
            raise InputError(f"{name} is a probability, more than 0 and less than 1; got {value!r}")
    _check_same_snps(beta_1, se_1, beta_2, se_2)
    first = log_bayes_factors(beta_1, se_1, prior_sd_1)
    second = log_bayes_factors(beta_2, se_2, prior_sd_2)
    if len(first) != len(second):
        raise InputError(
            f"the first trait has {len(first):,} SNPs, the second {len(second):,}; give those that both have"
        )
    one, two, same = logsumexp(first), logsumexp(second), logsumexp(first + second)
    log_prior = np.log([prior_1, prior_2, prior_1 * prior_2, prior_both])
    evidence = np.array([0.0, one, two, _log_difference(one + two, same), same])
    evidence[1:] += log_prior
    return pd.Series(np.exp(evidence - logsumexp(evidence)), index=list(HYPOTHESES), name="probability")


def log_bayes_factors(beta, se, prior_sd):
    """Compute Wakefield's approximate Bayes factors: log p(beta | an effect) / p(beta | none), SNP by SNP.

    Parameters
    ----------
    beta, se : Series or array_like, shape (m,)
    prior_sd : float
        Standard deviation of effects.

    Returns
    -------
    ndarray, shape (m,)

    Examples
    --------
    >>> log_bayes_factors([0.1], [0.05], 0.15).round(4)
    array([0.6487])
    """
    if not (is_number(prior_sd) and prior_sd > 0):
        raise InputError(f"prior_sd is a standard deviation of effects, more than 0; got {prior_sd!r}")
    snps = beta.index if isinstance(beta, pd.Series) else pd.RangeIndex(len(beta))
    beta, se = np.asarray(beta, dtype=float), np.asarray(se, dtype=float)
    if beta.shape != se.shape:
        raise InputError(f"{len(snps):,} effects need as many standard errors; got shape {se.shape}")
    bad = np.flatnonzero(~(np.isfinite(beta) & np.isfinite(se) & (se > 0)))
    if bad.size or not len(beta):
        where = f"SNP {quoted(snps[bad[0]])} has {beta[bad[0]]} and {se[bad[0]]}" if bad.size else "there is no SNP"
        raise InputError(
            f"effects are finite and standard errors positive; {where}. Leave such SNPs out of both traits"
        )
    r = prior_sd**2 / (prior_sd**2 + se**2)
    return 0.5 * (np.log1p(-r) + r * (beta / se) ** 2)


def _check_same_snps(beta_1, se_1, beta_2, se_2):
    """Refuse Series that name other SNPs, or the same in another order, than the first one."""
    snps = getattr(beta_1, "index", None)
    if isinstance(snps, pd.Index):
        for what, values in (("se_1", se_1), ("beta_2", beta_2), ("se_2", se_2)):
            check_order(values, snps, what, of="beta_1")


def _log_difference(larger, smaller):
    """log(exp(larger) - exp(smaller)): pairs of different SNPs are all pairs but those of a SNP with itself."""
    return larger + np.log(-np.expm1(smaller - larger)) if smaller < larger else -np.inf
