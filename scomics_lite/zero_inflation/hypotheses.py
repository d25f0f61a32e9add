"""Tests of fitted regressions by their likelihoods: nested models, and whether there are structural zeros at all.

Reached as `scomics_lite.zero_inflation.likelihood_ratio_test` and `inflation_test`.
"""

import numpy as np
import pandas as pd
from scipy import stats
from tqdm import tqdm

from scomics_lite import negative_binomial
from scomics_lite.blocks import gene_blocks
from scomics_lite.design import column_rank
from scomics_lite.multiple_testing import adjust
from scomics_lite.progress import no_bar
from scomics_lite.validation import InputError
from scomics_lite.zero_inflation.likelihood import Likelihood
from scomics_lite.zero_inflation.maxima import inflation_statistic
from scomics_lite.zero_inflation.regression import BLOCK, PARTS, fit
from scomics_lite.zero_inflation.search import climb

ENOUGH = 10  # replicates beyond the statistic: more would say nothing new of a p-value that is not small
ROUND = 20  # replicates of a gene drawn together
DESIGNS = dict(zip(PARTS, ("design", "zero_design", "dispersion_design"), strict=True))
LOST = 1e-7  # in log likelihood: the full model never does worse than the reduced one, if its maximum was found


def likelihood_ratio_test(full, reduced):
    """Test whether the columns that only the full model has are needed, by twice the difference of log likelihoods.

    stat = 2 (l_full - l_reduced) is compared with the chi-squared distribution, with as many degrees of freedom as the
    designs of the full model have dimensions more, all three together (Wilks 1938). Where the search of the full fit
    ended lower than the reduced one, it is begun again from there.

    Parameters
    ----------
    full, reduced : ZinbFit
        Of the same counts, size factors and model, from `scomics_lite.zero_inflation.fit`.

    Returns
    -------
    DataFrame
        Indexed by gene: ``stat``, ``df``, ``pvalue``, ``padj`` (Benjamini and Hochberg 1995) and ``status`` of the full
        fit. NaN where one of the fits did not converge.

    Examples
    --------
    >>> from scomics_lite import zero_inflation
    >>> group = np.repeat([0, 1], 300)
    >>> pi = np.where(group, 0.6, 0.2)[:, None] * [1, 0] + [0, 0.3]  # of gene 0 it differs
    >>> counts = zero_inflation.sample(20.0, 0.3, pi, rng=1)
    >>> both = pd.DataFrame({"Intercept": 1.0, "group": group})
    >>> full, reduced = (fit(counts, both, zero_design=z, progress=False) for z in (both, both[["Intercept"]]))
    >>> likelihood_ratio_test(full, reduced)[["stat", "df", "pvalue"]].round(3)
         stat  df  pvalue
    0  67.653   1   0.000
    1   2.039   1   0.153
    """
    df = _extra_dimensions(full, reduced)
    stat = 2 * (_not_below(full, reduced) - reduced.log_likelihood)
    stat = np.where(_found(full) & _found(reduced), np.maximum(stat, 0.0), np.nan)
    pvalue = stats.chi2.sf(stat, df)
    table = {"stat": stat, "df": df, "pvalue": pvalue, "padj": adjust(pvalue), "status": full.status}
    return pd.DataFrame(table, index=full.genes)


