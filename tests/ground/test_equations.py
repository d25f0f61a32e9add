"""Equations of many genes: the same answers as one at a time, and a gene without an answer stops no other."""

import numpy as np
import pytest

from scomics_lite.equations import invert_each, least_squares, solve_each


@pytest.fixture
def matrices():
    """Six positive matrices (3, 3); the third and the last are singular, one by a row of zeros."""
    roots = np.random.default_rng(1).normal(size=(6, 3, 3))
    many = roots @ roots.transpose(0, 2, 1)
    many[2] = 1.0
    many[5, 1], many[5, :, 1] = 0, 0
    return many


def test_regular_matrices_are_solved_and_inverted_as_numpy_does(matrices):
    some = matrices[[0, 1, 3, 4]]
    right = np.arange(24.0).reshape(4, 3, 2)
    np.testing.assert_array_equal(solve_each(some, right), np.linalg.solve(some, right))
    np.testing.assert_array_equal(invert_each(some), np.linalg.inv(some))


def test_singular_ones_leave_the_others_their_numbers(matrices):
    right = np.arange(36.0).reshape(6, 3, 2)
    fine = [0, 1, 3, 4]
    np.testing.assert_array_equal(solve_each(matrices, right)[fine], np.linalg.solve(matrices[fine], right[fine]))
    np.testing.assert_array_equal(invert_each(matrices)[fine], np.linalg.inv(matrices[fine]))
    assert np.isnan(invert_each(matrices)[[2, 5]]).all()


def test_a_singular_one_has_the_shortest_of_the_best_answers(matrices):
    right = np.arange(18.0).reshape(6, 3, 1)
    solved = solve_each(matrices, right)
    for gene in (2, 5):
        np.testing.assert_allclose(solved[gene], np.linalg.lstsq(matrices[gene], right[gene])[0], atol=1e-12)


def test_nan_stays_with_its_gene(matrices):
    matrices[0] = np.nan
    assert np.isnan(solve_each(matrices, np.ones((6, 3, 1)))[0]).all()
    assert np.isnan(invert_each(matrices)[[0, 2, 5]]).all()
    assert np.isfinite(invert_each(matrices)[[1, 3, 4]]).all()


@pytest.mark.parametrize("unit", [1e-200, 1e-12, 1, 1e12, 1e18, 1e200])
def test_units_of_columns_are_no_matter_to_least_squares(unit):
    rng = np.random.default_rng(1)
    x, y = np.column_stack([np.ones(8), rng.normal(size=8) + 3]), rng.normal(size=(8, 5))
    beta = least_squares(x * [1, unit], y)
    np.testing.assert_allclose(beta * [[1], [unit]], np.linalg.lstsq(x, y)[0], rtol=1e-10)
