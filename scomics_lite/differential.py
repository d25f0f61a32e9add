"""From counts to a table of genes: what differs between samples.

`test` runs the whole way; each step is a function of its own and takes plain arrays. Methods ``"wald"`` and ``"lrt"``
follow DESeq2 1.38 (Love, Huber and Anders 2014), ``"ql"`` edgeR 3.40 (Lun, Chen and Smyth 2016), and ``"voom"`` limma
3.54 (Law et al. 2014):

    step            wald, lrt                                ql                           voom
    genes           all                                      filtering.filter_by_expression
    size factors    normalization: median of ratios          normalization: TMM of these genes
    variation       dispersion.estimate                      dispersion.edger_dispersions linear_models.voom
    regression      glm.fit                                  quasi_likelihood.fit         linear_models.fit
    outliers        glm.replace_outliers, flag_outliers      robust=True                  robust=True
    test            glm.wald_test, likelihood_ratio_test     quasi_likelihood.test        linear_models.moderated_t_test
    adjustment      glm.independent_filtering                glm.adjust                   glm.adjust

`pseudobulk` comes before them where there are many cells of each sample.
"""

# ruff: noqa: PT028 (`test` tests genes; pytest never sees it)

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace

import anndata
import numpy as np
import pandas as pd
from tqdm import tqdm

from scomics_lite import dispersion, glm, linear_models, normalization, quasi_likelihood
from scomics_lite.blocks import client_map
from scomics_lite.design import check_design, design_matrix
from scomics_lite.design import contrast as contrast_vector
from scomics_lite.empirical_bayes import ash
from scomics_lite.filtering import filter_by_expression
from scomics_lite.notices import once
from scomics_lite.pseudobulk import pseudobulk
from scomics_lite.shrinkage import one_coefficient
from scomics_lite.validation import (
    Counts,
    CountsError,
    InputError,
    check_counts,
    check_size_factors,
    check_threshold,
    did_you_mean,
    is_number,
)

__all__ = ["pseudobulk", "test"]

METHODS = ("wald", "lrt", "ql", "voom")
SHRINKAGES = ("ash", "cauchy")
STEPS = 6
FEWEST_TO_REPLACE = 7  # replicates, DESeq2's; see scomics_lite.outliers
NUMBERS = ["log2FoldChange", "lfcSE", "stat", "pvalue"]
SHRUNKEN = ["shrunken", "shrunkenSE", "lfsr", "svalue"]


