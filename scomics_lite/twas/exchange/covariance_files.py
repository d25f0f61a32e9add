"""Covariances between the SNPs of each gene: the text files of PredictDB read, and covariances computed from dosages.

A file has the header ``GENE RSID1 RSID2 VALUE`` and a line for each pair of SNPs of each gene: the covariance of their
dosages, the diagonal included, one triangle of the symmetric matrix.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from scomics_lite.twas.exchange.gene_covariances import HEADER, Covariances, group_pairs
from scomics_lite.twas.exchange.models import PredictionModel
from scomics_lite.twas.exchange.text_tables import TextTable
from scomics_lite.twas.genotypes.alleles import alignment
from scomics_lite.twas.genotypes.dosages import read_dosages
from scomics_lite.validation import InputError, quoted, warn


def read_covariance(path):
    """Read covariances between the SNPs of genes from a text file.

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
    >>> with open("covariance.txt", "w") as file:
    ...     print(*lines, sep=chr(10), file=file)
    >>> read_covariance("covariance.txt").of("BRCA1")
         rs1  rs2
    rs1  0.5  0.1
    rs2  0.1  0.4
    """
    table = TextTable(path)
    _check_header(table)
    genes, snps, parts = {}, {}, []
    *words, value = table.columns
    for block in table.blocks(dict.fromkeys(words, "category") | {value: float}):
        values = _values(table, block)
        codes = map(block.codes, words, (genes, snps, snps))
        parts.append([*codes, values])
    if not parts:
        raise InputError(f"{path} has a header and no lines below it")
    columns = []
    for _ in range(4):
        columns.append(np.concatenate([part.pop(0) for part in parts]))  # what is joined is let go
    found = group_pairs(pd.Index(list(genes)), pd.Index(list(snps)), *columns)
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
    values, unread = block.numbers(table.columns[3])
    for row, text in unread.items():
        raise InputError(f"{table.path}, line {block.lines[row]}: VALUE is {text!r}, where a number should be")
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
