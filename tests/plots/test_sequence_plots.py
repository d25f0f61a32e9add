"""The plots of DNA and of models that read it: letters, one SNP, percentiles, signs, dials, fidelity and power."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from fixtures.axes import legend, points

from scomics_lite import plots
from scomics_lite.plots import OKABE_ITO
from scomics_lite.validation import InputError

pytestmark = pytest.mark.usefixtures("closed_figures")


def boxes(ax):
    """Lower left and upper right corner of every letter, in the axes' own numbers."""
    back = ax.transData.inverted()
    return {patch.get_label(): back.transform(patch.get_extents()) for patch in ax.patches}


def ticks(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


# --- logos ------------------------------------------------------------------------------------------------------------


def test_letters_are_as_high_as_their_share_of_the_information_and_stand_on_each_other(ax):
    p = np.array([0.1, 0.2, 0.7, 0.0])
    assert plots.motif_logo([p], ax=ax) is ax
    bits = 2 + (p[:3] * np.log2(p[:3])).sum()
    found = boxes(ax)
    assert set(found) == set("ACG")
    bottom = 0.0
    for letter, share in zip("ACG", p, strict=False):  # the likeliest on top
        np.testing.assert_allclose(found[letter][:, 1], [bottom, bottom + share * bits], atol=1e-9)
        np.testing.assert_allclose(found[letter][:, 0], [0.55, 1.45], atol=1e-9)
        bottom += share * bits
    assert ax.get_ylim() == (0, 2)


def test_columns_of_a_table_are_taken_by_their_letters(ax):
    plots.motif_logo(pd.DataFrame({"T": [1.0], "A": [0.0], "G": [0.0], "C": [0.0]}), ax=ax)
    assert set(boxes(ax)) == {"T"}
    with pytest.raises(InputError, match="none for 'C'"):
        plots.motif_logo(pd.DataFrame({"T": [1.0], "A": [0.0]}), ax=ax)


def test_even_positions_have_no_letters(ax):
    plots.motif_logo(np.full((3, 4), 0.25), ax=ax)
    assert not ax.patches


def test_what_is_no_motif_is_refused_and_the_way_out_works(ax):
    counts = np.array([[3, 0, 0, 1], [0, 4, 0, 0]])
    with pytest.raises(InputError, match=r"position 1 of the motif holds \[3.0, 0.0, 0.0, 1.0\]"):
        plots.motif_logo(counts, ax=ax)
    plots.motif_logo(counts / counts.sum(axis=1, keepdims=True), ax=ax)
    with pytest.raises(InputError, match=r"got shape \(4, 9\); this one has positions in columns: give matrix.T"):
        plots.motif_logo(np.full((4, 9), 0.25), ax=ax)
    with pytest.raises(InputError, match=r"got shape \(0, 4\)"):
        plots.motif_logo(np.empty((0, 4)), ax=ax)
    with pytest.raises(InputError, match="no probabilities"):
        plots.motif_logo([[np.nan, 0.5, 0.5, 0]], ax=ax)


# --- one SNP ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def alleles():
    positions = np.arange(1_000, 1_020)
    reference = pd.DataFrame(0.0, positions, ["SPI1", "CTCF", "GATA1", "YY1"])
    reference.loc[1_005, "CTCF"], reference.loc[1_003, "YY1"] = 0.9, 0.4
    alternative = reference.copy()
    alternative.loc[1_005, "CTCF"], alternative.loc[1_008, "SPI1"] = 0.2, 0.5
    return reference, alternative


def test_motifs_that_change_most_are_rows_with_their_change(alleles, ax):
    assert plots.variant_effect(*alleles, position=1_009, ax=ax) is ax
    assert ticks(ax.yaxis) == ["CTCF", "SPI1"]  # the others do not change
    assert [text.get_text() for text in ax.texts] == ["−0.70", "+0.50"]
    assert legend(ax) == ["gained", "lost", "reference allele", "alternative allele", "the SNP"]
    heights = [line.get_ydata() for line in ax.lines if len(line.get_xdata()) == 20]
    np.testing.assert_allclose([line.min() for line in heights], [-0.72, -0.16, 1.0, 0.6])  # upwards is less
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_gained_and_lost_are_filled_where_they_are(alleles, ax):
    plots.variant_effect(*alleles, ax=ax)
    areas = [area(fill) for fill in ax.collections]  # gained and lost of CTCF, then of SPI1
    np.testing.assert_allclose(areas, [0, 0.8 * 0.7, 0.8 * 0.5, 0], atol=1e-9)


def area(fill):
    x, y = fill.get_paths()[0].vertices.T
    return abs(np.sum(x * np.roll(y, 1) - y * np.roll(x, 1))) / 2


def test_motifs_are_named_and_nothing_needs_to_change(alleles, ax):
    plots.variant_effect(*alleles, label=["YY1"], ax=ax)
    assert ticks(ax.yaxis) == ["YY1"]
    plots.variant_effect(alleles[0], alleles[0], ax=(still := plt.figure().add_subplot()))
    assert ticks(still.yaxis) == ["SPI1"]
    with pytest.raises(InputError, match="there is no motif 'SPI2'; did you mean 'SPI1'"):
        plots.variant_effect(*alleles, label=["SPI2"], ax=ax)
    with pytest.raises(InputError, match="label chooses no motif"):
        plots.variant_effect(*alleles, label=0, ax=ax)


def test_tables_of_two_alleles_that_do_not_fit_are_refused(alleles, ax):
    reference, alternative = alleles
    with pytest.raises(InputError, match=r"reference has 20 from 1000 to 1019 and alternative 19 from 1000 to 1018"):
        plots.variant_effect(reference, alternative.iloc[:-1], ax=ax)
    with pytest.raises(InputError, match=r"alternative\[reference.columns\]"):
        plots.variant_effect(reference, alternative[reference.columns[::-1]], ax=ax)
    with pytest.raises(InputError, match="reference has 12 for motif 'CTCF' at position 1000"):
        plots.variant_effect(reference.assign(CTCF=12.0), alternative, ax=ax)
    with pytest.raises(InputError, match="positions, rising"):
        plots.variant_effect(reference.iloc[::-1], reference, ax=ax)
    with pytest.raises(InputError, match="reference is a DataFrame"):
        plots.variant_effect(reference.to_numpy(), reference, ax=ax)
    with pytest.raises(InputError, match="position is where the SNP is"):
        plots.variant_effect(reference, reference, position="rs1", ax=ax)


# --- percentiles ------------------------------------------------------------------------------------------------------


@pytest.fixture
def percentiles():
    observed = pd.Series(np.linspace(0, 1, 21), [f"g{i}" for i in range(21)])
    return observed, 0.2 + 0.5 * observed + 0.1 * np.sin(np.arange(21))


def test_points_are_matched_by_gene_with_a_correlation_for_each_group(percentiles, ax):
    observed, predicted = percentiles
    split = pd.Series(["train"] * 15 + ["test"] * 6, observed.index).iloc[::-1]
    plots.predicted_percentiles(predicted.iloc[::-1], observed, split=split, ax=ax)
    r = [np.corrcoef(predicted[part], observed[part])[0, 1] for part in (slice(15), slice(15, 21))]
    assert legend(ax) == [f"15 genes, train: r = {r[0]:.2f}", f"6 genes, test: r = {r[1]:.2f}", "equal"]
    np.testing.assert_allclose(points(ax.collections[1]), np.column_stack([observed, predicted])[15:])


def test_genes_without_both_percentiles_are_counted(percentiles, ax):
    observed, predicted = percentiles
    plots.predicted_percentiles(predicted.iloc[:-2], observed, ax=ax)
    assert ax.get_xlabel() == "observed percentile (2 genes without both)"
    assert legend(ax)[0].startswith("19 genes: r = 0.")


def test_many_genes_are_a_density_and_the_axes_reach_as_far_as_predictions(ax):
    x = np.linspace(0, 1, 9_000)
    plots.predicted_percentiles(1.5 * x - 0.25, x, split=np.where(x > 0.9, "test", "train"), ax=ax)
    assert legend(ax)[:2] == ["8,100 genes, train: r = 1.00 (darker: more genes)", "900 genes, test: r = 1.00"]
    assert ax.collections[0].get_array().sum() == 8_100
    assert ax.get_ylim() == pytest.approx((-0.27, 1.27))


def test_percentiles_with_broken_splits_are_refused(percentiles, ax):
    observed, predicted = percentiles
    with pytest.raises(InputError, match="no group for 1 gene, such as 'g20'"):
        plots.predicted_percentiles(predicted, observed, split=pd.Series("a", observed.index[:-1]), ax=ax)
    with pytest.raises(InputError, match=r"a group for each of 21 genes, .* got shape \(3,\)"):
        plots.predicted_percentiles(predicted, observed, split=["a", "b", "c"], ax=ax)
    twice = pd.Series("a", observed.index.append(observed.index[:1]))
    with pytest.raises(InputError, match="split has gene 'g0' more than once"):
        plots.predicted_percentiles(predicted, observed, split=twice, ax=ax)


# --- a dial -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def turned():
    table = pd.DataFrame({"right_sign": [0.9, 0.5], "across_genes": [0.6, 0.8]}, pd.Index([2.0, 0.1], name="cis"))
    return table.assign(right_sign_low=table["right_sign"] - 0.1, right_sign_high=table["right_sign"] + 0.05)


def test_a_dial_is_lines_in_the_order_of_its_settings(turned, ax):
    assert plots.dial(turned, ax=ax) is ax
    assert legend(ax) == ["correlation across genes", "share of genes with the right sign", "guessing the sign"]
    genes, signs = ax.containers
    np.testing.assert_allclose(genes.lines[0].get_xydata(), [[0.1, 0.8], [2, 0.6]])
    assert not genes.lines[2]
    np.testing.assert_allclose(signs.lines[2][0].get_segments(), [[[0.1, 0.4], [0.1, 0.55]], [[2, 0.8], [2, 0.95]]])
    assert ax.get_xlabel() == "cis"
    assert ax.get_ylim() == (0, 1)


def test_a_dial_shows_what_is_there_and_correlations_below_zero(ax):
    plots.dial(pd.DataFrame({"across_people": [-0.2, 0.3]}, [1, 2]), ax=ax)
    assert legend(ax) == ["correlation across people"]
    assert ax.get_ylim()[0] < -0.2


def test_tables_that_are_no_dial_are_refused(turned, ax):
    with pytest.raises(InputError, match="at least one of the columns across_genes, across_people, right_sign"):
        plots.dial(turned[["right_sign_low"]], ax=ax)
    with pytest.raises(InputError, match="this one holds 'weak'"):
        plots.dial(turned.set_axis(["weak", "strong"]), ax=ax)
    with pytest.raises(InputError, match=r"'right_sign' does not lie within its interval in row 2.0: 0.9 in 0.95 to"):
        plots.dial(turned.assign(right_sign_low=[0.95, 0.4]), ax=ax)
    with pytest.raises(InputError, match="no column 'right_sign_high'"):
        plots.dial(turned.drop(columns="right_sign_high"), ax=ax)


# --- fidelity ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def kept():
    return pd.DataFrame({"cell_type": ["B", "B", "B", "T"], "fidelity": [0.9, 0.5, np.nan, 0.3]})


def test_fidelity_is_a_line_of_shares_for_each_cell_type(kept, ax):
    assert plots.fidelity(kept, ax=ax) is ax
    assert legend(ax) == ["B: median 0.70 of 2 genes (1 without a number)", "T: median 0.30 of 1 gene"]
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[0.5, 0], [0.5, 0.5], [0.9, 1]])


