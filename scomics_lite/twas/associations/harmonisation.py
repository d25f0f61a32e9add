"""The SNPs of a prediction model found in a GWAS, and the signs of the GWAS turned to the model's alleles.

Two files rarely name a SNP alike: by rsid (rs1000), by a variant id of the panel (chr1_1000000_A_G_b38) or by its
place (1:1000000). `match_snps` tries all three and takes the one that finds most. A place says nothing of the build of
the genome, and what is found by it may be another SNP; alleles tell: `detectors` warns where many do not fit.

A GWAS counts one allele of two and a model too. `harmonise` turns the sign where they count opposite ones, row by row
of the model, so that a SNP which two genes code oppositely is right for both. A palindromic SNP (A/T, C/G) on the other
strand looks as if it were swapped, and only the frequency of its effect allele can tell: where both sides know it, and
it is not near one half, it decides; where not, the caller's policy does.
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scomics_lite.twas.genotypes.alleles import alignment, is_palindromic, is_strand_flip
from scomics_lite.validation import InputError, did_you_mean

KEYS = ("rsid", "varID", "position")
PLACE = re.compile(r"(?:chr)?([0-9]{1,2}|X|Y|MT?)[:_-]([0-9]{1,9})(?:[:_-].*)?", re.IGNORECASE)
CHROMOSOMES = {"X": 23, "Y": 24, "M": 25, "MT": 25}
ENOUGH = 0.5  # of the model's SNPs found by a name: then places, which are slow to read, are not tried
NEAR_HALF = 0.4  # minor allele frequencies above this do not tell strands apart

# Why a SNP of the model is not used, in the order in which it is asked.
USED, NOT_IN_GWAS, NO_ZSCORE, OTHER_ALLELES, AMBIGUOUS, NOT_IN_COVARIANCE = range(6)
REASONS = (
    "used",
    "not in the GWAS",
    "no z-score in the GWAS",
    "other alleles in the GWAS",
    "palindromic",
    "not in the covariance",
)
NOT_FOUND = {
    "zscore": np.nan,
    "beta": np.nan,
    "flipped": False,
    "strand": False,
    "palindromic": False,
    "reason": NOT_IN_GWAS,
    "gwas_row": -1,
}


@dataclass(frozen=True, eq=False)
class Match:
    """Which SNPs of a model are which in another file's list: pairs, several for a site with more than two alleles."""

    key: str  # what they were found by
    snps: np.ndarray  # (p,) places in the model
    rows: np.ndarray  # (p,) places in the list
    found: dict  # of each key that was tried: percent of the model's SNPs that it finds


def place_codes(names):
    """Read chromosome and position out of names of SNPs.

    Parameters
    ----------
    names : sequence of str, shape (k,)
        Such as ``1:1000000``, ``chr1_1000000_A_G_b38`` or ``X-155000000-C-T``.

    Returns
    -------
    ndarray of int64, shape (k,)
        chromosome · 10⁹ + position; X, Y and MT are chromosomes 23, 24 and 25. -1 where a name tells no place.

    Examples
    --------
    >>> place_codes(["1:1000", "chr1_1000_A_G_b38", "rs1000"]).tolist()
    [1000001000, 1000001000, -1]
    """
    found = (PLACE.fullmatch(name) if isinstance(name, str) else None for name in names)
    return np.fromiter((_place_code(*one.groups()) if one else -1 for one in found), np.int64, len(names))


def match_snps(snps, names, places=None):
    """Find the SNPs of a model in another file's list, by the key that finds most of them.

    Parameters
    ----------
    snps : DataFrame, shape (k, .)
        With the column ``rsid`` and, where the model has it, ``varID``.
    names : Series or Index of str, shape (n,)
        What the other file calls its SNPs.
    places : ndarray of int64, shape (n,), optional
        `place_codes` of its SNPs, where it has columns for them; otherwise they are read out of the names.

    Returns
    -------
    Match

    Examples
    --------
    >>> snps = pd.DataFrame({"rsid": ["rs1", "rs2"], "varID": ["chr1_10_A_G_b38", "chr1_20_A_C_b38"]})
    >>> match = match_snps(snps, pd.Series(["1:20", "1:30"]))
    >>> print(match.key, match.snps, match.rows, match.found)
    position [1] [0] {'rsid': 0.0, 'varID': 0.0, 'position': 50.0}
    """
    pairs = {key: _pairs(snps[key], names) for key in KEYS[:2] if key in snps}
    shares = {key: _share(found, len(snps)) for key, (found, _) in pairs.items()}
    if max(shares.values()) < ENOUGH:
        pairs["position"] = _pairs(*_places(snps, names, places))
        shares["position"] = _share(pairs["position"][0], len(snps))
    key = max(shares, key=shares.get)  # of equals the first
    return Match(key, *pairs[key], {one: 100 * share for one, share in shares.items()})


