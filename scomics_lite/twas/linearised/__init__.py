"""From ctPred to weights of SNPs: the elastic net on predicted expression (chapter 6b), and what it keeps.

Read `linear_models` first: it fits all genes in all cell types, each gene by `linear_fits`, and `model_folders` holds
what comes of it and writes the files of PredictDB. `gene_heritability` asks how much the same SNPs could explain at
best, of any expression, by way of `restricted_likelihood`.
"""
