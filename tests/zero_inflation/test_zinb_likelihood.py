"""The likelihoods that are maximised: values against scipy, derivatives against differences, EM against Bayes."""

import math

import numpy as np
import pytest
from scipy import stats

from scomics_lite.zero_inflation import firth, likelihood, repeated_counts

MODELS = ("nb", "zinb", "hurdle")
every_model = pytest.mark.parametrize("model", MODELS)


def parts(n=40, groups=2, rng=1):
    generator = np.random.default_rng(rng)
    one, covariate, group = np.ones(n), generator.normal(size=n), np.arange(n) % groups
    x, z = np.column_stack([one, covariate]), np.column_stack([one, group])
    return likelihood.Parts.of(x, z, np.column_stack([one, group]), generator.lognormal(0, 0.5, n))


def counts(n=40, genes=6, rng=2):
    generator = np.random.default_rng(rng)
    y = generator.poisson(generator.gamma(1, 5, (n, genes))) * (generator.random((n, genes)) > 0.4)
    y[:, -1] *= 1_000
    return y.astype(float)


def setting(model, phi=1.0):
    shared = parts() if model != "nb" else parts().without_zeros()
    theta = np.random.default_rng(3).normal(scale=0.5, size=(sum(shared.sizes), 6))
    theta[0] += 1
    theta[sum(shared.sizes[:2])] += np.log(phi)
    return likelihood.Likelihood.of(model, shared, counts()), theta


@every_model
@pytest.mark.parametrize("phi", [1e-6, 0.01, 1.0, 50.0])
def test_values_are_those_of_scipys_distributions(model, phi):
    objective, theta = setting(model, phi)
    eta, zeta, tau = objective.parts.predictors(theta)
    mu, phi = np.exp(eta), np.exp(tau)[objective.parts.groups]
    log_p = stats.nbinom.logpmf(objective.y, 1 / phi, 1 / (1 + phi * mu))
    if model != "nb":
        log_pi, log_rest = -np.log1p(np.exp(-zeta)), -np.log1p(np.exp(zeta))
        log_pi, log_rest = (values[objective.parts.gates] for values in (log_pi, log_rest))
        zero = stats.nbinom.logpmf(0, 1 / phi, 1 / (1 + phi * mu))
        if model == "zinb":
            log_p = np.where(objective.is_zero, np.logaddexp(log_pi, log_rest + zero), log_rest + log_p)
        else:
            log_p = np.where(objective.is_zero, log_pi, log_rest + log_p - np.log(-np.expm1(zero)))
    np.testing.assert_allclose(
        objective.derivatives(theta)[0], log_p.sum(axis=0), rtol=1e-6 if phi.min() < 1e-4 else 1e-9
    )


def by_differences(derivatives, theta, step=1e-5):
    gradient, information = [], []
    for row in range(len(theta)):
        up, down = theta.copy(), theta.copy()
        up[row] += step
        down[row] -= step
        higher, lower = derivatives(up), derivatives(down)
        gradient.append((higher[0] - lower[0]) / (2 * step))
        information.append(-(higher[1] - lower[1]) / (2 * step))
    return np.array(gradient), np.array(information).transpose(2, 0, 1)


@every_model
@pytest.mark.parametrize("phi", [1e-5, 0.05, 1.0, 30.0])
def test_gradient_and_information_are_those_of_differences(model, phi):
    objective, theta = setting(model, phi)
    _, gradient, information = objective.derivatives(theta)
    near = by_differences(objective.derivatives, theta)
    np.testing.assert_allclose(gradient, near[0], rtol=1e-5, atol=1e-6 * np.abs(gradient).max())
    np.testing.assert_allclose(information, near[1], rtol=1e-5, atol=1e-7 * np.abs(information).max())


