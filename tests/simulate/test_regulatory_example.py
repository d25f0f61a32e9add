"""The bundled small world is what its page says it is."""

import re
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from scomics_lite.bundled import data_folder
from scomics_lite.dna import read_genome

FOLDER = Path(data_folder()) / "scpredixcan_example"
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the code on the page writes, somewhere else."""
    folder = tmp_path_factory.mktemp("made")
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL).group(1)
    exec(code.replace('"scpredixcan_example"', repr(str(folder))), {})
    return folder


def test_the_page_s_code_makes_these_files_and_no_others(made):
    assert {path.name for path in made.iterdir()} | {"README.md"} == {path.name for path in FOLDER.iterdir()}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_000_000


@pytest.mark.parametrize("name", ["genome.fa", "genome.fa.fai", "genes.gtf"])
def test_texts_are_the_same(made, name):
    assert (made / name).read_text(encoding="utf-8") == (FOLDER / name).read_text(encoding="utf-8")


def test_genotypes_are_the_same(made):
    tables = [pd.read_csv(folder / "people.vcf.gz", sep="\t", comment="#", header=None) for folder in (made, FOLDER)]
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.gz") if "vcf" not in path.name))
def test_tables_are_the_same(made, name):
    tables = [pd.read_csv(folder / name, sep="\t" if "txt" in name else ",") for folder in (made, FOLDER)]
    pd.testing.assert_frame_equal(*tables, rtol=1e-4, atol=1e-5)


def test_cells_and_expression_are_the_same(made):
    cells = [anndata.read_h5ad(folder / "cells.h5ad") for folder in (made, FOLDER)]
    assert (cells[0].X != cells[1].X).nnz == 0
    pd.testing.assert_frame_equal(cells[0].obs, cells[1].obs)
    levels = [anndata.read_h5ad(folder / "truth_expression.h5ad") for folder in (made, FOLDER)]
    assert set(levels[0].layers) == set(levels[1].layers)
    for layer in levels[0].layers:
        np.testing.assert_allclose(levels[0].layers[layer], levels[1].layers[layer], atol=1e-5)


def test_the_index_is_the_one_that_pyfaidx_makes(made):
    index = made / "genome.fa.fai"
    written = index.read_text(encoding="ascii")
    index.unlink()
    read_genome(made / "genome.fa")
    assert index.read_text(encoding="ascii") == written
