"""The checks of chapter 0: `questions`."""

from scomics_lite.course.checks.ch00 import questions  # noqa: F401 (importing registers the exercises)
