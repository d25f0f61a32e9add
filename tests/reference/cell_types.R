# DESeq2 for every type of cells by itself, and muscat's two adjustments.
# Rscript cell_types.R FOLDER: reads FOLDER/counts.tsv (genes x sums) and FOLDER/samples.tsv (donor, condition, type),
# writes FOLDER/results.tsv (a row a gene and type, 15 significant digits) and versions.tsv. Called by
# make_cell_type_tables.py.
suppressMessages(library(DESeq2))

folder <- commandArgs(trailingOnly = TRUE)[1]
digits <- function(v) ifelse(is.na(v), "NA", sprintf("%.15g", v))
write <- function(table, name) {
  write.table(table, file.path(folder, name), sep = "\t", quote = FALSE, row.names = FALSE, na = "NA")
}

counts <- as.matrix(read.delim(file.path(folder, "counts.tsv")))
samples <- read.delim(file.path(folder, "samples.tsv"), stringsAsFactors = TRUE)
found <- lapply(levels(samples$type), function(type) {
  some <- samples$type == type
  dds <- DESeqDataSetFromMatrix(counts[, some], droplevels(samples[some, ]), ~ donor + condition)
  res <- results(DESeq(dds, quiet = TRUE), contrast = c("condition", "stim", "ctrl"), alpha = 0.1)
  data.frame(type = type, gene = seq_len(nrow(res)) - 1, as.data.frame(res))
})
found <- do.call(rbind, found)
found$p_adj.loc <- found$padj
found$p_adj.glb <- p.adjust(ifelse(is.na(found$padj), NA, found$pvalue), "BH")
for (name in names(found)[-(1:2)]) found[[name]] <- digits(found[[name]])
write(found, "results.tsv")
versions <- c(R = as.character(getRversion()), DESeq2 = as.character(packageVersion("DESeq2")))
write(data.frame(tool = names(versions), version = versions), "versions.tsv")
