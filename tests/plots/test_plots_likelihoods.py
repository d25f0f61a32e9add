"""The plots of log likelihoods: what stands on the axes, and what is drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from fixtures.axes import legend
from scipy import optimize, sparse, stats

from scomics_lite import plots, zero_inflation
from scomics_lite.plots.likelihoods import _Surface
from scomics_lite.validation import InputError

pytestmark = pytest.mark.usefixtures("closed_figures")

PI = pd.Index(np.linspace(0, 0.6, 601), name="π")
CURVES = pd.DataFrame({"Actb": -40 * (PI - 0.2) ** 2 - 7, "Gapdh": -90 * (PI - 0.4) ** 2 - 300}, index=PI)
CUTOFF = stats.chi2(1).ppf(0.95) / 2
REACH = {"Actb": np.sqrt(CUTOFF / 40), "Gapdh": np.sqrt(CUTOFF / 90)}
ENDS = pd.DataFrame({"estimate": [0.4, 0.2], "lower": [0.4 - REACH["Gapdh"], -np.inf], "upper": 0.0}, ["Gapdh", "Actb"])
ENDS["upper"] = [0.4 + REACH["Gapdh"], 0.2 + REACH["Actb"]]
STEPS = pd.DataFrame({"iteration": range(4), "log_likelihood": [-20.0, -12, -11, -10.5], "pi": [0.1, 0.2, 0.25, 0.27]})


def line(ax, name):
    (found,) = (line for line in ax.lines if line.get_label() == name)
    return found


def bars(ax):
    """Between which values each interval reaches, and what its caps are."""
    wide = [line for line in ax.lines if line.get_linewidth() == 4 and line.get_xdata(orig=False).size]
    caps = [line for line in ax.lines if line.get_markersize() == 9]
    ends = [tuple(line.get_xdata()) for line in wide]
    return ends, [tuple(cap.get_marker() for cap in caps[2 * i : 2 * i + 2]) for i in range(len(wide))]


# --- profiles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plot", [lambda ax=None: plots.profile(CURVES, ax=ax), lambda ax=None: plots.trace(STEPS, ax=ax)]
)
def test_the_given_axes_are_drawn_on_and_returned(plot, ax):
    other = plt.figure().add_subplot()  # the current axes, which must stay empty
    assert plot(ax) is ax
    assert not other.has_data()
    assert plot() is other


def test_profiles_are_drawn_from_their_maxima(ax):
    plots.profile(CURVES.sample(frac=1, random_state=1), ENDS, ax=ax)  # in any order
    np.testing.assert_allclose(line(ax, "Actb").get_ydata(), -40 * (PI - 0.2) ** 2, atol=1e-12)
    np.testing.assert_allclose(line(ax, "Gapdh").get_xdata(), PI)
    assert line(ax, "Actb").get_linestyle() != line(ax, "Gapdh").get_linestyle()
    assert line(ax, "Actb").get_color() != line(ax, "Gapdh").get_color()
    assert line(ax, "1.92 below: the ends at 95 %").get_ydata()[0] == pytest.approx(-CUTOFF)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("π", "log likelihood − maximum")
    ax.figure.draw_without_rendering()
    assert ax.transData.inverted().transform(ax.get_legend().get_window_extent())[0, 1] > 0  # above all curves


def test_intervals_end_where_the_profile_crosses_the_cut_off(ax):
    plots.profile(CURVES, ENDS, ax=ax)
    ends, caps = bars(ax)
    np.testing.assert_allclose(ends, [[0, 0.2 + REACH["Actb"]], [0.4 - REACH["Gapdh"], 0.4 + REACH["Gapdh"]]])
    assert caps == [("<", "|"), ("|", "|")]  # the first is open
    for gene, (left, right) in zip(CURVES, ends, strict=True):
        crossing = np.interp([left, right], PI, CURVES[gene] - CURVES[gene].max())
        assert crossing[1] == pytest.approx(-CUTOFF, rel=1e-3)


@pytest.mark.parametrize(("lower", "cap"), [(0.0, ""), (0.05, "|"), (-0.1, "<"), (-np.inf, "<"), (np.nan, "<")])
def test_ends_that_are_open_have_no_cap_or_an_arrow(lower, cap, ax):
    plots.profile(CURVES["Actb"], ENDS.assign(lower=lower), ax=ax)
    assert bars(ax)[1] == [(cap, "|")]
    plots.profile(CURVES["Actb"], ENDS.assign(upper=0.6 - lower), ax=(mirror := plt.figure().add_subplot()))
    assert bars(mirror)[1][0][1] == {"<": ">"}.get(cap, cap)


def test_the_level_moves_the_cut_off(ax):
    plots.profile(CURVES, level=0.99, ax=ax)
    assert line(ax, "3.32 below: the ends at 99 %").get_ydata()[0] == pytest.approx(-stats.chi2(1).ppf(0.99) / 2)


def test_a_fit_s_profile_is_drawn_as_it_comes(ax):
    counts = zero_inflation.sample(20.0, 0.4, [0.3, 0.1], rng=3, size=(200, 2))
    fit = zero_inflation.fit(pd.DataFrame(counts, columns=["a", "b"]), np.ones((200, 1)), progress=False)
    curves = zero_inflation.profile_log_likelihood(fit, "pi", np.linspace(0.02, 0.5, 60))
    ends = zero_inflation.profile_interval(fit, "pi")
    plots.profile(curves, ends, ax=ax)
    assert legend(ax)[:2] == ["a", "b"]
    drawn, _ = bars(ax)
    np.testing.assert_allclose(drawn, ends[["lower", "upper"]])
    for gene, (left, right) in zip("ab", drawn, strict=True):
        np.testing.assert_allclose(np.interp([left, right], *line(ax, gene).get_data()), -CUTOFF, atol=0.05)


def test_profiles_that_are_none():
    with pytest.raises(InputError, match=r"scomics_lite\.zero_inflation\.profile_log_likelihood; got ndarray"):
        plots.profile(CURVES.to_numpy())
    many = pd.concat([CURVES.add_suffix(i) for i in "abcd"], axis=1)
    with pytest.raises(InputError, match=r"8 profiles cannot be told apart, 6 can; .*\['Actba', 'Gapdha'\]\]"):
        plots.profile(many)
    plots.profile(many[["Actba", "Gapdha"]])
    plt.close("all")
    with pytest.raises(InputError, match="the index holds the values of the parameter"):
        plots.profile(CURVES.set_axis([f"v{i}" for i in range(len(PI))]))
    with pytest.raises(InputError, match="the profile of 'Actb' has no finite value"):
        plots.profile(CURVES.assign(Actb=np.nan))
    with pytest.raises(
        InputError, match=r"no column 'lower'; scomics_lite\.zero_inflation\.profile_interval gives one"
    ):
        plots.profile(CURVES, ENDS.drop(columns="lower"))
    with pytest.raises(InputError, match="there is no gene 'Actb'; did you mean"):
        plots.profile(CURVES, ENDS.rename(index={"Actb": "ACTB"}))
    with pytest.raises(InputError, match="level is that of an interval, between 0 and 1; got 95"):
        plots.profile(CURVES, level=95)
    assert not plt.get_fignums()


# --- the ridge --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def counts():
    factors = np.random.default_rng(4).lognormal(0, 0.3, 250)
    means = factors[:, None] * [3.0, 1.0, 6.0]
    counts = zero_inflation.sample(means, 0.5, [0.3, 0.3, 0.0], rng=4)
    return pd.DataFrame(np.c_[counts, np.zeros(250, int)], columns=["Actb", "Sox2", "Gapdh", "Oct4"]), factors


def best_over_phi(y, s, mu, pi):
    """The highest log likelihood with mean and zero probability held, by a search of scipy's."""

    def lack(log_phi):
        return -zero_inflation.log_likelihood(y, mu * s, np.exp(log_phi), pi).sum()

    return -min(optimize.minimize_scalar(lack, bounds=bounds, method="bounded").fun for bounds in ((-9, 0), (-2, 6)))


