"""What a step was made from, beside its files: a step is done once, and never taken for one of other inputs.

``step.json`` has fingerprints of the inputs, the settings, versions of packages and, once the step is done, a checksum
of each file. It holds no time and no path: the same run anywhere gives the same bytes.
"""

import hashlib
import json
import platform
import re
import shutil
from importlib import metadata

from scomics_lite.twas.exchange.file_access import new_file
from scomics_lite.twas.steps.working_folder import told_of_disk
from scomics_lite.validation import InputError, warn

RECORD, UNFINISHED = "step.json", "unfinished"
PACKAGES = ("scomics-lite", "numpy", "scipy", "pandas", "anndata", "h5py", "numba", "torch", "safetensors", "pyfaidx")
STEP = re.compile(r"(\d+)_")  # how the folders of steps begin
BLOCK = 1 << 20  # bytes read together


def do_step(place, inputs, settings, work):
    """Do a step in its folder, go on with one that was begun, or leave one as it is that is done.

    Parameters
    ----------
    place : Path
        The step's folder; that of the whole path around it exists.
    inputs : dict of str to str
        Fingerprints, by what a user calls the input.
    settings : dict of str to JSON values
    work : callable
        ``work(place, unfinished)`` writes the step's files into `place`, and what is only needed to go on into
        `unfinished`, a folder that is gone when the step is done.

    Returns
    -------
    bool
        Whether anything was done.

    Raises
    ------
    InputError
        If the step was made from other inputs or settings (named), one of its files is gone or changed, or the folder
        cannot be written.

    Warns
    -----
    UserWarning
        If it was made with other versions of packages.

    Examples
    --------
    >>> from pathlib import Path
    >>> def count(place, unfinished):
    ...     _ = (place / "count.txt").write_text("3")
    >>> place = Path("1_count")
    >>> do_step(place, {"list": "abc"}, {}, count), do_step(place, {"list": "abc"}, {}, count)
    (True, False)
    >>> do_step(place, {"list": "xyz"}, {}, count)
    Traceback (most recent call last):
    scomics_lite.validation.InputError: 1_count was made from another list. Give that again, or another folder to work \
in; or delete 1_count, which is then made anew
    """
    record = {"inputs": inputs, "settings": json.loads(json.dumps(settings)), "versions": versions()}
    before = _read(place)
    if before:
        _compare(place, before, record)
        if "files" in before:
            _check_files(place, before["files"])
            shutil.rmtree(place / UNFINISHED, ignore_errors=True)
            return False
    with told_of_disk(place):
        (place / UNFINISHED).mkdir(parents=True, exist_ok=True)
        _write(place, record)
        work(place, place / UNFINISHED)
        _write(place, record | {"files": {name: checksum(place / name) for name in _files(place)}})
        shutil.rmtree(place / UNFINISHED)
    return True


def versions():
    """Name the versions of Python and of the packages that a step's numbers come from.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> sorted(versions())[:3]
    ['anndata', 'h5py', 'numba']
    """
    known = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            known[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # a checkout that is not installed
            continue
    return known


def checksum(path):
    """Give the SHA-256 of a file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("empty.txt").write_text("")
    >>> checksum(Path("empty.txt"))[:12]
    'e3b0c44298fc'
    """
    whole = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            whole.update(block)
    return whole.hexdigest()


def is_done(place):
    """Tell whether a step has ended, whatever it was made from.

    Parameters
    ----------
    place : Path

    Returns
    -------
    bool

    Examples
    --------
    >>> from pathlib import Path
    >>> is_done(Path("9_nothing"))
    False
    """
    return "files" in (_read(place) or {})


def recorded_checksums(place, ending=""):
    """Give the checksums of a finished step's files, out of its record.

    Parameters
    ----------
    place : Path
    ending : str
        Of the names of the files that are asked for.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> from pathlib import Path
    >>> def count(place, unfinished):
    ...     _ = (place / "count.txt").write_text("3")
    >>> do_step(Path("2_count"), {}, {}, count)
    True
    >>> list(recorded_checksums(Path("2_count"), ".txt"))
    ['count.txt']
    """
    files = json.loads((place / RECORD).read_text(encoding="utf-8"))["files"]
    return {name: text for name, text in files.items() if name.endswith(ending)}


def _files(place):
    """List the step's files, by their names inside its folder."""
    paths = (path.relative_to(place) for path in place.rglob("*") if path.is_file() and not path.name.startswith("."))
    return sorted(path.as_posix() for path in paths if path.parts[0] not in (RECORD, UNFINISHED))


def _write(place, record):
    with new_file(place / RECORD, overwrite=True) as file:
        file.write((json.dumps(record, indent=1, sort_keys=True) + "\n").encode())


def _read(place):
    """Read the record of a step that was begun; None where there is none, and nothing else either."""
    path = place / RECORD
    if not path.exists():
        if place.exists() and any(place.iterdir()) and not _is_begun(place):
            raise InputError(f"{place} holds files and no {RECORD}: it is none of ours. Give another folder to work in")
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {name: dict(record[name]) for name in ("inputs", "settings", "versions", *({"files"} & set(record)))}
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} cannot be read: {_delete(place)}") from None


def _is_begun(place):
    """Tell a step that was killed before its record was written: the folder for what is unfinished is made first."""
    return all(path.name == UNFINISHED or path.name.startswith(f".{RECORD}") for path in place.iterdir())


def _compare(place, before, now):
    """Stop where inputs or settings are others than those the step was made from; warn of other packages."""
    inputs = [f"from another {name}" for name in _differing(before["inputs"], now["inputs"])]
    settings = [
        f"with {name} {_shown(before['settings'], name)} (now {_shown(now['settings'], name)})"
        for name in _differing(before["settings"], now["settings"])
    ]
    if inputs or settings:
        raise InputError(
            f"{place} was made {', '.join(inputs + settings)}. Give that again, or another folder to work in; or "
            f"{_delete(place)}"
        )
    other = {name: old for name, old in before["versions"].items() if now["versions"].get(name, old) != old}
    if other:
        shown = ", ".join(f"{name} {old}, now {now['versions'][name]}" for name, old in other.items())
        warn(f"{place} was made with {shown}: its numbers are taken as they are; {_delete(place)}")


def _differing(before, now):
    return [name for name in {**now, **before} if before.get(name) != now.get(name)]


def _shown(settings, name):
    text = json.dumps(settings.get(name))
    return text if len(text) <= 60 else f"{text[:57]}…"


def _check_files(place, files):
    """Stop where a file is not as the step left it."""
    for name, before in files.items():
        path = place / name
        if not path.is_file() or checksum(path) != before:
            what = "was changed since" if path.is_file() else "is gone"
            raise InputError(f"{path}, which this step made, {what}: put it back, or {_delete(place)}")


def _delete(place):
    """Say what has to go: the step, and those that were made from it."""
    number = STEP.match(place.name)
    later = [path.name for path in sorted(place.parent.iterdir()) if path.is_dir() and STEP.match(path.name)]
    names = [place.name, *(name for name in later if number and int(STEP.match(name)[1]) > int(number[1]))]
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    return f"delete {listed}, which {'are' if len(names) > 1 else 'is'} then made anew"