def test_fidelity_with_heritability_is_points(kept, ax):
    plots.fidelity(kept.assign(heritability=[0.8, 0.4, 0.2, 0.3]), ax=ax)
    np.testing.assert_allclose(points(ax.collections[0]), [[0.8, 0.9], [0.4, 0.5]])
    assert ax.get_xlabel() == "heritability in the window"


def test_cell_types_without_any_fidelity_are_in_the_legend(kept, ax):
    plots.fidelity(kept.assign(fidelity=[0.9, 0.5, 0.4, np.nan]), ax=ax)
    assert legend(ax)[1] == "T: no gene (1 without a number)"
    with pytest.raises(InputError, match="no gene has the numbers to be plotted"):
        plots.fidelity(kept.assign(fidelity=np.nan), ax=ax)
    with pytest.raises(InputError, match=r"no column 'cell_type'; scomics_lite.twas.linearise gives one"):
        plots.fidelity(kept[["fidelity"]], ax=ax)


# --- signs ------------------------------------------------------------------------------------------------------------


def test_signs_are_sorted_and_counted(ax):
    table = pd.DataFrame({"correlation": [-0.3, 0.6, np.nan, 0.2, 0.0], "n": 101, "cell_type": "B"})
    assert plots.sign_across_people(table, ax=ax) is ax
    assert legend(ax) == [
        "right sign: 2 of 4 genes (50%)",
        "wrong sign: 1 of 4 genes (25%)",
        "95% of what noise gives",
    ]
    right, wrong = ax.patches
    np.testing.assert_allclose(right.get_data().values, [0.6, 0.2, 0, 0])
    np.testing.assert_allclose(wrong.get_data().values, [0, 0, 0, -0.3])
    assert ax.get_xlabel() == "genes, sorted (1 without a correlation)"
    assert [line.get_ydata()[0] for line in ax.lines] == pytest.approx([0, 0.196, -0.196])


