"""Colocalisation: against configurations of SNPs written out one by one, and on simulated signals with known SNPs."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scomics_lite.twas.meaning.colocalisation_tests import colocalisation, log_bayes_factors
from scomics_lite.validation import InputError

SNPS = [f"rs{j}" for j in range(40)]


def enumerated(beta_1, se_1, beta_2, se_2, sd=0.15, p1=1e-4, p2=1e-4, p12=1e-5):
    """Every pair of (no or one SNP for trait 1, no or one for trait 2), by normal densities of the estimates."""
    one = [1.0, *(stats.norm.pdf(beta_1, 0, np.hypot(sd, se_1)) / stats.norm.pdf(beta_1, 0, se_1))]
    two = [1.0, *(stats.norm.pdf(beta_2, 0, np.hypot(sd, se_2)) / stats.norm.pdf(beta_2, 0, se_2))]
    total = np.zeros(5)
    for i, j in itertools.product(range(len(one)), range(len(two))):
        hypothesis = 0 if not i and not j else 1 if not j else 2 if not i else 4 if i == j else 3
        total[hypothesis] += one[i] * two[j] * (1, p1, p2, p1 * p2, p12)[hypothesis]
    return total / total.sum()


def decaying(m, r=0.9):
    """LD that falls with the distance of SNPs."""
    return r ** np.abs(np.subtract.outer(np.arange(m), np.arange(m)))


def drawn(rng, correlation, causal, effect, se):
    """Marginal estimates of a trait with one causal SNP (or none): beta = R b + noise with the LD of the SNPs."""
    noise = np.linalg.cholesky(correlation) @ rng.standard_normal(len(correlation))
    return (0 if causal is None else effect * correlation[:, causal]) + se * noise


def test_it_is_the_sum_over_all_configurations_written_out():
    rng = np.random.default_rng(1)
    for scale in (0.5, 2.0, 4.0):
        se_1, se_2 = rng.uniform(0.02, 0.1, (2, 12))
        beta_1, beta_2 = rng.normal(0, scale, (2, 12)) * (se_1, se_2)
        found = colocalisation(beta_1, se_1, beta_2, se_2)
        assert list(found.index) == ["H0", "H1", "H2", "H3", "H4"]
        np.testing.assert_allclose(found, enumerated(beta_1, se_1, beta_2, se_2), rtol=1e-10)


def test_priors_and_standard_deviations_are_those_asked_for():
    beta, se = np.array([0.1, 0.3]), np.array([0.05, 0.08])
    found = colocalisation(
        beta, se, -beta, se, prior_sd_1=0.2, prior_sd_2=0.2, prior_1=0.01, prior_2=0.02, prior_both=0.003
    )
    np.testing.assert_allclose(found, enumerated(beta, se, -beta, se, 0.2, 0.01, 0.02, 0.003), rtol=1e-10)


def test_one_snp_cannot_be_two():
    beta, se = np.array([0.2]), np.array([0.03])
    factor = np.exp(log_bayes_factors(beta, se, 0.15)[0])
    odds = np.array([1, 1e-4 * factor, 1e-4 * factor, 0, 1e-5 * factor**2])
    np.testing.assert_allclose(colocalisation(beta, se, beta, se), odds / odds.sum(), rtol=1e-10)


def test_very_strong_signals_stay_finite():
    beta, se = np.zeros(5), np.full(5, 0.001)
    beta[2] = 0.3  # z = 300
    assert colocalisation(beta, se, beta, se)["H4"] > 0.999
    assert colocalisation(beta, se, beta[::-1], se)["H4"] > 0.999  # the third of five, from either end
    assert colocalisation(beta, se, np.roll(beta, 1), se)["H3"] > 0.999


@pytest.mark.parametrize(("second", "truth"), [(20, "H4"), (30, "H3"), (None, "H1")])
def test_it_tells_a_shared_variant_from_two_and_from_none(second, truth):
    rng, correlation, se = np.random.default_rng(2), decaying(40), np.full(40, 0.02)
    mean = np.mean(
        [
            colocalisation(drawn(rng, correlation, 20, 0.16, se), se, drawn(rng, correlation, second, 0.16, se), se)
            for _ in range(100)
        ],
        axis=0,
    )
    assert mean[int(truth[1])] > 0.85
    assert mean.argmax() == int(truth[1])


def test_probabilities_are_calibrated_when_loci_are_drawn_from_the_priors():
    # Priors large enough that each hypothesis is met often; the probability of H4 among loci should be its frequency.
    rng, m, sd, se = np.random.default_rng(3), 20, 0.15, np.full(20, 0.04)
    priors = {"prior_1": 0.02, "prior_2": 0.02, "prior_both": 0.01}
    weights = np.array([1, m * 0.02, m * 0.02, m * (m - 1) * 0.02**2, m * 0.01])
    correlation, said, is_shared = decaying(m, 0.6), [], []
    for hypothesis in rng.choice(5, 1_000, p=weights / weights.sum()):
        first, second = rng.choice(m, 2, replace=False)
        second = first if hypothesis == 4 else second
        snps = (first if hypothesis in (1, 3, 4) else None, second if hypothesis in (2, 3, 4) else None)
        estimates = [drawn(rng, correlation, snp, rng.normal(0, sd), se) for snp in snps]
        said.append(colocalisation(estimates[0], se, estimates[1], se, **priors)["H4"])
        is_shared.append(hypothesis == 4)
    said, is_shared = np.array(said), np.array(is_shared)
    for low, high in ((0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1)):
        inside = (said >= low) & (said <= high)
        error = np.sqrt(np.sum(said[inside] * (1 - said[inside]))) / inside.sum()
        assert abs(is_shared[inside].mean() - said[inside].mean()) < 3.5 * error


def test_the_order_of_traits_and_the_sign_of_a_trait_do_not_matter():
    rng = np.random.default_rng(4)
    se, beta_1, beta_2 = np.full(9, 0.05), *rng.normal(0, 0.15, (2, 9))
    found = colocalisation(beta_1, se, beta_2, se)
    turned = colocalisation(-beta_2, se, beta_1, se)
    np.testing.assert_allclose(turned[["H0", "H2", "H1", "H3", "H4"]], found, rtol=1e-12)


def test_other_snps_and_numbers_that_are_none_are_refused_by_name():
    beta = pd.Series([0.1, 0.2], index=["rs1", "rs2"])
    se = pd.Series([0.1, 0.1], index=["rs1", "rs2"])
    with pytest.raises(InputError, match=r"row 0 is 'rs2' instead of 'rs1'.*loc"):
        colocalisation(beta, se, beta[::-1], se)
    colocalisation(beta, se, beta[::-1].loc[beta.index], se)  # the advice
    with pytest.raises(InputError, match=r"SNP 'rs2' has 0\.2 and 0\.0"):
        colocalisation(beta, se * [1, 0], beta, se)
    colocalisation(beta[:1], se[:1], beta[:1], se[:1])  # the advice
    with pytest.raises(InputError, match="there is no SNP"):
        colocalisation([], [], [], [])
    with pytest.raises(InputError, match="first trait has 2 SNPs, the second 1"):
        colocalisation([0.1, 0.2], [0.1, 0.1], [0.1], [0.1])
    with pytest.raises(InputError, match="2 effects need as many standard errors"):
        colocalisation([0.1, 0.2], [0.1], [0.1], [0.1])
    with pytest.raises(InputError, match="prior_both is a probability"):
        colocalisation(beta, se, beta, se, prior_both=0)
    with pytest.raises(InputError, match="prior_sd is a standard deviation"):
        colocalisation(beta, se, beta, se, prior_sd_1=-1)
