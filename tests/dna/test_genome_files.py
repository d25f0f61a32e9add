"""Genomes are read by position; what is no genome, and places that are not in it, are named."""

import gzip
import itertools
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from scomics_lite.dna import Genome, read_genome, reverse_complement
from scomics_lite.validation import InputError

REFERENCE = Path(__file__).parents[1] / "reference"
LETTERS = "".join(np.random.default_rng(5).choice(list("ACGT"), 230))


def fasta(tmp_path, text, name="genome.fa"):
    (tmp_path / name).write_bytes(text.encode())
    return tmp_path / name


def wrapped(letters, width=60, end="\n"):
    return "".join(letters[at : at + width] + end for at in range(0, len(letters), width))


# --- letters by position ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("width", [7, 60, 230, 1000])
def test_every_stretch_is_what_the_file_has_there(tmp_path, width, end):
    path = fasta(tmp_path, f">chr1 first{end}{wrapped(LETTERS, width, end)}>2{end}{wrapped(LETTERS[::-1], width, end)}")
    genome = read_genome(path)
    assert genome.chromosomes == ["1", "2"]
    assert genome.length("1") == genome.length("chr2") == 230
    for start, width in itertools.product((1, 2, 7, 60, 61, 119, 200), (1, 2, 30)):
        assert genome.sequence("1", start, start + width - 1) == LETTERS[start - 1 : start + width - 1]
        backward = genome.sequence("chr2", start, start + width - 1, "-")
        assert backward == reverse_complement(LETTERS[::-1][start - 1 : start + width - 1])
    assert genome.sequence("1", 1, 230) == LETTERS
    assert path.with_name("genome.fa.fai").is_file()


def test_the_last_line_needs_no_end(tmp_path):
    assert read_genome(fasta(tmp_path, ">1\nACGT\nAC")).sequence("1", 4, 6) == "TAC"


def test_lower_case_is_read_as_capitals_and_uncertain_letters_are_kept(tmp_path):
    assert read_genome(fasta(tmp_path, ">1\nacgtNRYn\n")).sequence("1", 1, 8) == "ACGTNRYN"


def test_texts_in_memory_are_a_genome_too():
    genome = Genome({"chrX": "acgtt", "2": "GG"})
    assert genome.sequence("X", 2, 5) == "CGTT"
    assert genome.chromosomes == ["X", "2"]
    assert "chr2" in genome
    assert "3" not in genome
    assert repr(genome) == "Genome of 2 contigs"


def test_a_file_packed_with_bgzip_gives_the_same(tmp_path):
    shutil.copy(REFERENCE / "haplotypes.fa.gz", tmp_path)
    packed = read_genome(tmp_path / "haplotypes.fa.gz")
    plain = read_genome(fasta(tmp_path, gzip.decompress((REFERENCE / "haplotypes.fa.gz").read_bytes()).decode()))
    for start, end in ((1, 6000), (1, 1), (59, 62), (2490, 2545), (6000, 6000)):
        assert packed.sequence("chr2", start, end) == plain.sequence("2", start, end)
    assert "NNNN" in packed.sequence("1", 2490, 2545)
    assert {path.name for path in tmp_path.glob("haplotypes.fa.gz.*")} == {
        "haplotypes.fa.gz.fai",
        "haplotypes.fa.gz.gzi",
    }
    again = read_genome(tmp_path / "haplotypes.fa.gz")
    assert again.sequence("1", 3000, 3020) == plain.sequence("1", 3000, 3020)


def test_a_genome_goes_to_another_process_by_its_path(tmp_path):
    genome = read_genome(fasta(tmp_path, ">1\nACGT\n"))
    assert pickle.loads(pickle.dumps(genome)).sequence("1", 2, 3) == "CG"
    assert pickle.loads(pickle.dumps(Genome({"1": "ACGT"}))).sequence("1", 2, 3) == "CG"


# --- the index --------------------------------------------------------------------------------------------------------


def test_an_index_that_is_older_than_the_file_is_made_anew(tmp_path):
    path = fasta(tmp_path, ">1\nACGT\n")
    read_genome(path)
    index = path.with_name("genome.fa.fai")
    before = index.read_text()
    read_genome(path)
    assert index.read_text() == before
    path.write_text(">1\nACGTAC\nGT\n")
    os.utime(index, (1, 1))
    assert read_genome(path).sequence("1", 5, 8) == "ACGT"


def test_a_broken_index_is_named_and_deleting_it_helps(tmp_path):
    path = fasta(tmp_path, ">1\nACGT\n")
    index = path.with_name("genome.fa.fai")
    index.write_text("1\t4\n")
    with pytest.raises(InputError, match=r"genome\.fa\.fai is no index of genome\.fa.*Delete it, it is made anew"):
        read_genome(path)
    index.unlink()
    assert read_genome(path).length("1") == 4


