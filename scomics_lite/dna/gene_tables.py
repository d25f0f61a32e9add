"""What is needed of a table of genes, checked: where each begins, on which strand of which chromosome."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from scomics_lite.dna.genome_files import without_chr
from scomics_lite.validation import InputError, quoted

STRANDS = {"+": "+", "-": "-", "1": "+", "-1": "-", "+1": "+"}


class Gene(NamedTuple):
    """Where one gene begins."""

    name: str
    chromosome: str  # without "chr"
    strand: str
    tss: int


def check_genes(genes):
    """Take what is needed of a table of genes, and refuse what is none.

    Parameters
    ----------
    genes : DataFrame
        Indexed by gene id, with ``chromosome``, ``strand``, and ``tss`` or ``start`` and ``end``.

    Returns
    -------
    DataFrame
        ``chromosome`` (text, without "chr"), ``strand`` ("+" or "-"), ``tss`` (int), same rows.

    Raises
    ------
    InputError
        A column is missing or holds something else, or a gene comes twice: names the gene.

    Examples
    --------
    >>> check_genes(pd.DataFrame({"chromosome": ["chr1"], "start": [3], "end": [9], "strand": ["-"]}, index=["g1"]))
       chromosome strand  tss
    g1          1      -    9
    """
    if not isinstance(genes, pd.DataFrame):
        raise InputError(f"genes: a table as read_annotation gives it is needed; got {type(genes).__name__}")
    wanted = ["chromosome", "strand", *(["tss"] if "tss" in genes else ["start", "end"])]
    lacking = [name for name in wanted if name not in genes]
    if lacking:
        raise InputError(
            f"genes: columns {', '.join(lacking)} are not there; a table indexed by gene id has chromosome, strand, "
            "and tss or start and end. read_annotation makes one of a GTF file"
        )
    if not genes.index.is_unique:
        name = genes.index[genes.index.duplicated()][0]
        raise InputError(f"genes: {quoted(name)} comes twice; keep one: genes[~genes.index.duplicated()]")
    found = genes[wanted].copy()
    found["strand"] = strands(found["strand"], lambda row: f"genes: {quoted(genes.index[row])}")
    for name in wanted[2:]:
        found[name] = positions(found[name], lambda row, name=name: f"genes: {name} of {quoted(genes.index[row])}")
    if "tss" not in found:
        found["tss"] = np.where(found["strand"] == "+", found["start"], found["end"])
    found["chromosome"] = [without_chr(one) for one in found["chromosome"]]
    return found[["chromosome", "strand", "tss"]]


def one_gene(gene):
    """Take what is needed of one row of a table of genes.

    Parameters
    ----------
    gene : Series
        ``genes.loc["ENSG00000186092"]``.

    Returns
    -------
    Gene

    Raises
    ------
    InputError
        As `check_genes`.

    Examples
    --------
    >>> one_gene(pd.Series({"chromosome": "chr1", "strand": "-", "start": 3, "end": 9}, name="g1"))
    Gene(name='g1', chromosome='1', strand='-', tss=9)
    """
    if not isinstance(gene, pd.Series):
        raise InputError(
            "gene: one row of a table of genes is needed, such as genes.loc['ENSG00000186092.7']; got "
            f"{type(gene).__name__}"
        )
    strand, tss = gene.get("strand"), gene.get("tss")
    is_clear = "chromosome" in gene and strand in ("+", "-") and isinstance(tss, int | np.integer) and tss > 0
    if not is_clear:  # a table of one row takes a millisecond, and says what is wrong
        strand, tss = check_genes(gene.to_frame().T)[["strand", "tss"]].iloc[0]
    return Gene(gene.name, without_chr(gene["chromosome"]), strand, int(tss))


def positions(values, place, least=1):
    """Make positions whole numbers.

    Parameters
    ----------
    values : Series
    place : callable
        Gives the name of what stands in a row, for messages.
    least : int

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> positions(pd.Series(["7", "x"]), lambda row: f"genes: tss of gene {row}")
    Traceback (most recent call last):
    scomics_lite.validation.InputError: genes: tss of gene 1 is a position, a whole number from 1; got 'x'
    """
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(float)
    bad = np.flatnonzero(~((numbers >= least) & (numbers == np.floor(numbers)) & np.isfinite(numbers)))
    if len(bad):
        got = quoted(values.iloc[bad[0]])
        raise InputError(f"{place(bad[0])} is a position, a whole number from {least}; got {got}")
    return numbers.astype(np.int64)


def strands(values, place):
    """Make strands "+" and "-"; 1 and -1 mean the same.

    Parameters
    ----------
    values : Series
    place : callable
        Gives the name of what stands in a row, for messages.

    Returns
    -------
    ndarray of str

    Examples
    --------
    >>> strands(pd.Series(["+", "-1"]), str).tolist()
    ['+', '-']
    """
    found = values.astype(str).str.strip().map(STRANDS)
    bad = np.flatnonzero(found.isna())
    if len(bad):
        raise InputError(
            f"{place(bad[0])} has strand {values.iloc[bad[0]]}, where '+' or '-' is needed to know on which "
            f"side a gene begins ({len(bad):,} such genes). Leave out those without a strand"
        )
    return found.to_numpy(object)
