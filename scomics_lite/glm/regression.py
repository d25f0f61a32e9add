"""Negative binomial regression of all genes: `fit`, and what it gives; reached as `scomics_lite.glm.fit`.

The model is written down in `scomics_lite.glm`.
"""

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd

from scomics_lite import negative_binomial
from scomics_lite.blocks import Columns, gene_blocks, map_blocks
from scomics_lite.design import match_design
from scomics_lite.glm.irls import Model, newton, solve
from scomics_lite.glm.precision import Precision
from scomics_lite.validation import (
    Counts,
    InputError,
    check_counts,
    check_order,
    check_size_factors,
    is_number,
    quoted,
    warn,
)

SMALLEST_SPREAD = 0.1  # of a covariate: e^3 for one standard deviation is then a coefficient of 30, see irls
RIDGE = 1e-6 / np.log(2) ** 2  # DESeq2's 1e-6 for coefficients in log2
LITTLE = 1e-8  # of a log likelihood, to lose to the ridge
MOST_STEPS = 1000  # of Newton's method on the way to the highest likelihood, where that has no finite coefficients


@dataclass(frozen=True, repr=False, eq=False)
class GlmFit:
    """Fitted regressions of all genes.

    Attributes
    ----------
    counts : Counts
        What was fitted, with the names of samples and genes.
    design : DataFrame, shape (n, p)
        One row for each sample, one column for each coefficient.
    size_factors : ndarray, shape (n,) or (n, g)
    dispersions : ndarray, shape (g,)
    coefficients : ndarray, shape (g, p)
        Natural logarithms; NaN for genes that could not be fitted.
    log_likelihood : ndarray, shape (g,)
        Of the counts, at the fitted means; without the ridge.
    iterations : ndarray of int, shape (g,)
    status : ndarray of str, shape (g,)
        ``"converged"``; ``"refitted"``, by Newton's method where the reweighting did not converge; ``"not converged"``;
        ``"all zero"``; ``"no dispersion"``.
    ridge, min_mean : float
        As given to `fit`.
    """

    counts: Counts
    design: pd.DataFrame
    size_factors: np.ndarray
    dispersions: np.ndarray
    coefficients: np.ndarray
    log_likelihood: np.ndarray
    iterations: np.ndarray
    status: np.ndarray
    ridge: float
    min_mean: float

    def __repr__(self):
        kinds, numbers = np.unique(self.status, return_counts=True)
        outcome = ", ".join(f"{number:,} {kind}" for kind, number in zip(kinds, numbers, strict=True))
        n, p = self.design.shape
        names = ", ".join(str(name) for name in self.design.columns[:6]) + " …" * (p > 6)
        return f"GlmFit of {len(self.status):,} genes in {n:,} samples: {outcome}; {p} coefficients: {names}"

    @property
    def genes(self):
        """Names of the genes, shape (g,)."""
        return self.counts.genes

    @property
    def converged(self):
        """Which genes have coefficients to be trusted, shape (g,)."""
        return np.isin(self.status, ["converged", "refitted"])

    @property
    def base_mean(self):
        """Mean over samples of counts over size factors, shape (g,)."""
        if self.size_factors.ndim == 2:
            return np.concatenate([(block.counts / block.model.s).mean(axis=0) for block in self.blocks()])
        return self.counts.matrix.T @ (1 / self.size_factors) / len(self.size_factors)

    @property
    def mean(self):
        """Fitted means mu, shape (n, g); computed anew every time."""
        return np.hstack([block.mean for block in self.blocks()])

    @property
    def hat(self):
        """Leverages, shape (n, g), see `scomics_lite.glm.precision`; computed anew every time."""
        return np.hstack([block.hat for block in self.blocks()])

    @cached_property
    def covariance(self):
        """Covariances of the coefficients, shape (g, p, p), natural logarithms.

        With W = diag(mu / (1 + phi mu)) and the ridge R: (X'WX + R)^-1 X'WX (X'WX + R)^-1; NaN where there is no
        inverse, because nothing holds a coefficient: neither a count nor a ridge.
        """
        return np.concatenate([block.precision.covariance for block in self.blocks()])

    @property
    def deviance(self):
        """Twice what the log likelihood lacks of that of a model with a mean for every count, shape (g,)."""
        blocks = ((block.counts, block.mean, block.dispersions) for block in self.blocks())
        return np.concatenate([negative_binomial.deviance(*block).sum(axis=0) for block in blocks])

    def contrast_variance(self, contrast):
        """Compute the variance of c'beta, c' covariance c, without keeping the covariances.

        Parameters
        ----------
        contrast : array_like, shape (p,)
            c.

        Returns
        -------
        ndarray, shape (g,)
        """
        c = np.asarray(contrast, dtype=float)
        return np.concatenate([block.precision.of_contrast(c) for block in self.blocks()])

    def highest_log_likelihood(self, *, map=map):
        """Compute the log likelihoods at their maxima, shape (g,); the coefficients stay where they are.

        A fit whose means were held up at `min_mean`, or whose coefficients the ridge pulls, stops short of the maximum.
        Its gene climbs there by Newton's method, without either.

        Parameters
        ----------
        map : callable
            As for `fit`.

        Returns
        -------
        ndarray, shape (g,)
            NaN where there is no fit, or no maximum was found.
        """
        short = np.concatenate([self._falls_short(block) for block in self.blocks()])
        genes = np.flatnonzero(self.converged & short)
        heights = np.where(self.converged, self.log_likelihood, np.nan)
        x = self.design.to_numpy(float)
        work, given = partial(_highest_of_block, x), (self.dispersions, Columns(self.size_factors))
        for block, found in map_blocks(work, self.counts.matrix, genes, *given, p=x.shape[1], map=map):
            heights[block] = found
        return heights

    def _falls_short(self, block):
        """Tell which genes of a block are held up, or lose to the ridge: about (R beta)' covariance (R beta) / 2."""
        pull = self.ridge * block.coefficients
        lost = np.einsum("pb,bpq,qb->b", pull, block.precision.covariance, pull) / 2 if self.ridge > 0 else 0.0
        return (block.mean < self.min_mean).any(axis=0) | (lost > LITTLE)

    def blocks(self):
        """Yield `FitBlock` after `FitBlock`: what has a value for every count need not be held for all genes."""
        x, size_factors = self.design.to_numpy(float), Columns(self.size_factors)
        for genes, counts in gene_blocks(self.counts.matrix, np.arange(len(self.genes)), x.shape[1]):
            model = Model.of(x, size_factors[genes], self.ridge, self.min_mean)
            yield FitBlock(model, counts, self.dispersions[genes], self.coefficients[genes].T)


