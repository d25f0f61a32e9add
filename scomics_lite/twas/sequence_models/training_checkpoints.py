"""Checkpoints of a training: everything that the next epoch depends on, in one file."""

import torch

from scomics_lite.twas.sequence_models.tensor_files import read_arrays, write_arrays
from scomics_lite.twas.weights.finished_genes import check_fingerprint

KIND = "ctPred checkpoint"
REACHED = ("history", "best_loss", "best_epoch")


def write_checkpoint(training, path, header):
    """Write where a training is.

    Parameters
    ----------
    training : Training
    path : path
    header : dict
        With ``fingerprint``, which says what the training depends on.

    Examples
    --------
    See `network_training.train`, which writes and reads them:

    >>> from scomics_lite.twas.sequence_models.network_training import train  # with checkpoint=path
    """
    tensors = {f"network.{name}": weights for name, weights in training.network.named_parameters()}
    tensors |= {f"best.{name}": weights for name, weights in training.best.items()}
    tensors |= {name: getattr(training, name) for name in REACHED}
    for number, state in training.optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{number}.{name}": value for name, value in state.items()}
    write_arrays(path, as_arrays(tensors), header | {"kind": KIND})


def read_checkpoint(training, path, header):
    """Bring a training that has just begun to where another one was.

    Parameters
    ----------
    training : Training
    path : path
    header : dict
        With the ``fingerprint`` that the checkpoint has to have.

    Raises
    ------
    InputError
        If it was made of other data or settings: they are named.

    Examples
    --------
    See `network_training.train`, which writes and reads them:

    >>> from scomics_lite.twas.sequence_models.network_training import train  # with checkpoint=path
    """
    arrays, found = read_arrays(path, KIND)
    check_fingerprint(path, found["fingerprint"], header["fingerprint"])
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    for name in REACHED:
        setattr(training, name, tensors[name])
    with torch.no_grad():
        for name, weights in training.network.named_parameters():
            weights.copy_(tensors[f"network.{name}"])
            training.best[name] = tensors[f"best.{name}"].to(weights.device)
    states = {}
    for name, value in tensors.items():
        if name.startswith("adam."):
            _, number, what = name.split(".")
            states.setdefault(int(number), {})[what] = value
    training.optimiser.load_state_dict(training.optimiser.state_dict() | {"state": states})


def as_arrays(tensors):
    """Bring tensors to the CPU, as arrays.

    Parameters
    ----------
    tensors : dict of str to torch.Tensor

    Returns
    -------
    dict of str to ndarray

    Examples
    --------
    >>> as_arrays({"x": torch.ones(2)})
    {'x': array([1., 1.], dtype=float32)}
    """
    return {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
