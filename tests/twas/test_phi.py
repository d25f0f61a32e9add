"""Phi: against correlations written out, against simulated traits, and z-scores corrected with it under the null."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from scomics_lite import simulate
from scomics_lite.twas.associations.polygenicity import correct_zscores, mean_squared_correlation, phi
from scomics_lite.twas.exchange.models import PredictionModel
from scomics_lite.validation import InputError


@pytest.fixture(scope="module")
def people():
    """All people there are, at common SNPs: their correlations are the truth."""
    found = simulate.genotypes(1_000, 1_200, rng=1)
    return found[:, found.var["frequency"].between(0.05, 0.95)][:, :400].copy()


@pytest.fixture(scope="module")
def model(people):
    rng = np.random.default_rng(2)
    snps = np.concatenate([40 * gene + rng.choice(30, 6, replace=False) for gene in range(10)])
    rows = people.var[["ref_allele", "eff_allele"]].iloc[snps].rename_axis("rsid").reset_index()
    return PredictionModel(rows.assign(gene=np.repeat([f"g{i}" for i in range(10)], 6), weight=rng.standard_normal(60)))


@pytest.fixture(scope="module")
def panel(people):
    """Others of the same population."""
    chosen = np.random.default_rng(9).integers(people.n_obs, size=4_000)
    return pd.DataFrame(people.X[chosen], columns=people.var_names)


def true_phi(people, model):
    return mean_squared_correlation(expression_of(people, model), [people.X.astype(float)])


def standardised(matrix):
    return (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)


def expression_of(people, model):
    x = people.to_df()
    parts = [x[model.of(gene)["rsid"]].to_numpy() @ model.of(gene)["weight"].to_numpy() for gene in model.genes]
    return np.column_stack(parts)


def polygenic_zscores(people, model, nh2, traits, rng, share=1.0):
    """Simulate z = sqrt(N) r(T, X)' b + noise, traits x genes, with all SNPs or a share of them causal."""
    x, t = standardised(people.X.astype(float)), standardised(expression_of(people, model))
    r = t.T @ x / len(x)
    effects = rng.standard_normal((x.shape[1], traits)) * (rng.random((x.shape[1], traits)) < share)
    noise = np.linalg.cholesky(t.T @ t / len(t)) @ rng.standard_normal((t.shape[1], traits))
    return (np.sqrt(nh2 / (x.shape[1] * share)) * r @ effects + noise).T


def test_it_is_the_mean_of_adjusted_squared_correlations(people, model):
    found, t, n = phi(people, model), expression_of(people, model), people.n_obs
    assert list(found.index) == list(model.genes)
    for place in (0, 9):
        r2 = np.array([np.corrcoef(t[:, place], x)[0, 1] ** 2 for x in people.X.T])
        np.testing.assert_allclose(found.iloc[place], np.mean(r2 - (1 - r2) / (n - 2)), rtol=1e-10)


def test_blocks_and_kinds_of_matrices_make_no_difference(people, model, monkeypatch):
    found = phi(people, model)
    pd.testing.assert_series_equal(phi(people.to_df(), model), found)
    other = people.copy()
    other.X = sparse.csr_matrix(people.X)
    pd.testing.assert_series_equal(phi(other, model), found)
    other.X = people.X.astype(np.float32)
    pd.testing.assert_series_equal(phi(other, model), found)
    monkeypatch.setattr("scomics_lite.twas.associations.polygenicity.BLOCK", 7_000)  # seven SNPs at a time
    pd.testing.assert_series_equal(phi(people, model), found, rtol=1e-12)


def test_coding_of_a_snp_does_not_matter(people, model):
    turned = people.copy()
    turned.X[:, ::2] = 2 - turned.X[:, ::2]
    letters = turned.var[["ref_allele", "eff_allele"]].to_numpy()
    letters[::2] = letters[::2, ::-1]
    turned.var[["ref_allele", "eff_allele"]] = letters
    pd.testing.assert_series_equal(phi(turned, model), phi(people, model), rtol=1e-10)


@pytest.mark.parametrize("nh2", [10, 100, 3_000])
def test_it_foretells_the_mean_squared_zscore_of_a_polygenic_trait(people, panel, model, nh2):
    z = polygenic_zscores(people, model, nh2, 6_000, np.random.default_rng(3))
    mean, error = np.mean(z**2, axis=0), np.std(z**2, axis=0) / np.sqrt(len(z))
    np.testing.assert_array_less(np.abs(mean - (1 + nh2 * true_phi(people, model))), 4 * error)
    np.testing.assert_allclose(mean, 1 + nh2 * phi(panel, model), rtol=0.12)
    np.testing.assert_allclose(mean.mean(), 1 + nh2 * phi(panel, model).mean(), rtol=0.03)


def test_people_themselves_give_the_same_inflation(people, model):
    # A phenotype for every person, and z = sqrt(N) r, instead of a formula for z.
    rng, n, h2 = np.random.default_rng(4), people.n_obs, 0.1
    x, t = standardised(people.X.astype(float)), standardised(expression_of(people, model))
    y = x @ rng.normal(0, np.sqrt(h2 / x.shape[1]), (x.shape[1], 3_000)) + np.sqrt(1 - h2) * rng.standard_normal(
        (n, 3_000)
    )
    z2 = n * (t.T @ standardised(y) / n) ** 2
    truth = true_phi(people, model)
    np.testing.assert_allclose(z2.mean(axis=1), 1 - h2 + n * h2 * truth, rtol=0.1)
    np.testing.assert_allclose(z2.mean(), np.mean(1 - h2 + n * h2 * truth), rtol=0.04)


