"""Predicted expression against a plain loop, whichever allele, strand or name the dosages have."""

import anndata
import numpy as np
import pandas as pd
import pytest

from scomics_lite.twas.associations.prediction import predict_expression
from scomics_lite.twas.exchange.models import PredictionModel
from scomics_lite.validation import InputError

ALLELES = [("A", "G"), ("C", "A"), ("G", "T"), ("AT", "A"), ("C", "T"), ("T", "G")]
OTHER_STRAND = str.maketrans("ACGT", "TGCA")


def make_model(n_snps=30, n_genes=8, seed=0):
    rng = np.random.default_rng(seed)
    alleles = [ALLELES[i % len(ALLELES)] for i in range(n_snps)]
    rows = [
        (f"rs{snp}", f"g{gene}", rng.normal(), *alleles[snp])
        for gene in range(n_genes)
        for snp in rng.choice(n_snps, 6, replace=False)
    ]
    weights = pd.DataFrame(rows, columns=["rsid", "gene", "weight", "ref_allele", "eff_allele"])
    places = weights["rsid"].str[2:].astype(int) * 100 + 1
    weights["varID"] = "chr7_" + places.astype(str) + "_" + weights["ref_allele"] + "_" + weights["eff_allele"] + "_b38"
    return PredictionModel(weights)


def make_dosages(n_snps=30, n=25, seed=1, missing=0.0):
    rng = np.random.default_rng(seed)
    x = rng.binomial(2, 0.4, (n, n_snps)).astype(np.float32)
    x[rng.random(x.shape) < missing] = np.nan
    snps = pd.DataFrame([ALLELES[i % len(ALLELES)] for i in range(n_snps)], columns=["ref_allele", "eff_allele"])
    snps = snps.assign(chromosome="7", position=np.arange(n_snps) * 100 + 1).set_axis([f"rs{i}" for i in range(n_snps)])
    return anndata.AnnData(x, pd.DataFrame(index=[f"p{i}" for i in range(n)]), snps)


def plain_loop(dosages, model):
    table = dosages.to_df().astype(float)
    table = table.fillna(table.mean())
    predicted = pd.DataFrame(0.0, table.index, model.genes)
    for row in model.weights.itertuples():
        predicted[row.gene] += row.weight * table[row.rsid]
    return predicted


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_sums_are_those_of_a_plain_loop(missing, monkeypatch):
    model, dosages = make_model(), make_dosages(missing=missing)
    expected = plain_loop(dosages, model)
    predicted = predict_expression(dosages, model)
    assert predicted.index.equals(dosages.obs_names)
    assert predicted.columns.tolist() == model.genes.tolist()
    np.testing.assert_allclose(predicted, expected, rtol=0, atol=1e-8)
    monkeypatch.setattr("scomics_lite.twas.associations.prediction.NUMBERS", 100)
    np.testing.assert_allclose(predict_expression(dosages, model), expected, rtol=0, atol=1e-8)


def test_small_integers_and_tables_give_the_same():
    model, dosages = make_model(), make_dosages()
    expected = predict_expression(dosages, model)
    table = dosages.to_df()
    dosages.X = dosages.X.astype(np.int8)
    pd.testing.assert_frame_equal(predict_expression(dosages, model), expected)
    np.testing.assert_allclose(predict_expression(table, model), expected, atol=1e-8)


def test_the_other_allele_and_the_other_strand_change_nothing():
    model, dosages = make_model(), make_dosages(missing=0.1)
    expected = predict_expression(dosages, model)
    turned = dosages.copy()
    flips = np.arange(30) % 3 == 0
    turned.X[:, flips] = 2 - turned.X[:, flips]
    ref, eff = turned.var["ref_allele"].copy(), turned.var["eff_allele"].copy()
    turned.var["ref_allele"], turned.var["eff_allele"] = np.where(flips, eff, ref), np.where(flips, ref, eff)
    letters = turned.var["ref_allele"].str.len().eq(1) & turned.var["eff_allele"].str.len().eq(1)
    strand = letters & (np.arange(30) % 2 == 0)
    for name in ("ref_allele", "eff_allele"):
        other = turned.var[name].str.translate(OTHER_STRAND).str.lower()
        turned.var[name] = turned.var[name].where(~strand, other)
    predicted, report = predict_expression(turned, model, report=True)
    np.testing.assert_allclose(predicted, expected, atol=1e-8)
    snp = model.weights["rsid"].str[2:].astype(int)
    by_gene = model.weights["gene"]
    assert report["n_flipped"].tolist() == pd.Series(flips[snp]).groupby(by_gene, sort=False).sum().tolist()
    assert (
        report["n_strand"].tolist()
        == strand.iloc[snp].reset_index(drop=True).groupby(by_gene, sort=False).sum().tolist()
    )
    assert report["n_snps_used"].eq(6).all()


def test_palindromic_snps_are_taken_as_written_and_counted():
    weights = pd.DataFrame({"rsid": ["rs1", "rs2"], "gene": "g", "weight": [1.0, 10.0]})
    model = PredictionModel(weights.assign(ref_allele=["A", "C"], eff_allele=["T", "G"]))
    snps = pd.DataFrame({"ref_allele": ["A", "G"], "eff_allele": ["T", "C"]}, index=["rs1", "rs2"])
    dosages = anndata.AnnData(np.array([[0.0, 0], [2, 1]]), pd.DataFrame(index=["a", "b"]), snps)
    predicted, report = predict_expression(dosages, model, report=True)
    assert predicted["g"].tolist() == [20.0, 12.0]
    assert report[["n_palindromic", "n_flipped", "n_strand"]].iloc[0].tolist() == [2, 1, 0]


