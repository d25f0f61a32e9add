# Adaptive shrinkage by R's tools: Rscript ash.R TOOL FOLDER WORD; called by ash.py.
# ashr MIXTURE: reads FOLDER/effects.bin (effects, then standard errors), writes posterior means to FOLDER/result.bin.
# mixsqp, mixsqp_strict K: reads FOLDER/likelihoods.bin (n x K) and FOLDER/prior.bin, writes the weights.
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE)))
source(file.path(here, "shared.R"))
arguments <- commandArgs(trailingOnly = TRUE)
tool <- arguments[1]
suppressMessages(library(if (tool == "ashr") "ashr" else "mixsqp", character.only = TRUE))

doubles <- function(name) {
  path <- file.path(arguments[2], name)
  file <- file(path, "rb")
  numbers <- readBin(file, "double", file.size(path) / 8, size = 8)
  close(file)
  numbers
}

write <- function(numbers) {
  file <- file(file.path(arguments[2], "result.bin"), "wb")
  writeBin(as.double(numbers), file, size = 8)
  close(file)
}

if (tool == "ashr") {
  data <- matrix(doubles("effects.bin"), ncol = 2)
  family <- gsub("_", "", arguments[3])
  took <- system.time(fit <- ash(data[, 1], data[, 2], mixcompdist = family, method = "fdr"))
  write(fit$result$PosteriorMean)
  report(took, sprintf(', "log_likelihood": %.10f', fit$loglik))
} else {
  likelihoods <- matrix(doubles("likelihoods.bin"), ncol = as.integer(arguments[3]))
  counted <- doubles("prior.bin") - 1  # effects that the penalty counts as seen, rows of their own
  rows <- diag(length(counted))[counted > 0, , drop = FALSE]
  weights <- c(rep(1, nrow(likelihoods)), counted[counted > 0])
  control <- list(verbose = FALSE)
  if (tool == "mixsqp_strict") {
    control <- c(control, list(convtol.sqp = 1e-12, convtol.activeset = 1e-14, tol.svd = 0, maxiter.sqp = 10000))
  }
  took <- system.time(fit <- mixsqp(rbind(likelihoods, rows), weights, control = control))
  write(fit$x)
  report(took)
}
