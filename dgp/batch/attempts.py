"""The attempts that are still to be made, and the units that failed for good."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dgp.batch.inputs import FAILED_FILE
from dgp.batch.outcome import Attempt, Outcome
from dgp.batch.unit import Unit
from dgp.errors import OutputError
from dgp.files import write_json_atomic
from dgp.output.run_folder import COMPLETE, SCHEMA, prepare_folder, read_result

TIMES = 3  # attempts at a unit before it is given up


@dataclass(frozen=True)
class Failure:
    """A failed attempt, as failed.json lists it."""

    reason: str
    exit_code: int
    seconds: float


class Attempts:
    """Hands attempts to an engine, and takes their outcomes.

    Args:
        units: the units to run, in their order.
        output: the folder of the results.

    Attributes:
        stopping: the number of the signal that ends the batch, or 0; no attempt is handed out after it.
    """

    def __init__(self, units: Iterable[Unit], output: Path):
        self._units: Iterator[Unit] = iter(units)
        self._again: deque[Attempt] = deque()
        self._failures: dict[int, list[Failure]] = {}
        self.output, self.stopping = output, 0

    def take(self) -> Attempt | None:
        """Return the next attempt to make; None where there is none at present.

        An attempt that fails may come again; there is none left when ``take`` returns None and no attempt is running.
        """
        if self.stopping:
            return None
        unit = next(self._units, None)
        return Attempt(unit) if unit is not None else self._again.popleft() if self._again else None

    def settle(self, outcome: Outcome) -> bool:
        """Take the outcome of an attempt; return whether its unit is settled, and not attempted again.

        A unit that failed ``TIMES`` times, or whose failure is lasting, gets its failed.json.
        """
        unit = outcome.attempt.unit
        if outcome.status != "failed":
            self._failures.pop(unit.number, None)
            if outcome.status in COMPLETE:
                with contextlib.suppress(OSError):
                    (self.output / unit.folder / FAILED_FILE).unlink(missing_ok=True)
            return True
        if outcome.of_place:
            return True
        failures = self._failures.setdefault(unit.number, [])
        failures.append(Failure(outcome.reason, outcome.exit_code, round(outcome.seconds, 3)))
        if not outcome.lasting and outcome.attempt.number < TIMES:
            self._again.append(replace(outcome.attempt, number=outcome.attempt.number + 1))
            return False
        self._record(unit, outcome, self._failures.pop(unit.number))
        return True

    def _record(self, unit: Unit, outcome: Outcome, failures: list[Failure]) -> None:
        """Write failed.json, unless another process has completed the unit."""
        folder = self.output / unit.folder
        with contextlib.suppress(OutputError):  # a result that cannot be read, or a folder that cannot be written
            if is_complete(folder):
                return
            prepare_folder(folder)
            write_json_atomic(
                folder / FAILED_FILE,
                {
                    "schema": SCHEMA,
                    "status": "failed",
                    "unit": outcome.unit_id,
                    "number": unit.number,
                    "input": {"path": unit.picture},
                    "attempts": [vars(failure) for failure in failures],
                    "reason": outcome.reason,
                    "exit_code": outcome.exit_code,
                },
            )


def is_complete(folder: Path) -> bool:
    """Return whether a folder holds a complete result, of whatever run."""
    record = read_result(folder)
    return record is not None and record.get("status") in COMPLETE
