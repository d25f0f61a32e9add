"""False positives, false discoveries and power where the truth is known: ``python benchmarks/calibration.py``.

Two tables of `scomics_lite.calibration.study`; ``--tables`` chooses. Numbers are means over the simulated sets and
their standard errors.

"tests", 20 sets of each case: 2,000 expressed genes, n samples in either group, and 10% of the genes changed twofold,
half of them up. Means and dispersions are those of ``simulate.typical_bulk``, or like those of pickrell (69 people; its
simulated stand-in where the real set is not there). Every batch but the first changes 30% of the genes twofold, and
batches are balanced: n = 3 are three pairs, n = 5 five pairs, n = 10 five batches of four. "left out" has the same data
and no batch in the design; "confounded" has one batch for each group, which no design can mend. Columns:
- p < 0.001, 0.01, 0.05: the share of the unchanged genes with a mean normalized count of at least 10 that lie below, in
  percent (a calibrated test has 0.1, 1 and 5; discrete counts fall short of it, which is why others are not counted),
  and KS, the largest distance of their p-values' distribution from the uniform one;
- FDR and power in percent, for genes called at padj < 0.05 and padj < 0.1, among all genes.

"nulls", 20 sets of each case: 2,000 genes, none of which changes, and the same shares; beside them the smallest p-value
of Kolmogorov and Smirnov's test of a set, and how many of these are below 0.01.

The tools are our tests and, on the same counts and where Rscript is there, DESeq2's Wald test, edgeR's quasi-likelihood
F-test and limma's moderated t-test after voom. Wald and likelihood ratio tests take estimated dispersions for known
ones and compare with a normal or chi-squared distribution: with few samples small p-values come too often, by DESeq2's
design and so by ours. "known dispersions" is our Wald test with the true dispersions and size factors: what it would do
if nothing had to be estimated.
"""

import argparse
import shutil
import subprocess
import tempfile
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from differential import read_result, write

from scomics_lite import calibration, datasets, differential, glm, simulate
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
CONTRAST, TRUTH = ("condition", "B", "A"), "log2_fold_change[condition=B]"
OURS = {"Wald": "wald", "LRT": "lrt", "QL": "ql", "voom": "voom"}
IN_R = {"R DESeq2, Wald": "deseq2_wald", "R edgeR, QL": "edger_ql", "R limma-voom": "limma_voom"}


# --- data -------------------------------------------------------------------------------------------------------------


@cache
def parameters(like):
    if like == "typical":
        return simulate.typical_bulk()
    adata = datasets.load(like, standin=True, progress=False)
    return simulate.estimate_parameters(adata, groups=adata.obs["gender"])


def experiment(rng, like="typical", n=10, batch="none", changed=0.1, **effects):
    """Simulate one set of a case."""
    obs = pd.DataFrame({"condition": ["A"] * n + ["B"] * n})
    if batch == "confounded, left out":
        obs["batch"] = obs["condition"]
    elif batch != "none":
        obs["batch"] = [f"batch{i % BATCHES}" for i in range(n)] * 2
    given = parameters(like)
    genes = round(GENES / (1 - given.unexpressed))
    fractions = {"condition": changed, "batch": 0.3} if "batch" in obs else changed
    return simulate.bulk_counts(obs, genes, changed_fraction=fractions, parameters=given, rng=rng, **effects)


# --- tools ------------------------------------------------------------------------------------------------------------


def ours(adata, formula):
    """Give the table of every test of ours."""
    tables = {}
    for name, method in OURS.items():
        settings = {"method": method, "progress": False}
        if method == "lrt":
            settings["reduced"] = formula.replace("batch + condition", "batch").replace("condition", "1")
        tables[f"scomics_lite, {name}"] = differential.test(adata, formula, CONTRAST, **settings)
    tables["known dispersions"] = with_known_dispersions(adata, formula)
    return tables


def with_known_dispersions(adata, formula):
    fit = glm.fit(
        adata, design_matrix(adata.obs, formula), adata.obs["size_factor"], adata.var["dispersion"].to_numpy()
    )
    table = glm.wald_test(fit, CONTRAST)
    return table.assign(padj=glm.independent_filtering(table["pvalue"], table["baseMean"]).padj)


