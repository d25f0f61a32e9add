"""Blocks of genes: every gene once and in order, whoever does the work, and never too many at a time."""

from concurrent.futures import ThreadPoolExecutor

import distributed
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scomics_lite import blocks, differential, simulate
from scomics_lite.validation import InputError

MATRIX = np.arange(60, dtype=np.uint8).reshape(4, 15)


def weighted(counts, weights):
    return counts.sum(axis=0) * weights


@pytest.fixture(scope="module")
def client():
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(processes=False, **settings) as cluster, distributed.Client(cluster) as client:
        yield client


class FakeClient:
    """Does the work when asked for the result, and remembers how many results were owed at most."""

    asynchronous = False

    def __init__(self, threads):
        self.threads, self.owed, self.most_owed = threads, 0, 0

    def nthreads(self):
        return {f"worker {i}": 1 for i in range(self.threads)}

    def submit(self, function, *block, pure):
        assert not pure  # pure calls are looked up by a hash of all that they are given
        self.owed += 1
        self.most_owed = max(self.owed, self.most_owed)
        return FakeFuture(self, function, block)


class FakeFuture:
    def __init__(self, client, function, block):
        self.client, self.function, self.block = client, function, block

    def result(self):
        self.client.owed -= 1
        return self.function(*self.block)


# --- blocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, sparse.csr_matrix])
@pytest.mark.parametrize("size", [1, 4, 1_000])
def test_every_gene_comes_once_as_dense_floats(kind, size, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 4 * size)
    wanted = np.array([14, 0, 3, 7, 8])
    found = list(blocks.gene_blocks(kind(MATRIX), wanted))
    assert [len(genes) for genes, _ in found] == [1] * 5 if size == 1 else [4, 1] if size == 4 else [5]
    assert np.array_equal(np.concatenate([genes for genes, _ in found]), wanted)
    assert np.array_equal(np.hstack([counts for _, counts in found]), MATRIX[:, wanted])
    assert all(isinstance(counts, np.ndarray) and counts.dtype == float for _, counts in found)


def test_matrices_of_coefficients_count_too(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 36)
    assert [len(genes) for genes, _ in blocks.gene_blocks(MATRIX, np.arange(15), p=3)] == [4, 4, 4, 3]
    assert len(next(iter(blocks.gene_blocks(MATRIX, np.arange(15), p=100)))[0]) == 1


def test_no_gene_no_block():
    assert list(blocks.map_blocks(weighted, MATRIX, np.array([], dtype=int), np.ones(15))) == []


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_every_map_gives_the_same(kind, client, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 4 * 2)
    weights = np.random.default_rng(1).random(15)
    with ThreadPoolExecutor(2) as pool:
        for spread in (map, pool.map, blocks.client_map(client), blocks.client_map(FakeClient(2))):
            found = np.zeros(15)
            for genes, values in blocks.map_blocks(weighted, kind(MATRIX), np.arange(15), weights, map=spread):
                found[genes] = values
            assert np.array_equal(found, MATRIX.sum(axis=0) * weights)


# --- clients ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_few_blocks_are_under_way_at_a_time(threads, monkeypatch):
    monkeypatch.setattr(blocks, "BATCH", 0)  # a task for each
    client, made = FakeClient(threads), []
    results = blocks.client_map(client)(pow, (made.append(i) or i for i in range(20)), [2] * 20)
    assert next(results) == 0
    assert len(made) <= 2 * max(threads, 1) + 1  # the others are not even cut out yet
    assert list(results) == [i**2 for i in range(1, 20)]
    assert client.most_owed == 2 * max(threads, 1)
    assert client.owed == 0


@pytest.mark.parametrize(("size", "tasks"), [(1, 7), (80, 7), (81, 4), (200, 3), (10_000, 1)])
def test_blocks_travel_together(size, tasks, monkeypatch):
    monkeypatch.setattr(blocks, "BATCH", size)
    client = FakeClient(100)
    arrays = [np.full(10, i) for i in range(7)]  # of 80 bytes
    assert list(blocks.client_map(client)(np.sum, arrays)) == [10 * i for i in range(7)]
    assert client.most_owed == tasks


def test_blocks_that_take_seconds_travel_alone_on_request():
    client = FakeClient(100)
    assert list(blocks.client_map(client, batch=0)(abs, [-1, -2, -3])) == [1, 2, 3]
    assert client.most_owed == 3


def test_errors_of_workers_arrive(client):
    with pytest.raises(ZeroDivisionError):
        list(blocks.client_map(client)(divmod, [1, 1], [1, 0]))


@pytest.mark.parametrize("client", ["tcp://127.0.0.1:8786", 4, ThreadPoolExecutor])
def test_what_is_no_client(client):
    with pytest.raises(InputError, match=r"dask.distributed.Client\(n_workers=2\)"):
        blocks.client_map(client)


def test_asynchronous_clients_are_refused():
    client = FakeClient(1)
    client.asynchronous = True
    with pytest.raises(InputError, match="asynchronous"):
        blocks.client_map(client)


# --- the whole way ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def experiment():
    """Counts with an outlier to replace and a gene without counts, and a covariate, so that every step has work."""
    adata = simulate.bulk_counts(["A"] * 8 + ["B"] * 8, 300, library_sizes=3e5, rng=1)
    adata.obs["age"] = np.random.default_rng(2).normal(size=16)
    gene = int(np.argsort(adata.X.sum(axis=0))[-40])
    adata.X[-1, gene] = 100 * adata.X[:, gene].max()
    adata.X[:, 5] = 0
    return adata


def run(adata, formula="~ condition", **settings):
    return differential.test(adata, formula, ("condition", "B", "A"), progress=False, **settings)


@pytest.mark.parametrize("formula", ["~ condition", "~ age + condition"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"method": "lrt", "reduced": "~ 1"}, {"method": "ql"}, {"method": "ql", "lfc_threshold": 0.5}],
    ids=["wald", "lrt", "ql", "ql beyond a threshold"],
)
def test_threads_give_the_same_table_bit_for_bit(experiment, client, formula, settings, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 16 * 70)
    alone = run(experiment, formula, **settings)
    assert {"tested", "all zero"} <= set(alone["status"])
    pd.testing.assert_frame_equal(run(experiment, formula, client=client, **settings), alone, check_exact=True)


def test_processes_give_the_same_table_bit_for_bit(experiment, monkeypatch):
    """Bit for bit where all run the same BLAS with as many threads; Dask gives its workers one."""
    monkeypatch.setattr(blocks, "BLOCK", 16 * 70)
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(processes=True, **settings) as cluster, distributed.Client(cluster) as client:
        pd.testing.assert_frame_equal(run(experiment, client=client), run(experiment), check_exact=True)
        as_sparse = experiment.copy()
        as_sparse.X = sparse.csr_matrix(experiment.X)
        pd.testing.assert_frame_equal(run(as_sparse, client=client), run(as_sparse), check_exact=True)


def test_a_client_that_is_none_is_refused_before_any_work(experiment):
    with pytest.raises(InputError, match="got str"):
        run(experiment, client="localhost:8786")
