"""Counts with more zeros than the negative binomial distribution has: which genes have them, and what changes them.

Chapter 5. For cell i and gene g, with natural logarithms throughout,

    Y_ig = 0 with probability pi_ig, otherwise Y_ig ~ NB(mean mu_ig, dispersion phi_ig)
    ln mu_ig = ln s_i + x_i' beta_g,   logit pi_ig = z_i' gamma_g,   ln phi_ig = d_i' delta_g

and all of beta, gamma and delta are estimated. Read `regression` first: `fit` and what it gives. `distribution` is the
distribution without a design. `likelihood` holds the log likelihood and its derivatives, for this model, the hurdle and
the negative binomial; `repeated_counts` what equal counts share of it; `search` the steps of EM and Newton, `starts`
where they begin, `firth` what keeps coefficients finite, `maxima` the way of a block of genes through all of these.
`excess` counts zeros, `hypotheses` tests nested models and pi = 0, `changes` asks what a condition changes, `profiles`
gives intervals.
"""

from scomics_lite.zero_inflation.changes import test
from scomics_lite.zero_inflation.distribution import log_likelihood, moments, probability_of_zero, sample
from scomics_lite.zero_inflation.excess import excess_zeros
from scomics_lite.zero_inflation.hypotheses import inflation_test, likelihood_ratio_test
from scomics_lite.zero_inflation.profiles import profile_interval, profile_log_likelihood
from scomics_lite.zero_inflation.regression import ZinbFit, fit

__all__ = [
    "ZinbFit",
    "excess_zeros",
    "fit",
    "inflation_test",
    "likelihood_ratio_test",
    "log_likelihood",
    "moments",
    "probability_of_zero",
    "profile_interval",
    "profile_log_likelihood",
    "sample",
    "test",
]
