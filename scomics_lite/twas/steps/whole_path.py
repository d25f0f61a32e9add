"""scPrediXcan from DNA to a hit: four steps, each with files that other tools read, in a working folder.

1. ctPred learns, across genes, to predict the expression of each cell type from the reference sequence.
2. The same model is asked about every person's two sequences of every gene.
3. An elastic net of the SNPs near a gene takes the place of the model: l-ctPred, as weights and covariances.
4. S-PrediXcan tests each cell type's predictions for association with a trait, S-MultiXcan all together.

Each step is done once: a run that was killed, or is called with another GWAS, goes on with what is there.
"""

import inspect
import time
from functools import partial

import numpy as np

from scomics_lite.twas.genotypes.snp_filters import filter_snps
from scomics_lite.twas.sequence_models.ctpred import CtPred
from scomics_lite.twas.steps import findings, four_steps
from scomics_lite.twas.steps.input_checks import check_inputs
from scomics_lite.twas.steps.inputs import read_inputs
from scomics_lite.twas.steps.results import CTPRED, LEARN, LINEAR, PERSONAL, PREDICTED, association_folder, read_results
from scomics_lite.twas.steps.step_records import do_step, is_done, recorded_checksums
from scomics_lite.twas.steps.working_folder import working_folder
from scomics_lite.twas.weights.finished_genes import digest
from scomics_lite.validation import once


def scpredixcan(
    folder,
    *,
    genome,
    genes,
    cells,
    people,
    gwas,
    featuriser=None,
    features=None,
    donor="donor",
    cell_type="cell_type",
    cell_types=None,
    split=None,
    ctpred=None,
    window=1e6,
    filters=None,
    processes=1,
    client=None,
    rng=0,
    report=None,
    progress=True,
):
    """Go from DNA to genes that are associated with a trait, where nobody's expression was measured beside genotypes.

    Parameters
    ----------
    folder : path
        To work in, one run at a time; is made if it is not there. Each step has a folder with plain files and
        ``step.json``: fingerprints of its inputs, settings, seeds, versions of packages and checksums of its files.
    genome : Genome or path
        As `read_genome` gives it or reads it: FASTA.
    genes : DataFrame or path
        As `read_annotation` gives it or reads it: GTF, GFF3, BED or a table.
    cells : AnnData, DataFrame or path
        Single cells with raw counts, whose ``obs`` says donor and cell type; or mean expression, genes × cell types.
    people : AnnData or path
        Phased genotypes, as `read_vcf` gives them or reads them. Need not be the donors of the cells.
    gwas : path, DataFrame, or dict of these
        Summary statistics of a trait, or of several by name: ``{"height": "height.txt.gz"}``. Their results lie in a
        folder each; one that is added later does not repeat the steps before.
    featuriser : MotifFeatures, EnformerFeatures or the like, optional
        What turns sequences into features; by default all of JASPAR's vertebrate motifs. Must be what `features` was
        made by, if that is given.
    features : AnnData or path, optional
        Features of the genes' reference sequences that were computed before, genes × tracks.
    donor, cell_type : str
        Columns of the cells' ``obs``.
    cell_types : sequence of str, optional
        Which to use; all by default.
    split : Series, optional
        "train", "validation" or "test" by gene, as from `chromosome_split`, whose chromosomes are the default.
    ctpred : CtPred, optional
        With other settings than the default's; it gets trained.
    window : float
        Bases before the start and after the end of a gene whose SNPs l-ctPred uses.
    filters : dict, optional
        What `filter_snps` takes, such as ``{"maf": 0.05}``: which SNPs l-ctPred uses. ctPred reads all.
    processes : int
        How many processes of this machine fit the genes of step 3. See `train_models` for what they need.
    client : dask.distributed.Client, optional
        Its workers fit them instead.
    rng : int or numpy.random.Generator
        Seed of ctPred's training and of l-ctPred's folds.
    report : callable, optional
        Is told in a line or two of text what each step found, as it ends; ``print`` shows it.
    progress : bool
        Whether to show progress bars.

    Returns
    -------
    ScPrediXcanResult
        ``association`` (S-PrediXcan, all cell types), ``multixcan``, ``fidelity`` (of l-ctPred to ctPred),
        ``performance`` (of ctPred across genes, beside ridge), ``models`` (by cell type) and ``folder``.

    Raises
    ------
    InputError
        If inputs cannot be used, which is looked at before the first step; if a step in the folder was made from other
        inputs or settings (named); if another run works in the folder, or it cannot be written.

    Warns
    -----
    UserWarning
        Of genes and sums of cells that are left out, and where a step was made with other versions of packages.

    Notes
    -----
    That a model predicts which genes are high in a cell type does not mean that it predicts which people are: see
    `across_people`, and test it where expression was measured.

    References
    ----------
    Zhou et al. 2025, scPrediXcan.

    Examples
    --------
    >>> study = {"genome": "genome.fa", "genes": "genes.gtf", "cells": "cells.h5ad", "people": "people.vcf.gz"}
    >>> result = scpredixcan("work", **study, gwas="gwas.txt.gz", report=print)  # doctest: +SKIP
    >>> result.association.head()  # doctest: +SKIP
    """
    seed = int(rng.integers(2**31)) if isinstance(rng, np.random.Generator) else int(rng)
    rules = inspect.signature(filter_snps).parameters.values()
    filters = {rule.name: rule.default for rule in rules if rule.kind is rule.KEYWORD_ONLY} | (filters or {})
    with working_folder(folder) as folder, once():
        inputs = read_inputs(
            *(genome, genes, cells, people, gwas),
            **{"featuriser": featuriser, "features": features, "split": split},
            **{"donor": donor, "cell_type": cell_type, "cell_types": cell_types},
        )
        check_inputs(inputs, window, filters, people=not is_done(folder / PERSONAL), progress=progress)
        run = _Run(folder, inputs, report, progress)
        run.learn(CtPred(rng=seed) if ctpred is None else ctpred)
        run.ask()
        run.linearise({"window": float(window), "filters": filters, "rng": seed}, processes, client)
        run.associate()
        return read_results(folder, list(inputs.gwas))


