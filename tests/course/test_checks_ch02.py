"""The bank of chapter 2: right answers written differently pass, typical wrong ones get the diagnosis that fits."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from fixtures.check_bank import BankTests
from scipy import optimize, special, stats
from scipy.special import gammaln

from scomics_lite import design, dispersion, glm, negative_binomial, normalization
from scomics_lite.course import notebooks
from scomics_lite.course.checks import review
from scomics_lite.course.checks.ch02 import questions as ch02
from scomics_lite.course.checks.ch02 import slips as ch02_slips
from scomics_lite.dispersion import trend

SOLUTIONS = Path(__file__).parents[2] / "solutions" / "02_negative_binomial_and_overdispersion_solutions.ipynb"

# --- 1: variance ------------------------------------------------------------------------------------------------------


def draw(mean, dispersion, n, rng):
    return rng.poisson(rng.gamma(1 / dispersion, dispersion * mean, size=n))


def draw_loop(mean, dispersion, n, rng):
    counts = []
    for _ in range(n):
        rate = rng.gamma(1 / dispersion, dispersion * mean)
        counts.append(int(rng.poisson(rate)))
    return counts


def draw_scipy(mean, dispersion, n, rng):
    rates = stats.gamma(a=1 / dispersion, scale=dispersion * mean).rvs(size=n, random_state=rng)
    return pd.Series(stats.poisson(rates).rvs(random_state=rng))


def answer_1(variance=lambda mean, dispersion: mean + dispersion * mean**2, draw=draw):
    return {"variance": variance, "draw": draw}


VARIANCE_RIGHT = {
    "numpy": answer_1(),
    "one rate after the other, plain Python": answer_1(lambda m, d: m * (1 + d * m), draw_loop),
    "scipy and pandas": answer_1(lambda m, d: np.array(m + d * np.square(m)), draw_scipy),
    "negative_binomial": answer_1(
        lambda m, d: np.float64(m + (np.sqrt(d) * m) ** 2),
        lambda m, d, n, rng: rng.negative_binomial(1 / d, 1 / (1 + d * m), size=n),
    ),
}


def gamma_draw(shape, scale):
    return answer_1(draw=lambda m, d, n, rng: rng.poisson(rng.gamma(shape(m, d), scale(m, d), size=n)))


def draw_log_normal(mean, dispersion, n, rng):
    sigma = np.sqrt(np.log(1 + dispersion))
    return rng.poisson(rng.lognormal(np.log(mean) - sigma**2 / 2, sigma, size=n))


VARIANCE_WRONG = {
    "Poisson": (answer_1(lambda m, d: m), "is that of a Poisson count"),
    "rates alone": (answer_1(lambda m, d: d * m**2), "has only what the rates add"),
    "proportional": (answer_1(lambda m, d: m + d * m), "grows in proportion to the mean"),
    "dispersion added": (answer_1(lambda m, d: m + d), "grows in proportion to the mean"),
    "a coefficient of variation": (answer_1(lambda m, d: m + (d * m) ** 2), "is the square of one"),
    "size": (answer_1(lambda m, d: m + m**2 / d), "formula of the size k"),
    "standard deviation": (answer_1(lambda m, d: np.sqrt(m + d * m**2)), "standard deviation"),
    "not at zero": (answer_1(lambda m, d: m + d * m**2 if d > 0 else m + 1), "except at dispersion 0"),
    "no return": (answer_1(lambda m, d: None), "is a `return` missing"),
    "called": (answer_1(variance=15.0), "without calling it"),
    "one missing": ({"variance": lambda m, d: m}, "says nothing about 'draw'"),
    "rates handed back": (answer_1(draw=lambda m, d, n, rng: rng.gamma(1 / d, d * m, size=n)), "those are rates"),
    "rates rounded": (answer_1(draw=lambda m, d, n, rng: np.rint(rng.gamma(1 / d, d * m, size=n))), "rounds the rates"),
    "rates cut off": (answer_1(draw=lambda m, d, n, rng: rng.gamma(1 / d, d * m, size=n).astype(int)), "rounds the"),
    "one rate for all": (
        answer_1(draw=lambda m, d, n, rng: rng.poisson(rng.gamma(1 / d, d * m), size=n)),
        "all n counts share one rate",
    ),
    "no rates": (answer_1(draw=lambda m, d, n, rng: rng.poisson(m, size=n)), "draws Poisson counts around the mean"),
    "shape upside down": (gamma_draw(lambda m, d: d, lambda m, d: m / d), "for the gamma's shape"),
    "a rate for a scale": (gamma_draw(lambda m, d: 1 / d, lambda m, d: 1 / (d * m)), "has something upside down"),
    "p for 1 - p": (
        answer_1(draw=lambda m, d, n, rng: rng.negative_binomial(1 / d, d * m / (1 + d * m), size=n)),
        "has something upside down",
    ),
    "mean forgotten": (gamma_draw(lambda m, d: 1 / d, lambda m, d: d), "gives the rates mean 1"),
    "mean as shape": (gamma_draw(lambda m, d: m, lambda m, d: d), "hands the mean to the gamma as its shape"),
    "dispersion as variance": (gamma_draw(lambda m, d: m**2 / d, lambda m, d: d / m), "relative to the squared mean"),
    "dispersion as CV": (gamma_draw(lambda m, d: d**-2, lambda m, d: d**2 * m), "rates' coefficient of variation"),
    "log-normal rates": (answer_1(draw=draw_log_normal), "are the rates gamma distributed"),
    "too noisy": (gamma_draw(lambda m, d: 0.5 / d, lambda m, d: 2 * d * m), "whose variance is not the one asked for"),
    "too many": (gamma_draw(lambda m, d: 1 / d, lambda m, d: 2 * d * m), "whose mean is not the one asked for"),
    "one count": (answer_1(draw=lambda m, d, n, rng: rng.poisson(rng.gamma(1 / d, d * m))), "has shape ()"),
    "own rng": (
        answer_1(draw=lambda m, d, n, rng: draw(m, d, n, np.random.default_rng())),
        "gives other counts for the same rng",
    ),
    "own seed": (
        answer_1(draw=lambda m, d, n, rng: draw(m, d, n, np.random.default_rng(1))),
        "the same counts whatever rng",
    ),
}

# --- 2: parametrisations ----------------------------------------------------------------------------------------------


def to_scipy(mean, dispersion):
    return 1 / dispersion, 1 / (1 + dispersion * mean)


def from_scipy(n, p):
    return n * (1 - p) / p, 1 / n


def answer_2(to_scipy=to_scipy, from_scipy=from_scipy):
    return {"to_scipy": to_scipy, "from_scipy": from_scipy}


def to_scipy_by_variance(mean, dispersion):
    variance = mean + dispersion * mean**2
    return [mean**2 / (variance - mean), mean / variance]


def from_scipy_by_moments(n, p):
    gene = stats.nbinom(n, p)
    return {"dispersion": (gene.var() - gene.mean()) / gene.mean() ** 2, "mean": gene.mean()}


PARAMETRISATIONS_RIGHT = {
    "formulas": answer_2(),
    "by the variance": answer_2(to_scipy_by_variance, from_scipy_by_moments),
    "by the size": answer_2(
        lambda m, d: np.array([1 / d, (1 / d) / (1 / d + m)]), lambda n, p: np.array([n / p - n, n**-1.0])
    ),
    "package": answer_2(negative_binomial.to_scipy, negative_binomial.from_scipy),
}


def p_is(function):
    return answer_2(lambda m, d: (1 / d, function(m, d)))


def mean_is(function):
    return answer_2(from_scipy=lambda n, p: (function(n, p), 1 / n))


def dispersion_is(function):
    return answer_2(from_scipy=lambda n, p: (n * (1 - p) / p, function(n, p)))


PARAMETRISATIONS_WRONG = {
    "n the dispersion": (answer_2(lambda m, d: (d, 1 / (1 + d * m))), "n is the dispersion itself"),
    "n the mean": (answer_2(lambda m, d: (m, 1 / (1 + d * m))), "does not depend on the mean"),
    "n from the BCV": (answer_2(lambda m, d: (d**-0.5, 1 / (1 + d * m))), "the dispersion is the square of it"),
    "p for 1 - p": (p_is(lambda m, d: d * m / (1 + d * m)), "the other outcome"),
    "dispersion forgotten": (p_is(lambda m, d: 1 / (1 + m)), "p forgets the dispersion"),
    "mean forgotten": (p_is(lambda m, d: 1 / (1 + d)), "p forgets the mean"),
    "size and dispersion mixed": (p_is(lambda m, d: d / (d + m)), "where its reciprocal belongs"),
    "swapped": (answer_2(lambda m, d: to_scipy(m, d)[::-1]), "they have changed places"),
    "only n": (answer_2(lambda m, d: 1 / d), "should hand back n and p"),
    "three things": (answer_2(lambda m, d: (*to_scipy(m, d), m)), "should hand back n and p"),
    "printed": (answer_2(lambda m, d: None), "should hand back n and p"),
    "success and failure": (mean_is(lambda n, p: n * p / (1 - p)), "in each other's place"),
    "binomial": (mean_is(lambda n, p: n * p), "is a binomial's"),
    "all trials": (mean_is(lambda n, p: n / p), "counts all trials"),
    "variance for mean": (mean_is(lambda n, p: n * (1 - p) / p**2), "mean is the variance"),
    "n back": (dispersion_is(lambda n, p: n), "is n. The dispersion is what n is not"),
    "variance for dispersion": (dispersion_is(lambda n, p: n * (1 - p) / p**2), "is the variance of the count"),
    "from p": (dispersion_is(lambda n, p: (1 - p) / p), "depends on p, and should not"),
    "BCV": (dispersion_is(lambda n, p: n**-0.5), "biological coefficient of variation"),
    "back to front": (answer_2(from_scipy=lambda n, p: from_scipy(n, p)[::-1]), "they have changed places"),
    "words": (answer_2(from_scipy=lambda n, p: ("mean", "dispersion")), "your mean"),
    "crash": (answer_2(lambda m, d: m[0]), "your code raised"),
}

# --- 3: moments -------------------------------------------------------------------------------------------------------


def raw_moments(counts, size_factors, *, ddof=1, poisson=lambda s: np.mean(1 / s), power=2):
    q = counts / size_factors[:, None]
    m, v = q.mean(axis=0), q.var(axis=0, ddof=ddof)
    return (v - m * poisson(size_factors)) / m**power


def moments(counts, size_factors, **settings):
    raw = raw_moments(counts, size_factors, **settings)
    return np.maximum(raw, 0), raw < 0


def moments_pandas(counts, size_factors):
    q = pd.DataFrame(counts).div(size_factors, axis=0)
    raw = (q.var() - q.mean() * (1 / pd.Series(size_factors)).mean()) / q.mean() ** 2
    return pd.DataFrame({"clipped": raw < 0, "dispersions": raw.clip(lower=0)})


def moments_loop(counts, size_factors):
    dispersions, clipped = [], []
    for column in counts.T:
        q = [y / s for y, s in zip(column, size_factors, strict=True)]
        m = sum(q) / len(q)
        v = sum((one - m) ** 2 for one in q) / (len(q) - 1)
        chance = m * sum(1 / s for s in size_factors) / len(q)
        raw = float("nan") if m == 0 else (v - chance) / m**2
        dispersions.append(0.0 if raw < 0 else raw)
        clipped.append(bool(raw < 0))
    return {"dispersions": dispersions, "clipped": clipped}


def moments_package(counts, size_factors):
    raw = dispersion.moments(counts, size_factors=size_factors)
    return np.where(raw < 0, 1e-8, raw), (raw < 0).astype(int)  # DESeq2's smallest dispersion will do for zero


MOMENTS_RIGHT = {f.__name__: f for f in (moments, moments_pandas, moments_loop, moments_package)}


def flags_are(function):
    return lambda y, s: (moments(y, s)[0], function(raw_moments(y, s)))


def moments_in_place(counts, size_factors):
    counts[:] = np.rint(counts / size_factors[:, None])
    return moments(counts, np.ones(len(counts)))


MOMENTS_WRONG = {
    "not clipped": (lambda y, s: (raw_moments(y, s), raw_moments(y, s) < 0), "is negative where"),
    "abs": (lambda y, s: (np.abs(raw_moments(y, s)), raw_moments(y, s) < 0), "because the sign was dropped"),
    "NaN for clipped": (
        lambda y, s: (np.where(raw_moments(y, s) < 0, np.nan, raw_moments(y, s)), raw_moments(y, s) < 0),
        "is NaN where it should be clipped",
    ),
    "numpy's variance": (lambda y, s: moments(y, s, ddof=0), "divides by n"),
    "mean subtracted": (lambda y, s: moments(y, s, poisson=lambda s: 1), "as if a normalized count were Poisson"),
    "one over the mean of s": (lambda y, s: moments(y, s, poisson=lambda s: 1 / s.mean()), "one over the average"),
    "raw counts": (lambda y, s: moments(y, np.ones_like(s)), "comes from raw counts"),
    "multiplied": (lambda y, s: moments(y * s[:, None] ** 2, s), "multiplied by s"),
    "divided by the mean": (lambda y, s: moments(y, s, power=1), "divided by the mean once"),
    "Poisson kept": (lambda y, s: moments(y, s, poisson=lambda s: 0), "still holds the Poisson part"),
    "square roots": (
        lambda y, s: (np.sqrt(moments(y, s)[0]), moments(y, s)[1]),
        "a biological coefficient of variation",
    ),
    "per sample": (lambda y, s: moments(y.T, np.ones(y.shape[1])), "has shape (5,)"),
    "one array": (lambda y, s: moments(y, s)[0], "should hand back dispersions and clipped"),
    "nothing marked": (flags_are(lambda raw: np.maximum(raw, 0) < 0), "look before you clip"),
    "marked the other way": (flags_are(lambda raw: raw >= 0), "needed no clipping"),
    "positions": (flags_are(lambda raw: np.flatnonzero(raw < 0)), "holds the positions of genes"),
    "a number of genes": (flags_are(lambda raw: (raw < 0).sum()), "`clipped` has shape ()"),
    "small ones marked": (flags_are(lambda raw: raw < 0.05), "`clipped` is wrong for"),
    "zero for no count": (lambda y, s: (np.nan_to_num(moments(y, s)[0]), moments(y, s)[1]), "so NaN"),
    "no count is clipped": (flags_are(lambda raw: ~(raw >= 0)), "there is nothing to clip"),
    "in place": (moments_in_place, "changes its argument number 1 in place"),
    "one factor for each gene": (lambda y, s: moments(y / s, np.ones(5)), "your code raised ValueError"),
}

# --- 4: profile -------------------------------------------------------------------------------------------------------


def plain_profile(y, mean, phi):
    return np.array([stats.nbinom.logpmf(y, 1 / one, 1 / (1 + one * mean)).sum() for one in phi])


def half_log_det(x, weights):
    return np.array([np.log(np.linalg.det(x.T @ np.diag(w) @ x)) / 2 for w in weights])


def weights(mean, phi):
    return [mean / (1 + one * mean) for one in phi]


def profile(y, mean, x, phi, cox_reid, *, adjustment=lambda x, mean, phi: half_log_det(x, weights(mean, phi))):
    return plain_profile(y, mean, phi) - (adjustment(x, mean, phi) if cox_reid else 0)


def profile_vectorised(y, mean, x, phi, cox_reid):
    k = 1 / phi[:, None]
    terms = gammaln(y + k) - gammaln(k) - (y + k) * np.log(mean + k) + k * np.log(k)  # nothing without the dispersion
    w = mean * k / (mean + k)
    return terms.sum(axis=1) - cox_reid * np.linalg.slogdet(np.einsum("ni,kn,nj->kij", x, w, x))[1] / 2


def profile_statsmodels(y, mean, x, phi, cox_reid):
    heights = []
    for one in phi:
        family = sm.families.NegativeBinomial(alpha=one)
        height = family.loglike(y, mean)
        if cox_reid:
            information = x.T * (mean**2 / family.variance(mean)) @ x
            height -= np.log(np.linalg.eigvalsh(information)).sum() / 2
        heights.append(float(height))
    return heights


def profile_package(y, mean, x, phi, cox_reid):
    if cox_reid:
        return pd.Series(dispersion.cox_reid_profile(y[:, None], mean[:, None], x, phi[None])[0], index=phi)
    return negative_binomial.log_likelihood(y[:, None], mean[:, None], phi).sum(axis=0)


PROFILE_RIGHT = {f.__name__: f for f in (profile, profile_vectorised, profile_statsmodels, profile_package)}


def plain_is(function):
    return lambda y, mean, x, phi, cox_reid: function(y, mean, phi)


def adjustment_is(function):
    return lambda *args: profile(*args, adjustment=function)


def size_for_dispersion(y, mean, phi):
    return [stats.nbinom.logpmf(y, one, 1 / (1 + one * mean)).sum() for one in phi]


def wrong_p(y, mean, phi):
    return [stats.nbinom.logpmf(y, 1 / one, one * mean / (1 + one * mean)).sum() for one in phi]


PROFILE_WRONG = {
    "Poisson": (
        plain_is(lambda y, m, phi: [stats.poisson.logpmf(y, m).sum()] * len(phi)),
        "the same at every dispersion",
    ),
    "size for dispersion": (plain_is(size_for_dispersion), "takes the dispersion for the size"),
    "p for 1 - p": (plain_is(wrong_p), "p and 1 - p in each other's place"),
    "negative": (lambda *args: -profile(*args), "negative log likelihood"),
    "mean over samples": (plain_is(lambda y, m, phi: plain_profile(y, m, phi) / len(y)), "a mean over the samples"),
    "not logged": (plain_is(lambda y, m, phi: np.exp(plain_profile(y, m, phi))), "its logarithm was asked for"),
    "gamma functions alone": (
        plain_is(lambda y, m, phi: [(gammaln(y + 1 / one) - gammaln(1 / one)).sum() for one in phi]),
        "lacks a term",
    ),
    "one number": (plain_is(lambda y, m, phi: plain_profile(y, m, phi).max()), "has shape ()"),
    "a table": (
        plain_is(lambda y, m, phi: negative_binomial.log_likelihood(y[:, None], m[:, None], phi)),
        "has shape (7, 9)",
    ),
    "always adjusted": (
        lambda y, mean, x, phi, cox_reid: profile(y, mean, x, phi, True),
        "cox_reid=False holds the adjustment",
    ),
    "never adjusted": (
        lambda y, mean, x, phi, cox_reid: profile(y, mean, x, phi, False),
        "cox_reid=True is the same as without",
    ),
    "Poisson weights": (
        adjustment_is(lambda x, mean, phi: half_log_det(x, [mean] * len(phi))),
        "does the dispersion take part in W",
    ),
    "added": (adjustment_is(lambda x, mean, phi: -half_log_det(x, weights(mean, phi))), "adds the adjustment"),
    "no half": (adjustment_is(lambda x, mean, phi: 2 * half_log_det(x, weights(mean, phi))), "subtracts the whole"),
    "no half, added": (adjustment_is(lambda x, mean, phi: -2 * half_log_det(x, weights(mean, phi))), "adds the whole"),
    "no logarithm": (
        adjustment_is(lambda x, mean, phi: np.exp(2 * half_log_det(x, weights(mean, phi))) / 2),
        "its logarithm was asked for",
    ),
    "inverse variances": (
        adjustment_is(lambda x, mean, phi: half_log_det(x, [1 / (mean + one * mean**2) for one in phi])),
        "has other weights",
    ),
    "upside down weights": (
        adjustment_is(lambda x, mean, phi: half_log_det(x, [1 / w for w in weights(mean, phi)])),
        "has other weights",
    ),
    "no design": (
        adjustment_is(lambda x, mean, phi: np.array([np.log(w).sum() / 2 for w in weights(mean, phi)])),
        "with the design in it",
    ),
    "no return": (lambda *args: None, "is a `return` missing"),
}

# --- 5: trend ---------------------------------------------------------------------------------------------------------


def fit_trend(means, phi, *, low=1e-4, high=15, power=1, rounds=100):
    a = np.array([0.1, 1.0])
    for _ in range(rounds):
        fit = a[0] + a[1] / means
        kept = (phi / fit > low) & (phi / fit < high)
        columns = np.column_stack([np.ones(kept.sum()), 1 / means[kept]]) / fit[kept, None] ** power
        a = np.linalg.lstsq(columns, phi[kept] / fit[kept] ** power, rcond=None)[0]
    return tuple(a)


def fit_trend_statsmodels(means, phi):
    a, x = np.array([0.1, 1.0]), sm.add_constant(1 / means)
    for _ in range(20):
        kept = (phi / (x @ a) > 1e-4) & (phi / (x @ a) < 15)
        family = sm.families.Gamma(sm.families.links.Identity())
        a = sm.GLM(phi[kept], x[kept], family=family).fit(start_params=a).params
    return a


def fit_trend_optimised(means, phi):
    a = np.log([0.1, 1.0])
    for _ in range(8):
        fit = np.exp(a[0]) + np.exp(a[1]) / means
        kept = (phi / fit > 1e-4) & (phi / fit < 15)

        def deviance(a, m=means[kept], d=phi[kept]):
            fit = np.exp(a[0]) + np.exp(a[1]) / m
            return (np.log(fit) + d / fit).sum()

        a = optimize.minimize(deviance, a, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9}).x
    return {"a1": np.exp(a[1]), "a0": np.exp(a[0])}


def fit_trend_package(means, phi):
    found = trend.parametric_trend(means, phi)
    return [found.asymptotic, found.extra_poisson]


TREND_RIGHT = {f.__name__: f for f in (fit_trend, fit_trend_statsmodels, fit_trend_optimised, fit_trend_package)}


def fit_trend_of_logs(means, phi):
    a0, a1 = fit_trend(means, phi)
    kept = (phi / (a0 + a1 / means) > 1e-4) & (phi / (a0 + a1 / means) < 15)
    start = np.log([a0, a1])
    residuals = lambda a: np.log(np.exp(a[0]) + np.exp(a[1]) / means[kept]) - np.log(phi[kept])  # noqa: E731
    return tuple(np.exp(optimize.least_squares(residuals, start).x))


def fit_line(means, phi, kept=slice(None)):
    return np.polyfit(1 / means[kept], phi[kept], 1)[::-1]


TREND_WRONG = {
    "ordinary least squares": (fit_line, "all genes weigh the same"),
    "ordinary, without the lowest": (lambda m, phi: fit_line(m, phi, phi > 1e-6), "all genes weigh the same"),
    "outliers kept": (lambda m, phi: fit_trend(m, phi, low=0, high=np.inf), "lets the strange genes vote"),
    "high ones kept": (lambda m, phi: fit_trend(m, phi, high=np.inf), "far above the curve"),
    "low ones kept": (lambda m, phi: fit_trend(m, phi, low=0), "next to zero"),
    "weights of one over the fit": (lambda m, phi: fit_trend(m, phi, power=0.5), "another power of the fit"),
    "weights of the fourth power": (lambda m, phi: fit_trend(m, phi, power=2), "another power of the fit"),
    "one round": (lambda m, phi: fit_trend(m, phi, rounds=1), "has not settled"),
    "logarithms": (fit_trend_of_logs, "follows the logarithms"),
    "logarithms of all genes": (
        lambda m, phi: np.exp(
            optimize.curve_fit(lambda m, *a: np.log(np.exp(a[0]) + np.exp(a[1]) / m), m, np.log(phi), p0=(-3, 1))[0]
        ),
        "follows the logarithms",
    ),
    "swapped": (lambda m, phi: fit_trend(m, phi)[::-1], "in each other's place"),
    "along the mean": (
        lambda m, phi: np.polyfit(m[crowd(m, phi)], phi[crowd(m, phi)], 1)[::-1],
        "along the mean itself",
    ),
    "the curve": (lambda m, phi: fit_trend(m, phi)[0] + fit_trend(m, phi)[1] / m, "the curve at every gene"),
    "logs of both": (lambda m, phi: np.log(fit_trend(m, phi)), "log scale"),
    "a0 alone": (lambda m, phi: fit_trend(m, phi)[0], "should hand back a0 and a1"),
    "the start": (lambda m, phi: (0.1, 1.0), "your trend is wrong in"),
    "no return": (lambda m, phi: None, "should hand back a0 and a1"),
}


def crowd(means, phi):
    a0, a1 = fit_trend(means, phi)
    return (phi / (a0 + a1 / means) > 1e-4) & (phi / (a0 + a1 / means) < 15)


# --- 6: map -----------------------------------------------------------------------------------------------------------

ORDER = ["few reads", "many reads", "many samples", "near the trend"]


def log_prior(phi, trended, prior_variance):
    return -(np.log(phi / trended) ** 2) / (2 * prior_variance)


def map_dispersion(counts, mean, x, trended, prior_variance, *, prior=log_prior, cox_reid=True, low=1e-4):
    phi = np.geomspace(low, 20, 1_501)
    heights = profile_vectorised(counts, mean, x, phi, cox_reid)
    return phi[(heights + prior(phi, trended, prior_variance)).argmax()]


def map_with_the_package(counts, mean, x, trended, prior_variance):
    phi = pd.Series(np.geomspace(1e-3, 20, 801))
    heights = dispersion.cox_reid_profile(counts[:, None], mean[:, None], x, phi.to_numpy()[None])[0]
    return phi[(heights + log_prior(phi, trended, prior_variance)).idxmax()]


def map_by_search(counts, mean, x, trended, prior_variance):
    def cost(log_phi):
        height = profile_vectorised(counts, mean, x, np.exp([log_phi]), True)[0]
        return -height - stats.norm.logpdf(log_phi, np.log(trended), np.sqrt(prior_variance))

    return float(np.exp(optimize.minimize_scalar(cost, bounds=(-9, 3), method="bounded").x))


def map_in_a_loop(counts, mean, x, trended, prior_variance):
    best, highest = None, -np.inf
    for log_phi in np.arange(-8, 3, 0.015):
        height = profile(counts, mean, x, [np.exp(log_phi)], True)[0]
        height -= (log_phi - np.log(trended)) ** 2 / prior_variance / 2
        if height > highest:
            best, highest = np.exp(log_phi), height
    return np.array(best)


def answer_6(map_dispersion=map_dispersion, order=tuple(ORDER)):
    return {"map_dispersion": map_dispersion, "order": order}


MAP_RIGHT = {
    "grid": answer_6(),
    "package": answer_6(map_with_the_package),
    "search": answer_6(map_by_search, ORDER),
    "loop": answer_6(map_in_a_loop, np.array(ORDER)),
    "written by hand": answer_6(order=["Few reads", "many reads ", "many samples", "Near the trend"]),
}


def prior_is(function):
    return answer_6(lambda *gene: map_dispersion(*gene, prior=function))


def own(counts, mean, x, trended=None, prior_variance=None):
    return dispersion.maximum_likelihood(counts[:, None], mean[:, None], x)[0]


def posterior_mean(counts, mean, x, trended, prior_variance):
    phi = np.geomspace(1e-5, 50, 4_001)
    heights = profile_vectorised(counts, mean, x, phi, True)
    heights += log_prior(phi, trended, prior_variance)
    return np.exp(np.average(np.log(phi), weights=np.exp(heights - heights.max())))


MAP_WRONG = {
    "no prior": (answer_6(own), "the prior has no say"),
    "the trend": (answer_6(lambda y, mean, x, trended, v: trended), "the gene has no say"),
    "prior on the dispersion": (
        prior_is(lambda phi, trended, v: -((phi - trended) ** 2) / (2 * v)),
        "it is the logarithm that is normal",
    ),
    "variance for standard deviation": (
        prior_is(lambda phi, trended, v: stats.norm.logpdf(np.log(phi), np.log(trended), v)),
        "it is squared already",
    ),
    "no half": (prior_is(lambda phi, trended, v: 2 * log_prior(phi, trended, v)), "pulls twice as hard"),
    "precision": (prior_is(lambda phi, trended, v: log_prior(phi, trended, 1 / v)), "a large variance is a weak prior"),
    "log10": (prior_is(lambda phi, trended, v: -(np.log10(phi / trended) ** 2) / (2 * v)), "in log10"),
    "log2": (prior_is(lambda phi, trended, v: -(np.log2(phi / trended) ** 2) / (2 * v)), "pulls twice as hard"),
    "log-normal density": (
        prior_is(lambda phi, trended, v: stats.lognorm.logpdf(phi, np.sqrt(v), scale=trended)),
        "moves the peak",
    ),
    "wrong sign": (prior_is(lambda phi, trended, v: -log_prior(phi, trended, v)), "moves genes away from the trend"),
    "no Cox-Reid": (answer_6(lambda *gene: map_dispersion(*gene, cox_reid=False)), "has no Cox-Reid adjustment"),
    "posterior mean": (answer_6(posterior_mean), "its peak was asked for"),
    "halfway": (answer_6(lambda y, mean, x, trended, v: np.sqrt(own(y, mean, x) * trended)), "is halfway"),
    "logarithm": (answer_6(lambda *gene: np.log(map_dispersion(*gene))), "log"),
    "a coarse grid": (
        answer_6(lambda *gene: 1.12 * map_dispersion(*gene)),
        "try dispersions closer together",
    ),
    "always the same": (answer_6(lambda *gene: 2.0), "`map_dispersion` is wrong in"),
    "weighed by degrees of freedom": (
        answer_6(
            lambda y, mean, x, trended, v: trended * (own(y, mean, x) / trended) ** (v / (v + special.polygamma(1, 2)))
        ),
        "by the degrees of freedom alone",
    ),
    "the whole curve": (
        answer_6(lambda *gene: plain_profile(*gene[:2], np.geomspace(0.01, 1, 20))),
        "has shape (3, 20)",
    ),
    "no return": (answer_6(lambda *gene: None), "is a `return` missing"),
    "a value": (answer_6(0.15), "without calling it"),
    "no order": ({"map_dispersion": map_dispersion}, "says nothing about 'order'"),
    "one name": (answer_6(order="few reads"), "a list of the four names"),
    "three names": (answer_6(order=ORDER[:3]), "each of the four names once"),
    "near first": (answer_6(order=[ORDER[3], *ORDER[:3]]), "cannot move further than the trend is away"),
    "best measured first": (answer_6(order=[ORDER[2], *ORDER[:2], ORDER[3]]), "Who gives way?"),
    "reads swapped": (answer_6(order=[ORDER[1], ORDER[0], *ORDER[2:]]), "sooner or later"),
    "samples swapped": (answer_6(order=[ORDER[0], ORDER[2], ORDER[1], ORDER[3]]), "knows its own dispersion better"),
}

# --- 7: repair --------------------------------------------------------------------------------------------------------


def analysis(counts, obs, noise, *, formula="~ type + condition", levels=("condition", "treated", "untreated")):
    s = normalization.size_factors(counts)
    dispersions = noise(counts, obs, s)
    x = design.design_matrix(obs, formula)
    table = glm.wald_test(glm.fit(counts, x, s, dispersions), design.contrast(x, levels))
    return table.assign(dispersion=dispersions)


def noise(formula="~ type + condition", column="final"):
    def estimate(counts, obs, s):
        return getattr(dispersion.estimate(counts, design.design_matrix(obs, formula), s), column)

    return estimate


def repaired(counts, obs):
    return analysis(counts, obs, noise())


def repaired_by_hand(counts, obs):
    s = normalization.size_factors(counts)
    x = pd.DataFrame(
        {"base": 1.0, "single": obs["type"] == "single", "treated": obs["condition"] == "treated"}, obs.index
    )
    fit = glm.fit(counts, x.astype(float), s, found := dispersion.estimate(counts, x.astype(float), s).final)
    return glm.wald_test(fit, np.array([0.0, 0.0, 1.0])).assign(dispersion=found)


def repaired_with_dummies(counts, obs):
    s = normalization.size_factors(counts)
    x = pd.get_dummies(obs[["condition", "type"]], dtype=float).drop(columns="type_single")
    found = dispersion.estimate(counts, x, s).final
    table = glm.wald_test(glm.fit(counts, x, s, found), {"condition_treated": 1, "condition_untreated": -1})
    return table.assign(dispersion=found)[["dispersion", "log2FoldChange", "pvalue"]]


REPAIR_RIGHT = {f.__name__: f for f in (repaired, repaired_by_hand, repaired_with_dummies)} | {
    "the other way round": lambda y, obs: analysis(y, obs, noise("~ condition + type"), formula="~ condition + type")
}


def fit_not_repeated(counts, obs):
    return analysis(counts, obs, noise("~ 1")).assign(
        dispersion=noise()(counts, obs, normalization.size_factors(counts))
    )


def hard_coded(counts, obs):
    x = np.column_stack([np.ones(8), [0, 0, 1, 1, 0, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1]])
    found = dispersion.estimate(counts, x, normalization.size_factors(counts)).final
    return analysis(counts, obs, lambda *args: found)


REPAIR_WRONG = {
    "the letter": (lambda y, obs: analysis(y, obs, noise("~ 1")), "is still the letter's"),
    "half": (lambda y, obs: analysis(y, obs, noise("~ condition")), "knows of the treatment and not of the library"),
    "the other half": (lambda y, obs: analysis(y, obs, noise("~ type")), "knows of the library type and not"),
    "gene-wise": (lambda y, obs: analysis(y, obs, noise(column="genewise")), "each gene's own estimate"),
    "trend": (lambda y, obs: analysis(y, obs, noise(column="trended")), "is the trend alone"),
    "no type in the test": (
        lambda y, obs: analysis(y, obs, noise(), formula="~ condition"),
        "the column log2FoldChange leaves the library type out",
    ),
    "fit not repeated": (fit_not_repeated, "still comes from the letter's fit"),
    "adjusted": (lambda y, obs: repaired(y, obs).assign(pvalue=lambda table: table["padj"]), "is adjusted already"),
    "the wrong way round": (
        lambda y, obs: analysis(y, obs, noise(), levels=("condition", "untreated", "treated")),
        "opposite sign",
    ),
    "another experiment's design": (hard_coded, "the column dispersion is wrong in"),
    "no noise": (lambda y, obs: analysis(y, obs, lambda *args: np.full(y.shape[1], 1e-8)), "too small in all of them"),
    "a list of genes": (lambda y, obs: repaired(y, obs).index.tolist(), "should hand back a DataFrame"),
    "columns missing": (lambda y, obs: repaired(y, obs)[["pvalue"]], "with the columns dispersion"),
    "genes dropped": (lambda y, obs: repaired(y, obs).query("padj < 0.1"), "has shape"),
    "crash": (lambda y, obs: analysis(y, obs, noise("~ batch")), "your code raised"),
}

# --- the tests --------------------------------------------------------------------------------------------------------

BANK = {
    "ch02-variance": (VARIANCE_RIGHT, VARIANCE_WRONG),
    "ch02-parametrisations": (PARAMETRISATIONS_RIGHT, PARAMETRISATIONS_WRONG),
    "ch02-moments": (MOMENTS_RIGHT, MOMENTS_WRONG),
    "ch02-profile": (PROFILE_RIGHT, PROFILE_WRONG),
    "ch02-trend": (TREND_RIGHT, TREND_WRONG),
    "ch02-map": (MAP_RIGHT, MAP_WRONG),
    "ch02-repair": (REPAIR_RIGHT, REPAIR_WRONG),
}


class TestBank(BankTests):
    chapter, solutions, bank = "ch02", SOLUTIONS, BANK


@pytest.mark.parametrize("order", list(permutations(ORDER)), ids=", ".join)
def test_every_wrong_order_is_told_which_two_genes_to_compare(order):
    status, message = review("ch02-map", answer_6(order=order))
    assert (status == "ok") == (list(order) == ORDER)
    assert status == "ok" or message in ch02_slips.ORDER_SLIPS.values()


def test_the_genes_of_the_notebook_move_in_the_order_the_check_expects():
    space = {}
    for cell in notebooks.code_cells(notebooks.read(SOLUTIONS)):
        if cell.id in ("imports", "given-6"):
            exec(cell.source, space)
    moved = {}
    for name, counts in space["GENES"].items():
        counts, mean, x = space["two_groups"](counts)
        moved[name] = own(counts, mean, x) / map_dispersion(counts, mean, x, 0.1, 0.5)
    assert sorted(moved, key=moved.get, reverse=True) == list(ch02.ORDER)
