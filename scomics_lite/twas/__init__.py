"""From DNA to traits by way of expression: transcriptome-wide association (TWAS).

Chapter 6. The expression of gene g in person i, as far as DNA tells it, is a weighted sum of dosages, T_i = Σ_l w_l X_il.
The weights are learned once, where genotypes and expression were both measured; then the predicted expression is tested
for association with a trait, person by person (PrediXcan) or from the published results of a GWAS (S-PrediXcan).

Read `summary_association` first: `s_predixcan`, the whole path in one function. What goes in: `plink_files` and
`vcf_files` read genotypes (`genotypes` holds what they share, `vcf_checks` what is looked at first), `snp_filters` says
which SNPs can be trusted, `alleles` which letters mean the same, and `dosages` takes numbers and names out of AnnData and tables; `models`,
`covariance_files` and `gwas_files` read and write the files of the PrediXcan ecosystem; `gene_covariances` holds covariances,
`gwas_lines` and `gwas_columns` know what stands in a GWAS, `file_access` opens files, `text_tables` and `text_fields` take text apart.
How weights are learned:
`coordinate_descent` holds the penalised regression, `penalty_paths` its way from large to small penalties, on numbers
that `gram_matrices` keeps; `ridge` is the case without a penalty on absolute weights, and `elastic_net` what users see
of it; `cross_validation` leaves people out by `folds`, `fitted_weights` chooses the penalty by that,
`training` does it for all genes (`training_data` goes in, cut by `gene_windows`, to `worker_processes`;
`finished_genes` keeps what is done, `trained_genes` makes the model of it), and
`eqtls` shows one SNP at a time, for comparison. From weights to hits: `prediction`,
`individual_association` and `multiple_models` work on people, whose tables `people` matches by name and whose genes
`column_regressions` takes a block at a time; `harmonisation`, `gene_stacks`,
`detectors` and `summary_multiple_models` on summaries. What a hit means: `polygenicity`, `causal_genes`, `colocalisation_tests` and
`weight_permutation`.
"""

from scomics_lite.twas.alleles import alignment, complement, is_palindromic, is_strand_flip
from scomics_lite.twas.causal_genes import expression_correlation, locus_posterior
from scomics_lite.twas.colocalisation_tests import colocalisation
from scomics_lite.twas.covariance_files import covariances, read_covariance
from scomics_lite.twas.cross_validation import NestedPerformance, nested_cross_validation
from scomics_lite.twas.elastic_net import ElasticNetPath, elastic_net_path, kkt_violation
from scomics_lite.twas.eqtls import marginal_eqtls
from scomics_lite.twas.fitted_weights import ElasticNetFit, fit_elastic_net
from scomics_lite.twas.gene_covariances import Covariances
from scomics_lite.twas.gwas_files import read_gwas
from scomics_lite.twas.individual_association import predixcan
from scomics_lite.twas.models import PredictionModel, read_model
from scomics_lite.twas.multiple_models import multixcan
from scomics_lite.twas.plink_files import read_plink, write_plink
from scomics_lite.twas.polygenicity import correct_zscores, phi
from scomics_lite.twas.prediction import predict_expression
from scomics_lite.twas.snp_filters import filter_snps, genotype_counts, hardy_weinberg
from scomics_lite.twas.summary_association import s_predixcan
from scomics_lite.twas.summary_multiple_models import s_multixcan
from scomics_lite.twas.training import train_models
from scomics_lite.twas.vcf_files import read_vcf
from scomics_lite.twas.weight_permutation import permute_weights

__all__ = [
    "Covariances",
    "ElasticNetFit",
    "ElasticNetPath",
    "NestedPerformance",
    "PredictionModel",
    "alignment",
    "colocalisation",
    "complement",
    "correct_zscores",
    "covariances",
    "elastic_net_path",
    "expression_correlation",
    "filter_snps",
    "fit_elastic_net",
    "genotype_counts",
    "hardy_weinberg",
    "is_palindromic",
    "is_strand_flip",
    "kkt_violation",
    "locus_posterior",
    "marginal_eqtls",
    "multixcan",
    "nested_cross_validation",
    "permute_weights",
    "phi",
    "predict_expression",
    "predixcan",
    "read_covariance",
    "read_gwas",
    "read_model",
    "read_plink",
    "read_vcf",
    "s_multixcan",
    "s_predixcan",
    "train_models",
    "write_plink",
]
