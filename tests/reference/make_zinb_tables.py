"""Make the tables of zero-inflated regressions again: ``python tests/reference/make_zinb_tables.py`` (needs R, pscl,
MASS, glmmTMB and VGAM; about twenty minutes).

Writes ``zinb_cases.tsv.gz`` (covariates and counts, a row a cell), ``zinb_results.tsv.gz`` (a row a gene and tool) and
``zinb_provenance.json``.
"""

import itertools
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special
from table_files import HERE, read, read_versions, save_cases, write

GENES = 6
SIZES = (20, 40, 100, 300)
MEANS, DISPERSIONS, ZEROS = (0.2, 1, 5, 40, 600, 10_000), (0.05, 0.2, 0.7, 2, 5), (0, 0.1, 0.5, 0.9)
FORMULAS = {  # mean part, zero part, dispersion; every mean has the offset ln s
    "intercept": ("~ 1", "~ 1", "~ 1"),
    "two_groups": ("~ group", "~ group", "~ group"),
    "zero_alone": ("~ group", "~ 1", "~ 1"),
    "three_groups": ("~ level", "~ level", "~ level"),
    "covariate": ("~ group + x", "~ group + x", "~ group"),
    "other_covariate": ("~ group", "~ x", "~ 1"),
    "no_intercept": ("~ 0 + group", "~ 0 + group", "~ 1"),
    "offsets": ("~ group", "~ 1", "~ group"),
    "offsets_both": ("~ group", "~ group + depth", "~ 1"),
}
HARD = {"hard_intercept": ("~ 1",) * 3, "hard_groups": ("~ group",) * 3, "hard_covariate": ("~ x", "~ x", "~ 1")}


def cases():
    """Experiments over the whole range of use, {name: (obs, formulas, counts (n, g))}."""
    rng = np.random.default_rng(2008)
    truths = itertools.cycle(rng.permutation(list(itertools.product(MEANS, DISPERSIONS, ZEROS))))
    found = {}
    for kind, n in itertools.product(FORMULAS, SIZES):
        obs = cells(n, rng, deep=kind.startswith("offsets"))
        few = np.array(list(itertools.islice(truths, GENES)))
        found[f"{kind}_{n}"] = obs, FORMULAS[kind], simulated(obs, FORMULAS[kind], few, rng)
    obs = cells(40, rng, deep=False)
    return found | {kind: (obs, formulas, hard_counts(obs, rng)) for kind, formulas in HARD.items()}


def cells(n, rng, deep):
    """Covariates of the cells; size factors `s` over a range of 100 where they are to be deep, otherwise 1."""
    s = rng.permutation(10 ** np.linspace(-1, 1, n)).round(4) if deep else np.ones(n)
    return pd.DataFrame(
        {
            "group": np.array(["a", "b"])[rng.permutation(np.arange(n) % 2)],
            "level": np.array(["a", "b", "c"])[rng.permutation(np.arange(n) % 3)],
            "x": rng.normal(size=n).round(3),
            "s": s,
            "depth": np.log(s).round(4),
        }
    )


def simulated(obs, formulas, truths, rng):
    """Zero-inflated counts (n, g) with effects of what stands in the formulas; truths (g, 3) of mean, phi and pi."""
    mean, dispersion, zero = truths.T
    mean = obs["s"].to_numpy()[:, None] * mean * np.exp(effects(obs, formulas[0], rng, 0.6))
    spread = effects(obs, formulas[2], rng, 0.5)
    size = np.exp(-spread) / dispersion
    zero = special.expit(special.logit(zero) + effects(obs, formulas[1], rng, 1))
    return rng.poisson(rng.gamma(size, mean / size)) * (rng.random(mean.shape) >= zero)


def effects(obs, formula, rng, scale):
    """Effects of a formula's covariates, (n, g)."""
    columns = pd.get_dummies(obs, columns=["group", "level"], drop_first=True, dtype=float)
    kept = [column for column in columns if column.split("_")[0] in formula.split()]
    return columns[kept].to_numpy() @ rng.normal(0, scale, (len(kept), GENES))


def hard_counts(obs, rng):
    """Counts at every edge, (n, g), in the order in which the tests name them."""
    n, second, high = len(obs), (obs["group"] == "b").to_numpy(), (obs["x"] > 0).to_numpy()
    plain = rng.poisson(rng.gamma(2, 5, n)) + 1
    inflated = plain * (rng.random(n) > 0.4)
    return np.column_stack(
        [
            plain,  # never zero
            np.where(np.arange(n) == 7, 5, 0),  # one cell alone
            np.where(np.arange(n) == 7, 1, 0),  # one count alone
            np.where(second, 0, plain),  # one group only zeros, the other none
            np.where(second, 0, inflated),  # one group only zeros, the other some
            np.where(second, plain, inflated),  # one group without zeros
            np.where(high, 0, plain),  # a covariate that separates the zeros
            np.where(high, 0, inflated),  # a covariate beyond which there are only zeros
            np.full(n, 6),  # constant
            np.where(rng.random(n) < 0.5, 6, 0),  # constant where it is not zero
            rng.binomial(12, 0.5, n) + 1,  # less spread than Poisson's, no zeros
            rng.binomial(12, 0.9, n) * (rng.random(n) > 0.4),  # less spread than Poisson's, with zeros
            rng.binomial(1, 0.4, n),  # 0 and 1 alone
            rng.binomial(1, 0.4, n) * 2,  # 0 and 2 alone
            np.zeros(n, dtype=int),  # never seen
            np.where(np.arange(n) == 7, 90_000, inflated),  # one cell far above the others
        ]
    )


def run_r(every):
    """Hand the cases to zinb.R; return the tools' results and their versions."""
    with tempfile.TemporaryDirectory() as folder:
        save_cases(every, Path(folder))
        subprocess.run(["Rscript", str(HERE / "zinb.R"), folder], check=True)
        return pd.concat([read(f"{folder}/{name}.zinb.tsv", name) for name in every]), read_versions(folder)


def rows(every):
    """Covariates and counts of all cells, a row a cell."""
    tables = [
        obs.assign(case=name, counts=[",".join(map(str, row)) for row in counts])
        for name, (obs, _, counts) in every.items()
    ]
    return pd.concat(tables)[["case", "group", "level", "x", "s", "depth", "counts"]]


def main():
    every = cases()
    results, versions = run_r(every)
    tables = {"zinb_cases.tsv.gz": rows(every), "zinb_results.tsv.gz": results}
    provenance = {
        "made_by": "python tests/reference/make_zinb_tables.py",
        "versions": versions,
        "calls": "see zinb.R: pscl::zeroinfl and hurdle (reltol = 1e-14, maxit = 20000; zeroinfl led by glmmTMB too),"
        " MASS::glm.nb, glmmTMB (nbinom2, ziformula, dispformula), VGAM::zinegbinomial",
        "formulas": {name: formulas for name, (_, formulas, _) in every.items()},
        "sha256": {name: write(table, name) for name, table in tables.items()},
    }
    (HERE / "zinb_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
