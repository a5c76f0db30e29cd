"""What became of one attempt at a unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dgp.batch.unit import Unit

Status = Literal["done", "diverged", "failed", "interrupted"]


@dataclass(frozen=True)
class Attempt:
    """One attempt at a unit; number is 1 for the first."""

    unit: Unit
    number: int = 1


@dataclass(frozen=True)
class Outcome:
    """The end of an attempt.

    Attributes:
        attempt: the attempt.
        status: "done" and "diverged" as in result.json; "failed"; "interrupted": the unit goes on another time.
        ran: whether the unit was run; false where its result was there already.
        unit_id: the id of the unit, or None where it is not known.
        reason: why it failed, in one line.
        exit_code: the exit code of its error; 0 if it did not fail.
        lasting: whether a repetition cannot change it, as for a damaged picture.
        of_place: whether the fault lies with the place where results are written, and not with the unit.
        notes: sentences for the user, such as that a damaged checkpoint was left out.
        seconds: how long it took.
        peak_memory: the largest memory of the process during the attempt, in bytes; None if not known.
    """

    attempt: Attempt
    status: Status
    ran: bool = True
    unit_id: str | None = None
    reason: str = ""
    exit_code: int = 0
    lasting: bool = False
    of_place: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    peak_memory: int | None = None
