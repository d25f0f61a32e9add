"""How far our numbers are from DESeq2's, edgeR's and limma's: ``python benchmarks/agreement.py``.

The tables come from R 4.2.2 with DESeq2 1.38.3, edgeR 3.40.2 and limma 3.54.1, for the real pasilla, airway and
pickrell data; SCOMICS_LITE_REFERENCE and SCOMICS_LITE_DATA name the folders. One row for each column compared: median
and largest difference over the genes (relative, or absolute where it says so), the tolerance that the course promises
and the share of genes that it promises it for, how many genes are outside, and of what class they are. Where an
estimate is the maximum of a likelihood, the class says for how many ours is the higher one. Columns without a promise
show what is.

- Dispersions are estimated at DESeq2's size factors, airway's with its prior variance, which DESeq2 draws by random
  numbers (three residual degrees of freedom).
- Regressions and tests "given" have its size factors and dispersions. One gene of pickrell lost its only count to the
  replacement of outliers; a fit is NaN then, and DESeq2 gives 0 with p = 1, as `differential.test` does.
- Quasi-likelihoods "given" have edgeR's factors, trended dispersions and abundances. What is left comes from where its
  regressions stop; see tests/quasi_likelihood/.
- "Whole" is `differential.test` from the counts, with nothing given.
"""

import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from fixtures import published

from scomics_lite import differential, glm, negative_binomial, quasi_likelihood
from scomics_lite.normalization import size_factors

DISPERSIONS = {"genewise": "dispGeneEst", "trended": "dispFit", "map": "dispMAP", "final": "dispersion"}
LOWEST = 1e-7  # dispersions at DESeq2's minimum, where its digits are noise
ALPHA = 0.1
ALTERNATIVES = {"greaterAbs": "greater_abs", "lessAbs": "less_abs", "greater": "greater", "less": "less"}
EDGER_TESTS = {  # a stored table: how `differential.test` is asked for it
    "edger_glmQLFTest": {"method": "ql"},
    "edger_glmQLFTest_numcontrast": {"method": "ql", "contrast": "numcontrast"},
    "edger_glmQLFTest_robust": {"method": "ql", "robust": True},
    "edger_glmTreat": {"method": "ql", "lfc_threshold": 0.5},
}
LIMMA_TESTS = {"limma_voom_plain": {"method": "voom"}, "limma_voom_robust": {"method": "voom", "robust": True}}
IS_ABSOLUTE = {  # differences of a column of results
    "baseMean": False,
    "log2FoldChange": True,
    "lfcSE": False,
    "stat": True,
    "pvalue": True,
    "padj": True,
}


@dataclass
class Row:
    """One line of the table; `explain` gets the genes outside, as numbers, and says of what class they are."""

    name: str
    column: str
    ours: np.ndarray
    theirs: np.ndarray
    tolerance: float | None = None
    promised: float = 1.0
    absolute: bool = False
    lowest: float = -np.inf
    explain: object = None

    def __str__(self):
        ours, theirs = (np.asarray(values, dtype=float) for values in (self.ours, self.theirs))
        missing = (np.isnan(ours) != np.isnan(theirs)).sum()
        compared = np.isfinite(ours) & np.isfinite(theirs) & (np.maximum(ours, theirs) > self.lowest)
        scale = 1 if self.absolute else np.where(ours == theirs, 1, np.abs(theirs))
        off = np.where(compared, np.abs(ours - theirs) / scale, 0)
        column = f"{self.column}{', absolute' if self.absolute else ''}"
        numbers = f"{compared.sum():,} | {np.median(off[compared]):.1e} | {off.max():.1e}"
        return f"| {self.name} | {column} | {numbers} | {self.judge(off, compared.sum())} | {missing:,} |"

    def judge(self, off, compared):
        """Compare differences with the promise."""
        if self.tolerance is None:
            return "| | "
        outside = np.flatnonzero(off > self.tolerance)
        why = self.explain(outside) if self.explain and outside.size else ""
        share = "all" if self.promised == 1 else f"{self.promised:.1%}"
        broken = "" if outside.size <= (1 - self.promised) * compared else "PROMISE BROKEN. "
        return f"{self.tolerance:.0e} for {share} | {outside.size:,} | {broken}{why}"


# --- classes of genes outside -----------------------------------------------------------------------------------------


def higher(ours, theirs):
    """Say for how many of some genes our height is the higher."""
    gain = ours - theirs
    lower = f" (lower by {-gain.min():.0e} at most)" if (gain < 0).any() else ""
    return f"ours is higher in {(gain >= 0).sum():,} of {len(gain):,}, by up to {gain.max():.1e}{lower}"


