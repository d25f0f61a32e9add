# Zero-inflated, hurdle and negative binomial regressions by pscl, MASS, glmmTMB and VGAM, for every case in a folder.
# Rscript zinb.R FOLDER: reads FOLDER/NAME.counts.tsv (genes x cells), NAME.samples.tsv and NAME.formulas.txt (mean part,
# zero part, dispersion), writes FOLDER/NAME.zinb.tsv (a row a gene and tool, 12 significant digits) and versions.tsv.
# Called by make_zinb_tables.py. Columns: coefficients of the mean part (natural logarithm), of the zero part (logit of
# the probability of zero that the mean does not explain; of any zero for the hurdle) and of ln phi = -ln theta, several
# with commas between, each with its standard errors; NA where a tool stops or gives none. "pscl" is zeroinfl from its
# own start, "pscl_led" from where glmmTMB ended (EM = TRUE stops in pscl 1.5.5: "object 'model_count' not found"), each
# begun anew at its own result until the log likelihood rises no more.
suppressMessages(library(VGAM))  # the others are called by name: VGAM hides some of what they hand out

folder <- commandArgs(trailingOnly = TRUE)[1]
tight <- list(reltol = 1e-14, maxit = 20000)
attempt <- function(expression) {
  tryCatch({
    setTimeLimit(elapsed = 60, transient = TRUE)
    suppressMessages(suppressWarnings(expression))
  }, error = function(e) NULL, finally = setTimeLimit())
}
joined <- function(v) if (length(v)) paste(ifelse(is.finite(v), sprintf("%.12g", v), "NA"), collapse = ",") else "NA"
row <- function(tool, converged = NA, loglik = NA, mean = NULL, mean_se = NULL, zero = NULL, zero_se = NULL,
                dispersion = NULL, dispersion_se = NULL) {
  numbers <- list(loglik = loglik, mean = mean, mean_se = mean_se, zero = zero, zero_se = zero_se,
                  dispersion = dispersion, dispersion_se = dispersion_se)
  data.frame(tool = tool, converged = as.integer(converged), lapply(numbers, joined))
}

climb <- function(fit, again) {
  for (round in 1:5) {
    better <- if (!is.null(fit)) attempt(again(c(fit$coefficients, theta = unname(fit$theta)[1])))
    if (is.null(better) || !isTRUE(better$loglik > fit$loglik)) break
    fit <- better
  }
  fit
}

by_zeroinfl <- function(tool, formula, data, start = NULL) {
  call <- function(start) {
    pscl::zeroinfl(formula, data = data, dist = "negbin", control = do.call(pscl::zeroinfl.control,
                                                                            c(tight, EM = FALSE, list(start = start))))
  }
  parts(tool, climb(attempt(call(start)), call), sign = 1)
}

by_hurdle <- function(formula, data) {
  call <- function(start) {
    if (!is.null(start)) start$theta <- c(count = start$theta)
    pscl::hurdle(formula, data = data, dist = "negbin", control = do.call(pscl::hurdle.control,
                                                                          c(tight, list(start = start))))
  }
  parts("hurdle", climb(attempt(call(NULL)), call), sign = -1)
}

# pscl's hurdle has the probability of a count in its zero part, zeroinfl that of zero.
parts <- function(tool, fit, sign) {
  if (is.null(fit)) return(row(tool))
  errors <- suppressWarnings(sqrt(diag(fit$vcov)))
  p <- length(fit$coefficients$count)
  row(tool, fit$converged, fit$loglik, fit$coefficients$count, errors[seq_len(p)], sign * fit$coefficients$zero,
      errors[-seq_len(p)], -log(fit$theta[1]), fit$SE.logtheta[1])
}

led_by <- function(found) {
  numbers <- lapply(found[c("mean", "zero", "dispersion")], function(v) as.numeric(strsplit(v, ",")[[1]]))
  list(count = numbers$mean, zero = numbers$zero, theta = exp(-numbers$dispersion))
}

by_mass <- function(formula, data) {
  fit <- attempt(MASS::glm.nb(formula, data = data, control = glm.control(epsilon = 1e-12, maxit = 200)))
  if (is.null(fit)) return(row("mass"))
  height <- sum(dnbinom(data$y, size = fit$theta, mu = fitted(fit), log = TRUE))  # its own cancels at a large theta
  row("mass", is.null(fit$th.warn) && fit$converged, height, coef(fit), sqrt(diag(vcov(fit))), NULL, NULL,
      -log(fit$theta), fit$SE.theta / fit$theta)
}

