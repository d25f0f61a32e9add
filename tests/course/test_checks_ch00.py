"""Notebook 00's one exercise: right answers written differently pass, typical wrong ones are told what is wrong."""

import numpy as np
import pandas as pd
import pytest

from scomics_lite.course.checks import review

KEY = "ch00-first-check"


@pytest.mark.parametrize(
    "right",
    [
        lambda counts: counts.sum(axis=1),
        lambda counts: [sum(row) for row in counts],
        lambda counts: counts @ np.ones(counts.shape[1]),
        lambda counts: pd.DataFrame(counts).T.sum(),
    ],
)
def test_right_answers(right):
    assert review(KEY, right).status == "ok"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda counts: counts.sum(axis=0), "totals of the 30 genes"),
        (lambda counts: counts.sum(), "total of the whole table"),
        (lambda counts: counts.mean(axis=1), "one constant factor"),
        (lambda counts: np.log(counts.sum(axis=1)), "log scale"),
        (lambda counts: counts.sum(axis=1, keepdims=True), "in shape (8, 1)"),
        (lambda counts: (counts > 0).sum(axis=1), "too small"),
        (lambda counts: counts.sum(axis=2), "AxisError"),
    ],
)
def test_wrong_answers_are_told_what_is_wrong(wrong, said):
    verdict = review(KEY, wrong)
    assert verdict.status == "try again"
    assert said in verdict.message


def test_the_placeholder_is_no_wrong_answer():
    def library_sizes(counts):
        raise NotImplementedError(KEY)

    assert review(KEY, library_sizes).status == review(KEY, ...).status == "not yet"
