"""What the folders of a batch hold: which units are done, failed, interrupted or missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgp.batch.batch_files import RECORD, Batch
from dgp.batch.inputs import FAILED_FILE
from dgp.batch.unit import Unit
from dgp.errors import OutputError
from dgp.output.run_folder import COMPLETE, read_record, read_result

READERS = 16  # threads that read results
TOGETHER = 50  # units that a thread reads in one go
CHECKPOINTS = "checkpoint*.safetensors"
STATES = ("done", "diverged", "failed", "interrupted", "missing")


@dataclass(frozen=True)
class State:
    """The state of a unit.

    Attributes:
        status: one of ``STATES``; "interrupted": there is a checkpoint to go on from.
        reason: why it failed.
        result: its result.json, where it is complete.
        failure: its failed.json, where it failed.
    """

    status: str
    reason: str = ""
    result: dict | None = None
    failure: dict | None = None


def read_state(output: Path, unit: Unit) -> State:
    """Return the state of a unit; a complete result counts, whatever else lies in the folder."""
    folder = output / unit.folder
    try:
        result = read_result(folder)
        if result is not None and result.get("status") in COMPLETE:
            return State(result["status"], result=result)
    except OutputError:  # the run will say so
        return State("missing")
    try:
        failure = read_record(folder / FAILED_FILE, RECORD)
    except OutputError as error:
        return State("failed", str(error))
    if failure is not None:
        return State("failed", str(failure.get("reason", "")), failure=failure)
    return State("interrupted" if any(folder.glob(CHECKPOINTS)) else "missing")


def read_states(batch: Batch) -> Iterator[tuple[Unit, State]]:
    """Yield each unit with its state; several are read at once, as file systems of a network take a while to answer."""

    def read(first: int) -> list[tuple[Unit, State]]:
        return [(unit, read_state(batch.output, unit)) for unit in batch.units[first : first + TOGETHER]]

    round_ = READERS * TOGETHER  # what is in memory at once
    with ThreadPoolExecutor(READERS) as pool:
        for first in range(0, len(batch.units), round_):
            for part in pool.map(read, range(first, min(first + round_, len(batch.units)), TOGETHER)):
                yield from part


def summarize(batch: Batch) -> dict[str, Any]:
    """Return the number of units in each state, and the failures with their reasons."""
    counts, failures = Counter(), []
    for unit, state in read_states(batch):
        counts[state.status] += 1
        if state.status == "failed":
            failures.append({"picture": unit.picture, "folder": unit.folder, "reason": state.reason})
    return {
        "output": str(batch.output),
        "units": len(batch.units),
        **{name: counts[name] for name in STATES},
        "failures": failures,
    }


def forget_failures(batch: Batch) -> tuple[Unit, ...]:
    """Remove the failed.json of each unit that failed, and return these units."""
    failed = tuple(unit for unit, state in read_states(batch) if state.status == "failed")
    for unit in failed:
        (batch.output / unit.folder / FAILED_FILE).unlink(missing_ok=True)
    return failed
