"""The real sets, read from a filled cache: sizes, designs, traps, and agreement with the reference tables."""

import functools
import gzip
import os
from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scomics_lite import datasets
from scomics_lite.datasets import readers, standins

DATA = os.environ.get("SCOMICS_LITE_DATA")
STANDINS = [f"{name}_simulated" for name in standins.SETTINGS]
REFERENCE = os.environ.get("SCOMICS_LITE_REFERENCE")
pytestmark = pytest.mark.skipif(not DATA, reason="SCOMICS_LITE_DATA is not set: the real data sets are not here")
needs_reference = pytest.mark.skipif(not REFERENCE, reason="SCOMICS_LITE_REFERENCE is not set: no reference tables")


load = functools.cache(datasets.load)  # no test changes what it loads


def reference(dataset, table):
    with gzip.open(Path(REFERENCE) / "de" / dataset / f"{table}.tsv.gz", "rt") as stream:
        return pd.read_csv(stream, sep="\t", index_col=0)


@pytest.mark.parametrize("name", readers.READERS)
def test_every_real_set_loads_with_its_size_and_facts(name, tmp_path):
    data = load(name)
    assert data.shape == tuple(datasets.available().loc[name, ["n_obs", "n_vars"]])
    assert data.obs_names.is_unique
    assert data.var_names.is_unique
    about = data.uns["dataset"]
    assert (about["name"], about["kind"]) == (name, "real")
    assert all(isinstance(value, str) and value for value in about.values())
    assert len(about["sha256"]) == 64
    assert "seed" not in about
    with mudata.set_options(pull_on_update=False):  # writing a MuData updates it, which warns otherwise
        data.write(tmp_path / ("again.h5mu" if isinstance(data, mudata.MuData) else "again.h5ad"))


@needs_reference
@pytest.mark.parametrize("name", ["pasilla", "airway", "pickrell"])
def test_counts_and_sample_names_are_those_of_the_reference(name):
    adata = load(name)
    table = reference(name, "deseq2_size_factors")
    assert adata.obs_names.tolist() == table.index.tolist()
    np.testing.assert_array_equal(adata.X.sum(axis=1), table["libsize"])
    assert isinstance(adata.X, np.ndarray)
    assert adata.X.dtype == np.int64


@needs_reference
def test_islam_agrees_with_the_reference_after_its_filter():
    adata = load("islam_esmef")
    table = reference("islam_esmef", "edger_normfactors")
    assert adata.obs_names.tolist() == table.index.tolist()
    kept = adata.X[:, np.asarray((adata.X > 0).sum(axis=0)).ravel() >= 10]
    np.testing.assert_array_equal(np.asarray(kept.sum(axis=1)).ravel(), table["libsize"])


@needs_reference
@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("pasilla", {"type": "single", "condition": "treated"}),
        ("airway", {"dex": "treated", "celltype": "N61311"}),
        ("pickrell", {"gender": "male"}),
    ],
)
def test_designs_are_those_of_the_reference(name, columns):
    obs, design = load(name).obs, reference(name, "design")
    for column, level in columns.items():
        assert obs[column].dtype == "category"
        assert obs[column].cat.categories[-1] == level
        np.testing.assert_array_equal(obs[column] == level, design[column + level] == 1)


@pytest.mark.parametrize(
    ("name", "column", "levels"),
    [
        ("pasilla", "condition", ["untreated", "treated"]),
        ("pasilla", "type", ["paired", "single"]),
        ("airway", "dex", ["control", "treated"]),
        ("airway", "celltype", ["N052611", "N061011", "N080611", "N61311"]),
        ("pickrell", "gender", ["female", "male"]),
        ("mouseKO", "genotype", ["WT", "KO"]),
        ("islam_esmef", "celltype", ["ESC", "MEF"]),
        ("pollen", "celltype", ["NPC", "GW16", "GW21", "GW21+3"]),
        ("kang_muscat", "group_id", ["ctrl", "stim"]),
        ("kang_muscat", "donor", ["101", "107"]),
        ("scicar_a549", "hours", ["0", "1", "3"]),
    ],
)
def test_levels_are_in_a_sensible_order(name, column, levels):
    assert load(name).obs[column].cat.categories.tolist() == levels


