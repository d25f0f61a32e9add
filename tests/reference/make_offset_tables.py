"""Make DESeq2's tables with factors of every gene again: ``python tests/reference/make_offset_tables.py`` (needs R).

The counts are those of make_glm_tables.py; average lengths of transcripts, which differ from sample to sample, stand
beside them. Writes ``offset_cases.tsv.gz`` (lengths and factors, a row a sample), ``offset_results.tsv.gz`` (a row a
gene) and ``offset_provenance.json``.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import make_glm_tables
import numpy as np
import pandas as pd
from table_files import HERE, read, read_versions, save_cases, write

NAMES = ("two_groups", "batches", "many_replicates", "covariate")


def cases():
    """Experiments of make_glm_tables.py with lengths (n, g), {name: ((obs, formulas, counts), lengths)}."""
    rng, every = np.random.default_rng(2015), make_glm_tables.cases()
    return {name: (every[name], _lengths(every[name][0], rng)) for name in NAMES}


def _lengths(obs, rng):
    """Lengths of genes that vary between samples, in some genes from condition to condition: another isoform."""
    n, g = len(obs), make_glm_tables.GENES
    switch = (obs["condition"] != "a").to_numpy()[:, None] * np.where(rng.random(g) < 0.3, rng.normal(0, 0.8, g), 0)
    return (rng.lognormal(7, 0.8, g) * np.exp(switch + rng.normal(0, 0.15, (n, g)))).round(1)


def run_r(every):
    """Hand the cases to offsets.R; return results of genes, lengths and factors of samples, and the versions."""
    with tempfile.TemporaryDirectory() as folder:
        save_cases({name: case for name, (case, _) in every.items()}, Path(folder))
        for name, (_, lengths) in every.items():
            names = [f"s{number}" for number in range(len(lengths))]
            pd.DataFrame(lengths.T, columns=names).to_csv(f"{folder}/{name}.lengths.tsv", sep="\t", index=False)
        subprocess.run(["Rscript", str(HERE / "offsets.R"), folder], check=True)
        results = pd.concat([read(f"{folder}/{name}.offsets.tsv", name) for name in every])
        factors = {name: pd.read_csv(f"{folder}/{name}.factors.tsv", sep="\t", dtype=str) for name in every}
        versions = read_versions(folder)
    rows = [
        (name, sample, ",".join(map(str, lengths[number])), ",".join(factors[name][sample]))
        for name, (_, lengths) in every.items()
        for number, sample in enumerate(factors[name])
    ]
    return results, pd.DataFrame(rows, columns=["case", "sample", "lengths", "factors"]), versions


def main():
    every = cases()
    results, samples, versions = run_r(every)
    tables = {"offset_results.tsv.gz": results, "offset_cases.tsv.gz": samples}
    provenance = {
        "made_by": "python tests/reference/make_offset_tables.py",
        "versions": versions,
        "calls": "see offsets.R: estimateSizeFactors(dds) with assay avgTxLength; DESeq(dds, fitType = 'mean')",
        "formulas": {name: case[1] for name, (case, _) in every.items()},
        "sha256": {name: write(table, name) for name, table in tables.items()},
    }
    (HERE / "offset_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