def inflation_test(fit, *, replicates=None, rng=None, progress=True):
    """Test whether there are structural zeros at all: pi = 0 in all cells against the pi of a fit.

    stat = 2 (l_zinb - l_nb). The null hypothesis lies on the boundary of what pi can be, so Wilks' theorem does not
    hold. For one pi, the same in all cells, half of the genes without inflation have stat 0, and the other half follow
    chi-squared with one degree of freedom (Self and Liang 1987): p = P(chi2_1 > stat) / 2, and 1 for stat 0. That takes
    many cells too: with 40 and a dispersion of 6, twice as many genes lie below 0.05 as promised, and where the mean is
    below 1 or the dispersion is 0 far fewer; `replicates` help there.

    With covariates in the zero part there is no such rule, because their coefficients do not exist under the null
    hypothesis. Then counts are drawn from the negative binomial fit of the gene and fitted the same way, again and
    again (a parametric bootstrap): p = (1 + replicates with a larger stat) / (1 + replicates). A gene has enough of
    them when 10 are larger, as in Besag and Clifford (1991), so that those without inflation cost few.

    Parameters
    ----------
    fit : ZinbFit
        With ``model="zinb"``.
    replicates : int, optional
        Most replicates of a gene, for the bootstrap; p-values are multiples of 1 / (1 + replicates). When not given,
        199 where the zero part has covariates, and no bootstrap otherwise.
    rng : numpy.random.Generator or int, optional
        Source of randomness; needed for the bootstrap.
    progress : bool
        Whether to show how many replicates are done.

    Returns
    -------
    DataFrame
        Indexed by gene: ``zero_probability``, the mean of pi over cells, ``stat``, ``pvalue``, ``padj`` and ``status``
        of the fit.

    Raises
    ------
    InputError
        For another model, and where a bootstrap is needed and `rng` is missing.

    Examples
    --------
    >>> from scomics_lite import zero_inflation
    >>> counts = zero_inflation.sample(20.0, 0.3, [0.0, 0.1], rng=1, size=(300, 2))
    >>> fitted = zero_inflation.fit(counts, np.ones((300, 1)), progress=False)
    >>> inflation_test(fitted)[["zero_probability", "stat", "pvalue", "status"]].round(3)
       zero_probability     stat  pvalue        status
    0             0.000    0.000     1.0  no inflation
    1             0.105  103.193     0.0     converged
    """
    if fit.model != "zinb":
        raise InputError(f"only a zinb has structural zeros to be tested; the fit is of model={fit.model!r}")
    simple = _negative_binomial_fit(fit)
    stat = np.where(_found(fit) & _found(simple), 2 * (fit.log_likelihood - simple.log_likelihood), np.nan)
    stat = np.maximum(stat, 0.0)
    stat[["no inflation" in status for status in fit.status]] = 0.0
    if _is_constant(fit.zero_design) and replicates is None:
        pvalue = np.where(stat > 0, stats.chi2.sf(stat, 1) / 2, np.where(np.isnan(stat), np.nan, 1.0))
    else:
        pvalue = _bootstrap(fit, simple, stat, 199 if replicates is None else replicates, rng, progress)
    shares = [likelihood.fitted(theta)["pi"].mean(axis=0) for _, likelihood, theta in fit.blocks()]
    table = {"zero_probability": np.concatenate(shares), "stat": stat, "pvalue": pvalue, "padj": adjust(pvalue)}
    return pd.DataFrame(table | {"status": fit.status}, index=fit.genes)


# --- nested fits ------------------------------------------------------------------------------------------------------


def _found(fit):
    """Which genes have a highest log likelihood, (g,)."""
    return np.isfinite(fit.log_likelihood) & (fit.status != "not converged")


def _not_below(full, reduced):
    """Give the full model's highest log likelihoods, searched anew from the reduced fit where that is higher."""
    heights = full.log_likelihood.copy()
    lower = np.flatnonzero(heights < reduced.log_likelihood - LOST)
    if not lower.size:
        return heights
    start = np.concatenate([_embed(full, reduced, part, lower) for part in PARTS])
    for genes, counts in gene_blocks(full.counts.matrix, lower, block=BLOCK):
        likelihood = Likelihood.of(full.model, full.parts, counts)
        _, found, _, _ = climb(likelihood, start[:, np.isin(lower, genes)], em_steps=0)
        heights[genes] = np.maximum(heights[genes], found)
    return heights


def _embed(full, reduced, part, genes):
    """Express the coefficients of a part of the reduced fit in columns of the full design, (columns, genes)."""
    theta = dict(zip(PARTS, reduced.parts.split(reduced.finite(genes)), strict=True))[part]
    wide, narrow = (getattr(fit, DESIGNS[part]).to_numpy(float) for fit in (full, reduced))
    return np.linalg.lstsq(wide, narrow @ theta, rcond=None)[0]


