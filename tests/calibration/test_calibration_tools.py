"""The tools that compare claims with the truth: on claims whose quality is known, and on input that is none."""

import numpy as np
import pandas as pd
import pytest
from fixtures import theory
from scipy import stats

from scomics_lite import calibration, differential
from scomics_lite.empirical_bayes import ash
from scomics_lite.simulate import bulk_counts
from scomics_lite.validation import InputError

GENES, SPREAD = 2_000, 2.0  # standard deviation of the true effects, beside errors of 1


def normal_effects(rng):
    """Half of the genes have an effect; every estimate has the error 1."""
    truth = np.where(rng.random(GENES) < 0.5, 0.0, rng.normal(0, SPREAD, GENES))
    return truth + rng.normal(size=GENES), truth


def posterior(z, error=1.0):
    """Give the table of who knows the prior and takes the error for so much."""
    variance, slab = error**2, SPREAD**2 / (SPREAD**2 + error**2)
    density = [stats.norm.pdf(z, 0, np.sqrt(v)) for v in (variance, SPREAD**2 + variance)]
    alternative = density[1] / (density[0] + density[1])
    mean, sd = slab * z, np.sqrt(slab * variance)
    lfsr = 1 - alternative * stats.norm.cdf(np.abs(mean) / sd)
    order = np.argsort(lfsr)
    svalue = np.empty(len(z))
    svalue[order] = np.cumsum(lfsr[order]) / np.arange(1, len(z) + 1)
    return pd.DataFrame({"posterior_mean": alternative * mean, "lfsr": lfsr, "svalue": svalue})


def two_sided(z, error=1.0):
    pvalue = 2 * stats.norm.sf(np.abs(z) / error)
    return pd.DataFrame({"log2FoldChange": z, "pvalue": pvalue, "padj": stats.false_discovery_control(pvalue)})


def both(z):
    return {
        "honest": two_sided(z).join(posterior(z)),
        "eager": two_sided(z, 0.6).join(posterior(z, 0.6)),
    }


@pytest.fixture(scope="module")
def results():
    return calibration.study(normal_effects, both, sets=30, rng=7, progress=False)


# --- the study --------------------------------------------------------------------------------------------------------


def test_any_set_can_be_made_again(results):
    generator = np.random.default_rng(7).spawn(30)[11]
    z, truth = normal_effects(generator)
    again = results[(results["set"] == 11) & (results["method"] == "honest")]
    np.testing.assert_array_equal(again["truth"], truth)
    np.testing.assert_array_equal(again["pvalue"], two_sided(z)["pvalue"])


def test_a_generator_and_its_seed_give_the_same_study():
    first, second = (
        calibration.study(normal_effects, posterior, sets=2, rng=rng, progress=False)
        for rng in (3, np.random.default_rng(3))
    )
    pd.testing.assert_frame_equal(first, second)


def test_methods_stay_in_their_order_and_claim_what_they_claim():
    found = {"z": lambda z: two_sided(z)["pvalue"], "a": posterior}
    results = calibration.study(
        normal_effects, lambda z: {name: f(z) for name, f in found.items()}, sets=2, rng=1, progress=False
    )
    assert results["method"].cat.categories.tolist() == ["z", "a"]
    assert results.columns.tolist() == ["method", "set", "gene", "truth", "pvalue", "estimate", "lfsr", "svalue"]
    by_method = results.groupby("method", observed=True).count()
    assert by_method["pvalue"].tolist() == [2 * GENES, 0]
    assert by_method["lfsr"].tolist() == [0, 2 * GENES]


def test_studies_can_be_joined(results):
    z = calibration.study(normal_effects, lambda z: {"z": two_sided(z)}, sets=30, rng=7, progress=False)
    joined = calibration.false_discoveries(pd.concat([z, results]), levels=[0.1])
    assert joined["method"].tolist() == ["z", "honest", "eager"]
    assert joined["fdr"].iloc[0] == joined["fdr"].iloc[1]


