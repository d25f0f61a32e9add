"""The negative binomial: 60-digit arithmetic, scipy, closed forms, limits, symmetries, samples and messages."""

import math

import anndata
import mpmath
import mudata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, sparse, stats

from scomics_lite import negative_binomial as nb
from scomics_lite.negative_binomial import (
    deviance,
    from_scipy,
    from_size,
    log_likelihood,
    quantile_residuals,
    sample,
    to_scipy,
    to_size,
    variance,
)
from scomics_lite.validation import InputError, check_counts

COUNTS = (0, 1, 2, 5, 15, 16, 17, 100, 1_000, 100_000, 100_000_000)
MEANS = (1e-8, 0.01, 0.5, 1, 3, 99, 1e3, 101_000, 1e6, 1e8, 1e9)
DISPERSIONS = (0, 1e-310, 1e-50, 1e-16, 1e-12, 1e-8, 1e-4, 0.01, 0.0625, 0.2, 1, 10, 1e3, 1e8)
many = settings(max_examples=100, deadline=None, derandomize=True, database=None)  # the same numbers in every run


def slow_log_likelihood(y, mu, phi):
    """The textbook form with digits enough for its cancellation."""
    with mpmath.workdps(400 if phi < 1e-30 else 100):
        y, mu, phi = mpmath.mpf(y), mpmath.mpf(mu), mpmath.mpf(phi)
        if phi == 0:
            return float(y * mpmath.log(mu) - mu - mpmath.loggamma(y + 1))
        k = 1 / phi
        choose = mpmath.loggamma(y + k) - mpmath.loggamma(k) - mpmath.loggamma(y + 1)
        return float(choose - k * mpmath.log(1 + phi * mu) + y * mpmath.log(phi * mu / (1 + phi * mu)))


def slow_deviance(y, mu, phi):
    with mpmath.workdps(400 if phi < 1e-30 else 100):
        y, mu, phi = mpmath.mpf(y), mpmath.mpf(mu), mpmath.mpf(phi)
        first = y * mpmath.log(y / mu) if y else mpmath.mpf(0)
        if phi == 0:
            return float(2 * (first - (y - mu)))
        return float(2 * (first - (y + 1 / phi) * mpmath.log((1 + phi * y) / (1 + phi * mu))))


# --- known answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phi", DISPERSIONS)
def test_log_likelihood_and_deviance_have_all_their_digits(phi):
    y, mu = (values.ravel().astype(float) for values in np.meshgrid(COUNTS, MEANS))
    expected = [slow_log_likelihood(*pair, phi) for pair in zip(y, mu, strict=True)]
    np.testing.assert_allclose(log_likelihood(y, mu, phi), expected, rtol=3e-14, atol=3e-14)
    expected = [slow_deviance(*pair, phi) for pair in zip(y, mu, strict=True)]
    np.testing.assert_allclose(deviance(y, mu, phi), expected, rtol=1e-12, atol=1e-14)


def test_log_likelihood_by_hand():
    # phi = 1 is the geometric distribution: P(y) = (1 - q) q^y with q = mu / (1 + mu).
    assert log_likelihood(3, 4.0, 1.0) == pytest.approx(math.log(0.2 * 0.8**3), rel=1e-14)
    assert log_likelihood(0, 6.0, 0.5) == pytest.approx(-2 * math.log(4), rel=1e-14)
    assert log_likelihood(2, 3.0, 0.0) == pytest.approx(-3 + math.log(9 / 2), rel=1e-14)


def test_log_likelihood_is_scipy_s():
    y, mu, phi = np.arange(200.0), 37.5, 0.3
    n, p = to_scipy(mu, phi)
    np.testing.assert_allclose(log_likelihood(y, mu, phi), stats.nbinom.logpmf(y, n, p), rtol=1e-12)
    np.testing.assert_allclose(log_likelihood(y, mu, 0), stats.poisson.logpmf(y, mu), rtol=1e-12)