class _Run:
    """The steps of one call: what each is made from, done or left as it is, and told of."""

    def __init__(self, folder, inputs, report, progress):
        self.folder, self.inputs, self.report, self.progress = folder, inputs, report, progress
        self.known = inputs.fingerprints()

    def learn(self, ctpred):
        """Step 1, from everything but people and GWAS."""
        made = {name: text for name, text in self.known.items() if name != "panel of people"}
        settings = {f"ctPred's {name}": value for name, value in ctpred.settings.items()}
        self._do(
            LEARN, made, settings, partial(four_steps.learn, self.inputs, ctpred, self.progress), findings.of_learning
        )

    def ask(self):
        """Step 2, of the trained ctPred and everybody's genotypes."""
        made = self._of("genome", "annotation of genes", "featuriser", "panel of people")
        made |= {f"{LEARN}/{name}": text for name, text in recorded_checksums(self.folder / LEARN, CTPRED).items()}
        ctpred = self.folder / LEARN / CTPRED
        work = partial(four_steps.personal, self.inputs, ctpred, self.progress)
        self._do(PERSONAL, made, {}, work, findings.of_people)

    def linearise(self, settings, processes, client):
        """Step 3, of what step 2 predicted."""
        made = self._of("annotation of genes", "panel of people")
        made |= {f"{PERSONAL}/{name}": text for name, text in recorded_checksums(self.folder / PERSONAL).items()}
        how = settings | {"processes": processes, "client": client, "progress": self.progress}
        work = partial(four_steps.linear, self.inputs, self.folder / PERSONAL / PREDICTED, how)
        self._do(LINEAR, made, settings, work, findings.of_linearising)

    def associate(self):
        """Step 4, of the weights of step 3 and each GWAS."""
        weights = {f"{LINEAR}/{name}": text for name, text in recorded_checksums(self.folder / LINEAR).items()}
        for name, gwas in self.inputs.gwas.items():
            work = partial(four_steps.associate, gwas, self.folder / LINEAR, self.progress)
            made = {"GWAS": digest(gwas)} | weights
            self._do(association_folder(name), made, {}, work, findings.of_association)

    def _of(self, *names):
        return {name: self.known[name] for name in names}

    def _do(self, name, made, settings, work, found):
        """Do a step; tell what it found and how long it took."""
        began, place = time.perf_counter(), self.folder / name
        is_new = do_step(place, made, settings, work)
        if self.report is not None:
            took = f"{(time.perf_counter() - began) / 60:.1f} minutes" if is_new else "was done before"
            for line in found(place):
                self.report(f"{name}: {line}")
            self.report(f"{name}: {took}")
