"""Make the tables of DESeq2's dispersion trends again: ``python tests/reference/make_trend_tables.py`` (R, DESeq2).

Experiments of every depth: a transcriptome of 3,000 genes, of which 80 drawn at random are kept, at 1e4 to 1e8 counts a
library, 3 to 50 replicates in each of two groups and dispersions around 0.01 to 1, twice each. Of these only the points
are kept that DESeq2 fits its trends to, rounded to four digits before it does. Few genes: tables of 2 to 11 genes and
6 samples with their counts, and what DESeq2 makes of them by default. Writes ``trend_points.tsv.gz``,
``trend_results.tsv.gz``, ``few_counts.tsv.gz``, ``few_results.tsv.gz`` and ``trend_provenance.json``.
"""

import itertools
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from table_files import HERE, read, read_versions, save_cases, write

DEPTHS = (1e4, 2e4, 1e5, 1e6, 1e7, 1e8)
REPLICATES = (3, 4, 6, 12, 50)
DISPERSIONS = (0.01, 0.03, 0.1, 0.3, 1.0)
GENES, KEPT = 3_000, 80
FEW = 160  # tables


def two_groups(n):
    return pd.DataFrame({"condition": ["a"] * n + ["b"] * n})


def draw(rng, mean, dispersion):
    """Negative binomial counts, one in ten genes changed between the two halves of the samples."""
    n, g = mean.shape
    change = np.where(rng.random(g) < 0.1, rng.normal(0, 1.5, g), 0)
    mean = mean * np.exp(np.outer(np.arange(n) >= n / 2, change))
    return rng.poisson(rng.gamma(1 / dispersion, dispersion * mean))


def depths():
    """Experiments of many depths, {name: (obs, formulas, counts (n, g))}; the name holds the settings."""
    rng, every = np.random.default_rng(154), {}
    for depth, n, phi, again in itertools.product(DEPTHS, REPLICATES, DISPERSIONS, (1, 2)):
        share = rng.lognormal(0, 2, GENES)
        mean = depth * rng.choice(share / share.sum(), KEPT, replace=False)
        dispersion = phi * rng.chisquare(20, KEPT) / 20 + phi / mean
        counts = draw(rng, np.tile(mean, (2 * n, 1)), dispersion)
        every[f"{depth:.0e} {n} {phi} {again}"] = (two_groups(n), ("~ condition", "~ 1"), counts)
    return every


def few():
    """Tables of 2 to 11 genes, counted in all samples or in some."""
    rng, every = np.random.default_rng(249), {}
    for number in range(FEW):
        g = 2 + number % 10
        mean = rng.lognormal(4, 1.5, g) + 2
        dispersion = rng.choice([0.01, 0.1, 0.5]) * rng.chisquare(4, g) / 4 + rng.choice([0.0, 1.0]) / mean
        counts = draw(rng, rng.lognormal(0, 0.3, (6, 1)) * mean, dispersion)
        counts[:, 0] = np.maximum(counts[:, 0], 1)  # a gene for the median of ratios to go by
        every[f"{number:03d}"] = (two_groups(3), ("~ condition", "~ 1"), counts)
    return every


def run_r(kind, every):
    """Hand the cases to trend.R; return what it wrote of them, by the ending of the files, and the versions."""
    with tempfile.TemporaryDirectory() as folder:
        save_cases(every, Path(folder))
        subprocess.run(["Rscript", str(HERE / "trend.R"), kind, folder], check=True)
        found = {}
        for ending in ("points", "results"):
            paths = {name: Path(folder) / f"{name}.{ending}.tsv" for name in every}
            found[ending] = [read(path, name) for name, path in paths.items() if path.exists()]
        return found, read_versions(folder)


def main():
    deep, versions = run_r("depths", depths())
    small = few()
    scarce, _ = run_r("few", small)
    counts = pd.concat(
        pd.DataFrame({"case": name, "gene": range(y.shape[1]), "counts": [",".join(map(str, row)) for row in y.T]})
        for name, (_, _, y) in small.items()
    )
    tables = {
        "trend_points.tsv.gz": pd.concat(deep["points"]),
        "trend_results.tsv.gz": pd.concat(deep["results"]),
        "few_counts.tsv.gz": counts,
        "few_results.tsv.gz": pd.concat(scarce["results"]),
    }
    provenance = {
        "made_by": "python tests/reference/make_trend_tables.py",
        "versions": versions,
        "calls": "see trend.R: parametricDispersionFit and localDispersionFit of the gene-wise estimates above 1e-6, "
        "signif 4; DESeq(dds) of few genes",
        "cases": "names of depths are 'counts a library, replicates a group, dispersion, number'",
        "sha256": {name: write(table, name) for name, table in tables.items()},
    }
    (HERE / "trend_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