def test(
    adata,
    design,
    contrast,
    *,
    method="wald",
    reduced=None,
    size_factors=None,
    layer=None,
    lfc_threshold=0.0,
    alpha=0.1,
    robust=False,
    shrink=None,
    client=None,
    progress=True,
):
    """Test every gene for a difference between samples.

    Samples are what was randomised or drawn (people, animals, dishes). Cells of one sample are not independent of each
    other: sum them by `pseudobulk` first.

    Parameters
    ----------
    adata : AnnData, shape (n, g)
        Raw counts, samples in rows. With a table for `design`, anything that
        `scomics_lite.validation.check_counts` reads.
    design : str or DataFrame, shape (n, p)
        A formula over the columns of ``adata.obs``, such as ``"~ batch + condition"``, or the columns themselves.
    contrast : tuple, str, dict or array_like, shape (p,)
        What is asked, as `scomics_lite.design.contrast` takes it: ``("condition", "treated", "control")``.
    method : str
        ``"wald"`` asks whether the contrast is zero; ``"lrt"`` whether the columns that `reduced` lacks are needed, and
        the contrast only says which fold change is shown beside it. Both are DESeq2's, for negative binomial counts
        with known dispersions. ``"ql"``, edgeR's quasi-likelihood F-test, knows that variances are estimated, which
        matters most for few samples; with `reduced` it tests several columns at once. ``"voom"``, limma's, is a
        moderated t-test of log counts with weights, the fastest.
    reduced : str or sequence of str, optional
        For ``"lrt"`` and ``"ql"``: the smaller model, a formula or the names of the columns it keeps.
    size_factors : array_like, shape (n,), optional
        When not given, the median of ratios for ``"wald"`` and ``"lrt"``, and for ``"ql"`` and ``"voom"`` TMM of the
        genes that they keep. Sparse counts, and shifts of most genes at once, need another method of
        `scomics_lite.normalization.size_factors`.
    layer : str, optional
        Layer of an AnnData that holds the counts.
    lfc_threshold : float
        Test for fold changes larger than this, in log2, either way. Not for ``"lrt"``, nor with `reduced`.
    alpha : float
        False discovery rate that the independent filtering of ``"wald"`` and ``"lrt"`` is best for; use
        ``padj < alpha``.
    robust : bool
        For ``"ql"`` and ``"voom"``: genes with outlying variances are drawn less towards the others'.
    shrink : str, optional
        Add shrunken fold changes, their errors and false sign rates. ``"ash"`` is `scomics_lite.empirical_bayes.ash` of
        the table's fold changes and standard errors with its defaults, which can tell genes without any change; errors
        are normal for ``"wald"`` and ``"lrt"``, and t with the median ``df`` for ``"ql"`` and ``"voom"``. (DESeq2's
        ``lfcShrink(type="ashr")`` is ``ash(lfc, lfcSE, mixture="normal", point_mass=False, prior="uniform")``; its
        false sign rates are half of what they should be where many genes do not change at all.) ``"cauchy"``, for
        ``"wald"`` and ``"lrt"`` and contrasts that are one coefficient, is `scomics_lite.glm.cauchy_shrinkage`, which
        DESeq2 users know as apeglm: for fold changes, since its false sign rates count no gene as unchanged.
    client : dask.distributed.Client, optional
        Its workers compute the dispersions and the regressions, by blocks of genes; the numbers stay the same. Worth it
        from some 1e8 counts: 20,000 genes of 100 samples take some seconds without. See
        `scomics_lite.blocks.client_map`. ``"voom"`` has no need of it.
    progress : bool
        Whether to show which step is running.

    Returns
    -------
    DataFrame
        Indexed by gene, all genes: ``baseMean``, ``log2FoldChange``, ``lfcSE``, ``stat``, ``pvalue``, ``padj``, and
        ``status``: ``"tested"``; ``"filtered"``, too few counts to be found: not adjusted (``padj`` is NaN), and by
        ``"ql"`` and ``"voom"`` not looked at (all but ``baseMean`` is NaN); ``"outlier"``, a count beyond Cook's
        cut-off and too few replicates to replace it (``pvalue`` is NaN too; with two replicates or one nobody can tell
        which count is the outlier, and the gene is tested); ``"all zero"`` and ``"not converged"`` (all but
        ``baseMean`` is NaN). ``"ql"`` and ``"voom"`` have ``df`` too, the degrees of freedom of the gene's variance.
        With `shrink`: ``shrunken``, the posterior mean (of ``"cauchy"`` the peak) in log2; ``shrunkenSE``, the
        posterior standard deviation; ``lfsr``, the probability that the sign is wrong; ``svalue``, the mean lfsr of all
        genes with one as small.

    Raises
    ------
    InputError
        For counts, designs and contrasts that cannot be used; the message says why.

    Examples
    --------
    >>> from scomics_lite import simulate
    >>> adata = simulate.bulk_counts(["A"] * 4 + ["B"] * 4, 500, log2_fold_change=2, library_sizes=1e6, rng=1)
    >>> table = test(adata, "~ condition", ("condition", "B", "A"), progress=False)
    >>> table.columns.tolist()
    ['baseMean', 'log2FoldChange', 'lfcSE', 'stat', 'pvalue', 'padj', 'status']
    >>> found = table["padj"] < 0.1
    >>> int(found.sum()), int((found & adata.var["changed"]).sum())  # of 50 that changed
    (53, 49)
    """
    _check_settings(method, reduced, lfc_threshold, alpha, robust, shrink)
    ways = {"wald": _by_likelihood, "lrt": _by_likelihood, "ql": _by_quasi_likelihood, "voom": _by_voom}
    with once(), _steps(STEPS + (shrink is not None), progress) as step:
        step("design")
        counts = check_counts(adata, layer=layer)
        full = _full_design(adata, design)
        c = contrast_vector(full, contrast)
        if shrink == "cauchy":
            one_coefficient(full, c)  # or nothing need be fitted
        small = None if reduced is None else _reduced_design(adata, full, reduced)
        s = None if size_factors is None else check_size_factors(size_factors, counts.samples)
        over = map if client is None else client_map(client)
        task = _Task(counts, full, c, small, s, lfc_threshold, alpha, robust, over, step)
        table, fit = ways[method](task)
        if shrink is not None:
            step("shrinkage")
            table = table.join(_shrink_estimates(table) if shrink == "ash" else _shrink_coefficient(fit, task, table))
        return table


@dataclass(frozen=True)
class _Task:
    """What is asked, checked."""

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


@contextmanager
def _steps(number, progress):
    """Give a function that names the step which begins."""
    with tqdm(total=number, bar_format="{desc} ({n} of {total})", leave=False, disable=not progress) as bar:

        def step(name):
            bar.set_description_str(name, refresh=False)
            bar.update()
            bar.refresh()

        yield step


# --- Wald and likelihood ratio: DESeq2's way --------------------------------------------------------------------------


def _by_likelihood(task):
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


