"""The checks of chapter 3: `questions`, their usual `slips`, and the `cases` that answers are tried on."""

from scomics_lite.course.checks.ch03 import questions  # noqa: F401 (importing registers the exercises)
