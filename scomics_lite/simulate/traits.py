"""What DNA does, with known truth: to the expression of genes near by, and to a trait, by way of genes and without."""

from dataclasses import dataclass

import anndata
import numpy as np
import pandas as pd

from scomics_lite.simulate import drawing
from scomics_lite.validation import InputError, is_anndata, is_number, quoted

GENE_COLUMNS = ("chromosome", "start", "end")
SNP_COLUMNS = ("ref_allele", "eff_allele", "varID")


@dataclass(frozen=True, eq=False)
class Trait:
    """A trait of people and what it is made of.

    Attributes
    ----------
    phenotype : Series, shape (n,)
        The trait y, or 1 for the people with the disease and 0 for others.
    parts : DataFrame, shape (n, 3)
        ``mediated``, ``polygenic`` and ``environment``; their sum is y, or the liability to the disease.
    gene_effects : Series, shape (g,)
        a_g, for one standard deviation of a gene's genetic expression; 0 for genes that do nothing.
    snp_effects : Series, shape (m,)
        Of one more copy of the effect allele, through genes and directly.
    """

    phenotype: pd.Series
    parts: pd.DataFrame
    gene_effects: pd.Series
    snp_effects: pd.Series


def expression(dosages, genes, *, heritability=0.2, n_causal=2, window=1e6, shared=0.0, rng=0):
    """Simulate the expression of genes that SNPs near by regulate.

    For person i and gene g,

        T_ig = sum_l w_lg X_il,  Y_ig = T_ig - mean(T_g) + e_ig,  e_ig ~ N(0, 1 - h_g^2)

    over the causal SNPs l of the gene. Effects of standardised SNPs are normal, then scaled: the variance of T_g in
    these people is h_g^2 exactly, that of Y_g is 1 in expectation.

    Parameters
    ----------
    dosages : AnnData, shape (n, m)
        As from `genotypes`, without missing values.
    genes : DataFrame, shape (g, …)
        As from `genes`: indexed by gene, with ``chromosome``, ``start`` and ``end``.
    heritability : float or array_like, shape (g,)
        h^2 of every gene, at least 0 and below 1; 0 is a gene without causal SNPs. 0.2 lies above the mean over genes,
        0.15 in blood (Wheeler et al. 2016), because genes with less are rarely predicted.
    n_causal : int
        Causal SNPs of a gene.
    window : float
        They lie so many base pairs from the gene at most; those that do not vary are not chosen.
    shared : float
        Probability that a causal SNP is one of the gene before's on the chromosome, as far as these lie in the window,
        with another effect. Without it, neighbours can still have causal SNPs in linkage disequilibrium.
    rng : numpy.random.Generator or int
        Source of randomness; a number is kept in the result as its seed.

    Returns
    -------
    AnnData, shape (n, g)
        Y in ``X``, centred T in ``layers["genetic"]``; ``var`` has the columns of `genes` and ``heritability``; and
        ``uns["truth"]["weights"]`` is a DataFrame of w: ``gene``, ``rsid``, ``weight``, and those of the columns
        ``ref_allele``, ``eff_allele`` and ``varID`` that `dosages` know.

    Raises
    ------
    InputError
        A gene with fewer than `n_causal` SNPs that vary in its window; missing dosages; settings that cannot be.

    Examples
    --------
    >>> from scomics_lite.simulate import genes, genotypes
    >>> dosages = genotypes(100, 500, rng=1)
    >>> adata = expression(dosages, genes(dosages, 3, rng=1), heritability=0.5, rng=1)
    >>> float(adata.layers["genetic"].var(axis=0)[0].round(3)), len(adata.uns["truth"]["weights"])
    (0.5, 6)
    """
    h2 = _check_expression(dosages, genes, heritability, n_causal, window, shared, rng)
    generator = np.random.default_rng(rng)
    chosen = _choose_snps(dosages, genes, np.where(h2 > 0, n_causal, 0), window, shared, generator)
    genetic = np.zeros((dosages.n_obs, len(genes)))
    weights = []
    for number, snps in enumerate(chosen):
        columns = _columns(dosages, snps)
        weight, genetic[:, number] = _scaled(columns, generator.normal(size=len(snps)), h2[number])
        weights.append(pd.DataFrame({"gene": genes.index[number], "rsid": dosages.var_names[snps], "weight": weight}))
    weights = pd.concat(weights, ignore_index=True)
    for column in dosages.var.columns.intersection(SNP_COLUMNS, sort=False):
        weights[column] = dosages.var[column].reindex(weights["rsid"]).to_numpy()
    observed = genetic + generator.normal(size=genetic.shape) * np.sqrt(1 - h2)
    truth = {"weights": weights, "shared": shared} | drawing.seed_of(rng)
    var, obs = genes.assign(heritability=h2), dosages.obs.copy()
    return anndata.AnnData(observed, obs=obs, var=var, layers={"genetic": genetic}, uns={"truth": truth})


