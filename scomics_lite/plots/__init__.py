"""Figures of the course: every plot takes and returns a matplotlib Axes, `show_figure` numbers and captions them."""

from scomics_lite.plots.association import expected_zsquared, failures, locus_posterior, pipeline, zscores
from scomics_lite.plots.calibration import (
    confusion,
    false_positives,
    fdr_calibration,
    lfsr_calibration,
    pvalue_calibration,
)
from scomics_lite.plots.counts import ma, rle, size_factors, tmm_trims
from scomics_lite.plots.figures import FIGURE_ID, show_figure, slider
from scomics_lite.plots.genomes import ld, manhattan
from scomics_lite.plots.inference import mixture_prior, prior_and_posterior, shrinkage
from scomics_lite.plots.inflation import zero_inflated_pmf, zeros
from scomics_lite.plots.likelihoods import likelihood_ridge, profile, trace
from scomics_lite.plots.models import design_matrix, dispersions, mean_variance, voom_trend
from scomics_lite.plots.results import gene_counts, mean_difference, pvalue_histogram, volcano
from scomics_lite.plots.sequence_models import fidelity, predicted_percentiles
from scomics_lite.plots.sequences import motif_logo, variant_effect
from scomics_lite.plots.snp_weights import coefficient_path, weights
from scomics_lite.plots.study_rates import dial, power_by_method, sign_across_people
from scomics_lite.plots.style import OKABE_ITO, use_style

__all__ = [
    "FIGURE_ID",
    "OKABE_ITO",
    "coefficient_path",
    "confusion",
    "design_matrix",
    "dial",
    "dispersions",
    "expected_zsquared",
    "failures",
    "false_positives",
    "fdr_calibration",
    "fidelity",
    "gene_counts",
    "ld",
    "lfsr_calibration",
    "likelihood_ridge",
    "locus_posterior",
    "ma",
    "manhattan",
    "mean_difference",
    "mean_variance",
    "mixture_prior",
    "motif_logo",
    "pipeline",
    "power_by_method",
    "predicted_percentiles",
    "prior_and_posterior",
    "profile",
    "pvalue_calibration",
    "pvalue_histogram",
    "rle",
    "show_figure",
    "shrinkage",
    "sign_across_people",
    "size_factors",
    "slider",
    "tmm_trims",
    "trace",
    "use_style",
    "variant_effect",
    "volcano",
    "voom_trend",
    "weights",
    "zero_inflated_pmf",
    "zeros",
    "zscores",
]
