"""Make the tables of pooled cells again: ``python tests/reference/make_pooled_tables.py`` (needs R and scran).

Simulated cells with few counts: one kind; three kinds that differ in many genes; kinds of which one is small; cells of
which some have next to no counts, whose factors come out below zero; reads instead of molecules. Writes
``pooled_counts.tsv.gz`` (a row a cell), ``pooled_factors.tsv.gz`` (scran's factors) and ``pooled_provenance.json``.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from table_files import HERE, read, read_versions, write

# cells of each kind, genes, typical count, spread of depths, share of genes that a kind changes, cells without depth
SETS = {
    "alike": ([137], 150, 0.4, 0.5, 0.0, 0),
    "kinds": ([80, 61, 40], 180, 0.5, 0.6, 0.3, 0),
    "a_small_kind": ([90, 12], 150, 0.5, 0.4, 0.2, 0),
    "hardly_sequenced": ([120, 60], 150, 0.5, 0.5, 0.2, 14),
    "reads": ([70, 50], 120, 400.0, 0.7, 0.2, 0),
}
CALLS = {
    "one": "calculateSumFactors(counts)",
    "raw": "calculateSumFactors(counts, positive = FALSE)",
    "clusters": "calculateSumFactors(counts, clusters = clusters)",
    "clusters_raw": "calculateSumFactors(counts, clusters = clusters, positive = FALSE)",
    "dealt": "calculateSumFactors(counts, clusters = clusters, max.cluster.size = 50)",
    "sizes": "calculateSumFactors(counts, sizes = c(10, 33, 20))",
    "mean_1": "calculateSumFactors(counts, clusters = clusters, min.mean = 1)",
}


def draw(rng, kinds, g, typical, spread, changed, empty):
    """One set: the kind of every cell, and its counts."""
    kind = rng.permutation(np.repeat(np.arange(len(kinds)), kinds))
    share = typical * rng.lognormal(0, 1, g)
    fold = np.where(rng.random((len(kinds), g)) < changed, rng.lognormal(1.5, 0.5, (len(kinds), g)), 1.0)
    depth = rng.lognormal(0, spread, len(kind))
    depth[:empty] *= 0.02
    mean = depth[:, None] * share * fold[kind]
    counts = rng.poisson(rng.gamma(4, mean / 4))
    counts[:, 0] += 1  # no cell is empty
    return kind, counts


def main():
    rng = np.random.default_rng(2016)
    every = {name: draw(rng, *shape) for name, shape in SETS.items()}
    with tempfile.TemporaryDirectory() as folder:
        for name, (kind, counts) in every.items():
            pd.DataFrame(counts).to_csv(Path(folder) / f"{name}.counts.tsv", sep="\t", index=False)
            pd.DataFrame({"cluster": kind}).to_csv(Path(folder) / f"{name}.clusters.tsv", sep="\t", index=False)
        subprocess.run(["Rscript", str(HERE / "pooled.R"), folder], check=True)
        factors = pd.concat([read(f"{folder}/{name}.factors.tsv", name, "set") for name in every])
        versions = read_versions(folder)
    rows = [
        {"set": name, "cluster": kind, "counts": ",".join(map(str, row))}
        for name, (kinds, counts) in every.items()
        for kind, row in zip(kinds, counts, strict=True)
    ]
    provenance = {
        "made_by": "python tests/reference/make_pooled_tables.py",
        "versions": versions,
        "calls": CALLS,
        "sha256": {
            "pooled_counts.tsv.gz": write(pd.DataFrame(rows), "pooled_counts.tsv.gz"),
            "pooled_factors.tsv.gz": write(factors, "pooled_factors.tsv.gz"),
        },
    }
    (HERE / "pooled_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
