"""Checkpoints at intervals while a run goes on, and at its end by a signal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

import torch

from dgp.checkpoint import EVERY
from dgp.checkpoint.checkpoint import Checkpoint
from dgp.checkpoint.folder import CheckpointFolder
from dgp.checkpoint.signals import Watch
from dgp.errors import Interrupted, OutputError

SHARE = 0.01  # of a run's time that its checkpoints may take; large ones are written less often


class Saved(Protocol):
    """A run that can be saved at its safe points, such as an inversion."""

    on_safe_point: Callable[[], None]

    def checkpoint(self) -> Checkpoint: ...


class Autosave:
    """Saves a run in its folder when a checkpoint is due, and when it is to end.

    Args:
        folder: the folder of the run.
        every: seconds between two checkpoints; 0 writes none.
        watch: says at the safe points whether the run is to end.
        identity: entries that the identity of its checkpoints gets besides those of the run.
        note: takes a sentence for the user.
    """

    def __init__(
        self,
        folder: CheckpointFolder,
        every: float = EVERY,
        *,
        watch: Watch | None = None,
        identity: Mapping[str, Any] | None = None,
        note: Callable[[str], None] = lambda text: None,
    ):
        self.folder, self.every = folder, every
        self.watch, self.note, self.identity = watch or Watch(), note, dict(identity or {})
        self._due = 0.0

    def read(self, device: str | torch.device) -> Checkpoint | None:
        """Return the checkpoint to go on from, or None; tell the user of damaged ones."""
        if not self.every:
            return None
        found, damaged = self.folder.read(device)
        for text in damaged:
            self.note(text)
        if damaged:
            self.note("the checkpoint before it is used" if found else "the run begins anew")
        return found

    @contextlib.contextmanager
    def attend(self, run: Saved) -> Iterator[None]:
        """Save the run at its safe points within the block."""
        self._due = time.monotonic() + self.every
        run.on_safe_point = lambda: self._at_safe_point(run)
        with self.watch.defer():
            yield

    def _at_safe_point(self, run: Saved) -> None:
        try:
            self.watch.check()
        except Interrupted as ended:
            if self.every and self._save(run):
                raise Interrupted(ended.signum, "the same command goes on from the checkpoint") from None
            raise
        if self.every and time.monotonic() >= self._due:
            self._save(run)

    def _save(self, run: Saved) -> bool:
        """Write a checkpoint, and return whether it could be written; a run goes on without one."""
        begin = time.monotonic()
        try:
            checkpoint = run.checkpoint()
            self.folder.write(replace(checkpoint, identity=checkpoint.identity | self.identity))
            return True
        except OutputError as error:
            self.note(f"no checkpoint was written: {error}")
            return False
        finally:
            end = time.monotonic()
            self._due = end + max(self.every, (end - begin) / SHARE)
