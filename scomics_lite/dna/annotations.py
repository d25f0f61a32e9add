"""Where genes are: chromosome, first and last base, strand and transcription start site, out of the usual files.

GTF and GFF3 files name their features, of which genes are read; a BED file is taken as a gene a line; tables say in
their header what a column is. In all of them a gene begins where it is first transcribed: at its first base on the
plus strand, at its last on the minus strand. This one base is the transcription start site, TSS.
"""

import gzip
import io
import re
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from scomics_lite.dna.gene_tables import positions, strands
from scomics_lite.dna.genome_files import without_chr
from scomics_lite.validation import InputError, quoted, warn

FORMATS = {
    ".gtf": "features", ".gff": "features", ".gff3": "features", ".bed": "bed", ".csv": ",", ".tsv": "\t", ".txt": "\t",
}  # fmt: skip
GENES = {"gene", "ncRNA_gene", "pseudogene"}  # Ensembl's GFF3 files have the last two beside the first
ATTRIBUTE = re.compile(r'\s*([^\s=;"]+)(?:\s*=\s*([^;]*)|\s+"([^"]*)"|\s+([^\s;]+))\s*(?:;|$)')
IDS, NAMES, KINDS = ("gene_id", "ID"), ("gene_name", "Name", "gene"), ("gene_type", "gene_biotype", "biotype")
HEADERS = {  # what tables call their columns; the long names are those of Ensembl's BioMart
    "gene": ("gene", "gene_id", "geneid", "ensembl_id", "id", "gene stable id", "gene stable id version"),
    "chromosome": ("chromosome", "chrom", "chr", "#chrom", "seqname", "seqnames", "chromosome/scaffold name"),
    "start": ("start", "gene_start", "gene start (bp)"),
    "end": ("end", "gene_end", "gene end (bp)"),
    "strand": ("strand",),
    "tss": ("tss", "transcription start site (tss)"),
    "genename": ("genename", "gene_name", "symbol", "gene name"),
    "biotype": ("biotype", "gene_type", "gene_biotype", "gene type"),
}


def read_annotation(path):
    r"""Read where genes are: from a GTF, GFF3 or BED file, or from a table.

    Parameters
    ----------
    path : path
        ``.gtf``, ``.gff3``, ``.gff``, ``.bed``, ``.csv``, ``.tsv`` or ``.txt`` (separated by tabs), each also packed
        (``.gz``). A BED file has six columns at least (chromosome, start, end, gene, score, strand) and counts from 0.
        A table has a header with gene, chromosome, start, end and strand; tss, genename and biotype are read too. The
        column names of Ensembl's BioMart are understood, and its strands, 1 and -1.

    Returns
    -------
    DataFrame, one row a gene
        Indexed by gene id, as the file has it: with Ensembl's version (``ENSG00000186092.7``) where that is there;
        ``genes.index.str.split(".").str[0]`` takes it off. ``chromosome`` (without "chr"), ``start`` and ``end`` (both
        included, counted from 1, start ≤ end), ``strand``, ``tss`` (where the table has none: start on the plus strand,
        end on the minus strand), ``genename`` (the id where there is no name), and ``biotype`` where the file tells:
        ``genes[genes["biotype"] == "protein_coding"]``. In the order of the file.

        A GTF file without genes gives them from their exons and transcripts, first base to last, with a notice. Of a
        gene on both X and Y (the pseudo-autosomal regions) X is kept, with a notice.

    Raises
    ------
    InputError
        A file of another kind, a line that cannot be read, a gene without strand or twice: names file and line.

    Examples
    --------
    >>> line = 'chr1 HAVANA gene 65419 71585 . - . gene_id "ENSG00000186092.7"; gene_name "OR4F5";'
    >>> _ = Path("small.gtf").write_text("\t".join(line.split(" ", 8)) + "\n")
    >>> read_annotation("small.gtf")
                      chromosome  start    end strand    tss genename
    ENSG00000186092.7          1  65419  71585      -  71585    OR4F5
    """
    path = Path(path)
    kind = _format(path)
    rows = {"features": _features, "bed": _bed}[kind](path) if kind in ("features", "bed") else _table(path, kind)
    if not len(rows):
        raise InputError(f"{path} has no gene: the file is empty, or was cut short")
    genes = _checked(rows, path)
    return _once(genes, path).drop(columns="line")


