"""Size factors: known answers, an independent TMM, symmetries, storage forms, and messages.

DESeq2's and edgeR's numbers are in test_reference_simulated.py and test_reference_published.py.
"""

import math
import tracemalloc
import warnings
from statistics import geometric_mean

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from scomics_lite.normalization import (
    METHODS,
    m_and_a,
    norm_factors,
    normalize,
    size_factors,
    to_norm_factors,
    to_size_factors,
)
from scomics_lite.validation import CountsError, InputError

ALWAYS_WORK = ("total", "poscounts", "tmm", "tmmwsp")  # the others need genes that all samples have, or many of them
COUNTS = np.random.default_rng(1).negative_binomial(2, 0.02, (6, 120)) + (np.arange(120) < 30)
COUNTS[:, 100:110] = 0  # genes nobody has


def assert_same(ours, expected, rtol=1e-12):
    np.testing.assert_allclose(ours, expected, rtol=rtol, atol=0)


# --- known answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_sample_twice_as_deep_has_twice_the_size_factor(method):
    assert_same(size_factors([[100, 50, 7], [200, 100, 14]], method), [math.sqrt(0.5), math.sqrt(2)])


@pytest.mark.parametrize("method", METHODS)
def test_depth_alone_leaves_norm_factors_of_one(method):
    assert_same(norm_factors(COUNTS[:1] * np.array([[1], [3], [10]]), method), [1, 1, 1])


def test_one_gene_up_moves_the_total_but_no_robust_method():
    counts = np.vstack([COUNTS[0], COUNTS[0]])
    loud = counts[0].argmax()
    counts[1, loud] *= 20
    total = counts.sum(axis=1)
    for method in ("median_of_ratios", "poscounts", "tmm", "tmmwsp", "rle", "upper_quartile"):
        assert_same(size_factors(counts, method), [1, 1], rtol=1e-9)
    assert_same(size_factors(counts, "total"), total / np.sqrt(total.prod()))


def test_median_of_ratios_by_hand():
    # Geometric means 2, 6 and 20; ratios of sample 1: 1/2, 2/3 and 1/2; of sample 2 their inverses. A zero drops out.
    counts = [[1, 4, 10, 0], [4, 9, 40, 3]]
    assert_same(size_factors(counts), [0.5, 2.0])
    assert_same(size_factors([[1, 4, 10, 2], [4, 9, 40, 2]]), [math.sqrt(0.5 * 2 / 3), math.sqrt(2 * 1.5)])


def test_rle_takes_the_median_of_ratios_where_deseq2_takes_that_of_their_logarithms():
    counts = np.array([[1, 3], [2, 2], [4, 36]])  # geometric means 2 and 6: ratios 1/2 1/2, 1 1/3, 2 6
    medians = np.array([1 / 2, 2 / 3, 4])
    assert_same(size_factors(counts, "median_of_ratios"), np.sqrt([1 / 4, 1 / 3, 12]))
    assert_same(size_factors(counts, "rle"), medians / np.cbrt(medians.prod()))
    assert_same(norm_factors(counts, "rle"), to_norm_factors(medians, counts.sum(axis=1)))


def test_poscounts_by_hand():
    # Log means over all three samples with zeros as log 1: (ln 8, ln 27, ln 64) / 3 = ln 2, ln 3, ln 4.
    counts = [[8, 0, 4], [1, 27, 4], [0, 1, 4]]
    raw = np.exp([(math.log(4) + 0) / 2, 0, (math.log(1 / 3) + 0) / 2])  # medians over each sample's counted genes
    assert_same(size_factors(counts, "poscounts"), raw / np.cbrt(raw.prod()))


def test_upper_quartile_by_hand():
    # Genes nobody has are dropped; 5 genes remain, so the quantile of type 7 is the fourth smallest.
    counts = [[0, 1, 2, 3, 10, 0], [0, 2, 4, 9, 9, 1]]
    quartiles = np.array([3, 9])  # of 1 2 3 10 0 and of 2 4 9 9 1
    assert_same(size_factors(counts, "upper_quartile"), quartiles / math.sqrt(27))
    # With 4 genes it lies a quarter of the way from the third to the fourth.
    quartiles = np.array([3 + 0.25 * 7, 9])
    assert_same(size_factors(np.delete(counts, 5, axis=1), "upper_quartile"), quartiles / math.sqrt(quartiles.prod()))


