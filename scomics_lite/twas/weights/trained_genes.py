"""The results of all genes become a model, its covariances, and a table of what became of every gene."""

import numpy as np
import pandas as pd

from scomics_lite.multiple_testing import adjust
from scomics_lite.twas.exchange.covariance_files import Covariances, covariances
from scomics_lite.twas.exchange.models import PredictionModel
from scomics_lite.twas.weights.gene_windows import ALLELES
from scomics_lite.validation import warn

LISTS = ("columns", "weights")  # of a result; the rest is a number or text


def as_model(data, results, windows, keep):
    """Make model, table of all genes and covariances.

    Parameters
    ----------
    data : TrainingData
    results : list of dict
        What `fit_gene` gave for each of the genes of the data.
    windows : Windows
    keep : {"predictive", "all"}

    Returns
    -------
    model : PredictionModel
    covariances : Covariances

    Examples
    --------
    >>> import anndata
    >>> from scomics_lite.twas.weights.gene_windows import Windows
    >>> from scomics_lite.twas.weights.training_data import TrainingData
    >>> snps = pd.DataFrame({"chromosome": "1", "position": [10, 20], "ref_allele": "A", "eff_allele": "G"})
    >>> panel = anndata.AnnData(np.array([[0.0, 1], [1, 1], [2, 0]]), var=snps.set_index(pd.Index(["rs1", "rs2"])))
    >>> expression = pd.DataFrame({"FTO": [0.1, 0.4, 0.9]}, panel.obs_names)
    >>> genes = pd.DataFrame({"chromosome": ["1"], "start": [10], "end": [20]}, ["FTO"])
    >>> result = {"gene": "FTO", "n_window": 2, "status": "fitted", "rho_avg": 0.5, "rho_zscore": 3.0, "pvalue": 0.003}
    >>> result |= {"keep": True, "columns": [0], "weights": [0.4]}
    >>> data = TrainingData(panel, expression, genes, "gene")
    >>> model, covariances = as_model(data, [result], Windows(panel.var, 5), "predictive")
    >>> model, float(covariances.of("FTO").loc["rs1", "rs1"])
    (PredictionModel: 1 genes (FTO), 1 weights of 1 SNPs, 1.0)
    """
    fitted = _statuses(results, keep)
    kept = fitted["status"] == "kept"
    weights = [_weights(data, one, windows) for one, use in zip(results, kept, strict=True) if use]
    extra, training = _extra(data, fitted), _training(data, fitted)
    if not weights:
        warn(f"none of {len(fitted):,} genes is kept; model.others['training'] says why")
    empty = pd.DataFrame(columns=["rsid", "gene", "weight", *ALLELES])
    model = PredictionModel(pd.concat(weights or [empty]), extra[kept], {"training": training})
    return model, covariances(data.people_trained_on, model) if weights else Covariances.from_matrices({})


def _weights(data, result, windows):
    """Give the rows of a gene in the model."""
    gene = result["gene"]
    columns = windows.near(*data.places.loc[gene])[result["columns"]]
    known = data.snps.iloc[columns]
    rows = {"rsid": known.index, "gene": gene, "weight": result["weights"]}
    names = [*ALLELES, *(["varID"] if "varID" in known else [])]
    return pd.DataFrame(rows | {name: known[name].to_numpy(dtype=object) for name in names})


def _extra(data, fitted):
    """Give the performance of all genes under PredictDB's names."""
    return pd.DataFrame(
        {
            "gene": fitted["gene"],
            "genename": _names(data, fitted["gene"]),
            "n.snps.in.model": fitted["n_weights"],
            "pred.perf.R2": fitted["rho_avg"] ** 2,
            "pred.perf.pval": fitted["pvalue"],
            "pred.perf.qval": fitted["qvalue"],
            "rho_avg": fitted["rho_avg"],
            "rho_zscore": fitted["rho_zscore"],
            "n.snps.in.window": fitted["n_window"],
        }
    )


def _training(data, fitted):
    """Give what became of every gene, those not fitted last."""
    placed, measured = data.annotation.index, data.columns
    lost = [(gene, "no position") for gene in placed.difference(data.places.index, sort=False)]
    lost += [(gene, "no expression") for gene in data.places.index.difference(measured, sort=False)]
    lost += [(gene, "not in genes") for gene in measured.difference(placed, sort=False)]
    table = _extra(data, fitted).assign(status=fitted["status"])
    rest = pd.DataFrame(lost, columns=["gene", "status"])
    rest["genename"] = _names(data, rest["gene"])
    return pd.concat([table, rest], ignore_index=True) if len(rest) else table


def _names(data, genes):
    if "genename" not in data.annotation:
        return genes.to_numpy()
    return genes.map(data.annotation["genename"]).fillna(genes).to_numpy()


def _statuses(results, keep):
    """Put results into a table, and say of every gene whether it is kept or why not."""
    fitted = pd.DataFrame([{name: value for name, value in one.items() if name not in LISTS} for one in results])
    fitted = fitted.reindex(columns=["gene", "n_window", "status", "rho_avg", "rho_zscore", "pvalue"])
    fitted["n_weights"] = [len(one.get("columns", ())) for one in results]
    fitted["qvalue"] = adjust(fitted["pvalue"])
    good = np.array([one.get("keep", False) for one in results]) | (keep == "all")
    outcome = np.select([fitted["n_weights"] == 0, good], ["no weights", "kept"], "not predictive")
    fitted["status"] = np.where(fitted["status"] == "fitted", outcome, fitted["status"])
    return fitted
