"""What an actor of the Ray engine runs; Ray is not imported here."""

from __future__ import annotations

import os
import signal

from dgp.batch.outcome import Attempt, Outcome
from dgp.batch.worker import Work, Worker
from dgp.checkpoint.signals import Watch
from dgp.errors import Interrupted


class StopWatch(Watch):
    """Ends a run at its next safe point once ``stopped`` is set, by another thread."""

    def __init__(self):
        self.stopped = False

    def check(self) -> None:
        """Raise Interrupted where the run is to end."""
        if self.stopped:
            raise Interrupted(signal.SIGTERM)


class Actor:
    """Runs attempts on a prior that is loaded once; Ray makes a new one where the process of an actor dies.

    Args:
        work: what all units have in common.
    """

    def __init__(self, work: Work):
        self.work, self.watch = work, StopWatch()
        self.worker: Worker | None = None

    def load(self) -> int:
        """Load the prior, unless it is loaded, and return the number of the process."""
        if self.worker is None:
            from dgp.memory import keep_freed_memory
            from dgp.threads import import_torch

            keep_freed_memory()
            import_torch()
            self.worker = Worker(self.work, self.watch)
        return os.getpid()

    def run(self, attempt: Attempt) -> Outcome:
        """Run an attempt."""
        self.load()
        return self.worker.run(attempt)

    def stop(self) -> None:
        """Let the attempt that runs end at its next safe point; to be called while ``run`` is running."""
        self.watch.stopped = True
