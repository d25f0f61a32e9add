# Filter, normalization, dispersions and quasi-likelihood tests by edgeR, for every case in a folder.
# Rscript edger.R FOLDER: reads FOLDER/NAME.counts.tsv (genes x samples), NAME.samples.tsv and NAME.formulas.txt (full,
# reduced), writes FOLDER/NAME.edger.tsv (genes), NAME.norm_factors.tsv (17 significant digits) and versions.tsv.
# Called by make_edger_tables.py. The tested coefficient is the last; "joint" tests all but the intercept, "halves" the
# contrast with 1 for the last coefficient and -1/2 for the one before (for the intercept where there is no other).
suppressMessages(library(edgeR))

folder <- commandArgs(trailingOnly = TRUE)[1]
digits <- function(v) if (is.numeric(v)) ifelse(is.na(v), "NA", sprintf("%.17g", v)) else v
write <- function(table, path) {
  write.table(lapply(table, digits), path, sep = "\t", quote = FALSE, row.names = FALSE, na = "NA")
}

tests <- function(y, design) {
  p <- ncol(design)
  plain <- glmQLFit(y, design)
  robust <- glmQLFit(y, design, robust = TRUE)
  last <- glmQLFTest(plain, coef = p)
  joint <- if (p > 2) glmQLFTest(plain, coef = 2:p)$table else data.frame(F = NA, PValue = NA)
  halves <- glmQLFTest(plain, contrast = c(rep(0, p - 2), -0.5, 1))$table
  data.frame(average_log_cpm = y$AveLogCPM, common = y$common.dispersion, trended = y$trended.dispersion,
             tagwise = y$tagwise.dispersion, deviance = plain$deviance, df_residual = plain$df.residual.zeros,
             prior = plain$var.prior, prior_df = plain$df.prior, posterior = plain$var.post, df = last$df.total,
             lfc = last$table$logFC, stat = last$table$F, pvalue = last$table$PValue,
             unbounded = glmQLFTest(plain, coef = p, poisson.bound = FALSE)$table$PValue,
             joint_stat = joint$F, joint_pvalue = joint$PValue,
             halves_lfc = halves$logFC, halves_stat = halves$F, halves_pvalue = halves$PValue,
             robust_prior_df = robust$df.prior, robust_posterior = robust$var.post,
             robust_pvalue = glmQLFTest(robust, coef = p)$table$PValue,
             treat_pvalue = glmTreat(plain, coef = p, lfc = 0.3)$table$PValue,
             treat_halves_pvalue = glmTreat(plain, contrast = c(rep(0, p - 2), -0.5, 1), lfc = 1)$table$PValue)
}

for (path in list.files(folder, "\\.counts\\.tsv$", full.names = TRUE)) {
  base <- sub("\\.counts\\.tsv$", "", path)
  counts <- as.matrix(read.delim(path, check.names = FALSE))
  rownames(counts) <- paste0("gene", seq_len(nrow(counts)))
  samples <- read.delim(paste0(base, ".samples.tsv"), row.names = 1, stringsAsFactors = TRUE)
  design <- model.matrix(as.formula(readLines(paste0(base, ".formulas.txt"))[1]), samples)
  kept <- filterByExpr(counts, design)
  y <- calcNormFactors(DGEList(counts)[kept, , keep.lib.sizes = FALSE])
  found <- tests(estimateDisp(y, design), design)
  table <- found[rep(NA_integer_, nrow(counts)), ]
  table[kept, ] <- found
  one_group <- as.integer(filterByExpr(counts, group = rep(1, ncol(counts))))
  write(cbind(gene = rownames(counts), kept = as.integer(kept), kept_as_one_group = one_group, table),
        paste0(base, ".edger.tsv"))
  write(data.frame(sample = colnames(counts), norm_factor = y$samples$norm.factors, library_size = y$samples$lib.size),
        paste0(base, ".norm_factors.tsv"))
}

versions <- c(R = as.character(getRversion()), edgeR = as.character(packageVersion("edgeR")),
              limma = as.character(packageVersion("limma")))
write(data.frame(tool = names(versions), version = versions), file.path(folder, "versions.tsv"))
