"""A fitted study: regressions of all genes, made once, that answer contrast after contrast.

`scomics_lite.differential.fit` makes it.
"""

from contextlib import contextmanager
from dataclasses import dataclass

import anndata
import numpy as np
import pandas as pd
from tqdm import tqdm

from scomics_lite import glm
from scomics_lite.design import Design, design_matrix
from scomics_lite.design import contrast as contrast_vector
from scomics_lite.differential import shrinking
from scomics_lite.differential.routes import Likelihood, QuasiLikelihood, Voom
from scomics_lite.differential.settings import Question
from scomics_lite.progress import no_bar
from scomics_lite.validation import InputError, did_you_mean, once

ADDED = ["log2FoldChange", "lfcSE", "stat", "pvalue", "padj", "status", *shrinking.COLUMNS]  # to adata.var, on request


@dataclass(frozen=True, repr=False, eq=False)
class Study:
    """Regressions of all genes of a study, ready to be asked.

    Attributes
    ----------
    method : str
    design : Design, shape (n, p)
    fit : GlmFit, QlFit or LinearFit
        The regressions: of all genes for ``"wald"`` and ``"lrt"`` (outliers replaced), of those with counts enough for
        ``"ql"`` and ``"voom"``.
    dispersions : Dispersions, EdgerDispersions or None
        None for ``"voom"``.
    size_factors : ndarray, shape (n,), or DataFrame, shape (n, g)
    settings : dict
        What every table says of the fit: version, method, design, size factors, settings.

    Examples
    --------
    >>> from scomics_lite import differential, simulate
    >>> adata = simulate.bulk_counts(list("AAABBBCCC"), 500, log2_fold_change=2, library_sizes=1e6, rng=1)
    >>> study = differential.fit(adata, "~ condition", progress=False)
    >>> study
    Study of 500 genes in 9 samples, method 'wald': Intercept, condition[B], condition[C]
    >>> tables = study.tests({"B": ("condition", "B", "A"), "C against B": "condition[C] - condition[B]"})
    >>> {name: int((table["padj"] < 0.1).sum()) for name, table in tables.items()}
    {'B': 50, 'C against B': 100}
    """

    method: str
    design: Design
    settings: dict
    _route: Likelihood | QuasiLikelihood | Voom
    _source: object  # what the counts were read from
    _obs: pd.DataFrame | None
    _progress: bool

    def __repr__(self):
        counts = self._route.task.counts
        names = ", ".join(self.design.columns[:6]) + " …" * (self.design.shape[1] > 6)
        shape = f"{len(counts.genes):,} genes in {len(counts.samples):,} samples"
        return f"Study of {shape}, method {self.method!r}: {names}"

    @property
    def fit(self):
        """The regressions."""
        return self._route.fit

    @property
    def dispersions(self):
        """What the regressions took for the dispersions; None for voom, which has weights instead."""
        return self._route.dispersions

    @property
    def size_factors(self):
        """What the counts were divided by."""
        return self._route.size_factors

    def test(
        self,
        contrast,
        *,
        reduced=None,
        lfc_threshold=0.0,
        alternative="greater_abs",
        alpha=0.1,
        shrink=None,
        prior_scale=None,
        key_added=None,
    ):
        """Test every gene for one contrast.

        Parameters
        ----------
        contrast, reduced, lfc_threshold, alternative, alpha, shrink, prior_scale, key_added
            As for `scomics_lite.differential.test`.

        Returns
        -------
        DataFrame
            As from `scomics_lite.differential.test`.
        """
        question = Question(lfc_threshold, alternative, alpha, shrink, prior_scale)
        with once(), steps(question.steps, self._progress) as step:
            return self.answer(contrast, reduced, question, key_added, step)

    def answer(self, contrast, reduced, question, key_added, step):
        """Do the work of `test`.

        Parameters
        ----------
        contrast, reduced, key_added
            As for `test`.
        question : Question
        step : callable
            Is told which step begins.

        Returns
        -------
        DataFrame
        """
        vector, smaller = ask(self.method, self.design, self._obs, contrast, reduced, question)
        step("test")
        table = self._route.table(vector, smaller, question)
        if question.shrink is not None:
            step("shrinkage")
            table = table.join(self._shrink(table, vector, question))
        table.attrs = {**self.settings, **_said(contrast, reduced, question)}
        if key_added is not None:
            _add(table, self._source, key_added)
        return table

    def tests(self, contrasts, **settings):
        """Test every gene for one contrast after the other.

        Parameters
        ----------
        contrasts : dict
            Contrasts by the names that their tables get.
        **settings
            As for `test`, the same for all.

        Returns
        -------
        dict of DataFrame
            A table for each name. Each is adjusted by itself: false discovery rates are those of one contrast.
        """
        if not isinstance(contrasts, dict):
            raise InputError(
                f"tests takes contrasts by name, {{'treated': ('condition', 'treated', 'control')}}; got {contrasts!r}"
            )
        for contrast in contrasts.values():  # all of them, before the first is tested
            contrast_vector(self.design, contrast)
        return {name: self.test(contrast, **settings) for name, contrast in contrasts.items()}

    def _shrink(self, table, vector, question):
        if question.shrink == "ash":
            return shrinking.by_ash(table, question.lfc_threshold)
        settings = question.lfc_threshold, question.prior_scale, self._route.task.map
        return shrinking.by_likelihood(self.fit, vector, table, *settings)


