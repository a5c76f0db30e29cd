"""The work of one process: load the prior once, then run one unit after the other. Every engine calls this."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dgp.batch.outcome import Attempt, Outcome
from dgp.batch.unit import Unit
from dgp.checkpoint import EVERY
from dgp.checkpoint.signals import Watch
from dgp.errors import CheckpointError, Interrupted, OutputError
from dgp.process.logs import logging_to_file
from dgp.process.peak_memory import host_peak
from dgp.runs.failures import exit_code, one_line
from dgp.runs.settings import RunSettings

if TYPE_CHECKING:
    from dgp.runs.job import Job
    from dgp.runs.runner import Runner

BAD_INPUT = 2  # exit code of errors that a repetition cannot change


@dataclass(frozen=True)
class Work:
    """What a worker needs to know; it can be pickled, and holds JSON values alone.

    Attributes:
        settings: the settings that all units have in common.
        output: the folder of the results, absolute.
        cwd: the folder that relative paths start from.
        argv: the call, program first, for result.json.
        overwrite: replace results of other runs.
        fresh: begin every unit anew.
        checkpoint_every: seconds between two checkpoints of a unit; 0: none.
        log_file: the file that the lines of logs are appended to, absolute; None: there is none.
    """

    settings: RunSettings
    output: str
    cwd: str
    argv: tuple[str, ...] = ("dgp",)
    overwrite: bool = False
    fresh: bool = False
    checkpoint_every: float = EVERY
    log_file: str | None = None


class Worker:
    """Runs units in this process.

    Args:
        work: what all units have in common; plugins, prior and recipe are loaded at once.
        watch: is asked at the safe points of a run whether it is to end; None: it never is.

    Raises:
        InputError, RecipeError, degradations.DegradationError, generators.GeneratorError: the settings cannot be used.
    """

    def __init__(self, work: Work, watch: WorkerWatch | None = None):
        from dgp.progress import display
        from dgp.runs.runner import Runner

        os.chdir(work.cwd)
        self.work, self.watch = work, watch
        with display(False):
            runner = Runner.load(work.settings)
        self.runner = replace(
            runner,
            argv=work.argv,
            overwrite=work.overwrite,
            fresh=work.fresh,
            checkpoint_every=work.checkpoint_every,
        )

    def run(self, attempt: Attempt) -> Outcome:
        """Run a unit, unless its result is complete; no error of the unit is raised."""
        from dgp.progress import display

        begin, unit_id, notes = time.perf_counter(), None, []
        runner, job = self.prepare(attempt.unit)
        try:
            with logging_to_file(self.work.log_file and Path(self.work.log_file)), display(False):
                unit_id = runner.unit(job)
                record, ran = self._complete(runner, job, unit_id, notes.append)
            outcome = Outcome(attempt, record["status"], ran, unit_id)
        except Interrupted as error:
            outcome = Outcome(attempt, "interrupted", unit_id=unit_id, reason=one_line(error))
        except Exception as error:  # noqa: BLE001  a unit that fails must not stop the others
            code = exit_code(error)
            outcome = Outcome(
                attempt,
                "failed",
                unit_id=unit_id,
                reason=one_line(error),
                exit_code=code,
                lasting=code == BAD_INPUT,
                of_place=isinstance(error, OutputError | CheckpointError),
            )
        seconds = time.perf_counter() - begin
        return replace(outcome, notes=tuple(notes), seconds=seconds, peak_memory=host_peak())

    def prepare(self, unit: Unit) -> tuple[Runner, Job]:
        """Return the runner with the settings of a unit, and its job."""
        from dgp.runs.job import Job

        runner = replace(self.runner, settings=unit.settings(self.work.settings))
        return runner, Job(Path(unit.picture), Path(self.work.output), unit.folder)

    def _complete(self, runner: Runner, job: Job, unit_id: str, note: Callable[[str], None]) -> tuple[dict, bool]:
        """Return the result of a job, and whether it had to be run; ``note`` takes sentences for the user."""
        from dgp.output.run_folder import find_result

        if not runner.fresh and (existing := find_result(job.folder, unit_id)) is not None:
            return existing, False
        job = runner.check(job, keep=True)
        if job.failed is not None:
            raise job.failed
        if job.done and not runner.overwrite:
            raise OutputError(
                f"{job.folder}/result.json holds the result of this run by other plugins, another discriminator or "
                "another version of dgp; use another folder (-o DIR), or replace it (--overwrite)"
            )
        return runner.run(job, note, self.watch), True


class WorkerWatch(Watch):
    """Tells a run when to end: after SIGTERM, and when the process that started this one is gone.

    SIGINT and user signals are left to that process, as terminals and schedulers send them to all. A worker that runs
    nothing ends at once.
    """

    def __init__(self):
        self.parent, self.busy, self.received = os.getppid(), False, 0

    def install(self) -> None:
        """Take over SIGTERM and ignore what is meant for the process that started this one; only in the main thread."""
        for name in ("SIGINT", "SIGUSR1", "SIGUSR2"):  # schedulers announce the end of a job to all its processes
            if hasattr(signal, name):  # not on Windows
                signal.signal(getattr(signal, name), signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._take)

    def _take(self, signum: int, frame: object) -> None:
        if not self.busy:
            os._exit(128 + signum)
        self.received = signum

    @property
    def orphaned(self) -> bool:
        """Whether the process that started this one is gone."""
        return os.getppid() != self.parent

    def check(self) -> None:
        """Raise Interrupted where the run is to end."""
        if self.received or self.orphaned:
            raise Interrupted(self.received or signal.SIGTERM)