@dataclass(frozen=True, eq=False)
class FitBlock:
    """A block of b genes of a fit; what follows from coefficients is computed when asked for. NaN without a fit."""

    model: Model
    counts: np.ndarray  # (n, b)
    dispersions: np.ndarray  # (b,)
    coefficients: np.ndarray  # (p, b)

    @property
    def mean(self):
        """Fitted means, shape (n, b)."""
        return self.model.mean(self.coefficients)

    @cached_property
    def precision(self):
        """Covariances and leverages, with the means' floor that the iterations have."""
        mu = self.model.floored(self.coefficients)[1]
        return Precision(self.model, mu / (1 + self.dispersions * mu))

    @property
    def hat(self):
        """Leverages, shape (n, b)."""
        return self.precision.leverages


def fit(
    counts,
    design,
    size_factors,
    dispersions,
    *,
    ridge=RIDGE,
    min_mean=0.5,
    tolerance=1e-8,
    max_iterations=100,
    layer=None,
    map=map,
):
    """Fit the negative binomial regression of every gene.

    Iteratively reweighted least squares (McCullagh and Nelder 1989, section 2.5): with the weights and working response

        w_i = mu_i / (1 + phi mu_i),   z_i = ln(mu_i / s_i) + (y_i - mu_i) / mu_i

    the next coefficients are (X'WX + R)^-1 X'W z. The conventions are DESeq2's (Love, Huber and Anders 2014), so that
    its numbers come out: a small ridge R keeps the coefficient of a group without counts finite; means below 0.5 count
    as 0.5 inside the weights and the working response; the start is least squares on ln(y / s + 0.1); and a gene is
    done when its deviance, -2 log likelihood, moves by less than 1e-8 of itself.

    A gene with a coefficient beyond 30, or not done in time, is fitted again by Newton's method with halved steps, on
    the likelihood itself: that is concave in the coefficients, so a step that does not lose ends at its only maximum.

    Parameters
    ----------
    counts : array_like, sparse, DataFrame, AnnData or Counts, shape (n, g)
        Raw counts, samples or cells in rows. Sparse counts are made dense a block of genes at a time.
    design : DataFrame or array_like, shape (n, p)
        Columns that do not add up to each other; see `scomics_lite.design`.
    size_factors : array_like, shape (n,) or (n, g)
        s, positive; see `scomics_lite.normalization.size_factors`. A table has those of every gene, for what differs
        between samples gene by gene, as the lengths of transcripts do
        (`scomics_lite.normalization.length_factors`); DESeq2 calls them normalization factors.
    dispersions : Dispersions, EdgerDispersions or array_like, shape (g,) or ()
        What `scomics_lite.dispersion.estimate` or `edger_dispersions` give, of which ``final`` is taken; or the numbers
        phi themselves, not negative; 0 is the Poisson distribution. A gene with NaN is left out.
    ridge : float
        Diagonal of R, on the scale of natural logarithms. The default is DESeq2's 1e-6 for log2.
    min_mean : float
        The smallest mean inside the iterations. 0 leads to the maximum of the likelihood for genes with few counts too.
    tolerance : float
        Relative change of the deviance at which a gene is done; 0 sends all genes on to Newton's method, whose maximum
        is exact.
    max_iterations : int
        After so many a gene goes to Newton's method, which has as many.
    layer : str, optional
        Layer of an AnnData that holds the counts.
    map : callable
        What applies the fit to blocks of genes; see `scomics_lite.blocks`.

    Returns
    -------
    GlmFit

    Examples
    --------
    >>> design = pd.DataFrame({"Intercept": 1.0, "treated": [0, 0, 1, 1]})
    >>> fitted = fit([[10, 0], [12, 0], [40, 0], [48, 0]], design, np.ones(4), [0.01, 0.01])
    >>> fitted
    GlmFit of 2 genes in 4 samples: 1 all zero, 1 converged; 2 coefficients: Intercept, treated
    >>> np.exp(fitted.coefficients[0]).round(3)  # 11 untreated, four times as many treated
    array([11.,  4.])
    """
    counts = counts if isinstance(counts, Counts) else check_counts(counts, layer=layer)
    design = match_design(design, counts.samples)
    size_factors = check_size_factors(size_factors, counts.samples, counts.genes)
    dispersions = _check_dispersions(dispersions, counts.genes)
    for name, value in {"ridge": ridge, "min_mean": min_mean}.items():
        if not (is_number(value) and value >= 0):
            raise InputError(f"{name} must be 0 or more; got {value!r}")
    if ridge > 0:
        _warn_of_large_coefficients(design)
    g, p = len(counts.genes), design.shape[1]
    coefficients, log_likelihood = np.full((g, p), np.nan), np.full(g, np.nan)
    iterations = np.zeros(g, dtype=int)
    status = np.where(np.isnan(dispersions), "no dispersion", "not converged")
    status[counts.positive_samples() == 0] = "all zero"
    fit_block = partial(_fit_block, design.to_numpy(float), ridge, min_mean, tolerance, max_iterations)
    fitted, given = np.flatnonzero(status == "not converged"), (dispersions, Columns(size_factors))
    for genes, found in map_blocks(fit_block, counts.matrix, fitted, *given, p=p, map=map):
        coefficients[genes], log_likelihood[genes], iterations[genes], status[genes] = found
    return GlmFit(
        counts, design, size_factors, dispersions, coefficients, log_likelihood, iterations, status, ridge, min_mean
    )


