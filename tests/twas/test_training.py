"""Models of all genes: the same numbers however the work is spread, or interrupted, and what became of every gene."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster

from scomics_lite.twas.associations.prediction import predict_expression
from scomics_lite.twas.exchange.covariance_files import covariances
from scomics_lite.twas.exchange.models import read_model
from scomics_lite.twas.weights.gene_windows import Windows, gene_places
from scomics_lite.twas.weights.training import fit_gene, train_models
from scomics_lite.validation import InputError

QUICK = {"folds": 3, "window": 2e4, "progress": False}


def make_study(n=80, n_genes=4, snps_each=12, seed=0):
    """Genes 100 kb apart with SNPs 1 kb apart around each; one causal SNP for each of the first two."""
    rng = np.random.default_rng(seed)
    m = n_genes * snps_each
    x = rng.binomial(2, 0.4, (n, m)).astype(np.int8)
    position = np.concatenate([gene * 100_000 + np.arange(snps_each) * 1_000 for gene in range(n_genes)])
    snps = pd.DataFrame({"chromosome": "1", "position": position, "ref_allele": "A", "eff_allele": "G"})
    snps["varID"] = "1_" + snps["position"].astype(str) + "_A_G"
    dosages = anndata.AnnData(
        x, pd.DataFrame(index=[f"p{i}" for i in range(n)]), snps.set_index("rs" + snps.index.astype(str))
    )
    names = [f"g{i}" for i in range(n_genes)]
    expression = pd.DataFrame(rng.normal(size=(n, n_genes)), dosages.obs_names, names)
    for gene in range(2):
        expression[f"g{gene}"] += 1.2 * x[:, gene * snps_each + 7]
    starts = np.arange(n_genes) * 100_000 + 6_000
    genes = pd.DataFrame({"chromosome": "chr1", "start": starts, "end": starts + 3_000}, names)
    return dosages, expression, genes.assign(genename=[f"GENE{i}" for i in range(n_genes)])


@pytest.fixture(scope="module")
def study():
    return make_study()


@pytest.fixture(scope="module")
def trained(study):
    return train_models(*study, **QUICK)


def assert_same(one, other):
    (model, covariance), (wanted, wanted_covariance) = one, other
    pd.testing.assert_frame_equal(model.weights, wanted.weights, rtol=1e-10)
    pd.testing.assert_frame_equal(model.extra, wanted.extra, rtol=1e-10)
    pd.testing.assert_frame_equal(model.others["training"], wanted.others["training"], rtol=1e-10)
    for gene in model.genes:
        pd.testing.assert_frame_equal(covariance.of(gene), wanted_covariance.of(gene))


def test_genes_with_a_causal_snp_are_kept_and_find_it(study, trained):
    model, _ = trained
    assert {"g0", "g1"} <= set(model.genes)
    for gene in range(2):
        weights = model.of(f"g{gene}").set_index("rsid")["weight"]
        assert weights.abs().idxmax() == f"rs{gene * 12 + 7}"
        assert 0.5 < weights.abs().max() < 1.4  # of 1.2, shrunken
    predicted = predict_expression(study[0], model)
    assert np.corrcoef(predicted["g1"], study[1]["g1"])[0, 1] > 0.5


def test_the_table_of_performance_is_predictdb_s(trained):
    extra = trained[0].extra
    named = ["gene", "genename", "n.snps.in.model", "pred.perf.R2", "pred.perf.pval", "pred.perf.qval"]
    assert extra.columns[:6].tolist() == named
    np.testing.assert_allclose(extra["pred.perf.R2"], extra["rho_avg"] ** 2)
    assert (extra["pred.perf.qval"] >= extra["pred.perf.pval"]).all()
    assert extra["genename"].tolist()[0] == "GENE0"
    assert extra["n.snps.in.window"].eq(12).all()
    assert trained[0].weights["varID"].str.endswith("_A_G").all()


def test_covariances_are_those_of_the_people_trained_on(study, trained):
    model, covariance = trained
    snps = model.of("g0")["rsid"]
    expected = np.cov(study[0][:, snps].X.T.astype(float)).reshape(len(snps), len(snps))
    np.testing.assert_allclose(covariance.of("g0"), expected, rtol=1e-10)


def test_every_gene_has_a_status(study):
    dosages, expression, genes = make_study(n_genes=5)
    expression["g4"] = 3.0
    expression["far"] = expression["lost"] = expression["g0"]
    expression["rare"] = np.r_[expression["g0"][:8], np.full(72, np.nan)]
    genes.loc["far"] = ["chr9", 1, 2, "FAR"]
    genes.loc["silent"] = ["chr1", 1, 2, "SILENT"]
    genes.loc["rare"] = genes.loc["g0"]
    genes.loc["lost"] = ["chr1", np.nan, 2, "LOST"]
    expression["other"] = expression["g1"]
    with pytest.warns(UserWarning, match="1 of 9 genes have no position: 'lost'"):
        model, _ = train_models(dosages, expression, genes, **QUICK)
    status = model.others["training"].set_index("gene")["status"]
    assert set(status.index) == {f"g{i}" for i in range(5)} | {"far", "lost", "silent", "rare", "other"}
    assert status[["g0", "g1"]].eq("kept").all()
    assert status[["g2", "g3"]].isin(["not predictive", "no weights"]).all()
    assert status["g4"] == "constant expression"
    assert status["far"] == "no SNP in window"
    assert status["rare"] == "too few people"
    assert status["lost"] == "no position"
    assert status["other"] == "not in genes"
    assert status["silent"] == "no expression"


def test_all_genes_with_weights_are_kept_on_request(study):
    model, _ = train_models(*study, **QUICK, keep="all")
    training = model.others["training"].set_index("gene")
    assert set(model.genes) == set(training.index[training["n.snps.in.model"] > 0])
    assert set(training["status"]) <= {"kept", "no weights"}


def test_model_and_table_of_genes_survive_writing(trained, tmp_path):
    model, covariance = trained
    model.write(tmp_path / "model.db")
    covariance.write(tmp_path / "model.txt.gz")
    back = read_model(tmp_path / "model.db")
    pd.testing.assert_frame_equal(back.weights, model.weights)
    assert back.others["training"]["status"].tolist() == model.others["training"]["status"].tolist()


def test_order_of_people_genes_and_snps_does_not_matter(study, trained):
    dosages, expression, genes = study
    with_names = train_models(dosages, expression.sample(frac=1, random_state=0), genes, **QUICK)
    assert_same(with_names, trained)
    turned = train_models(dosages, expression[expression.columns[::-1]], genes[::-1], **QUICK)[0]
    for gene in trained[0].genes:
        pd.testing.assert_frame_equal(turned.of(gene), trained[0].of(gene))
    shuffled = dosages[:, np.random.default_rng(0).permutation(dosages.n_vars)].copy()
    assert_same(train_models(shuffled, expression, genes, **QUICK), trained)


def test_people_who_are_in_one_table_only_are_told(study, trained):
    dosages, expression, genes = study
    with pytest.warns(UserWarning, match="70 people are in dosages and expression; left out: 10 only in dosages"):
        some = train_models(dosages, expression[:70], genes[:2], **QUICK)
    assert_same(some, train_models(dosages[:70].copy(), expression[:70], genes[:2], **QUICK))


def test_a_missing_value_leaves_that_person_out_for_that_gene(study):
    dosages, expression, genes = study
    holes = expression.copy()
    holes.iloc[5:15, 0] = np.nan
    model = train_models(dosages, holes, genes[:1], **QUICK)[0]
    kept = np.r_[0:5, 15:80]
    alone = train_models(dosages[kept].copy(), expression.iloc[kept], genes[:1], **QUICK)[0]
    pd.testing.assert_frame_equal(model.of("g0"), alone.of("g0"))


def test_processes_and_a_dask_client_give_the_same_numbers(study, trained):
    assert_same(train_models(*study, **QUICK, processes=2), trained)
    cluster = LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None)
    with cluster, Client(cluster) as client:
        assert_same(train_models(*study, **QUICK, client=client), trained)


def test_other_random_numbers_give_other_folds(study, trained):
    dosages, expression, genes = study
    first, other, generator, again = (
        train_models(dosages, expression, genes[:1], **QUICK, rng=rng)[0].extra["rho_avg"][0]
        for rng in (0, 5, np.random.default_rng(1), np.random.default_rng(1))
    )
    assert first == trained[0].extra["rho_avg"][0]
    assert len({first, other, generator}) == 3
    assert generator == again


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from test_training import QUICK, make_study
from scomics_lite.twas.weights import training
whole, begun = training.fit_gene, []
def killed_at_the_third(*arguments, **settings):
    begun.append(1)
    if len(begun) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*arguments, **settings)
training.fit_gene = killed_at_the_third
training.train_models(*make_study(), **QUICK, resume=sys.argv[1])
"""


