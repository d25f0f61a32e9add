"""What comes out of `check_counts`, and every reason for which it refuses a table."""

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scomics_lite.validation import Counts, CountsError, InputError, check_counts, did_you_mean

COUNTS = np.array([[5, 0, 2], [3, 4, 0]])
FORMS = {
    "array": np.asarray,
    "fortran": np.asfortranarray,
    "csr": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "coo": sparse.coo_array,
    "frame": pd.DataFrame,
    "anndata": lambda values: anndata.AnnData(np.asarray(values)),
}
in_any_form = pytest.mark.parametrize("form", FORMS)


def refusal(counts, **options):
    """Give the message with which a table is refused."""
    with pytest.raises(CountsError) as error:
        check_counts(counts, **options)
    assert isinstance(error.value, InputError)
    assert isinstance(error.value, ValueError)
    return str(error.value)


def named(values, **options):
    return pd.DataFrame(values, index=["s1", "s2"], columns=["g1", "g2", "g3"], **options)


# --- what is accepted -------------------------------------------------------------------------------------------------


@in_any_form
@pytest.mark.parametrize("dtype", [int, float, np.float32, np.uint8])
def test_counts_come_out_as_they_went_in(form, dtype):
    checked = check_counts(FORMS[form](COUNTS.astype(dtype)))
    assert isinstance(checked, Counts)
    matrix = checked.matrix.toarray() if sparse.issparse(checked.matrix) else checked.matrix
    assert (matrix == COUNTS).all()
    assert checked.library_sizes.tolist() == [7, 7]
    assert checked.positive_samples().tolist() == [2, 1, 1]
    assert [genes.tolist() for genes, _ in checked.rows()] == [[0, 2], [0, 1]]
    assert [values.tolist() for _, values in checked.rows()] == [[5, 2], [3, 4]]
    assert all(values.dtype == float for _, values in checked.rows())


def test_names_are_kept():
    for counts in (named(COUNTS), anndata.AnnData(named(COUNTS.astype(float)))):
        checked = check_counts(counts)
        assert checked.samples.tolist() == ["s1", "s2"]
        assert checked.genes.tolist() == ["g1", "g2", "g3"]
    assert check_counts(COUNTS).genes.tolist() == [0, 1, 2]


def test_dense_input_is_not_copied_and_sparse_stays_sparse():
    assert check_counts(COUNTS).matrix is COUNTS
    csr = sparse.csr_array(COUNTS)
    assert np.shares_memory(check_counts(csr).matrix.data, csr.data)
    assert isinstance(check_counts(pd.DataFrame.sparse.from_spmatrix(csr)).matrix, sparse.csr_array)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_large_float32_counts_are_added_exactly(form):
    counts = np.full((2, 40_000), 1001, dtype=np.float32)
    counts[:, 1] = 2
    assert check_counts(form(counts)).library_sizes.tolist() == [40_039_001] * 2  # odd, above 2**24


def test_parts_of_one_count_add_up_beyond_their_own_type():
    parts = sparse.coo_matrix((np.full(4, 200, dtype=np.uint8), ([0, 0, 1, 1], [0, 0, 0, 1])), shape=(2, 2))
    assert check_counts(parts).matrix.toarray().tolist() == [[400, 0], [200, 200]]
    doubled = sparse.csr_matrix((np.full(3, 200, dtype=np.uint8), [0, 0, 1], [0, 2, 3]), shape=(2, 2))
    assert check_counts(doubled).matrix.toarray().tolist() == [[400, 0], [0, 200]]
    assert doubled.nnz == 3  # the caller's matrix was not tidied up


def test_stored_zeros_are_no_counts():
    stored = sparse.csr_array((np.array([5, 0, 4]), np.array([0, 1, 1]), np.array([0, 2, 3])), shape=(2, 2))
    assert check_counts(stored).positive_samples().tolist() == [1, 1]
    assert stored.nnz == 3


def test_frames_of_special_types():
    mixed = pd.DataFrame({"a": pd.arrays.SparseArray([1, 0]), "b": pd.array([1, 2], dtype="Int64"), "c": [3.0, 4.0]})
    assert check_counts(mixed).matrix.tolist() == [[1, 1, 3], [0, 2, 4]]


def test_frames_in_which_zeros_or_missing_values_are_not_stored():
    sparse_zeros = pd.DataFrame(COUNTS).astype(pd.SparseDtype(int, 0))
    assert isinstance(check_counts(sparse_zeros).matrix, sparse.csr_array)
    gaps = pd.DataFrame(COUNTS.astype(float)).astype(pd.SparseDtype(float))  # fills with NaN; zeros are stored
    assert check_counts(gaps).matrix.tolist() == COUNTS.tolist()
    ones = pd.DataFrame(COUNTS).astype(pd.SparseDtype(int, 1))
    assert check_counts(ones).matrix.tolist() == COUNTS.tolist()
    holey = pd.DataFrame(np.where(COUNTS > 0, COUNTS, np.nan)).astype(pd.SparseDtype(float))
    assert "counts must not be missing: 2 of 6 values are NaN, the first nan (sample 0, gene 1)" in refusal(holey)


