"""From downloaded files to AnnData and MuData: one short function a data set, called by `datasets.load`.

Each function takes ``{file name: path}`` and returns samples (cells, spots, people) in rows. Counts stay whole numbers
where the file has whole numbers, sparse where the samples are cells or spots; design columns are categorical with the
reference level first. The data cards (``data/README.md``) tell the traps that these functions step around.
"""

import warnings

import anndata
import mudata
import numpy as np
import pandas as pd
import rdata
from scipy import sparse


def pasilla(files):
    """Read the pasilla knock-down; the annotation names its samples with a trailing ``fb``."""
    counts = pd.read_csv(files["pasilla_gene_counts.tsv"], sep="\t", index_col="gene_id")
    notes = pd.read_csv(files["pasilla_sample_annotation.csv"], index_col="file")
    notes = notes.set_axis(notes.index.str.removesuffix("fb")).loc[counts.columns]
    obs = pd.DataFrame(
        {
            "condition": _levels(notes["condition"], ["untreated", "treated"]),
            "type": _levels(notes["type"].str.extract("^(paired|single)", expand=False), ["paired", "single"]),
        },
        index=counts.columns,
    )
    return _bulk(counts, obs)


def airway(files):
    """Read airway smooth muscle cells of four donors, with and without dexamethasone."""
    counts = pd.read_csv(files["airway_rawcounts.csv"], index_col="ensgene")
    notes = pd.read_csv(files["airway_metadata.csv"], index_col="id").loc[counts.columns]
    notes["dex"] = _levels(notes["dex"], ["control", "treated"])
    notes["celltype"] = _levels(notes["celltype"])
    return _bulk(counts, notes)


def pickrell(files):
    """Read 69 lymphoblastoid cell lines out of an R ExpressionSet."""
    experiment = _rda(files["pickrell.rda"])["pickrell.eset"]
    matrix = experiment.assayData["exprs"]
    notes = experiment.phenoData.data
    obs = pd.DataFrame({"gender": _levels(notes["gender"], ["female", "male"])}, index=_names(notes.index))
    obs["population"] = _levels(notes["population"])
    obs["study"] = _levels(notes["study"])
    return _bulk(_labelled(matrix), obs)


def mouse_ko(files):
    """Read expected counts of eight mice: not whole numbers, kept as they are."""
    counts = pd.read_csv(files["raw_counts_mouseKO.csv"], index_col=0)
    counts.columns = counts.columns.str.strip()  # the first name carries a tab
    genotype = counts.columns.str.slice(0, 2)
    return _bulk(counts, pd.DataFrame({"genotype": _levels(genotype, ["WT", "KO"])}, index=counts.columns))


def islam_esmef(files):
    """Read mouse embryonic stem cells and fibroblasts; the names of the cells tell which is which."""
    counts = _rda(files["es.mef.small.rda"])["es.mef.small"]
    celltype = counts.columns.astype(str).str.slice(0, 3)
    obs = pd.DataFrame({"celltype": _levels(celltype, ["ESC", "MEF"])}, index=_names(counts.columns))
    return _cells(sparse.csr_matrix(counts.to_numpy(dtype=np.int64).T), obs, counts.index)


def pollen(files):
    """Read developing human brain cells: cultured progenitors, cortex at weeks 16, 21, and 21 plus 3 in culture."""
    matrix = _labelled(_rda(files["pollen.rda"])["pollen"])
    celltype = matrix.columns.str.extract(r"^Hi_(.+)_\d+$", expand=False)
    obs = pd.DataFrame({"celltype": _levels(celltype, ["NPC", "GW16", "GW21", "GW21+3"])}, index=matrix.columns)
    return _cells(sparse.csr_matrix(matrix.to_numpy(dtype=np.int64).T), obs, matrix.index)


