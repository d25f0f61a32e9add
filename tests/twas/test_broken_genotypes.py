"""Broken PLINK and VCF files: each message names the file, and the line, SNP or person where there is one."""

import gzip
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from scomics_lite.twas import read_plink, read_vcf, write_plink
from scomics_lite.validation import InputError

# --- PLINK ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def prefix(tmp_path):
    """Five people and three SNPs: two bytes a SNP."""
    var = pd.DataFrame({"chromosome": "1", "position": [10, 20, 30], "ref_allele": "A", "eff_allele": "G"})
    X = np.arange(15).reshape(5, 3) % 3
    names = {"obs": pd.DataFrame(index=[f"p{i}" for i in range(5)]), "var": var.set_axis(["rs1", "rs2", "rs3"])}
    write_plink(anndata.AnnData(X, **names), tmp_path / "study")
    return tmp_path / "study"


def edited(prefix, end, change):
    path = Path(f"{prefix}{end}")
    path.write_text(change(path.read_text()))


def with_line(text, place, new):
    lines = text.splitlines()
    lines[place] = new
    return "\n".join(lines) + "\n"


def plink_says(prefix, *parts):
    with pytest.raises(InputError) as caught:
        read_plink(prefix)
    message = str(caught.value)
    assert all(part in message for part in parts), message


@pytest.mark.parametrize("end", [".bed", ".bim", ".fam"])
def test_a_missing_file_is_named(prefix, end):
    Path(f"{prefix}{end}").unlink()
    plink_says(prefix, f"no such file: {prefix}{end}.", "three files, .bed, .bim and .fam")


def test_a_misspelled_prefix_names_what_is_there(prefix):
    plink_says(prefix.with_name("stdy"), "stdy.bed and", "has .bed files called study")
    plink_says(prefix.with_name("nowhere") / "study", "no .bed file is near it")


def test_a_bed_file_of_other_people_or_snps(prefix):
    edited(prefix, ".bim", lambda text: text + "1\trs4\t0\t40\tA\tC\n")
    plink_says(
        prefix, "study.bed does not belong", "5 people x 4 SNPs take 11 bytes, and it has 9", "would hold 3 SNPs"
    )
    edited(prefix, ".bim", lambda text: "".join(text.splitlines(True)[:3]))
    edited(prefix, ".fam", lambda text: text + "".join(f"q{i} q{i} 0 0 0 -9\n" for i in range(4)))
    plink_says(prefix, "9 people x 3 SNPs take 12 bytes", "of these people it would hold 2 SNPs")


def test_a_bed_file_that_is_cut_off(prefix):
    bed = Path(f"{prefix}.bed")
    bed.write_bytes(bed.read_bytes()[:-1])
    plink_says(prefix, "it has 8; of these people it is cut off")


@pytest.mark.parametrize("content", [b"chr1\t100\t200\tgene\n", b"", b"\x1f\x8b\x08", b"A G A A\n"])
def test_what_is_no_bed_file(prefix, content):
    Path(f"{prefix}.bed").write_bytes(content)
    plink_says(prefix, "study.bed is no PLINK .bed file", repr(content[:3]), "genome regions is another format")


def test_a_bed_file_of_the_old_kind(prefix):
    bed = Path(f"{prefix}.bed")
    bed.write_bytes(b"\x6c\x1b\x00" + bed.read_bytes()[3:])
    plink_says(prefix, "holds person after person", "--make-bed")


def test_a_line_of_the_fam_file_with_too_few_columns(prefix):
    edited(prefix, ".fam", lambda text: with_line(text, 2, "p2 p2 0 0 0"))
    plink_says(prefix, "study.fam, line 3: 5 columns instead of 6", "family, person, father", "a phenotype as -9")


def test_lines_with_too_many_columns_and_blank_lines(prefix):
    edited(prefix, ".fam", lambda text: with_line(text, 3, "p3 p3 0 0 0 -9 1"))
    plink_says(prefix, "study.fam", "line 4")
    edited(prefix, ".fam", lambda text: with_line(with_line(text, 3, "p3 p3 0 0 0 -9"), 0, ""))
    plink_says(prefix, "study.fam, line 1: 0 columns instead of 6")


def test_an_empty_table(prefix):
    edited(prefix, ".bim", lambda text: "")
    plink_says(prefix, "study.bim is empty")


def test_a_header_in_the_bim_file(prefix):
    edited(prefix, ".bim", lambda text: "chr id cm position a1 a2\n" + text)
    plink_says(prefix, "study.bim, line 1: position 'position' of SNP 'id' is no whole number")


def test_the_same_snp_twice(prefix):
    edited(prefix, ".bim", lambda text: text.replace("rs3\t0.0\t30", "rs1\t0.0\t10"))
    plink_says(prefix, "study.bim: variant '1:10:A:G' comes more than once, variants 1 and 3", "plink2 --rm-dup")


# --- VCF --------------------------------------------------------------------------------------------------------------

HEADER = ["##fileformat=VCFv4.2", "##contig=<ID=1>", '##FORMAT=<ID=GT,Number=1,Type=String,Description="">']
HEADER += ['##FORMAT=<ID=DS,Number=A,Type=Float,Description="">', "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT A B C"]
GOOD = ["1 100 rs1 A G . . . GT 0/0 0/1 1/1", "1 200 rs2 A G . . . GT 0/0 0/1 1/1"]


