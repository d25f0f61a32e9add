# One timed call of edgeR or DESeq2: Rscript size_factors.R FOLDER TOOL METHOD; called by size_factors.py.
# Reads FOLDER/dense.npy.
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE)))
source(file.path(here, "shared.R"))
arguments <- commandArgs(trailingOnly = TRUE)
suppressMessages(library(arguments[2], character.only = TRUE))

x <- read_counts(file.path(arguments[1], "dense.npy"))
call <- function() {
  if (arguments[2] == "DESeq2") return(estimateSizeFactorsForMatrix(x, type = arguments[3]))
  calcNormFactors(x, method = arguments[3]) * colSums(x)
}
took <- system.time(factors <- call())
report(took, sprintf(', "factors": [%s]', paste(sprintf("%.17g", factors), collapse = ", ")))
