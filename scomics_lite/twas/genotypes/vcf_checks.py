"""What is looked at before htslib reads a VCF file: the header, the people, the columns of every line, the index."""

import gzip
import re
import zlib
from pathlib import Path

import pandas as pd

from scomics_lite.validation import InputError, quoted

FIXED = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
REGION = re.compile(r"^[^\s:]+(:[\d,]+(-[\d,]+)?)?$")


def read_header(path):
    r"""Read the lines of the header, the last of which names the columns.

    Parameters
    ----------
    path : pathlib.Path
        A VCF file of text, packed or not.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        No such file, it begins otherwise than a VCF file, or no line names the columns.

    Examples
    --------
    >>> _ = Path("header.vcf").write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\n")
    >>> read_header(Path("header.vcf"))
    ['##fileformat=VCFv4.2', '#CHROM\tPOS']
    """
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    header = []
    for line in _lines(path):
        text = line.decode("utf-8", errors="replace").rstrip("\r\n")
        if not header and not text.startswith("##fileformat=VCF"):
            raise InputError(
                f"{path} is no VCF file: its first line is {text[:60]!r} instead of '##fileformat=VCFv4.2'. Where only "
                "the header was lost, put that of the original before it: cat HEADER FILE"
            )
        if not text.startswith("#"):
            break
        header.append(text)
        if text.startswith("#CHROM"):
            return header
    raise InputError(
        f"{path}, line {len(header) + 1:,}: the header has no line #CHROM, which names the columns and people"
    )


def people(header, path):
    r"""Give the names of the people, from the last line of the header.

    Parameters
    ----------
    header : list of str
    path : path
        For messages.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        The columns are other ones, there is nobody, or a name comes twice.

    Examples
    --------
    >>> people(["\t".join([*FIXED, "NA1", "NA2"])], "study.vcf")
    ['NA1', 'NA2']
    """
    columns = header[-1].split("\t")
    names = columns[len(FIXED) :]
    if columns[: len(FIXED)] != FIXED or not names:
        raise InputError(
            f"{path}, line {len(header):,}: the columns should be {' '.join(FIXED)}, with tabs between, and one for "
            f"each person; there are {len(columns)}. A file of sites alone has no genotypes"
        )
    twice = pd.Index(names)[pd.Index(names).duplicated()]
    if len(twice):
        raise InputError(
            f"{path}, line {len(header):,}: {len(twice)} names come twice, the first {quoted(twice[0])}; rename with "
            "bcftools reheader --samples"
        )
    return names


def check_field(field, header, path):
    """Refuse what is no field, or not in the file.

    Parameters
    ----------
    field : "GT", "DS" or None
    header : list of str
    path : path
        For messages.

    Examples
    --------
    >>> check_field("GP", [], "study.vcf")
    Traceback (most recent call last):
    scomics_lite.validation.InputError: field is 'GT' (called genotypes) or 'DS' (imputed dosages); got 'GP'
    """
    if field not in (None, "GT", "DS"):
        raise InputError(f"field is 'GT' (called genotypes) or 'DS' (imputed dosages); got {field!r}")
    if field == "DS" and not any(line.startswith("##FORMAT=<ID=DS,") for line in header):
        raise InputError(f"the header of {path} has no FORMAT field DS; read called genotypes with field='GT'")


def check_region(region, path):
    """Refuse what is no region, and a file without an index.

    Parameters
    ----------
    region : str
    path : pathlib.Path

    Examples
    --------
    >>> check_region("19 1000", Path("study.vcf"))
    Traceback (most recent call last):
    scomics_lite.validation.InputError: region is a text such as '19' or '19:1000000-2000000'; got '19 1000'
    """
    if not (isinstance(region, str) and REGION.match(region)):
        raise InputError(f"region is a text such as '19' or '19:1000000-2000000'; got {region!r}")
    if not any(Path(f"{path}{end}").is_file() for end in (".tbi", ".csi")):
        packed = "" if _is_gzipped(path) else f" The file has to be packed for that: bgzip {path}"
        raise InputError(f"reading a region needs an index beside {path}: bcftools index --tbi {path}.{packed}")


def check_columns(path, n_people):
    r"""Refuse what ends the process (lines without tabs) and what htslib passes over (more genotypes than people).

    Parameters
    ----------
    path : pathlib.Path
    n_people : int

    Examples
    --------
    >>> _ = Path("blank.vcf").write_text("#CHROM\n\n")
    >>> check_columns(Path("blank.vcf"), 1)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    scomics_lite.validation.InputError: blank.vcf, line 2: blank; delete it. Columns ...
    """
    wanted = len(FIXED) + n_people
    for number, line in enumerate(_lines(path), start=1):
        if line.startswith(b"#") or line.count(b"\t") == wanted - 1:
            continue
        start = line[:200].split(b"\t")
        name = f" ({start[2].decode('utf-8', errors='replace')})" if len(start) > 3 else ""
        has = f"{line.count(b'	') + 1} columns instead of {wanted}" if line.strip() else "blank; delete it"
        raise InputError(
            f"{path}, line {number:,}{name}: {has}. Columns stand apart by tabs, a genotype for each person"
        )


def _lines(path):
    try:
        with gzip.open(path) if _is_gzipped(path) else path.open("rb") as stream:
            yield from stream
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{path} cannot be unpacked to its end ({error}): the copy is not complete, fetch it again"
        ) from None


def _is_gzipped(path):
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def is_bcf(path):
    r"""Tell whether a file is the binary form of VCF.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    bool

    Examples
    --------
    >>> _ = Path("header.vcf").write_text("##fileformat=VCFv4.2\n")
    >>> is_bcf(Path("header.vcf"))
    False
    """
    if not _is_gzipped(path):
        return False
    with gzip.open(path) as file:
        try:
            return file.read(3) == b"BCF"
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return False
