"""Prediction models of expression in PredictDB's files: weights of SNPs, gene by gene.

A PredictDB file is an SQLite data base with two tables. ``weights`` has a row for each SNP of each gene: ``rsid``,
``gene``, ``weight``, ``ref_allele`` and ``eff_allele``, often ``varID``. ``extra`` has a row for each gene: ``gene``,
``genename``, ``n.snps.in.model``, ``pred.perf.R2``, ``pred.perf.pval`` and ``pred.perf.qval``, sometimes ``phi``. The
dots belong to the names. (Gamazon et al. 2015; the files of predictdb.org, which MetaXcan reads.)
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd

from scomics_lite.twas.exchange.file_access import new_path, open_by_content
from scomics_lite.validation import InputError, did_you_mean, quoted, warn

WEIGHTS = ("rsid", "gene", "weight", "ref_allele", "eff_allele")
COUNT = "n.snps.in.model"
PERFORMANCE = ("pred.perf.R2", "pred.perf.pval", "pred.perf.qval")
EXTRA = ("gene", "genename", COUNT, *PERFORMANCE)
INDICES = {
    "weights_rsid": "weights (rsid)",
    "weights_gene": "weights (gene)",
    "weights_rsid_gene": "weights (rsid, gene)",
    "extra_gene": "extra (gene)",
}


@dataclass(frozen=True, eq=False, repr=False)
class PredictionModel:
    """Weights that predict expression from dosages, and what is known of each gene's prediction.

    Parameters
    ----------
    weights : DataFrame
        A row for each SNP of each gene, with ``rsid``, ``gene``, ``weight``, ``ref_allele``, ``eff_allele`` and any
        more. Rows of a gene are brought together; genes and their SNPs stay in the order they came in.
    extra : DataFrame, optional
        A row for each gene, with ``gene``, ``genename``, ``n.snps.in.model``, ``pred.perf.R2``, ``pred.perf.pval``,
        ``pred.perf.qval`` and any more. Without it, or where it lacks a column, names are genes, SNPs are counted and
        performance is NaN.
    others : dict of DataFrame, optional
        Further tables that the file had; they are written back.

    Raises
    ------
    InputError
        For columns that are missing, a weight that is no finite number, a SNP that a gene has twice, a gene that
        `extra` has twice.

    Examples
    --------
    >>> weights = pd.DataFrame({"rsid": ["rs1", "rs2", "rs1"], "gene": ["BRCA1", "BRCA1", "TP53"]})
    >>> model = PredictionModel(weights.assign(weight=[0.2, -0.1, 0.5], ref_allele="A", eff_allele="G"))
    >>> model
    PredictionModel: 2 genes (BRCA1, TP53), 3 weights of 2 SNPs
    >>> model.of("BRCA1")["weight"].tolist()
    [0.2, -0.1]
    """

    weights: pd.DataFrame
    extra: pd.DataFrame | None = None
    others: Mapping = field(default_factory=dict)

    def __post_init__(self):
        weights = _checked_weights(self.weights)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "extra", _checked_extra(self.extra, weights))

    @cached_property
    def genes(self):
        """Genes that have weights, in the order of `weights`."""
        return pd.Index(self.weights["gene"].unique(), name="gene")

    @cached_property
    def starts(self):
        """Where the rows of each gene begin, and the end: gene i has rows ``starts[i]`` to ``starts[i + 1]``."""
        genes = self.weights["gene"].to_numpy()
        changes = np.flatnonzero(genes[1:] != genes[:-1]) + 1
        return np.concatenate([[0], changes, [len(genes)]]) if len(genes) else np.zeros(1, dtype=np.int64)

    @property
    def genes_without_extra(self):
        """Genes that have weights and no row in `extra`."""
        return self.genes.difference(self.extra["gene"], sort=False)

    @property
    def genes_without_weights(self):
        """Genes that have a row in `extra` and no weights."""
        return pd.Index(self.extra["gene"], name="gene").difference(self.genes, sort=False)

    def __contains__(self, gene):
        return gene in self.genes

    def __len__(self):
        return len(self.genes)

    def __repr__(self):
        first = ", ".join(map(str, self.genes[:3])) + (", …" if len(self) > 3 else "")
        snps = self.weights["rsid"].nunique()
        return f"PredictionModel: {len(self):,} genes ({first}), {len(self.weights):,} weights of {snps:,} SNPs"

    def of(self, gene):
        """Give the weights of one gene.

        Parameters
        ----------
        gene : str

        Returns
        -------
        DataFrame
            Rows of `weights`.

        Raises
        ------
        InputError
            For a gene without weights.
        """
        if gene not in self.genes:
            raise InputError(f"the model has no weights of gene {gene!r}; {nearest_gene(gene, self.genes)}")
        i = self.genes.get_loc(gene)
        return self.weights.iloc[self.starts[i] : self.starts[i + 1]].reset_index(drop=True)

    def select(self, genes):
        """Give the model of some genes, in the order they have here.

        Parameters
        ----------
        genes : sequence of str

        Returns
        -------
        PredictionModel

        Raises
        ------
        InputError
            For genes that are neither in `weights` nor in `extra`.
        """
        genes = pd.Index([genes] if isinstance(genes, str) else genes)
        lost = genes[~genes.isin(self.genes) & ~genes.isin(self.extra["gene"])]
        if len(lost):
            raise InputError(
                f"the model has no {len(lost):,} of {len(genes):,} genes, the first is {lost[0]!r}; "
                f"{nearest_gene(lost[0], self.genes)}"
            )
        parts = (table[table["gene"].isin(genes)] for table in (self.weights, self.extra))
        return PredictionModel(*parts, others=self.others)

    def write(self, path, *, overwrite=False):
        """Write a PredictDB file, as MetaXcan reads it.

        Parameters
        ----------
        path : path
        overwrite : bool
            Whether a file of this name may be replaced. The file is complete or not there at all.

        Raises
        ------
        InputError
            Where the file is there already, or its folder is not.
        """
        with new_path(path, overwrite=overwrite) as temporary:
            connection = sqlite3.connect(temporary)
            try:
                for name, table in {**self.others, "weights": self.weights, "extra": self.extra}.items():
                    _write_table(connection, name, table)
                for name, columns in INDICES.items():
                    connection.execute(f"CREATE INDEX {name} ON {columns}")
                connection.commit()
            finally:
                connection.close()


def read_model(path):
    """Read a prediction model from a PredictDB file.

    Parameters
    ----------
    path : path
        An SQLite file with the tables ``weights`` and ``extra``. It is opened for reading only.

    Returns
    -------
    PredictionModel
        Alleles are kept as the file writes them. ``n_snps_in_model`` and the like, as some pipelines write them, get
        their usual names with dots. Tables of other names are kept in ``others``.

    Raises
    ------
    InputError
        For a file that is not there, is compressed or is no SQLite; for tables and columns that are missing; for what
        `PredictionModel` does not take.

    Examples
    --------
    >>> weights = pd.DataFrame({"rsid": ["rs1", "rs2"], "gene": "BRCA1", "weight": [0.2, -0.1]})
    >>> PredictionModel(weights.assign(ref_allele="A", eff_allele="G")).write("model.db")
    >>> read_model("model.db")
    PredictionModel: 1 genes (BRCA1), 2 weights of 2 SNPs
    """
    path = Path(path)
    _check_sqlite(path)
    tables = _read_tables(path)
    weights, extra = tables.pop("weights", None), tables.pop("extra", None)
    if weights is None:
        there = ", ".join([*tables, *(["extra"] if extra is not None else [])]) or "none"
        raise InputError(f"{path} has no table 'weights' (tables: {there}): it is no PredictDB file")
    if extra is None:
        warn(f"{path} has no table 'extra': the performance of its predictions is not known, and is NaN")
    else:
        extra = extra.rename(columns={name.replace(".", "_"): name for name in EXTRA if "." in name})
    try:
        return PredictionModel(weights, extra, tables)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


# --- what a file may hold ---------------------------------------------------------------------------------------------


def _checked_weights(weights):
    """Give weights with rows of each gene together, numbers as numbers, or say which gene and SNP are wrong."""
    _check_columns(weights, WEIGHTS, "weights")
    others = [column for column in weights.columns if column not in WEIGHTS]
    weights = weights[[*WEIGHTS, *others]].reset_index(drop=True)
    for column in ("rsid", "gene"):
        _check_names(weights, column)
    numbers = pd.to_numeric(weights["weight"], errors="coerce").to_numpy(dtype=float)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        row = weights.iloc[bad[0]]
        raise InputError(
            f"the weight of SNP {row['rsid']} in gene {row['gene']} is {_shown(row['weight'])}, where a finite number "
            f"should be ({bad.size:,} such rows): leave these rows out, or train the gene again"
        )
    weights["weight"] = numbers
    codes, _ = pd.factorize(weights["gene"])
    if (np.diff(codes) < 0).any():
        order = np.argsort(codes, kind="stable")
        weights, codes = weights.iloc[order].reset_index(drop=True), codes[order]
    _check_repeated(weights, codes)
    return weights


def _check_repeated(weights, codes):
    """Stop at a SNP that stands in one gene twice."""
    snps, known = pd.factorize(weights["rsid"])
    repeated = pd.Series(codes.astype(np.int64) * max(len(known), 1) + snps).duplicated().to_numpy()
    if repeated.any():
        row = weights.loc[repeated].iloc[0]
        raise InputError(
            f"gene {row['gene']} has SNP {row['rsid']} more than once ({repeated.sum():,} rows too many): keep one, "
            "or add up the weights if the alleles are the same"
        )


def _checked_extra(extra, weights):
    """Give a row for each gene that `extra` has, with all columns that MetaXcan asks for."""
    counts = weights["gene"].value_counts(sort=False)
    if extra is None:
        extra = pd.DataFrame({"gene": counts.index.to_numpy()})
    _check_columns(extra, ("gene",), "extra")
    extra = extra.reset_index(drop=True)
    _check_names(extra, "gene")
    repeated = extra["gene"][extra["gene"].duplicated()]
    if len(repeated):
        raise InputError(f"table extra has gene {repeated.iloc[0]} twice ({len(repeated):,} such genes): keep one row")
    filled = {
        "genename": lambda: extra["gene"],
        COUNT: lambda: extra["gene"].map(counts).fillna(0).astype(np.int64),
        **dict.fromkeys(PERFORMANCE, lambda: np.nan),
    }
    extra = extra.assign(**{name: value() for name, value in filled.items() if name not in extra})
    return extra[[*EXTRA, *(column for column in extra.columns if column not in EXTRA)]]


def _check_columns(table, needed, name):
    """Stop where columns are missing, and say which there are."""
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"{name} is a DataFrame with the columns {', '.join(needed)}; got {type(table).__name__}")
    lost = [column for column in needed if column not in table.columns]
    if lost:
        raise InputError(
            f"table {name} has no column {', '.join(lost)} (columns: {', '.join(map(str, table.columns)) or 'none'})"
        )


def _check_names(table, column):
    """Stop where a gene or SNP has no name."""
    lost = np.flatnonzero(table[column].isna() | (table[column] == ""))
    if lost.size:
        raise InputError(f"{column} is empty in row {lost[0] + 1} ({lost.size:,} such rows): leave these rows out")


def _shown(value):
    return "missing" if value is None or value != value else quoted(value)


def nearest_gene(gene, genes):
    """Say which genes come close to one that was not found: the end of an error message.

    Parameters
    ----------
    gene : str
    genes : sequence of str
        Those that are there.

    Returns
    -------
    str

    Examples
    --------
    >>> nearest_gene("ENSG00000012048.23", ["ENSG00000012048.21", "ENSG00000141510.16"])
    "it has 'ENSG00000012048.21', another version of it"
    """
    stem = str(gene).split(".")[0]
    same = [other for other in genes if str(other).split(".")[0] == stem]
    if same:
        return f"it has {same[0]!r}, another version of it"
    if len(genes) <= 20:
        return did_you_mean(gene, genes)
    return f"the {len(genes):,} genes it has are called like {genes[0]!r}"


# --- SQLite -----------------------------------------------------------------------------------------------------------


def _check_sqlite(path):
    """Stop at a file that is not there or no SQLite data base."""
    with open(path, "rb") if path.is_file() else open_by_content(path) as file:
        start = file.read(16)
    if start.startswith(b"SQLite format 3\0"):
        return
    if start.startswith(b"\x1f\x8b"):
        raise InputError(f"{path} is compressed, and SQLite reads no compressed files: unpack it, `gunzip {path}`")
    what = "is empty" if not start else f"begins with {start.decode('latin-1')!r}"
    raise InputError(f"{path} {what}: it is no SQLite data base, as PredictDB's files (.db) are")


def _read_tables(path):
    """Read every table of a data base."""
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        try:
            return _tables_at(address)
        except sqlite3.OperationalError:
            return _tables_at(f"{address}&immutable=1")  # a folder that cannot be written to, where SQLite may not lock
    except sqlite3.Error as error:
        raise InputError(f"{path} cannot be read by SQLite: {error}; copy or download it again") from None


def _tables_at(address):
    connection = sqlite3.connect(address, uri=True)
    try:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
        return {name: _read_table(connection, name) for (name,) in names if not name.startswith("sqlite_")}
    finally:
        connection.close()


def _read_table(connection, name):
    cursor = connection.execute(f"SELECT * FROM {_quoted(name)}")
    return pd.DataFrame(cursor.fetchall(), columns=[column[0] for column in cursor.description])


def _write_table(connection, name, table):
    """Write one table: whole numbers as INTEGER, numbers as REAL, all else as TEXT, what is missing as NULL."""
    kinds = [_kind(table[column]) for column in table.columns]
    columns = ", ".join(f"{_quoted(column)} {kind}" for column, kind in zip(table.columns, kinds, strict=True))
    connection.execute(f"CREATE TABLE {_quoted(name)} ({columns})")
    places = ", ".join("?" * len(kinds))
    plain = (table[column].astype(object).where(table[column].notna(), None).tolist() for column in table.columns)
    connection.executemany(f"INSERT INTO {_quoted(name)} VALUES ({places})", zip(*plain, strict=True))


def _kind(column):
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_integer_dtype(column):
        return "INTEGER"
    return "REAL" if pd.api.types.is_float_dtype(column) else "TEXT"


def _quoted(name):
    return '"' + str(name).replace('"', '""') + '"'
