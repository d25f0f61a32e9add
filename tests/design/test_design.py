"""Designs, contrasts and diagnoses: R's matrices, patsy, statsmodels, hand-made designs, invariances and messages."""

import os
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import patsy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from statsmodels.stats.outliers_influence import variance_inflation_factor

from scomics_lite import datasets
from scomics_lite.design import check_design, contrast, design_matrix, diagnose, group_mean
from scomics_lite.validation import InputError

many = settings(max_examples=60, deadline=None, derandomize=True, database=None)  # the same designs in every run


def table(**columns):
    """Obs with samples s1, s2 …; text is one letter for each sample."""
    columns = {name: list(values) if isinstance(values, str) else values for name, values in columns.items()}
    n = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=[f"s{i}" for i in range(1, n + 1)])


PAIRED = table(donor="aabbcc", drug="nynyny")
TWO_WAY = table(
    type="aaabbb" * 2, drug=["no"] * 6 + ["yes"] * 6, age=[31.5, 40, 28, 55, 62, 39, 47, 33, 51, 44, 29, 36]
)


def assert_vector(ours, expected):
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)


# --- matrices ---------------------------------------------------------------------------------------------------------


def test_the_zeros_and_ones_row_by_row():
    obs = table(type=["single", "single", "paired", "paired"], condition=["u", "t", "u", "t"])
    obs["condition"] = pd.Categorical(obs["condition"], ["u", "t"])
    design = design_matrix(obs, "~ type + condition")
    assert design.to_dict("list") == {
        "Intercept": [1, 1, 1, 1],
        "type[single]": [1, 1, 0, 0],
        "condition[t]": [0, 1, 0, 1],
    }
    assert (design.dtypes == "float64").all()
    assert design.index.equals(obs.index)


# R 4.2.2's model.matrix; its factors have levels in the order of PASILLA's categories, alphabetical ones elsewhere
PASILLA = table(
    type=["single", "single", "paired", "paired", "single", "paired", "paired"],
    condition=pd.Categorical(["untreated"] * 4 + ["treated"] * 3, ["untreated", "treated"]),
)
IN_R = {
    "pasilla": {"(Intercept)": "Intercept", "typesingle": "type[single]", "conditiontreated": "condition[treated]"},
    "airway": {
        "(Intercept)": "Intercept",
        **{f"celltype{line}": f"celltype[{line}]" for line in ("N061011", "N080611", "N61311")},
        "dextreated": "dex[treated]",
    },
    "pickrell": {"(Intercept)": "Intercept", "gendermale": "gender[male]"},
}
FORMULAS = {"pasilla": "~ type + condition", "airway": "~ celltype + dex", "pickrell": "~ gender"}


def test_pasilla_s_design_is_r_s():
    design = design_matrix(PASILLA, FORMULAS["pasilla"])
    assert design.columns.tolist() == list(IN_R["pasilla"].values())
    rows = [[1, 1, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0], [1, 1, 1], [1, 0, 1], [1, 0, 1]]
    np.testing.assert_array_equal(design, rows)


@pytest.mark.skipif(
    not (os.environ.get("SCOMICS_LITE_DATA") and os.environ.get("SCOMICS_LITE_REFERENCE")),
    reason="SCOMICS_LITE_DATA and SCOMICS_LITE_REFERENCE name no folders",
)
@pytest.mark.parametrize("name", IN_R)
def test_designs_of_real_data_are_r_s(name):
    folder = Path(os.environ["SCOMICS_LITE_REFERENCE"]) / "de" / name
    theirs = pd.read_csv(folder / "design.tsv.gz", sep="\t", index_col=0).rename(columns=IN_R[name])
    obs = datasets.load(name, progress=False).obs.loc[theirs.index]
    ours = design_matrix(obs, FORMULAS[name])
    assert ours.columns.tolist() == theirs.columns.tolist()
    assert (ours == theirs).all(axis=None)


@pytest.mark.parametrize(
    "formula",
    [
        "~ type + drug",
        "~ type * drug",
        "~ 0 + drug",
        "~ 0 + type:drug",
        "~ drug * age",
        "~ drug + drug:age",
        "~ type / drug",
        "~ C(week) + np.log(age)",
        "~ center(age)",
        "~ 1",
    ],
)
def test_matrices_are_patsy_s(formula):
    obs = TWO_WAY.assign(week=[1, 2, 3, 4] * 3)
    theirs = patsy.dmatrix(formula, obs, return_type="dataframe")
    ours = design_matrix(obs, formula)
    assert_vector(ours, theirs)
    names = [name.replace("[T.", "[") for name in theirs.columns]
    assert ours.columns.tolist() == names


