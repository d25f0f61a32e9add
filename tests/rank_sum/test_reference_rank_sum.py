"""Rank sums against R's wilcox.test and scanpy's rank_genes_groups, on values that the repository holds itself.

tests/reference/README.md says what the tables are. Tolerances: R 1e-12 relative, the last digits of sums; scanpy 1e-6,
because its scores are stored in single precision, and p-values of those 1e-5.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scomics_lite import rank_sum

FOLDER = Path(__file__).parents[1] / "reference"
PROVENANCE = json.loads((FOLDER / "rank_sum_provenance.json").read_text())
SETS = ("two", "uneven", "three", "four")


def table(name):
    return pd.read_csv(FOLDER / f"rank_sum_{name}.tsv.gz", sep="\t")


def values_of(name):
    cells = table("values").query("set == @name")
    return cells.filter(regex="^g[0-9]").set_axis([f"c{i}" for i in range(len(cells))]), cells["group"].to_numpy()


def beside(name, theirs, genes, **settings):
    """Yield ours and theirs of every comparison of a set, in one order of genes."""
    values, groups = values_of(name)
    for (reference, group), part in theirs.query("set == @name").groupby(["reference", "group"]):
        ours = rank_sum.test(values, groups, [group], reference, **settings).loc[group]
        sizes = (groups == group).sum(), ((groups != group) if reference == "rest" else (groups == reference)).sum()
        yield ours, part.set_index(genes).loc[ours.index], sizes


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("continuity", [True, False])
def test_statistics_and_p_values_are_those_of_r(name, continuity):
    for ours, theirs, (n1, n2) in beside(name, table("wilcox"), "gene", continuity=continuity):
        np.testing.assert_allclose(ours["auc"] * n1 * n2, theirs["W"], rtol=1e-12)
        column = theirs["corrected" if continuity else "uncorrected"]
        np.testing.assert_allclose(ours["pvalue"], column, rtol=1e-12)
        assert column.isna().sum() >= 2  # of a gene without values, and of one with a single value


@pytest.mark.parametrize("name", SETS)
def test_scanpy_with_ties_and_ours_without_continuity_agree(name):
    for ours, theirs, _ in beside(name, table("scanpy").query("tie_correct"), "names", continuity=False):
        tested = (ours["status"] == "tested").to_numpy()
        np.testing.assert_allclose(ours["stat"][tested], theirs["scores"][tested], rtol=1e-6)
        np.testing.assert_allclose(ours["pvalue"][tested], theirs["pvals"][tested], rtol=1e-5)


@pytest.mark.parametrize("name", SETS)
def test_scanpy_without_ties_is_smaller_by_what_the_ties_take(name):
    values, groups = values_of(name)
    for ours, theirs, (n1, n2) in beside(name, table("scanpy").query("~tie_correct"), "names", continuity=False):
        reference = theirs["reference"].iloc[0]
        cells = np.ones(len(groups), bool) if reference == "rest" else np.isin(groups, [*theirs["group"], reference])
        cubes = values[cells].apply(lambda column: (column.value_counts() ** 3).sum())
        shares = (cubes - n1 - n2) / ((n1 + n2) ** 3 - n1 - n2)
        tested = (ours["status"] == "tested").to_numpy()
        np.testing.assert_allclose((ours["stat"] * np.sqrt(1 - shares))[tested], theirs["scores"][tested], rtol=1e-6)


def test_the_tables_are_as_they_were_made():
    for name, sha256 in PROVENANCE["sha256"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == sha256, name
