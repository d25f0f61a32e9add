# Tables of genes by R's tools: Rscript differential.R TOOL FOLDER...; called by differential.py and calibration.py.
# Reads FOLDER/counts.npy and FOLDER/design.csv, whose last column is tested. Writes FOLDER/result.bin: log2 fold
# changes, p-values and adjusted p-values of all genes, as doubles; NaN where the tool gives none.
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE)))
source(file.path(here, "shared.R"))
arguments <- commandArgs(trailingOnly = TRUE)
package <- c(deseq2_wald = "DESeq2", deseq2_lrt = "DESeq2", edger_lrt = "edgeR", edger_ql = "edgeR",
             limma_voom = "edgeR")[[arguments[1]]]
suppressMessages(library(package, character.only = TRUE))

deseq2 <- function(x, design, test) {
  samples <- data.frame(row.names = colnames(x))
  object <- DESeqDataSetFromMatrix(x, samples, design = design)
  if (test == "LRT") {
    object <- DESeq(object, "LRT", full = design, reduced = design[, -ncol(design), drop = FALSE], quiet = TRUE)
  } else {
    object <- DESeq(object, quiet = TRUE)
  }
  as.matrix(results(object, name = tail(resultsNames(object), 1))[, c("log2FoldChange", "pvalue", "padj")])
}

# edgeR and limma leave out the genes with too few counts first, as their authors advise.
filtered <- function(x, design, test) {
  y <- DGEList(x)
  keep <- filterByExpr(y, design)
  y <- calcNormFactors(y[keep, , keep.lib.sizes = FALSE])
  found <- test(y, design)
  table <- matrix(NaN, nrow(x), 3)
  table[keep, ] <- cbind(found, p.adjust(found[, 2], "BH"))
  table
}

edger_lrt <- function(y, design) {
  as.matrix(glmLRT(glmFit(estimateDisp(y, design), design))$table[, c("logFC", "PValue")])
}

edger_ql <- function(y, design) {
  as.matrix(glmQLFTest(glmQLFit(estimateDisp(y, design), design))$table[, c("logFC", "PValue")])
}

limma_voom <- function(y, design) {
  fit <- eBayes(lmFit(voom(y, design), design))
  cbind(fit$coefficients[, ncol(design)], fit$p.value[, ncol(design)])
}

for (folder in arguments[-1]) {
  x <- read_counts(file.path(folder, "counts.npy"))
  dimnames(x) <- list(paste0("g", seq_len(nrow(x))), paste0("s", seq_len(ncol(x))))
  design <- as.matrix(read.csv(file.path(folder, "design.csv")))
  rownames(design) <- colnames(x)
  took <- system.time(suppressMessages(table <- switch(
    arguments[1],
    deseq2_wald = deseq2(x, design, "Wald"),
    deseq2_lrt = deseq2(x, design, "LRT"),
    filtered(x, design, get(arguments[1])))))
  file <- file(file.path(folder, "result.bin"), "wb")
  writeBin(as.double(table), file, size = 8)
  close(file)
}
report(took)
