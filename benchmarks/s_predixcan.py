"""S-PrediXcan from files to table, beside pytwas: ``python benchmarks/s_predixcan.py --python PEERS_PYTHON``.

A GWAS of 1,000,000 SNPs and models of 2,000, 5,000 and 10,000 genes with 30 SNPs each, with their covariances, are
written with a fixed seed as people have them: text compressed by gzip, and an SQLite data base. Every run is a process
of its own, with one thread. Measured are the seconds and CPU seconds of the call, which reads all three files, and the
largest memory the process ever held, with all that it imported. What numba compiles at the first call on a machine is
compiled before. pytwas, a port of MetaXcan, gets the smallest model; it runs where it is installed: ``--python`` names
the interpreter. The last column is the largest difference from our z-scores; pytwas holds those of SNPs as 32-bit
numbers.
"""

import argparse
import gzip
import json
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import measure
import numpy as np
from scipy import signal

SNPS = 1_000_000
SIZES = (2_000, 5_000, 10_000)  # genes
OF_GENE = 30  # SNPs
NEXT = 0.9  # correlation of neighbours
LETTERS = np.array(["A", "C", "G", "T"])


def write_gwas(path, rng):
    """Write effects and standard errors of all SNPs, half of them for the other allele than the models."""
    ref = rng.integers(4, size=SNPS)
    eff = (ref + rng.choice([1, 3], size=SNPS)) % 4  # A/C, A/T, C/G, G/T and back
    turned = rng.random(SNPS) < 0.5
    a1, a2 = LETTERS[np.where(turned, ref, eff)], LETTERS[np.where(turned, eff, ref)]
    zscores = signal.lfilter([np.sqrt(1 - NEXT**2)], [1, -NEXT], rng.normal(size=SNPS))  # correlated as the SNPs are
    beta = 0.02 * np.where(turned, -zscores, zscores)
    columns = zip(range(SNPS), a1.tolist(), a2.tolist(), beta.tolist(), strict=True)
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write("SNP\tCHR\tBP\tA1\tA2\tBETA\tSE\n")
        file.writelines(
            f"rs{i}\t{i // 50_000 + 1}\t{i % 50_000 * 2_000}\t{a}\t{b}\t{c!r}\t0.02\n" for i, a, b, c in columns
        )
    return ref, eff


def write_model(folder, genes, alleles, rng):
    """Write weights and covariances of genes, each with 30 SNPs whose correlation falls with their distance."""
    ref, eff = (LETTERS[codes].tolist() for codes in alleles)
    first = np.linspace(0, SNPS - 2 * OF_GENE, genes).astype(int)
    names = [f"ENSG{gene:011d}.1" for gene in range(genes)]
    near = NEXT ** np.abs(np.subtract.outer(np.arange(OF_GENE), np.arange(OF_GENE)))
    i, j = np.triu_indices(OF_GENE)
    with (
        gzip.open(folder / f"{genes}.txt.gz", "wt", compresslevel=1) as file,
        sqlite3.connect(folder / f"{genes}.db") as db,
    ):
        file.write("GENE RSID1 RSID2 VALUE\n")
        db.execute("CREATE TABLE weights (rsid TEXT, gene TEXT, weight REAL, ref_allele TEXT, eff_allele TEXT)")
        db.execute(
            'CREATE TABLE extra (gene TEXT, genename TEXT, "n.snps.in.model" INTEGER, "pred.perf.R2" REAL, '
            '"pred.perf.pval" REAL, "pred.perf.qval" REAL)'
        )
        for name, start in zip(names, first.tolist(), strict=True):
            p = rng.uniform(0.05, 0.5, OF_GENE)
            sd = np.sqrt(2 * p * (1 - p))
            values = (near * np.outer(sd, sd))[i, j].tolist()
            rows = zip((i + start).tolist(), (j + start).tolist(), values, strict=True)
            file.writelines(f"{name} rs{a} rs{b} {value!r}\n" for a, b, value in rows)
            weights = rng.normal(0, 0.1, OF_GENE).tolist()
            places = range(start, start + OF_GENE)
            row = [(f"rs{k}", name, w, ref[k], eff[k]) for k, w in zip(places, weights, strict=True)]
            db.executemany("INSERT INTO weights VALUES (?, ?, ?, ?, ?)", row)
            db.execute("INSERT INTO extra VALUES (?, ?, ?, 0.1, 0.001, 0.002)", (name, name, OF_GENE))


def ours(gwas, model, covariance):
    from scomics_lite.twas import s_predixcan

    return lambda: s_predixcan(gwas, model, covariance, progress=False)


def pytwas(gwas, model, covariance):
    import pytwas

    columns = {"snp_column": "SNP", "beta_column": "BETA", "se_column": "SE"}
    return lambda: pytwas.spredixcan(model, covariance, gwas, **columns)


def run(tool, folder, genes):
    """Measure one call, and store its z-scores beside the files."""
    files = [str(folder / name) for name in ("gwas.txt.gz", f"{genes}.db", f"{genes}.txt.gz")]
    table, cost = measure.clocked({"ours": ours, "pytwas": pytwas}[tool](*files))
    table.set_index("gene")["zscore"].sort_index().astype(float).to_csv(folder / f"{tool}_{genes}.csv")
    print(json.dumps(cost))


def difference(folder, genes):
    """Give the largest difference of the peer's z-scores from ours."""
    a, b = (
        np.loadtxt(folder / f"{tool}_{genes}.csv", delimiter=",", skiprows=1, usecols=1) for tool in ("ours", "pytwas")
    )
    return f"{np.max(np.abs(b - a)):.1e}"


def line(name, genes, cost, last=""):
    if isinstance(cost, str):
        return f"| {name} | {genes:,} | {cost} | | | |"
    return f"| {name} | {genes:,} | {cost['seconds']:.1f} | {cost['cpu']:.1f} | {cost['peak']:.0f} | {last} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has pytwas")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        tool, folder, genes = options.run
        return run(tool, Path(folder), int(genes))
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder, rng = Path(name), np.random.default_rng(1)
        alleles = write_gwas(folder / "gwas.txt.gz", rng)
        print(f"{measure.version('scomics-lite', sys.executable)}, {measure.version('pytwas', options.python)}\n")
        print("| tool | genes | seconds | CPU seconds | peak MB | largest difference of z |\n|---|---|---|---|---|---|")
        for genes in SIZES:
            write_model(folder, genes, alleles, rng)
            command = [Path(__file__), "--run", "ours", folder, genes]
            if genes == min(SIZES):
                measure.report([sys.executable, *command])  # compiles
            print(line("ours", genes, measure.report([sys.executable, *command])), flush=True)
            if genes == min(SIZES):
                command[2] = "pytwas"
                cost = measure.report([options.python, *command])
                print(
                    line("pytwas", genes, cost, "" if isinstance(cost, str) else difference(folder, genes)), flush=True
                )
    print(f"\n{time.perf_counter() - start:.0f} s in all, with writing the files.")


if __name__ == "__main__":
    main()
