"""Truncated distributions, and mixtures as priors: against mpmath with 30 digits and numerical integration."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from scipy import integrate, stats

from scomics_lite.empirical_bayes import truncated
from scomics_lite.empirical_bayes.mixtures import FAMILIES, Mixture, Posteriors, make_components
from scomics_lite.validation import InputError

BOUNDS = [
    (-1, 1),
    (0, 2),
    (-3, 0.5),
    (-8, -5),
    (5, 6),
    (5, 50),
    (29, 33),
    (40, 41),
    (200, 201),
    (1e-6, 2e-6),
    (-1e-5, 1e-5),
    (3, 3.01),
    (-0.05, 0.06),
    (-30, 40),
    (-500, 20),
    (100, 100.0001),
]


def exact(low, high, df):
    """Integrate with 30 digits: ln mass, mean and variance between two bounds."""
    low, high = mpmath.mpf(low), mpmath.mpf(high)
    if df is None:
        density = mpmath.npdf
    else:
        df = mpmath.mpf(df)
        factor = mpmath.gamma((df + 1) / 2) / mpmath.gamma(df / 2) / mpmath.sqrt(df * mpmath.pi)

        def density(z):
            return factor * (1 + z**2 / df) ** (-(df + 1) / 2)

    nearest = min(max(low, mpmath.mpf(0)), high)  # where the mass is; pieces grow away from there
    slope = abs(nearest) if df is None else (df + 1) * abs(nearest) / (df + nearest**2)
    step = 1 / max(slope, mpmath.mpf(1) / 2)
    ladder = [step * mpmath.mpf(2) ** number for number in range(-2, 20)]
    inside = [nearest + sign * rung for rung in ladder for sign in (-1, 1)]
    points = sorted({low, nearest, high, *(point for point in inside if low < point < high)})
    mass = mpmath.quad(density, points)
    mean = mpmath.quad(lambda z: z * density(z), points) / mass
    variance = mpmath.quad(lambda z: (z - mean) ** 2 * density(z), points) / mass
    return float(mpmath.log(mass)), float(mean), float(variance)


@pytest.mark.parametrize("df", [None, 1, 2, 3.5, 30, 1000])
def test_truncated_distributions_keep_their_digits(df):
    with mpmath.workdps(30):
        expected = np.array([exact(low, high, df) for low, high in BOUNDS])
    low, high = np.array(BOUNDS, dtype=float).T
    np.testing.assert_allclose(truncated.log_mass(low, high, df), expected[:, 0], rtol=1e-11, atol=1e-11)
    mean, variance = truncated.mean_variance(low, high, df)
    assert (np.abs(mean - expected[:, 1]) <= 1e-11 * np.abs(expected[:, 1]) + 1e-12).all()
    np.testing.assert_allclose(variance, expected[:, 2], rtol=1e-7)  # 9 digits are lost by 1 / 12 beside 200^2


def test_truncated_tails_without_an_end():
    low = np.array([-np.inf, -2.0, 0.0, 3.0, 40.0, 1e4, -np.inf])
    high = np.array([np.inf, np.inf, np.inf, np.inf, np.inf, np.inf, -40.0])
    ends = (-2, 0, 3, 40, 10**4)
    with mpmath.workdps(40):
        masses = [mpmath.ncdf(-z) for z in ends]
        means = [mpmath.npdf(z) / mass for z, mass in zip(ends, masses, strict=True)]
        variances = [1 + z * mean - mean**2 for z, mean in zip(ends, means, strict=True)]
        expected = [float(mpmath.log(mass)) for mass in masses]
    np.testing.assert_allclose(truncated.log_mass(low, high), [0, *expected, expected[3]], rtol=1e-13, atol=1e-13)
    mean, variance = truncated.mean_variance(low, high)
    np.testing.assert_allclose(mean, [0, *map(float, means), -float(means[3])], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(variance, [1, *map(float, variances), float(variances[3])], rtol=1e-9)


@pytest.mark.parametrize("df", [80, 1000, 1e6])
def test_the_tails_of_t_go_on_where_numbers_end(df):
    """A t distribution with many degrees of freedom underflows; its logarithm does not."""
    low, high = np.array([100.0, 1e4, 3e5]), np.array([101.0, 2e4, 4e5])
    with mpmath.workdps(30):
        expected = [exact(a, b, df)[0] for a, b in zip(low, high, strict=True)]
    np.testing.assert_allclose(truncated.log_mass(low, high, df), expected, rtol=1e-10)


def test_an_empty_interval_has_no_mass():
    assert (truncated.log_mass([0.0, 3.0], [0.0, 3.0]) == -np.inf).all()
    assert (truncated.log_mass([0.0, 3.0], [0.0, 3.0], df=4) == -np.inf).all()


# --- mixtures ---------------------------------------------------------------------------------------------------------


def prior_of(family, mode=0.3, spike=True):
    components = make_components(family, [0, 0.05, 0.7, 2.5] if spike else [0.05, 0.7, 2.5], mode)
    weights = np.linspace(1, 2, len(components))
    return Mixture(family, mode, weights / weights.sum(), components)


def slices(prior):
    """Cut the axis where a density has corners."""
    _, lower, upper = prior.spread_out
    corners = np.concatenate([lower, upper, [prior.mode, prior.mode - 0.1, prior.mode + 0.1, -1, 1.5]])
    edges = np.unique(np.clip(corners, -30, 30))
    edges = np.unique([-30, *edges, 30])
    return list(pairwise(edges))


def integral(function, prior):
    return sum(integrate.quad(function, *piece, epsabs=1e-13, epsrel=1e-11, limit=200)[0] for piece in slices(prior))


@pytest.mark.parametrize("spike", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_density_and_cdf_belong_together(family, spike):
    prior = prior_of(family, spike=spike)
    assert prior.spikes == spike
    mass_at_mode = prior.weights[0] if spike else 0
    assert integral(lambda x: float(prior.density(x)), prior) == pytest.approx(1 - mass_at_mode, abs=1e-9)
    x = np.array([-40.0, -2, 0.2, 0.3, 0.35, 3, 40])
    before = [
        sum(integrate.quad(prior.density, low, min(high, end))[0] for low, high in slices(prior) if low < end)
        for end in np.clip(x, -30, 30)
    ]
    np.testing.assert_allclose(prior.cdf(x), before + mass_at_mode * (x >= 0.3), atol=1e-8)
    assert prior.cdf([[0.1, 0.2]]).shape == (1, 2)


def test_at_the_mode_the_density_of_two_halves_is_no_higher():
    prior = Mixture("half_uniform", 0.0, [0.5, 0.5], make_components("half_uniform", [1.0]))
    np.testing.assert_allclose(prior.density([-1e-9, 0.0, 1e-9]), 0.5)
    posterior = Posteriors(prior, np.zeros(3), np.ones(3)).density(np.array([-1e-9, 0.0, 1e-9]))
    np.testing.assert_allclose(posterior, posterior[0], rtol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mirrored_mixture_has_the_mirrored_density(family):
    prior = prior_of(family)
    x = np.linspace(-3, 3, 50)
    np.testing.assert_allclose(prior.mirrored().density(-x), prior.density(x), rtol=1e-14)


@pytest.mark.parametrize(
    ("family", "df"), [*((family, None) for family in FAMILIES), ("uniform", 3), ("half_uniform", 2)]
)
def test_posteriors_against_numerical_integration(family, df):
    prior, b, s = prior_of(family), np.array([-1.5, 0.2, 2.0, 0.0]), np.array([0.5, 0.3, 1.5, 4.0])
    errors = stats.norm if df is None else stats.t(df)
    posteriors = Posteriors(prior, b, s, df)
    mean, sd = posteriors.mean_sd()
    for i in range(len(b)):

        def joint(x, i=i):
            return float(prior.density(x)) * errors.pdf((b[i] - x) / s[i]) / s[i]

        spike = prior.weights[0] * errors.pdf((b[i] - 0.3) / s[i]) / s[i]
        evidence = integral(joint, prior) + spike
        first = (integral(lambda x: x * joint(x), prior) + 0.3 * spike) / evidence
        second = (
            integral(lambda x, first=first: (x - first) ** 2 * joint(x), prior) + (0.3 - first) ** 2 * spike
        ) / evidence
        negative = sum(
            integrate.quad(joint, low, min(high, 0), epsabs=1e-13)[0] for low, high in slices(prior) if low < 0
        )
        assert posteriors.log_evidence[i] == pytest.approx(np.log(evidence), abs=1e-9)
        assert (mean[i], sd[i]) == pytest.approx((first, np.sqrt(second)), abs=1e-8)
        assert posteriors.below(0.0)[i] == pytest.approx(negative / evidence, abs=1e-9)
        assert posteriors.above(0.0)[i] == pytest.approx(1 - negative / evidence, abs=1e-9)
        assert posteriors.at(0.3)[i] == pytest.approx(spike / evidence, abs=1e-9)
        assert posteriors.at(0.0)[i] == 0
        assert posteriors.density(0.9)[i] == pytest.approx(joint(0.9) / evidence, rel=1e-8)


@pytest.mark.parametrize("family", FAMILIES)
def test_estimates_far_from_every_component(family):
    """40 standard errors outside: the posterior is where prior and likelihood meet, and nothing underflows."""
    prior = Mixture(family, 0.0, *even(family, [0.2]))
    posteriors = Posteriors(prior, np.array([40.0, -1e4]), np.ones(2))
    mean, sd = posteriors.mean_sd()
    assert np.isfinite(posteriors.log_evidence).all()
    assert (sd > 0).all()
    np.testing.assert_allclose(posteriors.responsibilities.sum(axis=1), 1, rtol=1e-12)
    if family.endswith("normal"):
        shrunken = 0.04 / 1.04 * np.array([40.0, -1e4])
        assert mean == pytest.approx(shrunken, rel=1e-4)
    else:  # a normal cut off at the bound, z = 39.8 and 9999.8 errors away, is 1 / z inside it
        assert mean == pytest.approx([0.2 - 1 / 39.8, -0.2 + 1 / 9999.8], rel=2e-3)


def even(family, scales):
    components = make_components(family, scales)
    return np.full(len(components), 1 / len(components)), components


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cauchy", 0.0, [1.0], make_components("normal", [1.0])), "no family of mixtures"),
        (("normal", np.inf, [1.0], make_components("normal", [1.0])), "mode of a Mixture must be a finite number"),
        (("normal", 0.0, [0.5, 0.5], make_components("normal", [1.0])), "1 components needs as many weights"),
        (("normal", 0.0, [1.5, -0.5], make_components("normal", [0, 1.0])), "none negative"),
        (("normal", 0.0, [0.5, 0.5], make_components("normal", [1.0, 0])[::-1]), "must be the first component"),
    ],
)
def test_a_wrong_mixture_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Mixture(*arguments)


@pytest.mark.parametrize("scales", [[-1.0], [0, 0, 1.0], [np.inf], [[1.0]]])
def test_wrong_scales_are_refused(scales):
    with pytest.raises(InputError, match="scales must be finite, not negative"):
        make_components("normal", scales)
