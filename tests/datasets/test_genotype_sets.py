"""Readers of genotypes on small files written here, the real sets in the form that `twas` takes, and their stand-ins.

The numbers of the first part are this file's own. The second part needs the real files.
"""

import functools
import os

import mudata
import numpy as np
import pandas as pd
import pytest
from fixtures.r_files import r_matrix, write_rda

from scomics_lite import datasets, twas
from scomics_lite.datasets import genotype_readers, genotype_standins, readers, standins

DATA = os.environ.get("SCOMICS_LITE_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SCOMICS_LITE_DATA is not set: the real data sets are not here")
load = functools.cache(datasets.load)  # no test changes what it loads


def read(name, folder):
    """Call the reader as `datasets.load` does."""
    return readers.READERS[name]({path.name: path for path in folder.iterdir()})


# --- readers ----------------------------------------------------------------------------------------------------------


def test_plink_counts_allele_1_and_leaves_out_the_missing(tmp_path):
    (tmp_path / "example.fam").write_text(
        "POP2\tI0\t0\t0\t0\t1\nPOP10\tI1\t0\t0\t0\t2\nPOP2\tI2\t0\t0\t0\t2\nPOP1\tI3\t0\t0\t0\t1\nPOP1\tI4\t0\t0\t0\t1\n"
    )
    (tmp_path / "example.bim").write_text("1\tSNP0\t0\t112\tA\tT\n22\tSNP1\t0.5\t1098\tT\tC\n")
    # two bits a person, the first person lowest: 00 two copies, 01 missing, 10 one, 11 none; the fifth opens a byte
    bits = [0b11_10_01_00, 0b00_00_00_10, 0b00_00_11_11, 0b01]
    (tmp_path / "example.bed").write_bytes(bytes([0x6C, 0x1B, 0x01, *bits]))
    adata = read("bigsnpr_example", tmp_path)
    assert adata.X.dtype == np.float32
    np.testing.assert_array_equal(adata.X, [[2, 0], [np.nan, 0], [1, 2], [0, 2], [1, np.nan]])
    assert adata.obs_names.tolist() == ["I0", "I1", "I2", "I3", "I4"]
    assert adata.obs["population"].tolist() == ["POP2", "POP10", "POP2", "POP1", "POP1"]
    assert adata.obs["population"].cat.categories.tolist() == ["POP1", "POP10", "POP2"]
    assert adata.obs["phenotype"].tolist() == [1, 2, 2, 1, 1]
    assert adata.var_names.tolist() == ["SNP0", "SNP1"]
    assert adata.var.to_dict("list") == {
        "chromosome": ["1", "22"],
        "position": [112, 1098],
        "ref_allele": ["T", "C"],
        "eff_allele": ["A", "T"],
    }


def test_a_bed_file_is_unpacked_by_the_definition_of_the_format(tmp_path):
    path = tmp_path / "two.bed"
    # first SNP, people 1 to 5: 2, missing, 1, 0 copies of allele 1, then 1; lowest bits first
    path.write_bytes(bytes([0x6C, 0x1B, 0x01, 0b11_10_01_00, 0b10, 0b00_00_00_00, 0b11]))
    dosages = genotype_readers.plink_dosages(path, n_people=5, n_snps=2)
    np.testing.assert_array_equal(dosages, np.array([[2, np.nan, 1, 0, 1], [2, 2, 2, 2, 0]]).T)
    path.write_bytes(bytes([0x6C, 0x1B, 0x00, 0]))
    with pytest.raises(ValueError, match="SNP-major"):
        genotype_readers.plink_dosages(path, 1, 1)


