"""Predicted expression of people: everybody's two haplotypes through a featuriser and ctPred, gene by gene.

ctPred learned from one sequence a gene, the genome's. Here it is asked what the same gene would do with the DNA of each
person. One gene is in memory at a time, and of its sequences those that differ.
"""

import base64

import anndata
import numpy as np
import pandas as pd
from tqdm import tqdm

from scomics_lite.progress import no_bar
from scomics_lite.twas.genotypes.people import check_once
from scomics_lite.twas.personal.gene_overviews import READY, look_at_genes
from scomics_lite.twas.personal.gene_predictions import AVERAGES, predict_people, tracks_of
from scomics_lite.twas.personal.model_digests import model_digest
from scomics_lite.twas.sequence_models.features_of_genes import featuriser_digest
from scomics_lite.twas.weights.finished_genes import FinishedGenes, digest
from scomics_lite.validation import InputError, did_you_mean

FLAT = 1e-6  # of a percentile: float32 leaves 6e-8 of it open


def personal_expression(
    genome, genes, dosages, featuriser, models, *, average="features", pad=False, resume=None, progress=True
):
    """Predict everybody's expression of every gene in each cell type, from their own DNA.

    For each gene the variants of a person are written into the sequence around its start of transcription, haplotype by
    haplotype (`dna.haplotype_sequences`); the features of the two sequences are averaged, and the model predicts from
    the average, as published (Zhou et al. 2025). A haplotype that many people carry is scanned once, and so is a pair
    of haplotypes predicted.

    Parameters
    ----------
    genome : Genome
        As `dna.read_genome` gives it; of the build of `dosages` and `genes`.
    genes : DataFrame
        As `dna.read_annotation` gives it: indexed by gene, ``chromosome``, ``strand``, ``tss``.
    dosages : AnnData, people × SNPs
        With haplotypes, as `read_vcf` gives it. All variants are used here, rare ones and indels too.
    featuriser : MotifFeatures, EnformerFeatures or another torch module like these
        With ``length``, ``tracks`` and ``features(sequences)``: the one whose features `models` learned from.
    models : CtPred, RidgePredictor, or other object
        Fitted: with ``cell_types``, ``tracks`` and ``predict_array(features)``.
    average : {"features", "predictions"}
        What is averaged over the two haplotypes. "predictions" lets each haplotype act alone.
    pad : bool
        Write N beyond the ends of a chromosome, instead of refusing a gene that lies there.
    resume : path, optional
        A file to which each gene is appended as it ends. A run that was killed goes on where it was, if it is called
        again with the same arguments.
    progress : bool
        Whether to show progress bars.

    Returns
    -------
    AnnData, people × genes
        A float32 layer for each cell type, in the units of the model: percentiles, 0 to 1. No ``X``, since no cell type
        comes before the others: ``predicted.to_df("B")`` gives one. ``var`` has the columns of `genes`, ``n_variants``
        (carried by somebody, in the sequence), ``n_haplotypes`` (distinct sequences of the people), and ``status``:
        "predicted", "no variants" (the same for everybody), "constant prediction" (no variant changes it in any cell
        type), or why the gene was refused, with NaN for everybody. ``varm["reference"]`` has the prediction of the
        genome's own sequence, genes × cell types. (anndata does not read a .h5ad file back in which a layer's name has
        a "/": rename a cell type "T/NK" before ``write_h5ad``. `scpredixcan` sees to that itself.)

    Raises
    ------
    InputError
        If genome and variants are of different builds, the model has learned other tracks than the featuriser gives, or
        `resume` is of other input or settings. What is wrong with some genes only is told in a warning and in
        ``status``; if it is wrong with all, it is an error. All this is found out before anything is predicted.

    Examples
    --------
    >>> from scomics_lite.dna import Genome, MotifFeatures, jaspar_motifs
    >>> from scomics_lite.twas.sequence_models.ridge_predictor import RidgePredictor
    >>> factors = MotifFeatures(jaspar_motifs().select(["MA0139.2"]), length=64, bin_width=16, bins=2)
    >>> site, rng = "TGGCCACCAGGGGGCGCTA", np.random.default_rng(0)  # of CTCF
    >>> learned = pd.DataFrame({"CTCF": rng.random(60)})
    >>> model = RidgePredictor().fit(learned, learned.rename(columns={"CTCF": "B"}), ["train", "validation"] * 30)
    >>> genome = Genome({"1": "ATCG" * 14 + site + "ATCG" * 10})
    >>> snps = pd.DataFrame({"chromosome": "1", "position": [66], "ref_allele": "GGGG", "eff_allele": "G"}, ["rs1"])
    >>> layers = {"haplotype1": np.int8([[0], [1]]), "haplotype2": np.int8([[0], [0]])}
    >>> dosages = anndata.AnnData(np.float32([[0], [1]]), pd.DataFrame(index=["ann", "bo"]), snps, layers=layers)
    >>> genes = pd.DataFrame({"chromosome": "1", "strand": "+", "tss": 65}, index=["FTO"])
    >>> personal_expression(genome, genes, dosages, factors, model, progress=False).to_df("B").round(3)
           FTO
    ann  0.514
    bo   0.274
    """
    from scomics_lite import dna  # here, not above: torch takes two seconds to import

    if average not in AVERAGES:
        raise InputError(f"average={average!r}: {did_you_mean(average, AVERAGES)}")
    tracks, haplotypes = tracks_of(featuriser, models), dna.Haplotypes(dosages)
    check_once(haplotypes.people, "dosages: person")
    check_once(genes.index, "genes: gene")
    dna.check_alleles(genome, haplotypes)
    overview, letters = look_at_genes(genome, genes, haplotypes, featuriser.length, pad=pad, progress=progress)
    known = {}
    if resume is not None:
        known = _fingerprint(haplotypes, genes, letters, featuriser, models) | {"average": average}
    finished = FinishedGenes(resume, known)
    layers = np.full((len(models.cell_types), len(haplotypes.people), len(genes)), np.nan, dtype=np.float32)
    reference = np.full((len(genes), len(models.cell_types)), np.nan, dtype=np.float32)
    for place, gene in enumerate(tqdm(genes.index, "genes", disable=no_bar(progress))):
        if overview["n_haplotypes"].iloc[place] == 0:
            continue
        if gene not in finished.results:
            found = dna.haplotype_sequences(genome, genes.loc[gene], haplotypes, featuriser.length, pad=pad)
            features = featuriser.features(found.sequences)[:, tracks]
            finished.add(_packed(gene, *predict_people(features, found.index, models, average)))
        reference[place], layers[:, :, place] = _unpacked(finished.results.pop(gene), layers.shape[:2])
    table = genes.drop(columns=overview.columns, errors="ignore").join(overview)
    return _annotated(layers, reference, table, dosages, models.cell_types)


