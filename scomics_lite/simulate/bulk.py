"""Counts with known truth: what every method is tried on before it may touch real data.

A simulated experiment has abundances, effects, sequencing depths and dispersions that are written down beside the
counts, so that an estimate can be compared with what it estimates. The counts follow the course's model: a sequencer
deals a number of reads out over the genes in proportion to their abundance, and replicates vary more than dealing
alone would make them.
"""

import anndata
import numpy as np

from scomics_lite.simulate import drawing
from scomics_lite.simulate.parameters import typical_bulk


def bulk_counts(
    obs,
    n_genes=2_000,
    *,
    changed_fraction=0.1,
    up_fraction=0.5,
    log2_fold_change=1.0,
    log2_fold_change_sd=0.0,
    library_sizes=None,
    dispersion=None,
    dispersion_sd=0.5,
    parameters=None,
    rng,
):
    """Simulate the counts of an experiment, truth included.

    With abundance a_g, effects d and library sizes N_i, all known,

        q_ig = a_g 2^(sum of the effects of sample i's levels)       absolute abundance
        mu_ig = N_i q_ig / A_i,  A_i = sum over g of q_ig             reads are dealt out: a composition
        Y_ig ~ Poisson(lambda),  lambda ~ Gamma(mean mu_ig, variance phi_g mu_ig^2)

    so that E[Y_ig] = s_i q_ig with the true size factor s_i proportional to N_i / A_i.

    Parameters
    ----------
    obs : DataFrame or sequence of str, length n
        One row a sample: categorical columns, each of whose levels but the first changes genes of its own. A plain
        sequence becomes the column ``condition``. Levels are ordered by appearance unless categorical.
    n_genes : int
        Number of genes g.
    changed_fraction : float or dict of float
        Fraction of the genes that each level changes; a dict gives one for each column of `obs`.
    up_fraction : float
        Fraction of the changed genes that go up: 0.5 is balanced, 1 is one-sided.
    log2_fold_change, log2_fold_change_sd : float
        Sizes of the effects are abs(x) with x normal of this mean and standard deviation: with 0 they are all the same,
        with mean 0 and a balanced `up_fraction` the effects are normal around 0.
    library_sizes : float or array_like, shape (n,), optional
        Expected total counts; drawn log-normal from `parameters` when not given, in proportion to `n_genes`.
    dispersion : float or array_like, shape (g,), optional
        phi; 0 is Poisson. When not given: the trend in `parameters`, times a log-normal scatter.
    dispersion_sd : float
        Standard deviation of ln(phi) around the trend. The default is near DESeq2's estimate for pasilla, 0.505.
    parameters : CountParameters, optional
        From `estimate_parameters`; `typical_bulk` when not given.
    rng : numpy.random.Generator or int
        Source of randomness; a number is kept in the result as its seed.

    Returns
    -------
    AnnData, shape (n, g)
        Counts in ``X``; in ``obs`` the columns of `obs`, ``library_size`` and ``size_factor`` (geometric mean 1); in
        ``var`` ``share`` (of the first levels' reads), ``dispersion``, ``changed`` and, for every column and level but
        its first, ``log2_fold_change[column=level]``; the settings in ``uns["truth"]``.

    Examples
    --------
    >>> adata = bulk_counts(["A", "A", "B", "B"], 100, changed_fraction=0.3, up_fraction=1.0, rng=1)
    >>> adata.shape, int(adata.var["changed"].sum())
    ((4, 100), 30)
    """
    obs = drawing.as_factors(obs, "sample")
    drawing.check_fractions(up_fraction=up_fraction)
    drawing.check_settings(n_genes, rng, log2_fold_change=log2_fold_change, log2_fold_change_sd=log2_fold_change_sd)
    generator = np.random.default_rng(rng)
    parameters = typical_bulk() if parameters is None else parameters
    var = drawing.gene_table(n_genes)
    var["share"] = drawing.draw_shares(parameters, n_genes, generator)
    fractions = {"changed_fraction": changed_fraction}
    signs = drawing.draw_signs(obs, n_genes, fractions, up_fraction, generator)["changed_fraction"]
    effects = signs * drawing.draw_sizes(signs.shape, log2_fold_change, log2_fold_change_sd, generator)
    abundance = var["share"].to_numpy() * 2.0 ** drawing.sum_effects(obs, effects)  # (n, g), absolute
    totals = abundance.sum(axis=1)
    library_sizes = drawing.draw_library_sizes(library_sizes, len(obs), n_genes, parameters, generator, "sample")
    factors = library_sizes / totals
    scale = np.exp(np.log(factors).mean())
    var["dispersion"] = drawing.draw_dispersions(
        dispersion, abundance.mean(axis=0) * scale, dispersion_sd, parameters, generator
    )
    var["changed"] = (effects != 0).any(axis=1).to_numpy()
    var[[f"log2_fold_change[{column}={level}]" for column, level in effects]] = effects.to_numpy()
    counts = _draw_counts(abundance * factors[:, None], var["dispersion"].to_numpy(), generator)
    obs = obs.assign(library_size=library_sizes, size_factor=factors / scale)
    truth = {"up_fraction": up_fraction, "log2_fold_change": log2_fold_change}
    if log2_fold_change_sd:
        truth["log2_fold_change_sd"] = log2_fold_change_sd
    return anndata.AnnData(counts, obs=obs, var=var, uns={"truth": truth | drawing.seed_of(rng)})


def _draw_counts(mean, dispersion, generator):
    """Gamma-Poisson counts, (n, g), sample by sample to bound the memory; of 64 bits if one needs more than 32."""
    counts = np.empty(mean.shape, dtype=np.int32)
    shape = drawing.gamma_shape(dispersion)
    for i, row in enumerate(mean):
        rate = generator.gamma(shape, row / shape)
        drawn = drawing.draw_counts(
            rate, i, "sample", generator, lower="library_sizes, dispersion, or log2_fold_change"
        )
        if drawn.max() > np.iinfo(counts.dtype).max:
            counts = counts.astype(np.int64)
        counts[i] = drawn
    return counts
