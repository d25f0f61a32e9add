"""One SNP at a time against statsmodels, with missing dosages, covariates and names."""

import anndata
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from scomics_lite.twas.associations.eqtls import marginal_eqtls
from scomics_lite.twas.associations.individual_association import predixcan
from scomics_lite.twas.associations.prediction import predict_expression
from scomics_lite.twas.associations.summary_association import s_predixcan
from scomics_lite.twas.exchange.covariance_files import covariances
from scomics_lite.twas.exchange.models import PredictionModel
from scomics_lite.validation import InputError


def panel(n, m, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    dosages = rng.binomial(2, rng.uniform(0.05, 0.95, m), (n, m)).astype(np.float32)
    dosages[rng.random((n, m)) < missing] = np.nan
    snps = pd.DataFrame(
        {"chromosome": "1", "position": np.arange(m) + 1, "ref_allele": "A", "eff_allele": "G"},
        index=[f"rs{i}" for i in range(m)],
    )
    return anndata.AnnData(dosages, pd.DataFrame(index=[f"p{i}" for i in range(n)]), snps)


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("k", [0, 3])
def test_every_snp_is_the_whole_regression_on_its_complete_people(missing, k):
    dosages, rng = panel(80, 30, missing=missing), np.random.default_rng(1)
    covariates = pd.DataFrame(rng.normal(size=(80, k)) * 100 + 1e4, dosages.obs_names)
    expression = pd.Series(dosages.X[:, 3] + rng.normal(size=80), dosages.obs_names).fillna(1)
    table = marginal_eqtls(dosages, expression, covariates if k else None)
    for snp in table.itertuples():
        x = pd.Series(dosages[:, snp.snp].X[:, 0].astype(float), dosages.obs_names, name="x")
        known = x.notna()
        centred = covariates - covariates.mean()
        fit = sm.OLS(expression[known], sm.add_constant(pd.concat([x, centred], axis=1)[known])).fit()
        wanted = [x.mean() / 2, fit.params["x"], fit.bse["x"], fit.tvalues["x"], fit.pvalues["x"], known.sum()]
        got = [snp.frequency, snp.beta, snp.se, snp.zscore, snp.pvalue, snp.n]
        np.testing.assert_allclose(got, wanted, rtol=1e-7)


def test_the_table_has_the_columns_of_a_gwas():
    table = marginal_eqtls(panel(20, 3), np.arange(20.0))
    names = "snp chromosome position effect_allele non_effect_allele frequency beta se zscore pvalue padj n"
    assert table.columns.tolist() == names.split()
    assert table["effect_allele"].tolist() == ["G"] * 3


def test_alleles_that_nobody_told_are_not_made_up():
    table = marginal_eqtls(pd.DataFrame({"rs1": [0, 1, 2, 1]}), [0.0, 1.0, 2.5, 1.5])
    assert "effect_allele" not in table


def test_snps_without_variation_have_no_numbers():
    dosages = panel(30, 4)
    dosages.X[:, 1] = 1
    dosages.X[:, 2] = np.nan
    dosages.X[2:, 3] = np.nan
    table = marginal_eqtls(dosages, np.random.default_rng(0).normal(size=30))
    assert table["beta"].notna().tolist() == [True, False, False, False]
    assert table.loc[1:, ["se", "zscore", "pvalue", "padj"]].isna().all(axis=None)
    assert table["n"].tolist() == [30, 30, 0, 2]


def test_small_integers_and_floats_give_the_same():
    dosages = panel(50, 10)
    whole = dosages.copy()
    whole.X = whole.X.astype(np.int8)
    expression = np.random.default_rng(5).normal(size=50)
    pd.testing.assert_frame_equal(marginal_eqtls(dosages, expression), marginal_eqtls(whole, expression))


def test_expression_in_another_order_is_matched_by_name():
    dosages = panel(50, 5)
    expression = pd.Series(np.random.default_rng(5).normal(size=50), dosages.obs_names)
    pd.testing.assert_frame_equal(marginal_eqtls(dosages, expression[::-1]), marginal_eqtls(dosages, expression))


def test_expression_of_several_genes_is_refused():
    with pytest.raises(InputError, match=r"expression: one column is needed, got 2 .*table\[name\]"):
        marginal_eqtls(panel(20, 3), pd.DataFrame({"g1": np.arange(20.0), "g2": 1.0}))


def test_people_of_whom_too_few_are_complete():
    with pytest.raises(InputError, match="2 of 20 people in dosages have expression"):
        marginal_eqtls(panel(20, 3), np.r_[1.0, 2.0, np.full(18, np.nan)])


def test_a_trait_s_table_goes_into_s_predixcan_and_agrees_with_predixcan():
    dosages, rng = panel(400, 12, seed=3), np.random.default_rng(4)
    weights = pd.DataFrame(
        {"rsid": dosages.var_names, "gene": np.repeat(["g1", "g2"], 6), "weight": rng.normal(size=12)}
    )
    model = PredictionModel(weights.assign(ref_allele="A", eff_allele="G"))
    trait = pd.Series(0.1 * dosages.X[:, 0] + rng.normal(size=400), dosages.obs_names)
    table = s_predixcan(marginal_eqtls(dosages, trait), model, covariances(dosages, model), progress=False)
    people = predixcan(predict_expression(dosages, model), trait)
    both = table.merge(people, on="gene")
    np.testing.assert_allclose(both["zscore_x"], both["zscore_y"], atol=0.03)  # small effects: the same up to R²
    np.testing.assert_allclose(both["effect_size"], both["effect"], rtol=1e-5)
