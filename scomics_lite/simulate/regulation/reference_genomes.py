"""A reference genome: random DNA, genes spread over the chromosomes, and binding sites planted around their starts."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scomics_lite.simulate.genomes import AUTOSOMES

REGION = 1_024  # base pairs around a start of transcription that say something: 8 bins of 128, as models read them
GC = 0.42  # of human DNA
N_PROGRAMS = 8  # of genes: what all cells need, cell division, defence, and so on
TRAVELLING, TRAVEL = 0.8, 1.0  # share of motifs whose numbers follow a program, and how: as exp(±u)
SITES = 0.5  # sites of a motif in a region, on average
SHORTEST_BODY = 500  # base pairs
PROGRAMS = [f"program{number}" for number in range(1, N_PROGRAMS + 1)]
LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class ReferenceGenome:
    """DNA as numbers: 0 to 3 are A, C, G and T, so that 3 - x is the other strand's letter and x ^ 2 a transition.

    Attributes
    ----------
    codes : dict of ndarray
        ``{chromosome: (length,)}``.
    genes : DataFrame, shape (g, …)
        ``chromosome``, ``start``, ``end``, ``strand``, ``tss``, ``genename``, and ``program1`` ….
    travel : DataFrame, shape (motifs, programs)
        How numbers of sites follow programs: 1, -1, or 0.
    sites : DataFrame
        Planted sites: ``gene``, ``motif``, ``chromosome``, ``start``, ``end`` (inclusive, from 1) and ``strand``.
    """

    codes: dict
    genes: pd.DataFrame
    travel: pd.DataFrame
    sites: pd.DataFrame

    def text(self, chromosome):
        """Give a chromosome's letters."""
        return LETTERS[self.codes[chromosome]].tobytes().decode()


def draw_genome(n_genes, spacing, motifs, generator):
    """Draw a reference genome.

    Gene g takes part in program j to a degree u_gj of mean 0 and variance 1, and has around its start Poisson numbers
    of sites of motif k, of mean SITES exp(t_kj u_gj - t_kj² / 2), j the motif's program, if it has one. Sites are drawn
    from the motif's matrix, lie on either strand and never overlap; those that find no room are left out.
    """
    genes = _draw_genes(n_genes, spacing, generator)
    codes = _draw_background(genes, spacing, generator)
    travel = _draw_travel(motifs, generator)
    sites = _place_sites(genes, motifs, travel, generator)
    for kind, own in sites.groupby("kind"):
        letters = _draw_letters(motifs.matrices[kind], len(own), generator)
        letters = np.where((own["strand"] == "-").to_numpy()[:, None], 3 - letters[:, ::-1], letters)
        for chromosome, start, site in zip(own["chromosome"], own["start"], letters, strict=True):
            codes[chromosome][start - 1 : start - 1 + len(site)] = site
    return ReferenceGenome(codes, genes, travel, sites.drop(columns="kind"))


def read_window(tss, strand, length):
    """First and last position (from 1) of what is read around a start: the start is letter length // 2, from 0."""
    start = np.where(strand == "+", tss - length // 2, tss - (length - 1 - length // 2))
    return start, start + length - 1


def standardised(values):
    """Give numbers of mean 0 and variance 1 along the first axis."""
    return (values - values.mean(axis=0)) / values.std(axis=0)


def _draw_genes(n_genes, spacing, generator):
    parts = np.array_split(np.arange(n_genes), min(len(AUTOSOMES), n_genes))
    chromosome = np.repeat(AUTOSOMES[: len(parts)], [len(part) for part in parts])
    place = np.concatenate([np.arange(len(part)) for part in parts])
    table = pd.DataFrame({"chromosome": chromosome, "tss": place * spacing + spacing // 2})
    table["strand"] = generator.choice(["+", "-"], n_genes)
    body = generator.integers(SHORTEST_BODY, spacing // 2, n_genes)
    forward = table["strand"] == "+"
    table["start"] = table["tss"].where(forward, table["tss"] - body)
    table["end"] = (table["tss"] + body).where(forward, table["tss"])
    table["genename"] = [f"GENE{number}" for number in range(1, n_genes + 1)]
    ids = [f"ENSG{int(own):02d}{number:09d}" for number, own in enumerate(chromosome, start=1)]
    columns = ["chromosome", "start", "end", "strand", "tss", "genename"]
    programs = pd.DataFrame(standardised(generator.normal(size=(n_genes, N_PROGRAMS))), columns=PROGRAMS)
    return table[columns].join(programs).set_axis(pd.Index(ids, name="gene"))


def _draw_background(genes, spacing, generator):
    codes = {}
    for chromosome, own in genes.groupby("chromosome", sort=False):
        strong = generator.random(len(own) * spacing) < GC
        second = generator.integers(2, size=len(strong), dtype=np.uint8)
        codes[chromosome] = np.where(strong, 1 + second, 3 * second).astype(np.uint8)
    return codes


def _place_sites(genes, motifs, travel, generator):
    """Places of all sites, a DataFrame; those of a gene are spread evenly over the ways in which they do not overlap.

    With the room that they leave, F, their starts less what stands before are sorted uniform numbers 0 to F.
    """
    widths = np.array([len(matrix) for matrix in motifs.matrices])
    exponent = genes[PROGRAMS].to_numpy() @ travel.to_numpy().T - (travel**2).sum(axis=1).to_numpy() / 2
    rates = SITES * np.exp(exponent)
    numbers = generator.poisson(rates)  # (g, motifs)
    first = read_window(genes["tss"].to_numpy(), genes["strand"].to_numpy(), REGION)[0]
    parts = []
    for gene, own in enumerate(numbers):
        kinds = generator.permutation(np.repeat(np.arange(len(widths)), own))
        kinds = kinds[np.cumsum(widths[kinds]) <= REGION]
        width = widths[kinds]
        gaps = np.sort(generator.integers(REGION - width.sum() + 1, size=len(kinds)))
        start = first[gene] + gaps + np.cumsum(width) - width
        parts.append(pd.DataFrame({"gene": genes.index[gene], "kind": kinds, "start": start, "end": start + width - 1}))
    sites = pd.concat(parts, ignore_index=True)
    sites["strand"] = generator.choice(["+", "-"], len(sites))
    sites.insert(1, "motif", np.array(motifs.names, dtype=object)[sites["kind"]])
    sites.insert(2, "chromosome", genes["chromosome"].reindex(sites["gene"]).to_numpy())
    return sites


def _draw_travel(motifs, generator):
    """Give motifs to programs in turn, and a direction; some belong to none."""
    n_motifs = len(motifs)
    table = np.zeros((n_motifs, N_PROGRAMS))
    members = generator.permutation(n_motifs)[: round(TRAVELLING * n_motifs)]
    table[members, np.arange(len(members)) % N_PROGRAMS] = TRAVEL * generator.choice([-1, 1], len(members))
    return pd.DataFrame(table, pd.Index(motifs.names, name="motif"), PROGRAMS)


def _draw_letters(matrix, n, generator):
    """Draw n sites (n, width) from probabilities (width, 4)."""
    cumulative = np.cumsum(matrix, axis=1)[:, :3]
    return (generator.random((n, len(matrix), 1)) > cumulative).sum(axis=2).astype(np.uint8)
