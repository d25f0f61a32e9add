"""See whether answers are in order: refusals in words, no warnings of others, no table that contradicts itself."""

import json
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite import differential
from scomics_lite.validation import InputError, read_counts
from small_studies.calls import FIT_SETTINGS, Call, dense

HERE = str(Path(__file__).parent)
NUMBERS = ["log2FoldChange", "lfcSE", "stat", "pvalue"]
SHRUNKEN = ["shrunken", "shrunkenSE", "lfsr", "svalue"]
STATUS = ["tested", "filtered", "outlier", "all zero", "not converged"]


@dataclass(frozen=True, eq=False)
class Answer:
    """What came of a call: a table, or the message of a refusal, or faults."""

    call: Call
    table: pd.DataFrame | None = None
    refusal: str = ""
    faults: tuple = ()
    warned: tuple = ()


def answer(call):
    """Make a call, and tell what it gives and whether that is in order."""
    before = fingerprint(call)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            table, refusal, faults = call.run(), "", []
        except InputError as error:
            table, refusal, faults = None, str(error), []
        except Exception as error:  # whatever it is: this is what is looked for
            where = traceback.extract_tb(error.__traceback__)[-1]
            name = f"{Path(where.filename).name}:{where.lineno}"
            table, refusal, faults = None, "", [f"raw {type(error).__name__}: {error} ({name})"]
    raw = filter(_is_raw, caught)
    faults += [f"{one.category.__name__} at {one.filename}:{one.lineno}: {one.message}" for one in raw]
    if fingerprint(call) != before:
        faults.append("what was handed over has changed")
    if table is not None and call.how != "glm":
        faults += inconsistencies(call, table)
    return Answer(call, table, refusal, tuple(faults), tuple(str(one.message) for one in caught))


def _is_raw(warning):
    """Tell a warning that a library gave from one of the package's own, which points at the caller's line."""
    return warning.category is not UserWarning or not warning.filename.startswith(HERE)


def fingerprint(call):
    """Sum up what is handed over, to see whether it has been changed."""
    return [_text_of(value) for value in (call.counts, call.design, call.contrast, *call.settings.values())]


def _text_of(value):
    if isinstance(value, anndata.AnnData):
        return [_text_of(part) for part in (value.X, value.obs, *value.layers.values())]
    if sparse.issparse(value):
        return _text_of(value.toarray())
    if isinstance(value, pd.DataFrame | pd.Series):
        return value.to_csv(), str(value.index.dtype)
    return value.tobytes() if isinstance(value, np.ndarray) and value.dtype != object else repr(value)


# --- a table in itself ------------------------------------------------------------------------------------------------


def inconsistencies(call, table):
    """List what contradicts itself in a table, or the docstring of `differential.test`."""
    settings = {"method": "wald", "lfc_threshold": 0.0, "shrink": None, "alternative": "greater_abs"} | call.settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _inconsistencies(call, settings, table)


def _inconsistencies(call, settings, table):
    found = _shape(call, settings, table)
    if not found:  # what comes next takes for granted that columns are there, and then that numbers are
        found = [*_missing(settings, table), *_ranges(table), *_signs(settings, table)]
    if not found:
        found = [*_base_means(call, settings, table), *_adjusted(settings, table), *_said(settings, table)]
        found += _shrunken(settings, table) if settings["shrink"] else []
    return found


def _checked(**rules):
    """Name the rules that are broken."""
    return [name.replace("_", " ") for name, holds in rules.items() if not np.all(holds)]


def _shape(call, settings, table):
    genes = read_counts(call.counts, layer=settings.get("layer")).genes
    df = ["df"] if settings["method"] in ("ql", "voom") else []
    columns = {"baseMean", *NUMBERS, "padj", "status", *df} | set(SHRUNKEN if settings["shrink"] else [])
    return _checked(
        genes_in_order=table.index.equals(genes),
        columns=set(table.columns) == columns and table.columns.is_unique,
        known_status=table["status"].isin(STATUS),
        floats=all(table[name].dtype == float for name in columns & {*table} - {"status"}),
    )


