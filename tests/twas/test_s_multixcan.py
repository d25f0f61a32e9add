"""S-MultiXcan: closed forms, the regression of people on all tissues, MetaXcan's inverse, p-values under the null."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scomics_lite import simulate
from scomics_lite.twas.associations.multiple_models import multixcan
from scomics_lite.twas.associations.prediction import predict_expression
from scomics_lite.twas.associations.summary_association import s_predixcan
from scomics_lite.twas.associations.summary_multiple_models import joint_test, s_multixcan
from scomics_lite.twas.exchange.covariance_files import Covariances, covariances
from scomics_lite.twas.exchange.models import PredictionModel
from scomics_lite.validation import InputError

COLUMNS = (
    "gene gene_name pvalue n n_indep p_i_best t_i_best p_i_worst t_i_worst eigen_max eigen_min eigen_min_kept "
    "z_min z_max z_mean z_sd tmi status"
)


@pytest.fixture(scope="module")
def panel():
    return simulate.genotypes(400, 300, rng=1)


def drawn_models(panel, n_genes, tissues, rng, n_snps=4, window=20):
    """Models in which a gene's SNPs lie near each other; tissues share some of them."""
    models, var = {}, panel.var[["ref_allele", "eff_allele"]]
    for tissue in tissues:
        rows = []
        for gene in range(n_genes):
            snps = gene * (300 - window) // n_genes + rng.choice(window, n_snps, replace=False)
            own = var.iloc[snps].rename_axis("rsid").reset_index()
            rows.append(own.assign(gene=f"g{gene}", weight=rng.standard_normal(n_snps)))
        models[tissue] = PredictionModel(pd.concat(rows, ignore_index=True))
    return models


def gwas_of(panel, zscores):
    """A GWAS with these z-scores of the effect alleles."""
    alleles = {"effect_allele": panel.var["eff_allele"], "non_effect_allele": panel.var["ref_allele"]}
    gwas = pd.DataFrame({"snp": panel.var_names, **alleles, "zscore": zscores}).reset_index(drop=True)
    gwas.attrs["columns"] = {}
    return gwas


def null_zscores(panel, rng):
    x = panel.X - panel.X.mean(axis=0)
    return (x / np.sqrt(np.sum(x**2, axis=0))).T @ rng.standard_normal(len(x))


def of_tissues(gwas, models, known):
    return {tissue: s_predixcan(gwas, model, known, progress=False) for tissue, model in models.items()}


def test_one_tissue_is_s_predixcan(panel):
    rng = np.random.default_rng(2)
    models, gwas = drawn_models(panel, 10, ["liver"], rng), gwas_of(panel, 2 * null_zscores(panel, rng))
    known = covariances(panel, models)
    results = of_tissues(gwas, models, known)
    joint = s_multixcan(results, models, known).set_index("gene")
    single = results["liver"].set_index("gene")
    np.testing.assert_allclose(joint["pvalue"].loc[single.index], single["pvalue"], rtol=1e-9)
    assert joint["z_sd"].isna().all()
    assert (joint["status"] == "ok").all()


def test_the_same_tissue_three_times_is_one_tissue(panel):
    rng = np.random.default_rng(3)
    one = drawn_models(panel, 8, ["liver"], rng)
    models = {name: one["liver"] for name in ("a", "b", "c")}
    known = covariances(panel, models)
    results = of_tissues(gwas_of(panel, 2 * null_zscores(panel, rng)), models, known)
    table = s_multixcan(results, models, known)
    np.testing.assert_allclose(table["pvalue"], results["a"].set_index("gene")["pvalue"].loc[table["gene"]], rtol=1e-8)
    assert (table["n_indep"] == 1).all()
    assert (table["n"] == 3).all()
    np.testing.assert_allclose(table["eigen_max"], 3)
    np.testing.assert_allclose(table["z_sd"], 0, atol=1e-12)


