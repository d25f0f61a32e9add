"""voom, moderated t and squeezed variances against limma, log counts per million against edgeR.

Small simulated sets are stored in tests/reference (limma.R and make_limma_tables.py say how); tables of the real sets
stay outside the repository. Tolerances, all relative:

- closed forms and robust curves, so all of voom: 1e-10 (measured 1e-12 at most);
- robust priors: 1e-6 for degrees of freedom, 1e-7 for variances. limma stops its search for d0 / (1 + d0) at 1e-8, ours
  goes on to 1e-14 (measured 7e-8 and 1e-8).
"""

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures import published
from fixtures.makers import maker
from fixtures.published import needs_tables

from scomics_lite import linear_models
from scomics_lite.design import design_matrix
from scomics_lite.empirical_bayes import squeeze_variances
from scomics_lite.normalization import log_cpm, size_factors
from scomics_lite.smoothing import robust_curve

FOLDER = Path(__file__).parents[1] / "reference"
PROVENANCE = json.loads((FOLDER / "limma_provenance.json").read_text())
CLOSED, SEARCH = 1e-10, 1e-6
KINDS = {"plain": {}, "trend": {"trend": True}, "robust": {"robust": True}}
KINDS["trend_robust"] = KINDS["trend"] | KINDS["robust"]
every_case = pytest.mark.parametrize("case", PROVENANCE["formulas"])
every_set = pytest.mark.parametrize("name", ["pasilla", "airway", "pickrell"])


