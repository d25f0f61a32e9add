"""From counts to a table of genes, in one call: `test`, and `fit` for more questions than one.

Each step is a function of its own and takes plain arrays:

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

from dataclasses import dataclass

import anndata
import numpy as np
import pandas as pd

from scomics_lite import __version__
from scomics_lite.blocks import client_map
from scomics_lite.design import Design, check_design, design_matrix, diagnose, match_design
from scomics_lite.differential.routes import ROUTES, Task
from scomics_lite.differential.settings import LIKELIHOOD, Question, check_settings
from scomics_lite.differential.study import Study, ask, steps
from scomics_lite.validation import (
    Counts,
    InputError,
    check_counts,
    check_order,
    check_size_factors,
    once,
    warn,
)

STEPS = 5  # of a fit
FEW_COUNTS = 50_000  # of a sample: more zeros than counts below that, in so many samples, and these are cells
MANY_SAMPLES = 50


def fit(
    adata,
    design,
    *,
    method="wald",
    obs=None,
    size_factors=None,
    layer=None,
    trend="parametric",
    min_mean=0.5,
    cooks=True,
    filter_genes=True,
    robust=False,
    client=None,
    progress=True,
):
    """Fit every gene once, to ask for contrast after contrast.

    Parameters
    ----------
    adata, design, method, obs, size_factors, layer, trend, min_mean, cooks, filter_genes, robust, client, progress
        As for `test`.

    Returns
    -------
    Study
        ``study.test(contrast)`` gives a table, ``study.tests({name: contrast})`` several; ``study.fit`` and
        ``study.dispersions`` are what they rest on.

    Examples
    --------
    >>> from scomics_lite import simulate
    >>> adata = simulate.bulk_counts(list("AAABBBCCC"), 500, log2_fold_change=2, library_sizes=1e6, rng=1)
    >>> study = fit(adata, "~ condition", method="ql", progress=False)
    >>> study.test(("condition", "C", "B"))["status"].value_counts().to_dict()
    {'tested': 483, 'filtered': 17}
    """
    settings = {"trend": trend, "min_mean": min_mean, "cooks": cooks, "filter_genes": filter_genes, "robust": robust}
    with once(), steps(STEPS, progress) as step:
        return _prepare(adata, design, method, obs, size_factors, layer, settings, client, progress).fit(step)


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
    obs=None,
    alternative="greater_abs",
    trend="parametric",
    prior_scale=None,
    min_mean=0.5,
    cooks=True,
    filter_genes=True,
    key_added=None,
):
    """Test every gene for a difference between samples.

    Samples are what was randomised or drawn (people, animals, dishes). Cells of one sample are not independent of each
    other: sum them by `pseudobulk` first. For several questions to the same counts, `fit` once and ask its `Study`.

    Parameters
    ----------
    adata : AnnData, shape (n, g)
        Raw counts, samples in rows; or anything else that `scomics_lite.validation.check_counts` reads, with a table
        for `design` or the samples' columns in `obs`.
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
    size_factors : array_like, shape (n,), or DataFrame, shape (n, g), optional
        When not given, the median of ratios for ``"wald"`` and ``"lrt"``, and for ``"ql"`` and ``"voom"`` TMM of the
        genes that they keep. Sparse counts, and shifts of most genes at once, need another method of
        `scomics_lite.normalization.size_factors`. A table has a factor for every count, for ``"wald"`` and ``"lrt"``:
        ``length_factors(adata, adata.layers["length"])`` of `scomics_lite.normalization` makes one of the average
        transcript lengths that `scomics_lite.datasets.read_quantifications` reads.
    layer : str, optional
        Layer of an AnnData that holds the counts.
    lfc_threshold : float
        Test for fold changes larger than this, in log2. Not for ``"lrt"``, nor with `reduced`. The false sign rates of
        `shrink` are then those of changes that are not larger, or have the other sign.
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
        Whether to show which step is running, where the output is a terminal or a notebook.
    obs : DataFrame, n rows, optional
        Where the counts are a table of their own: what is known of the samples, one row each. With the samples' names
        for an index the rows may stand in any order.
    alternative : str
        For ``"wald"``: what is claimed, ``"greater_abs"``, ``"less_abs"``, ``"greater"`` or ``"less"``; see
        `scomics_lite.glm.wald_test`.
    trend : str
        For ``"wald"`` and ``"lrt"``: ``"parametric"``, ``"local"`` or ``"mean"``, how dispersions depend on the mean;
        see `scomics_lite.dispersion.estimate`. For fewer than some twenty genes ``"mean"``.
    prior_scale : float, optional
        For ``shrink="cauchy"``: the prior takes half of all changes to be smaller, in log2. Learned when not given.
    min_mean : float
        For ``"wald"`` and ``"lrt"``: the smallest mean inside the iterations of `scomics_lite.glm.fit`.
    cooks : bool
        For ``"wald"`` and ``"lrt"``: whether outlying counts are replaced or flagged.
    filter_genes : bool
        Whether genes with few counts are left out: of the adjustment by ``"wald"`` and ``"lrt"`` (independent
        filtering), of everything by ``"ql"`` and ``"voom"``. Without, ``padj`` is adjusted over all genes with a count.
    key_added : str, optional
        Put the table's columns into ``adata.var`` too, named ``key_added_padj`` and so on, and what they are into
        ``adata.uns[key_added]``.

    Returns
    -------
    DataFrame
        Indexed by gene, all genes: ``baseMean``, ``log2FoldChange``, ``lfcSE``, ``stat``, ``pvalue``, ``padj``, and
        ``status``: ``"tested"``; ``"filtered"``, too few counts to be found: not adjusted (``padj`` is NaN), and by
        ``"ql"`` and ``"voom"`` not looked at (all but ``baseMean`` is NaN); ``"outlier"``, a count beyond Cook's
        cut-off and too few replicates to replace it (``pvalue`` is NaN too, and with `shrink` all that it adds; with
        two replicates or one nobody can tell which count is the outlier, and the gene is tested); ``"all zero"`` and
        ``"not converged"`` (all but ``baseMean`` is NaN). ``"ql"`` and ``"voom"`` have ``df`` too, the degrees of
        freedom of the gene's variance. With `shrink`: ``shrunken``, the posterior mean (of ``"cauchy"`` the peak) in
        log2; ``shrunkenSE``, the posterior standard deviation; ``lfsr``, the probability that the sign is wrong;
        ``svalue``, the mean lfsr of all genes with one as small. ``attrs`` say how the table was made: version,
        method, design, contrast, size factors, settings.

    Raises
    ------
    InputError
        For counts, designs and contrasts that cannot be used; the message says why.

    Warns
    -----
    UserWarning
        If the rows look like single cells.

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
    settings = {"trend": trend, "min_mean": min_mean, "cooks": cooks, "filter_genes": filter_genes, "robust": robust}
    asked = contrast, reduced, Question(lfc_threshold, alternative, alpha, shrink, prior_scale)
    with once(), steps(STEPS + asked[-1].steps, progress) as step:
        plan = _prepare(adata, design, method, obs, size_factors, layer, settings, client, progress, asked)
        return plan.fit(step).answer(*asked, key_added, step)


