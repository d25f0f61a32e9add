"""The plots along the genome, and of the weights of SNPs: what stands where, and which input is refused."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from fixtures.axes import legend, points
from matplotlib.colors import to_hex

from scomics_lite import plots
from scomics_lite.validation import InputError

pytestmark = pytest.mark.usefixtures("closed_figures")


@pytest.fixture
def table():
    """Genes of MetaXcan's columns: p falls from the first to the last."""
    names = [f"g{i}" for i in range(6)]
    return pd.DataFrame({"gene": names, "gene_name": [f"N{i}" for i in range(6)], "pvalue": 10.0 ** -np.arange(6)})


@pytest.fixture
def genes(table):
    """Two genes on each of chromosomes 10, 2 and X, whose order is 2, 10, X."""
    chromosome = ["10", "10", "2", "2", "X", "X"]
    start = np.array([1, 9, 2, 8, 3, 7]) * 1_000_000
    return pd.DataFrame({"chromosome": chromosome, "start": start, "end": start + 100}, index=table["gene"])


def names_of(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def ticks(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


# --- manhattan --------------------------------------------------------------------------------------------------------


def test_the_given_axes_are_drawn_on_and_returned(table, genes, ax):
    other = plt.figure().add_subplot()
    assert plots.manhattan(table, genes=genes, ax=ax) is ax
    assert not other.has_data()
    assert plots.manhattan(table, genes=genes) is other


def test_genes_stand_in_the_order_of_chromosomes_at_their_middles(table, genes, ax):
    plots.manhattan(table, genes=genes, ax=ax)
    x, y = points(ax.collections[0]).T
    assert list(np.argsort(x)) == [2, 3, 0, 1, 4, 5]  # 2, 10, X
    np.testing.assert_allclose(y, np.arange(6))
    assert x[3] - x[2] == pytest.approx(6e6)  # base pairs keep their size
    assert ticks(ax.xaxis) == ["2", "10", "X"]
    assert ax.get_ylabel() == "−log10 p-value"


def test_neighbouring_chromosomes_have_different_shades(table, genes, ax):
    plots.manhattan(table, genes=genes, ax=ax)
    shades = [to_hex(color).upper() for color in ax.collections[0].get_facecolors()]
    assert shades == [plots.OKABE_ITO[name] for name in ("sky", "sky", "blue", "blue", "blue", "blue")]


def test_causal_genes_have_another_marker_and_the_threshold_is_a_line(table, genes, ax):
    plots.manhattan(table, genes=genes, truth={"g4", "g5"}, threshold=0.01, ax=ax)
    assert legend(ax) == ["4 genes", "2 causal genes", "p = 0.01"]
    np.testing.assert_allclose(points(ax.collections[1])[:, 1], [4, 5])
    assert len(ax.collections[0].get_paths()[0].vertices) != len(ax.collections[1].get_paths()[0].vertices)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), 2)


def test_the_smallest_p_values_get_the_names_of_their_genes(table, genes, ax):
    plots.manhattan(table, genes=genes, label=2, ax=ax)
    assert names_of(ax) == ["N5", "N4"]
    plots.manhattan(table, genes=genes, label=["g0"], ax=(named := plt.figure().add_subplot()))
    assert names_of(named) == ["N0"]


def test_a_p_value_of_zero_is_a_triangle_at_the_upper_edge(table, genes, ax):
    plots.manhattan(table.assign(pvalue=[0, 1, 1, 1, 1, 1e-7]), genes=genes, label=1, ax=ax)
    assert legend(ax) == ["6 genes", "1 of all with p = 0"]
    assert points(ax.collections[1])[0, 1] == pytest.approx(7)
    assert names_of(ax) == ["N0"]
    assert np.isfinite(ax.get_ylim()).all()


def test_snps_of_one_chromosome_stand_at_their_positions(ax):
    snps = pd.DataFrame({"snp": ["rs1", "rs2"], "chromosome": "chr19", "position": [1_500_000, 2e6], "pvalue": 0.1})
    plots.manhattan(snps, ax=ax)
    np.testing.assert_allclose(points(ax.collections[0])[:, 0], [1.5, 2])
    assert (ax.get_xlabel(), legend(ax)) == ("position on chromosome 19 (Mb)", ["2 SNPs"])


def test_five_thousand_genes_and_one(ax):
    rng = np.random.default_rng(1)
    chromosome = rng.integers(1, 23, 5_000).astype(str)
    many = pd.DataFrame(
        {"chromosome": chromosome, "position": rng.integers(1, 2e8, 5_000), "pvalue": rng.random(5_000)}
    )
    plots.manhattan(many, label=10, ax=ax).figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    plots.manhattan(many.iloc[:1], ax=plt.figure().add_subplot()).figure.draw_without_rendering()


