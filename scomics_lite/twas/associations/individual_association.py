"""PrediXcan: association of predicted expression with a trait, person by person.

Gamazon et al. (2015): y = a + T_g β_g + C γ + e for each gene g, where T is what `predict_expression` gives.
"""

import numpy as np
import pandas as pd
from scipy import stats

from scomics_lite.blocks import map_blocks
from scomics_lite.twas.associations.column_regressions import basis_of, linear, logistic
from scomics_lite.twas.genotypes.people import columns_of, complete_people
from scomics_lite.validation import InputError, did_you_mean

FAMILIES = ("linear", "logistic")
ADJUST = ("both", "phenotype")


def predixcan(expression, phenotype, covariates=None, family="linear", *, adjust="both"):
    """Test the predicted expression of every gene for association with a trait.

    Linear: z is the t statistic β/se, p from the t distribution with n − 2 − k degrees of freedom. Logistic: z is
    Wald's, p from the normal distribution. People with a missing phenotype or covariate are left out, those with a
    missing expression for that gene alone. People are matched by name wherever both tables have names.

    MetaXcan's PrediXcanAssociation takes covariates out of the phenotype alone, tests what is left against expression
    as it is, and counts n − 2 degrees of freedom. Where covariates (ancestry, say) are correlated with expression, with
    squared correlation R², its β is too small by 1 − R² and its z by about √(1 − R²): associations are missed.
    ``adjust="phenotype"`` gives its numbers; the default is the whole regression. With covariates MetaXcan fits a
    yes-or-no trait by the linear regression too; here it stays logistic. It pairs the rows of two files by their place.

    Parameters
    ----------
    expression : DataFrame or AnnData, shape (n, g)
        People × genes, as `predict_expression` gives it.
    phenotype : Series or array_like, shape (n,)
        NaN or -999 where missing. For ``family="logistic"`` 0 for controls and 1 for cases.
    covariates : DataFrame or array_like, shape (n, k), optional
    family : {"linear", "logistic"}
    adjust : {"both", "phenotype"}
        What covariates are taken out of.

    Returns
    -------
    DataFrame
        A row for each gene, by p-value: ``gene, effect, se, zscore, pvalue, n_samples, status``. Status is "ok", or
        why a gene has no numbers: "constant" (beside the covariates), "separated", "not converged", "too few people",
        "no prediction" (missing for all).

    Raises
    ------
    InputError
        If tables do not fit together, or the phenotype does not fit the family.

    Examples
    --------
    >>> people = [f"p{i}" for i in range(6)]
    >>> expression = pd.DataFrame({"g1": [0.0, 1, 2, 3, 4, 5], "g2": 1.0}, index=people)
    >>> predixcan(expression, pd.Series([1.0, 2, 2, 4, 5, 7], index=people)).round(4)
      gene  effect      se  zscore  pvalue  n_samples    status
    0   g1  1.1714  0.1457  8.0408  0.0013          6        ok
    1   g2     NaN     NaN     NaN     NaN          6  constant
    """
    _check_choices(family, adjust)
    matrix, people, genes = columns_of(expression, "expression")
    rows, y, z = complete_people(people, phenotype, covariates)
    basis, matrix = basis_of(z, len(y)), matrix if len(rows) == len(people) else matrix[rows]
    if family == "logistic":
        y = _cases(y, adjust)
    elif adjust == "phenotype":
        y, basis = y - basis @ (basis.T @ y), basis_of(None, len(y))
    fit = _logistic if family == "logistic" else _linear
    blocks = list(map_blocks(lambda block: fit(block, y, basis), matrix, np.arange(len(genes)), p=basis.shape[1]))
    effect, se, pvalue, n, status = (np.concatenate(parts) for parts in zip(*(part for _, part in blocks), strict=True))
    table = {"gene": genes, "effect": effect, "se": se, "zscore": effect / se, "pvalue": pvalue}
    table = pd.DataFrame(table | {"n_samples": n, "status": status})
    order = np.lexsort([-np.abs(table["zscore"]), table["pvalue"]])  # a p-value may be too small to be told from 0
    return table.iloc[order].reset_index(drop=True)


def _check_choices(family, adjust):
    for name, value, known in (("family", family, FAMILIES), ("adjust", adjust, ADJUST)):
        if value not in known:
            raise InputError(f"{name}={value!r}: {did_you_mean(value, known)}")


def _cases(y, adjust):
    """Check that a phenotype is 0 and 1, both of them."""
    if adjust == "phenotype":
        raise InputError("adjust='phenotype' makes residuals, but a logistic regression needs 0 and 1: adjust='both'")
    values = np.unique(y)
    if set(values) == {0, 1}:
        return y
    some = ", ".join(f"{value:g}" for value in values[:5]) + (" …" if len(values) > 5 else "")
    way_out = "family='linear' is for measured traits"
    if set(values) <= {0, 1}:
        way_out = "both groups are needed"
    elif set(values) <= {1, 2, -9, 0}:
        way_out = "PLINK writes 1, 2 and -9 or 0 for missing: phenotype.where(phenotype.isin([1, 2])) - 1"
    raise InputError(f"family='logistic' takes 0 for controls and 1 for cases; the phenotype has {some}. {way_out}")


def _linear(block, y, basis):
    beta, se, df, n = linear(block, y, basis)
    status = np.where(np.isnan(beta), "constant", "ok")
    with np.errstate(divide="ignore", invalid="ignore"):
        return beta, se, 2 * stats.t.sf(np.abs(beta / se), np.maximum(df, 1)), n, _few(status, n, basis)


def _logistic(block, y, basis):
    beta, se, n, status = logistic(block, y, basis)
    return beta, se, 2 * stats.norm.sf(np.abs(beta / se)), n, _few(status, n, basis)


def _few(status, n, basis):
    """Say of which genes too little is known for any test: a prediction is missing where none of its SNPs was found."""
    return np.select([n == 0, n < basis.shape[1] + 2], ["no prediction", "too few people"], status)