def test_susie_n3_turns_centred_genotypes_into_dosages(tmp_path):
    dosages = np.array([[0, 1, 2], [1, 0, 0.25]] * 100)  # one person's third genotype was missing, and set to a mean
    dosages[3:, 2] = 1
    frequency = dosages.mean(axis=0, keepdims=True).T / 2
    stored = {
        "X": dosages - dosages.mean(axis=0),
        "chrom": np.array(["chr19"]),
        "pos": np.array([8126133, 8126300, 8126517]),
        "true_coef": np.array([[0, 0], [1.5, 0], [0, -2.5]]),
        "residual_variance": np.array([6.25, 1.75]),
        "Y": np.tile([[0.5, 1.5], [-1.0, 2.0]], (100, 1)),
        "allele_freq": frequency,
        "V": np.eye(2),
    }
    write_rda(tmp_path / "N3finemapping.RData", N3finemapping=stored)
    adata = read("susie_n3", tmp_path)
    np.testing.assert_array_equal(adata.X, dosages.astype(np.float32))
    assert adata.X.flags.c_contiguous
    assert adata.obs_names[[0, 1]].tolist() == ["person_1", "person_2"]
    assert adata.obs.iloc[:2].to_dict("list") == {"trait_1": [0.5, -1.0], "trait_2": [1.5, 2.0]}
    assert adata.var_names.tolist() == ["8126133", "8126300", "8126517"]
    assert adata.var.to_dict("list") == {
        "chromosome": ["19"] * 3,
        "position": [8126133, 8126300, 8126517],
        "frequency": frequency.ravel().tolist(),
        "effect_1": [0, 1.5, 0],
        "effect_2": [0, 0, -2.5],
    }
    assert adata.uns["residual_variance"].tolist() == [6.25, 1.75]
    with pytest.raises(ValueError, match="the file has changed"):
        genotype_readers._uncentred(stored["X"], frequency.ravel() + 0.01)


def test_susie_mismatch_has_one_row_and_a_correlation_matrix(tmp_path):
    z, correlations = np.arange(500) / 8, np.arange(250_000.0).reshape(500, 500)
    stored = {"z": z, "bhat": z + 1, "shat": z + 2, "n": 424_366.5, "R": correlations}
    write_rda(tmp_path / "rss_mismatch_example.RData", rss_mismatch_example=stored)
    adata = read("susie_mismatch", tmp_path)
    assert adata.shape == (1, 500)
    np.testing.assert_array_equal(adata.X[0], z)
    np.testing.assert_array_equal(adata.layers["bhat"][0], z + 1)
    np.testing.assert_array_equal(adata.layers["shat"][0], z + 2)
    np.testing.assert_array_equal(
        adata.varp["correlation"], correlations
    )  # not symmetric here, so a turned one would show
    assert adata.obs["n"].to_dict() == {"trait": 424_366.5}
    assert adata.var_names[[0, 499]].tolist() == ["variant_1", "variant_500"]


def test_geuvadis_sets_tell_variants_from_genes_by_their_values(tmp_path):
    table = pd.DataFrame(
        {
            "rs1": [0, 1, 2, np.nan],  # missing in one person, and a variant all the same
            "GENE1": [0.0, 1.0, 2.0, 0.5],
            "GENE2": [-1.5, 0.25, 3.0, 1.0],
            "esv2": [0, 0, 1, 0],
            "GENE3": [1.0, 2.0, 0.0, -1.0],
        },
        index=["HG1", "HG2", "HG3", "HG4"],
    )
    write_rda(tmp_path / "data_GEUVADIS_combined.rda", data_GEUVADIS_combined=r_matrix(table))
    both = read("geuvadis_eqtl_sets", tmp_path)
    assert list(both.mod) == ["genotypes", "expression"]
    assert both.obs_names.tolist() == ["HG1", "HG2", "HG3", "HG4"]
    for part, columns, sets in (
        ("genotypes", ["rs1", "esv2"], [1, 2]),
        ("expression", ["GENE1", "GENE2", "GENE3"], [1, 1, 2]),
    ):
        assert both[part].obs_names.tolist() == table.index.tolist()
        assert both[part].var["eqtl_set"].to_dict() == dict(zip(columns, sets, strict=True))
        np.testing.assert_array_equal(both[part].X, table[columns])


