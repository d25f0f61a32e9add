"""S-PrediXcan: the formula against plain loops, against people, the policy table, the ledger and the correction."""

import numpy as np
import pandas as pd
import pytest
from distributed import Client
from fixtures import associations
from scipy import stats

from scomics_lite import simulate
from scomics_lite.twas.associations.summary_association import METAXCAN, associate, s_predixcan
from scomics_lite.twas.exchange.covariance_files import covariances
from scomics_lite.twas.exchange.models import PredictionModel
from scomics_lite.validation import InputError

NUMBERS = ["zscore", "effect_size", "var_g"]


def run(gwas, model, matrices, **kwargs):
    """The table by gene."""
    return s_predixcan(gwas, model, associations.covariances(matrices), progress=False, **kwargs).set_index("gene")


def same(table, other):
    pd.testing.assert_frame_equal(table[NUMBERS], other[NUMBERS].loc[table.index], check_names=False, rtol=1e-10)


# --- the formula ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_all_genes_at_once_are_the_formula_gene_by_gene(seed):
    rng = np.random.default_rng(seed)
    gwas, model, matrices = associations.study(sizes=rng.integers(1, 9, 40), seed=seed)
    gwas = associations.as_read(
        gwas.sample(frac=0.8, random_state=seed)
    )  # some SNPs are not there; the order is another
    swapped = rng.random(len(gwas)) < 0.5
    effect, other = gwas["effect_allele"], gwas["non_effect_allele"]
    gwas = gwas.assign(effect_allele=effect.where(~swapped, other), non_effect_allele=other.where(~swapped, effect))
    table = run(gwas, model, matrices)
    same(table, associations.by_loops(gwas, model, matrices))
    tested = table[table["n_snps_used"] > 0]
    assert tested["pvalue"].to_numpy() == pytest.approx(2 * stats.norm.sf(tested["zscore"].abs()), rel=1e-12)
    assert (tested["status"] == "ok").all()
    assert table["pvalue"].dropna().is_monotonic_increasing
    assert not table["pvalue"].isna().to_numpy()[: len(tested)].any()


def test_the_table_begins_with_metaxcan_s_columns_and_is_numbered():
    gwas, model, matrices = associations.study()
    table = s_predixcan(gwas, model, associations.covariances(matrices), progress=False)
    assert list(table.columns[:12]) == METAXCAN
    assert isinstance(table.index, pd.RangeIndex)
    assert table.attrs == {"snp_key": "rsid"}
    assert table[["n_snps_used", "n_snps_in_cov", "n_snps_in_model", "n_flipped"]].dtypes.eq(np.int64).all()


def test_paths_and_tables_give_the_same(tmp_path):
    gwas, model, matrices = associations.study()
    gwas.to_csv(tmp_path / "gwas.txt", sep="\t", index=False)
    model.write(tmp_path / "model.db")
    associations.covariances(matrices).write(tmp_path / "covariance.txt.gz")
    files = (str(tmp_path / "gwas.txt"), tmp_path / "model.db", tmp_path / "covariance.txt.gz")
    same(s_predixcan(*files, progress=False).set_index("gene"), run(gwas, model, matrices))


def test_a_table_with_usual_headers_is_read_as_a_file_would_be():
    gwas, model, matrices = associations.study()
    usual = gwas[["snp", "effect_allele", "non_effect_allele", "beta", "se"]]
    usual = usual.set_axis(["rsid", "effect_allele", "other_allele", "BETA", "SE"], axis=1)
    usual.attrs = {}
    same(run(usual, model, matrices), run(gwas, model, matrices))


def test_workers_give_the_same_numbers():
    gwas, model, matrices = associations.study(sizes=range(1, 12))
    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as client:
        pd.testing.assert_frame_equal(run(gwas, model, matrices, client=client), run(gwas, model, matrices))


def test_the_order_of_files_does_not_matter():
    gwas, model, matrices = associations.study(sizes=(4, 4, 4, 2))
    backwards = {gene: matrices[gene].iloc[::-1, ::-1] for gene in reversed(matrices)}
    same(run(associations.as_read(gwas[::-1]), model, backwards), run(gwas, model, matrices))


def test_large_genes_are_computed_in_several_stacks(monkeypatch):
    gwas, model, matrices = associations.study(sizes=(5,) * 12)
    whole = run(gwas, model, matrices)
    monkeypatch.setattr("scomics_lite.twas.associations.gene_stacks.STACK", 60)
    same(run(gwas, model, matrices), whole)


