"""Intervals, nested models, the test of pi = 0, and what a condition changes: against brute force and simulation."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from scomics_lite import zero_inflation as zi
from scomics_lite.validation import InputError

ONES = {n: np.ones((n, 1)) for n in (80, 100, 150, 200, 300)}


def best_by_simplex(y, pi=None, phi=None, mu=None):
    """Maximise the log likelihood of one gene over what is not given, by scipy's simplex from several places."""
    held = {"mu": mu, "phi": phi, "pi": pi}
    free = [name for name, value in held.items() if value is None]
    scales = {"mu": np.exp, "phi": lambda t: np.exp(np.clip(t, -18, 12)), "pi": lambda t: 1 / (1 + np.exp(-t))}

    def lacking(t):
        at = held | {name: scales[name](value) for name, value in zip(free, t, strict=True)}
        return -zi.log_likelihood(y, at["mu"], at["phi"], at["pi"]).sum()

    starts = {"mu": [np.log(y.mean() + 0.1), np.log(y[y > 0].mean())], "phi": [-5.0, 0.0], "pi": [-3.0, 0.0]}
    corners = np.array(np.meshgrid(*[starts[name] for name in free])).reshape(len(free), -1).T
    settings = {"xatol": 1e-8, "fatol": 1e-10, "maxiter": 4_000}
    return max(-optimize.minimize(lacking, corner, method="Nelder-Mead", options=settings).fun for corner in corners)


CASES = [
    (1, 0.3, 0.3, 200),
    (20, 0.3, 0.3, 100),
    (0.3, 1, 0.0, 300),
    (3, 1, 0.5, 80),
    (5, 0.01, 0.2, 80),
    (0.5, 2, 0.2, 150),
]


@pytest.mark.parametrize(("mu", "phi", "pi", "n"), CASES)
def test_interval_ends_are_where_the_profile_has_fallen_by_the_quantile(mu, phi, pi, n):
    y = zi.sample(mu, phi, pi, rng=5, size=(n, 1))
    fitted = zi.fit(y, ONES[n], progress=False)
    highest = best_by_simplex(y[:, 0])
    assert fitted.log_likelihood[0] == pytest.approx(max(highest, best_by_simplex(y[:, 0], pi=0.0)), abs=1e-5)
    for parameter, level in (("pi", 0.95), ("dispersion", 0.95), ("pi", 0.8)):
        interval = zi.profile_interval(fitted, parameter, level).iloc[0]
        quantile = stats.chi2.ppf(level, 1)
        for end, open_at in (("lower", 0), ("upper", np.inf)):
            if interval[end] == open_at:  # nowhere so low
                value = {"pi": 1e-6, "dispersion": 1e-6 if end == "lower" else 1e5}[parameter]
                fall = 2 * (fitted.log_likelihood[0] - best_by_simplex(y[:, 0], **{_name(parameter): value}))
                assert fall < quantile + 1e-3
            else:
                fall = 2 * (fitted.log_likelihood[0] - best_by_simplex(y[:, 0], **{_name(parameter): interval[end]}))
                assert fall == pytest.approx(quantile, abs=0.01)


def _name(parameter):
    return {"pi": "pi", "dispersion": "phi"}[parameter]


def test_the_profile_is_highest_at_the_estimate_and_agrees_with_the_interval():
    y = zi.sample([20.0, 4.0], 0.3, 0.3, rng=1, size=(200, 2))
    fitted = zi.fit(y, ONES[200], progress=False)
    interval = zi.profile_interval(fitted, "pi")
    for gene in (0, 1):
        values = interval.loc[gene, ["lower", "estimate", "upper"]].astype(float)
        heights = zi.profile_log_likelihood(fitted, "pi", values)[gene] - fitted.log_likelihood[gene]
        np.testing.assert_allclose(heights, [-1.9207, 0, -1.9207], atol=2e-3)


