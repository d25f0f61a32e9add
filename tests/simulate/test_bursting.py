"""Genes that burst: the moments, zeros and limits of the two-state model, and the truth beside the counts.

Bounds are standard errors derived from the sizes of the simulation, at 4.5 standard errors, as in `test_simulate`.
"""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from scomics_lite.simulate import bursting_counts, typical_umis
from scomics_lite.validation import InputError

SIGMAS = 4.5
FLAT = dataclasses.replace(typical_umis(), log_share_quantiles=np.zeros(101))


def drawn(mu, n=400, g=200, **options):
    """Counts of genes with the same mean in cells of the same depth."""
    known = {"changed_fraction": 0, "library_sizes": mu * g, "parameters": FLAT, "rng": 1}
    return bursting_counts(["A"] * n, g, **{**known, **options})


@pytest.mark.parametrize(
    ("mu", "on", "off"), [(2.0, 0.5, 5.0), (10.0, 0.1, 0.1), (4.0, 3.0, 1.0), (0.3, 0.05, 40.0), (6.0, 0.5, 0.7)]
)
def test_mean_variance_and_zeros_are_those_of_the_beta_poisson_distribution(mu, on, off):
    adata = drawn(mu, on_rate=on, off_rate=off)
    counts, k = adata.X.toarray(), mu * (on + off) / on
    np.testing.assert_allclose(adata.var["synthesis_rate"], k)
    np.testing.assert_allclose(adata.var["burst_size"], k / off)
    beta = stats.beta(on, off)
    variance = mu + k**2 * beta.var()
    np.testing.assert_allclose(mu + adata.var["dispersion"] * mu**2, variance)
    squares = (counts - mu) ** 2
    assert abs(counts.mean() - mu) < SIGMAS * np.sqrt(variance / counts.size)
    assert abs(squares.mean() - variance) < SIGMAS * squares.std() / np.sqrt(counts.size)
    p0 = special.hyp1f1(on, on + off, -k)
    assert abs((counts == 0).mean() - p0) < SIGMAS * np.sqrt(p0 * (1 - p0) / counts.size)


def test_short_bursts_are_negative_binomial():
    mu, on = 3.0, 0.8
    adata = drawn(mu, on_rate=on, off_rate=1e6)
    assert adata.var["dispersion"].iloc[0] == pytest.approx(1 / on, rel=1e-5)
    observed = np.bincount(np.minimum(adata.X.toarray().ravel(), 20), minlength=21)
    expected = stats.nbinom.pmf(np.arange(20), on, on / (on + mu))
    expected = np.append(expected, 1 - expected.sum()) * observed.sum()
    assert stats.chisquare(observed, expected).pvalue > 1e-5


def test_slow_switching_gives_two_modes_and_more_zeros_than_a_negative_binomial_of_the_same_moments():
    mu, on, off = 20.0, 0.1, 0.1
    adata = drawn(mu, on_rate=on, off_rate=off)
    counts, phi = adata.X.toarray().ravel(), adata.var["dispersion"].iloc[0]
    shares = np.histogram(counts, [0, 1, 10, 20, 30, 50], density=True)[0]  # on, there are 40 of them
    assert shares[0] > shares[1] > shares[2]
    assert shares[4] > 2 * shares[2]
    assert (counts == 0).mean() > (1 + phi * mu) ** (-1 / phi) + 0.05


def test_depth_thins_what_was_made():
    n, g = 4_000, 40
    rng = np.random.default_rng(2)
    adata = drawn(5.0, n, g, library_sizes=np.exp(rng.normal(np.log(200), 0.5, n)), on_rate=0.4, off_rate=2.0)
    k = adata.var["synthesis_rate"].to_numpy()[0]
    p0 = special.hyp1f1(0.4, 2.4, -k * adata.obs["size_factor"].to_numpy())
    zeros = (adata.X.toarray() == 0).mean()
    assert abs(zeros - p0.mean()) < SIGMAS * np.sqrt((p0 * (1 - p0)).mean() / (n * g))


