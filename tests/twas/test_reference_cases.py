"""MetaXcan 0.7.5's own outputs: every case of the reference folder, and what is ours where it fails or is wrong.

A case is a folder with three inputs, the command and the output. What the command names is given to `read_gwas`; the
rest needs no option. MetaXcan holds z-scores of SNPs as 32-bit numbers, which have 7 digits: with these ours differ by
the last digits of 64-bit numbers, and without by less than 1e-6.
"""

import functools
import os
import shlex
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scomics_lite.twas.associations.summary_association import METAXCAN, s_predixcan
from scomics_lite.twas.exchange.covariance_files import Covariances, read_covariance
from scomics_lite.twas.exchange.gwas_files import read_gwas
from scomics_lite.twas.exchange.models import PredictionModel, read_model
from scomics_lite.validation import InputError

REFERENCE = os.environ.get("SCOMICS_LITE_REFERENCE")
pytestmark = pytest.mark.skipif(not REFERENCE, reason="SCOMICS_LITE_REFERENCE is not set: no reference tables")
OPTIONS = {  # MetaXcan's: ours
    "snp_column": "snp",
    "effect_allele_column": "effect_allele",
    "non_effect_allele_column": "non_effect_allele",
    "beta_column": "beta",
    "se_column": "se",
    "or_column": "odds_ratio",
    "pvalue_column": "pvalue",
    "zscore_column": "zscore",
    "beta_sign_column": "sign",
}
AGREE = {  # case: what is said about it, where something is
    "01_beta_se": None,
    "02_beta_p": None,
    "03_or_p": None,
    "04_or_se": None,
    "05_zscore_only": None,
    "06_sign_p": None,
    "07_all_columns": None,
    "08_allele_flip": None,
    "11_missing30": None,
    "12_sparse": "only 5.3% of the model's 493 SNPs are in the GWAS",
    "14_cov_extra_rows": None,
    "16_cov_missing_gene_v10": None,
    "22_cov_full_square": None,
    "23_cov_zero_variance": None,
    "25_stream_covariance": None,
    "26_gwas_dup_snp": "5 lines are left out",
    "27_gwas_na": "7 lines are left out",
    "29_p_extreme_nofix": "left out",
    "34_shared_snp_same_coding": None,
    "38_additional_output": None,
    "39_gwas_folder": None,
    "40_indels": None,
    "41_lowercase_gwas": None,
    "43_extra_missing_gene": None,
    "44_gene_no_weights": None,
    "45_remove_ens_version": None,
    "47_malformed_lines": "1 line is left out",
    "49_csv_sep": None,
    "52_zero_weight_gene": None,
    "70_gtex_v6p_wholeblood": None,
}
# MetaXcan stops, or gives an empty table, or loses SNPs; the right answer is that of case 01.
RIGHT_HERE = {
    "20_cov_dup_row": None,
    "21_cov_noncontiguous": None,
    "32_varid_cov_rsid": None,
    "32_varid_cov_rsid_v10": None,
    "42_lowercase_model": None,
    "48_csv_default_sep": None,
}
OWN_TEST = {  # below, or of people and not of summaries
    "09_strand_flip",
    "13_zero_overlap",
    "16_cov_missing_gene",
    "31_varid_nokeep",
    "36_phi_absent",
    "37_single_snp_model",
    "50_beta_only",
    "61_assoc_linear",
    "62_assoc_logistic",
    "63_assoc_covariates",
    "64_multixcan",
    "73_repo_scz2",
}


def folder(case):
    return Path(REFERENCE) / "twas" / case


def options(case):
    """What the command says: {option without dashes: value}."""
    words = shlex.split((folder(case) / "command.txt").read_text())
    pairs = zip(words, [*words[1:], ""], strict=True)
    return {word[2:]: "" if value.startswith("--") else value for word, value in pairs if word.startswith("--")}


def gwas_of(case):
    """Read the GWAS of a case as its command says."""
    given = options(case)
    columns = {OPTIONS[name]: value for name, value in given.items() if name in OPTIONS}
    path = folder(case) / given.get("gwas_file", given.get("gwas_folder"))
    fix = {"smallest_pvalue": float(given["input_pvalue_fix"])} if "input_pvalue_fix" in given else {}
    keep = "keep_non_rsid" in given
    return read_gwas(path, columns=columns, separator=given.get("separator"), keep_non_rsid=keep, **fix)


def files(case):
    return folder(case) / "model.db", folder(case) / "cov.txt.gz"