def test_frames_of_several_types():
    mixed = pd.DataFrame({"a": [True, False], "b": [7, 0], "c": np.array([1, 2], np.uint64), "d": [0.0, 3.0]})
    assert check_counts(mixed).matrix.tolist() == [[1, 7, 1, 0], [0, 0, 2, 3]]


def test_a_layer_is_read():
    adata = anndata.AnnData(np.log1p(COUNTS), layers={"counts": COUNTS})
    assert (check_counts(adata, layer="counts").matrix == COUNTS).all()


def test_samples_are_found_by_name_first():
    checked = check_counts(pd.DataFrame(COUNTS, index=[1, 0]))
    assert (checked.row_of(1), checked.row_of(0)) == (0, 1)
    assert check_counts(named(COUNTS)).row_of("s2") == check_counts(named(COUNTS)).row_of(1) == 1
    with pytest.raises(InputError, match=r"there is no sample 's3'; did you mean 's2'\? Known: s1, s2"):
        check_counts(named(COUNTS)).row_of("s3")


# --- values -----------------------------------------------------------------------------------------------------------


@in_any_form
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-3.0, "counts must not be negative: 1 of 6 values is negative, the first -3 {}. Use the raw counts, before"),
        (np.nan, "counts must not be missing: 1 of 6 values is NaN, the first nan {}. Drop those genes or samples"),
        (np.inf, "counts must be finite: 1 of 6 values is infinite, the first inf {}. A logarithm of zero gives -inf"),
        (-np.inf, "counts must be finite: 1 of 6 values is infinite, the first -inf {}. A logarithm of zero"),
        (2.5, "counts must be whole numbers: 1 of 6 values is not, the first 2.5 {}. Expected counts of RSEM, salmon"),
    ],
)
def test_a_bad_value_is_counted_and_located(form, value, message):
    values = COUNTS.astype(float)
    values[1, 1] = value
    place = "(sample '1', gene '1')" if form == "anndata" else "(sample 1, gene 1)"
    assert refusal(FORMS[form](values)).startswith(message.format(place))
    assert np.array_equal(values[1, 1], value, equal_nan=True)


@in_any_form
def test_many_bad_values_are_counted_and_the_first_is_named(form):
    values = np.tile(COUNTS.astype(float), (4, 50))
    values[2, 30:33] = -1
    values[5, 0] = -1
    place = "(sample '2', gene '30')" if form == "anndata" else "(sample 2, gene 30)"
    assert refusal(FORMS[form](values)).startswith(
        f"counts must not be negative: 4 of 1,200 values are negative, the first -1 {place}."
    )


def test_names_stand_in_the_message():
    assert "(sample 's2', gene 'g2')" in refusal(named([[1, 2, 3], [4, -5, 6]]))
    assert "(sample 's2', gene 'g1')" in refusal(named([[1, 2, 3], [None, 5, 6]]))
    assert "(sample 's2', gene 'g3')" in refusal(named([[1, 2, 3], [4, 5, None]], dtype="Int64"))


def test_bad_values_are_found_wherever_they_stand(monkeypatch):
    monkeypatch.setattr("scomics_lite.validation.counts.BLOCK", 4)
    for i in range(6):
        values = COUNTS.astype(float)
        values.flat[i] = -1
        assert f"(sample {i // 3}, gene {i % 3})" in refusal(values)


LOGS = {
    "log1p": np.log1p,
    "log2(x + 1)": lambda counts: np.log2(counts + 1),
    "log10(x + 1)": lambda counts: np.log10(counts + 1),
}


@pytest.mark.parametrize("mean", [0.3, 20, 3000])  # at 0.3, most logarithms to base 2 are whole numbers
@pytest.mark.parametrize("dtype", [float, np.float32])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("name", LOGS)
def test_logarithms_of_counts_are_recognised(name, form, dtype, mean):
    counts = np.random.default_rng(0).poisson(mean, (20, 50))
    message = refusal(form(LOGS[name](counts).astype(dtype)))
    assert message.startswith(f"the values look log-transformed: they are {name} of whole numbers. ")
    assert message.endswith("go back to the raw counts")


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(("name", "total"), [("log1p", 10_000), ("log2(x + 1)", 1_000_000)])
def test_logarithms_of_scaled_counts_are_recognised_with_their_total(form, name, total):
    counts = np.random.default_rng(0).poisson(5, (20, 500))
    message = refusal(form(LOGS[name](counts / counts.sum(axis=1, keepdims=True) * total)))
    assert message.startswith("the values look log-transformed or scaled (100% fractions, all between ")
    assert f"; they are {name} of counts scaled to a total of {total:,}. Library sizes and sampling noise" in message


