"""Summary statistics: whichever program wrote them, the same table; what is wrong with them is said, with the line."""

import bz2
import gzip
import lzma
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from scomics_lite.twas import read_gwas
from scomics_lite.twas.exchange.gwas_files import zscores_of
from scomics_lite.twas.exchange.text_tables import TextTable
from scomics_lite.validation import InputError

REFERENCE = os.environ.get("SCOMICS_LITE_REFERENCE")
needs_reference = pytest.mark.skipif(not REFERENCE, reason="SCOMICS_LITE_REFERENCE is not set: no reference tables")
HEADER = "SNP effect_allele other_allele BETA SE P"
ROWS = ("rs1 A G 0.2 0.05 6.3e-5", "rs2 C T -0.3 0.1 0.0027", "rs3 g a 0.1 0.2 0.617")
ALLELES = {"snp": "SNP", "effect_allele": "effect_allele", "non_effect_allele": "other_allele"}


def written(folder, *lines, name="gwas.txt"):
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


# --- which columns ----------------------------------------------------------------------------------------------------

PROGRAMS = {  # header and one line of each program's files; the effect allele is A, the other G, z > 0
    "GWAS Catalog": (
        "chromosome base_pair_location effect_allele other_allele beta standard_error effect_allele_frequency p_value "
        "rsid",
        "1 1000 A G 0.2 0.05 0.3 6.3e-5 rs1",
    ),
    "GWAS Catalog, harmonised": (
        "hm_variant_id hm_rsid hm_chrom hm_pos hm_other_allele hm_effect_allele hm_beta hm_odds_ratio "
        "hm_effect_allele_frequency variant_id p_value chromosome base_pair_location effect_allele other_allele beta "
        "odds_ratio standard_error",
        "1_1000_G_A rs1 1 1000 G A 0.2 NA 0.3 rs1 6.3e-5 1 1000 C T -0.2 NA 0.05",
    ),
    "PLINK 1.9 .assoc": ("CHR SNP BP A1 F_A F_U A2 CHISQ P OR", "1 rs1 1000 A 0.3 0.25 G 16 6.3e-5 1.2214"),
    "PLINK 2 .glm, A1 is ALT": (
        "#CHROM\tPOS\tID\tREF\tALT\tA1\tA1_FREQ\tTEST\tOBS_CT\tBETA\tSE\tT_STAT\tP\tERRCODE",
        "1\t1000\trs1\tG\tA\tA\t0.3\tADD\t2000\t0.2\t0.05\t4\t6.3e-5\t.",
    ),
    "PLINK 2 .glm, A1 is REF": (
        "#CHROM\tPOS\tID\tREF\tALT\tA1\tTEST\tOBS_CT\tOR\tLOG(OR)_SE\tZ_STAT\tP",
        "1\t1000\trs1\tA\tG\tA\tADD\t2000\t1.2214\t0.05\t4\t6.3e-5",
    ),
    "PLINK 2 .glm, omitted": (
        "#CHROM\tPOS\tID\tREF\tALT\tA1\tOMITTED\tTEST\tOBS_CT\tBETA\tSE\tP",
        "1\t1000\trs1\tA\tG\tA\tG\tADD\t2000\t0.2\t0.05\t6.3e-5",
    ),
    "SAIGE": (
        "CHR POS MarkerID Allele1 Allele2 AC_Allele2 AF_Allele2 MissingRate BETA SE Tstat var p.value",
        "1 1000 rs1 G A 600 0.3 0 0.2 0.05 80 400 6.3e-5",
    ),
    "REGENIE": (
        "CHROM GENPOS ID ALLELE0 ALLELE1 A1FREQ INFO N TEST BETA SE CHISQ LOG10P EXTRA",
        "1 1000 rs1 G A 0.3 1 2000 ADD 0.2 0.05 16 4.2 NA",
    ),
    "BOLT-LMM": (
        "SNP\tCHR\tBP\tGENPOS\tALLELE1\tALLELE0\tA1FREQ\tF_MISS\tBETA\tSE\tP_BOLT_LMM_INF\tP_BOLT_LMM",
        "rs1\t1\t1000\t0.01\tA\tG\t0.3\t0\t0.2\t0.05\t6.4e-5\t6.3e-5",
    ),
    "fastGWA": ("CHR SNP POS A1 A2 N AF1 BETA SE P", "1 rs1 1000 A G 2000 0.3 0.2 0.05 6.3e-5"),
    "METAL": (
        "MarkerName\tAllele1\tAllele2\tFreq1\tFreqSE\tEffect\tStdErr\tP-value\tDirection",
        "rs1\ta\tg\t0.3\t0\t0.2\t0.05\t6.3e-5\t++-",
    ),
    "PGC daner": (
        "CHR SNP BP A1 A2 FRQ_A_100 FRQ_U_200 INFO OR SE P ngt",
        "1 rs1 1000 A G 0.3 0.28 1 1.2214 0.05 6.3e-5 0",
    ),
    "FinnGen": (
        "#chrom\tpos\tref\talt\trsids\tnearest_genes\tpval\tmlogp\tbeta\tsebeta\taf_alt",
        "1\t1000\tG\tA\trs1\tGENE\t6.3e-5\t4.2\t0.2\t0.05\t0.3",
    ),
    "Neale's lab": (
        "variant\trsid\tminor_allele\tminor_AF\tn_complete_samples\tbeta\tse\ttstat\tpval",
        "1:1000:G:A\trs1\tG\t0.3\t2000\t0.2\t0.05\t4\t6.3e-5",
    ),
    "MetaXcan, harmonised": (
        "variant_id panel_variant_id chromosome position effect_allele non_effect_allele frequency pvalue zscore "
        "effect_size standard_error sample_size",
        "rs1 chr1_1000_G_A_b38 chr1 1000 A G 0.3 6.3e-5 4 0.2 0.05 2000",
    ),
    "commas and quotes": ('"rsID","EA","NEA","BETA","SE"', '"rs1","A","G","0.2","0.05"'),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_usual_headers_are_recognised(program, tmp_path):
    table = read_gwas(written(tmp_path, *PROGRAMS[program]))
    row = table.iloc[0]
    assert (row["snp"], row["effect_allele"], row["non_effect_allele"]) == ("rs1", "A", "G")
    assert row["zscore"] == pytest.approx(4, abs=0.01)
    known = {"chromosome": "1", "position": 1000, "frequency": 0.3, "n": 2000, "beta": pytest.approx(0.2, abs=1e-4)}
    assert all(row[name] == value for name, value in known.items() if name in table)
    assert table.attrs["columns"]["snp"] in PROGRAMS[program][0]


@pytest.mark.parametrize("header", ["SNP A1 A2 BETA SE", "SNP Allele1 Allele2 BETA SE"])
def test_where_only_a_habit_tells_the_effect_allele_it_is_said_and_can_be_settled(header, tmp_path):
    path = written(tmp_path, header, "rs1 A G 0.2 0.05")
    names = header.split()
    with pytest.warns(UserWarning, match=f"{names[1]} is taken for the effect allele and {names[2]} for the other"):
        table = read_gwas(path)
    assert table["effect_allele"].tolist() == ["A"]
    settled = {"snp": "SNP", "effect_allele": names[2], "non_effect_allele": names[1], "beta": "BETA", "se": "SE"}
    assert read_gwas(path, columns=settled)["effect_allele"].tolist() == ["G"]


def test_lines_of_covariates_are_left_out_of_plink_s_files(tmp_path):
    header, line = PROGRAMS["PLINK 2 .glm, A1 is ALT"]
    path = written(tmp_path, header, line, line.replace("ADD", "AGE").replace("0.2", "7"))
    with pytest.warns(UserWarning, match=r"1 of tests other than ADD \(line 3, rs1\)"):
        assert read_gwas(path)["beta"].tolist() == [0.2]
    columns = {"snp": "ID", "effect_allele": "A1", "non_effect_allele": "REF", "beta": "BETA", "se": "SE"}
    with pytest.warns(UserWarning, match="1 of tests other than ADD"):
        table = read_gwas(path, columns=columns)
    assert table["beta"].tolist() == [0.2]
    assert table.attrs["columns"] == columns


def test_exactly_the_columns_that_are_given_are_used(tmp_path):
    path = written(tmp_path, HEADER + " Z", *(f"{row} 9" for row in ROWS))
    columns = ALLELES | {"beta": "BETA", "se": "SE"}
    table = read_gwas(path, columns=columns)
    assert table["zscore"].tolist() == pytest.approx([4, -3, 0.5])
    assert table.attrs["columns"] == columns
    assert "pvalue" not in table
    assert read_gwas(path)["zscore"].tolist() == [9, 9, 9]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"snp": "rsid"}, "no column 'rsid' for snp"),
        ({"effect": "BETA"}, "no standard name 'effect'; did you mean 'effect_allele'"),
        (ALLELES | {"beta": "beta"}, "did you mean 'BETA'"),
        ({"beta": "BETA", "se": "SE"}, "no column for snp and effect_allele and non_effect_allele"),
        (ALLELES | {"beta": "BETA"}, "of these there is beta .BETA.. Columns are SNP, effect_allele"),
        (ALLELES | {"pvalue": "P"}, "a z-score needs zscore; or pvalue with beta, odds_ratio or sign"),
        (ALLELES | {"pvalue": "P", "se": "SE"}, "of these there is se .SE., pvalue .P."),
    ],
)
def test_columns_that_will_not_do_are_named_with_those_that_are_there(columns, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_gwas(written(tmp_path, HEADER, *ROWS), columns=columns)


def test_a_file_of_plink_without_the_other_allele_says_where_to_find_it(tmp_path):
    path = written(tmp_path, "CHR SNP BP A1 TEST NMISS BETA STAT P", "1 rs1 1000 A ADD 2000 0.2 4 6.3e-5")
    with pytest.raises(InputError, match=r"no column for non_effect_allele .*\.bim file"):
        read_gwas(path)
    table = pd.read_csv(path, sep=" ").assign(A2="G")  # "add it from the .bim file"
    assert read_gwas(table)["non_effect_allele"].tolist() == ["G"]


# --- z-scores ---------------------------------------------------------------------------------------------------------

Z = [4.0, -3.0, 0.5]


@pytest.mark.parametrize(
    "names", ["zscore", "pvalue beta", "pvalue odds_ratio", "pvalue sign", "beta se", "odds_ratio se"]
)
def test_every_way_to_give_a_z_score_gives_the_same(names):
    beta = np.array([0.2, -0.3, 0.1])
    given = {"zscore": Z, "beta": beta, "se": beta / Z, "odds_ratio": np.exp(beta), "sign": ["+", "-", "+"]}
    given["pvalue"] = 2 * stats.norm.sf(np.abs(Z))
    frame = pd.DataFrame({"snp": ["rs1", "rs2", "rs3"], "effect_allele": "A", "non_effect_allele": "G"})
    table = read_gwas(frame.assign(**{name: given[name] for name in names.split()}))
    np.testing.assert_allclose(table["zscore"], Z, rtol=1e-9)
    if "odds_ratio" in names:
        np.testing.assert_allclose(table["beta"], beta)


def test_z_goes_before_p_and_p_before_beta_over_se_and_each_fills_what_the_one_before_lacks():
    frame = pd.DataFrame({"snp": ["rs1", "rs2", "rs3", "rs4"], "effect_allele": "A", "non_effect_allele": "G"})
    frame = frame.assign(zscore=[9, None, None, None], pvalue=[0.5, 0.05, None, 0], beta=-0.2, se=0.1)
    assert read_gwas(frame)["zscore"].tolist() == pytest.approx([9, -1.959964, -2, -2])


def test_small_p_values_keep_their_digits():
    p = np.array([1e-5, 1e-50, 1e-200, 1e-299, 1e-301, 1e-310, 1.0])
    exact = [stats.norm.isf(one / 2) for one in p[:4]]
    np.testing.assert_allclose(zscores_of(p, np.ones(7))[:4], exact, rtol=1e-12)
    # log sf of what comes back is log of p / 2, also where p / 2 has lost digits
    np.testing.assert_allclose(stats.norm.logsf(zscores_of(p, np.ones(7))), np.log(p) - np.log(2), rtol=1e-6)
    assert np.isnan(zscores_of(np.zeros(1), np.ones(1)))


def test_p_values_of_zero_are_taken_for_the_smallest_and_said(tmp_path):
    path = written(tmp_path, HEADER, ROWS[0], "rs2 C T -0.3 NA 0")
    columns = ALLELES | {"beta": "BETA", "pvalue": "P"}
    size = stats.norm.isf(5e-51)
    with pytest.warns(UserWarning, match=r"1 p-value.s. of 0 are taken for 1e-50, .z. = 14\.98.*line 3, rs2"):
        assert read_gwas(path, columns=columns)["zscore"].iloc[1] == pytest.approx(-size)
    with pytest.warns(UserWarning, match="too small to give a z-score"):
        assert read_gwas(path, columns=columns, smallest_pvalue=0)["snp"].tolist() == ["rs1"]
    with pytest.raises(InputError, match="smallest_pvalue is a number from 0 to 1; got 2"):
        read_gwas(path, smallest_pvalue=2)
    small = written(tmp_path, HEADER, "rs1 A G 0.2 0.05 1e-100", "rs2 C T -0.3 NA 0")
    with pytest.warns(UserWarning, match="taken for 1e-100"):
        assert read_gwas(small, columns=columns)["zscore"].iloc[1] == pytest.approx(-stats.norm.isf(5e-101))
    # "with the standard error beside the effect, the z-score need not be guessed"
    with_se = written(tmp_path, HEADER, ROWS[0], "rs2 C T -0.3 0.1 0")
    assert read_gwas(with_se)["zscore"].iloc[1] == pytest.approx(-3)


def test_snps_without_a_z_score_are_left_out_and_said(tmp_path):
    rows = (
        "rs4 A G NA 0.05 NA",
        "rs5 A G 0.1 0 NA",
        "rs6 A G 0.1 -1 NA",
        "rs7 A G inf 0.1 NA",
        ". A G 1 1 1",
        "rs8 A . 1 1 1",
    )
    with pytest.warns(UserWarning, match="6 lines are left out") as caught:
        table = read_gwas(written(tmp_path, HEADER, *ROWS, *rows))
    (message,) = [str(one.message) for one in caught]
    assert table["snp"].tolist() == ["rs1", "rs2", "rs3"]
    assert "4 without a z-score, for lack of usable P, BETA, SE (line 5, rs4)" in message
    assert "1 without the name of a SNP (line 9" in message
    assert "1 without alleles (line 10, rs8)" in message
    assert sum(table.attrs["left_out"].values()) == 6


def test_p_values_that_are_none_are_named_and_the_way_out_works(tmp_path):
    path = written(tmp_path, HEADER, "rs1 A G 0.2 0.05 4.2")
    with pytest.raises(InputError, match=r"P is 4\.2 in line 2, rs1 .1 such., and a p-value lies between 0 and 1"):
        read_gwas(path)
    table = read_gwas(path, columns=ALLELES | {"beta": "BETA", "se": "SE"})
    assert table["zscore"].tolist() == pytest.approx([4])
    frame = pd.read_csv(path, sep=" ")
    assert read_gwas(frame.assign(P=10.0 ** -frame["P"]))["zscore"].tolist() == pytest.approx([4], abs=0.01)


def test_odds_ratios_that_are_logarithms_and_effects_that_are_odds_ratios_are_told(tmp_path):
    path = written(tmp_path, HEADER.replace("BETA", "OR"), *ROWS)
    with pytest.raises(InputError, match=r"OR is -0\.3 in line 3, rs2.*columns=.'beta': 'OR'"):
        read_gwas(path)
    assert len(read_gwas(path, columns=ALLELES | {"beta": "OR", "se": "SE"})) == 3
    odds = written(tmp_path, HEADER, *(f"rs{i} A G {0.8 + i / 100:.2f} 0.05 NA" for i in range(60)))
    with pytest.warns(UserWarning, match=r"BETA is never negative and lies around 1\.1, as odds ratios do"):
        read_gwas(odds)
    assert (read_gwas(odds, columns=ALLELES | {"odds_ratio": "BETA", "se": "SE"})["beta"] < 0).any()


# --- names and alleles ------------------------------------------------------------------------------------------------


def test_alleles_are_in_capitals_and_chromosomes_plain(tmp_path):
    lines = [
        f"{name} rs{i} a gt 1" for i, name in enumerate(["chr1", "1", "01", "Chr22", "23", "chrX", "M", "X", "chr10"])
    ]
    table = read_gwas(written(tmp_path, "CHR SNP effect_allele other_allele Z", *lines))
    assert table["chromosome"].tolist() == ["1", "1", "1", "22", "X", "X", "MT", "X", "10"]
    assert set(table["effect_allele"]) == {"A"}
    assert set(table["non_effect_allele"]) == {"GT"}


def test_names_that_are_no_rsids_are_kept_on_request(tmp_path):
    rows = [row.replace("rs", "chr1_1000_", 1) for row in ROWS]
    path = written(tmp_path, HEADER, *rows)
    with pytest.raises(InputError, match=r"none of 3 names of SNPs contains 'rs' .*'chr1_1000_1'.*keep_non_rsid=True"):
        read_gwas(path)
    assert len(read_gwas(path, keep_non_rsid=True)) == 3
    path = written(tmp_path, HEADER, ROWS[0], *rows[1:])
    with pytest.warns(UserWarning, match=r"2 whose name contains no 'rs', .*line 3, chr1_1000_2"):
        assert read_gwas(path)["snp"].tolist() == ["rs1"]


def test_of_repeated_snps_the_last_counts_but_other_alleles_are_another_snp(tmp_path):
    rows = ("rs1 g a 0.7 0.1 NA", "rs1 A C 0.8 0.1 NA", "rs2 G A 0.9 0.1 NA")  # rs2: the other strand of C/T
    with pytest.warns(UserWarning, match=r"2 that a later line of the same SNP and alleles replaces \(line 2, rs1\)"):
        table = read_gwas(written(tmp_path, HEADER, *ROWS, *rows))
    assert table["snp"].tolist() == ["rs3", "rs1", "rs1", "rs2"]
    assert table["beta"].tolist() == [0.1, 0.7, 0.8, 0.9]


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("separator", ["\t", ",", ";", " ", "   "])
def test_files_are_read_whatever_packs_and_separates_them(pack, separator, tmp_path):
    text = "\n".join((HEADER, *ROWS)).replace(" ", separator)
    path = tmp_path / "gwas"
    path.write_bytes(pack(text.encode()))
    plain = read_gwas(written(tmp_path, HEADER, *ROWS))
    pd.testing.assert_frame_equal(read_gwas(path), plain)
    pd.testing.assert_frame_equal(read_gwas(pd.read_csv(written(tmp_path, HEADER, *ROWS), sep=" ")), plain)


def test_a_study_may_be_in_several_files(tmp_path):
    (tmp_path / "study").mkdir()
    paths = [written(tmp_path / "study", HEADER, *rows, name=name) for name, rows in (("b", ROWS[2:]), ("a", ROWS[:2]))]
    whole = read_gwas(written(tmp_path, HEADER, *ROWS))
    pd.testing.assert_frame_equal(read_gwas(tmp_path / "study"), whole)
    pd.testing.assert_frame_equal(read_gwas(sorted(paths)), whole)
    written(tmp_path / "study", HEADER, *ROWS[:1], "rs9 A G", name="c")
    with pytest.warns(UserWarning, match=r"study/a, line 2, rs1"):  # a line is named with its file
        read_gwas(tmp_path / "study")
    written(tmp_path / "study", "rsid effect_allele other_allele Z", "rs9 A G 1", name="c")
    with pytest.raises(InputError, match="files of one study need the same columns"):
        read_gwas(tmp_path / "study")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="there are no files"):
        read_gwas(tmp_path / "empty")


