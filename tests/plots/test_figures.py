"""show_figure and slider: what a notebook stores of a figure, and when a widget appears."""

import base64
import struct
import sys
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
from IPython.core.interactiveshell import InteractiveShell

from scomics_lite.plots import figures
from scomics_lite.validation import InputError

PASILLA = SimpleNamespace(uns={"dataset": {"name": "pasilla", "kind": "real", "sha256": "ab12", "seed": None}})
STANDIN = SimpleNamespace(uns={"dataset": {"name": "airway_simulated", "kind": "simulated", "sha256": "cd", "seed": 7}})
WORDS = {"caption": "Twice as deep.", "alt": "Two bars."}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def shown(monkeypatch):
    """Show a figure and return what the notebook would store: (data, metadata) of each output."""
    outputs = []
    formatter = InteractiveShell().display_formatter
    monkeypatch.setattr("IPython.display.display", lambda thing: outputs.append(formatter.format(thing)))

    def show(id="fig-1-1", **options):
        figure, ax = plt.subplots()
        ax.plot([0, 1], [0, 1])
        figures.show_figure(figure, id, **{**WORDS, **options})
        return outputs

    return show


def test_picture_and_caption_are_two_outputs(shown):
    (picture, metadata), (caption, _) = shown()
    assert base64.b64decode(picture["image/png"]).startswith(b"\x89PNG")
    assert picture["text/plain"] == "[fig-1-1: Two bars.]"
    assert metadata["image/png"] == {"alt": "Two bars."}
    assert caption == {"text/markdown": "**fig-1-1.** Twice as deep.", "text/plain": "fig-1-1. Twice as deep."}


def test_the_figure_is_closed_and_drawn_once(shown):
    shown()
    assert not plt.get_fignums()


def test_the_picture_is_the_same_each_time(shown):
    shown()
    outputs = shown()
    assert outputs[0] == outputs[2]


def test_the_picture_says_nothing_about_the_machine(shown):
    png = base64.b64decode(shown()[0][0]["image/png"])
    kinds, place = [], 8
    while place < len(png):
        length, kind = struct.unpack(">I4s", png[place : place + 8])
        kinds.append(kind)
        place += length + 12
    assert b"tEXt" not in kinds
    assert b"IDAT" in kinds


@pytest.mark.parametrize(
    ("options", "record"),
    [
        ({}, {"dataset": None, "kind": None, "sha256": None, "seed": None}),
        ({"seed": 5}, {"dataset": None, "kind": None, "sha256": None, "seed": 5}),
        ({"data": PASILLA}, {"dataset": "pasilla", "kind": "real", "sha256": "ab12", "seed": None}),
        ({"data": STANDIN}, {"dataset": "airway_simulated", "kind": "simulated", "sha256": "cd", "seed": 7}),
        ({"data": STANDIN, "seed": 1}, {"dataset": "airway_simulated", "kind": "simulated", "sha256": "cd", "seed": 1}),
        ({"data": "sketch"}, {"dataset": "sketch", "kind": None, "sha256": None, "seed": None}),
        (
            {"data": [PASILLA, STANDIN]},
            {"dataset": "pasilla, airway_simulated", "kind": "real, simulated", "sha256": "ab12, cd", "seed": 7},
        ),
        (
            {"data": ["sketch", PASILLA]},
            {"dataset": "sketch, pasilla", "kind": "–, real", "sha256": "–, ab12", "seed": None},
        ),
        (
            {"data": (STANDIN, STANDIN)},
            {
                "dataset": "airway_simulated, airway_simulated",
                "kind": "simulated, simulated",
                "sha256": "cd, cd",
                "seed": "7, 7",
            },
        ),
    ],
)
def test_provenance_is_recorded(shown, options, record):
    metadata = shown(**options)[0][1]
    assert metadata["scomics_lite"] == {"figure": "fig-1-1", **WORDS, **record}


@pytest.mark.parametrize("id", ["fig-1", "1-1", "fig-1-1b", "Fig-1-1", "fig-1-1 "])
def test_malformed_ids_are_refused(shown, id):
    with pytest.raises(InputError, match="not of the form fig-CHAPTER-NUMBER"):
        shown(id)


def test_letters_of_chapters_are_allowed(shown):
    assert shown("fig-7b-12")[0][1]["scomics_lite"]["figure"] == "fig-7b-12"


@pytest.mark.parametrize("missing", ["caption", "alt"])
def test_caption_and_alt_are_required(shown, missing):
    with pytest.raises(InputError, match=f"fig-1-1: {missing} is empty"):
        shown(**{missing: "  "})
    with pytest.raises(TypeError, match=missing):
        figures.show_figure(plt.figure(), "fig-1-1", **{name: word for name, word in WORDS.items() if name != missing})


def test_data_without_an_origin_are_refused(shown):
    with pytest.raises(InputError, match=r"fig-1-1: data holds no \.uns\['dataset'\]"):
        shown(data=SimpleNamespace(uns={}))


def draw(ax, value):
    ax.plot([0, value])


@pytest.mark.parametrize(("n", "rows", "columns"), [(1, 1, 1), (4, 1, 4), (5, 2, 3), (9, 3, 3)])
def test_small_multiples_are_laid_out(n, rows, columns):
    figure = figures.slider(draw, range(n), label="share")
    assert len(figure.axes) == n
    grid = figure.axes[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == (rows, columns)


def test_panels_say_their_setting():
    figure = figures.slider(draw, [0.25, 1, "all"], label="share", ncols=2, figsize=(5, 4))
    place = plt.rcParams["axes.titlelocation"]  # the house style's, where another test has set it
    assert [ax.get_title(place) for ax in figure.axes] == ["share = 0.25", "share = 1", "share = all"]
    assert tuple(figure.get_size_inches()) == (5, 4)


def test_no_values_is_an_error():
    with pytest.raises(InputError, match="slider over 'share': values is empty"):
        figures.slider(draw, [], label="share")


@pytest.fixture
def live(monkeypatch):
    """Pretend that a kernel runs and nobody asked for a static notebook; collect what is displayed."""
    outputs = []
    monkeypatch.delenv("SCOMICS_LITE_STATIC", raising=False)
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel="running"))
    monkeypatch.setattr("IPython.display.display", outputs.append)
    return outputs


def test_a_live_session_gets_the_widget_too(live):
    import ipywidgets

    figure = figures.slider(draw, [1.0, 2.0], label="share")
    assert len(figure.axes) == 2
    widget = live[-1]
    assert isinstance(widget, ipywidgets.VBox)
    handle = widget.children[0]
    assert handle.options == (("share = 1", 1.0), ("share = 2", 2.0))
    handle.value = 2.0
    assert plt.get_fignums() == [figure.number]  # the panels the widget drew are closed again


@pytest.mark.parametrize("reason", ["static", "no IPython", "no kernel", "no ipywidgets"])
def test_without_a_reader_there_is_no_widget(live, monkeypatch, reason):
    if reason == "static":
        monkeypatch.setenv("SCOMICS_LITE_STATIC", "1")
    if reason == "no kernel":
        monkeypatch.setattr("IPython.get_ipython", lambda: None)
    if reason == "no IPython":
        monkeypatch.delitem(sys.modules, "IPython")
    if reason == "no ipywidgets":
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    figures.slider(draw, [1.0, 2.0], label="share")
    assert live == []