def test_z_scores_and_cpm_are_recognised():
    counts = np.random.default_rng(0).poisson(50, (20, 500)) + 1.0
    scores = (np.log1p(counts) - np.log1p(counts).mean(axis=0)) / np.log1p(counts).std(axis=0)
    assert refusal(scores).startswith("the values look log-transformed or scaled (100% fractions, all between -")
    cpm = counts / counts.sum(axis=1, keepdims=True) * 1e6
    scaled = "scaled to one total (every sample sums to 1,000,000), as CPM or TPM are. Library sizes and sampling noise"
    assert scaled in refusal(cpm)
    assert scaled in refusal(sparse.csr_array(cpm))


def test_normalized_counts_are_no_counts():
    counts = np.random.default_rng(0).poisson(50, (5, 100)) / np.array([[0.7], [0.9], [1.1], [1.3], [1.7]])
    message = refusal(counts)
    assert message.startswith("counts must be whole numbers: ")
    assert message.endswith("normalized values may not, they lost the library sizes: go back to the raw counts")


def test_other_layers_are_pointed_at():
    adata = anndata.AnnData(np.log1p(COUNTS), layers={"counts": COUNTS, "logs": np.log1p(COUNTS)})
    assert refusal(adata).endswith("; layers of this AnnData: counts, logs")
    assert refusal(adata, layer="logs").endswith("; layers of this AnnData: counts")


# --- shape, names, totals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([1, 2, 3], r"counts must be a table of samples x genes, got an array of shape (3,)"),
        (np.ones((2, 3, 4)), r"counts must be a table of samples x genes, got an array of shape (2, 3, 4)"),
        (None, "got NoneType"),
        ("counts.csv", "got str"),
        (np.ones((0, 5)), "counts are empty: 0 samples x 5 genes"),
        (pd.DataFrame(), "counts are empty: 0 samples x 0 genes"),
        (sparse.csr_array((2, 0)), "counts are empty: 2 samples x 0 genes"),
        ([["a", "b"]], "counts must be numbers, got <U1 values; convert them: counts.astype(float)"),
        (np.array([[1, 2]], dtype=object), "counts must be numbers, got object values"),
        (np.ones((2, 2)) * 1j, "counts must be numbers, got complex128 values"),
        (np.ma.masked_less([[1, 2], [3, 4]], 2), "a masked array hides values that the statistics would use"),
        ([[1, 2]], "got 1 sample, at least 2 are needed: a size factor compares samples. Rows are samples"),
    ],
)
def test_what_is_no_table_of_counts(counts, message):
    assert message in refusal(counts)


def test_one_sample_is_enough_where_the_caller_says_so():
    assert check_counts([[1, 2]], min_samples=1).library_sizes.tolist() == [3]
    assert "at least 3 are needed" in refusal(COUNTS[:1], min_samples=3)


def test_repeated_names():
    sample = refusal(pd.DataFrame(COUNTS, index=["s", "s"]))
    assert sample.startswith("sample names must be unique: 's' stands 2 times (1 name repeated). adata.obs_names_make")
    gene = refusal(pd.DataFrame(np.tile(COUNTS, 2), columns=["a", "b", "a", "c", "b", "a"]))
    assert gene.startswith("gene names must be unique: 'a' stands 3 times (2 names repeated). adata.var_names_make_uni")
    summed = pd.DataFrame(np.tile(COUNTS, 2), columns=["a", "b", "a", "c", "b", "a"]).T.groupby(level=0).sum().T
    assert check_counts(summed).library_sizes.tolist() == [14, 14]  # the way out that the message names


@pytest.mark.parametrize("form", ["array", "csr"])
def test_samples_without_a_count(form):
    counts = np.tile(COUNTS, (6, 5))
    counts[3] = 0
    assert refusal(FORMS[form](counts)) == (
        "1 sample has no count at all: 3. Nothing can be estimated from an empty sample: drop it"
    )
    counts[2:9] = 0
    assert refusal(FORMS[form](counts)).startswith("7 samples have no count at all: 2, 3, 4, 5, 6 …. Nothing")
    assert refusal(named([[0, 0, 0], [1, 2, 3]])).startswith("1 sample has no count at all: 's1'. ")


def test_a_table_on_its_side_is_suspected():
    genes_in_rows = np.zeros((50, 4), dtype=int)
    genes_in_rows[:20] = 3
    assert refusal(genes_in_rows).endswith(
        "If the 50 rows are genes and the 4 columns samples, transpose: counts.T. Otherwise drop it"
    )
    assert "counts.T" not in refusal(genes_in_rows.T * 0)


