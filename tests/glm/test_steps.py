"""A regression takes what the step before gives: estimated dispersions as they are, of the same genes."""

import numpy as np
import pandas as pd
import pytest

from scomics_lite import dispersion, glm, normalization, simulate
from scomics_lite.design import design_matrix
from scomics_lite.validation import InputError


@pytest.fixture(scope="module")
def steps():
    adata = simulate.bulk_counts(["A"] * 4 + ["B"] * 4, 300, library_sizes=3e5, rng=8)
    return adata, design_matrix(adata.obs, "~ condition"), normalization.size_factors(adata)


@pytest.mark.parametrize("estimate", [dispersion.estimate, dispersion.edger_dispersions])
def test_estimated_dispersions_are_taken_as_they_are(steps, estimate):
    found = estimate(*steps)
    numbers = found.final if estimate is dispersion.estimate else found.tagwise
    ours, by_number = glm.fit(*steps, found), glm.fit(*steps, numbers)
    np.testing.assert_array_equal(ours.coefficients, by_number.coefficients)
    np.testing.assert_array_equal(ours.dispersions, numbers)


def test_names_are_only_asked_for_where_both_have_them(steps):
    adata, design, size_factors = steps
    found = dispersion.estimate(np.asarray(adata.X), design.to_numpy(), np.asarray(size_factors))
    np.testing.assert_array_equal(glm.fit(*steps, found).dispersions, found.final)
    named = dispersion.estimate(*steps)
    fit = glm.fit(np.asarray(adata.X), design.to_numpy(), np.asarray(size_factors), named)
    np.testing.assert_array_equal(fit.dispersions, named.final)


def test_dispersions_of_other_genes_are_refused(steps):
    adata, design, size_factors = steps
    found = dispersion.estimate(*steps)
    with pytest.raises(InputError, match="the names of the dispersions are not those of the counts"):
        glm.fit(adata[:, ::-1], design, size_factors, found)
    with pytest.raises(InputError, match="the names of the dispersions are not those of the counts"):
        glm.fit(adata[:, :50], design, size_factors, found)
    glm.fit(adata[:, ::-1], design, size_factors, pd.Series(found.final, found.genes).loc[adata.var_names[::-1]])


def test_fits_and_their_parts_can_be_compared_and_hashed(steps):
    """They hold arrays: == by content would be no answer, and there would be no hash."""
    found = dispersion.estimate(*steps)
    fit, other = glm.fit(*steps, found), glm.fit(*steps, found)
    for one, two in ((fit, other), (next(fit.blocks()), next(other.blocks())), (found, dispersion.estimate(*steps))):
        assert one == one
        assert one != two
        assert len({one, two}) == 2
