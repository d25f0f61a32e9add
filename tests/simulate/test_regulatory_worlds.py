"""A simulated world of DNA and expression: what is planted is found, what is told is true, one dial moves one thing."""

import anndata
import numpy as np
import pandas as pd
import pytest

from scomics_lite import dna, simulate, twas
from scomics_lite.differential import pseudobulk
from scomics_lite.simulate.regulation.gene_levels import draw_gene_levels
from scomics_lite.simulate.regulation.grammar import N_ACTIVE
from scomics_lite.simulate.regulation.motif_choice import PLANTED
from scomics_lite.simulate.regulation.reference_genomes import REGION, SITES, TRAVEL, draw_genome
from scomics_lite.validation import InputError

SIGMAS = 4.5
COMPLEMENT = str.maketrans("ACGT", "TGCA")


@pytest.fixture(scope="module")
def world():
    return simulate.regulatory_world(66, 80, sequence_share=0.4, confounding=0.6, rng=1)


@pytest.fixture(scope="module")
def motifs():
    return simulate.motif_bank().select(PLANTED)


def stretch(world, chromosome, start, end, strand="+"):
    """The letters of positions start to end, counted from 1."""
    text = world.sequences[chromosome][start - 1 : end]
    return text if strand == "+" else text.translate(COMPLEMENT)[::-1]


# --- genome -----------------------------------------------------------------------------------------------------------


def test_genes_lie_in_territories_of_their_own_and_begin_at_their_starts(world):
    genes = world.genes
    assert genes.index.is_unique
    assert genes["chromosome"].value_counts().eq(3).all()
    for chromosome, own in genes.groupby("chromosome"):
        assert len(world.sequences[chromosome]) == 30_000
        assert own["tss"].to_list() == [5_000, 15_000, 25_000]
    begin = genes["start"].where(genes["strand"] == "+", genes["end"])
    assert begin.equals(genes["tss"])
    assert (genes["end"] - genes["start"]).between(500, 5_000).all()
    assert set(genes["strand"]) == {"+", "-"}


def test_background_has_the_gc_content_of_human_dna(world):
    text = "".join(text[500:4_000] + text[6_000:14_000] for text in world.sequences.values())  # between regions
    gc = (text.count("G") + text.count("C")) / len(text)
    assert abs(gc - 0.42) < SIGMAS * np.sqrt(0.42 * 0.58 / len(text))


