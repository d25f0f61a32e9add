"""The checks of chapter 5: `questions` and `study_questions`, their `slips` and `study_slips`, the `cases` tried."""

from scomics_lite.course.checks.ch05 import questions, study_questions  # noqa: F401 (importing registers the exercises)
