"""Prediction models of all genes: SNPs near each gene, an elastic net, and how well it predicts people it has not seen.

As PredictDB does it: nested cross-validation measures the performance, weights are fitted on everybody, and genes are
kept whose predictions are correlated with expression (mean correlation above 0.1, p below 0.05).
"""

from functools import partial
from itertools import tee
from operator import itemgetter

import numpy as np
from tqdm import tqdm

from scomics_lite.progress import no_bar
from scomics_lite.twas.weights.cross_validation import LEAST_TEST, cross_validate, nested
from scomics_lite.twas.weights.elastic_net import check_settings
from scomics_lite.twas.weights.finished_genes import FinishedGenes
from scomics_lite.twas.weights.folds import fold_ids
from scomics_lite.twas.weights.gene_windows import Windows
from scomics_lite.twas.weights.gram_matrices import Columns
from scomics_lite.twas.weights.trained_genes import as_model
from scomics_lite.twas.weights.training_data import TrainingData
from scomics_lite.twas.weights.worker_processes import spread_over
from scomics_lite.validation import InputError, did_you_mean, is_number

KEEP = ("predictive", "all")
OUTER = 5  # folds of the nested cross-validation, PredictDB's number


def train_models(
    dosages,
    expression,
    genes,
    *,
    window=1e6,
    around="gene",
    mixing=0.5,
    folds=10,
    keep="predictive",
    client=None,
    processes=1,
    resume=None,
    rng=0,
    progress=True,
):
    """Learn the weights that predict each gene's expression from the dosages of SNPs near it.

    Genes are independent of each other; each has random numbers of its own, from `rng` and its name. Other processes, a
    Dask client, another order of genes or a run that was interrupted give the same numbers.

    Parameters
    ----------
    dosages : AnnData, people × SNPs
        With ``chromosome``, ``position``, ``ref_allele`` and ``eff_allele`` in ``var``, as `read_plink` and `read_vcf`
        give it. `filter_snps` says which SNPs to use. A missing dosage counts as the mean of its SNP.
    expression : DataFrame or AnnData, people × genes
        Normalised, and without what covariates explain. People are matched by name. A missing value leaves that person
        out for that gene.
    genes : DataFrame
        Indexed by gene: ``chromosome``, ``start``, ``end``, and if known ``genename``.
    window : float
        Bases before the start and after the end of a gene whose SNPs are used.
    around : {"gene", "tss"}
        With "tss" the window is around one base, the transcription start site, in a column ``tss`` of `genes`.
    mixing : float
        Of the elastic net: 1 is the lasso, 0 ridge regression.
    folds : int or "predictdb"
        Of the cross-validation that chooses the penalty, as in `fit_elastic_net`.
    keep : {"predictive", "all"}
        Which genes the model gets: those that pass PredictDB's filter, a mean correlation above 0.1 between prediction
        and expression of people left out, with p below 0.05; or all that have a weight.
    client : dask.distributed.Client, optional
        Its workers fit the genes.
    processes : int
        How many processes of this machine fit genes, if no client does. A script that asks for more than one needs
        ``if __name__ == "__main__":`` around its calls, as every use of Python's processes does. Setting
        OMP_NUM_THREADS to 1 beforehand keeps their threads out of each other's way.
    resume : path, optional
        A file to which each gene is appended as it ends. A run that was killed goes on where it was, if it is called
        again with the same arguments.
    rng : int or numpy.random.Generator
        Where folds come from.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    model : PredictionModel
        Of the genes that are kept. Beside PredictDB's columns, ``extra`` has ``rho_avg``, ``rho_zscore`` and
        ``n.snps.in.window``; ``pred.perf.R2`` is rho_avg², ``pred.perf.pval`` that of the z-score,
        ``pred.perf.qval`` adjusted (Benjamini and Hochberg) over all genes that were fitted.
        ``model.others["training"]`` has a row for every gene of `genes` and `expression`, with its ``status``: "kept",
        "not predictive", "no weights" (no SNP was chosen), "no SNP in window", "constant expression", "too few
        people", "no position", "no expression", "not in genes". It is written and read with the model.
    covariances : Covariances
        Of the dosages of the model's SNPs in the people it was trained on.

    Raises
    ------
    InputError
        If tables do not fit together, columns are missing, or `resume` is of other input or settings.

    Examples
    --------
    >>> import anndata
    >>> import pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> snps = pd.DataFrame({"chromosome": "1", "position": np.arange(20) * 1000, "ref_allele": "A", "eff_allele": "G"})
    >>> dosages = anndata.AnnData(rng.binomial(2, 0.4, (100, 20)), var=snps.set_index("rs" + snps.index.astype(str)))
    >>> expression = pd.DataFrame({"FTO": dosages.X[:, 3] + rng.normal(size=100)}, dosages.obs_names)
    >>> genes = pd.DataFrame({"chromosome": ["1"], "start": [2000], "end": [5000]}, index=["FTO"])
    >>> model, covariances = train_models(dosages, expression, genes, window=1e4, progress=False)
    >>> model.others["training"]["status"].tolist(), "FTO" in covariances
    (['kept'], True)
    """
    _check_settings(keep, processes)
    check_settings(mixing)
    data = TrainingData(dosages, expression, genes, around)
    _check_folds(folds, len(data.rows))
    seed = int(rng.integers(2**63)) if isinstance(rng, np.random.Generator) else int(rng)
    windows = Windows(dosages.var, window)
    settings = {"window": windows.window, "around": around, "mixing": float(mixing), "folds": folds, "seed": seed}
    finished = FinishedGenes(resume, data.fingerprint() | settings if resume is not None else {})
    todo = [gene for gene in data.genes if gene not in finished.results]
    tasks = (data.task(gene, windows, seed) for gene in todo)
    parts = [map(itemgetter(i), copy) for i, copy in enumerate(tee(tasks, 4))]
    with spread_over(client, processes) as spread:
        results = spread(partial(fit_gene, mixing=mixing, folds=folds), *parts)
        shown = tqdm(results, "genes", len(data.genes), initial=len(data.genes) - len(todo), disable=no_bar(progress))
        for result in shown:
            finished.add(result)
    return as_model(data, [finished.results[gene] for gene in data.genes], windows, keep)


