"""Cells of an experiment: their groups, their donors, their depths, and their counts as a sparse matrix."""

from dataclasses import dataclass

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite.simulate import drawing
from scomics_lite.validation import InputError, did_you_mean


@dataclass(frozen=True, eq=False)
class Population:
    """Cells that share all levels share their expectation, so that nothing of size (cells, genes) has to be kept.

    Attributes
    ----------
    obs : DataFrame, n rows
        Categorical columns.
    groups : DataFrame, m rows
        The different rows of `obs`.
    codes : ndarray, shape (n,)
        Which of the groups each cell is of.
    donor : str or None
        The column whose levels differ at random.
    """

    obs: pd.DataFrame
    groups: pd.DataFrame
    codes: np.ndarray
    donor: str | None

    @property
    def fixed(self):
        """The columns whose levels have effects."""
        return self.obs if self.donor is None else self.obs.drop(columns=self.donor)

    @property
    def weights(self):
        """Fraction of the cells in each group, (m,)."""
        return np.bincount(self.codes) / len(self.codes)


def as_population(obs, donor, donor_sd, fractions):
    """Read the cells of an experiment; `fractions` of genes that change must not name the donors' column."""
    obs = drawing.as_factors(obs, "cell")
    if donor is None and donor_sd:
        raise InputError(
            "donor_sd says how donors differ; name the column of obs with the donors, such as donor='donor'"
        )
    if donor is not None and donor not in obs:
        raise InputError(f"donor names {donor!r}, which obs has not; {did_you_mean(donor, obs.columns)}")
    for argument, fraction in fractions.items():
        if donor is not None and isinstance(fraction, dict) and donor in fraction:
            raise InputError(f"{argument} names {donor!r}, whose levels differ at random: leave it out, set donor_sd")
    groups = obs.drop_duplicates()
    names = list(obs.columns)
    codes = obs.groupby(names, observed=True, sort=False).ngroup().to_numpy()  # numbered by appearance, as `groups`
    return Population(obs, groups, codes, donor)


def draw_donors(population, donor_sd, n_genes, generator):
    """Random effects, ln scale: a DataFrame (donors, g), or None where there are no donors."""
    if population.donor is None:
        return None
    donors = population.obs[population.donor].cat.categories
    return pd.DataFrame(generator.normal(0, donor_sd, (len(donors), n_genes)), index=donors.astype(str))


def donor_factors(population, donors):
    """By what each group's expression is multiplied, (m, g) or 1."""
    if donors is None:
        return 1.0
    return np.exp(donors.to_numpy()[population.groups[population.donor].cat.codes])


def deal(population, abundance, library_sizes, parameters, generator):
    """Library sizes and size factors, (n,) each, and the number that makes abundances means at size factor 1."""
    n, n_genes = len(population.obs), abundance.shape[1]
    sizes = drawing.draw_library_sizes(library_sizes, n, n_genes, parameters, generator, "cell")
    factors = sizes / abundance.sum(axis=1)[population.codes]
    scale = np.exp(np.log(factors).mean())
    return sizes, factors / scale, scale


def effect_columns(effects, names, log2_mean):
    """Give the columns of ``var`` that tell what each level changes.

    Parameters
    ----------
    effects : dict of DataFrame
        ``{component: effects (g, levels)}`` with columns (column, level).
    names : dict of str
        ``{component: what its effects are called}``.
    log2_mean : callable
        Takes ``{component: effects of one level (g,)}`` and gives log2 E[Y] at this level, up to a constant.

    Returns
    -------
    dict
    """
    columns = {"changed": np.any([(table != 0).any(axis=1).to_numpy() for table in effects.values()], axis=0)}
    unchanged = log2_mean(dict.fromkeys(effects, 0.0))
    for column, level in next(iter(effects.values())):
        own = {component: table[column, level].to_numpy() for component, table in effects.items()}
        changed = np.select([values != 0 for values in own.values()], list(own), "none")
        for component, values in own.items():
            columns[f"{names[component]}[{column}={level}]"] = values
        columns[f"overall_log2_fold_change[{column}={level}]"] = log2_mean(own) - unchanged
        columns[f"changed_component[{column}={level}]"] = pd.Categorical(changed, ["none", *own])
    return columns


def sparse_counts(rates, n_genes, generator, lower):
    """Poisson counts of cell after cell as a sparse matrix (n, g); of 64 bits if one count needs more than 32.

    Parameters
    ----------
    rates : iterable of ndarray, shape (g,)
        Of one cell after the other, drawn when asked for: only counts are kept.
    """
    genes, counts = [], []
    for cell, rate in enumerate(rates):
        drawn = drawing.draw_counts(rate, cell, "cell", generator, lower=lower)
        genes.append(np.flatnonzero(drawn))
        counts.append(drawn[genes[-1]])
    starts = np.concatenate([[0], np.cumsum([len(cell) for cell in genes])])
    values = np.concatenate(counts)
    if values.max(initial=0) <= np.iinfo(np.int32).max:
        values = values.astype(np.int32)
    return sparse.csr_matrix((values, np.concatenate(genes), starts), shape=(len(genes), n_genes))


def annotated(counts, population, depths, var, donors, truth):
    """Put counts and truth together; `depths` are library sizes and size factors."""
    obs = population.obs.assign(library_size=depths[0], size_factor=depths[1])
    adata = anndata.AnnData(counts, obs=obs, var=var, uns={"truth": truth})
    if donors is not None:
        adata.varm["donor_effect"] = donors.T.set_axis(var.index)
    return adata
