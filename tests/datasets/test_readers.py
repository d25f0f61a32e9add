"""Every reader on small files written here in the format of its set, traps included; making recipes and stand-ins.

The numbers are this file's own, so these tests need no data set. `test_datasets_real.py` reads the real files.
"""

import gzip
import json
from pathlib import Path
from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
import rdata
from fixtures.r_files import RObject, r_matrix, write_rda
from matplotlib import image
from scipy import sparse

from scomics_lite import datasets
from scomics_lite.datasets import readers, standins


def read(name, folder):
    """Call the reader as `datasets.load` does."""
    return readers.READERS[name]({path.name: path for path in folder.iterdir()})


def assert_counts(matrix, expected, kind):
    """Check the container, the type of the numbers and every number of samples × genes."""
    assert isinstance(matrix, kind)
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrix.toarray() if sparse.issparse(matrix) else matrix, expected)


def assert_levels(column, values, levels):
    assert column.tolist() == values
    assert column.cat.categories.tolist() == levels


# --- files of R -------------------------------------------------------------------------------------------------------


def as_read(folder, value):
    """Give back what rdata makes of a value once it is in a file."""
    write_rda(folder / "value.rda", value=value)
    return rdata.read_rda(folder / "value.rda")["value"]


def r_column_sparse(table):
    """Make the object as which rdata reads R's ``dgCMatrix``, of genes × cells."""
    matrix = sparse.csc_matrix(table.to_numpy(dtype=float))
    return SimpleNamespace(
        i=matrix.indices,
        p=matrix.indptr,
        x=matrix.data,
        Dim=np.array(table.shape),
        Dimnames=[table.index.to_numpy(dtype=str), table.columns.to_numpy(dtype=str)],
    )


@pytest.fixture
def rda_holds(monkeypatch):
    """Stand in for reading S4 objects, which rdata cannot write: {file name: {variable: value}}."""

    def hold(contents):
        monkeypatch.setattr(readers, "read_r", lambda path: contents[path.name])
        return {name: Path(name) for name in contents}

    return hold


def test_r_classes_that_rdata_does_not_know_come_back_plain_and_silently(tmp_path):
    thing = RObject(np.array([1.5, 2.5]), {"names": np.array(["a", "b"]), "class": "strange"})
    write_rda(tmp_path / "thing.rda", thing=thing, café="naïve")
    with pytest.warns(UserWarning, match="Missing constructor"):
        rdata.read_rda(tmp_path / "thing.rda")
    stored = readers.read_r(tmp_path / "thing.rda")  # a warning would be an error here
    assert list(stored) == ["thing", "café"]
    assert stored["thing"].to_numpy().tolist() == [1.5, 2.5]
    assert stored["café"] == ["naïve"]


# --- bulk -------------------------------------------------------------------------------------------------------------


def test_pasilla_matches_the_annotation_by_name_without_fb(tmp_path):
    (tmp_path / "pasilla_gene_counts.tsv").write_text(
        "gene_id\tuntreated1\tuntreated2\ttreated1\tfb\nFBgn1\t0\t1\t2\t7\nFBgn2\t30\t40\t3000000000\t8\n"
    )
    (tmp_path / "pasilla_sample_annotation.csv").write_text(
        '"file","condition","type","number of lanes"\n'
        '"treated1fb","treated","single-read",5\n"untreated2fb","untreated","paired-end",2\n'
        '"fbfb","treated","paired-end",2\n"elsewherefb","treated","paired-end",2\n"untreated1fb","untreated","single-read",2\n'
    )
    adata = read("pasilla", tmp_path)
    assert_counts(adata.X, [[0, 30], [1, 40], [2, 3_000_000_000], [7, 8]], np.ndarray)
    assert adata.X.flags.c_contiguous
    assert adata.obs_names.tolist() == ["untreated1", "untreated2", "treated1", "fb"]
    assert adata.var_names.tolist() == ["FBgn1", "FBgn2"]
    assert list(adata.obs) == ["condition", "type"]
    assert_levels(adata.obs["condition"], ["untreated"] * 2 + ["treated"] * 2, ["untreated", "treated"])
    assert_levels(adata.obs["type"], ["single", "paired", "single", "paired"], ["paired", "single"])


