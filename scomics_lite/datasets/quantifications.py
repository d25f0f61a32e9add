"""Estimated counts of salmon, kallisto and RSEM, a file for each sample, as counts of genes.

Reached as `scomics_lite.datasets.read_quantifications`. These programs estimate how many reads came from each
transcript, its abundance in transcripts per million (TPM), and its effective length, the number of places where a
fragment could begin. Counts and abundances of a gene are sums over its transcripts. Its length is their average,
weighted by abundance, so that it differs between samples where the isoforms do: see
`scomics_lite.normalization.length_factors`. The rules are those of tximport (Soneson, Love and Robinson 2015).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite.validation import InputError, did_you_mean, quoted

SHORTEST = 1.0  # RSEM gives effective length 0 to what is shorter than a fragment; tximport takes that for 1


class Layout(NamedTuple):
    """What the columns of a tool's files are called."""

    name: str
    counts: str
    abundance: str
    length: str
    of_genes: bool = False
    gene: str | None = None  # where a file of transcripts says which gene they are of


LAYOUTS = {
    "salmon": (Layout("Name", "NumReads", "TPM", "EffectiveLength"),),
    "kallisto": (Layout("target_id", "est_counts", "tpm", "eff_length"),),
    "rsem": (
        Layout("transcript_id", "expected_count", "TPM", "effective_length", gene="gene_id"),
        Layout("gene_id", "expected_count", "TPM", "effective_length", of_genes=True),
    ),
}


def read_quantifications(
    files,
    transcripts_to_genes=None,
    *,
    tool=None,
    ignore_version=False,
    ignore_after_bar=False,
    missing="error",
):
    r"""Read what salmon, kallisto or RSEM estimated, as counts of genes with average lengths of their transcripts.

    Parameters
    ----------
    files : dict, Series or sequence of paths
        ``{sample: path}``, or paths alone: samples are then called as the folder of ``quant.sf`` and
        ``abundance.tsv``, or as RSEM's file up to ``.isoforms.results`` or ``.genes.results``. May end in ``.gz``.
    transcripts_to_genes : path, DataFrame, Series or dict, optional
        Which gene each transcript is of: a table whose first two columns are transcripts and genes (its file with tabs,
        or commas in a ``.csv``; a header does no harm), a Series of genes indexed by transcript, or a dict. RSEM's
        files know the genes.
    tool : str, optional
        ``"salmon"``, ``"kallisto"`` or ``"rsem"``; known by the columns when not given.
    ignore_version : bool
        Compare transcripts without what follows the first dot: ENST00000456328.2 is ENST00000456328.
    ignore_after_bar : bool
        Compare transcripts without what follows the first bar, as in names of GENCODE.
    missing : str
        What to do with transcripts that `transcripts_to_genes` lacks: ``"error"``, or ``"drop"`` with their counts.

    Returns
    -------
    AnnData, shape (n, g)
        ``X`` has the counts, rounded to whole numbers, as `scomics_lite.differential.test` and all functions of counts
        take them. ``layers["estimated_counts"]`` has them with their fractions, ``layers["abundance"]`` TPM,
        ``layers["length"]`` the average effective lengths: weighted by abundance; where a gene has none in a sample,
        the geometric mean of the other samples'; where it has none in any, the plain average of its transcripts'.
        Genes are in alphabetical order, those of RSEM's genes as they came. ``obs["file"]`` says what was read.

    Raises
    ------
    InputError
        For files that cannot be read, lack a column, or have other transcripts than the first, and for transcripts
        without a gene. It names the file, and the line or transcript.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for sample, reads, tpm in [("one", [10, 30, 5.4], [20, 15, 7]), ("two", [30.2, 10, 8], [60, 5, 11])]:
    ...     table = pd.DataFrame({"Name": ["t1", "t2", "t3"], "EffectiveLength": [500, 2000, 700]})
    ...     (folder / sample).mkdir()
    ...     table.assign(NumReads=reads, TPM=tpm).to_csv(folder / sample / "quant.sf", sep="\t", index=False)
    >>> adata = read_quantifications(sorted(folder.glob("*/quant.sf")), {"t1": "a", "t2": "a", "t3": "b"})
    >>> adata.to_df()
          a  b
    one  40  5
    two  40  8
    >>> adata.to_df("length").round(1)
              a      b
    one  1142.9  700.0
    two   615.4  700.0
    """
    paths = _named_paths(files)
    layout = _layout_of(next(iter(paths.values())), tool)
    if missing not in ("error", "drop"):
        raise InputError(f"missing is 'error' or 'drop'; got {missing!r}")
    if layout.of_genes:
        if transcripts_to_genes is not None:
            raise InputError("the files are of genes already, and need no transcripts_to_genes: leave it out")
        return _read_genes(paths, layout)
    clean = _Cleaner(ignore_version, ignore_after_bar)
    return _read_transcripts(paths, layout, transcripts_to_genes, clean, missing)