def test_frequency_and_size_of_bursts_change_in_genes_of_their_own():
    n, g, mu, on, off = 8_000, 50, 4.0, 0.5, 2.0
    adata = bursting_counts(
        ["A", "B"] * (n // 2), g, changed_fraction=0.4, frequency_changed_fraction=0.4, on_rate=on, off_rate=off,
        library_sizes=mu * g, parameters=FLAT, rng=3,
    )  # fmt: skip
    var = adata.var
    assert var["changed_component[condition=B]"].value_counts().to_dict() == {"frequency": 20, "size": 20, "none": 10}
    a = on * 2.0 ** var["log2_frequency_change[condition=B]"].to_numpy()
    k = var["synthesis_rate"].to_numpy() * 2.0 ** var["log2_size_change[condition=B]"].to_numpy()
    overall = np.log2(k * a / (a + off) / var["mean"].to_numpy())
    np.testing.assert_allclose(overall, var["overall_log2_fold_change[condition=B]"], atol=1e-12)
    is_b = (adata.obs["condition"] == "B").to_numpy()
    k *= adata.obs["size_factor"][is_b].iloc[0]
    counts = adata.X.toarray()[is_b]
    variance = k * a / (a + off) + k**2 * stats.beta(a, off).var()
    assert (np.abs(counts.mean(axis=0) - k * a / (a + off)) < SIGMAS * np.sqrt(variance / len(counts))).all()
    p0 = special.hyp1f1(a, a + off, -k)
    assert (np.abs((counts == 0).mean(axis=0) - p0) < SIGMAS * np.sqrt(p0 * (1 - p0) / len(counts))).all()


@pytest.mark.parametrize(("on", "off"), [(1e-3, 1e-3), (1e-3, 1e9), (1e9, 1e-3), (1e9, 1e9)])
def test_rates_at_the_ends_of_their_range_keep_the_mean(on, off):
    mu = 5.0
    adata = drawn(mu, on_rate=on, off_rate=off)
    variance = mu + adata.var["dispersion"].iloc[0] * mu**2
    assert abs(adata.X.mean() - mu) < SIGMAS * np.sqrt(variance / (400 * 200))


def test_donors_make_more_or_less_while_a_gene_is_on():
    obs = pd.DataFrame({"donor": np.repeat(["d1", "d2", "d3"], 2_000)})
    known = {"donor": "donor", "donor_sd": 0.5, "on_rate": 5.0, "off_rate": 5.0}
    adata = bursting_counts(obs, 30, **known, library_sizes=1_500, parameters=FLAT, rng=4)
    scaled = adata.X.toarray() / adata.obs["size_factor"].to_numpy()[:, None]
    means = pd.DataFrame(scaled).groupby(obs["donor"].to_numpy()).mean().T.to_numpy()
    expected = adata.var["mean"].to_numpy()[:, None] * np.exp(adata.varm["donor_effect"].to_numpy())
    spread = np.sqrt((expected + adata.var["dispersion"].iloc[0] * expected**2) * 1.1 / 2_000)
    assert (np.abs(means - expected) < SIGMAS * spread).all()


def test_genes_may_have_rates_of_their_own_and_seeds_repeat():
    on = np.linspace(0.1, 2, 20)
    first, again = (bursting_counts(["A", "B"] * 10, 20, on_rate=on, rng=5) for _ in range(2))
    assert (first.X != again.X).nnz == 0
    pd.testing.assert_frame_equal(first.var, again.var)
    np.testing.assert_array_equal(first.var["on_rate"], on)
    assert first.uns["truth"] == {"up_fraction": 0.5, "log2_fold_change": 1.0, "donor_sd": 0.0, "seed": 5}
    assert (first.X != bursting_counts(["A", "B"] * 10, 20, on_rate=on, rng=6).X).nnz > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_rate": 0}, "on_rate must be from 0.001 to 1e9 in lifetimes of a molecule; it is 0 to 0"),
        ({"off_rate": [1, 2]}, r"off_rate has shape \(2,\); give one number, or one for each gene: shape \(20,\)"),
        ({"off_rate": np.inf}, "off_rate must be from 0.001 to 1e9"),
        (
            {"frequency_changed_fraction": 0.95},
            r"frequency_changed_fraction\[condition\] \+ changed_fraction.*more than 1",
        ),
        ({"donor_sd": 0.3}, "donor_sd says how donors differ"),
        ({"log2_fold_change": -1}, "log2_fold_change is a size"),
    ],
)
def test_settings_that_cannot_work(options, message):
    with pytest.raises(InputError, match=message):
        bursting_counts(**{"obs": ["A", "B"], "n_genes": 20, "rng": 1, **options})
