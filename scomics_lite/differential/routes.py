"""The methods behind `scomics_lite.differential.test`: each takes a checked question and gives the table of all genes.

`by_likelihood` goes DESeq2's way (Wald and likelihood ratio tests), `by_quasi_likelihood` edgeR's, `by_voom` limma's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from scomics_lite import dispersion, glm, linear_models, normalization, quasi_likelihood
from scomics_lite.filtering import filter_by_expression
from scomics_lite.validation import Counts, CountsError

FEWEST_TO_REPLACE = 7  # replicates, DESeq2's; see scomics_lite.glm.outliers
NUMBERS = ["log2FoldChange", "lfcSE", "stat", "pvalue"]


@dataclass(frozen=True)
class Task:
    """What is asked, checked; `map` and `step` as in `scomics_lite.differential`."""

    counts: Counts
    design: pd.DataFrame
    contrast: np.ndarray
    reduced: pd.DataFrame | None
    size_factors: np.ndarray | None
    lfc_threshold: float
    alpha: float
    robust: bool
    map: Callable
    step: Callable


# --- Wald and likelihood ratio: DESeq2's way --------------------------------------------------------------------------


def by_likelihood(task):
    """Give the table and the fit that it rests on."""
    task.step("size factors")
    s = _median_of_ratios(task.counts) if task.size_factors is None else task.size_factors
    task.step("dispersions")
    dispersions = dispersion.estimate(task.counts, task.design, s, map=task.map)
    task.step("regression")
    fit = glm.fit(task.counts, task.design, s, dispersions.final, map=task.map)
    task.step("outliers")
    outlier = glm.flag_outliers(fit, max_replicates=FEWEST_TO_REPLACE - 1)
    refit = _refit_replaced(fit, dispersions, task.map)
    task.step("test")
    table, converged = _test(refit, task)
    emptied = (refit.status == "all zero") & (fit.status != "all zero")
    return _adjust(_settle(table, refit.status, converged, emptied, outlier), task.alpha), refit


def _median_of_ratios(counts):
    """Give the median of ratios, or say what is left to do where there is none."""
    try:
        return normalization.size_factors(counts.matrix)
    except CountsError:
        raise CountsError(
            "no gene is counted in all samples, so the median of ratios has nothing to go by. Sum cells by pseudobulk "
            "first; leave out the samples with the fewest counts; or bring size factors that zeros do not stop: "
            "size_factors=scomics_lite.normalization.size_factors(adata, 'poscounts')"
        ) from None


def _refit_replaced(fit, dispersions, over):
    """Replace outliers among many replicates; the genes concerned get dispersions by the same trend and a new fit."""
    counts = glm.replace_outliers(fit, min_replicates=FEWEST_TO_REPLACE)
    genes = np.flatnonzero(np.asarray((counts.matrix != fit.counts.matrix).sum(axis=0)))
    if not genes.size:
        return fit
    some = Counts(counts.matrix[:, genes], counts.samples, counts.genes[genes])
    again = dispersion.estimate(some, fit.design, fit.size_factors, trend=dispersions, map=over)
    refit = glm.fit(some, fit.design, fit.size_factors, again.final, map=over)
    merged = {}
    for name in ("dispersions", "coefficients", "log_likelihood", "iterations", "status"):
        merged[name] = getattr(fit, name).copy()
        merged[name][genes] = getattr(refit, name)
    return replace(fit, counts=counts, **merged)


def _test(fit, task):
    """Give the table of tests and which genes' fits it can rest on."""
    table = glm.wald_test(fit, task.contrast, lfc_threshold=task.lfc_threshold)
    if task.reduced is None:
        return table, fit.converged
    small_fit = glm.fit(fit.counts, task.reduced, fit.size_factors, fit.dispersions, map=task.map)
    ratio = glm.likelihood_ratio_test(fit, small_fit)
    return table.assign(stat=ratio["stat"], pvalue=ratio["pvalue"]), fit.converged & small_fit.converged


