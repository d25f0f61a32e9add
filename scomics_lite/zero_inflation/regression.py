"""Regression of counts with extra zeros, all genes at once: `fit`, and what it gives.

Reached as `scomics_lite.zero_inflation.fit`; the models are written down in `scomics_lite.zero_inflation`.
"""

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd
from tqdm import tqdm

from scomics_lite.blocks import client_map, gene_blocks, map_blocks
from scomics_lite.design import match_design
from scomics_lite.progress import no_bar
from scomics_lite.validation import Counts, InputError, check_counts, check_size_factors, did_you_mean
from scomics_lite.zero_inflation.likelihood import Likelihood, Parts
from scomics_lite.zero_inflation.maxima import NEVER, fit_block

MODELS = ("zinb", "hurdle", "nb")
PARTS = ("mean", "zero", "dispersion")
BLOCK = 262_144  # counts worked on together: enough genes that a few slow ones hold up no small crowd


@dataclass(frozen=True, repr=False, eq=False)
class ZinbFit:
    """Fitted regressions of all genes.

    Attributes
    ----------
    counts : Counts
        What was fitted, with the names of cells and genes.
    design, zero_design, dispersion_design : DataFrame, shape (n, p), (n, q) and (n, r)
        Of ln mu, logit pi and ln phi. A model ``"nb"`` has no zero part: q = 0.
    size_factors : ndarray, shape (n,)
    model : str
    theta : ndarray, shape (g, p + q + r)
        All coefficients, in this order.
    covariance : ndarray, shape (g, P, P)
        Of the estimates, from the observed information; NaN where there is no estimate.
    log_likelihood : ndarray, shape (g,)
        The highest that the model reaches, also where the estimates are penalised.
    iterations : ndarray of int, shape (g,)
        Steps of the search, of all starts together.
    status : ndarray of str, shape (g,)
        ``"converged"``, or what keeps the estimates from being ordinary ones, joined by commas: ``"no inflation"``, the
        share of structural zeros is 0 in all cells, and the negative binomial fit is the best; ``"inflation in some
        cells"``, it is 0 in others, and ``"separated"``, some mean goes to 0 or some share to 1: the likelihood rises
        for ever as a coefficient grows, and Firth's penalty holds it; ``"no overdispersion"``, phi has gone to 0 in
        some cells; ``"dispersion at bound"``, to infinity; ``"not converged"``; ``"all zero"``.
    """

    counts: Counts
    design: pd.DataFrame
    zero_design: pd.DataFrame
    dispersion_design: pd.DataFrame
    size_factors: np.ndarray
    model: str
    theta: np.ndarray
    covariance: np.ndarray
    log_likelihood: np.ndarray
    iterations: np.ndarray
    status: np.ndarray

    def __repr__(self):
        kinds, numbers = np.unique(self.status.astype(str), return_counts=True)
        outcome = "; ".join(f"{number:,} {kind}" for kind, number in zip(kinds, numbers, strict=True))
        return f"ZinbFit ({self.model}) of {len(self.genes):,} genes in {len(self.design):,} cells: {outcome}"

    @property
    def genes(self):
        """Names of the genes, shape (g,)."""
        return self.counts.genes

    @property
    def parameters(self):
        """Names of the coefficients: pairs of a part and a column, a MultiIndex of length P."""
        designs = (self.design, self.zero_design, self.dispersion_design)
        pairs = [(part, str(name)) for part, design in zip(PARTS, designs, strict=True) for name in design.columns]
        return pd.MultiIndex.from_tuples(pairs, names=["part", "column"])

    @property
    def coefficients(self):
        """Of ln mu, shape (g, p)."""
        return self.theta[:, : self.design.shape[1]]

    @property
    def zero_coefficients(self):
        """Of logit pi, shape (g, q); without inflation -inf for the intercept and NaN for the others."""
        p, q = self.design.shape[1], self.zero_design.shape[1]
        return self.theta[:, p : p + q]

    @property
    def dispersion_coefficients(self):
        """Of ln phi, shape (g, r)."""
        return self.theta[:, self.design.shape[1] + self.zero_design.shape[1] :]

    @property
    def dispersion(self):
        """Dispersions phi, shape (g,), or (g, m) where the dispersion's design has m different rows, in order."""
        rows = np.unique(self.dispersion_design.to_numpy(float), axis=0)
        phi = np.exp(self.dispersion_coefficients @ rows.T)
        return phi[:, 0] if len(rows) == 1 else phi

    @property
    def estimates(self):
        """The coefficients as a table, genes x (part, column)."""
        return pd.DataFrame(self.theta, self.genes, self.parameters)

    @cached_property
    def standard_errors(self):
        """Their standard errors, genes x (part, column); NaN where there is no estimate."""
        variances = np.diagonal(self.covariance, axis1=1, axis2=2)
        return pd.DataFrame(np.sqrt(np.where(variances > 0, variances, np.nan)), self.genes, self.parameters)

    @property
    def without_zeros(self):
        """Which genes are fitted with pi = 0 in all cells, shape (g,)."""
        return np.isinf(self.zero_coefficients).any(axis=1)

    @property
    def base_mean(self):
        """Mean over cells of counts over size factors, shape (g,)."""
        return self.counts.matrix.T @ (1 / self.size_factors) / len(self.size_factors)

    @property
    def mean(self):
        """Means mu of the counts that are no structural zeros, shape (n, g); computed anew every time."""
        return self._of_cells("mu")

    @property
    def zero_probability(self):
        """Probabilities pi of a structural zero (of a ``"hurdle"``: of any zero), shape (n, g); computed anew."""
        return self._of_cells("pi")

    @property
    def responsibilities(self):
        """Probabilities that the count of a cell is a structural zero, shape (n, g), 0 for other counts."""
        return self._of_cells("r")

    @property
    def expected(self):
        """Expected counts E[Y], shape (n, g): (1 - pi) mu, and (1 - pi) mu / (1 - P_NB(0)) of a ``"hurdle"``."""
        return self._of_cells("expected")

    def blocks(self):
        """Yield block after block of genes: positions, `Likelihood` and coefficients (P, b) without infinite ones."""
        parts = self.parts
        for genes, counts in gene_blocks(self.counts.matrix, np.arange(len(self.genes)), block=BLOCK):
            yield genes, Likelihood.of(self.model, parts, counts), self.finite(genes)

    @cached_property
    def parts(self):
        """The designs as `Parts`."""
        designs = (self.design, self.zero_design, self.dispersion_design)
        return Parts.of(*(design.to_numpy(float) for design in designs), self.size_factors)

    def finite(self, genes):
        """Give the coefficients of some genes, (P, b), with numbers for infinite ones, where pi is 0."""
        theta = self.theta[genes].T.copy()
        p, q, _ = self.parts.sizes
        without = self.without_zeros[genes]
        if without.any():
            theta[:, without] = self.parts.with_zeros(np.delete(theta[:, without], range(p, p + q), axis=0), NEVER)
        return theta

    def _of_cells(self, name):
        return np.hstack([likelihood.fitted(theta)[name] for _, likelihood, theta in self.blocks()])


