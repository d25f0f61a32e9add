"""The filter for genes with counts enough: by hand, and what must not matter. Against edgeR: test_reference_edger_*."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scomics_lite import simulate
from scomics_lite.design import design_matrix
from scomics_lite.filtering import filter_by_expression
from scomics_lite.validation import CountsError, InputError

FILLER = 10_000  # a gene that makes the libraries of all samples the same size


def table(*genes):
    """Counts (n, g + 1) of some genes and one that fills every library up to the same size."""
    counts = np.column_stack(genes)
    return np.column_stack([counts, FILLER - counts.sum(axis=1)])


def groups(*sizes):
    return np.repeat(np.eye(len(sizes)), sizes, axis=0)


@pytest.mark.parametrize("sizes", [(3, 3), (2, 5), (4, 3, 3)])
def test_counts_are_wanted_in_as_many_samples_as_the_smallest_group_has(sizes):
    n, m = sum(sizes), min(sizes)
    enough, short = np.repeat([40, 0], [m, n - m]), np.repeat([40, 0], [m - 1, n - m + 1])
    kept = filter_by_expression(table(enough, short, enough[::-1]), groups(*sizes))
    assert kept.tolist() == [True, False, True, True]


def test_a_count_of_ten_in_a_library_of_the_median_size():
    low, high = np.full(4, 9), np.full(4, 10)
    assert filter_by_expression(table(low, high)).tolist() == [False, True, True]
    assert filter_by_expression(table(low, high), min_count=9).tolist() == [True, True, True]
    deep = table(low, high) * np.array([[1], [1], [1], [3]])
    assert filter_by_expression(deep).tolist() == [False, True, True]  # 3 times deeper: 30 wanted there, and reached


def test_ties_are_reached_whatever_the_library_size():
    """min_count N / median N is exact: what rounding makes of 10 / 3 million and back decides nothing."""
    rng = np.random.default_rng(1)
    for size in rng.integers(1_000, 50_000_000, 200):
        counts = np.array([[10, size - 10]] * 3)
        assert filter_by_expression(counts, min_total_count=1).all()


def test_a_total_is_wanted_too():
    counts = table([10, 0, 0, 0], [10, 4, 0, 0], [10, 5, 0, 0])
    assert filter_by_expression(counts, groups(1, 3)).tolist() == [False, False, True, True]
    assert filter_by_expression(counts, groups(1, 3), min_total_count=14).tolist() == [False, True, True, True]


def test_of_a_large_group_ten_and_seven_tenths_of_the_rest():
    n = 30  # one group: 10 + 0.7 * 20 = 24
    genes = [np.repeat([20, 0], [m, n - m]) for m in (23, 24, 25)]
    assert filter_by_expression(table(*genes)).tolist() == [False, True, True, True]


def test_the_design_counts_by_its_largest_leverage():
    dose = np.array([0.0, 1, 2, 3, 4, 20])
    x = np.column_stack([np.ones(6), dose])
    hat = np.diag(x @ np.linalg.inv(x.T @ x) @ x.T)
    assert 1 / hat.max() < 1.1  # the last sample stands alone: counts in two samples are enough, in one not
    counts = table([20, 0, 0, 0, 0, 0], [20, 20, 0, 0, 0, 0])
    assert filter_by_expression(counts, x).tolist() == [False, True, True]
    without_intercept = filter_by_expression(counts, dose[:, None])  # as in edgeR, an intercept is added
    assert without_intercept.tolist() == [False, True, True]


def test_every_form_of_the_design_and_of_the_counts():
    adata = simulate.bulk_counts(["A"] * 3 + ["B"] * 4, 600, library_sizes=3e4, rng=2)
    design = design_matrix(adata.obs, "~ condition")
    kept = filter_by_expression(adata, design)
    assert 100 < kept.sum() < 500
    np.testing.assert_array_equal(filter_by_expression(adata, design_matrix(adata.obs, "~ 0 + condition")), kept)
    np.testing.assert_array_equal(filter_by_expression(sparse.csr_array(adata.X), design.to_numpy()), kept)
    layered = anndata.AnnData(np.log1p(adata.X), obs=adata.obs, layers={"counts": adata.X})
    np.testing.assert_array_equal(filter_by_expression(layered, design, layer="counts"), kept)
    order = np.random.default_rng(1).permutation(7)
    np.testing.assert_array_equal(filter_by_expression(adata.X[order], design.to_numpy()[order]), kept)


def test_which_sample_is_in_which_group_does_not_matter():
    """A filter that looked at the answer would make the tests behind it too bold."""
    adata = simulate.bulk_counts(["A"] * 4 + ["B"] * 4, 600, library_sizes=3e4, rng=2)
    kept = filter_by_expression(adata.X, groups(4, 4))
    for seed in range(5):
        shuffled = groups(4, 4)[np.random.default_rng(seed).permutation(8)]
        np.testing.assert_array_equal(filter_by_expression(adata.X, shuffled), kept)


def test_refuses():
    counts = table([20, 20], [3, 0])
    with pytest.raises(InputError, match="min_count is a number of counts above 0; got 0"):
        filter_by_expression(counts, min_count=0)
    with pytest.raises(InputError, match="min_total_count is a number of counts above 0; got 'many'"):
        filter_by_expression(counts, min_total_count="many")
    with pytest.raises(InputError, match="a design for 2 samples has as many rows; got 3"):
        filter_by_expression(counts, np.ones((3, 1)))
    with pytest.raises(CountsError, match="log"):
        filter_by_expression(np.log1p(counts))
    named = pd.DataFrame(counts, index=["s1", "s2"])
    with pytest.raises(InputError, match="names of the design"):
        filter_by_expression(named, pd.DataFrame({"Intercept": 1.0}, index=["s2", "s1"]))
