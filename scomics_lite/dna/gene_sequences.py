"""The DNA around the start of genes, read in the genes' own direction."""

import numpy as np
import pandas as pd

from scomics_lite.dna.gene_tables import check_genes
from scomics_lite.dna.letters import reverse_complement
from scomics_lite.validation import InputError, quoted, warn

MANY = 0.1  # of a sequence: gaps of the assembly as long as this are told of
FEW = 3  # examples in a message


def reference_sequences(genome, genes, length, *, pad=False):
    """Cut out the DNA around each gene's transcription start site (TSS).

    Parameters
    ----------
    genome : Genome
    genes : DataFrame
        As `read_annotation` gives it: indexed by gene id, with ``chromosome``, ``strand`` and ``tss``.
    length : int
        How many bases: a model's ``length``.
    pad : bool
        Write N where a window reaches beyond the end of its chromosome, instead of refusing it.

    Returns
    -------
    Series of str, one a gene
        `length` letters in the direction of transcription: genes on the minus strand are reverse-complemented. The TSS
        is letter ``length // 2`` counted from 0, so that length // 2 bases stand before it and length - length // 2 - 1
        behind it. Where more than a tenth is N, a warning names the genes: a gap of the assembly tells a model nothing.

    Raises
    ------
    InputError
        A chromosome that the genome lacks, a window that leaves its chromosome, nothing but N: names the genes.

    Examples
    --------
    >>> from scomics_lite.dna import Genome
    >>> genes = pd.DataFrame({"chromosome": "1", "tss": [5, 5], "strand": ["+", "-"]}, index=["forward", "backward"])
    >>> reference_sequences(Genome({"chr1": "AACCGTTTT"}), genes, 4)
    forward     CCGT
    backward    AACG
    dtype: object
    """
    genes = check_genes(genes)
    starts, ends = check_windows(genome, genes, length, pad)
    places = zip(genes["chromosome"], starts.tolist(), ends.tolist(), genes["strand"], strict=True)
    found = pd.Series([padded(genome, *place) for place in places], index=genes.index, dtype=object)
    _tell_gaps(found)
    return found


def check_windows(genome, genes, length, pad):
    """Give the first and the last position of genes' windows, and refuse those that are not in the genome.

    Parameters
    ----------
    genome : Genome
    genes : DataFrame
        From `check_genes`.
    length : int
    pad : bool
        Whether a window may reach beyond the end of its chromosome.

    Returns
    -------
    starts, ends : ndarray of int
        Counted from 1, both included.

    Examples
    --------
    >>> from scomics_lite.dna import Genome
    >>> genes = pd.DataFrame({"chromosome": "1", "strand": ["+", "-"], "tss": 4}, index=["g1", "g2"])
    >>> [places.tolist() for places in check_windows(Genome({"1": "ACGTACGT"}), genes, 4, pad=False)]
    [[2, 3], [5, 6]]
    """
    check_length(length)
    _check_contigs(genome, genes)
    starts = genes["tss"].to_numpy() - np.where(genes["strand"] == "+", *before_tss(length))
    ends = starts + length - 1
    if not pad:
        _check_ends(genome, genes, starts, ends)
    return starts, ends


def check_length(length):
    """Refuse what is no number of bases.

    Parameters
    ----------
    length : int

    Examples
    --------
    >>> check_length(0)
    Traceback (most recent call last):
    scomics_lite.validation.InputError: length is a whole number of bases, 1 at least; got 0
    """
    if isinstance(length, bool) or not isinstance(length, int | np.integer) or length < 1:
        raise InputError(f"length is a whole number of bases, 1 at least; got {length!r}")


def before_tss(length):
    """Give how many bases of a window have lower positions than the transcription start site.

    Parameters
    ----------
    length : int
        Of the window.

    Returns
    -------
    forward, backward : int
        For genes on the plus and on the minus strand.

    Examples
    --------
    >>> before_tss(4)
    (2, 1)
    """
    return length // 2, length - length // 2 - 1


def padded(genome, chromosome, start, end, strand="+"):
    """Give the letters of a stretch, N where it is beyond its chromosome.

    Parameters
    ----------
    genome : Genome
    chromosome : str
    start, end : int
    strand : "+" or "-"

    Returns
    -------
    str

    Examples
    --------
    >>> from scomics_lite.dna.genome_files import Genome
    >>> padded(Genome({"1": "ACG"}), "1", -1, 2)
    'NNAC'
    """
    first, last = max(start, 1), min(end, genome.length(chromosome))
    if first > last:
        return "N" * (end - start + 1)
    letters = "N" * (first - start) + genome.sequence(chromosome, first, last) + "N" * (end - last)
    return letters if strand == "+" else reverse_complement(letters)


def _check_contigs(genome, genes):
    is_there = {name: name in genome for name in genes["chromosome"].unique()}
    lacking = genes.index[~genes["chromosome"].map(is_there).to_numpy(bool)]
    if len(lacking):
        names = ", ".join(map(quoted, [name for name, there in is_there.items() if not there][:FEW]))
        contigs = ", ".join(map(quoted, genome.chromosomes[:FEW]))
        raise InputError(
            f"{genome} lacks the chromosomes of {len(lacking):,} of {len(genes):,} genes: {names}, of gene "
            f"{quoted(lacking[0])} first; it has {contigs} …. Rename chromosomes where they are the same, or keep the "
            "genes that can be found: genes[[name in genome for name in genes['chromosome']]]"
        )


def _check_ends(genome, genes, starts, ends):
    lengths = genes["chromosome"].map({name: genome.length(name) for name in genes["chromosome"].unique()}).to_numpy()
    beyond = np.flatnonzero((starts < 1) | (ends > lengths))
    if len(beyond):
        row = beyond[0]
        raise InputError(
            f"the window of gene {quoted(genes.index[row])}, positions {starts[row]:,} to {ends[row]:,}, leaves "
            f"chromosome {genes['chromosome'].iloc[row]}, which has {lengths[row]:,} in {genome} ({len(beyond):,} such "
            "genes). pad=True writes N there; if the TSS itself is beyond, genes and genome are of different builds"
        )


def _tell_gaps(found):
    unknown = np.array([letters.count("N") / len(letters) for letters in found])
    empty = found.index[unknown == 1]
    if len(empty):
        raise InputError(
            f"the sequences of {len(empty):,} genes are N alone, {quoted(empty[0])} the first: a gap of the assembly, "
            "a genome with hard-masked repeats, or genes of another build. Leave these genes out, or take the genome "
            "that they were placed on"
        )
    many = found.index[unknown > MANY]
    if len(many):
        some = ", ".join(map(quoted, many[:FEW]))
        warn(
            f"{len(many):,} of {len(found):,} sequences are N to more than {MANY:.0%} (gaps of the assembly, or "
            f"padding), the first {some}; what a model says of them rests on the rest"
        )
