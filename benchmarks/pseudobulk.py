"""Calls where counts are few, beside DESeq2's: ``python benchmarks/pseudobulk.py``.

Deep libraries are where tools agree. Two tables of genes called at padj < 0.1, by the Wald tests of `differential.test`
and of R's DESeq2, both with their defaults, and of those that both call:

The real kang_muscat, its cells summed by sample and cell type and tested ``~ group_id`` in each of three cell types
(its simulated stand-in where the real one is not there).

Simulated experiments of 1,500 genes, a tenth of them changed twofold, at 1e4 to 1e8 counts a library, 3 to 50
replicates in each of two groups and dispersions around 0.01 to 0.5.

"p apart" is the largest difference of p-values below 0.1; the last two columns tell the kinds of trends that the
dispersions were drawn to.

R does each depth in a process of its own. Without R and DESeq2 there are only our numbers.
"""

import argparse
import tempfile
import warnings
from pathlib import Path

import differential as tables
import measure
import numpy as np

ALPHA = 0.1
CELL_TYPES = ("B cells", "CD4 T cells", "CD8 T cells")
DEPTHS = (1e4, 1e5, 1e6, 1e7, 1e8)
REPLICATES = (3, 4, 6, 12, 50)
DISPERSIONS = (0.01, 0.1, 0.5)
GENES = 1_500
COLUMNS = ("calls here", "DESeq2", "both", "p apart", "trend here", "DESeq2's")


def kang():
    """Give sums (n, g) and formula of every cell type."""
    from scomics_lite import datasets, differential

    cells = datasets.load("kang_muscat", standin=True, progress=False)
    with warnings.catch_warnings(action="ignore"):  # the donor of sums that have both: there is none
        sums = differential.pseudobulk(cells, "sample_id", "cluster_id")
    print(f"kang_muscat: {cells.n_obs:,} cells, {sums.n_obs} sums, {sums.n_vars:,} genes")
    return {kind: (sums[sums.obs["cluster_id"] == kind], "~ group_id") for kind in CELL_TYPES}


def simulated(depth, scale):
    """Give the experiments of one depth by replicates and dispersion."""
    from scomics_lite import simulate

    def draw(n, phi):
        groups = ["A"] * n + ["B"] * n
        return simulate.bulk_counts(groups, round(GENES * scale), library_sizes=depth, dispersion=phi, rng=1)

    return {(n, phi): (draw(n, phi), "~ condition") for n in REPLICATES for phi in DISPERSIONS}


def ours(adata, formula):
    """Give our p-values and adjusted ones, (2, g), and the kind of trend."""
    from scomics_lite import differential

    with warnings.catch_warnings(action="ignore"):  # of a trend that does not fit: the table says so
        study = differential.fit(adata, formula, progress=False)
        last = np.eye(study.fit.design.shape[1])[-1]
        table = study.test(last, alpha=ALPHA)
    kind = type(study.dispersions.trend).__name__.removesuffix("Trend").lower()
    return table[["pvalue", "padj"]].to_numpy().T, kind


def theirs(experiments, folder):
    """Give DESeq2's p-values and adjusted ones, (2, g) each, and the kind of trend, or why there are none."""
    from scomics_lite.design import design_matrix

    folders = [folder / str(number) for number in range(len(experiments))]
    for one, (adata, formula) in zip(folders, experiments.values(), strict=True):
        tables.write(one, adata.X, design_matrix(adata.obs, formula), np.ones(adata.n_obs))
    report = measure.report(["Rscript", Path(__file__).with_suffix(".R"), *folders])
    if isinstance(report, str):
        return dict.fromkeys(experiments, (None, report))
    return {key: read_result(one) for key, one in zip(experiments, folders, strict=True)}


def read_result(folder):
    if not (folder / "trend.txt").exists():
        return None, "stops"
    return np.fromfile(folder / "result.bin").reshape(2, -1), (folder / "trend.txt").read_text().strip()


def head(*first):
    """Give the head of a table."""
    columns = (*first, *COLUMNS)
    return f"\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|"


def line(experiment, reference):
    """Give the last cells of a row: calls here, by DESeq2 and by both, the difference of p-values, the trends."""
    (p, padj), kind = ours(*experiment)
    called = padj < ALPHA
    their_values, their_kind = reference
    if their_values is None:
        return f"{called.sum():,} | | | | {kind} | {their_kind} |"
    their_p, their_padj = their_values
    small = np.isfinite(p) & np.isfinite(their_p) & (np.fmin(p, their_p) < ALPHA)
    apart = np.abs(p[small] - their_p[small]).max(initial=0)
    both = called & (their_padj < ALPHA)
    calls = f"{called.sum():,} | {(their_padj < ALPHA).sum():,} | {both.sum():,}"
    return f"{calls} | {apart:.1g} | {kind} | {their_kind} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the simulated genes, for a quick look")
    arguments = parser.parse_args()
    print("Versions:", ", ".join(measure.version(package, None) for package in ("R DESeq2", "R locfit")))
    with tempfile.TemporaryDirectory() as folder:
        experiments = kang()
        print(head("cell type"))
        references = theirs(experiments, Path(folder) / "kang")
        for kind, experiment in experiments.items():
            print(f"| {kind} | {line(experiment, references[kind])}", flush=True)
        print(head("counts a library", "replicates", "dispersion"))
        for depth in DEPTHS:
            experiments = simulated(depth, arguments.scale)
            references = theirs(experiments, Path(folder) / f"{depth:.0e}")
            for (n, phi), experiment in experiments.items():
                print(f"| {depth:.0e} | {n} | {phi} | {line(experiment, references[n, phi])}", flush=True)


if __name__ == "__main__":
    main()
