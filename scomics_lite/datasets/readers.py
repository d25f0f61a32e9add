"""From downloaded files to AnnData and MuData: one short function a data set, called by `datasets.load`.

Each function takes ``{file name: path}`` and returns samples (cells, spots, people) in rows. Counts stay whole numbers
where the file has whole numbers, sparse where the samples are cells or spots; design columns are categorical with the
reference level first. The data cards (``data/README.md``) tell the traps that these functions step around.
`genotype_readers` has those of genotypes.
"""

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite.datasets import genotype_readers
from scomics_lite.datasets.shapes import labelled, levels_of, names_of, pair, read_r


def pasilla(files):
    """Read the pasilla knock-down; the annotation names its samples with a trailing ``fb``."""
    counts = pd.read_csv(files["pasilla_gene_counts.tsv"], sep="\t", index_col="gene_id")
    notes = pd.read_csv(files["pasilla_sample_annotation.csv"], index_col="file")
    notes = notes.set_axis(notes.index.str.removesuffix("fb")).loc[counts.columns]
    obs = pd.DataFrame(
        {
            "condition": levels_of(notes["condition"], ["untreated", "treated"]),
            "type": levels_of(notes["type"].str.extract("^(paired|single)", expand=False), ["paired", "single"]),
        },
        index=counts.columns,
    )
    return _bulk(counts, obs)


def airway(files):
    """Read airway smooth muscle cells of four donors, with and without dexamethasone."""
    counts = pd.read_csv(files["airway_rawcounts.csv"], index_col="ensgene")
    notes = pd.read_csv(files["airway_metadata.csv"], index_col="id").loc[counts.columns]
    notes["dex"] = levels_of(notes["dex"], ["control", "treated"])
    notes["celltype"] = levels_of(notes["celltype"])
    return _bulk(counts, notes)


def pickrell(files):
    """Read 69 lymphoblastoid cell lines out of an R ExpressionSet."""
    experiment = read_r(files["pickrell.rda"])["pickrell.eset"]
    matrix = experiment.assayData["exprs"]
    notes = experiment.phenoData.data
    obs = pd.DataFrame({"gender": levels_of(notes["gender"], ["female", "male"])}, index=names_of(notes.index))
    obs["population"] = levels_of(notes["population"])
    obs["study"] = levels_of(notes["study"])
    return _bulk(labelled(matrix), obs)


def mouse_ko(files):
    """Read expected counts of eight mice: not whole numbers, kept as they are."""
    counts = pd.read_csv(files["raw_counts_mouseKO.csv"], index_col=0)
    counts.columns = counts.columns.str.strip()  # the first name carries a tab
    genotype = counts.columns.str.slice(0, 2)
    return _bulk(counts, pd.DataFrame({"genotype": levels_of(genotype, ["WT", "KO"])}, index=counts.columns))


def islam_esmef(files):
    """Read mouse embryonic stem cells and fibroblasts; the names of the cells tell which is which."""
    counts = read_r(files["es.mef.small.rda"])["es.mef.small"]
    celltype = counts.columns.astype(str).str.slice(0, 3)
    obs = pd.DataFrame({"celltype": levels_of(celltype, ["ESC", "MEF"])}, index=names_of(counts.columns))
    return _cells(sparse.csr_matrix(counts.to_numpy(dtype=np.int64).T), obs, counts.index)


def pollen(files):
    """Read developing human brain cells: cultured progenitors, cortex at weeks 16, 21, and 21 plus 3 in culture."""
    matrix = labelled(read_r(files["pollen.rda"])["pollen"])
    celltype = matrix.columns.str.extract(r"^Hi_(.+)_\d+$", expand=False)
    obs = pd.DataFrame({"celltype": levels_of(celltype, ["NPC", "GW16", "GW21", "GW21+3"])}, index=matrix.columns)
    return _cells(sparse.csr_matrix(matrix.to_numpy(dtype=np.int64).T), obs, matrix.index)


def kang_muscat(files):
    """Read UMI counts of blood cells of two donors, stimulated or not, out of an R SingleCellExperiment."""
    experiment = read_r(files["example_sce.rda"])["example_sce"]
    counts = experiment.assays.data.listData["counts"]
    notes = experiment.colData.listData
    obs = pd.DataFrame({"cluster_id": levels_of(notes["cluster_id"])}, index=names_of(experiment.colData.rownames))
    obs["sample_id"] = levels_of(notes["sample_id"])
    obs["group_id"] = levels_of(notes["group_id"], ["ctrl", "stim"])
    obs["donor"] = levels_of(obs["sample_id"].astype(str).str.extract(r"(\d+)$", expand=False))
    adata = _cells(_column_sparse(counts).astype(np.int64), obs, counts.Dimnames[0])
    adata.var["ensembl"] = experiment.rowRanges.elementMetadata.listData["ENSEMBL"].astype(str)
    adata.obsm["X_tsne"] = experiment.int_colData.listData["reducedDims"].listData["TSNE"].to_numpy()
    return adata


