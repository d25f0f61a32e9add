"""The elastic net against R's glmnet, on people that the repository holds itself.

tests/reference/README.md says what the tables are. Tolerance: 1e-6 of the largest weight; glmnet was told to go on
until 1e-22 of the variance. Lambdas 1e-10.
"""

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scomics_lite import twas

FOLDER = Path(__file__).parents[1] / "reference"
PROVENANCE = json.loads((FOLDER / "glmnet_provenance.json").read_text())


@cache
def table(name):
    return pd.read_csv(FOLDER / f"glmnet_{name}.tsv.gz", sep="\t")


CASES = table("cases").set_index("case")


@cache
def case(name):
    """Dosages, expression, folds and settings of a case."""
    row = CASES.loc[name]
    people = table("people").query("people == @row.people")
    people = people.dropna(axis="columns").reset_index(drop=True)
    settings = {"mixing": float(row["mixing"]), "standardize": bool(row["standardize"])}
    return people.filter(regex="^rs").astype(np.int8), people["y"] * row["units"], people["fold"].to_numpy(), settings


@pytest.mark.parametrize("name", CASES.index)
def test_weights_are_those_of_glmnet_at_the_same_lambda(name):
    dosages, y, _, settings = case(name)
    theirs = table("coefficients").query("case == @name").pivot_table(index="lambda", columns="snp", values="weight")
    theirs = theirs.sort_index(ascending=False).fillna(0.0)
    path = twas.elastic_net_path(dosages, y, lambdas=theirs.index, **settings)
    np.testing.assert_allclose(path.lambdas, theirs.index, rtol=1e-14)
    beside = theirs.drop(columns="(Intercept)").reindex(columns=dosages.columns, fill_value=0.0)
    if settings["mixing"] == 1:  # of SNPs in perfect LD the lasso takes either: what is unique is the prediction
        ours = path.coefficients @ dosages.T + path.intercepts[:, None]
        beside = beside @ dosages.T + theirs["(Intercept)"].to_numpy()[:, None]
    else:
        ours = path.coefficients
    np.testing.assert_allclose(ours, beside, atol=1e-6 * np.abs(beside.to_numpy()).max(), rtol=0)
    if settings["mixing"] < 1:
        np.testing.assert_allclose(path.intercepts, theirs["(Intercept)"], rtol=1e-6)


@pytest.mark.parametrize("name", CASES.index)
def test_the_default_path_has_glmnet_s_lambdas_and_ends_where_it_ends(name):
    dosages, y, _, settings = case(name)
    theirs = table("paths").query("case == @name")
    path = twas.elastic_net_path(dosages, y, **settings)
    np.testing.assert_allclose(path.lambdas, theirs["lambda"], rtol=1e-10)
    first = int(settings["mixing"] == 0)  # ridge regression: glmnet's first weights are those of an infinite lambda
    np.testing.assert_allclose(path.deviance_ratio[first:], theirs["dev_ratio"][first:], atol=1e-7)


@pytest.mark.parametrize("name", CASES.index[CASES["folds"] == 1])
def test_errors_and_choices_are_those_of_cv_glmnet_on_the_same_folds(name):
    dosages, y, folds, settings = case(name)
    theirs = table("errors").query("case == @name")
    fit = twas.fit_elastic_net(dosages, y, folds=folds, lambdas=theirs["lambda"], **settings)
    np.testing.assert_allclose(fit.path["error"], theirs["cvm"], rtol=1e-6)
    np.testing.assert_allclose(fit.path["error_sd"], theirs["cvsd"], rtol=1e-5)
    assert fit.lambda_ == pytest.approx(theirs.loc[theirs["min"] == 1, "lambda"].item(), rel=1e-14)
    careful = twas.fit_elastic_net(dosages, y, folds=folds, lambdas=theirs["lambda"], choice="1se", **settings)
    assert careful.lambda_ == pytest.approx(theirs.loc[theirs["one_se"] == 1, "lambda"].item(), rel=1e-14)


def test_the_tables_are_as_they_were_made():
    for name, sha256 in PROVENANCE["sha256"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == sha256, name
