"""One judgement of rank, the same in every unit, for every function that needs one."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import qr

from scomics_lite import dispersion, filtering, glm, linear_models, quasi_likelihood, simulate
from scomics_lite.design import column_rank, diagnose, independent_columns, match_design
from scomics_lite.validation import InputError

many = settings(max_examples=100, deadline=None, derandomize=True, database=None)
UNITS = [1e-200, 1e-30, 1e-11, 1e-8, 1.0, 1e8, 1e18, 1e200]


@many
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(0, 3), st.sampled_from(UNITS))
def test_the_leftmost_columns_that_span_all_in_any_unit(seed, p, extra, unit):
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, (8, p)).astype(float)
    x = np.column_stack([x, x @ rng.integers(-2, 3, (p, extra))])[:, rng.permutation(p + extra)]
    kept = independent_columns(x)
    # by exact ranks of small whole numbers
    ranks = [np.linalg.matrix_rank(x[:, :j]) if j else 0 for j in range(x.shape[1] + 1)]
    assert kept.tolist() == np.flatnonzero(np.diff(ranks)).tolist()
    units = unit ** rng.uniform(0, 1, x.shape[1])
    assert independent_columns(x * units).tolist() == kept.tolist()


def test_pivoted_qr_and_numpy_see_the_same_rank():
    rng = np.random.default_rng(1)
    for _ in range(200):
        x = rng.normal(size=(10, 6)) @ np.diag(rng.integers(0, 2, 6)) @ rng.normal(size=(6, 6))
        diagonal = np.abs(np.diag(qr(x, mode="r", pivoting=True)[0]))
        assert column_rank(x) == np.linalg.matrix_rank(x) == (diagonal > 1e-7 * max(diagonal.max(), 1e-300)).sum()


def test_more_columns_than_rows_and_nothing_at_all():
    assert independent_columns(np.zeros((3, 2))).tolist() == []
    assert independent_columns(np.ones((2, 4))).tolist() == [0]
    assert independent_columns(np.eye(2, 3)).tolist() == [0, 1]
    assert column_rank(np.zeros((0, 2))) == 0


@pytest.fixture(scope="module")
def doses():
    adata = simulate.bulk_counts(["A"] * 6 + ["B"] * 6, 120, library_sizes=1e5, rng=1)
    dose = np.random.default_rng(2).uniform(1, 3, 12)
    matrix = pd.DataFrame({"Intercept": 1.0, "dose": dose - dose.mean(), "B": [0.0] * 6 + [1.0] * 6})
    return adata, matrix.set_axis(adata.obs_names)


@pytest.mark.parametrize("unit", [1e-12, 1e-8, 1e-4, 1e4])
def test_no_test_depends_on_the_unit_of_a_covariate(doses, unit):
    adata, matrix = doses
    scaled = matrix.assign(dose=matrix["dose"] * unit)
    s = adata.obs["size_factor"]
    assert diagnose(scaled).rank == 3
    kept = [filtering.filter_by_expression(adata, design) for design in (matrix, scaled)]
    assert np.array_equal(*kept)
    tables = []
    for design in (matrix, scaled):
        fit = quasi_likelihood.fit(adata, design, s, dispersion.edger_dispersions(adata, design, s))
        assert (fit.df_residual[adata.X.min(axis=0) > 0] == 9).all()
        tables.append(quasi_likelihood.test(fit, "B"))
    pd.testing.assert_frame_equal(*tables, rtol=1e-6, atol=1e-6)  # where the iterations stop
    values = np.log2(adata.X + 0.5)
    values[0, :5] = np.nan  # some genes lack a value, and are judged by themselves
    fits = [linear_models.fit(values, design.to_numpy()) for design in (matrix, scaled)]
    pd.testing.assert_frame_equal(*(linear_models.moderated_t_test(fit, [0, 0, 1]) for fit in fits), rtol=1e-8)
    full, reduced = (glm.fit(adata, d, s, 0.1, ridge=0.0, min_mean=0.0) for d in (scaled, scaled[["Intercept", "B"]]))
    assert glm.likelihood_ratio_test(full, reduced)["df"].eq(1).all()
    assert glm.heavy_tailed.one_coefficient(scaled, "dose")[0] == 1


def test_dates_in_nanoseconds_are_judged_alike_by_all():
    days = pd.to_datetime(["2024-01-01", "2024-03-01", "2024-06-01", "2024-02-01"]).astype(np.int64)
    table = pd.DataFrame({"Intercept": 1.0, "date": days})
    assert diagnose(table).rank == 2
    assert match_design(table, table.index).shape == (4, 2)
    seconds = pd.DataFrame({"Intercept": 1.0, "date": days[0] + np.array([0, 5, 9, 2])})  # too near for doubles
    assert diagnose(seconds).rank == 1
    with pytest.raises(InputError, match="rank 1"):
        match_design(seconds, seconds.index)
