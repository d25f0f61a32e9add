"""Recognise tables that a file, or a spreadsheet, left in disorder, and say how to read them rightly.

Nothing here changes a table: what it was meant to be is the user's to say. Names and texts are looked at, and of the
numbers one row, so that it costs little; what is found is beyond doubt, or only warned of.
"""

import re

import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite.validation.errors import quoted

SEPARATORS = {"\t": "\\t", ";": ";", ",": ",", "|": "|"}
THOUSANDS = re.compile(r"-?\d{1,3}([,' ’])\d{3}(?:\1\d{3})*")
DECIMAL_COMMA = re.compile(r"-?\d*,\d+")
SOME = 0.01  # of a row: chromosomes are mostly numbers; less than that are slips
LENGTHS = {"length", "gene_length", "genelength", "exon_length", "effective_length", "efflength", "eff_length"}
NO_GENES = {"N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous"}  # STAR's; HTSeq's begin with __
GENE_ID = re.compile(r"ENS[A-Z]*[GT]\d{11}(?:\.\d+)?|FBgn\d{7}|WBGene\d{8}|AT[1-5CM]G\d{5}")
# 2-Mar, Mar-02, and how pandas writes a date: unlike dec-7 (of the worm), no gene is called so.
MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec"
DATE = re.compile(rf"\d{{1,2}}-(?:{MONTHS})|(?:{MONTHS})-\d\d|\d{{4}}-\d\d-\d\d(?: 00:00:00)?")
LEAST_TO_TELL = 10  # genes with counts: of fewer, one sample may be the sum of the others by chance


# --- texts among numbers ----------------------------------------------------------------------------------------------


def separator_in(*names):
    """Say which separator the names of a table hold, as the end of a message.

    Parameters
    ----------
    *names : pandas.Index
        Of the rows and of the columns.

    Returns
    -------
    str
        Empty where they hold none.

    Examples
    --------
    >>> print(separator_in(pd.Index([]), pd.Index(["a;1;2", "b;0;4"])))
    : the names hold ';', so the file was read with another separator than it has. pd.read_csv(..., sep=';')
    """
    first = [str(name) for index in names for name in [*index[:1], *index.names]]
    for separator, shown in SEPARATORS.items():
        if any(separator in name for name in first):
            return (
                f": the names hold '{shown}', so the file was read with another separator than it has. "
                f"pd.read_csv(..., sep='{shown}')"
            )
    return ""


def explain_text(frame):
    """Say what texts do in a table of numbers, and how to read it rightly.

    Parameters
    ----------
    frame : DataFrame
        Some of its columns hold no numbers.

    Returns
    -------
    str

    Examples
    --------
    >>> print(explain_text(pd.DataFrame({"s1": ["1,204", "8"], "s2": ["0", "2,110"]}, index=["a", "b"])))
    the numbers are texts with thousands separators, such as '1,204': pd.read_csv(..., thousands=',')
    """
    separator = separator_in(frame.index, frame.columns) if frame.shape[1] == 1 else ""
    if separator:
        return f"the table has one column, {quoted(frame.columns[0])}{separator}"
    texts = frame.loc[:, [not pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes]].astype(object)
    numbers = pd.to_numeric(pd.Series(texts.to_numpy().ravel()), errors="coerce").to_numpy(float).reshape(texts.shape)
    no_number = np.isnan(numbers) & texts.notna().to_numpy()
    odd = texts.to_numpy()[no_number]
    if not odd.size:
        return f"{texts.shape[1]} of {frame.shape[1]} columns hold numbers as texts; convert them: counts.astype(float)"
    return _explain_marks(odd) or _explain_place(frame, texts, no_number)


def _explain_marks(odd):
    """Explain numbers with marks inside."""
    for rule, marks, setting in (
        (THOUSANDS, "thousands separators", "thousands={!r}"),
        (DECIMAL_COMMA, "decimal commas", "decimal=','"),
    ):
        found = [isinstance(text, str) and rule.fullmatch(text.strip()) for text in odd]
        if all(found):
            way_out = setting.format(found[0][1] if rule.groups else "")
            return f"the numbers are texts with {marks}, such as {odd[0]!r}: pd.read_csv(..., {way_out})"
    return ""


