"""Turn questions about coefficients into vectors; reached as `scomics_lite.design.contrast`."""

import ast
import operator
import re

import numpy as np
import pandas as pd

from scomics_lite.design.factors import as_design, quoted
from scomics_lite.validation import InputError, did_you_mean, is_number, warn

OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: lambda a, b: a * (1 / b)}
# What may be meant for a column, age or C(dose)[high] or sex[m]:age, but for the placeholders of those that are known.
NAME = re.compile(r"(?<![\w.])(?!__\d)[^\W\d][\w.]*(?:\([^()]*\))?(?:\[[^\]]*\])?(?::[\w.]+(?:\[[^\]]*\])?)*")
SIGNS = {ast.UAdd: operator.pos, ast.USub: operator.neg}


def contrast(design, spec):
    """Turn a question into a vector c, so that c' beta is its answer.

    Parameters
    ----------
    design : DataFrame or array_like, shape (n, p)
        From `design_matrix`; an array has columns ``x0``, ``x1`` …
    spec : tuple, str, dict, Series or array_like
        One of

        - ``("condition", "treated", "control")``: a factor, a level, and the level it is compared with; where the
          design has interactions, at the reference levels of the other factors;
        - ``"condition[treated] - 0.5 * type[single]"``: column names with numbers, ``+ - * /`` and
          parentheses; reference levels may be named too, and count zero;
        - ``{"condition[treated]": 1, "type[single]": -0.5}``, or a Series by column names;
        - a vector of p numbers, for example differences of `group_mean`.

    Returns
    -------
    ndarray, shape (p,)

    Raises
    ------
    InputError
        For unknown factors, levels and columns, and for contrasts that compare nothing.

    Examples
    --------
    >>> from scomics_lite.design import design_matrix
    >>> obs = pd.DataFrame({"dose": ["high", "low", "none"] * 2})
    >>> design = design_matrix(obs.astype(pd.CategoricalDtype(["none", "low", "high"])), "~ dose")
    >>> contrast(design, ("dose", "high", "low"))
    array([ 0., -1.,  1.])
    >>> contrast(design, "(dose[low] + dose[high]) / 2")
    array([0. , 0.5, 0.5])
    """
    design = as_design(design)
    if isinstance(spec, str):
        vector = _from_expression(design, spec)
    elif isinstance(spec, dict | pd.Series):
        vector = _from_weights(design, dict(spec))
    elif isinstance(spec, tuple | list) and any(isinstance(part, str) for part in spec):
        vector = _from_levels(design, spec)
    else:
        vector = _from_numbers(spec)
    p = design.shape[1]
    if np.shape(vector) != (p,):
        names = ", ".join(design.columns)
        raise InputError(f"a contrast has one number for each of the {p} columns {names}; got shape {np.shape(vector)}")
    if not np.isfinite(vector).all():
        raise InputError(f"the numbers of a contrast must be finite; they are {vector.tolist()}")
    if not vector.any():
        raise InputError(f"the contrast {spec!r} compares nothing: all its numbers are zero")
    return vector + 0.0  # no minus zeros


# --- forms of a contrast ----------------------------------------------------------------------------------------------


def _from_numbers(spec):
    try:
        return np.array(spec, dtype=float)
    except (TypeError, ValueError):
        raise InputError(
            f"a contrast is (factor, level, other level), an expression, a dict or a vector; got {spec!r}"
        ) from None


def _from_weights(design, weights):
    """Add up the columns that a dict weighs."""
    for name, weight in weights.items():
        if not is_number(weight):
            raise InputError(f"the contrast weighs {name!r} with {weight!r}, which is no finite number")
    return sum(
        (float(weight) * _unit(design, str(name)) for name, weight in weights.items()), np.zeros(design.shape[1])
    )


def _from_levels(design, spec):
    if len(spec) != 3:
        raise InputError(f"a named contrast is (factor, level, level it is compared to); got {spec!r}")
    factor, level, other = map(str, spec)
    vector = _level(design, factor, level) - _level(design, factor, other)
    for one in (level, other):
        _warn_of_slopes(design, factor, one)
    return vector


def _warn_of_slopes(design, factor, level):
    """Warn where levels differ by a slope too, and are compared where no sample is: at zero."""
    here = f"{factor}[{level}]"
    for name in design:
        covariate = name.removeprefix(f"{here}:").removesuffix(f":{here}")
        if covariate == name or "[" in covariate:
            continue
        values = design.loc[design[name] != 0, name]
        if len(values) and not values.min() <= 0 <= values.max():
            warn(
                f"levels of {factor!r} have slopes of their own over {covariate!r}, and this contrast compares them at "
                f"{covariate} = 0, where there is no sample (they have {values.min():.4g} to {values.max():.4g}). "
                f"Centre it, center({quoted(covariate)}) in the formula, or compare design.group_mean's at a value"
            )


