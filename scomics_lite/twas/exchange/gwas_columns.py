"""What the columns of a GWAS file are called: standard names, and which of a file's headers mean them.

Programs agree on nothing, least of all on which of two alleles an effect is told for: `A1` in PLINK's files, `ALLELE1`
in REGENIE's and BOLT-LMM's, `Allele2` in SAIGE's, `Allele1` in METAL's, `alt` in FinnGen's, and in those of Neale's lab
what stands last in `variant`. What is taken for what is kept in the ``attrs`` of the table, and where only a habit
decides, a warning says so.
"""

import re
from typing import NamedTuple

from scomics_lite.validation import InputError, did_you_mean

NAMES = {  # standard name: what files call it, as `_plain` writes it; the first that a file has is taken
    "snp": "hm_rsid rsid rs_id rsids rs snp snpid snp_id markername marker_name rs_number marker markerid id "
    "variant_id panel_variant_id varid variant",
    "effect_allele": "hm_effect_allele effect_allele eff_allele effectallele ea tested_allele coded_allele",
    "non_effect_allele": "hm_other_allele non_effect_allele other_allele noneffect_allele noneffectallele otherallele "
    "nea oa noncoded_allele non_coded_allele reference_allele ref_allele",
    "beta": "hm_beta beta b effect effect_size log_odds log_or logor",
    "se": "standard_error se stderr std_err sebeta se_beta beta_se log(or)_se",
    "odds_ratio": "hm_odds_ratio odds_ratio or oddsratio",
    "pvalue": "pvalue p_value p pval p_val p_bolt_lmm p_bolt_lmm_inf p_wald p_lrt frequentist_add_pvalue",
    "zscore": "zscore z z_score z_stat",
    "sign": "sign beta_sign effect_direction",
    "chromosome": "hm_chrom chromosome chrom chr hg19chr hg19chrc chr_id",
    "position": "hm_pos position base_pair_location pos bp genpos ps",
    "frequency": "hm_effect_allele_frequency effect_allele_frequency frequency eaf a1freq a1_freq af1 freq1 af_allele2 "
    "af_alt effect_allele_freq freq_effect freq",
    "n": "n n_total sample_size samplesize totalsamplesize obs_ct nmiss n_samples n_complete_samples neff",
}
STANDARD = tuple(NAMES)
PAIRS = (  # effect allele, other allele, where the names do not say it
    ("a1", "omitted"),
    ("a1", "ax"),
    ("allele1", "allele0"),
    ("a1", "a0"),
    ("a1", "a2"),
    ("allele1", "allele2"),
    ("alt", "ref"),
)
HABITS = {("a1", "a2"), ("allele1", "allele2")}
A1_IS_COUNTED = (
    "f_a",
    "f_u",
    "af1",
    "nmiss",
    "obs_ct",
)  # columns of PLINK and fastGWA; PGC's daner has FRQ_A_and FRQ_U_
METAL = ("direction", "freq1")
SOURCES = "zscore; or pvalue with beta, odds_ratio or sign; or se with beta or odds_ratio"


class Chosen(NamedTuple):
    """Which columns of a file are read, by their standard names."""

    columns: dict  # {standard name: the file's}
    alternative: str | None = None  # PLINK 2: ALT, the other allele where A1 is REF
    test: str | None = None  # PLINK: what the line is a test of
    variant: str | None = None  # Neale's lab: place and alleles in one word, 1:15791:C:T
    notice: str = ""


