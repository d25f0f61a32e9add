"""Shrinkage of real data sets beside DESeq2's lfcShrink(type="apeglm", svalue=TRUE): DESeq2 1.38.3, apeglm 1.27.

The tables and the data stay outside the repository: where SCOMICS_LITE_REFERENCE and SCOMICS_LITE_DATA do not name
their folders, these tests are skipped. Given apeglm's scale, its counts and dispersions, what differs and who is right
(the log posterior is compared by a second writing of it):

- apeglm's climb stops short of the peak: its log posterior is never above ours, and its distance from ours is what the
  lower height explains, sqrt(2 (difference of heights)) standard deviations. On pasilla and airway half of its
  estimates are within 4e-5 of ours, in log2, and 99 % within 0.006.
- it starts near zero only. Of genes with two peaks, 2 of 12,359 (pasilla), 4 of 33,469 (airway) and 128 of 12,531
  (pickrell) are left on the lower one.
- it takes the curvature from gradients at beta +- 0.001 (R's optimHess). Where the scale is 0.001 too, as in pickrell,
  that halves the prior's curvature, and standard deviations are too large by the square root of 2.
- its scale for pickrell is the smallest allowed because of a single gene, which lost its only count to the replacement
  of outliers: DESeq2 reports 0 with standard error 0 for it, and such a gene outweighs all others. Without it the scale
  is 0.056 instead of 0.001.
- lfcShrink takes the counts from before outlier replacement, and the dispersions from after it (pickrell).
- its search for the scale's square ends within 1.2e-4 (R's uniroot).
"""

from functools import cache

import numpy as np
import pytest
from fixtures.posterior import marginals, profile
from fixtures.published import FORMULAS, adata, experiment, fitted, needs_tables, replaced, table
from scipy import stats

from scomics_lite import differential, glm

pytestmark = needs_tables
LN2 = np.log(2)
BULK = ("pasilla", "airway", "pickrell")
SMALL = ("pasilla", "airway")  # where nothing was replaced
SEARCH = np.finfo(float).eps ** 0.25  # the tolerance of R's uniroot
STEP = 1e-3  # of R's optimHess


@cache
def both(name):
    """Give the fit of the counts as apeglm had them, our table at its scale, its table, and the scale.

    Of genes with counts; the scale in natural logarithms.
    """
    counts, design, factors = experiment(name)
    fit = glm.fit(counts, design, factors, table(name, "deseq2_disp")["dispersion"].reindex(counts.columns))
    scale = its_scale(name)
    ours = glm.cauchy_shrinkage(fit, design.columns[-1], prior_scale=scale / LN2)
    theirs = table(name, "deseq2_lfcShrink_apeglm").loc[ours.index]
    assert (ours["log2FoldChange"].isna() == theirs["log2FoldChange"].isna()).all()  # those without a count
    some = ours["log2FoldChange"].notna()
    return fit, ours[some], theirs[some], scale


def its_scale(name):
    return float(table(name, "deseq2_lfcShrink_apeglm_prior").loc["prior.scale", "value"])


def gains(name):
    """Compute how much higher the log posterior is at our estimates than at apeglm's, shape (genes,)."""
    fit, ours, theirs, scale = both(name)
    genes = fit.genes.get_indexer(ours.index)
    y, x = fit.counts.matrix[:, genes].astype(float), fit.design.to_numpy(float)
    here, there = (
        profile(y, x, fit.size_factors, fit.dispersions[genes], x.shape[1] - 1, found * LN2, scale)
        for found in (ours["log2FoldChange"].to_numpy(), theirs["log2FoldChange"].to_numpy())
    )
    return here - there


def same_peak(ours, theirs):
    """Tell which genes have both estimates on one peak, by its width."""
    return (theirs["lfcSE"] / ours["lfcSE"]).between(0.6, 1.5)


@pytest.mark.parametrize(("name", "on_the_lower"), [("pasilla", 2), ("airway", 4), ("pickrell", 128)])
def test_no_posterior_is_higher_at_its_estimate(name, on_the_lower):
    _, ours, theirs, _ = both(name)
    gain = gains(name)
    assert gain.min() > -1e-11
    same = same_peak(ours, theirs)
    assert (~same).sum() == on_the_lower
    assert gain[~same].min() > 0.08
    away = np.abs(ours["log2FoldChange"] - theirs["log2FoldChange"]) / ours["lfcSE"]
    np.testing.assert_allclose(away[same], np.sqrt(2 * np.maximum(gain[same], 0)), atol=0.02)
    assert np.abs(away[same] - np.sqrt(2 * np.maximum(gain[same], 0))).quantile(0.99) < 1e-3


