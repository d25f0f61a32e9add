"""Who is left out when: people divided into folds, at random or as others did."""

import numpy as np
import pandas as pd

from scomics_lite.validation import InputError, is_number

REPEATS, FOLDS = 3, 10  # of PredictDB's folds="predictdb"


def fold_ids(folds, n, repeats, rng, what="folds"):
    """Give the fold of each person.

    Parameters
    ----------
    folds : int, array_like or "predictdb"
        A number of folds of equal size, drawn at random; the folds themselves, shape (people,) or (repeats, people); or
        ten folds drawn with replacement, three times.
    n : int
        Number of people.
    repeats : int
        How often folds are drawn.
    rng : Generator
    what : str
        What the folds are called, for messages.

    Returns
    -------
    ndarray of int, shape (repeats, n)

    Raises
    ------
    InputError
        If there are fewer people than folds, or these are no folds.

    Examples
    --------
    >>> fold_ids(2, 5, 1, np.random.default_rng(1))
    array([[0, 0, 1, 0, 1]])
    >>> fold_ids(10, 3, 1, np.random.default_rng(1))
    Traceback (most recent call last):
    scomics_lite.validation.InputError: folds=10 needs 10 people or more, one in each fold; there are 3: folds=3 \
leaves one person out at a time
    """
    if isinstance(folds, str):
        if folds != "predictdb":
            raise InputError(f"folds={folds!r}: a number, the fold of each person, or 'predictdb'")
        _check_number(FOLDS, n, "folds='predictdb'", f"ten folds: take folds={n} instead")
        return rng.integers(FOLDS, size=(REPEATS, n))
    if np.ndim(folds):
        return _given_folds(folds, n)
    if not (is_number(repeats) and repeats == int(repeats) >= 1):
        raise InputError(f"repeats is how often folds are drawn, 1 or more; got {repeats!r}")
    if not (is_number(folds) and folds == int(folds) >= 2):
        raise InputError(f"{what} is a number of folds, 2 or more; got {folds!r}")
    _check_number(folds, n, f"{what}={folds}", f"{what}={n} leaves one person out at a time")
    return np.stack([rng.permutation(np.arange(n) % int(folds)) for _ in range(int(repeats))])


def _check_number(folds, n, what, advice):
    if n < folds:
        raise InputError(f"{what} needs {folds} people or more, one in each fold; there are {n}: {advice}")


def _given_folds(folds, n):
    ids = np.atleast_2d(np.asarray(folds))
    if ids.shape[-1] != n or ids.ndim != 2:
        raise InputError(
            f"{n} people need as many fold ids, or a row of them for each repeat; got shape {np.shape(folds)}"
        )
    if pd.isna(ids).any():
        raise InputError("a person has no fold: ids are missing values. Give everybody a fold")
    if any(len(np.unique(row)) < 2 for row in ids):
        raise InputError("all people are in one fold, and nobody is left to fit on: give two folds or more")
    return np.stack([np.unique(row, return_inverse=True)[1] for row in ids])