def kang_muscat(files):
    """Read UMI counts of blood cells of two donors, stimulated or not, out of an R SingleCellExperiment."""
    experiment = _rda(files["example_sce.rda"])["example_sce"]
    counts = experiment.assays.data.listData["counts"]
    notes = experiment.colData.listData
    obs = pd.DataFrame({"cluster_id": _levels(notes["cluster_id"])}, index=_names(experiment.colData.rownames))
    obs["sample_id"] = _levels(notes["sample_id"])
    obs["group_id"] = _levels(notes["group_id"], ["ctrl", "stim"])
    obs["donor"] = _levels(obs["sample_id"].astype(str).str.extract(r"(\d+)$", expand=False))
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
    celltype = _levels(labels.loc[proteins.columns])  # alphabetical, "unknown" last
    obs = pd.DataFrame({"celltype": celltype}, index=_names(proteins.columns))
    rna = _cells(rna, obs, anndata.utils.make_index_unique(_names(symbols)))
    rna.var["symbol"] = symbols
    protein = _cells(sparse.csr_matrix(proteins.to_numpy().T), obs, proteins.index + "_protein")  # CD4 is a gene too
    protein.var["symbol"] = proteins.index.to_numpy()
    return _pair(obs, rna=rna, protein=protein)


def snare_cortex(files):
    """Read RNA and open chromatin of mouse cortex cells: the well-covered cells that the data card names."""
    notes = pd.read_csv(files["meta_c1.csv"], index_col=0)
    rna, atac = (sparse.load_npz(files[name]).T.tocsr() for name in ("GxC1.npz", "RxC1.npz"))
    cells = _deep_cells(rna, atac, notes["cluster (remapped)"].to_numpy())
    rna, atac, notes = rna[cells], atac[cells], notes.iloc[cells]
    peaks = np.flatnonzero((atac > 0).sum(axis=0).A1 >= 10)
    columns = {"celltype": "cluster (remapped)", "subtype": "Ident", "batch": "Batch"}
    obs = pd.DataFrame({new: _levels(notes[old]) for new, old in columns.items()}, index=_names(notes.index))
    rna = _cells(rna, obs, files["genes.txt"].read_text().split())
    atac = _cells(atac[:, peaks], obs, np.array(files["regions.txt"].read_text().split())[peaks])
    atac.var = _genome_positions(atac.var_names, "_")
    both = _pair(obs, rna=rna, atac=atac)
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
    stored = _rda(files["data_A549.rda"])["data_A549"]
    hours = stored["labels"]["Time"].astype(int).to_numpy()
    obs = pd.DataFrame({"hours": _levels(hours.astype(str))}, index=_names(stored["data"]["RNA"].Dimnames[1]))
    logged, atac = (_column_sparse(stored["data"][kind]) for kind in ("RNA", "ATAC"))
    rna = _cells(_undo_log(logged), obs, stored["data"]["RNA"].Dimnames[0])
    atac = _cells(atac, obs, stored["data"]["ATAC"].Dimnames[0])
    atac.var = _genome_positions(atac.var_names, "-")
    return _pair(obs, rna=rna, atac=atac)


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
    obs = pd.DataFrame({"label": _levels(spots["label"], _TISSUES)}, index=counts.index)
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


def bigsnpr_example(files):
    """Read genotypes in PLINK's binary format: copies of ``allele1``, NaN where missing."""
    names = ["family", "individual", "father", "mother", "sex", "phenotype"]
    people = pd.read_csv(files["example.fam"], sep="\t", names=names)
    names = ["chrom", "snp", "centimorgan", "position", "allele1", "allele2"]
    snps = pd.read_csv(files["example.bim"], sep="\t", names=names, dtype={"chrom": str}).set_index("snp")
    dosages = _plink_dosages(files["example.bed"], len(people), len(snps))
    obs = pd.DataFrame({"family": _levels(people["family"])}).set_index(_names(people["individual"]))
    obs["phenotype"] = people["phenotype"].to_numpy()  # 1 control, 2 case
    return anndata.AnnData(dosages, obs=obs, var=snps.rename_axis(None))


