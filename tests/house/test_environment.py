"""pyproject.toml, requirements.lock and environment.yml say the same, and the rest of the root agrees with them."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import scomics_lite
from scomics_lite import __main__ as entry
from scomics_lite import _environment as env
from scomics_lite.dna.enformer_weights import INSTALL

ROOT = Path(scomics_lite.__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
CONDA_NAMES = {
    "matplotlib": "matplotlib-base",  # without Qt
    "nbconvert": "nbconvert-core",  # without pandoc
    "seaborn": "seaborn-base",
    "torch": "pytorch",
}
BY_PIP = {"cyvcf2", "pyfaidx"}  # not on conda-forge; installing the clone brings it, at the version that pip finds
# What only the extra `peers` needs, which no test environment holds: locked, but never reached from what is installed.
PEERS_ALONE = {"formulaic-contrasts", "pydeseq2", "session-info", "stdlib-list"}
# The same for the extra `enformer`, which `.ci/run` installs.
ENFORMER_ALONE = {
    *("accelerate", "discrete-key-value-bottleneck-pytorch", "einops", "einx", "enformer-pytorch", "frozendict"),
    *("hf-xet", "huggingface-hub", "lightning-utilities", "loguru", "polars", "polars-runtime-32", "regex"),
    *("tokenizers", "torch-einops-utils", "torchmetrics", "transformers", "vector-quantize-pytorch"),
}


def names(requirements):
    """Return the canonical names of requirement lines."""
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def read_lock():
    """Return the lock's requirements, one a line."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


LOCK = {requirement.name: requirement for requirement in read_lock()}
BASE = names(PROJECT["project"]["dependencies"])
COURSE = BASE | names(line for extra in env.EXTRAS for line in EXTRAS[extra])


def locked_version(name):
    """Return the version that the lock gives a package."""
    return str(LOCK[name].specifier).removeprefix("==")


def closure(roots):
    """Return every package that the roots need, by the metadata of what is installed here."""
    reached, waiting = set(), [Requirement(name) for name in roots]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        for extra in wanted.extras or {""}:
            if (name, extra) not in reached:
                reached.add((name, extra))
                lines = map(Requirement, metadata.distribution(name).requires or [])
                waiting += [line for line in lines if line.marker is None or line.marker.evaluate({"extra": extra})]
    return {name for name, _ in reached}


INSTALLED = closure(COURSE)


# --- the lock -------------------------------------------------------------------------------------------------------


def test_lock_pins_every_package_exactly_and_in_order():
    requirements = read_lock()
    assert [r.name for r in requirements] == sorted({canonicalize_name(r.name) for r in requirements})
    for requirement in requirements:
        assert re.fullmatch(r"==[\w.]+", str(requirement.specifier)), f"{requirement}: exact, and nothing after a +"


def test_lock_covers_all_that_is_needed():
    assert COURSE | names(EXTRAS["peers"]) | names(EXTRAS["enformer"]) <= set(LOCK)
    assert set(LOCK) >= INSTALLED, f"add to requirements.lock: {sorted(INSTALLED - set(LOCK))}"


def of_cuda(name):
    """Whether a package comes with the CUDA build of torch alone."""
    return name == "triton" or name.startswith(("nvidia-", "cuda-"))


def test_lock_holds_nothing_else():
    here = {name for name, requirement in LOCK.items() if requirement.marker is None or requirement.marker.evaluate()}
    assert {name for name in here - INSTALLED if not of_cuda(name)} == PEERS_ALONE | ENFORMER_ALONE


@pytest.mark.skipif("CONDA_PREFIX" in os.environ, reason="conda chooses the versions of indirect dependencies itself")
def test_installed_versions_are_the_locked_ones():
    installed = {name: Version(metadata.version(name)).public for name in INSTALLED}
    assert installed == {name: locked_version(name) for name in INSTALLED}


# --- pyproject.toml -------------------------------------------------------------------------------------------------


def test_torch_is_pinned_for_pip():
    assert "torch==2.13.0" in PROJECT["project"]["dependencies"]


def test_pins_in_pyproject_are_those_of_the_lock():
    tables = [PROJECT["build-system"]["requires"], PROJECT["project"]["dependencies"], *EXTRAS.values()]
    for requirement in (Requirement(line) for table in tables for line in table):
        locked = LOCK[canonicalize_name(requirement.name)]
        assert str(requirement.specifier) in ("", str(locked.specifier)), requirement


def test_builder_is_pinned():
    assert PROJECT["build-system"]["requires"] == [f"hatchling=={locked_version('hatchling')}"]


