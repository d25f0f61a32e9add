"""Make the rank-sum tables again: ``python tests/reference/make_rank_sum_tables.py SCANPY_PYTHON`` (needs R too).

Sets of 14 to 90 cells in two to four groups, with genes from all zero to never zero, few and many ties, and one gene
that is the same everywhere. SCANPY_PYTHON is an interpreter that has scanpy. Writes ``rank_sum_values.tsv.gz`` (a row a
cell: log(1 + y / s), 17 digits), ``rank_sum_wilcox.tsv.gz`` (R's ``wilcox.test``), ``rank_sum_scanpy.tsv.gz`` (scanpy's
``rank_genes_groups``) and ``rank_sum_provenance.json``.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from table_files import HERE, read_versions, write

SETS = {"two": (14, "ab"), "uneven": (60, "aaaaaaaaab"), "three": (45, "abc"), "four": (90, "abcd")}


def draw(rng, n, letters):
    """One set: groups of cells, and log(1 + y / s) of genes whose zeros go from all to none."""
    group = rng.permutation(np.resize(list(letters), n))
    mean = np.array([0.0, 0.05, 0.2, 0.5, 1, 2, 5, 20, 100, 3])
    change = np.where(np.arange(10) % 3 == 1, 3.0, 1.0)
    counts = rng.negative_binomial(1, 1 / (1 + mean * np.where(group[:, None] == "b", change, 1.0)))
    s = rng.choice([0.5, 1.0, 1.5], n)  # few size factors: ties among the positive values too
    values = np.log1p(counts / s[:, None])
    values[:, 9] = values[0, 9] or 1.0
    genes = {f"g{i}": [f"{value:.17g}" for value in column] for i, column in enumerate(values.T)}
    return pd.DataFrame({"group": group, **genes})


def main():
    rng = np.random.default_rng(1945)
    values = pd.concat([draw(rng, *shape).assign(set=name) for name, shape in SETS.items()])
    with tempfile.TemporaryDirectory() as folder:
        values.to_csv(Path(folder) / "values.tsv", sep="\t", index=False)
        subprocess.run(["Rscript", str(HERE / "rank_sum.R"), folder], check=True)
        subprocess.run([sys.argv[1], str(HERE.parents[1] / "benchmarks" / "rank_sum_scanpy.py"), folder], check=True)
        found = {
            name: pd.read_csv(f"{folder}/{name}.tsv", sep="\t", dtype=str, keep_default_na=False)
            for name in ("wilcox", "scanpy")
        }
        scanpy = pd.read_csv(f"{folder}/scanpy_versions.tsv", sep="\t", index_col=0).iloc[:, 0].to_dict()
        versions = read_versions(folder) | scanpy
    tables = {"values": values, **found}
    provenance = {
        "made_by": "python tests/reference/make_rank_sum_tables.py SCANPY_PYTHON",
        "versions": versions,
        "calls": [
            "wilcox.test(group, reference, exact = FALSE, correct = TRUE or FALSE)",
            "sc.tl.rank_genes_groups(adata, 'group', reference=…, method='wilcoxon', tie_correct=True or False)",
        ],
        "sha256": {
            f"rank_sum_{name}.tsv.gz": write(table, f"rank_sum_{name}.tsv.gz") for name, table in tables.items()
        },
    }
    (HERE / "rank_sum_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