def test_airway_takes_the_metadata_in_the_order_of_the_counts(tmp_path):
    (tmp_path / "airway_rawcounts.csv").write_text("ensgene,S1,S2,S3\nE1,5,6,7\nE2,0,0,0\n")
    (tmp_path / "airway_metadata.csv").write_text(
        "id,dex,celltype,geo_id\nS3,treated,N052611,G3\nS1,treated,N61311,G1\nS2,control,N61311,G2\n"
    )
    adata = read("airway", tmp_path)
    assert_counts(adata.X, [[5, 0], [6, 0], [7, 0]], np.ndarray)
    assert adata.obs_names.tolist() == ["S1", "S2", "S3"]
    assert adata.obs_names.name is None
    assert adata.var_names.tolist() == ["E1", "E2"]
    assert_levels(adata.obs["dex"], ["treated", "control", "treated"], ["control", "treated"])
    assert_levels(adata.obs["celltype"], ["N61311", "N61311", "N052611"], ["N052611", "N61311"])
    assert adata.obs["geo_id"].tolist() == ["G1", "G2", "G3"]


def test_pickrell_takes_counts_and_people_out_of_an_expression_set(tmp_path, rda_holds):
    counts = pd.DataFrame([[1, 2, 3], [4, 5, 0]], index=["ENSG1", "LRG_1"], columns=["NA3", "NA1", "NA2"])
    people = pd.DataFrame(
        {
            "num.tech.reps": [2.0, 1.0, 1.0],
            "population": pd.Categorical(["YRI", "CEU", "YRI"]),
            "study": pd.Categorical(["Pickrell", "Montgomery", "Pickrell"]),
            "gender": pd.Categorical(["male", "female", "male"]),
        },
        index=["NA1", "NA2", "NA3"],
    )
    experiment = SimpleNamespace(
        assayData={"exprs": as_read(tmp_path, r_matrix(counts))},
        phenoData=SimpleNamespace(data=as_read(tmp_path, people)),
    )
    adata = readers.READERS["pickrell"](rda_holds({"pickrell.rda": {"pickrell.eset": experiment}}))
    assert_counts(adata.X, [[1, 4], [2, 5], [3, 0]], np.ndarray)
    assert adata.obs_names.tolist() == ["NA3", "NA1", "NA2"]
    assert adata.var_names.tolist() == ["ENSG1", "LRG_1"]
    assert list(adata.obs) == ["gender", "population", "study"]
    assert_levels(adata.obs["gender"], ["male", "male", "female"], ["female", "male"])
    assert_levels(adata.obs["population"], ["YRI", "YRI", "CEU"], ["CEU", "YRI"])
    assert_levels(adata.obs["study"], ["Pickrell", "Pickrell", "Montgomery"], ["Montgomery", "Pickrell"])


def test_mouse_ko_keeps_fractions_and_loses_the_tab(tmp_path):
    (tmp_path / "raw_counts_mouseKO.csv").write_text("\tKO1,KO2,WT1\nENSMUSG1,5424.67,0,1\nENSMUSG2,0,2.5,3\n")
    adata = read("mouseKO", tmp_path)
    np.testing.assert_array_equal(adata.X, [[5424.67, 0], [0, 2.5], [1, 3]])
    assert adata.obs_names.tolist() == ["KO1", "KO2", "WT1"]
    assert adata.var_names.tolist() == ["ENSMUSG1", "ENSMUSG2"]
    assert_levels(adata.obs["genotype"], ["KO", "KO", "WT"], ["WT", "KO"])


# --- single cells -----------------------------------------------------------------------------------------------------


def test_islam_tells_the_types_by_the_names(tmp_path):
    table = pd.DataFrame({"MEF_02": [0, 70_000], "ESC_10": [3, 0], "ESC_01": [0, 0]}, index=["Rpl4", "Fn1"])
    write_rda(tmp_path / "es.mef.small.rda", **{"es.mef.small": table})
    adata = read("islam_esmef", tmp_path)
    assert_counts(adata.X, [[0, 70_000], [3, 0], [0, 0]], sparse.csr_matrix)
    assert adata.X.nnz == 2
    assert adata.obs_names.tolist() == ["MEF_02", "ESC_10", "ESC_01"]
    assert adata.var_names.tolist() == ["Rpl4", "Fn1"]
    assert_levels(adata.obs["celltype"], ["MEF", "ESC", "ESC"], ["ESC", "MEF"])


