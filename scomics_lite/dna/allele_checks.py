"""Whether people's variants and a genome are of the same build: one of a variant's alleles is what the genome has.

Both alleles are letters of the plus strand, as in VCF files, so that palindromic SNPs (A and T, C and G) need no care
here. A table of another strand looks like one of another build, and is told of.
"""

import numpy as np
import pandas as pd

from scomics_lite.dna.letters import reverse_complement
from scomics_lite.dna.phased_panel import Haplotypes
from scomics_lite.validation import InputError, quoted, warn

REFERENCE, EFFECT, BOTH, NEITHER, BEYOND = range(5)
SAID = ["ref_allele", "eff_allele", "both", "neither", "no such place"]
STRETCH = 4_000_000  # bases of a chromosome in memory at a time
SAME_BUILD = 0.9  # of the variants fit, at least; of another build it is about half: two of four letters are tried
FEW = 3  # examples in a message


def check_alleles(genome, dosages):
    """Compare the alleles of all variants with the genome, before sequences are written.

    Parameters
    ----------
    genome : Genome
    dosages : AnnData or Haplotypes
        With ``chromosome``, ``position``, ``ref_allele`` and ``eff_allele``.

    Returns
    -------
    DataFrame, one row a variant
        ``genome``: the letters there, as many as the longer allele has; ``has``: which allele they are, "ref_allele",
        "eff_allele", "both" (of an indel: the shorter allele begins the longer one, and the reference allele is
        believed), "neither" or "no such place"; ``fits``: True for the first three. A warning tells of those that do
        not fit.

    Raises
    ------
    InputError
        Where fewer than nine in ten fit: genome and variants are of different builds, or of different strands.

    Examples
    --------
    >>> import anndata
    >>> var = pd.DataFrame({"chromosome": "1", "position": [2, 4], "ref_allele": ["C", "A"], "eff_allele": ["T", "G"]})
    >>> dosages = anndata.AnnData(np.zeros((1, 2), np.float32), var=var.set_axis(["rs1", "rs2"]))
    >>> from scomics_lite.dna import Genome
    >>> check_alleles(Genome({"1": "ACCGT"}), dosages)
        genome         has  fits
    rs1      C  ref_allele  True
    rs2      G  eff_allele  True
    """
    panel = dosages if isinstance(dosages, Haplotypes) else Haplotypes(dosages)
    letters, codes = np.full(len(panel.variants), "", dtype=object), np.full(len(panel.variants), BEYOND)
    for chromosome in panel.chromosomes:
        if chromosome in genome:
            for columns in _stretches(panel, chromosome):
                letters[columns], codes[columns] = _compared(genome, panel, chromosome, columns)
    found = pd.DataFrame(
        {"genome": letters, "has": pd.Categorical.from_codes(codes, SAID), "fits": codes < NEITHER},
        index=panel.variants,
    )
    _tell(genome, panel, found, codes)
    return found


def which_allele(letters, start, panel, columns):
    """Tell which allele of each variant a stretch of the genome has.

    Parameters
    ----------
    letters : str
        Of the genome.
    start : int
        The position of the first of them.
    panel : Haplotypes
    columns : ndarray of int, shape (k,)
        The variants, none of which begins before these letters.

    Returns
    -------
    ndarray of int, shape (k,)
        `REFERENCE`, `EFFECT`, `BOTH` or `NEITHER`.

    Examples
    --------
    >>> import anndata
    >>> var = pd.DataFrame({"chromosome": "1", "position": [3], "ref_allele": "A", "eff_allele": "AT"}, index=["rs1"])
    >>> panel = Haplotypes(anndata.AnnData(np.zeros((1, 1), np.float32), var=var))
    >>> SAID[which_allele("GAC", 2, panel, np.array([0]))[0]], SAID[which_allele("GAT", 2, panel, np.array([0]))[0]]
    ('ref_allele', 'both')
    """
    offsets = panel.positions[columns] - start
    here = np.frombuffer(f"{letters}N".encode(), np.uint8)[np.minimum(offsets, len(letters))]
    codes = np.where(here == panel.ref_letters[columns], REFERENCE, NEITHER)
    codes[(codes == NEITHER) & (here == panel.eff_letters[columns])] = EFFECT
    for place in np.flatnonzero(panel.widths[columns] > 1):
        column, offset = columns[place], offsets[place]
        fits = [letters.startswith(one, offset) for one in (panel.ref_alleles[column], panel.eff_alleles[column])]
        codes[place] = {(True, False): REFERENCE, (False, True): EFFECT, (True, True): BOTH}.get(tuple(fits), NEITHER)
    return codes


