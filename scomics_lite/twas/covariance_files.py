"""Covariances between the SNPs of each gene: the text files of PredictDB, read, computed and written.

A file has the header ``GENE RSID1 RSID2 VALUE`` and a line for each pair of SNPs of each gene: the covariance of their
dosages, the diagonal included, one triangle of the symmetric matrix. In memory the lines stay what they are, a flat
list grouped by gene, and a gene's matrix is put together when somebody asks for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numba import njit

from scomics_lite.twas.alleles import alignment
from scomics_lite.twas.dosages import read_dosages
from scomics_lite.twas.file_access import new_file
from scomics_lite.twas.models import PredictionModel, nearest_gene
from scomics_lite.twas.text_tables import TextTable
from scomics_lite.validation import InputError, quoted, warn

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
        return _grouped(pd.Index(genes), pd.Index(list(names)), *map(np.concatenate, zip(*parts, strict=True)))

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


def read_covariance(path):
    r"""Read covariances between the SNPs of genes from a text file.

    Parameters
    ----------
    path : path
        Lines of gene, SNP, SNP and covariance below the header ``GENE RSID1 RSID2 VALUE``, between spaces or tabs; may
        be compressed. One triangle or the whole matrix; the rows of a gene need not stand together.

    Returns
    -------
    Covariances
        Values are NaN where the file says NA. A pair with two different values is NaN and its gene is in ``problems``;
        a warning names the first. A pair with the same value twice counts once.

    Raises
    ------
    InputError
        For a file that is not there, another header, and lines that cannot be read: it names the line.

    Examples
    --------
    >>> lines = "GENE RSID1 RSID2 VALUE", "BRCA1 rs1 rs1 0.5", "BRCA1 rs1 rs2 0.1", "BRCA1 rs2 rs2 0.4"
    >>> with new_file("covariance.txt") as file:
    ...     _ = file.write("\n".join(lines).encode())
    >>> read_covariance("covariance.txt").of("BRCA1")
         rs1  rs2
    rs1  0.5  0.1
    rs2  0.1  0.4
    """
    table = TextTable(path)
    _check_header(table)
    genes, snps, parts = {}, {}, []
    for block in table.blocks(table.columns):
        values = _values(table, block)
        parts.append([block.codes(0, genes), block.codes(1, snps), block.codes(2, snps), values])
    if not parts:
        raise InputError(f"{path} has a header and no lines below it")
    columns = []
    for _ in range(4):
        columns.append(np.concatenate([part.pop(0) for part in parts]))  # what is joined is let go
    found = _grouped(pd.Index(list(genes)), pd.Index(list(snps)), *columns)
    if found.problems:
        gene, reason = next(iter(found.problems.items()))
        warn(f"{path}: {reason} of gene {gene} ({len(found.problems):,} such genes); they are taken as not known")
    return found


def covariances(dosages, model):
    """Compute the covariances between the SNPs of each gene of a model from dosages.

    cov(X_a, X_b) = Σ_i (X_ia - mean X_a) (X_ib - mean X_b) / (n - 1), where X counts the model's effect allele: a SNP
    whose dosages count the other allele changes the sign of its covariances. A missing dosage is taken for the mean of
    its SNP, as in predicted expression, so that wᵀΣw is that expression's variance.

    Parameters
    ----------
    dosages : AnnData or DataFrame, shape (people, SNPs)
        Copies of the effect allele. An AnnData says which one, in ``var["ref_allele"]`` and ``var["eff_allele"]``; of a
        table the alleles are taken as the model's.
    model : PredictionModel, list or dict of PredictionModel
        Of several, a gene gets the SNPs that any of them has, as `s_multixcan` needs them.

    Returns
    -------
    Covariances
        SNPs that the dosages lack, or have with other alleles, are left out, and a warning counts them. A SNP without
        variation stays, with covariances of 0; of one whose dosages are all missing they are NaN.

    Raises
    ------
    InputError
        Where no SNP of the model is among the dosages, where there are fewer than two people, and where two models
        count opposite alleles of a SNP of the same gene.

    Examples
    --------
    >>> weights = pd.DataFrame({"rsid": ["rs1", "rs2"], "gene": "BRCA1", "weight": [0.2, -0.1]})
    >>> model = PredictionModel(weights.assign(ref_allele="A", eff_allele="G"))
    >>> covariances(pd.DataFrame({"rs1": [0, 1, 2], "rs2": [0, 0, 1]}), model).of("BRCA1")
         rs1       rs2
    rs1  1.0  0.500000
    rs2  0.5  0.333333
    """
    panel = read_dosages(dosages)
    if len(panel.people) < 2:
        raise InputError(f"a covariance needs at least two people; the dosages have {len(panel.people)}")
    rows = _rows_of_models(model)
    at, signs = _place_in_panel(rows, panel)
    used = signs != 0
    _report_lost(rows, at, used, panel)
    return _compute(rows[used], at[used], signs[used], panel.values)


# --- reading ----------------------------------------------------------------------------------------------------------


def _check_header(table):
    """Stop where the columns are others than GENE, RSID1, RSID2 and VALUE."""
    if tuple(name.upper() for name in table.columns) == HEADER:
        return
    found = " ".join(table.columns)
    raise InputError(
        f"{table.path}, line {table.header_line}: {found[:200]!r} stands where the header should be, "
        f"{' '.join(HEADER)!r}: is it a covariance file?"
    )


def _values(table, block):
    """Give the covariances of a block of lines, or say which line cannot be read."""
    if block.broken:
        line, text, n = block.broken[0]
        raise InputError(
            f"{table.path}, line {line}: {text!r} has {n} field(s), where GENE, RSID1, RSID2 and VALUE should be"
        )
    values, unread = block.numbers(3)
    for row, text in unread.items():
        raise InputError(f"{table.path}, line {block.lines[row]}: VALUE is {text!r}, where a number should be")
    return values


# --- grouping ---------------------------------------------------------------------------------------------------------


def _grouped(genes, snp_names, codes, first, second, values):
    """Group rows by gene, number the SNPs of each gene, and keep one row for each pair."""
    if len(codes) and (np.diff(codes) < 0).any():
        order = np.argsort(codes, kind="stable")
        codes, first, second, values = codes[order], first[order], second[order], values[order]
    row_starts = np.searchsorted(codes, np.arange(len(genes) + 1))
    snp_starts, snp_codes, first, second = _number_snps(row_starts, first, second, len(snp_names))
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
    """Give each gene's SNPs numbers of their own, from 0 in the order in which they occur."""
    n_genes = len(row_starts) - 1
    last_gene = np.full(n_names, -1, np.int32)
    number = np.empty(n_names, np.int32)
    starts = np.zeros(n_genes + 1, np.int64)
    found = np.empty(2 * len(first), np.int32)
    near, far = np.empty(len(first), np.int32), np.empty(len(first), np.int32)
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
            near[row] = number[first[row]]
            far[row] = number[second[row]]
    starts[n_genes] = total
    return starts, found[:total].copy(), near, far


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


