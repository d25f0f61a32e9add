"""Warnings as a user wants them: at the line that called the package, and once."""

import os
import sys
import warnings
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

PACKAGE = str(Path(__file__).parents[1]) + os.sep

_given = ContextVar("given", default=None)  # the messages that `once` has seen


def warn(message):
    """Warn of something at the line outside this package that led here.

    Parameters
    ----------
    message : str

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn("the numbers look like labels")
    >>> print(caught[0].message)
    the numbers look like labels
    """
    given = _given.get()
    if given is not None:
        if message in given:
            return
        given.add(message)
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_code.co_filename.startswith(PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


@contextmanager
def once():
    """Give the same warning no second time, for functions whose steps all look at the same design.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as caught, once():
    ...     warnings.simplefilter("always")
    ...     for _ in range(3):
    ...         warn("the numbers look like labels")
    >>> len(caught)
    1
    """
    token = _given.set(set())
    try:
        yield
    finally:
        _given.reset(token)