def test_airway_has_its_all_zero_genes():
    assert (load("airway").X.sum(axis=0) == 0).sum() == 30_633


def test_mouse_ko_is_left_as_it_is():
    adata = load("mouseKO")
    assert adata.obs_names.tolist() == ["KO1", "KO2", "KO3", "KO4", "WT1", "WT2", "WT3", "WT4"]
    assert (adata.X.round() != adata.X).any()


@pytest.mark.parametrize("name", ["islam_esmef", "pollen", "kang_muscat", "her2st_A1", "her2st_H1"])
def test_cells_and_spots_are_sparse_counts(name):
    adata = load(name)
    assert sparse.issparse(adata.X)
    assert adata.X.dtype == np.int64
    assert adata.X.min() == 0


def test_kang_agrees_with_the_logcounts_of_its_file():
    adata = load("kang_muscat")
    assert pd.crosstab(adata.obs["sample_id"], adata.obs["donor"]).to_numpy().tolist() == [
        [(adata.obs["sample_id"] == "ctrl101").sum(), 0],
        [0, (adata.obs["sample_id"] == "ctrl107").sum()],
        [(adata.obs["sample_id"] == "stim101").sum(), 0],
        [0, (adata.obs["sample_id"] == "stim107").sum()],
    ]
    assert adata.obsm["X_tsne"].shape == (1556, 2)
    assert adata.var.loc["ISG15", "ensembl"] == "ENSG00000187608"
    isg15 = adata[:, "ISG15"].X.toarray().ravel()
    stimulated = (adata.obs["group_id"] == "stim").to_numpy()
    assert isg15[stimulated].mean() > 10 * isg15[~stimulated].mean()  # the answer to interferon


def test_cite_pairs_rna_with_proteins():
    both = load("cite_pbmc_inhouse")
    assert {name: part.shape for name, part in both.mod.items()} == {"rna": (1372, 33538), "protein": (1372, 10)}
    assert both.obs["celltype"].cat.categories[-1] == "unknown"
    assert (both.obs["celltype"] == "unknown").sum() == 190
    assert (both["rna"].obs_names == both["protein"].obs_names).all()
    cd14 = both["protein"][:, "CD14_protein"].X.toarray().ravel()
    assert pd.Series(cd14).groupby(both.obs["celltype"].to_numpy()).median().idxmax() == "CD14+ monocytes"
    assert both["rna"].X.nnz == 1_352_128


def test_snare_is_the_selection_of_its_card():
    both = load("snare_cortex")
    assert both["rna"].shape == (1763, 1677)
    assert both["atac"].shape == (1763, 8956)
    prior = both.uns["gene_peaks"]
    assert prior.shape == (1677, 8956)
    assert (np.asarray(prior.sum(axis=0)) == 1).all()  # every peak belongs to one gene
    sizes = both.obs["celltype"].value_counts()
    assert sizes.max() == 400
    assert sizes.min() >= 20
    assert "Mis" not in sizes.index
    assert np.asarray(both["rna"].X.sum(axis=1)).min() >= 150
    assert np.asarray((both["atac"].X > 0).sum(axis=0)).min() >= 10


def test_scicar_counts_are_exact():
    both = load("scicar_a549")
    counts = both["rna"].X
    assert counts.dtype == np.int64
    assert counts.data.min() == 1
    stored = readers.read_r(Path(DATA) / "scicar_a549" / "data_A549.rda")["data_A549"]["data"]["RNA"]
    # forwards again: ln(1 + count × the scale of the cell) is what the file holds
    scale = np.expm1(np.minimum.reduceat(stored.x, stored.p[:-1]))
    logged = np.log1p(counts.data * np.repeat(scale, np.diff(counts.indptr)))
    np.testing.assert_allclose(logged, stored.x, rtol=1e-12)


