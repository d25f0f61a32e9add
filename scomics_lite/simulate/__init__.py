"""Counts with known truth, and genotypes, expression and traits of people.

All chapters. Read `bulk` first: samples of many cells, with effects, dispersions and library sizes as asked. `cells`
are single cells of donors, with structural zeros (chapter 5), and in `bursting` the zeros are those of genes that are
switched on and off. `parameters` holds typical depths, abundances and dispersions, or takes them from a real data set;
`drawing` and `populations` hold what the simulations share.

Of chapter 6: `genomes` draws people's genotypes by `copying` haplotypes from each other, `genes_and_loci` places genes
among the SNPs, `traits` adds what DNA does to expression and to a trait, and `gwas_results` what a GWAS would publish.
`regulation` is a whole world in which DNA tells how much genes are expressed, for models that read DNA.
"""

from scomics_lite.simulate.bulk import bulk_counts
from scomics_lite.simulate.bursting import bursting_counts
from scomics_lite.simulate.cells import cell_counts
from scomics_lite.simulate.genes_and_loci import genes
from scomics_lite.simulate.genomes import genotypes
from scomics_lite.simulate.gwas_results import gwas_summary
from scomics_lite.simulate.parameters import (
    CountParameters,
    estimate_parameters,
    typical_bulk,
    typical_reads,
    typical_umis,
)
from scomics_lite.simulate.regulation.motif_choice import motif_bank
from scomics_lite.simulate.regulation.worlds import RegulatoryWorld, regulatory_world
from scomics_lite.simulate.traits import Trait, expression, trait

__all__ = [
    "CountParameters",
    "RegulatoryWorld",
    "Trait",
    "bulk_counts",
    "bursting_counts",
    "cell_counts",
    "estimate_parameters",
    "expression",
    "genes",
    "genotypes",
    "gwas_summary",
    "motif_bank",
    "regulatory_world",
    "trait",
    "typical_bulk",
    "typical_reads",
    "typical_umis",
]
