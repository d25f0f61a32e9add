"""Simulated expression, traits and GWAS: the variances and effects asked for, and z-scores with the people's LD."""

import anndata
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from scomics_lite.simulate import expression, genes, genotypes, gwas_summary, trait
from scomics_lite.validation import InputError

SIGMAS = 4.5


@pytest.fixture(scope="module")
def people():
    return genotypes(1_000, 1_200, spacing=1_000, rng=1)


@pytest.fixture(scope="module")
def table(people):
    return genes(people, 12, rng=1)


@pytest.fixture(scope="module")
def levels(people, table):
    return expression(people, table, heritability=0.3, n_causal=3, window=100_000, rng=2)


# --- expression -------------------------------------------------------------------------------------------------------


def test_genetic_expression_is_the_weighted_sum_of_dosages_and_has_the_heritability_asked_for(people, levels, table):
    weights = levels.uns["truth"]["weights"]
    for gene, own in weights.groupby("gene"):
        genetic = people[:, own["rsid"]].X @ own["weight"].to_numpy()
        np.testing.assert_allclose(levels[:, gene].layers["genetic"].ravel(), genetic - genetic.mean(), atol=1e-12)
        near = people.var.loc[own["rsid"], "position"].between(
            table.loc[gene, "start"] - 100_000, table.loc[gene, "end"] + 100_000
        )
        assert len(own) == 3
        assert near.all()
    np.testing.assert_allclose(levels.layers["genetic"].var(axis=0), 0.3)
    np.testing.assert_array_equal(weights["eff_allele"], people.var.loc[weights["rsid"], "eff_allele"])
    noise = levels.X - levels.layers["genetic"]
    assert abs(noise.var() - 0.7) < SIGMAS * 0.7 * np.sqrt(2 / noise.size)
    assert levels.obs["population"].equals(people.obs["population"])


def test_heritability_may_differ_from_gene_to_gene_and_be_none(people, table):
    h2 = np.linspace(0, 0.5, 12)
    adata = expression(people, table, heritability=h2, rng=1)
    np.testing.assert_allclose(adata.layers["genetic"].var(axis=0), h2, atol=1e-12)
    assert table.index[0] not in set(adata.uns["truth"]["weights"]["gene"])
    np.testing.assert_array_equal(adata.var["heritability"], h2)


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_neighbours_share_causal_snps_as_often_as_asked(shared):
    people = genotypes(50, 3_000, rng=1)
    adata = expression(people, genes(people, 300, rng=1), n_causal=4, shared=shared, window=5e6, rng=3)
    sets = adata.uns["truth"]["weights"].groupby("gene", sort=False)["rsid"].agg(set)
    share = np.mean([len(one & other) / 4 for one, other in zip(sets.iloc[1:], sets.iloc[:-1], strict=True)])
    assert abs(share - shared) <= SIGMAS * np.sqrt(max(shared * (1 - shared), 1e-3) / 1_196)


def test_genes_of_two_chromosomes_have_causal_snps_of_their_own_chromosome():
    parts = [genotypes(30, 200, chromosome=name, rng=int(name)) for name in ("1", "2")]
    both = anndata.concat(parts, axis=1, merge="same")
    table = pd.concat([genes(part, 5, rng=1) for part in parts])
    adata = expression(both, table, shared=1.0, rng=1)
    weights = adata.uns["truth"]["weights"]
    own = table.loc[weights["gene"], "chromosome"].to_numpy()
    np.testing.assert_array_equal(both.var.loc[weights["rsid"], "chromosome"].to_numpy(), own)


# --- traits -----------------------------------------------------------------------------------------------------------