def test_the_two_languages_of_size_factors_translate_back_and_forth():
    library_sizes = COUNTS.sum(axis=1)
    for method in METHODS:
        s, f = size_factors(COUNTS, method), norm_factors(COUNTS, method)
        scaled = s / geometric_mean(s)
        assert_same(to_size_factors(f, library_sizes), scaled)
        assert_same(to_norm_factors(s, library_sizes), f)
        assert_same(to_size_factors(to_norm_factors(s, library_sizes), library_sizes), scaled)
        assert math.isclose(geometric_mean(f), 1)
    assert_same(norm_factors(COUNTS, "total"), np.ones(6))


# --- an independent TMM -----------------------------------------------------------------------------------------------


def slow_tmm(counts, reference, logratio_trim=0.3, sum_trim=0.05, *, weighted=True):
    """TMM written from the paper's formulas, gene by gene (Robinson and Oshlack 2010, Genome Biology 11:R25).

    M and A and the weights are those of its Materials and methods; that ties share their mean rank, and that a factor
    of 1 stands for equal libraries, are edgeR's rules. Rounding decides which ratios of small counts are ties, so
    agreement can be asked for on large counts only, which have none.
    """
    factors = []
    n_reference = sum(counts[reference])
    for sample in counts:
        n_sample, genes = sum(sample), []
        for y, r in zip(sample, counts[reference], strict=True):
            if y > 0 and r > 0:
                m = math.log2((y / n_sample) / (r / n_reference))
                a = 0.5 * math.log2((y / n_sample) * (r / n_reference))
                w = 1 / ((n_sample - y) / (n_sample * y) + (n_reference - r) / (n_reference * r))
                genes.append((m, a, w if weighted else 1.0))
        ms, as_ = [m for m, _, _ in genes], [a for _, a, _ in genes]
        kept = [
            (m, w)
            for m, a, w in genes
            if within(rank(ms, m), len(genes), logratio_trim) and within(rank(as_, a), len(genes), sum_trim)
        ]
        total = sum(w for _, w in kept)
        factors.append(2 ** (sum(m * w for m, w in kept) / total) if total and max(map(abs, ms)) > 1e-6 else 1.0)
    return np.array(factors) / geometric_mean(factors)


def rank(values, value):
    return sum(v < value for v in values) + (sum(v == value for v in values) + 1) / 2


def within(rank, n, trim):
    return math.floor(n * trim) + 1 <= rank <= n - math.floor(n * trim)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(("logratio_trim", "sum_trim"), [(0.3, 0.05), (0.1, 0.2), (0, 0), (0.49, 0.49)])
@pytest.mark.parametrize("seed", range(5))
def test_tmm_is_the_paper_s(seed, logratio_trim, sum_trim, weighted):
    counts = np.random.default_rng(seed).negative_binomial(2, 0.0005, (4, 70))
    trims = {"logratio_trim": logratio_trim, "sum_trim": sum_trim, "weighted": weighted}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # where both trims at 0.49 leave nothing; tested below
        ours = norm_factors(counts, reference=2, **trims)
    assert_same(ours, slow_tmm(counts.tolist(), 2, logratio_trim, sum_trim, weighted=weighted), rtol=1e-8)


@pytest.mark.parametrize("difference", [0.05, 1e-5, 1e-7])
def test_libraries_are_equal_below_a_millionth(difference):
    counts = np.array([np.arange(1, 41) * 10_000_000] * 2)
    counts[1] += np.rint(counts[1] * difference * np.sin(np.arange(40))).astype(int)
    for method in ("tmm", "tmmwsp"):
        assert (norm_factors(counts, method, reference=0) == 1).all() == (difference < 1e-6)
    assert_same(norm_factors(counts, reference=0), slow_tmm(counts.tolist(), 0))


def test_the_reference_is_the_sample_whose_upper_quartile_is_nearest_the_mean():
    shares = [np.quantile(row[COUNTS.any(axis=0)], 0.75) / row.sum() for row in COUNTS]
    nearest = min(range(6), key=lambda i: abs(shares[i] - np.mean(shares)))
    assert (norm_factors(COUNTS) == norm_factors(COUNTS, reference=nearest)).all()
    assert not any((norm_factors(COUNTS) == norm_factors(COUNTS, reference=i)).all() for i in range(6) if i != nearest)


