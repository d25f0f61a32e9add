"""Covariances between the SNPs of each gene: a flat list of pairs, from which matrices are made on request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numba import njit

from scomics_lite.twas.exchange.file_access import new_file
from scomics_lite.twas.exchange.models import nearest_gene
from scomics_lite.validation import InputError

HEADER = ("GENE", "RSID1", "RSID2", "VALUE")
SAME = 1e-9  # relative: two values of one pair that differ by less were rounded differently
CONFLICT = "the covariance file has two different values for SNPs {} and {}"


@dataclass(frozen=True, eq=False, repr=False)
class Covariances:
    """Covariances between the SNPs of each gene, as a flat list of pairs grouped by gene.

    Gene i has the SNPs ``snp_names[snp_codes[a:b]]``, where a and b are ``snp_starts[i]`` and ``snp_starts[i + 1]``,
    and the pairs r from ``row_starts[i]`` up to ``row_starts[i + 1]``: ``values[r]`` is the covariance of its SNPs
    number ``first[r]`` and ``second[r]``. Each pair stands there once, so that
    wᵀΣw = Σ_r w[first] w[second] value, counted twice where first and second differ.

    Made by `read_covariance`, `covariances` or `Covariances.from_matrices`.

    Examples
    --------
    >>> matrix = pd.DataFrame([[0.5, 0.1], [0.1, 0.4]], index=["rs1", "rs2"], columns=["rs1", "rs2"])
    >>> known = Covariances.from_matrices({"BRCA1": matrix})
    >>> known
    Covariances: 1 genes (BRCA1), 3 pairs of 2 SNPs
    >>> known.of("BRCA1")
         rs1  rs2
    rs1  0.5  0.1
    rs2  0.1  0.4
    >>> known.matrix("BRCA1", ["rs2", "rs9"])
    array([[0.4, nan],
           [nan, nan]])
    """

    genes: pd.Index
    snp_names: pd.Index
    snp_starts: np.ndarray
    snp_codes: np.ndarray
    row_starts: np.ndarray
    first: np.ndarray
    second: np.ndarray
    values: np.ndarray
    problems: Mapping = field(default_factory=dict)  # gene: why entries of its matrix are NaN

    @classmethod
    def from_matrices(cls, matrices):
        """Put matrices of genes together.

        Parameters
        ----------
        matrices : dict of DataFrame
            ``{gene: SNPs × SNPs}``, symmetric, NaN where a covariance is not known.

        Returns
        -------
        Covariances

        Raises
        ------
        InputError
            For what is no square table with the same SNPs in rows and columns, and for one that is not symmetric.
        """
        genes, parts = list(matrices), [[np.zeros(0, np.int32)] * 3 + [np.zeros(0)]]
        names = {}
        for gene, matrix in matrices.items():
            values = _checked_matrix(matrix, gene)
            codes = np.array([names.setdefault(snp, len(names)) for snp in matrix.index], dtype=np.int32)
            first, second = np.triu_indices(len(values))
            code = np.full(len(first), len(parts) - 1, dtype=np.int32)
            parts.append([code, codes[first], codes[second], values[first, second]])
        return group_pairs(pd.Index(genes), pd.Index(list(names)), *map(np.concatenate, zip(*parts, strict=True)))

    def __contains__(self, gene):
        return gene in self.genes

    def __len__(self):
        return len(self.genes)

    def __repr__(self):
        first = ", ".join(map(str, self.genes[:3])) + (", …" if len(self) > 3 else "")
        counts = f"{len(self.values):,} pairs of {len(self.snp_names):,} SNPs"
        return f"Covariances: {len(self):,} genes ({first}), {counts}"

    @cached_property
    def _names(self):
        return self.snp_names.to_numpy(dtype=object)

    def _place(self, gene):
        if gene not in self.genes:
            raise InputError(f"there are no covariances of gene {gene!r}; {nearest_gene(gene, self.genes)}")
        return self.genes.get_loc(gene)

    def snps(self, gene):
        """Give the SNPs of a gene, in the order of the file.

        Parameters
        ----------
        gene : str

        Returns
        -------
        ndarray of str

        Raises
        ------
        InputError
            For a gene without covariances.
        """
        i = self._place(gene)
        return self._names[self.snp_codes[self.snp_starts[i] : self.snp_starts[i + 1]]]

    def of(self, gene):
        """Give the whole matrix of a gene.

        Parameters
        ----------
        gene : str

        Returns
        -------
        DataFrame, shape (SNPs, SNPs)
            NaN where the covariance of a pair is not known.

        Raises
        ------
        InputError
            For a gene without covariances.
        """
        snps = self.snps(gene)
        return pd.DataFrame(self._full(self._place(gene), len(snps)), index=snps, columns=snps)

    def matrix(self, gene, snps):
        """Give the matrix of a gene for SNPs in an order of one's own.

        Parameters
        ----------
        gene : str
        snps : sequence of str, length k

        Returns
        -------
        ndarray, shape (k, k)
            NaN where the covariance of a pair is not known, everywhere if the gene has none.
        """
        if gene not in self.genes:
            return np.full((len(snps), len(snps)), np.nan)
        known = self.snps(gene)
        place = dict(zip(known, range(len(known)), strict=True))
        at = np.array([place.get(snp, len(known)) for snp in snps], dtype=np.intp)
        return self._full(self._place(gene), len(known) + 1)[at[:, None], at]  # the last row stands for unknown SNPs

    def _full(self, i, size):
        """Fill a symmetric matrix of the first `size` SNPs of a gene."""
        rows = slice(self.row_starts[i], self.row_starts[i + 1])
        full = np.full((size, size), np.nan)
        full[self.first[rows], self.second[rows]] = self.values[rows]
        full[self.second[rows], self.first[rows]] = self.values[rows]
        return full

    def write(self, path, *, overwrite=False):
        """Write a text file, as MetaXcan reads it: one triangle with the diagonal, numbers in full, NA where unknown.

        Parameters
        ----------
        path : path
            Compressed where it ends in ``.gz``; the same covariances always give the same bytes.
        overwrite : bool
            Whether a file of this name may be replaced. The file is complete or not there at all.

        Raises
        ------
        InputError
            Where the file is there already, or its folder is not.
        """
        with new_file(path, overwrite=overwrite) as file:
            file.write(" ".join(HEADER).encode() + b"\n")
            for i, gene in enumerate(self.genes):
                names = self._names[self.snp_codes[self.snp_starts[i] : self.snp_starts[i + 1]]].tolist()
                rows = slice(self.row_starts[i], self.row_starts[i + 1])
                pairs = zip(
                    self.first[rows].tolist(), self.second[rows].tolist(), self.values[rows].tolist(), strict=True
                )
                lines = (f"{gene} {names[a]} {names[b]} {'NA' if v != v else repr(v)}\n" for a, b, v in pairs)
                file.write("".join(lines).encode())


def group_pairs(genes, snp_names, codes, first, second, values):
    """Group pairs of SNPs by gene, number the SNPs of each gene, and keep each pair once.

    Parameters
    ----------
    genes : Index
    snp_names : Index
    codes : ndarray of int32, shape (r,)
        The gene of each pair, as its place in `genes`.
    first, second : ndarray of int32, shape (r,)
        The SNPs of each pair, as places in `snp_names`.
    values : ndarray, shape (r,)
        Covariances. Of a pair with two different ones, none is known. These three may be changed in place.

    Returns
    -------
    Covariances

    Examples
    --------
    >>> pairs = group_pairs(pd.Index(["g"]), pd.Index(["a", "b"]), *np.array([[0, 0], [1, 0], [0, 1]]), np.ones(2))
    >>> pairs.snps("g").tolist(), pairs.values.tolist()
    (['b', 'a'], [1.0])
    """
    if len(codes) and (np.diff(codes) < 0).any():
        order = np.argsort(codes, kind="stable")
        codes, first, second, values = codes[order], first[order], second[order], values[order]
    row_starts = np.searchsorted(codes, np.arange(len(genes) + 1))
    snp_starts, snp_codes = _number_snps(row_starts, first, second, len(snp_names))
    kept, conflict = _single_pairs(row_starts, snp_starts, first, second, values)
    problems = {}
    for row in np.flatnonzero(conflict)[::-1]:  # the first of a gene is said last, and stays
        i = codes[row]
        pair = (snp_names[snp_codes[snp_starts[i] + place[row]]] for place in (first, second))
        problems[genes[i]] = CONFLICT.format(*pair)
    if not kept.all():
        codes, first, second, values = codes[kept], first[kept], second[kept], values[kept]
        row_starts = np.searchsorted(codes, np.arange(len(genes) + 1))
    problems = {gene: problems[gene] for gene in reversed(problems)}
    return Covariances(genes, snp_names, snp_starts, snp_codes, row_starts, first, second, values, problems)


@njit(cache=True)
def _number_snps(row_starts, first, second, n_names):
    """Give each gene's SNPs numbers of their own, from 0 in the order in which they occur, in place."""
    n_genes = len(row_starts) - 1
    last_gene = np.full(n_names, -1, np.int32)
    number = np.empty(n_names, np.int32)
    starts = np.zeros(n_genes + 1, np.int64)
    found = np.empty(2 * len(first), np.int32)
    total = 0
    for gene in range(n_genes):
        starts[gene] = total
        for row in range(row_starts[gene], row_starts[gene + 1]):
            for snp in (first[row], second[row]):
                if last_gene[snp] != gene:
                    last_gene[snp] = gene
                    number[snp] = total - starts[gene]
                    found[total] = snp
                    total += 1
            first[row], second[row] = number[first[row]], number[second[row]]
    starts[n_genes] = total
    return starts, found[:total].copy()