def test_genes_without_a_place_are_warned_of_and_those_without_p_value_are_left_out(table, genes, ax):
    with pytest.warns(UserWarning, match="1 of 6 genes are not drawn, because genes= lacks them; the first is 'g0'"):
        plots.manhattan(table.assign(pvalue=[1, np.nan, 1, 1, 1, 1]), genes=genes.iloc[1:], ax=ax)
    assert legend(ax) == ["4 genes"]


def test_genes_that_are_called_otherwise_are_named_with_both_sides(table, genes, ax):
    with pytest.raises(
        InputError, match="genes= has none of the table's 6 genes: there the first is 0, in the table 'g0'"
    ):
        plots.manhattan(table, genes=genes.reset_index(drop=True), ax=ax)
    with pytest.raises(InputError, match="none of the 1 causal genes is plotted: 'N1', say, where the plot has 'g0'"):
        plots.manhattan(table, genes=genes, truth={"N1"}, ax=ax)
    with pytest.raises(InputError, match="truth is a set of the ids"):
        plots.manhattan(table, genes=genes, truth="g1", ax=ax)


def test_a_table_that_cannot_be_drawn_says_what_it_lacks(table, genes, ax):
    with pytest.raises(InputError, match="no column 'chromosome'; a table of SNPs, or of genes with genes=, gives one"):
        plots.manhattan(table, ax=ax)
    with pytest.raises(InputError, match="no gene 'g9'"):
        plots.manhattan(table, genes=genes, label="g9", ax=ax)
    with pytest.raises(InputError, match="'g1' has more than one"):
        plots.manhattan(table.assign(gene="g1"), genes=genes, ax=ax)
    with pytest.raises(InputError, match="genes= has more than one row of 'g0'"):
        plots.manhattan(table, genes=pd.concat([genes, genes]), ax=ax)
    with pytest.raises(InputError, match="threshold is a p-value"):
        plots.manhattan(table, genes=genes, threshold=5, ax=ax)
    with pytest.raises(InputError, match="none of the table's 6 genes has a position and a p-value"):
        plots.manhattan(table.assign(pvalue=np.nan), genes=genes, ax=ax)


# --- linkage disequilibrium -------------------------------------------------------------------------------------------


def test_ld_is_drawn_by_sign_or_squared(ax):
    r = pd.DataFrame([[1, -0.8], [-0.8, 1]], ["rs1", "rs2"], ["rs1", "rs2"])
    plots.ld(r, ax=ax)
    np.testing.assert_allclose(ax.images[0].get_array(), r)
    assert ax.images[0].get_clim() == (-1, 1)
    assert ticks(ax.yaxis) == ["rs1", "rs2"]
    plots.ld(r, squared=True, ax=(other := plt.figure().add_subplot()))
    np.testing.assert_allclose(other.images[0].get_array(), r**2)
    assert other.images[0].get_clim() == (0, 1)
    assert other.figure.axes[1].get_ylabel() == "r²"


def test_ld_of_many_snps_has_positions_and_no_names(ax):
    positions = np.linspace(1e6, 3e6, 201)
    plots.ld(np.eye(201), positions=positions, ax=ax).figure.draw_without_rendering()
    assert {"1.0", "1.8", "3.0"} < set(ticks(ax.xaxis)) | set(ticks(ax.yaxis))
    plots.ld(np.eye(201), names=np.arange(201), ax=(other := plt.figure().add_subplot()))
    assert other.get_xlabel() == "SNP"


def test_what_is_no_correlation_is_refused_and_the_advice_works(ax):
    covariance = np.array([[4.0, 1], [1, 1]])
    with pytest.raises(InputError, match=r"these reach 4. Covariances become correlations by .*np.outer\(s, s\)"):
        plots.ld(covariance, ax=ax)
    s = np.sqrt(np.diag(covariance))
    plots.ld(covariance / np.outer(s, s), ax=ax)
    with pytest.raises(InputError, match=r"square matrix, SNPs × SNPs; got shape \(2, 3\)"):
        plots.ld(np.zeros((2, 3)), ax=ax)
    with pytest.raises(InputError, match=r"2 SNPs need as many positions; got shape \(3,\)"):
        plots.ld(np.eye(2), positions=[1, 2, 3], ax=ax)


# --- weights ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def path():
    """Three SNPs, the second of which is the largest at the end, and the first at the second penalty."""
    return pd.DataFrame({"rs1": [0, 0.2, 0.3], "rs2": [0, 0.1, -0.5], "rs3": [0, 0, 0.1], "rs4": 0.0})


