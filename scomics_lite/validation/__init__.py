"""What holds counts becomes one checked form, or an error says what is wrong and what to do about it.

The ground that every wing stands on, in every chapter. Read `counts` first: `check_counts`, which all functions that
take counts call, and the checks of names and numbers beside it. `transformed` recognises tables that were counts once,
`notices` warns at the caller's line.
"""

from scomics_lite.validation.counts import (
    Counts,
    CountsError,
    InputError,
    check_counts,
    check_order,
    check_size_factors,
    check_threshold,
    did_you_mean,
    is_number,
    no_labels,
)
from scomics_lite.validation.notices import once, warn

__all__ = [
    "Counts",
    "CountsError",
    "InputError",
    "check_counts",
    "check_order",
    "check_size_factors",
    "check_threshold",
    "did_you_mean",
    "is_number",
    "no_labels",
    "once",
    "warn",
]