def test_counts_from_simulation_to_table():
    def simulate(rng):
        return bulk_counts(["A"] * 3 + ["B"] * 3, 150, rng=rng)

    def analyse(adata):
        return differential.test(adata, "~ condition", ("condition", "B", "A"), progress=False)

    results = calibration.study(simulate, analyse, sets=2, rng=5, progress=False)
    adata = simulate(np.random.default_rng(5).spawn(2)[1])
    table, second = analyse(adata), results[results["set"] == 1].set_index("gene")
    np.testing.assert_array_equal(second["truth"], adata.var["log2_fold_change[condition=B]"])
    np.testing.assert_array_equal(second["estimate"], table["log2FoldChange"])
    np.testing.assert_array_equal(second["baseMean"], table["baseMean"])


def test_genes_that_a_method_left_out_make_no_claim():
    truth = pd.Series([0.0, 1.0, 0.0], index=["a", "b", "c"])
    results = calibration.study(
        lambda rng: (None, truth), lambda data: pd.Series({"c": 0.2, "a": 0.1}), sets=1, rng=1, progress=False
    )
    assert results["gene"].tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(results["pvalue"], [0.1, np.nan, 0.2])


def test_the_result_of_ash_is_a_table():
    def analyse(z):
        result = ash(z, np.ones(GENES), mixture="normal")
        return {"as it is": result, "its table": result.to_frame()}

    results = calibration.study(normal_effects, analyse, sets=1, rng=1, progress=False)
    first, second = (
        found.drop(columns="method").reset_index(drop=True) for _, found in results.groupby("method", observed=True)
    )
    pd.testing.assert_frame_equal(first, second)
    assert {"estimate", "lfsr", "svalue"} <= set(first)


def test_the_shrunken_estimate_comes_first():
    table = pd.DataFrame({"log2FoldChange": [4.0], "shrunken": [1.0]})
    results = calibration.study(lambda rng: (None, [1.0]), lambda data: table, sets=1, rng=1, progress=False)
    assert results["estimate"].tolist() == [1.0]


def test_one_of_several_truths_is_chosen_by_its_name():
    def simulate(rng):
        return bulk_counts(pd.DataFrame({"a": list("xxyy"), "b": list("xyxy")}), 50, changed_fraction=0.5, rng=rng)

    def pvalues(adata):
        return np.full(adata.n_vars, 0.5)

    with pytest.raises(InputError, match=r"several true effects.*truth='log2_fold_change\[a=y\]'"):
        calibration.study(simulate, pvalues, sets=1, rng=1, progress=False)
    name = "log2_fold_change[b=y]"
    results = calibration.study(simulate, pvalues, sets=1, rng=1, truth=name, progress=False)
    np.testing.assert_array_equal(results["truth"], simulate(np.random.default_rng(1).spawn(1)[0]).var[name])


# --- the counts -------------------------------------------------------------------------------------------------------


def test_true_pvalues_are_uniform_and_eager_ones_as_eager_as_they_are(results):
    shares = calibration.pvalues(results, levels=(0.01, 0.05))
    assert shares["method"].tolist() == ["honest"] * 2 + ["eager"] * 2
    assert shares["level"].tolist() == [0.01, 0.05] * 2
    eager = 2 * stats.norm.sf(0.6 * stats.norm.isf(shares["level"] / 2))
    expected = np.where(shares["method"] == "honest", shares["level"], eager)
    assert (np.abs(shares["share"] - expected) < 4 * shares["share_se"]).all()
    nulls = (results["truth"] == 0).sum() / 2
    np.testing.assert_allclose(shares["share_se"], theory.binomial_error(expected, nulls), rtol=0.6)


def test_uniformity_tells_true_from_eager_pvalues(results):
    tests = calibration.uniformity(results)
    honest, eager = (tests[tests["method"] == name] for name in ("honest", "eager"))
    assert len(honest) == len(eager) == 30
    assert stats.kstest(honest["pvalue"], "uniform").pvalue > 0.01
    assert (eager["pvalue"] < 1e-6).all()
    one = results[(results["method"] == "eager") & (results["set"] == 3) & (results["truth"] == 0)]["pvalue"]
    assert eager["distance"].iloc[3] == stats.kstest(one, "uniform").statistic