def test_the_first_level_is_the_reference():
    assert design_matrix(table(a="zyx"), "~ a").columns.tolist() == ["Intercept", "a[y]", "a[z]"]
    ordered = pd.DataFrame({"a": pd.Categorical(["z", "y", "x"], ["y", "x", "z"])})
    assert design_matrix(ordered, "a").columns.tolist() == ["Intercept", "a[x]", "a[z]"]
    assert design_matrix(table(a=[True, False, True]), "~ a").columns.tolist() == ["Intercept", "a[True]"]
    base = design_matrix(table(a="xyz"), "~ C(a, contr.treatment(base='y'))")
    assert base.reference("C(a, contr.treatment(base='y'))") == "y"


@pytest.mark.parametrize("dtype", ["object", "string", "category"])
def test_text_of_every_type_is_a_factor(dtype):
    obs = table(a="xyzx").astype(dtype)
    np.testing.assert_array_equal(design_matrix(obs, "~ a"), [[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 0, 0]])


def test_nullable_and_boxed_numbers_are_numbers():
    obs = table(a=[1.5, 2, 4], b=[True, False, True], c=[3, 1, 8])
    expected = design_matrix(obs, "~ a + b + c")
    for dtypes in ({"a": "Float64", "b": "boolean", "c": "Int64"}, {"a": object, "b": object, "c": object}):
        pd.testing.assert_frame_equal(design_matrix(obs.astype(dtypes), "~ a + b + c"), expected)


def test_levels_that_look_like_formulaic_s_marks_keep_their_names():
    cells = table(cell=["B", "T.helper", "T.killer", "B"])
    assert list(design_matrix(cells, "~ cell")) == ["Intercept", "cell[T.helper]", "cell[T.killer]"]
    assert list(design_matrix(cells, "~ 0 + cell")) == ["cell[B]", "cell[T.helper]", "cell[T.killer]"]
    with pytest.raises(InputError, match=r"levels 'helper' and 'T.helper'; rename"):
        design_matrix(table(cell=["helper", "T.helper"]), "~ cell")


def test_odd_column_names_go_in_backticks():
    obs = PAIRED.rename(columns={"drug": "my drug"})
    assert list(design_matrix(obs, "~ `my drug`")) == ["Intercept", "my drug[y]"]


def test_obs_is_left_as_it_was():
    obs = TWO_WAY.assign(b=[True, False] * 6)
    before = obs.copy()
    design = design_matrix(obs, "~ type * drug + b")
    diagnose(design, obs)
    group_mean(design, obs, drug="yes")
    pd.testing.assert_frame_equal(obs, before)


# --- contrasts --------------------------------------------------------------------------------------------------------

DOSES = pd.DataFrame({"dose": pd.Categorical(["none", "low", "high"] * 2, ["none", "low", "high"]), "w": [1, 2, 3] * 2})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (("dose", "high", "none"), [0, 0, 1]),
        (("dose", "none", "high"), [0, 0, -1]),
        (("dose", "high", "low"), [0, -1, 1]),
        (["dose", "low", "high"], [0, 1, -1]),
        ("dose[high]", [0, 0, 1]),
        ("dose[high] - dose[low]", [0, -1, 1]),
        ("dose[high] - dose[none]", [0, 0, 1]),
        ("dose[high] - 0.5 * dose[low]", [0, -0.5, 1]),
        ("-(dose[high]*2 + Intercept) / 4", [-0.25, 0, -0.5]),
        ("+1e1*dose[low]-dose[low]", [0, 9, 0]),
        ({"dose[high]": 1, "dose[low]": -0.5}, [0, -0.5, 1]),
        (pd.Series({"dose[low]": 2.0, "Intercept": 1}), [1, 2, 0]),
        ([0, -0.5, 1], [0, -0.5, 1]),
        (np.array([0, 0, 2]), [0, 0, 2]),
        ((0, 1, 0), [0, 1, 0]),
    ],
)
def test_contrasts_in_every_form(spec, expected):
    assert_vector(contrast(design_matrix(DOSES, "~ dose"), spec), expected)


def test_levels_compare_in_every_coding():
    coded = design_matrix(DOSES, "~ 0 + dose")
    assert_vector(contrast(coded, ("dose", "high", "none")), [-1, 0, 1])
    numbers = design_matrix(DOSES, "~ C(w)")
    assert_vector(contrast(numbers, ("w", 3, 2)), [0, -1, 1])
    assert_vector(contrast(numbers, ("C(w)", "3", "1")), [0, 0, 1])
    flags = design_matrix(table(a=[True, False]), "~ a")
    assert_vector(contrast(flags, ("a", True, False)), [0, 1])


