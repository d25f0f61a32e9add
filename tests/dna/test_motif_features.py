"""Features from motifs: against a loop over all places, independent scanners, and finite differences."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from scomics_lite.dna import MotifFeatures, Motifs, jaspar_motifs, one_hot, reverse_complement, score_thresholds
from scomics_lite.validation import InputError

REFERENCE = Path(__file__).parents[1] / "reference"
WIDTHS = (1, 2, 5, 6, 9, 10)


def random_motifs(rng, widths=WIDTHS):
    matrices = [rng.dirichlet(np.full(4, 0.4), width) * 0.96 + 0.01 for width in widths]
    ids = [f"M{number}" for number in range(len(widths))]
    return Motifs(ids, [f"f{number}" for number in range(len(widths))], matrices)


def random_sequence(rng, length, letters="ACGT"):
    return "".join(rng.choice(list(letters), length))


def expected_sites(matrix, theta, sequence, first, last):
    """Sum the occupancy of all sites whose middle base, counted along their strand, is one of [first, last)."""
    width, total = len(matrix), 0.0
    for strand in (0, 1):
        text = reverse_complement(sequence) if strand else sequence
        for start in range(len(text) - width + 1):
            middle = start + width // 2
            place = len(text) - 1 - middle if strand else middle
            if first <= place < last:
                letters = text[start : start + width]
                s = sum(np.log2(4 * matrix[j, "ACGT".index(x)]) for j, x in enumerate(letters) if x in "ACGT")
                total += 1 / (1 + 2.0 ** (theta - s))
    return total


@pytest.mark.parametrize(
    ("length", "bin_width", "bins"), [(60, 8, 4), (60, 10, 6), (61, 5, 5), (12, 4, 3), (12, 2, 1), (11, 1, 1)]
)
def test_features_are_what_a_loop_over_all_places_and_both_strands_gives(length, bin_width, bins):
    rng = np.random.default_rng(length * bins)
    motifs = random_motifs(rng)
    module = MotifFeatures(motifs, length=length, bin_width=bin_width, bins=bins, pvalue=0.01).double()
    sequences = [random_sequence(rng, length, "ACGTN") for _ in range(3)]
    theta = score_thresholds(motifs, 0.01)
    first = (length - bins * bin_width) // 2
    expected = [
        [
            expected_sites(matrix, cut, sequence, first, first + bins * bin_width) / bins
            for matrix, cut in zip(motifs.matrices, theta, strict=True)
        ]
        for sequence in sequences
    ]
    found = module(torch.from_numpy(one_hot(sequences)).double()).numpy()
    np.testing.assert_allclose(found, expected, rtol=3e-6)  # kernels and thresholds were held in float32


def small_module(rng, **settings):
    return MotifFeatures(random_motifs(rng), **{"length": 60, "bin_width": 8, "bins": 4, "pvalue": 0.01} | settings)


@pytest.mark.parametrize(("bin_width", "bins"), [(8, 4), (10, 6), (60, 1), (2, 1)])
def test_a_sequence_and_its_reverse_complement_have_the_same_features(bin_width, bins):
    rng = np.random.default_rng(3)
    module = small_module(rng, bin_width=bin_width, bins=bins)
    sequences = [random_sequence(rng, 60, "ACGTN") for _ in range(20)]
    turned = module.features([reverse_complement(sequence) for sequence in sequences])
    np.testing.assert_allclose(turned, module.features(sequences), rtol=1e-5)


def test_the_gradient_in_a_snp_is_what_finite_differences_give():
    rng = np.random.default_rng(4)
    module = small_module(rng).double()
    x = torch.from_numpy(one_hot([random_sequence(rng, 60)])).double()
    direction = torch.zeros_like(x)
    direction[0, 29, 0], direction[0, 29, 2] = -1, 1  # from A to G in the middle, by a small step
    for track in range(len(WIDTHS)):
        moving = x.clone().requires_grad_()
        module(moving)[0, track].backward()
        step = 1e-5
        with torch.no_grad():
            difference = (module(x + step * direction) - module(x - step * direction))[0, track] / (2 * step)
        slope = (moving.grad * direction).sum()
        assert abs(slope) > 1e-6
        torch.testing.assert_close(slope, difference, rtol=1e-7, atol=1e-12)


def test_the_gradient_is_right_in_every_letter_at_once():
    module = small_module(np.random.default_rng(5), length=16, bin_width=4, bins=2).double()
    x = torch.from_numpy(one_hot(["ACGTTGCAACGTNGCA"])).double().requires_grad_()
    assert torch.autograd.gradcheck(module, (x,))


def test_where_a_site_of_its_factor_is_planted_a_track_rises_by_its_occupancy():
    motifs = jaspar_motifs().select(["MA0139.2", "REST"])
    rng = np.random.default_rng(6)
    module = MotifFeatures(motifs)
    best = ["".join("ACGT"[i] for i in matrix.argmax(axis=1)) for matrix in motifs.matrices]
    plain = random_sequence(rng, 2048)
    for track, site in enumerate(best):
        for planted in (site, reverse_complement(site)):
            inside, outside = (plain[:at] + planted + plain[at + len(site) :] for at in (1000, 300))
            before, middle, far = module.features([plain, inside, outside])
            # one site more in eight bins; what it covers, and what overlaps it, changes too
            assert 0.12 < middle[track] - before[track] < 0.2
            np.testing.assert_array_equal(far, before)  # beyond the bins


def test_letters_that_are_unknown_speak_neither_for_a_site_nor_against_it():
    rng = np.random.default_rng(7)
    module = small_module(rng)
    theta = module.thresholds.numpy()
    np.testing.assert_allclose(
        module.features(["N" * 60])[0], 2 * 8 / (1 + 2.0**theta), rtol=1e-5
    )  # every place has the score 0
    text = random_sequence(rng, 60)
    np.testing.assert_array_equal(
        module.features([text[:20] + "RY" + text[22:]]), module.features([text[:20] + "NN" + text[22:]])
    )


def test_features_take_texts_series_and_matrices_some_at_a_time():
    rng = np.random.default_rng(8)
    module = small_module(rng)
    texts = [random_sequence(rng, 60) for _ in range(23)]
    expected = module.features(texts, batch=23)
    assert expected.shape == (23, len(WIDTHS))
    assert expected.dtype == np.float32
    matrices = one_hot(texts)
    for given in (texts, pd.Series(texts, index=[f"g{i}" for i in range(23)]), matrices, torch.from_numpy(matrices)):
        for batch in (1, 5, 64):
            np.testing.assert_allclose(module.features(given, batch=batch), expected, rtol=1e-5)
    np.testing.assert_array_equal(module.features([text.lower() for text in texts], batch=23), expected)
    assert module.features([]).shape == (0, len(WIDTHS))
    assert module.features(texts[:3], progress=True).shape == (3, len(WIDTHS))


def test_tracks_have_the_names_of_the_motifs_and_ids_where_names_come_twice():
    motifs = jaspar_motifs().select(["MA0139.2", "GATA1::TAL1", "MA1929.2"])
    module = MotifFeatures(motifs, length=64, bin_width=8, bins=2)
    assert module.tracks.tolist() == ["CTCF MA0139.2", "GATA1::TAL1", "CTCF MA1929.2"]
    assert module.length == 64


def test_a_stored_module_is_the_same_when_read_again(tmp_path):
    rng = np.random.default_rng(9)
    motifs = random_motifs(rng)
    first, second = (MotifFeatures(motifs, length=60, bin_width=8, bins=4, pvalue=p) for p in (0.01, 0.2))
    torch.save(first.state_dict(), tmp_path / "motifs.pt")
    second.load_state_dict(torch.load(tmp_path / "motifs.pt"))
    text = [random_sequence(rng, 60)]
    np.testing.assert_array_equal(first.features(text), second.features(text))


def test_scores_are_those_of_lightmotif_and_sites_those_of_moods_and_nearly_those_of_fimo():
    # lightmotif 0.10.1 and MOODS 1.9.4.1 scanned with Biopython's log-odds: calls and versions are in
    # motif_provenance.json. MOODS's thresholds and ours differ by up to 0.01 bits, and few sites lie between them;
    # FIMO, of memelite 0.5.0, rounds the scores themselves to 0.01 bits.
    table = pd.read_csv(REFERENCE / "motif_scores.tsv.gz", sep="\t")
    sequences = pd.read_csv(REFERENCE / "motif_sequences.tsv.gz", sep="\t")["sequence"]
    ids = table["id"].unique()
    module = MotifFeatures(jaspar_motifs().select(ids), length=500, bin_width=100, bins=5)
    scores = module.scores(sequences).swapaxes(0, 1)  # (motifs, sequences, strands, starts)
    assert scores.shape == (20, 100, 2, 500)
    flat = np.nan_to_num(scores, nan=-np.inf).reshape(2000, 1000)
    np.testing.assert_allclose(flat.max(axis=1), table["best"], atol=2e-5)
    assert (flat.argmax(axis=1) == table["start"] + 500 * (table["strand"] == "-")).all()
    cutoffs = pd.read_csv(REFERENCE / "motif_cutoffs.tsv.gz", sep="\t").query("pvalue == 1e-4").set_index("id")
    moods = cutoffs.loc[ids, "moods"].to_numpy() - 1e-5  # scores are held in float32
    np.testing.assert_array_equal(sites_above(scores, moods), table["moods_sites"])
    ours = sites_above(scores, module.thresholds.numpy())
    assert (ours == table["moods_sites"]).mean() > 0.998
    assert (ours == table["fimo_sites"]).mean() > 0.98


def sites_above(scores, thresholds):
    return (scores >= thresholds[:, None, None, None]).sum(axis=(2, 3)).ravel()


def test_a_site_that_reaches_over_the_end_has_no_score():
    module = small_module(np.random.default_rng(10))
    scores = module.scores(["ACGT" * 15])
    for track, width in enumerate(WIDTHS):
        assert np.isnan(scores[0, track, :, 61 - width :]).all()
        assert np.isfinite(scores[0, track, :, : 61 - width]).all()


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        (["A" * 60, "A" * 59], r"sequence 2 has 59 letters, where 60 are wanted; MotifFeatures\(motifs, length="),
        ("A" * 60, "single text"),
        (["A" * 60] * 17 + ["A" * 59 + "!"], "sequence 18 has '!' at letter 60, which is no base"),
        ([None], "sequence 1 is of type NoneType"),
        (np.zeros((2, 60, 3)), r"shape \(n, 60, 4\), not \(2, 60, 3\)"),
        (np.zeros((2, 4, 60)), r"shape \(n, 60, 4\), not \(2, 4, 60\)"),
    ],
)
def test_what_is_no_sequence_of_this_length_is_refused(sequences, message):
    with pytest.raises(InputError, match=message):
        small_module(np.random.default_rng(1)).features(sequences)
    with pytest.raises(InputError, match=message):
        small_module(np.random.default_rng(1)).scores(sequences)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"length": 30}, "4 bins of 8 letters are longer than a sequence of 30"),
        ({"length": 61}, "4 bins of 8 letters cannot lie in the middle of a sequence of 61"),
        ({"bins": 0}, "bins must be a whole number above zero, not 0"),
        ({"bin_width": 2.5}, "bin_width must be a whole number"),
        ({"pvalue": 2}, "pvalue must lie between 0 and 1"),
        ({"length": 8, "bin_width": 2}, "motif 'M4' has 9 places, more than a sequence of 8"),
        ({"device": "cuda:99"}, "device 'cuda:99' cannot be used.*device=None"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        small_module(np.random.default_rng(1), **settings)


def test_a_batch_of_nothing_is_refused():
    with pytest.raises(InputError, match="batch must be one sequence at least, not 0"):
        small_module(np.random.default_rng(1)).features(["A" * 60], batch=0)


def test_no_motifs_and_a_sequence_shorter_than_the_module_s_are_refused():
    with pytest.raises(InputError, match="there are no motifs"):
        MotifFeatures(Motifs([], [], []))
    with pytest.raises(InputError, match=r"sequences must have shape \(n, 60, 4\), not \(1, 50, 4\)"):
        small_module(np.random.default_rng(1))(torch.zeros(1, 50, 4))