# --- computing --------------------------------------------------------------------------------------------------------


def _rows_of_models(model):
    """Give the SNPs of each gene, of one model or of several, each once, with the alleles of the first that has it."""
    models = {"the model": model} if isinstance(model, PredictionModel) else model
    if not isinstance(models, Mapping):
        models = {f"model {i + 1}": one for i, one in enumerate(models)}
    columns = ["gene", "rsid", "ref_allele", "eff_allele"]
    tables = [one.weights[columns].assign(model=name) for name, one in models.items()]
    rows = pd.concat(tables, ignore_index=True)
    if len(models) == 1:
        return rows
    firsts = rows.drop_duplicates(["gene", "rsid"])
    both = rows.merge(firsts, on=["gene", "rsid"], suffixes=("", "_first"), sort=False)
    sign = alignment(both["ref_allele_first"], both["eff_allele_first"], both["ref_allele"], both["eff_allele"])
    if (sign != 1).any():
        row = both[sign != 1].iloc[0]
        raise InputError(
            f"gene {row['gene']}, SNP {row['rsid']}: {quoted(row['model'])} counts allele {row['eff_allele']}, "
            f"{quoted(row['model_first'])} allele {row['eff_allele_first']}, and a covariance can have one sign only "
            f"({(sign != 1).sum():,} such rows): exchange ref_allele and eff_allele there and change the weight's sign"
        )
    genes, _ = pd.factorize(firsts["gene"])
    return firsts.iloc[np.argsort(genes, kind="stable")].reset_index(drop=True)


