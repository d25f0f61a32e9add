# Trends of dispersions by DESeq2, for every case in a folder.
# Rscript trend.R KIND FOLDER: reads FOLDER/NAME.counts.tsv (genes x samples) and NAME.samples.tsv, writes versions.tsv.
# KIND "depths": NAME.points.tsv, the means and gene-wise dispersions above 1e-6 with four digits, and NAME.results.tsv,
# the parametric fit to these (NA where it stops) and the local one at the quantiles 0, 0.25, 0.5, 0.75, 1 of the means,
# at half the smallest and twice the largest.
# KIND "few": NAME.results.tsv, what DESeq(dds) makes of them with its defaults ("kind" is the trend that it took, or
# "stops" with its message), and with fitType = "mean" where that stops.
# Called by make_trend_tables.py.
suppressMessages(library(DESeq2))

arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[2]
digits <- function(v) if (is.numeric(v)) ifelse(is.na(v), "NA", sprintf("%.17g", v)) else v
write <- function(table, path) {
  write.table(lapply(table, digits), path, sep = "\t", quote = FALSE, row.names = FALSE, na = "NA")
}
or <- function(call, other) tryCatch(suppressWarnings(call), error = function(e) other)

of_depth <- function(counts, samples, base) {
  dds <- DESeqDataSetFromMatrix(counts, samples, ~ condition)
  sizeFactors(dds) <- rep(1, ncol(dds))
  dds <- suppressMessages(estimateDispersionsGeneEst(dds))
  clear <- which(mcols(dds)$dispGeneEst > 1e-6)
  means <- signif(mcols(dds)$baseMean[clear], 4)
  dispersions <- signif(mcols(dds)$dispGeneEst[clear], 4)
  write.table(data.frame(mean = means, dispersion = dispersions), paste0(base, ".points.tsv"), sep = "\t",
              quote = FALSE, row.names = FALSE)
  fitted <- or(DESeq2:::parametricDispersionFit(means, dispersions), NULL)
  coefs <- if (is.null(fitted)) c(NA, NA) else unname(attr(fitted, "coefficients"))
  at <- c(min(means) / 2, unname(quantile(means)), 2 * max(means))
  curve <- or(DESeq2:::localDispersionFit(means, dispersions, 1e-8)(at), rep(NA, 7))
  table <- data.frame(asymptotic = coefs[1], extra_poisson = coefs[2])
  for (i in seq_along(at)) table[[paste0("local", i)]] <- curve[i]
  write(table, paste0(base, ".results.tsv"))
}

of_few <- function(counts, samples, base) {
  start <- DESeqDataSetFromMatrix(counts, samples, ~ condition)
  dds <- or(suppressMessages(DESeq(start, quiet = TRUE)), NULL)
  kind <- if (is.null(dds)) "stops" else attr(dispersionFunction(dds), "fitType")
  if (is.null(dds)) dds <- or(suppressMessages(DESeq(start, fitType = "mean", quiet = TRUE)), NULL)
  table <- data.frame(gene = seq_len(nrow(counts)) - 1, kind = kind)
  columns <- c("dispGeneEst", "dispFit", "dispMAP", "dispersion")
  names <- c("log2FoldChange", "lfcSE", "stat", "pvalue", "padj")
  if (is.null(dds)) {
    table$kind <- "nothing"
    table[c(columns, names, "prior_variance")] <- NA
  } else {
    table[columns] <- as.data.frame(mcols(dds)[, columns])
    table[names] <- as.data.frame(results(dds))[, names]
    table$prior_variance <- attr(dispersionFunction(dds), "dispPriorVar")
  }
  write(table, paste0(base, ".results.tsv"))
}

for (path in list.files(folder, "\\.counts\\.tsv$", full.names = TRUE)) {
  base <- sub("\\.counts\\.tsv$", "", path)
  counts <- as.matrix(read.delim(path, check.names = FALSE))
  storage.mode(counts) <- "integer"
  rownames(counts) <- paste0("gene", seq_len(nrow(counts)))
  samples <- read.delim(paste0(base, ".samples.tsv"), row.names = 1, stringsAsFactors = TRUE)
  if (arguments[1] == "depths") of_depth(counts, samples, base) else of_few(counts, samples, base)
}

versions <- c(R = as.character(getRversion()), DESeq2 = as.character(packageVersion("DESeq2")),
              locfit = as.character(packageVersion("locfit")))
write(data.frame(tool = names(versions), version = versions), file.path(folder, "versions.tsv"))
