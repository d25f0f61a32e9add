"""edgeR's route to dispersions: adjusted profile likelihoods on a grid, pooled and weighted.

For every gene the Cox-Reid adjusted profile log likelihood l_g, with means fitted anew at each point, is tabulated at
21 dispersions 0.1 * 2^(-10 ... 10) (McCarthy, Chen and Smyth 2012; Chen, Lun and Smyth 2014). Then

    common      maximises the sum of all l_g
    trended     maximises m_g, the average of l over genes of similar abundance
    tagwise     maximises l_g + n0 m_g: n0 = d0 / (n - p) genes' worth of neighbours against the gene's own counts

The prior degrees of freedom d0 come from how much the genes' deviances scatter around the trend (Smyth 2004).
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy.special import xlogy

from scomics_lite import glm, negative_binomial
from scomics_lite.blocks import map_blocks
from scomics_lite.design import independent_columns, match_design
from scomics_lite.dispersion.local_regression import fit_where_needed, neighbourhood
from scomics_lite.dispersion.profile_likelihood import Profile
from scomics_lite.dispersion.spline_maxima import spline_maxima
from scomics_lite.empirical_bayes import squeeze_variances
from scomics_lite.equations import least_squares
from scomics_lite.glm import Model
from scomics_lite.iteration import step_until_done
from scomics_lite.normalization import effective_library_sizes
from scomics_lite.validation import Counts, InputError, check_counts, check_order, check_positive, check_size_factors

GRID = np.linspace(-10, 10, 21)  # log2(dispersion / 0.1)
FIRST = 0.05  # where the fits along the grid begin, and tell which samples have a mean; a point of the grid
LONGEST_STEP = 2.0  # of ln mu, between neighbouring points of the grid
MOST_STEPS = 8  # Newton's, from a neighbouring point of the grid: two or three do
LEAST_COUNT = 5  # genes with a smaller total take part in nothing
NO_MEAN = 1e-4  # a count of zero whose mean is below this says nothing about the dispersion
PRIOR_COUNT = 2  # added to the counts of a typical library for average log2 CPM
LARGEST_PRIOR = 1e6  # in units of a gene: tagwise is then trended


@dataclass(frozen=True, repr=False, eq=False)
class EdgerDispersions:
    """Dispersions by edgeR's method.

    Attributes
    ----------
    genes : Index, shape (g,)
    average_log_cpm : ndarray, shape (g,)
        log2 counts per million of a gene over all samples, 2 counts added.
    common : float
    trended, tagwise : ndarray, shape (g,)
        Genes with fewer than 5 counts in total have the trend of the least abundant gene in both.
    prior_df : float
        d0; infinite where genes scatter no more than chance would have it.
    """

    genes: pd.Index
    average_log_cpm: np.ndarray
    common: float
    trended: np.ndarray
    tagwise: np.ndarray
    prior_df: float

    def __repr__(self):
        low, high = np.min(self.trended), np.max(self.trended)
        return (
            f"EdgerDispersions of {len(self.genes):,} genes: common {self.common:.3g}, "
            f"trended {low:.3g} to {high:.3g}, prior degrees of freedom {self.prior_df:.3g}"
        )

    @property
    def final(self):
        """What `scomics_lite.glm.fit` takes: ``tagwise``, as edgeR's ``glmFit`` does (``glmQLFit``: ``trended``)."""
        return self.tagwise


