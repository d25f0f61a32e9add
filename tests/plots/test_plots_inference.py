"""The plots of empirical Bayes: what stands on the axes, and what is drawn."""

import warnings
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from fixtures.axes import legend, points
from matplotlib.colors import to_hex
from scipy import stats

from scomics_lite import plots
from scomics_lite.empirical_bayes import Mixture, ash, make_components
from scomics_lite.plots.inference import MOST_ARROWS
from scomics_lite.validation import InputError

pytestmark = pytest.mark.usefixtures("closed_figures")

GENES = pd.DataFrame(
    {
        "effect": [2.0, -3.0, 0.5, 1.0, np.nan, 4.0],
        "shrunken": [1.8, -0.4, 0.5, 1.2, 0.0, 0.1],
        "error": [0.2, 1.5, 0.1, 0.4, 1.0, np.inf],
    },
    index=["firm", "noisy", "same", "grown", "untested", "unknown"],
)
RNG = np.random.default_rng(1)
ERRORS = RNG.uniform(0.1, 1, 300)
EFFECTS = pd.Series(RNG.normal(np.where(RNG.random(300) < 0.5, 0, RNG.normal(size=300)), ERRORS)).rename(
    "gene{}".format
)
SETTINGS = {
    "half_uniform": {},
    "normal": {"mixture": "normal"},
    "half_normal": {"mixture": "half_normal"},
    "t errors": {"mixture": "uniform", "df": 4.0},
    "t errors, each gene its own": {"mixture": "uniform", "df": np.geomspace(2.5, 40, 300)},
    "t errors and normal ones": {"df": np.where(np.arange(300) == 7, np.inf, 5.0)},
    "z_scores": {"mixture": "normal", "exchangeable": "z_scores"},
    "other mode": {"mixture": "half_uniform", "mode": 0.3},
    "z_scores and other mode": {"exchangeable": "z_scores", "mode": 0.3},
    "no point mass": {"mixture": "normal", "point_mass": False, "prior": "uniform"},
}


@pytest.fixture(scope="module")
def results():
    return {name: ash(EFFECTS, ERRORS, **settings) for name, settings in SETTINGS.items()}


def by_columns(plot, table, **settings):
    return plot(table["effect"], table["shrunken"], table["error"], **settings)


def named(ax):
    return [text for text in ax.texts if text.get_text()]


def curve(ax, name):
    (line,) = (line for line in ax.lines if line.get_label() == name)
    return line.get_data()


def bars(ax):
    """Return the bars of the twin axes, by their name in the legend."""
    twins = [other for other in ax.figure.axes if other is not ax]
    return {container.get_label(): container.patches[0] for twin in twins for container in twin.containers}


# --- shrinkage --------------------------------------------------------------------------------------------------------


