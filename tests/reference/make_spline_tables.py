"""Make the tables of edgeR's splines again: ``python tests/reference/make_spline_tables.py`` (needs R, edgeR).

Curves on edgeR's grid of 21 dispersions: smooth peaks, peaks at and beside the ends, plateaus, noise, and curves that
fall from the left as the likelihoods of Poisson counts do. Experiments that are nearly Poisson, whose curves are flat
on the left, with their counts; every 17th gene has none in one group. Writes ``spline_curves.tsv.gz``,
``poisson_counts.tsv.gz``, ``poisson_results.tsv.gz`` and ``spline_provenance.json``.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from make_trend_tables import two_groups
from table_files import HERE, read, read_versions, save_cases, write

GRID = np.linspace(-10, 10, 21)
GENES = 120


def curves():
    """Heights on the grid with five digits, shape (240, 21)."""
    rng = np.random.default_rng(1977)
    peak, width = rng.uniform(-13, 13, (40, 1)), rng.uniform(0.5, 8, (40, 1))
    kinds = [
        -(((GRID - peak) / width) ** 2),
        -np.log1p(((GRID - peak) / width) ** 2) * rng.lognormal(0, 2, (40, 1)),
        -np.logaddexp(0, (GRID - peak) / width) * rng.lognormal(0, 2, (40, 1)),  # falls from a plateau
        -np.logaddexp(0, (GRID - peak) / width) + rng.normal(0, 0.02, (40, 21)),
        rng.normal(size=(40, 21)),
        rng.normal(size=(40, 21)).cumsum(axis=1) + 1e4,
    ]
    return [[f"{height:.5g}" for height in row] for row in np.concatenate(kinds)]


def experiments():
    """Counts of two groups of three, {name: (obs, formulas, counts (n, g))}; the name holds the dispersion."""
    rng, every = np.random.default_rng(2003), {}
    for phi in (0.0, 1e-5, 1e-4, 1e-3, 1e-2):
        for depth in (1e5, 3e6):
            share = rng.lognormal(0, 2, GENES)
            mean = rng.lognormal(0, 0.2, (6, 1)) * depth * share / share.sum()
            counts = rng.poisson(mean * (rng.gamma(1 / phi, phi, mean.shape) if phi else 1))
            counts[:3, ::17] = 0
            every[f"{phi} {depth:.0e}"] = (two_groups(3), ("~ condition", "~ 1"), counts)
    return every


def run_r(rows, every):
    """Hand curves and experiments to spline.R; return its tables and the versions."""
    with tempfile.TemporaryDirectory() as folder:
        pd.DataFrame(rows).to_csv(Path(folder) / "curves.tsv", sep="\t", index=False)
        save_cases(every, Path(folder))
        subprocess.run(["Rscript", str(HERE / "spline.R"), folder], check=True)
        maxima = pd.read_csv(Path(folder) / "maxima.tsv", sep="\t", dtype=str)["maximum"]
        results = pd.concat([read(f"{folder}/{name}.results.tsv", name) for name in every])
        return maxima, results, read_versions(folder)


def main():
    rows, every = curves(), experiments()
    maxima, results, versions = run_r(rows, every)
    counts = pd.concat(
        pd.DataFrame({"case": name, "gene": range(y.shape[1]), "counts": [",".join(map(str, row)) for row in y.T]})
        for name, (_, _, y) in every.items()
    )
    tables = {
        "spline_curves.tsv.gz": pd.DataFrame({"maximum": maxima, "heights": [",".join(row) for row in rows]}),
        "poisson_counts.tsv.gz": counts,
        "poisson_results.tsv.gz": results,
    }
    provenance = {
        "made_by": "python tests/reference/make_spline_tables.py",
        "versions": versions,
        "calls": "see spline.R: maximizeInterpolant; estimateDisp(y, design) after calcNormFactors",
        "sha256": {name: write(table, name) for name, table in tables.items()},
    }
    (HERE / "spline_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
