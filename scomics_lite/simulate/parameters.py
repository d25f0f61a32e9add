"""What simulated counts have to know: typical values, or a few summaries of a real data set."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, sparse, special, stats

from scomics_lite import negative_binomial
from scomics_lite.normalization import normalize, size_factors
from scomics_lite.validation import Counts, InputError, check_counts, check_order

N_BINS = 20  # bins of the dispersion trend: enough to bend, few enough to average over hundreds of genes each
POOLED = 5_000  # counts of a bin that are fitted together: more would sharpen two numbers that are sharp already


@dataclass(frozen=True, eq=False)
class CountParameters:
    """What `bulk_counts` and `cell_counts` have to know of a data set: summaries, nothing of a single gene or sample.

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
    bin_zero_probability : ndarray, shape (20,), optional
        Probability of a structural zero in the same bins; `cell_counts` alone uses it. All of the above then describe
        the counts without these zeros.
    """

    log_share_quantiles: np.ndarray
    bin_log_mean: np.ndarray
    bin_dispersion: np.ndarray
    log_library_mean: float
    log_library_sd: float
    unexpressed: float
    n_genes: int
    bin_zero_probability: np.ndarray | None = None


def typical_bulk():
    """Return the parameters of a middling bulk experiment, for when no data set is to be imitated.

    Shares are log-normal with standard deviation 2, twenty million reads fall on 20,000 genes, and the dispersion is
    0.05 + 1 / mean, the parametric form of Anders and Huber (2010).

    Examples
    --------
    >>> typical_bulk().n_genes
    20000
    """
    log_mean = np.linspace(0, 10, N_BINS)
    return _typical(2.0, 20_000, 20e6, 0.3, log_mean, 0.05 + np.exp(-log_mean))


def typical_umis():
    """Return the parameters of shallow cells whose molecules are counted (UMI), without structural zeros.

    Five thousand molecules, give or take a half (log-normal, standard deviation 0.5), fall on 10,000 expressed genes;
    the dispersion is 0.25 + 0.12 / mean, which is near the trend within cell types and samples of kang_muscat.

    Examples
    --------
    >>> typical_umis().bin_dispersion.min().round(2)
    np.float64(0.25)
    """
    log_mean = np.linspace(-3, 7, N_BINS)
    return _typical(1.5, 10_000, 5e3, 0.5, log_mean, 0.25 + 0.12 * np.exp(-log_mean))


def typical_reads():
    """Return the parameters of deep cells whose reads are counted, amplified from few molecules.

    A million reads, with a standard deviation of 0.8 on the log scale, fall on 15,000 genes. Structural zeros have the
    probability K / (K + mean) of Andrews and Hemberg (2019) with K = 8 and the dispersion is 1 + 2 / (1 + mean / 30),
    which is near what islam_esmef shows.

    Examples
    --------
    >>> typical_reads().bin_zero_probability[[0, -1]].round(2)
    array([0.99, 0.  ])
    """
    log_mean = np.linspace(-3, 8, N_BINS)
    mean = np.exp(log_mean)
    return _typical(1.7, 15_000, 1e6, 0.8, log_mean, 1 + 2 / (1 + mean / 30), bin_zero_probability=8 / (8 + mean))


def _typical(share_sd, n_genes, library_size, library_sd, log_mean, dispersion, **zeros):
    quantiles = share_sd * stats.norm.ppf(np.linspace(0.0005, 0.9995, 101))
    return CountParameters(
        log_share_quantiles=quantiles - np.log(n_genes) - share_sd**2 / 2,  # the mean of exp(s z) is exp(s^2 / 2)
        bin_log_mean=log_mean,
        bin_dispersion=dispersion,
        log_library_mean=float(np.log(library_size)),
        log_library_sd=library_sd,
        unexpressed=0.0,
        n_genes=n_genes,
        **zeros,
    )


def estimate_parameters(counts, *, groups=None, layer=None, zeros=False):
    """Summarise a real data set for `bulk_counts` or `cell_counts`, so that simulated counts look like it.

    The dispersion of a gene is the moment estimate (s^2 - m c) / m^2 within groups, with m and s^2 the mean and the
    variance of the normalized counts and c the mean of 1 / s_i; single genes are hopeless with few samples, so only
    trimmed means over bins of similar genes are kept. With `zeros`, each bin instead has the dispersion and the
    probability of a structural zero that are most likely for its genes together, their means in the groups being as
    observed; where means are below 1, counts hardly tell the two apart.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame or AnnData, shape (n, g)
        Raw counts.
    groups : array_like, shape (n,), optional
        Replicates share a label; differences between labels are not counted as dispersion.
    layer : str, optional
        Layer of an AnnData that holds the counts.
    zeros : bool
        Estimate structural zeros too, for `cell_counts`.

    Returns
    -------
    CountParameters

    Examples
    --------
    >>> from scomics_lite.simulate import bulk_counts
    >>> adata = bulk_counts(["A"] * 20, 2_000, changed_fraction=0, dispersion=0.2, rng=1)
    >>> float(estimate_parameters(adata).bin_dispersion[-5:].mean().round(1))
    0.2
    """
    counts = check_counts(counts, layer=layer)
    groups = _check_groups(groups, counts)
    expressed = counts.positive_samples() > 0
    counts = Counts(counts.matrix[:, expressed], counts.samples, counts.genes[expressed])
    if len(counts.genes) < N_BINS:
        raise InputError(f"{len(counts.genes)} genes with counts are too few for a trend; at least {N_BINS} are needed")
    library_sizes = counts.library_sizes
    shares = np.asarray(normalize(counts.matrix, library_sizes).mean(axis=0)).ravel()
    log_library_mean, log_library_sd = np.log(library_sizes).mean(), np.log(library_sizes).std(ddof=1)
    if zeros:
        trends, quantiles, lost = _trends_with_zeros(counts, groups, shares)
        log_library_mean -= np.log1p(-lost)
    else:
        trends = _trends(counts, groups)
        quantiles = np.quantile(np.log(shares), np.linspace(0, 1, 101))
    return CountParameters(
        log_share_quantiles=quantiles,
        log_library_mean=float(log_library_mean),
        log_library_sd=float(log_library_sd),
        unexpressed=float(1 - expressed.mean()),
        n_genes=len(expressed),
        **trends,
    )


def _check_groups(groups, counts):
    n = len(counts.samples)
    check_order(groups, counts.samples, "groups")
    groups = np.zeros(n) if groups is None else np.asarray(groups)
    if groups.shape != (n,):
        raise InputError(f"groups has shape {groups.shape}; give one label for each of the {n} samples")
    if not any((groups == group).sum() > 1 for group in np.unique(groups)):
        raise InputError("no group has two samples, so nothing can be said of the variation between replicates")
    return groups


def _bins(mean):
    """Genes (their numbers) in bins of similar means, from low to high."""
    return np.array_split(np.argsort(mean, kind="stable"), N_BINS)


# --- by moments -------------------------------------------------------------------------------------------------------


def _trends(counts, groups):
    mean, dispersion = _moment_dispersions(counts, groups)
    bins = _bins(mean)
    return {
        "bin_log_mean": np.array([np.log(mean[genes]).mean() for genes in bins]),
        "bin_dispersion": np.clip([stats.trim_mean(dispersion[genes], 0.05) for genes in bins], 1e-3, 10.0),
    }


def _moment_dispersions(counts, groups):
    """Mean normalized count and moment estimate of phi of every gene, pooled over groups, (g,) each."""
    factors = size_factors(counts.matrix, "poscounts")
    normalized = normalize(counts.matrix, factors)
    replicated = [group for group in np.unique(groups) if (groups == group).sum() > 1]
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


# --- with structural zeros --------------------------------------------------------------------------------------------


def _trends_with_zeros(counts, groups, shares):
    """Trends, quantiles of the shares, and the fraction of all reads lost to zeros; all but the last without zeros."""
    factors = size_factors(counts.matrix, "total")
    mean = _column_moments(normalize(counts.matrix, factors))[0]
    bins = _bins(mean)
    fits = np.array([_pooled_fit(counts.matrix, genes, groups, factors) for genes in bins])
    log_observed = np.array([np.log(mean[genes]).mean() for genes in bins])
    kept = 1 - np.interp(np.log(mean), log_observed, fits[:, 1])
    log_mean = log_observed - np.log1p(-fits[:, 1])
    order = np.argsort(log_mean)
    trends = {
        "bin_log_mean": log_mean[order],
        "bin_dispersion": fits[order, 0],
        "bin_zero_probability": fits[order, 1],
    }
    whole = mean / kept
    return trends, _share_quantiles(shares / kept), 1 - mean.sum() / whole.sum()


def _pooled_fit(matrix, genes, groups, factors):
    """Find the phi and pi most likely for genes together, where mu (1 - pi) is the mean of the gene in the group."""
    genes = genes[:: max(1, len(genes) * len(groups) // POOLED)]
    counts = matrix[:, genes]
    counts = counts.toarray() if sparse.issparse(counts) else counts
    observed = np.empty(counts.shape)
    for group in np.unique(groups):
        rows = groups == group
        observed[rows] = np.outer(factors[rows], counts[rows].sum(axis=0) / factors[rows].sum())
    counts, observed = counts[observed > 0], observed[observed > 0]

    def minus_log_likelihood(parameters):
        pi = special.expit(parameters[1])
        log_p = negative_binomial.log_likelihood(counts, observed / (1 - pi), np.exp(parameters[0])) + np.log1p(-pi)
        return -np.where(counts == 0, np.logaddexp(np.log(pi), log_p), log_p).sum()

    # two starts: the zeros are of the negative binomial, or half of them are not
    fits = [
        optimize.minimize(minus_log_likelihood, start, method="Nelder-Mead", bounds=[(-7, 4), (-9, 5)],
                          options={"xatol": 1e-6, "fatol": 1e-6})
        for start in ([1.0, -4.0], [0.0, 0.0])
    ]  # fmt: skip
    best = min(fits, key=lambda fit: fit.fun).x
    return np.exp(best[0]), special.expit(best[1])


def _share_quantiles(shares):
    """Quantiles of ln(share), the last such that the top percent of the genes, drawn from it, holds what it holds."""
    quantiles = np.quantile(np.log(shares), np.linspace(0, 1, 101))
    ratio = shares[np.log(shares) >= quantiles[-2]].mean() / np.exp(quantiles[-2])
    if ratio > 1:  # the mean of exp(u), u uniform in (0, d), is (exp(d) - 1) / d
        quantiles[-1] = quantiles[-2] + optimize.brentq(lambda d: np.expm1(d) / d - ratio, 1e-9, 50)
    return quantiles