def test_pollen_keeps_week_21_and_week_21_in_culture_apart(tmp_path):
    cells = ["Hi_GW21+3_1", "Hi_GW21_10", "Hi_NPC_2", "Hi_GW16_1"]
    table = pd.DataFrame([[1, 0, 2, 0], [0, 0, 0, 9]], index=["A1BG", "A1BG-AS1"], columns=cells)
    write_rda(tmp_path / "pollen.rda", pollen=r_matrix(table))
    adata = read("pollen", tmp_path)
    assert_counts(adata.X, [[1, 0], [0, 0], [2, 0], [0, 9]], sparse.csr_matrix)
    assert adata.X.nnz == 3
    assert adata.obs_names.tolist() == cells
    assert adata.var_names.tolist() == ["A1BG", "A1BG-AS1"]
    assert_levels(adata.obs["celltype"], ["GW21+3", "GW21", "NPC", "GW16"], ["NPC", "GW16", "GW21", "GW21+3"])


def test_kang_turns_r_columns_into_rows_and_finds_the_donors(tmp_path, rda_holds):
    cells = ["AAA-1", "CCC-1", "GGG-1"]
    # a gene and two cells have no count, the last ones among them
    counts = pd.DataFrame([[5, 0, 0], [7, 0, 0], [0, 0, 0]], index=["HES4", "ISG15", "PRMT2"], columns=cells)
    places = pd.DataFrame([[1.5, -2.0], [0.0, 4.0], [3.0, 3.5]], index=cells, columns=["tsne1", "tsne2"])
    ensembl = np.array(["ENSG1", "ENSG2", "ENSG3"])
    design = {
        "cluster_id": pd.Categorical(["NK cells", "B cells", "B cells"]),
        "sample_id": pd.Categorical(["stim107", "ctrl101", "ctrl107"]),
        "group_id": pd.Categorical(["stim", "ctrl", "ctrl"], categories=["stim", "ctrl"]),
    }

    def data_of(**columns):
        return SimpleNamespace(listData=columns)

    experiment = SimpleNamespace(
        assays=SimpleNamespace(data=data_of(counts=r_column_sparse(counts), logcounts=None)),
        colData=SimpleNamespace(listData=design, rownames=np.array(cells)),
        rowRanges=SimpleNamespace(elementMetadata=data_of(ENSEMBL=ensembl)),
        int_colData=data_of(reducedDims=data_of(TSNE=as_read(tmp_path, r_matrix(places)))),
    )
    adata = readers.READERS["kang_muscat"](rda_holds({"example_sce.rda": {"example_sce": experiment}}))
    assert_counts(adata.X, [[5, 7, 0], [0, 0, 0], [0, 0, 0]], sparse.csr_matrix)
    assert adata.obs_names.tolist() == cells
    assert adata.var_names.tolist() == ["HES4", "ISG15", "PRMT2"]
    assert adata.var["ensembl"].tolist() == ["ENSG1", "ENSG2", "ENSG3"]
    np.testing.assert_array_equal(adata.obsm["X_tsne"], places)
    assert_levels(adata.obs["cluster_id"], ["NK cells", "B cells", "B cells"], ["B cells", "NK cells"])
    assert_levels(adata.obs["group_id"], ["stim", "ctrl", "ctrl"], ["ctrl", "stim"])
    assert_levels(adata.obs["sample_id"], ["stim107", "ctrl101", "ctrl107"], ["ctrl101", "ctrl107", "stim107"])
    assert_levels(adata.obs["donor"], ["107", "101", "107"], ["101", "107"])


# --- several modalities, and space ------------------------------------------------------------------------------------


