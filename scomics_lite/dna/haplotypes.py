"""The DNA that people carry around a gene's start: their variants written into the genome, for each haplotype.

Of 900 haplotypes in a window of 2,000 bases most are the same: every distinct sequence is written once, and a table
says who carries which. The transcription start site keeps its place in the sequence. Where a deletion shortens one
side, more of the genome follows on that side; where an insertion lengthens it, its far end is cut off.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scomics_lite.dna.gene_sequences import before_tss, check_length, check_windows
from scomics_lite.dna.gene_tables import one_gene
from scomics_lite.dna.gene_variants import GeneVariants
from scomics_lite.dna.phased_panel import Haplotypes
from scomics_lite.validation import InputError, quoted


@dataclass(frozen=True, eq=False)
class HaplotypeSequences:
    """The distinct sequences of one gene, and who carries which.

    Attributes
    ----------
    sequences : list of str
        The genome's own first, whether anybody carries it or not.
    index : ndarray of int, shape (people, 2)
        Which sequence each person's two haplotypes are.
    people, variants : pandas.Index
        The people; the variants that somebody carries there.
    swapped : int
        Of how many variants in the window the genome has the effect allele.
    """

    sequences: list
    index: np.ndarray
    people: pd.Index
    variants: pd.Index
    swapped: int


def haplotype_sequences(genome, gene, dosages, length, *, pad=False):
    """Write everybody's variants into the DNA around a gene's transcription start site (TSS).

    Parameters
    ----------
    genome : Genome
    gene : Series
        A row of the table that `read_annotation` gives: ``genes.loc["ENSG00000186092"]``.
    dosages : AnnData or Haplotypes
        People × SNPs with haplotypes, as `read_vcf` gives them. For many genes make `Haplotypes` of them once.
    length : int
        How many bases: a model's ``length``.
    pad : bool
        Write N beyond the ends of the chromosome, instead of refusing the gene.

    Returns
    -------
    HaplotypeSequences
        Each sequence has `length` letters, with the TSS where `reference_sequences` has it, in the direction of
        transcription. Averages over people are those of ``index``: ``features[found.index].mean(axis=1)``.

    Raises
    ------
    InputError
        Names gene, variant and person: genotypes that are missing, or not phased; alleles of which the genome has
        neither (another build or strand); variants that overlap on one haplotype; a deletion that takes the TSS away;
        alleles that are no letters, such as <DEL>; and all that `reference_sequences` refuses.

    Notes
    -----
    Alleles are letters of the plus strand. Where the genome has the effect allele, as happens in files that count the
    rarer allele, haplotypes without it get the reference allele written (`swapped` counts these variants). Of an indel
    both alleles may fit, as one begins with the other; then the reference allele is taken for the genome's, as in a VCF
    file, and where variants around it are swapped, the indel is refused.

    Examples
    --------
    >>> import anndata
    >>> from scomics_lite.dna import Genome
    >>> var = pd.DataFrame({"chromosome": "1", "position": [6], "ref_allele": "C", "eff_allele": "CTT"}, index=["rs1"])
    >>> layers = {"haplotype1": np.int8([[0], [1]]), "haplotype2": np.int8([[0], [0]])}
    >>> dosages = anndata.AnnData(np.float32([[0], [1]]), var=var, layers=layers)
    >>> gene = pd.Series({"chromosome": "1", "strand": "+", "tss": 5}, name="g1")
    >>> found = haplotype_sequences(Genome({"1": "AAAACCGGGG"}), gene, dosages, 6)
    >>> found.sequences, found.index.tolist()
    (['AAACCG', 'AAACCT'], [[0, 0], [1, 0]])
    """
    panel = dosages if isinstance(dosages, Haplotypes) else Haplotypes(dosages)
    gene = one_gene(gene)
    check_length(length)
    start, end = _placed(genome, gene, length, pad)
    _check_chromosome(gene, panel)
    found = GeneVariants(genome, panel, gene, start, end, pad)
    rows = np.concatenate(panel.carried(found.columns)) ^ found.is_swapped
    distinct, which = _distinct(rows)
    numbers, order = {found.sequence([], None): 0}, np.empty(len(distinct), dtype=np.intp)  # the genome's own first
    for number, row in enumerate(distinct):
        text = found.sequence(np.flatnonzero(row).tolist(), lambda number=number: _carrier(panel, which, number))
        order[number] = numbers.setdefault(text, len(numbers))
    index = order[which].reshape(2, -1).T
    variants = panel.variants[found.columns[rows.any(axis=0)]]
    return HaplotypeSequences(list(numbers), index, panel.people, variants, int(found.is_swapped.sum()))


def _placed(genome, gene, length, pad):
    """Give the first and the last position of a gene's window; refuse what `reference_sequences` refuses."""
    start = gene.tss - before_tss(length)[gene.strand == "-"]
    end = start + length - 1
    if gene.chromosome not in genome or not (pad or 1 <= start <= end <= genome.length(gene.chromosome)):
        check_windows(genome, pd.DataFrame([gene]).set_index("name"), length, pad)
    return start, end


def _check_chromosome(gene, panel):
    """Refuse a panel that says nothing of the gene's chromosome, rather than give everybody the same sequence."""
    if gene.chromosome not in panel.chromosomes:
        raise InputError(
            f"no variant is on chromosome {gene.chromosome}, where gene {quoted(gene.name)} is; the dosages have "
            f"{', '.join(panel.chromosomes[:30])}. Leave out genes of other chromosomes: "
            "genes[genes['chromosome'].isin(Haplotypes(dosages).chromosomes)]"
        )


def _distinct(rows):
    """Give the distinct rows of zeros and ones, and for each row which of them it is."""
    packed = np.ascontiguousarray(np.packbits(rows, axis=1))
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel() if packed.shape[1] else np.zeros(len(rows))
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return rows[first], which


def _carrier(panel, which, number):
    """Say who carries a haplotype, for messages."""
    side, person = divmod(int(np.argmax(which == number)), len(panel.people))
    return f"haplotype {side + 1} of person {quoted(panel.people[person])}"
