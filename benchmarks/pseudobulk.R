# Two groups compared by DESeq2 with its defaults: Rscript pseudobulk.R FOLDER...; called by pseudobulk.py.
# Reads FOLDER/counts.npy and FOLDER/design.csv, whose last column tells the groups apart (a formula is made of it: by a
# design matrix DESeq2 judges outliers otherwise). Writes FOLDER/result.bin: p-values and adjusted ones of all genes, as
# doubles, NaN where there are none; and FOLDER/trend.txt, the kind of trend. Where DESeq2 stops there is neither.
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE)))
source(file.path(here, "shared.R"))
suppressMessages(library(DESeq2))

took <- system.time(for (folder in commandArgs(trailingOnly = TRUE)) try({
  x <- read_counts(file.path(folder, "counts.npy"))
  design <- read.csv(file.path(folder, "design.csv"))
  samples <- data.frame(group = factor(design[, ncol(design)]))
  object <- suppressMessages(DESeq(DESeqDataSetFromMatrix(x, samples, ~ group), quiet = TRUE))
  table <- as.matrix(results(object)[, c("pvalue", "padj")])
  table[is.na(table)] <- NaN
  file <- file(file.path(folder, "result.bin"), "wb")
  writeBin(as.double(table), file, size = 8)
  close(file)
  writeLines(attr(dispersionFunction(object), "fitType"), file.path(folder, "trend.txt"))
}, silent = TRUE))
report(took)