def trait(
    dosages,
    expression,
    *,
    causal_genes=10,
    mediated=0.1,
    polygenic=0.2,
    n_causal_snps=None,
    prevalence=None,
    rng=0,
):
    """Simulate a trait that some genes act on by their expression, and many SNPs in other ways.

        y_i = sum_g a_g T_ig / sd(T_g) + sum_l b_l X_il + e_i,  e_i ~ N(0, 1 - mediated - polygenic)

    Effects are normal (b of standardised SNPs), then scaled: the two sums have the variances asked for in these people
    exactly. y has variance 1 in expectation but for the covariance of the two sums, which comes from SNPs of the second
    in linkage disequilibrium with SNPs of the first.

    Parameters
    ----------
    dosages : AnnData, shape (n, m)
        As from `genotypes`, without missing values.
    expression : AnnData, shape (n, g)
        Of the same people, as from `expression`.
    causal_genes : int or sequence of str
        How many genes of a heritability above 0 act on the trait, or which.
    mediated, polygenic : float
        Shares of the trait's variance that genes' expression and other effects of SNPs explain; below 1 together. 0.1
        of 0.3 is more than is thought to be true (Yao et al. 2020: a tenth of the heritability), so that hits are many.
    n_causal_snps : int, optional
        SNPs with an effect b, drawn from those that vary; a tenth of them when not given.
    prevalence : float, optional
        When given, the people with the highest y, this share of all, have a disease (Falconer's liability threshold).
    rng : numpy.random.Generator or int
        Source of randomness.

    Returns
    -------
    Trait

    Raises
    ------
    InputError
        Other people in the two tables; genes that are not there or have no genetic part; settings that cannot be.

    Examples
    --------
    >>> from scomics_lite.simulate import expression, genes, genotypes
    >>> dosages = genotypes(200, 500, rng=1)
    >>> levels = expression(dosages, genes(dosages, 5, rng=1), rng=1)
    >>> made = trait(dosages, levels, causal_genes=2, rng=1)
    >>> made.parts.var(ddof=0).round(2).to_dict()["mediated"], int((made.gene_effects != 0).sum())
    (0.1, 2)
    """
    _check_trait(dosages, expression, mediated, polygenic, prevalence, rng)
    generator = np.random.default_rng(rng)
    names = _choose_genes(expression, causal_genes, generator) if mediated else []
    levels = np.asarray(expression[:, names].layers["genetic"])
    by_level, through_genes = _scaled(levels, generator.normal(size=len(names)), mediated)
    snps = _choose_causal(dosages, n_causal_snps, generator) if polygenic else []
    direct, background = _scaled(_columns(dosages, snps), generator.normal(size=len(snps)), polygenic)
    environment = generator.normal(0, np.sqrt(1 - mediated - polygenic), dosages.n_obs)
    parts = {"mediated": through_genes, "polygenic": background, "environment": environment}
    parts = pd.DataFrame(parts, index=dosages.obs_names)
    gene_effects = pd.Series(0.0, index=expression.var_names, name="effect")
    gene_effects[names] = by_level * levels.std(axis=0)
    snp_effects = _by_snp(expression.uns["truth"]["weights"], pd.Series(by_level, index=names), dosages.var_names)
    snp_effects.iloc[snps] += direct
    return Trait(_phenotype(parts.sum(axis=1), prevalence), parts, gene_effects, snp_effects)


# --- what is drawn ----------------------------------------------------------------------------------------------------


def _scaled(columns, effects, variance):
    """Effects for one unit of each column, and their centred sum (n,), of the variance asked for.

    `effects` are those of standardised columns, up to a factor.
    """
    if not len(effects):
        return np.zeros(0), np.zeros(len(columns))
    effects = effects / columns.std(axis=0)
    total = columns @ effects
    total = total - total.mean()
    factor = np.sqrt(variance / total.var())
    return effects * factor, total * factor


def _columns(dosages, snps):
    return np.asarray(dosages.X[:, snps], dtype=float)


def _choose_snps(dosages, genes, n_causal, window, shared, generator):
    """Columns of the causal SNPs of gene after gene; the gene before may lend some."""
    varies, position = _varies(dosages), dosages.var["position"].to_numpy()
    chromosome = dosages.var["chromosome"].astype(str).to_numpy()
    chosen = [np.zeros(0, dtype=int)] * len(genes)
    before = {}  # chromosome → causal SNPs of its last gene
    for number in np.argsort(genes["start"].to_numpy(), kind="stable"):
        gene = genes.iloc[number]
        own = str(gene["chromosome"])
        near = (position >= gene["start"] - window) & (position <= gene["end"] + window)
        near = np.flatnonzero(near & (chromosome == own) & varies)
        if len(near) < n_causal[number]:
            raise InputError(
                f"gene {quoted(genes.index[number])} has {len(near)} SNPs that vary within {window:g} base pairs, "
                f"fewer than n_causal, {n_causal[number]}: widen window, or lower n_causal"
            )
        lent = np.intersect1d(before.get(own, []), near).astype(int)
        lent = generator.permutation(lent)[: generator.binomial(n_causal[number], shared)]
        new = generator.choice(np.setdiff1d(near, lent), n_causal[number] - len(lent), replace=False)
        chosen[number] = before[own] = np.sort(np.concatenate([lent, new]))
    return chosen


