"""Intervals, power and what was changed: on claims of known quality, counted by settings, and on input that is none."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scomics_lite import calibration
from scomics_lite.simulate import bulk_counts
from scomics_lite.validation import InputError

GENES, N = 300, 10
KINDS = ["nothing", "mean", "sd", "both"]
TRUTH = {"of the mean": "mean", "of the sd": "log_sd"}


def normal_samples(rng, effect=1.0):
    """N values of every gene: a quarter each with another mean, another standard deviation, both, and neither."""
    kind = pd.Categorical(np.repeat(KINDS, GENES // 4), KINDS)
    genes = pd.DataFrame({"mean": effect * kind.isin(["mean", "both"]), "log_sd": 0.5 * kind.isin(["sd", "both"])})
    genes["changed"] = kind
    y = rng.normal(genes["mean"].to_numpy()[:, None], np.exp(genes["log_sd"].to_numpy()[:, None]), (GENES, N))
    return y, genes


def exact(y):
    """Student's t for the mean and chi-squared for the standard deviation, with their intervals at 95 %."""
    mean, sd = y.mean(axis=1), y.std(axis=1, ddof=1)
    error = sd / np.sqrt(N)
    reach = stats.t(N - 1).isf(0.025) * error
    of_mean = {"pvalue": 2 * stats.t(N - 1).sf(np.abs(mean / error)), "lower": mean - reach, "upper": mean + reach}
    squares = stats.chi2(N - 1)
    tail = np.minimum(squares.cdf((N - 1) * sd**2), squares.sf((N - 1) * sd**2))
    ends = {end: np.log(sd * np.sqrt((N - 1) / squares.ppf(q))) for end, q in (("lower", 0.975), ("upper", 0.025))}
    return {"of the mean": pd.DataFrame(of_mean), "of the sd": pd.DataFrame({"pvalue": 2 * tail, **ends})}


@pytest.fixture(scope="module")
def results():
    return calibration.study(normal_samples, exact, sets=40, rng=3, truth=TRUTH, keep="changed", progress=False)


# --- the study --------------------------------------------------------------------------------------------------------


def test_each_method_has_the_truth_that_it_asks_for(results):
    assert results.columns.tolist() == [
        "method", "set", "gene", "truth", "changed", "pvalue", "lower", "upper"
    ]  # fmt: skip
    _, genes = normal_samples(np.random.default_rng(3).spawn(40)[7])
    for method, column in TRUTH.items():
        found = results[(results["set"] == 7) & (results["method"] == method)]
        np.testing.assert_array_equal(found["truth"], genes[column])
        assert found["changed"].tolist() == genes["changed"].tolist()
    assert results["changed"].cat.categories.tolist() == KINDS


def test_columns_of_an_anndata_are_kept_too():
    def simulate(rng):
        return bulk_counts(["A"] * 3 + ["B"] * 3, 40, rng=rng)

    def analyse(adata):
        return np.full(adata.n_vars, 0.5)

    results = calibration.study(simulate, analyse, sets=2, rng=1, keep=["dispersion"], progress=False)
    adata = simulate(np.random.default_rng(1).spawn(2)[1])
    np.testing.assert_array_equal(results.loc[results["set"] == 1, "dispersion"], adata.var["dispersion"])


def test_a_study_without_new_columns_is_as_before():
    """One truth, nothing kept: the columns and their order are those that chapter 4 prints."""
    results = calibration.study(lambda rng: ([1.0], [0.0]), lambda p: p, sets=1, rng=1, progress=False)
    assert results.columns.tolist() == ["method", "set", "gene", "truth", "pvalue"]


