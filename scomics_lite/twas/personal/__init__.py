"""What a sequence model says of people: every person's two haplotypes through features and ctPred (chapter 6b).

Read `personal_predictions` first. Before anything slow, `gene_overviews` looks at all genes; then `gene_predictions`
goes from the features of a gene's sequences to its predictions, gene by gene. `model_digests` tells a later run whether
the model is still the same.
"""
