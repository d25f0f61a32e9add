"""The usual slips in the exercises of chapter 2: the wrong numbers each leads to, beside the sentence that names it.

As in `ch01_slips`, every function takes what the check gave the student and returns a dict: sentence → list of wrong
results.
"""

import numpy as np
from scipy import optimize, stats
from scipy.special import gammaln, polygamma

from scomics_lite import design, dispersion, negative_binomial, normalization


def variance(mean, phi):
    """Of the variance of a count."""
    return {
        "is that of a Poisson count: where do the replicates come in?": [mean],
        "has only what the rates add. The dealing of reads varies a count as well.": [phi * mean**2],
        "grows in proportion to the mean. The rates have a standard deviation in proportion to it: square that.": [
            mean * (1 + phi),
            mean + phi,
        ],
        "takes the dispersion for a coefficient of variation: it is the square of one.": [
            mean + (phi * mean) ** 2,
            (phi * mean) ** 2,
        ],
        "divides by the dispersion: that is the formula of the size k, which is its reciprocal.": [
            mean + mean**2 / phi
        ],
        "is a standard deviation; the variance was asked for.": [np.sqrt(mean + phi * mean**2)],
    }


def draws(mean, phi):
    """Of drawing counts in two steps, as pairs of mean and variance."""
    k = 1 / phi

    def mixture(mean, rate_variance):
        return mean, mean + rate_variance

    return {
        "draws Poisson counts around the mean itself: the rates do not differ between replicates.": [(mean, mean)],
        "rounds the rates. A count needs a draw of its own around its rate.": [
            (mean, phi * mean**2),
            (mean - 0.5, phi * mean**2),  # cut off rather than rounded
        ],
        "takes the dispersion for the gamma's shape: it is the reciprocal of it.": [mixture(mean, mean**2 / phi)],
        "has something upside down: numpy's gamma wants a scale, not a rate, and its negative_binomial the chance of "
        "the event that is waited for.": [mixture(k**2 / mean, k**3 / mean**2)],
        "gives the rates mean 1: where does the mean come in?": [mixture(1, phi)],
        "hands the mean to the gamma as its shape. Mean and variance are shape times scale and shape times scale "
        "squared.": [mixture(mean * phi, mean * phi**2), mixture(mean, mean)],
        "gives the rates the dispersion as their variance: it is the variance relative to the squared mean.": [
            mixture(mean, phi)
        ],
        "takes the dispersion for the rates' coefficient of variation: it is the square of that.": [
            mixture(mean, (phi * mean) ** 2)
        ],
    }


def to_scipy(mean, phi):
    """Of scipy's n and p."""
    return {
        "n": {
            "is the dispersion itself: large n means little extra variation.": [phi],
            "is the mean. scipy's n does not depend on the mean at all.": [mean, mean / phi],
            "is made of the biological coefficient of variation; the dispersion is the square of it.": [phi**-0.5],
        },
        "p": {
            "is the chance of the other outcome: scipy waits for successes and counts failures.": [
                phi * mean / (1 + phi * mean)
            ],
            "forgets the dispersion.": [1 / (1 + mean), mean / (1 + mean)],
            "forgets the mean.": [1 / (1 + phi), phi / (1 + phi)],
            "has the dispersion where its reciprocal belongs.": [phi / (phi + mean), mean / (phi + mean)],
        },
    }


def from_scipy(n, p):
    """Of mean and dispersion."""
    return {
        "mean": {
            "has successes and failures in each other's place: the failures are counted.": [n * p / (1 - p)],
            "is a binomial's. Here the number of trials is not fixed.": [n * p, n * (1 - p)],
            "counts all trials; the count is the failures among them.": [n / p],
            "is the variance.": [n * (1 - p) / p**2],
        },
        "dispersion": {
            "is n. The dispersion is what n is not.": [n],
            "is the variance of the count; its dispersion was asked for.": [n * (1 - p) / p**2],
            "depends on p, and should not: the same gene, deeper read, keeps its dispersion.": [
                1 / p,
                (1 - p) / p,
                1 / (n * p),
            ],
            "is the biological coefficient of variation; the dispersion is the square of it.": [n**-0.5],
        },
    }


