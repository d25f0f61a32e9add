"""Trends of dispersions and the spread around them: closed forms, known truth, and DESeq2's for the same points.

The tables are described in tests/reference/README.md: 300 experiments of all depths, and 160 tables of 2 to 11 genes.
Whether a curve fits is decided as in R in all of them. Largest differences: parametric 7e-14; local 8e-6, of six genes
(median 2e-9: locfit ends its search for eigenvalues at 3e-8); trends of few genes 3e-7, dispersions after it 3e-3 in
one gene, where DESeq2's climb stops within 1e-6 of the top and not on it.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scomics_lite import differential
from scomics_lite.dispersion import estimate, trend
from scomics_lite.normalization import size_factors
from scomics_lite.validation import InputError

FOLDER = Path(__file__).parents[1] / "reference"
SAMPLES = [f"s{number}" for number in range(6)]
DESIGN = pd.DataFrame({"Intercept": 1.0, "b": [0, 0, 0, 1, 1, 1]}, index=SAMPLES)


def read(name):
    return pd.read_csv(FOLDER / name, sep="\t", dtype={"case": str}, float_precision="round_trip")


def fitted(fit, points):
    """What a kind of trend makes of the points, None where it stops."""
    try:
        return fit(points["mean"], points["dispersion"])
    except trend.NoTrendError:
        return None


def relative(ours, theirs):
    return np.abs(np.asarray(ours) / np.asarray(theirs) - 1)


# --- the parametric trend ---------------------------------------------------------------------------------------------


def test_the_parametric_trend_finds_the_curve_and_leaves_strays_out():
    means = np.random.default_rng(5).lognormal(4, 2, 5_000)
    noise = np.random.default_rng(6).chisquare(8, 5_000) / 8
    strays = np.where(np.arange(5_000) % 50 == 0, 1e4, 1)
    found = trend.parametric_trend(means, (0.05 + 3 / means) * noise * strays)
    assert found.asymptotic == pytest.approx(0.05, rel=0.1)
    assert found.extra_poisson == pytest.approx(3, rel=0.1)
    np.testing.assert_allclose(found([1, 10]), found.asymptotic + found.extra_poisson / np.array([1, 10]))


CASES = {  # points to which R fits a curve after halving steps or more than 25 of them; R's digits
    "sixteen means": (
        [3.08, 5.99, 89.92, 20.16, 0.93, 7.63, 3.2, 9.53, 0.96, 10.92, 10.82, 78.83, 12.18, 16.19, 1.09, 217.13],
        [0.3, 1.29, 0.0388, 0.0991, 2.38, 0.293, 1.44, 0.349, 10.3, 0.0918, 0.333, 0.0291, 0.512, 0.0514, 2.53, 0.0303],
        (0.00586860356930766, 3.54746551965028),
    ),
    "six means": (
        [2, 3, 9, 20, 94, 110],
        [5.0397, 0.5736, 0.2856, 0.0583, 0.0447, 0.0582],
        (0.008640630051, 4.009034710786),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_curve_does_not_give_up_where_r_goes_on(case):
    means, dispersions, (asymptotic, extra_poisson) = CASES[case]
    found = trend.parametric_trend(means, dispersions)
    assert found.asymptotic == pytest.approx(asymptotic, rel=1e-10)
    assert found.extra_poisson == pytest.approx(extra_poisson, rel=1e-10)


def test_every_depth_has_the_trends_that_r_fits():
    points, results = read("trend_points.tsv.gz"), read("trend_results.tsv.gz").set_index("case")
    curves = {case: fitted(trend.parametric_trend, table) for case, table in points.groupby("case")}
    fits = results["asymptotic"].notna()
    assert fits.sum() == 257
    assert all((curves[case] is not None) == fits[case] for case in results.index)
    ours = [(curves[case].asymptotic, curves[case].extra_poisson) for case in results.index[fits]]
    assert relative(ours, results.loc[fits, ["asymptotic", "extra_poisson"]]).max() < 1e-12
    away = []
    for case, table in points.groupby("case"):
        at = [table["mean"].min() / 2, *table["mean"].quantile([0, 0.25, 0.5, 0.75, 1]), 2 * table["mean"].max()]
        theirs = results.loc[case, [f"local{number}" for number in range(1, 8)]].astype(float)
        away.append(relative(fitted(trend.local_trend, table)(at), theirs))
    assert np.max(away) < 1e-5
    assert np.median(away) < 1e-8


@pytest.mark.parametrize(
    ("means", "dispersions"),
    [
        ([1.0, 10, 100, 1_000], [0.1, 1, 5, 9]),  # rises
        ([1.0, 10, 100, 1_000], [3.0, 0.01, 9e-4, 8e-6]),  # falls faster than 1 / mean
        ([7.0, 7, 7, 7], [0.1, 0.2, 0.3, 0.4]),  # two coefficients from one mean
        ([7.0], [0.1]),
        ([1.0, 10, 100], [1e-5, 1e-6, 1e-7]),  # no gene near where the search begins
    ],
)
def test_a_trend_that_cannot_be_positive_is_refused(means, dispersions):
    with pytest.raises(trend.NoTrendError, match=f"of these {len(means)} genes"):
        trend.parametric_trend(means, dispersions)


def test_the_rounds_come_to_an_end(monkeypatch):
    """A regression that never converges gives coefficients all the same; eleven of them are enough."""
    deviance, rounds = iter(range(10_000)), []
    monkeypatch.setattr(trend, "_gamma_deviance", lambda y, mu: next(deviance))
    one = trend._gamma_regression
    monkeypatch.setattr(trend, "_gamma_regression", lambda *args: rounds.append(1) or one(*args))
    means = np.geomspace(1, 100, 20)
    with pytest.raises(trend.NoTrendError, match="20 genes"):
        trend.parametric_trend(means, 0.1 + 1 / means)
    assert len(rounds) == 11


# --- the local and the mean trend -------------------------------------------------------------------------------------


def test_the_local_trend_follows_a_curve():
    means = np.random.default_rng(9).lognormal(4, 2, 3_000)
    noise = np.random.default_rng(10).chisquare(8, 3_000) / 8

    def curve(means):
        return np.exp(-2 - 0.5 * np.log(means) + 0.05 * np.log(means) ** 2)

    found = trend.local_trend(means, curve(means) * noise)
    bias = np.log(noise).mean()
    at = np.geomspace(*np.quantile(means, [0.01, 0.99]), 20)
    assert np.abs(np.log(found(at) / curve(at)) - bias).max() < 0.15
    assert repr(found).startswith("LocalTrend(means ")
    exact = trend.local_trend(means, curve(means))  # a parabola is its own local parabola, and goes on as one
    np.testing.assert_allclose(exact(np.geomspace(1e-6, 1e8, 30)), curve(np.geomspace(1e-6, 1e8, 30)), rtol=1e-6)


def test_genes_of_one_mean_have_their_geometric_mean_as_trend():
    found = trend.local_trend([5.0, 5, 5], [0.1, 0.2, 0.4])
    np.testing.assert_allclose(found([1, 5, 100]), 0.2)


@pytest.mark.parametrize("means", [[3.0, 30.0], [5.0] * 7 + [10, 20, 40], [1.0, 2, 3] + [50.0] * 8])
def test_the_local_trend_stops_where_locfit_does(means):
    """R says "newsplit: out of vertex space" of these."""
    with pytest.raises(trend.NoTrendError, match=f"of these {len(means)} genes: they are two, or too many share"):
        trend.local_trend(means, np.linspace(0.1, 0.5, len(means)))


def test_ties_that_leave_room_are_none_of_its_business():
    """R's locfit of the same: local at 1, 3, 5 and 20, ties among them."""
    means = np.array([1, 1, 1, 3, 3, 3, 5, 5, 8, 20, 20, 30.0])
    dispersions = np.array([2, 1.5, 1.2, 0.9, 0.8, 0.7, 0.5, 0.45, 0.3, 0.2, 0.25, 0.15])
    theirs = [1.53261886479, 0.773108788321, 0.474341648991, 0.215795202369]
    np.testing.assert_allclose(trend.local_trend(means, dispersions)([1, 3, 5, 20]), theirs, rtol=1e-6)


