"""A Design knows its factors, is frozen, and is a DataFrame wherever one is wanted."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

from scomics_lite.design import Design, contrast, design_matrix, diagnose, group_mean, match_design
from scomics_lite.validation import InputError

INPLACE = {"inplace": True}
OBS = pd.DataFrame(
    {"batch": [1, 1, 2, 2, 3, 3], "drug": ["no", "yes"] * 3, "age": [31.5, 40, 28, 55, 62, 39]},
    index=[f"s{i}" for i in range(1, 7)],
)


@pytest.fixture
def design():
    return design_matrix(OBS, "~ C(batch) + drug + age")


def test_samples_of_a_level_are_those_of_obs(design):
    assert design.samples_of("drug", "yes").tolist() == ["s2", "s4", "s6"]
    assert design.samples_of("drug", "no").tolist() == ["s1", "s3", "s5"]  # the reference has no column
    assert design.samples_of("C(batch)", 2).tolist() == design.samples_of("batch", "2").tolist() == ["s3", "s4"]
    assert design.reference("drug") == "no"
    assert list(design.factors) == ["C(batch)", "drug"]
    assert design.formula == "~ C(batch) + drug + age"


def test_levels_of_factors_that_are_computed_are_read_off_the_columns():
    rounded = design_matrix(OBS, "~ C(np.where(age > 39, 'old', 'young'))")
    assert rounded.samples_of("C(np.where(age > 39, 'old', 'young'))", "old").tolist() == ["s2", "s4", "s5"]


def test_unknown_factors_and_levels_are_named(design):
    with pytest.raises(InputError, match=r"no factor 'durg'; did you mean 'drug'"):
        design.samples_of("durg", "yes")
    with pytest.raises(InputError, match=r"'drug' has no level 'yess'; did you mean 'yes'"):
        design.samples_of("drug", "yess")


def test_it_is_a_table(design):
    assert isinstance(design, pd.DataFrame)
    assert np.asarray(design).shape == design.shape == (6, 5)
    assert np.linalg.matrix_rank(design) == 5
    pd.testing.assert_frame_equal(design.matrix, pd.DataFrame(np.asarray(design), OBS.index, design.columns))


@pytest.mark.parametrize(
    "part",
    [
        lambda d: d.loc[["s4", "s1", "s3"]],
        lambda d: d.iloc[:3],
        lambda d: d[d["age"] > 35],
        lambda d: d[["Intercept", "drug[yes]"]],
        lambda d: d.drop(columns="age"),
        lambda d: d.drop(index="s2"),
        copy.copy,
        copy.deepcopy,
        lambda d: pickle.loads(pickle.dumps(d)),
        lambda d: match_design(d, OBS.index),
        lambda d: diagnose(d, OBS).design,
    ],
)
def test_parts_know_the_factors_of_their_samples(design, part):
    some = part(design)
    assert isinstance(some, Design)
    for level in ("no", "yes"):
        assert some.samples_of("drug", level).tolist() == [s for s in some.index if OBS.loc[s, "drug"] == level]


@pytest.mark.parametrize(
    "other", [lambda d: d.copy(), lambda d: d.assign(drug=0), lambda d: d * 2, lambda d: d.rename(columns=str.upper)]
)
def test_other_numbers_or_names_know_nothing(design, other):
    assert type(other(design)) is pd.DataFrame


def swap_levels(table):
    table["drug[yes]"] = 1 - table["drug[yes]"]


@pytest.mark.parametrize(
    "change",
    [
        swap_levels,
        lambda d: d.loc.__setitem__(("s1", "age"), 0),
        lambda d: d.iloc.__setitem__((0, 0), 0),
        lambda d: d.at.__setitem__(("s1", "age"), 0),
        lambda d: d.iat.__setitem__((0, 0), 0),
        lambda d: d.insert(0, "more", 1),
        lambda d: d.pop("age"),
        lambda d: d.__delitem__("age"),
        lambda d: d.update(d * 2),
        lambda d: d.drop(columns="age", **INPLACE),
        lambda d: d.rename(columns=str.upper, **INPLACE),
        lambda d: d.fillna(0, **INPLACE),
        lambda d: setattr(d, "columns", list("abcde")),
        lambda d: setattr(d, "formula", "~ 1"),
    ],
)
def test_it_is_frozen_and_a_copy_is_not(design, change):
    before = design.matrix
    with pytest.raises(InputError, match=r"cannot be changed.*design\.copy\(\)"):
        change(design)
    age = design["age"]
    age.iloc[0] = -1.0  # a column taken out is one's own
    pd.testing.assert_frame_equal(design.matrix, before)
    swap_levels(design.copy())


def test_a_named_contrast_never_means_something_else_in_a_changed_table(design):
    changed = design.copy()
    swap_levels(changed)
    with pytest.raises(InputError, match=r"no column 'drug\[no\]'.*Reference levels are known for designs made by"):
        contrast(changed, ("drug", "yes", "no"))
    assert contrast(design, ("drug", "yes", "no")).tolist() == [0, 0, 0, 1, 0]


def test_two_levels_without_a_column_are_no_reference():
    obs = pd.DataFrame({"dose": list("aabbcc")})
    left = design_matrix(obs, "~ dose").drop(columns="dose[b]")
    assert left.reference("dose") is None
    with pytest.raises(InputError, match="no column for level 'a' of 'dose' alone"):
        contrast(left, ("dose", "c", "a"))


@pytest.mark.parametrize(
    "dtype", ["bool", "boolean", "int8", "uint8", "int64", "Int64", "float32", "Float64", pd.SparseDtype("float")]
)
def test_dummies_of_every_type_are_a_design(dtype):
    dummies = pd.get_dummies(OBS["drug"]).astype(dtype)
    expected = match_design(pd.get_dummies(OBS["drug"]).astype(float), OBS.index)
    for table in (dummies, dummies.assign(age=OBS["age"]).drop(columns="age")):
        ours = match_design(table, OBS.index)
        pd.testing.assert_frame_equal(ours, expected)
        assert repr(diagnose(table)) == repr(diagnose(expected))
        assert contrast(table, "yes - no").tolist() == [-1, 1]


@pytest.mark.parametrize("values", [[1.0, 0, 0, 2], [1, 0, 0, 2], [True, False, False, True], list("abba")])
def test_sparse_columns_of_obs_are_columns(values):
    dense = pd.DataFrame({"x": values, "y": [3.0, 1, 2, 5]})
    sparse = dense.assign(x=pd.arrays.SparseArray(values))
    pd.testing.assert_frame_equal(design_matrix(sparse, "~ x + y"), design_matrix(dense, "~ x + y"))


def test_columns_that_are_no_numbers_are_named_with_the_formula_that_makes_columns_of_them():
    table = pd.DataFrame({"Intercept": 1.0, "cell type": ["a", "b", "b"]})
    with pytest.raises(InputError, match=r"'cell type' of the design holds no numbers.*'~ `cell type`'") as error:
        match_design(table, table.index)
    formula = str(error.value).split("obs, '")[1].removesuffix("')")
    assert design_matrix(table, formula).columns.tolist() == ["Intercept", "cell type[b]"]
    with pytest.raises(InputError, match="complex"):
        match_design(np.array([[1j]]), [0])


def test_a_formula_where_a_table_is_wanted_is_told_how_to_become_one():
    with pytest.raises(InputError, match=r"design_matrix\(obs, '~ drug'\)"):
        match_design("~ drug", OBS.index)


def test_as_many_rows_as_the_counts_have_columns_is_a_matter_of_transposing():
    with pytest.raises(InputError, match=r"6 samples has as many rows; got 2.*counts\.T"):
        match_design(np.eye(2), OBS.index)


def test_a_deficient_design_can_be_mended_as_the_message_says():
    obs = OBS.assign(sex=["f", "f", "m", "m", "f", "f"])
    design = design_matrix(obs, "~ C(batch) + sex + drug")
    with pytest.raises(InputError, match=r"rank 4.*design\.drop\(columns=\['sex\[m\]'\]\)"):
        match_design(design, obs.index)
    left = match_design(design.drop(columns=["sex[m]"]), obs.index)
    assert contrast(left, ("drug", "yes", "no")).tolist() == [0, 0, 0, 1]


def test_levels_with_slopes_are_not_compared_at_zero_in_silence():
    with pytest.warns(UserWarning, match=r"at age = 0, where there is no sample \(they have 39 to 55\)"):
        vector = contrast(design_matrix(OBS, "~ drug * age"), ("drug", "yes", "no"))
    assert vector.tolist() == [0, 1, 0, 0]
    with pytest.warns(UserWarning, match="at age = 0"):
        contrast(design_matrix(OBS, "~ age * drug"), ("drug", "yes", "no"))
    for formula in ("~ drug * center(age)", "~ drug * C(batch)", "~ drug + age"):  # as the message says, or no matter
        contrast(design_matrix(OBS, formula), ("drug", "yes", "no"))


# --- names that are no plain words ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cell-type", "cell type", "RIN score", "plate.no", "2nd batch"])
def test_odd_names_are_told_of_backticks_and_work_with_them(name):
    obs = pd.DataFrame({name: list("abab"), "x": [1.0, 2, 4, 3]})
    if name != "plate.no":  # which formulaic reads as it is
        with pytest.raises(InputError, match=r"backticks: `" + name.replace(".", r"\.")):
            design_matrix(obs, f"~ x + {name}")
    design = design_matrix(obs, f"~ x + `{name}`")
    assert contrast(design, (name, "b", "a")).tolist() == [0, 0, 1]
    assert design_matrix(obs, f"~ x + C(`{name}`)").samples_of(name, "b").tolist() == [1, 3]


def test_a_factor_is_called_as_its_column_is_even_with_a_colon():
    obs = pd.DataFrame({"time:point": list("abab"), "x": [1.0, 2, 4, 3]})
    design = design_matrix(obs, "~ x + `time:point`")
    assert list(design.factors) == ["time:point"]
    assert contrast(design, ("time:point", "b", "a")).tolist() == [0, 0, 1]
    assert group_mean(design, obs, **{"time:point": "b"}).tolist() == [1, 2.5, 1]


@pytest.mark.parametrize("name", ["C", "np", "scale"])
def test_a_column_called_as_a_function_is_to_be_renamed(name):
    obs = pd.DataFrame({name: [1.0, 2, 4, 3], "x": list("abab")})
    assert design_matrix(obs, f"~ {name} + x").shape == (4, 3)
    formula = {"C": "~ C(x) + C", "np": "~ x + np.log(np)", "scale": "~ x + scale(`scale`)"}[name]
    with pytest.raises(InputError, match=rf"'{name}' for a function.*columns={{'{name}': '{name}_'}}"):
        design_matrix(obs, formula)
    renamed = obs.rename(columns={name: f"{name}_"})
    formula = {"C": "~ C(x) + C_", "np": "~ x + np.log(np_)", "scale": "~ x + scale(scale_)"}[name]
    assert design_matrix(renamed, formula).shape == (4, 3)


def test_a_column_called_as_a_word_of_python_is_to_be_renamed_inside_functions():
    obs = pd.DataFrame({"class": list("abab"), "cell type": list("aabb")})
    assert list(design_matrix(obs, "~ class").columns) == ["Intercept", "class[b]"]
    with pytest.raises(InputError, match=r"'class' is a word of Python's.*columns={'class': 'class_'}"):
        design_matrix(obs, "~ `cell type` + C(class)")
    renamed = obs.rename(columns={"class": "class_"})
    assert design_matrix(renamed, "~ `cell type` + C(class_)").shape == (4, 3)


def test_names_in_backticks_are_not_what_cannot_be_read():
    obs = pd.DataFrame({"cell type": list("abab")})
    with pytest.raises(InputError) as refusal:
        design_matrix(obs, "~ `cell type` +")
    assert "backticks" not in str(refusal.value)


def test_numbers_that_look_like_labels_are_told_of_in_a_form_that_works():
    obs = pd.DataFrame({"plate no": [1, 1, 2, 2, 3, 3]})
    with pytest.warns(UserWarning, match=r"write C\(`plate no`\); if they are amounts, I\(`plate no`\)"):
        design_matrix(obs, "~ `plate no`")
    assert design_matrix(obs, "~ C(`plate no`)").shape == (6, 3)
    assert design_matrix(obs, "~ I(`plate no`)").shape == (6, 2)


def test_weights_that_are_no_numbers_are_named(design):
    with pytest.raises(InputError, match=r"weighs 'drug\[yes\]' with 'q'"):
        contrast(design, {"drug[yes]": "q"})
    with pytest.raises(InputError, match="compares nothing"):
        contrast(design, {})
