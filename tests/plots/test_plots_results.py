"""The plots of tables of genes and of single genes: what stands on the axes, and what is drawn."""

import time
from itertools import combinations

import anndata
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from fixtures.axes import legend, points
from matplotlib.colors import to_hex
from scipy import sparse, stats

from scomics_lite import design, differential, dispersion, linear_models, plots, quasi_likelihood, simulate
from scomics_lite.validation import CountsError, InputError

pytestmark = pytest.mark.usefixtures("closed_figures")

BLUE, GREY = plots.OKABE_ITO["blue"], plots.OKABE_ITO["grey"]
GENES = ["even", "up", "down", "steep", "filtered", "outlier", "empty"]
TABLE = pd.DataFrame(
    {
        "baseMean": [50.0, 400, 30, 800, 0.2, 90, 0],
        "log2FoldChange": [0.1, 2.0, -1.5, 1.0, 4.0, 0.5, np.nan],
        "pvalue": [0.6, 1e-8, 1e-4, 0.0, 0.3, np.nan, np.nan],
        "padj": [0.7, 4e-8, 0.06, 0.0, np.nan, np.nan, np.nan],
    },
    index=GENES,
)
PLOTS = {"volcano": plots.volcano, "mean_difference": plots.mean_difference}
OBS = pd.DataFrame({"condition": list("abab") * 2, "sex": ["m", "m", "f", "f"] * 2}, index=[f"s{i}" for i in range(8)])
COUNTS = pd.DataFrame(np.random.default_rng(4).negative_binomial(3, 0.03, (8, 30)), index=OBS.index)
COUNTS = COUNTS.add_prefix("gene")
COUNTS.loc["s2":"s4", "gene5"] = 0
FACTORS = np.geomspace(0.5, 2, 8)
ADATA = anndata.AnnData(COUNTS, obs=OBS)


@pytest.fixture(scope="module")
def simulated():
    adata = simulate.bulk_counts(["A"] * 4 + ["B"] * 4, 800, log2_fold_change=2, library_sizes=1e6, rng=1)
    return differential.test(adata, "~ condition", ("condition", "B", "A"), progress=False)


def color(collection):
    return [to_hex(value).upper() for value in collection.get_facecolor()]


def is_upright(collection):
    """Whether the marker is a triangle that points up (or, False, down)."""
    corners = collection.get_paths()[0].vertices[:3]
    return corners[:, 1].argmax() == 0


def names(ax):
    """Texts beside points, without the lines that lead to them."""
    return [text for text in ax.texts if text.get_text()]


# --- both plots of a table --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLOTS)
def test_the_given_axes_are_drawn_on_and_returned(name, ax):
    other = plt.figure().add_subplot()  # the current axes, which must stay empty
    assert PLOTS[name](TABLE, ax=ax) is ax
    assert not other.has_data()
    assert PLOTS[name](TABLE) is other


@pytest.mark.parametrize("name", PLOTS)
def test_a_table_without_a_column(name):
    with pytest.raises(InputError, match=r"no column 'padj'; scomics_lite\.differential\.test gives one that has"):
        PLOTS[name](TABLE.drop(columns="padj"))
    with pytest.raises(InputError, match=r"no column 'log2FoldChange'; .*did you mean 'logFoldChange'"):
        PLOTS[name](TABLE.rename(columns={"log2FoldChange": "logFoldChange"}))
    with pytest.raises(InputError, match=r"the table of scomics_lite\.differential\.test; got ndarray"):
        PLOTS[name](TABLE.to_numpy())


