"""Downloads, against a local server that misbehaves on request, with real processes where processes matter."""

import hashlib
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
import requests

from scomics_lite import datasets
from scomics_lite.datasets import DownloadError, downloads

NAMES = ["untreated1", "treated1"]
COUNTS = "gene_id\t" + "\t".join(NAMES) + "\n" + "".join(f"gene{i}\t{i}\t{2 * i}\n" for i in range(20_000))
NOTES = '"file","condition","type"\n"treated1fb","treated","single-read"\n"untreated1fb","untreated","paired-end"\n'
FILES = {"pasilla_gene_counts.tsv": COUNTS.encode(), "pasilla_sample_annotation.csv": NOTES.encode()}
TOTAL = str(3 * sum(range(20_000)))

# A process of its own that loads the miniature pasilla set from the server and prints the sum of its counts
CHILD = """
import sys, pandas as pd
from scomics_lite import datasets
from scomics_lite.datasets import downloads
address, table, cache = sys.argv[1:]
downloads.ADDRESS = address
sources = pd.read_csv(table, sep="\\t", index_col="dataset")
datasets.catalogue._sources = lambda: sources
print(datasets.load("pasilla", cache_dir=cache, progress=False).X.sum())
"""


class Handler(http.server.BaseHTTPRequestHandler):
    """Serve FILES; a misbehaviour waits in ``server.moods`` and is used up by one request."""

    def do_HEAD(self):
        self.send_response(404)
        self.end_headers()

    def do_GET(self):
        name = self.path.rpartition("/")[2]
        self.server.requests.append(name)
        mood = self.server.moods.pop(0) if self.server.moods else "good"
        body = FILES[name]
        if mood == "error":
            self.send_error(500)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if mood == "corrupt":
            body = b"x" * len(body)
        if mood == "truncate":
            body = body[: len(body) // 2]
        half = len(body) // 2
        self.wfile.write(body[:half])
        self.wfile.flush()
        if mood == "slow":
            time.sleep(0.5)
        if mood == "stall":
            self.server.stalled.set()
            self.server.go_on.wait(20)
        self.wfile.write(body[half:])

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # a killed client is part of the test


@pytest.fixture
def server():
    instance = Server(("127.0.0.1", 0), Handler)
    instance.moods, instance.requests = [], []
    instance.stalled, instance.go_on = threading.Event(), threading.Event()
    thread = threading.Thread(target=instance.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    instance.address = f"http://127.0.0.1:{instance.server_port}/{{repo}}/{{commit}}/{{path}}"
    yield instance
    instance.go_on.set()
    instance.shutdown()
    thread.join()
    instance.server_close()


@pytest.fixture(autouse=True)
def small_pasilla(tmp_path, monkeypatch):
    """Put a miniature in the place of pasilla, keep away from the caches of this machine, forget what was offline."""
    rows = [
        {
            "dataset": "pasilla",
            "file": f"pasilla/{name}",
            "repo": "some/repository",
            "commit": "0123456789abcdef",
            "path": f"folder/{name}",
            "sha256": hashlib.sha256(body).hexdigest(),
            "bytes": len(body),
            "licence": "free",
        }
        for name, body in FILES.items()
    ]
    table = pd.DataFrame(rows).set_index("dataset")
    table.to_csv(tmp_path / "sources.tsv", sep="\t")
    monkeypatch.setattr(datasets.catalogue, "_sources", lambda: table)
    monkeypatch.delenv("SCOMICS_LITE_DATA", raising=False)
    monkeypatch.setattr(downloads.pooch, "os_cache", lambda name: tmp_path / "user" / name)
    monkeypatch.setattr(downloads, "_unreachable", {})
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def online(server, monkeypatch):
    monkeypatch.setattr(downloads, "ADDRESS", server.address)
    return server


@pytest.fixture
def offline(monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setattr(downloads, "ADDRESS", f"http://127.0.0.1:{port}/{{repo}}/{{commit}}/{{path}}")


def fill(folder, **changed):
    (folder / "pasilla").mkdir(parents=True)
    for name, body in FILES.items():
        (folder / "pasilla" / name).write_bytes(changed.get(name.partition(".")[0], body))
    return folder


def total(**options):
    return str(datasets.load("pasilla", progress=False, **options).X.sum())


def holds_exactly_the_files(folder):
    return {path.name: path.read_bytes() for path in (folder / "pasilla").iterdir()} == FILES


def start_child(server, tmp_path, cache):
    arguments = [sys.executable, "-c", CHILD, server.address, str(tmp_path / "sources.tsv"), str(cache)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# --- where files are looked for and put -------------------------------------------------------------------------------


def test_a_first_load_downloads_and_a_second_does_not(online, tmp_path):
    assert total(cache_dir=tmp_path / "cache") == TOTAL
    assert holds_exactly_the_files(tmp_path / "cache")
    assert total(cache_dir=tmp_path / "cache") == TOTAL
    assert sorted(online.requests) == sorted(FILES)


def test_downloads_name_the_file_on_a_terminal_and_are_silent_elsewhere(online, tmp_path, capsys, monkeypatch):
    datasets.fetch("pasilla", cache_dir=tmp_path / "log")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    total(cache_dir=tmp_path / "one")
    assert capsys.readouterr() == ("", "")
    datasets.fetch("pasilla", cache_dir=tmp_path / "two")
    shown = capsys.readouterr()
    assert "pasilla_gene_counts.tsv" in shown.err
    assert shown.out == ""
    assert str(tmp_path) not in shown.err


@pytest.mark.parametrize("place", ["cache_dir", "environment", "user"])
def test_an_intact_copy_in_any_place_is_used(offline, tmp_path, monkeypatch, place):
    folders = {"cache_dir": tmp_path / "a", "environment": tmp_path / "b", "user": tmp_path / "user" / "scomics_lite"}
    fill(folders[place])
    monkeypatch.setenv("SCOMICS_LITE_DATA", str(folders["environment"]))
    assert total(cache_dir=folders["cache_dir"]) == TOTAL
    assert datasets.available(cache_dir=folders["cache_dir"]).loc["pasilla", "cached"]


def test_downloads_go_to_the_first_place(online, tmp_path, monkeypatch):
    monkeypatch.setenv("SCOMICS_LITE_DATA", str(tmp_path / "environment"))
    total()
    assert holds_exactly_the_files(tmp_path / "environment")
    total(cache_dir=tmp_path / "chosen")  # found in the environment's folder, not downloaded again
    assert not (tmp_path / "chosen" / "pasilla").exists()
    shutil.rmtree(tmp_path / "environment")
    total(cache_dir=tmp_path / "chosen")
    assert holds_exactly_the_files(tmp_path / "chosen")


# --- damaged copies ---------------------------------------------------------------------------------------------------


@pytest.fixture
def own_cache(tmp_path):
    """The user's cache, which is the package's own."""
    return tmp_path / "user" / "scomics_lite"


@pytest.mark.parametrize("damage", [b"", COUNTS.encode()[:1000], b"x" * len(COUNTS)])
def test_a_damaged_copy_in_the_package_s_own_cache_is_downloaded_again(online, own_cache, damage):
    fill(own_cache, pasilla_gene_counts=damage)
    assert not datasets.available().loc["pasilla", "cached"]
    assert total() == TOTAL
    assert holds_exactly_the_files(own_cache)
    assert online.requests == ["pasilla_gene_counts.tsv"]


@pytest.mark.parametrize("mood", ["error", "truncate", "corrupt"])
def test_a_damaged_copy_stays_until_a_good_one_is_there(online, own_cache, mood, monkeypatch):
    monkeypatch.setattr(downloads, "RETRIES", 0)
    fill(own_cache, pasilla_gene_counts=b"half a file")
    online.moods = [mood]
    with pytest.raises(DownloadError):
        total()
    assert (own_cache / "pasilla" / "pasilla_gene_counts.tsv").read_bytes() == b"half a file"
    assert total() == TOTAL
    assert holds_exactly_the_files(own_cache)


def test_a_damaged_copy_does_not_hide_a_good_one(offline, tmp_path, monkeypatch, caplog):
    bad = fill(tmp_path / "bad", pasilla_gene_counts=b"half a file")
    monkeypatch.setenv("SCOMICS_LITE_DATA", str(fill(tmp_path / "good")))
    assert total(cache_dir=bad) == TOTAL
    assert caplog.messages == [
        f"passed over: {bad / 'pasilla' / 'pasilla_gene_counts.tsv'} is damaged, or another file of that name"
    ]
    assert (bad / "pasilla" / "pasilla_gene_counts.tsv").read_bytes() == b"half a file"
    assert holds_exactly_the_files(tmp_path / "good")


# --- files of the reader's --------------------------------------------------------------------------------------------

MINE = b"my notes on pasilla"


@pytest.fixture(params=["cache_dir", "environment"])
def with_my_file(request, tmp_path, monkeypatch):
    """A folder in which a file of the reader's has the name of one of the data set's, and how it is handed over."""
    folder = tmp_path / "my folder"
    (folder / "pasilla").mkdir(parents=True)
    mine = folder / "pasilla" / "pasilla_gene_counts.tsv"
    mine.write_bytes(MINE)
    if request.param == "environment":
        monkeypatch.setenv("SCOMICS_LITE_DATA", str(folder))
    return mine, {"cache_dir": folder} if request.param == "cache_dir" else {}


def test_a_file_of_the_reader_s_is_refused_by_name_and_stays(online, with_my_file):
    mine, options = with_my_file
    for function in (datasets.load, datasets.fetch):
        with pytest.raises(DownloadError) as caught:
            function("pasilla", progress=False, **options)
        message = str(caught.value)
        assert message.startswith(f"{mine} is in the way")
        assert f"{len(FILES[mine.name]):,} bytes with sha256 {hashlib.sha256(FILES[mine.name]).hexdigest()}" in message
        assert "another name" in message
        assert "datasets.load('pasilla_simulated')" in message
    assert mine.read_bytes() == MINE
    assert online.requests == []


@pytest.mark.parametrize("way_out", ["rename", "delete", "another folder"])
def test_every_way_out_of_a_file_in_the_way_works(online, with_my_file, tmp_path, way_out):
    mine, options = with_my_file
    if way_out == "rename":
        mine.rename(mine.with_name("notes.txt"))
    elif way_out == "delete":
        mine.unlink()
    else:
        options = {"cache_dir": tmp_path / "another"}
    assert total(**options) == TOTAL
    if way_out == "rename":
        assert mine.with_name("notes.txt").read_bytes() == MINE
    if way_out == "another folder":
        assert mine.read_bytes() == MINE


def test_a_file_in_the_way_is_said_where_the_stand_in_comes(online, with_my_file, caplog):
    mine, options = with_my_file
    assert datasets.load("pasilla", standin=True, **options).uns["dataset"]["kind"] == "simulated"
    assert caplog.messages == [f"passed over: {mine} is damaged, or another file of that name"]
    assert mine.read_bytes() == MINE


def test_folders_and_dead_links_in_the_way_stay_too(online, tmp_path):
    place = tmp_path / "cache" / "pasilla" / "pasilla_gene_counts.tsv"
    place.mkdir(parents=True)
    with pytest.raises(DownloadError, match="is in the way"):
        total(cache_dir=tmp_path / "cache")
    place.rmdir()
    place.symlink_to(tmp_path / "nowhere")
    with pytest.raises(DownloadError, match="is in the way"):
        total(cache_dir=tmp_path / "cache")
    assert place.is_symlink()


@pytest.mark.parametrize("name", ["tmp_a12.csv", "tmpresults1", ".scomics_lite"])
def test_old_files_that_look_temporary_stay(online, tmp_path, name):
    (tmp_path / "cache" / "pasilla").mkdir(parents=True)
    mine = tmp_path / "cache" / "pasilla" / name
    mine.write_bytes(MINE)
    os.utime(mine, (0, 0))
    assert total(cache_dir=tmp_path / "cache") == TOTAL
    assert mine.read_bytes() == MINE


# --- bad servers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mood", ["error", "truncate", "corrupt"])
def test_a_download_that_fails_once_is_tried_again(online, tmp_path, mood):
    online.moods = [mood]
    assert total(cache_dir=tmp_path / "cache") == TOTAL
    assert holds_exactly_the_files(tmp_path / "cache")
    assert len(online.requests) == 3


@pytest.mark.parametrize("mood", ["error", "truncate", "corrupt"])
def test_a_download_that_always_fails_leaves_nothing_behind(online, tmp_path, mood, monkeypatch):
    monkeypatch.setattr(downloads, "RETRIES", 1)
    online.moods = [mood] * 10
    with pytest.raises(DownloadError, match=r"pasilla/pasilla_gene_counts.tsv, 4\d\d,\d\d\d bytes"):
        total(cache_dir=tmp_path / "cache")
    assert list((tmp_path / "cache" / "pasilla").iterdir()) == []
    online.moods = []
    assert total(cache_dir=tmp_path / "cache") == TOTAL


def test_a_killed_download_leaves_no_file_and_the_next_load_succeeds(online, tmp_path):
    online.moods = ["stall"]
    cache = tmp_path / "cache"
    with start_child(online, tmp_path, cache) as child:
        assert online.stalled.wait(30), child.communicate(timeout=5)
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=10)
    left = list((cache / "pasilla").iterdir())
    assert not set(FILES) & {path.name for path in left}
    online.go_on.set()
    (unfinished,) = left
    os.utime(unfinished, (0, 0))
    assert total(cache_dir=cache) == TOTAL  # the file in it was written to just now: a download may be under way
    assert unfinished.exists()
    for path in [*unfinished.iterdir(), unfinished]:  # old enough to belong to nobody
        os.utime(path, (0, 0))
    (cache / "pasilla" / "pasilla_gene_counts.tsv").unlink()
    assert total(cache_dir=cache) == TOTAL
    assert holds_exactly_the_files(cache)


def test_processes_at_once_do_no_harm(online, tmp_path):
    cache = tmp_path / "cache"
    online.moods = ["slow", "slow", "truncate", "error"]
    children = [start_child(online, tmp_path, cache) for _ in range(3)]
    answers = [child.communicate(timeout=60) for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], answers
    assert [out.strip() for out, _ in answers] == [TOTAL] * 3
    assert holds_exactly_the_files(cache)


# --- no network -------------------------------------------------------------------------------------------------------


def test_offline_the_error_says_what_is_missing_and_what_to_do(offline, tmp_path):
    with pytest.raises(DownloadError) as caught:
        total(cache_dir=tmp_path / "cache")
    message = str(caught.value)
    for name, body in FILES.items():
        assert f"pasilla/{name}, {len(body):,} bytes" in message
        assert f"/some/repository/0123456789abcdef/folder/{name}" in message
        assert str(tmp_path / "cache" / "pasilla" / name) in message
        assert hashlib.sha256(body).hexdigest() in message
    assert "datasets.load('pasilla_simulated')" in message
    assert "SCOMICS_LITE_DATA" in message
    assert isinstance(caught.value, OSError)


def test_only_what_is_missing_is_named(offline, tmp_path):
    cache = fill(tmp_path / "cache")
    (cache / "pasilla" / "pasilla_gene_counts.tsv").unlink()
    with pytest.raises(DownloadError, match=r"pasilla_gene_counts\.tsv") as caught:
        total(cache_dir=cache)
    assert "pasilla_sample_annotation" not in str(caught.value)


def test_offline_the_stand_in_comes_when_asked_for(offline, tmp_path):
    adata = datasets.load("pasilla", standin=True, cache_dir=tmp_path / "cache")
    assert adata.uns["dataset"]["name"] == "pasilla_simulated"
    assert adata.uns["dataset"]["kind"] == "simulated"


def test_the_real_set_comes_before_the_stand_in(offline, tmp_path):
    adata = datasets.load("pasilla", standin=True, cache_dir=fill(tmp_path / "cache"))
    assert adata.uns["dataset"]["kind"] == "real"


def test_a_set_without_stand_in_says_so(offline, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.catalogue, "_standin", lambda name: None)
    with pytest.raises(DownloadError, match="no bundled stand-in"):
        datasets.load("pasilla", standin=True, cache_dir=tmp_path)


def test_a_network_that_swallows_everything_is_waited_for_once(tmp_path, monkeypatch):
    assert downloads.PROBE_SECONDS <= 8
    monkeypatch.setattr(downloads, "PROBE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as hole:  # takes connections, never answers
        monkeypatch.setattr(
            downloads, "ADDRESS", f"http://127.0.0.1:{hole.getsockname()[1]}/{{repo}}/{{commit}}/{{path}}"
        )
        for longest in (2.0, 0.2):
            start = time.perf_counter()
            with pytest.raises(DownloadError, match="did not answer within"):
                total(cache_dir=tmp_path)
            assert time.perf_counter() - start < longest


NO_THREADS = """
import threading
def refuse(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
from scomics_lite import datasets
print(datasets.load("pasilla", standin=True, cache_dir="nowhere").uns["dataset"]["kind"])
try:
    datasets.load("pasilla", cache_dir="nowhere")
except datasets.DownloadError as error:
    print("cannot be asked where no thread can be started" in str(error))
"""


def test_where_threads_are_forbidden_the_stand_in_comes(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "SCOMICS_LITE_DATA"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    environment["PYTHONPATH"] = str(Path(datasets.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", NO_THREADS], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stdout.split() == ["simulated", "True"], done.stderr


def test_fetch_asks_again_where_load_remembers(online, tmp_path):
    downloads._unreachable[downloads._server(online.address)] = "it was down"
    with pytest.raises(DownloadError, match="it was down"):
        total(cache_dir=tmp_path)
    assert [path.name for path in datasets.fetch("pasilla", cache_dir=tmp_path, progress=False)] == list(FILES)
    assert total(cache_dir=tmp_path) == TOTAL


def test_a_connection_lost_on_the_way_counts_as_offline(online, tmp_path, monkeypatch):
    def lose(*args, **options):
        raise requests.ConnectionError("gone")

    monkeypatch.setattr(downloads, "_download", lose)
    with pytest.raises(DownloadError, match="gone"):
        total(cache_dir=tmp_path)
    assert downloads._unreachable == {downloads._server(online.address): "gone"}


# --- folders that cannot be written -----------------------------------------------------------------------------------


@pytest.fixture
def ordinary_user():
    """Give a folder that others can enter and drop the rights of root, who may write anywhere, for one test."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    (folder / "user").mkdir()
    (folder / "user").chmod(0o777)
    root = os.geteuid() == 0
    yield folder, (lambda: os.seteuid(65534)) if root else (lambda: None)
    if root:
        os.seteuid(0)
    for path in folder.rglob("*"):
        path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions work otherwise here")
def test_a_read_only_cache_serves_what_it_has_and_the_next_place_takes_the_rest(
    online, ordinary_user, monkeypatch, caplog
):
    folder, drop_rights = ordinary_user
    cache = fill(folder / "cache", pasilla_gene_counts=b"damaged")
    for path in [*cache.rglob("*"), cache]:
        path.chmod(0o555)
    monkeypatch.setenv("SCOMICS_LITE_DATA", str(cache))
    monkeypatch.setattr(downloads.pooch, "os_cache", lambda name: folder / "user")
    drop_rights()
    assert total() == TOTAL
    assert (cache / "pasilla" / "pasilla_gene_counts.tsv").read_bytes() == b"damaged"
    assert "passed over" in caplog.text
    assert [path.name for path in (folder / "user" / "pasilla").iterdir()] == ["pasilla_gene_counts.tsv"]
    assert total() == TOTAL
    assert online.requests == ["pasilla_gene_counts.tsv"]


def test_without_a_writable_folder_the_error_says_so(online, tmp_path, monkeypatch):
    (tmp_path / "a file").write_text("not a folder")
    monkeypatch.setattr(downloads.pooch, "os_cache", lambda name: tmp_path / "a file")
    with pytest.raises(DownloadError, match="no cache folder can be written to"):
        total(cache_dir=tmp_path / "a file" / "cache")
    assert datasets.load("pasilla", standin=True).uns["dataset"]["kind"] == "simulated"


def test_uns_tells_the_checksum_of_one_file_and_of_several(offline, tmp_path):
    about = datasets.load("pasilla", cache_dir=fill(tmp_path / "cache")).uns["dataset"]
    lines = "\n".join(hashlib.sha256(body).hexdigest() for body in FILES.values())
    assert about["sha256"] == hashlib.sha256(lines.encode()).hexdigest()
    assert json.loads(json.dumps(about)) == about
