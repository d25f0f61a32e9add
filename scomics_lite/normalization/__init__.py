"""Size factors: the scale that makes the genes of one sample comparable with those of another.

Chapter 1. Read `methods` first: every method, and the model they share. `trimmed_means` holds TMM for one pair of
samples, `library_sizes` the way between DESeq2's letters and edgeR's, `lengths` size factors of every gene where
transcripts differ in length between samples. Single cells come with chapter 5: `pooled_cells`.
"""

from scomics_lite.normalization.lengths import length_factors
from scomics_lite.normalization.library_sizes import effective_library_sizes, to_norm_factors, to_size_factors
from scomics_lite.normalization.methods import METHODS, log_cpm, m_and_a, norm_factors, normalize, size_factors
from scomics_lite.normalization.pooled_cells import pooled_size_factors

__all__ = [
    "METHODS",
    "effective_library_sizes",
    "length_factors",
    "log_cpm",
    "m_and_a",
    "norm_factors",
    "normalize",
    "pooled_size_factors",
    "size_factors",
    "to_norm_factors",
    "to_size_factors",
]
