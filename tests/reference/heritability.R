# Variance components by R's nlme (REML), for every case in a folder.
# Rscript heritability.R FOLDER: reads FOLDER/NAME.people.tsv (y, covariate, then a column a standardised SNP); writes
# heritability.tsv (case, variance of the SNPs' effects, of the rest, and the restricted log-likelihoods with and without
# SNPs) and versions.tsv; 17 significant digits. Called by make_heritability_tables.py.
suppressMessages(library(nlme))
folder <- commandArgs(trailingOnly = TRUE)[1]
digits <- function(v) sprintf("%.17g", v)
results <- list()
for (file in sort(list.files(folder, pattern = "[.]people[.]tsv$"))) {
  people <- read.delim(file.path(folder, file))
  whole <- svd(as.matrix(people[, -(1:2)]))
  kept <- whole$d > 1e-8 * whole$d[1]
  z <- whole$u[, kept] %*% diag(whole$d[kept])  # the same z %*% t(z), of no more columns than people
  data <- data.frame(y = people$y, covariate = people$covariate, all = factor(rep(1, nrow(people))))
  control <- lmeControl(msTol = 1e-14, tolerance = 1e-12, niterEM = 500, msMaxIter = 1000, maxIter = 1000,
                        msMaxEval = 1000, allow.n.lt.q = TRUE)
  fit <- lme(y ~ covariate, data = data, random = list(all = pdIdent(~ z - 1)), method = "REML", control = control)
  null <- gls(y ~ covariate, data = data, method = "REML")
  effects <- exp(2 * as.numeric(coef(fit$modelStruct$reStruct))) * fit$sigma^2
  results[[file]] <- data.frame(case = sub(".people.tsv", "", file, fixed = TRUE), effects = digits(effects),
                                rest = digits(fit$sigma^2), loglik = digits(as.numeric(logLik(fit))),
                                loglik_null = digits(as.numeric(logLik(null))))
}
write <- function(table, name) {
  write.table(table, file.path(folder, name), sep = "\t", quote = FALSE, row.names = FALSE)
}
write(do.call(rbind, results), "heritability.tsv")
versions <- data.frame(name = c("R", "nlme"), version = c(paste(R.version$major, R.version$minor, sep = "."),
                                                         as.character(packageVersion("nlme"))))
write(versions, "versions.tsv")
