"""The four steps in one call: the numbers of the steps called one by one, done once, and refused before they begin."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from fixtures import dna_studies
from fixtures.dna_studies import EFFECTS, settings

from scomics_lite import differential, dna, twas
from scomics_lite.twas.steps.input_checks import check_inputs
from scomics_lite.twas.steps.inputs import read_inputs
from scomics_lite.validation import InputError

pytestmark = pytest.mark.filterwarnings("ignore:.* SNPs are left out, by the first rule:UserWarning")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    dna_studies.write_study(folder)
    return folder


@pytest.fixture(scope="module")
def work(study, tmp_path_factory):
    """A folder with all steps done; tests copy it."""
    folder = tmp_path_factory.mktemp("work")
    twas.scpredixcan(folder, **settings(study))
    return folder


def content(folder):
    files = (path for path in Path(folder).rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


# --- what comes out ---------------------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_steps_called_one_by_one(study, work):
    given = settings(study)
    genes, genome, gwas = given["genes"], dna.read_genome(given["genome"]), twas.read_gwas(given["gwas"])
    cells, people = anndata.read_h5ad(given["cells"]), twas.read_vcf(given["people"])
    percentiles = twas.expression_percentiles(differential.pseudobulk(cells, "donor", "cell_type"))
    features = twas.reference_features(genome, genes, given["featuriser"], progress=False)
    ctpred = given["ctpred"].fit(features, percentiles, given["split"], progress=False)
    near = genes[genes["chromosome"] == "3"]
    predicted = twas.personal_expression(genome, near, people, given["featuriser"], ctpred, progress=False)
    linear = twas.linearise(people, predicted, near, window=200, progress=False)
    tables = {
        name: twas.s_predixcan(gwas, model, linear.covariances[name], progress=False)
        for name, model in linear.models.items()
    }
    joint = twas.s_multixcan(tables, linear.models, linear.joint_covariances, gwas=gwas)

    result = twas.scpredixcan(work, **given)
    for name, table in tables.items():
        found = result.association[result.association["cell_type"] == name].drop(columns="cell_type")
        pd.testing.assert_frame_equal(found.reset_index(drop=True), table, check_dtype=False, rtol=1e-9)
    pd.testing.assert_frame_equal(result.multixcan, joint, check_dtype=False, rtol=1e-9)
    pd.testing.assert_frame_equal(result.fidelity, linear.fidelity, check_dtype=False)
    for name, model in linear.models.items():
        columns = ["gene", "rsid", "weight", "ref_allele", "eff_allele"]
        pd.testing.assert_frame_equal(result.models[name].weights[columns], model.weights[columns])
    test = result.performance.query("part == 'test' and model == 'ctPred'").set_index("cell_type")
    expected = twas.across_genes(ctpred.predict(features), percentiles, given["split"])
    pd.testing.assert_frame_equal(test[expected.columns], expected)
    assert set(result.performance["model"]) == {"ctPred", "ridge"}
    assert repr(result) == f"ScPrediXcanResult: 11 genes, cell types B, CD4+ T; in {work}"


def test_the_files_are_plain_ones_that_other_functions_read(study, work):
    genes = dna.read_annotation(study / "genes.csv")
    features = twas.read_features(work / "1_ctpred" / "features.h5ad")
    assert features.shape == (len(genes), 4)
    ctpred = twas.CtPred.read(work / "1_ctpred" / "ctpred.safetensors")
    predicted = pd.read_csv(work / "1_ctpred" / "predicted_ctpred.csv", index_col=0)
    np.testing.assert_allclose(ctpred.predict(features), predicted, rtol=1e-6)
    people = anndata.read_h5ad(work / "2_people" / "expression.h5ad")
    assert list(people.layers) == list(EFFECTS)
    model = twas.read_model(work / "3_linear" / "CD4+_T.db")
    assert set(twas.read_covariance(work / "3_linear" / "CD4+_T.txt.gz").genes) == set(model.genes)
    assert len(pd.read_csv(work / "4_association" / "association.csv")) == 22


def test_each_step_s_record_names_its_inputs(work):
    inputs = {path.parent.name: json.loads(path.read_text())["inputs"] for path in work.rglob("step.json")}
    own = {"genome", "annotation of genes", "featuriser"}
    assert set(inputs["1_ctpred"]) == own | {"set of cells", "split"}
    assert set(inputs["2_people"]) == own | {"panel of people", "1_ctpred/ctpred.safetensors"}
    assert set(inputs["3_linear"]) == {"annotation of genes", "panel of people", "2_people/expression.h5ad"}
    assert {"GWAS", "3_linear/B.db", "3_linear/CD4+_T.txt.gz"} <= set(inputs["4_association"])


# --- done once --------------------------------------------------------------------------------------------------------


def test_the_same_call_elsewhere_gives_the_same_bytes_and_again_changes_nothing(study, work, tmp_path):
    said = []
    twas.scpredixcan(tmp_path / "other", **settings(study, report=said.append))
    assert content(tmp_path / "other") == content(work)
    assert next(line for line in said if "minutes" in line).startswith("1_ctpred: 0.")
    again, times = [], {path: path.stat().st_mtime_ns for path in (tmp_path / "other").rglob("*.*")}
    twas.scpredixcan(tmp_path / "other", **settings(study, report=again.append))
    assert [line for line in again if line.endswith("was done before")] == [
        f"{step}: was done before" for step in ("1_ctpred", "2_people", "3_linear", "4_association")
    ]
    assert [line for line in again if "before" not in line] == [line for line in said if "minutes" not in line]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "other").rglob("*.*")} == times


def test_what_was_found_is_told_in_a_few_lines(study, work):
    said = []
    twas.scpredixcan(work, **settings(study, report=said.append))
    text = "\n".join(said)
    assert "1_ctpred: 72 genes (24 train, 24 validation, 24 test), 2 cell types: B, CD4+ T" in text
    assert "across test genes, mean of cell types: ctPred 0." in text
    assert "2_people: 36 people; 12 of 24 genes are predicted to differ among them" in text
    assert "3_linear: B: 11 of 24 genes have weights; in the median" in text
    assert "4_association: across cell types (S-MultiXcan):" in text


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[3])
import torch._dynamo  # the children need it, and it takes seconds
from fixtures.dna_studies import settings
from scomics_lite import twas
from scomics_lite.twas.associations import summary_association
from scomics_lite.twas.exchange.models import PredictionModel
from scomics_lite.twas.linearised import linear_models
from scomics_lite.twas.personal import personal_predictions
from scomics_lite.twas.sequence_models.finished_features import FinishedFeatures
from scomics_lite.twas.sequence_models import network_training
from scomics_lite.twas.steps import four_steps, step_records

PLACES = {
    "features": (FinishedFeatures, "add", 2),
    "an epoch": (network_training, "write_checkpoint", 3),
    "the files of step 1": (four_steps, "write_csv", 5),
    "the first record": (step_records, "checksum", 2),
    "a person's gene": (personal_predictions, "_packed", 4),
    "the predictions": (four_steps, "write_predictions", 1),
    "a linear model": (linear_models.FinishedGenes, "add", 5),
    "the second model": (PredictionModel, "write", 2),
    "the association": (four_steps, "s_multixcan", 1),
    "the last record": (step_records.shutil, "rmtree", 1),
}

def kill_at(owner, name, count):
    whole, calls = getattr(owner, name), []
    def killed(*arguments, **settings):
        calls.append(1)
        if len(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(*arguments, **settings)
    setattr(owner, name, killed)

for where, place in PLACES.items():
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        kill_at(*place)
        twas.scpredixcan(sys.argv[1], **settings(sys.argv[2]))
        os._exit(0)
    print(os.waitpid(child, 0)[1], where, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_killed_at_ten_places_and_run_again_gives_the_same_bytes(study, work, tmp_path):
    arguments = [sys.executable, "-c", KILLED, str(tmp_path / "killed"), str(study), str(Path(__file__).parents[1])]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [str(int(signal.SIGKILL))] * 10, done.stdout
    twas.scpredixcan(tmp_path / "killed", **settings(study))
    assert content(tmp_path / "killed") == content(work)


def other_genome(study, folder):
    text = (study / "genome.fa").read_text()
    middle = text.index(">chr3") + 10_450
    (folder / "genome.fa").write_text(text[:middle] + "ACGT" * 5 + text[middle + 20 :])
    return {"genome": folder / "genome.fa"}


def other_cells(study, folder):
    cells = anndata.read_h5ad(study / "cells.h5ad")
    cells.X[:, 0] = 40
    return {"cells": cells}


def other_people(study, folder):
    text = (study / "people.vcf").read_text()
    (folder / "people.vcf").write_text(text.replace("1|1", "0|0", 1))
    return {"people": folder / "people.vcf"}


def other_gwas(study, folder):
    table = pd.read_csv(study / "gwas.txt", sep="\t")
    return {"gwas": table.assign(zscore=table["zscore"] + 0.5)}


CHANGES = {
    "another set of cells": (other_cells, "1_ctpred"),
    "another panel of people": (other_people, "2_people"),
    "another GWAS": (other_gwas, "4_association"),
    "another split": (lambda *_: {"split": twas.random_split(_genes(_[0]), validation=0.3, test=0.3)}, "1_ctpred"),
    "window 200.0 (now 300.0)": (lambda *_: {"window": 300}, "3_linear"),
    '"maf": 0.01': (lambda *_: {"filters": {"maf": 0.05}}, "3_linear"),
    "rng 0 (now 4)": (lambda *_: {"rng": 4}, "3_linear"),
    "ctPred's epochs 12 (now 9)": (
        lambda *_: {"ctpred": twas.CtPred(hidden=8, blocks=1, epochs=9, batch_size=12)},
        "1_ctpred",
    ),
}


def _genes(study):
    return dna.read_annotation(study / "genes.csv")


@pytest.mark.parametrize("words", CHANGES)
def test_a_step_that_was_made_from_something_else_is_named_and_nothing_is_touched(study, work, tmp_path, words):
    change, step = CHANGES[words]
    before = content(work)
    with pytest.raises(InputError) as raised:
        twas.scpredixcan(work, **settings(study, **change(study, tmp_path)))
    text = str(raised.value)
    assert text.startswith(f"{work / step} was made ")
    assert words in text
    assert f"delete {step}" in text
    assert content(work) == before


def test_another_genome_is_named_in_the_first_step(study, work, tmp_path):
    with pytest.raises(InputError, match="1_ctpred was made from another genome"):
        twas.scpredixcan(work, **settings(study, **other_genome(study, tmp_path)))


def test_deleting_what_the_message_names_makes_it_anew(study, work, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(work, folder)
    given = settings(study, window=300)
    with pytest.raises(InputError, match="delete 3_linear and 4_association, which are then made anew"):
        twas.scpredixcan(folder, **given)
    for name in ("3_linear", "4_association"):
        shutil.rmtree(folder / name)
    result = twas.scpredixcan(folder, **given)
    assert result.fidelity["n_window"].max() > twas.scpredixcan(work, **settings(study)).fidelity["n_window"].max()
    assert content(folder / "2_people") == content(work / "2_people")


def test_several_gwas_share_the_steps_before_and_one_can_come_later(study, work, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(work, folder)
    shutil.rmtree(folder / "4_association")
    twas.scpredixcan(folder, **settings(study, gwas={"height": study / "gwas.txt"}))
    said, both = [], {"height": study / "gwas.txt", **{"weight": other_gwas(study, folder)["gwas"]}}
    result = twas.scpredixcan(folder, **settings(study, gwas=both, report=said.append))
    assert "4_association_height: was done before" in said
    assert result.association["trait"].value_counts().to_dict() == {"height": 22, "weight": 22}
    alone = twas.scpredixcan(work, **settings(study))
    height = result.multixcan.query("trait == 'height'").drop(columns="trait")
    pd.testing.assert_frame_equal(height, alone.multixcan)


def test_features_that_were_computed_before_give_the_same(study, work, tmp_path):
    given = settings(study, features=work / "1_ctpred" / "features.h5ad")
    result = twas.scpredixcan(tmp_path / "work", **given)
    pd.testing.assert_frame_equal(result.association, twas.scpredixcan(work, **settings(study)).association)


def test_a_second_run_in_the_folder_is_named(study, work):
    def working(line):
        with pytest.raises(InputError, match="another run works in"):
            twas.scpredixcan(work, **settings(study))

    twas.scpredixcan(work, **settings(study, report=working))


# --- what is wrong is said before the first step ----------------------------------------------------------------------


def looked(study, **changes):
    """Read and look at inputs, as `scpredixcan` does before its first step."""
    given = settings(study) | changes
    names = ("genome", "genes", "cells", "people", "gwas")
    columns = {name: given[name] for name in ("donor", "cell_type", "cell_types") if name in given}
    others = {name: given.get(name) for name in ("featuriser", "features", "split")}
    inputs = read_inputs(*(given[name] for name in names), **others, **columns)
    check_inputs(inputs, given["window"], given.get("filters", {}), progress=False)
    return inputs


def refused(study, match, **changes):
    with pytest.raises(InputError, match=match):
        looked(study, **changes)


def edited(source, target, change):
    target.write_text("\n".join(map(change, source.read_text().splitlines())) + "\n")
    return target


def test_the_study_itself_is_not_refused(study):
    assert len(looked(study).genes) == 72


def test_nothing_is_begun_where_an_input_is_wrong(study, tmp_path):
    with pytest.raises(InputError, match="none of"):
        twas.scpredixcan(tmp_path / "work", **settings(study, filters={"maf": 0.5}))
    assert not [path for path in (tmp_path / "work").iterdir() if path.name != ".lock"]


def test_genes_with_versions_are_told_and_taking_them_off_works(study):
    genes = _genes(study).rename(index=lambda name: f"{name}.7")
    refused(study, r"0 of the cells' 72 genes \(0%\).*ENSG00000, .*ENSG00000\.7.*version after the dot", genes=genes)
    genes.index = genes.index.str.split(".").str[0]
    looked(study, genes=genes)


def test_cells_with_names_of_genes_are_told_and_an_annotation_by_name_works(study):
    genes = _genes(study)
    cells = anndata.read_h5ad(study / "cells.h5ad")
    cells.var_names = genes.loc[cells.var_names, "genename"]
    refused(study, r"cells use names and the annotation ids", cells=cells)
    genes = genes.drop_duplicates("genename").set_index("genename", drop=False)
    looked(study, cells=cells, genes=genes, split=twas.chromosome_split(genes, validation=["2"], test=["3"]))


def test_genes_that_the_annotation_lacks_are_counted(study):
    with pytest.warns(UserWarning, match="2 of 72 genes of the cells are not in the annotation: ENSG00000, ENSG00001"):
        assert len(looked(study, genes=_genes(study).iloc[2:]).genes) == 70


def test_a_genome_of_another_build_is_named_by_its_genes(study):
    far = _genes(study).assign(tss=lambda table: table["tss"] + 20_000)
    refused(
        study, r"genome.fa does not have the sequences of 57 of 72 genes.*are genome and annotation of the", genes=far
    )


def test_a_few_genes_off_their_chromosome_are_left_out_with_a_notice(study):
    genes = _genes(study)
    genes.loc["ENSG00003", "tss"], genes.loc["ENSG00030", "chromosome"] = 90_000, "GL000009"
    with pytest.warns(UserWarning, match="sequences of 2 of 72 genes, 256 bases .* left out: ENSG00003, ENSG00030"):
        assert len(looked(study, genes=genes).genes) == 70


def test_chromosomes_of_the_default_split_that_are_not_there_are_named(study):
    refused(study, r"no gene lies on chromosome 7, 11, 14 of validation; genes lie on 1, 2, 3", split=None)


def test_too_few_genes_in_a_part_are_counted_and_another_split_works(study):
    genes = _genes(study)
    few = pd.Series("train", genes.index).where(genes.index > "ENSG00005", "test")
    few.iloc[30:34] = "validation"
    refused(study, r"the split has 4 genes for validation, of 72 \(train 62, validation 4, test 6\)", split=few)
    looked(study, split=twas.random_split(genes, validation=0.2, test=0.2))
    refused(study, "the split lacks 70 of 72 genes", split=few.iloc[:2])


def test_cell_types_are_told_and_can_be_chosen(study):
    refused(study, r"no column 'celltype'; did you mean 'cell_type'\?", cell_type="celltype")
    assert list(looked(study, cell_types=["B"]).percentiles) == ["B"]


def test_people_without_genotypes_phase_or_everybody_s_genotype_are_named(study, tmp_path):
    lines = (study / "people.vcf").read_text().splitlines()
    sites = "\n".join("\t".join(line.split("\t")[:8]) if not line.startswith("##") else line for line in lines)
    (tmp_path / "sites.vcf").write_text(sites + "\n")
    refused(study, r"sites\.vcf", people=tmp_path / "sites.vcf")
    unphased = edited(study / "people.vcf", tmp_path / "unphased.vcf", lambda line: line.replace("|", "/"))
    with pytest.warns(UserWarning, match="12 of 24 genes cannot be predicted"):
        refused(study, r"none of 24 genes can be predicted: 12 are refused, the first, .*phased", people=unphased)
    gaps = edited(study / "people.vcf", tmp_path / "gaps.vcf", lambda line: line.replace("0|1", "."))
    with pytest.warns(UserWarning, match="genes cannot be predicted"):
        refused(study, r"none of 24 genes can be predicted: .*missing", people=gaps)


def test_people_of_another_build_are_named(study, tmp_path):
    def moved(line):
        fields = line.split("\t")
        return line if line.startswith("#") else "\t".join([fields[0], str(int(fields[1]) + 7), *fields[2:]])

    shifted = edited(study / "people.vcf", tmp_path / "shifted.vcf", moved)
    refused(study, r"build", people=shifted)


def test_people_of_chromosomes_without_genes_are_named(study):
    genes = _genes(study).query("chromosome != '3'")
    cells = anndata.read_h5ad(study / "cells.h5ad")[:, genes.index].copy()
    split = twas.random_split(genes, validation=0.25, test=0.25)
    refused(study, r"SNPs are on chromosome 3, genes on 1, 2", genes=genes, cells=cells, split=split)


def test_filters_that_leave_nothing_are_named_and_others_work(study):
    refused(study, r"none of \d+ SNPs near genes passes the filters: \d+ rare", filters={"maf": 0.5})
    looked(study, filters={"maf": 0.05})


def test_a_gwas_of_other_names_is_named_and_the_right_column_works(study, tmp_path):
    table = pd.read_csv(study / "gwas.txt", sep="\t")
    table["name"], table["SNP"] = table["SNP"], [f"rs9000{i}" for i in range(len(table))]
    table = table.drop(columns=["chromosome", "position"])
    refused(study, r"the GWAS has none of the panel's \d+ SNPs near genes \(rsid 0%", gwas=table)
    columns = {"snp": "name", "effect_allele": "effect_allele", "non_effect_allele": "other_allele", "zscore": "zscore"}
    looked(study, gwas=twas.read_gwas(table, columns=columns))


def test_a_gwas_that_names_places_is_found_by_them(study):
    table = pd.read_csv(study / "gwas.txt", sep="\t")
    table["SNP"] = "chr" + table["chromosome"].astype(str) + ":" + table["position"].astype(str)
    looked(study, gwas=table)


def test_a_gwas_of_another_build_is_told_by_its_alleles(study):
    table = pd.read_csv(study / "gwas.txt", sep="\t")
    table["SNP"] = np.roll(table["SNP"], 1)
    table = table.drop(columns=["chromosome", "position"])
    refused(study, r"the GWAS 'height' has .* with other alleles, such as rs\d+: .*same build", gwas={"height": table})


@pytest.mark.parametrize("name", ["a/b", " ", ".hidden"])
def test_names_of_gwas_that_make_no_folder_are_refused(study, name):
    refused(study, "names a folder", gwas={name: study / "gwas.txt"})
    refused(study, "there is no GWAS", gwas={})


def test_features_of_other_genes_or_tracks_are_named(study, work):
    features = twas.read_features(work / "1_ctpred" / "features.h5ad")
    other = features.copy()
    other.obs_names = "x" + other.obs_names
    refused(study, r"the table of features has 0 of 72 genes: it calls its own xENSG00000", features=other)
    other = features.copy()
    other.var_names = ["M0", "M1", "M2", "CTCF"]
    refused(study, r"1 tracks that the featuriser does not give: CTCF", features=other)
    with pytest.warns(UserWarning, match="1 genes are not in the table of features: ENSG00000"):
        looked(study, features=features[1:])


def test_files_that_are_not_there_are_named(study):
    for name in ("genome", "cells", "people", "gwas", "genes"):
        refused(study, "nowhere", **{name: study / f"nowhere{Path(dna_studies.FILES.get(name, 'g.csv')).suffix}"})
