"""Summary statistics of a GWAS, whichever program wrote them, as one table with standard columns and z-scores.

The rules of MetaXcan: a column of z-scores is taken as it is; else a p-value gives |z| = |Φ⁻¹(p / 2)| and an effect or
its sign the sign; else z = beta / se. An odds ratio is an effect, beta = log(OR), and its standard error is beta's.
What a SNP lacks in one way is taken in the next. (Barbeira et al. 2018; MetaXcan's `GWAS.py` for the order.)
"""

import os
from collections.abc import Sequence
from itertools import repeat
from operator import contains
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from scomics_lite.twas.exchange.gwas_lines import Report, join, read_file, read_frame
from scomics_lite.twas.exchange.text_tables import MISSING
from scomics_lite.twas.genotypes.alleles import complement
from scomics_lite.validation import InputError, is_number

KEPT = ("beta", "se", "pvalue", "chromosome", "position", "frequency", "n")
SMALL = 1e-300  # below it p / 2 is a number with fewer digits
NEAR_ONE = (0.5, 2.0)  # where the median of odds ratios lies
ENOUGH = 50  # effects, before their signs say what they are


def read_gwas(gwas, *, columns=None, separator=None, keep_non_rsid=False, smallest_pvalue=1e-50):
    r"""Read summary statistics of a GWAS into a table with standard columns, and compute z-scores.

    Parameters
    ----------
    gwas : path, list of paths or DataFrame
        Text with a header, plain or compressed (gzip, bzip2, xz). Of several files, or of a folder with them, all are
        read, in alphabetical order, as one study.
    columns : dict, optional
        ``{standard name: the file's}``, for ``snp, effect_allele, non_effect_allele, beta, se, odds_ratio, pvalue,
        zscore, sign, chromosome, position, frequency, n``; exactly these are read (and ``TEST``, by which PLINK tells
        the test of a SNP from those of covariates). By default the usual headers are recognised: those of the GWAS
        Catalog, PLINK, SAIGE, REGENIE, BOLT-LMM, fastGWA, METAL, FinnGen, PGC and others.
    separator : str, optional
        What stands between fields; by default a tab, comma or semicolon if the header has one, else any whitespace.
    keep_non_rsid : bool
        Keep SNPs whose name does not contain "rs", such as ``chr1_1000_A_G_b38``. MetaXcan drops them, too.
    smallest_pvalue : float
        What p-values of exactly 0 are taken for where nothing else gives a z-score: they were too small for the program
        that wrote them. The smallest p of the file is taken if that is smaller still (MetaXcan's rule). 0 leaves such
        SNPs out.

    Returns
    -------
    DataFrame
        ``snp``, ``effect_allele`` and ``non_effect_allele`` (in capitals), ``zscore`` (finite), and as far as they are
        known ``beta`` (of an odds ratio its logarithm), ``se``, ``pvalue``, ``chromosome`` (without "chr"),
        ``position``, ``frequency``, ``n``. A SNP comes once with the same two alleles: the last line counts, as in
        MetaXcan; with other alleles, at a site that has three, it comes again. ``attrs["columns"]`` says which column
        was taken for what, ``attrs["left_out"]`` how many lines were left out, by reason.

        A warning says what was left out or changed, with line and SNP: lines with too few or too many fields, SNPs
        without a z-score, repeated SNPs, decimal commas (read as points), p-values of 0.

    Raises
    ------
    InputError
        For files that are not there or are damaged, for columns that are not there or do not give a z-score, for
        p-values beyond 0 and 1, and where no SNP is left.

    Examples
    --------
    >>> lines = "SNP,effect_allele,other_allele,OR,SE", "rs1,A,G,1.2,0.05", "rs2,t,c,0.9,0.06"
    >>> _ = Path("gwas.csv").write_text("\n".join(lines))
    >>> read_gwas("gwas.csv").round(3)
       snp effect_allele non_effect_allele  zscore   beta    se
    0  rs1             A                 G   3.646  0.182  0.05
    1  rs2             T                 C  -1.756 -0.105  0.06
    """
    if not (is_number(smallest_pvalue) and 0 <= smallest_pvalue <= 1):
        raise InputError(f"smallest_pvalue is a number from 0 to 1; got {smallest_pvalue!r}")
    report = Report()
    if isinstance(gwas, pd.DataFrame):
        table = read_frame(gwas, columns, report)
    else:
        parts = [read_file(path, columns, separator, report) for path in _paths(gwas)]
        table = join(parts)
        table.attrs = parts[0].attrs
    taken = table.attrs["columns"]
    table = _named(table, keep_non_rsid, report)
    table = _with_zscores(table, taken, smallest_pvalue, report)
    table = _without_repeated(table, report)
    if not len(table):
        raise InputError(f"{report.source} has no SNP that can be used: {report.text() or 'it has no lines'}")
    report.warn()
    kept = [name for name in ("snp", "effect_allele", "non_effect_allele", "zscore", *KEPT) if name in table]
    found = pd.DataFrame({name: table[name].array for name in kept}, copy=False)
    if "position" in found:
        found["position"] = _whole(found["position"])
    found.attrs = {"columns": taken, "left_out": report.left_out}
    return found


