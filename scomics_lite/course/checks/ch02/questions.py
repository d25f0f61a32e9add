"""The checks of chapter 2: the negative binomial, estimates of its dispersion, and what genes share.

They work like those of chapter 1: right numbers on fresh random input, then the usual slips (`slips`), then
`differs`. The right numbers come from the package's own functions, which are tested against DESeq2 and edgeR.
"""

from itertools import pairwise

import numpy as np
import pandas as pd

from scomics_lite import design, dispersion, glm, negative_binomial, normalization, simulate
from scomics_lite.course.checks import differs, exercise
from scomics_lite.course.checks.ch02 import slips as usual
from scomics_lite.course.checks.compare import missing_parts
from scomics_lite.course.checks.judging import functions_of, judge, parts_of

# --- 1: variance ------------------------------------------------------------------------------------------------------

DRAWS, MEAN, DISPERSION = 40_000, 6.0, 0.5  # half of the variance beyond Poisson's is then easily told from all of it


@exercise(
    "ch02-variance",
    hints=(
        "Two things make a count vary: the rate differs between samples, and the dealing of reads around it. "
        "What does each of them add?",
        "Given its rate, a count has a variance equal to the rate, and a mean equal to it as well. So one part is the "
        "average of the rates, the other the variance of the rates. numpy's gamma knows a shape, not a mean: mean "
        "shape times scale, variance shape times scale squared.",
        "variance: the mean, plus the dispersion times the mean squared. draw: n rates from rng.gamma with shape one "
        "over the dispersion and scale dispersion times mean, then one rng.poisson count for each of these rates.",
    ),
)
def variance(answer):
    """Compare the formula at random places, and the draws by their mean, their variance and their zeros."""
    functions, problem = functions_of(answer, ["variance", "draw"])
    return problem or _judge_variance(functions[0]) or _judge_draws(functions[1])


def _judge_variance(function):
    rng = np.random.default_rng()
    mean, phi = rng.uniform(2, 60, size=6), rng.uniform(0.1, 1.4, size=6)
    result = _each(function, mean, phi)
    slips = usual.variance(mean, phi)
    problem = judge(result, negative_binomial.variance(mean, phi), slips, what="`variance`")
    if problem or differs(function(5.0, np.float64(0.0)), 5.0) is None:
        return problem
    return "`variance` is right, except at dispersion 0, where a count should vary as Poisson counts do."


def _judge_draws(draw):
    seed = np.random.default_rng().integers(2**32)
    samples = [draw(MEAN, DISPERSION, DRAWS, np.random.default_rng(seed + step)) for step in (0, 0, 1, 2)]
    for sample in samples:
        problem = _not_numbers(sample, (DRAWS,), "`draw`")
        if problem:
            return problem
    first, again, *others = (np.asarray(sample, dtype=float) for sample in samples)
    if not np.array_equal(first, again):
        return "`draw` gives other counts for the same rng: draw from the rng it is given and from nothing else."
    if np.array_equal(first, others[0]):
        return "`draw` gives the same counts whatever rng it gets: draw them from the rng it is given."
    if (first != np.rint(first)).any():
        return "`draw` hands back fractions: those are rates. A rate becomes a count by a second draw."
    return _judge_moments(np.array([first, *others]))


def _judge_moments(samples):
    """Allow 2% for the mean and 5% for the variance: eight standard errors each of 120,000 draws."""
    means = samples.mean(axis=1)
    if np.std(means) > 0.3:
        return "`draw` gives every call a mean of its own: all n counts share one rate. Each needs its own."
    mean, spread, zeros = samples.mean(), samples.var(axis=1).mean(), (samples == 0).mean()
    if not (abs(mean / MEAN - 1) < 0.02 and abs(spread / (MEAN + DISPERSION * MEAN**2) - 1) < 0.05):
        for sentence, wrong in usual.draws(MEAN, DISPERSION).items():
            if any(abs(mean / m - 1) < 0.03 and abs(spread / v - 1) < 0.04 for m, v in wrong):
                return f"`draw` {sentence}"
        which = "mean" if abs(mean / MEAN - 1) >= 0.02 else "variance"
        return f"`draw` hands back counts whose {which} is not the one asked for: print it beside the formula."
    if abs(zeros - np.exp(negative_binomial.log_likelihood(0, MEAN, DISPERSION))) > 0.006:
        return "`draw` gets mean and variance right, and the zeros wrong: are the rates gamma distributed?"
    return None


