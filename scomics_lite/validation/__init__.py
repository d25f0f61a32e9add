"""What holds counts becomes one checked form, or an error says what is wrong and what to do about it.

The ground that every wing stands on, in every chapter. Read `counts` first: `check_counts`, which all functions that
take counts call, and the `Counts` that it gives. `containers` takes matrix and names out of AnnData, tables and arrays;
`transformed` recognises numbers that were counts once, `misread` tables that a file or a spreadsheet left in disorder.
`arguments` checks what comes beside the counts, such as size factors in another order; `named` gives results the names
of samples or genes; `replicates` tells the cells of one donor from independent samples; `errors` and `notices` are how
users hear of what is wrong, at the line where they called.
"""

from scomics_lite.validation.arguments import (
    check_labels,
    check_order,
    check_positive,
    check_positive_table,
    check_size_factors,
    check_threshold,
    is_number,
    no_labels,
)
from scomics_lite.validation.containers import is_anndata, is_annotated
from scomics_lite.validation.counts import Counts, check_counts, read_counts
from scomics_lite.validation.errors import CountsError, InputError, did_you_mean, quoted
from scomics_lite.validation.named import with_names
from scomics_lite.validation.notices import once, warn
from scomics_lite.validation.replicates import warn_of_donors

__all__ = [
    "Counts",
    "CountsError",
    "InputError",
    "check_counts",
    "check_labels",
    "check_order",
    "check_positive",
    "check_positive_table",
    "check_size_factors",
    "check_threshold",
    "did_you_mean",
    "is_anndata",
    "is_annotated",
    "is_number",
    "no_labels",
    "once",
    "quoted",
    "read_counts",
    "warn",
    "warn_of_donors",
    "with_names",
]
