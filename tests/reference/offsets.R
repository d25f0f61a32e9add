# Regressions with a normalization factor for every sample and gene by DESeq2, for every case in a folder.
# Rscript offsets.R FOLDER: reads FOLDER/NAME.counts.tsv and NAME.lengths.tsv (genes x samples: counts, and average lengths
# of transcripts), NAME.samples.tsv and NAME.formulas.txt (full, reduced), writes FOLDER/NAME.offsets.tsv (genes),
# NAME.factors.tsv (genes x samples) and versions.tsv (17 significant digits). Called by make_offset_tables.py.
# Columns that begin with "kept_" come from fits of all counts, "replaced_" from fits after outliers among seven and more
# replicates were replaced, "scaled_" from factors of every third gene doubled.
suppressMessages(library(DESeq2))

folder <- commandArgs(trailingOnly = TRUE)[1]
digits <- function(v) if (is.numeric(v)) ifelse(is.na(v), "NA", sprintf("%.17g", v)) else v
write <- function(table, path) {
  write.table(lapply(table, digits), path, sep = "\t", quote = FALSE, row.names = FALSE, na = "NA")
}

describe <- function(dds, prefix) {
  last <- tail(resultsNames(dds), 1)
  flagged <- results(dds, name = last)
  all <- results(dds, name = last, cooksCutoff = FALSE, independentFiltering = FALSE)
  notes <- mcols(dds)
  table <- data.frame(genewise = notes$dispGeneEst, trended = notes$dispFit, map = notes$dispMAP,
                      final = dispersions(dds), base_mean = all$baseMean, lfc = all$log2FoldChange, se = all$lfcSE,
                      stat = all$stat, pvalue = all$pvalue, pvalue_flagged = flagged$pvalue,
                      iterations = notes$betaIter, max_cooks = apply(assays(dds)[["cooks"]], 1, max))
  setNames(table, paste0(prefix, names(table)))
}

run <- function(start, ...) DESeq(start, fitType = "mean", quiet = TRUE, ...)

for (path in list.files(folder, "\\.counts\\.tsv$", full.names = TRUE)) {
  base <- sub("\\.counts\\.tsv$", "", path)
  counts <- as.matrix(read.delim(path, check.names = FALSE))
  storage.mode(counts) <- "integer"
  rownames(counts) <- paste0("gene", seq_len(nrow(counts)))
  lengths <- as.matrix(read.delim(paste0(base, ".lengths.tsv"), check.names = FALSE))
  dimnames(lengths) <- dimnames(counts)
  samples <- read.delim(paste0(base, ".samples.tsv"), row.names = 1, stringsAsFactors = TRUE)
  formulas <- lapply(readLines(paste0(base, ".formulas.txt")), as.formula)
  start <- DESeqDataSetFromMatrix(counts, samples, formulas[[1]])
  assays(start)[["avgTxLength"]] <- lengths
  start <- estimateSizeFactors(start, quiet = TRUE)
  kept <- run(start, minReplicatesForReplace = Inf)
  replaced <- run(start)
  ratio <- run(start, test = "LRT", reduced = formulas[[2]], minReplicatesForReplace = Inf)
  scaled <- start
  assays(scaled)[["avgTxLength"]] <- NULL
  normalizationFactors(scaled) <- normalizationFactors(start) * ifelse(seq_len(nrow(counts)) %% 3 == 1, 2, 1)
  scaled <- run(scaled, minReplicatesForReplace = Inf)
  ratio <- results(ratio, cooksCutoff = FALSE, independentFiltering = FALSE)
  table <- cbind(gene = rownames(counts), describe(kept, "kept_"), ratio_stat = ratio$stat,
                 describe(replaced, "replaced_"), describe(scaled, "scaled_"))
  write(table, paste0(base, ".offsets.tsv"))
  write(as.data.frame(normalizationFactors(kept)), paste0(base, ".factors.tsv"))
}

versions <- c(R = as.character(getRversion()), DESeq2 = as.character(packageVersion("DESeq2")))
write(data.frame(tool = names(versions), version = versions), file.path(folder, "versions.tsv"))
