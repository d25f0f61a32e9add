"""Counts with known truth: what every method is tried on before it may touch real data.

A simulated experiment has abundances, effects, sequencing depths and dispersions that are written down beside the
counts, so that an estimate can be compared with what it estimates. The counts follow the course's model: a sequencer
deals a number of reads out over the genes in proportion to their abundance, and replicates vary more than dealing
alone would make them.
"""

from dataclasses import dataclass

import anndata
import numpy as np
import pandas as pd
from scipy import sparse, stats

from scomics_lite.normalization import normalize, size_factors
from scomics_lite.validation import Counts, InputError, check_counts, check_order, did_you_mean

N_BINS = 20  # bins of the dispersion trend: enough to bend, few enough to average over hundreds of genes each

LARGEST = 1_000_000_000  # reads of one sample, expected: what no sequencer gives today
LARGEST_RATE = 2.0**62  # with room for chance below the largest count of 64 bits


@dataclass(frozen=True, eq=False)
class CountParameters:
    """What `bulk_counts` has to know of a data set: summaries, nothing of a single gene or sample.

    Attributes
    ----------
    log_share_quantiles : ndarray, shape (101,)
        Quantiles 0%, 1% … 100% of ln(share in all reads) over the expressed genes.
    bin_log_mean, bin_dispersion : ndarray, shape (20,)
        Dispersion against ln(mean normalized count), in bins with equal numbers of genes.
    log_library_mean, log_library_sd : float
        Mean and standard deviation of ln(library size).
    unexpressed : float
        Fraction of genes without a single count.
    n_genes : int
        Number of genes, unexpressed ones included.
    """

    log_share_quantiles: np.ndarray
    bin_log_mean: np.ndarray
    bin_dispersion: np.ndarray
    log_library_mean: float
    log_library_sd: float
    unexpressed: float
    n_genes: int


def typical_bulk():
    """Return the parameters of a middling bulk experiment, for when no data set is to be imitated.

    Shares are log-normal with standard deviation 2, twenty million reads fall on 20,000 genes, and the dispersion is
    0.05 + 1 / mean, the parametric form of Anders and Huber (2010).

    Examples
    --------
    >>> typical_bulk().n_genes
    20000
    """
    quantiles = 2 * stats.norm.ppf(np.linspace(0.0005, 0.9995, 101))
    log_mean = np.linspace(0, 10, N_BINS)
    return CountParameters(
        log_share_quantiles=quantiles - np.log(20_000) - 2,  # the mean of exp(2 z) is exp(2)
        bin_log_mean=log_mean,
        bin_dispersion=0.05 + np.exp(-log_mean),
        log_library_mean=float(np.log(20e6)),
        log_library_sd=0.3,
        unexpressed=0.0,
        n_genes=20_000,
    )


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
    obs = _factors(obs)
    _check_fractions(up_fraction=up_fraction)
    _check_settings(n_genes, rng, log2_fold_change=log2_fold_change, log2_fold_change_sd=log2_fold_change_sd)
    generator = np.random.default_rng(rng)
    parameters = typical_bulk() if parameters is None else parameters
    var = pd.DataFrame(index=[f"gene{number:05d}" for number in range(1, n_genes + 1)])
    var["share"] = _draw_shares(parameters, n_genes, generator)
    signs = _draw_effects(obs, n_genes, changed_fraction, up_fraction, generator)
    effects = signs * _draw_sizes(signs.shape, log2_fold_change, log2_fold_change_sd, generator)
    abundance = var["share"].to_numpy() * 2.0 ** _sum_effects(obs, effects)  # (n, g), absolute
    totals = abundance.sum(axis=1)
    library_sizes = _library_sizes(library_sizes, len(obs), n_genes, parameters, generator)
    factors = library_sizes / totals
    scale = np.exp(np.log(factors).mean())
    var["dispersion"] = _draw_dispersions(
        dispersion, abundance.mean(axis=0) * scale, dispersion_sd, parameters, generator
    )
    var["changed"] = (effects != 0).any(axis=1).to_numpy()
    var[[f"log2_fold_change[{column}={level}]" for column, level in effects]] = effects.to_numpy()
    counts = _draw_counts(abundance * factors[:, None], var["dispersion"].to_numpy(), generator)
    obs = obs.assign(library_size=library_sizes, size_factor=factors / scale)
    truth = {"up_fraction": up_fraction, "log2_fold_change": log2_fold_change}
    if log2_fold_change_sd:
        truth["log2_fold_change_sd"] = log2_fold_change_sd
    if not isinstance(rng, np.random.Generator):
        truth["seed"] = int(rng)
    return anndata.AnnData(counts, obs=obs, var=var, uns={"truth": truth})


