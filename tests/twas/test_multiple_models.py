"""MultiXcan against MulTiXcan's output and against statsmodels."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from scomics_lite.twas.associations.individual_association import predixcan
from scomics_lite.twas.associations.multiple_models import multixcan
from scomics_lite.validation import InputError

REFERENCE = os.environ.get("SCOMICS_LITE_REFERENCE")
needs_reference = pytest.mark.skipif(not REFERENCE, reason="SCOMICS_LITE_REFERENCE names no folder")
PEOPLE = pd.Index([f"p{i}" for i in range(80)])


@pytest.fixture
def study():
    rng = np.random.default_rng(4)
    shared = rng.normal(size=(80, 4))
    expressions = {
        name: pd.DataFrame(shared + spread * rng.normal(size=(80, 4)), PEOPLE, ["g0", "g1", "g2", "g3"])
        for name, spread in (("liver", 0.1), ("lung", 0.1), ("skin", 1.0))
    }
    covariates = pd.DataFrame(rng.normal(size=(80, 2)), PEOPLE)
    phenotype = pd.Series(shared[:, 0] + covariates[0] + rng.normal(size=80), PEOPLE)
    return expressions, phenotype, covariates


@needs_reference
def test_the_table_is_multixcan_s():
    folder = Path(REFERENCE) / "twas" / "64_multixcan"
    read = {name: pd.read_csv(folder / f"{name}.txt", sep="\t") for name in ("out", "coef", "loadings", "pheno")}
    expressions = {
        path.stem: pd.read_csv(path, sep="\t", index_col="IID").drop(columns="FID")
        for path in sorted((folder / "expr").iterdir())
    }
    phenotype = read["pheno"].set_index("IID")["pheno"]
    table, coefficients, loadings = multixcan(expressions, phenotype.where(phenotype != -999), details=True)
    output = read["out"].set_index("gene").loc[table["gene"]].reset_index()
    same = ["n_models", "n_samples", "m_i_best", "m_i_worst", "n_used"]
    pd.testing.assert_frame_equal(table[same], output[same])
    numbers = ["p_i_best", "p_i_worst", "max_eigen", "min_eigen", "min_eigen_kept"]
    np.testing.assert_allclose(table[numbers], output[numbers], rtol=1e-10)
    np.testing.assert_allclose(np.log(table["pvalue"]), np.log(output["pvalue"]), rtol=1e-10, atol=1e-12)
    assert (table["status"] == "ok").all()
    assert table["gene"].tolist() == read["out"]["gene"].tolist()
    merged = coefficients.merge(read["coef"], on=["gene", "variable"])
    assert len(merged) == len(coefficients)
    several = merged.groupby("gene")["variable"].transform("size") > 1
    np.testing.assert_allclose(merged["param_x"][several], merged["param_y"][several], rtol=1e-9, atol=1e-12)
    merged = loadings.merge(read["loadings"], on=["gene", "pc", "tissue"])
    merged = merged[merged.groupby("gene")["tissue"].transform("nunique") > 1]
    np.testing.assert_allclose(merged["weight_x"].abs(), merged["weight_y"].abs(), rtol=1e-9, atol=1e-12)


def test_without_truncation_it_is_the_f_test_of_all_models_beside_the_covariates(study):
    expressions, phenotype, covariates = study
    table = multixcan(*study, condition_number=1e12).set_index("gene")
    for gene in ("g0", "g3"):
        predictions = pd.DataFrame({name: one[gene] for name, one in expressions.items()})
        whole = sm.OLS(phenotype, sm.add_constant(predictions.join(covariates))).fit()
        part = sm.OLS(phenotype, sm.add_constant(covariates)).fit()
        np.testing.assert_allclose(table["pvalue"][gene], whole.compare_f_test(part)[1], rtol=1e-8)
        assert table["n_used"][gene] == 3


def test_the_effects_of_all_components_are_those_of_the_regression_on_standardised_predictions(study):
    expressions, phenotype, _ = study
    coefficients = multixcan(expressions, phenotype, condition_number=1e12, details=True)[1].set_index("gene")
    predictions = pd.DataFrame({name: one["g1"] for name, one in expressions.items()})
    predictions = (predictions - predictions.mean()) / predictions.std()
    expected = sm.OLS(phenotype, sm.add_constant(predictions)).fit().params[1:]
    np.testing.assert_allclose(coefficients.loc["g1", "param"], expected, rtol=1e-8)


def test_models_that_hardly_differ_count_as_one(study):
    table = multixcan({name: study[0][name] for name in ("liver", "lung")}, study[1])
    assert table["n_used"].tolist() == [1] * 4
    assert (table["max_eigen"] / table["min_eigen"] > 30).all()


def test_one_model_is_predixcan(study):
    expressions, phenotype, covariates = study
    table = multixcan({"skin": expressions["skin"]}, phenotype, covariates)
    alone = predixcan(expressions["skin"], phenotype, covariates)
    np.testing.assert_allclose(table["pvalue"], alone["pvalue"], rtol=1e-8)
    assert set(table["m_i_best"]) == {"skin"}


def test_genes_that_some_models_lack_and_models_that_do_not_vary(study):
    expressions, phenotype, _ = study
    expressions["liver"] = expressions["liver"].drop(columns="g0")
    expressions["lung"]["g1"] = 0.1
    for one in expressions.values():
        one["g2"] = 7.0
    expressions["skin"].loc[PEOPLE[2:], "g3"] = np.nan
    for one in expressions.values():
        one["g4"] = np.nan
    expressions["lung"]["g5"], expressions["skin"]["g5"] = expressions["lung"]["g0"], np.nan
    table = multixcan(expressions, phenotype).set_index("gene").sort_index()
    assert table["n_models"].tolist() == [2, 2, 0, 3, 0, 1]
    assert table["status"].tolist() == ["ok", "ok", "constant", "too few people", "no prediction", "ok"]
    assert table["pvalue"].isna().tolist() == [False, False, True, True, True, False]


def test_people_in_other_orders_are_matched_and_those_who_are_not_in_all_are_told(study):
    expressions, phenotype, covariates = study
    whole = multixcan(*study)
    expressions["lung"] = expressions["lung"][::-1]
    expressions["skin"] = expressions["skin"].sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(multixcan(expressions, phenotype[::-1], covariates), whole)
    expressions["lung"] = expressions["lung"][:60]
    phenotype = phenotype.loc[expressions["lung"].index]
    with pytest.warns(UserWarning, match="60 people are in expression of 'liver' and expression of 'lung'"):
        table = multixcan(expressions, phenotype)
    assert table["n_samples"].unique().tolist() == [60]
    known = {name: one.loc[phenotype.index] for name, one in expressions.items()}
    np.testing.assert_allclose(table["pvalue"], multixcan(known, phenotype)["pvalue"], rtol=1e-9)


def test_p_values_are_uniform_under_the_null():
    rng = np.random.default_rng(0)
    covariates = rng.normal(size=(40, 3))
    shared = rng.normal(size=(40, 1_500)) + covariates[:, :1]
    expressions = {name: shared + rng.normal(size=shared.shape) for name in "abc"}
    table = multixcan(expressions, covariates.sum(axis=1) + rng.normal(size=40), covariates)
    assert abs((table["pvalue"] < 0.05).mean() - 0.05) < 0.02
    assert abs((table["pvalue"] < 0.5).mean() - 0.5) < 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"condition_number": 0.5}, "condition_number is a ratio of eigenvalues, 1 or more; got 0.5"),
        ({"expressions": {}}, "expressions is a dict of models"),
        ({"expressions": {"liver": pd.DataFrame({"FID": "a"}, PEOPLE)}}, "expression of 'liver': column 'FID'"),
        ({"phenotype": np.ones(3)}, "expression has 80 people and phenotype 3"),
    ],
)
def test_tables_that_do_not_fit_are_named(study, change, message):
    arguments = dict(zip(("expressions", "phenotype", "covariates"), study, strict=True)) | change
    with pytest.raises(InputError, match=message):
        multixcan(**arguments)