def cite_pbmc_inhouse(files):
    """Read RNA and ten surface proteins of the same blood cells; the labels were gated on the proteins."""
    labels = pd.read_csv(files["truth_InHouse.csv"], index_col="Barcode")["trueType"]
    proteins = pd.read_csv(files["GSM4476364_ADT_raw.csv"], index_col=0)
    # in pieces, because the dense table would take 370 MB and is 97% zeros
    pieces = list(pd.read_csv(files["GSM4476363_RNA_raw.csv.gz"], index_col=0, chunksize=2_000))
    rna = sparse.vstack([sparse.csr_matrix(piece.to_numpy()) for piece in pieces]).T.tocsr()
    symbols = np.concatenate([piece.index for piece in pieces])
    celltype = levels_of(labels.loc[proteins.columns])  # alphabetical, "unknown" last
    obs = pd.DataFrame({"celltype": celltype}, index=names_of(proteins.columns))
    rna = _cells(rna, obs, anndata.utils.make_index_unique(names_of(symbols)))
    rna.var["symbol"] = symbols
    protein = _cells(sparse.csr_matrix(proteins.to_numpy().T), obs, proteins.index + "_protein")  # CD4 is a gene too
    protein.var["symbol"] = proteins.index.to_numpy()
    return pair(obs, rna=rna, protein=protein)


def snare_cortex(files):
    """Read RNA and open chromatin of mouse cortex cells: the well-covered cells that the data card names."""
    notes = pd.read_csv(files["meta_c1.csv"], index_col=0)
    rna, atac = (sparse.load_npz(files[name]).T.tocsr() for name in ("GxC1.npz", "RxC1.npz"))
    cells = _deep_cells(rna, atac, notes["cluster (remapped)"].to_numpy())
    rna, atac, notes = rna[cells], atac[cells], notes.iloc[cells]
    peaks = np.flatnonzero((atac > 0).sum(axis=0).A1 >= 10)
    columns = {"celltype": "cluster (remapped)", "subtype": "Ident", "batch": "Batch"}
    obs = pd.DataFrame({new: levels_of(notes[old]) for new, old in columns.items()}, index=names_of(notes.index))
    rna = _cells(rna, obs, files["genes.txt"].read_text().split())
    atac = _cells(atac[:, peaks], obs, np.array(files["regions.txt"].read_text().split())[peaks])
    atac.var = _genome_positions(atac.var_names, "_")
    both = pair(obs, rna=rna, atac=atac)
    both.uns["gene_peaks"] = sparse.load_npz(files["GxR.npz"])[:, peaks].tocsr()  # rows: genes, columns: peaks
    return both


def _deep_cells(rna, atac, classes):
    """Choose the deepest 400 labelled cells a class, of those with 80 open peaks and 150 UMI, in classes of 20 or more.

    Depth is the number of open peaks. Many cells tie for the 400th place: then fewer fragments come first (one a peak),
    then the later cell, so that every machine chooses the same ones.
    """
    fragments, opened = atac.sum(axis=1).A1, (atac > 0).sum(axis=1).A1
    usable = (opened >= 80) & (rna.sum(axis=1).A1 >= 150) & (classes != "Mis")
    order = np.lexsort((-np.arange(len(classes)), fragments, -opened))
    ranked = pd.Series(classes[order], index=order)[usable[order]]
    large = ranked.groupby(ranked).transform("size") >= 20
    return np.sort(ranked[large].groupby(ranked[large]).head(400).index)


def scicar_a549(files):
    """Read RNA and open chromatin of A549 cells 0, 1 and 3 hours into dexamethasone; RNA turned back into counts."""
    stored = read_r(files["data_A549.rda"])["data_A549"]
    hours = stored["labels"]["Time"].astype(int).to_numpy()
    obs = pd.DataFrame({"hours": levels_of(hours.astype(str))}, index=names_of(stored["data"]["RNA"].Dimnames[1]))
    logged, atac = (_column_sparse(stored["data"][kind]) for kind in ("RNA", "ATAC"))
    rna = _cells(_undo_log(logged), obs, stored["data"]["RNA"].Dimnames[0])
    atac = _cells(atac, obs, stored["data"]["ATAC"].Dimnames[0])
    atac.var = _genome_positions(atac.var_names, "-")
    return pair(obs, rna=rna, atac=atac)