def estimate_parameters(counts, *, groups=None, layer=None):
    """Summarise a real data set for `bulk_counts`, so that simulated counts look like it.

    The dispersion of a gene is the moment estimate (s^2 - m c) / m^2 within groups, with m and s^2 the mean and the
    variance of the normalized counts and c the mean of 1 / s_i; single genes are hopeless with few samples, so only
    trimmed means over bins of similar genes are kept.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame or AnnData, shape (n, g)
        Raw counts.
    groups : array_like, shape (n,), optional
        Replicates share a label; differences between labels are not counted as dispersion.
    layer : str, optional
        Layer of an AnnData that holds the counts.

    Returns
    -------
    CountParameters

    Examples
    --------
    >>> adata = bulk_counts(["A"] * 20, 2_000, changed_fraction=0, dispersion=0.2, rng=1)
    >>> float(estimate_parameters(adata).bin_dispersion[-5:].mean().round(1))
    0.2
    """
    counts = check_counts(counts, layer=layer)
    expressed = counts.positive_samples() > 0
    counts = Counts(counts.matrix[:, expressed], counts.samples, counts.genes[expressed])
    if len(counts.genes) < N_BINS:
        raise InputError(f"{len(counts.genes)} genes with counts are too few for a trend; at least {N_BINS} are needed")
    library_sizes = counts.library_sizes
    mean, dispersion = _moment_dispersions(counts, np.zeros(len(library_sizes)) if groups is None else groups)
    shares = np.asarray(normalize(counts.matrix, library_sizes).mean(axis=0)).ravel()
    bins = np.array_split(np.argsort(mean, kind="stable"), N_BINS)
    return CountParameters(
        log_share_quantiles=np.quantile(np.log(shares), np.linspace(0, 1, 101)),
        bin_log_mean=np.array([np.log(mean[genes]).mean() for genes in bins]),
        bin_dispersion=np.clip([stats.trim_mean(dispersion[genes], 0.05) for genes in bins], 1e-3, 10.0),
        log_library_mean=float(np.log(library_sizes).mean()),
        log_library_sd=float(np.log(library_sizes).std(ddof=1)),
        unexpressed=float(1 - expressed.mean()),
        n_genes=len(expressed),
    )


# --- drawing ----------------------------------------------------------------------------------------------------------


def _factors(obs):
    """Give a DataFrame of categorical columns with sample names."""
    if not isinstance(obs, pd.DataFrame):
        obs = pd.DataFrame({"condition": list(obs)})
    if len(obs) < 2:
        raise InputError(f"an experiment needs at least 2 samples, obs has {len(obs)}")
    _check_columns(obs)
    if isinstance(obs.index, pd.RangeIndex):
        obs = obs.set_axis([f"sample{number}" for number in range(1, len(obs) + 1)])
    by_appearance = {
        name: pd.CategoricalDtype(column.astype(str).unique())
        for name, column in obs.items()
        if not isinstance(column.dtype, pd.CategoricalDtype)
    }
    if obs.isna().any(axis=None):
        raise InputError(f"obs has no value in column {obs.columns[obs.isna().any()][0]!r}; every sample needs a level")
    obs = obs.astype(dict.fromkeys(by_appearance, str)).astype(by_appearance)
    obs = obs.apply(lambda column: column.cat.remove_unused_categories())  # no sample, no effect to be found
    _check_effect_names(obs)
    return obs


