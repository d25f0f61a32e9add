"""edgeR's dispersions: known truth, direct maximisation, genes with empty groups, symmetries, forms, and messages.

edgeR's numbers are in test_reference_dispersion.py.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, sparse

from scomics_lite import glm, simulate
from scomics_lite.dispersion import (
    cox_reid_profile,
    edger,
    edger_common,
    edger_dispersions,
    edger_tagwise,
    edger_trended,
)
from scomics_lite.validation import InputError

DESIGN = np.column_stack([np.ones(8), np.repeat([0, 1], 4)])
# estimateDisp(DGEList(y, lib.size=...), design, prior.df=10)$common.dispersion, edgeR 3.40.2: see the test that uses it
DEEP_SAMPLE = {17: 2.025740537, 18: 1.896551417, 51: 2.56061078, 53: 2.092967327}


@pytest.fixture(scope="module")
def simulated():
    return simulate.bulk_counts(["A"] * 4 + ["B"] * 4, 500, dispersion=0.1, library_sizes=300_000, rng=2)


@pytest.fixture(scope="module")
def counts(simulated):
    return np.asarray(simulated.X)


@pytest.fixture(scope="module")
def factors(simulated):
    return simulated.obs["size_factor"].to_numpy()


@pytest.fixture(scope="module")
def found(counts, factors):
    return edger_dispersions(counts, DESIGN, factors)


def refitted_profile(counts, factors, phi):
    """Adjusted profile likelihoods with the means fitted at this very dispersion."""
    fitted = glm.fit(counts, DESIGN, factors, phi, ridge=0.0, min_mean=0.0)
    return cox_reid_profile(counts, np.maximum(fitted.mean, 1e-10), DESIGN, phi)


def highest(function, near):
    return np.exp(optimize.minimize_scalar(lambda at: -function(np.exp(at)), np.log([near / 2, near * 2])).x)


def test_known_dispersion_is_found(found):
    assert found.common == pytest.approx(0.1, rel=0.05)
    assert np.median(found.trended) == pytest.approx(0.1, rel=0.1)
    assert found.tagwise.std() < 0.1  # all genes have the same one: shared likelihoods hold them together
    assert repr(found).startswith("EdgerDispersions of 500 genes: common 0.0951, trended ")


def test_each_part_can_be_asked_for_alone(counts, factors, found):
    assert edger_common(counts, DESIGN, factors) == found.common
    np.testing.assert_array_equal(edger_trended(counts, DESIGN, factors), found.trended)
    np.testing.assert_array_equal(edger_tagwise(counts, DESIGN, factors), found.tagwise)


def test_common_is_the_maximum_of_the_summed_likelihood(counts, factors, found):
    full = (counts[:4].sum(axis=0) > 0) & (counts[4:].sum(axis=0) > 0)  # the others lose their empty group
    some = edger_dispersions(counts[:, full], DESIGN, factors)
    direct = highest(lambda phi: refitted_profile(counts[:, full], factors, phi).sum(), found.common)
    assert some.common == pytest.approx(direct, rel=2e-3)  # a spline through points a factor of 2 apart


def test_without_a_prior_tagwise_is_the_gene_s_own_maximum(counts, factors):
    alone = edger_dispersions(counts, DESIGN, factors, prior_df=0)
    loud = np.argsort(counts.min(axis=0))[-60:]
    inside = loud[(alone.tagwise[loud] > 0.02) & (alone.tagwise[loud] < 1)][:10]
    assert len(inside) == 10
    for gene in inside:
        one = counts[:, [gene]]
        direct = highest(lambda phi, one=one: refitted_profile(one, factors, phi)[0], alone.tagwise[gene])
        assert alone.tagwise[gene] == pytest.approx(direct, rel=2e-2)


def test_an_endless_prior_gives_the_trend(counts, factors):
    shared = edger_dispersions(counts, DESIGN, factors, prior_df=np.inf)
    np.testing.assert_allclose(shared.tagwise, shared.trended, rtol=1e-3)


def test_prior_degrees_of_freedom_tell_scatter_from_noise(factors, found):
    wild = simulate.bulk_counts(["A"] * 4 + ["B"] * 4, 500, dispersion_sd=1.0, library_sizes=300_000, rng=3)
    scattered = edger_dispersions(wild, DESIGN, wild.obs["size_factor"])
    assert 1 < scattered.prior_df < 8
    assert found.prior_df > 3 * scattered.prior_df  # one dispersion for all, nearly endless


def test_prior_degrees_of_freedom_are_endless_where_chance_explains_all(monkeypatch, counts, factors):
    monkeypatch.setattr(edger.negative_binomial, "deviance", lambda y, mu, phi: np.full(y.shape, 1.0))
    even = edger_dispersions(counts, DESIGN, factors)
    assert even.prior_df == np.inf
    np.testing.assert_allclose(even.tagwise, even.trended, rtol=1e-3)


def test_empty_groups_and_genes_that_say_nothing(counts, factors, found):
    some = counts.copy()
    some[:4, 0] = 0  # nothing in group A: only B can tell
    some[:, 1] = [0, 0, 0, 0, 0, 0, 0, 2]  # fewer than 5 counts
    some[:, 2] = 0
    some[:, 3] = [0, 0, 0, 0, 0, 0, 0, 90]
    again = edger_dispersions(some, DESIGN, factors)
    assert np.isfinite(again.tagwise).all()
    assert np.isfinite(again.average_log_cpm).all()
    assert again.trended[1] == again.trended[2] == again.tagwise[1] == again.tagwise[2]
    assert again.common == pytest.approx(found.common, rel=0.1)
    only_b = edger._tabulate(edger.check_counts(some), DESIGN, factors, np.array([0]))
    one_group = edger._tabulate(edger.check_counts(some[4:]), DESIGN[4:, :1], factors[4:], np.array([0]))
    np.testing.assert_allclose(only_b, one_group, rtol=1e-6)


def test_a_gene_without_a_degree_of_freedom_is_flat():
    counts = np.array([[5, 9], [0, 7], [0, 8], [0, 6]])
    x = np.column_stack([np.ones(4), [1, 0, 0, 0]])
    heights = edger._tabulate(edger.check_counts(counts, min_samples=1), x, np.ones(4), np.array([0, 1]))
    assert (heights[0] == 0).all()
    assert np.ptp(heights[1]) > 0


def test_neighbours_on_the_grid_lead_to_the_maxima_of_a_new_start(monkeypatch, counts, factors):
    wild = counts[:, :120].copy()
    wild[0, ::10] = 100_000 + 50 * wild[0, ::10]
    wild[4:, 1::10] = 0
    x = np.column_stack([DESIGN, [0.3, -1, 2, 0, 1, -0.5, 0.1, 5]])
    tables = [edger._tabulate(edger.check_counts(wild), x, factors, np.arange(120))]
    monkeypatch.setattr(edger, "MOST_STEPS", 1)  # no gene is there after one
    tables.append(edger._tabulate(edger.check_counts(wild), x, factors, np.arange(120)))
    assert np.isfinite(tables[0]).all()
    np.testing.assert_allclose(*tables, rtol=1e-8, atol=1e-6)


@pytest.mark.parametrize("seed", DEEP_SAMPLE)
def test_a_sample_ten_thousand_times_as_deep_leads_no_gene_astray(seed):
    """Newton's steps may then end where no sample has weight; where they do depends on the coding of the design."""
    rng = np.random.default_rng(seed)
    y = rng.poisson(8 * rng.gamma(1, 1, (12, 6)))
    y[3, 5] += 50_000
    sizes = np.where(np.arange(12) == 3, 10_000.0, 1.0)
    batch, group = np.tile([0, 0, 1, 1], 3), np.repeat([0, 1], 6)
    codings = (np.ones(12), batch, group), (1 - group, group, batch)
    found = [edger_common(y, np.column_stack(columns), sizes) for columns in codings]
    assert found[0] == pytest.approx(found[1], rel=1e-8)
    assert found[0] == pytest.approx(DEEP_SAMPLE[seed], rel=2e-3)  # whose fits stop early there


