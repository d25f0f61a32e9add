# Prior variances of dispersions by DESeq2, for every list of residuals.
# Rscript prior.R FOLDER: reads FOLDER/lists.tsv (residual_df, residuals: ln(gene-wise / trend) with commas between), writes
# variances.tsv (DESeq2's own, and mean, standard deviation and range with seeds 1 to 11 in place of its set.seed(2)) and
# versions.tsv. Called by make_prior_tables.py.
suppressMessages(library(DESeq2))

folder <- commandArgs(trailingOnly = TRUE)[1]
digits <- function(v) if (is.numeric(v)) ifelse(is.na(v), "NA", sprintf("%.17g", v)) else v
write <- function(table, path) {
  write.table(lapply(table, digits), path, sep = "\t", quote = FALSE, row.names = FALSE, na = "NA")
}

seed <- 2
seeded <- deparse(DESeq2:::estimateDispersionsPriorVar)
stopifnot(sum(grepl("set.seed(2)", seeded, fixed = TRUE)) == 1)
seeded <- eval(parse(text = sub("set.seed(2)", "set.seed(get('seed', globalenv()))", seeded, fixed = TRUE)))
environment(seeded) <- asNamespace("DESeq2")

# An object whose trend is 1, so that the gene-wise dispersions are the residuals' exponentials.
experiment <- function(residuals, df) {
  counts <- matrix(rep(1:2, length.out = length(residuals) * (df + 1)), length(residuals))
  dds <- suppressMessages(DESeqDataSetFromMatrix(counts, data.frame(row.names = seq_len(df + 1)), ~ 1))
  mcols(dds)$baseMean <- 1
  mcols(dds)$allZero <- FALSE
  mcols(dds)$dispGeneEst <- exp(residuals)
  suppressMessages(dispersionFunction(dds) <- function(means) rep(1, length(means)))
  dds
}

lists <- read.delim(file.path(folder, "lists.tsv"), colClasses = c("integer", "character"))
found <- Map(function(residuals, df) {
  dds <- experiment(as.numeric(strsplit(residuals, ",")[[1]]), df)
  every <- suppressWarnings(sapply(1:11, function(number) { seed <<- number; seeded(dds) }))
  data.frame(deseq2 = suppressWarnings(DESeq2:::estimateDispersionsPriorVar(dds)), mean = mean(every), sd = sd(every),
             low = min(every), high = max(every))
}, lists$residuals, lists$residual_df)
write(do.call(rbind, found), file.path(folder, "variances.tsv"))

versions <- c(R = as.character(getRversion()), DESeq2 = as.character(packageVersion("DESeq2")))
write(data.frame(tool = names(versions), version = versions), file.path(folder, "versions.tsv"))