def refuse_other_build(genome, panel, columns, codes, letters, where):
    """Raise the error for variants of which neither allele is in the genome.

    Parameters
    ----------
    genome : Genome
    panel : Haplotypes
    columns : ndarray of int, shape (k,)
    codes : ndarray of int, shape (k,)
        As `which_allele` gives them.
    letters : sequence of str, shape (k,)
        What the genome has at each.
    where : str
        Which variants these are, for the message.

    Examples
    --------
    >>> import anndata
    >>> from scomics_lite.dna import Genome
    >>> var = pd.DataFrame({"chromosome": "1", "position": 3, "ref_allele": "A", "eff_allele": "C"}, index=["rs1"])
    >>> panel = Haplotypes(anndata.AnnData(np.zeros((1, 1), np.float32), var=var))
    >>> refuse_other_build(Genome({"1": "AAT"}), panel, [0], [NEITHER], ["T"], "here")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    scomics_lite.validation.InputError: 1 of 1 variants here have other alleles than the genome: rs1 (1:3 A C, ...
    """
    bad = np.flatnonzero(np.asarray(codes) >= NEITHER)
    examples = ", ".join(_described(panel, columns[place], letters[place]) for place in bad[:FEW])
    complements = sum(_fits_complement(panel, columns[place], letters[place]) for place in bad)
    strand = (
        f". Of {complements:,}, the letters of the other strand would fit: alleles are written on the plus strand"
        if complements
        else ""
    )
    raise InputError(
        f"{len(bad):,} of {len(columns):,} variants {where} have other alleles than {genome}: {examples}. Are they of "
        "another build (hg19 positions in hg38, say)? Take the genome of the variants' build, or lift the variants "
        f"over; if only some are wrong: dosages[:, check_alleles(genome, dosages)['fits']]{strand}"
    )


def _described(panel, column, letters):
    has = f"the genome has {letters}" if letters else "the genome has no such place"
    chromosome = panel.chromosome_of(column)
    place = f"{chromosome}:{panel.positions[column]} {panel.ref_alleles[column]} {panel.eff_alleles[column]}"
    return f"{panel.variants[column]} ({place}, {has})"


def _fits_complement(panel, column, letters):
    alleles = (panel.ref_alleles[column], panel.eff_alleles[column])
    return any(set(one) <= set("ACGT") and letters == reverse_complement(one) for one in alleles)


def _stretches(panel, chromosome):
    """Give the variants of a chromosome in parts that lie close together."""
    columns = panel.on(chromosome)
    parts = panel.positions[columns] // STRETCH
    return np.split(columns, np.flatnonzero(np.diff(parts)) + 1)


def _compared(genome, panel, chromosome, columns):
    positions, length = panel.positions[columns], genome.length(chromosome)
    letters, codes = np.full(len(columns), "", dtype=object), np.full(len(columns), BEYOND)
    is_there = positions <= length
    if is_there.any():
        start, there = int(positions[0]), columns[is_there]
        end = min(length, int((positions + panel.widths[columns]).max()))
        stretch = genome.sequence(chromosome, start, end)
        codes[is_there] = which_allele(stretch, start, panel, there)
        spans = zip((panel.positions[there] - start).tolist(), panel.widths[there].tolist(), strict=True)
        letters[is_there] = [stretch[offset : offset + width] for offset, width in spans]
    return letters, codes


def _tell(genome, panel, found, codes):
    """Refuse another build, and tell of single variants that do not fit."""
    share = found["fits"].mean()
    if share == 1:
        return
    if share < SAME_BUILD:
        columns = np.arange(len(codes))
        refuse_other_build(genome, panel, columns, codes, found["genome"].to_numpy(), f"({1 - share:.0%})")
    some = ", ".join(quoted(name) for name in found.index[~found["fits"]][:FEW])
    warn(
        f"{(~found['fits']).sum():,} of {len(found):,} variants have other alleles than {genome}, or no place in it, "
        f"the first {some}. Sequences with them are refused; leave them out: "
        "dosages[:, check_alleles(genome, dosages)['fits']]"
    )
