"""From ctPred to weights of SNPs: what is learned, what every gene's status says, and files that others read."""

import json

import anndata
import numpy as np
import pandas as pd
import pytest

from scomics_lite.twas import (
    LinearModels,
    covariances,
    elastic_net_path,
    kkt_violation,
    linearise,
    predict_expression,
    read_covariance,
    read_gwas,
    read_model,
    s_multixcan,
    s_predixcan,
    train_models,
)
from scomics_lite.twas.linearised.linear_fits import fit_cell_types
from scomics_lite.twas.linearised.model_folders import file_stems
from scomics_lite.twas.weights.cross_validation import nested_cross_validation
from scomics_lite.validation import InputError

QUICK = {"folds": 4, "window": 2e4, "progress": False}


def make_predictions(n=120, n_genes=4, snps_each=12, seed=0):
    """Genes 100 kb apart; in each, two cell types make something bent of three SNPs near the start, without noise."""
    rng = np.random.default_rng(seed)
    m = n_genes * snps_each
    x = rng.binomial(2, 0.3, (n, m)).astype(np.int8)
    position = np.concatenate([gene * 100_000 + np.arange(snps_each) * 1_000 for gene in range(n_genes)])
    snps = pd.DataFrame({"chromosome": "1", "position": position, "ref_allele": "A", "eff_allele": "G"})
    dosages = anndata.AnnData(
        x, pd.DataFrame(index=[f"p{i}" for i in range(n)]), snps.set_index("rs" + snps.index.astype(str))
    )
    names = [f"g{i}" for i in range(n_genes)]
    near = x.reshape(n, n_genes, snps_each)[:, :, 4:7].astype(float)
    layers = {}
    for cell_type in ("B cell", "T/NK"):
        score = np.einsum("ngs,gs->ng", near, rng.normal(0, 0.4, (n_genes, 3))) + 0.2 * near[:, :, 0] * near[:, :, 1]
        layers[cell_type] = (1 / (1 + np.exp(-score))).astype(np.float32)
    genes = pd.DataFrame({"chromosome": "chr1", "tss": np.arange(n_genes) * 100_000 + 5_000}, names)
    return dosages, anndata.AnnData(obs=dosages.obs.copy(), var=genes.copy(), layers=layers), genes


@pytest.fixture(scope="module")
def study():
    return make_predictions()


@pytest.fixture(scope="module")
def linear(study):
    return linearise(*study, **QUICK)


def test_linear_models_come_near_to_what_is_nearly_linear(study, linear):
    dosages, predicted, _ = study
    assert isinstance(linear, LinearModels)
    assert linear.fidelity["status"].eq("kept").all()
    assert linear.fidelity["fidelity"].between(0.8, 1).all()
    for cell_type, model in linear.models.items():
        said = predict_expression(dosages, model)
        for gene in model.genes:
            row = linear.fidelity.query("cell_type == @cell_type and gene == @gene").iloc[0]
            r = np.corrcoef(said[gene], predicted.to_df(cell_type)[gene])[0, 1]
            assert r**2 >= row["fidelity_in_sample"] - 1e-6 > row["fidelity"] - 0.02


def test_a_gene_that_is_a_sum_of_dosages_is_found_whole():
    dosages, predicted, genes = make_predictions()
    predicted.layers["B cell"][:, 0] = 0.3 + dosages.X[:, [4, 5]] @ [0.1, -0.05]
    found = linearise(dosages, predicted, genes, **QUICK)
    weights = found.models["B cell"].of("g0").set_index("rsid")["weight"]
    assert weights["rs4"] == pytest.approx(0.1, abs=0.01)
    assert weights["rs5"] == pytest.approx(-0.05, abs=0.01)
    assert found.fidelity["fidelity"].iloc[0] > 0.99


