"""From ctPred to weights of SNPs (ℓ-ctPred): the elastic net of what was predicted for people on their dosages.

ctPred says of each person what their DNA makes of a gene, by a network that nobody can apply to the results of a GWAS.
A sum of dosages that says nearly the same can be applied: its weights go into PredictDB's files, and S-PrediXcan and
S-MultiXcan take them as they take those of PrediXcan.
"""

import warnings
from functools import partial
from itertools import tee
from operator import itemgetter

import anndata
import numpy as np
import pandas as pd
from tqdm import tqdm

from scomics_lite.progress import no_bar
from scomics_lite.twas.exchange.covariance_files import covariances
from scomics_lite.twas.exchange.gene_covariances import Covariances
from scomics_lite.twas.genotypes.snp_filters import filter_snps
from scomics_lite.twas.linearised.linear_fits import FEWEST, fit_cell_types
from scomics_lite.twas.linearised.model_folders import COUNTS, LinearModels
from scomics_lite.twas.weights.elastic_net import check_settings
from scomics_lite.twas.weights.finished_genes import FinishedGenes, digest
from scomics_lite.twas.weights.folds import fold_ids
from scomics_lite.twas.weights.gene_windows import Windows, check_panel
from scomics_lite.twas.weights.trained_genes import as_model
from scomics_lite.twas.weights.training_data import TrainingData
from scomics_lite.twas.weights.worker_processes import spread_over
from scomics_lite.validation import InputError, did_you_mean, is_anndata, is_number, once, quoted, warn

FILTERS = ("maf", "hwe", "missing", "ambiguous")


def linearise(
    dosages,
    predicted,
    genes,
    *,
    window=1e6,
    around="tss",
    mixing=0.5,
    folds=10,
    filters=None,
    client=None,
    processes=1,
    resume=None,
    rng=0,
    progress=True,
):
    """Learn weights of SNPs that say nearly what ctPred says of people, for each gene and cell type.

    An elastic net as in `fit_elastic_net`, of the predicted expression on the dosages of SNPs near the gene (Zhou et
    al. 2025: ±1 Mb of the start of transcription, mixing 0.5). What the network does that is not a sum over dosages,
    such as two variants that need each other, is lost, and so are variants that the filters leave out: the fidelity
    says how much. Genes are kept as PredictDB keeps them, with a correlation above 0.1 in people left out, p below
    0.05: of the others the weights do not stand for what ctPred said.

    A weight is in the units of the prediction for each copy of the effect allele. ctPred predicts percentiles, 0 to 1:
    a weight of 0.01 moves the gene by one percent of all genes' ranks, and an effect size of S-PrediXcan is per whole
    range, from the lowest gene to the highest. z-scores and p-values do not depend on the units.

    Parameters
    ----------
    dosages : AnnData, people × SNPs
        As `read_vcf` gives it.
    predicted : AnnData, people × genes
        A layer for each cell type, as `personal_expression` gives it. People are matched by name.
    genes : DataFrame
        Indexed by gene: ``chromosome`` and ``tss``, or ``start`` and ``end``; if known ``genename``.
    window : float
        Bases on both sides whose SNPs are used.
    around : {"tss", "gene"}
        Where they are counted from.
    mixing : float
        Of the elastic net: 1 is the lasso, 0 ridge regression.
    folds : int
        Of the cross-validation that chooses the penalty.
    filters : dict, optional
        Arguments of `filter_snps` that shall not be its defaults, such as ``{"maf": 0.05, "ambiguous": False}``.
    client : dask.distributed.Client, optional
        Its workers fit the genes.
    processes : int
        How many processes of this machine fit genes, if no client does; as for `train_models`.
    resume : path, optional
        A file to which each gene is appended as it ends. A run that was killed goes on where it was, if it is called
        again with the same arguments.
    rng : int or numpy.random.Generator
        Where folds come from. A gene has the same folds in all cell types.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    LinearModels
        ``models`` and ``covariances`` by cell type, ``joint_covariances``, ``fidelity``, ``snps``; ``write(folder)``.

    Raises
    ------
    InputError
        If tables do not fit together, no SNP passes the filters, or `resume` is of other input or settings.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> snps = pd.DataFrame({"chromosome": "1", "position": np.arange(20) * 1000, "ref_allele": "A", "eff_allele": "G"})
    >>> dosages = anndata.AnnData(rng.binomial(2, 0.4, (100, 20)), var=snps.set_index("rs" + snps.index.astype(str)))
    >>> percentiles = 0.5 + 0.02 * dosages.X[:, [3]] - 0.01 * dosages.X[:, [4]] * (dosages.X[:, [3]] > 0)
    >>> predicted = anndata.AnnData(obs=dosages.obs, var=pd.DataFrame(index=["FTO"]), layers={"B": percentiles})
    >>> genes = pd.DataFrame({"chromosome": ["1"], "tss": [4000]}, index=["FTO"])
    >>> found = linearise(dosages, predicted, genes, window=1e4, progress=False)
    >>> found.models["B"], found.fidelity["fidelity"].round(2).tolist()
    (PredictionModel: 1 genes (FTO), 4 weights of 4 SNPs, [0.9])
    """
    _check_predicted(predicted)
    _check_numbers(mixing, folds, processes, len(predicted.obs))
    panel, snps = _filtered(dosages, filters)
    with once():
        data = {name: TrainingData(panel, predicted.to_df(name), genes, around) for name in predicted.layers}
    first = next(iter(data.values()))
    if len(first.rows) < max(FEWEST, folds):
        raise InputError(
            f"dosages and predicted share {len(first.rows)} people; {max(FEWEST, folds)} are needed, to learn from "
            "some and look at others"
        )
    seed = int(rng.integers(2**63)) if isinstance(rng, np.random.Generator) else int(rng)
    windows = Windows(panel.var, window)
    settings = {"window": windows.window, "around": around, "mixing": float(mixing), "folds": folds, "seed": seed}
    known = _fingerprint(first, predicted) | settings if resume is not None else {}
    finished = FinishedGenes(resume, known)
    _fit_all(data, windows, seed, finished, partial(fit_cell_types, mixing=mixing, folds=int(folds)),
             client, processes, progress)  # fmt: skip
    return _as_models(data, [finished.results[gene]["fits"] for gene in first.genes], windows, snps)