# --- what is read, sample by sample -----------------------------------------------------------------------------------


def _read_genes(paths, layout):
    """Put tables of genes side by side."""
    names, tables = None, []
    for path in paths.values():
        table = _read_table(path, layout)
        names = table.index if names is None else names
        tables.append(_aligned(table, names, path, "gene"))
    counts, abundance, length = (
        np.array([table[kind] for table in tables]) for kind in ("counts", "abundance", "length")
    )
    return _experiment(paths, names, counts, abundance, np.maximum(length, SHORTEST))


def _read_transcripts(paths, layout, transcripts_to_genes, clean, missing):
    """Add up transcripts sample by sample: no more than one sample's need be held."""
    names, sums, total_length = None, [], 0.0
    for path in paths.values():
        table = _read_table(path, layout)
        if names is None:
            names = table.index
            genes = _genes_of(table, transcripts_to_genes, path, clean, missing)
            kept = np.flatnonzero(genes.notna())
            codes, gene_names = pd.factorize(genes.iloc[kept], sort=True)
            members = sparse.csr_array((np.ones(len(kept)), (codes, kept)), shape=(len(gene_names), len(names)))
        table = _aligned(table, names, path, "transcript")
        length = np.maximum(table["length"], SHORTEST) if layout in LAYOUTS["rsem"] else table["length"]
        sums.append([members @ values for values in (table["counts"], table["abundance"], table["abundance"] * length)])
        total_length = total_length + length
    counts, abundance, weighted = np.moveaxis(np.array(sums), 1, 0)  # (n, g) each
    plain = members @ (total_length / len(paths)) / members.sum(axis=1)
    return _experiment(paths, gene_names, counts, abundance, _average_lengths(weighted, abundance, plain))


def _average_lengths(weighted, abundance, plain):
    """Give average lengths (n, g): weighted sums over abundances; without any, what other samples or isoforms say."""
    present = abundance > 0
    lengths = np.divide(weighted, abundance, out=np.ones_like(weighted), where=present)
    in_samples = present.sum(axis=0)
    typical = np.exp(np.log(lengths).sum(axis=0) / np.maximum(in_samples, 1))  # of the samples that have the gene
    return np.where(present, lengths, np.where(in_samples > 0, typical, plain))


def _experiment(paths, genes, counts, abundance, length):
    """Put everything into an AnnData."""
    obs = pd.DataFrame({"file": [str(path) for path in paths.values()]}, index=pd.Index(list(paths), dtype=str))
    layers = {"estimated_counts": counts, "abundance": abundance, "length": length}
    var = pd.DataFrame(index=pd.Index(genes, name=None).astype(str))
    return anndata.AnnData(np.rint(counts).astype(np.int64), obs=obs, var=var, layers=layers)


# --- files ------------------------------------------------------------------------------------------------------------