@pytest.mark.parametrize("peak", [-9.7, -0.3, 4.0, 8.8])
def test_the_maximum_of_a_parabola(peak):
    assert edger._dispersion_at(-((edger.GRID[None] - peak) ** 2))[0] == pytest.approx(0.1 * 2**peak)


def test_maxima_at_the_ends_of_the_grid():
    slopes = np.array([[1.0], [-1.0], [0.0]]) * edger.GRID
    np.testing.assert_allclose(edger._dispersion_at(slopes)[:2], 0.1 * 2.0 ** np.array([10, -10]))


def test_scale_of_size_factors_and_storage_do_not_matter(counts, factors, found):
    again = edger_dispersions(sparse.csr_array(counts), DESIGN, 100 * factors)
    np.testing.assert_allclose(again.tagwise, found.tagwise, rtol=1e-6)
    named = pd.DataFrame(counts, columns=[f"gene {i}" for i in range(500)])
    assert edger_dispersions(named, DESIGN, factors).genes[3] == "gene 3"


def test_few_genes(counts, factors):
    few = edger_dispersions(counts[:, :8], DESIGN, factors)
    assert np.isfinite(few.tagwise).all()
    one = edger_dispersions(np.maximum(counts[:, [counts.sum(axis=0).argmax()]], 1), DESIGN, factors, prior_df=1)
    assert one.trended[0] == pytest.approx(one.common, rel=1e-6)


def test_a_single_gene_has_no_prior():
    """As in edgeR 3.40.2: common.dispersion 0.75070538, prior.df 0."""
    one = edger_dispersions(np.array([[19, 75, 7, 5, 76, 138, 255, 90]]).T, DESIGN, np.ones(8))
    assert one.common == pytest.approx(0.75070538, rel=1e-6)
    assert one.prior_df == 0
    assert one.tagwise[0] == pytest.approx(0.75070538, rel=1e-6)


def test_messages(counts, factors):
    for message, args, options in (
        ("2 samples and 2 coefficients", (counts[:2], np.eye(2), factors[:2]), {}),
        ("prior_df must not be negative", (counts, DESIGN, factors), {"prior_df": -1}),
        ("no gene has 5 counts", (np.eye(8, dtype=int), DESIGN, factors), {}),
    ):
        with pytest.raises(InputError, match=message):
            edger_dispersions(*args, **options)
