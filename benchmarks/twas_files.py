"""Files of the PrediXcan ecosystem, read by us and by pytwas: ``python benchmarks/twas_files.py --python PEERS``.

A model of 10,000 genes with 30 SNPs each, its covariances (4,650,000 lines) and a GWAS of 1,000,000 SNPs are written
with a fixed seed. Every reading is a process of its own, with one thread; what numba compiles at the first call on a
machine is compiled before. Measured are seconds, CPU seconds and the largest memory the process ever held, with all
that it imported. The last column is a sum over what was read, the same for both if they read the same: weights;
squares of the covariances of 200 genes; z-scores, which pytwas holds as 32-bit numbers. pytwas follows MetaXcan's
rules; ``--python`` names an interpreter that has it.
"""

import argparse
import gzip
import json
import sys
import tempfile
from functools import partial
from pathlib import Path

import measure
import numpy as np
import pandas as pd

GENES, OF_GENE, SNPS = 10_000, 30, 1_000_000
FILES = ("model.db", "covariances.txt.gz", "gwas.txt.gz")


def write(folder):
    """Write the three files."""
    from scomics_lite.twas import Covariances, PredictionModel

    rng = np.random.default_rng(1)
    snps = np.array([f"rs{i}" for i in range(GENES * OF_GENE)]).reshape(GENES, OF_GENE)
    genes = [f"ENSG{gene:011d}.1" for gene in range(GENES)]
    weights = pd.DataFrame(
        {"rsid": snps.ravel(), "gene": np.repeat(genes, OF_GENE), "weight": rng.normal(size=snps.size)}
    )
    PredictionModel(weights.assign(ref_allele="A", eff_allele="G")).write(folder / FILES[0])
    near = 0.9 ** np.abs(np.subtract.outer(np.arange(OF_GENE), np.arange(OF_GENE)))
    scales = rng.uniform(0.3, 0.7, snps.shape)
    matrices = {
        gene: pd.DataFrame(near * np.outer(sd, sd), index=names, columns=names)
        for gene, names, sd in zip(genes, snps, scales, strict=True)
    }
    Covariances.from_matrices(matrices).write(folder / FILES[1])
    beta, se = rng.normal(0, 0.02, SNPS).tolist(), rng.uniform(0.01, 0.03, SNPS).tolist()
    with gzip.open(folder / FILES[2], "wt", compresslevel=1) as file:
        file.write("rsid\teffect_allele\tnon_effect_allele\tbeta\tse\n")
        file.writelines(f"rs{i}\tG\tA\t{b!r}\t{s!r}\n" for i, (b, s) in enumerate(zip(beta, se, strict=True)))


def ours():
    from scomics_lite import twas

    return dict(zip(FILES, (twas.read_model, twas.read_covariance, twas.read_gwas), strict=True))


def pytwas():
    from pytwas import gwas, model

    names = ("effect_allele", "non_effect_allele", "beta", "se")
    columns = {f"{name}_column": name for name in names}
    readers = model.load_model, model.load_covariance, partial(gwas.load_gwas, snp_column="rsid", **columns)
    return dict(zip(FILES, readers, strict=True))


def checked(tool, found, name):
    """Give one number for what was read."""
    if name == FILES[0]:
        return float(found.weights["weight"].sum())
    if name == FILES[2]:
        return float(found["zscore"].astype(float).sum())
    genes = sorted(found.genes if tool == "ours" else found.genes())[:200]
    matrices = [found.of(gene).to_numpy() if tool == "ours" else np.asarray(found.get(gene)[1]) for gene in genes]
    return float(sum(np.trace(matrix @ matrix) for matrix in matrices))


def run(tool, path):
    reader = {"ours": ours, "pytwas": pytwas}[tool]()[path.name]
    found, cost = measure.clocked(lambda: reader(str(path)))
    print(json.dumps(cost | {"sum": checked(tool, found, path.name)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has pytwas")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        return run(options.run[0], Path(options.run[1]))
    with tempfile.TemporaryDirectory() as name:
        write(Path(name))
        print(f"{measure.version('scomics-lite', sys.executable)}, {measure.version('pytwas', options.python)}\n")
        print("| file | tool | seconds | CPU seconds | peak MB | sum |\n|---|---|---|---|---|---|")
        for file in FILES:
            command = [Path(__file__), "--run", "ours", Path(name) / file]
            measure.report([sys.executable, *command])  # compiles
            for tool, python in (("ours", sys.executable), ("pytwas", options.python)):
                command[2] = tool
                cost = measure.report([python, *command])
                if isinstance(cost, str):
                    print(f"| {file} | {tool} | {cost} | | | |")
                    continue
                seconds = f"{cost['seconds']:.1f} | {cost['cpu']:.1f} | {cost['peak']:.0f} | {cost['sum']:.10g}"
                print(f"| {file} | {tool} | {seconds} |", flush=True)


if __name__ == "__main__":
    main()
