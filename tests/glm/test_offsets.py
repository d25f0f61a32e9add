"""A size factor of every sample and gene: what it means, what it may not change, and tables that do not fit.

DESeq2's numbers are in test_reference_offsets.py.
"""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import optimize, sparse

from scomics_lite import blocks, dispersion, glm, linear_models, negative_binomial, quasi_likelihood
from scomics_lite.validation import Counts, InputError

RNG = np.random.default_rng(9)
N, G = 16, 60
X = np.column_stack([np.ones(N), np.arange(N) >= 8, np.linspace(-1, 1, N)]).astype(float)
GROUPS = X[:, :2]
S = RNG.lognormal(0, 0.3, N)
PHI = RNG.uniform(0.02, 0.5, G)
LENGTHS = RNG.lognormal(0, 0.4, (N, G))
FACTORS = S[:, None] * LENGTHS / np.exp(np.log(LENGTHS).mean(axis=0))
MEANS = FACTORS * RNG.lognormal(3, 1.2, G) * np.exp(X[:, 1:] @ RNG.normal(0, 0.6, (2, G)))
COUNTS = RNG.poisson(RNG.gamma(1 / PHI, PHI * MEANS))
COUNTS[:, 7] = 0
COUNTS[3, 2] = 30_000
SAME = np.repeat(S[:, None], G, axis=1)
EXACT = {"ridge": 0, "min_mean": 0, "tolerance": 0}
SAMPLES, GENES = [f"s{i}" for i in range(N)], [f"g{j}" for j in range(G)]
NAMED = pd.DataFrame(COUNTS, SAMPLES, GENES)


def numbers(factors, design=X, counts=COUNTS, **settings):
    """All that follows from size factors, as arrays whose last or first axis is genes."""
    fit = glm.fit(counts, design, factors, PHI, **settings)
    reduced = glm.fit(counts, design[:, :1], factors, PHI, **settings)
    last = np.eye(design.shape[1])[-1]
    replaced = glm.replace_outliers(fit).matrix
    return {
        "base mean": fit.base_mean,
        "coefficients": fit.coefficients,
        "covariance": fit.covariance,
        "mean": fit.mean,
        "hat": fit.hat,
        "deviance": fit.deviance,
        "wald": glm.wald_test(fit, last).to_numpy(),
        "ratio": glm.likelihood_ratio_test(fit, reduced).to_numpy(),
        "cooks": glm.cooks_distance(fit),
        "flags": glm.flag_outliers(fit),
        "replaced": replaced.toarray() if sparse.issparse(replaced) else replaced,
        "shrunken": glm.cauchy_shrinkage(fit, last).to_numpy(),
        "moments": np.asarray(dispersion.moments(counts, design, factors)),
        "rough": np.asarray(dispersion.moments(counts, size_factors=factors)),
        "dispersions": dispersion.estimate(counts, design, factors, trend="mean").to_frame().to_numpy(dtype=float),
    }