def _paths(gwas):
    """Give the files of a study: one, several, or those in a folder."""
    if isinstance(gwas, str | os.PathLike):
        if not Path(gwas).is_dir():
            return [Path(gwas)]
        gwas = sorted(path for path in Path(gwas).iterdir() if path.is_file() and not path.name.startswith("."))
    if not isinstance(gwas, Sequence):
        raise InputError(f"a GWAS is a path, a list of paths or a DataFrame; got {type(gwas).__name__}")
    if not gwas:
        raise InputError("there are no files: give a path, a list of paths, or a folder that has files")
    return [Path(path) for path in gwas]


def _whole(positions):
    """Make positions whole numbers, with a type that has a missing value only where one is needed."""
    positions = positions.where(np.isfinite(positions)).round()
    return positions.astype("Int64" if positions.isna().any() else np.int64)


# --- names ------------------------------------------------------------------------------------------------------------


def _named(table, keep_non_rsid, report):
    """Leave out lines without name or alleles and, unless they are to be kept, SNPs whose name is no rsid."""
    names = table["snp"]
    other = ~np.fromiter(map(contains, names.tolist(), repeat("rs")), dtype=bool, count=len(names))
    lost = other.copy()
    lost[other] = names[other].isin(MISSING)
    if not keep_non_rsid and other[~lost].all() and not lost.all():
        raise InputError(
            f"{report.source}: none of {(~lost).sum():,} names of SNPs contains 'rs' (the first is "
            f"{names[~lost].iloc[0]!r}): keep_non_rsid=True keeps such names"
        )
    table, other = report.drop(table, lost, "without the name of a SNP"), other[~lost]
    if not keep_non_rsid:
        table = report.drop(table, other, "whose name contains no 'rs', which keep_non_rsid=True would keep")
    unknown = table[["effect_allele", "non_effect_allele"]].isna().any(axis=1)
    return report.drop(table, unknown, "without alleles")


def _without_repeated(table, report):
    """Keep the last line of those that tell of the same SNP and the same two alleles, on either strand."""
    hashes = np.fromiter(map(hash, table["snp"].tolist()), dtype=np.int64, count=len(table))
    repeated = pd.Series(hashes).duplicated(keep=False).to_numpy()  # numbers are compared faster than text
    if not repeated.any():
        return table
    some = table.loc[repeated, ["snp", "effect_allele", "non_effect_allele"]].astype(object)
    letters = [some["effect_allele"], some["non_effect_allele"]]
    pairs = zip(*letters, *map(complement, letters), strict=True)
    some["pair"] = [min(sorted((a, b)), sorted((c, d))) if c and d else sorted((a, b)) for a, b, c, d in pairs]
    some["pair"] = some["pair"].map(" ".join)
    earlier = np.zeros(len(table), dtype=bool)
    earlier[np.flatnonzero(repeated)] = some.duplicated(["snp", "pair"], keep="last").to_numpy()
    return report.drop(table, earlier, "that a later line of the same SNP and alleles replaces")


# --- z-scores ---------------------------------------------------------------------------------------------------------


def _with_zscores(table, taken, smallest_pvalue, report):
    """Add z-scores, and leave out SNPs that have none."""
    table = table.copy(deep=False)
    if "odds_ratio" in table:
        effects = _log_odds(table, taken, report)
        table["beta"] = np.where(np.isfinite(effects), effects, table["beta"]) if "beta" in table else effects
    elif "beta" in table:
        _suspect_odds(table["beta"], taken, report)
    zscores = np.full(len(table), np.nan)
    if "zscore" in table:
        zscores = _filled(zscores, table["zscore"].to_numpy())
    sign = np.sign(table["beta"].to_numpy()) if "beta" in table else table.get("sign")
    if "pvalue" in table:
        _check_pvalues(table, taken, report)
    if "pvalue" in table and sign is not None:
        zscores = _filled(zscores, zscores_of(table["pvalue"].to_numpy(), np.asarray(sign)))
    if "se" in table and "beta" in table:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = table["beta"].to_numpy() / np.where(table["se"] > 0, table["se"], np.nan)
        zscores = _filled(zscores, ratios)
    if "pvalue" in table and sign is not None:
        zscores = _of_zero_pvalues(table, zscores, np.asarray(sign), smallest_pvalue, report)
    table["zscore"] = zscores
    return report.drop(table, ~np.isfinite(zscores), f"without a z-score, for lack of usable {_sources(table, taken)}")


