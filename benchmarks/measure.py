"""What the benchmarks share: a call in a process of its own, with one thread, and its report as a line of JSON."""

import json
import os
import re
import resource
import shutil
import subprocess
import time
from pathlib import Path

SECONDS_ALLOWED = 900
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def clocked(call):
    """Give what the call returns and what it took: seconds, CPU seconds and the largest memory of the process."""
    start, cpu = time.perf_counter(), cpu_seconds()
    result = call()
    return result, {"seconds": time.perf_counter() - start, "cpu": cpu_seconds() - cpu, "peak": peak_mb()}


def cpu_seconds():
    """User and system time of this process and of the children it has waited for."""
    return sum(os.times()[:4])


def peak_mb():
    """Largest memory of this process. Linux's getrusage would count the parent's too, as it was at the fork."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # macOS counts bytes


def report(command):
    """Run a command and give the JSON of its last line, or the reason why there is none."""
    if not shutil.which(str(command[0])):
        return f"not run: there is no {command[0]}"
    one_thread = {**os.environ, **dict.fromkeys(THREADS, "1")}
    try:
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, timeout=SECONDS_ALLOWED, env=one_thread
        )
    except subprocess.TimeoutExpired:
        return f"not finished after {SECONDS_ALLOWED} s"
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["killed, probably for its memory"])[-1]
        return f"not run: {reason[:90]}"
    return json.loads(done.stdout.strip().splitlines()[-1])


def version(tool, python):
    """Name a package with its version: an R package as ``"R edgeR"``, otherwise one that `python` has."""
    if tool.startswith("R "):
        command = ["Rscript", "-e", f'cat(as.character(packageVersion("{tool[2:]}")))']
    else:
        command = [python, "-c", f"import importlib.metadata as m; print(m.version('{tool}'))"]
    if not shutil.which(command[0]):
        return f"{tool}: not there"
    done = subprocess.run(command, capture_output=True, text=True)
    return f"{tool} {done.stdout.strip()}" if done.returncode == 0 else f"{tool}: not there"
