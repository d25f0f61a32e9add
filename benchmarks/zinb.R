# Zero-inflated regressions by pscl, a gene at a time: Rscript zinb.R FOLDER; called by zinb.py.
# Reads FOLDER/counts.npy (cells x genes) and FOLDER/cells.csv (the columns of both designs and size factors s). Writes
# FOLDER/pscl.bin: log likelihoods of all genes, NaN where pscl stops, then 1 where the fit converged, as doubles.
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE)))
source(file.path(here, "shared.R"))
suppressMessages(library(pscl))
folder <- commandArgs(trailingOnly = TRUE)[1]
counts <- read_counts(file.path(folder, "counts.npy"))
cells <- read.csv(file.path(folder, "cells.csv"))

one <- function(y) {
  fit <- tryCatch(suppressWarnings(zeroinfl(y ~ condition + x + offset(log(s)) | condition + x, data.frame(cells, y),
                                            dist = "negbin")), error = function(e) NULL)
  if (is.null(fit)) c(NaN, 0) else c(fit$loglik, fit$converged)
}

took <- system.time(found <- apply(counts, 1, one))
file <- file(file.path(folder, "pscl.bin"), "wb")
writeBin(as.double(t(found)), file, size = 8)
close(file)
report(took)
