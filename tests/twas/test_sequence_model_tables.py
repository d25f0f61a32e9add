"""Tables and settings that sequence models cannot use are named, and what the message says works."""

import anndata
import numpy as np
import pandas as pd
import pytest

from scomics_lite import dna, twas
from scomics_lite.validation import InputError


def table(values=0.5):
    return anndata.AnnData(np.full((6, 2), values), pd.DataFrame(index=list("abcdef")), pd.DataFrame(index=["x", "y"]))


def fitted():
    rng = np.random.default_rng(0)
    learned = pd.DataFrame(rng.random((60, 2)), columns=["x", "y"])
    return twas.RidgePredictor().fit(learned, learned[["x"]], ["train", "validation"] * 30)


def test_features_on_disk_are_refused_and_to_memory_works(tmp_path):
    table().write_h5ad(tmp_path / "features.h5ad")
    backed = anndata.read_h5ad(tmp_path / "features.h5ad", backed="r")
    with pytest.raises(InputError, match=r"features are on disk \(backed\); read them with features.to_memory\(\)"):
        fitted().predict(backed)
    assert fitted().predict(backed.to_memory()).shape == (6, 1)


def test_whole_numbers_are_features():
    np.testing.assert_allclose(fitted().predict(np.ones((3, 2), int)), fitted().predict(np.ones((3, 2))))


def test_a_file_without_numbers_is_no_table_of_features(tmp_path):
    anndata.AnnData(obs=pd.DataFrame(index=["a"]), var=pd.DataFrame(index=["x"])).write_h5ad(tmp_path / "empty.h5ad")
    with pytest.raises(InputError, match=r"empty.h5ad has no numbers in X: it is no table of features"):
        twas.read_features(tmp_path / "empty.h5ad")


def test_a_model_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"there is no file '.*none.safetensors'"):
        twas.CtPred.read(tmp_path / "none.safetensors")


def test_labels_without_names_of_genes_are_refused_and_a_series_works():
    one = pd.DataFrame({"B": np.linspace(0, 1, 6)}, list("abcdef"))
    labels = ["train", "test", "test"] * 2
    with pytest.raises(InputError, match="split is a Series of labels by gene, as chromosome_split gives it; got list"):
        twas.across_genes(one, one, labels)
    assert twas.across_genes(one, one, pd.Series(labels, one.index)).loc["B", "n"] == 4


def test_one_cell_type_s_percentiles_can_be_a_series():
    rng = np.random.default_rng(0)
    features = pd.DataFrame(rng.random((60, 2)), columns=["x", "y"])
    model = twas.RidgePredictor().fit(features, features["x"].rename("B"), ["train", "validation"] * 30)
    assert list(model.predict(features)) == ["B"]


def test_numbers_of_processes_that_cannot_be_are_named():
    snps = pd.DataFrame({"chromosome": "1", "position": [5], "ref_allele": "A", "eff_allele": "G"}, ["rs1"])
    dosages = anndata.AnnData(np.ones((30, 1)), var=snps)
    predicted = anndata.AnnData(None, dosages.obs, pd.DataFrame(index=["FTO"]), layers={"B": np.ones((30, 1))})
    genes = pd.DataFrame({"chromosome": ["1"], "tss": [5]}, index=["FTO"])
    with pytest.raises(InputError, match=r"processes is a whole number, 1 or more; got 1\.5"):
        twas.linearise(dosages, predicted, genes, processes=1.5, progress=False)


def test_a_position_of_an_exon_that_is_no_number_is_named_with_its_line(tmp_path):
    line = '1\tx\texon\t{start}\t900\t.\t+\t.\tgene_id "{gene}"; gene_name "{gene}";\n'
    path = tmp_path / "genes.gtf"
    path.write_text(line.format(start=100, gene="FTO") + line.format(start="5e2", gene="TP53"))
    with pytest.raises(InputError, match=r"genes.gtf, line 2: position '5e2' is no whole number"):
        dna.read_annotation(path)
    path.write_text(path.read_text().replace("5e2", "200"))
    with pytest.warns(UserWarning, match="has no genes of its own: 2 are made of their exons"):
        genes = dna.read_annotation(path)
    assert genes["tss"].tolist() == [100, 200]
