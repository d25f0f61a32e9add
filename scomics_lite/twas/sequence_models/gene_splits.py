"""Which genes a model learns from, which choose when to stop, and which judge it."""

import numpy as np
import pandas as pd

from scomics_lite.twas.genotypes.people import check_once
from scomics_lite.validation import InputError, is_anndata, is_number, quoted

PARTS = ("train", "validation", "test")
VALIDATION = ("7", "11", "14")  # the chromosomes of scPrediXcan's ctPred_train.json
TEST = ("5", "12", "20")
FEW = 3


def chromosome_split(genes, *, validation=VALIDATION, test=TEST):
    """Split genes by whole chromosomes.

    Genes that lie side by side share regulatory sequence: the windows that a model reads overlap, so a neighbour in the
    training part tells the answer. A split by chromosomes keeps neighbours together. It does not keep gene families
    together: paralogues on different chromosomes still share sequence. And a published model of DNA that makes the
    features, such as Enformer, was itself trained on most of the genome, in a split of its own.

    Parameters
    ----------
    genes : DataFrame with a column ``chromosome``, AnnData with it in ``obs``, or Series of chromosomes
        Indexed by gene. "chr5" and "5" are the same.
    validation, test : sequence of str
        Chromosomes; scPrediXcan's by default. All others are for training.

    Returns
    -------
    Series of str
        "train", "validation" or "test", indexed by gene.

    Raises
    ------
    InputError
        If a chromosome is in both lists or has no gene, or no gene is left for training.

    Examples
    --------
    >>> genes = pd.DataFrame({"chromosome": ["1", "chr5", "7"]}, index=["A", "B", "C"])
    >>> chromosome_split(genes, validation=["7"], test=["5"]).to_dict()
    {'A': 'train', 'B': 'test', 'C': 'validation'}
    """
    chromosomes = _without_prefix(_chromosomes(genes))
    parts = {"validation": _named(validation, "validation"), "test": _named(test, "test")}
    both = [name for name in parts["validation"] if name in parts["test"]]
    if both:
        raise InputError(f"chromosome {quoted(both[0])} is in validation and in test; a gene judges once")
    split = pd.Series("train", chromosomes.index, dtype=object, name="split")
    for part, names in parts.items():
        _check_present(names, chromosomes, part)
        split[chromosomes.isin(names)] = part
    if not (split == "train").any():
        raise InputError("no gene is left for training: all chromosomes are in validation or test")
    return split


def random_split(genes, *, validation=0.15, test=0.15, rng=0):
    """Split genes by chance, whatever their neighbours: the split that flatters a model of DNA.

    Parameters
    ----------
    genes : DataFrame, AnnData, Series or Index
        Genes are its index, or ``obs_names``.
    validation, test : float
        Shares of the genes, rounded to whole genes.
    rng : int or numpy.random.Generator
        What shuffles the genes.

    Returns
    -------
    Series of str
        "train", "validation" or "test", indexed by gene.

    Raises
    ------
    InputError
        If the shares leave a part without genes.

    Examples
    --------
    >>> random_split(pd.Index([f"g{i}" for i in range(20)])).value_counts()[["train", "validation", "test"]].tolist()
    [14, 3, 3]
    """
    names = genes.obs_names if is_anndata(genes) else getattr(genes, "index", genes)
    names = pd.Index(names)
    check_once(names, "genes: gene")
    n = len(names)
    sizes = [_share(share, n, what) for share, what in ((validation, "validation"), (test, "test"))]
    if sum(sizes) >= n:
        raise InputError(f"validation={validation} and test={test} leave none of {n} genes for training")
    labels = np.repeat(PARTS, [n - sum(sizes), *sizes]).astype(object)
    return pd.Series(np.random.default_rng(rng).permutation(labels), names, name="split")


def _share(share, n, what):
    if not (is_number(share) and 0 < share < 1) or round(share * n) == 0:
        raise InputError(
            f"{what}={share!r} is a share of the {n} genes, above 0 and below 1, that gives one gene at least"
        )
    return round(share * n)


def _chromosomes(genes):
    if isinstance(genes, pd.Series):
        chromosomes = genes
    else:
        table = genes.obs if is_anndata(genes) else genes
        if not isinstance(table, pd.DataFrame) or "chromosome" not in table:
            raise InputError(
                "genes are a table with a column chromosome, indexed by gene, or a Series of chromosomes by gene; got "
                f"{type(genes).__name__}"
            )
        chromosomes = table["chromosome"]
    check_once(chromosomes.index, "genes: gene")
    unknown = np.flatnonzero(chromosomes.isna())
    if unknown.size:
        raise InputError(f"gene {quoted(chromosomes.index[unknown[0]])} has no chromosome; leave such genes out")
    return chromosomes


def _without_prefix(chromosomes):
    return chromosomes.astype(str).str.removeprefix("chr")


def _named(names, what):
    if isinstance(names, str) or not np.iterable(names) or not len(list(names)):
        raise InputError(f"{what} is a list of chromosomes, such as {what}=['5', '12']; got {names!r}")
    return [str(name).removeprefix("chr") for name in names]


def _check_present(names, chromosomes, part):
    known = sorted(set(chromosomes), key=lambda name: (len(name), name))
    missing = [name for name in names if name not in known]
    if missing:
        raise InputError(
            f"no gene lies on chromosome {', '.join(missing)} of {part}; genes lie on {', '.join(known)}. Name others: "
            f"chromosome_split(genes, {part}=[...])"
        )
