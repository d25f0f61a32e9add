"""What each step found, in a line or two of text, from its files."""

import anndata

from scomics_lite.twas.linearised.model_folders import FIDELITY
from scomics_lite.twas.personal.gene_overviews import READY
from scomics_lite.twas.sequence_models.gene_splits import PARTS
from scomics_lite.twas.steps.results import ASSOCIATION, MULTIXCAN, PERFORMANCE, PREDICTED, read_csv

LEVEL = 0.05  # of all tests of a cell type together (Bonferroni), or false discoveries


def of_learning(place):
    """Tell of step 1: genes, and how well ctPred and ridge predict those held out.

    Parameters
    ----------
    place : Path
        The step's folder.

    Returns
    -------
    list of str
    """
    genes, table = read_csv(place / "genes.csv", index_col=0), read_csv(place / PERFORMANCE)
    parts = ", ".join(f"{(genes['split'] == part).sum():,} {part}" for part in PARTS)
    cell_types = table["cell_type"].drop_duplicates()
    test = table[table["part"] == "test"]
    means = ", ".join(f"{name} {part['pearson'].mean():.2f}" for name, part in test.groupby("model", sort=False))
    return [
        f"{len(genes):,} genes ({parts}), {len(cell_types)} cell types: {', '.join(map(str, cell_types))}",
        f"correlation with percentiles across test genes, mean of cell types: {means}",
    ]


def of_people(place):
    """Tell of step 2: people, genes, and how many genes are predicted to differ between people.

    Parameters
    ----------
    place : Path

    Returns
    -------
    list of str
    """
    predicted = anndata.read_h5ad(place / PREDICTED, backed="r")
    differ = (predicted.var["status"] == READY).sum()
    return [f"{predicted.n_obs:,} people; {differ:,} of {predicted.n_vars:,} genes are predicted to differ among them"]


def of_linearising(place):
    """Tell of step 3: genes with weights, and how much of ctPred's predictions they keep.

    Parameters
    ----------
    place : Path

    Returns
    -------
    list of str
    """
    table = read_csv(place / FIDELITY)
    lines = []
    for name, own in table.groupby("cell_type", sort=False):
        kept = own[own["status"] == "kept"]
        lines.append(
            f"{name}: {len(kept):,} of {len(own):,} genes have weights; in the median "
            f"{kept['n_snps'].median():.0f} SNPs and a fidelity of {kept['fidelity'].median():.2f}"
        )
    return lines


def of_association(place):
    """Tell of step 4: genes that are associated, by cell type and across.

    Parameters
    ----------
    place : Path

    Returns
    -------
    list of str
    """
    table, joint = read_csv(place / ASSOCIATION), read_csv(place / MULTIXCAN)
    parts = [*table.groupby("cell_type", sort=False), ("across cell types (S-MultiXcan)", joint)]
    return [_hits(name, part) for name, part in parts]


def _hits(name, table):
    tested = table.dropna(subset="pvalue").sort_values("pvalue")
    hits = tested[tested["pvalue"] < LEVEL / max(len(tested), 1)]
    first = f", {', '.join(hits['gene_name'].head(3))}{' …' if len(hits) > 3 else ''}" if len(hits) else ""
    return f"{name}: {len(hits):,} of {len(tested):,} genes with p < {LEVEL} / {len(tested):,}{first}"
