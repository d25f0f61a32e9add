"""The bank of chapter 1: right answers written differently pass, typical wrong ones get the diagnosis that fits."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.check_bank import BankTests
from scipy import stats

from scomics_lite import normalization, simulate
from scomics_lite.course import notebooks
from scomics_lite.course.checks import review
from scomics_lite.course.checks.ch01 import questions as ch01

SOLUTIONS = Path(__file__).parents[2] / "solutions" / "01_normalization_and_compositionality_solutions.ipynb"

# --- 1: expected counts -----------------------------------------------------------------------------------------------

EXPECTED_RIGHT = {
    "array": np.array([[100.0, 200.0], [100.0, 100.0]]),
    "lists": [[1e6 * 1e-4, 2e6 * 1e-4], [1e6 * 1e-4 / 1, 2e6 * 1e-4 / 2]],
    "two arrays": (np.array([100, 200]), np.array([100, 100])),
    "table": pd.DataFrame({"tube 1": [100, 100], "tube 2": [200, 100]}, ["raw", "scaled"]),
    "counts per million": np.vstack([[100, 200], np.array([100, 200]) / [1, 2]]),
}
EXPECTED_WRONG = {
    "multiplied": ([[100, 200], [100, 400]], "multiplies by s"),
    "not divided": ([[100, 200], [100, 200]], "nothing has been divided"),
    "divided by N": ([[100, 200], [1e-4, 1e-4]], "gives the share p back"),
    "rows swapped": ([[100, 100], [100, 200]], "rows in the other order"),
    "samples in rows": ([[100, 100], [200, 100]], "axes swapped"),
    "s in the wrong order": ([[100, 200], [50, 200]], "wrong order"),
    "another unit of s": ([[100, 200], [np.sqrt(2) * 100] * 2], "another unit"),
    "drawn": ([[93, 211], [93, 105.5]], "look like drawn counts"),
    "flat": ([100, 200, 100, 100], "in shape (4,)"),
    "one row": ([100, 200], "shape (2,)"),
    "p forgotten": ([[1e6, 2e6], [1e6, 1e6]], "one constant factor"),
    "words": ("100 and 200", "a text where numbers were expected"),
}

# --- 2: median of ratios ----------------------------------------------------------------------------------------------


def voters(counts):
    kept = counts[:, (counts > 0).all(axis=0)].astype(float)
    if kept.shape[1] == 0:
        raise ValueError("no gene without zeros")
    return kept


def mor_ratios(counts):
    kept = voters(counts)
    return np.median(kept / stats.gmean(kept, axis=0), axis=1)


def mor_log2(counts):
    log = np.log2(voters(counts))
    return 2 ** np.median(log - log.mean(axis=0), axis=1)


def mor_pandas(counts):
    frame = pd.DataFrame(counts)
    frame = frame.loc[:, frame.min() > 0]
    if frame.empty:
        raise ValueError("nothing left")
    return frame.div(frame.prod() ** (1 / len(frame))).median(axis=1)


def mor_loops(counts):
    genes = [g for g in range(counts.shape[1]) if all(row[g] > 0 for row in counts)]
    if not genes:
        raise ValueError("nothing left")
    means = {g: np.prod([float(row[g]) for row in counts]) ** (1 / len(counts)) for g in genes}
    return [float(np.median([row[g] / means[g] for g in genes])) for row in counts]


def mor_masked(counts):
    with np.errstate(divide="ignore"):
        log = np.where(counts > 0, np.log(counts.astype(float)), np.nan)
    log[:, np.isnan(log).any(axis=0)] = np.nan
    if np.isnan(log).all():
        raise ValueError("nothing left")
    return np.exp(np.nanmedian(log - log.mean(axis=0), axis=1))


MOR_RIGHT = {f.__name__: f for f in (mor_ratios, mor_log2, mor_pandas, mor_loops, mor_masked)}


def mor_in_place(counts):
    counts[counts == 0] = 1
    return mor_ratios(counts)


def mor_zeros_kept(counts):
    log = np.log(counts.astype(float))
    return np.exp(np.median(log - log.mean(axis=0), axis=1))


def mor_numbers_for_nothing(counts):
    kept = counts[:, (counts > 0).all(axis=0)]
    return mor_ratios(counts) if kept.size else np.ones(len(counts))


def mor_assert(counts):
    assert (counts > 0).all(axis=0).any()
    return mor_ratios(counts)


def mor_zeros_dropped_per_sample(counts):
    log = np.log(np.where(counts > 0, counts, np.nan))
    return np.exp(np.nanmedian(log - np.nanmean(log, axis=0), axis=1))


MOR_WRONG = {
    "arithmetic mean": (lambda y: np.median(voters(y) / voters(y).mean(axis=0), axis=1), "arithmetic mean"),
    "mean of ratios": (lambda y: (voters(y) / stats.gmean(voters(y))).mean(axis=1), "a mean of the ratios"),
    "mean of log ratios": (
        lambda y: np.exp((np.log(voters(y)) - np.log(voters(y)).mean(axis=0)).mean(axis=1)),
        "a mean of the ratios",
    ),
    "median as reference": (lambda y: np.median(voters(y) / np.median(voters(y), axis=0), axis=1), "gene's median"),
    "one sample as reference": (lambda y: np.median(voters(y) / voters(y)[0], axis=1), "a single sample"),
    "totals": (lambda y: y.sum(axis=1) / y.sum(axis=1).mean(), "made of totals"),
    "normalization factors": (lambda y: mor_ratios(y) / y.sum(axis=1), "is a normalization factor"),
    "edgeR's factors": (lambda y: normalization.norm_factors(y, "rle"), "is a normalization factor"),
    "medians of counts": (lambda y: np.median(voters(y), axis=1), "median count of each sample"),
    "upside down": (lambda y: 1 / mor_ratios(y), "reciprocal"),
    "still logs": (lambda y: np.log(mor_ratios(y)), "on the log scale"),
    "mixed bases": (lambda y: 2 ** np.log(mor_ratios(y)), "one base of the logarithm"),
    "rescaled": (lambda y: mor_ratios(y) / stats.gmean(mor_ratios(y)), "scaled once more"),
    "a number per gene": (lambda y: np.median(y / (y.mean(axis=1, keepdims=True)), axis=0), "for each gene"),
    "genes in rows": (lambda y: mor_ratios(y.T + 1), "for each gene"),
    "a normalized table": (lambda y: y / mor_ratios(y)[:, None], "a whole table"),
    "a column": (lambda y: mor_ratios(y)[:, None], "in shape (5, 1)"),
    "the example's answer": (lambda y: [1.0, 2.0, 0.5], "shape (3,)"),
    "constant": (lambda y: np.ones(len(y)), "wrong in"),
    "no return": (lambda y: None, "is a `return` missing"),
    "zeros kept": (mor_zeros_kept, "in a table with some your vector of size factors is"),
    "pseudo-count": (
        lambda y: mor_ratios(y + 1) if (y == 0).any() else mor_ratios(y),
        "in a table with some your vector of size factors comes from counts plus a pseudo-count",
    ),
    "poscounts": (
        lambda y: normalization.size_factors(y, "poscounts") if (y == 0).any() else mor_ratios(y),
        "idea of poscounts",
    ),
    "zeros dropped sample by sample": (mor_zeros_dropped_per_sample, "idea of poscounts"),
    "in place": (mor_in_place, "changes its argument number 1 in place"),
    "numbers out of nothing": (mor_numbers_for_nothing, "raise ValueError and say why"),
    "assert": (mor_assert, "ends in AssertionError"),
    "crash": (lambda y: y.shape[2], "IndexError"),
}

# --- 3: composition ---------------------------------------------------------------------------------------------------


def abundances(share, n_genes=1_000):
    others = np.linspace(0.5, 1.5, n_genes - 1)
    return np.concatenate([[share], (1 - share) * others / others.sum()])


def predicted(share, fold):
    return 1 / (1 + share * (fold - 1))


def deal(share, fold, rng, depth=1_000_000):
    a = abundances(share)
    b = a.copy()
    b[0] *= fold
    return rng.poisson(depth * a / a.sum()), rng.poisson(depth * b / b.sum())


def simulated(share, fold, rng):
    a, b = deal(share, fold, rng)
    return np.median(b[1:] / a[1:])


def simulated_multinomial(share, fold, rng):
    a = abundances(share)
    b = np.r_[a[0] * fold, a[1:]]
    draws = [rng.multinomial(1_000_000, x / x.sum())[1:].sum() for x in (a, b)]
    return float(draws[1] / draws[0])


def simulated_logs(share, fold, rng):
    a, b = deal(share, fold, rng)
    return 2 ** np.mean(np.log2(b[1:] / a[1:]))


def answer_3(predicted=predicted, simulated=simulated):
    return {"predicted": predicted, "simulated": simulated}


COMPOSITION_RIGHT = {
    "median": answer_3(),
    "totals": answer_3(lambda share, fold: 1 / (1 - share + share * fold), simulated_multinomial),
    "totals of abundances": answer_3(
        lambda share, fold: 1 / (abundances(share)[0] * fold + abundances(share)[1:].sum()), simulated_logs
    ),
    "arrays of no dimension": answer_3(lambda share, fold: np.array(predicted(share, fold))),
}


def molecules_counted(share, fold, rng):
    a = abundances(share)
    b = np.r_[a[0] * fold, a[1:]]
    return np.median(rng.poisson(1e6 * b)[1:] / rng.poisson(1e6 * a)[1:])


def own_random_numbers(share, fold, rng):
    return simulated(share, fold, np.random.default_rng())


def loud_gene(share, fold, rng):
    a, b = deal(share, fold, rng)
    return b[0] / a[0]


COMPOSITION_WRONG = {
    "whole gene added": (answer_3(lambda share, fold: 1 / (1 + share * fold)), "already holds it once"),
    "subtracted": (answer_3(lambda share, fold: 1 - share * (fold - 1)), "first step of a series"),
    "old pie": (answer_3(lambda share, fold: (1 - share * fold) / (1 - share)), "slice of the *new* pie"),
    "loud gene": (answer_3(lambda share, fold: fold * predicted(share, fold)), "of the loud gene"),
    "no effect": (answer_3(lambda share, fold: 1.0), "the same number whatever"),
    "hard-coded": (answer_3(lambda share, fold: 1 / 1.4), "the same number whatever"),
    "share forgotten": (answer_3(lambda share, fold: 1 / fold), "only part of the pie"),
    "upside down": (answer_3(lambda share, fold: 1 + share * (fold - 1)), "reciprocal"),
    "logarithm": (answer_3(lambda share, fold: np.log2(predicted(share, fold))), "on the log scale"),
    "percent": (answer_3(lambda share, fold: predicted(share / 100, fold)), "takes share for a percentage"),
    "molecules counted": (answer_3(simulated=molecules_counted), "finds the unchanged genes unchanged"),
    "totals compared": (
        answer_3(simulated=lambda *args: np.divide(*[y.sum() for y in deal(*args)])),
        "finds the unchanged genes unchanged",
    ),
    "loud gene simulated": (answer_3(simulated=loud_gene), "fold change of the loud gene"),
    "A over B": (answer_3(simulated=lambda *args: 1 / simulated(*args)), "upside down"),
    "log2 of the ratio": (answer_3(simulated=lambda *args: np.log2(simulated(*args))), "is a logarithm"),
    "a ratio per gene": (answer_3(simulated=lambda *args: np.divide(*deal(*args))), "1000 numbers"),
    "no counts drawn": (answer_3(simulated=lambda share, fold, rng: predicted(share, fold)), "does not depend on rng"),
    "own rng": (answer_3(simulated=own_random_numbers), "for the same rng"),
    "called": (answer_3(predicted=0.714), "without calling it"),
    "one missing": ({"predicted": predicted}, "says nothing about 'simulated'"),
    "no dict": (predicted, "where a dict was expected"),
}

# --- 4: untrimmed TMM -------------------------------------------------------------------------------------------------


def m_and_a(y, r):
    both = (y > 0) & (r > 0)
    log, log_r = np.log2(y[both] / y.sum()), np.log2(r[both] / r.sum())
    return log - log_r, (log + log_r) / 2


def tmm(y, r):
    return 2 ** np.average(m_and_a(y, r)[0], weights=1 / variance(y, r))


def variance(y, r):
    both = (y > 0) & (r > 0)
    return sum((x.sum() - x[both]) / (x.sum() * x[both]) for x in (y, r))


def weighted(weights, y, r):
    return 2 ** np.average(m_and_a(y, r)[0], weights=weights)


def common(y, r):
    both = (y > 0) & (r > 0)
    return y[both], r[both]


def answer_4(m_and_a=m_and_a, tmm=tmm):
    return {"m_and_a": m_and_a, "untrimmed_tmm": tmm}


def tmm_loop(y, r):
    top = bottom = 0
    for a, b in zip(y.tolist(), r.tolist(), strict=True):
        if a and b:
            weight = 1 / (1 / a - 1 / y.sum() + 1 / b - 1 / r.sum())
            top, bottom = top + weight * np.log((a / y.sum()) / (b / r.sum())), bottom + weight
    return float(np.exp(top / bottom))


def table_of_m_and_a(y, r):
    return normalization.m_and_a([y, r], 0, 1)[["M", "A"]]


def log2_proportions(y, r):
    with np.errstate(divide="ignore", invalid="ignore"):
        m = np.log2(y) - np.log2(r) - np.log2(y.sum()) + np.log2(r.sum())
        a = 0.5 * np.log2((y / y.sum()) * (r / r.sum()))
    return [m[np.isfinite(m)], a[np.isfinite(a)]]


TMM_RIGHT = {
    "numpy": answer_4(),
    "loop and natural logs": answer_4(lambda y, r: [x.tolist() for x in m_and_a(y, r)], tmm_loop),
    "data frame": answer_4(
        table_of_m_and_a,
        lambda y, r: (
            2 ** np.average(table_of_m_and_a(y, r)["M"], weights=normalization.m_and_a([y, r], 0, 1)["weight"])
        ),
    ),
    "package without trims": answer_4(
        log2_proportions,
        lambda y, r: np.divide(*normalization.norm_factors([y, r], "tmm", reference=1, logratio_trim=0, sum_trim=0)),
    ),
}


def late(function):
    return lambda y, r: function(*common(y, r))


def with_zeros(y, r):
    with np.errstate(divide="ignore", invalid="ignore"):
        log, log_r = np.log2(y / y.sum()), np.log2(r / r.sum())
        return log - log_r, (log + log_r) / 2


TMM_WRONG = {
    "natural logs": (answer_4(lambda y, r: [x * np.log(2) for x in m_and_a(y, r)]), "M is off by a constant factor"),
    "library sizes ignored": (
        answer_4(lambda y, r: (np.log2(np.divide(*common(y, r))), m_and_a(y, r)[1])),
        "without the library sizes",
    ),
    "reference over sample": (answer_4(lambda y, r: m_and_a(r, y)), "upside down"),
    "no logarithm": (answer_4(lambda y, r: (2 ** m_and_a(y, r)[0], m_and_a(y, r)[1])), "on the plain scale"),
    "swapped": (answer_4(lambda y, r: m_and_a(y, r)[::-1]), "changed places"),
    "zeros kept": (answer_4(with_zeros), "a value for every gene"),
    "late library sizes": (answer_4(late(m_and_a)), "summed after genes had been dropped"),
    "A a sum": (answer_4(lambda y, r: (m_and_a(y, r)[0], 2 * m_and_a(y, r)[1])), "A is a sum of two logs"),
    "A a log of a mean": (
        answer_4(
            lambda y, r: (m_and_a(y, r)[0], np.log2((y / y.sum() + r / r.sum()) / 2)[(y > 0) & (r > 0)]),
        ),
        "log of a mean",
    ),
    "A of raw counts": (
        answer_4(lambda y, r: (m_and_a(y, r)[0], np.log2(np.multiply(*common(y, r))) / 2)),
        "A is made of raw counts",
    ),
    "only M": (answer_4(lambda y, r: m_and_a(y, r)[0]), "hand back M and A"),
    "unweighted": (answer_4(tmm=lambda y, r: 2 ** m_and_a(y, r)[0].mean()), "the same say"),
    "weights inverted": (answer_4(tmm=lambda y, r: weighted(variance(y, r), y, r)), "weights upside down"),
    "standard deviations": (answer_4(tmm=lambda y, r: weighted(variance(y, r) ** -0.5, y, r)), "standard deviation"),
    "Poisson weights": (
        answer_4(tmm=lambda y, r: weighted(1 / sum(1 / x for x in common(y, r)), y, r)),
        "as if a count were Poisson",
    ),
    "weighted by counts": (answer_4(tmm=lambda y, r: weighted(sum(common(y, r)), y, r)), "by the counts themselves"),
    "median": (answer_4(tmm=lambda y, r: 2 ** np.median(m_and_a(y, r)[0])), "is a median of M"),
    "exp of log2": (answer_4(tmm=lambda y, r: np.exp(np.log2(tmm(y, r)))), "one base of the logarithm"),
    "log factor": (answer_4(tmm=lambda y, r: np.log2(tmm(y, r))), "on the log scale"),
    "upside down": (answer_4(tmm=lambda y, r: tmm(r, y)), "reciprocal"),
    "size factors": (answer_4(tmm=lambda y, r: tmm(y, r) * y.sum() / r.sum()), "ratio of size factors"),
    "late": (answer_4(tmm=late(tmm)), "summed after genes had been dropped"),
    "trimmed": (
        answer_4(tmm=lambda y, r: np.divide(*normalization.norm_factors([y, r], "tmm", reference=1))),
        "was trimmed",
    ),
    "one": (answer_4(tmm=lambda y, r: 1.0), "is too"),
}

# --- 5: breaking point ------------------------------------------------------------------------------------------------

FRACTIONS = np.arange(5, 85, 5) / 100


def experiment(changed_fraction, log2_fold_change, rng, up_fraction=1):
    return simulate.bulk_counts(
        ["A"] * 3 + ["B"] * 3,
        2_000,
        changed_fraction=changed_fraction,
        up_fraction=up_fraction,
        log2_fold_change=log2_fold_change,
        dispersion=0.05,
        rng=rng,
    )


def bias(counts, factors, in_b, unchanged):
    normalized = counts / factors[:, None]
    a, b = normalized[~in_b].mean(axis=0), normalized[in_b].mean(axis=0)
    judges = unchanged & (a > 0) & (b > 0)
    return np.median(np.log2(b[judges] / a[judges]))


def bias_of_sums(counts, factors, in_b, unchanged):
    normalized = pd.DataFrame(counts).div(np.asarray(factors), axis=0).loc[:, unchanged]
    return np.log2(normalized[in_b].mean().sum() / normalized[~in_b].mean().sum())


def bias_of_logs(counts, factors, in_b, unchanged):
    log = np.log2(counts[:, unchanged] / factors[:, None] + 0.5)
    return [float((log[in_b].mean(axis=0) - log[~in_b].mean(axis=0)).mean())]


def scan(
    method, log2_fold_change, rng, *, bias=bias, limit=0.5, exceeds=lambda value, limit: abs(value) > limit, **more
):
    for fraction in FRACTIONS:
        data = experiment(fraction, log2_fold_change, rng, **more)
        in_b, unchanged = (data.obs["condition"] == "B").to_numpy(), ~data.var["changed"].to_numpy()
        if exceeds(bias(data.X, normalization.size_factors(data, method), in_b, unchanged), limit):
            return fraction
    return np.nan


def scan_all_then_choose(method, log2_fold_change, rng):
    sizes = [abs(true_bias(experiment(fraction, log2_fold_change, rng), method)) for fraction in FRACTIONS]
    return next((fraction for fraction, size in zip(FRACTIONS, sizes, strict=True) if size > 0.5), None)


def true_bias(data, method):
    error = np.log2(data.obs["size_factor"] / normalization.size_factors(data, method))
    return error.iloc[3:].mean() - error.iloc[:3].mean()


def answer_5(bias=bias, scan=scan):
    return {"bias": bias, "breaking_point": scan}


BREAKING_RIGHT = {
    "median of log ratios": answer_5(),
    "ratio of sums": answer_5(bias_of_sums, lambda *args: scan(*args, bias=bias_of_sums)),
    "difference of mean logs, None for never": answer_5(bias_of_logs, scan_all_then_choose),
}

BREAKING_WRONG = {
    "A over B": (answer_5(lambda y, s, b, u: -bias(y, s, b, u)), "wrong sign"),
    "size only": (answer_5(lambda y, s, b, u: abs(bias(y, s, b, u))), "wrong sign"),
    "factors forgotten": (answer_5(lambda y, s, b, u: bias(y, np.ones(6), b, u)), "forgets to divide"),
    "multiplied": (answer_5(lambda y, s, b, u: bias(y, 1 / s, b, u)), "multiplies by the size factors"),
    "natural log": (answer_5(lambda y, s, b, u: bias(y, s, b, u) * np.log(2)), "natural logarithm"),
    "no log": (answer_5(lambda y, s, b, u: 2 ** bias(y, s, b, u)), "plain ratio"),
    "all genes": (answer_5(lambda y, s, b, u: bias_of_sums(y, s, b, u | True)), "looks at all genes"),
    "changed genes": (answer_5(lambda y, s, b, u: bias(y, s, b, ~u)), "looks at the changed genes"),
    "sums of samples": (answer_5(lambda y, s, b, u: bias(y, s, b, u) + np.log2(4 / 2)), "adds up samples"),
    "every gene": (answer_5(lambda y, s, b, u: (y / s[:, None])[b].mean(axis=0)), "400 numbers"),
    "no abs": (answer_5(scan=lambda *args: scan(*args, exceeds=lambda value, limit: value > limit)), "mind the sign"),
    "balanced": (answer_5(scan=lambda *args: scan(*args, up_fraction=0.5)), "a balanced setting"),
    "index": (
        answer_5(scan=lambda *args: np.searchsorted(FRACTIONS, scan(*args)) * 1.0),
        "a fraction between 0 and 1",
    ),
    "percent": (answer_5(scan=lambda *args: 100 * scan(*args)), "a fraction between 0 and 1"),
    "curve": (answer_5(scan=lambda *args: FRACTIONS), "hand back one number"),
    "hard-coded": (answer_5(scan=lambda *args: 0.5), "reports a break for an effect of 0.25"),
    "effect ignored": (
        answer_5(scan=lambda method, effect, rng: scan(method, 1.0, rng)),
        "reports a break for an effect of 0.25",
    ),
    "method ignored": (
        answer_5(scan=lambda method, effect, rng: scan("median_of_ratios", effect, rng)),
        "does not follow `method`",
    ),
    "limit too low": (answer_5(scan=lambda *args: scan(*args, limit=0.26)), "too early"),
    "limit too high": (answer_5(scan=lambda *args: scan(*args, limit=0.75)), "too late"),
    "strong effects weakened": (
        answer_5(scan=lambda method, effect, rng: scan(method, min(effect, 1) if method != "total" else effect, rng)),
        "does not follow `log2_fold_change`",
    ),
}

# --- 6: choose a method -----------------------------------------------------------------------------------------------


def choices(**changes):
    right = {
        "A": ("spike_ins", "known input"),
        "B": ("median_of_ratios", "stable genes"),
        "C": ("pooling", "sums have few zeros"),
    }
    return {**right, **changes}


CHOICE_RIGHT = {
    "as in the solution": choices(),
    "TMM": choices(B=("tmm", "stable genes")),
    "written by hand": choices(A=["Spike-ins", " Known input "], B=["median of ratios", "STABLE GENES"]),
}
CHOICE_WRONG = {
    "A by the book": (choices(A=("median_of_ratios", "stable genes")), "study A: against median_of_ratios"),
    "A by totals": (choices(A=("total", "equal totals")), "makes them equal by decree"),
    "A trimmed": (choices(A=("tmm", "stable genes")), "the majority moved"),
    "A with a weak reason": (choices(A=("spike_ins", "common practice")), "What has to be true of these?"),
    "B by totals": (choices(B=("total", "common practice")), "a twelfth of all reads"),
    "B with spikes": (choices(B=("spike_ins", "known input")), "none were added"),
    "B with a weak reason": (choices(B=("tmm", "never fails")), "a wrong size factor is a number too"),
    "C by totals": (choices(C=("total", "common practice")), "totals take that for depth"),
    "C by four genes": (choices(C=("median_of_ratios", "stable genes")), "next to nobody votes"),
    "C by poscounts": (choices(C=("poscounts", "never fails")), "scarcely follow the depth"),
    "C with a weak reason": (choices(C=("pooling", "stable genes")), "single out this method"),
    "unknown method": (choices(B=("deseq", "stable genes")), "there is no method 'deseq'"),
    "unknown reason": (choices(B=("tmm", "stable")), "did you mean 'stable genes'"),
    "no reason": (choices(A="spike_ins"), "give a pair"),
    "no study C": ({"A": ("total", "equal totals"), "B": ("total", "equal totals")}, "says nothing about 'C'"),
    "a list": ([("total", "equal totals")] * 3, "a list where a dict was expected"),
}

# --- 7: repair --------------------------------------------------------------------------------------------------------


def undo(table, library_sizes, *, bases=(np.e, 2, 10), one=1, total=None, finish=np.rint):
    for base in bases:
        scaled = base ** np.asarray(table) - 1
        totals = scaled.sum(axis=1)
        if np.ptp(totals) < 1e-3 * totals.mean():
            divisor = totals[:, None] if total is None else total
            return finish((scaled + 1 - one) / divisor * library_sizes[:, None])
    raise ValueError("no base fits")


def undo_pandas(table, library_sizes):
    for undo_log in (np.expm1, lambda x: 2**x - 1, lambda x: 10**x - 1):
        scaled = undo_log(table)
        if np.allclose(scaled.sum(axis=1), scaled.sum(axis=1).iloc[0]):
            return scaled.div(scaled.sum(axis=1), axis=0).mul(library_sizes, axis=0).round().astype(int)
    raise ValueError("no base fits")


def undo_by_spread(table, library_sizes):
    spreads = {}
    for base in (2, np.e, 10):
        totals = np.expm1(table.to_numpy() * np.log(base)).sum(axis=1)
        spreads[base] = totals.std() / totals.mean()
    base = min(spreads, key=spreads.get)
    if spreads[base] > 1e-6:
        raise ValueError("not a table of this kind")
    shares = np.expm1(table.to_numpy() * np.log(base))
    return [[round(x) for x in row / row.sum() * n] for row, n in zip(shares, library_sizes, strict=True)]


REPAIR_RIGHT = {
    "numpy": undo,
    "integers": lambda t, n: undo(t, n).astype(int),
    "pandas": undo_pandas,
    "lists, by the smallest spread": undo_by_spread,
}


def guess_log2(table, library_sizes):
    return np.rint((2**table - 1) / 1e6 * library_sizes[:, None])


def undo_in_place(table, library_sizes):
    table *= np.log(2)
    return np.rint(np.expm1(table) / 1e6 * library_sizes[:, None])


def refuses_nothing(table, library_sizes):
    try:
        return undo(table, library_sizes)
    except ValueError:
        return guess_log2(table, library_sizes)


def stops_with_a_key_error(table, library_sizes):
    try:
        return undo(table, library_sizes)
    except ValueError:
        raise KeyError("base") from None


REPAIR_WRONG = {
    "one kept": (lambda t, n: undo(t, n, one=0), "keeps the 1"),
    "library sizes ignored": (lambda t, n: 2**t - 1, "is still scaled"),
    "logs scaled": (lambda t, n: t / 1e6 * n[:, None], "still holds logarithms"),
    "natural logs guessed": (lambda t, n: np.rint(np.expm1(t) / 1e6 * n[:, None]), "another base"),
    "log2 guessed": (guess_log2, "from ln(1 + counts per 1,000,000)"),
    "base 10 forgotten": (lambda t, n: undo(t, n, bases=(2, np.e)), "ValueError: no base fits"),
    "a million guessed": (lambda t, n: undo(t, n, total=1e6), "takes a total for granted"),
    "astype(int)": (lambda t, n: undo(t, n, finish=lambda x: np.trunc(x - 1e-6)), "astype(int) cuts"),
    "cut off": (lambda t, n: undo(t, n, finish=np.trunc), "astype(int) cuts"),
    "not rounded": (lambda t, n: undo(t, n, finish=lambda x: x * (1 + 1e-9)), "round at the end"),
    "divided": (lambda t, n: (2**t - 1) / n[:, None], "divided by the library sizes"),
    "transposed": (lambda t, n: undo(t, n).T, "axes swapped"),
    "library sizes along genes": (lambda t, n: (2 ** t.to_numpy() - 1) / 1e6 * n, "raised ValueError"),
    "in place": (undo_in_place, "changes its argument number 1 in place"),
    "refuses nothing": (refuses_nothing, "genes were dropped gives no total away"),
    "another error": (stops_with_a_key_error, "ends in KeyError"),
}

# --- the tests --------------------------------------------------------------------------------------------------------

BANK = {
    "ch01-expected-counts": (EXPECTED_RIGHT, EXPECTED_WRONG),
    "ch01-median-of-ratios": (MOR_RIGHT, MOR_WRONG),
    "ch01-composition": (COMPOSITION_RIGHT, COMPOSITION_WRONG),
    "ch01-untrimmed-tmm": (TMM_RIGHT, TMM_WRONG),
    "ch01-breaking-point": (BREAKING_RIGHT, BREAKING_WRONG),
    "ch01-choose-a-method": (CHOICE_RIGHT, CHOICE_WRONG),
    "ch01-repair": (REPAIR_RIGHT, REPAIR_WRONG),
}
SECRETS = {"ch01-expected-counts": r"\b(100|200)\b", "ch01-composition": r"0\.714"}


class TestBank(BankTests):
    chapter, solutions, bank, secrets = "ch01", SOLUTIONS, BANK, SECRETS


@pytest.mark.parametrize("study", "ABC")
def test_no_choice_is_given_away_by_what_is_said_of_another(study):
    right_methods = {method for method, _ in ch01.DEFENDED[study]}
    right_reasons = {reason for _, reason in ch01.DEFENDED[study]}
    for method in ch01.METHODS:
        for reason in ch01.REASONS:
            status, message = review("ch01-choose-a-method", choices(**{study: (method, reason)}))
            assert (status == "ok") == ((method, reason) in ch01.DEFENDED[study])
            given_away = {word for word in right_methods - {method} | right_reasons if word in message}
            assert not given_away, message


def test_the_notebook_lists_every_method_and_reason_the_check_knows():
    text = "\n".join(cell.source for cell in notebooks.read(SOLUTIONS).cells if cell.cell_type == "markdown")
    assert not [word for word in (*ch01.METHODS, *ch01.REASONS) if f"| `{word}` |" not in text]