def fit(
    counts,
    design,
    *,
    zero_design=None,
    dispersion_design=None,
    size_factors=None,
    model="zinb",
    firth=False,
    layer=None,
    client=None,
    progress=True,
):
    """Fit a regression with extra zeros to the counts of every gene.

    The likelihood (see `scomics_lite.zero_inflation`) is maximised by two steps of the EM algorithm (Dempster, Laird
    and Rubin 1977) and Newton's method from there. It can have more than one maximum, so the search starts from the
    counts above zero alone, and again from the negative binomial fit with 5 % structural zeros; where a covariate of
    the zero part differs from cell to cell, from such with more of them where the covariate is high, and where it is
    low. The negative binomial fit itself is a candidate too.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame, AnnData or Counts, shape (n, g)
        Raw counts, cells in rows. Sparse counts are made dense a block of genes at a time.
    design : DataFrame or array_like, shape (n, p)
        Of ln mu; see `scomics_lite.design`.
    zero_design : DataFrame or array_like, shape (n, q), optional
        Of logit pi; an intercept when not given.
    dispersion_design : DataFrame or array_like, shape (n, r), optional
        Of ln phi, such as a column for each group of cells; an intercept when not given.
    size_factors : array_like, shape (n,), optional
        1 for all cells when not given. `scomics_lite.normalization.size_factors` (``method="total"``) gives those of
        the whole table, which the few genes of a part of it could not.
    model : str
        ``"zinb"``; ``"hurdle"``, in which pi is the probability of any zero and other counts are negative binomial
        without their zeros (Mullahy 1986); ``"nb"``, without a zero part.
    firth : bool
        Penalise the estimates of all genes (Firth 1993), not only of those without a maximum at finite coefficients.
        Means and shares of structural zeros are drawn a little to the middle, which few cells ask for.
    layer : str, optional
        Layer of an AnnData that holds the counts.
    client : dask.distributed.Client, optional
        Its workers fit blocks of genes; the numbers stay the same. See `scomics_lite.blocks.client_map`.
    progress : bool
        Whether to show how many genes are done, where the output is a terminal or a notebook.

    Returns
    -------
    ZinbFit

    Raises
    ------
    InputError
        For counts, designs and size factors that cannot be used; the message says why.

    Examples
    --------
    >>> from scomics_lite.zero_inflation import sample
    >>> group = np.repeat([0, 1], 500)
    >>> counts = sample(20.0, 0.4, np.where(group, 0.5, 0.2), rng=1)[:, None]
    >>> design = pd.DataFrame({"Intercept": 1.0, "group": group})
    >>> fitted = fit(counts, design, zero_design=design, progress=False)
    >>> fitted.status[0], np.exp(fitted.coefficients[0]).round(2), fitted.dispersion.round(2)
    ('converged', array([19.18,  1.07]), array([0.36]))
    """
    counts = counts if isinstance(counts, Counts) else check_counts(counts, layer=layer, allow_empty=True)
    _check_model(model, zero_design)
    one = pd.DataFrame({"Intercept": np.ones(len(counts.samples))}, counts.samples)
    design = match_design(design, counts.samples)
    zero_design = match_design(one if zero_design is None else zero_design, counts.samples)
    zero_design = zero_design.iloc[:, :0] if model == "nb" else zero_design
    dispersion_design = match_design(one if dispersion_design is None else dispersion_design, counts.samples)
    s = np.ones(len(one)) if size_factors is None else check_size_factors(size_factors, counts.samples)
    designs = [columns.to_numpy(float) for columns in (design, zero_design, dispersion_design)]
    work = partial(fit_block, model, *designs, s, firth)
    found = _fit_all(counts, work, sum(columns.shape[1] for columns in designs), client, progress)
    return ZinbFit(counts, design, zero_design, dispersion_design, s, model, **found)


def _fit_all(counts, work, size, client, progress):
    """Fit block after block; give the arrays of a `ZinbFit`."""
    g = len(counts.genes)
    found = {
        "theta": np.full((g, size), np.nan),
        "covariance": np.full((g, size, size), np.nan),
        "log_likelihood": np.full(g, np.nan),
        "iterations": np.zeros(g, dtype=int),
        "status": np.full(g, "all zero", dtype=object),
    }
    genes = np.flatnonzero(counts.positive_samples() > 0)
    over = map if client is None else client_map(client)
    with tqdm(total=len(genes), desc="genes", disable=no_bar(progress), leave=False) as bar:
        for block, maxima in map_blocks(work, counts.matrix, genes, map=over, block=BLOCK):
            for name, values in found.items():
                values[block] = getattr(maxima, name)
            bar.update(len(block))
    return found


def _check_model(model, zero_design):
    if model not in MODELS:
        raise InputError(f"model is one of {', '.join(MODELS)}; got {model!r}; {did_you_mean(model, MODELS)}")
    if model == "nb" and zero_design is not None:
        raise InputError('model="nb" has no zero part, but zero_design was given; leave one of them out')
