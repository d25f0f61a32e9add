"""What the answers of chapter 4 are tried on: genes, p-values, effects and tables, fresh at every try."""

from itertools import combinations, product

import numpy as np
import pandas as pd
from scipy import stats

from scomics_lite.course.checks.ch04 import slips as usual
from scomics_lite.glm import adjust


def comparisons(rng):
    """Yield (where, y (n,), full (n, p), reduced (n, q), size factors (n,), dispersion): nested designs."""
    batch, dose, treated = np.repeat([0.0, 1.0], 6), np.tile([0, 1, 2], 4), np.tile([0, 0, 0, 1, 1, 1], 2)
    common = np.column_stack([np.ones(12), batch])
    doses = np.column_stack([common, dose == 1, dose == 2])
    groups = ((3 * batch + dose)[:, None] == np.arange(6)).astype(float)
    aged = np.column_stack([common, rng.uniform(20, 70, 12) / 50])
    for where, full, reduced, effect in (
        ("", np.column_stack([aged, treated]), aged, treated),
        ("for two columns more, ", np.column_stack([doses, aged[:, 2]]), aged, dose / 2),
        ("where the two designs have no column in common, ", groups, doses, batch * dose / 2),
    ):
        depth, phi = rng.permutation(np.linspace(0.5, 2.0, 12)), rng.uniform(0.15, 0.25)
        mean = depth * rng.uniform(60, 120) * np.exp(0.6 * batch + 0.9 * effect)
        yield where, rng.negative_binomial(1 / phi, 1 / (1 + phi * mean)).astype(float), full, reduced, depth, phi


def strong_gene(rng):
    """Make a gene that changes fivefold, with p near 1e-70: (y, full, reduced, size factors, dispersion)."""
    treated = np.repeat([0.0, 1.0], 6)
    y = rng.poisson(40 * 5**treated).astype(float)
    return y, np.column_stack([np.ones(12), treated]), np.ones((12, 1)), np.ones(12), 0.01


def not_nested(rng):
    """Yield (where, y, full, reduced, size factors, dispersion) of two designs without a test."""
    batch, dose = np.repeat([0.0, 1.0], 6), np.tile([0, 1, 2], 4)
    small = np.column_stack([np.ones(12), batch])
    sideways = np.column_stack([np.ones(12), dose == 1, dose == 2])
    depth = rng.uniform(0.5, 2.0, 12)
    y = rng.poisson(100 * depth * np.exp(0.9 * (dose == 1))).astype(float)  # so that either pair has its better half
    yield "where the reduced design is no part of the full one", y, sideways, small, depth, 0.1
    yield "where the full and the reduced design were swapped", y, small, np.column_stack([small, dose]), depth, 0.1


def pvalues(rng, missing=0):
    """Draw 307 p-values, more small ones than uniform, some of them missing."""
    drawn = rng.uniform(size=307) ** rng.uniform(1.3, 1.6)
    drawn[rng.permutation(307)[:missing]] = np.nan
    return drawn


def difference(values, treated):
    """Compare two groups by a whole number, so that equal statistics are equal to the last bit."""
    values, treated = np.asarray(values), np.asarray(treated)
    if treated.shape != values.shape or not np.isin(treated, [0, 1]).all():
        raise ValueError("`treated` should hold True or False for each of the values")
    treated = treated.astype(bool)
    return abs(int(values[treated].sum() * (~treated).sum() - values[~treated].sum() * treated.sum()))


def squares(values, treated):
    """Compare the mean squares of two groups, again by a whole number."""
    return difference(np.asarray(values) ** 2, treated)


def experiments(rng):
    """Yield (where, whole values (n,), labels (n,), statistic) of two small groups, in which every slip shows."""
    for where, n_control, statistic in (
        ("", 4, difference),
        ("for three against five samples and another statistic, ", 5, squares),
    ):
        treated = np.repeat([True, False], [3, n_control])
        telling = False
        while not telling:
            values, labels = rng.integers(0, 6, len(treated)) + 2 * treated, rng.permutation(treated)
            values = values[np.argsort(np.argsort(~labels, kind="stable"), kind="stable")]
            right, slips = permutation_pvalue(values, labels, statistic)
            telling = _is_telling([right], slips)
        yield where, values, labels, statistic


