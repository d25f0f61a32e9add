"""Regressions of all genes: closed forms, statsmodels, symmetries, hard genes, tests, outliers, and messages.

DESeq2's numbers on published data are in test_reference_glm.py.
"""

import tracemalloc

import anndata
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse, stats

from scomics_lite import blocks, glm, negative_binomial, simulate
from scomics_lite.design import design_matrix
from scomics_lite.glm import irls, regression
from scomics_lite.validation import InputError, check_counts

RNG = np.random.default_rng(3)
N, G = 12, 40
OBS = pd.DataFrame(
    {"condition": ["control"] * 6 + ["treated"] * 6, "age": np.linspace(20, 60, N), "lane": list("abc") * 4}
)
DESIGN = np.column_stack([np.ones(N), np.arange(N) >= 6, np.linspace(-1, 1, N)]).astype(float)
SIZE_FACTORS = RNG.lognormal(0, 0.4, N)
DISPERSIONS = RNG.uniform(0.01, 0.8, G)
MEANS = SIZE_FACTORS[:, None] * RNG.lognormal(3.5, 1.2, G) * np.exp(DESIGN[:, 1:] @ RNG.normal(0, 0.7, (2, G)))
COUNTS = RNG.poisson(RNG.gamma(1 / DISPERSIONS, DISPERSIONS * MEANS))
TO_THE_MAXIMUM = {"min_mean": 0, "tolerance": 0}  # leave out DESeq2's short cuts

# Genes on which the reweighting goes round in circles at the floor of the means.
CIRCLING = np.array([[7, 5, 4, 0, 0, 0, 5], [4, 0, 0, 0, 0, 0, 8], [10, 0, 0, 1, 0, 0, 5], [3, 0, 0, 0, 1, 0, 3]]).T
CIRCLING = np.column_stack([CIRCLING, np.full(7, 9)])  # and one that does not, or a sample would be empty
CIRCLING_DESIGN = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 0, 1], [1, 1, 1]])
CIRCLING_SIZE_FACTORS = np.array([1.1, 1.8, 0.65, 0.75, 1.6, 0.8, 0.8])
CIRCLING_DISPERSIONS = np.array([5.084116769949894, 9.487488657520398, 3.2034365230956485, 7.900445586895112, 0.1])


def counts_object(matrix):
    return check_counts(pd.DataFrame(matrix))


def penalised(y, design, size_factors, dispersion, beta, ridge=regression.RIDGE):
    mu = size_factors * np.exp(design @ beta)
    return negative_binomial.log_likelihood(y, mu, dispersion).sum() - ridge * beta @ beta / 2


@pytest.fixture(scope="module")
def fit():
    return glm.fit(COUNTS, DESIGN, SIZE_FACTORS, DISPERSIONS)


@pytest.fixture(scope="module")
def circling():
    return glm.fit(CIRCLING, CIRCLING_DESIGN, CIRCLING_SIZE_FACTORS, CIRCLING_DISPERSIONS)


# --- closed forms -----------------------------------------------------------------------------------------------------


