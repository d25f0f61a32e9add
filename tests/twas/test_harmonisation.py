"""SNPs found by any of their names, and signs turned to the alleles of the model."""

import numpy as np
import pandas as pd
import pytest
from fixtures import associations

from scomics_lite.twas.associations.harmonisation import REASONS, harmonise, match_snps, place_codes
from scomics_lite.validation import InputError


def of(weights, gwas, **kwargs):
    """Harmonise two tables given as lists of rows."""
    weights = pd.DataFrame(weights, columns=["rsid", "gene", "weight", "ref_allele", "eff_allele"])
    gwas = pd.DataFrame(gwas, columns=["snp", "non_effect_allele", "effect_allele", "zscore"])
    return harmonise(weights, gwas, **kwargs)[0]


def test_places_are_read_out_of_all_usual_names():
    names = ["1:1000", "chr1:1000", "chr01_1000_A_G_b38", "1-1000-A-G", "CHR1:1000:A:G", "01:1000"]
    assert set(place_codes(names)) == {1_000_001_000}
    assert place_codes(["X:5", "chrX_5_A_T_b37", "23:5"]).tolist() == [23_000_000_005] * 3
    assert place_codes(["rs1000", "1000", "", None, np.nan, "HLA:5", "1:"]).tolist() == [-1] * 7


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("rsid", lambda w: w["rsid"]),
        ("varID", lambda w: w["varID"]),
        ("position", lambda w: w["varID"].str.split("_").str[:2].str.join(":")),
        ("position", lambda w: w["varID"].str.removeprefix("chr").str.replace("_", ":")),
        ("position", lambda w: w["varID"].str.replace("b38", "b37")),
        ("position", lambda w: w["varID"].str.upper()),
    ],
)
def test_any_name_of_a_snp_finds_it(key, names):
    gwas, model, _ = associations.study()
    by_rsid, _ = harmonise(model.weights, gwas)
    found, match = harmonise(model.weights, gwas.assign(snp=names(model.weights)))
    assert match.key == key
    assert match.found[key] == 100
    pd.testing.assert_frame_equal(found, by_rsid)


def test_columns_of_places_serve_where_names_do_not():
    gwas, model, _ = associations.study()
    n = len(gwas)
    elsewhere = gwas.assign(snp=[f"x{i}" for i in range(n)], chromosome="chr1", position=1000.0 * np.arange(1, n + 1))
    elsewhere.loc[0, "position"] = np.nan
    table, match = harmonise(model.weights, elsewhere)
    assert match.key == "position"
    assert table["zscore"].isna().tolist() == [True] + [False] * (n - 1)


def test_a_model_that_names_places_only_is_found_by_them():
    gwas, model, _ = associations.study()
    weights = model.weights.assign(rsid=model.weights["varID"]).drop(columns="varID")
    n = len(gwas)
    _, match = harmonise(weights, gwas.assign(chromosome=1, position=1000 * np.arange(1, n + 1)))
    assert match.found == {"rsid": 0, "position": 100}


def test_the_key_that_finds_most_is_taken():
    snps = pd.DataFrame({"rsid": ["rs1", "rs2", "rs3"], "varID": ["1_1_A_G", "1_2_A_G", "1_3_A_G"]})
    match = match_snps(snps, pd.Series(["rs1", "1:2:A:G", "1:3:A:G"]))
    assert match.key == "position"
    assert match.found == pytest.approx({"rsid": 100 / 3, "varID": 0, "position": 200 / 3})


def test_snps_without_a_name_match_nothing():
    snps = pd.DataFrame({"rsid": ["rs1", None, np.nan]})
    match = match_snps(snps, pd.Series(["rs1", None, np.nan], dtype=object))
    assert (match.snps.tolist(), match.rows.tolist()) == ([0], [0])


def test_alleles_are_aligned_and_every_case_is_marked():
    table = of(
        [[f"rs{i}", "g", 1.0, "A", "G"] for i in range(7)],
        [
            ["rs0", "A", "G", 1.0],
            ["rs1", "G", "A", 1.0],
            ["rs2", "T", "C", 1.0],
            ["rs3", "C", "T", 1.0],
            ["rs4", "A", "C", 1.0],
            ["rs5", "a", "g", np.nan],
        ],
    )
    assert table["zscore"].tolist()[:4] == [1, -1, 1, -1]
    assert table["flipped"].tolist()[:4] == [False, True, False, True]
    assert table["strand"].tolist()[:4] == [False, False, True, True]
    reasons = [REASONS[i] for i in table["reason"]]
    assert reasons[:4] == ["used"] * 4
    assert reasons[4:] == ["other alleles in the GWAS", "no z-score in the GWAS", "not in the GWAS"]