def harmonise(weights, gwas, palindromic="keep"):
    """Give every SNP of a model the z-score and effect of a GWAS, for the model's effect allele.

    Parameters
    ----------
    weights : DataFrame, shape (k, .)
        Of a `PredictionModel`: rsid, gene, weight, ref_allele, eff_allele, and where known varID and ``frequency``,
        that of eff_allele in the panel.
    gwas : DataFrame
        As `read_gwas` gives it: snp, effect_allele, non_effect_allele, zscore, and where known beta, chromosome,
        position and ``frequency``, that of effect_allele.
    palindromic : {"keep", "drop"}
        What to do with A/T and C/G SNPs whose strand no frequency tells: take their letters as they are written, as
        MetaXcan does, or do without them.

    Returns
    -------
    table : DataFrame, shape (k, 7)
        In the order of `weights`: ``zscore`` and ``beta`` (NaN where not found), ``flipped`` (the sign was turned),
        ``strand`` (found on the other strand), ``palindromic``, ``reason`` (a number, see `REASONS`) and ``gwas_row``.
    match : Match

    Raises
    ------
    InputError
        If `palindromic` is another word.

    Examples
    --------
    >>> weights = pd.DataFrame(
    ...     {"rsid": ["rs1", "rs2"], "gene": "g", "weight": 1.0, "ref_allele": "A", "eff_allele": ["G", "C"]}
    ... )
    >>> gwas = pd.DataFrame(
    ...     {"snp": ["rs1", "rs2"], "effect_allele": ["A", "G"], "non_effect_allele": ["G", "T"], "zscore": [2.0, 1.5]}
    ... )
    >>> table, match = harmonise(weights, gwas)
    >>> table[["zscore", "flipped", "strand"]]
       zscore  flipped  strand
    0    -2.0     True   False
    1     1.5    False    True
    """
    if palindromic not in ("keep", "drop"):
        raise InputError(f"palindromic={palindromic!r}: {did_you_mean(palindromic, ('keep', 'drop'))}")
    match = match_snps(weights, gwas["snp"], _gwas_places(gwas))
    pairs = _aligned(weights.iloc[match.snps], gwas.take(match.rows), palindromic)
    pairs = pairs.assign(snp=match.snps, gwas_row=match.rows)
    # Of several rows for a SNP the usable one: the reasons are in such an order.
    best = pairs.sort_values("reason", kind="stable").drop_duplicates("snp")
    columns = {name: np.full(len(weights), empty) for name, empty in NOT_FOUND.items()}
    for name, column in columns.items():
        column[best["snp"]] = best[name]
    return pd.DataFrame(columns, index=weights.index), match


def _aligned(here, there, palindromic):
    """Turn z and beta of pairs of rows, and say why where they cannot be used."""
    letters = [
        *(here[name].array for name in ("ref_allele", "eff_allele")),
        *(there[name].array for name in ("non_effect_allele", "effect_allele")),
    ]
    sign = alignment(*letters)
    ambiguous = is_palindromic(*letters[:2]) & (sign != 0)
    sign, told = _told_by_frequency(sign, ambiguous, here, there)
    zscore = there["zscore"].to_numpy(float)
    reason = np.where(np.isfinite(zscore), USED, NO_ZSCORE)
    reason[sign == 0] = OTHER_ALLELES
    if palindromic == "drop":
        reason[ambiguous & ~told] = AMBIGUOUS
    beta = there["beta"].to_numpy(float) if "beta" in there else np.full(len(there), np.nan)
    return pd.DataFrame(
        {
            "zscore": zscore * sign,
            "beta": beta * sign,
            "flipped": sign < 0,
            "strand": is_strand_flip(*letters),
            "palindromic": ambiguous,
            "reason": reason,
        }
    )


def _told_by_frequency(sign, ambiguous, here, there):
    """Correct the signs of palindromic SNPs by the frequency of the effect allele; say for which it told."""
    if "frequency" not in here or "frequency" not in there:
        return sign, np.zeros(len(sign), dtype=bool)
    panel, trait = here["frequency"].to_numpy(float), there["frequency"].to_numpy(float)
    far = ambiguous & (abs(panel - 0.5) > 0.5 - NEAR_HALF) & (abs(trait - 0.5) > 0.5 - NEAR_HALF)
    same_allele = (panel > 0.5) == (trait > 0.5)
    return np.where(far, np.where(same_allele, 1, -1), sign), far


def _share(found, count):
    """Share of the model's SNPs that have a pair."""
    return int(np.count_nonzero(np.bincount(found, minlength=count))) / max(count, 1)


def _pairs(snps, names):
    """All pairs of places of equal names: in `snps`, which may lack some, and in `names`."""
    distinct = pd.Index(pd.Series(snps).dropna().unique())
    codes = distinct.get_indexer(names)
    rows = np.flatnonzero(codes >= 0)
    left = pd.DataFrame({"code": distinct.get_indexer(snps), "snp": np.arange(len(snps))})
    pairs = left[left["code"] >= 0].merge(pd.DataFrame({"code": codes[rows], "row": rows}), on="code")
    return pairs["snp"].to_numpy(), pairs["row"].to_numpy()


def _places(snps, names, places):
    """Places of both sides, for `_pairs`; missing where the model's names tell none."""
    here = pd.Series(place_codes(snps["rsid"].tolist()))
    if "varID" in snps:
        here = here.where(here >= 0, place_codes(snps["varID"].tolist()))
    if places is None and (here >= 0).any():
        places = place_codes(names.tolist())
    return here.where(here >= 0), np.full(len(names), -1) if places is None else places


def _gwas_places(gwas):
    """`place_codes` from the columns chromosome and position, or None without them."""
    if "chromosome" not in gwas or "position" not in gwas:
        return None
    names, codes = pd.factorize(gwas["chromosome"])[::-1]
    numbers = np.array([*(_chromosome(str(name)) for name in names), -1])[codes]
    position = pd.to_numeric(gwas["position"], errors="coerce").fillna(-1).to_numpy().astype(np.int64)
    return np.where((numbers > 0) & (position >= 0), numbers * 10**9 + position, -1)


def _place_code(chromosome, position):
    number = _chromosome(chromosome)
    return number * 10**9 + int(position) if number > 0 else -1


def _chromosome(name):
    name = name.upper().removeprefix("CHR")
    return int(name) if name.isdigit() else CHROMOSOMES.get(name, -1)
