"""The bundled data sets: simulated, with their truth, and made again exactly from a recipe of a few kilobytes.

``data/simulated/<name>.json`` holds the recipe: seed, settings, design, and, for the stand-in of a real set, summaries
estimated from it (quantiles, bins), nothing of a single gene's counts. ``<name>.h5ad`` beside it holds what `make`
makes of the recipe (``.h5mu`` where it has several modalities). A stand-in has the design of its real set, so that code
written for one runs on the other. Those of genotypes are made by `genotype_standins`.

To make all of them again, where the real sets are cached::

    from scomics_lite import datasets
    from scomics_lite.datasets import standins
    standins.write_all(datasets.data_folder() / "simulated", datasets.load)
"""

import json
from dataclasses import asdict, replace
from functools import partial

import anndata
import h5py
import mudata
import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite import simulate
from scomics_lite.datasets import genotype_standins

# What is chosen, not estimated. `genes` keeps each file under 600 KB; `groups` are the columns whose combinations make
# replicates; a `seed` is the year of the real set's paper, so that nobody can suspect it was picked for its outcome.
# `cells` are arguments for `simulate.cell_counts`, which then makes the set instead of `simulate.bulk_counts`; `zeros`
# asks for structural zeros to be estimated.
SETTINGS = {
    "pasilla": {
        "seed": 2011,
        "genes": 14_599,
        "groups": ["condition", "type"],
        "changed": {"condition": 0.08, "type": 0.08},
        "names": ["untreated1", "untreated2", "untreated3", "untreated4", "treated1", "treated2", "treated3"],
    },
    "airway": {"seed": 2014, "genes": 20_000, "groups": ["dex"], "changed": {"dex": 0.1, "celltype": 0.05}},
    "pickrell": {"seed": 2010, "genes": 8_000, "groups": ["gender"], "changed": {"gender": 0.01}},
    "islam_esmef": {
        "seed": 2011,
        "genes": 14_897,
        "groups": ["celltype"],
        "changed": {"celltype": 0.3},
        "log2fc": 2.0,
        "zeros": True,
        "cells": {"zero_sd": 1.5},
    },
    "pollen": {"seed": 2014, "genes": 8_000, "groups": ["celltype"], "changed": {"celltype": 0.2}, "log2fc": 2.0},
    "kang_muscat": {
        "seed": 2018,
        "genes": 600,
        "groups": ["cluster_id", "sample_id"],
        "changed": {"cluster_id": 0.15, "group_id": 0.15},
        "log2fc": 0.0,
        "cells": {"log2_fold_change_sd": 2.5, "donor": "donor", "donor_sd": 0.2},
    },
    "mouseKO": {"seed": 2017, "genes": 5_000, "groups": ["genotype"], "changed": {"genotype": 0.1}},
}
COMPOSITIONAL = {
    "seed": 2010,
    "genes": 5_000,
    "changed": {"condition": 0.3},
    "up_fraction": 1.0,
    "design": [{"condition": "A", "n": 4}, {"condition": "B", "n": 4}],
    "levels": {"condition": ["A", "B"]},
}

# Donors of chapter 5. Six and six, because with fewer the right analysis finds little; deeper cells than typical ones,
# so that a gene's three parameters can be told apart; the seed is the year of the set with donors above.
DONORS = {
    "seed": 2018,
    "genes": 300,
    "changed": {"condition": 0.1, "cell_type": 0.2},
    "log2fc": 1.5,
    "cells": {
        "zero_changed_fraction": {"condition": 0.1},
        "dispersion_changed_fraction": {"condition": 0.1},
        "donor": "donor",
        "donor_sd": 0.4,
        "zero_probability": 0.1,
        "zero_sd": 1.0,
    },
    "design": [
        {"donor": f"d{number:02d}", "condition": "ctrl" if number <= 6 else "stim", "cell_type": cell_type, "n": 50}
        for number in range(1, 13)
        for cell_type in ("B cells", "T cells")
    ],
    "levels": {
        "donor": [f"d{number:02d}" for number in range(1, 13)],
        "condition": ["ctrl", "stim"],
        "cell_type": ["B cells", "T cells"],
    },
    "sparse": True,
}


