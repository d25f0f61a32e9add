"""Commands on people: weights from genotypes and expression, predicted expression, and its association with a trait."""

from scomics_lite.course.command_files import (
    check_output,
    choose_columns,
    files_in,
    named_files,
    read_people,
    read_table,
    separator_of,
    whole_file,
    write_table,
)
from scomics_lite.course.command_options import Noted, Refused, add_condition, answers, option, require, say

GENOTYPES = {
    "--text_genotypes=": "genotypes are read from PLINK files (--plink) and VCF files (--vcf); plink2 makes either",
    "--bgen_genotypes=": "genotypes are read from PLINK files (--plink) and VCF files (--vcf); plink2 makes either",
    "--text_sample_ids=": "the people are those of the PLINK or VCF file",
    "--variant_mapping=": "SNPs are found by rsid, varID or place, whichever the file has; no table is needed for that",
    "--on_the_fly_mapping=": "SNPs are found by rsid, varID or place, whichever the file has",
    "--liftover=": "positions are not lifted over; do it before: bcftools +liftover",
}


# --- predict ----------------------------------------------------------------------------------------------------------


def predict(arguments):
    """Predict the expression of the genes of a model from genotypes.

    Parameters
    ----------
    arguments : argparse.Namespace
    """
    from scomics_lite import twas

    require(arguments, "model", "plink/vcf", "out")
    check_output(arguments.out, arguments.report, overwrite=arguments.overwrite)
    model, dosages = twas.read_model(arguments.model), _read_dosages(arguments)
    expression, report = twas.predict_expression(dosages, model, report=True)
    used, of = report["n_snps_used"].sum(), report["n_snps_in_model"].sum()
    say(
        f"SNPs: {used:,} of {of:,} used ({used / of:.1%}); {report['n_flipped'].sum():,} turned to the model's effect "
        f"allele, {report['n_strand'].sum():,} read on the other strand, {report['n_palindromic'].sum():,} palindromic",
        f"genes: {expression.notna().any().sum():,} of {expression.shape[1]:,} predicted in {len(expression):,} people",
    )
    write_table(_with_people(expression, dosages.obs), arguments.out, "\t")
    if arguments.report:
        write_table(report, arguments.report, separator_of(arguments.report))


def _read_dosages(arguments):
    from scomics_lite import twas

    if arguments.plink is not None:
        return twas.read_plink(arguments.plink)
    return twas.read_vcf(arguments.vcf, field=arguments.field)


def _with_people(expression, people):
    """Put MetaXcan's columns FID and IID first; FID is IID where no family is known."""
    expression = expression.rename_axis(None, axis=1)
    expression.insert(0, "FID", list(people.get("family", expression.index)))
    expression.insert(1, "IID", list(expression.index))
    return expression


def predict_options(command):
    """Add the command's options.

    Parameters
    ----------
    command : argparse.ArgumentParser
    """
    files = command.add_argument_group("files")
    option(files, "--model", "--model_db_path", metavar="FILE", help="weights: PredictDB's SQLite")
    _add_genotypes(command, files)
    option(
        files, "--out", "--prediction_output", metavar="FILE", help="people × genes, separated by tabs; gz by suffix"
    )
    option(
        files, "--report", "--prediction_summary_output", metavar="FILE", help="how many SNPs of each gene were used"
    )
    files.add_argument("--overwrite", action="store_true", help="replace files that are there")


def _add_genotypes(command, files):
    files.add_argument("--plink", metavar="PREFIX", help="genotypes: PREFIX.bed, PREFIX.bim and PREFIX.fam")
    option(files, "--vcf", "--vcf_genotypes", metavar="FILE", help="or: .vcf, .vcf.gz or .bcf")
    files.add_argument(
        "--field", choices=["GT", "DS"], help="of the VCF: genotypes or dosages; default DS where it has it"
    )
    answers(
        command,
        Refused,
        GENOTYPES
        | {
            "--vcf_mode=": "--field GT reads genotypes (MetaXcan: genotyped), --field DS dosages (imputed)",
        },
    )


# --- association ------------------------------------------------------------------------------------------------------


def predixcan(arguments):
    """Associate predicted expression with a trait of the same people.

    Parameters
    ----------
    arguments : argparse.Namespace
    """
    from scomics_lite import twas

    require(arguments, "expression", "phenotype", "phenotype-column", "out")
    check_output(arguments.out, overwrite=arguments.overwrite)
    (expression,), phenotype, covariates = _read_study(arguments, {"": arguments.expression})
    table = twas.predixcan(expression, phenotype, covariates, arguments.family, adjust=arguments.adjust)
    _tell_of_people(table)
    write_table(table, arguments.out, "\t")