def choose_columns(header, columns, source):
    """Decide which columns of a file are read.

    Parameters
    ----------
    header : list of str
        The file's columns.
    columns : dict or None
        ``{standard name: the file's}``; by default the usual headers are recognised.
    source : str
        What the file is called in messages.

    Returns
    -------
    Chosen

    Raises
    ------
    InputError
        For names that are not known or not there, and where no z-score can come from what there is.

    Examples
    --------
    >>> choose_columns(["SNP", "EA", "NEA", "BETA", "SE"], None, "gwas.txt").columns["non_effect_allele"]
    'NEA'
    """
    plain = {_plain(column): column for column in reversed(header)}  # of two alike, the first
    found = _recognised(plain) if columns is None else Chosen(_checked(header, columns, source))
    chosen = found._replace(test=plain.get("test"))
    given = set(chosen.columns)
    lost = [name for name in STANDARD[:3] if name not in given]
    if chosen.variant:
        lost = []
    if lost:
        raise InputError(
            f"{source} has no column for {' and '.join(lost)}{_why(lost, header, columns)}; columns are "
            f"{', '.join(header)}. Say which it is: columns={{{lost[0]!r}: …}}{_together(columns)}"
        )
    effect = given & {"beta", "odds_ratio"}
    if not ("zscore" in given or ("pvalue" in given and (effect or "sign" in given)) or ("se" in given and effect)):
        there = (
            ", ".join(f"{name} ({chosen.columns[name]})" for name in STANDARD[3:9] if name in given) or "none of them"
        )
        raise InputError(
            f"{source}: a z-score needs {SOURCES}; of these there is {there}. Columns are {', '.join(header)}: "
            f"columns={{…}} says which is which"
        )
    return chosen


def _checked(header, columns, source):
    """Give the columns that a user named, if a file has them."""
    columns = {name: column for name, column in columns.items() if column is not None}
    for name, column in columns.items():
        if name not in STANDARD:
            raise InputError(f"columns: there is no standard name {name!r}; {did_you_mean(name, STANDARD)}")
        if column not in header:
            raise InputError(f"{source} has no column {column!r} for {name}; {did_you_mean(column, header)}")
    return columns


def _recognised(plain):
    """Find the usual headers among a file's."""
    columns = {}
    for standard, names in NAMES.items():
        found = next((plain[name] for name in names.split() if name in plain), None)
        if found is not None:
            columns[standard] = found
    chosen = Chosen(columns)
    if {"effect_allele", "non_effect_allele"} & set(columns):
        return chosen
    if {"a1", "ref", "alt"} <= set(plain) and not {"omitted", "ax", "a2"} & set(plain):
        columns |= {"effect_allele": plain["a1"], "non_effect_allele": plain["ref"]}
        return chosen._replace(alternative=plain["alt"])
    pair, notice = _alleles(plain)
    if pair is None and "variant" in plain:
        columns.setdefault("snp", plain["variant"])
        return chosen._replace(variant=plain["variant"])
    columns |= {name: plain[one] for name, one in zip(STANDARD[1:3], pair or ("a1", ""), strict=True) if one in plain}
    return chosen._replace(notice=notice)


def _alleles(plain):
    """Find the two columns of alleles, and what to say where only a habit tells which is the effect's."""
    if {"allele1", "allele2"} <= set(plain) and any(name.endswith("_allele2") for name in plain):  # SAIGE: AF_Allele2
        return ("allele2", "allele1"), ""
    pair = next((pair for pair in PAIRS if set(pair) <= set(plain)), None)
    signs = METAL if pair == ("allele1", "allele2") else A1_IS_COUNTED
    is_known = any(name in plain for name in signs) or any(name.startswith("frq_u_") for name in plain)
    if pair not in HABITS or is_known:
        return pair, ""
    effect, other = plain[pair[0]], plain[pair[1]]
    return pair, (
        f"{effect} is taken for the effect allele and {other} for the other, as most programs have it; "
        "columns={'effect_allele': …, 'non_effect_allele': …, …} settles it"
    )


def _plain(column):
    """Write a header in small letters, with _ for whatever stands between words."""
    return re.sub(r"[\s.\-]+", "_", column.strip().lstrip("#").strip().lower())


def _why(lost, header, columns):
    """Say what a file of PLINK 1.9 lacks."""
    if columns is None and lost == ["non_effect_allele"] and "a1" in map(_plain, header):
        return " (PLINK 1.9 writes no A2 into .assoc.linear and .assoc.logistic: add it from the .bim file)"
    return ""


def _together(columns):
    return ", together with all other columns" if columns is None else " beside those given"
