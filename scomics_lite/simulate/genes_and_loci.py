"""Where genes lie on a simulated chromosome."""

import numpy as np
import pandas as pd

from scomics_lite.simulate import drawing
from scomics_lite.validation import InputError

MEDIAN_LENGTH, LOG_LENGTH_SD = 25_000, 1.0  # base pairs: half of the human genes that make proteins are longer
TYPICAL = (1_000, 200_000)


def genes(dosages, n_genes, *, loci=None, locus_width=200_000, rng=0):
    """Place genes among the SNPs of one chromosome.

    Lengths are log-normal with a median of 25,000 base pairs, kept between 1,000 and 200,000 and inside what the SNPs
    span. Genes may overlap, as they do.

    Parameters
    ----------
    dosages : AnnData, shape (n, m)
        As from `genotypes`: ``var`` has ``chromosome`` and ``position``.
    n_genes : int
        Number of genes g.
    loci : int, optional
        Number of clusters, whose middles are spread evenly; cluster after cluster gets the same number of genes (the
        first ones one more, where it must be). When not given, genes begin anywhere.
    locus_width : float
        Genes of a cluster begin in a window of so many base pairs.
    rng : numpy.random.Generator or int
        Source of randomness.

    Returns
    -------
    DataFrame, shape (g, 4 or 5)
        Indexed by gene, in the order of their starts: ``chromosome``, ``start``, ``end``, ``genename``, and with `loci`
        ``locus``, counted from 1.

    Raises
    ------
    InputError
        Settings that cannot be; SNPs of several chromosomes.

    Examples
    --------
    >>> from scomics_lite.simulate import genotypes
    >>> genes(genotypes(10, 2_000, rng=1), 4, loci=2, rng=1)["locus"].to_list()
    [1, 1, 2, 2]
    """
    first, last = _check(dosages, n_genes, loci, locus_width, rng)
    generator = np.random.default_rng(rng)
    length = np.clip(np.exp(generator.normal(np.log(MEDIAN_LENGTH), LOG_LENGTH_SD, n_genes)), *TYPICAL)
    length = np.minimum(length, last - first)
    locus = np.arange(n_genes) * (loci or 1) // n_genes
    if loci is None:
        start = first + generator.random(n_genes) * (last - first - length)
    else:
        middle = first + (locus + 0.5) * (last - first) / loci
        start = middle + (generator.random(n_genes) - 0.5) * locus_width - length / 2
        start = np.clip(start, first, last - length)
    order = np.lexsort([start, locus])
    start, length = start[order].astype(np.int64), length[order].astype(np.int64)
    table = {"chromosome": dosages.var["chromosome"].iloc[0], "start": start, "end": start + length}
    numbers = range(1, n_genes + 1)
    table["genename"] = [f"GENE{number}" for number in numbers]
    if loci is not None:
        table["locus"] = locus + 1
    ids = [f"ENSG{int(table['chromosome']):02d}{number:09d}" for number in numbers]
    return pd.DataFrame(table, index=pd.Index(ids, name="gene"))


def _check(dosages, n_genes, loci, locus_width, rng):
    """Refuse what cannot be, and give the first and last position."""
    drawing.check_settings(n_genes, rng)
    drawing.check_snps(dosages)
    chromosomes = dosages.var["chromosome"].unique()
    if len(chromosomes) > 1:
        raise InputError(
            f"dosages have SNPs of chromosomes {', '.join(map(str, chromosomes))}; give those of one at a time"
        )
    if loci is not None and not 1 <= loci <= n_genes:
        raise InputError(f"loci must be 1 to n_genes, {n_genes}; got {loci}")
    if not locus_width >= 0:
        raise InputError(f"locus_width is in base pairs, not negative; got {locus_width}")
    position = dosages.var["position"]
    return int(position.min()), int(position.max())