@pytest.mark.parametrize("name", PLOTS)
def test_a_table_that_holds_something_else(name):
    text = TABLE.astype(object)
    text.loc["down", "log2FoldChange"] = "n.d."
    with pytest.raises(InputError, match=r"column 'log2FoldChange' of the table holds 'n\.d\.' in row 'down'"):
        PLOTS[name](text)
    with pytest.raises(InputError, match="the table has more than one column 'log2FoldChange'; drop the others"):
        PLOTS[name](pd.concat([TABLE, TABLE[["log2FoldChange"]]], axis=1))
    assert not plt.get_fignums()


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("dtype", [object, "Float64", "float32"])
def test_numbers_of_any_type(name, dtype, ax):
    PLOTS[name](TABLE.astype(dtype), ax=ax)
    PLOTS[name](TABLE, ax=(expected := plt.figure().add_subplot()))
    assert legend(ax) == legend(expected)
    for drawn, collection in zip(ax.collections, expected.collections, strict=True):
        np.testing.assert_allclose(points(drawn), points(collection), rtol=1e-6)


@pytest.mark.parametrize("name", PLOTS)
def test_infinite_fold_changes_have_no_place(name, ax):
    PLOTS[name](TABLE.replace({"log2FoldChange": {2.0: np.inf}}), ax=ax)
    assert legend(ax)[1] == "2 genes with padj < 0.1"
    ax.figure.draw_without_rendering()


@pytest.mark.parametrize("name", PLOTS)
def test_genes_of_one_name(name, ax):
    PLOTS[name](TABLE.set_axis(["twin"] * len(TABLE)), ax=ax)
    assert legend(ax)[1] == "3 genes with padj < 0.1"


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 5, np.nan])
@pytest.mark.parametrize("name", PLOTS)
def test_alpha_is_a_rate(name, alpha):
    with pytest.raises(InputError, match=f"alpha is a false discovery rate between 0 and 1; got {alpha}"):
        PLOTS[name](TABLE, alpha=alpha)


@pytest.mark.parametrize("name", PLOTS)
def test_a_table_without_a_gene_to_be_drawn(name):
    with pytest.raises(InputError, match="none of the table's 1 genes has the numbers to be plotted"):
        PLOTS[name](TABLE.loc[["empty"]])
    assert not plt.get_fignums()


@pytest.mark.parametrize("name", PLOTS)
def test_every_gene_of_a_table_has_a_place(name, simulated, ax):
    PLOTS[name](simulated, alpha=0.05, ax=ax)
    called = (simulated["padj"] < 0.05).sum()
    drawn = simulated["pvalue" if name == "volcano" else "log2FoldChange"].notna().sum()
    assert sum(len(points(collection)) for collection in ax.collections) == drawn
    assert legend(ax)[:2] == [f"{drawn - called:,} other genes", f"{called:,} genes with padj < 0.05"]
    blue = [color(collection).count(BLUE) for collection in ax.collections[2:]]
    assert len(points(ax.collections[1])) + sum(blue) == called
    assert all(collection.get_rasterized() for collection in ax.collections)  # a figure of all genes stays small


# --- volcano ----------------------------------------------------------------------------------------------------------