def test_the_tables_are_the_ones_that_were_made():
    for name, sha256 in PROVENANCE["sha256"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == sha256


@cache
def tables(name):
    return dict(list(pd.read_csv(FOLDER / f"limma_{name}.tsv.gz", sep="\t").groupby("case")))


@cache
def experiment(case):
    """Counts, the design, and limma's table."""
    samples, table = tables("cases")[case], tables("results")[case].set_index("gene")
    matrix = np.array([row.split(",") for row in samples["counts"]], dtype=int)
    counts = pd.DataFrame(matrix, index=samples["sample"], columns=table.index)
    obs = maker("make_limma_tables").cases()[case][0].set_axis(counts.index)
    return counts, design_matrix(obs, PROVENANCE["formulas"][case]), table


@cache
def weighed(case):
    counts, design, _ = experiment(case)
    return linear_models.voom(counts, design, size_factors(counts, "tmm"))


def last(design):
    return np.eye(design.shape[1])[-1]


def assert_tests_agree(ours, theirs, prefix, rtol, p_rtol):
    columns = {"log2FoldChange": "lfc", "stat": "t", "df": "df_total"}
    for column, name in columns.items():
        np.testing.assert_allclose(ours[column], theirs[prefix + name], rtol=rtol, atol=rtol, err_msg=name)
    np.testing.assert_allclose(ours["pvalue"], theirs[prefix + "pvalue"], rtol=p_rtol)


# --- squeezed variances -----------------------------------------------------------------------------------------------


def assert_squeezed(ours, theirs, robust):
    for name in ("posterior", "prior", "prior_df"):
        rtol = CLOSED if not robust else SEARCH if name == "prior_df" else SEARCH / 10
        found = np.broadcast_to(getattr(ours, name), len(theirs))
        np.testing.assert_allclose(found, theirs[name], rtol=rtol, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", tables("squeezed"))
@pytest.mark.filterwarnings("ignore:more than half of the variances are exactly zero")
def test_squeezed_variances(case, kind):
    table = tables("squeezed")[case]
    theirs = table.filter(like=f"{kind}.").rename(columns=lambda name: name.removeprefix(f"{kind}."))
    covariate = table["covariate"].to_numpy() if "trend" in kind else None
    ours = squeeze_variances(
        table["variance"].to_numpy(), table["df"].to_numpy(), covariate=covariate, robust="robust" in kind
    )
    assert_squeezed(ours, theirs, "robust" in kind)


@pytest.mark.parametrize("span", [0.4, 0.9])
@pytest.mark.parametrize("case", tables("squeezed"))
def test_robust_curves(case, span):
    table = tables("squeezed")[case]
    if (case, span) == ("eight", 0.4):  # lines through three points of eight: R weighs them by rounding errors
        table = table.assign(**{f"lowess_{span}": np.log(table["variance"] + 1e-3)})
    ours = robust_curve(table["covariate"].to_numpy(), np.log(table["variance"].to_numpy() + 1e-3), span)
    np.testing.assert_allclose(ours, table[f"lowess_{span}"], rtol=CLOSED, atol=CLOSED)


# --- voom and moderated t ---------------------------------------------------------------------------------------------


@every_case
def test_voom(case):
    counts, _, _ = experiment(case)
    voom, weights = weighed(case), tables("weights")[case].set_index("sample")
    np.testing.assert_allclose(voom.library_sizes, weights["library_size"], rtol=1e-12)
    genes = weights.columns.drop(["case", "library_size"])
    np.testing.assert_allclose(voom.weights[genes], weights[genes], rtol=CLOSED)
    expected = np.log2((counts.T + 0.5) / (weights["library_size"] + 1) * 1e6).T
    np.testing.assert_allclose(voom.values, expected, rtol=1e-12)


@every_case
@pytest.mark.parametrize("robust", [False, True])
def test_moderated_t(case, robust):
    _, design, table = experiment(case)
    fit = linear_models.fit(weighed(case).values, design, weighed(case).weights)
    np.testing.assert_allclose(fit.sigma, table["sigma"], rtol=CLOSED)
    np.testing.assert_allclose(fit.stdev_unscaled[:, -1], table["stdev_unscaled"], rtol=CLOSED)
    ours = linear_models.moderated_t_test(fit, last(design), robust=robust)
    np.testing.assert_allclose(ours["mean"], table["amean"], rtol=1e-12)
    assert_tests_agree(ours, table, "robust_" if robust else "voom_", *(2 * [SEARCH if robust else CLOSED]))


@every_case
def test_treat(case):
    _, design, table = experiment(case)
    fit = linear_models.fit(weighed(case).values, design, weighed(case).weights)
    ours = linear_models.moderated_t_test(fit, last(design), lfc_threshold=0.5)
    assert_tests_agree(ours, table, "treat_", CLOSED, CLOSED)


@every_case
@pytest.mark.parametrize("robust", [False, True])
def test_log_cpm_with_a_trend(case, robust):
    counts, design, table = experiment(case)
    fit = linear_models.fit(log_cpm(counts, size_factors(counts, "tmm"), prior_count=3), design)
    ours = linear_models.moderated_t_test(fit, last(design), trend=True, robust=robust)
    rtol = SEARCH if robust else CLOSED
    assert_tests_agree(ours, table, "trend_robust_" if robust else "trend_", rtol, 10 * rtol)


@every_case
def test_missing_values(case):
    counts, design, table = experiment(case)
    values = log_cpm(counts, size_factors(counts, "tmm"), prior_count=3).to_numpy()
    seventh = np.arange(0, values.shape[1], 7)
    values[(seventh + 1) % len(values), seventh] = np.nan  # as in limma.R, which counts from 1
    values[design.to_numpy()[:, -1] == 1, 1] = np.nan
    values[1:, 2] = np.nan
    fit = linear_models.fit(pd.DataFrame(values, counts.index, counts.columns), design)
    np.testing.assert_array_equal(fit.df_residual, table["gaps_df"])
    np.testing.assert_allclose(fit.sigma, table["gaps_sigma"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fit.coefficients[:, 0], table["gaps_first"], rtol=1e-11)
    ours = linear_models.moderated_t_test(fit, last(design))
    known = table["gaps_lfc"].notna().to_numpy()
    np.testing.assert_array_equal(ours["stat"].notna(), known)
    assert_tests_agree(ours[known], table[known], "gaps_", 1e-9, 1e-9)


# --- real sets --------------------------------------------------------------------------------------------------------


@cache
def real(name):
    """Counts of the genes that edgeR kept, the design and TMM size factors."""
    counts, design, _ = published.experiment(name)
    keep = published.table(name, "edger_filterByExpr")["keep"].astype(bool)
    counts = counts.loc[:, keep.index[keep]]
    return counts, design, size_factors(counts, "tmm")


@cache
def real_fit(name):
    counts, design, factors = real(name)
    voom = linear_models.voom(counts, design, factors)
    return voom, linear_models.fit(voom.values, design, voom.weights)


@needs_tables
@every_set
@pytest.mark.parametrize("kind", ["", "_trend"])
def test_squeezed_variances_of_real_sets(name, kind):
    table = published.table(name, "limma_squeezeVar")
    names = {f"var.post{kind}": "posterior", f"var.prior{kind}": "prior", f"df.prior{kind}": "prior_df"}
    covariate = table["covariate"] if kind else None
    assert_squeezed(
        squeeze_variances(table["var"], table["df"], covariate=covariate), table.rename(columns=names), False
    )


@needs_tables
@every_set
def test_robustly_squeezed_variances_of_real_sets(name):
    table = published.table(name, "limma_squeezeVar")
    ours = squeeze_variances(table["var"], table["df"], covariate=table["covariate"], robust=True)
    np.testing.assert_allclose(ours.posterior, table["var.post_trend_robust"], rtol=SEARCH / 10)
    np.testing.assert_allclose(ours.prior_df, table["df.prior_trend_robust"], rtol=SEARCH)


@needs_tables
@every_set
def test_voom_of_real_sets(name):
    voom, fit = real_fit(name)
    weights, table = published.table(name, "limma_voom_weights_top300"), published.table(name, "limma_voom_plain")
    np.testing.assert_allclose(voom.weights.loc[weights.columns, weights.index].T, weights, rtol=CLOSED)
    ours = linear_models.moderated_t_test(fit, last(fit.design)).loc[table.index]
    np.testing.assert_allclose(ours["log2FoldChange"], table["logFC"], rtol=CLOSED, atol=CLOSED)
    np.testing.assert_allclose(ours["stat"], table["t"], rtol=CLOSED, atol=CLOSED)
    np.testing.assert_allclose(ours["df"], table["df.total"], rtol=CLOSED)
    np.testing.assert_allclose(ours["pvalue"], table["P.Value"], rtol=CLOSED)
    np.testing.assert_allclose(ours["padj"], table["adj.P.Val"], rtol=CLOSED)
    error = table["stdev.unscaled"] * np.sqrt(table["s2.post"])
    np.testing.assert_allclose(ours["lfcSE"], error, rtol=CLOSED)
    assert ((ours["padj"] < 0.05) == (table["adj.P.Val"] < 0.05)).all()


@needs_tables
def test_robust_trended_and_log_cpm_of_pasilla():
    counts, design, factors = real("pasilla")
    theirs = published.table("pasilla", "limma_voom_robust")
    ours = linear_models.moderated_t_test(real_fit("pasilla")[1], last(design), robust=True)
    np.testing.assert_allclose(ours["pvalue"], theirs["P.Value"], rtol=SEARCH)
    cpm = published.table("pasilla", "edger_cpm_log_top300").T
    np.testing.assert_allclose(log_cpm(counts, factors).loc[cpm.index, cpm.columns], cpm, rtol=1e-12, atol=1e-12)
    theirs = published.table("pasilla", "limma_logcpm_trend")
    fit = linear_models.fit(log_cpm(counts, factors, prior_count=3), design)
    ours = linear_models.moderated_t_test(fit, last(design), trend=True)
    np.testing.assert_allclose(ours["stat"], theirs["t"], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(ours["pvalue"], theirs["P.Value"], rtol=1e-10)
    theirs = published.table("pasilla", "limma_voom_E_top300").T
    values = pd.DataFrame(real_fit("pasilla")[0].values)[theirs.columns]
    np.testing.assert_allclose(values, theirs, rtol=1e-12, atol=1e-12)
