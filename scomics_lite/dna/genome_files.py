"""Genomes: the letters of a stretch of DNA, out of a FASTA file or out of texts in memory.

A chromosome of 250 million letters is never read whole: an index beside the file (``.fai``, as samtools makes it) says
where each line begins, and pyfaidx reads the lines that are asked for.
"""

import gzip
import os
import struct
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import pyfaidx

from scomics_lite.dna.letters import reverse_complement
from scomics_lite.validation import InputError, did_you_mean, quoted, warn

LETTERS = b"ACGTNRYSWKMBDHV"  # those of IUPAC: R is A or G, Y is C or T, … N is any
BGZIP = b"\x42\x43\x02\x00"  # the field of a gzip header by which bgzip tells the size of a block (SAM specification)
REWRAP = "All lines of a contig but its last have one length. This makes them so: seqkit seq -w 60 FILE > NEW_FILE"


def read_genome(path):
    r"""Open a genome: a FASTA file, of which only what is asked for is read.

    Parameters
    ----------
    path : path
        A FASTA file, plain or packed with bgzip (``.gz``; not with gzip, which can be read from its start alone).
        Where no index is beside it, or an older one, one is made: ``.fai``, and ``.gzi`` for a packed file; for a human
        genome in half a minute, or a minute for a packed one. In a folder that cannot be written to, the index is made
        elsewhere, and anew each time.

    Returns
    -------
    Genome

    Raises
    ------
    InputError
        No such file; nothing in it; not FASTA; lines of different lengths; packed with gzip; the same contig twice.

    Examples
    --------
    >>> _ = Path("genome.fa").write_text(">chr1 a small one\nACGTTGCA\nNNaacc\n")
    >>> genome = read_genome("genome.fa")
    >>> genome.sequence("1", 7, 13)
    'CANNAAC'
    """
    path = Path(path).absolute()
    _check_file(path)
    if _is_indexed(path, path) or os.access(path.parent, os.W_OK):
        return Genome(_opened(path, path), source=path)
    warn(
        f"{path.parent} cannot be written to: the index of {path.name} is made elsewhere and is gone afterwards. Copy "
        f"the genome into a folder of your own, or have the index made there: samtools faidx {path}"
    )
    with tempfile.TemporaryDirectory() as folder:  # pyfaidx has an index in memory once it is read
        return Genome(_opened(path, Path(folder) / path.name), source=path)


class Genome:
    r"""Chromosomes, and the letters of any stretch of them.

    Parameters
    ----------
    sequences : mapping of str to str
        Each contig's letters, in any case; what `read_genome` makes of a file, or texts in memory.
    source : path, optional
        Where they come from, for messages.

    Attributes
    ----------
    chromosomes : list of str
        The names of the contigs, in their order, without "chr". ``name in genome`` tells whether one is there, with
        "chr" or without.

    Notes
    -----
    Names are found with "chr" and without it, whichever the file has. Lower-case letters mark repeats in many files
    (soft masking) and are read as the same letters in capitals.

    Examples
    --------
    >>> genome = Genome({"1": "ACGTTGCA", "2": "GATTACA"})
    >>> genome.length("chr2"), genome.sequence("2", 1, 3), genome.sequence("2", 1, 3, strand="-")
    (7, 'GAT', 'ATC')
    >>> "3" in genome
    False
    """

    def __init__(self, sequences, *, source=None):
        if not isinstance(sequences, Mapping):
            raise InputError(f"a genome is a mapping of contigs to their letters; got {type(sequences).__name__}")
        self._sequences, self._source, self._contigs = sequences, source, {}
        for contig in sequences:
            other = self._contigs.setdefault(without_chr(contig), contig)
            if other != contig:
                raise InputError(
                    f"{self}: contigs {quoted(other)} and {quoted(contig)} have the same name but for 'chr'"
                )
        if not self._contigs:
            raise InputError(f"{self} has no contig")

    def __str__(self):
        return "the genome" if self._source is None else str(self._source)

    def __repr__(self):
        return f"Genome of {len(self._contigs):,} contigs{'' if self._source is None else f', {self._source}'}"

    def __reduce__(self):
        """Open the file anew in another process: two processes must not share one place in it."""
        return (Genome, (self._sequences,)) if self._source is None else (read_genome, (self._source,))

    def __contains__(self, chromosome):
        return without_chr(chromosome) in self._contigs

    @property
    def chromosomes(self):
        """The names of the contigs, without "chr"."""
        return list(self._contigs)

    def length(self, chromosome):
        """Give the number of letters of a contig.

        Parameters
        ----------
        chromosome : str
            With or without "chr".

        Returns
        -------
        int
        """
        return len(self._sequences[self._contig(chromosome)])

    def sequence(self, chromosome, start, end, strand="+"):
        """Give the letters of a stretch.

        Parameters
        ----------
        chromosome : str
            With or without "chr".
        start, end : int
            The first and the last position, both included, counted from 1 as in VCF and GTF files.
        strand : "+" or "-"
            "-" gives the letters of the other strand, from `end` to `start`: the reverse complement.

        Returns
        -------
        str
            Capitals, ``end - start + 1`` of them.

        Raises
        ------
        InputError
            The contig is not there, the stretch is not on it, or a letter is none of DNA (IUPAC's).
        """
        contig = self._contig(chromosome)
        length = len(self._sequences[contig])
        if not 1 <= start <= end <= length:
            raise InputError(
                f"{self}: {contig} has positions 1 to {length:,}, and {start:,} to {end:,} was asked for. Positions "
                "count from 1, and must be of the same genome build"
            )
        if strand not in ("+", "-"):
            raise InputError(f"a strand is '+' or '-'; got {strand!r}")
        letters = str(self._sequences[contig][int(start) - 1 : int(end)]).upper()
        self._check_letters(letters, contig, start)
        return letters if strand == "+" else reverse_complement(letters)

    def _contig(self, chromosome):
        """Give the name that a chromosome has in the file."""
        contig = self._contigs.get(without_chr(chromosome))
        if contig is None:
            raise InputError(
                f"{self} has no chromosome {quoted(chromosome)}; {did_you_mean(chromosome, self._some())}. If the same "
                "chromosomes have other names there, rename: genes['chromosome'].map({'1': 'NC_000001.11', …}); "
                "name in genome tells which are there"
            )
        return contig

    def _some(self):
        contigs = list(self._contigs.values())
        return contigs if len(contigs) < 30 else [*contigs[:8], f"… {len(contigs) - 8:,} more"]

    def _check_letters(self, letters, contig, start):
        strange = letters.encode("ascii", "replace").translate(None, LETTERS)
        if strange:
            place = next(i for i, letter in enumerate(letters) if letter.encode("ascii", "replace") in strange)
            raise InputError(
                f"{self}: {contig} has {letters[place]!r} at position {start + place:,}, which is no letter of DNA; "
                "those are A, C, G, T, N and IUPAC's for several. Is it a file of RNA, of proteins, or an alignment?"
            )


