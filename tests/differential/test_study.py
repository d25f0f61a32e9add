"""Fit once, ask often; what `test` can be asked for; what a table says of itself, its columns about one question."""

import json
import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scomics_lite import __version__, differential, dispersion, glm, normalization, simulate
from scomics_lite.design import design_matrix
from scomics_lite.empirical_bayes import ash
from scomics_lite.validation import InputError

AB = ("condition", "B", "A")
QUESTIONS = {"B": AB, "C": ("condition", "C", "A"), "C against B": "condition[C] - condition[B]"}
SHRUNKEN = ["shrunken", "shrunkenSE", "lfsr", "svalue"]
every_method = pytest.mark.parametrize("method", ["wald", "ql", "voom"])


def experiment(groups="AAAABBBB", genes=400, *, rng=3, **settings):
    return simulate.bulk_counts(list(groups), genes, library_sizes=1e3 * genes, rng=rng, **settings)


def run(adata, contrast=AB, design="~ condition", **settings):
    return differential.test(adata, design, contrast, progress=False, **settings)


@pytest.fixture(scope="module")
def three():
    return experiment("AAAABBBBCCCC", log2_fold_change=1.5)


@pytest.fixture(scope="module")
def two():
    return experiment()


# --- fit once, ask often ----------------------------------------------------------------------------------------------


@every_method
def test_a_study_answers_as_a_call_for_each_question_does(three, method):
    study = differential.fit(three, "~ condition", method=method, progress=False)
    tables = study.tests(QUESTIONS, shrink="ash")
    assert list(tables) == list(QUESTIONS)
    for name, contrast in QUESTIONS.items():
        alone = run(three, contrast, method=method, shrink="ash")
        pd.testing.assert_frame_equal(tables[name], alone)
        assert tables[name].attrs == alone.attrs
    assert study.design.equals(design_matrix(three.obs, "~ condition"))
    assert (study.dispersions is None) == (method == "voom")
    assert len(study.size_factors) == 12


def test_a_study_asks_in_every_way(three):
    study = differential.fit(three, "~ condition", progress=False)
    for settings in (
        {"lfc_threshold": 0.5},
        {"lfc_threshold": 1, "alternative": "less_abs"},
        {"alternative": "greater"},
        {"shrink": "cauchy"},
        {"shrink": "cauchy", "prior_scale": 0.3, "lfc_threshold": 0.2},
        {"alpha": 0.01},
    ):
        pd.testing.assert_frame_equal(study.test(AB, **settings), run(three, **settings))
    ratio = differential.fit(three, "~ condition", method="lrt", progress=False).test(AB, reduced="~ 1")
    pd.testing.assert_frame_equal(ratio, run(three, method="lrt", reduced=["Intercept"]))
    with pytest.raises(InputError, match="method='lrt' compares"):
        differential.fit(three, "~ condition", method="lrt", progress=False).test(AB)


def test_fitting_is_done_once(three, monkeypatch):
    fits = []
    honest = dispersion.estimate
    monkeypatch.setattr(dispersion, "estimate", lambda *a, **k: fits.append(1) or honest(*a, **k))
    differential.fit(three, "~ condition", progress=False).tests(QUESTIONS)
    assert len(fits) == 1


def test_all_questions_are_looked_at_before_the_first_is_answered(three):
    study = differential.fit(three, "~ condition", progress=False)
    with pytest.raises(InputError, match="no level 'D'"):
        study.tests({"good": AB, "bad": ("condition", "D", "A")})
    with pytest.raises(InputError, match="takes contrasts by name"):
        study.tests([AB])


@every_method
def test_sloppy_questions_stop_before_any_fit(three, method, monkeypatch):
    monkeypatch.setattr(differential.routes, "ROUTES", {})  # any work would end in a KeyError
    for settings in ({"contrast": ("condition", "D", "A")}, {"alpha": 2}, {"shrink": "asj"}, {"alternative": "bigger"}):
        with pytest.raises(InputError):
            run(three, **{"contrast": AB, "method": method, **settings})