def test_benjamini_and_hochberg_keep_half_of_what_they_promise(results):
    """With independent tests the rate is the level times the share of genes without an effect, here a half."""
    rates = calibration.false_discoveries(results, levels=(0.05, 0.2))
    honest = rates[rates["method"] == "honest"]
    assert (np.abs(honest["fdr"] - honest["level"] / 2) < 4 * honest["fdr_se"]).all()
    eager = rates[rates["method"] == "eager"]
    assert (eager["fdr"].to_numpy() > honest["fdr"].to_numpy()).all()
    assert (eager["power"].to_numpy() > honest["power"].to_numpy()).all()


def test_false_discoveries_by_hand():
    rows = [("m", 0, 1, 0.01), ("m", 0, 0, 0.02), ("m", 0, 1, np.nan), ("m", 1, 1, 0.3), ("m", 1, 0, 0.5)]
    table = pd.DataFrame(rows, columns=["method", "set", "truth", "padj"])
    (row,) = calibration.false_discoveries(table, levels=[0.1]).to_dict("records")
    assert row == {
        "method": "m", "level": 0.1, "fdr": 0.25, "fdr_se": 0.25, "power": 0.25, "power_se": 0.25, "calls": 1.0
    }  # fmt: skip


def test_there_is_no_power_where_nothing_differs():
    table = pd.DataFrame({"method": "m", "set": [0, 0], "truth": 0.0, "padj": [0.01, 0.5]})
    rates = calibration.false_discoveries(table, levels=[0.1])
    assert rates["fdr"].item() == 1
    assert np.isnan(rates["power"].item())


def test_the_true_posterior_errs_as_often_as_it_says(results):
    errors = calibration.sign_errors(results)
    honest, eager = (errors[errors["method"] == name] for name in ("honest", "eager"))
    assert honest["genes"].sum() == 30 * GENES
    assert (np.abs(honest["observed"] - honest["claimed"]) < 4 * honest["observed_se"]).all()
    small = eager[eager["upper"] <= 0.1]
    assert (small["observed"] > small["claimed"] + 4 * small["observed_se"]).all()


def test_sign_errors_by_hand():
    """Two sets of 1 of 2 and 0 of 4 errors: the share is 1/6, and the sets' residuals are 2/3 and -2/3."""
    first = pd.DataFrame({"set": 0, "truth": [1.0, 0.0], "estimate": [0.5, 0.5], "lfsr": [0.1, 0.3]})
    second = pd.DataFrame({"set": 1, "truth": -1.0, "estimate": -2.0, "lfsr": [0.1, 0.2, 0.3, 0.2]})
    table = pd.concat([first, second]).assign(method="m")
    (row,) = calibration.sign_errors(table, bins=[0, 0.05, 1]).to_dict("records")
    assert (row["lower"], row["upper"], row["genes"]) == (0.05, 1, 6)
    assert row["claimed"] == pytest.approx(1.2 / 6)
    assert row["observed"] == pytest.approx(1 / 6)
    assert row["observed_se"] == pytest.approx(np.sqrt(2 * 2 * (2 / 3) ** 2) / 6)


def test_edges_belong_to_the_bin_below():
    table = pd.DataFrame({"method": "m", "set": 0, "truth": 1.0, "estimate": 1.0, "lfsr": [0.0, 0.1, 0.2, 1.0]})
    errors = calibration.sign_errors(table, bins=[0, 0.1, 0.5])  # the last gene lies outside
    assert errors["genes"].tolist() == [2, 1]
    assert errors["observed_se"].isna().all()  # of one set nobody knows how much sets vary


def test_a_sign_is_wrong_if_it_is_the_other_or_if_there_is_none():
    truth, estimate = [1.0, -1, 0, 1, 0], [2.0, 2, 2, 0, 0]
    table = pd.DataFrame(
        {"method": "m", "set": 0, "truth": truth, "estimate": estimate, "lfsr": [0.1, 0.2, 0.3, 0.4, 0.5]}
    )
    errors = calibration.sign_errors(table, bins=[0, 0.15, 0.25, 0.35, 0.45, 1])
    assert errors["observed"].tolist() == [0, 1, 1, 1, 1]