def _fit_block(x, ridge, min_mean, tolerance, max_iterations, y, phi, s):
    """Fit b genes; give coefficients (b, p), log likelihoods, iterations and status (b,)."""
    model = Model.of(x, s, ridge, min_mean)
    beta, iterations, status = solve(model, y, phi, tolerance, max_iterations)
    log_likelihood = negative_binomial.log_likelihood(y, model.mean(beta), phi).sum(axis=0)
    return beta.T, log_likelihood, iterations, status


def _highest_of_block(x, y, phi, s):
    """Find the highest log likelihoods of b genes, shape (b,)."""
    model = Model.of(x, s, 0.0, 0.0)
    beta, found = newton(model, y, phi, MOST_STEPS)
    return np.where(found, negative_binomial.log_likelihood(y, model.mean(beta), phi).sum(axis=0), np.nan)


# --- checking ---------------------------------------------------------------------------------------------------------


def _warn_of_large_coefficients(design):
    """Warn of large coefficients to come, at which the ridge pulls: the intercept of a sample far from all, or a slope.

    Zeros and ones, which tell groups apart, are never large or small.
    """
    for name, values in design.items():
        mean, spread = values.mean(), values.std()
        if not values.isin([-1, 0, 1]).all() and (abs(mean) > 10 * spread or spread < SMALLEST_SPREAD):
            warn(
                f"column {name!r} of the design has mean {mean:.6g} and spread {spread:.3g}: centre it and bring its "
                "spread near 1 (in a formula: scale), or the ridge will shrink its coefficient"
            )


def _check_dispersions(dispersions, genes):
    """Give the numbers (g,) of an array, or of estimates: an object with ``genes`` and ``final`` dispersions."""
    if not isinstance(dispersions, pd.Series | pd.DataFrame) and hasattr(dispersions, "final"):
        dispersions = pd.Series(dispersions.final, dispersions.genes)
    check_order(dispersions, genes, "dispersions")
    dispersions = np.asarray(dispersions, dtype=float)
    if dispersions.ndim == 0:
        dispersions = np.full(len(genes), dispersions)
    if dispersions.shape != (len(genes),):
        raise InputError(f"{len(genes)} genes need as many dispersions, or one, got shape {dispersions.shape}")
    bad = np.flatnonzero((dispersions < 0) | np.isinf(dispersions))
    if bad.size:
        raise InputError(
            f"dispersions must be finite and not negative; gene {quoted(genes[bad[0]])} has {dispersions[bad[0]]}"
        )
    return dispersions
