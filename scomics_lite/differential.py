"""From counts to a table of genes: what differs between samples.

`test` runs the whole way, by the conventions of DESeq2 1.38 (Love, Huber and Anders 2014); each step is a function of
its own and takes plain arrays:

    size factors    `scomics_lite.normalization.size_factors`, the median of ratios
    dispersions     `scomics_lite.dispersion.estimate`
    regression      `scomics_lite.glm.fit`
    outliers        `scomics_lite.glm.replace_outliers`, dispersions and fits anew, `scomics_lite.glm.flag_outliers`
    test            `scomics_lite.glm.wald_test` or `scomics_lite.glm.likelihood_ratio_test`
    adjustment      `scomics_lite.glm.independent_filtering`

`pseudobulk` comes before them where there are many cells of each sample.
"""

# ruff: noqa: PT028 (`test` tests genes; pytest never sees it)

from contextlib import contextmanager
from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
from scipy import sparse
from tqdm import tqdm

from scomics_lite import dispersion, glm, normalization
from scomics_lite.blocks import client_map
from scomics_lite.design import check_column, check_design, design_matrix
from scomics_lite.design import contrast as contrast_vector
from scomics_lite.notices import once
from scomics_lite.validation import (
    Counts,
    CountsError,
    InputError,
    check_counts,
    check_size_factors,
    did_you_mean,
    is_number,
    no_labels,
)

METHODS = ("wald", "lrt")
STEPS = 6
FEWEST_TO_REPLACE = 7  # replicates, DESeq2's; see scomics_lite.outliers


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
        the contrast only says which fold change is shown beside it.
    reduced : str or sequence of str, optional
        For ``"lrt"``: the smaller model, a formula or the names of the columns it keeps.
    size_factors : array_like, shape (n,), optional
        The median of ratios when not given. Sparse counts, and shifts of most genes at once, need another method of
        `scomics_lite.normalization.size_factors`.
    layer : str, optional
        Layer of an AnnData that holds the counts.
    lfc_threshold : float
        For ``"wald"``: test for fold changes larger than this, in log2, either way.
    alpha : float
        False discovery rate that the independent filtering is best for; use ``padj < alpha``.
    client : dask.distributed.Client, optional
        Its workers compute the dispersions and the regressions, by blocks of genes; the numbers stay the same. Worth
        it from some 1e8 counts: 20,000 genes of 100 samples take two seconds without. See
        `scomics_lite.blocks.client_map`.
    progress : bool
        Whether to show which step is running.

    Returns
    -------
    DataFrame
        Indexed by gene, all genes: ``baseMean``, ``log2FoldChange``, ``lfcSE``, ``stat``, ``pvalue``, ``padj``, and
        ``status``: ``"tested"``; ``"filtered"``, too few counts to be found, not adjusted (``padj`` is NaN);
        ``"outlier"``, a count beyond Cook's cut-off and too few replicates to replace it (``pvalue`` is NaN too; with
        two replicates or one nobody can tell which count is the outlier, and the gene is tested); ``"all zero"`` and
        ``"not converged"`` (all but ``baseMean`` is NaN).

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
    _check_settings(method, reduced, lfc_threshold, alpha)
    over = map if client is None else client_map(client)
    with once(), _steps(progress) as step:
        step("design")
        counts = check_counts(adata, layer=layer)
        full = _full_design(adata, design)
        c = contrast_vector(full, contrast)
        small = None if reduced is None else _reduced_design(adata, full, reduced)
        step("size factors")
        s = _size_factors(adata, layer) if size_factors is None else check_size_factors(size_factors, counts.samples)
        step("dispersions")
        dispersions = dispersion.estimate(counts, full, s, map=over)
        step("regression")
        fit = glm.fit(counts, full, s, dispersions.final, map=over)
        step("outliers")
        outlier = glm.flag_outliers(fit, max_replicates=FEWEST_TO_REPLACE - 1)
        refit = _refit_replaced(fit, dispersions, over)
        step("test")
        table, converged = _test(refit, c, small, lfc_threshold, over)
        emptied = (refit.status == "all zero") & (fit.status != "all zero")
        return _adjust(_settle(table, refit.status, converged, emptied, outlier), alpha)


def pseudobulk(adata, sample, group=None, layer=None):
    """Sum the counts of the cells of each sample, or of each sample and group, such as a cell type.

    Parameters
    ----------
    adata : AnnData, cells x genes
        Raw counts, dense or sparse.
    sample : str
        Column of ``adata.obs`` that says which sample a cell is from.
    group : str, optional
        Column of ``adata.obs``; samples without a cell in a group have no row for it.
    layer : str, optional
        Layer that holds the counts.

    Returns
    -------
    AnnData, shape (sums, g)
        Sums in ``X``, dense whole numbers; rows are named ``sample`` or ``sample_group``. ``obs`` keeps the columns
        that are the same in all cells of every sum, and has ``n_cells``; ``var`` stays.

    Raises
    ------
    InputError
        If a column is missing or a cell has no value in it, and for tables that do not hold counts.

    Examples
    --------
    >>> obs = pd.DataFrame({"donor": ["d1", "d1", "d2"], "age": [40, 40, 35]}, index=["c1", "c2", "c3"])
    >>> cells = anndata.AnnData(np.array([[1, 0], [2, 5], [3, 1]]), obs=obs)
    >>> sums = pseudobulk(cells, "donor")
    >>> sums.obs
       donor  age  n_cells
    d1    d1   40        2
    d2    d2   35        1
    >>> sums.X
    array([[3, 5],
           [3, 1]])
    """
    if not isinstance(adata, anndata.AnnData):
        raise InputError(f"pseudobulk needs an AnnData, whose obs says which cell is whose; got {type(adata).__name__}")
    columns = [sample] if group is None else [sample, group]
    for column in columns:
        _check_labels(adata.obs, column)
    for column in adata.obs.columns[adata.obs.columns.duplicated()]:
        check_column(adata.obs, column)  # which stands twice
    counts = check_counts(adata, layer=layer, min_samples=1)
    row = adata.obs.groupby(columns, observed=True, sort=True).ngroup().to_numpy()
    members = sparse.csr_array((np.ones(len(row), dtype=np.int64), (row, np.arange(len(row)))))
    sums = members @ counts.matrix
    sums = (sums.toarray() if sparse.issparse(sums) else sums).astype(np.int64)
    return anndata.AnnData(sums, obs=_summed_obs(adata.obs, row, columns), var=adata.var.copy())


