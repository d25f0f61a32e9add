"""The checks of chapter 6b: `questions` and `study_questions`, their `slips` and `study_slips`, the `cases` tried."""

from scomics_lite.course.checks.ch06b import questions, study_questions  # noqa: F401 (importing registers the exercises)
