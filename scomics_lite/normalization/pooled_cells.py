"""Size factors of single cells from sums of cells, in which zeros are few (Lun, Bach and Marioni 2016).

Reached as `scomics_lite.normalization.pooled_size_factors`. In one cell most genes have no count, and no median of
ratios can be had. A pool of 21 to 101 cells has one: against the mean cell, its median ratio estimates the sum of the
cells' factors. Many overlapping pools give as many linear equations, which are solved for the cells.

With the total t_i of cell i, y_ig / t_i its profile and u_g = mean_i(y_ig / t_i) mean_i(t_i) the mean cell, and with
theta_i = s_i / t_i:

    median over genes of [ sum over the pool of y_ig / t_i ] / u_g  =  sum over the pool of theta_i

The cells stand in a ring in which neighbours have similar totals: up along every second cell, and down along the
others. Pools are all arcs of each length. A faint equation for each cell, theta_i = 1 / sum u_g, draws it to its total,
so that there is one solution. All equations look the same from every place of the ring, so Fourier's transform
turns the least squares into one division for each frequency.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, sparse

from scomics_lite.validation import (
    CountsError,
    InputError,
    check_counts,
    check_labels,
    is_number,
    quoted,
    warn,
)

POOLS = tuple(range(21, 102, 5))  # cells of a pool, scran's
FAINT = 1e-6  # weight of the equation of one cell, scran's
READS, UMIS = 1.0, 0.1  # least mean count of a gene that takes part, scran's; the median total tells which they are
NONE = 1e-8  # least of all min_mean
MANY_COUNTS = 100_000  # in the middle cell: reads, not molecules
ARCS = 128  # pools summed together, which bounds the memory
REFITS, BANDWIDTH = 3, 3.0  # of the curve through detected genes: scuttle's rounds and width in median residuals


def pooled_size_factors(
    counts, clusters=None, *, pool_sizes=POOLS, min_mean=None, max_cluster_size=3000, positive=True, layer=None
):
    """Estimate the size factor of every cell by pooling cells, as scran's ``computeSumFactors`` does.

    Where cells differ in what they are, total counts are misled by the genes that a few kinds of cells have much of:
    such a cell has more counts in all, and its other genes seem to be lower. The median of a pool's genes is not, as
    long as most genes are the same in the cells that are pooled: hence the `clusters`.

    ``size_factors(counts, "total")`` is enough where cells are much alike, or where the genes of a kind of cell make up
    little of its counts; and for tests of sums of cells (`scomics_lite.differential.pseudobulk`), which have factors of
    their own. Factors of this function are worth their time where cells of different kinds are compared.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame, AnnData or Counts, shape (n, g)
        Raw counts, cells in rows. Sparse input is never made dense.
    clusters : str or array_like, shape (n,), optional
        A column of ``obs``, or the cluster of every cell, from any quick clustering. Cells are pooled within clusters,
        and clusters are brought to one scale by the median ratio of their mean cells. All cells are one when not given.
    pool_sizes : sequence of int
        Cells of a pool; those larger than a cluster are left out.
    min_mean : float, optional
        Least mean count of the genes that take part. When not given: 0.1, for molecules (UMI), and 1 for reads, which
        have more than 100,000 counts in the middle cell.
    max_cluster_size : int
        Larger clusters are dealt out into equal parts.
    positive : bool
        Replace factors that are zero or less by what the number of detected genes suggests.
    layer : str, optional
        Layer of an AnnData that holds the counts.

    Returns
    -------
    ndarray or Series, shape (n,)
        Scaled to mean 1 of the positive ones, as scran does.

    Raises
    ------
    CountsError
        If no gene has a mean of `min_mean` in a cluster, or a cell has no count of any such gene.

    Warns
    -----
    UserWarning
        If an estimate is zero or less, which happens to cells with very few counts; if a cluster is smaller than the
        smallest pool; and if two clusters have nothing in common to compare.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> kind, depth = np.repeat(["a", "b"], 100), rng.lognormal(0, 0.5, 200)
    >>> fold = np.where((np.arange(500) < 50) & (kind == "b")[:, None], 20, 1)  # b has much of every tenth gene
    >>> counts = rng.poisson(depth[:, None] * rng.lognormal(0, 1, 500) * fold)
    >>> wrong = {"total": counts.sum(axis=1) / depth, "pooled": pooled_size_factors(counts, kind) / depth}
    >>> {name: round(float(np.median(w[kind == "b"]) / np.median(w[kind == "a"])), 2) for name, w in wrong.items()}
    {'total': 2.58, 'pooled': 1.01}
    """
    checked = check_counts(counts, layer=layer)
    _check_settings(pool_sizes, min_mean, max_cluster_size)
    min_mean = _least_mean(checked.library_sizes) if min_mean is None else max(min_mean, NONE)
    parts = _parts(counts, clusters, checked.samples, max_cluster_size)
    _warn_of_small(parts, min(pool_sizes))
    pooled = [_pooled(checked, name, rows, sorted(pool_sizes), min_mean) for name, rows in parts.items()]
    _warn_of_failed(checked.samples, pooled, positive)
    if positive:
        pooled = [replace(one, factors=_replaced(one, checked.samples)) for one in pooled]
    factors = np.empty(len(checked.samples))
    for one, scale in zip(pooled, _scales(pooled, min_mean), strict=True):
        factors[one.cells] = one.factors * scale
    return checked.of_samples(factors / factors[factors > 0].mean())


# --- one cluster ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Pooled:
    """The factors of a cluster's cells, relative to its mean cell."""

    name: str
    cells: np.ndarray  # (m,): their places among all
    mean_cell: np.ndarray  # (g,): u
    factors: np.ndarray  # (m,)
    detected: np.ndarray  # (m,): how many of the genes that take part