def test_comments_and_a_byte_order_mark_do_no_harm(tmp_path):
    path = tmp_path / "gwas.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join((HEADER, *ROWS, "")).encode())
    plain = read_gwas(written(tmp_path, HEADER, *ROWS, name="plain"))
    pd.testing.assert_frame_equal(read_gwas(path), plain)
    pd.testing.assert_frame_equal(read_gwas(written(tmp_path, "## a comment", "", HEADER, *ROWS)), plain)


def test_broken_lines_are_left_out_with_their_number_and_decimal_commas_read(tmp_path):
    path = written(tmp_path, HEADER, ROWS[0], "rs4 A G", "rs2 C T -0,3 0,1 0,0027", "rs5 A G x 0.1 NA", ROWS[2])
    with pytest.warns(UserWarning, match="2 lines are left out") as caught:
        table = read_gwas(path)
    (message,) = [str(one.message) for one in caught]
    assert table["snp"].tolist() == ["rs1", "rs2", "rs3"]
    assert table["se"].tolist() == [0.05, 0.1, 0.2]
    assert "1 with 3 fields where the header has 6 (line 3, 'rs4 A G')" in message
    assert "3 decimal comma(s) read as points: the first is '-0,3' for beta in line 4, rs2" in message
    assert "1 number(s) that cannot be read: the first is 'x' for beta in line 5, rs5" in message


