"""Genotypes from VCF files: plain, gzipped or bgzipped, of called genotypes (GT) or imputed dosages (DS).

cyvcf2 (htslib) reads the records. It forgives much and a blank line ends the whole Python process, so that the header
and the number of columns of every line are looked at first; alleles, ploidy and dosages are checked as they come.
"""

from contextlib import closing
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from scomics_lite.twas.genotypes import vcf_checks
from scomics_lite.twas.genotypes.snp_tables import named_variants
from scomics_lite.validation import InputError, did_you_mean, quoted, warn

CHUNK = 4_000_000  # genotypes turned into numbers together: some 30 MB
WITHOUT_SEX_CHROMOSOMES = (
    "dosages are counted of two. Leave sex chromosomes out with region=…, or make all people diploid with "
    "bcftools +fixploidy"
)
BROKEN = "the file is broken, or its ALT column was edited"


def read_vcf(path, *, region=None, field=None):
    r"""Read genotypes from a VCF file, one variant a record.

    Parameters
    ----------
    path : path
        A ``.vcf``, ``.vcf.gz`` or ``.bcf`` file.
    region : str, optional
        "19" or "19:1000000-2000000": read only the records that overlap it. Needs bgzip and an index beside the file
        (``.tbi`` or ``.csi``).
    field : "GT" or "DS", optional
        Called genotypes, or imputed dosages. When not given: DS where the first variant has it, which says more,
        else GT.

    Returns
    -------
    AnnData, people × SNPs
        ``X`` counts copies of the alternative allele, ``var["eff_allele"]``; float32, NaN where missing. ``var`` has
        ``chromosome`` (without "chr"), ``position``, ``ref_allele``; ``uns["field"]`` says what was read. Where every
        genotype is phased or homozygous (which needs no phase: ``0/0``) and none is missing, ``layers["haplotype1"]``
        and ``["haplotype2"]`` (int8) hold what stands left and right of the bar. 4 bytes a genotype, 6 with haplotypes;
        while reading 1 more for GT, 2 for phased genotypes, and twice as many for DS.
        A genotype with one allele missing (``0/.``) is missing. Records of several alternative alleles are left out,
        with a notice. FILTER is not looked at.

    Raises
    ------
    InputError
        No VCF file, no genotypes in it, a line that lacks columns or cannot be read (with its number), an allele that
        its record does not have, genotypes of one or three copies, a dosage outside 0 to 2 (with person and SNP), the
        same variant twice, a region without an index or without a record.

    Examples
    --------
    >>> lines = ["##fileformat=VCFv4.2", '##FORMAT=<ID=GT,Number=1,Type=String,Description="">', "##contig=<ID=19>"]
    >>> lines += ["#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT person", "19 500 rs1 A G . . . GT 0|1"]
    >>> _ = Path("small.vcf").write_text("\n".join(lines).replace(" ", "\t") + "\n")
    >>> read_vcf("small.vcf").to_df()
            rs1
    person  1.0
    """
    path = Path(path)
    header = _header(path)
    people = vcf_checks.people(header, path)
    vcf_checks.check_field(field, header, path)
    line = None  # counted only where the lines of the file are read one after the other
    if region is not None:
        vcf_checks.check_region(region, path)
    elif not vcf_checks.is_bcf(path):
        vcf_checks.check_columns(path, len(people))
        line = len(header)
    with closing(_open(path)) as file:
        records = file if region is None else _of_region(file, region, path)
        found = _Genotypes(path, people, field, line)
        found.read(records)
    return found.annotated(region)