def _by_quasi_likelihood(task):
    """Give the table of all genes; no fit of theirs can be shrunk by a likelihood."""
    kept, some, s = _filtered(task)
    task.step("dispersions")
    dispersions = dispersion.edger_dispersions(some, task.design, s, map=task.map)
    task.step("regression")
    fit = quasi_likelihood.fit(some, task.design, s, dispersions, robust=task.robust, map=task.map)
    task.step("test")
    settings = {"reduced": task.reduced, "lfc_threshold": task.lfc_threshold, "map": task.map}
    return _all_genes(quasi_likelihood.test(fit, task.contrast, **settings), kept, s, task.counts), None


def _by_voom(task):
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


# --- shrinkage --------------------------------------------------------------------------------------------------------


def _shrink_estimates(table):
    """Shrink fold changes by their standard errors: normal ones, or t where the variances' degrees of freedom count."""
    effects, errors = table["log2FoldChange"].to_numpy(), table["lfcSE"].to_numpy()
    shrunken = pd.DataFrame(np.nan, index=table.index, columns=SHRUNKEN)
    known = np.isfinite(effects) & (errors > 0)
    df = np.median(table.loc[known, "df"]) if "df" in table else np.inf
    result = ash(effects[known], errors[known], df=float(df) if np.isfinite(df) else None)
    shrunken.loc[known] = np.column_stack([result.posterior_mean, result.posterior_sd, result.lfsr, result.svalue])
    return shrunken


def _shrink_coefficient(fit, task, table):
    """Shrink the coefficient by its likelihood in every gene."""
    found = glm.cauchy_shrinkage(fit, task.contrast, map=task.map)[["log2FoldChange", "lfcSE", "lfsr", "svalue"]]
    return found.set_axis(SHRUNKEN, axis=1).where(table["lfcSE"] > 0)


# --- designs ----------------------------------------------------------------------------------------------------------


def _full_design(adata, design):
    """Build or check the design: it must have an answer, and something to measure variation by."""
    if isinstance(design, str):
        obs = _obs(adata)
        return check_design(design_matrix(obs, design), obs)
    texts = [
        name
        for name, kind in getattr(design, "dtypes", pd.Series(dtype=object)).items()
        if not pd.api.types.is_numeric_dtype(kind)
    ]
    if texts:
        raise InputError(
            f"column {texts[0]!r} of the design holds no numbers; give a formula over adata.obs, such as "
            f"'~ {texts[0]}', or the columns of scomics_lite.design.design_matrix"
        )
    return check_design(design)


def _reduced_design(adata, full, reduced):
    """Build the smaller design from a formula, or from columns of the full one."""
    if isinstance(reduced, str):
        return design_matrix(_obs(adata), reduced)
    if not np.iterable(reduced):
        raise InputError(f"reduced is a formula, or the names of the columns it keeps; got {reduced!r}")
    names = [str(name) for name in reduced]
    for name in names:
        if name not in full:
            raise InputError(f"reduced keeps column {name!r}, which the design has not; {did_you_mean(name, full)}")
    if not names:
        raise InputError("reduced keeps no column; the smallest model has an intercept: reduced='~ 1'")
    return full[names]


def _obs(adata):
    if not isinstance(adata, anndata.AnnData):
        raise InputError(f"a formula needs the columns of an AnnData's obs; got {type(adata).__name__} and no obs")
    return adata.obs


# --- checking ---------------------------------------------------------------------------------------------------------


def _check_settings(method, reduced, lfc_threshold, alpha, robust, shrink):
    if method not in METHODS:
        raise InputError(f"there is no method {method!r}; {did_you_mean(method, METHODS)}")
    if shrink is not None and shrink not in SHRINKAGES:
        raise InputError(f"there is no shrinkage {shrink!r}; {did_you_mean(shrink, SHRINKAGES)}")
    check_threshold(lfc_threshold)
    if not (is_number(alpha) and 0 < alpha < 1):
        raise InputError(f"alpha is a false discovery rate between 0 and 1; got {alpha!r}")
    if method == "lrt" and reduced is None:
        raise InputError("method='lrt' compares with a smaller model: reduced='~ …'; method='wald' takes none")
    if method in ("wald", "voom") and reduced is not None:
        raise InputError(f"method={method!r} takes no smaller model; reduced='~ …' goes with method='lrt' or 'ql'")
    if reduced is not None and lfc_threshold > 0:
        raise InputError(
            "a comparison with a smaller model tests models, not sizes: lfc_threshold goes with method='wald', 'ql' or "
            "'voom', without reduced"
        )
    if robust and method in ("wald", "lrt"):
        raise InputError(
            f"method={method!r} looks for outlying counts in any case; robust=True goes with method='ql' or 'voom'"
        )
    if shrink == "cauchy" and method in ("ql", "voom"):
        raise InputError(
            f"shrink='cauchy' needs the likelihood of the counts, and method={method!r} has a variance of its own for "
            "every gene: shrink='ash', or method='wald'"
        )
