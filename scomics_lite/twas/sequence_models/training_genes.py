"""Features, percentiles and split of the same genes, checked, in one order."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from scomics_lite.twas.genotypes.people import check_once
from scomics_lite.twas.sequence_models.feature_matrices import examples, is_nameless, matrix_of_features
from scomics_lite.twas.sequence_models.gene_splits import PARTS, chromosome_split
from scomics_lite.twas.weights.finished_genes import digest
from scomics_lite.validation import InputError, did_you_mean, quoted, warn

FEWEST = 20  # training genes of a cell type


class TrainingGenes(NamedTuple):
    """Genes with features and percentiles, and which of them train and validate."""

    matrix: np.ndarray  # (all genes, p) float32, as it came
    genes: pd.Index  # of its rows
    tracks: pd.Index
    cell_types: pd.Index
    targets: np.ndarray  # (all genes, C), NaN where a gene has no percentile
    train: np.ndarray  # rows of the matrix
    validation: np.ndarray

    def fingerprint(self):
        """Give a text for each input that changes when the input does."""
        used = np.concatenate([self.train, self.validation])
        return {
            "tracks": digest(self.tracks),
            "cell types": digest(self.cell_types),
            "training genes": digest(self.genes[self.train]),
            "validation genes": digest(self.genes[self.validation]),
            "features": digest(self.matrix),
            "percentiles": digest(self.targets[used]),
        }


def read_training_genes(features, percentiles, split):
    """Match features, percentiles and split by gene.

    Parameters
    ----------
    features : AnnData, DataFrame or ndarray, shape (genes, tracks)
    percentiles : DataFrame, Series or ndarray, genes × cell types
        NaN leaves that gene out for that cell type; the notice counts them.
    split : Series or sequence, by gene
        "train", "validation" and "test", or chromosomes, which `chromosome_split` splits.

    Returns
    -------
    TrainingGenes

    Raises
    ------
    InputError
        If no gene is in all of them, a percentile is not between 0 and 1, a label is unknown, a cell type is constant
        or empty, or too few genes are left.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = read_training_genes(rng.random((40, 3)), rng.random(40), ["train"] * 30 + ["validation"] * 10)
    >>> table.matrix.shape, len(table.train), len(table.validation), list(table.cell_types)
    ((40, 3), 30, 10, [0])
    """
    matrix, genes, tracks = matrix_of_features(features)
    table = _percentile_table(percentiles)
    labels = _labels(split, table.index if len(table) == len(np.asarray(split)) else genes)
    targets, labels = _matched(genes, table, labels)
    _check_range(targets)
    rows = [np.flatnonzero((labels == part).to_numpy()) for part in PARTS[:2]]
    _check_parts(targets, *rows)
    return TrainingGenes(matrix, genes, tracks, targets.columns, targets.to_numpy(float), *rows)


def _percentile_table(percentiles):
    if isinstance(percentiles, pd.Series):
        name = percentiles.name if percentiles.name is not None else "expression"
        table = percentiles.to_frame(name)
    elif isinstance(percentiles, pd.DataFrame):
        table = percentiles
    else:
        values = np.asarray(percentiles)
        table = pd.DataFrame(values[:, None] if values.ndim == 1 else values)
    text = [name for name, kind in table.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    if text or table.empty:
        where = f"column {quoted(text[0])} holds none" if text else "there are none"
        raise InputError(f"percentiles are numbers of genes × cell types; {where}")
    check_once(table.index, "percentiles: gene")
    check_once(table.columns, "percentiles: cell type")
    return table


def _labels(split, genes):
    """Turn what tells the split into labels by gene."""
    if isinstance(split, pd.DataFrame):
        raise InputError(
            "the split is one label for each gene; give a column of the table, such as genes['chromosome'], or "
            "chromosome_split(genes)"
        )
    if not isinstance(split, pd.Series):
        if isinstance(split, str) or len(np.asarray(split)) != len(genes):
            raise InputError(f"the split has one label for each of {len(genes):,} genes; got {split!r:.60}")
        split = pd.Series(np.asarray(split, dtype=object), genes)
    check_once(split.index, "split: gene")
    named = split.isin(PARTS)
    if not named.any():
        return chromosome_split(split)
    if not named.all():
        other = split[~named].iloc[0]
        raise InputError(
            f"gene {quoted(split.index[~named][0])} has the label {other!r} in the split: {did_you_mean(other, PARTS)}"
        )
    return split


def _matched(genes, table, labels):
    """Bring percentiles and labels to the rows of the features; genes that one of them lacks stay without a label."""
    table, labels = _named_as(genes, table, "percentiles"), _named_as(genes, labels, "split")
    both = genes.isin(table.index) & genes.isin(labels.dropna().index)
    if not both.any():
        raise InputError(
            f"no gene is in features, percentiles and split: features have {examples(genes)}, percentiles "
            f"{examples(table.index)}, the split {examples(labels.index)}. All must use the same names of genes"
        )
    unused = table.index[~table.index.isin(genes)]
    parts = ((genes[~both], "have features, but no percentiles or no label"), (unused, "have no features"))
    lost = [f"{len(some):,} that {what} ({examples(some)})" for some, what in parts if len(some)]
    if lost:
        warn(f"{both.sum():,} genes are in features, percentiles and split; left out: {' and '.join(lost)}")
    return table.reindex(genes), labels.reindex(genes).where(both)


def _named_as(genes, table, what):
    """Give a table the names of the features' genes, where one of both has none."""
    if not (is_nameless(genes) or is_nameless(table.index)):
        return table
    if len(genes) != len(table):
        raise InputError(
            f"the features have {len(genes):,} genes and the {what} {len(table):,}; without names they cannot be "
            "matched. Give both an index of gene names"
        )
    return table.set_axis(genes)


def _check_range(targets):
    for name in targets:
        outside = np.flatnonzero((targets[name] < 0) | (targets[name] > 1))
        if outside.size:
            raise InputError(
                f"percentiles of cell type {quoted(name)}: gene {quoted(targets.index[outside[0]])} has "
                f"{targets[name].iloc[outside[0]]:g}; they lie between 0 and 1. expression_percentiles makes them from "
                "means, and percentages are divided by 100"
            )


def _check_parts(targets, train, validation):
    """Refuse a cell type that cannot be learned or judged, and count genes without percentiles."""
    for rows, part in ((train, "train"), (validation, "validation")):
        if not rows.size:
            raise InputError(
                f"the split has no gene {part!r} with features and percentiles; training needs both 'train' and "
                "'validation': chromosome_split(genes, validation=[...]) names other chromosomes"
            )
    for name in targets:
        _check_cell_type(targets[name].to_numpy(float), name, train, validation)


def _check_cell_type(values, name, train, validation):
    learned = values[train][~np.isnan(values[train])]
    if len(learned) < FEWEST:
        raise InputError(
            f"cell type {quoted(name)} has percentiles of {len(learned)} training genes; {FEWEST} at least are needed, "
            "and hundreds for a model worth using. Leave it out: percentiles.drop(columns=...)"
        )
    if np.ptp(learned) == 0:
        raise InputError(
            f"the percentiles of cell type {quoted(name)} are {learned[0]:g} for all training genes; there is nothing "
            "to learn. Leave it out: percentiles.drop(columns=...)"
        )
    if np.isnan(values[validation]).all():
        raise InputError(f"no validation gene has a percentile in cell type {quoted(name)}; leave the cell type out")
    missing = np.isnan(values[np.concatenate([train, validation])]).sum()
    if missing:
        warn(f"{missing:,} genes have no percentile in cell type {quoted(name)} and are left out for it")