def test_cite_joins_the_pieces_of_the_rna_with_proteins_and_labels(tmp_path):
    # one gene more than fit into a piece of the table; a symbol comes twice, and CD4 is a gene and a protein
    symbols = ["CD4", "DUP", "DUP"] + [f"GENE{i}" for i in range(3, 2_001)]
    counts = np.zeros((2_001, 3), dtype=int)
    counts[[0, 1, 2, 2_000], [0, 1, 2, 1]] = [5, 6, 7, 8]
    cells = ["AAA-1", "CCC-1", "GGG-1"]
    pd.DataFrame(counts, index=symbols, columns=cells).to_csv(tmp_path / "GSM4476363_RNA_raw.csv.gz")
    (tmp_path / "GSM4476364_ADT_raw.csv").write_text(",AAA-1,CCC-1,GGG-1\nCD154,103,43,0\nCD4,144,44,4385\n")
    (tmp_path / "truth_InHouse.csv").write_text(
        '"Barcode","trueType"\n"GGG-1","unknown"\n"TTT-1","NK cells"\n"AAA-1","zeta cells"\n"CCC-1","B cells"\n'
    )
    both = read("cite_pbmc_inhouse", tmp_path)
    assert list(both.mod) == ["rna", "protein"]
    assert_counts(both["rna"].X, counts.T, sparse.csr_matrix)
    assert both["rna"].X.nnz == 4
    assert both["rna"].var_names[[0, 1, 2, 2_000]].tolist() == ["CD4", "DUP", "DUP-1", "GENE2000"]
    assert both["rna"].var["symbol"].tolist() == symbols
    assert_counts(both["protein"].X, [[103, 144], [43, 44], [0, 4385]], sparse.csr_matrix)
    assert both["protein"].var_names.tolist() == ["CD154_protein", "CD4_protein"]
    assert both["protein"].var["symbol"].tolist() == ["CD154", "CD4"]
    for obs in (both.obs, both["rna"].obs, both["protein"].obs):
        assert obs.index.tolist() == cells
        assert_levels(obs["celltype"], ["zeta cells", "B cells", "unknown"], ["B cells", "zeta cells", "unknown"])


N_PEAKS = 90


@pytest.fixture
def snare_folder(tmp_path):
    """Write cells that just meet and just miss each threshold of the card; give back which must be chosen."""
    cells = pd.DataFrame(
        [("Big", 81, 150, True)] * 200
        + [("L2/3", 80, 150, True), ("L2/3", 79, 900, False), ("L2/3", 85, 149, False)]
        + [("Big", 80, 900, False)] * 2  # the shallowest two of 402
        + [("Few", 85, 900, False)] * 19  # a class of 19 …
        + [("Few", 79, 900, False)]  # … even with this one, which is no usable cell
        + [("Mis", 85, 900, False)] * 25
        + [("L2/3", 82, 160, True)] * 19  # twenty with the first
        + [("Big", 81, 151, True)] * 200,
        columns=["celltype", "peaks", "umi", "chosen"],
    )
    atac = (np.arange(N_PEAKS) < cells["peaks"].to_numpy()[:, None]).astype(int)
    atac[cells["peaks"] == 79, :79] = 3  # many fragments do not make up for a closed peak
    atac[:, 86:88] = 0
    rare = cells.index[cells["chosen"]]
    atac[np.ix_(rare[:9], [88])] = 2  # 18 fragments, but in 9 cells only
    atac[np.ix_(rare[-10:], [89])] = 1
    rna = np.stack([cells.index % 7, cells["umi"] - cells.index % 7], axis=1)
    prior = np.arange(2 * N_PEAKS).reshape(2, N_PEAKS)
    for name, table in (("GxC1", rna.T), ("RxC1", atac.T), ("GxR", prior)):
        sparse.save_npz(tmp_path / f"{name}.npz", sparse.csr_matrix(table))
    (tmp_path / "genes.txt").write_text("Xkr4\nRp1\n")
    (tmp_path / "regions.txt").write_text("".join(f"chr{i}_{i}00_{i}50\n" for i in range(1, N_PEAKS + 1)))
    notes = pd.DataFrame({"Batch": "09A", "Barcode": "ACGT", "Ident": cells["celltype"] + "x"})
    notes["cluster (remapped)"] = cells["celltype"]
    notes.set_axis("09A_" + cells.index.astype(str)).to_csv(tmp_path / "meta_c1.csv")
    return tmp_path, np.flatnonzero(cells["chosen"]), cells["celltype"], rna, atac, prior


