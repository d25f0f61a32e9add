# Independent filtering by DESeq2, for every list in a folder.
# Rscript filter.R FOLDER: reads FOLDER/NAME.list.tsv (mean, pvalue), writes FOLDER/NAME.filtered.tsv (these two, padj,
# and on the first line the chosen theta and threshold; 17 significant digits, padj 13) and versions.tsv. Called by
# make_filter_tables.py; alpha is 0.1, and 0.05 for the lists whose number ends in 5. Adds a list "example": 200 genes of
# makeExampleDESeqDataSet, where more than half of the curve of rejections is flat.
suppressMessages(library(DESeq2))

folder <- commandArgs(trailingOnly = TRUE)[1]
digits <- function(v, n = 17) ifelse(is.na(v), "NA", sprintf(paste0("%.", n, "g"), v))
write <- function(table, path) {
  write.table(table, path, sep = "\t", quote = FALSE, row.names = FALSE, na = "NA")
}

set.seed(1)
example <- makeExampleDESeqDataSet(n = 200, m = 4, betaSD = rep(c(0, 2), c(150, 50)))
example <- results(DESeq(example, quiet = TRUE))
write(data.frame(mean = digits(example$baseMean, 4), pvalue = digits(example$pvalue, 4)),
      file.path(folder, "example.list.tsv"))

for (path in list.files(folder, "\\.list\\.tsv$", full.names = TRUE)) {
  base <- sub("\\.list\\.tsv$", "", path)
  table <- read.delim(path)
  alpha <- if (grepl("5$", base)) 0.05 else 0.1
  res <- DESeqResults(DataFrame(baseMean = table$mean, pvalue = table$pvalue))
  mcols(res) <- DataFrame(type = c("", ""), description = c("", ""))
  found <- DESeq2:::pvalueAdjustment(res, independentFiltering = TRUE, alpha = alpha, pAdjustMethod = "BH")
  once <- function(value) c(digits(unname(value)), rep("", nrow(table) - 1))
  write(data.frame(mean = digits(table$mean, 4), pvalue = digits(table$pvalue, 4), padj = digits(found$padj, 13),
                   theta = once(metadata(found)$filterTheta), threshold = once(metadata(found)$filterThreshold)),
        paste0(base, ".filtered.tsv"))
}

versions <- c(R = as.character(getRversion()), DESeq2 = as.character(packageVersion("DESeq2")))
write(data.frame(tool = names(versions), version = versions), file.path(folder, "versions.tsv"))