def test_python_versions_agree():
    assert PROJECT["project"]["requires-python"] == f">={'.'.join(map(str, entry.NEEDS))}"
    listed = [line.split(" :: ")[-1] for line in PROJECT["project"]["classifiers"] if "Python :: 3." in line]
    assert tuple(listed) == env.KNOWN_GOOD


def imported(path):
    """Return the top-level names of third-party packages that a file imports, also inside functions."""
    neighbours = [file for folder in (ROOT / "tests", ROOT / "benchmarks", path.parent) for file in folder.iterdir()]
    ours = {"scomics_lite", *(neighbour.stem for neighbour in neighbours)}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found = [node.module]
        else:
            continue
        yield from {name.split(".")[0] for name in found} - sys.stdlib_module_names - ours


def python_files(folder):
    """Return the Python files of a folder of the repository, fixtures aside."""
    return [path for path in sorted((ROOT / folder).rglob("*.py")) if "fixtures" not in path.parts]


@pytest.mark.parametrize("path", python_files("scomics_lite") + python_files("tests"), ids=lambda path: path.name)
def test_what_is_imported_is_declared(path):
    teaches = "tests" in path.parts or "course" in path.parts or path.name == "figures.py"
    allowed = COURSE if teaches else BASE  # statistics and data work without the extras
    owners = metadata.packages_distributions()
    for name in imported(path):
        assert {canonicalize_name(owner) for owner in owners[name]} & allowed, f"{path.name} imports {name}: declare it"


# --- environment.yml ------------------------------------------------------------------------------------------------


CONDA_PINS = dict(line.split("=", 1) for line in CONDA["dependencies"] if isinstance(line, str) and "=" in line)


def test_conda_names_the_same_packages():
    expected = {CONDA_NAMES.get(name, name) for name in COURSE - BY_PIP}
    assert {canonicalize_name(name) for name in CONDA_PINS} - {"python"} == expected


def test_conda_versions_are_the_locked_ones():
    for name in COURSE - BY_PIP:
        pins = {canonicalize_name(key): value for key, value in CONDA_PINS.items()}
        assert pins[CONDA_NAMES.get(name, name)].split("=")[0] == locked_version(name), name


def test_conda_takes_the_cpu_build_from_conda_forge_alone():
    assert CONDA["channels"] == ["conda-forge", "nodefaults"]
    assert CONDA_PINS["pytorch"] == "2.13.0=cpu*"
    assert CONDA_PINS["python"] in env.KNOWN_GOOD


def test_conda_installs_the_clone_and_uses_itself():
    assert CONDA["dependencies"][-1] == {"pip": ["-e ."]}
    assert "pip" in CONDA["dependencies"]
    assert CONDA["variables"] == {"SCOMICS_LITE_PYTHON": "current"}


# --- the rest of the root -------------------------------------------------------------------------------------------


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["version"]) == scomics_lite.__version__
    assert {"cff-version", "message", "title", "authors", "type"} <= set(citation)


def test_licences_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert PROJECT["project"]["license"] == " AND ".join(citation["license"])
    for name in PROJECT["project"]["license-files"]:
        assert (ROOT / name).is_file()


def test_ci_runs_the_command_of_the_readme():
    script = ROOT / ".ci" / "run"
    command = "python3 -m scomics_lite test"
    assert os.name == "nt" or os.access(script, os.X_OK)
    assert f"exec {command}" in script.read_text(encoding="utf-8")
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")


def test_ci_installs_enformer_by_the_line_that_users_are_told():
    assert f".venv/bin/{INSTALL}" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def tracked_files():
    """Return the files that git knows, but for pictures and data in binary form."""
    try:
        done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git repository here")
    paths = [ROOT / name for name in done.stdout.decode().split("\0") if name]
    binary = {".bed", ".db", ".gz", ".h5ad", ".h5mu", ".npz", ".png", ".tbi"}
    return [path for path in paths if path.is_file() and path.suffix not in binary]


def test_no_machine_path_and_no_package_registry_anywhere():
    # Written in pieces, so that this file does not find itself.
    registries = [
        "py" + "pi.",
        "python" + "hosted.",
        "download.py" + "torch.",
        "ana" + "conda.org",
    ]
    places = ["/" + place for place in ("work/", "root/", "tmp/dev")]
    pattern = re.compile("|".join(map(re.escape, registries + places)), re.IGNORECASE)
    for path in tracked_files():
        found = pattern.search(path.read_text(encoding="utf-8"))
        assert not found, f"{path.relative_to(ROOT)} names {found.group()}"