def test_volcano_draws_p_values_and_colours_those_called(ax):
    plots.volcano(TABLE, ax=ax)
    other, called, zero = ax.collections
    np.testing.assert_allclose(points(other), [[0.1, -np.log10(0.6)], [4, -np.log10(0.3)]])
    np.testing.assert_allclose(points(called), [[2, 8], [-1.5, 4]])
    assert (color(other), color(called)) == ([GREY], [BLUE])
    np.testing.assert_allclose(points(zero), [[1, 8]])  # as high as the highest
    assert is_upright(zero)
    assert color(zero) == [BLUE]
    assert legend(ax) == ["2 other genes", "3 genes with padj < 0.1", "1 of all with p = 0"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("log2 fold change", "−log10 p-value")


def test_volcano_calls_by_alpha(ax):
    plots.volcano(TABLE[TABLE["pvalue"] != 0], alpha=0.05, ax=ax)
    assert legend(ax) == ["3 other genes", "1 genes with padj < 0.05"]


def test_volcano_of_nothing_but_zeros(ax):
    plots.volcano(TABLE.loc[["steep"]], ax=ax)
    np.testing.assert_allclose(points(ax.collections[2]), [[1, 1]])


def test_the_legend_is_above_the_points(simulated, ax):
    plots.volcano(simulated, ax=ax)
    ax.figure.draw_without_rendering()
    box = ax.get_legend().get_window_extent()
    assert not any(box.count_contains(ax.transData.transform(points(collection))) for collection in ax.collections)


@pytest.mark.parametrize("number", [0, 1, 3, 10])
def test_the_smallest_p_values_are_named(number, ax):
    plots.volcano(TABLE, label=number, ax=ax)
    by_p = ["steep", "up", "down", "filtered", "even"]
    assert [text.get_text() for text in names(ax)] == by_p[:number]
    assert [text.xy for text in names(ax)[:3]] == [(1, 8), (2, 8), (-1.5, 4)][:number]


def test_names_do_not_cover_each_other(simulated, ax):
    plots.volcano(simulated, label=20, ax=ax)
    boxes = [text.get_window_extent() for text in names(ax)]
    assert len(boxes) == 20
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert not any(box.overlaps(ax.get_legend().get_window_extent()) for box in boxes)
    assert all(ax.bbox.count_contains(box.corners()) == 4 for box in boxes)


def test_names_of_genes_in_one_place_are_led_to_it(ax):
    table = pd.DataFrame({"log2FoldChange": 1.0, "pvalue": 1e-9, "padj": 1e-8}, index=[f"twin{i}" for i in range(6)])
    plots.volcano(table, label=6, ax=ax)
    boxes = [text.get_window_extent() for text in names(ax)]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    leaders = [text for text in ax.texts if not text.get_text()]
    assert [leader.xyann for leader in leaders] == [text.xyann for text in names(ax) if text.xyann[1]]
    assert len(leaders) >= 4


def test_names_without_room_stay_at_their_points():
    figure = plt.figure(figsize=(0.6, 0.6))
    ax = plots.volcano(TABLE, label=2, ax=figure.add_axes((0, 0, 1, 1)))
    assert [text.xyann for text in names(ax)] == [(6, 0), (6, 0)]


@pytest.mark.parametrize("label", [-1, 2.5, None])
def test_label_is_a_number_of_genes_or_their_names(label):
    with pytest.raises(InputError, match="label is how many genes to name, 0 or more, or a list of their names; got"):
        plots.volcano(TABLE, label=label)


@pytest.mark.parametrize("form", [list, tuple, np.array, pd.Index, pd.Series, dict.fromkeys])
def test_genes_are_named_by_their_names_too(form, ax):
    plots.volcano(TABLE, label=form(["even", "up"]), ax=ax)
    assert [text.get_text() for text in names(ax)] == ["up", "even"]  # the smallest p-value chooses its place first
    assert [text.xy for text in names(ax)] == [(2, 8), (0.1, pytest.approx(-np.log10(0.6)))]


def test_one_gene_and_no_gene_are_named_by_name(ax):
    plots.volcano(TABLE, label="down", ax=ax)
    assert [text.get_text() for text in names(ax)] == ["down"]
    plots.volcano(TABLE, label=[], ax=(other := plt.figure().add_subplot()))
    assert names(other) == []


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (["up", "dwon"], "there is no gene 'dwon'; did you mean 'down'"),
        ("stepe", "there is no gene 'stepe'; did you mean 'steep'"),
        ([3], "there is no gene 3; Known: "),
        ([["up"]], r"there is no gene \['up'\]"),
    ],
)
def test_names_of_no_gene_are_refused(label, message):
    with pytest.raises(InputError, match=message):
        plots.volcano(TABLE, label=label)


def test_genes_asked_for_that_have_no_place_are_said(ax):
    with pytest.warns(UserWarning, match="the numbers to be plotted are missing: 'outlier', 'empty'") as caught:
        plots.volcano(TABLE, label=["outlier", "up", "empty"], ax=ax)
    assert caught[0].filename == __file__
    assert [text.get_text() for text in names(ax)] == ["up"]