def make(recipe):
    """Make a bundled data set from its recipe, the same bytes in every count on every call.

    Parameters
    ----------
    recipe : dict
        The contents of ``data/simulated/<name>.json``.

    Returns
    -------
    AnnData or MuData
        As `simulate.bulk_counts` or `simulate.cell_counts` returns it, with gene names ``sim_gene00001`` …; counts
        sparse where the set is of single cells, not whole where it stands for expected counts. Of genotypes, as
        `genotype_standins.make` returns it.

    Examples
    --------
    >>> adata = make(COMPOSITIONAL)
    >>> adata.shape, float(adata.var["changed"].mean())
    ((8, 5000), 0.3)
    """
    if "genotypes" in recipe:
        return genotype_standins.make(recipe)
    draw = partial(simulate.cell_counts, **recipe["cells"]) if "cells" in recipe else simulate.bulk_counts
    adata = draw(
        _design(recipe),
        recipe["genes"],
        changed_fraction=recipe["changed"],
        up_fraction=recipe.get("up_fraction", 0.5),
        log2_fold_change=recipe.get("log2fc", 1.0),
        parameters=_parameters(recipe),
        rng=recipe["seed"],
    )
    adata.var_names = "sim_" + adata.var_names
    adata.obs_names = recipe.get("names", adata.obs_names)
    adata.X = _expected_counts(adata.X, recipe) if "fractional" in recipe else adata.X.astype(np.int64)
    if recipe.get("sparse"):
        adata.X = sparse.csr_matrix(adata.X)
    # single precision halves the files, and nobody's estimate is that good
    adata.var = adata.var.astype(dict.fromkeys(adata.var.select_dtypes("float"), np.float32))
    return adata


def estimate(name, adata):
    """Write the recipe of the stand-in for a real data set: the settings above, its design, summaries of its counts.

    Parameters
    ----------
    name : str
        A key of `SETTINGS`.
    adata : AnnData
        The real set, as `datasets.load` gives it.

    Returns
    -------
    dict
        What `make` takes, ready for JSON.
    """
    settings = SETTINGS[name]
    design = adata.obs.select_dtypes("category")
    counts = adata.X if np.issubdtype(adata.X.dtype, np.integer) else adata.X.round()
    groups = design[settings["groups"]].astype(str).agg("/".join, axis=1)
    parameters = simulate.estimate_parameters(counts, groups=groups, zeros="zeros" in settings)
    recipe = {**settings, "design": _runs(design), "levels": {key: [*design[key].cat.categories] for key in design}}
    if counts is not adata.X:
        recipe["fractional"] = float(f"{(counts != adata.X).mean() / (adata.X > 0).mean():.3g}")
    recipe["sparse"] = sparse.issparse(adata.X)
    recipe["parameters"] = _stored(parameters)
    return _calibrated(recipe)


def write_all(folder, load):
    """Estimate every recipe again, with `load` giving the real sets, and write recipes and data sets to `folder`."""
    recipes = {f"{name}_simulated": estimate(name, load(name)) for name in SETTINGS}
    deep = _stored(
        replace(simulate.typical_umis(), n_genes=1_000)
    )  # ten times the depth: as if all fell on 1,000 genes
    recipes |= {"compositional_bulk": COMPOSITIONAL, "donors_simulated": {**DONORS, "parameters": deep}}
    recipes |= {f"{name}_simulated": settings for name, settings in genotype_standins.SETTINGS.items()}
    for name, recipe in recipes.items():
        write(folder, name, recipe)


def write(folder, name, recipe):
    """Write one recipe and the data set that it makes to `folder`."""
    (folder / f"{name}.json").write_text(json.dumps(recipe, indent=1) + "\n")
    data = make(recipe)
    if isinstance(data, anndata.AnnData):
        _write_small(folder / f"{name}.h5ad", data)
    else:
        with mudata.set_options(pull_on_update=False):
            data.write_h5mu(folder / f"{name}.h5mu", compression="gzip", compression_opts=9)


def path_of(folder, name):
    """Give the file of a bundled data set, whose end tells whether it has several modalities."""
    several = folder / f"{name}.h5mu"
    return several if several.is_file() else folder / f"{name}.h5ad"


