"""The networks of ctPred, one for each cell type, computed together.

They share no weight: only the arithmetic is shared. The first layer, where nearly all multiplications are, is one
matrix product for all cell types, the later ones are products of stacks.
"""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from scomics_lite.validation import InputError

SHAPE = ("hidden", "blocks", "tied", "dropout", "output")  # the settings that a network is made with
BATCH = 4096  # genes predicted together


def squash(x):
    """Map any number to [0, 1) as scPrediXcan's paper does: relu(x) / (1 + softplus(relu(x) − 1)).

    It is 0 for every x below 0, and has no slope there: a network whose outputs are all negative at the start, by
    chance, never learns.

    Parameters
    ----------
    x : torch.Tensor

    Returns
    -------
    torch.Tensor

    Examples
    --------
    >>> print(squash(torch.tensor([-1.0, 0.0, 1.0, 100.0])).numpy().round(3))
    [0.    0.    0.591 1.   ]
    """
    positive = functional.relu(x)
    return positive / (1 + functional.softplus(positive - 1))


FUNCTIONS = {"logistic": torch.sigmoid, "squashed": squash, "linear": nn.Identity()}


class StackedNetworks(nn.Module):
    """One network for each of C cell types: z → relu(W z + b), 1 + `blocks` times, then one number through `output`.

    Parameters
    ----------
    mean, inverse_sd : torch.Tensor, shape (p,)
        Of the features in the training genes; the first thing a network does is z = (x − mean) · inverse_sd.
    cell_types : int
    hidden, blocks : int
    tied : bool
        Use one block `blocks` times.
    dropout : float
    output : {"logistic", "squashed", "linear"}
    """

    def __init__(self, mean, inverse_sd, cell_types, *, hidden, blocks, tied, dropout, output):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("inverse_sd", inverse_sd)
        self.blocks, self.tied, self.dropout, self.output = blocks, tied, dropout, output
        different = min(blocks, 1) if tied else blocks
        self.first_weight = nn.Parameter(torch.empty(cell_types, hidden, len(mean)))
        self.first_bias = nn.Parameter(torch.empty(cell_types, hidden))
        self.block_weights = nn.Parameter(torch.empty(cell_types, different, hidden, hidden))
        self.block_biases = nn.Parameter(torch.empty(cell_types, different, hidden))
        self.last_weight = nn.Parameter(torch.empty(cell_types, hidden))
        self.last_bias = nn.Parameter(torch.empty(cell_types))

    def draw(self, generator):
        """Draw weights as torch's Linear does, uniform within ±1/√(inputs): the same for every cell type.

        Two cell types then differ because their expression differs, and not by luck.

        Parameters
        ----------
        generator : torch.Generator
            On the CPU.
        """
        p, hidden = self.first_weight.shape[2], self.first_weight.shape[1]
        for name, parameter in self.named_parameters():
            bound = 1 / math.sqrt(p if name.startswith("first") else hidden)
            drawn = torch.empty(parameter.shape[1:]).uniform_(-bound, bound, generator=generator)
            parameter.data.copy_(drawn.expand(parameter.shape))

    def number_of_parameters(self):
        """Give the number of weights and biases of one cell type."""
        return sum(parameter[0].numel() for parameter in self.parameters())

    def kept_units(self, rows, generator):
        """Draw which units dropout keeps, (1 + blocks, rows, hidden), divided by the share that is kept.

        Parameters
        ----------
        rows : int
        generator : torch.Generator
            On the device of the weights.

        Returns
        -------
        torch.Tensor or None
            None where nothing is dropped. The same for all cell types.
        """
        if not self.dropout:
            return None
        shape = (1 + self.blocks, rows, self.first_bias.shape[1])
        drawn = torch.rand(shape, generator=generator, device=self.first_bias.device)
        return (drawn >= self.dropout) / (1 - self.dropout)

    def forward(self, features):
        """Predict the genes of a batch.

        Parameters
        ----------
        features : torch.Tensor, shape (n, p)
            Not standardised.

        Returns
        -------
        torch.Tensor, shape (C, n)
        """
        return self.answer((features - self.mean) * self.inverse_sd)

    def answer(self, z, kept=None):
        """Predict the genes of a batch from standardised features.

        Parameters
        ----------
        z : torch.Tensor, shape (n, p)
        kept : torch.Tensor, optional
            From `kept_units`, in training.

        Returns
        -------
        torch.Tensor, shape (C, n)
        """
        c, hidden = self.first_bias.shape
        z = functional.linear(z, self.first_weight.flatten(0, 1), self.first_bias.flatten())  # (n, C·hidden)
        z = self._unit(z.view(-1, c, hidden).transpose(0, 1), kept, 0)  # (C, n, hidden)
        for block in range(self.blocks):
            at = 0 if self.tied else block
            z = torch.baddbmm(self.block_biases[:, at, None], z, self.block_weights[:, at].transpose(1, 2))
            z = self._unit(z, kept, 1 + block)
        x = torch.baddbmm(self.last_bias[:, None, None], z, self.last_weight[:, :, None])[..., 0]
        return FUNCTIONS[self.output](x)

    def _unit(self, z, kept, layer):
        z = functional.relu(z)
        return z if kept is None else z * kept[layer]