def test_two_tissues_have_a_closed_form():
    w = pd.DataFrame({"rsid": ["rs1", "rs2"], "gene": "g", "weight": [0.4, 0.3], "ref_allele": "A", "eff_allele": "G"})
    sigma = np.array([[0.5, 0.2], [0.2, 0.3]])
    models = {"liver": PredictionModel(w), "lung": PredictionModel(w[:1])}
    known = Covariances.from_matrices({"g": pd.DataFrame(sigma, ["rs1", "rs2"], ["rs1", "rs2"])})
    results = {tissue: pd.DataFrame({"gene": ["g"], "zscore": [z]}) for tissue, z in (("liver", 3.0), ("lung", -1.0))}
    v = np.array([0.4, 0.3]) @ sigma @ [0.4, 0.3]
    rho = (0.4 * 0.5 + 0.3 * 0.2) / np.sqrt(v * 0.5)
    statistic = (9 + 6 * rho + 1) / (1 - rho**2)
    row = s_multixcan(results, models, known, condition_number=1000).iloc[0]
    np.testing.assert_allclose(row["pvalue"], stats.chi2.sf(statistic, 2), rtol=1e-10)
    np.testing.assert_allclose([row["eigen_max"], row["eigen_min"]], [1 + rho, 1 - rho], rtol=1e-10)
    assert list(row.index) == COLUMNS.split()
    expected = {
        "gene_name": "g",
        "t_i_best": "liver",
        "t_i_worst": "lung",
        "z_min": -1,
        "z_max": 3,
        "z_mean": 1,
        "tmi": 2,
    }
    assert {name: row[name] for name in expected} == expected
    np.testing.assert_allclose(row["z_sd"], np.std([3, -1], ddof=1))
    np.testing.assert_allclose([row["p_i_best"], row["p_i_worst"]], 2 * stats.norm.sf([3, 1]))


def test_it_is_the_regression_on_all_tissues_in_the_same_people(panel):
    # With z = sqrt(n) r of each SNP, and the GWAS's people as the panel, the statistic is n R².
    rng = np.random.default_rng(4)
    models = drawn_models(panel, 6, ["a", "b", "c"], rng, n_snps=3)
    x, y = panel.to_df(), rng.standard_normal(panel.n_obs)
    y = y + 0.2 * stats.zscore(x.iloc[:, 3]) - 0.2 * stats.zscore(x.iloc[:, 100])
    zscores = np.sqrt(len(y)) * np.array([np.corrcoef(x[snp], y)[0, 1] for snp in x])
    known = covariances(panel, models)
    results = of_tissues(gwas_of(panel, zscores), models, known)
    table = s_multixcan(results, models, known, condition_number=1e9).set_index("gene")
    for gene in table.index:
        own = [model.of(gene) for model in models.values()]
        predicted = np.column_stack([x[part["rsid"]].to_numpy() @ part["weight"].to_numpy() for part in own])
        centred = predicted - predicted.mean(axis=0)
        fitted = centred @ np.linalg.lstsq(centred, y - y.mean(), rcond=None)[0]
        statistic = len(y) * np.sum(fitted**2) / np.sum((y - y.mean()) ** 2)
        np.testing.assert_allclose(table["pvalue"][gene], stats.chi2.sf(statistic, 3), rtol=1e-6)


def test_it_agrees_with_multixcan_of_the_same_people(panel):
    # F tests know the residual variance of the people, chi-squared does not: with 400 people nearly the same.
    rng = np.random.default_rng(11)
    models = drawn_models(panel, 10, ["a", "b", "c"], rng)
    x = panel.to_df()
    y = pd.Series(rng.standard_normal(len(x)) + 0.15 * stats.zscore(x.iloc[:, 40]), x.index)
    zscores = np.sqrt(len(y)) * np.array([np.corrcoef(x[snp], y)[0, 1] for snp in x])
    known = covariances(panel, models)
    summary = s_multixcan(of_tissues(gwas_of(panel, zscores), models, known), models, known).set_index("gene")
    people = multixcan({name: predict_expression(panel, model) for name, model in models.items()}, y).set_index("gene")
    assert (summary["n_indep"] == people["n_used"].loc[summary.index]).all()
    np.testing.assert_allclose(summary["eigen_max"], people["max_eigen"].loc[summary.index], rtol=1e-6)
    log_p = np.log10(people["pvalue"].loc[summary.index])
    np.testing.assert_allclose(np.log10(summary["pvalue"]), log_p, rtol=0.05, atol=0.02)