def test_the_true_posterior_keeps_its_false_sign_rate(results):
    rates = calibration.false_signs(results, levels=(0.05, 0.2))
    honest, eager = (rates[rates["method"] == name] for name in ("honest", "eager"))
    assert (np.abs(honest["fsr"] - honest["level"]) < 4 * honest["fsr_se"] + 2 / honest["calls"]).all()
    assert (eager["fsr"].to_numpy() > honest["fsr"].to_numpy() + 4 * honest["fsr_se"].to_numpy()).all()


# --- input that is none -----------------------------------------------------------------------------------------------

BAD_STUDIES = {
    "sets": (lambda rng: ([1], [0.0]), lambda d: d, {"sets": 0}, "sets is how many"),
    "seed": (lambda rng: ([1], [0.0]), lambda d: d, {"rng": "one"}, "rng must be a number"),
    "no truth": (lambda rng: 3, lambda d: d, {}, "gives an AnnData, or data and true effects; got int"),
    "text as truth": (lambda rng: ([1], ["up"]), lambda d: d, {}, "finite numbers"),
    "missing truth": (lambda rng: ([1], [np.nan]), lambda d: d, {}, "finite numbers"),
    "column and truth": (lambda rng: ([1], [0.0]), lambda d: d, {"truth": "x"}, "simulate gave the true effects"),
    "length": (lambda rng: ([1], [0.0]), lambda d: [0.1, 0.2], {}, r"a table or 1 p-values; got list \(2,\)"),
    "genes": (lambda rng: ([1], [0.0]), lambda d: pd.Series({"Abc": 0.1}), {}, "gene 'Abc', which the truth has not"),
    "twice": (lambda rng: ([1], [0.0]), lambda d: pd.Series([0.1, 0.2], index=[0, 0]), {}, "a gene twice"),
    "columns": (lambda rng: ([1], [0.0]), lambda d: pd.DataFrame({"p": [1.0]}), {}, "none of the columns.*pvalue"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_STUDIES)
def test_what_no_study_can_be_made_of(case):
    simulate, analyse, settings, message = BAD_STUDIES[case]
    with pytest.raises(InputError, match=message):
        calibration.study(simulate, analyse, **{"sets": 1, "rng": 1, "progress": False, **settings})


def test_a_column_that_var_has_not():
    def simulate(rng):
        return bulk_counts(list("AABB"), 20, rng=rng)

    with pytest.raises(InputError, match=r"no column 'log2FC'; .*Known: .*log2_fold_change\[condition=B\]"):
        calibration.study(simulate, None, sets=1, rng=1, truth="log2FC", progress=False)

    def without(rng):
        adata = simulate(rng)
        del adata.var["log2_fold_change[condition=B]"]
        return adata

    with pytest.raises(InputError, match="say which one holds the true effects"):
        calibration.study(without, None, sets=1, rng=1, progress=False)


def test_an_error_says_which_set_it_is_from():
    def analyse(z):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        calibration.study(normal_effects, analyse, sets=3, rng=1, progress=False)
    assert caught.value.__notes__ == ["in set 0, whose rng is np.random.default_rng(rng).spawn(3)[0]"]


def test_counts_that_need_what_is_not_there(results):
    with pytest.raises(InputError, match="no column 'lfsr': no table of analyse had it"):
        calibration.sign_errors(results.drop(columns="lfsr"))
    with pytest.raises(InputError, match="the table that study gives; got list"):
        calibration.pvalues([0.1])
    with pytest.raises(InputError, match="no gene without an effect"):
        calibration.pvalues(results[results["truth"] != 0])
    for levels in (0.0, [], [0.1, 1.0], [[0.1]]):
        with pytest.raises(InputError, match="levels lie between 0 and 1"):
            calibration.pvalues(results, levels=levels)
    for bins in (0.5, [0.1], [0.2, 0.1]):
        with pytest.raises(InputError, match="edges that rise"):
            calibration.sign_errors(results, bins=bins)