def test_every_gene_has_a_status_in_every_cell_type():
    dosages, predicted, genes = make_predictions(n_genes=5)
    rng = np.random.default_rng(1)
    predicted.layers["B cell"][:, 0] = 0.7  # the same for all
    predicted.layers["T/NK"][:, 1] = np.nan  # refused by whoever predicted
    predicted.layers["B cell"][:, 2] = rng.random(predicted.n_obs)  # nothing that SNPs could say
    genes.loc["g3", "chromosome"] = "9"
    found = linearise(dosages, predicted, genes.assign(genename="name"), **QUICK)
    status = found.fidelity.set_index(["gene", "cell_type"])["status"].unstack()  # noqa: PD010
    assert status.loc["g0"].tolist() == ["constant prediction", "kept"]
    assert status.loc["g1"].tolist() == ["kept", "no prediction"]
    assert status.loc["g2", "B cell"] in ("not predictive", "no weights")
    assert status.loc["g3"].tolist() == ["no SNP in window"] * 2
    assert status.loc["g4"].tolist() == ["kept", "kept"]
    assert "g0" not in found.models["B cell"]
    assert len(found.fidelity) == 10
    assert found.fidelity["genename"].eq("name").all()


def test_numbers_of_snps_are_whole_where_a_gene_was_not_tried_too():
    dosages, predicted, genes = make_predictions(n_genes=2)
    found = linearise(dosages, predicted, genes.drop(index="g1"), **QUICK)
    table = found.fidelity.set_index("gene")
    assert table["status"].to_dict() == {"g0": "kept", "g1": "not in genes"}
    assert table["n_window"].dtype == table["n_snps"].dtype == "Int64"
    assert (table.loc["g0", "n_window"] == 12).all()
    assert table.loc["g1", ["n_snps", "n_window"]].isna().all(axis=None)


def test_cross_validation_says_the_same_as_folds_within_folds(study):
    dosages, predicted, _ = study
    for gene in range(3):
        x, y = dosages.X[:, gene * 12 : gene * 12 + 12], predicted.layers["B cell"][:, gene]
        fit = fit_cell_types("g", x, y[:, None], [0], folds=10)["fits"][0]
        nested = nested_cross_validation(pd.DataFrame(x), y.astype(float))
        assert fit["rho_avg"] == pytest.approx(nested.rho_avg, abs=0.02)
        assert fit["fidelity"] == pytest.approx(nested.r2_avg, abs=0.03)


def test_weights_are_those_that_train_models_learns(study):
    dosages, predicted, genes = study
    folds = 4
    model, _ = train_models(dosages, predicted.to_df("T/NK"), genes, around="tss", window=2e4, folds=folds,
                            progress=False, keep="all")  # fmt: skip
    ours = linearise(*study, **QUICK).models["T/NK"]
    for gene in ("g0", "g1"):
        one, other = (each.of(gene).set_index("rsid")["weight"] for each in (model, ours))
        both = pd.concat([one, other], axis=1).fillna(0)  # other folds, and so another λ
        assert np.corrcoef(both.T)[0, 1] > 0.999


def test_snps_are_filtered_once_and_told_of():
    dosages, predicted, genes = make_predictions()
    dosages.X[:, 0] = 0
    dosages.X[0, 1] = 1
    dosages.X[1:, 1] = 0
    dosages.var.loc["rs2", ["ref_allele", "eff_allele"]] = ["A", "T"]
    with pytest.warns(UserWarning, match="3 of 48 SNPs are left out"):
        found = linearise(dosages, predicted, genes, **QUICK)
    assert found.snps.loc[["rs0", "rs1", "rs2"], "keep"].tolist() == [False] * 3
    assert not {"rs0", "rs1", "rs2"} & set(found.models["B cell"].weights["rsid"])
    with pytest.warns(UserWarning, match="2 of 48 SNPs"):
        found = linearise(dosages, predicted, genes, **QUICK, filters={"ambiguous": False})
    assert found.snps["keep"].sum() == 46
    with pytest.raises(InputError, match="filters has 'maff'"):
        linearise(dosages, predicted, genes, **QUICK, filters={"maff": 0.1})
    with pytest.raises(InputError, match="none of 48 SNPs passes the filters, most often"):
        linearise(dosages, predicted, genes, **QUICK, filters={"maf": 0.5})


def test_files_are_read_back_as_they_were_written(study, linear, tmp_path):
    paths = linear.write(tmp_path / "linear")
    assert {model.name for model, _ in paths.values()} == {"B_cell.db", "T_NK.db"}
    for cell_type, (path, covariance_path) in paths.items():
        model, covariance = read_model(path), read_covariance(covariance_path)
        pd.testing.assert_frame_equal(model.weights, linear.models[cell_type].weights)
        pd.testing.assert_frame_equal(model.extra, linear.models[cell_type].extra)
        pd.testing.assert_frame_equal(covariance.of("g0"), linear.covariances[cell_type].of("g0"), rtol=1e-6)
    fidelity = pd.read_csv(tmp_path / "linear" / "fidelity.csv", dtype={"n_snps": "Int64", "n_window": "Int64"})
    pd.testing.assert_frame_equal(fidelity, linear.fidelity, rtol=1e-12)
    with pytest.raises(InputError, match=r"B_cell\.db"):
        linear.write(tmp_path / "linear")
    linear.write(tmp_path / "linear", overwrite=True)


