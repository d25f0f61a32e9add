"""Rank-sum tests of all genes at once: how often a cell of one group has more of a gene than a cell of another.

Chapter 5. The test of Wilcoxon, and of Mann and Whitney, asks for no distribution of the counts. It is what single-cell
programs look for markers with, and the simplest thing that a model of counts can be compared with. Read `test` first.

Of n1 cells in the group and n2 in the reference, with the ranks r_i of a gene's values among all of them (equal values
share the mean of their ranks):

    U = sum of r_i over the group - n1 (n1 + 1) / 2        pairs of cells in which the group's has more, ties as halves
    AUC = U / (n1 n2)                                      their share
    Var U = n1 n2 / 12 (n + 1 - sum of (t³ - t) / (n (n - 1)))     over the sets of t equal values; n = n1 + n2
    z = (U - n1 n2 / 2 ± 1/2) / sqrt(Var U)                compared with the normal distribution

(Hollander, Wolfe and Chicken 2013, section 4.1.) Zeros are one set of equal values, below all others: only what is
above zero has to be sorted. Values that differ by no more than rounding are equal: 2 counts of 2,000 and 3 of 3,000.
"""

# ruff: noqa: PT028 (`test` tests genes; pytest never sees it)

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse, stats

from scomics_lite import __version__
from scomics_lite.multiple_testing import adjust
from scomics_lite.validation import (
    InputError,
    check_counts,
    check_labels,
    check_size_factors,
    did_you_mean,
    is_anndata,
    quoted,
    read_counts,
    warn_of_donors,
)

ENTRIES = 4_000_000  # values worked on together, which bounds the memory to some 200 MB
LARGEST_LOGARITHM = 30.0  # no logarithm of a count is larger
ROUNDING = 4  # values that differ by less, in units of the last digit, are equal but for rounding
COLUMNS = ["baseMean", "log2FoldChange", "auc", "stat", "pvalue", "padj", "status"]