class _Genotypes:
    """What was read so far: variants, their numbers in chunks (variants × people), and what was left out."""

    def __init__(self, path, people, field, line):
        self.path, self.people, self.field, self.line = path, people, field, line
        self.variants, self.chunks, self.haplotypes = [], [], []
        self.several, self.half, self.is_phased = [], [], True

    def read(self, records):
        """Go through the records, and turn them into numbers chunk by chunk."""
        pending, size = [], max(1, CHUNK // len(self.people))
        for number, record in enumerate(self._each(records), start=1):
            if len(record.ALT) > 1:
                self.several.append(record.ID or f"{record.CHROM}:{record.POS}")
                continue
            self.field = self.field or ("DS" if "DS" in record.FORMAT else "GT")
            alternative = record.ALT[0] if record.ALT else "."
            self.variants.append((record.ID or ".", record.CHROM, record.POS, record.REF, alternative, number))
            pending.append(self._genotypes(record) if self.field == "GT" else self._dosages(record))
            if len(pending) == size:
                self._finish(pending)
                pending = []
        if pending:
            self._finish(pending)
        self.is_phased &= self.field == "GT"

    def _each(self, records):
        """Give record after record; htslib's complaint about one becomes an error that says where it is."""
        records, number = iter(records), 0
        while True:
            try:
                record = next(records)
            except StopIteration:
                return
            except Exception as error:  # cyvcf2 raises no other class
                last = f"the record after {self._name(-1)}" if self.variants else "the first record"
                place = last if self.line is None else f"line {self.line + number + 1:,}"
                raise InputError(
                    f"{self.path}, {place}: htslib cannot read it; a position or a genotype is no number, most often. "
                    "bcftools view names what it stumbles over"
                ) from error
            number += 1
            yield record

    def _genotypes(self, record):
        """Take allele numbers, people × (first, second, is phased); -1 is a missing one, -2 none."""
        if "GT" not in record.FORMAT:
            raise self._error(-1, "has no GT", "the file may hold other fields: field='DS'")
        codes = record.genotype.array()
        if codes.shape[1] > 3:
            person = int(np.argmax((codes[:, 2:-1] != -2).any(axis=1)))
            raise self._error(-1, "has more than two copies", WITHOUT_SEX_CHROMOSOMES, person)
        if codes.shape[1] < 3:  # nobody has two copies
            codes = np.column_stack([codes[:, 0], np.full(len(codes), -2, dtype=codes.dtype), codes[:, 1]])
        return codes

    def _dosages(self, record):
        values = record.format("DS")
        if values is None or values.shape[1] != 1 or values.dtype.kind != "f":
            raise self._error(-1, "has no DS, one number a person", "read called genotypes with field='GT'")
        return values[:, 0]

    def _finish(self, pending):
        values, start = np.stack(pending), len(self.variants) - len(pending)
        self.chunks.append(self._counted(values, start) if self.field == "GT" else self._in_range(values, start))

    def _counted(self, codes, start):
        """Count alternative alleles: int8, -1 where one of the two is missing."""
        first, second = codes[:, :, 0], codes[:, :, 1]
        self._refuse((first >= 0) & (second == -2), start, "has one copy", WITHOUT_SEX_CHROMOSOMES)
        known = np.array([1 if variant[4] != "." else 0 for variant in self.variants[start:]], dtype=codes.dtype)
        highest = np.maximum(first, second)
        self._refuse(highest > known[:, None], start, "has an allele that REF and ALT do not list", BROKEN)
        some = np.minimum(first, second) < 0
        halves = np.argwhere(some & (highest >= 0))
        self.half += [(self._name(start + row), self.people[person]) for row, person in halves]
        self.is_phased &= bool(((codes[:, :, 2] != 0) | (first == second)).all() and not some.any())
        if self.is_phased:
            self.haplotypes.append(codes[:, :, :2].astype(np.int8))
        return np.where(some, -1, first + second).astype(np.int8)

    def _in_range(self, values, start):
        self._refuse((values < 0) | (values > 2), start, "has a dosage outside 0 to 2", BROKEN)
        return values

    def _refuse(self, bad, start, what, way_out):
        if bad.any():
            row, person = np.argwhere(bad)[0]
            raise self._error(start + row, what, way_out, person)

    def _error(self, row, what, way_out, person=None):
        place = f"record {self._name(row)}" if self.line is None else f"line {self.line + self.variants[row][5]:,}"
        place += "" if self.line is None else f", {self._name(row)}"
        who = "" if person is None else f"person {quoted(self.people[person])} "
        return InputError(f"{self.path}, {place}: {who}{what}; {way_out}")

    def _name(self, row):
        name, chromosome, position = self.variants[row][:3]
        return quoted(name if name != "." else f"{chromosome}:{position}")

    def annotated(self, region):
        """Put it all together, and tell what is not in it."""
        if not self.variants:
            raise InputError(self._why_nothing(region))
        self._tell()
        columns = ["id", "chromosome", "position", "ref_allele", "eff_allele", "number"]
        var = named_variants(pd.DataFrame(self.variants, columns=columns), self.path)
        obs = pd.DataFrame(index=pd.Index(self.people, dtype=object))
        adata = anndata.AnnData(self._joined(self.chunks, np.float32), obs=obs, var=var, uns={"field": self.field})
        if self.is_phased:
            for side in (0, 1):
                parts = [part[:, :, side] for part in self.haplotypes]
                adata.layers[f"haplotype{side + 1}"] = self._joined(parts, np.int8)
        return adata

    def _joined(self, chunks, dtype):
        """Join chunks to people × variants, in the order of people in memory."""
        joined, column = np.empty((len(self.people), len(self.variants)), dtype=dtype), 0
        for chunk in chunks:
            joined[:, column : column + len(chunk)] = chunk.T
            column += len(chunk)
        if dtype == np.float32:
            joined[joined < 0] = np.nan
        return joined

    def _tell(self):
        if self.several:
            warn(
                f"{self.path}: {len(self.several):,} records of several alternative alleles are left out, the first "
                f"{', '.join(map(quoted, self.several[:3]))}. bcftools norm -m- makes a record of each allele"
            )
        if self.half:
            snp, person = self.half[0]
            warn(
                f"{self.path}: {len(self.half):,} genotypes lack one of two alleles and count as missing, the first of "
                f"person {quoted(person)} at {snp}"
            )

    def _why_nothing(self, region):
        if self.several:
            return (
                f"{self.path}: all {len(self.several):,} records have several alternative alleles; "
                "bcftools norm -m- makes a record of each"
            )
        if region is not None:
            return f"{self.path} has no record in region {region!r}; are its positions of another genome build?"
        return f"{self.path} has a header and no record: the writing was cut short, or a filter left nothing"


def _of_region(file, region, path):
    chromosome = region.split(":")[0]
    if chromosome not in file.seqnames:
        raise InputError(f"{path} has no chromosome {chromosome!r}; {did_you_mean(chromosome, file.seqnames)}")
    return file(region)


def _header(path):
    if path.is_file() and vcf_checks.is_bcf(path):
        with closing(_open(path)) as file:
            return file.raw_header.rstrip("\n").split("\n")
    return vcf_checks.read_header(path)


def _open(path):
    try:
        from cyvcf2 import VCF
    except ImportError:
        raise ImportError(
            "VCF files are read by cyvcf2, which is not installed; there is none for Windows. PLINK turns a VCF into "
            "files that read_plink reads everywhere: plink2 --vcf FILE --make-bed --out NAME"
        ) from None
    try:
        return VCF(str(path))
    except Exception as error:  # cyvcf2 raises no other class
        raise InputError(f"{path}: htslib cannot read it as VCF or BCF: {error}") from error
