"""ctPred against a plain torch network trained step by step, alone and stacked, from file to file."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from scomics_lite.twas.sequence_models.ctpred import CtPred
from scomics_lite.twas.sequence_models.feature_matrices import standardisation
from scomics_lite.twas.sequence_models.network_training import epoch_seed
from scomics_lite.twas.sequence_models.stacked_networks import FUNCTIONS, new_network
from scomics_lite.validation import InputError

SEED = 4  # one whose squashed outputs are not all 0 at the start
ONES = np.ones(5313, dtype=np.float32)


def world(n=240, p=30, seed=0):
    """Genes whose percentiles depend on the first tracks, differently in three cell types."""
    rng = np.random.default_rng(seed)
    genes, tracks = [f"g{i}" for i in range(n)], [f"t{i}" for i in range(p)]
    x = pd.DataFrame(rng.poisson(2.0, (n, p)).astype(np.float32), genes, tracks)
    signal = {"T": x["t0"] + x["t1"], "B": x["t0"] - x["t2"], "NK": np.where(x["t3"] > 2, x["t4"], -x["t4"])}
    percentiles = (pd.DataFrame(signal) + rng.normal(0, 0.3, (n, 3))).rank(pct=True)
    split = pd.Series(np.repeat(["train", "validation", "test"], [n * 2 // 3, n // 6, n - n * 2 // 3 - n // 6]), genes)
    return x, percentiles, split


def plain_network(stacked, cell_type, settings):
    """Make the network of one cell type out of torch's own layers, with the weights of the stack."""

    def linear(weight, bias):
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        layer.weight.data.copy_(weight)
        layer.bias.data.copy_(bias)
        return layer

    class Last(nn.Module):
        def forward(self, x):
            return FUNCTIONS[settings["output"]](x[:, 0])

    blocks = [
        linear(stacked.block_weights[cell_type, i], stacked.block_biases[cell_type, i])
        for i in range(stacked.block_weights.shape[1])
    ]
    blocks = blocks * settings["blocks"] if settings["tied"] else blocks
    layers = [linear(stacked.first_weight[cell_type], stacked.first_bias[cell_type]), nn.ReLU()]
    layers += [layer for block in blocks for layer in (block, nn.ReLU())]
    last = linear(stacked.last_weight[cell_type][None], stacked.last_bias[cell_type][None])
    return nn.Sequential(*layers, last, Last())


@pytest.mark.parametrize(("tied", "count"), [(True, 344_321), (False, 352_641)])
def test_networks_have_the_published_numbers_of_parameters(tied, count):
    settings = CtPred(tied=tied).settings
    assert new_network(ONES, ONES, 2, settings, "cpu").number_of_parameters() == count
    assert sum(one.numel() for one in new_network(ONES, ONES, 2, settings, "cpu").parameters()) == 2 * count


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("output", ["logistic", "squashed", "linear"])
def test_training_is_that_of_a_plain_torch_network_with_adam(tied, output):
    x, percentiles, split = world()
    epochs = 4
    model = CtPred(
        tied=tied, output=output, dropout=0, epochs=epochs, patience=None, batch_size=50, device="cpu", rng=SEED
    )
    model.fit(x, percentiles, split, progress=False)
    train = np.flatnonzero(split == "train")
    mean, inverse_sd = standardisation(x.to_numpy(), train, x.columns)
    z = torch.from_numpy((x.to_numpy() - mean) * inverse_sd)
    start = new_network(mean, inverse_sd, 3, model.settings, "cpu")
    start.draw(torch.Generator().manual_seed(epoch_seed(SEED, 0)))
    y = torch.tensor(percentiles["B"].to_numpy(), dtype=torch.float32)
    validation = torch.from_numpy(np.flatnonzero(split == "validation"))
    plain = plain_network(start, 1, model.settings)
    adam, losses = torch.optim.Adam(plain.parameters(), lr=1e-3, weight_decay=5e-4), []
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(epoch_seed(SEED, epoch)))
        for rows in torch.from_numpy(train)[order].split(50):
            adam.zero_grad()
            nn.functional.mse_loss(plain(z[rows]), y[rows]).backward()
            adam.step()
        with torch.no_grad():
            losses.append(nn.functional.mse_loss(plain(z[validation]), y[validation]).item())
    history = model.history[model.history["cell_type"] == "B"]
    np.testing.assert_allclose(history["validation_loss"], losses, rtol=1e-4)


