"""Runs of ctPred that were killed go on where they were and end with the same weights, to the bit."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from scomics_lite.twas.sequence_models import network_training
from scomics_lite.twas.sequence_models.ctpred import CtPred
from scomics_lite.twas.sequence_models.tensor_files import read_arrays, write_arrays
from scomics_lite.validation import InputError

SETTINGS = {"epochs": 12, "batch_size": 40, "patience": 6, "device": "cpu"}
SCRIPT = """
import sys
from test_ctpred_checkpoints import SETTINGS, world
from scomics_lite.twas.sequence_models.ctpred import CtPred
CtPred(**SETTINGS).fit(*world(), checkpoint=sys.argv[1], progress=False)
"""


def world(n=150, p=10):
    rng = np.random.default_rng(0)
    genes = [f"g{i}" for i in range(n)]
    x = pd.DataFrame(rng.poisson(2.0, (n, p)).astype(np.float32), genes, [f"t{i}" for i in range(p)])
    signal = pd.DataFrame({"T": x["t0"], "B": x["t1"] - x["t2"]})
    split = pd.Series(np.repeat(["train", "validation"], [110, 40]), genes)
    return x, (signal + rng.normal(size=(n, 2))).rank(pct=True), split


class KilledError(Exception):
    """What stops a run in a test."""


def stop_after(epochs, monkeypatch):
    """Make the training stop right after a checkpoint."""
    write, count = network_training.write_checkpoint, iter(range(1, 1000))

    def write_and_stop(training, path, header):
        write(training, path, header)
        if next(count) == epochs:
            raise KilledError

    monkeypatch.setattr(network_training, "write_checkpoint", write_and_stop)


def test_a_run_that_was_stopped_after_any_epoch_ends_with_the_same_bytes(tmp_path, monkeypatch):
    whole = CtPred(**SETTINGS).fit(*world(), checkpoint=tmp_path / "whole", progress=False)
    whole.write(tmp_path / "whole.model")
    for epochs in (1, 4, 11):
        path = tmp_path / f"stopped{epochs}"
        with monkeypatch.context() as patch:
            stop_after(epochs, patch)
            with pytest.raises(KilledError):
                CtPred(**SETTINGS).fit(*world(), checkpoint=path, progress=False)
        model = CtPred(**SETTINGS).fit(*world(), checkpoint=path, progress=False)
        model.write(tmp_path / "again.model")
        assert (tmp_path / "again.model").read_bytes() == (tmp_path / "whole.model").read_bytes()
        assert path.read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_checkpoint_changes_nothing(tmp_path):
    x, percentiles, split = world()
    without = CtPred(**SETTINGS).fit(x, percentiles, split, progress=False)
    within = CtPred(**SETTINGS).fit(x, percentiles, split, checkpoint=tmp_path / "run", progress=False)
    pd.testing.assert_frame_equal(within.predict(x), without.predict(x), check_exact=True)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system kills no process by signal")
def test_a_process_that_was_killed_is_gone_on_with(tmp_path):
    path, command = tmp_path / "run", [sys.executable, "-c", SCRIPT]
    search = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    process = subprocess.Popen([*command, str(path)], env={**os.environ, "PYTHONPATH": search})
    while not path.exists() and process.poll() is None:
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert path.exists()
    resumed = CtPred(**SETTINGS).fit(*world(), checkpoint=path, progress=False)
    whole = CtPred(**SETTINGS).fit(*world(), progress=False)
    pd.testing.assert_frame_equal(resumed.predict(world()[0]), whole.predict(world()[0]), check_exact=True)
    pd.testing.assert_frame_equal(resumed.history, whole.history, check_exact=True)


def test_a_finished_run_is_not_run_again(tmp_path, monkeypatch):
    x, percentiles, split = world()
    first = CtPred(**SETTINGS).fit(x, percentiles, split, checkpoint=tmp_path / "run", progress=False)
    monkeypatch.setattr(network_training.Training, "run_epoch", None)
    again = CtPred(**SETTINGS).fit(x, percentiles, split, checkpoint=tmp_path / "run", progress=False)
    pd.testing.assert_frame_equal(again.predict(x), first.predict(x), check_exact=True)


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (lambda x, y, s: (x, y, s), {"learning_rate": 0.1}, r"other learning_rate \(0.001, now 0.1\)"),
        (lambda x, y, s: (x, y, s), {"rng": 5, "tied": True}, r"other tied \(False, now True\), seed \(0, now 5\)"),
        (lambda x, y, s: (x * 2, y, s), {}, "other features"),
        (lambda x, y, s: (x, y**2, s), {}, "other percentiles"),
        (lambda x, y, s: (x, y[["B", "T"]], s), {}, "other cell types, percentiles"),
        (lambda x, y, s: (x, y, s.iloc[::-1].set_axis(s.index)), {}, "other training genes, validation genes"),
        (lambda x, y, s: (x.rename(columns={"t0": "new"}), y, s), {}, "other tracks"),
    ],
)
def test_a_checkpoint_of_other_data_or_settings_is_refused_and_what_differs_is_named(
    tmp_path, change, settings, message
):
    CtPred(**SETTINGS | {"epochs": 1}).fit(*world(), checkpoint=tmp_path / "run", progress=False)
    with pytest.raises(InputError, match=message):
        CtPred(**SETTINGS | {"epochs": 1} | settings).fit(
            *change(*world()), checkpoint=tmp_path / "run", progress=False
        )
    CtPred(**SETTINGS | {"epochs": 1}).fit(*world(), checkpoint=tmp_path / "run", progress=False)  # is still whole


def test_files_of_another_kind_are_refused(tmp_path):
    model = CtPred(**SETTINGS | {"epochs": 1}).fit(*world(), checkpoint=tmp_path / "run", progress=False)
    model.write(tmp_path / "model")
    (tmp_path / "text").write_text("hello")
    write_arrays(tmp_path / "other", {"x": np.ones(2)}, {"kind": "something else"})
    with pytest.raises(InputError, match="run is no ctPred model, but ctPred checkpoint"):
        CtPred.read(tmp_path / "run")
    with pytest.raises(InputError, match="model is no ctPred checkpoint, but ctPred model"):
        CtPred(**SETTINGS).fit(*world(), checkpoint=tmp_path / "model", progress=False)
    with pytest.raises(InputError, match="text is no whole safetensors file"):
        CtPred.read(tmp_path / "text")
    with pytest.raises(InputError, match="other is no ctPred model, but something else"):
        CtPred.read(tmp_path / "other")
    with pytest.raises(InputError, match="is to be a file in a folder that exists"):
        model.write(tmp_path / "nowhere" / "model")


def test_nothing_unfinished_is_left_behind(tmp_path):
    CtPred(**SETTINGS | {"epochs": 2}).fit(*world(), checkpoint=tmp_path / "run", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert read_arrays(tmp_path / "run", "ctPred checkpoint")[1]["version"]


def test_others_can_read_what_is_written(tmp_path):
    (tmp_path / "made_by_python").touch()
    write_arrays(tmp_path / "model", {"x": np.ones(2)}, {"kind": "example"})
    modes = [(tmp_path / name).stat().st_mode for name in ("made_by_python", "model")]
    assert modes[0] == modes[1]
