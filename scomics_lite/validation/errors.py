"""What is raised when input cannot be used, and the words that help whoever reads it."""

from difflib import get_close_matches


class InputError(ValueError):
    """Input that cannot be used as it is; the message names the offender and the way out."""

    __module__ = "scomics_lite.validation"  # the name that tracebacks show and users catch


class CountsError(InputError):
    """A table that does not hold raw counts, or counts that a method cannot work on."""

    __module__ = "scomics_lite.validation"


def did_you_mean(name, choices):
    """Say which of the known names, `choices`, comes closest to `name`: the end of many an error message.

    Examples
    --------
    >>> did_you_mean("tmn", ["tmm", "rle"])
    "did you mean 'tmm'? Known: rle, tmm"
    """
    known = {str(choice).lower(): str(choice) for choice in choices}
    near = get_close_matches(str(name).lower(), known, n=1, cutoff=0.5)
    guess = f"did you mean {known[near[0]]!r}? " if near else ""
    return f"{guess}Known: {', '.join(sorted(known.values())) or 'none'}"


def quoted(name):
    """Write the name of a sample or gene as the user wrote it.

    Parameters
    ----------
    name : object

    Returns
    -------
    str

    Examples
    --------
    >>> print(quoted("s1"), quoted(0))
    's1' 0
    """
    return f"'{name}'" if isinstance(name, str) else str(name)