def test_commas_in_whole_numbers_are_not_taken_for_points(tmp_path):
    path = written(tmp_path, HEADER + " N", *(f"{row} 12,345" for row in ROWS))
    with pytest.warns(
        UserWarning, match=r"3 number.s. that cannot be read: the first is '12,345' for n in line 2, rs1"
    ):
        assert read_gwas(path)["n"].isna().all()


def test_what_was_read_can_be_read_again(tmp_path):
    table = read_gwas(written(tmp_path, HEADER + " CHR BP EAF N", *(f"{row} chr2 5 0.1 100" for row in ROWS)))
    pd.testing.assert_frame_equal(read_gwas(table), table)
    table.to_csv(tmp_path / "again.tsv", sep="\t", index=False)
    pd.testing.assert_frame_equal(read_gwas(tmp_path / "again.tsv"), table)


def test_letters_of_more_than_a_byte_do_no_harm(tmp_path):
    path = written(tmp_path, HEADER + " GENE", *(f"{row} é{i}" for i, row in enumerate(ROWS)))
    assert read_gwas(path)["snp"].tolist() == ["rs1", "rs2", "rs3"]


def test_a_header_that_fits_no_line_is_refused_and_a_way_out_works(tmp_path):
    path = written(tmp_path, HEADER, *(f"{i} {row}" for i, row in enumerate(ROWS)))  # R's row names
    with pytest.raises(InputError, match=r"line 2 has 7 fields where the header has 6.*name the first column too"):
        read_gwas(path)
    assert len(read_gwas(written(tmp_path, "row " + HEADER, *(f"{i} {row}" for i, row in enumerate(ROWS))))) == 3
    path = written(tmp_path, HEADER.replace(" ", "\t"), *ROWS)
    with pytest.raises(InputError, match="separator='…' says what stands between fields"):
        read_gwas(path)
    assert len(read_gwas(path, separator="whitespace")) == 3
    with pytest.raises(InputError, match="separator is a single character"):
        read_gwas(path, separator="ab")


