"""ctPred: expression percentiles of cell types from features of the DNA at the genes, by small neural networks."""

import numpy as np
import pandas as pd

from scomics_lite import __version__
from scomics_lite.twas.sequence_models.ctpred_settings import AS_PUBLISHED, check_settings, seed_of
from scomics_lite.twas.sequence_models.feature_matrices import examples, is_nameless, matched_features
from scomics_lite.twas.sequence_models.tensor_files import read_arrays, write_arrays
from scomics_lite.twas.sequence_models.training_genes import read_training_genes
from scomics_lite.validation import InputError, warn

KIND = "ctPred model"


class CtPred:
    """Learn, across genes, to predict the percentiles of their expression from features of their DNA.

    Each cell type has a network of its own. With the features x of a gene, standardised by mean and standard deviation
    of the training genes to z, it computes

        h = relu(W₀ z + b₀),  then `blocks` times  h = relu(W h + b),  and  ŷ = f(w·h + b),

    and its weights minimise the mean of (y − ŷ)² over the training genes, by Adam. After each epoch the validation
    genes are predicted; the weights of the epoch that does this best are kept, for each cell type apart. All cell types
    are computed together, start from the same weights and see the same batches and dropout; the result for one does not
    depend on the others, beyond rounding.

    Parameters
    ----------
    hidden, blocks : int
        Units of a layer and number of further layers; 64 and 3 are published. With 5,313 features a cell type has
        352,641 weights and biases.
    tied : bool
        Whether one block is used `blocks` times (344,321). The published code does so, by repeating one object in a
        list; nothing says that it was meant.
    dropout : float
        Share of units that are left out at random in each step of training, after every relu. As published.
    output : {"logistic", "squashed", "linear"}
        f. "logistic" is 1/(1 + exp(−t)), in (0, 1), with a slope everywhere. "squashed" is what the paper describes,
        relu(t)/(1 + softplus(relu(t) − 1)), in [0, 1): for t < 0 it is 0 without a slope, and in about 4 of 10 seeds
        a network starts there for all genes and never learns (a notice says so). "linear" is what the published code
        does today: no f at all.
    learning_rate : float
        Of Adam. With the default of batches of 128, 0.001 needs half the epochs of 0.0003 for the same correlation on
        simulated test genes (4,000 genes: 0.656 and 0.655); 0.003 is better for 1,000 genes (0.619 against 0.608) and
        worse for 4,000 (0.650).
    weight_decay : float
        The gradient of each weight w gets weight_decay · w added, before Adam scales it. As published; with 0.005 no
        network of the simulated world learned anything.
    batch_size : int
        Genes of a step. The published 1,000 gives 13 steps an epoch for all human genes, but 1 for the 700 training
        genes of a small world: too few steps in 100 epochs.
    epochs : int
        At most.
    patience : int or None
        A cell type stops after so many epochs without a better validation loss; None never stops. The simulated worlds
        are best after 5 to 25 epochs.
    validate_before : bool
        The order of the published code: the validation loss is taken before an epoch, and if it is the best so far the
        weights are kept that come out after it, whose own loss nobody has looked at.
    device : str, optional
        "cpu", "cuda"; without it the GPU if torch finds one. There, all features are in its memory, and nothing waits
        for the GPU between two batches. (This has been run on CPUs only.)
    rng : int or numpy.random.Generator
        Where first weights, order of genes and dropout come from. Same number, device and number of threads: same bits.

    Attributes
    ----------
    network : torch.nn.Module
        Takes features as they are, (n, p), and gives (C, n): for gradients of a prediction in the features, or in DNA.
    tracks, cell_types : pandas.Index
    history : DataFrame
    settings : dict

    Notes
    -----
    Features of 18,000 genes × 5,313 tracks are 382 MB in float32 and are not copied on the CPU: a batch is standardised
    when it is its turn. Each cell type adds 1.4 MB five times (weights, gradients, two moments, best weights).

    Read in the repository (hakyimlab/scPrediXcan, Scripts/ctPred/ctPred_utils.py): tied blocks, no squashing, the order
    of `validate_before`, features divided by a standard deviation that is 0 for constant tracks (NaN everywhere), and a
    figure of the test genes that is made with the last weights, while the best are saved. `as_published` has the first
    and the third of these; `predict` always uses the weights that are kept.

    References
    ----------
    Zhou et al. (2025), scPrediXcan.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> genes = [f"g{i}" for i in range(200)]
    >>> features = pd.DataFrame(rng.normal(size=(200, 5)), genes, ["SP1", "CTCF", "YY1", "REST", "GATA1"])
    >>> percentiles = (features[["SP1"]] + rng.normal(0, 0.1, (200, 1))).rank(pct=True).set_axis(["T cell"], axis=1)
    >>> chromosomes = pd.Series([str(i % 22 + 1) for i in range(200)], genes)
    >>> model = CtPred(epochs=20, batch_size=20, device="cpu").fit(features, percentiles, chromosomes, progress=False)
    >>> bool(model.predict(features)["T cell"].corr(percentiles["T cell"]) > 0.9)
    True
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
        batch_size=128,
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
            "seed": seed_of(rng),
        }
        check_settings(self.settings)
        self.device = device
        self.network = self.tracks = self.cell_types = self._reached = None

    @classmethod
    def as_published(cls, **changes):
        """Set up training as scPrediXcan does it: tied blocks, squashed output, 100 epochs of batches of 1,000.

        Parameters
        ----------
        **changes
            Settings to take otherwise: ``output="linear"`` is the published code instead of the paper.

        Returns
        -------
        CtPred

        Examples
        --------
        >>> CtPred.as_published(epochs=80).settings["learning_rate"]
        9e-05
        """
        return cls(**AS_PUBLISHED | changes)

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
        from scomics_lite.twas.sequence_models.network_training import train  # here: importing torch takes seconds
        from scomics_lite.twas.sequence_models.training_checkpoints import as_arrays

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

        from scomics_lite.twas.sequence_models.training_checkpoints import as_arrays

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
