"""Zero-inflated and hurdle regressions against pscl, on simulated cells that the repository holds itself.

tests/reference/zinb.R says how the tables were made: 36 experiments of 20 to 300 cells with means of 0.2 to 10,000,
phi of 0.05 to 5 and 0 to 90% structural zeros in nine designs, and 48 genes at the edges. pscl fits 238 of the 264
genes. Where its fit is a maximum within bounds (`interior` says by which numbers), coefficients agree within 1e-3 and
standard errors within 1%; everywhere, no log likelihood of ours is lower by more than 1e-6.
"""

import hashlib

import numpy as np
import pytest
from fixtures.inflated import (
    CASES,
    FOLDER,
    PROVENANCE,
    assert_defined,
    assert_own_heights,
    assert_same_numbers,
    best,
    experiment,
    fitted,
    heights,
    interior,
    numbers,
    results,
)
from fixtures.makers import maker

every_case = pytest.mark.parametrize("case", CASES)
STARTS = ("pscl", "pscl_led")  # its own start, and where glmmTMB ended


def test_the_tables_are_the_ones_that_were_made():
    for name, sha256 in PROVENANCE["sha256"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == sha256


def test_the_counts_are_the_ones_that_went_in():
    made = maker("make_zinb_tables").cases()
    assert list(made) == CASES
    for case, (obs, _, counts) in made.items():
        assert (experiment(case)[0] == counts).all(axis=None)
        np.testing.assert_array_equal(experiment(case)[4], obs["s"])


@every_case
@pytest.mark.parametrize("model", ["zinb", "hurdle"])
def test_its_log_likelihoods_are_those_of_its_coefficients(case, model):
    """So that comparing them is fair; where phi is close to zero, pscl's lose digits to rounding."""
    for tool in STARTS if model == "zinb" else ["hurdle"]:
        theirs = results(case, tool)
        plain = numbers(theirs, "dispersion")[:, 0] > -10
        given = theirs["loglik"].to_numpy()[plain]
        np.testing.assert_allclose(heights(case, theirs, model)[plain], given, rtol=1e-9, atol=1e-6)


@every_case
def test_no_log_likelihood_is_lower_than_pscls(case):
    ours = fitted(case).log_likelihood
    for tool in STARTS:
        lower = ours < heights(case, results(case, tool), "zinb") - 1e-6
        assert not lower.any(), (tool, lower.nonzero()[0])


@every_case
def test_no_log_likelihood_of_a_hurdle_is_lower_than_pscls(case):
    lower = fitted(case, "hurdle").log_likelihood < heights(case, results(case, "hurdle"), "hurdle") - 1e-6
    assert not lower.any(), lower.nonzero()[0]


def pscl_interior(case):
    theirs = results(case, *STARTS)
    highest = np.fmax(best(case), fitted(case).log_likelihood)
    return theirs, interior(theirs, highest - heights(case, theirs, "zinb"))


def hurdle_interior(case):
    theirs = results(case, "hurdle")
    return theirs, interior(theirs, fitted(case, "hurdle").log_likelihood - heights(case, theirs, "hurdle"))


@every_case
def test_coefficients_and_standard_errors_are_pscls(case):
    theirs, genes = pscl_interior(case)
    assert_same_numbers(fitted(case), theirs, genes)
    assert (fitted(case).status[genes] == "converged").all()


@every_case
def test_coefficients_and_standard_errors_of_a_hurdle_are_pscls(case):
    theirs, genes = hurdle_interior(case)
    assert_same_numbers(fitted(case, "hurdle"), theirs, genes)
    assert (fitted(case, "hurdle").status[genes] == "converged").all()


def test_the_comparison_is_of_many_genes():
    assert sum(pscl_interior(case)[1].sum() for case in CASES) > 90
    assert sum(hurdle_interior(case)[1].sum() for case in CASES) > 90


@every_case
@pytest.mark.parametrize("model", ["zinb", "hurdle"])
def test_every_gene_has_a_status_that_its_numbers_bear_out(case, model):
    assert_defined(fitted(case, model))
    assert_own_heights(case, model)
