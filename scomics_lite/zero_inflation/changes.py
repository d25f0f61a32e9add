"""What does a condition change: the mean, the zeros, the dispersion? Reached as `scomics_lite.zero_inflation.test`."""

# ruff: noqa: PT028 (`test` tests genes; pytest never sees it)

from dataclasses import dataclass

import numpy as np
import pandas as pd
from formulaic import Formula

from scomics_lite import normalization
from scomics_lite.design import design_matrix
from scomics_lite.validation import (
    InputError,
    check_counts,
    check_size_factors,
    did_you_mean,
    is_anndata,
    warn_of_donors,
)
from scomics_lite.zero_inflation.hypotheses import DESIGNS, likelihood_ratio_test
from scomics_lite.zero_inflation.regression import PARTS, fit

COMPONENTS = (*PARTS, "all")


def test(
    adata,
    formula,
    component="all",
    *,
    term=None,
    zero_formula=None,
    layer=None,
    size_factors=None,
    client=None,
    progress=True,
):
    """Test every gene for a change of the mean, of the structural zeros, of the dispersion, or of any of them.

    In the full model all three depend on the term that is tested, and the other terms of the formula act on mean and
    zeros. The reduced model lacks the term in the component's part, or in all three. With a term of two levels the
    likelihood ratio has 1, 1, 1 and 3 degrees of freedom. Because the other parts may change too, a change of the mean
    is not mistaken for one of the zeros; the price is power, where counts are too low to tell them apart.

    The chi-squared distribution takes some hundred cells. With 50 in all, 2 to 8 % of unchanged genes lie below 0.05,
    with 200 and more 4 to 6 % (benchmarks/zero_inflation_calibration.py).

    What a biologist reads is the overall mean E[Y] = (1 - pi) mu. Its fold change compares the mean over all cells of
    (1 - pi) mu / s with the term's column one higher, and as it is (of zeros and ones: with all ones, and all zeros).
    The standard error is by the delta method.

    Parameters
    ----------
    adata : AnnData, shape (n, g)
        Raw counts, cells in rows, with all their genes.
    formula : str
        Over the columns of ``adata.obs``, such as ``"~ batch + condition"``.
    component : str
        ``"mean"``, ``"zero"``, ``"dispersion"`` or ``"all"``.
    term : str, optional
        What is tested; the last term of the formula when not given.
    zero_formula : str, optional
        Of the zero part, where it is another one; it needs the tested term too.
    layer : str, optional
        Layer that holds the counts.
    size_factors : array_like, shape (n,), optional
        The cells' total counts over their geometric mean when not given.
    client : dask.distributed.Client, optional
        Its workers fit blocks of genes.
    progress : bool
        Whether to show how many genes are done.

    Returns
    -------
    DataFrame
        Indexed by gene: ``baseMean``; ``log2FoldChange`` and ``lfcSE`` of the overall mean; ``effect`` and ``effectSE``
        of the component: the log2 ratio of mu, the difference of logit pi, or the log2 ratio of phi (not with
        ``"all"``); ``stat``, ``df``, ``pvalue``, ``padj``, and ``status`` of the full fit. Terms of three levels and
        more have no single fold change and no effect: these columns are left out.

    Raises
    ------
    InputError
        For counts, formulas and terms that cannot be used; the message says why.

    Warns
    -----
    UserWarning
        Where ``obs`` says which donor a cell is from: cells of one donor are no replicates.

    Examples
    --------
    >>> import anndata
    >>> from scomics_lite import zero_inflation
    >>> obs = pd.DataFrame({"condition": np.repeat(["ctrl", "stim"], 300)}, index=[f"c{i}" for i in range(600)])
    >>> stim = (obs["condition"] == "stim").to_numpy()[:, None]
    >>> pi = np.where(stim, [0.6, 0.2], 0.2)  # gene 0: more structural zeros
    >>> mu = np.where(stim, [20.0, 40.0], 20.0)  # gene 1: a higher mean
    >>> cells = anndata.AnnData(zero_inflation.sample(mu, 0.3, pi, rng=1), obs=obs)
    >>> for component in ("mean", "zero"):
    ...     table = test(cells, "~ condition", component, size_factors=np.ones(600), progress=False)
    ...     print(component, table[["log2FoldChange", "effect", "pvalue"]].round(3).to_numpy().tolist())
    mean [[-0.78, 0.032, 0.73], [1.042, 1.073, 0.0]]
    zero [[-0.78, 1.554, 0.0], [1.042, 0.113, 0.59]]
    """
    if not is_anndata(adata):
        raise InputError(f"test needs an AnnData, whose obs the formula speaks of; got {type(adata).__name__}")
    if component not in COMPONENTS:
        raise InputError(f"component is one of {', '.join(COMPONENTS)}; got {component!r}")
    counts = check_counts(adata, layer=layer, allow_empty=size_factors is not None)
    question = _Question.of(adata.obs, formula, zero_formula, term)
    warn_of_donors(adata.obs, question.columns_of_obs, layer=layer)
    s = normalization.size_factors(counts, "total") if size_factors is None else size_factors
    s = check_size_factors(s, counts.samples)
    settings = {"size_factors": s, "client": client, "progress": progress}
    full = fit(counts, **question.designs(()), **settings)
    reduced = fit(counts, **question.designs(PARTS if component == "all" else (component,)), **settings)
    tested = likelihood_ratio_test(full, reduced)
    effects = _overall_change(full, question)
    if effects and component != "all":
        effects |= _own_change(full, question, component)
    table = pd.DataFrame({"baseMean": full.base_mean} | effects, index=full.genes).join(tested)
    table.attrs = {"formula": formula, "zero_formula": zero_formula or formula, "term": question.term}
    table.attrs |= {"component": component}
    return table


