"""A gene without a count in the compared samples says nothing about them, however the question is written."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scomics_lite import differential, dispersion, glm
from scomics_lite.design import contrast, design_matrix
from scomics_lite.glm.empty_groups import leaves_sign_open

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
    means = np.array([counts[np.array(GROUPS) == group].sum(axis=0) for group in "ABC"])
    empty = (means == 0).T  # a mean of zero may fall without end: the contrast falls, or rises, or does what you like
    silent = (empty & (question > 0)).any(axis=1) & (empty & (question < 0)).any(axis=1)
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


def by_all_directions(x, c, counted):
    """The definition, tried in many directions."""
    rng = np.random.default_rng(0)
    directions = rng.integers(-2, 3, (60_000, x.shape[1]))
    moves = directions @ x.T
    fine = (moves[:, counted] == 0).all(axis=1) & (moves[:, ~counted] <= 0).all(axis=1)
    reached = directions[fine] @ c
    return (reached > 0).any() and (reached < 0).any()


def test_the_sign_is_open_where_directions_of_recession_lead_both_ways():
    rng = np.random.default_rng(3)
    outcomes = set()
    for _ in range(60):
        x = np.column_stack([np.ones(7, dtype=int), rng.integers(0, 2, (7, 3))])
        if np.linalg.matrix_rank(x) < 4:
            continue
        c, counted = rng.integers(-1, 2, 4), rng.random(7) < rng.choice([0.1, 0.3, 0.6])
        ours = bool(leaves_sign_open(x.astype(float), c.astype(float), counted[:, None])[0])
        assert ours == by_all_directions(x, c, counted)
        outcomes.add(ours)
    assert outcomes == {True, False}


def test_interactions_compare_the_samples_at_the_reference():
    obs = pd.DataFrame({"type": list("aaaabbbb"), "drug": ["no", "yes"] * 4})
    design = design_matrix(obs, "~ type * drug")
    counts = np.array(
        [[0, 9], [0, 9], [0, 8], [0, 9], [7, 9], [30, 9], [9, 9], [28, 9]]
    )  # gene 0 is absent from type a
    fit = glm.fit(counts, design, np.ones(8), 0.05)
    assert glm.wald_test(fit, ("drug", "yes", "no")).loc[0, ["log2FoldChange", "pvalue"]].tolist() == [0, 1]
    in_b = glm.wald_test(fit, "drug[yes] + type[b]:drug[yes]").loc[0]
    assert in_b["log2FoldChange"] == pytest.approx(np.log2(29 / 8), abs=0.01)
    assert in_b["pvalue"] < 0.05


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
