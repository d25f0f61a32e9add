# What the benchmarks' R scripts share.

# Counts that numpy saved (int32, samples x genes, row by row, which is genes x samples in R's order).
read_counts <- function(path) {
  file <- file(path, "rb")
  start <- readBin(file, "raw", 10)
  header <- rawToChar(readBin(file, "raw", as.integer(start[9]) + 256L * as.integer(start[10])))
  shape <- as.integer(regmatches(header, gregexpr("[0-9]+(?=[,)])", header, perl = TRUE))[[1]])
  x <- matrix(readBin(file, "integer", prod(shape), size = 4), nrow = shape[2])
  close(file)
  x
}

# One line of JSON: what system.time saw, the largest memory of this process, and more fields, if any.
report <- function(took, more = "") {
  status <- readLines("/proc/self/status")
  peak <- as.numeric(gsub("[^0-9]", "", grep("VmHWM", status, value = TRUE))) / 1024
  cat(sprintf('{"seconds": %f, "cpu": %f, "peak": %f%s}\n', took[["elapsed"]],
              sum(took[c("user.self", "sys.self", "user.child", "sys.child")]), peak, more))
}
