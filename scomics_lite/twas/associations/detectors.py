"""What makes a TWAS silently wrong, found before the numbers are believed.

Names that do not meet, alleles that do not fit, a table of correlations where covariances belong, and z-scores that
contradict the LD of the panel. Each check is a function that raises or warns with what it saw on both sides and what to
do; none changes a number.

What is not detected: a panel of another population whose LD is weaker or stronger than that of the GWAS, with the same
signs. z-scores of few SNPs a gene do not tell it from an effect.
"""

import numpy as np
import pandas as pd

from scomics_lite.twas.associations.harmonisation import KEYS, NOT_IN_COVARIANCE, OTHER_ALLELES, USED, place_codes
from scomics_lite.validation import InputError, warn

ENOUGH = 20  # SNPs with frequencies on both sides
FEW = 10  # percent of the model's SNPs found: fewer are worth a warning
MANY_OTHER = 0.1  # share of found SNPs with other alleles; a few in a thousand are usual
STRONG = 0.8  # correlation of two SNPs from which their z-scores must have its sign
CONTRADICTION = 5.0  # -r z1 z2 from which they contradict it


def check_names(match, snps, names):
    """Stop where a GWAS has none of a model's SNPs, and warn where it has few.

    Parameters
    ----------
    match : Match
        What `harmonise` found.
    snps : DataFrame
        The model's weights, with rsid and, where known, varID.
    names : Series of str
        What the GWAS calls its SNPs.

    Raises
    ------
    InputError
        If there is none: with names of both sides, the share that each key would find, and the likely cause.

    Examples
    --------
    >>> from scomics_lite.twas.associations.harmonisation import match_snps
    >>> snps, names = pd.DataFrame({"rsid": ["rs1", "rs2"]}), pd.Series(["1:20", "1:30"])
    >>> check_names(match_snps(snps, names), snps, names)
    Traceback (most recent call last):
    scomics_lite.validation.InputError: none of the model's 2 SNPs is in the GWAS (rsid 0%, position 0%). \
The model calls its SNPs rs1, rs2; the GWAS calls its own 1:20, 1:30. The GWAS names places, and the model does not: \
name the GWAS's SNPs by rsid, or give the model's weights a column varID with names such as chr1_1000_A_G_b38
    """
    percent = match.found[match.key]
    if percent and match.key == "position" and not _are_places(names):
        warn(
            f"the names of the SNPs do not meet ({_tried(match, KEYS[:2])}), and chromosome and position do for "
            f"{percent:.0f}%: those are used. {_both_sides(snps, names)}"
        )
    elif percent < FEW:
        few = f"only {percent:.2g}% of" if percent else "none of"
        verb = "are" if percent else "is"
        seen = f"{few} the model's {len(snps):,} SNPs {verb} in the GWAS ({_tried(match, match.found)})"
        sides = _both_sides(snps, names)
        if not percent:
            raise InputError(f"{seen}. {sides}. {_likely_cause(snps, names)}")
        warn(f"{seen}. {sides}. Is the GWAS of a part of the genome, or were its SNPs filtered?")


def warn_of_other_alleles(table, weights, gwas):
    """Warn where so many SNPs have other alleles in the GWAS that they are probably other SNPs.

    Parameters
    ----------
    table : DataFrame
        As `harmonise` gives it.
    weights, gwas : DataFrame
        What it was made of.

    Examples
    --------
    >>> import warnings
    >>> from scomics_lite.twas.associations.harmonisation import harmonise
    >>> alleles = {"ref_allele": ["A"], "eff_allele": ["C"]}
    >>> weights = pd.DataFrame({"rsid": ["rs1"], "gene": "g", "weight": 1.0, **alleles})
    >>> gwas = pd.DataFrame({"snp": ["rs1"], "effect_allele": "G", "non_effect_allele": "A", "zscore": 2.0})
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn_of_other_alleles(harmonise(weights, gwas)[0], weights, gwas)
    >>> print(caught[0].message)
    1 of the 1 SNPs that were found (100%) have other alleles in the GWAS, such as rs1: A/C in the model, A/G there. \
They are left out. Are build of the genome and columns of alleles the right ones?
    """
    found, other = table["gwas_row"] >= 0, table["reason"] == OTHER_ALLELES
    if other.sum() <= MANY_OTHER * found.sum():
        return
    first = int(np.argmax(other))
    here, there = weights.iloc[first], gwas.iloc[table["gwas_row"].iloc[first]]
    warn(
        f"{other.sum():,} of the {found.sum():,} SNPs that were found ({100 * other.sum() / found.sum():.0f}%) have "
        f"other alleles in the GWAS, such as {here['rsid']}: {here['ref_allele']}/{here['eff_allele']} in the model, "
        f"{there['non_effect_allele']}/{there['effect_allele']} there. They are left out. Are build of the genome and "
        "columns of alleles the right ones?"
    )