def _check_columns(obs):
    """Refuse columns that could not be told apart from each other or from what is simulated."""
    taken = obs.columns[obs.columns.duplicated() | obs.columns.isin(["library_size", "size_factor"])]
    if len(taken):
        why = "is simulated" if taken[0] in ("library_size", "size_factor") else "stands there twice"
        raise InputError(f"obs has a column {taken[0]!r}, which {why}; give it another name")


def _check_effect_names(obs):
    """Refuse two effects that would be written down under one name."""
    names = pd.Index([f"{name}={level}" for name in obs for level in obs[name].cat.categories[1:]])
    if names.has_duplicates:
        twice = names[names.duplicated()][0]
        raise InputError(f"two effects would both be called {twice!r}; rename a column or a level")


def _draw_shares(parameters, n_genes, generator):
    """Shares of the genes in all reads, (g,), summing to one; an exact fraction is zero."""
    quantiles = parameters.log_share_quantiles
    share = np.exp(np.interp(generator.random(n_genes), np.linspace(0, 1, len(quantiles)), quantiles))
    share[generator.choice(n_genes, round(parameters.unexpressed * n_genes), replace=False)] = 0
    return share / share.sum()


def _draw_effects(obs, n_genes, changed_fraction, up_fraction, generator):
    """Signs of the effects: a DataFrame (g, levels) of -1, 0 and 1 with columns (column, level)."""
    fractions = changed_fraction if isinstance(changed_fraction, dict) else dict.fromkeys(obs, changed_fraction)
    for name in fractions:
        if name not in obs:
            raise InputError(f"changed_fraction names {name!r}, which obs has not; {did_you_mean(name, obs.columns)}")
    _check_fractions(**{f"changed_fraction[{name}]": fraction for name, fraction in fractions.items()})
    effects = {}
    for name in obs:
        for level in obs[name].cat.categories[1:]:
            genes = generator.choice(n_genes, round(fractions.get(name, 0) * n_genes), replace=False)
            effects[name, level] = np.zeros(n_genes)
            effects[name, level][genes] = -1
            effects[name, level][genes[: round(up_fraction * len(genes))]] = 1
    return pd.DataFrame(effects, index=range(n_genes))


def _draw_sizes(shape, mean, sd, generator):
    """Sizes of the effects; one number for all draws none, so that the rest of a seed's experiment stays."""
    return np.abs(generator.normal(mean, sd, shape)) if sd else mean


def _sum_effects(obs, effects):
    """Add up the log2 effects of every sample's levels, (n, g)."""
    total = np.zeros((len(obs), len(effects)))
    for column, level in effects:
        total[(obs[column] == level).to_numpy()] += effects[column, level].to_numpy()
    return total


def _library_sizes(library_sizes, n, n_genes, parameters, generator):
    if library_sizes is None:
        drawn = generator.normal(parameters.log_library_mean, parameters.log_library_sd, n)
        return np.exp(drawn) * n_genes / parameters.n_genes
    library_sizes = _one_each(library_sizes, n, "library_sizes", "sample")
    if not ((library_sizes > 0) & (library_sizes <= LARGEST)).all():
        between = f"{library_sizes.min():,.6g} to {library_sizes.max():,.6g}"
        raise InputError(f"library sizes must be positive and at most {LARGEST:,}; they are {between}")
    return library_sizes


def _draw_dispersions(dispersion, mean, dispersion_sd, parameters, generator):
    """Dispersions (g,): as given, or scattered around the trend at each gene's mean count."""
    if dispersion is None:
        log_mean = np.log(np.maximum(mean, 1e-300))  # unexpressed genes take the trend's left end
        trend = np.interp(log_mean, parameters.bin_log_mean, parameters.bin_dispersion)
        return trend * np.exp(generator.normal(0, dispersion_sd, len(mean)))
    dispersion = _one_each(dispersion, len(mean), "dispersion", "gene")
    if not ((dispersion >= 0) & np.isfinite(dispersion)).all():
        between = f"{dispersion.min():.6g} to {dispersion.max():.6g}"
        raise InputError(f"dispersions must not be negative or infinite; they are {between}")
    return dispersion


