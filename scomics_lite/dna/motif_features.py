"""A sequence's features: how many sites of each transcription factor lie around its middle."""

import math

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import conv1d
from tqdm.auto import tqdm

from scomics_lite.dna.letters import check_sequences, numbered_one_hot
from scomics_lite.dna.motif_thresholds import score_thresholds
from scomics_lite.progress import no_bar
from scomics_lite.validation import InputError


class MotifFeatures(torch.nn.Module):
    """Features of DNA, from motifs of transcription factors: a track for each motif.

    A site of a motif of width w has the score s = Σ_j log2(p_j(x_j) / ¼), in bits. It is occupied with the probability
    1 / (1 + 2^(θ - s)), where θ is the score that random DNA reaches with probability `pvalue` (`score_thresholds`):
    binding in equilibrium, the protein being so scarce that a site of score θ is bound half of the time (Djordjevic et
    al. 2003). The value of a track is the expected number of occupied sites, on both strands, of a bin: the mean over
    the `bins` bins in the middle of the sequence, as in features taken from Enformer's middle bins.

    A site belongs to the bin of its middle base: the base ⌊w/2⌋, counted from 0 and along the strand that the site is
    read on. With this rule, a sequence and its reverse complement have the same features. Sites whose middle lies in
    the bins are counted whole, and reach over the edges of the bins; those that reach over an end of the sequence are
    not counted. An N speaks neither for a site nor against it.

    Everything is differentiable in the one-hot sequences that `forward` takes.

    Parameters
    ----------
    motifs : Motifs
    length : int
        Letters of each sequence.
    bin_width : int
        Letters of a bin. 128 is Enformer's.
    bins : int
        How many bins are read, in the middle of the sequence.
    pvalue : float
        Where the threshold lies.
    device : str, torch.device or None
        Where the sums are done, such as ``"cuda"``. None is the CPU, also where there is a GPU, which `CtPred` and
        `EnformerFeatures` then take: this work is small (the genes of a genome take one core two minutes, with all of
        JASPAR), and the last digits do not depend on whether a machine has a GPU.

    Attributes
    ----------
    length, bin_width, bins : int
    tracks : Index of str
        Names of the motifs, with the id behind where several have the same.
    thresholds : Tensor of float32, shape (tracks,)
        θ, in bits.

    Raises
    ------
    InputError
        For bins that do not fit into the sequence, or motifs that are longer than it.

    Examples
    --------
    >>> from scomics_lite.dna import jaspar_motifs
    >>> factors = MotifFeatures(jaspar_motifs().select(["GATA1", "MA0139.2"]), length=64, bin_width=16, bins=2)
    >>> site = "TGGCCACCAGGGGGCGCTA"  # of CTCF
    >>> factors.features(["ATCG" * 16, "ATCG" * 6 + site + "ATCG" * 5 + "A"]).round(2)
    array([[0.  , 0.  ],
           [0.02, 0.51]], dtype=float32)
    """

    def __init__(self, motifs, *, length=2048, bin_width=128, bins=8, pvalue=1e-4, device=None):
        super().__init__()
        self.length, self.bin_width, self.bins = length, bin_width, bins
        _check_layout(motifs, length, bin_width, bins)
        self.tracks = pd.Index(motifs.labels, name="track")
        self.register_buffer("thresholds", torch.tensor(score_thresholds(motifs, pvalue), dtype=torch.float32))
        widths = np.array([len(matrix) for matrix in motifs.matrices])
        self.widths = tuple(sorted(set(widths.tolist())))
        log_odds = motifs.log_odds()
        for width in self.widths:  # motifs of one width are one convolution
            members = np.flatnonzero(widths == width)
            kernels = np.array([log_odds[i].T for i in members])  # (motifs, 4, width)
            kernels = np.concatenate([kernels, kernels[:, ::-1, ::-1]])  # forward, then reverse: (2 motifs, 4, width)
            self.register_buffer(f"kernels_{width}", torch.tensor(kernels, dtype=torch.float32))
            self.register_buffer(f"members_{width}", torch.tensor(members))
        _move(self, device or "cpu")

    def forward(self, sequences):
        """Give the features of one-hot sequences.

        Parameters
        ----------
        sequences : Tensor, shape (n, length, 4)
            Columns A, C, G, T, of the module's dtype and on its device. Values between 0 and 1 are taken as they are.

        Returns
        -------
        Tensor, shape (n, tracks)
        """
        _check_shape(sequences, self.length)
        letters = sequences.transpose(1, 2)
        found = sequences.new_zeros((len(sequences), len(self.tracks)))
        for width in self.widths:
            found = found.index_copy(1, self._members(width), self._sites(letters, width))
        return found / self.bins

    def features(self, sequences, batch=16, progress=False):
        """Give the features of many sequences, some at a time.

        Parameters
        ----------
        sequences : sequence of str, or array of shape (n, length, 4)
            Each of `length` letters.
        batch : int
            How many at a time. In memory is a number for each strand and place of the motifs of one width: 8 bytes ×
            batch × bins × bin_width × motifs of this width; 18 MB for the 139 motifs of width 9 in JASPAR, with the
            defaults. Few at a time stay in a processor's cache; a GPU wants more. The last digits of
            float32 can depend on it.
        progress : bool
            Whether to show a bar.

        Returns
        -------
        ndarray of float32, shape (n, tracks)

        Raises
        ------
        InputError
            For a sequence of another length, or with letters that are not DNA's; its number is told, from 1.
        """
        sequences = _check_lengths(sequences, self.length)
        if batch < 1:
            raise InputError(f"batch must be one sequence at least, not {batch}")
        results = np.empty((len(sequences), len(self.tracks)), np.float32)
        with torch.no_grad(), tqdm(total=len(sequences), unit="sequence", disable=no_bar(progress)) as bar:
            for start in range(0, len(sequences), batch):
                part = self._tensor(sequences[start : start + batch], start)
                results[start : start + batch] = self(part).cpu().numpy()
                bar.update(len(part))
        return results

    def scores(self, sequences):
        """Give the score of every place a site can begin at, to look behind a feature.

        Parameters
        ----------
        sequences : sequence of str, or array of shape (n, length, 4)

        Returns
        -------
        ndarray of float32, shape (n, tracks, 2, length)
            Bits, in the forward and in the reverse direction, at the leftmost base of the site in both. NaN where a
            site would reach over the end.

        Raises
        ------
        InputError
            As in `features`.
        """
        sequences = _check_lengths(sequences, self.length)
        results = np.full((len(sequences), len(self.tracks), 2, self.length), np.nan, np.float32)
        tensor = self._tensor(sequences, 0)
        _check_shape(tensor, self.length)
        letters = tensor.transpose(1, 2)
        with torch.no_grad():
            for width in self.widths:
                bits = conv1d(letters, self._kernels(width)).unflatten(1, (2, -1)).transpose(1, 2)
                results[:, self._members(width).cpu().numpy(), :, : bits.shape[-1]] = bits.cpu().numpy()
        return results

    def _sites(self, letters, width):
        """Give the expected number of occupied sites of motifs of one width, (n, motifs); letters (n, 4, length)."""
        forward, reverse = self._starts(width, width // 2), self._starts(width, width - 1 - width // 2)
        first, last = min(forward[0], reverse[0]), max(forward[1], reverse[1])
        theta = self.thresholds[self._members(width)].repeat(2)
        log2 = math.log(2)  # a bit is as much as log2 in the exponent of the sigmoid
        odds = conv1d(letters[:, :, first : last + width - 1], self._kernels(width) * log2, -theta * log2)
        occupied = odds.sigmoid_().unflatten(1, (2, -1)).unbind(1)  # in place: the largest array is there once
        strands = zip(occupied, (forward, reverse), strict=True)
        return sum(strand[:, :, start - first : end - first].sum(dim=2) for strand, (start, end) in strands)

    def _starts(self, width, middle):
        """Give where the first site begins whose middle base lies in the bins, and where the one after the last."""
        left = (self.length - self.bins * self.bin_width) // 2 - middle
        return max(left, 0), min(left + self.bins * self.bin_width, self.length - width + 1)

    def _kernels(self, width):
        return getattr(self, f"kernels_{width}")  # (2 motifs, 4, width)

    def _members(self, width):
        return getattr(self, f"members_{width}")  # places of these motifs among the tracks

    def _tensor(self, sequences, before):
        """Turn sequences into a tensor of the module's dtype, on its device; `before` were done already."""
        if isinstance(sequences, list):
            sequences = numbered_one_hot(sequences, before + 1)
        return torch.as_tensor(sequences).to(self.thresholds)


def _move(module, device):
    """Bring a module to where it is to work."""
    try:
        module.to(device)
    except (RuntimeError, AssertionError) as error:  # torch's ways to say that there is no such device
        reason = str(error).splitlines()[0]
        raise InputError(f"device {str(device)!r} cannot be used: {reason}; device=None takes the CPU") from None


def _check_layout(motifs, length, bin_width, bins):
    """Refuse bins that do not lie around the middle, and motifs that do not fit."""
    for name, value in {"length": length, "bin_width": bin_width, "bins": bins}.items():
        if int(value) != value or value < 1:
            raise InputError(f"{name} must be a whole number above zero, not {value}")
    if len(motifs) == 0:
        raise InputError("there are no motifs: each gives a track, and one at least is needed")
    around = length - bins * bin_width
    if around < 0 or around % 2:
        what = "are longer than" if around < 0 else "cannot lie in the middle of"
        raise InputError(
            f"{bins} bins of {bin_width} letters {what} a sequence of {length}: as many must remain on both sides"
        )
    for key, _, matrix in motifs:
        if len(matrix) > length:
            raise InputError(f"motif {key!r} has {len(matrix)} places, more than a sequence of {length} letters has")


def _check_lengths(sequences, length):
    """Name the first text of another length; give texts as a list, an array as it is."""
    sequences = check_sequences(sequences)
    texts = sequences if isinstance(sequences, list) else []
    for number, sequence in enumerate(texts, 1):
        if isinstance(sequence, str) and len(sequence) != length:
            raise InputError(
                f"sequence {number} has {len(sequence):,} letters, where {length:,} are wanted; "
                "MotifFeatures(motifs, length=…) sets how many"
            )
    return sequences


def _check_shape(sequences, length):
    if sequences.ndim != 3 or sequences.shape[1:] != (length, 4):
        raise InputError(f"sequences must have shape (n, {length}, 4), not {tuple(sequences.shape)}")