def test_the_same_question_in_three_codings_has_the_same_answer():
    response = np.random.default_rng(1).normal(size=12)
    answers = []
    for formula, spec in [
        ("~ type * drug", "drug[yes] + type[b]:drug[yes]"),
        ("~ 0 + type:drug", "type[b]:drug[yes] - type[b]:drug[no]"),
        ("~ type / drug", "type[b]:drug[yes]"),
    ]:
        design = design_matrix(TWO_WAY, formula)
        beta = np.linalg.lstsq(design, response)[0]
        answers += [contrast(design, spec) @ beta]
        difference = group_mean(design, TWO_WAY, type="b", drug="yes") - group_mean(
            design, TWO_WAY, type="b", drug="no"
        )
        answers += [difference @ beta]
    b = (TWO_WAY["type"] == "b").to_numpy()
    yes = (TWO_WAY["drug"] == "yes").to_numpy()
    np.testing.assert_allclose(answers, response[b & yes].mean() - response[b & ~yes].mean())


def test_names_with_signs_in_them_are_read_whole():
    obs = table(marker=["PD-L1+", "PD-L1-", "none", "PD-L1+"], age=[30.0, 40, 50, 65], average=[1.0, 2, 1, 4])
    design = design_matrix(obs, "~ marker + np.log(age + 1) + age + average")
    names = design.columns.tolist()
    assert names[1:3] == ["marker[PD-L1-]", "marker[none]"]
    vector = contrast(design, "marker[none] - 2 * np.log(age + 1) + age")
    assert dict(zip(names, vector, strict=True)) == {
        "Intercept": 0,
        "marker[PD-L1-]": 0,
        "marker[none]": 1,
        "np.log(age + 1)": -2,
        "age": 1,
        "average": 0,
    }
    assert_vector(contrast(design, "marker[PD-L1-] - marker[PD-L1+]"), contrast(design, "marker[PD-L1-]"))


def test_arrays_have_numbered_columns():
    assert_vector(contrast([[1, 0], [1, 1]], "x1 - 2 * x0"), [-2, 1])
    assert_vector(contrast(np.eye(3), [0, 1, -1]), [0, 1, -1])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (("dose", "hihg", "none"), "factor 'dose' has no level 'hihg'; did you mean 'high'"),
        (("dsoe", "high", "none"), "no factor 'dsoe'; did you mean 'dose'"),
        (("dose", "high"), r"\(factor, level, level it is compared to\)"),
        (("dose", "high", "high"), "compares nothing"),
        ("dose[none]", "compares nothing"),
        ("dose[high] - dose[hi]", r"names 'dose\[hi\]', which is no column; did you mean 'dose\[high\]'"),
        ("dose", "names 'dose', which is no column"),
        ("2 * C(dose)[high]", r"names 'C\(dose\)\[high\]', which is no column; did you mean 'dose\[high\]'"),
        ("doses[high]", r"names 'doses\[high\]'"),
        ("dose[high]:w", r"names 'w'|names 'dose\[high\]:w'"),
        ("dose[high] * dose[low]", "no sum of columns"),
        ("dose[high] + 1", "no sum of columns"),
        ("1 / dose[high]", "no sum of columns"),
        ("dose[high] / 0", "no sum of columns"),
        ("dose[high] ** 2", "no sum of columns"),
        ("not dose[high]", "names 'not'"),
        ("~ dose[high]", "no sum of columns"),
        ("dose[high] -", "no sum of columns"),
        ("'a'", "'a'"),
        ("3", "no sum of columns"),
        ("", "no sum of columns"),
        ({"dose[high]": 1, "dosis[low]": 1}, r"no column 'dosis\[low\]'; did you mean 'dose\[low\]'"),
        ([1, 2], r"for each of the 3 columns Intercept, .*; got shape \(2,\)"),
        ([0, np.nan, 1], "must be finite"),
        (None, "columns|vector"),
        (object(), "a contrast is"),
    ],
)
def test_bad_contrasts_are_explained(spec, message):
    with pytest.raises(InputError, match=message):
        contrast(design_matrix(DOSES, "~ dose"), spec)


def test_reference_levels_are_only_known_to_designs_of_formulas():
    design = design_matrix(DOSES, "~ dose")
    plain = pd.DataFrame(design.to_numpy(), columns=design.columns)
    assert_vector(contrast(plain, ("dose", "high", "low")), [0, -1, 1])
    with pytest.raises(InputError, match=r"no column 'dose\[none\]'; .* made by design_matrix"):
        contrast(plain, ("dose", "high", "none"))


