"""What a GWAS would publish: summary statistics of many people who are not there, from the genotypes of a few."""

import numpy as np
import pandas as pd
from scipy import stats

from scomics_lite.simulate import drawing
from scomics_lite.validation import InputError, is_number, quoted

SNP_COLUMNS = ("chromosome", "position", "eff_allele", "ref_allele")
AT_A_TIME = 200  # SNPs
STRANDS = str.maketrans("ACGTacgt", "TGCAtgca")


def gwas_summary(dosages, effects, n, *, flipped=0.0, strand_flipped=0.0, dropped=0.0, block=3e6, rng=0):
    """Simulate the published results of a GWAS whose people have the linkage disequilibrium of other people.

    With standardised dosages X of m people, R = X'X / m, and b the effects of standardised SNPs on a trait of variance
    1, marginal correlations of SNPs and trait in n other people are near (Zhu and Stephens 2017)

        r ~ N(R b, R / n),  drawn as  r = X'(X b) / m + X'u / sqrt(m n),  u ~ N(0, I_m)

    which takes time in proportion to m and the number of SNPs and no R. What a regression of the trait on one SNP then
    reports is z = r sqrt((n - 2) / (1 - r^2)), se = sqrt((1 - r^2) / (n - 2)) / sd(SNP) and beta = z se. SNPs that are
    far apart are taken as independent: chance correlations in m people would otherwise add variance n h^2 / m to z.

    Parameters
    ----------
    dosages : AnnData, shape (m, SNPs)
        As from `genotypes`, without missing values: the people whose linkage disequilibrium the GWAS has. m of some
        thousands; with few people R is rough, and a weight's true linkage disequilibrium differs from it.
    effects : Series
        Of one more copy of the effect allele, by SNP, such as ``Trait.snp_effects``; SNPs not named have none.
    n : int
        Number of people in the GWAS.
    flipped, strand_flipped : float
        Shares of the SNPs that are reported for the other allele (beta and z change sign, and the frequency becomes 1
        minus it), and whose alleles are read from the other strand (A becomes T, C becomes G, and nothing else
        changes, which misleads where the alleles are A and T or C and G). Both are as one meets them, and can be
        undone by whoever aligns alleles.
    dropped : float
        Share of the SNPs that are not reported.
    block : float
        Base pairs of a piece of the chromosome; those of different pieces are independent.
    rng : numpy.random.Generator or int
        Source of randomness.

    Returns
    -------
    DataFrame
        One row a SNP, in the order of `dosages`: ``snp``, ``chromosome``, ``position``, ``effect_allele``,
        ``non_effect_allele``, ``frequency``, ``beta``, ``se``, ``zscore``, ``pvalue`` (two-sided, normal) and ``n``.
        SNPs that do not vary in `dosages` are not reported.

    Raises
    ------
    InputError
        Effects of SNPs that are not in `dosages`, or too large for a trait of variance 1; settings that cannot be.

    Examples
    --------
    >>> from scomics_lite.simulate import genotypes
    >>> dosages = genotypes(500, 100, rng=1)
    >>> gwas = gwas_summary(dosages, pd.Series({dosages.var_names[3]: 0.5}), 10_000, rng=1)
    >>> int(gwas["pvalue"].argmin()), list(gwas.columns[:5])
    (3, ['snp', 'chromosome', 'position', 'effect_allele', 'non_effect_allele'])
    """
    effects = _check(dosages, effects, n, block, rng, flipped=flipped, strand_flipped=strand_flipped, dropped=dropped)
    generator = np.random.default_rng(rng)
    mean, sd = _moments(dosages)
    r, explained = np.zeros(dosages.n_vars), 0.0
    for snps in _pieces(dosages.var, sd > 0, block):
        genetic = _genetic(dosages, snps[effects[snps] != 0], effects)
        explained += genetic.var()
        signal = genetic / dosages.n_obs + generator.normal(size=dosages.n_obs) / np.sqrt(dosages.n_obs * n)
        r[snps] = _correlations(dosages, snps, signal, mean, sd)
    if explained >= 1:
        raise InputError(f"effects explain {explained:.3g} of a variance of 1: scale them down")
    if not (np.abs(r) < 1).all():
        raise InputError(
            f"a SNP's correlation with the trait is above 1: n, {n}, is too small, or effects are too large"
        )
    table = _table(dosages, r, mean, np.where(sd > 0, sd, 1), n)
    _flip(table, generator.random(len(table)) < flipped)
    other = generator.random(len(table)) < strand_flipped
    for column in ("effect_allele", "non_effect_allele"):
        table[column] = table[column].where(~other, table[column].str.translate(STRANDS))
    reported = (generator.random(len(table)) >= dropped) & (sd > 0)
    return table[reported].reset_index(drop=True)


