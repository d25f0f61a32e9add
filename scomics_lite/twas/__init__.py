"""From DNA to traits by way of expression: transcriptome-wide association (TWAS).

Chapter 6. The expression of gene g in person i, as far as DNA tells it, is a weighted sum of dosages, T_i = Σ_l w_l X_il.
The weights are learned once, where genotypes and expression were both measured; then the predicted expression is tested
for association with a trait, person by person (PrediXcan) or from the published results of a GWAS (S-PrediXcan).

Read `summary_association` first: `s_predixcan`, the whole path in one function. What goes in: `genotypes` reads PLINK
and VCF files, `snp_filters` says which SNPs can be trusted, `alleles` which letters mean the same, and
`dosages` takes numbers and names out of AnnData and tables; `models`,
`covariance_files` and `gwas_files` read and write the files of the PrediXcan ecosystem; `file_access` opens them,
`gwas_lines` and `gwas_columns` know what stands in a GWAS.
How weights are learned:
`coordinate_descent` and `elastic_net` hold the penalised regression, `cross_validation` chooses the penalty, `training`
does it for all genes, and `eqtls` shows one SNP at a time, for comparison. From weights to hits: `prediction`,
`individual_association` and `multiple_models` work on people, whose tables `people` matches by name and whose genes
`column_regressions` takes a block at a time; `harmonisation`, `detectors` and
`summary_multiple_models` on summaries. What a hit means: `polygenicity`, `causal_genes`, `colocalisation_tests` and
`weight_permutation`.
"""

from scomics_lite.twas.alleles import alignment, complement, is_palindromic, is_strand_flip
from scomics_lite.twas.causal_genes import expression_correlation, locus_posterior
from scomics_lite.twas.colocalisation_tests import colocalisation
from scomics_lite.twas.covariance_files import Covariances, covariances, read_covariance
from scomics_lite.twas.eqtls import marginal_eqtls
from scomics_lite.twas.gwas_files import read_gwas
from scomics_lite.twas.individual_association import predixcan
from scomics_lite.twas.models import PredictionModel, read_model
from scomics_lite.twas.multiple_models import multixcan
from scomics_lite.twas.polygenicity import correct_zscores, phi
from scomics_lite.twas.prediction import predict_expression
from scomics_lite.twas.snp_filters import filter_snps, genotype_counts, hardy_weinberg
from scomics_lite.twas.summary_multiple_models import s_multixcan
from scomics_lite.twas.weight_permutation import permute_weights

__all__ = [
    "Covariances",
    "PredictionModel",
    "alignment",
    "colocalisation",
    "complement",
    "correct_zscores",
    "covariances",
    "expression_correlation",
    "filter_snps",
    "genotype_counts",
    "hardy_weinberg",
    "is_palindromic",
    "is_strand_flip",
    "locus_posterior",
    "marginal_eqtls",
    "multixcan",
    "permute_weights",
    "phi",
    "predict_expression",
    "predixcan",
    "read_covariance",
    "read_gwas",
    "read_model",
    "s_multixcan",
]
