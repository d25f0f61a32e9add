# Size factors and normalization factors by DESeq2 and edgeR, for every counts table in a folder.
# Rscript size_factors.R FOLDER: reads FOLDER/*.counts.tsv (genes x samples, header with sample names, no gene names),
# writes FOLDER/*.factors.tsv (17 significant digits; NA where a tool stops) and FOLDER/versions.tsv.
# Called by make_tables.py, which says what becomes of the tables.
suppressMessages({library(edgeR); library(DESeq2)})

folder <- commandArgs(trailingOnly = TRUE)[1]

deseq <- function(x, type) sizeFactors(estimateSizeFactors(
  DESeqDataSetFromMatrix(x, data.frame(row.names = colnames(x)), ~1), type = type))

calls <- list(
  ratio               = function(x) deseq(x, "ratio"),
  poscounts           = function(x) deseq(x, "poscounts"),
  ratio_matrix        = function(x) estimateSizeFactorsForMatrix(x),
  TMM                 = function(x) calcNormFactors(x, method = "TMM"),
  TMMwsp              = function(x) calcNormFactors(x, method = "TMMwsp"),
  RLE                 = function(x) calcNormFactors(x, method = "RLE"),
  upperquartile       = function(x) calcNormFactors(x, method = "upperquartile"),
  TMM_unweighted      = function(x) calcNormFactors(x, method = "TMM", doWeighting = FALSE),
  TMMwsp_unweighted   = function(x) calcNormFactors(x, method = "TMMwsp", doWeighting = FALSE),
  TMM_trims           = function(x) calcNormFactors(x, method = "TMM", logratioTrim = 0.1, sumTrim = 0.2),
  TMMwsp_trims        = function(x) calcNormFactors(x, method = "TMMwsp", logratioTrim = 0.1, sumTrim = 0.2),
  TMM_untrimmed       = function(x) calcNormFactors(x, method = "TMM", logratioTrim = 0, sumTrim = 0),
  TMM_reference2      = function(x) calcNormFactors(x, method = "TMM", refColumn = 2),
  TMMwsp_reference2   = function(x) calcNormFactors(x, method = "TMMwsp", refColumn = 2)
)

digits <- function(v) ifelse(is.finite(v), sprintf("%.17g", v), "NA")

for (path in list.files(folder, "\\.counts\\.tsv$", full.names = TRUE)) {
  x <- as.matrix(read.delim(path, check.names = FALSE))
  storage.mode(x) <- "integer"
  rownames(x) <- paste0("gene", seq_len(nrow(x)))
  values <- sapply(calls, function(call) suppressMessages(suppressWarnings(
    tryCatch(digits(call(x)), error = function(e) rep("NA", ncol(x))))))
  table <- data.frame(sample = colnames(x), values, check.names = FALSE)
  write.table(table, sub("\\.counts\\.tsv$", ".factors.tsv", path), sep = "\t", quote = FALSE, row.names = FALSE)
}

versions <- c(R = as.character(getRversion()), sapply(c("DESeq2", "edgeR"), function(p) as.character(packageVersion(p))))
write.table(data.frame(tool = names(versions), version = versions), file.path(folder, "versions.tsv"),
            sep = "\t", quote = FALSE, row.names = FALSE)