def test_geuvadis_chr19_adds_up_transcripts_and_matches_people_by_name(tmp_path):
    (tmp_path / "TrQuantCount_CEU_chr19.tsv").write_text(
        "TargetID\tGene_Symbol\tNA1\tNA2\nENST1\tENSG9\t0\t1.5\nENST2\tENSG1\t3\t4\n"
        "ENST3\tENSG1\t5\t6.25\nENST4\tENSG3\t7\t8\n"
    )
    (tmp_path / "genes_chr19.bed").write_text("19\t300\t400\tENSG1\n19\t100\t200\tENSG3\n19\t300\t400\tENSG5\n")
    # people in another order than in the counts, and one too many
    snps = {"chr": [19, 19], "start": [500, 600], "end": [501, 601], "snpId": ["snp_a", "snp_b"]}
    snps = pd.DataFrame({**snps, "NA2": [2, -1], "NA7": [1, 1], "NA1": [-1, 0]}, index=[16906, 16922])
    write_rda(tmp_path / "genotypes.rda", genotypes=snps)
    both = read("geuvadis_chr19", tmp_path)
    assert list(both.mod) == ["genotypes", "expression"]
    for part in both.mod.values():
        assert part.obs_names.tolist() == ["NA1", "NA2"]
    expression, genotypes = both["expression"], both["genotypes"]
    assert expression.var_names.tolist() == ["ENSG3", "ENSG1"]  # in the order of their places; ENSG9 has none
    np.testing.assert_array_equal(expression.X, [[7, 8], [8, 10.25]])
    assert expression.var.to_dict("list") == {
        "chromosome": ["19", "19"],
        "start": [100, 300],
        "end": [200, 400],
        "n_transcripts": [1, 2],
    }
    np.testing.assert_array_equal(genotypes.X, [[np.nan, 0], [2, np.nan]])
    assert genotypes.var_names.tolist() == ["snp_a", "snp_b"]
    assert genotypes.var.to_dict("list") == {"chromosome": ["19", "19"], "position": [500, 600]}


# --- the real sets ----------------------------------------------------------------------------------------------------


@needs_data
@pytest.mark.parametrize("name", ["susie_n3", "bigsnpr_example", "geuvadis_chr19", "geuvadis_eqtl_sets"])
def test_every_set_of_genotypes_is_taken_by_the_wing(name):
    data = load(name)
    genotypes = data["genotypes"] if isinstance(data, mudata.MuData) else data
    assert genotypes.X.dtype == np.float32
    table = twas.genotype_counts(genotypes)
    assert table["frequency"].between(0, 1).all()
    if "frequency" in genotypes.var:
        np.testing.assert_allclose(table["frequency"], genotypes.var["frequency"], atol=1e-6)


@needs_data
def test_bigsnpr_has_19_populations_whose_mixture_is_out_of_equilibrium():
    adata = load("bigsnpr_example")
    assert np.unique(adata.X).tolist() == [0, 1, 2]
    assert adata.obs["population"].nunique() == 19
    assert set(adata.obs["phenotype"]) == {1, 2}
    assert adata.var["position"].is_monotonic_increasing
    assert twas.is_palindromic(adata.var["ref_allele"], adata.var["eff_allele"]).all()
    table = twas.filter_snps(adata, ambiguous=False)
    assert table["frequency"].max() <= 0.5
    assert (table["hwe_pvalue"] < 0.001).mean() > 0.004
    assert table["keep"].mean() > 0.999


@needs_data
def test_susie_sets_hold_their_truth():
    adata = load("susie_n3")
    effects = adata.var[["effect_1", "effect_2"]].to_numpy()
    assert (effects != 0).sum(axis=0).tolist() == [3, 3]
    assert (adata.X.round() != adata.X).sum() == 2_029
    # what the true effects leave of the traits has the stored variance
    left = adata.obs.to_numpy() - (adata.X - adata.X.mean(axis=0)) @ effects
    np.testing.assert_allclose(left.var(axis=0), adata.uns["residual_variance"], rtol=0.15)
    summary = load("susie_mismatch")
    np.testing.assert_allclose(summary.X, summary.layers["bhat"] / summary.layers["shat"])
    np.testing.assert_allclose(np.diag(summary.varp["correlation"]), 1)