@pytest.mark.parametrize("by", ["varID", "place in a column", "place in a name", "varID in a column"])
def test_snps_are_found_by_any_of_their_names(by):
    model, dosages = make_model(), make_dosages()
    expected = predict_expression(dosages, model)
    varid = [f"chr7_{snp.position}_{snp.ref_allele}_{snp.eff_allele}_b38" for snp in dosages.var.itertuples()]
    if by == "varID":
        dosages.var_names = varid
    elif by == "place in a name":
        dosages.var_names = [f"7:{place}" for place in dosages.var["position"]]
    else:
        dosages.var_names = [f"probe{i}" for i in range(30)]
        dosages.var["varID"] = varid if by == "varID in a column" else "none"
    pd.testing.assert_frame_equal(predict_expression(dosages, model), expected)


def test_of_two_snps_at_a_place_the_one_with_the_model_s_alleles_counts():
    model, dosages = make_model(), make_dosages()
    expected = predict_expression(dosages, model)
    twin = dosages.copy()
    twin.X[:] = 2
    twin.var["eff_allele"] = "TTT"
    both = anndata.concat([twin, dosages], axis=1, index_unique="-")
    both.var = pd.concat([twin.var, dosages.var]).set_axis(both.var_names)
    both.var_names = [f"s{i}" for i in range(60)]
    pd.testing.assert_frame_equal(predict_expression(both, model), expected)


def test_snps_that_are_missing_are_named_and_a_gene_without_any_is_nan():
    model, dosages = make_model(), make_dosages()
    lost = model.of("g3")["rsid"]
    some = dosages[:, ~dosages.var_names.isin(lost)].copy()
    with pytest.warns(UserWarning, match=r"1 of 8 genes have no SNP .* 'g3'. Their SNPs are 'rs\d+'.*dosages have 'rs"):
        predicted, report = predict_expression(some, model, report=True)
    assert predicted.columns[predicted.isna().any()].tolist() == ["g3"]
    report = report.set_index("gene")
    assert report.loc["g3", "missing"] == ",".join(lost)
    assert (report["n_snps_used"] + report["missing"].str.count("rs") == 6).all()


def test_a_snp_that_nobody_has_a_dosage_of_is_missing():
    model, dosages = make_model(), make_dosages()
    snp = model.of("g0")["rsid"].iloc[0]
    without = dosages[:, dosages.var_names != snp].copy()
    dosages.X[:, dosages.var_names.get_loc(snp)] = np.nan
    predicted, report = predict_expression(dosages, model, report=True)
    pd.testing.assert_frame_equal(predicted, predict_expression(without, model))
    assert report["missing"][0] == snp


def test_snps_with_other_alleles_are_left_out_and_counted():
    model, dosages = make_model(), make_dosages()
    snp = model.of("g0")["rsid"].iloc[0]
    dosages.var.loc[snp, "eff_allele"] = "CCC"
    predicted, report = predict_expression(dosages, model, report=True)
    assert report["n_other_alleles"].sum() == (model.weights["rsid"] == snp).sum()
    pd.testing.assert_frame_equal(predicted, predict_expression(dosages[:, dosages.var_names != snp].copy(), model))


def test_dosages_without_any_snp_of_the_model_are_refused_and_the_advice_works():
    model, dosages = make_model(), make_dosages()
    expected = predict_expression(dosages, model)
    renamed = dosages.to_df().set_axis([f"probe{i}" for i in range(30)], axis=1)
    with pytest.raises(
        InputError, match=r"none of the model's 23 SNPs.*calls them 'rs.*call theirs 'probe0'.*chromosome"
    ):
        predict_expression(renamed, model)
    placed = anndata.AnnData(renamed, var=dosages.var.set_axis(renamed.columns))
    pd.testing.assert_frame_equal(predict_expression(placed, model), expected, check_names=False)


def test_alleles_that_never_fit_are_refused():
    dosages = make_dosages()
    dosages.var["ref_allele"], dosages.var["eff_allele"] = "GGG", "GGGA"
    with pytest.raises(InputError, match=r"have other alleles: ./.*GGG/GGGA here.*same build"):
        predict_expression(dosages, make_model())


def test_few_of_the_model_s_snps_are_told():
    weights = pd.DataFrame({"rsid": [f"rs{i}" for i in range(20)], "gene": "g", "weight": 1.0})
    model = PredictionModel(weights.assign(ref_allele="A", eff_allele="G"))
    with pytest.warns(UserWarning, match="only 5.0% of the model's weights are used"):
        predict_expression(pd.DataFrame({"rs3": [0, 1, 2]}), model)


def test_a_model_is_read_from_its_path(tmp_path):
    model, dosages = make_model(), make_dosages()
    model.write(tmp_path / "model.db")
    pd.testing.assert_frame_equal(
        predict_expression(dosages, tmp_path / "model.db"), predict_expression(dosages, model)
    )