def test_a_cell_type_without_genes_has_an_empty_model_that_says_why(tmp_path):
    dosages, predicted, genes = make_predictions()
    predicted.layers["B cell"][:] = 0.5
    with pytest.warns(UserWarning, match="no gene is kept in 1 of 2 cell types, 'B cell'"):
        found = linearise(dosages, predicted, genes, **QUICK)
    assert list(found.write(tmp_path / "linear")) == ["T/NK"]
    assert not (tmp_path / "linear" / "B_cell.txt.gz").exists()
    empty = read_model(tmp_path / "linear" / "B_cell.db")
    assert len(empty) == 0
    assert empty.others["training"]["status"].eq("constant prediction").all()
    predicted.layers["T/NK"][:] = 0.5
    with pytest.warns(UserWarning, match="no gene is kept in 2 of 2 cell types"):
        found = linearise(dosages, predicted, genes, **QUICK)
    assert found.write(tmp_path / "none") == {}
    assert found.fidelity["status"].eq("constant prediction").all()


def test_cell_types_with_the_same_file_name_are_refused():
    with pytest.raises(InputError, match=r"'CD4 T' and 'CD4/T' would have the same file, CD4_T\.db"):
        file_stems(["CD4 T", "CD4/T"])
    with pytest.raises(InputError, match="would have the same file"):
        file_stems(["nk", "NK"])


def make_gwas(dosages, seed=3):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=dosages.n_vars)
    table = pd.DataFrame({"snp": dosages.var_names, "effect_allele": "G", "non_effect_allele": "A"})
    return read_gwas(table.assign(beta=0.01 * z, se=0.01))


def test_s_predixcan_and_s_multixcan_run_on_what_was_written(study, linear, tmp_path):
    dosages, _, _ = study
    gwas = make_gwas(dosages)
    results = {}
    for cell_type, (path, covariance_path) in linear.write(tmp_path / "linear").items():
        model = read_model(path)
        results[cell_type] = s_predixcan(gwas, model, read_covariance(covariance_path), progress=False)
        for row in results[cell_type].itertuples():
            weights = model.of(row.gene).set_index("rsid")["weight"]
            sigma = np.cov(dosages[:, weights.index].X.T.astype(float), ddof=1).reshape(len(weights), -1)
            z = gwas.set_index("snp").loc[weights.index, "zscore"]
            by_hand = weights @ (np.sqrt(np.diag(sigma)) * z) / np.sqrt(weights @ sigma @ weights)
            assert row.zscore == pytest.approx(by_hand, rel=1e-6)
    joint = read_covariance(tmp_path / "linear" / "joint_covariances.txt.gz")
    together = s_multixcan(results, linear.models, joint, gwas=gwas)
    by_hand = s_multixcan(results, linear.models, covariances(dosages, linear.models), gwas=gwas)
    assert set(together["gene"]) == {"g0", "g1", "g2", "g3"}
    np.testing.assert_allclose(together["pvalue"], by_hand["pvalue"], rtol=1e-6)
    assert together["status"].eq("ok").all()


def same(one, other):
    for cell_type, model in one.models.items():
        pd.testing.assert_frame_equal(model.weights, other.models[cell_type].weights, rtol=1e-12)
    pd.testing.assert_frame_equal(one.fidelity, other.fidelity, rtol=1e-12)


def test_a_run_that_was_killed_ends_with_the_same_numbers_and_bytes(study, linear, tmp_path):
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    same(linearise(*study, **QUICK, resume=whole), linear)
    killed.write_bytes(whole.read_bytes()[:1500])  # in the middle of a gene
    same(linearise(*study, **QUICK, resume=killed), linear)
    assert killed.read_bytes() == whole.read_bytes()
    dosages, predicted, genes = make_predictions()
    predicted.layers["B cell"][0, 0] += 0.1
    with pytest.raises(InputError, match="was begun with other expression"):
        linearise(dosages, predicted, genes, **QUICK, resume=whole)
    with pytest.raises(InputError, match="was begun with other folds"):
        linearise(*study, **(QUICK | {"folds": 5}), resume=whole)


