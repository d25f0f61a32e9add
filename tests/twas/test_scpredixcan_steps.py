"""Steps in a working folder: done once, never taken for one of other inputs, and plain about disks and other runs."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys

import anndata
import numpy as np
import pandas as pd
import pytest

from scomics_lite.twas.sequence_models.percentiles import expression_percentiles
from scomics_lite.twas.steps import step_records
from scomics_lite.twas.steps.cells_to_percentiles import cell_percentiles
from scomics_lite.twas.steps.step_records import do_step
from scomics_lite.twas.steps.working_folder import working_folder
from scomics_lite.validation import InputError

INPUTS, SETTINGS = {"genome": "abc", "VCF": "def"}, {"window": 1e6, "parts": {"test": ["5"]}}


def writing(calls, text="3"):
    def work(place, unfinished):
        calls.append(place.name)
        (unfinished / "half.txt").write_text("1")
        (place / "count.txt").write_text(text)
        (place / "more").mkdir(exist_ok=True)
        (place / "more" / "list.txt").write_text("a b")

    return work


@pytest.fixture
def place(tmp_path):
    return tmp_path / "2_people"


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- records ----------------------------------------------------------------------------------------------------------


def test_a_finished_step_is_not_repeated(place):
    calls = []
    assert do_step(place, INPUTS, SETTINGS, writing(calls))
    before = content(place)
    assert not do_step(place, INPUTS, SETTINGS, writing(calls))
    assert calls == ["2_people"]
    assert sorted(before) == ["count.txt", "more/list.txt", "step.json"]
    assert content(place) == before


def test_the_record_holds_inputs_settings_versions_and_checksums_and_no_time_or_path(place, tmp_path):
    do_step(place, INPUTS, SETTINGS, writing([]))
    record = json.loads((place / "step.json").read_text())
    assert record["inputs"] == INPUTS
    assert record["settings"] == SETTINGS
    assert record["versions"]["numpy"] == np.__version__
    assert sorted(record["files"]) == ["count.txt", "more/list.txt"]
    assert str(tmp_path) not in (place / "step.json").read_text()
    other = tmp_path / "elsewhere" / "2_people"
    other.parent.mkdir()
    do_step(other, INPUTS, SETTINGS, writing([]))
    assert content(other) == content(place)


def test_another_input_is_named_and_deleting_what_the_message_names_works(place):
    do_step(place, INPUTS, SETTINGS, writing([]))
    (place.parent / "3_linear").mkdir()
    (place.parent / "notes").mkdir()
    with pytest.raises(
        InputError, match=r"2_people was made from another VCF\. .*delete 2_people and 3_linear,"
    ) as raised:
        do_step(place, INPUTS | {"VCF": "xyz"}, SETTINGS, writing([]))
    assert "genome" not in str(raised.value)
    shutil.rmtree(place)
    assert do_step(place, INPUTS | {"VCF": "xyz"}, SETTINGS, writing([]))


def test_another_setting_is_named_with_both_values(place):
    do_step(place, INPUTS, SETTINGS, writing([]))
    with pytest.raises(InputError, match=r"made with window 1000000.0 \(now 500000.0\)\."):
        do_step(place, INPUTS, SETTINGS | {"window": 5e5}, writing([]))
    with pytest.raises(InputError, match=r"with folds null \(now 5\)"):
        do_step(place, INPUTS, SETTINGS | {"folds": 5}, writing([]))


def test_a_step_that_was_begun_is_refused_for_other_inputs_too(place):
    def killed(place, unfinished):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do_step(place, INPUTS, SETTINGS, killed)
    with pytest.raises(InputError, match="made from another genome"):
        do_step(place, INPUTS | {"genome": "xyz"}, SETTINGS, writing([]))
    assert do_step(place, INPUTS, SETTINGS, writing([]))
    assert not (place / "unfinished").exists()


def test_what_is_only_needed_to_go_on_is_there_again_after_a_stop(place):
    seen = []

    def stopped(place, unfinished):
        seen.append(sorted(path.name for path in unfinished.iterdir()))
        (unfinished / f"part{len(seen)}").write_text("")
        if len(seen) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do_step(place, INPUTS, SETTINGS, stopped)
    do_step(place, INPUTS, SETTINGS, stopped)
    assert seen == [[], ["part1"]]


@pytest.mark.parametrize(
    ("change", "what"), [(lambda path: path.write_text("4"), "was changed"), (os.remove, "is gone")]
)
def test_a_file_that_was_changed_or_lost_is_named(place, change, what):
    do_step(place, INPUTS, SETTINGS, writing([]))
    change(place / "count.txt")
    with pytest.raises(InputError, match=rf"count.txt, which this step made, {what}.*delete 2_people"):
        do_step(place, INPUTS, SETTINGS, writing([]))


def test_a_folder_of_somebody_else_is_left_alone(place):
    place.mkdir()
    (place / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match=r"holds files and no step\.json"):
        do_step(place, INPUTS, SETTINGS, writing([]))
    assert (place / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"inputs": 1}'])
def test_a_broken_record_is_named(place, text):
    do_step(place, INPUTS, SETTINGS, writing([]))
    (place / "step.json").write_text(text)
    with pytest.raises(InputError, match=r"step.json cannot be read: delete 2_people"):
        do_step(place, INPUTS, SETTINGS, writing([]))
    shutil.rmtree(place)
    assert do_step(place, INPUTS, SETTINGS, writing([]))


def test_other_versions_of_packages_are_told_of_and_nothing_is_repeated(place, monkeypatch):
    do_step(place, INPUTS, SETTINGS, writing([]))
    monkeypatch.setattr(step_records, "versions", lambda: {"numpy": "99.0"})
    with pytest.warns(UserWarning, match=rf"made with numpy {np.__version__}, now 99.0"):
        assert not do_step(place, INPUTS, SETTINGS, writing([]))


KILLED = """
import os, signal, sys
from pathlib import Path
from scomics_lite.twas.steps import step_records
at, place = sys.argv[1], Path(sys.argv[2])
def kill(*arguments, **settings):
    os.kill(os.getpid(), signal.SIGKILL)
