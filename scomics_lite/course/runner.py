"""Execute chapters, each in a fresh kernel, into ``build/notebooks``; the notebooks themselves stay as they are."""

import os
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from platform import python_version

import ipykernel.kernelspec
import psutil
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from tqdm import tqdm

from scomics_lite import __version__
from scomics_lite.course import notebooks
from scomics_lite.plots import FIGURE_ID
from scomics_lite.progress import no_bar
from scomics_lite.validation import InputError, did_you_mean

CELL_SECONDS = 600  # a cell of a chapter takes seconds; this bounds a cell that hangs
SAMPLING_SECONDS = 0.02
PACKAGES = ("numpy", "scipy", "pandas", "anndata", "matplotlib")  # whose versions a figure depends on


@dataclass(frozen=True)
class Run:
    """How the execution of one notebook went: seconds, peak memory in MB, and the error that ended it, if one did."""

    chapter: str
    path: Path
    seconds: float
    peak_mb: float
    error: str | None


def chapters(root, wanted=()):
    """Return the paths of the chapters asked for, by name or number (``1``, ``07b``); all of them if none is.

    Parameters
    ----------
    root : path
        The checkout.
    wanted : sequence of str
    """
    paths = sorted((Path(root) / "notebooks").glob("*.ipynb"))
    if not paths:
        raise InputError(f"there are no notebooks in {Path(root) / 'notebooks'}")
    return [_find(name, paths) for name in wanted] or paths


def chapters_with(root, ids):
    """Return the chapters whose code shows the figures asked for; all chapters if none is named."""
    shown = {id: path for path in chapters(root) for id in _figure_ids(path)}
    for id in ids:
        if id not in shown:
            raise InputError(f"no chapter shows figure {id!r}; {did_you_mean(id, shown)}")
    return sorted({shown[id] for id in ids}) if ids else chapters(root)


def execute(path, target, progress=True):
    """Execute one notebook in a fresh kernel, in its own folder, and write the result to ``target``.

    A cell that fails ends this notebook: what was executed so far is written all the same.

    Parameters
    ----------
    path, target : path
        The notebook, and where the executed copy goes.
    progress : bool
        Show a bar over the cells.

    Returns
    -------
    Run
    """
    notebook = notebooks.read(path)
    for cell in notebooks.code_cells(notebook):
        cell.update(outputs=[], execution_count=None)
    start = time.perf_counter()
    with _kernel(notebook, Path(path).parent) as client, _peak_memory(client) as peak:
        error = _execute_cells(client, Path(path), progress)
    seconds = time.perf_counter() - start
    notebook.metadata = {**notebooks.METADATA, "scomics_lite": _how_made(seconds, peak[0])}
    notebooks.write_text(target, notebooks.to_text(notebook))
    return Run(Path(path).stem, Path(target), seconds, peak[0], error)


def _figure_ids(path):
    return {text for text in notebooks.strings(notebooks.read(path)) if FIGURE_ID.fullmatch(text)}


def _find(name, paths):
    """Find a chapter by its file name, with or without the ending, or by its number, with or without zeros in front."""
    number = re.fullmatch(r"0*(\d+[a-z]?)", name)
    for path in paths:
        if Path(name).name in (path.stem, path.name):
            return path
        if number and re.fullmatch(r"0*" + number[1], path.stem.split("_")[0]):
            return path
    raise InputError(f"there is no chapter {name!r}; {did_you_mean(Path(name).stem, [path.stem for path in paths])}")


class _PresentEnvironment(KernelSpecManager):
    """Find no kernel but that of the running Python: an installed kernel named python3 may belong to another one."""

    def get_kernel_spec(self, kernel_name):
        spec = ipykernel.kernelspec.get_kernel_dict()
        return self.kernel_spec_class(resource_dir=ipykernel.kernelspec.RESOURCES, **spec)


@contextmanager
def _kernel(notebook, folder):
    """Start a kernel for one notebook and end it in any case."""
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=_PresentEnvironment())
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=CELL_SECONDS,
        record_timing=True,
        resources={"metadata": {"path": str(folder)}},
        # Errors of cells come as outputs; what else a kernel logs is about its start (TCP) and its end (Ctrl-C).
        extra_arguments=["--log-level=CRITICAL"],
    )
    environment = {**os.environ, "SCOMICS_LITE_STATIC": "1"}
    with client.setup_kernel(env=environment, cleanup_kc=True):
        yield client


def _execute_cells(client, path, progress):
    """Execute the cells in order; return None, or one line about the cell that failed."""
    total = len(notebooks.code_cells(client.nb))
    with tqdm(total=total, desc=path.stem, unit="cell", disable=no_bar(progress)) as bar:
        for index, cell in enumerate(client.nb.cells):
            try:
                client.execute_cell(cell, index, execution_count=client.code_cells_executed + 1)
            except CellExecutionError as error:
                return f"{path.name}, cell {index + 1}: {error.ename}: {error.evalue}"
            except CellTimeoutError:
                return f"{path.name}, cell {index + 1}: not done after {CELL_SECONDS} s"
            except DeadKernelError:
                return f"{path.name}, cell {index + 1}: the kernel died (out of memory?)"
            bar.update(cell.cell_type == "code" and bool(cell.source.strip()))
    return None


@contextmanager
def _peak_memory(client):
    """Yield a list of one number: the peak in MB so far of the kernel and the processes it started.

    Sampled from outside, fifty times a second, which works the same on every system; an array that lives for less
    than that may be missed.
    """
    peak, done = [0.0], threading.Event()
    kernel = psutil.Process(client.km.provisioner.pid)

    def watch():
        while not done.wait(SAMPLING_SECONDS):
            try:
                family = [kernel, *kernel.children(recursive=True)]
                peak[0] = max(peak[0], sum(process.memory_info().rss for process in family) / 1e6)
            except psutil.Error:  # the kernel, or a process of its, has just ended
                continue

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _how_made(seconds, peak_mb):
    versions = {"python": python_version(), "scomics_lite": __version__}
    versions |= {name: version(name) for name in PACKAGES}
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    return {"versions": versions, "seconds": round(seconds, 1), "peak_mb": round(peak_mb), "finished": finished}
