"""Dispersions of real data sets, against DESeq2 and edgeR.

The tables come from R 4.2.2 with DESeq2 1.38.3 and edgeR 3.40.2 (17 digits; MANIFEST.json beside them has the calls).
They and the data stay outside the repository: where SCOMICS_LITE_REFERENCE and SCOMICS_LITE_DATA do not name their
folders, these tests are skipped. DESeq2's size factors are given. Of pickrell the tables without replacement of
outliers are used.

What is promised: gene-wise within 1e-4 for 99% of the genes, trended and MAP within 1e-3. What is measured (largest
relative difference, genes at the smallest dispersion aside): pasilla 5e-7, 2e-10, 3e-6; airway 4e-11, 3e-14, 1e-5, its
prior variance given; pasilla with the other trends the same; pickrell 1e-14 for all genes but one (see below), whose
other value moves the trend by 3e-4.
"""

import numpy as np
import pytest
from fixtures.published import (
    AIRWAY_PRIOR_VARIANCE,
    DISPERSIONS,
    edger_estimates,
    estimates,
    experiment,
    first_means,
    needs_tables,
    numbers,
    profile_heights,
    table,
)

from scomics_lite import datasets, differential, dispersion, glm
from scomics_lite.dispersion import trend
from scomics_lite.validation import Counts

pytestmark = needs_tables
ON_THE_EDGE = {"pickrell": 1}  # genes that rounding sends another way, see test_the_gene_that_differs
every_set = pytest.mark.parametrize("name", DISPERSIONS)


def differences(ours, theirs):
    """Relative differences of the genes that are not at the smallest dispersion, where DESeq2's digits are noise."""
    assert (np.isnan(ours) == theirs.isna().to_numpy()).all()
    clear = (theirs > 1e-7).to_numpy()
    return np.abs(ours[clear] / theirs.to_numpy()[clear] - 1)


@every_set
def test_edger(name):
    """Measured: common 8e-5 at most, trended 6e-4, tagwise 4e-3 (medians below 1e-6), prior degrees of freedom 3e-6.

    What is left is edgeR's search for coefficients, which stops early; pickrell's two groups need none: 1e-6 in all.
    """
    ours = edger_estimates(name)
    theirs, scalars = table(name, "edger_disp"), numbers(name, "edger_disp_meta")
    assert ours.common == pytest.approx(scalars["common.dispersion"], rel=1e-4)
    assert ours.prior_df == pytest.approx(scalars["prior.df"], rel=1e-5)
    np.testing.assert_allclose(ours.average_log_cpm, theirs["AveLogCPM"], rtol=0, atol=2e-5)
    for column in ("trended", "tagwise"):
        found = np.abs(getattr(ours, column) / theirs[column] - 1)
        assert found.max() < (2e-6 if name == "pickrell" else 1e-2)
        assert found.median() < 1e-5


@every_set
def test_genewise(name):
    found = differences(estimates(name).genewise, table(name, DISPERSIONS[name])["dispGeneEst"])
    assert (found > 1e-4).sum() == ON_THE_EDGE.get(name, 0)
    assert np.median(found) < 1e-12
    at_minimum = table(name, DISPERSIONS[name])["dispGeneEst"] <= 1e-7
    assert estimates(name).genewise[at_minimum].max() < (1e-3 if name in ON_THE_EDGE else 1e-7)


@every_set
def test_trended_and_map(name):
    theirs = table(name, DISPERSIONS[name])
    assert differences(estimates(name).trended, theirs["dispFit"]).max() < (1e-3 if name in ON_THE_EDGE else 1e-9)
    for ours, column in (("map", "dispMAP"), ("final", "dispersion")):
        found = differences(getattr(estimates(name), ours), theirs[column])
        assert (found <= 1e-3).mean() > 0.999
        assert found.max() < (5e-3 if name in ON_THE_EDGE else 2e-5)


@every_set
def test_outliers(name):
    theirs = table(name, DISPERSIONS[name])["dispOutlier"].astype(str).str.upper() == "TRUE"
    assert (estimates(name).outlier == theirs).all()


@every_set
def test_trend_and_prior(name):
    ours, theirs = estimates(name), numbers(name, f"{DISPERSIONS[name]}_fit")
    rtol = 1e-3 if name in ON_THE_EDGE else 1e-9
    found = (ours.trend.asymptotic, ours.trend.extra_poisson, ours.residual_variance, ours.prior_variance)
    names = ("asymptDisp", "extraPois", "varLogDispEsts", "dispPriorVar")
    np.testing.assert_allclose(found, [theirs[key] for key in names], rtol=rtol)


@every_set
def test_trend_and_prior_of_deseq2_s_genewise_estimates(name):
    theirs = table(name, DISPERSIONS[name]).dropna(subset="dispGeneEst")
    clear = theirs[theirs["dispGeneEst"] > 1e-6]
    fitted = trend.parametric_trend(clear["baseMean"], clear["dispGeneEst"])
    expected = numbers(name, f"{DISPERSIONS[name]}_fit")
    assert fitted.asymptotic == pytest.approx(expected["asymptDisp"], rel=1e-12)
    assert fitted.extra_poisson == pytest.approx(expected["extraPois"], rel=1e-12)
    residuals = np.log(clear["dispGeneEst"] / clear["dispFit"])
    assert trend.residual_variance(residuals) == pytest.approx(expected["varLogDispEsts"], rel=1e-9)


