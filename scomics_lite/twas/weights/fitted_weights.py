"""Prediction weights of one gene: an elastic net whose penalty is chosen by its error in people left out."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from scomics_lite.twas.genotypes.dosages import read_dosages
from scomics_lite.twas.weights.cross_validation import cross_validate
from scomics_lite.twas.weights.elastic_net import as_path, check_settings, read_data
from scomics_lite.twas.weights.folds import fold_ids
from scomics_lite.twas.weights.gram_matrices import Columns
from scomics_lite.validation import InputError, did_you_mean, quoted


@dataclass(frozen=True, eq=False)
class ElasticNetFit:
    """Prediction weights of one gene, and how the penalty was chosen."""

    weights: pd.Series  # of every SNP, for dosages as they come; most are 0
    intercept: float
    lambda_: float
    mixing: float
    path: pd.DataFrame  # a row a penalty: lambda, error, error_sd, df, deviance_ratio
    r2: float  # of cross-validated predictions at lambda_
    correlation: float
    pvalue: float
    n: int  # people
    constant: list  # SNPs that do not vary
    means: pd.Series = field(repr=False)  # of dosages, for people who lack one

    @property
    def nonzero(self):
        """The weights that are not 0."""
        return self.weights[self.weights != 0]

    def predict(self, dosages):
        """Predict expression: intercept + Σ weight × dosage, a missing dosage taken as the mean of the people fitted.

        Parameters
        ----------
        dosages : AnnData or DataFrame, shape (people, SNPs)
            With the SNPs that have a weight; the same alleles counted as in the fit.

        Returns
        -------
        Series, shape (people,)

        Raises
        ------
        InputError
            If a SNP is not there.
        """
        values, people, snps, _ = read_dosages(dosages)
        weights = self.nonzero
        places = snps.get_indexer(weights.index)
        if (places < 0).any():
            lacking = weights.index[places < 0]
            raise InputError(
                f"{len(lacking):,} of {len(weights):,} SNPs with a weight are not among the dosages, such as "
                f"{quoted(lacking[0])}; {did_you_mean(lacking[0], list(snps[:1000]))}. To do without them, fit on the "
                "SNPs that both have: dosages[:, shared]"
            )
        part = values[:, places].astype(float)
        part = np.where(np.isnan(part), self.means[weights.index].to_numpy(), part)
        return pd.Series(self.intercept + part @ weights.to_numpy(), index=people, name="predicted")


def fit_elastic_net(
    dosages, expression, *, mixing=0.5, folds=10, repeats=1, rng=0, choice="min", lambdas=None, n_lambdas=100,
    lambda_ratio=None, standardize=True,
):  # fmt: skip
    """Learn prediction weights of one gene: an elastic net, its penalty chosen by cross-validation.

    The path of penalties is that of all people (`elastic_net_path`). People are divided into folds; weights are found
    along the same λ without each fold, and the squared errors in the people left out averaged over people. These are
    the numbers of glmnet's ``cv.glmnet(x, y, lambda = λ, foldid = …)``. (Without ``lambda``, glmnet gives each fold a
    path of its own and interpolates between its weights: about the same, and not as exact.)

    Where the path ends: small λ, with hundreds of weights, take most of the time, and the error has long been rising
    there. The fits with and without each fold go down the path together, and stop as soon as the error of five λ in a
    row has been more than one standard error (that of the smallest error) above the smallest. An error is known no
    better than that, so it would have to fall by more than chance to become the smallest again. Of 256 simulated genes
    (without effects, with few or many, more people than SNPs and fewer, mixing 0 to 1) all had the same chosen λ as
    with the whole path, after 26 to 60 penalties of 100 on average; ridge regression, whose error hardly rises, after
    76 to 97 (``benchmarks/path_ends.py``). The path also ends where that of `elastic_net_path` does; `lambdas` that
    are given are all used.

    Parameters
    ----------
    dosages, expression, mixing, lambdas, n_lambdas, lambda_ratio, standardize
        As in `elastic_net_path`.
    folds : int, array_like or "predictdb"
        Number of folds, of equal size, drawn at random. Or the fold of each person, shape (people,) or (repeats,
        people), so that others' folds can be used. Or "predictdb": ten folds drawn with replacement, three times, as
        PredictDB's pipeline does.
    repeats : int
        How often folds are drawn; errors are averaged over repeats before λ is chosen.
    rng : int or Generator
        For drawing folds.
    choice : {"min", "1se"}
        The λ with the smallest error, or the largest λ whose error is within one standard error of it: fewer SNPs.

    Returns
    -------
    ElasticNetFit
        `weights` (Series, all SNPs; `nonzero`), `intercept`, `lambda_`, `path` (lambda, error, error_sd, df,
        deviance_ratio), `r2`, `correlation` and `pvalue` of the cross-validated predictions, `constant` (SNPs that do
        not vary, weight 0), `predict(dosages)`. Where no fold has a weight at the chosen λ, the correlation is 0 and
        its p-value 1.

    Raises
    ------
    InputError
        If dosages or expression cannot be used, there are fewer people than folds, or a setting is none.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> dosages = pd.DataFrame(rng.integers(0, 3, (60, 4)), columns=["rs1", "rs2", "rs3", "rs4"])
    >>> expression = dosages["rs2"] - 0.5 * dosages["rs3"] + rng.normal(0, 0.5, 60)
    >>> fit = fit_elastic_net(dosages, expression)
    >>> fit.weights.round(2).to_dict(), round(fit.r2, 2)
    ({'rs1': 0.09, 'rs2': 1.07, 'rs3': -0.41, 'rs4': 0.02}, 0.78)
    """
    data = read_data(dosages, expression)
    check_settings(mixing, n_lambdas, lambda_ratio)
    _check_choice(choice)
    ids = fold_ids(folds, len(data.people), repeats, np.random.default_rng(rng))
    columns = Columns(data.dosages)
    settings = {"mixing": mixing, "lambdas": lambdas, "n_lambdas": n_lambdas, "lambda_ratio": lambda_ratio}
    found = cross_validate(columns, data.expression, ids, standardize=standardize, **settings)
    k = found.chosen(choice)
    path = as_path(found.whole, found.lambdas, found.weights, found.explained, data.snps)
    r2, correlation, pvalue = found.performance(k)
    table = {"lambda": path.lambdas, "error": found.error, "error_sd": found.error_sd, "df": path.df}
    return ElasticNetFit(
        weights=path.coefficients.iloc[k].rename("weight"),
        intercept=float(path.intercepts[k]),
        lambda_=float(path.lambdas[k]),
        mixing=mixing,
        path=pd.DataFrame(table | {"deviance_ratio": path.deviance_ratio}),
        r2=r2,
        correlation=correlation,
        pvalue=pvalue,
        n=len(data.people),
        constant=data.snps[~columns.varying].tolist(),
        means=pd.Series(columns.mean, index=data.snps),
    )


def _check_choice(choice):
    if choice not in ("min", "1se"):
        raise InputError(f"choice={choice!r}: which λ is chosen; {did_you_mean(choice, ['min', '1se'])}")
