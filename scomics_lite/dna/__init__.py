"""DNA as text and as numbers: genomes, genes, people's haplotypes, and features of sequences.

Chapter 6b. A sequence model reads the DNA around a gene's start; the numbers that it makes of this text, one for each
track, are its features. Read `motif_features` first: known binding sites are looked for on both strands, and what is
found is summed.

`letters` turns sequences into matrices; `motifs` reads the matrices of transcription factors (JASPAR) and
`motif_thresholds` says from which score on a site is rare. `genome_files` reads FASTA files, `annotations` where genes
begin; `gene_sequences` cuts out what a model reads, and `haplotypes` writes people's variants into it. `enformer` is
the door to the large published model, and wants a package of its own.
"""

__all__ = []