def edger_dispersions(counts, design, size_factors, *, prior_df=None, layer=None, map=map):
    """Estimate common, trended and tagwise dispersions as edgeR's ``estimateDisp(y, design)`` of version 3.40 does.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame, AnnData or Counts, shape (n, g)
        Raw counts, samples or cells in rows.
    design : DataFrame or array_like, shape (n, p)
        As for `scomics_lite.glm.fit`; with fewer columns than samples.
    size_factors : array_like, shape (n,)
        Positive, on any scale. For edgeR's numbers those of ``normalization.size_factors(counts, "tmm")``.
    prior_df : float, optional
        d0. Estimated from the data when not given.
    layer : str, optional
        Layer of an AnnData that holds the counts.
    map : callable
        What applies the work to blocks of genes; see `scomics_lite.blocks`.

    Returns
    -------
    EdgerDispersions

    Raises
    ------
    InputError
        If samples and coefficients are as many, no gene has 5 counts, or `prior_df` would have to come from one gene.

    Examples
    --------
    >>> from scomics_lite import simulate
    >>> adata = simulate.bulk_counts(["A"] * 4 + ["B"] * 4, 200, dispersion=0.1, library_sizes=1e5, rng=1)
    >>> design = pd.DataFrame({"Intercept": 1.0, "B": [0] * 4 + [1] * 4}, index=adata.obs_names)
    >>> round(edger_dispersions(adata, design, adata.obs["size_factor"]).common, 2)
    0.09
    """
    counts = counts if isinstance(counts, Counts) else check_counts(counts, layer=layer)
    x = match_design(design, counts.samples).to_numpy(float)
    if x.shape[1] >= len(x):
        raise InputError(f"{len(x)} samples and {x.shape[1]} coefficients leave no residual degree of freedom")
    if prior_df is not None and not prior_df >= 0:
        raise InputError(f"prior_df must not be negative, got {prior_df}")
    s = check_size_factors(size_factors, counts.samples)
    sizes = effective_library_sizes(s, counts.library_sizes)
    used = np.flatnonzero(counts.gene_totals >= LEAST_COUNT)
    if used.size == 0:
        raise InputError(f"no gene has {LEAST_COUNT} counts in total")
    heights = _tabulate(counts, x, sizes, used, map)
    common = float(_dispersion_at(heights.sum(axis=0, keepdims=True))[0])
    abundance = average_log_cpm(counts, sizes, common, map=map)
    shared = _average_by_abundance(abundance[used], heights)
    trend = _dispersion_at(shared)
    trended = np.full(len(counts.genes), trend[abundance[used].argmin()])
    trended[used] = trend
    if prior_df is None:
        prior_df = _prior_df(counts, x, sizes, used, trended, abundance, map)
    weight = min(prior_df / (len(x) - x.shape[1]), LARGEST_PRIOR)
    tagwise = trended.copy()
    tagwise[used] = _dispersion_at(heights + weight * shared)
    return EdgerDispersions(counts.genes, abundance, common, trended, tagwise, float(prior_df))


def edger_common(counts, design, size_factors, *, layer=None):
    """Estimate the one dispersion that fits all genes together best.

    Parameters
    ----------
    counts, design, size_factors, layer
        As for `edger_dispersions`, whose ``common`` this is; call that one for several of its parts.

    Returns
    -------
    float

    Examples
    --------
    >>> from scomics_lite import simulate
    >>> adata = simulate.bulk_counts(["A"] * 4 + ["B"] * 4, 200, dispersion=0.1, library_sizes=1e5, rng=1)
    >>> design = pd.DataFrame({"Intercept": 1.0, "B": [0] * 4 + [1] * 4}, index=adata.obs_names)
    >>> round(edger_common(adata, design, adata.obs["size_factor"]), 2)
    0.09
    """
    return edger_dispersions(counts, design, size_factors, layer=layer).common


def edger_trended(counts, design, size_factors, *, layer=None):
    """Estimate dispersions as a smooth function of abundance.

    Parameters
    ----------
    counts, design, size_factors, layer
        As for `edger_dispersions`, whose ``trended`` this is; call that one for several of its parts.

    Returns
    -------
    ndarray, shape (g,)

    Examples
    --------
    >>> from scomics_lite import simulate
    >>> adata = simulate.bulk_counts(["A"] * 4 + ["B"] * 4, 200, dispersion=0.1, library_sizes=1e5, rng=1)
    >>> design = pd.DataFrame({"Intercept": 1.0, "B": [0] * 4 + [1] * 4}, index=adata.obs_names)
    >>> edger_trended(adata, design, adata.obs["size_factor"]).shape
    (200,)
    """
    return edger_dispersions(counts, design, size_factors, layer=layer).trended


def edger_tagwise(counts, design, size_factors, *, layer=None):
    """Estimate a dispersion for each gene, drawn towards the trend.

    Parameters
    ----------
    counts, design, size_factors, layer
        As for `edger_dispersions`, whose ``tagwise`` this is; call that one for several of its parts.

    Returns
    -------
    ndarray, shape (g,)

    Examples
    --------
    >>> from scomics_lite import simulate
    >>> adata = simulate.bulk_counts(["A"] * 4 + ["B"] * 4, 200, dispersion=0.1, library_sizes=1e5, rng=1)
    >>> design = pd.DataFrame({"Intercept": 1.0, "B": [0] * 4 + [1] * 4}, index=adata.obs_names)
    >>> edger_tagwise(adata, design, adata.obs["size_factor"]).shape
    (200,)
    """
    return edger_dispersions(counts, design, size_factors, layer=layer).tagwise