# --- 2: parametrisations ----------------------------------------------------------------------------------------------


@exercise(
    "ch02-parametrisations",
    hints=(
        "scipy counts failures until the n-th success. Which of its two numbers stays the same for all means?",
        "n is the size, the same k as in the mixture: the shape of the gamma. For p, ask what scipy says the mean is, "
        "and set that equal to yours.",
        "scipy's mean is n times (1 - p) over p. So p is one over (1 + dispersion times mean), n is one over the "
        "dispersion, and the way back solves the same two equations for the other two letters.",
    ),
)
def parametrisations(answer):
    """Compare both ways at random places."""
    functions, problem = functions_of(answer, ["to_scipy", "from_scipy"])
    if problem:
        return problem
    rng = np.random.default_rng()
    mean, phi = rng.uniform(2, 60, size=6), rng.uniform(0.1, 0.8, size=6)
    n, p = negative_binomial.to_scipy(mean, phi)
    return _judge_columns(
        functions[0], (mean, phi), {"n": n, "p": p}, usual.to_scipy(mean, phi), what="`to_scipy`"
    ) or _judge_columns(
        functions[1], (n, p), {"mean": mean, "dispersion": phi}, usual.from_scipy(n, p), what="`from_scipy`"
    )


def _judge_columns(function, columns, right, slips, *, what):
    """Call with one number after the other and judge what comes back, part by part."""
    rows = []
    for case in zip(*columns, strict=True):
        parts, problem = parts_of(function(*case), list(right), what=what)
        if problem:
            return problem
        rows.append(parts)
    found = dict(zip(right, zip(*rows, strict=True), strict=True))
    first, second = right
    if differs(found[first], right[second]) is None and differs(found[second], right[first]) is None:
        return f"{what} hands back {second} and {first}: they have changed places."
    for name, expected in right.items():
        problem = judge(list(found[name]), expected, slips[name], what=f"{what}: your {name}")
        if problem:
            return problem
    return None


# --- 3: moments -------------------------------------------------------------------------------------------------------


@exercise(
    "ch02-moments",
    hints=(
        "What would the variance of the normalized counts be if there were no dispersion at all? Not quite the mean.",
        "Dividing a Poisson count by s divides its variance by s squared and its mean by s. So the part to subtract is "
        "the gene's mean times the average of 1/s over the samples. A gene that is left with less than nothing is "
        "clipped, and says so; a gene without a count has no dispersion at all.",
        "q = counts over s, column means m and variances v with n - 1. raw = (v - m times the mean of 1/s) over m "
        "squared. The clipped genes are those with raw below 0; np.maximum does the rest, and NaN stays NaN in it.",
    ),
)
def moments(answer):
    """Compare on a table of counted genes, many of which clip, then on one that holds a gene without a count."""
    rng = np.random.default_rng()
    mean = np.concatenate([rng.uniform(4, 80, size=59), [30.0]])
    s = rng.permutation([0.45, 0.8, 1.2, 1.9, 2.6]) * rng.uniform(0.9, 1.1, size=5)
    counts = negative_binomial.sample(s[:, None] * mean, 0.05, rng) + 1
    counts[:, -1] = np.rint(30 * s)  # varies less than chance would make it: one gene at least is clipped
    raw = dispersion.moments(counts, size_factors=s)
    problem = _judge_clipped(answer(counts, s), counts, s, raw)
    if problem:
        return problem
    counts[:, 7] = 0
    (phi, clipped), _ = parts_of(answer(counts, s), ["dispersions", "clipped"], what="`moments`")
    if not np.isnan(np.asarray(phi, dtype=float)[7]):
        return "all is well, except for a gene without any count: it says nothing about its dispersion, so NaN."
    if np.asarray(clipped)[7]:
        return "all is well, except for a gene without any count: it has no estimate, so there is nothing to clip."
    return None


