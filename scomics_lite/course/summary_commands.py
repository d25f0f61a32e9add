"""Commands on summary statistics: S-PrediXcan for one tissue, S-MultiXcan across several."""

import warnings

from scomics_lite.course.command_files import check_output, files_in, named_files, read_table, separator_of, write_table
from scomics_lite.course.command_options import Noted, Refused, add_condition, answers, option, require, say
from scomics_lite.validation import InputError, did_you_mean

COLUMNS = {  # standard name: the option that says what a file calls it, and what it is
    "snp": ("--snp-column", "rsid, varID or chromosome:position"),
    "effect_allele": ("--effect-allele-column", "the allele that effects are told for"),
    "non_effect_allele": ("--non-effect-allele-column", "the other allele"),
    "zscore": ("--zscore-column", "z-scores, taken before all others"),
    "beta": ("--beta-column", "effects; with standard errors or p-values"),
    "odds_ratio": ("--or-column", "odds ratios; with standard errors (of their logarithm) or p-values"),
    "sign": ("--beta-sign-column", "signs of effects, + and -; with p-values"),
    "se": ("--se-column", "standard errors"),
    "pvalue": ("--pvalue-column", "p-values"),
    "chromosome": ("--chromosome-column", "chromosomes"),
    "position": ("--position-column", "positions"),
    "frequency": ("--freq-column", "frequencies of the effect allele"),
}
GWAS_COLUMNS = """\
Without any of these the usual headers are recognised. With some, exactly these columns are read; SNP, A1 and
A2, MetaXcan's defaults, where the first three are not given."""
USUAL = {"snp": "SNP", "effect_allele": "A1", "non_effect_allele": "A2"}


# --- S-PrediXcan ------------------------------------------------------------------------------------------------------


def s_predixcan(arguments):
    """Associate predicted expression with a trait, from the summary statistics of a GWAS.

    Parameters
    ----------
    arguments : argparse.Namespace
    """
    from scomics_lite import twas

    require(arguments, "model", "gwas/gwas-folder", "out")
    if not arguments.single_snp_model:
        require(arguments, "covariance")
    check_output(arguments.out, arguments.ledger, overwrite=arguments.overwrite)
    model = twas.read_model(arguments.model)
    table, ledger = twas.s_predixcan(
        gwas_of(arguments),
        model,
        _unit_variances(model) if arguments.single_snp_model else twas.read_covariance(arguments.covariance),
        palindromic=arguments.palindromic,
        ledger=True,
        gwas_n=arguments.gwas_n,
        heritability=arguments.gwas_h2,
    )
    _check_key(arguments.model_db_snp_key, table.attrs["snp_key"])
    _tell_of_snps(table, ledger)
    write_table(_as_metaxcan(table, ledger, arguments), arguments.out, ",")
    if arguments.ledger:
        write_table(ledger, arguments.ledger, separator_of(arguments.ledger))


def gwas_of(arguments):
    """Read the GWAS that the options describe; without any option for a column, the usual headers are recognised.

    Parameters
    ----------
    arguments : argparse.Namespace

    Returns
    -------
    DataFrame
        As `twas.read_gwas` gives it.
    """
    from scomics_lite import twas

    given = {name: getattr(arguments, f"column_{name}") for name in COLUMNS}
    given = {name: column for name, column in given.items() if column is not None}
    source = arguments.gwas or files_in(arguments.gwas_folder, arguments.gwas_file_pattern)
    return twas.read_gwas(
        source,
        columns=USUAL | given if given else None,
        separator=arguments.separator,
        keep_non_rsid=True,
        smallest_pvalue=arguments.input_pvalue_fix,
    )


def _unit_variances(model):
    """Give the covariances of a model of one SNP a gene, where the variance makes no difference to z."""
    import pandas as pd

    from scomics_lite import twas

    matrices = {}
    for gene, snps in model.weights.groupby("gene", sort=False)["rsid"]:
        if len(snps) > 1:
            raise InputError(f"--single_snp_model: gene {gene!r} has {len(snps)} SNPs; give --covariance")
        matrices[gene] = pd.DataFrame([[1.0]], index=list(snps), columns=list(snps))
    return twas.Covariances.from_matrices(matrices)


def _check_key(asked, found):
    """Say by what SNPs were found, if that is not what was asked for."""
    if asked is not None and asked != found:
        warnings.warn(f"--model_db_snp_key {asked}: SNPs were found by {found}, which finds more of them", stacklevel=2)


