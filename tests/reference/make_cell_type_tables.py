"""Make the tables of types of cells again: ``python tests/reference/make_cell_type_tables.py`` (needs R and DESeq2).

Sums of the cells of six donors with and without a treatment, in four types: many cells and few, many changed genes and
none, and one type that two donors lack. Writes ``cell_type_sums.tsv.gz`` (a row a sum), ``cell_type_results.tsv.gz``
(DESeq2 for each type) and ``cell_type_provenance.json``.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from table_files import HERE, read_versions, write

GENES = 200
# cells of a sum, share of changed genes, donors
TYPES = {"B": (60, 0.2, 6), "T": (300, 0.1, 6), "NK": (15, 0.3, 4), "mono": (150, 0.0, 6)}


def draw(rng):
    """Give the samples of all sums, and their counts."""
    samples, counts = [], []
    share = rng.lognormal(-1, 1.3, GENES)
    for name, (cells, changed, donors) in TYPES.items():
        own = share * rng.lognormal(0, 1, GENES)
        fold = np.where(rng.random(GENES) < changed, rng.choice([0.4, 2.5], GENES), 1.0)
        for donor in range(donors):
            personal = own * rng.lognormal(0, 0.3, GENES)
            for condition in ("ctrl", "stim"):
                mean = personal * cells * rng.lognormal(0, 0.2) * (fold if condition == "stim" else 1.0)
                counts.append(rng.poisson(rng.gamma(12, mean / 12)))
                samples.append({"donor": f"d{donor}", "condition": condition, "type": name})
    return pd.DataFrame(samples), np.array(counts)


def main():
    samples, counts = draw(np.random.default_rng(2020))
    with tempfile.TemporaryDirectory() as folder:
        pd.DataFrame(counts.T).to_csv(Path(folder) / "counts.tsv", sep="\t", index=False)
        samples.to_csv(Path(folder) / "samples.tsv", sep="\t", index=False)
        subprocess.run(["Rscript", str(HERE / "cell_types.R"), folder], check=True)
        results = pd.read_csv(f"{folder}/results.tsv", sep="\t", dtype=str, keep_default_na=False)
        versions = read_versions(folder)
    sums = samples.assign(counts=[",".join(map(str, row)) for row in counts])
    provenance = {
        "made_by": "python tests/reference/make_cell_type_tables.py",
        "versions": versions,
        "calls": "for each type: results(DESeq(dds), contrast = c('condition', 'stim', 'ctrl'), alpha = 0.1), "
        "design ~ donor + condition; p_adj.glb = p.adjust(pvalue, 'BH') over the genes of all types that have a padj",
        "sha256": {
            "cell_type_sums.tsv.gz": write(sums, "cell_type_sums.tsv.gz"),
            "cell_type_results.tsv.gz": write(results, "cell_type_results.tsv.gz"),
        },
    }
    (HERE / "cell_type_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
