"""Time and memory of every size-factor method, beside its peers: ``python benchmarks/size_factors.py``.

Two simulated tables with fixed seeds: 1,000 samples x 20,000 genes dense, and 50,000 cells x 20,000 genes sparse, with
5% of the entries above zero; both have 50 genes that every sample has, so that the median of ratios exists. Every call
runs in a process of its own, with one thread; measured are the seconds and CPU seconds of the call alone, the table
already in memory, and the largest memory the process ever held, with all that it imported. The last column is the
largest relative difference from our result, both scaled to geometric mean 1.

Peers run where they are installed, and R where edgeR and DESeq2 are. Some need an older numpy than the course:
``benchmarks/peers.txt`` makes them an environment of their own, whose interpreter ``--python`` names. What cannot run
is listed with its reason.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import measure
import numpy as np
from scipy import optimize, sparse

METHODS = ("total", "median_of_ratios", "poscounts", "upper_quartile", "rle", "tmm", "tmmwsp")
ALWAYS_EXPRESSED = 50


# --- the tables -------------------------------------------------------------------------------------------------------


def write_dense(folder, n, g):
    """Negative binomial counts of a bulk experiment, as int32."""
    rng = np.random.default_rng(1)
    share = rng.lognormal(0, 2, g)
    counts = np.empty((n, g), dtype=np.int32)
    for i, depth in enumerate(rng.lognormal(np.log(20e6), 0.3, n)):
        counts[i] = rng.poisson(rng.gamma(10, share * depth / share.sum() / 10))
    counts[:, :ALWAYS_EXPRESSED] += 1
    np.save(folder / "dense.npy", counts)


def write_sparse(folder, n, g, density=0.05):
    """Poisson counts of single cells, as float32, drawn cell by cell so that nothing is ever dense."""
    rng = np.random.default_rng(2)
    share = rng.lognormal(0, 1.5, g)
    depths = rng.lognormal(0, 0.4, n)
    some = np.outer(depths[:200], share)
    scale = optimize.brentq(lambda scale: np.mean(1 - np.exp(-scale * some)) - density + ALWAYS_EXPRESSED / g, 1e-6, 1)
    cells = []
    for depth in depths:
        counts = rng.poisson(share * scale * depth)
        counts[:ALWAYS_EXPRESSED] += 1
        cells.append(sparse.csr_array(counts[None].astype(np.float32)))
    sparse.save_npz(folder / "sparse.npz", sparse.vstack(cells, format="csr"), compressed=False)


def read(folder, kind):
    return np.load(folder / "dense.npy") if kind == "dense" else sparse.load_npz(folder / "sparse.npz")


# --- what is timed: each takes counts, samples x genes, and gives a function without arguments ------------------------


def ours(counts, method):
    from scomics_lite.normalization import size_factors

    return lambda: size_factors(counts, method)


def pydeseq2(counts, _method):
    from pydeseq2.preprocessing import deseq2_norm

    return lambda: deseq2_norm(counts)[1]


def conorm(counts, _method):
    from conorm import tmm_norm_factors

    return lambda: tmm_norm_factors(counts.T) * counts.sum(axis=1)


def rnanorm(counts, method):
    import rnanorm as package

    transformer = getattr(package, method)()
    return lambda: transformer.fit(counts).get_norm_factors(counts) * counts.sum(axis=1)


def inmoose(counts, method):
    from inmoose.deseq2.estimateSizeFactors import estimateSizeFactorsForMatrix

    return lambda: estimateSizeFactorsForMatrix(counts, type_=method)


PEERS = [  # (tool, its name for the method, ours)
    ("pydeseq2", "median of ratios", "median_of_ratios"),
    ("inmoose", "ratio", "median_of_ratios"),
    ("inmoose", "poscounts", "poscounts"),
    ("conorm", "TMM", "tmm"),
    ("rnanorm", "TMM", "tmm"),
    ("rnanorm", "UQ", "upper_quartile"),
    ("R DESeq2", "ratio", "median_of_ratios"),
    ("R DESeq2", "poscounts", "poscounts"),
    ("R edgeR", "upperquartile", "upper_quartile"),
    ("R edgeR", "RLE", "rle"),
    ("R edgeR", "TMM", "tmm"),
    ("R edgeR", "TMMwsp", "tmmwsp"),
]


def child(folder, kind, tool, method):
    """Run one call in this process and print what it took."""
    factors, took = measure.clocked(globals()[tool](read(folder, kind), method))
    print(json.dumps({**took, "factors": np.asarray(factors, dtype=float).ravel().tolist()}))


# --- the table of results ---------------------------------------------------------------------------------------------


def measured(folder, kind, tool, method, python):
    """Give the child's report, or the reason why there is none."""
    if tool.startswith("R "):
        return measure.report(["Rscript", Path(__file__).with_suffix(".R"), folder, tool[2:], method])
    return measure.report([python, __file__, "--child", folder, kind, tool, method])


def line(kind, tool, method, report, reference=None):
    if isinstance(report, str):
        return f"| {kind} | {tool} | {method} | {report} | | | |"
    difference = "" if reference is None else f"{largest_difference(report['factors'], reference):.1e}"
    return (
        f"| {kind} | {tool} | {method} | {report['seconds']:.2f} | {report['cpu']:.2f} | {report['peak']:,.0f} "
        f"| {difference} |"
    )


def largest_difference(factors, reference):
    ratio = np.asarray(factors) / np.asarray(reference)
    return np.abs(ratio / np.exp(np.log(ratio).mean()) - 1).max()


def compare(folder, kind, python):
    """Print a line for every method of ours and every peer on one table."""
    results = {}
    for method in METHODS:
        results[method] = measured(folder, kind, "ours", method, sys.executable)
        print(line(kind, "scomics_lite", method, results[method]), flush=True)
    if kind == "sparse":  # every peer takes, or makes, a dense table of doubles
        peers = ", ".join(dict.fromkeys(tool for tool, *_ in PEERS))
        print(line(kind, peers, "all", f"not run: needs {np.prod(read(folder, kind).shape) * 8 / 1e9:.0f} GB dense"))
        return
    for tool, method, same in PEERS:
        report = measured(folder, kind, tool, method, python)
        reference = None if isinstance(results[same], str) else results[same]["factors"]
        print(line(kind, tool, method, report, reference), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the peers installed")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the samples and cells, for a quick look")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        folder, *call = arguments.child
        child(Path(folder), *call)
        return
    tools = dict.fromkeys(tool for tool, *_ in PEERS)
    print(
        "Versions:",
        ", ".join([f"numpy {np.__version__}", *(measure.version(tool, arguments.python) for tool in tools)]),
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_dense(folder, int(1_000 * arguments.scale), 20_000)
        write_sparse(folder, int(50_000 * arguments.scale), 20_000)
        cells = read(folder, "sparse")
        counted = cells.nnz / np.prod(cells.shape)
        print(f"Tables: dense {read(folder, 'dense').shape}; sparse {cells.shape}, {counted:.1%} above zero\n")
        print("| table | tool | method | seconds | CPU s | peak MB | largest difference |")
        print("|---|---|---|---|---|---|---|")
        for kind in ("dense", "sparse"):
            compare(folder, kind, arguments.python)


if __name__ == "__main__":
    main()
