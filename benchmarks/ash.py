"""Adaptive shrinkage beside R's ashr, and its solver beside mixsqp: ``python benchmarks/ash.py``.

Effects with a fixed seed: 80% are zero, the others N(0, 1); standard errors are log-normal around 0.37, and errors
normal. Every call runs in a process of its own, with one thread; measured are the seconds and CPU seconds of the call
alone, the effects already in memory, and the largest memory the process ever held, with all that it imported.

The first table is of the whole way, from effects to posteriors, for 20,000 and 1,000,000 effects and every family of
mixtures: the log likelihood, and the largest difference of posterior means from ours. ashr runs where R has it.

The second is of the weights alone: ``fit_weights`` and R's mixsqp, with its defaults and with its tolerance lowered as
far as it goes, on the same likelihoods and the same penalty. What each lacks of the higher of the penalized log
likelihoods is what it lacks of the optimum: ours says itself how far it may be from there, less than 1e-8.

No package for Python that fits such mixtures was installable when this was written, so that R's are the only peers.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import measure
import numpy as np

MIXTURES = ("normal", "uniform", "half_uniform", "half_normal")
EFFECTS = (20_000, 1_000_000)
SOLVED = (("normal", 20_000), ("half_uniform", 20_000), ("normal", 1_000_000))
SOLVERS = {"scomics_lite": None, "R mixsqp": "mixsqp", "R mixsqp, low tolerance": "mixsqp_strict"}


# --- the effects ------------------------------------------------------------------------------------------------------


def simulated(n):
    """Draw effects and standard errors, shape (2, n)."""
    rng = np.random.default_rng(1)
    truth = rng.normal(0, 1, n) * (rng.random(n) < 0.2)
    errors = np.exp(rng.normal(-1, 0.6, n))
    return np.array([truth + errors * rng.normal(size=n), errors])


def likelihoods(n, mixture):
    """Give likelihoods (n, k), every row over its maximum, and the parameters of the null-biased prior (k,)."""
    from scomics_lite.empirical_bayes.mixtures import Mixture, Posteriors, make_components
    from scomics_lite.empirical_bayes.unimodal_prior import NULL_WEIGHT, cut, default_scales

    effects, errors = simulated(n)
    components = make_components(mixture, np.append(0.0, default_scales(effects, errors)))
    k = len(components)
    flat, table = Mixture(mixture, 0.0, np.full(k, 1 / k), components), np.empty((n, k))
    for rows in cut(n, k):
        logs = Posteriors(flat, effects[rows], errors[rows]).log_likelihoods
        table[rows] = np.exp(logs - logs.max(axis=1, keepdims=True))
    return table, np.where(np.arange(k) == 0, NULL_WEIGHT, 1.0)


# --- what is timed: each writes its result and prints what it took ----------------------------------------------------


def shrink(folder, mixture):
    """Run ash in this process."""
    from scomics_lite.empirical_bayes import ash

    effects, errors = np.fromfile(folder / "effects.bin").reshape(2, -1)
    result, took = measure.clocked(lambda: ash(effects, errors, mixture=mixture))
    result.posterior_mean.tofile(folder / "result.bin")
    print(json.dumps({**took, "log_likelihood": result.log_likelihood}))


def solve(folder, k):
    """Run fit_weights in this process."""
    from scomics_lite.empirical_bayes import fit_weights

    table = np.ascontiguousarray(np.fromfile(folder / "likelihoods.bin").reshape(int(k), -1).T)
    prior = np.fromfile(folder / "prior.bin")
    weights, took = measure.clocked(lambda: fit_weights(table, prior))
    weights.tofile(folder / "result.bin")
    print(json.dumps(took))


# --- the tables of results --------------------------------------------------------------------------------------------


def command(tool, folder, *words):
    """Give the command that runs one of the above, or, if `tool` is one of ash.R's, that."""
    if tool in ("shrink", "solve"):
        return [sys.executable, __file__, "--child", tool, folder, *words]
    return ["Rscript", Path(__file__).with_suffix(".R"), tool, folder, *words]


def cells(report):
    if isinstance(report, str):
        return f"{report} | | "
    return f"{report['seconds']:.2f} | {report['cpu']:.2f} | {report['peak']:,.0f}"


def compare_shrinkage(folder, n, tools):
    """Print a line for every mixture and tool."""
    simulated(n).tofile(folder / "effects.bin")
    for mixture in MIXTURES:
        means = None
        for name, tool in tools.items():
            report = measure.report(command(tool, folder, mixture))
            agrees = " | "
            if not isinstance(report, str):
                found = np.fromfile(folder / "result.bin")
                difference = "" if means is None else f"{np.abs(found - means).max():.1e}"
                means = found if means is None else means
                agrees = f"{report['log_likelihood']:.4f} | {difference}"
            print(f"| {n:,} | {mixture} | {name} | {cells(report)} | {agrees} |", flush=True)


def compare_solvers(folder, n, mixture):
    """Print a line for every solver."""
    from scomics_lite.empirical_bayes.mixture_weights import objective

    table, prior = likelihoods(n, mixture)
    table.T.tofile(folder / "likelihoods.bin")  # column by column, as R has it
    prior.tofile(folder / "prior.bin")
    reports, values = {}, {}
    for name, tool in SOLVERS.items():
        reports[name] = measure.report(command(tool or "solve", folder, str(len(prior))))
        if not isinstance(reports[name], str):
            weights = np.fromfile(folder / "result.bin")
            values[name] = objective(table, prior, weights / weights.sum())
    for name, report in reports.items():
        lacks = f"{max(values.values()) - values[name]:.1e}" if name in values else ""
        print(f"| {n:,} x {len(prior)} | {mixture} | {name} | {cells(report)} | {lacks} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the effects, for a quick look")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        tool, folder, word = arguments.child
        globals()[tool](Path(folder), word)
        return
    versions = [measure.version(package, sys.executable) for package in ("scipy", "R ashr", "R mixsqp")]
    tools = {"scomics_lite": "shrink"} | ({} if versions[1].endswith("not there") else {"R ashr": "ashr"})
    print("Versions:", ", ".join([f"numpy {np.__version__}", *versions]), "\n")
    with tempfile.TemporaryDirectory() as folder:
        print("| effects | mixture | tool | seconds | CPU s | peak MB | log likelihood | difference of means |")
        print("|---|---|---|---|---|---|---|---|")
        for n in EFFECTS:
            compare_shrinkage(Path(folder), round(n * arguments.scale), tools)
        print("\n| likelihoods | mixture | solver | seconds | CPU s | peak MB | lacks of the highest f |")
        print("|---|---|---|---|---|---|---|")
        for mixture, n in SOLVED:
            compare_solvers(Path(folder), round(n * arguments.scale), mixture)


if __name__ == "__main__":
    main()