def _draw_counts(mean, dispersion, generator):
    """Gamma-Poisson counts, (n, g), sample by sample to bound the memory; of 64 bits if one needs more than 32."""
    counts = np.empty(mean.shape, dtype=np.int32)
    shape = 1 / np.maximum(dispersion, 1e-12)  # at 1e-12 the gamma's spread is a millionth: Poisson
    for i, row in enumerate(mean):
        rate = generator.gamma(shape, row / shape)
        if not (rate < LARGEST_RATE).all():
            gene = np.flatnonzero(~(rate < LARGEST_RATE))[0]
            raise InputError(
                f"gene {gene + 1} of sample {i + 1} would get {rate[gene]:.2g} reads, too many for a count: "
                "lower library_sizes, dispersion, or log2_fold_change"
            )
        drawn = generator.poisson(rate)
        if drawn.max() > np.iinfo(counts.dtype).max:
            counts = counts.astype(np.int64)
        counts[i] = drawn
    return counts


def _one_each(values, n, name, what):
    """Give every sample or gene its value, from one value for all or one for each."""
    values = np.asarray(values, dtype=float)
    if values.shape not in ((), (n,)):
        raise InputError(f"{name} has shape {values.shape}; give one number, or one for each {what}: shape ({n},)")
    return np.broadcast_to(values, n)


def _check_settings(n_genes, rng, **sizes):
    if n_genes < 1:
        raise InputError(f"n_genes must be at least 1; got {n_genes}")
    for name, size in sizes.items():
        if not 0 <= size < np.inf:
            raise InputError(f"{name} is a size (up_fraction says which way), not negative; got {size}")
    if not isinstance(rng, np.random.Generator | int | np.integer):
        raise InputError(f"rng must be a number (the seed) or a numpy.random.Generator; got {rng!r}")


def _check_fractions(**fractions):
    for name, fraction in fractions.items():
        if not 0 <= fraction <= 1:
            raise InputError(f"{name} is a fraction and must lie in [0, 1]; got {fraction}")


# --- estimating -------------------------------------------------------------------------------------------------------


def _moment_dispersions(counts, groups):
    """Mean normalized count and moment estimate of phi of every gene, pooled over groups, (g,) each."""
    factors = size_factors(counts.matrix, "poscounts")
    normalized = normalize(counts.matrix, factors)
    check_order(groups, counts.samples, "groups")
    groups = np.asarray(groups)
    if groups.shape != (len(factors),):
        raise InputError(f"groups has shape {groups.shape}; give one label for each of the {len(factors)} samples")
    replicated = [group for group in np.unique(groups) if (groups == group).sum() > 1]
    if not replicated:
        raise InputError("no group has two samples, so nothing can be said of the variation between replicates")
    excess = square = 0
    for group in replicated:
        rows = groups == group
        weight = rows.sum() - 1
        mean, variance = _column_moments(normalized[rows])
        excess = excess + weight * (variance - mean * (1 / factors[rows]).mean())
        square = square + weight * mean**2
    present = square > 0
    dispersion = np.divide(excess, square, out=np.zeros_like(square), where=present)
    return _column_moments(normalized)[0], dispersion


def _column_moments(matrix):
    """Mean and unbiased variance of every column, of a dense or a sparse matrix."""
    n = matrix.shape[0]
    mean = np.asarray(matrix.mean(axis=0)).ravel()
    square = matrix.power(2) if sparse.issparse(matrix) else matrix**2
    variance = (np.asarray(square.mean(axis=0)).ravel() - mean**2) * n / (n - 1)
    return mean, np.maximum(variance, 0)