def _as_metaxcan(table, ledger, arguments):
    """Give the table the columns that options ask for."""
    if arguments.additional_output:
        from scipy import stats

        used = ledger[ledger["used"]].groupby("gene")
        best = used["gwas_zscore"].agg(lambda z: 2 * stats.norm.sf(z.abs().max()))
        at = table.columns.get_loc("n_snps_in_model") + 1
        table.insert(at, "best_gwas_p", table["gene"].map(best))
        table.insert(at + 1, "largest_weight", table["gene"].map(used["weight"].agg(lambda w: w.abs().max())))
    if arguments.remove_ens_version:
        table = table.assign(gene=table["gene"].str.replace(r"^(ENSG\d+)\.\d+$", r"\1", regex=True))
    return table


def _tell_of_snps(table, ledger):
    """Say how many SNPs and genes were used, and why others were not."""
    used, tested = ledger["used"], table["zscore"].notna()
    turned = ", ".join(
        f"{table.loc[tested, column].sum():,} {what}"
        for column, what in (
            ("n_flipped", "turned to the model's effect allele"),
            ("n_strand", "read on the other strand"),
            ("n_palindromic", "palindromic"),
        )
    )
    left = ledger.loc[~used, "reason"].value_counts()
    say(
        f"SNPs: {used.sum():,} of {len(used):,} used ({used.mean():.1%}), found by {table.attrs['snp_key']}; {turned}",
        *([f"left out: {', '.join(f'{count:,} {reason}' for reason, count in left.items())}"] if len(left) else []),
        f"genes: {tested.sum():,} of {len(table):,} tested; the column status says why others were not",
    )


def s_predixcan_options(command):
    """Add the command's options.

    Parameters
    ----------
    command : argparse.ArgumentParser
    """
    files = command.add_argument_group("files")
    option(files, "--model", "--model_db_path", metavar="FILE", help="weights: PredictDB's SQLite")
    files.add_argument("--covariance", metavar="FILE", help="covariances of the model's SNPs, text or gz")
    add_gwas(command, files)
    option(
        files, "--out", "--output_file", metavar="FILE", help="the table, separated by commas; gz by suffix; - shows it"
    )
    files.add_argument("--ledger", metavar="FILE", help="what became of every SNP of every gene")
    files.add_argument("--overwrite", action="store_true", help="replace files that are there")
    method = command.add_argument_group("method")
    _add_palindromic(method)
    option(method, "--gwas-n", "--gwas_N", type=float, metavar="N", help="people in the GWAS, and")
    option(
        method,
        "--gwas-h2",
        type=float,
        metavar="H2",
        help="heritability: correct z for polygenicity by the model's phi",
    )
    option(method, "--single-snp-model", action="store_true", help="a model of one SNP a gene needs no covariances")
    more = command.add_argument_group("output")
    option(more, "--additional-output", action="store_true", help="also best_gwas_p and largest_weight")
    option(more, "--remove-ens-version", action="store_true", help="ENSG00000000005.5 becomes ENSG00000000005")
    answers(command, Noted, {"--stream_covariance": "covariances are read once, and take little memory"})
    answers(command, Refused, {"--MAX_R=": "all genes are tested"})


def _add_palindromic(group):
    help = (
        "A/T and C/G SNPs whose strand frequencies do not tell: taken as written (the default, MetaXcan's), or left out"
    )
    group.add_argument("--palindromic", choices=["keep", "drop"], default="keep", help=help)


def add_gwas(command, files):
    """Add the options that say where a GWAS is and what its columns are called.

    Parameters
    ----------
    command : argparse.ArgumentParser
    files : group of arguments
        For the names of files.
    """
    option(files, "--gwas", "--gwas_file", metavar="FILE", help="summary statistics, text or gz")
    option(files, "--gwas-folder", metavar="DIR", help="or: all files of a folder, as one study")
    option(files, "--gwas-file-pattern", metavar="REGEX", help="of them, those whose names fit from their beginning")
    columns = command.add_argument_group("columns of the GWAS", GWAS_COLUMNS)
    for name, (called, help) in COLUMNS.items():
        option(columns, called, dest=f"column_{name}", metavar="NAME", help=help)
    option(
        columns,
        "--separator",
        metavar="SIGN",
        help="between fields; default: tab, comma or blanks, as the header has it",
    )
    fix = {"type": float, "default": 1e-50, "metavar": "P"}
    option(columns, "--input-pvalue-fix", **fix, help="what p = 0 is taken for (default 1e-50); 0 leaves such SNPs out")
    option(
        columns,
        "--model-db-snp-key",
        metavar="KEY",
        help="checked: SNPs are found by rsid, varID or place, by themselves",
    )
    answers(
        command,
        Noted,
        {
            "--keep_non_rsid": "SNPs are kept, whatever they are called",
            "--handle_empty_columns": "empty fields are missing values wherever a tab or comma separates fields",
            "--split_column=": "MetaXcan does nothing with it either",
        },
    )
    answers(
        command,
        Refused,
        {
            "--skip_until_header=": "write the file anew from its header on: sed -n '/^SNP/,$p' FILE",
            "--snp_map_file=": "SNPs are found by rsid, varID or place; name them so in the GWAS",
            "--input_gwas_format_json=": "give its columns as options: --snp-column and so on",
        },
    )


