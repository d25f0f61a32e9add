"""The filter, quasi-likelihood tests and thresholds on real data, against edgeR 3.40.2; and the whole way there.

The tables come from R 4.2.2 (17 digits; MANIFEST.json beside them has the calls). They and the data stay outside the
repository: where SCOMICS_LITE_REFERENCE and SCOMICS_LITE_DATA do not name their folders, these tests are skipped.

Measured with edgeR's factors, trended dispersions and abundances given, relative and largest: quasi-dispersions 5e-7
on pasilla and pickrell, 2e-6 on airway; p-values 1.3e-6, 1.6e-5 and 4e-5, medians 1e-10, 1e-10 and 7e-7. What is left
comes from where edgeR's regressions stop: airway's prior degrees of freedom differ by 3e-6 because of one gene whose
deviance is 0.00019, of which edgeR's is off by 2e-3; from edgeR's deviances ours come out to 1e-14. Fold changes differ
by 5e-5 at most.

The whole way from counts, all our own: the same genes called in every table, p-values within 3e-5.
"""

import numpy as np
import pytest
from fixtures.published import (
    FORMULAS,
    adata,
    edger_given,
    experiment,
    needs_tables,
    quasi_likelihood_given,
    question,
    table,
)
from scipy import stats

from scomics_lite import datasets, differential, quasi_likelihood
from scomics_lite.empirical_bayes import squeeze_variances
from scomics_lite.filtering import filter_by_expression

pytestmark = needs_tables
every_set = pytest.mark.parametrize("name", FORMULAS)
TABLES = [  # of a set, what was asked, settings of the fit and of the test
    ("pasilla", "edger_glmQLFTest", "default", False, 0),
    ("pasilla", "edger_glmQLFTest_numcontrast", "numcontrast", False, 0),
    ("pasilla", "edger_glmQLFTest_robust", "default", True, 0),
    ("pasilla", "edger_glmTreat", "default", False, 0.5),
    ("airway", "edger_glmQLFTest", "default", False, 0),
    ("airway", "edger_glmQLFTest_robust", "default", True, 0),
    ("airway", "edger_glmTreat", "default", False, 0.5),
    ("pickrell", "edger_glmQLFTest", "default", False, 0),
    ("pickrell", "edger_glmQLFTest_robust", "default", True, 0),
    ("pickrell", "edger_glmTreat", "default", False, 0.5),
]


def relative(ours, theirs):
    return np.abs(np.asarray(ours) / np.asarray(theirs) - 1)


@every_set
def test_filter(name):
    counts, design, _ = experiment(name)
    keep = table(name, "edger_filterByExpr")["keep"]
    np.testing.assert_array_equal(filter_by_expression(counts, design), keep.loc[counts.columns] == 1)


@every_set
def test_quasi_dispersions(name):
    fit, theirs = quasi_likelihood_given(name), table(name, "edger_glmQLFit")
    np.testing.assert_array_equal(fit.df_residual, theirs["df.residual.zeros"])
    np.testing.assert_allclose(fit.deviance, theirs["deviance"], rtol=1e-5, atol=2e-5)
    tolerance = 1e-5 if name == "airway" else 1e-6
    assert relative(fit.variances.prior_df, theirs["df.prior"]).max() < tolerance
    assert relative(fit.variances.prior, theirs["var.prior"]).max() < tolerance
    assert relative(fit.variances.posterior, theirs["var.post"]).max() < tolerance
    assert relative(fit.df_total, theirs["df.total"]).max() < tolerance


@every_set
def test_squeezing_of_their_deviances(name):
    theirs = table(name, "edger_glmQLFit")
    df = theirs["df.residual.zeros"]
    raw = np.where(df > 0, theirs["deviance"] / df.clip(lower=1), 0)
    squeezed = squeeze_variances(raw, df, covariate=table(name, "edger_disp")["AveLogCPM"].to_numpy())
    assert relative(squeezed.prior_df, theirs["df.prior"]).max() < 1e-10
    assert relative(squeezed.posterior, theirs["var.post"]).max() < 1e-10


def test_robust_quasi_dispersions():
    fit, theirs = quasi_likelihood_given("pasilla", robust=True), table("pasilla", "edger_glmQLFit_robust")
    for ours, column in ((fit.variances.posterior, "var.post"), (fit.df_total, "df.total")):
        assert relative(ours, theirs[column]).max() < 1e-6


@pytest.mark.parametrize(("name", "file", "contrast", "robust", "threshold"), TABLES)
def test_tests(name, file, contrast, robust, threshold):
    ours = quasi_likelihood.test(
        quasi_likelihood_given(name, robust), question(name, contrast), lfc_threshold=threshold
    )
    theirs = table(name, file)
    off = relative(ours["pvalue"], theirs["PValue"])
    assert np.median(off) < 1e-6
    assert off.max() < 1e-4
    np.testing.assert_allclose(ours["log2FoldChange"], theirs["logFC"], rtol=0, atol=1e-4)
    if "F" in theirs:
        np.testing.assert_allclose(ours["stat"], theirs["F"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "file", "contrast", "robust", "threshold"), TABLES)
def test_the_whole_way(name, file, contrast, robust, threshold):
    settings = {"method": "ql", "robust": robust, "lfc_threshold": threshold, "progress": False}
    ours = differential.test(adata(name), FORMULAS[name], question(name, contrast), **settings)
    theirs = table(name, file)
    assert ours.index[ours["status"] == "tested"].equals(theirs.index)
    ours = ours.loc[theirs.index]
    assert stats.spearmanr(ours["pvalue"], theirs["PValue"])[0] > 1 - 1e-8
    assert np.abs(ours["pvalue"] - theirs["PValue"]).max() < 3e-5
    np.testing.assert_allclose(ours["log2FoldChange"], theirs["logFC"], rtol=0, atol=1e-4)
    adjusted = stats.false_discovery_control(np.minimum(theirs["PValue"], 1))  # rounding takes edgeR's past 1
    np.testing.assert_array_equal(ours["padj"] < 0.1, adjusted < 0.1)


def test_single_cells():
    """Of 40 cells, given TMMwsp's factors and the trend; measured: p-values 8e-6, relative."""
    theirs, cells = table("islam_esmef", "edger_glmQLFTest"), table("islam_esmef", "sc_design")
    counts = datasets.load("islam_esmef", progress=False)[cells.index, theirs.index].copy()
    factors = table("islam_esmef", "edger_normfactors").loc[cells.index]
    dispersions = edger_given("islam_esmef")
    fit = quasi_likelihood.fit(counts, cells, factors["TMMwsp"] * factors["libsize"], dispersions)
    ours = quasi_likelihood.test(fit, [0, 1])
    assert relative(ours["pvalue"], theirs["PValue"]).max() < 1e-4
    np.testing.assert_allclose(ours["log2FoldChange"], theirs["logFC"], rtol=0, atol=1e-4)
