"""From counts to a table of genes: what differs between samples.

Chapters 3 and 4. Read `pipeline` first: `test` runs the whole way from counts to a table, `fit` stops at the
regressions and gives a `study` that answers contrast after contrast. `routes` holds the methods, `settings` what can be
asked for, `shrinking` the columns that shrinkage adds. `summing` comes before where there are many cells of each
sample: `pseudobulk`; `cell_types` tests every type of cells in one call.
"""

from scomics_lite.differential.cell_types import test_groups
from scomics_lite.differential.pipeline import fit, test
from scomics_lite.differential.study import Study
from scomics_lite.differential.summing import pseudobulk

__all__ = [
    "Study",
    "fit",
    "pseudobulk",
    "test",
    "test_groups",
]