# --- what can be asked for --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("deseq2", "'wald'"), ("DESeq2", "'wald'"), ("edger", "'ql'"), ("edgeR", "'ql'"), ("limma", "'voom'")],
)
def test_the_names_of_other_tools_lead_to_ours(two, theirs, ours):
    with pytest.raises(InputError, match=f"no method '{theirs}'; did you mean {ours}"):
        run(two, method=theirs)


@pytest.mark.parametrize(("theirs", "ours"), [("apeglm", "cauchy"), ("ashr", "ash")])
def test_the_names_of_other_shrinkages_too(two, theirs, ours):
    with pytest.raises(InputError, match=f"no shrinkage '{theirs}'; did you mean '{ours}'"):
        run(two, shrink=theirs)


def test_the_trend_is_that_of_dispersions(two):
    design = design_matrix(two.obs, "~ condition")
    for trend in ("local", "mean"):
        study = differential.fit(two, "~ condition", trend=trend, progress=False)
        expected = dispersion.estimate(two, design, study.size_factors, trend=trend)
        np.testing.assert_array_equal(study.dispersions.final, expected.final)
        assert run(two, trend=trend).attrs["trend"] == trend
    with pytest.raises(InputError, match="there is no trend 'spline'"):
        run(two, trend="spline")


def test_few_features_can_be_tested():
    adata = experiment("AAABBB", 6, rng=2, log2_fold_change=4)
    table = run(adata, trend="mean")
    assert table["pvalue"].notna().all()
    assert set(table["status"]) <= {"tested", "filtered"}


def test_the_scale_of_a_prior_can_be_given_where_genes_are_few():
    adata = experiment("AAABBB", 5, rng=2)
    with pytest.raises(InputError, match=r"prior_scale=0\.5"):
        run(adata, trend="mean", shrink="cauchy")
    assert run(adata, trend="mean", shrink="cauchy", prior_scale=0.5)["shrunken"].notna().all()


@pytest.mark.parametrize("alternative", glm.hypotheses.ALTERNATIVES)
def test_alternatives_are_those_of_the_wald_test(two, alternative):
    study = differential.fit(two, "~ condition", progress=False)
    table = study.test(AB, lfc_threshold=0.5, alternative=alternative)
    expected = glm.wald_test(study.fit, AB, lfc_threshold=0.5, alternative=alternative)
    tested = table["status"].isin(["tested", "filtered"])
    pd.testing.assert_series_equal(table.loc[tested, "pvalue"], expected.loc[tested, "pvalue"])
    assert table.attrs["alternative"] == alternative


def test_cooks_distance_and_filters_have_switches():
    adata = experiment("AAABBB")
    adata.X[0, 5] = 100_000
    flagged = run(adata)
    assert flagged["status"].iloc[5] == "outlier"
    kept = run(adata, cooks=False)
    assert kept["status"].iloc[5] in ("tested", "filtered")
    assert (
        kept["pvalue"].iloc[5]
        == glm.wald_test(differential.fit(adata, "~ condition", progress=False).fit, AB)["pvalue"].iloc[5]
    )
    everything = run(adata, filter_genes=False)
    known = everything["pvalue"].notna()
    assert not (everything["status"] == "filtered").any()
    np.testing.assert_allclose(everything["padj"][known], stats.false_discovery_control(everything["pvalue"][known]))
    for method in ("ql", "voom"):
        assert (run(adata, method=method, filter_genes=False)["status"] == "tested").sum() > (
            run(adata, method=method)["status"] == "tested"
        ).sum()


def test_the_smallest_mean_of_the_iterations_reaches_the_fit(two):
    study = differential.fit(two, "~ condition", min_mean=0, progress=False)
    assert study.fit.min_mean == 0
    with pytest.raises(InputError, match="min_mean is a number of counts"):
        run(two, min_mean=-1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "ql", "trend": "mean"}, "trend='mean' goes with method='wald' or 'lrt'"),
        ({"method": "voom", "cooks": False}, "cooks=False goes with method='wald'"),
        ({"method": "ql", "alternative": "greater"}, "alternative='greater' goes with method='wald'"),
        ({"alternative": "less", "shrink": "ash"}, "shrink goes with alternative='greater_abs'"),
        ({"alternative": "less_abs"}, "give one above 0"),
        ({"shrink": "ash", "prior_scale": 1.0}, "prior_scale .* goes with shrink='cauchy'"),
        ({"shrink": "cauchy", "prior_scale": -1.0}, "above 0, or None; got -1.0"),
        ({"cooks": "no"}, "cooks is True or False; got 'no'"),
        ({"obs": pd.DataFrame()}, "an AnnData has its own obs"),
    ],
)
def test_settings_that_do_not_go_together(two, settings, message):
    with pytest.raises(InputError, match=message):
        run(two, **settings)


