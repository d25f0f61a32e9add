"""The weights of mixtures: conditions of the maximum, the EM algorithm run for long, corners."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from scomics_lite.empirical_bayes import mixture_weights
from scomics_lite.empirical_bayes.mixture_weights import em_weights, fit_weights, objective
from scomics_lite.validation import InputError


def normal_likelihoods(n=500, seed=1):
    """Likelihoods of effects from two of the twelve components, neighbours of which are nearly alike."""
    rng = np.random.default_rng(seed)
    effects = rng.normal(0, np.where(rng.random(n) < 0.7, 1.0, 3.0))
    return stats.norm.pdf(effects[:, None], scale=np.geomspace(1, 6, 12))


def slack(likelihoods, prior, weights):
    """By how much the gradient is above n + sum(prior - 1), where no gradient may be at the maximum, over it."""
    total = len(likelihoods) + (prior - 1).sum()
    gradient = (likelihoods / (likelihoods @ weights)[:, None]).sum(axis=0)
    gradient[prior > 1] += (prior - 1)[prior > 1] / weights[prior > 1]
    return gradient / total - 1


@pytest.mark.parametrize("null", [1.0, 10.0])
def test_conditions_of_the_maximum_hold(null):
    likelihoods, prior = normal_likelihoods(), np.array([null, *np.ones(11)])
    weights = fit_weights(likelihoods, prior)
    excess = slack(likelihoods, prior, weights)
    assert weights.sum() == pytest.approx(1, abs=1e-14)
    assert (weights >= 0).all()
    assert excess.max() < 1e-10
    assert np.abs(excess[weights > 0]).max() < 1e-8


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 60), st.booleans())
def test_conditions_of_the_maximum_hold_on_any_table(seed, k, n, penalized):
    rng = np.random.default_rng(seed)
    likelihoods = rng.exponential(size=(n, k)) ** 3 * (rng.random((n, k)) < 0.7)
    likelihoods[likelihoods.max(axis=1) == 0, 0] = 1.0
    prior = 1 + 5 * rng.random(k) * penalized
    weights = fit_weights(likelihoods, prior)
    total = n + (prior - 1).sum()
    assert total * np.log1p(slack(likelihoods, prior, weights).max()) < 1e-8  # bounds what f lacks of its maximum
    assert weights.sum() == pytest.approx(1, abs=1e-12)


def test_em_comes_to_the_same_maximum_in_the_end():
    likelihoods, prior = normal_likelihoods(60)[:, ::3], np.array([10.0, 1, 1, 1])
    weights, path = em_weights(likelihoods, prior, iterations=20_000)
    best = objective(likelihoods, prior, fit_weights(likelihoods, prior))
    assert (np.diff(path) >= -1e-12).all()
    assert path[-1] == pytest.approx(objective(likelihoods, prior, weights), abs=1e-12)
    assert best - 1e-7 < path[-1] <= best + 1e-9


def test_em_stops_short_of_the_maximum():
    likelihoods = normal_likelihoods()
    prior = np.ones(12)
    best = objective(likelihoods, prior, fit_weights(likelihoods))
    _, path = em_weights(likelihoods, iterations=200)
    assert len(path) == 201
    assert 1e-4 < best - path[-1] < best - path[20]


def test_a_general_solver_finds_nothing_better():
    likelihoods, prior = normal_likelihoods(200)[:, ::2], np.array([3.0, *np.ones(5)])
    best = objective(likelihoods, prior, fit_weights(likelihoods, prior))

    def loss(logits):
        weights = np.exp(logits - logits.max())
        return -objective(likelihoods, prior, weights / weights.sum())

    found = optimize.minimize(loss, np.zeros(6), method="Nelder-Mead", options={"maxiter": 20_000, "xatol": 1e-10})
    assert -found.fun <= best + 1e-9


def test_two_components_have_a_formula():
    """Rows with one component alone: the weights are the shares, with the penalty counted as effects."""
    likelihoods = np.repeat(np.eye(2), [30, 10], axis=0)
    np.testing.assert_allclose(fit_weights(likelihoods), [0.75, 0.25], rtol=1e-9)
    np.testing.assert_allclose(fit_weights(likelihoods, [10, 2]), [39 / 50, 11 / 50], rtol=1e-9)


def test_one_component_gets_everything():
    np.testing.assert_array_equal(fit_weights([[0.1], [0.2]]), [1.0])
    np.testing.assert_array_equal(fit_weights([[0.1], [0.2]], prior=[7]), [1.0])


def test_columns_that_are_the_same_share_one_weight():
    likelihoods = normal_likelihoods()[:, [0, 0, 8, 8]]
    weights = fit_weights(likelihoods)
    alone = fit_weights(likelihoods[:, ::2])
    np.testing.assert_allclose([weights[:2].sum(), weights[2:].sum()], alone, atol=1e-6)


def test_factors_of_rows_change_nothing():
    likelihoods = normal_likelihoods()
    factors = 10.0 ** np.random.default_rng(2).uniform(-200, 200, (len(likelihoods), 1))
    np.testing.assert_allclose(fit_weights(likelihoods * factors), fit_weights(likelihoods), atol=1e-6)


def test_blocks_give_the_same_weights():
    likelihoods, prior = normal_likelihoods(), np.ones(12)
    scaled = likelihoods / likelihoods.max(axis=1, keepdims=True)
    parts = [scaled[:100], scaled[100:101], scaled[101:]]
    np.testing.assert_allclose(mixture_weights.maximize(lambda: parts, prior), fit_weights(likelihoods), atol=1e-6)


def test_steps_that_run_out_are_warned_of(monkeypatch):
    monkeypatch.setattr(mixture_weights, "STEPS", 1)
    monkeypatch.setattr(mixture_weights, "EM_STEPS", 0)
    with pytest.warns(UserWarning, match="may be short of the best ones"):
        fit_weights(normal_likelihoods())


@pytest.mark.parametrize(
    ("likelihoods", "prior", "message"),
    [
        ([0.5, 0.1], None, "table of effects x components, got shape"),
        (np.ones((0, 2)), None, "table of effects x components"),
        ([[0.5, 0.1], [0, 0]], None, "above zero for at least one component; row 1"),
        ([[0.5, np.nan]], None, "must be finite"),
        ([[0.5, -0.1]], None, "not negative"),
        ([[0.5, 0.1]], [1, 1, 1], "one number for each of the 2 components, got shape"),
        ([[0.5, 0.1]], ["a", "b"], "one number for each of the 2 components"),
        ([[0.5, 0.1]], [1, 0.5], "below 1, here 0.5 of component 1"),
    ],
)
def test_wrong_tables_are_refused(likelihoods, prior, message):
    with pytest.raises(InputError, match=message):
        fit_weights(likelihoods, prior)
    with pytest.raises(InputError, match=message):
        em_weights(likelihoods, prior, iterations=1)


@pytest.mark.parametrize("iterations", [-1, 2.5, "ten"])
def test_iterations_are_counted(iterations):
    with pytest.raises(InputError, match="iterations must be a whole number"):
        em_weights([[0.5, 0.1]], iterations=iterations)
