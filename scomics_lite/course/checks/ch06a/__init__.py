"""The checks of chapter 6a: `questions` and `study_questions`, their `slips` and `study_slips`, the `cases` tried."""

from scomics_lite.course.checks.ch06a import questions, study_questions  # noqa: F401 (importing registers the exercises)
