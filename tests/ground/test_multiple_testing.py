"""Adjusted p-values, independent filtering and rates of lists: closed forms, DESeq2's lists, names and refusals.

The 301 lists (tests/reference/README.md) hold zeros, ties, gaps and 0 to 50 calls. Thresholds and shares are the same
to the last digit but one, adjusted p-values to 5e-13, what the table keeps of them.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scomics_lite import glm
from scomics_lite.multiple_testing import adjust, average_rate, independent_filtering
from scomics_lite.validation import InputError

TABLE = Path(__file__).parents[1] / "reference" / "filter_results.tsv.gz"
LISTS = dict(list(pd.read_csv(TABLE, sep="\t", dtype={"case": str}, float_precision="round_trip").groupby("case")))
GENES = [f"g{number}" for number in range(60)]


def named(seed=1):
    """P-values of 60 genes and the mean counts that sort them."""
    rng = np.random.default_rng(seed)
    pvalues = np.where(np.arange(60) < 20, rng.uniform(0, 1e-3, 60), rng.uniform(size=60))
    return pd.Series(pvalues, GENES), pd.Series(np.linspace(100, 1, 60) * (np.arange(60) < 55), GENES)


# --- against others ---------------------------------------------------------------------------------------------------


def test_adjust_against_scipy():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        pvalues = np.round(rng.beta(0.3, 1, 200), 3)  # with ties, 0 and 1
        np.testing.assert_allclose(adjust(pvalues), stats.false_discovery_control(pvalues), rtol=1e-14)
    assert adjust([]).size == 0
    assert adjust([1.0, 1.0]).tolist() == [1, 1]


def test_filtering_chooses_what_deseq2_chooses():
    assert len(LISTS) == 301
    for case, table in LISTS.items():
        alpha = 0.05 if case.endswith("5") else 0.1
        found = independent_filtering(table["pvalue"].to_numpy(), table["mean"].to_numpy(), alpha=alpha)
        assert found.theta == pytest.approx(table["theta"].iloc[0], rel=1e-15), case
        assert found.threshold == pytest.approx(table["threshold"].iloc[0], rel=1e-15), case
        np.testing.assert_allclose(found.padj, table["padj"], rtol=1e-12, err_msg=case)


def test_a_curve_that_is_mostly_flat_keeps_its_end():
    """DESeq2's simulated example: 14 calls at first, 15 when two thirds of the genes are left out."""
    table = LISTS["example"]
    found = independent_filtering(table["pvalue"], table["mean"])
    assert found.theta == pytest.approx(0.6607, abs=1e-4)
    assert found.padj.notna().sum() == 68


def test_the_rejections_are_those_of_adjusting_again():
    for case in ("003", "010", "101", "237"):
        table = LISTS[case]
        found = independent_filtering(table["pvalue"].to_numpy(), table["mean"].to_numpy()).rejections
        again = [
            (adjust(np.where(table["mean"] >= threshold, table["pvalue"], np.nan)) < 0.1).sum()
            for threshold in found["threshold"]
        ]
        assert found["rejections"].tolist() == again


def test_zero_is_a_p_value_like_any_other():
    found = independent_filtering(np.r_[np.zeros(30), np.linspace(0.1, 1, 70)], np.arange(100.0, 0, -1))
    assert (found.padj[:30] == 0).all()
    assert found.rejections["rejections"].max() == 30


# --- names ------------------------------------------------------------------------------------------------------------


def test_names_in_names_out():
    pvalues, means = named()
    adjusted = adjust(pvalues)
    assert adjusted.index.equals(pvalues.index)
    assert adjusted.name == "padj"
    np.testing.assert_array_equal(adjusted, adjust(pvalues.to_numpy()))
    plain = independent_filtering(pvalues.to_numpy(), means.to_numpy())
    assert isinstance(plain.padj, np.ndarray)
    for one in ((pvalues, means), (pvalues, means.to_numpy()), (pvalues.to_numpy(), means)):
        found = independent_filtering(*one)
        assert found.padj.index.equals(pvalues.index)
        np.testing.assert_array_equal(found.padj, plain.padj)
    rates = average_rate(pvalues)
    assert rates.index.equals(pvalues.index)
    np.testing.assert_array_equal(rates, average_rate(pvalues.to_numpy()))
    assert isinstance(average_rate(list(pvalues)), np.ndarray)


def test_other_names_and_another_order_are_refused():
    pvalues, means = named()
    with pytest.raises(InputError, match=r"statistic are not those of the p-values.*statistic\.loc\[...\]"):
        independent_filtering(pvalues, means[::-1])
    in_order = independent_filtering(pvalues, means[::-1].loc[pvalues.index])  # the advice
    np.testing.assert_array_equal(in_order.padj, independent_filtering(pvalues, means).padj)
    with pytest.raises(InputError, match="'g59' is not among them"):
        independent_filtering(pvalues, means.rename({"g59": "else"}))
    numbered = [series.reset_index(drop=True) for series in (pvalues, means)]
    with pytest.raises(InputError, match="row 0 is 59 instead of 0"):
        independent_filtering(numbered[0], numbered[1][::-1])
    independent_filtering(*numbered)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pvalues", "message"),
    [
        ([0.1, 1.5], "between 0 and 1; gene 1 has 1.5"),
        (pd.Series([-0.1, 0.2], ["a", "b"]), "gene 'a' has -0.1"),
        ([0.1, np.inf], "gene 1 has inf"),
        ([[0.1, 0.2]], r"got shape \(1, 2\)"),
    ],
)
def test_what_is_no_p_value_is_refused(pvalues, message):
    for function in (adjust, glm.adjust, lambda p: independent_filtering(p, [1.0, 2.0])):
        with pytest.raises(InputError, match=message):
            function(pvalues)


@pytest.mark.parametrize("statistic", [[1.0], [1.0, 2, 3], [[1.0, 2.0]], 5.0])
def test_every_p_value_needs_a_statistic(statistic):
    with pytest.raises(InputError, match="got 2 p-values and a statistic of shape"):
        independent_filtering([0.1, 0.2], statistic)
    with pytest.raises(InputError, match="got 0 p-values"):
        independent_filtering([], [])


def test_a_gene_without_a_statistic_is_named():
    pvalues, means = named()
    with pytest.raises(InputError, match="gene 'g7' has none; leave out the genes without one, or give them 0"):
        independent_filtering(pvalues, means.where(means.index != "g7"))
    assert independent_filtering(pvalues, means.where(means.index != "g7").fillna(0)).padj.notna().any()
