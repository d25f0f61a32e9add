"""What the four steps are made from: read, brought to the same genes, and given a fingerprint each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from scomics_lite.twas.exchange.gwas_files import read_gwas
from scomics_lite.twas.genotypes.plink_files import read_plink
from scomics_lite.twas.genotypes.vcf_files import read_vcf
from scomics_lite.twas.sequence_models.feature_tables import read_features
from scomics_lite.twas.sequence_models.features_of_genes import featuriser_digest, sequence_digest
from scomics_lite.twas.sequence_models.gene_splits import chromosome_split
from scomics_lite.twas.sequence_models.percentiles import expression_percentiles
from scomics_lite.twas.steps.cells_to_percentiles import cell_percentiles
from scomics_lite.twas.weights.finished_genes import digest
from scomics_lite.twas.weights.gene_windows import check_panel, plain_chromosomes
from scomics_lite.validation import InputError, quoted, warn

VCF = (".vcf", ".vcf.gz", ".bcf")
FEW = 3  # names in a message
TOO_MANY = 0.1  # of the genes: if more cannot be read, genome and annotation do not belong together


@dataclass(frozen=True, eq=False)
class Inputs:
    """Everything read and matched; `genes`, `percentiles` and `split` have the same rows."""

    genome: object
    genes: pd.DataFrame
    percentiles: pd.DataFrame  # genes × cell types
    split: pd.Series
    people: anndata.AnnData
    gwas: dict  # name: table; the name of a single one is ""
    featuriser: object
    features: anndata.AnnData | None  # of the reference sequences, if they were computed before

    @property
    def personal_genes(self):
        """Genes on chromosomes on which the people have SNPs."""
        return self.genes[self.genes["chromosome"].isin(plain_chromosomes(self.people.var["chromosome"]).unique())]

    def fingerprints(self):
        """Give a text for each input that changes when the input does, by what a user calls it."""
        people = [self.people.X, *(self.people.layers[name] for name in sorted(self.people.layers))]
        known = {
            "genome": sequence_digest(self.genome, self.genes, self.featuriser.length),
            "annotation of genes": digest(self.genes.astype(str)),
            "set of cells": digest(self.percentiles),
            "split": digest(self.split.astype(str)),
            "featuriser": featuriser_digest(self.featuriser),
            "panel of people": digest(*map(np.asarray, people), self.people.obs_names, self.people.var.astype(str)),
        }
        if self.features is not None:
            known["table of features"] = digest(np.asarray(self.features.X), self.features.obs_names)
        return known


def read_inputs(genome, genes, cells, people, gwas, *, featuriser, features, split, **columns):
    """Read what is a path, and keep the genes that all of genome, annotation and cells have.

    Parameters
    ----------
    genome, genes, cells, people, gwas, featuriser, features, split
        As `scpredixcan` takes them.
    **columns
        What `cell_percentiles` takes beside the cells.

    Returns
    -------
    Inputs

    Raises
    ------
    InputError
        For what cannot be read, genes that have other names in the annotation, and a genome that lacks more than a
        tenth of the genes.

    Warns
    -----
    UserWarning
        Of genes that are left out.

    Examples
    --------
    >>> from scomics_lite import dna
    >>> genes = pd.DataFrame({"chromosome": "1", "start": [60, 90], "end": [80, 99], "strand": "+"}, ["FTO", "TP53"])
    >>> means, split = pd.DataFrame({"B": [1.0, 4.5]}, genes.index), pd.Series(["train", "test"], genes.index)
    >>> snps = {"chromosome": "1", "position": [70], "ref_allele": "A", "eff_allele": "C"}
    >>> people = anndata.AnnData(np.ones((1, 1)), var=pd.DataFrame(snps, ["rs1"]))
    >>> gwas = pd.DataFrame({"SNP": ["rs1"], "effect_allele": "C", "other_allele": "A", "z": 2.0})
    >>> motifs = dna.MotifFeatures(dna.jaspar_motifs().select(["MA0139.2"]), length=64, bin_width=16, bins=2)
    >>> genome, settings = dna.Genome({"1": "ACGT" * 50}), {"featuriser": motifs, "features": None, "split": split}
    >>> read_inputs(genome, genes.assign(tss=genes["start"]), means, people, gwas, **settings).percentiles
            B
    FTO   0.5
    TP53  1.0
    """
    from scomics_lite import dna  # here, not above: torch takes two seconds to import

    genome = dna.read_genome(genome) if isinstance(genome, str | Path) else genome
    genes = dna.read_annotation(genes) if isinstance(genes, str | Path) else genes
    featuriser = dna.MotifFeatures(dna.jaspar_motifs()) if featuriser is None else featuriser
    percentiles = cell_percentiles(cells, **columns)
    genes = readable_genes(genome, shared_genes(genes, percentiles.index), featuriser.length)
    features = _matched_features(features, genes, featuriser)
    genes = genes if features is None else genes.loc[features.obs_names]
    return Inputs(
        genome,
        genes,
        expression_percentiles(percentiles.loc[genes.index]),  # the order, and with it the ranks, of these genes alone
        _split(split, genes),
        read_people(people),
        read_traits(gwas),
        featuriser,
        features,
    )


def shared_genes(genes, measured):
    """Keep the genes of an annotation that were measured.

    Parameters
    ----------
    genes : DataFrame, indexed by gene
    measured : Index of str

    Returns
    -------
    DataFrame

    Raises
    ------
    InputError
        If fewer than half of the measured genes are in the annotation, with names of both sides.

    Examples
    --------
    >>> genes = pd.DataFrame({"chromosome": ["1", "2"]}, index=["ENSG01.7", "ENSG02.3"])
    >>> shared_genes(genes, pd.Index(["ENSG01", "ENSG02"]))
    Traceback (most recent call last):
    scomics_lite.validation.InputError: 0 of the cells' 2 genes (0%) are in the annotation: the cells call theirs \
ENSG01, ENSG02; the annotation ENSG01.7, ENSG02.3. They differ by the version after the dot: \
cells.var_names = cells.var_names.str.split('.').str[0], and genes.index = genes.index.str.split('.').str[0]
    """
    found = genes.index.isin(measured)
    if 2 * found.sum() >= len(measured):
        lost = measured[~measured.isin(genes.index)]
        if len(lost):
            warn(f"{len(lost):,} of {len(measured):,} genes of the cells are not in the annotation: {some(lost)}")
        return genes[found]
    share = f"{found.sum():,} of the cells' {len(measured):,} genes ({found.sum() / len(measured):.0%})"
    sides = f"the cells call theirs {some(measured)}; the annotation {some(genes.index)}"
    raise InputError(f"{share} are in the annotation: {sides}. {_why_no_genes(genes, measured)}")


def _why_no_genes(genes, measured):
    def bare(names):
        return names.astype(str).str.split(".").str[0]

    if 2 * bare(genes.index).isin(bare(measured)).sum() >= len(measured):
        return (
            "They differ by the version after the dot: cells.var_names = cells.var_names.str.split('.').str[0], and "
            "genes.index = genes.index.str.split('.').str[0]"
        )
    if "genename" in genes and 2 * genes["genename"].isin(measured).sum() >= len(measured):
        return (
            "The cells use names and the annotation ids; by their names the genes are found: genes = "
            "genes.drop_duplicates('genename').set_index('genename', drop=False)"
        )
    return "Is another column of the cells' var the one with the ids? cells.var_names = cells.var[COLUMN]"


def readable_genes(genome, genes, length):
    """Leave out genes whose sequence the genome does not have, with a warning, if they are few.

    Parameters
    ----------
    genome : Genome
    genes : DataFrame
    length : int
        Bases that are read around each transcription start site.

    Returns
    -------
    DataFrame

    Raises
    ------
    InputError
        If they are more than a tenth.

    Examples
    --------
    >>> from scomics_lite.dna import Genome
    >>> genes = pd.DataFrame({"chromosome": "1", "tss": [100, 300], "strand": "+"}, index=["FTO", "TP53"])
    >>> readable_genes(Genome({"1": "ACGT" * 50}), genes, 20)
    Traceback (most recent call last):
    scomics_lite.validation.InputError: the genome does not have the sequences of 1 of 2 genes, 20 bases around their \
