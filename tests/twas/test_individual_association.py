"""PrediXcan against MetaXcan's output, against statsmodels, and on tables as users bring them."""

import os
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import sparse

from scomics_lite.twas.associations.individual_association import predixcan
from scomics_lite.validation import InputError

REFERENCE = os.environ.get("SCOMICS_LITE_REFERENCE")
needs_reference = pytest.mark.skipif(not REFERENCE, reason="SCOMICS_LITE_REFERENCE names no folder")
PEOPLE = pd.Index([f"p{i}" for i in range(60)])


def case(name):
    """Expression, phenotypes, covariates and the output of a run of PrediXcanAssociation.py."""
    folder = Path(REFERENCE) / "twas" / name
    expression, phenotypes, covariates, output = (
        pd.read_csv(folder / f"{file}.txt", sep="\t") for file in ("pred", "pheno", "covariates", "out")
    )
    expression, phenotypes = (table.set_index("IID").drop(columns="FID") for table in (expression, phenotypes))
    return expression, phenotypes, covariates.set_axis(phenotypes.index).drop(columns="FID"), output


def assert_same(table, output):
    assert table["gene"].tolist() == output["gene"].tolist()
    assert table["n_samples"].tolist() == output["n_samples"].tolist()
    assert (table["status"] == "ok").all()
    np.testing.assert_allclose(table[["effect", "se", "zscore"]], output[["effect", "se", "zscore"]], rtol=1e-10)
    np.testing.assert_allclose(np.log(table["pvalue"]), np.log(output["pvalue"]), rtol=1e-10, atol=1e-10)


@needs_reference
def test_linear_association_is_metaxcan_s():
    expression, phenotypes, _, output = case("61_assoc_linear")
    with pytest.warns(UserWarning, match="-999 stands for a missing value in 4 of 400"):
        assert_same(predixcan(expression, phenotypes["pheno"]), output)


@needs_reference
def test_logistic_association_is_metaxcan_s():
    expression, phenotypes, _, output = case("62_assoc_logistic")
    assert_same(predixcan(expression, phenotypes["case"], family="logistic"), output)


@needs_reference
def test_covariates_taken_out_of_the_phenotype_alone_give_metaxcan_s_numbers():
    expression, phenotypes, covariates, output = case("63_assoc_covariates")
    phenotype = phenotypes["pheno"].where(phenotypes["pheno"] != -999)
    assert_same(predixcan(expression, phenotype, covariates, adjust="phenotype"), output)


@pytest.fixture
def study():
    rng = np.random.default_rng(6)
    covariates = pd.DataFrame(rng.normal(size=(60, 2)), PEOPLE, ["c1", "c2"])
    expression = pd.DataFrame(rng.normal(size=(60, 7)), PEOPLE, [f"g{i}" for i in range(7)])
    expression["g0"] += covariates["c1"]
    expression.iloc[:5, 1] = np.nan
    expression.iloc[10, 2] = np.nan
    phenotype = 3 + 0.8 * expression["g0"] + covariates["c1"] + rng.normal(size=60)
    return expression, phenotype, covariates


def oracle(model, expression, phenotype, covariates, gene):
    design = sm.add_constant(expression[[gene]].join(covariates))
    known = design.notna().all(axis=1) & phenotype.notna()
    return getattr(sm, model)(phenotype[known], design[known]), known.sum()


def compare_with_oracle(table, model, study, **fit):
    table = table.set_index("gene")
    for gene in study[0]:
        regression, n = oracle(model, *study, gene)
        expected = regression.fit(**fit)
        wanted = [expected.params[gene], expected.bse[gene], expected.tvalues[gene], expected.pvalues[gene], n]
        np.testing.assert_allclose(table.loc[gene, table.columns[:5]].to_numpy(float), wanted, rtol=1e-8)


def test_linear_association_is_the_whole_regression(study):
    study[1].iloc[3] = np.nan
    compare_with_oracle(predixcan(*study), "OLS", study)


def test_logistic_association_is_the_whole_regression(study):
    expression, phenotype, covariates = study
    study = expression, (phenotype > 3).astype(float), covariates
    compare_with_oracle(predixcan(*study, family="logistic"), "Logit", study, disp=False, tol=1e-12)