# --- counts in a table, samples in another ----------------------------------------------------------------------------


def test_samples_of_a_table_are_described_by_obs(two):
    counts = pd.DataFrame(two.X, two.obs_names, two.var_names)
    expected = run(two)
    pd.testing.assert_frame_equal(run(counts, obs=two.obs), expected)
    pd.testing.assert_frame_equal(run(counts, obs=two.obs[::-1]), expected)  # names tell which row is whose
    pd.testing.assert_frame_equal(run(counts, obs=two.obs.reset_index(drop=True)), expected)
    ratio = run(counts, obs=two.obs, method="lrt", reduced="~ 1")
    pd.testing.assert_frame_equal(ratio, run(two, method="lrt", reduced="~ 1"))
    with pytest.raises(InputError, match="names of the obs are not those of the counts"):
        run(counts, obs=two.obs.rename(index={two.obs_names[0]: "stranger"}))
    with pytest.raises(InputError, match="obs has 7 rows for 8 samples"):
        run(counts, obs=two.obs[:7])
    with pytest.raises(InputError, match=r"a DataFrame with a row for each sample; got str"):
        run(counts, obs="condition")
    with pytest.raises(InputError, match="an AnnData's obs, or obs="):
        run(counts)


@every_method
@pytest.mark.parametrize("kind", ["obs", "design"])
def test_a_table_on_its_side_is_told_to_turn_round(two, method, kind):
    counts = pd.DataFrame(two.X, two.obs_names, two.var_names).T
    given = {"obs": two.obs} if kind == "obs" else {"design": design_matrix(two.obs, "~ condition")}
    with pytest.raises(InputError, match=r"400 rows and 8 columns, and there are 8 samples.*transpose, counts\.T"):
        run(counts, method=method, **given)
    assert len(run(counts.T, method=method, **given)) == 400


# --- factors of every count -------------------------------------------------------------------------------------------


def test_factors_of_every_count_reach_all_steps():
    adata = simulate.bulk_counts(["A"] * 8 + ["B"] * 8, 400, library_sizes=4e5, rng=3)
    s = adata.obs["size_factor"].to_numpy()
    expected = run(adata, size_factors=s)
    same = run(adata, size_factors=np.outer(s, np.ones(400)))
    pd.testing.assert_frame_equal(same, expected, rtol=1e-7)
    assert same.attrs["size_factors"] == "a table"
    # transcripts of the first gene are four times as long in B: without lengths it changes, with them it does not
    adata.X[8:, 0] = adata.X[8:, 0] * 4
    adata.X[0, 1] = 90_000  # replaced, so that some genes are fitted anew with their own factors
    lengths = pd.DataFrame(1_000.0, adata.obs_names, adata.var_names)
    lengths.iloc[8:, 0] = 4_000.0
    plain = run(adata)
    mended = run(adata, size_factors=normalization.length_factors(adata, lengths))
    shift = plain["log2FoldChange"] - mended["log2FoldChange"]
    assert shift.iloc[0] == pytest.approx(2, abs=0.05)
    assert shift.iloc[1:].abs().max() < 0.1
    ratio = run(adata, size_factors=normalization.length_factors(adata, lengths), method="lrt", reduced="~ 1")
    assert ratio["pvalue"].iloc[0] > 1e3 * run(adata, method="lrt", reduced="~ 1")["pvalue"].iloc[0]
    for method in ("ql", "voom"):
        with pytest.raises(InputError, match="method='wald' or 'lrt'"):
            run(adata, size_factors=np.ones((16, 400)), method=method)
    with pytest.raises(InputError, match="order"):
        run(adata, size_factors=pd.DataFrame(1.0, adata.obs_names, adata.var_names[::-1]))


# --- deficient designs whose question has an answer -------------------------------------------------------------------


