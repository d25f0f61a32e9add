"""The plots of variances, dispersions and designs: what stands on the axes, and what is drawn."""

from itertools import pairwise

import anndata
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from fixtures.axes import legend, points
from matplotlib.colors import to_hex
from scipy import sparse

from scomics_lite import dispersion, linear_models, plots, simulate
from scomics_lite import normalization as norm
from scomics_lite.design import design_matrix
from scomics_lite.validation import CountsError, InputError

pytestmark = pytest.mark.usefixtures("closed_figures")
RNG = np.random.default_rng(5)
SAMPLES = [f"s{number}" for number in range(1, 9)]
OBS = pd.DataFrame({"batch": list("xyxyxyxy"), "condition": list("aaaabbbb"), "age": [31, 42, 28, 55, 39, 60, 47, 50]})
OBS.index = SAMPLES
MEANS = RNG.lognormal(3, 2, 300)
COUNTS = pd.DataFrame(RNG.negative_binomial(4, 4 / (4 + MEANS), (8, 300)), index=SAMPLES).add_prefix("gene")
COUNTS.loc["s5":, "gene0":"gene99"] *= 5  # a third of the genes differ between the conditions
COUNTS.loc["s1"] += 1  # every gene is counted, but for
COUNTS["gene7"] = 0
COUNTS["gene8"] = 6
FACTORS = np.asarray(norm.size_factors(COUNTS, "tmm"))
DESIGN = design_matrix(OBS, "~ batch + condition")
FORMS = {"frame": lambda x: x, "sparse": lambda x: sparse.csr_array(x.to_numpy()), "anndata": anndata.AnnData}


@pytest.fixture(scope="module")
def estimates():
    adata = simulate.bulk_counts(["A"] * 4 + ["B"] * 4, 1_500, library_sizes=1e6, changed_fraction=0, rng=3)
    adata.X[:, :5] = 0
    design = design_matrix(adata.obs, "~ condition")
    return dispersion.estimate(adata, design, adata.obs["size_factor"])


def named(artists, beginning):
    """The only artist whose label begins so."""
    (found,) = [artist for artist in artists if artist.get_label().startswith(beginning)]
    return found


# --- mean and variance ------------------------------------------------------------------------------------------------


def residual_variance(q, x):
    """By least squares, gene by gene."""
    residuals = q - x @ np.linalg.lstsq(x, q, rcond=None)[0]
    return (residuals**2).sum(axis=0) / (len(x) - x.shape[1])


@pytest.mark.parametrize("form", FORMS)
def test_variances_are_those_between_all_samples_without_a_design(form, ax):
    assert plots.mean_variance(FORMS[form](COUNTS), size_factors=FACTORS, ax=ax) is ax
    q = COUNTS.to_numpy() / FACTORS[:, None]
    variance = q.var(axis=0, ddof=1)
    shown = variance > 0
    np.testing.assert_allclose(points(ax.collections[0]), np.column_stack([q.mean(axis=0), variance])[shown])
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("mean normalized count", "variance")


@pytest.mark.parametrize("formula", ["~ condition", "~ batch + condition + age", "~ 0 + condition"])
@pytest.mark.parametrize("form", FORMS)
def test_variances_are_what_the_design_leaves(form, formula, ax):
    design = design_matrix(OBS, formula)
    given = design.to_numpy() if form == "sparse" else design
    plots.mean_variance(FORMS[form](COUNTS), size_factors=FACTORS, design=given, ax=ax)
    q = COUNTS.to_numpy() / FACTORS[:, None]
    expected = np.column_stack([q.mean(axis=0), residual_variance(q, design.to_numpy())])
    np.testing.assert_allclose(points(ax.collections[0]), expected[q.sum(axis=0) > 0], rtol=1e-9)
    assert ax.get_ylabel() == "variance left by the design"


def test_two_groups_pool_their_variances(ax):
    plots.mean_variance(COUNTS, design=design_matrix(OBS, "~ condition"), ax=ax)
    pooled = (COUNTS[:4].var() + COUNTS[4:].var()) / 2
    np.testing.assert_allclose(points(ax.collections[0])[:, 1], pooled[pooled > 0])