def _settle(table, fit_status, converged, emptied, outlier):
    """Say what became of every gene, and take out numbers that mean nothing."""
    table.loc[~converged, NUMBERS] = np.nan
    # Genes that lost their last counts to replacement: no difference, as in DESeq2.
    table.loc[emptied, NUMBERS] = [0.0, 0.0, 0.0, 1.0]
    table.loc[outlier, "pvalue"] = np.nan
    kinds = [fit_status == "all zero", ~converged, outlier]
    status = np.select(kinds, ["all zero", "not converged", "outlier"], "tested")
    return table.assign(status=np.where(emptied, "tested", status))


def _adjust(table, alpha):
    """Filter and adjust."""
    table["padj"] = glm.independent_filtering(table["pvalue"], table["baseMean"], alpha=alpha).padj
    table.loc[table["pvalue"].notna() & table["padj"].isna(), "status"] = "filtered"
    return table


# --- quasi-likelihood and voom: edgeR's and limma's ways --------------------------------------------------------------


def by_quasi_likelihood(task):
    """Give the table of all genes; no fit of theirs can be shrunk by a likelihood."""
    kept, some, s = _filtered(task)
    task.step("dispersions")
    dispersions = dispersion.edger_dispersions(some, task.design, s, map=task.map)
    task.step("regression")
    fit = quasi_likelihood.fit(some, task.design, s, dispersions, robust=task.robust, map=task.map)
    task.step("test")
    settings = {"reduced": task.reduced, "lfc_threshold": task.lfc_threshold, "map": task.map}
    return _all_genes(quasi_likelihood.test(fit, task.contrast, **settings), kept, s, task.counts), None


def by_voom(task):
    """Give the table of all genes; no fit of theirs can be shrunk by a likelihood."""
    kept, some, s = _filtered(task)
    task.step("weights")
    weighted = linear_models.voom(some, task.design, s)
    task.step("regression")
    fit = linear_models.fit(weighted.values, task.design, weighted.weights)
    task.step("test")
    table = linear_models.moderated_t_test(fit, task.contrast, lfc_threshold=task.lfc_threshold, robust=task.robust)
    return _all_genes(table.set_axis(some.genes), kept, s, task.counts), None


def _filtered(task):
    """Give the genes with counts enough (g,), their counts, and size factors: TMM of these genes if none is given."""
    task.step("genes")
    counts = task.counts
    kept = filter_by_expression(counts, task.design)
    if kept.sum() < 2:
        raise CountsError(
            f"{kept.sum()} of {len(kept):,} genes have some 10 counts in as many samples as the smallest group has; "
            "variances cannot be compared. method='wald' looks at all genes"
        )
    some = Counts(counts.matrix[:, kept], counts.samples, counts.genes[kept])
    empty = np.flatnonzero(some.library_sizes == 0)
    if empty.size:
        raise CountsError(
            f"sample {counts.samples[empty[0]]!r} has no count in the {kept.sum():,} genes that enough samples have: "
            "leave it out, or see what went wrong with it"
        )
    task.step("size factors")
    s = normalization.size_factors(some.matrix, "tmm") if task.size_factors is None else task.size_factors
    return kept, some, s


def _all_genes(table, kept, s, counts):
    """Give every gene its row, with its mean and what became of it."""
    base_mean = counts.matrix.T @ (1 / s) / len(s)
    columns = [*NUMBERS[:3], "df", "pvalue", "padj"]
    table = table[columns].reindex(counts.genes)
    table.insert(0, "baseMean", base_mean)
    kinds = [base_mean == 0, ~kept, table["pvalue"].isna()]
    return table.assign(status=np.select(kinds, ["all zero", "filtered", "not converged"], "tested"))


METHODS = {"wald": by_likelihood, "lrt": by_likelihood, "ql": by_quasi_likelihood, "voom": by_voom}