def test_poisson_with_one_mean_is_the_ratio_of_sums():
    fit = glm.fit(COUNTS, np.ones((N, 1)), SIZE_FACTORS, 0.0, ridge=0, **TO_THE_MAXIMUM)
    np.testing.assert_allclose(np.exp(fit.coefficients[:, 0]), COUNTS.sum(axis=0) / SIZE_FACTORS.sum(), rtol=1e-12)
    np.testing.assert_allclose(fit.covariance[:, 0, 0], 1 / COUNTS.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(fit.log_likelihood, stats.poisson.logpmf(COUNTS, fit.mean).sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize("dispersion", [0.0, 1e-8, 0.1, 5.0])
def test_groups_of_equal_depth_have_their_means(dispersion):
    groups = np.repeat(np.eye(2), 6, axis=0)
    fit = glm.fit(COUNTS, groups, np.ones(N), dispersion, ridge=0, **TO_THE_MAXIMUM)
    means = np.array([COUNTS[:6].mean(axis=0), COUNTS[6:].mean(axis=0)]).T
    np.testing.assert_allclose(np.exp(fit.coefficients), means, rtol=1e-9)
    variances = np.einsum("gaa->ga", fit.covariance)
    np.testing.assert_allclose(variances, (1 + dispersion * means) / means / 6, rtol=1e-9)
    np.testing.assert_allclose(fit.hat, 1 / 6, rtol=1e-9)


def test_a_group_without_counts_ends_where_the_ridge_holds_it():
    counts = np.array([[20, 1], [30, 1], [0, 1], [0, 1]])
    fit = glm.fit(counts, [[1, 0], [1, 0], [0, 1], [0, 1]], np.ones(4), 0.1, **TO_THE_MAXIMUM)
    beta = fit.coefficients[0, 1]
    assert -20 < beta < -5
    mu = np.exp(beta)  # the derivative of -(2 / phi) ln(1 + phi mu) - ridge beta^2 / 2 is zero
    assert -2 * mu / (1 + 0.1 * mu) - regression.RIDGE * beta == pytest.approx(0, abs=1e-9)


# --- statsmodels ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gene", range(0, G, 5))
def test_statsmodels_gives_the_same(gene):
    fit = glm.fit(COUNTS, DESIGN, SIZE_FACTORS, DISPERSIONS, ridge=0, **TO_THE_MAXIMUM)
    family = sm.families.NegativeBinomial(alpha=DISPERSIONS[gene])
    theirs = sm.GLM(COUNTS[:, gene], DESIGN, family=family, offset=np.log(SIZE_FACTORS)).fit(tol=1e-14, maxiter=200)
    np.testing.assert_allclose(fit.coefficients[gene], theirs.params, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(fit.covariance[gene], theirs.cov_params(), rtol=1e-6)
    assert fit.log_likelihood[gene] == pytest.approx(theirs.llf, rel=1e-10)
    assert fit.deviance[gene] == pytest.approx(theirs.deviance, rel=1e-10)
    np.testing.assert_allclose(fit.hat[:, gene], theirs.get_hat_matrix_diag(observed=False), rtol=1e-6)
    np.testing.assert_allclose(fit.mean[:, gene], theirs.mu, rtol=1e-7)


def test_deseq2_s_short_cuts_move_no_estimate_by_more_than_a_fraction_of_its_error(fit):
    exact = glm.fit(COUNTS, DESIGN, SIZE_FACTORS, DISPERSIONS, ridge=0, **TO_THE_MAXIMUM)
    errors = np.sqrt(np.einsum("gaa->ga", exact.covariance))
    expressed = fit.base_mean > 5
    assert np.abs((fit.coefficients - exact.coefficients) / errors)[expressed].max() < 0.05
    assert (exact.log_likelihood >= fit.log_likelihood - 1e-9).all()


# --- symmetries -------------------------------------------------------------------------------------------------------


def same(ours, other, rtol=1e-8):
    np.testing.assert_allclose(ours, other, rtol=rtol, atol=1e-9)


@given(st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_order_of_genes_and_samples_does_not_matter(random):
    fit = glm.fit(COUNTS, DESIGN, SIZE_FACTORS, DISPERSIONS)
    genes, samples = (np.array(random.sample(range(size), size)) for size in (G, N))
    other = glm.fit(COUNTS[samples][:, genes], DESIGN[samples], SIZE_FACTORS[samples], DISPERSIONS[genes])
    same(other.coefficients, fit.coefficients[genes])
    same(other.covariance, fit.covariance[genes])
    same(other.log_likelihood, fit.log_likelihood[genes])
    assert (other.iterations == fit.iterations[genes]).all()


@given(st.floats(0.05, 20))
@settings(max_examples=10, deadline=None)
def test_scaling_size_factors_moves_the_intercept_alone(scale):
    fit = glm.fit(COUNTS, DESIGN, SIZE_FACTORS, DISPERSIONS, ridge=0, **TO_THE_MAXIMUM)
    other = glm.fit(COUNTS, DESIGN, scale * SIZE_FACTORS, DISPERSIONS, ridge=0, **TO_THE_MAXIMUM)
    same(other.coefficients + np.log(scale) * np.eye(3)[0], fit.coefficients, rtol=1e-6)
    same(other.log_likelihood, fit.log_likelihood)


@given(st.lists(st.floats(-2, 2), min_size=9, max_size=9))
@settings(max_examples=20, deadline=None)
def test_recoding_the_design_changes_coefficients_but_no_answer(numbers):
    recoding = np.reshape(numbers, (3, 3)) + 5 * np.eye(3)  # diagonally dominant or nearly so: invertible
    assume(np.linalg.cond(recoding) < 50)
    fit = glm.fit(COUNTS, DESIGN, SIZE_FACTORS, DISPERSIONS, ridge=0, **TO_THE_MAXIMUM)
    other = glm.fit(COUNTS, DESIGN @ recoding, SIZE_FACTORS, DISPERSIONS, ridge=0, **TO_THE_MAXIMUM)
    same(other.coefficients @ recoding.T, fit.coefficients, rtol=1e-6)
    same(other.log_likelihood, fit.log_likelihood)
    contrast = np.array([0.0, 1.0, -0.5])
    ours, theirs = glm.wald_test(fit, contrast), glm.wald_test(other, contrast @ recoding)
    same(ours["stat"], theirs["stat"], rtol=1e-5)


def test_a_covariate_far_from_zero_is_fitted_as_well_as_a_centred_one():
    centred, years = (np.column_stack([np.ones(N), shift + np.linspace(0, 11, N)]) for shift in (-5.5, 2010))
    settings = {"ridge": 0, **TO_THE_MAXIMUM}
    fit, other = (glm.fit(COUNTS, design, SIZE_FACTORS, DISPERSIONS, **settings) for design in (centred, years))
    assert (np.abs(other.coefficients[:, 0]) > 30).any()
    assert other.converged.all()
    same(other.coefficients[:, 1], fit.coefficients[:, 1], rtol=1e-7)
    same(glm.wald_test(other, [0, 1])["lfcSE"], glm.wald_test(fit, [0, 1])["lfcSE"], rtol=1e-6)
    with pytest.warns(UserWarning, match="column 'x1' of the design has mean 2015.5 .* centre it"):
        shrunken = glm.fit(COUNTS, years, SIZE_FACTORS, DISPERSIONS)
    assert np.abs(shrunken.coefficients[:, 1] / fit.coefficients[:, 1]).max() < 1


def test_covariates_of_a_tiny_spread_are_pointed_out():
    share = np.column_stack([DESIGN[:, 0], 0.02 + 0.01 * np.random.default_rng(1).normal(size=N)])
    with pytest.warns(UserWarning, match="column 'x1' of the design has mean 0.02.* its spread near 1"):
        glm.fit(COUNTS, share, SIZE_FACTORS, DISPERSIONS)
    one = np.column_stack([np.ones(N), np.eye(N)[:, 0]])
    glm.fit(COUNTS, one, SIZE_FACTORS, DISPERSIONS)  # zeros and ones: a warning would be an error


def test_every_sample_twice_halves_the_variances():
    once = glm.fit(COUNTS, DESIGN, SIZE_FACTORS, DISPERSIONS, ridge=0, **TO_THE_MAXIMUM)
    arguments = np.vstack([DESIGN, DESIGN]), np.hstack([SIZE_FACTORS, SIZE_FACTORS]), DISPERSIONS
    twice = glm.fit(np.vstack([COUNTS, COUNTS]), *arguments, ridge=0, **TO_THE_MAXIMUM)
    same(twice.coefficients, once.coefficients, rtol=1e-6)
    same(twice.covariance, once.covariance / 2, rtol=1e-6)
    same(twice.log_likelihood, 2 * once.log_likelihood)


# --- forms of the input -----------------------------------------------------------------------------------------------


def test_every_form_of_counts_gives_the_same(fit):
    names = [f"s{i}" for i in range(N)], [f"g{j}" for j in range(G)]
    frame = pd.DataFrame(COUNTS, *names)
    adata = anndata.AnnData(np.zeros((N, G)), layers={"counts": COUNTS})
    adata.obs_names, adata.var_names = names
    design = pd.DataFrame(DESIGN, names[0], ["Intercept", "treated", "age"])
    others = [
        glm.fit(sparse.csr_matrix(COUNTS), DESIGN, SIZE_FACTORS, DISPERSIONS),
        glm.fit(frame, design, SIZE_FACTORS, pd.Series(DISPERSIONS, names[1])),
        glm.fit(check_counts(frame), design.reset_index(drop=True), SIZE_FACTORS, DISPERSIONS),
        glm.fit(adata, design, SIZE_FACTORS, DISPERSIONS, layer="counts"),
    ]
    for other in others:
        same(other.coefficients, fit.coefficients, rtol=1e-11)
        same(other.base_mean, fit.base_mean, rtol=1e-14)
        same(glm.cooks_distance(other), glm.cooks_distance(fit))
    assert list(glm.wald_test(others[3], "treated").index) == names[1]
    assert others[1].genes[0] == "g0"


def test_blocks_of_genes_are_seams_that_do_not_show(fit, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 7 * N)
    other = glm.fit(COUNTS, DESIGN, SIZE_FACTORS, DISPERSIONS)
    same(other.coefficients, fit.coefficients, rtol=1e-13)
    same(other.covariance, fit.covariance, rtol=1e-12)
    same(glm.cooks_distance(other), glm.cooks_distance(fit), rtol=1e-11)


def test_sparse_counts_are_never_dense_all_at_once():
    counts = sparse.random_array((200, 20_000), density=0.02, rng=1, format="csr")
    counts.data = np.ceil(counts.data * 5)
    tracemalloc.start()
    fit = glm.fit(counts, np.ones((200, 1)), np.ones(200), 0.5)
    glm.wald_test(fit, [1])
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    assert peak < 30  # the dense matrix alone would take 31


def test_repr_and_names(fit):
    assert repr(fit) == "GlmFit of 40 genes in 12 samples: 40 converged; 3 coefficients: x0, x1, x2"
    assert fit.converged.all()
    many = glm.fit(COUNTS, np.eye(N), SIZE_FACTORS, DISPERSIONS)
    assert repr(many).endswith("12 coefficients: x0, x1, x2, x3, x4, x5 …")


# --- hard genes -------------------------------------------------------------------------------------------------------


def test_a_gene_without_counts_or_dispersion_has_a_status_and_no_numbers():
    counts = COUNTS.copy()
    counts[:, 0] = 0
    dispersions = DISPERSIONS.copy()
    dispersions[:2] = np.nan
    fit = glm.fit(counts, DESIGN, SIZE_FACTORS, dispersions)
    assert fit.status[:3].tolist() == ["all zero", "no dispersion", "converged"]
    assert fit.converged[:3].tolist() == [False, False, True]
    for values in (fit.coefficients, fit.covariance, fit.log_likelihood, fit.mean.T, fit.hat.T, fit.deviance):
        assert np.isnan(values[:2]).all()
        assert np.isfinite(values[2:]).all()
    assert np.isnan(glm.cooks_distance(fit)[:, :2]).all()
    table = glm.wald_test(fit, [0, 1, 0])
    assert table.iloc[:2, 1:].isna().all(axis=None)
    assert table.iloc[2:].notna().all(axis=None)


def test_circling_genes_are_refitted_to_the_only_maximum(circling):
    assert circling.status.tolist() == ["refitted"] * 4 + ["converged"]
    assert (circling.iterations[:4] == 100).all()
    for gene, beta in enumerate(circling.coefficients[:4]):
        arguments = CIRCLING[:, gene], CIRCLING_DESIGN, CIRCLING_SIZE_FACTORS, CIRCLING_DISPERSIONS[gene]
        top = penalised(*arguments, beta)
        for step in np.vstack([np.eye(3), -np.eye(3)]) * 1e-3:
            assert penalised(*arguments, beta + step) < top


def test_newton_finds_what_reweighting_finds():
    model = irls.Model.of(pd.DataFrame(DESIGN), SIZE_FACTORS, 1e-6, 0)
    reweighted, _, done = irls.reweight(model, COUNTS.astype(float), DISPERSIONS, 1e-14, 100)  # stops 1e-7 short
    newton, found = irls.newton(model, COUNTS.astype(float), DISPERSIONS, 100)
    assert done.all()
    assert found.all()
    np.testing.assert_allclose(newton, reweighted, rtol=0, atol=1e-5)


def test_a_bad_start_ends_at_the_maximum():
    """Size factors of millions: the start, ln(y / s + 0.1), is then e^13 times too high."""
    counts = np.array([[200, 400, 300, 700, 5800, 8400, 100, 900], [2, 4, 0, 0, 58, 84, 1, 9]]).T
    design = np.column_stack([np.ones(8), np.repeat(np.eye(4)[1:], 2, axis=1).T, [0, 1] * 4])
    sizes = np.array([2.2, 1.9, 2.5, 1.4, 2.5, 3.0, 2.0, 2.0])
    large = glm.fit(counts, design, 1e7 * sizes, 1e-3, ridge=0, min_mean=0, tolerance=0)
    small = glm.fit(counts, design, sizes, 1e-3, ridge=0, min_mean=0, tolerance=0)
    assert large.converged.all()
    np.testing.assert_allclose(large.mean, small.mean, rtol=1e-6, atol=1e-6)
    same(large.coefficients[0] + np.log(1e7) * np.eye(5)[0], small.coefficients[0])


def test_a_step_goes_up_where_rounding_would_turn_it_down():
    """Separated genes with huge counts and size factors far apart: likelihoods finite, or a status that says no."""
    rng = np.random.default_rng(2)
    design = np.column_stack([np.ones(10), rng.normal(size=(10, 3))])
    means = 10 ** rng.uniform(-1, 9, 300) * np.exp(design @ rng.normal(0, 3, (4, 300)))
    counts = rng.poisson(np.minimum(means, 1e9)) * (design[:, [1]] > 0)
    counts[:, 0] = 1  # no sample without counts
    fit = glm.fit(counts, design, 10 ** rng.uniform(-3, 3, 10), 10 ** rng.uniform(-9, 1.5, 300), ridge=0)
    assert np.isfinite(fit.log_likelihood[fit.converged]).all()
    assert fit.converged[fit.status != "all zero"].mean() > 0.95


def test_a_gene_out_of_time_says_so():
    fit = glm.fit(COUNTS, DESIGN, SIZE_FACTORS, DISPERSIONS, max_iterations=1)
    assert (fit.status == "not converged").all()
    assert not fit.converged.any()
    assert np.isfinite(fit.coefficients).all()


HARD = {
    "one huge count": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2_000_000_000],
    "one count": [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    "separated": [0, 0, 0, 0, 0, 0, 900, 1000, 800, 1100, 1000, 900],
    "separated the other way": [900, 1000, 800, 1100, 1000, 900, 0, 0, 0, 0, 0, 0],
    "huge": [2_000_000_000] * 12,
}


@pytest.mark.parametrize("settings", [{}, {"min_mean": 0}, {"min_mean": 0, "ridge": 0}], ids=str)
@pytest.mark.parametrize("dispersion", [0.0, 1e-8, 0.1, 10.0, 1e4])
def test_hard_genes_end_with_a_status_and_numbers(dispersion, settings):
    fit = glm.fit(np.array(list(HARD.values())).T, DESIGN, SIZE_FACTORS, dispersion, **settings)
    assert np.isfinite(fit.coefficients).all()
    if settings != {"min_mean": 0, "ridge": 0}:  # then nothing holds the coefficients of separated genes
        assert fit.converged.all(), fit.status
        assert (np.abs(fit.coefficients) < 200).all()
        assert np.isfinite(glm.wald_test(fit, [0, 1, 0]).drop(columns="padj")).all(axis=None)


def test_one_sample_per_group_and_no_residual_degrees_of_freedom():
    fit = glm.fit([[10, 0], [30, 5]], np.eye(2), np.ones(2), 0.1)
    assert fit.converged.all()
    np.testing.assert_allclose(np.exp(fit.coefficients[0]), [10, 30], rtol=1e-4)
    assert glm.cooks_cutoff(fit) == np.inf
    assert not glm.flag_outliers(fit).any()


# --- Wald tests -------------------------------------------------------------------------------------------------------


def test_wald_by_hand(fit):
    c = np.array([0, 1, -0.5])
    table = glm.wald_test(fit, c)
    estimate = fit.coefficients @ c / np.log(2)
    error = np.sqrt([c @ covariance @ c for covariance in fit.covariance]) / np.log(2)
    np.testing.assert_allclose(table["log2FoldChange"], estimate)
    np.testing.assert_allclose(table["lfcSE"], error)
    np.testing.assert_allclose(table["pvalue"], 2 * stats.norm.sf(np.abs(estimate / error)))
    np.testing.assert_allclose(table["padj"], stats.false_discovery_control(table["pvalue"]))
    np.testing.assert_allclose(table["baseMean"], (COUNTS / SIZE_FACTORS[:, None]).mean(axis=0))


def test_claims_with_a_threshold(fit):
    tables = {
        claim: glm.wald_test(fit, [0, 1, 0], lfc_threshold=0.5, alternative=claim) for claim in glm_alternatives()
    }
    b, s = (tables["less"][name].to_numpy() for name in ("log2FoldChange", "lfcSE"))
    above, below = stats.norm.sf((b - 0.5) / s), stats.norm.cdf((b + 0.5) / s)
    np.testing.assert_allclose(tables["greater"]["pvalue"], above)
    np.testing.assert_allclose(tables["less"]["pvalue"], below)
    np.testing.assert_allclose(tables["greater_abs"]["pvalue"], np.minimum(1, 2 * np.minimum(above, below)))
    np.testing.assert_allclose(tables["less_abs"]["pvalue"], np.maximum(1 - above, 1 - below))
    assert (tables["greater_abs"]["stat"].to_numpy() * b >= 0).all()
    assert (tables["less"]["stat"] <= 0).all()
    assert (tables["greater_abs"]["pvalue"] >= glm.wald_test(fit, [0, 1, 0])["pvalue"]).all()


def glm_alternatives():
    return ("greater_abs", "less_abs", "greater", "less")


def test_contrasts_by_name_and_level():
    design = design_matrix(OBS, "~ lane + condition")
    fit = glm.fit(COUNTS, design, SIZE_FACTORS, DISPERSIONS)
    by_level = glm.wald_test(fit, ("condition", "treated", "control"))
    assert by_level.equals(glm.wald_test(fit, [0, 0, 0, 1]))
    assert by_level.equals(glm.wald_test(fit, "condition[treated]"))
    assert glm.wald_test(fit, ("lane", "c", "b")).equals(glm.wald_test(fit, [0, -1, 1, 0]))


def test_groups_without_counts_are_not_compared():
    counts = np.array([[0, 5], [0, 4], [0, 6], [0, 7], [80, 9], [70, 8]])
    design = np.repeat([[1, 0, 0], [1, 1, 0], [1, 0, 1]], 2, axis=0)
    table = glm.wald_test(glm.fit(counts[[4, 5, 0, 1, 2, 3]], design, np.ones(6), 0.1), [0, 1, -1])
    assert table.loc[0, ["log2FoldChange", "stat", "pvalue"]].tolist() == [0, 0, 1]
    assert table.loc[0, "lfcSE"] > 0
    assert table.loc[1, "log2FoldChange"] != 0


# --- likelihood ratio tests -------------------------------------------------------------------------------------------


def test_likelihood_ratio_against_statsmodels():
    arguments = SIZE_FACTORS, DISPERSIONS
    full, reduced = (glm.fit(COUNTS, x, *arguments, ridge=0, **TO_THE_MAXIMUM) for x in (DESIGN, DESIGN[:, :1]))
    table = glm.likelihood_ratio_test(full, reduced)
    assert (table["df"] == 2).all()
    assert (table["stat"] > -1e-9).all()
    for gene in range(0, G, 8):
        family = sm.families.NegativeBinomial(alpha=DISPERSIONS[gene])
        models = [
            sm.GLM(COUNTS[:, gene], x, family=family, offset=np.log(SIZE_FACTORS)) for x in (DESIGN, DESIGN[:, :1])
        ]
        theirs = [model.fit(tol=1e-14, maxiter=200).llf for model in models]
        assert table["stat"][gene] == pytest.approx(2 * (theirs[0] - theirs[1]), rel=1e-7, abs=1e-8)
    np.testing.assert_allclose(table["pvalue"], stats.chi2.sf(table["stat"], 2))


def test_a_reduced_design_may_be_coded_differently():
    full = glm.fit(COUNTS, DESIGN, SIZE_FACTORS, DISPERSIONS)
    plain = glm.fit(COUNTS, DESIGN[:, :2], SIZE_FACTORS, DISPERSIONS, **TO_THE_MAXIMUM)
    groups = np.column_stack([1 - DESIGN[:, 1], DESIGN[:, 1]])
    coded = glm.fit(COUNTS, groups, SIZE_FACTORS, DISPERSIONS, **TO_THE_MAXIMUM)
    same(glm.likelihood_ratio_test(full, coded)["stat"], glm.likelihood_ratio_test(full, plain)["stat"], rtol=1e-4)


def test_fits_that_cannot_be_compared(fit):
    def other(design=DESIGN[:, :2], size_factors=SIZE_FACTORS, dispersions=DISPERSIONS):
        return glm.fit(COUNTS, design, size_factors, dispersions)

    with pytest.raises(InputError, match="different size factors"):
        glm.likelihood_ratio_test(fit, other(size_factors=2 * SIZE_FACTORS))
    with pytest.raises(InputError, match="different dispersions"):
        glm.likelihood_ratio_test(fit, other(dispersions=2 * DISPERSIONS))
    with pytest.raises(InputError, match="is not part of the full one"):
        glm.likelihood_ratio_test(fit, other(design=np.column_stack([DESIGN[:, 0], np.arange(N) ** 2])))
    with pytest.raises(InputError, match="describe the same models"):
        glm.likelihood_ratio_test(fit, other(design=DESIGN[:, ::-1]))
    with pytest.raises(InputError, match="different counts"):
        glm.likelihood_ratio_test(fit, glm.fit(COUNTS + 1, DESIGN[:, :2], SIZE_FACTORS, DISPERSIONS))


# --- truth known ------------------------------------------------------------------------------------------------------


def simulated(n_per_group, **settings):
    adata = simulate.bulk_counts(["A"] * n_per_group + ["B"] * n_per_group, 2_000, rng=11, **settings)
    design = design_matrix(adata.obs, "~ condition")
    size_factors, dispersions = adata.obs["size_factor"].to_numpy(), adata.var["dispersion"].to_numpy()
    return adata, glm.fit(adata, design, size_factors, dispersions)


@pytest.mark.parametrize("n_per_group", [3, 10])
def test_with_known_dispersions_the_tests_hold_their_level(n_per_group):
    adata, full = simulated(n_per_group, changed_fraction=0.0)
    tested = full.base_mean > 20
    pvalues = glm.wald_test(full, [0, 1])["pvalue"][tested]
    reduced = glm.fit(full.counts, full.design[["Intercept"]], full.size_factors, full.dispersions)
    ratio = glm.likelihood_ratio_test(full, reduced)["pvalue"][tested]
    for level in (0.01, 0.05, 0.2):
        noise = 4 * np.sqrt(level * (1 - level) / tested.sum())
        assert abs((pvalues < level).mean() - level) < noise + 0.01
        assert abs((ratio < level).mean() - level) < noise + 0.01
    assert adata.n_vars == 2_000


def test_true_effects_lie_within_their_intervals():
    adata, fit = simulated(5, changed_fraction=0.2)
    table = glm.wald_test(fit, [0, 1])
    truth = adata.var["log2_fold_change[condition=B]"].to_numpy()
    z = ((table["log2FoldChange"] - truth) / table["lfcSE"])[fit.base_mean > 20]
    assert abs(z.mean()) < 0.1
    assert z.std() == pytest.approx(1, abs=0.07)


# --- outliers ---------------------------------------------------------------------------------------------------------


def test_cooks_distance_by_hand():
    """Against the formula for one gene; and leverages add up to the number of coefficients."""
    design = np.repeat([[1, 0], [1, 1]], 4, axis=0)
    y = np.array([10, 12, 8, 11, 30, 28, 500, 33])
    fit = glm.fit(y[:, None], design, np.ones(8), 0.05)
    assert fit.hat.sum() == pytest.approx(2, rel=1e-4)
    trimmed = []
    for group in (y[:4], y[4:]):  # of four, a quarter goes at each end
        errors = (group - np.sort(group)[1:3].mean()) ** 2
        trimmed.append(1.86 * np.sort(errors)[1:3].mean())
    phi = max((max(trimmed) - y.mean()) / y.mean() ** 2, 0.04)
    mu, h = fit.mean[:, 0], fit.hat[:, 0]
    expected = (y - mu) ** 2 / (mu + phi * mu**2) / 2 * h / (1 - h) ** 2
    np.testing.assert_allclose(glm.cooks_distance(fit)[:, 0], expected, rtol=1e-12)
    assert glm.cooks_distance(fit)[:, 0].argmax() == 6


def test_without_three_replicates_nothing_is_flagged():
    counts = np.full((12, 1), 10)
    counts[11] = 5_000
    design = np.column_stack([np.ones(12), np.arange(12) // 2])
    fit = glm.fit(counts, design, np.ones(12), 0.1)
    assert glm.cooks_distance(fit).max() > glm.cooks_cutoff(fit)
    assert not glm.flag_outliers(fit).any()


def test_flags_of_three_groups_and_of_two():
    counts = np.array([[10, 10], [11, 11], [9, 9], [12, 400], [10, 400], [11, 400]] * 2)
    counts[0] = 300
    two = np.column_stack([np.ones(12), np.tile([0, 0, 0, 1, 1, 1], 2)])
    fit = glm.fit(counts, two, np.ones(12), 0.1)
    assert (glm.cooks_distance(fit)[0] > glm.cooks_cutoff(fit)).all()
    assert glm.flag_outliers(fit).tolist() == [True, False]  # the second gene has six larger counts
    three = np.column_stack([two, np.repeat([0, 0, 0, 1], 3)])
    assert glm.flag_outliers(glm.fit(counts, three, np.ones(12), 0.1)).tolist() == [True, True]


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_replacement(form):
    counts = np.random.default_rng(5).poisson(40, (16, 6))
    counts[3, 2], counts[9, 4] = 20_000, 0
    counts[:, 5] = 0
    counts[3, 5] = 5_000
    size_factors = np.linspace(0.5, 1.5, 16)
    design = np.column_stack([np.ones(16), np.arange(16) >= 8])
    fit = glm.fit(form(counts), design, size_factors, 0.1)
    new = glm.replace_outliers(fit)
    matrix = new.matrix.toarray() if sparse.issparse(new.matrix) else new.matrix
    normalized = np.sort(counts[:, 2] / size_factors)[3:-3].mean()
    assert matrix[3, 2] == np.floor(normalized * size_factors[3])
    assert matrix[3, 5] == 0
    assert (matrix != counts).sum() == 2
    assert np.array_equal(fit.counts.matrix.toarray() if form is sparse.csr_array else fit.counts.matrix, counts)
    if form is sparse.csr_array:
        assert new.matrix.nnz == (matrix > 0).sum()
    untouched = glm.replace_outliers(fit, min_replicates=9).matrix
    assert (untouched != counts).sum() == 0
    again = glm.fit(new, design, size_factors, 0.1)
    assert again.status[5] == "all zero"


# --- many genes -------------------------------------------------------------------------------------------------------


def test_adjust_leaves_nan_out():
    assert np.isnan(glm.adjust([np.nan, np.nan])).all()
    pvalues = np.array([0.2, np.nan, 0.001, 0.03])
    expected = stats.false_discovery_control(pvalues[[0, 2, 3]])
    np.testing.assert_allclose(glm.adjust(pvalues)[[0, 2, 3]], expected)


def test_filtering_finds_the_silent_half():
    rng = np.random.default_rng(8)
    base_mean = np.sort(rng.lognormal(3, 2, 4_000))
    pvalues = rng.random(4_000)
    pvalues[2_000:2_600] = 2 * stats.norm.sf(
        np.abs(rng.normal(2.5, 1, 600))
    )  # only genes of the upper half can be found
    result = glm.independent_filtering(pvalues, base_mean)
    assert 0.2 < result.theta <= 0.55
    assert result.threshold == np.quantile(base_mean, result.theta)
    assert np.isnan(result.padj[base_mean < result.threshold]).all()
    assert (result.padj < 0.1).sum() > (glm.adjust(pvalues) < 0.1).sum()
    chosen = result.rejections.query("theta == @result.theta")["rejections"].item()
    assert chosen == (result.padj < 0.1).sum()
    assert repr(result).startswith("FilteredPvalues: quantile 0.")


def test_with_ten_rejections_only_zeros_are_left_out():
    base_mean = np.arange(100.0)
    base_mean[:30] = 0
    pvalues = np.full(100, 0.9)
    pvalues[95:] = 1e-6
    result = glm.independent_filtering(pvalues, base_mean)
    assert result.theta == 0.3
    assert np.isnan(result.padj).sum() == 30


def test_filtering_where_everything_or_nothing_is_found():
    everything = glm.independent_filtering(np.full(200, 1e-5), np.arange(200.0))
    assert everything.theta < 0.05
    assert (everything.padj[1:] < 0.1).all()
    silent = glm.independent_filtering(np.full(50, np.nan), np.zeros(50))
    assert np.isnan(silent.padj).all()


# --- messages ---------------------------------------------------------------------------------------------------------


WRONG = {
    "a design for 12 samples has as many rows; got 5": {"design": DESIGN[:5]},
    "has as many rows; got 5": {"design": pd.DataFrame(DESIGN[:5])},
    r"rank 2: 1 of the coefficients cannot be told.*design\.diagnose": {"design": DESIGN[:, [0, 1, 1]]},
    "column 'lane' of the design holds no numbers": {"design": OBS[["age", "lane"]]},
    "column 'x1' of the design is nan for sample 0": {"design": DESIGN + np.array([0, np.nan, 0])},
    "12 samples need as many size factors": {"size_factors": np.ones(3)},
    "size factors must be positive and finite; sample 1 has 0.0": {
        "size_factors": np.arange(1.0, 13) * (np.arange(12) != 1)
    },
    "40 genes need as many dispersions, or one": {"dispersions": np.ones(3)},
    "gene 2 has -1.0": {"dispersions": np.where(np.arange(G) == 2, -1.0, 0.1)},
    "gene 0 has inf": {"dispersions": np.inf},
    "min_mean must be 0 or more": {"min_mean": -1},
    "ridge must be 0 or more": {"ridge": np.nan},
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_input_is_named(message):
    arguments = {"design": DESIGN, "size_factors": SIZE_FACTORS, "dispersions": DISPERSIONS} | WRONG[message]
    with pytest.raises(InputError, match=message):
        glm.fit(COUNTS, **arguments)


def test_a_design_in_another_order_is_refused():
    counts = pd.DataFrame(COUNTS, index=[f"s{i}" for i in range(N)])
    design = pd.DataFrame(DESIGN, index=counts.index[::-1])
    with pytest.raises(
        InputError, match=r"the design are not those of the counts: row 0 is 's11' instead of 's0'.*design.loc"
    ):
        glm.fit(counts, design, SIZE_FACTORS, DISPERSIONS)


def test_size_factors_and_dispersions_in_another_order_are_refused():
    counts = pd.DataFrame(COUNTS, index=[f"s{i}" for i in range(N)], columns=[f"g{j}" for j in range(G)])
    with pytest.raises(InputError, match=r"the size factors are not.*'s11' instead of 's0'.*size_factors.loc"):
        glm.fit(counts, DESIGN, pd.Series(SIZE_FACTORS, counts.index[::-1]), DISPERSIONS)
    with pytest.raises(InputError, match=r"the dispersions are not.*row 0 is 'g39' instead of 'g0'"):
        glm.fit(counts, DESIGN, SIZE_FACTORS, pd.Series(DISPERSIONS, counts.columns[::-1]))
    with pytest.raises(InputError, match="the dispersions are not"):
        glm.fit(counts, DESIGN, SIZE_FACTORS, pd.Series(DISPERSIONS, counts.columns)[:5])


def test_wrong_claims_are_named(fit):
    with pytest.raises(InputError, match="no alternative 'two-sided'"):
        glm.wald_test(fit, [0, 1, 0], alternative="two-sided")
    with pytest.raises(InputError, match="0 or more; got -1"):
        glm.wald_test(fit, [0, 1, 0], lfc_threshold=-1)
    with pytest.raises(InputError, match="give one above 0"):
        glm.wald_test(fit, [0, 1, 0], alternative="less_abs")
    with pytest.raises(InputError, match="contrast"):
        glm.wald_test(fit, [0, 1])