@pytest.mark.parametrize("design", [None, DESIGN])
def test_genes_without_a_place_are_counted_in_the_legend(design, ax):
    plots.mean_variance(COUNTS, design=design, ax=ax)
    assert legend(ax)[0] == "298 genes\n(not shown: 1 without a count, 1 without variance)"
    assert len(points(ax.collections[0])) == 298
    plots.mean_variance(COUNTS.drop(columns=["gene7", "gene8"]), design=design, ax=(other := plt.figure().gca()))
    assert legend(other)[0] == "298 genes"
    plots.mean_variance(COUNTS.drop(columns="gene8"), ax=(other := plt.figure().gca()))
    assert legend(other)[0] == "298 genes\n(not shown: 1 without a count)"


@pytest.mark.parametrize("scale", [1, 10_000_000])
def test_rounding_is_not_taken_for_variance(scale, ax):
    counts = COUNTS[["gene1", "gene2", "gene8"]] * [1, scale, scale] + [0, 0, 1]
    plots.mean_variance(counts, design=DESIGN, ax=ax)
    assert len(points(ax.collections[0])) == 2


@pytest.mark.parametrize("design", [None, DESIGN.to_numpy()])
def test_sparse_counts_stay_sparse(design, ax, monkeypatch):
    def refuse(matrix, *_, **__):
        assert matrix.shape[0] == 1, "made dense"  # one row may be looked at
        return np.asarray(matrix[[0], :] @ np.eye(matrix.shape[1]))

    counts = sparse.csr_array(COUNTS.to_numpy())
    for kind in (sparse.csr_array, sparse.csc_array, sparse.coo_array):
        monkeypatch.setattr(kind, "toarray", refuse)
        monkeypatch.setattr(kind, "todense", refuse)
    assert plots.mean_variance(counts, size_factors=FACTORS, design=design, ax=ax).has_data()


def test_the_poisson_line_is_what_poisson_counts_show(ax):
    rng = np.random.default_rng(8)
    factors = np.geomspace(0.4, 2.5, 60)
    counts = rng.poisson(np.outer(factors, np.geomspace(5, 5_000, 200)))
    plots.mean_variance(counts, size_factors=factors, ax=ax)
    mean, poisson = named(ax.lines, "Poisson").get_data()
    np.testing.assert_allclose(poisson, mean * np.mean(1 / factors))
    assert legend(ax)[1] == f"Poisson: variance = mean × {np.mean(1 / factors):.3g}"
    drawn = points(ax.collections[0])
    ratio = drawn[:, 1] / np.interp(drawn[:, 0], mean, poisson)
    assert np.mean(ratio) == pytest.approx(1, abs=4 * np.sqrt(2 / 59 / 200))  # the spread of 200 chi squares of 59


def test_without_size_factors_counts_are_raw_and_poisson_is_the_mean(ax):
    assert plots.mean_variance(COUNTS) is ax
    assert legend(ax)[1:] == ["Poisson: variance = mean"]
    assert ax.get_xlabel() == "mean count"
    np.testing.assert_allclose(points(ax.collections[0])[0], [COUNTS["gene0"].mean(), COUNTS["gene0"].var()])


@pytest.mark.parametrize("phi", [0, 0.25, np.float64(0.25)])
def test_the_curve_of_one_dispersion(phi, ax):
    plots.mean_variance(COUNTS, size_factors=FACTORS, dispersion=phi, ax=ax)
    mean, curve = named(ax.lines, "negative binomial").get_data()
    np.testing.assert_allclose(curve, mean * np.mean(1 / FACTORS) + phi * mean**2)
    assert legend(ax)[2] == f"negative binomial: + phi × mean², phi = {phi}"
    drawn = points(ax.collections[0])[:, 0]
    np.testing.assert_allclose([mean[0], mean[-1]], [drawn.min(), drawn.max()])


def test_the_curve_of_a_trend(estimates, ax):
    plots.mean_variance(COUNTS, dispersion=estimates, ax=ax)
    mean, curve = named(ax.lines, "negative binomial").get_data()
    np.testing.assert_allclose(curve, mean + estimates.trend(mean) * mean**2)
    assert legend(ax)[2] == "negative binomial: + phi × mean², phi from the trend"


