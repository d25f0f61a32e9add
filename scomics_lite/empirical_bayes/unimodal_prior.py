"""Learning the prior of many effects: which scales its components have, what weights, and where the mode is.

One step of `scomics_lite.empirical_bayes.ash`. The likelihoods of n effects under k components are a table of n x k
numbers, 45 million for a million effects: they are made in blocks, and kept together only if there is room.
"""

import numpy as np
from scipy.optimize import minimize_scalar
from tqdm import tqdm

from scomics_lite.blocks import BLOCK
from scomics_lite.empirical_bayes.mixture_weights import check_prior, maximize
from scomics_lite.empirical_bayes.mixtures import Mixture, Posteriors, make_components
from scomics_lite.progress import no_bar
from scomics_lite.validation import InputError, did_you_mean

NULL_WEIGHT = (
    10.0  # ashr's: the penalty counts nine more effects that are null, so that their share is rather too large
)
STEP = np.sqrt(2)  # between scales, ashr's
FINEST = 1e-15  # scale, of the largest
KEPT = 600_000_000  # bytes of likelihoods that are kept; beyond that, every pass computes them anew
SAMPLE = 20_000  # effects that give the weights to start from
PRIORS = ("null_biased", "uniform")


def default_scales(effects, errors, mode=0.0):
    """Choose the scales of the components, as R's ashr does.

        smallest  min(s) / 10,  largest  2 sqrt(max((b - m)^2 - s^2)),  a factor sqrt(2) between neighbours

    counted from the largest: finer than the smallest scale no effect could tell, and wider than twice the largest true
    effect none needs. If no estimate is larger than its error, the largest is 8 times the smallest. A scale is never
    finer than 1e-15 of the largest, which is zero beside it (ashr has thousands of them for one error of 1e-300).

    Parameters
    ----------
    effects, errors : ndarray, shape (n,)
        b and s, finite.
    mode : float
        m.

    Returns
    -------
    ndarray
        Rising.

    Examples
    --------
    >>> default_scales(np.array([0.1, 1.0]), np.array([0.6, 0.6]))[-3:].round(3)
    array([0.8  , 1.131, 1.6  ])
    """
    smallest = errors.min() / 10
    excess = ((np.abs(effects - mode) - errors) * (np.abs(effects - mode) + errors)).max()
    largest = 2 * np.sqrt(excess) if excess > 0 else 8 * smallest
    smallest = max(smallest, FINEST * largest)
    steps = max(0, int(np.ceil(np.log(largest / smallest) / np.log(STEP))))
    return largest * STEP ** np.arange(-steps, 1.0)


def fit_prior(effects, errors, family, mode, *, df, point_mass, prior, progress):
    """Find the prior under which the estimates are most likely, with the penalty on its weights.

    Parameters
    ----------
    effects, errors : ndarray, shape (n,)
        Finite.
    family : str
    mode, df, point_mass, prior, progress
        As in `scomics_lite.empirical_bayes.ash`.

    Returns
    -------
    Mixture

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> effects = rng.normal(0, 3, 2000) * (rng.random(2000) < 0.3) + rng.normal(0, 1, 2000)
    >>> settings = {"df": None, "point_mass": True, "prior": "null_biased", "progress": False}
    >>> mixture = fit_prior(effects, np.ones(2000), "normal", 0.0, **settings)
    >>> spread = np.sqrt(mixture.weights @ mixture.components["scale"] ** 2)
    >>> print(f"null {mixture.weights[0]:.2f}, standard deviation {spread:.2f}")  # of the truth: 0.70, 1.64
    null 0.68, standard deviation 1.65
    """

    def fit_at(mode, rows=slice(None), progress=progress):
        part = effects[rows], errors[rows], family, part_of(df, rows)
        return _fit_at(mode, *part, point_mass, prior, progress)

    if mode == "estimate":
        mode = _best_mode(fit_at, effects, errors)
    return fit_at(mode)[0]


