"""Counts of single cells with known truth: zero-inflated negative binomial, in cells of donors.

Each of the three parameters of a gene, mean, probability of a structural zero and dispersion, may be what a condition
changes; what it changed, and what became of the mean of all counts, is written down beside the counts.
"""

from functools import partial

import numpy as np
from scipy import special

from scomics_lite.simulate import drawing, populations
from scomics_lite.simulate.parameters import typical_umis
from scomics_lite.validation import InputError

CHANGES = {"mean": "log2_fold_change", "zero": "logit_zero_change", "dispersion": "log2_dispersion_change"}


def cell_counts(
    obs,
    n_genes=2_000,
    *,
    changed_fraction=0.1,
    zero_changed_fraction=0.0,
    dispersion_changed_fraction=0.0,
    up_fraction=0.5,
    log2_fold_change=1.0,
    log2_fold_change_sd=0.0,
    logit_zero_change=2.0,
    log2_dispersion_change=2.0,
    donor=None,
    donor_sd=0.0,
    library_sizes=None,
    dispersion=None,
    dispersion_sd=0.5,
    zero_probability=None,
    zero_sd=0.0,
    parameters=None,
    rng,
):
    """Simulate the counts of single cells, truth included.

    As in `bulk_counts`, reads (or molecules) are dealt out in proportion to abundance, and

        mu_ig = s_i a_g 2^(sum of the effects of cell i's levels) exp(u_dg),  u_dg ~ N(0, donor_sd^2), d the donor
        logit(pi_ig) = logit(pi_g) + sum of the effects on zeros
        log2(phi_ig) = log2(phi_g) + sum of the effects on the dispersion
        Y_ig = 0 with probability pi_ig, otherwise negative binomial with mean mu_ig and dispersion phi_ig

    so that E[Y] = (1 - pi) mu. A level changes a gene in one of the three ways at most.

    Parameters
    ----------
    obs : DataFrame or sequence of str, length n
        One row a cell: categorical columns (cell type, condition, donor), each of whose levels but the first changes
        genes of its own. A plain sequence becomes the column ``condition``.
    n_genes : int
        Number of genes g.
    changed_fraction, zero_changed_fraction, dispersion_changed_fraction : float or dict of float
        Fraction of the genes whose mu, pi or phi each level changes; a dict gives one for each column of `obs`.
    up_fraction : float
        Fraction of these in which it goes up.
    log2_fold_change, log2_fold_change_sd : float
        Sizes of the effects on mu: abs(x) with x normal of this mean and standard deviation.
    logit_zero_change, log2_dispersion_change : float
        Size of the effects on pi, as a difference of logits (natural), and on phi.
    donor : str, optional
        Column of `obs` with the donors: its levels have no effects but differ at random. Cells of a donor are no
        replicates of a condition that acts between donors.
    donor_sd : float
        Standard deviation of u. With 0.3, donors differ by 30%, near what one sees between people.
    library_sizes : float or array_like, shape (n,), optional
        Expected total counts, before structural zeros; drawn log-normal from `parameters` when not given, in proportion
        to `n_genes`.
    dispersion : float or array_like, shape (g,), optional
        phi at the first levels; 0 is Poisson. When not given: the trend in `parameters`, times a log-normal scatter.
    dispersion_sd : float
        Standard deviation of ln(phi) around the trend.
    zero_probability : float, array_like of shape (g,) or callable, optional
        pi at the first levels. A function is called with the means ``var["mean"]``: dropout that is logistic in the log
        mean is ``lambda mean: 1 / (1 + mean / 5)``. When not given: the trend in `parameters`, if it has one.
    zero_sd : float
        Standard deviation of logit(pi) around the trend, or around what is given.
    parameters : CountParameters, optional
        `typical_umis` when not given; `typical_reads` for deep cells; from `estimate_parameters`.
    rng : numpy.random.Generator or int
        Source of randomness; a number is kept in the result as its seed.

    Returns
    -------
    AnnData, shape (n, g)
        Counts in ``X``, sparse; in ``obs`` the columns of `obs`, ``library_size`` and ``size_factor`` (s, geometric
        mean 1); in ``var`` ``share``, and at the first levels ``mean`` (mu where s is 1 and u is 0), ``dispersion``,
        ``zero_probability``; ``changed``; for every column and level but its first, ``log2_fold_change[column=level]``
        (of mu), ``logit_zero_change[…]``, ``log2_dispersion_change[…]``, ``overall_log2_fold_change[…]`` (of E[Y], the
        other columns at their first levels) and ``changed_component[…]`` ("none", "mean", "zero" or "dispersion"). The
        donors' u are in ``varm["donor_effect"]``, the settings in ``uns["truth"]``.

    Examples
    --------
    >>> import pandas as pd
    >>> obs = pd.DataFrame({"donor": ["d1", "d2", "d3", "d4"] * 20, "condition": ["A", "A", "B", "B"] * 20})
    >>> adata = cell_counts(obs, 100, zero_changed_fraction=0.2, zero_probability=0.3, donor="donor", rng=1)
    >>> adata.var["changed_component[condition=B]"].value_counts().to_dict()
    {'none': 70, 'zero': 20, 'mean': 10, 'dispersion': 0}
    """
    fractions = {
        "changed_fraction": changed_fraction,
        "zero_changed_fraction": zero_changed_fraction,
        "dispersion_changed_fraction": dispersion_changed_fraction,
    }
    sizes = {
        "log2_fold_change": log2_fold_change,
        "log2_fold_change_sd": log2_fold_change_sd,
        "logit_zero_change": logit_zero_change,
        "log2_dispersion_change": log2_dispersion_change,
    }
    drawing.check_fractions(up_fraction=up_fraction)
    drawing.check_settings(n_genes, rng, **sizes)
    drawing.check_spreads(donor_sd=donor_sd, dispersion_sd=dispersion_sd, zero_sd=zero_sd)
    population = populations.as_population(obs, donor, donor_sd, fractions)
    generator = np.random.default_rng(rng)
    parameters = typical_umis() if parameters is None else parameters
    var = drawing.gene_table(n_genes)
    var["share"] = drawing.draw_shares(parameters, n_genes, generator)
    effects = _draw_effects(population.fixed, n_genes, fractions, up_fraction, sizes, generator)
    change = {component: drawing.sum_effects(population.groups, table) for component, table in effects.items()}
    donors = populations.draw_donors(population, donor_sd, n_genes, generator)
    abundance = var["share"].to_numpy() * 2.0 ** change["mean"] * populations.donor_factors(population, donors)
    *depths, scale = populations.deal(population, abundance, library_sizes, parameters, generator)
    mean, var["mean"] = abundance * scale, var["share"] * scale
    middle = population.weights @ mean
    var["dispersion"] = drawing.draw_dispersions(dispersion, middle, dispersion_sd, parameters, generator)
    pi = _zero_probabilities(zero_probability, var["mean"].to_numpy(), parameters)
    logit_pi = special.logit(pi) + generator.normal(0, zero_sd, n_genes)
    var["zero_probability"] = special.expit(logit_pi)
    _check_possible(var, effects)
    phi = var["dispersion"].to_numpy() * 2.0 ** change["dispersion"]  # (m, g), as are the means
    rates = _rates(population.codes, depths[1], mean, phi, special.expit(logit_pi + change["zero"]), generator)
    counts = populations.sparse_counts(rates, n_genes, generator, "library_sizes, dispersion, or log2_fold_change")
    var = var.assign(**populations.effect_columns(effects, CHANGES, partial(_log2_mean, logit_pi)))
    truth = {"up_fraction": up_fraction, **sizes, "donor_sd": donor_sd, **drawing.seed_of(rng)}
    return populations.annotated(counts, population, depths, var, donors, truth)


