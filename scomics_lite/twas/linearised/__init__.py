"""From ctPred to weights of SNPs: the elastic net on predicted expression (chapter 6b), and what it keeps.

Read `linear_models` first.
"""
