"""Which SNPs a model can be trained on: common enough, known in most people, in equilibrium, and of a known strand.

The rules are those by which PredictDB prepares its genotypes, and each SNP that fails one is told why.

Hardy-Weinberg equilibrium: where people find each other regardless of a SNP, an allele of frequency q makes (1 - q)²,
2q(1 - q) and q² of the genotypes. A SNP far from that is most often one that was read wrongly, with heterozygotes taken
for homozygotes. But people of several ancestries put together also lack heterozygotes, by twice the variance of q among
their populations (Wahlund 1928), and good SNPs fail: test within each population.
"""

import numpy as np
import pandas as pd
from numba import njit

from scomics_lite.twas.genotypes.alleles import is_palindromic, is_unknown
from scomics_lite.twas.genotypes.dosages import ALLELES, read_dosages
from scomics_lite.validation import InputError, is_number, with_names

TIE = 1 + 1e-10  # sums of the same probability in another order differ by less
NEGLIGIBLE, ENDLESS = 1e-18, 1e300  # of the probability that was observed


def hardy_weinberg(homozygous, heterozygous, other_homozygous):
    """Test each SNP for Hardy-Weinberg equilibrium, exactly (Wigginton, Cutler and Abecasis 2005).

    Given n people and the copies of each allele, n_A and n_B, the number h of heterozygotes has probability
    P(h) = 2^h n! n_A! n_B! / (n_AA! h! n_BB! (2n)!), and p is the sum of all P no larger than that of the observed h.
    Neighbours have a simple ratio, P(h + 2) / P(h) = 4 n_AA n_BB / ((h + 1)(h + 2)), so no factorial is needed.

    Parameters
    ----------
    homozygous, heterozygous, other_homozygous : array_like of int, shape (k,) or scalars
        How many people have each genotype: AA, AB, BB. Whole numbers.

    Returns
    -------
    ndarray or Series, shape (k,), or float
        p-values; 1 where only one allele was seen. Series give a Series. Below 1e-300 they are upper bounds.

    Raises
    ------
    InputError
        A count is negative or not whole.

    Examples
    --------
    A hundred people with 21 copies of the rarer allele: none of them carries two, or four do.

    >>> hardy_weinberg([79, 83], [21, 13], [0, 4]).round(4)
    array([0.5936, 0.0103])
    """
    counts = [_whole(counts) for counts in (homozygous, heterozygous, other_homozygous)]
    try:
        p = _exact_pvalues(*(np.ascontiguousarray(one) for one in np.broadcast_arrays(*map(np.atleast_1d, counts))))
    except ValueError:
        shapes = ", ".join(str(one.shape) for one in counts)
        raise InputError(f"the three genotypes need as many counts each; got shapes {shapes}") from None
    if isinstance(homozygous, pd.Series):
        return with_names(p, homozygous.index)
    return p if any(one.ndim for one in counts) else float(p[0])


def genotype_counts(dosages):
    """Count for each SNP the people without, with one, and with two copies of the effect allele.

    Parameters
    ----------
    dosages : AnnData or DataFrame, shape (people, SNPs)
        Dosages of the effect allele, 0 to 2, NaN where missing. Dosages between whole numbers (imputed ones) are
        rounded to the nearest genotype.

    Returns
    -------
    DataFrame
        Index SNPs; columns ``no_copy``, ``one_copy``, ``two_copies``, ``missing`` (people) and ``frequency`` (of the
        effect allele, half the mean dosage, before rounding; NaN where all are missing).

    Raises
    ------
    InputError
        A dosage is not between 0 and 2: names the SNP and the person.

    Examples
    --------
    >>> genotype_counts(pd.DataFrame({"rs1": [0, 1, 2, None], "rs2": [0, 0.1, 0.9, 0]}))
         no_copy  one_copy  two_copies  missing  frequency
    rs1        1         1           1        1      0.500
    rs2        3         1           0        0      0.125
    """
    return _counted(read_dosages(dosages))


def filter_snps(dosages, *, maf=0.01, hwe=1e-6, missing=0.05, ambiguous=True):
    """Say which SNPs to keep, and of the others, why not.

    Parameters
    ----------
    dosages : AnnData or DataFrame, shape (people, SNPs)
        As for `genotype_counts`; the Hardy-Weinberg test takes imputed dosages for the nearest genotype.
    maf : float or None
        Keep SNPs whose rarer allele has a higher frequency than this. None skips the rule, here and below.
    hwe : float or None
        Keep SNPs with a higher p-value of `hardy_weinberg`. In people of several ancestries good SNPs fail; filter each
        population alone, or skip the rule.
    missing : float or None
        Keep SNPs of which a smaller share of people is missing.
    ambiguous : bool
        Drop SNPs whose strand the letters cannot tell (`is_palindromic`), and those without letters. Needs
        ``ref_allele`` and ``eff_allele`` in ``var``.

    Returns
    -------
    DataFrame
        Index SNPs; columns ``frequency`` (of the effect allele), ``hwe_pvalue``, ``missing`` (share of people),
        ``keep``, and ``reason``: all rules that a SNP breaks, in words, with "; " between them; "" where it is kept.

    Raises
    ------
    InputError
        `ambiguous` and no alleles are known, a threshold is no share, or a dosage is not between 0 and 2.

    Examples
    --------
    >>> people = {"rs1": [0, 1, 2, 1], "rs2": [0, 0, 0, 0], "rs3": [2, 1, None, 0]}
    >>> table = filter_snps(pd.DataFrame(people), ambiguous=False)
    >>> table["keep"].tolist()
    [True, False, False]
    >>> table.loc["rs3", "reason"]
    'missing in 25% of people'
    """
    for name, value, at_most in (("maf", maf, 0.5), ("hwe", hwe, 1), ("missing", missing, 1)):
        _check_share(name, value, at_most)
    given = read_dosages(dosages)
    table = _counted(given)
    found = pd.DataFrame({"frequency": table["frequency"]})
    found["hwe_pvalue"] = hardy_weinberg(table["no_copy"], table["one_copy"], table["two_copies"])
    found["missing"] = table["missing"] / len(given.people)
    rules = [*_frequency_rules(found["frequency"], maf), *_other_rules(found, hwe, missing)]
    rules += _strand_rules(given.alleles) if ambiguous else []
    found["reason"] = _reasons(rules, len(found))
    found.insert(3, "keep", found["reason"] == "")
    return found