def test_snare_keeps_the_cells_and_peaks_of_its_card(snare_folder):
    folder, chosen, celltype, rna, atac, prior = snare_folder
    both = read("snare_cortex", folder)
    assert both.obs_names.tolist() == [f"09A_{i}" for i in chosen]
    peaks = [*range(82), 89]  # 82 to 87 are open in no chosen cell, 88 in nine
    assert_counts(both["rna"].X, rna[chosen], sparse.csr_matrix)
    assert_counts(both["atac"].X, atac[np.ix_(chosen, peaks)], sparse.csr_matrix)
    assert both["rna"].var_names.tolist() == ["Xkr4", "Rp1"]
    assert both["atac"].var_names[[0, 82]].tolist() == ["chr1_100_150", "chr90_9000_9050"]
    assert both["atac"].var.iloc[82].to_dict() == {"chrom": "chr90", "start": 9000, "end": 9050}
    np.testing.assert_array_equal(both.uns["gene_peaks"].toarray(), prior[:, peaks])
    for obs in (both.obs, both["rna"].obs, both["atac"].obs):
        assert_levels(obs["celltype"], celltype[chosen].tolist(), ["Big", "L2/3"])
        assert obs["celltype"].value_counts().to_dict() == {"Big": 400, "L2/3": 20}
        assert_levels(obs["subtype"], (celltype[chosen] + "x").tolist(), ["Bigx", "L2/3x"])
        assert_levels(obs["batch"], ["09A"] * 420, ["09A"])


def test_scicar_gets_its_counts_back_exactly(tmp_path, rda_holds):
    cells = ["sci_A", "sci_B", "sci_C"]
    counts = pd.DataFrame([[1, 0, 1], [17, 1, 1], [0, 9_999, 0]], index=["GPR153", "ACOT7", "SOGA3"], columns=cells)
    logged = np.log1p(counts * [2.66, 0.0137, 31.0])  # a scale for each cell
    peaks = ["1-9963-10665", "X-5-9"]
    accessible = pd.DataFrame([[3.625, 0, 0], [1.5, 0, 2.25]], index=peaks, columns=cells)
    labels = as_read(tmp_path, pd.DataFrame({"Time": [3, 0, 1]}, index=cells))
    data = {"RNA": r_column_sparse(logged), "ATAC": r_column_sparse(accessible)}
    both = readers.READERS["scicar_a549"](rda_holds({"data_A549.rda": {"data_A549": {"data": data, "labels": labels}}}))
    assert list(both.mod) == ["rna", "atac"]
    assert_counts(both["rna"].X, counts.T, sparse.csr_matrix)
    assert isinstance(both["atac"].X, sparse.csr_matrix)
    np.testing.assert_array_equal(both["atac"].X.toarray(), accessible.T)
    assert both["rna"].var_names.tolist() == ["GPR153", "ACOT7", "SOGA3"]
    assert both["atac"].var_names.tolist() == peaks
    assert both["atac"].var.to_dict("list") == {"chrom": ["1", "X"], "start": [9963, 5], "end": [10665, 9]}
    for obs in (both.obs, both["rna"].obs, both["atac"].obs):
        assert obs.index.tolist() == cells
        assert_levels(obs["hours"], ["3", "0", "1"], ["0", "1", "3"])


def write_slice(folder, section):
    with gzip.open(folder / f"{section}.tsv.gz", "wt") as stream:
        stream.write("\tSAMD11\tNOC2L\tHES4\n10x13\t0\t6\t0\n9x21\t2\t0\t0\n9x3\t0\t0\t1\n")
    # spots in another order, and a labelled one without counts; the tables share the measured place new_x, new_y only
    (folder / f"{section}_selection.tsv").write_text(
        "x\ty\tnew_x\tnew_y\tpixel_x\tpixel_y\tselected\n9\t21\t9.02\t20.994\t1002.5\t1761.25\t1\n"
        "22\t12\t21.939\t11.948\t4550.31\t2394.07\t1\n10\t13\t10.01\t13.02\t2000\t3000.5\t1\n9\t3\t9.1\t3.2\t7\t8\t1\n"
    )
    (folder / f"{section}_labeled_coordinates.tsv").write_text(
        "Row.names\tx\ty\tpixel_x\tpixel_y\tlabel\na\t10.01\t13.02\t0\t0\timmune infiltrate\n"
        "b\t9.1\t3.2\t0\t0\tinvasive cancer\nc\t21.939\t11.948\t0\t0\tadipose tissue\n"
        "d\t9.02\t20.994\t0\t0\tbreast glands\n"
    )


