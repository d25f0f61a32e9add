"""Expression predicted from people's own DNA: the same as by hand, killed and run again, and bad input before hours."""

import anndata
import numpy as np
import pandas as pd
import pytest

from scomics_lite import simulate
from scomics_lite.dna import Genome, MotifFeatures, Motifs, jaspar_motifs, reference_sequences, reverse_complement
from scomics_lite.twas import CtPred, RidgePredictor, linearise, personal_expression
from scomics_lite.validation import InputError

LENGTH = 128
N_PEOPLE, SPACING = 16, 300


class Bent:
    """A model that is no straight line, of three tracks."""

    def __init__(self, bend=1.0):
        self.cell_types, self.bend = pd.Index(["B", "T cell"]), np.array(bend)
        self.tracks = pd.Index(["GATA1", "CTCF", "SPI1"])

    def predict_array(self, features):
        both = np.column_stack([features[:, 0] * features[:, 1] + self.bend, features[:, 2] + features[:, 0] ** 2])
        return (1 / (1 + np.exp(-both))).astype(np.float32)


class Counting:
    """A featuriser that counts letters, tracks in another order than the model's, and remembers what it was asked."""

    length, tracks = LENGTH, pd.Index(["SPI1", "GATA1", "CTCF"])

    def __init__(self):
        self.asked = []

    def features(self, sequences):
        self.asked += sequences
        words = ("TG", "GA", "CC")
        return np.array([[text[30:90].count(word) / 10 for word in words] for text in sequences], dtype=np.float32)

    def state_dict(self):
        return {}


def make_people(seed=0, n_genes=5):
    """Genes on both strands with a SNP every 12 letters; the last gene's neighbourhood has none."""
    rng = np.random.default_rng(seed)
    letters = rng.choice(list("ACGT"), SPACING * n_genes)
    genome = Genome({"chr7": "".join(letters)})
    tss = np.arange(n_genes) * SPACING + SPACING // 2
    genes = pd.DataFrame(
        {"chromosome": "7", "start": tss, "end": tss + 50, "strand": (["+", "-"] * n_genes)[:n_genes], "tss": tss},
        [f"g{i}" for i in range(n_genes)],
    )
    position = np.arange(5, SPACING * (n_genes - 1), 12)
    ref = letters[position - 1]
    other = np.array([rng.choice([letter for letter in "ACGT" if letter != one]) for one in ref])
    snps = pd.DataFrame({"chromosome": "7", "position": position, "ref_allele": ref, "eff_allele": other})
    few = rng.random((4, len(position))) < 0.3  # haplotypes that people share
    layers = {f"haplotype{i}": few[rng.integers(4, size=N_PEOPLE)].astype(np.int8) for i in (1, 2)}
    people = pd.DataFrame(index=[f"p{i}" for i in range(N_PEOPLE)])
    x = (layers["haplotype1"] + layers["haplotype2"]).astype(np.float32)
    return genome, genes, anndata.AnnData(x, people, snps.set_index("rs" + snps.index.astype(str)), layers=layers)


def by_hand(genome, genes, dosages, featuriser, model, average):
    """Person by person, haplotype by haplotype, letter by letter: (cell types, people, genes)."""
    order = pd.Index(featuriser.tracks).get_indexer(model.tracks)
    whole = genome.sequence("7", 1, genome.length("7"))
    out = np.zeros((len(model.cell_types), dosages.n_obs, len(genes)))
    for person in range(dosages.n_obs):
        for place, gene in enumerate(genes.itertuples()):
            features = []
            for layer in ("haplotype1", "haplotype2"):
                letters = list(whole)
                for snp in np.flatnonzero(dosages.layers[layer][person]):
                    letters[dosages.var["position"].iloc[snp] - 1] = dosages.var["eff_allele"].iloc[snp]
                start = gene.tss - LENGTH // 2 + (0 if gene.strand == "+" else 1)
                text = "".join(letters)[start - 1 : start - 1 + LENGTH]
                text = text if gene.strand == "+" else reverse_complement(text)
                features.append(featuriser.features([text])[0, order])
            if average == "features":
                out[:, person, place] = model.predict_array(np.mean(features, axis=0)[None])[0]
            else:
                out[:, person, place] = model.predict_array(np.array(features)).mean(axis=0)
    return out


@pytest.fixture(scope="module")
def world():
    return make_people()


@pytest.mark.parametrize("average", ["features", "predictions"])
def test_predictions_are_those_made_person_by_person(world, average):
    found = personal_expression(*world, Counting(), Bent(), average=average, progress=False)
    expected = by_hand(*world, Counting(), Bent(), average)
    assert list(found.layers) == ["B", "T cell"]
    assert found.X is None
    for layer, numbers in zip(found.layers, expected, strict=True):
        assert found.layers[layer].dtype == np.float32
        np.testing.assert_allclose(found.layers[layer], numbers, atol=1e-6)
    assert found.obs_names.equals(world[2].obs_names)
    assert found.var_names.equals(world[1].index)


