"""One picture to restore, and what was found out about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dgp.observation.observation import Observation


@dataclass(frozen=True)
class Job:
    """A picture to restore, and the result of checking it.

    Attributes:
        path: the picture.
        output: the folder of all results of the call.
        name: the folder of the run, relative to `output`.
        planned: the entries of result.json that identify the run (`run_folder.run_identity`).
        done: the folder holds the complete result of this run already.
        observation: the opened picture; kept only if there is one picture in the call, as photographs are large.
        notes: sentences for the user about what was done to the picture.
        failed: the error that prevents the run.
        seconds: how long opening, estimating and checking took.
    """

    path: Path
    output: Path
    name: str
    planned: dict | None = None
    done: bool = False
    observation: Observation | None = None
    notes: tuple[str, ...] = ()
    failed: Exception | None = None
    seconds: float = 0.0

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.output / self.name
