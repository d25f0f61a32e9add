"""What the answers of chapter 6a are tried on: genotype counts, SNPs in LD, files of alleles and whole studies."""

import anndata
import numpy as np
import pandas as pd

from scomics_lite import simulate, twas
from scomics_lite.course.checks.ch06a.slips import gene_zscore, heterozygotes, shrink

# --- 1: Hardy-Weinberg ------------------------------------------------------------------------------------------------


def genotype_counts(rng):
    """Yield (where, AA, AB, BB): fewer heterozygotes than expected, then more, with either letter the rarer one.

    The observed number is neither the most probable one nor in the only tail, so that no two ideas of a p-value agree,
    and the largest possible number is not so improbable that nobody would miss it.
    """
    for where, rarer, too_few in (("", "b", True), ("where the first letter is the rarer one, ", "a", False)):
        while True:
            n, rare = int(rng.integers(45, 75)), int(rng.integers(12, 42))
            h, p = heterozygotes((2 * n - rare - rare % 2) // 2, rare % 2, (rare - rare % 2) // 2)
            one = int(rng.integers(1, len(h) - 1))
            counts = (2 * n - rare - h[one]) // 2, h[one], (rare - h[one]) // 2
            others = (p[one + 1 :] if too_few else p[:one]) <= p[one]
            expected = (h * p).sum(), rare * (2 * n - rare) / (2 * n)
            farther = [np.abs(h - middle) >= np.abs(h[one] - middle) - 1e-9 for middle in expected]
            ideas = (p <= p[one], np.arange(len(h)) <= one, np.arange(len(h)) >= one)
            told_apart = not any(np.array_equal(one, idea) for one in farther for idea in ideas)
            tail = 0.03 < p[p <= p[one]].sum() < 0.6
            if tail and others.any() and told_apart and p[-1] > 1e-4 and (h[one] < expected[0]) == too_few:
                break
        yield where, *(int(count) for count in (counts if rarer == "b" else counts[::-1]))


def ties(largest=24):
    """List the counts (AA, AB, BB) at which another number of heterozygotes has the same probability.

    P(h + 2) / P(h) = 4 AA BB / ((h + 1)(h + 2)), so neighbours tie where that is 1; both of the pair are given.
    """
    pairs = []
    for aa in range(1, largest):
        for bb in range(1, largest - aa):
            for h in range(largest - aa - bb):
                if 4 * aa * bb == (h + 1) * (h + 2):
                    pairs += [(aa, h, bb), (aa - 1, h + 2, bb - 1)]
    return pairs


# --- 2: the elastic net -----------------------------------------------------------------------------------------------


def independent_columns(rng):
    """Draw (X (n, 8), y (n,)) with standardised columns that are not correlated, and the x'y / n (8,) of a spread."""
    n, c = 60, rng.permutation([-0.9, -0.45, -0.24, -0.05, 0.08, 0.3, 0.5, 0.8]) * rng.uniform(0.95, 1.05, 8)
    q, _ = np.linalg.qr(np.column_stack([np.ones(n), rng.normal(size=(n, 9))]))
    X = q[:, 1:9] * np.sqrt(n)
    return X, X @ c + q[:, 9] * np.sqrt(n), c


def linked_columns(rng, twins=True):
    """Draw (X (n, 16), y (n,)): standardised columns in LD, the last two the same if ``twins``; y is centred."""
    n, p = 80, 12
    X = rng.normal(size=(n, p))
    for j in range(1, p):
        if j % 4:
            X[:, j] = 0.8 * X[:, j - 1] + 0.6 * X[:, j]
    if twins:
        X[:, -1] = X[:, -2]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = X[:, [1, 6, 10]] @ np.array([0.7, -0.8, 0.9]) + rng.normal(size=n)
    return X, y - y.mean()


def weights_off_the_minimum(rng):
    """Yield (where, X, y, b, penalty, alpha): the worst breach is at a weight that is not zero, then at one that is."""
    for where, wanted in (("", "not zero"), ("where the worst breach is at a weight of zero, ", "zero")):
        while True:
            X, y = linked_columns(rng, twins=False)
            penalty, alpha = rng.uniform(0.15, 0.25), rng.uniform(0.6, 0.75)
            b = np.where(rng.random(X.shape[1]) < 0.5, rng.normal(0, 0.4, X.shape[1]), 0)
            g = X.T @ (y - X @ b) / len(y)
            zero = b == 0
            if not 3 <= zero.sum() <= len(b) - 3:
                continue
            slopes = (g - penalty * (alpha * np.sign(b) + (1 - alpha) * b))[~zero]
            at_weights, at_zeros = np.abs(slopes).max(), np.abs(g[zero]).max() - penalty * alpha
            # so far apart that no slip at the one kind of weights is hidden by the other kind
            apart = at_zeros - at_weights > 0.12
            if wanted == "not zero":
                apart = at_weights - at_zeros > 0.6 and -slopes.min() > 1.1 * slopes.max() > 1.2 * at_zeros
            if apart and at_zeros > 0.05:
                break
        yield where, X, y, b, penalty, alpha


def tiny_weight(rng):
    """Draw (X, y, b, penalty, alpha): the minimum, but for a weight of 1e-7 where it has zero."""
    X, y, c = independent_columns(rng)
    penalty, alpha = 0.4, 0.4
    b = shrink(c, penalty * alpha) / (1 + penalty * (1 - alpha))
    b[np.abs(c).argmin()] = 1e-7
    return X, y, b, penalty, alpha


# --- 3: a gene's z-score ----------------------------------------------------------------------------------------------


def gene(rng, k, sign=1):
    """Draw (weights, z-scores, covariance) of a gene with k SNPs, which differ in frequency and are in LD.

    The gene's z-score has the sign that is asked for.
    """
    frequency = rng.permutation(np.linspace(0.06, 0.48, k))
    sd = np.sqrt(2 * frequency * (1 - frequency))
    S = -np.eye(k)
    while S.sum(axis=0).min() <= 0:  # so that no idea of sigma_g is the root of a negative number
        S = np.corrcoef(rng.normal(size=(k, 2 * k)) + rng.normal(size=2 * k)) * np.outer(sd, sd)
    w = rng.uniform(0.15, 0.6, k) * np.where(np.arange(k) == 1, -1, 1)
    z = rng.normal(0.5, 2.0, k)
    return w, z * sign * np.sign(gene_zscore(w, z, S)), S


# --- 4: alleles -------------------------------------------------------------------------------------------------------

PAIRS = [(a, b) for a in "ACGT" for b in "ACGT" if a != b and {a, b} not in ({"A", "T"}, {"C", "G"})]
OTHER_STRAND = dict(zip("ACGT", "TGCA", strict=True))


def two_files(rng):
    """Draw (gwas, model, kind (k,)): three SNPs of every kind, in different orders, and three more in the GWAS.

    Of every kind, the first has small letters in the GWAS and the second in the model. The tables are as long.
    """
    kinds = ["same", "swapped", "strand", "swapped strand", "palindromic", "swapped palindromic", "other", "absent"]
    kind = rng.permutation(np.repeat(kinds, 3))
    ids = [f"rs{number}" for number in rng.permutation(900)[: len(kind)] + 100]
    seen, model, gwas = dict.fromkeys(kinds, 0), [], []
    for rsid, what in zip(ids, kind, strict=True):
        alleles = _alleles(rng, what)
        small, seen[what] = seen[what], seen[what] + 1
        ref, eff = (one.lower() if small == 1 else one for one in alleles[:2])
        effect, other = (one.lower() if small == 0 else one for one in alleles[2:])
        model.append((rsid, ref, eff, rng.normal()))
        if what != "absent":
            gwas.append((rsid, effect, other, rng.uniform(0.5, 4) * rng.choice([-1, 1])))
    gwas += [(f"rs{number}", "A", "C", rng.normal()) for number in (11, 12, 13)]
    model = pd.DataFrame(model, columns=["rsid", "ref_allele", "eff_allele", "weight"])
    gwas = pd.DataFrame(gwas, columns=["snp", "effect_allele", "non_effect_allele", "zscore"])
    return gwas.iloc[rng.permutation(len(gwas))].reset_index(drop=True), model, kind


def _alleles(rng, what):
    """Draw reference and effect allele of the model, then effect and other allele of the GWAS."""
    ref, eff = PAIRS[rng.integers(len(PAIRS))]
    if "palindromic" in what:
        eff = OTHER_STRAND[ref]
    effect, other = eff, ref
    if "strand" in what:
        effect, other = OTHER_STRAND[eff], OTHER_STRAND[ref]
    if "swapped" in what:
        effect, other = other, effect
    if what == "other":  # a third letter, and the partner of the second
        other = OTHER_STRAND[ref]
    return ref, eff, effect, other


# --- 5: phi -----------------------------------------------------------------------------------------------------------


def predicted_and_panel(rng, constant=False):
    """Draw (T (n,), X (n, m)): a predicted expression and the dosages of a panel; with SNPs that do not vary.

    Three SNPs are rare: their alleles have frequencies below 0.01, 0.02 and 0.05.
    """
    n, m = int(rng.integers(52, 70)), 30
    X = rng.binomial(2, rng.uniform(0.15, 0.5, m), (n, m)).astype(float)
    keep = rng.random((n, m)) < 0.7
    for j in range(1, 12):
        X[:, j] = np.where(keep[:, j], X[:, j - 1], X[:, j])
    T = X[:, [0, 4, 9]] @ rng.uniform(0.2, 0.5, 3)
    for j, carriers in zip((25, 26, 27), (1, 2, 4), strict=True):
        X[:, j] = rng.permutation(n) < carriers
    if constant:
        X[:, 20:25] = rng.integers(0, 3, 5)
    return T, X


# --- 6: repair --------------------------------------------------------------------------------------------------------


def study(rng, n_cohort, panel_sizes, n_genes=6, *, n_snps=240):
    """Simulate what exercise 6 works on: a GWAS in the first population, weights, and a panel of several populations.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_cohort : int
        People of the GWAS.
    panel_sizes : dict
        People of each population in the panel, beside the people of the GWAS.
    n_genes, n_snps : int
        SNPs before those are left out that are palindromic or rare in one of the populations.

    Returns
    -------
    gwas, weights : DataFrame
        The GWAS reports two SNPs in five for the other allele.
    panel : AnnData
    people : tuple
        Dosages and trait of the people of the GWAS.
    """
    first = next(iter(panel_sizes))
    numbers = {**panel_sizes, first: panel_sizes[first] + n_cohort}
    everybody = simulate.genotypes(
        sum(numbers.values()), n_snps, populations=numbers, fst=0.15, spacing=400, min_frequency=0.05, rng=rng
    )
    population = everybody.obs["population"].to_numpy()
    X, cohort = everybody.X.astype(float), np.flatnonzero(population == first)[:n_cohort]
    in_cohort = np.isin(np.arange(len(X)), cohort)
    sd = [X[cohort].std(axis=0), *(X[~in_cohort & (population == name)].std(axis=0) for name in numbers)]
    usable = (np.min(sd, axis=0) > 0.2) & ~twas.is_palindromic(everybody.var["ref_allele"], everybody.var["eff_allele"])
    here, panel = (_people(everybody, rows, usable) for rows in (in_cohort, ~in_cohort))
    weights = _weights(rng, here, n_genes)
    causal = rng.permutation(here.n_vars) < 0.15 * here.n_vars
    value = here.X.astype(float) @ (rng.normal(size=here.n_vars) * causal)
    trait = pd.Series(0.25 * (value - value.mean()) / value.std() + rng.normal(size=n_cohort), here.obs_names)
    gwas = twas.marginal_eqtls(here, trait)[["snp", "effect_allele", "non_effect_allele", "zscore"]]
    # at least one SNP of every gene is reported for the other allele, and one is not
    told = weights.groupby("gene", sort=False)["rsid"]
    swapped = (rng.random(len(gwas)) < 0.4) | gwas["snp"].isin(told.first())
    swapped &= ~gwas["snp"].isin(told.last())
    return _told_for_the_other(gwas, swapped), weights, panel, (here, trait)


def _people(everybody, rows, snps):
    """Take some people and SNPs, without what an analyst would not know."""
    var = everybody.var.loc[snps, ["chromosome", "position", "ref_allele", "eff_allele"]]
    return anndata.AnnData(everybody.X[np.ix_(rows, snps)], everybody.obs.iloc[rows], var)


def _told_for_the_other(gwas, rows):
    """Report some SNPs for the other allele: letters change places, z-scores change sign."""
    gwas = gwas.copy()
    letters = ["effect_allele", "non_effect_allele"]
    gwas.loc[rows, letters] = gwas.loc[rows, letters[::-1]].to_numpy()
    gwas.loc[rows, "zscore"] *= -1
    return gwas


def _weights(rng, people, n_genes):
    """Draw the weights of genes one after the other, each with five SNPs near each other."""
    places = np.linspace(0, people.n_vars - 12, n_genes).astype(int)
    chosen = np.concatenate([np.sort(rng.permutation(12)[:5]) + place for place in places])
    letters = people.var.iloc[chosen][["ref_allele", "eff_allele"]].rename_axis("rsid").reset_index()
    letters.insert(0, "gene", np.repeat([f"gene{number}" for number in range(n_genes)], 5))
    return letters.assign(weight=rng.normal(size=len(letters)))
