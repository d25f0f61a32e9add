"""Genes are read alike from GTF, GFF3, BED and tables; lines that cannot be read are named by file and number."""

import gzip

import pandas as pd
import pytest

from scomics_lite.dna import read_annotation
from scomics_lite.validation import InputError

GTF = """#!genome-build GRCh38.p14
chr1\tHAVANA\tgene\t65419\t71585\t.\t+\t.\tgene_id "ENSG00000186092.7"; gene_type "protein_coding"; gene_name "OR4F5"; \
level 2; note "a; b = c";
chr1\tHAVANA\ttranscript\t65419\t71585\t.\t+\t.\tgene_id "ENSG00000186092.7"; transcript_id "ENST00000641515.2";
chr1\tHAVANA\texon\t65419\t65433\t.\t+\t.\tgene_id "ENSG00000186092.7"; exon_number 1;
chr19\tHAVANA\tgene\t281040\t291393\t.\t-\t.\tgene_id "ENSG00000141934.10"; gene_type "lncRNA"; gene_name "PLPP2";
"""
GFF3 = """##gff-version 3
1\thavana\tgene\t65419\t71585\t.\t+\t.\tID=gene:ENSG00000186092;Name=OR4F5;biotype=protein_coding;gene_id=ENSG00000186092;\
version=7
1\thavana\tmRNA\t65419\t71585\t.\t+\t.\tID=transcript:ENST00000641515;Parent=gene:ENSG00000186092
###
19\thavana\tncRNA_gene\t281040\t291393\t.\t-\t.\tID=gene:ENSG00000141934;biotype=lncRNA
"""
BED = """track name=genes
chr1\t65418\t71585\tENSG00000186092\t0\t+
chr19\t281039\t291393\tENSG00000141934\t0\t-\tmore
"""
TABLE = """gene,chromosome,start,end,strand,genename
ENSG00000186092,chr1,65419,71585,+,OR4F5
ENSG00000141934,19,281040,291393,-,
"""
BIOMART = """Gene stable ID\tChromosome/scaffold name\tGene start (bp)\tGene end (bp)\tStrand\tGene name\tGene type
ENSG00000186092\t1\t65419\t71585\t1\tOR4F5\tprotein_coding
ENSG00000141934\t19\t281040\t291393\t-1\tPLPP2\tlncRNA
"""


def write(tmp_path, text, name):
    data = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return tmp_path / name


@pytest.mark.parametrize(
    ("text", "name", "names"),
    [
        (GTF, "genes.gtf", ["OR4F5", "PLPP2"]),
        (GTF, "genes.gtf.gz", ["OR4F5", "PLPP2"]),
        (GTF.replace("\n", "\r\n"), "genes.gtf", ["OR4F5", "PLPP2"]),
        (GFF3, "genes.gff3", ["OR4F5", "ENSG00000141934"]),
        (GFF3, "genes.gff.gz", ["OR4F5", "ENSG00000141934"]),
        (BED, "genes.bed", ["ENSG00000186092", "ENSG00000141934"]),
        (BED, "genes.bed.gz", ["ENSG00000186092", "ENSG00000141934"]),
        (TABLE, "genes.csv", ["OR4F5", "ENSG00000141934"]),
        (TABLE.replace(",", "\t"), "genes.tsv.gz", ["OR4F5", "ENSG00000141934"]),
        (BIOMART, "mart_export.txt", ["OR4F5", "PLPP2"]),
    ],
)
def test_every_format_gives_the_same_genes(tmp_path, text, name, names):
    genes = read_annotation(write(tmp_path, text, name))
    assert genes.index.str.split(".").str[0].tolist() == ["ENSG00000186092", "ENSG00000141934"]
    assert genes["chromosome"].tolist() == ["1", "19"]
    assert genes["start"].tolist() == [65419, 281040]
    assert genes["end"].tolist() == [71585, 291393]
    assert genes["strand"].tolist() == ["+", "-"]
    assert genes["tss"].tolist() == [65419, 291393]
    assert genes["genename"].tolist() == names
    assert genes["tss"].dtype == int
    if "biotype" in genes:
        assert genes["biotype"].tolist() == ["protein_coding", "lncRNA"]
    assert set(genes) - {"biotype"} == {"chromosome", "start", "end", "strand", "tss", "genename"}


def test_versions_are_kept_and_taken_off_as_advised(tmp_path):
    genes = read_annotation(write(tmp_path, GTF, "genes.gtf"))
    assert genes.index[0] == "ENSG00000186092.7"
    assert genes.index.str.split(".").str[0][0] == "ENSG00000186092"


def test_a_start_site_of_the_table_s_own_is_kept(tmp_path):
    lines = "ensembl_id,chrom,tss,strand\ng1,chrX,1000,-\n"
    genes = read_annotation(write(tmp_path, lines, "tss.csv"))
    assert genes.loc["g1", ["start", "end", "tss"]].tolist() == [1000, 1000, 1000]
    lines = "gene,chromosome,start,end,strand,tss\ng1,X,900,1100,-,1050\n"
    assert read_annotation(write(tmp_path, lines, "tss.csv")).loc["g1", "tss"] == 1050