def _choose_genes(expression, causal_genes, generator):
    """Names of the genes that act on the trait."""
    able = expression.var_names[np.ptp(expression.layers["genetic"], axis=0) > 0]
    if is_number(causal_genes):
        if not 1 <= causal_genes <= len(able):
            raise InputError(f"causal_genes must be 1 to {len(able)}, the genes with heritability; got {causal_genes}")
        return generator.choice(able.to_numpy(dtype=object), int(causal_genes), replace=False)
    names = [causal_genes] if isinstance(causal_genes, str) else list(causal_genes)
    unable = [name for name in names if name not in able]
    if unable or not names:
        which = f"gene {quoted(unable[0])} is not in expression or has heritability 0" if unable else "no gene is named"
        raise InputError(f"causal_genes: {which}; set mediated=0 for a trait without genes, or choose others")
    return np.array(sorted(set(names)), dtype=object)


def _choose_causal(dosages, n_causal_snps, generator):
    able = np.flatnonzero(_varies(dosages))
    number = max(1, len(able) // 10) if n_causal_snps is None else n_causal_snps
    if not 1 <= number <= len(able):
        raise InputError(f"n_causal_snps must be 1 to {len(able)}, the SNPs that vary; got {number}")
    return np.sort(generator.choice(able, number, replace=False))


def _by_snp(weights, effects, snps):
    """Effects of SNPs through genes: weights on expression times what expression does."""
    used = weights[weights["gene"].isin(effects.index)]
    effect = used["weight"] * effects.reindex(used["gene"]).to_numpy()
    return effect.groupby(used["rsid"]).sum().reindex(snps, fill_value=0.0).rename("effect")


def _phenotype(liability, prevalence):
    if prevalence is None:
        return liability.rename("phenotype")
    ill = liability.rank(method="first", ascending=False) <= round(prevalence * len(liability))
    return ill.astype(int).rename("phenotype")


# --- checks -----------------------------------------------------------------------------------------------------------


def _varies(dosages):
    matrix = dosages.X
    return matrix.min(axis=0) < matrix.max(axis=0)


def _check_expression(dosages, genes, heritability, n_causal, window, shared, rng):
    """Refuse what cannot be, and give every gene's heritability."""
    drawing.check_snps(dosages)
    drawing.check_genotyped(dosages)
    missing = [column for column in GENE_COLUMNS if not isinstance(genes, pd.DataFrame) or column not in genes]
    if missing:
        raise InputError(f"genes need a column {missing[0]!r}: a DataFrame indexed by gene, as from simulate.genes")
    if genes.index.has_duplicates:
        raise InputError(f"gene {quoted(genes.index[genes.index.duplicated()][0])} stands in genes twice")
    h2 = drawing.one_each(heritability, len(genes), "heritability", "gene")
    if not ((h2 >= 0) & (h2 < 1)).all():
        raise InputError(f"heritability must be at least 0 and below 1; it is {h2.min():g} to {h2.max():g}")
    if not is_number(n_causal) or n_causal != int(n_causal) or n_causal < 1:
        raise InputError(f"n_causal must be a whole number, 1 at least (heritability=0 for none); got {n_causal!r}")
    if not window >= 0:
        raise InputError(f"window is in base pairs, not negative; got {window}")
    drawing.check_fractions(shared=shared)
    drawing.check_settings(len(genes), rng)
    return h2


def _check_trait(dosages, expression, mediated, polygenic, prevalence, rng):
    drawing.check_snps(dosages)
    drawing.check_genotyped(dosages)
    if not is_anndata(expression) or "genetic" not in expression.layers or "weights" not in expression.uns["truth"]:
        raise InputError("expression must be an AnnData with its truth, as from simulate.expression")
    if not dosages.obs_names.equals(expression.obs_names):
        raise InputError(
            "dosages and expression have other people, or another order: give expression[dosages.obs_names]"
        )
    drawing.check_fractions(mediated=mediated, polygenic=polygenic)
    if mediated + polygenic >= 1:
        raise InputError(f"mediated + polygenic must be below 1, the rest is environment; got {mediated + polygenic:g}")
    if prevalence is not None and not 0 < prevalence < 1:
        raise InputError(f"prevalence must lie between 0 and 1; got {prevalence}")
    drawing.check_settings(1, rng)