def vcf_says(tmp_path, lines, *parts):
    path = tmp_path / "study.vcf"
    path.write_text("\n".join(lines).replace(" ", "\t") + "\n")
    with pytest.raises(InputError) as caught:
        read_vcf(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert all(part in message for part in parts), message


def third(genotypes):
    return [*HEADER, *GOOD, f"1 300 rs3 A G . . . GT {genotypes}"]


def test_a_file_without_a_header(tmp_path):
    vcf_says(tmp_path, GOOD, "is no VCF file: its first line is '1\\t100\\trs1", "cat HEADER FILE")


def test_a_header_without_the_names_of_people(tmp_path):
    vcf_says(tmp_path, [*HEADER[:4], *GOOD], ", line 5: the header has no line #CHROM")
    vcf_says(tmp_path, [*HEADER[:4], HEADER[4].removesuffix(" FORMAT A B C")], ", line 5", "A file of sites alone")
    vcf_says(tmp_path, [*HEADER[:4], HEADER[4].replace("B C", "A C"), *GOOD], "1 names come twice, the first 'A'")


def test_the_way_out_of_a_lost_header_works(tmp_path):
    (tmp_path / "header.txt").write_text("\n".join(HEADER).replace(" ", "\t") + "\n")
    lost = "\n".join(GOOD).replace(" ", "\t") + "\n"
    (tmp_path / "study.vcf").write_text((tmp_path / "header.txt").read_text() + lost)
    assert read_vcf(tmp_path / "study.vcf").X.tolist() == [[0, 0], [1, 1], [2, 2]]


@pytest.mark.parametrize(
    ("genotypes", "columns"),
    [("0/0 0/1", 11), ("0/0 0/1 1/1 1/1", 13)],
    ids=["too few", "too many, which htslib allows"],
)
def test_a_line_with_other_columns(tmp_path, genotypes, columns):
    vcf_says(tmp_path, third(genotypes), f", line 8 (rs3): {columns} columns instead of 12")


def test_lines_that_would_end_the_process(tmp_path):
    vcf_says(tmp_path, [*HEADER, GOOD[0], "", GOOD[1]], ", line 7: blank; delete it")
    path = tmp_path / "spaces.vcf"
    path.write_text("\n".join(HEADER).replace(" ", "\t") + "\n" + GOOD[0] + "\n")
    with pytest.raises(InputError, match=r"spaces\.vcf, line 6: 1 columns instead of 12\. Columns stand apart by tabs"):
        read_vcf(path)


def test_an_allele_that_does_not_exist(tmp_path):
    vcf_says(tmp_path, third("0/0 0/3 1/1"), ", line 8, 'rs3': person 'B' has an allele that REF and ALT do not list")
    lines = [*HEADER, "1 100 rs1 A . . . . GT 0/0 0/0 0/1"]
    vcf_says(tmp_path, lines, ", line 6, 'rs1': person 'C' has an allele")


@pytest.mark.parametrize(
    ("genotypes", "said"),
    [
        ("0/0 0 1/1", "person 'B' has one copy"),
        ("0 1 0", "person 'A' has one copy"),
        ("0/0 0/1 0/1/1", "person 'C' has more than two copies"),
    ],
)
def test_people_with_one_or_three_copies(tmp_path, genotypes, said):
    vcf_says(tmp_path, third(genotypes), f", line 8, 'rs3': {said}", "bcftools +fixploidy")


@pytest.mark.parametrize("genotypes", ["A/G 0/1 1/1", "0/0 0/x 1/1"])
def test_genotypes_in_letters(tmp_path, genotypes):
    vcf_says(tmp_path, third(genotypes), ", line 8: htslib cannot read it")


def test_a_position_that_is_no_number(tmp_path):
    vcf_says(tmp_path, [*HEADER, GOOD[0].replace("100", "1e2x")], ", line 6: htslib cannot read it; a position")


def test_a_dosage_outside_the_range(tmp_path):
    record = "1 100 rs1 A G . . . GT:DS 0/0:0 0/1:1 1/1:2.5"
    vcf_says(tmp_path, [*HEADER, record], ", line 6, 'rs1': person 'C' has a dosage outside 0 to 2")


def test_genotypes_that_are_not_there(tmp_path):
    lines = [*HEADER, "1 100 rs1 A G . . . GQ 1 2 3"]
    lines.insert(1, '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="">')
    vcf_says(tmp_path, lines, ", line 7, 'rs1': has no GT", "field='DS'")


def test_a_file_without_records_or_with_none_that_can_be_used(tmp_path):
    vcf_says(tmp_path, HEADER, "has a header and no record")
    lines = [*HEADER, "1 100 rs1 A G,T . . . GT 0/0 0/1 1/2"]
    vcf_says(tmp_path, lines, "all 1 records have several alternative alleles", "bcftools norm -m-")


def test_the_same_variant_twice(tmp_path):
    vcf_says(tmp_path, [*HEADER, *GOOD, GOOD[0]], "variant '1:100:A:G' comes more than once, variants 1 and 3")


def test_a_copy_that_is_not_complete(tmp_path):
    lines = [*HEADER, *(f"1 {number} rs{number} A G . . . GT 0/0 0/1 1/1" for number in range(1, 3_000))]
    packed = gzip.compress("\n".join(lines).replace(" ", "\t").encode())
    for length in (len(packed) // 2, len(packed) - 4):
        (tmp_path / "study.vcf.gz").write_bytes(packed[:length])
        with pytest.raises(InputError, match=r"study\.vcf\.gz cannot be unpacked to its end .*fetch it again"):
            read_vcf(tmp_path / "study.vcf.gz")
    (tmp_path / "study.vcf.gz").write_bytes(packed)
    assert read_vcf(tmp_path / "study.vcf.gz").n_vars == 2_999


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match=r"no such file: .*nothing\.vcf"):
        read_vcf(tmp_path / "nothing.vcf")


def test_a_table_that_is_called_vcf(tmp_path):
    vcf_says(tmp_path, ["rsid,A,B", "rs1,0,1"], "is no VCF file: its first line is 'rsid,A,B'")
    vcf_says(tmp_path, [""], "is no VCF file: its first line is ''")