def warn_of_swapped_columns(table, weights, gwas):
    """Warn where the frequencies of effect alleles say that a GWAS's two columns of alleles were exchanged.

    Both sides need a column ``frequency``, and twenty SNPs that are not palindromic. After alignment the frequencies
    are those of the same alleles and go together in all populations; the wrong way round their correlation is negative.

    Parameters
    ----------
    table : DataFrame
        As `harmonise` gives it.
    weights, gwas : DataFrame
        What it was made of.

    Examples
    --------
    >>> import warnings
    >>> from scomics_lite.twas.associations.harmonisation import harmonise
    >>> snps = [f"rs{i}" for i in range(20)]
    >>> weights = pd.DataFrame({"rsid": snps, "gene": "g", "weight": 1.0, "ref_allele": "A", "eff_allele": "G"})
    >>> gwas = pd.DataFrame({"snp": snps, "effect_allele": "A", "non_effect_allele": "G", "zscore": 1.0})
    >>> weights["frequency"] = gwas["frequency"] = np.linspace(0.05, 0.8, 20)  # of G in both: A is no effect allele
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn_of_swapped_columns(harmonise(weights, gwas)[0], weights, gwas)
    >>> print(str(caught[0].message)[:73])
    frequencies of the effect alleles in GWAS and model go against each other
    """
    if "frequency" not in weights or "frequency" not in gwas:
        return
    certain = ((table["reason"] == USED) & ~table["palindromic"]).to_numpy()
    there = gwas["frequency"].to_numpy(float)[table["gwas_row"][certain]]
    aligned = np.where(table["flipped"][certain], 1 - there, there)
    here = weights["frequency"].to_numpy(float)[certain]
    known = np.isfinite(aligned) & np.isfinite(here)
    if known.sum() < ENOUGH or np.cov(aligned[known], here[known])[0, 1] >= 0:
        return
    correlation = np.corrcoef(aligned[known], here[known])[0, 1]
    warn(
        f"frequencies of the effect alleles in GWAS and model go against each other (correlation {correlation:.2f}): "
        "what is taken for the GWAS's effect allele is probably the other one, and every z-score has the wrong sign. "
        "read_gwas(path, columns={'effect_allele': ..., 'non_effect_allele': ..., ...}) says which column is which"
    )


def check_covariance(table, weights, covariances):
    """Stop where the covariances are of other genes or SNPs than the model's; warn where many are missing.

    Parameters
    ----------
    table : DataFrame
        As `harmonise` gives it, with the SNPs that have no covariance marked in ``reason``.
    weights : DataFrame
        The model's.
    covariances : Covariances

    Raises
    ------
    InputError
        If no gene, or no SNP, of the model is there.

    Examples
    --------
    >>> from scomics_lite.twas.exchange.covariance_files import Covariances
    >>> weights = pd.DataFrame({"rsid": ["rs1"], "gene": "ENSG01.2"})
    >>> table = pd.DataFrame({"reason": [NOT_IN_COVARIANCE]})
    >>> known = Covariances.from_matrices({"ENSG01.7": pd.DataFrame(0.4, ["rs1"], ["rs1"])})
    >>> check_covariance(table, weights, known)
    Traceback (most recent call last):
    scomics_lite.validation.InputError: the covariances have none of the model's 1 genes. The model calls them \
ENSG01.2; the covariances ENSG01.7. They differ by the version after the dot
    """
    genes = pd.Index(weights["gene"].unique())
    if not genes.isin(covariances.genes).any():
        bare = genes.str.split(".").str[0].isin(pd.Index(covariances.genes).str.split(".").str[0]).any()
        hint = "They differ by the version after the dot" if bare else "Are both files of the same tissue and release?"
        raise InputError(
            f"the covariances have none of the model's {len(genes):,} genes. The model calls them "
            f"{_examples(genes)}; the covariances {_examples(covariances.genes)}. {hint}"
        )
    missing, asked = table["reason"] == NOT_IN_COVARIANCE, table["reason"].isin([USED, NOT_IN_COVARIANCE])
    known = asked & weights["gene"].isin(covariances.genes).to_numpy()
    if known.any() and missing[known].all():
        raise InputError(
            f"the covariances have none of the model's SNPs. The model calls them {_model_names(weights)}; the "
            f"covariances {_examples(covariances.snp_names)}. Compute them from a panel: "
            "scomics_lite.twas.covariances(dosages, model)"
        )
    share = missing[known].mean() if known.any() else 0
    if share > MANY_OTHER:
        first = weights[(missing & known).to_numpy()].iloc[0]
        warn(
            f"{100 * share:.0f}% of the SNPs that model and GWAS share have no covariance, such as {first['rsid']} of "
            f"{first['gene']}, and are left out. Are model and covariances of the same release?"
        )


