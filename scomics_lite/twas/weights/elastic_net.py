"""The elastic net of expression on dosages: weights along a path of penalties, and a test that they are the minimum.

    minimise 1/(2n) Σ_i (y_i − b0 − x_i b)² + λ ( α Σ_j |b_j| + (1 − α)/2 Σ_j b_j² )

with SNPs and expression in standard deviations (1/n), where α is called `mixing`. This is glmnet's parametrisation, and
the numbers are glmnet's (Friedman, Hastie and Tibshirani 2010).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scomics_lite.twas.genotypes.dosages import read_dosages
from scomics_lite.twas.genotypes.people import one_column, same_people
from scomics_lite.twas.weights.gram_matrices import Columns, Part, look
from scomics_lite.twas.weights.penalty_paths import Walk, advance, explains_no_more
from scomics_lite.validation import InputError, is_anndata, is_number, quoted, warn


@dataclass(frozen=True, eq=False)
class ElasticNetPath:
    """Weights at every penalty of a path, from large to small."""

    lambdas: np.ndarray  # (l,)
    coefficients: pd.DataFrame  # (l, p), lambdas × SNPs, of dosages as they came
    intercepts: np.ndarray  # (l,)
    deviance_ratio: np.ndarray  # (l,), share of the variance explained in the people of the fit
    df: np.ndarray  # (l,), weights that are not 0


def elastic_net_path(
    dosages, expression, *, mixing=0.5, lambdas=None, n_lambdas=100, lambda_ratio=None, standardize=True
):
    """Find the weights of SNPs at every penalty of a path.

    With SNPs z_j = (x_j − mean) / s_j and expression divided by s_y (standard deviations with 1/n), the weights are
    where 1/(2n) |y − Zw|² + (λ/s_y) (α |w|₁ + (1 − α)/2 |w|²) is lowest, turned back to dosages: b_j = w_j s_y / s_j.
    These are glmnet's numbers at the same λ. Because the expression is standardised as well, its units do not matter:
    ten times the expression has ten times the λ and ten times the weights.

    In other notations, for expression with standard deviation 1 and standardised SNPs: |y − Xω|² + λ1 |ω|₁ + λ2 |ω|²
    has λ1 = 2nλα and λ2 = nλ(1 − α); scikit-learn's ``ElasticNet`` has ``alpha`` = λ and ``l1_ratio`` = α. For other
    expression put λ(1 − α)/s_y where λ(1 − α) stands.

    The default path is glmnet's: from the smallest λ at which all weights are 0, max_j |z_jᵀy| / (nα), down to
    `lambda_ratio` of it, in equal steps of log λ. It ends early, as glmnet's does, from the fifth λ on, where the share
    of variance explained exceeds 0.999 or has grown by less than 1e-5 of itself; `lambdas` that are given are all used.

    Parameters
    ----------
    dosages : AnnData or DataFrame, shape (people, SNPs)
        Copies of the effect allele, 0 to 2. Missing ones, NaN, become the SNP's mean, with a notice.
    expression : Series, DataFrame or AnnData of one gene, or array_like, shape (people,)
        People are matched by name where both have names, and row by row otherwise. No missing values.
    mixing : float
        α, the share of the penalty on Σ|b|: 1 is the lasso, 0 ridge regression, 0.5 PredictDB's. With 1 and SNPs in
        perfect LD many weights are equally good, and one choice of them is given; below 1 such SNPs share one weight.
    lambdas : array_like, optional
        Penalties, positive. They are used from large to small.
    n_lambdas : int
        Length of the default path.
    lambda_ratio : float, optional
        The smallest λ over the largest: 0.01 with fewer people than SNPs, otherwise 0.0001, as glmnet.
    standardize : bool
        Without, SNPs are penalised as they are, s_j = 1: then rare SNPs need larger effects to get a weight.

    Returns
    -------
    ElasticNetPath
        `lambdas`, `coefficients` (DataFrame, lambdas × SNPs), `intercepts`, `deviance_ratio`, `df`. SNPs that do not
        vary have weight 0. The conditions of a minimum hold to 1e-7 of λ; `kkt_violation` tests that.

    Raises
    ------
    InputError
        If dosages or expression cannot be used, or a setting is none.

    Examples
    --------
    >>> dosages = pd.DataFrame({"rs1": [0, 1, 2, 1, 0, 2], "rs2": [1, 1, 0, 2, 0, 1]}, index=list("abcdef"))
    >>> path = elastic_net_path(dosages, [0.1, 1.2, 1.9, 0.8, -0.1, 2.2], n_lambdas=4)
    >>> path.coefficients.round(3).to_numpy().tolist()
    [[0.0, 0.0], [0.935, 0.0], [1.021, 0.003], [1.025, 0.006]]
    >>> path.lambdas.round(4).tolist(), path.deviance_ratio.round(3).tolist()
    ([1.6738, 0.0777, 0.0036, 0.0002], [0.0, 0.959, 0.966, 0.966])
    """
    data = read_data(dosages, expression)
    check_settings(mixing, n_lambdas, lambda_ratio)
    whole = Part(Columns(data.dosages), data.expression, np.ones(len(data.people), dtype=bool), standardize)
    penalties = lambda_path(whole, mixing, lambdas, n_lambdas, lambda_ratio)
    walk, weights, explained = Walk(whole, mixing), [], []
    for penalty in penalties:
        advance([walk], penalty)
        weights.append(walk.weights)
        explained.append(walk.explained)
        if lambdas is None and explains_no_more(explained):
            break
    return as_path(whole, penalties, np.stack(weights), np.array(explained), data.snps)


def as_path(part, penalties, weights, explained, snps):
    """Turn the weights of a walk into an `ElasticNetPath`.

    Parameters
    ----------
    part : Part
    penalties, weights, explained : ndarray, shape (l,), (l, p), (l,)
        Of a `Walk`; penalties that it did not come to are left out.
    snps : pandas.Index, shape (p,)

    Returns
    -------
    ElasticNetPath

    Examples
    --------
    >>> part = Part(Columns(np.array([[0], [2]])), np.array([0.0, 1.0]), np.ones(2, dtype=bool))
    >>> as_path(part, np.array([0.5]), np.array([[1.0]]), np.array([1.0]), ["rs1"]).coefficients["rs1"].tolist()
    [0.5]
    """
    slopes, intercepts = part.coefficients(weights)
    penalties = penalties[: len(weights)]
    table = pd.DataFrame(slopes, index=pd.Index(penalties, name="lambda"), columns=snps)
    return ElasticNetPath(penalties, table, intercepts, explained, np.count_nonzero(weights, axis=1))


def lambda_path(part, mixing, lambdas=None, n_lambdas=100, lambda_ratio=None):
    """Give the penalties that were asked for, or glmnet's path.

    Parameters
    ----------
    part : Part
    mixing, lambdas, n_lambdas, lambda_ratio
        As in `elastic_net_path`.

    Returns
    -------
    ndarray, shape (l,)
        From large to small.

    Examples
    --------
    >>> part = Part(Columns(np.array([[0], [2]])), np.array([0.0, 1.0]), np.ones(2, dtype=bool))
    >>> lambda_path(part, 0.5, n_lambdas=2, lambda_ratio=0.1)
    array([1. , 0.1])
    """
    if lambdas is not None:
        return _checked_lambdas(lambdas)
    if lambda_ratio is None:
        lambda_ratio = 1e-2 if part.n < len(part.scale) else 1e-4
    largest = part.largest_lambda(mixing)
    # No SNP that varies, or none with any covariance: every penalty gives weights of 0.
    return (largest or part.sd) * lambda_ratio ** (np.arange(n_lambdas) / max(n_lambdas - 1, 1))


def _checked_lambdas(lambdas):
    try:
        given = np.unique(np.asarray(lambdas, dtype=float))[::-1]
    except (TypeError, ValueError):
        given = np.array([])
    if not (given.size and np.isfinite(given).all() and given[-1] > 0):
        raise InputError(
            f"lambdas are penalties, finite and above 0; got {lambdas!r}. Least squares without a penalty has no "
            "single answer with more SNPs than people; 1e-6 of the largest lambda comes close to it"
        )
    return given


def check_settings(mixing, n_lambdas=100, lambda_ratio=None):
    """Refuse settings that mean nothing.

    Parameters
    ----------
    mixing, n_lambdas, lambda_ratio
        As in `elastic_net_path`.

    Raises
    ------
    InputError

    Examples
    --------
    >>> check_settings(1.5)
    Traceback (most recent call last):
    scomics_lite.validation.InputError: mixing is the share of the penalty on absolute weights, 0 (ridge) to 1 \
