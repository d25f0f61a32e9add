"""Make the reference tables of this folder again: ``python tests/reference/make_tables.py`` (needs R, DESeq2, edgeR).

Writes
- ``small_counts.tsv.gz``: counts made by hand to hurt, and small random tables full of ties and zeros;
- ``small_factors.tsv.gz``, ``bundled_factors.tsv.gz``: what DESeq2 and edgeR say of these and of the bundled data sets;
- ``provenance.json``: versions, calls, and the sha256 of all counts that went in and of every file that came out.

Run it after the bundled data sets changed; `test_reference_simulated.py` says when that is so.
"""

import hashlib
import json
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse
from table_files import HERE, read, read_versions, write

from scomics_lite import datasets

MOST_SAMPLES = 300  # of a bundled set: enough cells to prove it, and a table of kilobytes


def bundled_counts():
    """Counts of every bundled set of RNA, {name: integer array (n, g)}; expected counts are rounded for the tools."""
    counts, sets = {}, datasets.available().query("bundled")
    for name in sets.index[~sets["modality"].str.contains("genotypes")]:
        matrix = datasets.load(name).X[:MOST_SAMPLES]
        counts[name] = np.rint(matrix.toarray() if sparse.issparse(matrix) else matrix).astype(np.int64)
    return counts


def small_counts():
    """Counts for each rule that a port of TMM can get wrong, {name: integer array (n, g)}."""
    rng = np.random.default_rng(2010)
    middling = rng.negative_binomial(2, 0.02, (5, 60))
    apart = np.zeros((3, 30), dtype=int)
    apart[:2, :20] = rng.poisson(20, (2, 20)) + 1
    apart[2, 20:] = 7
    sparse_cells = np.where(rng.random((9, 200)) < 0.88, 0, rng.poisson(2, (9, 200)) + 1)
    cases = {
        "ties_at_the_trims": np.array([[4] * 10 + [8] * 12 + [1, 2, 16, 32] * 5, [4] * 42, [2, 6] * 21]),
        "ties_of_a": rng.integers(1, 4, (4, 50)),
        "many_zeros": np.where(rng.random((6, 80)) < 0.7, 0, rng.poisson(5, (6, 80)) + 1),
        "upper_quartiles_zero": sparse_cells,
        "one_dominant_gene": np.column_stack([[10, 50_000, 20, 90_000, 5], middling]),
        "twice_the_same": np.vstack([middling[:2], middling[0], 3 * middling[1]]),
        "nothing_in_common": apart,
        "one_gene_in_common": np.array([[5, 9, 0, 0, 3], [0, 0, 4, 2, 6], [8, 1, 7, 7, 7]]),
        "trims_keep_nothing": np.array([[8, 8, 32, 32], [8, 8, 8, 8], [9, 7, 8, 30]]),
        "two_samples": middling[:2],
        "genes_never_counted": np.column_stack([np.zeros((5, 25), dtype=int), middling]),
        "few_genes": middling[:, :3] + 1,
        "large_counts": middling * 9_000_000 // 5,
    }
    for number in range(40):
        n, g = rng.integers(2, 9), rng.integers(4, 120)
        mean = rng.lognormal(rng.uniform(-1, 2.5), rng.uniform(0.1, 1.5), g)
        counts = rng.poisson(rng.gamma(2, np.outer(rng.lognormal(0, 0.7, n), mean) / 2))
        counts[:, 0] += counts.sum(axis=1) == 0  # no sample may be empty
        counts[:, : 3 * (number % 4 == 0)] += 1  # a quarter of them with genes that all samples have
        cases[f"random_{number:02d}"] = counts
    return cases


def run_r(counts):
    """Hand the counts to size_factors.R; return its tables in one, and the versions."""
    with tempfile.TemporaryDirectory() as folder:
        for name, matrix in counts.items():
            table = pd.DataFrame(matrix.T, columns=[f"s{number}" for number in range(len(matrix))])
            table.to_csv(Path(folder) / f"{name}.counts.tsv", sep="\t", index=False)
        subprocess.run(["Rscript", str(HERE / "size_factors.R"), folder], check=True)
        tables = [read(Path(folder) / f"{name}.factors.tsv", name, "set") for name in counts]
        versions = read_versions(folder)
    return pd.concat(tables), versions


def fingerprint(counts):
    """Identify a table of counts: sha256 of its shape and its 64-bit little-endian values, row by row."""
    return hashlib.sha256(repr(counts.shape).encode() + counts.astype("<i8").tobytes()).hexdigest()


def main():
    small, bundled = small_counts(), bundled_counts()
    rows = [(name, ",".join(map(str, row))) for name, counts in small.items() for row in counts]
    files = {"small_counts.tsv.gz": write(pd.DataFrame(rows, columns=["set", "counts"]), "small_counts.tsv.gz")}
    for group, counts in {"small": small, "bundled": bundled}.items():
        factors, versions = run_r(counts)
        files[f"{group}_factors.tsv.gz"] = write(factors, f"{group}_factors.tsv.gz")
    calls = dict(re.findall(r"^  (\w+) += function\(x\) (.+?),?$", (HERE / "size_factors.R").read_text(), re.MULTILINE))
    provenance = {
        "made_by": "python tests/reference/make_tables.py",
        "versions": versions,
        "calls": calls,
        "sha256": files,
        "counts_sha256": {name: fingerprint(counts) for name, counts in {**small, **bundled}.items()},
    }
    (HERE / "provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
