"""The ways from counts to a table: each method fits once, and answers contrast after contrast from its fit.

`Likelihood` goes DESeq2's way (Wald and likelihood ratio tests), `QuasiLikelihood` edgeR's, `Voom` limma's. A route has
``begin(task)``, which fits, and ``table(contrast, reduced, question)``, which tests all genes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from scomics_lite import dispersion, glm, linear_models, normalization, quasi_likelihood
from scomics_lite.filtering import filter_by_expression
from scomics_lite.multiple_testing import adjust, independent_filtering
from scomics_lite.validation import Counts, CountsError, quoted

FEWEST_TO_REPLACE = 7  # replicates, DESeq2's; see scomics_lite.glm.outliers
NUMBERS = ["log2FoldChange", "lfcSE", "stat", "pvalue"]


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be fitted, checked. `map` applies work to blocks of genes, `step` says which step begins."""

    counts: Counts
    design: pd.DataFrame
    size_factors: np.ndarray | pd.DataFrame | None
    trend: str
    min_mean: float
    cooks: bool
    filter_genes: bool
    robust: bool
    map: Callable
    step: Callable


# --- Wald and likelihood ratio: DESeq2's way --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Likelihood:
    """Regressions of all genes with known dispersions, and which genes have outlying counts."""

    task: Task
    size_factors: np.ndarray | pd.DataFrame
    dispersions: dispersion.Dispersions
    fit: glm.GlmFit
    outlier: np.ndarray  # (g,)
    emptied: np.ndarray  # (g,): their last counts were replaced

    @classmethod
    def begin(cls, task):
        """Fit."""
        task.step("size factors")
        s = _median_of_ratios(task.counts) if task.size_factors is None else task.size_factors
        task.step("dispersions")
        dispersions = dispersion.estimate(task.counts, task.design, s, trend=task.trend, map=task.map)
        task.step("regression")
        settings = {"min_mean": task.min_mean, "map": task.map}
        fit = glm.fit(task.counts, task.design, s, dispersions.final, **settings)
        task.step("outliers")
        if not task.cooks:
            none = np.zeros(len(fit.genes), dtype=bool)
            return cls(task, s, dispersions, fit, none, none)
        outlier = glm.flag_outliers(fit, max_replicates=FEWEST_TO_REPLACE - 1)
        refit = _refit_replaced(fit, dispersions, settings)
        emptied = (refit.status == "all zero") & (fit.status != "all zero")
        return cls(task, s, dispersions, refit, outlier, emptied)

    def table(self, contrast, reduced, question):
        """Test all genes."""
        threshold = {"lfc_threshold": question.lfc_threshold, "alternative": question.alternative}
        table = glm.wald_test(self.fit, contrast, **threshold)
        converged = self.fit.converged
        if reduced is not None:
            settings = {"min_mean": self.task.min_mean, "map": self.task.map}
            small = glm.fit(self.fit.counts, reduced, self.size_factors, self.fit.dispersions, **settings)
            ratio = glm.likelihood_ratio_test(self.fit, small, map=self.task.map)
            table, converged = table.assign(stat=ratio["stat"], pvalue=ratio["pvalue"]), converged & small.converged
        return self._adjust(self._settle(table, converged), question.alpha)

    def _settle(self, table, converged):
        """Say what became of every gene, and take out numbers that mean nothing."""
        table.loc[~converged, NUMBERS] = np.nan
        # Genes that lost their last counts to replacement: no difference, as in DESeq2.
        table.loc[self.emptied, NUMBERS] = [0.0, 0.0, 0.0, 1.0]
        table.loc[self.outlier, "pvalue"] = np.nan
        kinds = [self.fit.status == "all zero", ~converged, self.outlier]
        status = np.select(kinds, ["all zero", "not converged", "outlier"], "tested")
        return table.assign(status=np.where(self.emptied, "tested", status))

    def _adjust(self, table, alpha):
        """Filter, if that is wanted, and adjust."""
        pvalues = table["pvalue"].to_numpy()
        if self.task.filter_genes:
            padj = independent_filtering(pvalues, table["baseMean"].to_numpy(), alpha=alpha).padj
        else:
            padj = adjust(pvalues)
        filtered = np.isfinite(pvalues) & np.isnan(padj)
        return table.assign(padj=padj, status=table["status"].mask(filtered, "filtered"))


def _median_of_ratios(counts):
    """Give the median of ratios, or say what is left to do where there is none."""
    try:
        return np.asarray(normalization.size_factors(counts))
    except CountsError:
        raise CountsError(
            "no gene is counted in all samples, so the median of ratios has nothing to go by. Sum cells by pseudobulk "
            "first; leave out the samples with the fewest counts; or bring size factors that zeros do not stop: "
            "size_factors=scomics_lite.normalization.size_factors(adata, 'poscounts')"
        ) from None


