"""The checks of chapter 1: `questions`, and their usual `slips`."""

from scomics_lite.course.checks.ch01 import questions  # noqa: F401 (importing registers the exercises)
