"""The variants around one gene's start, ready to be written into its sequence."""

from scomics_lite.dna.allele_checks import BOTH, EFFECT, NEITHER, refuse_other_build, which_allele
from scomics_lite.dna.gene_sequences import padded
from scomics_lite.dna.letters import reverse_complement
from scomics_lite.dna.written_variants import clash, edits_between, written
from scomics_lite.validation import InputError, quoted

WITHOUT = "leave it out: dosages[:, dosages.var_names != {}]"


class GeneVariants:
    """Variants near a gene, the stretch of the genome that they change, and how.

    Parameters
    ----------
    genome : Genome
    panel : Haplotypes
    gene : Gene
    start, end : int
        The first and the last position of its window.
    pad : bool
        Whether N stands beyond the ends of the chromosome.

    Attributes
    ----------
    columns : ndarray of int, shape (k,)
        Which variants these are: those in the window and, where some of them delete bases, in as many bases beyond it.
    is_swapped : ndarray of bool, shape (k,)
        Of which of them the genome has the effect allele.
    """

    def __init__(self, genome, panel, gene, start, end, pad):
        self.panel, self.gene, self.genome = panel, gene, genome
        self.columns = self._reach(start, end, pad)
        self.codes = self._compared()
        self.is_swapped = self.codes == EFFECT
        self._check_indels()
        self.edits = [self._edits(*place) for place in enumerate(self.columns)]
        self.anchor, self.before, self.after = gene.tss - self.first, gene.tss - start, end - gene.tss
        if gene.strand == "-":
            self._turn()

    def _turn(self):
        """Read everything from the other strand, once, rather than each sequence."""
        length = len(self.letters)
        self.letters = reverse_complement(self.letters)
        self.edits = [edits and [edit.turned(length) for edit in edits] for edits in self.edits]
        self.anchor, self.before, self.after = length - 1 - self.anchor, self.after, self.before

    def _reach(self, start, end, pad):
        """Find the variants, and the letters that haplotypes need, which are more where bases are deleted."""
        panel, gene = self.panel, self.gene
        first, last = start, end
        while True:
            columns = panel.within(gene.chromosome, first, last)
            lost = panel.widths[columns] - 1
            is_left = panel.positions[columns] < gene.tss
            wanted = start - int(lost[is_left].sum()), end + int(lost.sum())
            if wanted == (first, last):
                break
            first, last = wanted
        if len(columns):
            first = min(first, int(panel.positions[columns[0]]))
            last = max(last, int((panel.positions[columns] + panel.widths[columns]).max()) - 1)
        if not pad:
            first, last = max(first, 1), min(last, self.genome.length(gene.chromosome))
        self.first = first
        self.letters = padded(self.genome, gene.chromosome, first, last)
        return columns

    def _compared(self):
        """Tell which alleles the genome has; refuse variants of another build."""
        panel, columns = self.panel, self.columns
        codes = which_allele(self.letters, self.first, panel, columns)
        if (codes >= NEITHER).any():
            offsets = panel.positions[columns] - self.first
            there = [self.letters[at : at + width] for at, width in zip(offsets, panel.widths[columns], strict=True)]
            refuse_other_build(self.genome, panel, columns, codes, there, f"around gene {quoted(self.gene.name)}")
        return codes

    def _check_indels(self):
        """Refuse to guess the genome's allele of an indel where both fit and the SNPs around show mixed coding."""
        unclear = self.columns[self.codes == BOTH]
        if len(unclear) and self.is_swapped.any():
            swapped, indel = (
                quoted(self.panel.variants[column]) for column in (self.columns[self.is_swapped][0], unclear[0])
            )
            raise InputError(
                f"around gene {quoted(self.gene.name)}, both alleles of indel {indel} fit the genome, and {swapped} "
                "has them swapped, so that the reference allele of the indel cannot be believed either. Take the "
                "genotypes from a VCF file, whose first allele is the genome's, or leave such indels out: "
                "dosages[:, check_alleles(genome, dosages)['has'] != 'both']"
            )

    def _edits(self, place, column):
        """Give the edits of a variant; None where its alleles are no letters."""
        alleles = self.panel.ref_alleles[column], self.panel.eff_alleles[column]
        old, new = reversed(alleles) if self.is_swapped[place] else alleles
        if not new or set(new) - set("ACGT"):
            return None
        return edits_between(old, new, int(self.panel.positions[column]) - self.first)

    def sequence(self, carried, whose):
        """Write a haplotype.

        Parameters
        ----------
        carried : ndarray of int
            Which of the variants it carries, in their order.
        whose : callable
            Gives its name, for messages.

        Returns
        -------
        str
        """
        pairs = ((edit, place) for place in carried for edit in self._letters_of(place, whose))
        edits = sorted(pairs, key=lambda pair: pair[0][:2])
        self._check(edits, whose)
        text = written(self.letters, [edit for edit, _ in edits], self.anchor, self.before, self.after)
        if text is None:
            raise InputError(
                f"{whose()} lacks so many bases around gene {quoted(self.gene.name)} that the chromosome ends within "
                "its window; pad=True writes N there"
            )
        return text

    def _letters_of(self, place, whose):
        if self.edits[place] is None:
            name = quoted(self.panel.variants[self.columns[place]])
            alleles = self.panel.ref_alleles[self.columns[place]], self.panel.eff_alleles[self.columns[place]]
            raise InputError(
                f"{whose()} carries variant {name} around gene {quoted(self.gene.name)}, whose alleles "
                f"{' and '.join(alleles)} are not both written as letters A, C, G, T; {WITHOUT.format(name)}"
            )
        return self.edits[place]

    def _check(self, edits, whose):
        """Refuse what overlaps, and what takes the TSS away."""
        second = clash([edit for edit, _ in edits])
        if second is not None:
            one, other = (quoted(self.panel.variants[self.columns[edits[at][1]]]) for at in (second - 1, second))
            raise InputError(
                f"{whose()} carries {one} and {other} around gene {quoted(self.gene.name)}, which change the same "
                "bases: one haplotype cannot have both. Is one of them there twice, or are alleles of one site wrongly "
                f"phased? Leave one out: dosages[:, dosages.var_names != {other}]"
            )
        gone = next((place for edit, place in edits if edit.start <= self.anchor < edit.end and edit.growth), None)
        if gone is not None:
            name = quoted(self.panel.variants[self.columns[gone]])
            raise InputError(
                f"{whose()} lacks the transcription start site of gene {quoted(self.gene.name)}, position "
                f"{self.gene.tss:,}: variant {name} deletes it. Leave out the gene, or {WITHOUT.format(name)}"
            )
