"""Make the glmnet tables again: ``python tests/reference/make_glmnet_tables.py`` (needs R with glmnet).

Two sets of people with SNPs in LD: fewer people than SNPs, and more. Common and rare SNPs, pairs in perfect LD, one SNP
that does not vary. Each with four mixings, without standardisation, and with expression in other units. Writes
``glmnet_people.tsv.gz`` (a row a person: expression, fold, dosages), ``glmnet_coefficients.tsv.gz`` (at five lambdas),
``glmnet_paths.tsv.gz`` (glmnet's own paths), ``glmnet_errors.tsv.gz`` (cv.glmnet) and ``glmnet_provenance.json``.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from table_files import HERE, read_versions, write

SETS = {"wide": (60, 150), "tall": (120, 40)}
PLAIN = [("mixing 1", 1.0, 1, 1), ("mixing 0.5", 0.5, 1, 1), ("mixing 0.05", 0.05, 1, 1), ("mixing 0", 0.0, 1, 1)]
OTHERS = [("as they are", 0.5, 0, 1), ("a thousand times", 0.5, 1, 1000), ("as they are, lasso", 1.0, 0, 1)]
TABLES = ("people", "coefficients", "paths", "errors")


def draw(rng, n, p):
    """One set of people: expression, folds, and dosages whose neighbours are in LD."""
    haplotypes = []
    cut = stats.norm.isf(rng.choice([0.02, 0.1, 0.3, 0.5], p))
    for _ in range(2):
        shared = rng.normal(size=(n, p))
        for j in range(1, p):
            shared[:, j] = 0.95 * shared[:, j - 1] + np.sqrt(1 - 0.95**2) * shared[:, j]
        haplotypes.append(shared > cut)
    dosages = sum(haplotypes).astype(int)
    dosages[:, 7] = dosages[:, 5]  # perfect LD
    dosages[:, 11] = 2 - dosages[:, 9]
    dosages[:, 13] = 1  # does not vary
    causal = [3, 20, 30]
    y = dosages[:, causal] @ [0.8, -0.5, 0.6] + rng.normal(0, 1.3, n) + 5
    people = {"y": [f"{value:.17g}" for value in y], "fold": rng.permutation(np.arange(n) % 5) + 1}
    return pd.DataFrame(people | {f"rs{j}": column for j, column in enumerate(dosages.T)})


def main():
    rng = np.random.default_rng(2010)
    people = {name: draw(rng, *shape) for name, shape in SETS.items()}
    settings = ["kind", "mixing", "standardize", "units"]
    cases = pd.concat([pd.DataFrame(PLAIN + OTHERS, columns=settings).assign(people=name) for name in SETS])
    cases["folds"] = cases["mixing"].between(0.01, 0.99).astype(int)
    cases["case"] = cases["people"] + ", " + cases["kind"]
    with tempfile.TemporaryDirectory() as folder:
        for name, table in people.items():
            table.to_csv(Path(folder) / f"{name}.people.tsv", sep="\t", index=False)
        cases.to_csv(Path(folder) / "cases.tsv", sep="\t", index=False)
        subprocess.run(["Rscript", str(HERE / "glmnet.R"), folder], check=True)
        read = {name: pd.read_csv(f"{folder}/{name}.tsv", sep="\t", dtype=str) for name in TABLES[1:]}
        versions = read_versions(folder)
    read["people"] = pd.concat([table.assign(people=name) for name, table in people.items()])
    read["cases"] = cases.drop(columns="kind")
    provenance = {
        "made_by": "python tests/reference/make_glmnet_tables.py",
        "versions": versions,
        "calls": [
            "glmnet(x, y, alpha = mixing, standardize = …, lambda = … or none, thresh = 1e-22)",
            "cv.glmnet(x, y, alpha = mixing, standardize = …, lambda = …, foldid = fold, thresh = 1e-22)",
        ],
        "sha256": {f"glmnet_{name}.tsv.gz": write(table, f"glmnet_{name}.tsv.gz") for name, table in read.items()},
    }
    (HERE / "glmnet_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