@pytest.mark.parametrize("name", SMALL)
def test_estimates_and_standard_deviations(name):
    _, ours, theirs, _ = both(name)
    same = same_peak(ours, theirs)
    gap = (ours["log2FoldChange"] - theirs["log2FoldChange"]).abs()
    assert gap.median() < 4.1e-5
    assert gap.quantile(0.99) < 0.006
    assert gap[same].max() < 0.0213
    ratio = (theirs["lfcSE"] / ours["lfcSE"] - 1).abs()
    assert ratio.median() < 2e-5
    assert ratio.quantile(0.99) < 0.003
    assert ratio[same].max() < 0.025
    assert stats.spearmanr(ours["log2FoldChange"], theirs["log2FoldChange"])[0] > 0.9998


@pytest.mark.parametrize("name", SMALL)
def test_svalues(name):
    _, ours, theirs, _ = both(name)
    assert stats.spearmanr(ours["svalue"], theirs["svalue"])[0] > 0.9996
    gap = (ours["svalue"] - theirs["svalue"]).abs()
    assert gap.median() < 1.2e-4  # genes with one rate, from the same count in one sample, are ranked there, not here
    assert gap.quantile(0.99) < 0.01
    for level in (0.01, 0.05):
        called = ours["svalue"] < level, theirs["svalue"] < level
        assert (called[0] != called[1]).sum() < 0.012 * called[1].sum()


def test_its_svalues_follow_from_its_estimates():
    for name in BULK:
        theirs = both(name)[2]
        lfsr = np.sort(stats.norm.sf(theirs["log2FoldChange"].abs() / theirs["lfcSE"]))
        means = np.cumsum(lfsr) / np.arange(1, len(lfsr) + 1)
        np.testing.assert_allclose(np.sort(theirs["svalue"]), means, rtol=1e-9)


