"""Results bear the names that the counts have: Series of samples and of genes, tables; arrays where there are none."""

import pickle

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scomics_lite import dispersion, filtering, glm, linear_models, normalization
from scomics_lite.design import design_matrix
from scomics_lite.validation import InputError, check_counts

SAMPLES, GENES = [f"s{i}" for i in range(6)], [f"g{i}" for i in range(20)]
COUNTS = np.random.default_rng(1).negative_binomial(5, 0.05, (6, 20)) + 1
FRAME = pd.DataFrame(COUNTS, SAMPLES, GENES)
OBS = pd.DataFrame({"condition": list("aaabbb")}, index=SAMPLES)
DESIGN = np.column_stack([np.ones(6), np.repeat([0, 1], 3)])
NAMED = {
    "frame": FRAME,
    "AnnData": anndata.AnnData(COUNTS, obs=OBS, var=pd.DataFrame(index=GENES)),
    "sparse AnnData": anndata.AnnData(sparse.csr_matrix(COUNTS), obs=OBS, var=pd.DataFrame(index=GENES)),
    "sparse frame": FRAME.astype(pd.SparseDtype(int, 0)),
    "Counts": check_counts(FRAME),
}
NAMELESS = {"array": COUNTS, "csr": sparse.csr_array(COUNTS), "list": COUNTS.tolist(), "Counts": check_counts(COUNTS)}
OF_SAMPLES = {
    **{
        f"size_factors {method}": lambda counts, method=method: normalization.size_factors(counts, method)
        for method in normalization.METHODS
    },
    **{
        f"norm_factors {method}": lambda counts, method=method: normalization.norm_factors(counts, method)
        for method in normalization.METHODS
    },
}
OF_GENES = {
    "filter_by_expression": lambda counts: filtering.filter_by_expression(counts, DESIGN),
    "moments": lambda counts: dispersion.moments(counts, DESIGN, np.ones(6)),
    "maximum_likelihood": lambda counts: dispersion.maximum_likelihood(counts, np.full((6, 20), 90.0), DESIGN),
}


@pytest.mark.parametrize("form", NAMED)
@pytest.mark.parametrize("function", [*OF_SAMPLES, *OF_GENES])
def test_one_number_each_is_a_series(function, form):
    call, names = (OF_SAMPLES[function], SAMPLES) if function in OF_SAMPLES else (OF_GENES[function], GENES)
    found, plain = call(NAMED[form]), call(COUNTS)
    assert isinstance(found, pd.Series)
    assert found.index.tolist() == names
    assert isinstance(plain, np.ndarray)
    np.testing.assert_allclose(found, plain, rtol=1e-12)
    assert found.dtype == plain.dtype


@pytest.mark.parametrize("form", NAMELESS)
@pytest.mark.parametrize("function", [*OF_SAMPLES, *OF_GENES])
def test_without_names_it_is_an_array(function, form):
    assert isinstance((OF_SAMPLES | OF_GENES)[function](NAMELESS[form]), np.ndarray)


@pytest.mark.parametrize("form", ["frame", "AnnData"])
def test_tables_of_all_counts_are_frames(form):
    for found in (normalization.normalize(NAMED[form], np.ones(6)), normalization.log_cpm(NAMED[form])):
        assert isinstance(found, pd.DataFrame)
        assert found.index.tolist() == SAMPLES
        assert found.columns.tolist() == GENES
    assert isinstance(normalization.normalize(COUNTS, np.ones(6)), np.ndarray)
    assert isinstance(normalization.log_cpm(COUNTS), np.ndarray)
    assert isinstance(normalization.normalize(pd.DataFrame(COUNTS), np.ones(6)), pd.DataFrame)


@pytest.mark.parametrize("form", NAMED)
def test_a_series_goes_where_an_array_went(form):
    s, array = normalization.size_factors(NAMED[form]), normalization.size_factors(COUNTS)
    np.testing.assert_array_equal(COUNTS / s[:, None], COUNTS / array[:, None])
    np.testing.assert_array_equal(COUNTS.T / s, COUNTS.T / array)
    np.testing.assert_array_equal(np.log(s)[:, None], np.log(array)[:, None])
    np.testing.assert_array_equal((1 / s)[None, :], 1 / array[None, :])
    np.testing.assert_array_equal(np.multiply.outer([1.0, 2.0], s), np.multiply.outer([1.0, 2.0], array))
    np.testing.assert_array_equal(s @ COUNTS, array @ COUNTS)
    np.testing.assert_array_equal(COUNTS.T @ s, COUNTS.T @ array)
    assert s[0] == s["s0"] == array[0]
    assert s[-1] == s[np.int64(5)] == array[5]
    assert s[2:4].index.tolist() == ["s2", "s3"]
    assert s[s > 1].tolist() == array[array > 1].tolist()
    assert isinstance(FRAME.assign(s=s)["s"], pd.Series)
    assert pickle.loads(pickle.dumps(s)).equals(s)
    kept = filtering.filter_by_expression(NAMED[form], DESIGN, min_count=100)
    assert 0 < kept.sum() < 20
    for counts in (COUNTS, sparse.csr_array(COUNTS), sparse.csc_matrix(COUNTS), NAMED["AnnData"]):
        assert counts[:, kept].shape == (6, kept.sum())
    assert FRAME.loc[:, kept].columns.equals(FRAME.columns[kept])