def _format(path):
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    name = path.with_suffix("") if path.suffix.lower() in (".gz", ".bgz") else path
    if name.suffix.lower() not in FORMATS:
        raise InputError(
            f"{path}: the end of the name says what a file holds, and {name.suffix or 'none'!r} is not known; known "
            f"are {', '.join(FORMATS)}, and each with .gz"
        )
    return FORMATS[name.suffix.lower()]


@contextmanager
def _text(path):
    """Open a file as text, unpacked where its first bytes say that it is packed."""
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if is_packed else path.open("rb") as file:
            yield io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{path} cannot be unpacked to its end ({error}): the copy is not complete, fetch it again"
        ) from None


def _lines(path):
    """Give number and text of each line that is neither blank nor a comment."""
    with _text(path) as file:
        for number, line in enumerate(file, start=1):
            if line[0] not in "#\n\r":
                yield number, line.rstrip("\r\n")


def _features(path):
    """Take the genes of a GTF or GFF3 file; where there are none, put them together from their parts."""
    genes, parts = [], {}
    for number, line in _lines(path):
        fields = line.split("\t")
        if len(fields) != 9:
            raise InputError(
                f"{path}, line {number:,}: {len(fields)} columns instead of 9, with tabs between, of GTF and GFF3"
            )
        if fields[2] in GENES:
            genes.append(_gene(fields, number, path))
        elif not genes and fields[2] in ("exon", "transcript"):
            _extend(parts, fields, number, path)
    if not genes and parts:
        warn(
            f"{path} has no genes of its own: {len(parts):,} are made of their exons and transcripts, from the first "
            "base to the last"
        )
        genes = list(parts.values())
    return pd.DataFrame(genes, columns=["gene", "chromosome", "start", "end", "strand", "genename", "biotype", "line"])


def _gene(fields, number, path):
    found = {name: first or second or third for name, first, second, third in ATTRIBUTE.findall(fields[8])}
    gene = next((found[name] for name in IDS if found.get(name)), None)
    if gene is None:
        raise InputError(
            f"{path}, line {number:,}: the {fields[2]} has no gene_id among its attributes: {fields[8][:60]!r}"
        )
    gene = gene.removeprefix("gene:").removeprefix("gene-")  # Ensembl's and NCBI's GFF3
    name, kind = (next((found[one] for one in some if found.get(one)), None) for some in (NAMES, KINDS))
    return [gene, fields[0], fields[3], fields[4], fields[6], name, kind, number]


def _extend(parts, fields, number, path):
    """Let a gene reach over another of its exons. A gene of several places is told apart by its chromosome."""
    part = _gene(fields, number, path)
    place = (part[0], part[1], part[4])
    for column in (2, 3):
        if not part[column].isdigit():
            raise InputError(f"{path}, line {number:,}: position {part[column]!r} is no whole number")
        part[column] = int(part[column])
    known = parts.setdefault(place, part)
    known[2], known[3] = min(known[2], part[2]), max(known[3], part[3])


def _bed(path):
    rows = []
    for number, line in _lines(path):
        if line.startswith(("track", "browser")):
            continue
        fields = line.split("\t")
        if len(fields) < 6:
            raise InputError(
                f"{path}, line {number:,}: {len(fields)} columns; a BED file of genes has chromosome, start, end, "
                "gene, score and strand, with tabs between"
            )
        rows.append([fields[3], fields[0], fields[1], fields[2], fields[5], number])
    table = pd.DataFrame(rows, columns=["gene", "chromosome", "start", "end", "strand", "line"])
    table["start"] = positions(table["start"], lambda row: f"{path}, line {rows[row][-1]:,}: start", least=0) + 1
    return table