def test_what_is_written_by_pandas_is_read_again(tmp_path):
    genes = read_annotation(write(tmp_path, GTF, "genes.gtf"))
    for name, separator in (("again.csv", ","), ("again.tsv", "\t")):
        genes.to_csv(tmp_path / name, sep=separator)
        pd.testing.assert_frame_equal(read_annotation(tmp_path / name), genes)


def test_genes_are_made_of_exons_where_there_are_none_and_this_is_said(tmp_path):
    lines = [line for line in GTF.split("\n") if "\tgene\t" not in line]
    lines.insert(3, 'chr1\tx\texon\t65200\t65300\t.\t+\t.\tgene_id "ENSG00000186092.7"; gene_name "OR4F5";')
    with pytest.warns(UserWarning, match=r"has no genes of its own: 1 are made of their exons and transcripts"):
        genes = read_annotation(write(tmp_path, "\n".join(lines), "exons.gtf"))
    assert genes.loc["ENSG00000186092.7", ["start", "end", "tss"]].tolist() == [65200, 71585, 65200]


def test_a_table_of_r_s_without_a_name_over_its_first_column_is_read(tmp_path):
    lines = TABLE.replace("gene,chromosome", "chromosome").replace(",", "\t")
    pd.testing.assert_frame_equal(
        read_annotation(write(tmp_path, lines, "by_r.tsv")), read_annotation(write(tmp_path, TABLE, "genes.csv"))
    )
    with pytest.raises(
        InputError, match=r"a line has more fields than the header: .*Expected 6 fields in line 3, saw 8"
    ):
        read_annotation(write(tmp_path, TABLE.replace("-,", "-,,,"), "genes.csv"))


def test_a_gene_of_x_and_y_is_kept_on_x(tmp_path):
    lines = "".join(f"{one}\t99\t200\tPLCXD1\t0\t+\n" for one in ("chrY", "chrX")) + "chrY\t500\t600\tSRY\t0\t-\n"
    with pytest.warns(UserWarning, match=r"1 genes are on X and Y; X is kept, of 'PLCXD1' first"):
        genes = read_annotation(write(tmp_path, lines, "genes.bed"))
    assert genes["chromosome"].to_dict() == {"PLCXD1": "X", "SRY": "Y"}


def test_a_gene_that_comes_twice_is_named_with_both_lines(tmp_path):
    with pytest.raises(
        InputError, match=r"genes\.bed, lines 2 and 4: gene 'ENSG00000186092' comes twice \(1 such genes"
    ):
        read_annotation(write(tmp_path, BED + BED.split("\n")[1] + "\n", "genes.bed"))


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        (
            GTF.replace("chr19\t", "chr19 "),
            "genes.gtf",
            r"genes\.gtf, line 5: 8 columns instead of 9, with tabs between",
        ),
        (
            GTF.replace("gene_id", "id"),
            "genes.gtf",
            r"line 2: the gene has no gene_id among its attributes: 'id \"ENSG",
        ),
        (
            GTF.replace("\t281040", "\t28k"),
            "genes.gtf",
            r"line 5, gene 'ENSG00000141934\.10': start is a position.*'28k'",
        ),
        (GTF.replace("\t281040", "\t0"), "genes.gtf", r"line 5, .*start is a position, a whole number from 1; got '0'"),
        (
            GTF.replace("\t281040", "\t300000"),
            "genes.gtf",
            r"line 5, .*: start 300,000 is after end 291,393; the strand",
        ),
        (GTF.replace("\t-\t", "\t.\t"), "genes.gtf", r"line 5, gene \S+ has strand \., where '\+' or '-' is needed"),
        (BED.replace("\t0\t+", ""), "genes.bed", r"genes\.bed, line 2: 4 columns; a BED file of genes has chromosome"),
        (BED.replace("65418", "-1"), "genes.bed", r"genes\.bed, line 2: start is a position, a whole number from 0"),
        (TABLE.replace("strand", "side"), "genes.csv", r"no column strand; it has 'gene', 'chromosome', .*by commas"),
        (TABLE.replace(",", ";"), "genes.csv", r"no column chromosome, strand, start, end; it has 'gene;chromosome;"),
        (TABLE.replace(",-,", ",?,"), "genes.csv", r"genes\.csv, line 3, gene 'ENSG00000141934' has strand \?"),
        ("", "genes.gtf", r"genes\.gtf has no gene: the file is empty"),
        ("# nothing\n", "genes.bed", r"genes\.bed has no gene"),
        ("", "genes.csv", r"genes\.csv has no gene"),
        (TABLE.split("\n")[0], "genes.csv", r"genes\.csv has no gene"),
        (
            GTF,
            "genes.txt.zip",
            r"the end of the name says what a file holds, and '\.zip' is not known; known are \.gtf",
        ),
        (GTF, "genes", r"and 'none' is not known"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(tmp_path, text, name, said):
    with pytest.raises(InputError, match=said):
        read_annotation(write(tmp_path, text, name))


def test_a_file_that_is_not_there_or_not_whole_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no such file: \S+gencode\.gtf"):
        read_annotation(tmp_path / "gencode.gtf")
    path = write(tmp_path, GTF * 50, "genes.gtf.gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"cannot be unpacked to its end .* the copy is not complete"):
        read_annotation(path)
    path = write(tmp_path, TABLE * 50, "genes.csv.gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"cannot be unpacked to its end .* the copy is not complete"):
        read_annotation(path)