def _plink_dosages(path, n_people, n_snps):
    """Unpack two bits a genotype, lowest first: 00 two copies of allele 1, 01 missing, 10 one copy, 11 none."""
    raw = np.fromfile(path, dtype=np.uint8)
    if list(raw[:3]) != [0x6C, 0x1B, 0x01]:
        raise ValueError(f"{path}: not a PLINK .bed file in SNP-major order")
    codes = (raw[3:].reshape(n_snps, -1, 1) >> np.array([0, 2, 4, 6], dtype=np.uint8)) & 3
    return np.array([2.0, np.nan, 1.0, 0.0])[codes.reshape(n_snps, -1)[:, :n_people].T]


def susie_n3(files):
    """Read centred genotypes of 574 people and two simulated traits with known effects."""
    stored = _rda(files["N3finemapping.RData"])["N3finemapping"]
    positions = stored["pos"]
    var = pd.DataFrame({"chrom": str(stored["chrom"][0]), "position": positions}, index=_names(positions))
    var["allele_frequency"] = stored["allele_freq"].ravel()
    var[["effect_1", "effect_2"]] = stored["true_coef"]
    obs = pd.DataFrame(stored["Y"], columns=["trait_1", "trait_2"], index=_numbered("person", len(stored["Y"])))
    adata = anndata.AnnData(np.ascontiguousarray(stored["X"]), obs=obs, var=var)
    adata.uns["residual_variance"] = stored["residual_variance"]
    return adata


def susie_mismatch(files):
    """Read z-scores of one trait on 500 variants in one row, and a correlation matrix from other people in ``varp``."""
    stored = _rda(files["rss_mismatch_example.RData"])["rss_mismatch_example"]
    obs = pd.DataFrame({"n": stored["n"]}, index=["trait"])
    adata = anndata.AnnData(stored["z"][None, :], obs=obs, var=pd.DataFrame(index=_numbered("variant", 500)))
    adata.layers["bhat"], adata.layers["shat"] = stored["bhat"][None, :], stored["shat"][None, :]
    adata.varp["ld"] = np.ascontiguousarray(stored["R"])
    return adata


def geuvadis_eqtl_sets(files):
    """Read 62 variants and the genes that each is associated with; variant and genes share an ``eqtl_set``."""
    table = _labelled(_rda(files["data_GEUVADIS_combined.rda"])["data_GEUVADIS_combined"])
    is_variant = np.array([set(column[~np.isnan(column)]) <= {0.0, 1.0, 2.0} for column in table.to_numpy().T])
    var = pd.DataFrame({"eqtl_set": np.cumsum(is_variant)}, index=table.columns)  # a variant opens each set
    obs = pd.DataFrame(index=table.index)
    parts = {"genotypes": is_variant, "expression": ~is_variant}
    parts = {
        name: anndata.AnnData(table.to_numpy()[:, chosen], obs=obs.copy(), var=var[chosen].copy())
        for name, chosen in parts.items()
    }
    return _pair(obs, **parts)


def geuvadis_chr19(files):
    """Read transcript counts and genotypes of chromosome 19; ``selected`` marks the package's small subset."""
    counts = pd.read_csv(files["TrQuantCount_CEU_chr19.tsv"], sep="\t", index_col="TargetID")
    names = ["chrom", "start", "end", "gene"]
    where = pd.read_csv(files["genes_chr19.bed"], sep="\t", names=names, dtype={"chrom": str})
    var = pd.DataFrame({"gene": counts.pop("Gene_Symbol")}).join(where.set_index("gene"), on="gene")
    var["selected"] = var.index.isin(_rda(files["counts.rda"])["counts"]["TargetID"].astype(str))
    snps = _rda(files["genotypes.rda"])["genotypes"].set_index("snpId")
    codes = snps[counts.columns].to_numpy(dtype=float).T
    places = pd.DataFrame(
        {"chrom": snps["chr"].astype(str).to_numpy(), "position": snps["start"].to_numpy(dtype=int)},
        index=_names(snps.index),
    )
    obs = pd.DataFrame(index=_names(counts.columns))
    transcripts = anndata.AnnData(counts.to_numpy().T, obs=obs.copy(), var=var.rename_axis(None))
    genotypes = anndata.AnnData(np.where(codes < 0, np.nan, codes), obs=obs.copy(), var=places)  # -1: missing
    return _pair(obs, transcripts=transcripts, genotypes=genotypes)


