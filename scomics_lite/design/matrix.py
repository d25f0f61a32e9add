"""From formulas to designs, and from groups to vectors; reached as `scomics_lite.design.design_matrix`."""

import keyword
import re
from itertools import product

import numpy as np
import pandas as pd
from formulaic import Formula, SimpleFormula
from formulaic.errors import FormulaicError

from scomics_lite.design.contrasts import check_finite
from scomics_lite.design.factors import Design, quoted
from scomics_lite.validation import InputError, did_you_mean, no_labels, warn

FEW_LEVELS = 10  # whole numbers with so few values, each shared by samples, are more often labels than amounts


def design_matrix(obs, formula):
    """Build the design of a formula, in R's treatment coding.

    Each factor's first level is its reference: the first category, ordered or not, or the first in sorted order
    (capitals before small letters) for plain text and booleans. The others get a column of zeros and ones each.
    Formulas are read by formulaic: ``~ batch + condition``, ``~ 0 + condition`` (a mean for each level),
    ``~ type * condition`` (with the interaction), ``~ np.log(dose)``, ``~ C(batch)`` (numbers that are labels).

    Parameters
    ----------
    obs : DataFrame, n rows
        One row for each sample.
    formula : str
        Right-hand side, with or without the tilde.

    Returns
    -------
    Design, shape (n, p)
        A DataFrame with columns ``Intercept``, ``type[single]``, ``type[single]:condition[treated]``, ``age`` …, which
        knows its factors and is frozen; see `scomics_lite.design.Design`.

    Raises
    ------
    InputError
        For unknown columns, missing values, levels without samples, and formulas that cannot be read. A design of
        deficient rank is returned, for `diagnose` to explain; `check_design` stops it.

    Warns
    -----
    UserWarning
        For numbers that look like labels: ``C(batch)`` makes them a factor, ``I(batch)`` says that they are amounts.

    Examples
    --------
    >>> obs = pd.DataFrame({"type": ["paired", "single", "single"], "age": [30.5, 41, 28]}, index=["s1", "s2", "s3"])
    >>> design_matrix(obs, "~ type + age")
        Intercept  type[single]   age
    s1        1.0           0.0  30.5
    s2        1.0           1.0  41.0
    s3        1.0           1.0  28.0
    """
    parsed, data = _read(obs, formula)
    _warn_of_labels(parsed, data)
    matrix = _materialize(parsed, data, formula)
    factors = _factors(matrix.model_spec)
    design = pd.DataFrame(matrix.to_numpy(float), index=obs.index, columns=_plain_names(matrix.columns, factors))
    check_finite(design)
    return Design(design, _labels(design, factors, data), formula)


def group_mean(design, obs, **levels):
    """Give the vector c whose c' beta is the mean of a group, the other factors' levels weighing the same.

    Other factors run over all their levels with equal weights, however many samples each has, and numeric covariates
    stand at their mean (the "estimated marginal means" of Searle, Speed and Milliken 1980). Differences of such vectors
    are contrasts between groups, differences of differences are interactions.

    Parameters
    ----------
    design : DataFrame, shape (n, p)
        From `design_matrix`.
    obs : DataFrame, n rows
        What the design was made of.
    **levels : str or float
        Where the group is: a level of a factor, or a value of a numeric column.

    Returns
    -------
    ndarray, shape (p,)

    Examples
    --------
    >>> obs = pd.DataFrame({"type": list("aabb"), "drug": ["no", "yes"] * 2})
    >>> design = design_matrix(obs, "~ type * drug")
    >>> group_mean(design, obs, drug="yes") - group_mean(design, obs, drug="no")  # averaged over types
    array([0. , 0. , 1. , 0.5])
    >>> group_mean(design, obs, drug="yes", type="b") - group_mean(design, obs, drug="no", type="b")
    array([0., 0., 1., 1.])
    """
    formula = getattr(design, "formula", None) if isinstance(design, Design) else None
    if formula is None:
        raise InputError("group_mean needs a design made by design_matrix, which knows its formula")
    parsed, data = _read(obs, formula)
    matrix = _materialize(parsed, data, formula)
    names = _plain_names(matrix.columns, _factors(matrix.model_spec))
    if names != list(design.columns) or not np.array_equal(matrix.to_numpy(float), design.to_numpy(float)):
        raise InputError("obs is not what the design was made of: its formula gives other rows or columns now")
    grid = _grid(matrix.model_spec, data, levels)
    return matrix.model_spec.get_model_matrix(grid, context={}).to_numpy(float).mean(axis=0)


# --- formulas ---------------------------------------------------------------------------------------------------------