def test_whole_numbers_that_are_names_are_no_positions():
    s = normalization.size_factors(FRAME.set_axis([5, 4, 3, 2, 1, 0]))
    assert s[5] == normalization.size_factors(COUNTS)[0]


def test_sparse_counts_stay_sparse_without_names():
    found = normalization.normalize(NAMED["sparse AnnData"], np.full(6, 2.0))
    assert isinstance(found, sparse.csr_array)
    np.testing.assert_array_equal(found.toarray(), COUNTS / 2)
    assert normalization.log_cpm(NAMED["sparse AnnData"]).columns.tolist() == GENES  # dense: zeros have logarithms


def test_names_arm_the_checks_of_the_next_step():
    adata = NAMED["AnnData"]
    design = design_matrix(OBS, "~ condition")
    s = normalization.size_factors(adata)
    phi = dispersion.moments(adata, design, s)
    glm.fit(adata, design, s, phi.clip(0))
    adata.obs["size_factor"] = s
    assert adata.obs["size_factor"].equals(s.rename("size_factor"))
    reordered = adata[::-1]
    for call in (
        lambda: normalization.normalize(reordered, s),
        lambda: dispersion.moments(reordered, None, s),
        lambda: glm.fit(adata[:, ::-1], design, s, phi.clip(0)),
        lambda: linear_models.voom(reordered, design[::-1], s),
    ):
        with pytest.raises(InputError, match="are not those of the counts"):
            call()
    kept = filtering.filter_by_expression(adata, design, min_count=60)
    assert adata[:, kept].var_names.tolist() == FRAME.loc[:, kept].columns.tolist() == kept.index[kept].tolist()
    values = normalization.log_cpm(adata)
    assert linear_models.fit(values, design).genes.tolist() == GENES


def test_moments_understands_the_old_order_and_says_so():
    expected = dispersion.moments(FRAME, DESIGN, np.ones(6))
    with pytest.warns(UserWarning, match=r"in this order now: moments\(counts, design, size_factors\)"):
        pd.testing.assert_series_equal(dispersion.moments(FRAME, np.ones(6), DESIGN), expected)
    with pytest.warns(UserWarning, match="in this order now"):
        plain = dispersion.moments(FRAME, pd.Series(1.0, index=SAMPLES))
    pd.testing.assert_series_equal(plain, dispersion.moments(FRAME, size_factors=np.ones(6)))
    pd.testing.assert_series_equal(plain, dispersion.moments(FRAME, None, np.ones(6)))
    with pytest.raises(InputError, match=r"a size factor for each sample: moments\(counts, design, size_factors\)"):
        dispersion.moments(FRAME, DESIGN)
    with pytest.raises(InputError, match="moments needs a size factor"):
        dispersion.moments(FRAME)


@pytest.mark.parametrize("name", ["moments", "maximum_likelihood", "cox_reid_profile"])
def test_layers_are_read(name):
    adata = NAMED["AnnData"].copy()
    adata.layers["counts"], adata.X = adata.X, np.log1p(adata.X)
    arguments = {
        "moments": (DESIGN, np.ones(6)),
        "maximum_likelihood": (np.full((6, 20), 90.0), DESIGN),
        "cox_reid_profile": (np.full((6, 20), 90.0), DESIGN, 0.1),
    }[name]
    function = getattr(dispersion, name)
    np.testing.assert_array_equal(function(adata, *arguments, layer="counts"), function(COUNTS, *arguments))
    with pytest.raises(InputError, match="no layer 'count'; did you mean 'counts'"):
        function(adata, *arguments, layer="count")
    holey = FRAME.astype(float)
    holey.loc["s1", "g3"] = np.nan
    for table in (holey, holey.astype(pd.SparseDtype(float, 0))):
        with pytest.raises(InputError, match="counts must be finite and not negative; gene 'g3' has others"):
            function(table, *arguments)
