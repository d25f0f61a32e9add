"""The three files of the PrediXcan ecosystem: models, covariances and the results of a GWAS.

Read `models` first: PredictDB's weights and genes. `gene_covariances` holds covariances, `covariance_files` reads and
computes them. `gwas_files` reads a GWAS; `gwas_columns` knows what the programs call its columns, `gwas_lines` what a
line can be. `file_access` opens files and writes them whole or not at all, and `text_tables` reads
text in blocks.
"""
