"""Every function that takes counts gives the same answer for every type of number and every container.

The counts of the last gene are such that their sum over the two compared groups is the first number beyond the type:
256 for 8 bits, 65,536 for 16, 2^32 for 32. What is compared are the numbers of every result, with those of int64.
"""

from functools import cache

import anndata
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scomics_lite import (
    differential,
    dispersion,
    filtering,
    glm,
    linear_models,
    negative_binomial,
    normalization,
    plots,
    simulate,
)
from scomics_lite.validation import check_counts

N, G = 12, 40
OBS = pd.DataFrame({"condition": list("AAAABBBBCCCC")}, index=[f"s{i}" for i in range(N)])
GENES = [f"gene{i}" for i in range(G)]
DESIGN = np.column_stack([np.ones(N), np.repeat([0, 1, 0], 4), np.repeat([0, 0, 1], 4)])
C_AGAINST_B = [0, -1, 1]
TYPES = ["bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"]
FORMS = {
    "array": np.asarray,
    "fortran": np.asfortranarray,
    "other byte order": lambda counts: counts.astype(counts.dtype.newbyteorder()),
    "csr": sparse.csr_array,
    "csr matrix": sparse.csr_matrix,
    "csc": sparse.csc_array,
    "coo": sparse.coo_array,
    "frame": lambda counts: pd.DataFrame(counts, OBS.index, GENES),
    "nullable frame": lambda counts: pd.DataFrame(counts, OBS.index, GENES).convert_dtypes(),
    "sparse frame": lambda counts: pd.DataFrame.sparse.from_spmatrix(sparse.csr_array(counts), OBS.index, GENES),
    "sparse frame of floats": lambda counts: pd.DataFrame(counts, OBS.index, GENES).astype(pd.SparseDtype(float)),
    "AnnData": lambda counts: anndata.AnnData(counts, obs=OBS.copy(), var=pd.DataFrame(index=GENES)),
    "sparse AnnData": lambda counts: FORMS["AnnData"](sparse.csr_matrix(counts)),
    "view of an AnnData": lambda counts: FORMS["AnnData"](counts)[:, GENES],
    "Counts": check_counts,
}


def drawn(plot, counts, *arguments, **settings):
    """All coordinates that a plot shows."""
    ax = plot(counts, *arguments, ax=plt.figure().add_subplot(), **settings)
    points = [np.ravel(collection.get_offsets()) for collection in ax.collections]
    lines = [np.ravel(line.get_xydata()) for line in ax.lines]
    plt.close(ax.figure)
    return np.concatenate([*points, *lines]).astype(float)


def wald(counts):
    return glm.wald_test(glm.fit(counts, DESIGN, np.ones(N), 0.1), C_AGAINST_B)


def ratio(counts):
    return glm.likelihood_ratio_test(*(glm.fit(counts, x, np.ones(N), 0.1) for x in (DESIGN, np.ones((N, 1)))))


def pipeline(method, **settings):
    return lambda counts: differential.test(
        counts, DESIGN, C_AGAINST_B, method=method, progress=False, **settings
    ).drop(columns="status")


FUNCTIONS = {
    "check_counts": lambda counts: check_counts(counts).matrix,
    "library_sizes": lambda counts: check_counts(counts).library_sizes,
    "gene_totals": lambda counts: check_counts(counts).gene_totals,
    **{
        f"size_factors {method}": lambda counts, method=method: normalization.size_factors(counts, method)
        for method in normalization.METHODS
    },
    **{
        f"norm_factors {method}": lambda counts, method=method: normalization.norm_factors(counts, method)
        for method in normalization.METHODS
    },
    "normalize": lambda counts: normalization.normalize(counts, np.linspace(0.5, 2, N)),
    "log_cpm": normalization.log_cpm,
    "m_and_a": lambda counts: normalization.m_and_a(counts, 8, 0),
    "filter_by_expression": lambda counts: filtering.filter_by_expression(counts, DESIGN),
    "moments": lambda counts: dispersion.moments(counts, DESIGN, np.ones(N)),
    "maximum_likelihood": lambda counts: dispersion.maximum_likelihood(counts, np.full((N, G), 20.0), DESIGN),
    "cox_reid_profile": lambda counts: dispersion.cox_reid_profile(counts, np.full((N, G), 20.0), DESIGN, 0.1),
    "estimate": lambda counts: dispersion.estimate(counts, DESIGN, np.ones(N), trend="mean").to_frame(),
    "edger_dispersions": lambda counts: dispersion.edger_dispersions(counts, DESIGN, np.ones(N)).tagwise,
    "average_log_cpm": lambda counts: dispersion.average_log_cpm(counts, np.full(N, 1e4), 0.1),
    "log_likelihood": lambda counts: negative_binomial.log_likelihood(counts, 20.0, 0.1),
    "deviance": lambda counts: negative_binomial.deviance(counts, 20.0, 0.1),
    "quantile_residuals": lambda counts: negative_binomial.quantile_residuals(counts, 20.0, 0.1, rng=1),
    "wald_test": wald,
    "likelihood_ratio_test": ratio,
    "voom": lambda counts: linear_models.voom(counts, DESIGN).weights,
    "test wald": pipeline("wald", trend="mean"),
    "test lrt": pipeline("lrt", trend="mean", reduced=["x0"]),
    "test ql": pipeline("ql"),
    "test voom": pipeline("voom"),
    "plots.ma": lambda counts: drawn(plots.ma, counts, 8, 0),
    "plots.mean_variance": lambda counts: drawn(plots.mean_variance, counts),
    "plots.rle": lambda counts: drawn(plots.rle, counts),
}
OF_ANNDATA = {
    "pseudobulk": lambda adata: differential.pseudobulk(adata, "condition").X,
    "plots.gene_counts": lambda adata: drawn(plots.gene_counts, adata, "gene39", "condition"),
}