def same(ours, theirs, rtol=1e-9):
    for name, values in ours.items():
        np.testing.assert_allclose(values, theirs[name], rtol=rtol, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("design", [X, GROUPS], ids=["slope", "groups"])
def test_the_same_factors_for_all_genes_are_those_of_the_samples(design):
    same(numbers(SAME, design), numbers(S, design))


def test_factors_within_the_model_move_the_coefficients_alone():
    """Where s_ig = s_i exp(x_i'd_g), the counts are explained as well by beta_g - d_g."""
    shift = RNG.normal(0, 0.7, (3, G))
    plain, moved = (glm.fit(COUNTS, X, factors, PHI, **EXACT) for factors in (S, S[:, None] * np.exp(X @ shift)))
    fitted = plain.converged
    np.testing.assert_allclose(moved.coefficients[fitted], (plain.coefficients - shift.T)[fitted], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(moved.log_likelihood[fitted], plain.log_likelihood[fitted], rtol=1e-10)
    np.testing.assert_allclose(moved.covariance[fitted], plain.covariance[fitted], rtol=1e-5, atol=1e-12)


def test_without_them_a_longer_isoform_looks_like_more_molecules():
    rng = np.random.default_rng(1)
    lengths = np.exp(np.outer(GROUPS[:, 1], np.where(np.arange(400) < 100, 1.0, 0)))
    counts = rng.poisson(rng.gamma(20, 1 / 20, (N, 400)) * 200 * lengths)
    factors = lengths / np.exp(np.log(lengths).mean(axis=0))
    with_them, without = (
        glm.wald_test(glm.fit(counts, GROUPS, s, 0.05), [0, 1]).iloc[:100] for s in (factors, np.ones(N))
    )
    assert abs(with_them["log2FoldChange"].mean()) < 0.05
    assert (with_them["pvalue"] < 0.05).mean() < 0.12
    assert without["log2FoldChange"].mean() == pytest.approx(1 / np.log(2), abs=0.05)


def test_the_shrunken_coefficient_is_the_posterior_s_peak():
    fit = glm.fit(COUNTS, GROUPS, FACTORS, PHI)
    table = glm.cauchy_shrinkage(fit, [0, 1], prior_scale=0.5)
    scale = 0.5 * np.log(2)
    for gene in (0, 10, 20, 30):

        def lost(beta, gene=gene):
            mu = FACTORS[:, gene] * np.exp(GROUPS @ beta)
            likelihood = negative_binomial.log_likelihood(COUNTS[:, gene], mu, PHI[gene]).sum()
            return np.log1p((beta[1] / scale) ** 2) + beta[0] ** 2 / (2 * 15**2) - likelihood

        starts = (fit.coefficients[gene], [fit.coefficients[gene, 0], 0])
        best = min((optimize.minimize(lost, x0, method="BFGS", tol=1e-9) for x0 in starts), key=lambda one: one.fun)
        assert table["log2FoldChange"][gene] == pytest.approx(best.x[1] / np.log(2), abs=1e-4)


@pytest.mark.parametrize("design", [X, GROUPS], ids=["slope", "groups"])
def test_forms_of_counts_blocks_and_workers_make_no_difference(design, monkeypatch):
    expected = numbers(FACTORS, design)
    same(numbers(FACTORS, design, sparse.csr_array(COUNTS)), expected, rtol=1e-8)
    monkeypatch.setattr(blocks, "BLOCK", 7 * N)
    same(numbers(FACTORS, design), expected, rtol=1e-6)
    with ThreadPoolExecutor(2) as pool:
        fit = glm.fit(COUNTS, design, FACTORS, PHI, map=pool.map)
        shrunken = glm.cauchy_shrinkage(fit, np.eye(design.shape[1])[-1], map=pool.map)
        found = dispersion.estimate(COUNTS, design, FACTORS, trend="mean", map=pool.map)
    np.testing.assert_allclose(shrunken.to_numpy(), expected["shrunken"], rtol=1e-6)
    np.testing.assert_allclose(found.to_frame().to_numpy(dtype=float), expected["dispersions"], rtol=1e-6)


def test_replaced_counts_have_the_factor_of_their_sample_and_gene():
    fit = glm.fit(COUNTS, GROUPS, FACTORS, PHI)
    new = glm.replace_outliers(fit).matrix
    assert new[3, 2] != COUNTS[3, 2]
    typical = np.sort(COUNTS[:, 2] / FACTORS[:, 2])[3:-3].mean()
    assert new[3, 2] == np.floor(typical * FACTORS[3, 2])


def test_no_second_table_is_made():
    """Counts are sparse; the table of factors alone takes 31 MB."""
    counts = sparse.random_array((200, 20_000), density=0.02, rng=1, format="csr")
    counts.data = np.ceil(counts.data * 5)
    factors = np.random.default_rng(2).lognormal(0, 0.2, counts.shape)
    factors /= np.exp(np.log(factors).mean(axis=0))
    design = np.column_stack([np.ones(200), np.arange(200) % 2])
    tracemalloc.start()
    fit = glm.fit(counts, design, factors, 0.5)
    glm.wald_test(fit, [0, 1])
    dispersion.moments(counts, design, factors)
    dispersion.genewise.Means.fit(fit.counts, design, factors)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    assert peak < 25


# --- names and messages -----------------------------------------------------------------------------------------------


def test_names_have_to_be_those_of_the_counts():
    table = pd.DataFrame(FACTORS, SAMPLES, GENES)
    for call in (partial(glm.fit, NAMED, X), partial(estimate_then_nothing, NAMED, X)):
        call(table, PHI)
        with pytest.raises(
            InputError, match="size factors are not those of the counts: row 0 is 's15' instead of 's0'"
        ):
            call(table.iloc[::-1], PHI)
        with pytest.raises(InputError, match=r"column 0 is 'g59' instead of 'g0'.*size_factors.loc\[:, ...\]"):
            call(table.iloc[:, ::-1], PHI)
    reordered = table.iloc[:, ::-1].loc[:, NAMED.columns]
    np.testing.assert_array_equal(glm.fit(NAMED, X, reordered, PHI).size_factors, FACTORS)


def estimate_then_nothing(counts, design, factors, _):
    return dispersion.estimate(counts, design, factors, trend="mean")


def test_shapes_and_values_that_do_not_fit_are_named():
    with pytest.raises(InputError, match=r"a table of 16 samples x 60 genes; got shape \(60, 16\): size_factors.T"):
        glm.fit(NAMED, X, FACTORS.T, PHI)
    glm.fit(NAMED, X, FACTORS.T.T, PHI)
    with pytest.raises(InputError, match=r"16 samples x 60 genes; got shape \(16, 1\)"):
        glm.fit(NAMED, X, S[:, None], PHI)
    wrong = FACTORS.copy()
    for value in (0.0, -1.0, np.nan, np.inf):
        wrong[4, 5] = value
        with pytest.raises(InputError, match=f"finite; sample 's4' has {value} for gene 'g5'"):
            glm.fit(NAMED, X, wrong, PHI)


def test_factors_far_from_one_are_refused_and_the_way_out_is_one():
    far = FACTORS * np.where(np.arange(G) == 11, 50, 1)
    with pytest.raises(InputError, match=r"of gene 'g11' have a geometric mean of .*size_factors / np.exp"):
        dispersion.estimate(NAMED, X, far, trend="mean")
    for size_factors in (far, pd.DataFrame(far, SAMPLES, GENES)):
        mended = size_factors / np.exp(np.log(size_factors).mean(axis=0))
        found = dispersion.estimate(NAMED, X, mended, trend="mean")
        by_one = dispersion.estimate(NAMED, X, FACTORS / np.exp(np.log(FACTORS).mean(axis=0)), trend="mean")
        np.testing.assert_allclose(found.final, by_one.final)


def test_genes_without_counts_have_no_say():
    empty = np.zeros((N, 2), dtype=int)
    wide, factors = np.column_stack([COUNTS, empty]), np.column_stack([FACTORS, np.full((N, 2), 1e6)])
    found = dispersion.estimate(wide, X, factors, trend="mean")
    np.testing.assert_array_equal(found.final[:G], dispersion.estimate(COUNTS, X, FACTORS, trend="mean").final)
    nothing = Counts(empty, pd.RangeIndex(N), pd.RangeIndex(2))
    again = dispersion.estimate(nothing, X, factors[:, -2:], trend=found)
    assert np.isnan(again.final).all()
    assert (glm.fit(nothing, X, factors[:, -2:], again).status == "all zero").all()


def test_methods_with_one_size_factor_a_sample_say_who_takes_a_table():
    adata = anndata.AnnData(COUNTS[:, PHI > 0.1].astype(float))
    factors = FACTORS[:, PHI > 0.1]
    calls = (
        lambda: dispersion.edger_dispersions(adata, GROUPS, factors),
        lambda: quasi_likelihood.fit(adata, GROUPS, factors, 0.1),
        lambda: linear_models.voom(adata, GROUPS, factors),
    )
    for call in calls:
        with pytest.raises(InputError, match=r"16 samples need as many size factors, got shape \(16, .*method='wald'"):
            call()


def test_fits_with_other_factors_are_not_compared():
    full, reduced = glm.fit(COUNTS, GROUPS, FACTORS, PHI), glm.fit(COUNTS, GROUPS[:, :1], S, PHI)
    with pytest.raises(InputError, match="different size factors"):
        glm.likelihood_ratio_test(full, reduced)
