"""Commands that are ended from outside, `lab` first of all: an exercise opened, a cell of it run, and nothing left."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import requests
import websocket
from fixtures.notebooks import code, save

from scomics_lite.course import notebooks

ROOT = Path(__file__).resolve().parents[2]
EXERCISE = "exercises/01_normalization_and_compositionality_exercises.ipynb"
NOT_IN_A_CLONE = (".*", "build", "__pycache__", "tests", "benchmarks")
SECONDS = 180  # for what takes two or three on a machine with nothing else to do

# Makes the terminal the keyboard of the session, so that Ctrl-C typed there becomes a signal.
TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and terminals of POSIX")


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """What a reader has who has just cloned the course into a folder with a blank in its name."""
    place = tmp_path_factory.mktemp("lab") / "a clone"
    return Path(shutil.copytree(ROOT, place, ignore=shutil.ignore_patterns(*NOT_IN_A_CLONE)))


def until(condition, what):
    """Wait for something that another process does."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited too long for {what}"
        time.sleep(0.1)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


class Lab:
    """A running `python3 -m scomics_lite lab`, its keyboard a pseudo-terminal or nothing, and a way to talk to it."""

    def __init__(self, clone, at_a_terminal):
        self.port, self.log = free_port(), clone.parent / "log"
        self.web = requests.Session()
        self.web.trust_env = False  # no proxy to this machine itself
        self.web.headers["Authorization"] = "token secret"
        command = ["lab", "--no-browser", f"--ServerApp.port={self.port}", "--IdentityProvider.token=secret"]
        command += ["--ServerApp.port_retries=0"] + ["--allow-root"] * (os.geteuid() == 0)
        settings = {f"JUPYTER_{kind}_DIR": str(clone.parent / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
        self.keyboard, stdin = os.openpty() if at_a_terminal else (None, os.open(os.devnull, os.O_RDONLY))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *(["-c", TAKE_TERMINAL] if at_a_terminal else []), "-m", "scomics_lite", *command],
                cwd=clone,
                env={**os.environ, **settings, "SCOMICS_LITE_PYTHON": "current"},
                stdin=stdin,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        os.close(stdin)

    def get(self, path):
        return self.web.get(f"http://127.0.0.1:{self.port}{path}", timeout=SECONDS)

    def answers(self):
        assert self.process.poll() is None, self.log.read_text()
        return is_open(self.port) and self.get("/api/status").ok

    def start_kernel(self, path):
        """Do what JupyterLab in the browser does when a notebook is opened; return the kernel's id."""
        asked = {"path": path, "type": "notebook", "name": Path(path).name, "kernel": {"name": "python3"}}
        made = self.web.post(f"http://127.0.0.1:{self.port}/api/sessions", json=asked, timeout=SECONDS)
        assert made.status_code == 201, made.text
        return made.json()["kernel"]["id"]

    def run(self, kernel, source):
        """Run one cell and return what it printed."""
        header = {"msg_id": "1", "session": "1", "username": "", "msg_type": "execute_request", "version": "5.3"}
        content = {"code": source, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        request = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        address = f"ws://127.0.0.1:{self.port}/api/kernels/{kernel}/channels?token=secret"
        channel = websocket.create_connection(address, timeout=SECONDS)
        try:
            channel.send(json.dumps(request))
            return self.printed(channel)
        finally:
            channel.close()

    def printed(self, channel):
        text = ""
        while True:
            message = json.loads(channel.recv())
            if message["parent_header"].get("msg_id") != "1":
                continue
            assert message["msg_type"] != "error", message["content"]
            text += message["content"].get("text", "") if message["msg_type"] == "stream" else ""
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return text

    def family(self):
        """Every process that has to do with it: those below it, and those that its files were handed to."""
        own = psutil.Process(self.process.pid) if psutil.pid_exists(self.process.pid) else None
        below = [own, *own.children(recursive=True)] if own else []
        return {*below, *(one for one in psutil.process_iter() if self.has_to_do_with(one))}

    def has_to_do_with(self, process):
        try:
            return any(str(self.log.parent) in word for word in process.cmdline())
        except psutil.Error:
            return False

    def close(self):
        for process in self.family():
            process.kill()
        self.process.wait(SECONDS)
        self.web.close()
        if self.keyboard is not None:
            os.close(self.keyboard)


def ctrl_c_and_yes(lab):
    os.write(lab.keyboard, b"\x03")
    until(lambda: "Shut down this Jupyter server" in lab.log.read_text(), "the question")
    os.write(lab.keyboard, b"y\n")


def ctrl_c_twice(lab):
    os.write(lab.keyboard, b"\x03")
    until(lambda: "Shut down this Jupyter server" in lab.log.read_text(), "the question")
    os.write(lab.keyboard, b"\x03")


ENDS = {
    "terminated": lambda lab: lab.process.terminate(),
    "interrupted": lambda lab: lab.process.send_signal(signal.SIGINT),
    "Ctrl-C, y": ctrl_c_and_yes,
    "Ctrl-C, Ctrl-C": ctrl_c_twice,
}


@pytest.fixture
def lab(clone, request):
    """The command, started and answering."""
    lab = Lab(clone, at_a_terminal=request.param.startswith("Ctrl-C"))
    lab.end = lambda: ENDS[request.param](lab)
    until(lab.answers, "JupyterLab")
    yield lab
    lab.close()


@pytest.mark.parametrize("lab", ENDS, indirect=True)
def test_an_exercise_opens_and_runs_and_nothing_is_left_once_lab_has_ended(lab, clone):
    assert lab.get("/").url.endswith("/lab/tree/notebooks/00_start_here.ipynb")
    assert lab.get(f"/lab/tree/{EXERCISE}").ok
    assert lab.get(f"/api/contents/{EXERCISE}").json()["type"] == "notebook"
    kernel = lab.start_kernel(EXERCISE)
    first, answer, check = notebooks.code_cells(notebooks.read(clone / EXERCISE))[:3]
    assert lab.run(kernel, first.source) == ""
    assert lab.run(kernel, answer.source) == ""
    assert lab.run(kernel, check.source).startswith("[not yet] ch01-expected-counts")
    where = lab.run(kernel, "import os; print(os.getcwd()); print(sl.__file__)").splitlines()
    assert where == [str(clone / "exercises"), str(clone / "scomics_lite" / "__init__.py")]
    family = lab.family()
    assert len(family) == 2, family  # JupyterLab and the kernel: the command has become JupyterLab
    lab.end()
    assert lab.process.wait(SECONDS) == 0
    assert psutil.wait_procs(family, SECONDS)[1] == []
    assert lab.family() == set()
    assert not is_open(lab.port)


# --- commands that run for minutes ----------------------------------------------------------------------------------

WRITE_AND_WAIT = """
import os, pathlib, time
pathlib.Path({path!r}).write_text(str(os.getpid()))
time.sleep(600)
"""


@pytest.mark.parametrize("command", ["run", "test"])
def test_what_a_command_started_ends_with_it(tmp_path, command):
    shutil.copytree(ROOT / "scomics_lite", tmp_path / "scomics_lite", ignore=shutil.ignore_patterns("__pycache__"))
    pid = tmp_path / "pid"
    busy = WRITE_AND_WAIT.format(path=str(pid))
    save(tmp_path / "notebooks" / "01_busy.ipynb", code(busy))
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_busy.py").write_text(busy)
    command = [sys.executable, "-m", "scomics_lite.course.cli", command]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
    try:
        until(lambda: pid.exists() and pid.read_text(), "the child")
        child = psutil.Process(int(pid.read_text()))
        process.terminate()
        assert process.wait(SECONDS) == 143
        assert psutil.wait_procs([child], SECONDS)[1] == []
    finally:
        process.kill()
        process.wait()
