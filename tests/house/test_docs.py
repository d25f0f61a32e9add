"""The examples in docstrings and in the README run, and every public function has one."""

import doctest
import importlib
import inspect
import pkgutil
import re
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest

import scomics_lite
from scomics_lite import datasets

README = Path(__file__).parents[2] / "README.md"
TAUGHT = (
    "blocks",
    "bundled",
    "calibration.counting",
    "calibration.estimates",
    "calibration.rates",
    "calibration.studies",
    "datasets.catalogue",
    "datasets.quantifications",
    "design.contrasts",
    "design.diagnosis",
    "design.matrix",
    "differential.cell_types",
    "differential.pipeline",
    "differential.summing",
    "dispersion.deseq2",
    "dispersion.edger",
    "dispersion.genewise",
    "dispersion.local_regression",
    "dispersion.profile_likelihood",
    "dispersion.spline_maxima",
    "dispersion.trend",
    "dna.allele_checks",
    "dna.annotations",
    "dna.enformer",
    "dna.enformer_weights",
    "dna.gene_sequences",
    "dna.gene_tables",
    "dna.gene_variants",
    "dna.genome_files",
    "dna.haplotypes",
    "dna.letters",
    "dna.motif_features",
    "dna.motif_files",
    "dna.motif_thresholds",
    "dna.motifs",
    "dna.phased_panel",
    "dna.written_variants",
    "empirical_bayes",
    "empirical_bayes.adaptive_shrinkage",
    "empirical_bayes.ash_result",
    "empirical_bayes.f_distribution",
    "empirical_bayes.mixture_weights",
    "empirical_bayes.mixtures",
    "empirical_bayes.truncated",
    "empirical_bayes.unimodal_prior",
    "empirical_bayes.variance_prior",
    "equations",
    "filtering",
    "glm.heavy_tailed",
    "glm.hypotheses",
    "glm.outliers",
    "glm.regression",
    "iteration",
    "linear_models.least_squares",
    "linear_models.moderated",
    "multiple_testing",
    "negative_binomial",
    "normalization.library_sizes",
    "normalization.lengths",
    "normalization.methods",
    "normalization.pooled_cells",
    "plots.association",
    "plots.calibration",
    "plots.counts",
    "plots.figures",
    "plots.genomes",
    "plots.inference",
    "plots.inflation",
    "plots.likelihoods",
    "plots.sequence_models",
    "plots.sequences",
    "plots.snp_weights",
    "plots.study_rates",
    "plots.style",
    "quasi_likelihood",
    "rank_sum",
    "simulate.bulk",
    "simulate.bursting",
    "simulate.cells",
    "simulate.genes_and_loci",
    "simulate.genomes",
    "simulate.gwas_results",
    "simulate.parameters",
    "simulate.regulation.motif_choice",
    "simulate.regulation.worlds",
    "simulate.traits",
    "smoothing",
    "twas.genotypes.alleles",
    "twas.meaning.causal_genes",
    "twas.meaning.colocalisation_tests",
    "twas.associations.column_regressions",
    "twas.weights.coordinate_descent",
    "twas.exchange.covariance_files",
    "twas.weights.cross_validation",
    "twas.associations.detectors",
    "twas.genotypes.dosages",
    "twas.weights.elastic_net",
    "twas.associations.eqtls",
    "twas.exchange.file_access",
    "twas.sequence_models.feature_tables",
    "twas.sequence_models.features_of_genes",
    "twas.sequence_models.finished_features",
    "twas.sequence_models.hdf5_features",
    "twas.sequence_models.text_features",
    "twas.weights.finished_genes",
    "twas.weights.fitted_weights",
    "twas.weights.folds",
    "twas.exchange.gene_covariances",
    "twas.associations.gene_stacks",
    "twas.weights.gene_windows",
    "twas.weights.gram_matrices",
    "twas.exchange.gwas_columns",
    "twas.exchange.gwas_files",
    "twas.exchange.gwas_lines",
    "twas.associations.harmonisation",
    "twas.genotypes.snp_tables",
    "twas.associations.individual_association",
    "twas.exchange.models",
    "twas.associations.multiple_models",
    "twas.weights.penalty_paths",
    "twas.genotypes.people",
    "twas.genotypes.plink_files",
    "twas.associations.polygenicity",
    "twas.associations.prediction",
    "twas.genotypes.snp_filters",
    "twas.associations.summary_association",
    "twas.associations.summary_multiple_models",
    "twas.exchange.text_tables",
    "twas.steps.cells_to_percentiles",
    "twas.steps.inputs",
    "twas.steps.prediction_files",
    "twas.steps.results",
    "twas.steps.step_records",
    "twas.steps.whole_path",
    "twas.steps.working_folder",
    "twas.sequence_models.ctpred",
    "twas.sequence_models.feature_matrices",
    "twas.sequence_models.gene_splits",
    "twas.sequence_models.network_training",
    "twas.sequence_models.percentiles",
    "twas.sequence_models.gene_correlations",
    "twas.sequence_models.people_correlations",
    "twas.sequence_models.ridge_predictor",
    "twas.sequence_models.stacked_networks",
    "twas.sequence_models.tensor_files",
    "twas.sequence_models.ctpred_settings",
    "twas.sequence_models.training_checkpoints",
    "twas.sequence_models.training_genes",
    "twas.weights.trained_genes",
    "twas.weights.training",
    "twas.weights.training_data",
    "twas.genotypes.vcf_checks",
    "twas.genotypes.vcf_files",
    "twas.linearised.gene_heritability",
    "twas.linearised.linear_fits",
    "twas.linearised.linear_models",
    "twas.linearised.model_folders",
    "twas.linearised.restricted_likelihood",
    "twas.meaning.weight_permutation",
    "twas.personal.gene_overviews",
    "twas.personal.gene_predictions",
    "twas.personal.model_digests",
    "twas.personal.personal_predictions",
    "twas.weights.worker_processes",
    "validation.arguments",
    "validation.containers",
    "validation.counts",
    "validation.errors",
    "validation.misread",
    "validation.named",
    "validation.notices",
    "validation.replicates",
    "validation.transformed",
    "zero_inflation.changes",
    "zero_inflation.distribution",
    "zero_inflation.excess",
    "zero_inflation.hypotheses",
    "zero_inflation.profiles",
    "zero_inflation.regression",
)