def test_tmmwsp_compares_with_the_largest_sum_of_square_roots():
    largest = int(np.sqrt(COUNTS).sum(axis=1).argmax())
    assert (norm_factors(COUNTS, "tmmwsp") == norm_factors(COUNTS, "tmmwsp", reference=largest)).all()
    other = (largest + 1) % 6
    assert (norm_factors(COUNTS, "tmmwsp") != norm_factors(COUNTS, "tmmwsp", reference=other)).any()


def test_m_and_a_are_the_formulas():
    counts = pd.DataFrame([[10, 20, 30, 0, 4], [25, 0, 50, 6, 19]], index=["a", "b"], columns=list("vwxyz"))
    table = m_and_a(counts, "b", "a", logratio_trim=0, sum_trim=0)
    assert table.index.tolist() == ["v", "x", "z"]
    assert table["kept"].all()
    for gene in table.index:
        y, r = counts.loc["b", gene], counts.loc["a", gene]
        assert math.isclose(table.loc[gene, "M"], math.log2((y / 100) / (r / 64)))
        assert math.isclose(table.loc[gene, "A"], 0.5 * math.log2((y / 100) * (r / 64)))
        assert math.isclose(1 / table.loc[gene, "weight"], (100 - y) / (100 * y) + (64 - r) / (64 * r))


def test_m_and_a_hold_what_tmm_computes():
    for form in (np.asarray, sparse.csr_array):
        table = m_and_a(form(COUNTS), 3, 0).query("kept")
        factor = 2 ** np.average(table["M"], weights=table["weight"])
        ours = norm_factors(COUNTS, reference=0)
        assert_same(ours[3] / ours[0], factor)
    low, high = m_and_a(COUNTS, 3, 0).query("kept")["M"].agg(["min", "max"])
    assert low < np.median(m_and_a(COUNTS, 3, 0)["M"]) < high
    assert m_and_a(COUNTS, 3, 0, logratio_trim=0.1)["kept"].sum() > m_and_a(COUNTS, 3, 0)["kept"].sum()


# --- symmetries -------------------------------------------------------------------------------------------------------


@st.composite
def tables(draw):
    """Small tables of counts with many zeros and ties, no empty sample."""
    n, g = draw(st.integers(2, 6)), draw(st.integers(3, 25))
    rows = st.lists(st.sampled_from([0, 0, 1, 1, 2, 3, 5, 8, 40, 1000]), min_size=g, max_size=g)
    return np.array([draw(rows.filter(any)) for _ in range(n)])


many = settings(max_examples=60, deadline=None, derandomize=True, database=None)  # the same tables in every run


