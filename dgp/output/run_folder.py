"""Folders of results: which run lies there, and whether another may be written."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dgp.errors import OutputError
from dgp.files import sha256_of

RESULT = "result.json"
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

# What makes two runs the same: the name to report, and where it stands in a result.
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
    "simulate": ("simulate",),
    "target": ("target",),
    "truth": ("degradation", "truth"),
    "start": ("start", "sha256"),
}


def run_identity(
    observation, prior, recipe, *, seed: int, num_solutions: int = 1, start: Mapping | None = None
) -> dict:
    """The part of a result that is known before the run and tells it from others (`IDENTITY`).

    recipe: as mapped onto the prior (`inversion.recipe`), which is what runs.  start: of a warm one, its `record()`.
    """
    source, whole = observation.source, observation.whole
    return {
        "input": {"path": source.path, "sha256": source.sha256},
        "degradation": {
            "spec": whole.spec,
            "assets": plain(whole.assets),
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
        "simulate": observation.simulated,
        "target": observation.target if observation.simulated else None,
        "start": start,
    }


def _weight(observation) -> dict | None:
    """Of the map that was given, at whatever size."""
    if observation.weighed is not None:
        return {"path": observation.weighed.path, "sha256": observation.weighed.sha256}
    if observation.weight is not None:
        return {"path": None, "sha256": sha256_of(observation.weight.numpy().tobytes())}
    return None


def differences(existing: Mapping, planned: Mapping) -> list[str]:
    """What tells two runs apart, in words, one text each: "seed: 0 there, 1 now". Empty for the same run."""
    found = []
    for name, path in IDENTITY.items():
        there, now = _at(existing, path), _at(planned, path)
        if name == "class" and isinstance(existing, Mapping) and path[0] not in existing:
            there = existing.get("class")  # of a result that was written before the class found was recorded
        if name == "mask":  # the file may have moved; its pixels count
            there, now = ({key: asset.get("sha256") for key, asset in (value or {}).items()} for value in (there, now))
        if there != now:
            found.append(f"{name}: {_short(there)} there, {_short(now)} now")
    return found


def same_run(existing: Mapping, planned: Mapping) -> bool:
    """existing: an opened result.json.  planned: what `run_identity` says of the run to come."""
    return not differences(existing, planned)


def read_result(folder: str | os.PathLike) -> dict | None:
    """The result.json of a folder, or None where no run was completed. OutputError when it makes no sense."""
    path = Path(folder) / RESULT
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{path} cannot be read as a result ({error}); move it away, or use another folder"
        ) from error
    if not isinstance(record, dict) or record.get("schema") != 1:
        raise OutputError(f"{path} is not a result of this program; move it away, or use another folder")
    return record


def is_done(folder: str | os.PathLike, planned: Mapping, overwrite: bool = False) -> bool:
    """True when the folder holds the planned run, complete; False when it holds none.

    Raises OutputError, naming what differs, when it holds another; with ``overwrite`` that counts as none.
    """
    existing = read_result(folder)
    if existing is None or existing.get("status") != "done":
        return False
    found = differences(existing, planned)
    if found and not overwrite:
        raise OutputError(
            f"{Path(folder) / RESULT} is of a different run ({'; '.join(found)}); use another folder (-o DIR), or "
            "replace it (--overwrite)"
        )
    return not found


def written(folder: Path) -> list[Path]:
    """Return the files in a folder that have the names of a run's own, result.json first: what ``save`` replaces."""
    solutions = sorted(path for path in (folder / "solutions").glob("*.png") if path.stem.isdecimal())
    return [path for path in (folder / RESULT, *(folder / name for name in FILES), *solutions) if path.is_file()]


def prepare(folder: str | os.PathLike) -> Path:
    """Makes the folder and tries to write there; OutputError when that fails. Call it before any work."""
    folder = Path(folder)
    probe = folder / f".write-test.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = "it is a file" if folder.is_file() else error.strerror or error
        raise OutputError(f"cannot write into {folder}: {reason}; choose another folder") from error
    return folder


def versions() -> dict[str, str]:
    """Of what a result depends on."""
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


def plain(value: Any) -> Any:
    """As JSON has it: tensors and numpy numbers as numbers and lists, NaN and Infinity as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def _at(record: Mapping, path: tuple[str, ...]) -> Any:
    for key in path:
        record = record.get(key) if isinstance(record, Mapping) else None
    return record


def _short(value: Any) -> str:
    text = "not given" if value is None else str(value)
    return text if len(text) <= 40 else text[:12] + "..."
