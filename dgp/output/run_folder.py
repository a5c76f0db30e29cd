"""The folder of a run: which run it holds, and whether a new one may be saved there."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from degradations.files.regular import read_regular
from dgp.errors import OutputError
from dgp.files import check_writable, parse_json, sha256_of

RESULT = "result.json"
SCHEMA = 1  # of all records
LARGEST = 2**24  # bytes of a record
COMPLETE = ("done", "diverged")  # the status of a complete result
FILES = (
    "restored.png",
    "restored_prior.png",
    "observed.png",
    "comparison.png",
    "mean.png",
    "spread.png",
    "mask.png",
    "latents.safetensors",
    "weights.safetensors",
    "trace.jsonl",
    "report.html",
)
OF_WINDOWS = ("restored_prior.png", "latents.safetensors", "weights.safetensors")  # beginning with "window2-", ...

# Runs are the same if these entries of result.json are: name in messages -> path of keys.
IDENTITY = {
    "input": ("input", "sha256"),
    "degradation": ("degradation", "spec"),
    "mask": ("degradation", "assets"),
    "weight": ("weight", "sha256"),
    "prior": ("prior", "sha256"),
    "recipe": ("recipe", "sha256"),
    "class": ("class_asked",),
    "seed": ("seed",),
    "number of solutions": ("num_solutions",),
    "fit": ("fit",),
    "faces": ("faces",),
    "simulate": ("simulate",),
    "size of the simulation": ("simulate_at",),
    "target": ("target",),
    "truth": ("degradation", "truth"),
    "start": ("start", "sha256"),
}


def run_identity(
    observation, prior, recipe, *, seed: int, num_solutions: int = 1, start: Mapping | None = None
) -> dict:
    """Return the entries of result.json that are known before the run and identify it (`IDENTITY`).

    Args:
        observation: the observation.
        prior: the prior.
        recipe: the recipe as adapted to the prior (`inversion.recipe`).
        seed: the seed.
        num_solutions: how many solutions are asked for.
        start: the `record()` of the start, for a warm start.
    """
    source, whole = observation.source, observation.whole
    return {
        "input": {"path": source.path, "sha256": source.sha256},
        "degradation": {
            "spec": whole.spec,
            "assets": to_json(whole.assets),
            "truth": observation.truth and observation.truth.spec,
        },
        "weight": _weight(observation),
        "prior": {"name": prior.name, "sha256": prior.sha256},
        "recipe": {"name": recipe.name, "sha256": recipe.sha256},
        "class": observation.label,
        "class_asked": observation.label,
        "seed": seed,
        "num_solutions": num_solutions,
        "fit": observation.geometry.fit,
        "faces": _faces(observation),
        "simulate": observation.simulated,
        "simulate_at": "photo" if observation.clean is not None else None,
        "target": observation.target if observation.simulated else None,
        "start": start,
    }


def _weight(observation) -> dict | None:
    """Return the path and sha256 of the observation's weight map, or None without one."""
    if observation.weighed is not None:
        return {"path": observation.weighed.path, "sha256": observation.weighed.sha256}
    if observation.weight is not None:
        return {"path": None, "sha256": sha256_of(observation.weight.numpy().tobytes())}
    return None


def _faces(observation) -> list | None:
    """Return the landmarks of the faces to which the windows are aligned, or None without any."""
    faces = [one.geometry.face for one in (observation, *observation.others)]
    return [face.record()["landmarks"] for face in faces if face is not None] or None


def differences(existing: Mapping, planned: Mapping) -> list[str]:
    """Return how two runs differ, a text for each entry, such as "seed: 0 there, 1 now"; empty for the same run.

    Args:
        existing: an opened result.json.
        planned: the `run_identity` of the new run.
    """
    found = []
    for name, path in IDENTITY.items():
        there, now = look_up(existing, path), look_up(planned, path)
        if name == "class" and isinstance(existing, Mapping) and path[0] not in existing:
            there = existing.get("class")  # results of earlier versions record only the class that was given
        if name == "mask":  # only the pixels identify a mask, as its file may have been moved
            there, now = _digests(there), _digests(now)
        if there != now:
            found.append(f"{name}: {shorten_value(there)} there, {shorten_value(now)} now")
    return found


