"""Make the heritability tables again: ``python tests/reference/make_heritability_tables.py`` (needs R with nlme).

Six sets of people with SNPs in LD, a covariate, and expression of another heritability: fewer SNPs than people, and
more. nlme fits the SNPs' effects as draws from one normal distribution (``pdIdent``), which is the model of one
relatedness matrix. Writes ``heritability_people.tsv.gz`` (a row a person: expression, covariate, dosages),
``heritability_results.tsv.gz`` and ``heritability_provenance.json``.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from table_files import HERE, read_versions, write

CASES = {
    "few, 0.3": (80, 12, 0.3),
    "few, 0.6": (80, 12, 0.6),
    "some, 0.5": (100, 60, 0.5),
    "some, 0.8": (100, 60, 0.8),
    "many, 0.4": (70, 120, 0.4),
    "many, 0.7": (70, 120, 0.7),
}


def draw(rng, n, m, h2):
    """One set of people: expression, a covariate, and dosages whose neighbours are in LD."""
    haplotypes = []
    for _ in range(2):
        shared = rng.normal(size=(n, m))
        for j in range(1, m):
            shared[:, j] = 0.8 * shared[:, j - 1] + 0.6 * shared[:, j]
        haplotypes.append(shared > 0.4)
    dosages = sum(haplotypes).astype(int)
    z = (dosages - dosages.mean(axis=0)) / dosages.std(axis=0)
    covariate = rng.normal(size=n)
    y = z @ rng.normal(0, np.sqrt(h2 / m), m) + rng.normal(0, np.sqrt(1 - h2), n) + 0.5 * covariate + 2
    table = {"y": [f"{value:.17g}" for value in y], "covariate": [f"{value:.17g}" for value in covariate]}
    return pd.DataFrame(table | {f"rs{j}": column for j, column in enumerate(dosages.T)}), z


def main():
    rng, people = np.random.default_rng(2011), []
    with tempfile.TemporaryDirectory() as folder:
        for name, shape in CASES.items():
            table, z = draw(rng, *shape)
            people.append(table.assign(case=name))
            standardised = pd.DataFrame(z, columns=table.columns[2:])
            whole = pd.concat([table[["y", "covariate"]], standardised], axis=1)
            whole.to_csv(Path(folder) / f"{name}.people.tsv", sep="\t", index=False, float_format="%.17g")
        subprocess.run(["Rscript", str(HERE / "heritability.R"), folder], check=True)
        results = pd.read_csv(f"{folder}/heritability.tsv", sep="\t", dtype=str)
        versions = read_versions(folder)
    tables = {"people": pd.concat(people), "results": results}
    provenance = {
        "made_by": "python tests/reference/make_heritability_tables.py",
        "versions": versions,
        "calls": ["lme(y ~ covariate, random = list(all = pdIdent(~ z - 1)), method = 'REML')"],
        "sha256": {
            f"heritability_{name}.tsv.gz": write(one, f"heritability_{name}.tsv.gz") for name, one in tables.items()
        },
    }
    (HERE / "heritability_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
