"""The file of step 2: predicted expression as .h5ad, whatever the cell types are called.

HDF5 takes a "/" for a folder, and anndata cannot read a layer back that has one in its name ("T/NK"). So layers are
called "T_NK" in the file, and ``uns["cell_types"]`` has the names as they are, in their order.
"""

import anndata

from scomics_lite.twas.exchange.file_access import new_path


def write_predictions(predicted, path):
    """Write predicted expression, whole or not at all.

    Parameters
    ----------
    predicted : AnnData, people × genes
        Of `personal_expression`.
    path : Path

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> reference = pd.DataFrame({"T/NK": [0.5]}, index=["FTO"])
    >>> obs, var = pd.DataFrame(index=["ann"]), pd.DataFrame(index=["FTO"])
    >>> layers = {"T/NK": np.float32([[0.6]])}
    >>> write_predictions(anndata.AnnData(None, obs, var, varm={"reference": reference}, layers=layers), "people.h5ad")
    >>> list(anndata.read_h5ad("people.h5ad").layers), list(read_predictions("people.h5ad").layers)
    (['T_NK'], ['T/NK'])
    """
    names = list(predicted.layers)
    layers = {_in_file(name): predicted.layers[name] for name in names}
    reference = predicted.varm["reference"].rename(columns=_in_file)
    uns, varm = {"cell_types": names}, {"reference": reference}
    with new_path(path, overwrite=True) as temporary:
        anndata.AnnData(None, predicted.obs, predicted.var, uns, varm=varm, layers=layers).write_h5ad(temporary)


def read_predictions(path):
    """Read what `write_predictions` wrote.

    Parameters
    ----------
    path : Path

    Returns
    -------
    AnnData, people × genes
        With the names of cell types as they are.

    Examples
    --------
    >>> import pandas as pd
    >>> varm = {"reference": pd.DataFrame({"T/NK": [0.5]}, index=["FTO"])}
    >>> var, layers = pd.DataFrame(index=["FTO"]), {"T/NK": pd.DataFrame([[0.6]]).to_numpy()}
    >>> write_predictions(anndata.AnnData(None, pd.DataFrame(index=["ann"]), var, varm=varm, layers=layers), "one.h5ad")
    >>> read_predictions("one.h5ad").to_df("T/NK").loc["ann", "FTO"].item()
    0.6
    """
    found = anndata.read_h5ad(path)
    names = [str(name) for name in found.uns["cell_types"]]
    varm = {"reference": found.varm["reference"].set_axis(names, axis=1)}
    layers = {name: found.layers[_in_file(name)] for name in names}
    return anndata.AnnData(None, found.obs, found.var, varm=varm, layers=layers)


def _in_file(name):
    return name.replace("/", "_")