def read(folder, name):
    """Read a bundled data set back, in the form in which `make` made it."""
    path = path_of(folder, name)
    if path.suffix == ".h5mu":
        return _read_modalities(path)
    adata = anndata.read_h5ad(path)
    if read_recipe(folder, name).get("sparse"):
        adata.X = sparse.csr_matrix(adata.X)
    return adata


def _read_modalities(path):
    with mudata.set_options(pull_on_update=False):
        data = mudata.read_h5mu(path)
    for part in data.mod.values():  # mudata stores repeated texts as categories
        part.var = part.var.astype(dict.fromkeys(part.var.select_dtypes("category"), object))
    return data


def read_recipe(folder, name):
    """Read the recipe of a bundled data set."""
    return json.loads((folder / f"{name}.json").read_text())


def _write_small(path, adata):
    """Write an .h5ad file of a third of the usual size, which anndata reads as any other."""
    # gzip packs zeros better than it packs the column numbers of a sparse matrix
    adata.X = adata.X.toarray() if sparse.issparse(adata.X) else adata.X
    packing = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
    new = {"mode": "w", "libver": "latest"}  # the oldest format has kilobytes of index for every column
    with h5py.File("draft", driver="core", backing_store=False, **new) as draft, h5py.File(path, **new) as file:
        anndata.io.write_elem(draft, "/", adata, dataset_kwargs=packing)
        attributes = dict(draft["var/_index"].attrs)
        del draft["var/_index"]  # strings of variable length are never packed, and half of the file
        names = adata.var_names.to_numpy(dtype=bytes)
        packing["dtype"] = h5py.string_dtype("ascii", names.itemsize)
        index = draft["var"].create_dataset("_index", data=names, **packing)
        index.attrs.update(attributes)
        for part in draft:
            draft.copy(part, file)  # leaves behind the room that the deleted names took
        file.attrs.update(draft.attrs)


def _design(recipe):
    """One row a sample: the rows of the stored design, each repeated n times, with levels in their order."""
    rows = pd.DataFrame(recipe["design"])
    obs = rows.loc[rows.index.repeat(rows.pop("n"))].reset_index(drop=True)
    return obs.astype({column: pd.CategoricalDtype(levels) for column, levels in recipe["levels"].items()})


def _runs(design):
    """List the rows of a design, with the number of times that each comes in a row."""
    design = design.astype(str)
    run = (design != design.shift()).any(axis=1).cumsum()
    return [{**group.iloc[0].to_dict(), "n": len(group)} for _, group in design.groupby(run)]


def _parameters(recipe):
    if "parameters" not in recipe:
        return None  # typical ones
    stored = recipe["parameters"]
    return simulate.CountParameters(
        **{key: np.array(value) if isinstance(value, list) else value for key, value in stored.items()}
    )


def _stored(parameters):
    """Give parameters as a recipe holds them."""
    return {key: _short(value) for key, value in asdict(parameters).items() if value is not None}


def _short(value):
    """Round to six digits: more would make the recipe depend on the machine that estimated it."""
    if isinstance(value, np.ndarray):
        return [_short(float(number)) for number in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _calibrated(recipe):
    """Lower the fraction of unexpressed genes by what chance adds: faint genes, too, can get no read in any sample."""
    wanted = recipe["parameters"]["unexpressed"]
    if wanted == 0:
        return recipe
    found = float((np.asarray(make(recipe).X.sum(axis=0)).ravel() == 0).mean())
    lost_by_chance = (found - wanted) / (1 - wanted)
    recipe["parameters"]["unexpressed"] = _short(max(0.0, 1 - (1 - wanted) / (1 - lost_by_chance)))
    return recipe


def _expected_counts(counts, recipe):
    """Move a fraction of the positive counts off the whole numbers, as sharing ambiguous reads out among genes does."""
    generator = np.random.default_rng([recipe["seed"], 1])  # a stream of its own beside the counts'
    moved = (counts > 0) & (generator.random(counts.shape) < recipe["fractional"])
    return counts + np.where(moved, generator.uniform(-0.5, 0.5, counts.shape).round(3), 0.0)
