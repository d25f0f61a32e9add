"""PredictDB models: what is read is what was written, and what is wrong is named with a way out that works."""

import gzip
import os
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scomics_lite.twas import PredictionModel, read_model
from scomics_lite.validation import InputError

REFERENCE = os.environ.get("SCOMICS_LITE_REFERENCE")


def weights(**changes):
    table = pd.DataFrame(
        {
            "rsid": ["rs1", "rs2", "rs1", "rs3"],
            "gene": ["ENSG01.1", "ENSG01.1", "ENSG02.2", "ENSG02.2"],
            "weight": [0.1, -0.2, 1 / 3, 1e-7],
            "ref_allele": ["A", "C", "G", "AT"],
            "eff_allele": ["G", "T", "A", "A"],
        }
    )
    return table.assign(**changes)


def extra(**changes):
    table = pd.DataFrame({"gene": ["ENSG01.1", "ENSG02.2"], "genename": ["ONE", "TWO"], "n.snps.in.model": [2, 2]})
    return table.assign(
        **{"pred.perf.R2": [0.1, 0.2], "pred.perf.pval": [1e-9, np.nan], "pred.perf.qval": 0.5, **changes}
    )


@pytest.fixture
def path(tmp_path):
    PredictionModel(weights(), extra()).write(tmp_path / "model.db")
    return tmp_path / "model.db"


def edited(path, *statements):
    """Change a file in SQLite, as somebody else's pipeline might have written it."""
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


# --- there and back ---------------------------------------------------------------------------------------------------


def test_a_model_comes_back_as_it_was_written(tmp_path):
    tables = weights(varID="chr1_1_A_G_b38"), extra(phi=[1e-6, 2e-6], gene_type="protein_coding")
    others = {"sample_info": pd.DataFrame({"n.samples": [338]})}
    PredictionModel(*tables, others).write(tmp_path / "model.db")
    model = read_model(tmp_path / "model.db")
    pd.testing.assert_frame_equal(model.weights, tables[0])
    pd.testing.assert_frame_equal(model.extra, tables[1])
    pd.testing.assert_frame_equal(model.others["sample_info"], others["sample_info"])
    assert sorted(one.name for one in tmp_path.iterdir()) == ["model.db"]


@pytest.mark.skipif(not REFERENCE, reason="SCOMICS_LITE_REFERENCE is not set: no reference tables")
def test_real_weights_of_gtex_come_back_without_loss(tmp_path):
    source = Path(REFERENCE) / "twas" / "70_gtex_v6p_wholeblood" / "model.db"
    read_model(source).write(tmp_path / "copy.db")

    def rows(path, table):
        connection = sqlite3.connect(path)
        connection.row_factory = sqlite3.Row
        found = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
        connection.close()
        return found

    for table in ("weights", "extra", "sample_info", "construction"):
        assert rows(source, table) == rows(tmp_path / "copy.db", table)


def test_rows_of_a_gene_are_brought_together_in_the_order_they_came():
    model = PredictionModel(weights().iloc[[3, 0, 2, 1]])
    assert model.genes.tolist() == ["ENSG02.2", "ENSG01.1"]
    assert model.weights["rsid"].tolist() == ["rs3", "rs1", "rs1", "rs2"]
    assert model.starts.tolist() == [0, 2, 4]
    assert model.of("ENSG01.1")["weight"].tolist() == [0.1, -0.2]


def test_a_gene_s_alleles_are_its_own_and_stay_as_they_are_written(tmp_path):
    table = weights(ref_allele=["a", "C", "g", "AT"], eff_allele=["g", "T", "a", "A"])
    PredictionModel(table).write(tmp_path / "model.db")
    model = read_model(tmp_path / "model.db")
    assert model.of("ENSG01.1")["eff_allele"].tolist() == ["g", "T"]
    assert model.of("ENSG02.2")["eff_allele"].tolist() == ["a", "A"]


def test_genes_of_one_table_alone_are_known():
    model = PredictionModel(weights(), extra(gene=["ENSG01.1", "ENSG09.9"]))
    assert model.genes_without_extra.tolist() == ["ENSG02.2"]
    assert model.genes_without_weights.tolist() == ["ENSG09.9"]
    assert "ENSG02.2" in model
    assert "ENSG09.9" not in model
    assert len(model) == 2


def test_a_model_without_performance_counts_its_snps():
    model = PredictionModel(weights())
    assert model.extra["n.snps.in.model"].tolist() == [2, 2]
    assert model.extra["genename"].tolist() == ["ENSG01.1", "ENSG02.2"]
    assert model.extra["pred.perf.R2"].isna().all()


def test_some_genes_are_a_model_too():
    model = PredictionModel(weights(), extra()).select(["ENSG02.2"])
    assert model.genes.tolist() == ["ENSG02.2"]
    assert model.extra["genename"].tolist() == ["TWO"]
    assert model.select("ENSG02.2").weights.equals(model.weights)


def test_a_model_says_what_it_is():
    assert repr(PredictionModel(weights())) == "PredictionModel: 2 genes (ENSG01.1, ENSG02.2), 4 weights of 3 SNPs"


def test_columns_with_underscores_get_their_usual_names(path):
    edited(path, 'ALTER TABLE extra RENAME COLUMN "pred.perf.R2" TO pred_perf_R2')
    assert read_model(path).extra["pred.perf.R2"].tolist() == [0.1, 0.2]