def warn_of_correlations(variances):
    """Warn where the variances of all SNPs are 1: these are correlations, or of standardised dosages.

    A dosage has a variance of 2 p (1 - p) under random mating, 0.5 at most. With correlations in place of covariances
    the z-score weighs every SNP by w_l in place of w_l σ_l, and rare SNPs count too much.

    Parameters
    ----------
    variances : ndarray, shape (k,)
        The diagonal of the covariances of SNPs that share their gene with other SNPs; NaN where not known.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn_of_correlations(np.ones(3))
    >>> print(str(caught[0].message)[:59])
    all SNPs have a variance of 1: these look like correlations
    """
    known = variances[~np.isnan(variances)]
    if len(known) and np.all(np.abs(known - 1) < 1e-3):
        warn(
            "all SNPs have a variance of 1: these look like correlations, and the covariances of dosages belong here "
            "(at most 0.5 under random mating). Unless the model's weights are for standardised dosages, z-scores are "
            "wrong: rare SNPs count too much. Covariances of a panel: scomics_lite.twas.covariances(dosages, model)"
        )


def sign_conflicts(zscores, correlations):
    """Find two SNPs in strong LD whose z-scores have the wrong signs for it.

    If the z-scores of two SNPs with correlation r are right, then the probability that they are as likely with the sign
    of one turned, times K, is at most 1 / K; the logarithm of that ratio is -2 r z1 z2 / (1 - r²). Called a conflict is
    |r| > 0.8 with -r z1 z2 > 5, where the ratio is exp(27) at least. The causes are alleles that were mixed up, or LD
    of the panel that is not the LD of the GWAS; two opposite causal effects would have to be very large.

    Parameters
    ----------
    zscores : ndarray, shape (b, n)
        Of n SNPs in b genes.
    correlations : ndarray, shape (b, n, n)

    Returns
    -------
    ndarray of int, shape (b,)
        The worst pair of each gene, i n + j; -1 where there is no conflict.

    Examples
    --------
    >>> sign_conflicts(np.array([[4.0, 3.0], [4.0, -3.0]]), np.full((2, 2, 2), 0.9)).tolist()
    [-1, 1]
    """
    against = -correlations * zscores[:, :, None] * zscores[:, None, :]
    against[~(np.abs(correlations) > STRONG)] = 0
    flat = np.triu(against).reshape(len(against), -1)  # each pair once
    worst = flat.argmax(axis=1)
    return np.where(np.take_along_axis(flat, worst[:, None], axis=1)[:, 0] > CONTRADICTION, worst, -1)


def _are_places(names):
    first = list(names[:100])
    return 2 * np.count_nonzero(place_codes(first) >= 0) > len(first)


def _tried(match, keys):
    return ", ".join(f"{key} {match.found[key]:.2g}%" for key in keys if key in match.found)


def _examples(names):
    return ", ".join(str(name) for name in list(names[:2]))


def _model_names(snps):
    return " or ".join(_examples(snps[key].dropna().unique()) for key in KEYS[:2] if key in snps)


def _both_sides(snps, names):
    return f"The model calls its SNPs {_model_names(snps)}; the GWAS calls its own {_examples(names)}"


def _likely_cause(snps, names):
    """Say what to do about names that do not meet, by what they look like."""
    here = any(_are_places(snps[key].dropna().unique()) for key in KEYS[:2] if key in snps)
    if _are_places(names) and not here:
        return (
            "The GWAS names places, and the model does not: name the GWAS's SNPs by rsid, or give the model's weights "
            "a column varID with names such as chr1_1000_A_G_b38"
        )
    if _are_places(names):
        return "Both name places: are they of the same build of the genome? Lift the GWAS over to the model's"
    return (
        "Is another column of the GWAS file the one with the names? read_gwas(path, columns={'snp': ...}) takes it. "
        "Names that begin with rs are looked for as rsid; others as varID or as chromosome and position"
    )