def test_a_trait_is_the_sum_of_parts_with_the_variances_asked_for(people, levels):
    made = trait(people, levels, causal_genes=4, mediated=0.15, polygenic=0.25, rng=1)
    np.testing.assert_allclose(made.parts[["mediated", "polygenic"]].var(ddof=0), [0.15, 0.25])
    np.testing.assert_allclose(made.phenotype, made.parts.sum(axis=1))
    environment = made.parts["environment"]
    assert abs(environment.var() - 0.6) < SIGMAS * 0.6 * np.sqrt(2 / 1_000)
    genetic = levels.layers["genetic"]
    through = (genetic / genetic.std(axis=0)) @ made.gene_effects.to_numpy()
    np.testing.assert_allclose(made.parts["mediated"], through, atol=1e-12)
    assert (made.gene_effects != 0).sum() == 4


def test_effects_of_snps_add_up_to_what_dna_does_to_the_trait(people, levels):
    made = trait(people, levels, causal_genes=4, n_causal_snps=30, rng=1)
    total = people.X @ made.snp_effects.to_numpy()
    dna = made.parts["mediated"] + made.parts["polygenic"]
    np.testing.assert_allclose(total - total.mean(), dna, atol=1e-12)
    alone = trait(people, levels, causal_genes=4, polygenic=0, rng=1)
    causal = levels.uns["truth"]["weights"].set_index("gene").loc[alone.gene_effects.index[alone.gene_effects != 0]]
    assert set(alone.snp_effects.index[alone.snp_effects != 0]) == set(causal["rsid"])
    assert (trait(people, levels, mediated=0, n_causal_snps=30, rng=1).snp_effects != 0).sum() == 30


def test_genes_can_be_named_and_a_disease_has_its_prevalence(people, levels, table):
    names = list(table.index[[2, 5]])
    made = trait(people, levels, causal_genes=names, prevalence=0.1, rng=1)
    assert list(made.gene_effects.index[made.gene_effects != 0]) == names
    assert made.phenotype.value_counts().to_dict() == {0: 900, 1: 100}
    liability = made.parts.sum(axis=1)
    assert liability[made.phenotype == 1].min() > liability[made.phenotype == 0].max()


# --- GWAS -------------------------------------------------------------------------------------------------------------


def repeated(people, times, apart):
    """People whose SNPs come again and again, so many base pairs apart: a GWAS of them is many GWAS."""
    var = pd.concat([people.var.assign(position=people.var["position"] + apart * time) for time in range(times)])
    names = [f"rs{number}" for number in range(len(var))]
    return anndata.AnnData(np.tile(people.X, times), obs=people.obs, var=var.set_axis(names))


def test_z_scores_of_a_null_gwas_have_the_correlations_of_the_people():
    people = genotypes(400, 60, rng=3)
    many = repeated(people, 1_000, 3_000_000)
    z = gwas_summary(many, pd.Series(dtype=float), 1e6, rng=1)["zscore"].to_numpy().reshape(1_000, 60)
    correlation = np.corrcoef(people.X.T.astype(float))
    error = np.sqrt((1 + correlation**2) / len(z))  # of a sample covariance of normals
    assert (np.abs(np.cov(z.T) - correlation) < SIGMAS * error).all()
    assert (np.abs(z.mean(axis=0)) < SIGMAS / np.sqrt(len(z))).all()


def test_a_gwas_of_the_same_people_would_report_what_is_reported_on_average(people, levels):
    made = trait(people, levels, causal_genes=2, mediated=0.2, polygenic=0.1, n_causal_snps=5, rng=4)
    y = made.parts["mediated"] + made.parts["polygenic"]
    x = people.X - people.X.mean(axis=0)
    marginal = x.T @ y.to_numpy() / (x.astype(float) ** 2).sum(axis=0)
    gwas = gwas_summary(people, made.snp_effects, 1e8, block=1e9, rng=1)
    assert (np.abs(gwas["beta"] - marginal) < SIGMAS * gwas["se"]).all()