def without_chr(chromosome):
    """Take "chr" off the name of a chromosome.

    Parameters
    ----------
    chromosome : str or int

    Returns
    -------
    str

    Examples
    --------
    >>> without_chr("chr19"), without_chr("Chr2"), without_chr(7)
    ('19', '2', '7')
    """
    name = str(chromosome)
    return name[3:] if name[:3].lower() == "chr" else name


def _check_file(path):
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    if not path.stat().st_size:
        raise InputError(f"{path} is empty: the download or the unpacking was cut short")
    with path.open("rb") as file:
        start = file.read(18)
    is_packed, is_named_so = start.startswith(b"\x1f\x8b"), path.suffix.lower() in (".gz", ".bgz")
    if is_packed and start[12:16] != BGZIP:
        raise InputError(
            f"{path} is packed with gzip and can be read from its start alone. Pack it with bgzip (of htslib), which "
            f"can be read anywhere: gunzip {path} && bgzip {path.with_suffix('')}; or leave it unpacked"
        )
    if is_packed != is_named_so:
        raise InputError(
            f"{path} is {'packed with bgzip' if is_packed else 'not packed'}, and its name says otherwise: rename it "
            f"to {path.name + '.gz' if is_packed else path.stem}"
        )
    with gzip.open(path) if is_packed else path.open("rb") as file:
        first = file.read(1)
    if first not in (b">", b";", b"\n", b"\r"):
        raise InputError(
            f"{path} is no FASTA file: it begins with {first.decode('latin-1')!r} instead of '>' and the name of a "
            "contig"
        )


def _indexes(path, beside):
    """Give the files of an index: of lines, and for a packed file of blocks."""
    ends = (".fai", ".gzi") if path.suffix.lower() in (".gz", ".bgz") else (".fai",)
    return [Path(f"{beside}{end}") for end in ends]


def _is_indexed(path, beside):
    made = path.stat().st_mtime
    return all(one.is_file() and one.stat().st_mtime >= made for one in _indexes(path, beside))


def _opened(path, beside):
    """Give the contigs of a file by its index, which is made first where it is not there or older than the file."""
    wanted = _indexes(path, beside)
    if not _is_indexed(path, beside):
        with tempfile.TemporaryDirectory(prefix=".index_", dir=beside.parent) as folder:
            parts = [Path(folder) / one.name for one in wanted]
            _fasta(path, parts).close()
            for part, one in zip(parts, wanted, strict=True):
                os.replace(part, one)  # so that nobody reads half of one
    return _fasta(path, wanted).records


def _fasta(path, indexes):
    index, blocks = str(indexes[0]), str(indexes[-1])
    try:
        return pyfaidx.Fasta(str(path), indexname=index, gzi_indexname=blocks, as_raw=True, rebuild=False)
    except (struct.error, zlib.error, EOFError, OSError) as error:
        if len(indexes) == 1:
            raise
        raise InputError(
            f"{path} cannot be unpacked to its end ({error}): the copy is not complete, fetch it again"
        ) from None
    except pyfaidx.FastaIndexingError as error:
        raise InputError(f"{path} cannot be indexed. {error} {REWRAP}") from None
    except ValueError as error:
        if "Duplicate key" not in str(error):
            raise InputError(f"{index} is no index of {path.name}: {error}. Delete it, it is made anew") from None
        raise InputError(
            f"{path}: a contig comes twice, {error}; which one is meant? Delete one from the file"
        ) from None