def cut(n, k):
    """Cut n effects into slices of which the numbers for k components stay in the processor's cache.

    Parameters
    ----------
    n, k : int

    Yields
    ------
    slice

    Examples
    --------
    >>> list(cut(5000, 20))
    [slice(0, 3276, None), slice(3276, 5000, None)]
    """
    size = max(1, BLOCK // k)
    yield from (slice(first, min(first + size, n)) for first in range(0, n, size))


def part_of(df, rows):
    """Give the degrees of freedom of some effects: of each its own, or the number that all have.

    Parameters
    ----------
    df : ndarray, shape (n,), float or None
    rows : slice or ndarray

    Returns
    -------
    ndarray, float or None

    Examples
    --------
    >>> part_of(np.array([4.0, 5.0, 6.0]), slice(1, 3)), part_of(4.0, slice(1, 3))
    (array([5., 6.]), 4.0)
    """
    return df if np.ndim(df) == 0 else df[rows]


def _fit_at(mode, effects, errors, family, df, point_mass, prior, progress):
    """Give the best mixture around a mode, and its log likelihood."""
    scales = default_scales(effects, errors, mode)
    components = make_components(family, np.append(0.0, scales) if point_mass else scales, mode)
    flat = Mixture(family, mode, np.full(len(components), 1 / len(components)), components)
    weights, log_likelihood = _best_weights(flat, effects, errors, df, _dirichlet(prior, components), progress)
    return Mixture(family, mode, weights, components), log_likelihood


def _best_weights(flat, effects, errors, df, prior, progress):
    """Give the weights of the highest penalized log likelihood, and the log likelihood."""
    likelihoods, start = _Likelihoods(flat, effects, errors, df, progress), None
    if len(effects) > 2 * SAMPLE:
        few = slice(None, None, len(effects) // SAMPLE)
        start = maximize(_Likelihoods(flat, effects[few], errors[few], part_of(df, few), progress=False), prior)
        start = 0.99 * start + 0.01 * flat.weights  # no effect may be impossible
    weights = maximize(likelihoods, prior, start)
    return weights, likelihoods.total(weights)


def _best_mode(fit_at, effects, errors):
    """Find the mode with the highest log likelihood, between the smallest and the largest effect.

    There may be several local maxima: the best of eleven quantiles tells which one is climbed.
    """
    few = slice(None, None, max(1, len(effects) // SAMPLE))
    modes = np.unique(np.quantile(effects, np.linspace(0, 1, 11)))
    best = int(np.argmax([fit_at(mode, few, progress=False)[1] for mode in modes]))
    low, high = modes[max(best - 1, 0)], modes[min(best + 1, len(modes) - 1)]
    options = {"xatol": 1e-4 * np.median(errors)}
    search = minimize_scalar(lambda mode: -fit_at(mode)[1], bounds=(low, high), method="bounded", options=options)
    return float(search.x)


def _dirichlet(prior, components):
    """Give the parameters of the prior on the weights, shape (k,)."""
    if not isinstance(prior, str):
        return check_prior(prior, len(components))
    if prior not in PRIORS:
        raise InputError(f"prior={prior!r} is none; {did_you_mean(prior, PRIORS)}, or Dirichlet parameters")
    scales = components["scale"].to_numpy()
    return np.where((scales == scales.min()) & (prior == "null_biased"), NULL_WEIGHT, 1.0)


class _Likelihoods:
    """Gives the likelihoods of all effects in blocks (b, k), each row over its maximum; a call starts anew."""

    def __init__(self, mixture, effects, errors, df, progress):
        self.mixture, self.effects, self.errors, self.df, self.progress = mixture, effects, errors, df, progress
        self.shape = len(effects), len(mixture.weights)
        self.largest, self.kept = np.zeros(len(effects)), None  # (n,), logarithms of the maxima
        if 8 * len(effects) * len(mixture.weights) <= KEPT:
            self.kept = np.empty(self.shape)
            for rows, block in zip(cut(*self.shape), self._computed(), strict=True):
                self.kept[rows] = block

    def __call__(self):
        return self._computed() if self.kept is None else (self.kept[rows] for rows in cut(*self.shape))

    def total(self, weights):
        """Take the log likelihood of all effects."""
        return sum(np.log(block @ weights).sum() for block in self()) + self.largest.sum()

    def _computed(self):
        for rows in tqdm(list(cut(*self.shape)), "likelihoods", leave=False, disable=no_bar(self.progress)):
            df = part_of(self.df, rows)
            logs = Posteriors(self.mixture, self.effects[rows], self.errors[rows], df).log_likelihoods
            self.largest[rows] = logs.max(axis=1)
            yield np.exp(logs - self.largest[rows, None])