def test_the_inverse_is_metaxcan_s_truncated_one():
    rng = np.random.default_rng(5)
    for _ in range(50):
        t = rng.integers(2, 9)
        factors = rng.standard_normal((t, 40)) * rng.choice([1, 0.05], 40) + rng.standard_normal(40)
        correlation, z = np.corrcoef(factors), 3 * rng.standard_normal(t)
        singular = np.linalg.svd(correlation)[1]
        for condition_number in (5, 30, 1000):
            joint = joint_test(z, correlation, condition_number)
            inverse = np.linalg.pinv(correlation, rcond=1 / condition_number, hermitian=True)
            np.testing.assert_allclose(joint.statistic, z @ inverse @ z, rtol=1e-7)
            assert joint.n_indep == np.sum(singular >= singular[0] / condition_number)
            np.testing.assert_allclose(joint.eigenvalues, singular, atol=1e-10)


def test_under_no_association_p_values_are_uniform(panel):
    rng = np.random.default_rng(6)
    models = drawn_models(panel, 12, ["a", "b", "c", "d"], rng)
    known = covariances(panel, models)
    expression = {tissue: predict_expression(panel, model).apply(stats.zscore) for tissue, model in models.items()}
    pvalues = []
    for _ in range(40):
        noise = rng.standard_normal(panel.n_obs) / np.sqrt(panel.n_obs)
        results = {tissue: pd.DataFrame({"gene": x.columns, "zscore": noise @ x}) for tissue, x in expression.items()}
        pvalues.append(s_multixcan(results, models, known)["pvalue"].to_numpy())
    pvalues = np.array(pvalues)
    for level in (0.05, 0.2, 0.5):
        by_gwas = (pvalues < level).mean(axis=1)  # genes of a GWAS are in LD
        assert abs(by_gwas.mean() - level) < 3.5 * by_gwas.std() / np.sqrt(40)


def test_the_order_of_tissues_does_not_matter(panel):
    rng = np.random.default_rng(7)
    models = drawn_models(panel, 10, ["a", "b", "c"], rng)
    known = covariances(panel, models)
    results = of_tissues(gwas_of(panel, 2 * null_zscores(panel, rng)), models, known)
    table = s_multixcan(results, models, known)
    turned = s_multixcan({name: results[name] for name in "cab"}, {name: models[name] for name in "bca"}, known)
    pd.testing.assert_frame_equal(table, turned, rtol=1e-9)


def test_models_that_code_a_snp_oppositely_are_aligned(panel):
    rng = np.random.default_rng(8)
    models = drawn_models(panel, 10, ["a", "b"], rng, n_snps=6, window=8)
    known = covariances(panel, models)  # as "a" codes SNPs; those of "b" alone as "b" does
    results = of_tissues(gwas_of(panel, 2 * null_zscores(panel, rng)), models, known)
    weights = models["b"].weights
    first = pd.MultiIndex.from_frame(models["a"].weights[["gene", "rsid"]])
    shared = pd.MultiIndex.from_frame(weights[["gene", "rsid"]]).isin(first)
    assert 10 < shared.sum() < len(weights)
    letters = weights[["ref_allele", "eff_allele"]].to_numpy()
    weights = weights.assign(weight=np.where(shared, -weights["weight"], weights["weight"]))
    weights[["ref_allele", "eff_allele"]] = np.where(shared[:, None], letters[:, ::-1], letters)
    turned = {"a": models["a"], "b": PredictionModel(weights)}
    pd.testing.assert_frame_equal(s_multixcan(results, turned, known), s_multixcan(results, models, known), rtol=1e-9)
    alone = {"b": results["b"]}  # "a" says how the covariances are coded, though it has no results here
    pd.testing.assert_frame_equal(s_multixcan(alone, turned, known), s_multixcan(alone, models, known), rtol=1e-9)


def test_correlations_use_the_snps_of_the_gwas(panel):
    rng = np.random.default_rng(9)
    models = drawn_models(panel, 10, ["a", "b"], rng)
    known = covariances(panel, models)
    gwas = gwas_of(panel, 2 * null_zscores(panel, rng))
    gwas = gwas[rng.random(len(gwas)) < 0.7].reset_index(drop=True)
    results = of_tissues(gwas, models, known)
    with pytest.warns(UserWarning, match="z-scores of the results come from another number of SNPs.*Give gwas="):
        s_multixcan(results, models, known)
    table = s_multixcan(results, models, known, gwas=gwas)  # the advice: no warning
    there = {
        name: PredictionModel(model.weights[model.weights["rsid"].isin(gwas["snp"])]) for name, model in models.items()
    }
    fewer = s_multixcan(of_tissues(gwas, there, known), there, known)
    pd.testing.assert_frame_equal(table.drop(columns="status"), fewer.drop(columns="status"), rtol=1e-9)


