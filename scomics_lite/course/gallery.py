"""The gallery: every figure of the executed chapters on one page, with all that is needed to make it again."""

import base64
import html
import re
import shutil
import tempfile
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from pathlib import Path

from scomics_lite.course import notebooks
from scomics_lite.validation import InputError


@dataclass(frozen=True)
class Figure:
    """One figure of the course as an executed chapter holds it."""

    id: str
    caption: str
    alt: str
    chapter: str
    title: str
    dataset: str | None
    kind: str | None
    sha256: str | None
    seed: int | str | None
    seconds: float
    versions: dict
    png: bytes


def collect(paths):
    """Return the figures of executed notebooks, in order; two figures with one id are refused.

    Parameters
    ----------
    paths : sequence of path
        Notebooks as `runner.execute` writes them.
    """
    figures = [figure for path in paths for figure in _figures(Path(path))]
    seen = {}
    for figure in figures:
        if figure.id in seen:
            raise InputError(f"{figure.id} is shown by {seen[figure.id]} and by {figure.chapter}; renumber one of them")
        seen[figure.id] = figure.chapter
    return figures


def write(figures, folder):
    """Write ``index.html`` and one PNG a figure into ``folder``, all at once; return the page's path.

    The folder is made beside its place and moved in when it is complete, so that no half-written gallery is ever seen.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".gallery-") as workshop:
        fresh, old = Path(workshop) / "fresh", Path(workshop) / "old"
        fresh.mkdir()
        for figure in figures:
            (fresh / f"{figure.id}.png").write_bytes(figure.png)
        (fresh / "index.html").write_text(page(figures), encoding="utf-8")
        if folder.exists():
            shutil.move(folder, old)
        shutil.move(fresh, folder)
    return folder / "index.html"


def up_to_date(paths, build):
    """Return the executed copies, in ``build``, of those chapters whose code has not changed since.

    Parameters
    ----------
    paths : sequence of path
        The chapters.
    build : path
        Where their executed copies are.
    """
    copies = [(path, Path(build) / path.name) for path in map(Path, paths)]
    return [copy for path, copy in copies if copy.exists() and _code(copy) == _code(path)]


def datasets_used(figures):
    """Return {name: "real" or "simulated"} of the data sets in the figures; names without an origin are left out.

    Examples
    --------
    >>> from scomics_lite.course.gallery import datasets_used
    >>> datasets_used([])
    {}
    """
    named = [pair for figure in figures for pair in _origins(figure)]
    return {name: kind for name, kind in named if kind in ("real", "simulated")}


def page(figures):
    """Return the gallery as one HTML page, without scripts; its pictures lie beside it as ID.png."""
    titles = {figure.chapter: figure.title for figure in figures}
    parts = [_section(title, [f for f in figures if f.chapter == chapter]) for chapter, title in titles.items()]
    links = " · ".join(f'<a href="#{figure.id}">{figure.id}</a>' for figure in figures)
    many = f"{len(figures)} figures" if len(figures) != 1 else "1 figure"
    return _PAGE.format(many=many, links=links, sections="\n".join(parts))


def _code(path):
    return [cell.source for cell in notebooks.code_cells(notebooks.read(path))]


def _figures(path):
    notebook = notebooks.read(path)
    made = notebook.metadata.get("scomics_lite", {})
    for cell in notebooks.code_cells(notebook):
        for output in cell.outputs:
            record = output.get("metadata", {}).get("scomics_lite")
            if record:
                yield Figure(
                    id=record["figure"],
                    caption=record["caption"],
                    alt=record["alt"],
                    chapter=path.stem,
                    title=_title(notebook, path),
                    dataset=record["dataset"],
                    kind=record["kind"],
                    sha256=record["sha256"],
                    seed=record["seed"],
                    seconds=_seconds(cell),
                    versions=made.get("versions", {}),
                    png=base64.b64decode(output["data"]["image/png"]),
                )


def _title(notebook, path):
    """Return the notebook's first heading, or its file name."""
    texts = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = re.search(r"^# +(.+)$", texts, re.MULTILINE)
    return heading[1].strip() if heading else path.stem


def _seconds(cell):
    """Return how long a cell ran, from the time stamps nbclient leaves in its metadata."""
    stamps = cell.metadata["execution"]
    begin, end = (datetime.fromisoformat(stamps[f"iopub.{what}"]) for what in ("execute_input", "status.idle"))
    return (end - begin).total_seconds()


def _section(title, figures):
    blocks = "\n".join(map(_block, figures))
    return f"<section>\n<h2>{html.escape(title)}</h2>\n{blocks}\n</section>"


def _block(figure):
    facts = {
        "Chapter": figure.chapter,
        "Data": _data(figure),
        "Checksum (sha256)": figure.sha256 or "–",
        "Seed": "–" if figure.seed is None else figure.seed,
        "Time of its cell": f"{figure.seconds:.1f} s",
        "Versions": ", ".join(f"{name} {number}" for name, number in figure.versions.items()),
    }
    rows = "".join(f"<dt>{name}</dt><dd>{html.escape(str(value))}</dd>" for name, value in facts.items())
    caption = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(figure.caption))
    return _FIGURE.format(id=figure.id, alt=html.escape(figure.alt), caption=caption, rows=rows)


def _origins(figure):
    """Return (name, kind) of the data sets in a figure; the kind is None or a dash where nobody said."""
    names, kinds = (text.split(", ") if text else [] for text in (figure.dataset, figure.kind))
    return list(zip_longest(names, kinds))


def _data(figure):
    origins = [f"{name} ({kind})" if kind in ("real", "simulated") else name for name, kind in _origins(figure)]
    return ", ".join(origins) or "numbers made in the chapter"


_FIGURE = """\
<figure id="{id}">
<a href="{id}.png"><img src="{id}.png" alt="{alt}" loading="lazy"></a>
<figcaption><p><b>{id}</b> {caption}</p>
<dl>{rows}</dl></figcaption>
</figure>"""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>scomics-lite: figures</title>
<style>
:root {{ color-scheme: light; }}
body {{ margin: 0; background: #f6f6f4; color: #222; font: 16px/1.55 system-ui, sans-serif; }}
header, section {{ max-width: 62rem; margin: 0 auto; padding: 1rem 1.25rem; }}
h1 {{ margin: 1rem 0 .25rem; font-size: 1.9rem; }}
h2 {{ margin: 1.5rem 0 1rem; padding-bottom: .3rem; border-bottom: 2px solid #0072b2; font-size: 1.35rem; }}
a {{ color: #00588a; }}
figure {{ margin: 0 0 1.75rem; padding: 1rem 1.25rem; background: #fff; border: 1px solid #ddd; border-radius: 6px; }}
figure:target {{ border-color: #0072b2; box-shadow: 0 0 0 2px #0072b2; }}
img {{ display: block; max-width: 100%; height: auto; margin: 0 auto .75rem; }}
figcaption p {{ margin: 0 0 .75rem; max-width: 48rem; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0; font-size: .85rem; }}
dt {{ color: #666; }}
dd {{ margin: 0; overflow-wrap: anywhere; }}
</style>
</head>
<body>
<header>
<h1>Figures of scomics-lite</h1>
<p>{many}, as the chapters drew them when they were last executed. Code: BSD-3-Clause; text and figures: CC BY 4.0.</p>
<nav>{links}</nav>
</header>
{sections}
</body>
</html>
"""
