"""Negative binomial regression of every gene on a design, all genes at once.

Chapter 3. The model, for sample i and gene g, with natural logarithms throughout:

    Y_ig ~ NB(mean mu_ig, dispersion phi_g),   ln mu_ig = ln s_i + sum_j x_ij beta_gj

Size factors s, of each sample or of each sample and gene, and dispersions phi are given, and taken as known. Read
`regression` first: `fit` and what it gives. `irls` holds the iterations, `precision` the errors and leverages that
follow, `hypotheses` the Wald and likelihood ratio tests, `empty_groups` which genes say nothing about a contrast,
`outliers` Cook's distance and what follows from it, `heavy_tailed` the shrinkage of one coefficient (chapter 4).
"""

from scomics_lite.glm.heavy_tailed import cauchy_scale, cauchy_shrinkage, one_coefficient
from scomics_lite.glm.hypotheses import likelihood_ratio_test, wald_test
from scomics_lite.glm.irls import Model
from scomics_lite.glm.outliers import cooks_cutoff, cooks_distance, flag_outliers, replace_outliers
from scomics_lite.glm.regression import GlmFit, fit
from scomics_lite.multiple_testing import adjust, independent_filtering

__all__ = [
    "GlmFit",
    "Model",
    "adjust",
    "cauchy_scale",
    "cauchy_shrinkage",
    "cooks_cutoff",
    "cooks_distance",
    "fit",
    "flag_outliers",
    "independent_filtering",
    "likelihood_ratio_test",
    "one_coefficient",
    "replace_outliers",
    "wald_test",
]
