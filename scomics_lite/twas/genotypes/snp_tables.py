"""What PLINK and VCF files have in common: from rows of variants and numbers of copies to dosages with names."""

import numpy as np
import pandas as pd

from scomics_lite.twas.genotypes.dosages import ALLELES
from scomics_lite.validation import InputError, quoted, warn

PLACE = ["chromosome", "position", *ALLELES]
NO_ID = {".", "", "0"}


def named_variants(variants, path):
    """Name every variant: by its id, or by ``chromosome:position:ref:alt`` where it has none or shares it.

    Parameters
    ----------
    variants : DataFrame
        Columns ``id``, ``chromosome``, ``position``, ``ref_allele``, ``eff_allele``; chromosomes lose the prefix
        ``chr``.
    path : path
        Where they come from, for messages.

    Returns
    -------
    DataFrame
        The same rows, ready for ``var``; ``id_in_file`` holds what the file says, where that is something else.

    Raises
    ------
    InputError
        The same place and alleles come twice: names the id and the rows.

    Examples
    --------
    >>> variants = pd.DataFrame({"id": ["rs1"], "chromosome": ["chr1"], "position": [5], "ref_allele": ["A"]})
    >>> named_variants(variants.assign(eff_allele="C"), "study.vcf")
        chromosome  position ref_allele eff_allele
    rs1          1         5          A          C
    """
    variants = variants.assign(chromosome=variants["chromosome"].str.removeprefix("chr"))
    ids = variants["id"].astype(object)
    nameless, shared = ids.isin(NO_ID), ids.duplicated(keep=False)
    changed = nameless | shared
    if not changed.any():
        return variants[PLACE].set_axis(ids).rename_axis(None)
    spelled = variants.loc[changed, PLACE].astype(str).agg(":".join, axis=1)
    new = ids.where(~changed, spelled)
    _refuse_twins(new, path)
    _say_what_is_renamed(ids, new, nameless, shared & ~nameless, path)
    return variants[PLACE].assign(id_in_file=ids).set_axis(new).rename_axis(None)


def _say_what_is_renamed(ids, new, nameless, shared, path):
    what = [f"{nameless.sum():,} variants have no id"] if nameless.any() else []
    if shared.any():
        what.append(f"{shared.sum():,} share theirs with another, the first {quoted(ids[shared].iloc[0])}")
    warn(
        f"{path}: {' and '.join(what)}. They are called chromosome:position:ref:alt, such as "
        f"{quoted(new[nameless | shared].iloc[0])}; var['id_in_file'] keeps what the file says"
    )


def _refuse_twins(ids, path):
    twins = np.flatnonzero(ids.duplicated(keep=False))
    if len(twins):
        first = ids.iloc[twins[0]]
        rows = " and ".join(f"{row + 1:,}" for row in np.flatnonzero(ids == first)[:2])
        raise InputError(
            f"{path}: variant {quoted(first)} comes more than once, variants {rows} of the file ({len(twins):,} such "
            "variants). Take duplicates out first, with plink2 --rm-dup or bcftools norm -d exact"
        )


def chosen(wanted, names, what, path):
    """Find the places of wanted ids, in the order in which they are wanted.

    Parameters
    ----------
    wanted : sequence of str or None
        None wants all.
    names : pandas.Index
        What is there.
    what : str
        What the names are of, in the plural.
    path : path
        For messages.

    Returns
    -------
    ndarray of int
        Ids that are not there are left out, with a notice.

    Raises
    ------
    InputError
        None of them is there, or one is wanted twice.

    Examples
    --------
    >>> chosen(["rs2", "rs1"], pd.Index(["rs1", "rs2", "rs3"]), "SNPs", "study.bed").tolist()
    [1, 0]
    """
    if wanted is None:
        return np.arange(len(names))
    wanted = pd.Index([wanted] if isinstance(wanted, str) else wanted).astype(str)
    if not wanted.is_unique:
        raise InputError(f"the {what} to read name {quoted(wanted[wanted.duplicated()][0])} twice")
    places = names.get_indexer(wanted)
    if not (places >= 0).any():
        asked = f"{quoted(wanted[0])} is the first of {len(wanted):,} wanted" if len(wanted) else "none are wanted"
        raise InputError(f"{path} holds none of the {what}: {asked}, {quoted(names[0])} the first in the file")
    lacking = wanted[places < 0]
    if len(lacking):
        warn(f"{path}: {len(lacking):,} of {len(wanted):,} {what} are not there, the first {quoted(lacking[0])}")
    return places[places >= 0]
