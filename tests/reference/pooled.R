# Size factors of pooled cells by scran, for every set in a folder.
# Rscript pooled.R FOLDER: reads FOLDER/NAME.counts.tsv (cells x genes) and FOLDER/NAME.clusters.tsv (one column), writes
# FOLDER/NAME.factors.tsv (a row a cell, 17 significant digits) and versions.tsv. Called by make_pooled_tables.py.
suppressMessages(library(scran))
suppressMessages(library(Matrix))

folder <- commandArgs(trailingOnly = TRUE)[1]
write <- function(table, path) write.table(table, path, sep = "\t", quote = FALSE, row.names = FALSE, na = "NA")

for (path in list.files(folder, "\\.counts\\.tsv$", full.names = TRUE)) {
  base <- sub("\\.counts\\.tsv$", "", path)
  counts <- Matrix(t(as.matrix(read.delim(path))), sparse = TRUE)
  clusters <- read.delim(paste0(base, ".clusters.tsv"), colClasses = "character")[[1]]
  factors <- function(...) sprintf("%.17g", suppressWarnings(calculateSumFactors(counts, ...)))
  write(data.frame(
    one = factors(),
    raw = factors(positive = FALSE),
    clusters = factors(clusters = clusters),
    clusters_raw = factors(clusters = clusters, positive = FALSE),
    dealt = factors(clusters = clusters, max.cluster.size = 50),
    sizes = factors(sizes = c(10, 33, 20)),
    mean_1 = factors(clusters = clusters, min.mean = 1)
  ), paste0(base, ".factors.tsv"))
}

tools <- c("scran", "scuttle", "Matrix")
versions <- c(R = as.character(getRversion()), sapply(tools, function(tool) as.character(packageVersion(tool))))
write(data.frame(tool = names(versions), version = versions), file.path(folder, "versions.tsv"))