@pytest.mark.parametrize(("text", "message"), [("", "is empty"), (HEADER, "no lines below it")])
def test_files_without_content_are_refused(text, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_gwas(written(tmp_path, text))


def test_files_that_are_not_there_or_damaged_are_refused(tmp_path):
    path = written(tmp_path, HEADER, *ROWS)
    with pytest.raises(InputError, match=r"gwas\.tsv is not there; in the same folder: gwas\.txt"):
        read_gwas(tmp_path / "gwas.tsv")
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(path.read_bytes())[:-10])
    with pytest.raises(InputError, match="breaks off or is damaged"):
        read_gwas(packed)
    with pytest.raises(InputError, match="a path, a list of paths or a DataFrame; got int"):
        read_gwas(3)


def test_where_nothing_is_left_it_is_said_why(tmp_path):
    with pytest.raises(InputError, match=r"no SNP that can be used: 1 line is left out: 1 without a z-score"):
        read_gwas(written(tmp_path, HEADER, "rs1 A G NA NA NA"))


# --- numbers in text --------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["r", ".3e", ".17g", ".20e", "+.6f", ".0f"]))
@example(0.1, "r")
@example(2.0**53 + 1, ".0f")  # half-way between two doubles
@example(1e23, "r")
@example(5e-324, "r")
@example(-0.0, "r")
def test_numbers_are_read_to_the_last_bit(value, form):
    text = repr(value) if form == "r" else format(value, form)
    values, unread = numbers_in(text)
    assert not unread
    assert values[0] == float(text)