test.__test__ = False  # where it is imported by name, pytest would take it for a test


# --- what is asked, checked before any work ---------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Plan:
    """Counts, design and settings, checked."""

    counts: Counts
    design: Design
    method: str
    size_factors: np.ndarray | pd.DataFrame | None
    settings: dict
    source: object
    obs: pd.DataFrame | None
    client: object
    progress: bool

    def fit(self, step):
        """Fit, saying which step begins, and give the `Study`."""
        step("design")
        over = map if self.client is None else client_map(self.client)
        task = Task(self.counts, self.design, self.size_factors, map=over, step=step, **self.settings)
        route = ROUTES[self.method].begin(task)
        return Study(self.method, self.design, self._said(route), route, self.source, self.obs, self.progress)

    def _said(self, route):
        """Tell how the fit was made, as plain text and numbers."""
        design = self.design.formula or [str(name) for name in self.design]
        own = {name: value for name, value in self.settings.items() if name != "robust" or value}
        said = {"scomics_lite": __version__, "method": self.method, "design": design, **own}
        s = np.asarray(route.size_factors)
        said["size_factors"] = s.tolist() if s.ndim == 1 else "a table"
        said["size_factors_by"] = "given" if self.size_factors is not None else DEFAULT_FACTORS[self.method]
        return said


