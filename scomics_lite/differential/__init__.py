"""From counts to a table of genes: what differs between samples.

Chapters 3 and 4. Read `pipeline` first: `test` runs the whole way, by one of the four methods in `routes`. `summing`
comes before where there are many cells of each sample: `pseudobulk`.
"""

from scomics_lite.differential.pipeline import test
from scomics_lite.differential.summing import pseudobulk

__all__ = [
    "pseudobulk",
    "test",
]
