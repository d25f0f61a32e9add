"""Simulated single cells: what was asked for is in them, by closed forms, and the truth beside them is complete.

Bounds are standard errors derived from the sizes of the simulation, at 4.5 standard errors, as in `test_simulate`.
"""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, special, stats

from scomics_lite.simulate import cell_counts, estimate_parameters, typical_reads, typical_umis
from scomics_lite.validation import InputError, check_counts

SIGMAS = 4.5


def flat(**changes):
    """Parameters under which all genes have the same share: every mean is known in advance."""
    return dataclasses.replace(typical_umis(), log_share_quantiles=np.zeros(101), **changes)


def cells_of(donors, cells, conditions=("A", "B")):
    """Cells nested in donors, donors nested in conditions."""
    names = np.repeat([f"donor{number}" for number in range(donors)], cells)
    return pd.DataFrame({"donor": names, "condition": np.repeat(conditions, donors // len(conditions) * cells)})


def component(adata, name="condition=B"):
    return adata.var[f"changed_component[{name}]"]


def zinb_moments(mu, phi, pi):
    """The chapter's formulas: (1 - pi) mu, and (1 - pi) mu (1 + pi mu) + (1 - pi) mu^2 phi."""
    return (1 - pi) * mu, (1 - pi) * mu * (1 + pi * mu) + (1 - pi) * mu**2 * phi


def zero_share(mu, phi, pi):
    return pi + (1 - pi) * (1 + phi * mu) ** (-1 / phi)


# --- what is drawn ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mu", "phi", "pi"), [(3.0, 0.5, 0.0), (3.0, 0.5, 0.3), (0.4, 2.0, 0.6), (20.0, 0.1, 0.05)])
def test_moments_and_zeros_are_those_of_the_zero_inflated_negative_binomial(mu, phi, pi):
    n, g = 400, 200
    known = {"changed_fraction": 0, "library_sizes": mu * g, "parameters": flat()}
    adata = cell_counts(["A"] * n, g, dispersion=phi, zero_probability=pi, **known, rng=1)
    counts = adata.X.toarray()
    expected, variance = zinb_moments(mu, phi, pi)
    assert abs(counts.mean() - expected) < SIGMAS * np.sqrt(variance / counts.size)
    squares = (counts - expected) ** 2
    assert abs(squares.mean() - variance) < SIGMAS * squares.std() / np.sqrt(counts.size)
    p0 = zero_share(mu, phi, pi)
    assert abs((counts == 0).mean() - p0) < SIGMAS * np.sqrt(p0 * (1 - p0) / counts.size)
    positive = counts[counts > 0]
    cut = int(stats.nbinom.ppf(0.99, 1 / phi, 1 / (1 + phi * mu)))
    pmf = stats.nbinom.pmf(np.arange(1, cut + 1), 1 / phi, 1 / (1 + phi * mu)) / (1 - (p0 - pi) / (1 - pi))
    observed = np.bincount(np.minimum(positive, cut + 1))[1:]
    assert stats.chisquare(observed, np.append(pmf, 1 - pmf.sum()) * len(positive)).pvalue > 1e-5


def test_depths_vary_and_their_truth_is_the_size_factor():
    n, g = 2_000, 50
    adata = cell_counts(["A"] * n, g, changed_fraction=0, dispersion=0, parameters=flat(), rng=2)
    logs = np.log(adata.obs["library_size"])
    assert abs(logs.mean() - np.log(5e3 * g / 10_000)) < SIGMAS * 0.5 / np.sqrt(n)
    assert abs(logs.std() - 0.5) < SIGMAS * 0.5 / np.sqrt(2 * n)
    assert np.isclose(np.log(adata.obs["size_factor"]).mean(), 0)
    expected = adata.obs["size_factor"].to_numpy()[:, None] * adata.var["mean"].to_numpy()
    np.testing.assert_allclose(expected.sum(axis=1), adata.obs["library_size"])
    scores = (adata.X.toarray() - expected) ** 2 / expected
    assert abs(scores.sum() - scores.size) < SIGMAS * np.sqrt(2 * scores.size + (1 / expected).sum())


def test_cells_of_reads_are_deep_and_full_of_zeros_and_those_of_molecules_shallow():
    obs = ["A", "B"] * 20
    reads = cell_counts(obs, 5_000, parameters=typical_reads(), rng=3)
    umis = cell_counts(obs, 5_000, rng=3)
    assert reads.obs["library_size"].median() > 50 * umis.obs["library_size"].median()
    assert reads.var["zero_probability"].between(0.0, 1.0, inclusive="left").all()
    assert (umis.var["zero_probability"] == 0).all()
    high = (reads.var["mean"] > 20).to_numpy()
    assert (reads.X[:, high].toarray() == 0).mean() > 0.05
    assert (umis.X[:, (umis.var["mean"] > 20).to_numpy()].toarray() == 0).mean() < 0.001


def test_dropout_may_be_a_function_of_the_mean():
    n = 1_000
    adata = cell_counts(["A"] * n, 60, changed_fraction=0, zero_probability=lambda mean: 1 / (1 + mean / 2), rng=4)
    mean = adata.var["mean"].to_numpy()
    pi = 1 / (1 + mean / 2)
    np.testing.assert_allclose(adata.var["zero_probability"], pi)
    mu = adata.obs["size_factor"].to_numpy()[:, None] * mean
    p0 = zero_share(mu, adata.var["dispersion"].to_numpy(), pi).mean(axis=0)
    observed = (adata.X.toarray() == 0).mean(axis=0)
    assert (np.abs(observed - p0) < SIGMAS * np.sqrt(p0 * (1 - p0) / n)).all()


def test_genes_that_are_not_expressed_have_a_limit_of_dropout_and_no_counts():
    parameters = flat(unexpressed=0.5)
    dropout = {"zero_probability": lambda mean: 1 / (1 + mean), "zero_changed_fraction": 0.5}
    adata = cell_counts(["A", "B"], 40, **dropout, parameters=parameters, rng=5)
    silent = (adata.var["share"] == 0).to_numpy()
    assert silent.sum() == 20
    assert adata.X[:, silent].nnz == 0
    assert np.isfinite(adata.var.select_dtypes("float")).all(axis=None)


def test_structural_zeros_scatter_around_their_trend():
    g, sd = 5_000, 1.2
    adata = cell_counts(["A", "A"], g, zero_probability=0.2, zero_sd=sd, rng=5)
    scatter = special.logit(adata.var["zero_probability"]) - special.logit(0.2)
    assert abs(scatter.mean()) < SIGMAS * sd / np.sqrt(g)
    assert abs(scatter.std() - sd) < SIGMAS * sd / np.sqrt(2 * g)


# --- effects ----------------------------------------------------------------------------------------------------------


def test_each_component_changes_in_genes_of_its_own():
    n, g, mu, phi, pi = 4_000, 200, 6.0, 0.5, 0.3
    adata = cell_counts(
        ["A", "B"] * (n // 2), g, changed_fraction=0.2, zero_changed_fraction=0.2, dispersion_changed_fraction=0.2,
        logit_zero_change=1.5, log2_dispersion_change=1.0, dispersion=phi, zero_probability=pi, parameters=flat(),
        library_sizes=mu * g, rng=6,
    )  # fmt: skip
    assert component(adata).value_counts().to_dict() == {"none": 80, "mean": 40, "zero": 40, "dispersion": 40}
    is_b = (adata.obs["condition"] == "B").to_numpy()
    counts = adata.X.toarray()
    factors = {level: adata.obs["size_factor"][rows].iloc[0] for level, rows in (("A", ~is_b), ("B", is_b))}
    logit = np.log(pi / (1 - pi))
    truth = {
        "mean": adata.var["mean"] * 2.0 ** adata.var["log2_fold_change[condition=B]"] * factors["B"],
        "zero": special.expit(logit + adata.var["logit_zero_change[condition=B]"]),
        "dispersion": phi * 2.0 ** adata.var["log2_dispersion_change[condition=B]"],
    }
    for rows, mean, zero, dispersion in (
        (~is_b, adata.var["mean"] * factors["A"], np.full(g, pi), np.full(g, phi)),
        (is_b, truth["mean"], truth["zero"], truth["dispersion"]),
    ):
        mean, zero, dispersion = (np.asarray(values) for values in (mean, zero, dispersion))
        expected, variance = zinb_moments(mean, dispersion, zero)
        assert (np.abs(counts[rows].mean(axis=0) - expected) < SIGMAS * np.sqrt(variance / rows.sum())).all()
        p0 = zero_share(mean, dispersion, zero)
        shares = (counts[rows] == 0).mean(axis=0)
        assert (np.abs(shares - p0) < SIGMAS * np.sqrt(p0 * (1 - p0) / rows.sum())).all()
        squares = (counts[rows] - expected) ** 2
        for name in component(adata).cat.categories:
            genes = (component(adata) == name).to_numpy()
            error = squares[:, genes].mean() - variance[genes].mean()
            assert abs(error) < SIGMAS * squares[:, genes].std() / np.sqrt(squares[:, genes].size), name
    ratio = np.log2(zinb_moments(truth["mean"], phi, truth["zero"])[0] / (adata.var["mean"] * (1 - pi)))
    overall = adata.var["overall_log2_fold_change[condition=B]"]
    np.testing.assert_allclose(ratio - np.log2(factors["B"]), overall, atol=1e-12)


def test_which_way_effects_go_and_how_large_they_are():
    settings = {"changed_fraction": 0.4, "zero_changed_fraction": 0.4, "up_fraction": 0.25, "logit_zero_change": 0.7}
    adata = cell_counts(["A", "B"], 1_000, **settings, log2_fold_change_sd=0.5, zero_probability=0.2, rng=7)
    found = adata.var["log2_fold_change[condition=B]"]
    assert ((found > 0).sum(), (found < 0).sum()) == (100, 300)
    assert stats.kstest(np.abs(found[found != 0]), stats.foldnorm(2, scale=0.5).cdf).pvalue > 1e-4
    zero = adata.var["logit_zero_change[condition=B]"]
    assert zero.value_counts().to_dict() == {0.0: 600, -0.7: 300, 0.7: 100}
    assert (adata.var["changed"] == (component(adata) != "none")).all()


def test_several_columns_have_effects_of_their_own_and_a_column_left_out_looks_like_inflation():
    obs = pd.DataFrame({"cell_type": ["T", "B"] * 1_000, "condition": ["A", "A", "B", "B"] * 500})
    known = {"library_sizes": 10, "parameters": flat(), "dispersion": 0.1}
    adata = cell_counts(obs, 40, changed_fraction={"cell_type": 0.05}, log2_fold_change=5, **known, rng=8)
    assert (adata.var["log2_fold_change[condition=B]"] == 0).all()
    marker = (adata.var["log2_fold_change[cell_type=B]"] > 0).to_numpy()
    assert marker.sum() == 1
    counts = adata.X[:, marker].toarray()
    mean, variance = counts.mean(axis=0), counts.var(axis=0)
    phi = (variance - mean) / mean**2
    assert ((counts == 0).mean(axis=0) > (1 + phi * mean) ** (-1 / phi) + 0.05).all()  # of the mixture: "inflated"
    one_type = counts[(obs["cell_type"] == "T").to_numpy()]
    expected = (1 + 0.1 * one_type.mean(axis=0)) ** (-1 / 0.1)
    assert (np.abs((one_type == 0).mean(axis=0) - expected) < SIGMAS * np.sqrt(0.25 / len(one_type))).all()


def test_cells_keep_the_order_of_obs():
    rng = np.random.default_rng(9)
    obs = pd.DataFrame({"b": rng.choice(["z", "y", "x"], 300), "a": rng.choice(["2", "1"], 300)})
    adata = cell_counts(obs, 30, changed_fraction=0.9, log2_fold_change=6, library_sizes=1e6, dispersion=0, rng=9)
    effects = sum(
        np.outer(obs[column] == level, adata.var[f"log2_fold_change[{column}={level}]"])
        for column, level in (("b", adata.obs["b"].cat.categories[1]), ("b", adata.obs["b"].cat.categories[2]),
                              ("a", adata.obs["a"].cat.categories[1]))
    )  # fmt: skip
    expected = adata.obs["size_factor"].to_numpy()[:, None] * adata.var["mean"].to_numpy() * 2.0**effects
    scores = ((adata.X.toarray() - expected) / np.sqrt(expected))[expected > 20]
    assert abs((scores**2).mean() - 1) < SIGMAS * np.sqrt(2.1 / scores.size)


# --- donors -----------------------------------------------------------------------------------------------------------


def test_donors_vary_as_asked_for_and_their_effects_are_in_the_counts():
    donors, cells, g, sd = 30, 60, 300, 0.4
    known = {"library_sizes": 100 * g, "dispersion": 0.05, "parameters": flat()}
    adata = cell_counts(cells_of(donors, cells), g, changed_fraction=0, donor="donor", donor_sd=sd, **known, rng=10)
    effects = adata.varm["donor_effect"]
    assert effects.columns.tolist() == [f"donor{number}" for number in range(donors)]
    assert abs(effects.to_numpy().mean()) < SIGMAS * sd / np.sqrt(donors * g)
    assert abs(effects.to_numpy().std() - sd) < SIGMAS * sd / np.sqrt(2 * donors * g)
    scaled = adata.X.toarray() / adata.obs["size_factor"].to_numpy()[:, None]
    means = pd.DataFrame(scaled).groupby(adata.obs["donor"].to_numpy(), sort=False).mean().to_numpy()
    found = np.log(means / adata.var["mean"].to_numpy()).T
    sampling = np.sqrt((0.05 + 1 / 20) / cells)  # of ln of a donor's mean; no gene's mean is below 20
    assert np.abs(found - effects.to_numpy()).max() < (SIGMAS + 1) * sampling
    assert not [name for name in adata.var if "donor" in name]


def test_cells_are_no_replicates_where_donors_vary():
    """A t-test over cells on a null between donors is wrong nearly always; over donors' means it keeps its level."""
    known = {"changed_fraction": 0, "donor": "donor", "library_sizes": 4_000, "dispersion": 0.2, "parameters": flat()}
    false = {}
    for sd in (0.0, 0.4):
        adata = cell_counts(cells_of(8, 100), 400, donor_sd=sd, **known, rng=11)
        logs = np.log1p(adata.X.toarray())
        is_b = (adata.obs["condition"] == "B").to_numpy()
        means = pd.DataFrame(logs).groupby(adata.obs["donor"].to_numpy(), sort=False).mean().to_numpy()
        false[sd] = [
            (stats.ttest_ind(values[rows], values[~rows]).pvalue < 0.05).mean()
            for values, rows in ((logs, is_b), (means, is_b[::100]))
        ]
    level = SIGMAS * np.sqrt(0.05 * 0.95 / 400)
    assert abs(false[0.0][0] - 0.05) < level
    assert false[0.4][0] > 0.5
    assert abs(false[0.4][1] - 0.05) < level


# --- the form ---------------------------------------------------------------------------------------------------------


def test_counts_are_sparse_whole_and_pass_the_check():
    adata = cell_counts(["A", "B", "B"], 30, rng=12)
    assert isinstance(adata.X, sparse.csr_matrix)
    assert adata.X.dtype == np.int32
    assert adata.X.has_canonical_format
    assert adata.X.data.min() > 0
    assert check_counts(adata).samples.tolist() == ["cell1", "cell2", "cell3"]
    assert adata.var_names[:2].tolist() == ["gene00001", "gene00002"]


def test_counts_too_large_for_32_bits_get_64():
    adata = cell_counts(["A"] * 50, 2, changed_fraction=0, library_sizes=8e8, dispersion=4.0, parameters=flat(), rng=1)
    assert adata.X.dtype == np.int64
    assert adata.X.max() > np.iinfo(np.int32).max


def test_the_same_seed_gives_the_same_cells_and_a_generator_moves_on():
    settings = {"zero_probability": 0.2, "donor": "donor", "donor_sd": 0.2}
    first, again = (cell_counts(cells_of(4, 5), 50, **settings, rng=13) for _ in range(2))
    assert (first.X != again.X).nnz == 0
    pd.testing.assert_frame_equal(first.var, again.var)
    pd.testing.assert_frame_equal(first.varm["donor_effect"], again.varm["donor_effect"])
    assert (first.X != cell_counts(cells_of(4, 5), 50, **settings, rng=14).X).nnz > 0
    rng = np.random.default_rng(13)
    moved = [cell_counts(cells_of(4, 5), 50, **settings, rng=rng) for _ in range(2)]
    assert (moved[0].X != first.X).nnz == 0
    assert (moved[1].X != first.X).nnz > 0
    assert "seed" not in moved[0].uns["truth"]


def test_the_truth_is_complete_and_can_be_written(tmp_path):
    adata = cell_counts(
        cells_of(4, 5), 50, zero_changed_fraction=0.1, zero_probability=0.2, donor="donor", donor_sd=0.3, rng=15
    )
    assert adata.uns["truth"] == {
        "up_fraction": 0.5, "log2_fold_change": 1.0, "log2_fold_change_sd": 0.0, "logit_zero_change": 2.0,
        "log2_dispersion_change": 2.0, "donor_sd": 0.3, "seed": 15,
    }  # fmt: skip
    assert adata.var.columns.tolist() == ["share", "mean", "dispersion", "zero_probability", "changed"] + [
        f"{name}[condition=B]"
        for name in ("log2_fold_change", "logit_zero_change", "log2_dispersion_change", "overall_log2_fold_change",
                     "changed_component")
    ]  # fmt: skip
    adata.write_h5ad(tmp_path / "cells.h5ad")


# --- parameters with structural zeros ---------------------------------------------------------------------------------


def test_structural_zeros_and_dispersions_are_recovered_from_cells():
    n, g = 60, 1_000
    known = {"changed_fraction": 0, "library_sizes": np.exp(np.random.default_rng(1).normal(np.log(2e4), 0.3, n))}
    dropout = {"zero_probability": lambda mean: 1 / (1 + mean / 3), "dispersion": 0.5}
    adata = cell_counts(["A"] * n, g, **known, **dropout, rng=16)
    found = estimate_parameters(adata, zeros=True)
    mean = np.exp(found.bin_log_mean[5:])  # where counts say something: the true mean is above 1
    np.testing.assert_allclose(found.bin_zero_probability[5:], 1 / (1 + mean / 3), atol=0.05)
    np.testing.assert_allclose(found.bin_dispersion[5:], 0.5, rtol=0.15)
    assert np.isclose(found.log_library_mean, np.log(known["library_sizes"]).mean(), atol=0.05)
    assert (np.diff(found.bin_log_mean) >= 0).all()
    copy = cell_counts(["A"] * n, g, changed_fraction=0, parameters=found, dispersion_sd=0, rng=17)
    assert abs((copy.X > 0).mean() - (adata.X > 0).mean()) < 0.03
    assert abs(np.log(copy.X.mean() / adata.X.mean())) < 0.15


def test_no_structural_zeros_are_found_where_none_are():
    known = {"changed_fraction": 0.5, "log2_fold_change": 3, "library_sizes": 1e4, "dispersion": 0.4}
    adata = cell_counts(["A", "B"] * 50, 500, **known, rng=18)
    found = estimate_parameters(adata, groups=adata.obs["condition"], zeros=True)
    assert found.bin_zero_probability[found.bin_log_mean > np.log(2)].max() < 0.03
    assert estimate_parameters(adata).bin_zero_probability is None


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"obs": ["A"]}, "an experiment needs at least 2 cells, obs has 1"),
        ({"obs": pd.DataFrame({"dose": ["a", None]})}, "obs has no value in column 'dose'; every cell needs a level"),
        ({"obs": pd.DataFrame({"size_factor": ["a", "b"]})}, "obs has a column 'size_factor', which is simulated"),
        ({"n_genes": 0}, "n_genes must be at least 1; got 0"),
        ({"zero_changed_fraction": 1.5}, r"zero_changed_fraction\[condition\] is a fraction.*got 1.5"),
        (
            {"dispersion_changed_fraction": {"conditon": 0.1}},
            "dispersion_changed_fraction names 'conditon'.*'condition'",
        ),
        (
            {"changed_fraction": 0.7, "zero_changed_fraction": 0.6, "zero_probability": 0.2},
            r"changed_fraction\[condition\] \+ zero_changed_fraction.*are more than 1: a level changes a gene in",
        ),
        ({"logit_zero_change": -1}, "logit_zero_change is a size .*got -1"),
        ({"donor_sd": -1}, "donor_sd is a standard deviation, not negative or infinite; got -1"),
        ({"zero_sd": np.nan}, "zero_sd is a standard deviation.*got nan"),
        ({"dispersion_sd": np.inf}, "dispersion_sd is a standard deviation.*got inf"),
        ({"donor_sd": 0.3}, "donor_sd says how donors differ; name the column of obs with the donors.*donor='donor'"),
        ({"donor": "conditio"}, "donor names 'conditio', which obs has not; did you mean 'condition'"),
        (
            {"donor": "condition", "changed_fraction": {"condition": 0.1}},
            "changed_fraction names 'condition', whose levels differ at random: leave it out, set donor_sd",
        ),
        ({"zero_probability": 1.0}, r"zero probabilities must lie in \[0, 1\); they are 1 to 1"),
        ({"zero_probability": np.nan}, r"zero probabilities must lie in \[0, 1\)"),
        ({"zero_probability": [0.1, 0.2]}, r"zero_probability has shape \(2,\).*one for each gene: shape \(20,\)"),
        ({"zero_probability": lambda mean: 2 + mean}, r"zero probabilities must lie in \[0, 1\)"),
        (
            {"zero_changed_fraction": 0.5},
            "zero_changed_fraction changes gene 'gene000.*', whose zero_probability is 0 .*give zero_probability",
        ),
        (
            {"dispersion_changed_fraction": 0.5, "dispersion": 0},
            "dispersion_changed_fraction changes gene .*give dispersion, such as 0.5",
        ),
        ({"library_sizes": [1, 2, 3]}, r"library_sizes has shape \(3,\); give one number, or one for each cell"),
        ({"rng": None}, "rng must be a number .*got None"),
        ({"parameters": flat(log_library_mean=60.0)}, r"gene \d+ of cell 1 would get .* reads, too many for a count"),
    ],
)
def test_settings_that_cannot_work(options, message):
    with pytest.raises(InputError, match=message):
        cell_counts(**{"obs": ["A", "B"], "n_genes": 20, "rng": 1, **options})


@pytest.mark.parametrize(
    ("refused", "advised"),
    [
        ({"zero_changed_fraction": 0.5}, {"zero_probability": 0.2}),
        ({"dispersion_changed_fraction": 0.5, "dispersion": 0}, {"dispersion": 0.5}),
        ({"donor_sd": 0.3}, {"donor": "donor"}),
        ({"donor": "donor", "changed_fraction": {"donor": 0.1}}, {"changed_fraction": {}, "donor_sd": 0.2}),
    ],
)
def test_the_advice_of_a_message_works(refused, advised):
    options = {"obs": cells_of(2, 3), "n_genes": 20, "rng": 1}
    with pytest.raises(InputError):
        cell_counts(**{**options, **refused})
    assert cell_counts(**{**options, **refused, **advised}).shape == (6, 20)