def test_a_path_is_drawn_from_strong_to_weak_penalties(path, ax):
    plots.coefficient_path(path.iloc[::-1], [0.01, 0.1, 1], label=["rs2"], ax=ax)
    (line,) = (line for line in ax.lines if len(line.get_xdata()) == 3)
    np.testing.assert_allclose(line.get_xdata(), [1, 0.1, 0.01])
    np.testing.assert_allclose(line.get_ydata(), path["rs2"])
    assert ax.get_xlim()[0] > ax.get_xlim()[1]
    assert legend(ax) == ["2 other SNPs (1 more stays at 0)"]
    np.testing.assert_allclose([one[:, 1] for one in ax.collections[0].get_segments()], path[["rs1", "rs3"]].T)


def test_the_largest_weights_at_the_chosen_penalty_are_named(path, ax):
    plots.coefficient_path(path, [1, 0.1, 0.01], chosen=0.1, label=1, ax=ax)
    assert names_of(ax) == ["rs1"]
    assert "chosen: λ = 0.1" in legend(ax)
    plots.coefficient_path(path, [1, 0.1, 0.01], label=1, ax=(other := plt.figure().add_subplot()))
    assert names_of(other) == ["rs2"]


def test_names_stand_behind_the_paths_and_below_each_other(ax):
    path = pd.DataFrame({f"rs{i}": [0, 0.1, 0.2 + 0.001 * i] for i in range(4)})
    plots.coefficient_path(path, [1, 0.1, 0.01], label=4, ax=ax)
    end = ax.transData.transform((0.01, 0))[0]
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
    assert len(boxes) == 4
    assert all(box.x0 > end for box in boxes)
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])


def test_a_path_of_many_snps_or_none_is_drawn(ax):
    rng = np.random.default_rng(2)
    plots.coefficient_path(rng.normal(size=(100, 5_000)), np.geomspace(1, 0.01, 100), label=3, ax=ax)
    assert legend(ax) == ["4,997 other SNPs"]
    plots.coefficient_path(np.zeros((2, 3)), [1, 0.5], ax=(other := plt.figure().add_subplot()))
    assert legend(other) == ["0 other SNPs (3 more stay at 0)"]


def test_a_path_that_cannot_be_drawn_is_refused(path, ax):
    with pytest.raises(InputError, match="one row of coefficients for every penalty; got 3 and 2"):
        plots.coefficient_path(path, [1, 0.1], ax=ax)
    with pytest.raises(InputError, match="penalties are numbers above 0"):
        plots.coefficient_path(path, [1, 0.1, 0], ax=ax)
    with pytest.raises(InputError, match="chosen is a penalty"):
        plots.coefficient_path(path, [1, 0.1, 0.01], chosen=-1, ax=ax)
    with pytest.raises(InputError, match="no gene 'rs9'"):
        plots.coefficient_path(path, [1, 0.1, 0.01], label="rs9", ax=ax)


def test_weights_are_stems_at_their_positions_and_zeros_are_counted(ax):
    marginal = pd.Series([0.3, -0.2, 0.1], index=[1_000_000, 2_000_000, 3_000_000])
    joint = pd.Series([0.25, 0.0, 0.0], index=marginal.index)
    plots.weights({"marginal": marginal, "joint": joint}, truth=[1_000_000], ax=ax)
    assert legend(ax) == ["marginal: 3 of 3 SNPs", "joint: 1 of 3 SNPs", "1 causal SNP"]
    first, second = (line for line in ax.lines if line.get_marker() != "None")
    np.testing.assert_allclose(first.get_xydata(), [[1, 0.3], [2, -0.2], [3, 0.1]])
    np.testing.assert_allclose(second.get_xydata(), [[1, 0.25]])
    assert first.get_marker() != second.get_marker()
    assert first.get_color() != second.get_color()


def test_true_effects_are_crosses(ax):
    weights = pd.Series(np.linspace(-1, 1, 5_000), index=np.arange(5_000) * 100)
    plots.weights({"joint": weights}, truth=pd.Series({10_000: 0.7, 20_000: -0.7}), ax=ax)
    assert legend(ax)[-1] == "2 causal SNPs: true effect"
    np.testing.assert_allclose(ax.lines[-1].get_xydata(), [[0.01, 0.7], [0.02, -0.7]])


def test_weights_without_positions_are_refused_and_the_advice_works(ax):
    weights = pd.Series({"rs1": 0.1})
    with pytest.raises(InputError, match=r"'joint' are a Series whose index is the SNPs' positions; .* holds 'rs1'"):
        plots.weights({"joint": weights}, ax=ax)
    var = pd.DataFrame({"position": [5]}, index=["rs1"])
    plots.weights({"joint": weights.set_axis(var["position"])}, ax=ax)
    with pytest.raises(InputError, match="weights are a dict"):
        plots.weights(weights, ax=ax)
    with pytest.raises(InputError, match="got a list"):
        plots.weights({"joint": [1.0]}, ax=ax)