def test_her2st_joins_spots_labels_and_pixels_by_place(tmp_path):
    write_slice(tmp_path, "H1")
    adata = read("her2st_H1", tmp_path)
    assert_counts(adata.X, [[0, 6, 0], [2, 0, 0], [0, 0, 1]], sparse.csr_matrix)
    assert adata.X.nnz == 3
    assert adata.obs_names.tolist() == ["10x13", "9x21", "9x3"]
    assert adata.var_names.tolist() == ["SAMD11", "NOC2L", "HES4"]
    assert_levels(
        adata.obs["label"],
        ["immune infiltrate", "breast glands", "invasive cancer"],
        ["invasive cancer", "breast glands", "immune infiltrate"],
    )
    assert adata.obs["array_x"].tolist() == [10, 9, 9]
    assert adata.obs["array_y"].tolist() == [13, 21, 3]
    np.testing.assert_array_equal(adata.obsm["spatial"], [[2000, 3000.5], [1002.5, 1761.25], [7, 8]])
    assert "spatial" not in adata.uns  # this tumour comes without an image


@pytest.mark.parametrize("channels", [3, 4])
def test_her2st_a1_has_its_image_without_transparency(tmp_path, channels):
    write_slice(tmp_path, "A1")
    pixels = np.arange(256 * channels).reshape(channels, 256).T.reshape(32, 8, channels).astype(np.uint8)  # every shade
    image.imsave(tmp_path / "A1_HE_image_dark.png", pixels)
    adata = read("her2st_A1", tmp_path)
    library = adata.uns["spatial"]["A1"]
    assert library["images"]["hires"].dtype == np.uint8
    np.testing.assert_array_equal(library["images"]["hires"], pixels[..., :3])
    assert library["scalefactors"] == {"tissue_hires_scalef": 1 / 3.42}


# --- recipes of the stand-ins -----------------------------------------------------------------------------------------


def bundled_recipe(name):
    return standins.read_recipe(datasets.data_folder() / "simulated", f"{name}_simulated")


def load(name):
    """Stand in for `datasets.load`: the stand-in of a set instead of the set."""
    return datasets.load(f"{name}_simulated")


def mice(counts):
    genotype = pd.Categorical(["KO", "KO", "WT", "KO", "WT", "WT"], categories=["WT", "KO"])
    obs = pd.DataFrame({"genotype": genotype, "age": range(6)}, index=[f"m{i}" for i in range(6)])
    return anndata.AnnData(np.asarray(counts), obs=obs)


def test_a_recipe_holds_the_design_in_runs_and_what_can_be_counted_by_hand():
    rng = np.random.default_rng(3)
    counts = rng.poisson(30, (6, 200)).astype(float)
    counts[:, 150:] = 0  # a quarter is not expressed
    fractional = counts.copy()
    fractional[:, :60] += 0.25  # 60 of 150 expressed genes have no whole numbers
    recipe = standins.estimate("mouseKO", mice(fractional))
    assert {key: recipe[key] for key in standins.SETTINGS["mouseKO"]} == standins.SETTINGS["mouseKO"]
    assert recipe["levels"] == {"genotype": ["WT", "KO"]}  # age is no category
    runs = [("KO", 2), ("WT", 1), ("KO", 1), ("WT", 2)]
    assert recipe["design"] == [{"genotype": genotype, "n": n} for genotype, n in runs]
    assert recipe["fractional"] == 0.4
    assert recipe["sparse"] is False
    parameters = recipe["parameters"]
    totals = np.log(counts.sum(axis=1))
    assert parameters["log_library_mean"] == float(f"{totals.mean():.6g}")
    assert parameters["log_library_sd"] == float(f"{totals.std(ddof=1):.6g}")
    assert parameters["n_genes"] == 200
    assert parameters["unexpressed"] == 0.25  # at 30 reads a gene, chance adds none
    assert len(parameters["log_share_quantiles"]) == 101
    assert json.loads(json.dumps(recipe)) == recipe
    obs = standins.make(recipe).obs
    assert_levels(obs["genotype"], ["KO", "KO", "WT", "KO", "WT", "WT"], ["WT", "KO"])


def test_a_recipe_of_whole_numbers_has_no_fractions_and_all_genes_stay_expressed():
    recipe = standins.estimate("mouseKO", mice(np.random.default_rng(3).poisson(30, (6, 100)).astype(np.int64)))
    assert "fractional" not in recipe
    assert recipe["parameters"]["unexpressed"] == 0
    made = standins.make(recipe)
    assert made.X.dtype == np.int64
    assert (made.X.sum(axis=0) > 0).all()