@needs_data
def test_geuvadis_links_genes_with_variants():
    sets = load("geuvadis_eqtl_sets")
    assert {name: part.shape for name, part in sets.mod.items()} == {"genotypes": (373, 62), "expression": (373, 132)}
    assert sets["genotypes"].var["eqtl_set"].tolist() == list(range(1, 63))
    assert np.isnan(sets["genotypes"].X).sum() == 87
    assert sets["expression"].var.loc["UGT2B17", "eqtl_set"] == sets["genotypes"].var.loc["esv2658282", "eqtl_set"]
    chromosome = load("geuvadis_chr19")
    genotypes, expression = chromosome["genotypes"], chromosome["expression"]
    assert genotypes.obs_names.equals(expression.obs_names)
    assert np.isnan(genotypes.X).sum() == 1_482
    assert np.nanmax(genotypes.X) == 2
    assert (genotypes.var["chromosome"].iloc[0], genotypes.var["position"].iloc[0]) == ("19", 1_392_636)
    assert (expression.X >= 0).all()
    assert (expression.var["end"] > expression.var["start"]).all()


@needs_data
def test_sets_of_variants_and_genes_are_linked_in_the_real_data_too():
    sets = load("geuvadis_eqtl_sets")
    genotypes, expression = sets["genotypes"].to_df(), sets["expression"].to_df()
    linked = [
        abs(genotypes.iloc[:, number].corr(expression[gene]))
        for number, eqtl_set in enumerate(sets["genotypes"].var["eqtl_set"])
        for gene in expression.columns[sets["expression"].var["eqtl_set"] == eqtl_set]
    ]
    unlinked = [abs(genotypes.iloc[:, 0].corr(expression[gene])) for gene in expression.columns[20:]]
    assert np.median(linked) > 4 * np.median(unlinked)


# --- stand-ins --------------------------------------------------------------------------------------------------------

STANDINS = [f"{name}_simulated" for name in genotype_standins.SETTINGS]


def parts(data):
    return data.mod if isinstance(data, mudata.MuData) else {"genotypes": data}


@pytest.mark.parametrize("name", STANDINS)
def test_a_stand_in_is_made_again_exactly_and_described(name):
    stored, again = load(name), datasets.make_bundled(name)
    folder = datasets.data_folder() / "simulated"
    assert standins.read_recipe(folder, name) == genotype_standins.SETTINGS[name.removesuffix("_simulated")]
    assert datasets.fetch(name)[0].stat().st_size < 300_000
    assert stored.shape == again.shape == tuple(datasets.available().loc[name, ["n_obs", "n_vars"]])
    assert (stored.uns["dataset"]["kind"], stored.uns["dataset"]["seed"]) == ("simulated", stored.uns["truth"]["seed"])
    for part in parts(stored):
        one, other = parts(stored)[part], parts(again)[part]
        np.testing.assert_array_equal(one.X, other.X)
        pd.testing.assert_frame_equal(one.obs, other.obs, rtol=1e-12)
        pd.testing.assert_frame_equal(one.var, other.var, rtol=1e-12, check_dtype=False)
        assert one.var_names.str.startswith("sim_").all()