def test_beta_se_and_z_belong_together_as_in_a_regression_on_one_snp():
    people = genotypes(300, 20, rng=1)
    generator = np.random.default_rng(1)
    y = generator.normal(size=300) + people.X[:, 4]
    y = (y - y.mean()) / y.std()
    fit = sm.OLS(y, sm.add_constant(people.X[:, 4].astype(float))).fit()
    gwas = gwas_summary(people, pd.Series(0.0, index=people.var_names), 300, rng=1)
    sd = people.X.std(axis=0)
    r = gwas["beta"] * sd
    np.testing.assert_allclose(gwas["se"], np.sqrt((1 - r**2) / 298) / sd)
    np.testing.assert_allclose(gwas["zscore"], gwas["beta"] / gwas["se"])
    np.testing.assert_allclose(gwas["pvalue"], 2 * stats.norm.sf(np.abs(gwas["zscore"])))
    r = fit.params[1] * sd[4]
    assert fit.bse[1] == pytest.approx(np.sqrt((1 - r**2) / 298) / sd[4])


def test_distant_pieces_are_independent_and_near_snps_are_not():
    people = genotypes(20, 400, spacing=10_000, start=0, rng=1)
    many = repeated(people, 500, 20_000_000)
    z = gwas_summary(many, pd.Series(dtype=float), 1e6, block=2e6, rng=1)["zscore"].to_numpy().reshape(500, 400)
    found, real = np.corrcoef(z.T), np.corrcoef(people.X.T.astype(float))
    piece = (people.var["position"] // 2e6).to_numpy()
    apart = piece[:, None] != piece[None, :]
    assert apart.mean() > 0.3
    assert np.abs(real[apart]).mean() > 0.15  # by chance, in 20 people
    assert np.abs(found[apart]).max() < 6 / np.sqrt(500)
    assert np.abs(found - real)[~apart].max() < 6 / np.sqrt(500)


def test_flips_change_sign_and_strands_change_letters_and_both_can_be_undone(people):
    effects = pd.Series(0.01, index=people.var_names[::50])
    plain = gwas_summary(people, effects, 50_000, rng=1).set_index("snp")
    other = gwas_summary(people, effects, 50_000, flipped=0.3, strand_flipped=0.2, dropped=0.1, rng=1).set_index("snp")
    assert abs(len(other) / len(plain) - 0.9) < SIGMAS * np.sqrt(0.09 / 1_200)
    plain = plain.loc[other.index]
    turned = np.sign(plain["zscore"]) != np.sign(other["zscore"])
    assert abs(turned.mean() - 0.3) < SIGMAS * np.sqrt(0.21 / 1_000)
    np.testing.assert_allclose(np.where(turned, -1, 1) * other["beta"], plain["beta"])
    np.testing.assert_allclose(np.where(turned, 1 - other["frequency"], other["frequency"]), plain["frequency"])
    np.testing.assert_allclose(other["pvalue"], plain["pvalue"])
    letters = other["effect_allele"].where(~turned, other["non_effect_allele"])
    complemented = letters != plain["effect_allele"]
    assert abs(complemented.mean() - 0.2) < SIGMAS * np.sqrt(0.16 / 1_000)
    assert (
        letters[complemented].str.translate(str.maketrans("ACGT", "TGCA")) == plain["effect_allele"][complemented]
    ).all()


def test_snps_that_do_not_vary_are_not_reported():
    people = genotypes(40, 300, populations=["A", "B"], rng=1)
    half = people[people.obs["population"] == "A"].copy()
    varies = half.X.std(axis=0) > 0
    assert 0 < varies.mean() < 1
    gwas = gwas_summary(half, pd.Series(dtype=float), 1_000, rng=1)
    assert list(gwas["snp"]) == list(half.var_names[varies])
    assert np.isfinite(gwas["zscore"]).all()


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"genes": pd.DataFrame({"chromosome": ["1"]})}, "genes need a column 'start'"),
        ({"heritability": 1.0}, "heritability must be at least 0 and below 1"),
        ({"heritability": [0.1, 0.2]}, r"heritability has shape \(2,\)"),
        ({"n_causal": 0}, "n_causal must be a whole number"),
        ({"window": -1}, "window is in base pairs"),
        ({"shared": 2}, "shared is a fraction"),
        ({"rng": "1"}, "rng must be"),
        ({"n_causal": 2_000}, "gene 'ENSG01000000001' has .* SNPs that vary within 1e.06 base pairs"),
    ],
)
def test_expression_that_cannot_be_is_refused(people, table, changed, message):
    with pytest.raises(InputError, match=message):
        expression(**{"dosages": people, "genes": table, **changed})


