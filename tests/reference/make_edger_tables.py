"""Make edgeR's quasi-likelihood tables again: ``python tests/reference/make_edger_tables.py`` (needs R, edgeR).

The counts are those of ``glm_cases.tsv.gz``. Writes ``edger_results.tsv.gz`` (a row a gene), ``edger_samples.tsv.gz``
and ``edger_provenance.json``.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import pandas as pd
from make_glm_tables import cases
from table_files import HERE, read, read_versions, save_cases, write


def run_r(every):
    """Hand the cases to edger.R; return the genes' results, the samples' factors, and the versions."""
    with tempfile.TemporaryDirectory() as folder:
        save_cases(every, Path(folder))
        subprocess.run(["Rscript", str(HERE / "edger.R"), folder], check=True)
        results = pd.concat([read(f"{folder}/{name}.edger.tsv", name) for name in every])
        factors = pd.concat([read(f"{folder}/{name}.norm_factors.tsv", name) for name in every])
        versions = read_versions(folder)
    return results, factors, versions


def main():
    results, samples, versions = run_r(cases())
    tables = {"edger_results.tsv.gz": results, "edger_samples.tsv.gz": samples}
    provenance = {
        "made_by": "python tests/reference/make_edger_tables.py",
        "versions": versions,
        "calls": "see edger.R: filterByExpr, calcNormFactors, estimateDisp, glmQLFit, glmQLFTest, glmTreat",
        "counts": "glm_cases.tsv.gz",
        "sha256": {name: write(table, name) for name, table in tables.items()},
    }
    (HERE / "edger_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