def _fingerprint(haplotypes, genes, letters, featuriser, models):
    """Give digests of all that predictions depend on."""
    return {
        "people": digest(haplotypes.people),
        "list of genes": digest(genes.index),
        "sequences": letters,
        "featuriser": featuriser_digest(featuriser),
        "model": model_digest(models),
    }


def _packed(gene, reference, people):
    """Make a line of JSON of a gene's predictions, bit by bit."""
    return {"gene": gene, "predicted": base64.b64encode(np.vstack([reference, people]).astype("<f4")).decode()}


def _unpacked(result, shape):
    """Give the genome's prediction, (cell types,), and everybody's, (cell types, people)."""
    numbers = np.frombuffer(base64.b64decode(result["predicted"]), "<f4").reshape(-1, shape[0])
    return numbers[0], numbers[1:].T


def _annotated(layers, reference, genes, dosages, cell_types):
    is_flat = (np.ptp(layers, axis=1) <= FLAT).all(axis=0)
    is_flat &= (genes["status"] == READY).to_numpy()
    genes.loc[is_flat, "status"] = "constant prediction"
    names = [str(name) for name in cell_types]
    found = anndata.AnnData(obs=dosages.obs.copy(), var=genes, layers=dict(zip(names, layers, strict=True)))
    found.varm["reference"] = pd.DataFrame(reference, found.var_names, names)
    return found
