"""What all simulated experiments share: their factors, which genes these change, depths, and the draw itself."""

import numpy as np
import pandas as pd

from scomics_lite.validation import InputError, did_you_mean, is_anndata, quoted

LARGEST = 1_000_000_000  # reads of one sample, expected: what no sequencer gives today
LARGEST_RATE = 2.0**62  # with room for chance below the largest count of 64 bits
SIMULATED = ("library_size", "size_factor")  # columns of obs


# --- the experiment ---------------------------------------------------------------------------------------------------


def as_factors(obs, what):
    """Give a DataFrame of categorical columns with names for every row; `what` a row is: a sample, a cell."""
    if not isinstance(obs, pd.DataFrame):
        obs = pd.DataFrame({"condition": list(obs)})
    if len(obs) < 2:
        raise InputError(f"an experiment needs at least 2 {what}s, obs has {len(obs)}")
    _check_columns(obs)
    if isinstance(obs.index, pd.RangeIndex):
        obs = obs.set_axis([f"{what}{number}" for number in range(1, len(obs) + 1)])
    by_appearance = {
        name: pd.CategoricalDtype(column.astype(str).unique())
        for name, column in obs.items()
        if not isinstance(column.dtype, pd.CategoricalDtype)
    }
    if obs.isna().any(axis=None):
        raise InputError(f"obs has no value in column {obs.columns[obs.isna().any()][0]!r}; every {what} needs a level")
    obs = obs.astype(dict.fromkeys(by_appearance, str)).astype(by_appearance)
    obs = obs.apply(lambda column: column.cat.remove_unused_categories())  # no sample, no effect to be found
    _check_effect_names(obs)
    return obs


def _check_columns(obs):
    """Refuse columns that could not be told apart from each other or from what is simulated."""
    taken = obs.columns[obs.columns.duplicated() | obs.columns.isin(SIMULATED)]
    if len(taken):
        why = "is simulated" if taken[0] in SIMULATED else "stands there twice"
        raise InputError(f"obs has a column {taken[0]!r}, which {why}; give it another name")


def _check_effect_names(obs):
    """Refuse two effects that would be written down under one name."""
    names = pd.Index([f"{name}={level}" for name in obs for level in obs[name].cat.categories[1:]])
    if names.has_duplicates:
        twice = names[names.duplicated()][0]
        raise InputError(f"two effects would both be called {twice!r}; rename a column or a level")


def gene_table(n_genes):
    """Make an empty table of genes with names."""
    return pd.DataFrame(index=[f"gene{number:05d}" for number in range(1, n_genes + 1)])


# --- effects ----------------------------------------------------------------------------------------------------------


def draw_signs(obs, n_genes, fractions, up_fraction, generator):
    """Draw which genes every level changes, and which way.

    Parameters
    ----------
    fractions : dict
        ``{argument: fraction of the genes, or a dict of one for each column of obs}``. Each argument stands for one way
        to change; a level changes a gene in one way at most.

    Returns
    -------
    dict of DataFrame
        For each argument -1, 0 and 1 for every gene, with columns (column, level).
    """
    asked = {argument: _of_columns(argument, fraction, obs) for argument, fraction in fractions.items()}
    signs = {argument: {} for argument in asked}
    for name in obs:
        ends = np.rint(np.cumsum([fraction.get(name, 0) for fraction in asked.values()]) * n_genes).astype(int)
        if ends[-1] > n_genes:
            together = " + ".join(f"{argument}[{name}]" for argument in asked)
            raise InputError(f"{together} are more than 1: a level changes a gene in one way at most")
        for level in obs[name].cat.categories[1:]:
            chosen = np.split(generator.choice(n_genes, ends[-1], replace=False), ends[:-1])
            for argument, genes in zip(asked, chosen, strict=True):
                signs[argument][name, level] = np.zeros(n_genes)
                signs[argument][name, level][genes] = -1
                signs[argument][name, level][genes[: round(up_fraction * len(genes))]] = 1
    return {argument: pd.DataFrame(columns, index=range(n_genes)) for argument, columns in signs.items()}


def _of_columns(argument, fraction, obs):
    fractions = fraction if isinstance(fraction, dict) else dict.fromkeys(obs, fraction)
    for name in fractions:
        if name not in obs:
            raise InputError(f"{argument} names {name!r}, which obs has not; {did_you_mean(name, obs.columns)}")
    check_fractions(**{f"{argument}[{name}]": value for name, value in fractions.items()})
    return fractions


def draw_sizes(shape, mean, sd, generator):
    """Sizes of the effects; one number for all draws none, so that the rest of a seed's experiment stays."""
    return np.abs(generator.normal(mean, sd, shape)) if sd else mean


def sum_effects(obs, effects):
    """Add up the effects of every sample's levels, (n, g)."""
    total = np.zeros((len(obs), len(effects)))
    for column, level in effects:
        total[(obs[column] == level).to_numpy()] += effects[column, level].to_numpy()
    return total


# --- numbers ----------------------------------------------------------------------------------------------------------