def ours(case, single=False, **kwargs):
    """Our table of a case, of its tested genes alone, and what warnings said; z-scores in single precision if asked."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gwas = gwas_of(case)
        if single:
            gwas["zscore"] = gwas["zscore"].astype(np.float32).astype(float)
        table = s_predixcan(gwas, *files(case), progress=False, **kwargs)
    return table, " ".join(str(one.message) for one in caught)


@functools.cache
def metaxcan(case):
    return pd.read_csv(folder(case) / "out.csv")


def assert_same_numbers(table, expected, rel):
    """z and log p of the tested genes to `rel`; effect, variance, counts, names and order as they are."""
    expected = expected[expected["zscore"].notna()].reset_index(drop=True)
    table = table[table["gene"].isin(expected["gene"])].reset_index(drop=True)
    assert table["gene"].tolist() == expected["gene"].tolist()
    names = table["gene_name"].notna()  # MetaXcan has no rows for genes without one
    assert table["gene_name"][names].tolist() == expected["gene_name"][names].tolist()
    near = {"rel": rel, "abs": 0, "nan_ok": True}
    assert table["zscore"].to_numpy() == pytest.approx(expected["zscore"].to_numpy(), **near)
    logs = np.log(table["pvalue"].to_numpy()), np.log(expected["pvalue"].to_numpy())
    assert logs[0] == pytest.approx(logs[1], **near)
    for name in ("effect_size", "var_g", "pred_perf_r2", "pred_perf_pval", "pred_perf_qval"):
        assert table[name].to_numpy() == pytest.approx(expected[name].to_numpy(), rel=1e-12, abs=0, nan_ok=True), name
    for name in ("n_snps_used", "n_snps_in_cov", "n_snps_in_model"):
        assert table[name].tolist() == expected[name].tolist(), name


def test_every_case_of_the_folder_has_a_test():
    there = {path.name for path in (Path(REFERENCE) / "twas").iterdir() if path.is_dir()}
    assert there == AGREE.keys() | RIGHT_HERE.keys() | OWN_TEST


@pytest.mark.parametrize("case", AGREE)
def test_numbers_counts_names_and_order_are_metaxcan_s(case):
    table, said = ours(case)
    assert (AGREE[case] or "") in said
    assert bool(said) == bool(AGREE[case])
    if "remove_ens_version" in options(case):
        table["gene"] = table["gene"].str.split(".").str[0]
    assert list(table.columns[:12]) == METAXCAN == metaxcan(case).columns[:12].tolist()
    assert_same_numbers(table, metaxcan(case), rel=1e-6)


@pytest.mark.parametrize("case", ["01_beta_se", "11_missing30", "40_indels", "70_gtex_v6p_wholeblood"])
def test_what_differs_is_metaxcan_s_single_precision(case):
    assert_same_numbers(ours(case, single=True)[0], metaxcan(case), rel=1e-11)


@pytest.mark.parametrize("case", RIGHT_HERE)
def test_where_metaxcan_stops_or_loses_snps_the_numbers_are_those_of_the_plain_case(case):
    table, said = ours(case)
    assert (RIGHT_HERE[case] or "") in said
    assert bool(said) == bool(RIGHT_HERE[case])
    assert (table["status"] == "ok").all()
    assert_same_numbers(table, metaxcan("01_beta_se"), rel=1e-6)


def test_snps_on_the_other_strand_are_aligned_and_palindromic_ones_told_apart_from_them():
    # MetaXcan loses all SNPs of the other strand, but for palindromic ones, whose signs it turns. So do we with those,
    # unless they are dropped: letters alone do not tell.
    table, said = ours("09_strand_flip")
    assert not said
    assert table["n_strand"].sum() == 239
    assert metaxcan("09_strand_flip")["n_snps_used"].sum() == table["n_snps_used"].sum() - 239
    certain = table["gene"][table["n_palindromic"] == 0]
    plain = metaxcan("01_beta_se")
    assert len(certain) == 17
    assert_same_numbers(table[table["gene"].isin(certain)], plain[plain["gene"].isin(certain)], rel=1e-6)
    dropped = ours("09_strand_flip", palindromic="drop")[0].drop(columns="n_strand")
    pd.testing.assert_frame_equal(dropped, ours("01_beta_se", palindromic="drop")[0].drop(columns="n_strand"))


def test_genes_without_covariances_are_rows_and_the_others_are_right():
    # MetaXcan: a crash that loses all genes, or, at a lower level of its log, rows with NA.
    table, said = ours("16_cov_missing_gene")
    assert not said
    lost = table[table["zscore"].isna()]
    assert sorted(lost["gene"]) == ["ENSG00000000001.1", "ENSG00000000002.2", "ENSG00000000003.3"]
    assert set(lost["status"]) == {"no covariances of this gene"}
    assert_same_numbers(table, metaxcan("16_cov_missing_gene_v10"), rel=1e-6)


def test_names_that_do_not_meet_stop_with_both_sides():
    # MetaXcan: an empty table.
    with pytest.raises(InputError, match=r"none of the model's 493 SNPs .* rs1000, rs1003 .* its own rs91000, rs91001"):
        ours("13_zero_overlap")
    # The file has chromosome and position, too, and they find all.
    columns = {"snp": "rsid", "effect_allele": "A1", "non_effect_allele": "A2", "beta": "BETA", "se": "SE"}
    places = {"chromosome": "chr", "position": "pos"}
    gwas = read_gwas(folder("13_zero_overlap") / "gwas.txt.gz", columns=columns | places)
    with pytest.warns(UserWarning, match="chromosome and position do for 100%"):
        table = s_predixcan(gwas, *files("13_zero_overlap"), progress=False)
    assert_same_numbers(table, metaxcan("01_beta_se"), rel=1e-6)


def test_variant_ids_that_are_not_kept_stop_with_the_way_out():
    # MetaXcan: an empty table.
    with pytest.raises(InputError, match="keep_non_rsid=True"):
        ours("31_varid_nokeep")
    columns = {"snp": "varID", "effect_allele": "A1", "non_effect_allele": "A2", "beta": "BETA", "se": "SE"}
    gwas = read_gwas(folder("31_varid_nokeep") / "gwas.txt.gz", columns=columns, keep_non_rsid=True)
    table = s_predixcan(gwas, *files("31_varid_nokeep"), progress=False)
    assert table.attrs["snp_key"] == "varID"
    assert_same_numbers(table, metaxcan("01_beta_se"), rel=1e-6)


def test_a_model_without_phi_is_named():
    given = options("36_phi_absent")
    asked = {"gwas_n": float(given["gwas_N"]), "heritability": float(given["gwas_h2"])}
    with pytest.raises(InputError, match=r"the model has no phi.*scomics_lite.twas.phi\(dosages, model\)"):
        ours("36_phi_absent", **asked)
    # With a phi, MetaXcan's formula.
    model = read_model(folder("36_phi_absent") / "model.db")
    phi = pd.Series(np.linspace(-1e-6, 2e-5, len(model)), model.genes)
    model = PredictionModel(model.weights, model.extra.assign(phi=model.extra["gene"].map(phi)))
    table = s_predixcan(gwas_of("36_phi_absent"), model, files("36_phi_absent")[1], progress=False, **asked)
    plain = metaxcan("01_beta_se").set_index("gene")["zscore"]
    expected = plain / np.sqrt(1 + phi.clip(lower=0)[plain.index] * 300_000 * 0.5)
    assert table["zscore"].to_numpy() == pytest.approx(expected[table["gene"]].to_numpy(), rel=1e-6)
    assert table["uncalibrated_zscore"].to_numpy() == pytest.approx(plain[table["gene"]].to_numpy(), rel=1e-6)


def test_models_of_single_snps_need_no_covariance_but_a_variance():
    model = read_model(folder("37_single_snp_model") / "model.db")
    ones = {gene: pd.DataFrame(1.0, model.of(gene)["rsid"], model.of(gene)["rsid"]) for gene in model.genes}
    table = s_predixcan(gwas_of("37_single_snp_model"), model, Covariances.from_matrices(ones), progress=False)
    assert_same_numbers(table, metaxcan("37_single_snp_model"), rel=1e-6)


def test_an_effect_without_error_or_p_value_is_refused():
    with pytest.raises(InputError, match="a z-score needs zscore; or pvalue with"):
        ours("50_beta_only")


def test_a_snp_of_two_genes_with_opposite_coding_is_right_for_both():
    # In MetaXcan one coding wins for both genes. A gene that counts the other alleles has weights of the other sign,
    # and covariances with SNPs that keep their alleles, too; so the answer is that of consistent coding.
    case = "34_shared_snp_same_coding"
    model, covariance = read_model(folder(case) / "model.db"), read_covariance(folder(case) / "cov.txt.gz")
    weights = model.weights.copy()
    shared = weights["rsid"].duplicated(keep=False)
    turned = shared & weights["rsid"].duplicated()  # the second gene of each
    assert 0 < turned.sum() < shared.sum()
    gene = weights["gene"].where(turned).dropna().unique()
    weights.loc[turned, ["ref_allele", "eff_allele"]] = weights.loc[turned, ["eff_allele", "ref_allele"]].to_numpy()
    weights.loc[turned, "weight"] *= -1
    matrices = {}
    for name in covariance.genes:
        sign = np.where(covariance.of(name).index.isin(weights.loc[turned & (weights["gene"] == name), "rsid"]), -1, 1)
        matrices[name] = covariance.of(name) * np.outer(sign, sign)
    recoded = PredictionModel(weights, model.extra)
    table = s_predixcan(gwas_of(case), recoded, Covariances.from_matrices(matrices), progress=False)
    assert_same_numbers(table, metaxcan(case), rel=1e-6)
    assert (table.set_index("gene").loc[gene, "n_flipped"] > 0).all()


def test_the_ledger_has_what_metaxcan_s_additional_output_says():
    case = "38_additional_output"
    table, ledger = s_predixcan(gwas_of(case), *files(case), ledger=True, progress=False)
    used = ledger[ledger["used"]].assign(weight=ledger["weight"].abs(), z=ledger["gwas_zscore"].abs())
    largest = used.groupby("gene")[["weight", "z"]].max()
    expected = metaxcan(case).set_index("gene").loc[largest.index]
    assert largest["weight"].to_numpy() == pytest.approx(expected["largest_weight"].to_numpy(), rel=1e-12)
    smallest = 2 * stats.norm.sf(largest["z"])
    assert np.log(smallest) == pytest.approx(np.log(expected["best_gwas_p"].to_numpy()), rel=1e-6)
    assert table["gene"].tolist() == metaxcan(case)["gene"].tolist()
