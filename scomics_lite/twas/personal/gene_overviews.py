"""A first look at all genes, before anything slow: whose sequences can be written, and how many differ."""

import hashlib

import pandas as pd
from tqdm import tqdm

from scomics_lite.progress import no_bar
from scomics_lite.validation import InputError, quoted, warn

READY = "predicted"


def look_at_genes(genome, genes, haplotypes, length, *, pad=False, progress=True):
    """Write all sequences once and keep nothing of them but numbers, so that errors come before hours of work.

    Parameters
    ----------
    genome, genes, haplotypes, length, pad
        As `dna.haplotype_sequences` takes them; all genes.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    overview : DataFrame, by gene
        ``n_variants`` and ``n_haplotypes``, and ``status``: "predicted", "no variants", or why the gene is refused.
    digest : str
        A text that changes with any letter of any person.

    Raises
    ------
    InputError
        If all genes are refused: says why the first one is.

    Examples
    --------
    >>> import anndata
    >>> import numpy as np
    >>> from scomics_lite.dna import Genome, Haplotypes
    >>> snps = pd.DataFrame({"chromosome": "1", "position": [6], "ref_allele": "C", "eff_allele": "T"}, index=["rs1"])
    >>> layers = {"haplotype1": np.int8([[0], [1]]), "haplotype2": np.int8([[0], [0]])}
    >>> haplotypes = Haplotypes(anndata.AnnData(np.float32([[0], [1]]), var=snps, layers=layers))
    >>> genes = pd.DataFrame({"chromosome": "1", "strand": "+", "tss": [5, 50]}, index=["near", "far"])
    >>> genome = Genome({"1": "AAAACCGGGG" * 6})
    >>> look_at_genes(genome, genes, haplotypes, 6, progress=False)[0]
          n_variants  n_haplotypes       status
    near           1             2    predicted
    far            0             1  no variants
    """
    from scomics_lite.dna import haplotype_sequences  # here, not above: torch takes two seconds to import

    rows, whole = {}, hashlib.blake2b(digest_size=16)
    for gene in tqdm(genes.index, "haplotypes", disable=no_bar(progress)):
        try:
            found = haplotype_sequences(genome, genes.loc[gene], haplotypes, length, pad=pad)
        except InputError as error:
            rows[gene] = (0, 0, str(error))
            whole.update(str(error).encode())
            continue
        carried = len(found.variants)
        rows[gene] = (carried, len(pd.unique(found.index.ravel())), READY if carried else "no variants")
        whole.update("\n".join(found.sequences).encode())
        whole.update(found.index.astype("<i4").tobytes())
    overview = pd.DataFrame.from_dict(rows, "index", columns=["n_variants", "n_haplotypes", "status"])
    _tell_refused(overview)
    return overview, whole.hexdigest()


def _tell_refused(overview):
    refused = overview.loc[overview["n_haplotypes"] == 0, "status"]
    if not len(refused):
        return
    if len(refused) == len(overview):
        raise InputError(
            f"none of {len(overview):,} genes can be predicted; the first is refused because {refused.iloc[0]}"
        )
    warn(
        f"{len(refused):,} of {len(overview):,} genes cannot be predicted and are NaN, var['status'] says why; the "
        f"first, {quoted(refused.index[0])}: {refused.iloc[0]}"
    )