def lowest(gain):
    return f"ours is lower by at most {max(-np.nanmin(gain), 0):.0e}"


def by_profile(name, theirs):
    ours = published.estimates(name).genewise

    def explain(genes):
        heights = published.profile_heights(name, genes, ours[genes], theirs[genes])
        return "adjusted profile likelihood: " + higher(heights[:, 0], heights[:, 1])

    return explain


def by_prior(name, ours, column, theirs):
    """Compare the posterior of profile and prior, by our trend."""

    def explain(genes):
        found = np.column_stack([getattr(ours, column)[genes], theirs[genes]])
        heights = published.profile_heights(name, genes, *found.T)
        heights -= np.log(found / ours.trended[genes, None]) ** 2 / ours.prior_variance / 2
        return "posterior by our trend: " + higher(heights[:, 0], heights[:, 1])

    return explain


def by_penalised_likelihood(name, fit, theirs):
    """Compare what the regression maximises at both coefficients, in natural logarithms."""

    def explain(genes):
        ours = fit.coefficients[genes]
        heights = [published.penalised_likelihood(fit, genes, b) for b in (ours, theirs[genes])]
        return f"{of_status(fit)(genes)}; penalised likelihood: {higher(*heights)}"

    return explain


def of_status(*fits):
    def explain(genes):
        refitted = np.any([fit.status[genes] == "refitted" for fit in fits], axis=0)
        return f"{refitted.sum()} of {len(genes)} by Newton's method, where DESeq2 stops L-BFGS-B early"

    return explain


# --- rows -------------------------------------------------------------------------------------------------------------


def rows_of_size_factors(name):
    theirs = published.table(name, "deseq2_size_factors")
    for method, column in (("median_of_ratios", "ratio"), ("poscounts", "poscounts")):
        yield Row(name, f"size factors, {column}", size_factors(published.adata(name), method), theirs[column], 1e-9)


def rows_of_dispersions(name):
    for kind in ("parametric", "local", "mean") if name == "pasilla" else ("parametric",):
        file = published.DISPERSIONS[name] if kind == "parametric" else f"deseq2_disp_{kind}"
        theirs, ours = published.table(name, file), published.estimates(name, kind)
        for column, their_name in DISPERSIONS.items():
            values = theirs[their_name].to_numpy()
            explain = by_profile(name, values) if column == "genewise" else by_prior(name, ours, column, values)
            tolerance = 1e-4 if column == "genewise" else 1e-3
            settings = {"promised": 0.99, "lowest": LOWEST, "explain": explain}
            yield Row(name, f"{kind} dispersions, {column}", getattr(ours, column), values, tolerance, **settings)


def rows_of_edger(name):
    ours, theirs = published.edger_estimates(name), published.table(name, "edger_disp")
    common = np.full(1, ours.common)
    yield Row(name, "edgeR common", common, published.numbers(name, "edger_disp_meta")[["common.dispersion"]], 1e-4)
    for column in ("trended", "tagwise"):
        yield Row(name, f"edgeR {column}", getattr(ours, column), theirs[column], 1e-2)


def rows_of_regressions(name):
    """Compare all coefficients, their errors and the likelihood, DESeq2's dispersions given."""
    fit = published.replaced(name) if name == "pickrell" else published.fitted(name)
    table = published.table(name, "deseq2_wald_coefs").loc[fit.genes]
    theirs, errors = (table.filter(like=kind).to_numpy() for kind in ("log2b_", "SE_"))
    explain = by_penalised_likelihood(name, fit, theirs * np.log(2))
    worst = np.abs(fit.coefficients / np.log(2) - theirs).max(axis=1)
    settings = {"promised": 0.999, "explain": explain}
    yield Row(name, "given: largest of all LFC", worst, 0 * theirs[:, 0], 1e-6, absolute=True, **settings)
    ours = np.sqrt(np.einsum("gaa->ga", fit.covariance)) / np.log(2)
    worst = np.abs(ours / errors - 1).max(axis=1)
    yield Row(name, "given: largest of all SE", worst, 0 * errors[:, 0], 1e-6, absolute=True, **settings)
    likelihood = -table["deviance"].to_numpy() / 2
    column = f"given: log likelihood, {lowest(fit.log_likelihood - likelihood)}"
    yield Row(name, column, fit.log_likelihood, likelihood, 1e-6, absolute=True, **settings)


