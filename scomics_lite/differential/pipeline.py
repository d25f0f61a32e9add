"""From counts to a table of genes: what differs between samples.

`test` runs the whole way, by one of four methods (`scomics_lite.differential.routes`); each step is a function of its
own and takes plain arrays:

                   wald, lrt                                ql and voom
    genes          all                                      `filtering.filter_by_expression`
    size factors   `normalization`, the median of ratios    TMM of these genes
    variation      `dispersion.estimate`                    `dispersion.edger_dispersions`; `linear_models.voom`
    regression     `glm.fit`                                `quasi_likelihood.fit`; `linear_models.fit`
    outliers       `glm.replace_outliers`, `flag_outliers`  ``robust=True``
    test           `glm.wald_test`,                         `quasi_likelihood.test`;
                   `glm.likelihood_ratio_test`              `linear_models.moderated_t_test`
    adjustment     `glm.independent_filtering`              `glm.adjust`
    shrinkage      `empirical_bayes.ash`, `glm.cauchy_shrinkage`

`pseudobulk` comes before them where there are many cells of each sample.
"""

# ruff: noqa: PT028 (`test` tests genes; pytest never sees it)

from contextlib import contextmanager

import anndata
import numpy as np
import pandas as pd
from tqdm import tqdm

from scomics_lite import glm
from scomics_lite.blocks import client_map
from scomics_lite.design import check_design, design_matrix
from scomics_lite.design import contrast as contrast_vector
from scomics_lite.differential.routes import METHODS, Task
from scomics_lite.empirical_bayes import ash
from scomics_lite.glm import one_coefficient
from scomics_lite.validation import (
    InputError,
    check_counts,
    check_size_factors,
    check_threshold,
    did_you_mean,
    is_number,
    once,
)

SHRINKAGES = ("ash", "cauchy")
STEPS = 6
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
        the table's fold changes and standard errors, with its defaults: errors are normal for ``"wald"`` and ``"lrt"``,
        and t with the table's ``df`` for ``"ql"`` and ``"voom"``. (With ``mixture="normal", point_mass=False,
        prior="uniform"`` it is DESeq2's ``lfcShrink(type="ashr")``.) ``"cauchy"`` is
        `scomics_lite.glm.cauchy_shrinkage`, which DESeq2 users know as apeglm, for ``"wald"`` and ``"lrt"`` and
        contrasts that are one coefficient. Of genes with ``svalue < 0.05``, 5 % should have no change or the other
        sign; where four genes in five do not change (benchmarks/sign_errors.py) it is 4 to 5 % by ash of ql and voom,
        7 % of wald, which takes dispersions as known, 12 to 14 % with DESeq2's settings, and 40 to 50 % by cauchy, to
        which every gene changes: its fold changes are good, its lists of genes not.
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
        task = Task(counts, full, c, small, s, lfc_threshold, alpha, robust, over, step)
        table, fit = METHODS[method](task)
        if shrink is not None:
            step("shrinkage")
            table = table.join(_shrink_estimates(table) if shrink == "ash" else _shrink_coefficient(fit, task, table))
        return table


@contextmanager
def _steps(number, progress):
    """Give a function that names the step which begins."""
    with tqdm(total=number, bar_format="{desc} ({n} of {total})", leave=False, disable=not progress) as bar:

        def step(name):
            bar.set_description_str(name, refresh=False)
            bar.update()
            bar.refresh()

        yield step


# --- shrinkage --------------------------------------------------------------------------------------------------------


def _shrink_estimates(table):
    """Shrink fold changes by their standard errors: normal ones, or t where the variances' degrees of freedom count."""
    effects, errors = table["log2FoldChange"].to_numpy(), table["lfcSE"].to_numpy()
    shrunken = pd.DataFrame(np.nan, index=table.index, columns=SHRUNKEN)
    known = np.isfinite(effects) & (errors > 0)
    df = table.loc[known, "df"].to_numpy() if "df" in table else None
    result = ash(effects[known], errors[known], df=df)
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