def _extra_dimensions(full, reduced):
    """Dimensions that the full model has more, once it is sure that the fits can be compared."""
    if full.model != reduced.model:
        models = f"{full.model!r} and {reduced.model!r}"
        hint = ". For pi = 0 there is inflation_test(fit)" if {full.model, reduced.model} == {"zinb", "nb"} else ""
        raise InputError(f"a likelihood ratio compares fits of one model; these are of {models}{hint}")
    if not np.array_equal(full.size_factors, reduced.size_factors):
        raise InputError("the two fits have different size factors; fit both designs with the same")
    y, other = full.counts.matrix, reduced.counts.matrix
    if y is not other and (y.shape != other.shape or (y != other).sum()):
        raise InputError("the two fits have different counts; fit both designs to the same")
    more = 0
    for name in DESIGNS.values():
        wide, narrow = (getattr(fit, name) for fit in (full, reduced))
        if column_rank(np.hstack([wide, narrow])) > wide.shape[1]:
            columns = [", ".join(map(str, table.columns)) for table in (narrow, wide)]
            raise InputError(f"the reduced {name} ({columns[0]}) is not part of the full one ({columns[1]})")
        more += wide.shape[1] - narrow.shape[1]
    if more == 0 and full.design.shape[1] == 1:
        raise InputError(
            "without its only column the design is empty, and there is nothing to compare with: add what is to be "
            "compared to one of the designs of the full fit"
        )
    if more == 0:
        raise InputError("both fits describe the same models: the reduced one must lack what is to be tested")
    return more


# --- no structural zeros ----------------------------------------------------------------------------------------------


def _negative_binomial_fit(zinb):
    """Fit the same counts without a zero part."""
    settings = {"dispersion_design": zinb.dispersion_design, "size_factors": zinb.size_factors, "progress": False}
    return fit(zinb.counts, zinb.design, model="nb", **settings)


def _is_constant(design):
    values = design.to_numpy(float)
    return values.shape[1] == 1 and bool((values == values[0]).all())


def _bootstrap(zinb, simple, stat, replicates, rng, progress):
    """Give p-values (g,) by counts drawn from the negative binomial fits."""
    if rng is None:
        raise InputError("the zero part has covariates, so the test of pi = 0 draws counts: give rng=1, or any number")
    generator = np.random.default_rng(rng)
    larger, drawn = np.zeros(len(stat), dtype=int), np.zeros(len(stat), dtype=int)
    with tqdm(total=replicates, desc="replicates", disable=no_bar(progress), leave=False) as bar:
        while True:
            open_ = np.flatnonzero((larger < ENOUGH) & (drawn < replicates) & (stat > 0))
            if not open_.size:
                break
            number = min(ROUND, replicates - int(drawn[open_].min()))
            larger[open_] += _larger(zinb, simple, stat, open_, number, generator)
            drawn[open_] += number
            bar.update(number)
    pvalue = np.where(stat > 0, (larger + 1) / (drawn + 1), 1.0)
    return np.where(np.isnan(stat), np.nan, pvalue)


def _larger(zinb, simple, stat, genes, number, generator):
    """Count the replicates with a statistic as large as the gene's own, for some of the genes."""
    counted, size = [], max(1, BLOCK // (len(zinb.counts.samples) * number))
    for some in (genes[at : at + size] for at in range(0, len(genes), size)):
        eta, _, tau = simple.parts.predictors(np.repeat(simple.theta[some].T, number, axis=1))
        phi = np.exp(simple.parts.by_cell(tau, simple.parts.groups))
        y = negative_binomial.sample(np.exp(eta), phi, generator, eta.shape)
        drawn = np.zeros(y.shape[1])  # without a count there is nothing to win
        some_counts = y.any(axis=0)
        drawn[some_counts] = inflation_statistic(zinb.parts, y[:, some_counts])
        counted.append((drawn.reshape(len(some), number) >= stat[some, None]).sum(axis=1))
    return np.concatenate(counted)