def test_a_column_taken_out_is_not_mistaken_for_the_reference():
    with pytest.raises(InputError, match="no column for level 'low' of 'dose' alone"):
        contrast(design_matrix(DOSES, "~ dose").drop(columns="dose[low]"), ("dose", "high", "low"))
    with pytest.raises(InputError, match="compare group means"):
        contrast(design_matrix(TWO_WAY, "~ 0 + type:drug"), ("drug", "yes", "no"))


# --- groups -----------------------------------------------------------------------------------------------------------


def test_group_means_average_the_other_factors():
    design = design_matrix(TWO_WAY, "~ type * drug + age")
    age = TWO_WAY["age"].mean()
    assert_vector(group_mean(design, TWO_WAY, type="b", drug="yes"), [1, 1, 1, age, 1])
    assert_vector(group_mean(design, TWO_WAY, drug="yes"), [1, 0.5, 1, age, 0.5])
    assert_vector(group_mean(design, TWO_WAY, drug="no", age=50), [1, 0.5, 0, 50, 0])
    unbalanced = TWO_WAY.drop(index=["s1", "s2", "s12"])
    smaller = design_matrix(unbalanced, "~ type * drug")
    effect = group_mean(smaller, unbalanced, drug="yes") - group_mean(smaller, unbalanced, drug="no")
    assert_vector(effect, [0, 0, 1, 0.5])  # types weigh the same however many samples they have


def test_differences_of_differences_are_the_interaction():
    design = design_matrix(TWO_WAY, "~ type * drug")
    b, a = (
        group_mean(design, TWO_WAY, type=kind, drug="yes") - group_mean(design, TWO_WAY, type=kind, drug="no")
        for kind in "ba"
    )
    assert_vector(b - a, contrast(design, "type[b]:drug[yes]"))


def test_group_means_of_numbers_that_are_labels_and_of_learnt_transforms():
    design = design_matrix(DOSES, "~ C(w) + dose")
    assert_vector(group_mean(design, DOSES, w=3, dose="low"), [1, 0, 1, 1, 0])
    centred = design_matrix(TWO_WAY, "~ center(age)")
    assert_vector(group_mean(centred, TWO_WAY, age=45), [1, 45 - TWO_WAY["age"].mean()])
    assert_vector(group_mean(design_matrix(DOSES, "~ dose"), DOSES), [1, 1 / 3, 1 / 3])


def test_group_means_refuse_what_they_do_not_know():
    design = design_matrix(TWO_WAY, "~ type")
    with pytest.raises(InputError, match="no factor or covariate 'tpye'; did you mean 'type'"):
        group_mean(design, TWO_WAY, tpye="a")
    with pytest.raises(InputError, match="'type' has no level 'c'"):
        group_mean(design, TWO_WAY, type="c")
    with pytest.raises(InputError, match="not what the design was made of"):
        group_mean(design, TWO_WAY[::-1], type="a")
    with pytest.raises(InputError, match="made by design_matrix"):
        group_mean(np.eye(2), TWO_WAY, type="a")


# --- diagnoses --------------------------------------------------------------------------------------------------------