def test_the_mean_trend():
    assert trend.mean_trend([0.25, 0.5, 0.75])([1, 2]).tolist() == [0.5, 0.5]


# --- which trend is taken ---------------------------------------------------------------------------------------------


def test_where_a_trend_fails_the_next_helps(monkeypatch):
    rng = np.random.default_rng(1)
    counts = rng.negative_binomial(2, 0.02, (6, 40))
    local, mean = (estimate(counts, DESIGN.to_numpy(), np.ones(6), trend=kind) for kind in ("local", "mean"))
    assert isinstance(local.trend, trend.LocalTrend)

    def refuse(means, dispersions):
        raise trend.NoTrendError("no")

    monkeypatch.setattr(trend, "parametric_trend", refuse)
    with pytest.warns(UserWarning, match="no. Taking trend='local' instead"):
        found = estimate(counts, DESIGN.to_numpy(), np.ones(6))
    assert (found.trended == local.trended).all()
    monkeypatch.setattr(trend, "local_trend", refuse)
    with pytest.warns(UserWarning, match=r"Taking trend='(local|mean)' instead") as warned:
        found = estimate(counts, DESIGN.to_numpy(), np.ones(6))
    assert len(warned) == 2
    assert (found.trended == mean.trended).all()


def few_genes():
    """Counts as a frame and DESeq2's results, by case."""
    counts, results = read("few_counts.tsv.gz"), dict(list(read("few_results.tsv.gz").groupby("case")))
    for case, table in counts.groupby("case"):
        matrix = np.array([row.split(",") for row in table["counts"]], dtype=int).T
        yield pd.DataFrame(matrix, SAMPLES, [f"g{gene}" for gene in table["gene"]]), results[case]


KINDS = {"parametric": trend.ParametricTrend, "local": (trend.LocalTrend, trend.MeanTrend), "stops": trend.MeanTrend}


