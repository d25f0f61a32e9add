"""The filter and the quasi-likelihood tests against edgeR, on small counts that the repository holds itself.

tests/reference/edger.R says how the tables were made, of the six experiments of glm.R: outliers put in, groups without
counts, and genes without any. edgeR's normalization factors, trended dispersions and abundances are given.

Tolerance: 1e-6 relative where edgeR solves its regressions exactly, which is in layouts of groups. Other regressions,
and the null models of other contrasts, it stops when a step gains less than 1e-6 of the likelihood: of these 85 % of
the genes are within 1e-6 and all within 1e-4, and their fold changes, which feel the stop most, within 4e-3. That it
is edgeR which stops short, and not we, `test_our_regressions_are_at_the_maximum` shows.
"""

import hashlib
import json
from functools import cache

import numpy as np
import pytest
from fixtures.experiments import CASES, FOLDER, experiment, table

from scomics_lite import filtering, glm, normalization, quasi_likelihood
from scomics_lite.dispersion.edger import EdgerDispersions
from scomics_lite.validation import Counts

PROVENANCE = json.loads((FOLDER / "edger_provenance.json").read_text())
every_case = pytest.mark.parametrize("case", CASES)


def results(case):
    return table("edger_results.tsv.gz", case).set_index("gene")


@cache
def kept(case):
    """Counts of the genes that edgeR kept, the design, the effective library sizes, and edgeR's numbers."""
    counts, design, _, _ = experiment(case)
    theirs = results(case)[results(case)["kept"] == 1]
    samples = table("edger_samples.tsv.gz", case)
    sizes = (samples["norm_factor"] * samples["library_size"]).to_numpy()
    return counts[theirs.index], design, sizes, theirs


@cache
def fitted(case, robust=False):
    counts, design, sizes, theirs = kept(case)
    numbers = [theirs[name].to_numpy() for name in ("average_log_cpm", "common", "trended", "tagwise")]
    given = EdgerDispersions(theirs.index, numbers[0], numbers[1][0], *numbers[2:], np.nan)
    return quasi_likelihood.fit(counts, design, sizes, given, robust=robust)


def last(design):
    return np.eye(design.shape[1])[-1]


def halves(design):
    return np.append(np.zeros(design.shape[1] - 2), [-0.5, 1])


def test_the_tables_are_the_ones_that_were_made():
    for name, sha256 in PROVENANCE["sha256"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == sha256


@every_case
def test_filter(case):
    counts, design, _, _ = experiment(case)
    theirs = results(case)
    np.testing.assert_array_equal(filtering.filter_by_expression(counts, design), theirs["kept"] == 1)
    np.testing.assert_array_equal(filtering.filter_by_expression(counts), theirs["kept_as_one_group"] == 1)


@every_case
def test_norm_factors_of_the_genes_kept(case):
    counts, _, _, _ = kept(case)
    samples = table("edger_samples.tsv.gz", case)
    np.testing.assert_allclose(normalization.norm_factors(counts, "tmm"), samples["norm_factor"], rtol=1e-10)
    np.testing.assert_array_equal(counts.sum(axis=1), samples["library_size"])


def assert_close(ours, theirs, case, *, exact=True, floor=1e-300):
    """All within 1e-6, or 85 % of them and all within 1e-4 where edgeR stops early."""
    off = np.abs(np.asarray(ours) - theirs) / np.maximum(np.abs(theirs), floor)
    if exact and case not in ("batches", "covariate"):
        assert off.max() < 1e-6
    assert (off < 1e-6).mean() > 0.85
    assert off.max() < 1e-4


@every_case
def test_fit(case):
    fit, theirs = fitted(case), kept(case)[3]
    np.testing.assert_array_equal(fit.df_residual, theirs["df_residual"])
    assert_close(fit.deviance, theirs["deviance"], case)
    assert_close(fit.variances.prior, theirs["prior"], case)
    assert_close(fit.variances.posterior, theirs["posterior"], case)
    assert_close(fit.df_total, theirs["df"], case)
    assert_close(fitted(case, robust=True).variances.posterior, theirs["robust_posterior"], case)


@every_case
def test_our_regressions_are_at_the_maximum(case):
    counts, design, sizes, theirs = kept(case)
    fit = fitted(case)
    exact = glm.fit(counts, design, sizes, theirs["trended"], ridge=0, min_mean=0, tolerance=0)
    np.testing.assert_allclose(fit.deviance, exact.deviance, rtol=1e-8, atol=1e-7)
    assert (fit.deviance < theirs["deviance"] + 2e-6).all()  # edgeR adds 1e-8 to counts and means
    added = 0.125 * sizes / sizes.mean()
    shown = Counts(counts.to_numpy() + added[:, None], counts.index, counts.columns)
    exact = glm.fit(shown, design, sizes + 2 * added, theirs["trended"], ridge=0, min_mean=0, tolerance=0)
    np.testing.assert_allclose(fit.coefficients, exact.coefficients, atol=2e-5)


@every_case
def test_f_tests(case):
    fit, theirs = fitted(case), kept(case)[3]
    ours = quasi_likelihood.test(fit, last(fit.design))
    assert_close(ours["stat"], theirs["stat"], case, floor=0.01)
    assert_close(ours["pvalue"], theirs["pvalue"], case)
    np.testing.assert_allclose(ours["log2FoldChange"], theirs["lfc"], atol=4e-3)
    assert_close(ours["df"], theirs["df"], case)
    robust = quasi_likelihood.test(fitted(case, robust=True), last(fit.design))
    assert_close(robust["pvalue"], theirs["robust_pvalue"], case)
    ours = quasi_likelihood.test(fit, halves(fit.design))
    assert_close(ours["stat"], theirs["halves_stat"], case, exact=False, floor=0.01)
    assert_close(ours["pvalue"], theirs["halves_pvalue"], case, exact=False)
    np.testing.assert_allclose(ours["log2FoldChange"], theirs["halves_lfc"], atol=4e-3)


@every_case
def test_several_coefficients_at_once(case):
    fit, theirs = fitted(case), kept(case)[3]
    if fit.design.shape[1] == 2:
        assert theirs["joint_stat"].isna().all()
        return
    ours = quasi_likelihood.test(fit, last(fit.design), reduced=fit.design[["Intercept"]])
    assert_close(ours["stat"], theirs["joint_stat"], case, floor=0.01)
    assert_close(ours["pvalue"], theirs["joint_pvalue"], case)


@every_case
def test_thresholds(case):
    fit, theirs = fitted(case), kept(case)[3]
    ours = quasi_likelihood.test(fit, last(fit.design), lfc_threshold=0.3)
    assert_close(ours["pvalue"], theirs["treat_pvalue"], case, exact=False)
    ours = quasi_likelihood.test(fit, halves(fit.design), lfc_threshold=1)
    assert_close(ours["pvalue"], theirs["treat_halves_pvalue"], case, exact=False)
