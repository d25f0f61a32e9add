"""The whole path of chapter 6b in a shell: from a genome, cells, people and a GWAS to genes, in a working folder."""

from scomics_lite.course.command_options import option, require, say
from scomics_lite.course.people_commands import add_filters, filters_of
from scomics_lite.course.summary_commands import add_gwas, gwas_of
from scomics_lite.validation import InputError

AGAIN = "run the same command again to go on"


def scpredixcan(arguments):
    """Go from DNA to a hit: ctPred, people's predictions, l-ctPred, S-PrediXcan and S-MultiXcan.

    Parameters
    ----------
    arguments : argparse.Namespace
    """
    from scomics_lite import dna, twas

    require(arguments, "genome", "genes", "cells", "people", "gwas/gwas-folder", "folder")
    genes = dna.read_annotation(arguments.genes)
    gwas = gwas_of(arguments)
    try:
        result = twas.scpredixcan(
            arguments.folder,
            genome=arguments.genome,
            genes=genes,
            cells=arguments.cells,
            people=arguments.people,
            featuriser=_featuriser(arguments.motifs),
            gwas=gwas if arguments.trait is None else {arguments.trait: gwas},
            donor=arguments.donor_column,
            cell_type=arguments.cell_type_column,
            cell_types=arguments.cell_types,
            split=_split(arguments, genes),
            window=arguments.window,
            filters=filters_of(arguments),
            processes=arguments.processes,
            rng=arguments.seed,
            report=say,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(AGAIN) from None
    say(f"everything is in {result.folder}")


def _featuriser(motifs):
    """Make features of the motifs of a file; None where none is named."""
    from scomics_lite import dna

    return None if motifs is None else dna.MotifFeatures(dna.read_motifs(motifs))


def _split(arguments, genes):
    """Split genes by the chromosomes that were named; None where none were."""
    from scomics_lite import twas

    named = {"validation": arguments.validation_chromosomes, "test": arguments.test_chromosomes}
    if not any(named.values()):
        return None
    if not all(named.values()):
        raise InputError("--validation-chromosomes and --test-chromosomes go together: give both, or none")
    return twas.chromosome_split(genes, **named)


def scpredixcan_options(command):
    """Add the command's options.

    Parameters
    ----------
    command : argparse.ArgumentParser
    """
    files = command.add_argument_group("files")
    files.add_argument("--genome", metavar="FILE", help="FASTA, plain or packed with bgzip")
    files.add_argument("--genes", metavar="FILE", help="where they are: GTF, GFF3, BED, or a table; gz too")
    files.add_argument(
        "--cells", metavar="FILE", help="single cells, .h5ad with raw counts; or a table of means, genes × cell types"
    )
    option(files, "--people", "--vcf", metavar="FILE", help="phased genotypes: .vcf, .vcf.gz or .bcf")
    files.add_argument("--folder", metavar="DIR", help="to work in: all results, and what is needed to go on")
    add_gwas(command, files)
    files.add_argument("--trait", metavar="NAME", help="of the GWAS: several then share a folder and its steps 1 to 3")
    cells = command.add_argument_group("cells")
    option(cells, "--donor-column", default="donor", metavar="NAME", help="of the cells' obs (default donor)")
    option(cells, "--cell-type-column", default="cell_type", metavar="NAME", help="of it (default cell_type)")
    option(cells, "--cell-types", nargs="+", metavar="NAME", help="which to use (default all)")
    method = command.add_argument_group("method")
    method.add_argument("--motifs", metavar="FILE", help="JASPAR or MEME; default: JASPAR 2024, all vertebrate motifs")
    option(method, "--validation-chromosomes", nargs="+", metavar="NAME", help="that say when to stop (7 11 14), and")
    option(method, "--test-chromosomes", nargs="+", metavar="NAME", help="that judge ctPred (5 12 20)")
    method.add_argument("--window", type=float, default=1e6, metavar="BP", help="SNPs to both sides (default 1e6)")
    method.add_argument("--processes", type=int, default=1, metavar="N", help="at work at once (default 1)")
    method.add_argument("--seed", type=int, default=0, metavar="N", help="of training and folds (default 0)")
    add_filters(command)