def test_pairs_nested_in_groups_can_be_tested_as_the_message_says():
    adata = experiment("AAAAAABBBBBB")
    adata.obs["pair"] = list("112233445566")
    adata.obs["time"] = list("xy" * 6)
    question = ("time", "y", "x")
    with pytest.raises(InputError, match="This contrast is estimable all the same") as error:
        run(adata, question, "~ condition + pair + time")
    code = str(error.value).split("add nothing: ")[1].removesuffix(" in place of the formula")
    design = eval(code, {"design_matrix": design_matrix, "obs": adata.obs})
    table = run(adata, question, design)
    pd.testing.assert_frame_equal(table, run(adata, question, "~ pair + time"), rtol=1e-4, atol=1e-6)
    with pytest.raises(InputError, match="Cannot be told apart"):
        run(adata, AB, "~ condition + pair + time")


# --- one table, one question ------------------------------------------------------------------------------------------


@every_method
def test_the_threshold_reaches_false_sign_rates(method):
    # every second gene changes by 0.8, so nothing changes by more than 1
    effects = np.where(np.arange(600) % 2, 0.8, 0.0)
    adata = simulate.bulk_counts(
        ["A"] * 10 + ["B"] * 10, 600, changed_fraction=0, dispersion=0.01, library_sizes=2e6, rng=1
    )
    rng = np.random.default_rng(2)
    adata.X[10:] = rng.poisson(adata.X[10:] * 2**effects)
    plain = run(adata, method=method, shrink="ash")
    far = run(adata, method=method, shrink="ash", lfc_threshold=1)
    assert (plain["svalue"] < 0.05).sum() > 150
    assert (far["svalue"] < 0.05).sum() <= 3
    assert (far["padj"] < 0.1).sum() <= 3
    pd.testing.assert_frame_equal(plain[["shrunken", "shrunkenSE"]], far[["shrunken", "shrunkenSE"]])
    assert (far["lfsr"] >= plain["lfsr"] - 1e-12)[far["lfsr"].notna()].all()


def test_false_sign_or_small_rates_are_probabilities_of_the_posterior():
    rng = np.random.default_rng(1)
    effects = rng.normal(0, rng.choice([0, 1.5], 300))
    for settings in ({}, {"mixture": "normal"}, {"mixture": "uniform", "df": 5}, {"exchangeable": "z_scores"}):
        result = ash(effects + rng.normal(0, 0.4, 300), np.full(300, 0.4), **settings)
        np.testing.assert_allclose(result.false_sign_or_small(0), result.lfsr, atol=1e-12)
        at = np.linspace(-12, 12, 48_001)
        for gene in (0, 7, 100):
            density, mass = result.posterior_density(gene, at)
            beyond = [np.trapezoid(np.where(side, density, 0), at) for side in (at > 1, at < -1)]
            assert result.false_sign_or_small(1.0)[gene] == pytest.approx(1 - max(beyond), abs=2e-3)
            assert mass <= result.false_sign_or_small(1.0)[gene] + 1e-12


@pytest.mark.parametrize("shrink", ["ash", "cauchy"])
def test_an_outlier_is_claimed_to_be_nothing(shrink):
    adata = experiment("AAABBB")
    adata.X[0, 5] = 100_000
    table = run(adata, shrink=shrink)
    assert table["status"].iloc[5] == "outlier"
    assert table[["pvalue", "padj", *SHRUNKEN]].iloc[5].isna().all()
    rest = table.drop(index=table.index[5])
    known = rest["svalue"].notna()
    order = np.argsort(rest["lfsr"][known].to_numpy())
    means = np.cumsum(rest["lfsr"][known].to_numpy()[order]) / np.arange(1, known.sum() + 1)
    np.testing.assert_allclose(rest["svalue"][known].to_numpy()[order], means, rtol=1e-6, atol=1e-9)


