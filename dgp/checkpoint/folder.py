"""The checkpoints of a run in its folder: the last two, of which a damaged one gives way to the one before it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from dgp.checkpoint.checkpoint import Checkpoint, read_identity
from dgp.errors import CheckpointError
from dgp.files import remove_dead_drafts, replace_atomic

CURRENT, PREVIOUS = "checkpoint.safetensors", "checkpoint-previous.safetensors"
Found = TypeVar("Found")


@dataclass(frozen=True)
class CheckpointFolder:
    """The folder of a run, as far as it holds checkpoints.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def files(self) -> tuple[Path, Path]:
        """The last checkpoint and the one before it, whether or not they are there."""
        return self.path / CURRENT, self.path / PREVIOUS

    def write(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; the last one becomes the one before it.

        Raises:
            OutputError: it cannot be written; the checkpoints that are there stay.
        """
        current, previous = self.files
        with contextlib.suppress(OSError):  # what prevents it is told by the attempt to write
            self.path.mkdir(parents=True, exist_ok=True)
        with replace_atomic(current) as draft:
            checkpoint.write(draft)
            with contextlib.suppress(FileNotFoundError):
                os.replace(current, previous)

    def read(self, device: str | torch.device = "cpu") -> tuple[Checkpoint | None, list[str]]:
        """Return the last checkpoint that is whole, or None, and a note for each that is damaged.

        Args:
            device: where tensors go that were not on the CPU.
        """
        return self._first_whole(lambda path: Checkpoint.load(path, device))

    def read_identity(self) -> dict[str, Any] | None:
        """Return the identity of the run whose checkpoints are here, or None if there are none that can be read."""
        return self._first_whole(read_identity)[0]

    def clear(self) -> None:
        """Remove the checkpoints, and what processes that were killed left of new files."""
        for path in self.files:
            path.unlink(missing_ok=True)
        remove_dead_drafts(self.path)

    def _first_whole(self, read: Callable[[Path], Found]) -> tuple[Found | None, list[str]]:
        notes = []
        for path in self.files:
            try:
                return read(path), notes
            except FileNotFoundError:
                continue
            except CheckpointError as error:
                notes.append(f"{error}")
        return None, notes
