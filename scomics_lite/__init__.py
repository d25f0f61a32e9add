"""scomics_lite: single-cell and transcriptome statistics, small enough to read beside the chapters.

Importing the package costs nothing: submodules load when first used, so that
``python3 -m scomics_lite`` can start on a machine where nothing is installed yet.

>>> import scomics_lite as sl
>>> sl.normalization.size_factors([[100, 50], [200, 100]])
array([0.70710678, 1.41421356])
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_SUBMODULES = (
    "calibration",
    "course",
    "datasets",
    "design",
    "differential",
    "dispersion",
    "dna",
    "empirical_bayes",
    "filtering",
    "glm",
    "linear_models",
    "multiple_testing",
    "negative_binomial",
    "normalization",
    "plots",
    "quasi_likelihood",
    "rank_sum",
    "simulate",
    "twas",
    "validation",
    "zero_inflation",
)

__all__ = ["__version__", *_SUBMODULES]

if TYPE_CHECKING:  # what editors and type checkers read; at run time __getattr__ below does it
    from scomics_lite import (  # noqa: F401
        calibration,
        course,
        datasets,
        design,
        differential,
        dispersion,
        dna,
        empirical_bayes,
        filtering,
        glm,
        linear_models,
        multiple_testing,
        negative_binomial,
        normalization,
        plots,
        quasi_likelihood,
        rank_sum,
        simulate,
        twas,
        validation,
        zero_inflation,
    )


def __getattr__(name):
    """Import a submodule on first use (PEP 562)."""
    if name in _SUBMODULES:
        return importlib.import_module(f"scomics_lite.{name}")
    raise AttributeError(f"module 'scomics_lite' has no attribute {name!r}; it has: {', '.join(__all__)}")


def __dir__():
    """List the public names alone, those of submodules not yet loaded too, for tab completion."""
    return sorted(__all__)