def test_probabilities_sum_to_one_and_give_the_moments():
    y = np.arange(20_000.0)
    for mu, phi in [(0.5, 3.0), (20, 0.5), (300, 0.01), (300, 0)]:
        p = np.exp(log_likelihood(y, mu, phi))
        assert p.sum() == pytest.approx(1, rel=1e-12)
        assert p @ y == pytest.approx(mu, rel=1e-10)
        assert p @ (y - mu) ** 2 == pytest.approx(variance(mu, phi), rel=1e-9)


@pytest.mark.parametrize("y", [0, 3, 30])
def test_it_is_the_integral_of_poisson_over_gamma(y):
    mu, phi = 8.0, 0.4
    rates = stats.gamma(1 / phi, scale=mu * phi)
    integral = integrate.quad(lambda rate: stats.poisson.pmf(y, rate) * rates.pdf(rate), 0, 200, limit=200)[0]
    assert log_likelihood(y, mu, phi) == pytest.approx(math.log(integral), rel=1e-8)


def test_nothing_expected_means_nothing_counted():
    np.testing.assert_array_equal(log_likelihood([0, 1], 0.0, [[0.0], [0.2]]), [[0, -np.inf]] * 2)
    np.testing.assert_array_equal(deviance([0, 1], 0.0, [[0.0], [0.2]]), [[0, np.inf]] * 2)


def test_what_is_missing_stays_missing():
    for function in (log_likelihood, deviance):
        result = function([0, 3, np.nan, 3, 0], [np.nan, np.nan, 1, 1, 1], [0.1, 0.1, 0.1, np.nan, np.nan])
        assert np.isnan(result).all()


# --- limits and symmetries --------------------------------------------------------------------------------------------

counts_st = st.integers(0, 10**7)
means_st = st.floats(1e-6, 1e8)
dispersions_st = st.one_of(st.just(0.0), st.floats(1e-14, 100))


@given(y=counts_st, mu=means_st)
@many
def test_poisson_is_the_limit(y, mu):
    poisson = log_likelihood(y, mu, 0)
    assert log_likelihood(y, mu, 1e-30) == pytest.approx(poisson, rel=1e-14, abs=1e-14)


@given(y=counts_st, mu=means_st, phi=dispersions_st)
@many
def test_the_deviance_is_the_likelihood_lost(y, mu, phi):
    lost = 2 * (log_likelihood(y, y, phi) - log_likelihood(y, mu, phi))
    assert deviance(y, mu, phi) == pytest.approx(lost, rel=1e-12, abs=1e-12)
    assert deviance(y, mu, phi) >= 0
    assert deviance(y, y, phi) == 0


@given(y=st.integers(1, 10**6), phi=dispersions_st, away=st.floats(1.001, 100))
@many
def test_the_likelihood_falls_away_from_the_count(y, phi, away):
    at_y, near, far = (log_likelihood(y, y * factor, phi) for factor in (1, away, away**2))
    assert at_y > near > far


@given(mu=st.floats(1e-3, 1e8), phi=st.floats(1e-3, 1e4))
@many
def test_parametrisations_translate_back_and_forth(mu, phi):
    np.testing.assert_allclose(from_scipy(*to_scipy(mu, phi)), (mu, phi), rtol=1e-9)  # 1 - p loses digits near p = 1
    assert from_size(to_size(phi)) == pytest.approx(phi, rel=1e-15)


def test_arrays_broadcast_and_come_in_every_form():
    counts, mean = np.arange(12.0).reshape(3, 4), np.arange(1, 13.0).reshape(3, 4)
    phi = np.array([0, 0.1, 1, 5])
    expected = [[log_likelihood(counts[i, j], mean[i, j], phi[j]) for j in range(4)] for i in range(3)]
    for form in (np.asarray, sparse.csr_array, pd.DataFrame, lambda table: table.astype(int).tolist()):
        np.testing.assert_array_equal(log_likelihood(form(counts), mean, phi), expected)
    assert deviance(counts, mean, phi).shape == (3, 4)


