# Wald tests, likelihood ratios and outliers by DESeq2, for every case in a folder.
# Rscript glm.R FOLDER: reads FOLDER/NAME.counts.tsv (genes x samples), NAME.samples.tsv and NAME.formulas.txt (full,
# reduced), writes FOLDER/NAME.glm.tsv (genes), NAME.size_factors.tsv (17 significant digits) and versions.tsv.
# Called by make_glm_tables.py. Columns that begin with "kept_" come from fits of all counts, "replaced_" from fits after
# outliers among seven and more replicates were replaced.
suppressMessages(library(DESeq2))

folder <- commandArgs(trailingOnly = TRUE)[1]
digits <- function(v) if (is.numeric(v)) ifelse(is.na(v), "NA", sprintf("%.17g", v)) else v
write <- function(table, path) {
  write.table(lapply(table, digits), path, sep = "\t", quote = FALSE, row.names = FALSE, na = "NA")
}

describe <- function(dds, prefix) {
  last <- tail(resultsNames(dds), 1)
  result <- results(dds, name = last)
  all <- results(dds, name = last, cooksCutoff = FALSE, independentFiltering = FALSE)
  table <- data.frame(dispersion = dispersions(dds), base_mean = all$baseMean, lfc = all$log2FoldChange, se = all$lfcSE,
                      stat = all$stat, pvalue = all$pvalue, pvalue_flagged = result$pvalue, padj = result$padj,
                      converged = as.integer(mcols(dds)$betaConv), iterations = mcols(dds)$betaIter)
  setNames(table, paste0(prefix, names(table)))
}

for (path in list.files(folder, "\\.counts\\.tsv$", full.names = TRUE)) {
  base <- sub("\\.counts\\.tsv$", "", path)
  counts <- as.matrix(read.delim(path, check.names = FALSE))
  storage.mode(counts) <- "integer"
  rownames(counts) <- paste0("gene", seq_len(nrow(counts)))
  samples <- read.delim(paste0(base, ".samples.tsv"), row.names = 1, stringsAsFactors = TRUE)
  formulas <- lapply(readLines(paste0(base, ".formulas.txt")), as.formula)
  start <- DESeqDataSetFromMatrix(counts, samples, formulas[[1]])
  kept <- DESeq(start, fitType = "mean", minReplicatesForReplace = Inf, quiet = TRUE)
  replaced <- DESeq(start, fitType = "mean", quiet = TRUE)
  ratio <- DESeq(start, test = "LRT", reduced = formulas[[2]], fitType = "mean", minReplicatesForReplace = Inf,
                 quiet = TRUE)
  ratio <- results(ratio, cooksCutoff = FALSE, independentFiltering = FALSE)
  table <- cbind(gene = rownames(counts), describe(kept, "kept_"), max_cooks = apply(assays(kept)[["cooks"]], 1, max),
                 ratio_stat = ratio$stat, ratio_pvalue = ratio$pvalue, describe(replaced, "replaced_"))
  write(table, paste0(base, ".glm.tsv"))
  write(data.frame(sample = colnames(counts), size_factor = sizeFactors(kept)), paste0(base, ".size_factors.tsv"))
}

versions <- c(R = as.character(getRversion()), DESeq2 = as.character(packageVersion("DESeq2")))
write(data.frame(tool = names(versions), version = versions), file.path(folder, "versions.tsv"))
