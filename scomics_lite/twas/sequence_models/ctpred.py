"""ctPred: expression percentiles of cell types from features of the DNA at the genes, by small neural networks."""

import numpy as np
import pandas as pd

from scomics_lite import __version__
from scomics_lite.twas.sequence_models.feature_matrices import examples, is_nameless, matched_features
from scomics_lite.twas.sequence_models.tensor_files import read_arrays, write_arrays
from scomics_lite.twas.sequence_models.training_genes import read_training_genes
from scomics_lite.validation import InputError, did_you_mean, is_number, warn

KIND = "ctPred model"
OUTPUTS = ("logistic", "squashed", "linear")
AS_PUBLISHED = {
    "tied": True,
    "output": "squashed",
    "learning_rate": 9e-5,
    "batch_size": 1000,
    "epochs": 100,
    "patience": None,
    "validate_before": True,
    "rng": 1024,
}


class CtPred:
    """Learn, across genes, to predict expression percentiles from features of DNA.

    Parameters
    ----------
    hidden, blocks : int
    tied : bool
    """

    def __init__(
        self,
        *,
        hidden=64,
        blocks=3,
        tied=False,
        dropout=0.05,
        output="logistic",
        learning_rate=1e-3,
        weight_decay=5e-4,
        batch_size=100,
        epochs=100,
        patience=10,
        validate_before=False,
        device=None,
        rng=0,
    ):
        self.settings = {
            "hidden": hidden,
            "blocks": blocks,
            "tied": tied,
            "dropout": dropout,
            "output": output,
            "learning_rate": learning_rate,
            "weight_decay": weight_decay,
            "batch_size": batch_size,
            "epochs": epochs,
            "patience": patience,
            "validate_before": validate_before,
            "seed": _seed(rng),
        }
        _check_settings(self.settings)
        self.device = device
        self.network = self.tracks = self.cell_types = self._reached = None

    @classmethod
    def as_published(cls, **changes):
        """Set up training as scPrediXcan does it, slips included.

        Parameters
        ----------
        **changes
            Settings to take otherwise.

        Returns
        -------
        CtPred
        """
        return cls(**(AS_PUBLISHED | changes))

    def fit(self, features, percentiles, split, *, checkpoint=None, progress=True):
        """Train a network for each cell type, all in one go.

        Parameters
        ----------
        features : AnnData, DataFrame or ndarray, shape (genes, tracks)
            Of the reference sequence. Genes are matched by name. float32 is not copied.
        percentiles : DataFrame, Series or ndarray, genes × cell types
            From `expression_percentiles`. NaN leaves a gene out for that cell type.
        split : Series or sequence, by gene
            "train", "validation" and "test", as `chromosome_split` and `random_split` give them; or chromosomes, which
            `chromosome_split` splits. Test genes are not looked at.
        checkpoint : path, optional
            A file written after each epoch. A run that was killed goes on from it, if it is called again with the same
            arguments, and ends with the same weights, to the bit on the same device and number of threads. A file of a
            run that has ended gives its result at once.
        progress : bool
            Whether to show a progress bar.

        Returns
        -------
        CtPred
            Itself.

        Raises
        ------
        InputError
            If tables do not fit together (see `read_training_genes`), or the checkpoint is of other data or settings.
        """
        from scomics_lite.twas.sequence_models.network_training import as_arrays, train  # torch takes seconds

        data = read_training_genes(features, percentiles, split)
        training = train(data, self.settings, self.device, checkpoint=checkpoint, progress=progress)
        self.network = training.best_network()
        self.tracks, self.cell_types = data.tracks, data.cell_types
        self._reached = as_arrays({"losses": training.history, "best_epoch": training.best_epoch})
        self._warn_of_constants(self.predict_array(data.matrix[data.validation]))
        return self

    def _warn_of_constants(self, predicted):
        flat = self.cell_types[np.ptp(predicted, axis=0) == 0]
        if len(flat):
            advice = "another rng" if self.settings["output"] == "squashed" else "a smaller learning_rate"
            warn(f"the same is predicted for all validation genes in cell types {examples(flat)}; try {advice}")

    def predict(self, features):
        """Predict genes that have features.

        Parameters
        ----------
        features : AnnData, DataFrame or ndarray, shape (genes, tracks)
            Tracks are matched by name; an array has the tracks of the training, in their order.

        Returns
        -------
        DataFrame of float32, genes × cell types

        Raises
        ------
        InputError
            If a track that was learned is missing.
        """
        self._check_fitted()
        matrix, genes = matched_features(features, self.tracks)
        return pd.DataFrame(self.predict_array(matrix), genes, self.cell_types)

    def predict_array(self, matrix):
        """Predict from a matrix whose tracks are those of the training, without looking at it: for many calls.

        Parameters
        ----------
        matrix : ndarray, shape (n, p)

        Returns
        -------
        ndarray of float32, shape (n, C)
        """
        self._check_fitted()
        from scomics_lite.twas.sequence_models.stacked_networks import predict_in_batches

        return predict_in_batches(self.network, matrix)

    @property
    def history(self):
        """The losses of every epoch: a DataFrame of epoch, cell_type, training_loss, validation_loss and best.

        ``best`` marks the epoch whose weights are kept. After a cell type has stopped, its losses are NaN.
        """
        self._check_fitted()
        epochs, _, count = self._reached["losses"].shape
        training, validation = self._reached["losses"].transpose(1, 0, 2).reshape(2, -1)
        return pd.DataFrame(
            {
                "epoch": np.repeat(np.arange(1, epochs + 1), count),
                "cell_type": np.tile(self.cell_types, epochs),
                "training_loss": training,
                "validation_loss": validation,
                "best": (np.arange(1, epochs + 1)[:, None] == self._reached["best_epoch"]).ravel(),
            }
        )

    def write(self, path):
        """Write the model to a safetensors file, with tracks, cell types, settings, history and version.

        Parameters
        ----------
        path : path
        """
        self._check_fitted()
        import torch

        from scomics_lite.twas.sequence_models.network_training import as_arrays

        weights = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        header = {"kind": KIND, "version": __version__, "torch": torch.__version__, "settings": self.settings}
        header |= {"tracks": _listed(self.tracks), "cell_types": _listed(self.cell_types)}
        write_arrays(path, as_arrays(weights) | self._reached, header)

    @classmethod
    def read(cls, path, *, device=None):
        """Read a model that `write` wrote.

        Parameters
        ----------
        path : path
        device : str, optional
            As of CtPred.

        Returns
        -------
        CtPred
        """
        from scomics_lite.twas.sequence_models.stacked_networks import loaded_network

        arrays, header = read_arrays(path, KIND)
        settings = dict(header["settings"])
        model = cls(device=device, rng=settings.pop("seed"), **settings)
        model.tracks, model.cell_types = _index(header["tracks"]), _index(header["cell_types"])
        weights = {name.removeprefix("network."): value for name, value in arrays.items() if "." in name}
        model.network = loaded_network(weights, model.settings, device)
        model._reached = {name: arrays[name] for name in ("losses", "best_epoch")}
        return model

    def _check_fitted(self):
        if self.network is None:
            raise InputError("the model has learned nothing yet: fit(features, percentiles, split) first")


