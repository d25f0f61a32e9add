"""Do tests and intervals of zero inflation keep their promises? ``python benchmarks/zero_inflation_calibration.py``.

Five tables of `scomics_lite.calibration.study`, 10 sets of each case; ``--tables`` chooses. Standard errors are over
sets. Counts are drawn from the model itself, two groups of n / 2 cells, all size factors 1: means between 1 and 30,
uniform in the logarithm, ln phi normal around ln 0.5 with standard deviation 0.4, and pi uniform between 0.1 and 0.6.

"nulls": nothing differs between the groups. In percent, the share of p < 0.05 and p < 0.001 (which should be 5 and 0.1)
for genes with mu below and above 5, by the likelihood ratio tests of the mean, the zeros, the dispersion and all three.
With a covariate, mean and zero part have a batch of two levels more, which changes nothing either.

"inflation": pi = 0 in all genes, and tests that it is. One pi for all cells: the mixture of `inflation_test`, which is
0 or chi-squared with one degree of freedom, half of the time each, and chi-squared alone, as off the boundary. Zeros
that may depend on a batch: the same two, where none is right, chi-squared with two degrees of freedom, and the
bootstrap of `inflation_test` with 199 replicates, whose p-values are 0.005 at least, on fewer genes and not for 1,000
cells, because every replicate is a fit.

"coverage": of 95 % profile intervals of pi (0, 0.2 and 0.5), of the ratio of means (1.5) and of the dispersion (0.5).
In percent: how many hold the truth, how often it lies below and above, and how many genes have no interval. Beside them
intervals of 1.96 standard errors to both sides of the estimate, of logit pi and the logarithms of ratio and phi.

"power": 400 cells, of a quarter of the genes each the mean is 1.5-fold, the odds of a structural zero 2.7-fold, the
dispersion 2.5-fold, or nothing. In percent, how often each test calls p < 0.05, also the negative binomial's likelihood
ratio test of the mean and the rank-sum test.

"donors": no condition effect, 4 donors in either group whose means differ by a normal ln of standard deviation
donor_sd, 50 cells each, or at 0.3 also 20 and 200; genes of `simulate.typical_umis` with a mean of 0.5 at least, pi =
0.2. In percent, false positives at 0.05 of tests of cells, and of `differential.test(method="ql")` of donors' sums.
"""

from functools import partial

import numpy as np
import pandas as pd
from calibration import asked, heading, number
from scipy import special, stats

from scomics_lite import calibration, differential, rank_sum, simulate, zero_inflation

LEVELS = (0.05, 0.001)
CELLS = {50: 500, 200: 500, 1_000: 250}  # and genes of a set
SPLIT = 5.0  # mean that divides genes into those with few and with more counts
PARTS = ("mean", "zero", "dispersion")
CHANGES = {"mean": np.log(1.5), "zero": 1.0, "dispersion": np.log(2.5)}  # natural logarithms, and of the odds
RATIO = np.log(1.5)
WALD = stats.norm.isf(0.025)
AT_BOUND = 1e-6  # a smaller gain is none
PARAMETERS = {  # where the estimate is, what the profile is called, and from the coefficient to the parameter
    "pi": (("zero", "Intercept"), "pi", special.expit),
    "ratio": (("mean", "group"), ("mean", "group"), lambda log_ratio: log_ratio),
    "phi": (("dispersion", "Intercept"), "dispersion", np.exp),
}
BOOTSTRAPPED, REPLICATES = 150, 199


# --- data -------------------------------------------------------------------------------------------------------------


def draw_genes(rng, g, pi=None):
    """Draw parameters of g genes: mu, phi and pi, and whether their counts are few."""
    mu = np.exp(rng.uniform(0, np.log(30), g))
    phi = 0.5 * rng.lognormal(0, 0.4, g)
    pi = rng.uniform(0.1, 0.6, g) if pi is None else np.full(g, pi)
    few = pd.Categorical(np.where(mu < SPLIT, "few", "more"), ["few", "more"])
    return pd.DataFrame({"mu": mu, "phi": phi, "pi": pi, "counts": few, "effect": 0.0})


