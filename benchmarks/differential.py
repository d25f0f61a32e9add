"""From counts to a table of genes, beside the peers: ``python benchmarks/differential.py``.

Two tables: pasilla (14,599 genes x 7 samples, ``~ type + condition``; its simulated stand-in where the real one is not
there) and a simulated one of 20,000 genes x 100 samples, ``~ batch + condition``, with 10% changed genes and a fixed
seed. Every tool does the whole way, size factors included, in a process of its own with one thread; measured are the
seconds and CPU seconds (user and system, children too) of the call alone, the table already in memory, and the largest
memory the process ever held, with all that it imported.

Agreement is with R's DESeq2, the Wald test: Spearman's rho of the p-values of genes that both tested, the largest
difference of their log2 fold changes, the genes called at padj < 0.1, and how many are called by one of the two alone.
edgeR and limma, and our QL and voom, leave out genes with few counts first and have tests of their own: theirs differ
by design. How close ours are to edgeR's and limma's is in agreement.py.

statsmodels fits a negative binomial gene by gene, dispersion included, with nothing shared between genes. It gets our
size factors and 200 genes drawn from those with counts; its times are these, multiplied up to all genes.

Peers run where they are installed, and R where its packages are; see ``benchmarks/peers.txt`` for the environment that
``--python`` names. What cannot run is listed with its reason.
"""

import argparse
import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import measure
import numpy as np
import pandas as pd
from scipy import stats

STATSMODELS_GENES = 200
ALPHA = 0.1
COLUMNS = ["log2FoldChange", "pvalue", "padj"]
REFERENCE = "R DESeq2, Wald"  # runs first
TOOLS = {  # the name in the table: the function below, or what differential.R calls it
    REFERENCE: "deseq2_wald",
    "scomics_lite, Wald": "ours_wald",
    "scomics_lite, LRT": "ours_lrt",
    "scomics_lite, QL": "ours_ql",
    "scomics_lite, voom": "ours_voom",
    "pydeseq2": "pydeseq2",
    "inmoose, deseq2": "inmoose",
    "statsmodels": "statsmodels",
    "R DESeq2, LRT": "deseq2_lrt",
    "R edgeR, LRT": "edger_lrt",
    "R edgeR, QL": "edger_ql",
    "R limma-voom": "limma_voom",
}
PACKAGES = ("pydeseq2", "inmoose", "statsmodels", "R DESeq2", "R edgeR", "R limma")


# --- the tables -------------------------------------------------------------------------------------------------------


def pasilla():
    from scomics_lite import datasets

    adata = datasets.load("pasilla", standin=True, progress=False)
    return adata, "~ type + condition"


