"""Loading of Enformer through its port to PyTorch, the package enformer-pytorch, which the course does not install."""

from importlib import import_module
from importlib.util import find_spec

from scomics_lite.validation import InputError

PORT = "enformer_pytorch"
INSTALL = 'python -m pip install -c requirements.lock -e ".[enformer]"'
RELEASED = "EleutherAI/enformer-official-rough"  # the published weights, for the port; 1 GB
LENGTH = 196_608  # bases that the published weights read; no configuration says so
BINS, DENSITIES = 1536, 32  # that the port's tables of gamma densities are for


def load_network(name_or_path):
    """Load a network, complete or not at all.

    Parameters
    ----------
    name_or_path : str or path
        A folder with ``config.json`` and weights, or a name on the Hugging Face hub.

    Returns
    -------
    enformer_pytorch.Enformer

    Raises
    ------
    ImportError
        Without the package enformer-pytorch.
    InputError
        If there is no such network, or its weights lack parts of it.

    Examples
    --------
    >>> load_network("a folder")  # doctest: +SKIP
    """
    if find_spec(PORT) is None:
        raise ImportError(
            f"Enformer needs the package enformer-pytorch, which the course does not install. In the folder of "
            f"requirements.lock, with the Python that you use: {INSTALL}"
        )
    port = import_module(PORT)
    try:
        model, found = port.Enformer.from_pretrained(name_or_path, output_loading_info=True)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{str(name_or_path)!r} is no folder with a network, and could not be fetched ({reason}). Two ways: with a "
            "network connection, call this once, which keeps 1 GB on this machine; or give the path of a folder with "
            "config.json and weights, as model.save_pretrained(folder, safe_serialization=False) writes it elsewhere"
        ) from None
    lacking = sorted([*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])])
    if lacking:
        raise InputError(
            f"{name_or_path}: the weights lack {len(lacking)} parts of the network that its config.json describes, "
            f"such as {lacking[0]}: take weights and config.json from the same place"
        )
    return model


def set_gamma(model, use_tf_gamma, length):
    """Choose how a network is told the distances between bins: see `EnformerFeatures.load`.

    Parameters
    ----------
    model : enformer_pytorch.Enformer
    use_tf_gamma : bool
    length : int
        Bases that it is going to read.

    Raises
    ------
    InputError
        If the tables from TensorFlow are asked for, and are for other networks.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Identity())  # in place of a network
    >>> model[0].use_tf_gamma = True
    >>> set_gamma(model, False, 196_608)
    >>> uses_gamma(model)
    False
    """
    if use_tf_gamma:
        _check_gamma(model.config, length)
    for part in _with_gamma(model):
        part.use_tf_gamma = use_tf_gamma


def uses_gamma(model):
    """Tell whether a network takes the tables from TensorFlow.

    Parameters
    ----------
    model : enformer_pytorch.Enformer

    Returns
    -------
    bool

    Examples
    --------
    >>> import torch
    >>> uses_gamma(torch.nn.Identity())
    False
    """
    return any(part.use_tf_gamma for part in _with_gamma(model))


def _with_gamma(model):
    return [part for part in model.modules() if hasattr(part, "use_tf_gamma")]


def _check_gamma(config, length):
    bins = length // 2**config.num_downsamples
    densities = config.dim // config.heads // 6  # three kinds of functions of distance, with sign and without
    if (bins, densities) != (BINS, DENSITIES):
        raise InputError(
            f"use_tf_gamma=True: the tables are for {BINS:,} bins and {DENSITIES} densities, the published network at "
            f"length={LENGTH:,}; this one has {bins:,} bins and {densities} densities. Use use_tf_gamma=False"
        )
