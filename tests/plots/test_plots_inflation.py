"""The plots of zeros: what stands on the axes, and what is drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from fixtures.axes import legend, points
from matplotlib.colors import to_hex
from scipy import stats

from scomics_lite import negative_binomial, plots
from scomics_lite.validation import InputError

pytestmark = pytest.mark.usefixtures("closed_figures")

GENES, CELLS = 200, 400


def excess_zeros(mean, phi, pi, rng):
    """The table of `scomics_lite.zero_inflation.excess_zeros`, of counts whose means and dispersions are known."""
    counts = negative_binomial.sample(mean, phi, rng, (CELLS, mean.size)) * (rng.random((CELLS, mean.size)) >= pi)
    expected = {"poisson": np.exp(-mean), "negative_binomial": (1 + phi * mean) ** (-1 / phi)}
    columns = {"mean": mean * (1 - pi), "dispersion": phi, "observed": (counts == 0).mean(axis=0), **expected}
    return pd.DataFrame(columns, index=[f"gene{i}" for i in range(mean.size)])


@pytest.fixture
def table():
    rng = np.random.default_rng(2)
    pi = np.where(np.arange(GENES) < 20, 0.5, 0.0)
    table = excess_zeros(np.exp(rng.uniform(np.log(0.05), np.log(50), GENES)), np.full(GENES, 0.4), pi, rng)
    return table.assign(padj=np.where(pi > 0, 1e-3, 0.6))


def line(ax, name):
    (found,) = (line for line in ax.lines if line.get_label() == name)
    return found


# --- zeros ------------------------------------------------------------------------------------------------------------


def test_the_given_axes_are_drawn_on_and_returned(table, ax):
    other = plt.figure().add_subplot()  # the current axes, which must stay empty
    assert plots.zeros(table, ax=ax) is ax
    assert not other.has_data()
    assert plots.zeros(table) is other
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xscale()) == ("mean normalized count", "share of zeros", "log")


def test_every_gene_stands_at_its_mean_and_share_and_inflated_ones_stand_out(table, ax):
    plots.zeros(table, ax=ax)
    others, inflated = ax.collections
    assert legend(ax)[:2] == ["180 other genes", "20 inflated genes (padj < 0.1)"]
    np.testing.assert_allclose(points(others), table.loc[table["padj"] > 0.1, ["mean", "observed"]])
    np.testing.assert_allclose(points(inflated), table.loc[table["padj"] < 0.1, ["mean", "observed"]])
    assert to_hex(inflated.get_facecolor()[0]).upper() == plots.OKABE_ITO["vermillion"]
    assert len(inflated.get_paths()[0].vertices) < len(others.get_paths()[0].vertices)  # a triangle and a disc
    assert others.get_rasterized()


def test_the_curves_are_what_the_distributions_expect(table, ax):
    plots.zeros(table, ax=ax)
    mean, share = line(ax, "Poisson expects").get_data()
    np.testing.assert_allclose(share, np.exp(-mean), rtol=0.1, atol=1e-3)  # medians of five neighbours
    mean, share = line(ax, "negative binomial expects").get_data()
    order = np.argsort(table["mean"].to_numpy())
    blocks = np.array_split(table["negative_binomial"].to_numpy()[order], 40)
    np.testing.assert_allclose(share, [np.median(block) for block in blocks])
    assert line(ax, "Poisson expects").get_linestyle() != line(ax, "negative binomial expects").get_linestyle()


def test_few_genes_and_one(table, ax):
    plots.zeros(table.iloc[:7], ax=ax)
    share = line(ax, "Poisson expects").get_ydata()
    np.testing.assert_allclose(share, table.iloc[:7].sort_values("mean")["poisson"])
    plots.zeros(table.iloc[:1], ax=plt.figure().add_subplot()).figure.draw_without_rendering()


def test_without_a_test_no_gene_is_called(table, ax):
    plots.zeros(table.drop(columns="padj"), ax=ax)
    assert legend(ax)[0] == "200 genes"
    assert len(ax.collections) == 1


def test_a_gene_without_an_adjusted_p_value_is_not_called(table, ax):
    plots.zeros(table.assign(padj=np.nan), ax=ax)
    assert legend(ax)[0] == "200 genes"


def test_genes_without_a_count_are_left_out(table, ax):
    table.loc[["gene30", "gene31"], ["mean", "observed", "poisson", "negative_binomial"]] = [0, 1, 1, np.nan]
    plots.zeros(table, ax=ax)
    assert legend(ax)[0] == "178 other genes"


def test_names_go_to_the_genes_with_the_most_zeros_beyond(table, ax):
    plots.zeros(table, label=3, ax=ax)
    excess = (table["observed"] - table["negative_binomial"]).nlargest(3)
    assert {text.get_text() for text in ax.texts} - {""} == set(excess.index)
    plots.zeros(table, label=["gene150"], ax=(named := plt.figure().add_subplot()))
    assert [text.get_text() for text in named.texts if text.get_text()] == ["gene150"]


def test_tables_are_told_apart_by_colour_marker_and_line(table, ax):
    umi = table.assign(mean=table["mean"] / 10).drop(columns="padj")
    plots.zeros({"reads": table, "UMI": umi}, ax=ax)
    assert legend(ax) == [
        "reads: 180 other genes", "reads: 20 inflated genes (padj < 0.1)", "UMI: 200 genes",
        "reads: negative binomial expects", "reads: Poisson expects",
        "UMI: negative binomial expects", "UMI: Poisson expects",
    ]  # fmt: skip
    reads, _, umis = ax.collections
    assert to_hex(reads.get_facecolor()[0]) != to_hex(umis.get_facecolor()[0])
    assert reads.get_paths()[0].vertices.shape != umis.get_paths()[0].vertices.shape
    first, second = ax.lines[::2]
    assert first.get_color() != second.get_color()
    assert first.get_linestyle() != second.get_linestyle()
    ax.figure.draw_without_rendering()
    assert ax.get_legend().get_window_extent().x0 >= ax.get_window_extent().x1  # seven entries would cover genes


@pytest.mark.parametrize("depth", [0.1, 100])
def test_the_legend_keeps_clear_of_the_genes(depth, ax):
    rng = np.random.default_rng(3)
    mean = depth * np.exp(rng.uniform(-3, 3, GENES))
    table = excess_zeros(mean, np.full(GENES, 0.3), 0.0, rng)
    plots.zeros(table, ax=ax)
    ax.figure.draw_without_rendering()
    box = ax.get_legend().get_window_extent()
    pixels = ax.transData.transform(table[["mean", "observed"]])
    inside = ((pixels > [box.x0, box.y0]) & (pixels < [box.x1, box.y1])).all(axis=1)
    assert not inside.any()


def test_tables_that_are_none(table):
    with pytest.raises(InputError, match=r"no column 'observed'; scomics_lite\.zero_inflation\.excess_zeros gives one"):
        plots.zeros(table.drop(columns="observed"))
    with pytest.raises(InputError, match=r"this plots the table of scomics_lite.*got ndarray"):
        plots.zeros({"reads": table.to_numpy()})
    with pytest.raises(InputError, match="there is no table to plot: the dict is empty"):
        plots.zeros({})
    with pytest.raises(InputError, match="none of the table's 200 genes has a count"):
        plots.zeros(table.assign(mean=0.0))
    with pytest.raises(InputError, match="'observed' of the table holds shares between 0 and 1; gene 'gene4' has 87"):
        plots.zeros(table.assign(observed=np.where(table.index == "gene4", 87, table["observed"])))
    with pytest.raises(InputError, match="'poisson' of the table holds shares between 0 and 1; gene 'gene0' has nan"):
        plots.zeros(table.assign(poisson=np.nan))
    with pytest.raises(InputError, match="alpha is a false discovery rate between 0 and 1; got 5"):
        plots.zeros(table, alpha=5)
    with pytest.raises(InputError, match="there is no gene 'gene1000'; did you mean 'gene100'"):
        plots.zeros(table, label=["gene1000"])
    assert not plt.get_fignums()


# --- the distribution -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mu", "phi", "pi"), [(3.0, 0.5, 0.25), (0.2, 2.0, 0.6), (5, 0, 0.1), (4.0, 0.3, 0)])
def test_bars_are_the_parts_of_the_distribution(mu, phi, pi, ax):
    assert plots.zero_inflated_pmf(mu, phi, pi, ax=ax) is ax
    structural, own, *counts = ax.patches
    n = 1 / phi if phi else None
    exact = stats.nbinom(n, n / (n + mu)) if phi else stats.poisson(mu)
    assert structural.get_height() == pytest.approx(pi)
    assert structural.get_y() == pytest.approx(own.get_height()) == pytest.approx((1 - pi) * exact.pmf(0))
    y = np.arange(1, len(counts) + 1)
    np.testing.assert_allclose([bar.get_height() for bar in counts], (1 - pi) * exact.pmf(y), rtol=1e-9)
    np.testing.assert_allclose([bar.get_x() + bar.get_width() / 2 for bar in counts], y)
    assert exact.cdf(y[-1]) >= 0.995
    np.testing.assert_allclose(ax.lines[0].get_ydata(), exact.pmf(np.r_[0, y]), rtol=1e-9)


def test_parts_differ_in_colour_and_hatch(ax):
    plots.zero_inflated_pmf(3.0, 0.5, 0.25, ax=ax)
    structural, own, count, *_ = ax.patches
    assert len({to_hex(bar.get_facecolor()) for bar in (structural, own, count)}) == 3
    assert structural.get_hatch()
    assert ax.get_title() == "μ = 3, φ = 0.5, π = 0.25"
    assert legend(ax) == [
        "negative binomial alone: P(y)", "structural zeros: π = 0.25",
        "zeros among the counts: (1 − π) P(0) = 0.12", "counts above 0: (1 − π) P(y)",
    ]  # fmt: skip


def test_the_bar_of_zeros_is_seen_among_many_counts(ax):
    plots.zero_inflated_pmf(2_000, 0.5, 0.3, ax=ax)
    structural, _, first, *_ = ax.patches
    assert structural.get_x() + structural.get_width() == 0.5 == first.get_x()  # none covers the other
    ax.figure.draw_without_rendering()
    assert structural.get_window_extent().width > 5
    assert ax.lines[0].get_linestyle() == "-"


def test_parameters_that_are_none():
    with pytest.raises(InputError, match="mean is a number above 0; got 0"):
        plots.zero_inflated_pmf(0, 0.5, 0.3)
    with pytest.raises(InputError, match="dispersion is a number, 0 or more; got -1"):
        plots.zero_inflated_pmf(1, -1, 0.3)
    with pytest.raises(InputError, match=r"zero_probability lies in 0 to 1; got 30"):
        plots.zero_inflated_pmf(1, 0.5, 30)
    assert not plt.get_fignums()
