"""Plots of short pieces of DNA: what a protein binds, and what one SNP changes about it; on matplotlib Axes."""

from difflib import get_close_matches

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Affine2D
from scipy.special import entr

from scomics_lite.plots.labels import check_label, choose
from scomics_lite.plots.style import OKABE_ITO
from scomics_lite.validation import InputError, did_you_mean, is_number, quoted

LETTERS = "ACGT"
LETTER_COLORS = dict(zip(LETTERS, ("green", "blue", "orange", "vermillion"), strict=True))
FONT = FontProperties(family="DejaVu Sans", weight="bold")
ROUNDING = 1e-3  # from 1 that the sum of probabilities may be: files print three digits
LETTER_WIDTH = 0.9  # of a position
ROW = 0.8  # of the distance between two motifs: the height of an occupancy of 1


def motif_logo(matrix, *, ax=None):
    """Draw what a protein binds as a sequence logo: at each position, letters as high as they are telling.

    A position with probabilities p of A, C, G and T tells, in bits (Schneider and Stephens 1990),

        R = 2 - sum of p * log2(1 / p)

    which is 2 where one letter is certain and 0 where all four are as likely; a letter's height is p * R, and the
    likeliest stands on top. No correction for the number of sites counted is made.

    Parameters
    ----------
    matrix : DataFrame or array_like, shape (width, 4)
        Probabilities of A, C, G, T at each position; columns of a DataFrame are taken by their letters.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Where the matrix has no four columns, or its rows are no probabilities, but counts, say.

    Examples
    --------
    >>> ax = motif_logo([[1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0, 0.5, 0.5, 0]], ax=plt.figure().add_subplot())
    >>> [letter.get_label() for letter in ax.patches]
    ['A', 'C', 'G']
    >>> plt.close("all")
    """
    p = _read_matrix(matrix)
    heights = p * (2 - entr(p).sum(axis=1, keepdims=True) / np.log(2))
    ax = plt.gca() if ax is None else ax
    ax.set(xlim=(0.4, len(p) + 0.6), ylim=(0, 2), xlabel="position in the site (bp)", ylabel="information (bits)")
    for place, row in enumerate(heights, start=1):
        bottom = 0.0
        for letter in np.argsort(row, kind="stable"):
            if row[letter] > 0:
                ax.add_patch(_letter(LETTERS[letter], place, bottom, row[letter], ax.transData))
                bottom += row[letter]
    ax.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))
    ax.grid(visible=False)
    return ax


def variant_effect(reference, alternative, *, position=None, label=4, ax=None):
    """Plot where proteins sit along a piece of DNA, for the two alleles of one SNP: a row for each protein.

    Both alleles are lines of steps from 0 to 1; what the alternative allele adds is filled in one colour and hatching,
    what it takes away in another.

    Parameters
    ----------
    reference, alternative : DataFrame
        Positions × motifs: at each position, the probability that a site of the motif which begins there is occupied.
        Columns are names of motifs, and the index is the same in both: positions, rising.
    position : int, optional
        Of the SNP, a dotted line.
    label : int or list of str
        How many motifs to draw, those that change most, summed over the positions, of those that change at all; or
        their names.
    ax : matplotlib.axes.Axes, optional
        Drawn on; the current axes when not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Where both tables have not the same positions and motifs, no motif is drawn, or an occupancy is not within 0
        to 1.

    Examples
    --------
    >>> reference = pd.DataFrame({"CTCF": [0.0, 0.9, 0.0], "GATA1": [0.0, 0.0, 0.1]}, index=[101, 102, 103])
    >>> alternative = reference.assign(CTCF=[0.0, 0.2, 0.0])
    >>> ax = variant_effect(reference, alternative, position=105, label=1, ax=plt.figure().add_subplot())
    >>> [text.get_text() for text in ax.get_yticklabels()], [text.get_text() for text in ax.texts]
    (['CTCF'], ['−0.70'])
    >>> plt.close("all")
    """
    reference, alternative = _read_occupancies(reference, alternative)
    change = alternative - reference
    label = _check_motifs(label, reference.columns)
    moved = change.abs().sum().to_numpy()
    order = np.argsort(-moved, kind="stable")
    motifs = choose(label, reference.columns, order[: max((moved > 0).sum(), 1)] if is_number(label) else order)
    if not len(motifs):
        raise InputError("label chooses no motif: give how many to draw, or their names")
    ax = plt.gca() if ax is None else ax
    x = reference.index.to_numpy(float)
    for row, motif in enumerate(motifs):
        _draw_motif(ax, x, reference.iloc[:, motif].to_numpy(), alternative.iloc[:, motif].to_numpy(), row)
        text = f"{change.iloc[:, motif].sum():+.2f}".replace("-", "−")
        ax.text(1.01, row - ROW / 2, text, transform=ax.get_yaxis_transform(), va="center", fontsize="small")
    if position is not None:
        ax.axvline(_check_position(position), color=OKABE_ITO["black"], linestyle=":", linewidth=1, label="the SNP")
    _frame_rows(ax, x, reference.columns[motifs])
    return ax


# --- letters ----------------------------------------------------------------------------------------------------------


