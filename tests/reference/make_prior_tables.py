"""Make the table of prior variances again: ``python tests/reference/make_prior_tables.py`` (R, DESeq2; some minutes).

44 lists of ln(gene-wise / trend): of few genes or many, every second with its values on the edges of the histogram's
bins, for 1 to 3 residual degrees of freedom, where DESeq2 matches histograms with random numbers, and for more. The
random numbers are drawn with eleven seeds, DESeq2's own among them. Writes ``prior_variances.tsv.gz`` and
``prior_provenance.json``.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from table_files import HERE, read_versions, write

SIZES = (3, 4, 5, 8, 12, 20, 30, 50, 100, 300, 1_000)


def lists():
    """Residuals with three digits, or halves, and their degrees of freedom."""
    rng = np.random.default_rng(528)
    for number in range(4 * len(SIZES)):
        df = (1, 2, 3, 3, 2, 6)[number % 6]
        spread = np.sqrt(rng.uniform(0, 4))
        values = np.log(rng.chisquare(df, SIZES[number // 4]) / df) + rng.normal(0, spread, SIZES[number // 4])
        values = np.maximum(values, -13)
        yield df, np.round(2 * values) / 2 if number % 2 else np.round(values, 3)


def main():
    every = list(lists())
    with tempfile.TemporaryDirectory() as folder:
        rows = [{"residual_df": df, "residuals": ",".join(f"{value:.6g}" for value in values)} for df, values in every]
        pd.DataFrame(rows).to_csv(Path(folder) / "lists.tsv", sep="\t", index=False)
        subprocess.run(["Rscript", str(HERE / "prior.R"), folder], check=True)
        results = pd.read_csv(Path(folder) / "variances.tsv", sep="\t", dtype=str)
        versions = read_versions(folder)
    provenance = {
        "made_by": "python tests/reference/make_prior_tables.py",
        "versions": versions,
        "calls": "see prior.R: estimateDispersionsPriorVar, and with seeds 1 to 11 for its set.seed(2)",
        "sha256": {"prior_variances.tsv.gz": write(pd.DataFrame(rows).join(results), "prior_variances.tsv.gz")},
    }
    (HERE / "prior_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
