"""Size factors from lengths of transcripts: closed forms, names, and messages. DESeq2's are in tests/glm."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scomics_lite.normalization import length_factors, size_factors
from scomics_lite.validation import CountsError, InputError

RNG = np.random.default_rng(4)
COUNTS = RNG.negative_binomial(3, 0.02, (5, 80)) + 1
LENGTHS = RNG.lognormal(7, 1, 80) * RNG.lognormal(0, 0.2, (5, 80))


def test_equal_lengths_leave_the_median_of_ratios():
    factors = length_factors(COUNTS, np.broadcast_to(LENGTHS[0], COUNTS.shape))
    s = size_factors(COUNTS)
    expected = s / np.exp(np.log(s).mean())
    np.testing.assert_allclose(factors, np.repeat(expected[:, None], 80, axis=1), rtol=1e-12)


def test_counts_over_factors_are_counts_over_lengths_on_one_scale():
    factors = length_factors(COUNTS, LENGTHS)
    np.testing.assert_allclose(np.log(factors).mean(axis=0), 0, atol=1e-12)
    relative = factors / LENGTHS
    np.testing.assert_allclose(relative / relative.iloc[0], np.repeat((relative / relative.iloc[0])[[0]], 80, axis=1))


def test_the_unit_of_length_and_the_length_of_a_gene_do_not_matter():
    factors = length_factors(COUNTS, LENGTHS)
    np.testing.assert_allclose(length_factors(COUNTS, LENGTHS * RNG.lognormal(0, 3, 80)), factors, rtol=1e-10)


def test_given_size_factors_take_the_place_of_the_median():
    s = RNG.lognormal(0, 1, 5)
    ours, scaled = (length_factors(COUNTS, LENGTHS, size_factors=scale * s) for scale in (1, 1e6))
    np.testing.assert_allclose(ours, scaled, rtol=1e-10)
    by_hand = LENGTHS * s[:, None]
    np.testing.assert_allclose(ours, by_hand / np.exp(np.log(by_hand).mean(axis=0)), rtol=1e-12)


def test_names_and_forms():
    names = [f"s{i}" for i in range(5)], [f"g{j}" for j in range(80)]
    frame, lengths = pd.DataFrame(COUNTS, *names), pd.DataFrame(LENGTHS, *names)
    adata = anndata.AnnData(np.zeros(COUNTS.shape), layers={"counts": sparse.csr_matrix(COUNTS), "length": LENGTHS})
    adata.obs_names, adata.var_names = names
    plain = length_factors(COUNTS, LENGTHS)
    for ours in (
        length_factors(frame, lengths),
        length_factors(adata, adata.layers["length"], layer="counts"),
        length_factors(frame.astype("uint8" if COUNTS.max() < 256 else "uint16"), lengths),
    ):
        assert (ours.index.tolist(), ours.columns.tolist()) == names
        np.testing.assert_allclose(ours, plain, rtol=1e-12)
    with pytest.raises(InputError, match="names of the lengths are not those of the counts: row 0 is 's4'"):
        length_factors(frame, lengths.iloc[::-1])
    with pytest.raises(InputError, match="column 0 is 'g79' instead of 'g0'"):
        length_factors(frame, lengths.iloc[:, ::-1])


def test_lengths_that_are_none_are_named():
    wrong = LENGTHS.copy()
    wrong[2, 3] = 0
    with pytest.raises(InputError, match=r"lengths must be positive and finite; sample 2 has 0.0 for gene 3"):
        length_factors(COUNTS, wrong)
    with pytest.raises(InputError, match=r"a table of 5 samples x 80 genes; got shape \(80, 5\): lengths.T"):
        length_factors(COUNTS, LENGTHS.T)
    with pytest.raises(InputError, match="lengths are numbers"):
        length_factors(COUNTS, LENGTHS.astype(str) + " bases")


def test_without_a_gene_that_all_samples_have_the_way_out_is_one():
    counts = COUNTS.copy()
    counts[np.arange(80) % 5, np.arange(80)] = 0
    with pytest.raises(CountsError, match=r"no gene is counted in all samples.*poscounts"):
        length_factors(counts, LENGTHS)
    factors = length_factors(counts, LENGTHS, size_factors=size_factors(counts, "poscounts"))
    assert np.isfinite(factors).all(axis=None)
