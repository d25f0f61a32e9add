"""The registry, the bundled sets, and what every data set carries."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scomics_lite import bundled, datasets
from scomics_lite.datasets import catalogue, readers, standins
from scomics_lite.validation import InputError

# those of genotypes are tested in test_genotype_sets
BUNDLED = datasets.available().query("bundled and not modality.str.contains('genotypes')").index.tolist()
FACTS = {"name", "title", "kind", "sha256", "source", "licence", "citation", "units"}


def as_dense(matrix):
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


def test_available_lists_every_set_with_the_columns_of_the_contract(tmp_path):
    table = datasets.available(cache_dir=tmp_path)
    assert table.index.name == "name"
    assert list(table.columns) == ["title", "modality", "n_obs", "n_vars", "source", "licence", "bundled", "cached"]
    assert table.index.is_unique
    assert not table.isna().any(axis=None)
    assert table["bundled"].sum() == 13
    assert (~table["bundled"]).sum() == 17
    assert table["bundled"].dtype == table["cached"].dtype == bool
    assert table.loc["airway", "licence"] == "CC BY-NC-SA 4.0"
    assert "bioc/pasilla, commit 4cc6f81b" in table.loc["pasilla", "source"]


def test_registry_loaders_and_cards_name_the_same_sets():
    folder = datasets.data_folder()
    sources = pd.read_csv(folder / "SOURCES.tsv", sep="\t")
    cards = (folder / "README.md").read_text(encoding="utf-8").split("\n### ")[1:]
    cards = {card.splitlines()[0]: " ".join(card.split()) for card in cards}
    assert set(sources["dataset"]) == set(readers.READERS)
    assert set(cards) == set(datasets.available().index)
    for name, licence in datasets.available()["licence"].items():
        assert f"Licence: {licence}." in cards[name], name
    assert (sources["file"] == sources["dataset"] + "/" + sources["file"].str.split("/").str[-1]).all()
    assert sources["sha256"].str.fullmatch("[0-9a-f]{64}").all()


def test_an_unknown_name_gets_the_nearest_one_and_the_list():
    with pytest.raises(
        InputError, match=r"no data set named 'passila'; did you mean 'pasilla'\?.*airway.*snare_cortex"
    ):
        datasets.load("passila")
    with pytest.raises(InputError, match="no data set named 'nothing like it'"):
        datasets.fetch("nothing like it")
    with pytest.raises(InputError, match=r"'pasilla' is a real data set.*load\('pasilla_simulated'\)"):
        datasets.make_bundled("pasilla")


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_set_is_made_again_exactly(name):
    stored, again = datasets.load(name), datasets.make_bundled(name)
    assert type(stored.X) is type(again.X)
    assert stored.X.dtype == again.X.dtype
    np.testing.assert_array_equal(as_dense(stored.X), as_dense(again.X))
    # exp and log differ in the last digit between processors with and without AVX-512; the counts do not (tried)
    pd.testing.assert_frame_equal(stored.obs, again.obs, rtol=1e-13)
    pd.testing.assert_frame_equal(stored.var, again.var, rtol=1e-6)  # single precision
    assert stored.uns["truth"] == again.uns["truth"]
    assert set(stored.varm) == set(again.varm)
    for key in stored.varm:
        pd.testing.assert_frame_equal(stored.varm[key], again.varm[key])


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_set_is_small_named_as_simulated_and_described(name):
    adata = datasets.load(name)
    about = adata.uns["dataset"]
    assert datasets.fetch(name)[0].stat().st_size < 600_000
    assert adata.var_names.str.startswith("sim_").all()
    assert set(about) == FACTS | {"seed"}
    assert (about["name"], about["kind"]) == (name, "simulated")
    assert about["seed"] == standins.read_recipe(datasets.data_folder() / "simulated", name)["seed"]
    assert adata.shape == tuple(datasets.available().loc[name, ["n_obs", "n_vars"]])
    assert {"size_factor", "library_size"} <= set(adata.obs)
    assert {"share", "dispersion", "changed"} <= set(adata.var)


def test_recipes_hold_summaries_only():
    for name in standins.SETTINGS:
        path = datasets.data_folder() / "simulated" / f"{name}_simulated.json"
        recipe = json.loads(path.read_text())
        assert path.stat().st_size < 10_000
        zeros = {"bin_zero_probability": 20} if "zeros" in recipe else {}
        assert {key: np.size(value) for key, value in recipe["parameters"].items()} == zeros | {
            "log_share_quantiles": 101,
            "bin_log_mean": 20,
            "bin_dispersion": 20,
            "log_library_mean": 1,
            "log_library_sd": 1,
            "unexpressed": 1,
            "n_genes": 1,
        }


def test_the_compositional_set_is_one_sided_and_its_size_factors_are_true():
    adata = datasets.load("compositional_bulk")
    effects = adata.var["log2_fold_change[condition=B]"]
    assert effects.isin([0.0, 1.0]).all()
    assert (effects > 0).mean() == pytest.approx(0.3)
    stable = adata[:, ~adata.var["changed"].to_numpy()]
    factors = adata.obs["size_factor"].to_numpy()
    # what is left of the stable genes after division by the truth is the same in every sample, up to sampling noise
    observed = np.log(stable.X.sum(axis=1) / factors)
    assert np.ptp(observed) < 0.1
    assert np.ptp(np.log(stable.X.sum(axis=1) / adata.X.sum(axis=1))) > 0.2  # totals, however, mislead


def test_the_donors_are_nested_in_conditions_and_their_truth_is_there():
    adata = datasets.load("donors_simulated")
    obs, var = adata.obs, adata.var
    assert obs.groupby("donor", observed=True)["condition"].nunique().eq(1).all()
    assert obs.drop_duplicates("donor")["condition"].value_counts().to_dict() == {"ctrl": 6, "stim": 6}
    assert pd.crosstab(obs["donor"], obs["cell_type"]).eq(50).all(axis=None)
    counts = {"none": 210, "mean": 30, "zero": 30, "dispersion": 30}
    assert var["changed_component[condition=stim]"].value_counts().to_dict() == counts
    assert var["changed_component[cell_type=T cells]"].value_counts().to_dict() == {
        "none": 240, "mean": 60, "zero": 0, "dispersion": 0,
    }  # fmt: skip
    assert adata.varm["donor_effect"].index.equals(adata.var_names)
    # the pooled counts of a donor, over those of all, show the donor's effect
    effects = adata.varm["donor_effect"].to_numpy()
    deep = (var["mean"] > 3).to_numpy() & (var["changed_component[condition=stim]"] == "none").to_numpy()
    sums = np.array([adata[obs["donor"] == donor].X.sum(axis=0).A1 for donor in obs["donor"].cat.categories]).T
    depths = obs.groupby("donor", observed=True)["size_factor"].sum().to_numpy()
    found = np.log(sums[deep] / depths)
    found -= found.mean(axis=1, keepdims=True)
    true = effects[deep] - effects[deep].mean(axis=1, keepdims=True)
    assert np.corrcoef(found.ravel(), true.ravel())[0, 1] > 0.9


def test_expected_counts_are_not_whole_and_never_negative():
    counts = datasets.load("mouseKO_simulated").X
    assert counts.min() == 0
    fractional = (counts != counts.round()).sum() / (counts > 0).sum()
    assert fractional == pytest.approx(
        standins.read_recipe(datasets.data_folder() / "simulated", "mouseKO_simulated")["fractional"], abs=0.02
    )


def test_the_cells_of_snare_do_not_depend_on_the_sort():
    rng = np.random.default_rng(1)
    atac = sparse.csr_matrix(rng.poisson(2.0, (1_200, 100)))
    rna = sparse.csr_matrix(np.full((1_200, 2), 100))
    classes = np.array(["A"] * 1_190 + ["B"] * 10)
    chosen = readers._deep_cells(rna, atac, classes)
    opened, fragments = (atac > 0).sum(axis=1).A1, atac.sum(axis=1).A1
    order = sorted(range(1_190), key=lambda i: (-opened[i], fragments[i], -i))  # class B is too small
    assert chosen.tolist() == sorted(i for i in order[:400] if opened[i] >= 80)


def test_values_that_are_no_logarithms_of_counts_are_refused():
    with pytest.raises(ValueError, match="scicar_a549"):
        readers._undo_log(sparse.csr_matrix(np.array([[0.5, 0.9, 1.3]])))


def test_an_installed_package_finds_its_data_beside_its_modules(tmp_path):
    package = Path(catalogue.__file__).parents[1]
    shutil.copytree(package, tmp_path / "scomics_lite", ignore=shutil.ignore_patterns("__pycache__", "_data"))
    shutil.copytree(datasets.data_folder(), tmp_path / "scomics_lite" / "_data")
    code = (
        "from scomics_lite import datasets; print(datasets.data_folder()); "
        "print(datasets.load('compositional_bulk').shape, len(datasets.available()))"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout.splitlines() == [str(tmp_path / "scomics_lite" / "_data"), "(8, 5000) 30"]


def test_an_installation_without_data_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(bundled, "__file__", str(tmp_path / "scomics_lite" / "bundled.py"))
    with pytest.raises(FileNotFoundError, match="incomplete"):
        datasets.data_folder()