def test_a_killed_run_goes_on_where_it_was_and_ends_the_same(study, trained, tmp_path, monkeypatch):
    path = tmp_path / "run.jsonl"
    arguments = [sys.executable, "-c", KILLED, str(path), str(Path(__file__).parent)]
    assert subprocess.run(arguments, stderr=subprocess.DEVNULL).returncode == -signal.SIGKILL
    done = [json.loads(line)["gene"] for line in path.read_text().splitlines()[1:]]
    assert done == ["g0", "g1"]
    with open(path, "a") as file:
        file.write('{"gene": "g3", "n_win')  # killed while it wrote a line
    fitted = []

    def watched(gene, *arguments, **settings):
        fitted.append(gene)
        return fit_gene(gene, *arguments, **settings)

    monkeypatch.setattr("scomics_lite.twas.weights.training.fit_gene", watched)
    assert_same(train_models(*study, **QUICK, resume=path), trained)
    assert fitted == ["g2", "g3"]
    fitted.clear()
    assert_same(train_models(*study, **QUICK, resume=path), trained)
    assert not fitted


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folds": 4}, r"was begun with other folds \(3, now 4\)"),
        ({"rng": 9}, r"other seed \(0, now 9\)"),
        ({"window": 1e4}, r"other window \(20000.0, now 10000.0\)"),
        ({"expression": 1}, "other expression. Take them again"),
        ({"dosages": 1}, "other dosages"),
        ({"genes": 1}, "other genes"),
    ],
)
def test_a_file_of_another_run_is_refused_by_name(study, tmp_path, change, message):
    tables = dict(zip(("dosages", "expression", "genes"), study, strict=True))
    settings = QUICK | {"resume": tmp_path / "run.jsonl"}
    train_models(*(tables["dosages"], tables["expression"], tables["genes"][:1]), **settings)
    tables["genes"] = tables["genes"][:1]
    for name in set(change) & set(tables):
        table = tables[name].copy()
        if name == "dosages":
            table.X[0, 3] = (table.X[0, 3] + 1) % 3
        else:
            table.iloc[0, 0 if name == "expression" else 1] += 1
        tables[name] = table
    settings |= {name: value for name, value in change.items() if name not in tables}
    with pytest.raises(InputError, match=message):
        train_models(**tables, **settings)


