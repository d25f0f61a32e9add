"""The house style of all figures."""

from pathlib import Path

import matplotlib.pyplot as plt

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