def _listed(index):
    """Give an index as JSON: its length where it names nothing."""
    return len(index) if is_nameless(index) else index.tolist()


def _index(listed):
    return pd.RangeIndex(listed) if isinstance(listed, int) else pd.Index(listed)


def _seed(rng):
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(2**63))
    if not (is_number(rng) and rng >= 0 and rng == int(rng)):
        raise InputError(f"rng is a whole number, 0 or more, or a numpy Generator; got {rng!r}")
    return int(rng)


def _check_settings(settings):
    """Refuse settings that no training can have, by name."""
    for name, value in settings.items():
        if name in CHECKS and not (value is None and name == "patience"):
            known, words = CHECKS[name]
            if not known(value):
                raise InputError(f"{name} is {words}; got {value!r}")
    if settings["output"] not in OUTPUTS:
        raise InputError(f"output={settings['output']!r}: {did_you_mean(settings['output'], OUTPUTS)}")


def _is_whole(value, least=1):
    return is_number(value) and value >= least and value == int(value)


CHECKS = dict.fromkeys(("hidden", "batch_size", "epochs", "patience"), (_is_whole, "a whole number, 1 or more")) | {
    "blocks": (lambda value: _is_whole(value, 0), "a whole number, 0 or more"),
    "dropout": (lambda value: is_number(value) and 0 <= value < 1, "a share of the units, 0 or more and below 1"),
    "learning_rate": (lambda value: is_number(value) and value > 0, "above 0"),
    "weight_decay": (lambda value: is_number(value) and value >= 0, "0 or more"),
    "tied": (lambda value: isinstance(value, bool), "True or False"),
    "validate_before": (lambda value: isinstance(value, bool), "True or False"),
}