def test_intervals_of_coefficients_are_near_walds_where_there_is_much_to_go_by():
    rng = np.random.default_rng(2)
    design = pd.DataFrame({"Intercept": 1.0, "B": np.repeat([0.0, 1], 1_000)})
    y = zi.sample(20.0, 0.3, 0.3, rng, size=(2_000, 3))
    fitted = zi.fit(y, design, zero_design=design, progress=False)
    for parameter in (("mean", "B"), ("zero", "B")):
        interval = zi.profile_interval(fitted, parameter)
        wald = (
            fitted.estimates[parameter].to_numpy()[:, None]
            + 1.96 * np.array([-1, 1]) * fitted.standard_errors[parameter].to_numpy()[:, None]
        )
        np.testing.assert_allclose(interval[["lower", "upper"]], wald, atol=0.01)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e5])
def test_intervals_follow_the_units_of_a_covariate(unit):
    dose = np.random.default_rng(3).normal(size=200)
    y = zi.sample(np.exp(2 + 0.5 * dose)[:, None], 0.3, [0.0, 0.3], rng=4, size=(200, 2))
    ends = []
    for scale in (1.0, unit):
        design = pd.DataFrame({"Intercept": 1.0, "dose": scale * dose})
        fitted = zi.fit(y, design, zero_design=design, progress=False)
        for part in ("mean", "zero"):
            ends.append(scale * zi.profile_interval(fitted, (part, "dose"))[["lower", "upper"]].to_numpy())
    np.testing.assert_allclose(ends[2], ends[0], atol=1e-3)
    np.testing.assert_allclose(ends[3], ends[1], atol=1e-2)


def test_a_group_without_counts_has_an_interval_open_on_one_side():
    y = zi.sample(5.0, 0.2, 0.0, rng=1, size=(200, 1))
    y[100:] = 0
    design = pd.DataFrame({"Intercept": 1.0, "B": np.repeat([0.0, 1], 100)})
    interval = zi.profile_interval(zi.fit(y, design, model="nb", progress=False), ("mean", "B")).iloc[0]
    assert interval["lower"] == -np.inf
    assert -6 < interval["upper"] < -3  # e^-x of a group's 500 counts: ln(1.92 / 500) = -5.6, less what phi allows


def test_parameters_that_do_not_exist_are_named():
    design = pd.DataFrame({"Intercept": 1.0, "B": np.repeat([0.0, 1], 40)})
    fitted = zi.fit(zi.sample(5.0, 0.5, 0.3, 1, (80, 1)), design, zero_design=design, progress=False)
    with pytest.raises(InputError, match=r"cells do not share one pi; name a coefficient: \('zero', 'Intercept'\)"):
        zi.profile_interval(fitted, "pi")
    with pytest.raises(InputError, match=r"the fit has no parameter \('mean', 'b'\); did you mean"):
        zi.profile_interval(fitted, ("mean", "b"))
    with pytest.raises(InputError, match="the fit has no parameter 3"):
        zi.profile_interval(fitted, 3)
    with pytest.raises(InputError, match="level lies between 0 and 1; got 95"):
        zi.profile_interval(fitted, ("zero", "B"), 95)


# --- tests ------------------------------------------------------------------------------------------------------------


def test_half_of_the_genes_without_inflation_have_no_statistic_and_the_other_half_are_chi_squared():
    y = zi.sample(np.full(600, 5.0), 0.4, 0.0, rng=3, size=(200, 600))
    table = zi.inflation_test(zi.fit(y, ONES[200], progress=False))
    assert table["stat"].eq(0).mean() == pytest.approx(0.5, abs=0.07)
    assert (table.loc[table["stat"] == 0, "pvalue"] == 1).all()
    assert (table["pvalue"] < 0.05).mean() == pytest.approx(0.05, abs=0.025)
    positive = table.loc[table["stat"] > 0]
    np.testing.assert_allclose(positive["pvalue"], stats.chi2.sf(positive["stat"], 1) / 2)


