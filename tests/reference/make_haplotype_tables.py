"""Make the haplotype tables again: ``python tests/reference/make_haplotype_tables.py`` (needs bcftools, samtools).

A small genome with repeats in lower case and a gap, packed by bgzip (``haplotypes.fa.gz``); SNPs, insertions and
deletions of five people, phased (``haplotypes.vcf.gz``); and the DNA around 24 transcription start sites of everybody's
two haplotypes, ``haplotypes_bcftools.tsv.gz``: bcftools consensus writes the variants, its chain file says where the
site has gone, and samtools faidx cuts out and turns around. ``NA`` where a deletion takes the site away. And
``haplotypes_provenance.json``.
"""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from table_files import HERE, write

SIZE = 6_000
PEOPLE = [f"NA{number}" for number in range(1, 6)]
CALLS = {
    "pack": "bgzip -k {}",
    "index": "tabix -p vcf haplotypes.vcf.gz",
    "write": "bcftools consensus -f haplotypes.fa -s {} -H {} -c written.chain -o written.fa haplotypes.vcf.gz",
    "cut": "samtools faidx {} written.fa {}:{}-{}",
}


def contigs(rng):
    """Two contigs: letters at random, a stretch in lower case, a gap."""
    for name in ("chr1", "chr2"):
        letters = "".join(rng.choice(list("ACGT"), SIZE, p=[0.3, 0.2, 0.2, 0.3]))
        yield name, letters[:1000] + letters[1000:1800].lower() + letters[1800:2500] + "N" * 40 + letters[2540:]


def fasta(genome):
    for name, letters in genome.items():
        yield f">{name} made for tests"
        yield from (letters[start : start + 60] for start in range(0, len(letters), 60))


def alleles(rng, letters, at):
    """A SNP, a deletion or an insertion at an offset, as VCF writes them."""
    kind, width = rng.choice(3, p=[0.6, 0.2, 0.2]), int(rng.integers(1, 12))
    ref = letters[at : at + 1 + width * (kind == 1)]
    if kind == 0:
        return ref, rng.choice([letter for letter in "ACGT" if letter != ref])
    return ref, ref[0] if kind == 1 else ref + "".join(rng.choice(list("ACGT"), width))


def vcf(rng, genome):
    """Variants some 25 bases apart, none of which overlap."""
    yield "##fileformat=VCFv4.2"
    yield '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">'
    yield from (f"##contig=<ID={name},length={SIZE}>" for name in genome)
    yield "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *PEOPLE])
    for name, letters in genome.items():
        at = 50
        while at < SIZE - 50:
            ref, alt = alleles(rng, letters.upper(), at)
            if "N" not in ref:
                carried = rng.binomial(1, rng.uniform(0.1, 0.9), (len(PEOPLE), 2))
                genotypes = [f"{first}|{second}" for first, second in carried]
                yield "\t".join([name, str(at + 1), f"{name}_{at + 1}", ref, alt, ".", ".", ".", "GT", *genotypes])
            at += len(ref) + int(rng.geometric(1 / 25))


def run(command, folder):
    return subprocess.run(command.split(), cwd=folder, check=True, capture_output=True).stdout.decode(errors="replace")


def moved(chain, chromosome, position):
    """Where a position of the genome is in what bcftools wrote, by its chain file; None where it is deleted."""
    for block in chain.strip().split("\n\n"):
        head, *lines = block.split("\n")
        fields = head.split()
        if fields[2] != chromosome:
            continue
        old, new = int(fields[5]), int(fields[10])
        for line in lines:
            size, *gaps = map(int, line.split())
            if old < position <= old + size:
                return position - old + new
            old, new = (place + size + gap for place, gap in zip((old, new), gaps or (0, 0), strict=True))
    return None


def around(folder, genes):
    """The sequences around all sites, of every haplotype."""
    for person in PEOPLE:
        for side in (1, 2):
            Path(folder, "written.fa.fai").unlink(missing_ok=True)  # samtools would believe the one before
            run(CALLS["write"].format(person, side), folder)
            chain = Path(folder, "written.chain").read_text()
            for gene in genes.itertuples(index=False):
                place = moved(chain, gene.chromosome, gene.tss)
                yield [*gene, person, side, cut(folder, gene, place) if place else "NA"]


def cut(folder, gene, place):
    before = gene.length // 2 if gene.strand == "+" else gene.length - gene.length // 2 - 1
    strand = "" if gene.strand == "+" else "-i"
    start = place - before
    lines = run(CALLS["cut"].format(strand, gene.chromosome, start, start + gene.length - 1), folder).split("\n")
    return "".join(lines[1:]).upper()


def main():
    rng = np.random.default_rng(2012)
    genome = dict(contigs(rng))
    places = pd.DataFrame({
        "gene": [f"g{number}" for number in range(24)], "chromosome": rng.choice(list(genome), 24),
        "tss": rng.integers(700, SIZE - 700, 24), "strand": rng.choice(["+", "-"], 24),
        "length": rng.choice([101, 400, 1000], 24),
    })  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for name, lines in (("haplotypes.fa", fasta(genome)), ("haplotypes.vcf", vcf(rng, genome))):
            Path(folder, name).write_text("\n".join(lines) + "\n")
            run(CALLS["pack"].format(name), folder)
            shutil.copy(f"{folder}/{name}.gz", HERE)
        run(CALLS["index"], folder)
        table = pd.DataFrame(around(folder, places), columns=[*places, "person", "haplotype", "sequence"])
    provenance = {
        "made_by": "python tests/reference/make_haplotype_tables.py",
        "versions": [run(f"{tool} --version", HERE).split("\n")[0] for tool in ("bcftools", "samtools")],
        "calls": list(CALLS.values()),
        "sha256": {"haplotypes_bcftools.tsv.gz": write(table, "haplotypes_bcftools.tsv.gz")},
    }
    (HERE / "haplotypes_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