test.__test__ = False  # where it is imported by name, pytest would take it for a test


# --- the designs of a question ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Question:
    """Which term is tested, and the columns with and without it of mean and zero part."""

    term: str
    columns_of_obs: list
    mean: tuple  # of two designs: with and without the term
    zero: tuple

    @classmethod
    def of(cls, obs, formula, zero_formula, term):
        terms = _terms(formula)
        if term is None and terms:
            term = terms[-1]
        zero = formula if zero_formula is None else zero_formula
        for name, text in (("formula", formula), ("zero_formula", zero)):
            if term not in _terms(text):
                raise InputError(
                    f"the {name} {text!r} has no term {term!r} to be tested; {did_you_mean(str(term), _terms(text))}"
                )
        designs = [(design_matrix(obs, text), design_matrix(obs, f"{text} - {term}")) for text in (formula, zero)]
        return cls(term, [name for name in obs if name in _variables(term)], *designs)

    @property
    def tested(self):
        """Names of the term's columns."""
        return self.mean[0].columns.difference(self.mean[1].columns, sort=False)

    def designs(self, without):
        """Give the designs of a model that lacks the term in some of the parts, as `fit` takes them."""
        one = pd.DataFrame({"Intercept": 1.0}, index=self.mean[0].index)
        with_term = pd.concat([one, pd.DataFrame(self.mean[0][self.tested])], axis=1)
        choices = {"mean": self.mean, "zero": self.zero, "dispersion": (with_term, one)}
        return {DESIGNS[part]: pair[part in without] for part, pair in choices.items()}


def _terms(formula):
    """List the terms of a formula, without the intercept."""
    try:
        return [str(term) for term in Formula(formula) if str(term) != "1"]
    except Exception as error:
        raise InputError(f"the formula {formula!r} cannot be read: {error}") from None


def _variables(term):
    return {str(variable) for variable in Formula(f"~ 0 + {term}").required_variables}


# --- how large it is --------------------------------------------------------------------------------------------------


def _own_change(full, question, component):
    """Give the coefficient of the term in the component's part, and its standard error."""
    unit = 1.0 if component == "zero" else np.log(2)
    name = (component, question.tested[0])
    return {"effect": full.estimates[name].to_numpy() / unit, "effectSE": full.standard_errors[name].to_numpy() / unit}


def _overall_change(full, question):
    """Give the log2 fold change of the overall mean and its standard error; nothing for a term of several columns."""
    if len(question.tested) != 1:
        return {}
    low, high = _shifted(full, question.tested[0])
    theta = full.finite(np.arange(len(full.genes)))
    p, q, _ = full.parts.sizes
    change, slope = 0.0, 0.0
    for sign, designs in ((-1, low), (1, high)):
        mean, gradient = _overall_mean(*designs, theta[:p], theta[p : p + q])
        change, slope = change + sign * np.log2(mean), slope + sign * gradient / mean / np.log(2)
    covariance = full.covariance[:, : p + q, : p + q].copy()
    covariance[np.ix_(full.without_zeros, range(p, p + q), range(p + q))] = 0.0
    covariance[np.ix_(full.without_zeros, range(p + q), range(p, p + q))] = 0.0
    return {"log2FoldChange": change, "lfcSE": np.sqrt(np.einsum("jg,gjk,kg->g", slope, covariance, slope))}


def _shifted(full, column):
    """Give mean and zero designs (of different rows, with weights) where the column is low, and one higher."""
    x, z = full.design.to_numpy(float), full.zero_design.to_numpy(float)
    at = full.design.columns.get_loc(column), full.zero_design.columns.get_loc(column)
    is_indicator = np.isin(x[:, at[0]], (0, 1)).all()
    both = []
    for value in (0.0, 1.0):
        moved = x.copy(), z.copy()
        for columns, place in zip(moved, at, strict=True):
            columns[:, place] = value if is_indicator else columns[:, place] + value
        rows, times = np.unique(np.hstack(moved), axis=0, return_counts=True)
        both.append((rows[:, : x.shape[1]], rows[:, x.shape[1] :], times / len(x)))
    return both


def _overall_mean(x, z, weights, beta, gamma):
    """Average (1 - pi) mu / s over cells, (g,), with its slopes by beta and gamma, (p + q, g)."""
    pi = 1 / (1 + np.exp(-np.clip(z @ gamma, -300, 300)))
    of_cells = weights[:, None] * (1 - pi) * np.exp(x @ beta)
    return of_cells.sum(axis=0), np.concatenate([x.T @ of_cells, -z.T @ (pi * of_cells)])