def test(
    adata, groupby, groups="all", reference="rest", *, size_factors=None, continuity=True, layer=None, log_base=None
):
    """Compare groups of cells, gene by gene, by the ranks of their normalised expression.

    Parameters
    ----------
    adata : AnnData, array_like, sparse or DataFrame, shape (n, g)
        Logarithms of normalised counts, log(1 + y / s), as ``scanpy.pp.log1p`` makes them; or raw counts, with
        `size_factors`. Ranks of raw counts would compare the depths of cells as much as their genes, and are refused.
    groupby : str or array_like, shape (n,)
        A column of ``adata.obs``, or the group of every cell.
    groups : "all" or sequence of str
        Which groups are tested, each by itself.
    reference : str
        The group that they are compared with; ``"rest"``: all cells that are not in the group.
    size_factors : array_like, shape (n,), optional
        Of raw counts, such as ``normalization.size_factors(adata, "total")``: ranked are the y / s.
    continuity : bool
        Move U half a step towards its expectation, as R's ``wilcox.test`` and scipy do and scanpy does not.
    layer : str, optional
        Layer of an AnnData that holds the values.
    log_base : float, optional
        Base of the logarithms, for the fold changes; when not given, that in ``adata.uns["log1p"]``, or e.

    Returns
    -------
    DataFrame, indexed by group and gene
        A row for every gene of every group, ``table.loc["T"]`` those of one. ``baseMean``: mean of y / s in the cells
        that are compared; ``log2FoldChange``: log2 of the ratio of the groups' means of y / s, infinite where one of
        them is zero; ``auc``; ``stat``: z; ``pvalue``, two-sided; ``padj`` by Benjamini and Hochberg, for every group
        by itself; ``status``: "tested", "all zero" or "constant". ``attrs`` say how the table was made.

    Raises
    ------
    InputError
        For raw counts without size factors, values that are no logarithms, and groups that are not there.

    Warns
    -----
    UserWarning
        If obs says that the cells are of some donors: these are the replicates, not the cells.

    Notes
    -----
    In the words of ``scanpy.tl.rank_genes_groups(method="wilcoxon")``: ``names`` are the index, ``scores`` is ``stat``,
    ``pvals`` is ``pvalue``, ``pvals_adj`` is ``padj``. With ``tie_correct=True`` there and ``continuity=False`` here
    ``stat`` and ``pvalue`` are the same. By default scanpy leaves the ties out of Var U, which is then too large, the
    more so the more zeros a gene has: with a share of zeros p0 its z is smaller by a factor of about sqrt(1 - p0³), and
    only here do p-values of equal groups spread evenly. Scanpy's ``logfoldchanges`` compare means of logarithms, made
    back into numbers; here the means themselves are compared. Scanpy counts genes without any value among the tests
    that ``pvals_adj`` pays for; here they have no p-value. And scanpy takes ``adata.raw``, where there is one: for
    that, give ``adata.raw.to_adata()``.

    Examples
    --------
    >>> values = np.log1p([[0, 3], [1, 0], [2, 5], [7, 1], [9, 2], [8, 2]])
    >>> table = test(values, list("aaabbb"), groups=["b"])
    >>> table.loc["b", ["log2FoldChange", "auc", "pvalue"]].round(3).to_dict("list")
    {'log2FoldChange': [3.0, -0.678], 'auc': [1.0, 0.333], 'pvalue': [0.081, 0.658]}
    """
    values = _read(adata, layer, size_factors, log_base)
    labels = check_labels(groupby, adata, values.cells, "groups")
    wanted = _wanted(labels, groups, reference)
    if is_anndata(adata) and isinstance(groupby, str):
        warn_of_donors(adata.obs, groupby, layer=_layer_of_counts(adata, layer, size_factors))
    names = labels.cat.categories
    codes = labels.cat.codes.to_numpy().astype(np.intp)
    if reference == "rest":
        parts = _compare(values, codes, names.get_indexer(wanted), continuity)
    else:
        parts = [
            _compare_two(values, codes, names.get_loc(one), names.get_loc(reference), continuity) for one in wanted
        ]
    tables = [pd.DataFrame(part, index=values.genes)[COLUMNS] for part in parts]
    table = pd.concat(tables, keys=wanted, names=["group", "gene"])
    table.attrs = {"scomics_lite": __version__, "method": "rank sum", "reference": reference, "continuity": continuity}
    return table


test.__test__ = False  # where it is imported by name, pytest would take it for a test


# --- the test ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Values:
    """What is ranked: 0 or more, sparse or dense (n, g), and what gives y / s back."""

    matrix: np.ndarray | sparse.csr_array
    cells: pd.Index
    genes: pd.Index
    log_base: float | None  # None: the values are y / s

    def of(self, rows):
        """Give those of some cells."""
        return _Values(self.matrix[rows], self.cells[rows], self.genes, self.log_base)

    def abundances(self, values):
        """Give y / s."""
        return values if self.log_base is None else np.expm1(values * np.log(self.log_base))


def _compare_two(values, codes, group, reference, continuity):
    """Compare one group with another one, of which nothing but their own cells is ranked."""
    rows = np.flatnonzero((codes == group) | (codes == reference))
    return _compare(values.of(rows), (codes[rows] != group).astype(int), [0], continuity)[0]


def _compare(values, codes, groups, continuity):
    """Compare each of some groups with all other cells, and give the columns of their tables."""
    sizes = np.bincount(codes)
    blocks = [_sums(block, codes, len(sizes), values.abundances) for block in _blocks(values.matrix)]
    ranks, totals, ties = (np.concatenate(parts, axis=-1) for parts in zip(*blocks, strict=True))
    base_mean = totals.sum(axis=0) / len(codes)
    status = np.select([base_mean == 0, ties == _all_tied(len(codes))], ["all zero", "constant"], "tested")
    shared = {"baseMean": base_mean, "status": status}
    return [shared | _columns(ranks[k], totals, ties, sizes, k, continuity) for k in groups]