@pytest.mark.parametrize("model", ["zinb", "hurdle"])
def test_the_penalised_gradient_is_that_of_differences(model):
    plain, theta = setting(model)
    objective = firth.Penalised.of(plain, np.full((2, 6), 0.7))
    gradient = objective.derivatives(theta)[1]
    near = by_differences(objective.derivatives, theta)[0]
    np.testing.assert_allclose(gradient, near, rtol=1e-5, atol=1e-6 * np.abs(gradient).max())


@every_model
def test_a_gene_has_the_same_derivatives_alone_and_in_any_company(model, monkeypatch):
    objective, theta = setting(model)
    together = objective.derivatives(theta)
    few = objective.take(np.array([4, 1])).derivatives(theta[:, [4, 1]])
    monkeypatch.setattr(likelihood, "SLICE", 50)  # a gene at a time
    one_by_one = objective.derivatives(theta)
    for all_, some, single, axis in zip(together, few, one_by_one, (0, 1, 0), strict=True):
        np.testing.assert_allclose(np.take(all_, [4, 1], axis=axis), some, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(all_, single, rtol=1e-9, atol=1e-9)


def test_complete_information_is_what_is_left_when_the_zeros_are_known():
    """Louis 1982: observed information = complete information - that of what is missing; here for logit pi alone."""
    objective, theta = setting("zinb")
    complete, observed = (objective.derivatives(theta, complete=known)[2] for known in (True, False))
    r, pi = (objective.fitted(theta)[name] for name in ("r", "pi"))
    z = objective.parts.z
    np.testing.assert_allclose(complete[:, 2:4, 2:4], np.einsum("ij,ib,ik->bjk", z, pi * (1 - pi), z), rtol=1e-9)
    missing = np.einsum("ij,ib,ik->bjk", z, r * (1 - r), z)
    np.testing.assert_allclose(observed[:, 2:4, 2:4], complete[:, 2:4, 2:4] - missing, rtol=1e-7, atol=1e-9)
    assert (complete[:, :2, 2:] == 0).all()


def test_responsibilities_are_bayes_rule():
    objective, theta = setting("zinb")
    fitted = objective.fitted(theta)
    expected = fitted["pi"] / (fitted["pi"] + (1 - fitted["pi"]) * np.exp(fitted["f"]))
    np.testing.assert_allclose(fitted["r"], np.where(objective.y == 0, expected, 0), rtol=1e-10)


@pytest.mark.parametrize("y", [2, 3, 17, 400, 30_000])
@pytest.mark.parametrize("phi", [1e-12, 1e-9, 1e-6, 1e-4, 0.01, 0.3, 1.0, 40.0, 1e6])
def test_what_depends_on_the_dispersion_alone_is_the_sum_over_smaller_counts(y, phi):
    steps = np.arange(y)
    terms = np.log1p(phi * steps), phi * steps / (1 + phi * steps), phi * steps / (1 + phi * steps) ** 2
    found = repeated_counts.growth(np.array([float(y)]), np.array([phi]))
    for value, expected in zip(found, terms, strict=True):
        assert value[0] == pytest.approx(math.fsum(expected), rel=1e-8)


def test_equal_counts_are_added_up_by_gene_and_group():
    y, groups = counts(), np.arange(40) % 3
    log_phi = np.random.default_rng(4).normal(size=(3, 6))
    for genes in (np.arange(6), np.array([5, 2]), np.array([False, True, True, False, False, True])):
        found = repeated_counts.RepeatedCounts(y, groups).take(genes).sums(log_phi[:, genes])
        every = [np.zeros((3, len(found[0][0]))) for _ in range(3)]
        for group in range(3):
            for column, gene in enumerate(np.arange(6)[genes]):
                cells = y[groups == group, gene]
                cells = cells[cells > 1]
                phi = np.full(len(cells), np.exp(log_phi[group, gene]))
                for total, term in zip(every, repeated_counts.growth(cells, phi), strict=True):
                    total[group, column] = term.sum()
        for one, other in zip(found, every, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10)