def test_z_of_one_snp_is_its_z_with_the_sign_of_the_weight():
    found = associate(np.array([[-0.2]]), np.array([[3.0]]), np.array([[0.3]]), np.array([[[0.4]]]))
    assert (found["zscore"][0], found["effect_size"][0], found["condition_number"][0]) == pytest.approx((-3, -1.5, 1))


def test_tails_stay_accurate_as_far_as_doubles_go():
    gwas, model, matrices = associations.study(sizes=(1, 1))
    gwas["zscore"] = [37.0, 45.0]
    table = run(gwas, model, matrices)
    assert np.log(table.loc["g0", "pvalue"]) == pytest.approx(np.log(2) + stats.norm.logsf(37), rel=1e-12)
    assert table.loc["g1", "pvalue"] == 0
    assert table.index[0] == "g1"  # sorted by |z|, where p-values have no digits left


def test_a_gwas_without_effects_gives_z_alone():
    gwas, model, matrices = associations.study()
    table = run(associations.as_read(gwas.drop(columns=["beta", "se"])), model, matrices)
    assert table["effect_size"].isna().all()
    assert (table["zscore"] == run(gwas, model, matrices)["zscore"]).all()


# --- truth ------------------------------------------------------------------------------------------------------------


def people_and_model(n=600, genes=30, rng=4):
    """Genotypes with LD and a model of SNPs that lie near each other."""
    rng = np.random.default_rng(rng)
    panel = simulate.genotypes(n, 20 * genes, rng=1)
    rows = []
    for gene in range(genes):
        own = panel.var.iloc[20 * gene + rng.choice(20, 6, replace=False)].rename_axis("rsid").reset_index()
        rows.append(own.assign(gene=f"g{gene}", weight=rng.normal(size=6)))
    return panel, PredictionModel(pd.concat(rows)[["rsid", "gene", "weight", "ref_allele", "eff_allele"]])


def gwas_of(panel, trait):
    """Simple regressions of a trait on each SNP, as a GWAS makes them."""
    x, y = panel.X - panel.X.mean(axis=0), trait - trait.mean()
    sxx = np.sum(x**2, axis=0)
    beta = x.T @ y / sxx
    se = np.sqrt(np.sum((y[:, None] - x * beta) ** 2, axis=0) / (len(y) - 2) / sxx)
    rows = {"snp": panel.var_names, "effect_allele": panel.var["eff_allele"], "beta": beta, "zscore": beta / se}
    gwas = pd.DataFrame(rows | {"non_effect_allele": panel.var["ref_allele"]}).reset_index(drop=True)
    return associations.as_read(gwas)


def test_people_and_summaries_agree_where_the_panel_is_the_gwas():
    panel, model = people_and_model()
    rng = np.random.default_rng(5)
    expression = {g: panel[:, model.of(g)["rsid"]].X @ model.of(g)["weight"].to_numpy() for g in model.genes}
    trait = 0.3 * stats.zscore(expression["g3"]) + rng.normal(size=panel.n_obs)
    table = s_predixcan(gwas_of(panel, trait), model, covariances(panel, model), progress=False).set_index("gene")
    slopes = {g: stats.linregress(t, trait) for g, t in expression.items()}
    effects = pd.Series({g: line.slope for g, line in slopes.items()})
    z = pd.Series({g: line.slope / line.stderr for g, line in slopes.items()})
    assert table["effect_size"].to_numpy() == pytest.approx(effects[table.index].to_numpy(), rel=1e-6)  # exactly
    small = z.abs() < 3  # z-scores differ by the variance that other SNPs explain, of second order in z / sqrt(n)
    assert table["zscore"][z.index[small]].to_numpy() == pytest.approx(z[small].to_numpy(), abs=0.02)
    assert table.index[0] == "g3"
    variances = pd.Series({g: np.var(t, ddof=1) for g, t in expression.items()})
    assert table["var_g"].to_numpy() == pytest.approx(variances[table.index].to_numpy(), rel=1e-6)


def test_p_values_are_uniform_under_the_null():
    panel, model = people_and_model(n=400, genes=40)
    known = covariances(panel, model)
    rng = np.random.default_rng(6)
    traits = (rng.normal(size=panel.n_obs) for _ in range(25))
    p = np.concatenate([s_predixcan(gwas_of(panel, t), model, known, progress=False)["pvalue"] for t in traits])
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / len(p)))