def _named_paths(files):
    """Give {sample: path}."""
    if isinstance(files, str | os.PathLike):
        raise InputError(
            f"files are several, a file for each sample: {{sample: path}} or a list of paths; got {files!r}"
        )
    if isinstance(files, Mapping | pd.Series):
        paths = {str(sample): Path(path) for sample, path in files.items()}
    else:
        files = [Path(path) for path in files]
        paths = {_sample_of(path): path for path in files}
        if len(paths) < len(files):
            repeated = pd.Series([_sample_of(path) for path in files])
            name = repeated[repeated.duplicated()].iloc[0]
            raise InputError(f"two files would be called {name!r} by their folders; give names: {{sample: path, …}}")
    if not paths:
        raise InputError("there are no files: give a file for each sample, {sample: path} or a list of paths")
    lost = [path for path in paths.values() if not path.is_file()]
    if lost:
        raise InputError(f"{len(lost)} of {len(paths)} files are not there, the first is {lost[0]}")
    return paths


def _sample_of(path):
    """Name a sample by its file: RSEM has the name in the file's, the others in the folder's."""
    name = path.name.removesuffix(".gz")
    for ending in (".isoforms.results", ".genes.results"):
        if name.endswith(ending):
            return name.removesuffix(ending)
    return path.absolute().parent.name


def _layout_of(path, tool):
    """Tell by its columns which tool wrote a file."""
    if tool is not None and tool not in LAYOUTS:
        raise InputError(f"there is no tool {tool!r}; {did_you_mean(tool, LAYOUTS)}")
    columns = _read_lines(path, nrows=0).columns
    known = [layout for name in ([tool] if tool else LAYOUTS) for layout in LAYOUTS[name]]
    for layout in known:
        if set(layout[:4]) <= set(columns):
            return layout
    expected = "; ".join(", ".join(layout[:4]) for layout in known)
    raise InputError(
        f"{path} has columns {', '.join(map(str, columns))}, where {tool or 'the tools'} would have {expected}"
    )


def _read_table(path, layout):
    """Read one sample: counts, abundance and length as numbers, and genes where there are some, indexed by name."""
    raw = _read_lines(path)
    for column in layout[:4]:
        if column not in raw:
            raise InputError(f"{path} has no column {column!r}, which the first file has; {did_you_mean(column, raw)}")
    names = raw[layout.name]
    repeated = np.flatnonzero(names.duplicated())
    if repeated.size:
        raise InputError(f"{path}, line {repeated[0] + 2}: {names.iloc[repeated[0]]!r} stands there a second time")
    columns = {"counts": layout.counts, "abundance": layout.abundance, "length": layout.length}
    table = {kind: _numbers(raw[column], path) for kind, column in columns.items()}
    if layout.gene in raw:
        table["gene"] = raw[layout.gene].to_numpy()
    return pd.DataFrame(table, index=pd.Index(names, name=None))