@pytest.mark.filterwarnings("ignore:no (curve|smooth):UserWarning")
def test_few_genes_are_analysed_wherever_deseq2_does():
    """Where DESeq2 stops, and where its user would turn to fitType="mean", that is what happens here."""
    kinds, trends, ends, pvalues = [], [], [], []
    for counts, theirs in few_genes():
        kind = theirs["kind"].iloc[0]
        kinds.append(kind)
        if kind == "nothing":
            with pytest.raises(InputError, match="varies more than Poisson counts would"):
                estimate(counts, DESIGN, size_factors(counts))
            continue
        ours = estimate(counts, DESIGN, size_factors(counts))
        assert isinstance(ours.trend, KINDS[kind])
        assert ours.prior_variance == pytest.approx(theirs["prior_variance"].iloc[0], rel=1e-9)
        trends.append(relative(ours.trended, theirs["dispFit"].clip(*np.exp(trend.FARTHEST))).max())
        ends.append(relative(ours.final, theirs["dispersion"]).max())
        if len(pvalues) < len(kinds) / 3:  # each takes as long again
            table = differential.test(counts, DESIGN, [0, 1], progress=False)
            pvalues.append(np.abs(table["pvalue"].to_numpy() - theirs["pvalue"].to_numpy()).max())
    assert pd.Series(kinds).value_counts().to_dict() == {"parametric": 76, "local": 66, "stops": 16, "nothing": 2}
    assert np.max(trends) < 1e-6
    assert np.max(ends) < 5e-3
    assert np.median(ends) < 1e-9
    assert np.nanmax(pvalues) < 1e-3


@pytest.mark.filterwarnings("ignore:no (curve|smooth):UserWarning")
def test_the_ways_out_that_errors_name_are_there():
    tied = pd.DataFrame(np.tile([[5], [9], [2], [8], [4], [8]], (1, 12)), SAMPLES, [f"g{i}" for i in range(12)])
    tied.iloc[:, 9:] = np.random.default_rng(2).negative_binomial(2, 0.02, (6, 3))
    settings = {"size_factors": np.ones(6), "progress": False}
    with pytest.raises(InputError, match="trend='mean' is one value for all"):
        differential.test(tied, DESIGN, [0, 1], trend="local", **settings)
    for kind in ("mean", "parametric"):
        assert differential.test(tied, DESIGN, [0, 1], trend=kind, **settings)["pvalue"].notna().all()
    same = pd.DataFrame(np.tile(np.arange(20, 320, 10), (6, 1)), SAMPLES)
    with pytest.raises(InputError, match=r"differential.test\(…, method='ql'\) takes them, and glm.fit"):
        differential.test(same, DESIGN, [0, 1], **settings)
    assert differential.test(same, DESIGN, [0, 1], method="ql", progress=False)["pvalue"].notna().any()


# --- the prior variance -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("residual_df", [1, 2, 3, 4, 10])
@pytest.mark.parametrize("variance", [0.5, 1.0, 2.0])
def test_the_prior_variance_is_recovered(residual_df, variance):
    rng = np.random.default_rng(7)
    log_residuals = np.log(rng.chisquare(residual_df, 40_000) / residual_df) + rng.normal(0, variance**0.5, 40_000)
    tolerance = 0.35 if residual_df < 4 else 0.15  # smoothing and bins of 0.5; a median deviation of skewed values
    assert trend.prior_variance(log_residuals, residual_df) == pytest.approx(variance, abs=tolerance)


def test_the_prior_variance_has_a_floor():
    assert trend.prior_variance(np.random.default_rng(8).normal(0, 0.1, 1_000), 8) == 0.25


def test_the_bins_of_the_histogram_hold_their_upper_edges():
    edges = np.linspace(-10, 10, 41)
    found = trend._histogram(np.array([-11, -10, -9.5, -1, 0, 1e-9, 2, 10, 12]), edges)
    bins = edges[1:][found > 0]
    np.testing.assert_allclose(bins, [-9.5, -1, 0, 2])
    np.testing.assert_allclose(found[found > 0], np.array([1, 1, 2, 1]) / 5 / 0.5)
    assert trend.prior_variance([-1, 0, 1, 2], 2) == pytest.approx(0.7767767767767768)  # DESeq2's


def test_the_prior_variance_is_within_the_noise_of_deseq2_s():
    """DESeq2 draws random numbers for up to 3 residual degrees of freedom; eleven seeds give a range."""
    table = read("prior_variances.tsv.gz")
    residuals = [np.array(row.split(","), dtype=float) for row in table["residuals"]]
    ours = np.array([trend.prior_variance(*one) for one in zip(residuals, table["residual_df"], strict=True)])
    drawn = table["residual_df"] <= 3
    np.testing.assert_allclose(ours[~drawn], table.loc[~drawn, "deseq2"], rtol=1e-9)
    assert drawn.sum() == 37
    assert ((ours > table["low"] - 1e-9) & (ours < table["high"] + 1e-9))[drawn].all()
    assert (ours - table["mean"])[drawn].abs().mean() < 0.05
