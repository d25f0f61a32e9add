"""Negative binomial regression of every gene on a design, all genes at once.

The model, for sample i and gene g, with natural logarithms throughout:

    Y_ig ~ NB(mean mu_ig, dispersion phi_g),   ln mu_ig = ln s_i + sum_j x_ij beta_gj

`fit` finds the coefficients beta by iteratively reweighted least squares; `wald_test` and `likelihood_ratio_test` ask
whether they, or sums of them, are zero. Size factors s and dispersions phi are given, and taken as known.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite import negative_binomial
from scomics_lite.validation import Counts, InputError, check_counts

BLOCK = 200_000  # counts worked on together: arrays of this size stay in the processor's cache
RIDGE = 1e-6 / np.log(2) ** 2  # DESeq2's 1e-6 for coefficients in log2
LARGEST_COEFFICIENT = 30.0  # e^30 is 10^13: a coefficient on its way there has no finite optimum in sight
LARGEST_LOG_MEAN = 300.0  # keeps exp within range while a fit goes astray


@dataclass(frozen=True, repr=False)
class GlmFit:
    """Fitted regressions of all genes.

    Attributes
    ----------
    counts : Counts
        What was fitted, with the names of samples and genes.
    design : DataFrame, shape (n, p)
        One row for each sample, one column for each coefficient.
    size_factors : ndarray, shape (n,)
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
        names = ", ".join(str(name) for name in self.design.columns)
        n, p = self.design.shape
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
    def mean(self):
        """Fitted means mu, shape (n, g); computed anew at every call."""
        return self.size_factors[:, None] * np.exp(self.design.to_numpy(float) @ self.coefficients.T)

    @property
    def hat(self):
        """Leverages, shape (n, g): the diagonals of W^1/2 X (X'WX + R)^-1 X' W^1/2; computed anew at every call."""
        leverages = [
            weights
            * np.einsum("ia,bac,ic->ib", model.x, np.linalg.inv(model.information(weights) + model.ridge), model.x)
            for model, weights in self._blocks()
        ]
        return np.hstack(leverages)

    @cached_property
    def covariance(self):
        """Covariances of the coefficients, shape (g, p, p), natural logarithms.

        With W = diag(mu / (1 + phi mu)) and the ridge R: (X'WX + R)^-1 X'WX (X'WX + R)^-1.
        """
        parts = []
        for model, weights in self._blocks():
            information = model.information(weights)
            inverse = np.linalg.inv(information + model.ridge)
            parts.append(inverse @ information @ inverse)
        return np.concatenate(parts)

    @cached_property
    def deviance(self):
        """Twice what the log likelihood lacks of that of a model with a mean for every count, shape (g,)."""
        model = _Model.of(self.design, self.size_factors, self.ridge, self.min_mean)
        values = np.full(len(self.status), np.nan)
        for genes in _gene_blocks(np.flatnonzero(np.isfinite(self.log_likelihood)), len(model.x)):
            y, phi = _dense(self.counts, genes), self.dispersions[genes]
            values[genes] = negative_binomial.deviance(y, model.mean(self.coefficients[genes].T), phi).sum(axis=0)
        return values

    def contrast_variance(self, contrast):
        """Variance of c'beta for every gene, c' covariance c, shape (g,): the covariances are not kept in memory.

        Parameters
        ----------
        contrast : array_like, shape (p,)
        """
        c = np.asarray(contrast, dtype=float)
        parts = []
        for model, weights in self._blocks():
            information = model.information(weights)
            a = np.linalg.solve(information + model.ridge, np.broadcast_to(c[:, None], (len(information), len(c), 1)))
            parts.append((a.transpose(0, 2, 1) @ information @ a)[:, 0, 0])
        return np.concatenate(parts)

    def _blocks(self):
        """Yield the model and the weights of one block of genes after the other; a gene without fit has NaN."""
        model = _Model.of(self.design, self.size_factors, self.ridge, self.min_mean)
        for genes in _gene_blocks(np.arange(len(self.status)), len(model.x), len(model.ridge)):
            mu = model.floored(self.coefficients[genes].T)[1]
            yield model, mu / (1 + self.dispersions[genes] * mu)


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
    size_factors : array_like, shape (n,)
        s, positive; see `scomics_lite.normalization.size_factors`.
    dispersions : array_like, shape (g,) or ()
        phi, not negative; 0 is the Poisson distribution. A gene with NaN is left out.
    ridge : float
        Diagonal of R, on the scale of natural logarithms. The default is DESeq2's 1e-6 for log2.
    min_mean : float
        The smallest mean inside the iterations. 0 leads to the maximum of the likelihood for genes with few counts too.
    tolerance : float
        Relative change of the deviance at which a gene is done.
    max_iterations : int
        After so many a gene goes to Newton's method, which has as many.
    layer : str, optional
        Layer of an AnnData that holds the counts.

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
    design = _check_design(design, counts.samples)
    size_factors = _check_size_factors(size_factors, counts.samples)
    dispersions = _check_dispersions(dispersions, counts.genes)
    model = _Model.of(design, size_factors, ridge, min_mean)
    g, p = len(counts.genes), design.shape[1]
    coefficients, log_likelihood = np.full((g, p), np.nan), np.full(g, np.nan)
    iterations = np.zeros(g, dtype=int)
    status = np.where(np.isnan(dispersions), "no dispersion", "not converged").astype(object)
    status[counts.positive_samples() == 0] = "all zero"
    for genes in _gene_blocks(np.flatnonzero(status == "not converged"), len(model.x), p):
        y, phi = _dense(counts, genes), dispersions[genes]
        beta, iterations[genes], done = _reweight(model, y, phi, tolerance, max_iterations)
        status[genes[done]] = "converged"
        if not done.all():
            again = ~done
            beta[:, again], found = _newton(model, y[:, again], phi[again], max_iterations)
            status[genes[again][found]] = "refitted"
        coefficients[genes] = beta.T
        log_likelihood[genes] = negative_binomial.log_likelihood(y, model.mean(beta), phi).sum(axis=0)
    status = status.astype(str)
    return GlmFit(
        counts, design, size_factors, dispersions, coefficients, log_likelihood, iterations, status, ridge, min_mean
    )


