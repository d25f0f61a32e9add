"""Zero-inflated regressions of real single cells against pscl: 50 genes of 40 mouse cells, read counts.

pscl 1.5.5, ``zeroinfl(y ~ cond + offset(loglib) | cond, dist = "negbin", reltol = 1e-14)``; the table stays outside the
repository. Its standard negative binomials, by MASS, often stop far from the maximum (theta of 1e9 and more).
"""

from functools import cache

import numpy as np
import pandas as pd
from fixtures import published
from fixtures.inflated import assert_defined
from fixtures.published import needs_tables

from scomics_lite import negative_binomial, zero_inflation
from scomics_lite.design import design_matrix

pytestmark = needs_tables
COLUMNS = ["count.(Intercept)", "count.condMEF", "zero.(Intercept)", "zero.condMEF"]


@cache
def theirs():
    return published.table("islam_esmef", "pscl_zeroinfl")


@cache
def cells():
    """Counts of the genes, the design and the library sizes, cells in pscl's order."""
    known = published.table("islam_esmef", "sc_cells")
    counts = published.datasets.load("islam_esmef", progress=False).to_df().loc[known.index, theirs().index]
    return counts, design_matrix(known, "~ cond"), known["lib"].to_numpy()


@cache
def fitted(model="zinb"):
    counts, design, lib = cells()
    zero = None if model == "nb" else design
    return zero_inflation.fit(counts, design, zero_design=zero, size_factors=lib, model=model, progress=False)


def coefficients(prefix="zinb_"):
    """pscl's coefficients or standard errors of ln mu and logit pi, and those of ln phi, (genes, 5)."""
    last = np.log(theirs()["zinb_theta"]) * -1 if prefix == "zinb_" else theirs()["zinb_SE.logtheta"]
    return np.column_stack([theirs()[[prefix + column for column in COLUMNS]], last])


def kinds():
    """What pscl's fits are: "interior", "at a boundary" by its own numbers, or "lower" than ours by 1e-6."""
    numbers, errors = coefficients(), coefficients("zinb_se_")
    within = np.isfinite(errors).all(axis=1) & (np.abs(numbers[:, 2:4]) < 8).all(axis=1)
    within &= (theirs()["zinb_conv"] == 1).to_numpy() & (np.abs(numbers[:, 4]) < np.log(100))
    lower = theirs()["zinb_loglik"].to_numpy() < fitted().log_likelihood - 1e-6
    return np.select([within & ~lower, ~within], ["interior", "at a boundary"], "lower")


def test_no_log_likelihood_is_lower_than_pscls():
    assert (fitted().log_likelihood >= theirs()["zinb_loglik"] - 1e-6).all()


def test_no_negative_binomial_is_lower_than_that_of_mass():
    counts, design, lib = cells()
    given = theirs().dropna(subset="nb_theta")
    mean = lib[:, None] * np.exp(design.to_numpy() @ given[["nb_(Intercept)", "nb_condMEF"]].to_numpy().T)
    height = negative_binomial.log_likelihood(counts[given.index], mean, 1 / given["nb_theta"].to_numpy()).sum(axis=0)
    ours = pd.Series(fitted("nb").log_likelihood, counts.columns)[given.index]
    assert len(given) > 35
    assert (ours >= height - 1e-6).all()


def test_coefficients_and_standard_errors_are_pscls():
    genes = kinds() == "interior"
    assert genes.sum() == 31
    expected = coefficients()[genes]
    distance = np.abs(fitted().estimates.to_numpy()[genes] - expected)
    assert (distance < 1e-3 * np.maximum(1, np.abs(expected))).all()
    errors = fitted().standard_errors.to_numpy()[genes]
    np.testing.assert_allclose(errors, coefficients("zinb_se_")[genes], rtol=0.01)
    assert (fitted().status[genes] == "converged").all()


def test_every_gene_of_the_table_is_accounted_for():
    """In 31 of 50 genes pscl has a maximum at finite coefficients; of the 19 others we say that there is none."""
    assert_defined(fitted())
    boundary = kinds() == "at a boundary"
    assert boundary.sum() == 19
    assert np.isin(fitted().status[boundary], ["separated", "inflation in some cells"]).all()