def test_two_genes_may_code_a_snp_oppositely():
    table = of([["rs1", "g1", 1.0, "A", "G"], ["rs1", "g2", 1.0, "G", "A"]], [["rs1", "A", "G", 3.0]])
    assert table["zscore"].tolist() == [3, -3]


def test_of_a_site_with_three_alleles_the_row_that_fits_is_taken():
    rows = [["rs1", "A", "G", 1.0], ["rs1", "A", "T", 2.0], ["rs1", "A", "C", 3.0]]
    weights = [["rs1", "g1", 1.0, "A", "T"], ["rs1", "g2", 1.0, "C", "A"], ["rs1", "g3", 1.0, "A", "ATT"]]
    for order in (rows, rows[::-1]):
        table = of(weights, order)
        assert table["zscore"].tolist()[:2] == [2, -3]
        assert REASONS[table["reason"][2]] == "other alleles in the GWAS"


def test_indels_and_small_letters_are_aligned():
    weights = [["rs1", "g", 1.0, "a", "act"], ["rs2", "g", 1.0, "g", "t"]]
    table = of(weights, [["rs1", "ACT", "A", 2.0], ["rs2", "G", "T", 2.0]])
    assert table["zscore"].tolist() == [-2, 2]


def test_palindromic_snps_are_kept_as_written_or_dropped():
    weights = [["rs1", "g", 1.0, "A", "T"], ["rs2", "g", 1.0, "C", "G"], ["rs3", "g", 1.0, "A", "G"]]
    gwas = [["rs1", "A", "T", 2.0], ["rs2", "G", "C", 2.0], ["rs3", "A", "G", 2.0]]
    kept = of(weights, gwas)
    assert kept["zscore"].tolist() == [2, -2, 2]
    assert kept["palindromic"].tolist() == [True, True, False]
    dropped = of(weights, gwas, palindromic="drop")
    assert [REASONS[i] for i in dropped["reason"]] == ["palindromic", "palindromic", "used"]


@pytest.mark.parametrize("palindromic", ["keep", "drop"])
def test_frequencies_tell_the_strand_of_palindromic_snps_whatever_the_policy(palindromic):
    n = 6
    weights = pd.DataFrame({"rsid": [f"rs{i}" for i in range(n)], "gene": "g", "weight": 1.0})
    weights = weights.assign(ref_allele="A", eff_allele="T", frequency=[0.2, 0.2, 0.2, 0.2, 0.45, np.nan])
    gwas = pd.DataFrame({"snp": weights["rsid"], "zscore": 1.0, "frequency": [0.25, 0.75, 0.25, 0.75, 0.45, 0.2]})
    swapped = np.array([False, False, True, True, False, False])
    gwas["effect_allele"], gwas["non_effect_allele"] = np.where(swapped, "A", "T"), np.where(swapped, "T", "A")
    table, _ = harmonise(weights, gwas, palindromic)
    # As written; on the other strand; swapped on the other strand, so that the letters agree; swapped as written.
    assert table["zscore"].tolist()[:4] == [1, -1, 1, -1]
    unknown = [REASONS[i] for i in table["reason"][4:]]
    assert unknown == (["used"] * 2 if palindromic == "keep" else ["palindromic"] * 2)


def test_frequencies_do_not_touch_other_snps():
    weights = pd.DataFrame({"rsid": ["rs1"], "gene": "g", "weight": 1.0, "ref_allele": "A", "eff_allele": "G"})
    gwas = pd.DataFrame({"snp": ["rs1"], "non_effect_allele": "A", "effect_allele": "G", "zscore": 1.0})
    table, _ = harmonise(weights.assign(frequency=0.1), gwas.assign(frequency=0.9))
    assert table["zscore"].tolist() == [1]


def test_an_unknown_policy_is_named_with_those_there_are():
    gwas, model, _ = associations.study()
    with pytest.raises(InputError, match=r"palindromic='frequency'.*Known: drop, keep"):
        harmonise(model.weights, gwas, "frequency")