def ask(method, design, obs, contrast, reduced, question):
    """Check a question to a study that need not be fitted yet, and give what is tested.

    Parameters
    ----------
    method : str
    design : Design
    obs : DataFrame or None
    contrast, reduced
        As for `Study.test`.
    question : Question

    Returns
    -------
    vector : ndarray, shape (p,)
    smaller : DataFrame or None
    """
    question.check(method, reduced)
    vector = contrast_vector(design, contrast)
    if question.shrink == "cauchy":
        glm.one_coefficient(design, vector)  # or nothing need be fitted
    return vector, None if reduced is None else _smaller(obs, design, reduced)


def _smaller(obs, design, reduced):
    """Build the smaller design from a formula, or from columns of the full one."""
    if isinstance(reduced, str):
        if obs is None:
            raise InputError(
                f"reduced={reduced!r} is a formula over the samples' columns, which nobody gave: obs=…, or name the "
                f"columns that the smaller model keeps, reduced={design.columns[:1].tolist()}"
            )
        return design_matrix(obs, reduced)
    if not np.iterable(reduced):
        raise InputError(f"reduced is a formula, or the names of the columns it keeps; got {reduced!r}")
    names = [str(name) for name in reduced]
    for name in names:
        if name not in design:
            raise InputError(f"reduced keeps column {name!r}, which the design has not; {did_you_mean(name, design)}")
    if not names:
        raise InputError("reduced keeps no column; the smallest model has an intercept: reduced='~ 1'")
    return design[names]


@contextmanager
def steps(number, progress):
    """Give a function that names the step which begins; a bar is drawn only where somebody can see it.

    Parameters
    ----------
    number : int
    progress : bool
    """
    bar_format = "{desc} ({n} of {total})"
    with tqdm(total=number, bar_format=bar_format, leave=False, disable=no_bar(progress)) as bar:

        def step(name):
            bar.set_description_str(name, refresh=False)
            bar.update()
            bar.refresh()

        yield step


# --- what a table says of itself --------------------------------------------------------------------------------------


def _said(contrast, reduced, question):
    """Write the question as plain text and numbers, as ``attrs`` and files keep them."""
    plain = contrast if isinstance(contrast, str) else _plain(contrast)
    said = {"contrast": plain, "lfc_threshold": float(question.lfc_threshold), "alternative": question.alternative}
    if reduced is not None:
        said["reduced"] = reduced if isinstance(reduced, str) else [str(name) for name in reduced]
    said |= {"alpha": float(question.alpha), "shrink": question.shrink or "none"}
    return said | ({} if question.prior_scale is None else {"prior_scale": float(question.prior_scale)})


def _plain(contrast):
    """Give a tuple as a list of texts, a vector as a list of numbers, and a dict or Series as a dict of numbers."""
    if isinstance(contrast, dict | pd.Series):
        return {str(name): float(weight) for name, weight in dict(contrast).items()}
    if isinstance(contrast, tuple | list) and any(isinstance(part, str) for part in contrast):
        return [str(part) for part in contrast]
    return np.asarray(contrast, dtype=float).tolist()


def _add(table, adata, key):
    """Put the columns into ``adata.var``, and what they are into ``adata.uns``."""
    if not isinstance(adata, anndata.AnnData):
        raise InputError(
            f"key_added={key!r} puts the table into the var of an AnnData, and the counts are a "
            f"{type(adata).__name__}: table.add_prefix('{key}_') gives columns to join by hand"
        )
    added = table[table.columns.intersection(ADDED)].add_prefix(f"{key}_")
    adata.var = adata.var.assign(**dict(added.items()))  # set as a whole: what is set in a view's var draws a warning
    adata.uns = {**adata.uns, str(key): dict(table.attrs)}