def test_few_genes_are_arrows_at_their_standard_errors(ax):
    assert by_columns(plots.shrinkage, GENES, ax=ax) is ax
    lines, estimates, left, right = ax.collections
    segments = [segment.tolist() for segment in lines.get_segments()]
    assert segments == [
        [[2.0, 0.2], [1.8, 0.2]],
        [[-3.0, 1.5], [-0.4, 1.5]],
        [[0.5, 0.1], [0.5, 0.1]],
        [[1.0, 0.4], [1.2, 0.4]],
    ]  # without those that lack an estimate, or have no information
    np.testing.assert_array_equal(points(estimates), [[2, 0.2], [-3, 1.5], [0.5, 0.1], [1, 0.4]])
    np.testing.assert_array_equal(points(left), [[1.8, 0.2]])
    np.testing.assert_array_equal(points(right), [[-0.4, 1.5], [0.5, 0.1], [1.2, 0.4]])
    assert left.get_paths()[0].vertices[:3, 0].argmin() == 0  # the tip first
    assert legend(ax) == ["estimate", "shrunken"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("log2 fold change", "standard error", "log")
    assert len(ax.figure.axes) == 1


def test_arrows_that_all_point_one_way_have_one_entry(ax):
    by_columns(plots.shrinkage, GENES.loc[["noisy"]], ax=ax)
    assert legend(ax) == ["estimate", "shrunken"]
    ax.figure.draw_without_rendering()
    low, high = ax.get_xlim()
    assert low < -3 < 0 <= high


@pytest.mark.parametrize("many", [False, True])
def test_the_given_axes_are_drawn_on_and_returned(many, ax):
    table = pd.concat([GENES] * (20 if many else 1))
    other = plt.figure().add_subplot()  # the current axes, which must stay empty
    assert by_columns(plots.shrinkage, table, ax=ax) is ax
    assert not other.has_data()
    assert by_columns(plots.shrinkage, table) is other
    assert plt.gca() is other


def test_the_arrow_is_drawn_up_to_a_number_of_genes():
    for size, number_of_axes in ((MOST_ARROWS, 1), (MOST_ARROWS + 1, 2)):
        figure = plt.figure()
        plots.shrinkage(EFFECTS[:size], EFFECTS[:size] / 2, ERRORS[:size], ax=figure.add_subplot())
        assert len(figure.axes) == number_of_axes  # the second is the colours' scale


def test_many_genes_are_points_coloured_by_standard_error(ax):
    plots.shrinkage(EFFECTS, EFFECTS / 2, ERRORS, ax=ax)
    (dots,) = ax.collections
    order = np.argsort(-ERRORS)  # precise genes on top
    np.testing.assert_array_equal(points(dots), np.column_stack([EFFECTS, EFFECTS / 2])[order])
    np.testing.assert_array_equal(dots.get_array(), ERRORS[order])
    assert dots.get_rasterized()
    low, high = np.quantile(ERRORS, [0.01, 0.99])
    assert (dots.norm.vmin, dots.norm.vmax) == pytest.approx((low, high), rel=0.06)
    assert ax.figure.axes[1].get_ylabel() == "standard error"
    x, y = curve(ax, "nothing moved")
    np.testing.assert_array_equal(x, y)
    assert (x[0], x[1]) == (EFFECTS.min(), EFFECTS.max())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("estimated log2 fold change", "shrunken log2 fold change")


def test_many_genes_of_one_standard_error(ax):
    plots.shrinkage(EFFECTS, EFFECTS / 2, np.full(300, 0.3), ax=ax)
    ax.figure.draw_without_rendering()
    shown = [tick.get_text() for tick in ax.figure.axes[1].get_yticklabels()]
    assert "0.3" in shown


@pytest.mark.parametrize("repeat", [1, 20])
@pytest.mark.parametrize("number", [0, 1, 3])
def test_the_genes_that_move_most_are_named(number, repeat, ax):
    table = pd.concat([GENES, *[GENES.assign(shrunken=GENES["effect"])] * (repeat - 1)])
    by_columns(plots.shrinkage, table, label=number, ax=ax)
    assert [text.get_text() for text in named(ax)] == ["noisy", "firm", "grown"][:number]
    height = "error" if repeat == 1 else "shrunken"
    places = GENES.loc[["noisy", "firm", "grown"], ["effect", height]]
    assert [text.xy for text in named(ax)] == list(places.itertuples(index=False, name=None))[:number]


def test_genes_are_named_by_their_names_too(ax):
    by_columns(plots.shrinkage, GENES, label=["same", "firm"], ax=ax)
    assert sorted(text.get_text() for text in named(ax)) == ["firm", "same"]
    with pytest.raises(InputError, match="there is no gene 'frim'; did you mean 'firm'"):
        by_columns(plots.shrinkage, GENES, label=["frim"])
    with pytest.warns(UserWarning, match="not named, because the numbers to be plotted are missing: 'untested'"):
        by_columns(plots.shrinkage, GENES, label=["untested", "same"], ax=(other := plt.figure().add_subplot()))
    assert [text.get_text() for text in named(other)] == ["same"]


def test_names_cover_neither_arrows_nor_each_other(ax):
    plots.shrinkage(EFFECTS[:30], EFFECTS[:30] / 2, ERRORS[:30], label=8, ax=ax)
    boxes = [text.get_window_extent() for text in named(ax)]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert all(ax.bbox.count_contains(box.corners()) == 4 for box in boxes)
    arrows = [ax.transData.transform(np.linspace(*ends, 50)) for ends in ax.collections[0].get_segments()]
    assert not any(box.count_contains(arrow) for box in boxes for arrow in arrows)


def test_names_come_from_any_of_the_three(ax):
    plots.shrinkage([1.0, 2], [0.5, 1.9], pd.Series([1, 0.1], index=["a", "b"]), label=1, ax=ax)
    assert [text.get_text() for text in named(ax)] == ["a"]
    plots.shrinkage([1.0, 2], [0.5, 1.9], [1, 0.1], label=1, ax=(other := plt.figure().add_subplot()))
    assert [text.get_text() for text in named(other)] == ["0"]


def test_genes_of_one_name_are_each_drawn(ax):
    table = GENES.set_axis(["twin"] * 6)
    by_columns(plots.shrinkage, table, label=2, ax=ax)
    assert [text.get_text() for text in named(ax)] == ["twin", "twin"]


def test_shrinkage_refuses_what_does_not_belong_together():
    effect, shrunken, error = (GENES[column] for column in GENES)
    with pytest.raises(InputError, match="label is how many genes to name"):
        plots.shrinkage(effect, shrunken, error, label=-1)
    with pytest.raises(InputError, match=r"effects, shrunken and standard_errors are not of the same genes.*\.loc\["):
        plots.shrinkage(effect, shrunken[::-1], error)
    with pytest.raises(InputError, match=r"one number for each gene; got shapes \(6,\), \(5,\) and \(6,\)"):
        plots.shrinkage(effect, shrunken.to_numpy()[:5], error)
    with pytest.raises(InputError, match="are numbers, one of each for every gene"):
        plots.shrinkage(["a", "b"], [1, 2], [1, 2])
    with pytest.raises(InputError, match="standard errors must be positive; gene 'same' has 0"):
        plots.shrinkage(effect, shrunken, error.replace(0.1, 0))
    with pytest.raises(InputError, match="none of the 2 genes has an estimate, a shrunken one and a standard error"):
        by_columns(plots.shrinkage, GENES.loc[["untested", "unknown"]])
    with pytest.raises(InputError, match="none of the 0 genes"):
        plots.shrinkage([], [], [])
    assert not plt.get_fignums()


# --- the prior --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETTINGS)
def test_the_prior_is_its_density_and_its_point_mass(name, results, ax):
    result = results[name]
    assert plots.mixture_prior(result, ax=ax) is ax
    x, density = curve(ax, "prior density")
    np.testing.assert_array_equal(density, result.mixture.density(x))
    assert np.trapezoid(density, x) == pytest.approx(1 - result.pi0, abs=0.01)  # all but the outermost 0.2 %
    assert x[0] < result.mixture.mode < x[-1]
    assert x[0] + x[-1] == pytest.approx(2 * result.mixture.mode)
    heights = [bar.get_height() for bar in bars(ax).values()]
    assert heights == pytest.approx([result.pi0] if result.pi0 else [])
    centres = [bar.get_x() + bar.get_width() / 2 for bar in bars(ax).values()]
    assert centres == pytest.approx([result.mixture.mode] if result.pi0 else [])
    assert ax.get_xlabel() == ("effect / standard error" if "z_scores" in name else "effect")
    assert ax.get_ylim()[0] == 0
    assert density.max() < ax.get_ylim()[1]


def test_the_components_add_up_to_the_prior(ax):
    components = make_components("half_uniform", [0, 0.5, 2])
    prior = Mixture("half_uniform", 0.0, [0.4, 0.3, 0.1, 0.0, 0.2], components)
    plots.mixture_prior(prior, ax=ax)
    total = curve(ax, "prior density")[1]
    parts = [line.get_ydata() for line in ax.lines if to_hex(line.get_color()).upper() == plots.OKABE_ITO["grey"]]
    assert len(parts) == 3  # one has no weight
    np.testing.assert_allclose(sum(parts), total)
    assert [part.max() for part in parts] == pytest.approx([0.6, 0.05, 0.1])
    assert legend(ax) == ["prior density", "its components", "exactly 0: 0.400"]
    # one-sided components meet at the mode, where the density of both is no height of the prior
    assert total.max() == pytest.approx(0.65)


def test_a_prior_of_nothing_but_a_point_mass(ax):
    plots.mixture_prior(Mixture("normal", 0.0, [1.0], make_components("normal", [0])), ax=ax)
    ax.figure.draw_without_rendering()
    assert legend(ax) == ["prior density", "exactly 0: 1.000"]
    assert (curve(ax, "prior density")[1] == 0).all()


def test_mixture_prior_refuses_what_is_none():
    with pytest.raises(InputError, match=r"scomics_lite\.empirical_bayes\.ash gives, or its mixture; got DataFrame"):
        plots.mixture_prior(GENES)
    assert not plt.get_fignums()


# --- one gene ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETTINGS)
def test_the_curves_of_a_gene_are_bayes_rule(name, results, ax):
    """Posterior = prior times likelihood over the evidence, which the point mass is part of."""
    result, gene = results[name], 7
    assert plots.prior_and_posterior(result, f"gene{gene}", ax=ax) is ax
    b, s = EFFECTS.iloc[gene], ERRORS[gene]
    unit = s if "z_scores" in name else 1.0
    mode = result.mixture.mode * unit
    df = np.broadcast_to(np.inf if result.df is None else result.df, 300)[gene]
    errors = stats.t(df) if np.isfinite(df) else stats.norm
    x, prior = curve(ax, "prior")
    likelihood = errors.pdf((b - x) / s) / s
    np.testing.assert_allclose(curve(ax, "likelihood")[1], likelihood)
    fine = np.unique(np.r_[np.linspace(-30, 30, 200_001), mode])
    evidence = (
        np.trapezoid(result.mixture.density(fine / unit) / unit * errors.pdf((b - fine) / s) / s, fine)
        + result.pi0 * errors.pdf((b - mode) / s) / s
    )
    np.testing.assert_allclose(curve(ax, "posterior")[1], prior * likelihood / evidence, rtol=2e-3)
    masses = [result.pi0, result.pi0 * errors.pdf((b - mode) / s) / s / evidence]
    assert [bar.get_height() for bar in bars(ax).values()] == pytest.approx(masses if result.pi0 else [], rel=2e-3)


@pytest.mark.parametrize("estimate", [-5.0, 0.0, 5.0])
def test_the_axis_covers_the_estimate_and_the_mode(estimate, ax):
    prior = Mixture("normal", 1.0, [0.5, 0.5], make_components("normal", [0, 1.0], 1.0))
    result = ash([estimate], [0.5], mixture=prior)
    plots.prior_and_posterior(result, 0, ax=ax)
    low, high = ax.get_xlim()
    x, _ = curve(ax, "posterior")
    assert (x[0], x[-1]) == pytest.approx((min(1, estimate - 2), max(1, estimate + 2)), abs=1e-3)
    for bar in bars(ax).values():
        assert low <= bar.get_x() < bar.get_x() + bar.get_width() <= high
    assert legend(ax)[3].startswith("exactly 1, prior: 0.500")


def test_the_title_says_which_gene_and_what_is_known(results, ax):
    result = results["normal"]
    row = int(np.argmin(EFFECTS))
    plots.prior_and_posterior(result, row, ax=ax)
    expected = f"gene{row}: −{-EFFECTS.iloc[row]:.2f} ± {ERRORS[row]:.2f}, lfsr {result.lfsr[row]:.2g}"
    assert ax.get_title() == expected.replace("e-", "e−")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("effect", "density")


@pytest.mark.parametrize("plot", ["mixture_prior", "prior_and_posterior"])
def test_bars_stand_behind_the_curves_and_below_the_legend(plot, results, ax):
    arguments = ["gene7"] if plot == "prior_and_posterior" else []
    getattr(plots, plot)(results["half_uniform"], *arguments, ax=ax)
    (twin,) = (other for other in ax.figure.axes if other is not ax)
    assert twin.get_zorder() < ax.get_zorder()
    assert not ax.patch.get_visible()
    assert twin.get_ylabel() == "probability of exactly 0 (bars)"
    assert max(twin.get_yticks()) == 1
    ax.figure.draw_without_rendering()
    bottom = ax.get_legend().get_window_extent().y0
    for line in ax.lines:
        assert ax.transData.transform(line.get_xydata())[:, 1].max() < bottom
    assert twin.transData.transform((0, 1))[1] < bottom


@pytest.mark.parametrize("plot", ["mixture_prior", "prior_and_posterior"])
def test_the_twin_is_not_left_as_the_current_axes(plot, results):
    ax = plt.figure().add_subplot()
    arguments = ["gene7"] if plot == "prior_and_posterior" else []
    assert getattr(plots, plot)(results["half_uniform"], *arguments) is ax
    assert plt.gca() is ax


def test_prior_and_posterior_refuses_what_has_no_posterior(results):
    with pytest.raises(InputError, match=r"scomics_lite\.empirical_bayes\.ash gives; got Mixture"):
        plots.prior_and_posterior(results["normal"].mixture, "gene7")
    with pytest.raises(InputError, match="there is no effect 'gene700'; did you mean"):
        plots.prior_and_posterior(results["normal"], "gene700")
    with pytest.raises(InputError, match=r"there is no effect \['gene7'\]"):
        plots.prior_and_posterior(results["normal"], ["gene7"])
    result = ash(pd.Series([1.0, np.nan, 2.0], index=["a", "untested", "unknown"]), [1, 1, np.inf])
    with pytest.raises(
        InputError, match="gene 'untested' has estimate nan and standard error 1: no likelihood to plot"
    ):
        plots.prior_and_posterior(result, "untested")
    with pytest.raises(InputError, match="gene 'unknown' has estimate 2 and standard error inf: no likelihood"):
        plots.prior_and_posterior(result, "unknown")
    result = ash(pd.Series([1.0, 3.0, 2.0], index=["a", "b", "few"]), [1, 1, 1], df=[3.0, 3.0, np.nan])
    with pytest.raises(InputError, match="estimate 2 and standard error 1 of nan degrees of freedom: no likelihood"):
        plots.prior_and_posterior(result, "few")
    assert not plt.get_fignums()


@pytest.mark.parametrize("effects", [[1.0], [1.0, 1.0], [0.0, 0.0, 0.0], [1e-6, 1e6]])
def test_few_and_extreme_effects_are_drawn(effects):
    result = ash(effects, np.ones(len(effects)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for draw in (plots.mixture_prior, lambda r, ax: plots.prior_and_posterior(r, 0, ax=ax)):
            ax = draw(result, ax=plt.figure().add_subplot())
            ax.figure.draw_without_rendering()
            assert all(np.isfinite(line.get_ydata()).all() for line in ax.lines)
