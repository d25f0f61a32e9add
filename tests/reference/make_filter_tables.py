"""Make the table of independent filtering again: ``python tests/reference/make_filter_tables.py`` (needs R, DESeq2).

300 lists of p-values and mean counts: of 20 to 120 genes, with 0 to 50 changed ones whose means are large or any, and
of 150 genes with more power where counts are more; zeros, ties, missing p-values, and all of these. One more,
"example", is of DESeq2's simulated data. Writes ``filter_results.tsv.gz`` (a row a gene) and
``filter_provenance.json``.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from table_files import HERE, read, read_versions, write

LISTS = 300


def draw(rng, number):
    """One list: p-values and means with few digits, so that they tie where few means do."""
    g = 150 if number % 2 else int(rng.integers(20, 120))
    mean = rng.lognormal(3, rng.uniform(0.5, 3), g)
    pvalue = rng.uniform(size=g)
    if number % 2:  # the more counts, the more power: some 11 to 20 calls, where the choice is hardest
        effect = rng.normal(0, 2 * (rng.random(g) < 0.25), g)
        pvalue = 2 * stats.norm.sf(np.abs(rng.normal(size=g) + effect / np.sqrt(0.3 + 2 / mean)))
    else:
        changed = rng.choice(np.argsort(mean)[(g // 3) * (number % 3 == 0) :], min(number // 2 % 51, g // 2), False)
        pvalue[changed] = rng.beta(rng.uniform(0.05, 0.5), 20, len(changed))
    if number % 4 == 1:
        mean[rng.random(g) < rng.uniform(0, 0.9)] = 0
    if number % 5 == 2:
        mean = np.round(mean)
    if number % 7 == 3:
        mean = np.where(rng.random(g) < 0.8, 5, mean)
    pvalue[(mean == 0) | ((rng.random(g) < 0.2) & (number % 3 == 1))] = np.nan
    if number in (100, 200):
        pvalue[:] = np.nan
    table = pd.DataFrame({"mean": mean, "pvalue": pvalue})
    return table.map(lambda value: float(f"{value:.4g}"))


def main():
    rng = np.random.default_rng(2010)
    every = {f"{number:03d}": draw(rng, number) for number in range(LISTS)}
    with tempfile.TemporaryDirectory() as folder:
        for name, table in every.items():
            table.to_csv(Path(folder) / f"{name}.list.tsv", sep="\t", index=False, na_rep="NA")
        subprocess.run(["Rscript", str(HERE / "filter.R"), folder], check=True)
        results = pd.concat([read(f"{folder}/{name}.filtered.tsv", name) for name in [*every, "example"]])
        versions = read_versions(folder)
    provenance = {
        "made_by": "python tests/reference/make_filter_tables.py",
        "versions": versions,
        "calls": "see filter.R: DESeq2:::pvalueAdjustment(res, TRUE, alpha = alpha, pAdjustMethod = 'BH')",
        "sha256": {"filter_results.tsv.gz": write(results, "filter_results.tsv.gz")},
    }
    (HERE / "filter_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