def _read_lines(path, nrows=None):
    """Read a tab-separated file as text."""
    try:
        return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=3, nrows=nrows)
    except (OSError, EOFError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        hint = ". Of kallisto's two files, read abundance.tsv" if str(path).endswith(".h5") else ""
        raise InputError(f"{path} cannot be read as a table: {error}{hint}") from None


def _numbers(column, path):
    """Turn text into numbers that can be counts, abundances and lengths, or name the line."""
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if bad.size:
        line, text = bad[0] + 2, column.iloc[bad[0]]
        raise InputError(f"{path}, line {line}: {column.name} is {text!r}, where a number from 0 on should be")
    return values


def _aligned(table, names, path, kind):
    """Bring a sample's rows into the order of the first sample's."""
    if table.index.equals(names):
        return table
    lacking, more = names.difference(table.index, sort=False), table.index.difference(names, sort=False)
    for lost, verb in ((lacking, "lacks"), (more, "has more than the first file:")):
        if len(lost):
            every = "all samples have to be counted with one index"
            raise InputError(f"{path} {verb} {kind} {lost[0]!r} ({len(lost):,} in all): {every}")
    return table.loc[names]


# --- genes of transcripts ---------------------------------------------------------------------------------------------


class _Cleaner(NamedTuple):
    """What is left out of transcripts' names before they are compared."""

    ignore_version: bool
    ignore_after_bar: bool

    def __call__(self, names):
        names = pd.Index(names).astype(str)
        if self.ignore_after_bar:
            names = names.str.replace(r"\|.*", "", regex=True)
        return names.str.replace(r"\..*", "", regex=True) if self.ignore_version else names


def _genes_of(table, transcripts_to_genes, path, clean, missing):
    """Give the gene of every transcript of a sample, NaN for those to be dropped."""
    if transcripts_to_genes is None:
        if "gene" not in table:
            raise InputError(
                "transcripts_to_genes is needed: which gene each transcript is of, a table with the columns transcript "
                "and gene, or its file"
            )
        return table["gene"]
    known = _known_genes(transcripts_to_genes)
    genes = _matched(table.index, known, clean)
    lost = genes.isna()
    if lost.all():
        raise InputError(
            f"transcripts_to_genes has no transcript of {path}: {quoted(table.index[0])} there, "
            f"{quoted(known.index[0])} here{_hint(table.index, known, clean)}"
        )
    if lost.any() and missing == "error":
        share = table["counts"][lost.to_numpy()].sum() / max(table["counts"].sum(), 1)
        raise InputError(
            f"transcripts_to_genes lacks {lost.sum():,} of the {len(lost):,} transcripts of {path}, with {share:.2%} "
            f"of the counts; the first is {table.index[lost.to_numpy()][0]!r}. missing='drop' leaves them out"
        )
    return genes


def _known_genes(transcripts_to_genes):
    """Read which gene each transcript is of: genes indexed by transcript, as text, without empty places."""
    table = transcripts_to_genes
    if isinstance(table, str | os.PathLike):
        separator = "," if str(table).removesuffix(".gz").endswith(".csv") else "\t"
        try:
            table = pd.read_csv(table, sep=separator, header=None, dtype=str)
        except (OSError, EOFError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise InputError(f"{transcripts_to_genes} cannot be read as a table: {error}") from None
    if isinstance(table, pd.DataFrame):
        if table.shape[1] < 2:
            raise InputError("transcripts_to_genes needs two columns, transcripts and genes; its index: .reset_index()")
        table = pd.Series(table.iloc[:, 1].to_numpy(), index=table.iloc[:, 0])
    known = pd.Series(table, dtype=object).dropna()
    if known.empty:
        raise InputError("transcripts_to_genes is empty")
    return known.astype(str)


def _matched(transcripts, known, clean):
    """Look up the genes of transcripts, NaN where there is none."""
    pairs = pd.DataFrame({"transcript": clean(known.index), "gene": known.to_numpy()}).drop_duplicates()
    names = clean(transcripts)
    pairs = pairs[pairs["transcript"].isin(names)]
    repeated = pairs[pairs["transcript"].duplicated(keep=False)]
    if len(repeated):
        transcript = repeated["transcript"].iloc[0]
        both = repeated.loc[repeated["transcript"] == transcript, "gene"]
        raise InputError(
            f"transcripts_to_genes has two genes for {transcript!r}, {both.iloc[0]!r} and {both.iloc[1]!r}: keep one"
        )
    genes = pairs.set_index("transcript")["gene"]
    return pd.Series(genes.reindex(names).to_numpy(), index=transcripts)


def _hint(transcripts, known, clean):
    """Say which setting would find transcripts."""
    for setting in ("ignore_version", "ignore_after_bar"):
        other = clean._replace(**{setting: True})
        found = np.isin(other(transcripts), other(known.index)).sum()
        if found:
            return f". {setting}=True would find {found:,} of {len(transcripts):,}"
    return ". Are both of the same annotation?"