def test_every_gene_of_a_name_is_named(ax):
    plots.volcano(TABLE.rename(index={"down": "up"}), label=["up"], ax=ax)
    assert [text.xy for text in names(ax)] == [(2, 8), (-1.5, 4)]


def test_hundreds_of_names_take_no_longer_than_drawing_them():
    rng = np.random.default_rng(3)
    p = rng.uniform(size=14_000) ** 3
    table = pd.DataFrame({"log2FoldChange": rng.normal(size=p.size), "pvalue": p, "padj": p}).rename("gene{}".format)

    def seconds(label):
        figure, ax = plt.subplots()
        start = time.process_time()
        plots.volcano(table, label=label, ax=ax)
        placed = time.process_time()
        figure.canvas.draw()
        return placed - start, time.process_time() - placed

    seconds(5)  # fonts are found once
    few, _ = seconds(20)
    many, drawing = seconds(400)
    assert len(names(plt.gca())) == 400
    assert many < 20 * few + 2 * drawing  # linear; before, each name was tried at each place against all others


def test_p_values_outside_0_and_1_are_refused():
    with pytest.raises(InputError, match=r"p-values lie between 0 and 1; these reach from 0 to 1\.5"):
        plots.volcano(TABLE.replace({"pvalue": {0.6: 1.5}}))


# --- fold changes against means ---------------------------------------------------------------------------------------