def _read_matrix(matrix):
    """Give probabilities (width, 4), in the order A C G T."""
    if isinstance(matrix, pd.DataFrame):
        lacking = [letter for letter in LETTERS if letter not in matrix]
        if lacking:
            raise InputError(f"the matrix has columns {quoted(list(matrix))}, and none for {quoted(lacking[0])}")
        matrix = matrix[list(LETTERS)]
    p = np.asarray(matrix, dtype=float)
    if p.ndim != 2 or p.shape[1] != 4 or not len(p):
        hint = "; this one has positions in columns: give matrix.T" if p.ndim == 2 and p.shape[0] == 4 else ""
        raise InputError(f"a motif is a matrix of positions × 4 letters A, C, G, T; got shape {p.shape}{hint}")
    wrong = ~((p >= 0).all(axis=1) & (np.abs(p.sum(axis=1) - 1) <= ROUNDING))
    if wrong.any():
        place = int(wrong.argmax())
        raise InputError(
            f"position {place + 1} of the motif holds {np.round(p[place], 3).tolist()}, which are no probabilities "
            "that add up to 1. Counts: matrix / matrix.sum(axis=1, keepdims=True), of an array"
        )
    return p


def _letter(letter, place, bottom, height, axes_numbers):
    """Make the outline of a letter that fills its box exactly."""
    outline = TextPath((0, 0), letter, size=1, prop=FONT)
    box = outline.get_extents()
    fit = Affine2D().translate(-box.x0, -box.y0).scale(LETTER_WIDTH / box.width, height / box.height)
    path = fit.translate(place - LETTER_WIDTH / 2, bottom).transform_path(outline)
    color = OKABE_ITO[LETTER_COLORS[letter]]
    return PathPatch(path, facecolor=color, linewidth=0, label=letter, transform=axes_numbers)


# --- occupancies ------------------------------------------------------------------------------------------------------


def _read_occupancies(reference, alternative):
    """Give both tables as numbers within 0 to 1, with the same positions and motifs."""
    tables = {"reference": reference, "alternative": alternative}
    for name, table in tables.items():
        if not isinstance(table, pd.DataFrame) or table.empty:
            raise InputError(f"{name} is a DataFrame of positions × motifs; got {type(table).__name__}")
        outside = ~table.apply(lambda column: column.between(0, 1))
        if outside.to_numpy().any():
            row, column = np.argwhere(outside.to_numpy())[0]
            raise InputError(
                f"occupancies lie between 0 and 1; {name} has {table.iloc[row, column]:g} for motif "
                f"{quoted(table.columns[column])} at position {table.index[row]}"
            )
    if not pd.api.types.is_numeric_dtype(reference.index) or not reference.index.is_monotonic_increasing:
        raise InputError("the index of reference holds positions, rising")
    if not reference.index.equals(alternative.index):
        raise InputError(
            f"both alleles need the same positions; reference has {_span(reference)} and alternative "
            f"{_span(alternative)}. After an insertion or a deletion they are not those of the genome any more"
        )
    if not reference.columns.equals(alternative.columns):
        raise InputError("both alleles need the same motifs, in the same order: alternative[reference.columns]")
    return reference.astype(float), alternative.astype(float)


def _check_motifs(label, motifs):
    for name in [label] if isinstance(label, str) else label if isinstance(label, list) else []:
        if name not in motifs:
            similar = get_close_matches(str(name), [str(motif) for motif in motifs], n=5)
            raise InputError(f"there is no motif {name!r}; {did_you_mean(name, similar or motifs[:20])}")
    return check_label(label, motifs)


def _span(table):
    return f"{len(table):,} from {table.index[0]} to {table.index[-1]}"


def _check_position(position):
    if not is_number(position):
        raise InputError(f"position is where the SNP is, a number; got {position!r}")
    return position


def _draw_motif(ax, x, reference, alternative, row):
    """Draw both alleles in their row; rows count downwards, so a higher occupancy is a lower number."""
    old, new = row - ROW * reference, row - ROW * alternative
    first = row == 0
    fill = {"step": "mid", "linewidth": 0, "alpha": 0.35}
    for edge, color, hatch, what in (
        (np.minimum(old, new), "green", "..", "gained"),
        (np.maximum(old, new), "purple", "//", "lost"),
    ):
        ax.fill_between(x, old, edge, color=OKABE_ITO[color], hatch=hatch, label=what * first, **fill)
    ax.axhline(row, color=OKABE_ITO["grey"], linewidth=0.6)
    for line, color, style, what in (
        (old, "blue", "-", "reference allele"),
        (new, "vermillion", "--", "alternative allele"),
    ):
        ax.step(x, line, where="mid", color=OKABE_ITO[color], linestyle=style, label=what * first)


def _frame_rows(ax, x, names):
    ax.set_yticks(np.arange(len(names)) - ROW / 2, names)
    ax.set(ylim=(len(names) - 1 + 0.1, -1), xlabel="position (bp)", xlim=(x[0] - 0.5, x[-1] + 0.5))
    ax.set_ylabel("motif; occupancy 0 to 1")
    ax.ticklabel_format(axis="x", useOffset=False, style="plain")
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False)
    ax.set_title("change", loc="right", fontsize="small")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
