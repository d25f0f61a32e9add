"""Dosages come out of AnnData and tables of any kind of number, uncopied where that can be; what is none is named."""

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scomics_lite.twas.genotypes.dosages import read_dosages
from scomics_lite.validation import InputError

X = np.array([[0, 1, 2], [2, 0, 1]])
TABLE = pd.DataFrame(X, index=["p1", "p2"], columns=["rs1", "rs2", "rs3"])


@pytest.mark.parametrize("kind", [np.int8, np.float32, np.float64, "Int8", "Float64"])
def test_numbers_of_every_kind(kind):
    values, people, snps, alleles = read_dosages(TABLE.astype(kind))
    np.testing.assert_array_equal(values, X)
    assert (people.tolist(), snps.tolist(), alleles) == (["p1", "p2"], ["rs1", "rs2", "rs3"], None)


def test_missing_values_of_pandas_own_types_are_nan():
    table = TABLE.astype("Int8")
    table.iloc[0, 1] = pd.NA
    np.testing.assert_array_equal(read_dosages(table).values, [[0, np.nan, 2], [2, 0, 1]])


def test_an_anndata_is_not_copied_and_brings_its_alleles():
    adata = anndata.AnnData(TABLE.astype(np.int8))
    assert read_dosages(adata).alleles is None
    adata.var["ref_allele"], adata.var["eff_allele"] = list("ACG"), list("CAT")
    given = read_dosages(adata)
    assert np.shares_memory(given.values, adata.X)
    assert given.alleles.loc["rs3"].tolist() == ["G", "T"]
    adata.X = sparse.csr_matrix(adata.X)
    np.testing.assert_array_equal(read_dosages(adata).values, X)
    np.testing.assert_array_equal(read_dosages(adata[:, ["rs2"]]).values, X[:, [1]])


def test_what_is_no_dosage_is_named(tmp_path):
    for value in (-1, 2.5, np.inf):
        with pytest.raises(InputError, match=rf"person 'p2' has {value:g} of SNP 'rs3'"):
            read_dosages(TABLE.astype(float).replace({"rs3": {1.0: value}}))
    with pytest.raises(InputError, match=r"each person has one id, but 'p1' comes 2 times .*obs_names\.duplicated\(\)"):
        read_dosages(TABLE.set_axis(["p1", "p1"]))
    with pytest.raises(InputError, match=r"no dosages: a table of shape \(0, 3\)"):
        read_dosages(TABLE.iloc[:0])
    with mudata.set_options(pull_on_update=False):
        several = mudata.MuData({"genotypes": anndata.AnnData(TABLE)})
    with pytest.raises(InputError, match=r"MuData; of a MuData take one part, mdata\['genotypes'\]"):
        read_dosages(several)
    anndata.AnnData(TABLE.astype(np.float32)).write_h5ad(tmp_path / "dosages.h5ad")
    backed = anndata.read_h5ad(tmp_path / "dosages.h5ad", backed="r")
    with pytest.raises(InputError, match=r"dosages\.to_memory\(\)"):
        read_dosages(backed)
    np.testing.assert_array_equal(read_dosages(backed.to_memory()).values, X)
    backed.file.close()


def test_the_advice_on_doubled_ids_works():
    with pytest.warns(UserWarning, match="not unique"):
        adata = anndata.AnnData(X[:, [0, 1, 1]].astype(np.int8), var=pd.DataFrame(index=["rs1", "rs2", "rs2"]))
    with pytest.raises(InputError, match=r"'rs2' comes 2 times .*dosages\[:, ~dosages\.var_names\.duplicated\(\)\]"):
        read_dosages(adata)
    assert read_dosages(adata[:, ~adata.var_names.duplicated()]).snps.tolist() == ["rs1", "rs2"]
