"""Genotypes of people along a given genome: the reference allele is the letter that stands there."""

import anndata
import numpy as np
import pandas as pd

from scomics_lite.simulate import genomes
from scomics_lite.simulate.regulation.reference_genomes import LETTERS, REGION, read_window


def draw_people(genome, n_people, snp_spacing, generator):
    """Draw haplotypes with linkage disequilibrium on every chromosome, as `simulate.genotypes`, for the same people.

    Returns
    -------
    AnnData, shape (n, m)
        As from `simulate.genotypes`; ``var`` also says of which gene's region a SNP is (``region``, empty where of
        none) and in a planted site of which motif it lies (``site``).
    """
    parts = [
        _chromosome(chromosome, codes, n_people, snp_spacing, generator) for chromosome, codes in genome.codes.items()
    ]
    var = pd.concat([part.var for part in parts])
    var["region"], var["site"] = _regions(var, genome.genes), _sites(var, genome.sites)
    layers = {name: np.concatenate([part.layers[name] for part in parts], axis=1) for name in parts[0].layers}
    dosages = layers["haplotype1"] + layers["haplotype2"]
    return anndata.AnnData(dosages, obs=parts[0].obs, var=var, layers=layers)


def _chromosome(chromosome, codes, n_people, snp_spacing, generator):
    """Haplotypes of one chromosome, with alleles that agree with the genome."""
    expected = len(codes) / snp_spacing
    enough = int(expected + 6 * np.sqrt(expected) + 10)  # SNPs reach the chromosome's end, whatever their distances
    made = genomes.genotypes(
        n_people, enough, chromosome=chromosome, start=0, spacing=snp_spacing, min_frequency=0.01, rng=generator
    )
    made = made[:, (made.var["position"] <= len(codes)).to_numpy()].copy()
    reference = codes[made.var["position"].to_numpy() - 1]
    is_transition = generator.random(made.n_vars) < genomes.TRANSITIONS
    other = reference ^ np.where(is_transition, 2, generator.choice([1, 3], made.n_vars)).astype(np.uint8)
    made.var["ref_allele"], made.var["eff_allele"] = _letters(reference), _letters(other)
    place = made.var["position"].astype(str) + "_" + made.var["ref_allele"] + "_" + made.var["eff_allele"]
    made.var["varID"] = "chr" + chromosome + "_" + place + "_b38"
    made.var = made.var.drop(columns="origin")
    return made


def _letters(codes):
    return LETTERS[codes].view("S1").astype(str).astype(object)


def _regions(var, genes):
    """Name the gene in whose region each SNP lies: regions do not overlap."""
    start, end = read_window(genes["tss"].to_numpy(), genes["strand"].to_numpy(), REGION)
    return _inside(var, genes["chromosome"], start, end, genes.index)


def _sites(var, sites):
    sites = sites.sort_values(["chromosome", "start"])
    return _inside(var, sites["chromosome"], sites["start"].to_numpy(), sites["end"].to_numpy(), sites["motif"])


def _inside(var, chromosome, start, end, names):
    """Name the interval that holds each SNP; intervals of a chromosome are sorted and do not overlap."""
    chromosome, names = chromosome.to_numpy(), np.append(names.to_numpy(dtype=object), "")
    found = np.full(len(var), len(names) - 1)
    for own in var["chromosome"].unique():
        snps, here = np.flatnonzero(var["chromosome"] == own), np.flatnonzero(chromosome == own)
        if not len(here):
            continue
        position = var["position"].to_numpy()[snps]
        last = np.searchsorted(start[here], position, side="right") - 1
        holds = (last >= 0) & (position <= end[here][last])
        found[snps[holds]] = here[last[holds]]
    return names[found]
