"""What each step does, and which files it leaves: plain ones, which other tools read.

Every function takes the folders that `do_step` gives: the step's own, and one for what is only needed to go on.
"""

import pandas as pd

from scomics_lite.twas.associations.summary_association import s_predixcan
from scomics_lite.twas.associations.summary_multiple_models import s_multixcan
from scomics_lite.twas.exchange.covariance_files import read_covariance
from scomics_lite.twas.exchange.file_access import new_file, new_path
from scomics_lite.twas.exchange.models import read_model
from scomics_lite.twas.linearised.linear_models import linearise
from scomics_lite.twas.linearised.model_folders import JOINT
from scomics_lite.twas.personal.personal_predictions import personal_expression
from scomics_lite.twas.sequence_models.ctpred import CtPred
from scomics_lite.twas.sequence_models.features_of_genes import reference_features
from scomics_lite.twas.sequence_models.gene_correlations import across_genes
from scomics_lite.twas.sequence_models.gene_splits import PARTS
from scomics_lite.twas.sequence_models.ridge_predictor import RidgePredictor
from scomics_lite.twas.steps.prediction_files import read_predictions, write_predictions
from scomics_lite.twas.steps.results import ASSOCIATION, CTPRED, MULTIXCAN, PERFORMANCE, PREDICTED, model_files
from scomics_lite.validation import InputError, warn


def learn(inputs, ctpred, progress, place, unfinished):
    """Step 1: features of the reference sequences, ctPred trained on them, and ridge beside it.

    Parameters
    ----------
    inputs : Inputs
    ctpred : CtPred
        Gets trained.
    progress : bool
    place, unfinished : Path
    """
    features = inputs.features
    if features is None:
        resume = unfinished / "features.h5"
        features = reference_features(inputs.genome, inputs.genes, inputs.featuriser, resume=resume, progress=progress)
    write_anndata(features, place / "features.h5ad")
    write_csv(inputs.percentiles, place / "percentiles.csv")
    write_csv(inputs.genes.assign(split=inputs.split), place / "genes.csv")
    training = features, inputs.percentiles, inputs.split
    ctpred.fit(*training, checkpoint=unfinished / CTPRED, progress=progress)
    ctpred.write(place / CTPRED)
    write_csv(ctpred.history, place / "history.csv", index=False)
    predictions = {"ctPred": ctpred.predict(features), "ridge": RidgePredictor().fit(*training).predict(features)}
    for name, predicted in predictions.items():
        write_csv(predicted, place / f"predicted_{name.lower()}.csv")
    write_csv(performance(predictions, inputs.percentiles, inputs.split), place / PERFORMANCE, index=False)


def performance(predictions, percentiles, split):
    """Say how well each model predicts percentiles across genes, in every part of the split.

    Parameters
    ----------
    predictions : dict of DataFrame
        Genes × cell types, by model.
    percentiles : DataFrame, genes × cell types
    split : Series of str, by gene

    Returns
    -------
    DataFrame
        ``model``, ``part``, ``cell_type``, and the columns of `across_genes`.

    Examples
    --------
    >>> percentiles = pd.DataFrame({"B": [0.2, 0.4, 0.6, 0.8, 1.0] * 3})
    >>> split = pd.Series(["train", "validation", "test"]).repeat(5).reset_index(drop=True)
    >>> performance({"itself": percentiles}, percentiles, split)[["model", "part", "cell_type", "n", "pearson"]]
        model        part cell_type  n  pearson
    0  itself       train         B  5      1.0
    1  itself  validation         B  5      1.0
    2  itself        test         B  5      1.0
    """
    tables = [
        across_genes(predicted, percentiles, split, part=part).reset_index().assign(model=name, part=part)
        for name, predicted in predictions.items()
        for part in PARTS
    ]
    table = pd.concat(tables, ignore_index=True)
    return table[["model", "part", *(name for name in table if name not in ("model", "part"))]]


def personal(inputs, ctpred, progress, place, unfinished):
    """Step 2: what ctPred says of everybody.

    Parameters
    ----------
    inputs : Inputs
    ctpred : Path
        Of the trained model.
    progress : bool
    place, unfinished : Path
    """
    predicted = personal_expression(
        inputs.genome,
        inputs.personal_genes,
        inputs.people,
        inputs.featuriser,
        CtPred.read(ctpred),
        resume=unfinished / "people.jsonl",
        progress=progress,
    )
    write_predictions(predicted, place / PREDICTED)


def linear(inputs, predicted, settings, place, unfinished):
    """Step 3: weights of SNPs that say nearly the same, and the covariances of their dosages.

    Parameters
    ----------
    inputs : Inputs
    predicted : Path
        What step 2 made.
    settings : dict
        Of `linearise`.
    place, unfinished : Path
    """
    found = linearise(
        inputs.people,
        read_predictions(predicted),
        inputs.personal_genes,
        resume=unfinished / "genes.jsonl",
        **settings,
    )
    found.write(place, overwrite=True)
    if not any(len(model) for model in found.models.values()):
        raise InputError(
            f"no gene has a linear model, of {len(inputs.personal_genes):,}: ctPred predicts no differences between "
            f"people that SNPs explain. The column status of {place / 'fidelity.csv'} says why, gene by gene"
        )


def associate(gwas, linear, progress, place, unfinished):
    """Step 4: S-PrediXcan in each cell type, S-MultiXcan across them.

    Parameters
    ----------
    gwas : DataFrame
    linear : Path
        The folder of step 3.
    progress : bool
    place, unfinished : Path
    """
    models = {name: read_model(path) for name, path in model_files(linear).items()}
    without = [name for name, model in models.items() if not len(model)]
    if without:
        warn(f"no gene has a linear model in {', '.join(without)}: nothing is tested there")
    models = {name: model for name, model in models.items() if len(model)}
    tables = {
        name: s_predixcan(gwas, model, model_files(linear)[name].with_suffix(".txt.gz"), progress=progress)
        for name, model in models.items()
    }
    joint = s_multixcan(tables, models, read_covariance(linear / JOINT), gwas=gwas)
    named = [table.assign(cell_type=name)[["cell_type", *table.columns]] for name, table in tables.items()]
    write_csv(pd.concat(named, ignore_index=True), place / ASSOCIATION, index=False)
    write_csv(joint, place / MULTIXCAN, index=False)


def write_csv(table, path, index=True):
    """Write a table with all digits, whole or not at all.

    Parameters
    ----------
    table : DataFrame
    path : Path
    index : bool
        Whether names of rows are written.

    Examples
    --------
    >>> from pathlib import Path
    >>> write_csv(pd.DataFrame({"gene": ["FTO"]}), Path("table.csv"), index=False)
    >>> Path("table.csv").read_text().split()
    ['gene', 'FTO']
    """
    with new_file(path, overwrite=True) as file:
        table.to_csv(file, index=index)


def write_anndata(adata, path):
    """Write an AnnData as .h5ad, whole or not at all.

    Parameters
    ----------
    adata : AnnData
    path : Path

    Examples
    --------
    >>> import anndata
    >>> from pathlib import Path
    >>> write_anndata(anndata.AnnData(obs=pd.DataFrame(index=["ann"])), Path("people.h5ad"))
    >>> anndata.read_h5ad("people.h5ad").obs_names.tolist()
    ['ann']
    """
    with new_path(path, overwrite=True) as temporary:
        adata.write_h5ad(temporary)
