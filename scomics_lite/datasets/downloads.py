"""Fetch the files of real data sets once, check them always, and stay calm when there is no network.

A file is looked for in a few folders, in order. Only a copy with the right sha256 is ever used. What is missing is
downloaded in a folder of its own and moved into place when complete, so a killed or doubled download leaves nothing
half-written behind the real name. In the user's cache, which is the package's own, it may take the place of a damaged
copy; anywhere else a file of that name may be the reader's, and stays.
"""

import hashlib
import logging
import os
import shutil
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests
from tqdm import tqdm

from scomics_lite.progress import no_bar

ADDRESS = "https://raw.githubusercontent.com/{repo}/{commit}/{path}"
TIMEOUT = (4, 10)  # seconds to connect, seconds between two pieces: a stalled server is given up, a slow one is not
PROBE_SECONDS = 6  # one probe a process decides "offline": name look-up alone can hang far longer than this
RETRIES = 2  # after the first attempt
STALE_SECONDS = 3600  # a folder in which nothing was written for so long belongs to a download that was killed
UNFINISHED = ".scomics_lite-"  # how the folders of downloads under way are called

log = logging.getLogger("scomics_lite")
_unreachable = {}  # server -> why it could not be reached, "" where it could


class DownloadError(OSError):
    """A file that is neither in a cache nor to be had; the message says what to put where, or what to use instead."""


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set: where it belongs in every cache, where it comes from, and what it must be."""

    file: str
    address: str
    sha256: str
    size: int


def places(cache_dir=None):
    """List the folders to look in, first choice first: `cache_dir`, ``$SCOMICS_LITE_DATA``, the user's cache."""
    named = [cache_dir, os.environ.get("SCOMICS_LITE_DATA")]
    return [Path(folder).expanduser() for folder in named if folder] + [_own_cache()]


def _own_cache():
    return Path(pooch.os_cache("scomics_lite"))


def is_intact(path, remote):
    """Say whether `path` holds exactly the file that `remote` describes."""
    try:
        if path.stat().st_size != remote.size:
            return False
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == remote.sha256
    except OSError:  # not there, or not readable: no copy for us either way
        return False


def find(remote, folders):
    """Return the first intact copy in `folders`, or None; damaged copies met on the way are only passed over."""
    return next((folder / remote.file for folder in folders if is_intact(folder / remote.file, remote)), None)


def fetch(remotes, *, cache_dir=None, progress=True, ask_again=False, advice=""):
    """Return the paths of intact copies of `remotes`, downloading what is missing.

    Parameters
    ----------
    remotes : sequence of RemoteFile
    cache_dir : path, optional
        Looked in first, and written to first.
    progress : bool
        Draw a bar for each download.
    ask_again : bool
        Try the network even if this process has found it unreachable before.
    advice : str
        Last line of the error message: what else the reader can do.

    Raises
    ------
    DownloadError
        Names each missing file, its size, address, sha256 and place; or the file that lies in its place.
    """
    folders = places(cache_dir)
    found = {remote: find(remote, folders) for remote in remotes}
    _say_what_is_passed_over(found, folders)
    missing = [remote for remote, path in found.items() if path is None]
    if missing:
        found |= _download_all(missing, folders, progress, ask_again, advice)
    return list(found.values())


def _say_what_is_passed_over(found, folders):
    for remote, used in found.items():
        for path in (folder / remote.file for folder in folders):
            if path == used:
                break
            if path.is_file():
                log.warning("passed over: %s is damaged, or another file of that name", path)


def _download_all(missing, folders, progress, ask_again, advice):
    folder = _first_writable(folders, Path(missing[0].file).parent)
    reason = "no cache folder can be written to"
    if folder:
        _check_places_are_free(missing, folder, advice)
        reason = _why_unreachable(missing[0].address, ask_again)
    if reason:
        raise DownloadError(_message(reason, missing, folder or folders[0], advice))
    try:
        return {remote: _download(remote, folder, progress) for remote in missing}
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; pooch says "wrong hash" with a ValueError
        if isinstance(error, requests.ConnectionError):
            _unreachable[_server(missing[0].address)] = str(error)
        left = [remote for remote in missing if find(remote, [folder]) is None]
        raise DownloadError(_message(str(error), left or missing, folder, advice)) from error