def test_with_a_covariate_the_bootstrap_holds_where_the_mixture_does_not():
    covariate = np.random.default_rng(1).normal(size=100)
    design = pd.DataFrame({"Intercept": 1.0, "covariate": covariate})
    y = zi.sample(np.full(60, 3.0), 0.4, 0.0, rng=4, size=(100, 60))
    fitted = zi.fit(y, np.ones((100, 1)), zero_design=design, progress=False)
    table = zi.inflation_test(fitted, replicates=39, rng=1, progress=False)
    naive = stats.chi2.sf(table["stat"], 1) / 2
    assert (naive < 0.1).mean() > 0.18
    assert (table["pvalue"] < 0.1).mean() < 0.22
    assert stats.kstest(table["pvalue"][table["pvalue"] < 1], "uniform").pvalue > 0.001


def test_real_inflation_is_found_by_the_bootstrap_too():
    design = pd.DataFrame({"Intercept": 1.0, "B": np.repeat([0.0, 1], 100)})
    y = zi.sample(20.0, 0.3, np.repeat([0.1, 0.4], 100)[:, None], rng=4, size=(200, 5))
    table = zi.inflation_test(
        zi.fit(y, design, zero_design=design, progress=False), replicates=19, rng=1, progress=False
    )
    np.testing.assert_allclose(table["pvalue"], 1 / 20)
    np.testing.assert_allclose(table["zero_probability"], 0.25, atol=0.07)


def test_the_bootstrap_asks_for_a_seed_and_the_test_for_structural_zeros():
    design = pd.DataFrame({"Intercept": 1.0, "B": np.repeat([0.0, 1], 50)})
    y = zi.sample(20.0, 0.3, 0.2, rng=4, size=(100, 2))
    with pytest.raises(InputError, match="give rng=1, or any number"):
        zi.inflation_test(zi.fit(y, design, zero_design=design, progress=False))
    with pytest.raises(InputError, match="only a zinb has structural zeros to be tested"):
        zi.inflation_test(zi.fit(y, design, model="hurdle", progress=False))


