"""Lines of a GWAS file as columns under standard names, and a record of what could not be used.

Only the columns that are needed are kept, block by block: words as categories, numbers as float64. Every row remembers
the file and the line it came from, so that whatever is left out later can be named.
"""

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from scomics_lite.twas.exchange.gwas_columns import choose_columns
from scomics_lite.twas.exchange.text_tables import MISSING, TextTable, categorical
from scomics_lite.validation import InputError, warn

NUMBERS = ("beta", "se", "odds_ratio", "pvalue", "zscore", "position", "frequency", "n")
COUNTS = ("position", "n")  # where 12,345 would be twelve thousand
WORDS = ("effect_allele", "non_effect_allele", "chromosome", "sign", "alternative", "test")
SIGNS = {"+": 1, "-": -1, "1": 1, "-1": -1, "+1": 1, "1.0": 1, "-1.0": -1, "0": 0}
SEX = {"23": "X", "24": "Y", "25": "XY", "26": "MT", "M": "MT"}  # PLINK's numbers
DECIMAL_COMMA = r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?"
ADDITIVE = "ADD"  # PLINK's word for the test of the SNP itself, beside those of covariates


@dataclass
class Report:
    """What was left out or read in a way of its own, with the first line of each kind."""

    sources: list = field(default_factory=list)
    left_out: dict = field(default_factory=dict)  # {reason: number of lines}
    first: dict = field(default_factory=dict)  # {reason: where}
    unread: dict = field(default_factory=dict)  # {what became of numbers: [count, the first]}
    notes: list = field(default_factory=list)
    unit: str = "line"

    @property
    def source(self):
        """What was read, in a few words."""
        return str(self.sources[0]) if len(self.sources) == 1 else f"{self.sources[0]} and {len(self.sources) - 1} more"

    def place(self, row):
        """Say where a row of a table stands and which SNP it is."""
        return self.where(row["line"], row["snp"], row["file"])

    def where(self, line, snp, file=-1):
        """Say where a line stands; where there are several files, in which."""
        source = f"{self.sources[file]}, " if len(self.sources) > 1 else ""
        return f"{source}{self.unit} {line}, {snp}"

    def add(self, reason, count, where):
        """Count lines that are left out for a reason."""
        self.left_out[reason] = self.left_out.get(reason, 0) + int(count)
        self.first.setdefault(reason, where)

    def drop(self, table, lost, reason):
        """Leave rows out, and remember how many and where the first was."""
        lost = np.asarray(lost)
        if not lost.any():
            return table
        self.add(reason, lost.sum(), self.place(table.iloc[np.argmax(lost)]))
        return table[~lost]

    def misread(self, what, role, word, place):
        """Count numbers that are not written as numbers."""
        self.unread.setdefault(what, [0, f"the first is {word!r} for {role} in {place}"])[0] += 1

    def text(self):
        """Say all of it in a few sentences."""
        many = sum(self.left_out.values())
        parts = [f"{count:,} {reason} ({self.first[reason]})" for reason, count in self.left_out.items()]
        left = [f"{many:,} {self.unit}{'s are' if many > 1 else ' is'} left out: {'; '.join(parts)}"] if parts else []
        unread = [f"{count:,} {what}: {first}" for what, (count, first) in self.unread.items()]
        return ". ".join([*left, *unread, *self.notes])

    def warn(self):
        """Warn of it, if there is anything to say."""
        if self.text():
            warn(f"{self.source}: {self.text()}")


def read_file(path, columns, separator, report):
    """Read one file.

    Parameters
    ----------
    path : path
    columns : dict or None
        As for `read_gwas`.
    separator : str or None
    report : Report
        Takes what cannot be used.

    Returns
    -------
    DataFrame
        Standard columns, ``file`` and ``line``; ``attrs["columns"]`` says what was taken for what.

    Raises
    ------
    InputError
        For files that cannot be read as a table, and columns that are missing.

    Examples
    --------
    >>> with open("gwas.txt", "w") as file:
    ...     print("SNP A1 A2 Z N", "rs1 A G 1.5 100", "rs2 C", sep=chr(10), file=file)
    >>> report = Report()
    >>> names = {"snp": "SNP", "effect_allele": "A1", "non_effect_allele": "A2", "zscore": "Z"}
    >>> read_file("gwas.txt", names, None, report)[["snp", "zscore", "line"]]
       snp  zscore  line
    0  rs1     1.5     2
    >>> report.text()
    "1 line is left out: 1 with 2 fields where the header has 5 (line 3, 'rs2 C')"
    """
    table = TextTable(path, separator)
    report.sources.append(table.path)
    chosen = choose_columns(table.columns, columns, table.path)
    roles = _roles(chosen)
    wanted = _dtypes(roles)
    known = {role: {} for role in roles if role in WORDS}
    parts, lines, broken = {role: [] for role in roles}, [], []
    for block in table.blocks(wanted):
        broken += block.broken
        lines.append(block.lines)
        for role, name in roles.items():
            parts[role].append(_of_block(block, name, role, roles["snp"], known, report))
    _report_broken(table, broken, sum(map(len, lines)), report)
    if not lines:
        raise InputError(f"{table.path} has a header and no lines below it")
    found = {"line": np.concatenate(lines)}
    for role in roles:
        joined = np.concatenate(parts.pop(role))
        found[role] = categorical(joined, known[role]) if role in WORDS else joined
    return _standard(pd.DataFrame(found, copy=False), chosen, report)


