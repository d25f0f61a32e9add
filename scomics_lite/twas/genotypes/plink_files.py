"""Genotypes in PLINK's binary format: a .bed file of two bits a genotype, with its SNPs in .bim and people in .fam.

The files are checked before they are read: the three belong together, and every line has its columns. bed-reader
unpacks the bits.
"""

import csv
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from scomics_lite.twas.genotypes.dosages import read_dosages
from scomics_lite.twas.genotypes.snp_tables import chosen, named_variants
from scomics_lite.validation import InputError, quoted, warn

FAM = ["family", "person", "father", "mother", "sex", "phenotype"]
BIM = ["chromosome", "id", "centimorgan", "position", "eff_allele", "ref_allele"]  # allele 1, allele 2
SEXES = ["male", "female"]  # 1, 2
HEAD = bytes([0x6C, 0x1B])


def read_plink(prefix, *, snps=None, people=None):
    """Read genotypes from PLINK's .bed, .bim and .fam files.

    Parameters
    ----------
    prefix : path
        The common part of the three names, with or without ``.bed``.
    snps, people : sequence of str, optional
        Ids to read, in this order; all when not given. Those that the files lack are left out, with a notice.

    Returns
    -------
    AnnData, people × SNPs
        ``X`` counts copies of allele 1 (the fifth column of .bim, most often the rarer allele), which is
        ``var["eff_allele"]``; allele 2 is ``ref_allele``, whatever the reference genome has there. float32, NaN where
        missing: 4 bytes a genotype, so that 500 people at a million SNPs take 2 GB; name the SNPs of a region where
        that is too much. Men count 0 or 2 on their X chromosome, as PLINK stores it.
        ``var`` also has ``chromosome`` (as written, without "chr": PLINK writes 23 for X) and ``position``. ``obs`` has
        ``family``, ``father``, ``mother`` ("0" unknown), ``sex``, and ``phenotype``: NaN for -9, and 0 too where the
        others are 1 (control) and 2 (case).
        People are called by their own id, or ``family_person`` where that is not unique; SNPs without an id, or who
        share it, ``chromosome:position:ref:alt``.

    Raises
    ------
    InputError
        A file is missing or no such file, the three do not belong together, a line lacks a column (named with its
        number), the same variant or person comes twice, or none of `snps` or `people` is there.

    Examples
    --------
    >>> var = pd.DataFrame({"chromosome": "1", "position": [10, 20], "ref_allele": "A", "eff_allele": "C"})
    >>> study = anndata.AnnData(np.array([[0, 1], [2, 1]]), var=var.set_axis(["rs1", "rs2"]))
    >>> write_plink(study, "study")
    >>> read_plink("study", snps=["rs2"]).X.ravel()
    array([1., 1.], dtype=float32)
    """
    from bed_reader import open_bed  # here, because most of the package does without

    bed, bim, fam = _paths(prefix)
    obs, var = _read_people(fam), named_variants(_read_variants(bim), bim)
    _check_bed(bed, len(obs), len(var))
    rows, columns = chosen(people, obs.index, "people", fam), chosen(snps, var.index, "SNPs", bim)
    with open_bed(bed, iid_count=len(obs), sid_count=len(var)) as file:
        dosages = file.read(index=np.s_[rows, columns], dtype="float32", order="C")
    return anndata.AnnData(dosages, obs=obs.iloc[rows], var=var.iloc[columns])