@cache
def counts_for(dtype):
    """Counts of int64 that fit into a type, and whose sums do not."""
    rng = np.random.default_rng(3)
    counts = rng.negative_binomial(5, 5 / (5 + rng.gamma(1, 20, (N, G)) + 2)).clip(0, 120)
    counts[:, 0] += 1  # in every sample
    counts[:, -1] = np.repeat([20, 2, 62], 4)
    if dtype == "bool":
        return (counts > np.median(counts)).astype(np.int64) | (np.arange(G) == 0)
    counts[:, -1] *= {1: 1, 2: 256, 4: 2**24, 8: 2**24}[np.dtype(dtype).itemsize] if dtype != "float16" else 1
    return counts


def numbers(result):
    values = result.toarray() if sparse.issparse(result) else result
    return np.asarray(values, dtype=float)


@cache
def expected(function, dtype):
    """Give the answer for int64, or the error."""
    counts = counts_for(dtype)
    try:
        return numbers(FUNCTIONS[function](counts))
    except ValueError as error:
        return error


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_of_number(dtype, function):
    counts, wanted = counts_for(dtype), expected(function, dtype)
    for form in ("array", "csr"):
        if form == "csr" and dtype == "float16":
            continue  # scipy has no sparse float16
        small = FORMS[form](counts.astype(dtype))
        if isinstance(wanted, ValueError):  # zeros and ones alone do not tell dispersions, say: with the same words
            with pytest.raises(type(wanted)) as error:
                FUNCTIONS[function](small)
            assert str(error.value) == str(wanted)
        else:
            np.testing.assert_allclose(numbers(FUNCTIONS[function](small)), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("form", FORMS)
def test_every_container(form, function):
    found = FUNCTIONS[function](FORMS[form](counts_for("uint8").astype(np.uint8)))
    np.testing.assert_allclose(numbers(found), expected(function, "uint8"), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("function", OF_ANNDATA)
@pytest.mark.parametrize("dtype", [dtype for dtype in TYPES if dtype != "bool"])
def test_functions_of_an_anndata(dtype, function):
    wide, small = (OF_ANNDATA[function](FORMS["AnnData"](counts_for(dtype).astype(kind))) for kind in (np.int64, dtype))
    np.testing.assert_allclose(small, wide)


@pytest.mark.parametrize("dtype", [dtype for dtype in TYPES if dtype not in ("bool", "float16")])
def test_parameters_for_simulation(dtype):
    counts = np.tile(counts_for(dtype), (1, 2))
    wide, small = (vars(simulate.estimate_parameters(counts.astype(kind))) for kind in (np.int64, dtype))
    assert wide.pop("bin_zero_probability") is small.pop("bin_zero_probability") is None  # asked for by zeros=True
    for name, values in wide.items():
        np.testing.assert_allclose(small[name], values, rtol=1e-9, err_msg=name)


def test_large_counts_of_float32_keep_their_digits():
    counts = np.full((4, 40_000), 1001, dtype=np.float32)
    counts[:, 1] = 2
    counts[0] *= 3
    for form in (np.asarray, sparse.csr_array):
        checked = check_counts(form(counts))
        assert checked.library_sizes.tolist() == [120_117_003] + [40_039_001] * 3  # odd, above 2^24
        assert checked.gene_totals[:2].tolist() == [6006, 12]
    tall = check_counts(sparse.csr_array(np.full((40_000, 2), 1001, dtype=np.float32)))
    assert tall.gene_totals.tolist() == [40_040_000] * 2


def test_types_are_kept_so_that_counts_fill_no_more_memory():
    for dtype in TYPES[1:]:
        assert check_counts(counts_for(dtype).astype(dtype)).matrix.dtype == dtype