def _digests(assets: Any) -> dict:
    """Return the sha256 of each file of a record; a record from a file may hold anything in its place."""
    if not isinstance(assets, Mapping):
        return {}
    return {key: asset.get("sha256") if isinstance(asset, Mapping) else asset for key, asset in assets.items()}


def read_result(folder: str | os.PathLike) -> dict | None:
    """Return the result.json of a folder, or None if no run was completed there.

    Raises:
        OutputError: it cannot be read, or it is not a result of this program.
    """
    return read_record(Path(folder) / RESULT, "a result")


def read_record(path: Path, what: str) -> dict | None:
    """Return the JSON object of a file of this program, or None if there is no file.

    Args:
        path: the file.
        what: what it should be, for messages, such as "a result".

    Raises:
        OutputError: it cannot be read, or is no object of this version.
    """
    try:
        record = parse_json(read_regular(path, LARGEST))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{path} cannot be read as {what} ({reason}); move it away, or use another folder") from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise OutputError(f"{path} is not {what} of this program; move it away, or use another folder")
    return record


def find_result(folder: str | os.PathLike, unit: str) -> dict | None:
    """Return the result.json of a folder if it is the complete result of a unit of work, else None.

    Raises:
        OutputError: it cannot be read, or it is not a result of this program.
    """
    existing = read_result(folder)
    complete = existing is not None and existing.get("status") in COMPLETE and existing.get("unit") == unit
    return existing if complete else None


def holds_result(folder: Path, record: Mapping, digests: Mapping[str, str]) -> bool:
    """Return whether a folder holds the complete result of the same run with the same bytes.

    Args:
        folder: the folder.
        record: the new result.json, without "files".
        digests: sha256 of the new files, by name.
    """
    try:
        existing = read_result(folder)
    except OutputError:
        return False
    if existing is None or differences(existing, record) or existing.get("unit") != record.get("unit"):
        return False
    same = existing.get("status") in COMPLETE and existing.get("files") == dict(digests)
    return same and all((folder / name).is_file() for name in digests)


def is_done(folder: str | os.PathLike, planned: Mapping, overwrite: bool = False) -> bool:
    """Return whether the folder holds the complete result of the planned run.

    Args:
        folder: the folder of the run.
        planned: the `run_identity` of the planned run.
        overwrite: return False, rather than raise, for the result of another run.

    Raises:
        OutputError: the folder holds the result of another run; the message names the differences.
    """
    existing = read_result(folder)
    if existing is None or existing.get("status") not in COMPLETE:
        return False
    found = differences(existing, planned)
    if found and not overwrite:
        raise OutputError(
            f"{Path(folder) / RESULT} holds the result of a different run ({'; '.join(found)}); use another folder "
            "(-o DIR), or replace it (--overwrite)"
        )
    return not found


def existing_files(folder: Path) -> list[Path]:
    """Return the files in a folder that saving a run would replace, result.json first."""
    solutions = sorted(path for path in (folder / "solutions").glob("*.png") if path.stem.isdecimal())
    windows = sorted(path for name in OF_WINDOWS for path in folder.glob(f"window[1-9]*-{name}"))
    found = (folder / RESULT, *(folder / name for name in FILES), *solutions, *windows)
    return [path for path in found if path.is_file()]


def prepare_folder(folder: str | os.PathLike) -> Path:
    """Create a folder for results, and check that it can be written; to be called before any work.

    Raises:
        OutputError: it cannot be created or written.
    """
    check_writable(folder)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    import platform

    found = {"python": platform.python_version()}
    for key, package in (
        ("dgp", "deep-generative-prior"),
        ("torch", "torch"),
        ("numpy", "numpy"),
        ("pillow", "pillow"),
    ):
        try:
            found[key] = version(package)
        except PackageNotFoundError:
            found[key] = "not installed as a package"
    return found


def to_json(value: Any) -> Any:
    """Return a value that JSON can hold: tensors and arrays as numbers and lists, NaN and Infinity as null."""
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [to_json(item) for item in value]
    if hasattr(value, "tolist"):
        return to_json(value.tolist())
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def look_up(record: Mapping, path: tuple[str, ...]) -> Any:
    """Return the value at a path of keys, or None."""
    for key in path:
        record = record.get(key) if isinstance(record, Mapping) else None
    return record


def shorten_value(value: Any) -> str:
    """Return a value for a message."""
    text = "not given" if value is None else str(value)
    return text if len(text) <= 40 else text[:12] + "..."