def test_the_two_averages_differ_where_the_model_is_bent(world):
    one, other = (
        personal_expression(*world, Counting(), Bent(), average=average, progress=False).layers["T cell"]
        for average in ("features", "predictions")
    )
    assert np.abs(one - other).max() > 1e-4


def test_the_reference_is_predicted_too(world):
    genome, genes, dosages = world
    found = personal_expression(*world, Counting(), Bent(), progress=False)
    features = Counting().features(list(reference_sequences(genome, genes, LENGTH)))[:, [1, 2, 0]]
    np.testing.assert_allclose(found.varm["reference"], Bent().predict_array(features), atol=1e-6)
    nobody = dosages.copy()
    nobody.X[:], nobody.layers["haplotype1"][:], nobody.layers["haplotype2"][:] = 0, 0, 0
    same = personal_expression(genome, genes, nobody, Counting(), Bent(), progress=False)
    for layer in same.layers:
        assert (same.layers[layer] == same.varm["reference"][layer].to_numpy()).all()
    assert same.var["status"].eq("no variants").all()


def test_every_distinct_sequence_is_scanned_once(world):
    featuriser = Counting()
    found = personal_expression(*world, featuriser, Bent(), progress=False)
    assert found.var["n_haplotypes"].between(1, 4).all()  # of 32
    assert len(featuriser.asked) == len(set(featuriser.asked)) <= found.var["n_haplotypes"].sum() + len(found.var)


def test_genes_have_a_status(world):
    genome, genes, dosages = world
    some = dosages[:, (dosages.var["position"] > 450) & ~dosages.var["position"].between(720, 780)].copy()
    found = personal_expression(genome, genes, some, Counting(), Bent(), progress=False)
    assert found.var["status"].tolist() == [
        "no variants",
        "predicted",
        "constant prediction",  # those left are outside of what the features read
        "predicted",
        "no variants",
    ]
    assert found.var["n_variants"].iloc[[0, 4]].eq(0).all()
    assert (found.var["n_variants"].iloc[1:4] > 0).all()


def test_a_gene_that_cannot_be_written_is_a_row_with_a_reason(world):
    genome, genes, dosages = world
    dosages = dosages.copy()
    near = np.flatnonzero(dosages.var["position"].between(140, 160))[0]
    dosages.X[3, near] = np.nan
    with pytest.warns(UserWarning, match="1 of 5 genes cannot be predicted and are NaN"):
        found = personal_expression(genome, genes, dosages, Counting(), Bent(), progress=False)
    assert "p3" in found.var["status"].iloc[0]
    assert "has no genotype" in found.var["status"].iloc[0]
    assert np.isnan(found.layers["B"][:, 0]).all()
    assert np.isfinite(found.layers["B"][:, 1:]).all()
    whole = personal_expression(*world, Counting(), Bent(), progress=False)
    assert (found.layers["B"][:, 1:] == whole.layers["B"][:, 1:]).all()


def change_build(genome, genes, dosages):
    dosages = dosages.copy()
    dosages.var["position"] += 1
    return genome, genes, dosages


def lose_all_genotypes(genome, genes, dosages):
    dosages = dosages[:, dosages.var["position"] > 80].copy()
    dosages.X[0] = np.nan
    return genome, genes.iloc[:4], dosages


def lose_phase(genome, genes, dosages):
    return genome, genes.iloc[:4], anndata.AnnData(dosages.X, dosages.obs, dosages.var)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_build, "have other alleles than the genome"),
        (
            lose_all_genotypes,
            "none of 4 genes can be predicted; the first is refused because person 'p0' has no genoty",
        ),
        (lose_phase, "heterozygous at several"),
        (lambda g, genes, d: (g, genes.assign(chromosome="9"), d), "none of 5 genes can be predicted"),
        (lambda g, genes, d: (g, genes, d.to_df()), "an AnnData of people and SNPs is needed"),
        (lambda g, genes, d: (g, pd.concat([genes, genes]), d), "genes: gene 'g0' comes 2 times"),
    ],
)
def test_bad_input_is_refused_before_anything_is_scanned(world, change, message):
    featuriser = Counting()
    with pytest.raises(InputError, match=message):
        personal_expression(*change(*world), featuriser, Bent(), progress=False)
    assert featuriser.asked == []


def test_a_model_of_other_tracks_is_refused(world):
    model = Bent()
    model.tracks = pd.Index(["GATA1", "CTCF", "PAX6"])
    with pytest.raises(InputError, match="tracks that the model has learned are not among the features: 'PAX6'"):
        personal_expression(*world, Counting(), model, progress=False)
    with pytest.raises(InputError, match="average='prediction'"):
        personal_expression(*world, Counting(), Bent(), average="prediction", progress=False)


