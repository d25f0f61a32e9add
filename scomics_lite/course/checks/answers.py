"""A student's answer while it is judged: called with copies, watched for changes, its errors told in one line."""

import copy
import inspect
import linecache
import traceback

import numpy as np


class StudentError(Exception):
    """The student's function raised; the message names the error and the line of theirs that caused it."""


class ArgumentChanged(Exception):
    """The student's function changed one of its arguments in place."""


class Answer:
    """Wrap a function handed in as an answer, so that a check can call it as often as it likes.

    Examples
    --------
    >>> import numpy as np
    >>> from scomics_lite.course.checks.answers import Answer
    >>> Answer(np.sort)([3, 1, 2])
    array([1, 2, 3])
    """

    def __init__(self, function):
        self.function = function

    def __call__(self, *args, **kwargs):
        """Call the function with copies of the arguments."""
        given, named = copy.deepcopy((args, kwargs))
        try:
            result = self.function(*given, **named)
        except NotImplementedError:
            raise
        except (Exception, SystemExit) as error:  # exit() in an answer must not end the notebook's kernel either
            raise StudentError(_explain(error, self.function)) from None
        self._compare_arguments([*args, *kwargs.values()], [*given, *named.values()])
        return result

    def _compare_arguments(self, before, after):
        for position, (ours, theirs) in enumerate(zip(before, after, strict=True), start=1):
            if not _same(ours, theirs):
                raise ArgumentChanged(
                    f"your function changes its argument number {position} in place, and its caller loses that data. "
                    "Work on a copy, or compute a new array."
                )


def is_unsolved(answer):
    """Tell whether an answer is still the exercise's placeholder, or holds one.

    Examples
    --------
    >>> from scomics_lite.course.checks.answers import is_unsolved
    >>> is_unsolved(...), is_unsolved({"study A": "tmm", "study B": ...}), is_unsolved(0)
    (True, True, False)
    """
    if isinstance(answer, dict):
        return any(is_unsolved(part) for part in answer.values())
    if isinstance(answer, list | tuple):
        return any(is_unsolved(part) for part in answer)
    return answer is None or answer is Ellipsis


def _same(ours, theirs):
    """Compare two arguments of any kind: tables and sparse matrices have no plain equality."""
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(_same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    if hasattr(ours, "layers"):  # AnnData, whose own == raises
        return all(_same(getattr(ours, part), getattr(theirs, part)) for part in ("X", "obs", "var"))
    if hasattr(ours, "equals"):  # pandas
        return ours.equals(theirs)
    if hasattr(ours, "nnz"):  # scipy.sparse
        return ours.shape == theirs.shape and (ours != theirs).nnz == 0
    if isinstance(ours, np.random.Generator):  # drawing from a generator is what it is for
        return True
    if isinstance(ours, np.ndarray):
        return np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f")
    return ours is theirs or ours == theirs or ours != ours


def _explain(error, function):
    """Say in one line what was raised and on which line of the student's own code."""
    line = _students_line(error, inspect.unwrap(function))
    said = " ".join(str(error).split())
    return f"your code raised {type(error).__name__}{f': {said}' if said else ''}{line}."


def _students_line(error, function):
    """Return the last line of the traceback that belongs to the notebook the function was written in."""
    home = getattr(function, "__globals__", None)
    own = [(frame, number) for frame, number in traceback.walk_tb(error.__traceback__) if frame.f_globals is home]
    if not own:
        return ""
    frame, number = own[-1]
    code = linecache.getline(frame.f_code.co_filename, number).strip()
    return f" (line {number} of its cell{f': `{code}`' if code else ''})"
