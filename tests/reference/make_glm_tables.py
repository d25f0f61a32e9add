"""Make the tables of DESeq2's regressions again: ``python tests/reference/make_glm_tables.py`` (needs R, DESeq2).

Writes ``glm_cases.tsv.gz`` (counts, a row a sample), ``glm_results.tsv.gz`` (a row a gene) and ``glm_provenance.json``.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from table_files import HERE, read, read_versions, save_cases, write

GENES = 150


def cases():
    """Experiments small enough to keep, with outliers put in, {name: (obs, formulas, counts (n, g))}."""
    rng = np.random.default_rng(2014)
    groups = {
        "two_groups": pd.DataFrame({"condition": ["a"] * 4 + ["b"] * 4}),
        "three_groups": pd.DataFrame({"condition": ["a"] * 3 + ["b"] * 3 + ["c"] * 3}),
        "batches": pd.DataFrame({"batch": list("xyz") * 6, "condition": ["a"] * 9 + ["b"] * 9}),
        "many_replicates": pd.DataFrame({"condition": ["a"] * 8 + ["b"] * 9}),
        "uneven": pd.DataFrame({"condition": ["a"] * 7 + ["b"] * 3 + ["c"] * 2}),
        "covariate": pd.DataFrame({"dose": [0.0, 0.5, 1, 2, 3, 5, 8, 13], "condition": list("aabbabab")}),
    }
    return {name: (obs, _formulas(obs), _counts(obs, rng)) for name, obs in groups.items()}


def _formulas(obs):
    *others, _ = obs.columns
    return "~ " + " + ".join(obs.columns), "~ " + " + ".join(others or ["1"])


def _counts(obs, rng):
    """Negative binomial counts; every fifth gene has an outlier, some have two, or a group without counts."""
    n = len(obs)
    effect = (obs["condition"] != "a").to_numpy()[:, None] * rng.normal(0, 1, GENES)
    mean = rng.lognormal(0, 0.3, (n, 1)) * rng.lognormal(3, 1.8, GENES) * np.exp(effect)
    dispersion = 0.02 + rng.gamma(1, 0.15, GENES) + 1 / (mean.mean(axis=0) + 1)
    counts = rng.poisson(rng.gamma(1 / dispersion, dispersion * mean))
    outlying = rng.integers(n, size=(2, GENES))
    every = np.arange(GENES)
    counts[outlying[0][::5], every[::5]] += (200 + 40 * mean.mean(axis=0)[::5]).astype(int)
    counts[outlying[1][::15], every[::15]] += (100 + 20 * mean.mean(axis=0)[::15]).astype(int)
    counts[(obs["condition"] == "b").to_numpy()[:, None] & (every % 12 == 7)] = 0
    counts[:, -2:] = 0
    counts[0, -1] = 400  # nothing but an outlier
    return counts


def run_r(every):
    """Hand the cases to glm.R; return the genes' results, the samples with their counts, and the versions."""
    with tempfile.TemporaryDirectory() as folder:
        save_cases(every, Path(folder))
        subprocess.run(["Rscript", str(HERE / "glm.R"), folder], check=True)
        results = pd.concat([read(f"{folder}/{name}.glm.tsv", name) for name in every])
        factors = pd.concat([read(f"{folder}/{name}.size_factors.tsv", name) for name in every])
        versions = read_versions(folder)
    factors["counts"] = [",".join(map(str, row)) for _, _, counts in every.values() for row in counts]
    return results, factors, versions


def main():
    every = cases()
    results, samples, versions = run_r(every)
    files = {
        name: write(table, name) for name, table in {"glm_results.tsv.gz": results, "glm_cases.tsv.gz": samples}.items()
    }
    provenance = {
        "made_by": "python tests/reference/make_glm_tables.py",
        "versions": versions,
        "calls": "see glm.R: DESeq(dds, fitType = 'mean'), with and without minReplicatesForReplace = Inf; results()",
        "formulas": {name: formulas for name, (_, formulas, _) in every.items()},
        "sha256": files,
    }
    (HERE / "glm_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