def modules():
    """Names of all modules of the package but the command line's, which run something when imported."""
    found = pkgutil.walk_packages(scomics_lite.__path__, "scomics_lite.")
    return [module.name for module in found if not module.name.endswith("__main__")]


def python_blocks(text):
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def _elsewhere(tmp_path, monkeypatch, registry):
    """An empty folder to write into, and nothing left behind."""
    monkeypatch.chdir(tmp_path)
    yield
    plt.close("all")


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", TAUGHT)
def test_public_functions_have_parameters_and_an_example(name):
    module = importlib.import_module(f"scomics_lite.{name}")
    for title, thing in inspect.getmembers(module, inspect.isfunction):
        if title.startswith("_") or thing.__module__ != module.__name__:
            continue
        text = inspect.getdoc(thing)
        assert ">>>" in text, f"{name}.{title} has no example"
        for parameter in inspect.signature(thing).parameters:
            assert re.search(rf"\b{parameter}\b", text), f"{name}.{title} does not explain {parameter}"


@pytest.mark.usefixtures("_elsewhere")
def test_the_readme_s_code_runs_on_a_counts_csv(capsys):
    adata = datasets.load("pasilla_simulated")
    table = pd.DataFrame(adata.X.T, index=adata.var_names, columns=adata.obs_names)
    table.to_csv("counts.csv")  # genes x samples, as the README says
    blocks = python_blocks(README.read_text(encoding="utf-8"))
    assert blocks
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for block in blocks:
            exec(compile(block, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "size factor" in printed
    assert all(sample in printed for sample in adata.obs_names)


def test_the_readme_links_to_files_that_are_there():
    links = re.findall(r"\]\(([^)#:]+)\)", README.read_text(encoding="utf-8"))
    assert links
    missing = [link for link in links if not (README.parent / link).exists()]
    assert not missing