def _level(design, factor, level):
    """Give the vector of a level, or say why there is none."""
    if f"{factor}[{level}]" in design:
        return _unit(design, f"{factor}[{level}]")
    if factor in design:
        raise InputError(
            f"{factor!r} is a number in this design, without levels: the contrast {factor!r} is its slope; "
            f"C({quoted(factor)}) in the formula makes it a factor"
        )
    if design.factors.empty:
        raise InputError(
            f"the design has no column '{factor}[{level}]'; {did_you_mean(f'{factor}[{level}]', design)}. Reference "
            "levels are known for designs made by design_matrix; for others name columns: 'condition[treated]'"
        )
    labels = design.factor(factor)
    if level not in labels.cat.categories:
        raise InputError(f"factor {factor!r} has no level {level!r}; {did_you_mean(level, labels.cat.categories)}")
    name = f"{labels.name}[{level}]"
    if name not in design and level != design.reference(labels.name):
        raise InputError(
            f"the design has no column for level {level!r} of {factor!r} alone; compare group means "
            f"(design.group_mean) or name columns: {', '.join(design)}"
        )
    return _unit(design, name)


def _from_expression(design, text):
    """Evaluate an expression whose names are columns."""
    known = [*design.columns, *_references(design)]
    names = "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    found = []

    def placeholder(match):
        found.append(match[0])
        return f" __{len(found) - 1} "

    rest = re.sub(rf"(?<![\w.\]:])(?:{names})(?![\w.\[(:])", placeholder, text)
    unknown = NAME.findall(rest)
    if unknown:
        raise InputError(
            f"the contrast {text!r} names {unknown[0]!r}, which is no column; {did_you_mean(unknown[0], known)}"
        )
    values = {f"__{i}": np.append(_unit(design, name), 0.0) for i, name in enumerate(found)}
    try:
        value = _evaluate(ast.parse(rest.strip(), mode="eval").body, values, np.eye(design.shape[1] + 1)[-1])
    except (SyntaxError, TypeError, KeyError, ZeroDivisionError):
        value = None
    if value is None or value[-1]:
        raise InputError(
            f"the contrast {text!r} is no sum of columns with numbers, such as "
            f"'{design.columns[-1]} - 0.5 * {design.columns[0]}'"
        )
    return value[:-1]


def _evaluate(node, values, one):
    """Work out + - * / over columns and numbers, all as vectors whose last entry is the plain number."""
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.Constant):
        return float(node.value) * one
    if isinstance(node, ast.UnaryOp) and type(node.op) in SIGNS:
        return SIGNS[type(node.op)](_evaluate(node.operand, values, one))
    if not isinstance(node, ast.BinOp) or type(node.op) not in OPERATIONS:
        raise TypeError
    left, right = _evaluate(node.left, values, one), _evaluate(node.right, values, one)
    if isinstance(node.op, ast.Add | ast.Sub):
        return OPERATIONS[type(node.op)](left, right)
    if right[:-1].any() and isinstance(node.op, ast.Mult):
        left, right = right, left  # the number second
    if right[:-1].any():
        raise TypeError
    return OPERATIONS[type(node.op)](left, float(right[-1]))


def _unit(design, name):
    """Give the unit vector of a column, and zeros for a reference level, which the others are compared with."""
    if name not in design and name not in _references(design):
        raise InputError(f"the design has no column {name!r}; {did_you_mean(name, design)}")
    return (design.columns == name).astype(float)


def _references(design):
    """Name the reference levels as if they had columns."""
    references = {factor: design.reference(factor) for factor in design.factors}
    return [f"{factor}[{level}]" for factor, level in references.items() if level is not None]


# --- small parts ------------------------------------------------------------------------------------------------------


def check_finite(design):
    """Stop values that are missing or infinite, naming column and sample.

    Parameters
    ----------
    design : DataFrame, shape (n, p)
        Numbers only.

    Examples
    --------
    >>> check_finite(pd.DataFrame({"age": [34.0, np.nan]}, index=["s1", "s2"]))
    Traceback (most recent call last):
    scomics_lite.validation.InputError: column 'age' of the design is nan for sample s2; every value must be a finite \
number
    """
    bad = np.argwhere(~np.isfinite(design.to_numpy(float)))
    if len(bad):
        row, column = bad[0]
        raise InputError(
            f"column {design.columns[column]!r} of the design is {design.iloc[row, column]} for sample "
            f"{design.index[row]}; every value must be a finite number"
        )
