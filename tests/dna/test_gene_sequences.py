"""Windows around transcription start sites: the right bases, in the genes' direction; places without DNA are named."""

import numpy as np
import pandas as pd
import pytest

from scomics_lite.dna import Genome, reference_sequences, reverse_complement
from scomics_lite.validation import InputError

LETTERS = "".join(np.random.default_rng(8).choice(list("ACGT"), 500))


def genes(*places):
    """Genes as ``chromosome:tss:strand``."""
    rows = [place.split(":") for place in places]
    table = pd.DataFrame(rows, columns=["chromosome", "tss", "strand"], index=[f"g{i}" for i in range(len(rows))])
    return table.astype({"tss": int})


@pytest.mark.parametrize("length", [1, 2, 5, 100, 101])
def test_the_start_site_is_letter_half_the_length_on_both_strands(length):
    forward, backward = reference_sequences(Genome({"chr1": LETTERS}), genes("1:200:+", "chr1:300:-"), length)
    assert len(forward) == len(backward) == length
    assert forward == LETTERS[199 - length // 2 :][:length]
    assert forward[length // 2] == LETTERS[199]
    turned = reverse_complement(LETTERS)  # position p is letter 500 - p
    assert backward == turned[200 - length // 2 :][:length]
    assert backward[length // 2] == turned[200]


def test_start_and_end_tell_the_start_site_where_it_is_not_given():
    table = pd.DataFrame({"chromosome": "1", "start": 100, "end": 200, "strand": ["+", "-"]}, index=["a", "b"])
    assert reference_sequences(Genome({"1": LETTERS}), table, 21).tolist() == [
        LETTERS[89:110],
        reverse_complement(LETTERS[189:210]),
    ]


def test_windows_beyond_the_end_are_refused_or_padded():
    genome, some = Genome({"1": LETTERS}), genes("1:100:+", "1:4:+", "1:499:-")
    said = r"gene 'g1', positions -1 to 8, leaves chromosome 1, which has 500 in the genome \(2 such genes\)\. pad=True"
    with pytest.raises(InputError, match=said):
        reference_sequences(genome, some, 10)
    with pytest.warns(UserWarning, match=r"2 of 3 sequences are N to more than 10%"):
        found = reference_sequences(genome, some, 10, pad=True)
    assert found["g1"] == "NN" + LETTERS[:8]
    assert found["g2"] == "NNNN" + reverse_complement(LETTERS)[:6]


def test_gaps_are_told_of_and_nothing_but_a_gap_is_refused():
    genome = Genome({"1": "N" * 200 + LETTERS})
    with pytest.warns(UserWarning, match=r"1 of 2 sequences are N to more than 10% .*the first 'g0'"):
        reference_sequences(genome, genes("1:220:+", "1:400:+"), 100)
    with pytest.raises(
        InputError, match=r"the sequences of 1 genes are N alone, 'g1' the first: a gap of the assembly"
    ):
        reference_sequences(genome, genes("1:400:+", "1:100:-"), 100)


def test_genes_of_chromosomes_that_are_not_there_are_named_and_left_out_as_advised():
    genome, some = Genome({"1": LETTERS}), genes("1:200:+", "7:200:+", "HLA:5:-")
    with pytest.raises(
        InputError, match=r"lacks the chromosomes of 2 of 3 genes: '7', 'HLA', of gene 'g1' first; it ha"
    ):
        reference_sequences(genome, some, 20)
    kept = some[[name in genome for name in some["chromosome"]]]
    assert reference_sequences(genome, kept, 20).index.tolist() == ["g0"]


def test_genes_far_beyond_the_end_are_of_another_build():
    with pytest.raises(InputError, match=r"if the TSS itself is beyond, genes and genome are of different builds"):
        reference_sequences(Genome({"1": LETTERS}), genes("1:9000:+"), 20)
    with pytest.raises(InputError, match=r"N alone"):
        reference_sequences(Genome({"1": LETTERS}), genes("1:9000:+"), 20, pad=True)


@pytest.mark.parametrize("length", [0, -5, 2.5, True, "100", None])
def test_a_length_is_a_whole_number(length):
    with pytest.raises(InputError, match=r"length is a whole number of bases"):
        reference_sequences(Genome({"1": LETTERS}), genes("1:200:+"), length)


def test_what_is_no_table_of_genes_is_said():
    genome, some = Genome({"1": LETTERS}), genes("1:200:+", "1:250:-")
    with pytest.raises(InputError, match=r"genes: a table as read_annotation gives it is needed; got list"):
        reference_sequences(genome, ["g0"], 20)
    with pytest.raises(InputError, match=r"columns strand, start, end are not there"):
        reference_sequences(genome, some[["chromosome"]], 20)
    with pytest.raises(InputError, match=r"genes: 'g0' comes twice"):
        reference_sequences(genome, some.set_axis(["g0", "g0"]), 20)
    with pytest.raises(InputError, match=r"genes: 'g1' has strand \., where '\+' or '-' is needed"):
        reference_sequences(genome, some.assign(strand=["+", "."]), 20)
    with pytest.raises(InputError, match=r"genes: tss of 'g1' is a position, a whole number from 1; got nan"):
        reference_sequences(genome, some.assign(tss=[5, np.nan]), 20)