def _place_in_panel(rows, panel):
    """Find SNPs among the dosages: their columns, and 1, -1 for the other allele, 0 where there is no such SNP."""
    at = panel.snps.get_indexer(rows["rsid"])
    if panel.alleles is None:
        return at, (at >= 0).astype(np.int8)
    alleles = panel.alleles.iloc[at]  # of SNPs that are not there the last one's, without effect
    sign = alignment(rows["ref_allele"], rows["eff_allele"], alleles["ref_allele"], alleles["eff_allele"])
    return at, np.where(at >= 0, sign, 0)


def _report_lost(rows, at, used, panel):
    """Warn of SNPs that the dosages lack or have with other alleles."""
    if not used.any():
        raise InputError(
            f"none of the model's {rows['rsid'].nunique():,} SNPs is among the dosages' {len(panel.snps):,}: "
            f"{_some(rows['rsid'])} there, {_some(panel.snps)} here; name the dosages' SNPs as the model does"
        )
    lost, other = rows.loc[at < 0, "rsid"].unique(), rows.loc[(at >= 0) & ~used, "rsid"].unique()
    parts = [
        f"{len(snps):,} {what} ({_some(snps)})"
        for snps, what in ((lost, "are not among the dosages"), (other, "have other alleles there"))
        if len(snps)
    ]
    if parts:
        warn(f"of {rows['rsid'].nunique():,} SNPs of the model, {' and '.join(parts)}: they have no covariances")


def _some(names):
    return ", ".join(map(str, names[:3]))


def _compute(rows, at, signs, values):
    """Compute covariances gene by gene, from centred columns that count the model's effect alleles."""
    codes, genes = pd.factorize(rows["gene"])
    snp_codes, snp_names = pd.factorize(rows["rsid"])
    snp_starts = np.searchsorted(codes, np.arange(len(genes) + 1))
    sizes = np.diff(snp_starts)
    row_starts = np.concatenate([[0], np.cumsum(sizes * (sizes + 1) // 2)])
    first, second = np.empty(row_starts[-1], np.int32), np.empty(row_starts[-1], np.int32)
    found = np.empty(row_starts[-1])
    for i, size in enumerate(sizes):
        snps = slice(snp_starts[i], snp_starts[i + 1])
        centred = _centred(values[:, at[snps]] * signs[snps].astype(float))
        pairs = np.triu_indices(size)
        place = slice(row_starts[i], row_starts[i + 1])
        first[place], second[place] = pairs
        found[place] = (centred.T @ centred / (len(centred) - 1))[pairs]
    return Covariances(
        pd.Index(genes), pd.Index(snp_names), snp_starts, snp_codes.astype(np.int32), row_starts, first, second, found
    )


def _centred(columns):
    """Take means away; a missing dosage becomes the mean, 0, unless its SNP has none at all."""
    known = ~np.isnan(columns)
    count = known.sum(axis=0)
    means = np.divide(np.nansum(columns, axis=0), count, out=np.full(len(count), np.nan), where=count > 0)
    return np.where(known | (count == 0), columns - means, 0)
