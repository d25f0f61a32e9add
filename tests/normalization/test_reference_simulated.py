"""Size and normalization factors against DESeq2 and edgeR, on counts that the repository holds itself.

tests/reference/README.md says what the tables are and how they were made. Tolerance: 1e-10 relative, as the course
promises; the largest difference measured is about 1e-14, last digits of sums.
"""

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.makers import maker
from scipy import sparse

from scomics_lite.normalization import norm_factors, size_factors
from scomics_lite.validation import CountsError

FOLDER = Path(__file__).parents[1] / "reference"
PROVENANCE = json.loads((FOLDER / "provenance.json").read_text())
TRIMS = {"logratio_trim": 0.1, "sum_trim": 0.2}
OURS = {
    "ratio": lambda counts: size_factors(counts, "median_of_ratios"),
    "ratio_matrix": lambda counts: size_factors(counts, "median_of_ratios"),
    "poscounts": lambda counts: size_factors(counts, "poscounts"),
    "RLE": lambda counts: norm_factors(counts, "rle"),
    "upperquartile": lambda counts: norm_factors(counts, "upper_quartile"),
    "TMM": lambda counts: norm_factors(counts, "tmm"),
    "TMMwsp": lambda counts: norm_factors(counts, "tmmwsp"),
    "TMM_unweighted": lambda counts: norm_factors(counts, "tmm", weighted=False),
    "TMMwsp_unweighted": lambda counts: norm_factors(counts, "tmmwsp", weighted=False),
    "TMM_trims": lambda counts: norm_factors(counts, "tmm", **TRIMS),
    "TMMwsp_trims": lambda counts: norm_factors(counts, "tmmwsp", **TRIMS),
    "TMM_untrimmed": lambda counts: norm_factors(counts, "tmm", logratio_trim=0, sum_trim=0),
    "TMM_reference2": lambda counts: norm_factors(counts, "tmm", reference=1),
    "TMMwsp_reference2": lambda counts: norm_factors(counts, "tmmwsp", reference=1),
}
WITHOUT_FACTORS = ("ratio", "ratio_matrix", "RLE", "upperquartile")  # may have no answer: ours says why, R gives NA


make_tables = maker("make_tables")


@cache
def tables(group):
    return dict(list(pd.read_csv(FOLDER / f"{group}_factors.tsv.gz", sep="\t").groupby("set")))


@cache
def small_counts():
    rows = pd.read_csv(FOLDER / "small_counts.tsv.gz", sep="\t").groupby("set", sort=False)["counts"]
    return {name: np.array([row.split(",") for row in texts]).astype(np.int64) for name, texts in rows}


@cache
def bundled_counts():
    return make_tables.bundled_counts()


def compare(counts, theirs, column):
    if np.isfinite(theirs[column]).all():
        np.testing.assert_allclose(OURS[column](counts), theirs[column], rtol=1e-10, atol=0)
        return
    assert column in WITHOUT_FACTORS
    with pytest.raises(CountsError, match="poscounts"):
        OURS[column](counts)


in_both_forms = pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
no_shared_gene = pytest.mark.filterwarnings("ignore:.*keep no gene in common:UserWarning")  # edgeR is silent


@in_both_forms
@pytest.mark.parametrize("column", OURS)
@pytest.mark.parametrize("name", sorted(set(PROVENANCE["counts_sha256"]) - set(small_counts())))
def test_bundled_sets(name, column, form):
    compare(form(bundled_counts()[name]), tables("bundled")[name], column)


@no_shared_gene
@in_both_forms
@pytest.mark.parametrize("column", OURS)
@pytest.mark.parametrize("name", small_counts())
def test_small_tables_made_to_hurt(name, column, form):
    compare(form(small_counts()[name]), tables("small")[name], column)


def test_the_tables_are_of_the_counts_they_say():
    """Changed counts want new tables: python tests/reference/make_tables.py."""
    now = {name: make_tables.fingerprint(counts) for name, counts in {**small_counts(), **bundled_counts()}.items()}
    assert now == PROVENANCE["counts_sha256"]


def test_the_tables_are_as_they_were_made():
    for name, sha256 in PROVENANCE["sha256"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == sha256, name


def test_every_column_is_compared_and_its_call_written_down():
    for group in ("small", "bundled"):
        for table in tables(group).values():
            assert set(table.columns) - {"set", "sample"} == set(OURS) == set(PROVENANCE["calls"])


def test_hard_cases_are_the_hard_cases():
    """The tables made by hand do what their names say, so that the comparison tests those rules."""
    small = tables("small")
    assert np.ptp(small["ties_at_the_trims"]["TMM"]) > 0.01
    assert small["upper_quartiles_zero"]["upperquartile"].isna().all()
    assert small["nothing_in_common"]["ratio"].isna().all()
    lost, reference, _ = small["trims_keep_nothing"]["TMM_reference2"]
    assert lost == reference  # the factor 1 before scaling, here because no gene is left
    first, _, again, _ = small["twice_the_same"]["TMM"]
    assert first == again