def _table(path, separator):
    with _text(path) as file:
        try:
            table = pd.read_csv(file, sep=separator, dtype=str, keep_default_na=False)
        except pd.errors.EmptyDataError:
            return []
        except pd.errors.ParserError as error:
            raise InputError(f"{path}: a line has more fields than the header: {error}") from None
    if not isinstance(table.index, pd.RangeIndex):  # R writes no name over the first column
        table = table.reset_index(names="gene")
    columns = _named_columns(table, path, separator)
    found = table[[*columns.values()]].set_axis([*columns], axis=1).assign(line=np.arange(2, len(table) + 2))
    return found.assign(**{name: found["tss"] for name in ("start", "end") if name not in found})


def _named_columns(table, path, separator):
    """Tell which columns of a table are what, by their headers."""
    known = {header: column for column, headers in HEADERS.items() for header in headers}
    columns = {}
    for header in table.columns:
        column = known.get(header.strip().lower())
        if column:
            columns.setdefault(column, header)
    if "gene" not in columns and table.columns[0] not in columns.values():
        columns["gene"] = table.columns[0]  # what an index is called that was written without a name
    wanted = ["gene", "chromosome", "strand", *([] if "tss" in columns else ["start", "end"])]
    lacking = [name for name in wanted if name not in columns]
    if lacking:
        raise InputError(
            f"{path} has no column {', '.join(lacking)}; it has {', '.join(map(quoted, table.columns))}. Columns "
            "are gene, chromosome, start, end, strand, and if known tss and genename, separated by "
            f"{'commas' if separator == ',' else 'tabs'}"
        )
    return columns


def _checked(rows, path):
    """Make columns what they should be, and give genes their start."""

    def place(row):
        return f"{path}, line {rows['line'].iloc[row]:,}, gene {quoted(rows['gene'].iloc[row])}"

    genes = pd.DataFrame({"chromosome": [without_chr(one) for one in rows["chromosome"]]}, index=rows["gene"].array)
    for name in ("start", "end"):
        genes[name] = positions(rows[name], lambda row, name=name: f"{place(row)}: {name}")
    backwards = np.flatnonzero(genes["start"] > genes["end"])
    if len(backwards):
        raise InputError(
            f"{place(backwards[0])}: start {genes['start'].iloc[backwards[0]]:,} is after end "
            f"{genes['end'].iloc[backwards[0]]:,}; the strand alone tells the direction"
        )
    genes["strand"] = strands(rows["strand"], place)
    genes["tss"] = np.where(genes["strand"] == "+", genes["start"], genes["end"])
    if "tss" in rows:
        genes["tss"] = positions(rows["tss"], lambda row: f"{place(row)}: tss")
    names = rows["genename"] if "genename" in rows else rows["gene"]
    genes["genename"] = names.where(names.notna() & (names != ""), rows["gene"]).to_numpy()
    if "biotype" in rows and rows["biotype"].notna().any():
        genes["biotype"] = rows["biotype"].to_numpy()
    genes["line"] = rows["line"].to_numpy()
    return genes


def _once(genes, path):
    """Keep a gene of X and Y on X; refuse every other id that comes twice."""
    twice = genes.index.duplicated(keep=False)
    if not twice.any():
        return genes
    is_double = twice & (genes["chromosome"] == "Y") & genes.index.isin(genes.index[genes["chromosome"] == "X"])
    if is_double.any():
        warn(
            f"{path}: {is_double.sum():,} genes are on X and Y; X is kept, of {quoted(genes.index[is_double][0])} first"
        )
        genes = genes[~is_double]
    again = genes.index.duplicated()
    if again.any():
        name = genes.index[again][0]
        lines = " and ".join(f"{line:,}" for line in genes.loc[name, "line"].iloc[:2])
        raise InputError(
            f"{path}, lines {lines}: gene {quoted(name)} comes twice ({len(set(genes.index[again])):,} such genes). "
            "One line a gene is needed: a table of transcripts has to be reduced to one for each gene"
        )
    return genes
