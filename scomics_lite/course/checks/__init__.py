"""Feedback on exercises: ``check(key, answer)`` says whether an answer is right, and if not, gives one hint.

A module of checks, one a chapter (``ch01.py`` for the keys ``ch01-…``), registers a function for every exercise:

>>> from scomics_lite.course.checks import check, differs, exercise
>>> @exercise("ch99-double", hints=("What is twice 1?", "Which operator doubles?", "Multiply by 2."))
... def double(answer):
...     return differs(answer(21.0), 42.0)
>>> check("ch99-double", lambda x: x * 2)
[ok] ch99-double: right.
>>> check("ch99-double", lambda x: -x * 2)
[try again] ch99-double: your result has the right size and the opposite sign.
    hint 1 of 3: What is twice 1?
>>> check("ch99-double", ...)
[not yet] ch99-double: no answer so far. Put yours where the exercise says `...` or NotImplementedError.

The function gets the answer and returns None when it is right, else one sentence that says what is wrong with it
and does not say what would be right. It probes properties (shapes, limits, agreement on fresh random input), so that a
right answer written differently passes. An answer that is a function arrives wrapped: every call gets copies of its
arguments, an exception in it is reported with the student's line, and an argument changed in place is noticed.
"""

import copy
import importlib
import importlib.util
import re
import warnings
from dataclasses import dataclass
from typing import NamedTuple

from scomics_lite.course.checks.answers import Answer, ArgumentChanged, StudentError, is_unsolved
from scomics_lite.course.checks.compare import differs, random_counts
from scomics_lite.validation import InputError, did_you_mean

__all__ = ["Exercise", "Verdict", "check", "differs", "exercise", "keys", "random_counts", "review"]

KEY = re.compile(r"(ch\d+[a-z]?)-[a-z0-9]+(?:-[a-z0-9]+)*")
RUNGS = 3  # hints in a ladder: a question that points the way, the idea, the recipe


class Verdict(NamedTuple):
    """What `review` found: status is "ok", "not yet" or "try again"; message is one sentence for the student."""

    status: str
    message: str


@dataclass(frozen=True)
class Exercise:
    """One registered exercise: its key, its ladder of hints and the function that diagnoses an answer."""

    key: str
    hints: tuple
    diagnose: object


_registry = {}
_wrong_tries = {}


def exercise(key, *, hints):
    """Register the function below as the check of exercise ``key``, with its three hints from vague to plain."""
    if not KEY.fullmatch(key):
        raise InputError(f"exercise key {key!r} is not of the form ch01-some-name (small letters, digits, hyphens)")
    if len(hints) != RUNGS:
        raise InputError(f"{key}: a ladder has {RUNGS} hints, from a question to the recipe; this one has {len(hints)}")

    def register(diagnose):
        known = _registry.get(key)
        # The same function again is a reloaded module (a student's autoreload); another one is a copied key.
        if known and known.diagnose.__qualname__ != diagnose.__qualname__:
            raise InputError(f"exercise key {key!r} is registered twice: rename {diagnose.__qualname__}'s")
        _registry[key] = Exercise(key, tuple(hints), diagnose)
        return diagnose

    return register


def keys(chapter):
    """Return the keys of a chapter's registered exercises (``keys("ch01")``), in the order of its module.

    Examples
    --------
    >>> from scomics_lite.course.checks import keys
    >>> keys("ch42")
    []
    """
    module = f"{__name__}.{chapter}"
    if importlib.util.find_spec(module):
        importlib.import_module(module)
    return [key for key in _registry if key.startswith(f"{chapter}-")]


def review(key, answer):
    """Judge an answer without printing: return a `Verdict` and leave the hints where they are."""
    task = _find(key)
    if is_unsolved(answer):
        return Verdict("not yet", "no answer so far. Put yours where the exercise says `...` or NotImplementedError.")
    try:
        # A warning in the student's code (log of zero, say) is theirs to see when they call it, not while it is judged.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            diagnosis = task.diagnose(Answer(answer) if callable(answer) else copy.deepcopy(answer))
    except NotImplementedError:
        return Verdict("not yet", "your function still raises NotImplementedError. Replace that line with your answer.")
    except (ArgumentChanged, StudentError) as error:
        diagnosis = str(error)
    except (
        Exception
    ) as error:  # an answer of a kind the check never expected; a wrong answer must not end in a traceback
        diagnosis = f"this answer has a form the check cannot read ({type(error).__name__}). Compare it with the task."
    return Verdict("try again", diagnosis) if diagnosis else Verdict("ok", "right.")


def check(key, answer):
    """Print whether an answer to an exercise is right; if it is wrong, what is wrong and one hint.

    Each further wrong try in the same session gives the next hint of a ladder of three.

    Parameters
    ----------
    key : str
        The exercise, as its text names it, for example ``"ch01-median-of-ratios"``.
    answer : object
        Your function, uncalled, or your value.

    Examples
    --------
    >>> from scomics_lite.course.checks import check, exercise
    >>> _ = exercise("ch99-one", hints=("Count.", "Use a finger.", "It comes before 2."))(
    ...     lambda answer: None if answer == 1 else "not the number of moons of the Earth.")
    >>> check("ch99-one", 2)
    [try again] ch99-one: not the number of moons of the Earth.
        hint 1 of 3: Count.
    """
    verdict = review(key, answer)
    print(f"[{verdict.status}] {key}: {verdict.message}")
    if verdict.status == "try again":
        tries = _wrong_tries[key] = _wrong_tries.get(key, 0) + 1
        rung = min(tries, RUNGS)
        print(f"    hint {rung} of {RUNGS}: {_registry[key].hints[rung - 1]}")


def _find(key):
    """Return a registered exercise, importing its chapter's checks on demand; name the nearest key if there is none."""
    match = KEY.fullmatch(str(key))
    known = keys(match[1]) if match else []
    if key in _registry:
        return _registry[key]
    raise InputError(f"there is no exercise {key!r}; {did_you_mean(key, known or _registry)}")
