"""Features of all genes are those of their sequences, one by one; a run that is killed goes on to the same bytes."""

import os
import signal
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from scomics_lite.dna import Genome, MotifFeatures, jaspar_motifs, read_genome, reference_sequences
from scomics_lite.twas import read_features, reference_features
from scomics_lite.validation import InputError

LENGTH = 256


def motifs(**settings):
    return MotifFeatures(jaspar_motifs().select(["GATA1", "MA0139.2"]), length=LENGTH, bin_width=64, bins=2, **settings)


@pytest.fixture(scope="module")
def factors():
    return motifs()


@pytest.fixture(scope="module")
def genome():
    rng = np.random.default_rng(0)
    return Genome({name: "".join(rng.choice(list("ACGT"), 4_000)) for name in ("1", "2")})


@pytest.fixture(scope="module")
def genes():
    rng = np.random.default_rng(1)
    table = {
        "chromosome": rng.choice(["1", "2"], 50),
        "tss": rng.integers(400, 3_600, 50),
        "strand": rng.choice(["+", "-"], 50),
        "genename": [f"name{number}" for number in range(50)],
    }
    return pd.DataFrame(table, index=[f"ENSG{number:04}" for number in range(50)])


def test_features_are_those_of_each_sequence(genome, genes, factors):
    found = reference_features(genome, genes, factors, batch=7, progress=False)
    expected = factors.features(list(reference_sequences(genome, genes, LENGTH)))
    np.testing.assert_allclose(found.X, expected, rtol=1e-5, atol=1e-9)
    assert found.X.dtype == np.float32
    assert list(found.obs_names) == list(genes.index)
    assert list(found.var_names) == list(factors.tracks)
    pd.testing.assert_frame_equal(found.obs[list(genes)], genes)
    assert found.X.std(axis=0).min() > 0


def test_the_source_of_the_features_is_recorded_and_survives_a_file(genes, factors, tmp_path):
    rng = np.random.default_rng(2)
    letters = "".join(rng.choice(list("ACGT"), 4_000))
    (tmp_path / "small.fa").write_text("".join(f">chr{name}\n{letters}\n" for name in "12"))
    found = reference_features(read_genome(tmp_path / "small.fa"), genes, factors, progress=False)
    found.write_h5ad(tmp_path / "features.h5ad")
    source = read_features(tmp_path / "features.h5ad").uns["features"]
    assert source["featuriser"] == "MotifFeatures"
    assert source["genome"] == "small.fa"
    assert source["length"] == LENGTH
    assert source["settings"]["bins"] == 2
    changed = letters[:2_000] + ("A" if letters[2_000] != "A" else "C") + letters[2_001:]
    one = genes.iloc[:1].assign(chromosome="1", tss=2_000)
    sequences = [
        reference_features(Genome({"1": text}), one, factors, progress=False).uns["features"]["sequences"]
        for text in (letters, letters, changed)
    ]
    assert sequences[0] == sequences[1] != sequences[2]


def test_unknown_letters_are_counted_and_genes_with_many_are_told_of_once(genome, genes, factors):
    letters = genome.sequence("1", 1, 4_000)
    holes = Genome({"1": letters[:1_000] + "N" * 10 + letters[1_010:2_000] + "n" * 100 + letters[2_100:3_999] + "R"})
    few = pd.DataFrame({"chromosome": "1", "strand": "+", "tss": [500, 1_000, 2_050, 3_873]}, index=list("abcd"))
    with pytest.warns(UserWarning, match=r"1 of 4 sequences are N to more than 10% .*: 'c'; ") as caught:
        found = reference_features(holes, few, factors, batch=1, progress=False)
    assert len(caught) == 1
    assert found.obs["n_unknown"].tolist() == [0, 10, 100, 1]


def test_genes_at_the_end_of_a_chromosome_are_refused_before_work_begins_or_padded(genome, genes, factors):
    near = genes.iloc[:3].assign(tss=[1_000, 2_000, 100])

    class Untouched(MotifFeatures):
        def features(self, sequences):
            pytest.fail("features were computed")

    untouched = Untouched(jaspar_motifs().select(["GATA1"]), length=LENGTH, bin_width=64, bins=2)
    with pytest.raises(InputError, match=r"window of gene 'ENSG0002'.*pad=True writes N there"):
        reference_features(genome, near, untouched, batch=1, progress=False)
    with pytest.warns(UserWarning, match="'ENSG0002'"):
        found = reference_features(genome, near, factors, pad=True, progress=False)
    assert found.obs["n_unknown"].iloc[2] in (28, 29)  # the minus strand has one base less before the start


def test_tables_that_are_none_and_batches_that_are_none_are_refused(genome, genes, factors):
    def refused(match, table=genes, **settings):
        with pytest.raises(InputError, match=match):
            reference_features(genome, table, factors, progress=False, **settings)

    refused("batch is a whole number of genes", batch=0)
    refused("batch is a whole number of genes", batch=2.5)
    refused("a table with a gene at least is needed", genes.iloc[:0])
    refused("a table with a gene at least is needed", list(genes.index))
    refused("genes: gene 'ENSG0000' comes 2 times", pd.concat([genes, genes.iloc[:1]]))
    refused("chromosomes of 1 of 1 genes: '7'", genes.iloc[:1].assign(chromosome="7"))


