"""What is put into a simulation comes out again: fold changes, their intervals, and dispersions.

Bounds are those of theory (fixtures/theory.py) and four standard errors of chance; nothing is tuned.
"""

import numpy as np
import pytest
from fixtures import theory
from scipy import stats

from scomics_lite import differential, dispersion, simulate
from scomics_lite.design import design_matrix

AB = ("condition", "B", "A")
SCATTER = 0.5  # standard deviation of ln phi around the trend, as simulate has it
replicates = pytest.mark.parametrize("n", [3, 5, 10])


def experiment(n, *, genes=3_000, **settings):
    """Many reads, so that most genes are well counted."""
    return simulate.bulk_counts(["A"] * n + ["B"] * n, genes, library_sizes=2e4 * genes, rng=n, **settings)


# --- dispersions ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[3, 5, 10])
def estimated(request):
    """Residual degrees of freedom, estimates over the true 0.05 (frame), and the prior variance: well-counted genes."""
    adata = experiment(request.param, changed_fraction=0, dispersion=0.05)
    design, s = design_matrix(adata.obs, "~ condition"), adata.obs["size_factor"].to_numpy()
    found = dispersion.estimate(adata, design, s)
    counted = found.base_mean > 1_000
    counts, x = adata.X[:, counted], design.to_numpy()
    mean = s[:, None] * (x @ np.linalg.lstsq(x, counts / s[:, None], rcond=None)[0])
    ratios = found.to_frame()[["genewise", "trended", "map"]][counted]
    ratios["exact"] = dispersion.maximum_likelihood(counts, mean, x)
    ratios["start"] = np.minimum(*(dispersion.moments(counts, design, s) for design in (None, x))).clip(0)
    return 2 * request.param - 2, ratios / 0.05, found.prior_variance


def error_of_mean(df, ratios):
    return np.sqrt(2 / df / len(ratios))


def test_exact_dispersions_are_unbiased_and_skewed_as_variances_are(estimated):
    df, ratios, _ = estimated
    expected, error = theory.median_ratio(df, len(ratios))
    assert abs(ratios["exact"].median() - expected) < 4 * error
    assert abs(ratios["exact"].mean() - 1) < 4 * error_of_mean(df, ratios)


def test_genewise_dispersions_lie_between_their_start_and_the_maximum(estimated):
    """The start is the lower of two moment estimates, too low on average.

    DESeq2 keeps it where the climb gains less than a millionth of the log likelihood; without its constants that is
    tens of thousands for genes with thousands of counts, and so most of them stay. With three replicates it costs 7%
    here, and R's DESeq2 gives the same numbers to eleven digits.
    """
    _, ratios, _ = estimated
    assert ratios["start"].mean() < ratios["genewise"].mean() < ratios["exact"].mean()


def test_the_trend_is_the_mean_of_the_genewise_estimates_where_the_truth_is_flat(estimated):
    df, ratios, _ = estimated
    assert abs(ratios["trended"].median() - ratios["genewise"].mean()) < 4 * error_of_mean(df, ratios)
    assert ratios["trended"].median() - 1 < 4 * error_of_mean(df, ratios)


def test_shrunken_dispersions_move_as_far_as_the_prior_says(estimated):
    """The posterior mode rises with the estimate, so its median belongs to the estimates' median."""
    df, ratios, prior_variance = estimated
    ratio, error = theory.median_ratio(df, len(ratios))
    expected = theory.shrunken_ratio(ratio, df, prior_variance, ratios["trended"].median())
    assert abs(ratios["map"].median() - expected) < 4 * error
    genes = ratios[["exact", "trended"]].to_numpy()[:300]
    each = [theory.shrunken_ratio(exact, df, prior_variance, trended) for exact, trended in genes]
    off = np.abs(ratios["map"].to_numpy()[:300] / each - 1)
    assert np.median(off) < 0.05  # phi: what a gamma distribution and a normal one differ by


@replicates
def test_dispersions_that_differ_are_told_apart(n):
    """The correlation of estimated and true log dispersions is that of a variance with 2n - 2 degrees of freedom."""
    adata = experiment(n, changed_fraction=0, dispersion_sd=SCATTER)
    found = dispersion.estimate(adata, design_matrix(adata.obs, "~ condition"), adata.obs["size_factor"])
    counted = (found.base_mean > 1_000) & (found.genewise > 1e-6)
    truth = np.log(adata.var["dispersion"].to_numpy() / found.trended)[counted]
    estimate = np.log(found.genewise / found.trended)[counted]
    noise = np.var(np.log(stats.chi2(2 * n - 2).rvs(100_000, random_state=1)))
    expected = 1 / np.sqrt(1 + noise / SCATTER**2)
    error = (1 - expected**2) / np.sqrt(counted.sum())
    assert abs(np.corrcoef(truth, estimate)[0, 1] - expected) < 4 * error


# --- fold changes -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[3, 5, 10])
def tested(request):
    """Replicates, the table and the true fold changes of the well-counted genes of one experiment, nothing given."""
    adata = experiment(request.param, changed_fraction=0.2, dispersion_sd=SCATTER)
    table = differential.test(adata, "~ condition", AB, progress=False)
    counted = table["baseMean"] > 100
    return request.param, table[counted], adata.var.loc[counted, "log2_fold_change[condition=B]"]


def test_intervals_cover_as_often_as_estimated_dispersions_allow(tested):
    n, table, truth = tested
    inside = ((table["log2FoldChange"] - truth).abs() < stats.norm.isf(0.025) * table["lfcSE"]).mean()
    lowest = 1 - theory.rejections(0.05, theory.effective_df(2 * n - 2, SCATTER**2))
    error = theory.binomial_error(0.05, len(table))
    assert lowest - 4 * error < inside < 0.95 + 4 * error


def test_fold_changes_are_unbiased(tested):
    """All share the error of the size factors, a median of as many ratios; up against down takes it out."""
    _, table, truth = tested
    off = table["log2FoldChange"] - truth
    error = off.std() / np.sqrt(len(off))
    assert abs(off.mean()) < 4 * error * np.sqrt(1 + np.pi / 2)
    sizes = (np.sign(truth) * table["log2FoldChange"])[truth != 0]
    assert abs(sizes.mean() - 1) < 4 * sizes.std() / np.sqrt(len(sizes))
    assert np.sign(truth).sum() == pytest.approx(0, abs=0.1 * len(sizes))
