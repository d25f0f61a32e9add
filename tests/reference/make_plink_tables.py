"""Make the PLINK tables again: ``python tests/reference/make_plink_tables.py`` (needs plink1.9, bcftools and tabix).

SNPs drawn in 13 to 100,000 people, in equilibrium, with too few and with too many heterozygotes, rare and common.
Writes ``plink_hardy.tsv.gz`` (the numbers of genotypes and PLINK's exact p-value).

And a small VCF file of 13 people, ``genotypes.vcf.gz``, with an index; what bcftools says of it
(``genotypes_bcftools.tsv.gz``), PLINK's files of it (``genotypes.bed``, ``.bim``, ``.fam``, rarer alleles first), and
how PLINK counts these (``genotypes_plink.tsv.gz``, of ``--recode A`` and ``--freq``). And ``plink_provenance.json``.
"""

import json
import shutil
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


def vcf_lines(rng):
    """Lines of a VCF: common and rare SNPs and indels, phased or not, some genotypes missing."""
    people = [f"NA{number:02d}" for number in range(1, 14)]
    yield "##fileformat=VCFv4.2"
    yield '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">'
    yield from ("##contig=<ID=chr19>", "##contig=<ID=chr20>")
    yield "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT".replace(" ", "\t") + "\t" + "\t".join(people)
    for number in range(1, 41):
        ref, alt = ("ACT", "A") if number % 10 == 0 else rng.choice(list("ACGT"), 2, replace=False)
        alleles = rng.binomial(1, rng.uniform(0.05, 0.95), (13, 2)).astype(str)
        bars = np.where(rng.random(13) < 0.5, "|", "/")
        genotypes = [f"{first}{bar}{second}" for (first, second), bar in zip(alleles, bars, strict=True)]
        for person in np.flatnonzero(rng.random(13) < 0.08):
            genotypes[person] = "./."
        place = ["chr19" if number <= 25 else "chr20", str(1_000 * number), f"rs{number}"]
        yield "\t".join([*place, ref, alt, ".", "PASS", ".", "GT", *genotypes])


def run(folder, *commands):
    for command in commands:
        subprocess.run(command.split(), cwd=folder, check=True)


def genotypes(rng, folder):
    """Write the small VCF, and what the two tools make of it; return tables."""
    Path(folder, "genotypes.vcf").write_text("\n".join(vcf_lines(rng)) + "\n")
    run(folder, *CALLS)
    for end in ("vcf.gz", "vcf.gz.tbi", "bed", "bim", "fam"):
        shutil.copy(f"{folder}/genotypes.{end}", HERE)
    columns = ["chromosome", "position", "id", "ref", "alt", "person", "genotype"]
    bcftools = pd.read_csv(f"{folder}/queried.tsv", sep="\t", names=columns, dtype=str)
    counted = pd.read_csv(f"{folder}/counted.raw", sep=r"\s+").drop(columns=["FID", "PAT", "MAT", "SEX", "PHENOTYPE"])
    plink = counted.melt("IID", var_name="snp_allele", value_name="copies").astype({"copies": "Int8"})
    frequencies = pd.read_csv(f"{folder}/counted.frq", sep=r"\s+").set_index("SNP")["MAF"]
    plink["frequency"] = plink["snp_allele"].str.split("_").str[0].map(frequencies)
    return {"genotypes_bcftools.tsv.gz": bcftools, "genotypes_plink.tsv.gz": plink}


CALLS = [
    "bgzip -k genotypes.vcf",
    "tabix -p vcf genotypes.vcf.gz",
    "bcftools query -f [%CHROM\\t%POS\\t%ID\\t%REF\\t%ALT\\t%SAMPLE\\t%GT\\n] -o queried.tsv genotypes.vcf.gz",
    "plink1.9 --vcf genotypes.vcf --double-id --make-bed --out genotypes",
    "plink1.9 --bfile genotypes --recode A --out counted",
    "plink1.9 --bfile genotypes --freq --out counted",
]


def main():
    rng = np.random.default_rng(2005)
    with tempfile.TemporaryDirectory() as folder:
        tables = {"plink_hardy.tsv.gz": pd.concat([hardy(draw(rng, n), folder) for n in PEOPLE])}
        tables |= genotypes(rng, folder)
    versions = [
        subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0].strip()
        for tool in ("plink1.9", "bcftools")
    ]
    provenance = {
        "made_by": "python tests/reference/make_plink_tables.py",
        "versions": versions,
        "calls": ["plink1.9 --bfile study --hardy", *CALLS],
        "sha256": {name: write(table, name) for name, table in tables.items()},
    }
    (Path(HERE) / "plink_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