def rows_of_tests(name):
    """Compare the stored contrasts and thresholds, DESeq2's dispersions given."""
    fit = published.replaced(name) if name == "pickrell" else published.fitted(name)
    settings = {"tolerance": 1e-6, "promised": 0.999, "explain": of_status(fit)}
    for contrast in ("default", "numcontrast"):
        ours = glm.wald_test(fit, published.question(name, contrast))
        theirs = published.table(name, f"deseq2_wald_{contrast}").loc[fit.genes]
        ours["pvalue"] = ours["pvalue"].where(theirs["pvalue"].notna())  # outliers are taken out later
        for column in ("log2FoldChange", "lfcSE", "pvalue"):
            absolute = IS_ABSOLUTE[column]
            yield Row(name, f"given, {contrast}: {column}", ours[column], theirs[column], absolute=absolute, **settings)
    for their_name, alternative in ALTERNATIVES.items() if name == "pasilla" else ():
        ours = glm.wald_test(fit, published.question(name, "default"), lfc_threshold=0.5, alternative=alternative)
        theirs = published.table(name, f"deseq2_wald_thr_{their_name}").loc[fit.genes, "pvalue"]
        ours = ours["pvalue"].where(theirs.notna())
        yield Row(name, f"given, threshold, {their_name}: pvalue", ours, theirs, absolute=True, **settings)


def rows_of_likelihood_ratios(name):
    full = published.replaced(name) if name == "pickrell" else published.fitted(name)
    small = published.reduced(full)
    ours = glm.likelihood_ratio_test(full, small)
    theirs = published.table(name, "deseq2_lrt_nofilt").loc[full.genes]
    if name != "pickrell":
        for column in ("stat", "pvalue"):
            settings = {"promised": 0.999, "absolute": True, "explain": of_status(full, small)}
            yield Row(name, f"given, likelihood ratio: {column}", ours[column], theirs[column], 1e-6, **settings)
        return
    yield Row(name, "given, likelihood ratio: stat", ours["stat"], theirs["stat"], absolute=True)
    mean = np.outer(full.size_factors, full.base_mean)
    at_mean = negative_binomial.log_likelihood(full.counts.matrix, mean, full.dispersions).sum(axis=0)
    stat = 2 * (full.log_likelihood - at_mean)
    wald = published.table(name, "deseq2_wald_nofilt").loc[full.genes]

    def explain(genes):
        differ = (theirs["log2FoldChange"] != wald["log2FoldChange"]).to_numpy()[genes]
        return (
            f"{differ.sum()} of {len(genes)} with other counts replaced: here DESeq2 measures outliers from other means"
        )

    column = "same, with the mean that DESeq2 takes where the reduced design is an intercept"
    yield Row(name, column, stat, theirs["stat"], 1e-6, 0.998, absolute=True, explain=explain)
    exact = glm.fit(full.counts, small.design, full.size_factors, full.dispersions, ridge=0, min_mean=0, tolerance=0)
    column = f"log likelihood of an exact reduced fit, and at that mean, {lowest(exact.log_likelihood - at_mean)}"
    yield Row(name, column, exact.log_likelihood, at_mean, absolute=True)


def rows_of_quasi_likelihood(name):
    """Compare the squeezed quasi-dispersions and the tests, edgeR's trended dispersions given."""
    fit = published.quasi_likelihood_given(name)
    theirs = published.table(name, "edger_glmQLFit")
    columns = {"deviance": fit.deviance, "var.post": fit.variances.posterior, "df.total": fit.df_total}
    for column, ours in columns.items():
        yield Row(name, f"given, quasi-likelihood: {column}", ours, theirs[column], 1e-5, 0.999)
    for file, settings in EDGER_TESTS.items():
        if not published.has_table(name, file):
            continue
        fit = published.quasi_likelihood_given(name, settings.get("robust", False))
        contrast = published.question(name, settings.get("contrast", "default"))
        ours = quasi_likelihood.test(fit, contrast, lfc_threshold=settings.get("lfc_threshold", 0.0))
        theirs = published.table(name, file)
        yield Row(name, f"given, {file}: pvalue", ours["pvalue"], theirs["PValue"], 1e-4)
        yield Row(name, f"given, {file}: log2FoldChange", ours["log2FoldChange"], theirs["logFC"], 1e-4, absolute=True)


def whole(name, contrast, **settings):
    question = published.question(name, contrast)
    return differential.test(published.adata(name), published.FORMULAS[name], question, progress=False, **settings)


@cache
def with_prior_variance_given(name, contrast):
    """Do the steps of `differential.test` with DESeq2's prior variance; no outliers, as without three replicates."""
    counts, design, factors = published.experiment(name)
    fit = glm.fit(counts, design, factors, published.estimates(name).final)
    table = glm.wald_test(fit, published.question(name, contrast))
    return table.assign(padj=glm.independent_filtering(table["pvalue"], table["baseMean"]).padj)