def choose_device(device):
    """Give a device, the GPU if none is named and there is one.

    Parameters
    ----------
    device : str or None

    Returns
    -------
    torch.device

    Raises
    ------
    InputError
        If torch has no such device here.

    Examples
    --------
    >>> choose_device("cpu")
    device(type='cpu')
    """
    found = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=device or found).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device={device!r} cannot be used ({reason}); this machine has {found!r}") from None


def new_network(mean, inverse_sd, cell_types, settings, device):
    """Make networks on a device, their weights not drawn yet.

    Parameters
    ----------
    mean, inverse_sd : ndarray of float32, shape (p,)
    cell_types : int
    settings : dict
    device : str or None

    Returns
    -------
    StackedNetworks

    Examples
    --------
    >>> settings = {"hidden": 64, "blocks": 3, "tied": True, "dropout": 0.05, "output": "logistic"}
    >>> ones = np.ones(5313, dtype=np.float32)
    >>> new_network(ones, ones, 1, settings, "cpu").number_of_parameters()
    344321
    """
    shape = {name: settings[name] for name in SHAPE}
    network = StackedNetworks(torch.from_numpy(mean), torch.from_numpy(inverse_sd), cell_types, **shape)
    return network.to(choose_device(device))


def loaded_network(weights, settings, device):
    """Make the networks of a file.

    Parameters
    ----------
    weights : dict of str to ndarray
    settings : dict
    device : str or None

    Returns
    -------
    StackedNetworks
        Ready to predict.

    Examples
    --------
    >>> settings = {"hidden": 2, "blocks": 0, "tied": False, "dropout": 0, "output": "logistic"}
    >>> network = new_network(np.ones(3, np.float32), np.ones(3, np.float32), 1, settings, "cpu")
    >>> weights = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    >>> loaded_network(weights, settings, "cpu").training
    False
    """
    network = new_network(weights["mean"], weights["inverse_sd"], len(weights["last_bias"]), settings, device)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return network.eval().requires_grad_(False)


def predict_in_batches(network, matrix):
    """Predict many genes, (n, p) to (n, C).

    Parameters
    ----------
    network : StackedNetworks
    matrix : ndarray, shape (n, p)

    Returns
    -------
    ndarray of float32, shape (n, C)

    Examples
    --------
    >>> ones = torch.ones(2)
    >>> network = StackedNetworks(ones, ones, 1, hidden=4, blocks=1, tied=False, dropout=0, output="logistic")
    >>> network.draw(torch.Generator().manual_seed(0))
    >>> predict_in_batches(network, np.zeros((3, 2))).shape
    (3, 1)
    """
    predicted = np.empty((len(matrix), len(network.last_bias)), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(matrix), BATCH):
            batch = torch.tensor(matrix[start : start + BATCH], dtype=torch.float32, device=network.mean.device)
            predicted[start : start + BATCH] = network(batch).T.cpu().numpy()
    return predicted
