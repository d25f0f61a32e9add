# Wilcoxon's rank-sum test by R, for every gene and comparison in a folder.
# Rscript rank_sum.R FOLDER: reads FOLDER/values.tsv (set, group, genes g0, g1 …; NA for genes that a set has not), writes
# FOLDER/wilcox.tsv (set, group, reference, gene, W, p with and without continuity correction; 17 significant digits) and
# versions.tsv. Called by make_rank_sum_tables.py.
folder <- commandArgs(trailingOnly = TRUE)[1]
digits <- function(v) ifelse(is.na(v), "NA", sprintf("%.17g", v))
write <- function(table, name) {
  write.table(table, file.path(folder, name), sep = "\t", quote = FALSE, row.names = FALSE, na = "NA")
}

cells <- read.delim(file.path(folder, "values.tsv"))
found <- list()
for (set in unique(cells$set)) {
  some <- cells[cells$set == set, ]
  genes <- Filter(function(name) !anyNA(some[[name]]), grep("^g[0-9]+$", names(some), value = TRUE))
  levels <- sort(unique(some$group))
  pairs <- rbind(data.frame(group = levels, reference = "rest"), data.frame(group = levels[-1], reference = levels[1]))
  for (i in seq_len(nrow(pairs))) for (gene in genes) {
    inside <- some$group == pairs$group[i]
    outside <- if (pairs$reference[i] == "rest") !inside else some$group == pairs$reference[i]
    test <- function(correct) suppressWarnings(
      wilcox.test(some[[gene]][inside], some[[gene]][outside], exact = FALSE, correct = correct))
    found[[length(found) + 1]] <- data.frame(
      set = set, pairs[i, ], gene = gene, W = digits(test(TRUE)$statistic),
      corrected = digits(test(TRUE)$p.value), uncorrected = digits(test(FALSE)$p.value))
  }
}
write(do.call(rbind, found), "wilcox.tsv")
write(data.frame(tool = "R", version = as.character(getRversion())), "versions.tsv")
