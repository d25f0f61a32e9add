"""Make tximport's tables again: ``python tests/reference/make_quantification_tables.py`` (needs R, tximport, DESeq2).

The files that go in, of salmon, kallisto and RSEM, are written anew every time, from a seed: `write_files`. What comes
out is kept: ``quantification_genes.tsv.gz`` (a row a tool, sample and gene), ``quantification_deseq2.tsv.gz`` (a row a
gene), and ``quantification_provenance.json``.
"""

import hashlib
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from table_files import HERE, read, read_versions, write

SAMPLES = [f"{condition}{number}" for condition in "ab" for number in range(1, 5)]
GENES = 120
FILES = {
    "salmon": "quant.sf",
    "kallisto": "abundance.tsv",
    "rsem_isoforms": "{sample}.isoforms.results",
    "rsem_genes": "{sample}.genes.results",
}


def experiment():
    """Transcripts (gene, name, length) and estimated reads and effective lengths of every sample, (n, t)."""
    rng = np.random.default_rng(2025)
    genes = np.repeat(np.arange(GENES), rng.integers(1, 6, GENES))
    t, n = len(genes), len(SAMPLES)
    transcripts = pd.DataFrame(
        {
            "gene": [f"GENE{gene:03d}" for gene in genes],
            "name": [f"TX{number:04d}" for number in range(t)],
            "version": rng.integers(1, 9, t).astype(str),
            "length": rng.lognormal(7, 0.7, t).round().astype(int) + 60,
        }
    )
    effective = np.maximum(transcripts["length"].to_numpy() - rng.uniform(150, 250, (n, 1)), 0.5)
    switch = np.where(np.arange(n)[:, None] < 4, 0, rng.normal(0, 1, t))
    molecules = rng.lognormal(0, 1.5, t) * np.exp(switch) * rng.gamma(5, 0.2, (n, t))
    reads = rng.poisson(molecules * effective / 20) + rng.random((n, t)).round(3)
    reads[:, rng.random(t) < 0.2] = 0
    reads[rng.random((n, t)) < 0.1] = 0
    silent = np.isin(genes, [3, 50, 51])  # genes without reads anywhere, of one transcript and of several
    reads[:, silent] = 0
    reads[:3, genes == 7] = 0  # a gene without reads in some samples
    return transcripts, reads, effective


def tables(transcripts, reads, effective):
    """One sample's tables, {tool: DataFrame}."""
    rate = reads / effective
    tpm = (1e6 * rate / rate.sum()).round(6)
    names = transcripts["name"] + "." + transcripts["version"]
    length, effective, reads = transcripts["length"].to_numpy(), effective.round(3), reads.round(3)
    columns = {"Name": names, "Length": length, "EffectiveLength": effective, "TPM": tpm, "NumReads": reads}
    salmon = pd.DataFrame(columns)
    kallisto = salmon[["Name", "Length", "EffectiveLength", "NumReads", "TPM"]].set_axis(
        ["target_id", "length", "eff_length", "est_counts", "tpm"], axis=1
    )
    rsem = pd.DataFrame({"transcript_id": names, "gene_id": transcripts["gene"], "length": length})
    rsem["effective_length"] = np.where(effective > 1, effective, 0.0)
    rsem = rsem.assign(expected_count=reads, TPM=tpm, FPKM=(2 * tpm).round(2), IsoPct=0.0)
    by_gene = rsem.groupby("gene_id")
    genes = by_gene.agg({"transcript_id": ",".join, "length": "mean", "effective_length": "max"})
    genes[["expected_count", "TPM", "FPKM"]] = by_gene[["expected_count", "TPM", "FPKM"]].sum().round(3)
    genes = genes.rename(columns={"transcript_id": "transcript_id(s)"}).reset_index()
    genes["effective_length"] = np.maximum(genes["effective_length"], 1)
    return {"salmon": salmon, "kallisto": kallisto, "rsem_isoforms": rsem, "rsem_genes": genes}


def write_files(folder):
    """Write all files, and ``genes.tsv``; return {tool: {sample: path}}, and a sha256 of all that was written."""
    transcripts, reads, effective = experiment()
    paths, digest = {tool: {} for tool in FILES}, hashlib.sha256()
    for number, sample in enumerate(SAMPLES):
        for tool, table in tables(transcripts, reads[number], effective[number]).items():
            path = Path(folder) / tool / sample / FILES[tool].format(sample=sample)
            path.parent.mkdir(parents=True)
            table.to_csv(path, sep="\t", index=False, lineterminator="\n")
            digest.update(path.read_bytes())
            paths[tool][sample] = path
    known = transcripts[transcripts["gene"] != "GENE011"]  # the transcripts of one gene are unknown
    known[["name", "gene"]].to_csv(Path(folder) / "genes.tsv", sep="\t", index=False, header=False, lineterminator="\n")
    digest.update((Path(folder) / "genes.tsv").read_bytes())
    return paths, digest.hexdigest()


def run_r():
    """Hand the files to quantifications.R; return tximport's and DESeq2's tables, the versions, and the sha256."""
    with tempfile.TemporaryDirectory() as folder:
        _, sha256 = write_files(folder)
        subprocess.run(["Rscript", str(HERE / "quantifications.R"), folder], check=True)
        genes = pd.concat([read(f"{folder}/{tool}.genes.tsv", tool, "tool") for tool in FILES])
        return genes, read(f"{folder}/deseq2.tsv", "salmon", "tool"), read_versions(folder), sha256


def main():
    genes, deseq2, versions, sha256 = run_r()
    kept = {"quantification_genes.tsv.gz": genes, "quantification_deseq2.tsv.gz": deseq2}
    provenance = {
        "made_by": "python tests/reference/make_quantification_tables.py",
        "versions": versions,
        "calls": "see quantifications.R: tximport(ignoreTxVersion = TRUE), DESeqDataSetFromTximport, DESeq",
        "files_sha256": sha256,
        "sha256": {name: write(table, name) for name, table in kept.items()},
    }
    (HERE / "quantification_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
