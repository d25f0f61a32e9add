"""Linear models of log expression: precision weights from counts, and t-tests that share what they know of variances.

limma's road from counts to a table. `voom` (Law, Chen, Shi and Smyth 2014) turns counts to logarithms and learns how
precise each of them is; `fit` is least squares with these weights, gene by gene; `moderated_t_test` replaces each
gene's variance by one drawn towards all genes' (Smyth 2004), see `scomics_lite.empirical_bayes.squeeze_variances`.

    values_ig = log2(10^6 (Y_ig + 0.5) / (L_i + 1)) ~ x_i' beta_g + error of variance sigma2_g / weight_ig
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import stdtr

from scomics_lite.blocks import gene_blocks
from scomics_lite.design import contrast as contrast_vector
from scomics_lite.design import match_design
from scomics_lite.empirical_bayes import squeeze_variances
from scomics_lite.linear_models.least_squares import fit_blocks
from scomics_lite.multiple_testing import adjust
from scomics_lite.normalization import effective_library_sizes
from scomics_lite.smoothing import robust_curve
from scomics_lite.validation import (
    InputError,
    check_counts,
    check_order,
    check_size_factors,
    check_threshold,
    is_annotated,
    quoted,
)

SPAN = 0.5  # share of the genes that voom's trend looks at around each; limma's number
LOG_MILLION = np.log2(1e6)
LEAST_ROOT_SD = 1e-4  # of log2 values; counts never agree so well, and weights beyond 1e16 would be left


@dataclass(frozen=True, eq=False, repr=False)
class VoomResult:
    """Logarithms of counts, and how precise they are.

    Attributes
    ----------
    values : DataFrame, shape (n, g)
        log2(10^6 (Y + 0.5) / (L + 1)).
    weights : DataFrame, shape (n, g)
        1 / variance that the trend expects for a count of that size.
    design : DataFrame, shape (n, p)
    library_sizes : ndarray, shape (n,)
        L, effective library sizes.
    mean_log_count, root_sd : ndarray, shape (g,)
        Average log2(count + 0.5) and square root of the residual standard deviation: the dots that the trend goes
        through. NaN for genes without a count.
    trend : DataFrame
        The trend: ``log_count``, rising, and ``root_sd``.
    """

    values: pd.DataFrame
    weights: pd.DataFrame
    design: pd.DataFrame
    library_sizes: np.ndarray
    mean_log_count: np.ndarray
    root_sd: np.ndarray
    trend: pd.DataFrame

    def __repr__(self):
        n, g = self.values.shape
        sd = self.trend["root_sd"] ** 2
        return f"VoomResult of {g:,} genes in {n:,} samples: standard deviations {sd.max():.3g} to {sd.min():.3g}"


@dataclass(frozen=True, eq=False, repr=False)
class LinearFit:
    """Least squares fits of all genes.

    Attributes
    ----------
    genes : Index, shape (g,)
    design : DataFrame, shape (n, p)
    values : ndarray, shape (n, g)
    weights : ndarray, shape (n, g), or None
    coefficients : ndarray, shape (g, p)
        On the scale of the values, log2 as a rule; NaN where a gene's missing values leave one open.
    stdev_unscaled : ndarray, shape (g, p)
        Square roots of the diagonal of (X'WX)^-1: a standard error is this times sigma.
    sigma : ndarray, shape (g,)
        Residual standard deviation, sqrt(sum of w r^2 / df_residual); NaN without residual degrees of freedom.
    df_residual : ndarray, shape (g,)
        Values less coefficients.
    mean : ndarray, shape (g,)
        Average of the values.
    """

    genes: pd.Index
    design: pd.DataFrame
    values: np.ndarray
    weights: np.ndarray | None
    coefficients: np.ndarray
    stdev_unscaled: np.ndarray
    sigma: np.ndarray
    df_residual: np.ndarray
    mean: np.ndarray

    def __repr__(self):
        n, p = self.design.shape
        names = ", ".join(str(name) for name in self.design.columns[:6]) + " …" * (p > 6)
        kind = "unweighted" if self.weights is None else "weighted"
        return f"LinearFit of {len(self.genes):,} genes in {n:,} samples, {kind}; {p} coefficients: {names}"

    def contrast_variance(self, contrast):
        """Compute c'(X'WX)^-1 c: the variance of c'beta over sigma2.

        Exact for every gene's own weights. (limma's ``contrasts.fit`` takes the correlations of the coefficients from
        the design without weights, an approximation that its help page names.)

        Parameters
        ----------
        contrast : array_like, shape (p,)
            c.

        Returns
        -------
        ndarray, shape (g,)
            NaN where c needs a coefficient that is open.
        """
        c = np.asarray(contrast, dtype=float)
        used = c != 0
        if used.sum() == 1:  # what is known already
            return (self.stdev_unscaled[:, used] @ c[used]) ** 2
        variance = np.empty(len(self.genes))
        for genes, (_, root, _, _) in fit_blocks(self.values, self.weights, self.design):
            variance[genes] = ((c[used] @ root[:, used]) ** 2).sum(axis=1)
        return variance


def voom(counts, design, size_factors=None, *, layer=None):
    """Take logarithms of counts and weigh them by the precision that counts of their size have.

    log2 counts per million of few counts scatter more than those of many. Least squares without weights gives every
    gene a residual standard deviation; its square root, over the average log2 count, follows a smooth curve (robust
    local lines, each through half of the genes). A count whose fitted value is m then has the weight

        weight_ig = 1 / curve(log2 of the fitted count m_ig)^4

    which is 1 / variance (Law, Chen, Shi and Smyth 2014; limma's ``voom``).

    Parameters
    ----------
    counts : array_like, sparse, DataFrame, AnnData or Counts, shape (n, g)
        Raw counts, samples in rows; genes with hardly any are best left out before. Zeros have logarithms here too, so
        that values and weights are dense: 16 n g bytes.
    design : DataFrame or array_like, shape (n, p)
        With fewer columns than samples.
    size_factors : array_like, shape (n,), optional
        Positive, on any scale; the library sizes when not given. For the numbers of limma after edgeR's
        ``calcNormFactors``: ``normalization.size_factors(counts, "tmm")``.
    layer : str, optional
        Layer of an AnnData that holds the counts.

    Returns
    -------
    VoomResult

    Raises
    ------
    InputError
        Without residual degrees of freedom, with fewer than two genes, or if replicates do not differ.

    Examples
    --------
    >>> from scomics_lite import simulate
    >>> adata = simulate.bulk_counts(["A"] * 4 + ["B"] * 4, 200, dispersion=0.1, library_sizes=1e5, rng=1)
    >>> design = pd.DataFrame({"Intercept": 1.0, "B": [0] * 4 + [1] * 4}, index=adata.obs_names)
    >>> weighed = voom(adata, design, adata.obs["size_factor"])
    >>> weighed
    VoomResult of 200 genes in 8 samples: standard deviations 1.1 to 0.423
    >>> fit(weighed.values, design, weighed.weights)
    LinearFit of 200 genes in 8 samples, weighted; 2 coefficients: Intercept, B
    """
    counts = check_counts(counts, layer=layer)
    design = match_design(design, counts.samples)
    _check_replicates(design)
    sizes = counts.library_sizes
    if size_factors is not None:
        sizes = effective_library_sizes(check_size_factors(size_factors, counts.samples), sizes)
    log_sizes = np.log2(sizes + 1)[:, None]
    values = np.empty(counts.matrix.shape)
    for genes, y in gene_blocks(counts.matrix, np.arange(values.shape[1])):
        values[:, genes] = np.log2(y + 0.5) - log_sizes + LOG_MILLION
    values = pd.DataFrame(values, counts.samples, counts.genes)
    plain = fit(values, design)
    seen = counts.positive_samples() > 0
    mean_log_count = np.where(seen, plain.mean + log_sizes.mean() - LOG_MILLION, np.nan)
    root_sd = np.where(seen, np.sqrt(plain.sigma), np.nan)
    trend = _trend(mean_log_count[seen], root_sd[seen])
    weights = _precision(plain, log_sizes - LOG_MILLION, trend)
    return VoomResult(values, weights, design, sizes, mean_log_count, root_sd, trend)


def fit(values, design, weights=None):
    """Fit the linear model of every gene by least squares.

    With W the diagonal matrix of a gene's weights, its coefficients are (X'WX)^-1 X'Wv, by QR decompositions, all genes
    of a block at once, as limma's ``lmFit`` does gene by gene.

    Parameters
    ----------
    values : DataFrame or array_like, shape (n, g), or VoomResult
        Log expression, such as `scomics_lite.normalization.log_cpm`; NaN is a missing value. What `voom` gives brings
        its weights along.
    design : DataFrame or array_like, shape (n, p)
        Columns that do not add up to each other; see `scomics_lite.design`.
    weights : DataFrame or array_like, shape (n, g), optional
        Not negative; a value of weight 0 or NaN counts as missing.

    Returns
    -------
    LinearFit

    Examples
    --------
    >>> fitted = fit([[1.0, 5.0], [2.0, np.nan], [6.0, 6.0], [7.0, 8.0]], [[1, 0], [1, 0], [1, 1], [1, 1]])
    >>> fitted.coefficients
    array([[1.5, 5. ],
           [5. , 2. ]])
    >>> fitted.df_residual
    array([2., 1.])
    """
    if isinstance(values, VoomResult):
        weights = values.weights if weights is None else weights
        values = values.values  # noqa: PD011 (the logarithms)
    values, samples, genes = _read_values(values)
    design = match_design(design, samples)
    weights = None if weights is None else _check_weights(weights, values.shape, samples, genes)
    g, p = values.shape[1], design.shape[1]
    coefficients, stdev, variance, df = np.empty((g, p)), np.empty((g, p)), np.empty(g), np.empty(g)
    for block, (beta, root, squares, left) in fit_blocks(values, weights, design):
        coefficients[block], stdev[block] = beta, np.sqrt((root**2).sum(axis=2))
        variance[block], df[block] = squares / np.where(left > 0, left, np.nan), left
    observed = np.isfinite(values).sum(axis=0)
    mean = np.nansum(values, axis=0) / np.where(observed, observed, np.nan)
    return LinearFit(genes, design, values, weights, coefficients, stdev, np.sqrt(variance), df, mean)


def moderated_t_test(fit, contrast, *, lfc_threshold=0.0, trend=False, robust=False):
    """Test a sum of coefficients by t, with variances drawn towards a prior that all genes share.

    With the estimate b = c'beta, the posterior variance of `scomics_lite.empirical_bayes.squeeze_variances` and its
    total degrees of freedom,

        s2~_g = (d_g s2_g + d0 s02) / (d_g + d0)        se = sqrt(s2~ c'(X'WX)^-1 c)
        t = b / se  on  min(d_g + d0, sum of all d)  degrees of freedom                        (Smyth 2004)

    Against a threshold T the p-value is the largest that any |beta| <= T allows (TREAT, McCarthy and Smyth 2009):

        p = P(t > (|b| - T) / se) + P(t > (|b| + T) / se),     stat = sign(b) max((|b| - T) / se, 0)

    Parameters
    ----------
    fit : LinearFit
        From `fit`.
    contrast : array_like, shape (p,), or tuple, str or dict
        As in `scomics_lite.glm.wald_test`.
    lfc_threshold : float
        T, on the scale of the values (log2).
    trend : bool
        Let the prior variance depend on the average of the values, for logarithms without weights ("limma-trend").
    robust : bool
        Guard the prior against genes with outlying variances (Phipson et al. 2016).

    Returns
    -------
    DataFrame
        Indexed by gene: ``mean`` (of the values, logarithms; other tables have ``baseMean``, a mean of counts),
        ``log2FoldChange``, ``lfcSE``, ``stat`` (moderated t), ``df``, ``pvalue``, ``padj`` (Benjamini and Hochberg
        1995). NaN where missing values leave the contrast open.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> design = pd.DataFrame({"Intercept": 1.0, "treated": [0, 0, 0, 1, 1, 1]})
    >>> values = rng.normal(5, 0.3, (6, 100)) + np.outer(design["treated"], [2] + 99 * [0])
    >>> moderated_t_test(fit(values, design), "treated").round(3).head(2)
        mean  log2FoldChange  lfcSE   stat     df  pvalue   padj
    0  5.909           1.514  0.237  6.389  400.0   0.000  0.000
    1  5.259          -0.224  0.237 -0.944  400.0   0.346  0.995
    """
    c = contrast_vector(fit.design, contrast)
    check_threshold(lfc_threshold)
    if not (fit.df_residual > 0).any():
        _check_replicates(fit.design)
    squeezed = squeeze_variances(
        pd.Series(fit.sigma**2, index=fit.genes),
        fit.df_residual,
        covariate=fit.mean if trend else None,
        robust=robust,
    )
    estimate = fit.coefficients[:, c != 0] @ c[c != 0]
    error = np.sqrt(squeezed.posterior * fit.contrast_variance(c))
    df = np.where(np.isfinite(estimate), squeezed.total_df, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):  # one gene without scatter has no prior to lean on
        near, far = ((np.abs(estimate) + side * lfc_threshold) / error for side in (-1, 1))
    pvalue = stdtr(df, -near) + stdtr(df, -far)
    stat = np.sign(estimate) * np.maximum(near, 0)
    table = {"log2FoldChange": estimate, "lfcSE": error, "stat": stat, "df": df, "pvalue": pvalue}
    return pd.DataFrame({"mean": fit.mean, **table, "padj": adjust(pvalue)}, index=fit.genes)


# --- voom's trend -----------------------------------------------------------------------------------------------------


def _trend(log_count, root_sd):
    """Smooth the square roots of standard deviations over log counts; where genes share a log count, it has one row."""
    if len(log_count) < 2:
        raise InputError(
            f"{len(log_count)} genes with counts are too few for a trend of variance over mean; two at least"
        )
    curve = robust_curve(log_count, root_sd, SPAN)
    if curve.min() < LEAST_ROOT_SD:
        raise InputError(
            f"the trend of variance over mean falls to {curve.min():.3g} at log2(count) "
            f"{log_count[curve.argmin()]:.3g}: replicates hardly differ there. Leave out samples that repeat "
            "others; where replicates do agree so well, differential.test(…, method='ql') takes them"
        )
    points, first = np.unique(log_count, return_index=True)
    return pd.DataFrame({"log_count": points, "root_sd": curve[first]})


def _precision(plain, to_log_count, trend):
    """Give the weight of every value, a block of genes after the other."""
    x = plain.design.to_numpy(float)
    weights = np.empty((len(x), len(plain.genes)))
    for genes, _ in gene_blocks(plain.values, np.arange(len(plain.genes))):
        log_count = x @ plain.coefficients[genes].T + to_log_count
        weights[:, genes] = np.interp(log_count, trend["log_count"], trend["root_sd"]) ** -4.0
    return pd.DataFrame(weights, plain.design.index, plain.genes)


# --- checking ---------------------------------------------------------------------------------------------------------


def _check_replicates(design):
    n, p = design.shape
    if p >= n:
        raise InputError(
            f"{n} samples and {p} coefficients leave no residual degree of freedom: nothing is left to estimate a "
            "variance from. Leave a term out of the design, or add replicates"
        )


def _read_values(values):
    """Give log values (n, g) with the names of samples and genes."""
    if sparse.issparse(values):
        raise InputError("linear models need dense values: fit(log_cpm(counts), design), or values.toarray()")
    if is_annotated(values):
        raise InputError(
            f"values must be a table of log values, not {type(values).__name__}: normalization.log_cpm(adata), or "
            "adata.to_df() where X holds logarithms"
        )
    try:
        values = values.to_frame() if isinstance(values, pd.Series) else values
        frame = values if isinstance(values, pd.DataFrame) else pd.DataFrame(np.asarray(values))
        matrix = frame.to_numpy(float)
    except (TypeError, ValueError):
        raise InputError("values must be a table of numbers, samples x genes, such as log_cpm(counts)") from None
    bad = np.argwhere(np.isinf(matrix))
    if bad.size:
        i, g = bad[0]
        raise InputError(
            f"values must be finite or missing (NaN); sample {quoted(frame.index[i])}, gene {quoted(frame.columns[g])} "
            f"has {matrix[i, g]}. A logarithm of zero gives -inf: add a little first, as normalization.log_cpm does"
        )
    return matrix, frame.index, frame.columns


def _check_weights(weights, shape, samples, genes):
    check_order(weights, samples, "weights", genes)
    weights = np.asarray(weights, dtype=float)
    if weights.shape != shape:
        raise InputError(f"weights have the shape of the values, {shape}; got {weights.shape}")
    bad = np.argwhere((weights < 0) | np.isinf(weights))
    if bad.size:
        i, g = bad[0]
        raise InputError(
            f"weights must be finite and not negative; sample {quoted(samples[i])}, gene {quoted(genes[g])} has "
            f"{weights[i, g]}"
        )
    return weights
