"""Permutation of weights: by hand for few SNPs, uniform where SNPs are exchangeable, and on signals with known SNPs."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scomics_lite import simulate
from scomics_lite.twas.exchange.covariance_files import Covariances, covariances
from scomics_lite.twas.exchange.models import PredictionModel
from scomics_lite.twas.meaning.weight_permutation import count_as_extreme, permute_weights
from scomics_lite.validation import InputError


def gwas_table(snps, zscores, effect="G", other="A"):
    return pd.DataFrame({"snp": snps, "effect_allele": effect, "non_effect_allele": other, "zscore": zscores})


def model_of(snps, weights, gene="g"):
    return PredictionModel(
        pd.DataFrame({"rsid": snps, "gene": gene, "weight": weights, "ref_allele": "A", "eff_allele": "G"})
    )


def known_of(matrix, snps, gene="g"):
    return Covariances.from_matrices({gene: pd.DataFrame(matrix, snps, snps)})


def test_the_share_is_that_of_all_orders_of_the_weights():
    rng = np.random.default_rng(1)
    z, u = rng.normal(0, 2, 5), rng.standard_normal(5)
    root = rng.standard_normal((30, 5))
    r = np.corrcoef(root.T)
    orders = np.array([u[list(order)] for order in itertools.permutations(range(5))])
    every = orders @ z / np.sqrt(np.einsum("bi,ij,bj->b", orders, r, orders))
    share = np.mean(np.abs(every) >= abs(every[0]) * (1 - 1e-9))
    zscore, count = count_as_extreme(z, u, r, 20_000, rng)
    np.testing.assert_allclose(zscore, every[0], rtol=1e-12)
    assert abs(count / 20_000 - share) < 4 * np.sqrt(share * (1 - share) / 20_000)


def test_equal_weights_can_be_dealt_in_one_way_only():
    found = permute_weights(
        gwas_table(["a", "b"], [3.0, 1.0]), model_of(["a", "b"], 0.5), known_of(np.eye(2), ["a", "b"])
    )
    assert found["n_as_extreme"][0] == 1000
    assert found["pvalue"][0] == 1


def test_p_values_are_uniform_where_the_gwas_has_nothing_to_do_with_the_weights():
    rng, k = np.random.default_rng(2), 12
    root = np.linalg.cholesky(0.3 + 0.7 * np.eye(k))  # all SNPs are alike
    counts = [
        count_as_extreme(6 + root @ rng.standard_normal(k), rng.standard_normal(k), root @ root.T, 199, rng)[1]
        for _ in range(500)
    ]
    pvalues = (1 + np.array(counts)) / 200
    assert stats.kstest(pvalues, stats.uniform(0, 1).cdf).pvalue > 0.01
    assert abs((pvalues <= 0.05).mean() - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 500)


def test_the_signal_of_the_gene_s_own_snps_is_told_from_another_s():
    rng = np.random.default_rng(3)
    panel = simulate.genotypes(500, 60, rng=3)
    x = (panel.X - panel.X.mean(axis=0)) / panel.X.std(axis=0)
    r = x.T @ x / len(x)
    root = np.linalg.cholesky(r + 1e-6 * np.eye(60))
    shared, other, significant = [], [], []
    for _ in range(100):
        u = np.zeros(60)
        causal, elsewhere = rng.choice(60, 2, replace=False)
        u[causal] = 1
        u[rng.choice(60, 5)] += 0.2 * rng.standard_normal(5)
        noise = root @ rng.standard_normal(60)
        shared.append(count_as_extreme(12 * r[:, causal] + noise, u, r, 199, rng)[1])
        zscore, count = count_as_extreme(12 * r[:, elsewhere] + noise, u, r, 199, rng)
        significant.append(abs(zscore) > 3)
        other.append(count)
    assert np.mean(np.array(shared) < 10) > 0.8  # p <= 0.05
    assert np.mean(significant) > 0.1  # hitchhikers are many
    assert np.mean(np.array(other) < 10) < 0.2


def test_genes_get_the_z_scores_of_s_predixcan_whatever_the_coding_of_the_gwas():
    rng = np.random.default_rng(4)
    panel = simulate.genotypes(300, 40, rng=4)
    rows = panel.var[["ref_allele", "eff_allele"]].rename_axis("rsid").reset_index()
    rows = rows.assign(gene=np.repeat(["g1", "g2"], 20), weight=rng.standard_normal(40))
    model = PredictionModel(rows)
    known = covariances(panel, model)
    z = rng.normal(0, 2, 40)
    gwas = pd.DataFrame(
        {"snp": rows["rsid"], "effect_allele": rows["eff_allele"], "non_effect_allele": rows["ref_allele"], "zscore": z}
    )
    found = permute_weights(gwas, model, known, permutations=50).set_index("gene")
    for gene, part in rows.assign(z=z).groupby("gene"):
        sigma = known.matrix(gene, part["rsid"])
        w = part["weight"].to_numpy()
        expected = np.sum(w * np.sqrt(np.diag(sigma)) * part["z"]) / np.sqrt(w @ sigma @ w)
        np.testing.assert_allclose(found["zscore"][gene], expected, rtol=1e-10)
    flipped = gwas.rename(columns={"effect_allele": "non_effect_allele", "non_effect_allele": "effect_allele"})
    again = permute_weights(flipped.assign(zscore=-z), model, known, permutations=50).set_index("gene")
    pd.testing.assert_frame_equal(again, found)
    ids = panel.var["varID"]
    by_id = Covariances.from_matrices({gene: known.of(gene).rename(index=ids, columns=ids) for gene in known.genes})
    named = PredictionModel(rows.assign(varID=ids.to_numpy()))
    again = permute_weights(gwas, named, by_id, permutations=50).set_index("gene")
    pd.testing.assert_frame_equal(again, found)
    one = permute_weights(gwas, model, known, genes=["g1"], permutations=50).set_index("gene")
    pd.testing.assert_frame_equal(one, found.loc[["g1"]])


def test_genes_come_in_the_order_asked_for():
    snps = ["a", "b"]
    model = PredictionModel(pd.concat([model_of(snps, [1, 0.2], gene).weights for gene in ("g1", "g2", "g3")]))
    known = Covariances.from_matrices({gene: pd.DataFrame(np.eye(2), snps, snps) for gene in ("g1", "g2", "g3")})
    table = permute_weights(gwas_table(snps, [4.0, 1.0]), model, known, genes=["g3", "g1"])
    assert list(table["gene"]) == ["g3", "g1"]
    assert (table["status"] == "ok").all()


@pytest.mark.parametrize(
    ("snps", "weights", "matrix", "status"),
    [
        (["a"], [1.0], np.eye(1), "one SNP: nothing to permute"),
        (["a", "b"], [0.0, 0.0], np.eye(2), "all weights are 0"),
        (["x", "y"], [1.0, 2.0], np.eye(2), "none of its SNPs is in the GWAS"),
        (["a", "b"], [1.0, 2.0], np.zeros((2, 2)), "none of its SNPs is in the GWAS and varies in the covariance"),
        (["a", "b"], [1.0, 2.0], np.array([[1, np.nan], [np.nan, 1]]), "the covariance of two of its SNPs is missing"),
    ],
)
def test_a_gene_that_cannot_be_tested_says_why(snps, weights, matrix, status):
    gwas = gwas_table(["a", "b", "c"], [3.0, 1.0, 0.0])
    table = permute_weights(gwas, model_of(snps, weights), known_of(matrix, snps))
    assert list(table["status"]) == [status]
    assert table["pvalue"].isna().all()


def test_weights_that_cancel_out_are_no_signal():
    z, r = np.array([5.0, 5.0, 0.0]), np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1.0]])
    zscore, count = count_as_extreme(z, np.array([1.0, -1.0, 0.0]), r, 100, np.random.default_rng(0))
    assert zscore == 0
    assert count == 100


def test_unknown_genes_and_numbers_of_permutations_are_refused():
    gwas, model, known = gwas_table(["a"], [1.0]), model_of(["a"], [1.0]), known_of(np.eye(1), ["a"])
    with pytest.raises(InputError, match="no gene 'G'; did you mean 'g'"):
        permute_weights(gwas, model, known, genes="G")
    with pytest.raises(InputError, match="permutations is a number"):
        permute_weights(gwas, model, known, permutations=0)