def _judge_clipped(result, counts, s, raw):
    parts, problem = parts_of(result, ["dispersions", "clipped"], what="`moments`")
    if problem:
        return problem
    values, clipped = parts
    if differs(values, np.where(raw < 0, np.nan, raw)) is None:
        return "your estimate is NaN where it should be clipped. A clipped gene has one, the smallest there is."
    with np.errstate(all="ignore"):
        slips = usual.moments(counts, s, raw)
    problem = judge(values, np.maximum(raw, 0), slips, what="your estimate", atol=1e-6)
    return problem or _judge_flags(clipped, raw < 0)


def _judge_flags(clipped, right):
    flags = np.asarray(clipped)
    if np.array_equal(flags, np.flatnonzero(right)):
        return "`clipped` holds the positions of genes: hand back True or False for every gene."
    problem = _not_numbers(clipped, right.shape, "`clipped`")
    if problem:
        return problem
    flags = flags.astype(float)
    if np.array_equal(flags, right):
        return None
    if not flags.any():
        return "`clipped` marks no gene, though some were clipped: look before you clip, not after."
    if np.array_equal(flags, ~right):
        return "`clipped` marks the genes that needed no clipping."
    return f"`clipped` is wrong for {int((flags != right).sum())} of {right.size} genes."


# --- 4: profile -------------------------------------------------------------------------------------------------------


@exercise(
    "ch02-profile",
    hints=(
        "How many numbers does the likelihood give for n counts at one dispersion, and what makes one number of them? "
        "And does what you subtract change with the dispersion?",
        "Logarithms of independent probabilities add up over the samples. The adjustment is a determinant of a small "
        "p x p matrix, X'WX, with one weight for each sample, and it is made anew at every dispersion.",
        "For each dispersion: sum stats.nbinom.logpmf(y, n, p) with exercise 2's n and p. If cox_reid, make w = mean / "
        "(1 + dispersion * mean), the matrix X.T @ (w[:, None] * X), and subtract half of np.linalg.slogdet(...)[1].",
    ),
)
def profile(answer):
    """Compare heights up to a constant, first without the adjustment, then with it."""
    rng = np.random.default_rng()
    x = np.column_stack([np.ones(7), np.arange(7) % 2, rng.normal(size=7)])
    mean = np.exp(x @ [rng.uniform(2.5, 3.0), rng.uniform(0.8, 1.4), rng.uniform(0.3, 0.5)])
    y = negative_binomial.sample(mean, 0.3, rng)
    phi = np.geomspace(0.03, 2, 9) * rng.uniform(0.9, 1.1, size=9)
    plain = negative_binomial.log_likelihood(y[:, None], mean[:, None], phi).sum(axis=0)
    adjusted = dispersion.cox_reid_profile(y[:, None], mean[:, None], x, phi[None])[0]
    for cox_reid, right in ((False, plain), (True, adjusted)):
        heights = answer(y, mean, x, phi, cox_reid)
        what = f"your profile with cox_reid={cox_reid}"
        problem = _not_numbers(heights, phi.shape, what) or _not_logged(heights, right, what)
        if problem:
            return problem
        slips = usual.profile(y, mean, phi, plain) if not cox_reid else {}
        slips |= usual.adjusted(x, mean, phi, plain, adjusted, cox_reid)
        slips = {sentence: [_centred(one) for one in wrong] for sentence, wrong in slips.items()}
        problem = judge(_centred(heights), _centred(right), slips, what=what, rtol=1e-6, atol=1e-6)
        if problem:
            return problem
    return None


def _not_logged(heights, right, what):
    heights = np.asarray(heights, dtype=float)
    if (heights > 0).all() and differs(_centred(np.log(heights)), _centred(right), rtol=1e-6, atol=1e-6) is None:
        return f"{what} is a likelihood; its logarithm was asked for."
    return None


def _centred(heights):
    """Take the mean off: terms without the dispersion may be left out of a likelihood."""
    heights = np.asarray(heights, dtype=float)
    return heights - heights.mean()


# --- 5: trend ---------------------------------------------------------------------------------------------------------


