"""The loop behind all searches that go step by step: many genes at once, and a gene that has arrived steps no more.

Some genes need three steps and some a hundred. Those that are done leave, so that the slow ones alone go on, and no
gene's numbers depend on which others are beside it.
"""

import numpy as np


def step_until_done(step, state, given, most):
    """Repeat a step until every gene is done, or out of steps.

    Parameters
    ----------
    step : callable
        ``step(state, *given)`` takes one step of b genes. Gives their new state, and which of them are done, shape
        (b,); where a search can end in several ways, the state says how.
    state : dict of ndarray, shape (…, b)
        What moves, by name; genes along the last axis.
    given : tuple
        What a step needs besides: arrays of shape (…, b), or objects whose ``take(which)`` gives those of some genes.
    most : int
        Steps of a gene.

    Returns
    -------
    state : dict of ndarray, shape (…, b)
        Of each gene after its last step.
    steps : ndarray of int, shape (b,)
        How many each gene took.
    done : ndarray of bool, shape (b,)
        False for those out of steps.

    Examples
    --------
    >>> def halfway(state, goal):
    ...     x = (state["x"] + goal) / 2
    ...     return {"x": x}, np.abs(x - goal) < 1
    >>> state, steps, done = step_until_done(halfway, {"x": np.zeros(3)}, (np.array([1.0, 10, 1000]),), most=5)
    >>> state["x"].tolist(), steps, done
    ([0.5, 9.375, 968.75], array([1, 4, 5]), array([ True,  True, False]))
    """
    final = {name: values.copy() for name, values in state.items()}
    running = np.arange(next(iter(final.values())).shape[-1])
    steps, done = np.full(len(running), most), np.zeros(len(running), dtype=bool)
    for number in range(1, most + 1):
        if not running.size:
            break
        state, arrived = step(state, *given)
        _put(final, running[arrived], state, arrived)
        steps[running[arrived]], done[running[arrived]] = number, True
        left = ~arrived
        running, state = running[left], {name: values[..., left] for name, values in state.items()}
        if arrived.any():
            given = tuple(value[..., left] if isinstance(value, np.ndarray) else value.take(left) for value in given)
    _put(final, running, state, slice(None))
    return final, steps, done


def _put(final, genes, state, which):
    for name, values in state.items():
        final[name][..., genes] = values[..., which]
