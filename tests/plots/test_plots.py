"""The plots of counts: what stands on the axes, and what is drawn."""

import anndata
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from fixtures.axes import legend, points
from matplotlib.colors import to_hex
from scipy import sparse

from scomics_lite import plots
from scomics_lite.normalization import METHODS, m_and_a, norm_factors
from scomics_lite.normalization import size_factors as estimate
from scomics_lite.validation import CountsError, InputError

pytestmark = pytest.mark.usefixtures("closed_figures")
NAMES = ["a", "b", "c", "d"]
COUNTS = pd.DataFrame(np.random.default_rng(1).negative_binomial(3, 0.03, (4, 200)), index=NAMES).add_prefix("gene")
COUNTS.iloc[2, :20] = 0
FORMS = {"frame": lambda x: x, "sparse": lambda x: sparse.csr_array(x.to_numpy()), "anndata": anndata.AnnData}
CALLS = {
    "ma": lambda counts, **options: plots.ma(counts, 1, 0, **options),
    "tmm_trims": lambda counts, **options: plots.tmm_trims(counts, 1, 0, **options),
    "rle": plots.rle,
}
FACTORS = pd.DataFrame({method: estimate(COUNTS, method) for method in METHODS}, index=NAMES)


def level(line):
    """Height of a horizontal line, or place of a vertical one."""
    x, y = line.get_data()
    return y[0] if y[0] == y[1] else x[0]


# --- all of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CALLS)
def test_the_given_axes_are_drawn_on_and_returned(name, form, ax):
    other = plt.figure().add_subplot()  # the current axes, which must stay empty
    assert CALLS[name](FORMS[form](COUNTS), ax=ax) is ax
    assert ax.has_data()
    assert not other.has_data()


@pytest.mark.parametrize("name", CALLS)
def test_without_axes_the_current_ones_are_used(name, ax):
    assert CALLS[name](COUNTS) is ax


@pytest.mark.parametrize("name", CALLS)
def test_the_layer_is_drawn(name, ax):
    adata = anndata.AnnData(np.log1p(COUNTS), layers={"counts": COUNTS})
    assert CALLS[name](adata, layer="counts", ax=ax) is ax
    with pytest.raises(CountsError, match="log1p of whole numbers"):
        CALLS[name](adata)


@pytest.mark.parametrize("name", ["ma", "tmm_trims"])
def test_samples_that_are_not_there(name):
    with pytest.raises(InputError, match=r"there is no sample 'e'; .*Known: a, b, c, d"):
        getattr(plots, name)(COUNTS, "e", "a")
    with pytest.raises(InputError, match="there is no sample 4"):
        getattr(plots, name)(COUNTS, "a", 4)


@pytest.mark.parametrize("name", ["ma", "tmm_trims"])
def test_samples_without_a_gene_in_common(name):
    with pytest.raises(CountsError, match="samples 0 and 1 share no gene"):
        getattr(plots, name)([[1, 0], [0, 1]], 0, 1)


# --- M against A ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_ma_draws_the_genes_counted_in_both(form, ax):
    plots.ma(FORMS[form](COUNTS), 2, 0, ax=ax)
    y, r = COUNTS.loc["c"].to_numpy(float), COUNTS.loc["a"].to_numpy(float)
    both = (y > 0) & (r > 0)
    m, a = np.log2(y[both] / r[both]), np.log2(y[both] * r[both]) / 2
    assert both.sum() < 181
    np.testing.assert_allclose(points(ax.collections[0]), np.column_stack([a, m]))
    assert [level(line) for line in ax.lines] == [0, np.median(m)]
    assert legend(ax) == [f"median M = {np.median(m):.2f}"]


