# cv.glmnet, timed: Rscript elastic_net.R FOLDER, called by elastic_net.py. Reads FOLDER/dosages.bin (int8, SNP by SNP),
# people.tsv (y, fold) and lambdas.txt; writes glmnet.bin (weights at the last of every ten lambdas) and prints JSON.
suppressMessages(library(glmnet))
folder <- commandArgs(trailingOnly = TRUE)[1]
people <- read.delim(file.path(folder, "people.tsv"))
n <- nrow(people); size <- file.size(file.path(folder, "dosages.bin"))
x <- matrix(as.double(readBin(file.path(folder, "dosages.bin"), "integer", size, size = 1)), n)
lambdas <- scan(file.path(folder, "lambdas.txt"), quiet = TRUE)
took <- proc.time()
fit <- cv.glmnet(x, people$y, alpha = 0.5, lambda = lambdas, foldid = people$fold)
took <- proc.time() - took
b <- as.matrix(fit$glmnet.fit$beta)[, seq(10, length(lambdas), 10)]
writeBin(as.vector(b), file.path(folder, "glmnet.bin"))
peak <- as.numeric(sub(".*?([0-9]+) kB", "\\1", grep("VmHWM", readLines("/proc/self/status"), value = TRUE))) / 1024
cat(sprintf('{"seconds": %f, "cpu": %f, "peak": %f}\n', took[["elapsed"]], took[["user.self"]] + took[["sys.self"]], peak))
