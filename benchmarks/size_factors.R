# One timed call of edgeR or DESeq2: Rscript size_factors.R FOLDER TOOL METHOD; called by size_factors.py.
# Reads FOLDER/dense.npy (int32, samples x genes, row by row, which is genes x samples in R's order).
arguments <- commandArgs(trailingOnly = TRUE)
suppressMessages(library(arguments[2], character.only = TRUE))

file <- file(file.path(arguments[1], "dense.npy"), "rb")
start <- readBin(file, "raw", 10)
header <- rawToChar(readBin(file, "raw", as.integer(start[9]) + 256L * as.integer(start[10])))
shape <- as.integer(regmatches(header, gregexpr("[0-9]+(?=[,)])", header, perl = TRUE))[[1]])
x <- matrix(readBin(file, "integer", prod(shape), size = 4), nrow = shape[2])
close(file)

call <- function() {
  if (arguments[2] == "DESeq2") return(estimateSizeFactorsForMatrix(x, type = arguments[3]))
  calcNormFactors(x, method = arguments[3]) * colSums(x)
}
took <- system.time(factors <- call())
status <- readLines("/proc/self/status")
peak <- as.numeric(gsub("[^0-9]", "", grep("VmHWM", status, value = TRUE))) / 1024
cat(sprintf('{"seconds": %f, "cpu": %f, "peak": %f, "factors": [%s]}\n',
            took[["elapsed"]], took[["user.self"]] + took[["sys.self"]], peak,
            paste(sprintf("%.17g", factors), collapse = ", ")))
