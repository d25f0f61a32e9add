"""The commands of chapter 6: from genotypes and expression to associations, in a shell.

Each is a thin layer over a function of `scomics_lite.twas`: those on people are in `people_commands`, those on summary
statistics in `summary_commands`, the whole path from DNA in `scpredixcan_command`. They take MetaXcan's names of
options and write MetaXcan's columns, so that a command line carries over; options that do not apply are answered by
name. Nothing of `twas` is imported before a command runs.
"""

import argparse
import time
import warnings
from functools import partial

from scomics_lite.course import people_commands, scpredixcan_command, summary_commands
from scomics_lite.course.command_options import Noted, answers, say
from scomics_lite.validation import InputError

EVERYWHERE = {
    "--verbosity=": "there are no levels of messages",
    "--throw": "an error always ends the command with exit status 1",
}
EXIT = """\
Exit status: 0 done, 1 something failed, 2 the command was not understood, 130 interrupted. Messages go to the standard
error; results appear when they are whole. MetaXcan's names of options work too; one that does not apply is answered by
name."""

S_PREDIXCAN = """\
Which genes' predicted expression is associated with a trait? S-PrediXcan asks the published results of a GWAS:
a model's weights, the covariances of its SNPs, and a z-score for each SNP give a z-score for each gene.

examples
  s-predixcan --model liver.db --covariance liver.txt.gz --gwas gwas.txt.gz --out liver.csv
  s-predixcan --model liver.db --covariance liver.txt.gz --gwas gwas.csv --snp-column ID --effect-allele-column ALT \\
      --non-effect-allele-column REF --zscore-column Z --out liver.csv.gz --ledger snps.txt.gz
  s-predixcan --model liver.db --covariance liver.txt.gz --gwas gwas.txt.gz --gwas-n 300000 --gwas-h2 0.5 --out -

columns written: those of MetaXcan (gene, gene_name, zscore, effect_size, pvalue, var_g, pred_perf_r2, pred_perf_pval,
pred_perf_qval, n_snps_used, n_snps_in_cov, n_snps_in_model), then status ("ok" or what is wrong), condition_number,
n_flipped, n_strand, n_palindromic, n_other_alleles. Every gene of the model has a row; what is missing is NA."""

S_MULTIXCAN = """\
Which genes are associated with a trait across tissues? S-MultiXcan tests the z-scores of all tissues together,
by the correlations of their predicted expressions.

examples
  s-multixcan --results-folder results --models-folder models --covariance snps.txt.gz --out all.txt
  s-multixcan --results-folder results --results-name-pattern 'height__(.*).csv' --models-folder models \\
      --models-name-pattern 'en_(.*).db' --covariance snps.txt.gz --out all.txt.gz
  s-multixcan --results-folder results --models-folder models --covariance snps.txt.gz --gwas gwas.txt.gz --out -

columns written: gene, gene_name, pvalue, n, n_indep, p_i_best, t_i_best, p_i_worst, t_i_worst, eigen_max, eigen_min,
eigen_min_kept, z_min, z_max, z_mean, z_sd, tmi, status."""

PREDICT = """\
What expression does DNA predict? The weights of a model times the dosages of people.

examples
  predict --model liver.db --plink study --out liver.txt.gz
  predict --model liver.db --vcf study.vcf.gz --field DS --out liver.txt
  predict --model liver.db --plink study --out liver.txt --report snps.csv

columns written: FID, IID, and one for each gene of the model; NA where none of its SNPs is there. A missing genotype
counts as the mean of its SNP."""

PREDIXCAN = """\
Which genes' predicted expression is associated with a trait of the same people? A regression for each gene.

examples
  predixcan --expression liver.txt.gz --phenotype people.txt --phenotype-column height --out height.txt
  predixcan --expression liver.txt.gz --phenotype people.txt --phenotype-column case --family logistic --out case.txt
  predixcan --expression liver.txt.gz --phenotype people.txt --phenotype-column height --covariates-file people.txt \\
      --covariates age sex --out height.txt

columns written: gene, effect, se, zscore, pvalue, n_samples, status."""

MULTIXCAN = """\
Which genes are associated with a trait, by the predictions of several models together? A regression on the
principal components of a gene's predictions.

examples
  multixcan --expression-folder predicted --phenotype people.txt --phenotype-column height --out all.txt
  multixcan --expression-folder predicted --expression-pattern '(.*).txt.gz' --phenotype people.txt \\
      --phenotype-column height --out all.txt
  multixcan --expression-folder predicted --phenotype people.txt --phenotype-column height --condition-number 10 --out -

columns written: gene, pvalue, n_models, n_samples, p_i_best, m_i_best, p_i_worst, m_i_worst, status, n_used, max_eigen,
min_eigen, min_eigen_kept."""

TRAIN = """\
With which weights do SNPs predict expression? An elastic net for each gene on the SNPs around it, and a nested
cross-validation of how well it predicts; genes that it predicts get a model.

examples
  train --plink study --expression liver.txt --genes genes.txt --out liver.db --covariance-out liver.txt.gz
  train --plink study --expression liver.txt --genes genes.txt --out liver.db --processes 8 --resume liver.part
  train --vcf study.vcf.gz --expression liver.txt --genes genes.txt --window 5e5 --mixing 1 --out lasso.db

The model is a PredictDB file (tables weights and extra), which predict, s-predixcan and MetaXcan read."""