def _read(obs, formula):
    """Parse the formula and take the columns it needs, with booleans as factors and nothing missing."""
    if not isinstance(obs, pd.DataFrame):
        raise InputError(f"obs must be a DataFrame with a row for each sample (adata.obs); got {type(obs).__name__}")
    if not len(obs):
        raise InputError("obs has no rows; a design needs one for each sample")
    try:
        parsed = Formula(formula)
        names = _names_in(parsed, obs) if isinstance(parsed, SimpleFormula) else None
    except (FormulaicError, TypeError, SyntaxError) as error:
        raise InputError(
            f"the formula {formula!r} cannot be read: {_reason(formula, error)}{_hint(formula, obs)}"
        ) from None
    if names is None:
        raise InputError(f"the formula {formula!r} must have a right-hand side only: '~ batch + condition'")
    for name in names:
        if name not in obs:
            raise InputError(
                f"the formula {formula!r} names {name!r}, which obs has not; {did_you_mean(name, obs)}"
                f"{_backticks(name, obs)}"
            )
        check_column(obs, name)
        if re.search(rf"(?<![\w.`]){re.escape(name)}(?:\.\w+)*\(", str(formula)):
            raise InputError(
                f"the formula {formula!r} takes {name!r} for a function, and it is a column. {_rename(name)}"
            )
    return parsed, pd.DataFrame({name: _plain_column(obs[name]) for name in names}, index=obs.index)


def _hint(formula, obs):
    """Say which name of a column may be what cannot be read."""
    for name in map(str, obs):
        if keyword.iskeyword(name) and re.search(rf"\b{name}\b", str(formula)):
            return f". {name!r} is a word of Python's. {_rename(name)}"
    words = re.findall(r"\w+", re.sub("`[^`]*`", "", str(formula)))
    return next(filter(None, (_backticks(word, obs) for word in words)), "")


def _rename(name):
    return f"Rename the column: obs.rename(columns={{{name!r}: {name + '_'!r}}})"


def _backticks(word, obs):
    """Say how to write a column whose name is more than one word, if there is one that this word is part of."""
    for column in map(str, obs):
        if not column.isidentifier() and word in re.split(r"\W", column):
            return f". A name that is no plain word stands in backticks: `{column}`, in functions C(`{column}`)"
    return ""


def _names_in(parsed, obs):
    """List the columns a formula uses.

    formulaic 1.2 overlooks those inside center() and other stateful functions, and takes a.b for a part of a.
    """
    factors = {factor for term in parsed for factor in term.factors}
    columns = {factor.expr for factor in factors if factor.eval_method.value == "lookup"}
    code = [re.sub(r"'[^']*'|\"[^\"]*\"", "", factor.expr) for factor in factors if factor.expr not in columns]
    words = {word for text in code for word in re.findall(r"`[^`]+`|\b[^\W\d]\w*\b(?!\s*(?:\(|=[^=]))", text)}
    columns |= {str(name) for name in obs if str(name) in words or f"`{name}`" in words}
    owners = {name.split(".")[0] for name in columns if "." in name}
    return sorted(columns | ({str(name) for name in parsed.required_variables} - owners))


def _plain_column(column):
    """Give numbers as they are and anything else as a factor, in sorted order where it has no order of its own."""
    _check_column(column)
    if isinstance(column.dtype, pd.SparseDtype):
        column = column.sparse.to_dense()  # formulaic knows no sparse columns
    column = column.infer_objects()
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column
    if _is_factor(column):
        return column.astype(str).astype("category")
    return column if isinstance(column.dtype, np.dtype) else column.astype(column.dtype.numpy_dtype)


def check_column(obs, name):
    """Stop a column that stands twice, or holds what is neither label nor number.

    Parameters
    ----------
    obs : DataFrame
    name : str
        One of its columns.

    Examples
    --------
    >>> check_column(pd.DataFrame({"tags": [["a"], ["b", "c"]]}), "tags")
    Traceback (most recent call last):
    scomics_lite.validation.InputError: column 'tags' holds a list, ['a']; every row needs one label or number
    """
    if (obs.columns == name).sum() > 1:
        raise InputError(f"obs has two columns {name!r}; rename one or drop it")
    column = obs[name]
    odd = column.tolist()[:1] if np.iscomplexobj(column) else no_labels(column)
    if odd:
        kind = type(odd[0]).__name__
        raise InputError(f"column {name!r} holds a {kind}, {odd[0]!r}; every row needs one label or number")


def _check_column(column):
    missing = column.index[column.isna()]
    if len(missing):
        raise InputError(
            f"{len(missing)} of {len(column)} samples have no value in column {column.name!r}, the first is "
            f"{missing[0]}. Leave these samples out, or the column out of the formula"
        )
    if isinstance(column.dtype, pd.CategoricalDtype):
        unused = column.cat.categories.difference(column.unique(), sort=False)
        if len(unused):
            raise InputError(
                f"no sample has level {unused[0]!r} of {column.name!r}, so its effect cannot be estimated. "
                f"Drop unused levels first: obs[{column.name!r}].cat.remove_unused_categories()"
            )


def _warn_of_labels(parsed, data):
    """Warn of whole numbers with few values that stand in the formula by themselves."""
    plain = {str(factor) for term in parsed for factor in term.factors}
    for name in data.columns.intersection(list(plain)):
        column = data[name]
        if _is_factor(column) or not 2 <= column.nunique() <= min(FEW_LEVELS, len(column) / 2):
            continue
        if (column % 1 == 0).all() and not column.isin([0, 1]).all():
            warn(
                f"column {name!r} holds {column.nunique()} whole numbers and enters as one slope. If they are labels, "
                f"write C({quoted(name)}); if they are amounts, I({quoted(name)})"
            )


