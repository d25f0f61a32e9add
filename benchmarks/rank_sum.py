"""Rank-sum tests beside scanpy's and scipy's: ``python benchmarks/rank_sum.py``.

Simulated cells with a fixed seed: 10,000 cells x 2,000 genes in eight groups, sparse, 10% of the entries above zero,
log(1 + y / s) as float32. Every call runs in a process of its own, with one thread; measured are the seconds and CPU
seconds of the call alone, the table already in memory, and the largest memory the process ever held, with all that it
imported. Scanpy's first call compiles; its second is timed. The last column is the largest difference from our z, over
all groups and genes: values that differ by float32's rounding alone are ties here, and not for the others. Scanpy
without ``tie_correct`` is another statistic.

Scanpy runs where it is installed: ``benchmarks/peers.txt`` makes an environment for it, whose interpreter ``--python``
names. scipy tests two samples at a time and has no sparse matrices: it is given one group after the other, dense.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import measure
import numpy as np
from scipy import sparse

DENSITY = 0.1
GROUPS = 8
REFERENCES = ("rest", "0")


def write_cells(folder, n, g):
    """Draw cells one after the other, so that nothing is ever dense; every tenth gene is a group's own."""
    rng = np.random.default_rng(1)
    group = rng.integers(GROUPS, size=n)
    share = rng.lognormal(0, 1, g)
    share *= -np.log(1 - DENSITY) / np.median(share) / 1.3  # some more genes have many counts than have few
    cells = []
    for k, s in zip(group, rng.lognormal(0, 0.4, n), strict=True):
        counts = rng.poisson(s * share * np.where(np.arange(g) % (10 * GROUPS) == 10 * k, 3, 1))
        cells.append(sparse.csr_array(np.log1p(counts / s)[None].astype(np.float32)))
    sparse.save_npz(folder / "cells.npz", sparse.vstack(cells, format="csr"), compressed=False)
    np.save(folder / "groups.npy", group.astype(str))


# --- what is timed: each takes values, groups and the reference, and gives a function that gives z, groups x genes ----


def ours(values, groups, reference):
    from scomics_lite import rank_sum

    def call():
        table = rank_sum.test(values, groups, reference=reference, continuity=False)
        return table["stat"].to_numpy().reshape(-1, values.shape[1])

    return call


def scanpy(values, groups, reference, tie_correct=True):
    import anndata
    import scanpy as sc

    adata = anndata.AnnData(sparse.csr_matrix(values))
    adata.obs["group"] = groups
    adata.obs["group"] = adata.obs["group"].astype("category")

    def call():
        sc.tl.rank_genes_groups(adata, "group", reference=reference, method="wilcoxon", tie_correct=tie_correct)
        found = adata.uns["rank_genes_groups"]
        return np.array(
            [found["scores"][k][np.argsort(found["names"][k].astype(int))] for k in found["names"].dtype.names]
        )

    call()
    return call


def scanpy_default(values, groups, reference):
    return scanpy(values, groups, reference, tie_correct=False)


def scipy(values, groups, reference):
    from scipy import stats

    dense = values.toarray().astype(float)

    def call():
        scores = []
        for k in np.unique(groups):
            if k == reference:
                continue
            inside = groups == k
            others = ~inside if reference == "rest" else groups == reference
            found = stats.mannwhitneyu(dense[inside], dense[others], use_continuity=False, method="asymptotic")
            middle = inside.sum() * others.sum() / 2
            scores.append(np.sign(found.statistic - middle) * stats.norm.isf(found.pvalue / 2))
        return np.array(scores)

    return call


TOOLS = {"scomics_lite": ours, "scanpy, tie_correct": scanpy, "scanpy, default": scanpy_default, "scipy": scipy}


def child(folder, tool, reference):
    """Run one call in this process and print what it took."""
    values, groups = sparse.load_npz(folder / "cells.npz"), np.load(folder / "groups.npy")
    scores, took = measure.clocked(TOOLS[tool](values, groups, reference))
    np.save(folder / f"{tool}.npy", scores)
    print(json.dumps(took))


# --- the table of results ---------------------------------------------------------------------------------------------


def compare(folder, reference, python):
    """Print a line for every tool."""
    for tool in TOOLS:
        interpreter = python if tool.startswith("scanpy") else sys.executable
        report = measure.report([interpreter, __file__, "--child", folder, tool, reference])
        if isinstance(report, str):
            print(f"| {reference} | {tool} | {report} | | | |", flush=True)
            continue
        scores, expected = np.load(folder / f"{tool}.npy"), np.load(folder / "scomics_lite.npy")
        comparable = np.isfinite(scores) & np.isfinite(expected)  # p-values of 0 have no z
        difference = np.abs(scores - expected)[comparable].max()
        took = f"{report['seconds']:.2f} | {report['cpu']:.2f} | {report['peak']:,.0f}"
        print(f"| {reference} | {tool} | {took} | {difference:.1e} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="interpreter that has scanpy")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the cells, for a quick look")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        folder, tool, reference = arguments.child
        child(Path(folder), tool, reference)
        return
    print(f"Versions: numpy {np.__version__}, {measure.version('scanpy', arguments.python)}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cells(folder, int(10_000 * arguments.scale), 2_000)
        cells = sparse.load_npz(folder / "cells.npz")
        print(f"Table: {cells.shape}, {cells.nnz / np.prod(cells.shape):.1%} above zero, {GROUPS} groups\n")
        print("| reference | tool | seconds | CPU s | peak MB | largest difference |")
        print("|---|---|---|---|---|---|")
        for reference in REFERENCES:
            compare(folder, reference, arguments.python)


if __name__ == "__main__":
    main()