def write_plink(dosages, prefix):
    """Write genotypes as PLINK's .bed, .bim and .fam files.

    Parameters
    ----------
    dosages : AnnData, shape (people, SNPs)
        As `read_plink` gives it: copies of ``var["eff_allele"]``, which becomes allele 1; 0, 1, 2, or NaN where
        missing. ``family``, ``father``, ``mother``, ``sex`` and ``phenotype`` of ``obs`` are written where they are
        there.
    prefix : path
        The common part of the three names. Files of these names are written over.

    Raises
    ------
    InputError
        The format cannot hold a dosage, because it is not whole, an id or allele has a space in it, or ``var`` lacks
        a column.

    Examples
    --------
    >>> var = pd.DataFrame({"chromosome": "1", "position": [10], "ref_allele": "A", "eff_allele": "C"}, index=["rs1"])
    >>> write_plink(anndata.AnnData(np.array([[0], [2]]), var=var), "two_people")
    >>> Path("two_people.bim").read_text().split()
    ['1', 'rs1', '0.0', '10', 'C', 'A']
    """
    from bed_reader import to_bed

    values, _, _, alleles = read_dosages(dosages)
    if alleles is None or not {"chromosome", "position"} <= set(dosages.var):
        raise InputError(
            "PLINK files name the place and alleles of every SNP: write an AnnData whose var has chromosome, position, "
            "ref_allele and eff_allele"
        )
    _check_whole(values, dosages)
    bed, _, _ = _names(prefix)
    to_bed(bed, values.astype(np.float32), properties=_properties(dosages))


def _names(prefix):
    text = str(prefix).removesuffix(".bed")
    return [Path(text + end) for end in (".bed", ".bim", ".fam")]


def _paths(prefix):
    paths = _names(prefix)
    lacking = [path for path in paths if not path.is_file()]
    if lacking:
        near = sorted({path.stem for path in paths[0].parent.glob("*.bed")})
        found = f"{paths[0].parent}/ has .bed files called {', '.join(near[:5])}" if near else "no .bed file is near it"
        raise InputError(
            f"no such file: {' and '.join(map(str, lacking))}. PLINK genotypes are three files, .bed, .bim and .fam, "
            f"with one name before these ends; {found}"
        )
    return paths


def _read_columns(path, names):
    """Read a table without a header, whose columns stand apart by spaces or tabs; a line short of one is named."""
    settings = {"sep": r"\s+", "header": None, "dtype": str, "keep_default_na": False, "skip_blank_lines": False}
    places = range(len(names) + 1)  # one more, to see what is too much
    try:
        table = pd.read_csv(path, quoting=csv.QUOTE_NONE, names=places, index_col=False, **settings)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no table of {len(names)} columns: {error}") from None
    if table.empty:
        raise InputError(f"{path} is empty")
    table = table.mask(table == "")
    wrong = np.flatnonzero(table[len(names) - 1].isna() | table[len(names)].notna())
    if len(wrong):
        has = int(table.loc[wrong[0]].notna().sum())
        raise InputError(
            f"{path}, line {wrong[0] + 1:,}: {has} columns instead of {len(names)} ({', '.join(names)}); "
            f"{len(wrong):,} such lines. What is unknown is written as 0, a phenotype as -9, and not left out"
        )
    return table.drop(columns=len(names)).set_axis(names, axis=1)


def _read_people(path):
    table = _read_columns(path, FAM)
    names = _people_names(table, path)
    sex = pd.Categorical.from_codes(table["sex"].map({"1": 0, "2": 1}).fillna(-1).astype(int), SEXES)
    obs = table[["family", "father", "mother"]].assign(sex=sex, phenotype=_phenotypes(table["phenotype"], path))
    return obs.astype({"family": "category"}).set_axis(names).rename_axis(None)


def _people_names(table, path):
    names = table["person"]
    if not names.is_unique:
        first = names[names.duplicated(keep=False)].iloc[0]
        names = table["family"] + "_" + names
        if not names.is_unique:
            twins = np.flatnonzero(names == names[names.duplicated()].iloc[0]) + 1
            raise InputError(
                f"{path}: lines {twins[0]:,} and {twins[1]:,} name the same person of the same family, "
                f"{quoted(table['person'][twins[0] - 1])}; rename one of them"
            )
        warn(f"{path}: person {quoted(first)} is in several families; people are called family_person here")
    return pd.Index(names, dtype=object)