def test_faint_genes_without_a_read_are_taken_off_the_unexpressed_ones():
    faint = np.random.default_rng(3).poisson(np.geomspace(0.02, 50, 2_000), (6, 2_000))
    lost = (faint.sum(axis=0) == 0).mean()
    recipe = standins.estimate("mouseKO", mice(faint))
    assert lost > 0.15
    assert recipe["parameters"]["unexpressed"] < lost - 0.05
    assert (standins.make(recipe).X.sum(axis=0) == 0).mean() == pytest.approx(lost, abs=0.02)


@pytest.mark.parametrize("name", ["pasilla", "airway", "kang_muscat", "mouseKO"])
def test_a_stand_in_gives_its_own_recipe_back(name):
    stored, again = bundled_recipe(name), standins.estimate(name, load(name))
    parameters, expected = again.pop("parameters"), stored.pop("parameters")
    assert list(parameters) == list(expected)
    assert again.pop("fractional", 0) == pytest.approx(stored.pop("fractional", 0), abs=0.02)
    assert again == stored


@pytest.mark.parametrize("name", ["pasilla", "pickrell"])
def test_a_stand_in_has_the_parameters_from_which_it_was_drawn(name):
    expected, again = bundled_recipe(name)["parameters"], standins.estimate(name, load(name))["parameters"]
    # in the fainter half a bin's estimate is mostly noise (measured: up to 1.26-fold in the other)
    trend = np.interp(expected["bin_log_mean"], again["bin_log_mean"], again["bin_dispersion"])
    np.testing.assert_allclose(trend[8:], expected["bin_dispersion"][8:], rtol=0.3)
    spreads = [p["log_share_quantiles"][80] - p["log_share_quantiles"][20] for p in (again, expected)]
    assert spreads[0] == pytest.approx(spreads[1], rel=0.1)
    assert again["log_library_sd"] == pytest.approx(expected["log_library_sd"], rel=0.25)
    assert again["unexpressed"] == pytest.approx(expected["unexpressed"], abs=0.02)


def test_write_all_writes_recipes_and_what_they_make(tmp_path, monkeypatch):
    asked = []
    settings = {name: {**standins.SETTINGS[name], "genes": 300} for name in ("mouseKO", "islam_esmef")}
    monkeypatch.setattr(standins, "SETTINGS", settings)
    standins.write_all(tmp_path, lambda name: asked.append(name) or load(name)[:, :1_000].copy())
    assert asked == ["mouseKO", "islam_esmef"]
    names = ["compositional_bulk", "donors_simulated", "islam_esmef_simulated", "mouseKO_simulated"]
    names += ["bigsnpr_example_simulated", "geuvadis_chr19_simulated", "geuvadis_eqtl_sets_simulated"]
    names += ["susie_n3_simulated"]
    data = {f"{name}.{'h5mu' if name.startswith('geuvadis') else 'h5ad'}" for name in names}
    assert {path.name for path in tmp_path.iterdir()} == data | {f"{name}.json" for name in names}
    for name in names:
        recipe, stored = standins.read_recipe(tmp_path, name), standins.read(tmp_path, name)
        made = standins.make(recipe)
        parts = [(stored, made)]
        if not isinstance(made, anndata.AnnData):
            assert set(stored.mod) == set(made.mod)
            parts = [(stored[kind], made[kind]) for kind in made.mod]
        for stored_part, made_part in parts:
            assert type(stored_part.X) is type(made_part.X)
            assert stored_part.X.dtype == made_part.X.dtype
            np.testing.assert_array_equal(*(sparse.csr_matrix(part.X).toarray() for part in (stored_part, made_part)))
            pd.testing.assert_frame_equal(stored_part.obs, made_part.obs)
            pd.testing.assert_frame_equal(stored_part.var, made_part.var)
    assert sparse.issparse(standins.read(tmp_path, "islam_esmef_simulated").X)
    on_disk = anndata.read_h5ad(tmp_path / "islam_esmef_simulated.h5ad").X
    assert isinstance(on_disk, np.ndarray)  # packed zeros take less room than the column numbers of a sparse matrix
    assert standins.read_recipe(tmp_path, "islam_esmef_simulated")["genes"] == 300
    bundled = datasets.data_folder() / "simulated" / "compositional_bulk.json"
    assert (tmp_path / "compositional_bulk.json").read_text() == bundled.read_text()
