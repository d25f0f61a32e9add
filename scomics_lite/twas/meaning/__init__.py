"""What a hit means: which gene of a place, and whether expression and trait share a SNP.

Read `causal_genes` first: the posterior over the genes of a locus. `colocalisation_tests` asks whether eQTL and trait
share a causal SNP, `weight_permutation` whether it matters which SNP has which weight.
"""
