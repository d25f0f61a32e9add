"""Data sets by name, each with its design, units, licence and citation.

Simulated sets are bundled with the package. Real ones are downloaded when first asked for, checked against their
sha256, and kept; none of them is bundled, because the licences differ (read the `licence` column of `available`).

>>> adata = load("pasilla_simulated")
>>> adata.shape
(7, 14599)
>>> adata.obs["condition"].cat.categories.tolist()
['untreated', 'treated']
>>> adata.uns["dataset"]["kind"]
'simulated'
"""

import hashlib
from functools import cache

import pandas as pd

from scomics_lite.bundled import data_folder
from scomics_lite.datasets import downloads, readers, standins
from scomics_lite.datasets.downloads import DownloadError
from scomics_lite.validation import InputError, did_you_mean

BUNDLED_SOURCE, BUNDLED_LICENCE = "scomics_lite.simulate", "CC BY 4.0"


def available(*, cache_dir=None):
    """List every data set.

    Parameters
    ----------
    cache_dir : path, optional
        A folder to look for downloads in, before ``$SCOMICS_LITE_DATA`` and the user's cache.

    Returns
    -------
    DataFrame
        Index ``name``; columns ``title``, ``modality``, ``n_obs`` and ``n_vars`` (samples or cells, and features of all
        modalities together), ``source``, ``licence`` (as stated by the source), ``bundled`` (simulated, comes with the
        package), ``cached`` (real, and all its files are here and intact).

    Examples
    --------
    >>> available().loc["airway", "licence"]
    'CC BY-NC-SA 4.0'
    """
    table = _sets()[["title", "modality", "n_obs", "n_vars"]].copy()
    table["source"] = [_source(name) for name in table.index]
    table["licence"] = [_licence(name) for name in table.index]
    table["bundled"] = [not _is_real(name) for name in table.index]
    folders = downloads.places(cache_dir)
    table["cached"] = [
        _is_real(name) and all(downloads.find(remote, folders) for remote in _remote_files(name))
        for name in table.index
    ]
    return table


def load(name, *, standin=False, cache_dir=None, progress=True):
    """Load a data set.

    A real set is taken from the first of `cache_dir`, ``$SCOMICS_LITE_DATA`` and the user's cache that holds its files
    intact, and downloaded into the first of them that can be written to where none does. A file of yours that has the
    name of one of the set's is never written over.

    Parameters
    ----------
    name : str
        A name in the index of `available`.
    standin : bool
        Load the bundled simulated stand-in (``<name>_simulated``, the same design) where the real set is neither cached
        nor to be downloaded. ``.uns["dataset"]["kind"]`` tells which one came.
    cache_dir : path, optional
        Folder for downloads: ``<cache_dir>/<dataset>/<file>``.
    progress : bool
        Draw a progress bar while downloading.

    Returns
    -------
    AnnData or MuData
        Samples, cells, spots or people in rows, design columns categorical with the reference level first in ``obs``.
        ``uns["dataset"]`` holds ``name``, ``title``, ``kind`` ("real" or "simulated"), ``sha256`` (of the file; of the
        files' sha256 lines where there are several), ``source``, ``licence``, ``citation``, ``units`` and, for
        simulated sets, ``seed``. Truth of simulated sets: see `simulate.bulk_counts`, and the cards of those of
        genotypes. Traps of each set: see ``data/README.md``.

    Raises
    ------
    InputError
        There is no set of this name.
    DownloadError
        A file is missing and cannot be downloaded: names it, its size, address and place, and what to use instead. Or
        another file lies in its place: names that, and the ways out.

    Examples
    --------
    >>> truth = load("compositional_bulk")
    >>> float(truth.var["changed"].mean())
    0.3
    """
    _check_name(name)
    if not _is_real(name):
        return _load_bundled(name)
    try:
        paths = _fetch(name, cache_dir, progress, ask_again=False)
    except DownloadError:
        if not standin or _standin(name) is None:
            raise
        return _load_bundled(_standin(name))
    data = readers.READERS[name]({path.name: path for path in paths})
    data.uns["dataset"] = _description(name)
    return data


