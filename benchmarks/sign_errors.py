"""Do local false sign rates keep their promise? ``python benchmarks/sign_errors.py``.

Two tables of `scomics_lite.calibration.study`, 20 sets of each case; ``--tables`` chooses. Columns: by bins of the
local false sign rate, the share of genes with a wrong sign over the rate that was claimed, which is 1 if the claim is
true (a gene without an effect has the wrong sign whatever is said, as the rate counts it); the false sign rate in
percent among the genes with an s-value below 0.05, and their number; and the root mean square error of the shrunken
effects. Standard errors are over the sets.

"effects", drawn directly, 5,000 a set, half or nine tenths of them 0, the others of the shapes in Stephens 2017,
figure 2. Their standard errors are known; or they vary as 0.5 sqrt(8 / chi-squared on 8 degrees of freedom) and are
estimated with 4, 8 or 18 degrees of freedom: as 3 + 3, 5 + 5 and 10 + 10 samples would. "squeezed" are posterior
variances of `empirical_bayes.squeeze_variances`, and "t" is the t distribution on their degrees of freedom, prior and
residual ones together.

"counts", 3,000 genes, 3, 5 and 10 samples in either group, and normal effects of standard deviation 1 in 20% of the
genes. The methods' own rates are those of ``differential.test(…, shrink="ash")``: normal errors for Wald, t for QL and
voom. DESeq2's lfcShrink(type="ashr"), "shrink" among the effects, has no point mass and no penalty on the weights, and
so counts half of the wrong signs of genes without an effect; "Cauchy" is `glm.cauchy_shrinkage`, apeglm's.
"""

from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
from calibration import CONTRAST, asked, heading, number, with_known_dispersions

from scomics_lite import calibration, differential, simulate
from scomics_lite.empirical_bayes import ash, squeeze_variances

BINS = (0, 0.05, 0.2, 0.5, 1)
SHAPES = {  # weights, means and standard deviations of a mixture
    "spiky": ([0.4, 0.2, 0.2, 0.2], [0, 0, 0, 0], [0.25, 0.5, 1, 2]),
    "near normal": ([2 / 3, 1 / 3], [0, 0], [1, 2]),
    "flat top": ([1 / 7] * 7, np.arange(-3, 4) / 2, [0.5] * 7),
    "skew": ([1 / 4, 1 / 4, 1 / 3, 1 / 6], [-2, -1, 0, 1], [2, 1.5, 1, 1]),
    "big normal": ([1], [0], [4]),
    "bimodal": ([0.5, 0.5], [-2, 2], [1, 1]),
}
SHRINK = {"prior": "uniform", "point_mass": False}
EFFECTS, PRIOR_DF, GENES = 5_000, 8, 3_000


# --- effects ----------------------------------------------------------------------------------------------------------


def effects(rng, shape, null):
    """Draw true effects (g,)."""
    weights, means, sds = (np.asarray(numbers) for numbers in SHAPES[shape])
    k = rng.choice(len(weights), EFFECTS, p=weights)
    return np.where(rng.random(EFFECTS) < null, 0.0, rng.normal(means[k], sds[k]))


def with_known_errors(rng, shape, null):
    truth, s = effects(rng, shape, null), np.exp(rng.normal(-0.3, 0.3, EFFECTS))
    return (rng.normal(truth, s), s), truth


def with_estimated_errors(rng, df, null):
    truth = effects(rng, "near normal", null)
    s = 0.5 * np.sqrt(PRIOR_DF / rng.chisquare(PRIOR_DF, EFFECTS))
    return (rng.normal(truth, s), s * np.sqrt(rng.chisquare(df, EFFECTS) / df)), truth


def by_mixture(data):
    settings = {
        "half-uniform (default)": {},
        "normal": {"mixture": "normal"},
        "normal, shrink": {"mixture": "normal", **SHRINK},
        "half-uniform, prior='uniform'": {"prior": "uniform"},
    }
    return {name: ash(*data, **given) for name, given in settings.items()}