def test_planted_sites_lie_in_their_gene_s_region_and_never_overlap(world):
    sites, tss = world.sites, world.genes["tss"].reindex(world.sites["gene"]).to_numpy()
    assert (sites["start"] >= tss - REGION // 2).all()
    assert (sites["end"] <= tss + REGION // 2).all()
    for _, own in sites.sort_values("start").groupby("gene"):
        assert (own["start"].to_numpy()[1:] > own["end"].to_numpy()[:-1]).all()


def test_letters_of_sites_are_drawn_from_their_matrices(world, motifs):
    matrices = dict(zip(motifs.names, motifs.matrices, strict=True))
    observed, expected, variance = 0.0, 0.0, 0.0
    for motif, own in world.sites.groupby("motif"):
        matrix = matrices[motif]
        letters = [stretch(world, *place) for place in own[["chromosome", "start", "end", "strand"]].to_numpy()]
        log_p = np.log(matrix)
        observed += sum(log_p[range(len(site)), ["ACGT".index(one) for one in site]].sum() for site in letters)
        mean = (matrix * log_p).sum(axis=1)
        expected += len(own) * mean.sum()
        variance += len(own) * ((matrix * log_p**2).sum(axis=1) - mean**2).sum()
    assert abs(observed - expected) < SIGMAS * np.sqrt(variance)


def test_the_scanner_finds_planted_sites_at_their_places(world, motifs):
    gene = world.genes.index[world.genes["strand"] == "-"][0]
    length = world.grammar.length
    text = dna.reference_sequences(world.genome, world.genes.loc[[gene]], length).iloc[0]
    scores = world.grammar.scanner.scores([text])[0]  # (motifs, strands, places)
    end = world.genes.loc[gene, "tss"] + length // 2  # position of the first letter: the gene is read backwards
    own = world.sites[world.sites["gene"] == gene]
    assert len(own) > 10
    for site in own.itertuples():
        read = 1 if site.strand == "+" else 0  # a site on the gene's strand, minus, is read forward
        number = motifs.names.index(site.motif)
        letters = stretch(world, site.chromosome, site.start, site.end, site.strand)
        told = sum(
            np.log2(row["ACGT".index(one)] * 4) for row, one in zip(motifs.matrices[number], letters, strict=True)
        )
        np.testing.assert_allclose(scores[number, read, end - site.end], told, atol=1e-4)


def test_numbers_of_sites_follow_the_programs_as_told(motifs):
    # E[n u] = SITES t, for n Poisson of mean SITES exp(t u - t² / 2) and u normal
    made = draw_genome(600, 3_000, motifs, np.random.default_rng(3))
    numbers = pd.crosstab(made.sites["gene"], made.sites["motif"])
    numbers = numbers.reindex(index=made.genes.index, columns=made.travel.index, fill_value=0)
    assert ((made.travel != 0).sum(axis=1) <= 1).all()
    assert (made.travel != 0).any(axis=1).sum() == 40
    follows = numbers.T.to_numpy() @ made.genes[made.travel.columns].to_numpy() / 600  # (motifs, programs)
    for direction in (-1, 1):
        own = follows[made.travel == direction * TRAVEL]
        assert abs(own.mean() - direction * SITES * TRAVEL) < SIGMAS * own.std() / np.sqrt(len(own))
    assert abs(follows[made.travel == 0].mean()) < SIGMAS * np.sqrt(SITES / 600 / (made.travel == 0).to_numpy().sum())
    assert abs(numbers.to_numpy().mean() - SITES) < 0.03


# --- grammar ----------------------------------------------------------------------------------------------------------


def test_the_grammar_is_what_its_formula_says(world):
    grammar = world.grammar
    texts = dna.reference_sequences(world.genome, world.genes, grammar.length).to_list()
    sites = grammar.scanner.features(texts).astype(float) * 8  # tracks are means over 8 bins
    phi = pd.DataFrame(1 - np.exp(-sites), columns=grammar.effects.index)
    for cell_type in world.cell_types:
        raw = sum(phi[motif] * effect for motif, effect in grammar.effects[cell_type].items())
        for pair in grammar.pairs.to_dict("records"):
            raw += pair[cell_type] * phi[pair["motif"]] * phi[pair["partner"]]
        level = (raw - grammar.mean[cell_type]) * grammar.scale[cell_type]
        np.testing.assert_allclose(level, world.expression.var[f"sequence[{cell_type}]"], atol=1e-9)


def test_most_planted_motifs_do_something_up_or_down_and_in_one_cell_type_at_least(world):
    effects = world.grammar.effects
    active = (effects != 0).any(axis=1)
    assert active.sum() == N_ACTIVE
    assert len(effects) - N_ACTIVE == 10
    directions = np.sign(effects[active])
    assert (directions.max(axis=1) - directions.min(axis=1) <= 1).all()  # never up here and down there
    assert {-1, 1} == set(directions.to_numpy()[directions.to_numpy() != 0])
    assert 0.6 < (directions != 0).to_numpy().mean() < 0.9
    assert set(world.grammar.pairs["motif"]) | set(world.grammar.pairs["partner"]) <= set(effects.index[active])


def test_a_site_more_adds_less_and_less(world):
    grammar, unit = world.grammar, "GCCACGCCCCCTTTT"  # of SP1
    number = grammar.effects.index.get_loc("SP1")
    texts = [(unit * k).ljust(grammar.length // 2 + 300, "T").rjust(grammar.length, "T") for k in range(5)]
    phi = grammar.bound(texts)[:, number]
    steps = np.diff(phi)
    assert (steps > 0).all()
    assert (np.diff(steps) < 0).all()
    assert phi[-1] < 1


def test_sequences_of_another_length_are_refused_and_the_advice_helps(world):
    with pytest.raises(InputError, match="has 2,048 letters and the grammar reads 1,088"):
        world.grammar.levels(["A" * 2_048])
    texts = dna.reference_sequences(world.genome, world.genes, 1_088)
    assert world.grammar.levels(texts).shape == (66, 3)


# --- genes ------------------------------------------------------------------------------------------------------------


def test_shares_of_variance_across_genes_are_those_asked_for(world):
    var = world.expression.var
    for cell_type in world.cell_types:
        sequence, level = (var[f"{part}[{cell_type}]"] for part in ("sequence", "gene_level"))
        np.testing.assert_allclose([sequence.std(ddof=0), sequence.mean()], [1, 0], atol=1e-9)
        np.testing.assert_allclose(sequence.var() / (sequence.var() + level.var()), 0.4)
        np.testing.assert_allclose(var[f"mean[{cell_type}]"], sequence + level)


@pytest.mark.parametrize("confounding", [0.0, 0.5, 1.0])
def test_confounding_is_the_share_that_follows_the_programs(confounding):
    generator = np.random.default_rng(1)
    programs = generator.normal(size=(5_000, 8))
    level = draw_gene_levels((5_000, 2), programs, 1.5, confounding, generator)
    r = [np.corrcoef(column, programs.sum(axis=1))[0, 1] for column in level.T]
    np.testing.assert_allclose(r, np.sqrt(confounding), atol=SIGMAS / np.sqrt(5_000))
    np.testing.assert_allclose(level.std(axis=0), 1.5)


def test_the_dial_changes_what_distinguishes_genes_and_nothing_of_people(world):
    turned = simulate.regulatory_world(66, 80, sequence_share=0.1, confounding=0.0, rng=1)
    assert turned.sequences == world.sequences
    np.testing.assert_array_equal(turned.dosages.X, world.dosages.X)
    for cell_type in world.cell_types:
        for part in ("near", "distal", "genetic"):
            layer = f"{part}[{cell_type}]"
            np.testing.assert_array_equal(turned.expression.layers[layer], world.expression.layers[layer])
        people = [
            one.expression.layers[cell_type] - one.expression.var[f"mean[{cell_type}]"].to_numpy()
            for one in (turned, world)
        ]
        np.testing.assert_allclose(*people, atol=1e-12)
        level = turned.expression.var[f"gene_level[{cell_type}]"]
        np.testing.assert_allclose(level.std(ddof=0), 3)  # sqrt(0.9 / 0.1)


def test_a_seed_gives_the_same_world_and_another_another(world):
    again = simulate.regulatory_world(66, 80, sequence_share=0.4, confounding=0.6, rng=1)
    assert again.sequences == world.sequences
    for layer, values in world.expression.layers.items():
        np.testing.assert_array_equal(again.expression.layers[layer], values)
    pd.testing.assert_frame_equal(again.dosages.var, world.dosages.var)
    other = simulate.regulatory_world(22, 10, rng=2)
    assert other.sequences["1"] != world.sequences["1"]
    assert world.settings["seed"] == 1


def test_a_generator_of_old_bits_is_a_source_too():
    drawn = [
        simulate.regulatory_world(22, 10, rng=np.random.Generator(np.random.RandomState(seed)._bit_generator))
        for seed in (1, 1, 2)
    ]
    assert drawn[0].sequences == drawn[1].sequences != drawn[2].sequences
    np.testing.assert_array_equal(*(one.expression.layers["B"] for one in drawn[:2]))


# --- people -----------------------------------------------------------------------------------------------------------


def test_reference_alleles_are_the_genome_s_and_haplotypes_add_up(world):
    dosages, var = world.dosages, world.dosages.var
    letters = [world.sequences[c][p - 1] for c, p in zip(var["chromosome"], var["position"], strict=True)]
    assert letters == var["ref_allele"].to_list()
    assert (var["ref_allele"] != var["eff_allele"]).all()
    assert var.index.is_unique
    assert not var.duplicated(["chromosome", "position"]).any()
    np.testing.assert_array_equal(dosages.X, dosages.layers["haplotype1"] + dosages.layers["haplotype2"])
    np.testing.assert_allclose(var["frequency"], dosages.X.mean(axis=0) / 2)
    assert var["frequency"].between(0.01, 0.99).all()
    first = var.iloc[0]
    assert first["varID"] == f"chr1_{first['position']}_{first['ref_allele']}_{first['eff_allele']}_b38"


def test_two_of_three_snps_are_transitions_and_they_are_as_dense_as_asked(world):
    var = world.dosages.var
    transitions = (var["ref_allele"] + var["eff_allele"]).isin(["AG", "GA", "CT", "TC"])
    assert abs(transitions.mean() - 0.68) < SIGMAS * np.sqrt(0.68 * 0.32 / len(var))
    expected = 66 * 10_000 / 175
    assert abs(len(var) - expected) < SIGMAS * np.sqrt(expected)
    assert var.groupby("chromosome")["position"].max().between(28_500, 30_000).all()


def test_snps_know_the_region_and_the_site_they_lie_in(world):
    var, genes = world.dosages.var, world.genes
    inside = var[var["region"] != ""]
    gene = genes.loc[inside["region"]]
    assert (inside["chromosome"].to_numpy() == gene["chromosome"].to_numpy()).all()
    assert (np.abs(inside["position"].to_numpy() - gene["tss"].to_numpy()) <= REGION // 2).all()
    assert abs(len(inside) - 66 * REGION / 175) < SIGMAS * np.sqrt(66 * REGION / 175)
    for chromosome in ("1", "22"):
        sites = world.sites[world.sites["chromosome"] == chromosome]
        for snp in var[var["chromosome"] == chromosome].itertuples():
            motif = sites.loc[(sites["start"] <= snp.position) & (sites["end"] >= snp.position), "motif"].to_list()
            assert motif == ([snp.site] if snp.site else [])
    assert (var["site"] != "").sum() > 40


def test_linkage_disequilibrium_falls_with_distance(world):
    own = world.dosages[:, (world.dosages.var["chromosome"] == "1").to_numpy()]
    r2 = np.corrcoef(own.X.T) ** 2
    distance = np.abs(np.subtract.outer(*[own.var["position"].to_numpy()] * 2))
    near, far = r2[(distance > 0) & (distance < 500)].mean(), r2[distance > 15_000].mean()
    assert near > 2 * far


def test_what_dna_near_a_gene_does_to_a_person_can_be_done_by_hand(world):
    near = world.expression.layers["near[T]"]
    able = np.flatnonzero(near.std(axis=0) > 0.05)
    checked = set()
    for gene in able:
        row, length = world.genes.iloc[gene], world.grammar.length
        person = int(np.abs(near[:, gene]).argmax())
        start = row["tss"] - length // 2 + (row["strand"] == "-")
        snps = world.dosages.var
        snps = snps[(snps["chromosome"] == row["chromosome"]) & snps["position"].between(start, start + length - 1)]
        texts = [stretch(world, row["chromosome"], start, start + length - 1)]
        for layer in ("haplotype1", "haplotype2"):
            letters = list(texts[0])
            alleles = world.dosages[person, snps.index].layers[layer].ravel()
            for (_, snp), allele in zip(snps.iterrows(), alleles, strict=True):
                letters[snp["position"] - start] = snp["eff_allele" if allele else "ref_allele"]
            texts.append("".join(letters))
        if row["strand"] == "-":
            texts = [text.translate(COMPLEMENT)[::-1] for text in texts]
        reference, *two = world.grammar.levels(texts)[:, 1]
        np.testing.assert_allclose(np.mean(two) - reference, near[person, gene], atol=1e-6)
        checked.add(row["strand"])
    assert checked == {"+", "-"}


def test_parts_of_expression_add_up_and_heritabilities_are_theirs(world):
    layers, var = world.expression.layers, world.expression.var
    for cell_type in world.cell_types:
        near, distal, genetic = (layers[f"{part}[{cell_type}]"] for part in ("near", "distal", "genetic"))
        np.testing.assert_allclose(genetic, near + distal)
        noise = layers[cell_type] - var[f"mean[{cell_type}]"].to_numpy() - genetic
        assert abs(noise.std() - 0.2) < SIGMAS * 0.2 / np.sqrt(2 * noise.size)
        whole = genetic.var(axis=0) + 0.2**2
        np.testing.assert_allclose(var[f"heritability_near[{cell_type}]"], near.var(axis=0) / whole)
        np.testing.assert_allclose(var[f"heritability_distal[{cell_type}]"], distal.var(axis=0) / whole)
        mean = distal.var(axis=0) / (distal.var(axis=0) + 0.2**2)
        assert abs(mean.mean() - 0.1) < SIGMAS * 0.09 / np.sqrt(66)  # Beta(1, 9)


def test_distal_snps_lie_outside_what_is_read_and_add_up_to_the_distal_part(world):
    weights = world.distal_weights
    var = world.dosages.var.loc[weights["rsid"]]
    gene = world.genes.loc[weights["gene"]]
    distance = np.abs(var["position"].to_numpy() - gene["tss"].to_numpy())
    assert (distance <= 20_000).all()
    assert (distance >= world.grammar.length // 2 - 1).all()
    assert (var["chromosome"].to_numpy() == gene["chromosome"].to_numpy()).all()
    for number, (name, own) in enumerate(weights.groupby("gene", sort=False)):
        assert world.genes.index[number] == name
        total = world.dosages[:, own["rsid"]].X @ own["Mono"].to_numpy()
        layer = world.expression.layers["distal[Mono]"][:, number]
        np.testing.assert_allclose(layer, total - total.mean(), atol=1e-9)
    without = simulate.regulatory_world(22, 12, distal_heritability=0, rng=1)
    assert not without.expression.layers["distal[B]"].any()


# --- measurements -----------------------------------------------------------------------------------------------------


def test_single_cells_are_summed_by_pseudobulk_and_follow_their_donors_levels(world):
    cells = world.cells(n_donors=4, cells_each=50, rng=1)
    assert cells.obs.groupby(["donor", "cell_type"], observed=True).size().eq(50).all()
    sums = pseudobulk(cells, "donor", "cell_type")
    assert sums.n_obs == 12
    donor, cell_type = cells.obs_names[0], "T"
    donor = cells.obs["donor"].iloc[0]
    level = world.expression[donor].layers[cell_type].ravel()
    expected = np.exp(level) / np.exp(level).sum()
    row = sums.X[(sums.obs["donor"] == donor).to_numpy() & (sums.obs["cell_type"] == cell_type).to_numpy()].ravel()
    seen = expected * row.sum() > 5
    assert np.corrcoef(np.log(row[seen] + 0.5), np.log(expected[seen]))[0, 1] > 0.9


def test_sums_of_everybody_have_the_mean_and_the_variance_of_sums_of_cells(world):
    sums = world.pseudobulk(cells_each=400, rng=1)
    assert sums.obs_names[1] == "person00001_T"
    assert sums.shape == (240, 66)
    phi, totals = sums.var["dispersion"].to_numpy(), sums.X.sum(axis=1, keepdims=True)
    z = []
    for number, cell_type in enumerate(world.cell_types):
        level = np.exp(world.expression.layers[cell_type])
        mean = level / level.sum(axis=1, keepdims=True) * totals[number::3]
        z.append((sums.X[number::3] - mean) / np.sqrt(mean + phi / 400 * mean**2))
    z = np.concatenate(z)
    assert abs(z.mean()) < 0.1
    assert 0.8 < z.std() < 1.1  # below 1: totals are those that were drawn


def test_a_gwas_knows_which_genes_act_on_the_trait_and_by_how_much(world):
    able = world.expression.var["heritability_near[T]"].nlargest(3).index.to_list()
    gwas = world.gwas(causal_genes=able, cell_type="T", mediated=0.05, polygenic=0.0, n=20_000, rng=1)
    effects = gwas.trait.gene_effects
    assert set(effects.index[effects != 0]) == set(able)
    told = world.dosages.X @ gwas.trait.snp_effects.to_numpy()
    np.testing.assert_allclose(told - told.mean(), gwas.trait.parts["mediated"], atol=1e-6)
    assert gwas.cell_type == "T"
    assert (gwas.linear["r2"].dropna() <= 1 + 1e-9).all()
    strongest = effects.abs().idxmax()
    chromosome = world.genes.loc[strongest, "chromosome"]
    own = gwas.table[gwas.table["chromosome"] == chromosome]
    assert own["zscore"].abs().max() > 5
    quiet = gwas.table[~gwas.table["chromosome"].isin(world.genes.loc[able, "chromosome"])]
    assert abs((quiet["zscore"] ** 2).mean() - 1) < 0.3


def test_the_linear_share_is_that_of_a_regression_on_the_region_s_snps(world):
    gwas = world.gwas(causal_genes=2, rng=1)
    gene = gwas.linear["n_snps"].idxmax()
    row, var = world.genes.loc[gene], world.dosages.var
    start = row["tss"] - world.grammar.length // 2 + (row["strand"] == "-")
    inside = (var["chromosome"] == row["chromosome"]) & var["position"].between(start, start + world.grammar.length - 1)
    X = np.column_stack([np.ones(80), world.dosages.X[:, inside.to_numpy()]])
    y = world.expression[:, gene].layers["near[B]"].ravel()
    residual = y - X @ np.linalg.lstsq(X, y)[0]
    np.testing.assert_allclose(gwas.linear.loc[gene, "r2"], 1 - residual.var() / y.var(), atol=1e-6)


# --- files ------------------------------------------------------------------------------------------------------------


def test_files_are_read_back_as_what_was_written(world, tmp_path):
    cells, gwas = world.cells(n_donors=2, cells_each=5), world.gwas(causal_genes=3)
    world.write(tmp_path / "new" / "folder", cells=cells, gwas=gwas)
    folder = tmp_path / "new" / "folder"
    genome = dna.read_genome(folder / "genome.fa")
    assert {name: genome.sequence(name, 1, genome.length(name)) for name in genome.chromosomes} == world.sequences
    genes = dna.read_annotation(folder / "genes.gtf")
    columns = ["chromosome", "start", "end", "strand", "tss", "genename"]
    pd.testing.assert_frame_equal(genes[columns], world.genes[columns], check_dtype=False, check_names=False)
    people = twas.read_vcf(folder / "people.vcf.gz")
    assert people.obs_names.equals(world.dosages.obs_names)
    for layer in ("haplotype1", "haplotype2"):
        np.testing.assert_array_equal(people.layers[layer], world.dosages.layers[layer])
    for column in ("chromosome", "position", "ref_allele", "eff_allele"):
        assert people.var[column].to_list() == world.dosages.var[column].to_list()
    read = anndata.read_h5ad(folder / "cells.h5ad")
    assert (read.X != cells.X).nnz == 0
    table = twas.read_gwas(folder / "gwas.txt.gz")
    np.testing.assert_allclose(table["zscore"], gwas.table["zscore"], rtol=1e-5)
    truth = pd.read_csv(folder / "truth_genes.csv.gz", index_col=0)
    assert (
        truth.index[truth["gwas_effect"] != 0].to_list()
        == gwas.trait.gene_effects.pipe(lambda x: x[x != 0]).index.to_list()
    )
    levels = anndata.read_h5ad(folder / "truth_expression.h5ad")
    np.testing.assert_allclose(levels.layers["near[B]"], world.expression.layers["near[B]"], atol=1e-6)


# --- what cannot be ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_genes": 9}, "n_genes must be a whole number, 10 at least"),
        ({"n_people": 20.5}, "n_people must be a whole number"),
        ({"spacing": 2_000}, "spacing must be a whole number, 3,000 at least"),
        ({"sequence_share": 0}, "sequence_share must be above 0 and at most 1"),
        ({"sequence_sd": 4}, "sequence_sd is a standard deviation of natural logarithms"),
        ({"environment_sd": 0}, "environment_sd is a standard deviation of natural logarithms"),
        ({"confounding": 1.5}, "confounding is a fraction"),
        ({"distal_heritability": 1}, "distal_heritability must be at least 0 and below 1"),
        ({"cell_types": "B"}, r"cell_types is one text, 'B'; give a list of names: \['B'\]"),
        ({"cell_types": ["B", "B"]}, "cell_types must be different names"),
        ({"cell_types": ["B", "T/NK"]}, "cell type 'T/NK': .* call it 'T_NK'"),
        ({"snp_spacing": 5}, "snp_spacing must be 20 to 2,000 base pairs"),
        ({"window": 500}, "window must be above 1,088 base pairs"),
        ({"rng": "1"}, "rng must be a number"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        simulate.regulatory_world(**{"n_genes": 22, "n_people": 10, **settings})


def test_too_few_distal_snps_are_named_with_a_way_out_that_works():
    settings = {"n_genes": 22, "n_people": 10, "spacing": 3_000, "snp_spacing": 1_900.0, "rng": 1}
    with pytest.raises(InputError, match=r"gene 'ENSG02000000002' has 1 SNPs .* lower snp_spacing"):
        simulate.regulatory_world(**settings)
    simulate.regulatory_world(**settings | {"snp_spacing": 100})


def test_measurements_that_cannot_be_are_named(world):
    with pytest.raises(InputError, match=r"n_donors must be a whole number, 1 to 80 \(the people\)"):
        world.cells(n_donors=81)
    with pytest.raises(InputError, match="cells_each must be a whole number, 1 at least"):
        world.pseudobulk(cells_each=0)
    with pytest.raises(InputError, match="rng must be a number"):
        world.gwas(rng=None)
    with pytest.raises(InputError, match="cell_type 'NK' is none of this world's: B, T, Mono"):
        world.gwas(cell_type="NK")


def test_the_bank_holds_what_is_planted_first_and_nothing_twice():
    bank = simulate.motif_bank()
    assert len(bank) == 100
    assert len(set(bank.ids)) == 100
    assert bank.select(PLANTED).ids == bank.ids[:50]