def test_covariates_out_of_the_phenotype_alone_miss_what_is_correlated_with_them():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(20_000, 1))
    expression = pd.DataFrame(shared * np.sqrt([0.5, 0.0]) + rng.normal(size=(20_000, 2)) * np.sqrt([0.5, 1.0]))
    phenotype = 0.2 * expression.sum(axis=1) + shared[:, 0] + rng.normal(size=20_000)
    whole, part = (
        predixcan(expression, phenotype, shared, adjust=one).sort_values("gene") for one in ("both", "phenotype")
    )
    np.testing.assert_allclose(whole["effect"], 0.2, atol=0.04)
    np.testing.assert_allclose(part["effect"] / whole["effect"], [0.5, 1.0], atol=0.02)  # 1 - R²
    np.testing.assert_allclose(part["zscore"] / whole["zscore"], [0.5**0.5, 1.0], atol=0.02)


def test_both_forms_of_adjustment_keep_their_error_rate_under_the_null():
    rng = np.random.default_rng(1)
    covariates, expression = rng.normal(size=(40, 4)), rng.normal(size=(40, 4_000))
    phenotype = covariates.sum(axis=1) + rng.normal(size=40)
    share = (predixcan(expression, phenotype, covariates)["pvalue"] < 0.05).mean()
    assert abs(share - 0.05) < 0.02


def test_a_gene_without_numbers_says_why(study):
    expression, phenotype, covariates = study
    expression = expression.assign(flat=2.0, same=covariates["c1"] * 3 - 1, rare=np.nan, unknown=np.nan)
    expression.loc[PEOPLE[:3], "rare"] = [1.0, 2.0, 3.0]
    table = predixcan(expression, phenotype, covariates).set_index("gene")
    odd = ["flat", "same", "rare", "unknown"]
    assert table["status"].drop(odd).eq("ok").all()
    assert table["status"][odd].tolist() == ["constant", "constant", "too few people", "no prediction"]
    assert table.loc[odd, ["effect", "se", "zscore", "pvalue"]].isna().all(axis=None)
    assert table["n_samples"]["rare"] == 3


def test_a_gene_that_separates_cases_from_controls_is_named(study):
    expression, phenotype, covariates = study
    cases = (phenotype > 3).astype(int)
    expression = expression.assign(
        apart=cases + 0.1 * np.arange(60) / 60, nearly=cases.where(cases == 0, np.arange(60))
    )
    expression["flat"] = 1.0
    table = predixcan(expression, cases, covariates, family="logistic").set_index("gene")
    assert table["status"][["apart", "nearly", "flat"]].tolist() == ["separated", "separated", "constant"]
    assert table["effect"][["apart", "nearly", "flat"]].isna().all()
    assert table["status"].drop(["apart", "nearly", "flat"]).eq("ok").all()


def test_logistic_fits_arrive_from_far_away():
    rng = np.random.default_rng(2)
    expression = pd.DataFrame({"g": np.r_[rng.normal(size=498), 40.0, -30.0]}) * 1e-6 + 5
    cases = pd.Series((rng.random(500) < 0.03).astype(int))
    table = predixcan(expression, cases, family="logistic")
    x = (expression["g"] - 5) * 1e6
    expected = sm.Logit(cases, sm.add_constant(x)).fit(disp=False, tol=1e-12)
    np.testing.assert_allclose(table["zscore"][0], expected.tvalues["g"], rtol=1e-6)


def test_people_are_matched_by_name_and_the_unmatched_are_told(study):
    expression, phenotype, covariates = study
    whole = predixcan(*study)
    pd.testing.assert_frame_equal(
        predixcan(expression, phenotype[::-1], covariates.sample(frac=1, random_state=0)), whole
    )
    with pytest.warns(UserWarning, match="50 people are in expression and phenotype; left out: 10 only in expression"):
        assert predixcan(expression, phenotype[10:], covariates)["n_samples"].max() == 50


def test_anndata_arrays_and_tables_give_the_same(study):
    expression, phenotype, covariates = study
    held = anndata.AnnData(expression.to_numpy(), pd.DataFrame(index=PEOPLE), pd.DataFrame(index=expression.columns))
    pd.testing.assert_frame_equal(predixcan(held, phenotype, covariates), predixcan(*study))
    plain = predixcan(expression.to_numpy(), phenotype.to_numpy(), covariates.to_numpy())
    assert plain["zscore"].tolist() == predixcan(*study)["zscore"].tolist()
    assert plain["gene"].tolist()[0] == 0