def test_a_cell_type_trained_alone_is_the_same_as_in_company():
    x, percentiles, split = world()
    settings = {"device": "cpu", "epochs": 40, "patience": 4, "batch_size": 50}
    percentiles = percentiles.mask(np.random.default_rng(1).random(percentiles.shape) < 0.1)
    with pytest.warns(UserWarning, match="genes have no percentile in cell type"):
        together = CtPred(**settings).fit(x, percentiles, split, progress=False)
    stops = together.history.dropna().groupby("cell_type")["epoch"].max()
    assert len(set(stops)) > 1  # they stop at different times
    for cell_type in percentiles:
        with pytest.warns(UserWarning, match="genes have no percentile in cell type"):
            alone = CtPred(**settings).fit(x, percentiles[[cell_type]], split, progress=False)
        np.testing.assert_allclose(alone.predict(x)[cell_type], together.predict(x)[cell_type], atol=2e-5)
        assert alone.history["epoch"].max() == stops[cell_type]


def test_the_weights_that_are_kept_are_those_of_the_best_epoch():
    x, percentiles, split = world()
    model = CtPred(device="cpu", epochs=60, patience=5, batch_size=40).fit(x, percentiles, split, progress=False)
    history, rows = model.history, split == "validation"
    best = history[history["best"]].set_index("cell_type")["validation_loss"]
    loss = ((model.predict(x)[rows] - percentiles[rows]) ** 2).mean()
    pd.testing.assert_series_equal(loss, best[loss.index], check_names=False, rtol=1e-4, check_dtype=False)
    assert (history.groupby("cell_type")["validation_loss"].min() == best.sort_index()).all()
    assert history["epoch"].max() < 60


def test_the_published_order_validates_before_an_epoch_and_keeps_the_weights_after_it():
    x, percentiles, split = world()
    settings = {"device": "cpu", "dropout": 0, "output": "logistic", "learning_rate": 1e-2, "batch_size": 50}
    model = CtPred.as_published(epochs=12, **settings).fit(x, percentiles, split, progress=False)
    history = model.history[model.history["cell_type"] == "T"].set_index("epoch")
    kept = history.index[history["best"]][0]
    after = CtPred.as_published(epochs=kept + 1, **settings).fit(x, percentiles, split, progress=False)
    losses = after.history[after.history["cell_type"] == "T"].set_index("epoch")["validation_loss"]
    rows = split == "validation"
    loss = ((model.predict(x)[rows] - percentiles[rows]) ** 2).mean()["T"]
    assert kept < 12
    np.testing.assert_allclose(loss, losses[kept + 1], rtol=1e-4)


def test_a_model_is_read_as_it_was_written_and_the_bytes_are_the_same(tmp_path):
    x, percentiles, split = world()
    model = CtPred(device="cpu", epochs=3).fit(x, percentiles, split, progress=False)
    model.write(tmp_path / "a.safetensors")
    read = CtPred.read(tmp_path / "a.safetensors", device="cpu")
    read.write(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    pd.testing.assert_frame_equal(read.predict(x), model.predict(x))
    pd.testing.assert_frame_equal(read.history, model.history)
    assert read.settings == model.settings


def test_features_are_matched_by_the_names_of_tracks():
    x, percentiles, split = world()
    model = CtPred(device="cpu", epochs=2).fit(x, percentiles, split, progress=False)
    pd.testing.assert_frame_equal(model.predict(x[x.columns[::-1]]), model.predict(x))
    np.testing.assert_array_equal(model.predict_array(x.to_numpy()), model.predict(x))
    with pytest.warns(UserWarning, match="1 tracks of the features are none of the model's and are not used: 'new'"):
        wider = model.predict(x.assign(new=1.0))
    pd.testing.assert_frame_equal(wider, model.predict(x))
    with pytest.raises(InputError, match=r"1 of the 30 tracks that the model has learned are not among .* 't3'"):
        model.predict(x.drop(columns="t3"))
    with pytest.raises(InputError, match="29 tracks, the model has learned 30"):
        model.predict(x.to_numpy()[:, 1:])
