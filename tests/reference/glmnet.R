# The elastic net by R's glmnet, for every case in a folder.
# Rscript glmnet.R FOLDER: reads FOLDER/NAME.people.tsv (y, fold, then a column a SNP) and FOLDER/cases.tsv (name, mixing,
# standardize); writes coefficients.tsv (weights that are not 0 and intercepts at the given lambdas), paths.tsv (lambda and
# dev.ratio of glmnet's own path), errors.tsv (cv.glmnet on the given folds and lambdas) and versions.tsv; 17 significant
# digits. Called by make_glmnet_tables.py.
suppressMessages(library(glmnet))
folder <- commandArgs(trailingOnly = TRUE)[1]
digits <- function(v) sprintf("%.17g", v)
write <- function(table, name) {
  write.table(table, file.path(folder, name), sep = "\t", quote = FALSE, row.names = FALSE)
}

cases <- read.delim(file.path(folder, "cases.tsv"))
coefficients <- paths <- errors <- list()
for (i in seq_len(nrow(cases))) {
  case <- cases$case[i]
  people <- read.delim(file.path(folder, paste0(cases$people[i], ".people.tsv")))
  x <- as.matrix(people[, -(1:2)]); y <- people$y * cases$units[i]
  fit <- function(...) glmnet(x, y, alpha = cases$mixing[i], standardize = cases$standardize[i] == 1,
                              thresh = 1e-22, maxit = 1e8, ...)
  own <- fit()
  paths[[i]] <- data.frame(case, lambda = digits(own$lambda), dev_ratio = digits(own$dev.ratio), df = own$df)
  lambdas <- max(own$lambda) * 10^-c(0.25, 0.5, 1, 1.5, 2)
  found <- as.matrix(coef(fit(lambda = lambdas)))
  on <- which(found != 0, arr.ind = TRUE)
  coefficients[[i]] <- data.frame(case, lambda = digits(lambdas[on[, 2]]), snp = rownames(found)[on[, 1]],
                                  weight = digits(found[on]))
  if (cases$folds[i] == 1) {
    lambdas <- max(own$lambda) * 0.02^((0:19) / 19)
    cv <- cv.glmnet(x, y, alpha = cases$mixing[i], standardize = cases$standardize[i] == 1, lambda = lambdas,
                    foldid = people$fold, thresh = 1e-22, maxit = 1e8)
    errors[[i]] <- data.frame(case, lambda = digits(cv$lambda), cvm = digits(cv$cvm), cvsd = digits(cv$cvsd),
                              nzero = cv$nzero, min = as.integer(cv$lambda == cv$lambda.min),
                              one_se = as.integer(cv$lambda == cv$lambda.1se))
  }
}
write(do.call(rbind, coefficients), "coefficients.tsv")
write(do.call(rbind, paths), "paths.tsv")
write(do.call(rbind, errors), "errors.tsv")
write(data.frame(tool = c("R", "glmnet"), version = c(as.character(getRversion()),
  as.character(packageVersion("glmnet")))), "versions.tsv")