def work(place, unfinished):
    (place / "count.txt").write_text("3")
    if at == "work":
        kill()
if at in ("_write", "checksum"):
    setattr(step_records, at, kill)
if at == "rmtree":
    step_records.shutil.rmtree = kill
step_records.do_step(place, {"genome": "abc"}, {}, work)
"""


@pytest.mark.parametrize("at", ["_write", "work", "checksum", "rmtree"])
def test_killed_anywhere_and_run_again_gives_the_same_files(tmp_path, at):
    def work(place, unfinished):
        (place / "count.txt").write_text("3")

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    do_step(whole, {"genome": "abc"}, {}, work)
    assert subprocess.run([sys.executable, "-c", KILLED, at, str(killed)]).returncode == -signal.SIGKILL
    do_step(killed, {"genome": "abc"}, {}, work)
    assert content(killed) == content(whole)


# --- the folder and the disk ------------------------------------------------------------------------------------------


def test_a_second_run_in_the_same_folder_is_named_and_the_lock_dies_with_its_process(tmp_path):
    held = """
import sys
from scomics_lite.twas.steps.working_folder import working_folder
with working_folder(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", held, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="another run works in"), working_folder(tmp_path):
            pass
        other.kill()
        other.wait()
        with working_folder(tmp_path) as folder:
            assert folder == tmp_path


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "work").write_text("")
    with pytest.raises(InputError, match="work is a file, where a folder"), working_folder(tmp_path / "work"):
        pass
    with pytest.raises(InputError, match=r"work.below cannot be written"), working_folder(tmp_path / "work" / "below"):
        pass


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError("Unable to write (errno = 28, error message = 'No space left on device')"), "the disk is full"),
        (OSError(errno.EROFS, "Read-only file system"), "permission denied"),
        (PermissionError(errno.EACCES, "Permission denied"), "permission denied"),
    ],
)
def test_a_full_or_closed_disk_is_named_and_the_run_goes_on_afterwards(place, error, words):
    def failing(place, unfinished):
        raise error

    with pytest.raises(InputError, match=f"2_people cannot be written: {words}. What is done is kept"):
        do_step(place, INPUTS, SETTINGS, failing)
    assert do_step(place, INPUTS, SETTINGS, writing([]))