def draw_shares(parameters, n_genes, generator):
    """Shares of the genes in all reads, (g,), summing to one; an exact fraction is zero."""
    quantiles = parameters.log_share_quantiles
    share = np.exp(np.interp(generator.random(n_genes), np.linspace(0, 1, len(quantiles)), quantiles))
    share[generator.choice(n_genes, round(parameters.unexpressed * n_genes), replace=False)] = 0
    return share / share.sum()


def draw_library_sizes(library_sizes, n, n_genes, parameters, generator, what):
    """Give expected totals (n,): as given, or log-normal and in proportion to the number of genes."""
    if library_sizes is None:
        drawn = generator.normal(parameters.log_library_mean, parameters.log_library_sd, n)
        return np.exp(drawn) * n_genes / parameters.n_genes
    library_sizes = one_each(library_sizes, n, "library_sizes", what)
    if not ((library_sizes > 0) & (library_sizes <= LARGEST)).all():
        between = f"{library_sizes.min():,.6g} to {library_sizes.max():,.6g}"
        raise InputError(f"library sizes must be positive and at most {LARGEST:,}; they are {between}")
    return library_sizes


def draw_dispersions(dispersion, mean, dispersion_sd, parameters, generator):
    """Dispersions (g,): as given, or scattered around the trend at each gene's mean count."""
    if dispersion is None:
        trend = at_mean(parameters.bin_dispersion, mean, parameters)
        return trend * np.exp(generator.normal(0, dispersion_sd, len(mean)))
    dispersion = one_each(dispersion, len(mean), "dispersion", "gene")
    if not ((dispersion >= 0) & np.isfinite(dispersion)).all():
        between = f"{dispersion.min():.6g} to {dispersion.max():.6g}"
        raise InputError(f"dispersions must not be negative or infinite; they are {between}")
    return dispersion


def at_mean(trend, mean, parameters):
    """Read a trend over bins of genes at given mean counts; unexpressed genes take its left end."""
    return np.interp(np.log(np.maximum(mean, 1e-300)), parameters.bin_log_mean, trend)


def gamma_shape(dispersion):
    """Shape of the gamma distribution of rates; at 1e-12 its spread is a millionth: Poisson."""
    return 1 / np.maximum(dispersion, 1e-12)


def draw_counts(rate, number, what, generator, *, lower):
    """Poisson counts of one sample, of 64 bits; `number` counts the samples from 0, `lower` says what to lower."""
    if not (rate < LARGEST_RATE).all():
        gene = np.flatnonzero(~(rate < LARGEST_RATE))[0]
        raise InputError(
            f"gene {gene + 1} of {what} {number + 1} would get {rate[gene]:.2g} reads, too many for a count: "
            f"lower {lower}"
        )
    return generator.poisson(rate)


# --- checks -----------------------------------------------------------------------------------------------------------


def one_each(values, n, name, what):
    """Give every sample or gene its value, from one value for all or one for each."""
    values = np.asarray(values, dtype=float)
    if values.shape not in ((), (n,)):
        raise InputError(f"{name} has shape {values.shape}; give one number, or one for each {what}: shape ({n},)")
    return np.broadcast_to(values, n)


def check_settings(n_genes, rng, **sizes):
    """Refuse numbers of genes below 1, negative sizes, and sources of randomness that are none."""
    if n_genes < 1:
        raise InputError(f"n_genes must be at least 1; got {n_genes}")
    for name, size in sizes.items():
        if not 0 <= size < np.inf:
            raise InputError(f"{name} is a size (up_fraction says which way), not negative; got {size}")
    if not isinstance(rng, np.random.Generator | int | np.integer):
        raise InputError(f"rng must be a number (the seed) or a numpy.random.Generator; got {rng!r}")


def check_spreads(**sds):
    """Refuse standard deviations that are none, by name."""
    for name, sd in sds.items():
        if not 0 <= sd < np.inf:
            raise InputError(f"{name} is a standard deviation, not negative or infinite; got {sd}")


def check_fractions(**fractions):
    """Refuse fractions outside [0, 1], by name."""
    for name, fraction in fractions.items():
        if not 0 <= fraction <= 1:
            raise InputError(f"{name} is a fraction and must lie in [0, 1]; got {fraction}")


def check_snps(dosages, columns=("chromosome", "position")):
    """Refuse dosages that do not say where their SNPs lie."""
    missing = [column for column in columns if not is_anndata(dosages) or column not in dosages.var]
    if missing:
        raise InputError(
            f"dosages need var[{missing[0]!r}]: give an AnnData, people × SNPs, as from simulate.genotypes"
        )


def check_genotyped(dosages):
    """Refuse missing dosages, by person and SNP."""
    matrix = dosages.X
    if matrix.dtype.kind == "f" and np.isnan(matrix).any():
        person, snp = np.argwhere(np.isnan(matrix))[0]
        raise InputError(
            f"person {quoted(dosages.obs_names[person])} has no genotype of SNP {quoted(dosages.var_names[snp])}: keep "
            "the SNPs without missing values, dosages[:, ~np.isnan(dosages.X).any(axis=0)]"
        )


def seed_of(rng):
    """Give what the truth remembers of `rng`: a seed, where it is one."""
    return {} if isinstance(rng, np.random.Generator) else {"seed": int(rng)}