# --- the table of likelihoods -----------------------------------------------------------------------------------------


def _tabulate(counts, x, sizes, genes, map=map):
    """Compute l on the grid, shape (genes, 21); 0 for a gene without a residual degree of freedom."""
    blocks = map_blocks(partial(_tabulate_block, x, sizes), counts.matrix, genes, map=map)
    return np.concatenate([heights for _, heights in blocks])


def _tabulate_block(x, sizes, y):
    """Compute l of b genes on the grid, shape (b, 21), from the samples whose mean is not zero in them."""
    heights = np.zeros((y.shape[1], len(GRID)))
    mean = _fit(y, x, sizes, FIRST).mean
    for kept, members in patterns((mean >= NO_MEAN) | (y >= NO_MEAN)):
        columns, some = independent_columns(x[kept]), np.ix_(kept, members)
        if kept.sum() > columns.size:
            heights[members] = _profile_on_grid(y[some], x[kept][:, columns], sizes[kept], mean[some])
    return heights


def _profile_on_grid(y, x, sizes, mean):
    """Compute l of b genes, shape (b, 21), from the means (n, b) at dispersion `FIRST`."""
    heights = np.empty((y.shape[1], len(GRID)))
    products = Profile.products_of(x)
    start = least_squares(x, np.log(np.maximum(mean, NO_MEAN) / sizes[:, None]))
    middle = int(np.searchsorted(GRID, np.log2(FIRST / 0.1)))
    for way in (range(middle, len(GRID)), range(middle - 1, -1, -1)):
        beta = start
        for point in way:  # each from its neighbour's coefficients
            phi = 0.1 * 2 ** GRID[point]
            beta = _climb(y, x, sizes, phi, beta)
            mu = np.maximum(sizes[:, None] * np.exp(x @ beta), 1e-10)
            profile = Profile(y.T, mu.T, products)
            heights[:, point] = profile.value(np.full(y.shape[1], np.log(phi))) + xlogy(y, mu).sum(axis=0)
    return heights


def _climb(y, x, sizes, phi, beta):
    """Go from coefficients (p, b) near the maximum of the likelihood to it by Newton's method, or begin anew."""
    model = Model.of(pd.DataFrame(x), sizes, 0.0, 0.0)
    state = {"beta": beta, "strayed": np.zeros(y.shape[1], dtype=bool)}
    state, _, done = step_until_done(partial(_newton_step, model, phi), state, (y,), MOST_STEPS)
    far = ~done | state["strayed"]
    if far.any():
        state["beta"][:, far] = _fit(y[:, far], x, sizes, phi, tolerance=0.0).coefficients.T
    return state["beta"]


def _newton_step(model, phi, at, y):
    """Take a step; a gene is done when its means move by less than 1e-5: the next step would be some 1e-10.

    One whose means move too far is done too, having strayed: where they end no sample may have any weight left.
    """
    mu = model.mean(at["beta"])
    variance = 1 + phi * mu
    step = model.step(mu * (1 + phi * y) / variance**2, model.x.T @ ((y - mu) / variance))
    moved = np.abs(model.x @ step).max(axis=0)
    strayed = ~(moved < LONGEST_STEP)
    return {"beta": at["beta"] + step, "strayed": strayed}, (moved < 1e-5) | strayed


def patterns(kept):
    """Yield the columns that are different, and which columns are like each.

    Parameters
    ----------
    kept : ndarray of bool, shape (n, b)

    Yields
    ------
    pattern : ndarray of bool, shape (n,)
    members : ndarray of int
        Positions of the columns that are this one.

    Examples
    --------
    >>> for pattern, members in patterns(np.array([[True, True, True], [True, False, True]])):
    ...     print(pattern, members)
    [ True False] [1]
    [ True  True] [0 2]
    """
    packed = np.ascontiguousarray(np.packbits(kept, axis=0).T)  # so that a column is compared in one go
    columns = packed.view(np.dtype((np.void, packed.shape[1])))[:, 0]
    _, first, which = np.unique(columns, return_index=True, return_inverse=True)
    for number, column in enumerate(first):
        yield kept[:, column], np.flatnonzero(which == number)


def _fit(y, x, sizes, dispersions, **settings):
    """Fit the plain regression: no ridge, no floor."""
    table = Counts(y, pd.RangeIndex(y.shape[0]), pd.RangeIndex(y.shape[1]))
    return glm.fit(table, x, sizes, dispersions, ridge=0.0, min_mean=0.0, **settings)