@needs_data
@pytest.mark.parametrize("name", STANDINS)
def test_a_stand_in_has_what_the_real_set_has(name):
    real, simulated = load(name.removesuffix("_simulated")), load(name)
    assert type(real) is type(simulated)
    assert list(parts(real)) == list(parts(simulated))
    for part in parts(real):
        one, other = parts(real)[part], parts(simulated)[part]
        assert one.n_obs == other.n_obs
        for table, simulated_table in ((one.obs, other.obs), (one.var, other.var)):
            assert set(table) <= set(simulated_table)
            for column in table:
                assert table[column].dtype == simulated_table[column].dtype, column
        assert one.X.dtype == other.X.dtype
        assert np.isnan(one.X).any() == np.isnan(other.X).any()
    if "population" in real.obs:
        assert real.obs["population"].value_counts().to_dict() == simulated.obs["population"].value_counts().to_dict()


def test_stand_ins_hold_their_truth():
    traits = load("susie_n3_simulated")
    effects = traits.var[["effect_1", "effect_2"]].to_numpy()
    assert (effects != 0).sum(axis=0).tolist() == [3, 3]
    left = traits.obs.to_numpy() - (traits.X - traits.X.mean(axis=0)) @ effects
    np.testing.assert_allclose(left.var(axis=0), traits.uns["residual_variance"], rtol=0.15)
    people = load("bigsnpr_example_simulated")
    counts = twas.genotype_counts(people)
    assert counts["frequency"].max() <= 0.5
    assert (people.obs["phenotype"] == 2).sum() == 157
    both = load("geuvadis_chr19_simulated")
    genotypes, expression = both["genotypes"], both["expression"]
    weights = expression.uns["truth"]["weights"]
    assert set(weights["gene"]) == set(expression.var_names[expression.var["heritability"] > 0])
    filled = genotypes.to_df().fillna(2 * twas.genotype_counts(genotypes)["frequency"])
    found = [
        np.corrcoef(filled[rows["rsid"]] @ rows["weight"].to_numpy(), np.log1p(expression[:, gene].X.ravel()))[0, 1]
        for gene, rows in weights.groupby("gene")
    ]
    assert np.median(found) > 0.5


def test_the_stand_in_of_eqtl_sets_has_variants_that_explain_what_its_truth_says():
    sets = load("geuvadis_eqtl_sets_simulated")
    genotypes, expression = sets["genotypes"], sets["expression"]
    assert {name: part.shape for name, part in sets.mod.items()} == {"genotypes": (373, 62), "expression": (373, 132)}
    missing = np.isnan(genotypes.X)
    assert sorted(missing.sum(axis=0))[-4:] == [0, 29, 29, 29]
    assert (missing.sum(axis=1) > 0).sum() == 29
    levels, truth = expression.to_df(), expression.var
    copies = genotypes.to_df().iloc[:, truth["eqtl_set"] - 1].set_axis(truth.index, axis=1)  # sets count from 1
    explained = copies.corrwith(levels) ** 2
    np.testing.assert_allclose(explained, truth["heritability"], atol=0.13)  # 3 to 4 standard errors
    slopes = copies.corrwith(levels) * levels.std() / copies.std()
    errors = levels.std() * np.sqrt((1 - explained) / len(levels)) / copies.std()
    assert ((slopes - truth["slope"]) / errors).std() == pytest.approx(1, abs=0.2)
    assert 0.1 < np.median(truth["heritability"]) < 0.14
    assert 0.3 < np.median(levels.std() / levels.mean()) < 0.5
    assert (levels.mean().min() < 0.05, levels.mean().max() > 400, (levels < 0).any(axis=None)) == (True, True, True)


@needs_data
def test_the_stand_in_of_eqtl_sets_is_like_the_real_one():
    real, simulated = load("geuvadis_eqtl_sets"), load("geuvadis_eqtl_sets_simulated")
    for part in real.mod:
        assert real[part].var["eqtl_set"].tolist() == simulated[part].var["eqtl_set"].tolist()
    one, other = (np.log2(sets["expression"].to_df().clip(lower=0) + 1) for sets in (real, simulated))
    assert other.mean().var() == pytest.approx(one.mean().var(), rel=0.2)
    assert other.var().mean() == pytest.approx(one.var().mean(), rel=0.2)
