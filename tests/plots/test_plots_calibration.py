"""The plots of calibration: what stands on the axes, and what is drawn."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from fixtures.axes import legend
from matplotlib.colors import to_rgb
from scipy import stats

from scomics_lite import calibration, plots
from scomics_lite.plots.calibration import RATIO_FLOOR
from scomics_lite.validation import InputError

pytestmark = pytest.mark.usefixtures("closed_figures")

M = 400
RATES = pd.DataFrame(
    {
        "method": ["wald", "wald", "ql", "ql"],
        "level": [0.05, 0.1, 0.05, 0.1],
        "fdr": [0.08, 0.15, 0.04, 0.0],
        "fdr_se": [0.01, 0.02, 0.05, 0.0],
    }
)
SIGNS = pd.DataFrame(
    {"method": "ash", "claimed": [0.004, 0.2, 0.9], "observed": [0.01, 0.2, 0.85], "observed_se": [0.004, 0.02, 0.03]}
)
TABLES = {
    "fdr_calibration": (plots.fdr_calibration, RATES, "false_discoveries", "fdr"),
    "lfsr_calibration": (plots.lfsr_calibration, SIGNS, "sign_errors", "observed"),
}


def simulate(rng):
    truth = np.repeat([0.0, 2.0], [300, 100])
    return rng.normal(truth), pd.Series(truth, index=[f"gene{i}" for i in range(400)])


def analyse(z):
    """Test and shrink, once with the error that z has and once as if it had half of it."""
    tables = {}
    for name, error in (("honest", 1.0), ("bold", 0.5)):
        p = 2 * stats.norm.sf(np.abs(z) / error)
        lfsr = stats.norm.sf(np.abs(z) / error)
        table = {"pvalue": p, "padj": stats.false_discovery_control(p), "log2FoldChange": z, "lfsr": lfsr}
        tables[name] = pd.DataFrame(table, index=[f"gene{i}" for i in range(400)])
    return tables


@pytest.fixture(scope="module")
def results():
    return calibration.study(simulate, analyse, sets=3, rng=1, progress=False)


def drawn(ax, name):
    """Return the line of that name."""
    (line,) = (line for line in ax.lines if line.get_label() == name)
    return line


def rates(ax, name):
    """Return the points of a method, and between what their bars reach."""
    (container,) = (container for container in ax.containers if container.get_label() == name)
    line, _, (bars,) = container
    return line.get_xydata(), np.array([segment[:, 1] for segment in bars.get_segments() if segment.size])


# --- p-values ---------------------------------------------------------------------------------------------------------


def test_the_ratio_is_what_is_found_over_what_is_promised(ax):
    p = np.random.default_rng(1).beta(0.7, 1, M)
    assert plots.pvalue_calibration(p, ax=ax) is ax
    levels, ratio = ax.lines[1].get_data()
    np.testing.assert_allclose(ratio, [(p <= level).mean() / level for level in levels], rtol=1e-12)
    assert (levels[0], levels[-1]) == pytest.approx((10 / M, 1))  # ten are expected below the lowest
    assert ratio[-1] == 1
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("level α", "null p-values below α / expected")
    assert list(ax.lines[0].get_ydata()) == [1, 1]


@pytest.mark.parametrize("m", [40, 400, 20_000])
def test_the_band_holds_what_uniform_p_values_do(m, ax):
    """Its edges are quantiles of a binomial distribution, that of the number of p-values below a level."""
    plots.pvalue_calibration(np.linspace(0, 1, m), ax=ax)
    (band,) = ax.collections
    assert f"95 % of {m:,} uniform p-values" in legend(ax)
    corners = band.get_paths()[0].vertices
    levels = np.unique(corners[:, 0])[:-1]  # at 1 all p-values are below
    edges = [np.sort(corners[corners[:, 0] == level, 1])[[0, -1]] for level in levels]
    low, high = np.floor(np.array(edges) * (m * levels)[:, None] + 1e-9).T
    below = stats.binom(m, levels)
    slack = 2e-3  # the edges are interpolated between 400 numbers of p-values
    assert (below.sf(high) <= 0.025 + slack).all()
    assert (below.sf(high - 1) >= 0.025 - slack).all()
    assert (below.cdf(low - 1) <= 0.025 + slack).all()
    assert (below.cdf(low) >= 0.025 - slack).all()


def test_a_study_is_drawn_by_method_and_only_its_nulls(results, ax):
    plots.pvalue_calibration(results, ax=ax)
    assert legend(ax) == ["95 % of 900 uniform p-values", "honest", "bold"]
    looks = {(line.get_color(), line.get_linestyle()) for line in ax.lines[1:]}
    assert len({look[0] for look in looks}) == len({look[1] for look in looks}) == 2
    for name in ("honest", "bold"):
        p = results.loc[(results["method"] == name) & (results["truth"] == 0), "pvalue"]
        levels, ratio = drawn(ax, name).get_data()
        np.testing.assert_allclose(ratio, [(p <= level).mean() / level for level in levels], rtol=1e-12)
    assert drawn(ax, "bold").get_ydata()[0] > 5  # z is taken for twice as much as it is


def test_methods_are_named_by_a_dict_too(ax):
    p = np.arange(1, 101) / 100
    plots.pvalue_calibration({"all": p, "some": np.r_[p[:50], [np.nan] * 50], "listed": list(p)}, ax=ax)
    assert legend(ax) == ["95 % of 50 uniform p-values", "all", "some", "listed"]  # the widest band
    assert drawn(ax, "all").get_ydata()[0] == pytest.approx(1)
    assert drawn(ax, "some").get_xdata()[0] == pytest.approx(0.1)  # a tenth, at most
    assert drawn(ax, "some").get_ydata()[0] == pytest.approx(0.1 * 50 * 2 / 5)


def test_levels_without_a_p_value_are_a_gap(ax):
    plots.pvalue_calibration(np.linspace(0.3, 1, M), ax=ax)
    levels, ratio = ax.lines[1].get_data()
    np.testing.assert_array_equal(np.isnan(ratio), levels < 0.3)
    low, high = ax.get_ylim()
    assert low == RATIO_FLOOR
    assert high > 2


@pytest.mark.parametrize("p", [[0.5], [0.0], [1.0, 1.0], np.zeros(30)])
def test_few_p_values_and_extreme_ones(p, ax):
    plots.pvalue_calibration(p, ax=ax)
    ax.figure.draw_without_rendering()
    assert np.isfinite(ax.lines[1].get_ydata()[-1])


def test_the_sides_say_what_they_mean(ax):
    plots.pvalue_calibration([0.2, 0.4, 0.6, 0.8], ax=ax)
    ax.figure.draw_without_rendering()
    many, few = (text.get_window_extent() for text in ax.texts)
    assert [text.get_text() for text in ax.texts] == ["too many ↑", "too few ↓"]
    assert many.y0 > ax.transData.transform((1, 1))[1] > few.y1 - 1
    assert min(many.x0, few.x0) > ax.get_window_extent().x1  # beside the axes, on no curve


def test_p_values_that_are_none():
    with pytest.raises(InputError, match=r"no column 'truth'; scomics_lite\.calibration\.study gives one that has"):
        plots.pvalue_calibration(pd.DataFrame({"pvalue": [0.5], "method": "wald"}))
    with pytest.raises(InputError, match="no gene of the table has truth 0, so there is no null p-value"):
        plots.pvalue_calibration(pd.DataFrame({"pvalue": [0.5], "method": "wald", "truth": 1.0}))
    with pytest.raises(InputError, match="there is no p-value of wald to plot: all are missing"):
        plots.pvalue_calibration({"wald": [np.nan]})
    with pytest.raises(InputError, match="there is no p-value to plot: all are missing"):
        plots.pvalue_calibration([])
    with pytest.raises(InputError, match=r"p-values lie between 0 and 1; these reach from -2 to 0\.5"):
        plots.pvalue_calibration([-2, 0.5])
    with pytest.raises(InputError, match="the p-values of wald are not numbers"):
        plots.pvalue_calibration({"wald": ["a"]})
    with pytest.raises(InputError, match="there are no p-values to plot: the dict is empty"):
        plots.pvalue_calibration({})
    assert not plt.get_fignums()


# --- rates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
def test_the_given_axes_are_drawn_on_and_returned(name, ax):
    plot, table, _, _ = TABLES[name]
    other = plt.figure().add_subplot()  # the current axes, which must stay empty
    assert plot(table, ax=ax) is ax
    assert not other.has_data()
    assert plot(table) is other


def test_false_discoveries_stand_at_their_levels(ax):
    plots.fdr_calibration(RATES, ax=ax)
    assert legend(ax) == ["as claimed", "wald", "ql"]
    wald, bars = rates(ax, "wald")
    np.testing.assert_allclose(wald[:, 1], [0.08, 0.15])
    np.testing.assert_allclose(bars, [[0.07, 0.09], [0.13, 0.17]])
    ql, bars = rates(ax, "ql")
    np.testing.assert_allclose(ql[:, 1], [0.04, 0])
    np.testing.assert_allclose(bars, [[0, 0.09], [0, 0]])  # not below 0, which has no square root
    np.testing.assert_allclose((wald[:, 0] + ql[:, 0]) / 2, [0.05, 0.1])
    assert (np.abs(wald[:, 0] / [0.05, 0.1] - 1) < 0.02).all()
    assert (wald[:, 0] < ql[:, 0]).all()  # apart
    assert list(ax.get_xticks()) == [0.05, 0.1]


def test_bins_stand_at_what_was_claimed_in_them(ax):
    plots.lfsr_calibration(SIGNS, ax=ax)
    points, bars = rates(ax, "ash")
    np.testing.assert_allclose(points, SIGNS[["claimed", "observed"]])
    np.testing.assert_allclose(bars, [[0.006, 0.014], [0.18, 0.22], [0.82, 0.88]])


@pytest.mark.parametrize("name", TABLES)
def test_the_diagonal_is_one_on_the_page(name, ax):
    plot, table, _, _ = TABLES[name]
    plot(table, ax=ax)
    ax.set_box_aspect(1)
    ax.figure.draw_without_rendering()
    (x0, y0), (x1, y1) = ax.transAxes.inverted().transform(ax.transData.transform(ax.lines[0].get_xydata()))
    assert (x0, y0, x1, y1) == pytest.approx((0, 0, 1, 1), abs=1e-6)
    quarter, full = ax.transAxes.inverted().transform(ax.transData.transform([(0.04, 0.04), (0.16, 0.16)]))
    np.testing.assert_allclose(full, 2 * quarter)  # the axes are those of square roots


@pytest.mark.parametrize("name", TABLES)
def test_all_of_the_bars_is_seen(name, ax):
    plot, table, _, _ = TABLES[name]
    plot(table, ax=ax)
    reach = max(bars.max() for bars in (rates(ax, method)[1] for method in table["method"].unique()))
    assert reach < ax.get_ylim()[1]


def test_methods_differ_in_colour_marker_and_line(ax):
    many = pd.concat([RATES.assign(method=f"method {i}") for i in range(6)])
    plots.fdr_calibration(many, ax=ax)
    lines = [container[0] for container in ax.containers]
    assert len({line.get_color() for line in lines}) == len({line.get_marker() for line in lines}) == 6
    assert lines[0].get_linestyle() != lines[1].get_linestyle()


def test_one_set_has_no_bars(ax):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.fdr_calibration(RATES.assign(fdr_se=np.nan), ax=ax)
        ax.figure.draw_without_rendering()
    points, bars = rates(ax, "wald")
    assert points.shape == (2, 2)
    assert not bars.size
    assert ax.get_ylim()[1] == pytest.approx(1.08 * 0.15)


def test_rows_without_a_rate_are_left_out(ax):
    plots.lfsr_calibration(pd.concat([SIGNS, SIGNS.iloc[:1].assign(observed=np.nan)]), ax=ax)
    assert len(rates(ax, "ash")[0]) == 3


def test_the_tables_of_a_study_are_drawn_as_they_are(results):
    table = calibration.false_discoveries(results)
    ax = plots.fdr_calibration(table, ax=plt.figure().add_subplot())
    assert legend(ax) == ["as claimed", "honest", "bold"]
    np.testing.assert_allclose(rates(ax, "bold")[0][:, 1], table.loc[table["method"] == "bold", "fdr"])
    assert (rates(ax, "bold")[0][:, 1] > [0.01, 0.05, 0.1, 0.2]).all()
    signs = calibration.sign_errors(results)
    ax = plots.lfsr_calibration(signs, ax=plt.figure().add_subplot())
    np.testing.assert_allclose(
        rates(ax, "honest")[0], signs.loc[signs["method"] == "honest", ["claimed", "observed"]], rtol=1e-12
    )


@pytest.mark.parametrize("name", TABLES)
def test_tables_that_are_none(name):
    plot, table, function, observed = TABLES[name]
    source = rf"scomics_lite\.calibration\.{function}"
    with pytest.raises(InputError, match=rf"no column '{observed}'; {source} gives one that has"):
        plot(table.drop(columns=observed))
    with pytest.raises(InputError, match=f"this plots the table of {source}; got dict"):
        plot({})
    with pytest.raises(
        InputError, match=f"none of the table's {len(table)} rows has a number in '[a-z]*' and '{observed}'"
    ):
        plot(table.assign(**{observed: np.nan}))
    with pytest.raises(InputError, match="none of the table's 0 rows"):
        plot(table.iloc[:0])
    with pytest.raises(InputError, match=r"2 of the table's \d rows name no method"):
        plot(table.assign(method=[None, None, *table["method"][2:]]))
    with pytest.raises(InputError, match=f"'{observed}_se' holds rates between 0 and 1; these reach from -1 to -1"):
        plot(table.assign(**{f"{observed}_se": -1.0}))
    with pytest.raises(InputError, match=f"'{observed}' holds rates between 0 and 1; these reach from 8 to 8"):
        plot(table.assign(**{observed: 8.0}))
    assert not plt.get_fignums()


# --- shares of calls --------------------------------------------------------------------------------------------------

CALLED = pd.DataFrame(
    {
        "method": ["zero", "mean"] * 3,
        "changed": ["zero"] * 2 + ["mean"] * 2 + ["nothing"] * 2,
        "level": 0.05,
        "share": [0.95, 0.06, 0.07, 0.6, 0.051, 0.049],
        "share_se": [0.01, 0.02, 0.02, 0.03, 0.004, 0.004],
    }
)
FALSE = pd.DataFrame(
    {
        "method": ["cells"] * 3 + ["donors"] * 3,
        "donor_sd": [0.5, 0.0, 0.2] * 2,
        "level": 0.05,
        "share": [0.8, 0.05, 0.3, 0.05, 0.04, 0.06],
        "share_se": 0.01,
    }
)
SHARES = {
    "confusion": (plots.confusion, CALLED, "changed"),
    "false_positives": (plots.false_positives, FALSE, "donor_sd"),
}


@pytest.mark.parametrize("name", SHARES)
def test_shares_are_drawn_on_the_given_axes(name, ax):
    plot, table, by = SHARES[name]
    other = plt.figure().add_subplot()  # the current axes, which must stay empty
    assert plot(table, by, ax=ax) is ax
    assert not other.has_data()
    assert plot(table, by) is other


def test_cells_hold_the_shares_in_the_order_of_the_table(ax):
    plots.confusion(CALLED, "changed", ax=ax)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["zero", "mean"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["zero", "mean", "nothing"]
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written[0, 0] == "0.95\n± 0.01"
    assert written[1, 0] == "0.06\n± 0.02"
    assert written[1, 2] == "0.05\n± 0.00"
    np.testing.assert_allclose(ax.images[0].get_array(), [[0.95, 0.06], [0.07, 0.6], [0.051, 0.049]])
    frames = [(patch.get_x() + patch.get_width() / 2, patch.get_y() + patch.get_height() / 2) for patch in ax.patches]
    np.testing.assert_allclose(frames, [[0, 0], [1, 1]], atol=1e-12)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("test", "changed", "share of genes with p < 0.05")


def test_numbers_can_be_read_on_their_ground(ax):
    """A contrast of 4.5 or more between letters and cell, as the accessibility guidelines of the W3C define it."""
    shares = np.linspace(0, 1, 21)
    table = pd.DataFrame({"method": "m", "changed": [f"c{i}" for i in range(21)], "level": 0.05, "share": shares})
    plots.confusion(table.assign(share_se=np.nan), "changed", ax=ax)
    image = ax.images[0]
    for text, share in zip(ax.texts, shares, strict=True):
        light = sorted(luminance(colour) for colour in (to_rgb(text.get_color()), image.cmap(image.norm(share))[:3]))
        assert (light[1] + 0.05) / (light[0] + 0.05) >= 4.5
        assert text.get_text() == f"{share:.2f}"  # one set has no error


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_a_test_that_was_not_made_leaves_a_dash(ax):
    plots.confusion(CALLED.iloc[1:], "changed", ax=ax)
    assert {text.get_position(): text.get_text() for text in ax.texts}[1, 0] == "–"


def test_a_study_is_drawn_as_it_is_counted(ax):
    def changed(rng):
        effect = np.repeat([0.0, 2.0], [300, 100])
        return rng.normal(effect), pd.DataFrame(
            {"effect": effect, "changed": np.repeat(["nothing", "effect"], [300, 100])}
        )

    def by_two(z):
        return {"honest": 2 * stats.norm.sf(np.abs(z)), "bold": 2 * stats.norm.sf(2 * np.abs(z))}

    results = calibration.study(changed, by_two, sets=3, rng=1, truth="effect", keep="changed", progress=False)
    table = calibration.confusion(results, "changed")
    plots.confusion(table, "changed", ax=ax)
    np.testing.assert_allclose(np.ravel(ax.images[0].get_array().T), table["share"])
    settings = pd.concat([results.assign(sd=sd) for sd in (1, 2)])
    drawn = plots.false_positives(calibration.pvalues(settings, 0.05, by="sd"), "sd", ax=plt.figure().add_subplot())
    assert legend(drawn) == ["level 0.05", "honest", "bold"]


def test_false_positives_stand_at_their_settings_beside_the_level(ax):
    plots.false_positives(FALSE, "donor_sd", ax=ax)
    assert legend(ax) == ["level 0.05", "cells", "donors"]
    cells, bars = rates(ax, "cells")
    np.testing.assert_allclose(cells, [[0, 0.05], [0.2, 0.3], [0.5, 0.8]])  # in the order of the axis
    np.testing.assert_allclose(bars, [[0.04, 0.06], [0.29, 0.31], [0.79, 0.81]])
    assert list(ax.lines[0].get_ydata()) == [0.05, 0.05]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("donor_sd", "false positives: share of p < 0.05")
    assert ax.get_ylim()[0] == 0


@pytest.mark.parametrize("name", SHARES)
def test_shares_that_cannot_be_drawn(name):
    plot, table, by = SHARES[name]
    function = "pvalues" if name == "false_positives" else name
    with pytest.raises(InputError, match=rf"no column 'share'; scomics_lite\.calibration\.{function} gives one"):
        plot(table.drop(columns="share"), by)
    with pytest.raises(InputError, match=f"no column {by.upper()!r}; .*did you mean {by!r}"):
        plot(table, by.upper())
    two = pd.concat([table, table.assign(level=0.01)])
    with pytest.raises(
        InputError, match=r"shares of one level, and the table has 2: table\[table\['level'\] == 0\.05\]"
    ):
        plot(two, by)
    plot(two[two["level"] == 0.05], by)
    plt.close("all")
    with pytest.raises(InputError, match="the table is empty"):
        plot(table.iloc[:0], by)
    with pytest.raises(InputError, match=f"more than one row for method '[a-z]*' and {by}"):
        plot(pd.concat([table, table]), by)
    with pytest.raises(InputError, match="'share' of the table holds shares between 0 and 1"):
        plot(table.assign(share=7.0), by)
    assert not plt.get_fignums()


def test_a_setting_is_a_number():
    with pytest.raises(InputError, match="column 'donor_sd' of the table holds 'low' in row 0, which is no number"):
        plots.false_positives(FALSE.assign(donor_sd="low", method=[f"m{i}" for i in range(6)]), "donor_sd")