# --- policies ---------------------------------------------------------------------------------------------------------


def test_the_same_snp_in_two_genes_with_opposite_coding_is_right_for_both():
    # rs1 to rs3 are the SNPs of both genes. g1 counts the other allele: its weights and covariances turn their signs.
    _, model, matrices = associations.study(sizes=(3,))
    gwas = associations.study(sizes=(3,))[0]
    again = model.weights.assign(gene="g1", weight=[0.1, 0.4, -0.3])
    both = {"g0": matrices["g0"], "g1": matrices["g0"]}
    right = run(gwas, PredictionModel(pd.concat([model.weights, again])), both)
    turned = again.rename(columns={"ref_allele": "eff_allele", "eff_allele": "ref_allele"})
    turned["weight"] = -turned["weight"]
    table = run(gwas, PredictionModel(pd.concat([model.weights, turned])), both)
    same(table, right)
    assert table.loc["g1", "n_flipped"] == 3


def test_other_strand_and_small_letters_change_nothing_and_are_counted():
    gwas, model, matrices = associations.study()
    right = run(gwas, model, matrices)
    letters = str.maketrans("ACGT", "tgca")
    columns = {name: gwas[name].str.translate(letters) for name in ("effect_allele", "non_effect_allele")}
    table = run(gwas.assign(**columns), model, matrices)
    same(table, right)
    assert table["n_strand"].tolist() == table["n_snps_used"].tolist()
    small = PredictionModel(
        model.weights.assign(**{n: model.weights[n].str.lower() for n in ("ref_allele", "eff_allele")})
    )
    same(run(gwas, small, matrices), right)


def test_palindromic_snps_are_counted_kept_and_dropped():
    gwas, model, matrices = associations.study(sizes=(3, 3))
    weights = model.weights.copy()
    weights.loc[[0, 1, 2, 4], ["ref_allele", "eff_allele"]] = [["A", "T"], ["C", "G"], ["T", "A"], ["A", "T"]]
    gwas[["non_effect_allele", "effect_allele"]] = weights[["ref_allele", "eff_allele"]].to_numpy()
    model = PredictionModel(weights)
    kept = run(gwas, model, matrices)
    assert kept["n_palindromic"].to_dict() == {"g0": 3, "g1": 1}
    same(kept, associations.by_loops(gwas, model, matrices))
    dropped = run(gwas, model, matrices, palindromic="drop")
    assert dropped.loc["g0", "status"] == "no usable SNP: 3 palindromic"
    without = associations.by_loops(gwas.drop(index=4), model, matrices).loc[["g1"]]
    same(dropped.loc[["g1"]], without)


def test_a_gene_without_covariances_is_a_row_with_a_reason():
    gwas, model, matrices = associations.study()
    right = run(gwas, model, matrices)
    del matrices["g2"]
    table = run(gwas, model, matrices)
    assert table.loc["g2", "status"] == "no covariances of this gene"
    assert np.isnan(table.loc["g2", ["zscore", "effect_size", "pvalue", "var_g"]].astype(float)).all()
    assert table.loc["g2", ["n_snps_used", "n_snps_in_cov", "n_snps_in_model"]].tolist() == [0, 0, 5]
    same(table.drop("g2"), right)


def test_a_missing_covariance_of_two_snps_names_them_and_spares_the_others():
    gwas, model, matrices = associations.study()
    right = run(gwas, model, matrices)
    matrices["g2"].iloc[1, 3] = matrices["g2"].iloc[3, 1] = np.nan
    table = run(gwas, model, matrices)
    assert table.loc["g2", "status"] == "the covariance of rs6 and rs8 is missing"
    assert np.isnan(table.loc["g2", ["zscore", "condition_number"]].astype(float)).all()
    same(table.drop("g2"), right)
    # With rs8 left out of the GWAS the pair is not needed.
    assert run(associations.as_read(gwas[gwas["snp"] != "rs8"]), model, matrices).loc["g2", "status"] == "ok"


def test_a_snp_without_variance_of_its_own_is_left_out():
    gwas, model, matrices = associations.study()
    matrices["g2"].loc["rs6"] = matrices["g2"]["rs6"] = np.nan
    table = run(gwas, model, matrices)
    assert table.loc["g2", ["n_snps_used", "n_snps_in_cov", "n_snps_in_model"]].tolist() == [4, 4, 5]
    same(table, associations.by_loops(gwas[gwas["snp"] != "rs6"], model, matrices))


