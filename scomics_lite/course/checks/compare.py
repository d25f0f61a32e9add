"""Say how a result differs from the right one, without saying what would be right.

`differs` knows the ways in which numbers of this course usually go wrong: axes swapped, a sign, another base of the
logarithm, the reciprocal, a percentage, a constant factor. Every sentence describes the student's result only.
"""

import numbers

import numpy as np
import pandas as pd
from scipy import sparse

# A factor between a wrong result and the right one, in either direction, and what it usually means.
FACTORS = {
    np.log(2): "a log2 where a natural logarithm was asked for",
    np.log(10): "a log10 where a natural logarithm was asked for",
    np.log2(10): "a log10 where a log2 was asked for",
    100.0: "a percentage where a fraction was asked for",
    1e6: "counts per million where a fraction was asked for",
}


def differs(answer, expected, *, rtol=1e-6, atol=1e-12, what="your result"):
    """Compare numbers; return None where they agree, else one sentence on how they differ.

    Parameters
    ----------
    answer : number, array, Series, DataFrame or sparse matrix
        The student's numbers, whatever they turn out to be.
    expected : number or array
        The right ones.
    rtol, atol : float
        Agreement as in `numpy.allclose`: by default what rounding leaves of a formula written in another order.
    what : str
        What to call the student's numbers in the sentence.

    Examples
    --------
    >>> import numpy as np
    >>> from scomics_lite.course.checks.compare import differs
    >>> expected = np.log(np.array([2.0, 3.0, 5.0]))
    >>> differs(np.log2([2.0, 3.0, 5.0]), expected, what="the log ratio")
    'the log ratio is off by a constant factor: a log2 where a natural logarithm was asked for, or the reverse.'
    >>> differs(expected[:2], expected)
    'your result has shape (2,) where (3,) was expected.'
    """
    values, problem = _numbers(answer)
    if problem:
        return f"{what} {problem}"
    expected = np.asarray(expected, dtype=float)
    if values.shape != expected.shape:
        return f"{what} {_wrong_shape(values, expected)}"
    if np.allclose(values, expected, rtol=rtol, atol=atol, equal_nan=True):
        return None
    tolerance = {"rtol": rtol, "atol": atol}
    how = (
        _not_finite(values, expected)
        or _known_slip(values, expected, tolerance)
        or _extent(values, expected, tolerance)
    )
    return f"{what} {how}"


def missing_parts(answer, names, *, what="your answer"):
    """Return a sentence where a dict lacks one of the names asked for or holds another, else None.

    Examples
    --------
    >>> from scomics_lite.course.checks.compare import missing_parts
    >>> missing_parts({"study A": "tmm"}, ["study A", "study B"])
    "your answer says nothing about 'study B'."
    """
    if not isinstance(answer, dict):
        return f"{what} is {_kind(answer)} where a dict was expected, with one entry for each of: {', '.join(names)}."
    for name in names:
        if name not in answer:
            return f"{what} says nothing about {name!r}."
    extra = [name for name in answer if name not in names]
    return f"{what} has an entry {extra[0]!r} nobody asked for." if extra else None


def random_counts(rng, n_samples, n_genes, *, zeros=False):
    """Draw small integer counts (n, g) to probe an answer with; no zeros unless asked for.

    Depths differ between samples and abundances between genes, so that an answer that forgets either is found out.
    With ``zeros``, some genes hold zeros in some samples, and the first gene in all of them.

    Examples
    --------
    >>> import numpy as np
    >>> from scomics_lite.course.checks.compare import random_counts
    >>> counts = random_counts(np.random.default_rng(1), 4, 50, zeros=True)
    >>> counts.shape, bool((counts[:, 0] == 0).all()), bool((counts == 0).all(axis=1).any())
    ((4, 50), True, False)
    """
    depth = rng.uniform(0.5, 2.0, size=(n_samples, 1))
    abundance = rng.lognormal(mean=4.0, sigma=1.0, size=n_genes)
    counts = rng.poisson(depth * abundance) + 1
    if zeros:
        counts[rng.random(counts.shape) < 0.1] = 0
        counts[:, 0] = 0
        counts[:, -1] = 7  # at least one gene without a zero, so that every method has something to hold on to
    return counts


