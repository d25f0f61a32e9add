"""What the checks of all chapters share: functions handed in, numbers with usual slips, errors asked for."""

from itertools import permutations

import numpy as np
import pandas as pd

from scomics_lite.course.checks.answers import Answer, StudentError
from scomics_lite.course.checks.compare import differs, missing_parts


def judge(result, right, slips, *, what, rtol=1e-6, atol=1e-12, slack=0.0):
    """Return None for the right numbers, the sentence of the slip that explains wrong ones, or how they differ.

    ``slack`` is an absolute tolerance for the slips alone, tried after none matches closely: rounding hides some.
    """
    problem = differs(result, right, what=what, rtol=rtol, atol=atol)
    if problem is None:
        return None
    for tolerance in (atol, slack) if slack else (atol,):
        for sentence, wrong in slips.items():
            # a slip that ends in NaN is not recognisable by it: many do
            known = [one for one in wrong if np.isfinite(one).all()]
            if any(differs(result, one, rtol=rtol, atol=tolerance) is None for one in known):
                return f"{what} {sentence}"
    return problem


def functions_of(answer, names):
    """Return the student's functions, ready to be called, and a sentence if they were not handed in as asked."""
    problem = missing_parts(answer, names)
    if problem and callable(answer):
        problem = f"one function is there where a dict was expected, with one entry for each of: {', '.join(names)}."
    if problem:
        return None, problem
    for name in names:
        if not callable(answer[name]):
            return None, f"`{name}` is no function: hand in the function itself, without calling it."
    return [Answer(answer[name]) for name in names], None


def parts_of(result, names, *, what):
    """Return the things a function was to hand back, in order or by name, and a sentence if it did not."""
    if isinstance(result, pd.DataFrame | pd.Series | dict) and set(names) <= set(result.keys()):
        return [result[name] for name in names], None
    several = isinstance(result, tuple | list | pd.Series) or (isinstance(result, np.ndarray) and result.ndim > 0)
    if several and len(result) == len(names):
        return list(result), None
    return None, f"{what} should hand back {' and '.join(names)}: return all of them, in this order."


def other_order(values, right, names, *, rtol=1e-6):
    """Say so if all the right values were handed back, but not in the order that was asked for."""

    def agree(order):
        return all(differs(values[i], one, rtol=rtol) is None for i, one in zip(order, right, strict=True))

    first, *others = permutations(range(len(right)))
    if not agree(first) and any(agree(order) for order in others):
        return f"your numbers are right, and in another order: hand back {names}."
    return None


def refusal(answer, *args, where="where nothing usable is left"):
    """Ask for a ValueError, and for no other error, where the input cannot be used."""
    try:
        answer(*args)
    except StudentError as error:
        raised = error.__context__
        if isinstance(raised, ValueError):
            return None
        return f"{where} your function ends in {type(raised).__name__}: raise ValueError yourself."
    return f"{where} your function does not refuse: raise ValueError and say why."