def fetch(name, *, cache_dir=None, progress=True):
    """Download the files of a real data set, if they are not cached yet, and return their paths.

    Unlike `load`, it tries the network even if this process has found it unreachable before.

    Parameters
    ----------
    name : str
        A name in the index of `available`; a bundled set has nothing to download and gives its one file.
    cache_dir, progress
        As for `load`.

    Returns
    -------
    list of pathlib.Path

    Raises
    ------
    InputError, DownloadError
        As for `load`.

    Examples
    --------
    >>> [path.name for path in fetch("compositional_bulk")]
    ['compositional_bulk.h5ad']
    """
    _check_name(name)
    return _fetch(name, cache_dir, progress, ask_again=True) if _is_real(name) else [_bundled_file(name)]


def make_bundled(name):
    """Simulate a bundled data set again from its stored recipe: the same counts or genotypes as in the file.

    Parameters
    ----------
    name : str
        A bundled set: ``available().query("bundled")`` lists them.

    Returns
    -------
    AnnData or MuData

    Examples
    --------
    >>> bool((make_bundled("compositional_bulk").X == load("compositional_bulk").X).all())
    True
    """
    _check_name(name)
    if _is_real(name):
        raise InputError(f"{name!r} is a real data set and cannot be simulated; {_standin_advice(name)}")
    return standins.make(standins.read_recipe(_bundled_file(name).parent, name))


@cache
def _sets():
    return pd.read_csv(data_folder() / "SETS.tsv", sep="\t", index_col="name")


@cache
def _sources():
    return pd.read_csv(data_folder() / "SOURCES.tsv", sep="\t", index_col="dataset")


def _is_real(name):
    return name in _sources().index


def _check_name(name):
    if name not in _sets().index:
        raise InputError(f"no data set named {name!r}; {did_you_mean(name, _sets().index)}")


def _rows(name):
    return _sources().loc[[name]]


def _remote_files(name):
    return [
        downloads.RemoteFile(
            file=row.file,
            address=downloads.ADDRESS.format(repo=row.repo, commit=row.commit, path=row.path),
            sha256=row.sha256,
            size=row.bytes,
        )
        for row in _rows(name).itertuples()
    ]


def _fetch(name, cache_dir, progress, ask_again):
    return downloads.fetch(
        _remote_files(name),
        cache_dir=cache_dir,
        progress=progress,
        ask_again=ask_again,
        advice=_standin_advice(name),
    )


def _standin(name):
    return f"{name}_simulated" if f"{name}_simulated" in _sets().index else None


def _standin_advice(name):
    if _standin(name) is None:
        return "There is no bundled stand-in for this set."
    return f"Bundled stand-in of the same design: datasets.load({_standin(name)!r})"


def _bundled_file(name):
    return standins.path_of(data_folder() / "simulated", name)


def _load_bundled(name):
    adata = standins.read(_bundled_file(name).parent, name)
    adata.uns["dataset"] = _description(name) | {"seed": int(adata.uns["truth"]["seed"])}
    return adata


def _source(name):
    if not _is_real(name):
        return BUNDLED_SOURCE
    row = _rows(name).iloc[0]
    return f"https://github.com/{row['repo']}, commit {row['commit'][:8]}"


def _licence(name):
    return _rows(name)["licence"].iloc[0] if _is_real(name) else BUNDLED_LICENCE


def _sha256(name):
    if not _is_real(name):
        return hashlib.sha256(_bundled_file(name).read_bytes()).hexdigest()
    lines = list(_rows(name)["sha256"])
    return lines[0] if len(lines) == 1 else hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _description(name):
    about = _sets().loc[name]
    return {
        "name": name,
        "title": about["title"],
        "kind": "real" if _is_real(name) else "simulated",
        "sha256": _sha256(name),
        "source": _source(name),
        "licence": _licence(name),
        "citation": about["citation"],
        "units": about["units"],
    }
