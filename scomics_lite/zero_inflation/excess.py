"""Are there more zeros than the negative binomial distribution expects? Reached as `excess_zeros`."""

import numpy as np
import pandas as pd

from scomics_lite import normalization
from scomics_lite.validation import check_counts
from scomics_lite.zero_inflation.regression import fit


def excess_zeros(counts, design=None, *, size_factors=None, layer=None, client=None, progress=True):
    """Compare the share of zeros of every gene with what its mean and dispersion lead one to expect.

    A negative binomial regression is fitted to each gene, zeros and all. The zeros that it expects are the mean over
    cells of (1 + phi mu_i)^(-1 / phi); a Poisson distribution with the same means expects the mean of e^-mu_i. The fit
    has seen the zeros, so a real excess is larger than it looks here: a large phi makes many zeros too.
    `inflation_test` says whether an excess is more than chance.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame or AnnData, shape (n, g)
        Raw counts of all genes, cells in rows.
    design : DataFrame or array_like, shape (n, p), optional
        Of ln mu. What differs between cells and is left out of it, such as their type, looks like an excess.
    size_factors : array_like, shape (n,), optional
        The cells' total counts over their geometric mean when not given.
    layer : str, optional
        Layer of an AnnData that holds the counts.
    client : dask.distributed.Client, optional
        As for `fit`.
    progress : bool
        As for `fit`.

    Returns
    -------
    DataFrame
        Indexed by gene: ``mean`` of the normalized counts, ``dispersion``, shares of zeros ``observed``, and expected
        by ``poisson`` and by ``negative_binomial``, ``excess`` (observed - negative_binomial), and ``status`` of the
        fit.

    Examples
    --------
    >>> from scomics_lite import zero_inflation
    >>> counts = zero_inflation.sample(5.0, 0.3, np.repeat([0.0, 0.5], [99, 1]), rng=1, size=(500, 100))
    >>> table = excess_zeros(counts, progress=False)
    >>> table.loc[[0, 99], ["observed", "poisson", "negative_binomial", "excess"]].round(2)
        observed  poisson  negative_binomial  excess
    0       0.04     0.01               0.05   -0.01
    99      0.52     0.08               0.48    0.04
    """
    counts = check_counts(counts, layer=layer, allow_empty=size_factors is not None)
    s = normalization.size_factors(counts, "total") if size_factors is None else size_factors
    design = np.ones((len(counts.samples), 1)) if design is None else design
    fitted = fit(counts, design, size_factors=s, model="nb", client=client, progress=progress)
    observed = 1 - counts.positive_samples() / len(counts.samples)
    poisson, negative_binomial = [], []
    for _, likelihood, theta in fitted.blocks():
        of_cells = likelihood.fitted(theta)
        poisson.append(np.exp(-of_cells["mu"]).mean(axis=0))
        negative_binomial.append(np.exp(of_cells["f"]).mean(axis=0))
    expected = np.concatenate(negative_binomial)
    table = {"mean": fitted.base_mean, "dispersion": fitted.dispersion, "observed": observed}
    table |= {"poisson": np.concatenate(poisson), "negative_binomial": expected, "excess": observed - expected}
    return pd.DataFrame(table | {"status": fitted.status}, index=counts.genes)
