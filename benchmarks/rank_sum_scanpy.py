"""Wilcoxon's rank-sum test by scanpy, for every set in a folder: ``python rank_sum_scanpy.py FOLDER``.

Reads FOLDER/values.tsv (set, group, genes g0, g1 …), writes FOLDER/scanpy.tsv (set, group, reference, tie_correct,
names, scores, pvals) and FOLDER/scanpy_versions.tsv. Called by
tests/reference/make_rank_sum_tables.py; it stands here because it needs the peers' environment.
"""

import sys
import warnings

import anndata
import pandas as pd
import scanpy as sc


def compared(name, cells):
    """Yield scanpy's tables of one set."""
    values = cells.filter(regex="^g[0-9]")
    adata = anndata.AnnData(values.to_numpy(), obs=cells[["group"]].astype("category"), var=values.columns.to_frame())
    for reference in ("rest", "a"):
        for tied in (True, False):
            sc.tl.rank_genes_groups(adata, "group", reference=reference, method="wilcoxon", tie_correct=tied)
            for group in adata.uns["rank_genes_groups"]["names"].dtype.names:
                table = sc.get.rank_genes_groups_df(adata, group)[["names", "scores", "pvals"]]
                yield table.assign(set=name, group=group, reference=reference, tie_correct=tied)


def main():
    folder = sys.argv[1]
    warnings.simplefilter("ignore")
    cells = pd.read_csv(f"{folder}/values.tsv", sep="\t")
    cells.index = cells.index.astype(str)
    tables = [table for name, some in cells.groupby("set", sort=False) for table in compared(name, some)]
    pd.concat(tables).to_csv(f"{folder}/scanpy.tsv", sep="\t", index=False, float_format="%.17g")
    versions = pd.Series({"scanpy": sc.__version__, "anndata": anndata.__version__}, name="version")
    versions.to_csv(f"{folder}/scanpy_versions.tsv", sep="\t")


if __name__ == "__main__":
    main()