SCPREDIXCAN = """\
Which genes' expression, as their DNA tells it, is associated with a trait, and in which type of cells? scPrediXcan in
four steps. 1: ctPred learns from the reference genome and single cells which genes are high in a cell type. 2: it is
asked about the two genomes of every person. 3: weights of SNPs that say nearly the same. 4: S-PrediXcan in each cell
type, S-MultiXcan across them.

examples
  scpredixcan --genome genome.fa --genes genes.gtf --cells cells.h5ad --people people.vcf.gz --gwas gwas.txt.gz \\
      --folder work
  scpredixcan --genome genome.fa --genes genes.gtf --cells cells.h5ad --people people.vcf.gz --gwas lipids.txt.gz \\
      --trait lipids --processes 2 --folder work
  scpredixcan --genome data/scpredixcan_example/genome.fa --genes data/scpredixcan_example/genes.gtf \\
      --cells data/scpredixcan_example/cells.h5ad --people data/scpredixcan_example/people.vcf.gz \\
      --gwas data/scpredixcan_example/gwas.txt.gz --window 10000 --folder build/scpredixcan_example

The third one takes a minute. Each step is done once: stopped by Ctrl-C or otherwise, the same command goes on where it
was; with another GWAS and --trait NAME it begins at step 4. step.json in each step's folder says what it was made from.

files written: 1_ctpred/ (features.h5ad, ctpred.safetensors, performance.csv …), 2_people/expression.h5ad, 3_linear/
(CELL_TYPE.db and CELL_TYPE.txt.gz for s-predixcan and MetaXcan, fidelity.csv …), 4_association/ (association.csv,
multixcan.csv)."""

COMMANDS = (  # function, its options, one line of help, the shortest call, all the rest
    (
        summary_commands.s_predixcan,
        summary_commands.s_predixcan_options,
        "genes and a trait, from a GWAS",
        "--model FILE --covariance FILE --gwas FILE --out FILE",
        S_PREDIXCAN,
    ),
    (
        summary_commands.s_multixcan,
        summary_commands.s_multixcan_options,
        "the same for several tissues together",
        "--results-folder DIR --models-folder DIR --covariance FILE --out FILE",
        S_MULTIXCAN,
    ),
    (
        people_commands.predict,
        people_commands.predict_options,
        "expression from genotypes",
        "--model FILE (--plink PREFIX | --vcf FILE) --out FILE",
        PREDICT,
    ),
    (
        people_commands.predixcan,
        people_commands.predixcan_options,
        "genes and a trait of the same people",
        "--expression FILE --phenotype FILE --phenotype-column NAME --out FILE",
        PREDIXCAN,
    ),
    (
        people_commands.multixcan,
        people_commands.multixcan_options,
        "the same for several models together",
        "--expression-folder DIR --phenotype FILE --phenotype-column NAME --out FILE",
        MULTIXCAN,
    ),
    (
        people_commands.train,
        people_commands.train_options,
        "weights from genotypes and expression",
        "(--plink PREFIX | --vcf FILE) --expression FILE --genes FILE --out FILE",
        TRAIN,
    ),
    (
        scpredixcan_command.scpredixcan,
        scpredixcan_command.scpredixcan_options,
        "from DNA to genes: the four steps of scPrediXcan",
        "--genome FILE --genes FILE --cells FILE --people FILE --gwas FILE --folder DIR",
        SCPREDIXCAN,
    ),
)


def add_commands(commands):
    """Add these commands to those of the course.

    Parameters
    ----------
    commands : the subparsers of an argparse.ArgumentParser
    """
    for function, add_options, help, usage, description in COMMANDS:
        name = function.__name__.replace("_", "-")
        command = commands.add_parser(
            name,
            help=help,
            usage=f"python3 -m scomics_lite {name}\n           {usage} [options]",
            description=description,
            epilog=EXIT,
            formatter_class=partial(argparse.RawDescriptionHelpFormatter, max_help_position=36, width=120),
            allow_abbrev=False,
        )
        command.set_defaults(function=_told(function), takes_more=False, needs_checkout=False, parser=command, notes=[])
        add_options(command)
        answers(command, Noted, EVERYWHERE)


def _told(function):
    """Make a command answer the options that change nothing, tell warnings in one line each, and tell the time."""

    def run(root, arguments, extra):
        began, name = time.perf_counter(), f"scomics_lite {arguments.command}"
        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = lambda message, *place, **more: say(f"{name}: {_for_a_shell(message)}")
            if arguments.notes:
                say(f"{name}: without effect here: {', '.join(arguments.notes)}")
            try:
                function(arguments)
            except InputError as error:
                raise InputError(_for_a_shell(error)) from None
        say(f"{arguments.command}: done in {time.perf_counter() - began:.1f} s")
        return 0

    return run


def _for_a_shell(message):
    """Add the options' names to a message that tells of an argument in Python."""
    asked = "columns={" in str(message)
    return f"{message}. As options: --snp-column NAME, --effect-allele-column NAME and so on" if asked else str(message)