BAD = {
    "a method without a truth": ({"truth": {"of the mean": "mean"}}, "truth says nothing of the method 'of the sd'"),
    "a truth that is not there": ({"truth": {"of the mean": "means"}}, "no column 'means'; did you mean 'mean'"),
    "no truth": ({"truth": None}, "say which one holds the true effects: truth=…"),
    "text as truth": ({"truth": "changed"}, "the true effects are finite numbers"),
    "keep": ({"keep": "change"}, "no column 'change' to keep; did you mean 'changed'"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_no_study_can_be_made_of(case):
    settings, message = BAD[case]
    with pytest.raises(InputError, match=message):
        calibration.study(normal_samples, exact, **{"sets": 1, "rng": 1, "truth": TRUTH, "progress": False, **settings})


def test_what_cannot_be_kept():
    def one(rng):
        return None, pd.DataFrame({"effect": [0.0], "pvalue": [1.0]})

    settings = {"sets": 1, "rng": 1, "progress": False}
    with pytest.raises(InputError, match="have a column 'pvalue' of their own; keep yours under another name"):
        calibration.study(one, lambda data: [0.5], truth="effect", keep="pvalue", **settings)
    with pytest.raises(InputError, match=r"keep=\['gc'\] names columns of a table; simulate gave true effects alone"):
        calibration.study(lambda rng: (None, [0.0]), lambda data: [0.5], keep="gc", **settings)


# --- intervals --------------------------------------------------------------------------------------------------------


def test_exact_intervals_hold_the_truth_as_often_as_they_say(results):
    table = calibration.coverage(results, by="truth")
    assert table[["method", "truth"]].to_numpy().tolist() == [
        ["of the mean", 0.0], ["of the mean", 1.0], ["of the sd", 0.0], ["of the sd", 0.5]
    ]  # fmt: skip
    assert (table["genes"] == 40 * GENES / 2).all()
    assert (np.abs(table["covered"] - 0.95) < 4 * table["covered_se"]).all()
    error = np.sqrt(0.025 * 0.975 / table["genes"])
    for side in ("truth_below", "truth_above"):
        assert (np.abs(table[side] - 0.025) < 4 * error).all()
    np.testing.assert_allclose(table["covered_se"], np.sqrt(2) * error, rtol=0.5)
    np.testing.assert_allclose(table[["covered", "truth_below", "truth_above"]].sum(axis=1), 1)


def test_coverage_by_hand():
    """Two sets with 1 of 2 and 4 of 4 intervals right: the share is 5/6, and the sets' residuals are -2/3 and 2/3."""
    first = pd.DataFrame({"set": 0, "truth": 1.0, "lower": [0.0, 1.5, np.nan], "upper": [1.0, np.inf, 3]})
    second = pd.DataFrame({"set": 1, "truth": 0.0, "lower": -np.inf, "upper": [0.0, 1, 2, np.inf]})
    (row,) = calibration.coverage(pd.concat([first, second]).assign(method="m")).to_dict("records")
    assert (row["genes"], row["missing"]) == (6, 1)
    assert row["covered"] == pytest.approx(5 / 6)
    assert row["truth_below"] == pytest.approx(1 / 6)
    assert row["truth_above"] == 0
    assert row["covered_se"] == pytest.approx(np.sqrt(2 * 2 * (2 / 3) ** 2) / 6)


def test_a_method_without_an_interval_covers_nothing():
    table = pd.DataFrame({"method": ["a", "b"], "set": 0, "truth": 1.0, "lower": [0.0, np.nan], "upper": 2.0})
    counted = calibration.coverage(table).set_index("method")
    assert counted.loc["a", "covered"] == 1
    assert np.isnan(counted.loc["b", "covered"])
    assert counted.loc["b", ["genes", "missing"]].tolist() == [0, 1]
    assert counted["covered_se"].isna().all()  # of one set nobody knows how much sets vary


def test_intervals_are_counted_in_bins(results):
    binned = results.assign(width=pd.cut(results["upper"] - results["lower"], [0, 0.5, 1, 10]))
    table = calibration.coverage(binned, by="width")
    assert table["genes"].sum() == len(results)
    whole = calibration.coverage(results)
    by_method = (table["covered"] * table["genes"]).groupby(table["method"], observed=True).sum()
    np.testing.assert_allclose(by_method, whole["covered"] * whole["genes"])


# --- power and what was changed ---------------------------------------------------------------------------------------


def test_power_is_that_of_the_t_distribution(results):
    found = calibration.power(results, levels=[0.05])
    of_mean = found[found["method"] == "of the mean"].iloc[0]
    t = stats.nct(N - 1, np.sqrt(N) / np.exp([0.0, 0.5]))
    critical = stats.t(N - 1).isf(0.025)
    expected = (t.sf(critical) + t.cdf(-critical)).mean()
    assert abs(of_mean["share"] - expected) < 4 * of_mean["share_se"]
    assert 0.002 < of_mean["share_se"] < 0.02


def test_power_counts_genes_without_a_p_value_as_missed():
    table = pd.DataFrame({"method": "m", "set": 0, "truth": [1.0, 1, 0], "pvalue": [0.01, np.nan, 0.01]})
    assert calibration.power(table, levels=[0.05])["share"].tolist() == [0.5]
    with pytest.raises(InputError, match="no gene has an effect, so there is nothing to be found"):
        calibration.power(table.assign(truth=0.0))


def test_a_test_calls_what_it_asks_for_and_keeps_its_level_elsewhere(results):
    table = calibration.confusion(results, "changed").set_index(["method", "changed"])
    assert table.index.tolist() == [(method, kind) for method in TRUTH for kind in KINDS]
    assert (table["level"] == 0.05).all()
    for method, own in (("of the mean", "mean"), ("of the sd", "sd")):
        other = "sd" if own == "mean" else "mean"
        elsewhere = table.loc[[(method, "nothing"), (method, other)]]
        assert (np.abs(elsewhere["share"] - 0.05) < 4 * elsewhere["share_se"]).all()
        assert table.loc[(method, own), "share"] > 0.4


def test_names_stand_in_the_order_in_which_they_come():
    kinds = ["zero", "mean", "dispersion"]
    table = pd.DataFrame({"method": "m", "set": 0, "truth": 0.0, "changed": kinds, "pvalue": [0.01, 0.5, np.nan]})
    counted = calibration.confusion(table, "changed", level=0.1)
    assert counted["changed"].tolist() == kinds
    assert counted["share"].tolist() == [1, 0, 0]  # without a p-value nothing is called


def test_settings_of_several_studies_are_counted_apart():
    parts = [
        calibration.study(
            lambda rng, effect=effect: normal_samples(rng, effect),
            lambda y: exact(y)["of the mean"],
            sets=3, rng=1, truth="mean", progress=False
        ).assign(effect=effect)
        for effect in (0.5, 1.0)
    ]  # fmt: skip
    joined = pd.concat(parts)
    for count in (calibration.power, calibration.pvalues):
        together = count(joined, levels=[0.01, 0.05], by="effect")
        assert together["effect"].tolist() == [0.5, 0.5, 1.0, 1.0]
        assert together["level"].tolist() == [0.01, 0.05] * 2
        apart = pd.concat([count(part, levels=[0.01, 0.05]) for part in parts], ignore_index=True)
        np.testing.assert_array_equal(together["share"], apart["share"])
        np.testing.assert_array_equal(together["share_se"], apart["share_se"])


def test_columns_to_count_by_that_are_not_there(results):
    for count in (calibration.power, calibration.pvalues, lambda results, by: calibration.coverage(results, by=by)):
        with pytest.raises(InputError, match="no column 'change' to count by; did you mean 'changed'"):
            count(results, by="change")
        with pytest.raises(InputError, match="methods and sets are always counted apart; leave 'set' out of by"):
            count(results, by=["changed", "set"])
    with pytest.raises(InputError, match="no column 'lower': no table of analyse had it"):
        calibration.coverage(results.drop(columns="lower"))
    with pytest.raises(InputError, match="levels lie between 0 and 1"):
        calibration.confusion(results, "changed", level=5)