def _check_places_are_free(missing, folder, advice):
    """Refuse to write over what may be the reader's."""
    if folder.resolve() == _own_cache().resolve():
        return
    for path, remote in ((folder / remote.file, remote) for remote in missing):
        if os.path.lexists(path) and not is_intact(path, remote):
            lines = [
                f"{path} is in the way: it is not the file of the data set, and may be yours, so it was left as it is.",
                f"Expected are {remote.size:,} bytes with sha256 {remote.sha256}.",
                "Give it another name, or delete it if it is a damaged copy; or choose another folder: cache_dir=…",
            ]
            raise DownloadError("\n".join([*lines, *filter(None, [advice])]))


def _first_writable(folders, subfolder):
    for folder in folders:
        with suppress(OSError):
            (folder / subfolder).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder / subfolder):  # permission bits alone do not tell
                return folder
    return None


def _download(remote, folder, progress):
    """Download one file, in a folder of its own where pooch checks the hash, and then move it to its place."""
    place = folder / remote.file
    _sweep(place.parent)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=place.parent, ignore_cleanup_errors=True) as own:
        store = pooch.create(
            path=own,
            base_url="",
            registry={place.name: "sha256:" + remote.sha256},
            urls={place.name: remote.address},
            retry_if_failed=RETRIES,
        )
        bar = tqdm(
            total=remote.size, unit="B", unit_scale=True, desc=remote.file, leave=False, disable=no_bar(progress)
        )
        with _quiet(pooch.get_logger()), bar:
            get = pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT, chunk_size=2**16)
            os.replace(store.fetch(place.name, downloader=get), place)
    return place


def _sweep(folder):
    """Remove what killed downloads left."""
    for unfinished in folder.glob(f"{UNFINISHED}*"):
        with suppress(OSError):
            written = max(path.stat().st_mtime for path in [unfinished, *unfinished.iterdir()])
            if time.time() - written > STALE_SECONDS:
                shutil.rmtree(unfinished)


@contextmanager
def _quiet(logger):
    """Silence pooch's announcements, which would put a path of this machine into the output of a notebook."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _server(address):
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}/"


def _why_unreachable(address, ask_again):
    """Say why the server of `address` cannot be reached, "" if it can; asked once a process."""
    server = _server(address)
    if ask_again or server not in _unreachable:
        _unreachable[server] = _probe(server)
    return _unreachable[server]


def _probe(server):
    """Knock once, in a thread, because neither name look-up nor many addresses in a row obey a time-out."""
    outcome = []

    def knock():
        try:
            requests.head(server, timeout=TIMEOUT)  # any answer will do, "not found" too
            outcome.append("")
        except OSError as error:
            outcome.append(f"{server} cannot be reached ({type(error).__name__})")

    thread = threading.Thread(target=knock, daemon=True)
    try:
        thread.start()
    except RuntimeError:  # in a browser (Pyodide) there are none
        return f"{server} cannot be asked where no thread can be started"
    thread.join(PROBE_SECONDS)
    return outcome[0] if outcome else f"{server} did not answer within {PROBE_SECONDS} seconds"


def _message(reason, missing, folder, advice):
    lines = [f"not in any cache, and the download failed: {reason}"]
    for remote in missing:
        lines += [
            f"  {remote.file}, {remote.size:,} bytes",
            f"    from   {remote.address}",
            f"    to     {folder / remote.file}",
            f"    sha256 {remote.sha256}",
        ]
    lines.append("Put the files there by hand, or into the same subfolder of a folder that SCOMICS_LITE_DATA names.")
    return "\n".join([*lines, *filter(None, [advice])])
