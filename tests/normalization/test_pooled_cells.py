"""Size factors of pooled cells: against scran, against known truth, and what is said of cells with few counts.

tests/reference/README.md says what the tables are. Tolerances: 1e-10 relative, measured are 2e-12, from sums and from
another way to solve the same equations. Factors that replace negative ones come from a nonlinear fit, which R stops at
1e-5: they, and what they move through the common scale, are compared to 1e-4.
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

from scomics_lite.normalization import pooled_cells, pooled_size_factors, size_factors
from scomics_lite.validation import CountsError, InputError

FOLDER = Path(__file__).parents[1] / "reference"
PROVENANCE = json.loads((FOLDER / "pooled_provenance.json").read_text())
CALLS = {
    "one": {},
    "raw": {"positive": False},
    "clusters": {"clusters": True},
    "clusters_raw": {"clusters": True, "positive": False},
    "dealt": {"clusters": True, "max_cluster_size": 50},
    "sizes": {"pool_sizes": (10, 33, 20)},
    "mean_1": {"clusters": True, "min_mean": 1},
}
SETS = ("alike", "kinds", "a_small_kind", "hardly_sequenced", "reads")
FITTED = {("kinds", "dealt"), *(("hardly_sequenced", call) for call in ("clusters", "dealt", "sizes"))}


@cache
def tables():
    counts = dict(list(pd.read_csv(FOLDER / "pooled_counts.tsv.gz", sep="\t").groupby("set")))
    return counts, dict(list(pd.read_csv(FOLDER / "pooled_factors.tsv.gz", sep="\t").groupby("set")))


def cells_of(name):
    rows = tables()[0][name]
    return np.array([row.split(",") for row in rows["counts"]]).astype(int), rows["cluster"].to_numpy()


@pytest.mark.filterwarnings("ignore:.*(size factors of zero or less|fewer cells than the smallest pool):UserWarning")
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", SETS)
def test_factors_are_those_of_scran(name, call, form):
    counts, kinds = cells_of(name)
    settings = dict(CALLS[call])
    if settings.pop("clusters", False):
        settings["clusters"] = kinds
    rtol = 1e-4 if (name, call) in FITTED else 1e-10
    np.testing.assert_allclose(pooled_size_factors(form(counts), **settings), tables()[1][name][call], rtol=rtol)


def test_the_tables_hold_what_they_are_for():
    factors = tables()[1]
    assert (factors["hardly_sequenced"]["clusters_raw"] <= 0).any()
    assert (factors["hardly_sequenced"]["clusters"] > 0).all()
    assert set(PROVENANCE["calls"]) == set(CALLS)
    for name, sha256 in PROVENANCE["sha256"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == sha256, name


# --- the equations ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("m", "sizes"), [(40, [5, 8, 12]), (41, [3, 40]), (30, [30]), (7, [])])
def test_frequencies_solve_the_least_squares_of_all_arcs(m, sizes):
    rng = np.random.default_rng(m)
    medians, faint = rng.uniform(1, 2, (len(sizes), m)), 0.7
    rows = [[(cell - first) % m < size for cell in range(m)] for size in sizes for first in range(m)]
    design = np.vstack([np.array(rows, dtype=float).reshape(-1, m), np.sqrt(pooled_cells.FAINT) * np.eye(m)])
    target = np.concatenate([medians.ravel(), np.full(m, np.sqrt(pooled_cells.FAINT) * faint)])
    expected = np.linalg.lstsq(design, target)[0]
    np.testing.assert_allclose(pooled_cells._solved(medians, sizes, faint, m), expected, rtol=1e-8)


@pytest.mark.parametrize("m", [2, 7, 8])
def test_neighbours_in_the_ring_have_similar_totals(m):
    totals = np.random.default_rng(m).permutation(m)
    ring = totals[pooled_cells._ring(totals)]
    assert sorted(ring) == list(range(m))
    assert np.abs(np.diff(np.append(ring, ring[0]))).max() <= 2


# --- against known truth ----------------------------------------------------------------------------------------------


def two_kinds(n=150, g=800, rng=5):
    """Cells of two kinds; one has twenty times as much of every tenth gene. Gives counts, kinds and depths."""
    rng = np.random.default_rng(rng)
    kind, depth = np.repeat(["a", "b"], n), rng.lognormal(0, 0.4, 2 * n)
    fold = np.where((np.arange(g) % 10 == 0) & (kind == "b")[:, None], 20, 1)
    return rng.poisson(depth[:, None] * rng.lognormal(-1, 1, g) * fold), kind, depth


def test_many_counts_of_few_genes_mislead_totals_and_not_the_pools():
    counts, kind, depth = two_kinds()
    assert (counts == 0).mean() > 0.4
    off = {
        "total": np.log(size_factors(counts, "total") / depth),
        "pooled": np.log(pooled_size_factors(counts, kind) / depth),
    }
    between = {name: abs(np.mean(o[kind == "b"]) - np.mean(o[kind == "a"])) for name, o in off.items()}
    assert between["total"] > 0.8
    assert between["pooled"] < 0.05
    assert off["pooled"].std() < 0.1


def test_names_clusters_of_obs_and_layers():
    counts, kind, _ = two_kinds(n=40, g=200)
    expected = pooled_size_factors(counts, kind)
    obs = pd.DataFrame({"kind": pd.Categorical(kind, ["b", "a", "none"])}, index=[f"c{i}" for i in range(80)])
    adata = anndata.AnnData(sparse.csr_matrix(counts.astype(np.float32)), obs=obs)
    s = pooled_size_factors(adata, "kind")
    assert s.index.tolist() == adata.obs_names.tolist()
    np.testing.assert_allclose(s, expected, rtol=1e-9)
    adata.layers["raw"], adata.X = adata.X, adata.X * 0.5
    np.testing.assert_allclose(pooled_size_factors(adata, "kind", layer="raw"), expected, rtol=1e-9)


def test_the_order_of_cells_and_genes_does_not_matter():
    counts, kind, _ = two_kinds(n=60, g=3000)
    assert len(np.unique(counts.sum(axis=1))) == 120  # cells with equal totals may change places in the ring
    rng = np.random.default_rng(1)
    turned, genes = rng.permutation(120), rng.permutation(3000)
    expected = pooled_size_factors(counts, kind)[turned]
    np.testing.assert_allclose(pooled_size_factors(counts[turned][:, genes], kind[turned]), expected, rtol=1e-9)


# --- what is said -----------------------------------------------------------------------------------------------------


def test_factors_of_zero_or_less_are_named_and_replaced_or_left():
    counts, kinds = cells_of("hardly_sequenced")
    with pytest.warns(UserWarning, match="1 of 180 cells have size factors of zero or less, the first is .* They get"):
        s = pooled_size_factors(counts, kinds)
    assert (s > 0).all()
    with pytest.warns(UserWarning, match="positive=True replaces them; better leave out cells with few") as caught:
        raw = pooled_size_factors(counts, kinds, positive=False)
    at = int(np.flatnonzero(raw <= 0)[0])
    assert f"the first is {at}:" in str(caught[0].message)
    enough = counts.sum(axis=1) > 20  # as the message says
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (pooled_size_factors(counts[enough], kinds[enough]) > 0).all()


def test_cells_that_no_factor_can_be_had_for_are_named():
    factors, detected = np.array([0.5, 1.0, 2.0, -0.1, 0.2]), np.array([40, 60, 80, 0, 20])
    pooled = pooled_cells._Pooled("all", np.array([3, 1, 4, 7, 5]), np.ones(90), factors, detected)
    with pytest.raises(CountsError, match=r"cell 'c7' has no factor above zero.* leave out cells with few counts"):
        pooled_cells._replaced(pooled, pd.Index([f"c{i}" for i in range(9)]))


def test_replaced_factors_lie_on_the_curve_of_detected_genes():
    rng = np.random.default_rng(4)
    factors = rng.lognormal(0, 0.7, 300)
    detected = 500 * factors / (1 + 0.8 * factors) * rng.lognormal(0, 0.02, 300)
    truth, factors[:10] = factors[:10].copy(), -0.01
    pooled = pooled_cells._Pooled("all", np.arange(300), np.ones(9), factors, detected)
    replaced = pooled_cells._replaced(pooled, pd.RangeIndex(300))
    np.testing.assert_allclose(replaced[:10], truth, rtol=0.2)
    np.testing.assert_array_equal(replaced[10:], factors[10:])


def test_clusters_smaller_than_the_pools_are_named_and_go_by_their_totals():
    counts = two_kinds(n=40)[0][:60]
    kinds = np.array(["many"] * 50 + ["few"] * 9 + ["one"])
    with pytest.warns(UserWarning, match="2 of 3 clusters have fewer cells than the smallest pool, 21: 'few', 'one'"):
        s = pooled_size_factors(counts, kinds)
    few = kinds == "few"
    assert np.ptp(np.log(s[few] / counts[few].sum(axis=1))) < 1e-9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        merged = np.where(kinds == "many", "many", "others")
        pooled_size_factors(counts, merged, pool_sizes=range(5, 50, 5))  # as the message says


def test_clusters_without_common_genes_are_compared_by_their_totals():
    rng = np.random.default_rng(2)
    counts = np.zeros((80, 60), dtype=int)
    counts[:40, :30], counts[40:, 30:] = rng.poisson(2, (40, 30)), rng.poisson(4, (40, 30))
    kinds = np.repeat(["a", "b"], 40)
    with pytest.warns(UserWarning, match="most genes of cluster 'b' have no counts in the cluster that all are"):
        s = pooled_size_factors(counts, kinds)
    assert s[40:].mean() / s[:40].mean() == pytest.approx(2, rel=0.1)


def test_settings_and_tables_that_cannot_be_used_are_refused():
    counts, kind, _ = two_kinds(n=30)
    for wrong, match in [
        ({"pool_sizes": [5, 5]}, "pool_sizes are different whole numbers"),
        ({"pool_sizes": []}, "pool_sizes are different"),
        ({"pool_sizes": [2.5]}, "pool_sizes are different"),
        ({"max_cluster_size": 0}, "max_cluster_size is a whole number"),
        ({"min_mean": "low"}, "min_mean is a number"),
        ({"clusters": kind[:5]}, "60 rows need as many clusters; got 5"),
        ({"clusters": "kind"}, "names a column of an AnnData's obs"),
    ]:
        with pytest.raises(InputError, match=match):
            pooled_size_factors(counts, **wrong)
    with pytest.raises(CountsError, match=r"no gene has 1e\+06 counts in the mean cell of cluster 'all'") as caught:
        pooled_size_factors(counts, min_mean=1e6)
    least = float(str(caught.value).split("min_mean=")[1])
    assert (pooled_size_factors(counts, min_mean=least) > 0).all()