def test_prior_variance_of_three_residual_degrees_of_freedom():
    """DESeq2's value carries the noise of its random numbers, a step or two of 8 / 999: ours is 0.537."""
    free = dispersion.estimate(*experiment("airway"))
    assert free.prior_variance == pytest.approx(AIRWAY_PRIOR_VARIANCE, abs=0.017)
    moved = np.abs(free.map / estimates("airway").map - 1)
    assert np.nanmedian(moved) < 0.005
    assert np.nanmax(moved) < 0.04


def test_genes_with_replaced_outliers():
    counts, design, factors = experiment("pickrell")
    first = estimates("pickrell")
    replaced = glm.replace_outliers(glm.fit(counts, design, factors, first.final))
    theirs = table("pickrell", "deseq2_disp")
    changed = (replaced.matrix != counts.to_numpy()).any(axis=0)
    assert (changed == (theirs["replace"].astype(str).str.upper() == "TRUE")).all()
    genes = np.flatnonzero(changed & (replaced.matrix > 0).any(axis=0))  # one gene has lost its only count
    part = Counts(replaced.matrix[:, genes], replaced.samples, replaced.genes[genes])
    again = dispersion.estimate(part, design, factors, trend=first)
    names = {"genewise": "dispGeneEst", "trended": "dispFit", "map": "dispMAP", "final": "dispersion"}
    for column, name in names.items():
        assert differences(getattr(again, column), theirs[name].iloc[genes]).max() < 1e-3


@pytest.mark.parametrize("kind", ["local", "mean"])
def test_other_trends(kind):
    ours, theirs = estimates("pasilla", kind), table("pasilla", f"deseq2_disp_{kind}")
    expected = numbers("pasilla", f"deseq2_disp_{kind}_fit")
    assert ours.prior_variance == pytest.approx(expected["dispPriorVar"], rel=1e-8)
    assert ours.residual_variance == pytest.approx(expected["varLogDispEsts"], rel=1e-7)
    names = {"genewise": "dispGeneEst", "trended": "dispFit", "map": "dispMAP", "final": "dispersion"}
    for column, name in names.items():
        assert differences(getattr(ours, column), theirs[name]).max() < (1e-7 if column == "trended" else 2e-5)
    assert (ours.outlier == (theirs["dispOutlier"].astype(str).str.upper() == "TRUE")).all()


def test_the_gene_that_differs():
    """One gene of pickrell starts where a step gains 1e-11: rounding in DESeq2 turns its first step down.

    DESeq2 then keeps the start. Here the step is taken, gains nothing, and the gene goes to the grid as others do. Ours
    has the higher adjusted profile likelihood.
    """
    theirs = table("pickrell", DISPERSIONS["pickrell"])["dispGeneEst"].to_numpy()
    ours = estimates("pickrell").genewise
    gene = np.flatnonzero((theirs > 1e-7) & (np.abs(ours / theirs - 1) > 1e-4)).item()
    two = profile_heights("pickrell", [gene], ours[[gene]], theirs[[gene]])[0]
    assert two[0] > two[1] + 1e-6


@every_set
def test_the_exact_maximum_is_never_lower(name):
    """`maximum_likelihood` goes on where the climb of DESeq2 stops: never lower, and by little."""
    counts, design, _ = experiment(name)
    ours, rng = estimates(name), np.random.default_rng(1)
    clear = np.flatnonzero(ours.genewise > 1e-7)
    genes = rng.choice(clear, 1_000, replace=False)
    exact = dispersion.maximum_likelihood(counts.to_numpy()[:, genes], first_means(name)[:, genes], design.to_numpy())
    theirs = table(name, DISPERSIONS[name])["dispGeneEst"].to_numpy()
    gain = np.subtract(*profile_heights(name, genes, exact, theirs[genes]).T)
    assert gain.min() > -1e-9
    assert np.median(gain) < 1e-6


@pytest.mark.parametrize(
    ("cells", "coefficients", "called"),
    [
        ("B cells", (0.0111958568011797, 3.34696399769916), 116),
        ("CD4 T cells", (0.00404796177309324, 3.5299307620291), 101),
        ("CD8 T cells", (0.00353011959456172, 3.46852345926369), 22),
    ],
)
def test_sums_of_few_cells_have_deseq2_s_trend(cells, coefficients, called):
    """Kang's blood cells by sample and cell type, ``~ group_id``: 15 to 100 cells a sum, two sums a group."""
    kang = datasets.load("kang_muscat", progress=False)
    sums = differential.pseudobulk(kang, "sample_id", "cluster_id")
    study = differential.fit(sums[sums.obs["cluster_id"] == cells], "~ group_id", progress=False)
    found = study.dispersions.trend
    np.testing.assert_allclose((found.asymptotic, found.extra_poisson), coefficients, rtol=1e-9)
    assert (study.test(("group_id", "stim", "ctrl"))["padj"] < 0.1).sum() == called
