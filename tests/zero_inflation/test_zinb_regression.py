"""Fits of all genes: recovery, forms of input, every hard gene with its status, and what may not be fitted."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from scomics_lite import zero_inflation as zi
from scomics_lite.validation import CountsError, InputError

N = 200
GROUP = np.repeat([0.0, 1.0], N // 2)
ONE = pd.DataFrame({"Intercept": np.ones(N)})
BOTH = ONE.assign(B=GROUP)


def fit(counts, design=BOTH, **settings):
    return zi.fit(counts, design, progress=False, **settings)


def simulated(n=2_000, genes=30, *, pi_slope=1.0, phi_slope=0.7, rng=5):
    """Two groups in which mean, zeros and dispersion differ, with cells of different depth."""
    generator = np.random.default_rng(rng)
    group, s = np.repeat([0.0, 1.0], n // 2), generator.lognormal(0, 0.3, n)
    beta = np.column_stack([generator.uniform(1.5, 5, genes), generator.normal(0, 0.5, genes)])
    gamma = np.column_stack([generator.uniform(-1.5, 0.5, genes), np.full(genes, pi_slope)])
    delta = np.column_stack([generator.uniform(-1.5, 0, genes), np.full(genes, phi_slope)])
    x = np.column_stack([np.ones(n), group])
    pi, phi = 1 / (1 + np.exp(-x @ gamma.T)), np.exp(x @ delta.T)
    counts = zi.sample(s[:, None] * np.exp(x @ beta.T), phi, pi, generator)
    return counts, pd.DataFrame(x, columns=["Intercept", "B"]), s, np.hstack([beta, gamma, delta])


@pytest.fixture(scope="module")
def study():
    counts, design, s, truth = simulated()
    fitted = zi.fit(counts, design, zero_design=design, dispersion_design=design, size_factors=s, progress=False)
    return counts, design, s, truth, fitted


def test_estimates_lie_around_the_truth_as_their_standard_errors_say(study):
    *_, truth, fitted = study
    z = (fitted.theta - truth) / fitted.standard_errors.to_numpy()
    assert (fitted.status == "converged").all()
    assert np.abs(z).max() < 4.5
    assert stats.kstest(z.ravel(), "norm").pvalue > 0.001


def test_attributes_are_parts_of_one_table(study):
    counts, design, s, _, fitted = study
    np.testing.assert_array_equal(np.hstack([fitted.coefficients, fitted.zero_coefficients]), fitted.theta[:, :4])
    np.testing.assert_allclose(fitted.dispersion, np.exp(fitted.dispersion_coefficients @ [[1, 1], [0, 1]]))
    assert fitted.parameters[3] == ("zero", "B")
    assert fitted.estimates[("zero", "B")].tolist() == fitted.theta[:, 3].tolist()
    np.testing.assert_allclose(fitted.mean, s[:, None] * np.exp(design.to_numpy() @ fitted.coefficients.T))
    np.testing.assert_allclose(fitted.expected, (1 - fitted.zero_probability) * fitted.mean)
    np.testing.assert_allclose(fitted.base_mean, (counts / s[:, None]).mean(axis=0))
    assert (fitted.responsibilities[counts > 0] == 0).all()


def test_the_log_likelihood_is_that_of_the_distribution(study):
    counts, _, _, _, fitted = study
    phi = fitted.dispersion[:, GROUP_OF_CELLS].T
    expected = zi.log_likelihood(counts, fitted.mean, phi, fitted.zero_probability).sum(axis=0)
    np.testing.assert_allclose(fitted.log_likelihood, expected, rtol=1e-9)


GROUP_OF_CELLS = np.repeat([0, 1], 1_000)


@pytest.mark.parametrize("model", ["zinb", "hurdle", "nb"])
def test_no_small_step_leads_higher(study, model):
    counts, design, s, _, _ = study
    settings = {} if model == "nb" else {"zero_design": design}
    fitted = zi.fit(counts[:, :8], design, size_factors=s, model=model, progress=False, **settings)
    ((_, likelihood, theta),) = fitted.blocks()
    value, gradient, information = likelihood.derivatives(theta)
    np.testing.assert_allclose(value, fitted.log_likelihood, rtol=1e-10)
    promised = np.einsum("jb,bjk,kb->b", gradient, np.linalg.inv(information), gradient)
    assert (promised < 1e-6).all()


def test_sparse_counts_tables_and_anndata_give_the_same_fit():
    counts, design, s, _ = simulated(400, 12)
    names = [f"c{i}" for i in range(400)], [f"g{i}" for i in range(12)]
    table = pd.DataFrame(counts, *names)
    expected = zi.fit(counts, design, zero_design=design, size_factors=s, progress=False)
    adata = anndata.AnnData(np.zeros((400, 12)), table[[]], pd.DataFrame(index=names[1]), layers={"counts": counts})
    for other, layer in (
        (sparse.csr_matrix(counts), None),
        (sparse.csc_array(counts), None),
        (table, None),
        (adata, "counts"),
    ):
        named = design.set_axis(names[0]) if not sparse.issparse(other) else design
        found = zi.fit(other, named, zero_design=named, size_factors=s, layer=layer, progress=False)
        np.testing.assert_array_equal(found.theta, expected.theta)
    assert found.genes.tolist() == names[1]
    assert found.estimates.index.tolist() == names[1]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_small_types_of_counts_give_the_same_fit(dtype):
    counts = np.minimum(simulated(400, 6)[0], 250)
    np.testing.assert_array_equal(fit(counts[:N].astype(dtype)).theta, fit(counts[:N].astype(np.int64)).theta)


def test_a_genes_numbers_do_not_depend_on_its_company():
    counts, design, s, _ = simulated(400, 40)
    together = zi.fit(counts, design, zero_design=design, size_factors=s, progress=False)
    for gene in (0, 17, 39):
        alone = zi.fit(counts[:, [gene]], design, zero_design=design, size_factors=s, progress=False)
        np.testing.assert_allclose(alone.theta[0], together.theta[gene], rtol=1e-6, atol=1e-7)


def test_another_coding_of_the_same_groups_reaches_the_same_likelihood():
    counts, design, s, _ = simulated(400, 20)
    means = pd.DataFrame({"A": 1 - design["B"], "B": design["B"]})
    one, other = (
        zi.fit(counts, x, zero_design=x, dispersion_design=x, size_factors=s, progress=False) for x in (design, means)
    )
    np.testing.assert_allclose(one.log_likelihood, other.log_likelihood, atol=1e-6)
    ordinary = (one.status == "converged") & (other.status == "converged")
    np.testing.assert_allclose(
        one.zero_coefficients[ordinary] @ [[1, 1], [0, 1]], other.zero_coefficients[ordinary], atol=1e-3
    )


def test_size_factors_times_a_constant_only_move_the_intercept():
    counts, design, s, _ = simulated(400, 10)
    one, other = (zi.fit(counts, design, size_factors=s * scale, progress=False) for scale in (1, 100))
    np.testing.assert_allclose(one.log_likelihood, other.log_likelihood, atol=1e-6)
    np.testing.assert_allclose(one.coefficients[:, 0] - np.log(100), other.coefficients[:, 0], atol=1e-3)


def test_a_dask_client_gives_the_same_numbers():
    distributed = pytest.importorskip("distributed")
    counts, design, s, _ = simulated(400, 20)
    with distributed.Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as client:
        found = zi.fit(sparse.csr_array(counts), design, size_factors=s, client=client, progress=False)
    np.testing.assert_array_equal(found.theta, zi.fit(counts, design, size_factors=s, progress=False).theta)


def test_the_full_model_is_never_below_the_simple_one_and_inflation_is_told_by_status():
    counts = zi.sample([2.0] * 40, 0.5, 0.0, rng=8, size=(N, 40))
    zinb, nb = fit(counts), fit(counts, model="nb")
    assert (zinb.log_likelihood >= nb.log_likelihood - 1e-9).all()
    without = zinb.status == "no inflation"
    assert 0.3 < without.mean() < 0.7  # half of the genes, see inflation_test
    np.testing.assert_array_equal(zinb.zero_coefficients[without], -np.inf)
    assert (zinb.zero_probability[:, without] < 1e-15).all()
    np.testing.assert_allclose(zinb.coefficients[without], nb.coefficients[without])
    assert zinb.standard_errors["zero"].loc[without].isna().all(axis=None)
    assert zinb.standard_errors["mean"].loc[without].notna().all(axis=None)


# --- hard genes -------------------------------------------------------------------------------------------------------


def hard_genes():
    rng = np.random.default_rng(3)
    covariate = rng.normal(size=N)
    cell = np.zeros(N)
    cell[3] = 7
    genes = {
        "never zero": rng.poisson(rng.gamma(2, 10, N)) + 1,
        "all zero": np.zeros(N),
        "one cell": cell,
        "one count": cell > 0,
        "constant": np.full(N, 5),
        "B only zeros": np.where(GROUP, 0, rng.poisson(5, N)),
        "A only zeros": np.where(GROUP, rng.poisson(rng.gamma(1, 2, N)), 0),
        "a covariate tells": np.where(covariate > 0.3, rng.poisson(6, N) + 1, 0),
        "zeros and ones": rng.random(N) < 0.3,
        "Poisson": rng.poisson(2, N),
        "binomial": rng.binomial(4, 0.5, N),
        "huge": rng.poisson(rng.gamma(2, 1e6, N)) * (rng.random(N) < 0.6),
        "two cells": cell * 100 + (np.arange(N) == 150) * 5,
        "ordinary": rng.poisson(rng.gamma(2, 4, N)) * (rng.random(N) < 0.6),
    }
    return pd.DataFrame(genes).astype(float), covariate


def expected_status():
    """What each hard gene is with an intercept-only zero part."""
    return {
        "never zero": "no inflation",
        "all zero": "all zero",
        "one cell": "separated",
        "one count": "separated, no inflation",
        "constant": "no inflation, no overdispersion",
        "B only zeros": "separated",
        "A only zeros": "separated",
        "a covariate tells": "no overdispersion",
        "zeros and ones": "no inflation, no overdispersion",
        "binomial": "no inflation, no overdispersion",
        "huge": "converged",
        "two cells": "no overdispersion",
        "ordinary": "converged",
    }


def test_every_hard_gene_has_its_status():
    fitted = fit(hard_genes()[0])
    status = dict(zip(fitted.genes, fitted.status, strict=True))
    assert {gene: status[gene] for gene in expected_status()} == expected_status()
    assert str(fitted).startswith("ZinbFit (zinb) of 14 genes in 200 cells: 1 all zero; 2 converged;")


def designs_of_hard_genes():
    covariate = BOTH.assign(covariate=hard_genes()[1])
    return {
        "groups": {"zero_design": BOTH},
        "dispersions": {"zero_design": BOTH, "dispersion_design": BOTH},
        "covariate": {"zero_design": covariate, "design": covariate},
        "hurdle": {"model": "hurdle", "zero_design": BOTH},
        "hurdle with a covariate": {"model": "hurdle", "zero_design": covariate},
        "nb": {"model": "nb"},
    }


@pytest.mark.parametrize("name", designs_of_hard_genes())
def test_hard_genes_are_fitted_with_finite_estimates(name):
    settings = designs_of_hard_genes()[name]
    fitted = fit(hard_genes()[0], settings.pop("design", BOTH), **settings)
    fitted_genes = fitted.genes != "all zero"
    assert (fitted.status[~fitted_genes] == "all zero").all()
    assert not np.isin(fitted.status, ["not converged"]).any()
    assert np.isfinite(fitted.log_likelihood[fitted_genes]).all()
    assert (np.abs(fitted.coefficients[fitted_genes]) < 25).all()
    zeros = fitted.zero_coefficients[fitted_genes & ~fitted.without_zeros]
    assert (np.abs(zeros) < 100).all()


def test_penalised_estimates_have_errors_and_a_direction():
    """A group without counts: its mean is lower, by no infinite amount, and the likelihood is the unpenalised one."""
    fitted = fit(hard_genes()[0][["B only zeros", "A only zeros"]], model="nb")
    change, error = fitted.estimates["mean", "B"], fitted.standard_errors["mean", "B"]
    assert change["B only zeros"] < -3 < 3 < change["A only zeros"]
    assert (error < 3).all()
    for gene, cells in (("B only zeros", GROUP == 0), ("A only zeros", GROUP == 1)):
        alone = zi.fit(hard_genes()[0][[gene]].to_numpy()[cells], np.ones((100, 1)), model="nb", progress=False)
        here = fitted.genes.get_loc(gene)
        assert fitted.log_likelihood[here] == pytest.approx(alone.log_likelihood[0], abs=1e-5)


def test_firth_for_all_genes_moves_estimates_little_and_the_likelihood_not_at_all():
    counts, design, s, _ = simulated(400, 20)
    plain, penalised = (
        zi.fit(counts, design, zero_design=design, size_factors=s, firth=firth, progress=False)
        for firth in (False, True)
    )
    ordinary = plain.status == "converged"
    np.testing.assert_allclose(plain.log_likelihood, penalised.log_likelihood)
    moved = np.abs(plain.theta - penalised.theta)[ordinary] / plain.standard_errors.to_numpy()[ordinary]
    assert 0 < np.median(moved) < 0.2
    assert np.isfinite(penalised.theta).all()


def test_firth_of_one_group_is_jeffreys_half_count():
    """Logistic regression of one group: (zeros + 1/2) / (cells + 1), Firth 1993, which a hurdle's zero part is."""
    counts = np.zeros((50, 3))
    for gene, positive in enumerate((50, 40, 1)):
        counts[:positive, gene] = 4 + np.arange(positive) % 3
    fitted = zi.fit(counts, np.ones((50, 1)), model="hurdle", firth=True, progress=False)
    pi = 1 / (1 + np.exp(-fitted.zero_coefficients[:, 0]))
    zeros = (counts == 0).sum(axis=0)
    np.testing.assert_allclose(pi[1], (zeros[1] + 0.5) / 51, rtol=0.03)  # the means' penalty pulls a little too


