"""Cells of one donor are no replicates: which columns are found, what is said, and that the advice works."""

import re
import warnings

import anndata
import numpy as np
import pandas as pd
import pytest

import scomics_lite
from scomics_lite import datasets, differential
from scomics_lite.validation import warn_of_donors


def said(obs, *tested, **settings):
    """Give the warning, or nothing."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_donors(obs, list(tested), **settings)
    return str(caught[0].message) if caught else ""


def followed(message, adata):
    """Make the call that a message shows."""
    call = re.search(r"sums = (.*)$", message)[1]
    return eval(call, {"scomics_lite": scomics_lite, "adata": adata})


NAMES = """donor, Donor ID, patientID, mouse.id, individual, subject_no, animal, sample_id, orig.ident, replicate,
bio_rep, SampleName, library_id, cell_donor"""


@pytest.mark.parametrize("name", re.split(r",\s+", NAMES))
def test_columns_that_say_whose_cell_it_is_are_found(name):
    assert f"by column {name!r} these 6 cells are of 2" in said(pd.DataFrame({name: list("aabbab")}))


@pytest.mark.parametrize(
    "column",
    [
        {"donor_age": list("aabb")},
        {"sample_type": list("aabb")},
        {"cell_id": list("aabb")},
        {"resident": list("aabb")},
        {"orig.ident": ["SeuratProject"] * 4},
        {"sample": list("abcd")},
        {"donor": [["a"], ["b"], ["a"], ["b"]]},
    ],
    ids=lambda column: str(next(iter(column))),
)
def test_other_columns_single_levels_and_a_sample_for_each_row_are_not(column):
    assert said(pd.DataFrame(column)) == ""


def test_donors_come_before_their_samples():
    obs = pd.DataFrame({"sample_id": list("abcdabcd"), "donor": list("xxyyxxyy")})
    assert "cells of one donor" in said(obs)
    assert "by column 'donor'" in said(obs)
    assert "cells of one sample" in said(obs[["sample_id"]])


def test_what_is_compared_is_no_replicate_of_itself():
    obs = pd.DataFrame({"donor": list("xxyyxxyy")})
    assert said(obs, "donor") == ""


def test_levels_of_one_donor_each_are_told_that_no_sum_will_help():
    obs = pd.DataFrame({"donor": list("xxyy"), "drug": ["no", "no", "yes", "yes"]})
    message = said(obs, "drug")
    assert "No level of 'drug' has cells of two, so nothing can tell 'drug' from 'donor'" in message
    assert "pseudobulk" not in message


def test_numbers_of_each_cell_are_not_summed_by():
    obs = pd.DataFrame({"donor": list("xxyyxxyy"), "depth": np.linspace(0, 1, 8)})
    assert said(obs, "depth").endswith("pseudobulk(adata, 'donor')")


def cells_of(donors, drugs, rng=1):
    obs = pd.DataFrame({"donor": donors, "drug": drugs}).set_axis([f"c{i}" for i in range(len(donors))])
    return anndata.AnnData(np.random.default_rng(rng).poisson(20, (len(obs), 30)).astype(float), obs=obs)


@pytest.mark.parametrize("paired", [True, False])
def test_the_call_in_the_message_gives_sums_that_can_be_tested(paired):
    donors = np.repeat(list("abcdef"), 20)
    drugs = np.tile(["no", "yes"], 60) if paired else np.repeat(["no", "yes"], 60)
    adata = cells_of(donors, drugs)
    message = said(adata.obs, "drug")
    assert ("['donor', 'drug']" in message) == paired
    sums = followed(message, adata)
    assert sums.n_obs == (12 if paired else 6)
    table = differential.test(sums, "~ drug", ("drug", "yes", "no"), method="voom", progress=False)
    assert (table["status"] == "tested").all()


def test_the_call_names_the_layer_of_the_counts():
    adata = cells_of(list("aabbaabb"), ["no"] * 4 + ["yes"] * 4)
    adata.layers["raw"], adata.X = adata.X, np.log1p(adata.X / 7)
    sums = followed(said(adata.obs, "drug", layer="raw"), adata)
    assert sums.X.sum() == adata.layers["raw"].sum()


def test_the_donors_of_a_real_study_s_stand_in_are_found():
    adata = datasets.load("kang_muscat_simulated")
    sums = followed(said(adata.obs, "group_id", "cluster_id"), adata)
    assert {"donor", "group_id", "cluster_id"} <= set(sums.obs)