def _columns(dosages, snps):
    return np.asarray(dosages.X[:, snps], dtype=float)


def _moments(dosages):
    """Mean and standard deviation of every SNP."""
    parts = [_columns(dosages, slice(start, start + AT_A_TIME)) for start in range(0, dosages.n_vars, AT_A_TIME)]
    return np.concatenate([part.mean(axis=0) for part in parts]), np.concatenate([part.std(axis=0) for part in parts])


def _pieces(var, varies, block):
    """Numbers of the SNPs that vary, of one piece of a chromosome after the other."""
    place = pd.DataFrame({"chromosome": var["chromosome"].astype(str), "piece": var["position"] // block})
    groups = place.reset_index(drop=True)[varies].groupby(["chromosome", "piece"], sort=False).groups
    return [snps.to_numpy() for snps in groups.values()]


def _genetic(dosages, snps, effects):
    """Add up what these SNPs do to the trait of each person, centred (m,)."""
    genetic = _columns(dosages, snps) @ effects[snps]
    return genetic - genetic.mean()


def _correlations(dosages, snps, signal, mean, sd):
    """Products of standardised SNPs with a signal (m,)."""
    parts = [snps[start : start + AT_A_TIME] for start in range(0, len(snps), AT_A_TIME)]
    products = [_columns(dosages, part).T @ signal - mean[part] * signal.sum() for part in parts]
    return np.concatenate(products) / sd[snps]


def _table(dosages, r, mean, sd, n):
    """Write correlations as a regression of the trait on one SNP would report them."""
    var = dosages.var
    se = np.sqrt((1 - r**2) / (n - 2)) / sd
    table = pd.DataFrame({"snp": dosages.var_names.to_numpy()})
    for name, column in zip(["chromosome", "position", "effect_allele", "non_effect_allele"], SNP_COLUMNS, strict=True):
        table[name] = var[column].to_numpy()
    table["frequency"] = mean / 2
    table["beta"], table["se"] = r / sd, se
    table["zscore"] = table["beta"] / se
    table["pvalue"] = 2 * stats.norm.sf(np.abs(table["zscore"]))
    table["n"] = n
    return table


def _flip(table, rows):
    """Report some rows for the other allele, in place."""
    alleles = ["effect_allele", "non_effect_allele"]
    table.loc[rows, alleles] = table.loc[rows, alleles[::-1]].to_numpy()
    table.loc[rows, ["beta", "zscore"]] *= -1
    table.loc[rows, "frequency"] = 1 - table.loc[rows, "frequency"]


def _check(dosages, effects, n, block, rng, **shares):
    """Refuse what cannot be, and give the effects of all SNPs in the order of `dosages`."""
    drawing.check_snps(dosages, SNP_COLUMNS)
    drawing.check_genotyped(dosages)
    drawing.check_fractions(**shares)
    drawing.check_settings(1, rng)
    if not is_number(n) or n < 4:
        raise InputError(f"n is the number of people in the GWAS, 4 at least; got {n!r}")
    if not is_number(block) or block <= 0:
        raise InputError(f"block is in base pairs, above 0; got {block!r}")
    if not isinstance(effects, pd.Series):
        raise InputError(
            f"effects must be a Series of effects by SNP, as Trait.snp_effects; got {type(effects).__name__}"
        )
    unknown = effects.index[(effects != 0).to_numpy() & ~effects.index.isin(dosages.var_names)]
    if len(unknown):
        raise InputError(
            f"{len(unknown)} SNPs with effects, such as {quoted(unknown[0])}, are not in dosages: give dosages of all "
            "(SNPs that the GWAS did not genotype can be dropped from its table), or choose from effects"
        )
    if effects.index.has_duplicates:
        raise InputError(f"SNP {quoted(effects.index[effects.index.duplicated()][0])} stands in effects twice")
    effects = effects.reindex(dosages.var_names, fill_value=0).to_numpy(dtype=float)
    if not np.isfinite(effects).all():
        raise InputError(f"the effect of SNP {quoted(dosages.var_names[~np.isfinite(effects)][0])} is no finite number")
    return effects
