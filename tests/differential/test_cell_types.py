"""Every type of cells in one call: as by hand, as DESeq2 does it, and what cannot be tested is said.

tests/reference/README.md says what the tables are. Tolerance: 1e-8 relative, as for DESeq2's other numbers; measured
are 2e-11.
"""

import hashlib
import json
import warnings
from functools import cache
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scomics_lite import datasets, differential, normalization
from scomics_lite.multiple_testing import adjust
from scomics_lite.validation import InputError

FOLDER = Path(__file__).parents[1] / "reference"
PROVENANCE = json.loads((FOLDER / "cell_type_provenance.json").read_text())
DESIGN, CONTRAST = "~ donor + condition", ("condition", "stim", "ctrl")
COLUMNS = {
    **{name: name for name in ("baseMean", "log2FoldChange", "lfcSE", "stat", "pvalue")},
    "padj": "p_adj.loc",
    "padj_global": "p_adj.glb",
}


@cache
def stored_sums():
    rows = pd.read_csv(FOLDER / "cell_type_sums.tsv.gz", sep="\t")
    names = rows[["donor", "condition", "type"]].agg("_".join, axis=1)
    counts = np.array([row.split(",") for row in rows["counts"]]).astype(float)
    return anndata.AnnData(counts, obs=rows.drop(columns="counts").set_index(names.to_numpy()).astype("category"))


def sums():
    return stored_sums().copy()


def every(adata, **settings):
    return differential.test_groups(adata, "type", DESIGN, CONTRAST, progress=False, **settings)


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_every_type_is_what_deseq2_gives_and_both_adjustments_are_muscat_s():
    theirs = pd.read_csv(FOLDER / "cell_type_results.tsv.gz", sep="\t").set_index(["type", "gene"])
    ours = every(sums())
    assert ours.index.get_level_values("group").unique().tolist() == ["B", "NK", "T", "mono"]
    for name, part in ours.groupby("group", observed=True):
        for column, theirs_column in COLUMNS.items():
            np.testing.assert_allclose(part[column], theirs.loc[name, theirs_column], rtol=1e-8, err_msg=column)