def _explain_place(frame, texts, no_number):
    """Explain rows and columns of text among numbers, or single texts."""
    share_of_rows, share_of_columns = no_number.mean(axis=1), no_number.mean(axis=0)
    rows = frame.index[share_of_rows > SOME].tolist() if share_of_rows.max() > 0.5 else []
    columns = texts.columns.tolist() if share_of_columns.max() > 0.5 else []
    if texts.shape[1] == frame.shape[1] and 0 < len(rows) < len(frame) / 2:
        return (
            f"{len(rows)} of {len(frame)} rows hold no numbers, the first is {quoted(rows[0])}: annotation, a column "
            f"until the table was transposed. Drop it: counts.drop(index={rows!r}).astype(float)"
        )
    if columns:
        return (
            f"{len(columns)} of {frame.shape[1]} columns hold no numbers, the first is {quoted(columns[0])}. Make "
            f"names the index (df.set_index({columns[0]!r})) and keep annotations in a table of their own "
            f"(df.drop(columns={columns!r}))"
        )
    (row, column), several = np.argwhere(no_number)[0], no_number.sum() > 1
    return (
        f"{no_number.sum():,} of {frame.size:,} values {'are no numbers' if several else 'is no number'}, the first "
        f"{texts.iloc[row, column]!r} (row {quoted(frame.index[row])}, column {quoted(texts.columns[column])}). A "
        "count that is missing is no zero: drop its gene or its sample, then counts.astype(float)"
    )


# --- rows and columns that are no samples or genes --------------------------------------------------------------------


def intruders(checked):
    """Find rows that are no samples and columns that are no genes.

    Parameters
    ----------
    checked : Counts

    Returns
    -------
    what : str
        What they are; empty where there are none.
    samples, genes : list
        Their names.

    Examples
    --------
    >>> from scomics_lite.validation import Counts
    >>> table = pd.DataFrame({"a": [900, 5, 8], "b": [400, 0, 2]}, index=["Length", "s1", "s2"])
    >>> intruders(Counts(table.to_numpy(), table.index, table.columns))
    ("sample 'Length' holds the lengths of the genes", ['Length'], [])
    """
    lengths = [name for name in checked.samples if str(name).lower() in LENGTHS]
    if lengths:
        return f"sample {quoted(lengths[0])} holds the lengths of the genes", lengths, []
    rest = [name for name in checked.genes if str(name).startswith("__") or name in NO_GENES]
    if rest:
        return f"gene {quoted(rest[0])} is none, but counts the reads that belong to no gene", [], rest
    return _sums(checked)


def _sums(checked):
    """Find a sample that is the sum of all others, or a gene that is the sum of all others in every sample."""
    sizes, (n, g) = checked.library_sizes, checked.matrix.shape
    if n < 3 or g < LEAST_TO_TELL:
        return "", [], []
    first, second = (_dense(checked.matrix[[row], :]) for row in (0, 1))
    if (first * sizes[1] == second * sizes[0]).all():
        return "", [], []  # made up: of samples that are multiples of each other, one is easily the sum of others
    for row in np.flatnonzero(2 * sizes == sizes.sum()):
        counts = _dense(checked.matrix[[row], :])
        if np.count_nonzero(counts) >= LEAST_TO_TELL and (2 * counts == checked.gene_totals).all():
            return f"sample {quoted(checked.samples[row])} is the sum of all others", [checked.samples[row]], []
    for column in np.flatnonzero(2 * first == sizes[0]):
        if sizes.min() >= LEAST_TO_TELL and (2 * _dense(checked.matrix[:, [column]]) == sizes).all():
            what = f"gene {quoted(checked.genes[column])} is the sum of all others in every sample"
            return what, [], [checked.genes[column]]
    return "", [], []


def _dense(part):
    """Give a row or column as floats."""
    return np.asarray(part.toarray() if sparse.issparse(part) else part, dtype=float).ravel()


# --- names ------------------------------------------------------------------------------------------------------------


def are_gene_ids(samples):
    """Tell whether rows are called by the identifiers of a gene catalogue.

    Parameters
    ----------
    samples : pandas.Index

    Returns
    -------
    bool

    Examples
    --------
    >>> are_gene_ids(pd.Index(["ENSG00000000003.15", "ENSG00000000005"])), are_gene_ids(pd.Index(["SRR1039508"]))
    (True, False)
    """
    return all(GENE_ID.fullmatch(str(name)) for name in samples[:3])


def nameless(samples, genes):
    """List the names that pandas gives to columns without one.

    Parameters
    ----------
    samples, genes : pandas.Index

    Returns
    -------
    list of str

    Examples
    --------
    >>> nameless(pd.Index(["s1", "s2"]), pd.Index(["Unnamed: 0", "a"]))
    ['Unnamed: 0']
    """
    return [name for index in (samples, genes) for name in index[:1] if str(name).startswith("Unnamed: ")]


def dates(genes):
    """List the gene names that a spreadsheet made of MARCHF2, SEPTIN9 or DEC1.

    Parameters
    ----------
    genes : pandas.Index

    Returns
    -------
    list of str

    Examples
    --------
    >>> dates(pd.Index(["2-Mar", "dec-7", "TP53"]))
    ['2-Mar']
    """
    if isinstance(genes, pd.RangeIndex):
        return []
    return [name for name in map(str, genes) if "-" in name and DATE.fullmatch(name)]
