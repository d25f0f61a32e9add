"""What people's own DNA does to the expression of their genes: near the start, and from farther away."""

import anndata
import numpy as np
import pandas as pd

from scomics_lite.simulate.regulation.grammar import READ
from scomics_lite.simulate.regulation.reference_genomes import read_window
from scomics_lite.validation import InputError, quoted

N_DISTAL = 2  # causal SNPs of a gene outside what is read
SHARED = 0.8  # of the variance of a distal SNP's effects over cell types, what is the same in all of them


def near_parts(genome, genes, grammar, haplotypes):
    """Tell what DNA near the starts does to people, (n, g, cell types): two haplotypes' mean, less the genome's.

    Parameters
    ----------
    genome : scomics_lite.dna.Genome
    genes : DataFrame, shape (g, …)
    grammar : Grammar
    haplotypes : scomics_lite.dna.Haplotypes
        Of the people.
    """
    from scomics_lite import dna  # here, not above: torch takes two seconds to import

    found = [dna.haplotype_sequences(genome, gene, haplotypes, READ) for _, gene in genes.iterrows()]
    levels = grammar.levels([text for own in found for text in own.sequences])
    levels = np.split(levels, np.cumsum([len(own.sequences) for own in found])[:-1])
    # a gene's first sequence is the genome's
    personal = [own[gene.index].mean(axis=1) - own[0] for own, gene in zip(levels, found, strict=True)]
    return np.stack(personal, axis=1)


def distal_parts(genes, dosages, haplotypes, heritability, environment_sd, window, cell_types, generator):
    """Draw what SNPs farther away do, (n, g, cell types), and their weights: ``gene``, ``rsid``, a column a cell type.

    The share of the variance without what is near, h², is drawn for every gene from Beta(1, 1 / heritability - 1): many
    genes have little of it, as in people (Wheeler et al. 2016).
    """
    h2 = generator.beta(1, 1 / heritability - 1, len(genes)) if heritability else np.zeros(len(genes))
    total, weights = [], []
    for gene, sd in zip(genes.itertuples(), environment_sd * np.sqrt(h2 / (1 - h2)), strict=True):
        snps = generator.choice(_outside(haplotypes, gene, window), N_DISTAL, replace=False)
        columns = np.asarray(dosages.X[:, snps], dtype=float)
        effects = _draw_effects(len(cell_types), generator) / columns.std(axis=0)[:, None]
        effects *= sd / (columns @ effects).std(axis=0)
        total.append((columns - columns.mean(axis=0)) @ effects)
        own = pd.DataFrame({"gene": gene.Index, "rsid": dosages.var_names[snps]})
        weights.append(own.join(pd.DataFrame(effects, columns=cell_types)))
    return np.stack(total, axis=1), pd.concat(weights, ignore_index=True)


def personal_expression(genes, means, parts, cell_types, obs, environment_sd, generator):
    """Put together what people express: an AnnData, people × genes, with layers for each cell type.

    Parameters
    ----------
    means : dict of ndarray, shape (g, cell types)
        What makes up the genes' means: ``sequence`` and ``gene_level``.
    parts : dict of ndarray, shape (n, g, cell types)
        ``near`` and ``distal``.
    """
    mean, genetic = means["sequence"] + means["gene_level"], parts["near"] + parts["distal"]
    people = {"": mean + genetic + generator.normal(0, environment_sd, genetic.shape), **parts, "genetic": genetic}
    variance = {part: parts[part].var(axis=0) for part in parts}
    everything = genetic.var(axis=0) + environment_sd**2
    columns = {"mean": mean, **means} | {f"heritability_{part}": own / everything for part, own in variance.items()}
    layers = _by_cell_type(people, cell_types)
    var = genes.assign(**_by_cell_type(columns, cell_types))
    return anndata.AnnData(obs=obs, var=var, layers=layers)


def _by_cell_type(tables, cell_types):
    """Name the slices (…, cell types) of each table: "part[cell type]"."""
    return {
        f"{part}[{name}]" if part else name: values[..., number]
        for part, values in tables.items()
        for number, name in enumerate(cell_types)
    }


def _draw_effects(n_cell_types, generator):
    shared, own = generator.normal(size=(N_DISTAL, 1)), generator.normal(size=(N_DISTAL, n_cell_types))
    return np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own


def _outside(haplotypes, gene, window):
    """Columns of the SNPs within `window` of a gene's start, but not in what is read around it."""
    near = haplotypes.within(gene.chromosome, *read_window(gene.tss, gene.strand, READ))
    snps = np.setdiff1d(haplotypes.within(gene.chromosome, gene.tss - window, gene.tss + window), near)
    if len(snps) < N_DISTAL:
        raise InputError(
            f"gene {quoted(gene.Index)} has {len(snps)} SNPs within {window:g} base pairs of its start and outside "
            f"what is read around it, fewer than {N_DISTAL}: lower snp_spacing"
        )
    return snps
