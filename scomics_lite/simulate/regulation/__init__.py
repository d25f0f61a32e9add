"""A world in which DNA near a gene says how much the gene is expressed, by rules that are known (chapter 6b).

Read `worlds` first, which holds the whole in one function. `motif_choice` says which binding sites there are,
`reference_genomes` plants them in random DNA around genes, `grammar` turns a sequence into a level of expression, and
`gene_levels` adds what the sequence does not say. `people` gives everybody two haplotypes, `personal_levels` what these
do to expression. What is measured: `measurements` of cells, `mediated_gwas` of a trait; `world_files` writes it all.
`setting_checks` refuses what cannot be.
"""
