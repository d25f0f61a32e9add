"""Regressions, tests and outliers against DESeq2, on small counts that the repository holds itself.

tests/reference/glm.R says how the tables were made: six experiments with outliers put in, groups without counts, and
genes without any. DESeq2's size factors and dispersions are given. Tolerance: 1e-8; measured are 1e-11 and less.
"""

import hashlib
from functools import cache

import numpy as np
import pandas as pd
import pytest
from fixtures.experiments import CASES, FOLDER, PROVENANCE, experiment, results

from scomics_lite import glm, negative_binomial
from scomics_lite.glm import regression
from scomics_lite.glm.irls import Model, newton
from scomics_lite.normalization import size_factors


def test_the_tables_are_the_ones_that_were_made():
    for name, sha256 in PROVENANCE["sha256"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == sha256


@cache
def fitted(case):
    counts, design, _, factors = experiment(case)
    return glm.fit(counts, design, factors, results(case)["kept_dispersion"])


def last(fit):
    return np.eye(fit.design.shape[1])[-1]


def reweighted(case):
    """Genes whose iterations converged in both; the others' optimisers stop at different distances from the maximum."""
    return fitted(case).status != "refitted"


def assert_columns(ours, theirs, prefix, keep, names=("base_mean", "lfc", "se", "stat", "pvalue")):
    columns = dict(zip(("base_mean", "lfc", "se", "stat", "pvalue"), ours.columns[:5], strict=True))
    for name in names:
        expected = theirs[prefix + name].to_numpy()[keep]
        np.testing.assert_allclose(ours[columns[name]].to_numpy()[keep], expected, rtol=1e-8, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_the_counts_are_the_ones_that_went_in(case):
    counts, _, _, factors = experiment(case)
    np.testing.assert_allclose(size_factors(counts), factors, rtol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_wald(case):
    fit, theirs = fitted(case), results(case)
    keep = reweighted(case)
    assert_columns(glm.wald_test(fit, last(fit)), theirs, "kept_", keep)
    assert keep.sum() >= 145
    assert (theirs["kept_iterations"][~keep] == 100).all()  # DESeq2's mark of the same genes
    assert (fit.iterations == theirs["kept_iterations"])[keep & fit.converged].all()


@pytest.mark.parametrize("case", CASES)
def test_refitted_genes_have_the_higher_penalised_likelihood(case):
    """The last coefficient at DESeq2's value, the others at their best: never higher than ours."""
    fit, theirs = fitted(case), results(case)
    for gene in np.flatnonzero(~reweighted(case)):
        beta = theirs["kept_lfc"].iloc[gene] * np.log(2)
        x, column = fit.design.to_numpy()[:, :-1], fit.design.to_numpy()[:, -1]
        model = Model.of(pd.DataFrame(x), fit.size_factors * np.exp(column * beta), fit.ridge, 0)
        y, phi = fit.counts.matrix[:, [gene]].astype(float), fit.dispersions[[gene]]
        others, found = newton(model, y, phi, 100)
        assert found.all()
        height = penalised(y, model.mean(others), phi, [*others[:, 0], beta])
        ours = penalised(y, fit.mean[:, [gene]], phi, fit.coefficients[gene])
        assert ours >= height - 1e-9


def penalised(y, mu, phi, beta):
    return negative_binomial.log_likelihood(y, mu, phi).sum() - regression.RIDGE * np.square(beta).sum() / 2


@pytest.mark.parametrize("case", CASES)
def test_cooks_distances_and_flags(case):
    fit, theirs = fitted(case), results(case)
    keep = reweighted(case)
    largest = glm.cooks_distance(fit).max(axis=0)
    np.testing.assert_allclose(largest[keep], theirs["max_cooks"].to_numpy()[keep], rtol=1e-8)
    flagged = theirs["kept_pvalue"].notna() & theirs["kept_pvalue_flagged"].isna()
    assert (glm.flag_outliers(fit) == flagged).all()
    assert flagged.sum() > 20 or case == "covariate"  # no sample there has a replicate


@pytest.mark.parametrize("case", CASES[:-1])
def test_independent_filtering_after_flags(case):
    fit, theirs = fitted(case), results(case)
    ours = glm.wald_test(fit, last(fit))
    pvalues = ours["pvalue"].mask(glm.flag_outliers(fit))
    filtered = glm.independent_filtering(pvalues, ours["baseMean"])
    keep = reweighted(case)
    np.testing.assert_allclose(filtered.padj[keep], theirs["kept_padj"].to_numpy()[keep], rtol=1e-8)


@pytest.mark.parametrize("case", ["many_replicates", "uneven"])
def test_wald_after_replacement(case):
    """In "uneven", one of three groups has seven replicates."""
    fit, theirs = fitted(case), results(case)
    counts = glm.replace_outliers(fit)
    assert (counts.matrix != fit.counts.matrix).sum() > 10
    again = glm.fit(counts, fit.design, fit.size_factors, theirs["replaced_dispersion"])
    assert again.status[-1] == "all zero"  # DESeq2 gives it 0 with p = 1
    assert_columns(glm.wald_test(again, last(again)), theirs, "replaced_", np.arange(149))


@pytest.mark.parametrize("case", CASES)
def test_likelihood_ratios(case):
    """DESeq2's, where no mean is held up at 0.5; the others are nearer to the exact ones than DESeq2's.

    Where only an intercept is left, DESeq2 takes the mean of the normalized counts for the fit.
    """
    fit, theirs = fitted(case), results(case)["ratio_stat"].to_numpy()
    reduced = glm.fit(fit.counts, experiment(case)[2], fit.size_factors, fit.dispersions)
    ours = glm.likelihood_ratio_test(fit, reduced)["stat"].to_numpy()
    plain = {"ridge": 0, "min_mean": 0, "tolerance": 0, "max_iterations": 300}
    exact = [glm.fit(fit.counts, x.design, x.size_factors, x.dispersions, **plain) for x in (fit, reduced)]
    exact = 2 * (exact[0].log_likelihood - exact[1].log_likelihood)
    np.testing.assert_allclose(ours, exact, rtol=0, atol=5e-6)
    if reduced.design.shape[1] == 1:
        mean = np.outer(fit.size_factors, fit.base_mean)
        at_mean = negative_binomial.log_likelihood(fit.counts.matrix, mean, fit.dispersions).sum(axis=0)
        ours = 2 * (fit.log_likelihood - at_mean)
    held_up = (fit.mean < fit.min_mean).any(axis=0) | (reduced.mean < fit.min_mean).any(axis=0)
    keep = reweighted(case) & (reduced.status == "converged") & ~held_up
    assert 100 < keep.sum() < 148
    np.testing.assert_allclose(ours[keep], theirs[keep], rtol=1e-8, atol=1e-8)
    assert (np.abs(exact - theirs) > 0.1)[held_up].any()