def by_errors(data, df):
    b, s = data
    squeezed = squeeze_variances(s**2, df)
    better, total_df = np.sqrt(squeezed.posterior), float(squeezed.total_df.min())
    return {
        "as estimated, normal": ash(b, s),
        "as estimated, t": ash(b, s, df=df),
        "squeezed, normal": ash(b, better),
        "squeezed, t": ash(b, better, df=total_df),
    }


# --- counts -----------------------------------------------------------------------------------------------------------


def counts(rng, n):
    settings = {"changed_fraction": 0.2, "log2_fold_change": 0.0, "log2_fold_change_sd": 1.0, "rng": rng}
    return simulate.bulk_counts(["A"] * n + ["B"] * n, GENES, **settings)


def by_test(adata):
    run = partial(differential.test, adata, "~ condition", CONTRAST, progress=False)
    tables = {"Wald": run(shrink="ash"), "QL": run(method="ql", shrink="ash"), "voom": run(method="voom", shrink="ash")}
    tables["known"] = with_known_dispersions(adata, "~ condition")
    estimates = {name: (table["log2FoldChange"], table["lfcSE"]) for name, table in tables.items()}
    return {
        "Wald": tables["Wald"],
        "Wald, as DESeq2's": ash(*estimates["Wald"], mixture="normal", **SHRINK),
        "Wald, Cauchy": run(shrink="cauchy")[["shrunken", "lfsr", "svalue"]],
        "Wald, known dispersions": ash(*estimates["known"]),
        "QL": tables["QL"],
        "QL, normal errors": ash(*estimates["QL"]),
        "voom": tables["voom"],
        "voom, normal errors": ash(*estimates["voom"]),
    }


# --- tables -----------------------------------------------------------------------------------------------------------


def rows(results):
    """Give every method's cells."""
    cells = {method: [] for method in results["method"].unique()}
    errors = calibration.sign_errors(results, BINS)
    by_bin = errors.set_index(["method", "upper"]).reindex(pd.MultiIndex.from_product([cells, BINS[1:]]))
    for (method, _), row in by_bin.iterrows():
        ratio = number(row["observed"] / row["claimed"], row["observed_se"] / row["claimed"], 2)
        cells[method].append("" if np.isnan(row["claimed"]) else ratio)
    for row in calibration.false_signs(results, [0.05]).itertuples():
        cells[row.method] += [number(100 * row.fsr, 100 * row.fsr_se, 1), f"{row.calls:.0f}"]
    square = (results["estimate"] - results["truth"]) ** 2
    for method, mean in square.groupby(results["method"], observed=True).mean().items():
        cells[method].append(f"{np.sqrt(mean):.3f}")
    return cells


def effects_table(sets):
    cases = {("known", shape, null): (shape, null) for null in (0.5, 0.9) for shape in SHAPES}
    for case, (shape, null) in cases.items():
        draw = partial(with_known_errors, shape=shape, null=null)
        yield case, calibration.study(draw, by_mixture, sets=sets, rng=1, progress=False)
    for null in (0.5, 0.9):
        for df in (4, 8, 18):
            draw = partial(with_estimated_errors, df=df, null=null)
            analyse = partial(by_errors, df=df)
            case = (f"{df} df", "near normal", null)
            yield case, calibration.study(draw, analyse, sets=sets, rng=df, progress=False)


def counts_table(sets):
    for n in (3, 5, 10):
        yield (f"{n} + {n}",), calibration.study(partial(counts, n=n), by_test, sets=sets, rng=n, progress=False)


TABLES = {
    "effects": (effects_table, ("errors", "shape", "share of zeros")),
    "counts": (counts_table, ("samples",)),
}


def main():
    sets, tables = asked(__doc__, TABLES)
    bins = [f"lfsr {low} to {high}" for low, high in pairwise(BINS)]
    for table, columns in tables:
        heading(*columns, "method", *bins, "FSR at s < 0.05", "calls", "RMSE")
        for case, results in table(sets):
            for method, cells in rows(results).items():
                print(f"| {' | '.join(map(str, (*case, method, *cells)))} |", flush=True)


if __name__ == "__main__":
    main()