# --- steps ------------------------------------------------------------------------------------------------------------


@contextmanager
def _steps(progress):
    """Give a function that names the step which begins."""
    with tqdm(total=STEPS, bar_format="{desc} ({n} of {total})", leave=False, disable=not progress) as bar:

        def step(name):
            bar.set_description_str(name, refresh=False)
            bar.update()
            bar.refresh()

        yield step


def _size_factors(adata, layer):
    """Give the median of ratios, or say what is left to do where there is none."""
    try:
        return normalization.size_factors(adata, layer=layer)
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


def _test(fit, c, small, lfc_threshold, over):
    """Give the table of tests and which genes' fits it can rest on."""
    table = glm.wald_test(fit, c, lfc_threshold=lfc_threshold)
    if small is None:
        return table, fit.converged
    small_fit = glm.fit(fit.counts, small, fit.size_factors, fit.dispersions, map=over)
    ratio = glm.likelihood_ratio_test(fit, small_fit)
    return table.assign(stat=ratio["stat"], pvalue=ratio["pvalue"]), fit.converged & small_fit.converged


def _settle(table, fit_status, converged, emptied, outlier):
    """Say what became of every gene, and take out numbers that mean nothing."""
    numbers = ["log2FoldChange", "lfcSE", "stat", "pvalue"]
    table.loc[~converged, numbers] = np.nan
    # Genes that lost their last counts to replacement: no difference, as in DESeq2.
    table.loc[emptied, numbers] = [0.0, 0.0, 0.0, 1.0]
    table.loc[outlier, "pvalue"] = np.nan
    kinds = [fit_status == "all zero", ~converged, outlier]
    status = np.select(kinds, ["all zero", "not converged", "outlier"], "tested")
    return table.assign(status=np.where(emptied, "tested", status))


def _adjust(table, alpha):
    """Filter and adjust."""
    table["padj"] = glm.independent_filtering(table["pvalue"], table["baseMean"], alpha=alpha).padj
    table.loc[table["pvalue"].notna() & table["padj"].isna(), "status"] = "filtered"
    return table


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


# --- pseudobulk -------------------------------------------------------------------------------------------------------


def _summed_obs(obs, row, columns):
    """Describe the sums: their names, the columns that are constant in each, and how many cells they are of."""
    by_row = obs.groupby(row)
    constant = [name for name in obs if not no_labels(obs[name]) and by_row[name].nunique(dropna=False).max() == 1]
    first = np.unique(row, return_index=True)[1]
    summed = obs.iloc[first][constant]
    for name, column in summed.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            summed = summed.assign(**{name: column.cat.remove_unused_categories()})
    names = summed[columns].astype(str).agg("_".join, axis=1)
    if names.duplicated().any():
        name = names[names.duplicated()].iloc[0]
        raise InputError(f"two sums would be named {name!r} ({' and '.join(columns)} joined by '_'); rename a level")
    return summed.set_axis(pd.Index(names.to_numpy()), axis=0).assign(n_cells=np.bincount(row))


# --- checking ---------------------------------------------------------------------------------------------------------


def _check_settings(method, reduced, lfc_threshold, alpha):
    if method not in METHODS:
        raise InputError(f"there is no method {method!r}; {did_you_mean(method, METHODS)}")
    if (method == "lrt") != (reduced is not None):
        raise InputError("method='lrt' compares with a smaller model: reduced='~ …'; method='wald' takes none")
    if not (is_number(lfc_threshold) and lfc_threshold >= 0):
        raise InputError(f"lfc_threshold is a size in log2, 0 or more; got {lfc_threshold!r}")
    if method == "lrt" and lfc_threshold > 0:
        raise InputError("a likelihood ratio tests models, not sizes: lfc_threshold goes with method='wald'")
    if not (is_number(alpha) and 0 < alpha < 1):
        raise InputError(f"alpha is a false discovery rate between 0 and 1; got {alpha!r}")


def _check_labels(obs, column):
    if not pd.api.types.is_hashable(column):
        raise InputError(f"sample and group name one column of obs each; got {column!r}")
    if column not in obs:
        raise InputError(f"obs has no column {column!r}; {did_you_mean(column, obs)}")
    check_column(obs, column)
    missing = obs.index[obs[column].isna()]
    if len(missing):
        raise InputError(
            f"{len(missing):,} of {len(obs):,} cells have no value in column {column!r}, the first is {missing[0]}: "
            "they belong to no sum. Leave these cells out: adata[adata.obs[...].notna()]"
        )
