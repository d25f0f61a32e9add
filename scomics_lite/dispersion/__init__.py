"""Dispersions: how much more than Poisson the counts of a gene vary between replicates.

Chapter 2. The model is that of `scomics_lite.glm`: Y_ig ~ NB(mu_ig, phi_g), with Var Y = mu + phi mu^2. Three
replicates are too few for a gene to tell its phi alone, so genes share. Read `deseq2` first: `estimate`, from gene-wise
values over a trend to the final ones. `genewise` estimates genes one at a time, `profile_likelihood` is what they
climb, `trend` is what genes share, by `local_regression` where no formula describes it; `edger` shares in edgeR's
way, from the `spline_maxima` of likelihoods on a grid.
"""

from scomics_lite.dispersion.deseq2 import Dispersions, estimate
from scomics_lite.dispersion.edger import (
    EdgerDispersions,
    average_log_cpm,
    edger_common,
    edger_dispersions,
    edger_tagwise,
    edger_trended,
    residual_df,
)
from scomics_lite.dispersion.genewise import cox_reid_profile, maximum_likelihood, moments
from scomics_lite.dispersion.trend import parametric_trend

__all__ = [
    "Dispersions",
    "EdgerDispersions",
    "average_log_cpm",
    "cox_reid_profile",
    "edger_common",
    "edger_dispersions",
    "edger_tagwise",
    "edger_trended",
    "estimate",
    "maximum_likelihood",
    "moments",
    "parametric_trend",
    "residual_df",
]
