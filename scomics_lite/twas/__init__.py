"""From DNA to traits by way of expression: transcriptome-wide association (TWAS).

Chapter 6. The expression of a gene in person i, as DNA tells it, is a weighted sum of dosages, T_i = Σ_l w_l X_il.
The weights are learned once, where genotypes and expression were both measured; then the predicted expression is tested
for association with a trait, person by person (PrediXcan) or from the published results of a GWAS (S-PrediXcan).

Each room has a tour of its own. Read `associations` first, which holds the whole path in one function,
`s_predixcan`. What goes in: `genotypes` reads dosages and filters SNPs, `exchange` reads and writes the files of the
PrediXcan ecosystem. `weights` learns them: the elastic net, cross-validation, and the training of all genes. `meaning`
asks what a hit is worth.

Where nobody's expression was measured, a model of DNA stands in for it (scPrediXcan): `sequence_models` learns
expression across genes from features of their sequences, `personal` asks the model about people's own sequences,
`linearised` turns its answers into weights, and `steps` goes the whole way from DNA to a hit.
"""

from scomics_lite.twas.associations.eqtls import marginal_eqtls
from scomics_lite.twas.associations.individual_association import predixcan
from scomics_lite.twas.associations.multiple_models import multixcan
from scomics_lite.twas.associations.polygenicity import correct_zscores, phi
from scomics_lite.twas.associations.prediction import predict_expression
from scomics_lite.twas.associations.summary_association import s_predixcan
from scomics_lite.twas.associations.summary_multiple_models import s_multixcan
from scomics_lite.twas.exchange.covariance_files import covariances, read_covariance
from scomics_lite.twas.exchange.gene_covariances import Covariances
from scomics_lite.twas.exchange.gwas_files import read_gwas
from scomics_lite.twas.exchange.models import PredictionModel, read_model
from scomics_lite.twas.genotypes.alleles import alignment, complement, is_palindromic, is_strand_flip
from scomics_lite.twas.genotypes.plink_files import read_plink, write_plink
from scomics_lite.twas.genotypes.snp_filters import filter_snps, genotype_counts, hardy_weinberg
from scomics_lite.twas.genotypes.vcf_files import read_vcf
from scomics_lite.twas.linearised.gene_heritability import cis_heritability
from scomics_lite.twas.linearised.linear_models import linearise
from scomics_lite.twas.linearised.model_folders import LinearModels
from scomics_lite.twas.meaning.causal_genes import expression_correlation, locus_posterior
from scomics_lite.twas.meaning.colocalisation_tests import colocalisation
from scomics_lite.twas.meaning.weight_permutation import permute_weights
from scomics_lite.twas.personal.personal_predictions import personal_expression
from scomics_lite.twas.sequence_models.ctpred import CtPred
from scomics_lite.twas.sequence_models.feature_tables import read_features
from scomics_lite.twas.sequence_models.features_of_genes import reference_features
from scomics_lite.twas.sequence_models.gene_correlations import across_genes
from scomics_lite.twas.sequence_models.gene_splits import chromosome_split, random_split
from scomics_lite.twas.sequence_models.people_correlations import across_people, sign_share
from scomics_lite.twas.sequence_models.percentiles import expression_percentiles
from scomics_lite.twas.sequence_models.ridge_predictor import RidgePredictor
from scomics_lite.twas.steps.results import ScPrediXcanResult
from scomics_lite.twas.steps.whole_path import scpredixcan
from scomics_lite.twas.weights.cross_validation import NestedPerformance, nested_cross_validation
from scomics_lite.twas.weights.elastic_net import ElasticNetPath, elastic_net_path, kkt_violation
from scomics_lite.twas.weights.fitted_weights import ElasticNetFit, fit_elastic_net
from scomics_lite.twas.weights.training import train_models

__all__ = [
    "Covariances",
    "CtPred",
    "ElasticNetFit",
    "ElasticNetPath",
    "LinearModels",
    "NestedPerformance",
    "PredictionModel",
    "RidgePredictor",
    "ScPrediXcanResult",
    "across_genes",
    "across_people",
    "alignment",
    "chromosome_split",
    "cis_heritability",
    "colocalisation",
    "complement",
    "correct_zscores",
    "covariances",
    "elastic_net_path",
    "expression_correlation",
    "expression_percentiles",
    "filter_snps",
    "fit_elastic_net",
    "genotype_counts",
    "hardy_weinberg",
    "is_palindromic",
    "is_strand_flip",
    "kkt_violation",
    "linearise",
    "locus_posterior",
    "marginal_eqtls",
    "multixcan",
    "nested_cross_validation",
    "permute_weights",
    "personal_expression",
    "phi",
    "predict_expression",
    "predixcan",
    "random_split",
    "read_covariance",
    "read_features",
    "read_gwas",
    "read_model",
    "read_plink",
    "read_vcf",
    "reference_features",
    "s_multixcan",
    "s_predixcan",
    "scpredixcan",
    "sign_share",
    "train_models",
    "write_plink",
]
