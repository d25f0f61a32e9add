"""An elastic net of one gene, ten folds × 100 lambdas, beside the peers: ``python benchmarks/elastic_net.py``.

Simulated, fixed seeds: 450 people × 2,000 SNPs in LD (a Gaussian chain cut at quantiles, correlation of neighbours 0.9
or 0.98), 20 causal SNPs, heritability 0.3, mixing 0.5, lambdas down to 0.01 of the largest. Every call runs in a
process of its own, with one thread; measured are the seconds and CPU seconds of the call alone, dosages already in
memory, and the largest memory of the process. Compiled code is loaded before; how long the first compilation takes is a
line of its own.

All tools get the same lambdas. "path of its own" is what happens without: our path goes as far as the smallest
cross-validated error needs, and "nested" does that in each of five outer folds.

"difference" is the largest difference from our weights at ten of the lambdas, in units of the largest weight; ours meet
the conditions of the minimum to 1e-8. Peers run with the tolerance that they have when nothing is said, and
python-glmnet once more with 1e-12. scikit-learn and python-glmnet run where they are installed:
``benchmarks/elastic_net_peers.txt`` makes an environment for them, whose interpreter ``--python`` names.
"""

import argparse
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

import measure
import numpy as np

N, P, FOLDS, CAUSAL, H2 = 450, 2_000, 10, 20, 0.3
LD = (0.9, 0.98)
TOOLS = {
    "scomics_lite": "ours",
    "scomics_lite, path of its own": "ours_alone",
    "scomics_lite, nested, 5 x 10 folds": "ours_nested",
    "R glmnet": "R",
    "python-glmnet": "python_glmnet",
    "python-glmnet, 1e-12": "python_glmnet_tight",
    "scikit-learn": "scikit_learn",
}


def write_gene(folder, ld):
    """Draw one gene, and save it with the path of lambdas that all tools get."""
    from scipy import stats

    rng = np.random.default_rng(1)
    cut = stats.norm.isf(rng.uniform(0.05, 0.5, P))
    dosages = np.zeros((N, P), dtype=np.int8)
    for _ in range(2):
        z = rng.normal(size=(N, P))
        for j in range(1, P):
            z[:, j] = ld * z[:, j - 1] + np.sqrt(1 - ld**2) * z[:, j]
        dosages += z > cut
    genetic = dosages[:, rng.choice(P, CAUSAL, replace=False)] @ rng.normal(size=CAUSAL)
    y = np.sqrt(H2) * (genetic - genetic.mean()) / genetic.std() + np.sqrt(1 - H2) * rng.normal(size=N)
    y = (y - y.mean()) / y.std()
    z = (dosages - dosages.mean(axis=0)) / dosages.std(axis=0)
    lambdas = np.abs(z.T @ y).max() / N / 0.5 * 0.01 ** (np.arange(100) / 99)
    np.save(folder / "dosages.npy", dosages)
    (folder / "dosages.bin").write_bytes(dosages.tobytes(order="F"))
    np.savetxt(folder / "lambdas.txt", lambdas, fmt="%.17g")
    folds = rng.permutation(np.arange(N) % FOLDS) + 1
    np.savetxt(folder / "people.tsv", np.column_stack([y, folds]), "%.17g", "\t", header="y\tfold", comments="")


# --- what is timed: each takes dosages, y, folds and lambdas, and gives a function that gives weights (lambdas, p) ----


def ours(dosages, y, folds, lambdas):
    import pandas as pd

    from scomics_lite import twas

    table = pd.DataFrame(dosages).rename(columns="rs{}".format)

    def call():
        fit = twas.fit_elastic_net(table, y, folds=folds, lambdas=lambdas)
        return fit.weights.to_numpy()[None]

    twas.fit_elastic_net(table.iloc[:, :20], y, folds=folds)
    return call


def ours_alone(dosages, y, folds, lambdas):
    return ours(dosages, y, folds, None)


def ours_nested(dosages, y, folds, lambdas):
    import pandas as pd

    from scomics_lite import twas

    table = pd.DataFrame(dosages).rename(columns="rs{}".format)

    def call():
        twas.nested_cross_validation(table, y)
        return np.empty((0, P))

    twas.nested_cross_validation(table.iloc[:, :20], y)
    return call


