"""Inputs of the four steps in other files, steps that find nothing, and tables that cannot be used, each by name."""

import shutil

import anndata
import numpy as np
import pandas as pd
import pytest
from fixtures import dna_studies

from scomics_lite import dna, twas
from scomics_lite.twas.steps import four_steps
from scomics_lite.twas.steps.input_checks import check_gwas
from scomics_lite.twas.steps.inputs import read_inputs, read_people, shared_genes
from scomics_lite.twas.steps.prediction_files import read_predictions, write_predictions
from scomics_lite.twas.steps.results import model_files
from scomics_lite.validation import InputError

pytestmark = pytest.mark.filterwarnings("ignore:.* SNPs are left out, by the first rule:UserWarning")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    dna_studies.write_study(folder)
    return folder


@pytest.fixture(scope="module")
def work(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    twas.scpredixcan(folder, **dna_studies.settings(study))
    return folder


def inputs_of(study, **changes):
    given = dna_studies.settings(study) | {"features": None} | changes
    names = ("genome", "genes", "cells", "people", "gwas")
    others = {name: given[name] for name in ("featuriser", "features", "split")}
    return read_inputs(*(given[name] for name in names), **others)


def test_people_can_be_in_a_vcf_an_h5ad_or_plink_s_files(study, tmp_path):
    people = read_people(study / "people.vcf")
    people.write_h5ad(tmp_path / "people.h5ad")
    again = read_people(tmp_path / "people.h5ad")
    np.testing.assert_array_equal(again.layers["haplotype1"], people.layers["haplotype1"])
    assert again.var["varID"].tolist() == people.var["varID"].tolist()
    twas.write_plink(people, tmp_path / "people")
    np.testing.assert_array_equal(read_people(tmp_path / "people").to_df(), people.to_df())


def test_another_column_is_asked_for_where_names_are_strange_and_it_works(study):
    genes = dna.read_annotation(study / "genes.csv")
    cells = anndata.read_h5ad(study / "cells.h5ad")
    cells.var["ids"], cells.var_names = cells.var_names, "probe" + pd.RangeIndex(cells.n_vars).astype(str)
    with pytest.raises(InputError, match=r"Is another column .* cells.var_names = cells.var\[COLUMN\]"):
        shared_genes(genes, cells.var_names)
    assert len(shared_genes(genes, pd.Index(cells.var["ids"]))) == len(genes)


def test_a_split_that_is_no_series_is_told_and_the_one_named_works(study):
    with pytest.raises(InputError, match="split is a Series by gene, as chromosome_split gives it; got dict"):
        inputs_of(study, split={"ENSG00001": "train"})
    genes = dna.read_annotation(study / "genes.csv")
    split = twas.chromosome_split(genes, validation=["2"], test=["3"])
    assert inputs_of(study, split=split).split.eq(split).all()


def test_a_gwas_with_few_of_the_snps_is_told_of():
    snps = pd.DataFrame({"ref_allele": "A", "eff_allele": "G"}, [f"rs{i}" for i in range(20)])
    gwas = pd.DataFrame({"snp": ["rs3"], "effect_allele": "A", "non_effect_allele": "G", "zscore": 1.0})
    with pytest.warns(UserWarning, match=r"the GWAS 'height' has 5.0% of the panel's 20 SNPs near genes"):
        check_gwas(snps, gwas, "height")


def test_predictions_that_are_the_same_for_everybody_end_with_a_table_that_says_so(study, work, tmp_path):
    predicted = read_predictions(work / "2_people" / "expression.h5ad")
    for layer in predicted.layers.values():
        layer[:] = 0.5
    write_predictions(predicted, tmp_path / "expression.h5ad")
    settings = {"window": 200, "progress": False}
    with (
        pytest.raises(InputError, match=r"no gene has a linear model, of 24: .*fidelity.csv says why, gene by gene"),
        pytest.warns(UserWarning, match="no gene is kept in 2 of 2 cell types"),
    ):
        four_steps.linear(inputs_of(study), tmp_path / "expression.h5ad", settings, tmp_path, tmp_path)
    assert set(pd.read_csv(tmp_path / "fidelity.csv")["status"]) == {"constant prediction"}


def test_a_cell_type_without_models_is_told_of_and_the_others_are_tested(study, work, tmp_path):
    shutil.copytree(work / "3_linear", tmp_path / "linear")
    path = model_files(tmp_path / "linear")["B"]
    model = twas.read_model(path)
    empty = twas.PredictionModel(model.weights.iloc[:0], model.extra.iloc[:0], model.others)
    empty.write(path, overwrite=True)
    gwas = twas.read_gwas(study / "gwas.txt")
    with pytest.warns(UserWarning, match="no gene has a linear model in B: nothing is tested there"):
        four_steps.associate(gwas, tmp_path / "linear", False, tmp_path, tmp_path)
    assert set(pd.read_csv(tmp_path / "association.csv")["cell_type"]) == {"CD4+ T"}
