"""Numbered figures: what a chapter shows, the gallery can find again, with its caption, alt text and data.

A chapter calls `show_figure` once for each figure. The picture is one output of the cell, the caption the next, and
the picture's metadata say which figure it is, so that the gallery needs nothing but the executed notebooks.
`slider` draws one panel for each value of a setting; in a live notebook it adds the widget.
"""

import base64
import importlib.util
import io
import math
import os
import re
import sys
from dataclasses import dataclass, field

import matplotlib.pyplot as plt

from scomics_lite.validation import InputError

FIGURE_ID = re.compile(r"fig-\d+[a-z]?-\d+")


def show_figure(figure, id, *, caption, alt, data=None, seed=None):
    """Display a figure of a chapter under its number, with caption and alt text, and close it.

    Parameters
    ----------
    figure : matplotlib Figure
        What to show. It is closed afterwards, so that the notebook does not draw it a second time.
    id : str
        ``fig-CHAPTER-NUMBER``, as in ``fig-1-4`` or ``fig-7b-2``; unique in the whole course.
    caption : str
        What the reader should see in the figure, in a sentence or two of plain words: the gallery shows no formulas.
    alt : str
        What is drawn, for a reader who cannot see it.
    data : AnnData, MuData, str, or a list of these, optional
        The data drawn: objects from `datasets.load` (name, kind and checksum are read from ``.uns["dataset"]``)
        or just names. Leave it out for a figure of numbers made in the chapter.
    seed : int, optional
        The seed of those numbers; where data are given, the seed stored with them is the default.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from scomics_lite.plots.figures import show_figure
    >>> figure, ax = plt.subplots()
    >>> show_figure(figure, "fig-1-1", caption="Twice as deep, twice the counts.", alt="Two bars: 100 and 200.")
    [fig-1-1: Two bars: 100 and 200.]
    fig-1-1. Twice as deep, twice the counts.
    """
    # IPython comes with the notebooks' own dependencies; the rest of plots works without it.
    from IPython.display import display

    _check_words(id, caption, alt)
    record = {"figure": id, "caption": caption, "alt": alt, **_provenance(id, data, seed)}
    picture = {"image/png": _png(figure)}
    plt.close(figure)
    display(_Shown(f"[{id}: {alt}]", picture, {"image/png": {"alt": alt}, "scomics_lite": record}))
    display(_Shown(f"{id}. {caption}", {"text/markdown": f"**{id}.** {caption}"}))


def slider(draw, values, *, label, ncols=None, figsize=None):
    """Draw one panel for each value of a setting; in a live notebook, show a slider over the same values too.

    The small multiples are the figure: they are drawn always, printed, tested and kept in the gallery. The widget is
    an addition for who reads at a screen: it needs ipywidgets and a running kernel, and stays away where
    ``SCOMICS_LITE_STATIC`` is set (``run`` and ``test`` set it), so that no widget state is stored in a notebook.

    Parameters
    ----------
    draw : callable
        ``draw(ax, value)`` draws one panel.
    values : sequence
        The settings, in the order of the panels; at least one.
    label : str
        What the setting is called: the title of each panel is ``label = value``.
    ncols : int, optional
        Panels a row; by default all in one row up to four, then as near a square as fits.
    figsize : tuple of float, optional
        Of the whole figure, in inches; by default 3 × 2.8 for each panel.

    Returns
    -------
    matplotlib Figure
        The small multiples, to be handed to `show_figure`.

    Examples
    --------
    >>> from scomics_lite.plots.figures import slider
    >>> figure = slider(lambda ax, share: ax.bar(["A", "B"], [1, 1 / (1 + 2 * share)]), [0.1, 0.5], label="share")
    >>> len(figure.axes)
    2
    """
    values = list(values)
    if not values:
        raise InputError(f"slider over {label!r}: values is empty; give at least one value to draw")
    if _is_live():
        _show_widget(draw, values, label)
    return _small_multiples(draw, values, label, ncols, figsize)