@pytest.mark.parametrize("gene", ["Actb", "Sox2", "Gapdh"])
def test_the_surface_is_the_highest_likelihood_over_the_dispersion(counts, gene):
    table, s = counts
    y = table[gene].to_numpy()
    surface = _Surface(y, s, 0.5)
    means, shares = np.array([0.8, 3.0, 7.0]), np.array([0.0, 0.1, 0.35])
    expected = [[best_over_phi(y, s, mu, pi) for pi in shares] for mu in means]
    np.testing.assert_allclose(surface.height(means, shares), expected, atol=0.02)


@pytest.mark.parametrize("gene", ["Actb", "Sox2", "Gapdh"])
def test_the_interval_ends_where_the_ridge_crosses_the_thick_contour(counts, gene, ax):
    table, s = counts
    plots.likelihood_ridge(table, gene, size_factors=s, ax=ax)
    fit = zero_inflation.fit(table[[gene]], np.ones((250, 1)), size_factors=s, progress=False)
    interval = zero_inflation.profile_interval(fit, "pi").iloc[0]
    (ends,), _ = bars(ax)
    np.testing.assert_allclose(ends, interval[["lower", "upper"]].astype(float), atol=1e-12)
    ridge = line(ax, "best μ for each π")
    at = [(pi, np.interp(pi, *ridge.get_data())) for pi in ends if pi > 0]
    for pi, mu in at:
        drop = fit.log_likelihood[0] - best_over_phi(table[gene].to_numpy(), s, mu, pi)
        assert drop == pytest.approx(CUTOFF, abs=0.03)
    (thick,) = (c for c in ax.collections if np.all(np.isclose(getattr(c, "levels", 0), -CUTOFF)))
    corners = np.vstack([path.vertices for path in thick.get_paths()])
    assert corners[:, 0].max() == pytest.approx(ends[1], abs=0.01)
    assert corners[:, 0].min() == pytest.approx(ends[0], abs=0.01)
    top = line(ax, f"maximum: π = {fit.zero_probability[0, 0]:.2f}, μ = {np.exp(fit.coefficients[0, 0]):.3g}")
    np.testing.assert_allclose(top.get_xydata(), [[fit.zero_probability[0, 0], np.exp(fit.coefficients[0, 0])]])