def _check_settings(keep, processes):
    if keep not in KEEP:
        raise InputError(f"keep={keep!r}: {did_you_mean(keep, KEEP)}")
    if not (is_number(processes) and processes >= 1 and int(processes) == processes):
        raise InputError(f"processes is a whole number, 1 or more; got {processes!r}")


def _check_folds(folds, n):
    fold_ids(folds if isinstance(folds, str) else np.asarray(folds).item(), max(n, 1_000), 1, np.random.default_rng(0))
    if n < fewest(folds):
        raise InputError(
            f"{OUTER} folds of {LEAST_TEST} people and {folds} folds within the others need {fewest(folds)} people; "
            f"there are {n}: more people are needed, or fewer folds"
        )


def fit_gene(gene, dosages, expression, seed, mixing=0.5, folds=10):
    """Fit one gene and measure how well it is predicted.

    Parameters
    ----------
    gene : str
    dosages : ndarray, shape (n, p)
        SNPs of its window, NaN where missing.
    expression : ndarray, shape (n,)
        NaN where missing.
    seed : list of int
        Of its random numbers.
    mixing, folds
        As for `train_models`.

    Returns
    -------
    dict
        ``gene``, ``n_window``, ``status``; of a gene that was fitted also ``rho_avg, rho_zscore, pvalue, keep``, and
        ``columns`` and ``weights`` of the SNPs that were chosen. Plain numbers and texts, which a line of JSON holds.

    Examples
    --------
    >>> fit_gene("FTO", np.zeros((30, 0)), np.arange(30.0), [0])
    {'gene': 'FTO', 'n_window': 0, 'status': 'no SNP in window'}
    """
    known = ~np.isnan(expression)
    result = {"gene": gene, "n_window": dosages.shape[1]}
    status = _why_not(dosages, expression[known], folds)
    if status:
        return result | {"status": status}
    y, rng = expression[known], np.random.default_rng(seed)
    columns = Columns(dosages if known.all() else dosages[known])
    performance = nested(columns, y, mixing=mixing, outer=OUTER, inner=folds, rng=rng)
    whole = cross_validate(columns, y, fold_ids(folds, len(y), 1, rng), mixing=mixing)
    k = whole.chosen()
    weights = whole.whole.coefficients(whole.weights[k : k + 1])[0][0]
    chosen = np.flatnonzero(weights)
    numbers = {"rho_avg": performance.rho_avg, "rho_zscore": performance.zscore, "pvalue": performance.zscore_pval}
    numbers |= {"keep": performance.keep, "columns": chosen.tolist(), "weights": weights[chosen].tolist()}
    return result | {"status": "fitted"} | numbers


def _why_not(dosages, expression, folds):
    """Say why a gene cannot be fitted, or nothing."""
    if not dosages.shape[1]:
        return "no SNP in window"
    if len(expression) < fewest(folds):
        return "too few people"
    return "constant expression" if np.ptp(expression) <= 1e-12 * np.abs(expression).max() else ""


def fewest(folds):
    """Say how many people the folds within folds need.

    Parameters
    ----------
    folds : int or "predictdb"

    Returns
    -------
    int

    Examples
    --------
    >>> fewest(10), fewest(100)
    (20, 125)
    """
    return max(LEAST_TEST * OUTER, 0 if isinstance(folds, str) else -(-folds * OUTER // (OUTER - 1)))
