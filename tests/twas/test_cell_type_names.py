"""Cell types may be called what they are called: "T/NK" goes through all four steps and every file, and so does "7"."""

import anndata
import pandas as pd
import pytest
from fixtures import dna_studies

from scomics_lite import twas
from scomics_lite.twas.steps.input_checks import check_inputs
from scomics_lite.twas.steps.inputs import read_inputs
from scomics_lite.twas.steps.prediction_files import read_predictions
from scomics_lite.validation import InputError

pytestmark = pytest.mark.filterwarnings("ignore:.* SNPs are left out, by the first rule:UserWarning")
NAMES = {"CD4+ T": "T/NK", "B": "B"}


def renamed(folder, names):
    cells = anndata.read_h5ad(folder / "cells.h5ad")
    cells.obs["cell_type"] = cells.obs["cell_type"].astype(str).map(names)
    return cells


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    dna_studies.write_study(folder)
    return folder


def test_a_slash_in_a_name_changes_no_number_and_no_name(study, tmp_path):
    plain = twas.scpredixcan(tmp_path / "plain", **dna_studies.settings(study))
    slashed = dna_studies.settings(study, cells=renamed(study, NAMES))
    found = twas.scpredixcan(tmp_path / "slash", **slashed)
    assert set(found.models) == {"B", "T/NK"}
    assert {"multixcan": len(found.multixcan), "association": len(found.association)} == {
        "multixcan": len(plain.multixcan),
        "association": len(plain.association),
    }
    for table in ("association", "fidelity", "performance"):
        order = [name for name in ("model", "part", "cell_type", "gene") if name in getattr(plain, table)]
        before = getattr(plain, table).replace({"cell_type": NAMES}).sort_values(order, ignore_index=True)
        after = getattr(found, table).sort_values(order, ignore_index=True)
        pd.testing.assert_frame_equal(after, before, rtol=1e-4)
    told = []
    again = twas.scpredixcan(tmp_path / "slash", **slashed, report=told.append)
    pd.testing.assert_frame_equal(again.association, found.association)
    assert "4_association: was done before" in told


def test_predictions_are_read_back_with_names_and_order(study, tmp_path):
    names = {"CD4+ T": "NK/T/ILC", "B": "7"}
    result = twas.scpredixcan(tmp_path, **dna_studies.settings(study, cells=renamed(study, names)))
    for table in (result.association, result.fidelity, result.performance):
        assert set(table["cell_type"]) == set(result.models) == {"NK/T/ILC", "7"}
    path = tmp_path / "2_people" / "expression.h5ad"
    assert set(anndata.read_h5ad(path).layers) == {"NK_T_ILC", "7"}
    found = read_predictions(path)
    ctpred = twas.CtPred.read(tmp_path / "1_ctpred" / "ctpred.safetensors")
    assert list(found.layers) == list(found.varm["reference"]) == list(ctpred.cell_types)
    assert set(found.layers) == {"NK/T/ILC", "7"}


def test_names_that_would_share_a_file_are_refused_before_the_first_step(study):
    given = dna_studies.settings(study, cells=renamed(study, {"CD4+ T": "T/NK", "B": "T_NK"}))
    inputs = read_inputs(
        *(given[name] for name in ("genome", "genes", "cells", "people", "gwas")),
        **{"featuriser": given["featuriser"], "features": None, "split": given["split"]},
    )
    with pytest.raises(InputError, match="cell types 'T/NK' and 'T_NK' would have the same file"):
        check_inputs(inputs, 200, {}, progress=False)
