"""Make MetaXcan's tables again: ``python tests/reference/make_metaxcan_tables.py CASES``.

CASES is a folder of synthetic cases with what MetaXcan 0.7.5 makes of them, each with a model, covariances, a GWAS and
the output. MetaXcan needs an older numpy and is not run here: cases are only cut down to the SNPs of the model, which
are all that it looks at. Writes ``metaxcan_snps.tsv.gz`` (a row for each SNP of each gene and case, with the GWAS's
alleles, effect and standard error; NA where the GWAS lacks it), ``metaxcan_covariances.tsv.gz`` (of all cases),
``metaxcan_results.tsv.gz`` and ``metaxcan_provenance.json``.
"""

import json
import sqlite3
import sys
from pathlib import Path

import pandas as pd
from table_files import HERE, write

CASES = {
    "01_beta_se": "effects and standard errors, alleles as in the model",
    "08_allele_flip": "half of the SNPs told for the other allele",
    "11_missing30": "30% of the SNPs not in the GWAS",
    "40_indels": "alleles of several letters, half of them the other way round",
}
GWAS = ["rsid", "A1", "A2", "BETA", "SE"]


def snps(folder):
    """Weights of the model with the GWAS beside them, digits as they were."""
    with sqlite3.connect(f"file:{folder / 'model.db'}?mode=ro", uri=True) as db:
        weights = pd.read_sql("SELECT gene, rsid, ref_allele, eff_allele, weight FROM weights", db)
    weights["weight"] = [repr(weight) for weight in weights["weight"]]
    gwas = pd.read_csv(folder / "gwas.txt.gz", sep="\t", dtype=str, usecols=GWAS)
    table = weights.merge(gwas, how="left", on="rsid").fillna("NA")
    table.insert(0, "case", folder.name)
    return table


def main():
    folders = [Path(sys.argv[1]) / case for case in CASES]
    known = [pd.read_csv(folder / "cov.txt.gz", sep=" ", dtype=str) for folder in folders]
    assert all(one.equals(known[0]) for one in known)
    results = [pd.read_csv(folder / "out.csv", dtype=str, keep_default_na=False) for folder in folders]
    tables = {
        "snps": pd.concat([snps(folder) for folder in folders]),
        "covariances": known[0],
        "results": pd.concat([one.assign(case=case) for one, case in zip(results, CASES, strict=True)]),
    }
    tool = json.loads((Path(sys.argv[1]) / "TOOL.json").read_text())
    provenance = {
        "made_by": "python tests/reference/make_metaxcan_tables.py CASES",
        "versions": {"MetaXcan": tool["metax_version"], "commit": tool["commit"], "python": tool["python"]},
        "cases": CASES,
        "calls": {
            case: (folder / "command.txt").read_text().strip() for case, folder in zip(CASES, folders, strict=True)
        },
        "inputs_sha256": {
            case: json.loads((folder / "case.json").read_text())["files"]
            for case, folder in zip(CASES, folders, strict=True)
        },
        "sha256": {
            f"metaxcan_{name}.tsv.gz": write(table, f"metaxcan_{name}.tsv.gz") for name, table in tables.items()
        },
    }
    (HERE / "metaxcan_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
