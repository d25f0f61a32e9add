"""The plots of genes and traits: what is drawn of agreement, loci, expectations, failures and steps."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from fixtures.axes import legend, points

from scomics_lite import plots
from scomics_lite.validation import InputError

pytestmark = pytest.mark.usefixtures("closed_figures")


@pytest.fixture
def z():
    return pd.Series(np.linspace(-4, 6, 11), index=[f"g{i}" for i in range(11)])


def texts(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def ticks(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


# --- z-scores ---------------------------------------------------------------------------------------------------------


def test_z_scores_are_matched_by_gene_and_their_agreement_is_written(z, ax):
    other = (z + np.r_[0.5, np.zeros(10)]).iloc[::-1]
    assert plots.zscores(z, other, truth={"g10"}, labels=("PrediXcan", "S-PrediXcan"), ax=ax) is ax
    np.testing.assert_allclose(points(ax.collections[0])[0], [-4, -3.5])
    np.testing.assert_allclose(points(ax.collections[1]), [[6, 6]])
    assert legend(ax) == ["equal", "10 genes", "1 causal gene"]
    r = np.corrcoef(z, other.loc[z.index])[0, 1]
    assert texts(ax) == [f"r = {r:.4f}\nlargest difference 0.50 (g0)"]
    assert ax.get_xlabel() == "z-score, PrediXcan"


def test_genes_that_one_method_lacks_are_counted(z, ax):
    plots.zscores(z.iloc[:-2], z.where(z != 0), ax=ax)
    assert legend(ax) == ["equal", "8 genes (3 without both)"]


def test_arrays_and_single_genes_are_drawn(z, ax):
    plots.zscores(z.to_numpy(), z, ax=ax)
    assert legend(ax) == ["equal", "11 genes"]
    plots.zscores([1.0], [1.5], ax=(one := plt.figure().add_subplot()))
    assert texts(one) == ["largest difference 0.50 (0)"]  # no correlation of one pair
    many = np.random.default_rng(1).normal(size=5_000)
    plots.zscores(many, many, ax=plt.figure().add_subplot()).figure.draw_without_rendering()


def test_z_scores_that_do_not_belong_together_are_refused(z, ax):
    with pytest.raises(
        InputError, match=r"the first has 11 genes with a number, such as 'g0', the second .* such as 'a'"
    ):
        plots.zscores(z, pd.Series({"a": 1.0}), ax=ax)
    with pytest.raises(InputError, match="gene 'g0' comes more than once"):
        plots.zscores(pd.concat([z, z]), z, ax=ax)
    with pytest.raises(InputError, match=r"11 genes need as many numbers; got shape \(2,\)"):
        plots.zscores(z, [1.0, 2.0], ax=ax)


# --- a locus ----------------------------------------------------------------------------------------------------------


def locus(pips, in_set=1):
    """The table of `scomics_lite.twas.locus_posterior`: genes by falling probability, and the row of none."""
    genes = [f"g{i}" for i in range(len(pips))]
    table = pd.DataFrame({"gene": genes, "zscore": np.arange(len(pips)) - 5.0, "pip": pips})
    table["in_credible_set"] = np.arange(len(pips)) < in_set
    none = {"gene": "none of these", "zscore": np.nan, "pip": 0.01, "in_credible_set": False}
    return pd.concat([pd.DataFrame([none]), table], ignore_index=True)


def test_bars_are_probabilities_with_z_beside_and_the_null_row_last(ax):
    assert plots.locus_posterior(locus([0.9, 0.09]), truth={"g1"}, ax=ax) is ax
    assert ticks(ax.yaxis) == ["g0", "▲ g1", "none of these"]
    inside, outside = ax.containers
    assert [bar.get_width() for bar in [*inside, *outside]] == [0.9, 0.09, 0.01]
    assert inside[0].get_facecolor() != outside[0].get_facecolor()
    assert texts(ax) == ["|z| = 5.0", "|z| = 4.0"]
    assert ax.get_xlabel() == "posterior inclusion probability (▲ causal)"


def test_the_row_names_are_ids_where_there_is_no_column_of_them(ax):
    plots.locus_posterior(locus([0.9, 0.09]).set_index("gene"), ax=ax)
    assert ticks(ax.yaxis) == ["g0", "g1", "none of these"]


def test_of_many_genes_the_least_probable_share_bars(ax):
    pips = np.sort(np.random.default_rng(1).dirichlet(np.full(5_000, 0.01)))[::-1] * 0.99
    plots.locus_posterior(locus(pips, in_set=22), truth={"g4000"}, ax=ax)
    names = ticks(ax.yaxis)
    assert len(names) == 24
    assert names[-4:] == ["▲ g4000", "2 other genes", "4,977 other genes", "none of these"]
    assert sum(bar.get_width() for bars in ax.containers for bar in bars) == pytest.approx(1)


def test_a_table_that_is_no_locus_is_refused(ax):
    with pytest.raises(InputError, match=r"no column 'in_credible_set'; scomics_lite.twas.locus_posterior gives one"):
        plots.locus_posterior(locus([0.9]).drop(columns="in_credible_set"), ax=ax)
    with pytest.raises(InputError, match="column 'pip' of the table holds probabilities"):
        plots.locus_posterior(locus([1.9]), ax=ax)


def test_the_table_of_the_package_is_drawn(ax):
    twas = pytest.importorskip("scomics_lite.twas")
    zscores = pd.Series({"A": 6.0, "B": 5.4, "C": 0.3})
    table = twas.locus_posterior(zscores, [[1.0, 0.9, 0.1], [0.9, 1.0, 0.1], [0.1, 0.1, 1.0]])
    plots.locus_posterior(table, ax=ax)
    assert ticks(ax.yaxis) == ["A", "B", "C", "none of these"]
    assert len(ax.containers[0]) == 1  # the credible set


# --- polygenicity, failures, steps ------------------------------------------------------------------------------------


def test_expected_and_observed_z_squared_are_matched_with_their_errors(ax):
    expected = pd.Series({"a": 2.0, "b": 7.0, "c": np.nan})
    observed = pd.Series({"b": 7.5, "a": 2.1, "c": 1.0})
    plots.expected_zsquared(expected, observed, pd.Series({"b": 0.5, "a": 0.1, "c": 0.1}), ax=ax)
    assert legend(ax) == ["as expected", "z² = 1", "2 genes ± standard error"]
    (bars,) = ax.containers
    np.testing.assert_allclose(bars.lines[0].get_xydata(), [[2, 2.1], [7, 7.5]])
    np.testing.assert_allclose(bars.lines[2][0].get_segments(), [[[2, 2.0], [2, 2.2]], [[7, 7.0], [7, 8.0]]])


def test_expected_z_squared_without_errors(ax):
    plots.expected_zsquared(np.linspace(1, 9, 5_000), np.linspace(1, 9, 5_000), ax=ax)
    assert legend(ax)[-1] == "5,000 genes"


def test_cases_are_two_markers_joined_by_a_line(ax):
    cases = pd.DataFrame({"broken": [0.9, -0.2], "repaired": [0.8, 1.0]}, index=["flips", "panel"])
    plots.failures(cases, quantity="correlation", ideal=1, ax=ax)
    lines, broken, repaired = ax.collections
    np.testing.assert_allclose(lines.get_segments(), [[[0.8, 0], [0.9, 0]], [[-0.2, 1], [1.0, 1]]])
    np.testing.assert_allclose(points(broken), [[0.9, 0], [-0.2, 1]])
    np.testing.assert_allclose(points(repaired), [[0.8, 0], [1.0, 1]])
    assert ticks(ax.yaxis) == ["flips", "panel"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first case is on top
    assert legend(ax) == ["as it should be: 1", "broken", "repaired"]
    with pytest.raises(InputError, match="no column 'repaired'"):
        plots.failures(cases[["broken"]], ax=ax)
    with pytest.raises(InputError, match="the table has no row"):
        plots.failures(cases.iloc[:0], ax=ax)


STEPS = [
    ("genotypes", "450 people × 2,000 SNPs", "keep MAF > 0.01"),
    ("dosages", "450 × 1,650", "elastic net"),
    ("weights", "24 SNPs"),
]


def test_steps_stand_below_each_other_and_no_text_covers_another(ax):
    plots.pipeline(STEPS, ax=ax).figure.draw_without_rendering()
    boxes = [text for text in ax.texts if text.get_bbox_patch() is not None]
    assert [box.get_text().splitlines()[0] for box in boxes] == ["genotypes", "dosages", "weights"]
    words = [text for text in ax.texts if text.get_text() and text.get_bbox_patch() is None]
    assert [text.get_text() for text in words] == ["keep MAF > 0.01", "elastic net"]
    areas = [box.get_bbox_patch().get_window_extent() for box in boxes] + [word.get_window_extent() for word in words]
    assert not any(one.overlaps(other) for i, one in enumerate(areas) for other in areas[:i])
    frame = ax.get_window_extent()
    assert all(frame.x0 <= area.x0 and area.x1 <= frame.x1 for area in areas)


def test_steps_with_other_parts_are_refused(ax):
    with pytest.raises(InputError, match="step 1 of 2 needs 3 texts, title, shape and what leads to the next step"):
        plots.pipeline([("a", "b"), ("c", "d")], ax=ax)
    with pytest.raises(InputError, match="step 1 of 1 needs 2 texts, title and shape; got 'genotypes'"):
        plots.pipeline(["genotypes"], ax=ax)
    with pytest.raises(InputError, match="no step to draw"):
        plots.pipeline([], ax=ax)