@pytest.mark.parametrize(("name", "labels"), [("her2st_A1", 6), ("her2st_H1", 7)])
def test_spots_have_places_and_labels(name, labels):
    adata = load(name)
    assert len(adata.obs["label"].cat.categories) == labels
    assert adata.obs["label"].cat.categories[0] == "invasive cancer"
    assert adata.obs_names.tolist() == [
        f"{x}x{y}" for x, y in zip(adata.obs["array_x"], adata.obs["array_y"], strict=True)
    ]
    # the grid and the pixels tell the same story
    assert np.corrcoef(adata.obs["array_x"], adata.obsm["spatial"][:, 0])[0, 1] > 0.999
    assert np.corrcoef(adata.obs["array_y"], adata.obsm["spatial"][:, 1])[0, 1] > 0.999


def test_the_image_of_a1_lies_under_its_spots():
    library = load("her2st_A1").uns["spatial"]["A1"]
    pixels = library["images"]["hires"]
    assert pixels.shape == (2138, 2000, 3)
    assert pixels.dtype == np.uint8
    adata = load("her2st_A1")
    x, y = (adata.obsm["spatial"] * library["scalefactors"]["tissue_hires_scalef"]).round().astype(int).T
    tissue = pixels.max(axis=2) > 0  # the slide around the tissue was painted black
    assert tissue[y, x].mean() > 0.95
    assert tissue[:1_800].mean() < 0.8


def test_containers():
    for name, modality in datasets.available()["modality"].items():
        if name in readers.READERS:
            kind = mudata.MuData if "+" in modality else anndata.AnnData
            assert isinstance(load(name), kind), name


@pytest.mark.parametrize("name", STANDINS)
def test_a_stand_in_has_the_design_depth_and_zeros_of_its_real_set(name):
    real, made = load(name.removesuffix("_simulated")), load(name)
    design = real.obs.select_dtypes("category")
    assert made.n_obs == real.n_obs
    pd.testing.assert_frame_equal(
        made.obs[list(design)].reset_index(drop=True), design.reset_index(drop=True), check_categorical=True
    )
    assert sparse.issparse(made.X) == sparse.issparse(real.X)
    counts, simulated = (matrix.toarray() if sparse.issparse(matrix) else matrix for matrix in (real.X, made.X))
    assert (simulated.sum(axis=0) == 0).mean() == pytest.approx((counts.sum(axis=0) == 0).mean(), abs=0.02)
    assert (simulated > 0).mean() == pytest.approx((counts > 0).mean(), abs=0.07)
    assert simulated.mean() == pytest.approx(counts.mean(), rel=0.35)


@pytest.mark.parametrize("name", STANDINS)
def test_the_stored_parameters_are_those_of_the_real_set(name):
    stored = standins.read_recipe(datasets.data_folder() / "simulated", name)
    real_name = name.removesuffix("_simulated")
    again = standins.estimate(real_name, load(real_name))
    parameters, expected = again.pop("parameters"), stored.pop("parameters")
    assert again == stored
    assert list(parameters) == list(expected)
    for key, value in expected.items():
        np.testing.assert_allclose(parameters[key], value, rtol=2e-5, err_msg=key)


def test_write_all_writes_what_is_bundled(tmp_path, monkeypatch):
    monkeypatch.setattr(standins, "SETTINGS", {"pasilla": standins.SETTINGS["pasilla"]})
    standins.write_all(tmp_path, load)
    bundled = datasets.data_folder() / "simulated"
    for name in ("pasilla_simulated", "compositional_bulk", "donors_simulated"):
        assert (tmp_path / f"{name}.json").read_text() == (bundled / f"{name}.json").read_text()
        assert (tmp_path / f"{name}.h5ad").stat().st_size < 600_000
        written, stored = (standins.read(folder, name).X for folder in (tmp_path, bundled))
        assert (written != stored).sum() == 0