# --- containers -------------------------------------------------------------------------------------------------------


def test_text_columns_are_named():
    frame = named(COUNTS).assign(symbol=["x", "y"], chromosome=["1", "2"])
    message = refusal(frame)
    assert message.startswith("2 of 5 columns hold no numbers, the first is 'symbol'. Make names the index (df.set_")


def test_layers_that_are_not_there():
    adata = anndata.AnnData(COUNTS, layers={"counts": COUNTS})
    assert refusal(adata, layer="count") == "the AnnData has no layer 'count'; did you mean 'counts'? Known: counts"
    without_x = anndata.AnnData(layers={"counts": COUNTS})
    assert refusal(without_x) == "the AnnData has no X; name a layer with layer=…: counts"
    assert refusal(anndata.AnnData(shape=(2, 3))).endswith("none there")
    assert refusal(COUNTS, layer="counts") == "layer='counts' was given, but only an AnnData has layers; got ndarray"
    assert refusal(named(COUNTS), layer="counts").endswith("only an AnnData has layers; got DataFrame")


def test_an_anndata_on_disk_is_refused(tmp_path):
    anndata.AnnData(COUNTS.astype(float)).write_h5ad(tmp_path / "counts.h5ad")
    backed = anndata.read_h5ad(tmp_path / "counts.h5ad", backed="r")
    try:
        assert refusal(backed) == "the AnnData is on disk (backed); read it with adata.to_memory() first"
    finally:
        backed.file.close()


def test_a_mudata_holds_several_tables():
    with mudata.set_options(pull_on_update=False):
        mdata = mudata.MuData({"rna": anndata.AnnData(named(COUNTS)), "atac": anndata.AnnData(named(COUNTS))}, axis=-1)
    assert refusal(mdata) == "a MuData holds several tables; choose one, for example mdata['rna']"


@pytest.mark.parametrize("column", ["mod", "obs_names", "layers", "X", "isbacked", "index", "dtype"])
def test_columns_may_be_called_anything(column):
    frame = named(COUNTS).rename(columns={"g2": column})
    assert check_counts(frame).genes.tolist() == ["g1", column, "g3"]
    assert "Library sizes and sampling noise are gone" in refusal(frame / 3.7)
    assert "layers of this AnnData" not in refusal(np.log1p(frame))


class Odd:
    """Something with the attributes of an AnnData and of a MuData."""

    obs_names = var_names = pd.Index(["a"])
    layers, mod, X, isbacked = {}, {}, np.ones((1, 1)), False


class OwnAnnData(anndata.AnnData):
    """What a package may inherit from AnnData."""


def test_containers_are_told_by_their_type():
    assert refusal(Odd()) == "counts must be a table of samples x genes, got Odd"
    assert check_counts(OwnAnnData(named(COUNTS))).genes.tolist() == ["g1", "g2", "g3"]
    adata = anndata.AnnData(named(COUNTS))
    adata.raw = adata
    assert refusal(adata.raw) == "adata.raw is a part of an AnnData; make it one: adata.raw.to_adata()"
    assert check_counts(adata.raw.to_adata()).samples.tolist() == ["s1", "s2"]
    assert refusal({"s1": [1, 2]}) == "counts must be a table of samples x genes, got dict"


def test_a_series_is_a_row_or_a_column():
    frame = named(COUNTS)
    message = refusal(frame["g1"])
    assert message.startswith("counts must be a table of samples x genes, got a Series: one row or column of it. ")
    assert check_counts(frame.loc["s1"].to_frame().T, min_samples=1).genes.tolist() == ["g1", "g2", "g3"]
    assert check_counts(frame["g1"].to_frame()).samples.tolist() == ["s1", "s2"]


def test_rows_of_different_lengths():
    assert "these rows differ in length" in refusal([[1, 2], [3]])


def test_checked_counts_are_passed_on_unchanged():
    checked = check_counts(named(COUNTS))
    assert check_counts(checked) is checked
    assert refusal(checked, layer="counts").endswith("only an AnnData has layers; got Counts")
    assert "got 2 sample" in refusal(checked, min_samples=3)
    assert checked == checked
    assert checked != check_counts(named(COUNTS))


def test_did_you_mean():
    assert did_you_mean("TMM", ["tmm", "rle"]) == "did you mean 'tmm'? Known: rle, tmm"
    assert did_you_mean("x", iter(["tmm", "rle"])) == "Known: rle, tmm"
    assert did_you_mean("Xaa", ["xAb", "other"]) == "did you mean 'xAb'? Known: other, xAb"
    assert did_you_mean(3, [1, 2, 3]) == "did you mean '3'? Known: 1, 2, 3"