def test_its_standard_deviations_of_pickrell_follow_from_its_steps():
    _, ours, theirs, scale = both("pickrell")
    at, spread = ours["log2FoldChange"] * LN2, ours["lfcSE"] * LN2

    def slope(beta):
        return 2 * beta / (scale**2 + beta**2)

    own = 2 * (scale**2 - at**2) / (scale**2 + at**2) ** 2
    coarse = (slope(at + STEP) - slope(at - STEP)) / (2 * STEP)
    apart = (np.sqrt(1 / (1 / spread**2 - own + coarse)) / LN2 / theirs["lfcSE"] - 1).abs()
    assert apart.median() < 1e-9
    assert apart[same_peak(ours, theirs)].quantile(0.99) < 1e-3  # the rest of it: where the climb ended
    assert (theirs["lfcSE"] / ours["lfcSE"]).median() == pytest.approx(np.sqrt(2), abs=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_scales(name):
    fit = fitted(name)
    ours = glm.cauchy_scale(fit, fit.design.columns[-1]) * LN2
    assert abs(ours**2 - its_scale(name) ** 2) < SEARCH
    assert ours == pytest.approx(its_scale(name), rel=1e-5)


def test_its_scale_of_pickrell_is_that_of_one_gene_without_counts():
    wald = table("pickrell", "deseq2_wald_nofilt").dropna(subset=["log2FoldChange"])
    squares, variances = (wald["log2FoldChange"] * LN2) ** 2, (wald["lfcSE"] * LN2) ** 2
    emptied = variances == 0
    assert emptied.sum() == 1
    assert squares[emptied].iloc[0] == 0
    least = 0.001**2

    def slope(keep):
        return ((squares - variances - least) / (least + variances) ** 2)[keep].sum()

    assert slope(~emptied) > 5e5
    assert slope(wald["baseMean"] >= 0) < -4e5  # with it: "no change is larger than 0.001"
    assert its_scale("pickrell") == 0.001
    fit = replaced("pickrell")
    assert fit.status[fit.genes.get_loc(wald.index[emptied][0])] == "all zero"
    assert glm.cauchy_scale(fit, fit.design.columns[-1]) * LN2 == pytest.approx(0.0562510, abs=1e-7)


# --- from counts to shrunken fold changes -----------------------------------------------------------------------------

ASKED = {
    "pasilla": ("condition", "treated", "untreated"),
    "airway": ("dex", "treated", "control"),
    "pickrell": ("gender", "male", "female"),
}


@pytest.mark.parametrize("name", SMALL)
def test_the_whole_way(name):
    """Size factors, dispersions and scale are our own; airway's prior variance is not DESeq2's, which is random."""
    ours = differential.test(adata(name), FORMULAS[name], ASKED[name], shrink="cauchy", progress=False)
    theirs = table(name, "deseq2_lfcShrink_apeglm").loc[ours.index]
    assert (ours["shrunken"].isna() == theirs["log2FoldChange"].isna()).all()
    gap = (ours["shrunken"] - theirs["log2FoldChange"]).abs()
    assert gap.median() < 1.1e-4
    assert gap.quantile(0.99) < 0.006
    assert (gap > 0.1).sum() == {"pasilla": 2, "airway": 4}[name]  # the other peaks
    assert (ours["shrunkenSE"] / theirs["lfcSE"] - 1).abs().quantile(0.99) < 0.004
    tested = theirs["log2FoldChange"].notna()
    assert stats.spearmanr(ours["svalue"][tested], theirs["svalue"][tested])[0] > 0.9996


def test_the_whole_way_with_replaced_counts():
    """Where apeglm's scale collapses (see above), ours leaves differences standing."""
    ours = differential.test(
        adata("pickrell"), FORMULAS["pickrell"], ASKED["pickrell"], shrink="cauchy", progress=False
    )
    fit = replaced("pickrell")
    given = glm.cauchy_shrinkage(fit, fit.design.columns[-1])
    np.testing.assert_allclose(ours["shrunken"], given["log2FoldChange"], atol=2e-3)
    theirs = table("pickrell", "deseq2_lfcShrink_apeglm").loc[ours.index]
    strong = ours["padj"] < 0.01
    assert strong.sum() == 11
    assert (ours["shrunken"] / ours["log2FoldChange"])[strong].min() > 0.87
    assert (theirs["log2FoldChange"].abs()[strong] < 1e-4).sum() == 1  # the apparent cost of the collapse
    assert ours["shrunken"].abs().median() > 1000 * theirs["log2FoldChange"].abs().median()


# --- not beside apeglm, but beside the posterior ----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "share"), [("pasilla", 0.87), ("airway", 0.82), ("pickrell", 0.56)])
def test_how_careful_false_sign_rates_are(name, share):
    """Integrate the posterior of every tenth or so gene whose lfsr is between 0.05 and 0.3; see `cauchy_shrinkage`."""
    fit = replaced(name) if name == "pickrell" else fitted(name)
    last = fit.design.shape[1] - 1
    scale = glm.cauchy_scale(fit, fit.design.columns[last]) * LN2
    ours = glm.cauchy_shrinkage(fit, fit.design.columns[last])
    genes = np.flatnonzero(ours["lfsr"].between(0.05, 0.3))[::10]
    error = np.sqrt(fit.contrast_variance(np.eye(last + 1)[last]))[genes]
    reach, likely = 4 * error + 5 * scale, fit.coefficients[genes, last]
    ends = np.arcsinh(np.array([np.minimum(0, likely) - reach, np.maximum(0, likely) + reach]) / scale)
    points = scale * np.sinh(np.linspace(*ends, 161))  # dense near zero
    y, x = fit.counts.matrix[:, genes].astype(float), fit.design.to_numpy(float)
    height = marginals(y, x, fit.size_factors, fit.dispersions[genes], last, points, scale)
    mass = np.exp(height - height.max(axis=0)) * np.sqrt(scale**2 + points**2)
    mass /= mass.sum(axis=0)
    signs = np.sign(ours["log2FoldChange"].to_numpy()[genes])
    wrong = (mass * (points * signs < 0)).sum(axis=0)
    assert wrong.mean() / ours["lfsr"].to_numpy()[genes].mean() == pytest.approx(share, abs=0.03)
