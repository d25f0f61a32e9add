"""DNA as text and as numbers: genomes, genes, people's haplotypes, and features of sequences.

Chapter 6b. A sequence model reads the DNA around a gene's start; the numbers that it makes of this text, one for each
track, are its features. Read `motif_features` first: known binding sites are looked for on both strands, and what is
found is summed.

`letters` turns sequences into matrices; `motifs` holds those of transcription factors (JASPAR), `motif_files` reads
them, and `motif_thresholds` says from which score on a site is rare. `genome_files` reads FASTA files, `annotations`
where genes begin (`gene_tables` checks such a table); `gene_sequences` cuts out what a model reads, and `haplotypes`
writes people's variants into it: `phased_panel` finds them, `allele_checks` compares their alleles with the genome,
`gene_variants` gathers those of a gene, and `written_variants` changes the text.

`enformer` is the door to the large published model, whose weights `enformer_weights` loads by a package of its own.
"""

from scomics_lite.dna.allele_checks import check_alleles
from scomics_lite.dna.annotations import read_annotation
from scomics_lite.dna.enformer import EnformerFeatures
from scomics_lite.dna.gene_sequences import reference_sequences
from scomics_lite.dna.genome_files import Genome, read_genome
from scomics_lite.dna.haplotypes import HaplotypeSequences, haplotype_sequences
from scomics_lite.dna.letters import one_hot, reverse_complement
from scomics_lite.dna.motif_features import MotifFeatures
from scomics_lite.dna.motif_files import jaspar_motifs, read_motifs
from scomics_lite.dna.motif_thresholds import score_thresholds
from scomics_lite.dna.motifs import Motifs, probabilities_of
from scomics_lite.dna.phased_panel import Haplotypes

__all__ = [
    "EnformerFeatures",
    "Genome",
    "HaplotypeSequences",
    "Haplotypes",
    "MotifFeatures",
    "Motifs",
    "check_alleles",
    "haplotype_sequences",
    "jaspar_motifs",
    "one_hot",
    "probabilities_of",
    "read_annotation",
    "read_genome",
    "read_motifs",
    "reference_sequences",
    "reverse_complement",
    "score_thresholds",
]
