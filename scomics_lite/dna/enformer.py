"""Features from Enformer, the published network that reads 196,608 bases and predicts 5,313 assays (Avsec et al. 2021).

The network itself is the one of the package enformer-pytorch, which the course does not install: `enformer_weights`
loads it.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from tqdm.auto import tqdm

from scomics_lite.dna.enformer_weights import LENGTH, RELEASED, load_network, set_gamma, uses_gamma
from scomics_lite.dna.letters import check_sequences, numbered_one_hot
from scomics_lite.progress import no_bar
from scomics_lite.validation import InputError, did_you_mean


class EnformerFeatures(nn.Module):
    r"""Features of a sequence: what Enformer predicts around its middle, one number for each assay (track).

    The network takes the sequence in bins of 128 bases, and predicts the 896 bins in the middle, 114,688 bases, of the
    1,536 that it reads. The feature of track k is the mean of the c bins (c = `central_bins`) around the centre,

    .. math:: f_k = \frac{1}{c} \sum_{b} y_{bk}.

    The centre of the sequence, base 98,304 of 196,608 counted from 0, is the first of bin 448. So c = 4 means bins 446,
    447, 448 and 449 counted from 0, the 256 bases on either side of a transcription start site that lies there: what
    scPrediXcan (Zhou et al. 2025) takes.

    Parameters
    ----------
    model : enformer_pytorch.Enformer
        `load` gives the published one. Another one works as well: numbers of bins and tracks are those of its
        configuration. It is used as it is when it does not train: no dropout, and its weights stay.
    length : int
        Bases to be read: a whole number of bins, at least as many as the network predicts. No configuration of this
        network holds this number.
    head : str
        Which of its outputs: the published network has "human" and "mouse".
    central_bins : int
        How many bins the mean is over. With an even number of predicted bins an even number, so that they lie evenly
        around the centre.
    reverse_complement : bool
        Whether to read the other strand too and take the mean of both, as the authors of Enformer do; it takes twice
        the time. The bins of the other strand come in opposite order, which their mean does not see.
    tracks : path or sequence of str, optional
        Names of the tracks in the network's order: a list, or the table of targets that came with the network (text
        with tabs and a column ``identifier``). By default ``enformer_0``, ``enformer_1`` …
    device : str or torch.device, optional
        Where to compute: by default a GPU if there is one.

    Raises
    ------
    InputError
        If `length`, `head`, `central_bins` or `tracks` do not fit the network.

    Attributes
    ----------
    length : int
    tracks : pandas.Index
    settings : dict
        What the features depend on, beside the weights.

    Examples
    --------
    >>> enformer = EnformerFeatures.load()  # doctest: +SKIP
    >>> enformer.features([sequence]).shape  # doctest: +SKIP
    (1, 5313)
    """

    def __init__(
        self,
        model,
        *,
        length=LENGTH,
        head="human",
        central_bins=4,
        reverse_complement=False,
        tracks=None,
        device=None,
    ):
        super().__init__()
        if head not in model.heads:
            raise InputError(f"head={head!r}: {did_you_mean(head, model.heads)}")
        self.central = _central(_predicted_bins(model.config, length), central_bins)
        self.tracks = _track_names(tracks, model.heads[head][0].out_features)
        self.length, self.head, self.reverse_complement = length, head, reverse_complement
        self.model = model.eval().requires_grad_(False)
        self.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))

    @classmethod
    def load(cls, name_or_path=RELEASED, *, use_tf_gamma=None, **settings):
        """Load the published weights, or a folder that the network's ``save_pretrained`` wrote.

        Parameters
        ----------
        name_or_path : str or path
            A folder with ``config.json`` and weights, or a name on the Hugging Face hub; what comes from there is kept
            on this machine for the next time.
        use_tf_gamma : bool, optional
            How the network is told the distance between two bins. A third of the numbers for it are gamma densities,
            and the published weights were trained, in TensorFlow, with each density divided by its own greatest value.
            With False the port computes them, but divides by the greatest of all densities at the same distance, which
            differs by up to 1, most near distance 0: predictions come out similar, not equal (by 15% at the highest
            peak, says the port's issue 31). With True it takes tables from TensorFlow, which gives TensorFlow's
            predictions; they are for 1,536 bins of 128 bases (issue 32), that is for `length` 196,608 and no other.
            When not given: True for the published name, as in the port, and False for a folder, of which only you
            know what it was trained with (issue 44 reports losses where training was not the original's). Have one and
            the same setting for everything that a model learns from and predicts with: True for a folder with a copy of
            the published weights, and wherever features computed by the original network are among them.
        **settings
            Of `EnformerFeatures`: ``length``, ``central_bins``, ``reverse_complement``, ``tracks``, ``device`` …

        Returns
        -------
        EnformerFeatures

        Raises
        ------
        ImportError
            Without the package enformer-pytorch; the message has the line that installs it.
        InputError
            If the weights are neither here nor can be fetched, lack parts of the network, or use_tf_gamma does not fit.
        """
        model = load_network(name_or_path)
        use_tf_gamma = name_or_path == RELEASED if use_tf_gamma is None else use_tf_gamma
        set_gamma(model, use_tf_gamma, settings.get("length", LENGTH))
        return cls(model, **settings)

    @property
    def settings(self):
        """What the features depend on, beside the weights: a dict that fits into a file."""
        return {
            "head": self.head,
            "central_bins": [self.central.start, self.central.stop - 1],  # the first and the last
            "reverse_complement": self.reverse_complement,
            "use_tf_gamma": uses_gamma(self.model),
        }

    def forward(self, letters):
        """Compute features of matrices of letters; derivatives with respect to the letters can be taken.

        Parameters
        ----------
        letters : torch.Tensor of float32, shape (n, length, 4)

        Returns
        -------
        torch.Tensor, shape (n, tracks)
        """
        strands = [letters, letters.flip(1, 2)] if self.reverse_complement else [letters]
        return torch.stack([self._one_strand(strand) for strand in strands]).mean(0)

    def _one_strand(self, letters):
        # The last layer works on each bin for itself: it is asked about the central ones alone.
        trunk = self.model(letters, return_only_embeddings=True)  # (n, bins, channels)
        return self.model.heads[self.head](trunk[:, self.central]).mean(1)

    def features(self, sequences, batch=1, progress=False):
        """Compute the features of sequences.

        Parameters
        ----------
        sequences : sequence of str, or Series
            Of `length` letters each, upper or lower case. N, and other letters for several bases, count as no base:
            four zeros.
        batch : int
            Sequences that go through the network together. One sequence of 196,608 bases takes some gigabytes.
        progress : bool
            Show a progress bar.

        Returns
        -------
        ndarray of float32, shape (n, tracks)

        Raises
        ------
        InputError
            If a sequence has another length, or a letter that is none of DNA's.
        """
        sequences = list(check_sequences(sequences))
        for number, sequence in enumerate(sequences, 1):
            self._check_length(sequence, number)
        found = np.empty((len(sequences), len(self.tracks)), dtype=np.float32)
        device = next(self.model.parameters()).device
        with torch.inference_mode(), tqdm(total=len(sequences), unit="sequence", disable=no_bar(progress)) as bar:
            for start in range(0, len(sequences), batch):
                part = numbered_one_hot(sequences[start : start + batch], start + 1)
                found[start : start + batch] = self(torch.from_numpy(part).to(device)).cpu().numpy()
                bar.update(len(part))
        return found

    def _check_length(self, sequence, number):
        if not isinstance(sequence, str):
            raise InputError(f"sequence {number} is of type {type(sequence).__name__}, where a text is needed")
        if len(sequence) != self.length:
            raise InputError(
                f"sequence {number} has {len(sequence):,} letters, and this network reads {self.length:,}: cut out as "
                "many (`length` of reference_sequences and haplotype_sequences), and pad=True at a chromosome's end"
            )


def _predicted_bins(config, length):
    """Count the bins that the network predicts; it cuts the same number off at both ends."""
    bases = 2**config.num_downsamples
    bins, target = length // bases, config.target_length
    if length < 1 or length % bases or bins < target:
        raise InputError(
            f"length={length:,}: this network takes a whole number of bins of {bases} bases, and at least "
            f"{max(target, 1) * bases:,} bases, the {target} bins that it predicts"
        )
    cut = 0 if target == -1 else -((target - bins) // 2)  # rounded as the network does
    return bins - 2 * cut


def _central(n_bins, central_bins):
    """Give the slice of the bins around the middle of all n_bins."""
    if not 1 <= central_bins <= n_bins or (n_bins - central_bins) % 2:
        kind = "an odd" if n_bins % 2 else "an even"
        raise InputError(
            f"central_bins={central_bins}: of {n_bins} predicted bins {kind} number, from 1 to {n_bins}, lies evenly "
            "around the centre"
        )
    first = (n_bins - central_bins) // 2
    return slice(first, first + central_bins)


def _track_names(tracks, n_tracks):
    if tracks is None:
        return pd.Index([f"enformer_{number}" for number in range(n_tracks)], name="track")
    where = "tracks"
    if isinstance(tracks, str | Path):
        where, tracks = str(tracks), _read_targets(tracks)
    names = pd.Index(tracks, dtype=object, name="track")
    if len(names) != n_tracks:
        raise InputError(f"{where}: {len(names):,} names, and this network has {n_tracks:,} tracks")
    if not names.is_unique:
        raise InputError(f"{where}: {names[names.duplicated()][0]!r} is the name of two tracks")
    return names


def _read_targets(path):
    try:
        table = pd.read_csv(path, sep="\t", dtype=str)
    except (OSError, ValueError) as error:
        raise InputError(f"tracks={str(path)!r} cannot be read as a table of targets: {error}") from None
    if "identifier" not in table:
        raise InputError(
            f"{path} has no column 'identifier' between tabs, but {', '.join(table.columns[:5])}: give the names as a "
            "list instead"
        )
    return table["identifier"]
