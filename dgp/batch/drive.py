"""The driver: hands the units to an engine, counts what becomes of them, and logs a line for each."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dgp.batch.attempts import Attempts
from dgp.batch.engines.table import Engine, Workers
from dgp.batch.inputs import FAILED_FILE
from dgp.batch.outcome import Outcome
from dgp.batch.report import read_state
from dgp.batch.unit import Unit
from dgp.batch.worker import Work
from dgp.errors import Interrupted
from generators.progress import report

logger = logging.getLogger("dgp.batch")


@dataclass
class Tally:
    """What became of the units so far.

    Attributes:
        units: how many there are.
        ran: results that were computed now.
        kept: results that were there already.
        diverged: those among both whose answer diverged.
        failures: units that failed, now or in an earlier run, each with picture, folder and reason.
        begun: time.monotonic() at the start.
    """

    units: int
    ran: int = 0
    kept: int = 0
    diverged: int = 0
    failures: list[dict[str, str]] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def add(self, outcome: Outcome) -> None:
        """Count a unit that is settled."""
        if outcome.status == "failed":
            self.fail(outcome.attempt.unit, outcome.reason)
        elif outcome.status != "interrupted":
            self.ran += outcome.ran
            self.kept += not outcome.ran
            self.diverged += outcome.status == "diverged"

    def fail(self, unit: Unit, reason: str) -> None:
        """Count a unit that failed."""
        self.failures.append({"picture": unit.picture, "folder": unit.folder, "reason": reason})

    @property
    def settled(self) -> int:
        """How many units are done or failed."""
        return self.ran + self.kept + len(self.failures)

    @property
    def an_hour(self) -> float:
        """Pictures that were computed, for an hour."""
        return 3600 * self.ran / max(time.monotonic() - self.begun, 1e-9)

    def words(self) -> str:
        """Return the failures and the speed in a few words."""
        return f"{len(self.failures)} failed, {self.an_hour:.0f} an hour"

    def record(self) -> dict[str, Any]:
        """Return the summary that ``--json`` prints."""
        return {
            "units": self.units,
            "done": self.ran + self.kept,
            "computed": self.ran,
            "diverged": self.diverged,
            "failed": len(self.failures),
            "pictures_an_hour": round(self.an_hour, 1),
            "seconds": round(time.monotonic() - self.begun, 3),
            "failures": self.failures,
        }


def run_units(
    units: tuple[Unit, ...],
    work: Work,
    engine: Engine,
    workers: Workers,
    stopping: Callable[[Attempts], contextlib.AbstractContextManager[None]] | None = None,
) -> Tally:
    """Run units of a batch; those that are done, or failed for good in an earlier run, are left out.

    Args:
        units: those that are run here.
        work: what workers need to know.
        engine, workers: what supplies the processes, and how many.
        stopping: a context in which signals set ``Attempts.stopping``; None: ``stopping_by_signal``.

    Raises:
        Interrupted: SIGINT or SIGTERM ended it.
        DgpError: the settings cannot be used.
    """
    tally = Tally(len(units))
    output = Path(work.output)
    attempts = Attempts(_leave_out_failed(units, output, tally), output)
    report(tally.words(), 0, tally.units)
    with (stopping or stopping_by_signal)(attempts):
        for outcome in engine(work, attempts, workers):
            if attempts.settle(outcome):
                tally.add(outcome)
            log(outcome, tally)
            report(tally.words(), tally.settled, tally.units)
    report("")
    if attempts.stopping:
        raise Interrupted(attempts.stopping, "the same command goes on")
    return tally


def select_shard(units: tuple[Unit, ...], number: int, count: int) -> tuple[Unit, ...]:
    """Return the units of a shard: every ``count``-th, from the ``number``-th (from 1)."""
    return units[number - 1 :: count]


def _leave_out_failed(units: Iterable[Unit], output: Path, tally: Tally) -> Iterator[Unit]:
    """Yield the units that did not fail for good in an earlier run, and count the others."""
    for unit in units:
        there = (output / unit.folder / FAILED_FILE).exists()  # results are left to the workers, as there may be many
        state = read_state(output, unit) if there else None
        if state is not None and state.status == "failed":
            tally.fail(unit, state.reason)
            logger.warning("%s: failed in an earlier run, not tried again: %s", unit.picture, state.reason)
        else:
            yield unit


def log(outcome: Outcome, tally: Tally) -> None:
    """Log a line about an outcome; its fields are those of the record, for handlers that write them."""
    unit, attempt = outcome.attempt.unit, outcome.attempt.number
    for note in outcome.notes:
        logger.debug("%s: %s", unit.picture, note, extra={"unit": outcome.unit_id, "picture": unit.picture})
    level = logging.WARNING if outcome.status == "failed" else logging.INFO if outcome.ran else logging.DEBUG
    words = outcome.status if outcome.ran else f"{outcome.status} already"
    reason = f" (attempt {attempt}): {outcome.reason}" if outcome.reason else ""
    logger.log(
        level,
        "%d/%d %s: %s in %.1f s%s",
        tally.settled,
        tally.units,
        unit.picture,
        words,
        outcome.seconds,
        reason,
        extra={
            "unit": outcome.unit_id,
            "picture": unit.picture,
            "status": outcome.status,
            "seconds": outcome.seconds,
            "attempt": attempt,
            "peak_memory": outcome.peak_memory,
        },
    )


@contextlib.contextmanager
def stopping_by_signal(attempts: Attempts) -> Iterator[None]:
    """Let SIGINT and SIGTERM end the work: workers finish their step; a second signal ends all processes at once."""

    def stop(signum: int, frame: object) -> None:
        if attempts.stopping:
            for process in multiprocessing.active_children():
                process.kill()
            os._exit(128 + signum)
        attempts.stopping = signum

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signum: signal.signal(signum, stop) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
