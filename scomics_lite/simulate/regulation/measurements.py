"""What a laboratory would measure in a simulated world: counts of single cells, and of many cells together."""

import anndata
import numpy as np
import pandas as pd
from scipy import special

from scomics_lite.simulate import drawing, populations
from scomics_lite.simulate.parameters import typical_umis

DISPERSION_SD = 0.5  # of ln(phi) around the trend, as in `simulate.cell_counts`


def draw_cells(expression, cell_types, donors, cells_each, generator):
    """Draw the counts of single cells: negative binomial around their donor's level, of typical depth (UMI).

    mu_ig = s_i exp(level_dcg) / Σ_h exp(level_dch), d the donor and c the type of cell i.
    """
    obs = _samples(donors, cell_types, cells_each, "donor")
    sizes = drawing.draw_library_sizes(None, len(obs), expression.n_vars, typical_umis(), generator, "cell")
    shares = _shares(expression[donors], cell_types)  # (donors, cell types, g)
    phi = _dispersions(shares, generator)
    shape, rows = drawing.gamma_shape(phi), [obs[column].cat.codes.to_numpy() for column in obs]
    rates = (
        generator.gamma(shape, size * shares[donor, cell_type] / shape)
        for size, donor, cell_type in zip(sizes, *rows, strict=True)
    )
    counts = populations.sparse_counts(rates, expression.n_vars, generator, "cells_each")
    obs.index = [f"cell{number:06d}" for number in range(1, len(obs) + 1)]
    return anndata.AnnData(counts, obs=obs, var=_genes(expression, phi))


def draw_sums(expression, cell_types, cells_each, generator):
    """Draw counts of every person and cell type, as `differential.pseudobulk` sums them over `cells_each` cells.

    The cells of a sum share their mean mu and dispersion phi: given their total depth, the sum is near a negative
    binomial of mean cells_each mu and dispersion phi / cells_each.
    """
    obs = _samples(expression.obs_names, cell_types, 1, "person").assign(n_cells=cells_each)
    shape = (len(obs), cells_each)
    sizes = drawing.draw_library_sizes(None, np.prod(shape), expression.n_vars, typical_umis(), generator, "cell")
    shares = _shares(expression, cell_types)
    phi = _dispersions(shares, generator)
    gamma = drawing.gamma_shape(phi / cells_each)
    mean = sizes.reshape(shape).sum(axis=1)[:, None] * shares.reshape(len(obs), -1)
    counts = generator.poisson(generator.gamma(gamma, mean / gamma))
    obs.index = obs["person"].astype(str) + "_" + obs["cell_type"].astype(str)
    return anndata.AnnData(counts, obs=obs, var=_genes(expression, phi))


def _samples(people, cell_types, each, called):
    """List people, each with all cell types, each with so many rows."""
    person, cell_type = np.repeat(np.arange(len(people)), len(cell_types) * each), np.arange(len(cell_types))
    columns = {
        called: pd.Categorical.from_codes(person, list(people)),
        "cell_type": pd.Categorical.from_codes(np.tile(np.repeat(cell_type, each), len(people)), list(cell_types)),
    }
    return pd.DataFrame(columns)


def _shares(expression, cell_types):
    """Shares of the genes in all molecules, (people, cell types, g)."""
    return special.softmax(np.stack([expression.layers[name] for name in cell_types], axis=1), axis=2)


def _dispersions(shares, generator):
    """Dispersions between cells (g,), scattered around the trend at a typical depth."""
    parameters, n_genes = typical_umis(), shares.shape[-1]
    depth = np.exp(parameters.log_library_mean) * n_genes / parameters.n_genes
    middle = shares.mean(axis=(0, 1)) * depth
    return drawing.draw_dispersions(None, middle, DISPERSION_SD, parameters, generator)


def _genes(expression, phi):
    return expression.var[["chromosome", "start", "end", "strand", "tss", "genename"]].assign(dispersion=phi)
