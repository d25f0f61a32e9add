"""Counts of single cells whose genes burst: on for a while, off for a while, with known rates.

The two-state model of transcription explains zeros and long tails without any dropout, and has the negative binomial as
its limit of short bursts.
"""

import numpy as np

from scomics_lite.simulate import drawing, populations
from scomics_lite.simulate.parameters import typical_umis
from scomics_lite.validation import InputError

CHANGES = {"frequency": "log2_frequency_change", "size": "log2_size_change"}


def bursting_counts(
    obs,
    n_genes=2_000,
    *,
    on_rate=0.5,
    off_rate=5.0,
    changed_fraction=0.1,
    frequency_changed_fraction=0.0,
    up_fraction=0.5,
    log2_fold_change=1.0,
    donor=None,
    donor_sd=0.0,
    library_sizes=None,
    parameters=None,
    rng,
):
    """Simulate single cells by the two-state (telegraph) model of transcription, truth included.

    A gene is switched on at rate a and off at rate b; while it is on, molecules are made at rate k, and each is lost at
    rate 1, the unit of time. In the stationary state (Peccoud and Ycart 1995),

        p_ig ~ Beta(a, b),  Y_ig ~ Poisson(s_i k p_ig)
        E[Y] = s k a / (a + b),  Var[Y] = E[Y] + phi E[Y]^2,  phi = b / (a (a + b + 1))
        P(Y = 0) = 1F1(a, a + b, -s k)

    Bursts come at rate a and bring k / b molecules on average. With b large the counts are negative binomial with
    phi = 1 / a; with a and b both below 1 the gene is on in some cells and off in others for long, and the counts have
    two modes, one of them at zero.

    Parameters
    ----------
    obs, n_genes, up_fraction, donor, donor_sd, library_sizes, parameters, rng
        As in `cell_counts`; donors multiply k.
    on_rate, off_rate : float or array_like, shape (g,)
        a and b at the first levels, in units of the rate at which a molecule is lost: with 0.5, a gene is switched on
        every two lifetimes.
    changed_fraction, frequency_changed_fraction : float or dict of float
        Fraction of the genes in which each level changes the size of the bursts (k), or their frequency (a).
    log2_fold_change : float
        Size of either change. A change of a changes the mean by less, unless a is far below b.

    Returns
    -------
    AnnData, shape (n, g)
        As `cell_counts`; in ``var`` ``share``, and at the first levels ``mean`` (E[Y] where s is 1 and u is 0),
        ``on_rate``, ``off_rate``, ``synthesis_rate`` (k), ``burst_size`` and ``dispersion`` (the phi above);
        ``changed``; for every level ``log2_frequency_change[column=level]``, ``log2_size_change[…]``,
        ``overall_log2_fold_change[…]`` (of E[Y]) and ``changed_component[…]`` ("none", "frequency" or "size").

    Examples
    --------
    >>> adata = bursting_counts(["A"] * 200, 50, on_rate=0.1, off_rate=0.1, library_sizes=5_000, rng=1)
    >>> float(adata.var["dispersion"].iloc[0].round(2))
    0.83
    """
    fractions = {"frequency_changed_fraction": frequency_changed_fraction, "changed_fraction": changed_fraction}
    drawing.check_fractions(up_fraction=up_fraction)
    drawing.check_settings(n_genes, rng, log2_fold_change=log2_fold_change)
    drawing.check_spreads(donor_sd=donor_sd)
    population = populations.as_population(obs, donor, donor_sd, fractions)
    generator = np.random.default_rng(rng)
    parameters = typical_umis() if parameters is None else parameters
    var = drawing.gene_table(n_genes)
    var["share"] = drawing.draw_shares(parameters, n_genes, generator)
    on, off = (_check_rates(rate, n_genes, name) for rate, name in ((on_rate, "on_rate"), (off_rate, "off_rate")))
    signs = drawing.draw_signs(population.fixed, n_genes, fractions, up_fraction, generator)
    effects = {
        component: signs[argument] * log2_fold_change for component, argument in zip(CHANGES, fractions, strict=True)
    }
    change = {component: drawing.sum_effects(population.groups, table) for component, table in effects.items()}
    donors = populations.draw_donors(population, donor_sd, n_genes, generator)
    synthesis = var["share"].to_numpy() * (on + off) / on  # in shares, until depths are known
    ons = on * 2.0 ** change["frequency"]
    syntheses = synthesis * 2.0 ** change["size"] * populations.donor_factors(population, donors)
    *depths, scale = populations.deal(population, syntheses * ons / (ons + off), library_sizes, parameters, generator)
    var = var.assign(mean=var["share"] * scale, on_rate=on, off_rate=off, synthesis_rate=synthesis * scale)
    var = var.assign(burst_size=var["synthesis_rate"] / off, dispersion=off / (on * (on + off + 1)))
    rates = _rates(population.codes, depths[1], ons, off, syntheses * scale, generator)
    counts = populations.sparse_counts(rates, n_genes, generator, "library_sizes or log2_fold_change")

    def log2_mean(own):
        changed = on * 2.0 ** own["frequency"]
        return own["size"] + np.log2(changed / (changed + off))

    var = var.assign(**populations.effect_columns(effects, CHANGES, log2_mean))
    truth = {"up_fraction": up_fraction, "log2_fold_change": log2_fold_change, "donor_sd": donor_sd}
    return populations.annotated(counts, population, depths, var, donors, truth | drawing.seed_of(rng))


def _check_rates(rate, n_genes, name):
    rate = drawing.one_each(rate, n_genes, name, "gene")
    if not ((rate >= 1e-3) & (rate <= 1e9)).all():
        raise InputError(
            f"{name} must be from 0.001 to 1e9 in lifetimes of a molecule; it is {rate.min():.6g} to {rate.max():.6g}"
        )
    return rate


def _rates(codes, factors, ons, off, syntheses, generator):
    """Rates of cell after cell: what is made of each gene in the time that it is on."""
    for code, factor in zip(codes, factors, strict=True):
        yield factor * syntheses[code] * generator.beta(ons[code], off)