@exercise(
    "ch02-trend",
    hints=(
        "Is an estimate of 2 that should be 1 as bad as one of 0.02 that should be 0.01, or a hundred times as bad?",
        "Errors here are relative, so a gene's weight is one over its fitted value squared. The weights need the "
        "curve and the curve needs the weights: go round until nothing moves. Genes far from the curve do not vote.",
        "Start from a = (0.1, 1). In a loop: fit = a0 + a1 / means; keep the genes with dispersions / fit between "
        "1e-4 and 15; divide both columns (ones, 1 / means) and the dispersions by fit; np.linalg.lstsq on the kept.",
    ),
)
def parametric_trend(answer):
    """Compare with the gamma regression, twice: a wrong fit may come out right by chance."""
    rng = np.random.default_rng()
    return _judge_trend(answer, rng) or _judge_trend(answer, rng)


def _judge_trend(answer, rng):
    """Scatter dispersions around a trend, and move some far above it or next to zero.

    So far that they are beyond the limits from the first round on: every way to go round then ends at one place.
    """
    means = rng.lognormal(4.5, 1.8, size=300)
    truth = rng.uniform(0.05, 0.07) + rng.uniform(3, 5) / means
    phi = truth * rng.chisquare(6, size=300) / 6
    high, low = rng.permutation(300)[:12].reshape(2, 6)
    phi[high], phi[low] = truth[high] * rng.uniform(60, 90, size=6), 1e-8
    result = answer(means, phi)
    if np.shape(result) == means.shape:
        return "you hand back the curve at every gene. Its two numbers were asked for: a0, a1."
    parts, problem = parts_of(result, ["a0", "a1"], what="your function")
    if problem:
        return problem
    fitted = dispersion.parametric_trend(means, phi)
    right = np.array([fitted.asymptotic, fitted.extra_poisson])
    with np.errstate(all="ignore"):
        slips = usual.parametric_trend(means, phi, right)
    return judge(parts, right, slips, what="your trend", rtol=2e-4)


# --- 6: map -----------------------------------------------------------------------------------------------------------

ORDER = ("few reads", "many reads", "many samples", "near the trend")  # the genes of the notebook, furthest moved first


@exercise(
    "ch02-map",
    hints=(
        "On which scale is the prior a normal distribution, and what is largest at the answer: the likelihood, the "
        "prior, or the two together?",
        "Logarithms again: the height of the profile plus the height of the prior. The prior costs half the squared "
        "distance of ln phi from ln trended, in units of prior_variance. A flat profile gives way to it, a sharp one "
        "does not, and no gene moves further than the trend.",
        "phi = np.geomspace(1e-4, 20, 1000); heights from dispersion.cox_reid_profile(counts[:, None], mean[:, None], "
        "x, phi[None])[0]; subtract (ln phi - ln trended)**2 / (2 * prior_variance); phi at the highest. For the "
        "order, run it on the four genes.",
    ),
)
def maximum_a_posteriori(answer):
    """Compare on random genes whose own estimates lie on either side of the trend, within 2%; then the order."""
    problem = missing_parts(answer, ["map_dispersion", "order"])
    if problem:
        return problem
    functions, problem = functions_of({"map_dispersion": answer["map_dispersion"]}, ["map_dispersion"])
    return problem or _judge_map(functions[0], np.random.default_rng()) or _judge_order(answer["order"])


def _judge_map(function, rng):
    x = np.column_stack([np.ones(7), np.arange(7) < 3, rng.normal(size=7)])
    mean = np.exp(x @ [rng.uniform(4, 4.5), 0.6, 0.2])
    genes = []
    for phi, above, prior_variance in ((0.4, 0.15, 0.5), (0.3, 8.0, 1.5), (0.6, 0.2, 2.0)):
        counts = negative_binomial.sample(mean, phi, rng)
        own = dispersion.maximum_likelihood(counts[:, None], mean[:, None], x)[0]
        genes.append((counts, mean, x, max(own, 0.05) * above, prior_variance))
    found = _each(function, *zip(*genes, strict=True))
    problem = _not_numbers(found, (len(genes),), "`map_dispersion`")
    if problem:
        return problem
    found, trended = np.array(found, dtype=float), np.array([gene[3] for gene in genes])
    right, own, slips = usual.maximum_a_posteriori(genes)
    if (found > 0).all() and (np.log(found / trended) / np.log(own / trended) > 1.03).all():
        return "`map_dispersion` moves genes away from the trend: which sign has the prior, where the trend is far off?"
    problem = judge(found, right, slips, what="`map_dispersion`", rtol=0.02)
    near = problem and differs(found, right, rtol=0.25) is None
    if near and problem == differs(found, right, what="`map_dispersion`", rtol=0.02):
        return "`map_dispersion` comes near the peak and misses it by more than 2%: try dispersions closer together."
    return problem