def multixcan(arguments):
    """Associate the expressions that several models predict with a trait, together for each gene.

    Parameters
    ----------
    arguments : argparse.Namespace
    """
    from scomics_lite import twas

    require(arguments, "expression-folder", "phenotype", "phenotype-column", "out")
    outputs = (arguments.out, arguments.coefficient_output, arguments.loadings_output)
    check_output(*outputs, overwrite=arguments.overwrite)
    paths = named_files(
        files_in(arguments.expression_folder, arguments.expression_pattern), arguments.expression_pattern
    )
    expressions, phenotype, covariates = _read_study(arguments, paths)
    found = twas.multixcan(
        dict(zip(paths, expressions, strict=True)), phenotype, covariates, arguments.condition_number, details=True
    )
    _tell_of_people(found[0])
    for table, path in zip(found, outputs, strict=True):
        if path is not None:
            write_table(table, path, "\t")


def _read_study(arguments, paths):
    """Read expressions, the phenotype and, where there are any, covariates, by the same names of people."""
    covariates = {"covariates": arguments.covariates_file}
    *expressions, phenotype, covariates = read_people(**paths, phenotype=arguments.phenotype, **covariates)
    phenotype = choose_columns(phenotype, [arguments.phenotype_column], arguments.phenotype)[arguments.phenotype_column]
    if arguments.covariates and covariates is None:
        arguments.parser.error("--covariates names columns of --covariates-file, which is needed too")
    if arguments.covariates:
        covariates = choose_columns(covariates, arguments.covariates, arguments.covariates_file)
    return expressions, phenotype, covariates


def _tell_of_people(table):
    tested = table["pvalue"].notna()
    people = f" in {table.loc[tested, 'n_samples'].max():,.0f} people" if tested.any() else ""
    say(f"genes: {tested.sum():,} of {len(table):,} tested{people}; the column status says why others were not")


def _add_people(command, files):
    option(files, "--phenotype", "--input_phenos_file", metavar="FILE", help="table of people with IID or FID")
    option(
        files, "--phenotype-column", "--input_phenos_column", metavar="NAME", help="its column; NA and -999 are missing"
    )
    option(files, "--covariates-file", metavar="FILE", help="table of people with covariates")
    files.add_argument("--covariates", nargs="+", metavar="NAME", help="its columns; all when not given")
    option(files, "--out", "--output", metavar="FILE", help="the table, separated by tabs; gz by suffix; - shows it")
    files.add_argument("--overwrite", action="store_true", help="replace files that are there")


def predixcan_options(command):
    """Add the command's options.

    Parameters
    ----------
    command : argparse.ArgumentParser
    """
    files = command.add_argument_group("files")
    option(files, "--expression", "--expression_file", metavar="FILE", help="what predict writes: people × genes")
    _add_people(command, files)
    method = command.add_argument_group("method")
    families = {"choices": ["linear", "logistic"], "default": "linear"}
    option(method, "--family", "--mode", **families, help="logistic for 0 (controls) and 1 (cases); default linear")
    adjust = {"choices": ["both", "phenotype"], "default": "both"}
    help = "what covariates are taken out of: both (default), or the phenotype alone, which gives MetaXcan's numbers"
    method.add_argument("--adjust", **adjust, help=help)
    answers(command, Refused, {"--hdf5_expression_file=": "write the predictions as text: predict --out FILE.txt.gz"})


def multixcan_options(command):
    """Add the command's options.

    Parameters
    ----------
    command : argparse.ArgumentParser
    """
    files = command.add_argument_group("files")
    option(files, "--expression-folder", metavar="DIR", help="what predict writes, a file for each model")
    option(
        files, "--expression-pattern", metavar="REGEX", help="of file names; its group is the model's name: '(.*).txt'"
    )
    _add_people(command, files)
    option(files, "--coefficient-output", metavar="FILE", help="effect of each model's prediction")
    option(files, "--loadings-output", metavar="FILE", help="what the components are made of")
    add_condition(command, "--pc_condition_number")
    answers(
        command,
        Noted,
        {
            "--standardize_expression": "predictions always get variance 1",
            "--memory_efficient": "all files are in memory",
        },
    )
    answers(
        command,
        Refused,
        {
            "--hdf5_expression_folder=": "write the predictions as text: predict --out FILE.txt.gz",
            "--mode=": "the trait is a measured one, whose regression is linear",
            "--pc_eigen_ratio=": "--condition-number 1/RATIO keeps the same components",
        },
    )


# --- training ---------------------------------------------------------------------------------------------------------


