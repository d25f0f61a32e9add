"""Zero-inflated and plain negative binomial regressions against glmmTMB, MASS and VGAM, dispersions by group too.

The cells are those of test_reference_pscl.py. glmmTMB fits all genes, some of them without standard errors; MASS gives
no answer for a third of them; VGAM is asked for its log likelihood alone.
"""

import pytest
from fixtures.inflated import (
    CASES,
    SPREAD_CASES,
    assert_defined,
    assert_own_heights,
    assert_same_numbers,
    fitted,
    heights,
    interior,
    results,
)

KINDS = {  # glmmTMB's fit: our model, and whether the groups have dispersions of their own
    "glmmtmb": ("zinb", False),
    "glmmtmb_nb": ("nb", False),
    "glmmtmb_dispersion": ("zinb", True),
    "glmmtmb_nb_dispersion": ("nb", True),
}
EVERY = [(tool, case) for tool, (_, spread) in KINDS.items() for case in (SPREAD_CASES if spread else CASES)]
every_fit = pytest.mark.parametrize(("tool", "case"), EVERY)


def shortfall(tool, case):
    """How far glmmTMB's log likelihoods are below ours, (genes,)."""
    return fitted(case, *KINDS[tool]).log_likelihood - heights(case, results(case, tool), *KINDS[tool])


@every_fit
def test_no_log_likelihood_is_lower_than_glmmtmbs(tool, case):
    lower = shortfall(tool, case) < -1e-6
    assert not lower.any(), lower.nonzero()[0]


@every_fit
def test_coefficients_and_standard_errors_are_glmmtmbs(tool, case):
    theirs = results(case, tool)
    genes = interior(theirs, shortfall(tool, case))
    model, _ = KINDS[tool]
    parts = ("mean", "dispersion") if model == "nb" else ("mean", "zero", "dispersion")
    assert_same_numbers(fitted(case, *KINDS[tool]), theirs, genes, parts)
    assert (fitted(case, *KINDS[tool]).status[genes] == "converged").all()


@every_fit
def test_every_gene_has_a_status_that_its_numbers_bear_out(tool, case):
    assert_defined(fitted(case, *KINDS[tool]))
    assert_own_heights(case, *KINDS[tool])


def test_the_comparison_is_of_many_genes():
    for tool, least in {
        "glmmtmb": 90,
        "glmmtmb_nb": 150,
        "glmmtmb_dispersion": 30,
        "glmmtmb_nb_dispersion": 60,
    }.items():
        cases = [case for name, case in EVERY if name == tool]
        assert sum(interior(results(case, tool), shortfall(tool, case)).sum() for case in cases) > least


@pytest.mark.parametrize("case", CASES)
def test_no_negative_binomial_is_lower_than_that_of_mass(case):
    theirs = results(case, "mass")
    lower = fitted(case, "nb").log_likelihood < heights(case, theirs, "nb") - 1e-6
    assert not lower.any(), lower.nonzero()[0]


@pytest.mark.parametrize("case", CASES)
def test_no_log_likelihood_is_lower_than_vgams(case):
    """VGAM rounds: a gene without overdispersion may seem 1e-5 higher there."""
    lower = fitted(case).log_likelihood < results(case, "vgam")["loglik"] - 1e-5
    assert not lower.any(), lower.to_numpy().nonzero()[0]