def cells(n):
    """Give the columns that designs are made of."""
    number_of = np.arange(n)
    return pd.DataFrame({"Intercept": 1.0, "batch": number_of // 2 % 2, "group": number_of % 2}, dtype=float)


def nothing_changes(rng, n, pi=None, genes=None):
    table = draw_genes(rng, genes or CELLS[n], pi)
    return zero_inflation.sample(*table[["mu", "phi", "pi"]].to_numpy().T, rng, (n, len(table))), table


def one_thing_changes(rng, n, g):
    """Change of a quarter of the genes each nothing, the mean, the zeros, the dispersion."""
    table = draw_genes(rng, g)
    kinds = ["nothing", *PARTS]
    table["changed"] = pd.Categorical.from_codes(np.arange(g) % 4, kinds)
    step = {part: np.outer(cells(n)["group"], size * (table["changed"] == part)) for part, size in CHANGES.items()}
    odds = (table["pi"] / (1 - table["pi"])).to_numpy() * np.exp(step["zero"])
    mu, phi = (table[name].to_numpy() * np.exp(step[part]) for name, part in (("mu", "mean"), ("phi", "dispersion")))
    table[list(PARTS)] = np.stack([(table["changed"] == part) * size for part, size in CHANGES.items()], axis=1)
    return zero_inflation.sample(mu, phi, odds / (1 + odds), rng), table


def known_parameters(rng, n, pi):
    """Genes whose mean is RATIO higher in a group, and whose dispersion is 0.5."""
    table = draw_genes(rng, CELLS[n] // 2, pi).assign(phi=0.5, ratio=RATIO)
    mu = table["mu"].to_numpy() * np.exp(RATIO * cells(n)[["group"]].to_numpy())
    return zero_inflation.sample(mu, 0.5, pi, rng), table


# --- tests and intervals ----------------------------------------------------------------------------------------------


def likelihood_ratio_tests(counts, covariate=False):
    """Test every part of the model, and all three, of a group of cells."""
    x = cells(len(counts))
    columns = ["Intercept", "batch"] if covariate else ["Intercept"]
    small = {"design": x[columns], "zero_design": x[columns], "dispersion_design": x[["Intercept"]]}
    large = {name: design.join(x["group"]) for name, design in small.items()}
    fit = partial(zero_inflation.fit, counts, progress=False)
    full = fit(**large)
    without = {"mean": ["design"], "zero": ["zero_design"], "dispersion": ["dispersion_design"], "all": list(small)}
    return {
        part: zero_inflation.likelihood_ratio_test(full, fit(**large | {name: small[name] for name in names}))
        for part, names in without.items()
    }


def others(counts):
    """Test the mean by the negative binomial alone, and by ranks."""
    x = cells(len(counts))
    one = x[["Intercept"]]
    groups = np.where(x["group"] == 1, "B", "A")
    return {"negative binomial": nb_test(counts, x[["Intercept", "group"]], one), "rank-sum": by_ranks(counts, groups)}


def nb_test(counts, design, reduced, **settings):
    fits = [zero_inflation.fit(counts, x, model="nb", progress=False, **settings) for x in (design, reduced)]
    return zero_inflation.likelihood_ratio_test(*fits)


def by_ranks(counts, groups, size_factors=None):
    s = np.ones(counts.shape[0]) if size_factors is None else size_factors
    return rank_sum.test(counts, groups, ["B"], reference="A", size_factors=s).loc["B"]


def inflation_tests(counts, covariate, bootstrap):
    """Compare twice the gain of a zero part with several distributions."""
    x = cells(len(counts))
    zero_design = x[["Intercept", "batch"]] if covariate else x[["Intercept"]]
    zinb = zero_inflation.fit(counts, x[["Intercept"]], zero_design=zero_design, progress=False)
    nb = zero_inflation.fit(counts, x[["Intercept"]], model="nb", progress=False)
    stat = np.maximum(2 * (zinb.log_likelihood - nb.log_likelihood), 0)
    if bootstrap:
        settings = {"replicates": REPLICATES, "rng": 1, "progress": False}
        return {"inflation_test, bootstrap": zero_inflation.inflation_test(zinb, **settings)}
    if not covariate:
        return {"inflation_test, half chi2(1)": zero_inflation.inflation_test(zinb), "chi2(1)": stats.chi2(1).sf(stat)}
    half = np.where(stat > AT_BOUND, stats.chi2(1).sf(stat) / 2, 1.0)
    return {"half chi2(1)": half, "chi2(1)": stats.chi2(1).sf(stat), "chi2(2)": stats.chi2(2).sf(stat)}


def intervals(counts):
    """Give profile and Wald intervals of pi, the ratio of means and the dispersion."""
    x = cells(len(counts))
    fit = zero_inflation.fit(counts, x[["Intercept", "group"]], progress=False)
    found = {}
    for name, (place, parameter, scale) in PARAMETERS.items():
        found[f"{name}, profile"] = zero_inflation.profile_interval(fit, parameter)[["lower", "upper"]]
        estimate, error = fit.estimates[place], fit.standard_errors[place]
        found[f"{name}, Wald"] = scale(
            pd.DataFrame({"lower": estimate - WALD * error, "upper": estimate + WALD * error})
        )
    return found


# --- donors -----------------------------------------------------------------------------------------------------------


def donors(rng, donor_sd, n_cells, n_donors=8):
    """Simulate cells of donors, half of them of either condition, which does nothing."""
    names = [f"donor{i}" for i in range(n_donors)]
    obs = pd.DataFrame({"donor": np.repeat(names, n_cells)})
    obs["condition"] = np.where(obs["donor"].isin(names[: n_donors // 2]), "A", "B")
    adata = simulate.cell_counts(
        obs, 500, changed_fraction=0.0, donor="donor", donor_sd=donor_sd, zero_probability=0.2, rng=rng
    )
    kept = adata[:, adata.var["mean"] >= 0.5].copy()
    return kept, pd.Series(0.0, index=kept.var_names)


def tests_of_donors(adata):
    """Tests that take cells for replicates, and tests of the donors' sums."""
    x = pd.DataFrame({"Intercept": 1.0, "B": (adata.obs["condition"] == "B").astype(float)}, adata.obs_names)
    one, s = x[["Intercept"]], adata.obs["size_factor"].to_numpy()
    fit = partial(zero_inflation.fit, adata, size_factors=s, progress=False)
    full, mean = (fit(design, zero_design=x, dispersion_design=x) for design in (x, one))
    every = fit(one, zero_design=one, dispersion_design=one)
    cell = {
        "ZINB, mean": zero_inflation.likelihood_ratio_test(full, mean),
        "ZINB, all": zero_inflation.likelihood_ratio_test(full, every),
        "negative binomial": nb_test(adata, x, one, size_factors=s),
        "rank-sum": by_ranks(adata.X, adata.obs["condition"].to_numpy(), s).set_axis(adata.var_names),
    }
    sums = differential.pseudobulk(adata, "donor")
    table = differential.test(sums, "~ condition", ("condition", "B", "A"), method="ql", progress=False)
    return cell | {"donors' sums, ql": table[["pvalue"]]}


# --- tables -----------------------------------------------------------------------------------------------------------


def percent(row, name="share"):
    return number(100 * row[name], 100 * row[f"{name}_se"], 2)


def cells_of(shares, *keys):
    """Give the texts of shares in percent: rows by the keys, columns by what is left."""
    texts = shares.assign(text=shares.apply(percent, axis=1))
    return texts.pivot_table("text", index=list(keys), columns=["counts", "level"], aggfunc="first", observed=True)


def nulls_table(sets):
    columns = [f"{counts} counts, p < {level:g}" for counts in ("few", "more") for level in sorted(LEVELS)]
    heading("n", "covariate", "test", *columns)
    for n in CELLS:
        for covariate in (False, True):
            analyse = partial(likelihood_ratio_tests, covariate=covariate)
            results = study(partial(nothing_changes, n=n), analyse, sets, n, truth="effect", keep="counts")
            for test, row in cells_of(calibration.pvalues(results, LEVELS, by="counts"), "method").iterrows():
                print(f"| {n} | {'batch' if covariate else 'none'} | {test} | {' | '.join(row)} |", flush=True)


def inflation_table(sets):
    columns = [f"{counts} counts, p < {level:g}" for counts in ("few", "more") for level in sorted(LEVELS)]
    heading("n", "covariate of zeros", "compared with", *columns)
    for n in CELLS:
        for covariate in (False, True):
            for bootstrap in (False, True) if covariate and n < 1_000 else (False,):
                genes = BOOTSTRAPPED if bootstrap else CELLS[n]
                simulated = partial(nothing_changes, n=n, pi=0.0, genes=genes)
                analyse = partial(inflation_tests, covariate=covariate, bootstrap=bootstrap)
                results = study(simulated, analyse, sets, n, truth="effect", keep="counts")
                for name, row in cells_of(calibration.pvalues(results, LEVELS, by="counts"), "method").iterrows():
                    print(f"| {n} | {'batch' if covariate else 'none'} | {name} | {' | '.join(row)} |", flush=True)


def coverage_table(sets):
    heading(
        "n", "pi", "counts", "of", "profile holds it", "it lies below", "it lies above", "none", "Wald holds it", "none"
    )
    truth = {f"{name}, {kind}": name for name in PARAMETERS for kind in ("profile", "Wald")}
    for n in CELLS:
        for pi in (0.0, 0.2, 0.5):
            results = study(partial(known_parameters, n=n, pi=pi), intervals, sets, n, truth=truth, keep="counts")
            found = calibration.coverage(results, by="counts").set_index(["counts", "method"])
            found["none"] = (100 * found["missing"] / (found["missing"] + found["genes"])).map("{:.1f}".format)
            for counts in ("few", "more"):
                for name in PARAMETERS:
                    profile, wald = (found.loc[(counts, f"{name}, {kind}")] for kind in ("profile", "Wald"))
                    sides = [f"{100 * profile[side]:.1f}" for side in ("truth_below", "truth_above")]
                    ours = [percent(profile, "covered"), *sides, profile["none"]]
                    row = [str(n), str(pi), counts, name, *ours, percent(wald, "covered"), wald["none"]]
                    print(f"| {' | '.join(row)} |", flush=True)


def power_table(sets):
    simulated = partial(one_thing_changes, n=400, g=600)

    def analyse(counts):
        return likelihood_ratio_tests(counts) | others(counts)

    truth = {**{part: part for part in PARTS}, **dict.fromkeys(("all", "negative binomial", "rank-sum"), "mean")}
    results = study(simulated, analyse, sets, 1, truth=truth, keep=["changed", "counts"])
    for counts, found in results.groupby("counts", observed=True):
        table = calibration.confusion(found, "changed")
        table["text"] = table.apply(percent, axis=1)
        wide = table.pivot_table("text", index="changed", columns="method", aggfunc="first", observed=True)
        heading("counts", "changed", *wide.columns)
        for changed, row in wide.iterrows():
            print(f"| {counts} | {changed} | {' | '.join(row)} |", flush=True)


def donors_table(sets):
    cases = [(sd, 50) for sd in (0.0, 0.1, 0.3, 0.5)] + [(0.3, 20), (0.3, 200)]
    rows = []
    for sd, n_cells in cases:
        results = study(partial(donors, donor_sd=sd, n_cells=n_cells), tests_of_donors, sets, 1)
        rows.append(calibration.pvalues(results, 0.05).assign(donor_sd=sd, cells=n_cells))
    table = pd.concat(rows, ignore_index=True)
    table["text"] = table.apply(percent, axis=1)
    keys = ["donor_sd", "cells"]
    wide = table.pivot_table("text", index=keys, columns="method", aggfunc="first", observed=True, sort=False)
    heading("donor_sd", "cells of a donor", *wide.columns)
    for (sd, n_cells), row in wide.iterrows():
        print(f"| {sd} | {n_cells} | {' | '.join(row)} |", flush=True)


def study(simulated, analyse, sets, seed, **settings):
    return calibration.study(simulated, analyse, sets=sets, rng=seed, progress=False, **settings)


def main():
    sets, tables = asked(__doc__, TABLES, sets=10)
    for table in tables:
        table(sets)


TABLES = {
    "nulls": nulls_table,
    "inflation": inflation_table,
    "coverage": coverage_table,
    "power": power_table,
    "donors": donors_table,
}

if __name__ == "__main__":
    main()
