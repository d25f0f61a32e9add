"""Motifs from files, JASPAR's among them, and the scores from which their sites are rare."""

import gzip
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scomics_lite.dna import Motifs, jaspar_motifs, probabilities_of, read_motifs, score_thresholds
from scomics_lite.validation import InputError

REFERENCE = Path(__file__).parents[1] / "reference"
JASPAR = ">M1.1\town\nA  [ 8 0 1 ]\nC  [ 0 8 1 ]\nG  [ 0 0 5 ]\nT  [ 0 0 1 ]\n"
RAW = ">M1.1 own\n8 0 1\n0 8 1\n0 0 5\n0 0 1\n"
MEME = """MEME version 4

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.25 C 0.25 G 0.25 T 0.25

MOTIF M1.1 own
letter-probability matrix: alength= 4 w= 3 nsites= 8 E= 0
 1.000000  0.000000  0.000000  0.000000
 0.000000  1.000000  0.000000  0.000000
 0.125000  0.125000  0.625000  0.125000
URL http://jaspar.elixir.no/matrix/M1.1

MOTIF M2.1
letter-probability matrix: alength= 4 w= 1
 0.3 0.2 0.2 0.3
"""


def read_text(tmp_path, text, name="own.txt"):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return read_motifs(path)


def test_jaspar_s_vertebrates_are_all_there():
    motifs = jaspar_motifs()
    assert len(motifs) == len(set(motifs.ids)) == len(set(motifs.labels)) == 879
    table = motifs.table()
    assert table["width"].agg(["min", "max"]).tolist() == [5, 33]
    assert table.loc["MA0139.2", "name"] == "CTCF"
    # as JASPAR's page of the motif shows it: first and last place of 15
    np.testing.assert_array_equal(motifs.counts[motifs.ids.index("MA0004.1")][0], [4, 16, 0, 0])
    assert all((matrix > 0).all() for matrix in motifs.matrices)
    assert jaspar_motifs() is motifs


def test_counts_get_the_pseudocounts_of_jaspar_s_tools():
    counts = np.array([[16.0, 0, 0, 0], [4, 4, 4, 4]])
    np.testing.assert_allclose(probabilities_of(counts), [[0.85, 0.05, 0.05, 0.05], [0.25] * 4])


@pytest.mark.parametrize("name", ["own.txt", "own.jaspar.gz"])
@pytest.mark.parametrize(
    "text", [JASPAR, RAW, JASPAR.replace("\n", "\r\n"), JASPAR.replace("[ ", "[").replace(" ]", "]")]
)
def test_jaspar_s_files_are_read_with_and_without_letters_and_brackets(tmp_path, text, name):
    motifs = read_text(tmp_path, text, name)
    assert (motifs.ids, motifs.names) == (("M1.1",), ("own",))
    np.testing.assert_array_equal(motifs.counts[0], [[8, 0, 0, 0], [0, 8, 0, 0], [1, 1, 5, 1]])
    np.testing.assert_allclose(motifs.matrices[0], probabilities_of(motifs.counts[0]))


def test_rows_are_taken_by_their_letters(tmp_path):
    head, *rows = JASPAR.splitlines()
    turned = read_text(tmp_path, "\n".join([head, *rows[::-1]]))
    np.testing.assert_array_equal(turned.matrices[0], read_text(tmp_path, JASPAR).matrices[0])


def test_meme_s_files_are_read_as_the_counts_they_came_from(tmp_path):
    motifs = read_text(tmp_path, MEME)
    assert motifs.ids == ("M1.1", "M2.1")
    assert motifs.names == ("own", "M2.1")  # the id where there is no name
    np.testing.assert_allclose(motifs.matrices[0], read_text(tmp_path, JASPAR).matrices[0])
    assert motifs.counts[1] is None  # no nsites in the file: taken as 20, MEME's default
    root = np.sqrt(20)
    np.testing.assert_allclose(motifs.matrices[1][0], (np.array([6, 4, 4, 6]) + root / 4) / (20 + root))


