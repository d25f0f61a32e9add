"""An installed wheel stands alone: it is built here, unpacked elsewhere, and used from there."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import scomics_lite

ROOT = Path(scomics_lite.__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel, without a network: the builder is part of the environment."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Unpack the wheel into a folder outside the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run_installed(installed, *args):
    """Run Python so that the unpacked package, and no checkout, is what it finds first."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SCOMICS_LITE")}
    environ |= {"PYTHONPATH": str(installed), "XDG_CACHE_HOME": str(installed / "cache")}
    return subprocess.run([sys.executable, *args], cwd=installed, env=environ, capture_output=True, text=True)


def test_wheel_holds_code_data_and_licences_alone(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    version = scomics_lite.__version__
    assert {name.split("/")[0] for name in names} == {"scomics_lite", f"scomics_lite-{version}.dist-info"}
    for name in ("LICENSE", "LICENSE-text"):
        assert f"scomics_lite-{version}.dist-info/licenses/{name}" in names
    bundled = {path.relative_to(ROOT / "data").as_posix() for path in (ROOT / "data").rglob("*") if path.is_file()}
    assert {name.removeprefix("scomics_lite/_data/") for name in names if "/_data/" in name} == bundled
    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "scomics_lite").rglob("*") if path.is_file()}
    assert {name for name in code if "__pycache__" not in name} <= set(names)


def test_installed_package_loads_its_bundled_data(installed):
    code = """
import scomics_lite as sl
print(sl.__file__)
print(sl.datasets.data_folder())
adata = sl.datasets.load("compositional_bulk")
print(adata.uns["dataset"]["kind"], len(sl.normalization.size_factors(adata)) == adata.n_obs)
"""
    done = run_installed(installed, "-c", code)
    assert done.returncode == 0, done.stderr
    package = installed / "scomics_lite"
    assert done.stdout.splitlines() == [str(package / "__init__.py"), str(package / "_data"), "simulated True"]


def test_installed_package_lists_the_data_sets(installed):
    done = run_installed(installed, "-m", "scomics_lite", "data", "list")
    assert done.returncode == 0, done.stderr
    assert "pasilla" in done.stdout


def test_installed_package_says_where_the_chapters_are(installed):
    done = run_installed(installed, "-m", "scomics_lite", "run")
    assert done.returncode == 1
    assert "`run` needs the course's repository" in done.stderr
    assert len(done.stderr.splitlines()) == 1