# --- the iterations ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Model:
    """What all genes share; coefficients are columns here, shape (p, b) for a block of b genes."""

    x: np.ndarray  # (n, p)
    s: np.ndarray  # (n, 1)
    ridge: np.ndarray  # (p, p)
    floor: np.ndarray  # (n, 1): the smallest ln(mu / s)
    products: np.ndarray = field(init=False)  # (p * p, n): x_ia x_ic, so that X'WX of all genes is one product

    def __post_init__(self):
        n, p = self.x.shape
        object.__setattr__(self, "products", (self.x[:, :, None] * self.x[:, None, :]).reshape(n, p * p).T.copy())

    @classmethod
    def of(cls, design, size_factors, ridge, min_mean):
        s = size_factors[:, None]
        floor = np.log(min_mean / s) if min_mean > 0 else np.full_like(s, -LARGEST_LOG_MEAN)
        return cls(design.to_numpy(float), s, ridge * np.eye(design.shape[1]), floor)

    def mean(self, beta):
        """Means mu, shape (n, b)."""
        return self.s * np.exp(np.minimum(self.x @ beta, LARGEST_LOG_MEAN))

    def floored(self, beta):
        """ln(mu / s) and mu, not below their floor, both of shape (n, b)."""
        eta = np.clip(self.x @ beta, self.floor, LARGEST_LOG_MEAN)
        return eta, self.s * np.exp(eta)

    def information(self, weights):
        """X'WX of every gene, shape (b, p, p)."""
        p = len(self.ridge)
        return (self.products @ weights).T.reshape(-1, p, p)

    def step(self, weights, right):
        """(X'WX + R)^-1 of every gene times its column of `right`, shape (p, b)."""
        return np.linalg.solve(self.information(weights) + self.ridge, right.T[:, :, None])[:, :, 0].T

    def start(self, y):
        """Least squares on ln(y / s + 0.1), shape (p, b)."""
        return np.linalg.lstsq(self.x, np.log(y / self.s + 0.1), rcond=None)[0]


def _reweight(model, y, phi, tolerance, max_iterations):
    """Fit a block; give its coefficients (p, b), iterations (b,), and whether each gene converged (b,)."""
    phi = np.maximum(phi, 1e-300)  # 0 / 0 would be NaN; this small, ln(1 + phi mu) / phi is mu to the last digit
    beta = model.start(y)
    eta, mu = model.floored(beta)
    constant = negative_binomial.log_likelihood(y, mu, phi).sum(axis=0) - _kernel(model, y, eta, mu, phi)
    final, iterations, done = beta.copy(), np.zeros(len(phi), dtype=int), np.zeros(len(phi), dtype=bool)
    running, old = np.arange(len(phi)), np.full(len(phi), np.inf)
    for _ in range(max_iterations):
        weights = mu / (1 + phi * mu)
        beta = model.step(weights, model.x.T @ (weights * eta + (y - mu) / (1 + phi * mu)))
        eta, mu = model.floored(beta)
        deviance = -2 * (constant + _kernel(model, y, eta, mu, phi))
        diverged = (np.abs(beta) > LARGEST_COEFFICIENT).any(axis=0)
        converged = (np.abs(deviance - old) < tolerance * (np.abs(deviance) + 0.1)) & ~diverged
        final[:, running], done[running] = beta, converged
        iterations[running] += 1
        stay = ~(diverged | converged)
        if not stay.any():
            break
        running, old, phi, constant = running[stay], deviance[stay], phi[stay], constant[stay]
        y, eta, mu = y[:, stay], eta[:, stay], mu[:, stay]
    return final, iterations, done


def _kernel(model, y, eta, mu, phi):
    """Sum over samples of what depends on the means in the log likelihood: y ln(mu / s) - (y + 1/phi) ln(1 + phi mu)."""
    return np.einsum("ib,ib->b", y, eta) - np.einsum("ib,ib->b", y + 1 / phi, np.log1p(phi * mu))