def _refit_replaced(fit, dispersions, settings):
    """Replace outliers among many replicates; the genes concerned get dispersions by the same trend and a new fit."""
    counts = glm.replace_outliers(fit, min_replicates=FEWEST_TO_REPLACE)
    genes = np.flatnonzero(np.asarray((counts.matrix != fit.counts.matrix).sum(axis=0)))
    if not genes.size:
        return fit
    some = Counts(counts.matrix[:, genes], counts.samples, counts.genes[genes])
    s = fit.size_factors if fit.size_factors.ndim == 1 else fit.size_factors[:, genes]
    again = dispersion.estimate(some, fit.design, s, trend=dispersions, map=settings["map"])
    refit = glm.fit(some, fit.design, s, again.final, **settings)
    merged = {}
    for name in ("dispersions", "coefficients", "log_likelihood", "iterations", "status"):
        merged[name] = getattr(fit, name).copy()
        merged[name][genes] = getattr(refit, name)
    return replace(fit, counts=counts, **merged)


# --- quasi-likelihood and voom: edgeR's and limma's ways --------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _OfKeptGenes:
    """What both have in common: genes with counts enough, and TMM of these."""

    task: Task
    size_factors: np.ndarray
    kept: np.ndarray  # (g,)
    fit: quasi_likelihood.QlFit | linear_models.LinearFit
    dispersions: dispersion.EdgerDispersions | None

    @classmethod
    def begin(cls, task):
        """Fit."""
        task.step("genes")
        kept, some = _kept_genes(task)
        task.step("size factors")
        s = task.size_factors
        if s is None:
            s = np.asarray(normalization.size_factors(some, "tmm"))
        return cls(task, s, kept, *cls._fit(task, some, s))

    def _all_genes(self, table):
        """Give every gene its row, with its mean and what became of it."""
        counts, s = self.task.counts, self.size_factors
        base_mean = counts.matrix.T @ (1 / np.asarray(s)) / len(s)
        columns = [*NUMBERS[:3], "df", "pvalue", "padj"]
        table = table[columns].reindex(counts.genes)
        table.insert(0, "baseMean", base_mean)
        lost = table["pvalue"].isna()
        table.loc[lost, columns] = np.nan
        return table.assign(status=np.select([base_mean == 0, ~self.kept, lost], UNTESTED, "tested"))


UNTESTED = ["all zero", "filtered", "not converged"]


class QuasiLikelihood(_OfKeptGenes):
    """Negative binomial regressions with a quasi-dispersion for each gene."""

    @staticmethod
    def _fit(task, some, s):
        task.step("dispersions")
        dispersions = dispersion.edger_dispersions(some, task.design, s, map=task.map)
        task.step("regression")
        fit = quasi_likelihood.fit(some, task.design, s, dispersions, robust=task.robust, map=task.map)
        return fit, dispersions

    def table(self, contrast, reduced, question):
        """Test all genes."""
        settings = {"reduced": reduced, "lfc_threshold": question.lfc_threshold, "map": self.task.map}
        return self._all_genes(quasi_likelihood.test(self.fit, contrast, **settings))


class Voom(_OfKeptGenes):
    """Weighted least squares of log counts."""

    @staticmethod
    def _fit(task, some, s):
        task.step("weights")
        weighted = linear_models.voom(some, task.design, s)
        task.step("regression")
        return linear_models.fit(weighted.values, task.design, weighted.weights), None

    def table(self, contrast, reduced, question):
        """Test all genes."""
        settings = {"lfc_threshold": question.lfc_threshold, "robust": self.task.robust}
        return self._all_genes(linear_models.moderated_t_test(self.fit, contrast, **settings))


def _kept_genes(task):
    """Tell which genes have counts enough (g,), and give their counts."""
    counts = task.counts
    kept = counts.positive_samples() > 0
    if task.filter_genes:
        kept = np.asarray(filter_by_expression(counts, task.design))
    if kept.sum() < 2:
        raise CountsError(
            f"{kept.sum()} of {len(kept):,} genes have some 10 counts in as many samples as the smallest group has; "
            "variances cannot be compared. method='wald' looks at all genes"
        )
    some = Counts(counts.matrix[:, kept], counts.samples, counts.genes[kept])
    empty = np.flatnonzero(some.library_sizes == 0)
    if empty.size:
        raise CountsError(
            f"sample {quoted(counts.samples[empty[0]])} has no count in the {kept.sum():,} genes that enough samples "
            "have: leave it out, or see what went wrong with it"
        )
    return kept, some


ROUTES = {"wald": Likelihood, "lrt": Likelihood, "ql": QuasiLikelihood, "voom": Voom}
