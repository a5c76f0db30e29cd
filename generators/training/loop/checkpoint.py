"""The files of a run: ``checkpoint.pt``, written atomically, and ``log.jsonl``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from generators.errors import TrainingError
from generators.training.loop import networks
from generators.training.loop.data import Pictures
from generators.training.loop.run import Run
from generators.training.loop.settings import Settings

FORMAT = 1
NAME, LOG = "checkpoint.pt", "log.jsonl"


def save(run: Run, folder: Path) -> None:
    """Write the checkpoint of a run to a folder."""
    pair = run.generator, run.discriminator
    about = {"format": FORMAT, "settings": asdict(run.settings), "pictures": run.pictures.sha256}
    draft = folder / f".{NAME}.tmp"
    with open(draft, "wb") as file:
        torch.save(about | {"made": networks.describe_pair(pair)} | run.state(), file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / NAME)


def load_state(folder: Path) -> dict[str, Any] | None:
    """Read what ``save`` wrote; None where there is no checkpoint yet.

    Raises:
        TrainingError: the file cannot be read.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # damaged files raise errors of many kinds in zip, pickle and torch
        state = None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise TrainingError(f"{path}: not a checkpoint of this version; move it away, or choose another --out")
    return state


def resume(
    state: dict[str, Any], pictures: Pictures, change: Callable[[Settings], Settings], device: str, graphs: bool = True
) -> Run:
    """Return the run as it was saved.

    Args:
        state: of ``load_state``.
        pictures: the training data.
        change: of its settings.
        device: "cpu" or "cuda".
        graphs: whether steps on a GPU are captured.

    Raises:
        TrainingError: the pictures are others, or a setting cannot change.
    """
    if state["pictures"] != pictures.sha256:
        raise TrainingError("this run was begun with other pictures; give the --data it had, or choose another --out")
    settings = change(Settings(**state["settings"]))
    run = Run(settings, pictures, networks.rebuild_pair(settings.arch, state["made"]), device, graphs=graphs)
    run.restore(state)
    return run


class Log:
    """A log of one JSON object a line.

    Entries later than ``steps`` are removed: they are of a run that was killed after its last checkpoint.
    """

    def __init__(self, folder: Path, steps: int):
        self.path = folder / LOG
        before = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        kept = [line for line in before if _steps(line) <= steps]
        self.path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")

    def add(self, entry: dict[str, Any]) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def _steps(line: str) -> float:
    """Return the steps of a line, infinity for a line that was cut off."""
    try:
        return json.loads(line)["steps"]
    except (ValueError, KeyError, TypeError):
        return float("inf")
