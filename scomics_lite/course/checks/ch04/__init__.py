"""The checks of chapter 4: `questions`, their usual `slips` and `posterior_slips`, and the `cases` tried."""

from scomics_lite.course.checks.ch04 import questions  # noqa: F401 (importing registers the exercises)
