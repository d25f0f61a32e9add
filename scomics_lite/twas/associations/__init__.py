"""From weights to hits, with people or with summaries.

Read `summary_association` first: S-PrediXcan. Its SNPs come from `harmonisation`, its sums are made in `gene_stacks`,
and `detectors` look for mistakes before it computes; `polygenicity` corrects it, and `summary_multiple_models` takes
several tissues together. With people: `prediction` of expression, `individual_association` with a trait,
`multiple_models` for several tissues, and `eqtls` for one SNP after the other; their regressions are in
`column_regressions`.
"""