def test_the_reference_is_as_it_was_made():
    for name, sha256 in PROVENANCE["sha256"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == sha256, name


@pytest.mark.parametrize("settings", [{}, {"method": "ql"}, {"method": "voom", "shrink": "ash"}], ids=str)
def test_one_call_is_what_a_call_for_every_type_is(settings):
    adata = sums()
    table = every(adata, **settings)
    for name in ("B", "NK", "T", "mono"):
        some = adata[adata.obs["type"] == name].copy()
        by_hand = differential.test(some, DESIGN, CONTRAST, progress=False, **settings)
        pd.testing.assert_frame_equal(table.loc[name].drop(columns="padj_global"), by_hand, check_names=False)
    globally = adjust(table["pvalue"].where(table["padj"].notna()))
    pd.testing.assert_series_equal(table["padj_global"], globally, check_names=False)


def test_given_size_factors_go_to_their_groups():
    adata = sums()
    s = normalization.size_factors(adata, "total")
    table = every(adata, size_factors=s)
    some = adata[adata.obs["type"] == "T"].copy()
    own = differential.test(some, DESIGN, CONTRAST, size_factors=s[some.obs_names], progress=False)
    np.testing.assert_array_equal(table.loc["T", "pvalue"], own["pvalue"])
    with pytest.raises(InputError, match="names of the size factors are not those of the counts"):
        every(adata, size_factors=s[::-1])


def test_types_in_which_nothing_changes_put_few_false_genes_into_a_list_of_all():
    rng = np.random.default_rng(8)
    condition, donors = np.tile(["ctrl", "stim"], 4), np.repeat(list("abcd"), 2)
    change = np.repeat([3.0, 1 / 3, 1.0], [20, 20, 110])
    fold = np.where((condition == "stim")[:, None], change, 1.0)
    counts = [rng.poisson(rng.gamma(10, 4.0 * (fold if i == 0 else np.ones((8, 150))))) for i in range(12)]
    obs = pd.DataFrame({"donor": np.tile(donors, 12), "condition": np.tile(condition, 12)})
    obs["type"] = [f"t{i:02d}" for i in range(12) for _ in range(8)]
    adata = anndata.AnnData(np.vstack(counts).astype(float), obs=obs.set_index(obs.index.astype(str)))
    called = every(adata, method="ql")[["padj", "padj_global"]] < 0.1
    right = called.loc["t00"].iloc[:40].sum()
    assert right["padj_global"] >= 24
    assert called["padj_global"].sum() - right["padj_global"] <= 0.2 * called["padj_global"].sum()


# --- what cannot be tested --------------------------------------------------------------------------------------------


def lacking():
    """One type without a treated sample, and one with one donor."""
    adata = sums()
    obs = adata.obs
    lost = (obs["type"] == "NK") & (obs["condition"] == "stim") | (obs["type"] == "B") & (obs["donor"] != "d0")
    return adata[~lost].copy()


def test_types_that_cannot_be_tested_keep_their_rows_and_the_reason():
    adata = lacking()
    with pytest.warns(UserWarning, match=r"groups that are not tested, 2 of 4 .*: 'B': .*; 'NK': ") as caught:
        table = every(adata)
    assert len(caught) == 1
    assert len(table) == 4 * adata.n_vars
    assert set(table.attrs["not_tested"]) == {"B", "NK"}
    assert "'donor' has one level only" in table.attrs["not_tested"]["B"]
    assert "condition" in table.attrs["not_tested"]["NK"]
    assert table.attrs["n_samples"] == {"B": 2, "NK": 4, "T": 12, "mono": 12}
    for name in ("B", "NK"):
        assert table.loc[name, "status"].eq("group not tested").all()
        assert table.loc[name].drop(columns="status").isna().all(axis=None)
    some = adata[adata.obs["type"].isin(["T", "mono"])].copy()
    pd.testing.assert_frame_equal(table.loc[["T", "mono"]], every(some))


def test_what_stops_every_type_is_an_error():
    adata = sums()
    with pytest.raises(InputError, match=r"no group can be tested; of 'B' the reason is: .*did you mean 'condition'"):
        differential.test_groups(adata, "type", "~ donor + conditon", CONTRAST, progress=False)
    for wrong, match in [
        ({"sums": adata.X}, "test_groups needs an AnnData"),
        ({"group": "typ"}, "did you mean 'type'"),
        ({"group": ["type"]}, "group names one column"),
        ({"design": np.ones((44, 1))}, "made from a formula"),
        ({"key_added": "de"}, "leave it out"),
    ]:
        given = {"sums": adata, "group": "type", "design": DESIGN, "contrast": CONTRAST, "progress": False}
        with pytest.raises(InputError, match=match):
            differential.test_groups(**given | wrong)


def test_what_is_said_of_a_type_has_its_name():
    adata = sums()
    rng = np.random.default_rng(3)
    adata.X[(adata.obs["type"] == "mono").to_numpy()] = rng.poisson(30, (12, adata.n_vars))
    with pytest.warns(UserWarning, match="^group 'mono': no curve .* Taking trend"):
        every(adata)


# --- from cells -------------------------------------------------------------------------------------------------------


def many_types(types=25, rng=6):
    """Cells of 6 samples in many types: some types have few cells, samples lack types, and cells lack counts."""
    rng = np.random.default_rng(rng)
    sizes = rng.poisson(np.geomspace(1, 60, types)[:, None], (types, 6))
    obs = pd.DataFrame(
        [
            (f"t{t}", f"s{s}", "ctrl" if s < 3 else "stim")
            for t in range(types)
            for s in range(6)
            for _ in range(sizes[t, s])
        ],
        columns=["type", "sample", "condition"],
    )
    counts = rng.poisson(rng.lognormal(-1, 1, 60), (len(obs), 60))
    counts[rng.random(len(obs)) < 0.05] = 0
    obs.index = [f"c{i}" for i in range(len(obs))]
    return anndata.AnnData(sparse.csr_matrix(counts.astype(np.float32)), obs=obs), sizes


def test_all_types_are_summed_in_one_call_and_nothing_is_lost_in_silence():
    adata, sizes = many_types()
    said = pytest.warns(UserWarning, match="sums of fewer than 10 cells or 1 counts are left out")
    with said:
        few = differential.pseudobulk(adata, "sample", "type", min_cells=10)
    assert few.n_obs == (sizes >= 10).sum()
    assert few.n_obs + len(few.uns["pseudobulk"]["left_out"]) == (sizes > 0).sum()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sums whose cells are all empty
        whole = differential.pseudobulk(adata, "sample", "type")
    assert whole.X.sum() == adata.X.sum()
    with pytest.warns(UserWarning, match="groups that are not tested"):
        table = differential.test_groups(
            few, "type", "~ condition", ("condition", "stim", "ctrl"), method="voom", progress=False
        )
    tested = table.loc[table["status"] == "tested"].index.get_level_values("group").unique()
    assert set(tested) | set(table.attrs["not_tested"]) == set(few.obs["type"])
    assert len(tested) > 10
    assert (table["padj_global"].dropna() > 0.05).all()  # nothing differs


def test_a_real_study_s_types_come_in_one_call():
    adata = datasets.load("kang_muscat", standin=True, progress=False)
    counted = differential.pseudobulk(adata, "sample_id", "cluster_id")
    contrast = ("group_id", "stim", "ctrl")
    table = differential.test_groups(counted, "cluster_id", "~ donor + group_id", contrast, method="ql", progress=False)
    assert table.attrs["not_tested"] == {}
    assert len(table) == adata.obs["cluster_id"].nunique() * adata.n_vars
    assert (table["padj_global"] < 0.1).groupby("group").sum().gt(20).all()