def _pooled(counts, name, cells, pool_sizes, min_mean):
    """Estimate the factors of one cluster."""
    t = counts.library_sizes[cells]
    y = sparse.csr_array(counts.matrix[cells], dtype=float)
    profiles = sparse.csr_array(sparse.diags_array(1 / t) @ y)
    mean_cell = profiles.mean(axis=0) * t.mean()
    genes = np.flatnonzero(mean_cell >= min_mean)
    if not genes.size:
        raise CountsError(
            f"no gene has {min_mean:g} counts in the mean cell of cluster {quoted(name)}, the most are "
            f"{mean_cell.max():.3g}: leave out cells with few counts, or ask for less, "
            f"min_mean={mean_cell.max() / 10:.1g}"
        )
    u, profiles = mean_cell[genes], profiles[:, genes]
    ring = _ring(t)
    sizes = [size for size in pool_sizes if size <= len(cells)]
    theta = np.empty(len(cells))
    theta[ring] = _solved(_arc_medians(profiles[ring], u, sizes), sizes, 1 / u.sum(), len(cells))
    return _Pooled(name, cells, mean_cell, theta * t, np.diff(profiles.indptr))


def _ring(totals):
    """Order cells so that neighbours, also the last and the first, have similar totals."""
    order = np.argsort(totals, kind="stable")
    return np.concatenate([order[::2], order[1::2][::-1]])


def _arc_medians(profiles, u, sizes):
    """Take the median ratio to the mean cell of all arcs of each size.

    Parameters
    ----------
    profiles : csr_array, shape (m, b)
        In the order of the ring.
    u : ndarray, shape (b,)
        The mean cell.
    sizes : list of int, shape (k,)

    Returns
    -------
    ndarray, shape (k, m)
        Arcs by where they begin.
    """
    m, longest = profiles.shape[0], max(sizes, default=0)
    medians = np.empty((len(sizes), m))
    for first in range(0, m if sizes else 0, ARCS):
        arcs = min(ARCS, m - first)
        rows = profiles[np.arange(first, first + arcs + longest - 1) % m].toarray() / u
        total = np.zeros((arcs, len(u)))
        for size in range(1, longest + 1):
            total += rows[size - 1 : size - 1 + arcs]
            if size in sizes:
                medians[sizes.index(size), first : first + arcs] = np.median(total, axis=1)
    return medians