def moments(counts, s, raw):
    """Of clipped moment estimates, (g,)."""
    q = counts / s[:, None]
    m, v, poisson = q.mean(axis=0), q.var(axis=0, ddof=1), (1 / s).mean()

    def clipped(values):
        return [np.maximum(values, 0), values]

    y = counts.mean(axis=0)
    return {
        "is negative where a gene varies less than chance alone would make it: clip it at 0.": [raw],
        "is never negative because the sign was dropped. Less variation than Poisson's is not more of it.": [
            np.abs(raw)
        ],
        "uses numpy's default variance, which divides by n: with few samples that is far too small.": clipped(
            (q.var(axis=0) - m * poisson) / m**2
        ),
        "subtracts the mean, as if a normalized count were Poisson. What does dividing by s do to its variance?": [
            *clipped((v - m) / m**2),
            *clipped((q.var(axis=0) - m) / m**2),
        ],
        "subtracts the mean over the mean of s: the average of 1/s is not one over the average of s.": clipped(
            (v - m / s.mean()) / m**2
        ),
        "comes from raw counts: without the size factors, depth passes for dispersion.": clipped(
            (counts.var(axis=0, ddof=1) - y) / y**2
        ),
        "comes from counts multiplied by s: dividing takes the depth out.": clipped(
            _raw_moments(counts * s[:, None], (1 / s).mean())
        ),
        "is divided by the mean once; its square belongs there.": clipped((v - m * poisson) / m),
        "still holds the Poisson part: subtract what chance alone explains.": [v / m**2, v / m],
        "is the square root of what was asked for: a biological coefficient of variation.": [
            np.sqrt(np.maximum(raw, 0))
        ],
    }


def _raw_moments(q, poisson):
    m = q.mean(axis=0)
    return (q.var(axis=0, ddof=1) - m * poisson) / m**2


def profile(y, mean, phi, plain):
    """Of the log likelihood at several dispersions, (k,), without the adjustment."""
    k, y, mean = 1 / phi, y[:, None], mean[:, None]
    gammas = (gammaln(y + k) - gammaln(k)).sum(axis=0)
    zeros, odds = (k * np.log1p(phi * mean)).sum(axis=0), (y * np.log(phi * mean / (1 + phi * mean))).sum(axis=0)
    return {
        "is the same at every dispersion: it has to come out of the negative binomial.": [np.zeros_like(phi)],
        "falls where it should rise: it is the negative log likelihood.": [-plain],
        "is a mean over the samples. Logarithms of probabilities add up.": [plain / len(y)],
        "takes the dispersion for the size: n is its reciprocal.": [
            stats.nbinom.logpmf(y, phi, 1 / (1 + mean / phi)).sum(axis=0),
            stats.nbinom.logpmf(y, phi, 1 / (1 + phi * mean)).sum(axis=0),
        ],
        "has p and 1 - p in each other's place.": [stats.nbinom.logpmf(y, k, 1 - 1 / (1 + phi * mean)).sum(axis=0)],
        "lacks a term that changes with the dispersion.": [gammas, gammas - zeros, gammas + odds, odds - zeros],
    }


def adjusted(x, mean, phi, plain, right, cox_reid):
    """Of the Cox-Reid adjustment, with and without."""
    if not cox_reid:
        return {"holds the adjustment all the same.": [right, 2 * plain - right]}
    half, w = plain - right, mean / (1 + np.outer(phi, mean))  # half the log determinant; the weights, (k, n)
    inverse_variances = 1 / (mean + np.outer(phi, mean**2))
    return {
        "is the same as without, up to a constant: is the adjustment there, and does the dispersion take part in W?": [
            plain
        ],
        "adds the adjustment: the fit of the means used up information, so it is subtracted.": [plain + half],
        "subtracts the whole log determinant; half of it was asked for.": [plain - 2 * half],
        "adds the whole log determinant; half of it should be subtracted.": [plain + 2 * half],
        "subtracts a determinant; its logarithm was asked for.": [
            plain - np.exp(2 * half) / 2,
            plain - np.exp(2 * half),
        ],
        "has other weights in W than mean / (1 + dispersion * mean).": [
            plain - _half_log_det(x, other) for other in (1 / w, w**2, w**0.5, w / mean, inverse_variances)
        ],
        "adds up the weights' logarithms. The determinant is that of X'WX, with the design in it.": [
            plain - np.log(w).sum(axis=1) / 2,
            plain - np.log(w).sum(axis=1),
        ],
    }


