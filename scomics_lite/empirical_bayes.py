"""Empirical Bayes: what all genes together say about each, under one roof.

`ash` shrinks effects towards a unimodal prior that it learns from all of them (`scomics_lite.adaptive_shrinkage`), with
the weights of the prior from `fit_weights` or, step by step, `em_weights` (`scomics_lite.mixture_weights`).
`squeeze_variances` draws variances towards what all genes' have in common (`scomics_lite.variance_prior`).
"""

from scomics_lite.adaptive_shrinkage import ash, average_rate
from scomics_lite.ash_result import AshResult
from scomics_lite.mixture_weights import em_weights, fit_weights
from scomics_lite.mixtures import Mixture, make_components
from scomics_lite.variance_prior import SqueezedVariances, squeeze_variances

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