# Nine designs that cannot be fitted, each with its message.
UNFIT = {
    "batch is the condition": (
        table(condition="cccttt", batch="xxxyyy"),
        "~ batch + condition",
        r"3 coefficients but rank 2: condition\[t\] = batch\[y\] \(in samples s4, s5, s6\). Cannot be told apart: "
        r"{batch\[y\], condition\[t\]}. Still estimable: Intercept, batch\[y\] \+ condition\[t\]\. .* no sample has "
        "batch=x with condition=t or batch=y with condition=c",
        [("batch[y]", "condition[t]")],
        ["batch[y] + condition[t]", "Intercept"],
        ["condition[t]", "batch[y]", "batch[y] - condition[t]"],
    ),
    "batches within conditions": (
        table(condition="cccctttt", batch="kkllmmnn"),
        "~ condition + batch",
        r"rank 4: batch\[m\] \+ batch\[n\] = condition\[t\] \(in samples s5, s6, s7, s8\).*Still estimable: Intercept, "
        r"condition\[t\] \+ batch\[n\], batch\[l\], batch\[m\] - batch\[n\]",
        [("condition[t]", "batch[m]", "batch[n]")],
        ["batch[l]", "batch[m] - batch[n]", "condition[t] + batch[m] - batch[l]"],
        ["condition[t]", "batch[m]"],
    ),
    "a donor for every sample": (
        table(condition="cccttt", donor="uvwxyz"),
        "~ condition + donor",
        "7 coefficients for 6 samples: .*: donor has a level for every sample",
        [("condition[t]", "donor[x]", "donor[y]", "donor[z]")],
        ["donor[v]"],
        ["condition[t]"],
    ),
    "an empty cell": (
        table(type="aaabbbb", drug="nyynnnn"),
        "~ type * drug",
        r"rank 3: type\[b\]:drug\[y\] = 0 \(in every sample\). Still estimable: Intercept, type\[b\], drug\[y\]\."
        ".* no sample has type=b with drug=y",
        [("type[b]:drug[y]",)],
        ["drug[y]", "type[b]"],
        ["type[b]:drug[y]", "drug[y] + type[b]:drug[y]"],
    ),
    "age and year of birth": (
        table(condition="ctctct", age=[20.0, 31, 45, 52, 38, 66], born=[2004.0, 1993, 1979, 1972, 1986, 1958]),
        "~ condition + age + born",
        r"rank 3: age \+ born = 2024 \* Intercept \(in every sample\)",
        [("Intercept", "age", "born")],
        ["condition[t]", "age - born"],
        ["age", "Intercept"],
    ),
    "sites within laboratories": (
        table(lab="aaaabbbb", site="jjkkllmm", condition="ctctctct"),
        "~ condition + site + lab",
        r"lab\[b\] = site\[l\] \+ site\[m\] \(in samples s5, s6, s7, s8\).*no sample has site=j with lab=b",
        [("site[l]", "site[m]", "lab[b]")],
        ["condition[t]", "site[k]", "site[l] + lab[b]"],
        ["lab[b]", "site[m]"],
    ),
    "a covariate that does not vary": (
        table(condition="cctt", age=[30.0] * 4),
        "~ condition + age",
        r"age = 30 \* Intercept",
        [("Intercept", "age")],
        ["condition[t]", "Intercept + 30 * age"],
        ["age"],
    ),
    "no replicates": (
        table(condition="cctt", type="abab"),
        "~ condition * type",
        "4 samples for 4 independent coefficients leave no residual degree of freedom",
        [],
        ["condition[t]", "condition[t]:type[b]"],
        [],
    ),
    "the same thing twice": (
        table(sex="ffmmfm", gender="ffmmfm", drug="nynyyn"),
        "~ drug * sex + drug * gender",
        r"rank 4: gender\[m\] = sex\[m\] .*drug\[y\]:gender\[m\] = drug\[y\]:sex\[m\]",
        [("sex[m]", "gender[m]"), ("drug[y]:sex[m]", "drug[y]:gender[m]")],
        ["drug[y]", "sex[m] + gender[m]"],
        ["sex[m]", "drug[y]:gender[m]"],
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_unfit_designs_are_explained(name):
    obs, formula, message, groups, estimable, lost = UNFIT[name]
    design = design_matrix(obs, formula)
    with pytest.raises(InputError, match=message):
        check_design(design, obs)
    report = diagnose(design, obs)
    assert report.rank == np.linalg.matrix_rank(design)
    assert report.residual_df == len(obs) - report.rank
    assert report.alias_groups == groups
    assert [spec for spec in estimable + lost if report.estimable(spec)] == estimable
    assert [spec for spec in estimable + lost if np.isfinite(report.variance(spec))] == estimable
    assert "problem: " in repr(report)


def test_a_good_design_passes_and_says_so():
    design = design_matrix(PAIRED, "~ donor + drug")
    assert check_design(design, PAIRED).equals(design)
    report = diagnose(design, PAIRED)
    assert (report.rank, report.residual_df, report.problems, report.aliases) == (4, 2, (), ())
    assert repr(report).splitlines() == [
        "6 samples, 4 coefficients, rank 4, 2 residual degrees of freedom",
        "variance inflation: donor[b] 1.33, donor[c] 1.33, drug[y] 1",
        "samples by donor and drug:",
        "drug   n  y",
        "donor      ",
        "a      1  1",
        "b      1  1",
        "c      1  1",
    ]


def test_partial_confounding_shows_in_the_variance():
    inflation = []
    for confounded in (5, 4, 3, 2, 1):  # samples per condition in the other one's batch
        batch = ["x"] * (10 - confounded) + ["y"] * confounded + ["y"] * (10 - confounded) + ["x"] * confounded
        obs = table(condition="c" * 10 + "t" * 10, batch=batch)
        report = diagnose(design_matrix(obs, "~ batch + condition"))
        share = (10 - 2 * confounded) / 10  # correlation of the two columns
        inflation.append(report.variance_inflation["condition[t]"])
        assert inflation[-1] == pytest.approx(1 / (1 - share**2))
        assert report.variance("condition[t]") == pytest.approx(0.2 * inflation[-1])  # 1/10 + 1/10 when balanced
    assert inflation[0] == pytest.approx(1)
    crossed = table(condition="c" * 10 + "t" * 10, batch="x" * 10 + "y" * 9 + "x")
    notes = diagnose(design_matrix(crossed, "~ batch + condition")).notes
    assert notes[0].startswith("the variance of batch[y] is 5.5 times what")


def test_variance_inflation_is_statsmodels_s():
    rng = np.random.default_rng(3)
    obs = pd.DataFrame({"a": rng.choice(list("xyz"), 40), "b": rng.normal(size=40)})
    obs["c"] = obs["b"] + rng.normal(size=40)
    design = design_matrix(obs, "~ a + b * c")
    ours = diagnose(design).variance_inflation
    assert np.isnan(ours["Intercept"])
    theirs = [variance_inflation_factor(design.to_numpy(), j) for j in range(1, design.shape[1])]
    np.testing.assert_allclose(ours[1:], theirs, rtol=1e-10)
    means = diagnose(design_matrix(obs, "~ 0 + a")).variance_inflation
    np.testing.assert_allclose(means, 1)


def test_variances_of_contrasts_are_the_textbook_s():
    design = design_matrix(TWO_WAY, "~ type * drug + age")
    inverse = np.linalg.inv(design.T @ design)
    for spec in (("drug", "yes", "no"), "type[b] - 2 * age", group_mean(design, TWO_WAY, drug="yes")):
        c = contrast(design, spec)
        assert diagnose(design).variance(spec) == pytest.approx(c @ inverse @ c)


def test_lone_samples_and_replicates_are_told():
    obs = table(condition="cccct", batch="xyxyx")
    report = diagnose(design_matrix(obs, "~ condition + batch"))
    assert report.notes == ("nothing checks the values of samples s5: each has a coefficient to itself (leverage 1)",)
    assert report.replicates.to_dict() == {"s1": 2, "s2": 2, "s5": 1}


def test_any_matrix_can_be_diagnosed():
    report = diagnose([[1, 0, 2], [1, 1, 3], [1, 0, 2], [1, 1, 3]])
    assert [str(alias) for alias in report.aliases] == ["x2 = 2 * x0 + x1 (in every sample)"]
    assert not report.estimable([0, 1, 0])
    assert report.estimable("x0 + 2 * x2")
    assert not diagnose(np.zeros((2, 1))).estimable([1])
    opposite = diagnose([[1, 1, -1], [1, 0, 0], [1, 2, -2], [1, 5, -5]])
    assert str(opposite.aliases[0]) == "x1 + x2 = 0 (in samples 0, 2, 3)"
    fifth = diagnose(np.array([[1, 2, 3, 4, 5, 7.0], [0.2, 0.4, 0.6, 0.8, 1, 1.4]]).T)
    assert str(fifth.aliases[0]) == "x1 = 0.2 * x0 (in every sample)"
    long = diagnose(pd.DataFrame(np.ones((9, 2)), index=list("abcdefghi"), columns=[1, 2]))
    assert long.alias_groups == [("1", "2")]


def test_long_relations_are_cut_short():
    obs = pd.DataFrame({"donor": np.repeat(list("abcdefghijkl"), 2), "drug": list("ny") * 12})
    obs["age"] = np.repeat(np.arange(12) * 3.7 + 20, 2)
    (problem,) = diagnose(design_matrix(obs, "~ drug + donor + age"), obs).problems
    assert "age = 20 * Intercept + 3.7 * donor[b] + 7.4 * donor[c] + 11.1 * donor[d]" in problem
    assert "+ … (12 terms)" in problem
    assert "{Intercept, donor[b], donor[c], donor[d], donor[e], donor[f] … (13 in all)}" in problem


def test_formulas_with_names_in_odd_places():
    obs = table(C="xyxyxy", mid=[1.5, 2, 4, 1, 7, 8]).assign(**{"my year": [2015.0, 2018, 2016, 2014, 2020, 2011]})
    design = design_matrix(obs, "~ C * center(`my year`) + mid")
    assert list(design) == ["Intercept", "C[y]", "center(`my year`)", "mid", "C[y]:center(`my year`)"]
    assert diagnose(design).rank == 5
    assert_vector(contrast(design, "C[y]:center(`my year`) - mid"), [0, 0, 0, -1, 1])
    dotted = table(drug="nynyny").assign(**{"cell.type": list("uuvvuv"), "age.years": [1.5, 2, 4, 1, 7, 8]})
    design = design_matrix(dotted, "~ drug * cell.type + np.log(`age.years`)")
    assert list(design) == ["Intercept", "drug[y]", "cell.type[v]", "np.log(`age.years`)", "drug[y]:cell.type[v]"]
    assert_vector(contrast(design, ("cell.type", "v", "u")), [0, 0, 1, 0, 0])
    with pytest.raises(InputError, match=r"names 'age', which obs has not; did you mean 'age.years'.*backticks"):
        design_matrix(dotted, "~ np.log(age.years)")
    days = table(drug="nynyny", week=[1, 1, 1, 2, 2, 2], day=[1, 1, 2, 1, 2, 2])
    crossed = design_matrix(days, "~ drug + C(7 * week + day)")
    assert list(crossed)[2:] == [f"C(7 * week + day)[{day}]" for day in (9, 15, 16)]
    balance = diagnose(crossed, days).balance["drug", "C(7 * week + day)"]  # a factor of two columns
    assert balance.loc["y"].tolist() == [1, 0, 1, 1]


def test_scales_of_covariates_do_not_matter():
    obs = TWO_WAY.assign(reads=TWO_WAY["age"].to_numpy()[::-1] * 1e9, share=TWO_WAY["age"] ** 2 * 1e-9)
    report = diagnose(design_matrix(obs, "~ drug + age + reads + share"))
    assert report.rank == 5
    assert report.estimable("reads")
    obs["kilo"] = obs["reads"] * 1e-3
    report = diagnose(design_matrix(obs, "~ drug + age + reads + share + kilo"))
    assert str(report.aliases[0]) == "kilo = 0.001 * reads (in every sample)"


# --- invariances ------------------------------------------------------------------------------------------------------


@st.composite
def experiments(draw):
    """Two or three factors in few samples, often confounded."""
    n = draw(st.integers(4, 12))
    factors = {name: st.lists(st.sampled_from(name * 2 + "xyz"), min_size=n, max_size=n) for name in "abc"}
    return table(**{name: draw(levels.filter(lambda values: len(set(values)) > 1)) for name, levels in factors.items()})


formulas = st.sampled_from(["~ a + b", "~ a * b", "~ a + b + c", "~ a + b:c", "~ a * b + c"])


def projection(design):
    basis = linalg.orth(design.to_numpy())
    return basis @ basis.T


@given(obs=experiments(), formula=formulas, seed=st.integers(0, 99))
@many
def test_recoding_a_factor_spans_the_same_space(obs, formula, seed):
    design = design_matrix(obs, formula)
    rng = np.random.default_rng(seed)
    orders = {name: rng.permutation(column.unique()) for name, column in obs.items()}
    recoded = obs.assign(**{name: pd.Categorical(obs[name], order) for name, order in orders.items()})
    other = design_matrix(recoded, formula)
    np.testing.assert_allclose(projection(other), projection(design), atol=1e-9)
    assert diagnose(other).rank == diagnose(design).rank
    level, reference = obs["a"].unique()[:2]
    spec = ("a", level, reference)
    if formula in ("~ a + b", "~ a + b + c"):  # where the comparison means the same in both
        assert diagnose(other).estimable(spec) == diagnose(design).estimable(spec)
        assert diagnose(other).variance(spec) == pytest.approx(diagnose(design).variance(spec), rel=1e-6)


@given(obs=experiments(), formula=formulas)
@many
def test_diagnoses_agree_with_linear_algebra(obs, formula):
    design = design_matrix(obs, formula)
    values, report = design.to_numpy(), diagnose(design)
    assert report.rank == np.linalg.matrix_rank(values)
    null = linalg.null_space(values)
    pseudoinverse = np.linalg.pinv(values.T @ values, hermitian=True)
    for j, name in enumerate(design):
        estimable = np.abs(null[j]).max(initial=0) < 1e-9
        assert report.estimable(name) == estimable
        assert np.isinf(report.variance_inflation[name]) == (not estimable)
        if estimable:
            assert report.variance(name) == pytest.approx(pseudoinverse[j, j])
    for alias in report.aliases:
        total = sum((weight * design[name] for name, weight in alias.combination.items()), 0 * design.iloc[:, 0])
        np.testing.assert_allclose(design[alias.column], total, atol=1e-9)
    assert all(report.estimable(row) for row in values if row.any())  # what a sample has is always estimable


@given(obs=experiments(), formula=formulas, seed=st.integers(0, 99))
@many
def test_the_order_of_samples_does_not_matter(obs, formula, seed):
    order = np.random.default_rng(seed).permutation(len(obs))
    design, shuffled = design_matrix(obs, formula), design_matrix(obs.iloc[order], formula)
    pd.testing.assert_frame_equal(shuffled, design.iloc[order])
    assert diagnose(shuffled).alias_groups == diagnose(design).alias_groups


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("~ tpye + drug", "'tpye', which obs has not; did you mean 'type'"),
        ("~ foo(type)", "names 'foo'"),
        ("~ type +", r"cannot be read: Operator `\+`"),
        ("~ type + 2 * age", "cannot be read: Numeric literals"),
        (3, "cannot be read"),
        ("age ~ type", "right-hand side only"),
        ("~ type | drug", "right-hand side only"),
        ("~ 0", "no columns"),
        ("~ np.log(age - 28)", r"column 'np.log\(age - 28\)' of the design is -inf for sample s3"),
        ("~ np.sqrt(age - 30)", "is nan for sample s3"),
        ("~ hashed(type)", "cannot be computed"),
        ("~ C(type, contr.treatment(base='z'))", "cannot be computed"),
    ],
)
def test_bad_formulas_are_explained(formula, message):
    with pytest.raises(InputError, match=message):
        design_matrix(TWO_WAY, formula)