def _materialize(parsed, data, formula):
    """Let formulaic build the columns, seeing the data and its own functions only."""
    try:
        with np.errstate(all="ignore"):  # values that are not finite are reported by name afterwards
            matrix = parsed.get_model_matrix(data, context={}, na_action="ignore")
    except (FormulaicError, ValueError, ArithmeticError) as error:
        raise InputError(f"the formula {formula!r} cannot be computed: {_plain(error)}") from None
    if matrix.shape[1] == 0:
        raise InputError(f"the formula {formula!r} has no columns; '~ 1' is the smallest design")
    return matrix


def _factors(spec):
    """Give the levels and the columns of obs of every factor, by its name in the formula."""
    factors, order = {}, [factor for term in spec.formula for factor in term.factors]
    for factor, state in sorted((spec.factor_contrasts or {}).items(), key=lambda item: order.index(item[0])):
        name, levels = re.sub("^`([^`]*)`$", r"\1", str(factor)), [str(level) for level in state.levels]
        _check_levels(name, levels)
        columns = sorted({str(name) for name in spec.factor_variables[factor]} & set(spec.required_variables))
        factors[name] = {"levels": levels, "columns": columns}
    return factors


def _labels(design, factors, data):
    """Give the level of every factor that each sample has: by the data, or for C(np.round(dose)) by its columns."""
    labels = pd.DataFrame(index=design.index)
    for name, factor in factors.items():
        levels = factor["levels"]
        texts = data[factor["columns"][0]].astype(str) if len(factor["columns"]) == 1 else None
        if texts is None or not texts.isin(levels).all():
            texts = _labels_by_columns(design, name, levels)
        labels[name] = pd.Categorical(texts, levels)
    return labels


def _labels_by_columns(design, name, levels):
    """Read labels off columns of zeros and ones; missing where these do not tell."""
    columns = [f"{name}[{level}]" for level in levels if f"{name}[{level}]" in design]
    lacking = [level for level in levels if f"{name}[{level}]" not in design]
    labels = pd.Series(lacking[0] if len(lacking) == 1 else None, index=design.index, dtype=object)
    for column, level in zip(columns, [level for level in levels if level not in lacking], strict=True):
        labels[design[column] == 1] = level
    return labels if len(lacking) <= 1 else pd.Series(None, index=design.index, dtype=object)


def _check_levels(factor, levels):
    if len(levels) < 2:
        raise InputError(
            f"factor {factor!r} has one level only, {levels[0]!r}: nothing to compare. Leave it out of the formula"
        )
    for level in levels:
        if f"T.{level}" in levels:
            raise InputError(
                f"factor {factor!r} has levels {level!r} and {'T.' + level!r}; rename one to tell them apart"
            )


def _plain_names(columns, factors):
    """Write type[single] for formulaic's type[T.single], unless T.single is the name of a level."""
    levels = {level for factor in factors.values() for level in factor["levels"]}

    def shorten(match):
        return match[0] if f"T.{match[1]}" in levels else f"[{match[1]}]"

    return [re.sub(r"\[T\.(.*?)\](?=:|$)", shorten, column) for column in columns]


def _grid(spec, data, levels):
    """Cross all levels of the factors and hold numbers at their mean, but for those that are given."""
    for name in levels:
        if name not in data:
            raise InputError(f"the design has no factor or covariate {name!r}; {did_you_mean(name, data)}")
    labels = {name for factor in _factors(spec).values() for name in factor["columns"]}
    values = {name: _values(column, levels.get(name), name in labels) for name, column in data.items()}
    grid = pd.DataFrame(list(product(*values.values())), columns=list(values))
    kinds = {name: kind for name, kind in data.dtypes.items() if name in labels}
    return grid.astype(kinds)


def _values(column, wanted, is_label):
    """Give the values of one column in the grid of `group_mean`."""
    if not is_label and not _is_factor(column):
        return [column.mean() if wanted is None else float(wanted)]
    by_name = {str(level): level for level in column.unique()}
    if wanted is None:
        return list(by_name.values())
    if str(wanted) not in by_name:
        raise InputError(f"{column.name!r} has no level {wanted!r}; {did_you_mean(wanted, by_name)}")
    return [by_name[str(wanted)]]


def _is_factor(column):
    return not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)


def _reason(formula, error):
    """Say why a formula cannot be read; what mixed models and R's dot need is not what formulaic says."""
    if "|" in str(formula):
        return "there are no random effects here. A batch of samples enters as a factor: '~ batch + condition'"
    if re.search(r"(?<![\w`.])\.(?![\w`])", str(formula)):
        return "the dot, all other columns, is not known here: name the columns"
    return _plain(error)


def _plain(error):
    """First line of an error of formulaic, without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m|[⧛⧚]", "", str(error)).strip().splitlines()[0]
