"""The training of ctPred's networks, epoch by epoch: batches, validation, the best weights of each cell type."""

import warnings
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from scomics_lite import __version__
from scomics_lite.progress import no_bar
from scomics_lite.twas.sequence_models.feature_matrices import standardisation
from scomics_lite.twas.sequence_models.stacked_networks import new_network
from scomics_lite.twas.sequence_models.training_checkpoints import read_checkpoint, write_checkpoint
from scomics_lite.validation import InputError, quoted


def train(data, settings, device, *, checkpoint=None, progress=True):
    """Train networks until no cell type gets better, or all epochs are done.

    Parameters
    ----------
    data : TrainingGenes
    settings : dict
        Of `CtPred`.
    device : str or None
    checkpoint : path, optional
    progress : bool

    Returns
    -------
    Training

    Examples
    --------
    >>> from scomics_lite.twas.sequence_models.ctpred import CtPred
    >>> from scomics_lite.twas.sequence_models.training_genes import read_training_genes
    >>> rng = np.random.default_rng(0)
    >>> data = read_training_genes(rng.random((40, 3)), rng.random(40), ["train"] * 30 + ["validation"] * 10)
    >>> train(data, CtPred(epochs=2).settings, "cpu", progress=False).epoch
    2
    """
    network = new_network(
        *standardisation(data.matrix, data.train, data.tracks), len(data.cell_types), settings, device
    )
    network.draw(torch.Generator().manual_seed(epoch_seed(settings["seed"], 0)))
    training = Training(network, data, settings)
    header = None
    if checkpoint is not None:
        fingerprint = data.fingerprint() | settings
        header = {"fingerprint": fingerprint, "version": __version__, "torch": torch.__version__}
        if Path(checkpoint).exists():
            read_checkpoint(training, checkpoint, header)
    with tqdm(None, "epochs", settings["epochs"], initial=training.epoch, disable=no_bar(progress)) as bar:
        while not training.is_over():
            training.run_epoch()
            if checkpoint is not None:
                write_checkpoint(training, checkpoint, header)
            bar.update()
    return training


def epoch_seed(seed, epoch):
    """Give the seed of an epoch's random numbers, so that no state of a generator has to be stored.

    Parameters
    ----------
    seed, epoch : int

    Returns
    -------
    int

    Examples
    --------
    >>> epoch_seed(0, 1) == epoch_seed(0, 1), epoch_seed(0, 1) == epoch_seed(0, 2)
    (True, False)
    """
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)