def _counted(given):
    counts, sums = _tally(given.values)
    table = pd.DataFrame(counts, index=given.snps, columns=["no_copy", "one_copy", "two_copies", "missing"])
    seen = len(given.people) - table["missing"]
    table["frequency"] = sums / 2 / seen.where(seen > 0)
    return table


def _frequency_rules(frequency, maf):
    """Rules are triples: which SNPs break it, the words for it, and each SNP's number to put into the words."""
    if maf is None:
        return []
    rarer = np.minimum(frequency, 1 - frequency).to_numpy()
    return [
        (np.isnan(rarer), "no genotype is known", rarer),
        (rarer == 0, "all people have the same allele", rarer),
        ((rarer > 0) & (rarer <= maf), "rare: its rarer allele has frequency {:.3g}", rarer),
    ]


def _other_rules(found, hwe, missing):
    p, share = found["hwe_pvalue"].to_numpy(), found["missing"].to_numpy()
    rules = [] if hwe is None else [(p <= hwe, "out of Hardy-Weinberg equilibrium: p = {:.2g}", p)]
    return rules if missing is None else [*rules, (share >= missing, "missing in {:.3g}% of people", 100 * share)]


def _strand_rules(alleles):
    """Refuse to judge without letters: a SNP that is not known to be ambiguous would look as if it were not."""
    letters = [] if alleles is None else [alleles[name].astype("category") for name in ALLELES]
    unknown = is_unknown(letters[0]) | is_unknown(letters[1]) if letters else np.array(True)
    if unknown.all():
        raise InputError(
            "without alleles nobody can tell which SNPs are ambiguous: put the letters into "
            "dosages.var[['ref_allele', 'eff_allele']] of an AnnData, or leave this rule out with ambiguous=False"
        )
    return [
        (is_palindromic(*letters), "ambiguous strand: its alleles are complements", unknown),
        (unknown, "its alleles are not known", unknown),
    ]


def _reasons(rules, n):
    reasons = np.full(n, "", dtype=object)
    for broken, words, numbers in rules:
        for snp in np.flatnonzero(broken):
            reasons[snp] += ("; " if reasons[snp] else "") + words.format(numbers[snp])
    return reasons


def _check_share(name, value, at_most):
    if value is not None and not (is_number(value) and 0 <= value <= at_most):
        raise InputError(f"{name} is a share, 0 to {at_most}, or None to leave the rule out; got {value!r}")
    if name == "missing" and value == 0:
        raise InputError(
            "missing=0 keeps nothing, since SNPs are kept whose share is smaller; for those known in everybody take "
            "missing=1e-9"
        )


def _whole(counts):
    counts = np.asarray(counts, dtype=float)
    bad = ~((counts >= 0) & (counts == np.floor(counts)) & np.isfinite(counts))
    if bad.any():
        raise InputError(
            f"counts of people are whole numbers, 0 or more; got {counts[bad][0]:g}. "
            "Of dosages, genotype_counts makes them"
        )
    return counts


@njit(cache=True)
def _exact_pvalues(homozygous, heterozygous, other_homozygous):
    p = np.empty(len(heterozygous))
    for snp in range(len(p)):
        counts = heterozygous[snp], homozygous[snp], other_homozygous[snp]
        fewer_tail, fewer_centre = _walk(*counts, -1)
        more_tail, more_centre = _walk(*counts, 1)
        tail = 1 + fewer_tail + more_tail
        p[snp] = tail / (tail + fewer_centre + more_centre)
    return p


@njit(cache=True)
def _walk(het, hom, other_hom, step):
    """Add up P / P(observed) over fewer (step -1) or more (1) heterozygotes: no larger than 1, and larger.

    The walk ends where nothing is left to add: past the most probable number, P only falls. From an observation deep in
    the tail P can grow beyond what a float holds; by then p is below 1e-300, and the walk ends too.
    """
    relative, tail, centre = 1.0, 0.0, 0.0
    while NEGLIGIBLE < relative < ENDLESS:
        if step > 0:
            relative *= 4 * hom * other_hom / ((het + 1) * (het + 2))
        else:
            relative *= het * (het - 1) / (4 * (hom + 1) * (other_hom + 1))
        het, hom, other_hom = het + 2 * step, hom - step, other_hom - step
        if relative <= TIE:
            tail += relative
        else:
            centre += relative
    return tail, centre


@njit(cache=True)
def _tally(dosages):
    """Count genotypes and add up dosages of every SNP, person by person as they lie in memory."""
    n, m = dosages.shape
    counts, sums = np.zeros((m, 4), dtype=np.int64), np.zeros(m)
    for person in range(n):
        for snp in range(m):
            dosage = dosages[person, snp]
            if np.isnan(dosage):
                counts[snp, 3] += 1
            else:
                counts[snp, int(dosage + 0.5)] += 1
                sums[snp] += dosage
    return counts, sums
