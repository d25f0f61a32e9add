"""Counts with known truth.

All chapters. Read `bulk` first: samples of many cells, with effects, dispersions and library sizes as asked.
"""

from scomics_lite.simulate.bulk import CountParameters, bulk_counts, estimate_parameters, typical_bulk

__all__ = [
    "CountParameters",
    "bulk_counts",
    "estimate_parameters",
    "typical_bulk",
]