def simulated(scale):
    from scomics_lite import simulate

    n = max(8, round(100 * scale) // 4 * 4)
    obs = pd.DataFrame({"batch": ["one", "two"] * (n // 2), "condition": ["A"] * (n // 2) + ["B"] * (n // 2)})
    return simulate.bulk_counts(obs, round(20_000 * scale), rng=1), "~ batch + condition"


class Table(NamedTuple):
    """What a tool gets."""

    counts: pd.DataFrame  # (n, g), whole numbers
    design: pd.DataFrame  # (n, p), its last column is tested
    size_factors: np.ndarray  # (n,)


def write(folder, counts, design, size_factors):
    """Save one table for the tools to read."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "counts.npy", np.asarray(counts, dtype=np.int32, order="C"))
    np.save(folder / "size_factors.npy", size_factors)
    columns = ["Intercept", *(f"x{number}" for number in range(1, design.shape[1]))]
    design.set_axis(columns, axis=1).astype(int).to_csv(folder / "design.csv", index=False)


def read(folder):
    """Give what `write` saved, with names that every tool accepts."""
    counts = np.load(folder / "counts.npy")
    samples, genes = (
        [f"{kind}{number}" for number in range(size)] for kind, size in zip("sg", counts.shape, strict=True)
    )
    design = pd.read_csv(folder / "design.csv").set_axis(samples)
    return Table(pd.DataFrame(counts, samples, genes), design, np.load(folder / "size_factors.npy"))


def read_result(folder):
    """Give log2 fold changes, p-values and adjusted ones, (g,) each, as a tool wrote them, NaN where it gave none."""
    return np.fromfile(folder / "result.bin").reshape(3, -1)


# --- what is timed: each takes a Table and gives a function without arguments, whose result has three columns ---------


def ours(table, **settings):
    from scomics_lite import differential

    last = np.eye(table.design.shape[1])[-1]
    return lambda: differential.test(table.counts, table.design, last, alpha=ALPHA, progress=False, **settings)[COLUMNS]


def ours_wald(table):
    return ours(table)


def ours_lrt(table):
    return ours(table, method="lrt", reduced=list(table.design.columns[:-1]))


def ours_ql(table):
    return ours(table, method="ql")


def ours_voom(table):
    return ours(table, method="voom")


def pydeseq2(table):
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.ds import DeseqStats

    def call():
        counts, design, _ = table
        dataset = DeseqDataSet(counts=counts, metadata=design, design=design, n_cpus=1, quiet=True)
        dataset.deseq2()
        last = np.eye(design.shape[1])[-1]
        tests = DeseqStats(dataset, contrast=last, alpha=ALPHA, n_cpus=1, quiet=True)
        with contextlib.redirect_stdout(None):
            tests.summary()
        return tests.results_df[COLUMNS]

    return call


def inmoose(table):
    from inmoose import deseq2

    def call():
        formula = "~ " + " + ".join(table.design.columns[1:])
        dataset = deseq2.DESeqDataSet(table.counts, table.design, design=formula)
        tests = deseq2.DESeq(dataset, quiet=True).results(alpha=ALPHA)
        return np.column_stack([tests["log2FoldChange"], tests["pvalue"], tests["adj_pvalue"]])

    return call


def statsmodels(table):
    from statsmodels.discrete.discrete_model import NegativeBinomial

    counts, design = table.counts.to_numpy(), table.design.to_numpy()
    genes = np.random.default_rng(1).choice(np.flatnonzero(counts.sum(axis=0)), STATSMODELS_GENES, replace=False)

    def call():
        found = np.full((counts.shape[1], 3), np.nan)
        for gene in genes:
            try:
                fit = NegativeBinomial(counts[:, gene], design, exposure=table.size_factors).fit(disp=False)
                if np.isfinite(fit.params).all():
                    found[gene, :2] = fit.params[-2] / np.log(2), fit.pvalues[-2]
            except np.linalg.LinAlgError:
                continue  # no maximum found, or none with a covariance
        return found

    return call


def child(folder, tool):
    """Run one tool in this process, write its result and print what it took."""
    result, took = measure.clocked(globals()[tool](read(folder)))
    np.asarray(result, dtype=float).T.tofile(folder / "result.bin")
    print(json.dumps(took))


# --- the table of results ---------------------------------------------------------------------------------------------


def measured(folder, name, python):
    """Give the report of one tool and its result, or the reason why there is none."""
    tool = TOOLS[name]
    if name.startswith("R "):
        report = measure.report(["Rscript", Path(__file__).with_suffix(".R"), tool, folder])
    else:
        interpreter = sys.executable if name.startswith("scomics_lite") else python
        report = measure.report([interpreter, __file__, "--child", folder, tool])
    return report, None if isinstance(report, str) else read_result(folder)


def agreement(result, reference):
    """Compare with DESeq2: rho of p, largest difference of fold changes, genes called, and called by one alone."""
    (lfc, p, padj), (their_lfc, their_p, their_padj) = result, reference
    both = np.isfinite(p) & np.isfinite(their_p)
    rho = stats.spearmanr(p[both], their_p[both])[0]
    largest = np.abs(lfc[both] - their_lfc[both]).max()
    called, theirs = padj < ALPHA, their_padj < ALPHA
    if not np.isfinite(padj).any():
        return f"{rho:.5f} | {largest:.2g} | | "
    return f"{rho:.5f} | {largest:.2g} | {called.sum():,} | {(called != theirs).sum():,}"


def line(kind, name, report, result, reference, expressed):
    if isinstance(report, str):
        return f"| {kind} | {name} | {report} | | | | | | |"
    times, note = (expressed / STATSMODELS_GENES, " (extrapolated)") if name == "statsmodels" else (1, "")
    took = f"{times * report['seconds']:.2f} | {times * report['cpu']:.2f} | {report['peak']:,.0f}"
    agrees = " | | | " if reference is None else agreement(result, reference)
    return f"| {kind} | {name}{note} | {took} | {agrees} |"


def compare(folder, kind, adata, formula, python):
    """Print a line for every tool on one table."""
    from scomics_lite.design import design_matrix
    from scomics_lite.normalization import size_factors

    write(folder, adata.X, design_matrix(adata.obs, formula), size_factors(adata))
    expressed = np.count_nonzero(adata.X.sum(axis=0))
    reference = None
    for name in TOOLS:
        report, result = measured(folder, name, python)
        reference = result if name == REFERENCE else reference
        print(line(kind, name, report, result, reference, expressed), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the peers installed")
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the simulated table, for a quick look")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(Path(arguments.child[0]), arguments.child[1])
        return
    versions = (measure.version(package, arguments.python) for package in PACKAGES)
    print("Versions:", ", ".join([f"numpy {np.__version__}", *versions]))
    tables = {"pasilla": pasilla(), "simulated": simulated(arguments.scale)}
    shapes = (f"{kind} {adata.n_vars:,} genes x {adata.n_obs} samples" for kind, (adata, _) in tables.items())
    print(f"Tables: {'; '.join(shapes)}\n")
    print("| table | tool | seconds | CPU s | peak MB | rho of p | largest LFC difference | called | by one alone |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for kind, (adata, formula) in tables.items():
            compare(Path(folder) / kind, kind, adata, formula, arguments.python)


if __name__ == "__main__":
    main()