def test_a_missing_genotype_is_named_and_the_way_out_works(people, table):
    holes = people.copy()
    holes.X = holes.X.astype(float)
    holes.X[3, 7] = np.nan
    with pytest.raises(InputError, match=f"person 'person00004' has no genotype of SNP '{people.var_names[7]}'"):
        expression(holes, table)
    whole = holes[:, ~np.isnan(holes.X).any(axis=0)]
    levels = expression(whole, table, rng=1)
    assert levels.shape == (1_000, 12)
    made = trait(whole, levels, rng=1)
    assert len(gwas_summary(whole, made.snp_effects, 1_000)) == 1_199
    with pytest.raises(InputError, match="are not in dosages: give dosages of all"):
        gwas_summary(whole[:, :100], made.snp_effects, 1_000)
    some = whole[:, :100]
    assert len(gwas_summary(some, made.snp_effects[some.var_names], 1_000)) == 100


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mediated": 0.6, "polygenic": 0.5}, "must be below 1, the rest is environment; got 1.1"),
        ({"causal_genes": 13}, "causal_genes must be 1 to 12"),
        ({"causal_genes": ["GENE1"]}, "gene 'GENE1' is not in expression"),
        ({"causal_genes": []}, "no gene is named"),
        ({"n_causal_snps": 0}, "n_causal_snps must be 1 to 1200"),
        ({"prevalence": 1}, "prevalence must lie between 0 and 1"),
        ({"expression": pd.DataFrame()}, "expression must be an AnnData with its truth"),
    ],
)
def test_traits_that_cannot_be_are_refused(people, levels, changed, message):
    with pytest.raises(InputError, match=message):
        trait(**{"dosages": people, "expression": levels, **changed})


def test_people_in_another_order_are_refused_and_the_way_out_works(people, levels):
    with pytest.raises(InputError, match=r"give expression\[dosages.obs_names\]"):
        trait(people, levels[::-1])
    again = trait(people, levels[::-1][people.obs_names], rng=1)
    pd.testing.assert_series_equal(again.phenotype, trait(people, levels, rng=1).phenotype)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n": 3}, "n is the number of people in the GWAS"),
        ({"flipped": 1.5}, "flipped is a fraction"),
        ({"block": 0}, "block is in base pairs"),
        ({"effects": [0.1]}, "effects must be a Series"),
        ({"effects": pd.Series({"rs0": 1.0})}, "1 SNPs with effects, such as 'rs0', are not in dosages"),
    ],
)
def test_gwas_that_cannot_be_are_refused(people, changed, message):
    with pytest.raises(InputError, match=message):
        gwas_summary(**{"dosages": people, "effects": pd.Series(dtype=float), "n": 1_000, **changed})


def test_effects_that_explain_more_than_everything_are_refused(people):
    with pytest.raises(InputError, match="of a variance of 1: scale them down"):
        gwas_summary(people, pd.Series(10.0, index=people.var_names[:20]), 1_000)
    with pytest.raises(InputError, match="stands in effects twice"):
        gwas_summary(people, pd.Series(0.1, index=people.var_names[[2, 2]]), 1_000)
    with pytest.raises(InputError, match="is no finite number"):
        gwas_summary(people, pd.Series(np.nan, index=people.var_names[:1]), 1_000)