def _undo_log(logged):
    """Turn ln(1 + count × scale of the cell) back into counts: the smallest value of a cell stands for one molecule."""
    scaled = np.expm1(logged.data)
    one = np.minimum.reduceat(scaled, logged.indptr[:-1])  # every cell has entries
    counts = scaled / np.repeat(one, np.diff(logged.indptr))
    if np.abs(counts - counts.round()).max() > 1e-6:
        raise ValueError("scicar_a549: the RNA values are no logarithms of scaled counts; the file has changed")
    return sparse.csr_matrix((counts.round().astype(np.int64), logged.indices, logged.indptr), shape=logged.shape)


def her2st(files):
    """Read spots on a slice of a tumour, their place in the image and the pathologist's label; the image if given."""
    paths = {next(end for end in _HER2ST if name.endswith(end)): path for name, path in files.items()}
    counts = pd.read_csv(paths[".tsv.gz"], sep="\t", index_col=0)
    spots = pd.read_csv(paths["_selection.tsv"], sep="\t")
    spots.index = spots["x"].astype(str) + "x" + spots["y"].astype(str)
    labels = pd.read_csv(paths["_labeled_coordinates.tsv"], sep="\t").set_index(["x", "y"])["label"]
    spots["label"] = labels.loc[list(zip(spots["new_x"], spots["new_y"], strict=True))].to_numpy()
    spots = spots.loc[counts.index]  # two labelled spots of A1 have no counts
    obs = pd.DataFrame({"label": levels_of(spots["label"], _TISSUES)}, index=counts.index)
    obs[["array_x", "array_y"]] = spots[["x", "y"]]
    adata = _cells(sparse.csr_matrix(counts.to_numpy()), obs, counts.columns)
    adata.obsm["spatial"] = spots[["pixel_x", "pixel_y"]].to_numpy()
    if "_HE_image_dark.png" in paths:
        adata.uns["spatial"] = {"A1": _tissue_image(paths["_HE_image_dark.png"])}
    return adata


_HER2ST = (".tsv.gz", "_selection.tsv", "_labeled_coordinates.tsv", "_HE_image_dark.png")
_TISSUES = ["invasive cancer", "cancer in situ", "breast glands", "connective tissue", "adipose tissue"]
_TISSUES += ["immune infiltrate", "undetermined"]


def _tissue_image(path):
    """Read an image as scanpy stores it: pixels of ``obsm["spatial"]`` times the scale factor lie on the array."""
    from matplotlib import image  # here, because nothing else in this module draws

    pixels = (image.imread(path)[..., :3] * 255).round().astype(np.uint8)
    return {"images": {"hires": pixels}, "scalefactors": {"tissue_hires_scalef": 1 / 3.42}}


READERS = {
    "pasilla": pasilla,
    "airway": airway,
    "pickrell": pickrell,
    "islam_esmef": islam_esmef,
    "pollen": pollen,
    "kang_muscat": kang_muscat,
    "mouseKO": mouse_ko,
    "susie_mismatch": genotype_readers.susie_mismatch,
    "susie_n3": genotype_readers.susie_n3,
    "bigsnpr_example": genotype_readers.bigsnpr_example,
    "geuvadis_eqtl_sets": genotype_readers.geuvadis_eqtl_sets,
    "geuvadis_chr19": genotype_readers.geuvadis_chr19,
    "cite_pbmc_inhouse": cite_pbmc_inhouse,
    "snare_cortex": snare_cortex,
    "scicar_a549": scicar_a549,
    "her2st_A1": her2st,
    "her2st_H1": her2st,
}


def _column_sparse(matrix):
    """Make a samples × genes matrix of R's genes × samples ``dgCMatrix``: the same arrays, read by rows."""
    n_genes, n_samples = matrix.Dim
    return sparse.csr_matrix((matrix.x, matrix.i, matrix.p), shape=(n_samples, n_genes))


def _bulk(counts, obs):
    """Make samples × genes, dense, of a table of genes × samples."""
    matrix = counts.to_numpy().T
    matrix = matrix.astype(np.int64) if matrix.dtype.kind == "i" else matrix  # squares of counts must not overflow
    obs = obs.loc[counts.columns].rename_axis(None)
    return anndata.AnnData(np.ascontiguousarray(matrix), obs=obs, var=pd.DataFrame(index=names_of(counts.index)))


def _cells(matrix, obs, names):
    return anndata.AnnData(matrix, obs=obs.copy().rename_axis(None), var=pd.DataFrame(index=names_of(names)))


def _genome_positions(names, separator):
    """Take chromosome, start and end out of names such as ``chr1_100_200``."""
    var = names.to_series().str.split(separator, expand=True).set_axis(["chrom", "start", "end"], axis=1)
    return var.astype({"start": int, "end": int})
