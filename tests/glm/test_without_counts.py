"""A gene without a count in the compared samples says nothing about them, however the question is written."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scomics_lite import differential, dispersion, glm
from scomics_lite.design import contrast, design_matrix, match_design
from scomics_lite.glm.empty_groups import compared_samples

GROUPS = list("AAAAAAAABBBBBBBBCCCCCCCC")
many = settings(max_examples=40, deadline=None, derandomize=True, database=None)


def counts_only_in(groups, levels, rng, genes=40):
    """Counts of genes, the first of which is counted in samples of these levels alone."""
    counts = rng.negative_binomial(5, 0.05, (len(groups), genes))
    counts[~np.isin(groups, list(levels)), 0] = 0
    counts[np.isin(groups, list(levels)), 0] += 1
    return counts


@pytest.mark.parametrize("reference", ["A", "B", "C"])
def test_whichever_level_is_the_reference(reference):
    order = [reference, *sorted(set("ABC") - {reference})]
    obs = pd.DataFrame({"g": pd.Categorical(GROUPS, order)}, index=[f"s{i}" for i in range(24)])
    counts = pd.DataFrame(counts_only_in(GROUPS, "C", np.random.default_rng(1)), index=obs.index)
    design = design_matrix(obs, "~ g")
    fit = glm.fit(counts, design, np.ones(24), 0.2)
    table = glm.wald_test(fit, ("g", "B", "A"))
    assert table.iloc[0][["log2FoldChange", "stat", "pvalue"]].tolist() == [0, 0, 1]
    assert (table["pvalue"][1:] < 1).all()
    many_genes = pd.DataFrame(counts_only_in(GROUPS, "C", np.random.default_rng(2), genes=600), index=obs.index)
    table = differential.test(many_genes, design, ("g", "B", "A"), trend="mean", progress=False)
    assert table.iloc[0][["log2FoldChange", "stat", "pvalue"]].tolist() == [0, 0, 1]


def test_four_samples_as_in_r():
    # DESeq2 1.38.3: LFC 0, p 1 for b against a
    obs = pd.DataFrame({"condition": list("aabbccdd")})
    design = design_matrix(obs, "~ condition")
    counts = np.array([[0, 9]] * 4 + [[100, 9], [110, 9]] * 2)
    fit = glm.fit(counts, design, np.ones(8), 0.05)
    table = glm.wald_test(fit, ("condition", "b", "a"))
    assert table.loc[0, ["log2FoldChange", "stat", "pvalue"]].tolist() == [0, 0, 1]
    assert glm.wald_test(fit, ("condition", "c", "a")).loc[0, "log2FoldChange"] > 5


def test_a_covariate_does_not_hide_that_two_levels_have_no_counts():
    obs = pd.DataFrame({"condition": list("AAAABBBBCCCC"), "age": [31, 40, 28, 55, 62, 39, 47, 33, 51, 44, 29, 36.0]})
    counts = np.full((12, 2), 9)
    counts[:, 0] = 0
    counts[4:8, 0] = [459, 343, 20, 710]
    fit = glm.fit(counts, design_matrix(obs, "~ age + condition"), np.ones(12), 0.5)
    questions = [("condition", "C", "A"), "condition[C]", {"condition[C]": 1}, [0, 0, 0, 1], [0, 0, 0, -2.0]]
    for question in questions:
        assert glm.wald_test(fit, question).loc[0, ["log2FoldChange", "pvalue"]].tolist() == [0, 1]
    assert glm.wald_test(fit, ("condition", "B", "A")).loc[0, "pvalue"] < 1


def random_coding(rng):
    """Another way to write three groups as columns."""
    while True:
        turn = rng.integers(-2, 3, (3, 3)).astype(float)
        if abs(np.linalg.det(turn)) > 0.5:
            return turn


@many
@given(st.integers(0, 10_000), st.sampled_from(["C", "B", "AB", "BC", ""]))
def test_every_coding_of_the_same_question_has_the_same_answer(seed, counted):
    rng = np.random.default_rng(seed)
    means = pd.get_dummies(pd.Series(GROUPS)).to_numpy(float)  # (24, 3): a mean for each group
    counts = counts_only_in(GROUPS, counted, rng, genes=3)
    question = np.array([[-1, 1, 0], [0, -1, 1], [-0.5, -0.5, 1], [1, 0, 0.0]])[rng.integers(4)]
    turn = random_coding(rng)
    plain = [means, question], [means @ turn, turn.T @ question]
    fits = [glm.fit(counts, design, np.ones(24), 0.1, ridge=0.0) for design, _ in plain]
    tables = [glm.wald_test(fit, c)[["log2FoldChange", "pvalue"]] for fit, (_, c) in zip(fits, plain, strict=True)]
    masks = [compared_samples(match_design(design, range(24)), c) for design, c in plain]
    assert np.array_equal(*masks)
    assert masks[0].tolist() == [bool(question["ABC".index(group)]) for group in GROUPS]
    silent = counts[masks[0]].sum(axis=0) == 0
    for table in tables:
        fitted = table["pvalue"].notna()
        assert (table[silent & fitted] == [0, 1]).all(axis=None)
    pd.testing.assert_frame_equal(*(table[~silent] for table in tables), rtol=1e-4, atol=1e-4)


@many
@given(st.integers(0, 10_000), st.permutations("ABC"), st.permutations("xy"))
def test_levels_beside_other_factors_are_compared_alike_whichever_are_the_references(seed, order, batches):
    rng = np.random.default_rng(seed)
    obs = pd.DataFrame({"g": list("AAAABBBBCCCC"), "batch": list("xyxyxyxyxyxy"), "age": rng.normal(size=12)})
    counts = rng.negative_binomial(2, 0.1, (12, 4))
    counts[obs["g"].isin(["A", "C"]), 0] = 0
    expected = None
    for levels in ([list("ABC"), list("xy")], [list(order), list(batches)]):
        obs = obs.assign(g=pd.Categorical(obs["g"], levels[0]), batch=pd.Categorical(obs["batch"], levels[1]))
        for formula in ("~ batch + age + g", "~ 0 + g + batch + age"):
            design = design_matrix(obs, formula)
            c = contrast(design, ("g", "C", "A"))
            for question in (("g", "C", "A"), c, pd.Series(c, design.columns)):
                for x, asked in ((design, question), (design.copy(), c)):
                    fit = glm.fit(counts, x, np.ones(12), 0.2, ridge=0.0)
                    table = glm.wald_test(fit, asked)[["log2FoldChange", "pvalue"]]
                    expected = table if expected is None else expected
                    assert table.iloc[0].tolist() == [0, 1]
                    pd.testing.assert_frame_equal(table, expected, rtol=1e-4, atol=1e-4)


def samples(design, question):
    """The samples that are compared, by their letters."""
    return "".join(np.array(GROUPS)[compared_samples(match_design(design, range(24)), np.array(question, dtype=float))])


def test_a_table_that_knows_no_factors_is_read_by_which_columns_exclude_each_other():
    rng = np.random.default_rng(1)
    b, c = (np.array([group == level for group in GROUPS], dtype=float) for level in "BC")
    batch, age, ones = np.tile([0.0, 1], 12), rng.normal(size=24), np.ones(24)
    beside = np.column_stack([ones, batch, age, b, c])
    assert samples(beside, [0, 0, 0, 0, 1]) == samples(beside, [0, 0, 0, 0, -3]) == "A" * 8 + "C" * 8
    assert samples(beside, [0, 0, 0, -1, 1]) == "B" * 8 + "C" * 8
    assert samples(beside, [0, 1, 0, 0, 0]) == samples(beside, [0, 0, 1, 0, 0]) == "".join(GROUPS)
    assert samples(beside, [0, 0, 0, 1, 1]) == "".join(GROUPS)
    crossed = np.column_stack([ones, age, b, c, batch, b * batch, c * batch])
    for number in range(1, 7):  # what excludes b * batch overlaps: nobody can tell, and no gene is without counts
        assert set(samples(crossed, np.eye(7)[number])) == set("ABC")


def test_differences_of_differences_are_deseq2_s():
    """Its rule for numbers: the samples with a part in either coefficient."""
    obs = pd.DataFrame({"kind": GROUPS, "drug": ["no", "yes"] * 12, "donor": list("xxyyzz") * 4})
    design = design_matrix(obs, "~ donor + kind * drug")
    question = contrast(design, "kind[C]:drug[yes] - kind[B]:drug[yes]")
    assert (
        compared_samples(design, question).tolist() == (obs["kind"].isin(["B", "C"]) & (obs["drug"] == "yes")).tolist()
    )


@pytest.mark.parametrize("alternative", ["greater_abs", "less_abs", "greater", "less"])
def test_nothing_is_claimed_of_it_against_any_threshold(alternative):
    counts = np.array([[0, 7]] * 4 + [[9, 7], [8, 7]])
    design = design_matrix(pd.DataFrame({"g": list("aabbcc")}), "~ g")
    fit = glm.fit(counts, design, np.ones(6), 0.1)
    table = glm.wald_test(fit, ("g", "b", "a"), lfc_threshold=1, alternative=alternative)
    assert table.loc[0, ["log2FoldChange", "stat", "pvalue"]].tolist() == [0, 0, 1]


def test_small_integer_types_are_added_up_whole():
    # B and C add up to 256 counts, which is 0 in eight bits; in int64 the change is 4.95
    gene = [20] * 4 + [2] * 4 + [62] * 4
    obs = pd.DataFrame({"condition": list("AAAABBBBCCCC")})
    design = design_matrix(obs, "~ condition")
    expected = None
    for dtype in (np.int64, np.uint8, np.int8, np.int16, np.uint16, np.float32):
        counts = np.array([gene, [30] * 12]).T.astype(dtype)
        fit = glm.fit(counts, design, np.ones(12), 0.05)
        table = glm.wald_test(fit, ("condition", "C", "B"))
        expected = table if expected is None else expected
        pd.testing.assert_frame_equal(table, expected)
    assert expected.loc[0, "log2FoldChange"] == pytest.approx(4.95, abs=0.01)
    assert contrast(design, ("condition", "C", "B")).tolist() == [0, -1, 1]
    assert dispersion.moments(counts, size_factors=np.ones(12)).shape == (2,)
