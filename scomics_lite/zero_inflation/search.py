"""The search for the maximum of a likelihood: steps of the EM algorithm first, then Newton's, from several starts.

Both go the same way: gradient over information. The EM algorithm's information is that of complete data, in which it is
known which zeros are structural; its steps are safe far from the maximum, and slow near it. Newton's method takes the
information that the data have, and what it does not climb by (a direction that curves upwards, or not at all) is turned
around. A step that loses is shortened, so neither ever goes down.
"""

from functools import partial

import numpy as np

from scomics_lite.equations import solve_definite
from scomics_lite.iteration import step_until_done

EM_STEPS, NEWTON_STEPS = 2, 200
DONE = 1e-7  # of a log likelihood, promised by the next step, which is then taken unseen
LEAST_SHARE = 0.01  # of a step that is shortened, whose promise is as much less, to be waited for
LEVELS_OFF, MOST_LENGTH = 0.6, 16.0  # share of a promise kept; steps that are then taken at once
LONGEST = 3.0  # step of a linear predictor: beyond, the parabola says little
FLATTEST = 1e-9  # curvature that a step relies on, beside that of the coefficient alone
SHORTEST = 1e-8  # of a step: no length of it wins


def climb(objective, theta, *, free=None, em_steps=EM_STEPS):
    """Climb to the next maximum of every gene.

    Parameters
    ----------
    objective : object
        With ``derivatives(theta, complete=...)``, ``take(genes)`` and ``parts``, as `Likelihood` has them.
    theta : ndarray, shape (P, b)
        Where to start.
    free : ndarray of bool, shape (P,), optional
        Coefficients that move; all of them when not given.
    em_steps : int
        Steps of EM before Newton's; 0 where the start is near the maximum.

    Returns
    -------
    theta : ndarray, shape (P, b)
    value : ndarray, shape (b,)
    steps : ndarray of int, shape (b,)
    arrived : ndarray of bool, shape (b,)
    """
    free = np.ones(len(theta), dtype=bool) if free is None else free
    total = np.zeros(theta.shape[1], dtype=int)
    for complete, most in ((True, em_steps), (False, NEWTON_STEPS)):
        b = theta.shape[1]
        state = {"theta": theta, "value": np.full(b, -np.inf), "step": np.zeros_like(theta)}
        state |= {"length": np.ones(b), "promise": np.zeros(b)}
        found, steps, arrived = step_until_done(partial(_step, complete, free), state, (objective,), most)
        theta, total = found["theta"], total + steps
    return theta, found["value"], total, arrived


def _step(complete, free, at, objective):
    """Look where the last step leads, take it if it wins, and choose the next; shorten it otherwise.

    Where the likelihood levels off for ever, as for pi going to 0, a step wins more than the half of its promise that a
    parabola gives. The next one is then made longer, or it would take dozens to get out of sight.
    """
    goal = at["theta"] + at["length"] * at["step"]
    value, gradient, information = objective.derivatives(goal, complete=complete)
    rounding = 1e-13 * (np.abs(value) + 1)
    won = value >= at["value"] + 1e-4 * np.minimum(at["length"], 1) * at["promise"] - rounding
    levels_off = (at["length"] >= 1) & (value - at["value"] > LEVELS_OFF * at["promise"]) & (at["promise"] > 0)
    step, promise, share = _direction(objective.parts, goal, gradient, information, free)
    arrived = won & (promise < DONE * np.maximum(share, LEAST_SHARE))
    state = {
        "theta": np.where(won, goal + arrived * step, at["theta"]),
        "value": np.where(won, value + arrived * promise / 2, at["value"]),
        "step": np.where(won, step, at["step"]),
        "length": np.where(won, np.where(levels_off, np.minimum(2 * at["length"], MOST_LENGTH), 1.0), at["length"] / 4),
        "promise": np.where(won, promise, at["promise"]),
    }
    return state, arrived | (state["length"] < SHORTEST)


def _direction(parts, theta, gradient, information, free):
    """Solve for the step of every gene, turned uphill and shortened, (P, b).

    Give what it promises, (b,), and its share in the step that was not shortened.
    """
    gradient = np.where(free[:, None], gradient, 0.0)
    information = information * np.outer(free, free) + np.diag(1.0 - free)
    scale = np.sqrt(np.abs(np.diagonal(information, axis1=1, axis2=2))).T  # (P, b)
    scale = np.where(scale > 1e-150, scale, 1.0)
    scaled = information / (scale.T[:, :, None] * scale.T[:, None, :])
    step = _uphill(np.where(np.isfinite(scaled), scaled, 0.0), (gradient / scale).T).T / scale
    share = LONGEST / np.maximum(_reach(parts, theta, step), LONGEST)
    step *= share
    return step, np.einsum("jb,jb->b", gradient, step), share


def _reach(parts, theta, step):
    """Say how far a step moves the linear predictors, (b,); a logit that is large already may grow in proportion."""
    _, gamma, _ = parts.split(theta)
    beta_step, gamma_step, delta_step = parts.split(step)
    reach = np.maximum(np.abs(parts.x @ beta_step).max(axis=0), np.abs(parts.rows @ delta_step).max(axis=0))
    if len(gamma):
        logits = np.abs(parts.gate_rows @ gamma_step) / (1 + np.abs(parts.gate_rows @ gamma) / LONGEST)
        reach = np.maximum(reach, logits.max(axis=0))
    return reach


def _uphill(information, gradient):
    """Solve information step = gradient (b, P), with the size of every curvature for the curvature itself."""
    step, definite = solve_definite(information, gradient)
    if not definite.all():
        curvature, axes = np.linalg.eigh(information[~definite])
        along = np.einsum("bjk,bj->bk", axes, gradient[~definite]) / np.maximum(np.abs(curvature), FLATTEST)
        step[~definite] = np.einsum("bjk,bk->bj", axes, along)
    return step