def _dispersion_at(heights):
    """Find the maxima of the curves whose heights (b, 21) stand on the grid; dispersions (b,)."""
    return 0.1 * 2 ** spline_maxima(GRID, heights)


# --- abundance and its trend ------------------------------------------------------------------------------------------


def average_log_cpm(counts, sizes, dispersions, *, map=map):
    """Fit log2 counts per million over all samples, with 2 counts added in proportion to library size.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame, AnnData or Counts, shape (n, g)
        Raw counts.
    sizes : array_like, shape (n,)
        Effective library sizes, see `scomics_lite.normalization.effective_library_sizes`.
    dispersions : array_like, shape (g,) or ()
    map : callable
        What applies the fit to blocks of genes; see `scomics_lite.blocks`.

    Returns
    -------
    ndarray, shape (g,)

    Examples
    --------
    >>> np.exp2(average_log_cpm([[98, 8], [196, 16]], [1e6, 2e6], 0.1)).round(1)
    array([99.3,  9.3])
    """
    counts = check_counts(counts, min_samples=1)
    sizes = check_positive(sizes, counts.samples, "library sizes")
    check_order(dispersions, counts.genes, "dispersions")
    dispersions = np.broadcast_to(dispersions, len(counts.genes))
    every = np.arange(len(counts.genes))
    blocks = map_blocks(partial(_abundance_of_block, sizes), counts.matrix, every, dispersions, map=map)
    return (np.concatenate([abundance for _, abundance in blocks]) + np.log(1e6)) / np.log(2)


def _abundance_of_block(sizes, y, dispersions):
    """Fit ln(counts / library size) of b genes over all samples, with prior counts, shape (b,)."""
    added = PRIOR_COUNT * sizes / sizes.mean()
    fit = _fit(y + added[:, None], np.ones((len(sizes), 1)), sizes + 2 * added, dispersions)
    return fit.coefficients[:, 0]


def _average_by_abundance(abundance, heights):
    """Average the rows of heights over genes of similar abundance: local constants with tricube weights, as locfit.

    The share of genes taken falls from all of 50 to a quarter of many. Fitted at the ends and halfway wherever two
    points are further apart than 0.8 of the smaller reach, with straight lines between.
    """
    g = len(abundance)
    neighbours = int(g * (1.0 if g <= 50 else 0.25 + 0.75 * np.sqrt(50 / g)) + 1e-9)

    def fit(point):
        weights, reach = neighbourhood(abundance - point, neighbours)
        return weights @ heights / weights.sum(), reach

    points, fits = fit_where_needed(fit, abundance.min(), abundance.max())
    values = np.array([average for average, _ in fits])
    return np.column_stack([np.interp(abundance, points, column) for column in values.T])


# --- the prior degrees of freedom -------------------------------------------------------------------------------------


def _prior_df(counts, x, sizes, genes, trended, abundance, map):
    """Estimate the d0 of the scaled F distribution of the genes' deviances per degree of freedom (Smyth 2004)."""
    blocks = map_blocks(partial(_scatter_of_block, x, sizes), counts.matrix, genes, trended, map=map)
    variances, df = np.concatenate([scatter for _, scatter in blocks], axis=1)
    return squeeze_variances(variances, df, covariate=abundance[genes]).prior_df


def _scatter_of_block(x, sizes, y, trended):
    """Compute deviances per degree of freedom, and the degrees of freedom, both of b genes, shape (2, b)."""
    mean = _fit(y, x, sizes, trended).mean
    deviance = negative_binomial.deviance(y, mean, trended).sum(axis=0)
    df = residual_df(x, y, mean)
    return np.array([np.where(df > 0, deviance / np.maximum(df, 1), 0), df])


def residual_df(x, y, mean):
    """Count the samples less the rank of their design; those with a count and a mean of zero fit themselves.

    Parameters
    ----------
    x : ndarray, shape (n, p)
    y, mean : ndarray, shape (n, b)
        Counts and fitted means.

    Returns
    -------
    ndarray, shape (b,)

    Examples
    --------
    >>> y = np.array([[0, 5], [0, 6], [7, 7], [8, 8]])
    >>> residual_df(np.array([[1, 0], [1, 0], [1, 1], [1, 1]]), y, y)
    array([1., 2.])
    """
    df = np.empty(y.shape[1])
    for kept, members in patterns((mean >= NO_MEAN) | (y >= NO_MEAN)):
        df[members] = kept.sum() - independent_columns(x[kept]).size
    return df