def zscores_of(pvalues, sign):
    """Turn two-sided p-values into z-scores: z = sign |Φ⁻¹(p / 2)|.

    Parameters
    ----------
    pvalues : ndarray, shape (k,)
    sign : ndarray, shape (k,)
        1 or -1 of the effects, 0 for an effect of 0.

    Returns
    -------
    ndarray, shape (k,)
        NaN for p = 0, which tells how small p is no longer.

    Examples
    --------
    >>> zscores_of(np.array([0.05, 1e-300, 1e-320, 0]), np.array([1, -1, 1, 1])).round(4)
    array([  1.96  , -37.0658,  38.2872,      nan])
    """
    with np.errstate(divide="ignore"):
        sizes = -special.ndtri(pvalues / 2)
        tiny = pvalues < SMALL
        sizes[tiny] = -special.ndtri_exp(np.log(pvalues[tiny]) - np.log(2))
    return np.where(pvalues > 0, sizes * sign, np.nan)


def _filled(zscores, others):
    """Take other z-scores where there are none yet."""
    return np.where(np.isfinite(zscores), zscores, others)


def _of_zero_pvalues(table, zscores, sign, smallest_pvalue, report):
    """Give SNPs with p = 0, and nothing else to go by, the z-score of a small p; see `read_gwas`."""
    pvalues = table["pvalue"].to_numpy()
    zero = (pvalues == 0) & ~np.isfinite(zscores) & np.isfinite(sign)
    if not zero.any():
        return zscores
    first = report.place(table.iloc[np.argmax(zero)])
    if not smallest_pvalue:
        report.notes.append(f"{zero.sum():,} p-value(s) of 0 are too small to give a z-score: the first is in {first}")
        return zscores
    taken = min(smallest_pvalue, pvalues[pvalues > 0].min(initial=smallest_pvalue))
    size = zscores_of(np.array([taken]), np.ones(1))[0]
    report.notes.append(
        f"{zero.sum():,} p-value(s) of 0 are taken for {taken:g}, |z| = {size:.4g}: the first is in {first}. With the "
        "standard error beside the effect, the z-score need not be guessed"
    )
    return np.where(zero, sign * size, zscores)


def _log_odds(table, taken, report):
    """Give logarithms of odds ratios, NaN for those that are 0."""
    odds = table["odds_ratio"].to_numpy()
    if (odds < 0).any():
        row = table.iloc[np.argmax(odds < 0)]
        raise InputError(
            f"{report.source}: {taken['odds_ratio']} is {row['odds_ratio']:g} in {report.place(row)}, and an odds "
            f"ratio is not negative: if these are logarithms, say columns={{'beta': {taken['odds_ratio']!r}, …}}"
        )
    with np.errstate(divide="ignore"):
        return np.where(odds > 0, np.log(odds), np.nan)


def _suspect_odds(effects, taken, report):
    """Note effects that are never negative and lie around 1, as odds ratios do."""
    known = effects[effects.notna()]
    if len(known) >= ENOUGH and (known > 0).all() and NEAR_ONE[0] < known.median() < NEAR_ONE[1]:
        report.notes.append(
            f"{taken['beta']} is never negative and lies around {known.median():.2g}, as odds ratios do: if it holds "
            f"them, say columns={{'odds_ratio': {taken['beta']!r}, …}}"
        )


def _check_pvalues(table, taken, report):
    """Stop at p-values beyond 0 and 1."""
    pvalues = table["pvalue"].to_numpy()
    wrong = (pvalues < 0) | (pvalues > 1)
    if wrong.any():
        row = table.iloc[np.argmax(wrong)]
        raise InputError(
            f"{report.source}: {taken['pvalue']} is {row['pvalue']:g} in {report.place(row)} ({wrong.sum():,} such), "
            "and a p-value lies between 0 and 1. If these are -log10 p, name beta and se in columns and no pvalue, or "
            "give read_gwas a DataFrame with 10.0 ** -table[column]"
        )


def _sources(table, taken):
    """Name the columns that z-scores came from."""
    names = ("zscore", "pvalue", "odds_ratio", "beta", "sign", "se")
    return ", ".join(f"{taken[name]}" for name in names if name in taken)
