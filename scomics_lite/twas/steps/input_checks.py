"""What would fail, or come out empty, after hours: looked for before the first step."""

import numpy as np

from scomics_lite.twas.associations.harmonisation import OTHER_ALLELES, USED, harmonise
from scomics_lite.twas.genotypes.snp_filters import filter_snps
from scomics_lite.twas.linearised.model_folders import file_stems
from scomics_lite.twas.personal.gene_overviews import READY, look_at_genes
from scomics_lite.twas.sequence_models.gene_splits import PARTS
from scomics_lite.twas.steps.inputs import some
from scomics_lite.twas.weights.gene_windows import Windows, gene_places
from scomics_lite.validation import InputError, quoted, warn

FEWEST = {"train": 20, "validation": 5, "test": 5}  # genes; of fewer a correlation says nothing at all
FEW_FOUND = 0.1  # of the panel's SNPs in the GWAS
MANY_OTHER = (
    0.2  # of the SNPs that were found: of other SNPs half have, since strands may differ; usual are thousandths
)


def check_inputs(inputs, window, filters, people=True, progress=True):
    """Stop where one of the four steps could not be done with these inputs.

    Parameters
    ----------
    inputs : Inputs
    window : float
    filters : dict
        What `filter_snps` takes.
    people : bool
        Whether people's sequences still have to be written, and are tried.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    InputError
        The first that fails of `file_stems` (of cell types), `check_split`, `check_people`, `check_snps` and, for each
        GWAS, `check_gwas`.
    """
    file_stems(inputs.percentiles)
    check_split(inputs.split)
    if people:
        check_people(inputs.genome, inputs.personal_genes, inputs.people, inputs.featuriser.length, progress)
    snps = filter_snps(inputs.people, **filters)
    usable = check_snps(inputs.people.var, inputs.genes, snps, window)
    for name, gwas in inputs.gwas.items():
        check_gwas(inputs.people.var[usable], gwas, name)


def check_split(split):
    """Stop where too few genes train, validate or test.

    Parameters
    ----------
    split : Series of str, by gene

    Raises
    ------
    InputError

    Examples
    --------
    >>> import pandas as pd
    >>> check_split(pd.Series(["train"] * 30 + ["test"] * 15 + ["validation"] * 4))
    Traceback (most recent call last):
    scomics_lite.validation.InputError: the split has 4 genes for validation, of 49 (train 30, validation 4, test 15), \
and 5 at least are needed: chromosome_split(genes, validation=[...], test=[...]) takes other chromosomes
    """
    counts = {part: int((split == part).sum()) for part in PARTS}
    for part, fewest in FEWEST.items():
        if counts[part] < fewest:
            listed = ", ".join(f"{name} {count:,}" for name, count in counts.items())
            raise InputError(
                f"the split has {counts[part]:,} genes for {part}, of {len(split):,} ({listed}), and {fewest} at least "
                "are needed: chromosome_split(genes, validation=[...], test=[...]) takes other chromosomes"
            )


def check_people(genome, genes, people, length, progress=True):
    """Stop where a sequence of a person could not be written: all of them are, once, without being kept.

    Parameters
    ----------
    genome : Genome
    genes : DataFrame
    people : AnnData
    length : int
        Bases around the start of each gene.

    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    InputError
        If most variants do not fit the genome, or no gene can be written: genotypes that are missing or not phased,
        say. Of some genes a warning tells.

    Examples
    --------
    >>> import anndata
    >>> import pandas as pd
    >>> from scomics_lite.dna import Genome
    >>> var = pd.DataFrame({"chromosome": "1", "position": [4], "ref_allele": "C", "eff_allele": "G"}, index=["rs1"])
    >>> layers = {"haplotype1": np.int8([[0]]), "haplotype2": np.int8([[1]])}
    >>> people = anndata.AnnData(np.float32([[1]]), var=var, layers=layers)
    >>> genes = pd.DataFrame({"chromosome": ["1"], "strand": ["+"], "tss": [5]}, index=["FTO"])
    >>> check_people(Genome({"1": "AAACAAAAAAA"}), genes, people, 6, progress=False)
    """
    from scomics_lite.dna import Haplotypes, check_alleles  # here, not above: torch takes two seconds to import

    haplotypes = Haplotypes(people)
    check_alleles(genome, haplotypes)
    overview, _ = look_at_genes(genome, genes, haplotypes, length, progress=progress)
    refused = overview.loc[overview["n_haplotypes"] == 0, "status"]
    if len(refused) and not (overview["status"] == READY).any():
        raise InputError(
            f"none of {len(genes):,} genes can be predicted: {len(refused):,} are refused, the first, "
            f"{quoted(refused.index[0])}, because {refused.iloc[0]}; the others have no variants"
        )