def test_small_panels_are_not_biased(people, model):
    rng = np.random.default_rng(5)
    truth, found = true_phi(people, model).mean(), []
    for _ in range(60):
        few = pd.DataFrame(people.X[rng.integers(people.n_obs, size=100)], columns=people.var_names)
        found.append(phi(few, model).mean())
    raw = (np.array(found) * 98 + 1) / 99  # without the second term of phi
    assert abs(np.mean(found) - truth) < 3.5 * np.std(found) / np.sqrt(60)
    assert np.mean(raw) > 1.2 * truth


def test_a_gene_that_no_snp_is_correlated_with_has_a_phi_around_zero_with_the_error_told():
    rng, n, m = np.random.default_rng(6), 200, 500  # SNPs are independent: M_e is about m
    x = rng.binomial(2, 0.3, (n, m)).astype(float)
    r2 = mean_squared_correlation(rng.standard_normal((n, 2_000)), [x])
    found = r2 - (1 - r2) / (n - 2)
    independent = 1 / np.mean(np.corrcoef(rng.binomial(2, 0.3, (50_000, 60)).T) ** 2) * m / 60
    np.testing.assert_allclose(found.std(), np.sqrt(2 / independent) / n, rtol=0.1)
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(2_000)


def test_corrected_zscores_are_calibrated_under_a_polygenic_null(people, panel, model):
    z = polygenic_zscores(people, model, 500, 4_000, np.random.default_rng(7))
    found = phi(panel, model).to_numpy()
    corrected = np.array([correct_zscores(row, found, n=1_000, heritability=0.5) for row in z])
    for level, before_at_least, tolerated in ((0.05, 0.4, 0.003), (0.001, 0.15, 0.0001)):
        before, after = (np.mean(2 * stats.norm.sf(np.abs(one)) < level, axis=1) for one in (z, corrected))
        assert before.mean() > before_at_least
        # What is tolerated beside chance is the error of phi, a few percent.
        assert abs(after.mean() - level) < 3 * after.std() / np.sqrt(len(z)) + tolerated


def test_missing_dosages_and_snps_without_variation_are_no_harm(people, model):
    x = people.to_df().astype(float)
    x["constant"], x["unknown"] = 1.0, np.nan
    pd.testing.assert_series_equal(phi(x, model), phi(people, model), rtol=1e-12)
    gaps = x.mask(np.random.default_rng(8).random(x.shape) < 0.02)
    np.testing.assert_allclose(phi(gaps, model), phi(people, model), rtol=0.1)
    kept = x.drop(columns=["constant", "unknown"])
    filled = gaps[kept.columns].fillna(gaps[kept.columns].mean())
    pd.testing.assert_series_equal(phi(gaps, model), phi(filled, model), rtol=1e-12)


def test_a_gene_without_variation_has_no_phi(people, model):
    x = people.to_df().astype(float)
    x[model.of("g3")["rsid"]] = 1.0
    found = phi(x, model)
    assert found.isna().to_dict() == {gene: gene == "g3" for gene in model.genes}


def test_panels_that_cannot_tell_are_refused(people, model):
    with pytest.raises(InputError, match="3 people at least"):
        phi(people[:2], model)
    with pytest.raises(InputError, match="no SNP of the panel varies"):
        phi(people.to_df() * 0, model)


def test_zscores_and_phi_are_matched_by_gene():
    z = pd.Series({"a": 4.0, "b": -4.0, "c": 1.0})
    inflation = pd.Series({"c": np.nan, "b": 2e-5, "a": -1.0})
    found = correct_zscores(z, inflation, 300_000, 0.5)
    assert found.index.equals(z.index)
    np.testing.assert_allclose(found.to_numpy(), [4, -2, np.nan])
    np.testing.assert_allclose(correct_zscores(z, [0, 2e-5, 0], 300_000, 0.5), [4, -2, 1])
    np.testing.assert_allclose(correct_zscores([4.0], [2e-5], 300_000, 0), [4])


def test_what_cannot_be_matched_or_cannot_be_is_refused_and_the_advice_works():
    z = pd.Series({"a": 4.0, "b": -4.0})
    with pytest.raises(InputError, match="no value for gene 'b'"):
        correct_zscores(z, pd.Series({"a": 1e-5}), 1e5, 0.5)
    known = pd.Series({"a": 1e-5})
    correct_zscores(z.loc[z.index.isin(known.index)], known, 1e5, 0.5)  # the advice
    results = pd.DataFrame({"gene": ["b", "a"], "zscore": [-4.0, 4.0]})
    both = pd.Series({"a": 1e-5, "b": 2e-5})
    with pytest.raises(InputError, match="phi is named by gene and the z-scores are not"):
        correct_zscores(results["zscore"], both, 1e5, 0.5)
    named = correct_zscores(results.set_index("gene")["zscore"], both, 1e5, 0.5)  # the advice
    np.testing.assert_allclose(named["b"], -4 / np.sqrt(2))
    with pytest.raises(InputError, match="phi names gene 'a' twice"):
        correct_zscores(z, pd.Series([1e-5, 1e-5, 1e-5], index=["a", "a", "b"]), 1e5, 0.5)
    with pytest.raises(InputError, match="2 z-scores need as many values of phi"):
        correct_zscores([1.0, 2.0], [1e-5], 1e5, 0.5)
    for n, heritability, word in ((0, 0.5, "n is"), (1e5, 1.5, "heritability"), (1e5, np.nan, "heritability")):
        with pytest.raises(InputError, match=word):
            correct_zscores([1.0], [1e-5], n, heritability)
