"""Make and update the course's environment, ``.venv`` beside ``requirements.lock``.

Standard library only, and only syntax that Python 3.7 can read: see ``__main__``. Three promises: an interrupted build
never looks finished (its stamp is written last), two builds at once wait for each other (a lock of the operating
system's), and what goes wrong is said in one line with the way out.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

KNOWN_GOOD = ("3.11", "3.12", "3.13", "3.14")  # Pythons for which every package of the lock has a build
GB = 1_000_000_000
DISK_GB = 3  # the finished environment (1.8 GB; 5.5 GB where torch brings CUDA) and pip's temporary files
EXTRAS = ("book", "dev")
STAMP = "scomics_lite.json"  # inside .venv: what it was built from


class StopError(Exception):
    """A failure that one line explains; ``code`` becomes the exit status."""

    def __init__(self, message, code=1):
        super().__init__(message)
        self.code = code


# --- what .venv must be built from ----------------------------------------------------------------------------------


def read_requirements(root):
    """Return from pyproject.toml the tables that decide what is installed."""
    import tomllib  # new in Python 3.11; __main__ has refused older ones before this is called

    table = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return {
        "build": table["build-system"]["requires"],
        "dependencies": table["project"]["dependencies"],
        "optional": table["project"]["optional-dependencies"],
    }


def wanted_stamp(root):
    """Return what an up-to-date .venv says of itself: the hash of the pins, the Python, and the place.

    The place counts because scripts in .venv hold its full path: a clone that was moved needs a new one.
    """
    lock = (root / "requirements.lock").read_text(encoding="utf-8")  # as text, so that line endings do not count
    pins = lock + json.dumps(read_requirements(root), sort_keys=True)
    python = f"{sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}"
    return {"pins": hashlib.sha256(pins.encode()).hexdigest(), "python": python, "place": str(root)}


def read_stamp(venv):
    """Return the stamp of an environment; None without one, {} while it is being built."""
    try:
        return json.loads((venv / STAMP).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:  # cut short by a crash: as good as unfinished
        return {}


def write_stamp(venv, stamp):
    """Write the stamp in one step, so that no reader sees half of it."""
    partial = venv / (STAMP + ".partial")
    partial.write_text(json.dumps(stamp), encoding="utf-8")
    os.replace(str(partial), str(venv / STAMP))


def venv_python(venv):
    """Return the path of an environment's interpreter."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def is_ready(root):
    """Whether .venv is finished, made from the present pins, and its Python still exists."""
    venv = root / ".venv"
    return venv_python(venv).exists() and read_stamp(venv) == wanted_stamp(root)