def test_missing_values_name_sample_and_column():
    for column, value in (("age", np.nan), ("drug", None), ("type", np.nan)):
        obs = TWO_WAY.copy()
        obs.loc["s4", column] = value
        with pytest.raises(InputError, match=f"1 of 12 samples have no value in column '{column}', the first is s4"):
            design_matrix(obs, "~ type + drug + age")
    design_matrix(obs, "~ drug")  # what the formula does not use may be missing


def test_levels_without_samples_are_named():
    obs = TWO_WAY.astype({"drug": pd.CategoricalDtype(["no", "maybe", "yes"])})
    with pytest.raises(InputError, match=r"no sample has level 'maybe' of 'drug'.*obs\['drug'\].cat.remove_unused"):
        design_matrix(obs, "~ drug")
    with pytest.raises(InputError, match="factor 'drug' has one level only, 'no'"):
        design_matrix(TWO_WAY[:4], "~ drug")


@pytest.mark.parametrize("batch", [[1, 1, 2, 2, 3, 3], [1.0, 2, 1, 2, 1, 2], [10, 10, 10, 10, 40, 40]])
def test_numbers_that_look_like_labels_are_pointed_out(batch):
    obs = table(batch=batch)
    with pytest.warns(
        UserWarning, match=r"'batch' holds \d whole numbers and enters as one slope.*C\(batch\).*I\(batch"
    ):
        design_matrix(obs, "~ batch")
    assert list(design_matrix(obs, "~ I(batch)")) == [
        "Intercept",
        "I(batch)",
    ]  # and no warning, which would be an error
    design_matrix(obs, "~ C(batch)")


