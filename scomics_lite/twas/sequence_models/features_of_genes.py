"""Features of the reference sequences of many genes: what models learn expression from, across genes."""

import hashlib
import warnings
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from scomics_lite.progress import no_bar
from scomics_lite.twas.genotypes.people import check_once
from scomics_lite.twas.sequence_models.feature_matrices import examples
from scomics_lite.twas.sequence_models.finished_features import FinishedFeatures
from scomics_lite.twas.weights.finished_genes import digest
from scomics_lite.validation import InputError, warn

MANY = 0.1  # of a sequence: where more is N, a warning names the genes
BATCH = 32  # genes whose sequences are in memory together


def reference_features(genome, genes, featuriser, *, batch=BATCH, pad=False, resume=None, progress=True):
    """Compute the features of the DNA around each gene's transcription start site, as the reference genome has it.

    Parameters
    ----------
    genome : Genome
        From `dna.read_genome`.
    genes : DataFrame
        As `dna.read_annotation` gives it: indexed by gene id, with ``chromosome``, ``strand`` and ``tss``.
    featuriser : MotifFeatures, EnformerFeatures or another torch module like these
        It has ``length``, ``tracks`` and ``features(sequences)``.
    batch : int
        Genes whose sequences are in memory together, and that are kept together in `resume`.
    pad : bool
        Write N where the sequence of a gene reaches beyond the end of its chromosome, instead of refusing it.
    resume : path, optional
        An HDF5 file that takes the features as they are computed. A run that was killed goes on where it was, if it is
        called again with the same arguments, and gives the same numbers. `read_features` reads the file.
    progress : bool
        Show a progress bar.

    Returns
    -------
    AnnData, genes × tracks
        ``X`` is float32. ``obs`` is `genes`, and ``n_unknown``: how many letters of the sequence are none of A, C, G,
        T. ``uns["features"]`` tells where they come from: ``featuriser``, its ``settings`` and ``length``, the name of
        the ``genome``'s file and ``sequences``, a text that changes with any letter read. ``write_h5ad`` keeps it all.

    Raises
    ------
    InputError
        If a sequence cannot be cut out (before anything is computed), or `resume` is a file of other inputs.

    Examples
    --------
    >>> from scomics_lite.dna import Genome, MotifFeatures, jaspar_motifs
    >>> genome = Genome({"1": "TGGCCACCAGGGGGCGCTA" * 10})  # sites of CTCF
    >>> genes = pd.DataFrame({"chromosome": "1", "tss": [60, 90], "strand": ["+", "-"]}, index=["FTO", "TP53"])
    >>> factors = MotifFeatures(jaspar_motifs().select(["MA0139.2", "GATA1"]), length=64, bin_width=16, bins=2)
    >>> features = reference_features(genome, genes, factors, progress=False)
    >>> features.to_df().shape, features.obs["n_unknown"].tolist()
    ((2, 2), [0, 0])
    """
    if isinstance(batch, bool) or not isinstance(batch, int | np.integer) or batch < 1:
        raise InputError(f"batch is a whole number of genes, 1 at least; got {batch!r}")
    if not isinstance(genes, pd.DataFrame) or len(genes) == 0:
        raise InputError("genes: a table with a gene at least is needed, as read_annotation gives it")
    check_once(genes.index, "genes: gene")
    windows = _Windows(genome, genes, featuriser.length, pad, batch)
    n_unknown, sequences = windows.look()
    source = _source(featuriser, genome, sequences)
    inputs = {
        "list of genes": digest(genes.index),
        "genome or place of a gene": sequences,
        "featuriser": featuriser_digest(featuriser),
    }
    with FinishedFeatures(resume, genes.index, featuriser.tracks, inputs) as finished:
        with tqdm(total=len(genes), unit="gene", disable=no_bar(progress)) as bar:
            for rows in windows.parts:
                if not finished.has(rows):
                    finished.add(rows, featuriser.features(list(windows.sequences(rows))))
                bar.update(rows.stop - rows.start)
        matrix = finished.features()
    obs = genes.assign(n_unknown=n_unknown).set_axis(genes.index.astype(str))
    return anndata.AnnData(matrix, obs, pd.DataFrame(index=featuriser.tracks), {"features": source})