def check_snps(snps, genes, filtered, window):
    """Stop where no SNP lies near a gene, or none that does passes the filters.

    Parameters
    ----------
    snps : DataFrame
        The panel's ``var``.
    genes : DataFrame
    filtered : DataFrame
        Of `filter_snps`.
    window : float

    Returns
    -------
    ndarray of bool
        SNPs that pass and lie near a gene.

    Raises
    ------
    InputError
        With chromosomes of both sides, or the commonest reasons of the filters.
    """
    near, windows = np.zeros(len(snps), dtype=bool), Windows(snps, window)
    for place in gene_places(genes, "tss").itertuples(index=False):
        near[windows.near(*place)] = True
    if not near.any():
        raise InputError(
            f"none of {len(snps):,} SNPs lies within {window:,.0f} bases of a gene: SNPs are on chromosome "
            f"{some(snps['chromosome'].astype(str).unique())}, genes on {some(genes['chromosome'].unique())}. Are "
            "both of the same build of the genome?"
        )
    usable = near & filtered["keep"].to_numpy()
    if not usable.any():
        reasons = filtered.loc[near, "reason"].str.split(";|:").str[0].value_counts()
        listed = ", ".join(f"{count:,} {reason}" for reason, count in reasons.head(3).items())
        raise InputError(
            f"none of {near.sum():,} SNPs near genes passes the filters: {listed}. filters= and the options --maf, "
            "--hwe and --missing set them"
        )
    return usable


def check_gwas(snps, gwas, name=""):
    """Stop where a GWAS has none of the panel's SNPs, or has them with other alleles; warn where it has few.

    Parameters
    ----------
    snps : DataFrame
        Of the panel, those that models can use: ``ref_allele``, ``eff_allele`` and, if known, ``varID``.
    gwas : DataFrame
        Of `read_gwas`.
    name : str
        What the GWAS is called, if there are several.

    Raises
    ------
    InputError
        With names of both sides.

    Examples
    --------
    >>> import pandas as pd
    >>> snps = pd.DataFrame({"ref_allele": ["A", "C"], "eff_allele": ["G", "T"]}, index=["rs1", "rs2"])
    >>> gwas = pd.DataFrame({"snp": ["rs8", "rs9"], "effect_allele": "A", "non_effect_allele": "G", "zscore": 1.0})
    >>> check_gwas(snps, gwas)
    Traceback (most recent call last):
    scomics_lite.validation.InputError: the GWAS has none of the panel's 2 SNPs near genes (rsid 0%, position 0%). The \
panel calls them rs1, rs2; the GWAS calls its own rs8, rs9. Are both of the same build of the genome, or is another \
column of the GWAS the one with the names? read_gwas(path, columns={'snp': ...}) takes it
    """
    which = f"the GWAS {quoted(name)}" if name else "the GWAS"
    weights = snps.assign(rsid=snps.index, gene="", weight=1.0).reset_index(drop=True)
    table, match = harmonise(weights, gwas)
    found, other = table["gwas_row"] >= 0, table["reason"] == OTHER_ALLELES
    tried = ", ".join(f"{key} {share:.2g}%" for key, share in match.found.items())
    sides = f"The panel calls them {some(weights['rsid'])}; the GWAS calls its own {some(gwas['snp'])}"
    if not found.any():
        raise InputError(
            f"{which} has none of the panel's {len(weights):,} SNPs near genes ({tried}). {sides}. Are both of the "
            "same build of the genome, or is another column of the GWAS the one with the names? "
            "read_gwas(path, columns={'snp': ...}) takes it"
        )
    if other.sum() > MANY_OTHER * found.sum():
        one = int(np.argmax(other))
        here, there = weights.iloc[one], gwas.iloc[table["gwas_row"].iloc[one]]
        raise InputError(
            f"{which} has {found.sum():,} of the panel's SNPs by {match.key}, and {other.sum():,} of them with other "
            f"alleles, such as {here['rsid']}: {here['ref_allele']}/{here['eff_allele']} in the panel, "
            f"{there['non_effect_allele']}/{there['effect_allele']} there. Are both of the same build of the genome?"
        )
    used = (table["reason"] == USED).mean()
    if used < FEW_FOUND:
        warn(f"{which} has {used:.1%} of the panel's {len(weights):,} SNPs near genes ({tried}). {sides}")
