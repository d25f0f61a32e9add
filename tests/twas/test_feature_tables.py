"""Features come out of every layout as they went in, and what is wrong with a file is named."""

import gzip

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scomics_lite.twas import RidgePredictor, expression_percentiles, read_features
from scomics_lite.validation import InputError

N, P = 40, 6


@pytest.fixture(scope="module")
def table():
    """Genes × tracks, numbers that float32 has exactly."""
    values = np.random.default_rng(0).gamma(0.5, 2.0, (N, P)).astype(np.float32)
    return pd.DataFrame(
        values, index=[f"GENE{number}" for number in range(N)], columns=[f"DNASE:{number}" for number in range(P)]
    )


@pytest.fixture
def write(tmp_path):
    """Write text into a file and give its path."""

    def written(text, name="features.csv"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return written


def same(found, table):
    assert found.X.dtype == np.float32
    np.testing.assert_array_equal(found.X, table.to_numpy())
    assert list(found.obs_names) == list(table.index)
    assert list(found.var_names) == list(table.columns)


def refused(path, match, **settings):
    with pytest.raises(InputError, match=match):
        read_features(path, **settings)


# --- AnnData --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, lambda values: values.astype(np.float64)])
def test_anndata_files_come_back(table, tmp_path, kind):
    obs = pd.DataFrame({"chromosome": "7"}, index=table.index)
    anndata.AnnData(kind(table.to_numpy()), obs, pd.DataFrame(index=table.columns)).write_h5ad(tmp_path / "x.h5ad")
    found = read_features(tmp_path / "x.h5ad")
    same(found, table)
    assert set(found.obs["chromosome"]) == {"7"}
    chosen = ["GENE7", "GENE3"]
    same(read_features(tmp_path / "x.h5ad", genes=chosen), table.loc[chosen])
    refused(tmp_path / "x.h5ad", "whose matrix is X: leave out key='X'", key="X")


# --- HDF5 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("matrix", "genes", "tracks"), [("features", "genes", "tracks"), ("a/data", "a/x", "a/y")])
@pytest.mark.parametrize("variable", [True, False])
def test_a_matrix_with_names_beside_it_comes_back(table, tmp_path, matrix, genes, tracks, variable):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset(matrix, data=table.to_numpy(), chunks=(7, 3), compression="gzip")
        for name, names in ((genes, table.index), (tracks, table.columns)):
            file[name] = names.to_numpy() if variable else np.char.encode(names.to_numpy(dtype=str))
        file["numbers"] = np.arange(N)  # which name nothing
    same(read_features(tmp_path / "x.h5"), table)
    same(read_features(tmp_path / "x.h5", key=matrix), table)
    chosen = ["GENE30", "GENE2", "GENE31"]
    same(read_features(tmp_path / "x.h5", genes=chosen), table.loc[chosen])


def test_a_data_set_for_each_gene_gives_the_mean_over_its_bins(table, tmp_path):
    bins = np.random.default_rng(1).random((N, 4, P)).astype(np.float32)
    with h5py.File(tmp_path / "person.h5", "w") as file:
        for gene, values in zip(table.index, bins, strict=True):
            file[f"haplotype1/{gene}_predictions"] = values
    found = read_features(tmp_path / "person.h5", key="haplotype1", genes=table.index)
    np.testing.assert_allclose(found.X, bins.mean(axis=1), rtol=1e-6)
    assert list(found.var_names) == [f"track_{number}" for number in range(P)]
    refused(tmp_path / "person.h5", r"neither a matrix .* nor a data set .*haplotype1/GENE0_predictions \(4, 6\)")
    with h5py.File(tmp_path / "person.h5", "a") as file:
        file["haplotype1/GENE0"] = bins[0]
    refused(tmp_path / "person.h5", r"gene 'GENE0' comes 2 times", key="haplotype1")
    with h5py.File(tmp_path / "person.h5", "a") as file:
        del file["haplotype1/GENE0"]
        file["haplotype1/GENE_short"] = [1.0]
    refused(tmp_path / "person.h5", r"gene 'GENE_short' has 1 tracks, the first one 6", key="haplotype1")


def test_what_an_hdf5_file_lacks_is_named(table, tmp_path):
    path = tmp_path / "x.h5"

    def written(**parts):
        with h5py.File(path, "w") as file:
            for name, values in parts.items():
                file[name.replace("__", "/")] = values
        return path

    names, values = table.index.to_numpy(), table.to_numpy()
    refused(written(), r"neither a matrix .* It has nothing")
    refused(written(x=values, notes=["a"]), r"neither a matrix .*notes \(1,\), x \(40, 6\)")
    refused(written(x=values, notes=["a"]), r"beside /x, \(40, 6\), no text has a name for each row", key="x")
    refused(written(x=values, genes=names), r"has no 'y'\. It has genes \(40,\), x \(40, 6\)", key="y")
    refused(written(x=values, genes=names), r"/genes has shape \(40,\), where a matrix", key="genes")
    refused(written(x=values, y=values, genes=names), r"several matrices; say which with key: 'x', 'y'")
    refused(written(x=values, a=names, b=names), r"a, b could all be names; call the right one 'genes'")
    same(read_features(written(x=values, a=names, gene_id=names, tracks=table.columns.to_numpy())), table)


def test_files_of_pandas_are_named_with_a_way_out(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:  # as HDFStore marks its files
        file.attrs["PYTABLES_FORMAT_VERSION"] = "2.1"
        file["frame/block0_values"] = np.ones((2, 3))
    refused(tmp_path / "x.h5", r"written by pandas \(HDFStore\).*read_hdf\(path\).to_csv\('features.csv.gz'\)")


def test_a_file_that_breaks_off_is_named(table, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = table.to_numpy()
    (tmp_path / "cut.h5").write_bytes((tmp_path / "x.h5").read_bytes()[:1000])
    refused(tmp_path / "cut.h5", "cut.h5 is damaged or not complete .*: copy or download it again")
    refused(tmp_path / "none.csv", "none.csv is not there")


# --- text -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.csv.gz", "x.txt"])
def test_text_files_come_back(table, tmp_path, name):
    separator = {".csv": ",", ".tsv": "\t", ".txt": " ", ".gz": ","}["." + name.rsplit(".", 1)[-1]]
    table.rename_axis("gene_name").to_csv(tmp_path / name, sep=separator)
    same(read_features(tmp_path / name), table)
    chosen = ["GENE20", "GENE3"]
    same(read_features(tmp_path / name, genes=chosen), table.loc[chosen])


def test_a_table_that_pandas_wrote_without_a_name_comes_back(table, tmp_path):
    table.to_csv(tmp_path / "x.csv")
    same(read_features(tmp_path / "x.csv"), table)


def test_tables_in_the_layout_of_scpredixcan_come_back(table, tmp_path):
    # numbers of lines, name, chromosome, tracks by number, and the target that it is trained on
    wide = table.set_axis(range(P), axis=1)
    wide.insert(0, "gene_name", wide.index)
    wide.insert(1, "chromo", ["chr1", "chrX"] * (N // 2))
    wide = wide.assign(mean_expression=np.linspace(0, 1, N)).reset_index(drop=True)
    wide.to_csv(tmp_path / "training.csv")
    found = read_features(tmp_path / "training.csv")
    same(found, table.set_axis([f"track_{number}" for number in range(P)], axis=1))
    assert found.obs["chromosome"].tolist()[:2] == ["1", "X"]
    np.testing.assert_allclose(found.obs["mean_expression"], np.linspace(0, 1, N))
    assert list(found.obs) == ["mean_expression", "chromosome"]


def test_tracks_by_number_have_enformer_s_names_where_there_are_as_many(write):
    numbers = range(5_313)
    path = write(f"gene_name,{','.join(map(str, numbers))}\nFTO,{','.join(map(str, numbers))}\n")
    found = read_features(path)
    assert list(found.var_names[[0, 5_312]]) == ["enformer_0", "enformer_5312"]
    np.testing.assert_array_equal(found.X[0], numbers)


def test_tables_of_many_parts_come_back(table, tmp_path, monkeypatch):
    monkeypatch.setattr("scomics_lite.twas.sequence_models.text_features.TOGETHER", 3 * P)
    table.rename_axis("gene").to_csv(tmp_path / "x.csv")
    same(read_features(tmp_path / "x.csv"), table)


def test_the_column_of_names_can_be_said(write):
    path = write("symbol,CTCF\nFTO,1\n")
    refused(path, r"no column is called gene_name, .*say with key which one names the genes. It has symbol, CTCF")
    assert list(read_features(path, key="symbol").obs_names) == ["FTO"]
    refused(path, r"has no column 'symbl': did you mean 'symbol'", key="symbl")


def test_names_in_quotation_marks_and_of_digits_come_back(write):
    path = write('"gene_id","CTCF"\n"0071",1\n"FTO, long",2\n')
    assert list(read_features(path).obs_names) == ["0071", "FTO, long"]


def test_lines_without_a_name_are_named_unless_the_genes_are(write):
    path = write("gene_name,CTCF\nFTO,1\n,2\nTP53,3\n,4\n")
    refused(path, r"no name of a gene in column 'gene_name', row 2, 4 below the header.*say with `genes`")
    assert read_features(path, genes=["TP53", "FTO"]).X.tolist() == [[3], [1]]


def test_columns_that_are_no_numbers_are_named(write):
    path = write("gene_name,CTCF,strands,GATA1,seen\nFTO,1,+,1.5,True\nTP53,2,-,1O,False\n")
    message = (
        r"3 columns have something else than numbers: 'strands' \('\+' of gene 'FTO'\), 'GATA1' \('1O' of gene 'TP53'"
    )
    refused(path, message)
    path = write("gene_name,CTCF\nFTO,1\nTP53,x\n")
    assert read_features(path, genes=["FTO"]).X.tolist() == [[1]]


@pytest.mark.parametrize(("word", "value"), [("NA", "nan"), ("", "nan"), ("inf", "inf"), ("-inf", "-inf")])
def test_values_that_are_missing_or_infinite_are_named_by_gene_and_track(write, word, value):
    path = write(f"gene_name,CTCF,GATA1\nFTO,1,2\nTP53,3,{word}\n")
    refused(path, rf"gene 'TP53' has {value} in track 'GATA1': .*Leave such genes out with `genes`")
    assert read_features(path, genes=["FTO"]).X.tolist() == [[1, 2]]


def test_lines_of_another_length_are_named(write):
    refused(write("gene_name,CTCF,GATA1\nFTO,1,2\nTP53,3\n"), r"gene 'TP53' has nan in track 'GATA1': .*cut off")
    refused(write("gene_name,CTCF\nFTO,1\nTP53,3,4\n"), r"2 columns, and a line with more fields .*line 3, saw 3")
    refused(write("gene_name,CTCF\nFTO,1,5\n"), r"2 columns, and a line with more fields")


def test_a_text_file_that_breaks_off_is_named(tmp_path, table):
    table.rename_axis("gene").to_csv(tmp_path / "x.csv.gz")
    packed = (tmp_path / "x.csv.gz").read_bytes()
    (tmp_path / "cut.csv.gz").write_bytes(packed[: len(packed) // 2])
    refused(tmp_path / "cut.csv.gz", "cut.csv.gz breaks off or is damaged")
    (tmp_path / "empty.csv").write_text("")
    refused(tmp_path / "empty.csv", "empty.csv is empty")
    (tmp_path / "header.csv").write_text("gene_name,CTCF\n")
    refused(tmp_path / "header.csv", "header.csv has no gene")


def test_names_that_come_twice_are_named(write):
    path = write("gene_name,CTCF\nFTO,1\nTP53,2\nFTO,3\n")
    refused(path, r"gene 'FTO' comes 2 times \(genes number 1, 3\); keep one, or leave this gene out with `genes`")
    assert read_features(path, genes=["TP53"]).X.tolist() == [[2]]
    refused(write("gene_name,CTCF,CTCF\nFTO,1,2\n"), r"column 'CTCF' comes twice")
    refused(write("gene_name,chromo\nFTO,chr1\n"), r"has no track: its columns gene_name, chromo name or describe")


def test_genes_that_are_not_there_are_named(write):
    path = write("gene_name,CTCF\nFTO,1\nTP53,2\n")
    refused(path, r"lacks 1 of the 2 genes asked for: 'FT0'\. Names are to be those of", genes=["FT0", "TP53"])
    refused(path, r"has no gene, or none of those asked for", genes=["FT0"])
    refused(path, r"genes is a list of names; put 'FTO' into one", genes="FTO")
    refused(path, r"genes: 'FTO' comes twice", genes=["FTO", "FTO"])


# --- and then -------------------------------------------------------------------------------------------------------


def test_a_table_trains_a_model_which_names_tracks_that_another_table_lacks(table, tmp_path):
    table.rename_axis("gene").to_csv(tmp_path / "x.csv")
    features = read_features(tmp_path / "x.csv")
    expression = pd.DataFrame({"T cell": table.sum(axis=1)})
    split = pd.Series(["train"] * 30 + ["validation"] * 5 + ["test"] * 5, index=table.index)
    model = RidgePredictor().fit(features, expression_percentiles(expression), split)
    assert model.predict(features).shape == (N, 1)
    table.iloc[:, :4].rename_axis("gene").to_csv(tmp_path / "fewer.csv")
    with pytest.raises(InputError, match=r"2 of the 6 tracks .* are not .*'DNASE:4', 'DNASE:5'"):
        model.predict(read_features(tmp_path / "fewer.csv"))
