"""The checks of chapter 2: `questions`, and their usual `slips`."""

from scomics_lite.course.checks.ch02 import questions  # noqa: F401 (importing registers the exercises)