def _missing(settings, table):
    """Compare what is NaN with the status."""
    own = settings["method"] in ("ql", "voom")
    status = table["status"]
    looked_at = status.isin(["tested", "outlier"] if own else ["tested", "outlier", "filtered"])
    known = table.notna()
    rules = {name: known[name] == (looked_at & ~((name == "pvalue") & (status == "outlier"))) for name in NUMBERS}
    rules |= {"padj": known["padj"] == (status == "tested"), "baseMean": known["baseMean"]}
    if own:
        rules["df"] = known["df"] == looked_at
    return [f"{name} is NaN, or is not, against the status" for name in _checked(**rules)]


def _ranges(table):
    numbers = table.drop(columns="status").to_numpy(float)
    known = table.dropna(subset=["pvalue"])
    return _checked(
        no_infinite_number=~np.isinf(numbers[:, [name != "df" for name in table.columns.drop("status")]]),
        p_between_0_and_1=known["pvalue"].between(0, 1),
        padj_between_p_and_1=known["padj"].isna() | (known["padj"].between(known["pvalue"] * (1 - 1e-12), 1)),
        lfcSE_not_negative=~(table["lfcSE"] < 0),
        all_zero_is_a_baseMean_of_0=table.loc[table["status"] == "all zero", "baseMean"] == 0,
    )


def _signs(settings, table):
    """Compare the sign of the statistic with that of the fold change, and of a claim with its p-value."""
    stat, lfc, p = (table[name].to_numpy() for name in ("stat", "log2FoldChange", "pvalue"))
    tested = np.isfinite(p)
    stat, lfc, p = stat[tested], lfc[tested], p[tested]
    is_ratio = "reduced" in settings or (settings["method"] == "ql" and settings["lfc_threshold"] == 0)
    if settings["alternative"] != "greater_abs":
        rising = settings["alternative"] != "less"
        return _checked(stat_has_the_sign_of_the_claim=stat >= 0 if rising else stat <= 0)
    if is_ratio:
        return _checked(stat_not_negative=stat >= -1e-6)  # fits stop where they gain less
    inside = np.abs(lfc) < settings["lfc_threshold"]
    opposite = stat * lfc < 0
    if settings["method"] == "ql":  # the fold change shown is that with prior counts, the one tested without
        inside, opposite = inside & False, opposite & (p < 0.05)
    return _checked(
        stat_has_the_sign_of_the_change=~opposite,
        no_evidence_inside_the_threshold=(stat[inside] == 0) & (p[inside] >= 0.5 * (1 - 1e-12)),
    )


def _base_means(call, settings, table):
    """Compare with the mean of counts over size factors; among seven replicates, of counts that were replaced."""
    counts = call.counts if call.sum_by is None else differential.pseudobulk(call.counts, call.sum_by)
    y, s = dense(read_counts(counts, layer=settings.get("layer")).matrix), table.attrs["size_factors"]
    s = np.asarray(settings["size_factors"] if s == "a table" else s, dtype=float).reshape(len(y), -1)
    off = ~np.isclose((y / s).mean(axis=0), table["baseMean"], rtol=1e-9, atol=0)
    if off.any() and settings["method"] in ("wald", "lrt") and settings.get("cooks", True):
        of_fit = {name: value for name, value in call.settings.items() if name in FIT_SETTINGS}
        y = dense(differential.fit(counts, call.design, progress=False, **of_fit).fit.counts.matrix)
        off = ~np.isclose((y / s).mean(axis=0), table["baseMean"], rtol=1e-9, atol=0)
    return [f"baseMean is not the mean of counts over size factors in {off.sum()} genes"] if off.any() else []


