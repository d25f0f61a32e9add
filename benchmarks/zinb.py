"""Zero-inflated regressions of all genes in one call, beside the peers: ``python benchmarks/zinb.py``.

Simulated cells, fixed seed: phi around 0.5, a quarter of the genes with structural zeros, two groups and a continuous
covariate which act on the mean and on the zeros, and size factors which differ tenfold.
Both parts of the model have all three columns, ``~ condition + x``; coefficients, standard errors and log likelihoods
are what is asked for.

The first table: 2,000 genes x 1,000 cells, means around 1. statsmodels and pscl fit a gene at a time and get 50 of
these genes, drawn at random; their times are these, multiplied up to all genes. statsmodels may take 1,000 iterations
instead of its 35.
"fits" counts genes with a converged fit (ours: with a status other than "not converged"), of the 2,000 or of the 50.
"higher" and "lower" count genes where a peer's log likelihood is above or below ours by more than 1e-6, "highest" is
the largest such difference.

The second: 2,000 genes with means around 0.05, counts sparse, more and more cells.

Every call runs in a process of its own with one thread; measured are the seconds and CPU seconds of the call alone, the
counts already in memory, and the largest memory the process ever held, with all that it imported.
"""

import argparse
import json
import sys
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import measure
import numpy as np
import pandas as pd
from scipy import sparse, special

GENES, CELLS, PEER_GENES = 2_000, 1_000, 50
MORE_CELLS = (1_000, 2_500, 5_000, 10_000)
DENSE, SPARSE = 0.0, -3.0  # mean of the genes' ln mu: about 50% and 90% zeros
TIGHT = 1e-6
PEERS = {"statsmodels": "statsmodels", "R pscl": "pscl"}  # the name in the table: the function below, or zinb.R's
PACKAGES = ("scipy", "statsmodels", "R pscl")


# --- the cells --------------------------------------------------------------------------------------------------------


class Table(NamedTuple):
    """What a tool gets."""

    counts: sparse.csr_array  # (n, g), whole numbers
    design: pd.DataFrame  # (n, 3), of the mean and of the zeros
    size_factors: np.ndarray  # (n,)


def simulated(n, g, log_mean, rng):
    """Draw zero-inflated counts with effects on both parts."""
    design = pd.DataFrame({"Intercept": 1.0, "condition": np.arange(n) % 2, "x": rng.normal(size=n)})
    s = 10 ** rng.uniform(-0.5, 0.5, n)
    effects = rng.normal([[log_mean], [0], [0]], [[1.2], [0.4], [0.4]], (3, g))
    mean = s[:, None] * np.exp(design.to_numpy() @ effects)
    size = 2 / rng.lognormal(0, 0.5, g)
    logit = np.where(rng.random(g) < 0.25, rng.normal(0, 1, g), -np.inf)
    slopes = design[["condition", "x"]].to_numpy() @ rng.normal(0, 0.5, (2, g))
    counts = rng.poisson(rng.gamma(size, mean / size)) * (rng.random((n, g)) >= special.expit(logit + slopes))
    return Table(sparse.csr_array(counts), design, s)


def write(folder, table, peer_genes):
    """Save the cells for the tools to read, and the genes that peers get."""
    folder.mkdir(parents=True)
    sparse.save_npz(folder / "counts.npz", table.counts)
    np.save(folder / "counts.npy", table.counts[:, peer_genes].toarray().astype(np.int32, order="C"))
    table.design.assign(s=table.size_factors).to_csv(folder / "cells.csv", index=False)


def read(folder):
    cells = pd.read_csv(folder / "cells.csv")
    return Table(sparse.load_npz(folder / "counts.npz"), cells.drop(columns="s"), cells["s"].to_numpy())


# --- what is timed: each takes a folder and gives a function without arguments ----------------------------------------


def ours(folder):
    """Fit all genes; (g, 2) log likelihoods and whether the fit is one."""
    from scomics_lite import zero_inflation

    counts, design, s = read(folder)

    def call():
        fit = zero_inflation.fit(counts, design, zero_design=design, size_factors=s, progress=False)
        fit.standard_errors  # noqa: B018 - made when asked for
        return np.column_stack([fit.log_likelihood, fit.status != "not converged"])

    return call


