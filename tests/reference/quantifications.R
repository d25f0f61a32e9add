# Genes' counts, abundances and lengths by tximport, and DESeq2's normalization factors and tests of them.
# Rscript quantifications.R FOLDER: reads FOLDER/TOOL/SAMPLE/FILE for every tool and FOLDER/genes.tsv (transcript, gene),
# writes FOLDER/TOOL.genes.tsv (a row a sample and gene), FOLDER/deseq2.tsv (genes of salmon) and versions.tsv
# (17 significant digits). Called by make_quantification_tables.py.
suppressMessages({library(tximport); library(DESeq2)})

folder <- commandArgs(trailingOnly = TRUE)[1]
digits <- function(v) if (is.numeric(v)) ifelse(is.na(v), "NA", sprintf("%.17g", v)) else v
write <- function(table, path) {
  write.table(lapply(table, digits), path, sep = "\t", quote = FALSE, row.names = FALSE, na = "NA")
}

tx2gene <- read.delim(file.path(folder, "genes.tsv"), header = FALSE, colClasses = "character")
sources <- list(salmon = c("salmon", "quant.sf"), kallisto = c("kallisto", "abundance.tsv"),
                rsem_isoforms = c("rsem", "isoforms.results"), rsem_genes = c("rsem", "genes.results"))

for (tool in names(sources)) {
  samples <- list.files(file.path(folder, tool))
  files <- file.path(folder, tool, samples, sources[[tool]][2])
  if (!file.exists(files[1])) files <- file.path(folder, tool, samples, paste0(samples, ".", sources[[tool]][2]))
  names(files) <- samples
  in_genes <- tool == "rsem_genes"
  txi <- suppressMessages(tximport(files, type = sources[[tool]][1], txIn = !in_genes,
                                   tx2gene = if (in_genes) NULL else tx2gene, ignoreTxVersion = TRUE))
  long <- function(m) as.vector(m)
  write(data.frame(gene = rep(rownames(txi$counts), length(samples)), sample = rep(samples, each = nrow(txi$counts)),
                   counts = long(txi$counts), abundance = long(txi$abundance), length = long(txi$length)),
        file.path(folder, paste0(tool, ".genes.tsv")))
  if (tool != "salmon") next
  obs <- data.frame(condition = factor(substr(samples, 1, 1)), row.names = samples)
  dds <- suppressMessages(DESeqDataSetFromTximport(txi, obs, ~ condition))
  dds <- DESeq(dds, fitType = "mean", quiet = TRUE)
  result <- results(dds, cooksCutoff = FALSE, independentFiltering = FALSE)
  factors <- as.data.frame(normalizationFactors(dds))
  write(cbind(gene = rownames(dds), factors, dispersion = dispersions(dds), base_mean = result$baseMean,
              lfc = result$log2FoldChange, se = result$lfcSE, pvalue = result$pvalue), file.path(folder, "deseq2.tsv"))
}

versions <- c(R = as.character(getRversion()), tximport = as.character(packageVersion("tximport")),
              DESeq2 = as.character(packageVersion("DESeq2")))
write(data.frame(tool = names(versions), version = versions), file.path(folder, "versions.tsv"))