def _columns(ranks, totals, ties, sizes, k, continuity):
    """Turn rank sums of one group, shape (g,), into its statistics, by the formulas at the head of this file."""
    n, n1 = sizes.sum(), sizes[k]
    n2 = n - n1
    u = ranks - n1 * (n1 + 1) / 2
    away = u - n1 * n2 / 2
    if continuity:
        away -= np.sign(away) / 2
    variance = n1 * n2 / 12 * (n + 1 - ties / (n * (n - 1)))
    with np.errstate(divide="ignore", invalid="ignore"):  # a gene with one value throughout has no answer
        stat = np.where(ties < _all_tied(n), away / np.sqrt(variance), np.nan)
        change = np.log2(totals[k] / n1) - np.log2((totals.sum(axis=0) - totals[k]) / n2)
    pvalue = 2 * stats.norm.sf(np.abs(stat))
    return {"log2FoldChange": change, "auc": u / (n1 * n2), "stat": stat, "pvalue": pvalue, "padj": adjust(pvalue)}


def _all_tied(n):
    return float(n) ** 3 - n


def _blocks(matrix):
    """Yield the genes some after the other, sparse and gene by gene."""
    columns = matrix.tocsc() if sparse.issparse(matrix) else matrix
    step = max(1, ENTRIES // matrix.shape[0])
    for first in range(0, matrix.shape[1], step):
        block = columns[:, first : first + step]
        yield block if sparse.issparse(block) else sparse.csc_array(block)


def _sums(block, codes, k, abundances):
    """Add up a block's ranks and abundances by group, and what its ties take from the variance.

    Parameters
    ----------
    block : csc_array, shape (n, b)
        0 or more, without stored zeros.
    codes : ndarray of int, shape (n,)
        Groups, from 0 to k - 1.
    abundances : callable

    Returns
    -------
    ranks, totals : ndarray, shape (k, b)
    ties : ndarray, shape (b,)
        Sum of t³ - t.
    """
    n, b = block.shape
    stored = np.diff(block.indptr)
    zeros = (n - stored).astype(float)
    gene = np.repeat(np.arange(b), stored)
    order = _sorted_by_gene(block)
    value = block.data[order]
    # Sets of equal values of a gene: where each begins, how many they are, and the mean of their places.
    new = np.ones(len(value), dtype=bool)
    new[1:] = (np.diff(value) > ROUNDING * np.finfo(value.dtype).eps * value[1:]) | (np.diff(gene) > 0)
    begins = np.flatnonzero(new)
    tied = np.diff(begins, append=len(value)).astype(float)
    place = begins - block.indptr[gene[begins]] + (tied + 1) / 2
    rank = np.repeat(place, tied.astype(int)) + zeros[gene]
    where = codes[block.indices[order]] * b + gene
    in_group = np.bincount(where, minlength=k * b).reshape(k, b)
    ranks = np.bincount(where, weights=rank, minlength=k * b).reshape(k, b)
    ranks += (np.bincount(codes, minlength=k)[:, None] - in_group) * (zeros + 1) / 2
    totals = np.bincount(where, weights=abundances(value.astype(float)), minlength=k * b).reshape(k, b)
    ties = np.bincount(gene[begins], weights=tied**3 - tied, minlength=b) + zeros**3 - zeros
    return ranks, totals, ties


def _sorted_by_gene(block):
    """Give the order that sorts the stored values of each gene."""
    order = np.empty(block.nnz, dtype=np.intp)
    for start, stop in zip(block.indptr[:-1], block.indptr[1:], strict=True):
        order[start:stop] = np.argsort(block.data[start:stop]) + start
    return order


# --- what is ranked ---------------------------------------------------------------------------------------------------


def _read(adata, layer, size_factors, log_base):
    """Take the values that are ranked: logarithms as they are, counts divided by their size factors."""
    if size_factors is None:
        given = read_counts(adata, layer=layer)
        _check_logarithms(given, layer, has_raw=is_anndata(adata) and adata.raw is not None)
        return _Values(given.matrix, given.samples, given.genes, _base(adata, log_base))
    if log_base is not None:
        raise InputError("log_base is the base of logarithms, and size_factors go with raw counts: give one of the two")
    counts = check_counts(adata, layer=layer)
    s = check_size_factors(size_factors, counts.samples)
    if sparse.issparse(counts.matrix):
        matrix = counts.matrix.astype(float)
        matrix.data /= np.repeat(s, np.diff(matrix.indptr))
    else:
        matrix = counts.matrix / s[:, None]
    return _Values(matrix, counts.samples, counts.genes, None)


def _layer_of_counts(adata, layer, size_factors):
    """Name the layer that has the counts: the one that was given with size factors, or "counts" beside logarithms."""
    if size_factors is not None:
        return layer
    return "counts" if "counts" in adata.layers else None


def _base(adata, log_base):
    """Give the base of the logarithms: what is said, what scanpy wrote down, or e."""
    if log_base is None and is_anndata(adata):
        log_base = adata.uns.get("log1p", {}).get("base")
    if log_base is None:
        return np.e
    if not (isinstance(log_base, int | float | np.number) and log_base > 1):
        raise InputError(f"log_base is a number above 1, such as 2, 10 or e; got {log_base!r}")
    return float(log_base)


def _check_logarithms(given, layer, has_raw):
    """Stop values that are no logarithms of normalised counts; say what to do instead."""
    values = given.matrix.data if sparse.issparse(given.matrix) else given.matrix.reshape(-1)
    low, high = (values.min(), values.max()) if values.size else (0, 0)  # NaN, where there is any
    where = "X" if layer is None else f"layer {layer!r}"
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"values must be finite to be ranked; {_first(given, ~np.isfinite(values))}")
    if low < 0:
        raise InputError(
            f"logarithms of 1 + y / s are 0 or more; {_first(given, values < 0)}. Values that were centred or scaled "
            "have the ranks that they had before, and no fold changes: take them from before"
            f"{', adata.raw.to_adata() perhaps' * has_raw}"
        )
    if np.array_equal(values, np.rint(values)):
        raise InputError(
            f"{where} holds whole numbers, raw counts: their ranks compare the depths of cells. Give size factors, "
            "size_factors=scomics_lite.normalization.size_factors(adata, 'total'), or name the layer that holds "
            "logarithms of normalised counts"
        )
    if high > LARGEST_LOGARITHM:
        raise InputError(
            f"the largest value is {high:,.6g}, which is no logarithm: if the values are normalised, take their "
            "logarithms, np.log1p; ranks stay as they are, and fold changes are computed from logarithms"
        )


