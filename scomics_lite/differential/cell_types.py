"""One test for every group of samples, such as every type of cells: the same design and contrast, one table.

Reached as `scomics_lite.differential.test_groups`.
"""

# ruff: noqa: PT028 (`test_groups` tests genes; pytest never sees it)

import warnings

import anndata
import numpy as np
import pandas as pd

from scomics_lite.differential.pipeline import test
from scomics_lite.differential.study import steps
from scomics_lite.multiple_testing import adjust
from scomics_lite.validation import InputError, check_labels, check_size_factors, quoted, warn

SHOWN = 5  # groups that a warning spells out


def test_groups(sums, group, design, contrast, *, size_factors=None, progress=True, **settings):
    """Test every gene in every group by itself, as muscat's ``pbDS`` does with types of cells.

    Every group is tested by `test` on its own samples: size factors, dispersions and filters are those of the group. A
    group that cannot be tested (too few samples, or no answer in its design) has rows without numbers, and the others
    do not suffer.

    Parameters
    ----------
    sums : AnnData, shape (n, g)
        Sums of the cells of each sample and group: ``pseudobulk(adata, sample, group)``.
    group : str
        The column of ``sums.obs`` that holds the group.
    design : str
        A formula over the other columns, such as ``"~ donor + condition"``.
    contrast : tuple, str, dict or array_like
        As for `test`.
    size_factors : array_like, shape (n,), optional
        When not given, every group has its own.
    progress : bool
        Draw a progress bar.
    **settings
        Other settings of `test`, the same for all groups.

    Returns
    -------
    DataFrame, indexed by group and gene
        ``table.loc["B cells"]`` is the table of one group, with the columns of `test`: its ``padj`` are over the genes
        of the group, muscat's ``p_adj.loc``. ``padj_global`` adjusts over all groups, muscat's ``p_adj.glb``: over the
        genes that have a ``padj``. In groups that could not be tested ``status`` is "group not tested". ``attrs`` say
        how it was made, and have ``n_samples`` of every group, and in ``not_tested`` why some are not.

    Raises
    ------
    InputError
        For what stops every group, such as a design whose columns are not there.

    Warns
    -----
    UserWarning
        Names the groups that could not be tested, and passes on what was said of a group, with its name.

    Notes
    -----
    ``padj`` answers for one type that was chosen beforehand. A list of genes and types together is what ``padj_global``
    is for: with ``padj``, every type in which nothing changes has its own chance of a false finding, and the more types
    there are the more of the list may be false.

    Examples
    --------
    >>> from scomics_lite import simulate
    >>> people = ["A"] * 8 + ["B"] * 8
    >>> sums = simulate.bulk_counts(people, 400, log2_fold_change=2, library_sizes=1e6, rng=1)
    >>> sums.obs["type"] = ["T cells", "B cells"] * 8
    >>> contrast = ("condition", "B", "A")
    >>> table = test_groups(sums, "type", "~ condition", contrast, method="ql", progress=False)
    >>> (table["padj_global"] < 0.1).groupby("group").sum().to_dict()  # of 40 that changed
    {'B cells': 42, 'T cells': 41}
    >>> table.loc["T cells"].columns.tolist()
    ['baseMean', 'log2FoldChange', 'lfcSE', 'stat', 'df', 'pvalue', 'padj', 'padj_global', 'status']
    """
    _check(sums, group, design, settings)
    labels = check_labels(group, sums, sums.obs_names, "groups")
    names, codes = labels.cat.categories.tolist(), labels.cat.codes.to_numpy()
    s = None if size_factors is None else check_size_factors(size_factors, sums.obs_names, sums.var_names)
    tables, reasons = {}, {}
    with steps(len(names), progress) as step:
        for code, name in enumerate(names):
            step(str(name))
            rows = np.flatnonzero(codes == code)
            own = settings | {"size_factors": None if s is None else s[rows], "progress": False}
            try:
                tables[name] = _test_one(name, sums[rows].copy(), design, contrast, own)
            except InputError as error:
                reasons[name] = str(error)
    if not tables:
        name, reason = next(iter(reasons.items()))
        raise InputError(f"no group can be tested; of {quoted(name)} the reason is: {reason}")
    _warn_of_untested(reasons, len(names))
    table = _joined(tables, reasons, names, sums.var_names)
    table.attrs |= {"group": group, "n_samples": dict(zip(names, np.bincount(codes).tolist(), strict=True))}
    return table


test_groups.__test__ = False  # where it is imported by name, pytest would take it for a test


def _test_one(name, sums, design, contrast, settings):
    """Test one group, and put its name before what is said of it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = test(sums, design, contrast, **settings)
    for one in caught:
        if issubclass(one.category, UserWarning):
            warn(f"group {quoted(name)}: {one.message}")
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    return table


def _joined(tables, reasons, names, genes):
    """Put the groups' tables below each other, adjust over all of them, and say how it was made."""
    attrs = {key: value for key, value in next(iter(tables.values())).attrs.items() if key != "size_factors"}
    untested = pd.DataFrame({"status": "group not tested"}, index=genes)
    columns = next(iter(tables.values())).columns
    parts = [tables[name] if name in tables else untested.reindex(columns=columns) for name in names]
    table = pd.concat([part.set_axis(genes) for part in parts], keys=names, names=["group", "gene"])
    padj_global = adjust(table["pvalue"].where(table["padj"].notna()))
    table.insert(table.columns.get_loc("padj") + 1, "padj_global", padj_global)
    table.attrs = attrs | {"not_tested": reasons}
    return table


# --- checks and warnings ----------------------------------------------------------------------------------------------


def _check(sums, group, design, settings):
    if not isinstance(sums, anndata.AnnData):
        raise InputError(
            f"test_groups needs an AnnData whose obs says which row is of which group; got {type(sums).__name__}"
        )
    if not isinstance(group, str):
        raise InputError(f"group names one column of obs; got {group!r}")
    if not isinstance(design, str):
        raise InputError("every group has a design of its own, made from a formula: design='~ donor + condition'")
    if "key_added" in settings:
        raise InputError("key_added puts one table into var, and here is one for every group: leave it out")


def _warn_of_untested(reasons, groups):
    if reasons:
        shown = "; ".join(f"{quoted(name)}: {reason}" for name, reason in list(reasons.items())[:SHOWN])
        more = " …" * (len(reasons) > SHOWN)
        warn(f"groups that are not tested, {len(reasons):,} of {groups:,} (see attrs['not_tested']): {shown}{more}")