def test_all_of_jaspar_written_as_meme_is_read_back(tmp_path):
    motifs = jaspar_motifs()
    lines = ["MEME version 4", "", "ALPHABET= ACGT", ""]
    for key, name, counts in zip(motifs.ids, motifs.names, motifs.counts, strict=True):
        n = counts.sum(axis=1).mean()
        lines += [f"MOTIF {key} {name}", f"letter-probability matrix: alength= 4 w= {len(counts)} nsites= {float(n)!r}"]
        lines += [" ".join(f"{p:.6f}" for p in row / row.sum()) for row in counts]
    again = read_text(tmp_path, "\n".join(lines))
    assert (again.ids, again.names) == (motifs.ids, motifs.names)
    for a, b, counts in zip(again.matrices, motifs.matrices, motifs.counts, strict=True):
        if np.ptp(counts.sum(axis=1)) < 1e-6 * counts.sum():  # MEME has one number of sites for all places
            np.testing.assert_allclose(a, b, atol=2e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"own.txt is empty"),
        ("\n \n", r"own.txt is empty"),
        ("id,name\n1,2\n", r"own.txt, line 1: 'id,name' begins no file of motifs"),
        (JASPAR + ">M2.1 other\nA [1]\nC [1]\nG [1]\n", r"line 6: motif 'M2.1' has 3 rows of counts; needed are four"),
        (JASPAR.replace("0 8 1 ]", "0 8 ]"), r"line 1: the rows of motif 'M1.1' have \[3, 2, 3, 3\] counts"),
        (JASPAR.replace("8 0 1 ]", "0 0 1 ]"), r"line 1: place 1 of motif 'M1.1' has no counts at all"),
        (JASPAR + JASPAR, r"line 6: motif 'M1.1' stands in line 1 too; remove one"),
        (JASPAR.replace("G ", "U "), r"line 1: the rows of motif 'M1.1' are A, C, U, T, not A, C, G, T"),
        (JASPAR.replace("5", "five"), r"line 4: '0 0 five' in motif 'M1.1' is no row of numbers"),
        (JASPAR.replace("5", "-5"), r"line 4: -5 in motif 'M1.1' is neither a count nor a probability"),
        (JASPAR.replace("5", "nan"), r"line 4: nan in motif 'M1.1'"),
        (JASPAR.replace(">M1.1\town", ">"), r"line 1: a motif without an id"),
        (">M1.1\nA []\nC []\nG []\nT []\n", r"motif 'M1.1' has no places"),
        (MEME.replace("0.125000  0.625000", "0.5 0.625000"), r"line 14: .* in motif 'M1.1'.*these 4 give 1.375"),
        (MEME.replace(" 0.3 0.2 0.2 0.3", " 0.3 0.2 0.5"), r"line 19: '0.3 0.2 0.5' in motif 'M2.1'.*these 3 give 1"),
        (MEME.replace("w= 3", "w= 4"), r"line 11: motif 'M1.1' has 3 rows of probabilities, and says w= 4"),
        (MEME.replace("M2.1", "M1.1"), r"line 17: motif 'M1.1' stands in line 10 too"),
        (MEME.replace("ALPHABET= ACGT", "ALPHABET= ACDEFGHIKLMNPQRSTVWY"), r"line 3: 'ALPHABET= ACD.*DNA's motifs"),
        ("MEME version 4\n", r"own.txt has no line 'MOTIF id name'"),
        ("MEME version 4\nMOTIF M1\n", r"line 2: motif 'M1' has no 'letter-probability matrix:'"),
    ],
)
def test_a_file_that_is_not_in_order_is_refused_with_line_and_motif(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_text(tmp_path, text)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt is not there"):
        read_motifs(tmp_path / "none.txt")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(JASPAR.encode())[:-12])
    with pytest.raises(InputError, match=r"cut\.gz cannot be read"):
        read_motifs(tmp_path / "cut.gz")
    (tmp_path / "bytes.txt").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match=r"bytes\.txt is no text"):
        read_motifs(tmp_path / "bytes.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read_motifs(tmp_path)


def test_motifs_are_selected_by_id_by_name_and_by_label_in_the_order_asked_for():
    motifs = jaspar_motifs()
    some = motifs.select(["MA1929.2", "GATA1::TAL1", "CTCF MA0139.2"])
    assert some.ids == ("MA1929.2", "MA0140.3", "MA0139.2")
    assert some.labels == ("CTCF MA1929.2", "GATA1::TAL1", "CTCF MA0139.2")
    assert some.select(["MA0139.2"]).labels == ("CTCF",)
    assert [key for key, _, _ in some] == list(some.ids)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["CTCFF"], r"no motif named 'CTCFF'; did you mean 'CTCF'\? 879 motifs are known, \.table\(\) lists them"),
        (["CTCF"], r"3 motifs are called 'CTCF'; select by id: MA0139.2, MA1929.2, MA1930.2"),
        ("CTCF", r"takes a list of names or ids: select\(\['CTCF'\]\)"),
        ([3.25], "no motif named 3.25; "),
    ],
)
def test_a_name_that_is_unknown_or_several_motifs_have_is_refused(names, message):
    with pytest.raises(InputError, match=message):
        jaspar_motifs().select(names)


def test_a_few_motifs_are_listed_where_a_name_is_unknown():
    with pytest.raises(InputError, match=r"did you mean 'CTCF'\? Known: CTCF, MA0139.2"):
        jaspar_motifs().select(["MA0139.2"]).select(["CTFC"])


