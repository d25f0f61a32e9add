"""What the readers of all data sets share: files of R, names, levels, and modalities put together."""

import warnings

import mudata
import numpy as np
import pandas as pd
import rdata


def read_r(path):
    """Read an R data file; classes that rdata does not know come back as plain objects, which is what we want."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Missing constructor for R class", category=UserWarning)
        return rdata.read_rda(path, default_encoding="utf8")


def labelled(array):
    """Make a DataFrame of an R matrix with names."""
    rows, columns = (names_of(array.coords[dimension].to_numpy()) for dimension in array.dims)
    return pd.DataFrame(array.to_numpy(), index=rows, columns=columns)


def levels_of(values, levels=None):
    """Make a categorical of the levels that occur, in the order of `levels`, else sorted with "unknown" at the end."""
    values = np.asarray(values, dtype=str)
    levels = levels or sorted(set(values), key=lambda level: (level == "unknown", level))
    return pd.Categorical(values, categories=[level for level in levels if level in set(values)])


def names_of(values):
    """Make an index of names out of what an R file or a table has."""
    return pd.Index(np.asarray(values, dtype=str).astype(object))


def numbered(prefix, n):
    """Call what has no names prefix_1, prefix_2 and so on."""
    return [f"{prefix}_{i + 1}" for i in range(n)]


def pair(obs, **modalities):
    """Put modalities of the same cells together; what describes the cells stands in the common ``obs`` too."""
    with mudata.set_options(pull_on_update=False):
        both = mudata.MuData(modalities)
    both.obs = obs.copy().rename_axis(None)
    return both
