"""What people's own DNA does to the expression of their genes: near the start, and from farther away."""

from dataclasses import dataclass

import anndata
import numpy as np
import pandas as pd

from scomics_lite.simulate.regulation.grammar import READ
from scomics_lite.simulate.regulation.reference_genomes import LETTERS, read_window
from scomics_lite.validation import InputError, quoted

N_DISTAL = 2  # causal SNPs of a gene outside what is read
SHARED = 0.8  # of the variance of a distal SNP's effects over cell types, what is the same in all of them


@dataclass(frozen=True, eq=False)
class Haplotypes:
    """The different sequences of one gene among people.

    Attributes
    ----------
    codes : ndarray, shape (different ones, length)
        As in `ReferenceGenome`, read in the direction of the gene.
    index : ndarray, shape (2, n)
        Which of them a person's two haplotypes are.
    """

    codes: np.ndarray
    index: np.ndarray


class SnpPlaces:
    """Finds the SNPs of an interval; SNPs of a chromosome stand together, in the order of their positions."""

    def __init__(self, var):
        chromosome = var["chromosome"].to_numpy()
        begins = np.flatnonzero(np.append(True, chromosome[1:] != chromosome[:-1]))
        ends = np.append(begins[1:], len(var))
        self.spans = {chromosome[first]: (first, last) for first, last in zip(begins, ends, strict=True)}
        self.position = var["position"].to_numpy()

    def within(self, chromosome, start, end):
        """Columns of the SNPs at positions start to end."""
        first, last = self.spans.get(chromosome, (0, 0))
        low, high = np.searchsorted(self.position[first:last], [start, end + 1])
        return np.arange(first + low, first + high)


def oriented(codes, strand):
    """Read DNA (…, length) in the direction of a gene."""
    return codes if strand == "+" else 3 - codes[..., ::-1]


def as_text(codes):
    """Give each row of DNA (n, length) as a text."""
    return [row.tobytes().decode() for row in LETTERS[codes]]


def reference_codes(genome):
    """Cut out what is read around every gene in the reference genome, (g, READ)."""
    rows = []
    for gene in genome.genes.itertuples():
        start, end = read_window(gene.tss, gene.strand, READ)
        rows.append(oriented(genome.codes[gene.chromosome][start - 1 : end], gene.strand))
    return np.stack(rows)


def near_parts(genome, grammar, dosages):
    """Tell what DNA near the starts does to people, (n, g, cell types): two haplotypes' mean, less the reference."""
    haplotypes = _all_haplotypes(genome, dosages)
    sequences = as_text(np.concatenate([own.codes for own in haplotypes]))
    ends = np.cumsum([len(own.codes) for own in haplotypes])
    levels = np.split(grammar.levels(sequences), ends[:-1])
    personal = [own[haplotype.index].mean(axis=0) for own, haplotype in zip(levels, haplotypes, strict=True)]
    return np.stack(personal, axis=1) - grammar.levels(as_text(reference_codes(genome)))


def distal_parts(genome, dosages, heritability, environment_sd, window, cell_types, generator):
    """Draw what SNPs farther away do, (n, g, cell types), and their weights: ``gene``, ``rsid``, a column a cell type.

    The share of the variance without what is near, h², is drawn for every gene from Beta(1, 1 / heritability - 1): many
    genes have little of it, as in people (Wheeler et al. 2016).
    """
    n_genes = len(genome.genes)
    h2 = generator.beta(1, 1 / heritability - 1, n_genes) if heritability else np.zeros(n_genes)
    sd = environment_sd * np.sqrt(h2 / (1 - h2))
    places, total, weights = SnpPlaces(dosages.var), [], []
    for gene, own_sd in zip(genome.genes.itertuples(), sd, strict=True):
        snps = generator.choice(_outside(places, gene, window), N_DISTAL, replace=False)
        columns = np.asarray(dosages.X[:, snps], dtype=float)
        effects = _draw_effects(len(cell_types), generator) / columns.std(axis=0)[:, None]
        effects *= own_sd / (columns @ effects).std(axis=0)
        part = columns @ effects
        total.append(part - part.mean(axis=0))
        own = pd.DataFrame({"gene": gene.Index, "rsid": dosages.var_names[snps]})
        weights.append(own.join(pd.DataFrame(effects, columns=cell_types)))
    return np.stack(total, axis=1), pd.concat(weights, ignore_index=True)


def personal_expression(genome, means, parts, cell_types, obs, environment_sd, generator):
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
    genes = {"mean": mean, **means} | {f"heritability_{part}": own / everything for part, own in variance.items()}
    layers = _by_cell_type(people, cell_types)
    var = genome.genes.assign(**_by_cell_type(genes, cell_types))
    return anndata.AnnData(obs=obs, var=var, layers=layers)


def _by_cell_type(tables, cell_types):
    """Name the slices (…, cell types) of each table: "part[cell type]"."""
    return {
        f"{part}[{name}]" if part else name: values[..., number]
        for part, values in tables.items()
        for number, name in enumerate(cell_types)
    }


def _all_haplotypes(genome, dosages):
    """Different sequences of every gene in turn: people's alleles written into what is read around it."""
    places, position = SnpPlaces(dosages.var), dosages.var["position"].to_numpy()
    letters = np.frombuffer("".join(dosages.var["eff_allele"]).encode(), dtype=np.uint8)
    effect = np.searchsorted(LETTERS, letters).astype(np.uint8)
    found = []
    for gene in genome.genes.itertuples():
        start, end = read_window(gene.tss, gene.strand, READ)
        snps = places.within(gene.chromosome, start, end)
        alleles = np.concatenate([dosages.layers[name][:, snps] for name in ("haplotype1", "haplotype2")])
        patterns, index = np.unique(alleles, axis=0, return_inverse=True)
        codes = np.repeat(genome.codes[gene.chromosome][None, start - 1 : end], len(patterns), axis=0)
        place = position[snps] - start
        codes[:, place] = np.where(patterns == 1, effect[snps], codes[:, place])
        found.append(Haplotypes(oriented(codes, gene.strand), index.reshape(2, -1)))
    return found


def _draw_effects(n_cell_types, generator):
    shared, own = generator.normal(size=(N_DISTAL, 1)), generator.normal(size=(N_DISTAL, n_cell_types))
    return np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own


def _outside(places, gene, window):
    """Columns of the SNPs within `window` of a gene's start, but not in what is read around it."""
    near = places.within(gene.chromosome, *read_window(gene.tss, gene.strand, READ))
    snps = np.setdiff1d(places.within(gene.chromosome, gene.tss - window, gene.tss + window), near)
    if len(snps) < N_DISTAL:
        raise InputError(
            f"gene {quoted(gene.Index)} has {len(snps)} SNPs within {window:g} base pairs of its start and outside "
            f"what is read around it, fewer than {N_DISTAL}: widen window, or lower snp_spacing"
        )
    return snps
