"""Adaptive shrinkage: simulations with known truth, invariances, and every kind of bad input."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scomics_lite.empirical_bayes import AshResult, Mixture, ash, average_rate, make_components, unimodal_prior
from scomics_lite.empirical_bayes.mixtures import FAMILIES
from scomics_lite.empirical_bayes.unimodal_prior import default_scales
from scomics_lite.validation import InputError


def simulated(n=4000, seed=1, draw=None, df=None):
    """Draw effects, 60% of them null, standard errors, and estimates."""
    rng = np.random.default_rng(seed)
    draw = draw or (lambda rng, n: rng.normal(0, 1.5, n))
    truth = draw(rng, n) * (rng.random(n) < 0.4)
    errors = np.exp(rng.normal(-0.5, 0.5, n))
    noise = rng.normal(size=n) if df is None else rng.standard_t(df, n)
    return truth, truth + errors * noise, errors


# --- the model is right -----------------------------------------------------------------------------------------------


def sample(prior, rng, n):
    """Draw effects from a mixture."""
    scale, lower, upper = prior.components.iloc[rng.choice(len(prior.weights), n, p=prior.weights)].to_numpy().T
    if prior.family.endswith("uniform"):
        return rng.uniform(lower, upper)
    sides = np.where(upper == prior.mode, -1, np.where(lower == prior.mode, 1, rng.choice([-1, 1], n)))
    return prior.mode + sides * np.abs(rng.normal(0, 1, n)) * scale


def prior_of(family, scales, mode=0.0):
    """Give a mixture with falling weights."""
    components = make_components(family, scales, mode)
    weights = np.linspace(2, 1, len(components))
    return Mixture(family, mode, weights / weights.sum(), components)


def from_prior(prior, df=None, n=20_000):
    rng = np.random.default_rng(1)
    truth, errors = sample(prior, rng, n), np.exp(rng.normal(-0.5, 0.5, n))
    return truth, truth + errors * (rng.normal(size=n) if df is None else rng.standard_t(df, n)), errors


MODELS = [*((family, None) for family in FAMILIES), ("uniform", 5), ("half_uniform", 2)]


def assert_calibrated(claimed, wrong, slack=(0.0, 0.0)):
    """Compare claimed probabilities with frequencies in eight bins, within 4 binomial errors and some slack."""
    for low, high in pairwise(np.quantile(claimed, np.linspace(0, 1, 9))):
        inside = (claimed >= low) & (claimed <= high)
        expected, observed = claimed[inside].mean(), wrong[inside].mean()
        error = 4 * np.sqrt(expected * (1 - expected) / inside.sum())
        assert -error - slack[0] < expected - observed < error + slack[1]


def wrong_sign(result, truth):
    """Say whose likelier sign is not that of the truth; null effects have none, so that both signs are wrong."""
    return np.where(result.positive_prob > result.negative_prob, 1, -1) != np.sign(truth)


@pytest.mark.parametrize(("mixture", "df"), MODELS)
def test_false_signs_are_as_frequent_as_claimed_under_the_right_prior(mixture, df):
    prior = prior_of(mixture, [0, 0.5, 2.0])
    truth, b, s = from_prior(prior, df)
    result = ash(b, s, mixture=prior, df=df)
    assert_calibrated(result.lfsr, wrong_sign(result, truth))
    assert_calibrated(result.lfdr, truth == 0)


@pytest.mark.parametrize("mode", [0.0, 0.7])
@pytest.mark.parametrize(("mixture", "df"), MODELS)
def test_credible_intervals_cover_under_the_right_prior(mixture, df, mode):
    prior = prior_of(mixture, [0.3, 1.0, 3.0], mode)
    truth, b, s = from_prior(prior, df)
    ends = ash(b, s, mixture=prior, df=df).credible_interval(0.9)
    tolerance = 4 * np.sqrt(0.05 * 0.95 / len(truth))
    assert (truth < ends["lower"]).mean() == pytest.approx(0.05, abs=tolerance)
    assert (truth > ends["upper"]).mean() == pytest.approx(0.05, abs=tolerance)


@pytest.mark.parametrize(
    ("mixture", "draw", "df"),
    [
        ("normal", lambda rng, n: rng.normal(0, 1.5, n), None),
        ("uniform", lambda rng, n: rng.uniform(-3, 3, n), None),
        ("half_uniform", lambda rng, n: rng.uniform(-1, 4, n), None),
        ("half_normal", lambda rng, n: np.abs(rng.normal(0, 2, n)), None),
        ("half_uniform", lambda rng, n: rng.normal(0, 3, n), 5),
    ],
)
def test_a_learned_prior_claims_no_too_few_false_signs(mixture, draw, df):
    """20 sets of 1,000 effects. The penalty makes null effects, and false signs, look a little more frequent."""
    sets = [simulated(1000, seed, draw, df) for seed in range(20)]
    results = [ash(b, s, mixture=mixture, df=df) for _, b, s in sets]
    wrong = [wrong_sign(result, truth) for result, (truth, _, _) in zip(results, sets, strict=True)]
    claimed = np.concatenate([result.lfsr for result in results])
    assert_calibrated(claimed, np.concatenate(wrong), slack=(0.01, 0.04))


@pytest.mark.parametrize(
    ("options", "sets", "low", "high"),
    [
        ({}, 20, 0.6, 1.2),
        ({"point_mass": False}, 20, 1.5, 3),
        ({"prior": "uniform"}, 3, 10, 100),
        ({"mode": "estimate"}, 3, 10, 100),
    ],
)
def test_false_signs_where_most_effects_are_exactly_zero(options, sets, low, high):
    """Why the defaults are what they are: wrong signs among lfsr < 0.05 over claimed ones, as in the docstring."""
    claimed = wrong = 0.0
    for seed in range(sets):
        rng = np.random.default_rng(seed)
        truth, s = rng.normal(0, 1, 5000) * (rng.random(5000) < 0.2), np.exp(rng.normal(-1, 0.5, 5000))
        result = ash(truth + s * rng.normal(size=5000), s, **options)
        listed = result.lfsr < 0.05
        claimed, wrong = claimed + result.lfsr[listed].sum(), wrong + wrong_sign(result, truth)[listed].sum()
    assert low < wrong / claimed < high


def test_shrunken_effects_are_nearer_to_the_truth():
    for mixture in FAMILIES:
        truth, b, s = simulated()
        result = ash(b, s, mixture=mixture)
        assert np.mean((result.posterior_mean - truth) ** 2) < 0.6 * np.mean((b - truth) ** 2)


def test_shrinkage_comes_near_that_with_the_true_prior():
    truth, b, s = simulated()
    known = Mixture("normal", 0.0, [0.6, 0.4], make_components("normal", [0, 1.5]))
    learned, best = ash(b, s, mixture="normal"), ash(b, s, mixture=known)
    errors = [np.mean((result.posterior_mean - truth) ** 2) for result in (learned, best)]
    assert errors[0] < 1.02 * errors[1]
    assert learned.log_likelihood > best.log_likelihood - 3  # what the penalty costs at the most, and the grid
    assert learned.pi0 == pytest.approx(0.6, abs=0.1)


@pytest.mark.parametrize(("mixture", "df"), [*((family, None) for family in FAMILIES), ("half_uniform", 3)])
def test_credible_intervals_invert_the_posterior(mixture, df):
    _, b, s = simulated(300)
    result = ash(b, s, mixture=mixture, df=df, point_mass=False)
    ends = result.credible_interval(0.8)
    for gene in range(0, 300, 60):
        grid = np.linspace(ends["lower"][gene], ends["upper"][gene], 20_001)
        density, mass = result.posterior_density(gene, grid)
        assert mass == 0
        assert np.trapezoid(density, grid) == pytest.approx(0.8, abs=2e-3)
        below = np.linspace(ends["lower"][gene] - 20, ends["lower"][gene], 500_001)
        assert np.trapezoid(result.posterior_density(gene, below)[0], below) == pytest.approx(0.1, abs=2e-3)


def test_normal_effects_have_the_textbook_posterior():
    """One normal component: mean b t^2 / (t^2 + s^2), interval mean +- 1.96 sd, false signs Phi(-|mean| / sd)."""
    prior = Mixture("normal", 0.0, [1.0], make_components("normal", [2.0]))
    b, s = np.array([1.0, -3.0]), np.array([1.0, 0.5])
    result = ash(b, s, mixture=prior)
    mean, sd = 4 / (4 + s**2) * b, np.sqrt(4 * s**2 / (4 + s**2))
    np.testing.assert_allclose(result.posterior_mean, mean, rtol=1e-13)
    np.testing.assert_allclose(result.posterior_sd, sd, rtol=1e-13)
    np.testing.assert_allclose(result.lfsr, stats.norm.cdf(-np.abs(mean) / sd), rtol=1e-12)
    np.testing.assert_allclose(result.lfdr, 0)
    assert result.log_likelihood == pytest.approx(stats.norm.logpdf(b, 0, np.sqrt(4 + s**2)).sum(), rel=1e-13)
    ends = result.credible_interval(0.95)
    np.testing.assert_allclose(ends["lower"], mean - 1.959963984540054 * sd, rtol=1e-10)
    np.testing.assert_allclose(ends["upper"], mean + 1.959963984540054 * sd, rtol=1e-10)


def test_an_interval_ends_at_the_point_mass():
    prior = Mixture("normal", 0.0, [0.5, 0.5], make_components("normal", [0, 1.0]))
    ends = ash([0.1, 2.0, 9.0], [1.0, 1.0, 1.0], mixture=prior).credible_interval(0.5)
    assert (ends.loc[0] == 0).all()
    assert ends.loc[1, "lower"] == 0 < ends.loc[1, "upper"]
    assert ends.loc[2, "lower"] > 0


def test_many_degrees_of_freedom_are_normal():
    _, b, s = simulated(500)
    normal, t = (ash(b, s, df=df) for df in (None, np.inf))
    np.testing.assert_allclose(t.posterior_mean, normal.posterior_mean, atol=1e-6)
    np.testing.assert_allclose(t.posterior_sd, normal.posterior_sd, atol=1e-6)


def test_every_gene_may_have_its_own_degrees_of_freedom():
    _, b, s = simulated(300)
    prior = prior_of("half_uniform", [0, 0.5, 3.0])
    df = np.resize([2.0, 5.0, np.inf], 300)
    mixed = ash(b, s, mixture=prior, df=df)
    for one in (2.0, 5.0, np.inf):
        alone, genes = ash(b, s, mixture=prior, df=one), df == one
        for column in ("posterior_mean", "posterior_sd", "lfsr", "lfdr"):
            np.testing.assert_allclose(getattr(mixed, column)[genes], getattr(alone, column)[genes], rtol=1e-10)
        ends, others = mixed.credible_interval()[genes], alone.credible_interval()[genes]
        np.testing.assert_allclose(ends, others, rtol=1e-8, atol=1e-12)
        gene = int(np.argmax(genes))
        np.testing.assert_allclose(mixed.posterior_density(gene, [0.5])[0], alone.posterior_density(gene, [0.5])[0])
    learned = [ash(b, s, df=same).log_likelihood for same in (4.0, np.full(300, 4.0))]
    assert learned[0] == pytest.approx(learned[1], abs=1e-8)
    holes = ash(b, s, df=np.where(np.arange(300) == 7, np.nan, 4.0))
    assert np.isnan(holes.lfsr[7])
    assert np.isnan(holes.lfsr).sum() == 1


@pytest.mark.parametrize("mixture", ["normal", "half_uniform"])
def test_the_mode_is_found(mixture):
    _, b, s = simulated(3000)
    result = ash(b + 1.7, s, mixture=mixture, mode="estimate")
    assert result.mixture.mode == pytest.approx(1.7, abs=0.1)
    assert result.log_likelihood >= ash(b + 1.7, s, mixture=mixture, mode=1.7).log_likelihood
    assert (result.lfdr == 0).all()  # the point mass is not at 0, and an effect there is exactly as impossible


def test_the_higher_of_two_modes_is_found():
    """Two groups of effects: the log likelihood has a maximum at each."""
    rng = np.random.default_rng(3)
    truth = np.where(rng.random(2000) < 0.7, 4.0, 0.0)
    result = ash(truth + 0.1 * rng.normal(size=2000), np.full(2000, 0.1), mixture="normal", mode="estimate")
    assert result.mixture.mode == pytest.approx(4, abs=0.01)


def test_zero_is_the_border_of_signs_and_not_the_mode():
    prior = Mixture("normal", 1.0, [0.5, 0.5], make_components("normal", [0, 0.5], 1.0))
    result = ash([0.9], [0.5], mixture=prior)
    assert result.lfdr[0] == 0
    assert result.lfsr[0] == pytest.approx(result.negative_prob[0])
    assert result.negative_prob[0] + result.positive_prob[0] == pytest.approx(1)


# --- what must not matter ---------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=15)
@given(st.sampled_from(FAMILIES), st.floats(-12, 12), st.integers(0, 1000))
def test_units_do_not_matter(mixture, power, seed):
    _, b, s = simulated(60, seed)
    unit = 10.0**power
    one, other = ash(b, s, mixture=mixture), ash(b * unit, s * unit, mixture=mixture)
    np.testing.assert_allclose(other.lfsr, one.lfsr, atol=1e-5)
    np.testing.assert_allclose(other.posterior_mean / unit, one.posterior_mean, atol=1e-5)
    assert other.log_likelihood == pytest.approx(one.log_likelihood - 60 * np.log(unit), abs=1e-6)


@pytest.mark.parametrize("mixture", FAMILIES)
def test_exchanged_signs_exchange_the_results(mixture):
    _, b, s = simulated(500, draw=lambda rng, n: rng.exponential(1.0, n))
    one, other = ash(b, s, mixture=mixture), ash(-b, s, mixture=mixture)
    np.testing.assert_allclose(other.posterior_mean, -one.posterior_mean, atol=1e-6)
    np.testing.assert_allclose(other.negative_prob, one.positive_prob, atol=1e-6)
    np.testing.assert_allclose(other.credible_interval()["upper"], -one.credible_interval()["lower"], atol=1e-5)


def test_the_order_of_genes_does_not_matter():
    _, b, s = simulated(500)
    order = np.random.default_rng(1).permutation(500)
    one, other = ash(b, s), ash(b[order], s[order])
    np.testing.assert_allclose(other.svalue, one.svalue[order], atol=1e-8)
    np.testing.assert_allclose(other.posterior_sd, one.posterior_sd[order], atol=1e-8)


def test_little_memory_gives_the_same(monkeypatch):
    """Likelihoods that are not kept, and weights that start from a sample, come to the same maximum."""
    _, b, s = simulated()
    kept = ash(b, s)
    monkeypatch.setattr(unimodal_prior, "SAMPLE", 500)
    started = ash(b, s)
    monkeypatch.setattr(unimodal_prior, "KEPT", 1000)
    anew = ash(b, s)
    for result in (started, anew):
        assert result.log_likelihood == pytest.approx(kept.log_likelihood, abs=1e-5)
        np.testing.assert_allclose(result.posterior_mean, kept.posterior_mean, atol=1e-5)
        np.testing.assert_allclose(result.lfsr, kept.lfsr, atol=1e-5)


def test_z_scores_have_a_prior_of_their_own():
    """If effects grow with their errors, that is the better model; the log likelihood is of the effects in both."""
    rng = np.random.default_rng(5)
    s = np.exp(rng.normal(0, 1, 3000))
    b = s * (rng.normal(0, 2, 3000) + rng.normal(size=3000))
    result, other = ash(b, s, mixture="normal", exchangeable="z_scores"), ash(b, s, mixture="normal")
    assert result.log_likelihood > other.log_likelihood + 100
    same = ash(b / s, np.ones(3000), mixture="normal")
    np.testing.assert_allclose(result.posterior_mean, s * same.posterior_mean, rtol=1e-12)
    np.testing.assert_allclose(result.lfsr, same.lfsr, rtol=1e-12)
    assert result.log_likelihood == pytest.approx(same.log_likelihood - np.log(s).sum(), rel=1e-12)
    ends, others = result.credible_interval(), same.credible_interval()
    np.testing.assert_allclose(ends["lower"], s * others["lower"], rtol=1e-9)
    density, _ = result.posterior_density(3, [0.5])
    np.testing.assert_allclose(density, same.posterior_density(3, [0.5 / s[3]])[0] / s[3], rtol=1e-12)


def test_a_known_prior_is_used_as_it_is():
    _, b, s = simulated(300)
    first = ash(b, s)
    again = ash(b, s, mixture=first.mixture)
    assert again.mixture is first.mixture
    np.testing.assert_array_equal(again.lfsr, first.lfsr)


# --- the grid ---------------------------------------------------------------------------------------------------------


def test_default_scales_end_where_ashrs_do():
    scales = default_scales(np.array([3.0, 0.1]), np.array([1.0, 0.5]))
    assert scales[-1] == pytest.approx(2 * np.sqrt(8), rel=1e-14)
    assert scales[0] <= 0.05 < scales[1]
    np.testing.assert_allclose(scales[1:] / scales[:-1], np.sqrt(2))


def test_an_error_next_to_zero_needs_no_thousand_components():
    rng = np.random.default_rng(1)
    effects, errors = rng.normal(0, 1, 200), np.full(200, 0.2)
    ordinary = default_scales(effects, errors)
    counts = {}
    for tiny in (1e-3, 1e-14, 1e-100, 1e-300, 5e-324):
        errors[3] = tiny
        scales = default_scales(effects, errors)
        counts[tiny] = len(scales)
        assert scales[-1] == pytest.approx(ordinary[-1], rel=0.01)
        np.testing.assert_allclose(scales[1:] / scales[:-1], np.sqrt(2))
    assert counts[1e-3] == 2 + np.ceil(2 * np.log2(scales[-1] / 1e-4)) - 1  # ashr's rule, from a tenth of the error on
    assert counts[1e-14] == counts[1e-300] == counts[5e-324] <= 102
    errors[3] = 1e-100
    exact, usual = ash(effects, errors), ash(effects, np.full(200, 0.2))
    others = np.arange(200) != 3
    np.testing.assert_allclose(exact.posterior_mean[others], usual.posterior_mean[others], atol=0.02)
    assert exact.posterior_mean[3] == pytest.approx(effects[3])


def test_default_scales_where_no_effect_is_beyond_its_error():
    scales = default_scales(np.array([0.5, -0.2]), np.array([1.0, 0.5]))
    assert scales[-1] == pytest.approx(0.4)
    assert len(scales) == 7


def test_priors_count_where_they_should():
    _, b, s = simulated(2000)
    shares = [ash(b, s, mixture="normal", prior=prior).pi0 for prior in ("uniform", "null_biased")]
    assert shares[0] <= shares[1]
    k = len(ash(b, s, mixture="normal").weights)
    by_hand = ash(b, s, mixture="normal", prior=[10.0, *np.ones(k - 1)])
    assert by_hand.pi0 == pytest.approx(shares[1], abs=1e-9)


def test_a_biased_prior_without_point_mass_counts_the_smallest_of_both_sides():
    _, b, s = simulated(2000)
    result = ash(b, s, point_mass=False)
    smallest = result.components["scale"] == result.components["scale"].min()
    assert smallest.sum() == 2
    assert (result.weights[smallest] >= 9 / 2018).all()


# --- results ----------------------------------------------------------------------------------------------------------


def test_names_are_kept():
    result = ash(pd.Series([0.1, 2.0], index=["a", "b"]), pd.Series([1.0, 0.3], index=["a", "b"]))
    assert list(result.to_frame().index) == ["a", "b"]
    assert list(result.credible_interval().index) == ["a", "b"]
    assert list(ash([0.1, 2.0], pd.Series([1.0, 0.3], index=["a", "b"])).names) == ["a", "b"]
    assert repr(result).startswith("AshResult of 2 effects: ")
    assert result.posterior_density("b", [1.0])[0] == result.posterior_density(1, [1.0])[0]
    at_zero, mass = result.posterior_density("a", [0.0])
    assert at_zero[0] > 0
    assert mass == pytest.approx(result.lfdr[0])


def test_components_have_their_weights():
    result = ash(*simulated(200)[1:])
    assert list(result.components.columns) == ["scale", "lower", "upper", "weight"]
    assert result.components["weight"].sum() == pytest.approx(1)
    assert result.pi0 == result.components["weight"].iloc[0]
    assert ash(*simulated(200)[1:], point_mass=False).pi0 == 0


def test_density_and_mass_make_one():
    result = ash(*simulated(200)[1:], mixture="half_normal")
    grid = np.linspace(-30, 30, 600_001)
    density, mass = result.posterior_density(np.int64(7), grid)
    assert np.trapezoid(density, grid) + mass == pytest.approx(1, abs=1e-3)


def test_rates_of_lists():
    rates = np.random.default_rng(1).random(50).round(1)  # with ties
    rates[7] = np.nan
    expected = [np.nanmean(rates[rates <= rate]) if rate == rate else np.nan for rate in rates]
    np.testing.assert_allclose(average_rate(rates), expected, rtol=1e-12)
    assert np.isnan(average_rate([np.nan])).all()
    assert average_rate([]).size == 0


def test_the_same_estimates_have_the_same_rates():
    b, s = (np.tile(values, 3) for values in simulated(700)[1:])
    result = ash(b, s)
    for column in ("svalue", "qvalue", "lfsr"):
        values = getattr(result, column).reshape(3, -1)
        np.testing.assert_allclose(values[1:], np.broadcast_to(values[0], (2, 700)), rtol=1e-9)


def test_progress_can_be_shown(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    ash(*simulated(100)[1:], progress=True)
    assert "posteriors" in capsys.readouterr().err


# --- little data, and none ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mixture", FAMILIES)
@pytest.mark.parametrize(
    ("b", "s"),
    [
        ([1.0], [0.5]),
        ([1.0, -1.0], [0.5, 1.0]),
        ([1.0, 0.0, 3.0], [0.5, 1.0, 0.1]),
        ([2.0] * 50, [0.1] * 50),
        ([0.0] * 50, [0.1] * 50),
        ([40.0, -40.0, 1000.0, 0.0], [1.0] * 4),
        ([1.0, 2.0, 3.0], [1e-8, 1.0, 1e6]),
        ([1e150, 2e150, 0.0], [1e149] * 3),
    ],
)
def test_odd_data_have_an_answer(mixture, b, s):
    for options in ({}, {"mode": "estimate"}, {"point_mass": False}, {"exchangeable": "z_scores"}):
        result = ash(b, s, mixture=mixture, **options)
        table = result.to_frame()
        assert np.isfinite(table.to_numpy()).all()
        assert (table[["lfsr", "lfdr", "svalue", "qvalue"]].to_numpy() <= 1 + 1e-12).all()
        assert (table["posterior_sd"] >= 0).all()
        ends = result.credible_interval()
        assert (ends["lower"] <= ends["upper"]).all()


def test_equal_effects_are_all_there_is():
    """50 estimates of 2 with an error of 0.1: the prior reaches as far, and every effect stays."""
    result = ash(np.full(50, 2.0), np.full(50, 0.1))
    np.testing.assert_allclose(result.posterior_mean, 2, atol=0.01)
    assert (result.svalue < 1e-6).all()
    null = ash(np.zeros(50), np.full(50, 0.1))
    assert null.pi0 == pytest.approx(1)
    np.testing.assert_allclose(null.posterior_mean, 0, atol=1e-12)


def test_missing_estimates_stay_missing():
    _, b, s = simulated(200)
    full = ash(b, s)
    holes = ash(np.append(b, [np.nan, 1.0]), np.append(s, [1.0, np.nan]))
    np.testing.assert_allclose(holes.lfsr[:-2], full.lfsr, atol=1e-12)
    np.testing.assert_allclose(holes.svalue[:-2], full.svalue, atol=1e-12)
    assert holes.to_frame().iloc[-2:, 2:].isna().all(axis=None)
    assert holes.credible_interval().iloc[-2:].isna().all(axis=None)
    density, mass = holes.posterior_density(200, [0.0, 1.0])
    assert np.isnan(density).all()
    assert np.isnan(mass)
    assert holes.log_likelihood == pytest.approx(full.log_likelihood, abs=1e-9)


@pytest.mark.parametrize(("mixture", "df"), [*((family, None) for family in FAMILIES), ("half_uniform", 4)])
def test_no_information_leaves_the_prior(mixture, df):
    prior = prior_of(mixture, [0, 0.5, 3.0], 0.2)
    result = ash([5.0, 1.0], [np.inf, 1.0], mixture=prior, df=df)
    rng = np.random.default_rng(1)
    draws = sample(prior, rng, 400_000)
    assert result.posterior_mean[0] == pytest.approx(draws.mean(), abs=0.02)
    assert result.posterior_sd[0] == pytest.approx(draws.std(), rel=0.01)
    assert result.negative_prob[0] == pytest.approx(float(prior.cdf(0.0)), abs=1e-9)
    alone = ash([1.0], [1.0], mixture=prior, df=df)
    assert result.log_likelihood == pytest.approx(alone.log_likelihood)
    fitted = ash([5.0, 1.0, 0.1], [np.inf, 0.2, 0.3], mixture=mixture, df=df)
    np.testing.assert_allclose(fitted.weights, ash([1.0, 0.1], [0.2, 0.3], mixture=mixture, df=df).weights, atol=1e-12)


# --- bad input --------------------------------------------------------------------------------------------------------

NAMED = pd.Series([1.0, 2.0], index=["FBgn1", "FBgn2"])


@pytest.mark.parametrize(
    ("effects", "errors", "options", "message"),
    [
        ([], [], {}, "there are no effects"),
        ([1.0, 2.0], [1.0], {}, "2 effects need as many standard errors, got 1"),
        (NAMED, [1.0, 0.0], {}, "must be positive: 1 of 2 is not, the first 0 .gene 'FBgn2'.*Set both to NaN"),
        (NAMED, [-1.0, -1.0], {}, "must be positive: 2 of 2 are not, the first -1 .gene 'FBgn1'"),
        ([1.0, np.inf], [1.0, 1.0], {}, "effects must be finite: 1 of 2 is not, the first inf .gene 1"),
        ([1.0, 2.0], [np.inf, np.inf], {}, "no effect with a finite standard error"),
        ([np.nan], [1.0], {}, "no effect with a finite standard error"),
        (["a"], [1.0], {}, "effects must be numbers"),
        ([1.0], ["b"], {}, "standard errors must be numbers"),
        ([[1.0]], [[1.0]], {}, "effects must be one number for each gene; got an array of shape"),
        (1.0, 1.0, {}, "got an array of shape"),
        (NAMED, NAMED.iloc[::-1], {}, "in row 0, 'FBgn1' and 'FBgn2'.*standard_errors.loc"),
        (NAMED, [1.0, 1.0], {"df": NAMED.iloc[::-1]}, "effects and df are of different genes.*df.loc"),
        ([1.0], [1.0], {"mixture": "halfuniform"}, "did you mean 'half_uniform'"),
        ([1.0], [1.0], {"mixture": None}, "mixture=None is no family"),
        ([1.0], [1.0], {"df": 0}, "df must be a positive number, or one for each gene, or None"),
        ([1.0], [1.0], {"df": "4"}, "df must be a positive number, or one for each gene"),
        ([1.0], [1.0], {"df": "many"}, "df must be a positive number, or one for each gene"),
        ([1.0, 2.0], [1.0, 1.0], {"df": [3.0, -1.0]}, "df must be a positive number, or one for each gene"),
        ([1.0, 2.0], [1.0, 1.0], {"df": [3.0, 4.0, 5.0]}, "df must be a positive number, or one for each gene"),
        ([1.0, 2.0], [1.0, 1.0], {"df": np.nan}, "df must be a positive number, or one for each gene"),
        ([1.0], [1.0], {"df": 4, "mixture": "normal"}, "have no formula under normal components.*half_uniform"),
        ([1.0], [1.0], {"df": 4, "mixture": "half_normal"}, "have no formula under normal components"),
        ([1.0], [1.0], {"prior": "nullbiased"}, "did you mean 'null_biased'"),
        ([1.0], [1.0], {"prior": [1, 2]}, "one number for each of the 15 components, got shape"),
        ([1.0, 1.0], [1.0, 1.0], {"mixture": "normal", "prior": [0.5] * 8}, "below 1, here 0.5 of component 0"),
        ([1.0], [1.0], {"mode": "mean"}, "mode must be a finite number or 'estimate', got 'mean'"),
        ([1.0], [1.0], {"mode": np.nan}, "mode must be a finite number"),
        ([1.0], [1.0], {"point_mass": "no"}, "point_mass must be True or False"),
        ([1.0], [1.0], {"exchangeable": "zscores"}, "did you mean 'z_scores'"),
        ([1.0, 2.0], [1.0, np.inf], {"exchangeable": "z_scores"}, "must be finite where z_scores are exchangeable"),
    ],
)
def test_bad_input_is_refused(effects, errors, options, message):
    with pytest.raises(InputError, match=message):
        ash(effects, errors, **options)


@pytest.mark.parametrize("level", [0, 1, 95, "0.95", np.nan])
def test_levels_are_probabilities(level):
    with pytest.raises(InputError, match="level is the probability inside the interval"):
        ash([1.0], [1.0]).credible_interval(level)


def test_genes_that_are_not_there():
    result = ash(pd.Series([1.0, 2.0, 3.0], index=["a", "b", "b"]), [1.0, 1.0, 1.0])
    assert isinstance(result, AshResult)
    with pytest.raises(InputError, match="there is no effect 'aa'; did you mean 'a'"):
        result.posterior_density("aa", [0.0])
    with pytest.raises(InputError, match=r"there is no effect \['a'\]"):
        result.posterior_density(["a"], [0.0])
    with pytest.raises(InputError, match="there is no effect 3"):
        result.posterior_density(3, [0.0])
    with pytest.raises(InputError, match="2 effects are called 'b'"):
        result.posterior_density("b", [0.0])
