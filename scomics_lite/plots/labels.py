"""Which genes of a plot are named, and where the names stand: beside their points, and over nothing else."""

from difflib import get_close_matches
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.transforms import Bbox

from scomics_lite.validation import InputError, did_you_mean, warn

ASIDE = 6  # points between a name and its point
MOST_LINES = 10  # that a name is moved up or down


def unknown_gene(gene, genes):
    """Say that there is no such gene, and which names come near.

    Parameters
    ----------
    gene : object
    genes : pandas.Index

    Returns
    -------
    str

    Examples
    --------
    >>> unknown_gene("ACTB1", pd.Index(["ACTB", "GAPDH"]))
    "there is no gene 'ACTB1'; did you mean 'ACTB'? Known: ACTB"
    """
    similar = get_close_matches(str(gene), [str(name) for name in genes], n=5)
    return f"there is no gene {gene!r}; {did_you_mean(gene, similar or genes[:20])}"


def check_label(label, genes):
    """Check what says which genes to name: how many, or their names.

    Parameters
    ----------
    label : int, str or list of str
    genes : pandas.Index
        All that are known.

    Returns
    -------
    int or list

    Examples
    --------
    >>> check_label("a", pd.Index(["a", "b"])), check_label(2, pd.Index(["a", "b"]))
    (['a'], 2)
    """
    if isinstance(label, int | np.integer) and label >= 0:
        return label
    if not (isinstance(label, str) or pd.api.types.is_list_like(label)):
        raise InputError(f"label is how many genes to name, 0 or more, or a list of their names; got {label!r}")
    names = [label] if isinstance(label, str) else list(label)
    for name in names:
        if not (pd.api.types.is_hashable(name) and name in genes):
            raise InputError(unknown_gene(name, genes))
    return names


def choose(label, shown, order):
    """Give the places, among the genes shown, of those that get a name, in the order in which they choose where.

    Parameters
    ----------
    label : int or list
        From `check_label`. A gene that is asked for by name and is not shown is warned of.
    shown : pandas.Index
        The genes that have a place in the plot.
    order : array_like
        Their places, the most telling gene first.

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> choose(2, pd.Index(["a", "b", "c"]), [2, 0, 1]), choose(["b", "c"], pd.Index(["a", "b", "c"]), [2, 0, 1])
    (array([2, 0]), array([2, 1]))
    """
    order = np.asarray(order, dtype=int)
    if not isinstance(label, list):
        return order[:label]
    lacking = [repr(name) for name in dict.fromkeys(label) if name not in shown]
    if lacking:
        warn(f"not named, because the numbers to be plotted are missing: {', '.join(lacking)}")
    return order[shown[order].isin(label)]


def name_points(ax, x, y, names, avoid=()):
    """Write names beside points, each at the nearest place to its point where it covers no other name or point.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        With a legend.
    x, y, names : array_like, shape (m,)
    avoid : array_like, shape (k, 2, 2)
        Boxes that names keep away from: lower left and upper right corners, in the axes' own numbers.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> ax = plt.figure().add_subplot()
    >>> _ = ax.plot([0, 1], [0, 1], label="line"), ax.legend()
    >>> name_points(ax, [0.5], [0.5], ["middle"])
    >>> ax.texts[0].get_text(), ax.texts[0].xyann
    ('middle', (6.0, 0.0))
    """
    if not len(names):
        return
    ax.figure.draw_without_rendering()  # from here on it is known where on the page the points are
    pixels = ax.transData.transform(np.column_stack([x, y]))
    boxes = [ax.get_legend().get_window_extent(), *(Bbox(ax.transData.transform(box)).padded(2) for box in avoid)]
    points = np.hstack([pixels - 2, pixels + 2])
    taken = np.vstack([[box.extents for box in boxes], points, np.full_like(points, np.nan)])  # room for the names
    for number, (point, pixel, name) in enumerate(zip(zip(x, y, strict=True), pixels, names, strict=True)):
        text = ax.annotate(str(name), point, (0, 0), textcoords="offset points", va="center", fontsize="small")
        taken[number - len(names)] = _move_to_free_place(ax, text, pixel, taken)
        if text.xyann[1]:
            line = {"arrowstyle": "-", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", point, text.xyann, textcoords="offset points", arrowprops=line)


def _move_to_free_place(ax, text, pixel, taken):
    """Try the places beside the point, then higher and lower ones; take the first where none is free."""
    outwards = ["left", "right"] if text.xy[0] >= 0 else ["right", "left"]  # alignment: the end next to the point
    size = text.get_window_extent().size
    scale = ax.figure.dpi / 72  # pixels in a point
    line = 1.1 * size[1] / scale
    steps = sorted(range(-MOST_LINES, MOST_LINES + 1), key=lambda step: (abs(step), -step))
    places = list(product(steps, outwards))
    offsets = np.array([[ASIDE if side == "left" else -ASIDE, step * line] for step, side in places])
    corners = pixel + offsets * scale - np.array([[side == "right", 0.5] for _, side in places]) * size
    boxes = np.hstack([corners, corners + size])
    free = _are_inside(boxes, ax.bbox.extents) & ~_are_covered(boxes, taken)
    chosen = int(np.argmax(free))  # 0 where none is
    text.set(ha=places[chosen][1])
    text.xyann = tuple(offsets[chosen].tolist())
    return boxes[chosen]


def _are_inside(boxes, frame):
    return (boxes[:, :2] > frame[:2]).all(axis=1) & (boxes[:, 2:] < frame[2:]).all(axis=1)


def _are_covered(boxes, taken):
    """Tell which boxes overlap one that is taken; of these only those that come near need be looked at."""
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    left, bottom, right, top = taken.T
    near = (left < high[0]) & (bottom < high[1]) & (right > low[0]) & (top > low[1])
    left, bottom, right, top = taken[near].T
    ours = boxes[:, :, None]
    overlap = (ours[:, 0] < right) & (ours[:, 1] < top) & (ours[:, 2] > left) & (ours[:, 3] > bottom)
    return overlap.any(axis=1)