def _newton(model, y, phi, max_iterations):
    """Maximise log likelihood minus beta'R beta / 2, without a floor; give coefficients (p, b) and success (b,)."""
    phi = np.maximum(phi, 1e-300)
    beta = np.zeros((model.x.shape[1], len(phi)))
    beta[:] = model.start(y)
    found = np.zeros(len(phi), dtype=bool)
    for _ in range(max_iterations):
        run = np.flatnonzero(~found)
        if run.size == 0:
            break
        beta[:, run], found[run] = _newton_step(model, y[:, run], phi[run], beta[:, run])
    return beta, found


def _newton_step(model, y, phi, beta):
    """Take one step, halved until no gene loses by it; a gene is done when a full step promises it less than 1e-12."""
    mu = model.mean(beta)
    gradient = model.x.T @ ((y - mu) / (1 + phi * mu)) - model.ridge @ beta
    step = model.step(mu * (1 + phi * y) / (1 + phi * mu) ** 2, gradient)
    promise = (gradient * step).sum(axis=0)
    height, length = _penalised(model, y, phi, beta), np.ones(len(phi))
    for _ in range(50):
        lost = ~(_penalised(model, y, phi, beta + length * step) >= height + 1e-4 * length * promise)
        lost &= promise > 1e-8 * (np.abs(height) + 1)  # below, rounding decides; and Newton's steps are safe there
        if not lost.any():
            break
        length[lost] /= 2
    return beta + length * step, promise < 1e-12


def _penalised(model, y, phi, beta):
    eta = np.minimum(model.x @ beta, LARGEST_LOG_MEAN)
    return _kernel(model, y, eta, model.s * np.exp(eta), phi) - (beta * (model.ridge @ beta)).sum(axis=0) / 2


def _gene_blocks(genes, n, p=1):
    """Cut the genes into blocks that bound the memory of (n, b) and (b, p, p) arrays."""
    size = max(1, BLOCK // max(n, p * p))
    yield from (genes[start : start + size] for start in range(0, len(genes), size))


def _dense(counts, genes):
    """Take the counts of some genes as a dense array of floats, shape (n, b)."""
    block = counts.matrix[:, genes]
    return (block.toarray() if sparse.issparse(block) else block).astype(float)


# --- checking ---------------------------------------------------------------------------------------------------------


def _check_design(design, samples):
    """Give the design as a DataFrame with one row for each sample, in their order, and full column rank."""
    if not isinstance(design, pd.DataFrame):
        design = np.asarray(design, dtype=float)
        if design.ndim != 2 or len(design) != len(samples):
            raise InputError(f"a design for {len(samples)} samples has as many rows; got shape {design.shape}")
        design = pd.DataFrame(design, index=samples, columns=[f"x{j}" for j in range(design.shape[1])])
    if len(design) != len(samples):
        raise InputError(f"a design for {len(samples)} samples has as many rows; got {len(design)}")
    named = not isinstance(samples, pd.RangeIndex) and not isinstance(design.index, pd.RangeIndex)
    if named and not design.index.equals(samples):
        row = int(np.argmax(np.asarray(design.index != samples)))
        raise InputError(
            f"the rows of the design are not the samples of the counts: row {row} is {design.index[row]!r}, "
            f"sample {row} is {samples[row]!r}. Bring them into one order: design.loc[samples]"
        )
    _check_rank(design)
    return design


def _check_rank(design):
    values = design.to_numpy(float)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = bad[0]
        raise InputError(
            f"the design has {values[row, column]} in column {design.columns[column]!r}, sample {design.index[row]!r}; "
            "a covariate must be known for every sample: drop the sample or the covariate"
        )
    rank = np.linalg.matrix_rank(values)
    if rank < values.shape[1]:
        raise InputError(
            f"the design has {values.shape[1]} columns of rank {rank}: {values.shape[1] - rank} of the coefficients "
            f"cannot be told from the others in these {len(values)} samples. See scomics_lite.design.diagnose(design)"
        )


def _check_size_factors(size_factors, samples):
    size_factors = np.asarray(size_factors, dtype=float)
    if size_factors.shape != (len(samples),):
        raise InputError(f"{len(samples)} samples need as many size factors, got shape {size_factors.shape}")
    bad = np.flatnonzero(~(np.isfinite(size_factors) & (size_factors > 0)))
    if bad.size:
        raise InputError(f"size factors must be positive; sample {samples[bad[0]]!r} has {size_factors[bad[0]]}")
    return size_factors


def _check_dispersions(dispersions, genes):
    dispersions = np.asarray(dispersions, dtype=float)
    if dispersions.ndim == 0:
        dispersions = np.full(len(genes), dispersions)
    if dispersions.shape != (len(genes),):
        raise InputError(f"{len(genes)} genes need as many dispersions, or one, got shape {dispersions.shape}")
    bad = np.flatnonzero((dispersions < 0) | np.isinf(dispersions))
    if bad.size:
        raise InputError(
            f"dispersions must be finite and not negative; gene {genes[bad[0]]!r} has {dispersions[bad[0]]}"
        )
    return dispersions