def _judge_order(order):
    if not isinstance(order, list | tuple | np.ndarray | pd.Index):
        return "`order` should be a list of the four names, the gene that moves most first."
    names = [str(name).strip().lower() for name in order]
    if sorted(names) != sorted(ORDER):
        return f"`order` should hold each of the four names once: {', '.join(sorted(ORDER))}."
    for first, second in pairwise(names):
        if ORDER.index(first) > ORDER.index(second):
            return usual.ORDER_SLIPS[frozenset((first, second))]
    return None


# --- 7: repair --------------------------------------------------------------------------------------------------------

TOLERANCES = {  # other designs with the same meaning may end DESeq2's climb to a dispersion elsewhere, close by
    "dispersion": {"rtol": 0.05},
    "log2FoldChange": {"rtol": 0.02, "atol": 0.01},
    "pvalue": {"rtol": 0.05, "atol": 0.05},  # of its logarithm
}


@exercise(
    "ch02-repair",
    hints=(
        "Take the most changed gene of the experiment. Which number in its row of the letter's table would you not "
        "have expected?",
        "A dispersion measures how counts vary around their means. Around which means does the letter measure it, and "
        "which means does the test use two lines further down?",
        "Make the design matrix first and hand it, instead of the column of ones, to dispersion.estimate. The rest of "
        "the letter's code can stay as it is.",
    ),
)
def repair(answer):
    """Run on a simulated experiment, rows in random order; compare dispersions, fold changes and p-values in turn."""
    rng = np.random.default_rng()
    obs = pd.DataFrame({"condition": ["untreated", "treated"] * 4, "type": np.repeat(["single", "paired"], 4)})
    obs["condition"] = pd.Categorical(obs["condition"], ["untreated", "treated"])
    obs = obs.sample(frac=1, random_state=int(rng.integers(2**31))).set_axis([f"s{i}" for i in range(8)])
    adata = simulate.bulk_counts(obs, 240, changed_fraction=0.3, log2_fold_change=2, library_sizes=2.4e5, rng=rng)
    counts = pd.DataFrame(adata.X, adata.obs_names, adata.var_names).loc[:, (adata.X.sum(axis=0) > 200)]
    result = answer(counts, obs)
    if not isinstance(result, pd.DataFrame) or not set(TOLERANCES) <= set(result):
        return f"`analyse` should hand back a DataFrame with the columns {', '.join(TOLERANCES)}, as the letter's does."
    right = _analysis(counts, obs, "~ type + condition")
    slips = usual.repair(counts, obs, right, _analysis)
    for name, tolerance in TOLERANCES.items():
        values, expected = (np.log(table[name]) if name == "pvalue" else table[name] for table in (result, right))
        problem = judge(values, expected, slips[name], what=f"the column {name}", **tolerance)
        if problem:
            return problem
    return None


def _analysis(counts, obs, noise_formula, formula="~ type + condition"):
    """Do what the letter does, with one design for the dispersions and one for the test."""
    s = normalization.size_factors(counts)
    noise = dispersion.estimate(counts, design.design_matrix(obs, noise_formula), s)
    x = design.design_matrix(obs, formula)
    fit = glm.fit(counts, x, s, noise.final)
    table = glm.wald_test(fit, design.contrast(x, ("condition", "treated", "untreated")))
    return table.assign(dispersion=noise.final)


# --- parts ------------------------------------------------------------------------------------------------------------


def _each(function, *columns):
    """Call with one number after the other; None if a result is missing."""
    results = [function(*case) for case in zip(*columns, strict=True)]
    return None if any(result is None for result in results) else results


def _not_numbers(result, shape, what):
    """Return a sentence unless the result holds finite numbers in this shape."""
    return differs(result, np.zeros(shape), rtol=0, atol=np.inf, what=what)
