"""A whole simulated world: genome, grammar, people, expression, and what is measured of them."""

from dataclasses import dataclass

import anndata
import numpy as np
import pandas as pd

from scomics_lite.simulate import drawing
from scomics_lite.simulate.regulation import measurements, mediated_gwas, setting_checks, world_files
from scomics_lite.simulate.regulation.gene_levels import draw_gene_levels
from scomics_lite.simulate.regulation.grammar import READ, Grammar, draw_grammar
from scomics_lite.simulate.regulation.motif_choice import PLANTED, motif_bank
from scomics_lite.simulate.regulation.people import draw_people
from scomics_lite.simulate.regulation.personal_levels import distal_parts, near_parts, personal_expression
from scomics_lite.simulate.regulation.reference_genomes import PROGRAMS, draw_genome
from scomics_lite.validation import InputError, is_number


@dataclass(frozen=True, eq=False)
class RegulatoryWorld:
    """A simulated world, as from `regulatory_world`.

    Attributes
    ----------
    sequences : dict of str
        ``{chromosome: its letters}``, the reference genome.
    genes : DataFrame, shape (g, …)
        Indexed by gene: ``chromosome``, ``start``, ``end``, ``strand``, ``tss``, ``genename``; and, not
        known in a study, ``program1`` …, how far the gene takes part in each.
    travel : DataFrame, shape (motifs, programs)
        How the number of a motif's sites follows a program: 1 is up, -1 down.
    sites : DataFrame
        Planted binding sites: ``gene``, ``motif``, ``chromosome``, ``start``, ``end``, ``strand``.
    dosages : AnnData, shape (n, m)
        As from `genotypes`, all chromosomes; ``var`` also has ``region``, the gene in whose region a SNP lies, and
        ``site``, the motif of the planted site in which it lies.
    grammar : Grammar
        What a sequence does to expression: ``levels(sequences)`` says so for any.
    expression : AnnData, shape (n, g)
        Natural logarithm of what people express, a layer for each cell type, and for each the parts "near[…]"
        (through the region), "distal[…]" and "genetic[…]", their sum; the rest is the gene's mean and environment.
        ``var`` has for each cell type ``mean[…]``, of what it is made, ``sequence[…]`` and ``gene_level[…]``, and
        ``heritability_near[…]`` and ``heritability_distal[…]``.
    distal_weights : DataFrame
        ``gene``, ``rsid`` and a column of effects for each cell type.
    settings : dict
        What was asked for.
    """

    sequences: dict
    genes: pd.DataFrame
    travel: pd.DataFrame
    sites: pd.DataFrame
    dosages: anndata.AnnData
    grammar: Grammar
    expression: anndata.AnnData
    distal_weights: pd.DataFrame
    settings: dict

    @property
    def genome(self):
        """The reference genome, as `dna` reads it."""
        from scomics_lite import dna  # here, not above: torch takes two seconds to import

        return dna.Genome(self.sequences)

    @property
    def cell_types(self):
        """Names of the cell types."""
        return list(self.grammar.effects.columns)

    def cells(self, *, n_donors=20, cells_each=30, rng=0):
        """Draw single cells of the first people.

        Parameters
        ----------
        n_donors : int
            Number of people.
        cells_each : int
            Cells of each person and cell type.
        rng : numpy.random.Generator or int
            Source of randomness.

        Returns
        -------
        AnnData, cells × genes
            Counts, sparse; ``obs`` has ``donor`` and ``cell_type``, as `differential.pseudobulk` takes them.
        """
        n_people = self.dosages.n_obs
        if not is_number(n_donors) or n_donors != int(n_donors) or not 1 <= n_donors <= n_people:
            raise InputError(f"n_donors must be a whole number, 1 to {n_people} (the people); got {n_donors!r}")
        setting_checks.check_whole(cells_each=(cells_each, 1))
        donors = self.dosages.obs_names[: int(n_donors)]
        return measurements.draw_cells(
            self.expression, self.cell_types, donors, int(cells_each), setting_checks.source_of(rng)
        )

    def pseudobulk(self, *, cells_each=100, rng=0):
        """Draw the sums of many cells of everybody, without the cells.

        Parameters
        ----------
        cells_each : int
            Cells of each person and cell type.
        rng : numpy.random.Generator or int
            Source of randomness.

        Returns
        -------
        AnnData, (people × cell types) × genes
            Counts; ``obs`` has ``person``, ``cell_type`` and ``n_cells``.
        """
        setting_checks.check_whole(cells_each=(cells_each, 1))
        return measurements.draw_sums(self.expression, self.cell_types, int(cells_each), setting_checks.source_of(rng))

    def gwas(self, *, causal_genes=20, cell_type=None, n=100_000, mediated=0.01, polygenic=0.003, rng=0):
        """Simulate a GWAS of other people, for a trait that some genes act on by their expression in one cell type.

        Parameters
        ----------
        causal_genes : int or sequence of str
            How many genes act on the trait, or which.
        cell_type : str, optional
            In which they do; the first when not given.
        n : int
            Number of people in the GWAS, whose linkage disequilibrium is that of the world's.
        mediated, polygenic : float
            Shares of the trait's variance due to these genes, and to other effects of a tenth of the SNPs. The genome
            is a few hundred times smaller than a human one, and so must be what it explains.
        rng : numpy.random.Generator or int
            Source of randomness.

        Returns
        -------
        MediatedGwas
            ``table`` is what would be published, ``trait.gene_effects`` the truth.
        """
        cell_type = self.cell_types[0] if cell_type is None else cell_type
        if cell_type not in self.cell_types:
            raise InputError(f"cell_type {cell_type!r} is none of this world's: {', '.join(self.cell_types)}")
        generator = setting_checks.source_of(rng)
        return mediated_gwas.draw_gwas(self, cell_type, causal_genes, n, mediated, polygenic, generator)

    def write(self, folder, *, cells=None, gwas=None):
        """Write the files that a study would have, and the truth.

        Parameters
        ----------
        folder : path
            Is made if it is not there; files of these names are written over: ``genome.fa`` and its index,
            ``genes.gtf``, ``people.vcf.gz`` (phased, bgzip), ``cells.h5ad``, ``gwas.txt.gz``. What a study does
            not know: ``truth_….csv.gz`` of genes, snps, sites, motifs, pairs and distal, and ``truth_expression.h5ad``.
        cells : AnnData, optional
            From `cells`, which is called without arguments when not given.
        gwas : MediatedGwas, optional
            From `gwas`, likewise.
        """
        world_files.write_world(
            self, folder, self.cells() if cells is None else cells, self.gwas() if gwas is None else gwas
        )


