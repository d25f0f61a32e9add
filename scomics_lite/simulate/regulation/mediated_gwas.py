"""A GWAS of a trait that some genes act on by their expression in one cell type."""

from dataclasses import dataclass

import anndata
import numpy as np
import pandas as pd

from scomics_lite.simulate.gwas_results import gwas_summary
from scomics_lite.simulate.regulation.grammar import READ
from scomics_lite.simulate.regulation.reference_genomes import read_window
from scomics_lite.simulate.traits import Trait, trait


@dataclass(frozen=True, eq=False)
class MediatedGwas:
    """What a GWAS would publish, and the truth behind it.

    Attributes
    ----------
    table : DataFrame
        As from `simulate.gwas_summary`.
    cell_type : str
        In which the genes act.
    trait : Trait
        The trait of the world's own people; ``gene_effects`` and ``snp_effects`` are the truth.
    linear : DataFrame, shape (g, 2)
        ``n_snps`` and ``r2``: the share of the variance of the near part of expression that a weighted sum of the
        region's SNPs keeps. The trait follows this sum; what is lost are SNPs that act on each other within a sequence.
    """

    table: pd.DataFrame
    cell_type: str
    trait: Trait
    linear: pd.DataFrame


def draw_gwas(world, cell_type, causal_genes, n, mediated, polygenic, generator):
    """Simulate the GWAS of others from the world's people."""
    levels, linear = linear_levels(world, cell_type)
    made = trait(
        world.dosages, levels, causal_genes=causal_genes, mediated=mediated, polygenic=polygenic, rng=generator
    )
    table = gwas_summary(world.dosages, made.snp_effects, n, rng=generator)
    return MediatedGwas(table, cell_type, made, linear)


def linear_levels(world, cell_type):
    """Expression as weighted sums of dosages, in the form that `simulate.trait` takes, and what this keeps."""
    from scomics_lite import dna  # here, not above: torch takes two seconds to import

    near = world.expression.layers[f"near[{cell_type}]"]
    haplotypes, weights, kept = dna.Haplotypes(world.dosages), [], []
    total = world.expression.layers[f"distal[{cell_type}]"].copy()
    for number, gene in enumerate(world.genes.itertuples()):
        snps = haplotypes.within(gene.chromosome, *read_window(gene.tss, gene.strand, READ))
        columns = np.asarray(world.dosages.X[:, snps], dtype=float)
        columns, own = columns - columns.mean(axis=0), near[:, number] - near[:, number].mean()
        weight = np.linalg.lstsq(columns, own)[0]
        fitted = columns @ weight
        total[:, number] += fitted
        kept.append((len(snps), 1 - (own - fitted).var() / own.var() if own.var() > 0 else np.nan))
        names = world.dosages.var_names[snps]
        weights.append(pd.DataFrame({"gene": gene.Index, "rsid": names, "weight": weight}))
    distal = world.distal_weights[["gene", "rsid", cell_type]].rename(columns={cell_type: "weight"})
    truth = {"weights": pd.concat([*weights, distal], ignore_index=True)}
    observed, obs, var = world.expression.layers[cell_type], world.expression.obs, world.expression.var
    levels = anndata.AnnData(observed, obs=obs, var=var, layers={"genetic": total}, uns={"truth": truth})
    return levels, pd.DataFrame(kept, index=world.genes.index, columns=["n_snps", "r2"])
