"""Whether a progress bar is drawn: on a terminal and in a notebook, and not into a log file."""

import sys


def no_bar(progress):
    """Give what tqdm takes for ``disable``.

    Parameters
    ----------
    progress : bool
        Whether the user wants a bar.

    Returns
    -------
    bool or None
        None lets tqdm look whether its output is a terminal; a notebook's is none, and shows bars all the same.

    Examples
    --------
    >>> no_bar(False)
    True
    """
    if not progress:
        return True
    return False if type(sys.stderr).__module__.startswith("ipykernel") else None