def read_frame(frame, columns, report):
    """Take the columns of a DataFrame for those of a file.

    Parameters
    ----------
    frame : DataFrame
    columns : dict or None
        As for `read_gwas`.
    report : Report
        Takes what cannot be used.

    Returns
    -------
    DataFrame
        As `read_file`; ``line`` counts rows from 1.

    Raises
    ------
    InputError
        For columns that are missing.

    Examples
    --------
    >>> frame = pd.DataFrame({"snp": ["rs1"], "effect_allele": "a", "non_effect_allele": "g", "zscore": ["1,5"]})
    >>> report = Report()
    >>> read_frame(frame, None, report)[["snp", "effect_allele", "zscore"]]
       snp effect_allele  zscore
    0  rs1             A     1.5
    >>> report.text()
    "1 decimal comma(s) read as points: the first is '1,5' for zscore in row 1, rs1"
    """
    report.sources.append("the table")
    report.unit = "row"
    frame = frame.reset_index(drop=True)
    frame.columns = frame.columns.astype(str)
    chosen = choose_columns(list(frame.columns), columns, "the table")
    found = {"line": np.arange(1, len(frame) + 1, dtype=np.int32)}
    snps = _text(frame[chosen.columns["snp"]])
    for role, name in _roles(chosen).items():
        column = frame[name]
        if role in WORDS:
            codes, words = pd.factorize(column)
            found[role] = _respelled(pd.Categorical.from_codes(codes, words), str.strip)
        elif role not in NUMBERS:
            found[role] = _text(column)
        elif pd.api.types.is_numeric_dtype(column):
            found[role] = column.to_numpy(dtype=float, na_value=np.nan)
        else:
            found[role] = _numbers_in(_text(column), role, snps, report)
    return _standard(pd.DataFrame(found, copy=False), chosen, report)


def join(tables):
    """Put tables below each other, categories staying categories.

    Parameters
    ----------
    tables : list of DataFrame
        With the same columns, each column of the same kind.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> parts = [pd.DataFrame({"allele": pd.Categorical([letter])}) for letter in "AC"]
    >>> join(parts)["allele"].cat.categories.tolist()
    ['A', 'C']
    """
    if len(tables) == 1:
        return tables[0]
    columns = {}
    for name in tables[0]:
        parts = [table[name] for table in tables if name in table]
        if len(parts) < len(tables):
            raise InputError(f"the files of one study need the same columns; not all of them have one for {name}")
        if isinstance(parts[0].dtype, pd.CategoricalDtype):
            columns[name] = pd.api.types.union_categoricals(parts)
        else:
            columns[name] = np.concatenate([part.to_numpy() for part in parts])
    return pd.DataFrame(columns, copy=False)


# --- blocks of text ---------------------------------------------------------------------------------------------------


def _roles(chosen):
    """Give {what it is: the file's column} for all columns that are read."""
    more = {"alternative": chosen.alternative, "test": chosen.test, "variant": chosen.variant}
    return chosen.columns | {role: name for role, name in more.items() if name is not None}


def _dtypes(roles):
    """Say as what each column of the file is read; text where it has two uses."""
    dtypes = {}
    for role, name in roles.items():
        dtype = "category" if role in WORDS else float if role in NUMBERS else str
        dtypes[name] = dtype if dtypes.get(name, dtype) == dtype else str
    return dtypes


def _of_block(block, name, role, snp, known, report):
    """Give a column of a block of lines: numbers, numbers that stand for words, or text."""
    if role in WORDS:
        return block.codes(name, known[role])
    if role not in NUMBERS:
        return np.array(block.words(name), dtype=object)
    values, unread = block.numbers(name)
    for row, word in unread.items():
        (named,) = block.words(snp, [row])
        values[row] = _mended(word, role, report, block.lines[row], named)
    return values