def test_more_genes_than_fit_into_a_block_are_the_same_as_one_by_one():
    rng = np.random.default_rng(3)
    expression = pd.DataFrame(rng.normal(size=(1_000, 150)))
    phenotype, cases = rng.normal(size=1_000), rng.integers(0, 2, 1_000)
    for y, family in ((phenotype, "linear"), (cases, "logistic")):
        table = predixcan(expression, y, family=family).set_index("gene")
        alone = pd.concat([predixcan(expression[[gene]], y, family=family) for gene in (0, 70, 149)])
        np.testing.assert_allclose(table.loc[alone["gene"], "zscore"], alone["zscore"], rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phenotype": pd.Series(1.0, [f"q{i}" for i in range(60)])}, "nobody is in both: expression has 'p0'.*'q0'"),
        ({"phenotype": np.ones(59)}, "expression has 60 people and phenotype 59"),
        ({"phenotype": pd.Series("tall", PEOPLE)}, "phenotype: numbers are needed.*'tall'"),
        ({"phenotype": pd.Series(np.inf, PEOPLE)}, "60 of 60 values are infinite"),
        ({"phenotype": pd.DataFrame({"a": 1.0, "b": 1.0}, PEOPLE)}, "one column is needed, got 2"),
        ({"phenotype": pd.Series(1.0, PEOPLE[[0] * 60])}, "phenotype: person 'p0' comes 60 times"),
        ({"phenotype": pd.Series(np.nan, PEOPLE)}, "0 of 60 people in expression have phenotype"),
        ({"expression": pd.DataFrame({"g": -np.inf}, PEOPLE)}, "expression: column 'g' has an infinite value"),
        ({"covariates": pd.DataFrame({"sex": "f"}, PEOPLE)}, "covariates: column 'sex' holds .*get_dummies"),
        ({"covariates": pd.DataFrame({"sex": np.nan}, PEOPLE)}, "covariate 'sex' is missing for everybody"),
        ({"family": "logit"}, "family='logit': did you mean 'logistic'"),
        ({"family": "logistic"}, "takes 0 for controls and 1 for cases; the phenotype has"),
        ({"family": "logistic", "phenotype": pd.Series([1, 2] * 30, PEOPLE)}, "PLINK writes 1, 2"),
        ({"family": "logistic", "phenotype": pd.Series(1, PEOPLE)}, "both groups are needed"),
        ({"adjust": "expression"}, "adjust='expression'"),
        ({"expression": pd.DataFrame()}, "a table with people in rows is needed"),
        ({"expression": pd.DataFrame({"FID": "F0"}, PEOPLE)}, "column 'FID' holds .*set_index"),
    ],
)
def test_tables_that_do_not_fit_are_named(study, change, message):
    arguments = dict(zip(("expression", "phenotype", "covariates"), study, strict=True)) | change
    with pytest.raises(InputError, match=message):
        predixcan(**arguments)


def test_the_advice_for_plink_s_codes_works(study):
    phenotype = pd.Series([1, 2, 2, -9] * 15, PEOPLE)
    with pytest.raises(InputError, match=r"phenotype.where\(phenotype.isin\(\[1, 2\]\)\) - 1"):
        predixcan(study[0], phenotype, family="logistic")
    table = predixcan(study[0], phenotype.where(phenotype.isin([1, 2])) - 1, family="logistic")
    assert table["n_samples"].max() == 45


def test_sparse_expression_is_taken(study):
    expression, phenotype, _ = study
    held = anndata.AnnData(sparse.csr_matrix(expression.fillna(0)), pd.DataFrame(index=PEOPLE))
    held.var_names = expression.columns
    pd.testing.assert_frame_equal(predixcan(held, phenotype), predixcan(expression.fillna(0), phenotype))


def test_covariates_that_tell_the_cases_leave_nothing(study):
    cases = (study[1] > 3).astype(int)
    with pytest.raises(InputError, match="covariates alone tell cases from controls"):
        predixcan(study[0], cases, pd.DataFrame({"clinic": cases * 2 + 1}), family="logistic")


def test_covariates_that_repeat_each_other_cost_one_degree_of_freedom(study):
    expression, phenotype, covariates = study
    more = covariates.assign(again=covariates["c1"] * 2 + 1, one=1.0)
    pd.testing.assert_frame_equal(predixcan(expression, phenotype, more), predixcan(*study))


def test_names_as_numbers_and_as_texts_are_told_apart(study):
    expression, phenotype = (table.set_axis(range(100, 160), axis=0) for table in study[:2])
    texts = phenotype.set_axis(phenotype.index.astype(str))
    with pytest.raises(InputError, match=r"expression has 100, 101, 102 …, phenotype has '100'.*index.astype\(str\)"):
        predixcan(expression, texts)
    expression.index = expression.index.astype(str)
    assert predixcan(expression, texts)["n_samples"].max() == 60