DEFAULT_FACTORS = {"wald": "median_of_ratios", "lrt": "median_of_ratios", "ql": "tmm", "voom": "tmm"}


def _prepare(adata, design, method, obs, size_factors, layer, settings, client, progress, asked=None):
    """Check everything that can be checked before the work begins; `asked` is the first question, if there is one."""
    check_settings(method, **settings)
    if asked is not None:
        asked[2].check(method, asked[1])
    _check_rows(adata, design, obs)
    counts = check_counts(adata, layer=layer)
    obs = _obs(adata, obs, counts.samples)
    full = match_design(_full_design(obs, design, adata, asked, counts.samples), counts.samples)
    if asked is not None:
        ask(method, full, obs, *asked)
    genes = counts.genes if method in LIKELIHOOD else None  # the others have no use for factors of every gene
    s = None if size_factors is None else check_size_factors(size_factors, counts.samples, genes)
    _warn_of_cells(counts, obs)
    return _Plan(counts, full, method, s, settings, adata, obs, client, progress)


def _check_rows(adata, design, obs):
    """Stop a table that lies on its side before its cells are looked at."""
    shape = getattr(adata, "shape", ())
    table = obs if isinstance(design, str) else design
    if len(shape) == 2 and isinstance(table, pd.DataFrame) and len(table) == shape[1] != shape[0]:
        raise InputError(
            f"the counts have {shape[0]:,} rows and {shape[1]:,} columns, and there are {len(table):,} samples. Rows "
            "are samples here, columns genes: transpose, counts.T"
        )


def _obs(adata, obs, samples):
    """Give what is known of the samples, in their order, or None."""
    if isinstance(adata, anndata.AnnData):
        if obs is not None:
            raise InputError("an AnnData has its own obs: put the columns there, adata.obs, and leave obs out")
        return adata.obs
    if obs is None:
        return None
    if not isinstance(obs, pd.DataFrame):
        raise InputError(f"obs is a DataFrame with a row for each sample; got {type(obs).__name__}")
    if len(obs) != len(samples):
        raise InputError(f"obs has {len(obs):,} rows for {len(samples):,} samples: one row for each sample")
    if isinstance(samples, pd.RangeIndex) or isinstance(obs.index, pd.RangeIndex):
        return obs.set_axis(samples)
    if obs.index.is_unique and obs.index.isin(samples).all():
        return obs.loc[samples]
    check_order(obs, samples, "obs")
    return obs


def _full_design(obs, design, adata, asked, samples):
    """Build or check the design: it must have an answer, and something to measure variation by."""
    if not isinstance(design, str):
        if len(getattr(design, "shape", ())) == 2 and len(design) != len(samples):
            match_design(design, samples)  # which names the rows, before columns are looked at
        return check_design(design)
    if obs is None:
        raise InputError(
            f"a formula needs the samples' columns: an AnnData's obs, or obs=…; got {type(adata).__name__} and no obs"
        )
    full = design_matrix(obs, design)
    report = diagnose(full, obs)
    if asked is not None and report.aliases and report.estimable(asked[0]):
        names = [alias.column for alias in report.aliases]
        raise InputError(
            f"{report.problems[0]}. This contrast is estimable all the same, without the columns that add nothing: "
            f"design_matrix(obs, {design!r}).drop(columns={names}) in place of the formula"
        )
    return check_design(full, obs)


def _warn_of_cells(counts, obs):
    """Warn where samples look like cells: many, with few counts each and mostly zeros, and no sums of cells."""
    n, sizes = len(counts.samples), counts.library_sizes
    if n < MANY_SAMPLES or np.median(sizes) >= FEW_COUNTS or (obs is not None and "n_cells" in obs):
        return
    seen = counts.positive_samples()
    if seen.sum() < (seen > 0).sum() * n / 2:
        warn(
            f"these {n:,} rows look like single cells: {np.median(sizes):,.0f} counts in the middle one, and mostly "
            "zeros. Cells of one person are not independent samples, and p-values come out far too small: sum them "
            "first, scomics_lite.differential.pseudobulk(adata, 'the column that says whose cell it is')"
        )