# --- what cannot be fitted --------------------------------------------------------------------------------------------


def test_bad_input_is_named():
    counts = np.ones((4, 2), dtype=int)
    design = pd.DataFrame({"Intercept": np.ones(4)})
    with pytest.raises(InputError, match="model is one of zinb, hurdle, nb; got 'zip'"):
        zi.fit(counts, design, model="zip")
    with pytest.raises(InputError, match="has no zero part, but zero_design was given"):
        zi.fit(counts, design, zero_design=design, model="nb")
    with pytest.raises(InputError, match=r"size factors must be positive and finite; sample 1 has 0\.0"):
        zi.fit(counts, design, size_factors=[1, 0, 1, 1])
    with pytest.raises(InputError, match="the design has 2 columns of rank 1"):
        zi.fit(counts, design.assign(same=2.0))
    with pytest.raises(InputError, match="the design has 2 columns of rank 1"):
        zi.fit(counts, design, zero_design=design.assign(same=2.0))
    with pytest.raises(InputError, match="a design for 4 samples has as many rows; got 3"):
        zi.fit(counts, design, dispersion_design=design[:3])
    with pytest.raises(CountsError, match="are log1p of counts scaled to a total"):
        zi.fit(counts + 0.5, design)


def test_cells_without_counts_are_fitted_too():
    """Few genes of a table: many of its cells have none of their counts."""
    counts = zi.sample(2.0, 0.5, 0.5, rng=1, size=(N, 2))
    assert (counts.sum(axis=1) == 0).any()
    assert (fit(counts).status == "converged").all()