@pytest.mark.parametrize("phi", [-0.1, np.nan, np.inf, "0.1", [0.1, 0.2]])
def test_a_dispersion_that_is_none(phi):
    with pytest.raises(InputError, match=r"dispersion is one number, 0 or more, or what scomics_lite\.dispersion"):
        plots.mean_variance(COUNTS, dispersion=phi)
    assert not plt.get_fignums()  # no empty figure is left behind


def test_mean_variance_checks_counts_factors_and_design():
    with pytest.raises(CountsError, match="log1p of whole numbers"):
        plots.mean_variance(np.log1p(COUNTS))
    with pytest.raises(InputError, match=r"8 samples need as many size factors, got shape \(2,\)"):
        plots.mean_variance(COUNTS, size_factors=[1, 2])
    with pytest.raises(InputError, match="the names of the size factors are not those of the counts"):
        plots.mean_variance(COUNTS, size_factors=pd.Series(1.0, index=SAMPLES[::-1]))
    with pytest.raises(InputError, match="the names of the design are not those of the counts"):
        plots.mean_variance(COUNTS, design=DESIGN[::-1])
    with pytest.raises(InputError, match="4 columns of rank 3"):
        plots.mean_variance(COUNTS, design=DESIGN.assign(again=DESIGN["batch[y]"]))
    with pytest.raises(InputError, match="leave no residual degree of freedom"):
        plots.mean_variance(COUNTS, design=np.eye(8))
    with pytest.raises(InputError, match="no gene varies between the samples"):
        plots.mean_variance(np.full((4, 3), 7))


def test_mean_variance_takes_a_layer(ax):
    adata = anndata.AnnData(np.log1p(COUNTS), layers={"counts": COUNTS})
    assert len(points(plots.mean_variance(adata, layer="counts", ax=ax).collections[0])) == 298


# --- dispersions ------------------------------------------------------------------------------------------------------


def test_all_kinds_of_dispersions_are_drawn(estimates, ax):
    assert plots.dispersions(estimates, ax=ax) is ax
    table = estimates.to_frame().dropna()
    bottom = ax.get_ylim()[0]
    drawn = named(ax.collections, "gene-wise below")
    edge = points(drawn)[0, 1]
    low = table["genewise"] < edge
    assert bottom < edge < table["trended"].min() / 10
    np.testing.assert_allclose(points(drawn), np.column_stack([table["base_mean"][low], np.full(low.sum(), edge)]))
    assert drawn.get_label() == f"gene-wise below {edge:.0e} ({low.sum():,} genes)"
    (inside,) = [collection for collection in ax.collections if collection.get_label() == "gene-wise"]
    np.testing.assert_allclose(points(inside), table.loc[~low, ["base_mean", "genewise"]])
    kept = table[~table["outlier"]]
    np.testing.assert_allclose(points(named(ax.collections, "final")), kept[["base_mean", "final"]])
    assert low.any()
    assert len(table) == (estimates.base_mean > 0).sum() < len(estimates.genes)  # no counts, no dispersion


def test_outliers_have_a_ring_around_the_gene_wise_value(estimates, ax):
    plots.dispersions(estimates, ax=ax)
    outliers = estimates.to_frame()[estimates.outlier]
    assert len(outliers) > 2
    ring = named(ax.collections, f"{len(outliers):,} outliers")
    np.testing.assert_allclose(points(ring), outliers[["base_mean", "genewise"]])
    assert ring.get_facecolor().size == 0
    assert legend(ax)[-2:] == [f"{len(outliers)} outliers, final = gene-wise", "trend"]


def test_the_trend_runs_over_all_means(estimates, ax):
    assert plots.dispersions(estimates) is ax
    mean, phi = named(ax.lines, "trend").get_data()
    np.testing.assert_allclose(phi, estimates.trend(mean))
    assert mean.max() == pytest.approx(estimates.base_mean.max())
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("mean normalized count", "dispersion")