def _small_multiples(draw, values, label, ncols, figsize):
    ncols = ncols or (len(values) if len(values) <= 4 else math.ceil(math.sqrt(len(values))))
    nrows = math.ceil(len(values) / ncols)
    size = figsize or (3.0 * ncols, 2.8 * nrows)
    figure, axes = plt.subplots(
        nrows, ncols, figsize=size, squeeze=False, sharex=True, sharey=True, layout="constrained"
    )
    for ax, value in zip(axes.flat, values, strict=False):
        _draw_panel(draw, ax, value, label)
    for ax in axes.flat[len(values) :]:
        ax.remove()
    return figure


def _draw_panel(draw, ax, value, label):
    ax.set_title(_setting(label, value))  # before draw, so that a panel may name itself otherwise
    draw(ax, value)


def _setting(label, value):
    return f"{label} = {value:g}" if isinstance(value, float) else f"{label} = {value}"


def _is_live():
    """Tell whether somebody can move a slider: a kernel runs this, ipywidgets is there, static was not asked for."""
    ipython = sys.modules.get("IPython")  # imported by whoever runs a kernel
    kernel = getattr(ipython.get_ipython(), "kernel", None) if ipython else None
    if kernel is None or os.environ.get("SCOMICS_LITE_STATIC"):
        return False
    return importlib.util.find_spec("ipywidgets") is not None


def _show_widget(draw, values, label):
    import ipywidgets
    from IPython.display import display

    def show(value):
        figure, ax = plt.subplots(layout="constrained")
        _draw_panel(draw, ax, value, label)
        display(figure)
        plt.close(figure)

    options = [(_setting(label, value), value) for value in values]
    handle = ipywidgets.SelectionSlider(options=options, description=label, continuous_update=False)
    display(ipywidgets.VBox([handle, ipywidgets.interactive_output(show, {"value": handle})]))


@dataclass(frozen=True)
class _Shown:
    """One output of a cell. Its plain form holds no address and no size, so it is the same on every machine."""

    plain: str
    bundle: dict
    metadata: dict = field(default_factory=dict)

    def __repr__(self):
        return self.plain

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {**self.bundle, "text/plain": self.plain}, self.metadata


def _check_words(id, caption, alt):
    if not FIGURE_ID.fullmatch(id):
        raise InputError(f"figure id {id!r} is not of the form fig-CHAPTER-NUMBER, for example 'fig-1-4'")
    for name, text in (("caption", caption), ("alt", alt)):
        if not text.strip():
            raise InputError(f"{id}: {name} is empty; the caption says what to see, the alt text what is drawn")


def _png(figure):
    """Encode the figure as the base64 text a notebook stores, without the version of matplotlib that drew it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", metadata={"Software": None})
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _provenance(id, data, seed):
    """Return dataset, kind, sha256 and seed for the record; several data sets are joined in the order given."""
    given = data if isinstance(data, list | tuple) else [] if data is None else [data]
    cards = [_card(id, item) for item in given]
    joined = {key: _joined([card.get(key) for card in cards]) for key in ("kind", "sha256")}
    seeds = [card["seed"] for card in cards if card.get("seed") is not None]
    if seed is None and seeds:
        seed = int(seeds[0]) if len(seeds) == 1 else ", ".join(str(int(one)) for one in seeds)
    return {"dataset": _joined([card["name"] for card in cards]), **joined, "seed": seed}


def _joined(facts):
    """Join one fact of several data sets, with a dash where it is not known, so that the lists stay in step."""
    return ", ".join(str(fact or "–") for fact in facts) if any(facts) else None


def _card(id, item):
    if isinstance(item, str):
        return {"name": item}
    card = getattr(item, "uns", {}).get("dataset")
    if card is None:
        raise InputError(
            f"{id}: data holds no .uns['dataset'] to say where it comes from; pass the data set's name instead"
        )
    return card