def test_the_band_of_noise_holds_what_it_says(ax):
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(2, 4_000, 100))
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(one, other, strict=True)]
    plots.sign_across_people(pd.DataFrame({"correlation": r, "n": 100}), ax=ax)
    assert np.mean(np.abs(r) < ax.lines[1].get_ydata()[0]) == pytest.approx(0.95, abs=0.015)


def test_signs_of_what_is_no_correlation_are_refused(ax):
    with pytest.raises(InputError, match="is everybody predicted alike"):
        plots.sign_across_people(pd.DataFrame({"correlation": [np.nan]}), ax=ax)
    with pytest.raises(InputError, match=r"these reach from 0.1 to 7"):
        plots.sign_across_people(pd.DataFrame({"correlation": [0.1, 7]}), ax=ax)
    two = pd.DataFrame({"correlation": [0.1, 0.2], "cell_type": ["B", "T"]})
    with pytest.raises(
        InputError, match=r"of 2 cell types, and a curve is of one: table\[table\['cell_type'\] == 'B'\]"
    ):
        plots.sign_across_people(two, ax=ax)
    plots.sign_across_people(two[two["cell_type"] == "B"], ax=ax)
    with pytest.raises(InputError, match=r"scomics_lite.twas.across_people gives one that has"):
        plots.sign_across_people(pd.DataFrame({"r": [0.1]}), ax=ax)


