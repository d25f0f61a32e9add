"""Features, percentiles and splits that do not fit together, and the advice of each message followed."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scomics_lite.twas.sequence_models.ctpred import CtPred
from scomics_lite.twas.sequence_models.gene_splits import chromosome_split
from scomics_lite.twas.sequence_models.ridge_predictor import RidgePredictor
from scomics_lite.validation import InputError


def world(n=120, p=6):
    rng = np.random.default_rng(0)
    genes = [f"g{i}" for i in range(n)]
    x = pd.DataFrame(rng.poisson(2.0, (n, p)).astype(np.float32), genes, [f"t{i}" for i in range(p)])
    percentiles = (x[["t0", "t1"]].set_axis(["T", "B"], axis=1) + rng.normal(size=(n, 2))).rank(pct=True)
    return x, percentiles, pd.Series(np.repeat(["train", "validation", "test"], [80, 20, 20]), genes)


def fit(x, percentiles, split):
    return CtPred(device="cpu", epochs=2).fit(x, percentiles, split, progress=False)


def put(table, gene, column, value):
    changed = table.copy()
    changed.loc[gene, column] = value
    return changed


REFUSED = {
    "features of other genes": (
        lambda x, y, s: (x.add_prefix("ENSG", axis=0), y, s),
        r"no gene is in features, percentiles and split: features have 'ENSGg0'.*percentiles 'g0'.*split 'g0'",
    ),
    "a missing feature": (lambda x, y, s: (put(x, "g7", "t2", np.nan), y, s), "gene 'g7' has nan in track 't2'"),
    "an infinite feature": (lambda x, y, s: (put(x, "g7", "t2", np.inf), y, s), "gene 'g7' has inf in track 't2'"),
    "text among features": (
        lambda x, y, s: (x.assign(name="a"), y, s),
        r"track 'name' holds no numbers.*drop\(columns",
    ),
    "a gene twice": (lambda x, y, s: (pd.concat([x, x[:1]]), y, s), "features: gene 'g0' comes 2 times"),
    "a track twice": (lambda x, y, s: (pd.concat([x, x[["t1"]]], axis=1), y, s), "features: track 't1' comes 2 times"),
    "constant features": (lambda x, y, s: (x * 0 + 1, y, s), "every track of the features is the same"),
    "a table of nothing": (lambda x, y, s: (x[[]], y, s), r"features are a table of genes × tracks.*shape \(120, 0\)"),
    "percentages": (lambda x, y, s: (x, y * 100, s), "percentiles of cell type 'T': gene 'g0' has .*divided by 100"),
    "negative percentiles": (lambda x, y, s: (x, y - 1, s), "they lie between 0 and 1"),
    "a constant target": (
        lambda x, y, s: (x, y.assign(B=0.5), s),
        r"percentiles of cell type 'B' are 0.5 for all training genes.*drop\(columns",
    ),
    "an empty cell type": (lambda x, y, s: (x, y.assign(B=np.nan), s), "'B' has percentiles of 0 training genes; 20"),
    "text among percentiles": (lambda x, y, s: (x, y.assign(B="high"), s), "column 'B' holds none"),
    "too few training genes": (
        lambda x, y, s: (x, y, s.mask(s == "train", "test").mask(s.index.isin(s.index[:19]), "train")),
        "cell type 'T' has percentiles of 19 training genes; 20 at least",
    ),
    "no validation genes": (
        lambda x, y, s: (x, y, s.replace("validation", "test")),
        "the split has no gene 'validation'",
    ),
    "no training genes": (lambda x, y, s: (x, y, s.replace("train", "test")), "the split has no gene 'train'"),
    "a cell type that no validation gene has": (
        lambda x, y, s: (x, y.assign(B=y["B"].mask(s == "validation")), s),
        "no validation gene has a percentile in cell type 'B'",
    ),
    "an unknown label": (
        lambda x, y, s: (x, y, s.replace("validation", "valid")),
        "gene 'g80' has the label 'valid' in the split: did you mean 'validation'",
    ),
    "a table as split": (lambda x, y, s: (x, y, s.to_frame()), r"the split is one label for each gene; give a column"),
    "a short split": (lambda x, y, s: (x, y, list(s[:50])), "the split has one label for each of 120 genes"),
    "arrays of different lengths": (
        lambda x, y, s: (x.to_numpy()[:100], y.to_numpy(), s.to_numpy()),
        "features have 100 genes and the percentiles 120; without names they cannot be matched",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("fit_one", [fit, lambda *tables: RidgePredictor().fit(*tables)], ids=["ctpred", "ridge"])
def test_tables_that_do_not_fit_are_refused(case, fit_one):
    change, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        fit_one(*change(*world()))


def test_the_advice_is_followed():
    x, percentiles, split = world()
    wanted = fit(x, percentiles, split).predict(x)
    for tables in (
        (x.assign(name="a").drop(columns="name"), percentiles, split),
        (x, percentiles * 100 / 100, split),
        (x, percentiles.assign(NK=0.5).drop(columns="NK"), split),
        (x.assign(name=x.index).set_index("name").rename_axis(None), percentiles, split),
    ):
        np.testing.assert_allclose(fit(*tables).predict(x), wanted, rtol=1e-5)


def test_tables_arrays_and_anndata_in_any_order_give_the_same():
    x, percentiles, split = world()
    wanted = fit(x, percentiles, split).predict(x)
    adata = anndata.AnnData(sparse.csr_matrix(x.to_numpy()), pd.DataFrame(index=x.index), pd.DataFrame(index=x.columns))
    pd.testing.assert_frame_equal(
        fit(adata, percentiles[::-1], split.sample(frac=1, random_state=1)).predict(x), wanted
    )
    pd.testing.assert_frame_equal(fit(x, percentiles, list(split)).predict(adata), wanted)
    plain = fit(x.to_numpy(), percentiles.to_numpy(), split.to_numpy())
    np.testing.assert_array_equal(plain.predict(x.to_numpy()), wanted)
    assert plain.predict(x.to_numpy()).columns.tolist() == [0, 1]


def test_chromosomes_stand_for_their_split():
    x, percentiles, _ = world()
    chromosomes = pd.Series([f"chr{i % 22 + 1}" for i in range(120)], x.index)
    wanted = fit(x, percentiles, chromosome_split(chromosomes)).predict(x)
    pd.testing.assert_frame_equal(fit(x, percentiles, chromosomes).predict(x), wanted)


def test_genes_that_something_lacks_are_left_out_and_counted():
    x, percentiles, split = world()
    more = pd.DataFrame({"T": [0.5], "B": [0.5]}, index=["new"])
    lost = "110 genes are in .*; left out: 10 that have features, .*'g0'.* and 1 that have no features .'new'"
    with pytest.warns(UserWarning, match=lost):
        model = fit(x, pd.concat([percentiles[10:], more]), split)
    pd.testing.assert_frame_equal(model.predict(x), fit(x[10:], percentiles[10:], split[10:]).predict(x), atol=1e-5)


def test_constant_tracks_are_named_and_say_nothing_about_others():
    x, percentiles, split = world()
    x["t3"] = np.where(split == "train", 5.0, 1.0).astype(np.float32)
    with pytest.warns(UserWarning, match="1 track is the same for all training genes and left out by the model: 't3'"):
        model = fit(x, percentiles, split)
    pd.testing.assert_frame_equal(model.predict(x.assign(t3=100.0)), model.predict(x))


def test_the_features_are_neither_copied_nor_changed():
    x, percentiles, split = world()
    matrix = x.to_numpy().copy()
    matrix.flags.writeable = False
    model = fit(matrix, percentiles.to_numpy(), split.to_numpy())
    np.testing.assert_array_equal(matrix, x)
    np.testing.assert_array_equal(model.predict(matrix), model.predict_array(matrix))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"output": "sigmoid"}, "output='sigmoid'.*Known: linear, logistic, squashed"),
        ({"batch_size": 0}, "batch_size is a whole number, 1 or more; got 0"),
        ({"patience": 2.5}, "patience is a whole number"),
        ({"blocks": -1}, "blocks is a whole number, 0 or more"),
        ({"dropout": 1}, "dropout is a share of the units"),
        ({"learning_rate": 0}, "learning_rate is above 0"),
        ({"weight_decay": -1}, "weight_decay is 0 or more"),
        ({"rng": "a"}, "rng is a whole number, 0 or more, or a numpy Generator; got 'a'"),
        ({"rng": -1}, "rng is a whole number, 0 or more"),
        ({"tied": "yes"}, "tied is True or False; got 'yes'"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        CtPred(**settings)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"device='nowhere' cannot be used .*this machine has '"):
        CtPred(device="nowhere").fit(*world(), progress=False)


def test_a_training_that_goes_out_of_bounds_names_cell_type_and_way_out():
    x, percentiles, split = world()
    with pytest.raises(InputError, match="cell type 'T' went out of bounds in epoch 1: take a smaller learning_rate"):
        CtPred(device="cpu", learning_rate=1e30, epochs=3, batch_size=5).fit(x, percentiles, split, progress=False)


def test_a_network_whose_outputs_are_all_0_is_named():
    x, percentiles, split = world()
    with pytest.warns(UserWarning, match="the same is predicted for all validation genes in cell types 'T', 'B'; try"):
        CtPred.as_published(device="cpu", epochs=1, rng=2).fit(x, percentiles, split, progress=False)


def test_a_model_that_was_not_trained_says_so():
    for use in (lambda m: m.predict(world()[0]), lambda m: m.history, lambda m: m.write("x")):
        with pytest.raises(InputError, match=r"the model has learned nothing yet: fit\(features, percentiles, split\)"):
            use(CtPred())