def test_genes_do_not_depend_on_each_other(study, linear):
    dosages, predicted, genes = study
    alone = linearise(dosages, predicted, genes.loc[["g2"]], **QUICK)
    pd.testing.assert_frame_equal(alone.models["T/NK"].of("g2"), linear.models["T/NK"].of("g2"), rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d, p, g: (d, p.to_df("B cell"), g), "predicted is an AnnData, people × genes with a layer a cell type"),
        (lambda d, p, g: (d.to_df(), p, g), "training needs each SNP's place and alleles"),
        (lambda d, p, g: (d, p, g.drop(columns="tss")), "genes has no column tss"),
        (lambda d, p, g: (d[:10].copy(), p[:10].copy(), g), "dosages and predicted share 10 people; 20 are needed"),
        (lambda d, p, g: (d, p, g.set_axis(["a", "b", "c", "d"])), "no gene is in both"),
    ],
)
def test_bad_input_is_named(study, change, message):
    with pytest.raises(InputError, match=message):
        linearise(*change(*study), **QUICK)


def test_weights_move_with_the_units_and_z_scores_do_not(study, linear):
    dosages, predicted, genes = study
    layers = {name: predicted.layers[name] * 100 for name in predicted.layers}
    percent = linearise(dosages, anndata.AnnData(obs=predicted.obs, var=predicted.var, layers=layers), genes, **QUICK)
    model, other = linear.models["B cell"], percent.models["B cell"]
    np.testing.assert_allclose(other.weights["weight"], 100 * model.weights["weight"], rtol=1e-4)
    gwas = make_gwas(dosages)
    one, hundred = (
        s_predixcan(gwas, each.models["B cell"], each.covariances["B cell"], progress=False).set_index("gene")
        for each in (linear, percent)
    )
    np.testing.assert_allclose(one["zscore"], hundred.loc[one.index, "zscore"], rtol=1e-4)
    np.testing.assert_allclose(one["effect_size"], 100 * hundred.loc[one.index, "effect_size"], rtol=1e-4)


def test_results_are_lines_of_json(study):
    dosages, predicted, _ = study
    y = np.column_stack([predicted.layers[name][:, 0] for name in predicted.layers])
    result = fit_cell_types("g0", dosages.X[:, :12], y, [0], folds=3)
    assert json.loads(json.dumps(result)) == result


def test_no_elastic_net_gives_the_weights_of_the_worked_example():
    """Three people, SNPs in perfect LD (rs1 = 2 - 2 rs3); weights of (0.12, -0.05, 0) were told for them."""
    dosages = pd.DataFrame([[2, 1, 0], [0, 2, 1], [2, 0, 0]], columns=["rs1", "rs2", "rs3"])
    y, told = np.array([0.63, 0.45, 0.70]), np.array([0.12, -0.05, 0.0])
    # A weight above 0 needs a SNP that goes up with what is left (KKT); rs1 goes down, whatever λ and mixing are.
    left = y - dosages.to_numpy() @ told
    centred = dosages - dosages.mean()
    assert (centred.T @ left / 3).round(4).tolist() == [-0.0444, 0.03, 0.0222]
    # Without an intercept rs2, whose weight is below 0, would have to go down with what is left.
    assert (dosages.T @ left / 3).round(3).tolist() == [0.6, 0.513, 0.183]
    nearest, violations = {}, []
    for standardize in (True, False):
        for mixing in np.linspace(0, 1, 21):
            path = elastic_net_path(
                dosages, y, mixing=mixing, standardize=standardize, lambdas=np.geomspace(1e-6, 10, 200)
            )
            distance = np.sqrt(((path.coefficients - told) ** 2).sum(axis=1))
            nearest[standardize, round(mixing, 2)] = distance.min()
            assert path.coefficients["rs1"].max() < 0.0561
            violations += [
                kkt_violation(dosages, y, told, left.mean(), lambda_, mixing, standardize)
                for lambda_ in (1e-4, 0.01, 1)
            ]
    assert min(violations) > 1  # of λ itself
    assert min(nearest.values()) == pytest.approx(0.065, abs=0.001)
    assert min(nearest, key=nearest.get)[0] is False