# --- power ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def rates():
    table = pd.DataFrame({"cell_type": ["B", "T", "B"], "method": ["old", "old", "new"], "fdr": [0.1, 0.2, 0.04]})
    return table.assign(fdr_low=table["fdr"] / 2, fdr_high=table["fdr"] * 2)


def test_methods_stand_beside_each_other_in_every_group(rates, ax):
    assert plots.power_by_method(rates, value="fdr", promise=0.05, ax=ax) is ax
    assert ticks(ax.yaxis) == ["B", "T"]
    assert legend(ax) == ["as promised: 0.05", "old", "new"]
    old, new = ax.containers
    np.testing.assert_allclose(old.lines[0].get_xydata(), [[0.1, -0.125], [0.2, 0.875]])
    np.testing.assert_allclose(new.lines[2][0].get_segments(), [[[0.02, 0.125], [0.08, 0.125]]])
    assert new.lines[0].get_color() == OKABE_ITO["vermillion"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first group is on top


def test_rates_need_no_interval(rates, ax):
    plots.power_by_method(rates[["cell_type", "method", "fdr"]], value="fdr", ax=ax)
    np.testing.assert_allclose(ax.containers[0].lines[0].get_xydata()[:, 0], [0.1, 0.2])
    (bars,) = ax.containers[0].lines[2]
    np.testing.assert_allclose([end[0] - start[0] for start, end in bars.get_segments()], 0)


def test_tables_of_rates_that_are_none_are_refused(rates, ax):
    with pytest.raises(InputError, match="method 'old' comes more than once in cell_type 'B'"):
        plots.power_by_method(rates.assign(method="old"), value="fdr", ax=ax)
    with pytest.raises(InputError, match="no column 'power'"):
        plots.power_by_method(rates, ax=ax)
    with pytest.raises(InputError, match="no column 'tissue'"):
        plots.power_by_method(rates, value="fdr", by="tissue", ax=ax)


# --- weights of several cell types ------------------------------------------------------------------------------------


def test_weights_of_cell_types_are_drawn_along_a_locus_with_the_true_effects(ax):
    positions = [1_000_000, 1_200_000, 1_500_000]
    models = {name: pd.Series([w, 0.0, 0.1], positions) for name, w in (("B cells", 0.4), ("T cells", -0.3))}
    plots.weights(models, truth=pd.Series([0.5], [1_000_000]), ax=ax)
    assert legend(ax) == ["B cells: 2 of 3 SNPs", "T cells: 2 of 3 SNPs", "1 causal SNP: true effect"]
