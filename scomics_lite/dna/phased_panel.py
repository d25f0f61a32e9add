"""The two haplotypes of everybody, and which variants lie in a stretch of DNA, found without going through them all."""

import numpy as np
import pandas as pd

from scomics_lite.dna.genome_files import without_chr
from scomics_lite.validation import InputError, is_anndata, quoted

NEEDED = ["chromosome", "position", "ref_allele", "eff_allele"]
LAYERS = ("haplotype1", "haplotype2")
PHASED = (
    "read_vcf gives the layers haplotype1 and haplotype2 where every genotype of a file is phased or homozygous and "
    "none is missing"
)


class Haplotypes:
    """Variants in order along the chromosomes, and what each person's two haplotypes have there.

    Made once of dosages, and asked for many genes; nothing of the genotypes is copied.

    Parameters
    ----------
    dosages : AnnData, people × SNPs
        As `read_vcf` gives it: copies of the effect allele, ``var`` with ``chromosome``, ``position``, ``ref_allele``
        and ``eff_allele``, and the layers ``haplotype1`` and ``haplotype2`` (0 or 1). Without these layers a person's
        haplotypes are known in windows where they are heterozygous at one variant at most.

    Attributes
    ----------
    people, variants : pandas.Index
        Their names.
    chromosomes : list of str
        Those that have variants, without "chr".
    positions : ndarray of int, shape (k,)
    ref_alleles, eff_alleles : ndarray of str, shape (k,)
        In capitals.
    widths : ndarray of int, shape (k,)
        Letters of the longer allele.

    Raises
    ------
    InputError
        Where there are no alleles or positions.

    Examples
    --------
    >>> import anndata
    >>> var = pd.DataFrame({"chromosome": "19", "position": [500], "ref_allele": "A", "eff_allele": "G"}, index=["rs1"])
    >>> layers = {"haplotype1": np.int8([[0], [1]]), "haplotype2": np.int8([[1], [1]])}
    >>> haplotypes = Haplotypes(anndata.AnnData(np.float32([[1], [2]]), var=var, layers=layers))
    >>> first, second = haplotypes.carried(haplotypes.within("19", 400, 600))
    >>> first.tolist(), second.tolist()
    ([[0], [1]], [[1], [1]])
    """

    def __init__(self, dosages):
        if not is_anndata(dosages):
            raise InputError(
                f"dosages: an AnnData of people and SNPs is needed, as read_vcf gives it, which knows the alleles; got "
                f"{type(dosages).__name__}"
            )
        lacking = [name for name in NEEDED if name not in dosages.var]
        if lacking:
            raise InputError(
                f"dosages: var has no column {', '.join(lacking)}; variants are written into a sequence by their place "
                f"and letters, {', '.join(NEEDED)}"
            )
        if not dosages.n_vars:
            raise InputError("dosages: there is no variant in the table; was everything filtered out?")
        self.people, self.variants = dosages.obs_names, dosages.var_names
        self.positions = _whole(dosages.var["position"])
        self.ref_alleles, self.eff_alleles = (_capitals(dosages.var[name]) for name in NEEDED[2:])
        self.widths = np.maximum(_lengths(self.ref_alleles), _lengths(self.eff_alleles))
        self.ref_letters, self.eff_letters = _letters(self.ref_alleles), _letters(self.eff_alleles)
        self._copies = _dense(dosages.X)
        self._layers = [_dense(dosages.layers[name]) for name in LAYERS if name in dosages.layers]
        self._places = self._in_order(dosages.var["chromosome"])

    @property
    def chromosomes(self):
        """Those that have variants."""
        return list(self._places)

    def _in_order(self, chromosomes):
        """Give each chromosome its variants in order: columns, positions, and the longest stretch of one."""
        codes, names = pd.factorize(np.array([without_chr(name) for name in chromosomes], dtype=object))
        order = np.lexsort((self.positions, codes))
        parts = np.split(order, np.searchsorted(codes[order], np.arange(1, len(names))))
        return {
            name: (part, self.positions[part], self.widths[part].max()) for name, part in zip(names, parts, strict=True)
        }

    def chromosome_of(self, column):
        """Give the name of the chromosome of a variant.

        Parameters
        ----------
        column : int

        Returns
        -------
        str
        """
        return next(name for name, (columns, *_) in self._places.items() if column in columns)

    def on(self, chromosome):
        """Give the columns of a chromosome's variants, in their order along it.

        Parameters
        ----------
        chromosome : str

        Returns
        -------
        ndarray of int
        """
        return self._places[without_chr(chromosome)][0]

    def within(self, chromosome, start, end):
        """Give the columns of variants that touch a stretch, in their order along it.

        Parameters
        ----------
        chromosome : str
        start, end : int
            Counted from 1, both included.

        Returns
        -------
        ndarray of int
        """
        columns, positions, longest = self._places.get(without_chr(chromosome), (np.arange(0), np.arange(0), 0))
        some = slice(np.searchsorted(positions, start - longest + 1), np.searchsorted(positions, end, side="right"))
        columns, positions = columns[some], positions[some]
        return columns[positions + self.widths[columns] > start]

    def carried(self, columns):
        """Give what both haplotypes have of some variants.

        Parameters
        ----------
        columns : ndarray of int, shape (k,)

        Returns
        -------
        first, second : ndarray of uint8, shape (people, k)
            1 where a haplotype has the effect allele. Where no phase was known, or needed, which of them is the first
            is arbitrary.

        Raises
        ------
        InputError
            A missing genotype, an imputed one, or heterozygous ones whose phase is not known: names person and SNP.
        """
        copies = self._copies[:, columns]
        self._refuse(np.isnan(copies), columns, copies, "has no genotype", (
            "A haplotype has to be known everywhere: impute what is missing (Beagle does, and phases), or leave such "
            "variants out of the file: bcftools view -e 'GT[*]=\"mis\"'"
        ))  # fmt: skip
        self._refuse(~np.isin(copies, (0, 1, 2)), columns, copies, "has {} copies, an imputed dosage", (
            "Haplotypes carry an allele or not: read the called genotypes, read_vcf(path, field='GT')"
        ))  # fmt: skip
        if len(self._layers) < len(LAYERS):
            return self._without_phase(copies, columns)
        first, second = (layer[:, columns].astype(np.int8) for layer in self._layers)
        bad = ~np.isin(first, (0, 1)) | ~np.isin(second, (0, 1)) | (first + second != copies)
        self._refuse(bad, columns, copies, "has {} copies, and haplotypes that do not add up to them", (
            f"The layers {' and '.join(LAYERS)} hold 0 or 1 for the same allele that X counts; where X was turned to 2 "
            "- X, turn them to 1 - layer"
        ))  # fmt: skip
        return first.view(np.uint8), second.view(np.uint8)

    def _without_phase(self, copies, columns):
        is_mixed = copies == 1
        unphased = is_mixed.sum(axis=1) > 1
        if unphased.any():
            person = np.argmax(unphased)
            names = [quoted(self.variants[columns[column]]) for column in np.flatnonzero(is_mixed[person])[:2]]
            raise InputError(
                f"{unphased.sum():,} of {len(self.people):,} people are heterozygous at several of {len(columns):,} "
                f"variants of one window, and which alleles share a chromosome is not known: person "
                f"{quoted(self.people[person])} at {' and '.join(names)}. Phase the genotypes first (Beagle, SHAPEIT, "
                f"Eagle); {PHASED}"
            )
        return (copies >= 1).astype(np.uint8), (copies == 2).astype(np.uint8)

    def _refuse(self, bad, columns, copies, what, way_out):
        if bad.any():
            person, column = np.argwhere(bad)[0]
            raise InputError(
                f"person {quoted(self.people[person])} {what.format(format(copies[person, column], 'g'))} at SNP "
                f"{quoted(self.variants[columns[column]])} ({int(bad.sum()):,} such genotypes among "
                f"{len(columns):,} variants). {way_out}"
            )


def _dense(matrix):
    return matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)


def _capitals(column):
    return column.astype(str).str.upper().to_numpy(object)


def _lengths(alleles):
    return np.fromiter(map(len, alleles), dtype=np.int64, count=len(alleles))


def _letters(alleles):
    """Give the byte of every allele of one letter, and 0 for others."""
    return np.fromiter((ord(one) if len(one) == 1 else 0 for one in alleles), dtype=np.uint8, count=len(alleles))


def _whole(positions):
    numbers = pd.to_numeric(positions, errors="coerce").to_numpy(float, na_value=np.nan)
    bad = np.flatnonzero(~(numbers >= 1))
    if len(bad):
        raise InputError(
            f"dosages: SNP {quoted(positions.index[bad[0]])} has position {quoted(positions.iloc[bad[0]])}, where a "
            f"whole number from 1 is needed ({len(bad):,} such SNPs). Leave out SNPs without a place"
        )
    return numbers.astype(np.int64)
