# Maxima of splines, and dispersions of nearly Poisson counts, by edgeR.
# Rscript spline.R FOLDER: reads FOLDER/curves.tsv (heights at log2(dispersion / 0.1) = -10 ... 10, a curve a row),
# FOLDER/NAME.counts.tsv (genes x samples) and NAME.samples.tsv, writes maxima.tsv, NAME.results.tsv (genes; what is one
# number of all stands on every line; 17 significant digits) and versions.tsv. Called by make_spline_tables.py.
suppressMessages(library(edgeR))

folder <- commandArgs(trailingOnly = TRUE)[1]
digits <- function(v) if (is.numeric(v)) ifelse(is.na(v), "NA", sprintf("%.17g", v)) else v
write <- function(table, path) {
  write.table(lapply(table, digits), path, sep = "\t", quote = FALSE, row.names = FALSE, na = "NA")
}

heights <- as.matrix(read.delim(file.path(folder, "curves.tsv")))
write(data.frame(maximum = maximizeInterpolant(seq(-10, 10, length.out = 21), heights)), file.path(folder, "maxima.tsv"))

for (path in list.files(folder, "\\.counts\\.tsv$", full.names = TRUE)) {
  base <- sub("\\.counts\\.tsv$", "", path)
  counts <- as.matrix(read.delim(path, check.names = FALSE))
  samples <- read.delim(paste0(base, ".samples.tsv"), row.names = 1, stringsAsFactors = TRUE)
  design <- model.matrix(~ condition, samples)
  y <- estimateDisp(calcNormFactors(DGEList(counts)), design)
  write(data.frame(gene = seq_len(nrow(counts)) - 1, common = y$common.dispersion, trended = y$trended.dispersion,
                   tagwise = y$tagwise.dispersion, prior_df = y$prior.df), paste0(base, ".results.tsv"))
}

versions <- c(R = as.character(getRversion()), edgeR = as.character(packageVersion("edgeR")),
              locfit = as.character(packageVersion("locfit")))
write(data.frame(tool = names(versions), version = versions), file.path(folder, "versions.tsv"))
