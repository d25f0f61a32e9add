"""A simulated world as the files that a study would have, and its truth beside them."""

from pathlib import Path

import anndata
import numpy as np

from scomics_lite.validation import InputError

LINE = 60  # letters of a sequence in a line
GZIP = {"method": "gzip", "mtime": 0}  # the same bytes whenever it is written
GENOTYPES = np.frombuffer(b"\t0|0\t0|1\t1|0\t1|1", dtype=np.uint8).reshape(4, 4)
GENE_LINE = '{chromosome}\tsimulated\tgene\t{start}\t{end}\t.\t{strand}\t.\tgene_id "{gene}"; gene_name "{genename}";\n'


def write_world(world, folder, cells, gwas):
    """Write a world's files into a folder, which is made if it is not there; see `RegulatoryWorld.write`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _write_genome(world.sequences, folder / "genome.fa")
    lines = [GENE_LINE.format(**row) for row in world.genes.reset_index().to_dict("records")]
    (folder / "genes.gtf").write_text("".join(lines), encoding="utf-8", newline="\n")
    _write_people(world.dosages, world.sequences, folder / "people.vcf.gz")
    cells.write_h5ad(folder / "cells.h5ad", compression="gzip")
    _write_table(gwas.table, folder / "gwas.txt.gz", sep="\t", index=False)
    for name, table in _truth(world, gwas).items():
        _write_table(table, folder / f"truth_{name}.csv.gz")
    _compact(world.expression).write_h5ad(folder / "truth_expression.h5ad", compression="gzip")


def _write_genome(sequences, path):
    """Write FASTA, and the index that samtools makes: name, length, first byte, letters and bytes of a line."""
    index, before = [], 0
    with path.open("w", encoding="ascii", newline="\n") as file:
        for chromosome, text in sequences.items():
            before += file.write(f">{chromosome}\n")
            index.append(f"{chromosome}\t{len(text)}\t{before}\t{LINE}\t{LINE + 1}\n")
            before += sum(file.write(text[start : start + LINE] + "\n") for start in range(0, len(text), LINE))
    Path(f"{path}.fai").write_text("".join(index), encoding="ascii", newline="\n")


def _write_table(table, path, **options):
    table.to_csv(path, float_format="%.6g", compression=GZIP, lineterminator="\n", **options)


def _write_people(dosages, sequences, path):
    """Write phased genotypes, compressed in blocks (bgzip)."""
    try:
        from cyvcf2 import Writer
    except ImportError as error:
        raise InputError(
            "people's genotypes are written by cyvcf2, which this Python does not have: pip install cyvcf2 (it has no "
            "build for Windows; the world's tables can be saved one by one there)"
        ) from error
    people = "\t".join(dosages.obs_names)
    header = ["##fileformat=VCFv4.2", '##FORMAT=<ID=GT,Number=1,Type=String,Description="Phased genotype">']
    header += [f"##contig=<ID={name},length={len(text)}>" for name, text in sequences.items()]
    header += [f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{people}"]
    writer = Writer.from_string(str(path), "\n".join(header) + "\n", mode="wz")
    codes = 2 * dosages.layers["haplotype1"] + dosages.layers["haplotype2"]
    for snp, own in zip(dosages.var.itertuples(), codes.T, strict=True):
        start = f"{snp.chromosome}\t{snp.position}\t{snp.Index}\t{snp.ref_allele}\t{snp.eff_allele}\t.\tPASS\t.\tGT"
        writer.write_record(writer.variant_from_string(start + GENOTYPES[own].tobytes().decode()))
    writer.close()


def _compact(expression):
    """Keep layers from which the others follow, with 7 digits."""
    layers = {name: values.astype(np.float32) for name, values in expression.layers.items() if "genetic" not in name}
    return anndata.AnnData(obs=expression.obs, var=expression.var, layers=layers)


def _truth(world, gwas):
    """Tables of what is not known in a study."""
    grammar, snps = world.grammar, world.dosages.var
    genes = world.expression.var.assign(
        gwas_effect=gwas.trait.gene_effects, **gwas.linear.add_prefix("linear_").to_dict("series")
    )
    snps = snps[["region", "site", "frequency"]].assign(gwas_effect=gwas.trait.snp_effects)
    return {
        "genes": genes,
        "snps": snps,
        "sites": world.sites.set_index("gene"),
        "motifs": grammar.effects.join(world.travel),
        "pairs": grammar.pairs.set_index("motif"),
        "distal": world.distal_weights.set_index("gene"),
    }