def _phenotypes(column, path):
    """Make numbers of the sixth column, by PLINK's rule: -9 is missing, and 0 too where all others are 1 or 2."""
    numbers = pd.to_numeric(column.where(column.str.upper() != "NA", "nan"), errors="coerce").astype(float)
    bad = np.flatnonzero(numbers.isna() & ~column.str.upper().isin({"NA", "NAN"}))
    if len(bad):
        raise InputError(
            f"{path}, line {bad[0] + 1:,}: phenotype {quoted(column[bad[0]])} is no number; a missing one is -9"
        )
    numbers = numbers.mask(numbers == -9)
    values = set(numbers.dropna())
    if values == {0, 1}:
        warn(
            f"{path}: phenotypes are 0 and 1 and are kept so; PLINK without --1 would read 0 as missing. "
            "If it is missing: obs['phenotype'].replace(0, float('nan'))"
        )
        return numbers
    return numbers.mask(numbers == 0) if values <= {0, 1, 2} else numbers


def _read_variants(path):
    table = _read_columns(path, BIM)
    positions = pd.to_numeric(table["position"], errors="coerce")
    bad = np.flatnonzero(~(positions == positions.round()))
    if len(bad):
        line = bad[0]
        raise InputError(
            f"{path}, line {line + 1:,}: position {quoted(table['position'][line])} of SNP {quoted(table['id'][line])} "
            "is no whole number; the columns are " + ", ".join(BIM)
        )
    return table.assign(position=positions.astype(np.int64))


def _check_bed(path, n_people, n_snps):
    with path.open("rb") as file:
        head = file.read(3)
    if head[:2] != HEAD:
        raise InputError(
            f"{path} is no PLINK .bed file: it begins with {head!r} instead of {HEAD!r}. A BED file of genome regions "
            "is another format of the same name; text genotypes become a .bed file by plink --file NAME --make-bed"
        )
    if head[2:] != b"\x01":
        raise InputError(f"{path} holds person after person, as PLINK wrote long ago: plink --bfile NAME --make-bed")
    each, found = -(-n_people // 4), path.stat().st_size - 3
    if found != each * n_snps:
        fits = f"it would hold {found // each:,} SNPs" if found % each == 0 else "it is cut off or of other people"
        raise InputError(
            f"{path} does not belong to its .bim and .fam: {n_people:,} people x {n_snps:,} SNPs take "
            f"{each * n_snps + 3:,} bytes, and it has {found + 3:,}; of these people {fits}"
        )


def _check_whole(values, dosages):
    fractions = (values != np.floor(values)) & ~np.isnan(values)
    if fractions.any():
        person, snp = np.argwhere(fractions)[0]
        raise InputError(
            f"PLINK files hold 0, 1 or 2 copies; person {quoted(dosages.obs_names[person])} has "
            f"{values[person, snp]:g} of SNP {quoted(dosages.var_names[snp])}. To write the nearest: "
            "dosages.X = dosages.X.round()"
        )


def _properties(dosages):
    """Give what stands in the .bim and .fam files, by bed-reader's names."""
    obs, var = dosages.obs, dosages.var
    alleles = [var[name].astype(object).where(var[name].notna(), "0") for name in ("eff_allele", "ref_allele")]
    sex = obs["sex"].astype(object).map({"male": 1, "female": 2}) if "sex" in obs else pd.Series(0, obs.index)
    phenotype = obs["phenotype"].astype(float) if "phenotype" in obs else pd.Series(np.nan, obs.index)
    texts = {
        "iid": dosages.obs_names,
        "fid": obs.get("family", dosages.obs_names),
        "sid": dosages.var_names,
        "chromosome": var["chromosome"],
        "allele_1": alleles[0],
        "allele_2": alleles[1],
    }
    texts |= {name: obs[name] for name in ("father", "mother") if name in obs}
    for name, texts_of in texts.items():
        texts[name] = np.asarray(texts_of, dtype=object).astype(str)
        spaced = [text for text in texts[name] if not text or any(letter.isspace() for letter in text)]
        if spaced:
            raise InputError(f"PLINK's columns stand apart by spaces, so none can be in {name} {quoted(spaced[0])}")
    numbers = {
        "bp_position": var["position"].to_numpy(np.int64),
        "sex": sex.fillna(0).to_numpy(np.int64),
        "pheno": [f"{value:.10g}" for value in phenotype.fillna(-9)],
    }
    return texts | numbers