@njit(cache=True)
def _single_pairs(row_starts, snp_starts, first, second, values):
    """Say which rows are the first of their pair; where a later one has another value, the first becomes NaN."""
    kept = np.ones(len(first), np.bool_)
    conflict = np.zeros(len(first), np.bool_)
    for gene in range(len(row_starts) - 1):
        size = snp_starts[gene + 1] - snp_starts[gene]
        rows = range(row_starts[gene], row_starts[gene + 1])
        seen = np.full((size, size), -1, np.int64)
        for row in rows:
            low, high = min(first[row], second[row]), max(first[row], second[row])
            earlier = seen[low, high]
            if earlier < 0:
                seen[low, high] = row
                continue
            kept[row] = False
            a, b = values[earlier], values[row]
            same = (a != a and b != b) or abs(a - b) <= SAME * max(abs(a), abs(b))
            conflict[earlier] = conflict[earlier] or not same
    for row in range(len(first)):
        if conflict[row]:
            values[row] = np.nan
    return kept, conflict


def _checked_matrix(matrix, gene):
    """Give a symmetric matrix as numbers, or say what is wrong with it."""
    if not isinstance(matrix, pd.DataFrame) or list(matrix.index) != list(matrix.columns):
        raise InputError(f"the covariances of gene {gene} are no DataFrame with the same SNPs in rows and columns")
    if matrix.index.has_duplicates:
        raise InputError(f"the covariances of gene {gene} have SNP {matrix.index[matrix.index.duplicated()][0]} twice")
    values = matrix.to_numpy(dtype=float)
    different = ~np.isclose(values, values.T, rtol=SAME, atol=0, equal_nan=True)
    if different.any():
        a, b = np.argwhere(different)[0]
        raise InputError(
            f"the covariances of gene {gene} are not symmetric: {values[a, b]} for {matrix.index[a]} and "
            f"{matrix.index[b]}, {values[b, a]} for {matrix.index[b]} and {matrix.index[a]}"
        )
    return values