(lasso); got 1.5
    """
    if not (is_number(mixing) and 0 <= mixing <= 1):
        raise InputError(
            f"mixing is the share of the penalty on absolute weights, 0 (ridge) to 1 (lasso); got {mixing!r}"
        )
    if not (is_number(n_lambdas) and n_lambdas == int(n_lambdas) >= 1):
        raise InputError(f"n_lambdas is the number of penalties on the path, 1 or more; got {n_lambdas!r}")
    if lambda_ratio is not None and not (is_number(lambda_ratio) and 0 < lambda_ratio < 1):
        raise InputError(
            f"lambda_ratio is the smallest penalty over the largest, between 0 and 1; got {lambda_ratio!r}"
        )


@dataclass(frozen=True, eq=False)
class Data:
    """Dosages and expression of the same people, row by row."""

    dosages: np.ndarray  # (n, p)
    expression: np.ndarray  # (n,)
    people: pd.Index
    snps: pd.Index
    alleles: pd.DataFrame | None


def read_data(dosages, expression):
    """Bring dosages and the expression of one gene together, and refuse what cannot be fitted.

    Parameters
    ----------
    dosages, expression
        As in `elastic_net_path`.

    Returns
    -------
    Data

    Raises
    ------
    InputError
        As `elastic_net_path`.

    Examples
    --------
    >>> dosages = pd.DataFrame({"rs1": [0, 1]}, index=["ann", "bo"])
    >>> read_data(dosages, pd.Series([2.0, 1.0], index=["bo", "ann"])).expression
    array([1., 2.])
    """
    values, people, snps, alleles = read_dosages(dosages)
    gene, expression = _one_gene(expression)
    y, others = one_column(expression, "expression")
    rows, places = same_people(people, others, "dosages", "expression")
    y, people = y[places], people[rows]
    lost = np.flatnonzero(np.isnan(y))
    if lost.size:
        raise InputError(
            f"expression{gene} is missing for {lost.size:,} of {len(y):,} people, the first is "
            f"{quoted(people[lost[0]])}; leave them out: expression.dropna() (the others are matched by name)"
        )
    if np.ptp(y) == 0:
        raise InputError(
            f"expression{gene} is {y[0]:g} in all {len(y):,} people: there is nothing to explain. Leave out genes that "
            "do not vary, for example those without counts"
        )
    values = values if len(rows) == len(values) else values[rows]
    missing = np.isnan(values).sum() if values.dtype.kind == "f" else 0
    if missing:
        warn(
            f"{missing:,} of {values.size:,} dosages are missing and take their SNP's mean; "
            "scomics_lite.twas.filter_snps(dosages, missing=…) finds SNPs with many"
        )
    return Data(values, y, people, snps, alleles)


def _one_gene(expression):
    """Name the gene, for messages, and give its column."""
    if is_anndata(expression):
        expression = expression.to_df()
    if isinstance(expression, pd.DataFrame) and expression.shape[1] == 1:
        expression = expression.iloc[:, 0]
    named = isinstance(expression, pd.Series) and expression.name is not None
    return f" of gene {quoted(expression.name)}" if named else "", expression


def kkt_violation(dosages, expression, coefficients, intercept, lambda_, mixing=0.5, standardize=True):
    """Test whether weights are the minimum of the elastic net, from nothing but data and weights.

    A convex function is lowest where its slopes are 0, or where they change sign at a kink (Karush, Kuhn and Tucker).
    With residuals r = y − b0 − Xb, in standard deviations, and the covariance g_j = z_jᵀr / n of each SNP with what is
    left: g_j = λ(α sign(w_j) + (1 − α) w_j) where the weight is not 0, |g_j| ≤ λα where it is 0, and mean(r) = 0. No
    reference implementation is needed to check these.

    Parameters
    ----------
    dosages, expression
        As in `elastic_net_path`.
    coefficients : Series or array_like, shape (SNPs,)
        Weights of dosages as they are: a row of a path's `coefficients`. A Series is matched by the names of SNPs.
    intercept : float
    lambda_ : float
    mixing : float
    standardize : bool
        As in `elastic_net_path`.

    Returns
    -------
    float
        The largest violation of any of these conditions, as a share of λ: 0 at the minimum.

    Raises
    ------
    InputError
        If there is no weight for a SNP, and as `elastic_net_path`.

    Examples
    --------
    >>> dosages = pd.DataFrame({"rs1": [0, 1, 2, 1, 0, 2], "rs2": [1, 1, 0, 2, 0, 1]}, index=list("abcdef"))
    >>> y = [0.1, 1.2, 1.9, 0.8, -0.1, 2.2]
    >>> path = elastic_net_path(dosages, y, lambdas=[0.1])
    >>> kkt_violation(dosages, y, path.coefficients.iloc[0], path.intercepts[0], 0.1) < 1e-7
    True
    >>> round(kkt_violation(dosages, y, [0.9, 0.0], 0.05, 0.1), 2)  # rs2 should have a weight
    0.67
    """
    data = read_data(dosages, expression)
    check_settings(mixing)
    b = _weights_of(coefficients, data.snps)
    columns = Columns(data.dosages)
    part = Part(columns, data.expression, np.ones(len(data.people), dtype=bool), standardize)
    penalty = _checked_lambdas([lambda_])[0] / part.sd
    w = b * columns.sd * part.scale / part.sd
    mean_residual = (part.centre - columns.mean @ b - intercept) / part.sd
    gradient = look([part], [w])[0][0]
    slopes = gradient - penalty * (mixing * np.sign(w) + (1 - mixing) * w)
    off = np.where(w == 0, np.abs(gradient) - penalty * mixing, np.abs(slopes))
    off[~part.usable] = np.abs(w[~part.usable])
    return float(max(off.max(), abs(mean_residual), 0.0) / penalty)


def _weights_of(coefficients, snps):
    if isinstance(coefficients, pd.Series):
        lacking = snps.difference(coefficients.index, sort=False)
        if len(lacking):
            raise InputError(
                f"there is no weight for SNP {quoted(lacking[0])} and {len(lacking) - 1:,} others; weights of 0 count "
                "too: coefficients.reindex(dosages.columns, fill_value=0.0)"
            )
        coefficients = coefficients[snps]
    b = np.asarray(coefficients, dtype=float)
    if b.shape != (len(snps),):
        raise InputError(f"{len(snps):,} SNPs need as many weights, one path's row; got shape {b.shape}")
    return b