def test_final_dispersions_at_the_edge_are_told_too(estimates, ax):
    final = estimates.final.copy()
    counted = np.flatnonzero(np.isfinite(final) & ~estimates.outlier)
    final[counted[0]] = 1e-8
    plots.dispersions(dispersion.Dispersions(**{**vars(estimates), "final": final}), ax=ax)
    below = named(ax.collections, "final below")
    assert below.get_label().endswith("(1 genes)")
    assert points(below)[0, 0] == estimates.base_mean[counted[0]]


def test_without_outliers_and_low_values_nothing_is_said_of_them(ax):
    adata = simulate.bulk_counts(["A"] * 20, 200, dispersion=0.3, library_sizes=1e7, rng=2)
    found = dispersion.estimate(adata, np.ones((20, 1)), adata.obs["size_factor"], trend="mean")
    none = np.zeros(200, dtype=bool)
    plots.dispersions(dispersion.Dispersions(**{**vars(found), "outlier": none, "genewise": found.final}), ax=ax)
    assert legend(ax) == ["gene-wise", "final", "trend"]


def test_dispersions_of_something_else():
    with pytest.raises(InputError, match=r"shows what scomics_lite\.dispersion\.estimate gives; got ndarray"):
        plots.dispersions(np.ones(3))
    assert not plt.get_fignums()


def test_the_trend_of_voom_is_drawn(ax):
    adata = simulate.bulk_counts(["A"] * 6, 300, library_sizes=1e5, rng=1)
    weighed = linear_models.voom(np.hstack([np.zeros((6, 1), int), adata.X]), np.ones((6, 1)))
    assert plots.voom_trend(weighed, ax=ax) is ax
    dots, line = ax.collections[0].get_offsets(), ax.lines[0]
    assert len(dots) == (adata.X.sum(axis=0) > 0).sum()
    assert ax.get_legend().get_texts()[0].get_text() == f"{len(dots)} genes"
    np.testing.assert_array_equal(line.get_ydata(), weighed.trend["root_sd"])
    assert ax.get_ylim()[0] == 0
    with pytest.raises(InputError, match="voom gives; got DataFrame"):
        plots.voom_trend(weighed.trend)


# --- designs ----------------------------------------------------------------------------------------------------------


def shades(ax):
    return np.asarray(ax.images[0].get_array())


def test_small_designs_are_written_out(ax):
    design = design_matrix(OBS, "~ condition + age")
    assert plots.design_matrix(design, ax=ax) is ax
    written = np.array([text.get_text() for text in ax.texts]).reshape(8, 3)
    np.testing.assert_array_equal(written.astype(float), design)
    places = [text.get_position() for text in ax.texts[:4]]
    assert places == [(0, 0), (1, 0), (2, 0), (0, 1)]
    assert [label.get_text() for label in ax.get_xticklabels()] == list(design)
    assert [label.get_text() for label in ax.get_yticklabels()] == SAMPLES
    assert ax.get_xlabel() == ""
    assert ax.yaxis_inverted()  # the first sample on top


def test_colours_of_indicators_and_of_other_numbers(ax):
    design = pd.DataFrame({"one": 1, "sign": [-1, 0, 1, 1], "age": [30, 40, 40, 50], "same": 0.1})
    plots.design_matrix(design, ax=ax)
    expected = [[1, -1, -1, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]]
    np.testing.assert_allclose(shades(ax), expected)
    colors = [to_hex(ax.images[0].to_rgba(value)).upper() for value in (-1, 0, 1)]
    assert colors == [plots.OKABE_ITO["vermillion"], "#FFFFFF", plots.OKABE_ITO["blue"]]
    inks = [text.get_color() for text in ax.texts[4:8]]
    assert inks == ["white", "black", "black", "black"]


def test_an_array_has_columns_x0_x1(ax):
    assert plots.design_matrix([[1, 0], [1, 1], [1, 2]]) is ax
    assert [label.get_text() for label in ax.get_xticklabels()] == ["x0", "x1"]