def factors_or_message(counts, method):
    """Size factors, or the start of the message where there are none, without warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            return size_factors(counts, method)
        except CountsError as error:
            return str(error)[:30]


def assert_both(ours, expected):
    if isinstance(expected, str) or isinstance(ours, str):
        assert ours == expected
    else:
        assert_same(ours, expected, rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
@given(counts=tables())
@many
def test_factors_are_positive_and_sparse_ones_are_the_same(method, counts):
    dense = factors_or_message(counts, method)
    assert isinstance(dense, str) or (np.isfinite(dense).all() and (dense > 0).all())
    assert_both(factors_or_message(sparse.csr_array(counts), method), dense)


@pytest.mark.parametrize("method", METHODS)
@given(counts=tables(), extra=st.integers(1, 30))
@many
def test_genes_that_nobody_has_change_nothing(method, counts, extra):
    padded = np.hstack([counts, np.zeros((len(counts), extra), dtype=int)])
    assert_both(factors_or_message(padded, method), factors_or_message(counts, method))


@pytest.mark.parametrize("method", METHODS[:-1])  # tmmwsp breaks ties of A by the order of genes, as edgeR does
@given(counts=tables(), seed=st.integers(0, 99))
@many
def test_the_order_of_genes_does_not_matter(method, counts, seed):
    order = np.random.default_rng(seed).permutation(counts.shape[1])
    assert_both(factors_or_message(counts[:, order], method), factors_or_message(counts, method))


def test_the_order_of_genes_does_not_matter_to_tmmwsp_without_ties():
    order = np.random.default_rng(0).permutation(COUNTS.shape[1])
    distinct = COUNTS * 1000 + np.arange(120) * (COUNTS > 0)
    assert_same(size_factors(distinct[:, order], "tmmwsp"), size_factors(distinct, "tmmwsp"))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(5))
def test_samples_keep_their_factors_in_any_order(method, seed):
    order = np.random.default_rng(seed).permutation(6)
    assert_same(size_factors(COUNTS[order], method), size_factors(COUNTS, method)[order])
    assert_same(norm_factors(COUNTS[order], method), norm_factors(COUNTS, method)[order])


@pytest.mark.parametrize("method", METHODS[:-2])  # in tmm and tmmwsp a deeper sample weighs more
@pytest.mark.parametrize("k", [2, 10, 1000])
def test_a_sample_read_k_times_as_deep_has_k_times_the_factor(method, k):
    deeper = COUNTS.copy()
    deeper[2] *= k
    before, after = size_factors(COUNTS, method), size_factors(deeper, method)
    ratio = after / before
    assert_same(ratio[2] / ratio[0], k)
    assert_same(np.delete(ratio, 2), np.full(5, ratio[0]))


@pytest.mark.parametrize("method", METHODS)
def test_a_sample_sequenced_twice_has_the_same_factor_twice(method):
    factors = size_factors(np.vstack([COUNTS, COUNTS[4]]), method)
    assert factors[4] == factors[6]


@pytest.mark.parametrize("method", ["total", "median_of_ratios", "rle", "upper_quartile", "tmm"])
def test_the_unit_of_the_counts_does_not_matter(method):
    """Unlike for poscounts, whose means take a zero for a one, and tmmwsp, which adds half a read to break ties."""
    assert_same(size_factors(COUNTS * 4, method), size_factors(COUNTS, method))


# --- storage forms ----------------------------------------------------------------------------------------------------


def with_explicit_zeros(counts):
    coo = sparse.coo_array(counts)
    rows, columns = (counts == 0).nonzero()
    parts = (coo.data, np.zeros(len(rows), coo.dtype)), (coo.coords[0], rows), (coo.coords[1], columns)
    return sparse.csr_array((np.hstack(parts[0]), (np.hstack(parts[1]), np.hstack(parts[2]))), shape=counts.shape)


def with_duplicates(counts):
    """Every count in two parts, as a COO matrix may hold it."""
    half = counts // 2
    rows, columns = counts.nonzero()
    data = np.hstack([half[rows, columns], (counts - half)[rows, columns]])
    return sparse.coo_matrix((data, (np.tile(rows, 2), np.tile(columns, 2))), shape=counts.shape)


def unsorted(counts):
    csr = sparse.csr_matrix(counts)
    for start, stop in zip(csr.indptr[:-1], csr.indptr[1:], strict=True):
        csr.indices[start:stop] = csr.indices[start:stop][::-1].copy()
        csr.data[start:stop] = csr.data[start:stop][::-1].copy()
    csr.has_sorted_indices = False
    return csr


FORMS = {
    "list": lambda counts: counts.tolist(),
    "fortran": np.asfortranarray,
    "strided": lambda counts: np.repeat(counts, 2, axis=1)[:, ::2],
    "matrix": sparse.csr_matrix,
    "csr": sparse.csr_array,
    "csc": sparse.csc_array,
    "coo": sparse.coo_array,
    "lil": sparse.lil_matrix,
    "dok": sparse.dok_array,
    "unsorted": unsorted,
    "explicit zeros": with_explicit_zeros,
    "duplicates": with_duplicates,
    "frame": pd.DataFrame,
    "sparse frame": lambda counts: pd.DataFrame.sparse.from_spmatrix(sparse.csr_matrix(counts)),
    "nullable frame": lambda counts: pd.DataFrame(counts).astype("Int64"),
    "anndata": lambda counts: anndata.AnnData(counts.astype(np.float32)),
    "sparse anndata": lambda counts: anndata.AnnData(sparse.csr_matrix(counts.astype(np.float32))),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", METHODS)
def test_every_storage_form_gives_the_same_factors(method, form):
    assert_same(size_factors(FORMS[form](COUNTS), method), size_factors(COUNTS, method), rtol=1e-13)
    assert_same(norm_factors(FORMS[form](COUNTS), method), norm_factors(COUNTS, method), rtol=1e-13)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16", "int32", "uint32", "int64", "float32"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.coo_matrix])
@pytest.mark.parametrize("method", METHODS)
def test_every_number_type_gives_the_same_factors(method, form, dtype):
    counts = np.minimum(COUNTS, 100).astype(dtype)
    assert_same(size_factors(form(counts), method), size_factors(counts.astype(float), method), rtol=1e-13)


@pytest.mark.parametrize("method", METHODS)
def test_the_layer_asked_for_is_used(method):
    adata = anndata.AnnData(np.log1p(COUNTS), layers={"counts": sparse.csr_matrix(COUNTS)})
    assert_same(size_factors(adata, method, layer="counts"), size_factors(COUNTS, method))
    assert_same(norm_factors(adata, method, layer="counts"), norm_factors(COUNTS, method))


@pytest.mark.parametrize("form", [np.asfortranarray, sparse.csr_matrix, with_explicit_zeros, with_duplicates, unsorted])
def test_the_input_is_left_as_it_was(form):
    counts = form(COUNTS)
    parts = [counts] if isinstance(counts, np.ndarray) else [counts.data, *getattr(counts, "coords", [])]
    parts += [counts.indices, counts.indptr] if hasattr(counts, "indptr") else []
    before = [part.copy() for part in parts]
    for part in parts:
        part.flags.writeable = False
    for method in METHODS:
        size_factors(counts, method)
        norm_factors(counts, method)
    normalize(counts, np.ones(6))
    m_and_a(counts, 0, 1)
    assert all((part == old).all() for part, old in zip(parts, before, strict=True))


def atlas(n, g, per_cell, seed=0):
    """A sparse table of n cells and g genes with a few counts each, and 20 genes that all cells have."""
    rng = np.random.default_rng(seed)
    columns = np.hstack([np.tile(np.arange(20), (n, 1)), rng.integers(20, g, (n, per_cell))])
    data = rng.poisson(3, columns.shape) + 1
    indptr = np.arange(n + 1) * columns.shape[1]
    return sparse.csr_array((data.ravel().astype(np.float32), columns.ravel(), indptr), shape=(n, g))


@pytest.mark.parametrize("method", [name for name in METHODS if name != "upper_quartile"])
def test_sparse_counts_are_never_made_dense(method):
    counts = atlas(4_000, 4_000_000, 30)  # dense: 128 GB
    tracemalloc.start()
    try:
        factors = size_factors(counts, method)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.isfinite(factors).all()
    own = counts.data.nbytes + counts.indices.nbytes + counts.indptr.nbytes
    assert peak < 20 * own + 8 * 8 * counts.shape[1]  # some copies of the entries, and of one row


def test_normalize_keeps_sparse_counts_sparse():
    counts = atlas(200_000, 100_000, 5)  # dense: 160 GB
    normalized = normalize(counts, np.full(200_000, 2.0))
    assert sparse.issparse(normalized)
    assert normalized.nnz <= counts.nnz
    assert normalized.sum() == counts.sum() / 2


# --- dividing by them -------------------------------------------------------------------------------------------------


def test_normalize_divides_each_sample():
    frame = pd.DataFrame(COUNTS, index=list("abcdef"), columns=[f"gene{i}" for i in range(120)])
    factors = np.arange(1, 7)
    expected = COUNTS / factors[:, None]
    assert_same(normalize(COUNTS, factors), expected)
    assert_same(normalize(sparse.csc_array(COUNTS), factors).toarray(), expected)
    assert_same(normalize(anndata.AnnData(COUNTS), factors), expected)
    pd.testing.assert_frame_equal(normalize(frame, factors), frame / factors[:, None])
    assert_same(normalize(COUNTS[:1], [2]), COUNTS[:1] / 2)  # one sample is enough to divide


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([1, 2], r"6 samples need as many size factors, got shape \(2,\)"),
        (np.ones((6, 1)), r"6 samples need as many size factors, got shape \(6, 1\)"),
        ([1, 1, 0, 1, 1, 1], r"size factors must be positive and finite; sample 2 has 0\.0"),
        ([1, 1, 1, -1, 1, 1], r"sample 3 has -1\.0"),
        ([1, np.nan, 1, 1, 1, 1], r"sample 1 has nan"),
        ([1, np.inf, 1, 1, 1, 1], r"sample 1 has inf"),
    ],
)
def test_normalize_refuses_size_factors_that_cannot_divide(factors, message):
    with pytest.raises(InputError, match=message):
        normalize(COUNTS, factors)


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [size_factors, norm_factors])
@pytest.mark.parametrize(("wrong", "meant"), [("TMM", "tmm"), ("median_ratios", "median_of_ratios"), ("uq", None)])
def test_an_unknown_method_lists_the_known(function, wrong, meant):
    with pytest.raises(InputError, match=f"unknown method '{wrong}'; .*Known: median_of_ratios, poscounts") as error:
        function(COUNTS, wrong)
    assert meant is None or f"did you mean '{meant}'?" in str(error.value)


@pytest.mark.parametrize("method", ["median_of_ratios", "rle"])
def test_without_a_gene_that_all_samples_have_poscounts_is_named(method):
    message = r"no gene is counted in all 3 samples.*Use method='poscounts'"
    for form in (np.asarray, sparse.csr_array):
        with pytest.raises(CountsError, match=message):
            size_factors(form(np.array([[1, 0, 2], [0, 3, 1], [4, 5, 0]])), method)


def test_an_upper_quartile_of_zero_names_the_sample():
    counts = pd.DataFrame([[0, 0, 0, 0, 9], [1, 2, 3, 4, 5]], index=["cell1", "cell2"])
    with pytest.raises(CountsError, match=r"zero in 1 of 2 samples \(first cell1\).*'poscounts' or 'tmmwsp'"):
        size_factors(counts, "upper_quartile")


@pytest.mark.parametrize("function", [size_factors, norm_factors])
def test_tmm_says_when_no_gene_is_left(function):
    apart = pd.DataFrame([[5, 6, 7, 0], [5, 7, 9, 0], [0, 0, 0, 4]], index=["a", "b", "lonely"])
    with pytest.warns(UserWarning, match=r"1 of 3 samples \(first lonely\) keep no gene.*factor is 1") as caught:
        function(apart, "tmm")
    assert caught[0].filename == __file__  # the line of the caller, not ours
    tied = r"1 of 2 samples \(first 1\)"  # two low ratios and two high ones: each tie reaches over the trim's edge
    with pytest.warns(UserWarning, match=tied):
        assert_same(norm_factors([[8, 8, 8, 8], [8, 8, 32, 32]], reference=0), [1, 1])
    trims = {"logratio_trim": 0.4, "sum_trim": 0.4}  # one gene in the middle of M, another in that of A
    with pytest.warns(UserWarning, match=r"1 of 2 samples \(first 1\)"):
        assert_same(norm_factors([[7, 6, 5, 3, 3], [1, 1, 1, 2, 7]], "tmmwsp", reference=0, **trims), [1, 1])


@pytest.mark.parametrize("method", ["total", "median_of_ratios", "poscounts", "rle", "upper_quartile"])
def test_settings_of_tmm_are_for_tmm_only(method):
    for setting in ({"reference": 0}, {"logratio_trim": 0.2}, {"sum_trim": 0.1}, {"weighted": False}):
        with pytest.raises(InputError, match=f"'{method}' has no reference sample, trims or weights"):
            norm_factors([[1, 2], [3, 4]], method, **setting)


def test_samples_are_found_by_name_or_position():
    frame = pd.DataFrame(COUNTS, index=["s1", "s2", "s3", "s4", "s5", "s6"])
    assert (norm_factors(frame, reference="s3") == norm_factors(COUNTS, reference=np.int64(2))).all()
    assert (norm_factors(frame.set_axis([5, 4, 3, 2, 1, 0]), reference=5) == norm_factors(COUNTS, reference=0)).all()
    for wrong in ("s33", -1, 6, 2.5, ["s3"], None):
        if wrong is not None:
            with pytest.raises(InputError, match=r"there is no sample .*Known: s1, s2, s3"):
                norm_factors(frame, reference=wrong)
        with pytest.raises(InputError, match="there is no sample"):
            m_and_a(frame, "s1", wrong)


def test_two_samples_that_share_no_gene_have_no_ratio():
    with pytest.raises(CountsError, match="samples 0 and 1 share no gene"):
        m_and_a([[1, 0], [0, 1]], 0, 1)


@pytest.mark.parametrize("trim", [-0.1, 0.5, 1, np.nan])
@pytest.mark.parametrize("name", ["logratio_trim", "sum_trim"])
def test_trims_cut_less_than_half_of_each_end(name, trim):
    for call in (lambda: norm_factors(COUNTS, **{name: trim}), lambda: m_and_a(COUNTS, 0, 1, **{name: trim})):
        with pytest.raises(InputError, match=rf"{name} is cut off at both ends and must lie in \[0, 0\.5\)"):
            call()


def test_counts_are_checked_before_anything_else():
    for call in (size_factors, norm_factors, lambda bad: normalize(bad, [1, 1]), lambda bad: m_and_a(bad, 0, 1)):
        with pytest.raises(CountsError, match=r"negative, the first -3 \(sample 1, gene 0\)"):
            call([[1, 2], [-3, 4]])
