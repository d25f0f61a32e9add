"""Work spread over the processes of this machine, or the workers of a Dask client, in order and a bit at a time."""

from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context

from scomics_lite.blocks import client_map
from scomics_lite.validation import InputError

AHEAD = 4  # calls for each process that are under way or waiting


@contextmanager
def spread_over(client, processes):
    """Give a ``map`` that works here, in processes of this machine, or on a Dask client's workers, call by call.

    Parameters
    ----------
    client : dask.distributed.Client or None
    processes : int
        Without a client.

    Yields
    ------
    callable
        Gives results in order.

    Raises
    ------
    InputError
        If a process ends before its work is done.

    Examples
    --------
    >>> with spread_over(None, 1) as spread:
    ...     list(spread(pow, [2, 3], [3, 2]))
    [8, 9]
    """
    if client is not None:
        yield client_map(client, batch=0)
    elif processes == 1:
        yield map
    else:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            yield partial(_spread, pool, AHEAD * processes)


def _spread(pool, most, function, *iterables):
    """Map in order, with so many calls at most under way: no more dosages are copied than are being worked on."""
    waiting = deque()
    try:
        for arguments in zip(*iterables, strict=True):
            if len(waiting) == most:
                yield waiting.popleft().result()
            waiting.append(pool.submit(function, *arguments))
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise InputError(
            "a process that fitted genes ended. A script needs `if __name__ == '__main__':` around what it does, for "
            "processes=2 and more; else memory may have run out: fewer processes, and resume=… keeps what is done"
        ) from None
