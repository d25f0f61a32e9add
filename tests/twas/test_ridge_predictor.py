"""Ridge regression on features against scikit-learn, at the penalty that the validation genes choose."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from scomics_lite.twas.sequence_models.ridge_predictor import PENALTIES, RidgePredictor
from scomics_lite.validation import InputError


def world(n, p, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    genes, tracks = [f"g{i}" for i in range(n)], [f"t{i}" for i in range(p)]
    x = pd.DataFrame(
        rng.gamma(0.5, 1.0, (n, p)).astype(np.float32) * rng.uniform(0.1, 50, p).astype(np.float32), genes, tracks
    )
    z = (x - x.mean()) / x.std()
    signal = pd.DataFrame({"T": z.iloc[:, 0], "B": z.iloc[:, :20].sum(axis=1), "NK": 0 * z.iloc[:, 0]})
    percentiles = (signal + rng.normal(size=(n, 3))).rank(pct=True)
    split = pd.Series(
        rng.permutation(np.repeat(["train", "validation", "test"], [n - 2 * (n // 5), n // 5, n // 5])), genes
    )
    return x, percentiles.mask(rng.random((n, 3)) < missing), split


def by_scikit_learn(x, y, split):
    """Fit every penalty anew, and keep the one with the smallest validation loss."""
    train = split.eq("train")
    mean = x[train].mean().astype(np.float32)
    sd = np.sqrt(((x[train] - mean).astype(float) ** 2).sum() / (train.sum() - 1))
    z = ((x - mean).astype(float) / sd).to_numpy()
    rows = {part: (split.eq(part) & y.notna()).to_numpy() for part in ("train", "validation")}
    fits, losses = [], []
    for penalty in PENALTIES * rows["train"].sum():
        fits.append(Ridge(alpha=penalty, solver="cholesky").fit(z[rows["train"]], y[rows["train"]]))
        losses.append(np.mean((fits[-1].predict(z[rows["validation"]]) - y[rows["validation"]]) ** 2))
    best = fits[int(np.argmin(losses))]
    return best, best.predict(z), losses


@pytest.mark.parametrize(("n", "p"), [(300, 40), (150, 90), (100, 300)])
@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_ridge_is_scikit_learn_s_at_the_best_penalty(n, p, missing):
    x, percentiles, split = world(n, p, missing=missing)
    if missing:
        with pytest.warns(UserWarning, match="genes have no percentile in cell type"):
            model = RidgePredictor().fit(x, percentiles, split)
    else:
        model = RidgePredictor().fit(x, percentiles, split)
    predicted = model.predict(x)
    for name in percentiles:
        best, wanted, losses = by_scikit_learn(x, percentiles[name], split)
        assert model.penalty[name] == pytest.approx(best.alpha, rel=1e-12)
        np.testing.assert_allclose(model.validation_losses[name], losses, rtol=1e-6)
        np.testing.assert_allclose(predicted[name], wanted, atol=2e-6)  # float32 in 1 / sd


def test_features_of_double_precision_scale_give_scikit_learn_s_weights_to_eight_digits():
    x, percentiles, split = world(200, 30)
    model = RidgePredictor().fit(x, percentiles, split)
    z = (x.to_numpy(float) - model._mean) * model._inverse_sd  # the numbers that the model works with
    train = split.eq("train")
    for name in percentiles:
        peer = Ridge(alpha=model.penalty[name], solver="cholesky").fit(z[train], percentiles[name][train])
        np.testing.assert_allclose(model.weights[name], peer.coef_, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(model.predict(x)[name], peer.predict(z), rtol=1e-8)


def test_cell_types_do_not_depend_on_each_other():
    x, percentiles, split = world(120, 20, missing=0.1)
    with pytest.warns(UserWarning, match="no percentile"):
        together = RidgePredictor().fit(x, percentiles, split).predict(x)
    for name in percentiles:
        with pytest.warns(UserWarning, match="no percentile"):
            alone = RidgePredictor().fit(x, percentiles[[name]], split).predict(x)
        np.testing.assert_allclose(alone[name], together[name], rtol=1e-12)


def test_constant_tracks_get_no_weight_and_are_named():
    x, percentiles, split = world(120, 20)
    x["t3"] = 7.0
    x.loc[split != "train", "t4"] = np.arange((split != "train").sum())
    x.loc[split == "train", "t4"] = 0.0
    with pytest.warns(UserWarning, match="2 tracks are the same for all training genes and left out .*'t3', 't4'"):
        model = RidgePredictor().fit(x, percentiles, split)
    assert (model.weights.loc[["t3", "t4"]] == 0).all(axis=None)
    pd.testing.assert_frame_equal(model.predict(x.assign(t4=99.0)), model.predict(x))


def test_tracks_are_matched_by_name_and_arrays_by_their_number():
    x, percentiles, split = world(120, 20)
    model = RidgePredictor().fit(x, percentiles, split)
    pd.testing.assert_frame_equal(model.predict(x[x.columns[::-1]]), model.predict(x))
    np.testing.assert_array_equal(model.predict_array(x.to_numpy()), model.predict(x))
    assert model.predict_array(x.to_numpy()[:0]).shape == (0, 3)
    with pytest.raises(InputError, match="the model has learned nothing yet"):
        RidgePredictor().predict(x)