class _Windows:
    """The sequences around genes, some genes at a time."""

    def __init__(self, genome, genes, length, pad, batch):
        self.genome, self.genes, self.length, self.pad = genome, genes, length, pad
        self.parts = [slice(start, min(start + batch, len(genes))) for start in range(0, len(genes), batch)]

    def sequences(self, rows):
        from scomics_lite.dna import reference_sequences  # here, not above: torch takes two seconds to import

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of gaps in these genes: `look` tells of all together
            return reference_sequences(self.genome, self.genes.iloc[rows], self.length, pad=self.pad)

    def look(self):
        """Read all sequences once: errors come before hours of work, and the digest tells of any change.

        Returns
        -------
        n_unknown : ndarray of int, one a gene
        digest : str
        """
        whole, n_unknown = hashlib.blake2b(digest_size=16), []
        for rows in self.parts:
            for sequence in self.sequences(rows):
                whole.update(sequence.encode())
                n_unknown.append(len(sequence) - sum(map(sequence.count, "ACGT")))
        n_unknown = np.array(n_unknown, dtype=np.int64)
        self._tell_gaps(n_unknown)
        return n_unknown, whole.hexdigest()

    def _tell_gaps(self, n_unknown):
        many = self.genes.index[n_unknown > MANY * self.length]
        if len(many):
            warn(
                f"{len(many):,} of {len(self.genes):,} sequences are N to more than {MANY:.0%} (gaps of the assembly, "
                f"or padding): {examples(many)}; their features rest on the rest"
            )


def _source(featuriser, genome, sequences):
    return {
        "featuriser": type(featuriser).__name__,
        "settings": settings_of(featuriser),
        "length": featuriser.length,
        "genome": Path(str(genome)).name,
        "sequences": sequences,
    }


def sequence_digest(genome, genes, length):
    """Give a text that changes when the DNA around any gene's start does.

    Parameters
    ----------
    genome : Genome
    genes : DataFrame
        As `reference_features` takes it.
    length : int

    Returns
    -------
    str

    Examples
    --------
    >>> from scomics_lite.dna import Genome
    >>> genes = pd.DataFrame({"chromosome": "1", "tss": [10, 30], "strand": "+"}, index=["FTO", "TP53"])
    >>> one, other = (sequence_digest(Genome({"1": letters * 10}), genes, 8) for letters in ("ACGT", "ACGA"))
    >>> one == other
    False
    """
    return _Windows(genome, genes, length, False, BATCH).look()[1]


def settings_of(featuriser):
    """Name what is known of how a featuriser was made.

    Parameters
    ----------
    featuriser : object
        Its attributes that are numbers or texts count, and what its ``settings`` has, if there are any.

    Returns
    -------
    dict

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> settings_of(SimpleNamespace(length=2048, bins=8, tracks=["CTCF"], settings={"strands": "both"}))
    {'bins': 8, 'length': 2048, 'strands': 'both'}
    """
    plain = {name: value for name, value in vars(featuriser).items() if isinstance(value, bool | int | float | str)}
    plain |= getattr(featuriser, "settings", {})
    return {name: plain[name] for name in sorted(plain) if not name.startswith("_") and name != "training"}


def featuriser_digest(featuriser):
    """Give a text that changes when a featuriser would give other features.

    Parameters
    ----------
    featuriser : torch.nn.Module
        With ``length`` and ``tracks``.

    Returns
    -------
    str
        Of its class, settings, tracks and weights.

    Examples
    --------
    >>> from scomics_lite.dna import MotifFeatures, jaspar_motifs
    >>> few = jaspar_motifs().select(["GATA1"])
    >>> featuriser_digest(MotifFeatures(few)) == featuriser_digest(MotifFeatures(few))
    True
    >>> featuriser_digest(MotifFeatures(few)) == featuriser_digest(MotifFeatures(few, pvalue=1e-5))
    False
    """
    weights = [np.atleast_1d(tensor.detach().cpu().numpy()) for tensor in featuriser.state_dict().values()]
    named = [type(featuriser).__name__, settings_of(featuriser)]
    return digest(named, pd.Index(featuriser.tracks), *weights)