def test_columns_that_cannot_be_told_apart_share_a_bracket(ax):
    obs = pd.DataFrame({"batch": list("xxyy"), "age": [3, 1, 4, 9.5], "condition": list("aabb")})
    plots.design_matrix(design_matrix(obs, "~ batch + age + condition"), ax=ax)
    assert ax.get_xlabel() == "bracket: batch[y], condition[b] cannot be told apart"
    (bar,) = ax.lines
    assert bar.get_xdata().tolist() == [0.7, 3.3]
    teeth = [segment[0][0] for segment in ax.collections[-1].get_segments()]
    assert teeth == [1, 3]
    assert ax.get_ylim()[1] < bar.get_ydata()[0] < -0.5  # above the first sample, inside the axes


def test_brackets_of_several_groups_are_numbered(ax):
    design = pd.DataFrame({"a": [1, 1, 0, 0], "b": [1, 0, 1, 0], "a2": [2, 2, 0, 0], "zero": 0, "b2": [1, 0, 1, 0]})
    plots.design_matrix(design, ax=ax)
    sentences = ["1: a, a2 cannot be told apart", "2: zero is zero everywhere", "3: b, b2 cannot be told apart"]
    assert ax.get_xlabel().split("\n") == [f"bracket {sentence}" for sentence in sentences]
    assert [text.get_text() for text in ax.texts[-3:]] == ["1", "2", "3"]
    heights = [line.get_ydata()[0] for line in ax.lines]
    assert heights == sorted(heights, reverse=True)
    assert len(set(heights)) == 3


def test_large_designs_say_what_their_colours_mean(ax):
    n = 100
    obs = pd.DataFrame(
        {"donor": [f"d{i // 10}" for i in range(n)], "drug": ["no", "yes"] * 50, "age": np.arange(n) / 3}
    )
    obs.index = [f"sample{i:02d}" for i in range(n)]
    plots.design_matrix(design_matrix(obs, "~ drug + age + donor"), ax=ax)
    assert not ax.texts
    assert ax.get_xlabel() == "white 0, blue 1\nage: white at the mean, blue above, vermillion below"
    names = [label.get_text() for label in ax.get_yticklabels()]
    step = int(ax.get_yticks()[1])
    assert names == list(obs.index[::step])
    assert ax.get_ylabel() == f"100 samples, one name in {step}"
    height = ax.get_window_extent().height * 72 / ax.figure.dpi
    assert height / len(names) > ax.get_yticklabels()[0].get_fontsize()  # they do not touch


def test_the_sign_is_named_where_it_occurs(ax):
    plots.design_matrix(np.tile([[1, -1], [1, 0], [1, 1]], (30, 1)), ax=ax)
    assert ax.get_xlabel() == "vermillion −1, white 0, blue 1"
    plots.design_matrix(np.linspace([1, 2], [2, 9], 90), ax=(other := plt.figure().gca()))
    assert other.get_xlabel() == "x0, x1: white at the mean, blue above, vermillion below"


@pytest.mark.parametrize("size", [(6.4, 4), (3, 2.5)])
def test_names_of_coefficients_slant_where_they_would_touch(size):
    figure, ax = plt.subplots(figsize=size, layout="constrained")
    obs = pd.DataFrame({"condition": ["untreated", "dexamethasone"] * 2, "celltype": ["fibroblast", "muscle"] * 2})
    plots.design_matrix(design_matrix(obs, "~ 0 + condition + celltype"), ax=ax)
    figure.draw_without_rendering()
    labels = ax.get_xticklabels()
    assert labels[0].get_rotation() == (0 if size[0] > 6 else 45)
    if not labels[0].get_rotation():
        boxes = [label.get_window_extent() for label in labels]
        assert all(a.x1 < b.x0 for a, b in pairwise(boxes))
    words = ax.get_xlabel().replace("\n", " ")
    assert words == "bracket: condition[dexamethasone], celltype[muscle] cannot be told apart"
    box, page = ax.xaxis.label.get_window_extent(), figure.bbox
    assert page.x0 <= box.x0
    assert box.x1 <= page.x1  # the sentence is broken into lines that fit


def test_designs_with_missing_numbers_are_refused():
    with pytest.raises(InputError):
        plots.design_matrix([[1, np.nan], [1, 0], [1, 1]])
    assert not plt.get_fignums()
