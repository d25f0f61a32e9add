"""Size and normalization factors of real data sets, against DESeq2, edgeR and glmGamPoi.

The tables come from R 4.2.2 with DESeq2 1.38.3, edgeR 3.40.2 and glmGamPoi 1.10.2 (17 digits; MANIFEST.json beside them
has the calls). They and the data stay outside the repository: where SCOMICS_LITE_REFERENCE and SCOMICS_LITE_DATA do not
name their folders, these tests are skipped, and test_reference_simulated.py holds the same line on bundled data.

Tolerance: 1e-10 relative, as the course promises; the largest difference measured is 4e-15, last digits of sums.
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from fixtures.published import needs_tables, table
from scipy import sparse

from scomics_lite import datasets
from scomics_lite.normalization import norm_factors, size_factors
from scomics_lite.validation import CountsError

pytestmark = needs_tables
BULK = ("pasilla", "airway", "pickrell")
EDGER = {"tmm": "TMM", "tmmwsp": "TMMwsp", "rle": "RLE", "upper_quartile": "upperquartile"}
FORMS = {"dense": lambda counts: counts, "sparse": lambda counts: sparse.csr_array(counts.to_numpy())}
in_both_forms = pytest.mark.parametrize("form", FORMS)


@cache
def all_genes(name):
    """Counts as a DataFrame with the samples in the order of the tables."""
    adata = datasets.load(name, progress=False)
    matrix = adata.X.toarray() if sparse.issparse(adata.X) else adata.X
    counts = pd.DataFrame(matrix, index=adata.obs_names, columns=adata.var_names)
    return counts.loc[table(name, "glmGamPoi_size_factors").index]


@cache
def filtered(name):
    """The genes that the tables' analyses kept: filterByExpr's for bulk, those seen in ten cells for single cells."""
    counts = all_genes(name)
    if name not in BULK:
        return counts.loc[:, (counts > 0).sum() >= 10]
    keep = table(name, "edger_filterByExpr")["keep"].astype(bool)
    return counts.loc[:, keep.index[keep]]


def assert_close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=0)


@in_both_forms
@pytest.mark.parametrize("method", ["median_of_ratios", "poscounts"])
@pytest.mark.parametrize("name", BULK)
def test_deseq2_size_factors(name, method, form):
    column = {"median_of_ratios": "ratio", "poscounts": "poscounts"}[method]
    theirs = table(name, "deseq2_size_factors")
    counts = all_genes(name).loc[theirs.index]
    assert (counts.sum(axis=1) == theirs["libsize"]).all()  # the same counts went in
    assert_close(size_factors(FORMS[form](counts), method), theirs[column])


@in_both_forms
@pytest.mark.parametrize("method", EDGER)
@pytest.mark.parametrize("genes", ["allgenes", "filtered"])
@pytest.mark.parametrize("name", BULK)
def test_edger_norm_factors(name, genes, method, form):
    theirs = table(name, f"edger_normfactors_{genes}")
    counts = (all_genes(name) if genes == "allgenes" else filtered(name)).loc[theirs.index]
    assert (counts.sum(axis=1) == theirs["libsize"]).all()
    assert_close(norm_factors(FORMS[form](counts), method), theirs[EDGER[method]])


@pytest.mark.parametrize("name", BULK)
def test_edger_reference_sample_and_upper_quartiles(name):
    theirs, counts = table(name, "edger_normfactors_allgenes"), all_genes(name)
    reference = theirs.index[theirs["TMM_ref"] == 1].item()
    others = theirs.index.drop(reference)
    default = norm_factors(counts)
    assert (default == norm_factors(counts, reference=reference)).all()
    assert any((default != norm_factors(counts, reference=other)).any() for other in others[:3])
    quartiles = theirs["f75"].to_numpy()
    assert_close(norm_factors(counts, "upper_quartile"), quartiles / np.exp(np.log(quartiles).mean()))


@in_both_forms
@pytest.mark.parametrize("name", [*BULK, "islam_esmef"])
def test_glmgampoi_total_counts(name, form):
    theirs = table(name, "glmGamPoi_size_factors")["normed_sum"]
    assert_close(size_factors(FORMS[form](filtered(name)), "total"), theirs)


@in_both_forms
def test_deseq2_poscounts_on_single_cells(form):
    theirs = table("islam_esmef", "deseq2_size_factors")
    assert_close(size_factors(FORMS[form](filtered("islam_esmef")), "poscounts"), theirs["poscounts"])


@in_both_forms
@pytest.mark.parametrize("method", ["tmm", "tmmwsp", "rle"])
def test_edger_on_single_cells(method, form):
    theirs, counts = table("islam_esmef", "edger_normfactors"), filtered("islam_esmef")
    assert (counts.sum(axis=1) == theirs["libsize"]).all()
    assert_close(norm_factors(FORMS[form](counts), method), theirs[EDGER[method]])


@in_both_forms
def test_a_zero_upper_quartile_is_refused_where_edger_gives_infinity(form):
    counts = filtered("islam_esmef")
    assert not np.isfinite(table("islam_esmef", "edger_normfactors")["upperquartile"]).all()
    first = "ESC_12" if form == "dense" else "2"
    with pytest.raises(CountsError, match=rf"zero in 9 of 40 samples \(first {first}\).*'poscounts' or 'tmmwsp'"):
        norm_factors(FORMS[form](counts), "upper_quartile")