def test_the_legend_stands_above_the_contours(counts, ax):
    table, s = counts
    plots.likelihood_ridge(table, "Actb", size_factors=s, ax=ax)
    ax.figure.draw_without_rendering()
    lowest = ax.transData.inverted().transform(ax.get_legend().get_window_extent())[0, 1]
    highest = max(path.vertices[:, 1].max() for c in ax.collections for path in c.get_paths() if len(path.vertices))
    assert lowest > highest * 0.98
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("zero probability π", "mean of the counting part μ")
    assert (ax.get_title(), ax.get_yscale()) == ("Actb", "log")


def test_counts_may_be_sparse_and_genes_without_names(counts, ax):
    table, _ = counts
    plots.likelihood_ridge(sparse.csr_matrix(table.to_numpy()), 1, ax=ax)
    plots.likelihood_ridge(table, "Sox2", ax=(named := plt.figure().add_subplot()))
    np.testing.assert_allclose(line(ax, "best μ for each π").get_ydata(), line(named, "best μ for each π").get_ydata())


def test_genes_whose_likelihood_cannot_be_drawn(counts):
    table, s = counts
    with pytest.raises(InputError, match="gene 'Oct4' has no count, so it says nothing about mu and pi"):
        plots.likelihood_ridge(table, "Oct4")
    with pytest.raises(InputError, match="there is no gene 'actb'; did you mean 'Actb'"):
        plots.likelihood_ridge(table, "actb")
    with pytest.raises(InputError, match="size factors must be positive"):
        plots.likelihood_ridge(table, "Actb", size_factors=s * 0)
    with pytest.raises(InputError, match="level is that of an interval, between 0 and 1; got 2"):
        plots.likelihood_ridge(table, "Actb", level=2)
    assert not plt.get_fignums()


@pytest.mark.parametrize("y", [[0] * 30 + [1], [5] * 30, [0] * 20 + [1000] * 10, [1, 2]])
def test_extreme_genes_are_drawn(y, ax):
    plots.likelihood_ridge(np.array(y)[:, None], 0, ax=ax)
    ax.figure.draw_without_rendering()
    assert ax.collections, "no contour"
    assert np.isfinite([*ax.get_xlim(), *ax.get_ylim()]).all()


# --- the way up -------------------------------------------------------------------------------------------------------


def test_log_likelihoods_are_drawn_by_what_they_lack(ax):
    plots.trace(STEPS, ax=ax)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [9.5, 1.5, 0.5, np.nan])
    assert ax.lines[1].get_xydata().tolist() == [[2, 0.5]]  # the last that has a place on the axis
    assert (ax.get_yscale(), ax.get_xlabel()) == ("log", "iteration")
    assert ax.get_legend() is None
    plots.trace(STEPS, maximum=-10, ax=(known := plt.figure().add_subplot()))
    np.testing.assert_allclose(known.lines[0].get_ydata(), [10, 2, 1, 0.5])


def test_rounding_is_not_drawn(ax):
    steps = pd.DataFrame({"iteration": range(3), "log_likelihood": [-601.0, -600 - 2e-13, -600]})
    plots.trace(steps, ax=ax)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [1, np.nan, np.nan])


def test_a_parameter_is_drawn_as_it_is(ax):
    plots.trace(STEPS, column="pi", ax=ax)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), STEPS[["iteration", "pi"]])
    assert (ax.get_yscale(), ax.get_ylabel()) == ("linear", "pi")


def test_starts_are_told_apart_while_they_are_few(ax):
    starts = pd.concat([STEPS.assign(start=name) for name in ("far", "near", "wild")])
    plots.trace(starts, maximum=-10, ax=ax)
    assert legend(ax) == ["far", "near", "wild"]
    lines, ends = ax.lines[::2], ax.lines[1::2]
    assert len({line.get_linestyle() for line in lines}) == len({line.get_color() for line in lines}) == 3
    assert len({end.get_marker() for end in ends}) == 3
    many = pd.concat([STEPS.assign(start=i) for i in range(20)])
    plots.trace(many, maximum=-10, ax=(crowd := plt.figure().add_subplot()))
    assert legend(crowd) == ["20 starts"]
    assert len(crowd.lines) == 40


def test_traces_that_are_none():
    with pytest.raises(InputError, match="the table has no column 'iteration'"):
        plots.trace(STEPS.drop(columns="iteration"))
    with pytest.raises(InputError, match=r"the table has no column 'phi'.*Known: iteration, log_likelihood, pi"):
        plots.trace(STEPS, column="phi")
    with pytest.raises(InputError, match="there is no finite number in column 'pi' of the table"):
        plots.trace(STEPS.assign(pi=np.nan), column="pi")
    with pytest.raises(
        InputError, match=r"maximum is the highest log likelihood; got -11, and the table reaches -10\.5"
    ):
        plots.trace(STEPS, maximum=-11)
    assert not plt.get_fignums()