def wholes(name):
    """Give every whole table of a set, with the name of DESeq2's and the class of what is outside."""
    for contrast in ("default", "numcontrast"):
        file = f"deseq2_wald_{contrast}"
        explain = by_prior_variance(name, contrast) if name == "airway" else None
        yield f"whole, {contrast}", whole(name, contrast), file, explain
        if name == "airway":
            yield f"whole, {contrast}, prior variance given", with_prior_variance_given(name, contrast), file, None
    if name == "pasilla":
        ours = whole(name, "default", method="lrt", reduced="~ type")
        yield "whole, likelihood ratio", ours, "deseq2_lrt_default", None
    for file, settings in (EDGER_TESTS | LIMMA_TESTS).items():
        if published.has_table(name, file):
            yield f"whole, {file}", whole(name, **{"contrast": "default", **settings}), file, None


def as_deseq2(theirs):
    """Give a table of edgeR or limma the columns that DESeq2's have."""
    if "padj" in theirs:
        return theirs
    if "t" in theirs:
        error = np.sqrt(theirs["s2.post"]) * theirs["stdev.unscaled"]
        columns = {"log2FoldChange": theirs["logFC"], "lfcSE": error, "stat": theirs["t"], "pvalue": theirs["P.Value"]}
        return pd.DataFrame({**columns, "padj": theirs["adj.P.Val"]})
    pvalue = theirs["PValue"].clip(upper=1)  # rounding takes glmTreat's past it
    columns = {"log2FoldChange": theirs["logFC"], "pvalue": pvalue, "padj": glm.adjust(pvalue)}
    return pd.DataFrame({**columns, **({"stat": theirs["F"]} if "F" in theirs else {})})


def by_prior_variance(name, contrast):
    given = with_prior_variance_given(name, contrast)["log2FoldChange"].to_numpy()
    theirs = published.table(name, f"deseq2_wald_{contrast}").loc[published.adata(name).var_names, "log2FoldChange"]

    def explain(genes):
        inside = np.abs(given - theirs.to_numpy())[genes] <= 1e-3
        return f"{inside.sum()} of {len(genes)} by the prior variance alone: inside with DESeq2's"

    return explain


def rows_of_the_whole(name, title, ours, theirs, explain):
    for column in [column for column in IS_ABSOLUTE if column in theirs]:
        absolute = IS_ABSOLUTE[column]
        promise = (1e-3, 0.99) if column == "log2FoldChange" else (None,)
        yield Row(
            name, f"{title}: {column}", ours[column], theirs[column], *promise, absolute=absolute, explain=explain
        )


def hits(name, title, ours, theirs):
    """Count the called genes, and say how alike ranks and missing values are."""
    called, expected = ours["padj"] < ALPHA, theirs["padj"] < ALPHA
    both = ours["pvalue"].notna() & theirs["pvalue"].notna()
    rho = stats.spearmanr(ours.loc[both, "pvalue"], theirs.loc[both, "pvalue"])[0]
    columns = [column for column in IS_ABSOLUTE if column in theirs]
    missing = (ours[columns].isna() != theirs[columns].isna()).any(axis=1).sum()
    different = (called != expected).sum()
    cells = [called.sum(), expected.sum(), different, f"{different / expected.sum():.2%}", f"{rho:.7f}", missing]
    return f"| {name} | {title} | {' | '.join(map(str, cells))} |"


def main():
    if not all(os.environ.get(name) for name in published.FOLDERS):
        sys.exit(f"{' and '.join(published.FOLDERS)} must name the folders of the tables and of the data")
    print("| set | column | genes | median | largest | promised | outside | class of these | NaN in one alone |")
    print("|---|---|---|---|---|---|---|---|---|")
    given = (rows_of_size_factors, rows_of_dispersions, rows_of_edger)
    given += (rows_of_regressions, rows_of_tests, rows_of_likelihood_ratios, rows_of_quasi_likelihood)
    called = []
    for name in published.FORMULAS:
        for rows in given:
            print(*rows(name), sep="\n", flush=True)
        for title, ours, file, explain in wholes(name):
            theirs = as_deseq2(published.table(name, file)).reindex(ours.index)
            print(*rows_of_the_whole(name, title, ours, theirs, explain), sep="\n", flush=True)
            called.append(hits(name, title, ours, theirs))
    print(f"\n| set | table | called, padj < {ALPHA} | R | by one alone | share | rho of p | NaN in one alone |")
    print("|---|---|---|---|---|---|---|---|", *called, sep="\n")


if __name__ == "__main__":
    main()