def test_covariances_may_name_snps_by_varid(panel):
    rng = np.random.default_rng(10)
    models = drawn_models(panel, 5, ["a", "b"], rng)
    known, gwas = covariances(panel, models), gwas_of(panel, null_zscores(panel, rng))
    results = of_tissues(gwas, models, known)
    ids = panel.var["varID"]
    renamed = {gene: known.of(gene).rename(index=ids, columns=ids) for gene in known.genes}
    named = {
        name: PredictionModel(model.weights.assign(varID=ids.loc[model.weights["rsid"]].to_numpy()))
        for name, model in models.items()
    }
    pd.testing.assert_frame_equal(
        s_multixcan(results, named, Covariances.from_matrices(renamed)), s_multixcan(results, models, known)
    )


def test_a_gene_that_cannot_be_tested_says_why_and_the_others_go_on():
    w = pd.DataFrame({"rsid": ["rs1", "rs2"], "weight": [0.4, 0.3], "ref_allele": "A", "eff_allele": "G"})
    genes = ["fine", "absent", "gap", "constant", "untested", "half"]
    model = PredictionModel(pd.concat([w.assign(gene=gene) for gene in genes]))
    flat = PredictionModel(pd.concat([w.assign(gene=gene, weight=0.0) for gene in genes]))
    snps = ["rs1", "rs2"]
    good, gap, none = (
        pd.DataFrame(m, snps, snps) for m in ([[1, 0.2], [0.2, 1]], [[1, np.nan], [np.nan, 1]], np.zeros((2, 2)))
    )
    known = Covariances.from_matrices({"fine": good, "gap": gap, "constant": none, "untested": good, "half": good})
    liver = pd.DataFrame({"gene": genes, "zscore": [3.0, 1, 1, 1, np.nan, 1]})
    table = s_multixcan({"liver": liver}, {"liver": model}, known).set_index("gene")
    assert table["status"].to_dict() == {
        "fine": "ok",
        "half": "ok",
        "absent": "none of its SNPs has covariances",
        "gap": "the covariance of two of its SNPs is missing",
        "constant": "its predicted expression does not vary in any tissue",
        "untested": "no z-score in any tissue",
    }
    assert list(table.index[:2]) == ["fine", "half"]
    assert table["pvalue"][2:].isna().all()
    both = s_multixcan({"liver": liver, "lung": liver}, {"liver": model, "lung": flat}, known).set_index("gene")
    assert both["status"]["half"] == "without lung: no variance of predicted expression"
    np.testing.assert_allclose(both["pvalue"]["half"], 2 * stats.norm.sf(1))


def test_bad_input_is_refused_by_name():
    w = pd.DataFrame({"rsid": ["rs1"], "gene": "g", "weight": [0.4], "ref_allele": "A", "eff_allele": "G"})
    models = {"liver": PredictionModel(w)}
    known = Covariances.from_matrices({"g": pd.DataFrame([[1.0]], ["rs1"], ["rs1"])})
    table = pd.DataFrame({"gene": ["g"], "zscore": [3.0]})
    with pytest.raises(InputError, match="tissue 'Liver' of the results has no model; did you mean 'liver'"):
        s_multixcan({"Liver": table}, models, known)
    with pytest.raises(InputError, match="no column 'zscore'"):
        s_multixcan({"liver": table.rename(columns={"zscore": "z"})}, models, known)
    twice = pd.concat([table, table])
    with pytest.raises(InputError, match="gene 'g' comes twice in the results of 'liver'"):
        s_multixcan({"liver": twice}, models, known)
    s_multixcan({"liver": twice.drop_duplicates("gene")}, models, known)  # the advice
    with pytest.raises(InputError, match="results holds no tissue"):
        s_multixcan({}, models, known)
    with pytest.raises(InputError, match="condition_number"):
        s_multixcan({"liver": table}, models, known, condition_number=0)