def _numbers(answer):
    """Return the answer as a float array, or what keeps it from being one."""
    if answer is None:
        return None, "is None: is a `return` missing?"
    if isinstance(answer, str | bytes | dict | set) or callable(answer):
        return None, f"is {_kind(answer)} where numbers were expected."
    try:
        dense = answer.toarray() if sparse.issparse(answer) else answer
        return np.asarray(dense, dtype=float), None
    except (TypeError, ValueError):
        return None, f"is {_kind(answer)} that cannot be read as an array of numbers."


def _kind(answer):
    names = {dict: "a dict", str: "a text", list: "a list", tuple: "a tuple", set: "a set"}
    if isinstance(answer, numbers.Number):
        return "a number"
    if callable(answer):
        return "a function (call it)"
    if isinstance(answer, pd.DataFrame | pd.Series):
        return f"a {type(answer).__name__}"
    return names.get(type(answer), f"of type {type(answer).__name__}")


def _wrong_shape(values, expected):
    if values.ndim == 2 and values.shape == expected.shape[::-1]:
        return f"has its axes swapped: shape {values.shape} where {expected.shape} was expected (samples × genes)."
    if values.size == expected.size:
        return f"holds the right number of values in shape {values.shape} where {expected.shape} was expected."
    if expected.ndim == 0:
        return f"has shape {values.shape} where one number was expected."
    return f"has shape {values.shape} where {expected.shape} was expected."


def _not_finite(values, expected):
    for name, test in (("NaN", np.isnan), ("infinite", np.isinf)):
        count = int((test(values) & ~test(expected)).sum())
        if count:
            where = f"in {count} of {values.size} places" if values.size > 1 else "here"
            return f"is {name} {where}: look for a division by zero, a logarithm of zero or an empty mean."
    return None


def _known_slip(values, expected, tolerance):
    """Name the slip that explains the whole difference, if one does."""

    def agree(left, right):
        return np.allclose(left, right, **tolerance)

    with np.errstate(all="ignore"):
        if values.ndim == 2 and values.shape[0] == values.shape[1] and agree(values.T, expected):
            return "has its axes swapped (samples are rows, genes columns)."
        if agree(-values, expected):
            return "has the right size and the opposite sign."
        if agree(values * expected, 1.0):
            return "is the reciprocal of what was asked for: divide where you multiply, or the other way round."
        if any(agree(back(values), expected) for back in (np.exp, np.exp2)):
            return "is on the log scale where the plain scale was asked for."
        if any(agree(values, back(expected)) for back in (np.exp, np.exp2)):
            return "is on the plain scale where the log scale was asked for."
        if values.size > 1 and agree(np.sort(values, axis=None), np.sort(expected, axis=None)):
            return "has the right values in another order."
        return _constant_change(values, expected, tolerance)


def _constant_change(values, expected, tolerance):
    """Recognise one factor or one shift common to all entries."""
    nonzero = (expected != 0) & (values != 0)
    ratios = values[nonzero] / expected[nonzero]
    if ratios.size and np.array_equal(values == 0, expected == 0) and np.allclose(ratios, ratios[0], **tolerance):
        for factor, meaning in FACTORS.items():
            if np.isclose(ratios[0], [factor, 1 / factor], **tolerance).any():
                return f"is off by a constant factor: {meaning}, or the reverse."
        if values.size > 1:
            return "is off by one constant factor, the same for every entry: look at what you divide or scale by."
    if values.size > 1 and np.ptp(shift := values - expected) <= 1e-9 * np.abs(shift).max():
        return "is off by one constant, the same for every entry: look for a centring or a term added once too often."
    return None


def _extent(values, expected, tolerance):
    wrong = ~np.isclose(values, expected, **tolerance, equal_nan=True)
    larger, smaller = (values > expected)[wrong].all(), (values < expected)[wrong].all()
    direction = "too large" if larger else "too small" if smaller else ""
    if values.size == 1:
        return f"is {direction or 'not right'}."
    return (
        f"is wrong in {int(wrong.sum())} of {values.size} places{f', {direction} in all of them' if direction else ''}."
    )