@pytest.mark.parametrize("name", ["genome.fa", "haplotypes.fa.gz"])
def test_in_a_folder_that_cannot_be_written_to_the_index_is_made_elsewhere(tmp_path, monkeypatch, name):
    fasta(tmp_path, ">1\nACGT\n")
    shutil.copy(REFERENCE / "haplotypes.fa.gz", tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # who runs the tests may be allowed everything
    with pytest.warns(UserWarning, match=r"cannot be written to: the index of .*samtools faidx"):
        genome = read_genome(tmp_path / name)
    assert len(genome.sequence("1", 2, 3)) == 2
    assert not list(tmp_path.glob("*.fai"))
    monkeypatch.undo()
    read_genome(tmp_path / name)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert len(read_genome(tmp_path / name).sequence("1", 2, 3)) == 2  # an index that is there is used


# --- files that are no genome -----------------------------------------------------------------------------------------


def test_a_file_packed_with_gzip_is_refused_and_bgzip_named(tmp_path):
    path = tmp_path / "genome.fa.gz"
    path.write_bytes(gzip.compress(b">1\nACGT\n"))
    with pytest.raises(
        InputError, match=r"packed with gzip.*gunzip \S+genome\.fa\.gz && bgzip \S+genome\.fa; or leave"
    ):
        read_genome(path)
    assert read_genome(fasta(tmp_path, gzip.decompress(path.read_bytes()).decode())).length("1") == 4


@pytest.mark.parametrize("lost", [28, 100, 3000])
def test_a_copy_that_is_not_complete_is_named(tmp_path, lost):
    path = tmp_path / "genome.fa.gz"
    path.write_bytes((REFERENCE / "haplotypes.fa.gz").read_bytes()[:-lost])
    with pytest.raises(InputError, match=r"genome\.fa\.gz cannot be unpacked to its end .*the copy is not complete"):
        read_genome(path)
    path.write_bytes((REFERENCE / "haplotypes.fa.gz").read_bytes())
    assert read_genome(path).length("1") == 6000


def test_the_name_has_to_say_whether_a_file_is_packed(tmp_path):
    shutil.copy(REFERENCE / "haplotypes.fa.gz", tmp_path / "genome.fa")
    with pytest.raises(
        InputError, match=r"is packed with bgzip, and its name says otherwise: rename it to genome\.fa\.gz"
    ):
        read_genome(tmp_path / "genome.fa")
    with pytest.raises(InputError, match=r"is not packed, and its name says otherwise: rename it to plain\.fa"):
        read_genome(fasta(tmp_path, ">1\nACGT\n", "plain.fa.gz"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"genome\.fa is empty"),
        ("ACGT\n", r"no FASTA file: it begins with 'A' instead of '>'"),
        ("1\t100\t200\n", r"no FASTA file"),
        ("\n\n", r"cannot be indexed"),
        (">1\nACGT\n>1\nGG\n", r"a contig comes twice, Duplicate key \"1\""),
        (">1\nACGT\n>chr1\nGG\n", r"contigs '1' and 'chr1' have the same name but for 'chr'"),
        (">1\nACGT\nAC\nACGT\n", r"cannot be indexed.*line 3.*seqkit seq -w 60 FILE > NEW_FILE"),
        (">1\nAC\n\nAC\n", r"cannot be indexed.*All lines of a contig but its last have one length"),
        (">\nACGT\n", r"cannot be indexed"),
    ],
)
def test_what_is_no_genome_is_told_by_its_fault(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        read_genome(fasta(tmp_path, text))
    assert not list(tmp_path.glob(".index_*"))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no such file: \S+hg38\.fa"):
        read_genome(tmp_path / "hg38.fa")
    with pytest.raises(InputError, match=r"a genome is a mapping of contigs to their letters; got str"):
        Genome("ACGT")
    with pytest.raises(InputError, match=r"the genome has no contig"):
        Genome({})


# --- places that are not in it ----------------------------------------------------------------------------------------


def test_a_chromosome_that_is_not_there_is_named_with_those_that_are(tmp_path):
    genome = read_genome(fasta(tmp_path, ">NC_000001.11 Homo sapiens\nACGT\n>NC_000002.12\nACGT\n"))
    with pytest.raises(InputError, match=r"has no chromosome '1'; Known: NC_000001\.11, NC_000002\.12.*\.map\(\{'1': "):
        genome.sequence("1", 1, 2)
    many = Genome({f"scaffold_{number}": "A" for number in range(4000)})
    with pytest.raises(InputError, match=r"Known: scaffold_0, .*scaffold_7, … 3,992 more") as error:
        many.length("X")
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(("start", "end"), [(0, 3), (3, 5), (4, 3), (-2, 1), (9, 12)])
def test_positions_beyond_a_contig_are_named(start, end):
    with pytest.raises(
        InputError, match=rf"chr1 has positions 1 to 4, and {start} to {end} was asked for.*same genome"
    ):
        Genome({"chr1": "ACGT"}).sequence("1", start, end)


def test_letters_that_are_no_dna_are_named_with_their_position(tmp_path):
    genome = read_genome(fasta(tmp_path, ">1\nACGUACGT\nAC-T\n"))
    assert genome.sequence("1", 1, 3) == "ACG"
    with pytest.raises(InputError, match=r"genome\.fa: 1 has 'U' at position 4, which is no letter of DNA"):
        genome.sequence("1", 2, 6)
    with pytest.raises(InputError, match=r"1 has '-' at position 11"):
        genome.sequence("1", 9, 12)
    with pytest.raises(InputError, match=r"a strand is '\+' or '-'; got '1'"):
        genome.sequence("1", 1, 2, "1")
