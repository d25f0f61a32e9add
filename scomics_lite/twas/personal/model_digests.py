"""A short text that changes with any number that a model has learned."""

import numpy as np
import pandas as pd

from scomics_lite.twas.weights.finished_genes import digest


def model_digest(models):
    """Give a text that changes when a model would predict otherwise.

    Parameters
    ----------
    models : CtPred, RidgePredictor, or other object
        The weights of the torch modules among its attributes count, and its arrays, tables and indices.

    Returns
    -------
    str

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> one, other = (SimpleNamespace(weights=np.array([0.5, w]), cell_types=pd.Index(["B"])) for w in (1.0, 1.1))
    >>> model_digest(one) == model_digest(one), model_digest(one) == model_digest(other)
    (True, False)
    """
    parts = [type(models).__name__]
    for name, value in sorted(vars(models).items()):
        if hasattr(value, "state_dict"):
            parts += [np.atleast_1d(tensor.detach().cpu().numpy()) for tensor in value.state_dict().values()]
        elif isinstance(value, np.ndarray):
            parts += [name, np.atleast_1d(value)]
        elif isinstance(value, pd.Index | pd.Series | pd.DataFrame):
            parts += [name, value]
    return digest(*parts)