def same(one, other):
    for layer in one.layers:
        np.testing.assert_array_equal(one.layers[layer], other.layers[layer])
    pd.testing.assert_frame_equal(one.var, other.var)
    pd.testing.assert_frame_equal(one.varm["reference"], other.varm["reference"])


def test_a_run_that_was_killed_ends_with_the_same_numbers_and_bytes(world, tmp_path):
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    direct = personal_expression(*world, Counting(), Bent(), progress=False)
    same(personal_expression(*world, Counting(), Bent(), resume=whole, progress=False), direct)
    lines = whole.read_bytes().splitlines(keepends=True)
    killed.write_bytes(b"".join(lines[:3]) + lines[3][:40])
    featuriser = Counting()
    same(personal_expression(*world, featuriser, Bent(), resume=killed, progress=False), direct)
    assert killed.read_bytes() == whole.read_bytes()
    assert 0 < len(featuriser.asked) < direct.var["n_haplotypes"].sum()


def test_a_run_of_other_input_is_refused_and_what_differs_is_named(world, tmp_path):
    genome, genes, dosages = world
    path = tmp_path / "run.jsonl"
    personal_expression(*world, Counting(), Bent(), resume=path, progress=False)
    other = dosages.copy()
    other.layers["haplotype1"], other.layers["haplotype2"] = dosages.layers["haplotype2"], dosages.layers["haplotype1"]
    for changed, model, named in (
        (world, Bent(bend=1.5), "model"),
        ((genome, genes, dosages[:8].copy()), Bent(), "people, sequences"),
        ((genome, genes[:3], dosages), Bent(), "list of genes, sequences"),
        ((genome, genes, other), Bent(), "sequences"),
    ):
        with pytest.raises(InputError, match=f"was begun with other {named}\\. Take them again"):
            personal_expression(*changed, Counting(), model, resume=path, progress=False)
    with pytest.raises(InputError, match=r"other average \(features, now predictions\)"):
        personal_expression(*world, Counting(), Bent(), average="predictions", resume=path, progress=False)


def test_the_grammar_of_a_world_gives_back_what_its_people_express():
    simulated = simulate.regulatory_world(22, 12, rng=3)
    grammar = simulated.grammar

    class Truth:
        tracks, cell_types = grammar.scanner.tracks, pd.Index(simulated.cell_types)

        def predict_array(self, features):
            phi = 1 - np.exp(-features.astype(float) * grammar.scanner.bins)
            return (grammar.raw(phi) - grammar.mean.to_numpy()) * grammar.scale.to_numpy()

    found = personal_expression(
        Genome(simulated.sequences), simulated.genes, simulated.dosages, grammar.scanner, Truth(),
        average="predictions", progress=False,
    )  # fmt: skip
    for cell_type in simulated.cell_types:
        near = found.layers[cell_type] - found.varm["reference"][cell_type].to_numpy()
        np.testing.assert_allclose(near, simulated.expression.layers[f"near[{cell_type}]"], atol=1e-5)


def learned_models(features, genes):
    rng = np.random.default_rng(0)
    percentiles = pd.DataFrame(rng.random((len(features), 2)), genes, ["B", "T"])
    split = pd.Series(np.resize(["train", "train", "validation"], len(genes)), genes)
    for model in (RidgePredictor(), CtPred(epochs=2, hidden=8)):
        fitted = {"progress": False} if isinstance(model, CtPred) else {}
        yield model.fit(pd.DataFrame(features, genes, ["a", "b"]), percentiles, split, **fitted)


def test_real_motifs_and_learned_models_go_through_to_linear_models(tmp_path):
    genome, genes, dosages = make_people(n_genes=8)
    bank = jaspar_motifs().select(["MA0035.5", "MA0139.2"])
    assert isinstance(bank, Motifs)
    factors = MotifFeatures(bank, length=LENGTH, bin_width=32, bins=2)
    features = factors.features(list(reference_sequences(genome, genes, LENGTH)))
    repeated = [f"{gene}.{i}" for i in range(10) for gene in genes.index]
    noisy = np.tile(features, (10, 1)) + np.random.default_rng(1).normal(0, 0.01, (80, 2))
    for model in learned_models(noisy, repeated):
        model.tracks = factors.tracks
        found = personal_expression(genome, genes, dosages, factors, model, progress=False)
        assert list(found.layers) == ["B", "T"]
        assert np.isfinite(found.layers["T"]).all()
        found.write_h5ad(tmp_path / f"{type(model).__name__}.h5ad")
        back = anndata.read_h5ad(tmp_path / f"{type(model).__name__}.h5ad")
        same(back, found)
        with pytest.raises(InputError, match="share 16 people; 20 are needed"):
            linearise(dosages, back, genes, filters={"maf": None, "hwe": None, "ambiguous": False}, progress=False)