def permutation_pvalue(values, treated, statistic):
    """Compute the p-value and those of the usual slips."""
    ours, every, *others = _arrangements(values, treated, statistic)
    slips = usual.permutations(ours, every, *others)
    if statistic is not difference:
        ours_of_means, means, *_ = _arrangements(values, treated, difference)
        slips[usual.OWN_STATISTIC] = [np.mean(means >= ours_of_means)]
    return np.mean(every >= ours), slips


def _arrangements(values, treated, statistic):
    """Compute the statistic (as observed, of all arrangements, of groups of any size, with the first for treated)."""
    n, chosen = len(values), int(treated.sum())
    groups = [np.isin(np.arange(n), group) for group in combinations(range(n), chosen)]
    subsets = [np.array(group) for group in product([False, True], repeat=n) if 0 < sum(group) < n]
    every, any_size = (np.array([statistic(values, group) for group in some]) for some in (groups, subsets))
    return statistic(values, treated), every, any_size, statistic(values, np.arange(n) < chosen)


def _is_telling(right, slips):
    """Say whether no two slips, nor a slip and a right answer, end in the same numbers."""
    ends = [
        {np.round(np.asarray(value, dtype=float), 9).tobytes() for value in one} for one in (right, *slips.values())
    ]
    return sum(map(len, ends)) == len(set().union(*ends))


def effects(rng, g, sd):
    """Draw (estimates (g,), standard errors (g,)): half of the effects zero, half normal with this sd."""
    s = rng.uniform(0.2, 1.5, g)
    true = rng.normal(0, sd, g) * (rng.random(g) < 0.5)
    return true + rng.normal(0, s), s


def posteriors(rng):
    """Yield (where, weights, means, sds), each (g, k): without a point mass, with one at zero, with one elsewhere."""
    g = 60
    weights = rng.dirichlet([0.7] * 4, g)
    means, sds = rng.normal(0, 1, (g, 4)), rng.uniform(0.3, 1.5, (g, 4))
    yield "", weights, means, sds
    at_zero, no_width = means.copy(), sds.copy()
    at_zero[:, 0], no_width[:, 0] = 0, 0
    yield "with a point mass at zero, ", weights, at_zero, no_width
    elsewhere = means.copy()
    elsewhere[:, 2], no_width[:, 2] = rng.choice([-0.4, 0.4], g), 0
    elsewhere[:, 0] = 0
    yield "with a second point mass that is not at zero, ", weights, elsewhere, no_width


def thresholds(rng):
    """Yield (where, estimates (g,), standard errors (g,), threshold): some estimates within the threshold."""
    for where, threshold in (("", rng.uniform(0.5, 1.2)), ("for threshold 0, ", 0.0)):
        yield where, rng.normal(0, 1.5, 60), rng.uniform(0.2, 1.2, 60), threshold


def tables(rng):
    """Yield (where, table, alpha, lfc) in which every slip shows; some genes are not tested."""
    for where, alpha, lfc in (("", 0.05, 1.0), ("for another level and another size, ", 0.15, 0.6)):
        telling = False
        while not telling:
            b, s = effects(rng, 1_500, 1.5)
            table = _table(b, s, rng)
            slips = usual.claims(table, alpha, lfc)
            if lfc == 1:  # so far out the second tail decides about no gene
                del slips[usual.ONE_TAIL]
            telling = _is_telling(claimed(table, alpha, lfc), slips)
        yield where, table, alpha, lfc


def claimed(table, alpha, lfc):
    """Find the genes beyond a size (g,): by the test of exercise 6, and by DESeq2's form of it."""
    tests = usual.threshold_tests(table["log2FoldChange"].to_numpy(), table["lfcSE"].to_numpy(), lfc)
    return [adjust(np.where(table["pvalue"].notna(), p, np.nan)) < alpha for p in tests]


def _table(b, s, rng):
    table = pd.DataFrame({"log2FoldChange": b, "lfcSE": s, "pvalue": 2 * stats.norm.sf(np.abs(b) / s)})
    table.index = [f"gene{number}" for number in rng.permutation(len(b))]
    untested = rng.permutation(len(b))[:500]
    table.iloc[untested[:250], 2] = np.nan  # an outlier: an estimate without a p-value
    table.iloc[untested[250:]] = np.nan  # no counts at all
    return table