def our_weights(dosages, y, lambdas):
    import pandas as pd

    from scomics_lite import twas

    return twas.elastic_net_path(pd.DataFrame(dosages), y, lambdas=lambdas).coefficients.to_numpy()


def python_glmnet(dosages, y, folds, lambdas, tol=1e-7):
    from glmnet import ElasticNet

    x = np.asfortranarray(dosages, dtype=float)

    def call():
        model = ElasticNet(alpha=0.5, lambda_path=lambdas, n_splits=FOLDS, tol=tol, max_iter=10**8)
        return model.fit(x, y).coef_path_.T

    return call


def python_glmnet_tight(dosages, y, folds, lambdas):
    return python_glmnet(dosages, y, folds, lambdas, tol=1e-12)


def scikit_learn(dosages, y, folds, lambdas):
    from sklearn.linear_model import ElasticNetCV, enet_path
    from sklearn.model_selection import PredefinedSplit

    sd = dosages.std(axis=0)
    x = np.asfortranarray((dosages - dosages.mean(axis=0)) / sd)

    def call():
        with warnings.catch_warnings(action="ignore"):
            ElasticNetCV(l1_ratio=0.5, alphas=lambdas, cv=PredefinedSplit(folds)).fit(x, y)
            return enet_path(x, y, l1_ratio=0.5, alphas=lambdas)[1].T / sd

    return call


def read(folder):
    y, folds = np.loadtxt(folder / "people.tsv", skiprows=1).T
    return np.load(folder / "dosages.npy"), y, folds.astype(int), np.loadtxt(folder / "lambdas.txt")


def child(folder, tool):
    """Run one tool in this process, write its weights at ten lambdas and print what it took."""
    weights, took = measure.clocked(globals()[tool](*read(folder)))
    np.save(folder / f"{tool}.npy", weights[9::10])
    print(json.dumps(took))


def compilation():
    """Give the seconds of the first call with an empty cache of compiled code."""
    with tempfile.TemporaryDirectory() as cache:
        code = (
            "import time, json, numpy as np\nfrom scomics_lite.twas.weights.coordinate_descent import minimise\n"
            "start = time.perf_counter()\nminimise(np.eye(2), np.ones(2), np.zeros(2), 0.1, 0.1)\n"
            "print(json.dumps(time.perf_counter() - start))"
        )
        os.environ["NUMBA_CACHE_DIR"] = cache
        seconds = measure.report([sys.executable, "-c", code])
        del os.environ["NUMBA_CACHE_DIR"]
    return seconds


def beside(folder, python):
    """Print a line for each tool."""
    dosages, y, _, lambdas = read(folder)
    weights = our_weights(dosages, y, lambdas)[9::10]
    print("| tool | seconds | CPU s | peak MB | difference |\n|---|---|---|---|---|")
    for name, tool in TOOLS.items():
        if tool == "R":
            report = measure.report(["Rscript", Path(__file__).with_suffix(".R"), folder])
        else:
            report = measure.report(
                [sys.executable if tool.startswith("ours") else python, __file__, "--child", folder, tool]
            )
        if isinstance(report, str):
            print(f"| {name} | {report} | | | |", flush=True)
            continue
        times = f"{report['seconds']:.2f} | {report['cpu']:.2f} | {report['peak']:.0f}"
        print(
            f"| {name} | {times} | {'' if tool.startswith('ours') else difference(folder, tool, weights)} |", flush=True
        )


def difference(folder, tool, weights):
    """Give the largest difference from our weights, in units of the largest."""
    theirs = np.fromfile(folder / "glmnet.bin").reshape(10, -1) if tool == "R" else np.load(folder / f"{tool}.npy")
    return f"{np.abs(theirs - weights).max() / np.abs(weights).max():.1g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has the peers")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(Path(arguments.child[0]), arguments.child[1])
        return
    versions = [measure.version(name, arguments.python) for name in ("R glmnet", "python_glmnet", "scikit-learn")]
    print("Versions:", ", ".join([f"numpy {np.__version__}", measure.version("numba", sys.executable), *versions]))
    print(f"Compilation, once: {compilation():.1f} s")
    for ld in LD:
        with tempfile.TemporaryDirectory() as folder:
            write_gene(Path(folder), ld)
            print(f"\n{N} people x {P:,} SNPs, {FOLDS} folds x 100 lambdas, neighbours correlated {ld}\n")
            beside(Path(folder), arguments.python)


if __name__ == "__main__":
    main()
