"""Splits of genes by chromosome and by chance."""

import anndata
import numpy as np
import pandas as pd
import pytest

from scomics_lite.twas.sequence_models.gene_splits import chromosome_split, random_split
from scomics_lite.validation import InputError


def table(n=200):
    chromosomes = [str(i % 22 + 1) for i in range(n)]
    return pd.DataFrame({"chromosome": chromosomes}, index=[f"g{i}" for i in range(n)])


def test_the_published_chromosomes_validate_and_test():
    genes = table()
    split = chromosome_split(genes)
    assert set(genes["chromosome"][split == "validation"]) == {"7", "11", "14"}
    assert set(genes["chromosome"][split == "test"]) == {"5", "12", "20"}
    assert set(split) == {"train", "validation", "test"}
    assert split.index.equals(genes.index)


def test_chromosomes_with_and_without_chr_are_the_same():
    genes = table()
    wanted = chromosome_split(genes)
    pd.testing.assert_series_equal(chromosome_split("chr" + genes), wanted)
    named = chromosome_split(genes, validation=["chr7", "chr11", "chr14"], test=["chr5", 12, "20"])
    pd.testing.assert_series_equal(named, wanted)


def test_tables_series_and_anndata_are_taken():
    genes = table()
    wanted = chromosome_split(genes)
    pd.testing.assert_series_equal(chromosome_split(genes["chromosome"]), wanted)
    pd.testing.assert_series_equal(chromosome_split(genes["chromosome"].astype("category")), wanted)
    pd.testing.assert_series_equal(chromosome_split(genes["chromosome"].astype(int)), wanted)
    pd.testing.assert_series_equal(chromosome_split(anndata.AnnData(np.zeros((200, 1)), genes)), wanted)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": ["7", "5"]}, "chromosome '7' is in validation and in test"),
        ({"test": ["5", "X"]}, r"no gene lies on chromosome X of test; genes lie on 1, 2, .*test=\[...\]"),
        ({"validation": "7"}, r"validation is a list of chromosomes, .*got '7'"),
        ({"test": []}, r"test is a list of chromosomes"),
    ],
)
def test_chromosomes_that_make_no_split_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        chromosome_split(table(), **changes)


def test_bad_tables_of_genes_are_refused():
    genes = table(44)
    with pytest.raises(InputError, match="no gene is left for training"):
        chromosome_split(genes[genes["chromosome"].isin(["5", "7"])], validation=["7"], test=["5"])
    with pytest.raises(InputError, match="gene 'g1' has no chromosome"):
        chromosome_split(genes.replace({"2": None}))
    with pytest.raises(InputError, match="a column chromosome, indexed by gene"):
        chromosome_split(genes.rename(columns={"chromosome": "chrom"}))
    with pytest.raises(InputError, match="genes: gene 'g0' comes 2 times"):
        chromosome_split(pd.concat([genes, genes[:1]]))


def test_a_random_split_has_the_shares_that_were_asked_for():
    genes = table()
    split = random_split(genes, validation=0.1, test=0.25, rng=5)
    assert split.value_counts().to_dict() == {"train": 130, "validation": 20, "test": 50}
    pd.testing.assert_series_equal(random_split(genes.index, validation=0.1, test=0.25, rng=5), split)
    assert not random_split(genes, rng=1).equals(random_split(genes, rng=2))
    adata = anndata.AnnData(np.zeros((200, 1)), genes)
    assert random_split(adata, validation=0.1, test=0.25, rng=np.random.default_rng(5)).equals(split)


@pytest.mark.parametrize("share", [0, 1, 0.001, "half", np.nan])
def test_shares_that_give_no_gene_are_refused(share):
    with pytest.raises(InputError, match="is a share of the 200 genes"):
        random_split(table(), test=share)


def test_a_split_without_training_genes_is_refused():
    with pytest.raises(InputError, match=r"validation=0.5 and test=0.5 leave none of 200 genes for training"):
        random_split(table(), validation=0.5, test=0.5)
