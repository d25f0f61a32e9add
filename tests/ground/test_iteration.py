"""The loop that steps many genes at once: each gene as if it were alone, and no step after it has arrived."""

import numpy as np
import pytest

from scomics_lite.iteration import step_until_done

ROOTS = np.array([4.0, 1e6, 1e-3, 2.0, 25.0])


class Rows:
    """Something that is given along another axis than arrays are, as the profile likelihoods are."""

    def __init__(self, values):
        self.values = values

    def take(self, which):
        return Rows(self.values[which])


def heron(state, square):
    """Heron's square root; the last column of `guess` is the newest."""
    x = (state["x"] + square / state["x"]) / 2
    guesses = np.vstack([state["guesses"][1:], x])
    return {"x": x, "guesses": guesses}, np.abs(x - state["x"]) < 1e-12 * x


def start(b):
    return {"x": np.ones(b), "guesses": np.zeros((3, b))}


def test_every_gene_ends_where_it_would_alone():
    state, steps, done = step_until_done(heron, start(5), (ROOTS,), 100)
    assert done.all()
    np.testing.assert_allclose(state["x"], np.sqrt(ROOTS), rtol=1e-14)
    np.testing.assert_array_equal(state["guesses"][-1], state["x"])
    for gene in range(5):
        alone, alone_steps, _ = step_until_done(heron, start(1), (ROOTS[[gene]],), 100)
        assert state["x"][gene] == alone["x"][0]
        np.testing.assert_array_equal(state["guesses"][:, [gene]], alone["guesses"])
        assert steps[gene] == alone_steps[0]
    assert steps.min() < steps.max()


def test_a_gene_that_is_done_takes_no_more_steps():
    seen = []

    def step(state, name):
        seen.append(name.tolist())
        left = state["left"] - 1
        return {"left": left}, left == 0

    state, steps, done = step_until_done(step, {"left": np.array([2, 1, 3])}, (np.array([10, 20, 30]),), 9)
    assert seen == [[10, 20, 30], [10, 30], [30]]
    assert steps.tolist() == [2, 1, 3]
    assert state["left"].tolist() == [0, 0, 0]
    assert done.all()


@pytest.mark.parametrize("most", [0, 1, 4])
def test_genes_out_of_steps_keep_their_last_state(most):
    state, steps, done = step_until_done(heron, start(5), (ROOTS,), most)
    assert (steps == most).all()
    assert not done.any()
    expected = np.ones(5)
    for _ in range(most):
        expected = (expected + ROOTS / expected) / 2
    np.testing.assert_array_equal(state["x"], expected)


def test_what_is_given_may_know_itself_how_to_give_some():
    def step(state, rows):
        assert rows.values.shape == (state["x"].size, 2)
        return {"x": state["x"] + rows.values.sum(axis=1)}, state["x"] > 5

    state, steps, _ = step_until_done(step, {"x": np.zeros(2)}, (Rows(np.array([[1.0, 2], [3, 4]])),), 20)
    assert steps.tolist() == [3, 2]
    assert state["x"].tolist() == [9, 14]


def test_the_caller_s_arrays_stay_as_they_were_and_no_gene_is_no_step():
    first = {"x": np.ones(5), "guesses": np.zeros((3, 5))}
    step_until_done(heron, first, (ROOTS,), 100)
    assert (first["x"] == 1).all()
    state, steps, done = step_until_done(heron, start(0), (np.ones(0),), 100)
    assert state["x"].shape == steps.shape == done.shape == (0,)