def in_r(experiments, formula):
    """Give, for every set, the tables of R's tools; R starts once for each tool."""
    tables = [{} for _ in experiments]
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / str(number) for number in range(len(experiments))]
        for folder, adata in zip(folders, experiments, strict=True):
            write(folder, adata.X, design_matrix(adata.obs, formula), size_factors(adata.X))
        for name, tool in IN_R.items():
            script = Path(__file__).with_name("differential.R")
            subprocess.run(["Rscript", script, tool, *folders], check=True, capture_output=True)
            for table, folder, adata in zip(tables, folders, experiments, strict=True):
                columns = dict(zip(("log2FoldChange", "pvalue", "padj"), read_result(folder), strict=True))
                table[name] = pd.DataFrame(columns, index=adata.var_names)
    return tables


def with_base_mean(tables, adata):
    """Give every tool's table the same mean counts, by which genes are chosen."""
    base_mean = normalize(adata.X, size_factors(adata.X)).mean(axis=0)
    return {name: table.assign(baseMean=base_mean) for name, table in tables.items()}


def study(simulated, formula, sets, seed):
    """Let all tools analyse the same sets."""
    run = partial(calibration.study, simulated, sets=sets, rng=seed, truth=TRUTH, progress=False)
    results = [run(lambda adata: with_base_mean(ours(adata, formula), adata))]
    if shutil.which("Rscript"):
        experiments = [simulated(generator) for generator in np.random.default_rng(seed).spawn(sets)]
        tables = iter(in_r(experiments, formula))
        results.append(run(lambda adata: with_base_mean(next(tables), adata)))
    return pd.concat(results)


# --- tables -----------------------------------------------------------------------------------------------------------


def heading(*columns):
    print("\n|", " | ".join(columns), "|\n" + "|---" * len(columns) + "|")


def number(mean, error, digits):
    return f"{mean:.{digits}f} ± {error:.{digits}f}"


def rows(results, levels, calls=()):
    """Give every tool's cells: shares of small p-values, KS, false discovery rates and power."""
    counted = results[results["baseMean"] >= COUNTED]
    shares = calibration.pvalues(counted, levels)
    cells = {method: [] for method in results["method"].unique()}
    for row, digits in zip(shares.itertuples(), (2, 2, 1) * len(cells), strict=True):
        cells[row.method].append(number(100 * row.share, 100 * row.share_se, digits))
    for method, tests in calibration.uniformity(counted).groupby("method", observed=True):
        cells[method].append(number(tests["distance"].mean(), tests["distance"].sem(), 3))
        cells[method] += [f"{tests['pvalue'].min():.2g}", f"{(tests['pvalue'] < 0.01).sum()}"] if not calls else []
    for row in calibration.false_discoveries(results, calls).itertuples() if calls else ():
        cells[row.method] += [
            number(100 * row.fdr, 100 * row.fdr_se, 1),
            number(100 * row.power, 100 * row.power_se, 1),
        ]
    return cells


def tests_table(sets):
    shares = [*(f"p < {level}" for level in LEVELS), "KS"]
    heading(
        "counts like", "n", "batch", "tool", *shares, *(f"{what} at {q}" for q in CALLS for what in ("FDR", "power"))
    )
    for seed, (like, n, batch) in enumerate(CASES):
        results = study(partial(experiment, like=like, n=n, batch=batch), FORMULAS[batch], sets, seed)
        for tool, cells in rows(results, LEVELS, CALLS).items():
            print(f"| {like} | {n} | {batch} | {tool} | {' | '.join(cells)} |", flush=True)


def nulls_table(sets):
    heading("n", "tool", *(f"p < {level}" for level in LEVELS), "KS", "smallest p of KS", "sets with p of KS < 0.01")
    for n in (5, 10, 20):
        results = study(partial(experiment, n=n, changed=0.0), FORMULAS["none"], sets, n)
        for tool, cells in rows(results, LEVELS).items():
            print(f"| {n} | {tool} | {' | '.join(cells)} |", flush=True)


def asked(description, tables, sets=20):
    """Read from the command line how many sets are wanted, and which of the tables."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--sets", type=int, default=sets, help="simulated sets of each case, at least 2")
    parser.add_argument("--tables", nargs="+", choices=tables, default=list(tables))
    arguments = parser.parse_args()
    print(f"{arguments.sets} sets of each case; numpy {np.__version__}")
    return arguments.sets, [tables[name] for name in arguments.tables]


def main():
    sets, tables = asked(__doc__, TABLES)
    for table in tables:
        table(sets)


TABLES = {"tests": tests_table, "nulls": nulls_table}

if __name__ == "__main__":
    main()