def _half_log_det(x, weights):
    """Take ln det X'WX / 2 for every row of weights (k, n)."""
    return np.linalg.slogdet(x.T @ (weights[:, :, None] * x))[1] / 2


def parametric_trend(means, phi, right):
    """Of a0 and a1."""
    crowd = _crowd(means, phi, right)
    return {
        "has its two numbers in each other's place: a0 first.": [right[::-1]],
        "comes from a fit in which all genes weigh the same: the noisiest, at low means, decide it.": [
            _least_squares(means[keep], phi[keep], 1.0) for keep in (np.ones_like(crowd), crowd, phi > 1e-6)
        ],
        "lets the strange genes vote: look at dispersions / fit, and leave out what is beyond the two limits.": [
            _gamma_fit(means, phi)
        ],
        "lets the genes vote that lie far above the curve.": [_gamma_fit(means, phi, low=1e-4)],
        "lets the genes vote that lie next to zero.": [_gamma_fit(means, phi, high=15)],
        "weighs by another power of the fit: errors in proportion to it have a variance in proportion to its square.": [
            _gamma_fit(means, phi, low=1e-4, high=15, power=power) for power in (0.5, 2)
        ],
        "has not settled: go round until the two numbers stop moving.": [
            _gamma_fit(means, phi, low=1e-4, high=15, rounds=rounds) for rounds in (1, 2, 3, 4)
        ],
        "follows the logarithms of the dispersions. Their mean lies below the logarithm of the mean.": [
            _log_fit(means[keep], phi[keep], right) for keep in (crowd, np.ones_like(crowd), phi > 1e-6)
        ],
        "runs along the mean itself; it should run along one over the mean.": [
            _least_squares(1 / means[crowd], phi[crowd], 1.0)
        ],
        "is on the log scale: hand back a0 and a1 themselves.": [np.log(right)],
    }


def _crowd(means, phi, a, low=1e-4, high=15):
    ratio = phi / (a[0] + a[1] / means)
    return (ratio > low) & (ratio < high)


def _least_squares(means, phi, fit):
    x = np.column_stack([np.ones_like(means), 1 / means])
    return np.linalg.lstsq(x / np.reshape(fit, (-1, 1)), phi / fit, rcond=None)[0]


def _gamma_fit(means, phi, *, low=0.0, high=np.inf, power=1.0, rounds=100):
    a = np.array([0.1, 1.0])
    for _ in range(rounds):
        keep = _crowd(means, phi, a, low, high)
        a = _least_squares(means[keep], phi[keep], np.maximum(a[0] + a[1] / means[keep], 1e-8) ** power)
    return a


def _log_fit(means, phi, a):
    def residuals(log_a):
        return np.log(np.exp(log_a[0]) + np.exp(log_a[1]) / means) - np.log(phi)

    return np.exp(optimize.least_squares(residuals, np.log(a)).x)


def maximum_a_posteriori(genes):
    """Return the right answers for genes (counts, mean, x, trended, prior variance), their own estimates and slips."""
    tables = [_posterior_slips(*gene) for gene in genes]
    right, *_ = columns = [np.array([table[name] for table in tables]) for name in tables[0]]
    slips = dict(zip(tables[0], columns, strict=True))
    del slips["right"]
    slips = {sentence: [wrong] for sentence, wrong in slips.items()}
    slips["is a logarithm: hand back the dispersion itself."] = [np.log(right), np.log10(right)]
    return right, slips["is the gene's own estimate: the prior has no say in it."][0], slips


