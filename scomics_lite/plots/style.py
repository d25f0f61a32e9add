"""The house style of all figures."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.ticker import AutoLocator, LogLocator, NullFormatter

OKABE_ITO = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "black": "#000000",
    "grey": "#999999",
}
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # told apart without colour


def use_style():
    """Switch matplotlib to the course's style file, for all figures drawn from here on.

    Examples
    --------
    >>> use_style()
    >>> plt.rcParams["axes.spines.top"]
    False
    """
    plt.style.use(Path(__file__).with_name("scomics_lite.mplstyle"))


def plain_ticks(axis, steps=(1, 2, 5)):
    """Label a logarithmic axis, whose limits are set, with 0.1, 0.2, 0.5, 1 … instead of powers of ten.

    Parameters
    ----------
    axis : matplotlib.axis.Axis
    steps : tuple of int
        Which multiples of the powers of ten get a label.

    Examples
    --------
    >>> ax = plt.figure().add_subplot(xscale="log", xlim=(0.1, 1))
    >>> plain_ticks(ax.xaxis)
    >>> ax.xaxis.get_major_formatter()(0.2)
    '0.2'
    """
    low, high = axis.get_view_interval()
    is_narrow = high < 6 * low  # there might be no more than one of these numbers on it
    axis.set_major_locator(AutoLocator() if is_narrow else LogLocator(subs=steps))
    axis.set_major_formatter(plain_number)
    axis.set_minor_formatter(NullFormatter())


def plain_number(value, position=None):
    """Write a tick's number as it is, for an axis's `set_major_formatter`.

    Parameters
    ----------
    value : float
    position : int, optional
        Of the tick; matplotlib gives it, and it does not matter.

    Returns
    -------
    str

    Examples
    --------
    >>> plain_number(1e-3)
    '0.001'
    """
    return f"{value:g}"