def test_genes_without_variance_say_why():
    gwas, model, matrices = associations.study(sizes=(2, 2, 2, 2, 2))
    weights = model.weights.copy()
    weights.loc[weights["gene"] == "g0", "weight"] = 0.0
    weights.loc[weights["gene"] == "g3", "weight"] = [1.0, -1.0]
    matrices["g1"] *= 0
    matrices["g2"] = matrices["g2"] * 0 + np.array([[0.4, -0.9], [-0.9, 0.4]])
    matrices["g3"] = matrices["g3"] * 0 + 0.3  # perfect LD
    matrices["g4"].iloc[0, 0] = -0.3
    weights.loc[weights["gene"] == "g2", "weight"] = 1.0
    table = run(gwas, PredictionModel(weights), matrices)
    assert table["status"].to_dict() == {
        "g0": "all weights are zero",
        "g1": "the predicted expression has no variance",
        "g2": "negative variance: these are not covariances of dosages",
        "g3": "the predicted expression has no variance",
        "g4": "negative variance: these are not covariances of dosages",
    }
    assert table["zscore"].isna().all()
    assert table["effect_size"].isna().all()
    assert table.loc[["g0", "g1"], "var_g"].tolist() == [0, 0]


def test_near_singular_covariances_are_named_only_where_they_matter():
    gwas, model, matrices = associations.study(sizes=(2, 2))
    near = np.array([[0.4, 0.4 * (1 - 1e-6)], [0.4 * (1 - 1e-6), 0.4]])
    matrices = {gene: matrix * 0 + near for gene, matrix in matrices.items()}
    gwas["zscore"] = 2.0
    weights = model.weights.assign(weight=[0.3, 0.2, 0.3, -0.3])
    table = run(gwas, PredictionModel(weights), matrices)
    assert table["condition_number"].to_numpy() == pytest.approx(np.linalg.cond(near), rel=1e-6)
    assert table["status"].to_dict() == {"g0": "ok", "g1": "weights of SNPs in strong LD cancel: z rests on little"}
    assert table.loc["g0", "zscore"] == pytest.approx(2, rel=1e-6)
    singular = {gene: matrix * 0 + 0.3 for gene, matrix in matrices.items()}
    assert run(gwas, PredictionModel(weights), singular)["condition_number"].tolist() == [np.inf, np.inf]


def test_genes_that_one_table_of_the_model_lacks_are_rows_all_the_same():
    gwas, model, matrices = associations.study()
    extra = pd.concat([model.extra.iloc[1:], pd.DataFrame({"gene": ["g9"], "genename": ["NINE"]})], ignore_index=True)
    table = run(gwas, PredictionModel(model.weights, extra), matrices)
    same(table.drop("g9"), run(gwas, model, matrices))
    assert pd.isna(table.loc["g0", "gene_name"])
    assert table.loc["g0", "n_snps_in_model"] == 3
    assert table.loc["g9", ["gene_name", "status", "n_snps_used"]].tolist() == ["NINE", "no weights in the model", 0]


def test_a_gene_without_snps_in_the_gwas_counts_its_reasons():
    gwas, model, matrices = associations.study(sizes=(4, 8, 8))
    gwas = gwas.astype({"effect_allele": object})
    gwas.loc[0, "effect_allele"] = "ACGT"
    table = run(associations.as_read(gwas.drop(index=[1, 2, 3])), model, matrices)
    assert table.loc["g0", "status"] == "no usable SNP: 3 not in the GWAS, 1 other alleles in the GWAS"
    assert table.index[-1] == "g0"


def test_covariances_may_name_snps_by_another_key_than_the_gwas():
    gwas, model, matrices = associations.study()
    right = run(gwas, model, matrices)
    to_varid = model.weights.set_index("rsid")["varID"]
    for names in (to_varid, to_varid.str.removeprefix("chr").str.replace("_", ":")):
        renamed = {
            gene: m.set_axis(names[m.index], axis=0).set_axis(names[m.index], axis=1) for gene, m in matrices.items()
        }
        same(run(gwas, model, renamed), right)
    same(run(gwas.assign(snp=to_varid.to_numpy()), model, matrices), right)


# --- ledger -----------------------------------------------------------------------------------------------------------