# --- samples ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mu", "phi"), [(0.3, 2.0), (10, 0.4), (500, 0.05), (25, 1e-13), (25, 0)])
def test_samples_have_the_distribution(mu, phi):
    draws = sample(mu, phi, 1, 100_000)
    edges = np.unique(np.quantile(draws, np.linspace(0, 1, 21)[1:-1]).astype(int))  # up to 20 bins
    cumulative = np.cumsum(np.exp(log_likelihood(np.arange(edges[-1] + 1), mu, phi)))[edges]
    expected = np.diff(cumulative, prepend=0, append=1) * len(draws)
    observed = np.bincount(np.searchsorted(edges, draws), minlength=len(expected))
    assert stats.chisquare(observed, expected, sum_check=False).pvalue > 0.001


def test_samples_take_the_shape_and_the_randomness_asked_for():
    assert sample([[1.0], [5.0]], [0.1, 0, 2], 1).shape == (2, 3)
    assert sample([1.0, 5.0], 0.1, 1, size=(4, 2)).shape == (4, 2)
    assert (sample([1.0] * 50, 0.1, 7) == sample([1.0] * 50, 0.1, np.random.default_rng(7))).all()
    assert (sample([0.0] * 50, 0.5, 7) == 0).all()
    assert np.ndim(sample(3.0, 0.5, np.int64(2))) == 0


def test_poisson_and_overdispersed_genes_share_a_table():
    draws = sample(100.0, [0.0, 0.5], 1, (20_000, 2))
    np.testing.assert_allclose(draws.var(axis=0), [100, 5_100], rtol=0.05)


# --- quantile residuals -----------------------------------------------------------------------------------------------


def slow_tails(y, mu, phi):
    """P(Y <= y) and P(Y > y) by adding up the probabilities, with digits enough for the smaller of the two."""
    with mpmath.workdps(700):
        mu, phi = mpmath.mpf(mu), mpmath.mpf(phi)
        term = (1 + phi * mu) ** (-1 / phi) if phi else mpmath.exp(-mu)
        below = term
        for j in range(1, y + 1):
            term *= (1 + (j - 1) * phi) * mu / (1 + phi * mu) / j
            below += term
        return below, 1 - below


@pytest.mark.parametrize("phi", [0, 1e-310, 1e-30, 1e-12, 1e-8, 1e-6, 1e-4, 0.01, 0.3, 2, 50])
@pytest.mark.parametrize("mu", [1e-3, 0.5, 5, 90, 1100])
def test_quantile_residuals_lie_within_the_step_of_the_distribution(mu, phi):
    for y in (0, 1, 3, 10, 100, 1_000):
        (low, not_low), (high, not_high) = slow_tails(y - 1, mu, phi) if y else (0, 1), slow_tails(y, mu, phi)
        left, right = (
            stats.norm.ppf(float(below)) if below < 0.5 else stats.norm.isf(float(above))
            for below, above in ((low, not_low), (high, not_high))
        )
        residuals = quantile_residuals(np.full(200, y), mu, phi, 1)
        slack = 1e-7
        assert (residuals >= max(left, -38) - slack).all() or left > 37
        assert (residuals <= min(right, 38) + slack).all() or right < -37
        if left > -3 and right < 3 and right > left + 1e-3:  # and they fill it
            assert np.ptp(residuals) > 0.8 * (right - left)


@pytest.mark.parametrize(("mu", "phi"), [(0.2, 1), (2, 0.5), (50, 0.1), (1e4, 0.02), (5, 0), (5, 1e-12)])
def test_quantile_residuals_are_normal_under_the_model_alone(mu, phi):
    counts = sample(mu, phi, 3, 20_000)
    assert stats.kstest(quantile_residuals(counts, mu, phi, 5), "norm").pvalue > 0.001
    assert stats.kstest(quantile_residuals(counts, mu * 1.5, phi, 5), "norm").pvalue < 1e-6
    assert stats.kstest(quantile_residuals(counts, mu, phi + 0.7, 5), "norm").pvalue < 0.05