def test_reading_changes_nothing_on_the_disk(path):
    before = path.read_bytes()
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        read_model(path)
        assert path.read_bytes() == before
        assert [one.name for one in path.parent.iterdir()] == ["model.db"]
    finally:
        path.parent.chmod(0o755)


def test_many_genes_are_read(tmp_path):
    n = 90_000
    genes = np.repeat([f"ENSG{i:011}.1" for i in range(n // 30)], 30)
    table = pd.DataFrame({"rsid": [f"rs{i}" for i in range(n)], "gene": genes, "weight": 0.5, "ref_allele": "A"})
    PredictionModel(table.assign(eff_allele="G")).write(tmp_path / "model.db")
    model = read_model(tmp_path / "model.db")
    assert len(model) == 3_000


# --- what is wrong ----------------------------------------------------------------------------------------------------


def refused(path):
    with pytest.raises(InputError) as caught:
        read_model(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_file_that_is_not_there_is_named_with_those_that_are(path):
    assert "model.db" in refused(path.with_name("model.sqlite"))
    assert "is not there" in refused(path.with_name("model.sqlite"))
    assert "there is no folder" in refused(path.parent / "no" / "model.db")
    assert "is a folder" in refused(path.parent)


def test_a_compressed_file_is_read_once_it_is_unpacked(path):
    packed = path.with_name("packed.db.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert "gunzip" in refused(packed)
    unpacked = path.with_name("unpacked.db")
    unpacked.write_bytes(gzip.decompress(packed.read_bytes()))
    assert len(read_model(unpacked)) == 2


def test_what_is_no_sqlite_is_refused(tmp_path):
    (tmp_path / "weights.txt").write_text("rsid gene weight\n")
    assert "begins with 'rsid gene weight'" in refused(tmp_path / "weights.txt")
    (tmp_path / "empty.db").write_bytes(b"")
    assert "is empty" in refused(tmp_path / "empty.db")


def test_a_file_that_breaks_off_is_refused(path):
    path.write_bytes(path.read_bytes()[:5000])
    assert "download it again" in refused(path)


def test_missing_tables_and_columns_are_named_beside_those_that_are_there(path):
    edited(path, "ALTER TABLE weights RENAME COLUMN eff_allele TO alt")
    message = refused(path)
    assert "no column eff_allele" in message
    assert "rsid, gene, weight, ref_allele, alt" in message
    edited(path, "DROP TABLE weights")
    assert "no table 'weights' (tables: extra)" in refused(path)


def test_a_file_without_performance_is_read_with_a_warning(path):
    edited(path, "DROP TABLE extra")
    with pytest.warns(UserWarning, match="no table 'extra'"):
        model = read_model(path)
    assert model.extra["n.snps.in.model"].tolist() == [2, 2]


@pytest.mark.parametrize(("value", "shown"), [("NULL", "missing"), ("'abc'", "'abc'"), ("9e999", "inf")])
def test_a_weight_that_is_no_number_is_named_and_can_be_left_out(path, value, shown):
    edited(path, f"UPDATE weights SET weight = {value} WHERE rsid = 'rs2'")
    message = refused(path)
    assert f"the weight of SNP rs2 in gene ENSG01.1 is {shown}" in message
    edited(path, "DELETE FROM weights WHERE rsid = 'rs2'")  # "leave these rows out"
    assert len(read_model(path).weights) == 3


def test_a_snp_that_a_gene_has_twice_is_named_and_one_row_will_do(path):
    edited(path, "INSERT INTO weights VALUES ('rs1', 'ENSG02.2', 0.5, 'A', 'G')")
    assert "gene ENSG02.2 has SNP rs1 more than once" in refused(path)
    edited(path, "DELETE FROM weights WHERE weight = 0.5")  # "keep one"
    assert len(read_model(path).weights) == 4


def test_a_gene_that_extra_has_twice_is_named(path):
    edited(path, "INSERT INTO extra SELECT * FROM extra WHERE gene = 'ENSG01.1'")
    assert "has gene ENSG01.1 twice" in refused(path)


def test_an_empty_name_is_named_by_its_row(path):
    edited(path, "UPDATE weights SET gene = NULL WHERE rsid = 'rs3'")
    assert "gene is empty in row 4" in refused(path)


def test_a_gene_that_is_not_there_is_answered_with_the_nearest():
    model = PredictionModel(weights())
    with pytest.raises(InputError, match=r"it has 'ENSG01\.1', another version of it"):
        model.of("ENSG01.7")
    with pytest.raises(InputError, match=r"did you mean 'ENSG01\.1'"):
        model.of("ENSG011")
    with pytest.raises(InputError, match="no 1 of 2 genes, the first is 'TP53'"):
        model.select(["ENSG01.1", "TP53"])


def test_weights_are_a_table():
    with pytest.raises(InputError, match="weights is a DataFrame with the columns rsid, gene"):
        PredictionModel([1, 2])


def test_a_file_is_replaced_only_on_request(path):
    model = PredictionModel(weights()).select(["ENSG01.1"])
    with pytest.raises(InputError, match="overwrite=True"):
        model.write(path)
    assert len(read_model(path)) == 2
    model.write(path, overwrite=True)
    assert len(read_model(path)) == 1
    with pytest.raises(InputError, match="there is no folder"):
        model.write(path.parent / "no" / "model.db")


def test_a_file_is_complete_or_not_there(tmp_path):
    model = PredictionModel(weights(), extra(phi=[[1], [2]]))  # lists are nothing that SQLite can keep
    with pytest.raises(sqlite3.Error):
        model.write(tmp_path / "model.db")
    assert not list(tmp_path.iterdir())
