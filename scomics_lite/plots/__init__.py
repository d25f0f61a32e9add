"""Figures of the course: every plot takes and returns a matplotlib Axes, `show_figure` numbers and captions them."""

from scomics_lite.plots.counts import ma, rle, size_factors, tmm_trims
from scomics_lite.plots.figures import show_figure, slider
from scomics_lite.plots.style import OKABE_ITO, use_style

__all__ = ["OKABE_ITO", "ma", "rle", "show_figure", "size_factors", "slider", "tmm_trims", "use_style"]
