# voom, linear models, moderated t-tests and squeezed variances by limma, log counts per million by edgeR.
# Rscript limma.R FOLDER: reads FOLDER/NAME.counts.tsv (genes x samples), NAME.samples.tsv, NAME.formulas.txt and
# FOLDER/variances.tsv; writes FOLDER/NAME.limma.tsv (a row a gene), NAME.weights.tsv, FOLDER/squeezed.tsv and
# versions.tsv. Numbers have 17 significant digits. Called by make_limma_tables.py.
suppressMessages({library(limma); library(edgeR)})

folder <- commandArgs(trailingOnly = TRUE)[1]
digits <- function(v) if (is.numeric(v)) ifelse(is.na(v), "NA", sprintf("%.17g", v)) else v
write <- function(table, path) {
  write.table(lapply(table, digits), path, sep = "\t", quote = FALSE, row.names = FALSE, na = "NA")
}
one <- function(values, genes) rep_len(values, genes)

describe <- function(fit, coefficient, prefix) {
  genes <- nrow(fit)
  table <- data.frame(lfc = fit$coefficients[, coefficient], t = fit$t[, coefficient], pvalue = fit$p.value[, coefficient],
                      s2_post = fit$s2.post, df_total = one(fit$df.total, genes), df_prior = one(fit$df.prior, genes))
  setNames(table, paste0(prefix, names(table)))
}

for (path in list.files(folder, "\\.counts\\.tsv$", full.names = TRUE)) {
  base <- sub("\\.counts\\.tsv$", "", path)
  counts <- as.matrix(read.delim(path, check.names = FALSE))
  rownames(counts) <- paste0("gene", seq_len(nrow(counts)))
  samples <- read.delim(paste0(base, ".samples.tsv"), row.names = 1, stringsAsFactors = TRUE)
  design <- model.matrix(as.formula(readLines(paste0(base, ".formulas.txt"))), samples)
  last <- ncol(design)
  y <- calcNormFactors(DGEList(counts))
  v <- voom(y, design)
  fit <- lmFit(v, design)
  logs <- cpm(y, log = TRUE, prior.count = 3)
  missing <- logs  # some values missing, all of a group in one gene, all but one value in another
  missing[cbind(seq(1, nrow(logs), 7), 1 + seq(1, nrow(logs), 7) %% ncol(logs))] <- NA
  missing[2, design[, last] == 1] <- NA
  missing[3, -1] <- NA
  plain <- lmFit(logs, design)
  gaps <- lmFit(missing, design)
  table <- cbind(
    data.frame(gene = rownames(counts), amean = fit$Amean, stdev_unscaled = fit$stdev.unscaled[, last], sigma = fit$sigma,
               gaps_sigma = gaps$sigma, gaps_df = gaps$df.residual, gaps_first = gaps$coefficients[, 1]),
    describe(eBayes(fit), last, "voom_"), describe(eBayes(fit, robust = TRUE), last, "robust_"),
    describe(eBayes(plain, trend = TRUE), last, "trend_"),
    describe(eBayes(plain, trend = TRUE, robust = TRUE), last, "trend_robust_"), describe(eBayes(gaps), last, "gaps_"),
    describe(treat(fit, lfc = 0.5), last, "treat_"))
  write(table, paste0(base, ".limma.tsv"))
  weights <- data.frame(t(v$weights[seq(1, nrow(counts), 10), ]))
  names(weights) <- rownames(counts)[seq(1, nrow(counts), 10)]
  write(cbind(sample = colnames(counts), library_size = y$samples$lib.size * y$samples$norm.factors, weights),
        paste0(base, ".weights.tsv"))
}

cases <- read.delim(file.path(folder, "variances.tsv"))
curve <- function(case, ...) {
  smooth <- lowess(case$covariate, log(case$variance + 1e-3), ...)
  smooth$y[match(case$covariate, smooth$x)]
}
squeeze <- function(case) {
  s <- function(...) {
    squeezed <- suppressWarnings(squeezeVar(case$variance, case$df, ...))
    data.frame(posterior = squeezed$var.post, prior = one(squeezed$var.prior, nrow(case)),
               prior_df = one(squeezed$df.prior, nrow(case)))
  }
  cbind(case["case"], lowess_0.4 = curve(case, f = 0.4), lowess_0.9 = curve(case, f = 0.9), plain = s(),
        trend = s(covariate = case$covariate), robust = s(robust = TRUE),
        trend_robust = s(covariate = case$covariate, robust = TRUE))
}
kinds <- split(cases, factor(cases$case, unique(cases$case)))
write(do.call(rbind, lapply(kinds, squeeze)), file.path(folder, "squeezed.tsv"))

versions <- c(R = as.character(getRversion()), limma = as.character(packageVersion("limma")),
              edgeR = as.character(packageVersion("edgeR")), statmod = as.character(packageVersion("statmod")))
write(data.frame(tool = names(versions), version = versions), file.path(folder, "versions.tsv"))