@pytest.mark.parametrize("text", ["SNP\tA1\n", '{"gene": "g0"}\n', "\x1f\x8b"])
def test_a_file_of_something_else_is_not_overwritten(study, tmp_path, text):
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=r"notes.txt.*give resume another name"):
        train_models(*study, **QUICK, resume=path)
    assert path.read_text() == text


def test_a_broken_line_in_the_middle_is_named(study, tmp_path):
    path = tmp_path / "run.jsonl"
    dosages, expression, genes = study
    train_models(dosages, expression, genes[:2], **QUICK, resume=path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "???", lines[2]]) + "\n")
    with pytest.raises(InputError, match=r"run.jsonl, line 2: no result of an earlier run"):
        train_models(dosages, expression, genes[:2], **QUICK, resume=path)


def test_windows_are_around_genes_or_transcription_start_sites(study, trained):
    dosages, expression, genes = study
    windows = Windows(dosages.var, 2_000)
    assert dosages.var["position"].iloc[windows.near("1", 6_000, 9_000)].tolist() == list(range(4_000, 12_000, 1_000))
    places = gene_places(genes.assign(tss=genes["end"]), "tss")
    assert places.loc["g0"].tolist() == ["chr1", 9_000, 9_000]
    model = train_models(
        dosages, expression, genes.assign(tss=genes["end"]), **(QUICK | {"window": 3e3}), around="tss"
    )[0]
    assert model.extra["n.snps.in.window"].eq(6).all()  # 6,000 to 11,000: the SNPs of a gene end there


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dosages": "table"}, "dosages are an AnnData with the columns chromosome.*got a DataFrame"),
        ({"dosages": "no alleles"}, "var lacks ref_allele"),
        ({"genes": "no end"}, "genes has no column end"),
        ({"genes": "other names"}, "no gene is in both: genes has 'ENSG0'.*expression 'g0'.*str.split"),
        ({"genes": "no places"}, "none of the genes has a place, such as 'g0'"),
        ({"genes": "twice"}, "genes: 'g0' comes twice"),
        ({"genes": "backwards"}, r"genes: 'g0' ends \(1\) before it starts"),
        ({"expression": "other people"}, "nobody is in both: dosages has 'p0'.*expression has 'q0'"),
        ({"around": "tss"}, r"genes has no column tss.*genes\['tss'\] = "),
        ({"around": "promoter"}, "around='promoter'"),
        ({"keep": "good"}, "keep='good': did you mean|Known: all, predictive"),
        ({"processes": 0}, "processes is a whole number"),
        ({"window": "1Mb"}, "window is a number of bases"),
        ({"client": "tcp://1"}, "client must be a dask.distributed.Client"),
        ({"resume": "no/such/folder/run"}, "in a folder that exists"),
    ],
)
def test_tables_that_do_not_fit_are_named(study, change, message):
    tables = dict(zip(("dosages", "expression", "genes"), study, strict=True))
    spoil = {
        "table": lambda: tables["dosages"].to_df(),
        "no alleles": lambda: anndata.AnnData(
            tables["dosages"].X, var=tables["dosages"].var.drop(columns="ref_allele")
        ),
        "no end": lambda: tables["genes"].drop(columns="end"),
        "other names": lambda: tables["genes"].set_axis([f"ENSG{i}" for i in range(4)]),
        "no places": lambda: tables["genes"].assign(start=np.nan),
        "twice": lambda: tables["genes"].iloc[[0, 0, 1]],
        "backwards": lambda: tables["genes"].assign(end=1),
        "other people": lambda: tables["expression"].set_axis([f"q{i}" for i in range(80)]),
    }
    ((name, value),) = change.items()
    arguments = tables | QUICK | ({name: spoil[value]()} if name in tables else change)
    with pytest.raises(InputError, match=message):
        train_models(**arguments)


def test_no_gene_that_predicts_is_told_and_gives_an_empty_model(study):
    dosages, expression, genes = study
    with pytest.warns(UserWarning, match=r"none of 2 genes is kept; model.others\['training'\] says why"):
        model, covariance = train_models(dosages, expression, genes[2:], **QUICK)
    assert len(model) == 0
    assert len(covariance) == 0
    assert len(model.others["training"]) == 4


def test_covariances_of_the_written_panel_are_the_same(study, trained):
    model, covariance = trained
    again = covariances(study[0], model)
    pd.testing.assert_frame_equal(covariance.of("g1"), again.of("g1"))