def test_quantile_residuals_at_the_ends():
    np.testing.assert_array_equal(quantile_residuals([10**6, 0, 3], [1, 10**6, np.nan], 0.0, 1), [38, -38, np.nan])
    assert np.isnan(quantile_residuals([np.nan, 3, 3], [1, np.nan, 1], [0.1, 0.1, np.nan], 1)).all()
    assert quantile_residuals(np.ones((3, 4)), 2.0, [0, 0.1, 1, 5], 1).shape == (3, 4)
    same = quantile_residuals([3] * 9, 2.0, 0.1, 4) == quantile_residuals([3] * 9, 2.0, 0.1, np.random.default_rng(4))
    assert same.all()


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: log_likelihood([[1, -2]], 1, 0), r"counts must not be negative; 1 of 2 .*\[0, 1\] is -2"),
        (lambda: deviance(1, -3.5, 0), "mean must not be negative; 1 of 1 are, the first is -3.5"),
        (lambda: variance([1, 2], [0.1, -0.1]), r"dispersion must not be negative; .*\[1\] is -0.1"),
        (lambda: sample(1, 1, None), "rng must be a number .*; got None"),
        (lambda: quantile_residuals(1, 1, 0, 0.5), "rng must be a number .*; got 0.5"),
        (lambda: to_scipy([1, 2], [0.1, 0]), "dispersion 0 has no n and p.*poisson"),
        (lambda: from_size([1, 0]), "size must be positive"),
        (lambda: from_scipy(1, 1.5), "p a probability"),
        (lambda: from_scipy(0, 0.5), "n must be positive"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


# --- containers and names ---------------------------------------------------------------------------------------------

TABLE = pd.DataFrame(np.arange(6.0).reshape(2, 3), index=["s1", "s2"], columns=["a", "b", "c"])


@pytest.mark.parametrize("form", [sparse.csr_array, anndata.AnnData, check_counts, lambda table: table])
@pytest.mark.parametrize("function", ["log_likelihood", "deviance"])
def test_counts_in_any_container(function, form):
    call = getattr(nb, function)
    found = call(form(TABLE), TABLE + 1, 0.3)
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, call(TABLE.to_numpy(), TABLE.to_numpy() + 1, 0.3))
    residuals = nb.quantile_residuals(form(TABLE), 2.0, 0.3, rng=1)
    np.testing.assert_array_equal(residuals, nb.quantile_residuals(TABLE.to_numpy(), 2.0, 0.3, rng=1))


def test_means_and_dispersions_of_other_genes_are_refused():
    for counts in (TABLE, anndata.AnnData(TABLE)):
        with pytest.raises(InputError, match="the names of the mean are not those of the counts: column 0 is 'c'"):
            nb.log_likelihood(counts, TABLE.iloc[:, ::-1] + 1, 0.3)
        with pytest.raises(InputError, match=r"the names of the dispersion .*: row 0 is 'c' instead of 'a'"):
            nb.deviance(counts, 2.0, pd.Series(0.1, index=list("cba")))
    one = TABLE.loc["s1"]
    with pytest.raises(InputError, match="the names of the mean"):
        nb.log_likelihood(one, one[::-1] + 1, 0.3)
    nb.log_likelihood(one, one + 1, pd.Series(0.1, index=list("abc")))


def test_what_holds_no_numbers_is_named():
    with mudata.set_options(pull_on_update=False):
        mdata = mudata.MuData({"rna": anndata.AnnData(TABLE)})
    with pytest.raises(InputError, match="a MuData holds several tables; choose one"):  # numpy would read it for ever
        nb.log_likelihood(mdata, 1.0, 0.1)
    with pytest.raises(InputError, match="mean must hold numbers; got str"):
        nb.variance("one", 0.1)