@pytest.mark.skipif(sys.platform != "linux", reason="limits of file sizes are Linux's")
def test_a_disk_that_fills_up_while_a_model_is_written_is_named(place):
    import resource

    weights = pd.DataFrame({"rsid": [f"rs{i}" for i in range(20_000)], "gene": "g", "weight": 0.5})

    def work(place, unfinished):
        from scomics_lite.twas.exchange.models import PredictionModel

        PredictionModel(weights.assign(ref_allele="A", eff_allele="G")).write(place / "B.db")

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(InputError, match=r"2_people cannot be written: .*make room"):
            do_step(place, INPUTS, SETTINGS, work)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert do_step(place, INPUTS, SETTINGS, work)


def test_what_is_no_matter_of_the_disk_stays_what_it_is(place):
    def failing(place, unfinished):
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    with pytest.raises(ConnectionResetError):
        do_step(place, INPUTS, SETTINGS, failing)


# --- cells ------------------------------------------------------------------------------------------------------------


def make_cells(types=("B", "T"), donors=4, each=10, rng=3):
    rng = np.random.default_rng(rng)
    obs = pd.DataFrame([(f"d{d}", t) for t in types for d in range(donors) for _ in range(each)])
    obs = obs.set_axis(["donor", "cell_type"], axis=1).set_axis([f"c{i}" for i in range(len(obs))], axis=0)
    genes = pd.DataFrame(index=[f"g{i}" for i in range(30)])
    return anndata.AnnData(rng.poisson(rng.gamma(0.5, 4, 30), (len(obs), 30)), obs=obs, var=genes)


def test_cells_are_summed_by_donor_and_type_and_the_means_ranked():
    cells = make_cells()
    means = {}
    for kind in ("B", "T"):
        per_million = []
        for donor in cells.obs["donor"].unique():
            own = cells.X[((cells.obs["donor"] == donor) & (cells.obs["cell_type"] == kind)).to_numpy()].sum(axis=0)
            per_million.append(own / own.sum() * 1e6)
        means[kind] = np.mean(per_million, axis=0)
    expected = pd.DataFrame(means, cells.var_names).rank(pct=True)
    found = cell_percentiles(cells)
    pd.testing.assert_frame_equal(found, expected, check_names=False)
    pd.testing.assert_frame_equal(cell_percentiles(cells, cell_types=["T"]), found[["T"]])


def test_cells_come_from_files_too(tmp_path):
    cells = make_cells()
    cells.write_h5ad(tmp_path / "cells.h5ad")
    pd.testing.assert_frame_equal(cell_percentiles(tmp_path / "cells.h5ad"), cell_percentiles(cells))
    means = pd.DataFrame({"B": [0, 3.5, 2], "T": [1, 2, 3.0]}, ["g1", "g2", "g3"])
    means.to_csv(tmp_path / "means.csv")
    means.to_csv(tmp_path / "means.tsv.gz", sep="\t")
    for name in ("means.csv", "means.tsv.gz"):
        pd.testing.assert_frame_equal(cell_percentiles(tmp_path / name), expression_percentiles(means))


def test_types_of_too_few_cells_or_donors_are_named_and_leaving_them_out_works():
    rare = make_cells(("NK", "pDC"), donors=2, each=15)
    rare.obs_names = "rare" + rare.obs_names
    cells = anndata.concat([make_cells(), rare, make_cells(("Mono",), donors=4, each=4)[:16]], index_unique="-")
    with pytest.raises(InputError, match=r"Mono \(16 of 4\), NK \(30 of 2\), pDC \(30 of 2\): cell_types=\['B', 'T'\]"):
        cell_percentiles(cells)
    assert list(cell_percentiles(cells, cell_types=["B", "T"])) == ["B", "T"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"donor": "donr"}, r"obs has no column 'donr'; did you mean 'donor'\?"),
        ({"cell_types": ["b", "T"]}, r"no cell type 'b'; did you mean 'B'\?"),
    ],
)
def test_names_that_the_cells_lack_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        cell_percentiles(make_cells(), **settings)


def test_files_that_are_no_cells_are_named(tmp_path):
    with pytest.raises(InputError, match=r"cells.h5ad is not there"):
        cell_percentiles(tmp_path / "cells.h5ad")
    with pytest.raises(InputError, match=r"cells are an AnnData of single cells, a table of means"):
        cell_percentiles(np.ones((3, 2)))