# --- a run that goes on ---------------------------------------------------------------------------------------------

# The featuriser of the killed run ends its process by force after some batches, without a chance to close the file.
KILLED = """
import os, signal, sys
sys.path.insert(0, {folder!r})
from test_features_of_genes import *

class Killed(MotifFeatures):
    calls = 0

    def features(self, sequences):
        Killed.calls += 1
        if Killed.calls > 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().features(sequences)

genome, genes = genome.__wrapped__(), genes.__wrapped__()
whole = motifs()
whole.__class__ = Killed
Killed.__name__ = "MotifFeatures"
reference_features(genome, genes, whole, batch=8, resume={resume!r}, progress=False)
"""


@pytest.mark.skipif(os.name == "nt", reason="ends a process by a signal of POSIX")
def test_a_killed_run_goes_on_to_the_same_bytes(genome, genes, factors, tmp_path):
    code = KILLED.format(folder=os.path.dirname(__file__), resume=str(tmp_path / "run.h5"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with h5py.File(tmp_path / "run.h5") as file:
        assert file["done"][:].sum() == 24
    with pytest.raises(InputError, match=r"run.h5: the features of 26 of 50 genes are not computed yet; call ref"):
        read_features(tmp_path / "run.h5")

    class Counted(MotifFeatures):
        seen = 0

        def features(self, sequences):
            Counted.seen += len(sequences)
            return super().features(sequences)

    counted = motifs()
    counted.__class__ = Counted
    Counted.__name__ = "MotifFeatures"
    found = reference_features(genome, genes, counted, batch=8, resume=tmp_path / "run.h5", progress=False)
    assert Counted.seen == 26
    whole = reference_features(genome, genes, factors, batch=8, resume=tmp_path / "whole.h5", progress=False)
    np.testing.assert_array_equal(found.X, whole.X)
    np.testing.assert_array_equal(found.X, reference_features(genome, genes, factors, batch=8, progress=False).X)
    assert (tmp_path / "run.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


def test_a_finished_file_is_read_as_a_table_of_features(genome, genes, factors, tmp_path):
    whole = reference_features(genome, genes, factors, resume=tmp_path / "run.h5", progress=False)
    read = read_features(tmp_path / "run.h5")
    np.testing.assert_array_equal(read.X, whole.X)
    assert list(read.obs_names) == list(genes.index)
    assert list(read.var_names) == list(factors.tracks)


def test_a_file_of_other_inputs_is_refused_with_what_differs(genome, genes, factors, tmp_path):
    path = tmp_path / "run.h5"
    reference_features(genome, genes, factors, resume=path, progress=False)

    def refused(match, genome=genome, genes=genes, factors=factors):
        with pytest.raises(InputError, match=match):
            reference_features(genome, genes, factors, resume=path, progress=False)

    other = Genome({name: genome.sequence(name, 1, 4_000)[::-1] for name in ("1", "2")})
    refused(r"run.h5 was begun with another genome or place of a gene\. Take the same again", genome=other)
    refused("another genome or place of a gene", genes=genes.assign(tss=genes["tss"] + 1))
    refused(r"another list of genes, another genome or place of a gene\.", genes=genes.iloc[::-1])
    refused(r"begun with another list of genes\.", genes=genes.set_axis(genes.index + "x"))
    refused(r"begun with another featuriser\.", factors=motifs(pvalue=1e-3))
    with torch.no_grad():
        changed = motifs()
        changed.thresholds += 0.1
    refused(r"begun with another featuriser\.", factors=changed)
    reference_features(genome, genes.drop(columns="genename"), factors, batch=3, resume=path, progress=False)


def test_a_file_that_is_none_of_an_earlier_run_is_refused(genome, genes, factors, tmp_path):
    def refused(path, match):
        with pytest.raises(InputError, match=match):
            reference_features(genome, genes, factors, resume=path, progress=False)

    (tmp_path / "text.h5").write_text("no such file")
    refused(tmp_path / "text.h5", "text.h5 is no file of an earlier run, or damaged")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1.0]
    refused(tmp_path / "other.h5", "other.h5 is no file of an earlier run")
    refused(tmp_path, "in a folder that exists")
    refused(tmp_path / "nowhere" / "run.h5", "in a folder that exists")
    reference_features(genome, genes, factors, resume=tmp_path / "run.h5", progress=False)
    whole = (tmp_path / "run.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "cut.h5", "cut.h5 is no file of an earlier run, or damaged")


@pytest.mark.skipif(os.name == "nt", reason="locks a file as POSIX does")
def test_a_file_that_another_run_has_open_is_left_to_it(genome, genes, factors, tmp_path):
    import fcntl

    path = tmp_path / "run.h5"
    reference_features(genome, genes, factors, resume=path, progress=False)
    with open(path, "r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as h5py does while it writes
        with pytest.raises(InputError, match=r"run.h5 is in use by another run: let that end first"):
            reference_features(genome, genes, factors, resume=path, progress=False)