def _solved(medians, sizes, faint, m):
    """Solve for theta, shape (m,), the least squares of all arcs' equations and the faint one of every cell.

    With theta's transform, an arc of size k has A_k(f) theta(f), A_k the (conjugate) transform of k ones: the normal
    equations are (sum over k of |A_k|² + weight) theta = sum over k of conj(A_k) median_k + weight faint, at each f.
    """
    left, right = np.full(m // 2 + 1, FAINT), FAINT * np.fft.rfft(np.full(m, faint))
    for size, median in zip(sizes, medians, strict=True):
        ones = np.fft.rfft(np.arange(m) < size)
        left += np.abs(ones) ** 2
        right += ones * np.fft.rfft(median)
    return np.fft.irfft(right / left, m)


# --- factors that are none --------------------------------------------------------------------------------------------


def _replaced(pooled, cells):
    """Replace factors of zero or less by those that cells with as many detected genes have.

    The number of detected genes d grows with the factor s and is bounded: d = A s / (1 + B s). A and B are fitted to
    the logarithms of the other cells of the cluster, with outlying ones weighted down, as scuttle's
    ``cleanSizeFactors`` does.
    """
    failed = pooled.factors <= 0
    if not failed.any():
        return pooled.factors
    empty = failed & (pooled.detected == 0)
    if empty.any() or (~failed).sum() < 3:
        at = pooled.cells[np.flatnonzero(empty if empty.any() else failed)[0]]
        raise CountsError(
            f"cell {quoted(cells[at])} has no factor above zero, and too few counts of the genes that take part to get "
            "another cell's: leave out cells with few counts, such as this one, or ask for a lower min_mean"
        )
    curve = _curve(pooled.factors[~failed], pooled.detected[~failed])
    factors = pooled.factors.copy()
    if curve is None:
        factors[failed] = factors[~failed].min()
        return factors
    a, b = curve
    d = pooled.detected[failed]
    with np.errstate(divide="ignore"):
        factors[failed] = np.where(a > b * d, d / np.abs(a - b * d), factors.max())
    return factors


def _curve(s, d):
    """Fit A and B of d = A s / (1 + B s); None where the genes that cells detect do not level off."""
    lower = s < np.median(s)
    a = (d[lower] @ s[lower]) / (s[lower] @ s[lower])
    below = np.flatnonzero(d < a * s)
    if not below.size:
        return None
    top = below[np.argmax(d[below])]
    start = np.log([a, a / d[top] - 1 / s[top]])
    weights = np.ones(len(s))
    for _ in range(REFITS + 1):
        start = optimize.least_squares(lambda p, root: root * _miss(p, s, d), start, args=(np.sqrt(weights),)).x
        miss = np.abs(_miss(start, s, d))
        weights = (1 - np.minimum(miss / max(1e-8, BANDWIDTH * np.median(miss)), 1) ** 3) ** 3
    return np.exp(start)


def _miss(parameters, s, d):
    log_a, log_b = parameters
    return np.log(d) - log_a - np.log(s) + np.log1p(s * np.exp(log_b))


# --- between clusters -------------------------------------------------------------------------------------------------


def _scales(pooled, min_mean):
    """Bring the mean cells of clusters to one scale, by the median ratio to the one with the most genes."""
    reference = max(pooled, key=lambda one: np.count_nonzero(one.mean_cell)).mean_cell
    return [_ratio(one, reference, min_mean) for one in pooled]


def _ratio(pooled, reference, min_mean):
    """Compare one mean cell with the reference's, on genes that reach `min_mean` in the average of both."""
    mean_cell = pooled.mean_cell
    n, n_reference = mean_cell.sum(), reference.sum()
    genes = (mean_cell / n + reference / n_reference) / 2 * (n + n_reference) / 2 >= min_mean
    with np.errstate(divide="ignore"):
        ratio = np.median(mean_cell[genes] / reference[genes]) if genes.any() else np.nan
    if np.isfinite(ratio) and ratio > 0:
        return ratio
    warn(
        f"most genes of cluster {quoted(pooled.name)} have no counts in the cluster that all are compared with, or the "
        "other way round: their totals are compared instead. Fewer clusters would have more in common"
    )
    return n / n_reference


# --- settings and clusters --------------------------------------------------------------------------------------------


def _check_settings(pool_sizes, min_mean, max_cluster_size):
    sizes = list(pool_sizes)
    if not sizes or len(set(sizes)) < len(sizes) or not all(_is_whole(size) for size in sizes):
        raise InputError(f"pool_sizes are different whole numbers of cells, such as (21, 26, 31); got {pool_sizes!r}")
    if not _is_whole(max_cluster_size):
        raise InputError(f"max_cluster_size is a whole number of cells; got {max_cluster_size!r}")
    if min_mean is not None and not (is_number(min_mean) and min_mean >= 0):
        raise InputError(f"min_mean is a number of counts, 0 or more, or None; got {min_mean!r}")


def _is_whole(value):
    return is_number(value) and value == int(value) > 0


def _least_mean(totals):
    return READS if np.median(totals) >= MANY_COUNTS else UMIS


def _parts(counts, clusters, cells, most):
    """Give the places of the cells of every cluster, by its name; clusters too large are dealt out in turn."""
    if clusters is None:
        codes, names = np.zeros(len(cells), dtype=int), ["all"]
    else:
        labels = check_labels(clusters, counts, cells, "clusters")
        codes, names = labels.cat.codes.to_numpy(), labels.cat.categories
    parts = {}
    for code, name in enumerate(names):
        members = np.flatnonzero(codes == code)
        hands = -(-len(members) // most)
        for hand in range(hands):
            parts[name if hands == 1 else f"{name}-{hand + 1}"] = members[hand::hands]
    return parts


def _warn_of_small(parts, smallest):
    small = [name for name, cells in parts.items() if len(cells) < smallest]
    if small:
        warn(
            f"{len(small):,} of {len(parts):,} clusters have fewer cells than the smallest pool, {smallest}: "
            f"{', '.join(map(quoted, small[:5]))}{' …' * (len(small) > 5)}. Within them cells differ by their totals "
            "alone; merge them with clusters that are like them, or choose smaller pool_sizes"
        )


def _warn_of_failed(cells, pooled, positive):
    failed = np.concatenate([one.cells[one.factors <= 0] for one in pooled])
    if failed.size:
        done = (
            "They get the factors of cells with as many detected genes" if positive else "positive=True replaces them"
        )
        warn(
            f"{failed.size:,} of {len(cells):,} cells have size factors of zero or less, the first is "
            f"{quoted(cells[failed.min()])}: their counts are too few. {done}; better leave out cells with few counts, "
            "or raise min_mean"
        )