def regulatory_world(
    n_genes=1_000,
    n_people=450,
    *,
    cell_types=("B", "T", "Mono"),
    sequence_share=0.5,
    confounding=0.7,
    sequence_sd=1.0,
    environment_sd=0.2,
    distal_heritability=0.1,
    spacing=10_000,
    snp_spacing=175,
    window=20_000,
    rng=0,
):
    """Simulate a world in which DNA tells expression by known rules, and genes and people differ in both.

    The genome is random DNA with genes in it; around each start of transcription, in a region of 1,024 base pairs,
    binding sites are planted, drawn from real matrices (`motif_bank`). A grammar makes of a region's sequence x an
    effect on expression in every cell type (see `Grammar`). Gene g of person i expresses in cell type c

        ln y_igc = sequence_gc + gene_level_gc + near_igc + distal_igc + environment_igc

    where ``sequence`` is what the grammar makes of the reference genome, and ``near`` the mean of what it makes of the
    person's two haplotypes, less ``sequence``.

    ``gene_level`` is what the sequence near the start does not act through: how stable the messenger is, enhancers far
    away, what the gene is for. A share `confounding` of its variance follows the gene's programs (what all cells need,
    cell division, defence, and so on), and genes of a program have more sites of some motifs and fewer of others,
    whatever these motifs do. So the sequence tells the programs, and with them part of the expression, for a reason
    that no SNP changes. The dial is `sequence_share`: turned down, genes differ more by ``gene_level``, while
    ``sequence`` and people stay what they were, to the last digit.

    The names of cell types and motifs are real, what they do is drawn, and teaches no biology.

    Parameters
    ----------
    n_genes, n_people : int
        Numbers of genes g and of people n. The genes lie on chromosomes 1 to 22, the same number on each.
    cell_types : sequence of str
        Their names.
    sequence_share : float
        Share of the variance across genes that the region's sequence causes, above 0 and at most 1: that of
        ``sequence`` divided by that of ``sequence`` and ``gene_level`` together, each on its own.
    confounding : float
        Share of the variance of ``gene_level`` that follows the programs.
    sequence_sd : float
        Standard deviation across genes of ``sequence``, natural logarithms, in every cell type. With the defaults
        expression has one of about 1.4, and with a `sequence_share` of 0.1 one of 3.2.
    environment_sd : float
        Standard deviation between people, for a gene and cell type, that has nothing to do with DNA.
    distal_heritability : float
        Mean of the share that SNPs outside the region explain of distal and environmental variance; two SNPs a gene.
    spacing : int
        Base pairs for each gene. Human genes have some 150,000; a window of a million base pairs around a gene, usual
        in TWAS, is 20,000 in this world.
    snp_spacing : float
        Mean distance of SNPs, base pairs; of frequency above 1%. Denser than in people (some 300), so that more genes
        have SNPs that matter.
    window : float
        How far from the start distal SNPs can lie.
    rng : numpy.random.Generator or int
        Source of randomness. Genome, grammar, people and so on have sources of their own, made from it: what one
        argument changes leaves the others as they were.

    Returns
    -------
    RegulatoryWorld

    Raises
    ------
    InputError
        Settings that cannot be.

    Notes
    -----
    The defaults take 13 CPU seconds and 0.8 GB; 300 genes and 200 people a third of the time.

    Examples
    --------
    >>> world = regulatory_world(22, 20, rng=1)
    >>> world.genes["chromosome"].nunique(), world.cell_types, len(world.sequences["1"])
    (22, ['B', 'T', 'Mono'], 10000)
    >>> world.expression.var[["sequence[B]", "gene_level[B]"]].std(ddof=0).round(2).to_list()
    [1.0, 1.0]
    """
    from scomics_lite import dna  # here, not above: torch takes two seconds to import

    cell_types = setting_checks.check_world(n_genes, n_people, cell_types, spacing)
    n_genes, n_people, spacing = int(n_genes), int(n_people), int(spacing)
    drawing.check_fractions(confounding=confounding)
    setting_checks.check_sizes(sequence_share, sequence_sd, environment_sd)
    setting_checks.check_people(distal_heritability, snp_spacing, window)
    genomic, grammatic, other, personal, distal, environment = setting_checks.sources_of(rng, 6)
    motifs = motif_bank().select(PLANTED)
    drawn = draw_genome(n_genes, spacing, motifs, genomic)
    genes, sequences = drawn.genes, {chromosome: drawn.text(chromosome) for chromosome in drawn.codes}
    genome = dna.Genome(sequences)
    reference = dna.reference_sequences(genome, genes, READ).to_list()
    grammar = draw_grammar(motifs, reference, cell_types, sequence_sd, grammatic)
    gene_level_sd = sequence_sd * np.sqrt(1 / sequence_share - 1)
    programs, shape = genes[PROGRAMS].to_numpy(), (n_genes, len(cell_types))
    gene_level = draw_gene_levels(shape, programs, gene_level_sd, confounding, other)
    dosages = draw_people(drawn, n_people, snp_spacing, personal)
    haplotypes = dna.Haplotypes(dosages)
    farther, weights = distal_parts(
        genes, dosages, haplotypes, distal_heritability, environment_sd, window, cell_types, distal
    )
    parts = {"near": near_parts(genome, genes, grammar, haplotypes), "distal": farther}
    means = {"sequence": grammar.levels(reference), "gene_level": gene_level}
    expression = personal_expression(genes, means, parts, cell_types, dosages.obs, environment_sd, environment)
    settings = {
        "sequence_share": sequence_share,
        "confounding": confounding,
        "sequence_sd": sequence_sd,
        "environment_sd": environment_sd,
        "distal_heritability": distal_heritability,
        "spacing": spacing,
        "snp_spacing": snp_spacing,
        "window": window,
        **drawing.seed_of(rng),
    }
    return RegulatoryWorld(sequences, genes, drawn.travel, drawn.sites, dosages, grammar, expression, weights, settings)