def nested(n=200, genes=40, rng=1):
    design = pd.DataFrame({"Intercept": 1.0, "B": np.repeat([0.0, 1], n // 2)})
    return zi.sample(10.0, 0.4, 0.3, rng, size=(n, genes)), design


def test_degrees_of_freedom_are_the_dimensions_of_all_three_designs():
    y, both = nested(genes=3)
    one = both[["Intercept"]]
    full = zi.fit(y, both, zero_design=both, dispersion_design=both, progress=False)
    for parts, df in (((one, both, both), 1), ((both, one, both), 1), ((both, both, one), 1), ((one, one, one), 3)):
        x, z, d = parts
        reduced = zi.fit(y, x, zero_design=z, dispersion_design=d, progress=False)
        table = zi.likelihood_ratio_test(full, reduced)
        assert table["df"].eq(df).all()
        np.testing.assert_allclose(table["stat"], 2 * (full.log_likelihood - reduced.log_likelihood), atol=1e-5)


def test_a_full_fit_that_ended_too_low_is_begun_again_from_the_reduced_one():
    y, both = nested(genes=5)
    full, reduced = (zi.fit(y, both, zero_design=z, progress=False) for z in (both, both[["Intercept"]]))
    expected = zi.likelihood_ratio_test(full, reduced)["stat"]
    full.log_likelihood[:] = reduced.log_likelihood - 5
    np.testing.assert_allclose(zi.likelihood_ratio_test(full, reduced)["stat"], expected, atol=1e-5)


def test_what_is_not_nested_is_refused():
    y, both = nested(genes=2)
    one = both[["Intercept"]]
    full = zi.fit(y, both, zero_design=both, progress=False)
    for other, message in (
        (zi.fit(y, both, model="nb", progress=False), r"fits of one model.*inflation_test"),
        (zi.fit(y + 1, one, zero_design=one, progress=False), "different counts"),
        (zi.fit(y, one, size_factors=np.full(200, 2.0), progress=False), "different size factors"),
        (full, "describe the same models"),
        (
            zi.fit(y, one.assign(x=np.arange(200) / 100), zero_design=both, progress=False),
            "is not part of the full one",
        ),
    ):
        with pytest.raises(InputError, match=message):
            zi.likelihood_ratio_test(full, other)
    smallest = zi.fit(y, one, progress=False)
    with pytest.raises(InputError, match="there is nothing to compare with: add what is to be compared to one of the"):
        zi.likelihood_ratio_test(smallest, smallest)


# --- what a condition changes -----------------------------------------------------------------------------------------


def cells(change, n=600, genes=25, rng=1, **columns):
    """Two conditions that differ in one component; the second half of the genes does not."""
    stim = np.repeat([False, True], n // 2)[:, None]
    changed = np.arange(genes) < genes // 2
    setting = {"mu": 15.0, "phi": 0.4, "pi": 0.3}
    values = {name: np.where(stim & changed & (name == change[0]), change[1], value) for name, value in setting.items()}
    obs = pd.DataFrame({"condition": np.where(stim[:, 0], "stim", "ctrl")} | columns, index=[f"c{i}" for i in range(n)])
    return anndata.AnnData(zi.sample(values["mu"], values["phi"], values["pi"], rng), obs=obs), changed


def run(adata, component, formula="~ condition", **settings):
    return zi.test(adata, formula, component, size_factors=np.ones(adata.n_obs), progress=False, **settings)


@pytest.mark.parametrize(
    ("change", "component", "effect"),
    [
        (("mu", 30.0), "mean", 1.0),
        (("pi", 0.7), "zero", np.log(7 / 3) - np.log(3 / 7)),
        (("phi", 1.2), "dispersion", np.log2(3)),
    ],
)
def test_the_component_that_changed_is_the_one_that_is_called(change, component, effect):
    adata, changed = cells(change)
    tables = {name: run(adata, name) for name in ("mean", "zero", "dispersion", "all")}
    for name, table in tables.items():
        called = (table["pvalue"] < 0.01).to_numpy()
        assert called[changed].mean() > (0.9 if name in (component, "all") else -1)
        assert called[~changed].mean() < 0.15
        if name not in (component, "all"):
            assert called[changed].mean() < 0.2
    table = tables[component]
    assert table["effect"][changed].mean() == pytest.approx(effect, abs=0.2)
    assert table["df"].eq(1).all()
    assert tables["all"]["df"].eq(3).all()
    assert "effect" not in tables["all"]


def test_the_overall_change_is_that_of_the_expected_counts_and_its_error_holds():
    adata, changed = cells(("pi", 0.7), genes=60)
    table = run(adata, "all")
    truth = np.where(changed, np.log2(0.3 / 0.7), 0.0)
    z = (table["log2FoldChange"] - truth) / table["lfcSE"]
    assert np.abs(z).max() < 4
    assert 0.7 < z.std() < 1.3
    stim = (adata.obs["condition"] == "stim").to_numpy()
    observed = np.log2(adata.X[stim].mean(axis=0) / adata.X[~stim].mean(axis=0))
    np.testing.assert_allclose(table["log2FoldChange"], observed, atol=0.25)


def test_errors_of_the_overall_change_are_those_of_small_differences():
    """The delta method, against the change of the formula when the coefficients move."""
    adata, _ = cells(("mu", 30.0), genes=4, age=np.random.default_rng(1).normal(size=600))
    table = run(adata, "mean", "~ age + condition")
    from scomics_lite.design import design_matrix

    design = design_matrix(adata.obs, "~ age + condition")
    one = pd.DataFrame({"Intercept": 1.0, "condition[stim]": design["condition[stim]"]}, index=design.index)
    fitted = zi.fit(adata, design, zero_design=design, dispersion_design=one, progress=False)
    x = design.to_numpy()

    def change(theta):
        heights = []
        for value in (0.0, 1.0):
            moved = x.copy()
            moved[:, 2] = value
            heights.append(np.log2((np.exp(moved @ theta[:3]) / (1 + np.exp(moved @ theta[3:6]))).mean()))
        return heights[1] - heights[0]

    for gene in range(4):
        theta = fitted.theta[gene]
        slope = np.array([(change(theta + 1e-6 * e) - change(theta - 1e-6 * e)) / 2e-6 for e in np.eye(8)])
        assert table["log2FoldChange"].iloc[gene] == pytest.approx(change(theta), abs=1e-4)
        assert table["lfcSE"].iloc[gene] == pytest.approx(np.sqrt(slope @ fitted.covariance[gene] @ slope), rel=1e-3)


def test_the_last_term_is_tested_and_another_can_be_named():
    batch = np.tile(["b1", "b2", "b3"], 200)
    adata, _ = cells(("mu", 30.0), genes=4, batch=batch)
    last, named = run(adata, "all", "~ batch + condition"), run(adata, "all", "~ condition + batch", term="condition")
    np.testing.assert_allclose(last["stat"], named["stat"], atol=1e-4)
    assert last.attrs["term"] == "condition"
    three = run(adata, "mean", "~ condition + batch")
    assert three["df"].eq(2).all()
    assert "log2FoldChange" not in three


def test_terms_formulas_and_components_that_cannot_be_tested_are_named():
    adata, _ = cells(("mu", 30.0), genes=2)
    with pytest.raises(InputError, match="component is one of mean, zero, dispersion, all; got 'pi'"):
        run(adata, "pi")
    with pytest.raises(InputError, match="the formula '~ condition' has no term 'batch' to be tested"):
        run(adata, "mean", term="batch")
    with pytest.raises(InputError, match="the zero_formula '~ 1' has no term 'condition'"):
        run(adata, "mean", zero_formula="~ 1")
    with pytest.raises(InputError, match="the formula '~ 1' has no term None to be tested"):
        run(adata, "mean", "~ 1")
    with pytest.raises(InputError, match="needs an AnnData"):
        zi.test(adata.X, "~ condition", "mean")


def test_donors_in_obs_are_warned_of():
    adata, _ = cells(("mu", 30.0), genes=2, donor=np.tile([f"d{i}" for i in range(6)], 100))
    with pytest.warns(UserWarning, match="cells of one donor are no replicates"):
        run(adata, "all")


def test_size_factors_are_total_counts_unless_given():
    adata, _ = cells(("mu", 15.0), genes=40)
    totals = adata.X.sum(axis=1)
    adata = adata[totals > 0].copy()
    totals = totals[totals > 0]
    given = zi.test(adata, "~ condition", "mean", size_factors=totals / np.exp(np.log(totals).mean()), progress=False)
    np.testing.assert_allclose(zi.test(adata, "~ condition", "mean", progress=False)["stat"], given["stat"], atol=1e-6)


def test_excess_zeros_are_observed_less_expected():
    y = zi.sample(5.0, 0.3, [0.0, 0.6], rng=1, size=(500, 2))
    y = np.hstack([y, np.ones((500, 1), dtype=int)])
    s = np.random.default_rng(1).uniform(0.5, 2, 500)
    table = zi.excess_zeros(y, size_factors=s, progress=False)
    fitted = zi.fit(y, np.ones((500, 1)), size_factors=s, model="nb", progress=False)
    np.testing.assert_allclose(table["observed"], (y == 0).mean(axis=0))
    np.testing.assert_allclose(table["mean"], (y / s[:, None]).mean(axis=0))
    mu = fitted.mean
    np.testing.assert_allclose(table["poisson"], np.exp(-mu).mean(axis=0))
    np.testing.assert_allclose(
        table["negative_binomial"], zi.probability_of_zero(mu, fitted.dispersion).mean(axis=0), rtol=1e-6
    )
    np.testing.assert_allclose(table["excess"], table["observed"] - table["negative_binomial"])


def test_a_covariate_left_out_looks_like_an_excess():
    group = np.repeat([0.0, 1], 500)
    y = zi.sample(np.where(group, 0.1, 20.0)[:, None], 0.2, 0.0, rng=1, size=(1_000, 5))
    without, with_it = (
        zi.excess_zeros(y, x, size_factors=np.ones(1_000), progress=False)
        for x in (None, np.column_stack([np.ones(1_000), group]))
    )
    assert (without["excess"] > 0.02).all()
    assert (with_it["excess"].abs() < 0.02).all()
