"""One job of a SLURM array, which submitit pickles: it runs a shard as `dgp batch` does on one machine."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

from submitit.core.job_environment import JobEnvironment
from submitit.core.utils import DelayedSubmission

from dgp.batch.attempts import Attempts
from dgp.batch.drive import run_units
from dgp.batch.engines import local
from dgp.batch.engines.table import Workers
from dgp.batch.unit import Unit
from dgp.batch.worker import Work
from dgp.errors import Interrupted

ANNOUNCED = getattr(signal, f"SIG{JobEnvironment.USR_SIG}")  # the scheduler's signal before it ends a job
GRACE = 600  # seconds that a job waits, after SIGTERM alone, for what the scheduler does with it


class ShardJob:
    """Runs units on a worker for each GPU of the job, or on one without a GPU.

    The job ends its runs at a safe point, with a checkpoint, when the scheduler announces its end or sends SIGTERM.
    After the announcement, submitit puts it into the queue again, where it goes on. SIGTERM alone may mean that the
    user has cancelled it: it is left to the scheduler whether it comes again.

    Args:
        units: the shard.
        work: what its units have in common.
        time_limit: seconds that an attempt may take, or None.
    """

    def __init__(self, units: tuple[Unit, ...], work: Work, time_limit: float | None):
        self.units, self.work, self.time_limit = units, work, time_limit

    def __call__(self) -> dict[str, Any]:
        """Run the shard, and return the summary."""
        logging.basicConfig(format="%(asctime)s %(message)s")
        logging.getLogger("dgp.batch").setLevel(logging.INFO)
        os.chdir(self.work.cwd)
        received: list[int] = []

        @contextlib.contextmanager
        def stopping(attempts: Attempts) -> Iterator[None]:
            def stop(signum: int, frame: object) -> None:
                received.append(signum)
                attempts.stopping = attempts.stopping or signum

            before = {signum: signal.signal(signum, stop) for signum in (ANNOUNCED, signal.SIGTERM)}
            try:
                yield
            finally:
                for signum, handler in before.items():
                    signal.signal(signum, handler)

        try:
            return run_units(self.units, self.work, local.run, Workers(None, self.time_limit), stopping).record()
        except Interrupted:
            if ANNOUNCED in received:
                signal.raise_signal(ANNOUNCED)  # for submitit, which calls ``checkpoint`` and requeues the job
            time.sleep(GRACE)  # an announcement that comes now reaches submitit
            raise

    def checkpoint(self) -> DelayedSubmission:
        """Return what the job does when it runs again; submitit calls this."""
        return DelayedSubmission(self)
