"""The door to Enformer, on a small network of the same kind: bins, strands, folders, and what is said when it is shut.

What needs the package enformer-pytorch is skipped without it; the reason says how to install it.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from scomics_lite.dna.enformer import EnformerFeatures
from scomics_lite.dna.enformer_weights import INSTALL, LENGTH, load_network
from scomics_lite.dna.letters import one_hot, reverse_complement
from scomics_lite.validation import InputError

TINY = 192  # bases that the small network reads: 24 bins of 8, of which it predicts 10
SMALL = {"dim": 48, "depth": 1, "heads": 2, "num_downsamples": 3, "dim_divisible_by": 2, "attn_dim_key": 8}


def random_sequences(n, length=TINY, rng=0, letters="ACGT"):
    return ["".join(row) for row in np.random.default_rng(rng).choice(list(letters), (n, length))]


@pytest.fixture(scope="module")
def port():
    return pytest.importorskip("enformer_pytorch", reason=f"without enformer-pytorch: {INSTALL}")


def network(port, rng=0, **settings):
    """A small Enformer with random weights everywhere, also where the port begins with zeros."""
    model = port.Enformer.from_hparams(
        **(SMALL | {"output_heads": {"human": 7, "mouse": 3}, "target_length": 10} | settings)
    )
    generator = torch.Generator().manual_seed(rng)
    with torch.no_grad():
        for values in model.parameters():
            values.normal_(0, 0.3, generator=generator)
    return model


@pytest.fixture(scope="module")
def model(port):
    return network(port)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "enformer"
    model.save_pretrained(path, safe_serialization=False)
    return path


def outputs(model, sequences, head="human"):
    """All bins, from the port alone: (n, bins, tracks)."""
    with torch.no_grad():
        return model.eval()(torch.from_numpy(one_hot(sequences)))[head].numpy()


# --- features -------------------------------------------------------------------------------------------------------


def test_features_are_the_mean_of_the_central_bins(model):
    sequences = random_sequences(3)
    featuriser = EnformerFeatures(model, length=TINY)
    found = featuriser.features(sequences)
    assert found.dtype == np.float32
    assert found.shape == (3, 7) == (3, len(featuriser.tracks))
    expected = outputs(model, sequences)[:, 3:7].mean(1)  # of bins 0 to 9
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.ptp(found, axis=0).min() > 1e-3  # the sequences matter


@pytest.mark.parametrize(("central_bins", "bins"), [(2, slice(4, 6)), (10, slice(0, 10))])
def test_the_number_of_central_bins_is_an_argument(model, central_bins, bins):
    sequences = random_sequences(2, rng=1)
    found = EnformerFeatures(model, length=TINY, central_bins=central_bins).features(sequences)
    np.testing.assert_allclose(found, outputs(model, sequences)[:, bins].mean(1), rtol=1e-5)


@pytest.mark.parametrize(("target_length", "bins"), [(9, 8), (24, 24), (-1, 24)])
def test_bins_are_counted_as_the_network_cuts_them(port, target_length, bins):
    # The port cuts the same number of bins off at both ends, and so leaves one less than an odd target.
    model = network(port, target_length=target_length)
    featuriser = EnformerFeatures(model, length=TINY)
    assert outputs(model, random_sequences(1)).shape[1] == bins
    assert featuriser.central == slice(bins // 2 - 2, bins // 2 + 2)


def test_the_published_network_s_central_bins_are_446_to_449():
    config = SimpleNamespace(num_downsamples=7, target_length=896)
    heads = torch.nn.ModuleDict({"human": torch.nn.Sequential(torch.nn.Linear(1, 5313))})
    shape = torch.nn.Module()  # the published network as far as its shape tells
    shape.config, shape.heads = config, heads
    featuriser = EnformerFeatures(shape)
    assert featuriser.length == LENGTH == 196_608
    assert featuriser.settings["central_bins"] == [446, 449]
    assert len(featuriser.tracks) == 5313
    assert list(featuriser.tracks[[0, -1]]) == ["enformer_0", "enformer_5312"]
    # The middle of the sequence is the first base of bin 448; 320 bins are cut off at each end.
    assert LENGTH // 2 == (448 + 320) * 128


def test_the_mean_of_both_strands_is_that_of_two_passes_with_bins_flipped(model):
    sequences = random_sequences(3, rng=2, letters="ACGTN")
    found = EnformerFeatures(model, length=TINY, reverse_complement=True).features(sequences)
    forward = outputs(model, sequences)
    backward = outputs(model, [reverse_complement(sequence) for sequence in sequences])[:, ::-1]
    np.testing.assert_allclose(found, ((forward + backward) / 2)[:, 3:7].mean(1), rtol=1e-5)
    one_strand = EnformerFeatures(model, length=TINY).features(sequences)
    assert np.abs(found - one_strand).max() > 1e-3


def test_both_strands_of_a_sequence_have_the_same_mean(model):
    sequences = random_sequences(2, rng=3)
    featuriser = EnformerFeatures(model, length=TINY, reverse_complement=True)
    other = featuriser.features([reverse_complement(sequence) for sequence in sequences])
    np.testing.assert_allclose(featuriser.features(sequences), other, rtol=1e-5)


def test_batches_do_not_matter(model):
    sequences = random_sequences(5, rng=4)
    featuriser = EnformerFeatures(model, length=TINY)
    together = featuriser.features(sequences, batch=5)
    for batch in (1, 2):
        np.testing.assert_allclose(featuriser.features(sequences, batch), together, rtol=1e-5)
    assert featuriser.features([]).shape == (0, 7)


def test_dropout_is_off_and_weights_stay(model):
    model.train()
    featuriser = EnformerFeatures(model, length=TINY)
    sequences = random_sequences(1, rng=5)
    np.testing.assert_array_equal(featuriser.features(sequences), featuriser.features(sequences))
    assert not any(values.requires_grad for values in featuriser.parameters())


def test_the_derivative_in_a_letter_is_that_of_finite_differences(port):
    featuriser = EnformerFeatures(network(port, rng=6).double(), length=TINY)
    letters = torch.from_numpy(one_hot(random_sequences(1, rng=6))).double().requires_grad_()
    featuriser(letters)[0, 2].backward()
    for place, base in ((95, 0), (100, 3)):
        step = torch.zeros_like(letters)
        step[0, place, base] = 1e-5
        difference = (featuriser(letters + step) - featuriser(letters - step))[0, 2] / 2e-5
        assert letters.grad[0, place, base].item() == pytest.approx(difference.item(), rel=1e-4, abs=1e-8)


def test_letters_are_those_of_the_port(model, port):
    (sequence,) = random_sequences(1, rng=7, letters="ACGTN")
    np.testing.assert_array_equal(one_hot([sequence])[0], port.str_to_one_hot(sequence).numpy())
    featuriser = EnformerFeatures(model, length=TINY)
    np.testing.assert_array_equal(featuriser.features([sequence.lower()]), featuriser.features([sequence]))


def test_another_head_gives_its_own_tracks(model):
    sequences = random_sequences(1, rng=8)
    found = EnformerFeatures(model, length=TINY, head="mouse").features(sequences)
    np.testing.assert_allclose(found, outputs(model, sequences, "mouse")[:, 3:7].mean(1), rtol=1e-5)


# --- names of tracks ------------------------------------------------------------------------------------------------


def test_tracks_take_their_names_from_a_table_of_targets_or_a_list(model, tmp_path):
    names = [f"ENCFF{number}" for number in range(7)]
    table = pd.DataFrame({"index": range(7), "genome": 0, "identifier": names, "description": "DNASE:liver"})
    table.to_csv(tmp_path / "targets.txt", sep="\t", index=False)
    assert list(EnformerFeatures(model, length=TINY, tracks=tmp_path / "targets.txt").tracks) == names
    assert list(EnformerFeatures(model, length=TINY, tracks=names).tracks) == names


def test_tracks_that_do_not_fit_are_named(model, tmp_path):
    def refused(tracks, match):
        with pytest.raises(InputError, match=match):
            EnformerFeatures(model, length=TINY, tracks=tracks)

    refused(list("abc"), "tracks: 3 names, and this network has 7 tracks")
    refused(list("abcdefa"), "'a' is the name of two tracks")
    refused(tmp_path / "nothing.txt", "nothing.txt' cannot be read")
    (tmp_path / "other.txt").write_text("name\tassay\nx\ty\n")
    refused(tmp_path / "other.txt", "no column 'identifier' between tabs, but name, assay: give the names as a list")


# --- loading --------------------------------------------------------------------------------------------------------


def test_a_folder_gives_the_network_that_was_saved(model, folder):
    sequences = random_sequences(2, rng=9)
    loaded = EnformerFeatures.load(folder, length=TINY)
    np.testing.assert_array_equal(loaded.features(sequences), EnformerFeatures(model, length=TINY).features(sequences))
    assert EnformerFeatures.load(str(folder), length=TINY, reverse_complement=True).reverse_complement


def test_without_the_package_the_line_that_installs_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("scomics_lite.dna.enformer_weights.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="needs the package enformer-pytorch") as caught:
        EnformerFeatures.load(tmp_path)
    assert INSTALL in str(caught.value)


def test_without_network_and_without_a_copy_both_ways_out_are_named(port, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"'EleutherAI/enformer-official-rough'.*could not be fetched.*Two ways"):
        EnformerFeatures.load()


def test_folders_without_a_network_are_named(port, tmp_path):
    for name in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(InputError, match=rf"{tmp_path.name}.*is no folder with a network.*config.json"):
            EnformerFeatures.load(name)


def test_weights_that_lack_parts_are_refused(port, folder, tmp_path):
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    port.Enformer.from_pretrained(folder).config.save_pretrained(tmp_path)
    torch.save(
        {name: values for name, values in weights.items() if "human" not in name}, tmp_path / "pytorch_model.bin"
    )
    with pytest.raises(InputError, match=r"weights lack 2 parts .*such as _heads.human.0.bias"):
        load_network(tmp_path)


def test_tables_from_tensorflow_are_used_when_asked_for(port, tmp_path):
    # 1,536 bins of 8 bases, and 32 densities, as the published network has them
    model = network(port, dim=192, heads=1, output_heads={"human": 2})
    model.save_pretrained(tmp_path, safe_serialization=False)
    length, sequences = 1536 * 8, random_sequences(1, 1536 * 8)
    computed = EnformerFeatures.load(tmp_path, length=length)
    tables = EnformerFeatures.load(tmp_path, length=length, use_tf_gamma=True)
    assert [one.settings["use_tf_gamma"] for one in (computed, tables)] == [False, True]
    assert np.abs(computed.features(sequences) - tables.features(sequences)).max() > 0.01


def test_the_published_name_takes_these_tables_by_itself_and_a_folder_does_not(port, monkeypatch):
    model = network(port, dim=192, heads=1, output_heads={"human": 2})
    monkeypatch.setattr("scomics_lite.dna.enformer.load_network", lambda name_or_path: model)
    assert EnformerFeatures.load(length=1536 * 8).settings["use_tf_gamma"]
    assert not EnformerFeatures.load("a folder", length=1536 * 8).settings["use_tf_gamma"]


def test_tables_from_tensorflow_are_each_density_over_its_own_maximum(port):
    tables = port.modeling_enformer.TF_GAMMAS.numpy()
    distance, mean, sd = np.abs(np.arange(-1535, 1536.0)), np.linspace(48, 1536, 32), 24.0
    density = stats.gamma.pdf(distance[:, None], (mean / sd) ** 2, scale=sd**2 / mean) + 1e-8
    assert np.abs(density / density.max(0) - tables).max() < 0.003
    computed = port.modeling_enformer.get_positional_features_gamma(torch.arange(-1535, 1536), 32, 1536).numpy()
    assert np.abs(density / density.max(1, keepdims=True) - computed).max() < 0.003
    assert np.abs(computed - tables).max() > 0.99


def test_tables_from_tensorflow_are_refused_for_other_networks(folder):
    with pytest.raises(InputError, match=r"for 1,536 bins and 32 .*this one has 24 bins and 4 .*use_tf_gamma=False"):
        EnformerFeatures.load(folder, length=TINY, use_tf_gamma=True)


# --- what does not fit ----------------------------------------------------------------------------------------------


def test_sequences_of_another_length_are_named_with_both_lengths(model):
    featuriser = EnformerFeatures(model, length=TINY)
    sequences = [*random_sequences(1), *random_sequences(1, 1_000)]
    with pytest.raises(InputError, match=r"sequence 2 has 1,000 letters, and this network reads 192: cut out as many"):
        featuriser.features(sequences)
    with pytest.raises(InputError, match=r"single text; put it into a list"):
        featuriser.features(sequences[0])


def test_letters_that_are_no_dna_are_named(model):
    (sequence,) = random_sequences(1)
    with pytest.raises(InputError, match=r"sequence 1 has 'U' at letter 192"):
        EnformerFeatures(model, length=TINY).features([sequence[:-1] + "U"])


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"length": 100}, r"length=100: .*whole number of bins of 8 bases, and at least 80"),
        ({"length": 72}, r"length=72: .*at least 80 bases, the 10 bins that it predicts"),
        ({"central_bins": 3}, r"central_bins=3: of 10 predicted bins an even number, from 1 to 10"),
        ({"central_bins": 12}, r"central_bins=12: of 10"),
        ({"head": "humans"}, r"head='humans': did you mean 'human'"),
    ],
)
def test_settings_that_do_not_fit_the_network_are_named(model, settings, match):
    with pytest.raises(InputError, match=match):
        EnformerFeatures(model, **({"length": TINY} | settings))


def test_the_published_length_is_asked_for_where_a_network_is_small(model):
    # 196,608 bases are 24,576 bins of this network: a network that was made for another length is told so here
    with pytest.raises(InputError, match=r"sequence 1 has 192 letters, and this network reads 196,608"):
        EnformerFeatures(model).features(random_sequences(1))