def _draw_effects(obs, n_genes, fractions, up_fraction, sizes, generator):
    """Effects on each component, a DataFrame (g, levels) of it."""
    signs = drawing.draw_signs(obs, n_genes, fractions, up_fraction, generator)
    mean, zero, dispersion = signs.values()
    size = drawing.draw_sizes(mean.shape, sizes["log2_fold_change"], sizes["log2_fold_change_sd"], generator)
    return {
        "mean": mean * size,
        "zero": zero * sizes["logit_zero_change"],
        "dispersion": dispersion * sizes["log2_dispersion_change"],
    }


def _zero_probabilities(zero_probability, mean, parameters):
    """Probabilities of structural zeros (g,): as given, by a function of the mean, or along the trend."""
    if zero_probability is None:
        trend = parameters.bin_zero_probability
        return np.zeros(len(mean)) if trend is None else drawing.at_mean(trend, mean, parameters)
    if callable(zero_probability):
        zero_probability = np.asarray(zero_probability(mean))
        # 1 is the limit for genes without expression, where it says nothing; a logit below infinity is kept
        zero_probability = np.where(zero_probability == 1, np.nextafter(1, 0), zero_probability)
    pi = drawing.one_each(zero_probability, len(mean), "zero_probability", "gene")
    if not ((pi >= 0) & (pi < 1)).all():
        raise InputError(f"zero probabilities must lie in [0, 1); they are {pi.min():.6g} to {pi.max():.6g}")
    return pi


def _check_possible(var, effects):
    """Refuse effects that multiply nothing: the odds of a pi of 0, or a phi of 0."""
    for component, column, example in (("zero", "zero_probability", 0.2), ("dispersion", "dispersion", 0.5)):
        stuck = (effects[component] != 0).any(axis=1).to_numpy() & (var[column] == 0).to_numpy()
        if stuck.any():
            raise InputError(
                f"{component}_changed_fraction changes gene {var.index[stuck][0]!r}, whose {column} is 0 and stays 0 "
                f"whatever multiplies it: give {column}, such as {example}"
            )


def _log2_mean(logit_pi, own):
    """Give log2 of (1 - pi) mu under effects on the mean and on zeros, up to a constant."""
    return own["mean"] + special.log_expit(-logit_pi - own["zero"]) / np.log(2)


def _rates(codes, factors, mean, phi, pi, generator):
    """Gamma rates of cell after cell, zero where the zero is structural."""
    shape = drawing.gamma_shape(phi)
    scale = mean / shape
    inflated = pi.any()
    for code, factor in zip(codes, factors, strict=True):
        rate = generator.gamma(shape[code], factor * scale[code])
        if inflated:
            rate[generator.random(len(rate)) < pi[code]] = 0
        yield rate