READERS = {
    "pasilla": pasilla,
    "airway": airway,
    "pickrell": pickrell,
    "islam_esmef": islam_esmef,
    "pollen": pollen,
    "kang_muscat": kang_muscat,
    "mouseKO": mouse_ko,
    "susie_mismatch": susie_mismatch,
    "susie_n3": susie_n3,
    "bigsnpr_example": bigsnpr_example,
    "geuvadis_eqtl_sets": geuvadis_eqtl_sets,
    "geuvadis_chr19": geuvadis_chr19,
    "cite_pbmc_inhouse": cite_pbmc_inhouse,
    "snare_cortex": snare_cortex,
    "scicar_a549": scicar_a549,
    "her2st_A1": her2st,
    "her2st_H1": her2st,
}


def _rda(path):
    """Read an R data file; classes that rdata does not know come back as plain objects, which is what we want."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Missing constructor for R class", category=UserWarning)
        return rdata.read_rda(path, default_encoding="utf8")


def _labelled(array):
    """Make a DataFrame of an R matrix with names."""
    rows, columns = (_names(array.coords[dimension].to_numpy()) for dimension in array.dims)
    return pd.DataFrame(array.to_numpy(), index=rows, columns=columns)


def _column_sparse(matrix):
    """Make a samples × genes matrix of R's genes × samples ``dgCMatrix``: the same arrays, read by rows."""
    n_genes, n_samples = matrix.Dim
    return sparse.csr_matrix((matrix.x, matrix.i, matrix.p), shape=(n_samples, n_genes))


def _levels(values, levels=None):
    """Make a categorical of the levels that occur, in the order of `levels`, else sorted with "unknown" at the end."""
    values = np.asarray(values, dtype=str)
    levels = levels or sorted(set(values), key=lambda level: (level == "unknown", level))
    return pd.Categorical(values, categories=[level for level in levels if level in set(values)])


def _names(values):
    return pd.Index(np.asarray(values, dtype=str).astype(object))


def _numbered(prefix, n):
    return [f"{prefix}_{i + 1}" for i in range(n)]


def _bulk(counts, obs):
    """Make samples × genes, dense, of a table of genes × samples."""
    matrix = counts.to_numpy().T
    matrix = matrix.astype(np.int64) if matrix.dtype.kind == "i" else matrix  # squares of counts must not overflow
    obs = obs.loc[counts.columns].rename_axis(None)
    return anndata.AnnData(np.ascontiguousarray(matrix), obs=obs, var=pd.DataFrame(index=_names(counts.index)))


def _cells(matrix, obs, names):
    return anndata.AnnData(matrix, obs=obs.copy().rename_axis(None), var=pd.DataFrame(index=_names(names)))


def _genome_positions(names, separator):
    """Take chromosome, start and end out of names such as ``chr1_100_200``."""
    var = names.to_series().str.split(separator, expand=True).set_axis(["chrom", "start", "end"], axis=1)
    return var.astype({"start": int, "end": int})


def _pair(obs, **modalities):
    """Put modalities of the same cells together; what describes the cells stands in the common ``obs`` too."""
    with mudata.set_options(pull_on_update=False):
        both = mudata.MuData(modalities)
    both.obs = obs.copy().rename_axis(None)
    return both