@every_method
def test_no_row_contradicts_itself(method):
    adata = experiment("AAAABBBB", 300)
    adata.X[:, 0] = 0
    adata.X[4:, 1] = 0
    adata.X[0, 2] = 50_000
    for settings in ({}, {"shrink": "ash"}, {"lfc_threshold": 1, "shrink": "ash"}):
        table = run(adata, method=method, **settings)
        numbers = table.drop(columns=["baseMean", "status"])
        assert table["baseMean"].notna().all()
        assert numbers[table["status"].isin(["all zero", "not converged"])].isna().all(axis=None)
        tested = table["status"] == "tested"
        assert table.loc[tested, ["log2FoldChange", "lfcSE", "stat", "pvalue", "padj"]].notna().all(axis=None)
        assert table.loc[~tested, "padj"].isna().all()
        if "svalue" in table:
            assert table.loc[tested & (table["lfcSE"] > 0), SHRUNKEN].notna().all(axis=None)


# --- what a table says of itself --------------------------------------------------------------------------------------


@every_method
def test_a_table_says_how_it_was_made(two, method):
    table = run(two, method=method, shrink="ash", lfc_threshold=0.5)
    said = table.attrs
    assert said["scomics_lite"] == __version__
    assert (said["method"], said["design"], said["contrast"]) == (method, "~ condition", list(AB))
    assert (said["lfc_threshold"], said["shrink"], said["alpha"]) == (0.5, "ash", 0.1)
    assert said["size_factors_by"] == ("median_of_ratios" if method == "wald" else "tmm")
    study = differential.fit(two, "~ condition", method=method, progress=False)
    assert said["size_factors"] == np.asarray(study.size_factors).tolist()
    assert json.loads(json.dumps(said)) == said
    given = run(two, [0, 1], design_matrix(two.obs, "~ condition").copy(), size_factors=np.ones(8), method=method)
    assert given.attrs["size_factors_by"] == "given"
    assert (given.attrs["design"], given.attrs["contrast"]) == (["Intercept", "condition[B]"], [0, 1])


def test_a_table_can_stay_in_the_anndata_and_on_disk(two, tmp_path):
    adata = two.copy()
    table = run(adata, key_added="B_A", shrink="ash")
    for column in ("log2FoldChange", "pvalue", "padj", "status", "svalue"):
        pd.testing.assert_series_equal(adata.var[f"B_A_{column}"], table[column], check_names=False)
    assert adata.uns["B_A"]["method"] == "wald"
    adata.write_h5ad(tmp_path / "kept.h5ad")
    back = anndata.read_h5ad(tmp_path / "kept.h5ad")
    assert back.uns["B_A"]["design"] == "~ condition"
    assert np.allclose(back.var["B_A_padj"], table["padj"], equal_nan=True)
    counts = pd.DataFrame(two.X, two.obs_names, two.var_names)
    with pytest.raises(InputError, match=r"table.add_prefix\('B_A_'\)"):
        run(counts, obs=two.obs, key_added="B_A")


def test_a_table_can_be_put_into_a_part_of_an_anndata(two):
    whole = two.copy()
    part = whole[:, :200]
    table = run(part, key_added="B_A")
    assert part.var["B_A_status"].tolist() == table["status"].tolist()
    assert part.uns["B_A"]["method"] == "wald"
    assert "B_A_status" not in whole.var


def test_pytest_does_not_take_it_for_a_test():
    assert differential.test.__test__ is False


# --- cells are no samples ---------------------------------------------------------------------------------------------


def cells(n=120, genes=300, rng=1):
    adata = simulate.bulk_counts(["A"] * (n // 2) + ["B"] * (n // 2), genes, library_sizes=600, dispersion=1.0, rng=rng)
    adata.obs["donor"] = [f"d{i % 6}{c}" for i, c in enumerate(adata.obs["condition"])]
    return adata


@every_method
def test_cells_passed_as_samples_draw_a_warning_and_their_sums_do_not(method):
    adata = cells()
    with pytest.warns(UserWarning, match=r"120 rows look like single cells.*pseudobulk") as caught:
        run(adata, method=method, size_factors=np.ones(120), trend="mean" if method == "wald" else "parametric")
    assert len([one for one in caught if "single cells" in str(one.message)]) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(differential.pseudobulk(adata, "donor"), method=method, **({"trend": "mean"} if method == "wald" else {}))


def test_many_deep_samples_draw_none():
    adata = simulate.bulk_counts(["A"] * 40 + ["B"] * 40, 300, library_sizes=3e5, rng=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(adata)