start, TP53 first (chromosome 1 has 200 bases, its start is 300): are genome and annotation of the same build?
    """
    lengths = {name: genome.length(name) if name in genome else 0 for name in genes["chromosome"].unique()}
    first = np.where(genes["strand"] == "+", genes["tss"] - length // 2, genes["tss"] + length // 2 - length + 1)
    lost = (first < 1) | (first + length - 1 > genes["chromosome"].map(lengths))
    if not lost.any():
        return genes
    one = genes[lost].iloc[0]
    there = f"chromosome {one['chromosome']} has {lengths[one['chromosome']]:,} bases, its start is {one['tss']:,}"
    what = f"the sequences of {lost.sum():,} of {len(genes):,} genes, {length:,} bases around their start"
    if lost.mean() > TOO_MANY:
        raise InputError(
            f"{genome} does not have {what}, {genes.index[lost][0]} first ({there}): are genome and annotation of the "
            "same build?"
        )
    warn(f"{genome} does not have {what}, and they are left out: {some(genes.index[lost])} ({there})")
    return genes[~lost]


def read_people(people):
    """Read genotypes, whichever file has them.

    Parameters
    ----------
    people : AnnData or path
        A VCF file, a ``.h5ad`` file, or the prefix of PLINK's files.

    Returns
    -------
    AnnData, people × SNPs
        ``var["varID"]`` names places and alleles.

    Examples
    --------
    >>> snps = {"chromosome": "1", "position": [70], "ref_allele": "A", "eff_allele": "C"}
    >>> people = anndata.AnnData(np.ones((1, 1)), var=pd.DataFrame(snps, ["rs1"]))
    >>> read_people(people).var["varID"].tolist()
    ['chr1_70_A_C']
    """
    if isinstance(people, str | Path):
        people = _read_people(people)
    check_panel(people)
    if "varID" in people.var:
        return people
    places = people.var[["chromosome", "position", "ref_allele", "eff_allele"]].astype(str)
    named = people.var.assign(varID="chr" + places.agg("_".join, axis=1))  # for a GWAS that names places
    return anndata.AnnData(people.X, people.obs, named, layers=dict(people.layers))


def _read_people(path):
    if str(path).endswith(".h5ad"):
        return anndata.read_h5ad(path)
    return read_vcf(path, field="GT") if str(path).endswith(VCF) else read_plink(path)


def read_traits(gwas):
    """Read the results of one GWAS, or of several by name.

    Parameters
    ----------
    gwas : path, DataFrame, or dict of these

    Returns
    -------
    dict of DataFrame
        A single one is called "".

    Examples
    --------
    >>> table = pd.DataFrame({"SNP": ["rs1"], "effect_allele": "A", "other_allele": "G", "BETA": 0.1, "SE": 0.02})
    >>> list(read_traits(table)), list(read_traits({"height": table}))
    ([''], ['height'])
    """
    named = gwas if isinstance(gwas, Mapping) else {"": gwas}
    if not named:
        raise InputError("there is no GWAS: give a path or a table, or several as {name: path}")
    for name in named:
        if name != "" and (not str(name).strip() or set(str(name)) & set('/\\:*?"<>|') or str(name).startswith(".")):
            raise InputError(f"a GWAS is called {quoted(name)}, and names a folder: use letters, digits and - or _")
    return {str(name): _read_gwas(one) for name, one in named.items()}


def _read_gwas(gwas):
    is_read = isinstance(gwas, pd.DataFrame) and "columns" in gwas.attrs
    return gwas if is_read else read_gwas(gwas, keep_non_rsid=True)


def _split(split, genes):
    if split is None:
        return chromosome_split(genes)
    if not isinstance(split, pd.Series):
        raise InputError(f"split is a Series by gene, as chromosome_split gives it; got {type(split).__name__}")
    lost = genes.index[~genes.index.isin(split.index)]
    if len(lost):
        raise InputError(
            f"the split lacks {len(lost):,} of {len(genes):,} genes: {some(lost)}. chromosome_split(genes) takes the "
            "whole annotation"
        )
    return split.loc[genes.index]


def _matched_features(features, genes, featuriser):
    """Keep the features of these genes; they have to be tracks of the featuriser."""
    if features is None:
        return None
    features = read_features(features) if isinstance(features, str | Path) else features
    both = genes.index[genes.index.isin(features.obs_names)]
    if 2 * len(both) < len(genes):
        raise InputError(
            f"the table of features has {len(both):,} of {len(genes):,} genes: it calls its own "
            f"{some(features.obs_names)}, cells and annotation {some(genes.index)}"
        )
    other = features.var_names[~features.var_names.isin(featuriser.tracks)]
    if len(other):
        raise InputError(
            f"the table of features has {len(other):,} tracks that the featuriser does not give: {some(other)}; it "
            f"gives {some(featuriser.tracks)}. People's sequences need the featuriser that made the table: featuriser="
        )
    if len(both) < len(genes):
        warn(f"{len(genes) - len(both):,} genes are not in the table of features: {some(genes.index.difference(both))}")
    return features[both]


def some(names):
    """Write the first of many names, as they are: what a user sees in a file.

    Parameters
    ----------
    names : sequence

    Returns
    -------
    str

    Examples
    --------
    >>> some(["rs1", "rs2", "rs3", "rs4"])
    'rs1, rs2, rs3 …'
    """
    names = list(names)
    return ", ".join(map(str, names[:FEW])) + (" …" if len(names) > FEW else "")