def test_ma_says_what_its_axes_are(ax):
    plots.ma(COUNTS, "c", "a", ax=ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("A = mean log2 count", "M = log2 ratio")
    assert ax.get_legend().get_title().get_text() == "c / a"
    plots.ma(COUNTS, "c", "a", size_factors=np.ones(4), ax=ax)
    assert ax.get_xlabel() == "A = mean log2 normalized count"


def test_ma_divides_by_the_size_factors(ax):
    plots.ma(COUNTS, "c", "a", ax=ax)
    plots.ma(COUNTS, "c", "a", size_factors=[0.5, 1, 2, 1], ax=ax)
    shift = points(ax.collections[1]) - points(ax.collections[0])
    np.testing.assert_allclose(shift, np.tile([0, -2], (len(shift), 1)), atol=1e-12)
    with pytest.raises(InputError, match=r"4 samples need as many size factors, got shape \(2,\)"):
        plots.ma(COUNTS, "c", "a", size_factors=[1, 2])


def test_tmm_trims_shows_the_genes_of_m_and_a_and_the_factor(ax):
    plots.tmm_trims(COUNTS, "c", "a", ax=ax)
    genes = m_and_a(COUNTS, "c", "a")
    for collection, kept in zip(ax.collections, (False, True), strict=True):
        expected = genes.loc[genes["kept"] == kept, ["A", "M"]]
        np.testing.assert_allclose(points(collection), expected)
    kept = genes[genes["kept"]]
    edges = [kept["M"].min(), kept["M"].max(), kept["A"].min(), kept["A"].max()]
    factors = np.asarray(norm_factors(COUNTS, reference="a"))
    np.testing.assert_allclose([level(line) for line in ax.lines], [*edges, np.log2(factors[2] / factors[0])])
    assert legend(ax) == ["trimmed", "kept", f"log2 f = {np.log2(factors[2] / factors[0]):.3f}"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("A = mean log2 share of the library", "M = log2 share ratio, c / a")


def test_tmm_trims_without_a_gene_left():
    with pytest.raises(CountsError, match="the two trims leave none of the 4 genes that the two samples share"):
        plots.tmm_trims([[8, 8, 8, 8], [8, 8, 32, 32]], 1, 0)


# --- relative log expression ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_rle_boxes_are_log_counts_minus_the_gene_s_median(form, ax):
    counts = COUNTS.copy()
    counts.iloc[:2, :5] = 0
    counts.iloc[2:, :5] = 900  # counted in half of the samples: left out
    factors = np.asarray(estimate(counts, "tmm"))
    plots.rle(FORMS[form](counts), size_factors=factors, ax=ax)
    logs = np.log2(counts.to_numpy()[:, 5:] / factors[:, None] + 1)
    relative = logs - np.median(logs, axis=0)
    assert len(ax.patches) == 4
    for box, values in zip(ax.patches, relative, strict=True):
        heights = box.get_path().vertices[:, 1]
        np.testing.assert_allclose([heights.min(), heights.max()], np.quantile(values, [0.25, 0.75]))
    drawn = sorted({line.get_ydata()[0] for line in ax.lines})
    for values in relative:
        assert np.isclose(drawn, np.median(values)).any()  # the median's line
    assert 0 in drawn
    assert ax.get_ylabel() == "log2 count − median of the gene"


def test_rle_without_size_factors_shows_the_depths(ax):
    deeper = COUNTS.mul([1, 1, 1, 4], axis=0)
    plots.rle(deeper, ax=ax)
    middle = [box.get_path().vertices[:, 1].mean() for box in ax.patches]
    assert middle[3] - np.mean(middle[:2]) > 1


def test_rle_names_few_samples_and_counts_many(ax):
    plots.rle(COUNTS, ax=ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == NAMES
    many = plots.rle(np.tile(COUNTS, (5, 1)), ax=plt.figure().add_subplot())
    assert len(many.get_xticks()) == 0
    assert many.get_xlabel() == "20 samples"


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, pd.Categorical])
def test_rle_fills_boxes_by_group(kind, ax):
    plots.rle(COUNTS, groups=kind(["x", "y", "x", "y"]), ax=ax)
    colors = [to_hex(box.get_facecolor()).upper() for box in ax.patches]
    assert colors == [plots.OKABE_ITO[name] for name in ("blue", "vermillion", "blue", "vermillion")]
    assert legend(ax) == ["x", "y"]
    assert plots.rle(COUNTS, ax=plt.figure().add_subplot()).get_legend() is None


def test_rle_takes_a_column_of_obs_by_its_name(ax):
    adata = anndata.AnnData(COUNTS, obs=pd.DataFrame({"condition": ["x", "y", "x", "y"]}, index=NAMES))
    plots.rle(adata, groups="condition", ax=ax)
    assert legend(ax) == ["x", "y"]
    with pytest.raises(InputError, match="obs has no column 'conditions'; did you mean 'condition'"):
        plots.rle(adata, groups="conditions")
    with pytest.raises(InputError, match=r"groups has one label for each sample; got the text 'xyxy'\. Where counts"):
        plots.rle(COUNTS, groups="xyxy")
    way_out = plots.rle(COUNTS, groups=adata.obs["condition"], ax=plt.figure().add_subplot())
    assert legend(way_out) == ["x", "y"]


@pytest.mark.parametrize("labels", [[1, "a", 1, "a"], [True, False, True, False], [(1, 2), "b", (1, 2), "b"]])
def test_labels_may_be_anything_that_can_be_told_apart(labels, ax):
    plots.rle(COUNTS, groups=labels, ax=ax)
    assert legend(ax) == [str(label) for label in labels[:2]]


def test_rle_refuses_groups_that_do_not_fit():
    with pytest.raises(InputError, match="groups has 2 labels for 4 samples; give one for each"):
        plots.rle(COUNTS, groups=["x", "y"])
    with pytest.raises(InputError, match="9 groups are more than the 8 colours that can be told apart"):
        plots.rle(np.tile(COUNTS, (3, 1))[:9], groups=range(9))


@pytest.mark.parametrize("nothing", [np.nan, None, pd.NA, pd.NaT])
def test_samples_without_a_group_are_named_and_the_ways_out_work(nothing, ax):
    groups = pd.Series(["x", nothing, "y", nothing], index=NAMES, dtype=object)
    with pytest.raises(InputError, match="2 of 4 samples have no group, the first is 'b'"):
        plots.rle(COUNTS, groups=groups)
    plots.rle(COUNTS, groups=groups.fillna("none"), ax=ax)
    assert legend(ax) == ["x", "none", "y"]
    known = groups.notna()
    assert legend(plots.rle(COUNTS[known], groups=groups[known], ax=plt.figure().add_subplot())) == ["x", "y"]


def test_tables_in_another_order_are_refused():
    shuffled = ["c", "a", "d", "b"]
    factors = pd.Series([1.0, 2, 3, 4], index=NAMES)
    for draw in (CALLS["ma"], plots.rle, plots.mean_variance):
        with pytest.raises(InputError, match="the names of the size factors are not those of the counts: row 0 is 'c'"):
            draw(COUNTS, size_factors=factors[shuffled])
        draw(COUNTS, size_factors=factors[shuffled].loc[NAMES], ax=plt.figure().add_subplot())
    groups = pd.Series(["x", "y", "x", "y"], index=NAMES)
    with pytest.raises(InputError, match="the names of the groups are not those of the counts: row 0 is 'c'"):
        plots.rle(COUNTS, groups=groups[shuffled])


def test_small_integers_do_not_wrap(ax):
    counts = COUNTS.clip(upper=250).astype(np.uint8)
    for name in CALLS:
        small, wide = (CALLS[name](table, ax=plt.figure().add_subplot()) for table in (counts, counts.astype(float)))
        for mine, its in zip(small.lines, wide.lines, strict=True):
            np.testing.assert_array_equal(mine.get_data(), its.get_data())


def test_rle_needs_genes_that_most_samples_have():
    with pytest.raises(InputError, match="no gene is counted in more than half of the samples"):
        plots.rle(np.eye(4, dtype=int))


# --- size factors -----------------------------------------------------------------------------------------------------


def test_size_factors_are_drawn_as_ratios_to_one_method(ax):
    assert plots.size_factors(FACTORS, ax=ax) is ax
    others = FACTORS.columns.drop("median_of_ratios")
    logs = np.log2(FACTORS) - np.log2(FACTORS).mean()
    for collection, method in zip(ax.collections, others, strict=True):
        difference = logs[method] - logs["median_of_ratios"]
        np.testing.assert_allclose(points(collection), np.column_stack([logs["median_of_ratios"], difference]))
    assert legend(ax) == list(others)
    assert ax.get_xlabel() == "log2 size factor by median_of_ratios"
    assert ax.get_ylabel() == "log2(other method / median_of_ratios)"
    assert level(ax.lines[0]) == 0
    shapes = {collection.get_paths()[0].vertices.tobytes() for collection in ax.collections}
    assert len(shapes) == len(others)  # told apart without colour


def test_a_method_looks_the_same_in_every_figure(ax):
    def look(collection):
        return collection.get_paths()[0].vertices.tobytes(), to_hex(collection.get_facecolor()[0])

    assert plots.size_factors(FACTORS[["total", "rle", "tmm"]], against="total") is ax  # the current axes
    other = plots.size_factors(FACTORS[["tmm", "poscounts"]], against="poscounts", ax=plt.figure().add_subplot())
    assert look(other.collections[0]) == look(ax.collections[1])


def test_any_number_of_methods_is_drawn(ax):
    many = pd.DataFrame({f"method{i}": [1.0, 2.0] for i in range(12)})
    assert len(plots.size_factors(many, against="method3").collections) == 11


def test_size_factors_against_a_method_that_is_not_there():
    with pytest.raises(InputError, match=r"factors has no column 'tmn'; did you mean 'tmm'\?"):
        plots.size_factors(FACTORS, against="tmn")


def test_size_factors_that_are_none():
    with pytest.raises(InputError, match="factors is a DataFrame, one column a method, one row a sample; got dict"):
        plots.size_factors({"tmm": [1.0, 2.0]})
    with pytest.raises(InputError, match="size factors must be positive and finite; sample 1 has nan"):
        plots.size_factors(pd.DataFrame({"median_of_ratios": [1.0, 2.0], "tmm": [1.0, np.nan]}))
    assert not plt.get_fignums()


# --- style ------------------------------------------------------------------------------------------------------------


def test_the_style_is_colour_blind_safe_and_readable_in_grey():
    before = dict(plt.rcParams)
    with plt.style.context("default"):
        plots.use_style()
        cycle = plt.rcParams["axes.prop_cycle"].by_key()
        assert set(cycle["color"]) <= set(plots.OKABE_ITO.values())
        assert len(set(cycle["linestyle"][:4])) == 4
        assert not plt.rcParams["axes.spines.top"]
    assert dict(plt.rcParams) == before