def _first(given, bad):
    """Name the first bad value."""
    at = int(np.flatnonzero(bad)[0])
    if sparse.issparse(given.matrix):
        row = int(np.searchsorted(given.matrix.indptr, at, side="right")) - 1
        column, value = given.matrix.indices[at], given.matrix.data[at]
    else:
        row, column = divmod(at, given.matrix.shape[1])
        value = given.matrix[row, column]
    return f"cell {quoted(given.samples[row])} has {value:.6g} for gene {quoted(given.genes[column])}"


# --- groups -----------------------------------------------------------------------------------------------------------


def _wanted(labels, groups, reference):
    """List the groups that are tested, and check them and the reference."""
    names = labels.cat.categories
    if len(names) < 2:
        raise InputError(f"all cells are of the group {quoted(names[0])}: there is nothing to compare it with")
    if isinstance(reference, str) and reference == "rest" and "rest" in names:
        raise InputError("a group is called 'rest', which reference='rest' would be taken for: rename the group")
    if isinstance(groups, str) and groups != "all":
        groups = [groups]
    wanted = names.tolist() if isinstance(groups, str) else list(groups)
    if not isinstance(reference, str) or reference != "rest":
        _check_group(reference, names)
        if not isinstance(groups, str) and reference in wanted:
            raise InputError(f"the group {quoted(reference)} is the reference; it cannot be compared with itself")
        wanted = [name for name in wanted if name != reference]
    for name in wanted:
        _check_group(name, names)
    if len(set(wanted)) < len(wanted):
        raise InputError(f"groups names one twice: {wanted}")
    return wanted


def _check_group(name, names):
    if name not in names:
        raise InputError(f"there is no group {name!r}; {did_you_mean(name, names)}")