@pytest.mark.parametrize(
    ("ids", "matrices", "message"),
    [
        (["a", "a"], [[[0.25] * 4]] * 2, "motif id 'a' comes twice"),
        (["a"], [[[0.25] * 3]], r"motif 'a' has shape \(1, 3\)"),
        (["a"], [[[1.0, 0, 0, 0]]], r"motif 'a'.*above zero.*probabilities_of"),
        (["a"], [[[0.3] * 4]], r"motif 'a'.*add up to 1"),
        (["a"], [[[0.25] * 4]] * 2, "must be as many"),
    ],
)
def test_motifs_of_one_s_own_are_checked(ids, matrices, message):
    with pytest.raises(InputError, match=message):
        Motifs(ids, ids, matrices)


def test_the_way_out_for_zeros_in_a_matrix_works():
    assert len(Motifs(["a"], ["a"], [probabilities_of([[10, 0, 0, 0]])])) == 1


def tails(matrix, q):
    """Give every score that a word can have and how probable this score or a higher one is, by enumeration."""
    words = np.array(list(itertools.product(range(4), repeat=len(matrix))))
    scores = np.log2(matrix / q)[np.arange(len(matrix)), words].sum(axis=1).round(9)
    each = pd.Series(q[words].prod(axis=1)).groupby(scores).sum()
    return each[::-1].cumsum()[::-1]  # indexed by the score


@pytest.mark.parametrize("background", [(0.25, 0.25, 0.25, 0.25), (0.32, 0.18, 0.18, 0.32)])
@pytest.mark.parametrize("pvalue", [0.3, 1e-2, 1e-3, 1e-4])
def test_thresholds_are_those_of_an_enumeration_of_all_words(pvalue, background):
    rng, q = np.random.default_rng(8), np.array(background)
    matrices = [rng.dirichlet(np.full(4, 0.5), 8) * 0.98 + 0.005 for _ in range(4)]
    matrices.append(np.full((8, 4), 0.25))  # hardly any, or no, difference between words
    motifs = Motifs(list("abcde"), list("abcde"), matrices)
    for matrix, theta in zip(motifs.matrices, score_thresholds(motifs, pvalue, background), strict=True):
        tail = tails(matrix, q)
        if tail.iloc[-1] > pvalue:
            assert theta == pytest.approx(tail.index[-1] + np.log2(tail.iloc[-1] / pvalue))
        else:
            assert tail[tail.index >= theta].max() <= pvalue
            assert tail[tail.index >= theta - 0.01].max() > pvalue


def test_a_motif_too_short_for_the_probability_gets_a_threshold_above_its_best_word():
    motif = Motifs(["a"], ["a"], [probabilities_of(np.eye(4)[[0, 1, 2, 3, 0, 0]] * 50)])
    best = motif.log_odds()[0].max(axis=1).sum()
    np.testing.assert_allclose(score_thresholds(motif, 1e-4), best + np.log2(4.0**-6 / 1e-4))
    assert score_thresholds(motif, 4.0**-6 * 1.001) <= best + 0.01


@pytest.mark.parametrize(("tool", "lowest", "highest"), [("moods", -0.004, 0.011), ("lightmotif", -0.03, 0.04)])
@pytest.mark.parametrize("pvalue", [1e-2, 1e-3, 1e-4, 1e-5])
def test_thresholds_agree_with_moods_and_with_tfm_pvalue(pvalue, tool, lowest, highest):
    # Ours are up to 0.01 bits too high; MOODS's grid has 1,000 steps a bit, lightmotif's is coarser.
    motifs = jaspar_motifs().select(jaspar_motifs().ids[::5])
    table = pd.read_csv(REFERENCE / "motif_cutoffs.tsv.gz", sep="\t").query("pvalue == @pvalue").set_index("id")
    theta = score_thresholds(motifs, pvalue)
    reachable = theta <= [scores.max(axis=1).sum() for scores in motifs.log_odds()]
    difference = (theta - table.loc[list(motifs.ids), tool].to_numpy())[reachable]
    assert reachable.sum() > 100
    assert difference.min() > lowest
    assert difference.max() < highest


@pytest.mark.parametrize(
    ("pvalue", "background", "message"),
    [
        (0, (0.25,) * 4, "pvalue must lie between 0 and 1, not 0"),
        (float("nan"), (0.25,) * 4, "pvalue must lie between"),
        (1e-4, (0.3, 0.3, 0.2, 0.2), r"both strands.*yours are \[0.25, 0.25, 0.25, 0.25\]"),
        (1e-4, (0.5, 0.5, 0, 0), "four frequencies"),
        (1e-4, (0.3, 0.3, 0.3, 0.3), "four frequencies"),
        (1e-4, 0.4, "four frequencies"),
    ],
)
def test_what_is_no_probability_is_refused(pvalue, background, message):
    with pytest.raises(InputError, match=message):
        score_thresholds(jaspar_motifs().select(["GATA1"]), pvalue, background)