# --- S-MultiXcan ------------------------------------------------------------------------------------------------------


def s_multixcan(arguments):
    """Associate genes with a trait across tissues, from S-PrediXcan's tables.

    Parameters
    ----------
    arguments : argparse.Namespace
    """
    from scomics_lite import twas

    require(arguments, "results-folder", "models-folder", "covariance", "out")
    check_output(arguments.out, overwrite=arguments.overwrite)
    pattern = arguments.results_name_pattern
    results = named_files(_results(arguments.results_folder, arguments.results_filter), pattern)
    models = named_files(
        files_in(arguments.models_folder, arguments.models_name_pattern), arguments.models_name_pattern
    )
    _check_tissues(results, models)
    gwas = gwas_of(arguments) if arguments.gwas or arguments.gwas_folder else None
    table = twas.s_multixcan(
        {tissue: read_table(path) for tissue, path in results.items()},
        {tissue: twas.read_model(models[tissue]) for tissue in results},
        twas.read_covariance(arguments.covariance),
        gwas=gwas,
        palindromic=arguments.palindromic,
        condition_number=arguments.condition_number,
    )
    say(f"genes: {table['pvalue'].notna().sum():,} of {len(table):,} tested across {len(results)} tissues")
    write_table(table, arguments.out, "\t")


def _results(folder, filters):
    """List the files that fit any of the filters."""
    return sorted({path for one in filters for path in files_in(folder, one)})


def _check_tissues(results, models):
    for tissue, path in results.items():
        if tissue not in models:
            raise InputError(f"{path} is of {tissue!r}, for which there is no model; {did_you_mean(tissue, models)}")


def s_multixcan_options(command):
    """Add the command's options.

    Parameters
    ----------
    command : argparse.ArgumentParser
    """
    files = command.add_argument_group("files")
    option(
        files, "--results-folder", "--metaxcan_folder", metavar="DIR", help="what s-predixcan wrote, a file a tissue"
    )
    filters = {"nargs": "+", "default": [".*csv"], "metavar": "REGEX"}
    option(files, "--results-filter", "--metaxcan_filter", **filters, help="which files of it (default .*csv)")
    names = {
        "metavar": "REGEX",
        "help": "whose last group is the tissue; without, it is what stands before the first dot",
    }
    option(files, "--results-name-pattern", "--metaxcan_file_name_parse_pattern", **names)
    option(files, "--models-folder", metavar="DIR", help="the models, a file a tissue")
    option(files, "--models-name-pattern", **names | {"help": "whose last group is the tissue"})
    option(files, "--covariance", "--snp_covariance", metavar="FILE", help="covariances of all models' SNPs of a gene")
    add_gwas(command, files)
    option(files, "--out", "--output", metavar="FILE", help="the table, separated by tabs; gz by suffix; - shows it")
    files.add_argument("--overwrite", action="store_true", help="replace files that are there")
    _add_palindromic(add_condition(command, "--cutoff_condition_number"))
    answers(command, Noted, {"--permissive_model_product": "SNPs without covariances are left out and told of anyway"})
    answers(
        command,
        Refused,
        {
            "--cleared_snps=": "give the GWAS and the models",
            "--cutoff_eigen_ratio=": "--condition-number 1/RATIO keeps the same components",
            "--cutoff_threshold=": "--condition-number decides",
            "--cutoff_trace_ratio=": "--condition-number decides",
            "--regularization=": "--condition-number decides",
            "--model_product=": "give --covariance, from which it is computed",
            "--trimmed_ensemble_id": "genes are matched as the files call them",
        },
    )
