"""Make the PLINK tables again: ``python tests/reference/make_plink_tables.py`` (needs plink1.9).

SNPs drawn in 13 to 100,000 people, in equilibrium, with too few and with too many heterozygotes, rare and common.
Writes ``plink_hardy.tsv.gz`` (the numbers of genotypes and PLINK's exact p-value) and ``plink_provenance.json``.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from bed_reader import to_bed
from table_files import HERE, write

PEOPLE = (13, 200, 5_000, 100_000)
FREQUENCIES = (0.5 / 13, 0.001, 0.01, 0.1, 0.3, 0.5)
INBREEDING = (0, 0.02, 0.2, -0.02)


def draw(rng, n):
    """Genotypes of SNPs of every frequency and every excess or lack of heterozygotes."""
    columns = []
    for q in FREQUENCIES:
        for lack in INBREEDING:
            het = 2 * q * (1 - q) * (1 - lack)
            shares = np.clip([1 - q - het / 2, het, q - het / 2], 0, None)
            columns.append(rng.choice(3, n, p=shares / shares.sum()))
    return np.column_stack(columns).astype(np.int8)


def hardy(dosages, folder):
    """PLINK's exact test of each SNP."""
    to_bed(f"{folder}/study.bed", dosages)
    subprocess.run(["plink1.9", "--bfile", "study", "--hardy", "--out", "study"], cwd=folder, check=True)
    table = pd.read_csv(f"{folder}/study.hwe", sep=r"\s+", dtype=str, keep_default_na=False)
    table = table[table["TEST"].str.startswith("ALL")]
    return pd.DataFrame({"people": len(dosages), "genotypes": table["GENO"], "p": table["P"]})


def main():
    rng = np.random.default_rng(2005)
    with tempfile.TemporaryDirectory() as folder:
        table = pd.concat([hardy(draw(rng, n), folder) for n in PEOPLE])
    version = subprocess.run(["plink1.9", "--version"], capture_output=True, text=True, check=True).stdout
    provenance = {
        "made_by": "python tests/reference/make_plink_tables.py",
        "versions": {"plink": version.strip()},
        "calls": ["plink1.9 --bfile study --hardy"],
        "sha256": {"plink_hardy.tsv.gz": write(table, "plink_hardy.tsv.gz")},
    }
    (Path(HERE) / "plink_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