def _adjusted(settings, table):
    """Compare p and padj: never the other way round, and of Benjamini and Hochberg over what is adjusted."""
    tested = table[table["status"] == "tested"].sort_values("pvalue")
    p, padj = tested["pvalue"].to_numpy(), tested["padj"].to_numpy()
    steps = np.minimum.accumulate((p * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1] if len(p) else p
    return _checked(padj_is_that_of_benjamini_and_hochberg=np.allclose(padj, np.minimum(steps, 1), rtol=1e-9, atol=0))


def _said(settings, table):
    """See that what the table says of itself can be written down, and is what was asked."""
    try:
        again = json.loads(json.dumps(table.attrs, allow_nan=False))
    except (TypeError, ValueError) as error:
        return [f"attrs are not plain: {error}"]
    asked = {name: settings[name] for name in ("method", "lfc_threshold", "alternative")}
    return _checked(
        attrs_are_read_as_written=again == table.attrs,
        attrs_say_what_was_asked=all(table.attrs[name] == value for name, value in asked.items()),
        attrs_say_how_it_was_shrunken=table.attrs["shrink"] == (settings["shrink"] or "none"),
    )


def _shrunken(settings, table):
    error, status = table["lfcSE"], table["status"]
    concerned = (error > 0) & ~status.isin(["outlier", "all zero", "not converged"])
    rates = table.loc[concerned, ["lfsr", "svalue"]]
    order = table.loc[concerned].sort_values("lfsr")
    sizes, changes, errors = (table.loc[concerned, name].abs() for name in ("shrunken", "log2FoldChange", "lfcSE"))
    return _checked(
        shrunken_where_there_is_something_to_shrink=table[SHRUNKEN].notna().eq(concerned, axis=0),
        rates_between_0_and_1=(rates >= 0) & (rates <= 1),
        svalue_not_above_lfsr=rates["svalue"] <= rates["lfsr"] * (1 + 1e-9) + 1e-300,
        svalue_rises_with_lfsr=np.diff(order["svalue"]) >= -1e-12,
        shrunkenSE_not_negative=table.loc[concerned, "shrunkenSE"] >= 0,
        shrunken_is_not_larger=sizes <= changes + 2 * np.maximum(errors, table.loc[concerned, "shrunkenSE"]),
    )


# --- two answers to one question --------------------------------------------------------------------------------------


def differences(one, other):
    """List what differs between the tables of two answers to one question, whatever the genes are called.

    A contrast of two levels compares the samples that have them, and where these have no count, nothing changes. A
    design that knows no factors cannot tell who has which level, so that its zeros may be those of other genes.
    """
    a, b = one.table, other.table
    if len(a) != len(b) or list(a.columns) != list(b.columns):
        return ["tables of another form have other genes or columns"]
    zeros = (a["log2FoldChange"] == 0).to_numpy() != (b["log2FoldChange"] == 0).to_numpy()
    if zeros.any() and not _knows_factors(other.call):
        a, b = (table[~zeros][["baseMean", *NUMBERS]] for table in (a, b))  # the others depend on all genes
    return [text for name in a for text in _differences_of(name, a[name], b[name])]


def _differences_of(name, one, other):
    if name == "status":
        off = one.to_numpy() != other.to_numpy()
    else:
        off = ~np.isclose(one, other, rtol=1e-6, atol=1e-9, equal_nan=True)
    if off.any():
        row = int(np.argmax(off))
        values = f"{one.iloc[row]!r} and {other.iloc[row]!r}"
        yield f"another {name} in {off.sum()} of {len(off)} genes: {values}, gene {one.index[row]}"


def _knows_factors(call):
    return isinstance(call.design, str) or not getattr(call.design, "factors", pd.DataFrame()).empty


def differences_in_errors(one, other):
    """List what differs by more than a hundredth of an error, in genes that are known well enough."""
    a, b = one.table, other.table
    known = ((a["lfcSE"] < 2) & (b["lfcSE"] < 2) & a["pvalue"].notna() & b["pvalue"].notna()).to_numpy()
    if any("or the ridge will shrink" in message for message in one.warned):
        return []  # in either coding other coefficients
    a, b = a[known], b[known]
    off = ((a["log2FoldChange"] - b["log2FoldChange"]).abs() > 0.01 * a["lfcSE"]).to_numpy()
    off |= ((a["pvalue"] - b["pvalue"]).abs() > 0.01).to_numpy() | (a["status"] != b["status"]).to_numpy()
    return [f"another coding gives other answers in {off.sum()} of {len(off)} genes"] if off.any() else []