def test_amounts_pass_without_a_warning():
    for age in ([31, 42, 53, 38, 27, 61], [0, 1, 0, 1, 0, 1], [1.5, 1.5, 2.5, 2.5, 3, 3], [7, 7, 7, 7, 7, 7]):
        assert list(design_matrix(table(age=age), "~ age")) == ["Intercept", "age"]  # a warning would be an error


def test_two_columns_of_one_name_are_refused():
    obs = pd.concat([TWO_WAY, TWO_WAY[["drug"]]], axis=1)
    with pytest.raises(InputError, match="obs has two columns 'drug'"):
        design_matrix(obs, "~ drug")


def test_balance_of_a_factor_of_names_and_numbers():
    obs = TWO_WAY.assign(batch=["u", 1] * (len(TWO_WAY) // 2))
    assert set(diagnose(design_matrix(obs, "~ batch + drug"), obs).balance["batch", "drug"].index) == {"1", "u"}


def test_designs_of_the_wrong_form_are_refused():
    with pytest.raises(InputError, match=r"obs must be a DataFrame .*adata.obs.*got AnnData"):
        design_matrix(anndata.AnnData(np.ones((2, 2))), "~ 1")
    with pytest.raises(InputError, match="obs has no rows"):
        design_matrix(PAIRED[:0], "~ 1")
    with pytest.raises(InputError, match="array of shape"):
        diagnose([1, 2])
    with pytest.raises(InputError, match="two columns 'a'"):
        diagnose(pd.DataFrame(np.eye(2), columns=["a", "a"]))
    with pytest.raises(InputError, match="column 'x1' of the design is nan for sample 0"):
        diagnose([[1, np.nan], [1, 2]])
    with pytest.raises(InputError, match="has not the samples of the design"):
        diagnose(design_matrix(PAIRED, "~ drug"), PAIRED[:4])
    with pytest.raises(InputError, match="has not the samples of the design"):
        diagnose(design_matrix(PAIRED, "~ drug"), PAIRED[::-1])


@pytest.mark.parametrize("shape", [(0, 0), (0, 2), (3, 0)])
def test_empty_designs_are_refused(shape):
    with pytest.raises(InputError, match=rf"empty: {shape[0]} samples x {shape[1]} coefficients"):
        diagnose(np.zeros(shape))
    with pytest.raises(InputError, match="empty"):
        diagnose(pd.DataFrame(np.zeros(shape)))
