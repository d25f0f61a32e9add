"""The elastic net along a path of penalties, for one part of the people or for many who go side by side.

Three things make it fast. Each penalty starts where the line through the last two ends (warm start). The strong rule
(Tibshirani et al. 2012) says which SNPs are likely to get a weight, and only those that were likely once are worked on;
all others are checked afterwards, and brought in where the guess was wrong. And parts that go side by side are checked
together, in one pass over all SNPs; besides, whoever leads them can stop as soon as the smallest error is behind them.
"""

import numpy as np

from scomics_lite.twas.weights.coordinate_descent import ROUNDING, TOLERANCE, minimise
from scomics_lite.twas.weights.gram_matrices import LEAST_MIXING, look
from scomics_lite.twas.weights.ridge import Ridge

LEAST_LAMBDAS, LEAST_GAIN, ENOUGH = 5, 1e-5, 0.999  # glmnet's mnlam, fdev and devmax: when its path ends early
MANY = 40  # parts that keep their Gram matrices: of hundreds, one for each person left out, they would fill the memory


class Walk:
    """The elastic net of one part, on its way from large to small penalties.

    Parameters
    ----------
    part : Part
    mixing : float
        Share of the penalty on Σ|w|.
    """

    def __init__(self, part, mixing):
        self.part, self.mixing = part, mixing
        self.weights = np.zeros(len(part.scale))  # at lambda_, of standardised SNPs on standardised expression
        self.lambda_ = part.largest_lambda(mixing)
        self.explained, self.fitted = 0.0, np.zeros(len(part.y))
        self._gradient, self._before = part.covariances, None
        # Above this all weights are 0, and get no 1e-17 from rounding.
        self._nothing_above = self.lambda_ if mixing >= LEAST_MIXING or part.sd == 0 else np.inf
        self._ridge = Ridge(part) if mixing == 0 and part.sd > 0 else None
        self._candidates = np.zeros_like(part.usable) if self._ridge else part.usable  # ridge regression has no guesses

    def begin(self, lambda_):
        """Guess the weights at λ and which SNPs have one; say whether there is anything to do."""
        if lambda_ >= self._nothing_above:
            return False
        last, weights = self.lambda_, self.weights
        guess = _on_the_line(self._before, (last, weights), lambda_)
        steepest = self.mixing * max(2 * lambda_ - last, lambda_ / 2) / self.part.sd  # the strong rule
        self.wanted = self._candidates & ((np.abs(self._gradient) >= steepest) | (guess != 0))
        self._before, self.lambda_, self.weights = (last, weights), lambda_, guess
        return True

    def solve(self):
        """Find the weights at λ, if only SNPs wanted so far have one."""
        part, penalty = self.part, self.lambda_ / self.part.sd
        if self._ridge:
            self.weights = self._ridge.weights(penalty)
            return
        part.grow(self.wanted)
        snps, l1, l2 = part.members, penalty * self.mixing, penalty * (1 - self.mixing)
        self.weights[snps] = minimise(part.gram, part.covariances[snps], self.weights[snps], l1, l2)

    def check(self, gradient, explained, fitted):
        """Say whether no other SNP should have a weight, by the gradient of all; those that should are wanted."""
        self._gradient, self.explained, self.fitted = gradient, explained, fitted
        penalty = self.lambda_ / self.part.sd
        limit = penalty * self.mixing + TOLERANCE * penalty + ROUNDING
        missed = self._candidates & (np.abs(gradient) > limit) & ~self.wanted
        missed[self.part.members] = False
        self.wanted |= missed
        return not missed.any()

    def predictions(self, people):
        """Predict the expression of some people, bool (n,), inside or outside the part."""
        return self.part.centre + self.part.sd * self.fitted[people]


def _on_the_line(before, last, lambda_):
    """Guess the weights at λ from (λ, weights) of the last two penalties; no sign changes."""
    weights = last[1]
    if before is None or before[0] == last[0]:
        return weights.copy()
    guess = weights + (weights - before[1]) * ((lambda_ - last[0]) / (last[0] - before[0]))
    return np.where(guess * weights > 0, guess, 0.0)


def advance(walks, lambda_):
    """Take walks of the same columns on to the next penalty.

    Parameters
    ----------
    walks : list of Walk
    lambda_ : float
        Below the last, in units of expression.

    Examples
    --------
    >>> from scomics_lite.twas.weights.gram_matrices import Columns, Part
    >>> walk = Walk(Part(Columns(np.array([[0], [2]])), np.array([0.0, 1.0]), np.ones(2, dtype=bool)), mixing=1.0)
    >>> advance([walk], 0.25)
    >>> walk.weights, float(walk.explained), walk.fitted
    (array([0.5]), 0.75, array([-0.5,  0.5]))
    """
    left = [walk for walk in walks if walk.begin(lambda_)]
    while left:
        left[0].part.columns.prepare(np.any([walk.wanted for walk in left], axis=0))
        for walk in left:
            walk.solve()
            if len(walks) > MANY:
                walk.part.forget()
        seen = look([walk.part for walk in left], [walk.weights for walk in left])
        left = [walk for walk, *what in zip(left, *seen, strict=True) if not walk.check(*what)]


def explains_no_more(explained):
    """Say whether glmnet would end a path here.

    Parameters
    ----------
    explained : sequence of float
        Share of variance explained at each penalty so far.

    Returns
    -------
    bool
        From the fifth penalty on: whether the share is above 0.999, or has grown by less than 1e-5 of itself.

    Examples
    --------
    >>> explains_no_more([0.0, 0.2, 0.3, 0.35, 0.37]), explains_no_more([0.0, 0.2, 0.3, 0.35, 0.350001])
    (False, True)
    """
    if len(explained) < LEAST_LAMBDAS:
        return False
    return explained[-1] - explained[-2] < LEAST_GAIN * explained[-1] or explained[-1] > ENOUGH