def _text(column):
    """Give a column of a DataFrame as text, empty where it is missing."""
    return np.array(["" if missing else str(one) for one, missing in zip(column, column.isna(), strict=True)], object)


def _numbers_in(words, role, snps, report):
    """Turn text in a DataFrame into numbers."""
    values = pd.to_numeric(pd.Series(words), errors="coerce").to_numpy(dtype=float, copy=True)
    for row in np.flatnonzero(np.isnan(values)):
        if words[row].strip() not in MISSING:
            values[row] = _mended(words[row], role, report, row + 1, snps[row])
    return values


def _mended(word, role, report, line, snp):
    """Read a decimal comma as a point, anything else as missing, and report it."""
    is_comma = role not in COUNTS and re.fullmatch(DECIMAL_COMMA, word)
    what = "decimal comma(s) read as points" if is_comma else "number(s) that cannot be read"
    report.misread(what, role, word, report.where(line, snp))
    return float(word.replace(",", ".")) if is_comma else np.nan


def _report_broken(table, broken, n_good, report):
    """Count lines with another number of fields than the header; if most are such, the header is wrong."""
    if not broken:
        return
    line, text, n = broken[0]
    expected = len(table.columns)
    if len(broken) > n_good:
        more = f"the header was split at {table.separator!r}: separator='…' says what stands between fields"
        if n == expected + 1:
            more = "name the first column too, or write the file without row names"
        raise InputError(
            f"{table.path}, line {line} has {n} fields where the header has {expected}, as have most lines "
            f"({len(broken):,}): {more}"
        )
    report.add(f"with {n} fields where the header has {expected}", len(broken), f"line {line}, {text[:60]!r}")


def _standard(table, chosen, report):
    """Bring alleles, chromosomes and signs into one form."""
    table["file"] = np.int16(len(report.sources) - 1)
    if chosen.notice and chosen.notice not in report.notes:
        report.notes.append(chosen.notice)
    if "test" in table and (table["test"] == ADDITIVE).any():
        table = report.drop(table, table["test"] != ADDITIVE, f"of tests other than {ADDITIVE}")
    if "effect_allele" not in table:
        table = _with_variants_split(table)
    for name in {"effect_allele", "non_effect_allele", "alternative"} & set(table):
        table[name] = _respelled(table[name], lambda word: word.strip().upper())
    if "alternative" in table:
        table["non_effect_allele"] = _other_allele(table)
    if "chromosome" in table:
        table["chromosome"] = _respelled(table["chromosome"], _chromosome)
    if "sign" in table:
        table["sign"] = table["sign"].astype(object).map(SIGNS).astype(float)
    table = table.drop(columns=["alternative", "test", "variant"], errors="ignore")
    table.attrs["columns"] = chosen.columns
    return table


def _with_variants_split(table):
    """Take place and alleles out of names such as 1:15791:C:T, whose last part is the effect allele."""
    parts = table["variant"].str.split(":", expand=True).reindex(columns=range(4))
    names = ("chromosome", "position", "non_effect_allele", "effect_allele")
    table = table.assign(**{name: parts[place] for place, name in enumerate(names) if name not in table})
    return table.assign(position=pd.to_numeric(table["position"], errors="coerce"))


def _other_allele(table):
    """Of PLINK 2, give the one of REF and ALT that A1 is not."""
    effect, ref, alt = (table[name].astype(object) for name in ("effect_allele", "non_effect_allele", "alternative"))
    return pd.Categorical(ref.where(effect != ref, alt))


def _respelled(column, spell):
    """Change how categories are spelled; what is spelled alike afterwards is one category."""
    column = pd.Categorical(column)
    words = [spell(str(word)) for word in column.categories]
    kept = pd.Index([word for word in dict.fromkeys(words) if word not in MISSING], dtype=object)
    codes = np.append(kept.get_indexer(words), -1)[column.codes]  # code -1, missing, takes the last
    return pd.Categorical.from_codes(codes, kept)


def _chromosome(word):
    """Write a chromosome as 1 … 22, X, Y, MT."""
    word = word.strip().removesuffix(".0")
    word = word[3:] if word[:3].lower() == "chr" else word
    word = word.lstrip("0") or word
    return SEX.get(word.upper(), word.upper() if word.upper() in ("X", "Y", "XY", "MT") else word)
