"""Tables of features in text files: read in blocks, so that memory holds the float32 matrix and little more."""

import lzma
import warnings
import zlib

import anndata
import numpy as np
import pandas as pd

from scomics_lite.twas.exchange.file_access import open_by_content
from scomics_lite.twas.exchange.text_tables import WHITESPACE, TextTable
from scomics_lite.validation import InputError, did_you_mean, quoted

GENES = ("gene_name", "gene_id", "ensembl_gene_id", "gene", "genes", "genename", "NAME")
NAMELESS = ("", "Unnamed: 0", "index")  # heads of a first column that pandas wrote
CHROMOSOMES = ("chromosome", "chromo", "chrom", "chr")
TOGETHER = 1_250_000  # numbers read together: 10 MB, and 40 MB of text
DESCRIBING = {*GENES, *CHROMOSOMES, "start", "end", "strand", "tss", "mean_expression", "n_unknown"}
FEW = 3


def read_text(path, wanted, key):
    """Read features from a text file.

    Parameters
    ----------
    path : Path
    wanted : pandas.Index or None
        Genes to keep.
    key : str or None
        The column with the names of genes.

    Returns
    -------
    AnnData, genes × tracks
        In the order of the file.

    Raises
    ------
    InputError
        If a line is cut off, names no gene, or has something else than numbers: with its number.

    Examples
    --------
    >>> from pathlib import Path
    >>> with open("features.tsv", "w") as file:
    ...     print("gene CTCF", "FTO 0.5", "TP53 2", sep=chr(10), file=file)
    >>> read_text(Path("features.tsv"), None, None).X.tolist()
    [[0.5], [2.0]]
    """
    table = TextTable(path)  # its header alone: TextTable's checks of each line and column cost more than the numbers
    genes, notes, tracks = _columns(path, table.columns, key)
    matrix, described = _Rows(len(tracks)), []
    for part in _parts(path, table, [genes, *notes]):
        kept = _kept(path, part, genes, wanted)
        matrix.add(_numbers(path, part.iloc[kept], genes, tracks))
        described.append(part.iloc[kept][[genes, *notes]])
    return anndata.AnnData(matrix.whole(), _obs(described, genes, notes), pd.DataFrame(index=pd.Index(tracks)))


def _parts(path, table, texts):
    """Read some lines at a time; the index counts lines of genes from 0."""
    settings = {
        "sep": r"\s+" if table.separator == WHITESPACE else table.separator,
        "header": None,
        "names": table.columns,
        "skiprows": table.header_line,
        "dtype": dict.fromkeys(texts, str),
        "float_precision": "high",  # the last digit of float64, which float32 does not have
        "low_memory": False,
        "index_col": False,
        "chunksize": max(1, TOGETHER // len(table.columns)),
    }
    try:
        with open_by_content(path) as file, warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of lines that are too long
            yield from pd.read_csv(file, **settings)
    except (EOFError, OSError, lzma.LZMAError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path} breaks off or is damaged ({error}): copy or download it again") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise InputError(f"{path}: {len(table.columns):,} columns, and a line with more fields ({error})") from None


def _columns(path, columns, key):
    """Tell the column of names, those that describe genes, and tracks."""
    known = [name for name in GENES if name in columns]
    if key is not None and key not in columns:
        raise InputError(f"{path} has no column {key!r}: {did_you_mean(key, columns[:50])}")
    genes = key or next(iter(known), columns[0] if columns[0] in NAMELESS else None)
    if genes is None:
        raise InputError(
            f"{path}: no column is called {', '.join(GENES[:4])}; say with key which one names the genes. It has "
            f"{', '.join(columns[:6])} …"
        )
    twice = sorted({name for name in columns if columns.count(name) > 1}) if len(set(columns)) < len(columns) else []
    if twice:
        raise InputError(f"{path}: column {twice[0]!r} comes twice; give each its own name")
    others = [name for name in columns if name != genes and not (name == columns[0] and name in NAMELESS)]
    tracks = [name for name in others if name not in DESCRIBING]
    if not tracks:
        raise InputError(f"{path} has no track: its columns {', '.join(columns)} name or describe genes")
    return genes, [name for name in others if name in DESCRIBING], tracks


def _kept(path, part, genes, wanted):
    """Give the rows to be kept; each names a gene."""
    if wanted is not None:
        return np.flatnonzero(part[genes].isin(wanted))
    nameless = part.index[part[genes].isna()]
    if len(nameless):
        numbers = ", ".join(str(row + 1) for row in nameless[:FEW])
        raise InputError(
            f"{path}: no name of a gene in column {genes!r}, row {numbers}{' …' if len(nameless) > FEW else ''} below "
            "the header. Take such lines out, or say with `genes` which genes to read"
        )
    return np.arange(len(part))


def _numbers(path, part, genes, tracks):
    """Give the numbers of these rows: (rows, tracks)."""
    values, unread = part[tracks], []
    for name in [name for name, kind in values.dtypes.items() if kind.kind not in "fiu"]:
        numbers = pd.to_numeric(values[name].astype(str), errors="coerce")
        words = values[name][numbers.isna() & values[name].notna()]
        if len(words):
            unread.append(f"{name!r} ({str(words.iloc[0])!r} of gene {quoted(part.loc[words.index[0], genes])})")
        values = values.assign(**{name: numbers})
    if unread:
        raise InputError(
            f"{path}: {len(unread):,} columns have something else than numbers: {', '.join(unread[:FEW])}"
            f"{' …' if len(unread) > FEW else ''}. Take columns out that are no tracks"
        )
    return values.to_numpy(dtype=np.float32)


class _Rows:
    """A matrix that grows: its place is made longer, and not copied where the system can avoid it."""

    def __init__(self, n_columns):
        self.values, self.n_columns = np.empty(0, dtype=np.float32), n_columns

    def add(self, rows):
        before = self.values.size
        self.values.resize(before + rows.size, refcheck=False)
        self.values[before:] = rows.ravel()

    def whole(self):
        return self.values.reshape(-1, self.n_columns)


def _obs(parts, genes, notes):
    obs = pd.concat(parts, ignore_index=True).set_index(genes)
    for name in notes:
        try:
            obs[name] = pd.to_numeric(obs[name])
        except ValueError:  # text
            continue
    chromosome = next((name for name in CHROMOSOMES if name in obs), None)
    if chromosome is not None:
        obs["chromosome"] = obs.pop(chromosome).astype(str).str.removeprefix("chr")
    return obs
