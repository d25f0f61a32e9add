"""Make limma's tables again: ``python tests/reference/make_limma_tables.py`` (needs R, limma, edgeR, statmod).

Writes ``limma_cases.tsv.gz`` (counts, a row a sample), ``limma_results.tsv.gz`` (a row a gene),
``limma_weights.tsv.gz`` (voom's weights of every tenth gene, a row a sample), ``limma_squeezed.tsv.gz`` (variances with
degrees of freedom and a covariate, and what squeezeVar makes of them) and ``limma_provenance.json``.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from table_files import HERE, read, read_versions, save_cases, write

GENES = 200


def cases():
    """Experiments small enough to keep, {name: (obs, formulas, counts (n, g))}; there is one formula."""
    rng = np.random.default_rng(2004)
    groups = {
        "two_groups": pd.DataFrame({"condition": ["a"] * 3 + ["b"] * 3}),
        "batches": pd.DataFrame({"batch": list("xyz") * 4, "condition": ["a"] * 6 + ["b"] * 6}),
        "slope": pd.DataFrame({"dose": [0.0, 0.5, 1, 2, 3, 5, 8], "condition": list("abbabab")}),
    }
    return {name: (obs, ["~ " + " + ".join(obs.columns)], _counts(obs, rng)) for name, obs in groups.items()}


def _counts(obs, rng):
    """Negative binomial counts of genes that vary by different amounts; a few have an outlier, one has no count."""
    n = len(obs)
    effect = (obs["condition"] != "a").to_numpy()[:, None] * rng.normal(0, 1, GENES) * (rng.random(GENES) < 0.3)
    mean = rng.lognormal(0, 0.3, (n, 1)) * rng.lognormal(4, 1.8, GENES) * np.exp(effect)
    dispersion = 0.1 * 6 / rng.chisquare(6, GENES)
    counts = rng.poisson(rng.gamma(1 / dispersion, dispersion * mean))
    counts[0, ::25] += (50 + 20 * mean.mean(axis=0)[::25]).astype(int)
    counts[:, -1] = 0
    return counts


def variances():
    """Variances of known kinds, one row each."""
    rng = np.random.default_rng(2016)
    df = {"equal_df": np.full(300, 4), "unequal_df": rng.integers(1, 9, 300), "no_scatter": np.full(300, 10)}
    df |= {"outliers": np.full(300, 5), "zeros": np.full(300, 3), "unknown": rng.integers(0, 6, 300)}
    df |= {"large_df": np.full(120, 60), "equal_but_outliers": np.full(300, 6), "eight": np.full(8, 4)}
    df |= {"skewed": np.full(200, 5), "eleven": np.full(11, 4), "tied": np.full(100, 4)}
    df |= {"five": np.full(5, 4), "three": np.full(3, 2), "unequal_no_scatter": rng.integers(3, 9, 300)}
    tables = [_case(name, values, rng) for name, values in df.items()]
    return pd.concat(tables, ignore_index=True)


def _case(name, df, rng):
    g = len(df)
    covariate = rng.normal(5, 2, g).round(2)  # with some ties
    if name == "skewed":
        covariate = rng.exponential(5, g) ** 2  # with a few genes far from all others
    if name == "tied":
        covariate = np.maximum(covariate, 5.0)
    true = np.exp(-np.minimum(covariate, 20) / 4) * 5 / rng.chisquare(5, g)
    if name in ("no_scatter", "equal_but_outliers", "unequal_no_scatter"):
        true = np.ones(g)
    variance = true * rng.chisquare(np.maximum(df, 1), g) / np.maximum(df, 1)
    if name.endswith("no_scatter"):
        variance = variance**0.5
    if "outliers" in name:
        variance[:6] *= [1e3, 300, 100, 40, 20, 10]
    if name == "large_df":
        variance[:2] *= [1e8, 1e4]
    if name == "zeros":
        variance[:10] = 0
    return pd.DataFrame({"case": name, "df": df, "covariate": covariate, "variance": variance})


def run_r(every, squeezed):
    """Hand everything to limma.R; return genes, samples with their counts, weights, variances, and the versions."""
    with tempfile.TemporaryDirectory() as folder:
        save_cases(every, Path(folder))
        squeezed.to_csv(f"{folder}/variances.tsv", sep="\t", index=False, float_format="%.17g")
        subprocess.run(["Rscript", str(HERE / "limma.R"), folder], check=True)
        results = pd.concat([read(f"{folder}/{name}.limma.tsv", name) for name in every])
        weights = pd.concat([read(f"{folder}/{name}.weights.tsv", name) for name in every])
        given = pd.read_csv(f"{folder}/variances.tsv", sep="\t", dtype=str)
        after = pd.read_csv(f"{folder}/squeezed.tsv", sep="\t", dtype=str, keep_default_na=False)
        versions = read_versions(folder)
    samples = weights[["case", "sample"]].copy()
    samples["counts"] = [",".join(map(str, row)) for _, _, counts in every.values() for row in counts]
    return results, samples, weights, pd.concat([given, after.drop(columns="case")], axis=1), versions


def main():
    every = cases()
    results, samples, weights, squeezed, versions = run_r(every, variances())
    tables = {"limma_results": results, "limma_cases": samples, "limma_weights": weights, "limma_squeezed": squeezed}
    provenance = {
        "made_by": "python tests/reference/make_limma_tables.py",
        "versions": versions,
        "calls": "see limma.R: voom(calcNormFactors(DGEList(counts)), design), lmFit, eBayes, treat, squeezeVar, cpm",
        "formulas": {name: formulas[0] for name, (_, formulas, _) in every.items()},
        "sha256": {f"{name}.tsv.gz": write(table, f"{name}.tsv.gz") for name, table in tables.items()},
    }
    (HERE / "limma_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