def _fit_all(data, windows, seed, finished, fit, client, processes, progress):
    """Fit the genes that are not finished, a gene at a time in all cell types."""
    first = next(iter(data.values()))
    todo = [gene for gene in first.genes if gene not in finished.results]
    tasks = (_task(data, gene, windows, seed) for gene in todo)
    parts = [map(itemgetter(i), copy) for i, copy in enumerate(tee(tasks, 4))]
    with spread_over(client, processes) as spread:
        done = len(first.genes) - len(todo)
        for result in tqdm(spread(fit, *parts), "genes", len(first.genes), initial=done, disable=no_bar(progress)):
            finished.add(result)


def _task(data, gene, windows, seed):
    """Give what `fit_cell_types` takes."""
    each = [one.task(gene, windows, seed) for one in data.values()]
    name, dosages, _, gene_seed = each[0]
    return name, dosages, np.column_stack([task[2] for task in each]), gene_seed


def _as_models(data, fits, windows, snps):
    """Make models, covariances and the table of all genes."""
    models, own, tables = {}, {}, []
    for i, (name, one) in enumerate(data.items()):
        results = [gene[i] for gene in fits]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of no gene kept: it would not say in which cell type
            models[name], own[name] = as_model(one, results, windows, "predictive")
        tables.append(_fidelity(name, results, models[name].others["training"]))
    empty = [name for name, model in models.items() if not len(model)]
    if empty:
        some = ", ".join(map(quoted, empty))
        warn(f"no gene is kept in {len(empty)} of {len(models)} cell types, {some}: fidelity['status'] says why")
    people, kept = next(iter(data.values())).people_trained_on, [model for model in models.values() if len(model)]
    joint = covariances(people, kept) if kept else Covariances.from_matrices({})
    return LinearModels(models, own, joint, pd.concat(tables, ignore_index=True), snps)


def _fidelity(cell_type, results, training):
    """Give a row for every gene: how near its linear model comes to ctPred, or why there is none."""
    columns = {"fidelity": "fidelity", "fidelity_in_sample": "fidelity_in_sample", "rho_avg": "correlation"}
    numbers = pd.DataFrame(results).reindex(columns=["gene", *columns]).rename(columns=columns)
    known = training[["gene", "genename", "n.snps.in.model", "n.snps.in.window", "status"]]
    table = known.merge(numbers, on="gene", how="left", sort=False)
    table = table.rename(columns={"n.snps.in.model": "n_snps", "n.snps.in.window": "n_window"})
    table.insert(0, "cell_type", cell_type)
    table = table.astype(COUNTS)
    return table[["cell_type", "gene", "genename", *columns.values(), "n_snps", "n_window", "status"]]


def _filtered(dosages, filters):
    """Leave out SNPs that break a rule, and say how many; what is left has no haplotypes any more."""
    check_panel(dosages)
    other = [name for name in filters or {} if name not in FILTERS]
    if other:
        raise InputError(f"filters has {other[0]!r}: {did_you_mean(other[0], FILTERS)}")
    snps = filter_snps(dosages, **(filters or {}))
    keep = snps["keep"].to_numpy()
    if not keep.any():
        reason = snps["reason"].str.split(":").str[0].value_counts().index[0]
        raise InputError(
            f"none of {len(snps):,} SNPs passes the filters, most often: {reason!r}. Look at "
            "filter_snps(dosages)['reason'], and give filters={…} what it takes: maf, hwe, missing, ambiguous"
        )
    if not keep.all():
        counts = snps.loc[~keep, "reason"].str.split(r"[:;]").str[0].replace(r"[\d.]+%", "many", regex=True)
        some = "; ".join(f"{count:,} {reason}" for reason, count in counts.value_counts().items())
        warn(f"{(~keep).sum():,} of {len(snps):,} SNPs are left out, by the first rule they break: {some}")
    return anndata.AnnData(dosages.X[:, keep], dosages.obs[[]], dosages.var[keep]), snps


def _fingerprint(first, predicted):
    layers = [np.asarray(predicted.layers[name]) for name in predicted.layers]
    return first.fingerprint() | {
        "cell types": list(predicted.layers),
        "expression": digest(*layers, predicted.obs_names, predicted.var_names),
    }


def _check_predicted(predicted):
    if not (is_anndata(predicted) and len(predicted.layers)):
        got = "an AnnData without layers" if is_anndata(predicted) else type(predicted).__name__
        raise InputError(
            f"predicted is an AnnData, people × genes with a layer a cell type, as personal_expression gives it; got "
            f"{got}. Of tables: anndata.AnnData(obs=…, var=…, layers={{'B': table.to_numpy()}})"
        )


def _check_numbers(mixing, folds, processes, n):
    check_settings(mixing)
    fold_ids(np.asarray(folds).item(), max(n, 1_000), 1, np.random.default_rng(0))
    if not (is_number(processes) and processes >= 1 and int(processes) == processes):
        raise InputError(f"processes is a whole number, 1 or more; got {processes!r}")