class Training:
    """Networks, optimiser, and what has been reached so far.

    Parameters
    ----------
    network : StackedNetworks
        On the device that is to compute.
    data : TrainingGenes
    settings : dict
        ``learning_rate, weight_decay, batch_size, epochs, patience, validate_before, seed``.
    """

    def __init__(self, network, data, settings):
        self.network, self.data, self.settings = network, data, settings
        device, count = network.mean.device, len(data.cell_types)
        self.features = _shared(data.matrix).to(device)
        known = ~np.isnan(data.targets.T)
        self.known = torch.tensor(known, dtype=torch.float32, device=device)  # (C, all genes)
        self.targets = torch.tensor(np.where(known, data.targets.T, 0), dtype=torch.float32, device=device)
        self.batch = torch.empty(settings["batch_size"], data.matrix.shape[1], device=device)
        self.train, self.validation = (torch.from_numpy(rows) for rows in (data.train, data.validation))
        self.optimiser = torch.optim.Adam(
            network.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"]
        )
        self.history = torch.empty(0, 2, count, dtype=torch.float64)  # epochs × (training, validation) × C
        self.best = {name: weights.detach().clone() for name, weights in network.named_parameters()}
        self.best_loss = torch.full((count,), torch.inf, dtype=torch.float64)
        self.best_epoch = torch.zeros(count, dtype=torch.int64)

    @property
    def epoch(self):
        """How many epochs are done."""
        return len(self.history)

    def stopped(self):
        """Tell which cell types have had no better weights for `patience` epochs: (C,) of bool."""
        patience = self.settings["patience"]
        return self.epoch - self.best_epoch >= (torch.inf if patience is None else patience)

    def is_over(self):
        """Tell whether there is nothing left to do."""
        return self.epoch >= self.settings["epochs"] or bool(self.stopped().all())

    def run_epoch(self):
        """Go through the training genes once, in an order drawn anew, and keep what is best."""
        if self.settings["validate_before"]:
            validation, training = self.validation_loss(), self.train_once()
        else:
            training, validation = self.train_once(), self.validation_loss()
        self._check_finite(training, validation)
        running = ~self.stopped()
        now = torch.stack([training, validation]).where(running, torch.nan)
        self.history = torch.cat([self.history, now[None]])
        better = running & (validation < self.best_loss)
        self.best_loss = torch.where(better, validation, self.best_loss)
        self.best_epoch = torch.where(better, self.epoch, self.best_epoch)
        for name, weights in self.network.named_parameters():
            chosen = better.to(weights.device).view(-1, *[1] * (weights.ndim - 1))
            self.best[name] = torch.where(chosen, weights.detach(), self.best[name])

    def train_once(self):
        """Take one step for each batch; give the mean loss of each cell type, with dropout, as it was on the way."""
        seed = epoch_seed(self.settings["seed"], self.epoch + 1)
        order = self.train[torch.randperm(len(self.train), generator=torch.Generator().manual_seed(seed))]
        generator = torch.Generator(self.features.device).manual_seed(seed)
        return self._mean_loss(order, lambda rows: self._step(rows, generator))

    def validation_loss(self):
        """Give the mean squared error of each cell type over the validation genes, without dropout."""
        with torch.no_grad():
            return self._mean_loss(self.validation, lambda rows: self._squares(rows, None))

    def _mean_loss(self, order, squares_of):
        """Add up squared errors batch by batch, on the device: only their sum is waited for."""
        total = torch.zeros(len(self.known), device=self.features.device)
        for rows in order.to(self.features.device).split(self.settings["batch_size"]):
            total += squares_of(rows)
        return total.cpu().double() / self.known[:, order].sum(1).cpu().double()

    def _squares(self, rows, kept):
        """Give the sum of squared errors of each cell type over a batch; genes without a target add nothing."""
        predicted = self.network.answer(self._standardised(rows), kept)
        return (self.known[:, rows] * (predicted - self.targets[:, rows]) ** 2).sum(dim=1)

    def _standardised(self, rows):
        """Give the standardised features of a batch, in memory that all batches use: new pages cost more than this."""
        z = self.batch[: len(rows)]
        torch.index_select(self.features, 0, rows, out=z)
        return z.sub_(self.network.mean).mul_(self.network.inverse_sd)

    def _step(self, rows, generator):
        squares = self._squares(rows, self.network.kept_units(len(rows), generator))
        loss = squares / self.known[:, rows].sum(dim=1).clamp(min=1)
        self.optimiser.zero_grad()
        loss.sum().backward()  # no weight is in two losses: each gets the gradient of its own cell type's
        self.optimiser.step()
        return squares.detach()

    def _check_finite(self, training, validation):
        bad = np.flatnonzero(~torch.isfinite(training + validation).numpy())
        if bad.size:
            raise InputError(
                f"the training of cell type {quoted(self.data.cell_types[bad[0]])} went out of bounds in epoch "
                f"{self.epoch + 1}: take a smaller learning_rate than {self.settings['learning_rate']:g}"
            )

    def best_network(self):
        """Give the networks with the best weights of each cell type, ready to predict."""
        for name, weights in self.network.named_parameters():
            weights.data.copy_(self.best[name])
        return self.network.eval().requires_grad_(False)


def _shared(matrix):
    """Look at a matrix as a tensor without copying it; nothing here writes into it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(matrix)