def train(arguments):
    """Learn the weights of a prediction model from genotypes and expression of the same people.

    Parameters
    ----------
    arguments : argparse.Namespace
    """
    from scomics_lite import twas

    require(arguments, "plink/vcf", "expression", "genes", "out")
    check_output(arguments.out, arguments.covariance_out, overwrite=arguments.overwrite)
    (expression,) = read_people(expression=arguments.expression)
    genes = _read_genes(arguments.genes, arguments.around)
    model, covariances = twas.train_models(
        _filtered(_read_dosages(arguments), arguments),
        expression,
        genes,
        window=arguments.window,
        around=arguments.around,
        mixing=arguments.mixing,
        folds=arguments.folds,
        keep=arguments.keep,
        processes=arguments.processes,
        resume=arguments.resume,
        rng=arguments.seed,
    )
    statuses = model.others["training"]["status"].value_counts()
    say(f"genes: {', '.join(f'{count:,} {status}' for status, count in statuses.items())}")
    say(f"model: {len(model.weights):,} weights of {len(model.genes):,} genes")
    with whole_file(arguments.out) as part:
        model.write(part)
    if arguments.covariance_out:
        with whole_file(arguments.covariance_out) as part:
            covariances.write(part)


def _filtered(dosages, arguments):
    """Leave out the SNPs that the filters reject, and say how many."""
    from scomics_lite import twas

    table = twas.filter_snps(dosages, **filters_of(arguments))
    lost = table[~table["keep"]]
    first = f"; the first of the {len(lost):,} others is {lost.index[0]}: {lost['reason'].iloc[0]}" if len(lost) else ""
    say(f"SNPs: {table['keep'].sum():,} of {len(table):,} pass the filters{first}")
    return dosages[:, table["keep"].to_numpy()]


def _read_genes(path, around):
    """Read where genes are; the column that names them is called gene."""
    table = read_table(path)
    choose_columns(table, ["gene", "chromosome", *(["start", "end"] if around == "gene" else ["tss"])], path)
    return table.astype({"gene": str, "chromosome": str}).set_index("gene")


def train_options(command):
    """Add the command's options.

    Parameters
    ----------
    command : argparse.ArgumentParser
    """
    files = command.add_argument_group("files")
    _add_genotypes(command, files)
    files.add_argument("--expression", metavar="FILE", help="measured: people × genes, with columns IID or FID")
    files.add_argument("--genes", metavar="FILE", help="where they are: columns gene, chromosome, start, end")
    files.add_argument("--out", metavar="FILE", help="weights: PredictDB's SQLite")
    option(files, "--covariance-out", metavar="FILE", help="covariances of the model's SNPs; gz by suffix")
    files.add_argument(
        "--resume", metavar="FILE", help="where finished genes are kept: the same command goes on from there"
    )
    files.add_argument("--overwrite", action="store_true", help="replace files that are there")
    method = command.add_argument_group("method")
    method.add_argument("--window", type=float, default=1e6, metavar="BP", help="to both sides of a gene (default 1e6)")
    around = {"choices": ["gene", "tss"], "default": "gene"}
    method.add_argument("--around", **around, help="the window is around start and end (default), or a column tss")
    method.add_argument("--mixing", type=float, default=0.5, metavar="A", help="1 is the lasso, 0 ridge (default 0.5)")
    method.add_argument("--folds", type=int, default=10, metavar="K", help="of the cross-validation (default 10)")
    keep = {"choices": ["predictive", "all"], "default": "predictive"}
    method.add_argument(
        "--keep", **keep, help="genes that the cross-validation shows to be predicted (default), or all"
    )
    method.add_argument("--processes", type=int, default=1, metavar="N", help="at work at once (default 1)")
    method.add_argument("--seed", type=int, default=0, metavar="N", help="of the folds (default 0)")
    add_filters(command)


def add_filters(command):
    """Add the options that say which SNPs a model is trained on.

    Parameters
    ----------
    command : argparse.ArgumentParser
    """
    filters = command.add_argument_group("SNPs that are used")
    filters.add_argument(
        "--maf", type=float, default=0.01, metavar="F", help="smallest frequency above this (default 0.01)"
    )
    filters.add_argument(
        "--hwe", type=float, default=1e-6, metavar="P", help="p of Hardy-Weinberg above this (default 1e-6)"
    )
    filters.add_argument("--missing", type=float, default=0.05, metavar="F", help="missing below this (default 0.05)")
    option(filters, "--keep-ambiguous", action="store_true", help="A/T and C/G too, whose strand letters do not tell")


def filters_of(arguments):
    """Give what `twas.filter_snps` takes, as these options say it.

    Parameters
    ----------
    arguments : argparse.Namespace

    Returns
    -------
    dict
    """
    limits = {name: getattr(arguments, name) for name in ("maf", "hwe", "missing")}
    return limits | {"ambiguous": not arguments.keep_ambiguous}
