"""Posterior of a locus: against normal densities of all configurations, and on simulated loci with a known gene."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from scomics_lite import simulate
from scomics_lite.twas.exchange.models import PredictionModel
from scomics_lite.twas.meaning.causal_genes import NONE, expression_correlation, locus_posterior, log_bayes_factors
from scomics_lite.validation import InputError


def drawn_correlation(rng, k):
    """Correlations of k genes that lie in a row and share part of their SNPs."""
    blocks = rng.standard_normal((400, k + 3))
    return np.corrcoef(sum(blocks[:, j : j + k] for j in range(3)).T)


def enumerated(z, v, prior, variance, most):
    """Inclusion probabilities from the density of all z-scores under every configuration of at most so many genes."""
    k = len(z)
    states = [c for size in range(most + 1) for c in itertools.combinations(range(k), size)]
    logs = []
    for c in states:
        spread = np.diag([variance / len(c) if j in c else 0.0 for j in range(k)])
        density = multivariate_normal.logpdf(z, np.zeros(k), v + v @ spread @ v)
        logs.append(density + len(c) * np.log(prior) + (k - len(c)) * np.log1p(-prior))
    probability = np.exp(np.array(logs) - logsumexp(logs))
    return [sum(p for p, c in zip(probability, states, strict=True) if j in c) for j in range(k)], probability[0]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_it_is_the_posterior_of_all_configurations_written_out(most):
    rng = np.random.default_rng(most)
    v = drawn_correlation(rng, 6)
    for prior, variance, size in ((1e-3, 40.0, 6.0), (1 / 6, 10.0, 1.0), (0.02, 100.0, 3.0)):
        z = rng.multivariate_normal(size * v[2], v)
        genes = list("abcdef")
        found = locus_posterior(pd.Series(z, genes), v, prior=prior, prior_variance=variance, max_causal=most)
        pips, none = enumerated(z, v, prior, variance, most)
        np.testing.assert_allclose(found.set_index("gene")["pip"].loc[[*genes, NONE]], [*pips, none], rtol=1e-8)


def test_one_gene_is_its_bayes_factor():
    z, s, prior = 4.0, 40.0, 1e-3
    odds = prior / (1 - prior) * np.exp(0.5 * z**2 * s / (1 + s)) / np.sqrt(1 + s)
    table = locus_posterior(pd.Series({"g": z}), [[1.0]])
    np.testing.assert_allclose(table.set_index("gene")["pip"]["g"], odds / (1 + odds), rtol=1e-12)


def test_genes_with_the_same_predicted_expression_share_the_probability():
    table = locus_posterior(pd.Series({"a": 7.0, "b": 7.0, "c": 0.0}), [[1, 1, 0], [1, 1, 0], [0, 0, 1]], max_causal=1)
    pip = table.set_index("gene")["pip"]
    np.testing.assert_allclose(pip["a"], pip["b"], rtol=1e-12)
    np.testing.assert_allclose(pip["a"] + pip["b"] + pip["c"] + pip[NONE], 1, rtol=1e-12)
    assert set(table["gene"][table["in_credible_set"]]) == {"a", "b"}
    assert locus_posterior(pd.Series({"a": 7.0, "b": 7.0}), np.ones((2, 2)))["pip"].between(0, 1).all()


def test_a_neighbour_with_a_borrowed_signal_is_told_from_a_second_causal_gene():
    v = pd.DataFrame([[1, 0.8], [0.8, 1]], list("ab"), list("ab"))
    borrowed = locus_posterior(pd.Series({"a": 10.0, "b": 8.0}), v).set_index("gene")["pip"]
    assert borrowed["a"] > 0.99
    assert borrowed["b"] < 0.05
    second = locus_posterior(pd.Series({"a": 10.0, "b": 14.0}), v).set_index("gene")["pip"]  # both: 14 = 8 + 6 / 0.6 …
    assert second["b"] > 0.99


def test_nothing_is_found_where_nothing_is():
    rng = np.random.default_rng(5)
    v = drawn_correlation(rng, 8)
    table = locus_posterior(pd.Series(rng.multivariate_normal(np.zeros(8), v), list("abcdefgh")), v)
    assert table["gene"][0] == NONE
    assert table["pip"][0] > 0.9
    assert list(table["gene"][table["in_credible_set"]]) == [NONE]


def test_the_credible_set_is_the_smallest_that_holds_its_level():
    rng = np.random.default_rng(6)
    v = drawn_correlation(rng, 9)
    for level in (0.5, 0.9, 0.99):
        table = locus_posterior(rng.multivariate_normal(5 * v[4], v), v, level=level)
        share = table["pip"] / table["pip"].sum()
        size = int(table["in_credible_set"].sum())
        assert table["in_credible_set"][:size].all()
        assert share[:size].sum() >= level > share[: size - 1].sum()


@pytest.mark.parametrize("k", [4, 10])
def test_probabilities_are_calibrated_when_genes_are_drawn_from_the_prior(k):
    rng, variance, prior = np.random.default_rng(7), 30.0, 1 / k
    said, true, covered = [], [], []
    for _ in range(250):
        v = drawn_correlation(rng, k)
        number = 9
        while number > 3:  # the model knows no more than three
            causal = rng.random(k) < prior
            number = causal.sum()
        effects = np.where(causal, rng.normal(0, np.sqrt(variance / max(number, 1)), k), 0)
        table = locus_posterior(rng.multivariate_normal(v @ effects, v), v, prior=prior, prior_variance=variance)
        table = table.set_index("gene").loc[[*range(k), NONE]]
        said.extend(table["pip"])
        true.extend([*causal, number == 0])
        if number == 1:
            covered.append(table["in_credible_set"].to_numpy()[:-1][causal].all())
    said, true = np.array(said), np.array(true)
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 0.9), (0.9, 1)):
        inside = (said >= low) & (said <= high)
        error = np.sqrt(np.sum(said[inside] * (1 - said[inside]))) / inside.sum()
        assert abs(true[inside].mean() - said[inside].mean()) < 3.5 * error
    assert np.mean(covered) > 0.85


def test_many_configurations_are_weighed_in_parts(monkeypatch):
    rng = np.random.default_rng(8)
    v = drawn_correlation(rng, 12)
    z = rng.multivariate_normal(6 * v[3], v)
    whole = locus_posterior(z, v)
    monkeypatch.setattr("scomics_lite.twas.meaning.causal_genes.BATCH", 7)
    pd.testing.assert_frame_equal(locus_posterior(z, v), whole, rtol=1e-12)


def test_bayes_factors_do_not_depend_on_the_other_genes():
    rng = np.random.default_rng(9)
    v = drawn_correlation(rng, 5)
    z = rng.standard_normal(5)
    alone = log_bayes_factors(z[[1, 3]], v[np.ix_([1, 3], [1, 3])], np.array([[0, 1]]), 4.0)
    np.testing.assert_allclose(log_bayes_factors(z, v, np.array([[1, 3]]), 4.0), alone, rtol=1e-12)


def test_bad_input_is_refused_by_name_and_the_advice_works():
    z = pd.Series({"a": 5.0, "b": 4.0})
    v = pd.DataFrame([[1.0, 0.5], [0.5, 1.0]], list("ab"), list("ab"))
    with pytest.raises(InputError, match="row 0 is 'b' instead of 'a'"):
        locus_posterior(z, v.loc[["b", "a"]])
    with pytest.raises(InputError, match="column 0 is 'b' instead of 'a'"):
        locus_posterior(z, v[["b", "a"]])
    with pytest.raises(InputError, match=r"shape \(2, 2\); got \(3, 3\)"):
        locus_posterior(z, np.eye(3))
    with pytest.raises(InputError, match="gene 'b' has no z-score"):
        locus_posterior(z.where(z > 4.5), v)
    genes = z.where(z > 4.5).dropna().index
    locus_posterior(z[genes], v.loc[genes, genes])  # the advice
    with pytest.raises(InputError, match=r"correlation is 2 for gene 'a' with itself.*expression_correlation"):
        locus_posterior(z, 2 * v)
    for setting in ({"prior": 1.0}, {"prior": 0}, {"prior_variance": -1}, {"level": 1}, {"max_causal": 0}):
        with pytest.raises(InputError, match=next(iter(setting))):
            locus_posterior(z, v, **setting)


@pytest.fixture(scope="module")
def locus():
    """Genes that share SNPs, their true weights, and people."""
    dosages = simulate.genotypes(600, 120, spacing=300, rng=3)
    genes = simulate.genes(dosages, 6, rng=1)
    expression = simulate.expression(dosages, genes, window=10_000, shared=0.5, rng=1)
    return dosages, PredictionModel(expression.uns["truth"]["weights"]), expression.layers["genetic"]


def test_correlations_are_those_of_predicted_expression_whatever_the_coding(locus):
    dosages, model, genetic = locus
    found = expression_correlation(dosages, model)
    np.testing.assert_allclose(found, np.corrcoef(genetic.T), atol=1e-8)
    assert list(found.index) == list(found.columns) == list(model.genes)
    turned = dosages.copy()
    turned.X = 2 - turned.X
    turned.var = turned.var.rename(columns={"ref_allele": "eff_allele", "eff_allele": "ref_allele"})
    pd.testing.assert_frame_equal(expression_correlation(turned, model), found)
    some = [model.genes[4], model.genes[1]]
    pd.testing.assert_frame_equal(expression_correlation(dosages, model, some), found.loc[some, some])


def test_correlations_use_the_snps_of_the_gwas(locus):
    dosages, model, _ = locus
    snps = model.weights["rsid"].unique()[1:]
    alleles = dosages.var.loc[snps]
    gwas = pd.DataFrame({"snp": snps, "effect_allele": alleles["eff_allele"].to_numpy(), "zscore": 1.0})
    gwas["non_effect_allele"] = alleles["ref_allele"].to_numpy()
    fewer = PredictionModel(model.weights[model.weights["rsid"].isin(snps)])
    found = expression_correlation(dosages, model, fewer.genes, gwas=gwas)
    pd.testing.assert_frame_equal(found, expression_correlation(dosages, fewer, fewer.genes))
    assert not np.allclose(found, expression_correlation(dosages, model, fewer.genes))


def test_a_gene_without_variation_is_named_and_the_advice_works(locus):
    dosages, model, _ = locus
    flat, gene = dosages.copy(), model.genes[2]
    flat.X[:, flat.var_names.isin(model.of(gene)["rsid"])] = 1
    genes = list(model.genes)
    with pytest.raises(InputError, match=f"gene '{gene}' does not vary in the panel"):
        expression_correlation(flat, model, genes)
    rest = [name for name in genes if expression_of(flat, model, name).std() > 1e-9]
    assert gene not in rest
    expression_correlation(flat, model, rest)  # the advice


def expression_of(dosages, model, gene):
    weights = model.of(gene)
    return dosages.to_df()[weights["rsid"]].to_numpy() @ weights["weight"].to_numpy()


def test_the_causal_gene_of_a_simulated_locus_is_found_more_often_than_by_the_largest_z(locus):
    dosages, model, _ = locus
    rng, v = np.random.default_rng(10), expression_correlation(dosages, model)
    root = np.linalg.cholesky(v + 1e-9 * np.eye(len(v)))
    by_posterior, by_largest, covered = [], [], []
    for _ in range(120):
        first, second = rng.choice(len(v), 2, replace=False)
        z = v.to_numpy() @ np.where(np.isin(range(len(v)), [first, second]), 7.0, 0) + root @ rng.standard_normal(
            len(v)
        )
        table = locus_posterior(pd.Series(z, v.index), v)
        genes = table[table["gene"] != NONE]
        both = {v.index[first], v.index[second]}
        by_posterior.append(set(genes["gene"][:2]) == both)
        by_largest.append(set(v.index[np.argsort(-np.abs(z))[:2]]) == both)
        covered.append(both <= set(genes["gene"][genes["in_credible_set"]]))
    assert np.mean(by_posterior) > 0.9
    assert np.mean(by_posterior) > np.mean(by_largest) + 0.1
    assert np.mean(covered) > 0.85
