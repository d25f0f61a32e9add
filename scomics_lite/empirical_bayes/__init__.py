"""Empirical Bayes: what all genes together say about each, under one roof.

Chapter 4. Read `adaptive_shrinkage` first: `ash` shrinks effects towards a unimodal prior that it learns from all of
them. Its prior is a mixture (`mixtures`, `unimodal_prior`, `truncated`) with the weights of `fit_weights` or, step by
step, `em_weights` (`mixture_weights`); `ash_result` is what comes out. `squeeze_variances` draws variances towards what
all genes' have in common (`variance_prior`, `f_distribution`).
"""

from scomics_lite.empirical_bayes.adaptive_shrinkage import ash
from scomics_lite.empirical_bayes.ash_result import AshResult
from scomics_lite.empirical_bayes.mixture_weights import em_weights, fit_weights
from scomics_lite.empirical_bayes.mixtures import Mixture, make_components
from scomics_lite.empirical_bayes.variance_prior import SqueezedVariances, squeeze_variances
from scomics_lite.multiple_testing import average_rate

__all__ = [
    "AshResult",
    "Mixture",
    "SqueezedVariances",
    "ash",
    "average_rate",
    "em_weights",
    "fit_weights",
    "make_components",
    "squeeze_variances",
]