by_glmmtmb <- function(tool, formula, zero, dispersion, data) {
  control <- glmmTMB::glmmTMBControl(optCtrl = list(iter.max = 5000, eval.max = 5000))
  fit <- attempt(glmmTMB::glmmTMB(formula, ziformula = zero, dispformula = dispersion, data = data,
                                  family = glmmTMB::nbinom2, control = control))
  if (is.null(fit)) return(row(tool))
  of <- function(part, v) unname(v[names(fit$fit$par) == part])
  errors <- attempt(sqrt(diag(fit$sdr$cov.fixed)))
  if (is.null(errors)) errors <- rep(NA, length(fit$fit$par))
  row(tool, fit$fit$convergence == 0 && isTRUE(fit$sdr$pdHess), -fit$fit$objective, of("beta", fit$fit$par),
      of("beta", errors), of("betazi", fit$fit$par), of("betazi", errors), -of("betad", fit$fit$par),
      of("betad", errors))
}

# VGAM takes one formula; matrices say in which of (logit pi, ln mu, ln size) each term stands. Needs an intercept.
by_vgam <- function(mean, zero, data) {
  labels <- function(formula) attr(terms(formula), "term.labels")
  if (!attr(terms(mean), "intercept") || !attr(terms(zero), "intercept")) return(row("vgam"))
  every <- union(labels(mean), labels(zero))
  places <- lapply(setNames(every, every), function(term) diag(3)[, c(term %in% labels(zero), term %in% labels(mean),
                                                                      FALSE), drop = FALSE])
  formula <- reformulate(c("1", every), "y")
  fit <- attempt(vglm(formula, zinegbinomial(zero = NULL), data = data, maxit = 200,
                      constraints = c(list("(Intercept)" = diag(3)), places), offset = cbind(0, log(data$s), 0)))
  if (is.null(fit)) return(row("vgam"))
  row("vgam", fit@iter < 200, fit@criterion$loglikelihood)
}

every_tool <- function(data, formulas) {
  mean <- update(formulas[[1]], y ~ . + offset(log(s)))
  both <- as.formula(paste(deparse(mean), "|", deparse(formulas[[2]][[2]])))
  inflated <- by_glmmtmb("glmmtmb", mean, formulas[[2]], ~1, data)
  rbind(by_zeroinfl("pscl", both, data), by_zeroinfl("pscl_led", both, data, led_by(inflated)), by_hurdle(both, data),
        by_mass(mean, data), inflated, by_glmmtmb("glmmtmb_nb", mean, ~0, ~1, data),
        if (formulas[[3]] != ~1) by_glmmtmb("glmmtmb_dispersion", mean, formulas[[2]], formulas[[3]], data),
        if (formulas[[3]] != ~1) by_glmmtmb("glmmtmb_nb_dispersion", mean, ~0, formulas[[3]], data),
        by_vgam(formulas[[1]], formulas[[2]], data))
}

for (path in list.files(folder, "\\.counts\\.tsv$", full.names = TRUE)) {
  base <- sub("\\.counts\\.tsv$", "", path)
  counts <- as.matrix(read.delim(path, check.names = FALSE))
  cells <- read.delim(paste0(base, ".samples.tsv"), row.names = 1, stringsAsFactors = TRUE)
  formulas <- lapply(readLines(paste0(base, ".formulas.txt")), as.formula)
  genes <- lapply(seq_len(nrow(counts)), function(gene) {
    cbind(gene = paste0("gene", gene), every_tool(data.frame(cells, y = counts[gene, ]), formulas))
  })
  write.table(do.call(rbind, genes), paste0(base, ".zinb.tsv"), sep = "\t", quote = FALSE, row.names = FALSE)
}

packages <- c("pscl", "MASS", "glmmTMB", "VGAM")
versions <- c(R = as.character(getRversion()), sapply(packages, function(p) as.character(packageVersion(p))))
write.table(data.frame(tool = names(versions), version = versions), file.path(folder, "versions.tsv"), sep = "\t",
            quote = FALSE, row.names = FALSE)
