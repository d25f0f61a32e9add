"""False positives, false discoveries and power where the truth is known: ``python benchmarks/calibration.py``.

Every case is simulated 20 times: 2,000 expressed genes, n samples in either group, and 10% of the genes changed
twofold, half of them up. Means and dispersions are those of ``simulate.typical_bulk``, or like those of pickrell (69
people; its simulated stand-in where the real set is not there). Every batch but the first changes 30% of the genes
twofold, and batches are balanced: n = 3 are three pairs, n = 5 five pairs, n = 10 five batches of four. "left out" has
the same data and no batch in the design; "confounded" has one batch for each group, which no design can mend.

Columns, mean and standard deviation over the sets:
- p < 0.001, 0.01, 0.05: the share of the unchanged genes with a mean normalized count of at least 10 that lie below, in
  percent (a calibrated test has 0.1, 1 and 5; discrete counts fall short of it, which is why others are not counted),
  and KS, the largest distance of their p-values' distribution from the uniform one;
- FDR and power in percent, for genes called at padj < 0.05 and padj < 0.1, among all genes.

The tools are our Wald and likelihood ratio tests and, on the same counts and where Rscript is there, DESeq2's Wald test
and edgeR's quasi-likelihood F test. The first three take estimated dispersions for known ones and compare with a normal
or chi-squared distribution: with few samples small p-values come too often, by DESeq2's design and so by ours.
"""

import argparse
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from differential import read_result, write
from scipy import stats

from scomics_lite import datasets, differential, simulate
from scomics_lite.design import design_matrix
from scomics_lite.normalization import normalize, size_factors

GENES, BATCHES, COUNTED = 2_000, 5, 10
LEVELS, CALLS = (0.001, 0.01, 0.05), (0.05, 0.1)
FORMULAS = {
    "none": "~ condition",
    "in the design": "~ batch + condition",
    "left out": "~ condition",
    "confounded, left out": "~ condition",
}
CASES = [
    *(("typical", n, batch) for batch in FORMULAS for n in (3, 5, 10)),
    *(("pickrell", n, "none") for n in (3, 5, 10)),
]
OURS = {"scomics_lite, Wald": "wald", "scomics_lite, LRT": "lrt"}
IN_R = {"R DESeq2, Wald": "deseq2_wald", "R edgeR, QL": "edger_ql"}


# --- data -------------------------------------------------------------------------------------------------------------


@cache
def parameters(like):
    if like == "typical":
        return simulate.typical_bulk()
    adata = datasets.load(like, standin=True, progress=False)
    return simulate.estimate_parameters(adata, groups=adata.obs["gender"])


def experiment(like, n, batch, number):
    """Simulate one set of a case."""
    obs = pd.DataFrame({"condition": ["A"] * n + ["B"] * n})
    if batch == "confounded, left out":
        obs["batch"] = obs["condition"]
    elif batch != "none":
        obs["batch"] = [f"batch{i % BATCHES}" for i in range(n)] * 2
    given = parameters(like)
    genes = round(GENES / (1 - given.unexpressed))
    rng = np.random.default_rng([n, number])
    fractions = {"condition": 0.1, "batch": 0.3} if "batch" in obs else 0.1
    return simulate.bulk_counts(obs, genes, changed_fraction=fractions, parameters=given, rng=rng)


# --- tools ------------------------------------------------------------------------------------------------------------


def ours(adata, formula, method):
    """Give p-values and adjusted ones, (2, g)."""
    reduced = {"reduced": formula.replace("batch + condition", "batch").replace("condition", "1")}
    settings = {"method": method, "progress": False, **(reduced if method == "lrt" else {})}
    table = differential.test(adata, formula, ("condition", "B", "A"), **settings)
    return table[["pvalue", "padj"]].to_numpy().T


def in_r(tool, folders):
    """Give the same from one of differential.R's tools, for all sets of a case."""
    script = Path(__file__).with_name("differential.R")
    subprocess.run(["Rscript", script, tool, *folders], check=True, capture_output=True)
    return [read_result(folder)[1:] for folder in folders]


# --- scores -----------------------------------------------------------------------------------------------------------


def score(pvalue, padj, adata):
    """Give the eight numbers of the table for one set, in percent, KS as it is."""
    changed = (adata.var["log2_fold_change[condition=B]"] != 0).to_numpy()
    mean = normalize(adata.X, size_factors(adata.X)).mean(axis=0)
    unchanged = pvalue[~changed & (mean >= COUNTED) & np.isfinite(pvalue)]
    numbers = [100 * (unchanged < level).mean() for level in LEVELS]
    numbers.append(stats.kstest(unchanged, "uniform").statistic)
    for level in CALLS:
        called = padj < level
        false = (called & ~changed).sum() / max(called.sum(), 1)
        numbers += [100 * false, 100 * (called & changed).sum() / changed.sum()]
    return numbers


def scores(like, n, batch, sets):
    """Give every tool's numbers for all sets of a case, (sets, 8) each."""
    experiments = [experiment(like, n, batch, number) for number in range(sets)]
    formula = FORMULAS[batch]
    found = {tool: [ours(adata, formula, method) for adata in experiments] for tool, method in OURS.items()}
    if shutil.which("Rscript"):
        with tempfile.TemporaryDirectory() as name:
            folders = [Path(name) / str(number) for number in range(sets)]
            for folder, adata in zip(folders, experiments, strict=True):
                write(folder, adata.X, design_matrix(adata.obs, formula), size_factors(adata.X))
            found |= {tool: in_r(key, folders) for tool, key in IN_R.items()}
    return {
        tool: np.array([score(*result, adata) for result, adata in zip(results, experiments, strict=True)])
        for tool, results in found.items()
    }


def line(case, tool, numbers):
    cells = zip(numbers.mean(axis=0), numbers.std(axis=0, ddof=1), (2, 2, 1, 3, 1, 1, 1, 1), strict=True)
    return f"| {' | '.join(map(str, case))} | {tool} | {' | '.join(f'{m:.{d}f} ± {s:.{d}f}' for m, s, d in cells)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=20, help="simulated sets of each case, at least 2")
    sets = parser.parse_args().sets
    shares = [*(f"p < {level}" for level in LEVELS), "KS"]
    calls = [f"{what} at {level}" for level in CALLS for what in ("FDR", "power")]
    print(f"{sets} sets of each case; numpy {np.__version__}\n")
    print("| counts like | n | batch | tool |", " | ".join(shares + calls), "|")
    print("|---" * 12 + "|")
    for case in CASES:
        for tool, numbers in scores(*case, sets).items():
            print(line(case, tool, numbers), flush=True)


if __name__ == "__main__":
    main()
