"""Linear models of log expression: voom's weights, least squares, moderated t-tests.

Chapter 4. Read `moderated` first: `voom`, `fit` and `moderated_t_test`, limma's way from counts to p-values.
`least_squares` solves the weighted regressions of all genes.
"""

from scomics_lite.linear_models.moderated import LinearFit, VoomResult, fit, moderated_t_test, voom

__all__ = [
    "LinearFit",
    "VoomResult",
    "fit",
    "moderated_t_test",
    "voom",
]
