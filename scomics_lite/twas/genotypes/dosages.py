"""What holds dosages becomes one checked form: numbers, people, SNPs, and alleles where they are known."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numba import njit
from scipy import sparse

from scomics_lite.validation import InputError, is_anndata, is_annotated, quoted

ALLELES = ["ref_allele", "eff_allele"]


class Dosages(NamedTuple):
    """Copies of the effect allele of each SNP in each person."""

    values: np.ndarray  # people × SNPs, 0 to 2, NaN where missing; float or small integers, as they came
    people: pd.Index
    snps: pd.Index
    alleles: pd.DataFrame | None  # SNPs × ref_allele, eff_allele; None where nothing says which allele is counted


def read_dosages(dosages):
    """Take dosages out of an AnnData or a DataFrame, and refuse what are none.

    Parameters
    ----------
    dosages : AnnData or DataFrame, shape (people, SNPs)
        Copies of the effect allele, 0 to 2, NaN where missing.

    Returns
    -------
    Dosages
        Nothing is copied that need not be: one byte a genotype stays one byte. Sparse matrices become dense.

    Raises
    ------
    InputError
        Not a table of people and SNPs, not numbers, an id that comes twice, or a value that is not between 0 and 2:
        names the person and the SNP.

    Examples
    --------
    >>> read_dosages(pd.DataFrame({"rs1": [0, 1], "rs2": [2, None]}, index=["a", "b"])).values
    array([[ 0.,  2.],
           [ 1., nan]])
    """
    values, people, snps = _matrix(dosages), *_names(dosages)
    _check_ids(people, "person", "people")
    _check_ids(snps, "SNP", "SNPs")
    person, snp = _first_bad(values)
    if person >= 0:
        raise InputError(
            f"a dosage is a number of copies, 0 to 2; person {quoted(people[person])} has {values[person, snp]:g} of "
            f"SNP {quoted(snps[snp])}. Missing genotypes are NaN; to centred genotypes add twice the allele frequency"
        )
    known = is_anndata(dosages) and set(ALLELES) <= set(dosages.var)
    return Dosages(values, people, snps, dosages.var[ALLELES] if known else None)


def _names(dosages):
    return (dosages.obs_names, dosages.var_names) if is_anndata(dosages) else (dosages.index, dosages.columns)


def _matrix(dosages):
    if is_anndata(dosages):
        matrix = dosages.X
        if dosages.isbacked:
            raise InputError("the dosages are on disk (backed); read them with dosages.to_memory() first")
    elif isinstance(dosages, pd.DataFrame):
        matrix = dosages.to_numpy()
        matrix = dosages.to_numpy(dtype=float, na_value=np.nan) if _is_mixed(dosages) else matrix
    else:
        way_out = "; of a MuData take one part, mdata['genotypes']" if is_annotated(dosages) else ""
        raise InputError(
            "dosages are an AnnData or a DataFrame of people x SNPs, which names both; got a "
            f"{type(dosages).__name__}{way_out}"
        )
    matrix = matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(f"there are no dosages: a table of shape {matrix.shape}, people x SNPs")
    return matrix.view(np.uint8) if matrix.dtype == bool else matrix


def _is_mixed(frame):
    """Tell whether columns come in pandas' own types; and refuse text."""
    text = [name for name, kind in frame.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    if text:
        raise InputError(
            f"dosages are numbers, but column {quoted(text[0])} is not. If it names the people, make it the index: "
            f"table.set_index({text[0]!r}); genotypes such as 'AG' have to be counted first"
        )
    return any(pd.api.types.is_extension_array_dtype(kind) for kind in frame.dtypes)


def _check_ids(ids, one, many):
    if not ids.is_unique:
        twice = ids[ids.duplicated()]
        raise InputError(
            f"each {one} has one id, but {quoted(twice[0])} comes {int((ids == twice[0]).sum())} times "
            f"({len(set(twice)):,} such ids). Rename or drop the others: dosages[{_selection(many)}]"
        )


def _selection(many):
    return "~dosages.obs_names.duplicated()" if many == "people" else ":, ~dosages.var_names.duplicated()"


@njit(cache=True)
def _first_bad(values):
    """Find the first value that is no dosage, person by person as they lie in memory; (-1, -1) where there is none."""
    for person in range(values.shape[0]):
        for snp in range(values.shape[1]):
            if values[person, snp] < 0 or values[person, snp] > 2:
                return person, snp
    return -1, -1