def test_the_ledger_has_a_row_for_each_snp_of_each_gene_and_adds_up_to_z():
    gwas, model, matrices = associations.study(sizes=(3, 1, 5, 2, 4))
    gwas = gwas.astype({"effect_allele": object})
    gwas.loc[0, "effect_allele"] = "ACGT"
    gwas.loc[1, ["effect_allele", "non_effect_allele"]] = gwas.loc[1, ["non_effect_allele", "effect_allele"]].tolist()
    matrices["g2"] = matrices["g2"].drop(index="rs5", columns="rs5")
    gwas = associations.as_read(gwas[gwas["snp"] != "rs6"])
    table, ledger = s_predixcan(gwas, model, associations.covariances(matrices), ledger=True, progress=False)
    assert ledger["snp"].tolist() == model.weights["rsid"].tolist()
    assert ledger["gene"].tolist() == model.weights["gene"].tolist()
    rows = ledger.set_index("snp")
    assert rows.loc["rs1", "reason"] == "other alleles in the GWAS"
    assert rows.loc["rs1", "gwas_effect_allele"] == "ACGT"
    assert rows.loc["rs5", "reason"] == "not in the covariance"
    assert rows.loc["rs6", ["reason", "gwas_snp"]].tolist() == ["not in the GWAS", None]
    assert rows.loc["rs2", ["used", "flipped", "reason"]].tolist() == [True, True, ""]
    assert rows.loc["rs2", "gwas_zscore"] == -gwas.set_index("snp").loc["rs2", "zscore"]
    sums = ledger.groupby("gene")["contribution"].sum()
    assert table["zscore"].to_numpy() == pytest.approx(sums[table["gene"]].to_numpy(), rel=1e-12)
    assert ledger.groupby("gene")["used"].sum()[table["gene"]].tolist() == table["n_snps_used"].tolist()
    assert ledger.loc[~ledger["used"], "contribution"].isna().all()


# --- polygenicity -----------------------------------------------------------------------------------------------------


def test_phi_corrects_z_and_keeps_what_was():
    gwas, model, matrices = associations.study()
    phi = {"g0": 2e-5, "g1": -1e-5, "g2": 8e-5, "g3": np.nan}
    with_phi = PredictionModel(model.weights, model.extra.assign(phi=model.extra["gene"].map(phi)))
    raw = run(gwas, model, matrices)
    table = run(gwas, with_phi, matrices, gwas_n=100_000, heritability=0.5)
    assert table["uncalibrated_zscore"].to_dict() == raw["zscore"].to_dict()
    assert table["uncalibrated_pvalue"].to_dict() == raw["pvalue"].to_dict()
    expected = raw["zscore"] / np.sqrt(pd.Series({"g0": 2.0, "g1": 1.0, "g2": 5.0, "g3": np.nan}))
    assert table["zscore"].to_dict() == pytest.approx(expected.to_dict(), nan_ok=True)
    assert table["pvalue"].to_numpy() == pytest.approx(2 * stats.norm.sf(table["zscore"].abs()), nan_ok=True)
    assert table["pvalue"].dropna().is_monotonic_increasing
    assert table.loc["g3", "status"] == "no phi in the model"
    assert list(table.columns[:11]) == METAXCAN[1:]


def test_without_phi_the_advice_leads_to_a_corrected_table():
    panel, model = people_and_model(n=200, genes=5)
    known = covariances(panel, model)
    gwas = gwas_of(panel, np.random.default_rng(7).normal(size=panel.n_obs))
    asked = {"gwas_n": 200, "heritability": 0.5, "progress": False}
    with pytest.raises(
        InputError, match=r"phi = scomics_lite.twas.phi\(dosages, model\), then PredictionModel\("
    ) as caught:
        s_predixcan(gwas, model, known, **asked)
    from scomics_lite.twas.associations.polygenicity import phi

    names = {"phi": phi(panel, model), "model": model, "PredictionModel": PredictionModel}
    advice = str(caught.value).split("then ")[1].split(". Or")[0]
    table = s_predixcan(gwas, eval(advice, names), known, **asked)
    assert table["zscore"].notna().all()
    assert (table["phi"] > 0).any()


@pytest.mark.parametrize("given", [{"gwas_n": 1000}, {"heritability": 0.5}])
def test_half_a_correction_is_refused(given):
    gwas, model, matrices = associations.study()
    with pytest.raises(InputError, match="needs both gwas_n and heritability"):
        run(gwas, model, matrices, **given)