def _posterior_slips(counts, mean, x, trended, prior_variance):
    phi = np.geomspace(1e-5, 50, 6001)
    y, mu = counts[:, None], mean[:, None]
    plain = negative_binomial.log_likelihood(y, mu, phi).sum(axis=0)
    adjusted = plain - _half_log_det(x, mean / (1 + np.outer(phi, mean)))
    away = np.log(phi / trended)
    prior = -(away**2) / (2 * prior_variance)
    own, shrunken = phi[adjusted.argmax()], phi[(adjusted + prior).argmax()]
    weight = prior_variance / (prior_variance + polygamma(1, (len(x) - x.shape[1]) / 2))  # as in section 2.5
    weights = np.exp(adjusted + prior - (adjusted + prior).max())

    def best(prior):
        return phi[(adjusted + prior).argmax()]

    return {
        "right": shrunken,
        "is the gene's own estimate: the prior has no say in it.": own,
        "is the trend: the gene has no say in it.": trended,
        "has its prior on the dispersion; it is the logarithm that is normal.": best(
            -((phi - trended) ** 2) / (2 * prior_variance)
        ),
        "takes prior_variance for a standard deviation: it is squared already.": best(
            -(away**2) / (2 * prior_variance**2)
        ),
        # twice the prior and a distance in log2, which comes to 2.08 times the prior, are too near each other to tell
        "pulls twice as hard as it should: is there a one half in the exponent, and is it the natural logarithm?": best(
            2 * prior
        ),
        "pulls twice as hard as it should: is it the natural logarithm, and is there a one half in the exponent?": best(
            prior / np.log(2) ** 2
        ),
        "takes prior_variance for a precision: a large variance is a weak prior.": best(
            -(away**2) * prior_variance / 2
        ),
        "measures the distance in log10; the prior is about natural logarithms.": best(prior / np.log(10) ** 2),
        "takes the log-normal density, whose factor 1 / dispersion moves the peak. The prior is one of ln phi, and "
        "so is its peak.": best(prior - np.log(phi)),
        "has no Cox-Reid adjustment: take the adjusted profile.": phi[(plain + prior).argmax()],
        "adds the prior to the likelihood itself: on the log scale the two add up, elsewhere they multiply.": phi[
            (np.exp(adjusted) + np.exp(prior)).argmax()
        ],
        "is a mean of the posterior; its peak was asked for.": np.exp(np.average(np.log(phi), weights=weights)),
        "weighs gene and trend by the degrees of freedom alone. The gene's own profile says how far to go.": own**weight
        * trended ** (1 - weight),
        "is halfway between the gene and the trend. How far it goes is for the likelihood to settle.": np.sqrt(
            own * trended
        ),
    }


NO_WAY = "a gene cannot move further than the trend is away. Which has next to no way to go?"
ORDER_SLIPS = {
    frozenset(pair): f"`order`: {sentence}"
    for pair, sentence in {
        (
            "few reads",
            "many reads",
        ): "two genes have as many samples and the same gap to the trend. Whose profile is the "
        "flatter one, and does a flat profile give way sooner or later?",
        (
            "many reads",
            "many samples",
        ): "two genes are as far from the trend and read as deeply, and differ in samples. "
        "Which knows its own dispersion better?",
        ("few reads", "many samples"): "compare how much is known about each gene. Who gives way?",
        ("few reads", "near the trend"): NO_WAY,
        ("many reads", "near the trend"): NO_WAY,
        ("many samples", "near the trend"): NO_WAY,
    }.items()
}


def repair(counts, obs, right, analysis):
    """Of the repaired analysis, a dict for each of its columns; `analysis` does it with other designs."""
    letter, groups, types = (analysis(counts, obs, formula) for formula in ("~ 1", "~ condition", "~ type"))
    no_type = analysis(counts, obs, "~ type + condition", "~ condition")
    noise = dispersion.estimate(
        counts, design.design_matrix(obs, "~ type + condition"), normalization.size_factors(counts)
    )
    not_repeated = "still comes from the letter's fit: fit again with the new dispersions."
    without_type = "leaves the library type out of the test. It was no part of the fault."
    return {
        "dispersion": {
            "is still the letter's: whatever you changed, it was not this.": [letter["dispersion"]],
            "knows of the treatment and not of the library type: what differs between the types passes for noise.": [
                groups["dispersion"]
            ],
            "knows of the library type and not of the treatment.": [types["dispersion"]],
            "is each gene's own estimate. The design was the fault, not that genes help each other.": [noise.genewise],
            "is the trend alone; the final dispersions were tested with.": [noise.trended],
        },
        "log2FoldChange": {
            not_repeated: [letter["log2FoldChange"]],
            without_type: [no_type["log2FoldChange"]],
        },
        "pvalue": {
            not_repeated: [np.log(letter["pvalue"])],
            "is adjusted already; hand back what the test gives.": [np.log(right["padj"])],
            without_type: [np.log(no_type["pvalue"])],
        },
    }