def statsmodels(folder):
    """Fit the genes that peers get, one by one; as `ours`."""
    from statsmodels.discrete.count_model import ZeroInflatedNegativeBinomialP

    _, design, s = read(folder)
    counts, x = np.load(folder / "counts.npy"), design.to_numpy()

    def one(y):
        try:
            model = ZeroInflatedNegativeBinomialP(y, x, exog_infl=x, offset=np.log(s), p=2)
            fit = model.fit(disp=False, maxiter=1000)
        except np.linalg.LinAlgError:
            return np.nan, False
        return fit.llf, fit.mle_retvals["converged"] and np.isfinite(fit.llf)

    def call():
        with warnings.catch_warnings(action="ignore"):  # one or more for nearly every gene
            return np.array([one(y) for y in counts.T])

    return call


def child(folder, tool):
    """Run one tool in this process, write its result and print what it took."""
    result, took = measure.clocked(globals()[tool](folder))
    np.asarray(result, dtype=float).T.tofile(folder / f"{tool}.bin")
    print(json.dumps(took))


# --- the tables of results --------------------------------------------------------------------------------------------


def measured(folder, tool):
    """Give the report of a tool, and its log likelihoods and fits, (2, genes), or None where it did not run."""
    if tool == "pscl":
        report = measure.report(["Rscript", Path(__file__).with_suffix(".R"), folder])
    else:
        report = measure.report([sys.executable, __file__, "--child", folder, tool])
    return report, None if isinstance(report, str) else np.fromfile(folder / f"{tool}.bin").reshape(2, -1)


def times(report, factor=1):
    return f"{factor * report['seconds']:,.1f} | {factor * report['cpu']:,.1f} | {report['peak']:,.0f}"


def beside_peers(folder, genes):
    """Print our line and one for each peer."""
    n, g = read(folder).counts.shape
    print(f"\n{g:,} genes x {n:,} cells\n")
    print("| tool | seconds | CPU s | peak MB | fits | higher | lower | highest | times as long |")
    print(f"|---{'|---' * 8}|")
    own, (height, fits) = measured(folder, "ours")
    print(f"| scomics_lite | {times(own)} | {fits.sum():,.0f} of {g:,} | | | | 1 |", flush=True)
    for name, tool in PEERS.items():
        report, result = measured(folder, tool)
        if result is None:
            print(f"| {name} | {report} | | | | | | | |", flush=True)
            continue
        factor, above = g / len(genes), (result[0] - height[genes])[result[1] == 1]
        agrees = f"{result[1].sum():,.0f} of {len(genes)} | {(above > TIGHT).sum()} | {(above < -TIGHT).sum()}"
        longer = factor * report["seconds"] / own["seconds"]
        print(
            f"| {name} (extrapolated) | {times(report, factor)} | {agrees} | {above.max():.1g} | {longer:,.0f} |",
            flush=True,
        )


def more_cells(folder, scale):
    """Print a line for each number of cells."""
    print("\n| cells | zeros | seconds | CPU s | peak MB | fits |\n|---|---|---|---|---|---|")
    for n in MORE_CELLS:
        table = simulated(n, round(GENES * scale), SPARSE, np.random.default_rng(1))
        write(folder / str(n), table, [0])
        zeros = 1 - table.counts.nnz / np.prod(table.counts.shape)
        report, (_, fits) = measured(folder / str(n), "ours")
        print(f"| {n:,} | {zeros:.0%} | {times(report)} | {fits.sum():,.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the genes, for a quick look")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(Path(arguments.child[0]), arguments.child[1])
        return
    versions = (measure.version(package, sys.executable) for package in PACKAGES)
    print("Versions:", ", ".join([f"numpy {np.__version__}", *versions]))
    rng = np.random.default_rng(1)
    table = simulated(CELLS, round(GENES * arguments.scale), DENSE, rng)
    genes = np.sort(rng.choice(np.flatnonzero(table.counts.sum(axis=0) > 0), PEER_GENES, replace=False))
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "peers", table, genes)
        beside_peers(Path(folder) / "peers", genes)
        more_cells(Path(folder), arguments.scale)


if __name__ == "__main__":
    main()