def check_packages(root):
    """Refuse to use the present Python where a direct dependency of the course is missing."""
    from importlib import metadata

    needed = read_requirements(root)
    missing = []
    for line in sum((needed["optional"][extra] for extra in EXTRAS), needed["dependencies"]):
        name = re.split(r"[^\w.-]", line)[0]
        try:
            metadata.distribution(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        raise StopError(
            f"SCOMICS_LITE_PYTHON=current, but {sys.executable} lacks {', '.join(missing)}: "
            "update that environment from environment.yml, or unset the variable to get a .venv"
        )


# --- making it ------------------------------------------------------------------------------------------------------


def ensure_environment(root):
    """Return the Python of an up-to-date .venv, made or updated first where needed."""
    if not is_ready(root):
        check_can_build(root)
        try:
            with build_lock(root) as lock:
                if not is_ready(root):  # another process may have built it while we waited
                    build(root, lock)
        except OSError as error:
            raise StopError(explain_os_error(error, root)) from error
    return venv_python(root / ".venv")


def check_can_build(root):
    """Say at once what would otherwise fail after minutes."""
    from importlib.util import find_spec

    if not (find_spec("venv") and find_spec("ensurepip")):
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise StopError(
            "this Python cannot make environments (venv or ensurepip is missing). On Debian and Ubuntu: "
            f"sudo apt install python{version}-venv; elsewhere use a Python from python.org or conda"
        )
    free = shutil.disk_usage(str(root)).free / GB
    if read_stamp(root / ".venv") is None and free < DISK_GB:
        raise StopError(f"the disk is too full: {free:.1f} GB free at {root}, the environment needs {DISK_GB} GB")


@contextlib.contextmanager
def build_lock(root):
    """Hold build/bootstrap.lock, waiting while another process builds; yield its file descriptor.

    The lock lies on the open file and ends with its holder, however that dies: there is no stale lock to judge.
    """
    (root / "build").mkdir(exist_ok=True)
    with open(str(root / "build" / "bootstrap.lock"), "a+") as handle:
        began = time.monotonic()
        while not try_lock(handle):
            show(f"another process is preparing .venv; waiting ({time.monotonic() - began:.0f} s)")
            time.sleep(1)
        yield handle.fileno()


def try_lock(handle):
    """Try to lock an open file; True also where the file system knows no locks (some network drives)."""
    try:
        if os.name == "nt":
            import msvcrt

            handle.seek(0)
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return True


def build(root, lock):
    """Make or update .venv. Its stamp is emptied first and written last, so a build cut short never looks done."""
    venv, wanted, began = root / ".venv", wanted_stamp(root), time.monotonic()
    steps = pip_steps(root)
    if prepare_folder(venv, wanted):
        # Not sys.executable: inside a virtual environment that would tie ours to it.
        steps.insert(0, [getattr(sys, "_base_executable", sys.executable), "-m", "venv", str(venv)])
    write_stamp(venv, {})
    print("scomics_lite: preparing the environment in .venv (a few minutes, the first time)", file=sys.stderr)
    lock_lines = (root / "requirements.lock").read_text(encoding="utf-8").splitlines()
    progress = Progress(began, total=sum("==" in line and ";" not in line for line in lock_lines))
    with open(str(root / "build" / "bootstrap.log"), "w", encoding="utf-8") as log:
        for step in steps:
            run_step(step, root, log, lock, progress)
    write_stamp(venv, wanted)
    show(f"environment ready after {time.monotonic() - began:.0f} s", last=True)


def pip_steps(root):
    """Return the two pip commands: the builder, then the package (editable) with all that it needs."""
    pip = [str(venv_python(root / ".venv")), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    pip += ["-c", "requirements.lock"]
    # Build isolation would fetch a second builder, and not by the lock.
    package = ["--no-build-isolation", "-e", f".[{','.join(EXTRAS)}]"]
    return [pip + read_requirements(root)["build"], pip + package]


def prepare_folder(venv, wanted):
    """Clear away what cannot be updated; return True where the environment must be made from nothing."""
    stamp, settings = read_stamp(venv), venv / "pyvenv.cfg"
    if stamp is None and settings.exists():
        raise StopError(
            f"{venv} is there, but this command did not make it: rename or delete it, or activate it and set "
            "SCOMICS_LITE_PYTHON=current to use it as it is"
        )
    if stamp and {**stamp, "pins": ""} == {**wanted, "pins": ""} and venv_python(venv).exists():
        return False
    if settings.exists():
        settings.unlink()  # first, so that what is left, cut short here, is not taken for somebody else's
    if venv.exists():
        shutil.rmtree(str(venv))
    venv.mkdir()
    return True


def run_step(command, root, log, lock, progress):
    """Run one step of the build, its output in the log and one line of progress for the reader."""
    # The child holds the lock too: where only this process is killed, the next one waits for the orphan to end.
    held = {} if os.name == "nt" else {"pass_fds": (lock,)}
    environ = {**os.environ, "PIP_USER": "0", "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8", "errors": "replace"}
    log.write(f"$ {' '.join(command)}\n")
    child = subprocess.Popen(command, cwd=str(root), env=environ, **pipes, **held)
    reader = threading.Thread(target=copy_lines, args=(child.stdout, log, progress), daemon=True)
    reader.start()
    try:
        while child.poll() is None:
            progress.show()
            reader.join(1)
    finally:
        child.terminate()
        child.wait()
        reader.join(5)
        child.stdout.close()
        log.flush()
    if child.returncode:
        raise StopError(explain_failure(Path(log.name)))


def copy_lines(stream, log, progress):
    """Copy a child's output into the log and tell the progress line of it."""
    for line in stream:
        with contextlib.suppress(OSError):  # a full disk: read on, or the child would wait for us for ever
            log.write(line)
        progress.read(line)


# --- what the reader is told ----------------------------------------------------------------------------------------


class Progress:
    """What pip is at, for how long: one line."""

    def __init__(self, began, total):
        self.began = began
        self.total = total
        self.stage = "making .venv"
        self.seen = set()

    def read(self, line):
        """Take the stage from one line of pip's output."""
        words = line.split()
        if line.startswith("Installing collected packages"):
            self.stage = f"installing {len(words) - 3} packages"
        elif line.startswith("Collecting "):
            name = re.split(r"[^\w.-]", words[1])[0]
            if name.startswith("nvidia-") and not any(known.startswith("nvidia-") for known in self.seen):
                show("torch brings CUDA here (4 GB more); CONTRIBUTING.md tells how to get the CPU build", last=True)
            self.seen.add(name)
            self.stage = f"fetching {name} ({len(self.seen)} of about {self.total})"

    def show(self):
        """Print the line."""
        show(f"{time.monotonic() - self.began:4.0f} s  {self.stage}")


def show(text, last=False):
    """Print a line that the next one replaces; off a terminal, print only the last one."""
    if sys.stderr.isatty():
        print(f"{text[:78]:78}", end="\n" if last else "\r", file=sys.stderr, flush=True)
    elif last:
        print(f"scomics_lite: {text}", file=sys.stderr, flush=True)


FAILURES = (  # a pattern in the log, and what it means
    (
        r"No space left on device|not enough space on the disk",
        "the disk is full (here or in the temporary folder, which TMPDIR moves)",
    ),
    (
        r"NewConnectionError|NameResolutionError|name resolution|getaddrinfo failed|Network is unreachable"
        r"|ProxyError|ConnectTimeoutError|ConnectionResetError|ReadTimeoutError|Read timed out",
        "no network: pip cannot reach its package index (behind a proxy, set HTTPS_PROXY)",
    ),
    (
        r"(?:No matching distribution found for|The user requested \(constraint\)) (?P<what>\S+)",
        f"pip finds no build of {{what}} for this Python and computer: take a 64-bit Python {' or '.join(KNOWN_GOOD)}, "
        "or conda with environment.yml",
    ),
    (r"ensurepip is not", "this Python cannot make environments: on Debian and Ubuntu, install python3-venv"),
    (r"Permission denied|WinError 5", "no permission to write .venv; if it is in use (JupyterLab open?), close that"),
)


def explain_failure(log):
    """Say in one line why a step failed; show the end of the log where the cause is not a known one."""
    text = log.read_text(encoding="utf-8", errors="replace")
    for pattern, meaning in FAILURES:
        found = re.search(pattern, text)
        if found:
            return f"{meaning.format(**found.groupdict())}; then run the same command again. Details: {log}"
    tail = "\n".join("    " + line for line in text.splitlines()[-12:])
    return f"the environment could not be made; the end of {log}:\n{tail}"


def explain_os_error(error, root):
    """Say in one line what the file system refused."""
    place = error.filename or root
    if error.errno == errno.ENOSPC:
        return f"the disk is full at {place}: free {DISK_GB} GB and run the same command again"
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return (
            f"no permission to write {place}: clone the repository into a folder of your own; "
            "if .venv is in use (JupyterLab open?), close that first"
        )
    return f"{error}; delete .venv and run the same command again"