def test_mean_difference_draws_fold_changes(ax):
    plots.mean_difference(TABLE, ax=ax)
    other, called = ax.collections
    np.testing.assert_allclose(points(other), [[50, 0.1], [0.2, 4], [90, 0.5]])
    np.testing.assert_allclose(points(called), [[400, 2], [30, -1.5], [800, 1]])
    assert (color(other), color(called)) == ([GREY], [BLUE])
    assert ax.get_xscale() == "log"
    assert ax.lines[0].get_ydata() == [0, 0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("mean normalized count", "log2 fold change")


def test_mean_difference_of_another_column(ax):
    table = TABLE.assign(shrunken=TABLE["log2FoldChange"] / 2)
    table.loc["up", "shrunken"] = np.nan
    plots.mean_difference(table, column="shrunken", ax=ax)
    other, called = ax.collections
    np.testing.assert_allclose(points(other), [[50, 0.05], [0.2, 2], [90, 0.25]])
    np.testing.assert_allclose(points(called), [[30, -0.75], [800, 0.5]])
    assert ax.get_ylabel() == "shrunken log2 fold change"
    plots.mean_difference(table.drop(index="up"), ax=(estimates := plt.figure().add_subplot()))
    assert ax.get_ylim() == estimates.get_ylim()  # the two compare at a glance
    with pytest.raises(InputError, match=r"no column 'shrunken'; .*test\(\.\.\., shrink='ash'\) gives one that has"):
        plots.mean_difference(table.rename(columns={"shrunken": "shrunk"}), column="shrunken")
    with pytest.raises(InputError, match="a column is called by its name; got None"):
        plots.mean_difference(table, column=None)


def test_large_fold_changes_are_triangles_at_the_edges(ax):
    rng = np.random.default_rng(2)
    change = np.r_[rng.uniform(-1, 1, 1_000), 5, 7, -6]
    table = pd.DataFrame({"baseMean": 10.0, "log2FoldChange": change, "padj": 0.5})
    table.loc[1_000, "padj"] = 0.01
    plots.mean_difference(table, ax=ax)
    edge = 1.1 * np.quantile(np.abs(change), 0.99)
    up, down = ax.collections[2:]
    np.testing.assert_allclose(points(up), [[10, edge], [10, edge]])
    np.testing.assert_allclose(points(down), [[10, -edge]])
    assert (is_upright(up), is_upright(down)) == (True, False)
    assert (color(up), color(down)) == ([BLUE, GREY], [GREY])
    assert legend(ax) == ["1,002 other genes", "1 genes with padj < 0.1", f"3 of all beyond ±{edge:.2g}"]
    low, high = ax.get_ylim()
    assert low < -edge
    assert edge < high


def test_genes_without_counts_are_left_out(ax):
    emptied = TABLE.assign(log2FoldChange=TABLE["log2FoldChange"].fillna(0))  # lost their counts to replacement
    plots.mean_difference(emptied, ax=ax)
    assert sum(len(points(collection)) for collection in ax.collections) == 6
    assert legend(ax)[:2] == ["3 other genes", "3 genes with padj < 0.1"]


def test_fold_changes_that_are_all_zero(ax):
    plots.mean_difference(TABLE.loc[["even"]].assign(log2FoldChange=0.0), ax=ax)
    assert ax.get_ylim()[0] < 0 < ax.get_ylim()[1]


def test_mean_difference_of_a_table_of_logarithms(ax):
    means = [-1.2, 5.0, 0.0, 9.0, 3.0, 2.0, np.nan]
    table = TABLE.drop(columns="baseMean").assign(mean=means)
    plots.mean_difference(table, ax=ax)
    other, called = ax.collections
    np.testing.assert_allclose(points(other), [[-1.2, 0.1], [3, 4], [2, 0.5]])
    np.testing.assert_allclose(points(called), [[5, 2], [0, -1.5], [9, 1]])
    assert (ax.get_xscale(), ax.get_xlabel()) == ("linear", "mean log2 value")
    plots.mean_difference(TABLE.assign(mean=means), ax=(counts := plt.figure().add_subplot()))
    assert (counts.get_xscale(), counts.get_xlabel()) == ("log", "mean normalized count")


def test_every_test_of_the_package_gives_a_table_that_can_be_drawn():
    adata = simulate.bulk_counts(["A"] * 4 + ["B"] * 4, 400, log2_fold_change=2, library_sizes=1e6, rng=1)
    s, of = adata.obs["size_factor"], ("condition", "B", "A")
    matrix = design.design_matrix(adata.obs, "~ condition")
    ql = quasi_likelihood.fit(adata, matrix, s, dispersion.edger_dispersions(adata, matrix, s))
    weighed = linear_models.voom(adata, matrix, s)
    linear = linear_models.fit(weighed.values, matrix, weighed.weights)
    tables = [quasi_likelihood.test(ql, of), linear_models.moderated_t_test(linear, of)]
    tables += [differential.test(adata, "~ condition", of, method=method) for method in ("wald", "ql", "voom")]
    for table in tables:
        known = table["log2FoldChange"].notna()
        for draw in (plots.mean_difference, plots.volcano):
            ax = draw(table, ax=plt.figure().add_subplot())
            assert sum(len(points(collection)) for collection in ax.collections) == known.sum()


# --- p-values ---------------------------------------------------------------------------------------------------------


def test_pvalue_histogram_counts_genes_in_bins(ax):
    p = np.r_[0, 0.01, 0.024, 0.51, 1, np.nan]
    for given in (p, list(p), pd.Series(p), pd.DataFrame({"pvalue": p})):
        ax.clear()
        assert plots.pvalue_histogram(given, ax=ax) is ax
        heights = [bar.get_height() for bar in ax.patches]
        assert len(heights) == 40
        assert {i: h for i, h in enumerate(heights) if h} == {0: 3, 20: 1, 39: 1}
        edges = [bar.get_x() for bar in ax.patches]
        np.testing.assert_allclose(edges, np.arange(40) / 40, atol=1e-12)


def test_the_dashed_line_is_the_share_of_a_uniform_bin(ax):
    p = stats.uniform.rvs(size=2_000, random_state=6)
    assert plots.pvalue_histogram(p, bins=20) is ax
    (line,) = ax.lines
    assert list(line.get_ydata()) == [100, 100]
    assert line.get_linestyle() == "--"
    heights = [bar.get_height() for bar in ax.patches]
    assert np.mean(heights) == 100
    assert legend(ax) == ["uniform: 2,000 / 20 = 100 genes"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xlim()) == ("p-value", "genes", (0, 1))
    assert ax.get_ylim()[1] > max(heights)


def test_p_values_of_discrete_nulls_reach_one(ax):
    p = stats.binomtest(0, 1).pvalue
    plots.pvalue_histogram([p] * 7, bins=5, ax=ax)
    assert [bar.get_height() for bar in ax.patches] == [0, 0, 0, 0, 7]


def test_pvalue_histogram_refuses_what_is_none():
    with pytest.raises(InputError, match=r"no column 'pvalue'; .*did you mean 'PValue'"):
        plots.pvalue_histogram(pd.DataFrame({"PValue": [0.5]}))
    with pytest.raises(InputError, match=r"p-values lie between 0 and 1; these reach from -2 to 0\.5"):
        plots.pvalue_histogram([-2, 0.5])
    with pytest.raises(InputError, match="there is no p-value to plot: all are missing"):
        plots.pvalue_histogram([np.nan, np.nan])
    for bins in (0, 2.5, "auto"):
        with pytest.raises(InputError, match="bins is how many bins to draw between 0 and 1"):
            plots.pvalue_histogram([0.5], bins=bins)
    assert not plt.get_fignums()


# --- one gene ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_sparse", [False, True])
def test_gene_counts_are_divided_by_the_size_factors(as_sparse, ax):
    adata = anndata.AnnData(sparse.csr_matrix(COUNTS), obs=OBS, var=ADATA.var) if as_sparse else ADATA
    assert plots.gene_counts(adata, "gene5", "condition", size_factors=FACTORS, ax=ax) is ax
    (drawn,) = ax.collections
    np.testing.assert_allclose(points(drawn)[:, 1], COUNTS["gene5"] / FACTORS + 0.5)
    assert (points(drawn)[:, 1] == 0.5).sum() == 3  # the zeros
    assert ax.get_yscale() == "log"
    assert ax.get_title() == "gene5"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("condition", "normalized count + 0.5")


def test_gene_counts_without_size_factors_are_raw(ax):
    assert plots.gene_counts(ADATA, "gene3", "condition") is ax
    np.testing.assert_allclose(points(ax.collections[0])[:, 1], COUNTS["gene3"] + 0.5)
    assert ax.get_ylabel() == "count + 0.5"
    assert ax.get_legend() is None


def test_levels_stand_side_by_side_in_their_order(ax):
    obs = OBS.assign(condition=pd.Categorical(OBS["condition"], ["c", "b", "a"]))
    plots.gene_counts(anndata.AnnData(COUNTS, obs=obs), "gene3", "condition", ax=ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["b", "a"]  # no sample has level c
    expected = obs["condition"].map({"b": 0, "a": 1}).to_numpy(float)
    x = points(ax.collections[0])[:, 0]
    np.testing.assert_array_equal(x.round(), expected)
    assert np.abs(x - expected).max() <= 0.2


def test_samples_are_spread_the_same_way_every_time(ax):
    plots.gene_counts(ADATA, "gene3", "condition", ax=ax)
    plots.gene_counts(ADATA, "gene4", "condition", ax=(other := plt.figure().gca()))
    x = points(ax.collections[0])[:, 0]
    np.testing.assert_array_equal(x, points(other.collections[0])[:, 0])
    assert np.diff(np.sort(x[x < 0.5])).min() > 0.4 / 4 / 2  # of four, none hides another


def test_a_second_column_gives_colours_and_markers(ax):
    plots.gene_counts(ADATA, "gene5", ("condition", "sex"), ax=ax)
    for collection, level in zip(ax.collections, ["f", "m"], strict=True):
        np.testing.assert_allclose(points(collection)[:, 1], COUNTS.loc[OBS["sex"] == level, "gene5"] + 0.5)
    assert legend(ax) == ["f", "m"]
    assert ax.get_legend().get_title().get_text() == "sex"
    looks = {(*color(c), c.get_paths()[0].vertices.tobytes()) for c in ax.collections}
    assert len({look[0] for look in looks}) == len({look[1] for look in looks}) == 2  # told apart without colour too


def test_any_number_of_levels_is_told_apart(ax):
    counts = np.random.default_rng(1).poisson(50, (40, 3))
    donors = [f"d{i:02d}" for i in range(40)]
    adata = anndata.AnnData(counts, obs=pd.DataFrame({"all": "x", "donor": donors}, index=donors))
    plots.gene_counts(adata, "1", ("all", "donor"), ax=ax)
    looks = {(*color(c), c.get_paths()[0].vertices.tobytes()) for c in ax.collections}
    assert len(looks) == 40


def test_gene_counts_takes_a_layer(ax):
    adata = anndata.AnnData(np.log1p(COUNTS), obs=OBS, layers={"counts": COUNTS})
    plots.gene_counts(adata, "gene3", "condition", layer="counts", ax=ax)
    np.testing.assert_allclose(points(ax.collections[0])[:, 1], COUNTS["gene3"] + 0.5)
    with pytest.raises(CountsError, match="log1p of whole numbers"):
        plots.gene_counts(adata, "gene3", "condition")


def test_gene_counts_refuses_what_is_not_there():
    with pytest.raises(InputError, match="there is no gene 'gen3'; did you mean 'gene3'"):
        plots.gene_counts(ADATA, "gen3", "condition")
    with pytest.raises(InputError, match="there is no gene 'BRCA1'; Known: gene0, gene1"):
        plots.gene_counts(ADATA, "BRCA1", "condition")
    with pytest.raises(InputError, match="obs has no column 'conditon'; did you mean 'condition'"):
        plots.gene_counts(ADATA, "gene3", "conditon")
    with pytest.raises(InputError, match="obs has no column 'batch'; Known: condition, sex"):
        plots.gene_counts(ADATA, "gene3", ("condition", "batch"))
    with pytest.raises(InputError, match=r"by is a column of obs, or two: \(levels, colours\)"):
        plots.gene_counts(ADATA, "gene3", ("condition", "sex", "sex"))
    with pytest.raises(InputError, match=r"by is a column of obs, or two: .*; got None"):
        plots.gene_counts(ADATA, "gene3", None)
    with pytest.raises(
        InputError, match="gene_counts needs an AnnData, whose obs describes the samples; got DataFrame"
    ):
        plots.gene_counts(COUNTS, "gene3", "condition")
    with pytest.raises(InputError, match=r"8 samples need as many size factors, got shape \(2,\)"):
        plots.gene_counts(ADATA, "gene3", "condition", size_factors=[1, 2])
    assert not plt.get_fignums()


@pytest.mark.parametrize("values", [[0, 1] * 4, [0.0, 2.5] * 4, [True, False] * 4])
def test_sparse_columns_of_obs_have_levels_too(values, ax):
    obs = OBS.assign(flag=pd.arrays.SparseArray(values))
    plots.gene_counts(anndata.AnnData(COUNTS, obs=obs), "gene5", ("flag", "condition"), ax=ax)
    dense = plots.gene_counts(
        anndata.AnnData(COUNTS, obs=OBS.assign(flag=values)), "gene5", ("flag", "condition"), ax=plt.figure().gca()
    )
    assert [label.get_text() for label in ax.get_xticklabels()] == [tick.get_text() for tick in dense.get_xticklabels()]
    for mine, its in zip(ax.collections, dense.collections, strict=True):
        np.testing.assert_array_equal(points(mine), points(its))


def test_samples_without_a_level_are_named():
    obs = OBS.assign(condition=OBS["condition"].where(OBS.index != "s6"))
    with pytest.raises(InputError, match="1 of 8 samples have no value in column 'condition', the first is s6"):
        plots.gene_counts(anndata.AnnData(COUNTS, obs=obs), "gene3", "condition")