@pytest.mark.parametrize("text", ["e5", "1e", "1e+", "--1", "1.2.3", "-", "1,5", "0x10", "1_0"])
def test_what_is_no_plain_number_is_left_unread(text):
    assert numbers_in(text)[1] == {0: text}


def numbers_in(text):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "numbers.txt").write_text(f"Z other\n{text} x\n")
        (block,) = TextTable(Path(folder) / "numbers.txt").blocks({"Z": float})
    return block.numbers("Z")


# --- against MetaXcan -------------------------------------------------------------------------------------------------


@needs_reference
def test_a_slice_of_a_real_study_is_what_metaxcan_makes_of_it():
    folder = Path(REFERENCE) / "twas" / "73_repo_scz2"
    columns = {"snp": "SNPID", "effect_allele": "A1", "non_effect_allele": "A2", "odds_ratio": "OR", "se": "SE"}
    ours = read_gwas(folder / "scz2.gwas.results.txt.gz", columns=columns)
    theirs = pd.read_csv(folder / "betas.txt", sep="\t")
    for name in ("snp", "effect_allele", "non_effect_allele"):
        assert ours[name].tolist() == theirs[name].tolist()
    np.testing.assert_allclose(ours["zscore"], theirs["zscore"], rtol=1e-6)  # MetaXcan's are float32
    np.testing.assert_allclose(ours[["beta", "se"]], theirs[["beta", "se"]], rtol=1e-12)


def test_many_lines_are_read(tmp_path):
    n = 100_000
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"SNP": [f"rs{i}" for i in range(n)], "EA": "A", "NEA": "G", "BETA": rng.normal(size=n)})
    frame.assign(SE=0.1, P=0.5, CHR=1, BP=np.arange(n)).to_csv(tmp_path / "gwas.txt", sep="\t", index=False)
    table = read_gwas(
        tmp_path / "gwas.txt",
        columns={"snp": "SNP", "effect_allele": "EA", "non_effect_allele": "NEA", "beta": "BETA", "se": "SE"},
    )
    np.testing.assert_array_equal(table["beta"], frame["BETA"])
