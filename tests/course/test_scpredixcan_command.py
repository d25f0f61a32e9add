"""scpredixcan in a shell: it gives what the function gives, goes on where it was, and ends plainly."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from fixtures import dna_studies

import scomics_lite
from scomics_lite import dna, twas
from scomics_lite.course import cli

EXAMPLE = Path(__file__).parents[2] / "data" / "scpredixcan_example"
COMMAND = """scpredixcan --genome genome.fa --genes genes.csv --cells cells.h5ad --people people.vcf --gwas gwas.txt
--window 200 --motifs motifs.txt --validation-chromosomes 2 --test-chromosomes 3 --folder work"""
STEPS = ("1_ctpred", "2_people", "3_linear", "4_association")

pytestmark = pytest.mark.filterwarnings("ignore:.* SNPs are left out, by the first rule:UserWarning")


def call(line):
    try:
        return cli.main(shlex.split(line))
    except SystemExit as end:
        return end.code


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small study, and all steps done by the command."""
    folder, before = tmp_path_factory.mktemp("study"), Path.cwd()
    dna_studies.write_study(folder)
    dna_studies.write_motifs(folder / "motifs.txt")
    os.chdir(folder)
    try:
        assert call(COMMAND) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def study(made, tmp_path, monkeypatch):
    """A copy of it, as the current folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def content(folder):
    files = (path for path in Path(folder).rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def changed(line, **options):
    for name, value in options.items():
        words = line.split(f"--{name} ")
        line = f"{words[0]}--{name} {value} {words[1].split(None, 1)[1] if ' ' in words[1] else ''}"
    return line


def test_the_command_is_the_function_with_the_same_inputs_and_settings(study):
    genes, before, said = dna.read_annotation("genes.csv"), content("work"), []
    result = twas.scpredixcan(
        "work",
        genome="genome.fa",
        genes=genes,
        cells="cells.h5ad",
        people="people.vcf",
        gwas="gwas.txt",
        window=200,
        featuriser=dna.MotifFeatures(dna.read_motifs("motifs.txt")),
        split=twas.chromosome_split(genes, validation=["2"], test=["3"]),
        report=said.append,
        progress=False,
    )
    assert [line for line in said if "before" in line] == [f"{step}: was done before" for step in STEPS]
    assert content("work") == before
    assert result.association["cell_type"].nunique() == 2


@pytest.mark.filterwarnings("ignore:.*z-scores of SNPs have the wrong signs for their LD:UserWarning")
def test_the_bundled_example_goes_from_dna_to_a_causal_gene(tmp_path):
    study = {"genome": "genome.fa", "genes": "genes.gtf", "cells": "cells.h5ad", "people": "people.vcf.gz"}
    motifs = dna.jaspar_motifs().select(list(pd.read_csv(EXAMPLE / "truth_motifs.csv.gz", index_col=0).index[:12]))
    result = twas.scpredixcan(
        tmp_path / "work",
        **{name: EXAMPLE / file for name, file in study.items()},
        gwas=EXAMPLE / "gwas.txt.gz",
        featuriser=dna.MotifFeatures(motifs, length=1024, bins=4),
        cell_types=["B"],
        window=600,
        progress=False,
    )
    genes = pd.read_csv(EXAMPLE / "truth_genes.csv.gz", index_col=0)
    causal = genes.index[genes["gwas_effect"] != 0]
    assert len(causal) == 4
    assert result.association["gene"][:5].isin(causal).any()


def test_the_same_command_again_says_what_was_found_and_does_nothing(study, capsys):
    before = content("work")
    assert call(COMMAND) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    for step in STEPS:
        assert f"{step}: was done before" in shown.err
    assert "1_ctpred: 72 genes (24 train, 24 validation, 24 test), 2 cell types: B, CD4+ T" in shown.err
    assert "everything is in work" in shown.err
    assert "scpredixcan: done in" in shown.err
    assert content("work") == before


def test_another_gwas_begins_at_step_4(study, capsys):
    assert call(f"{COMMAND} --trait height") == 0
    assert "4_association_height: 0.0 minutes" in capsys.readouterr().err
    assert content("work/4_association") == {
        name: text for name, text in content("work/4_association_height").items() if name != "step.json"
    } | {"step.json": content("work/4_association")["step.json"]}


def test_columns_of_a_gwas_can_be_named(study, capsys):
    table = pd.read_csv("gwas.txt", sep="\t")
    names = {name: f"my_{name}" for name in table}
    table.rename(columns=names).to_csv("other.txt", sep="\t", index=False)
    line = changed(COMMAND, gwas="other.txt") + " --trait other"
    assert call(line) == 1
    assert "As options: --snp-column NAME" in capsys.readouterr().err
    own = {"snp": "SNP", "effect-allele": "effect_allele", "non-effect-allele": "other_allele", "zscore": "zscore"}
    line += "".join(f" --{option}-column my_{name}" for option, name in own.items())
    assert call(line) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"genome": "nowhere.fa"}, "nowhere.fa"),
        ({"people": "nowhere.vcf"}, "nowhere.vcf"),
        ({"window": "300"}, "3_linear was made with window 200.0 (now 300.0)"),
        ({"folder": "genes.csv"}, "genes.csv is a file, where a folder to work in is needed"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(study, capsys, change, message):
    before = content("work")
    assert call(changed(COMMAND, **change)) == 1
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert content("work") == before


def test_options_that_are_missing_or_belong_together_are_named(study, capsys):
    assert call(COMMAND.replace("--genome genome.fa", "")) == 2
    assert "--genome is needed" in capsys.readouterr().err
    assert call(COMMAND.replace("--validation-chromosomes 2", "")) == 1
    assert "--validation-chromosomes and --test-chromosomes go together" in capsys.readouterr().err
    assert call(COMMAND.replace("-chromosomes 2", "-chromosomes 1").replace("-chromosomes 3", "-chromosomes 2")) == 1
    assert "1_ctpred was made from another split" in capsys.readouterr().err


def test_the_help_has_an_example_that_is_there(capsys):
    assert call("scpredixcan --help") == 0
    text = capsys.readouterr().out
    for name in ("genome.fa", "genes.gtf", "cells.h5ad", "people.vcf.gz", "gwas.txt.gz"):
        assert f"data/scpredixcan_example/{name}" in text
        assert (EXAMPLE / name).exists()
    assert "SNPs to both sides" in text


def started(line, folder):
    environ = os.environ | {"SCOMICS_LITE_PYTHON": "current", "PYTHONPATH": str(Path(scomics_lite.__file__).parents[1])}
    command = [sys.executable, "-m", "scomics_lite", *shlex.split(line)]
    return subprocess.Popen(
        command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    )


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent in another way")
def test_ctrl_c_ends_plainly_and_the_same_command_goes_on(study):
    for step in STEPS[2:]:
        shutil.rmtree(f"work/{step}")
    before = content("work")
    with started(COMMAND, study) as running:
        finished = Path("work/3_linear/unfinished/genes.jsonl")
        while not (finished.exists() and finished.read_text().count("\n") > 2):
            assert running.poll() is None, running.stderr.read()
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    assert err.endswith("scomics_lite scpredixcan: interrupted; run the same command again to go on\n")
    assert "Traceback" not in err
    assert before.items() <= content("work").items()
    assert call(COMMAND) == 0
    assert (study / "work" / "4_association" / "step.json").exists()
